//! Ids that look like UUIDs and carry a keyed check, so that a flood of invented ones costs no query.

use keyring::entropy::{Entropy, EntropyError};
use keyring::secret::SecretBytes;
use uuid::Uuid;

/// What an id is for. One is never taken for another: the purpose is part of what is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Names a role to those who log in with it.
    RoleId,
    /// Proves that somebody may log in with a role.
    SecretId,
}

impl Purpose {
    const fn word(self) -> &'static [u8] {
        match self {
            Self::RoleId => b"approle role id\0",
            Self::SecretId => b"approle secret id\0",
        }
    }
}

/// A new id: 96 random bits and 32 bits of their check, which only this store can compute, spelled as a UUID.
pub fn generate(
    purpose: Purpose,
    check: impl Fn(&[u8]) -> [u8; 5],
    entropy: &dyn Entropy,
) -> Result<SecretBytes, EntropyError> {
    let random = SecretBytes::generate(RANDOM_LEN, entropy)?;
    let mut bytes = [0; 16];
    let tail = tail(purpose, &check, random.expose_secret());
    for (to, from) in bytes
        .iter_mut()
        .zip(random.expose_secret().iter().chain(&tail))
    {
        *to = *from;
    }
    let mut text = vec![0; uuid::fmt::Hyphenated::LENGTH];
    Uuid::from_bytes(bytes).hyphenated().encode_lower(&mut text);
    zeroize::Zeroize::zeroize(&mut bytes);
    Ok(SecretBytes::new(text))
}

/// Whether this store may have generated this id. What somebody chose or invented has one chance in 2^32.
pub fn is_generated(purpose: Purpose, check: impl Fn(&[u8]) -> [u8; 5], text: &str) -> bool {
    if text.len() != uuid::fmt::Hyphenated::LENGTH {
        return false;
    }
    let Ok(id) = Uuid::try_parse(text) else {
        return false;
    };
    let (random, claimed) = id.as_bytes().split_at(RANDOM_LEN);
    let expected = tail(purpose, &check, random);
    // What is compared is no secret of its own, and an early end tells nobody more than a lucky guess does.
    claimed == expected
}

fn tail(purpose: Purpose, check: &impl Fn(&[u8]) -> [u8; 5], random: &[u8]) -> [u8; 4] {
    let mut input = purpose.word().to_vec();
    input.extend_from_slice(random);
    let [a, b, c, d, _] = check(&input);
    zeroize::Zeroize::zeroize(&mut input);
    [a, b, c, d]
}

const RANDOM_LEN: usize = 12;

#[cfg(test)]
mod tests {
    use keyring::entropy::SystemEntropy;

    use super::*;

    /// Stands in for a keyed hash.
    fn check(text: &[u8]) -> [u8; 5] {
        text.iter().fold([7; 5], |[a, b, c, d, e], byte| {
            [
                b ^ byte,
                c.wrapping_mul(31) ^ byte,
                d.rotate_left(3),
                e.wrapping_add(*byte),
                a,
            ]
        })
    }

    fn id(purpose: Purpose) -> String {
        let id = generate(purpose, check, &SystemEntropy).unwrap();
        String::from_utf8(id.expose_secret().to_vec()).unwrap()
    }

    #[test]
    fn what_was_generated_is_known_and_looks_like_a_uuid() {
        for purpose in [Purpose::RoleId, Purpose::SecretId] {
            let id = id(purpose);
            assert!(Uuid::parse_str(&id).is_ok() && id.len() == 36);
            assert!(is_generated(purpose, check, &id));
        }
        let other = id(Purpose::RoleId);
        assert!(!is_generated(Purpose::SecretId, check, &other));
    }

    #[test]
    fn a_changed_digit_and_another_spelling_are_not_known() {
        let id = id(Purpose::SecretId);
        let mut unknown = 0;
        for (at, digit) in id.char_indices().filter(|(_, digit)| *digit != '-') {
            let other = if digit == '0' { "1" } else { "0" };
            let mut changed = id.clone();
            changed.replace_range(at..=at, other);
            unknown += u32::from(!is_generated(Purpose::SecretId, check, &changed));
        }
        assert_eq!(unknown, 32);
        for text in [
            "",
            "my-secret",
            &id.replace('-', ""),
            &format!("{{{id}}}"),
            &id.repeat(2),
        ] {
            assert!(!is_generated(Purpose::SecretId, check, text), "{text}");
        }
    }
}
