//! Whole numbers of any size as JSON has them: decimal digits on the outside, big-endian bytes inside, wiped.

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

/// A number that is not negative, as big-endian bytes without leading zeros.
pub(super) struct BigInteger(Zeroizing<Vec<u8>>);

impl BigInteger {
    /// The number these big-endian bytes are.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let significant = bytes.get(zeros..).unwrap_or_default();
        Self(Zeroizing::new(significant.to_vec()))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// `None` unless it is decimal digits only, of a number that some key could have.
    fn parse(digits: &str) -> Option<Self> {
        if digits.is_empty() || digits.len() > MOST_DIGITS {
            return None;
        }
        // In digits to the base 2^32, the least first; a decimal digit is less than half a byte.
        let mut limbs = Zeroizing::new(Vec::with_capacity(digits.len() / 8 + 1));
        for digit in digits.bytes() {
            let digit = char::from(digit).to_digit(10)?;
            multiply_and_add(&mut limbs, 10, digit);
        }
        let bytes: Zeroizing<Vec<u8>> = Zeroizing::new(
            limbs
                .iter()
                .rev()
                .flat_map(|limb| limb.to_be_bytes())
                .collect(),
        );
        Some(Self::from_bytes(&bytes))
    }

    fn digits(&self) -> Zeroizing<String> {
        // In digits to the base 10^9, the least first.
        let mut groups = Zeroizing::new(Vec::with_capacity(self.0.len() / 3 + 1));
        for byte in self.0.iter() {
            multiply_and_add_decimal(&mut groups, 256, u32::from(*byte));
        }
        let mut digits = Zeroizing::new(String::with_capacity(9 * groups.len() + 1));
        let (last, rest) = match groups.split_last() {
            Some((last, rest)) => (*last, rest),
            None => (0, [].as_slice()),
        };
        push_digits(&mut digits, last, last.checked_ilog10().unwrap_or(0) + 1);
        for group in rest.iter().rev() {
            push_digits(&mut digits, *group, 9);
        }
        digits
    }
}

impl Serialize for BigInteger {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digits = self.digits();
        let raw: &RawValue = serde_json::from_str(&digits).map_err(S::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for BigInteger {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Self::parse(raw.get()).ok_or_else(|| D::Error::custom("not a whole number"))
    }
}

fn multiply_and_add(limbs: &mut Vec<u32>, factor: u64, addend: u32) {
    let mut carry = u64::from(addend);
    for limb in limbs.iter_mut() {
        carry += u64::from(*limb) * factor;
        *limb = low_half(carry);
        carry >>= 32;
    }
    if carry > 0 {
        limbs.push(low_half(carry));
    }
}

fn multiply_and_add_decimal(groups: &mut Vec<u32>, factor: u64, addend: u32) {
    let mut carry = u64::from(addend);
    for group in groups.iter_mut() {
        carry += u64::from(*group) * factor;
        *group = low_half(carry % GROUP);
        carry /= GROUP;
    }
    if carry > 0 {
        groups.push(low_half(carry));
    }
}

fn push_digits(digits: &mut String, group: u32, count: u32) {
    for place in (0..count).rev() {
        let digit = group / 10_u32.pow(place) % 10;
        digits.push(char::from_digit(digit, 10).expect("below ten"));
    }
}

fn low_half(value: u64) -> u32 {
    u32::try_from(value & u64::from(u32::MAX)).expect("half of the bits")
}

/// What nine decimal digits count to.
const GROUP: u64 = 1_000_000_000;

/// More digits than a number of 16384 bits has. Reading takes time with the square of them.
const MOST_DIGITS: usize = 5000;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_numbers_are_read_and_written() {
        for (digits, bytes) in [
            ("0", &[][..]),
            ("1", &[1]),
            ("9", &[9]),
            ("10", &[10]),
            ("255", &[255]),
            ("256", &[1, 0]),
            ("65537", &[1, 0, 1]),
            ("999999999", &[0x3b, 0x9a, 0xc9, 0xff]),
            ("1000000000", &[0x3b, 0x9a, 0xca, 0]),
            ("4294967296", &[1, 0, 0, 0, 0]),
            ("18446744073709551616", &[1, 0, 0, 0, 0, 0, 0, 0, 0]),
        ] {
            let number = BigInteger::parse(digits).unwrap();
            assert_eq!(number.as_bytes(), bytes, "{digits}");
            assert_eq!(*number.digits(), digits);
        }
    }

    #[test]
    fn what_is_no_whole_number_is_refused() {
        let long = "1".repeat(MOST_DIGITS + 1);
        for text in ["", "-1", "1.0", "1e3", "\"1\"", "null", "0x1", " 1", &long] {
            assert!(BigInteger::parse(text).is_none(), "{text}");
        }
        assert!(BigInteger::parse(&long[1..]).is_some());
    }

    proptest! {
        #[test]
        fn reading_undoes_writing(bytes in vec(any::<u8>(), 0..600)) {
            let number = BigInteger::from_bytes(&bytes);
            let json = serde_json::to_string(&number).unwrap();
            let read: BigInteger = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(read.as_bytes(), number.as_bytes());
        }
    }
}
