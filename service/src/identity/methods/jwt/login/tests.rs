//! Which claims log in to which roles.

use serde_json::json;

use super::*;
use crate::identity::methods::jwt::bound_claims::{BoundClaims, BoundClaimsType};

const NOW: i64 = 1_700_000_000;

fn claims(fields: &Value) -> Claims {
    let mut all = json!({"sub": "s", "iat": NOW, "exp": NOW + 100});
    for (name, value) in fields.as_object().unwrap() {
        all[name] = value.clone();
    }
    Claims::read(all.as_object().unwrap().clone()).unwrap()
}

fn role() -> Role {
    Role {
        bound_subject: "s".to_owned(),
        user_claim: "sub".to_owned(),
        ..Role::default()
    }
}

fn bound_to(audiences: &[&str]) -> Role {
    Role {
        bound_audiences: audiences.iter().map(|one| (*one).to_owned()).collect(),
        ..role()
    }
}

fn admit(role: &Role, fields: &Value) -> Result<Admitted, LoginFault> {
    let now = Timestamp::from_micros(NOW * 1_000_000);
    role.admit("r", &claims(fields), "", now)
}

#[test]
fn the_caller_is_who_the_user_claim_names() {
    let admitted = admit(&role(), &json!({})).unwrap();
    assert_eq!(admitted.user, "s");
    assert_eq!(
        admitted.metadata,
        [("role".to_owned(), "r".to_owned())].into()
    );
    let pointed = |user_claim: &str, user_claim_json_pointer| Role {
        user_claim: user_claim.to_owned(),
        user_claim_json_pointer,
        ..role()
    };
    let nested = json!({"a": {"b": "deep"}, "/a/b": "flat", "n": null, "i": 1, "e": "", "l": "x".repeat(1025)});
    let user = |name: &str, pointer| admit(&pointed(name, pointer), &nested).map(|a| a.user);
    assert_eq!(user("/a/b", true).as_deref(), Ok("deep"));
    assert_eq!(user("/a/b", false).as_deref(), Ok("flat"));
    for missing in ["x", "n"] {
        assert_eq!(
            user(missing, false),
            Err(LoginFault::UserMissing(missing.to_owned()))
        );
    }
    for wrong in ["i", "a", "e", "l"] {
        assert_eq!(user(wrong, false), Err(LoginFault::User(wrong.to_owned())));
    }
}

#[test]
fn a_name_with_characters_that_do_not_show_is_nobodys() {
    let anybody = Role {
        bound_subject: String::new(),
        ..role()
    };
    let mapping = Role {
        claim_mappings: [("team".to_owned(), "team".to_owned())].into(),
        ..role()
    };
    for odd in [
        "a\nb",
        "a\0",
        "\u{1b}[31mroot",
        "a\u{85}",
        "a\u{202e}b",
        "\u{200b}a",
    ] {
        let user = admit(&anybody, &json!({"sub": odd}));
        assert_eq!(
            user.unwrap_err(),
            LoginFault::User("sub".to_owned()),
            "{odd:?}"
        );
        let mapped = admit(&mapping, &json!({"team": odd}));
        assert_eq!(
            mapped.unwrap_err(),
            LoginFault::Mapping("team".to_owned()),
            "{odd:?}"
        );
    }
}

#[test]
fn audiences_are_compared_whole_and_in_both_forms() {
    let bound = bound_to(&["a", "b"]);
    for fine in [json!("a"), json!(["a"]), json!(["x", "b"])] {
        assert!(admit(&bound, &json!({"aud": fine})).is_ok(), "{fine}");
    }
    for wrong in [
        json!(""),
        json!([]),
        json!("A"),
        json!("a,b"),
        json!("a b"),
        json!(["x"]),
        json!(["ab"]),
    ] {
        let refused = admit(&bound, &json!({"aud": wrong}));
        assert_eq!(refused, Err(LoginFault::Audience), "{wrong}");
    }
    assert_eq!(admit(&bound, &json!({})), Err(LoginFault::Audience));
    let unbound = role();
    assert!(admit(&unbound, &json!({})).is_ok());
    assert!(admit(&unbound, &json!({"aud": []})).is_ok());
    for named in [json!("a"), json!(["a"]), json!("")] {
        let refused = admit(&unbound, &json!({"aud": named}));
        assert_eq!(refused, Err(LoginFault::AudienceUnbound), "{named}");
    }
}

#[test]
fn issuer_and_subject_must_be_the_bound_ones() {
    let now = Timestamp::from_micros(NOW * 1_000_000);
    let by = |issuer: Value| role().admit("r", &claims(&json!({"iss": issuer})), "https://i", now);
    assert!(by(json!("https://i")).is_ok());
    for other in ["https://i/", "https://I", "", "https://evil"] {
        assert_eq!(by(json!(other)), Err(LoginFault::Issuer), "{other}");
    }
    let nobody = role().admit("r", &claims(&json!({})), "https://i", now);
    assert_eq!(nobody, Err(LoginFault::Issuer));
    assert_eq!(
        admit(&role(), &json!({"sub": "S"})),
        Err(LoginFault::Subject)
    );
}

#[test]
fn a_token_that_is_over_does_not_log_in() {
    let fault = admit(&role(), &json!({"exp": NOW - 60}));
    assert_eq!(fault, Err(LoginFault::Time(TimeFault::Expired)));
    assert_eq!(
        fault.unwrap_err().to_string(),
        "error validating token: invalid expiration time (exp) claim: token is expired"
    );
    assert!(admit(&role(), &json!({"exp": NOW - 59})).is_ok());
}

#[test]
fn mapped_claims_become_metadata() {
    let mapping = Role {
        claim_mappings: [("/a/b", "deep"), ("c", "flat"), ("absent", "none")]
            .map(|(from, to)| (from.to_owned(), to.to_owned()))
            .into(),
        ..role()
    };
    let metadata = admit(&mapping, &json!({"a": {"b": "x"}, "c": "y"}))
        .unwrap()
        .metadata;
    let expected = [("deep", "x"), ("flat", "y"), ("role", "r")];
    assert_eq!(
        metadata,
        expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into()
    );
    for wrong in [json!(1), json!(["x"]), json!("x".repeat(1025))] {
        let refused = admit(&mapping, &json!({"c": wrong}));
        assert_eq!(refused, Err(LoginFault::Mapping("c".to_owned())));
    }
}

#[test]
fn a_named_groups_claim_must_be_texts() {
    let grouped = Role {
        groups_claim: "g".to_owned(),
        ..role()
    };
    for fine in [json!([]), json!(["a", ""]), json!("a")] {
        assert!(admit(&grouped, &json!({"g": fine})).is_ok());
    }
    for wrong in [json!(1), json!(["a", 1]), json!({})] {
        let refused = admit(&grouped, &json!({"g": wrong}));
        assert_eq!(refused, Err(LoginFault::Groups("g".to_owned())));
    }
    assert_eq!(
        admit(&grouped, &json!({})),
        Err(LoginFault::GroupsMissing("g".to_owned()))
    );
}

fn demanding(demands: &[(&str, Value)], kind: BoundClaimsType) -> Role {
    let own = |(name, value): &(&str, Value)| ((*name).to_owned(), value.clone());
    Role {
        bound_claims: BoundClaims(demands.iter().map(own).collect()),
        bound_claims_type: kind,
        ..role()
    }
}

#[test]
fn every_demanded_claim_must_have_one_of_its_values() {
    let role = demanding(
        &[
            ("a", json!(["x", "y"])),
            ("/b/c", json!(true)),
            ("n", json!(7)),
        ],
        BoundClaimsType::String,
    );
    for fine in [
        json!({"a": "x", "b": {"c": true}, "n": 7}),
        json!({"a": ["z", "y"], "b": {"c": [false, true]}, "n": [7]}),
    ] {
        assert!(admit(&role, &fine).is_ok(), "{fine}");
    }
    for (claims, name) in [
        (json!({"a": "z", "b": {"c": true}, "n": 7}), "a"),
        (json!({"a": [], "b": {"c": true}, "n": 7}), "a"),
        (json!({"a": "X", "b": {"c": true}, "n": 7}), "a"),
        (json!({"a": "x", "b": {"c": "true"}, "n": 7}), "/b/c"),
        (json!({"a": "x", "b": {"c": true}, "n": "7"}), "n"),
        (json!({"a": "x", "b": {"c": true}, "n": [7.5]}), "n"),
        (json!({"a": [["x"]], "b": {"c": true}, "n": 7}), "a"),
    ] {
        let refused = admit(&role, &claims);
        let expected = LoginFault::Bound(BoundFault::Mismatch(name.to_owned()));
        assert_eq!(refused, Err(expected), "{claims}");
    }
    let missing = admit(&role, &json!({"a": "x", "b": {}, "n": 7}));
    let expected = LoginFault::Bound(BoundFault::Missing("/b/c".to_owned()));
    assert_eq!(missing, Err(expected));
    let odd = admit(&role, &json!({"a": {"x": "x"}, "b": {"c": true}, "n": 7}));
    assert_eq!(odd, Err(LoginFault::Bound(BoundFault::NotScalar)));
}

#[test]
fn globs_match_texts_and_a_star_in_a_string_is_a_star() {
    let globs = demanding(&[("a", json!("group-*"))], BoundClaimsType::Glob);
    for fine in [json!("group-1"), json!("group-"), json!(["x", "group-2"])] {
        assert!(admit(&globs, &json!({"a": fine})).is_ok());
    }
    for wrong in [json!("group"), json!("a-group-1"), json!(1), json!(true)] {
        assert!(admit(&globs, &json!({"a": wrong})).is_err());
    }
    let texts = demanding(&[("a", json!("group-*"))], BoundClaimsType::String);
    assert!(admit(&texts, &json!({"a": "group-1"})).is_err());
    assert!(admit(&texts, &json!({"a": "group-*"})).is_ok());
}
