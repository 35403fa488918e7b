//! An API server that vouches, refuses, is slow and goes away.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::KeyPair;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::*;
use crate::identity::methods::kubernetes::config::ReviewerToken;
use crate::identity::methods::stub_server::{Reply, StubServer};

const NOW: i64 = 1_700_000_000;
const REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
const AUDIENCE: &str = "sealring";

fn claims() -> Value {
    json!({
        "iss": "https://cluster",
        "aud": [AUDIENCE],
        "iat": NOW,
        "exp": NOW + 600,
        "sub": "system:serviceaccount:ns:app",
        "kubernetes.io": {
            "namespace": "ns",
            "serviceaccount": {"name": "app", "uid": "u-1"},
        },
    })
}

fn sign(pair: &KeyPair, claims: &Value) -> String {
    let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
    jsonwebtoken::encode(&Header::new(Algorithm::ES256), claims, &key).unwrap()
}

fn vouching_for(name: &str) -> Value {
    json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "status": {
            "authenticated": true,
            "audiences": [AUDIENCE],
            "user": {"username": format!("system:serviceaccount:ns:{name}"), "uid": "u-1"},
        },
    })
}

fn config(server: &StubServer) -> Config {
    Config {
        kubernetes_host: server.url(""),
        kubernetes_ca_cert: server.ca_pem.clone(),
        token_reviewer_jwt: ReviewerToken::new("reviewer"),
        ..Config::default()
    }
}

fn no_pod() -> PodFiles {
    PodFiles {
        ca: "/nonexistent/ca.crt".into(),
        token: "/nonexistent/token".into(),
    }
}

fn entry(value: Config) -> Arc<Entry<Config>> {
    Arc::new(Entry {
        name: "config".to_owned(),
        generation: Generation::FIRST,
        value,
    })
}

async fn vouch(config: Config, token: &str) -> Result<ServiceAccount, VouchFault> {
    let connection = Connection::new(entry(config), no_pod()).await.unwrap();
    let now = Timestamp::from_micros(NOW * 1_000_000);
    connection.vouch(token, AUDIENCE, (now, None)).await
}

#[tokio::test]
async fn a_review_is_asked_for_over_tls_with_the_reviewers_token() {
    let server = StubServer::tls();
    server.answer(REVIEWS, Reply::Status(201, vouching_for("app").to_string()));
    let token = sign(&KeyPair::generate().unwrap(), &claims());
    let account = vouch(config(&server), &token).await.unwrap();
    assert_eq!(account.user(), "system:serviceaccount:ns:app");
    let asked = &server.asked()[0];
    assert_eq!(
        (asked.method.as_str(), asked.path.as_str()),
        ("POST", REVIEWS)
    );
    assert!(asked.headers.contains("Bearer reviewer"), "{asked:?}");
    assert!(
        !asked.headers.contains(&token),
        "the caller's token is no header"
    );
    let body: Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(
        body["spec"],
        json!({"token": token, "audiences": [AUDIENCE]})
    );
}

#[tokio::test]
async fn tokens_that_only_the_cluster_can_read_are_reviewed_too() {
    let server = StubServer::plain();
    server.answer_json(REVIEWS, &vouching_for("app"));
    assert!(vouch(config(&server), "opaque").await.is_ok());
    let strict = Config {
        issuer: "https://cluster".to_owned(),
        ..config(&server)
    };
    assert_eq!(vouch(strict, "opaque").await, Err(VouchFault::Issuer));
}

#[tokio::test]
async fn a_token_that_tells_of_another_account_than_its_review_is_refused() {
    let server = StubServer::plain();
    server.answer_json(REVIEWS, &vouching_for("other"));
    let pair = KeyPair::generate().unwrap();
    let token = sign(&pair, &claims());
    assert_eq!(
        vouch(config(&server), &token).await,
        Err(VouchFault::Mismatch)
    );
    let keys = Config {
        pem_keys: vec![pair.public_key_pem()],
        ..config(&server)
    };
    assert_eq!(vouch(keys, &token).await, Err(VouchFault::Mismatch));
}

#[tokio::test]
async fn with_keys_and_a_reviewer_both_must_vouch() {
    let server = StubServer::plain();
    server.answer_json(REVIEWS, &vouching_for("app"));
    let (ours, theirs) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let keys = || Config {
        pem_keys: vec![ours.public_key_pem()],
        ..config(&server)
    };
    let forged = vouch(keys(), &sign(&theirs, &claims())).await;
    let signature = VouchFault::Offline(OfflineFault::Token(JwsFault::Signature));
    assert_eq!(forged, Err(signature));
    assert!(
        server.asked().is_empty(),
        "what is forged is not asked about"
    );
    assert!(vouch(keys(), &sign(&ours, &claims())).await.is_ok());
    let mut refused = vouching_for("app");
    refused["status"]["authenticated"] = json!(false);
    server.answer_json(REVIEWS, &refused);
    let deleted = vouch(keys(), &sign(&ours, &claims())).await;
    assert_eq!(
        deleted,
        Err(VouchFault::Review(ReviewFault::Unauthenticated))
    );
}

#[tokio::test]
async fn keys_alone_vouch_without_asking_anybody() {
    let pair = KeyPair::generate().unwrap();
    let config = Config {
        kubernetes_host: "https://192.0.2.1".to_owned(),
        pem_keys: vec![pair.public_key_pem()],
        ..Config::default()
    };
    assert!(vouch(config, &sign(&pair, &claims())).await.is_ok());
}

#[tokio::test]
async fn a_pod_asks_with_its_own_token_and_nobody_asks_with_the_callers() {
    let server = StubServer::tls();
    server.answer_json(REVIEWS, &vouching_for("app"));
    let directory = tempfile::tempdir().unwrap();
    let pod = PodFiles {
        ca: directory.path().join("ca.crt"),
        token: directory.path().join("token"),
    };
    std::fs::write(&pod.ca, &server.ca_pem).unwrap();
    std::fs::write(&pod.token, "first\n").unwrap();
    let local = |disable_local_ca_jwt| Config {
        kubernetes_host: server.url(""),
        disable_local_ca_jwt,
        ..Config::default()
    };
    let now = Timestamp::from_micros(NOW * 1_000_000);
    let token = sign(&KeyPair::generate().unwrap(), &claims());
    let connection = Connection::new(entry(local(false)), pod.clone())
        .await
        .unwrap();
    assert!(
        connection
            .vouch(&token, AUDIENCE, (now, None))
            .await
            .is_ok()
    );
    std::fs::write(&pod.token, "second").unwrap();
    assert!(
        connection
            .vouch(&token, AUDIENCE, (now, None))
            .await
            .is_ok()
    );
    std::fs::remove_file(&pod.token).unwrap();
    let alone = connection.vouch(&token, AUDIENCE, (now, None)).await;
    assert_eq!(alone, Err(VouchFault::NoReviewer));
    let asked = server.asked();
    assert!(asked[0].headers.contains("Bearer first"), "{asked:?}");
    assert!(asked[1].headers.contains("Bearer second"), "{asked:?}");
    assert_eq!(asked.len(), 2);
    let with_ca = Config {
        kubernetes_ca_cert: server.ca_pem.clone(),
        ..local(true)
    };
    std::fs::write(&pod.token, "third").unwrap();
    let disabled = Connection::new(entry(with_ca), pod).await.unwrap();
    let refused = disabled.vouch(&token, AUDIENCE, (now, None)).await;
    assert_eq!(refused, Err(VouchFault::NoReviewer));
}

#[tokio::test]
async fn a_server_that_refuses_or_is_away_vouches_for_nobody() {
    let mut server = StubServer::plain();
    let token = sign(&KeyPair::generate().unwrap(), &claims());
    let unauthorized = json!({"kind": "Status", "status": "Failure", "code": 401}).to_string();
    for status in [401, 403, 404, 500] {
        server.answer(REVIEWS, Reply::Status(status, unauthorized.clone()));
        let refused = vouch(config(&server), &token).await;
        let expected = VouchFault::Unanswered(FetchFault::Status(status));
        assert_eq!(refused, Err(expected));
    }
    server.answer(REVIEWS, Reply::Body(unauthorized));
    let refused = vouch(config(&server), &token).await;
    assert_eq!(refused, Err(VouchFault::Review(ReviewFault::Malformed)));
    server.answer(REVIEWS, Reply::Redirect("http://127.0.0.1:1/".to_owned()));
    let refused = vouch(config(&server), &token).await;
    assert_eq!(
        refused,
        Err(VouchFault::Unanswered(FetchFault::Status(302)))
    );
    server.leave().await;
    let away = vouch(config(&server), &token).await;
    assert_eq!(away, Err(VouchFault::Unanswered(FetchFault::Away)));
    server.come_back();
    server.answer_json(REVIEWS, &vouching_for("app"));
    assert!(vouch(config(&server), &token).await.is_ok());
}

#[tokio::test]
async fn reviews_under_way_are_bounded() {
    let server = StubServer::plain();
    let gate = Arc::new(Semaphore::new(0));
    let body = vouching_for("app").to_string();
    server.answer(REVIEWS, Reply::Later(Arc::clone(&gate), body));
    let connection = Arc::new(
        Connection::new(entry(config(&server)), no_pod())
            .await
            .unwrap(),
    );
    let now = Timestamp::from_micros(NOW * 1_000_000);
    let share = Connection::REVIEWS.share;
    let logins = (0..share).map(|_| {
        let connection = Arc::clone(&connection);
        tokio::spawn(async move { connection.vouch("opaque", AUDIENCE, (now, None)).await })
    });
    let logins: Vec<_> = logins.collect();
    while server.asked().len() < Connection::MAX_REVIEWS || connection.room.len() < share {
        tokio::task::yield_now().await;
    }
    let one_more = connection.vouch("opaque", AUDIENCE, (now, None)).await;
    assert_eq!(one_more, Err(VouchFault::ShareFull));
    let elsewhere = "127.0.0.9".parse().ok();
    let connection = Arc::clone(&connection);
    let other = {
        let connection = Arc::clone(&connection);
        tokio::spawn(async move { connection.vouch("opaque", AUDIENCE, (now, elsewhere)).await })
    };
    gate.add_permits(share + 1);
    assert!(other.await.unwrap().is_ok(), "there is room for others");
    for login in logins {
        assert!(login.await.unwrap().is_ok());
    }
    let long = "x".repeat(Jws::MAX_LENGTH + 1);
    let refused = connection.vouch(&long, AUDIENCE, (now, None)).await;
    assert_eq!(refused, Err(VouchFault::TooLong));
}
