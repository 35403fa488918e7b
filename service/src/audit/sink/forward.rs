//! Sends a spool's files to a collector, oldest first.
//!
//! A collector acknowledges nothing. So after a connection was lost, sending begins anew with the oldest file that is still
//! there, behind a signed line that says so; and a file is deleted only when the one after it was sent too, over the same
//! connection.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use keyring::clock::Clock;

use super::super::chain::Origin;
use super::super::recovery;
use super::file::Budget;
use super::open::{self, FileId};
use crate::config::audit::Collector;

/// From where to where.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) spool: PathBuf,
    pub(super) address: Collector,
    pub(super) budget: Budget,
    pub(super) origin: Origin,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) sink: String,
}

/// The thread that sends.
#[derive(Debug)]
pub(super) struct Forwarder {
    thread: JoinHandle<()>,
    stop: Arc<AtomicBool>,
    sleeps: Arc<AtomicBool>,
}

impl Forwarder {
    pub(super) fn start(route: Route) -> io::Result<Self> {
        let (stop, sleeps) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let sending = Sending {
            route,
            stop: Arc::clone(&stop),
            sleeps: Arc::clone(&sleeps),
            connected_before: false,
        };
        let thread = std::thread::Builder::new()
            .name("audit-forward".to_owned())
            .spawn(move || sending.run())?;
        Ok(Self {
            thread,
            stop,
            sleeps,
        })
    }

    /// There is something to send.
    pub(super) fn wake(&self) {
        if self.sleeps.swap(false, Ordering::AcqRel) {
            self.thread.thread().unpark();
        }
    }

    /// Ends the sending. What was not sent stays in the spool; a collector that takes nothing is not waited for.
    pub(super) fn close(&self) {
        self.stop.store(true, Ordering::Release);
        self.thread.thread().unpark();
    }
}

#[derive(Debug)]
struct Sending {
    route: Route,
    stop: Arc<AtomicBool>,
    sleeps: Arc<AtomicBool>,
    connected_before: bool,
}

/// A file of the spool while it is sent.
#[derive(Debug)]
struct Segment {
    file: File,
    id: FileId,
}

trait Stream: Write + Send {}

impl<T: Write + Send> Stream for T {}

impl Sending {
    fn run(mut self) {
        let mut told = false;
        while !self.is_stopped() {
            let began = Instant::now();
            let Err(error) = self.connect().and_then(|stream| self.send_all(stream)) else {
                return;
            };
            if !told || began.elapsed() > RECONNECT {
                let sink = &self.route.sink;
                tracing::warn!(sink, %error, "an audit collector is away; its spool keeps what it misses");
            }
            told = true;
            std::thread::park_timeout(RECONNECT);
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    fn connect(&self) -> io::Result<Box<dyn Stream>> {
        match &self.route.address {
            Collector::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_write_timeout(Some(TAKES_NOTHING))?;
                Ok(Box::new(stream))
            }
            Collector::Tcp(address) => {
                let mut last = io::ErrorKind::NotFound.into();
                for address in address.to_socket_addrs()? {
                    match TcpStream::connect_timeout(&address, TAKES_NOTHING) {
                        Ok(stream) => {
                            stream.set_write_timeout(Some(TAKES_NOTHING))?;
                            return Ok(Box::new(stream));
                        }
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
        }
    }

    /// Over one connection, until it is lost or the sending ends.
    fn send_all(&mut self, mut stream: Box<dyn Stream>) -> io::Result<()> {
        let mut segment = self.oldest()?;
        if std::mem::replace(&mut self.connected_before, true) || !self.is_new()? {
            let Route {
                origin,
                sink,
                clock,
                ..
            } = &self.route;
            let from = recovery::beginning(&segment.file).map(|beginning| beginning.from);
            let line = origin.resent_line(sink, clock.now(), from);
            self.put(&mut stream, &line)?;
        }
        let mut sent_before = None;
        loop {
            self.send(&mut stream, &mut segment)?;
            if self.is_stopped() {
                return Ok(());
            }
            if let Some(next) = self.after(&segment)? {
                // Nothing is written to a file any more once there is one after it.
                self.send(&mut stream, &mut segment)?;
                if let Some(done) = sent_before.replace(segment.id) {
                    self.delete(done)?;
                }
                segment = next;
            } else {
                self.sleep();
            }
        }
    }

    /// Whether the spool holds nothing of an earlier start.
    fn is_new(&self) -> io::Result<bool> {
        let began = recovery::began(&File::open(&self.route.spool)?);
        let first = open::set_aside_files(&self.route.spool)?.is_empty();
        Ok(first && began == Some(self.route.origin.started_at))
    }

    fn sleep(&self) {
        self.sleeps.store(true, Ordering::Release);
        std::thread::park_timeout(LOOK);
        self.sleeps.store(false, Ordering::Release);
    }

    /// Sends the file up to its present end.
    fn send(&self, stream: &mut Box<dyn Stream>, segment: &mut Segment) -> io::Result<()> {
        let mut buffer = vec![0; CHUNK];
        loop {
            let count = segment.file.read(&mut buffer)?;
            let read = buffer.get(..count).unwrap_or_default();
            if read.is_empty() || self.is_stopped() {
                return Ok(());
            }
            self.put(stream, read)?;
        }
    }

    /// Sends all of it. A collector that takes nothing for a while is waited for, but not at shutdown.
    fn put(&self, stream: &mut Box<dyn Stream>, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match stream.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(error) if waits(&error) && !self.is_stopped() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn files(&self) -> io::Result<Vec<PathBuf>> {
        let mut files = open::set_aside_files(&self.route.spool)?;
        files.push(self.route.spool.clone());
        Ok(files)
    }

    fn oldest(&self) -> io::Result<Segment> {
        let files = self.files()?;
        Segment::open(files.first().unwrap_or(&self.route.spool))
    }

    /// The file after this one. While a file is being set aside there may be none at the spool's own path.
    fn after(&self, segment: &Segment) -> io::Result<Option<Segment>> {
        let mut files = self.files()?.into_iter();
        for file in files.by_ref() {
            match FileId::at(&file) {
                Ok(id) if id == segment.id => break,
                Ok(_) | Err(_) => {}
            }
        }
        let Some(next) = files.next() else {
            return Ok(None);
        };
        match Segment::open(&next) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some),
        }
    }

    fn delete(&self, id: FileId) -> io::Result<()> {
        for file in open::set_aside_files(&self.route.spool)? {
            if FileId::at(&file)? == id {
                let length = file.metadata()?.len();
                std::fs::remove_file(&file)?;
                self.route.budget.used.fetch_sub(length, Ordering::AcqRel);
            }
        }
        Ok(())
    }
}

impl Segment {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let id = FileId::of(&rustix::fs::fstat(&file)?);
        Ok(Self { file, id })
    }
}

fn waits(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

const CHUNK: usize = 64 << 10;
const LOOK: Duration = Duration::from_millis(500);
const RECONNECT: Duration = Duration::from_secs(1);
/// How long one write may take before it is looked whether to go on.
const TAKES_NOTHING: Duration = Duration::from_secs(1);
