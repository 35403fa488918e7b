//! The data operations: encrypt, decrypt, rewrap, and data keys.

use futures_util::FutureExt as _;
use keyring::error::Error;
use keyring::job::{Job, Outcomes, Summary};
use keyring::transit::NewDataKey;

use super::batch::{self, Prepared};
use super::body::{Format, work_on};
use super::errors::Problem;
use super::operation::Operation;
use super::reply::envelope::{close_envelope, open_envelope};
use super::reply::print::{push_number, push_plain};
use super::reply::{Answer, Reply};
use super::request::Request;
use super::route::KeyTarget;
use super::text::Text;
use super::{authorise, open, seal, upsert};
use crate::admission::{Held, Resource};

/// `POST encrypt/:name`
pub(super) async fn encrypt(request: &Request<'_>, key: &KeyTarget) -> Answer {
    if let Some(new) = request.new_ring {
        upsert::create(request, key, new).boxed_local().await?;
    }
    let engine = request.transit()?;
    let seal = |job| engine.encrypt(&key.address, job);
    transform(request, key, seal::prepare, seal).await
}

/// `POST decrypt/:name`
pub(super) async fn decrypt(request: &Request<'_>, key: &KeyTarget) -> Answer {
    let engine = request.transit()?;
    let open = |job| engine.decrypt(&key.address, job);
    transform(request, key, open::prepare_decrypt, open).await
}

/// `POST rewrap/:name`
pub(super) async fn rewrap(request: &Request<'_>, key: &KeyTarget) -> Answer {
    let engine = request.transit()?;
    let rewrap = |job| engine.rewrap(&key.address, job);
    transform(request, key, open::prepare_rewrap, rewrap).await
}

type Prepare = fn(&[u8], Format) -> Result<Prepared, Problem>;

async fn transform<F>(
    request: &Request<'_>,
    key: &KeyTarget,
    prepare: Prepare,
    engine: impl FnOnce(Job) -> F,
) -> Answer
where
    F: Future<Output = Result<Outcomes, Error>>,
{
    let (bytes, format) = (request.body.bytes.clone(), request.body.format);
    let sent = bytes.len();
    let prepared = work_on(sent, move || prepare(&bytes, format)).await??;
    let _items = room(request, prepared.job.len())?;
    request.expect_reply(batch::longest_answer(sent, prepared.job.len()))?;
    // Where a ring was created first they have been counted, when it was found missing.
    if request.new_ring.is_none() {
        authorise::count_items(request, prepared.job.len())?;
    }
    let items = prepared.job.len();
    let (operation, id, notes) = (request.operation, request.id, prepared.notes);
    let outcomes = match engine(prepared.job).await {
        Ok(outcomes) => outcomes,
        Err(error) => {
            let of_ring = batch::is_of_ring(&error);
            let problem = request.failed(key, error);
            return batch::refused(operation, id, (items, of_ring), &notes, problem);
        }
    };
    work_on(outcomes.text_len(), move || {
        batch::answer(operation, id, &outcomes, &notes)
    })
    .await?
}

/// Room for the items of a batch; a single one has it by its request's place.
pub(super) fn room(request: &Request<'_>, items: usize) -> Result<Option<Held>, Problem> {
    if items <= 1 {
        return Ok(None);
    }
    request.hold(Resource::Items, items).map(Some)
}

/// `POST datakey/plaintext/:name` and `POST datakey/wrapped/:name`
pub(super) async fn data_key(request: &Request<'_>, key: &KeyTarget) -> Answer {
    authorise::count_items(request, 1)?;
    let mut fields = request.body.fields()?;
    fields.captured("name");
    fields.captured("plaintext");
    let context = fields.text("context")?.unwrap_or_default();
    let associated_data = fields.text("associated_data")?.unwrap_or_default();
    let new = NewDataKey {
        length: match fields.int("bits")? {
            None | Some(256) => 32,
            Some(128) => 16,
            Some(512) => 64,
            Some(_) => return Err(Problem::bad("invalid bit length")),
        },
        context: Text::as_str(&context),
        associated_data: Text::as_str(&associated_data),
        key_version: fields.int("key_version")?.unwrap_or_default(),
    };
    let made = request.transit()?.data_key(&key.address, new).await;
    let made = made.map_err(|error| request.failed(key, error))?;
    let mut bytes = open_envelope(
        request.id,
        made.ciphertext.len() + made.plaintext.len() + 64,
    );
    bytes.extend_from_slice(b"{\"ciphertext\":");
    push_plain(&mut bytes, &made.ciphertext);
    bytes.extend_from_slice(b",\"key_version\":");
    push_number(&mut bytes, made.version.number());
    if request.operation == Operation::DataKeyPlaintext {
        bytes.extend_from_slice(b",\"plaintext\":\"");
        bytes.extend_from_slice(made.plaintext.expose_secret());
        bytes.push(b'"');
    }
    bytes.push(b'}');
    close_envelope(&mut bytes, &fields.warnings());
    Ok(Reply::json(bytes).with_used(Summary::of_one(made.version)))
}
