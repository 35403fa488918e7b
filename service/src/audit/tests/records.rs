//! What is written reads back, whatever names hold.

use keyring::clock::Timestamp;
use keyring::version::Version;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::audit::correlation::Correlation;

fn encoded(record: &Record<'_>, correlate: Correlate) -> Value {
    let mut out = b"{\"n\":1,".to_vec();
    record.encode(&Correlation::new(keys(), correlate), &mut out);
    assert_eq!(
        out.iter().position(|byte| *byte == b'\n'),
        Some(out.len() - 1)
    );
    assert!(matches!(
        line::Line::parse(out.strip_suffix(b"\n").unwrap()),
        line::Line::Record(1)
    ));
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn a_record_says_these_fields_in_this_order_and_no_others() {
    let policies = ["default", "app"];
    let correlation = Correlation::new(keys(), Correlate::default());
    let who = Who::new(&correlation, "acc", "approle-web", policies);
    let record = Record {
        at: Timestamp::from_micros(1_000_001),
        who: Some(&who),
        versions: Some((Version::new(1).unwrap(), Version::new(3).unwrap())),
        cause: Some("manual"),
        reason: Some("drill"),
        recovered: true,
        made: Some("made"),
        source: Source {
            tls: Some(Tls::V1_3),
            ..request().source
        },
        ..record(Kind::Outcome, Uuid::nil())
    };
    let mut out = Vec::new();
    record.encode(&correlation, &mut out);
    let expected = concat!(
        r#""time":"1970-01-01T00:00:01.000001Z","kind":"outcome","request":"00000000-0000-0000-0000-000000000000","#,
        r#""accessor":"acc","display_name":"approle-web","policies":["default","app"],"source":"127.0.0.1","#,
        r#""listener":"main","tls":"1.3","operation":"encrypt","mount":"transit","key":"orders","versions":[1,3],"#,
        r#""items":1,"failed":0,"bytes_in":40,"bytes_out":80,"status":200,"outcome":"done","micros":31,"#,
        r#""cause":"manual","reason":"drill","made":"made","recovered":true}"#,
        "\n"
    );
    assert_eq!(text(&out), expected);
}

#[test]
fn a_field_named_in_correlate_is_only_its_keyed_hash() {
    let correlate = Correlate {
        accessor: true,
        display_name: true,
        source: true,
    };
    let correlation = Correlation::new(keys(), correlate);
    let who = Who::new(&correlation, "acc", "name", []);
    let record = Record {
        who: Some(&who),
        made: Some("maker"),
        ..request()
    };
    let value = encoded(&record, correlate);
    let mut fields = Vec::new();
    for (field, clear) in [
        ("accessor", "acc"),
        ("display_name", "name"),
        ("source", "127.0.0.1"),
        ("made", "maker"),
    ] {
        let hash = encode::hex(&keys().correlate(clear.as_bytes()));
        assert_eq!(value[field], json!(format!("hmac-sha256:{hash}")));
        fields.push(value[field].clone());
    }
    fields.dedup();
    assert_eq!(fields.len(), 4);
}

#[test]
fn statuses_have_outcomes() {
    for (status, failed, outcome) in [
        (200, 0, Outcome::Done),
        (204, 0, Outcome::Done),
        (200, 1, Outcome::Partial),
        (400, 1, Outcome::Refused),
        (403, 0, Outcome::Denied),
        (404, 0, Outcome::Refused),
        (500, 0, Outcome::Failed),
        (503, 0, Outcome::Failed),
    ] {
        assert_eq!(Outcome::of_status(status, failed), outcome, "{status}");
    }
}

proptest! {
    #[test]
    fn hostile_names_read_back_and_stay_in_their_line(
        accessor in "\\p{any}*",
        name in "\\PC*|[\\x00-\\x7f\"\\\\]*",
        policies in proptest::collection::vec("\\p{any}{0,8}", 0..4),
        key in "\\p{any}*",
        reason in proptest::option::of("[\\x00-\\x7f]*"),
        items in any::<usize>(),
        address in any::<[u8; 16]>(),
    ) {
        let correlation = Correlation::new(keys(), Correlate::default());
        let who = Who::new(&correlation, &accessor, &name, policies.iter().map(String::as_str));
        let amount = Amount { items, ..Amount::default() };
        let record = Record {
            who: Some(&who),
            key: Some(&key),
            reason: reason.as_deref(),
            amount,
            source: Source { address: Some(address.into()), ..Source::default() },
            ..request()
        };
        let value = encoded(&record, Correlate::default());
        prop_assert_eq!(&value["accessor"], &json!(accessor));
        prop_assert_eq!(&value["display_name"], &json!(name));
        prop_assert_eq!(&value["policies"], &json!(policies));
        prop_assert_eq!(&value["key"], &json!(key));
        prop_assert_eq!(&value["items"], &json!(items));
        let expected = reason.map(|reason| json!(reason));
        prop_assert_eq!(value.get("reason"), expected.as_ref());
        prop_assert_eq!(&value["source"], &json!(std::net::IpAddr::from(address).to_string()));
    }
}
