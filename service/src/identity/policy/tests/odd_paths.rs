//! Paths as attackers write them, through the parser that requests go through: nothing is granted that the model denies
//! for the path that is really meant.

use super::super::{Asked, Capability, CompiledAcl, NoParameters};
use super::model;
use super::policy;
use super::random::{Random, hcl};
use crate::http::path::{ApiPath, decode};

const COUNT: usize = 2_000;

const BASES: [&str; 6] = [
    "/v1/transit/encrypt/orders",
    "/v1/transit/decrypt/secret",
    "/v1/transit/keys/secret/rotate",
    "/v1/transit/keys",
    "/v1/sys/policies/acl/admin",
    "/v1/a/b/ab",
];

const ODD: [&str; 30] = [
    "..",
    "../",
    "/..",
    "/../",
    "./",
    "/./",
    "//",
    "/",
    "%2e%2e",
    "%2E%2e/",
    "%2f",
    "%2F..%2F",
    "%252e%252e",
    "%252f",
    ";",
    ";a=b",
    "\\",
    "\\..\\",
    "%5c",
    "%00",
    "%0a",
    "%20",
    " ",
    "\u{e9}",
    "%c3%a9",
    "\u{ff0f}",
    "\u{2024}\u{2024}",
    "%ef%bc%8f",
    "*",
    "+",
];

/// A path with one to three odd things done to it.
fn odd_path(random: &mut Random) -> String {
    let mut path = random.pick(&BASES).to_owned();
    for _ in 0..=random.below(3) {
        let places: Vec<usize> = (1..=path.len())
            .filter(|at| path.is_char_boundary(*at))
            .collect();
        let at = random.pick(&places);
        match random.below(5) {
            0 => {
                let letter = path[..at].chars().next_back().filter(char::is_ascii);
                if let Some(letter) = letter {
                    let escape = if random.below(2) == 0 { "%" } else { "%25" };
                    path.replace_range(at - 1..at, &format!("{escape}{:02X}", u32::from(letter)));
                }
            }
            1 => {
                let upper = path[at..].to_uppercase();
                path.replace_range(at.., &upper);
            }
            2 => path.push('/'),
            _ => path.insert_str(at, random.pick(&ODD)),
        }
    }
    path
}

/// What is really meant, spelled out independently: one round of escapes, no empty segments, nothing relative.
fn meant(raw: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = raw;
    while let Some(byte) = rest.bytes().next() {
        if byte == b'%' {
            let digits = rest
                .get(1..3)
                .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &rest[3..];
        } else {
            let letter = rest.chars().next()?;
            bytes.extend_from_slice(letter.to_string().as_bytes());
            rest = &rest[letter.len_utf8()..];
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    let segments: Vec<&str> = text
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    let relative = segments
        .iter()
        .any(|segment| *segment == "." || *segment == "..");
    (!relative && segments.first() == Some(&"v1")).then(|| segments[1..].join("/"))
}

/// The path that decisions are made on.
fn canonical(raw: &str) -> Option<String> {
    let decoded = decode(raw).ok()?;
    let path = ApiPath::parse(&decoded).ok()?;
    Some(path.segments.join("/"))
}

#[test]
fn odd_paths_are_granted_nothing_that_the_model_denies() {
    let mut random = Random::new(7);
    let (mut refused, mut granted) = (0, 0);
    for _ in 0..COUNT {
        let raw = odd_path(&mut random);
        let meant = meant(&raw);
        let Some(path) = canonical(&raw) else {
            refused += 1;
            continue;
        };
        assert_eq!(Some(&path), meant.as_ref(), "{raw}");
        let mut rules: Vec<_> = (0..6).map(|_| random.rule()).collect();
        for rule in &mut rules {
            if random.below(2) == 0 {
                rule.path = random
                    .pick(&[
                        "transit/encrypt/*",
                        "transit/+/secret",
                        "transit/keys/*",
                        "sys/*",
                        "transit/decrypt/secret",
                        "*",
                    ])
                    .to_owned();
            }
        }
        let acl = CompiledAcl::compile([&policy(&hcl(&rules))]);
        for capability in Capability::ALL {
            let asked = Asked {
                path: &path,
                parameters: &NoParameters,
                wrap_ttl: None,
            };
            let allowed = acl.decide(capability, &asked).allowed;
            let expected = model::allows(&rules, capability.word(), &path, &[]);
            // The model has no word for these two; nothing is named for it that could grant them.
            if !matches!(capability, Capability::Scan | Capability::Sudo) {
                assert!(!allowed || expected, "{raw} {capability:?} {rules:#?}");
            }
            granted += usize::from(allowed);
        }
    }
    assert!(refused > COUNT / 10, "{refused}");
    assert!(granted > COUNT / 10, "{granted}");
}

#[test]
fn one_path_is_granted_to_its_own_spellings_alone_and_a_deny_holds_for_all_of_them() {
    let only = CompiledAcl::compile([&policy(
        "path \"transit/encrypt/orders\" { capabilities = [\"update\"] }",
    )]);
    let all_but = CompiledAcl::compile([&policy(
        "path \"*\" { capabilities = [\"update\"] } path \"transit/decrypt/secret\" { capabilities = [\"deny\"] }",
    )]);
    let mut random = Random::new(11);
    for _ in 0..COUNT {
        let raw = odd_path(&mut random);
        let Some(path) = canonical(&raw) else {
            continue;
        };
        let asked = Asked {
            path: &path,
            parameters: &NoParameters,
            wrap_ttl: None,
        };
        let granted = only.decide(Capability::Update, &asked).allowed;
        assert_eq!(
            granted,
            meant(&raw).as_deref() == Some("transit/encrypt/orders"),
            "{raw}"
        );
        let granted = all_but.decide(Capability::Update, &asked).allowed;
        assert_eq!(
            granted,
            meant(&raw).as_deref() != Some("transit/decrypt/secret"),
            "{raw}"
        );
    }
}
