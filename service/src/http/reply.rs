//! Answers: status, bytes and headers.

pub(super) mod envelope;
pub(super) mod print;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use keyring::job::Summary;
use serde_json::Value;
use uuid::Uuid;

use self::print::push_json;
use super::errors::{Message, Problem};
use super::sliced::{Sliced, Watch};
use crate::admission::Held;

/// Names a request in its answer, in the log and in the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestId(Uuid);

impl RequestId {
    /// A new random id, from the thread's generator: ids must differ, not be secret.
    pub(super) fn generate() -> Self {
        Self(uuid::Builder::from_random_bytes(rand::random()).into_uuid())
    }

    /// The id as it is.
    pub(super) const fn uuid(self) -> Uuid {
        self.0
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// An answer, ready to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) content: Content,
    /// What was worked on, for counting and for the audit.
    pub(super) used: Summary,
    /// After how many seconds the caller is asked to come back.
    pub(super) retry_after: Option<u64>,
    /// Whether nobody knows if the change was made.
    pub(super) leaves_unknown: bool,
    /// Whether it goes out without waiting for its record.
    pub(super) is_urgent: bool,
    /// The accessor of the token it gives out.
    pub(super) made: Option<Box<str>>,
}

/// The body of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Errors, and what anybody may know of the server's state: JSON without an envelope, which is never wrapped.
    Bare(Vec<u8>),
    /// JSON in an envelope, whatever its status: what is wrapped for whoever asks for that.
    Enveloped(Vec<u8>),
    Nothing,
    Prometheus(String),
}

/// What a handler comes to.
pub(super) type Answer = Result<Reply, Problem>;

impl Reply {
    /// JSON bytes in an envelope, with status 200.
    pub(super) const fn json(bytes: Vec<u8>) -> Self {
        Self::new(StatusCode::OK, Content::Enveloped(bytes))
    }

    /// The metrics' text.
    pub(super) const fn prometheus(text: String) -> Self {
        Self::new(StatusCode::OK, Content::Prometheus(text))
    }

    const fn new(status: StatusCode, content: Content) -> Self {
        Self {
            status,
            content,
            used: ONE,
            retry_after: None,
            leaves_unknown: false,
            is_urgent: false,
            made: None,
        }
    }

    /// A JSON value without an envelope, of which nothing is anybody's secret: it goes out also where wrapping was asked for.
    pub(super) fn bare(value: &Value) -> Self {
        let mut bytes = Vec::new();
        push_json(&mut bytes, value);
        bytes.push(b'\n');
        Self::new(StatusCode::OK, Content::Bare(bytes))
    }

    /// Done, and nothing to say.
    pub(super) const fn nothing() -> Self {
        Self::new(StatusCode::NO_CONTENT, Content::Nothing)
    }

    /// The same answer with another status.
    pub(super) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// An error's answer.
    pub(super) fn problem(id: RequestId, problem: &Problem) -> Self {
        let text = match &problem.message {
            Message::Empty => None,
            Message::Multi(text) => Some(format!("1 error occurred:\n\t* {text}\n\n")),
            Message::Plain(text) => Some(text.clone().into_owned()),
            Message::WithRequestId(text) => Some(format!("{text} (request {id})")),
        };
        Self {
            used: Summary::default(),
            retry_after: problem.retry_after,
            leaves_unknown: problem.leaves_unknown,
            is_urgent: problem.is_urgent,
            ..Self::bare(&serde_json::json!({"errors": text.as_slice()}))
        }
        .with_status(problem.status)
    }

    /// The same answer, of which nobody knows whether it is true.
    pub(super) fn unknown(self) -> Self {
        Self {
            leaves_unknown: true,
            ..self
        }
    }

    /// The same answer, having used this.
    pub(super) fn with_used(self, used: Summary) -> Self {
        Self { used, ..self }
    }

    /// How many bytes its body has.
    pub(super) fn len(&self) -> usize {
        match &self.content {
            Content::Bare(bytes) | Content::Enveloped(bytes) => bytes.len(),
            Content::Nothing => 0,
            Content::Prometheus(text) => text.len(),
        }
    }

    /// How many bytes it must have room for until the client has taken them: none of a short one.
    pub(super) fn weight(&self) -> usize {
        match &self.content {
            Content::Bare(bytes) | Content::Enveloped(bytes) if bytes.len() > Sliced::SLICE => {
                bytes.len()
            }
            Content::Bare(_)
            | Content::Enveloped(_)
            | Content::Nothing
            | Content::Prometheus(_) => 0,
        }
    }

    /// The answer as actix sends it.
    pub(super) fn into_response(self, room: Option<(Held, Option<Watch>)>) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response
            .insert_header(NO_STORE)
            .insert_header(STRICT_TRANSPORT);
        if let Some(seconds) = self.retry_after {
            response.insert_header((header::RETRY_AFTER, seconds));
        } else if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header(RETRY_SOON);
        }
        if matches!(
            self.status,
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT
        ) {
            // The rest of the body is not going to be read.
            response.force_close();
        }
        match self.content {
            Content::Bare(bytes) | Content::Enveloped(bytes) => match room {
                Some((held, watch)) => {
                    let sliced = Sliced::new(bytes, held);
                    let sliced = match watch {
                        Some(watch) => sliced.watched(watch),
                        None => sliced,
                    };
                    response.insert_header(JSON).body(sliced)
                }
                None => response.insert_header(JSON).body(bytes),
            },
            Content::Nothing => response.finish(),
            Content::Prometheus(text) => response.insert_header(PROMETHEUS).body(text),
        }
    }
}

/// What most requests work on: one thing, of which no version is used.
const ONE: Summary = Summary {
    items: 1,
    failed: 0,
    versions: None,
};

// hvac compares this text, so it must not say a charset.
const JSON: (HeaderName, HeaderValue) = (
    header::CONTENT_TYPE,
    HeaderValue::from_static("application/json"),
);
const PROMETHEUS: (HeaderName, HeaderValue) = (
    header::CONTENT_TYPE,
    HeaderValue::from_static("text/plain; version=0.0.4"),
);
const NO_STORE: (HeaderName, HeaderValue) =
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
const STRICT_TRANSPORT: (HeaderName, HeaderValue) = (
    header::STRICT_TRANSPORT_SECURITY,
    HeaderValue::from_static("max-age=31536000; includeSubDomains"),
);
const RETRY_SOON: (HeaderName, HeaderValue) = (header::RETRY_AFTER, HeaderValue::from_static("1"));

#[cfg(test)]
mod tests {
    use super::*;

    /// The JSON of an answer.
    pub(super) fn text(reply: &Reply) -> &str {
        match &reply.content {
            Content::Bare(bytes) | Content::Enveloped(bytes) => std::str::from_utf8(bytes).unwrap(),
            Content::Nothing | Content::Prometheus(_) => panic!("not JSON"),
        }
    }

    #[test]
    fn errors_are_lists_of_none_or_one() {
        let id = RequestId::generate();
        assert_eq!(
            text(&Reply::problem(id, &Problem::absent())),
            "{\"errors\":[]}\n"
        );
        assert_eq!(
            text(&Reply::problem(id, &Problem::bad("say \"no\""))),
            "{\"errors\":[\"say \\\"no\\\"\"]}\n"
        );
        assert_eq!(
            text(&Reply::problem(id, &Problem::multi("x"))),
            "{\"errors\":[\"1 error occurred:\\n\\t* x\\n\\n\"]}\n"
        );
        let internal = Reply::problem(id, &Problem::internal("broken"));
        assert!(text(&internal).contains(&format!("broken (request {id})")));
    }

    #[test]
    fn headers_are_exactly_those_clients_compare() {
        let busy = Reply::problem(RequestId::generate(), &Problem::busy()).into_response(None);
        let header = |name: &str| {
            busy.headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        assert_eq!(header("content-type"), Some("application/json"));
        assert_eq!(header("cache-control"), Some("no-store"));
        assert_eq!(header("retry-after"), Some("1"));
        assert!(header("strict-transport-security").is_some());
        let nothing = Reply::nothing().into_response(None);
        assert!(!nothing.headers().contains_key("content-type"));
    }
}
