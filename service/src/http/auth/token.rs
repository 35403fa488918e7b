//! Tokens: the endpoints below `auth/token/`.

mod create;
mod role;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use keyring::secret::SecretBytes;
use keyring::store::identity::Reach;

use crate::caller::{Caller, presented_token};
use crate::connection::ClientCertificates;
use crate::http::errors::Problem;
use crate::http::fields::Fields;
use crate::http::reply::{Answer, Reply};
use crate::http::request::Request;
use crate::http::route::identity::{TokenCall, Which};
use crate::http::route::{Route, Target, Verb};
use crate::http::text::Text;
use crate::identity::Identity;
use crate::identity::token::grant::Issued;
use crate::identity::token::lookup::Found;
use crate::identity::token::renew::RenewalTerms;
use crate::identity::token::role::{SHELF, TokenRole};
use crate::identity::token::text::TokenText;
use crate::identity::ttl::TtlLimits;
use crate::identity::wrapping::WrapError;

/// Answers what is asked of tokens.
pub(in crate::http) async fn answer(request: &Request<'_>, call: &TokenCall) -> Answer {
    match call {
        TokenCall::Accessors => accessors(request).await,
        TokenCall::Create(path) => create::create(request, path).await,
        TokenCall::Lookup(which) => lookup(request, *which).await,
        TokenCall::Renew(which) => renew(request, *which).await,
        TokenCall::Revoke(which) => revoke(request, *which).await,
        TokenCall::RevokeOrphan => revoke_orphan(request).await,
        TokenCall::RoleDelete(name) => role::delete(request, name).await,
        TokenCall::RoleList => role::list(request).await,
        TokenCall::RoleRead(name) => role::read(request, name).await,
        TokenCall::RoleWrite(name) => role::write(request, name).await,
        TokenCall::Tidy => tidy(request),
    }
}

/// The token a request means, as its text; empty if it means none.
pub(in crate::http) fn meant(fields: &mut Fields<'_>) -> Result<SecretBytes, Problem> {
    let text = fields.text("token")?.unwrap_or_default();
    Ok(SecretBytes::new(text.as_str().trim().as_bytes().to_vec()))
}

/// The token with the accessor in the fields, which must be there.
pub(in crate::http) async fn by_accessor(
    identity: &Identity,
    fields: &mut Fields<'_>,
) -> Result<Option<Found>, Problem> {
    let accessor = fields.text("accessor")?.unwrap_or_default();
    let accessor = accessor.as_str().trim();
    if accessor.is_empty() {
        return Err(Problem::bad("missing accessor"));
    }
    Ok(identity.find_by_accessor(accessor).await?)
}

/// The text of the caller's token.
pub(in crate::http) fn own(request: &Request<'_>) -> Result<SecretBytes, Problem> {
    let own = presented_token(request.headers).ok_or_else(Problem::permission_denied)?;
    Ok(SecretBytes::new(own.as_bytes().to_vec()))
}

/// A token's text; one that is no text is no token.
pub(in crate::http) fn text(token: &SecretBytes) -> &str {
    std::str::from_utf8(token.expose_secret()).unwrap_or_default()
}

fn fields<'r>(request: &'r Request<'_>) -> Result<Fields<'r>, Problem> {
    if request.verb == Verb::Read {
        return Ok(request.query_fields());
    }
    request.body.fields()
}

async fn lookup(request: &Request<'_>, which: Which) -> Answer {
    let identity = request.identity()?;
    let mut fields = fields(request)?;
    let (shown, found) = match which {
        Which::ByAccessor => {
            let found = by_accessor(identity, &mut fields).await?;
            let found = found.ok_or_else(|| Problem::bad("invalid accessor"))?;
            (SecretBytes::default(), Some(found))
        }
        Which::ByText | Which::Own => {
            let named = match which {
                Which::Own => SecretBytes::default(),
                Which::ByAccessor | Which::ByText => meant(&mut fields)?,
            };
            let token = if named.is_empty() {
                own(request)?
            } else {
                named
            };
            if let Some(own) = request.own {
                let data = view::token(text(&token), own, identity.clock.now());
                return Ok(Reply::data(request.id, &data, &[]));
            }
            let found = identity.find(text(&token)).await?;
            (token, found)
        }
    };
    let now = identity.clock.now();
    let data = match found {
        Some(found) => view::token(text(&shown), &found, now),
        // A wrapping token is looked up like any other, though it is none.
        None => match identity.methods.wrapping.describe(text(&shown)).await {
            Ok((info, accessor)) => view::wrapping_token(text(&shown), &info, &accessor, now),
            Err(WrapError::NotThere) => return Err(Problem::bad_token()),
            Err(error) => return Err(error.into()),
        },
    };
    Ok(Reply::data(request.id, &data, &[]))
}

/// Whether a token whose uses are counted asks for itself.
pub(in crate::http) fn asks_itself(caller: Option<&Caller>, route: &Route) -> bool {
    caller.is_some_and(|caller| caller.token.counted)
        && route.target == Target::Token(TokenCall::Lookup(Which::Own))
}

/// The caller's token, read before its use is taken, after which it may be gone.
pub(in crate::http) async fn own_before_use(
    request: &Request<'_>,
) -> Result<Option<Found>, Problem> {
    let found = request.identity()?.find(text(&own(request)?)).await?;
    Ok(found.map(|found| match found {
        Found::Service(mut stored) => {
            stored.row.uses_left = stored.row.uses_left.map(|left| left.saturating_sub(1));
            Found::Service(stored)
        }
        other @ (Found::Batch(_) | Found::Initial(_)) => other,
    }))
}

/// The token that is to be changed. One in the body must be there.
async fn find(
    request: &Request<'_>,
    which: Which,
    fields: &mut Fields<'_>,
) -> Result<(SecretBytes, Option<Found>), Problem> {
    let identity = request.identity()?;
    let token = match which {
        Which::ByAccessor => {
            let found = by_accessor(identity, fields).await?;
            return Ok((SecretBytes::default(), found));
        }
        Which::ByText => {
            let named = meant(fields)?;
            if named.is_empty() {
                return Err(Problem::bad("missing token ID"));
            }
            named
        }
        Which::Own => {
            fields.ignore(&["token"]);
            own(request)?
        }
    };
    let found = identity.find(text(&token)).await?;
    Ok((token, found))
}

async fn renew(request: &Request<'_>, which: Which) -> Answer {
    let mut fields = request.body.fields()?;
    let increment = fields.duration("increment")?.unwrap_or_default();
    let (token, found) = find(request, which, &mut fields).await?;
    let found = found.ok_or_else(|| match which {
        Which::ByAccessor => Problem::bad("invalid accessor"),
        Which::ByText | Which::Own => Problem::bad("token not found"),
    })?;
    let identity = Arc::clone(request.identity()?);
    let shown = request.client_certificates().cloned();
    let work = async move {
        let terms = terms_of(&identity, &found, increment, shown.as_deref()).await?;
        let renewed = identity.renew(found, &terms).await?;
        Ok::<_, Problem>(renewed)
    };
    let renewed = request.detached(work).await??;
    let renewed = Issued {
        // Somebody who renewed it by its accessor does not learn it.
        text: TokenText::parse(token),
        ..renewed
    };
    Ok(Reply::auth(request.id, &renewed, &fields.warnings()))
}

/// What a token's role, user and mount say of it now.
async fn terms_of(
    identity: &Identity,
    found: &Found,
    increment: Duration,
    shown: Option<&ClientCertificates>,
) -> Result<RenewalTerms, Problem> {
    let nothing_said = RenewalTerms {
        increment,
        params: None,
        limits: TtlLimits::default(),
    };
    let Found::Service(stored) = found else {
        return Ok(nothing_said);
    };
    if let Some(name) = &stored.body.role {
        let role = identity.entries.get::<TokenRole>(SHELF, name).await?;
        let role = role.ok_or_else(|| {
            Problem::multi(format!(
                "original token role \"{name}\" could not be found, not renewing"
            ))
        })?;
        return Ok(RenewalTerms {
            params: Some(role.value.params),
            ..nothing_said
        });
    }
    let mounts = identity.methods.mounts.all();
    let mount = mounts
        .iter()
        .find(|mount| !stored.body.scope.is_empty() && mount.accessor == stored.body.scope);
    let Some(mount) = mount else {
        return Ok(nothing_said);
    };
    let nothing = BTreeMap::new();
    let meta = stored.body.meta.as_ref().unwrap_or(&nothing);
    Ok(RenewalTerms {
        limits: mount.config.limits(),
        params: identity.methods.renewal(mount, meta, shown).await?,
        ..nothing_said
    })
}

async fn revoke(request: &Request<'_>, which: Which) -> Answer {
    let mut fields = request.body.fields()?;
    let named = match which {
        Which::ByAccessor => fields.peek("accessor").map(String::into_bytes),
        Which::ByText => fields.peek("token").map(String::into_bytes),
        Which::Own => None,
    };
    let named = SecretBytes::new(named.unwrap_or_default());
    let (_, found) = find(request, which, &mut fields).await?;
    let Some(found) = found else {
        if revoke_wrapping(request, which, text(&named).trim()).await? {
            return Ok(Reply::nothing());
        }
        // Gone is what it was to be.
        return Ok(match which {
            Which::ByAccessor => {
                let warning = "No token found with this accessor".to_owned();
                Reply::data(request.id, &serde_json::Value::Null, &[warning])
            }
            Which::ByText | Which::Own => Reply::nothing(),
        });
    };
    end(request, found, Reach::Tree).await
}

/// A wrapping token is revoked like any other, though it is none; whether there was one.
async fn revoke_wrapping(
    request: &Request<'_>,
    which: Which,
    named: &str,
) -> Result<bool, Problem> {
    let wrapping = &request.identity()?.methods.wrapping;
    let revoked = match which {
        Which::ByAccessor => wrapping.revoke_by_accessor(named).await,
        Which::ByText => wrapping.revoke(named).await,
        Which::Own => Ok(false),
    };
    revoked.map_err(|error| Problem::identity_store(&error))
}

async fn revoke_orphan(request: &Request<'_>) -> Answer {
    if !request.is_sudo("auth/token/revoke-orphan").await? {
        return Err(Problem::bad(
            "root or sudo privileges required to revoke and orphan",
        ));
    }
    let mut fields = request.body.fields()?;
    let (_, found) = find(request, Which::ByText, &mut fields).await?;
    let found = found.ok_or_else(|| Problem::bad("token to revoke not found"))?;
    end(request, found, Reach::Alone).await
}

async fn end(request: &Request<'_>, found: Found, reach: Reach) -> Answer {
    let (identity, transit) = (
        Arc::clone(request.identity()?),
        Arc::clone(request.transit()?),
    );
    let work = async move {
        match found {
            Found::Batch(_) => Ok(None),
            // Its children have no parent to be revoked with.
            Found::Initial(root) => transit.revoke_root_token(&root.accessor).await.map(Some),
            Found::Service(stored) => identity.revoke(&stored, reach).await.map(Some),
        }
    };
    let revoked = request.detached(work).await?;
    match revoked.map_err(|error| Problem::identity_store(&error))? {
        Some(_) => Ok(Reply::nothing()),
        None => Err(Problem::bad("batch tokens cannot be revoked")),
    }
}

async fn accessors(request: &Request<'_>) -> Answer {
    let mut fields = request.query_fields();
    let after = fields.text("after")?;
    let after = after.as_ref().map(Text::as_str);
    let limit = fields.limit()?;
    let accessors = request.identity()?.accessors(after, limit).await?;
    Reply::names(request.id, &accessors)
}

/// Takes tokens out of the store that have been over for a while; that happens by itself too.
fn tidy(request: &Request<'_>) -> Answer {
    let identity = Arc::clone(request.identity()?);
    let detached = request.front.detached.clone();
    // Nobody waits for it.
    tokio::spawn(async move {
        let work = async move {
            let before = identity.clock.now().minus(KEPT);
            if let Err(error) = identity.credentials.purge_credentials(before).await {
                tracing::warn!(%error, "tokens that are over were not taken out of the store");
            }
        };
        if detached.run(work).await.is_err() {
            tracing::warn!("tokens that are over were not taken out of the store");
        }
    });
    let started = "Tidy operation successfully started. Any information from the operation will be printed to the \
                   server's logs.";
    let reply = Reply::data(request.id, &serde_json::Value::Null, &[started.to_owned()]);
    Ok(reply.with_status(actix_web::http::StatusCode::ACCEPTED))
}

/// Every node has polled since.
const KEPT: Duration = Duration::from_hours(1);
