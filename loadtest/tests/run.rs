//! The generator against a service it can be sure of: one that "encrypts" by prefixing.
#![expect(
    clippy::indexing_slicing,
    reason = "a missing field is a failed test, and a panic says which"
)]

use std::net::SocketAddr;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::web::{self, Bytes, Data, PayloadConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use serde_json::{Value, json};

#[test]
fn every_scenario_runs_and_reports() {
    let service = Service::start(Behaviour::Good);
    for scenario in [
        &["encrypt"][..],
        &["decrypt"],
        &["batch", "--items", "20"],
        &["sign"],
        &["verify", "--key-type", "ml-dsa-65"],
    ] {
        let output = service.load(scenario, &["--requests", "500", "--json"]);
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert!(output.status.success(), "{output:?}");
        assert_eq!(report["statuses"], json!({ "200": 500 }), "{report}");
        assert_eq!(report["errors"], 0);
        assert!(report["latency_micros"]["p50"].as_f64() > Some(0.0));
    }
}

#[test]
fn a_missed_objective_fails_the_run_and_a_met_one_does_not() {
    let service = Service::start(Behaviour::Good);
    let met = service.load(
        &["encrypt"],
        &["--requests", "200", "--slo-p99", "1h", "--max-errors", "0"],
    );
    assert_eq!(met.status.code(), Some(0), "{met:?}");
    assert!(text(&met).ends_with("PASS\n"), "{met:?}");
    let missed = service.load(&["encrypt"], &["--requests", "200", "--slo-p99", "1us"]);
    assert_eq!(missed.status.code(), Some(1), "{missed:?}");
    assert!(text(&missed).ends_with("FAIL\n"), "{missed:?}");
}

#[test]
fn errors_are_counted_by_status() {
    let service = Service::start(Behaviour::FailsEveryTenth);
    let output = service.load(
        &["encrypt"],
        &["--requests", "300", "--json", "--max-errors", "5"],
    );
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["statuses"], json!({ "200": 270, "503": 30 }));
    assert_eq!(report["errors"], 30);
}

#[test]
fn an_open_loop_counts_what_a_stalled_service_made_others_wait() {
    let service = Service::start(Behaviour::StallsOnce);
    let plan = [
        "--rate",
        "200",
        "--duration",
        "1s",
        "--warm-up",
        "0ms",
        "--connections",
        "1",
        "--json",
    ];
    let output = service.load(&["encrypt"], &plan);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    // One answer in 200 is slow, but the 400 ms stall delays the 80 requests planned behind it.
    assert!(
        report["latency_micros"]["p90"].as_f64() > Some(100_000.0),
        "{report}"
    );
    assert!(report["open_loop"]["waited_for_a_connection"].as_u64() > Some(20));
}

#[test]
fn a_rate_beyond_reach_is_said_and_fails_every_percentile() {
    let service = Service::start(Behaviour::Slow);
    let plan = [
        "--rate",
        "1000",
        "--duration",
        "1s",
        "--connections",
        "1",
        "--json",
        "--slo-p99",
        "1h",
    ];
    let output = service.load(&["encrypt"], &plan);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(
        report["open_loop"]["unsent"].as_u64() > Some(500),
        "{report}"
    );
}

#[test]
fn a_comparison_runs_pairs_of_slices() {
    let service = Service::start(Behaviour::Good);
    let pid = std::process::id().to_string();
    let mut plan = vec![
        "--compare",
        "null",
        "--pairs",
        "2",
        "--slice",
        "200ms",
        "--json",
    ];
    if cfg!(target_os = "linux") {
        plan.extend(["--server-pid", &pid]);
    }
    let output = service.load(&["encrypt"], &plan);
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let comparison = &report["comparison"];
    assert_eq!(comparison["rate"]["pairs"], 2);
    assert!(comparison["rate"]["median"].as_f64() > Some(0.0));
    assert!(!cfg!(target_os = "linux") || comparison["cpu"]["service_micros"].as_f64() > Some(0.0));
}

#[test]
fn another_service_can_be_the_base_of_a_comparison() {
    let service = Service::start(Behaviour::Good);
    let other = Service::start(Behaviour::Slow);
    let url = other.url();
    let token = other.token.path().to_str().expect("a path in UTF-8");
    let plan = ["--compare-with", &url, "--compare-token-file", token];
    let slices = ["--pairs", "3", "--slice", "200ms", "--json"];
    let objective = ["--min-ratio", "1.5"];
    let output = service.load(&["encrypt"], &[&plan[..], &slices, &objective].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let comparison = &report["comparison"];
    assert_eq!(comparison["base"], json!(url));
    assert_eq!(comparison["rate"]["pairs"], 3);
    let turned = ["--compare-with", &service.url(), "--compare-token-file"];
    let token = service.token.path().to_str().expect("a path in UTF-8");
    let output = other.load(
        &["encrypt"],
        &[&turned[..], &[token], &slices, &objective].concat(),
    );
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[test]
fn a_comparison_with_a_service_that_fails_has_no_result() {
    let service = Service::start(Behaviour::Good);
    let other = Service::start(Behaviour::FailsEveryTenth);
    let plan = ["--compare-with", &other.url(), "--slice", "100ms"];
    let output = service.load(&["encrypt"], &plan);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        complaint.contains("the base of the comparison"),
        "{complaint}"
    );
}

#[test]
fn a_flood_runs_beside_good_requests_and_all_of_it_is_denied() {
    let service = Service::start(Behaviour::Good);
    let output = service.load(&["flood"], &FLOOD);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        report["pairs"].as_array().map(Vec::len),
        Some(2),
        "{report}"
    );
    assert!(
        report["p99_ratio"]["median"].as_f64() > Some(0.0),
        "{report}"
    );
    assert_eq!(report["garbage"]["not_denied"], 0, "{report}");
    assert!(report["garbage"]["denied"].as_u64() > Some(0), "{report}");
    let calls = &report["store_calls_beside"];
    assert!(
        calls["sealring_store_polls_total"].as_f64() > Some(0.0),
        "{report}"
    );
    // A busy machine may make the run void, and then it must say so.
    let valid = report["void"].as_array().is_some_and(Vec::is_empty);
    let code = if valid { 0 } else { 2 };
    assert_eq!(output.status.code(), Some(code), "{output:?}");
}

#[test]
fn a_service_that_takes_garbage_is_found_out() {
    let service = Service::start(Behaviour::TakesGarbage);
    let output = service.load(&["flood"], &FLOOD);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["garbage"]["denied"], 0, "{report}");
    assert!(
        report["garbage"]["not_denied"].as_u64() > Some(0),
        "{report}"
    );
    assert!(!output.status.success(), "{output:?}");
}

#[test]
fn a_flood_needs_a_rate_and_has_pairs_of_its_own() {
    let service = Service::start(Behaviour::Good);
    for wrong in [&[][..], &["--rate", "5", "--requests", "5"]] {
        let output = service.load(&["flood"], wrong);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
}

#[test]
fn a_load_runs_beside_a_stream_of_signatures() {
    let service = Service::start(Behaviour::Good);
    let plan = ["--beside", "sign-rsa-4096", "--max-p99-ratio", "1000000"];
    let slices = ["--pairs", "2", "--slice", "200ms", "--json"];
    let output = service.load(&["encrypt"], &[&plan[..], &slices].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["pairs"].as_array().map(Vec::len), Some(2));
    assert_eq!(report["p99_ratio"]["pairs"], 2, "{report}");
    assert!(report["p99_ratio"]["median"].as_f64() > Some(0.0));
    assert!(report["companion_rate"].as_f64() > Some(0.0), "{report}");
}

#[test]
fn a_stream_that_fails_makes_the_run_void() {
    let service = Service::start(Behaviour::FailsEveryTenth);
    let plan = ["--beside", "sign-ed25519", "--pairs", "1"];
    let output = service.load(&["encrypt"], &[&plan[..], &["--slice", "200ms"]].concat());
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("void"), "{complaint}");
}

#[test]
fn a_service_that_does_not_verify_what_it_signed_is_not_measured() {
    let service = Service::start(Behaviour::Forgets);
    for scenario in ["sign", "verify"] {
        let output = service.load(&[scenario], &[]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(complaint.contains("did not verify"), "{complaint}");
    }
}

#[test]
fn a_service_that_gives_back_something_else_is_not_measured() {
    let service = Service::start(Behaviour::Forgets);
    let output = service.load(&["encrypt"], &[]);
    assert_eq!(output.status.code(), Some(2));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("did not give back"), "{complaint}");
}

const FLOOD: [&str; 9] = [
    "--rate",
    "200",
    "--rate-garbage",
    "1000",
    "--pairs",
    "2",
    "--slice",
    "300ms",
    "--json",
];

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behaviour {
    Good,
    FailsEveryTenth,
    Forgets,
    Slow,
    StallsOnce,
    TakesGarbage,
}

impl Behaviour {
    /// The slow one is the other service of a comparison and has a token of its own.
    fn token(self) -> &'static str {
        if self == Self::Slow { "other" } else { "token" }
    }
}

struct Service {
    address: SocketAddr,
    token: tempfile::NamedTempFile,
}

impl Service {
    fn start(behaviour: Behaviour) -> Self {
        let (send, receive) = std::sync::mpsc::channel();
        let counter = Arc::new(AtomicU64::new(0));
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async {
                let server = HttpServer::new(move || {
                    App::new()
                        .app_data(Data::new(behaviour))
                        .app_data(Data::from(Arc::clone(&counter)))
                        .app_data(PayloadConfig::new(1 << 20))
                        .default_service(web::to(answer))
                })
                .workers(1)
                .bind("127.0.0.1:0")
                .expect("a free port");
                send.send(server.addrs()[0]).expect("the test waits");
                server.run().await.expect("serves");
            });
        });
        let token = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(token.path(), format!("{}\n", behaviour.token())).expect("writes");
        Self {
            address: receive.recv().expect("the server starts"),
            token,
        }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn load(&self, scenario: &[&str], options: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_loadtest"))
            .args(scenario)
            .args(["--addr", &self.url()])
            .arg("--token-file")
            .arg(self.token.path())
            .args(if options.contains(&"--warm-up") {
                &[][..]
            } else {
                &["--warm-up", "0ms"]
            })
            .args(options)
            .output()
            .expect("runs")
    }
}

async fn answer(
    request: HttpRequest,
    body: Bytes,
    behaviour: Data<Behaviour>,
    counter: Data<AtomicU64>,
) -> HttpResponse {
    let token = request.headers().get("X-Vault-Token");
    let token = token.and_then(|token| token.to_str().ok());
    if token != Some(behaviour.token()) && **behaviour != Behaviour::TakesGarbage {
        return HttpResponse::Forbidden().json(json!({ "errors": ["permission denied"] }));
    }
    if request.path() == "/v1/sys/metrics" {
        let polls = counter.fetch_add(1, Ordering::Relaxed);
        return HttpResponse::Ok().body(format!(
            "sealring_store_polls_total{{outcome=\"done\"}} {polls}\n"
        ));
    }
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    let data = if let Some(items) = body["batch_input"].as_array() {
        json!({ "batch_results": items.iter().map(sealed).collect::<Vec<_>>() })
    } else if body["plaintext"].is_string() {
        sealed(&body)
    } else if let Some(text) = body["ciphertext"].as_str() {
        let plaintext = text.strip_prefix("vault:v1:").expect("a ciphertext");
        let forgets = **behaviour == Behaviour::Forgets;
        json!({ "plaintext": if forgets { "AAAA" } else { plaintext } })
    } else if let Some(input) = body["input"].as_str() {
        signed(input, body["signature"].as_str(), **behaviour)
    } else {
        return HttpResponse::NoContent().finish();
    };
    // The first requests of a run prepare it: a probe to encrypt, the same to decrypt, the first of the plan.
    let number = counter.fetch_add(1, Ordering::Relaxed);
    match **behaviour {
        Behaviour::FailsEveryTenth if number >= 3 && (number - 3) % 10 == 9 => {
            return HttpResponse::ServiceUnavailable().json(json!({ "errors": [] }));
        }
        Behaviour::Slow if number >= 3 => {
            actix_web::rt::time::sleep(Duration::from_millis(20)).await;
        }
        Behaviour::StallsOnce if number == 53 => {
            actix_web::rt::time::sleep(Duration::from_millis(400)).await;
        }
        Behaviour::Good
        | Behaviour::FailsEveryTenth
        | Behaviour::Forgets
        | Behaviour::Slow
        | Behaviour::StallsOnce
        | Behaviour::TakesGarbage => {}
    }
    HttpResponse::Ok().json(json!({ "data": data }))
}

fn sealed(item: &Value) -> Value {
    let plaintext = item["plaintext"].as_str().expect("a plaintext");
    json!({ "ciphertext": format!("vault:v1:{plaintext}"), "key_version": 1 })
}

/// A signature, or whether this is one.
fn signed(input: &str, signature: Option<&str>, behaviour: Behaviour) -> Value {
    let right = format!("vault:v1:{input}");
    match signature {
        Some(signature) => {
            json!({ "valid": signature == right && behaviour != Behaviour::Forgets })
        }
        None => json!({ "signature": right, "key_version": 1 }),
    }
}
