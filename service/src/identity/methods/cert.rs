//! Logins with a TLS client certificate: which certificates are trusted, and what they must be called.

pub mod chain;
pub mod config;
pub mod presented;
pub mod role;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use keyring::clock::Timestamp;

use self::chain::ChainFault;
use self::config::Config;
use self::presented::Presented;
use self::role::{CertFault, Role};
use super::CONFIG;
use super::entry_shelf::EntryShelf;
use super::origin::Origin;
use super::turns::{TurnError, Turns};
use crate::connection::ClientCertificates;
use crate::identity::cidr;
use crate::identity::entries::{Entry, EntryError};
use crate::identity::parts::Parts;
use crate::identity::token_params::TokenParams;

/// The certificates that are trusted, as roles of each mount. Mounts are named by their accessors.
#[derive(Debug)]
pub struct Certificates {
    /// One configuration for each mount, named [`CONFIG`].
    pub configs: EntryShelf<Config>,
    /// The roles, by their names in lower case.
    pub roles: EntryShelf<Role>,
    parts: Parts,
    turns: Turns,
}

/// Who has logged in, and what the token is to be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertLogin {
    /// What the role calls its tokens.
    pub display_name: String,
    /// The role's name.
    pub role: String,
    /// Who it is: the role's name, which has no slash, and the certificate's common name behind one.
    pub name: String,
    /// What is written to the token.
    pub metadata: BTreeMap<String, String>,
    /// What the role says of tokens.
    pub params: TokenParams,
}

/// Why nobody has.
#[derive(Debug, thiserror::Error)]
pub enum CertLoginError {
    /// No role takes the certificate.
    #[error(transparent)]
    Certificate(#[from] CertFault),
    /// An entry could not be read.
    #[error(transparent)]
    LookUp(#[from] EntryError),
    /// There are too many roles to try them all.
    #[error("there are too many roles to try them all; name one")]
    NoName,
    /// There was no turn for it, or the work broke off.
    #[error(transparent)]
    Turn(#[from] TurnError),
}

/// Why a token is not renewed that a certificate was shown for.
#[derive(Debug, thiserror::Error)]
pub enum RenewalRefusal {
    /// The settings could not be read.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// Another certificate is shown, or none, or one that the role does not take any more.
    #[error("client identity during renewal not matching client identity used during login")]
    Other,
}

impl Certificates {
    /// How many roles are tried for a login that names none.
    pub const MAX_TRIED: usize = 100;

    /// No certificate is known yet. Reading certificates takes its time, so it waits for one of these turns.
    pub fn new(parts: Parts, turns: Turns) -> Self {
        Self {
            configs: EntryShelf::new("cert-config", &parts),
            roles: EntryShelf::new("cert-role", &parts),
            parts,
            turns,
        }
    }

    /// To be called when entries have changed.
    pub fn entries_changed(&self) {
        self.configs.entries_changed();
        self.roles.entries_changed();
    }

    /// Logs somebody in, by the role of this name, or if that is empty by the first one that takes the certificate.
    pub async fn log_in(
        &self,
        mount: &str,
        name: &str,
        shown: Arc<ClientCertificates>,
        remote: Option<IpAddr>,
    ) -> Result<CertLogin, CertLoginError> {
        let roles = self.roles_to_try(mount, name, remote).await?;
        let turn = self.turns.turn(Origin::of(remote)).await?;
        let now = self.parts.now();
        let (tried, _) = turn.run(move || first(&roles, &shown, remote, now)).await?;
        tried
    }

    /// Whether whoever renews shows the certificate of the login, which by its serial number is one of its authority, and
    /// the role still takes it; unless the mount does without.
    pub async fn check_renewal(
        &self,
        mount: &str,
        role: &Role,
        (meta, shown): (&BTreeMap<String, String>, Option<&ClientCertificates>),
    ) -> Result<(), RenewalRefusal> {
        let config = self.configs.read(mount, CONFIG).await?;
        if config.is_some_and(|config| config.disable_binding) {
            return Ok(());
        }
        let shown = shown.ok_or(RenewalRefusal::Other)?;
        let presented = role.admit(shown, self.parts.now());
        let presented = presented.map_err(|_| RenewalRefusal::Other)?;
        let name = meta.get("cert_name").map_or("", String::as_str);
        let is_same = presented
            .identity(name)
            .iter()
            .all(|(field, value)| meta.get(*field).map(String::as_str) == Some(*value));
        is_same.then_some(()).ok_or(RenewalRefusal::Other)
    }

    async fn roles_to_try(
        &self,
        mount: &str,
        name: &str,
        remote: Option<IpAddr>,
    ) -> Result<Vec<Arc<Entry<Role>>>, CertLoginError> {
        if !name.is_empty() {
            let named = self.roles.look_up(mount, name, remote).await?;
            return Ok(named.into_iter().collect());
        }
        let all = self.roles.look_up_all(mount, Self::MAX_TRIED).await;
        all?.ok_or(CertLoginError::NoName)
    }
}

/// The login by the first role that takes the certificate. A role that is not for this address takes none, and says no more of it
/// than of one that it does not trust.
fn first(
    roles: &[Arc<Entry<Role>>],
    shown: &ClientCertificates,
    remote: Option<IpAddr>,
    now: Timestamp,
) -> Result<CertLogin, CertLoginError> {
    let mut refusal = CertFault::Chain(ChainFault::Untrusted);
    let is_for = |entry: &&Arc<Entry<Role>>| cidr::admits(&entry.value.token.bound_cidrs, remote);
    for entry in roles.iter().filter(is_for) {
        match entry.value.admit(shown, now) {
            Ok(presented) => return Ok(login(entry, &presented)),
            Err(fault) => refusal = refusal.max(fault),
        }
    }
    Err(refusal.into())
}

fn login(entry: &Entry<Role>, presented: &Presented) -> CertLogin {
    let role = &entry.value;
    CertLogin {
        display_name: role.called(&entry.name).to_owned(),
        role: entry.name.clone(),
        name: format!("{}/{}", entry.name, presented.common_name),
        metadata: role.metadata(&entry.name, presented),
        params: role.token.clone(),
    }
}
