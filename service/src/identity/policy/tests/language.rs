//! Texts that are policies, texts that are none, and where they stop being one.

use super::super::{
    Capabilities, Capability, DEFAULT_TEXT, MAX_RULES, MAX_TEXT_LEN, MAX_VALUES, Mistake, Policy,
    PolicyName, text_of,
};
use super::{named, policy};

/// One policy as it is printed in manuals, and as JSON.
const PAIRS: [(&str, &str); 7] = [
    (
        "path \"a/*\" { capabilities = [\"read\", \"list\"] }",
        r#"{"path": {"a/*": {"capabilities": ["read", "list"]}}}"#,
    ),
    (
        "# a comment\nname = \"x\"\n// another\n\"path\" \"a\"\n{\n  /* and\n another */ capabilities = [\"read\",]\n},\n\
         path b { policy = \"write\", comment = \"c\" }",
        r#"{"name": "x", "path": [{"a": {"capabilities": ["read",]}}, {"b": {"policy": "write"}}]}"#,
    ),
    (
        "path \"a\" { capabilities = [\"update\"] min_wrapping_ttl = \"1m\" max_wrapping_ttl = 90 }",
        r#"{"path":{"/a":{"capabilities":["update"],"min_wrapping_ttl":60,"max_wrapping_ttl":"90s"}}}"#,
    ),
    (
        "path \"a\" {\r\n capabilities = [\"update\"]\r\n allowed_parameters = { \"Key\" = [\"a*\", 1, true], x = [] }\r\n\
         denied_parameters { \"*\" = [] }\r\n required_parameters = [\"Name\"] }",
        r#"{"path":{"a":{"capabilities":["update"],"allowed_parameters":{"key":["a*",1,true],"x":[]},
            "denied_parameters":{"*":[]},"required_parameters":["name"]}}}"#,
    ),
    (
        "path \"a\" { capabilities = [\"read\"]\n capabilities = [\"deny\"] }\npath \"a\" { capabilities = [] }",
        r#"{"path":{"a":{"capabilities":["deny"]},"a":{}}}"#,
    ),
    ("path \"\\u0061\\x62\\143\\t\" { }", r#"{"path":{"x":{}}}"#),
    ("", "{}"),
];

#[test]
fn hcl_and_json_spell_the_same_policies() {
    for (hcl, json) in PAIRS {
        if hcl.contains("\\t") {
            assert_eq!(mistake(hcl), Mistake::Path);
        } else {
            assert_eq!(policy(hcl), policy(json), "{hcl}");
        }
    }
}

fn mistake(text: &str) -> Mistake {
    named("test", text).unwrap_err().mistake
}

fn capabilities(text: &str) -> Capabilities {
    let policy = policy(text);
    assert_eq!(policy.rules().len(), 1, "{text}");
    policy.rules()[0].capabilities
}

#[test]
fn old_words_become_capabilities_and_deny_outdoes_the_rest() {
    use Capability::{Create, Delete, List, Patch, Read, Sudo, Update};
    let write = vec![Create, Read, Update, Delete, List];
    for (block, expected) in [
        ("policy = \"read\"", vec![Read, List]),
        ("policy = \"write\"", write.clone()),
        ("policy = \"sudo\"", [write, vec![Sudo]].concat()),
        (
            "policy = \"read\" capabilities = [\"patch\"]",
            vec![Read, List, Patch],
        ),
        ("policy = \"\"", vec![]),
        ("", vec![]),
    ] {
        let text = format!("path \"a\" {{ {block} }}");
        assert_eq!(
            capabilities(&text),
            expected.into_iter().collect(),
            "{block}"
        );
    }
    for block in [
        "policy = \"deny\" capabilities = [\"read\"]",
        "policy = \"read\" capabilities = [\"deny\"]",
        "capabilities = [\"read\", \"deny\", \"sudo\"] min_wrapping_ttl = 1",
    ] {
        let text = format!("path \"a\" {{ {block} }}");
        assert!(capabilities(&text).is_deny(), "{block}");
        assert_eq!(policy(&text).rules()[0].restrictions, None);
    }
}

#[test]
fn heredocs_are_read_as_in_hcl_1() {
    let literal = |heredoc: &str| {
        let text = format!("path \"a\" {{ required_parameters = [{heredoc}] }}");
        let policy = policy(&text);
        let restrictions = policy.rules()[0].restrictions.clone().unwrap();
        restrictions.required.iter().next().unwrap().to_string()
    };
    assert_eq!(literal("<<EOF\na\n b\nEOF\n"), "a\n b\n");
    assert_eq!(literal("<<EOF\r\na\r\nEOF\r\n"), "a\n");
    assert_eq!(literal("<<-EOF\n  a\n   b\n  EOF\n"), "a\n b\n");
    assert_eq!(literal("<<-EOF\n a\n  EOF\n"), " a\n");
    assert_eq!(literal("<<EOF\na\n  EOF\n"), "a\n  ");
}

#[test]
fn what_is_not_taken_is_refused_by_its_place() {
    for (text, expected, line, column) in [
        ("x", Mistake::NoPolicy, 1, 1),
        ("x = 1", Mistake::UnknownKey, 1, 1),
        ("Path \"a\" {}", Mistake::UnknownKey, 1, 1),
        (
            "path \"a\" {\n  capability = []\n}",
            Mistake::UnknownKey,
            2,
            3,
        ),
        (
            "path \"a\" {\n  expiration = \"x\"\n}",
            Mistake::NotOffered,
            2,
            3,
        ),
        (
            "path \"a\" { capabilities = [\"read\",\n \"rea\"] }",
            Mistake::UnknownCapability,
            2,
            2,
        ),
        (
            "path \"a\" { capabilities = \"read\" }",
            Mistake::ExpectedList,
            1,
            27,
        ),
        (
            "path \"a\" { capabilities = [1] }",
            Mistake::ExpectedItemText,
            1,
            28,
        ),
        (
            "path \"a\" { policy = \"admin\" }",
            Mistake::UnknownLegacyWord,
            1,
            21,
        ),
        ("path \"a\" { policy = true }", Mistake::ExpectedText, 1, 21),
        ("path \"a\" \"b\" {}", Mistake::UnknownKey, 1, 10),
        ("path { capabilities = [] }", Mistake::ExpectedObject, 1, 23),
        ("path \"a\" = {}", Mistake::Syntax, 1, 10),
        ("path \"a{{b}}\" {}", Mistake::Template, 1, 6),
        ("path \"a/${b}\" {}", Mistake::Interpolation, 1, 9),
        ("\n path \"a/+*\" {}", Mistake::PlusStar, 2, 7),
        ("path \"a/../b\" {}", Mistake::Path, 1, 6),
        ("path \"\u{e9}\" {}", Mistake::Path, 1, 6),
        ("path \"a\\q\" {}", Mistake::Escape, 1, 8),
        ("path \"\\xff\" {}", Mistake::Escape, 1, 7),
        ("path \"a\n\" {}", Mistake::Endless, 1, 6),
        ("path \"a\" { /* ", Mistake::Endless, 1, 12),
        (
            "path \"a\" { comment = <<EOF\nEOF }",
            Mistake::Endless,
            1,
            22,
        ),
        (
            "path \"a\" { capabilities = [\"read\" \"list\"] }",
            Mistake::Syntax,
            1,
            35,
        ),
        (
            "path \"a\" { capabilities = [\"read\"]",
            Mistake::Syntax,
            1,
            35,
        ),
        ("path \"a\" {} }", Mistake::Syntax, 1, 13),
        ("path 'a' {}", Mistake::Syntax, 1, 6),
        ("path a/b {}", Mistake::Syntax, 1, 7),
        (
            "path \"a\" { min_wrapping_ttl = \"soon\" }",
            Mistake::Ttl,
            1,
            31,
        ),
        ("path \"a\" { min_wrapping_ttl = -1 }", Mistake::Ttl, 1, 31),
        (
            "path \"a\" { min_wrapping_ttl = 1.5 }",
            Mistake::Number,
            1,
            31,
        ),
        (
            "path \"a\" { min_wrapping_ttl = 60s }",
            Mistake::Number,
            1,
            31,
        ),
        (
            "path \"a\" { min_wrapping_ttl = 60\nmax_wrapping_ttl = 59 }",
            Mistake::TtlsCrossed,
            2,
            1,
        ),
        (
            "path \"a\" { allowed_parameters = { x = \"a\" } }",
            Mistake::ExpectedList,
            1,
            39,
        ),
        (
            "path \"a\" { allowed_parameters = { x = [[]] } }",
            Mistake::ParameterValue,
            1,
            40,
        ),
        ("path \"a\" { comment = [[[[[[[[ }", Mistake::TooDeep, 1, 29),
        ("{\"path\": {\"a\": []}}", Mistake::ExpectedObject, 1, 16),
        ("{\"path\": {\"a\": null}}", Mistake::ExpectedObject, 1, 16),
        ("{\"path\": 1}", Mistake::ExpectedObject, 1, 10),
        ("{\"path\": {}} x", Mistake::Syntax, 1, 14),
        ("{\"path\": {},\n \"paths\": {}}", Mistake::UnknownKey, 2, 2),
        ("{\"path\" = {}}", Mistake::Syntax, 1, 9),
        (
            "{\"path\": {\"a\": {\"capabilities\": [\"read\" \"list\"]}}}",
            Mistake::Syntax,
            1,
            41,
        ),
        (
            "{\"path\": {\"a\": {\"min_wrapping_ttl\": 07}}}",
            Mistake::Number,
            1,
            37,
        ),
        ("{\"path\": {\"\\ud800\": {}}}", Mistake::Escape, 1, 11),
        ("{\"path\": {\"a\u{1}\": {}}}", Mistake::Syntax, 1, 13),
        ("{\"path\": {\"a", Mistake::Endless, 1, 11),
        ("\u{feff}path \"a\" {}", Mistake::Syntax, 1, 1),
        ("path \"a\" {}\0", Mistake::Syntax, 1, 12),
    ] {
        let fault = named("test", text).unwrap_err();
        let found = (fault.mistake, fault.at.line, fault.at.column);
        assert_eq!(found, (expected, line, column), "{text}");
    }
}

#[test]
fn a_message_says_where_and_not_what() {
    let fault = named("test", "path \"a\" {\n capabilities = [\"Zq7\"] }").unwrap_err();
    assert_eq!(
        fault.to_string(),
        "failed to parse policy: unknown capability (known: create, read, update, patch, delete, list, scan, sudo, \
         deny) at line 2 column 18"
    );
}

#[test]
fn length_count_and_depth_are_bounded() {
    assert!(named("test", &" ".repeat(MAX_TEXT_LEN)).is_ok());
    assert_eq!(mistake(&" ".repeat(MAX_TEXT_LEN + 1)), Mistake::TooLongText);

    let rules = |count| "path a {}\n".repeat(count);
    assert_eq!(policy(&rules(MAX_RULES)).rules().len(), MAX_RULES);
    assert_eq!(mistake(&rules(MAX_RULES + 1)), Mistake::TooManyRules);

    let values = |count| {
        format!(
            "path a {{ required_parameters = [{}] }}",
            "\"\",".repeat(count)
        )
    };
    assert!(named("test", &values(MAX_VALUES - 3)).is_ok());
    assert_eq!(mistake(&values(MAX_VALUES - 2)), Mistake::TooManyValues);

    for opening in ["[", "{ a = ", "{ a ", "[{ a = "] {
        let deep = "a = ".to_owned() + &opening.repeat(100_000);
        assert_eq!(mistake(&deep), Mistake::TooDeep, "{opening}");
    }
    assert_eq!(mistake(&"{\"path\":".repeat(50_000)), Mistake::TooDeep);
    assert_eq!(mistake(&"path ".repeat(50_000)), Mistake::NoPolicy);
}

#[test]
fn a_policy_may_come_as_base64() {
    let text = "path \"a\" {}";
    assert_eq!(text_of(text).unwrap(), text);
    assert_eq!(text_of("cGF0aCAiYSIge30=\n").unwrap(), text);
    assert_eq!(text_of("").unwrap(), "");
    assert_eq!(text_of("/w==").unwrap_err().mistake, Mistake::NoPolicy);
    for name in ["path", "policy.hcl", "/etc/policies/app.hcl", "allow"] {
        let read = text_of(name).and_then(|text| named("test", &text));
        assert_eq!(read.unwrap_err().mistake, Mistake::NoPolicy, "{name}");
    }
}

#[test]
fn the_built_in_policies_read() {
    let default = Policy::default_policy();
    assert!(default.name().is_default());
    assert_eq!(
        default.rules().len(),
        DEFAULT_TEXT.matches("path \"").count()
    );
    assert!(Policy::root().name().is_root());
    assert_eq!(Policy::root().name(), &PolicyName::root());
}
