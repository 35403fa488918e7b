use super::*;
use crate::http::errors::Message;
use crate::identity::token_params::TokenType;

fn configured(body: &str) -> Result<AuthMountConfig, String> {
    let mut config = AuthMountConfig::default();
    let mut fields = Fields::from_json(body.as_bytes()).unwrap();
    let read =
        describe(&mut config, &mut fields).and_then(|()| configure(&mut config, &mut fields));
    read.map(|()| config)
        .map_err(|problem| match problem.message {
            Message::Plain(text) => text.into_owned(),
            Message::Empty | Message::Multi(_) | Message::WithRequestId(_) => String::new(),
        })
}

#[test]
fn settings_are_read_as_clients_spell_them() {
    let body = r#"{"description":"x","default_lease_ttl":"1h","max_lease_ttl":7200,"token_type":"batch",
        "listing_visibility":"unauth","user_lockout_config":{"lockout_threshold":"3","lockout_duration":"5m",
        "lockout_counter_reset_duration":60,"lockout_disable":false},"force_no_cache":true,"options":null}"#;
    let config = configured(body).unwrap();
    assert_eq!(config.default_lease_ttl, Duration::from_hours(1));
    assert_eq!(config.max_lease_ttl, Duration::from_hours(2));
    assert_eq!(config.token_type, TokenType::Batch);
    assert!(config.listed_unauthenticated);
    let rule = config.lockout();
    assert_eq!((rule.threshold, rule.duration), (3, Duration::from_mins(5)));
    let system = configured(r#"{"default_lease_ttl":"system","max_lease_ttl":""}"#).unwrap();
    assert_eq!(system, AuthMountConfig::default());
}

#[test]
fn what_is_tuned_shows_the_lifetimes_that_hold() {
    let config = configured(r#"{"max_lease_ttl":"10m"}"#).unwrap();
    let shown = tuning(&config);
    assert_eq!(shown["max_lease_ttl"], 600);
    assert_eq!(shown["default_lease_ttl"], 600);
    assert_eq!(shown.get("listing_visibility"), None);
    let untouched = tuning(&AuthMountConfig::default());
    assert_eq!(untouched["max_lease_ttl"], 768 * 3600);
}

#[test]
fn bad_settings_are_refused_without_repeating_them() {
    for body in [
        r#"{"token_type":"canary"}"#,
        r#"{"listing_visibility":"canary"}"#,
        r#"{"max_lease_ttl":"canary"}"#,
        r#"{"default_lease_ttl":2,"max_lease_ttl":1}"#,
        r#"{"user_lockout_config":{"lockout_threshold":0}}"#,
        r#"{"user_lockout_config":"canary"}"#,
    ] {
        let text = configured(body).unwrap_err();
        assert!(!text.is_empty() && !text.contains("canary"), "{text}");
    }
}
