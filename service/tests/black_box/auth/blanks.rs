//! Lists of nothing but blanks: they neither inherit what the caller has nor lift a restriction.

use serde_json::{Value, json};

use super::{auth_of, enabled};
use crate::app::TestApp;

/// Lists that hold something, and nothing but blanks.
fn blanks() -> Vec<Value> {
    vec![
        json!([""]),
        json!([" "]),
        json!([null]),
        json!(["", null, "\t"]),
    ]
}

#[test]
fn a_token_asked_for_with_blank_policies_has_default_alone_whoever_asks() {
    let app = TestApp::shared();
    let role = json!({"orphan": true, "renewable": false, "disallowed_policies": ["never"]});
    assert_eq!(app.post("auth/token/roles/blank", role).status, 204);
    let limited = json!({"allowed_policies": ["app"]});
    assert_eq!(
        app.post("auth/token/roles/blank-limited", limited).status,
        204
    );
    let policies = blanks().into_iter().chain([json!(" "), json!("")]);
    for policies in policies {
        for (path, kind) in [
            ("create", "service"),
            ("create", "batch"),
            ("create-orphan", "service"),
            ("create-orphan", "batch"),
            ("create/blank", "service"),
            ("create/blank", "batch"),
            ("create/blank-limited", "service"),
        ] {
            let body = json!({"policies": policies, "type": kind});
            let auth = auth_of(&app.post(&format!("auth/token/{path}"), body));
            assert_eq!(
                auth["policies"],
                json!(["default"]),
                "{path} {kind} {policies}"
            );
        }
        let body = json!({"policies": policies, "no_default_policy": true});
        let auth = auth_of(&app.post("auth/token/create", body));
        assert_eq!(auth["policies"], json!([]), "{policies}");
    }
}

#[test]
fn a_token_asked_for_without_policies_has_those_of_the_caller() {
    let app = TestApp::shared();
    for body in [
        json!({}),
        json!({"policies": []}),
        json!({"policies": null}),
    ] {
        let auth = auth_of(&app.post("auth/token/create", &body));
        assert_eq!(auth["policies"], json!(["root"]), "{body}");
    }
}

#[test]
fn a_role_whose_policies_are_blank_gives_default_alone() {
    let app = TestApp::shared();
    let path = enabled(&app, "userpass");
    for (index, policies) in blanks()
        .into_iter()
        .chain([json!(","), json!(" ")])
        .enumerate()
    {
        let user = format!("user-{index}");
        let body = json!({"password": "sesame", "token_policies": policies});
        let written = app.post(&format!("auth/{path}/users/{user}"), body);
        assert_eq!(written.status, 204, "{}", written.text());
        let login = format!("auth/{path}/login/{user}");
        let login = super::stranger(&app, &login, json!({"password": "sesame"}));
        assert_eq!(
            auth_of(&login)["policies"],
            json!(["default"]),
            "{policies}"
        );
    }
}

#[test]
fn a_restriction_of_nothing_but_blanks_is_refused_wherever_one_is_written() {
    let app = TestApp::shared();
    let approle = enabled(&app, "approle");
    let (cert, jwt) = (enabled(&app, "cert"), enabled(&app, "jwt"));
    let (kubernetes, userpass) = (enabled(&app, "kubernetes"), enabled(&app, "userpass"));
    app.post(&format!("auth/{approle}/role/there"), json!({}));
    let of_all = ["token_bound_cidrs", "bound_cidrs"];
    let lists: [(String, &[&str]); 9] = [
        (
            "auth/token/roles/r".to_owned(),
            &[
                "allowed_policies",
                "allowed_policies_glob",
                "disallowed_policies",
                "disallowed_policies_glob",
                "allowed_entity_aliases",
            ],
        ),
        (
            format!("auth/{approle}/role/r"),
            &["secret_id_bound_cidrs", "bound_cidr_list"],
        ),
        (
            format!("auth/{approle}/role/there/secret-id"),
            &["cidr_list", "token_bound_cidrs"],
        ),
        (
            format!("auth/{cert}/certs/r"),
            &[
                "allowed_names",
                "allowed_common_names",
                "allowed_dns_sans",
                "allowed_email_sans",
                "allowed_uri_sans",
                "allowed_organizational_units",
                "required_extensions",
            ],
        ),
        (format!("auth/{jwt}/role/r"), &["bound_audiences"]),
        (format!("auth/{jwt}/config"), &["jwt_supported_algs"]),
        (
            format!("auth/{kubernetes}/role/r"),
            &[
                "bound_service_account_names",
                "bound_service_account_namespaces",
            ],
        ),
        (format!("auth/{userpass}/users/r"), &[]),
        ("sys/quotas/rate-limit/r".to_owned(), &["operations"]),
    ];
    for (path, fields) in &lists {
        let has_params = path.starts_with("auth/")
            && !path.ends_with("/config")
            && !path.ends_with("/secret-id");
        let common = of_all.iter().filter(|_| has_params);
        for field in fields.iter().chain(common) {
            for blanks in blanks()
                .into_iter()
                .chain([json!(" "), json!(","), json!(" , ")])
            {
                let body = json!({*field: blanks, "windows": [{"items": 1, "interval": 1}]});
                let (status, text) = app.post(path, body).refusal();
                assert_eq!(status, 400, "{path} {field} {blanks}");
                assert!(
                    text.contains("nothing but blanks"),
                    "{path} {field} {blanks}: {text}"
                );
            }
        }
        assert_eq!(
            app.get(path).status / 100,
            4,
            "{path} was made all the same"
        );
    }
}
