//! The route table walked, and odd paths thrown at it.

use actix_web::http::Method;
use keyring::clock::Timestamp;
use keyring::entropy::SystemEntropy;
use keyring::ids::MountId;
use keyring::mount::MountSettings;
use proptest::prelude::*;

use super::*;
use crate::http::path;
use crate::identity::auth_mounts::mount::AuthMountConfig;

fn mounts() -> Vec<Mount> {
    ["team/payments", "transit", "v1"]
        .iter()
        .zip(1..)
        .map(|(path, number)| Mount {
            id: MountId::from_bytes([number; 16]),
            path: MountPath::parse(path).unwrap(),
            created_at: Timestamp::from_micros(0),
            settings: MountSettings::default(),
        })
        .collect()
}

fn methods() -> Vec<Arc<AuthMount>> {
    let path = MountPath::parse("team/machines").unwrap();
    let config = AuthMountConfig::default();
    let mount = AuthMount::generate(path, MethodKind::AppRole, config, &SystemEntropy);
    vec![Arc::new(mount.unwrap())]
}

fn mounted() -> Mounted {
    Mounted {
        mounts: Arc::new(mounts()),
        methods: Arc::new(methods()),
    }
}

fn find(verb: Verb, raw: &str) -> Result<Route, RouteFault> {
    let decoded = path::decode(raw).unwrap();
    let path = ApiPath::parse(&decoded).unwrap();
    Route::find(verb, &path, &mounted())
}

fn operation(verb: Verb, raw: &str) -> Result<Operation, RouteFault> {
    find(verb, raw).map(|route| route.operation)
}

fn method(name: &str) -> Method {
    Method::from_bytes(name.as_bytes()).unwrap()
}

/// One request for each row of the table.
const ROWS: &[(Verb, &str, Operation)] = &[
    (Verb::Read, "/v1/sys/audit", Operation::AuditDevices),
    (
        Verb::Write,
        "/v1/sys/audit/file",
        Operation::AuditDeviceChange,
    ),
    (Verb::Write, "/v1/sys/audit-hash/file", Operation::AuditHash),
    (
        Verb::Read,
        "/v1/sys/quotas/config",
        Operation::QuotaConfigRead,
    ),
    (
        Verb::Write,
        "/v1/sys/quotas/config",
        Operation::QuotaConfigWrite,
    ),
    (
        Verb::List,
        "/v1/sys/quotas/rate-limit",
        Operation::QuotaList,
    ),
    (
        Verb::Read,
        "/v1/sys/quotas/rate-limit/q",
        Operation::QuotaRead,
    ),
    (
        Verb::Write,
        "/v1/sys/quotas/rate-limit/q",
        Operation::QuotaWrite,
    ),
    (
        Verb::Delete,
        "/v1/sys/quotas/rate-limit/q",
        Operation::QuotaDelete,
    ),
    (Verb::Write, "/v1/sys/seal", Operation::Seal),
    (Verb::Write, "/v1/sys/unseal", Operation::Unseal),
    (Verb::Write, "/v1/transit/encrypt/k", Operation::Encrypt),
    (Verb::Write, "/v1/transit/decrypt/k", Operation::Decrypt),
    (Verb::Write, "/v1/transit/rewrap/k", Operation::Rewrap),
    (
        Verb::Write,
        "/v1/transit/datakey/plaintext/k",
        Operation::DataKeyPlaintext,
    ),
    (
        Verb::Write,
        "/v1/transit/datakey/wrapped/k",
        Operation::DataKeyWrapped,
    ),
    (Verb::Write, "/v1/transit/hash", Operation::Hash),
    (Verb::Write, "/v1/sys/tools/hash/sha2-256", Operation::Hash),
    (Verb::Write, "/v1/transit/random", Operation::Random),
    (
        Verb::Write,
        "/v1/sys/tools/random/platform/32",
        Operation::Random,
    ),
    (
        Verb::Read,
        "/v1/transit/cache-config",
        Operation::CacheConfigRead,
    ),
    (
        Verb::Write,
        "/v1/transit/cache-config",
        Operation::CacheConfigWrite,
    ),
    (
        Verb::Read,
        "/v1/transit/config/keys",
        Operation::KeysConfigRead,
    ),
    (
        Verb::Write,
        "/v1/transit/config/keys",
        Operation::KeysConfigWrite,
    ),
    (
        Verb::Write,
        "/v1/sys/plugins/reload/backend",
        Operation::PluginReload,
    ),
    (Verb::List, "/v1/transit/keys", Operation::KeyList),
    (Verb::List, "/v1/transit/keys/", Operation::KeyList),
    (Verb::Read, "/v1/transit/keys/k", Operation::KeyRead),
    (Verb::Write, "/v1/transit/keys/k", Operation::KeyCreate),
    (Verb::Delete, "/v1/transit/keys/k", Operation::KeyDelete),
    (
        Verb::Write,
        "/v1/transit/keys/k/config",
        Operation::KeyConfigure,
    ),
    (
        Verb::Write,
        "/v1/transit/keys/k/rotate",
        Operation::KeyRotate,
    ),
    (Verb::Write, "/v1/transit/keys/k/trim", Operation::KeyTrim),
    (
        Verb::Read,
        "/v1/transit/keys/k/history",
        Operation::KeyHistory,
    ),
    (Verb::Write, "/v1/transit/sign/k", Operation::Sign),
    (Verb::Write, "/v1/transit/sign/k/sha2-512", Operation::Sign),
    (Verb::Write, "/v1/transit/verify/k", Operation::Verify),
    (Verb::Write, "/v1/transit/hmac/k/sha2-256", Operation::Hmac),
    (
        Verb::Read,
        "/v1/transit/export/public-key/k",
        Operation::Export,
    ),
    (
        Verb::Read,
        "/v1/transit/export/hmac-key/k/latest",
        Operation::Export,
    ),
    (
        Verb::Read,
        "/v1/transit/byok-export/d/k/1",
        Operation::ByokExport,
    ),
    (Verb::Read, "/v1/transit/backup/k", Operation::Backup),
    (Verb::Write, "/v1/transit/restore", Operation::Restore),
    (Verb::Write, "/v1/transit/restore/k", Operation::Restore),
    (
        Verb::Read,
        "/v1/transit/wrapping_key",
        Operation::WrappingKey,
    ),
    (
        Verb::Write,
        "/v1/transit/derive-key/k",
        Operation::DeriveKey,
    ),
    (Verb::Write, "/v1/transit/keys/k/import", Operation::Import),
    (
        Verb::Write,
        "/v1/transit/keys/k/import_version",
        Operation::ImportVersion,
    ),
    (
        Verb::Write,
        "/v1/transit/keys/k/csr",
        Operation::CertificateRequest,
    ),
    (
        Verb::Write,
        "/v1/transit/keys/k/set-certificate",
        Operation::CertificateSet,
    ),
    (
        Verb::Delete,
        "/v1/transit/keys/k/soft-delete",
        Operation::KeySoftDelete,
    ),
    (
        Verb::Write,
        "/v1/transit/keys/k/soft-delete-restore",
        Operation::KeySoftRestore,
    ),
    (Verb::Read, "/v1/sys/health", Operation::Health),
    (Verb::Read, "/v1/sys/seal-status", Operation::SealStatus),
    (Verb::Read, "/v1/sys/leader", Operation::Leader),
    (Verb::Read, "/v1/sys/init", Operation::InitStatus),
    (Verb::Write, "/v1/sys/init", Operation::Initialise),
    (Verb::Read, "/v1/sys/limits", Operation::Limits),
    (Verb::Read, "/v1/sys/metrics", Operation::Metrics),
    (
        Verb::Write,
        "/v1/sys/capabilities-self",
        Operation::Capabilities,
    ),
    (
        Verb::Read,
        "/v1/sys/internal/ui/mounts",
        Operation::MountsVisible,
    ),
    (
        Verb::Read,
        "/v1/sys/internal/ui/mounts/a/b",
        Operation::MountOfPath,
    ),
    (Verb::Read, "/v1/sys/mounts", Operation::MountList),
    (
        Verb::Read,
        "/v1/sys/mounts/auth/a/b",
        Operation::AuthMountRead,
    ),
    (
        Verb::Write,
        "/v1/sys/mounts/auth/a",
        Operation::AuthMountEnable,
    ),
    (
        Verb::Delete,
        "/v1/sys/mounts/auth/a",
        Operation::AuthMountDisable,
    ),
    (
        Verb::Read,
        "/v1/sys/mounts/auth/a/b/tune",
        Operation::AuthMountTuneRead,
    ),
    (
        Verb::Write,
        "/v1/sys/mounts/auth/a/tune",
        Operation::AuthMountTune,
    ),
    (Verb::Read, "/v1/sys/mounts/a/b", Operation::MountRead),
    (Verb::Write, "/v1/sys/mounts/a/b", Operation::MountEnable),
    (Verb::Delete, "/v1/sys/mounts/a/b/", Operation::MountDisable),
    (
        Verb::Read,
        "/v1/sys/mounts/a/b/tune",
        Operation::MountTuneRead,
    ),
    (Verb::Write, "/v1/sys/mounts/a/b/tune", Operation::MountTune),
    (Verb::Read, "/v1/sys/auth", Operation::AuthMountList),
    (Verb::Read, "/v1/sys/auth/a/b", Operation::AuthMountRead),
    (Verb::Write, "/v1/sys/auth/a/b", Operation::AuthMountEnable),
    (
        Verb::Delete,
        "/v1/sys/auth/a/b",
        Operation::AuthMountDisable,
    ),
    (
        Verb::Read,
        "/v1/sys/auth/a/b/tune",
        Operation::AuthMountTuneRead,
    ),
    (
        Verb::Write,
        "/v1/sys/auth/a/b/tune",
        Operation::AuthMountTune,
    ),
    (
        Verb::Write,
        "/v1/auth/team/machines/login",
        Operation::AuthMethod,
    ),
    (Verb::Patch, "/v1/auth/team/machines", Operation::AuthMethod),
    (Verb::Write, "/v1/sys/wrapping/wrap", Operation::Wrap),
    (Verb::Write, "/v1/sys/wrapping/unwrap", Operation::Unwrap),
    (
        Verb::Write,
        "/v1/sys/wrapping/lookup",
        Operation::WrapLookUp,
    ),
    (Verb::Read, "/v1/sys/wrapping/lookup", Operation::WrapLookUp),
    (Verb::Write, "/v1/sys/wrapping/rewrap", Operation::WrapRenew),
    (
        Verb::Read,
        "/v1/auth/token/lookup-self",
        Operation::TokenLookup,
    ),
    (
        Verb::Write,
        "/v1/auth/token/create/r",
        Operation::TokenCreate,
    ),
    (
        Verb::List,
        "/v1/auth/token/accessors/",
        Operation::TokenAccessors,
    ),
    (Verb::Write, "/v1/auth/token/renew", Operation::TokenRenew),
    (
        Verb::Write,
        "/v1/auth/token/revoke-orphan",
        Operation::TokenRevoke,
    ),
    (Verb::Delete, "/v1/auth/token/roles/r", Operation::TokenRole),
    (Verb::Write, "/v1/auth/token/tidy", Operation::TokenTidy),
    (Verb::List, "/v1/sys/policies/acl", Operation::PolicyList),
    (Verb::Read, "/v1/sys/policy", Operation::PolicyList),
    (
        Verb::Read,
        "/v1/sys/policies/acl/a/b",
        Operation::PolicyRead,
    ),
    (Verb::Write, "/v1/sys/policy/a", Operation::PolicyWrite),
    (
        Verb::Delete,
        "/v1/sys/policies/acl/a",
        Operation::PolicyDelete,
    ),
    (Verb::Read, "/v1/transit/backup/k", Operation::Backup),
    (
        Verb::Read,
        "/v1/transit/byok-export/to/k",
        Operation::ByokExport,
    ),
    (
        Verb::Read,
        "/v1/transit/byok-export/to/k/latest",
        Operation::ByokExport,
    ),
    (
        Verb::Write,
        "/v1/transit/keys/k/csr",
        Operation::CertificateRequest,
    ),
    (
        Verb::Write,
        "/v1/transit/keys/k/set-certificate",
        Operation::CertificateSet,
    ),
    (
        Verb::Write,
        "/v1/transit/derive-key/k",
        Operation::DeriveKey,
    ),
    (
        Verb::Read,
        "/v1/transit/export/hmac-key/k",
        Operation::Export,
    ),
    (
        Verb::Read,
        "/v1/transit/export/hmac-key/k/1",
        Operation::Export,
    ),
    (Verb::Write, "/v1/transit/hmac/k", Operation::Hmac),
    (Verb::Write, "/v1/transit/hmac/k/sha2-256", Operation::Hmac),
    (Verb::Write, "/v1/transit/keys/k/import", Operation::Import),
    (
        Verb::Write,
        "/v1/transit/keys/k/import_version",
        Operation::ImportVersion,
    ),
    (
        Verb::Delete,
        "/v1/transit/keys/k/soft-delete",
        Operation::KeySoftDelete,
    ),
    (
        Verb::Write,
        "/v1/transit/keys/k/soft-delete-restore",
        Operation::KeySoftRestore,
    ),
    (Verb::Write, "/v1/transit/restore", Operation::Restore),
    (Verb::Write, "/v1/transit/restore/k", Operation::Restore),
    (Verb::Write, "/v1/transit/sign/k", Operation::Sign),
    (Verb::Write, "/v1/transit/sign/k/sha2-256", Operation::Sign),
    (Verb::Write, "/v1/transit/verify/k", Operation::Verify),
    (
        Verb::Write,
        "/v1/transit/verify/k/sha2-256",
        Operation::Verify,
    ),
    (
        Verb::Read,
        "/v1/transit/wrapping_key",
        Operation::WrappingKey,
    ),
];

#[test]
fn every_row_of_the_table_leads_to_its_operation() {
    for (verb, path, expected) in ROWS.iter().copied() {
        assert_eq!(operation(verb, path), Ok(expected), "{path}");
    }
    for known in Operation::ALL {
        assert!(
            ROWS.iter().any(|(_, _, row)| row == known),
            "{known:?} has no row"
        );
    }
}

#[test]
fn a_key_is_found_on_the_mount_its_path_lies_on() {
    let expected = |number, mount: &str| {
        Target::Key(KeyTarget {
            mount: MountPath::parse(mount).unwrap(),
            address: Address {
                mount: MountId::from_bytes([number; 16]),
                name: KeyName::parse("k").unwrap(),
            },
            rest: Vec::new(),
        })
    };
    for (path, target) in [
        ("/v1/transit/encrypt/k", expected(2, "transit")),
        ("/v1/team/payments/encrypt/k", expected(1, "team/payments")),
        (
            "//v1//team%2Fpayments//encrypt/%6b",
            expected(1, "team/payments"),
        ),
        ("/v1/v1/encrypt/k", expected(3, "v1")),
    ] {
        assert_eq!(
            find(Verb::Write, path).map(|route| route.target),
            Ok(target),
            "{path}"
        );
    }
}

#[test]
fn paths_that_lead_nowhere_say_why() {
    use RouteFault::{
        DataKeyForm, TrailingSlash, UnknownMount, UnsupportedOperation, UnsupportedPath,
    };
    for (verb, path, expected) in [
        (Verb::Write, "/v1/transit/encrypt/k/", TrailingSlash),
        (Verb::Write, "/v1/sys/mounts/x/", TrailingSlash),
        (Verb::Read, "/v1/transit/keys/k/", UnsupportedPath),
        (Verb::Read, "/v1/transit/encrypt/k", UnsupportedOperation),
        (Verb::Patch, "/v1/transit/keys/k", UnsupportedOperation),
        (Verb::Read, "/v1/transit/keys", UnsupportedOperation),
        (Verb::Write, "/v1/transit/encrypt", UnsupportedPath),
        (Verb::Write, "/v1/transit/encrypt/-k", UnsupportedPath),
        (Verb::Write, "/v1/transit/encrypt/k%2Fx", UnsupportedPath),
        (Verb::Write, "/v1/transit/encrypt/k%20", UnsupportedPath),
        (Verb::Write, "/v1/transit/Encrypt/k", UnsupportedPath),
        (Verb::Write, "/v1/transit/datakey/other/k", DataKeyForm),
        (Verb::Read, "/v1/transit", UnsupportedPath),
        (Verb::Read, "/v1/sys/nothing", UnsupportedPath),
        (Verb::Read, "/v1/auth/token/nothing", UnsupportedPath),
        (Verb::Read, "/v1/auth/token", UnsupportedPath),
        (Verb::Read, "/v1/auth/token/create", UnsupportedOperation),
        (Verb::Read, "/v1/auth/token/create/r", UnsupportedOperation),
        (Verb::Write, "/v1/auth/token/create/-r", UnsupportedPath),
        (
            Verb::Patch,
            "/v1/auth/token/lookup-self",
            UnsupportedOperation,
        ),
        (Verb::Read, "/v1/sys/policies/acl", UnsupportedOperation),
        (Verb::Read, "/v1/sys/capabilities", UnsupportedOperation),
        (Verb::Read, "/v1/auth/token/nothing", UnsupportedPath),
        (Verb::Read, "/v1/sys/mounts/tune", UnsupportedPath),
        (Verb::Read, "/v1/sys/mounts/-a", UnsupportedPath),
        (
            Verb::Read,
            "/v1/other/keys",
            UnknownMount(Some("other/keys".to_owned())),
        ),
        (
            Verb::Read,
            "/v1/team/keys",
            UnknownMount(Some("team/keys".to_owned())),
        ),
        (
            Verb::Write,
            "/v1/auth/approle/login",
            UnknownMount(Some("auth/approle/login".to_owned())),
        ),
        (Verb::Read, "/v1/oth%22er", UnknownMount(None)),
        (Verb::Read, "/v1", UnknownMount(None)),
    ] {
        if path == "/v1/sys/mounts/tune" {
            // A mount may be called so.
            assert_eq!(operation(verb, path), Ok(Operation::MountRead));
        } else {
            assert_eq!(find(verb, path), Err(expected), "{path}");
        }
    }
}

#[test]
fn hashes_and_random_bytes_are_asked_for_by_writing_with_what_the_path_leaves_open() {
    use RouteFault::{TrailingSlash, UnsupportedOperation, UnsupportedPath};
    for (verb, path, expected) in [
        (Verb::Read, "/v1/transit/hash", UnsupportedOperation),
        (Verb::Delete, "/v1/sys/tools/random/5", UnsupportedOperation),
        (Verb::Write, "/v1/transit/random/", TrailingSlash),
        (Verb::Write, "/v1/sys/tools", UnsupportedPath),
        (Verb::Write, "/v1/transit/tools/hash", UnsupportedPath),
    ] {
        assert_eq!(find(verb, path), Err(expected), "{path}");
    }
    let Target::Tool(tool) = find(Verb::Write, "/v1/team/payments/hash/a%2Fb//c")
        .unwrap()
        .target
    else {
        panic!("it is a tool");
    };
    assert_eq!(tool.mount, MountPath::parse("team/payments"));
    assert_eq!(tool.rest, ["a", "b", "c"]);
}

#[test]
fn methods_are_verbs() {
    for (name, list, expected) in [
        ("GET", None, Ok(Verb::Read)),
        ("HEAD", None, Ok(Verb::Read)),
        ("GET", Some("True"), Ok(Verb::List)),
        ("GET", Some("0"), Ok(Verb::Read)),
        ("GET", Some(""), Ok(Verb::Read)),
        ("GET", Some("yes"), Err(VerbFault::List)),
        ("LIST", None, Ok(Verb::List)),
        ("POST", Some("yes"), Ok(Verb::Write)),
        ("PUT", None, Ok(Verb::Write)),
        ("DELETE", None, Ok(Verb::Delete)),
        ("PATCH", None, Ok(Verb::Patch)),
        ("OPTIONS", None, Err(VerbFault::Method)),
        ("BREW", None, Err(VerbFault::Method)),
        ("get", None, Err(VerbFault::Method)),
    ] {
        assert_eq!(
            Verb::parse(&method(name), list),
            expected,
            "{name} {list:?}"
        );
    }
}

/// Paths that look like ones of keys, with everything in them that has ever confused a router.
fn odd_path() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => proptest::sample::select(vec![
            "transit", "team", "payments", "keys", "encrypt", "decrypt", "rewrap", "datakey", "plaintext", "config",
            "rotate", "trim", "history", "sys", "mounts", "tune", "k", "orders",
        ]).prop_map(str::to_owned),
        3 => proptest::sample::select(vec![
            "", ".", "..", "%2e", "%2e%2e", "%2f", "..%2f", "%", "%zz", "%00", "k%00", "k\u{e9}", "%c3%a9", "%ff",
            "k.", "-k", "k;v=1", "%252e%252e", "k%20", "+", "k+1", "\\..", "k\\x", "*", "~", "K", "k%2Fencrypt",
        ]).prop_map(str::to_owned),
        2 => "[-._a-zA-Z0-9%/]{0,12}",
        1 => "\\PC{0,6}",
    ];
    proptest::collection::vec(piece, 0..7).prop_map(|pieces| format!("/v1/{}", pieces.join("/")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_odd_path_reaches_a_ring_by_another_name_than_its_own(
        tail in odd_path(),
        head in proptest::sample::select(vec!["", "/v1/transit/keys", "/v1/transit/encrypt"]),
        verb in proptest::sample::select(vec![Verb::Read, Verb::Write, Verb::Delete, Verb::List]),
    ) {
        let raw = if head.is_empty() { tail } else { tail.replacen("/v1", head, 1) };
        let Ok(decoded) = path::decode(&raw) else { return Ok(()) };
        let Ok(parsed) = ApiPath::parse(&decoded) else { return Ok(()) };
        prop_assert!(!decoded.split('/').any(|part| part == ".."));
        let Ok(Route { target: Target::Key(key), operation }) = Route::find(verb, &parsed, &mounted()) else {
            return Ok(());
        };
        let name = key.address.name.as_str();
        let parsed_again = KeyName::parse(name);
        prop_assert_eq!(parsed_again.as_ref(), Some(&key.address.name));
        prop_assert!(parsed.segments.contains(&name), "{} has no segment {}", raw, name);
        let canonical = format!("/v1/{}", parsed.segments.join("/"));
        let again = find(verb, &canonical).unwrap();
        prop_assert_eq!(again.operation, operation);
        prop_assert_eq!(again.target, Target::Key(key));
    }
}

#[test]
fn whatever_changes_a_ring_is_recorded_before_and_after() {
    let changes = |verb, path: &str| {
        let route = find(verb, &format!("/v1/transit/{path}")).unwrap();
        route.changes_something(verb)
    };
    for (verb, path) in [
        (Verb::Delete, "keys/a"),
        (Verb::Delete, "keys/a/soft-delete"),
        (Verb::Read, "backup/a"),
        (Verb::Write, "derive-key/a"),
        (Verb::Write, "keys/a"),
        (Verb::Write, "keys/a/config"),
        (Verb::Write, "keys/a/import"),
        (Verb::Write, "keys/a/import_version"),
        (Verb::Write, "keys/a/rotate"),
        (Verb::Write, "keys/a/set-certificate"),
        (Verb::Write, "keys/a/soft-delete-restore"),
        (Verb::Write, "keys/a/trim"),
        (Verb::Write, "restore"),
        (Verb::Write, "restore/a"),
    ] {
        assert!(changes(verb, path), "{path}");
    }
    for (verb, path) in [
        (Verb::Read, "byok-export/a/b"),
        (Verb::Read, "export/hmac-key/a"),
        (Verb::Read, "keys/a"),
        (Verb::Write, "encrypt/a"),
        (Verb::Write, "hmac/a"),
        (Verb::Write, "keys/a/csr"),
        (Verb::Write, "sign/a"),
        (Verb::Write, "verify/a"),
    ] {
        assert!(!changes(verb, path), "{path}");
    }
}
