//! Secret ids: made, listed, looked up and destroyed, by their text or by their accessor.

use std::sync::Arc;

use keyring::name::KeyName;
use keyring::secret::SecretBytes;
use serde_json::{Value, json};

use crate::http::auth::endpoint::nowhere;
use crate::http::auth::methods;
use crate::http::auth::token_params::{cidrs, num_uses};
use crate::http::errors::{Message, Problem};
use crate::http::fields::Fields;
use crate::http::reply::{Answer, Reply};
use crate::http::request::Request;
use crate::http::route::Verb;
use crate::http::view::instant;
use crate::identity::auth_methods::AuthMethods;
use crate::identity::auth_mounts::mount::AuthMount;
use crate::identity::cidr::Cidr;
use crate::identity::methods::approle::AppRoleError;
use crate::identity::methods::approle::secret_id::SecretIdTerms;
use crate::identity::methods::approle::secret_ids::{NewSecretId, SecretId, SecretIdRef};

/// What stands below `role/:name/` and is no field of the role.
pub(super) async fn handle(
    request: &Request<'_>,
    mount: &AuthMount,
    verb: Verb,
    name: &KeyName,
    rest: &[&str],
) -> Answer {
    let role = Of {
        methods: methods(request)?.clone(),
        mount: mount.clone(),
        name: name.clone(),
    };
    match (verb, rest) {
        (Verb::Write, ["secret-id"]) => add(request, role, false).await,
        (Verb::Write, ["custom-secret-id"]) => add(request, role, true).await,
        (Verb::List, ["secret-id"]) => list(request, &role).await,
        (Verb::Write, ["secret-id", "lookup"]) => look_up(request, &role, By::Text).await,
        (Verb::Write, ["secret-id-accessor", "lookup"]) => {
            look_up(request, &role, By::Accessor).await
        }
        (Verb::Delete | Verb::Write, ["secret-id", "destroy"]) => {
            destroy(request, role, verb, By::Text).await
        }
        (Verb::Delete | Verb::Write, ["secret-id-accessor", "destroy"]) => {
            destroy(request, role, verb, By::Accessor).await
        }
        _ => Err(nowhere()),
    }
}

/// A role whose secret ids are meant.
struct Of {
    methods: Arc<AuthMethods>,
    mount: AuthMount,
    name: KeyName,
}

/// How a request names a secret id.
#[derive(Clone, Copy)]
enum By {
    Accessor,
    Text,
}

/// What a request names a secret id by.
enum Named {
    Accessor(String),
    Text(SecretBytes),
}

impl By {
    fn read(self, fields: &mut Fields<'_>) -> Result<Named, Problem> {
        let field = match self {
            Self::Accessor => "secret_id_accessor",
            Self::Text => "secret_id",
        };
        let text = fields.text(field)?.unwrap_or_default();
        let text = text.as_str().trim();
        if text.is_empty() {
            return Err(Problem::bad(format!("missing {field}")));
        }
        Ok(match self {
            Self::Accessor => Named::Accessor(text.to_owned()),
            Self::Text => Named::Text(SecretBytes::new(text.as_bytes().to_vec())),
        })
    }
}

impl Named {
    fn as_ref(&self) -> SecretIdRef<'_> {
        match self {
            Self::Accessor(accessor) => SecretIdRef::Accessor(accessor),
            Self::Text(text) => SecretIdRef::Text(text),
        }
    }
}

impl Of {
    fn does_not_exist(&self) -> String {
        format!("role \"{}\" does not exist", self.name)
    }

    /// An error as an answer, where a role that is missing counts as a mistake of the server's: so it does in Vault.
    fn unexpected(&self, error: AppRoleError) -> Problem {
        match error {
            AppRoleError::NoRole => Problem::multi(self.does_not_exist()),
            other @ (AppRoleError::Entry(_)
            | AppRoleError::Role(_)
            | AppRoleError::RoleIdTaken
            | AppRoleError::SecretIdTaken
            | AppRoleError::TooManySecretIds
            | AppRoleError::Terms(_)) => other.into(),
        }
    }
}

/// `POST role/:name/secret-id` and `custom-secret-id`
async fn add(request: &Request<'_>, role: Of, custom: bool) -> Answer {
    let mut fields = request.body.fields()?;
    let chosen = if custom {
        Some(chosen(&mut fields)?)
    } else {
        None
    };
    let terms = terms(&mut fields)?;
    let work = async move {
        let max_ttl = role.mount.config.limits().max;
        let roles = &role.methods.approles;
        let made = roles.add_secret_id(&role.mount.accessor, &role.name, max_ttl, (terms, chosen));
        made.await.map_err(|error| match error {
            AppRoleError::NoRole => {
                let text = Message::Plain(role.does_not_exist().into());
                Problem::new(actix_web::http::StatusCode::NOT_FOUND, text)
            }
            other @ (AppRoleError::Entry(_)
            | AppRoleError::Role(_)
            | AppRoleError::RoleIdTaken
            | AppRoleError::SecretIdTaken
            | AppRoleError::TooManySecretIds
            | AppRoleError::Terms(_)) => other.into(),
        })
    };
    let made: NewSecretId = request.detached(work).await??;
    let data = json!({
        "secret_id": String::from_utf8_lossy(made.text.expose_secret()),
        "secret_id_accessor": made.accessor,
        "secret_id_num_uses": made.num_uses,
        "secret_id_ttl": made.ttl.as_secs(),
    });
    Ok(Reply::data(request.id, &data, &fields.warnings()))
}

fn chosen(fields: &mut Fields<'_>) -> Result<SecretBytes, Problem> {
    let text = fields.text("secret_id")?.unwrap_or_default();
    let text = text.as_str().trim();
    match text.len() {
        0 => Err(Problem::bad("missing secret_id")),
        1..=MAX_SECRET_ID_LEN => Ok(SecretBytes::new(text.as_bytes().to_vec())),
        _ => Err(Problem::bad("secret_id is longer than 4096 bytes")),
    }
}

fn terms(fields: &mut Fields<'_>) -> Result<SecretIdTerms, Problem> {
    let blocks = fields.restriction_list("cidr_list")?.unwrap_or_default();
    let of_tokens = fields
        .restriction_list("token_bound_cidrs")?
        .unwrap_or_default();
    let metadata = fields
        .pairs("metadata")
        .map_err(|_| Problem::bad("failed to parse metadata"))?;
    let uses = fields.int("num_uses")?;
    Ok(SecretIdTerms {
        cidrs: cidrs("cidr_list", &blocks)?,
        token_bound_cidrs: cidrs("token_bound_cidrs", &of_tokens)?,
        metadata: metadata.unwrap_or_default(),
        num_uses: uses.map(|uses| num_uses("num_uses", uses)).transpose()?,
        ttl: fields.duration("ttl")?,
    })
}

/// `LIST role/:name/secret-id`
async fn list(request: &Request<'_>, role: &Of) -> Answer {
    let roles = &role.methods.approles;
    let accessors = roles.secret_id_accessors(&role.mount.accessor, &role.name);
    let accessors = accessors.await.map_err(|error| match error {
        AppRoleError::NoRole => Problem::bad(role.does_not_exist()),
        other @ (AppRoleError::Entry(_)
        | AppRoleError::Role(_)
        | AppRoleError::RoleIdTaken
        | AppRoleError::SecretIdTaken
        | AppRoleError::TooManySecretIds
        | AppRoleError::Terms(_)) => other.into(),
    })?;
    Reply::names(request.id, &accessors)
}

/// `POST role/:name/secret-id/lookup` and `secret-id-accessor/lookup`
async fn look_up(request: &Request<'_>, role: &Of, by: By) -> Answer {
    let which = by.read(&mut request.body.fields()?)?;
    let roles = &role.methods.approles;
    let found = roles.secret_id(&role.mount.accessor, &role.name, which.as_ref());
    match (found.await.map_err(|error| role.unexpected(error))?, by) {
        (Some(found), _) => Ok(Reply::data(request.id, &view(&found), &[])),
        (None, By::Text) => Ok(Reply::nothing()),
        (None, By::Accessor) => {
            let text = Message::Plain(NO_ACCESSOR.into());
            Err(Problem::new(actix_web::http::StatusCode::NOT_FOUND, text))
        }
    }
}

/// `POST` and `DELETE role/:name/secret-id/destroy` and `secret-id-accessor/destroy`
async fn destroy(request: &Request<'_>, role: Of, verb: Verb, by: By) -> Answer {
    let which = if verb == Verb::Delete {
        by.read(&mut request.query_fields())?
    } else {
        by.read(&mut request.body.fields()?)?
    };
    let work = async move {
        let roles = &role.methods.approles;
        let destroyed = roles.destroy_secret_id(&role.mount.accessor, &role.name, which.as_ref());
        destroyed.await.map_err(|error| role.unexpected(error))
    };
    match (request.detached(work).await??, by) {
        (true, _) | (false, By::Text) => Ok(Reply::nothing()),
        (false, By::Accessor) => Err(Problem::multi(NO_ACCESSOR)),
    }
}

/// A secret id as `lookup` shows it.
fn view(secret: &SecretId) -> Value {
    let created = instant(secret.created_at);
    let expires = secret.expires_at.map_or(NEVER.to_owned().into(), instant);
    json!({
        "cidr_list": prefixed(&secret.body.cidrs),
        "creation_time": created,
        "expiration_time": expires,
        "last_updated_time": created,
        "metadata": secret.body.metadata,
        "secret_id_accessor": secret.accessor,
        "secret_id_num_uses": secret.uses_left.unwrap_or(0),
        "secret_id_ttl": secret.body.ttl.as_secs(),
        "token_bound_cidrs": prefixed(&secret.body.token_bound_cidrs),
    })
}

/// Address blocks as AppRole shows its own: always with a prefix length.
pub(super) fn prefixed(blocks: &[Cidr]) -> Vec<String> {
    blocks.iter().map(Cidr::with_prefix).collect()
}

const NO_ACCESSOR: &str = "failed to find accessor entry for secret_id_accessor";
/// How Go prints no time at all.
const NEVER: &str = "0001-01-01T00:00:00Z";
const MAX_SECRET_ID_LEN: usize = 4096;
