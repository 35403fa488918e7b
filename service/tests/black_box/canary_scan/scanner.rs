//! Finds secrets in bytes: as they are, in hexadecimal, and in base64 at every alignment.

use std::collections::HashMap;

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};

/// Begins every form that is searched for.
type Head = [u8; 8];

/// Secrets with what they were.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    forms: HashMap<Head, Vec<(Vec<u8>, &'static str)>>,
}

impl Secrets {
    /// A new secret: letters and digits, so that it may stand anywhere.
    pub(super) fn made(&mut self, what: &'static str) -> String {
        let bytes: [u8; 20] = rand::random();
        let text = format!("canary{}", HEXLOWER.encode(&bytes));
        self.add(what, text.as_bytes());
        text
    }

    /// Something that a service made and that is nobody else's business.
    pub(super) fn add(&mut self, what: &'static str, secret: &[u8]) {
        assert!(secret.len() >= 16, "{what} is too short to be looked for");
        let mut forms = vec![
            secret.to_vec(),
            HEXLOWER.encode(secret).into_bytes(),
            HEXUPPER.encode(secret).into_bytes(),
        ];
        // Whatever stands before and behind takes part in the first and the last characters.
        for (before, first) in [(0, 0), (1, 2), (2, 3)] {
            let wide = [&vec![0; before], secret].concat();
            let last = wide.len() / 3 * 4;
            for encoding in [BASE64_NOPAD, BASE64URL_NOPAD] {
                forms.push(encoding.encode(&wide).as_bytes()[first..last].to_vec());
            }
        }
        for form in forms {
            let known = self.forms.entry(head(&form).unwrap()).or_default();
            known.push((form, what));
        }
    }

    /// A token, whose first characters are the same for all.
    pub(super) fn token(&mut self, what: &'static str, token: &str) {
        let (_, text) = token.split_once('.').unwrap_or(("", token));
        self.add(what, text.as_bytes());
    }

    /// What of it is in these bytes, if anything is.
    pub(super) fn found_in(&self, bytes: &[u8]) -> Option<&'static str> {
        bytes
            .windows(size_of::<Head>())
            .enumerate()
            .find_map(|(at, window)| {
                let known = self.forms.get(&head(window)?)?;
                let found = known.iter().find(|(form, _)| bytes[at..].starts_with(form));
                found.map(|(_, what)| *what)
            })
    }

    pub(super) fn assert_none_in(&self, place: &str, bytes: &[u8]) {
        let found = self.found_in(bytes);
        assert_eq!(found, None, "{place} has a secret");
    }
}

fn head(bytes: &[u8]) -> Option<Head> {
    bytes.first_chunk().copied()
}
