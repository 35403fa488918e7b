//! One token: found by label or serial, logged in to with care for its PIN counter.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, SessionState, UserType};
use cryptoki::slot::{Limit, Slot, TokenInfo};
use cryptoki::types::RawAuthPin;

use crate::entropy::Entropy;
use crate::kek::fault::Fault;
use crate::kek::module::{Lease, Module, OwnSession};
use crate::kek::pin_memory::PinMemory;
use crate::secret::SecretBytes;

/// Which token of a module holds the KEK. Exactly one must match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSelector {
    /// By `CK_TOKEN_INFO.label`, chosen when the token was initialised.
    Label(String),
    /// By `CK_TOKEN_INFO.serialNumber`, given by the manufacturer.
    Serial(String),
}

impl TokenSelector {
    fn matches(&self, info: &TokenInfo) -> bool {
        match self {
            Self::Label(label) => info.label() == label,
            Self::Serial(serial) => info.serial_number() == serial,
        }
    }
}

impl std::fmt::Display for TokenSelector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Label(label) => write!(f, "token labelled {label:?}"),
            Self::Serial(serial) => write!(f, "token with serial number {serial:?}"),
        }
    }
}

/// The token the settings selected. From then on it is known by its serial number, so that another token
/// given the same label later is not taken for it.
pub(super) struct Token {
    module: Arc<Module>,
    selector: TokenSelector,
    serial: String,
    most_sessions: Option<u64>,
    pin: SecretBytes,
    logins: Mutex<Logins>,
}

/// One login at a time, and none after a refusal.
struct Logins {
    memory: PinMemory,
    refused: bool,
}

impl Token {
    /// Finds the one token that matches. Nothing is tried with the PIN yet.
    pub(super) fn find(
        module: Arc<Module>,
        selector: TokenSelector,
        pin: SecretBytes,
        state_dir: &Path,
        entropy: &dyn Entropy,
    ) -> Result<Self, Fault> {
        if pin.is_empty() {
            return Err(Fault::Unusable("the PIN is empty".to_owned()));
        }
        let matching = patiently(&module, || {
            let found = matching(&module.enter(), |info| selector.matches(info))?;
            if found.is_empty() {
                let why = format!("no {selector} is present in the PKCS#11 module");
                return Err(Fault::Device(why));
            }
            Ok(found)
        })?;
        let mut matching = matching.into_iter();
        let (_, info) = matching.next().expect("there is at least one");
        if matching.next().is_some() {
            return Err(Fault::Unusable(format!(
                "more than one {selector} is present; select one by its serial number"
            )));
        }
        let serial = info.serial_number().to_owned();
        let memory = PinMemory::open(state_dir, &serial, entropy)?;
        let most_sessions = match info.max_rw_session_count() {
            Limit::Max(count) => Some(count),
            Limit::Unavailable | Limit::Infinite => None,
        };
        let logins = Mutex::new(Logins {
            memory,
            refused: false,
        });
        Ok(Self {
            module,
            selector,
            serial,
            most_sessions,
            pin,
            logins,
        })
    }

    /// The token as the settings name it.
    pub(super) fn name(&self) -> &TokenSelector {
        &self.selector
    }

    /// How many read-write sessions the token allows, if it says so.
    pub(super) fn most_sessions(&self) -> Option<u64> {
        self.most_sessions
    }

    /// Leave to call the token's module.
    pub(super) fn enter(&self) -> Lease {
        self.module.enter()
    }

    /// A first session, logged in, with the leave to use it. Nobody may have one yet.
    pub(super) fn first_session(&self) -> Result<(Lease, OwnSession), Fault> {
        patiently(&self.module, || {
            let lease = self.enter();
            let session = self.open_session(&lease)?;
            Ok((lease, session))
        })
    }

    /// Restarts the token's module, if it was not since this epoch.
    pub(super) fn restart_module(&self, epoch: u64) -> bool {
        self.module.restart(epoch)
    }

    /// A new session, logged in.
    pub(super) fn open_session(&self, lease: &Lease) -> Result<OwnSession, Fault> {
        let (slot, _) = self
            .looked_for(lease)?
            .ok_or_else(|| Fault::Device(format!("the {} is not present", self.selector)))?;
        let session = lease.open_session(slot)?;
        self.log_in(lease, session.get())?;
        Ok(session)
    }

    /// The token's slot. It is looked for a few times: while another process writes the token's file, SoftHSM cannot say
    /// whose slot it is.
    fn looked_for(&self, lease: &Lease) -> Result<Option<(Slot, TokenInfo)>, Fault> {
        for _ in 1..GLANCES {
            let found = matching(lease, |info| info.serial_number() == self.serial)?;
            if let Some(found) = found.into_iter().next() {
                return Ok(Some(found));
            }
            std::thread::park_timeout(BETWEEN_GLANCES);
        }
        let found = matching(lease, |info| info.serial_number() == self.serial)?;
        Ok(found.into_iter().next())
    }

    /// Logs in, once for all sessions of this process. A PIN the token refused is never tried again,
    /// neither by this process nor by the next.
    pub(super) fn log_in(&self, lease: &Lease, session: &Session) -> Result<(), Fault> {
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        if logins.refused || logins.memory.holds(&self.pin) {
            return Err(self.refused_before(&logins.memory));
        }
        let info = session.get_session_info()?;
        match info.session_state() {
            SessionState::RoUser | SessionState::RwUser => return Ok(()),
            SessionState::RoPublic | SessionState::RwPublic | SessionState::RwSecurityOfficer => {}
        }
        // From here on one process at a time: a wrong PIN is tried once, however many start with it.
        let _turn = logins.memory.turn()?;
        if logins.memory.holds(&self.pin) {
            return Err(self.refused_before(&logins.memory));
        }
        self.check_pin_flags(lease, info.slot_id())?;
        // The crate takes a PIN only as a type of its own; it is wiped after the call.
        let pin = RawAuthPin::new(Box::new(self.pin.expose_secret().to_vec()));
        match session.login_with_raw(UserType::User, &pin) {
            Ok(()) => logins.memory.clear(),
            Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
            Err(error) => Err(self.login_failed(error, &mut logins)),
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "every code that says nothing about the PIN has its class elsewhere"
    )]
    fn login_failed(&self, error: Error, logins: &mut Logins) -> Fault {
        let token = &self.selector;
        let Error::Pkcs11(code, _) = error else {
            return Fault::from(error);
        };
        let outcome = match code {
            RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange => {
                match logins.memory.add(&self.pin) {
                    Ok(()) => "refused the PIN; it will not be tried again".to_owned(),
                    Err(fault) => format!("refused the PIN, which could not be noted: {fault}"),
                }
            }
            // Half read, perhaps: nothing was tried.
            RvError::UserPinNotInitialized => {
                return Fault::Device(format!("the {token} has no user PIN yet"));
            }
            RvError::PinLocked => "has locked its user PIN".to_owned(),
            RvError::PinExpired => "says that the user PIN has expired".to_owned(),
            _ => return Fault::from(error),
        };
        logins.refused = true;
        Fault::Unusable(format!("the {token} {outcome}"))
    }

    /// Refuses to log in where a wrong PIN would lock the token.
    fn check_pin_flags(&self, lease: &Lease, slot: Slot) -> Result<(), Fault> {
        let info = lease.pkcs11().get_token_info(slot)?;
        let token = &self.selector;
        if info.user_pin_locked() {
            return Err(Fault::Unusable(format!(
                "the user PIN of the {token} is locked"
            )));
        }
        if info.user_pin_final_try() {
            return Err(Fault::Unusable(format!(
                "one more wrong PIN would lock the {token}; log in by other means to reset its count"
            )));
        }
        if !info.user_pin_initialized() {
            return Err(Fault::Device(format!("the {token} has no user PIN yet")));
        }
        if info.user_pin_count_low() {
            tracing::warn!(%token, "the token has seen a wrong user PIN since the last login");
        }
        Ok(())
    }

    fn refused_before(&self, memory: &PinMemory) -> Fault {
        Fault::Unusable(format!(
            "the {} refused this PIN before, so it was not tried again (remembered in {})",
            self.selector,
            memory.path().display()
        ))
    }
}

/// The tokens that match.
fn matching(
    lease: &Lease,
    is_meant: impl Fn(&TokenInfo) -> bool,
) -> Result<Vec<(Slot, TokenInfo)>, Fault> {
    let mut found = tokens(lease)?;
    found.retain(|(_, info)| is_meant(info));
    Ok(found)
}

/// Tries again for a moment while the token is not there or fails, with a module that has looked again: SoftHSM reads half a
/// token while another process writes it. For starting: without sessions nobody loses any.
fn patiently<T>(
    module: &Module,
    mut attempt: impl FnMut() -> Result<T, Fault>,
) -> Result<T, Fault> {
    for _ in 1..LOOKS {
        match attempt() {
            // No remedy, and least of all another try with the PIN.
            outcome @ (Ok(_) | Err(Fault::Unusable(_) | Fault::Rejected)) => return outcome,
            Err(
                Fault::Ambiguous(_)
                | Fault::Busy(_)
                | Fault::Device(_)
                | Fault::LoggedOut
                | Fault::Stale(_),
            ) => {}
        }
        std::thread::park_timeout(BETWEEN_LOOKS);
        module.look_again();
    }
    attempt()
}

/// The number of looks for a token that is not there.
const LOOKS: u32 = 10;

/// The pause between two of these looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// The number of looks for a token that was there when a session is opened.
const GLANCES: u32 = 5;

/// The pause between two of these. A token's file is written within a few milliseconds.
const BETWEEN_GLANCES: Duration = Duration::from_millis(20);

/// The slots that answer, with their tokens. One broken reader does not hide the others.
fn tokens(lease: &Lease) -> Result<Vec<(Slot, TokenInfo)>, Fault> {
    let module = lease.pkcs11();
    let slots = module.get_slots_with_token()?;
    let described = slots
        .into_iter()
        .filter_map(|slot| Some((slot, module.get_token_info(slot).ok()?)));
    Ok(described
        .filter(|(_, info)| info.token_initialized())
        .collect())
}
