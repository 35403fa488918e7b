//! Logins with signed tokens of others.

use data_encoding::BASE64URL_NOPAD as BASE64;
use serde_json::{Value, json};

use super::issuer::{Signer, now};
use super::loopback::Loopback;
use super::mounted::Mounted;
use super::{auth_of, look_up_self, stranger, text};
use crate::client::Answer;

/// One that trusts a signer's key and has a role `team`.
fn trusting(signer: &Signer) -> Mounted {
    let mounted = Mounted::new("jwt");
    let config = json!({"jwt_validation_pubkeys": signer.public_pem(), "bound_issuer": "i"});
    mounted.wrote("config", config);
    let role = json!({
        "role_type": "jwt", "user_claim": "sub", "bound_audiences": "sealring",
        "claim_mappings": {"/org/unit": "unit"}, "token_policies": "team", "token_ttl": "10m",
    });
    mounted.wrote("role/Team", role);
    mounted
}

fn log_in(mounted: &Mounted, role: &str, token: &str) -> Answer {
    let body = json!({"role": role, "jwt": token});
    stranger(&mounted.app, &mounted.at("login"), body)
}

fn claims() -> Value {
    json!({"iss": "i", "sub": "ada", "aud": ["sealring"], "org": {"unit": "ops"}})
}

#[test]
fn a_signed_token_gives_a_token() {
    let signer = Signer::new("k");
    let mounted = trusting(&signer);
    for role in ["team", "TEAM"] {
        let auth = auth_of(&log_in(&mounted, role, &signer.sign(&claims())));
        assert_eq!(auth["policies"], json!(["default", "team"]));
        assert_eq!(auth["metadata"], json!({"role": "team", "unit": "ops"}));
        assert_eq!(auth["lease_duration"], 600);
        let own = look_up_self(&mounted.app, &text(&auth, "client_token")).data();
        let called = format!("{}-ada", mounted.path);
        assert_eq!(own["display_name"], json!(called));
        assert_eq!(own["path"], json!(mounted.at("login")));
    }
}

#[test]
fn what_does_not_log_in_is_told_why_in_vaults_words_and_nothing_is_repeated() {
    let signer = Signer::new("k");
    let mounted = trusting(&signer);
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        signer.sign(&claims)
    };
    let good = signer.sign(&claims());
    let head = BASE64.encode(br#"{"alg":"none"}"#);
    let unsigned = format!("{head}.{}.", good.split('.').nth(1).unwrap());
    let validating = |why: &str| format!("error validating token: {why}");
    let signature = validating(
        "error verifying token signature: no known key successfully validated the token signature",
    );
    for (token, role, expected) in [
        (good.clone(), "", "missing role".to_owned()),
        (String::new(), "team", "missing token".to_owned()),
        (good.clone(), "canary", "role could not be found".to_owned()),
        (
            good.clone(),
            "can/ary",
            "role could not be found".to_owned(),
        ),
        (Signer::new("k").sign(&claims()), "team", signature),
        (
            unsigned,
            "team",
            validating(
                "invalid algorithm (alg) header parameter: token signed with unexpected algorithm",
            ),
        ),
        ("canary".to_owned(), "team", validating("malformed token")),
        (
            with("iss", json!("canary")),
            "team",
            validating("invalid issuer (iss) claim"),
        ),
        (
            with("exp", json!(now() - 61)),
            "team",
            validating("invalid expiration time (exp) claim: token is expired"),
        ),
        (
            with("exp", json!("canary")),
            "team",
            validating("malformed claims"),
        ),
        (
            with("aud", json!("canary")),
            "team",
            validating(
                "invalid audience (aud) claim: audience claim does not match any expected audience",
            ),
        ),
    ] {
        let refused = log_in(&mounted, role, &token);
        assert_eq!(refused.refusal(), (400, expected));
        assert!(!refused.text().contains("canary"), "{}", refused.text());
    }
}

#[test]
fn keys_are_fetched_from_where_an_issuer_publishes_them() {
    let (signer, server) = (Signer::new("k"), Loopback::start());
    let mounted = trusting(&signer);
    let keys = json!({"jwks_url": server.url("/keys"), "default_role": "team"});
    let nothing_there = mounted.post("config", keys.clone());
    assert_eq!(nothing_there.status, 400, "{}", nothing_there.text());
    server.lay_out("/keys", json!({"keys": [signer.jwk()]}));
    mounted.wrote("config", keys);
    let token = signer.sign(&claims());
    for _ in 0..3 {
        auth_of(&log_in(&mounted, "", &token));
    }
    let discovery = json!({"oidc_discovery_url": server.url("")});
    let document = json!({"issuer": server.url(""), "jwks_uri": server.url("/keys")});
    server.lay_out("/.well-known/openid-configuration", document);
    mounted.wrote("config", discovery);
    auth_of(&log_in(&mounted, "team", &token));
    let read = mounted.app.get(&mounted.at("config")).data();
    assert_eq!(read["oidc_discovery_url"], json!(server.url("")));
    assert_eq!(read["jwks_url"], json!(""));
    for (head, body) in server.asked() {
        assert!(body.is_empty() && !head.to_lowercase().contains("authorization"));
        assert!(
            !head.contains(&token) && !head.contains(&mounted.app.token),
            "{head}"
        );
    }
}

#[test]
fn what_is_not_offered_is_refused_clearly() {
    let mounted = trusting(&Signer::new("k"));
    for (rest, body, word) in [
        (
            "role/r",
            json!({"role_type": "oidc", "user_claim": "sub"}),
            "browser",
        ),
        (
            "oidc/auth_url",
            json!({"role": "r", "redirect_uri": "http://x"}),
            "browser",
        ),
        (
            "config",
            json!({"oidc_discovery_url": "https://x", "oidc_client_id": "x"}),
            "browser",
        ),
        (
            "config",
            json!({"jwks_url": "http://issuer.example.com/keys"}),
            "loopback",
        ),
        (
            "config",
            json!({"jwks_url": "https://u:canary@x/"}),
            "credentials",
        ),
        (
            "config",
            json!({"jwks_pairs": [{"jwks_url": "https://x"}]}),
            "jwks_pairs",
        ),
    ] {
        let (status, text) = mounted.post(rest, body).refusal();
        assert_eq!(status, 400, "{text}");
        assert!(text.contains(word) && !text.contains("canary"), "{text}");
    }
}

#[test]
fn a_renewal_goes_by_what_the_role_says_then_and_ends_with_it() {
    let signer = Signer::new("k");
    let mounted = trusting(&signer);
    let auth = auth_of(&log_in(&mounted, "team", &signer.sign(&claims())));
    let token = text(&auth, "client_token");
    let renew = || {
        let request = mounted.app.anonymous("POST", "auth/token/renew-self");
        request.header("X-Vault-Token", &token).send()
    };
    mounted.wrote("role/team", json!({"token_ttl": "20m"}));
    assert_eq!(auth_of(&renew())["lease_duration"], 1200);
    let deleted = mounted
        .app
        .request("DELETE", &mounted.at("role/team"))
        .send();
    assert_eq!(deleted.status, 204);
    assert_eq!(renew().status, 400);
}

#[test]
fn logins_that_fail_leave_no_token_behind() {
    let mounted = trusting(&Signer::new("k"));
    let count = || {
        let accessors = mounted.app.request("LIST", "auth/token/accessors").send();
        accessors.text().matches(&mounted.path).count()
    };
    let before = count();
    for number in 0..20 {
        let refused = log_in(
            &mounted,
            "team",
            &Signer::new("k").sign(&json!({"jti": number.to_string()})),
        );
        assert_eq!(refused.status, 400);
    }
    assert_eq!(count(), before);
}

#[test]
fn from_a_forbidden_address_a_good_token_is_refused_like_a_forged_one() {
    let signer = Signer::new("k");
    let mounted = trusting(&signer);
    mounted.wrote("role/team", json!({"token_bound_cidrs": ["192.0.2.0/24"]}));
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        signer.sign(&claims)
    };
    let forged = log_in(&mounted, "team", &Signer::new("k").sign(&claims()));
    assert_eq!(forged.status, 400, "{}", forged.text());
    for token in [
        signer.sign(&claims()),
        with("exp", json!(1)),
        with("aud", json!("elsewhere")),
        with("sub", json!("a\nb")),
    ] {
        let refused = log_in(&mounted, "team", &token);
        assert_eq!((refused.status, refused.text()), (400, forged.text()));
    }
}

#[test]
fn a_user_whose_name_has_control_characters_is_refused() {
    let signer = Signer::new("k");
    let mounted = trusting(&signer);
    for odd in ["ada\n", "a\u{0}b", "\u{1b}[2J"] {
        let mut claims = claims();
        claims["sub"] = json!(odd);
        let refused = log_in(&mounted, "team", &signer.sign(&claims)).refusal();
        let expected = "claim \"sub\" could not be converted to string".to_owned();
        assert_eq!(refused, (400, expected), "{odd:?}");
    }
}
