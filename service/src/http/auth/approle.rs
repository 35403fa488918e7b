//! AppRole: roles, their secret ids, and logins.

mod role;
mod role_field;
mod secret_id;

use keyring::secret::SecretBytes;

use self::role_field::RoleField;
use super::endpoint::{Endpoint, nowhere};
use super::login::{Proven, display_name, log_in};
use super::named;
use crate::http::errors::Problem;
use crate::http::reply::{Answer, Reply};
use crate::http::request::Request;
use crate::http::route::Verb;
use crate::identity::auth_mounts::mount::AuthMount;

/// All paths of the method.
pub(in crate::http) const TABLE: &[Endpoint] = {
    use Verb::{Delete, List, Read, Write};
    &[
        Endpoint::login("login"),
        Endpoint::new("role", &[List]),
        Endpoint::new("role/:name", &[Delete, Read, Write]),
        Endpoint::new("role/:name/bind-secret-id", &[Delete, Read, Write]),
        Endpoint::new("role/:name/bound-cidr-list", &[Delete, Read, Write]),
        Endpoint::new("role/:name/custom-secret-id", &[Write]),
        Endpoint::new("role/:name/local-secret-ids", &[Read]),
        Endpoint::new("role/:name/period", &[Delete, Read, Write]),
        Endpoint::new("role/:name/policies", &[Delete, Read, Write]),
        Endpoint::new("role/:name/role-id", &[Read, Write]),
        Endpoint::new("role/:name/secret-id", &[List, Write]),
        Endpoint::new("role/:name/secret-id-accessor/destroy", &[Delete, Write]),
        Endpoint::new("role/:name/secret-id-accessor/lookup", &[Write]),
        Endpoint::new("role/:name/secret-id-bound-cidrs", &[Delete, Read, Write]),
        Endpoint::new("role/:name/secret-id-num-uses", &[Delete, Read, Write]),
        Endpoint::new("role/:name/secret-id-ttl", &[Delete, Read, Write]),
        Endpoint::new("role/:name/secret-id/destroy", &[Delete, Write]),
        Endpoint::new("role/:name/secret-id/lookup", &[Write]),
        Endpoint::new("role/:name/token-bound-cidrs", &[Delete, Read, Write]),
        Endpoint::new("role/:name/token-max-ttl", &[Delete, Read, Write]),
        Endpoint::new("role/:name/token-num-uses", &[Delete, Read, Write]),
        Endpoint::new("role/:name/token-ttl", &[Delete, Read, Write]),
        Endpoint::new("tidy/secret-id", &[Write]),
    ]
};

/// Answers a request to a path that is in the table.
pub(super) async fn handle(
    request: &Request<'_>,
    mount: &AuthMount,
    verb: Verb,
    rest: &[&str],
) -> Answer {
    match (verb, rest) {
        (Verb::Write, ["login"]) => login(request, mount).await,
        (Verb::List, ["role"]) => role::list(request, mount).await,
        (Verb::Write, ["tidy", "secret-id"]) => Ok(tidy(request)),
        (_, ["role", name]) => role::handle(request, mount, verb, &named(name)?).await,
        (_, ["role", name, "role-id"]) => {
            role::handle_role_id(request, mount, verb, &named(name)?).await
        }
        (_, ["role", name, field]) if RoleField::parse(field).is_some() => {
            let field = RoleField::parse(field).ok_or_else(nowhere)?;
            role_field::handle(request, mount, verb, &named(name)?, field).await
        }
        (_, ["role", name, rest @ ..]) => {
            secret_id::handle(request, mount, verb, &named(name)?, rest).await
        }
        _ => Err(nowhere()),
    }
}

/// `POST login`
async fn login(request: &Request<'_>, mount: &AuthMount) -> Answer {
    let mut fields = request.body.fields()?;
    let role_id = fields.text("role_id")?.unwrap_or_default();
    let role_id = role_id.as_str().trim().to_owned();
    if role_id.is_empty() {
        return Err(Problem::bad("missing role_id"));
    }
    let secret_id = fields.text("secret_id")?.unwrap_or_default();
    let secret_id = SecretBytes::new(secret_id.as_str().trim().as_bytes().to_vec());
    let (accessor, remote) = (mount.accessor.clone(), request.remote);
    let called = display_name(mount, None);
    log_in(request, mount, "login", |identity| async move {
        let roles = &identity.methods.approles;
        let login = roles
            .log_in(&accessor, &role_id, &secret_id, remote)
            .await?;
        Ok(Proven {
            display_name: called,
            metadata: login.metadata,
            name: login.role.clone(),
            params: login.params,
            role: Some(login.role),
        })
    })
    .await
}

/// `POST tidy/secret-id`: what is over is purged on its own.
fn tidy(request: &Request<'_>) -> Reply {
    let warning = "Tidy operation successfully started. Secret ids that are over are purged in the background.";
    let reply = Reply::data(request.id, &serde_json::Value::Null, &[warning.to_owned()]);
    reply.with_status(actix_web::http::StatusCode::ACCEPTED)
}
