//! What a wrapped key is tied to: the associated data of every wrap, holding only what never changes.

use crate::ids::{KekId, RingId, StoreId};
use crate::version::Version;

/// How a key version came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Made here from random bytes.
    Generated,
    /// Brought by a caller.
    Imported,
    /// Read from a backup.
    Restored,
    /// Agreed with a peer (ECDH).
    Derived,
}

impl Origin {
    const ALL: [Self; 4] = [Self::Generated, Self::Imported, Self::Restored, Self::Derived];

    /// The number in stored rows and bindings.
    pub const fn number(self) -> u8 {
        match self {
            Self::Generated => 1,
            Self::Imported => 2,
            Self::Restored => 3,
            Self::Derived => 4,
        }
    }

    /// The origin with this stored number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|origin| origin.number() == number)
    }
}

/// The place a wrapped key belongs to. A wrap made for one binding does not open under another, so rows
/// cannot be swapped between rings, versions or stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The store the row is in.
    pub store: StoreId,
    /// The ring the version belongs to.
    pub ring: RingId,
    /// The version's number.
    pub version: Version,
    /// [`KeyType::number`](crate::algorithm::KeyType::number), or the number of a store secret's purpose.
    pub key_type: u32,
    /// How the version came to be.
    pub origin: Origin,
    /// The KEK that wraps it.
    pub kek: KekId,
}

impl Binding {
    /// The associated data: each field behind its length (32 bits, big endian), the format's name first.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(160);
        push_field(&mut out, FORMAT);
        push_field(&mut out, self.store.as_bytes());
        push_field(&mut out, self.ring.as_bytes());
        push_field(&mut out, &self.version.number().to_be_bytes());
        push_field(&mut out, &self.key_type.to_be_bytes());
        push_field(&mut out, &[self.origin.number()]);
        push_field(&mut out, self.kek.as_str().as_bytes());
        out
    }
}

/// Appends one field behind its length, so that no two lists of fields encode alike.
pub(crate) fn push_field(out: &mut Vec<u8>, field: &[u8]) {
    let length = u32::try_from(field.len()).expect("no bound field comes near 4 GiB");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(field);
}

const FORMAT: &[u8] = b"sealring-binding-1";
