//! Data requests once read, and the answers of encrypt, decrypt and rewrap, appended straight into one buffer.

use actix_web::http::StatusCode;
use keyring::error::{Error, ItemError};
use keyring::job::{Done, Job, Outcomes, Summary};
use keyring::policy::RuleViolation;

use super::errors::{self, Blame, Message, Problem};
use super::operation::Operation;
use super::reply::envelope::{close_envelope, open_envelope};
use super::reply::print::{push_number, push_plain, push_text};
use super::reply::{Answer, Reply, RequestId};

/// A data request ready to be worked on. Owns all it needs, so that it can change threads.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) job: Job,
    pub(super) notes: Notes,
}

/// What is needed besides the outcomes to write the answer.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// The items' references if the request was a batch.
    pub(super) batch: Option<References>,
    /// The status the caller wants for a batch that failed in part.
    pub(super) partial_status: Option<i64>,
    pub(super) warnings: Vec<String>,
}

/// The references of a batch's items; takes no room as long as all are empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct References {
    text: String,
    ends: Vec<usize>,
}

impl References {
    /// Sets the reference of the item at this index, which must be beyond all set before.
    pub(super) fn set(&mut self, index: usize, reference: &str) {
        if !reference.is_empty() {
            self.ends.resize(index, self.text.len());
            self.text.push_str(reference);
            self.ends.push(self.text.len());
        }
    }

    fn get(&self, index: usize) -> &str {
        let Some(end) = self.ends.get(index) else {
            return "";
        };
        let before = index.checked_sub(1).and_then(|index| self.ends.get(index));
        let start = before.copied().unwrap_or(0);
        self.text.get(start..*end).unwrap_or_default()
    }
}

/// Whether contexts are given for some items and not for others, which is refused as a whole.
pub(super) fn contexts_mixed<'a>(mut contexts: impl Iterator<Item = &'a str>) -> bool {
    let Some(first) = contexts.next() else {
        return false;
    };
    contexts.any(|context| context.is_empty() != first.is_empty())
}

/// What is said of contexts given for some items only.
pub(super) const CONTEXTS_MIXED: &str =
    "context should be set either in all the request blocks or in none";
/// What is said of a batch without items.
pub(super) const BATCH_EMPTY: &str = "missing batch input to process";

/// What the answer to a body of this length with so many items comes to at most, in bytes: the texts that were sent, each with
/// what a cipher adds to it, or an error in its place. Only blocks of RSA are longer.
pub(super) const fn longest_answer(sent: usize, items: usize) -> usize {
    sent.saturating_add(items.saturating_mul(ITEM_ADDS))
}

/// What an item has in an answer beyond what was sent: names of fields, version, nonce and tag, or an error.
const ITEM_ADDS: usize = 192;

/// Writes the answer of an operation to a request with these notes.
pub(super) fn answer(
    operation: Operation,
    id: RequestId,
    outcomes: &Outcomes,
    notes: &Notes,
) -> Answer {
    let reply = match &notes.batch {
        Some(references) => batch_answer(operation, id, outcomes, references, notes),
        None => single_answer(operation, id, outcomes, &notes.warnings)?,
    };
    Ok(reply.with_used(outcomes.summary()))
}

/// Whether an error says that the ring serves no item of its kind, whichever items are sent.
pub(super) const fn is_of_ring(error: &Error) -> bool {
    matches!(
        error,
        Error::Rule(RuleViolation::SoftDeleted) | Error::Unsupported(_)
    )
}

/// The answer where nothing was worked on: of a batch that the ring does not serve, each item says so.
pub(super) fn refused(
    operation: Operation,
    id: RequestId,
    (items, of_ring): (usize, bool),
    notes: &Notes,
    problem: Problem,
) -> Answer {
    let text = match (&notes.batch, &problem.message) {
        (Some(_), Message::Plain(text) | Message::Multi(text)) if of_ring => text,
        _ => return Err(problem),
    };
    let references = notes.batch.as_ref();
    let mut bytes = open_envelope(id, items * (text.len() + 56));
    bytes.extend_from_slice(b"{\"batch_results\":[");
    for index in 0..items {
        if index > 0 {
            bytes.push(b',');
        }
        let reference = references.map_or("", |references| references.get(index));
        bytes.push(b'{');
        push_error(&mut bytes, operation, text);
        push_reference(&mut bytes, reference);
    }
    bytes.extend_from_slice(b"]}");
    close_envelope(&mut bytes, &notes.warnings);
    let status = if operation == Operation::Rewrap {
        StatusCode::OK
    } else {
        StatusCode::BAD_REQUEST
    };
    let used = Summary {
        items,
        failed: items,
        versions: None,
    };
    Ok(Reply::json(bytes).with_status(status).with_used(used))
}

fn single_answer(
    operation: Operation,
    id: RequestId,
    outcomes: &Outcomes,
    warnings: &[String],
) -> Answer {
    let outcome = outcomes.iter().next();
    let done = outcome
        .ok_or(Problem::internal("the engine gave no outcome"))?
        .map_err(|item| Problem::item(operation, item))?;
    let mut bytes = open_envelope(id, done.text.len() + 64);
    bytes.push(b'{');
    push_done(&mut bytes, operation, done);
    bytes.push(b'}');
    close_envelope(&mut bytes, warnings);
    Ok(Reply::json(bytes))
}

fn batch_answer(
    operation: Operation,
    id: RequestId,
    outcomes: &Outcomes,
    references: &References,
    notes: &Notes,
) -> Reply {
    // `{"ciphertext":"","key_version":1,"reference":""},` has 50 bytes.
    let room = outcomes.text_len() + outcomes.len() * 56 + references.text.len();
    let mut bytes = open_envelope(id, room);
    bytes.extend_from_slice(b"{\"batch_results\":[");
    let mut tally = Tally::default();
    for (index, outcome) in outcomes.iter().enumerate() {
        if index > 0 {
            bytes.push(b',');
        }
        tally.count(operation, outcome.as_ref().err().copied());
        let item = (index, references.get(index));
        push_item(&mut bytes, operation, outcome, item);
    }
    bytes.extend_from_slice(b"]}");
    let (status, warning) = tally.status(operation, notes.partial_status);
    let warnings: Vec<String> = notes.warnings.iter().cloned().chain(warning).collect();
    close_envelope(&mut bytes, &warnings);
    Reply::json(bytes).with_status(status)
}

fn push_item(
    bytes: &mut Vec<u8>,
    operation: Operation,
    outcome: Result<Done<'_>, ItemError>,
    (index, reference): (usize, &str),
) {
    bytes.push(b'{');
    match outcome {
        Ok(done) => push_done(bytes, operation, done),
        Err(error) => push_error(
            bytes,
            operation,
            &errors::item_text(operation, error, index),
        ),
    }
    push_reference(bytes, reference);
}

fn push_error(bytes: &mut Vec<u8>, operation: Operation, text: &str) {
    if operation == Operation::Decrypt {
        bytes.extend_from_slice(b"\"plaintext\":\"\",");
    }
    bytes.extend_from_slice(b"\"error\":");
    push_text(bytes, text);
}

fn push_reference(bytes: &mut Vec<u8>, reference: &str) {
    bytes.extend_from_slice(b",\"reference\":");
    push_text(bytes, reference);
    bytes.push(b'}');
}

fn push_done(bytes: &mut Vec<u8>, operation: Operation, done: Done<'_>) {
    if operation == Operation::Decrypt {
        bytes.extend_from_slice(b"\"plaintext\":");
        push_plain(bytes, done.text);
    } else {
        bytes.extend_from_slice(b"\"ciphertext\":");
        push_plain(bytes, done.text);
        bytes.extend_from_slice(b",\"key_version\":");
        push_number(bytes, done.version.number());
    }
}

/// How a batch went, as far as its status depends on it.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    any_done: bool,
    any_by_caller: bool,
    any_by_server: bool,
}

impl Tally {
    fn count(&mut self, operation: Operation, error: Option<ItemError>) {
        match error.map(|error| errors::blame(operation, error)) {
            None => self.any_done = true,
            Some(Blame::Caller) => self.any_by_caller = true,
            Some(Blame::Server) => self.any_by_server = true,
        }
    }

    /// The status, and a warning if the caller wanted one that cannot be.
    fn status(self, operation: Operation, wanted: Option<i64>) -> (StatusCode, Option<String>) {
        // Rewrap answers 200 whatever became of its items.
        if operation == Operation::Rewrap || !(self.any_by_caller || self.any_by_server) {
            return (StatusCode::OK, None);
        }
        let usual = if self.any_by_caller {
            StatusCode::BAD_REQUEST
        } else {
            StatusCode::INTERNAL_SERVER_ERROR
        };
        let Some(wanted) = wanted.filter(|_| self.any_done) else {
            return (usual, None);
        };
        if let Some(status) = override_status(wanted) {
            return (status, None);
        }
        let warning = format!(
            "invalid HTTP response code override from partial_failure_response_code, reverting to {}",
            usual.as_u16()
        );
        (usual, Some(warning))
    }
}

// Interim statuses and those without a body would break the framing of the answer.
fn override_status(wanted: i64) -> Option<StatusCode> {
    match u16::try_from(wanted).ok()? {
        204 | 205 | 304 => None,
        code @ 200..=599 => StatusCode::from_u16(code).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(errors: &[Option<ItemError>]) -> Tally {
        let mut tally = Tally::default();
        for error in errors {
            tally.count(Operation::Encrypt, *error);
        }
        tally
    }

    const CALLER: Option<ItemError> = Some(ItemError::TooOld);
    const SERVER: Option<ItemError> =
        Some(ItemError::AssociatedData(keyring::base64::Base64Error {
            offset: 3,
        }));

    #[test]
    fn the_status_of_a_batch_follows_from_its_items() {
        let encrypt = Operation::Encrypt;
        for (items, wanted, expected) in [
            (vec![None, None], Some(207), 200),
            (vec![None, CALLER], None, 400),
            (vec![None, SERVER], None, 500),
            (vec![None, SERVER, CALLER], None, 400),
            (vec![None, CALLER], Some(207), 207),
            (vec![None, SERVER], Some(299), 299),
            (vec![CALLER], Some(207), 400),
        ] {
            let (status, warning) = tally(&items).status(encrypt, wanted);
            assert_eq!(status.as_u16(), expected);
            assert_eq!(warning, None);
        }
        let (status, _) = tally(&[CALLER]).status(Operation::Rewrap, None);
        assert_eq!(status, StatusCode::OK);
    }

    #[test]
    fn a_status_that_cannot_be_is_warned_of() {
        for wanted in [0, 1, 99, 100, 199, 204, 205, 304, 600, -1, i64::MAX] {
            let (status, warning) = tally(&[None, CALLER]).status(Operation::Decrypt, Some(wanted));
            assert_eq!(status, StatusCode::BAD_REQUEST, "{wanted}");
            assert_eq!(
                warning.as_deref(),
                Some(
                    "invalid HTTP response code override from partial_failure_response_code, reverting to 400"
                )
            );
        }
    }

    #[test]
    fn references_keep_to_their_items() {
        let mut references = References::default();
        for (index, reference) in ["", "a", "", "", "bc", ""].iter().enumerate() {
            references.set(index, reference);
        }
        let read: Vec<_> = (0..7).map(|index| references.get(index)).collect();
        assert_eq!(read, ["", "a", "", "", "bc", "", ""]);
        assert_eq!(References::default().get(9), "");
    }

    #[test]
    fn contexts_are_given_for_all_or_none() {
        assert!(!contexts_mixed(["", ""].into_iter()));
        assert!(!contexts_mixed(["a", "b"].into_iter()));
        assert!(!contexts_mixed([].into_iter()));
        assert!(contexts_mixed(["a", ""].into_iter()));
        assert!(contexts_mixed(["", "", "b"].into_iter()));
    }

    #[test]
    fn failed_items_keep_the_protocols_shape() {
        let write = |operation| {
            let mut bytes = Vec::new();
            push_item(&mut bytes, operation, Err(ItemError::TooOld), (0, "r\"1"));
            String::from_utf8(bytes).unwrap()
        };
        let error = "ciphertext or signature version is disallowed by policy (too old)";
        assert_eq!(
            write(Operation::Encrypt),
            format!(r#"{{"error":"{error}","reference":"r\"1"}}"#)
        );
        assert_eq!(
            write(Operation::Decrypt),
            format!(r#"{{"plaintext":"","error":"{error}","reference":"r\"1"}}"#)
        );
    }
}
