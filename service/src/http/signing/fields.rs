//! Bodies of `sign`, `verify` and `hmac`.

use keyring::error::ItemError;
use keyring::hash::HashAlgorithm;
use keyring::pair::{Marshaling, RsaScheme, SaltLength, SignatureOptions};
use keyring::signing::{CheckJob, TagInput, TagJob, TagKind, TaggedInput};

use crate::http::batch;
use crate::http::errors::{Problem, TagWork};
use crate::http::fields::Fields;
use crate::http::strict::{self, Item};
use crate::http::text::Text;

/// What is needed besides the outcomes to write the answer.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// The items' references, if the request was a batch.
    pub(super) references: Option<Vec<String>>,
    pub(super) warnings: Vec<String>,
}

/// One input, with what is said to belong to it.
struct Entry<'a> {
    input: Option<Text<'a>>,
    context: Text<'a>,
    reference: Text<'a>,
    signature: Option<Text<'a>>,
    hmac: Option<Text<'a>>,
}

impl Entry<'_> {
    fn read<'a>(item: &mut Item<'_, 'a>) -> Entry<'a> {
        Entry {
            input: item.optional_text("input"),
            context: item.text("context"),
            reference: item.text("reference"),
            signature: item.optional_text("signature"),
            hmac: item.optional_text("hmac"),
        }
    }

    fn input(&self) -> Result<TagInput, ItemError> {
        let input = self.input.as_ref().ok_or(ItemError::MissingInput)?;
        TagInput::decode(input.as_str(), self.context.as_str())
    }

    fn tagged(&self, tag: Option<&Text<'_>>, kind: TagKind) -> Result<TaggedInput, ItemError> {
        let tag = tag.map(Text::as_str).unwrap_or_default();
        TaggedInput::decode(self.input()?, tag, kind)
    }
}

/// Reads a body of `sign` or `hmac`.
pub(super) fn tag_job(
    mut fields: Fields<'_>,
    in_path: &str,
    work: TagWork,
) -> Result<(TagJob, Notes), Problem> {
    fields.captured("name");
    fields.captured("urlalgorithm");
    let kind = match work {
        TagWork::Hmac | TagWork::VerifyHmac => hmac_kind(&mut fields, in_path)?,
        TagWork::Sign | TagWork::Verify => signature_kind(&mut fields, in_path)?,
    };
    let key_version = fields.int("key_version")?.unwrap_or_default();
    let (entries, is_batch) = entries(&mut fields, work)?;
    let job = TagJob {
        kind,
        key_version,
        items: entries.iter().map(Entry::input).collect(),
    };
    Ok((job, notes(&entries, is_batch, fields)))
}

/// Reads a body of `verify`, and what it is that is to be checked.
pub(super) fn check_job(
    mut fields: Fields<'_>,
    in_path: &str,
) -> Result<(CheckJob, TagWork, Notes), Problem> {
    fields.captured("name");
    fields.captured("urlalgorithm");
    let signature = fields.text("signature")?;
    let hmac = fields.text("hmac")?;
    let (mut entries, is_batch) = entries(&mut fields, TagWork::Verify)?;
    if let (false, [single]) = (is_batch, entries.as_mut_slice()) {
        (single.signature, single.hmac) = (signature, hmac);
    }
    let work = brought(&entries, is_batch)?;
    let kind = match work {
        TagWork::Hmac | TagWork::VerifyHmac => checked_hmac_kind(&mut fields, in_path)?,
        TagWork::Sign | TagWork::Verify => signature_kind(&mut fields, in_path)?,
    };
    let items = entries.iter().map(|entry| match kind {
        TagKind::Hmac(_) => entry.tagged(entry.hmac.as_ref(), kind),
        TagKind::Signature(_) => entry.tagged(entry.signature.as_ref(), kind),
    });
    let job = CheckJob {
        kind,
        items: items.collect(),
    };
    let notes = notes(&entries, is_batch, fields);
    Ok((job, work, notes))
}

/// The inputs, and whether they came as a batch. The single one may leave out the input where that signs nothing.
fn entries<'a>(fields: &mut Fields<'a>, work: TagWork) -> Result<(Vec<Entry<'a>>, bool), Problem> {
    let batch = strict::items(fields.take("batch_input"), Entry::read)?;
    let input = fields.text("input")?;
    let context = fields.text("context")?.unwrap_or_default();
    match batch {
        Some(items) if items.is_empty() => Err(Problem::bad(batch::BATCH_EMPTY)),
        Some(items) => Ok((items, true)),
        None => {
            let input = match work {
                TagWork::Hmac | TagWork::VerifyHmac => input,
                TagWork::Sign | TagWork::Verify => input.or_else(|| Some(Text::default())),
            };
            let single = Entry {
                input,
                context,
                reference: Text::default(),
                signature: None,
                hmac: None,
            };
            Ok((vec![single], false))
        }
    }
}

fn notes(entries: &[Entry<'_>], is_batch: bool, fields: Fields<'_>) -> Notes {
    let references = entries
        .iter()
        .map(|entry| entry.reference.as_str().to_owned());
    Notes {
        references: is_batch.then(|| references.collect()),
        warnings: fields.warnings(),
    }
}

/// Whether signatures are to be checked or HMACs: one of the two, for all items.
fn brought(entries: &[Entry<'_>], is_batch: bool) -> Result<TagWork, Problem> {
    let signatures = entries
        .iter()
        .filter(|entry| entry.signature.is_some())
        .count();
    let hmacs = entries.iter().filter(|entry| entry.hmac.is_some()).count();
    let text = match (is_batch, signatures, hmacs) {
        (_, all, 0) if all == entries.len() => return Ok(TagWork::Verify),
        (_, 0, all) if all == entries.len() => return Ok(TagWork::VerifyHmac),
        (false, 0, 0) => "neither a 'signature' nor an 'hmac' were given to verify",
        (false, _, _) => "provide one of 'signature' or 'hmac'",
        (true, 0, 0) => "no batch_input elements have 'signature' or 'hmac'",
        (true, _, 0) => "some elements of batch_input are missing 'signature'",
        (true, 0, _) => "some elements of batch_input are missing 'hmac'",
        (true, _, _) => {
            "elements of batch_input must all provide 'signature' or all provide 'hmac'"
        }
    };
    Err(Problem::bad(text))
}

fn hmac_kind(fields: &mut Fields<'_>, in_path: &str) -> Result<TagKind, Problem> {
    let in_body = fields.text("algorithm")?;
    let name = chosen(in_path, [in_body.as_ref()]);
    hmac_hash(name).map(TagKind::Hmac)
}

/// The hash of an HMAC that is checked: releases of the protocol differ in which of two fields names it.
fn checked_hmac_kind(fields: &mut Fields<'_>, in_path: &str) -> Result<TagKind, Problem> {
    fields.ignore(&SIGNATURE_FIELDS);
    let (hash, old) = (fields.text("hash_algorithm")?, fields.text("algorithm")?);
    let name = chosen(in_path, [hash.as_ref(), old.as_ref()]);
    hmac_hash(name).map(TagKind::Hmac)
}

fn hmac_hash(name: &str) -> Result<HashAlgorithm, Problem> {
    HashAlgorithm::from_name(name).ok_or_else(|| Problem::bad("unsupported algorithm"))
}

fn signature_kind(fields: &mut Fields<'_>, in_path: &str) -> Result<TagKind, Problem> {
    let (hash, old) = (fields.text("hash_algorithm")?, fields.text("algorithm")?);
    // The field has a default, so the old one counts only if it is sent, and empty.
    let old = old
        .as_ref()
        .filter(|_| hash.as_ref().is_some_and(|hash| hash.as_str().is_empty()));
    let name = chosen(in_path, [hash.as_ref(), old]);
    let prehashed = fields.boolean("prehashed")?.unwrap_or_default();
    let scheme = scheme(fields.text("signature_algorithm")?.as_ref());
    let hash = match name {
        "none" if prehashed && scheme == RsaScheme::Pkcs1v15 => None,
        "none" => return Err(Problem::bad(NONE_NEEDS)),
        name => {
            let known = HashAlgorithm::from_name(name);
            Some(known.ok_or_else(|| Problem::bad("invalid hash algorithm"))?)
        }
    };
    if fields
        .text("signature_context")?
        .is_some_and(|context| !context.as_str().is_empty())
    {
        return Err(Problem::bad("signature_context is not supported"));
    }
    Ok(TagKind::Signature(SignatureOptions {
        hash,
        prehashed,
        scheme,
        salt: salt(fields.text("salt_length")?.as_ref())?,
        marshaling: marshaling(fields.text("marshaling_algorithm")?.as_ref())?,
    }))
}

/// The first name that is given.
fn chosen<'n, const N: usize>(in_path: &'n str, in_body: [Option<&'n Text<'_>>; N]) -> &'n str {
    let in_body = in_body.into_iter().flatten().map(Text::as_str);
    let given = [in_path]
        .into_iter()
        .chain(in_body)
        .find(|name| !name.is_empty());
    given.unwrap_or(HashAlgorithm::Sha2_256.name())
}

fn scheme(name: Option<&Text<'_>>) -> RsaScheme {
    match name.map(Text::as_str).unwrap_or_default() {
        "" | "pss" => RsaScheme::Pss,
        "pkcs1v15" => RsaScheme::Pkcs1v15,
        _ => RsaScheme::Unknown,
    }
}

fn salt(text: Option<&Text<'_>>) -> Result<SaltLength, Problem> {
    let text = text.map(Text::as_str).unwrap_or_default();
    if let "" | "auto" = text {
        return Ok(SaltLength::Auto);
    }
    if text == "hash" {
        return Ok(SaltLength::Hash);
    }
    let length: i64 = text
        .parse()
        .map_err(|_| Problem::bad("salt length neither 'auto', 'hash', nor an int"))?;
    match u32::try_from(length) {
        Ok(length) => Ok(SaltLength::Bytes(length)),
        Err(_) if length == -1 => Ok(SaltLength::Hash),
        Err(_) if length < 0 => Err(Problem::bad("salt length is invalid")),
        Err(_) => Ok(SaltLength::Bytes(u32::MAX)),
    }
}

fn marshaling(name: Option<&Text<'_>>) -> Result<Marshaling, Problem> {
    match name.map(Text::as_str).unwrap_or_default() {
        "" | "asn1" => Ok(Marshaling::Asn1),
        "jws" => Ok(Marshaling::Jws),
        _ => Err(Problem::bad("invalid marshaling type")),
    }
}

const NONE_NEEDS: &str =
    "hash_algorithm=none requires both prehashed=true and signature_algorithm=pkcs1v15";

/// What a request may say of signatures, and an HMAC has no use for.
const SIGNATURE_FIELDS: [&str; 5] = [
    "marshaling_algorithm",
    "prehashed",
    "salt_length",
    "signature_algorithm",
    "signature_context",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::errors::Message;

    fn fields(body: &'static str) -> Fields<'static> {
        Fields::from_json(body.as_bytes()).unwrap()
    }

    fn hash(in_path: &str, body: &'static str) -> Option<HashAlgorithm> {
        match signature_kind(&mut fields(body), in_path) {
            Ok(TagKind::Signature(how)) => how.hash,
            other => panic!("{other:?}"),
        }
    }

    fn refusal<T: std::fmt::Debug>(read: Result<T, Problem>) -> String {
        match read.unwrap_err().message {
            Message::Plain(text) | Message::Multi(text) => text.into_owned(),
            other @ (Message::Empty | Message::WithRequestId(_)) => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_hash_is_the_paths_then_the_new_fields_and_then_the_old_ones() {
        use HashAlgorithm::{Sha2_256, Sha2_384, Sha2_512, Sha3_256};
        for (in_path, body, expected) in [
            ("", "{}", Sha2_256),
            ("", r#"{"algorithm":"sha2-512"}"#, Sha2_256),
            (
                "",
                r#"{"algorithm":"sha2-512","hash_algorithm":""}"#,
                Sha2_512,
            ),
            (
                "",
                r#"{"hash_algorithm":"sha2-384","algorithm":"sha1"}"#,
                Sha2_384,
            ),
            ("sha3-256", r#"{"hash_algorithm":"sha2-384"}"#, Sha3_256),
        ] {
            assert_eq!(hash(in_path, body), Some(expected), "{in_path} {body}");
        }
        let none = r#"{"hash_algorithm":"none","prehashed":true,"signature_algorithm":"pkcs1v15"}"#;
        assert_eq!(hash("", none), None);
    }

    #[test]
    fn an_hmac_is_checked_with_the_hash_that_either_field_names() {
        for (body, expected) in [
            ("{}", HashAlgorithm::Sha2_256),
            (r#"{"algorithm":"sha2-512"}"#, HashAlgorithm::Sha2_512),
            (
                r#"{"hash_algorithm":"sha2-384","algorithm":"sha2-512"}"#,
                HashAlgorithm::Sha2_384,
            ),
        ] {
            let read = checked_hmac_kind(&mut fields(body), "");
            assert_eq!(read, Ok(TagKind::Hmac(expected)), "{body}");
        }
    }

    #[test]
    fn what_nobody_knows_is_refused_without_repeating_it() {
        for (body, expected) in [
            (r#"{"hash_algorithm":"c2Vj"}"#, "invalid hash algorithm"),
            (
                r#"{"marshaling_algorithm":"c2Vj"}"#,
                "invalid marshaling type",
            ),
            (
                r#"{"salt_length":"c2Vj"}"#,
                "salt length neither 'auto', 'hash', nor an int",
            ),
            (r#"{"salt_length":"-2"}"#, "salt length is invalid"),
            (r#"{"hash_algorithm":"none"}"#, NONE_NEEDS),
        ] {
            assert_eq!(
                refusal(signature_kind(&mut fields(body), "")),
                expected,
                "{body}"
            );
        }
        for (salt_length, expected) in [
            ("auto", SaltLength::Auto),
            ("hash", SaltLength::Hash),
            ("-1", SaltLength::Hash),
            ("0", SaltLength::Bytes(0)),
            ("32", SaltLength::Bytes(32)),
        ] {
            let text = Text(salt_length.into());
            assert_eq!(salt(Some(&text)), Ok(expected));
        }
    }

    #[test]
    fn one_of_signature_and_hmac_is_checked_for_all_items() {
        for (body, expected) in [
            (
                "{}",
                "neither a 'signature' nor an 'hmac' were given to verify",
            ),
            (
                r#"{"signature":"a","hmac":"b"}"#,
                "provide one of 'signature' or 'hmac'",
            ),
            (r#"{"batch_input":[]}"#, batch::BATCH_EMPTY),
            (
                r#"{"batch_input":[{}]}"#,
                "no batch_input elements have 'signature' or 'hmac'",
            ),
            (
                r#"{"batch_input":[{"signature":"a"},{}]}"#,
                "some elements of batch_input are missing 'signature'",
            ),
            (
                r#"{"batch_input":[{"hmac":"a"},{}]}"#,
                "some elements of batch_input are missing 'hmac'",
            ),
            (
                r#"{"batch_input":[{"hmac":"a"},{"signature":"a"}]}"#,
                "elements of batch_input must all provide 'signature' or all provide 'hmac'",
            ),
        ] {
            assert_eq!(refusal(check_job(fields(body), "")), expected, "{body}");
        }
        let (_, work, _) = check_job(fields(r#"{"signature":null,"input":""}"#), "").unwrap();
        assert_eq!(work, TagWork::Verify);
        let (_, work, _) = check_job(fields(r#"{"batch_input":[{"hmac":"x"}]}"#), "").unwrap();
        assert_eq!(work, TagWork::VerifyHmac);
    }
}
