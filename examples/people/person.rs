//! Made-up people. The same number gives the same person each time.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

/// One person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Person {
    /// Given and family name; stays in the clear, so that the table can be searched by it.
    pub(crate) name: String,
    email: String,
    national_id: String,
    card_number: String,
    notes: String,
}

impl Person {
    /// The person of this number.
    pub(crate) fn number(number: u32) -> Self {
        let mut random = StdRng::seed_from_u64(SEED ^ u64::from(number));
        let given = pick(&mut random, &GIVEN_NAMES);
        let family = pick(&mut random, &FAMILY_NAMES);
        let (greeting, remark) = (pick(&mut random, &GREETINGS), pick(&mut random, &REMARKS));
        Self {
            name: format!("{given} {family}"),
            email: format!("person.{number}.{:04x}@example.com", random.random::<u16>()),
            national_id: with_mod_11_10(digits(&mut random, "", 10)),
            card_number: with_luhn(digits(&mut random, "400000", 15)),
            notes: format!("{greeting} {given} {family}: {remark} (№ {number})"),
        }
    }

    /// What is encrypted, in the order of [`COLUMNS`].
    pub(crate) fn columns(&self) -> [String; 4] {
        let columns = [
            &self.email,
            &self.national_id,
            &self.card_number,
            &self.notes,
        ];
        columns.map(Clone::clone)
    }
}

/// The encrypted columns.
pub(crate) const COLUMNS: [&str; 4] = ["email", "national_id", "card_number", "notes"];

fn pick(random: &mut StdRng, texts: &[&'static str]) -> &'static str {
    texts.choose(random).copied().unwrap_or("-")
}

fn digits(random: &mut StdRng, prefix: &str, length: usize) -> String {
    let mut number = prefix.to_owned();
    while number.len() < length {
        number.push(char::from(b'0' + random.random_range(0..10)));
    }
    number
}

/// Adds the check digit of payment cards (ISO/IEC 7812-1, Luhn).
fn with_luhn(mut number: String) -> String {
    let sum: u32 = values(&number)
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, digit) {
            (0, 5..) => digit * 2 - 9,
            (0, _) => digit * 2,
            (_, _) => digit,
        })
        .sum();
    push_digit(&mut number, (10 - sum % 10) % 10);
    number
}

/// Adds the check digit of ISO 7064 MOD 11,10, which several national ids use.
fn with_mod_11_10(mut number: String) -> String {
    let product = values(&number).fold(10, |product, digit| {
        let sum = match (product + digit) % 10 {
            0 => 10,
            sum => sum,
        };
        sum * 2 % 11
    });
    push_digit(&mut number, (11 - product) % 10);
    number
}

fn values(number: &str) -> impl DoubleEndedIterator<Item = u32> {
    number.chars().filter_map(|digit| digit.to_digit(10))
}

fn push_digit(number: &mut String, digit: u32) {
    number.extend(char::from_digit(digit, 10));
}

const SEED: u64 = 0x0070_656f_706c_6500;

const GIVEN_NAMES: [&str; 16] = [
    "Zoë",
    "Łukasz",
    "Anaïs",
    "Søren",
    "Björk",
    "Agnieszka",
    "José",
    "Ngọc",
    "Mohammed",
    "Иван",
    "Ελένη",
    "さくら",
    "Siobhán",
    "Çağla",
    "John",
    "Mary",
];

const FAMILY_NAMES: [&str; 16] = [
    "Müller",
    "Żółć",
    "O’Brien",
    "Nguyễn",
    "García",
    "Øster",
    "Þórsdóttir",
    "Smith",
    "Иванова",
    "Παπαδοπούλου",
    "佐藤",
    "Kovács",
    "Šimková",
    "Yılmaz",
    "d’Étaples",
    "Jones",
];

const GREETINGS: [&str; 6] = ["Dear", "Chère", "Дорогая", "Kære", "親愛なる", "Αγαπητή"];

const REMARKS: [&str; 6] = [
    "prefers a call after six ☎",
    "œuvre reçue, à relire",
    "aðgangur veittur 🔑",
    "доставка в субботу",
    "領収書を送る",
    "Grüße an die Straße der 👩‍🔬",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_always_the_same_person() {
        assert_eq!(Person::number(7), Person::number(7));
        assert_ne!(Person::number(7), Person::number(8));
    }

    #[test]
    fn check_digits_are_those_of_the_standards() {
        assert_eq!(with_luhn("7992739871".to_owned()), "79927398713");
        assert_eq!(with_luhn("411111111111111".to_owned()), "4111111111111111");
        assert_eq!(with_mod_11_10("0794".to_owned()), "07945");
        assert_eq!(with_mod_11_10("8609574271".to_owned()), "86095742719");
    }

    #[test]
    fn notes_are_not_ascii() {
        assert!((1..100).all(|number| !Person::number(number).notes.is_ascii()));
    }
}
