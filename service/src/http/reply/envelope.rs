//! The envelope that most answers come in.

use serde::Serialize;
use serde_json::{Value, json};

use super::print::{push_json, push_text};
use super::{Answer, Reply, RequestId};
use crate::http::errors::Problem;
use crate::identity::token::grant::Issued;
use crate::identity::token::text::TokenText;
use crate::identity::ttl;

impl Reply {
    /// A JSON value as the envelope's data.
    pub(in crate::http) fn data(id: RequestId, data: &Value, warnings: &[String]) -> Self {
        let mut bytes = open_envelope(id, 1024);
        push_json(&mut bytes, data);
        close_envelope(&mut bytes, warnings);
        Self::json(bytes)
    }

    /// A list of names. None at all are answered like a path where nothing is.
    pub(in crate::http) fn names<T: Serialize>(id: RequestId, names: &[T]) -> Answer {
        if names.is_empty() {
            return Err(Problem::absent());
        }
        Ok(Self::data(id, &json!({"keys": names}), &[]))
    }

    /// Done, with nothing to say but these warnings.
    pub(in crate::http) fn done(id: RequestId, warnings: &[String]) -> Self {
        if warnings.is_empty() {
            Self::nothing()
        } else {
            Self::data(id, &Value::Null, warnings)
        }
    }

    /// A token for its owner, as the envelope's `auth`.
    pub(in crate::http) fn auth(id: RequestId, issued: &Issued, warnings: &[String]) -> Self {
        let mut bytes = open_envelope(id, 1024);
        bytes.extend_from_slice(b"null");
        let all = [issued.warnings.as_slice(), warnings].concat();
        push_wrap_and_warnings(&mut bytes, &all);
        bytes.extend_from_slice(b",\"auth\":");
        let text = issued.text.as_ref().map(TokenText::expose_secret);
        let policies: Vec<_> = issued.policies.iter().collect();
        let auth = json!({
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
    pub(in crate::http) fn printed(id: RequestId, data: &[u8]) -> Self {
        let mut bytes = open_envelope(id, data.len());
        bytes.extend_from_slice(data);
        close_envelope(&mut bytes, &[]);
        Self::json(bytes)
    }

    /// What the caller gets in place of an answer that was wrapped.
    pub(in crate::http) fn wrapped(info: &Value) -> Self {
        let mut bytes = ENVELOPE_START.to_vec();
        bytes.extend_from_slice(ENVELOPE_HEAD);
        bytes.extend_from_slice(b"null,\"wrap_info\":");
        push_json(&mut bytes, info);
        bytes.extend_from_slice(b",\"warnings\":null,\"auth\":null}\n");
        Self::json(bytes)
    }

    /// As [`data`](Self::data), with its entries also beside the envelope's own keys, where old clients look.
    pub(in crate::http) fn data_twice(id: RequestId, data: &Value) -> Self {
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
}

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
pub(in crate::http) fn open_envelope(id: RequestId, room: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(room.saturating_add(256));
    bytes.extend_from_slice(ENVELOPE_START);
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    bytes.extend_from_slice(id.uuid().hyphenated().encode_lower(&mut text).as_bytes());
    bytes.extend_from_slice(ENVELOPE_HEAD);
    bytes
}

/// What every envelope begins with, and nothing else does.
const ENVELOPE_START: &[u8] = b"{\"request_id\":\"";
/// What follows the request's id.
const ENVELOPE_HEAD: &[u8] =
    b"\",\"lease_id\":\"\",\"renewable\":false,\"lease_duration\":0,\"data\":";

/// Ends an envelope after its data.
pub(in crate::http) fn close_envelope(bytes: &mut Vec<u8>, warnings: &[String]) {
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

#[cfg(test)]
mod tests {
    use super::super::tests::text;
    use super::*;
    use crate::identity::policy_set::PolicySet;
    use crate::identity::token_params::TokenKind;

    #[test]
    fn an_envelope_has_eight_keys_in_order() {
        let id = RequestId::generate();
        let reply = Reply::data(id, &json!({"a": 1}), &["w".to_owned()]);
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
        assert_eq!(read.get("warnings"), Some(&json!(["cut", "odd"])));
        let auth = read.get("auth").unwrap();
        assert_eq!(auth.get("token_policies"), Some(&json!(["app", "default"])));
        assert_eq!(auth.get("lease_duration"), Some(&Value::from(60)));
        assert_eq!(auth.get("metadata"), Some(&Value::Null));
        assert_eq!(auth.as_object().unwrap().len(), 12);
        assert_eq!(read.as_object().unwrap().len(), 8);
    }

    #[test]
    fn entries_beside_the_envelope_never_hide_its_keys() {
        let data = json!({"auth": ["root"], "transit/": {"type": "transit"}});
        let reply = Reply::data_twice(RequestId::generate(), &data);
        let read: Value = serde_json::from_str(text(&reply)).unwrap();
        assert_eq!(read.get("auth"), Some(&Value::Null));
        assert_eq!(read.pointer("/data/auth/0"), Some(&Value::from("root")));
        assert_eq!(
            read.pointer("/transit~1/type"),
            Some(&Value::from("transit"))
        );
    }
}
