//! The unlock key in shares (Shamir, 1979): any `threshold` of them give it back, fewer say nothing of it.

use std::convert::Infallible;
use std::fmt;

use blahaj::{Share, Sharks};
use rand_core::{TryCryptoRng, TryRng};
use zeroize::{Zeroize, Zeroizing};

use crate::derive::share_checksum;
use crate::entropy::{Entropy, EntropyError};
use crate::secret::SecretBytes;

/// One person's share: `format(1) || set id(8) || threshold(1) || number(1) || value(32)`, as text behind
/// `sealring-share-1:` in hex together with a checksum of 4 bytes. Wiped on drop; has no `Display`.
pub struct UnlockShare(Box<Zeroizing<[u8; SHARE_LEN]>>);

impl UnlockShare {
    /// Reads what [`expose_text`](Self::expose_text) wrote. Space around it and capital digits are forgiven; one
    /// wrong character is not.
    pub fn parse(text: &str) -> Result<Self, ShareError> {
        let digits = text
            .trim()
            .strip_prefix(PREFIX)
            .ok_or(ShareError::Malformed)?;
        let mut bytes = Zeroizing::new([0; SHARE_LEN + CHECKSUM_LEN]);
        read_hex(digits.as_bytes(), bytes.as_mut_slice())?;
        let (share, checksum) = bytes
            .split_last_chunk::<CHECKSUM_LEN>()
            .ok_or(ShareError::Malformed)?;
        if share_checksum(share) != *checksum {
            return Err(ShareError::Mistyped);
        }
        let mut own = Self(Box::new(Zeroizing::new([0; SHARE_LEN])));
        own.0.copy_from_slice(share);
        let [format, ..] = **own.0;
        if format != FORMAT || own.number() == 0 || own.threshold() == 0 {
            return Err(ShareError::Malformed);
        }
        Ok(own)
    }

    /// The share as text for its holder. Who shows a share is a grep for this name.
    pub fn expose_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(
            PREFIX.len() + 2 * (SHARE_LEN + CHECKSUM_LEN),
        ));
        text.push_str(PREFIX);
        for byte in self.0.iter().chain(&share_checksum(self.0.as_slice())) {
            text.push(hex_digit(byte >> 4));
            text.push(hex_digit(byte & 0x0f));
        }
        text
    }

    /// The set this share was made with; shares of different sets do not combine.
    pub fn set(&self) -> [u8; SET_LEN] {
        let [_, set @ .., _, _] = self.header();
        set
    }

    /// How many shares of the set give the key back.
    pub fn threshold(&self) -> u8 {
        let [.., threshold, _] = self.header();
        threshold
    }

    /// Which share of the set this is, from 1.
    pub fn number(&self) -> u8 {
        let [.., number] = self.header();
        number
    }

    fn new(set: [u8; SET_LEN], threshold: u8, share: &Share) -> Self {
        let mut own = Self(Box::new(Zeroizing::new([0; SHARE_LEN])));
        // The library's form is the number and then the value, as here.
        let numbered = Zeroizing::new(Vec::from(share));
        let fields = [FORMAT]
            .into_iter()
            .chain(set)
            .chain([threshold])
            .chain(numbered.iter().copied());
        own.0
            .iter_mut()
            .zip(fields)
            .for_each(|(place, byte)| *place = byte);
        own
    }

    fn header(&self) -> [u8; HEADER_LEN] {
        *self
            .0
            .first_chunk()
            .expect("a share begins with its header")
    }

    /// The library's form.
    fn point(&self) -> Result<Share, ShareError> {
        let numbered = self.0.get(HEADER_LEN - 1..).unwrap_or_default();
        Share::try_from(numbered).map_err(|_| ShareError::Malformed)
    }
}

impl fmt::Debug for UnlockShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UnlockShare(..)")
    }
}

/// Cuts the unlock key into this many shares, of which `threshold` give it back. One share of one is the key
/// itself behind a header; of several shares, at least two are needed.
pub fn split(
    unlock_key: &[u8; KEY_LEN],
    shares: u8,
    threshold: u8,
    entropy: &dyn Entropy,
) -> Result<Vec<UnlockShare>, SplitError> {
    let sensible = 1 <= threshold && threshold <= shares && (threshold > 1 || shares == 1);
    if !sensible {
        return Err(SplitError::Threshold);
    }
    let mut set = [0; SET_LEN];
    entropy.fill(&mut set)?;
    let mut coefficients = Coefficients {
        entropy,
        failed: false,
    };
    let dealer = Sharks(threshold).dealer_rng(unlock_key, &mut coefficients);
    let dealt = dealer
        .take(shares.into())
        .map(|share| UnlockShare::new(set, threshold, &share))
        .collect();
    if coefficients.failed {
        Err(SplitError::Entropy(EntropyError))
    } else {
        Ok(dealt)
    }
}

/// The unlock key from shares of one set. A share given twice counts once. Whether the key is right shows when
/// it opens something: wrong shares with right checksums give a wrong key.
pub fn combine(shares: &[UnlockShare]) -> Result<SecretBytes, ShareError> {
    let first = shares.first().ok_or(ShareError::TooFew)?;
    let (set, threshold) = (first.set(), first.threshold());
    let mut points = Vec::with_capacity(shares.len());
    for (index, share) in shares.iter().enumerate() {
        if (share.set(), share.threshold()) != (set, threshold) {
            return Err(ShareError::OtherSet);
        }
        let repeated = shares
            .iter()
            .take(index)
            .any(|earlier| earlier.number() == share.number());
        if !repeated {
            points.push(share.point()?);
        }
    }
    Sharks(threshold)
        .recover(&points)
        .map(SecretBytes::new)
        .map_err(|_| ShareError::TooFew)
}

/// Why a share, or a set of them, gives no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// Not a share's prefix, length, digits or format.
    #[error("not an unlock share")]
    Malformed,
    /// The checksum does not match: a character is wrong.
    #[error("the unlock share has a typing error")]
    Mistyped,
    /// The shares were not all made by one split.
    #[error("the unlock share belongs to another set")]
    OtherSet,
    /// More different shares are needed.
    #[error("more unlock shares are needed")]
    TooFew,
}

/// Why a key was not split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// There was no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The threshold is zero, above the number of shares, or one for several shares.
    #[error("the threshold must be from 2 to the number of shares, or 1 of 1")]
    Threshold,
}

/// Draws the polynomials' coefficients straight from the kernel. The library has no way to fail, so a failure
/// is remembered and what was dealt after it thrown away.
struct Coefficients<'a> {
    entropy: &'a dyn Entropy,
    failed: bool,
}

impl TryRng for Coefficients<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, buffer: &mut [u8]) -> Result<(), Infallible> {
        if self.entropy.fill(buffer).is_err() {
            buffer.zeroize();
            self.failed = true;
        }
        Ok(())
    }
}

impl TryCryptoRng for Coefficients<'_> {}

fn read_hex(digits: &[u8], out: &mut [u8]) -> Result<(), ShareError> {
    if digits.len() != 2 * out.len() {
        return Err(ShareError::Malformed);
    }
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = 0;
        for digit in pair {
            let value = char::from(*digit)
                .to_digit(16)
                .and_then(|value| u8::try_from(value).ok());
            *byte = *byte << 4 | value.ok_or(ShareError::Malformed)?;
        }
    }
    Ok(())
}

fn hex_digit(value: u8) -> char {
    char::from_digit(value.into(), 16).unwrap_or('?')
}

const PREFIX: &str = "sealring-share-1:";
const FORMAT: u8 = 1;
const SET_LEN: usize = 8;
const HEADER_LEN: usize = 1 + SET_LEN + 1 + 1;
const KEY_LEN: usize = 32;
const SHARE_LEN: usize = HEADER_LEN + KEY_LEN;
const CHECKSUM_LEN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    #[test]
    fn any_threshold_of_the_shares_gives_the_key_back() {
        let key = [42; KEY_LEN];
        for (shares, threshold) in [(1, 1), (2, 2), (3, 2), (5, 3), (255, 2), (20, 20)] {
            let dealt = split(&key, shares, threshold, &SystemEntropy).unwrap();
            assert_eq!(dealt.len(), usize::from(shares));
            let needed = usize::from(threshold);
            for chosen in [&dealt[..needed], &dealt[dealt.len() - needed..], &dealt] {
                assert_eq!(
                    combine(chosen).unwrap().expose_secret(),
                    key,
                    "{threshold} of {shares}"
                );
            }
            let too_few = combine(&dealt[..needed - 1]).map(|_| ());
            assert_eq!(too_few, Err(ShareError::TooFew));
        }
    }

    #[test]
    fn all_255_shares_can_be_needed() {
        let dealt = split(&[42; KEY_LEN], 255, 255, &SystemEntropy).unwrap();
        assert_eq!(combine(&dealt).unwrap().expose_secret(), [42; KEY_LEN]);
        assert_eq!(combine(&dealt[1..]).map(|_| ()), Err(ShareError::TooFew));
    }

    #[test]
    fn a_threshold_that_makes_no_sense_is_refused() {
        for (shares, threshold) in [(0, 0), (1, 0), (0, 1), (1, 2), (5, 6), (5, 1), (255, 0)] {
            let dealt = split(&[42; KEY_LEN], shares, threshold, &SystemEntropy).map(|_| ());
            assert_eq!(dealt, Err(SplitError::Threshold), "{threshold} of {shares}");
        }
    }

    #[test]
    fn a_share_survives_its_text() {
        let dealt = split(&[42; KEY_LEN], 3, 2, &SystemEntropy).unwrap();
        for (share, number) in dealt.iter().zip(1..) {
            let read = UnlockShare::parse(&share.expose_text()).unwrap();
            assert_eq!(read.expose_text(), share.expose_text());
            assert_eq!(
                (read.set(), read.threshold(), read.number()),
                (dealt[0].set(), 2, number)
            );
        }
    }

    #[test]
    fn any_one_wrong_digit_is_noticed() {
        let dealt = split(&[42; KEY_LEN], 1, 1, &SystemEntropy).unwrap();
        let text = dealt[0].expose_text();
        for at in PREFIX.len()..text.len() {
            for digit in "0123456789abcdef".chars() {
                let mut wrong = text.to_string();
                wrong.replace_range(at..=at, digit.encode_utf8(&mut [0; 4]));
                let expected = if wrong == *text {
                    Ok(())
                } else {
                    Err(ShareError::Mistyped)
                };
                assert_eq!(UnlockShare::parse(&wrong).map(|_| ()), expected);
            }
        }
    }

    #[test]
    fn shares_of_two_sets_do_not_combine() {
        let [mut one, other] =
            [(); 2].map(|()| split(&[42; KEY_LEN], 2, 2, &SystemEntropy).unwrap());
        one.truncate(1);
        one.extend(other);
        assert_eq!(combine(&one).map(|_| ()), Err(ShareError::OtherSet));
        assert_eq!(combine(&[]).map(|_| ()), Err(ShareError::TooFew));
    }

    #[test]
    fn without_randomness_nothing_is_dealt() {
        // Enough for the set's id and the first coefficients.
        let entropy = Ending(std::sync::Mutex::new(SET_LEN + 100));
        let dealt = split(&[42; KEY_LEN], 3, 2, &entropy).map(|_| ());
        assert_eq!(dealt, Err(SplitError::Entropy(EntropyError)));
    }

    #[test]
    fn a_share_does_not_print() {
        let dealt = split(&[42; KEY_LEN], 1, 1, &SystemEntropy).unwrap();
        assert_eq!(format!("{dealt:?}"), "[UnlockShare(..)]");
    }

    /// Gives this many bytes and no more.
    #[derive(Debug)]
    struct Ending(std::sync::Mutex<usize>);

    impl Entropy for Ending {
        fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError> {
            let mut left = self.0.lock().unwrap();
            *left = left.checked_sub(buffer.len()).ok_or(EntropyError)?;
            SystemEntropy.fill(buffer)
        }

        fn fill_repeatable(&self, _: &mut [u8]) {}
    }
}
