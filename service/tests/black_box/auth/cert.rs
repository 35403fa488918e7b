//! Roles for client certificates. Logins with one are among the tests with hvac, over a listener with TLS.

use serde_json::json;

use super::{enabled, stranger};
use crate::app::TestApp;
use crate::tls::authority::Authority;

#[test]
fn roles_are_written_read_listed_and_deleted() {
    let app = TestApp::shared();
    let path = enabled(&app, "cert");
    let at = |rest: &str| format!("auth/{path}/{rest}");
    let ca = Authority::new("clients").pem;
    let role = json!({"certificate": ca, "allowed_common_names": "a,b", "token_policies": "team", "lease": 60});
    assert_eq!(app.post(&at("certs/Web"), role).status, 204);
    let read = app.get(&at("certs/web")).data();
    assert_eq!(read["certificate"], json!(ca));
    assert_eq!(read["display_name"], json!("web"));
    assert_eq!(read["allowed_common_names"], json!(["a", "b"]));
    assert_eq!(read["token_ttl"], json!(60));
    let list = app.request("LIST", &at("certs")).send().data();
    assert_eq!(list["keys"], json!(["web"]));
    for wrong in [
        json!({"certificate": "canary"}),
        json!({"certificate": ca, "ocsp_enabled": true}),
        json!({"certificate": ca, "required_extensions": "canary"}),
    ] {
        let (status, text) = app.post(&at("certs/wrong"), wrong).refusal();
        assert_eq!(status, 400, "{text}");
        assert!(!text.contains("canary"), "{text}");
    }
    assert_eq!(app.request("DELETE", &at("certs/web")).send().status, 204);
    assert_eq!(app.get(&at("certs/web")).status, 404);
}

#[test]
fn without_tls_nobody_shows_a_certificate() {
    let app = TestApp::shared();
    let path = enabled(&app, "cert");
    let refused = stranger(&app, &format!("auth/{path}/login"), json!({"name": "web"}));
    let expected = (400, "client certificate must be supplied".to_owned());
    assert_eq!(refused.refusal(), expected);
}
