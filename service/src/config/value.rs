//! Values as they are written, and the forms they can have: numbers, durations, sizes, names, lists.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use data_encoding::HEXLOWER_PERMISSIVE;
use ipnet::IpNet;
use keyring::algorithm::CipherType;
use keyring::secret::SecretBytes;

/// One value as it was written. The environment has only text, which may spell any form.
pub enum Value {
    /// A boolean of the file.
    Boolean(bool),
    /// Text of the environment.
    Environment(String),
    /// An integer of the file.
    Integer(i64),
    /// A list of strings of the file.
    List(Vec<String>),
    /// A string of the file.
    Text(String),
}

impl Value {
    /// The value in a file; `None` for forms that no setting has.
    pub fn from_toml(value: toml::Value) -> Option<Self> {
        match value {
            toml::Value::Boolean(value) => Some(Self::Boolean(value)),
            toml::Value::Integer(value) => Some(Self::Integer(value)),
            toml::Value::String(value) => Some(Self::Text(value)),
            toml::Value::Array(values) => {
                let texts = values.into_iter().map(|value| match value {
                    toml::Value::String(text) => Some(text),
                    toml::Value::Array(_)
                    | toml::Value::Boolean(_)
                    | toml::Value::Datetime(_)
                    | toml::Value::Float(_)
                    | toml::Value::Integer(_)
                    | toml::Value::Table(_) => None,
                });
                texts.collect::<Option<Vec<_>>>().map(Self::List)
            }
            toml::Value::Datetime(_) | toml::Value::Float(_) | toml::Value::Table(_) => None,
        }
    }

    /// The text as a secret, or the reason why it is none.
    pub fn into_secret(self) -> Result<SecretBytes, String> {
        match self {
            Self::Environment(text) | Self::Text(text) => Ok(SecretBytes::new(text.into_bytes())),
            Self::Boolean(_) | Self::Integer(_) | Self::List(_) => {
                Err("must be a string".to_owned())
            }
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Environment(text) | Self::Text(text) => Some(text),
            Self::Boolean(_) | Self::Integer(_) | Self::List(_) => None,
        }
    }

    /// The entries of a list; the environment separates them by commas.
    fn list(&self) -> Option<Vec<&str>> {
        match self {
            Self::Environment(text) => Some(text.split(',').map(str::trim).collect()),
            Self::List(texts) => Some(texts.iter().map(String::as_str).collect()),
            Self::Boolean(_) | Self::Integer(_) | Self::Text(_) => None,
        }
    }

    fn unsigned(&self) -> Option<u64> {
        match self {
            Self::Integer(value) => u64::try_from(*value).ok(),
            Self::Environment(text) => text.parse().ok(),
            Self::Boolean(_) | Self::List(_) | Self::Text(_) => None,
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value(..)")
    }
}

/// A form that a setting's value can have.
pub trait FromValue: Sized {
    /// The form in words, to follow "must be".
    const FORM: &'static str;

    /// The value, if it has this form.
    fn from_value(value: &Value) -> Option<Self>;
}

/// A bound as it is written in a configuration.
pub trait Show {
    /// The text.
    fn show(&self) -> String;
}

impl FromValue for bool {
    const FORM: &'static str = "true or false";

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Boolean(value) => Some(*value),
            Value::Environment(text) => text.parse().ok(),
            Value::Integer(_) | Value::List(_) | Value::Text(_) => None,
        }
    }
}

macro_rules! unsigned {
    ($($number:ty),+) => {$(
        impl FromValue for $number {
            const FORM: &'static str = "a whole number, not negative";

            fn from_value(value: &Value) -> Option<Self> {
                value.unsigned()?.try_into().ok()
            }
        }

        impl Show for $number {
            fn show(&self) -> String {
                self.to_string()
            }
        }
    )+};
}

unsigned!(u32, u64, usize);

impl FromValue for String {
    const FORM: &'static str = "a string that is not empty";

    fn from_value(value: &Value) -> Option<Self> {
        let text = value.text()?;
        (!text.is_empty()).then(|| text.to_owned())
    }
}

impl FromValue for PathBuf {
    const FORM: &'static str = "a path";

    fn from_value(value: &Value) -> Option<Self> {
        String::from_value(value).map(Self::from)
    }
}

impl FromValue for SocketAddr {
    const FORM: &'static str = "an address and port like 127.0.0.1:8200 or [::1]:8200";

    fn from_value(value: &Value) -> Option<Self> {
        value.text()?.parse().ok()
    }
}

impl FromValue for Vec<IpNet> {
    const FORM: &'static str =
        "a list of addresses and networks like [\"127.0.0.1\", \"10.0.0.0/8\"]";

    fn from_value(value: &Value) -> Option<Self> {
        let network = |text: &str| {
            let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
            text.parse().ok().or_else(address)
        };
        value.list()?.into_iter().map(network).collect()
    }
}

/// Who may use a file, as `chmod` takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileMode(pub u32);

impl FromValue for FileMode {
    const FORM: &'static str =
        "a mode that lets its owner read and write, and nobody execute, like \"0660\"";

    fn from_value(value: &Value) -> Option<Self> {
        let mode = u32::from_str_radix(value.text()?, 8).ok()?;
        (mode & 0o600 == 0o600 && mode & !0o666 == 0).then_some(Self(mode))
    }
}

impl FromValue for Duration {
    const FORM: &'static str = "a duration like \"250ms\", \"60s\", \"10m\", \"1h\" or \"30d\"";

    fn from_value(value: &Value) -> Option<Self> {
        let (number, unit) = number_and_unit(value.text()?)?;
        let millis = match unit {
            "ms" => Some(number),
            "s" => number.checked_mul(1_000),
            "m" => number.checked_mul(60_000),
            "h" => number.checked_mul(3_600_000),
            "d" => number.checked_mul(86_400_000),
            _ => None,
        };
        millis.map(Self::from_millis)
    }
}

impl Show for Duration {
    fn show(&self) -> String {
        let millis = self.as_millis();
        [
            ("d", 86_400_000),
            ("h", 3_600_000),
            ("m", 60_000),
            ("s", 1_000),
        ]
        .into_iter()
        .find(|(_, unit)| millis > 0 && millis.is_multiple_of(*unit))
        .map_or_else(
            || format!("{millis}ms"),
            |(name, unit)| format!("{}{name}", millis / unit),
        )
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl FromValue for Size {
    const FORM: &'static str = "a number of bytes, or a size like \"64KiB\", \"32MiB\" or \"1GiB\"";

    fn from_value(value: &Value) -> Option<Self> {
        if let Some(bytes) = value.unsigned() {
            return Some(Self(bytes));
        }
        let (number, unit) = number_and_unit(value.text()?)?;
        let scale = match unit {
            "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return None,
        };
        number.checked_mul(scale).map(Self)
    }
}

impl Show for Size {
    fn show(&self) -> String {
        [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
            .into_iter()
            .find(|(_, unit)| self.0 > 0 && self.0.is_multiple_of(*unit))
            .map_or_else(
                || format!("{}B", self.0),
                |(name, unit)| format!("{}{name}", self.0 / unit),
            )
    }
}

/// Bytes written in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HexBytes(pub Vec<u8>);

impl FromValue for HexBytes {
    const FORM: &'static str = "1 to 124 bytes in hexadecimal";

    fn from_value(value: &Value) -> Option<Self> {
        let bytes = HEXLOWER_PERMISSIVE.decode(value.text()?.as_bytes()).ok()?;
        (1..=124).contains(&bytes.len()).then_some(Self(bytes))
    }
}

impl FromValue for CipherType {
    const FORM: &'static str = "a cipher: aes128-gcm96, aes256-gcm96, aes256-gcm-siv, chacha20-poly1305 or xchacha20-poly1305";

    fn from_value(value: &Value) -> Option<Self> {
        Self::from_name(value.text()?)
    }
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn durations_and_sizes_are_shown_as_they_are_read() {
        for written in ["0ms", "250ms", "60ms", "90s", "10m", "1h", "30d"] {
            let read = Duration::from_value(&text(written)).unwrap();
            assert_eq!(read.show(), written);
        }
        for written in ["0B", "1000B", "64KiB", "32MiB", "3GiB"] {
            let read = Size::from_value(&text(written)).unwrap();
            assert_eq!(read.show(), written);
        }
    }

    #[test]
    fn a_duration_without_a_known_unit_is_refused() {
        for written in [
            "",
            "60",
            "60 s",
            "1.5h",
            "-1s",
            "s",
            "1w",
            "99999999999999999999s",
            "999999999999999999d",
        ] {
            assert_eq!(Duration::from_value(&text(written)), None, "{written}");
        }
        assert_eq!(Duration::from_value(&Value::Integer(60)), None);
    }

    #[test]
    fn a_size_is_bytes_or_has_a_binary_unit() {
        assert_eq!(Size::from_value(&Value::Integer(7)), Some(Size(7)));
        assert_eq!(
            Size::from_value(&Value::Environment("7".to_owned())),
            Some(Size(7))
        );
        for written in ["7", "7MB", "7 MiB", "-7B", "99999999999999GiB"] {
            assert_eq!(Size::from_value(&text(written)), None, "{written}");
        }
        assert_eq!(Size::from_value(&Value::Integer(-7)), None);
    }

    #[test]
    fn a_list_names_networks_and_single_addresses() {
        let list = |texts: &[&str]| Value::List(texts.iter().map(ToString::to_string).collect());
        let read = Vec::<IpNet>::from_value(&list(&["10.0.0.0/8", "::1"])).unwrap();
        assert_eq!(read[1], "::1/128".parse::<IpNet>().unwrap());
        let given = Value::Environment("10.0.0.0/8, ::1".to_owned());
        assert_eq!(Vec::from_value(&given), Some(read));
        for wrong in [list(&["10.0.0.0/33"]), list(&["proxy"]), text("::1")] {
            assert_eq!(Vec::<IpNet>::from_value(&wrong), None);
        }
        assert!(Value::from_toml(toml::Value::Array(vec![toml::Value::Integer(1)])).is_none());
    }

    #[test]
    fn a_mode_is_octal_and_lets_the_owner_in() {
        for (written, mode) in [("0600", 0o600), ("660", 0o660), ("0666", 0o666)] {
            assert_eq!(FileMode::from_value(&text(written)), Some(FileMode(mode)));
        }
        for written in ["", "0700", "0060", "1600", "0680", "rw"] {
            assert_eq!(FileMode::from_value(&text(written)), None, "{written}");
        }
        assert_eq!(FileMode::from_value(&Value::Integer(0o660)), None);
    }

    #[test]
    fn text_of_the_environment_spells_any_form() {
        let given = |text: &str| Value::Environment(text.to_owned());
        assert_eq!(bool::from_value(&given("true")), Some(true));
        assert_eq!(usize::from_value(&given("4")), Some(4));
        assert_eq!(bool::from_value(&text("true")), None);
        assert_eq!(usize::from_value(&text("4")), None);
    }
}
