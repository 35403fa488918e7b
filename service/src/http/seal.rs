//! Bodies of `encrypt`: read fast where they are plain, leniently where they are not, to the same result.

use keyring::algorithm::CipherType;
use keyring::job::{Job, SealInput};
use keyring::transit::NewRing;
use serde::{Deserialize, Deserializer};

use super::batch::{self, Notes, Prepared, References};
use super::body::{self, Format};
use super::errors::Problem;
use super::fields::FieldFault;
use super::strict::{self, Item, Object, bounded};
use super::text::{Text, given};

/// Reads a body and decodes its items into a job.
pub(super) fn prepare(bytes: &[u8], format: Format) -> Result<Prepared, Problem> {
    match read(bytes, format)? {
        Encrypt {
            batch_input: Some(items),
            partial_failure_response_code,
            warnings,
            ..
        } => prepare_batch(
            &items,
            Notes {
                partial_status: partial_failure_response_code,
                warnings,
                ..Notes::default()
            },
        ),
        single => prepare_single(single),
    }
}

fn prepare_single(body: Encrypt<'_>) -> Result<Prepared, Problem> {
    let plaintext = body
        .plaintext
        .ok_or_else(|| Problem::bad("missing plaintext to encrypt"))?;
    let mut job = Job::new();
    job.push_plaintext(&SealInput {
        plaintext: plaintext.as_str(),
        context: body.context.as_str(),
        associated_data: body.associated_data.as_str(),
        key_version: body.key_version,
    });
    let notes = Notes {
        warnings: body.warnings,
        ..Notes::default()
    };
    Ok(Prepared { job, notes })
}

fn prepare_batch(items: &[SealItem<'_>], notes: Notes) -> Result<Prepared, Problem> {
    if items.is_empty() {
        return Err(Problem::bad(batch::BATCH_EMPTY));
    }
    if batch::contexts_mixed(items.iter().map(|item| item.context.as_str())) {
        return Err(Problem::bad(batch::CONTEXTS_MIXED));
    }
    let mut job = Job::new();
    let mut references = References::default();
    for (index, item) in items.iter().enumerate() {
        references.set(index, item.reference.as_str());
        job.push_plaintext(&SealInput {
            plaintext: item.plaintext.as_str(),
            context: item.context.as_str(),
            associated_data: item.associated_data.as_str(),
            key_version: item.key_version,
        });
    }
    let batch = Some(references);
    Ok(Prepared {
        job,
        notes: Notes { batch, ..notes },
    })
}

/// The ring that a body wants if there is none.
pub(super) fn new_ring(bytes: &[u8], format: Format) -> Result<NewRing, Problem> {
    let body = read(bytes, format)?;
    let derived = match &body.batch_input {
        Some(items) => items.iter().any(|item| !item.context.as_str().is_empty()),
        None => !body.context.as_str().is_empty(),
    };
    if body.convergent && !derived {
        return Err(Problem::bad(
            "convergent encryption requires derivation to be enabled, so context is required",
        ));
    }
    Ok(NewRing {
        key_type: new_key_type(body.key_type.as_ref())?.map(Into::into),
        derived,
        convergent: body.convergent,
        ..NewRing::default()
    })
}

/// Only ciphers are created by encrypting. What the field says is not repeated.
fn new_key_type(name: Option<&Text<'_>>) -> Result<Option<CipherType>, Problem> {
    match name.map(Text::as_str) {
        None | Some("") => Ok(None),
        Some("ecdsa-p256" | "ecdsa-p384" | "ecdsa-p521") => {
            Err(Problem::bad("key type not supported for this operation"))
        }
        Some(name) => CipherType::from_name(name)
            .map(Some)
            .ok_or_else(|| Problem::bad("unknown key type")),
    }
}

/// The fields of a body. What derives reads is a part of what [`read_leniently`] reads.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Encrypt<'a> {
    #[serde(borrow, deserialize_with = "given")]
    plaintext: Option<Text<'a>>,
    #[serde(borrow)]
    context: Text<'a>,
    #[serde(borrow)]
    associated_data: Text<'a>,
    key_version: i64,
    #[serde(borrow, deserialize_with = "bounded")]
    batch_input: Option<Vec<SealItem<'a>>>,
    #[serde(deserialize_with = "number")]
    partial_failure_response_code: Option<i64>,
    // These two say what ring to create if there is none; a body that has them is read leniently.
    #[serde(skip)]
    key_type: Option<Text<'a>>,
    #[serde(skip)]
    convergent: bool,
    #[serde(skip)]
    warnings: Vec<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealItem<'a> {
    #[serde(borrow)]
    plaintext: Text<'a>,
    #[serde(borrow, default)]
    context: Text<'a>,
    #[serde(borrow, default)]
    associated_data: Text<'a>,
    #[serde(default)]
    key_version: i64,
    #[serde(borrow, default)]
    reference: Text<'a>,
}

/// Reads a number that was given; not `null`.
pub(super) fn number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    i64::deserialize(from).map(Some)
}

fn read(bytes: &[u8], format: Format) -> Result<Encrypt<'_>, Problem> {
    match format {
        Format::Json => read_fast(bytes).map_or_else(|| read_leniently(bytes, format), Ok),
        Format::Form => read_leniently(bytes, format),
    }
}

fn read_fast(bytes: &[u8]) -> Option<Encrypt<'_>> {
    let Object(body) = serde_json::from_slice(bytes).ok()?;
    Some(body)
}

fn read_leniently(bytes: &[u8], format: Format) -> Result<Encrypt<'_>, Problem> {
    let mut fields = body::fields(bytes, format)?;
    fields.captured("name");
    let key_type = fields.text("type").map_err(unconverted)?;
    let convergent = fields
        .boolean("convergent_encryption")
        .map_err(unconverted)?;
    let batch_input = strict::items(fields.take("batch_input"), read_item)?;
    let read = Encrypt {
        plaintext: fields.text("plaintext").map_err(unconverted)?,
        context: fields
            .text("context")
            .map_err(unconverted)?
            .unwrap_or_default(),
        associated_data: fields
            .text("associated_data")
            .map_err(unconverted)?
            .unwrap_or_default(),
        key_version: fields
            .int("key_version")
            .map_err(unconverted)?
            .unwrap_or_default(),
        batch_input,
        key_type,
        convergent: convergent.unwrap_or_default(),
        partial_failure_response_code: fields
            .int("partial_failure_response_code")
            .map_err(unconverted)?,
        warnings: Vec::new(),
    };
    Ok(Encrypt {
        warnings: fields.warnings(),
        ..read
    })
}

// The protocol decides whether an encrypt creates before it checks fields, so this text lacks the usual beginning.
fn unconverted(fault: FieldFault) -> Problem {
    Problem::bad(fault.to_string())
}

fn read_item<'a>(item: &mut Item<'_, 'a>) -> SealItem<'a> {
    SealItem {
        plaintext: item.required_text("plaintext", "missing plaintext to encrypt"),
        context: item.text("context"),
        associated_data: item.text("associated_data"),
        key_version: item.int("key_version"),
        reference: item.text("reference"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::errors::Message;
    use super::super::laws;
    use super::*;

    fn lenient(body: &str) -> Result<Encrypt<'_>, Problem> {
        read_leniently(body.as_bytes(), Format::Json)
    }

    fn refusal(body: &str) -> (u16, String) {
        let problem = prepare(body.as_bytes(), Format::Json).unwrap_err();
        let text = match problem.message {
            Message::Multi(text) => format!("m:{text}"),
            Message::Plain(text) => text.into_owned(),
            Message::Empty => String::new(),
            Message::WithRequestId(text) => text.to_owned(),
        };
        (problem.status.as_u16(), text)
    }

    #[test]
    fn plain_bodies_are_read_fast() {
        for body in [
            r#"{"plaintext":"aGk="}"#,
            r#"{"plaintext":"aGk=","context":"YQ==","key_version":3}"#,
            r#"{"batch_input":[{"plaintext":"aGk=","reference":"a\"b"},{"plaintext":""}]}"#,
            r#"{"plaintext":null,"batch_input":[]}"#,
        ] {
            let fast = read_fast(body.as_bytes()).unwrap();
            assert_eq!(Ok(fast), lenient(body), "{body}");
        }
    }

    #[test]
    fn null_and_empty_plaintexts_count_as_given() {
        for body in [r#"{"plaintext":null}"#, r#"{"plaintext":""}"#] {
            let read = read(body.as_bytes(), Format::Json).unwrap();
            assert_eq!(read.plaintext, Some(Text::default()), "{body}");
        }
        for body in ["", "null", "{}", r#"{"batch_input":null}"#] {
            let expected = (400, "missing plaintext to encrypt".to_owned());
            assert_eq!(refusal(body), expected, "{body}");
        }
    }

    #[test]
    fn single_fields_are_typed_weakly() {
        let body = r#"{"plaintext":"aGk=","key_version":"0x2","context":null,"nonce":"x","name":"y","type":"z"}"#;
        let read = read(body.as_bytes(), Format::Json).unwrap();
        assert_eq!(read.key_version, 2);
        assert_eq!(read.warnings.len(), 2);
        assert!(read.warnings.first().unwrap().contains("[nonce]"));
        assert_eq!(
            refusal(r#"{"plaintext":"aGk=","key_version":"c2VjcmV0"}"#),
            (
                400,
                "error converting input for field \"key_version\"".to_owned()
            )
        );
    }

    #[test]
    fn batch_items_are_typed_strictly_and_all_problems_named() {
        for (items, expected) in [
            ("[{}]", "'[0].plaintext' missing plaintext to encrypt"),
            (
                r#"[{"plaintext":"YQ=="},{"plaintext":null}]"#,
                "'[1].plaintext' expected type 'string', got unconvertible type '<nil>'",
            ),
            (
                r#"[{"plaintext":"YQ==","key_version":"1"}]"#,
                "'[0].key_version' expected type 'int', got unconvertible type 'string'",
            ),
            (
                r#"[{"plaintext":1,"reference":2}]"#,
                "'[0].plaintext' expected type 'string', got unconvertible type 'json.Number'\n\
                 '[0].reference' expected type 'string', got unconvertible type 'json.Number'",
            ),
            ("[1]", "[0] expected a map, got 'json.Number'"),
            (
                "\"x\"",
                "source data must be an array or slice, got: string",
            ),
        ] {
            let expected = format!("m:failed to parse batch input: {expected}");
            assert_eq!(
                refusal(&format!("{{\"batch_input\":{items}}}")),
                (500, expected)
            );
        }
    }

    #[test]
    fn whole_batches_are_refused_for_mixed_contexts_and_for_being_empty() {
        let mixed = r#"{"batch_input":[{"plaintext":"","context":"YQ=="},{"plaintext":""}]}"#;
        assert_eq!(refusal(mixed), (400, batch::CONTEXTS_MIXED.to_owned()));
        let empty = r#"{"batch_input":[]}"#;
        assert_eq!(refusal(empty), (400, batch::BATCH_EMPTY.to_owned()));
    }

    #[test]
    fn an_object_is_never_read_from_a_list() {
        assert_eq!(read_fast(br#"["aGk="]"#), None);
        assert_eq!(read_fast(br#"{"batch_input":[["aGk="]]}"#), None);
    }

    #[test]
    fn the_ring_a_body_wants_follows_from_its_type_and_its_contexts() {
        let wanted = |body: &str| new_ring(body.as_bytes(), Format::Json);
        assert_eq!(wanted(r#"{"plaintext":""}"#), Ok(NewRing::default()));
        let convergent = NewRing {
            key_type: CipherType::from_name("aes128-gcm96").map(Into::into),
            derived: true,
            convergent: true,
            ..NewRing::default()
        };
        for body in [
            r#"{"plaintext":"","context":"YQ==","type":"aes128-gcm96","convergent_encryption":true}"#,
            r#"{"batch_input":[{"plaintext":"","context":"YQ=="}],"type":"aes128-gcm96","convergent_encryption":"1"}"#,
        ] {
            assert_eq!(wanted(body), Ok(convergent.clone()), "{body}");
        }
        for (body, expected) in [
            (
                r#"{"type":"ecdsa-p384"}"#,
                "key type not supported for this operation",
            ),
            (r#"{"type":"rsa-2048"}"#, "unknown key type"),
            (r#"{"type":"ed25519"}"#, "unknown key type"),
            (r#"{"type":"c2VjcmV0"}"#, "unknown key type"),
            (
                r#"{"convergent_encryption":true}"#,
                "convergent encryption requires derivation to be enabled, so context is required",
            ),
        ] {
            let expected = Err(Problem::bad(expected));
            assert_eq!(wanted(body), expected, "{body}");
        }
    }

    #[test]
    fn forms_are_read_like_json() {
        let read = read(b"plaintext=aGk%3D&key_version=2", Format::Form).unwrap();
        assert_eq!(read.plaintext.unwrap().as_str(), "aGk=");
        assert_eq!(read.key_version, 2);
    }

    #[test]
    fn batches_longer_than_the_limit_are_refused_while_reading() {
        let item = r#"{"plaintext":""},"#.repeat(super::super::json::MAX_ITEMS);
        let body = format!("{{\"batch_input\":[{item}{{\"plaintext\":\"\"}}]}}");
        let (status, text) = refusal(&body);
        assert_eq!(status, 400);
        assert!(text.contains("more than 100000 items"), "{text}");
    }

    #[test]
    fn the_law_is_put_to_the_test_often_enough() {
        use proptest::strategy::ValueTree as _;
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let read = (0..500).filter(|_| {
            let body = laws::body("plaintext")
                .new_tree(&mut runner)
                .unwrap()
                .current();
            read_fast(body.as_bytes()).is_some()
        });
        assert!(
            (50..450).contains(&read.count()),
            "too few or too many bodies are plain"
        );
    }

    proptest! {
        #[test]
        fn whatever_is_read_fast_is_read_leniently_alike(body in laws::body("plaintext")) {
            if let Some(fast) = read_fast(body.as_bytes()) {
                prop_assert_eq!(Ok(fast), lenient(&body));
            }
        }

        #[test]
        fn no_refusal_repeats_a_value(body in laws::body("plaintext")) {
            if let Err(problem) = prepare(body.as_bytes(), Format::Json) {
                prop_assert!(!format!("{problem:?}").contains(laws::MARK), "{:?}", problem);
            }
        }
    }
}
