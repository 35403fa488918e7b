//! Requests for certificates are what openssl takes them for; the certificates it makes of them come back.

use serde_json::json;

use super::openssl::{OpenSsl, PAIRS};
use crate::app::TestApp;
use crate::client::multi;

#[test]
fn openssl_verifies_requests_and_certificates_made_of_them_are_kept() {
    let Some(openssl) = OpenSsl::found() else {
        return;
    };
    let app = TestApp::shared();
    authority(&openssl);
    let template = template(&openssl);
    for (key_type, _) in PAIRS {
        let ring = app.ring(json!({"type": key_type}));
        let made = app.post(
            &format!("transit/keys/{ring}/csr"),
            json!({"csr": template}),
        );
        let data = made.data();
        assert_eq!(
            (&data["name"], &data["type"]),
            (&json!(ring), &json!(key_type))
        );
        openssl.write("request.pem", data["csr"].as_str().unwrap());
        let shown = openssl.run(&["req", "-in", "request.pem", "-verify", "-noout", "-text"]);
        assert!(shown.contains("sign.example"), "{key_type}: {shown}");
        let public = openssl.run(&["req", "-in", "request.pem", "-pubkey", "-noout"]);
        let path = format!("transit/export/public-key/{ring}?format=pem");
        let own = app.get(&path).data()["keys"]["1"].take();
        assert_eq!(public.trim_end(), own.as_str().unwrap().trim_end());
        let chain = format!("{}{}", certified(&openssl), openssl.text("ca.pem"));
        let kept = app.post(
            &format!("transit/keys/{ring}/set-certificate"),
            json!({"certificate_chain": chain}),
        );
        assert_eq!(kept.data()["certificate_chain"], chain, "{key_type}");
        let shown = app.read(&ring).data()["keys"]["1"]["certificate_chain"].take();
        assert_eq!(shown, chain.trim_end(), "{key_type}");
        let path = format!("transit/export/certificate-chain/{ring}/latest");
        let exported = app.get(&path).data()["keys"]["1"].take();
        assert_eq!(exported, chain.trim_end(), "{key_type}");
    }
}

#[test]
fn a_certificate_for_another_key_is_refused() {
    let Some(openssl) = OpenSsl::found() else {
        return;
    };
    let app = TestApp::shared();
    authority(&openssl);
    let requesting = app.ring(json!({"type": "ecdsa-p256"}));
    let data = app
        .post(&format!("transit/keys/{requesting}/csr"), "")
        .data();
    openssl.write("request.pem", data["csr"].as_str().unwrap());
    let leaf = certified(&openssl);
    let other = app.ring(json!({"type": "ecdsa-p256"}));
    let another_type = app.ring(json!({"type": "rsa-2048"}));
    let set = |ring: &str, chain: &str| {
        let body = json!({"certificate_chain": chain});
        app.post(&format!("transit/keys/{ring}/set-certificate"), body)
    };
    let (status, text) = set(&other, &leaf).refusal();
    assert_eq!(status, 500);
    assert!(text.starts_with(&multi("")[..20]), "{text}");
    assert_eq!(set(&another_type, &leaf).refusal().0, 400);
    assert_eq!(set(&requesting, &openssl.text("ca.pem")).refusal().0, 400);
    for ring in [&other, &another_type, &requesting] {
        assert_eq!(app.read(ring).data()["keys"]["1"]["certificate_chain"], "");
    }
    assert_eq!(set(&requesting, &leaf).status, 200);
}

/// A CA in `ca.pem` and `ca.key`.
fn authority(openssl: &OpenSsl) {
    let new = [
        "req",
        "-x509",
        "-new",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
    ];
    let about = ["-nodes", "-days", "2", "-subj", "/CN=ca.example"];
    openssl.run(&[&new[..], &about, &["-keyout", "ca.key", "-out", "ca.pem"]].concat());
}

/// A request of another key, with a subject and a name to be taken over.
fn template(openssl: &OpenSsl) -> String {
    let new = [
        "req",
        "-new",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
    ];
    let about = [
        "-subj",
        "/O=Sealring/CN=sign.example",
        "-addext",
        "subjectAltName=DNS:sign.example",
    ];
    openssl.run(
        &[
            &new[..],
            &about,
            &["-keyout", "other.key", "-out", "template.pem"],
        ]
        .concat(),
    );
    openssl.text("template.pem")
}

/// The certificate that the CA makes of `request.pem`.
fn certified(openssl: &OpenSsl) -> String {
    let sign = [
        "x509",
        "-req",
        "-in",
        "request.pem",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
    ];
    openssl.run(
        &[
            &sign[..],
            &["-CAcreateserial", "-days", "1", "-out", "leaf.pem"],
        ]
        .concat(),
    );
    openssl.text("leaf.pem")
}
