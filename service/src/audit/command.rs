//! `sealring audit`: what auditors ask of logs and of the store.

use std::fmt::Write as _;
use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use keyring::clock::Timestamp;

use super::encode::{hex, parse_time};
use super::search::Wanted;
use super::verify::{self, Chains, Report, Verifier};
use super::{given, kept};
use crate::config::Config;
use crate::failure::Failure;
use crate::http::Operation;

/// What can be asked.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Check that a log is what was written
    Verify(VerifyArgs),
    /// Print the records that match
    Search(SearchArgs),
    /// Print the heads that the store keeps, as a file for `audit verify --head`
    Head(ConfigFile),
    /// Print the public key that checks signatures
    Key(ConfigFile),
}

/// The configuration of the server whose store is asked.
#[derive(Debug, Args)]
pub struct ConfigFile {
    /// The server's TOML file
    #[arg(long = "config", value_name = "FILE")]
    file: PathBuf,
}

/// `sealring audit verify`
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The files of one sink, in any order
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The public key, in hexadecimal or in a file; without it the log's own word is taken
    #[arg(long, value_name = "HEX_OR_FILE")]
    key: Option<String>,
    /// What `audit head` printed: the log must reach these heads
    #[arg(long, value_name = "FILE")]
    head: Option<PathBuf>,
    /// Ask the store of this configuration for the heads and for the key
    #[arg(long, value_name = "FILE", conflicts_with = "head")]
    config: Option<PathBuf>,
    /// Lines begin with something else, as syslog writes it
    #[arg(long)]
    prefixed: bool,
}

/// `sealring audit search`
#[derive(Debug, Args)]
pub struct SearchArgs {
    /// The log's files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A key's name
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// A token's accessor or display name
    #[arg(long, value_name = "NAME")]
    identity: Option<String>,
    /// A mount's path
    #[arg(long, value_name = "PATH")]
    mount: Option<String>,
    /// An operation's word, like `decrypt` or `key_rotate`
    #[arg(long, value_name = "WORD")]
    operation: Option<String>,
    /// A request's id
    #[arg(long, value_name = "ID")]
    request: Option<String>,
    /// Not before: a time like 2026-03-03T12:00:00Z, or a day
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Not after: a time, or a day, which is meant as its beginning
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// Lines begin with something else, as syslog writes it
    #[arg(long)]
    prefixed: bool,
}

fn time(text: &str) -> Result<Timestamp, &'static str> {
    parse_time(text)
        .or_else(|| parse_time(&format!("{text}T00:00:00Z")))
        .ok_or("must be a time like 2026-03-03T12:00:00Z or a day like 2026-03-03")
}

impl AuditCommand {
    /// Does what was asked.
    pub fn run(self) -> Result<(), Failure> {
        match self {
            Self::Verify(args) => args.run(),
            Self::Search(args) => args.run(),
            Self::Head(args) => print(&given::heads_text(&kept::heads(Config::load(&args.file)?)?)),
            Self::Key(args) => {
                let key = kept::public_key(Config::load(&args.file)?)?;
                print(&format!("{}\n", hex(&key)))
            }
        }
    }
}

impl VerifyArgs {
    /// Checks the files, and prints what was found.
    fn run(&self) -> Result<(), Failure> {
        let given = self.key.as_deref().map(given::key).transpose()?;
        let pinned = match (given, &self.config) {
            (None, Some(config)) => Some(kept::public_key(Config::load(config)?)?),
            (given, _) => given,
        };
        let verifier = self.verify(pinned, self.chains(pinned)?)?;
        let (report, key) = verifier.finish();
        let mut text = String::new();
        describe(&mut text, &report);
        if let (Some(key), None) = (key, pinned) {
            let key = hex(&key);
            add(
                &mut text,
                format_args!("\nNOT PINNED: the key {key} {NOT_PINNED}\n"),
            );
        }
        if self.head.is_none() && self.config.is_none() {
            add(&mut text, format_args!("NO HEAD: {NO_HEAD}\n"));
        }
        print(&text)?;
        match report.findings.first() {
            None => Ok(()),
            Some(first) => Err(Failure::Data(format!(
                "the log is not what was written: {first}"
            ))),
        }
    }

    /// The heads that the log must reach. Whoever has a configuration has the key.
    fn chains(&self, pinned: Option<[u8; 32]>) -> Result<Chains, Failure> {
        Ok(match (&self.head, &self.config, pinned) {
            (Some(file), _, _) => Chains::new(given::heads(file, pinned)?),
            (None, Some(config), Some(key)) => {
                Chains::new(kept::signed_heads(Config::load(config)?, &key)?)
            }
            (None, _, _) => Chains::default(),
        })
    }

    fn verify(&self, key: Option<[u8; 32]>, chains: Chains) -> Result<Verifier, Failure> {
        let files =
            verify::in_order(&self.files).map_err(|error| unreadable(&self.files, &error))?;
        let mut sources = Vec::with_capacity(files.len());
        for file in &files {
            sources.push(verify::open(file).map_err(|error| unreadable(&files, &error))?);
        }
        let bar = progress(sources.iter().map(|source| source.length).sum());
        let mut verifier = Verifier::new(key, chains);
        let mut unshown = 0;
        for source in sources {
            let read = verifier.read(&source.name, source.reader, self.prefixed, |bytes| {
                unshown += bytes;
                if unshown >= SHOWN_BYTES {
                    bar.inc(std::mem::take(&mut unshown));
                }
            });
            read.map_err(|error| {
                Failure::SetUp(format!("{} cannot be read: {error}", source.name))
            })?;
        }
        bar.finish_and_clear();
        Ok(verifier)
    }
}

impl SearchArgs {
    /// Prints the records that match, as they are in the files.
    fn run(self) -> Result<(), Failure> {
        let files =
            verify::in_order(&self.files).map_err(|error| unreadable(&self.files, &error))?;
        if let Some(operation) = &self.operation {
            check_operation(operation)?;
        }
        let wanted = Wanted {
            key: self.key,
            identity: self.identity,
            mount: self.mount,
            operation: self.operation,
            request: self.request,
            since: self.since,
            until: self.until,
            prefixed: self.prefixed,
        };
        let mut out = BufWriter::new(io::stdout().lock());
        for file in files {
            let copied =
                verify::open(&file).and_then(|source| wanted.copy(source.reader, &mut out));
            let searched =
                copied.map_err(|error| unreadable(std::slice::from_ref(&file), &error))?;
            if searched.lines == 0 && searched.foreign > 0 {
                let file = file.display();
                return Err(Failure::Data(format!("{file} {NO_LOG}")));
            }
        }
        out.flush()
            .map_err(|error| Failure::unexpected("cannot write to standard output", &error))
    }
}

/// Nothing is ever recorded under another word.
fn check_operation(word: &str) -> Result<(), Failure> {
    let known = Operation::ALL.iter().map(|operation| operation.word());
    if word == "none" || known.clone().any(|known| known == word) {
        return Ok(());
    }
    let known = known.collect::<Vec<_>>().join(", ");
    Err(Failure::Usage(format!(
        "--operation names none that there is; there are: {known}, none"
    )))
}

fn describe(text: &mut String, report: &Report) {
    for finding in &report.findings {
        add(text, format_args!("WRONG {finding}\n"));
    }
    if report.more > 0 {
        add(text, format_args!("WRONG and {} times more\n", report.more));
    }
    for note in &report.notes {
        add(text, format_args!("note: {note}\n"));
    }
    let (records, checkpoints) = (report.records, report.checkpoints);
    add(
        text,
        format_args!("{records} records, {checkpoints} checkpoints"),
    );
    match &report.signed_until {
        Some(at) => add(text, format_args!(", the last one of {at}\n")),
        None => text.push('\n'),
    }
    if report.unsigned > 0 {
        add(
            text,
            format_args!(
                "{} records stand after the last checkpoint: only the next one will sign them\n",
                report.unsigned
            ),
        );
    }
    if report.findings.is_empty() {
        text.push_str("The log is what was written.\n");
    }
}

/// On a terminal, and only if it takes long enough to be looked at.
fn progress(bytes: u64) -> ProgressBar {
    if bytes < LONG_BYTES {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {eta}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn unreadable(files: &[PathBuf], error: &io::Error) -> Failure {
    let names: Vec<String> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    Failure::SetUp(format!("{} cannot be read: {error}", names.join(", ")))
}

fn add(text: &mut String, line: std::fmt::Arguments<'_>) {
    text.write_fmt(line).expect("a String takes all text");
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::unexpected("cannot write to standard output", &error))
}

const NO_LOG: &str = "is not an audit log: none of its lines is one. Unpack compressed files first (gzip -d); for lines that \
                      syslog wrote, say --prefixed";
const NOT_PINNED: &str = "was found in the log itself, and whoever could replace the whole log could replace that too. \
                          Pass --key, with what `sealring audit key` prints.";
const NO_HEAD: &str = "records cut off from the end go unnoticed. Pass --head or --config.";
/// Progress is shown this often.
const SHOWN_BYTES: u64 = 4 << 20;
/// From here on it is shown at all.
const LONG_BYTES: u64 = 64 << 20;
