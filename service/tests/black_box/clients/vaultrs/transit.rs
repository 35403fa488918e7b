//! Every call that vaultrs has for transit, with the types that it decodes the answers into.

use std::collections::HashMap;

use data_encoding::BASE64;
use vaultrs::api::sys::requests::EnableEngineRequest;
use vaultrs::api::transit::requests::{
    ConfigureCacheRequest, CreateKeyRequest, DataKeyType, DecryptDataRequest, EncryptDataRequest,
    ExportKeyType, ExportVersion, GenerateDataKeyRequest, GenerateHmacRequest,
    GenerateRandomBytesRequest, HashDataRequest, ImportKeyRequest, ImportKeyVersionRequest,
    RandomBytesSource, RestoreKeyRequest, RewrapDataRequest, SignDataRequest,
    UpdateKeyConfigurationRequest, VerifySignedDataRequest,
};
use vaultrs::api::transit::responses::ReadKeyData;
use vaultrs::api::transit::{
    HashAlgorithm, HashFunction, KeyType, MarshalingAlgorithm, OutputFormat, SignatureAlgorithm,
};
use vaultrs::client::VaultClient;
use vaultrs::sys::mount;
use vaultrs::transit::{cache, data, generate, key, wrapping_key};

use super::{client, run, status};
use crate::app::TestApp;

const HELLO: &str = "aGVsbG8=";
const OTHER: &str = "b3RoZXI=";

const SYMMETRIC: [KeyType; 3] = [
    KeyType::Aes128Gcm96,
    KeyType::Aes256Gcm96,
    KeyType::Chacha20Poly1305,
];

const SIGNING: [KeyType; 6] = [
    KeyType::Ed25519,
    KeyType::EcdsaP256,
    KeyType::EcdsaP384,
    KeyType::EcdsaP521,
    KeyType::Rsa2048,
    KeyType::Rsa3072,
];

const HASHES: [HashAlgorithm; 8] = [
    HashAlgorithm::Sha2_224,
    HashAlgorithm::Sha2_256,
    HashAlgorithm::Sha2_384,
    HashAlgorithm::Sha2_512,
    HashAlgorithm::Sha3_224,
    HashAlgorithm::Sha3_256,
    HashAlgorithm::Sha3_384,
    HashAlgorithm::Sha3_512,
];

/// Enables a mount on which keys are of a type that vaultrs knows unless they are said to be of another.
async fn enable(root: &VaultClient, path: &str) {
    let options = HashMap::from([("default_key_type".to_owned(), "aes256-gcm96".to_owned())]);
    let mut request = EnableEngineRequest::builder();
    mount::enable(root, path, "transit", Some(request.options(options)))
        .await
        .unwrap();
}

async fn create(root: &VaultClient, path: &str, name: &str, kind: KeyType) {
    let mut request = CreateKeyRequest::builder();
    request.key_type(kind).exportable(true);
    key::create(root, path, name, Some(&mut request))
        .await
        .unwrap();
}

async fn encrypt(root: &VaultClient, path: &str, name: &str) -> String {
    let sealed = data::encrypt(root, path, name, HELLO, None).await.unwrap();
    sealed.ciphertext
}

async fn decrypt(root: &VaultClient, path: &str, name: &str, ciphertext: &str) -> String {
    let opened = data::decrypt(root, path, name, ciphertext, None).await;
    opened.unwrap().plaintext
}

#[test]
fn keys_are_made_read_listed_and_deleted() {
    const MOUNT: &str = "typed-keys";
    let app = TestApp::shared();
    run(async {
        let root = client(&app, &app.token);
        enable(&root, MOUNT).await;
        assert_eq!(status(key::list(&root, MOUNT).await), 404);
        key::create(&root, MOUNT, "plain", None).await.unwrap();
        let read = key::read(&root, MOUNT, "plain").await.unwrap();
        assert!(matches!(read.key_type, KeyType::Aes256Gcm96));
        assert_eq!(
            (read.name.as_str(), read.min_decryption_version),
            ("plain", 1)
        );
        assert!(read.supports_encryption && read.supports_decryption && read.supports_derivation);
        assert!(!read.supports_signing && !read.derived && !read.exportable);
        assert!(matches!(read.keys, ReadKeyData::Symmetric(versions) if versions["1"] > 0));
        assert_eq!(key::list(&root, MOUNT).await.unwrap().keys, ["plain"]);
        assert_eq!(status(key::delete(&root, MOUNT, "plain").await), 400);
        let mut settings = UpdateKeyConfigurationRequest::builder();
        settings.deletion_allowed(true);
        key::update(&root, MOUNT, "plain", Some(&mut settings))
            .await
            .unwrap();
        key::delete(&root, MOUNT, "plain").await.unwrap();
        assert_eq!(status(key::read(&root, MOUNT, "plain").await), 404);
        mount::disable(&root, MOUNT).await.unwrap();
    });
}

#[test]
fn every_type_is_decoded() {
    const MOUNT: &str = "typed-types";
    let app = TestApp::shared();
    run(async {
        let root = client(&app, &app.token);
        enable(&root, MOUNT).await;
        for kind in SYMMETRIC.into_iter().chain(SIGNING) {
            let name = format!("{kind:?}");
            create(&root, MOUNT, &name, kind).await;
            let read = key::read(&root, MOUNT, &name).await.unwrap();
            assert_eq!(format!("{:?}", read.key_type), name);
            match read.keys {
                ReadKeyData::Symmetric(versions) => {
                    assert!(!read.supports_signing && versions.len() == 1);
                }
                ReadKeyData::Asymmetric(versions) => {
                    assert!(read.supports_signing && !versions["1"].creation_time.is_empty());
                    let is_pem = versions["1"]
                        .public_key
                        .ends_with("-----END PUBLIC KEY-----\n");
                    assert_eq!(is_pem, !matches!(kind, KeyType::Ed25519));
                }
            }
        }
        mount::disable(&root, MOUNT).await.unwrap();
    });
}

#[test]
fn settings_rotation_and_trimming() {
    const MOUNT: &str = "typed-rotation";
    let app = TestApp::shared();
    run(async {
        let root = client(&app, &app.token);
        enable(&root, MOUNT).await;
        let mut request = CreateKeyRequest::builder();
        request.auto_rotate_period("30d");
        key::create(&root, MOUNT, "ring", Some(&mut request))
            .await
            .unwrap();
        for _ in 0..3 {
            key::rotate(&root, MOUNT, "ring").await.unwrap();
        }
        let mut settings = UpdateKeyConfigurationRequest::builder();
        settings
            .min_decryption_version(2)
            .min_encryption_version(3)
            .exportable(true)
            .allow_plaintext_backup(true)
            .auto_rotate_period("0".to_owned());
        key::update(&root, MOUNT, "ring", Some(&mut settings))
            .await
            .unwrap();
        let read = key::read(&root, MOUNT, "ring").await.unwrap();
        assert_eq!(
            (read.min_decryption_version, read.min_encryption_version),
            (2, 3)
        );
        assert!(read.exportable && read.allow_plaintext_backup);
        assert!(matches!(read.keys, ReadKeyData::Symmetric(versions) if versions.len() == 3));
        assert_eq!(status(key::trim(&root, MOUNT, "ring", 3).await), 400);
        key::trim(&root, MOUNT, "ring", 2).await.unwrap();
        assert_eq!(status(key::rotate(&root, MOUNT, "none").await), 400);
        mount::disable(&root, MOUNT).await.unwrap();
    });
}

#[test]
fn data_is_encrypted_decrypted_and_rewrapped() {
    const MOUNT: &str = "typed-data";
    let app = TestApp::shared();
    run(async {
        let root = client(&app, &app.token);
        enable(&root, MOUNT).await;
        for kind in SYMMETRIC.into_iter().chain([KeyType::Rsa2048]) {
            let name = format!("{kind:?}");
            create(&root, MOUNT, &name, kind).await;
            let old = encrypt(&root, MOUNT, &name).await;
            assert_eq!(decrypt(&root, MOUNT, &name, &old).await, HELLO);
            key::rotate(&root, MOUNT, &name).await.unwrap();
            let new = data::rewrap(&root, MOUNT, &name, &old, None).await.unwrap();
            assert!(new.ciphertext.starts_with("vault:v2:"));
            assert_eq!(decrypt(&root, MOUNT, &name, &new.ciphertext).await, HELLO);
            let mut request = EncryptDataRequest::builder();
            request.key_version(1_u64);
            let chosen = data::encrypt(&root, MOUNT, &name, HELLO, Some(&mut request)).await;
            assert!(chosen.unwrap().ciphertext.starts_with("vault:v1:"));
            let mut request = RewrapDataRequest::builder();
            request.key_version(1_u64);
            let chosen = data::rewrap(&root, MOUNT, &name, &old, Some(&mut request)).await;
            assert!(chosen.unwrap().ciphertext.starts_with("vault:v1:"));
        }
        let wrong = data::decrypt(&root, MOUNT, "Aes256Gcm96", "no ciphertext", None).await;
        assert_eq!(status(wrong), 400);
        let missing = data::rewrap(&root, MOUNT, "none", "vault:v1:AAAA", None).await;
        assert_eq!(status(missing), 400);
        mount::disable(&root, MOUNT).await.unwrap();
    });
}

#[test]
fn context_and_associated_data_are_bound() {
    const MOUNT: &str = "typed-context";
    let app = TestApp::shared();
    run(async {
        let root = client(&app, &app.token);
        enable(&root, MOUNT).await;
        let mut request = CreateKeyRequest::builder();
        request.derived(true).convergent_encryption(true);
        key::create(&root, MOUNT, "derived", Some(&mut request))
            .await
            .unwrap();
        let mut request = EncryptDataRequest::builder();
        request.context(HELLO).associated_data(OTHER);
        let once = data::encrypt(&root, MOUNT, "derived", HELLO, Some(&mut request)).await;
        let twice = data::encrypt(&root, MOUNT, "derived", HELLO, Some(&mut request)).await;
        let sealed = once.unwrap().ciphertext;
        assert_eq!(twice.unwrap().ciphertext, sealed);
        let mut right = DecryptDataRequest::builder();
        right.context(HELLO).associated_data(OTHER);
        let opened = data::decrypt(&root, MOUNT, "derived", &sealed, Some(&mut right)).await;
        assert_eq!(opened.unwrap().plaintext, HELLO);
        let mut other = DecryptDataRequest::builder();
        other.context(OTHER).associated_data(OTHER);
        let mut less = DecryptDataRequest::builder();
        less.context(HELLO);
        for mut wrong in [other, less, DecryptDataRequest::builder()] {
            let refused = data::decrypt(&root, MOUNT, "derived", &sealed, Some(&mut wrong)).await;
            assert_eq!(status(refused), 400);
        }
        mount::disable(&root, MOUNT).await.unwrap();
    });
}

#[test]
fn every_type_that_signs_does() {
    const MOUNT: &str = "typed-signatures";
    let app = TestApp::shared();
    run(async {
        let root = client(&app, &app.token);
        enable(&root, MOUNT).await;
        for kind in SIGNING {
            let name = format!("{kind:?}");
            create(&root, MOUNT, &name, kind).await;
            let signed = data::sign(&root, MOUNT, &name, HELLO, None).await.unwrap();
            let mut request = VerifySignedDataRequest::builder();
            request.signature(signed.signature);
            for (input, expected) in [(HELLO, true), (OTHER, false)] {
                let answer = data::verify(&root, MOUNT, &name, input, Some(&mut request)).await;
                assert_eq!(answer.unwrap().valid, expected, "{name}");
            }
        }
        let mut request = VerifySignedDataRequest::builder();
        request.signature("no signature");
        let malformed = data::verify(&root, MOUNT, "Ed25519", HELLO, Some(&mut request)).await;
        assert_eq!(status(malformed), 400);
        let neither = data::verify(&root, MOUNT, "Ed25519", HELLO, None).await;
        assert_eq!(status(neither), 400);
        key::create(&root, MOUNT, "cipher", None).await.unwrap();
        let refused = data::sign(&root, MOUNT, "cipher", HELLO, None).await;
        assert_eq!(status(refused), 400);
        mount::disable(&root, MOUNT).await.unwrap();
    });
}

#[test]
fn signatures_have_options() {
    const MOUNT: &str = "typed-options";
    let app = TestApp::shared();
    run(async {
        let root = client(&app, &app.token);
        enable(&root, MOUNT).await;
        let (pss, pkcs1) = (SignatureAlgorithm::Pss, SignatureAlgorithm::Pkcs1v15);
        let (asn1, jws) = (MarshalingAlgorithm::Asn1, MarshalingAlgorithm::Jws);
        // 32 bytes, as SHA-256 makes them.
        let digest = BASE64.encode(&[7; 32]);
        for kind in [KeyType::EcdsaP256, KeyType::Rsa2048] {
            let name = format!("{kind:?}");
            create(&root, MOUNT, &name, kind).await;
            for (scheme, marshaling) in [(pss, asn1), (pss, jws), (pkcs1, asn1), (pkcs1, jws)] {
                let mut request = SignDataRequest::builder();
                request
                    .key_version(1_u64)
                    .hash_algorithm(HashAlgorithm::Sha2_256)
                    .prehashed(true)
                    .signature_algorithm(scheme)
                    .marshaling_algorithm(marshaling);
                let signed = data::sign(&root, MOUNT, &name, &digest, Some(&mut request)).await;
                let mut request = VerifySignedDataRequest::builder();
                request
                    .hash_algorithm(HashAlgorithm::Sha2_256)
                    .prehashed(true)
                    .signature_algorithm(scheme)
                    .marshaling_algorithm(marshaling)
                    .signature(signed.unwrap().signature);
                let answer = data::verify(&root, MOUNT, &name, &digest, Some(&mut request)).await;
                assert!(answer.unwrap().valid, "{name} {scheme:?} {marshaling:?}");
            }
        }
        mount::disable(&root, MOUNT).await.unwrap();
    });
}

#[test]
fn a_derived_key_signs_for_each_context() {
    const MOUNT: &str = "typed-derived";
    let app = TestApp::shared();
    run(async {
        let root = client(&app, &app.token);
        enable(&root, MOUNT).await;
        let mut request = CreateKeyRequest::builder();
        request.key_type(KeyType::Ed25519).derived(true);
        key::create(&root, MOUNT, "signer", Some(&mut request))
            .await
            .unwrap();
        let mut request = SignDataRequest::builder();
        request.context(HELLO);
        let signed = data::sign(&root, MOUNT, "signer", HELLO, Some(&mut request)).await;
        let signature = signed.unwrap().signature;
        for (context, expected) in [(HELLO, true), (OTHER, false)] {
            let mut request = VerifySignedDataRequest::builder();
            request.context(context).signature(&signature);
            let answer = data::verify(&root, MOUNT, "signer", HELLO, Some(&mut request)).await;
            assert_eq!(answer.unwrap().valid, expected);
        }
        mount::disable(&root, MOUNT).await.unwrap();
    });
}

#[test]
fn data_keys_and_random_bytes_are_generated() {
    const MOUNT: &str = "typed-generated";
    let app = TestApp::shared();
    run(async {
        let root = client(&app, &app.token);
        enable(&root, MOUNT).await;
        key::create(&root, MOUNT, "ring", None).await.unwrap();
        for bits in [128_u16, 256, 512] {
            let mut request = GenerateDataKeyRequest::builder();
            request.bits(bits);
            let kind = DataKeyType::Plaintext;
            let made = generate::data_key(&root, MOUNT, "ring", kind, Some(&mut request)).await;
            let made = made.unwrap();
            let opened = decrypt(&root, MOUNT, "ring", &made.ciphertext).await;
            assert_eq!(made.plaintext.as_ref(), Some(&opened));
            let bytes = BASE64.decode(opened.as_bytes()).unwrap();
            assert_eq!(bytes.len(), usize::from(bits / 8));
        }
        let made = generate::data_key(&root, MOUNT, "ring", DataKeyType::Wrapped, None).await;
        assert_eq!(made.unwrap().plaintext, None);
        for (format, expected) in [(OutputFormat::Base64, 44), (OutputFormat::Hex, 64)] {
            let source = RandomBytesSource::Platform;
            let made = generate::random_bytes(&root, MOUNT, format, source, None).await;
            assert_eq!(made.unwrap().random_bytes.len(), expected);
        }
        let mut request = GenerateRandomBytesRequest::builder();
        request.bytes(200_000_u32);
        let (format, source) = (OutputFormat::Hex, RandomBytesSource::All);
        let refused = generate::random_bytes(&root, MOUNT, format, source, Some(&mut request));
        assert_eq!(status(refused.await), 400);
        mount::disable(&root, MOUNT).await.unwrap();
    });
}

#[test]
fn hashes_and_hmacs_are_generated() {
    const MOUNT: &str = "typed-hashes";
    /// FIPS 180-4, of "hello".
    const SHA256: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let app = TestApp::shared();
    run(async {
        let root = client(&app, &app.token);
        enable(&root, MOUNT).await;
        key::create(&root, MOUNT, "ring", None).await.unwrap();
        let made = generate::hash(&root, MOUNT, HELLO, None).await.unwrap();
        assert_eq!(made.sum, SHA256);
        for algorithm in HASHES {
            let mut request = HashDataRequest::builder();
            request.algorithm(algorithm).format(OutputFormat::Base64);
            let made = generate::hash(&root, MOUNT, HELLO, Some(&mut request)).await;
            let sum = BASE64.decode(made.unwrap().sum.as_bytes()).unwrap();
            let mut request = GenerateHmacRequest::builder();
            request.algorithm(algorithm).key_version(1_u64);
            let made = generate::hmac(&root, MOUNT, "ring", HELLO, Some(&mut request)).await;
            let made = made.unwrap().hmac;
            let tag = made.strip_prefix("vault:v1:").unwrap();
            let length = BASE64.decode(tag.as_bytes()).unwrap().len();
            assert_eq!(length, sum.len(), "{algorithm:?}");
            let mut request = VerifySignedDataRequest::builder();
            request.hash_algorithm(algorithm).hmac(&made);
            for (input, expected) in [(HELLO, true), (OTHER, false)] {
                let answer = data::verify(&root, MOUNT, "ring", input, Some(&mut request)).await;
                assert_eq!(answer.unwrap().valid, expected, "{algorithm:?}");
            }
        }
        let missing = generate::hmac(&root, MOUNT, "none", HELLO, None).await;
        assert_eq!(status(missing), 400);
        mount::disable(&root, MOUNT).await.unwrap();
    });
}

#[test]
fn keys_are_exported() {
    const MOUNT: &str = "typed-exports";
    let app = TestApp::shared();
    run(async {
        let root = client(&app, &app.token);
        enable(&root, MOUNT).await;
        create(&root, MOUNT, "cipher", KeyType::Aes256Gcm96).await;
        key::rotate(&root, MOUNT, "cipher").await.unwrap();
        create(&root, MOUNT, "signer", KeyType::EcdsaP256).await;
        for (version, expected) in [
            (ExportVersion::All, &["1", "2"][..]),
            (ExportVersion::Latest, &["2"]),
            (ExportVersion::Version(1), &["1"]),
        ] {
            let kind = ExportKeyType::EncryptionKey;
            let exported = key::export(&root, MOUNT, "cipher", kind, version).await;
            let exported = exported.unwrap();
            let mut versions: Vec<&str> = exported.keys.keys().map(String::as_str).collect();
            versions.sort_unstable();
            assert_eq!(
                (exported.name.as_str(), versions.as_slice()),
                ("cipher", expected)
            );
        }
        for kind in [
            ExportKeyType::SigningKey,
            ExportKeyType::HmacKey,
            ExportKeyType::PublicKey,
        ] {
            let exported = key::export(&root, MOUNT, "signer", kind, ExportVersion::Latest).await;
            assert!(!exported.unwrap().keys["1"].is_empty());
        }
        for (name, kind, expected) in [
            ("none", ExportKeyType::HmacKey, 404),
            ("cipher", ExportKeyType::SigningKey, 400),
            ("signer", ExportKeyType::EncryptionKey, 400),
            ("cipher", ExportKeyType::CmacKey, 400),
        ] {
            let refused = key::export(&root, MOUNT, name, kind, ExportVersion::All).await;
            assert_eq!(status(refused), expected);
        }
        mount::disable(&root, MOUNT).await.unwrap();
    });
}

#[test]
fn a_key_is_backed_up_and_restored() {
    const MOUNT: &str = "typed-backups";
    let app = TestApp::shared();
    run(async {
        let root = client(&app, &app.token);
        enable(&root, MOUNT).await;
        create(&root, MOUNT, "ring", KeyType::Aes256Gcm96).await;
        assert_eq!(status(key::backup(&root, MOUNT, "ring").await), 500);
        let mut settings = UpdateKeyConfigurationRequest::builder();
        settings.allow_plaintext_backup(true).deletion_allowed(true);
        key::update(&root, MOUNT, "ring", Some(&mut settings))
            .await
            .unwrap();
        let sealed = encrypt(&root, MOUNT, "ring").await;
        let backup = key::backup(&root, MOUNT, "ring").await.unwrap().backup;
        let taken = key::restore(&root, MOUNT, &backup, None).await;
        assert_eq!(status(taken), 500);
        let mut request = RestoreKeyRequest::builder();
        request.force(true);
        key::restore(&root, MOUNT, &backup, Some(&mut request))
            .await
            .unwrap();
        key::delete(&root, MOUNT, "ring").await.unwrap();
        key::restore(&root, MOUNT, &backup, None).await.unwrap();
        assert_eq!(decrypt(&root, MOUNT, "ring", &sealed).await, HELLO);
        mount::disable(&root, MOUNT).await.unwrap();
    });
}

/// Material comes from another key of the same mount, wrapped by the service itself for its own wrapping key.
#[test]
fn keys_are_imported() {
    const MOUNT: &str = "typed-imports";
    let app = TestApp::shared();
    run(async {
        let root = client(&app, &app.token);
        enable(&root, MOUNT).await;
        let wrapping = wrapping_key::get(&root, MOUNT).await.unwrap().public_key;
        let mut request = ImportKeyRequest::builder();
        request.key_type(KeyType::Rsa4096).public_key(wrapping);
        key::import(&root, MOUNT, "wrapping", Some(&mut request))
            .await
            .unwrap();
        create(&root, MOUNT, "source", KeyType::Aes256Gcm96).await;
        key::rotate(&root, MOUNT, "source").await.unwrap();
        let sealed = encrypt(&root, MOUNT, "source").await;
        let wrapped = app.get(&format!("{MOUNT}/byok-export/wrapping/source"));
        let wrapped = wrapped.data();
        let wrapped = |version: &str| wrapped["keys"][version].as_str().unwrap().to_owned();
        let mut request = ImportKeyRequest::builder();
        request
            .key_type(KeyType::Aes256Gcm96)
            .ciphertext(wrapped("1"))
            .hash_function(HashFunction::Sha256);
        key::import(&root, MOUNT, "copy", Some(&mut request))
            .await
            .unwrap();
        let taken = key::import(&root, MOUNT, "copy", Some(&mut request)).await;
        assert!([400, 500].contains(&status(taken)));
        let mut request = ImportKeyVersionRequest::builder();
        request.ciphertext(wrapped("2"));
        key::import_version(&root, MOUNT, "copy", Some(&mut request))
            .await
            .unwrap();
        assert_eq!(decrypt(&root, MOUNT, "copy", &sealed).await, HELLO);
        let refused = key::rotate(&root, MOUNT, "copy").await;
        assert!([400, 500].contains(&status(refused)));
        mount::disable(&root, MOUNT).await.unwrap();
    });
}

#[test]
fn the_size_of_the_cache_is_kept() {
    const MOUNT: &str = "typed-cache";
    let app = TestApp::shared();
    run(async {
        let root = client(&app, &app.token);
        enable(&root, MOUNT).await;
        assert_eq!(cache::read(&root, MOUNT).await.unwrap().size, 0);
        let mut request = ConfigureCacheRequest::builder();
        request.size(123_u64);
        cache::configure(&root, MOUNT, Some(&mut request))
            .await
            .unwrap();
        assert_eq!(cache::read(&root, MOUNT).await.unwrap().size, 123);
        let mut request = ConfigureCacheRequest::builder();
        request.size(9_u64);
        let refused = cache::configure(&root, MOUNT, Some(&mut request)).await;
        assert_eq!(status(refused), 400);
        mount::disable(&root, MOUNT).await.unwrap();
    });
}

#[test]
fn a_token_without_a_policy_is_refused() {
    let app = TestApp::shared();
    run(async {
        let nobody = client(&app, "none");
        assert_eq!(status(key::list(&nobody, "transit").await), 403);
        let refused = data::encrypt(&nobody, "transit", "ring", HELLO, None).await;
        assert_eq!(status(refused), 403);
        assert_eq!(status(wrapping_key::get(&nobody, "transit").await), 403);
        assert_eq!(status(cache::read(&nobody, "transit").await), 403);
    });
}
