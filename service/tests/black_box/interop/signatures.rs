//! Signatures, ciphertexts and private keys are what openssl takes them for, and the other way round.

use std::sync::Arc;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::{Value, json};

use super::openssl::{OpenSsl, PAIRS};
use crate::app::TestApp;

const MESSAGE: &[u8] = b"the quick brown fox";

/// The hash functions, as the protocol and as openssl call them.
const HASHES: [(&str, &str); 9] = [
    ("sha1", "-sha1"),
    ("sha2-224", "-sha224"),
    ("sha2-256", "-sha256"),
    ("sha2-384", "-sha384"),
    ("sha2-512", "-sha512"),
    ("sha3-224", "-sha3-224"),
    ("sha3-256", "-sha3-256"),
    ("sha3-384", "-sha3-384"),
    ("sha3-512", "-sha3-512"),
];

/// Those that RSA keys sign with here.
const OF_RSA: &[(&str, &str)] = HASHES.split_at(2).1.split_at(3).0;

/// A salt here, openssl's for the same, and what openssl signs with to have it accepted.
const SALTS: [(&str, &str); 3] = [
    ("auto", "rsa_pss_saltlen:max"),
    ("hash", "rsa_pss_saltlen:digest"),
    ("20", "rsa_pss_saltlen:20"),
];

#[test]
fn openssl_verifies_our_ecdsa_signatures_and_we_verify_its() {
    let Some(openssl) = OpenSsl::found() else {
        return;
    };
    for key in ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521"] {
        let bench = Bench::new(&openssl, key);
        for (hash, flag) in HASHES {
            for marshaling in ["asn1", "jws"] {
                let how = json!({"hash_algorithm": hash, "marshaling_algorithm": marshaling});
                let signature = bench.sign(&how);
                let signature = match marshaling {
                    "asn1" => BASE64.decode(signature.as_bytes()).unwrap(),
                    _ => der(&BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap()),
                };
                bench.openssl_accepts(&signature, &[flag]);
                openssl.run(&[
                    "dgst", flag, "-sign", "key.pem", "-out", "theirs", "message",
                ]);
                let theirs = openssl.bytes("theirs");
                bench.we_accept(
                    &how,
                    &match marshaling {
                        "asn1" => BASE64.encode(&theirs),
                        _ => BASE64URL_NOPAD.encode(&joined(&theirs, key)),
                    },
                );
            }
        }
    }
}

#[test]
fn openssl_verifies_our_ed25519_signatures_and_we_verify_its() {
    let Some(openssl) = OpenSsl::found() else {
        return;
    };
    let bench = Bench::new(&openssl, "ed25519");
    let verify = [
        "pkeyutl",
        "-verify",
        "-pubin",
        "-inkey",
        "public.pem",
        "-rawin",
    ];
    let verify = [&verify[..], &["-sigfile", "ours", "-in"]].concat();
    openssl.write(
        "ours",
        BASE64.decode(bench.sign(&json!({})).as_bytes()).unwrap(),
    );
    openssl.run(&[&verify[..], &["message"]].concat());
    assert!(!openssl.accepts(&[&verify[..], &["another"]].concat()));
    let sign = ["pkeyutl", "-sign", "-inkey", "key.pem", "-rawin"];
    openssl.run(&[&sign[..], &["-in", "message", "-out", "theirs"]].concat());
    bench.we_accept(&json!({}), &BASE64.encode(&openssl.bytes("theirs")));
    // Ed25519 is deterministic.
    assert_eq!(openssl.bytes("ours"), openssl.bytes("theirs"));
}

#[test]
fn openssl_verifies_our_rsa_signatures_and_we_verify_its() {
    let Some(openssl) = OpenSsl::found() else {
        return;
    };
    for key in ["rsa-2048", "rsa-3072", "rsa-4096"] {
        let bench = Bench::new(&openssl, key);
        for (hash, flag) in OF_RSA {
            let how = json!({"hash_algorithm": hash, "signature_algorithm": "pkcs1v15"});
            bench.both_ways(&how, &[flag]);
            for (salt, option) in SALTS {
                let how = json!({"hash_algorithm": hash, "salt_length": salt});
                let options = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", option];
                bench.both_ways(&how, &[&[*flag], &options[..]].concat());
            }
        }
        // Old signatures are verified, and no new ones made.
        openssl.run(&[
            "dgst", "-sha1", "-sign", "key.pem", "-out", "theirs", "message",
        ]);
        let how = json!({"hash_algorithm": "sha1", "signature_algorithm": "pkcs1v15"});
        bench.we_accept(&how, &BASE64.encode(&openssl.bytes("theirs")));
    }
}

#[test]
fn openssl_signs_a_hash_that_we_are_told_is_one() {
    let Some(openssl) = OpenSsl::found() else {
        return;
    };
    for key in ["ecdsa-p256", "rsa-2048"] {
        let bench = Bench::new(&openssl, key);
        openssl.run(&["dgst", "-sha512", "-binary", "-out", "digest", "message"]);
        let digest = BASE64.encode(&openssl.bytes("digest"));
        let how = json!({"hash_algorithm": "sha2-512", "signature_algorithm": "pkcs1v15"});
        let mut body = how.clone();
        body["input"] = digest.into();
        body["prehashed"] = true.into();
        let made = bench
            .app
            .post(&format!("transit/sign/{}", bench.ring), body);
        let made = made.data()["signature"].take();
        let signature = made.as_str().unwrap().strip_prefix("vault:v1:").unwrap();
        bench.we_accept(&how, signature);
        bench.openssl_accepts(&BASE64.decode(signature.as_bytes()).unwrap(), &["-sha512"]);
    }
}

#[test]
fn openssl_encrypts_for_our_rsa_keys_and_decrypts_with_them() {
    let Some(openssl) = OpenSsl::found() else {
        return;
    };
    for key in ["rsa-2048", "rsa-3072", "rsa-4096"] {
        let Bench { app, ring, .. } = Bench::new(&openssl, key);
        let oaep = [
            "rsa_padding_mode:oaep",
            "rsa_oaep_md:sha256",
            "rsa_mgf1_md:sha256",
        ];
        let oaep = oaep.map(|option| ["-pkeyopt", option]).concat();
        let encrypt = ["pkeyutl", "-encrypt", "-pubin", "-inkey", "public.pem"];
        let files = ["-in", "message", "-out", "encrypted"];
        openssl.run(&[&encrypt[..], &files, &oaep].concat());
        let ciphertext = format!("vault:v1:{}", BASE64.encode(&openssl.bytes("encrypted")));
        assert_eq!(app.open(&ring, &ciphertext), BASE64.encode(MESSAGE));
        let ciphertext = app.seal(&ring, &BASE64.encode(MESSAGE));
        let ciphertext = ciphertext.strip_prefix("vault:v1:").unwrap();
        openssl.write("encrypted", BASE64.decode(ciphertext.as_bytes()).unwrap());
        let decrypt = [
            "pkeyutl",
            "-decrypt",
            "-inkey",
            "key.pem",
            "-in",
            "encrypted",
        ];
        let decrypted = openssl.run(&[&decrypt[..], &oaep].concat());
        assert_eq!(decrypted.as_bytes(), MESSAGE);
    }
}

#[test]
fn openssl_reads_every_form_of_exported_keys() {
    let Some(openssl) = OpenSsl::found() else {
        return;
    };
    for (key, _) in PAIRS {
        let Bench { app, ring, .. } = Bench::new(&openssl, key);
        for kind in ["signing-key", "public-key"] {
            for form in ["", "der", "pem"] {
                let text = exported(&app, kind, &ring, form);
                read_by(&openssl, (key, kind, form), text);
            }
        }
        if key.starts_with("rsa") {
            let signing = exported(&app, "signing-key", &ring, "pem");
            assert_eq!(exported(&app, "encryption-key", &ring, "pem"), signing);
        }
    }
}

/// The exported text is a key for openssl, whose public half is the one in `public.pem`.
fn read_by(openssl: &OpenSsl, (key, kind, form): (&str, &str, &str), text: String) {
    let is_binary = form == "der";
    let file = if is_binary || (key == "ed25519" && form.is_empty()) {
        BASE64.decode(text.as_bytes()).unwrap()
    } else {
        text.into_bytes()
    };
    if key == "ed25519" && form.is_empty() {
        let length = if kind == "signing-key" { 64 } else { 32 };
        assert_eq!(file.len(), length);
        return;
    }
    openssl.write("exported", file);
    let inform = if is_binary { "DER" } else { "PEM" };
    let read = ["pkey", "-in", "exported", "-inform", inform];
    let about = match kind {
        "public-key" => ["-pubin", "-pubout"],
        _ => ["-check", "-pubout"],
    };
    let shown = openssl.run(&[&read[..], &about].concat());
    let public = openssl.text("public.pem");
    assert!(shown.ends_with(&public), "{key} {kind} {form}: {shown}");
}

/// A ring, with its private key in `key.pem` and its public one in `public.pem`.
struct Bench<'o> {
    openssl: &'o OpenSsl,
    app: Arc<TestApp>,
    ring: String,
}

impl<'o> Bench<'o> {
    fn new(openssl: &'o OpenSsl, key_type: &str) -> Self {
        let app = TestApp::shared();
        let ring = app.ring(json!({"type": key_type, "exportable": true}));
        let public = app.read(&ring).data()["keys"]["1"]["public_key"].take();
        openssl.write("public.pem", pem(key_type, public.as_str().unwrap()));
        openssl.write("key.pem", exported(&app, "signing-key", &ring, "pem"));
        openssl.write("message", MESSAGE);
        openssl.write("another", b"the quick brown dog");
        Self { openssl, app, ring }
    }

    /// Our signature's base64.
    fn sign(&self, how: &Value) -> String {
        let mut body = how.clone();
        body["input"] = BASE64.encode(MESSAGE).into();
        let made = self.app.post(&format!("transit/sign/{}", self.ring), body);
        let made = made.data()["signature"].take();
        let signature = made.as_str().unwrap();
        signature.strip_prefix("vault:v1:").unwrap().to_owned()
    }

    fn we_accept(&self, how: &Value, signature: &str) {
        for (message, expected) in [(MESSAGE, true), (b"another", false)] {
            let mut body = how.clone();
            body["input"] = BASE64.encode(message).into();
            body["signature"] = format!("vault:v1:{signature}").into();
            let checked = self
                .app
                .post(&format!("transit/verify/{}", self.ring), body);
            assert_eq!(checked.data(), json!({"valid": expected}), "{how}");
        }
    }

    fn openssl_accepts(&self, signature: &[u8], options: &[&str]) {
        self.openssl.write("ours", signature);
        let verify = ["dgst", "-verify", "public.pem", "-signature", "ours"];
        let verify = [&verify[..], options].concat();
        self.openssl.run(&[&verify[..], &["message"]].concat());
        let other = [&verify[..], &["another"]].concat();
        assert!(!self.openssl.accepts(&other), "{options:?}");
    }

    /// RSA: our signature to openssl, and its signature to us.
    fn both_ways(&self, how: &Value, options: &[&str]) {
        let signature = self.sign(how);
        self.openssl_accepts(&BASE64.decode(signature.as_bytes()).unwrap(), options);
        let sign = ["dgst", "-sign", "key.pem", "-out", "theirs"];
        self.openssl
            .run(&[&sign[..], options, &["message"]].concat());
        self.we_accept(how, &BASE64.encode(&self.openssl.bytes("theirs")));
    }
}

fn exported(app: &TestApp, kind: &str, ring: &str, form: &str) -> String {
    let path = format!("transit/export/{kind}/{ring}/1?format={form}");
    let text = app.get(&path).data()["keys"]["1"].take();
    text.as_str().unwrap().to_owned()
}

/// The public key as it is shown, as PEM: Ed25519 is shown raw.
fn pem(key_type: &str, shown: &str) -> String {
    if key_type != "ed25519" {
        return shown.to_owned();
    }
    let raw = BASE64.decode(shown.as_bytes()).unwrap();
    let prefix = data_encoding::HEXLOWER.decode(b"302a300506032b6570032100");
    let der = BASE64.encode(&[prefix.unwrap(), raw].concat());
    format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n")
}

/// r || s as DER.
fn der(joined: &[u8]) -> Vec<u8> {
    let (r, s) = joined.split_at(joined.len() / 2);
    let content = [integer(r), integer(s)].concat();
    match u8::try_from(content.len()).unwrap() {
        length @ ..128 => [vec![0x30, length], content].concat(),
        length => [vec![0x30, 0x81, length], content].concat(),
    }
}

fn integer(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let mut content = bytes[zeros..].to_vec();
    if content.first().is_none_or(|first| *first >= 0x80) {
        content.insert(0, 0);
    }
    let length = u8::try_from(content.len()).unwrap();
    [vec![2, length], content].concat()
}

/// DER as r || s.
fn joined(der: &[u8], key_type: &str) -> Vec<u8> {
    let length = match key_type {
        "ecdsa-p256" => 32,
        "ecdsa-p384" => 48,
        _ => 66,
    };
    let mut rest = if der[1] == 0x81 { &der[3..] } else { &der[2..] };
    let mut out = Vec::new();
    for _ in 0..2 {
        let (number, behind) = rest[2..].split_at(usize::from(rest[1]));
        let number = number.strip_prefix(&[0]).unwrap_or(number);
        out.extend(vec![0; length - number.len()]);
        out.extend_from_slice(number);
        rest = behind;
    }
    assert!(rest.is_empty());
    out
}
