//! AppRole: roles, secret ids, logins.

use std::sync::Arc;

use serde_json::{Value, json};

use super::mounted::Mounted;
use super::{auth_of, look_up_self, stranger, text};
use crate::client::{Answer, multi};

fn written_role(mounted: &Mounted, name: &str, body: Value) -> String {
    let made = mounted.post(&format!("role/{name}"), body);
    assert_eq!(made.status, 204, "{}", made.text());
    text(
        &mounted.get(&format!("role/{name}/role-id")).data(),
        "role_id",
    )
}

fn new_secret_id(mounted: &Mounted, role: &str, body: Value) -> Value {
    mounted.post(&format!("role/{role}/secret-id"), body).data()
}

fn log_in(mounted: &Mounted, role_id: &str, secret_id: &Value) -> Answer {
    let body = json!({"role_id": role_id, "secret_id": secret_id});
    stranger(&mounted.app, &mounted.at("login"), body)
}

const INVALID: &str = "invalid role or secret ID";

#[test]
fn a_machine_logs_in_and_gets_a_token_of_its_role() {
    let mounted = Mounted::new("approle");
    let id = written_role(
        &mounted,
        "Web",
        json!({"token_policies": "b,A", "token_ttl": "20m", "token_max_ttl": 3600}),
    );
    let made = new_secret_id(&mounted, "web", json!({"metadata": "{\"tier\":\"1\"}"}));
    assert_eq!(
        (&made["secret_id_ttl"], &made["secret_id_num_uses"]),
        (&json!(0), &json!(0))
    );
    for part in [
        &id,
        &text(&made, "secret_id"),
        &text(&made, "secret_id_accessor"),
    ] {
        assert_eq!(part.len(), 36, "{part}");
    }
    let auth = auth_of(&log_in(&mounted, &id, &made["secret_id"]));
    assert_eq!(auth["policies"], json!(["a", "b", "default"]));
    assert_eq!(auth["metadata"], json!({"role_name": "web", "tier": "1"}));
    assert_eq!(auth["lease_duration"], 1200);
    assert_eq!(auth["token_type"], "service");
    let own = look_up_self(&mounted.app, &text(&auth, "client_token")).data();
    assert_eq!(own["path"], json!(mounted.at("login")));
    assert_eq!(own["display_name"], json!(mounted.path));
    assert_eq!(own["meta"]["role_name"], "web");
}

#[test]
fn what_is_missing_is_named_and_what_is_wrong_is_not() {
    let mounted = Mounted::new("approle");
    let id = written_role(&mounted, "web", json!({}));
    let made = new_secret_id(&mounted, "web", json!({}));
    let login = |body: Value| stranger(&mounted.app, &mounted.at("login"), body).refusal();
    for (body, expected) in [
        (json!({}), "missing role_id"),
        (json!({"secret_id": "x"}), "missing role_id"),
        (json!({"role_id": id}), "missing secret_id"),
        (json!({"role_id": "nobody"}), "missing secret_id"),
        (json!({"role_id": id, "secret_id": "x"}), INVALID),
        (json!({"role_id": "nobody", "secret_id": "x"}), INVALID),
        (
            json!({"role_id": "nobody", "secret_id": made["secret_id"]}),
            INVALID,
        ),
    ] {
        assert_eq!(login(body.clone()), (400, expected.to_owned()), "{body}");
    }
}

#[test]
fn every_field_of_a_role_is_read_back_also_by_itself() {
    let mounted = Mounted::new("approle");
    written_role(&mounted, "web", json!({}));
    let read = mounted.get("role/web").data();
    for (field, expected) in [
        ("bind_secret_id", json!(true)),
        ("local_secret_ids", json!(false)),
        ("secret_id_bound_cidrs", Value::Null),
        ("secret_id_num_uses", json!(0)),
        ("secret_id_ttl", json!(0)),
        ("token_policies", json!([])),
        ("token_type", json!("default")),
    ] {
        assert_eq!(read[field], expected, "{field}");
    }
    for (path, body, name, after, reset) in [
        (
            "policies",
            json!({"token_policies": ["x", "y"]}),
            "token_policies",
            json!(["x", "y"]),
            json!([]),
        ),
        (
            "secret-id-num-uses",
            json!({"secret_id_num_uses": 3}),
            "secret_id_num_uses",
            json!(3),
            json!(0),
        ),
        (
            "secret-id-ttl",
            json!({"secret_id_ttl": "5m"}),
            "secret_id_ttl",
            json!(300),
            json!(0),
        ),
        (
            "secret-id-bound-cidrs",
            json!({"secret_id_bound_cidrs": "127.0.0.0/8"}),
            "secret_id_bound_cidrs",
            json!(["127.0.0.0/8"]),
            json!([]),
        ),
        (
            "bound-cidr-list",
            json!({"bound_cidr_list": ["127.0.0.1"]}),
            "bound_cidr_list",
            json!(["127.0.0.1/32"]),
            json!([]),
        ),
        (
            "token-bound-cidrs",
            json!({"token_bound_cidrs": "127.0.0.1"}),
            "token_bound_cidrs",
            json!(["127.0.0.1"]),
            json!([]),
        ),
        (
            "token-num-uses",
            json!({"token_num_uses": 9}),
            "token_num_uses",
            json!(9),
            json!(0),
        ),
        (
            "token-ttl",
            json!({"token_ttl": 60}),
            "token_ttl",
            json!(60),
            json!(0),
        ),
        (
            "token-max-ttl",
            json!({"token_max_ttl": "2m"}),
            "token_max_ttl",
            json!(120),
            json!(0),
        ),
        (
            "period",
            json!({"period": "1h"}),
            "token_period",
            json!(3600),
            json!(0),
        ),
    ] {
        let rest = format!("role/web/{path}");
        let missing = (400, format!("missing {name}"));
        assert_eq!(mounted.post(&rest, json!({"other": 1})).refusal(), missing);
        assert_eq!(mounted.post(&rest, body).status, 204, "{path}");
        assert_eq!(mounted.get(&rest).data()[name], after, "{path}");
        assert_eq!(mounted.send("DELETE", &rest).status, 204, "{path}");
        assert_eq!(mounted.get(&rest).data()[name], reset, "{path}");
    }
    let unbound = mounted.post("role/web/bind-secret-id", json!({"bind_secret_id": false}));
    let expected = "at least one constraint should be enabled on the role".to_owned();
    assert_eq!(unbound.refusal(), (400, expected));
    assert_eq!(
        mounted.get("role/web/local-secret-ids").data()["local_secret_ids"],
        false
    );
    let late = mounted.post("role/web", json!({"local_secret_ids": true}));
    let expected = "local_secret_ids can only be modified during role creation".to_owned();
    assert_eq!(late.refusal(), (400, expected));
    for (method, rest, status) in [
        ("GET", "role/nobody", 404),
        ("GET", "role/nobody/policies", 404),
        ("GET", "role/nobody/role-id", 404),
        ("DELETE", "role/nobody/policies", 204),
        ("DELETE", "role/nobody", 204),
        ("LIST", "role/nobody", 405),
    ] {
        assert_eq!(mounted.send(method, rest).status, status, "{method} {rest}");
    }
    let absent = mounted.post("role/nobody/token-ttl", json!({"token_ttl": 1}));
    assert_eq!(absent.refusal(), (404, multi("unsupported path")));
}

#[test]
fn roles_are_listed_in_lower_case_and_gone_when_deleted() {
    let mounted = Mounted::new("approle");
    assert_eq!(mounted.send("LIST", "role").refusal(), (404, String::new()));
    for role in ["B", "a"] {
        written_role(&mounted, role, json!({}));
    }
    assert_eq!(
        mounted.send("LIST", "role").data()["keys"],
        json!(["a", "b"])
    );
    assert_eq!(mounted.send("DELETE", "role/A").status, 204);
    assert_eq!(mounted.send("LIST", "role").data()["keys"], json!(["b"]));
}

#[test]
fn a_role_id_can_be_chosen_and_belongs_to_one_role() {
    let mounted = Mounted::new("approle");
    written_role(&mounted, "a", json!({}));
    let made = new_secret_id(&mounted, "a", json!({}));
    let chosen = mounted.post("role/a/role-id", json!({"role_id": "test_role_id"}));
    assert_eq!(chosen.status, 204);
    assert_eq!(written_role(&mounted, "b", json!({})).len(), 36);
    let taken = mounted.post("role/b/role-id", json!({"role_id": "test_role_id"}));
    assert_eq!(taken.refusal(), (500, multi("role_id already in use")));
    let missing = mounted.post("role/b/role-id", json!({}));
    assert_eq!(missing.refusal(), (400, "missing role_id".to_owned()));
    auth_of(&log_in(&mounted, "test_role_id", &made["secret_id"]));
}

#[test]
fn of_64_parallel_logins_with_one_use_exactly_one_succeeds() {
    let mounted = Arc::new(Mounted::new("approle"));
    let id = written_role(&mounted, "web", json!({"secret_id_num_uses": 1}));
    for _ in 0..5 {
        let made = new_secret_id(&mounted, "web", json!({}));
        let tries: Vec<_> = (0..64)
            .map(|_| {
                let (mounted, id, made) = (Arc::clone(&mounted), id.clone(), made.clone());
                std::thread::spawn(move || log_in(&mounted, &id, &made["secret_id"]))
            })
            .collect();
        let answers: Vec<_> = tries.into_iter().map(|one| one.join().unwrap()).collect();
        let (fine, refused): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|answer| answer.status == 200);
        assert_eq!((fine.len(), refused.len()), (1, 63));
        for answer in refused {
            assert_eq!(answer.refusal(), (400, INVALID.to_owned()));
        }
    }
}

#[test]
fn a_secret_id_works_for_no_operation_of_another_role() {
    let mounted = Mounted::new("approle");
    let ids = ["a", "b"].map(|role| written_role(&mounted, role, json!({})));
    let [of_a, of_b] = ["a", "b"].map(|role| new_secret_id(&mounted, role, json!({})));
    let invalid = (400, INVALID.to_owned());
    assert_eq!(
        log_in(&mounted, &ids[0], &of_b["secret_id"]).refusal(),
        invalid
    );
    assert_eq!(
        log_in(&mounted, &ids[1], &of_a["secret_id"]).refusal(),
        invalid
    );
    let by_text = json!({"secret_id": of_b["secret_id"]});
    let by_accessor = json!({"secret_id_accessor": of_b["secret_id_accessor"]});
    let not_found = "failed to find accessor entry for secret_id_accessor";
    let looked_up = mounted.post("role/a/secret-id/lookup", by_text.clone());
    assert_eq!(looked_up.status, 204);
    let looked_up = mounted.post("role/a/secret-id-accessor/lookup", by_accessor.clone());
    assert_eq!(looked_up.refusal(), (404, not_found.to_owned()));
    let destroyed = mounted.post("role/a/secret-id/destroy", by_text.clone());
    assert_eq!(destroyed.status, 204);
    let destroyed = mounted.post("role/a/secret-id-accessor/destroy", by_accessor.clone());
    assert_eq!(destroyed.refusal(), (500, multi(not_found)));
    auth_of(&log_in(&mounted, &ids[1], &of_b["secret_id"]));
    let found = mounted
        .post("role/b/secret-id-accessor/lookup", by_accessor.clone())
        .data();
    assert_eq!(found["secret_id_accessor"], of_b["secret_id_accessor"]);
    assert_eq!(
        mounted
            .post("role/b/secret-id-accessor/destroy", by_accessor)
            .status,
        204
    );
    assert_eq!(
        log_in(&mounted, &ids[1], &of_b["secret_id"]).refusal(),
        invalid
    );
}

#[test]
fn secret_ids_are_listed_looked_up_and_destroyed_as_hvac_does_it() {
    let mounted = Mounted::new("approle");
    written_role(
        &mounted,
        "web",
        json!({"secret_id_num_uses": 5, "secret_id_ttl": 600}),
    );
    let list = || mounted.send("LIST", "role/web/secret-id");
    assert_eq!(list().refusal(), (404, String::new()));
    let body = json!({"metadata": "{\"foo\":\"bar\"}", "cidr_list": "127.0.0.1/32", "num_uses": 2, "ttl": "1m"});
    let made = new_secret_id(&mounted, "web", body);
    assert_eq!(list().data()["keys"], json!([made["secret_id_accessor"]]));
    let by_text = json!({"secret_id": made["secret_id"]});
    let found = mounted
        .post("role/web/secret-id/lookup", by_text.clone())
        .data();
    for (field, expected) in [
        ("metadata", json!({"foo": "bar"})),
        ("cidr_list", json!(["127.0.0.1/32"])),
        ("secret_id_num_uses", json!(2)),
        ("secret_id_ttl", json!(60)),
        ("token_bound_cidrs", json!([])),
    ] {
        assert_eq!(found[field], expected, "{field}");
    }
    assert!(text(&found, "expiration_time") > text(&found, "creation_time"));
    let destroyed = mounted.post("role/web/secret-id/destroy", by_text.clone());
    assert_eq!(destroyed.status, 204);
    assert_eq!(
        mounted.post("role/web/secret-id/lookup", by_text).status,
        204
    );
    for (body, expected) in [
        (
            json!({"num_uses": 6}),
            "num_uses cannot be higher than the role's secret_id_num_uses",
        ),
        (
            json!({"ttl": 601}),
            "ttl cannot be longer than the role's secret_id_ttl",
        ),
        (json!({"metadata": "canary"}), "failed to parse metadata"),
    ] {
        let refused = mounted.post("role/web/secret-id", body).refusal();
        assert_eq!(refused, (400, expected.to_owned()));
    }
    let nobody = "role \"nobody\" does not exist";
    let made = mounted.post("role/nobody/secret-id", json!({})).refusal();
    assert_eq!(made, (404, nobody.to_owned()));
    let listed = mounted.send("LIST", "role/nobody/secret-id").refusal();
    assert_eq!(listed, (400, nobody.to_owned()));
    let looked_up = mounted.post("role/nobody/secret-id/lookup", json!({"secret_id": "x"}));
    assert_eq!(looked_up.refusal(), (500, multi(nobody)));
    assert_eq!(mounted.post("tidy/secret-id", json!({})).status, 202);
}

#[test]
fn a_custom_secret_id_is_what_somebody_chose() {
    let mounted = Mounted::new("approle");
    let id = written_role(&mounted, "web", json!({}));
    let body = json!({"secret_id": "custom_secret"});
    let made = mounted
        .post("role/web/custom-secret-id", body.clone())
        .data();
    assert_eq!(made["secret_id"], "custom_secret");
    auth_of(&log_in(&mounted, &id, &json!("custom_secret")));
    let again = mounted
        .post("role/web/custom-secret-id", body.clone())
        .refusal();
    let expected = multi("failed to store secret_id: SecretID is already registered");
    assert_eq!(again, (500, expected));
    assert_eq!(mounted.post("role/web/secret-id/destroy", body).status, 204);
    let gone = log_in(&mounted, &id, &json!("custom_secret")).refusal();
    assert_eq!(gone, (400, INVALID.to_owned()));
    let missing = mounted
        .post("role/web/custom-secret-id", json!({}))
        .refusal();
    assert_eq!(missing, (400, "missing secret_id".to_owned()));
}

#[test]
fn logins_from_other_addresses_are_refused_and_take_no_use() {
    let mounted = Mounted::new("approle");
    let id = written_role(&mounted, "web", json!({"secret_id_num_uses": 1}));
    let made = new_secret_id(&mounted, "web", json!({"cidr_list": ["192.0.2.0/24"]}));
    for _ in 0..2 {
        let refused = log_in(&mounted, &id, &made["secret_id"]).refusal();
        assert_eq!(refused, (400, INVALID.to_owned()));
    }
    let wrong = log_in(&mounted, &id, &json!("wrong")).refusal();
    assert_eq!(wrong, (400, INVALID.to_owned()), "the same words");
    let closed = json!({"bind_secret_id": false, "secret_id_bound_cidrs": "192.0.2.0/24"});
    let closed = written_role(&mounted, "closed", closed);
    for secret_id in [json!(""), json!("wrong")] {
        let refused = log_in(&mounted, &closed, &secret_id).refusal();
        let unknown = log_in(&mounted, "unknown", &secret_id).refusal();
        assert_eq!(refused, unknown, "{secret_id}");
    }
    let open = written_role(
        &mounted,
        "open",
        json!({"bind_secret_id": false, "secret_id_bound_cidrs": "127.0.0.1/32"}),
    );
    auth_of(&stranger(
        &mounted.app,
        &mounted.at("login"),
        json!({"role_id": open}),
    ));
}
