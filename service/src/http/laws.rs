//! Bodies for property tests: mostly right, often odd, sometimes broken.

use proptest::prelude::*;

/// Stands in every generated text, so that a test can see whether an answer repeats one.
pub(super) const MARK: &str = "Zq7";

/// A body whose fields are those of data requests, `subject` among them, with values of all kinds.
pub(super) fn body(subject: &'static str) -> impl Strategy<Value = String> {
    let whole =
        || proptest::collection::vec(field(subject, 5), 0..5).prop_map(|fields| object(&fields));
    prop_oneof![
        8 => whole(),
        1 => list(subject),
        1 => (whole(), any::<proptest::sample::Index>()).prop_map(|(text, cut)| {
            let at = (0..=text.len()).filter(|at| text.is_char_boundary(*at)).collect::<Vec<_>>();
            text[..*cut.get(&at)].to_owned()
        }),
    ]
}

fn field(subject: &'static str, batches: u32) -> impl Strategy<Value = (String, String)> {
    prop_oneof![
        12 => (name(subject), scalar()),
        batches => (Just("batch_input".to_owned()), prop_oneof![6 => list(subject), 1 => scalar()]),
    ]
}

fn name(subject: &'static str) -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just(subject.to_owned()),
        8 => proptest::sample::select(vec![
            "context", "associated_data", "new_associated_data", "key_version", "reference", "name", "type",
            "partial_failure_response_code", "cont\\u0065xt",
        ]).prop_map(str::to_owned),
        1 => Just("other".to_owned()),
    ]
}

fn list(subject: &'static str) -> impl Strategy<Value = String> {
    let item = proptest::collection::vec((name(subject), scalar()), 0..4);
    let item = prop_oneof![
        10 => item.prop_map(move |mut fields| {
            if !fields.iter().any(|(name, _)| name == subject) {
                fields.push((subject.to_owned(), format!("\"{MARK}\"")));
            }
            object(&fields)
        }),
        1 => scalar(),
        1 => scalar().prop_map(|value| format!("[{value}]")),
    ];
    proptest::collection::vec(item, 0..4).prop_map(|items| format!("[{}]", items.join(",")))
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => Just(format!("\"{MARK}\"")),
        2 => Just(format!("\"{MARK}\\u00e9\\n\"")),
        2 => Just("\"\"".to_owned()),
        3 => any::<i64>().prop_map(|number| number.to_string()),
        3 => (-1_i64..3).prop_map(|number| number.to_string()),
        2 => proptest::sample::select(vec![
            "null", "true", "false", "1.0", "1e3", "-0", "18446744073709551616", "\"0x1\"", "\"7\"", "{}", "[]",
            "9223372036854775808", "01", "nul",
        ]).prop_map(str::to_owned),
    ]
}

fn object(fields: &[(String, String)]) -> String {
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| format!("\"{name}\": {value}"))
        .collect();
    format!("{{{}}}", fields.join(" ,"))
}
