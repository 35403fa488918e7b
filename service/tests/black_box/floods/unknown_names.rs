//! Names and ids that nobody has: whoever tries many of them makes nobody wait who has a real one.

use std::net::{IpAddr, Ipv4Addr, TcpStream};

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::client::{Answer, Wire};

/// A connection from another address of this machine.
fn elsewhere(app: &TestApp) -> Wire<TcpStream> {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        let from = IpAddr::from(Ipv4Addr::new(127, 0, 0, 2));
        socket.bind((from, 0).into()).unwrap();
        socket.connect(app.address.parse().unwrap()).await.unwrap()
    });
    let stream = stream.into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    Wire::over(stream)
}

/// Tries many logins from elsewhere; the answers that were none of these.
fn try_many(app: &TestApp, path: &str, body: impl Fn(usize) -> Value, expected: (u16, &str)) {
    let mut wire = elsewhere(app);
    for number in 0..400 {
        let login = app.anonymous("POST", path).body(body(number));
        let answer = login.send_over(&mut wire).unwrap();
        assert_eq!(answer.refusal(), (expected.0, expected.1.to_owned()));
    }
}

fn log_in(app: &TestApp, path: &str, body: Value) -> Answer {
    app.anonymous("POST", path).body(body).send()
}

#[test]
fn invented_role_names_hold_up_nobody_who_has_a_role() {
    let app = TestApp::fresh(&[]);
    app.post("sys/auth/kubernetes", json!({"type": "kubernetes"}));
    let config = json!({
        "kubernetes_host": "http://127.0.0.1:1", "token_reviewer_jwt": "r", "disable_local_ca_jwt": true,
    });
    app.post("auth/kubernetes/config", config);
    let role = json!({
        "bound_service_account_names": "*", "bound_service_account_namespaces": "*", "audience": "a",
    });
    for name in ["known", "other"] {
        let made = app.post(&format!("auth/kubernetes/role/{name}"), &role);
        assert_eq!(made.status, 204, "{}", made.text());
    }
    let path = "auth/kubernetes/login";
    let invented = |number| json!({"role": format!("role-{number}"), "jwt": "a.b.c"});
    try_many(&app, path, invented, (400, "invalid role name"));
    for name in ["known", "other"] {
        // Nobody has asked for these before. They are found, and the cluster, which is away, is asked about the token.
        let answer = log_in(&app, path, json!({"role": name, "jwt": "a.b.c"}));
        assert_eq!(answer.status, 503, "{}", answer.text());
    }
}

#[test]
fn invented_ids_hold_up_nobody_who_has_one_that_was_chosen() {
    let app = TestApp::fresh(&[]);
    app.post("sys/auth/approle", json!({"type": "approle"}));
    for role in ["web", "shop"] {
        let made = app.post(
            &format!("auth/approle/role/{role}"),
            json!({"role_id": format!("{role}-id")}),
        );
        assert_eq!(made.status, 204, "{}", made.text());
        let path = format!("auth/approle/role/{role}/custom-secret-id");
        let chosen = app.post(&path, json!({"secret_id": format!("{role}-secret")}));
        assert_eq!(chosen.status, 200, "{}", chosen.text());
    }
    let path = "auth/approle/login";
    let refused = (400, "invalid role or secret ID");
    let roles = |number| json!({"role_id": format!("role-{number}"), "secret_id": "x"});
    try_many(&app, path, roles, refused);
    let secrets = |number| json!({"role_id": "web-id", "secret_id": format!("secret-{number}")});
    try_many(&app, path, secrets, refused);
    for role in ["web", "shop"] {
        let body = json!({"role_id": format!("{role}-id"), "secret_id": format!("{role}-secret")});
        let answer = log_in(&app, path, body);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    // One that is made after the flood is found too.
    let made = app.post(
        "auth/approle/role/web/custom-secret-id",
        json!({"secret_id": "late"}),
    );
    assert_eq!(made.status, 200, "{}", made.text());
    try_many(&app, path, secrets, refused);
    let answer = log_in(
        &app,
        path,
        json!({"role_id": "web-id", "secret_id": "late"}),
    );
    assert_eq!(answer.status, 200, "{}", answer.text());
}
