//! Issuers that rotate, are slow, go away and come back.

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD as BASE64;
use jsonwebtoken::{EncodingKey, Header};
use keyring::test_support::engine::ManualClock;
use rcgen::{KeyPair, PublicKeyData as _};
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::*;
use crate::identity::methods::jose::jws::Jws;
use crate::identity::methods::stub_server::{Reply, StubServer};

/// A key of an issuer.
struct Signer {
    id: &'static str,
    pair: KeyPair,
}

impl Signer {
    fn new(id: &'static str) -> Self {
        let pair = KeyPair::generate().unwrap();
        Self { id, pair }
    }

    fn jwk(&self) -> Value {
        let (x, y) = self.pair.der_bytes()[1..].split_at(32);
        json!({
            "kty": "EC", "crv": "P-256", "kid": self.id, "use": "sig",
            "x": BASE64.encode(x), "y": BASE64.encode(y),
        })
    }

    fn token(&self) -> String {
        let header = Header {
            kid: Some(self.id.to_owned()),
            ..Header::new(Algorithm::ES256)
        };
        let key = EncodingKey::from_ec_pem(self.pair.serialize_pem().as_bytes()).unwrap();
        jsonwebtoken::encode(&header, &json!({"sub": self.id}), &key).unwrap()
    }
}

fn published(signers: &[&Signer]) -> Value {
    json!({"keys": signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>()})
}

struct Bench {
    server: StubServer,
    keys: Arc<RemoteKeys>,
    clock: Arc<ManualClock>,
    detached: Detached,
}

const KEYS: &str = "/keys";

impl Bench {
    fn of(server: StubServer) -> Self {
        let url = OutboundUrl::parse(&server.url(KEYS)).unwrap();
        let ca_pem = server.ca_pem.clone();
        Self::at(server, Place::Jwks(url.clone()), &url, &ca_pem)
    }

    fn at(server: StubServer, place: Place, url: &OutboundUrl, ca_pem: &str) -> Self {
        let clock = Arc::new(ManualClock::at(1_700_000_000));
        let client = Outbound::new(url, ca_pem).unwrap();
        let keys = Arc::new(RemoteKeys::new(place, client, clock.clone()));
        Self {
            server,
            keys,
            clock,
            detached: Detached::on(Handle::current()),
        }
    }

    fn plain() -> Self {
        Self::of(StubServer::plain())
    }

    fn publish(&self, signers: &[&Signer]) {
        self.server.answer_json(KEYS, &published(signers));
    }

    async fn verify(&self, signer: &Signer) -> Result<String, VerifyFault> {
        let token = signer.token();
        let parsed = Jws::parse(&token).unwrap();
        let claims = self
            .keys
            .verify(&parsed, &[Algorithm::ES256], &self.detached)
            .await?;
        Ok(claims.subject().to_owned())
    }

    /// Returns when nobody is fetching.
    async fn quiet(&self) {
        drop(self.keys.turn.lock().await);
    }
}

const UNKNOWN: Result<String, VerifyFault> = Err(VerifyFault::Token(JwsFault::Signature));

#[tokio::test]
async fn keys_are_fetched_once_and_kept() {
    let bench = Bench::plain();
    let signer = Signer::new("a");
    bench.publish(&[&signer]);
    for _ in 0..5 {
        assert_eq!(bench.verify(&signer).await.as_deref(), Ok("a"));
    }
    assert_eq!(bench.keys.fetches(), 1);
    let asked = bench.server.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        (asked[0].method.as_str(), asked[0].path.as_str()),
        ("GET", KEYS)
    );
    assert!(!asked[0].headers.contains("authorization"), "{asked:?}");
    assert!(!asked[0].headers.contains(&signer.token()), "{asked:?}");
    assert_eq!(asked[0].body, "");
}

#[tokio::test]
async fn a_new_key_is_fetched_when_the_first_token_shows_it() {
    let bench = Bench::plain();
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    bench.publish(&[&old]);
    assert!(bench.verify(&old).await.is_ok());
    bench.publish(&[&old, &new]);
    assert_eq!(bench.verify(&new).await, UNKNOWN, "too early for a fetch");
    bench.clock.advance(RemoteKeys::PAUSE);
    assert_eq!(bench.verify(&new).await.as_deref(), Ok("new"));
    assert!(bench.verify(&old).await.is_ok());
    assert_eq!(bench.keys.fetches(), 2);
}

#[tokio::test]
async fn tokens_by_unknown_keys_cause_one_fetch_per_pause() {
    let bench = Bench::plain();
    let (known, stranger) = (Signer::new("known"), Signer::new("stranger"));
    bench.publish(&[&known]);
    assert!(bench.verify(&known).await.is_ok());
    for round in 0..3 {
        bench.clock.advance(RemoteKeys::PAUSE);
        for _ in 0..20 {
            assert_eq!(bench.verify(&stranger).await, UNKNOWN);
        }
        assert_eq!(bench.keys.fetches(), 2 + round);
    }
}

#[tokio::test]
async fn a_withdrawn_key_is_forgotten_once_keys_are_fetched_again() {
    let bench = Bench::plain();
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    bench.publish(&[&old]);
    assert!(bench.verify(&old).await.is_ok());
    bench.publish(&[&new]);
    bench.clock.advance(RemoteKeys::FRESH);
    // Nobody waits for the fetch that this login begins.
    assert!(bench.verify(&old).await.is_ok());
    bench.quiet().await;
    assert_eq!(bench.keys.fetches(), 2);
    assert_eq!(bench.verify(&old).await, UNKNOWN);
    assert!(bench.verify(&new).await.is_ok());
}

#[tokio::test]
async fn an_issuer_that_is_away_is_not_felt_for_an_hour_and_may_come_back() {
    let mut bench = Bench::plain();
    let signer = Signer::new("a");
    bench.publish(&[&signer]);
    assert!(bench.verify(&signer).await.is_ok());
    bench.server.leave().await;
    bench
        .clock
        .advance(RemoteKeys::KEPT.saturating_sub(Duration::from_micros(1)));
    assert!(bench.verify(&signer).await.is_ok());
    bench.quiet().await;
    assert_eq!(bench.keys.fetches(), 2);
    assert!(bench.verify(&signer).await.is_ok(), "the old keys are kept");
    bench.clock.advance(Duration::from_micros(1));
    let away = Err(VerifyFault::NoKeys(RemoteFault::Fetch(FetchFault::Away)));
    assert_eq!(bench.verify(&signer).await, away);
    bench.server.come_back();
    assert_eq!(bench.verify(&signer).await, away, "too early for a fetch");
    bench.clock.advance(RemoteKeys::PAUSE_AFTER_FAULT);
    assert!(bench.verify(&signer).await.is_ok());
}

#[tokio::test]
async fn a_slow_issuer_is_asked_once_whoever_waits_and_known_keys_do_not_wait() {
    let bench = Arc::new(Bench::plain());
    let (known, new) = (Signer::new("known"), Arc::new(Signer::new("new")));
    bench.publish(&[&known]);
    assert!(bench.verify(&known).await.is_ok());
    bench.clock.advance(RemoteKeys::PAUSE);
    let gate = Arc::new(Semaphore::new(0));
    let body = published(&[&known, &new]).to_string();
    bench
        .server
        .answer(KEYS, Reply::Later(Arc::clone(&gate), body));
    let logins = (0..20).map(|_| {
        let (bench, new) = (Arc::clone(&bench), Arc::clone(&new));
        tokio::spawn(async move { bench.verify(&new).await })
    });
    let logins: Vec<_> = logins.collect();
    while bench.server.asked().len() < 2 {
        tokio::task::yield_now().await;
    }
    assert!(
        bench.verify(&known).await.is_ok(),
        "while the issuer is slow"
    );
    gate.add_permits(1);
    for login in logins {
        assert_eq!(login.await.unwrap().as_deref(), Ok("new"));
    }
    assert_eq!(bench.keys.fetches(), 2);
}

#[tokio::test]
async fn a_caller_who_hangs_up_does_not_cancel_the_fetch() {
    let bench = Bench::plain();
    let signer = Signer::new("a");
    let gate = Arc::new(Semaphore::new(0));
    let body = published(&[&signer]).to_string();
    bench
        .server
        .answer(KEYS, Reply::Later(Arc::clone(&gate), body));
    {
        let login = bench.verify(&signer);
        let asked = async {
            while bench.server.asked().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            _ = login => panic!("answered before the keys were there"),
            () = asked => {}
        }
    }
    gate.add_permits(1);
    bench.quiet().await;
    assert!(bench.verify(&signer).await.is_ok());
    assert_eq!(bench.keys.fetches(), 1);
}

#[tokio::test]
async fn an_issuer_that_never_answers_is_given_up() {
    let server = StubServer::plain();
    let never = Reply::Later(Arc::new(Semaphore::new(0)), String::new());
    server.answer(KEYS, never);
    let url = OutboundUrl::parse(&server.url(KEYS)).unwrap();
    let client = Outbound::impatient(&url, Duration::from_millis(50));
    let clock = Arc::new(ManualClock::at(0));
    let keys = Arc::new(RemoteKeys::new(Place::Jwks(url), client, clock));
    let probed = keys.probe(&Detached::on(Handle::current())).await;
    assert_eq!(probed, Err(RemoteFault::Fetch(FetchFault::Away)));
}

#[tokio::test]
async fn answers_that_are_no_keys_are_refused_and_old_keys_kept() {
    let bench = Bench::plain();
    let (known, stranger) = (Signer::new("known"), Signer::new("stranger"));
    bench.publish(&[&known]);
    assert!(bench.verify(&known).await.is_ok());
    let twice = format!("{{\"keys\":[],\"keys\":[{}]}}", stranger.jwk());
    for wrong in [
        Reply::Body("<html>".to_owned()),
        Reply::Body("{}".to_owned()),
        Reply::Body(twice),
        Reply::Body(" ".repeat(Outbound::MAX_ANSWER + 1)),
        Reply::Status(500, published(&[&stranger]).to_string()),
        Reply::Status(404, String::new()),
        Reply::Status(201, published(&[&stranger]).to_string()),
    ] {
        bench.server.answer(KEYS, wrong);
        bench.clock.advance(RemoteKeys::PAUSE);
        assert_eq!(bench.verify(&stranger).await, UNKNOWN);
        assert!(bench.verify(&known).await.is_ok());
    }
    assert_eq!(bench.keys.fetches(), 8);
}

#[tokio::test]
async fn a_redirect_leads_to_the_same_server_only() {
    let (bench, other) = (Bench::plain(), StubServer::plain());
    let signer = Signer::new("a");
    other.answer_json("/elsewhere", &published(&[&signer]));
    let away = Reply::Redirect(other.url("/elsewhere"));
    bench.server.answer(KEYS, away);
    let refused = bench.verify(&signer).await;
    let status = VerifyFault::NoKeys(RemoteFault::Fetch(FetchFault::Status(302)));
    assert_eq!(refused, Err(status));
    assert!(other.asked().is_empty());
    bench
        .server
        .answer(KEYS, Reply::Redirect("/moved".to_owned()));
    bench.server.answer_json("/moved", &published(&[&signer]));
    bench.clock.advance(RemoteKeys::PAUSE_AFTER_FAULT);
    assert!(bench.verify(&signer).await.is_ok());
}

#[tokio::test]
async fn endless_redirects_end() {
    let bench = Bench::plain();
    bench.server.answer(KEYS, Reply::Redirect(KEYS.to_owned()));
    assert!(bench.verify(&Signer::new("a")).await.is_err());
    assert_eq!(bench.server.asked().len(), 4);
}

#[tokio::test]
async fn tls_trusts_the_given_ca_and_no_other() {
    let bench = Bench::of(StubServer::tls());
    let signer = Signer::new("a");
    bench.publish(&[&signer]);
    assert!(bench.verify(&signer).await.is_ok());
    let url = OutboundUrl::parse(&bench.server.url(KEYS)).unwrap();
    let stranger = StubServer::tls().ca_pem;
    let distrusting = Bench::at(bench.server, Place::Jwks(url.clone()), &url, &stranger);
    let away = VerifyFault::NoKeys(RemoteFault::Fetch(FetchFault::Away));
    assert_eq!(distrusting.verify(&signer).await, Err(away));
}

const DOCUMENT: &str = "/.well-known/openid-configuration";

fn discovering(server: StubServer) -> Bench {
    let issuer = server.url("");
    let document = OutboundUrl::parse(&server.url(DOCUMENT)).unwrap();
    let place = Place::Discovery(document.clone(), issuer);
    Bench::at(server, place, &document, "")
}

#[tokio::test]
async fn a_discovery_document_names_the_keys() {
    let bench = discovering(StubServer::plain());
    let signer = Signer::new("a");
    let document = |issuer: String, keys: String| json!({"issuer": issuer, "jwks_uri": keys});
    let server = &bench.server;
    server.answer_json(KEYS, &published(&[&signer]));
    for wrong in [
        document(server.url("/"), server.url(KEYS)),
        document("https://other".to_owned(), server.url(KEYS)),
        document(server.url(""), String::new()),
        document(server.url(""), "http://192.0.2.1/keys".to_owned()),
        json!({"issuer": server.url("")}),
        json!([]),
    ] {
        server.answer_json(DOCUMENT, &wrong);
        assert!(bench.verify(&signer).await.is_err(), "{wrong}");
        bench.clock.advance(RemoteKeys::PAUSE_AFTER_FAULT);
    }
    server.answer_json(DOCUMENT, &document(server.url(""), server.url(KEYS)));
    assert!(bench.verify(&signer).await.is_ok());
}
