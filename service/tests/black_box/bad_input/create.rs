//! Every combination of what a new ring can be asked to be: the ring that the rules say, or the refusal that they say.

use serde_json::{Value, json};

use crate::client::{Answer, multi};
use crate::mount::Mount;

/// What a type of the protocol's can do, as the documentation has it.
struct Kind {
    name: &'static str,
    encrypts: bool,
    derives: bool,
    /// Takes so long to make that one of a kind has to do.
    is_slow: bool,
}

const fn kind(name: &'static str, encrypts: bool, derives: bool, is_slow: bool) -> Kind {
    Kind {
        name,
        encrypts,
        derives,
        is_slow,
    }
}

const OFFERED: [Kind; 14] = [
    kind("aes128-gcm96", true, true, false),
    kind("aes256-gcm96", true, true, false),
    kind("aes256-gcm-siv", true, true, false),
    kind("chacha20-poly1305", true, true, false),
    kind("xchacha20-poly1305", true, true, false),
    kind("ecdsa-p256", false, false, false),
    kind("ecdsa-p384", false, false, false),
    kind("ecdsa-p521", false, false, false),
    kind("ed25519", false, true, false),
    kind("hmac", false, false, false),
    kind("ml-dsa", false, false, false),
    kind("rsa-2048", true, false, true),
    kind("rsa-3072", true, false, true),
    kind("rsa-4096", true, false, true),
];

const NOT_OFFERED: [&str; 9] = [
    "aes128-cmac",
    "aes192-cmac",
    "aes256-cmac",
    "aes256-siv",
    "ecdsa-secp256k1",
    "external-key",
    "hybrid",
    "managed_key",
    "slh-dsa",
];

const UNKNOWN: [&str; 6] = [
    "AES256-GCM96",
    "aes256-gcm96 ",
    "rsa",
    "ecdsa",
    "hmac\0",
    "import",
];

const KEY_SIZES: [Option<i64>; 7] = [
    None,
    Some(0),
    Some(31),
    Some(32),
    Some(512),
    Some(513),
    Some(-1),
];

const PARAMETER_SETS: [Option<&str>; 6] = [
    None,
    Some("44"),
    Some("65"),
    Some("87"),
    Some("45"),
    Some(""),
];

/// What a ring is asked to be.
#[derive(Clone, Copy, Debug)]
struct Wish {
    derived: bool,
    convergent: bool,
    exportable: bool,
    key_size: Option<i64>,
    parameter_set: Option<&'static str>,
}

impl Wish {
    /// Every wish that can make a difference to this type.
    fn all(name: &str) -> Vec<Self> {
        let sets = if name == "ml-dsa" { 6 } else { 2 };
        let mut all = Vec::new();
        for flags in 0..8 {
            for key_size in KEY_SIZES {
                for parameter_set in &PARAMETER_SETS[..sets] {
                    all.push(Self {
                        derived: flags & 1 != 0,
                        convergent: flags & 2 != 0,
                        exportable: flags & 4 != 0,
                        key_size,
                        parameter_set: *parameter_set,
                    });
                }
            }
        }
        all
    }

    fn body(self, name: &str) -> Value {
        let mut body = json!({
            "type": name,
            "derived": self.derived,
            "convergent_encryption": self.convergent,
            "exportable": self.exportable,
        });
        if let Some(size) = self.key_size {
            body["key_size"] = json!(size);
        }
        if let Some(set) = self.parameter_set {
            body["parameter_set"] = json!(set);
        }
        body
    }

    /// The status and the text of the refusal, if the rules have one for it.
    fn refusal(self, kind: &Kind) -> Option<(u16, String)> {
        let name = kind.name;
        let plain = |text: String| Some((400, text));
        if name == "ml-dsa" && !matches!(self.parameter_set, Some("44" | "65" | "87")) {
            return plain("invalid parameter set: must be one of 44, 65, 87".to_owned());
        }
        if self.convergent && !self.derived {
            return plain("convergent encryption requires derivation to be enabled".to_owned());
        }
        match (name, self.key_size) {
            ("hmac", None | Some(0)) => {
                let text = "invalid key size for HMAC key, must be between 32 and 512 bytes";
                return Some((500, multi(text)));
            }
            ("hmac", Some(32..=512)) | (_, None | Some(0)) => {}
            ("hmac", Some(size)) => return plain(format!("invalid key_size {size}")),
            (name, Some(_)) => return plain(format!("key_size is not valid for algorithm {name}")),
        }
        let underivable = "key derivation and convergent encryption not supported for keys of type";
        if self.derived && !kind.derives {
            return Some((500, multi(&format!("{underivable} {name}"))));
        }
        if self.convergent && !kind.encrypts {
            let text = format!("convergent encryption not supported for keys of type {name}");
            return Some((500, multi(&text)));
        }
        None
    }
}

/// A ring is what was wished for, and does what its type does.
fn assert_made(mount: &Mount, ring: &str, kind: &Kind, wish: Wish, made: &Answer) {
    let data = made.data();
    assert_eq!(data["type"], kind.name, "{wish:?}");
    assert_eq!(data["derived"], wish.derived, "{wish:?}");
    assert_eq!(data["exportable"], wish.exportable, "{wish:?}");
    let convergent = wish.derived.then_some(wish.convergent);
    assert_eq!(data["convergent_encryption"], json!(convergent), "{wish:?}");
    let set = wish.parameter_set.filter(|_| kind.name == "ml-dsa");
    assert_eq!(data["parameter_set"], json!(set), "{wish:?}");
    let size = wish.key_size.filter(|_| kind.name == "hmac");
    assert_eq!(data["key_size"], json!(size), "{wish:?}");
    let (verb, check, field) = match (kind.encrypts, kind.name) {
        (true, _) => ("encrypt", "decrypt", "ciphertext"),
        (false, "hmac") => ("hmac", "verify", "hmac"),
        (false, _) => ("sign", "verify", "signature"),
    };
    let mut body = json!({"plaintext": "YQ==", "input": "YQ==", "context": "YQ=="});
    let done = mount.done(&format!("POST {verb}/{ring}"), &body);
    body[field] = done[field].clone();
    let checked = mount.done(&format!("POST {check}/{ring}"), &body);
    let expected = if kind.encrypts {
        json!({"plaintext": "YQ=="})
    } else {
        json!({"valid": true})
    };
    assert_eq!(checked, expected, "{} {wish:?}", kind.name);
}

#[test]
fn every_combination_makes_the_ring_that_was_asked_for_or_none() {
    let mount = Mount::new("crossed");
    let mut made = 0;
    for kind in &OFFERED {
        let mut has_one = false;
        for wish in Wish::all(kind.name) {
            let refusal = wish.refusal(kind);
            if refusal.is_none() && kind.is_slow && has_one {
                continue;
            }
            let ring = format!("ring-{made}");
            let answer = mount.send(&format!("POST keys/{ring}"), wish.body(kind.name));
            if let Some(expected) = refusal {
                assert_eq!(answer.refusal(), expected, "{} {wish:?}", kind.name);
                continue;
            }
            assert_made(&mount, &ring, kind, wish, &answer);
            (made, has_one) = (made + 1, true);
        }
        assert!(has_one, "{} was never made", kind.name);
    }
    let listed = mount.done("LIST keys", "");
    assert_eq!(listed["keys"].as_array().unwrap().len(), made);
}

#[test]
fn no_combination_makes_a_ring_of_a_type_that_is_not_there() {
    let mount = Mount::new("uncrossed");
    let not_offered = "this key type is not offered here; see the documentation for those that are";
    let offered = NOT_OFFERED.map(|name| (name, not_offered)).into_iter();
    for (name, text) in offered.chain(UNKNOWN.map(|name| (name, "unknown key type"))) {
        for wish in Wish::all(name) {
            let answer = mount.send("POST keys/ring", wish.body(name));
            assert_eq!(answer.refusal(), (400, text.to_owned()), "{name} {wish:?}");
        }
    }
    assert_eq!(mount.state(), json!({}));
}
