//! Single fields of a role, each with a path of its own.

use std::time::Duration;

use keyring::name::KeyName;
use serde_json::{Value, json};

use super::role;
use super::secret_id::prefixed;
use crate::http::errors::Problem;
use crate::http::fields::Fields;
use crate::http::reply::{Answer, Reply};
use crate::http::request::Request;
use crate::http::route::{RouteFault, Verb};
use crate::identity::auth_mounts::mount::AuthMount;
use crate::identity::methods::approle::Draft;
use crate::identity::methods::approle::role::Role;
use crate::identity::policy_set::PolicySet;

/// A field that has a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RoleField {
    BindSecretId,
    BoundCidrList,
    LocalSecretIds,
    Period,
    Policies,
    SecretIdBoundCidrs,
    SecretIdNumUses,
    SecretIdTtl,
    TokenBoundCidrs,
    TokenMaxTtl,
    TokenNumUses,
    TokenTtl,
}

impl RoleField {
    /// The field of this segment.
    pub(super) fn parse(segment: &str) -> Option<Self> {
        Some(match segment {
            "bind-secret-id" => Self::BindSecretId,
            "bound-cidr-list" => Self::BoundCidrList,
            "local-secret-ids" => Self::LocalSecretIds,
            "period" => Self::Period,
            "policies" => Self::Policies,
            "secret-id-bound-cidrs" => Self::SecretIdBoundCidrs,
            "secret-id-num-uses" => Self::SecretIdNumUses,
            "secret-id-ttl" => Self::SecretIdTtl,
            "token-bound-cidrs" => Self::TokenBoundCidrs,
            "token-max-ttl" => Self::TokenMaxTtl,
            "token-num-uses" => Self::TokenNumUses,
            "token-ttl" => Self::TokenTtl,
            _ => return None,
        })
    }

    /// The names it has in a body; the first is today's, and the one it is answered under.
    const fn names(self) -> &'static [&'static str] {
        match self {
            Self::BindSecretId => &["bind_secret_id"],
            Self::BoundCidrList => &["bound_cidr_list"],
            Self::LocalSecretIds => &["local_secret_ids"],
            Self::Period => &["token_period", "period"],
            Self::Policies => &["token_policies", "policies"],
            Self::SecretIdBoundCidrs => &["secret_id_bound_cidrs"],
            Self::SecretIdNumUses => &["secret_id_num_uses"],
            Self::SecretIdTtl => &["secret_id_ttl"],
            Self::TokenBoundCidrs => &["token_bound_cidrs"],
            Self::TokenMaxTtl => &["token_max_ttl"],
            Self::TokenNumUses => &["token_num_uses"],
            Self::TokenTtl => &["token_ttl"],
        }
    }

    fn name(self) -> &'static str {
        self.names().first().copied().unwrap_or_default()
    }

    fn value(self, role: &Role) -> Value {
        match self {
            Self::BindSecretId => json!(role.bind_secret_id),
            Self::BoundCidrList | Self::SecretIdBoundCidrs => {
                json!(prefixed(&role.secret_id_bound_cidrs))
            }
            Self::LocalSecretIds => json!(role.local_secret_ids),
            Self::Period => json!(role.token.period.as_secs()),
            Self::Policies => json!(role.token.policies),
            Self::SecretIdNumUses => json!(role.secret_id_num_uses),
            Self::SecretIdTtl => json!(role.secret_id_ttl.as_secs()),
            Self::TokenBoundCidrs => json!(role.token.bound_cidrs),
            Self::TokenMaxTtl => json!(role.token.max_ttl.as_secs()),
            Self::TokenNumUses => json!(role.token.num_uses),
            Self::TokenTtl => json!(role.token.ttl.as_secs()),
        }
    }

    /// Makes the field as it is when nothing is said of it.
    fn reset(self, role: &mut Role) {
        match self {
            Self::BindSecretId => role.bind_secret_id = true,
            Self::BoundCidrList | Self::SecretIdBoundCidrs => role.secret_id_bound_cidrs.clear(),
            Self::LocalSecretIds => {}
            Self::Period => role.token.period = Duration::ZERO,
            Self::Policies => role.token.policies = PolicySet::default(),
            Self::SecretIdNumUses => role.secret_id_num_uses = 0,
            Self::SecretIdTtl => role.secret_id_ttl = Duration::ZERO,
            Self::TokenBoundCidrs => role.token.bound_cidrs.clear(),
            Self::TokenMaxTtl => role.token.max_ttl = Duration::ZERO,
            Self::TokenNumUses => role.token.num_uses = 0,
            Self::TokenTtl => role.token.ttl = Duration::ZERO,
        }
    }
}

/// `role/:name/<field>`
pub(super) async fn handle(
    request: &Request<'_>,
    mount: &AuthMount,
    verb: Verb,
    name: &KeyName,
    field: RoleField,
) -> Answer {
    match verb {
        Verb::Delete => reset(request, mount, name, field).await,
        Verb::Read => {
            let role = role::found(request, mount, name).await?;
            let data = json!({field.name(): field.value(&role)});
            Ok(Reply::data(request.id, &data, &[]))
        }
        Verb::Write => {
            let edit = move |draft, fields: &mut Fields<'_>| {
                let mut role = role::existing(draft)?;
                if !fields.keep(field.names()) {
                    return Err(Problem::bad(format!("missing {}", field.name())));
                }
                role::update(&mut role, fields, false)?;
                Ok(role)
            };
            role::put(request, mount, name, edit).await
        }
        Verb::List | Verb::Patch => Err(RouteFault::UnsupportedOperation.into()),
    }
}

/// Also fine if there is no such role.
async fn reset(
    request: &Request<'_>,
    mount: &AuthMount,
    name: &KeyName,
    field: RoleField,
) -> Answer {
    let there = role::found(request, mount, name).await;
    if there.is_err_and(|problem| problem == Problem::absent()) {
        return Ok(Reply::nothing());
    }
    let edit = move |draft, _: &mut Fields<'_>| match draft {
        Draft::New(_) => Err(Problem::absent()),
        Draft::Old(mut role) => {
            field.reset(&mut role);
            Ok(role)
        }
    };
    role::put(request, mount, name, edit).await
}
