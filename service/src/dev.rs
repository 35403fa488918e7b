//! `sealring dev`: a whole service out of one directory, set up by its first start.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use keyring::entropy::SystemEntropy;
use keyring::name::MountPath;
use keyring::secret::SecretBytes;
use keyring::setup::{self, InitPlan};

use crate::app::{App, Foundation};
use crate::backends::Absent;
use crate::config::{Config, Layers};
use crate::data_directory::{DataDirectory, Start};
use crate::failure::Failure;
use crate::identity::token::text::TokenText;

/// What can be chosen.
#[derive(Debug)]
pub struct Options {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// The root token, in place of the one that is kept or a new one.
    pub root_token: Option<SecretBytes>,
}

/// A service out of a directory, which stays locked as long as this exists.
#[derive(Debug)]
pub struct Dev {
    /// The service.
    pub app: App,
    /// Its root token.
    pub root_token: TokenText,
    /// Where everything is kept.
    pub directory: DataDirectory,
}

impl Dev {
    /// Opens what the directory holds, or makes it.
    pub fn build(options: Options) -> Result<Self, Failure> {
        let chosen = options.root_token.map(chosen_token).transpose()?;
        let directory = DataDirectory::open(&options.data_dir)?;
        let config = config(options.listen, &directory)?;
        let (app, root_token) = match directory.begin()? {
            Start::First => first_start(config, &directory, chosen)?,
            Start::Again => {
                let foundation = Foundation::lay(config, Absent::Refuse)?;
                // One that was there before is not made valid again: it may have been revoked.
                let is_new = chosen.is_some() || directory.root_token()?.is_none();
                let root_token = keep_token(&directory, chosen)?;
                (foundation.build(is_new.then_some(&root_token))?, root_token)
            }
        };
        Ok(Self {
            app,
            root_token,
            directory,
        })
    }
}

fn first_start(
    config: Config,
    directory: &DataDirectory,
    chosen: Option<TokenText>,
) -> Result<(App, TokenText), Failure> {
    let foundation = Foundation::lay(config, Absent::Create)?;
    let root_token = keep_token(directory, chosen)?;
    let plan = InitPlan {
        shares: 1,
        threshold: 1,
        mount: MountPath::parse("transit").expect("the path fits the grammar"),
    };
    let parts = foundation.parts();
    let initialised = foundation.block_on(setup::initialise(parts, &plan))?;
    for share in &initialised.shares {
        directory.keep_unlock_share(share)?;
    }
    foundation.block_on(setup::replace_root_token(parts, root_token.as_secret()))?;
    directory.complete()?;
    Ok((foundation.build(Some(&root_token))?, root_token))
}

/// The file comes before the store: a token that only the store knew would be lost.
fn keep_token(directory: &DataDirectory, chosen: Option<TokenText>) -> Result<TokenText, Failure> {
    let kept = directory.root_token()?;
    let token = match (chosen, kept) {
        (None, Some(kept)) => return Ok(kept),
        (Some(chosen), _) => chosen,
        (None, None) => TokenText::generate_root(&SystemEntropy)
            .map_err(|error| Failure::unexpected("no root token can be made", &error))?,
    };
    directory.keep_root_token(&token)?;
    Ok(token)
}

fn chosen_token(bytes: SecretBytes) -> Result<TokenText, Failure> {
    TokenText::parse(bytes).ok_or_else(|| {
        Failure::Usage(format!(
            "--root-token must be 1 to {} letters, digits, dots, dashes and underscores",
            TokenText::MAX_LEN
        ))
    })
}

/// The environment applies here too, except to what the directory decides.
fn config(listen: SocketAddr, directory: &DataDirectory) -> Result<Config, Failure> {
    let mut layers = Layers::empty("sealring dev");
    layers.set("telemetry", "log_format", "pretty");
    layers.set("telemetry", "log_filter", "warn");
    layers.add_environment(std::env::vars_os());
    for section in ["store", "kek"] {
        if layers.is_set_by_environment(section) {
            return Err(Failure::SetUp(format!(
                "the environment sets something in section {section}, but `sealring dev` has its own {section}; \
                 use `sealring server`"
            )));
        }
    }
    layers.set("server", "listen", listen.to_string());
    layers.set("store", "kind", "sqlite");
    layers.set("store", "path", text(&directory.store())?);
    layers.set("kek", "kind", "software");
    layers.set("kek", "file", text(&directory.kek())?);
    layers.set("audit.file", "kind", "file");
    layers.set("audit.file", "path", text(&directory.audit_log())?);
    Ok(Config::read(layers)?)
}

fn text(path: &Path) -> Result<&str, Failure> {
    path.to_str()
        .ok_or_else(|| Failure::SetUp("the data directory's path must be UTF-8".to_owned()))
}
