//! What is sent: the requests of a scenario, made beforehand and proved once before they count.

use std::sync::Arc;

use anyhow::Context as _;

use self::setup::Setup;
use crate::access::Access;
use crate::arguments::Run;

mod setup;

/// A kind of request.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// One input to be signed.
    Sign(Signer),
    /// One input with its signature.
    Verify(Signer),
}

/// What signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signer {
    /// The type of the ring, its parameter set behind it: `rsa-4096`, `ml-dsa-65`.
    pub(crate) key_type: String,
}

impl Scenario {
    /// The scenario with this name; signing ones have the type of their ring behind it, `sign-rsa-4096`.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let signer = |key_type: &str| Signer {
            key_type: key_type.to_owned(),
        };
        match name {
            "encrypt" => Some(Self::Encrypt),
            "decrypt" => Some(Self::Decrypt),
            "batch" => Some(Self::Batch { items: ITEMS }),
            _ => {
                let sign = name.strip_prefix("sign-").map(signer).map(Self::Sign);
                sign.or_else(|| name.strip_prefix("verify-").map(signer).map(Self::Verify))
            }
        }
    }

    /// Its name.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Encrypt => "encrypt".to_owned(),
            Self::Decrypt => "decrypt".to_owned(),
            Self::Batch { .. } => "batch".to_owned(),
            Self::Sign(signer) => format!("sign-{}", signer.key_type),
            Self::Verify(signer) => format!("verify-{}", signer.key_type),
        }
    }

    /// Items per request.
    pub(crate) const fn items(&self) -> u32 {
        match self {
            Self::Encrypt | Self::Decrypt | Self::Sign(_) | Self::Verify(_) => 1,
            Self::Batch { items } => *items,
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

/// Makes the ring if need be, proves that it undoes or verifies what it does, and makes the requests.
pub(crate) fn prepare(scenario: &Scenario, run: &Run, at: &Access) -> anyhow::Result<Prepared> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting a runtime")?;
    runtime.block_on(async {
        let mut setup = Setup::connect(scenario, run, at).await?;
        setup.create_ring().await?;
        setup.prove().await?;
        setup.requests().await
    })
}

/// Items per request of a batch, unless told otherwise.
pub(crate) const ITEMS: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_back_to_its_scenario() {
        for name in [
            "encrypt",
            "decrypt",
            "batch",
            "sign-rsa-4096",
            "verify-ml-dsa-65",
        ] {
            let scenario = Scenario::from_name(name).expect("a scenario");
            assert_eq!(scenario.name(), name);
        }
        assert_eq!(Scenario::from_name("sign"), None);
        assert_eq!(Scenario::from_name("rewrap"), None);
    }
}
