//! Whether a token that a login gave may be renewed, and by what: what its role or user say now.

use std::collections::BTreeMap;

use keyring::name::KeyName;

use super::AuthMethods;
use crate::connection::ClientCertificates;
use crate::identity::auth_mounts::mount::{AuthMount, MethodKind};
use crate::identity::entries::EntryError;
use crate::identity::methods::cert::RenewalRefusal;
use crate::identity::token_params::TokenParams;

/// Why a token is not renewed.
#[derive(Debug, thiserror::Error)]
pub enum RenewalFault {
    /// Whoever renews does not show the certificate of the login.
    #[error(transparent)]
    Certificate(#[from] RenewalRefusal),
    /// An entry could not be read.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The role or user is not there any more.
    #[error("the role or user of the login does not exist any more, not renewing")]
    Gone,
}

impl AuthMethods {
    /// What the role or user that a login was by says of tokens now. `meta` is what the login wrote to the token, `shown`
    /// what whoever renews has shown while connecting. Absent for tokens that no login gave.
    pub async fn renewal(
        &self,
        mount: &AuthMount,
        meta: &BTreeMap<String, String>,
        shown: Option<&ClientCertificates>,
    ) -> Result<Option<TokenParams>, RenewalFault> {
        let at = mount.accessor.as_str();
        let named = |field: &str| meta.get(field).and_then(|name| KeyName::parse(name));
        let params = match (mount.kind, named(field_of(mount.kind))) {
            (MethodKind::Token, _) => return Ok(None),
            (_, None) => None,
            (MethodKind::AppRole, Some(name)) => {
                let role = self.approles.role(at, &name).await?;
                role.map(|role| role.token)
            }
            (MethodKind::Cert, Some(name)) => {
                let role = self.certificates.roles.read(at, name.as_str()).await?;
                if let Some(role) = &role {
                    let shown = (meta, shown);
                    self.certificates.check_renewal(at, role, shown).await?;
                }
                role.map(|role| role.token)
            }
            (MethodKind::Jwt, Some(name)) => {
                let role = self.issuers.roles.read(at, name.as_str()).await?;
                role.map(|role| role.token)
            }
            (MethodKind::Kubernetes, Some(name)) => {
                let role = self.clusters.roles.read(at, name.as_str()).await?;
                role.map(|role| role.token)
            }
            (MethodKind::Userpass, Some(name)) => {
                let user = self.users.user(at, &name).await?;
                user.map(|user| user.token)
            }
        };
        params.map(Some).ok_or(RenewalFault::Gone)
    }
}

/// Where a login writes the name of its role or user.
const fn field_of(kind: MethodKind) -> &'static str {
    match kind {
        MethodKind::AppRole => "role_name",
        MethodKind::Cert => "cert_name",
        MethodKind::Jwt | MethodKind::Kubernetes | MethodKind::Token => "role",
        MethodKind::Userpass => "username",
    }
}
