//! What needs no ring: hashes and random bytes, under every mount and under `sys/tools`.

use data_encoding::{BASE64, HEXLOWER};
use keyring::base64;
use keyring::hash::HashAlgorithm;
use keyring::secret::SecretBytes;
use serde_json::json;
use zeroize::Zeroizing;

use super::body::work_on;
use super::errors::Problem;
use super::fields::Fields;
use super::reply::envelope::{close_envelope, open_envelope};
use super::reply::{Answer, Reply};
use super::request::Request;
use super::route::ToolTarget;

/// `POST hash(/:algorithm)`
pub(super) async fn hash(request: &Request<'_>, tool: &ToolTarget) -> Answer {
    let (body, in_path) = (request.body.copy(), tool.rest.join("/"));
    let read = move || HashInput::read(body.fields()?, &in_path);
    let HashInput {
        hash,
        input,
        encoding,
        warnings,
    } = work_on(request.body.bytes.len(), read).await??;
    let sum = request.transit()?.hash(hash, input).await;
    let sum = sum.map_err(|error| Problem::engine(request.operation, "", error))?;
    let data = json!({"sum": encoding.scheme().encode(&sum)});
    Ok(Reply::data(request.id, &data, &warnings))
}

/// What is to be hashed, and how.
#[derive(Debug)]
struct HashInput {
    hash: HashAlgorithm,
    input: SecretBytes,
    encoding: Encoding,
    warnings: Vec<String>,
}

impl HashInput {
    fn read(mut fields: Fields<'_>, in_path: &str) -> Result<Self, Problem> {
        fields.captured("urlalgorithm");
        let input = fields
            .text("input")?
            .ok_or_else(|| Problem::bad("input missing"))?;
        let input = decoded(input.as_str())?;
        let in_body = fields.text("algorithm")?;
        let name = match (in_path, &in_body) {
            ("", None) => HashAlgorithm::Sha2_256.name(),
            ("", Some(name)) => name.as_str(),
            (name, _) => name,
        };
        let known = HashAlgorithm::from_name(name).filter(|hash| *hash != HashAlgorithm::Sha1);
        Ok(Self {
            hash: known.ok_or_else(|| Problem::bad("unsupported algorithm"))?,
            input,
            encoding: Encoding::read(&mut fields, Encoding::Hex)?,
            warnings: fields.warnings(),
        })
    }
}

/// The bytes of an input in base64.
fn decoded(input: &str) -> Result<SecretBytes, Problem> {
    // Large enough never to grow: growing would leave a copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(input.len()));
    base64::decode_append(input.as_bytes(), &mut bytes)
        .map_err(|error| Problem::bad(format!("unable to decode input as base64: {error}")))?;
    Ok(SecretBytes::new(std::mem::take(&mut *bytes)))
}

/// `POST random(/:source)(/:bytes)`
pub(super) fn random(request: &Request<'_>, tool: &ToolTarget) -> Answer {
    let asked = RandomBytes::read(request.body.fields()?, &tool.rest)?;
    let bytes = request.transit()?.random(asked.length);
    let bytes = bytes.map_err(|error| Problem::engine(request.operation, "", error))?;
    let scheme = asked.encoding.scheme();
    let length = scheme.encode_len(bytes.len());
    let mut text = Zeroizing::new(vec![0; length]);
    scheme.encode_mut(bytes.expose_secret(), &mut text);
    let mut answer = open_envelope(request.id, length + 64);
    answer.extend_from_slice(b"{\"random_bytes\":\"");
    answer.extend_from_slice(&text);
    answer.extend_from_slice(b"\"}");
    close_envelope(&mut answer, &asked.warnings);
    Ok(Reply::json(answer))
}

/// How many random bytes, and how they are to be written.
#[derive(Debug)]
struct RandomBytes {
    length: usize,
    encoding: Encoding,
    warnings: Vec<String>,
}

impl RandomBytes {
    fn read(mut fields: Fields<'_>, in_path: &[String]) -> Result<Self, Problem> {
        fields.captured("source");
        fields.captured("urlbytes");
        let in_body = fields.int("bytes")?;
        let in_body = || Ok(in_body.unwrap_or(DEFAULT_LENGTH));
        // A segment alone may be either.
        let (source, length) = match in_path {
            [] => ("", in_body()),
            [source] if Source::parse(source).is_some() => (source.as_str(), in_body()),
            [count] => ("", counted(count)),
            [source, count @ ..] => (source.as_str(), counted(&count.join("/"))),
        };
        let length = length_of(length?)?;
        let encoding = Encoding::read(&mut fields, Encoding::Base64)?;
        let source = Source::parse(source).ok_or_else(|| {
            Problem::bad("unsupported entropy source; must be \"platform\" or \"seal\", or \"all\"")
        })?;
        let mut warnings = fields.warnings();
        if source == Source::Seal {
            warnings.push(NO_SEAL_SOURCE.to_owned());
        }
        Ok(Self {
            length,
            encoding,
            warnings,
        })
    }
}

fn counted(text: &str) -> Result<i64, Problem> {
    text.parse()
        .map_err(|_| Problem::bad("error parsing url-set byte count"))
}

fn length_of(count: i64) -> Result<usize, Problem> {
    if count < 1 {
        return Err(Problem::bad("'bytes' cannot be less than 1"));
    }
    let length = usize::try_from(count).ok();
    length
        .filter(|length| *length <= MAX_LENGTH)
        .ok_or_else(|| Problem::bad(format!("'bytes' should be less than {MAX_LENGTH}")))
}

const DEFAULT_LENGTH: i64 = 32;
/// As many are still given, whatever the protocol's words for more say.
const MAX_LENGTH: usize = 128 * 1024;
const NO_SEAL_SOURCE: &str =
    "no seal/entropy augmentation available, using platform entropy source";

/// Where random bytes are asked from; here all are the platform's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    All,
    Platform,
    Seal,
}

impl Source {
    fn parse(word: &str) -> Option<Self> {
        match word {
            "all" => Some(Self::All),
            "" | "platform" => Some(Self::Platform),
            "seal" => Some(Self::Seal),
            _ => None,
        }
    }
}

/// How bytes are written as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Base64,
    Hex,
}

impl Encoding {
    fn read(fields: &mut Fields<'_>, usual: Self) -> Result<Self, Problem> {
        match fields
            .text("format")?
            .as_ref()
            .map(super::text::Text::as_str)
        {
            None => Ok(usual),
            Some("base64") => Ok(Self::Base64),
            Some("hex") => Ok(Self::Hex),
            Some(_) => Err(Problem::bad(
                "unsupported encoding format; must be \"hex\" or \"base64\"",
            )),
        }
    }

    fn scheme(self) -> data_encoding::Encoding {
        match self {
            Self::Base64 => BASE64,
            Self::Hex => HEXLOWER,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::errors::Message;
    use super::*;

    fn fields(body: &'static str) -> Fields<'static> {
        Fields::from_json(body.as_bytes()).unwrap()
    }

    fn refusal<T: std::fmt::Debug>(read: Result<T, Problem>) -> String {
        let problem = read.unwrap_err();
        assert_eq!(problem.status.as_u16(), 400);
        match problem.message {
            Message::Plain(text) => text.into_owned(),
            other @ (Message::Empty | Message::Multi(_) | Message::WithRequestId(_)) => {
                panic!("{other:?}")
            }
        }
    }

    #[test]
    fn the_hash_is_named_by_the_path_or_the_body_or_is_sha2_256() {
        for (body, in_path, expected) in [
            (r#"{"input":""}"#, "", HashAlgorithm::Sha2_256),
            (
                r#"{"input":"","algorithm":"sha2-512"}"#,
                "",
                HashAlgorithm::Sha2_512,
            ),
            (
                r#"{"input":"","algorithm":"sha2-512"}"#,
                "sha3-224",
                HashAlgorithm::Sha3_224,
            ),
            (
                r#"{"input":"","algorithm":"none"}"#,
                "sha3-224",
                HashAlgorithm::Sha3_224,
            ),
        ] {
            let read = HashInput::read(fields(body), in_path).unwrap();
            assert_eq!(read.hash, expected, "{body} {in_path}");
            assert_eq!(read.encoding, Encoding::Hex);
        }
    }

    #[test]
    fn what_cannot_be_hashed_is_refused_without_repeating_it() {
        for (body, in_path, expected) in [
            ("{}", "", "input missing"),
            (
                r#"{"input":"c2VjcmV0*"}"#,
                "",
                "unable to decode input as base64: illegal base64 data at input byte 8",
            ),
            (
                r#"{"input":"","algorithm":"sha1"}"#,
                "",
                "unsupported algorithm",
            ),
            (
                r#"{"input":"","algorithm":"none"}"#,
                "",
                "unsupported algorithm",
            ),
            (
                r#"{"input":"","algorithm":""}"#,
                "",
                "unsupported algorithm",
            ),
            (r#"{"input":""}"#, "sha2-256/x", "unsupported algorithm"),
            (
                r#"{"input":"","format":"c2VjcmV0"}"#,
                "",
                "unsupported encoding format; must be \"hex\" or \"base64\"",
            ),
        ] {
            assert_eq!(refusal(HashInput::read(fields(body), in_path)), expected);
        }
    }

    #[test]
    fn the_path_may_say_how_many_bytes_or_from_where_or_both() {
        for (body, in_path, length, warned) in [
            ("", &[][..], 32, false),
            (r#"{"bytes":5}"#, &[], 5, false),
            (r#"{"bytes":"131072"}"#, &[], 131_072, false),
            (r#"{"bytes":5}"#, &["7"], 7, false),
            (r#"{"bytes":5}"#, &["seal"], 5, true),
            (r#"{"bytes":5}"#, &["all"], 5, false),
            (r#"{"bytes":5}"#, &["platform", "9"], 9, false),
            ("", &["seal", "9"], 9, true),
        ] {
            let in_path: Vec<String> = in_path.iter().map(|part| (*part).to_owned()).collect();
            let read = RandomBytes::read(fields(body), &in_path).unwrap();
            assert_eq!(read.length, length, "{body} {in_path:?}");
            assert_eq!(!read.warnings.is_empty(), warned);
            assert_eq!(read.encoding, Encoding::Base64);
        }
        let read = RandomBytes::read(fields(r#"{"source":"x"}"#), &[]).unwrap();
        assert!(read.warnings.iter().any(|text| text.ends_with("[source]")));
    }

    #[test]
    fn counts_and_sources_that_cannot_be_are_refused() {
        let count = "error parsing url-set byte count";
        let below = "'bytes' cannot be less than 1";
        let above = "'bytes' should be less than 131072";
        for (body, in_path, expected) in [
            (r#"{"bytes":0}"#, &[][..], below),
            (r#"{"bytes":-1}"#, &[], below),
            (r#"{"bytes":131073}"#, &[], above),
            ("", &["0"], below),
            ("", &["131073"], above),
            ("", &["kernel"], count),
            ("", &["platform", "x"], count),
            ("", &["platform", "1", "2"], count),
            (
                "",
                &["kernel", "5"],
                "unsupported entropy source; must be \"platform\" or \"seal\", or \"all\"",
            ),
            (
                r#"{"format":"c2VjcmV0"}"#,
                &[],
                "unsupported encoding format; must be \"hex\" or \"base64\"",
            ),
        ] {
            let in_path: Vec<String> = in_path.iter().map(|part| (*part).to_owned()).collect();
            let read = RandomBytes::read(fields(body), &in_path);
            assert_eq!(refusal(read), expected, "{body} {in_path:?}");
        }
    }
}
