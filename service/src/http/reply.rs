//! Answers: status, bytes and headers, and the envelope most of them come in.

use std::io::Write as _;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use keyring::job::Summary;
use serde_json::Value;
use uuid::Uuid;

use super::errors::{Message, Problem};
use super::sliced::Sliced;
use crate::admission::{Admission, Held};
use crate::identity::token::grant::Issued;
use crate::identity::token::text::TokenText;
use crate::identity::ttl;

/// Names a request in its answer, in the log and in the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestId(Uuid);

impl RequestId {
    /// A new random id, from the thread's generator: ids must differ, not be secret.
    pub(super) fn generate() -> Self {
        Self(uuid::Builder::from_random_bytes(rand::random()).into_uuid())
    }
}

impl RequestId {
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
    /// The accessor of the token it gives out.
    pub(super) made: Option<Box<str>>,
}

/// The body of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    Json(Vec<u8>),
    Nothing,
    Prometheus(String),
}

/// What a handler comes to.
pub(super) type Answer = Result<Reply, Problem>;

impl Reply {
    /// JSON bytes with status 200.
    pub(super) const fn json(bytes: Vec<u8>) -> Self {
        Self::of(Content::Json(bytes))
    }

    /// The metrics' text.
    pub(super) const fn prometheus(text: String) -> Self {
        Self::of(Content::Prometheus(text))
    }

    const fn of(content: Content) -> Self {
        Self {
            status: StatusCode::OK,
            content,
            used: ONE,
            retry_after: None,
            leaves_unknown: false,
            made: None,
        }
    }

    /// A JSON value without an envelope.
    pub(super) fn bare(value: &Value) -> Self {
        let mut bytes = Vec::new();
        push_json(&mut bytes, value);
        bytes.push(b'\n');
        Self::json(bytes)
    }

    /// A JSON value as the envelope's data.
    pub(super) fn data(id: RequestId, data: &Value, warnings: &[String]) -> Self {
        let mut bytes = open_envelope(id, 1024);
        push_json(&mut bytes, data);
        close_envelope(&mut bytes, warnings);
        Self::json(bytes)
    }

    /// A token for its owner, as the envelope's `auth`.
    pub(super) fn auth(id: RequestId, issued: &Issued, warnings: &[String]) -> Self {
        let mut bytes = open_envelope(id, 1024);
        bytes.extend_from_slice(b"null");
        let all = [issued.warnings.as_slice(), warnings].concat();
        push_wrap_and_warnings(&mut bytes, &all);
        bytes.extend_from_slice(b",\"auth\":");
        let text = issued.text.as_ref().map(TokenText::expose_secret);
        let policies: Vec<_> = issued.policies.iter().collect();
        let auth = serde_json::json!({
            "accessor": issued.accessor,
            "client_token": text.unwrap_or_default(),
            "entity_id": "",
            "lease_duration": ttl::shown_seconds(issued.ttl),
            "metadata": issued.meta,
            "mfa_requirement": null,
            "num_uses": issued.num_uses,
            "orphan": issued.orphan,
            "policies": policies,
            "renewable": issued.renewable,
            // vaultrs does not read the answer without it.
            "token_policies": policies,
            "token_type": issued.kind.word(),
        });
        push_json(&mut bytes, &auth);
        bytes.extend_from_slice(b"}\n");
        Self {
            made: Some(issued.accessor.as_str().into()),
            ..Self::json(bytes)
        }
    }

    /// JSON that somebody else printed, as the envelope's data.
    pub(super) fn printed(id: RequestId, data: &[u8]) -> Self {
        let mut bytes = open_envelope(id, data.len());
        bytes.extend_from_slice(data);
        close_envelope(&mut bytes, &[]);
        Self::json(bytes)
    }

    /// What the caller gets in place of an answer that was wrapped.
    pub(super) fn wrapped(info: &Value) -> Self {
        let mut bytes = ENVELOPE_START.to_vec();
        bytes.extend_from_slice(ENVELOPE_HEAD);
        bytes.extend_from_slice(b"null,\"wrap_info\":");
        push_json(&mut bytes, info);
        bytes.extend_from_slice(b",\"warnings\":null,\"auth\":null}\n");
        Self::json(bytes)
    }

    /// Whether it is a success with something to say in an envelope.
    pub(super) fn is_enveloped(&self) -> bool {
        match &self.content {
            Content::Json(bytes) => self.status.is_success() && bytes.starts_with(ENVELOPE_START),
            Content::Nothing | Content::Prometheus(_) => false,
        }
    }

    /// As [`data`](Self::data), with its entries also beside the envelope's own keys, where old clients look.
    pub(super) fn data_twice(id: RequestId, data: &Value) -> Self {
        let mut bytes = open_envelope(id, 1024);
        push_json(&mut bytes, data);
        push_envelope_tail(&mut bytes, &[]);
        let entries = data.as_object().into_iter().flatten();
        for (key, value) in entries.filter(|(key, _)| !ENVELOPE_KEYS.contains(&key.as_str())) {
            bytes.push(b',');
            push_text(&mut bytes, key);
            bytes.push(b':');
            push_json(&mut bytes, value);
        }
        bytes.extend_from_slice(b"}\n");
        Self::json(bytes)
    }

    /// Done, and nothing to say.
    pub(super) const fn nothing() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            content: Content::Nothing,
            used: ONE,
            retry_after: None,
            leaves_unknown: false,
            made: None,
        }
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
            made: None,
            ..Self::bare(&serde_json::json!({"errors": text.as_slice()}))
        }
        .with_status(problem.status)
    }

    /// The same answer, having used this.
    pub(super) fn with_used(self, used: Summary) -> Self {
        Self { used, ..self }
    }

    /// How many bytes its body has.
    pub(super) fn len(&self) -> usize {
        match &self.content {
            Content::Json(bytes) => bytes.len(),
            Content::Nothing => 0,
            Content::Prometheus(text) => text.len(),
        }
    }

    /// Room for this answer until the client has taken it: none is needed for a short one.
    pub(super) fn room(&self, admission: &Admission) -> Result<Option<Held>, Problem> {
        match &self.content {
            Content::Json(bytes) if bytes.len() > Sliced::SLICE => {
                let held = admission.reply(bytes.len());
                held.map(Some).ok_or_else(Problem::busy)
            }
            Content::Json(_) | Content::Nothing | Content::Prometheus(_) => Ok(None),
        }
    }

    /// The answer as actix sends it.
    pub(super) fn into_response(self, room: Option<Held>) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response
            .insert_header(NO_STORE)
            .insert_header(STRICT_TRANSPORT);
        if let Some(seconds) = self.retry_after {
            response.insert_header((header::RETRY_AFTER, seconds));
        } else if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header(RETRY_SOON);
        }
        if self.status == StatusCode::PAYLOAD_TOO_LARGE {
            // The rest of the body is not going to be read.
            response.force_close();
        }
        match self.content {
            Content::Json(bytes) => match room {
                Some(held) => response.insert_header(JSON).body(Sliced::new(bytes, held)),
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

const ENVELOPE_KEYS: [&str; 8] = [
    "request_id",
    "lease_id",
    "renewable",
    "lease_duration",
    "data",
    "wrap_info",
    "warnings",
    "auth",
];

/// Begins an envelope, up to where its data stands, in a buffer with room for this many bytes of data.
pub(super) fn open_envelope(id: RequestId, room: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(room.saturating_add(256));
    bytes.extend_from_slice(ENVELOPE_START);
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    bytes.extend_from_slice(id.0.hyphenated().encode_lower(&mut text).as_bytes());
    bytes.extend_from_slice(ENVELOPE_HEAD);
    bytes
}

/// What every envelope begins with, and nothing else does.
const ENVELOPE_START: &[u8] = b"{\"request_id\":\"";
/// What follows the request's id.
const ENVELOPE_HEAD: &[u8] =
    b"\",\"lease_id\":\"\",\"renewable\":false,\"lease_duration\":0,\"data\":";

/// Ends an envelope after its data.
pub(super) fn close_envelope(bytes: &mut Vec<u8>, warnings: &[String]) {
    push_envelope_tail(bytes, warnings);
    bytes.extend_from_slice(b"}\n");
}

fn push_envelope_tail(bytes: &mut Vec<u8>, warnings: &[String]) {
    push_wrap_and_warnings(bytes, warnings);
    bytes.extend_from_slice(b",\"auth\":null");
}

fn push_wrap_and_warnings(bytes: &mut Vec<u8>, warnings: &[String]) {
    bytes.extend_from_slice(b",\"wrap_info\":null,\"warnings\":");
    if warnings.is_empty() {
        bytes.extend_from_slice(b"null");
    } else {
        push_json(bytes, &Value::from(warnings));
    }
}

/// Appends a JSON value.
pub(super) fn push_json(bytes: &mut Vec<u8>, value: &Value) {
    serde_json::to_writer(bytes, value).expect("a value with text keys always prints to memory");
}

/// Appends a JSON string, escaped where it must be.
pub(super) fn push_text(bytes: &mut Vec<u8>, text: &str) {
    let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        push_plain(bytes, text);
    } else {
        serde_json::to_writer(bytes, text).expect("a text always prints to memory");
    }
}

/// Appends a JSON string that is known to need no escapes, like base64.
pub(super) fn push_plain(bytes: &mut Vec<u8>, text: &str) {
    bytes.push(b'"');
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(b'"');
}

/// Appends a number.
pub(super) fn push_number(bytes: &mut Vec<u8>, number: u32) {
    match u8::try_from(number) {
        Ok(digit @ 0..=9) => bytes.push(b'0' + digit),
        Ok(_) | Err(_) => write!(bytes, "{number}").expect("memory takes what is written to it"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::identity::policy_set::PolicySet;
    use crate::identity::token_params::TokenKind;

    fn text(reply: &Reply) -> &str {
        match &reply.content {
            Content::Json(bytes) => std::str::from_utf8(bytes).unwrap(),
            Content::Nothing | Content::Prometheus(_) => panic!("not JSON"),
        }
    }

    #[test]
    fn an_envelope_has_eight_keys_in_order() {
        let id = RequestId::generate();
        let reply = Reply::data(id, &serde_json::json!({"a": 1}), &["w".to_owned()]);
        let expected = format!(
            "{{\"request_id\":\"{id}\",\"lease_id\":\"\",\"renewable\":false,\"lease_duration\":0,\
             \"data\":{{\"a\":1}},\"wrap_info\":null,\"warnings\":[\"w\"],\"auth\":null}}\n"
        );
        assert_eq!(text(&reply), expected);
    }

    #[test]
    fn a_token_is_told_to_its_owner_in_the_auth_block() {
        let issued = Issued {
            text: Some(TokenText::generate_root(&keyring::entropy::SystemEntropy).unwrap()),
            accessor: "acc".to_owned(),
            policies: PolicySet::new(["default", "app"]),
            meta: None,
            ttl: std::time::Duration::from_millis(59_001),
            renewable: true,
            kind: TokenKind::Service,
            orphan: true,
            num_uses: 0,
            warnings: vec!["cut".to_owned()],
        };
        let reply = Reply::auth(RequestId::generate(), &issued, &["odd".to_owned()]);
        let read: Value = serde_json::from_str(text(&reply)).unwrap();
        assert_eq!(read.get("data"), Some(&Value::Null));
        assert_eq!(
            read.get("warnings"),
            Some(&serde_json::json!(["cut", "odd"]))
        );
        let auth = read.get("auth").unwrap();
        assert_eq!(
            auth.get("token_policies"),
            Some(&serde_json::json!(["app", "default"]))
        );
        assert_eq!(auth.get("lease_duration"), Some(&Value::from(60)));
        assert_eq!(auth.get("metadata"), Some(&Value::Null));
        assert_eq!(auth.as_object().unwrap().len(), 12);
        assert_eq!(read.as_object().unwrap().len(), 8);
    }

    #[test]
    fn entries_beside_the_envelope_never_hide_its_keys() {
        let data = serde_json::json!({"auth": ["root"], "transit/": {"type": "transit"}});
        let reply = Reply::data_twice(RequestId::generate(), &data);
        let read: Value = serde_json::from_str(text(&reply)).unwrap();
        assert_eq!(read.get("auth"), Some(&Value::Null));
        assert_eq!(read.pointer("/data/auth/0"), Some(&Value::from("root")));
        assert_eq!(
            read.pointer("/transit~1/type"),
            Some(&Value::from("transit"))
        );
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

    proptest! {
        #[test]
        fn what_is_appended_reads_back(written in "\\PC*|[\\x00-\\x7f]*", number in any::<u32>()) {
            let mut bytes = vec![b'['];
            push_text(&mut bytes, &written);
            bytes.push(b',');
            push_number(&mut bytes, number);
            bytes.push(b']');
            let read: (String, u32) = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(read, (written, number));
        }
    }
}
