//! Every type, from every form a value may come in.

use std::time::Duration;

use super::*;

fn fields(body: &str) -> Fields<'_> {
    Fields::from_json(body.as_bytes()).unwrap()
}

#[test]
fn strings_take_numbers_and_bools() {
    for (json, expected) in [
        ("\"a\"", "a"),
        ("12", "12"),
        ("-1", "-1"),
        ("true", "1"),
        ("false", "0"),
        ("null", ""),
    ] {
        let text = fields(&format!("{{\"x\":{json}}}"))
            .text("x")
            .map(|text| text.map(|t| t.0.into_owned()));
        assert_eq!(text, Ok(Some(expected.to_owned())), "{json}");
    }
    for json in ["[]", "{}", "1.5", "[\"a\"]"] {
        assert!(
            fields(&format!("{{\"x\":{json}}}")).text("x").is_err(),
            "{json}"
        );
    }
}

#[test]
fn thousandths_are_exact_and_what_is_no_amount_is_zero() {
    for (json, expected) in [
        ("897.3", 897_300),
        ("1000.0", 1_000_000),
        ("5", 5000),
        ("\"0.5\"", 500),
        ("-1", 0),
        ("-0.5", 0),
        ("1e300", 0),
        ("99999999999999999999", 0),
        ("18446744073709551615", 0),
    ] {
        let read = fields(&format!("{{\"x\":{json}}}")).thousandths("x");
        assert_eq!(read, Ok(Some(expected)), "{json}");
    }
    for json in ["\"many\"", "true", "[]", "{}"] {
        assert!(
            fields(&format!("{{\"x\":{json}}}"))
                .thousandths("x")
                .is_err()
        );
    }
    assert_eq!(fields("{\"x\":null}").thousandths("x"), Ok(None));
}

#[test]
fn ints_take_texts_of_any_base_and_bools() {
    for (json, expected) in [
        ("3", 3),
        ("\"3\"", 3),
        ("\"0x10\"", 16),
        ("\"\"", 0),
        ("true", 1),
        ("null", 0),
    ] {
        assert_eq!(
            fields(&format!("{{\"x\":{json}}}")).int("x"),
            Ok(Some(expected)),
            "{json}"
        );
    }
    for json in ["\"a\"", "1.0", "[]", "9223372036854775808"] {
        assert!(
            fields(&format!("{{\"x\":{json}}}")).int("x").is_err(),
            "{json}"
        );
    }
    assert_eq!(fields("{}").int("x"), Ok(None));
}

#[test]
fn bools_take_go_texts_and_numbers() {
    for (json, expected) in [
        ("true", true),
        ("\"T\"", true),
        ("\"\"", false),
        ("1", true),
        ("0", false),
        ("null", false),
    ] {
        assert_eq!(
            fields(&format!("{{\"x\":{json}}}")).boolean("x"),
            Ok(Some(expected)),
            "{json}"
        );
    }
    for json in ["\"yes\"", "2", "-1", "1.0", "0.0", "[]"] {
        let read = fields(&format!("{{\"x\":{json}}}")).boolean("x");
        assert!(read.is_err(), "{json}");
    }
}

#[test]
fn durations_take_seconds_days_and_units_and_null_is_absent() {
    for (json, expected) in [
        ("3600", 3600),
        ("\"1h\"", 3600),
        ("\"30d\"", 2_592_000),
        ("\"\"", 0),
    ] {
        let read = fields(&format!("{{\"x\":{json}}}")).duration("x");
        assert_eq!(read, Ok(Some(Duration::from_secs(expected))), "{json}");
    }
    assert_eq!(fields(r#"{"x":null}"#).duration("x"), Ok(None));
    let fault = fields(r#"{"x":-5}"#).duration("x").unwrap_err();
    assert_eq!(
        fault.to_string(),
        "error converting input for field \"x\": cannot provide negative value"
    );
}

#[test]
fn what_nobody_takes_is_named_in_order_if_it_looks_like_a_name() {
    let mut fields = fields(r#"{"b":1,"name":"x","a":2,"known":3,"aGVsbG8gd29ybGQ=":1,"c d":2}"#);
    fields.captured("name");
    fields.ignore(&["known", "absent"]);
    assert_eq!(
        fields.warnings(),
        [
            "Endpoint ignored these unrecognized parameters: [? a b]",
            "Endpoint replaced the value of these parameters with the values captured from the endpoint's path: \
             [name]",
        ]
    );
    assert!(Fields::default().warnings().is_empty());
}

#[test]
fn lists_come_as_lists_or_texts() {
    for (json, commas, plain) in [
        (r#"["a"," b"]"#, vec!["a", "b"], vec!["a", " b"]),
        (r#""a, b""#, vec!["a", "b"], vec!["a, b"]),
        (
            r#"["a,b",1,true]"#,
            vec!["a,b", "1", "1"],
            vec!["a,b", "1", "1"],
        ),
        (r#""""#, vec![], vec![]),
        ("[]", vec![], vec![]),
        ("null", vec![], vec![]),
        ("7", vec!["7"], vec!["7"]),
    ] {
        let body = format!("{{\"x\":{json}}}");
        let read = fields(&body).comma_list("x").unwrap().unwrap();
        assert_eq!(read, commas, "{json}");
        let read = fields(&body).list("x").unwrap().unwrap();
        assert_eq!(read, plain, "{json}");
    }
    for json in ["{}", "1.5", "[[]]", "[{}]"] {
        let body = format!("{{\"x\":{json}}}");
        assert!(fields(&body).comma_list("x").is_err(), "{json}");
        assert!(fields(&body).list("x").is_err(), "{json}");
    }
    assert_eq!(fields("{}").comma_list("x"), Ok(None));
    assert_eq!(fields("{}").list("x"), Ok(None));
}

#[test]
fn a_restriction_of_blanks_is_refused_and_an_empty_one_restricts_nothing() {
    for (json, expected) in [
        (r#"["a",""," b "]"#, vec!["a", "b"]),
        (r#""a,, b""#, vec!["a", "b"]),
        (r#""""#, vec![]),
        ("[]", vec![]),
        ("null", vec![]),
    ] {
        let read = fields(&format!("{{\"x\":{json}}}")).restriction_list("x");
        assert_eq!(read.unwrap().unwrap(), expected, "{json}");
    }
    for json in [
        r#"[""]"#,
        r#"[" "]"#,
        "[null]",
        r#"["",null]"#,
        r#"" ""#,
        r#"",""#,
    ] {
        let read = fields(&format!("{{\"x\":{json}}}")).restriction_list("x");
        assert_eq!(
            read.unwrap_err().to_string(),
            "error converting input for field \"x\": nothing but blanks; an empty list lifts the restriction",
            "{json}"
        );
    }
    assert_eq!(fields("{}").restriction_list("x"), Ok(None));
}

#[test]
fn a_list_that_holds_something_is_given_be_it_blanks() {
    for json in ["null", "[]"] {
        let read = fields(&format!("{{\"x\":{json}}}")).given_list("x");
        assert_eq!(read, Ok(None), "{json}");
    }
    assert_eq!(fields("{}").given_list("x"), Ok(None));
    for (json, expected) in [
        (r#"[""]"#, vec![""]),
        ("[null]", vec![""]),
        (r#"" ""#, vec![" "]),
        (r#""""#, vec![""]),
        (r#"["a",""]"#, vec!["a", ""]),
    ] {
        let read = fields(&format!("{{\"x\":{json}}}")).given_list("x");
        assert_eq!(read.unwrap().unwrap(), expected, "{json}");
    }
    assert!(fields(r#"{"x":{}}"#).given_list("x").is_err());
}

#[test]
fn pairs_come_as_an_object_or_with_equal_signs() {
    let expected = [("a", "1"), ("b", "x=y")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    for json in [
        r#"{"a":1,"b":"x=y"}"#,
        r#"["a=1","b=x=y"]"#,
        r#""a=1,b=x=y""#,
    ] {
        let body = format!("{{\"x\":{json}}}");
        let read = fields(&body).pairs("x").unwrap().unwrap();
        assert_eq!(read, expected, "{json}");
    }
    for json in ["1", "true", r#""a""#, r#"["a"]"#, r#"{"a":{}}"#] {
        let body = format!("{{\"x\":{json}}}");
        assert!(fields(&body).pairs("x").is_err(), "{json}");
    }
    assert_eq!(fields(r#"{"x":null}"#).pairs("x"), Ok(None));
}

#[test]
fn no_field_of_a_form_is_passed_over() {
    let fine = |form: &str| Fields::from_form(form).is_some();
    assert!(fine(&"x=&".repeat(Fields::MAX_PAIRS)));
    assert!(!fine(&"x=&".repeat(Fields::MAX_PAIRS + 1)));
    for broken in ["plaintext=&associated_data=%zz", "%f=1", "a=%ff"] {
        assert!(!fine(broken), "{broken}");
    }
    assert!(Fields::from_query("a=%zz&b=1").take("b").is_some());
}

#[test]
fn form_values_are_strings_joined_by_commas() {
    let mut form =
        Fields::from_form("plaintext=aGk%3D&key_version=0x2&path=a&path=b+c&flag").unwrap();
    assert_eq!(form.text("plaintext").unwrap().unwrap().as_str(), "aGk=");
    assert_eq!(form.int("key_version"), Ok(Some(2)));
    assert_eq!(form.text("path").unwrap().unwrap().as_str(), "a,b c");
    assert_eq!(form.boolean("flag"), Ok(Some(false)));
}
