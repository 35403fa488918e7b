//! Bodies must come at a pace; what comes too slowly is given up.

use std::time::Duration;

use serde_json::json;

use super::{encrypt_by, user};
use crate::app::TestApp;
use crate::client::Begun;
use crate::{eventually, pause};

const PACE: [(&str, &str); 2] = [
    ("SEALRING_LIMITS__RATE_GRACE", "1s"),
    ("SEALRING_LIMITS__MIN_RATE", "16KiB"),
];

fn given_up(begun: &mut Begun) {
    let answer = begun.answer_now();
    let expected = "the request body came too slowly".to_owned();
    assert_eq!(answer.refusal(), (408, expected));
    assert_eq!(answer.header("connection"), Some("close"));
}

#[test]
fn a_body_that_trickles_is_given_up_with_a_token_and_without_one() {
    let app = TestApp::fresh(&PACE);
    let key = app.ring(json!({}));
    let user = user(&app);
    let body = format!("{{\"plaintext\":\"\"}}{}", " ".repeat(10_000));
    let login = app
        .anonymous("POST", "auth/token/login/x")
        .body(body.as_str());
    let unseal = app.anonymous("POST", "sys/unseal").body(body.as_str());
    assert_eq!(login.send().status, 403, "there is no such login");
    for request in [encrypt_by(&app, &user, &key, &body), unseal] {
        let mut begun = request.begin(1);
        eventually("the end of it", || {
            pause(Duration::from_millis(20));
            // The last byte may meet a connection that is closed by then.
            drop(begun.send_some(1));
            begun.is_answered().then_some(())
        });
        given_up(&mut begun);
    }
    assert!(
        app.metrics()
            .contains("sealring_http_slow_total{what=\"body\"} 2\n")
    );
}

#[test]
fn a_body_that_began_fast_and_stops_is_given_up() {
    let app = TestApp::fresh(&PACE);
    let key = app.ring(json!({}));
    let body = format!("{{\"plaintext\":\"\"}}{}", " ".repeat(1 << 20));
    let mut begun = app
        .request("POST", &format!("transit/encrypt/{key}"))
        .body(body.as_str())
        .begin(1 << 20);
    given_up(&mut begun);
}

#[test]
fn a_body_is_given_up_at_its_deadline_however_fast_it_comes() {
    let app = TestApp::fresh(&[("SEALRING_LIMITS__BODY_DEADLINE", "1s")]);
    let key = app.ring(json!({}));
    let body = format!("{{\"plaintext\":\"\"}}{}", " ".repeat(1 << 20));
    let mut begun = app
        .request("POST", &format!("transit/encrypt/{key}"))
        .body(body.as_str())
        .begin(1 << 20);
    given_up(&mut begun);
}

#[test]
fn a_body_that_comes_in_pieces_at_a_good_pace_is_read() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    let body = format!("{{\"plaintext\":\"\"}}{}", " ".repeat(100_000));
    let mut begun = app
        .request("POST", &format!("transit/encrypt/{key}"))
        .body(body.as_str())
        .begin(0);
    for _ in 0..10 {
        begun.send_some(10_000).unwrap();
    }
    assert_eq!(begun.finish().status, 200);
}
