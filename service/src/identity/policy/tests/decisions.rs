//! Which rule decides, and what it decides.

use std::time::Duration;

use serde_json::json;

use super::super::{Asked, Capability, CompiledAcl, NoParameters, Policy};
use super::policy;

const fn asked(path: &str) -> Asked<'_> {
    Asked {
        path,
        parameters: &NoParameters,
        wrap_ttl: None,
    }
}

fn acl(texts: &[&str]) -> CompiledAcl {
    let policies: Vec<_> = texts.iter().map(|text| policy(text)).collect();
    CompiledAcl::compile(&policies)
}

/// Rules that grant sudo and one capability each, so that it shows which one was found.
fn acl_of(paths: &[(&str, &str)]) -> CompiledAcl {
    let rule = |(path, word): &(&str, &str)| {
        format!("path \"{path}\" {{ capabilities = [\"{word}\"] }}\n")
    };
    acl(&[&paths.iter().map(rule).collect::<String>()])
}

#[test]
fn the_most_specific_rule_decides_alone() {
    let acl = acl_of(&[
        ("*", "sudo"),
        ("a/*", "read"),
        ("a/b*", "create"),
        ("a/b/c", "update"),
        ("a/+/c", "delete"),
        ("a/+/c*", "list"),
        ("a/+/+", "patch"),
        ("+/x", "scan"),
    ]);
    for (path, expected) in [
        ("q", "sudo"),
        ("a", "sudo"),
        ("a/z", "read"),
        ("a/b", "create"),
        ("a/b/c", "update"),
        ("a/bb/c", "create"),
        ("a/z/c", "delete"),
        ("a/z/cc", "patch"),
        ("a/z/cc/d", "read"),
        ("b/z/cc/d", "sudo"),
        ("a/z/d", "patch"),
        ("a/z/d/e", "read"),
        ("b/x", "scan"),
        ("a/x", "read"),
        ("b/x/y", "sudo"),
        ("", "sudo"),
    ] {
        assert_eq!(acl.capabilities(path), [expected], "{path}");
    }
    assert_eq!(acl_of(&[("a", "read")]).capabilities("b"), ["deny"]);
}

#[test]
fn a_list_is_asked_with_a_slash_and_without() {
    let list = |paths: &[(&str, &str)]| {
        acl_of(paths)
            .decide(Capability::List, &asked("a/keys"))
            .allowed
    };
    assert!(list(&[("a/keys", "list")]));
    assert!(list(&[("a/keys/", "list")]));
    assert!(list(&[("a/keys/*", "list")]));
    assert!(list(&[("a/+", "list")]));
    assert!(list(&[("a/+/", "list")]));
    // A rule that is more specific denies, whichever form it is for.
    assert!(!list(&[("a/*", "list"), ("a/keys", "deny")]));
    assert!(!list(&[("a/*", "list"), ("a/keys/", "deny")]));
    assert!(!list(&[("a/keys", "list"), ("a/keys/", "deny")]));
    assert!(!list(&[("a/*", "list"), ("a/keys/*", "deny")]));
    let acl = acl_of(&[("a/keys/", "read")]);
    assert!(!acl.decide(Capability::Read, &asked("a/keys")).allowed);
}

#[test]
fn policies_for_one_path_add_up_and_a_deny_wins() {
    let read = "path \"a/*\" { capabilities = [\"read\"] }";
    let write = "path \"/a/*\" { capabilities = [\"update\", \"sudo\"] }";
    let deny = "path \"a/*\" { capabilities = [\"deny\"] }";
    assert_eq!(
        acl(&[read, write]).capabilities("a/b"),
        ["read", "sudo", "update"]
    );
    for texts in [[deny, read], [read, deny]] {
        assert_eq!(acl(&texts).capabilities("a/b"), ["deny"]);
        let decision = acl(&texts).decide(Capability::Read, &asked("a/b"));
        assert!(!decision.allowed && !decision.sudo && !decision.root);
    }
    // A deny elsewhere does not reach a more specific rule.
    let exact = "path \"a/b\" { capabilities = [\"read\"] }";
    assert_eq!(acl(&[deny, exact]).capabilities("a/b"), ["read"]);
}

#[test]
fn create_and_update_are_told_apart_for_whoever_needs_it() {
    let acl = acl_of(&[("t/encrypt/a", "create"), ("t/encrypt/b", "update")]);
    let both = "path \"t/encrypt/*\" { capabilities = [\"create\", \"update\"] }";
    for (acl, path, create, update) in [
        (&acl, "t/encrypt/a", true, false),
        (&acl, "t/encrypt/b", false, true),
        (&acl, "t/encrypt/c", false, false),
        (&self::acl(&[both]), "t/encrypt/c", true, true),
        (&CompiledAcl::root(), "t/encrypt/c", true, true),
    ] {
        let writes = acl.decide_write(&asked(path));
        assert_eq!(
            (writes.create.allowed, writes.update.allowed),
            (create, update)
        );
        assert_eq!(writes.agree(), create == update);
        assert_eq!(writes.create, acl.decide(Capability::Create, &asked(path)));
        assert_eq!(writes.update, acl.decide(Capability::Update, &asked(path)));
    }
}

#[test]
fn root_may_do_everything_alone_and_nothing_beside_others() {
    let root = CompiledAcl::compile([&Policy::root()]);
    assert!(root.is_root());
    let decision = root.decide(Capability::Sudo, &asked("sys/anything"));
    assert!(decision.allowed && decision.sudo && decision.root);
    assert_eq!(root.capabilities("x"), ["root"]);
    let beside = CompiledAcl::compile([&Policy::root(), &Policy::default_policy()]);
    assert!(!beside.is_root());
    assert_eq!(beside.capabilities("x"), ["deny"]);
    assert_eq!(beside.capabilities("auth/token/lookup-self"), ["read"]);
}

#[test]
fn parameters_are_only_asked_for_where_a_rule_restricts_them() {
    struct Untouchable;
    impl super::super::Parameters for Untouchable {
        fn all(&self, _: &mut dyn FnMut(&str, super::super::Given<'_>) -> bool) -> bool {
            panic!("nobody needs these")
        }
    }
    let acl = acl(&[r#"{"path":{
        "a": {"capabilities": ["update"]},
        "b": {"capabilities": ["update"], "max_wrapping_ttl": 60},
        "c": {"capabilities": ["delete"], "required_parameters": ["x"]},
        "d": {"capabilities": ["update"], "allowed_parameters": {}}}}"#]);
    for (path, capability) in [
        ("a", Capability::Update),
        ("b", Capability::Update),
        ("c", Capability::Delete),
        ("c", Capability::Update),
        ("d", Capability::Update),
    ] {
        let asked = Asked {
            path,
            parameters: &Untouchable,
            wrap_ttl: Some(Duration::from_mins(1)),
        };
        let expected = (path, capability) != ("c", Capability::Update);
        assert_eq!(acl.decide(capability, &asked).allowed, expected, "{path}");
    }
}

#[test]
fn an_application_that_may_create_small_rings_only() {
    let acl = acl(&["path \"transit/keys/+\" {
        capabilities = [\"update\"]
        allowed_parameters = { type = [\"aes256-gcm*\"], \"auto_rotate_period\" = [] }
        denied_parameters = { exportable = [] }
        required_parameters = [\"type\"]
    }"]);
    for (body, expected) in [
        (json!({"type": "aes256-gcm96"}), true),
        (
            json!({"type": "aes256-gcm-siv", "auto_rotate_period": 3600}),
            true,
        ),
        (json!({"type": "rsa-4096"}), false),
        (json!({"auto_rotate_period": 3600}), false),
        (json!({"type": "aes256-gcm96", "exportable": true}), false),
        (json!({"type": "aes256-gcm96", "derived": true}), false),
        (json!({}), false),
    ] {
        let asked = Asked {
            path: "transit/keys/orders",
            parameters: body.as_object().unwrap(),
            wrap_ttl: None,
        };
        assert_eq!(
            acl.decide(Capability::Update, &asked).allowed,
            expected,
            "{body}"
        );
    }
}

#[test]
fn many_heads_within_each_other_are_all_found() {
    let nested: Vec<String> = (0..300).map(|length| "x".repeat(length) + "*").collect();
    let rule = |path: &String| format!("path \"{path}\" {{ capabilities = [\"read\"] }}\n");
    let text: String = nested.iter().map(rule).collect();
    let acl = acl(&[&text, "path \"xxy\" { capabilities = [\"list\"] }"]);
    assert_eq!(acl.capabilities(&"x".repeat(1000)), ["read"]);
    assert_eq!(acl.capabilities("xxz"), ["read"]);
    assert_eq!(acl.capabilities("xxy"), ["list"]);
    assert_eq!(acl.capabilities(""), ["read"]);
    assert!(acl.bytes() > 300 * 100);
}
