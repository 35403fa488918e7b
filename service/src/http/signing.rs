//! Signatures and HMACs: `sign`, `verify` and `hmac`.

mod fields;

use keyring::error::{Error, ItemError};
use keyring::job::Summary;
use keyring::signing::{CheckJob, Tag, TagJob};
use keyring::version::Version;
use serde_json::{Map, Value, json};

use self::fields::{Notes, check_job, tag_job};
use super::authorise;
use super::body::work_on;
use super::data::room;
use super::errors::{Problem, TagWork};
use super::reply::{Answer, Reply};
use super::request::Request;
use super::route::KeyTarget;

/// `POST sign/:name(/:algorithm)`
pub(super) async fn sign(request: &Request<'_>, key: &KeyTarget) -> Answer {
    make(request, key, TagWork::Sign).await
}

/// `POST hmac/:name(/:algorithm)`
pub(super) async fn hmac(request: &Request<'_>, key: &KeyTarget) -> Answer {
    make(request, key, TagWork::Hmac).await
}

async fn make(request: &Request<'_>, key: &KeyTarget, work: TagWork) -> Answer {
    let (body, in_path) = (request.body.copy(), key.rest.join("/"));
    let read = move || tag_job(body.fields()?, &in_path, work);
    let (job, notes): (TagJob, Notes) = work_on(request.body.bytes.len(), read).await??;
    let _items = room(request, weight(work, job.items.len()))?;
    request.expect_reply(longest_answer(
        work,
        request.body.bytes.len(),
        job.items.len(),
    ))?;
    authorise::count_items(request, job.items.len())?;
    let made = request.transit()?.tag(&key.address, job).await;
    let made = made.map_err(|error| request.failed(key, error))?;
    let used = used(
        made.iter()
            .map(|made| made.as_ref().ok().map(|tag| tag.version)),
    );
    let data = match &notes.references {
        None => {
            let tag = made
                .into_iter()
                .next()
                .ok_or(Problem::internal(NO_OUTCOME))?;
            json!(shown_tag(
                tag.map_err(|item| Problem::tag(work, item))?,
                work,
                false
            ))
        }
        Some(references) => {
            let items = made.into_iter().zip(references);
            let shown =
                items.map(|(made, reference)| with_reference(batched_tag(made, work), reference));
            json!({"batch_results": shown.collect::<Vec<_>>()})
        }
    };
    Ok(Reply::data(request.id, &data, &notes.warnings).with_used(used))
}

/// How many items of another kind these weigh: a signature can be 6 KiB of text, its input nothing.
const fn weight(work: TagWork, items: usize) -> usize {
    match work {
        TagWork::Sign if items > 1 => items.saturating_mul(8),
        TagWork::Hmac | TagWork::Sign | TagWork::Verify | TagWork::VerifyHmac => items,
    }
}

/// What the answer to a body of this length with so many items comes to, in bytes: references as they were sent, and for each item
/// a signature as long as RSA's, or an HMAC, or an error. Only those of ML-DSA are longer.
fn longest_answer(work: TagWork, sent: usize, items: usize) -> usize {
    let each = match work {
        TagWork::Sign => 1024,
        TagWork::Hmac | TagWork::Verify | TagWork::VerifyHmac => 192,
    };
    let made = items.saturating_mul(each).min(LONGEST_ANSWER);
    sent.saturating_add(made)
}

/// What the engine makes for one request at most, in bytes.
const LONGEST_ANSWER: usize = 64 << 20;

/// `POST verify/:name(/:algorithm)`
pub(super) async fn verify(request: &Request<'_>, key: &KeyTarget) -> Answer {
    let (body, in_path) = (request.body.copy(), key.rest.join("/"));
    let read = move || check_job(body.fields()?, &in_path);
    let read: Result<(CheckJob, TagWork, Notes), Problem> =
        work_on(request.body.bytes.len(), read).await?;
    let (job, work, notes) = read?;
    let _items = room(request, job.items.len())?;
    request.expect_reply(longest_answer(
        work,
        request.body.bytes.len(),
        job.items.len(),
    ))?;
    authorise::count_items(request, job.items.len())?;
    let checked = request.transit()?.check(&key.address, job).await;
    let checked = checked.map_err(|error| {
        if matches!(error, Error::NotFound) {
            Problem::nothing_to_check_with(work)
        } else {
            request.failed(key, error)
        }
    })?;
    let used = used(checked.iter().map(|_| None));
    let data = match &notes.references {
        None => {
            let valid = checked.into_iter().next();
            let valid = valid.ok_or(Problem::internal(NO_OUTCOME))?;
            json!({"valid": valid.map_err(|item| Problem::tag(work, item))?})
        }
        Some(references) => {
            let items = checked.into_iter().zip(references);
            let shown = items
                .map(|(valid, reference)| with_reference(batched_check(valid, work), reference));
            json!({"batch_results": shown.collect::<Vec<_>>()})
        }
    };
    Ok(Reply::data(request.id, &data, &notes.warnings).with_used(used))
}

fn shown_tag(tag: Tag, work: TagWork, is_batch: bool) -> Map<String, Value> {
    let mut shown = Map::new();
    if work == TagWork::Hmac {
        shown.insert("hmac".to_owned(), tag.text.into());
        return shown;
    }
    shown.insert("signature".to_owned(), tag.text.into());
    shown.insert("key_version".to_owned(), tag.version.number().into());
    if let Some(public_key) = tag.public_key {
        // The protocol spells it in two ways.
        let name = if is_batch { "publickey" } else { "public_key" };
        shown.insert(name.to_owned(), public_key.into());
    }
    shown
}

fn batched_tag(made: Result<Tag, ItemError>, work: TagWork) -> Map<String, Value> {
    match made {
        Ok(tag) => shown_tag(tag, work, true),
        Err(error) => {
            let mut shown = failed(error, work);
            if work == TagWork::Sign {
                shown.insert("key_version".to_owned(), json!(0));
            }
            shown
        }
    }
}

/// An HMAC that does not fit is shown by leaving `valid` out, as the protocol has it.
fn batched_check(valid: Result<bool, ItemError>, work: TagWork) -> Map<String, Value> {
    let (valid, mut shown) = match valid {
        Ok(valid) => (valid, Map::new()),
        Err(error) => (false, failed(error, work)),
    };
    if valid || work == TagWork::Verify {
        shown.insert("valid".to_owned(), valid.into());
    }
    shown
}

fn failed(error: ItemError, work: TagWork) -> Map<String, Value> {
    let text = Problem::tag_text(work, error);
    Map::from_iter([("error".to_owned(), text.into())])
}

fn with_reference(mut item: Map<String, Value>, reference: &str) -> Value {
    item.insert("reference".to_owned(), reference.into());
    Value::Object(item)
}

fn used(versions: impl Iterator<Item = Option<Version>>) -> Summary {
    let mut summary = Summary::default();
    for version in versions {
        summary.add(version);
    }
    summary
}

const NO_OUTCOME: &str = "the engine gave no outcome";
