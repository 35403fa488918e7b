//! Which chains log in to which roles, at which time.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType, date_time_ymd,
};
use rustls_pki_types::CertificateDer;

use super::*;

/// 2026-01-01, from when on all certificates here are valid.
const BEGIN: i64 = 1_767_225_600;
/// 2027-01-01.
const END: i64 = 1_798_761_600;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    params
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = params();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn authority(name: &str) -> Authority {
    Authority::self_signed(authority_params(name), KeyPair::generate().unwrap()).unwrap()
}

fn client_params() -> CertificateParams {
    let mut params = params();
    params.distinguished_name.push(DnType::CommonName, "app-1");
    params
        .distinguished_name
        .push(DnType::OrganizationalUnitName, "payments");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    params.subject_alt_names = vec![
        SanType::DnsName("app.example.com".try_into().unwrap()),
        SanType::Rfc822Name("app@example.com".try_into().unwrap()),
        SanType::URI("spiffe://example.com/app".try_into().unwrap()),
    ];
    let text = [&[0x0c, 3][..], b"eu1"].concat();
    let extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], text);
    params.custom_extensions.push(extension);
    params
}

fn signed(params: &CertificateParams, by: &Authority) -> CertificateDer<'static> {
    let key = KeyPair::generate().unwrap();
    params.signed_by(&key, by).unwrap().der().clone()
}

fn shown(chain: &[CertificateDer<'static>]) -> ClientCertificates {
    ClientCertificates::new(chain).unwrap()
}

fn trusting(pem: String) -> Role {
    Role {
        certificate: pem,
        ..Role::default()
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

const UNTRUSTED: Result<Presented, CertFault> = Err(CertFault::Chain(ChainFault::Untrusted));
const TIME: Result<Presented, CertFault> = Err(CertFault::Chain(ChainFault::Time));

#[test]
fn a_certificate_of_the_authority_logs_in_and_others_do_not() {
    let (ours, theirs) = (authority("a"), authority("a"));
    let role = trusting(ours.pem());
    assert_eq!(role.check(), Ok(()));
    let client = signed(&client_params(), &ours);
    let presented = role
        .admit(&shown(std::slice::from_ref(&client)), at(BEGIN))
        .unwrap();
    assert_eq!(presented.common_name, "app-1");
    let metadata = role.metadata("r", &presented);
    assert_eq!(metadata["cert_name"], "r");
    assert_eq!(metadata["common_name"], "app-1");
    assert!(
        metadata["serial_number"]
            .bytes()
            .all(|byte| byte.is_ascii_digit())
    );
    assert_eq!(metadata["authority_key_id"].len(), 59);
    assert_eq!(metadata.len(), 5);
    // Of the same name, by another key.
    let forged = signed(&client_params(), &theirs);
    assert_eq!(
        role.admit(&shown(std::slice::from_ref(&forged)), at(BEGIN)),
        UNTRUSTED
    );
    let beside = shown(&[forged, client, ours.der().clone()]);
    assert_eq!(role.admit(&beside, at(BEGIN)), UNTRUSTED);
    let garbage = shown(&[CertificateDer::from(vec![0x30, 0])]);
    assert_eq!(role.admit(&garbage, at(BEGIN)), UNTRUSTED);
}

#[test]
fn intermediates_are_shown_by_the_client_and_must_be_authorities() {
    let root = authority("root");
    let between = Authority::signed_by(
        authority_params("between"),
        KeyPair::generate().unwrap(),
        &root,
    )
    .unwrap();
    let role = trusting(root.pem());
    let client = signed(&client_params(), &between);
    let whole = shown(&[client.clone(), between.der().clone()]);
    assert!(role.admit(&whole, at(BEGIN)).is_ok());
    assert_eq!(role.admit(&shown(&[client]), at(BEGIN)), UNTRUSTED);
    // A client's own certificate signs nobody.
    let client =
        Authority::signed_by(client_params(), KeyPair::generate().unwrap(), &root).unwrap();
    let below = signed(&client_params(), &client);
    let chain = shown(&[below, client.der().clone()]);
    assert_eq!(role.admit(&chain, at(BEGIN)), UNTRUSTED);
}

#[test]
fn certificates_are_valid_from_their_first_to_their_last_second() {
    let ours = authority("a");
    let client = shown(&[signed(&client_params(), &ours)]);
    let role = trusting(ours.pem());
    assert_eq!(role.admit(&client, at(-1)), UNTRUSTED);
    assert!(role.admit(&client, at(BEGIN)).is_ok());
    assert!(role.admit(&client, at(END)).is_ok());
    let mut long = client_params();
    long.not_before = date_time_ymd(2020, 1, 1);
    long.not_after = date_time_ymd(2040, 1, 1);
    let long = shown(&[signed(&long, &ours)]);
    assert!(role.admit(&long, at(END)).is_ok());
    // The authority itself is over, or has not begun.
    for outside in [BEGIN - 1, END + 1] {
        assert_eq!(role.admit(&long, at(outside)), UNTRUSTED);
    }
    let mut lasting = authority_params("a");
    lasting.not_before = date_time_ymd(2020, 1, 1);
    lasting.not_after = date_time_ymd(2040, 1, 1);
    let lasting = Authority::self_signed(lasting, KeyPair::generate().unwrap()).unwrap();
    let client = shown(&[signed(&client_params(), &lasting)]);
    let role = trusting(lasting.pem());
    for outside in [BEGIN - 1, END + 1] {
        assert_eq!(role.admit(&client, at(outside)), TIME);
    }
}

#[test]
fn a_server_certificate_is_no_client_certificate() {
    let ours = authority("a");
    let mut server = client_params();
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let role = trusting(ours.pem());
    let shown_server = shown(&[signed(&server, &ours)]);
    assert_eq!(role.admit(&shown_server, at(BEGIN)), UNTRUSTED);
    let pinned = server.self_signed(&KeyPair::generate().unwrap()).unwrap();
    let fault = trusting(pinned.pem()).check();
    assert_eq!(fault, Err(RoleFault::Trust(TrustFault::NotForClients)));
}

#[test]
fn a_certificate_trusted_itself_must_be_the_same_to_the_byte() {
    let (key, ours) = (KeyPair::generate().unwrap(), authority("a"));
    let pinned = client_params().self_signed(&key).unwrap();
    let role = trusting(pinned.pem());
    assert_eq!(role.check(), Ok(()));
    let same = shown(&[pinned.der().clone()]);
    assert!(role.admit(&same, at(BEGIN)).is_ok());
    assert!(role.admit(&same, at(END)).is_ok());
    assert_eq!(role.admit(&same, at(BEGIN - 1)), TIME);
    assert_eq!(role.admit(&same, at(END + 1)), TIME);
    // The same key and names, and another certificate.
    let mut again = client_params();
    again.serial_number = Some(7_u64.into());
    let again = again.self_signed(&key).unwrap();
    assert_eq!(
        role.admit(&shown(&[again.der().clone()]), at(BEGIN)),
        UNTRUSTED
    );
    let below = shown(&[signed(&client_params(), &ours), pinned.der().clone()]);
    assert_eq!(role.admit(&below, at(BEGIN)), UNTRUSTED);
    let named = Role {
        allowed_common_names: vec!["other".to_owned()],
        ..role
    };
    assert_eq!(named.admit(&same, at(BEGIN)), Err(CertFault::Names));
}

/// A list of globs, one that matches and one that does not.
type Case = (
    fn(&mut Role) -> &mut Vec<String>,
    &'static str,
    &'static str,
);

#[test]
fn every_list_of_globs_must_have_one_that_matches() {
    let ours = authority("a");
    let client = shown(&[signed(&client_params(), &ours)]);
    let check = |field: fn(&mut Role) -> &mut Vec<String>, globs: &[&str]| {
        let mut role = trusting(ours.pem());
        *field(&mut role) = globs.iter().map(|glob| (*glob).to_owned()).collect();
        role.admit(&client, at(BEGIN)).map(|_| ())
    };
    let cases: [Case; 7] = [
        (|role| &mut role.allowed_common_names, "app-*", "app"),
        (|role| &mut role.allowed_dns_sans, "*.example.com", "app-1"),
        (
            |role| &mut role.allowed_email_sans,
            "*@example.com",
            "app.example.com",
        ),
        (
            |role| &mut role.allowed_uri_sans,
            "spiffe://example.com/*",
            "*@example.com",
        ),
        (
            |role| &mut role.allowed_organizational_units,
            "pay*",
            "app-1",
        ),
        (
            |role| &mut role.allowed_names,
            "app@example.com",
            "spiffe://example.com/app",
        ),
        (
            |role| &mut role.required_extensions,
            "1.3.6.1.4.1.99999.1:eu*",
            "1.3.6.1.4.1.99999.1:us*",
        ),
    ];
    for (field, fine, wrong) in cases {
        assert_eq!(check(field, &[fine]), Ok(()), "{fine}");
        assert_eq!(check(field, &[wrong]), Err(CertFault::Names), "{wrong}");
    }
    let names: Case = cases[0];
    assert_eq!(
        check(names.0, &["x", "app-1"]),
        Ok(()),
        "one of several is enough"
    );
    let extensions = cases[6].0;
    let both = ["1.3.6.1.4.1.99999.1:*", "1.3.6.1.4.1.99999.2:*"];
    assert_eq!(
        check(extensions, &both),
        Err(CertFault::Names),
        "all are needed"
    );
}

#[test]
fn names_with_control_characters_are_no_names() {
    let ours = authority("a");
    let mut odd = client_params();
    odd.distinguished_name
        .push(DnType::CommonName, "app-1\u{0}.evil");
    let odd = shown(&[signed(&odd, &ours)]);
    let role = Role {
        allowed_common_names: vec!["app-1*".to_owned()],
        ..trusting(ours.pem())
    };
    assert_eq!(role.admit(&odd, at(BEGIN)), Err(CertFault::Names));
}

#[test]
fn named_extensions_become_metadata() {
    let ours = authority("a");
    let client = shown(&[signed(&client_params(), &ours)]);
    let role = Role {
        allowed_metadata_extensions: vec!["1.3.6.1.4.1.99999.1".to_owned()],
        ..trusting(ours.pem())
    };
    let presented = role.admit(&client, at(BEGIN)).unwrap();
    let metadata = role.metadata("r", &presented);
    assert_eq!(metadata["1-3-6-1-4-1-99999-1"], "eu1");
}

#[test]
fn what_cannot_be_trusted_is_refused_when_it_is_written() {
    for pem in [
        "",
        "x",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        let fault = trusting(pem.to_owned()).check();
        assert_eq!(
            fault,
            Err(RoleFault::Trust(TrustFault::Unreadable)),
            "{pem}"
        );
    }
    let ours = authority("a").pem();
    let many = ours.repeat(Trusted::MAX + 1);
    assert_eq!(
        trusting(many).check(),
        Err(RoleFault::Trust(TrustFault::TooMany))
    );
    let odd = Role {
        required_extensions: vec!["1.2.3".to_owned()],
        ..trusting(ours)
    };
    assert_eq!(odd.check(), Err(RoleFault::Extensions));
}

#[test]
fn several_authorities_may_be_trusted_and_only_authorities() {
    let (first, second) = (authority("a"), authority("b"));
    let stray = client_params()
        .self_signed(&KeyPair::generate().unwrap())
        .unwrap();
    let role = trusting([first.pem(), second.pem(), stray.pem()].concat());
    for by in [&first, &second] {
        let client = shown(&[signed(&client_params(), by)]);
        assert!(role.admit(&client, at(BEGIN)).is_ok());
    }
    let pinned = shown(&[stray.der().clone()]);
    assert_eq!(role.admit(&pinned, at(BEGIN)), UNTRUSTED);
}

#[test]
fn from_a_forbidden_address_a_good_certificate_is_refused_like_a_strange_one() {
    let (ours, theirs) = (authority("a"), authority("a"));
    let mut value = trusting(ours.pem());
    value.token.bound_cidrs = vec![crate::identity::cidr::Cidr::parse("192.0.2.0/24").unwrap()];
    let roles = [std::sync::Arc::new(crate::identity::entries::Entry {
        name: "web".to_owned(),
        generation: keyring::version::Generation::FIRST,
        value,
    })];
    let mut named = client_params();
    named.distinguished_name.push(DnType::CommonName, "other");
    let tried = |certificate: CertificateDer<'static>, from: &str| {
        let from = Some(from.parse().unwrap());
        super::super::first(&roles, &shown(&[certificate]), from, at(BEGIN))
    };
    for (params, by) in [
        (client_params(), &ours),
        (named, &ours),
        (client_params(), &theirs),
    ] {
        let refused = tried(signed(&params, by), "198.51.100.7").unwrap_err();
        let told = refused.to_string();
        assert_eq!(told, CertFault::from(ChainFault::Untrusted).to_string());
    }
    let login = tried(signed(&client_params(), &ours), "192.0.2.7").unwrap();
    assert_eq!(
        (login.role.as_str(), login.name.as_str()),
        ("web", "web/app-1")
    );
}

#[test]
fn a_role_calls_nobody_by_characters_that_do_not_show() {
    let role = Role {
        display_name: "web\n".to_owned(),
        ..trusting(authority("a").pem())
    };
    assert_eq!(role.check(), Err(RoleFault::DisplayName));
}

#[test]
fn an_authority_with_an_extension_nobody_knows_vouches_and_a_client_with_one_does_not() {
    let oid = [1, 3, 6, 1, 4, 1, 99999, 7];
    let mut extension = CustomExtension::from_oid_content(&oid, vec![5, 0]);
    extension.set_criticality(true);
    let mut params = authority_params("odd");
    params.custom_extensions.push(extension.clone());
    let odd = Authority::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let role = trusting(odd.pem());
    assert_eq!(role.check(), Ok(()));
    let client = signed(&client_params(), &odd);
    assert!(role.admit(&shown(&[client]), at(BEGIN)).is_ok());
    let mut params = client_params();
    params.custom_extensions.push(extension);
    let client = signed(&params, &odd);
    assert_eq!(role.admit(&shown(&[client]), at(BEGIN)), UNTRUSTED);
}

#[test]
fn an_authority_that_is_shown_itself_logs_in_while_it_is_valid() {
    let own = authority("itself");
    let role = trusting(own.pem());
    let itself = [own.der().clone()];
    assert!(role.admit(&shown(&itself), at(BEGIN)).is_ok());
    assert_eq!(role.admit(&shown(&itself), at(END + 1)), TIME);
    let other = [authority("itself").der().clone()];
    assert_eq!(role.admit(&shown(&other), at(BEGIN)), UNTRUSTED);
}
