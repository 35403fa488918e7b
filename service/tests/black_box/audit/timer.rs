//! What the service does by itself is recorded as what it is asked to do.

use serde_json::json;

use super::{files_of, records_of, verify};
use crate::eventually;
use crate::set_up::{Home, Store};

#[test]
fn rotations_by_timer_are_in_the_log_with_intent_and_outcome() {
    let home = Home::new();
    let config = home.config(&Store::Sqlite, "[rotation]\nshortest_period = \"1s\"");
    let app = config.serve(&config.init());
    let key = app.ring(json!({"auto_rotate_period": 1}));
    eventually("two rotations", || (app.latest(&key) >= 3).then_some(()));
    app.configure(&key, json!({"auto_rotate_period": 0})).data();
    let latest = app.latest(&key);
    let made = app.events(&key);
    app.stop();
    let log = home.path().join("audit.log");
    let records = records_of(&log);
    for version in 2..=latest {
        let event = made
            .iter()
            .find(|event| event["action"] == "rotate" && event["to_version"] == version)
            .unwrap();
        let own: Vec<_> = records
            .iter()
            .filter(|record| record["request"] == event["request_id"])
            .collect();
        let kinds: Vec<_> = own.iter().map(|record| record["kind"].clone()).collect();
        assert_eq!(kinds, [json!("intent"), json!("outcome")], "{event}");
        for record in &own {
            assert_eq!(record["operation"], "key_rotate");
            assert_eq!(
                (&record["mount"], &record["key"]),
                (&json!("transit"), &json!(key))
            );
            assert_eq!(record["cause"], "timer");
            assert!(record.get("accessor").is_none(), "{record}");
        }
        assert_eq!(own[1]["outcome"], "done");
        assert_eq!(
            own[1]["versions"],
            json!([version - 1, version]),
            "{}",
            own[1]
        );
    }
    let (status, said) = verify(&[], &files_of(&log));
    assert_eq!(status, 0, "{said}");
}
