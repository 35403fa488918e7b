//! Lower-case hex for ids and small files.

use std::fmt::Write as _;

use zeroize::Zeroizing;

/// The bytes as hex digits. The text is wiped on drop, since it may spell a key.
pub(super) fn encode(bytes: &[u8]) -> Zeroizing<String> {
    // The right capacity at once: growing would leave copies of a key behind.
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() * 2));
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
    }
    text
}

/// The 32 bytes these 64 lower-case hex digits spell; `None` for anything else.
pub(super) fn decode_32(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut bytes = Zeroizing::new([0; 32]);
    if text.len() != bytes.len() * 2 {
        return None;
    }
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = (digit(*high)? << 4) | digit(*low)?;
    }
    Some(bytes)
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}
