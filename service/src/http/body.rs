//! Request bodies: read within a limit, a budget and a time, and worked on off the worker when they are large.

use std::borrow::Cow;

use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::time::Instant;

use super::errors::{Message, Problem};
use super::fields::Fields;
use super::pace::Pace;
use crate::admission::{Admission, Held, Resource, Share};

/// A body that has been read whole, or is not there yet.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) bytes: Bytes,
    pub(super) format: Format,
    /// Whether it is still to come, so that nobody can say what is in it.
    pub(super) is_awaited: bool,
    // Gives the bytes back to the budget when the body is dropped.
    _held: Option<Held>,
}

/// How a body spells its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Form,
    Json,
}

impl Body {
    /// No body.
    pub(super) const fn none() -> Self {
        Self {
            bytes: Bytes::new(),
            format: Format::Json,
            is_awaited: false,
            _held: None,
        }
    }

    /// A body that is still to come.
    pub(super) const fn awaited() -> Self {
        Self {
            bytes: Bytes::new(),
            format: Format::Json,
            is_awaited: true,
            _held: None,
        }
    }

    /// A copy that outlives the request; it shares the bytes and holds no room for them.
    pub(super) fn copy(&self) -> BodyCopy {
        BodyCopy {
            bytes: self.bytes.clone(),
            format: self.format,
        }
    }

    /// The fields of this body.
    pub(super) fn fields(&self) -> Result<Fields<'_>, Problem> {
        fields(&self.bytes, self.format)
    }

    /// The body as a JSON object, numbers and all as they were sent; an empty one if there is none.
    pub(super) fn object(&self) -> Result<Cow<'_, [u8]>, Problem> {
        let fields = self.fields()?;
        Ok(match (self.format, self.bytes.trim_ascii()) {
            (Format::Json, b"" | b"null") => Cow::Borrowed(b"{}"),
            (Format::Json, object) => Cow::Borrowed(object),
            (Format::Form, _) => Cow::Owned(fields.texts().to_string().into_bytes()),
        })
    }
}

/// A body that work takes along which goes on when the client has hung up.
#[derive(Debug)]
pub(super) struct BodyCopy {
    bytes: Bytes,
    format: Format,
}

impl BodyCopy {
    /// The fields of the body.
    pub(super) fn fields(&self) -> Result<Fields<'_>, Problem> {
        fields(&self.bytes, self.format)
    }
}

/// The fields these bytes spell.
pub(super) fn fields(bytes: &[u8], format: Format) -> Result<Fields<'_>, Problem> {
    match format {
        Format::Json => Ok(Fields::from_json(bytes)?),
        Format::Form => std::str::from_utf8(bytes)
            .ok()
            .and_then(Fields::from_form)
            .ok_or_else(|| Problem::bad("failed to decode form input")),
    }
}

/// Does work on this many bytes: here if they are few, else on a thread where it delays nobody.
pub(super) async fn work_on<T, F>(bytes: usize, work: F) -> Result<T, Problem>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    if bytes <= INLINE_BYTES {
        return Ok(work());
    }
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Problem::internal("the request broke off").alarmed(&error))
}

/// Up to this size a thread hop costs more than the work delays others.
const INLINE_BYTES: usize = 64 * 1024;
/// No more is reserved on the word of a header alone.
const MAX_RESERVED: usize = 1 << 20;

/// A body up to this size takes none of the budget once it is there: its request's place bounds how many there are.
const FREE_BYTES: usize = 8 << 10;

/// A body on its way in.
pub(super) struct Arriving<'a> {
    payload: Payload,
    announced: usize,
    limit: usize,
    collected: Collected,
    budget: (&'a Admission, Share),
    held: Option<Held>,
    is_whole: bool,
    /// When it was first waited for.
    waited: Option<Instant>,
}

impl<'a> Arriving<'a> {
    /// A body of at most `limit` bytes, which are taken from this share.
    pub(super) fn begin(
        payload: Payload,
        headers: &HeaderMap,
        limit: usize,
        budget: (&'a Admission, Share),
    ) -> Self {
        Self {
            payload,
            announced: announced_length(headers).unwrap_or(0),
            limit,
            collected: Collected::None,
            budget,
            held: None,
            is_whole: false,
            waited: None,
        }
    }

    /// Reads what is there already; whether that is all of it. A small body comes with its head, without any waiting.
    pub(super) fn is_here(&mut self) -> Result<bool, Problem> {
        if self.announced > self.limit {
            return Ok(false);
        }
        while !self.is_whole {
            let Some(next) = self.payload.next().now_or_never() else {
                return Ok(false);
            };
            self.take(next)?;
        }
        Ok(true)
    }

    /// Waits for the rest, as long as it comes at this pace.
    pub(super) async fn wait(&mut self, pace: &Pace) -> Result<(), Problem> {
        if self.announced > self.limit {
            return Err(too_large());
        }
        while !self.is_here()? {
            // What waits for more is counted, however little it is.
            self.count()?;
            let began = *self.waited.get_or_insert_with(Instant::now);
            let until = pace.body_waits_until(self.collected.len(), began.elapsed());
            let next = tokio::time::timeout_at(began + until, self.payload.next()).await;
            self.take(next.map_err(|_| too_slow())?)?;
        }
        Ok(())
    }

    /// The body, which must be whole.
    pub(super) fn into_body(self, headers: &HeaderMap) -> Body {
        let bytes = self.collected.into_bytes();
        Body {
            format: format_of(headers, &bytes),
            bytes,
            is_awaited: false,
            _held: self.held,
        }
    }

    fn take(&mut self, next: Option<Result<Bytes, PayloadError>>) -> Result<(), Problem> {
        let Some(chunk) = next else {
            self.is_whole = true;
            return Ok(());
        };
        let chunk = chunk.map_err(|_| Problem::bad("failed to read the request body").at_once())?;
        let length = self.collected.len().saturating_add(chunk.len());
        if length > self.limit {
            return Err(too_large());
        }
        self.collected.push(chunk, self.announced);
        if length > FREE_BYTES {
            self.count()?;
        }
        Ok(())
    }

    /// Takes from the budget what has come and is not counted yet.
    fn count(&mut self) -> Result<(), Problem> {
        let length = self.collected.len();
        if length == 0 {
            return Ok(());
        }
        let (admission, share) = self.budget;
        let nothing = || admission.hold_nothing(share, Resource::BodyBytes);
        let held = self.held.get_or_insert_with(nothing);
        let more = length.saturating_sub(held.amount());
        if more == 0 || held.more(more) {
            Ok(())
        } else {
            Err(Problem::busy())
        }
    }
}

/// A body as it comes in; one that comes in one piece is never copied.
#[derive(Debug)]
enum Collected {
    None,
    One(Bytes),
    Many(BytesMut),
}

impl Collected {
    fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(bytes) => bytes.len(),
            Self::Many(bytes) => bytes.len(),
        }
    }

    fn push(&mut self, chunk: Bytes, announced: usize) {
        *self = match std::mem::replace(self, Self::None) {
            Self::None => Self::One(chunk),
            Self::One(first) => {
                let room = announced.min(MAX_RESERVED).max(first.len() + chunk.len());
                let mut all = BytesMut::with_capacity(room);
                all.extend_from_slice(&first);
                all.extend_from_slice(&chunk);
                Self::Many(all)
            }
            Self::Many(mut all) => {
                all.extend_from_slice(&chunk);
                Self::Many(all)
            }
        };
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::None => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Many(bytes) => bytes.freeze(),
        }
    }
}

fn too_slow() -> Problem {
    let text = Message::Plain("the request body came too slowly".into());
    Problem::new(StatusCode::REQUEST_TIMEOUT, text)
}

fn announced_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large() -> Problem {
    let text = Message::Plain("http: request body too large".into());
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, text)
}

// curl says "form" of everything, so what begins like JSON is JSON.
fn format_of(headers: &HeaderMap, body: &[u8]) -> Format {
    let claims_form = headers.get(CONTENT_TYPE).is_some_and(|value| {
        value
            .as_bytes()
            .starts_with(b"application/x-www-form-urlencoded")
    });
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if claims_form && !matches!(first, None | Some(b'{' | b'[')) {
        Format::Form
    } else {
        Format::Json
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn what_curl_calls_a_form_may_be_json() {
        let mut headers = HeaderMap::new();
        assert_eq!(format_of(&headers, b"a=1"), Format::Json);
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8"),
        );
        assert_eq!(format_of(&headers, b"a=1"), Format::Form);
        assert_eq!(format_of(&headers, b" {\"a\":1}"), Format::Json);
        assert_eq!(format_of(&headers, b"\n[1]"), Format::Json);
        assert_eq!(format_of(&headers, b""), Format::Json);
    }

    #[test]
    fn pieces_are_put_together_in_order() {
        let mut collected = Collected::None;
        for piece in ["ab", "c", "", "def"] {
            collected.push(Bytes::from_static(piece.as_bytes()), usize::MAX);
        }
        assert_eq!(collected.len(), 6);
        assert_eq!(collected.into_bytes(), "abcdef");
    }

    #[actix_web::test]
    async fn large_work_moves_to_another_thread_and_small_work_stays() {
        let here = std::thread::current().id();
        let thread = |bytes| work_on(bytes, || std::thread::current().id());
        assert_eq!(thread(INLINE_BYTES).await, Ok(here));
        assert_ne!(thread(INLINE_BYTES + 1).await, Ok(here));
        let broken: Result<(), _> = work_on(INLINE_BYTES + 1, || panic!("on purpose")).await;
        assert!(broken.is_err());
    }
}
