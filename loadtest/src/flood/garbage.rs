//! Requests with tokens that are none, of the shapes that somebody without one would try.

use data_encoding::BASE64URL_NOPAD;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::access::Access;
use crate::arguments::Run;
use crate::http::post;

/// How a token that is none looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Like a batch token: `hvb.` and base64url, in which nothing is sealed.
    Batch,
    /// Like a service token, `hvs.` and 35 characters of base62, with a check that is wrong.
    Service,
    /// Random text as short as a chosen token.
    Text,
    /// Longer than any token, up to 8 KiB.
    TooLong,
}

impl Shape {
    const ALL: [Self; 4] = [Self::Batch, Self::Service, Self::Text, Self::TooLong];

    fn token(self, random: &mut StdRng) -> String {
        match self {
            Self::Batch => {
                let mut sealed = vec![0; random.random_range(60..300)];
                random.fill(sealed.as_mut_slice());
                format!("hvb.{}", BASE64URL_NOPAD.encode(&sealed))
            }
            Self::Service => format!("hvs.{}", text(35, BASE62, random)),
            Self::Text => text(random.random_range(8..64), PLAIN, random),
            Self::TooLong => text(random.random_range(257..8192), PLAIN, random),
        }
    }
}

/// Encrypt requests on the run's ring, each with garbage of its own. The shapes are mixed at random, so that every
/// connection sends all of them.
pub(super) fn requests(run: &Run, at: &Access) -> Vec<Vec<u8>> {
    let mut random = StdRng::seed_from_u64(SEED);
    let host = at.target.to_string();
    let path = run.path("encrypt");
    let mut request = || {
        let nth = random.random_range(0..Shape::ALL.len());
        let shape = Shape::ALL.get(nth).copied().unwrap_or(Shape::Text);
        post(&host, &path, &shape.token(&mut random), BODY)
    };
    (0..VARIANTS).map(|_| request()).collect()
}

fn text(length: usize, alphabet: &[u8], random: &mut StdRng) -> String {
    let mut character = || {
        let nth = random.random_range(0..alphabet.len());
        char::from(alphabet.get(nth).copied().unwrap_or(b'x'))
    };
    (0..length).map(|_| character()).collect()
}

const SEED: u64 = 0x5ea1_0002;
/// Enough that a service which remembers what it has refused gains little by it.
const VARIANTS: usize = 4096;
/// What a good request would send; strangers' bodies are not to be read.
const BODY: &str = r#"{"plaintext":"Z2FyYmFnZQ=="}"#;
const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const PLAIN: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._-";

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_shape_looks_as_it_says_and_no_two_tokens_are_the_same() {
        let mut random = StdRng::seed_from_u64(SEED);
        let mut seen = HashSet::new();
        for _ in 0..1000 {
            for shape in Shape::ALL {
                let token = shape.token(&mut random);
                let fits = match shape {
                    Shape::Batch => token.starts_with("hvb.") && token.len() > 80,
                    Shape::Service => token.starts_with("hvs.") && token.len() == 39,
                    Shape::Text => (8..64).contains(&token.len()),
                    Shape::TooLong => token.len() > 256,
                };
                assert!(fits, "{shape:?}: {token}");
                assert!(seen.insert(token));
            }
        }
    }
}
