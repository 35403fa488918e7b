//! TLS client certificates: roles, and logins.

mod role;

use std::sync::Arc;

use serde_json::json;

use super::endpoint::{Endpoint, nowhere};
use super::login::{Proven, display_name, known_name, log_in};
use super::{methods, role_entry};
use crate::http::errors::Problem;
use crate::http::reply::{Answer, Reply};
use crate::http::request::Request;
use crate::http::route::Verb;
use crate::identity::auth_mounts::mount::AuthMount;
use crate::identity::methods::CONFIG;
use crate::identity::methods::cert::config::Config;

/// All paths of the method.
pub(in crate::http) const TABLE: &[Endpoint] = {
    use Verb::{Delete, List, Read, Write};
    &[
        Endpoint::new("certs", &[List]),
        Endpoint::new("certs/:name", &[Delete, Read, Write]),
        Endpoint::new("config", &[Read, Write]),
        Endpoint::login("login"),
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
        (_, ["certs", below @ ..]) => {
            let roles = &methods(request)?.certificates.roles;
            role_entry::handle(request, roles, &mount.accessor, (verb, below)).await
        }
        (Verb::Read, ["config"]) => read_config(request, mount).await,
        (Verb::Write, ["config"]) => write_config(request, mount).await,
        (Verb::Write, ["login"]) => login(request, mount).await,
        _ => Err(nowhere()),
    }
}

/// `POST login`
async fn login(request: &Request<'_>, mount: &AuthMount) -> Answer {
    let mut fields = request.body.fields()?;
    let name = fields.text("name")?.unwrap_or_default();
    let name = name.as_str().to_ascii_lowercase();
    let shown = request.client_certificates();
    let shown = shown.ok_or_else(|| Problem::bad("client certificate must be supplied"))?;
    let (shown, remote, mount_of) = (Arc::clone(shown), request.remote, mount.clone());
    log_in(request, mount, "login", |identity| async move {
        let certificates = &identity.methods.certificates;
        let login = certificates
            .log_in(&mount_of.accessor, known_name(&name), shown, remote)
            .await?;
        Ok(Proven {
            display_name: display_name(&mount_of, Some(&login.display_name)),
            metadata: login.metadata,
            name: login.name,
            params: login.params,
            role: Some(login.role),
        })
    })
    .await
}

/// `GET config`
async fn read_config(request: &Request<'_>, mount: &AuthMount) -> Answer {
    let configs = &methods(request)?.certificates.configs;
    let config = configs.read(&mount.accessor, CONFIG).await?;
    let config = config.unwrap_or_default();
    let data = json!({
        "disable_binding": config.disable_binding,
        "enable_identity_alias_metadata": config.enable_identity_alias_metadata,
        "ocsp_cache_size": config.ocsp_cache_size,
    });
    Ok(Reply::data(request.id, &data, &[]))
}

/// `POST config`
async fn write_config(request: &Request<'_>, mount: &AuthMount) -> Answer {
    let methods = methods(request)?.clone();
    let (body, mount) = (request.body.copy(), mount.accessor.clone());
    let work = async move {
        let configs = &methods.certificates.configs;
        let edit = |before: Option<Config>| {
            let mut config = before.unwrap_or_default();
            let mut fields = body.fields()?;
            if let Some(disable) = fields.boolean("disable_binding")? {
                config.disable_binding = disable;
            }
            if let Some(enable) = fields.boolean("enable_identity_alias_metadata")? {
                config.enable_identity_alias_metadata = enable;
            }
            if let Some(size) = fields.int("ocsp_cache_size")? {
                let size = u32::try_from(size)
                    .ok()
                    .filter(|size| (2..=100_000).contains(size));
                config.ocsp_cache_size = size.ok_or_else(|| {
                    Problem::bad("invalid cache size, must be >= 2 and <= 100000")
                })?;
            }
            Ok::<_, Problem>(config)
        };
        configs.put(&mount, CONFIG, edit).await?
    };
    request.detached(work).await??;
    Ok(Reply::nothing())
}
