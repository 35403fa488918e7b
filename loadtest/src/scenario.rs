//! What is sent: the requests of a scenario, made beforehand and proved once before they count.

use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use data_encoding::BASE64;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Map, Value, json};

use crate::access::Access;
use crate::arguments::Run;
use crate::connection::Connection;
use crate::http::{constant_fields, post};

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// One plaintext.
    Encrypt,
    /// One ciphertext.
    Decrypt,
    /// Many plaintexts.
    Batch {
        /// How many.
        items: u32,
    },
}

impl Scenario {
    /// Its name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Encrypt => "encrypt",
            Self::Decrypt => "decrypt",
            Self::Batch { .. } => "batch",
        }
    }

    /// Items per request.
    pub(crate) const fn items(self) -> u32 {
        match self {
            Self::Encrypt | Self::Decrypt => 1,
            Self::Batch { items } => items,
        }
    }
}

/// Requests ready to be sent, and what a good answer looks like.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Whole requests as bytes.
    pub(crate) requests: Arc<Vec<Vec<u8>>>,
    /// The constant header fields of the real answer.
    pub(crate) answer_fields: Vec<String>,
    /// Length of the real answer's body.
    pub(crate) answer_bytes: usize,
}

/// Makes the ring if need be, proves that what it encrypts it also decrypts, and makes the requests.
pub(crate) fn prepare(scenario: Scenario, run: &Run, at: &Access) -> anyhow::Result<Prepared> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting a runtime")?;
    let setting_up = async {
        let target = at.target;
        let connection = Connection::open(target)
            .await
            .with_context(|| format!("connecting to {target}"))?;
        let mut setup = Setup {
            at,
            run,
            connection,
            random: StdRng::seed_from_u64(SEED),
        };
        setup.create_ring().await?;
        setup.prove().await?;
        setup.requests(scenario).await
    };
    runtime.block_on(setting_up)
}

struct Setup<'a> {
    at: &'a Access,
    run: &'a Run,
    connection: Connection,
    random: StdRng,
}

impl Setup<'_> {
    async fn create_ring(&mut self) -> anyhow::Result<()> {
        let mut body = Map::new();
        if let Some(key_type) = &self.run.key_type {
            body.insert("type".to_owned(), json!(key_type));
        }
        if self.run.derived {
            body.insert("derived".to_owned(), json!(true));
        }
        let request = self.request("keys", &Value::Object(body));
        self.call(&request).await.context("creating the ring")?;
        Ok(())
    }

    /// A fast wrong answer is no result.
    async fn prove(&mut self) -> anyhow::Result<()> {
        let item = self.plaintext_item();
        let sealed = self.encrypt(&item).await?;
        let request = self.request("decrypt", &sealed);
        let opened = self.call(&request).await.context("decrypting a probe")?;
        ensure!(
            opened.pointer("/data/plaintext") == item.get("plaintext"),
            "the service did not give back what it was given to encrypt"
        );
        Ok(())
    }

    async fn requests(&mut self, scenario: Scenario) -> anyhow::Result<Prepared> {
        let variants = if u64::from(scenario.items()) * u64::from(self.run.size) > LARGE {
            FEW_VARIANTS
        } else {
            VARIANTS
        };
        let mut requests = Vec::with_capacity(variants);
        for _ in 0..variants {
            requests.push(self.scenario_request(scenario).await?);
        }
        let Some(first) = requests.first() else {
            bail!("no requests were made");
        };
        let head = self.connection.exchange(first).await?;
        ensure!(
            head.status == 200,
            "the first request was answered with status {}: {}",
            head.status,
            String::from_utf8_lossy(self.connection.body(&head))
        );
        Ok(Prepared {
            answer_fields: constant_fields(self.connection.head(&head)),
            answer_bytes: head.body_bytes,
            requests: Arc::new(requests),
        })
    }

    async fn scenario_request(&mut self, scenario: Scenario) -> anyhow::Result<Vec<u8>> {
        match scenario {
            Scenario::Encrypt => {
                let item = self.plaintext_item();
                Ok(self.request("encrypt", &item))
            }
            Scenario::Decrypt => {
                let item = self.plaintext_item();
                let sealed = self.encrypt(&item).await?;
                Ok(self.request("decrypt", &sealed))
            }
            Scenario::Batch { items } => {
                let items: Vec<Value> = (0..items).map(|_| self.plaintext_item()).collect();
                Ok(self.request("encrypt", &json!({ "batch_input": items })))
            }
        }
    }

    fn plaintext_item(&mut self) -> Value {
        let mut plaintext = vec![0; usize::try_from(self.run.size).unwrap_or(usize::MAX)];
        self.random.fill(plaintext.as_mut_slice());
        let mut item = json!({ "plaintext": BASE64.encode(&plaintext) });
        if self.run.derived
            && let Some(item) = item.as_object_mut()
        {
            let context: [u8; CONTEXT_BYTES] = self.random.random();
            item.insert("context".to_owned(), json!(BASE64.encode(&context)));
        }
        item
    }

    /// The item as it is to be decrypted.
    async fn encrypt(&mut self, item: &Value) -> anyhow::Result<Value> {
        let request = self.request("encrypt", item);
        let answer = self.call(&request).await.context("encrypting a probe")?;
        let ciphertext = answer
            .pointer("/data/ciphertext")
            .context("the answer has no ciphertext")?;
        let mut sealed = json!({ "ciphertext": ciphertext });
        if let (Some(sealed), Some(context)) = (sealed.as_object_mut(), item.get("context")) {
            sealed.insert("context".to_owned(), context.clone());
        }
        Ok(sealed)
    }

    fn request(&self, verb: &str, body: &Value) -> Vec<u8> {
        let path = self.run.path(verb);
        let host = self.at.target.to_string();
        post(&host, &path, &self.at.token, &body.to_string())
    }

    async fn call(&mut self, request: &[u8]) -> anyhow::Result<Value> {
        let head = self.connection.exchange(request).await?;
        let body = self.connection.body(&head);
        ensure!(
            (200..300).contains(&head.status),
            "status {}: {}",
            head.status,
            String::from_utf8_lossy(body)
        );
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(body).context("the answer is not JSON")
    }
}

/// Runs differ in what the machine does, not in what they send.
const SEED: u64 = 0x5ea1_0001;
/// Requests that are sent in turn.
const VARIANTS: usize = 64;
/// The same for large ones, which would not stay in the processor's cache.
const FEW_VARIANTS: usize = 4;
const LARGE: u64 = 16 << 10;
const CONTEXT_BYTES: usize = 16;
