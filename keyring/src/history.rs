//! What happened to a ring: one event for each change, written in the change's own transaction.

use crate::clock::Timestamp;
use crate::ids::{MountId, RingId};
use crate::name::KeyName;
use crate::version::{Generation, Version};

/// A word that is stored and shown, one for each variant.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident => $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// The word that is stored and shown.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The variant with this word.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words! {
    /// What was done.
    Action {
        /// A backup of the ring was made.
        Backup => "backup",
        /// A version got a certificate.
        Certify => "certify",
        /// A version that was only a public key got its private key.
        Complete => "complete",
        /// The ring's settings changed.
        Configure => "configure",
        /// The ring came to be, with its first version.
        Create => "create",
        /// The ring and all its versions were destroyed.
        Delete => "delete",
        /// A version was added.
        Rotate => "rotate",
        /// The ring was set aside.
        SoftDelete => "soft_delete",
        /// The ring was brought back.
        SoftRestore => "soft_restore",
        /// Old versions were destroyed.
        Trim => "trim",
    }
}

words! {
    /// Why it was done.
    Cause {
        /// The key was agreed with a peer.
        Agreement => "agreement",
        /// Somebody brought the key material.
        Import => "import",
        /// Somebody asked for it.
        Manual => "manual",
        /// A backup was read back.
        Restore => "restore",
        /// The rotation period had passed.
        Timer => "timer",
        /// The version had been used as often as is safe.
        Usage => "usage",
    }
}

/// Who asks for a change, and why; becomes part of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// Who: a token's display name, or `sealring` for what the service does by itself.
    pub actor: String,
    /// The accessor of the token, if there was one; not a secret.
    pub accessor: Option<String>,
    /// The request that asked, if there was one.
    pub request_id: Option<String>,
    /// Why it was done.
    pub cause: Cause,
    /// The caller's own words, at most [`Provenance::MAX_REASON_LEN`] bytes.
    pub reason: Option<String>,
}

impl Provenance {
    /// The longest reason, in bytes.
    pub const MAX_REASON_LEN: usize = 512;

    /// A change the service makes by itself.
    pub fn service(cause: Cause) -> Self {
        Self {
            actor: "sealring".to_owned(),
            accessor: None,
            request_id: None,
            cause,
            reason: None,
        }
    }
}

/// One change of one setting, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingChange {
    /// The setting's name on the wire.
    pub setting: &'static str,
    /// Its value before.
    pub from: String,
    /// Its value after.
    pub to: String,
}

/// One line of a ring's history. Events outlive the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEvent {
    /// When.
    pub at: Timestamp,
    /// The mount the ring is on.
    pub mount: MountId,
    /// The ring's name.
    pub name: KeyName,
    /// The ring itself; a name created again has another.
    pub ring: RingId,
    /// The ring's generation after the change.
    pub generation: Generation,
    /// What was done.
    pub action: Action,
    /// Latest version before (absent at creation); for a trim the oldest version before.
    pub from_version: Option<Version>,
    /// Latest version after (absent at deletion); for a trim the oldest version after.
    pub to_version: Option<Version>,
    /// Changed settings, as a JSON array of `{"setting","from","to"}`; `[]` if none.
    pub settings: String,
    /// Who and why.
    pub by: Provenance,
}

/// The JSON text of [`HistoryEvent::settings`].
pub fn settings_json(changes: &[SettingChange]) -> String {
    let list = changes.iter().map(|change| {
        serde_json::json!({"setting": change.setting, "from": change.from, "to": change.to})
    });
    serde_json::Value::Array(list.collect()).to_string()
}

/// An event with its place in the store's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedEvent {
    /// Grows with every event of the store; the cursor for paging.
    pub sequence: u64,
    /// The event.
    pub event: HistoryEvent,
}
