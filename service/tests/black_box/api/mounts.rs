//! Mounts: list, enable, tune, disable, restore.

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::client::multi;
use crate::set_up::{Home, Store, refused};

#[test]
fn the_default_mount_is_listed_twice_over() {
    let app = TestApp::shared();
    let answer = app.get("sys/mounts");
    let data = answer.data();
    let mount = &data["transit/"];
    assert_eq!(
        (&mount["type"], &mount["options"]),
        (&json!("transit"), &Value::Null)
    );
    assert!(mount["accessor"].as_str().unwrap().starts_with("transit_"));
    assert_eq!(
        &answer.json()["transit/"],
        mount,
        "old clients look beside the data"
    );
    assert_eq!(app.get("sys/mounts/transit").data()["uuid"], mount["uuid"]);
    let visible = app.get("sys/internal/ui/mounts").data();
    assert_eq!(&visible["secret"]["transit/"], mount);
    let of_key = app.get("sys/internal/ui/mounts/transit/keys/a").data();
    assert_eq!(
        (&of_key["path"], &of_key["type"]),
        (&json!("transit/"), &json!("transit"))
    );
    let nowhere = app.get("sys/internal/ui/mounts/nowhere").refusal();
    let expected = "preflight capability check returned 403, please ensure client's policies grant access to path \
                    \"nowhere/\"";
    assert_eq!(nowhere, (403, expected.to_owned()));
    let absent = app.get("sys/mounts/nowhere").refusal();
    assert_eq!(
        absent,
        (400, "No secret engine mount at nowhere/".to_owned())
    );
}

#[test]
fn a_mount_path_may_have_slashes_and_its_keys_are_its_own() {
    let app = TestApp::shared();
    let config = json!({"default_lease_ttl": "0s", "max_lease_ttl": "0s", "force_no_cache": false, "options": null});
    let body = json!({"type": "transit", "description": "ours", "config": config, "options": null, "local": false});
    assert_eq!(app.enable_mount("team/payments", &body).status, 204);
    assert_eq!(app.enable_mount("team/other", &body).status, 204);
    for nested in ["team/payments/eu", "team"] {
        let expected = format!("path is already in use at {nested}/");
        assert_eq!(app.enable_mount(nested, &body).refusal(), (400, expected));
    }
    for (mount, kind) in [
        ("team/payments", "aes128-gcm96"),
        ("team/other", "aes256-gcm96"),
    ] {
        app.post(&format!("{mount}/keys/orders"), json!({"type": kind}))
            .data();
        let read = app.get(&format!("{mount}/keys/orders")).data();
        assert_eq!(read["type"], kind, "{mount}");
        let sealed = app
            .post(
                &format!("{mount}/encrypt/orders"),
                json!({"plaintext": "aGVsbG8="}),
            )
            .data();
        let opened = app.post(
            &format!("{mount}/decrypt/orders"),
            json!({"ciphertext": sealed["ciphertext"]}),
        );
        assert_eq!(opened.data()["plaintext"], "aGVsbG8=");
        let description = app.get("sys/mounts").data()[format!("{mount}/")]["description"].clone();
        assert_eq!(description, "ours");
    }
    assert_eq!(app.read("orders").status, 404);
    let key = app
        .get("sys/internal/ui/mounts/team/payments/keys/orders")
        .data();
    assert_eq!(key["path"], "team/payments/");
}

#[test]
fn only_transit_is_enabled_and_only_on_a_free_path() {
    let app = TestApp::shared();
    let bad_path = |path: &str| app.enable_mount(path, json!({"type": "transit"}));
    for (body, expected) in [
        (
            json!({"type": "kv"}),
            "only mounts of type transit are offered",
        ),
        (
            json!({"type": "pki"}),
            "only mounts of type transit are offered",
        ),
        (
            json!({"type": ""}),
            "backend type must be specified as a string",
        ),
        (json!({}), "backend type must be specified as a string"),
    ] {
        let answer = app.enable_mount("other", &body);
        assert_eq!(answer.refusal(), (400, expected.to_owned()), "{body}");
    }
    let wrong = json!({"type": "transit", "config": {"default_key_type": "no-such-type"}});
    assert_eq!(
        app.enable_mount("other", wrong).refusal(),
        (400, "unknown key type".to_owned())
    );
    assert_eq!(
        app.get("sys/mounts/other").status,
        400,
        "nothing was enabled"
    );
    let taken = "path is already in use at transit/".to_owned();
    assert_eq!(bad_path("transit").refusal(), (400, taken));
    for first in ["sys", "auth", "identity", "cubbyhole"] {
        let expected = format!("cannot mount under {first}/");
        assert_eq!(bad_path(&format!("{first}/x")).refusal(), (400, expected));
    }
    for path in ["a%20b", "-a", "a/-b"] {
        assert_eq!(
            bad_path(path).refusal(),
            (404, multi("unsupported path")),
            "{path}"
        );
    }
}

#[test]
fn a_tuned_default_key_type_holds_for_keys_made_from_then_on() {
    let app = TestApp::shared();
    app.enable_mount("tuned", json!({"type": "transit"}));
    let kind = |name: &str| app.post(&format!("tuned/keys/{name}"), "").data()["type"].clone();
    assert_eq!(kind("first"), "aes256-gcm-siv");
    for (body, expected) in [
        (json!({"default_key_type": "aes256-gcm96"}), "aes256-gcm96"),
        (
            json!({"options": {"default_key_type": "chacha20-poly1305"}}),
            "chacha20-poly1305",
        ),
        (json!({"description": "only that"}), "chacha20-poly1305"),
        (
            json!({"default_lease_ttl": "1h", "default_key_type": ""}),
            "aes256-gcm-siv",
        ),
    ] {
        assert_eq!(app.tune_mount("tuned", &body).status, 204, "{body}");
        assert_eq!(
            kind(&format!("after-{}", body.to_string().len())),
            expected,
            "{body}"
        );
    }
    assert_eq!(kind("first"), "aes256-gcm-siv");
    let tuning = app.get("sys/mounts/tuned/tune").data();
    assert_eq!(tuning["description"], "only that");
    let unknown = app.tune_mount("tuned", json!({"default_key_type": "rsa"}));
    assert_eq!(unknown.refusal(), (400, "unknown key type".to_owned()));
    let absent = (400, "no mount entry found at untuned/".to_owned());
    assert_eq!(app.tune_mount("untuned", json!({})).refusal(), absent);
    assert_eq!(app.get("sys/mounts/untuned/tune").refusal(), absent);
}

#[test]
fn a_disabled_mount_answers_no_more_and_is_restored_with_its_keys() {
    let home = Home::new();
    let config = home.config(&Store::Sqlite, "");
    let token = config.init();
    let app = config.serve(&token);
    app.enable_mount("team/a", json!({"type": "transit"}));
    app.post("team/a/keys/orders", "").data();
    let sealed = app
        .post("team/a/encrypt/orders", json!({"plaintext": "aGVsbG8="}))
        .data();
    for _ in 0..2 {
        assert_eq!(app.disable_mount("team/a").status, 204);
    }
    let gone = "no handler for route \"team/a/keys/orders\". route entry not found.";
    assert_eq!(
        app.get("team/a/keys/orders").refusal(),
        (404, gone.to_owned())
    );
    let opened = app.post(
        "team/a/decrypt/orders",
        json!({"ciphertext": sealed["ciphertext"]}),
    );
    assert_eq!(opened.status, 404);
    app.enable_mount("team/a", json!({"type": "transit"}));
    assert_eq!(
        app.list("team/a", "").status,
        404,
        "a new mount has none of the old keys"
    );
    app.disable_mount("team/a");
    app.stop();
    // The last one that was disabled there comes back first; it is empty.
    let restore = || {
        config
            .command(&["mount", "restore", "team/a"])
            .output()
            .unwrap()
    };
    assert!(restore().status.success());
    assert_eq!(
        refused(&mut config.command(&["mount", "restore", "team/b"])).0,
        78
    );
    let app = config.serve(&token);
    assert_eq!(app.get("sys/mounts/team/a").status, 200);
    assert_eq!(app.list("team/a", "").status, 404);
    app.create("orders", "").data();
    let sealed = app.seal("orders", "aGVsbG8=");
    app.disable_mount("transit");
    app.stop();
    let restored = config
        .command(&["mount", "restore", "transit"])
        .output()
        .unwrap();
    assert!(restored.status.success());
    let app = config.serve(&token);
    assert_eq!(app.open("orders", &sealed), "aGVsbG8=");
}

#[test]
fn settings_kept_for_clients_are_shown_again_also_after_a_restart() {
    let home = Home::new();
    let config = home.config(&Store::Sqlite, "");
    let token = config.init();
    let app = config.serve(&token);
    let enabled = app.enable_mount(
        "kept",
        json!({
            "type": "transit",
            "config": {"default_lease_ttl": "3600s", "max_lease_ttl": "24h", "listing_visibility": "hidden"},
        }),
    );
    assert_eq!(enabled.status, 204, "{}", enabled.text());
    let cache = || app.get("kept/cache-config").data();
    assert_eq!(cache(), json!({"size": 0}));
    for size in [json!(123), json!("10"), json!(0), json!(500)] {
        let number: u64 = size.to_string().replace('"', "").parse().unwrap();
        let answer = app.post("kept/cache-config", json!({"size": size}));
        assert_eq!(answer.data(), json!({"size": number}));
        assert_eq!(cache(), json!({"size": number}));
    }
    let expected = "size must be 0 or a value greater or equal to 10".to_owned();
    for size in [1, 9, -1] {
        let answer = app.post("kept/cache-config", json!({"size": size}));
        assert_eq!(answer.refusal(), (400, expected.clone()), "{size}");
    }
    app.post("kept/config/keys", json!({"disable_upsert": false}));
    let tuned = app.tune_mount("kept", json!({"default_lease_ttl": "7200s"}));
    assert_eq!(tuned.status, 204, "{}", tuned.text());
    app.stop();
    let app = config.serve(&token);
    let shown = app.get("sys/mounts/kept").data()["config"].clone();
    let expected = json!({
        "default_lease_ttl": 7200,
        "force_no_cache": false,
        "listing_visibility": "hidden",
        "max_lease_ttl": 86400,
    });
    assert_eq!(shown, expected);
    let tuning = app.get("sys/mounts/kept/tune").data();
    assert_eq!(tuning["default_lease_ttl"], 7200);
    assert_eq!(tuning["listing_visibility"], "hidden");
    assert_eq!(app.get("kept/cache-config").data(), json!({"size": 500}));
    let upsert = app.get("kept/config/keys").data();
    assert_eq!(upsert, json!({"disable_upsert": false}));
    let untouched = app.get("sys/mounts/transit").data()["config"].clone();
    assert_eq!(untouched["default_lease_ttl"], 0);
    assert_eq!(untouched["listing_visibility"], json!(null));
}

#[test]
fn settings_changed_at_the_same_time_are_all_kept() {
    let app = TestApp::shared();
    app.enable_mount("at-once", json!({"type": "transit"}));
    std::thread::scope(|scope| {
        for (path, body) in [
            ("sys/mounts/at-once/tune", json!({"description": "x"})),
            ("sys/mounts/at-once/tune", json!({"max_lease_ttl": "5h"})),
            (
                "sys/mounts/at-once/tune",
                json!({"default_key_type": "aes128-gcm96"}),
            ),
            ("at-once/config/keys", json!({})),
            ("at-once/cache-config", json!({"size": 77})),
        ] {
            let app = &app;
            scope.spawn(move || assert!(app.post(path, body).status < 300, "{path}"));
        }
    });
    let mount = app.get("sys/mounts/at-once").data();
    assert_eq!(mount["description"], "x");
    assert_eq!(mount["config"]["max_lease_ttl"], 5 * 3600);
    assert_eq!(mount["options"]["default_key_type"], "aes128-gcm96");
    assert_eq!(
        app.get("at-once/config/keys").data()["disable_upsert"],
        false
    );
    assert_eq!(app.get("at-once/cache-config").data()["size"], 77);
}

#[test]
fn strangers_see_the_mounts_that_are_meant_for_them() {
    let app = TestApp::fresh(&[]);
    let seen = || {
        let answer = app.anonymous("GET", "sys/internal/ui/mounts").send();
        answer.data()["secret"].clone()
    };
    let body = json!({"type": "transit", "description": "for all", "config": {"listing_visibility": "unauth"}});
    assert_eq!(app.enable_mount("open", body).status, 204);
    let expected = json!({"open/": {"type": "transit", "description": "for all", "options": null}});
    assert_eq!(seen(), expected);
    let unknown = app.tune_mount("open", json!({"listing_visibility": "all"}));
    assert_eq!(
        unknown.refusal(),
        (400, "invalid listing_visibility".to_owned())
    );
    assert_eq!(seen(), expected);
    app.tune_mount("open", json!({"listing_visibility": "hidden"}));
    assert_eq!(seen(), json!({}));
}
