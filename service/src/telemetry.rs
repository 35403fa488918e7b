//! Logs and traces: set up once, flushed at the end.
//!
//! One event is one line, whatever a value holds. Nothing here sees a request's fields; what is logged is decided where it
//! is logged.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::panic::PanicHookInfo;

use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tokio::runtime::Handle;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::telemetry::{LogFormat, Telemetry as Settings};
use crate::failure::Failure;
use crate::http::REQUEST_SPAN;

/// Logs and traces that have been set up.
#[derive(Debug)]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Starts logging to stderr and, where an endpoint is set, exporting traces by tasks of this runtime.
    pub fn start(settings: &Settings, runtime: &Handle) -> Result<Self, Failure> {
        let filter = EnvFilter::try_new(format!("{QUIET},{}", settings.log_filter))
            .map_err(|error| Failure::unexpected("telemetry.log_filter", &error))?;
        let traces = settings
            .otlp_endpoint
            .as_deref()
            .map(|endpoint| tracer_provider(endpoint, runtime))
            .transpose()
            .map_err(|error| Failure::unexpected("telemetry.otlp_endpoint", &error))?;
        // Own spans only: those of the exporter's connection would be exported by that connection, and so on for ever.
        // Down to DEBUG, so that spans can be of that level and cost nothing where only logs are wanted.
        let own = Targets::new().with_targets(OWN_TARGETS.map(|name| (name, LevelFilter::DEBUG)));
        let exported = traces.as_ref().map(|provider| {
            tracing_opentelemetry::layer()
                .with_tracer(provider.tracer("sealring"))
                .with_location(false)
                .with_threads(false)
                .with_tracked_inactivity(false)
                .with_filter(own)
        });
        tracing_subscriber::registry()
            .with(exported)
            .with(log_layer(settings.log_format).with_filter(filter))
            .try_init()
            .map_err(|error: TryInitError| Failure::unexpected("logging cannot start", &error))?;
        std::panic::set_hook(Box::new(log_panic));
        Ok(Self { traces })
    }

    /// Sends what has not been sent. Blocks for a few seconds if the collector is away.
    pub fn flush(self) {
        if let Some(provider) = self.traces
            && let Err(error) = provider.shutdown()
        {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// Makes the span a child of the caller's, as its W3C `traceparent` and `tracestate` say. Without traces, or with
/// a header that breaks the format, the span stays as it is.
pub fn continue_trace(span: &Span, traceparent: Option<&str>, tracestate: Option<&str>) {
    if traceparent.is_none() {
        return;
    }
    let carrier = TraceHeaders {
        traceparent,
        tracestate,
    };
    let context = TraceContextPropagator::new().extract(&carrier);
    if context.span().span_context().is_valid() {
        // Fails only where no trace layer listens, and then there is nothing to continue.
        drop(span.set_parent(context));
    }
}

/// Gives the exported span a name that was not known when it began.
pub fn name_trace(span: &Span, name: &'static str) {
    if !span.is_disabled() {
        span.context().span().update_name(name);
    }
}

struct TraceHeaders<'a> {
    traceparent: Option<&'a str>,
    tracestate: Option<&'a str>,
}

impl Extractor for TraceHeaders<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => self.traceparent,
            "tracestate" => self.tracestate,
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}

fn tracer_provider(
    endpoint: &str,
    runtime: &Handle,
) -> Result<SdkTracerProvider, ExporterBuildError> {
    // The exporter's connection is a task of the runtime it is built in.
    let _entered = runtime.enter();
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .build()?;
    let resource = Resource::builder().with_service_name("sealring").build();
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))
        .with_resource(resource)
        .build())
}

fn log_layer<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(OneLine(io::stderr));
    match format {
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
        LogFormat::Pretty => layer.boxed(),
    }
}

/// Says where a panic was and not with which words: those may hold what the code was working on.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    tracing::error!(place, "panic");
}

/// A writer that is given whole events, and writes control characters within them as JSON would.
struct OneLine<M>(M);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for OneLine<M> {
    type Writer = OneLine<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        OneLine(self.0.make_writer())
    }
}

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        if line.chars().any(char::is_control) {
            self.0.write_all(escaped(line).as_bytes())?;
        } else {
            self.0.write_all(event)?;
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn escaped(line: &str) -> String {
    let mut clean = String::with_capacity(line.len() + 16);
    for character in line.chars() {
        if character.is_control() {
            // Control characters end at U+009F, so four digits are enough.
            write!(clean, "\\u{:04x}", u32::from(character)).expect("a String takes all text");
        } else {
            clean.push(character);
        }
    }
    clean.push('\n');
    clean
}

/// The server framework logs an error for every connection that does not speak HTTP: strangers could fill the log, and
/// wake somebody. A filter that names it still has its way.
const QUIET: &str = "actix_http=off";

/// The crates, and the request span, which has a target of its own.
const OWN_TARGETS: [&str; 3] = ["keyring", "service", REQUEST_SPAN];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_with_control_characters_is_still_one_line() {
        let mut out = Vec::new();
        let event = "a\nb\u{1b}[31m\u{9b}c\u{7f}\n";
        OneLine(&mut out).write_all(event.as_bytes()).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "a\\u000ab\\u001b[31m\\u009bc\\u007f\n"
        );
    }

    #[test]
    fn an_event_without_control_characters_is_written_as_it_is() {
        let mut out = Vec::new();
        OneLine(&mut out).write_all("schön\n".as_bytes()).unwrap();
        assert_eq!(out, "schön\n".as_bytes());
    }

    #[test]
    fn the_framework_is_quiet_unless_it_is_named() {
        let filter = |text: &str| {
            EnvFilter::try_new(format!("{QUIET},{text}"))
                .unwrap()
                .to_string()
        };
        for text in ["info", "warn,keyring=debug"] {
            assert!(filter(text).contains("actix_http=off"), "{text}");
        }
        assert!(!filter("info,actix_http=debug").contains("off"));
    }

    #[test]
    fn a_broken_traceparent_is_passed_over() {
        continue_trace(&Span::none(), Some("00-zz"), None);
        continue_trace(&Span::none(), None, Some("a=b"));
    }
}
