//! Bytes that are no HTTP, or HTTP that two readers could read in two ways.

use crate::app::TestApp;
use crate::client::{Request, Wire};

/// A request for a key named `framed`, whose head ends with these lines and whose body is as given. A second request is
/// sent right behind it, on the same connection, for a key named `smuggled`.
fn send(app: &TestApp, lines: &str, body: &str) -> Vec<u8> {
    let token = &app.token;
    let first = format!(
        "POST /v1/transit/keys/framed HTTP/1.1\r\nHost: x\r\nX-Vault-Token: {token}\r\n{lines}\r\n{body}"
    );
    let second = format!(
        "POST /v1/transit/keys/smuggled HTTP/1.1\r\nHost: x\r\nX-Vault-Token: {token}\r\nContent-Length: 0\r\n\r\n"
    );
    raw(app, format!("{first}{second}").as_bytes())
}

/// Everything that comes back.
fn raw(app: &TestApp, bytes: &[u8]) -> Vec<u8> {
    let mut wire = Wire::connect(&app.address).unwrap();
    // The server may hang up before it has read everything.
    drop(wire.send(bytes));
    wire.end_sending();
    wire.rest()
}

fn status(answer: &[u8]) -> Option<u16> {
    let text = String::from_utf8_lossy(answer);
    text.strip_prefix("HTTP/1.1 ")
        .or_else(|| text.strip_prefix("HTTP/1.0 "))?
        .get(..3)?
        .parse()
        .ok()
}

fn answers(bytes: &[u8]) -> usize {
    String::from_utf8_lossy(bytes).matches("HTTP/1.").count()
}

#[test]
fn a_request_with_two_lengths_is_refused_and_nothing_behind_it_is_read() {
    let app = TestApp::fresh(&[]);
    for (lines, body) in [
        (
            "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
            "2\r\n{}\r\n0\r\n\r\n",
        ),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
            "2\r\n{}\r\n0\r\n\r\n",
        ),
        ("Content-Length: 2\r\nContent-Length: 4\r\n", "{}  "),
        ("Content-Length: 2\r\nContent-Length: 2\r\n", "{}"),
        ("Content-Length: 2, 2\r\n", "{}"),
        ("Content-Length: +2\r\n", "{}"),
        ("Content-Length: -2\r\n", "{}"),
        ("Content-Length: 0x2\r\n", "{}"),
        ("Content-Length: 2 2\r\n", "{}"),
        ("Content-Length:\r\n", ""),
        ("Content-Length: 99999999999999999999999\r\n", "{}"),
        ("Content-Length : 2\r\n", "{}"),
        (" Content-Length: 2\r\n", "{}"),
        ("X-A: b\r\n c\r\nContent-Length: 2\r\n", "{}"),
        ("X-A: b\r\n\tContent-Length: 2\r\n", "{}"),
        ("X-A: a\0b\r\nContent-Length: 2\r\n", "{}"),
        ("Transfer-Encoding: xchunked\r\n", "2\r\n{}\r\n0\r\n\r\n"),
        (
            "Transfer-Encoding: chunked, identity\r\n",
            "2\r\n{}\r\n0\r\n\r\n",
        ),
        (
            "Transfer-Encoding: identity, chunked\r\n",
            "2\r\n{}\r\n0\r\n\r\n",
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "2\r\n{}\r\n0\r\n\r\n",
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
            "2\r\n{}\r\n0\r\n\r\n",
        ),
        (
            "Transfer-Encoding: gzip, chunked\r\n",
            "2\r\n{}\r\n0\r\n\r\n",
        ),
        ("Transfer-Encoding : chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"),
        ("Transfer-Encoding:\u{b}chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"),
        (
            "Transfer-Encoding: chunked\r\n",
            "ffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        ),
        ("Transfer-Encoding: chunked\r\n", "-2\r\n{}\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "0x2\r\n{}\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "2\n{}\n0\n\n"),
        ("Transfer-Encoding: chunked\r\n", "2\r\n{}XX0\r\n\r\n"),
        ("Host: y\r\nContent-Length: 2\r\n", "{}"),
    ] {
        let answer = send(&app, lines, body);
        let shown = String::from_utf8_lossy(&answer);
        assert_eq!(status(&answer), Some(400), "{lines:?} {body:?}: {shown}");
        assert_eq!(answers(&answer), 1, "{lines:?} {body:?}: {shown}");
        assert_eq!(
            app.list("transit", "").status,
            404,
            "{lines:?} {body:?} made a key"
        );
    }
}

#[test]
fn a_request_with_one_length_is_read_and_so_is_the_next() {
    for (lines, body) in [
        ("Content-Length: 2\r\n", "{}"),
        ("Content-Length: 0\r\n", ""),
        ("", ""),
        ("Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"),
        (
            "transfer-encoding: Chunked\r\n",
            "1\r\n{\r\n1;extension=x\r\n}\r\n0\r\n\r\n",
        ),
        ("Expect: 200-maybe\r\nContent-Length: 2\r\n", "{}"),
    ] {
        let app = TestApp::fresh(&[]);
        let answer = send(&app, lines, body);
        let shown = String::from_utf8_lossy(&answer);
        assert_eq!(
            shown.matches("HTTP/1.1 200 OK").count(),
            2,
            "{lines:?}: {shown}"
        );
        assert_eq!(
            app.list("transit", "").data()["keys"],
            serde_json::json!(["framed", "smuggled"])
        );
    }
}

#[test]
fn a_body_that_ends_early_does_nothing() {
    let app = TestApp::fresh(&[]);
    for (lines, body) in [
        ("Content-Length: 20\r\n", "{}"),
        ("Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n"),
        ("Transfer-Encoding: chunked\r\n", "10\r\n{}"),
    ] {
        let token = &app.token;
        let head = format!(
            "POST /v1/transit/keys/framed HTTP/1.1\r\nHost: x\r\nX-Vault-Token: {token}\r\n{lines}\r\n{body}"
        );
        let answer = raw(&app, head.as_bytes());
        assert!(
            matches!(status(&answer), None | Some(400)),
            "{}",
            String::from_utf8_lossy(&answer)
        );
        assert_eq!(app.list("transit", "").status, 404, "{lines:?}");
    }
}

#[test]
fn garbage_is_refused_and_the_process_lives() {
    let mut app = TestApp::fresh(&[]);
    let many = "X-A: a\r\n".repeat(500);
    let many = format!("GET /v1/sys/health HTTP/1.1\r\nHost: x\r\n{many}\r\n");
    let long = format!(
        "GET /v1/sys/health HTTP/1.1\r\nHost: x\r\nX-A: {}\r\n\r\n",
        "a".repeat(1 << 20)
    );
    let uri = format!(
        "GET /v1/{} HTTP/1.1\r\nHost: x\r\n\r\n",
        "a".repeat(100_000)
    );
    let tls = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(),
        &[0; 100],
    ]
    .concat();
    for bytes in [
        &b"\0\x01\x02\xff\xfe garbage\r\n\r\n"[..],
        &tls,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        b"GET /v1/sys/health HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET /v1/sys/health\r\n\r\n",
        b"GET  /v1/sys/health HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/sys/health HTTP/1.1\r\n\r\n",
        b"GET /v1/sys/health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /v1/sys\x00/health HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/sys/h\xc3\xa9alth HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET v1/sys/health HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\r\r\r\r",
        many.as_bytes(),
        long.as_bytes(),
        uri.as_bytes(),
    ] {
        let answer = raw(&app, bytes);
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]);
        assert!(
            matches!(
                status(&answer),
                None | Some(400 | 404 | 405 | 414 | 431 | 403)
            ),
            "{shown:?}: {}",
            String::from_utf8_lossy(&answer)
        );
    }
    for bytes in [
        &b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        assert_eq!(status(&raw(&app, bytes)), Some(404));
    }
    assert!(app.is_alive());
    assert_eq!(app.get("sys/health").status, 200);
    assert_eq!(app.list("transit", "").status, 404, "nothing was created");
}

#[test]
fn clients_that_offer_another_protocol_are_answered_in_this_one() {
    let app = TestApp::fresh(&[]);
    // What Java's client sends before it knows the server.
    let h2c = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\
               Content-Length: 2\r\n";
    let answer = send(&app, h2c, "{}");
    assert_eq!(
        status(&answer),
        Some(200),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    assert_eq!(app.read("framed").status, 200);
    let refused = app
        .request("POST", "transit/keys/upgraded")
        .header("Connection", "Upgrade")
        .header("Upgrade", "WebSocket")
        .body("{}")
        .begin(2)
        .answer_now();
    assert_eq!(
        refused.refusal(),
        (400, "WebSocket is not offered".to_owned())
    );
    assert_eq!(app.read("upgraded").status, 404);
    assert_eq!(answers(&answer), 2, "the request behind it is answered too");
    assert_eq!(app.read("smuggled").status, 200);
    let old = raw(&app, b"GET /v1/sys/health HTTP/1.0\r\n\r\n");
    assert_eq!(status(&old), Some(200), "{}", String::from_utf8_lossy(&old));
}

#[test]
fn a_connection_on_which_another_protocol_is_offered_stays_open() {
    let app = TestApp::fresh(&[]);
    let mut wire = Wire::connect(&app.address).unwrap();
    for (round, (connection, upgrade)) in [
        ("Upgrade, HTTP2-Settings", "h2c"),
        ("upgrade", ""),
        ("keep-alive, UPGRADE", "h2c"),
        ("HTTP2-Settings ,Upgrade", "TLS/1.2"),
        ("keep-alive", "h2c"),
    ]
    .into_iter()
    .enumerate()
    {
        let offering = |request: Request| {
            request
                .header("Connection", connection)
                .header("Upgrade", upgrade)
        };
        let name = format!("transit/keys/round{round}");
        let body = r#"{"type":"aes256-gcm96"} "#;
        for request in [
            app.request("GET", "sys/health"),
            app.request("POST", &name).body(body),
            app.request("GET", &name),
            app.request("GET", "transit/keys/missing"),
            app.anonymous("GET", &name),
        ] {
            let answer = offering(request).send_over(&mut wire).unwrap();
            assert!(answer.status < 500, "{}", answer.text());
            assert_eq!(answer.header("connection"), None);
            assert_eq!(answer.header("upgrade"), None);
        }
    }
    let listed = app.list("transit", "").data();
    assert_eq!(listed["keys"].as_array().map(Vec::len), Some(5));
}

#[test]
fn offers_are_declined_behind_chunks_and_in_requests_sent_at_once() {
    let app = TestApp::fresh(&[]);
    let token = &app.token;
    let head = |name: &str, framing: &str| {
        format!(
            "POST /v1/transit/keys/{name} HTTP/1.1\r\nHost: x\r\nX-Vault-Token: {token}\r\n{framing}\r\n\
             Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
        )
    };
    let chunked = head("chunked", "Transfer-Encoding: chunked");
    let counted = head("counted", "Content-Length: 2");
    let empty = head("empty", "X-Nothing: 1");
    let sent = format!("{chunked}1\r\n{{\r\n1;x=y\r\n}}\r\n0\r\n\r\n{counted}{{}}{empty}");
    let answer = raw(&app, sent.as_bytes());
    assert_eq!(answers(&answer), 3, "{}", String::from_utf8_lossy(&answer));
    for name in ["chunked", "counted", "empty"] {
        assert_eq!(app.read(name).status, 200, "{name}");
    }
}
