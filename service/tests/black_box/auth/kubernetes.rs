//! Logins of service accounts, by a review and by the cluster's keys.

use serde_json::{Value, json};

use super::issuer::Signer;
use super::loopback::Loopback;
use super::mounted::Mounted;
use super::{auth_of, look_up_self, stranger, text};
use crate::app::TestApp;
use crate::client::{Answer, multi};

const REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";

/// One with a role `orders` for the account `orders` in namespaces of shops.
fn for_orders() -> Mounted {
    let mounted = Mounted::new("kubernetes");
    let role = json!({
        "bound_service_account_names": "orders", "bound_service_account_namespaces": ["shop-*"],
        "audience": "sealring", "policies": ["team"], "ttl": 600,
    });
    mounted.wrote("role/orders", role);
    mounted
}

fn log_in(mounted: &Mounted, token: &str) -> Answer {
    let body = json!({"role": "orders", "jwt": token});
    stranger(&mounted.app, &mounted.at("login"), body)
}

fn claims(namespace: &str) -> Value {
    json!({
        "iss": "https://cluster", "aud": ["sealring"],
        "sub": format!("system:serviceaccount:{namespace}:orders"),
        "kubernetes.io": {
            "namespace": namespace, "serviceaccount": {"name": "orders", "uid": "u-1"},
        },
    })
}

fn review(namespace: &str, authenticated: bool) -> Value {
    json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "status": {
            "authenticated": authenticated, "audiences": ["sealring"],
            "user": {
                "username": format!("system:serviceaccount:{namespace}:orders"), "uid": "u-1",
                "groups": ["system:serviceaccounts", "system:authenticated"],
            },
        },
    })
}

#[test]
fn an_account_that_the_cluster_vouches_for_logs_in() {
    let (mounted, cluster, signer) = (for_orders(), Loopback::start(), Signer::new("c"));
    mounted.wrote(
        "config",
        json!({
            "kubernetes_host": cluster.url(""), "token_reviewer_jwt": "reviewer-canary",
            "disable_local_ca_jwt": true,
        }),
    );
    cluster.lay_out(REVIEWS, review("shop-eu", true));
    let token = signer.sign(&claims("shop-eu"));
    let auth = auth_of(&log_in(&mounted, &token));
    let expected = json!({
        "role": "orders", "service_account_name": "orders", "service_account_namespace": "shop-eu",
        "service_account_secret_name": "", "service_account_uid": "u-1",
    });
    assert_eq!(auth["metadata"], expected);
    assert_eq!(auth["policies"], json!(["default", "team"]));
    let own = look_up_self(&mounted.app, &text(&auth, "client_token")).data();
    assert_eq!(
        own["display_name"],
        json!(format!("{}-shop-eu-orders", mounted.path))
    );
    let (head, body) = cluster.asked().remove(0);
    assert!(
        head.contains("Bearer reviewer-canary") && !head.contains(&token),
        "{head}"
    );
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        body["spec"],
        json!({"token": token, "audiences": ["sealring"]})
    );
    let read = mounted.app.get(&mounted.at("config"));
    assert_eq!(read.data()["token_reviewer_jwt_set"], json!(true));
    assert!(!read.text().contains("canary"), "{}", read.text());
}

#[test]
fn a_review_that_fails_or_is_of_somebody_else_is_403() {
    let (mounted, cluster, signer) = (for_orders(), Loopback::start(), Signer::new("c"));
    mounted.wrote("config", json!({
        "kubernetes_host": cluster.url(""), "token_reviewer_jwt": "r", "disable_local_ca_jwt": true,
    }));
    let refused = || log_in(&mounted, &signer.sign(&claims("shop-eu"))).refusal();
    let denied = (403, "permission denied".to_owned());
    assert_eq!(refused(), denied, "404 by the cluster");
    cluster.lay_out(REVIEWS, review("shop-eu", false));
    assert_eq!(refused(), denied);
    cluster.lay_out(REVIEWS, review("shop-us", true));
    assert_eq!(refused(), denied, "the token tells of another account");
    cluster.lay_out(REVIEWS, review("kube-system", true));
    let other = log_in(&mounted, &signer.sign(&claims("kube-system"))).refusal();
    assert_eq!(other, (403, "namespace not authorized".to_owned()));
    let gone = json!({
        "kubernetes_host": "http://127.0.0.1:1", "token_reviewer_jwt": "r", "disable_local_ca_jwt": true,
    });
    mounted.wrote("config", gone);
    assert_eq!(refused().0, 503);
}

#[test]
fn the_clusters_keys_vouch_without_asking_it() {
    let (mounted, signer) = (for_orders(), Signer::new("c"));
    mounted.wrote(
        "config",
        json!({
            "kubernetes_host": "https://192.0.2.1", "pem_keys": [signer.public_pem()],
            "issuer": "https://cluster", "disable_local_ca_jwt": true,
        }),
    );
    auth_of(&log_in(&mounted, &signer.sign(&claims("shop-eu"))));
    let denied = (403, "permission denied".to_owned());
    let forged = Signer::new("c").sign(&claims("shop-eu"));
    assert_eq!(log_in(&mounted, &forged).refusal(), denied);
    for (name, value) in [
        ("aud", json!("other")),
        ("iss", json!("https://other")),
        ("exp", json!(1_000_000_000)),
        ("sub", json!("system:serviceaccount:shop-eu:admin")),
    ] {
        let mut changed = claims("shop-eu");
        changed[name] = value;
        let refused = log_in(&mounted, &signer.sign(&changed));
        assert_eq!(refused.status, 403, "{name} {}", refused.text());
    }
}

#[test]
fn what_is_missing_is_named() {
    let mounted = for_orders();
    let log_in = |body: Value| stranger(&mounted.app, &mounted.at("login"), body).refusal();
    assert_eq!(
        log_in(json!({"jwt": "x"})),
        (400, "missing role".to_owned())
    );
    assert_eq!(
        log_in(json!({"role": "orders"})),
        (400, "missing jwt".to_owned())
    );
    let nobody = log_in(json!({"role": "canary", "jwt": "x"}));
    assert_eq!(nobody, (400, "invalid role name".to_owned()));
    let unconfigured = log_in(json!({"role": "orders", "jwt": "x"}));
    assert_eq!(
        unconfigured,
        (500, multi("could not load backend configuration"))
    );
    let no_audience = json!({
        "bound_service_account_names": "*", "bound_service_account_namespaces": "*",
    });
    let warned = mounted.post("role/any", no_audience);
    assert_eq!(warned.status, 200);
    assert_eq!(warned.warnings().len(), 1);
}

#[test]
fn without_a_token_to_ask_with_nobody_logs_in_and_nothing_is_broken() {
    let app = TestApp::fresh(&[]);
    let enabled = app.post("sys/auth/kubernetes", json!({"type": "kubernetes"}));
    assert_eq!(enabled.status, 204);
    let role = json!({
        "bound_service_account_names": "orders", "bound_service_account_namespaces": "*",
        "audience": "sealring",
    });
    assert_eq!(app.post("auth/kubernetes/role/orders", role).status, 204);
    let token = Signer::new("c").sign(&claims("shop-1"));
    for host in ["https://127.0.0.1:1", "http://127.0.0.1:1"] {
        let config = json!({"kubernetes_host": host});
        assert_eq!(app.post("auth/kubernetes/config", config).status, 204);
        let body = json!({"role": "orders", "jwt": token});
        let refused = stranger(&app, "auth/kubernetes/login", body).refusal();
        assert_eq!(refused, (403, "permission denied".to_owned()), "{host}");
    }
    assert!(!app.log().contains("ERROR"), "{}", app.log());
}
