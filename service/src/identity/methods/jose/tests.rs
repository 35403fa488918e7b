//! Tokens that must not pass, and those that must.

use data_encoding::BASE64URL_NOPAD as BASE64;
use jsonwebtoken::{Algorithm, AlgorithmFamily, EncodingKey, Header};
use rcgen::{KeyPair, PublicKeyData as _};
use serde_json::{Map, Value, json};

use super::claims::Claims;
use super::jws::{Jws, JwsFault};
use super::key::{ALGORITHMS, KeyFault, VerificationKey};
use super::key_set::{KeySet, KeySetFault};

struct Signer {
    pair: KeyPair,
    algorithm: Algorithm,
    encoding: EncodingKey,
}

impl Signer {
    fn new(algorithm: Algorithm) -> Self {
        let family = algorithm.family();
        let kind = match family {
            AlgorithmFamily::Ec if algorithm == Algorithm::ES384 => &rcgen::PKCS_ECDSA_P384_SHA384,
            AlgorithmFamily::Ec => &rcgen::PKCS_ECDSA_P256_SHA256,
            AlgorithmFamily::Ed => &rcgen::PKCS_ED25519,
            AlgorithmFamily::Hmac | AlgorithmFamily::Rsa => &rcgen::PKCS_RSA_SHA256,
        };
        let pair = match family {
            AlgorithmFamily::Rsa => {
                KeyPair::generate_rsa_for(kind, rcgen::RsaKeySize::_2048).unwrap()
            }
            AlgorithmFamily::Ec | AlgorithmFamily::Ed | AlgorithmFamily::Hmac => {
                KeyPair::generate_for(kind).unwrap()
            }
        };
        let pem = pair.serialize_pem();
        let encoding = match family {
            AlgorithmFamily::Rsa => EncodingKey::from_rsa_pem(pem.as_bytes()),
            AlgorithmFamily::Ec => EncodingKey::from_ec_pem(pem.as_bytes()),
            AlgorithmFamily::Ed | AlgorithmFamily::Hmac => EncodingKey::from_ed_pem(pem.as_bytes()),
        };
        Self {
            algorithm,
            encoding: encoding.unwrap(),
            pair,
        }
    }

    fn key(&self) -> KeySet {
        KeySet::from_pems(&[self.pair.public_key_pem()]).unwrap()
    }

    fn jwk(&self) -> Value {
        let raw = self.pair.der_bytes();
        match self.algorithm.family() {
            AlgorithmFamily::Ec => {
                let (x, y) = raw[1..].split_at(raw.len() / 2);
                let curve = if x.len() == 32 { "P-256" } else { "P-384" };
                json!({"kty": "EC", "crv": curve, "x": BASE64.encode(x), "y": BASE64.encode(y)})
            }
            AlgorithmFamily::Ed => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": BASE64.encode(raw)})
            }
            AlgorithmFamily::Hmac | AlgorithmFamily::Rsa => {
                let key =
                    jsonwebtoken::DecodingKey::from_rsa_pem(self.pair.public_key_pem().as_bytes());
                let jwk = jsonwebtoken::jwk::Jwk::from_decoding_key(&key.unwrap(), None);
                serde_json::to_value(jwk.unwrap()).unwrap()
            }
        }
    }

    /// Signs whatever stands in these two parts.
    fn sign_raw(&self, header: &str, payload: &str) -> String {
        let message = format!(
            "{}.{}",
            BASE64.encode(header.as_bytes()),
            BASE64.encode(payload.as_bytes())
        );
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &self.encoding, self.algorithm).unwrap();
        format!("{message}.{signature}")
    }

    fn sign(&self, claims: &Value) -> String {
        jsonwebtoken::encode(&Header::new(self.algorithm), claims, &self.encoding).unwrap()
    }
}

fn every_algorithm() -> Vec<Algorithm> {
    ALGORITHMS.iter().map(|(_, algorithm)| *algorithm).collect()
}

fn verify(token: &str, keys: &KeySet) -> Result<Claims, JwsFault> {
    verify_by(token, keys, &every_algorithm())
}

fn verify_by(token: &str, keys: &KeySet, allowed: &[Algorithm]) -> Result<Claims, JwsFault> {
    keys.verify(&Jws::parse(token)?, allowed)
}

fn jwk_set(keys: &[Value]) -> Result<KeySet, KeySetFault> {
    KeySet::from_jwks(json!({"keys": keys}).to_string().as_bytes())
}

#[test]
fn every_algorithm_verifies_by_pem_and_by_jwk() {
    for algorithm in every_algorithm() {
        let signer = Signer::new(algorithm);
        let token = signer.sign(&json!({"sub": "a"}));
        for keys in [signer.key(), jwk_set(&[signer.jwk()]).unwrap()] {
            assert_eq!(keys.len(), 1, "{algorithm:?}");
            let claims = verify(&token, &keys).unwrap();
            assert_eq!(claims.subject(), "a");
            assert_eq!(
                verify_by(&token, &keys, &[]),
                Err(JwsFault::Algorithm),
                "{algorithm:?}"
            );
        }
        let other = Signer::new(algorithm);
        assert_eq!(verify(&token, &other.key()), Err(JwsFault::Signature));
    }
}

#[test]
fn a_certificate_gives_its_key() {
    let signer = Signer::new(Algorithm::ES256);
    let certificate = rcgen::CertificateParams::default()
        .self_signed(&signer.pair)
        .unwrap();
    let keys = KeySet::from_pems(&[certificate.pem()]).unwrap();
    assert!(verify(&signer.sign(&json!({})), &keys).is_ok());
}

#[test]
fn no_signature_and_shared_secrets_are_never_accepted() {
    let signer = Signer::new(Algorithm::RS256);
    let public = signer.pair.public_key_pem();
    for secret in [
        public.as_bytes(),
        public.trim_end().as_bytes(),
        signer.pair.der_bytes(),
    ] {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let key = EncodingKey::from_secret(secret);
            let forged = jsonwebtoken::encode(&Header::new(algorithm), &json!({}), &key).unwrap();
            assert_eq!(verify(&forged, &signer.key()), Err(JwsFault::Algorithm));
        }
    }
    let payload = BASE64.encode(b"{}");
    for none in ["none", "None", "NONE", "nOnE", "", "RS256 ", "rs256"] {
        let header = BASE64.encode(json!({"alg": none}).to_string().as_bytes());
        for signature in ["", "AA"] {
            let forged = format!("{header}.{payload}.{signature}");
            assert_eq!(
                verify(&forged, &signer.key()),
                Err(JwsFault::Algorithm),
                "{none}"
            );
        }
    }
    let secret = json!({"kty": "oct", "k": "AAAA", "alg": "HS256"});
    assert!(jwk_set(&[secret]).unwrap().is_empty());
}

#[test]
fn a_key_verifies_only_by_the_algorithms_of_its_own_kind() {
    let signers: Vec<Signer> = [
        Algorithm::RS256,
        Algorithm::ES256,
        Algorithm::ES384,
        Algorithm::EdDSA,
    ]
    .into_iter()
    .map(Signer::new)
    .collect();
    for signer in &signers {
        for (name, _) in ALGORITHMS {
            // What the header says is not what the signature was made by.
            let token = signer.sign_raw(&json!({"alg": name}).to_string(), "{}");
            let expected = signer.algorithm == super::key::algorithm(name).unwrap();
            for verifier in &signers {
                let verified = verify(&token, &verifier.key()).is_ok();
                let same = verifier.pair.der_bytes() == signer.pair.der_bytes();
                assert_eq!(verified, same && expected, "{name}");
            }
        }
    }
}

#[test]
fn a_jwk_is_bound_to_its_algorithm_use_and_operations() {
    let signer = Signer::new(Algorithm::RS256);
    let token = signer.sign(&json!({}));
    let with = |name: &str, value: Value| {
        let mut jwk = signer.jwk();
        jwk[name] = value;
        jwk_set(&[jwk]).unwrap()
    };
    assert!(verify(&token, &with("alg", json!("RS256"))).is_ok());
    assert_eq!(
        verify(&token, &with("alg", json!("PS256"))),
        Err(JwsFault::Signature)
    );
    assert!(verify(&token, &with("use", json!("sig"))).is_ok());
    assert!(verify(&token, &with("key_ops", json!(["verify", "sign"]))).is_ok());
    for (name, value) in [
        ("alg", json!("HS256")),
        ("alg", json!("ES256")),
        ("alg", json!("none")),
        ("alg", json!(1)),
        ("use", json!("enc")),
        ("use", json!(null)),
        ("key_ops", json!(["sign"])),
        ("key_ops", json!("verify")),
        ("kid", json!(1)),
        ("kty", json!("oct")),
        ("kty", json!("EC")),
        ("n", json!("")),
        ("n", json!("AQAB")),
        ("n", json!("not base64!")),
        ("e", json!("")),
        ("e", json!("AQABAQABAQAB")),
    ] {
        assert!(with(name, value.clone()).is_empty(), "{name} {value}");
    }
}

#[test]
fn curves_are_not_mixed_up() {
    let small = Signer::new(Algorithm::ES256);
    let mut renamed = small.jwk();
    renamed["crv"] = json!("P-384");
    assert!(jwk_set(&[renamed]).unwrap().is_empty());
    let mut lopsided = small.jwk();
    lopsided["x"] = json!(BASE64.encode(&[1; 31]));
    lopsided["y"] = json!(BASE64.encode(&[1; 33]));
    assert!(jwk_set(&[lopsided]).unwrap().is_empty());
}

#[test]
fn a_key_id_chooses_among_the_keys() {
    let (first, second) = (Signer::new(Algorithm::ES256), Signer::new(Algorithm::ES256));
    let named = |signer: &Signer, id: &str| {
        let mut jwk = signer.jwk();
        jwk["kid"] = json!(id);
        jwk
    };
    let keys = jwk_set(&[named(&first, "1"), named(&second, "2")]).unwrap();
    let sign = |signer: &Signer, id: &str| {
        signer.sign_raw(&json!({"alg": "ES256", "kid": id}).to_string(), "{}")
    };
    assert!(verify(&sign(&first, "1"), &keys).is_ok());
    assert!(verify(&sign(&second, "2"), &keys).is_ok());
    assert!(verify(&second.sign(&json!({})), &keys).is_ok(), "no id");
    assert_eq!(verify(&sign(&first, "2"), &keys), Err(JwsFault::Signature));
    assert_eq!(verify(&sign(&first, "3"), &keys), Err(JwsFault::Signature));
    let nameless = jwk_set(&[first.jwk()]).unwrap();
    assert!(verify(&sign(&first, "any"), &nameless).is_ok());
}

#[test]
fn keys_that_a_token_brings_along_are_passed_over() {
    let (trusted, attacker) = (Signer::new(Algorithm::ES256), Signer::new(Algorithm::ES256));
    let header = json!({
        "alg": "ES256",
        "jwk": attacker.jwk(),
        "jku": "http://127.0.0.1:1/keys",
        "x5u": "http://127.0.0.1:1/keys",
        "x5c": ["AAAA"],
    });
    let token = attacker.sign_raw(&header.to_string(), "{}");
    assert_eq!(verify(&token, &trusted.key()), Err(JwsFault::Signature));
}

#[test]
fn malformed_headers_are_refused() {
    let signer = Signer::new(Algorithm::ES256);
    for (header, fault) in [
        (r#"{"alg":"ES256","alg":"ES256"}"#, JwsFault::Malformed),
        (r#"{"alg":["ES256"]}"#, JwsFault::Malformed),
        (r#"{"alg":null}"#, JwsFault::Malformed),
        ("{}", JwsFault::Malformed),
        ("[]", JwsFault::Malformed),
        ("", JwsFault::Malformed),
        (r#"{"alg":"ES256","kid":1}"#, JwsFault::Malformed),
        (r#"{"alg":"ES256","kid":null}"#, JwsFault::Malformed),
        (
            r#"{"alg":"ES256","crit":["b64"],"b64":false}"#,
            JwsFault::Critical,
        ),
        (r#"{"alg":"ES256","crit":[]}"#, JwsFault::Critical),
        (r#"{"alg":"ES512"}"#, JwsFault::Algorithm),
        (r#"{"alg":"ES256K"}"#, JwsFault::Algorithm),
    ] {
        let token = signer.sign_raw(header, "{}");
        assert_eq!(verify(&token, &signer.key()), Err(fault), "{header}");
    }
}

#[test]
fn malformed_payloads_are_refused_though_they_are_signed() {
    let signer = Signer::new(Algorithm::ES256);
    for payload in [
        "",
        "[]",
        "null",
        "1",
        "{",
        "{} ,",
        r#"{"sub":"a","sub":"b"}"#,
        "{\"sub\":\"a\",\"s\\u0075b\":\"b\"}",
        r#"{"exp":"1700000000"}"#,
        r#"{"nbf":[1]}"#,
        r#"{"iat":null}"#,
        r#"{"exp":1e400}"#,
        r#"{"exp":-1}"#,
        r#"{"exp":NaN}"#,
        r#"{"aud":{"a":"b"}}"#,
        r#"{"aud":1}"#,
        r#"{"iss":["a"]}"#,
    ] {
        let token = signer.sign_raw(r#"{"alg":"ES256"}"#, payload);
        assert_eq!(
            verify(&token, &signer.key()),
            Err(JwsFault::Claims),
            "{payload}"
        );
    }
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(1000), "]".repeat(1000));
    let token = signer.sign_raw(r#"{"alg":"ES256"}"#, &deep);
    assert_eq!(verify(&token, &signer.key()), Err(JwsFault::Claims));
}

#[test]
fn every_truncation_and_every_changed_character_is_refused() {
    let signer = Signer::new(Algorithm::ES256);
    let keys = signer.key();
    let token = signer.sign(&json!({"sub": "a"}));
    for end in 0..token.len() {
        assert!(verify(&token[..end], &keys).is_err(), "{end}");
    }
    for at in 0..token.len() {
        for other in ['A', 'B', '_', '.', '=', ' ', '\n', '+'] {
            let mut changed = token.clone();
            changed.replace_range(at..=at, &other.to_string());
            let refused = changed == token || verify(&changed, &keys).is_err();
            assert!(refused, "{at} {other:?}");
        }
    }
}

#[test]
fn parts_are_three_canonical_and_bounded() {
    let signer = Signer::new(Algorithm::ES256);
    let keys = signer.key();
    let token = signer.sign(&json!({"sub": "a"}));
    for wrong in [
        format!("{token}."),
        format!(".{token}"),
        format!("{token}="),
        format!(" {token}"),
        format!("{token}\n"),
        token.replacen('.', "..", 1),
        "..".to_owned(),
        ".".to_owned(),
        String::new(),
        r#"{"payload":"e30","signatures":[]}"#.to_owned(),
    ] {
        assert!(verify(&wrong, &keys).is_err(), "{wrong}");
    }
    let long = signer.sign(&json!({"a": "x".repeat(Jws::MAX_LENGTH)}));
    assert_eq!(verify(&long, &keys), Err(JwsFault::TooLong));
    let header = json!({"alg": "ES256", "x": "x".repeat(9000)}).to_string();
    let long_header = signer.sign_raw(&header, "{}");
    assert_eq!(verify(&long_header, &keys), Err(JwsFault::TooLong));
}

#[test]
fn ecdsa_signatures_of_another_form_are_refused() {
    let signer = Signer::new(Algorithm::ES256);
    let token = signer.sign(&json!({}));
    let (message, _) = token.rsplit_once('.').unwrap();
    for signature in [
        vec![0; 64],
        vec![0; 63],
        vec![0xff; 64],
        vec![],
        vec![0x30, 6, 2, 1, 1, 2, 1, 1],
    ] {
        let forged = format!("{message}.{}", BASE64.encode(&signature));
        assert_eq!(verify(&forged, &signer.key()), Err(JwsFault::Signature));
    }
}

#[test]
fn sets_of_keys_are_bounded_and_strict() {
    for wrong in [
        "",
        "[]",
        "{}",
        r#"{"keys":{}}"#,
        r#"{"keys":null}"#,
        r#"{"keys":[],"keys":[]}"#,
    ] {
        let read = KeySet::from_jwks(wrong.as_bytes());
        assert_eq!(read.unwrap_err(), KeySetFault::Malformed, "{wrong}");
    }
    assert!(jwk_set(&[]).unwrap().is_empty());
    assert!(
        jwk_set(&[json!(1), json!({}), json!(null)])
            .unwrap()
            .is_empty()
    );
    let many = vec![json!({}); KeySet::MAX_KEYS + 1];
    assert_eq!(jwk_set(&many).unwrap_err(), KeySetFault::TooManyKeys);
    let bare: Map<String, Value> = Map::new();
    assert!(VerificationKey::from_jwk(&bare).is_none());
}

#[test]
fn texts_that_are_no_public_keys_are_refused() {
    let private = KeyPair::generate().unwrap().serialize_pem();
    for text in [
        "",
        "not a key",
        private.as_str(),
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
    ] {
        let fault = VerificationKey::from_pem(text).unwrap_err();
        assert_eq!(fault, KeyFault::Pem, "{text}");
    }
    let p521 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap();
    let fault = VerificationKey::from_pem(&p521.public_key_pem()).unwrap_err();
    assert_eq!(fault, KeyFault::Kind);
}
