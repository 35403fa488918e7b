//! Certificates of key pairs: `keys/:name/csr` and `keys/:name/set-certificate`.

use serde_json::json;

use super::errors::Problem;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::route::KeyTarget;

/// `POST keys/:name/csr`
pub(super) async fn request(request: &Request<'_>, key: &KeyTarget) -> Answer {
    let mut fields = request.body.fields()?;
    fields.captured("name");
    let version = fields.int("version")?.unwrap_or_default();
    let template = fields.text("csr")?.unwrap_or_default().as_str().to_owned();
    let (made, key_type) = request
        .on_ring(key, |engine, at| async move {
            let made = engine.request_certificate(&at, version, template).await?;
            Ok((made, engine.describe(&at).await?.ring.key_type))
        })
        .await?;
    let data = json!({
        "csr": made,
        "name": key.address.name.as_str(),
        "type": key_type.name(),
    });
    Ok(Reply::data(request.id, &data, &fields.warnings()))
}

/// `POST keys/:name/set-certificate`
pub(super) async fn set(request: &Request<'_>, key: &KeyTarget) -> Answer {
    let mut fields = request.body.fields()?;
    fields.captured("name");
    let version = fields.int("version")?.unwrap_or_default();
    let chain = fields.text("certificate_chain")?.unwrap_or_default();
    if chain.as_str().is_empty() {
        return Err(Problem::bad("missing certificate_chain"));
    }
    let (pems, by) = (chain.as_str().to_owned(), request.provenance()?);
    let key_type = request
        .on_ring(key, |engine, at| async move {
            engine.set_certificate(&at, (version, pems), &by).await?;
            Ok(engine.describe(&at).await?.ring.key_type)
        })
        .await?;
    let data = json!({
        "certificate_chain": chain.as_str(),
        "name": key.address.name.as_str(),
        "type": key_type.name(),
    });
    Ok(Reply::data(request.id, &data, &fields.warnings()))
}
