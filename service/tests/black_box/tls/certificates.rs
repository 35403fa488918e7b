//! The server's certificate: versions, reload, files that cannot be used.

use std::fs::{self, Permissions};
use std::io::Read as _;
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::Duration;

use rustix::process::Signal;
use rustls::version::{TLS12, TLS13};
use rustls::{ProtocolVersion, SupportedProtocolVersion};

use super::authority::{Authority, Identity};
use super::encrypted::{Client, Encrypted, configuration, shown, version};
use crate::eventually;
use crate::set_up::{Home, refused};

const PUBLIC: &str = "
[listener.public]
address = \"127.0.0.1:0\"
tls_cert_file = \"DIR/cert\"
tls_key_file = \"DIR/key\"
";

fn public() -> (Encrypted, Identity) {
    let authority = Authority::new("servers");
    let identity = authority.issue();
    (Encrypted::start(&identity, authority, PUBLIC), identity)
}

fn speaking(version: &'static SupportedProtocolVersion) -> Client {
    Client {
        version: Some(version),
        ..Client::default()
    }
}

#[test]
fn both_versions_are_spoken_down_to_the_listeners_minimum() {
    let modern = "
[listener.modern]
address = \"127.0.0.1:0\"
tls_cert_file = \"DIR/cert\"
tls_key_file = \"DIR/key\"
tls_min_version = \"1.3\"
";
    let authority = Authority::new("servers");
    let identity = authority.issue();
    let service = Encrypted::start(&identity, authority, &format!("{modern}{PUBLIC}"));
    let [modern, public] = service.addresses.as_slice() else {
        panic!("{:?}", service.addresses);
    };
    for (address, version_spoken, expected) in [
        (public, &TLS12, ProtocolVersion::TLSv1_2),
        (public, &TLS13, ProtocolVersion::TLSv1_3),
        (modern, &TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let mut wire = service
            .connect_to(address, &speaking(version_spoken))
            .unwrap();
        assert_eq!(version(&wire), expected);
        assert_eq!(service.health().send_over(&mut wire).unwrap().status, 200);
        // The default listener is there beside them, and knows the same token.
        assert_eq!(service.app.get("sys/mounts").status, 200);
    }
    assert!(service.connect_to(modern, &speaking(&TLS12)).is_err());
}

#[test]
fn http_2_is_not_offered() {
    let (service, _) = public();
    let asks = |protocols| Client {
        protocols,
        ..Client::default()
    };
    let wire = service.connect(&asks(&["h2", "http/1.1"])).unwrap();
    assert_eq!(wire.stream().conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert!(service.connect(&asks(&["h2"])).is_err());
}

#[test]
fn a_new_certificate_is_for_new_connections_and_open_ones_go_on() {
    let (service, old) = public();
    let mut open = service.connect(&Client::default()).unwrap();
    assert_eq!(service.health().send_over(&mut open).unwrap().status, 200);
    assert_eq!(shown(&open), old.certificate());
    let new = service.authority.issue();
    new.write_to(service.home.path());
    service.app.signal(Signal::HUP);
    eventually("the new certificate", || {
        (service.shown() == new.certificate()).then_some(())
    });
    assert_eq!(service.health().send_over(&mut open).unwrap().status, 200);
    assert!(service.app.stop().contains("SIGHUP"));
}

#[test]
fn files_that_change_are_loaded_without_being_asked_even_behind_links() {
    let authority = Authority::new("servers");
    let home = Home::new();
    // As Kubernetes lays a Secret out.
    let (first, second) = (authority.issue(), authority.issue());
    for (version, identity) in [("..first", &first), ("..second", &second)] {
        fs::create_dir(home.path().join(version)).unwrap();
        identity.write_to(&home.path().join(version));
    }
    symlink("..first", home.path().join("..data")).unwrap();
    for file in ["cert", "key"] {
        symlink(format!("..data/{file}"), home.path().join(file)).unwrap();
    }
    let service = Encrypted::start_in(home, authority, PUBLIC);
    assert_eq!(service.shown(), first.certificate());
    symlink("..second", service.path("..data_tmp")).unwrap();
    fs::rename(service.path("..data_tmp"), service.path("..data")).unwrap();
    eventually("the second certificate", || {
        (service.shown() == second.certificate()).then_some(())
    });
}

#[test]
fn files_that_cannot_be_used_leave_the_last_good_ones_in_force() {
    let (service, old) = public();
    let complaints = |reason: &str| {
        eventually(reason, || service.app.log().contains(reason).then_some(()));
        assert_eq!(service.shown(), old.certificate(), "{reason}");
    };
    fs::write(service.path("cert"), "no certificate\n").unwrap();
    complaints("holds no certificate in PEM");
    let new = service.authority.issue();
    fs::write(service.path("cert"), &new.certificate).unwrap();
    complaints("does not belong to the certificate");
    fs::set_permissions(service.path("key"), Permissions::from_mode(0o644)).unwrap();
    complaints("has mode 0644");
    fs::remove_file(service.path("key")).unwrap();
    complaints("cannot be read");
    let metrics = service.app.metrics();
    assert!(
        metrics.contains("sealring_tls_loads_total{listener=\"public\",outcome=\"failed\"} 4\n"),
        "{metrics}"
    );
    assert!(metrics.contains("sealring_tls_certificate_not_after_seconds{listener=\"public\"} "));
    new.write_key(&service.path("key"));
    eventually("the new certificate", || {
        (service.shown() == new.certificate()).then_some(())
    });
    assert!(!service.app.log().contains("PRIVATE KEY"));
}

#[test]
fn without_files_that_can_be_used_it_does_not_start() {
    let authority = Authority::new("servers");
    let home = Home::new();
    let config = configuration(&home, PUBLIC);
    config.init();
    let complains = |reason: &str| {
        let (status, sentence) = refused(&mut config.command(&["server"]));
        assert_eq!(status, 78);
        assert!(sentence.contains("listener public: "), "{sentence}");
        assert!(sentence.contains(reason), "{sentence}");
    };
    complains("cert: cannot be read");
    authority.issue().write_to(home.path());
    fs::set_permissions(home.path().join("key"), Permissions::from_mode(0o640)).unwrap();
    complains("key: has mode 0640");
    authority.issue().write_key(&home.path().join("key"));
    complains("key: does not belong to the certificate");
    fs::write(home.path().join("key"), "-----BEGIN").unwrap();
    complains("key: holds no private key");
}

#[test]
fn those_who_begin_no_handshake_are_let_go_and_hold_nobody_up() {
    let (service, _) = public();
    let connect = || {
        let stream = TcpStream::connect(&service.addresses[0]).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_mins(1)))
            .unwrap();
        stream
    };
    let mut silent: Vec<TcpStream> = (0..300).map(|_| connect()).collect();
    assert_eq!(service.ask(&Client::default()).unwrap().status, 200);
    assert_eq!(service.app.get("sys/mounts").status, 200);
    // An end, or a reset; not the timeout.
    let end = silent[0].read(&mut [0; 64]);
    assert!(matches!(end, Ok(0)) || end.is_err_and(|error| error.raw_os_error() == Some(104)));
}
