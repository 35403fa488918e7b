//! Bodies of `decrypt` and `rewrap`: read fast where they are plain, leniently where they are not.

use keyring::job::{Job, OpenInput};
use serde::{Deserialize, Deserializer};

use super::batch::{self, Notes, Prepared, References};
use super::body::{self, Format};
use super::errors::Problem;
use super::fields::Fields;
use super::seal::number;
use super::strict::{self, Item, Object, bounded};
use super::text::{Text, given};

/// Reads a body of `decrypt` and decodes its items into a job.
pub(super) fn prepare_decrypt(bytes: &[u8], format: Format) -> Result<Prepared, Problem> {
    read::<Decrypt<'_>>(bytes, format).and_then(|body| prepare(body.into()))
}

/// Reads a body of `rewrap` and decodes its items into a job.
pub(super) fn prepare_rewrap(bytes: &[u8], format: Format) -> Result<Prepared, Problem> {
    read::<Rewrap<'_>>(bytes, format).and_then(|body| prepare(body.into()))
}

/// What both kinds of body come to.
struct Open<'a> {
    single: OpenItem<'a>,
    batch: Option<Vec<OpenItem<'a>>>,
    partial_status: Option<i64>,
    warnings: Vec<String>,
}

fn prepare(body: Open<'_>) -> Result<Prepared, Problem> {
    let mut job = Job::new();
    let batch = match body.batch {
        None if body.single.ciphertext.as_str().is_empty() => {
            return Err(Problem::bad("missing ciphertext to decrypt"));
        }
        None => {
            push(&mut job, &body.single);
            None
        }
        Some(items) if items.is_empty() => return Err(Problem::bad(batch::BATCH_EMPTY)),
        Some(items) => {
            if batch::contexts_mixed(items.iter().map(|item| item.context.as_str())) {
                return Err(Problem::bad(batch::CONTEXTS_MIXED));
            }
            let mut references = References::default();
            for (index, item) in items.iter().enumerate() {
                references.set(index, item.reference.as_str());
                push(&mut job, item);
            }
            Some(references)
        }
    };
    let notes = Notes {
        batch,
        partial_status: body.partial_status,
        warnings: body.warnings,
    };
    Ok(Prepared { job, notes })
}

fn push(job: &mut Job, item: &OpenItem<'_>) {
    job.push_ciphertext(&OpenInput {
        ciphertext: item.ciphertext.as_str(),
        context: item.context.as_str(),
        associated_data: item.associated_data.as_str(),
        new_associated_data: item.new_associated_data.as_ref().map(Text::as_str),
        key_version: item.key_version,
    });
}

/// A body of `decrypt`.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Decrypt<'a> {
    #[serde(borrow, deserialize_with = "given")]
    ciphertext: Option<Text<'a>>,
    #[serde(borrow)]
    context: Text<'a>,
    #[serde(borrow)]
    associated_data: Text<'a>,
    #[serde(borrow, deserialize_with = "bounded")]
    batch_input: Option<Vec<OpenItem<'a>>>,
    #[serde(deserialize_with = "number")]
    partial_failure_response_code: Option<i64>,
    #[serde(skip)]
    warnings: Vec<String>,
}

/// A body of `rewrap`; associated data is our addition.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Rewrap<'a> {
    #[serde(borrow, deserialize_with = "given")]
    ciphertext: Option<Text<'a>>,
    #[serde(borrow)]
    context: Text<'a>,
    #[serde(borrow)]
    associated_data: Text<'a>,
    #[serde(borrow, deserialize_with = "some")]
    new_associated_data: Option<Text<'a>>,
    key_version: i64,
    #[serde(borrow, deserialize_with = "bounded")]
    batch_input: Option<Vec<OpenItem<'a>>>,
    #[serde(skip)]
    warnings: Vec<String>,
}

/// An item of either; `decrypt` has no use for the last two but reads them as strictly.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenItem<'a> {
    #[serde(borrow)]
    ciphertext: Text<'a>,
    #[serde(borrow, default)]
    context: Text<'a>,
    #[serde(borrow, default)]
    associated_data: Text<'a>,
    #[serde(borrow, default)]
    reference: Text<'a>,
    #[serde(borrow, default, deserialize_with = "some")]
    new_associated_data: Option<Text<'a>>,
    #[serde(default)]
    key_version: i64,
}

fn some<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Option<Text<'a>>, D::Error> {
    Text::deserialize(from).map(Some)
}

/// A body that can be read in two ways. What derives reads is a part of what [`Leniently`] reads.
trait Leniently<'a>: Deserialize<'a> {
    /// Whether an item without the key is the caller's mistake already, rather than that item's failure.
    const ITEM_NEEDS_CIPHERTEXT: bool;

    /// Takes what is special to this kind of body.
    fn take(fields: &mut Fields<'a>, batch: Option<Vec<OpenItem<'a>>>) -> Result<Self, Problem>;

    /// Keeps the warnings.
    fn warned(self, warnings: Vec<String>) -> Self;
}

impl<'a> Leniently<'a> for Decrypt<'a> {
    const ITEM_NEEDS_CIPHERTEXT: bool = true;

    fn take(
        fields: &mut Fields<'a>,
        batch_input: Option<Vec<OpenItem<'a>>>,
    ) -> Result<Self, Problem> {
        Ok(Self {
            ciphertext: fields.text("ciphertext")?,
            context: fields.text("context")?.unwrap_or_default(),
            associated_data: fields.text("associated_data")?.unwrap_or_default(),
            batch_input,
            partial_failure_response_code: fields.int("partial_failure_response_code")?,
            warnings: Vec::new(),
        })
    }

    fn warned(self, warnings: Vec<String>) -> Self {
        Self { warnings, ..self }
    }
}

impl<'a> Leniently<'a> for Rewrap<'a> {
    const ITEM_NEEDS_CIPHERTEXT: bool = false;

    fn take(
        fields: &mut Fields<'a>,
        batch_input: Option<Vec<OpenItem<'a>>>,
    ) -> Result<Self, Problem> {
        Ok(Self {
            ciphertext: fields.text("ciphertext")?,
            context: fields.text("context")?.unwrap_or_default(),
            associated_data: fields.text("associated_data")?.unwrap_or_default(),
            new_associated_data: fields.text_unless_null("new_associated_data")?,
            key_version: fields.int("key_version")?.unwrap_or_default(),
            batch_input,
            warnings: Vec::new(),
        })
    }

    fn warned(self, warnings: Vec<String>) -> Self {
        Self { warnings, ..self }
    }
}

fn read<'a, T: Leniently<'a>>(bytes: &'a [u8], format: Format) -> Result<T, Problem> {
    match format {
        Format::Json => read_fast(bytes).map_or_else(|| read_leniently(bytes, format), Ok),
        Format::Form => read_leniently(bytes, format),
    }
}

fn read_fast<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<T> {
    let Object(body) = serde_json::from_slice(bytes).ok()?;
    Some(body)
}

fn read_leniently<'a, T: Leniently<'a>>(bytes: &'a [u8], format: Format) -> Result<T, Problem> {
    let mut fields = body::fields(bytes, format)?;
    fields.captured("name");
    let batch = strict::items(fields.take("batch_input"), |item| {
        read_item(item, T::ITEM_NEEDS_CIPHERTEXT)
    })?;
    let body = T::take(&mut fields, batch)?;
    Ok(body.warned(fields.warnings()))
}

fn read_item<'a>(item: &mut Item<'_, 'a>, needs_ciphertext: bool) -> OpenItem<'a> {
    OpenItem {
        ciphertext: if needs_ciphertext {
            item.present_text("ciphertext", "missing ciphertext to decrypt")
        } else {
            item.text("ciphertext")
        },
        context: item.text("context"),
        associated_data: item.text("associated_data"),
        reference: item.text("reference"),
        new_associated_data: item.optional_text("new_associated_data"),
        key_version: item.int("key_version"),
    }
}

impl<'a> From<Decrypt<'a>> for Open<'a> {
    fn from(body: Decrypt<'a>) -> Self {
        Self {
            single: OpenItem {
                ciphertext: body.ciphertext.unwrap_or_default(),
                context: body.context,
                associated_data: body.associated_data,
                reference: Text::default(),
                new_associated_data: None,
                key_version: 0,
            },
            batch: body.batch_input,
            partial_status: body.partial_failure_response_code,
            warnings: body.warnings,
        }
    }
}

impl<'a> From<Rewrap<'a>> for Open<'a> {
    fn from(body: Rewrap<'a>) -> Self {
        Self {
            single: OpenItem {
                ciphertext: body.ciphertext.unwrap_or_default(),
                context: body.context,
                associated_data: body.associated_data,
                reference: Text::default(),
                new_associated_data: body.new_associated_data,
                key_version: body.key_version,
            },
            batch: body.batch_input,
            partial_status: None,
            warnings: body.warnings,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::errors::Message;
    use super::super::laws;
    use super::*;

    fn text(problem: &Problem) -> &str {
        match &problem.message {
            Message::Multi(text) | Message::Plain(text) => text,
            Message::Empty => "",
            Message::WithRequestId(text) => text,
        }
    }

    #[test]
    fn a_ciphertext_is_needed() {
        for body in ["", "{}", r#"{"ciphertext":""}"#, r#"{"ciphertext":null}"#] {
            for prepare in [prepare_decrypt, prepare_rewrap] {
                let problem = prepare(body.as_bytes(), Format::Json).unwrap_err();
                assert_eq!(text(&problem), "missing ciphertext to decrypt", "{body}");
                assert_eq!(problem.status.as_u16(), 400);
            }
        }
    }

    #[test]
    fn an_item_without_ciphertext_fails_a_decrypt_and_not_a_rewrap() {
        let body = br#"{"batch_input":[{"reference":"a"}]}"#;
        let problem = prepare_decrypt(body, Format::Json).unwrap_err();
        assert_eq!(problem.status.as_u16(), 500);
        assert_eq!(
            text(&problem),
            "failed to parse batch input: '[0].ciphertext' missing ciphertext to decrypt"
        );
        assert!(prepare_rewrap(body, Format::Json).is_ok());
        let empty = br#"{"batch_input":[{"ciphertext":""},{"ciphertext":null}]}"#;
        assert!(prepare_decrypt(empty, Format::Json).is_ok());
    }

    #[test]
    fn each_kind_of_body_has_its_own_fields() {
        let body = br#"{"ciphertext":"x","key_version":"1","partial_failure_response_code":207}"#;
        let decrypt = prepare_decrypt(body, Format::Json).unwrap();
        assert_eq!(
            decrypt.notes.warnings,
            ["Endpoint ignored these unrecognized parameters: [key_version]"]
        );
        let rewrap = prepare_rewrap(body, Format::Json).unwrap();
        assert_eq!(
            rewrap.notes.warnings,
            ["Endpoint ignored these unrecognized parameters: [partial_failure_response_code]"]
        );
        let fault = prepare_decrypt(br#"{"ciphertext":[]}"#, Format::Json).unwrap_err();
        assert_eq!(
            text(&fault),
            "Field validation failed: error converting input for field \"ciphertext\""
        );
    }

    proptest! {
        #[test]
        fn whatever_is_read_fast_is_read_leniently_alike(body in laws::body("ciphertext")) {
            let bytes = body.as_bytes();
            if let Some(fast) = read_fast::<Decrypt<'_>>(bytes) {
                prop_assert_eq!(Ok(fast), read_leniently(bytes, Format::Json));
            }
            if let Some(fast) = read_fast::<Rewrap<'_>>(bytes) {
                prop_assert_eq!(Ok(fast), read_leniently(bytes, Format::Json));
            }
        }

        #[test]
        fn no_refusal_repeats_a_value(body in laws::body("ciphertext")) {
            for prepare in [prepare_decrypt, prepare_rewrap] {
                if let Err(problem) = prepare(body.as_bytes(), Format::Json) {
                    prop_assert!(!format!("{problem:?}").contains(laws::MARK), "{:?}", problem);
                }
            }
        }
    }
}
