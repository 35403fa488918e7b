//! A KEK in a PKCS#11 token.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cryptoki::session::Session;
use tokio::sync::oneshot;

use crate::binding::Binding;
use crate::entropy::Entropy;
use crate::ids::KekId;
use crate::kek::breaker::Breaker;
use crate::kek::connection::Connection;
use crate::kek::fault::Fault;
use crate::kek::module::Module;
use crate::kek::sessions::{Sessions, Shared, Stop, spawn};
use crate::kek::token::Token;
use crate::kek::{Kek, KekError, KekSetupError, WrappedDek, hex, key_object};
use crate::secret::{Dek, SecretBytes};

pub use crate::kek::token::TokenSelector;

/// Where the KEK is and how to reach it.
#[derive(Debug)]
pub struct Pkcs11Settings {
    /// The module's shared library, by its absolute path.
    pub module: PathBuf,
    /// The token in it.
    pub token: TokenSelector,
    /// The user PIN.
    pub pin: SecretBytes,
    /// The key's `CKA_ID`: what names the KEK, 1 to 124 bytes.
    pub key_id: Vec<u8>,
    /// `CKA_LABEL` of a key about to be made; for people, never searched for.
    pub label: Option<String>,
    /// How many calls the token gets at a time. One more session keeps the login alive.
    pub session_threads: NonZeroUsize,
    /// The longest a caller waits for one call.
    pub call_deadline: Duration,
    /// A directory that outlives the process, for the memory of refused PINs.
    pub state_dir: PathBuf,
}

impl Pkcs11Settings {
    /// Two session threads, a deadline of two seconds, no label.
    pub fn new(
        module: PathBuf,
        token: TokenSelector,
        pin: SecretBytes,
        key_id: Vec<u8>,
        state_dir: PathBuf,
    ) -> Self {
        Self {
            module,
            token,
            pin,
            key_id,
            label: None,
            session_threads: NonZeroUsize::MIN.saturating_add(1),
            call_deadline: Duration::from_secs(2),
            state_dir,
        }
    }
}

/// Where the KEK came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// The token held it already.
    Adopted,
    /// It was made just now.
    Created,
}

/// A KEK that never leaves its token. Calls go to a few threads that own the sessions.
pub struct Pkcs11Kek {
    id: KekId,
    sessions: Sessions,
}

impl Pkcs11Kek {
    /// Finds the KEK, checks that it is guarded as it must be, and proves that it works. Needs a tokio runtime
    /// with timers.
    pub async fn open(
        settings: Pkcs11Settings,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, KekSetupError> {
        let (kek, _) = Self::set_up(settings, entropy, Absent::Refuse).await?;
        Ok(kek)
    }

    /// As [`open`](Self::open), but makes the key if the token has none with this `CKA_ID`.
    pub async fn create_or_adopt(
        settings: Pkcs11Settings,
        entropy: Arc<dyn Entropy>,
    ) -> Result<(Self, Provenance), KekSetupError> {
        Self::set_up(settings, entropy, Absent::Create).await
    }

    /// Ends the session threads and logs out; a call in progress is given its deadline. Dropping does the
    /// same, but blocks the thread it happens on. One of both must happen before the process ends.
    pub async fn close(self) {
        // The task can only fail by panicking, and then the KEK is closed too.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }

    async fn set_up(
        settings: Pkcs11Settings,
        entropy: Arc<dyn Entropy>,
        absent: Absent,
    ) -> Result<(Self, Provenance), KekSetupError> {
        let id = kek_id(&settings.key_id)?;
        let (reply, answer) = oneshot::channel();
        // If nobody waits for the outcome any more, dropping it closes the sessions.
        let thread = spawn("kek-setup", move || {
            drop(reply.send(prove(settings, entropy, absent)));
        })?;
        let outcome = tokio::time::timeout(SETUP_DEADLINE, answer).await;
        if outcome.is_ok() {
            // It is about to end; a caller that exits at once must not overtake it.
            let _ = thread.join();
        }
        match outcome {
            Ok(Ok(outcome)) => {
                outcome.map(|(sessions, provenance)| (Self { id, sessions }, provenance))
            }
            Ok(Err(_)) => Err(KekSetupError(
                "the PKCS#11 module ended the thread that called it".to_owned(),
            )),
            Err(_) => {
                let seconds = SETUP_DEADLINE.as_secs();
                Err(KekSetupError(format!(
                    "the PKCS#11 module did not answer within {seconds} s"
                )))
            }
        }
    }
}

#[async_trait]
impl Kek for Pkcs11Kek {
    fn id(&self) -> &KekId {
        &self.id
    }

    async fn wrap_dek(&self, dek: &Dek, binding: &Binding) -> Result<WrappedDek, KekError> {
        let copy = Dek::from_slice(dek.expose_secret()).expect("a DEK has the length of a DEK");
        self.sessions.wrap(copy, binding.encode()).await
    }

    async fn unwrap_dek(&self, wrapped: &WrappedDek, binding: &Binding) -> Result<Dek, KekError> {
        self.sessions
            .unwrap(wrapped.clone(), binding.encode())
            .await
    }
}

impl fmt::Debug for Pkcs11Kek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pkcs11Kek")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What to do when no object has the `CKA_ID`.
#[derive(Clone, Copy)]
enum Absent {
    Create,
    Refuse,
}

/// All of start-up that talks to the module, on a thread of its own.
fn prove(
    settings: Pkcs11Settings,
    entropy: Arc<dyn Entropy>,
    absent: Absent,
) -> Result<(Sessions, Provenance), KekSetupError> {
    let Pkcs11Settings {
        module,
        token,
        pin,
        key_id,
        label,
        session_threads,
        call_deadline,
        state_dir,
    } = settings;
    let module = Module::load(&module)?;
    let token = Token::find(module, token, pin, &state_dir, entropy.as_ref())?;
    let threads = affordable(&token, session_threads)?;
    let (lease, session) = token.first_session()?;
    let provenance = ensure_key(&token, session.get(), &key_id, label.as_deref(), absent)?;
    let [key] = key_object::find(session.get(), &key_id)?
        .try_into()
        .map_err(|found: Vec<_>| {
            let (name, count, id) = (token.name(), found.len(), hex::encode(&key_id));
            KekSetupError(format!(
                "the {name} holds {count} keys with CKA_ID {}, not one",
                id.as_str()
            ))
        })?;
    key_object::verify(session.get(), key)?;
    let connection = Connection::new(session, key);
    let probe = connection.canary(entropy.as_ref()).map_err(|fault| {
        KekSetupError(format!(
            "the KEK does not encrypt and decrypt a probe: {fault}"
        ))
    })?;
    drop(lease);
    let (breaker, stop) = (Breaker::default(), Stop::default());
    let shared = Shared {
        token,
        key_id,
        probe,
        entropy,
        breaker,
        stop,
    };
    let sessions = Sessions::start(shared, connection, threads, call_deadline)?;
    Ok((sessions, provenance))
}

fn ensure_key(
    token: &Token,
    session: &Session,
    id: &[u8],
    label: Option<&str>,
    absent: Absent,
) -> Result<Provenance, Fault> {
    if !key_object::find(session, id)?.is_empty() {
        return Ok(Provenance::Adopted);
    }
    match absent {
        Absent::Create => {
            key_object::generate(session, id, label)?;
            // SoftHSM syncs nothing when it makes an object; a KEK must survive the loss of power.
            rustix::fs::sync();
            Ok(Provenance::Created)
        }
        Absent::Refuse => {
            let (name, id) = (token.name(), hex::encode(id));
            Err(Fault::Unusable(format!(
                "the {name} holds no secret key with CKA_ID {}",
                id.as_str()
            )))
        }
    }
}

/// As many session threads as wished, if the token allows so many sessions beside the one that stays.
fn affordable(token: &Token, wished: NonZeroUsize) -> Result<NonZeroUsize, KekSetupError> {
    let Some(most) = token.most_sessions() else {
        return Ok(wished);
    };
    let beside = usize::try_from(most)
        .unwrap_or(usize::MAX)
        .saturating_sub(1);
    let beside = NonZeroUsize::new(beside).ok_or_else(|| {
        KekSetupError(format!(
            "the {} allows {most} sessions; two are needed",
            token.name()
        ))
    })?;
    Ok(wished.min(beside))
}

fn kek_id(key_id: &[u8]) -> Result<KekId, KekSetupError> {
    let text = format!("pkcs11:{}", hex::encode(key_id).as_str());
    let id = if key_id.is_empty() {
        None
    } else {
        KekId::parse(&text)
    };
    id.ok_or_else(|| {
        KekSetupError(format!(
            "a CKA_ID of {} bytes cannot name a KEK (1 to 124)",
            key_id.len()
        ))
    })
}

/// Loading and logging in may be far slower than a call; nobody waits for them but the operator.
const SETUP_DEADLINE: Duration = Duration::from_secs(30);
