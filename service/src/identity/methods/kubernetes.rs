//! Logins with the token of a Kubernetes service account: reviewed by the cluster, or verified by its keys.

pub mod account;
pub mod config;
pub mod connection;
pub mod offline;
pub mod review;
pub mod role;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::config::Config;
use self::connection::{Connection, ConnectionFault, Connections, PodFiles, VouchFault};
use self::role::{BindingFault, Role};
use super::CONFIG;
use super::entry_shelf::EntryShelf;
use super::jwt::Attempt;
use crate::identity::cidr;
use crate::identity::entries::EntryError;
use crate::identity::parts::Parts;
use crate::identity::token_params::TokenParams;

/// The clusters whose service accounts may log in, one for each mount. Mounts are named by their accessors.
#[derive(Debug)]
pub struct Clusters {
    /// One configuration for each mount, named [`CONFIG`].
    pub configs: EntryShelf<Config>,
    /// The roles, by their names in lower case.
    pub roles: EntryShelf<Role>,
    connections: Connections,
    parts: Parts,
}

/// Who has logged in, and what the token is to be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountLogin {
    /// The account's namespace and name, with a dash between.
    pub display_name: String,
    /// The same with a slash between, which neither has.
    pub name: String,
    /// What is written to the token.
    pub metadata: BTreeMap<String, String>,
    /// What the role says of tokens.
    pub params: TokenParams,
}

/// Why nobody has.
#[derive(Debug, thiserror::Error)]
pub enum AccountLoginError {
    /// The role is for other addresses.
    #[error("the address is not one the role is for")]
    Address,
    /// The role is for other accounts.
    #[error(transparent)]
    Binding(#[from] BindingFault),
    /// What is configured does not work any more.
    #[error(transparent)]
    Connection(#[from] ConnectionFault),
    /// An entry could not be read.
    #[error(transparent)]
    LookUp(#[from] EntryError),
    /// There is no such role.
    #[error("invalid role name")]
    NoRole,
    /// The method is not configured.
    #[error("could not load backend configuration")]
    NotConfigured,
    /// The cluster does not vouch for the token.
    #[error(transparent)]
    Vouch(#[from] VouchFault),
}

impl Clusters {
    /// No cluster is known yet.
    pub fn new(parts: Parts) -> Self {
        Self {
            configs: EntryShelf::new("kubernetes-config", &parts),
            roles: EntryShelf::new("kubernetes-role", &parts),
            connections: Connections::default(),
            parts,
        }
    }

    /// To be called when entries have changed.
    pub fn entries_changed(&self) {
        self.configs.entries_changed();
        self.roles.entries_changed();
    }

    /// Logs a service account in.
    pub async fn log_in(
        &self,
        mount: &str,
        attempt: Attempt<'_>,
    ) -> Result<AccountLogin, AccountLoginError> {
        let role = self
            .roles
            .look_up(mount, attempt.role, attempt.remote)
            .await?;
        let role = &role.ok_or(AccountLoginError::NoRole)?.value;
        if !cidr::admits(&role.token.bound_cidrs, attempt.remote) {
            return Err(AccountLoginError::Address);
        }
        let config = self.configs.look_up(mount, CONFIG, attempt.remote).await?;
        let config = config.ok_or(AccountLoginError::NotConfigured)?;
        let generation = config.generation;
        let make = Connection::new(Arc::clone(&config), PodFiles::default());
        let connection = self.connections.of(mount, generation, make).await?;
        let now = self.parts.now();
        let account = connection
            .vouch(attempt.token, &role.audience, (now, attempt.remote))
            .await?;
        role.admit(&account)?;
        Ok(AccountLogin {
            display_name: format!("{}-{}", account.namespace, account.name),
            name: format!("{}/{}", account.namespace, account.name),
            metadata: role::metadata(attempt.role, &account),
            params: role.token.clone(),
        })
    }
}
