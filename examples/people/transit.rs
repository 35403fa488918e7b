//! The few calls of the transit protocol that the demo makes.

use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::person::COLUMNS;
use crate::table::Row;

/// A ring of a running Sealring.
#[derive(Debug)]
pub(crate) struct Transit {
    http: reqwest::Client,
    base: String,
    token: String,
    ring: String,
}

/// A column's value and the place it belongs to.
#[derive(Debug)]
pub(crate) struct Item {
    value: String,
    place: String,
}

impl Item {
    /// The value of this column in this row.
    pub(crate) fn of(row: &Row, column: usize) -> Self {
        let name = COLUMNS.get(column).copied().unwrap_or_default();
        Self {
            value: row.values.get(column).cloned().unwrap_or_default(),
            place: format!("people/{name}/{}", row.id),
        }
    }

    /// The place as associated data: a ciphertext opens there and nowhere else.
    fn associated_data(&self) -> String {
        BASE64.encode(self.place.as_bytes())
    }

    fn to_open(&self) -> Value {
        json!({ "ciphertext": self.value, "associated_data": self.associated_data() })
    }

    fn to_seal(&self) -> Value {
        let plaintext = BASE64.encode(self.value.as_bytes());
        json!({ "plaintext": plaintext, "associated_data": self.associated_data() })
    }
}

/// A sealed value.
#[derive(Debug)]
pub(crate) struct Sealed {
    /// What is stored in place of the value.
    pub(crate) ciphertext: String,
    /// The version that sealed it.
    pub(crate) key_version: u32,
}

impl Transit {
    /// A client for this ring.
    pub(crate) fn connect(addr: &str, token_file: &Path, ring: &str) -> anyhow::Result<Self> {
        let token = std::fs::read_to_string(token_file).with_context(|| {
            format!(
                "reading {}; is `sealring dev` running here?",
                token_file.display()
            )
        })?;
        Ok(Self {
            http: reqwest::Client::new(),
            base: format!("{}/v1", addr.trim_end_matches('/')),
            token: token.trim_end().to_owned(),
            ring: ring.to_owned(),
        })
    }

    /// What tells this store from others.
    pub(crate) async fn store_id(&self) -> anyhow::Result<String> {
        let (_, health) = self.get("sys/health").await?;
        text(&health, "/cluster_id")
    }

    /// Creates the ring; nothing happens if it exists.
    pub(crate) async fn create_ring(&self) -> anyhow::Result<()> {
        self.post("keys", "", &json!({})).await?;
        Ok(())
    }

    /// The version that encrypts now.
    pub(crate) async fn latest_version(&self) -> anyhow::Result<u32> {
        let (status, body) = self.get(&format!("transit/keys/{}", self.ring)).await?;
        ensure!(status == 200, "reading the ring: {}", errors(&body));
        number(&body, "/data/latest_version")
    }

    /// Adds a version and returns its number.
    pub(crate) async fn rotate(&self) -> anyhow::Result<u32> {
        self.post("keys", "/rotate", &json!({})).await?;
        self.latest_version().await
    }

    /// Versions below this one no longer open anything.
    pub(crate) async fn raise_min_decryption(&self, version: u32) -> anyhow::Result<()> {
        let change = json!({ "min_decryption_version": version });
        self.post("keys", "/config", &change).await?;
        Ok(())
    }

    /// Seals every item.
    pub(crate) async fn encrypt(&self, items: &[Item]) -> anyhow::Result<Vec<Sealed>> {
        let results = self.batch("encrypt", items, Item::to_seal).await?;
        results.iter().map(sealed).collect()
    }

    /// Opens every item and seals it again with the latest version.
    pub(crate) async fn rewrap(&self, items: &[Item]) -> anyhow::Result<Vec<Sealed>> {
        let results = self.batch("rewrap", items, Item::to_open).await?;
        results.iter().map(sealed).collect()
    }

    /// Opens every item.
    pub(crate) async fn decrypt(&self, items: &[Item]) -> anyhow::Result<Vec<String>> {
        let results = self.batch("decrypt", items, Item::to_open).await?;
        let opened = results.iter().map(|result| {
            let plaintext = BASE64.decode(text(result, "/plaintext")?.as_bytes())?;
            String::from_utf8(plaintext).context("a plaintext is not UTF-8")
        });
        opened.collect()
    }

    /// The reason for which an item is not opened; that it opens is an error.
    pub(crate) async fn refusal(&self, item: &Item) -> anyhow::Result<String> {
        let (status, body) = self.send("decrypt", "", &item.to_open()).await?;
        ensure!(status == 400, "status {status} where a refusal was due");
        Ok(errors(&body))
    }

    async fn batch(
        &self,
        verb: &str,
        items: &[Item],
        form: fn(&Item) -> Value,
    ) -> anyhow::Result<Vec<Value>> {
        let batch: Vec<Value> = items.iter().map(form).collect();
        let body = self
            .post(verb, "", &json!({ "batch_input": batch }))
            .await?;
        let results = body
            .pointer("/data/batch_results")
            .and_then(Value::as_array);
        let results = results.context("the answer has no results")?.clone();
        ensure!(
            results.len() == items.len(),
            "the answer has another number of results"
        );
        if let Some(error) = results.iter().find_map(|result| result.get("error")) {
            bail!("{verb} of an item: {error}");
        }
        Ok(results)
    }

    async fn post(&self, verb: &str, rest: &str, body: &Value) -> anyhow::Result<Value> {
        let (status, answer) = self.send(verb, rest, body).await?;
        let good = (200..300).contains(&status);
        ensure!(good, "{verb}{rest}: status {status}: {}", errors(&answer));
        Ok(answer)
    }

    async fn send(&self, verb: &str, rest: &str, body: &Value) -> anyhow::Result<(u16, Value)> {
        let url = format!("{}/transit/{verb}/{}{rest}", self.base, self.ring);
        let request = self.http.post(url).json(body);
        self.answer(request.header("X-Sealring-Reason", "people demo"))
            .await
    }

    async fn get(&self, path: &str) -> anyhow::Result<(u16, Value)> {
        self.answer(self.http.get(format!("{}/{path}", self.base)))
            .await
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> anyhow::Result<(u16, Value)> {
        let response = request.header("X-Vault-Token", &self.token).send().await?;
        let status = response.status().as_u16();
        let body = response.bytes().await?;
        if body.is_empty() {
            return Ok((status, Value::Null));
        }
        Ok((
            status,
            serde_json::from_slice(&body).context("the answer is not JSON")?,
        ))
    }
}

fn sealed(result: &Value) -> anyhow::Result<Sealed> {
    Ok(Sealed {
        ciphertext: text(result, "/ciphertext")?,
        key_version: number(result, "/key_version")?,
    })
}

fn text(body: &Value, pointer: &str) -> anyhow::Result<String> {
    let text = body.pointer(pointer).and_then(Value::as_str);
    Ok(text
        .with_context(|| format!("the answer has no {pointer}"))?
        .to_owned())
}

fn number(body: &Value, pointer: &str) -> anyhow::Result<u32> {
    let number = body.pointer(pointer).and_then(Value::as_u64);
    let number = number.with_context(|| format!("the answer has no {pointer}"))?;
    Ok(u32::try_from(number)?)
}

fn errors(body: &Value) -> String {
    let errors = body.get("errors").and_then(Value::as_array);
    let texts = errors.into_iter().flatten().filter_map(Value::as_str);
    texts.collect::<Vec<_>>().join("; ")
}
