//! Kubernetes: the cluster's configuration, roles, and logins.

mod role;

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
use crate::identity::methods::CONFIG;
use crate::identity::methods::jwt::Attempt;
use crate::identity::methods::kubernetes::config::{Config, ReviewerToken};

/// All paths of the method.
pub(in crate::http) const TABLE: &[Endpoint] = {
    use Verb::{Delete, List, Read, Write};
    &[
        Endpoint::new("config", &[Read, Write]),
        Endpoint::login("login"),
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
        (_, ["role", below @ ..]) => {
            let roles = &methods(request)?.clusters.roles;
            role_entry::handle(request, roles, &mount.accessor, (verb, below)).await
        }
        _ => Err(nowhere()),
    }
}

/// `POST login`
async fn login(request: &Request<'_>, mount: &AuthMount) -> Answer {
    let mut fields = request.body.fields()?;
    let role = fields.text("role")?.unwrap_or_default();
    let token = fields.text("jwt")?.unwrap_or_default();
    let role = role.as_str().to_ascii_lowercase();
    if role.is_empty() {
        return Err(Problem::bad("missing role"));
    }
    let token = token.as_str().trim();
    if token.is_empty() {
        return Err(Problem::bad("missing jwt"));
    }
    let attempt = Attempt {
        role: known_name(&role),
        token,
        remote: request.remote,
    };
    let clusters = &methods(request)?.clusters;
    let login = clusters.log_in(&mount.accessor, attempt).await?;
    let proven = Proven {
        display_name: display_name(mount, Some(&login.display_name)),
        metadata: login.metadata,
        name: login.name,
        params: login.params,
        role: Some(role),
    };
    log_in(request, mount, "login", |_| async { Ok(proven) }).await
}

/// `GET config`: everything but the reviewer's token.
async fn read_config(request: &Request<'_>, mount: &AuthMount) -> Answer {
    let configs = &methods(request)?.clusters.configs;
    let config = configs.read(&mount.accessor, CONFIG).await?;
    let config = config.ok_or(Problem::absent())?;
    Ok(Reply::data(request.id, &view(&config), &[]))
}

fn view(config: &Config) -> Value {
    json!({
        "disable_iss_validation": config.ignores_issuer(),
        "disable_local_ca_jwt": config.disable_local_ca_jwt,
        "issuer": config.issuer,
        "kubernetes_ca_cert": config.kubernetes_ca_cert,
        "kubernetes_host": config.kubernetes_host,
        "pem_keys": config.pem_keys,
        "token_reviewer_jwt_set": config.token_reviewer_jwt.is_some(),
        "use_annotations_as_alias_metadata": config.use_annotations_as_alias_metadata,
    })
}

/// `POST config`: replaces the whole configuration.
async fn write_config(request: &Request<'_>, mount: &AuthMount) -> Answer {
    config(&mut request.body.fields()?)?;
    let methods = methods(request)?.clone();
    let (body, mount) = (request.body.copy(), mount.accessor.clone());
    let work = async move {
        let configs = &methods.clusters.configs;
        let edit = |_| config(&mut body.fields()?);
        configs.put(&mount, CONFIG, edit).await?
    };
    request.detached(work).await??;
    Ok(Reply::nothing())
}

fn config(fields: &mut Fields<'_>) -> Result<Config, Problem> {
    let mut config = Config::default();
    settings::text(fields, "kubernetes_host", &mut config.kubernetes_host)?;
    settings::pem(fields, "kubernetes_ca_cert", &mut config.kubernetes_ca_cert)?;
    settings::text(fields, "issuer", &mut config.issuer)?;
    config.pem_keys = settings::keys(fields, "pem_keys")?;
    config.disable_iss_validation = fields.boolean("disable_iss_validation")?;
    config.disable_local_ca_jwt = fields.boolean("disable_local_ca_jwt")?.unwrap_or_default();
    let annotations = fields.boolean("use_annotations_as_alias_metadata")?;
    config.use_annotations_as_alias_metadata = annotations.unwrap_or_default();
    let reviewer = fields.text("token_reviewer_jwt")?.unwrap_or_default();
    config.token_reviewer_jwt = ReviewerToken::new(reviewer.as_str().trim());
    config.check()?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Config, Problem> {
        config(&mut Fields::from_json(body.as_bytes()).unwrap())
    }

    #[test]
    fn the_reviewers_token_is_never_shown() {
        let config = read(r#"{"kubernetes_host":"https://k8s","token_reviewer_jwt":"canary"}"#);
        let config = config.unwrap();
        let view = view(&config);
        assert_eq!(view["token_reviewer_jwt_set"], json!(true));
        assert_eq!(view["disable_iss_validation"], json!(true));
        assert!(!view.to_string().contains("canary"));
    }

    #[test]
    fn what_cannot_be_is_refused_and_not_repeated() {
        for body in [
            "{}",
            r#"{"kubernetes_host":"http://canary"}"#,
            r#"{"kubernetes_host":"k8s","pem_keys":"canary"}"#,
            r#"{"kubernetes_host":"k8s","token_reviewer_jwt":"canary\u0001"}"#,
            r#"{"kubernetes_host":"k8s","kubernetes_ca_cert":"canary"}"#,
        ] {
            let problem = format!("{:?}", read(body).unwrap_err());
            assert!(!problem.contains("canary"), "{problem}");
        }
    }
}
