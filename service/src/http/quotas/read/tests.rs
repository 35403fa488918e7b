use serde_json::{Value, json};

use super::*;

fn read(body: &str) -> Result<QuotaSpec, Problem> {
    let mut fields = Fields::from_json(body.as_bytes()).unwrap();
    let read = spec(&mut fields, |path| {
        let mounts = ["auth/approle", "sys", "transit"];
        let mount = mounts.into_iter().find(|mount| path.starts_with(mount));
        mount.map(str::to_owned)
    })?;
    assert!(fields.are_read(), "{body}");
    Ok(read)
}

fn shown(body: &str) -> Value {
    Value::Object(read(body).unwrap().view("q"))
}

#[test]
fn a_rate_limit_reads_as_in_vault() {
    assert_eq!(
        shown(
            r#"{"path":"","rate":897.3,"interval":"2m","block_interval":"5m","type":"rate-limit"}"#
        ),
        json!({"block_interval": 300, "inheritable": true, "interval": 120, "name": "q", "path": "", "rate": 897.3, "role": "",
               "type": "rate-limit"})
    );
    // As the command line and Terraform write numbers.
    let text = shown(r#"{"path":"transit/decrypt/a*","rate":"10","interval":0}"#);
    assert_eq!((&text["rate"], &text["interval"]), (&json!(10), &json!(1)));
    assert_eq!(text["path"], json!("transit/decrypt/a*"));
    let role = shown(r#"{"path":"auth/approle","rate":1,"role":"app"}"#);
    assert_eq!(
        (&role["path"], &role["role"]),
        (&json!("auth/approle/"), &json!("app"))
    );
}

#[test]
fn a_budget_has_windows_and_says_whom_it_tells_apart() {
    let body = r#"{"path":"transit","windows":[{"requests":10,"interval":"1s"},{"items":"100000","interval":"24h"}],
                   "per":["key","identity","key"],"operations":"decrypt,rewrap"}"#;
    let shown_budget = shown(body);
    assert_eq!(shown_budget["per"], json!(["identity", "key"]));
    assert_eq!(shown_budget["operations"], json!(["decrypt", "rewrap"]));
    assert_eq!(
        shown_budget["windows"],
        json!([{"requests": 10, "interval": 1}, {"items": 100_000, "interval": 86_400}])
    );
    let plain = shown(r#"{"windows":[{"items":1,"interval":60}]}"#);
    assert_eq!(
        (&plain["per"], &plain["operations"]),
        (&json!(["identity"]), &json!([]))
    );
    let shared = shown(r#"{"windows":[{"items":1,"interval":60}],"per":[]}"#);
    assert_eq!(shared["per"], json!([]));
}

#[test]
fn what_is_no_quota_is_refused_without_repeating_it() {
    for (body, reason) in [
        ("{}", "'rate' is invalid"),
        (r#"{"rate":0}"#, "'rate' is invalid"),
        (r#"{"rate":-3}"#, "'rate' is invalid"),
        (r#"{"rate":1e30}"#, "'rate' is invalid"),
        (r#"{"rate":1,"interval":"9000h"}"#, "'interval' is invalid"),
        (
            r#"{"rate":1,"block_interval":"9000h"}"#,
            "'block' is invalid",
        ),
        (r#"{"rate":1,"path":"hunter2"}"#, "invalid mount path"),
        (r#"{"rate":1,"role":"hunter2"}"#, "'role' needs"),
        (
            r#"{"rate":1,"windows":[{"items":1,"interval":1}]}"#,
            "beside 'rate'",
        ),
        (r#"{"windows":[]}"#, "'windows' must be"),
        (r#"{"windows":["hunter2"]}"#, "'windows' must be"),
        (r#"{"windows":[{"items":1}]}"#, "'windows' must be"),
        (
            r#"{"windows":[{"items":1,"requests":1,"interval":1}]}"#,
            "'windows' must be",
        ),
        (
            r#"{"windows":[{"items":1,"interval":1,"hunter2":1}]}"#,
            "'windows' must be",
        ),
        (
            r#"{"windows":[{"items":1,"interval":1}],"per":"hunter2"}"#,
            "'per' must be",
        ),
        (
            r#"{"windows":[{"items":1,"interval":1}],"operations":["hunter2"]}"#,
            "'operations' must be",
        ),
    ] {
        let problem = format!("{:?}", read(body).unwrap_err());
        assert!(problem.contains(reason), "{body} {problem}");
        assert!(!problem.contains("hunter2"), "{problem}");
    }
    let five = vec![json!({"items": 1, "interval": 1}); Window::MAX_WINDOWS + 1];
    assert!(read(&json!({"windows": five}).to_string()).is_err());
}

#[test]
fn settings_change_where_they_are_named() {
    let mut settings = QuotaSettings::default();
    let mut update = |body: &str| {
        let mut fields = Fields::from_json(body.as_bytes()).unwrap();
        settings_change(&mut fields)
            .unwrap()
            .apply_to(&mut settings);
        Value::Object(settings.view())
    };
    let shown = update(r#"{"rate_limit_exempt_paths":["/sys/health/","transit/keys/*",""]}"#);
    let paths = json!(["sys/health", "transit/keys/*"]);
    assert_eq!(shown["rate_limit_exempt_paths"], paths);
    let shown = update(r#"{"enable_rate_limit_response_headers":true}"#);
    assert_eq!(shown["enable_rate_limit_response_headers"], json!(true));
    assert_eq!(shown["rate_limit_exempt_paths"], paths);
    assert_eq!(
        update(r#"{"rate_limit_exempt_paths":[]}"#)["rate_limit_exempt_paths"],
        json!([])
    );
}
