//! JWT: the issuer's configuration, roles, and logins.

mod role;

use keyring::name::KeyName;
use serde_json::{Value, json};

use super::endpoint::{Endpoint, nowhere};
use super::login::{Proven, display_name, known_name, log_in};
use super::{methods, role_entry, settings};
use crate::http::errors::Problem;
use crate::http::fields::Fields;
use crate::http::reply::{Answer, Reply};
use crate::http::request::Request;
use crate::http::route::Verb;
use crate::identity::auth_mounts::mount::AuthMount;
use crate::identity::methods::jwt::Attempt;
use crate::identity::methods::jwt::config::Config;
use crate::identity::methods::{CONFIG, role_name};

/// All paths of the method.
pub(in crate::http) const TABLE: &[Endpoint] = {
    use Verb::{Delete, List, Read, Write};
    &[
        Endpoint::new("config", &[Read, Write]),
        Endpoint::login("login"),
        Endpoint::new("oidc/auth_url", &[Write]),
        Endpoint::new("oidc/callback", &[Read, Write]),
        Endpoint::new("role", &[List]),
        Endpoint::new("role/:name", &[Delete, Read, Write]),
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
        (Verb::Read, ["config"]) => read_config(request, mount).await,
        (Verb::Write, ["config"]) => write_config(request, mount).await,
        (Verb::Write, ["login"]) => login(request, mount).await,
        (_, ["oidc", _]) => Err(Problem::bad(NO_BROWSER)),
        (_, ["role", below @ ..]) => {
            let roles = &methods(request)?.issuers.roles;
            role_entry::handle(request, roles, &mount.accessor, (verb, below)).await
        }
        _ => Err(nowhere()),
    }
}

const NO_BROWSER: &str =
    "logins through a browser are not offered; get a JWT and show it at the login path";

/// `POST login`
async fn login(request: &Request<'_>, mount: &AuthMount) -> Answer {
    let mut fields = request.body.fields()?;
    let role = fields.text("role")?.unwrap_or_default();
    let token = fields.text("jwt")?.unwrap_or_default();
    let role = role.as_str().to_ascii_lowercase();
    let attempt = Attempt {
        role: known_name(&role),
        token: token.as_str().trim(),
        remote: request.remote,
    };
    let issuers = &methods(request)?.issuers;
    let detached = &request.front.detached;
    let login = issuers.log_in(&mount.accessor, attempt, detached).await?;
    let proven = Proven {
        display_name: display_name(mount, Some(&login.admitted.user)),
        metadata: login.admitted.metadata,
        name: login.name,
        params: login.params,
        role: Some(login.role),
    };
    log_in(request, mount, "login", |_| async { Ok(proven) }).await
}

/// `GET config`
async fn read_config(request: &Request<'_>, mount: &AuthMount) -> Answer {
    let configs = &methods(request)?.issuers.configs;
    let config = configs.read(&mount.accessor, CONFIG).await?;
    let config = config.ok_or(Problem::absent())?;
    Ok(Reply::data(request.id, &view(&config), &[]))
}

fn view(config: &Config) -> Value {
    json!({
        "bound_issuer": config.bound_issuer,
        "default_role": config.default_role,
        "jwks_ca_pem": config.jwks_ca_pem,
        "jwks_pairs": [],
        "jwks_url": config.jwks_url,
        "jwt_supported_algs": config.jwt_supported_algs,
        "jwt_validation_pubkeys": config.jwt_validation_pubkeys,
        "namespace_in_state": true,
        "oidc_client_id": "",
        "oidc_discovery_ca_pem": config.oidc_discovery_ca_pem,
        "oidc_discovery_url": config.oidc_discovery_url,
        "oidc_response_mode": "",
        "oidc_response_types": [],
        "provider_config": {},
        "unsupported_critical_cert_extensions": [],
    })
}

/// `POST config`: replaces the whole configuration, once its keys could be fetched.
async fn write_config(request: &Request<'_>, mount: &AuthMount) -> Answer {
    let config = config(&mut request.body.fields()?)?;
    let methods = methods(request)?.clone();
    let (detached, mount) = (request.front.detached.clone(), mount.accessor.clone());
    let work = async move {
        methods.issuers.probe(&config, &detached).await?;
        let configs = &methods.issuers.configs;
        let put = configs.put(&mount, CONFIG, |_| Ok::<_, Problem>(config.clone()));
        put.await?
    };
    request.detached(work).await??;
    Ok(Reply::nothing())
}

fn config(fields: &mut Fields<'_>) -> Result<Config, Problem> {
    let browser = [
        "oidc_client_id",
        "oidc_client_secret",
        "oidc_response_mode",
        "oidc_response_types",
        "provider_config",
    ];
    settings::refuse(fields, &browser, NO_BROWSER)?;
    let unsupported = ["jwks_pairs", "unsupported_critical_cert_extensions"];
    settings::refuse(fields, &unsupported, "mount one method for each issuer")?;
    fields.ignore(&["namespace_in_state"]);
    let mut config = Config::default();
    settings::text(fields, "oidc_discovery_url", &mut config.oidc_discovery_url)?;
    settings::pem(
        fields,
        "oidc_discovery_ca_pem",
        &mut config.oidc_discovery_ca_pem,
    )?;
    settings::text(fields, "jwks_url", &mut config.jwks_url)?;
    settings::pem(fields, "jwks_ca_pem", &mut config.jwks_ca_pem)?;
    settings::text(fields, "bound_issuer", &mut config.bound_issuer)?;
    settings::texts(fields, "jwt_supported_algs", &mut config.jwt_supported_algs)?;
    config.jwt_validation_pubkeys = settings::keys(fields, "jwt_validation_pubkeys")?;
    let role = fields.text("default_role")?.unwrap_or_default();
    if !role.as_str().is_empty() {
        let name = KeyName::parse(role.as_str());
        let name = name.ok_or_else(|| Problem::bad("default_role is no name of a role"))?;
        config.default_role = role_name(&name);
    }
    Ok(config)
}
