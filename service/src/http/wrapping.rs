//! Response wrapping: the answer to any request kept for whoever brings its token, and what can be done with such tokens.

use std::time::Duration;

use actix_web::http::header::HeaderMap;
use keyring::fair_queue::QueueError;
use keyring::secret::SecretBytes;
use serde::Deserialize;
use serde_json::json;

use super::auth::methods;
use super::errors::Problem;
use super::reply::{Answer, Content, Reply};
use super::request::Request;
use super::{view, weak};
use crate::bounds::Bound;
use crate::caller::presented_token;
use crate::identity::wrapping::{WrapError, Wrapped, Wrapping};

/// For how long the answer is to be kept, if the caller asks for it to be wrapped.
pub(super) fn asked_ttl(headers: &HeaderMap) -> Result<Option<Duration>, Problem> {
    let bad = |what| Problem::bad(format!("error parsing X-Vault-Wrap-TTL header: {what}"));
    let mut values = headers.get_all("x-vault-wrap-ttl");
    let (first, second) = (values.next(), values.next());
    let Some(value) = first else {
        return Ok(None);
    };
    if second.is_some() {
        return Err(bad("it stands there twice"));
    }
    let text = value.to_str().map_err(|_| bad("not a duration"))?;
    let ttl = weak::go_duration(text).map_err(|fault| match fault {
        weak::DurationFault::Negative => bad("requested wrap ttl cannot be negative"),
        weak::DurationFault::Unreadable => bad("not a duration"),
    })?;
    if ttl > Wrapping::MAX_TTL {
        return Err(bad("longer than 768h"));
    }
    // Whoever asks for less than a second asks for wrapping all the same.
    let asks = weak::exact_go_duration(text).is_ok_and(|exact| !exact.is_zero());
    if asks && ttl.is_zero() {
        return Err(bad("shorter than a second"));
    }
    Ok(asks.then_some(ttl))
}

/// The answer to a request for this path, wrapped, whatever its status: where some items of a batch failed, the others' results
/// stand in it all the same. What says nothing, and what anybody may know, stays as it is.
pub(super) async fn wrap(request: &Request<'_>, ttl: Duration, reply: Reply) -> Answer {
    let bytes = match reply.content {
        Content::Enveloped(bytes) => bytes,
        Content::Bare(_) | Content::Nothing => return Ok(reply),
        Content::Prometheus(_) => return Err(Problem::bad("this answer cannot be wrapped")),
    };
    let (used, made) = (reply.used, reply.made);
    let response = SecretBytes::new(bytes);
    let accessor = wrapped_accessor(&response, request.path);
    let (methods, path) = (methods(request)?.clone(), request.path.to_owned());
    let owner = request.owner();
    let work = async move {
        let wrapping = &methods.wrapping;
        wrapping
            .wrap(&owner, (path, accessor), ttl, &response)
            .await
    };
    let wrapped = request.detached(work).await?;
    let wrapped = wrapped.map_err(|error| refused(request, error))?;
    Ok(Reply {
        used,
        made,
        ..told(&wrapped)
    })
}

/// Refuses a request whose answer is to be wrapped and could not be kept, before anything is done. What is wrapped already is
/// not wrapped again.
pub(super) async fn check_room(request: &Request<'_>) -> Result<(), Problem> {
    let Some(opened) = request.opened.filter(|_| !request.operation.wraps_itself()) else {
        return Ok(());
    };
    let wrapping = &opened.identity.methods.wrapping;
    let room = wrapping.check_room(&request.owner()).await;
    room.map_err(|error| refused(request, error))
}

/// The error as an answer; counted if the caller has its share.
fn refused(request: &Request<'_>, error: WrapError) -> Problem {
    if matches!(error, WrapError::CallerFull) {
        request
            .front
            .metrics
            .refused(Bound::Wraps, QueueError::ShareFull);
    }
    error.into()
}

/// `POST sys/wrapping/wrap`: answers what was sent, which the caller must have asked to be wrapped. It is kept for a shorter
/// time than other answers may be, and may be less long: whoever has any token may send it.
pub(super) fn echo(request: &Request<'_>) -> Answer {
    let Some(ttl) = asked_ttl(request.headers)? else {
        return Err(Problem::bad(
            "endpoint requires response wrapping to be used",
        ));
    };
    let limits = methods(request)?.wrapping.limits();
    if ttl > limits.wrap_ttl {
        return Err(Problem::bad(format!(
            "what is sent to be wrapped is kept for at most {} s",
            limits.wrap_ttl.as_secs()
        )));
    }
    if request.body.bytes.len() > limits.wrap_body_bytes {
        return Err(Problem::bad(format!(
            "what is sent to be wrapped has at most {} bytes",
            limits.wrap_body_bytes
        )));
    }
    Ok(Reply::printed(request.id, &request.body.object()?))
}

/// `POST sys/wrapping/unwrap`: the answer that was wrapped, as it was.
pub(super) async fn unwrap(request: &Request<'_>) -> Answer {
    let token = token(request, true)?;
    let methods = methods(request)?.clone();
    let work = async move { methods.wrapping.unwrap(text(&token)).await };
    let response = request.detached(work).await??;
    Ok(Reply::json(response.expose_secret().to_vec()))
}

/// `POST sys/wrapping/lookup`: what is known of the answer.
pub(super) async fn look_up(request: &Request<'_>) -> Answer {
    let token = token(request, false)?;
    let info = methods(request)?.wrapping.look_up(text(&token)).await?;
    let data = json!({
        "creation_path": info.creation_path,
        "creation_time": view::instant(info.created_at()),
        "creation_ttl": info.ttl.as_secs(),
    });
    Ok(Reply::data(request.id, &data, &[]))
}

/// `POST sys/wrapping/rewrap`: the same answer under a new token.
pub(super) async fn rewrap(request: &Request<'_>) -> Answer {
    let token = token(request, true)?;
    let methods = methods(request)?.clone();
    let work = async move { methods.wrapping.rewrap(text(&token)).await };
    let wrapped = request.detached(work).await??;
    Ok(told(&wrapped))
}

/// The wrapping token a request means: the one in its body, or else the one it is made with. One in the body of another
/// caller's request takes a caller who is known, where the answer is given out.
fn token(request: &Request<'_>, gives_out: bool) -> Result<SecretBytes, Problem> {
    let mut fields = request.body.fields()?;
    let named = fields.text("token")?.unwrap_or_default();
    let named = named.as_str().trim();
    if !named.is_empty() {
        if gives_out && request.caller.is_none() {
            let own = presented_token(request.headers);
            if own != Some(named) {
                return Err(Problem::permission_denied());
            }
        }
        return Ok(SecretBytes::new(named.as_bytes().to_vec()));
    }
    let own = presented_token(request.headers).ok_or(WrapError::NotThere)?;
    Ok(SecretBytes::new(own.as_bytes().to_vec()))
}

/// What is no text was none of ours.
fn text(token: &SecretBytes) -> &str {
    std::str::from_utf8(token.expose_secret()).unwrap_or_default()
}

/// The answer in place of the wrapped one.
fn told(wrapped: &Wrapped) -> Reply {
    let info = json!({
        "accessor": wrapped.accessor,
        "creation_path": wrapped.info.creation_path,
        "creation_time": view::instant(wrapped.info.created_at()),
        "token": wrapped.token.expose_secret(),
        "ttl": wrapped.info.ttl.as_secs(),
        "wrapped_accessor": wrapped.info.wrapped_accessor.as_deref().unwrap_or_default(),
    });
    Reply::wrapped(&info)
}

/// The accessor of the token in an answer, or of the secret id that AppRole made.
fn wrapped_accessor(response: &SecretBytes, path: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Envelope {
        auth: Option<Auth>,
        data: Option<Data>,
    }
    #[derive(Deserialize)]
    struct Auth {
        accessor: String,
    }
    #[derive(Deserialize)]
    struct Data {
        #[serde(default)]
        secret_id_accessor: Option<String>,
    }
    let makes_token = path.starts_with("auth/");
    let last = path.rsplit('/').next();
    let makes_secret_id = makes_token && matches!(last, Some("secret-id" | "custom-secret-id"));
    if !(makes_secret_id || makes_token) {
        return None;
    }
    let envelope: Envelope = serde_json::from_slice(response.expose_secret()).ok()?;
    let of_token = envelope.auth.map(|auth| auth.accessor);
    of_token.or_else(|| {
        let data = envelope.data.filter(|_| makes_secret_id)?;
        data.secret_id_accessor
    })
}

#[cfg(test)]
mod tests;
