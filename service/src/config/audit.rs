//! `[audit]` and `[audit.NAME]`: where the record of requests is written, and how durably.

use std::path::PathBuf;
use std::time::Duration;

use super::Layers;
use super::section::{Placed, Section};
use super::value::{FromValue, Size, Value};

/// The record of requests.
#[derive(Clone, Debug)]
pub struct Audit {
    /// What this node is called in its records; absent for the machine's name.
    pub node: Option<String>,
    /// Whether every reply waits until its record is durable.
    pub strict: bool,
    /// Which fields are written as keyed hashes.
    pub correlate: Correlate,
    /// Where records go. Empty only if the audit is disabled.
    pub sinks: Vec<Sink>,
}

/// Fields that are written as keyed hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Correlate {
    /// The token's accessor, in place of itself.
    pub accessor: bool,
    /// The token's display name, in place of itself.
    pub display_name: bool,
    /// The peer's address, in place of itself.
    pub source: bool,
}

/// One place that records go to.
#[derive(Clone, Debug)]
pub struct Sink {
    /// What it is called: the NAME of `[audit.NAME]`.
    pub name: String,
    /// What it is.
    pub kind: SinkKind,
}

/// What a sink is.
#[derive(Clone, Debug)]
pub enum SinkKind {
    /// A file that is appended to.
    File(FileSink),
    /// A collector behind a durable local spool.
    Socket(SocketSink),
    /// Standard output.
    Stdout,
    /// The machine's syslog daemon.
    Syslog(SyslogSink),
}

/// A file that is appended to.
#[derive(Clone, Debug)]
pub struct FileSink {
    /// The file.
    pub path: PathBuf,
    /// A longer file is rotated, in bytes.
    pub rotate_bytes: u64,
    /// An older file is rotated; zero for never.
    pub rotate_after: Duration,
}

/// A collector behind a durable local spool.
#[derive(Clone, Debug)]
pub struct SocketSink {
    /// Where the collector listens.
    pub address: Collector,
    /// The spool's directory.
    pub spool: PathBuf,
    /// Bytes the spool may hold before records are refused.
    pub spool_max_bytes: u64,
}

/// Where a collector listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Collector {
    /// A TCP host and port.
    Tcp(String),
    /// A Unix stream socket.
    Unix(PathBuf),
}

/// The machine's syslog daemon.
#[derive(Clone, Debug)]
pub struct SyslogSink {
    /// Its socket.
    pub path: PathBuf,
    /// How a message begins.
    pub format: SyslogFormat,
}

/// How a syslog message begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyslogFormat {
    /// As the C library writes it to a local daemon (RFC 3164 without the host).
    Rfc3164,
    /// RFC 5424.
    Rfc5424,
}

impl Audit {
    /// Reads the section and its tables.
    pub fn read(layers: &mut Layers) -> Self {
        let names = layers.names("audit");
        let mut section = layers.section("audit");
        let disabled = section.placed::<bool>("disabled");
        let audit = Self {
            node: node(&mut section),
            strict: section.or("strict", false),
            correlate: section.or("correlate", Correlate::default()),
            sinks: Vec::new(),
        };
        match disabled {
            Some(Placed { value: true, place }) if !names.is_empty() => {
                section.add_at(place, "contradicts the sinks that are given");
            }
            Some(Placed { value: true, .. }) => {}
            Some(_) | None if names.is_empty() => section.add("NAME", NO_SINK),
            Some(_) | None => {}
        }
        let sinks = names.into_iter().filter_map(|name| {
            let kind = SinkKind::read(&mut layers.named("audit", &name))?;
            Some(Sink { name, kind })
        });
        let sinks = sinks.collect();
        Self { sinks, ..audit }
    }
}

fn node(section: &mut Section<'_>) -> Option<String> {
    let Placed { value, place } = section.placed::<String>("node")?;
    if value.len() > 255 || value.chars().any(char::is_control) {
        section.add_at(
            place,
            "must be at most 255 bytes without control characters",
        );
    }
    Some(value)
}

impl SinkKind {
    fn read(section: &mut Section<'_>) -> Option<Self> {
        match section.kind()? {
            Kind::File => FileSink::read(section).map(Self::File),
            Kind::Socket => SocketSink::read(section).map(Self::Socket),
            Kind::Stdout => Some(Self::Stdout),
            Kind::Syslog => Some(Self::Syslog(SyslogSink {
                path: section.or("path", PathBuf::from("/dev/log")),
                format: section.or("format", SyslogFormat::Rfc3164),
            })),
        }
    }
}

impl FileSink {
    fn read(section: &mut Section<'_>) -> Option<Self> {
        let Size(rotate_bytes) = section.within(
            "rotate_bytes",
            Size(256 << 20),
            Size(1 << 20)..=Size(1 << 40),
        );
        let rotate_after = section.within(
            "rotate_after",
            Duration::ZERO,
            Duration::ZERO..=Duration::from_hours(24 * 366),
        );
        Some(Self {
            path: section.required("path")?,
            rotate_bytes,
            rotate_after,
        })
    }
}

impl SocketSink {
    fn read(section: &mut Section<'_>) -> Option<Self> {
        let address = section.required("address");
        let spool = section.required("spool");
        let Size(spool_max_bytes) = section.within(
            "spool_max_bytes",
            Size(1 << 30),
            Size(64 << 20)..=Size(1 << 40),
        );
        Some(Self {
            address: address?,
            spool: spool?,
            spool_max_bytes,
        })
    }
}

enum Kind {
    File,
    Socket,
    Stdout,
    Syslog,
}

impl FromValue for Kind {
    const FORM: &'static str = "\"file\", \"socket\", \"stdout\" or \"syslog\"";

    fn from_value(value: &Value) -> Option<Self> {
        match String::from_value(value)?.as_str() {
            "file" => Some(Self::File),
            "socket" => Some(Self::Socket),
            "stdout" => Some(Self::Stdout),
            "syslog" => Some(Self::Syslog),
            _ => None,
        }
    }
}

impl FromValue for SyslogFormat {
    const FORM: &'static str = "\"rfc3164\" or \"rfc5424\"";

    fn from_value(value: &Value) -> Option<Self> {
        match String::from_value(value)?.as_str() {
            "rfc3164" => Some(Self::Rfc3164),
            "rfc5424" => Some(Self::Rfc5424),
            _ => None,
        }
    }
}

impl FromValue for Collector {
    const FORM: &'static str =
        "an address like \"tcp:collector.internal:6514\" or \"unix:/run/collector.sock\"";

    fn from_value(value: &Value) -> Option<Self> {
        let text = String::from_value(value)?;
        if let Some(path) = text.strip_prefix("unix:") {
            return path.starts_with('/').then(|| Self::Unix(path.into()));
        }
        let address = text.strip_prefix("tcp:")?;
        let (host, port) = address.rsplit_once(':')?;
        let good = !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0);
        good.then(|| Self::Tcp(address.to_owned()))
    }
}

impl FromValue for Correlate {
    const FORM: &'static str =
        "a list like \"source, accessor\" of accessor, display_name and source";

    fn from_value(value: &Value) -> Option<Self> {
        let mut fields = Self::default();
        for name in String::from_value(value)?.split(',') {
            match name.trim() {
                "accessor" => fields.accessor = true,
                "display_name" => fields.display_name = true,
                "source" => fields.source = true,
                _ => return None,
            }
        }
        Some(fields)
    }
}

const NO_SINK: &str = "is missing: nothing is answered without a record; give a table like [audit.file] with \
                       kind = \"file\" and path, or set audit.disabled = true";
