//! Sets a service up for a scenario: its ring, a proof, its requests.

use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use data_encoding::BASE64;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Map, Value, json};

use super::{Prepared, Scenario, Signer};
use crate::access::Access;
use crate::arguments::Run;
use crate::connection::Connection;
use crate::http::{constant_fields, post};

/// A connection to a service that is being set up.
pub(super) struct Setup<'a> {
    scenario: &'a Scenario,
    run: &'a Run,
    at: &'a Access,
    connection: Connection,
    random: StdRng,
}

impl<'a> Setup<'a> {
    /// Connects to the service.
    pub(super) async fn connect(
        scenario: &'a Scenario,
        run: &'a Run,
        at: &'a Access,
    ) -> anyhow::Result<Self> {
        let target = at.target;
        let connection = Connection::open(target)
            .await
            .with_context(|| format!("connecting to {target}"))?;
        Ok(Self {
            scenario,
            run,
            at,
            connection,
            random: StdRng::seed_from_u64(SEED),
        })
    }

    /// Creates the ring if it is missing.
    pub(super) async fn create_ring(&mut self) -> anyhow::Result<()> {
        let mut body = Map::new();
        let key_type = self.signer().map(|signer| &signer.key_type);
        if let Some(key_type) = key_type.or(self.run.key_type.as_ref()) {
            let (name, parameter_set) = split(key_type);
            body.insert("type".to_owned(), json!(name));
            if let Some(parameter_set) = parameter_set {
                body.insert("parameter_set".to_owned(), json!(parameter_set));
            }
        }
        if self.run.derived {
            body.insert("derived".to_owned(), json!(true));
        }
        let request = self.request("keys", &Value::Object(body));
        self.call(&request).await.context("creating the ring")?;
        Ok(())
    }

    /// A fast wrong answer is no result.
    pub(super) async fn prove(&mut self) -> anyhow::Result<()> {
        if self.signer().is_some() {
            let signed = self.signed_item().await?;
            let request = self.request("verify", &signed);
            let verified = self.call(&request).await.context("verifying a probe")?;
            ensure!(
                verified.pointer("/data/valid") == Some(&Value::Bool(true)),
                "the service did not verify what it signed"
            );
            return Ok(());
        }
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

    /// Makes the requests, and sends the first.
    pub(super) async fn requests(&mut self) -> anyhow::Result<Prepared> {
        let scenario = self.scenario;
        let variants = if u64::from(scenario.items()) * u64::from(self.run.size) > LARGE {
            FEW_VARIANTS
        } else {
            VARIANTS
        };
        let mut requests = Vec::with_capacity(variants);
        for _ in 0..variants {
            requests.push(self.scenario_request().await?);
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

    async fn scenario_request(&mut self) -> anyhow::Result<Vec<u8>> {
        match self.scenario {
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
                let items: Vec<Value> = (0..*items).map(|_| self.plaintext_item()).collect();
                Ok(self.request("encrypt", &json!({ "batch_input": items })))
            }
            Scenario::Sign(_) => {
                let item = self.item("input");
                Ok(self.request("sign", &item))
            }
            Scenario::Verify(_) => {
                let item = self.signed_item().await?;
                Ok(self.request("verify", &item))
            }
        }
    }

    fn plaintext_item(&mut self) -> Value {
        self.item("plaintext")
    }

    /// Random bytes in this field.
    fn item(&mut self, field: &str) -> Value {
        let mut bytes = vec![0; usize::try_from(self.run.size).unwrap_or(usize::MAX)];
        self.random.fill(bytes.as_mut_slice());
        let mut item = json!({ field: BASE64.encode(&bytes) });
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

    /// An input as it is to be verified.
    async fn signed_item(&mut self) -> anyhow::Result<Value> {
        let mut item = self.item("input");
        let request = self.request("sign", &item);
        let answer = self.call(&request).await.context("signing a probe")?;
        let signature = answer
            .pointer("/data/signature")
            .context("the answer has no signature")?;
        if let Some(item) = item.as_object_mut() {
            item.insert("signature".to_owned(), signature.clone());
        }
        Ok(item)
    }

    fn signer(&self) -> Option<&'a Signer> {
        match self.scenario {
            Scenario::Sign(signer) | Scenario::Verify(signer) => Some(signer),
            Scenario::Encrypt | Scenario::Decrypt | Scenario::Batch { .. } => None,
        }
    }

    fn request(&self, verb: &str, body: &Value) -> Vec<u8> {
        let path = match self.signer() {
            None => self.run.path(verb),
            Some(signer) => self.run.signing_path(verb, &signer.key_type),
        };
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

/// The protocol's name of a key type, and its parameter set, which only `ml-dsa` has.
fn split(key_type: &str) -> (&str, Option<&str>) {
    match key_type.strip_prefix("ml-dsa-") {
        Some(parameter_set) => ("ml-dsa", Some(parameter_set)),
        None => (key_type, None),
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
