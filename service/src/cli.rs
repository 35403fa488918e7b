//! The command line: what can be asked of the program, and what it prints in answer.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use keyring::name::MountPath;
use keyring::secret::SecretBytes;
use keyring::store::StoreError;
use zeroize::Zeroizing;

use crate::app::App;
use crate::audit::command::AuditCommand;
use crate::backends::{self, Store};
use crate::check;
use crate::config::Config;
use crate::dev::{self, Dev};
use crate::failure::Failure;
use crate::init::{self, Handover};
use crate::operator::{self, OperatorCommand};
use crate::output;

/// Encryption as a service over the Vault transit protocol.
#[derive(Debug, Parser)]
#[command(name = "sealring", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve out of one directory, which the first start sets up; for development
    Dev(DevArgs),
    /// Serve as a configuration file says
    Server(ConfigFile),
    /// Check and search the record of requests
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Look at a configuration without using it
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Prepare store and key-encryption key, once
    Init(InitArgs),
    /// Seal or unseal a running service
    #[command(subcommand)]
    Operator(OperatorCommand),
    /// Make a new root token, which replaces the one before; for when that is lost or was revoked
    RootToken(ConfigFile),
    /// Change mounts beside a running service
    #[command(subcommand)]
    Mount(MountCommand),
    /// Print the version
    Version,
}

#[derive(Debug, Args)]
struct ConfigFile {
    /// The TOML file; `SEALRING_<SECTION>__<KEY>` in the environment stands above it
    #[arg(long = "config", value_name = "FILE")]
    file: PathBuf,
}

#[derive(Args)]
struct DevArgs {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8200")]
    listen: SocketAddr,
    /// Where everything is kept
    #[arg(long, value_name = "DIR", default_value = "./sealring-data")]
    data_dir: PathBuf,
    /// Replaces the root token
    #[arg(long, value_name = "TOKEN")]
    root_token: Option<String>,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Name every mistake in a configuration, or none
    Check(ConfigFile),
}

#[derive(Debug, Args)]
struct InitArgs {
    #[command(flatten)]
    config: ConfigFile,
    /// How many unlock shares to make
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..))]
    shares: u8,
    /// How many of them open a sealed store
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..))]
    threshold: u8,
}

#[derive(Debug, Subcommand)]
enum MountCommand {
    /// Put a disabled mount back into service, with its rings
    Restore(RestoreArgs),
}

#[derive(Debug, Args)]
struct RestoreArgs {
    #[command(flatten)]
    config: ConfigFile,
    /// Where the mount answered
    path: String,
}

impl Cli {
    /// Does what was asked.
    pub fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Dev(args) => run_dev(args),
            Command::Server(args) => run_server(&args.file),
            Command::Audit(command) => command.run(),
            Command::Config(ConfigCommand::Check(args)) => check_config(&args.file),
            Command::Init(args) => run_init(&args),
            Command::Mount(MountCommand::Restore(args)) => restore_mount(&args),
            Command::Operator(command) => print(&operator::run(command)?),
            Command::RootToken(args) => run_root_token(&args.file),
            Command::Version => print(&format!("sealring {VERSION}\n")),
        }
    }
}

/// The token must not be printed, not even for debugging.
impl std::fmt::Debug for DevArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DevArgs")
            .field("listen", &self.listen)
            .field("data_dir", &self.data_dir)
            .finish_non_exhaustive()
    }
}

fn run_dev(args: DevArgs) -> Result<(), Failure> {
    let root_token = args
        .root_token
        .map(|token| SecretBytes::new(token.into_bytes()));
    let data_dir = args.data_dir.display().to_string();
    let Dev {
        app,
        root_token,
        directory: _locked,
    } = Dev::build(dev::Options {
        listen: args.listen,
        data_dir: args.data_dir,
        root_token,
    })?;
    let token = root_token.expose_secret();
    let url = app
        .reach()
        .first()
        .map(ToString::to_string)
        .unwrap_or_default();
    let warning = match app.is_root_token(&root_token) {
        Some(false) => REVOKED,
        Some(true) | None => "",
    };
    let greeting = Zeroizing::new(format!(
        "sealring {VERSION}, for development: SQLite and a software key in {data_dir}\n\
         {listening}\
         root token: {token}\n\
         {warning}\
         \n\
         To use it from another terminal:\n\
         \n\
         export VAULT_ADDR={url} VAULT_TOKEN={token}\n\
         curl -H \"X-Vault-Token: $VAULT_TOKEN\" -X POST $VAULT_ADDR/v1/transit/keys/demo\n\
         curl -H \"X-Vault-Token: $VAULT_TOKEN\" -d '{{\"plaintext\":\"aGVsbG8=\"}}' $VAULT_ADDR/v1/transit/encrypt/demo\n",
        listening = listening(&app),
    ));
    run_app(app, &greeting)
}

fn run_server(file: &Path) -> Result<(), Failure> {
    let app = App::build(Config::load(file)?)?;
    let lines = listening(&app);
    run_app(app, &lines)
}

/// One line for each listener.
fn listening(app: &App) -> String {
    let mut lines = String::new();
    for reach in app.reach() {
        add(&mut lines, format_args!("listening on {reach}\n"));
    }
    lines
}

/// Whoever reads the greeting may ask the process to stop from then on.
fn run_app(app: App, greeting: &str) -> Result<(), Failure> {
    let mut signals = app.stop_signals()?;
    print(greeting)?;
    app.run(async || signals.next().await)
}

fn check_config(file: &Path) -> Result<(), Failure> {
    check::files(&Config::load(file)?)?;
    print(&format!("{}: ok\n", file.display()))
}

fn run_init(args: &InitArgs) -> Result<(), Failure> {
    if args.threshold > args.shares {
        let sentence = "--threshold must not be above --shares";
        return Err(Failure::Usage(sentence.to_owned()));
    }
    if args.threshold == 1 && args.shares > 1 {
        return Err(Failure::Usage(ONE_OF_SEVERAL.to_owned()));
    }
    output::check()?;
    let config = Config::load(&args.config.file)?;
    let handover = init::run(config, args.shares, args.threshold, || {
        output::reserve(HANDOVER)
    })?;
    print(&handover_text(args, &handover)).map_err(|failure| unseen(&failure, LOST_HANDOVER))
}

/// What `init` prints: the shares, how many of them open the store, and the root token.
fn handover_text(args: &InitArgs, handover: &Handover) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(TEXT_CAPACITY));
    match &handover.shares {
        Some(shares) => {
            for (number, share) in (1..).zip(shares) {
                let share = std::str::from_utf8(share.expose_secret()).unwrap_or_default();
                add(&mut text, format_args!("unlock share {number}: {share}\n"));
            }
            add(
                &mut text,
                format_args!(
                    "\n{} of these {} shares open the store after it was sealed. They are shown only now.\n",
                    args.threshold, args.shares
                ),
            );
        }
        None => add(&mut text, format_args!("{CUT_OFF}")),
    }
    add(
        &mut text,
        format_args!("\nroot token: {}\n", handover.root_token.expose_secret()),
    );
    text
}

/// What is to be done now that nobody has seen what was made.
fn unseen(failure: &Failure, remedy: &str) -> Failure {
    Failure::Unexpected(format!("{failure}; {remedy}"))
}

fn run_root_token(file: &Path) -> Result<(), Failure> {
    output::check()?;
    let token = init::replace_root_token(Config::load(file)?, || output::reserve(ROOT_TOKEN))?;
    let line = Zeroizing::new(format!("{}\n", token.expose_secret()));
    print(&line).map_err(|failure| unseen(&failure, LOST_ROOT_TOKEN))
}

fn restore_mount(args: &RestoreArgs) -> Result<(), Failure> {
    let path = MountPath::parse(&args.path)
        .ok_or_else(|| Failure::Usage("PATH is not the path of a mount".to_owned()))?;
    let config = Config::load(&args.config.file)?;
    let restored = backends::runtime()?.block_on(async {
        let store = Store::open(config.store).await?;
        let restored = store.keys().restore_mount(&path).await;
        store.close().await;
        restored.map_err(|error| match error {
            StoreError::NotFound => {
                Failure::SetUp(format!("no mount was disabled at {path}/, or it is purged"))
            }
            StoreError::Exists => Failure::SetUp(format!("another mount is in use at {path}/")),
            StoreError::Conflict
            | StoreError::Corrupt(_)
            | StoreError::OutcomeUnknown
            | StoreError::Unavailable(_) => error.into(),
        })
    });
    restored?;
    print(&format!("{path}/ is back in service\n"))
}

/// To the terminal and nowhere else: some of what is printed here must not be in a log.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::unexpected("cannot write to standard output", &error))
}

fn add(text: &mut String, line: std::fmt::Arguments<'_>) {
    text.write_fmt(line).expect("a String takes all text");
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Enough for 255 shares, so that no outgrown buffer stays behind with some of them.
const TEXT_CAPACITY: usize = 64 * 1024;

const REVOKED: &str = "This root token was revoked. Start again with --root-token TOKEN, or without the file root-token, for \
                       a new one.\n";

const HANDOVER: &str = "What follows is shown only now.\n\n";

/// Goes out first, to see whether the token can follow.
const ROOT_TOKEN: &str = "root token: ";

const ONE_OF_SEVERAL: &str = "--threshold 1 with several shares would let each of them open the store alone; \
                              give --threshold 2 or more, or --shares 1 --threshold 1";

const LOST_HANDOVER: &str = "the store is initialised, and nobody has its unlock shares and root token. Nothing is \
                             encrypted with it yet: empty the store (remove the SQLite file with its -wal and -shm, or \
                             drop and create the PostgreSQL database) and run init again";

const LOST_ROOT_TOKEN: &str =
    "the root token was replaced, and nobody has seen the new one: run root-token again";

const CUT_OFF: &str = "\
An earlier run was cut off after it had initialised the store; only the root token was missing.
If that run did not show its unlock shares, nobody has them: empty the store and run init again.
Nothing was encrypted with this store so far.
";
