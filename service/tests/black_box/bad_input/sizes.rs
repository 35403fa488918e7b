//! Bodies that are too long, do not come, or come without a token.

use serde_json::json;

use crate::app::TestApp;
use crate::client::Wire;

const LIMIT: usize = 64 * 1024;

fn small() -> TestApp {
    TestApp::fresh(&[("SEALRING_LIMITS__MAX_BODY_BYTES", "64KiB")])
}

fn padded(length: usize) -> String {
    let body = r#"{"plaintext":""}"#;
    format!("{body}{}", " ".repeat(length - body.len()))
}

#[test]
fn a_body_as_long_as_the_limit_is_read_and_a_longer_one_is_not() {
    let app = small();
    let key = app.ring(json!({}));
    assert_eq!(app.encrypt(&key, padded(LIMIT)).status, 200);
    let long = app
        .request("POST", &format!("transit/encrypt/{key}"))
        .body(padded(LIMIT + 1));
    // Nothing of the body is ever sent, so the answer came of the head alone.
    let mut begun = long.begin(0);
    let answer = begun.answer_now();
    assert_eq!(
        answer.refusal(),
        (413, "http: request body too large".to_owned())
    );
    assert_eq!(answer.header("connection"), Some("close"));
    let default = TestApp::shared();
    for (path, length) in [
        ("encrypt/too-large", 32 << 20),
        ("keys/too-large", 1 << 20),
        ("keys/too-large/rotate", 1 << 20),
    ] {
        let head = format!(
            "POST /v1/transit/{path} HTTP/1.1\r\nHost: x\r\nX-Vault-Token: {}\r\nContent-Length: {}\r\n\r\n",
            default.token,
            length + 1
        );
        let mut wire = Wire::connect(&default.address).unwrap();
        wire.send(head.as_bytes()).unwrap();
        assert_eq!(wire.answer(false).unwrap().status, 413, "{path}");
    }
    assert_eq!(default.read("too-large").status, 404);
}

#[test]
fn a_chunked_body_is_cut_off_at_the_limit() {
    let app = small();
    let key = app.ring(json!({}));
    for (chunks, status) in [(4, 200), (LIMIT / 1024 + 1, 413), (10_000, 413)] {
        let mut wire = Wire::connect(&app.address).unwrap();
        let head = format!(
            "POST /v1/transit/encrypt/{key} HTTP/1.1\r\nHost: x\r\nX-Vault-Token: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
            app.token
        );
        wire.send(head.as_bytes()).unwrap();
        let first = padded(1024);
        let mut sent = wire.send(format!("400\r\n{first}\r\n").as_bytes());
        for _ in 1..chunks {
            sent = sent
                .and_then(|()| wire.send(format!("400\r\n{}\r\n", " ".repeat(1024)).as_bytes()));
        }
        // The server may have hung up on a body that goes on for ever.
        drop(sent.and_then(|()| wire.send(b"0\r\n\r\n")));
        match wire.answer(false) {
            Ok(answer) => assert_eq!(answer.status, status, "{chunks}"),
            Err(error) => assert_eq!(status, 413, "{chunks} {error}"),
        }
    }
    assert_eq!(app.encrypt(&key, padded(100)).status, 200);
}

#[test]
fn a_client_that_asks_first_is_told_to_go_on_or_refused() {
    let app = small();
    let head = |length: usize, token: &str| {
        format!(
            "POST /v1/transit/keys/asked HTTP/1.1\r\nHost: x\r\n{token}Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    let token = format!("X-Vault-Token: {}\r\n", app.token);
    for (head, status) in [(head(LIMIT + 1, &token), 413), (head(2, ""), 403)] {
        let mut wire = Wire::connect(&app.address).unwrap();
        wire.send(head.as_bytes()).unwrap();
        assert_eq!(wire.answer(false).unwrap().status, status);
    }
    assert_eq!(app.read("asked").status, 404);
    let mut wire = Wire::connect(&app.address).unwrap();
    wire.send(head(2, &token).as_bytes()).unwrap();
    assert_eq!(wire.interim().unwrap(), 100);
    wire.send(b"{}").unwrap();
    assert_eq!(wire.answer(false).unwrap().status, 200);
}

#[test]
fn what_a_stranger_sends_is_not_read() {
    let app = TestApp::shared();
    for token in ["", "X-Vault-Token: wrong\r\n"] {
        let head = format!(
            "POST /v1/transit/keys/strange HTTP/1.1\r\nHost: x\r\n{token}Content-Length: 1000000\r\n\r\n"
        );
        let mut wire = Wire::connect(&app.address).unwrap();
        wire.send(head.as_bytes()).unwrap();
        let answer = wire.answer(false).unwrap();
        assert_eq!(answer.refusal(), (403, "permission denied".to_owned()));
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(wire.rest(), b"");
    }
    assert_eq!(app.read("strange").status, 404);
}

#[test]
fn what_stops_arriving_is_given_up() {
    let app = TestApp::shared();
    let mut body = app.request("POST", "transit/keys/slow").body("{}").begin(1);
    let mut head = Wire::connect(&app.address).unwrap();
    head.send(b"POST /v1/transit/keys/slow HTTP/1.1\r\nHost: x\r\n")
        .unwrap();
    assert_eq!(head.answer(false).unwrap().status, 408);
    let answer = body.answer_now();
    assert_eq!(
        answer.refusal(),
        (408, "the request body came too slowly".to_owned())
    );
    assert_eq!(app.read("slow").status, 404);
}
