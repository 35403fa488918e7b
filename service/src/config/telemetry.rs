//! `[telemetry]`: logs, traces, metrics.

use tracing_subscriber::EnvFilter;

use super::section::{Placed, Section};
use super::value::{FromValue, Value};

/// What the service tells about itself.
#[derive(Debug)]
pub struct Telemetry {
    /// How log lines look.
    pub log_format: LogFormat,
    /// Which events are logged: directives like `info,keyring=debug`.
    pub log_filter: String,
    /// Where traces are sent (OTLP over gRPC); absent for no traces.
    pub otlp_endpoint: Option<String>,
    /// Whether metrics are shown without a token.
    pub unauthenticated_metrics: bool,
}

/// How log lines look. Either way one event is one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line, for machines.
    Json,
    /// Text, for people.
    Pretty,
}

impl Telemetry {
    /// Reads the section.
    pub fn read(section: &mut Section<'_>) -> Self {
        Self {
            log_format: section.or("log_format", LogFormat::Json),
            log_filter: log_filter(section),
            otlp_endpoint: otlp_endpoint(section),
            unauthenticated_metrics: section.or("unauthenticated_metrics", false),
        }
    }
}

impl FromValue for LogFormat {
    const FORM: &'static str = "\"json\" or \"pretty\"";

    fn from_value(value: &Value) -> Option<Self> {
        match String::from_value(value)?.as_str() {
            "json" => Some(Self::Json),
            "pretty" => Some(Self::Pretty),
            _ => None,
        }
    }
}

fn log_filter(section: &mut Section<'_>) -> String {
    let Some(Placed { value, place }) = section.placed::<String>("log_filter") else {
        return DEFAULT_FILTER.to_owned();
    };
    if EnvFilter::try_new(&value).is_err() {
        section.add_at(
            place,
            "is not a list of filter directives like \"info,keyring=debug\"",
        );
    }
    value
}

/// Without TLS in the exporter, `https` would only fail at the first span.
fn otlp_endpoint(section: &mut Section<'_>) -> Option<String> {
    let Placed { value, place } = section.placed::<String>("otlp_endpoint")?;
    let authority = value.strip_prefix("http://").unwrap_or_default();
    if authority.is_empty() || authority.contains(['@', ' ']) {
        section.add_at(
            place,
            "must be a URL like http://127.0.0.1:4317: plain HTTP, without user or password",
        );
        return None;
    }
    Some(value)
}

/// The server framework tells of every start and stop of a worker.
const DEFAULT_FILTER: &str = "info,actix_server=warn";
