//! Keys on their way between this service and others: OpenBao's backups and exports, and what the openssl command
//! line makes and accepts. The keys under `vectors/openbao` were made to be thrown away.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256,
};
use keyring::algorithm::{KeyType, PairType};
use keyring::base64::{decode_append, encode_append};
use keyring::transfer::backup::{self, BackupRing, BackupVersion};
use keyring::transfer::byok::{ImportHash, unwrap};
use keyring::transfer::certificate::{ChainError, check_chain, sign_request};
use keyring::transfer::export::{
    ExportFormat, ExportKind, bytes_text, certificate_chain_text, private_text, public_key_text,
    public_text,
};
use keyring::transfer::private_key::{public_of, read_private};

#[test]
fn backups_of_openbao_are_read_and_written_to_the_byte() {
    let files = backups();
    assert_eq!(files.len(), 15);
    for name in files {
        let text = fs::read_to_string(backup_file(&name)).unwrap();
        let written = backup::write(&backup::read(&text).unwrap()).unwrap();
        let written = std::str::from_utf8(written.expose_secret()).unwrap();
        // OpenBao leaves certificates that came later out of its archive.
        if name == "ecdsa-p384" {
            let policy = |text: &str| {
                decoded(text)
                    .split("archived_keys")
                    .next()
                    .map(str::to_owned)
            };
            assert_eq!(policy(written), policy(&text));
            let certificates = decoded(written).matches("\"certificate_chain\":[").count();
            assert_eq!(certificates, 2);
        } else {
            assert_eq!(decoded(written), decoded(&text), "{name}");
            assert_eq!(written, text.trim_end(), "{name}");
        }
    }
}

#[test]
fn exports_are_openbaos_to_the_byte() {
    type Texts = BTreeMap<String, BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>>>;
    let json = fs::read_to_string(vectors().join("exports.json")).unwrap();
    let exports: Texts = serde_json::from_str(&json).unwrap();
    let mut compared = 0;
    for (name, kinds) in exports {
        let ring = ring(&name);
        for (kind, formats) in kinds {
            let kind = ExportKind::from_name(&kind).unwrap();
            for (format, versions) in formats {
                let format = ExportFormat::from_name(&format).unwrap();
                for (number, expected) in versions {
                    let number: u32 = number.parse().unwrap();
                    let mut versions = ring.versions.iter();
                    let version = versions.find(|version| version.version == number).unwrap();
                    let text = exported(&ring, version, kind, format);
                    assert_eq!(text, expected, "{name} {kind:?} {format:?}");
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 100, "{compared}");
}

#[test]
fn forms_a_key_has_not_are_refused_in_the_protocols_words() {
    let rows = [
        (
            "aes256-gcm96",
            ExportFormat::Der,
            "unknown format for HMAC key; supported values are `` or `raw`",
        ),
        (
            "hmac",
            ExportFormat::Pem,
            "unknown format for HMAC key; supported values are `` or `raw`",
        ),
        (
            "rsa-2048",
            ExportFormat::Raw,
            "unknown key format for rsa key; supported values are ``, `der`, or `pem`",
        ),
        (
            "ecdsa-p256",
            ExportFormat::Raw,
            "unknown key format for ec key; supported values are ``, `der`, or `pem`",
        ),
    ];
    for (name, format, expected) in rows {
        let ring = ring(name);
        let version = &ring.versions[0];
        let key = version.key.as_ref().unwrap().expose_secret();
        let refused = match pair(&ring) {
            Some(pair) => {
                let spki = version.public_key.as_ref().unwrap();
                let public = public_text(pair, spki, format).unwrap_err();
                assert_eq!(public.to_string(), expected);
                // Also of a key that is not there.
                private_text(pair, None, format).unwrap_err()
            }
            None => bytes_text(key, format).unwrap_err(),
        };
        assert_eq!(refused.to_string(), expected);
    }
    let missing = private_text(PairType::Rsa2048, None, ExportFormat::Pem).unwrap();
    assert!(missing.is_empty());
    assert_eq!(
        certificate_chain_text(&[]).unwrap_err().to_string(),
        "selected key version does not have a certificate chain imported"
    );
}

#[test]
fn a_public_key_is_shown_as_openbao_keeps_it() {
    for name in ["ecdsa-p256", "ecdsa-p521", "ed25519"] {
        let ring = ring(name);
        let (pair, document) = (pair(&ring).unwrap(), decoded(&backup_text(name)));
        for version in &ring.versions {
            let text = public_key_text(pair, version.public_key.as_ref().unwrap()).unwrap();
            assert!(document.contains(&text.replace('\n', "\\n")), "{name}");
        }
    }
}

#[test]
fn only_a_chain_for_this_key_is_taken() {
    let (ring, foreign) = (ring("ecdsa-p384"), ring("ecdsa-p521"));
    let version = &ring.versions[0];
    let spki = version.public_key.clone().unwrap();
    let other = foreign.versions[0].public_key.clone().unwrap();
    let chain = &version.certificate_chain;
    let text = |places: &[usize]| {
        let ders: Vec<_> = places.iter().map(|place| chain[*place].clone()).collect();
        certificate_chain_text(&ders).unwrap()
    };
    let p384 = PairType::EcdsaP384;
    assert_eq!(check_chain(p384, &text(&[0, 1]), &spki).as_ref(), Ok(chain));
    assert_eq!(
        check_chain(p384, &text(&[0]), &spki),
        Ok(chain[..1].to_vec())
    );
    let key = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
    let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(check_chain(p384, &format!("{key}{}\n", text(&[0, 1])), &spki).is_ok());
    for (pair, pems, spki, expected) in [
        (p384, text(&[1]), &spki, ChainError::FirstIsAuthority),
        (p384, text(&[1, 0]), &spki, ChainError::FirstIsAuthority),
        (p384, text(&[0, 0]), &spki, ChainError::LastIsNoAuthority),
        (p384, text(&[0, 0, 1]), &spki, ChainError::SeveralLeaves),
        (p384, text(&[0, 1]), &other, ChainError::OtherKey),
        (
            PairType::EcdsaP521,
            text(&[0, 1]),
            &other,
            ChainError::OtherKey,
        ),
        (
            PairType::Rsa2048,
            text(&[0, 1]),
            &spki,
            ChainError::OtherType("rsa-2048"),
        ),
        (p384, String::new(), &spki, ChainError::Empty),
        (p384, key.to_owned(), &spki, ChainError::Empty),
        (p384, junk.to_owned(), &spki, ChainError::Certificate),
        (p384, "certificate".to_owned(), &spki, ChainError::NotPem),
        (
            p384,
            format!("{}\nmore", text(&[0, 1])),
            &spki,
            ChainError::NotPem,
        ),
    ] {
        assert_eq!(check_chain(pair, &pems, spki), Err(expected));
    }
}

#[test]
fn openssl_verifies_a_request_and_finds_the_templates_subject_in_it() {
    let Some(openssl) = OpenSsl::found() else {
        return;
    };
    openssl.run(&[
        "req",
        "-new",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "other.key",
        "-out",
        "template.pem",
        "-subj",
        "/O=Sealring/CN=sign.example",
        "-addext",
        "subjectAltName=DNS:sign.example",
    ]);
    let template = openssl.text("template.pem");
    for name in [
        "rsa-2048",
        "rsa-4096",
        "ecdsa-p256",
        "ecdsa-p384",
        "ecdsa-p521",
        "ed25519",
    ] {
        let ring = ring(name);
        let (pair, version) = (pair(&ring).unwrap(), &ring.versions[0]);
        let spki = version.public_key.as_ref().unwrap();
        let pkcs8 = version.key.as_ref().unwrap().expose_secret();
        for template in [template.as_str(), ""] {
            let sign = |message: &[u8]| Ok::<_, ()>(signature(pair, pkcs8, message));
            let request = sign_request(pair, template, spki, &sign).unwrap();
            assert!(request.ends_with("-----END CERTIFICATE REQUEST-----\n"));
            openssl.write("request.pem", request.as_bytes());
            let shown = openssl.run(&["req", "-in", "request.pem", "-verify", "-noout", "-text"]);
            assert_eq!(
                shown.contains("O = Sealring, CN = sign.example"),
                !template.is_empty()
            );
            assert_eq!(shown.contains("DNS:sign.example"), !template.is_empty());
            let public = openssl.run(&["req", "-in", "request.pem", "-pubkey", "-noout"]);
            let expected = public_text(pair, spki, ExportFormat::Pem).unwrap();
            assert!(public.contains(expected.trim_end()), "{name}");
        }
    }
}

#[test]
fn a_template_that_is_none_is_refused() {
    let ring = ring("ed25519");
    let spki = ring.versions[0].public_key.as_ref().unwrap();
    let sign = |_: &[u8]| Err::<Vec<u8>, _>("no");
    for (template, expected) in [
        ("request", "could not decode PEM CSR"),
        (
            "-----BEGIN X-----\nAAAA\n-----END X-----\n",
            "could not parse the CSR",
        ),
        ("", "could not create the csr: no"),
    ] {
        let refused = sign_request(PairType::Ed25519, template, spki, &sign).unwrap_err();
        assert_eq!(refused.to_string(), expected);
    }
}

#[test]
fn what_openssl_wraps_is_unwrapped() {
    let Some(openssl) = OpenSsl::found() else {
        return;
    };
    let ring = ring("rsa-4096");
    let version = &ring.versions[0];
    let wrapping = version.key.as_ref().unwrap().expose_secret();
    let spki = version.public_key.as_ref().unwrap();
    let public = public_text(PairType::Rsa4096, spki, ExportFormat::Pem).unwrap();
    openssl.write("wrapping.pem", public.as_bytes());
    openssl.write("ephemeral", &[0x2c; 32]);
    openssl.generate("EC", "ec_paramgen_curve:P-384");
    let kek = "2c".repeat(32);
    openssl.run(&[
        "enc",
        "-id-aes256-wrap-pad",
        "-e",
        "-K",
        &kek,
        "-iv",
        "A65959A6",
        "-in",
        "key.der",
        "-out",
        "wrapped",
    ]);
    let material = openssl.bytes("key.der");
    for (hash, name) in [
        (ImportHash::Sha1, "sha1"),
        (ImportHash::Sha256, "sha256"),
        (ImportHash::Sha384, "sha384"),
        (ImportHash::Sha512, "sha512"),
    ] {
        let (digest, mask) = (format!("rsa_oaep_md:{name}"), format!("rsa_mgf1_md:{name}"));
        openssl.run(&[
            "pkeyutl",
            "-encrypt",
            "-pubin",
            "-inkey",
            "wrapping.pem",
            "-in",
            "ephemeral",
            "-out",
            "encrypted",
            "-pkeyopt",
            "rsa_padding_mode:oaep",
            "-pkeyopt",
            &digest,
            "-pkeyopt",
            &mask,
        ]);
        let mut blob = Vec::new();
        encode_append(
            &[openssl.bytes("encrypted"), openssl.bytes("wrapped")].concat(),
            &mut blob,
        );
        let unwrapped = unwrap(std::str::from_utf8(&blob).unwrap(), wrapping, hash).unwrap();
        assert_eq!(unwrapped.expose_secret(), material, "{name}");
        let read = read_private(PairType::EcdsaP384, unwrapped.expose_secret()).unwrap();
        public_of(PairType::EcdsaP384, read.expose_secret()).unwrap();
    }
}

#[test]
fn openssl_keys_of_every_kind_are_read_and_read_back() {
    let Some(openssl) = OpenSsl::found() else {
        return;
    };
    for (algorithm, option, pair) in [
        ("RSA", "rsa_keygen_bits:2048", Some(PairType::Rsa2048)),
        ("RSA-PSS", "rsa_keygen_bits:3072", Some(PairType::Rsa3072)),
        ("EC", "ec_paramgen_curve:P-256", Some(PairType::EcdsaP256)),
        ("EC", "ec_paramgen_curve:P-521", Some(PairType::EcdsaP521)),
        ("EC", "ec_paramgen_curve:P-224", None),
        ("EC", "ec_paramgen_curve:secp256k1", None),
        ("RSA", "rsa_keygen_bits:1024", None),
    ] {
        openssl.generate(algorithm, option);
        let der = openssl.bytes("key.der");
        let Some(pair) = pair else {
            for pair in PairType::ALL {
                read_private(pair, &der).unwrap_err();
            }
            continue;
        };
        let read = read_private(pair, &der).unwrap();
        let text = private_text(pair, Some(read.expose_secret()), ExportFormat::Default).unwrap();
        openssl.write("old.pem", text.expose_secret());
        openssl.write("new.der", read.expose_secret());
        let old = openssl.run(&["pkey", "-in", "old.pem", "-pubout"]);
        let new = openssl.run(&["pkey", "-in", "new.der", "-inform", "DER", "-pubout"]);
        assert_eq!(old, new, "{option}");
        let spki = public_of(pair, &der).unwrap();
        assert_eq!(new, public_key_text(pair, &spki).unwrap(), "{option}");
    }
}

/// The openssl command line in a folder of its own.
struct OpenSsl(tempfile::TempDir);

impl OpenSsl {
    /// `None`, said aloud, where it is not installed.
    fn found() -> Option<Self> {
        if Command::new("openssl").arg("version").output().is_err() {
            // Not by println, which the test harness keeps to itself when a test passes.
            let _ = writeln!(io::stderr(), "SKIPPED: openssl is not installed");
            return None;
        }
        Some(Self(tempfile::tempdir().expect("a folder")))
    }

    /// What it prints.
    fn run(&self, arguments: &[&str]) -> String {
        let output = Command::new("openssl")
            .args(arguments)
            .current_dir(self.0.path())
            .output()
            .expect("it was found");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {complaint}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// Leaves a new private key in `key.der`, as PKCS#8.
    fn generate(&self, algorithm: &str, option: &str) {
        let arguments = ["genpkey", "-algorithm", algorithm, "-pkeyopt", option];
        self.run(&[&arguments[..], &["-out", "key.pem"]].concat());
        let plain = ["pkcs8", "-topk8", "-nocrypt", "-in", "key.pem"];
        self.run(&[&plain[..], &["-outform", "DER", "-out", "key.der"]].concat());
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.0.path().join(name), bytes).expect("written");
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.path().join(name)).expect("the file is there")
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).expect("text")
    }
}

fn signature(pair: PairType, pkcs8: &[u8], message: &[u8]) -> Vec<u8> {
    let random = SystemRandom::new();
    let algorithm = match pair {
        PairType::EcdsaP256 => &ECDSA_P256_SHA256_ASN1_SIGNING,
        PairType::EcdsaP384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
        PairType::EcdsaP521 => &ECDSA_P521_SHA512_ASN1_SIGNING,
        PairType::Ed25519 => {
            let key =
                Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).expect("a key that is whole");
            return key.sign(message).as_ref().to_vec();
        }
        PairType::Rsa2048 | PairType::Rsa3072 | PairType::Rsa4096 => {
            let key = RsaKeyPair::from_pkcs8(pkcs8).expect("a key that is whole");
            let mut signature = vec![0; key.public_modulus_len()];
            key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                .expect("a key that is whole");
            return signature;
        }
        PairType::MlDsa44 | PairType::MlDsa65 | PairType::MlDsa87 => {
            unreachable!("openssl 3.0 knows no ML-DSA")
        }
    };
    let key = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8).expect("a key that is whole");
    key.sign(&random, message)
        .expect("a key that is whole")
        .as_ref()
        .to_vec()
}

fn exported(
    ring: &BackupRing,
    version: &BackupVersion,
    kind: ExportKind,
    format: ExportFormat,
) -> String {
    let key = version
        .key
        .as_ref()
        .expect("a key that is whole")
        .expose_secret();
    let secret = match (kind, pair(ring)) {
        (ExportKind::CertificateChain, _) => {
            return certificate_chain_text(&version.certificate_chain)
                .expect("a key that is whole");
        }
        (ExportKind::PublicKey, Some(pair)) => {
            return public_text(
                pair,
                version.public_key.as_ref().expect("a key that is whole"),
                format,
            )
            .expect("a key that is whole");
        }
        (ExportKind::HmacKey, _) => bytes_text(version.hmac_key.expose_secret(), format),
        (_, Some(pair)) => private_text(pair, Some(key), format),
        (_, None) => bytes_text(key, format),
    };
    String::from_utf8(
        secret
            .expect("a key that is whole")
            .expose_secret()
            .to_vec(),
    )
    .expect("a key that is whole")
}

fn pair(ring: &BackupRing) -> Option<PairType> {
    PairType::ALL
        .into_iter()
        .find(|pair| KeyType::from(*pair).number() == ring.key_type_number)
}

fn ring(name: &str) -> BackupRing {
    backup::read(&backup_text(name)).expect("a backup")
}

fn backup_text(name: &str) -> String {
    fs::read_to_string(backup_file(name)).expect("the backup is there")
}

fn backups() -> Vec<String> {
    let files = fs::read_dir(vectors().join("backups")).expect("the folder is there");
    let names = files.map(|file| file.expect("a file").file_name());
    let names = names.filter_map(|name| Some(name.to_str()?.strip_suffix(".txt")?.to_owned()));
    names.collect()
}

fn backup_file(name: &str) -> PathBuf {
    vectors().join(format!("backups/{name}.txt"))
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/openbao")
}

fn decoded(text: &str) -> String {
    let mut json = Vec::new();
    decode_append(text.trim_end().as_bytes(), &mut json).expect("base64");
    String::from_utf8(json).expect("text")
}
