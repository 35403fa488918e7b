//! One session with the KEK's handle in it: AES-256-GCM (SP 800-38D) through `C_Encrypt` and `C_Decrypt`.

use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::ObjectHandle;
use cryptoki::session::Session;
use zeroize::Zeroizing;

use crate::binding::push_field;
use crate::entropy::Entropy;
use crate::kek::WrappedDek;
use crate::kek::fault::Fault;
use crate::kek::module::OwnSession;
use crate::secret::Dek;

/// A session belongs to one thread at a time, and so does its handle of the key.
pub(super) struct Connection {
    session: OwnSession,
    key: ObjectHandle,
}

impl Connection {
    /// A logged-in session and a key found in it.
    pub(super) fn new(session: OwnSession, key: ObjectHandle) -> Self {
        Self { session, key }
    }

    /// The session, to log in again.
    pub(super) fn session(&self) -> &Session {
        self.session.get()
    }

    /// The epoch of the module its handles belong to.
    pub(super) fn epoch(&self) -> u64 {
        self.session.epoch()
    }

    /// Encrypts a DEK under a fresh nonce.
    pub(super) fn wrap(
        &self,
        dek: &Dek,
        associated: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<WrappedDek, Fault> {
        let mut nonce = [0; 12];
        entropy
            .fill(&mut nonce)
            .map_err(|error| Fault::Unusable(error.to_string()))?;
        let mechanism = Mechanism::AesGcm(GcmParams::new(&mut nonce, associated, TAG_BITS.into())?);
        let sealed = self
            .session()
            .encrypt(&mechanism, self.key, dek.expose_secret())?;
        // Read back only now: an HSM that chooses the nonce itself (CloudHSM) wrote it over ours.
        drop(mechanism);
        let length = nonce.len() + sealed.len();
        WrappedDek::from_bytes([nonce.as_slice(), &sealed].concat()).ok_or_else(|| {
            Fault::Unusable(format!("the token gave {length} bytes for a wrapped key"))
        })
    }

    /// Decrypts what [`wrap`](Self::wrap) made.
    pub(super) fn unwrap(&self, wrapped: &WrappedDek, associated: &[u8]) -> Result<Dek, Fault> {
        let (nonce, sealed) = wrapped
            .as_bytes()
            .split_first_chunk::<12>()
            .ok_or(Fault::Rejected)?;
        let mut nonce = *nonce;
        let mechanism = Mechanism::AesGcm(GcmParams::new(&mut nonce, associated, TAG_BITS.into())?);
        let opened = Zeroizing::new(self.session().decrypt(&mechanism, self.key, sealed)?);
        Dek::from_slice(&opened).ok_or_else(|| {
            Fault::Unusable(format!("the token gave {} bytes for a DEK", opened.len()))
        })
    }

    /// Wraps and unwraps a probe, and gives the wrapped probe.
    pub(super) fn canary(&self, entropy: &dyn Entropy) -> Result<WrappedDek, Fault> {
        let probe = Dek::generate(entropy).map_err(|error| Fault::Unusable(error.to_string()))?;
        let wrapped = self.wrap(&probe, &canary_binding(), entropy)?;
        let opened = self.unwrap(&wrapped, &canary_binding())?;
        if opened.expose_secret() != probe.expose_secret() {
            return Err(Fault::Unusable(
                "the token does not give back what it encrypted".to_owned(),
            ));
        }
        Ok(wrapped)
    }

    /// Whether this is still the key that wrapped the probe, and not another one under its `CKA_ID`.
    pub(super) fn recognise(&self, probe: &WrappedDek) -> Result<(), Fault> {
        match self.unwrap(probe, &canary_binding()) {
            Ok(_) => Ok(()),
            Err(Fault::Rejected | Fault::Ambiguous(_)) => Err(Fault::Unusable(
                "the token holds another key under the KEK's CKA_ID".to_owned(),
            )),
            Err(fault) => Err(fault),
        }
    }
}

/// No binding of a version begins like this.
fn canary_binding() -> Vec<u8> {
    let mut out = Vec::with_capacity(32);
    push_field(&mut out, b"sealring-canary-1");
    out
}

const TAG_BITS: u64 = 128;
