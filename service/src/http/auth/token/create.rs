//! `POST auth/token/create`, `create-orphan` and `create/:role`.

use std::sync::Arc;

use keyring::secret::SecretBytes;

use crate::http::auth::token_params::{num_uses, policy_set};
use crate::http::errors::Problem;
use crate::http::fields::Fields;
use crate::http::reply::{Answer, Reply};
use crate::http::request::Request;
use crate::http::route::identity::CreatePath;
use crate::identity::token::create::{CreateFault, Creator, Wish, plan};
use crate::identity::token::grant::AuthMountLimits;
use crate::identity::token::role::{SHELF, TokenRole};
use crate::identity::token::text::TokenText;
use crate::identity::token_params::TokenType;

/// Makes a token from the caller's.
pub(super) async fn create(request: &Request<'_>, path: &CreatePath) -> Answer {
    let identity = Arc::clone(request.identity()?);
    let mut fields = request.body.fields()?;
    let role = match path {
        CreatePath::Orphan | CreatePath::Plain => None,
        CreatePath::Role(name) => {
            fields.captured("role_name");
            let role = identity.entries.get::<TokenRole>(SHELF, name.as_str());
            let role = role.await?;
            let role = role.ok_or_else(|| Problem::bad(format!("unknown role {name}")))?;
            Some((name.as_str(), role.value))
        }
    };
    let wish = wish(&mut fields, path)?;
    let caller = request.known_caller()?;
    let creator = Creator {
        bound_cidrs: &caller.token.bound_cidrs,
        counted: caller.token.counted,
        expires: caller.token.expires_at.is_some(),
        hash: caller.token.hash,
        is_initial: caller.token.is_initial,
        is_sudo: request.is_sudo(&wish.path).await?,
        kind: caller.token.kind,
        policies: caller.token.powers.policies(),
        remote: request.remote,
    };
    let role = role.as_ref().map(|(name, role)| (*name, role));
    let (new, mut warnings) = plan(wish, &creator, role)?;
    let work = async move {
        let limits = AuthMountLimits {
            token_type: TokenType::DefaultService,
            ..AuthMountLimits::default()
        };
        let issued = identity.issue(new, &limits).await?;
        let mut unknown = Vec::new();
        for name in issued.policies.iter() {
            if !identity.policies.exists(name).await? {
                unknown.push(format!("Policy \"{name}\" does not exist"));
            }
        }
        Ok::<_, Problem>((issued, unknown))
    };
    let (issued, unknown) = request.detached(work).await??;
    warnings.extend(unknown);
    warnings.extend(fields.warnings());
    Ok(Reply::auth(request.id, &issued, &warnings))
}

fn wish(fields: &mut Fields<'_>, path: &CreatePath) -> Result<Wish, Problem> {
    let text = |fields: &mut Fields<'_>, field| -> Result<String, Problem> {
        let text = fields.text(field)?.unwrap_or_default();
        Ok(text.as_str().to_owned())
    };
    let word = text(fields, "type")?;
    let token_type = TokenType::parse(&word).ok_or(CreateFault::Type)?;
    let ttl = fields.duration("ttl")?;
    let lease = fields.duration("lease")?;
    let policies = fields.given_list("policies")?;
    Ok(Wish {
        chosen: chosen(fields)?,
        display_name: text(fields, "display_name")?,
        entity_alias: text(fields, "entity_alias")?,
        explicit_max_ttl: fields.duration("explicit_max_ttl")?.unwrap_or_default(),
        meta: fields.pairs("meta")?,
        no_default_policy: fields.boolean("no_default_policy")?.unwrap_or_default(),
        no_parent: fields.boolean("no_parent")?.unwrap_or_default(),
        not_renewable: !fields.boolean("renewable")?.unwrap_or(true),
        num_uses: match fields.int("num_uses")? {
            Some(..0) => return Err(Problem::bad("number of uses cannot be negative")),
            uses => num_uses("num_uses", uses.unwrap_or_default())?,
        },
        path: match path {
            CreatePath::Orphan => "auth/token/create-orphan".to_owned(),
            CreatePath::Plain => "auth/token/create".to_owned(),
            CreatePath::Role(name) => format!("auth/token/create/{name}"),
        },
        period: fields.duration("period")?.unwrap_or_default(),
        policies: policies.as_deref().map(policy_set).transpose()?,
        ttl: ttl.or(lease).unwrap_or_default(),
        token_type,
        orphan_path: *path == CreatePath::Orphan,
    })
}

fn chosen(fields: &mut Fields<'_>) -> Result<Option<TokenText>, Problem> {
    let id = fields.text("id")?.unwrap_or_default();
    if id.as_str().is_empty() {
        return Ok(None);
    }
    let bytes = SecretBytes::new(id.as_str().as_bytes().to_vec());
    let text = TokenText::parse(bytes);
    text.map(Some).ok_or_else(|| {
        Problem::bad("a custom token ID must be 1 to 256 letters, digits, dashes or underscores")
    })
}
