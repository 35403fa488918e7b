//! Where keys go and come from: byok-export into another ring, and what the history says of it all.

use serde_json::{Value, json};

use crate::app::TestApp;

#[test]
fn a_ring_given_out_for_the_wrapping_key_opens_its_old_ciphertexts_elsewhere() {
    let app = TestApp::shared();
    let public_key = app.get("transit/wrapping_key").data()["public_key"].clone();
    let wrapping = "wrapping-of-journeys";
    let import = json!({"type": "rsa-4096", "public_key": public_key});
    let imported = app.post(&format!("transit/keys/{wrapping}/import"), import);
    assert_eq!(imported.status, 204);
    for key_type in ["aes256-gcm-siv", "aes256-gcm96"] {
        let source = app.ring(json!({"type": key_type, "exportable": true}));
        let ciphertext = app.seal(&source, "aGVsbG8=");
        let given = app.get(&format!("transit/byok-export/{wrapping}/{source}"));
        let given = given.data();
        assert_eq!(given["seal_id"].is_string(), key_type == "aes256-gcm-siv");
        let import = json!({
            "type": key_type,
            "ciphertext": given["keys"]["1"],
            "seal_id": given["seal_id"].as_str().unwrap_or_default(),
        });
        let copy = format!("{source}-copy");
        let imported = app.post(&format!("transit/keys/{copy}/import"), import);
        assert_eq!(imported.status, 204, "{}", imported.text());
        assert_eq!(app.open(&copy, &ciphertext), "aGVsbG8=");
        assert_eq!(app.events(&copy)[0]["cause"], "import");
    }
}

#[test]
fn a_history_tells_of_backups_restores_and_rings_set_aside() {
    let app = TestApp::shared();
    let key = app.ring(json!({"exportable": true, "allow_plaintext_backup": true}));
    let backup = app.get(&format!("transit/backup/{key}")).data()["backup"].clone();
    let soft_delete = format!("transit/keys/{key}/soft-delete");
    app.request("DELETE", &soft_delete).send().data();
    app.post(&format!("transit/keys/{key}/soft-delete-restore"), "")
        .data();
    let body = json!({"backup": backup, "force": true});
    let restored = app.post(&format!("transit/restore/{key}"), body);
    assert_eq!(restored.status, 204, "{}", restored.text());
    let events = app.events(&key);
    let told = events
        .iter()
        .map(|event| (&event["action"], &event["cause"]));
    let expected = [
        ("create", "manual"),
        ("backup", "manual"),
        ("soft_delete", "manual"),
        ("soft_restore", "manual"),
        ("create", "restore"),
    ];
    let expected = expected.map(|(action, cause)| (Value::from(action), Value::from(cause)));
    assert!(
        told.eq(expected.iter().map(|(action, cause)| (action, cause))),
        "{events:?}"
    );
    assert_ne!(events[0]["ring"], events[4]["ring"]);
}
