//! One section or named table of a configuration while it is read, key by key.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use keyring::secret::SecretBytes;

use super::layers::{Given, Layers};
use super::secret;
use super::value::{FromValue, Show};

/// One section while it is read.
#[derive(Debug)]
pub struct Section<'a> {
    layers: &'a mut Layers,
    name: String,
}

/// A value that was given, and where.
#[derive(Debug)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// Where a mistake in it is reported.
    pub place: String,
}

impl<'a> Section<'a> {
    pub(super) fn new(layers: &'a mut Layers, name: String) -> Self {
        Self { layers, name }
    }

    /// The value of a key with its place, if the key is given and its value has the right form.
    pub fn placed<T: FromValue>(&mut self, key: &str) -> Option<Placed<T>> {
        let given = self.take(key)?;
        if let Some(value) = T::from_value(&given.value) {
            let place = given.place;
            return Some(Placed { value, place });
        }
        self.add_at(given.place, format!("must be {}", T::FORM));
        None
    }

    /// The value of a key, if it is given.
    pub fn optional<T: FromValue>(&mut self, key: &str) -> Option<T> {
        self.placed(key).map(|placed| placed.value)
    }

    /// The value of a key, or this default.
    pub fn or<T: FromValue>(&mut self, key: &str, default: T) -> T {
        self.optional(key).unwrap_or(default)
    }

    /// The value of a key that must lie in this range, or this default.
    pub fn within<T>(&mut self, key: &str, default: T, range: RangeInclusive<T>) -> T
    where
        T: FromValue + PartialOrd + Show,
    {
        let Some(placed) = self.placed::<T>(key) else {
            return default;
        };
        if range.contains(&placed.value) {
            return placed.value;
        }
        let (least, most) = (range.start().show(), range.end().show());
        self.add_at(placed.place, format!("must be from {least} to {most}"));
        default
    }

    /// The value of a key that has no default.
    pub fn required<T: FromValue>(&mut self, key: &str) -> Option<T> {
        if self.is_given(key) {
            return self.optional(key);
        }
        self.add(key, format!("is missing; it must be {}", T::FORM));
        None
    }

    /// A secret without a default, given as `key` or as the path of a file in `key_file`.
    pub fn required_secret(&mut self, key: &str) -> Option<Placed<SecretBytes>> {
        let file_key = secret::file_key(key);
        if !self.is_given(key) && !self.is_given(&file_key) {
            let reason = format!("is missing; give it here or as a file in {file_key}");
            self.add(key, reason);
            return None;
        }
        let (value, path) = (self.take(key), self.take(&file_key));
        let (place, secret) = match (value, path) {
            (Some(given), None) => (given.place, given.value.into_secret()),
            (None, Some(given)) => {
                let secret = self.secret_in_file(&given);
                (given.place, secret)
            }
            (Some(_), Some(given)) => {
                let reason = format!("is given beside {key}; give one of them");
                (given.place, Err(reason))
            }
            (None, None) => return None,
        };
        match secret {
            Ok(value) if !value.is_empty() => Some(Placed { value, place }),
            Ok(_) => {
                self.add_at(place, "is empty");
                None
            }
            Err(reason) => {
                self.add_at(place, reason);
                None
            }
        }
    }

    /// Whether the key is given and has not been read.
    pub fn is_given(&self, key: &str) -> bool {
        self.layers.is_given(&self.name, key)
    }

    /// Reports a mistake in a key that is not given.
    pub fn add(&mut self, key: &str, reason: impl Into<String>) {
        let place = self.layers.place_in_file(&self.name, key);
        self.layers.mistakes.add(place, reason);
    }

    /// Reports a mistake in a value.
    pub fn add_at(&mut self, place: String, reason: impl Into<String>) {
        self.layers.mistakes.add(place, reason);
    }

    /// The key `kind`, which decides what other keys there are. After a mistake in it the others are passed over.
    pub fn kind<T: FromValue>(&mut self) -> Option<T> {
        let kind = self.required("kind");
        if kind.is_none() {
            self.pass_over();
        }
        kind
    }

    /// Leaves all keys that are not read unread: whether they are right depends on one that is missing.
    pub fn pass_over(&mut self) {
        self.layers.pass_over(&self.name);
    }

    fn take(&mut self, key: &str) -> Option<Given> {
        self.layers.take(&self.name, key)
    }

    fn secret_in_file(&mut self, given: &Given) -> Result<SecretBytes, String> {
        let path = PathBuf::from_value(&given.value);
        let path = path.ok_or_else(|| format!("must be {}", PathBuf::FORM))?;
        let secret = secret::read_file(&path)?;
        self.layers.places.keep_secret_file(&given.place, path);
        Ok(secret)
    }
}
