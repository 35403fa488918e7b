//! The machine's syslog daemon: one message for each line.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;

use keyring::clock::{Clock, Timestamp};
use time::OffsetDateTime;

use super::super::encode::time_text;
use super::super::group::Position;
use super::{Output, Room};
use crate::config::audit::{SyslogFormat, SyslogSink};

/// The daemon, and how many lines of what is being written it has got.
#[derive(Debug)]
pub(in crate::audit) struct SyslogOutput {
    path: PathBuf,
    format: SyslogFormat,
    node: String,
    clock: Arc<dyn Clock>,
    socket: Option<Socket>,
    sent: usize,
}

#[derive(Debug)]
enum Socket {
    Datagram(UnixDatagram),
    Stream(UnixStream),
}

impl SyslogOutput {
    /// Reaches the daemon and begins a chain with this line.
    pub(in crate::audit) fn begin(
        sink: &SyslogSink,
        node: &str,
        clock: Arc<dyn Clock>,
        start: &[u8],
    ) -> io::Result<Self> {
        let mut output = Self {
            path: sink.path.clone(),
            format: sink.format,
            node: node.to_owned(),
            clock,
            socket: None,
            sent: 0,
        };
        output.send(start)?;
        Ok(output)
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let lines = bytes.split(|byte| *byte == b'\n');
        let lines = lines.filter(|line| !line.is_empty());
        for line in lines.skip(self.sent) {
            self.send_line(line)?;
            self.sent += 1;
        }
        self.sent = 0;
        Ok(())
    }

    fn send_line(&mut self, line: &[u8]) -> io::Result<()> {
        let mut message = self.head().into_bytes();
        message.extend_from_slice(line);
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => Socket::connect(&self.path)?,
        };
        // After an error the socket is gone, and the next try connects again.
        self.socket = Some(socket.send(message)?);
        Ok(())
    }

    /// What stands before the record in a message.
    fn head(&self) -> String {
        let now = self.clock.now();
        let pid = std::process::id();
        let mut head = format!("<{PRIORITY}>");
        let written = match self.format {
            SyslogFormat::Rfc3164 => write!(head, "{} sealring[{pid}]: ", short_time(now)),
            SyslogFormat::Rfc5424 => {
                let node: String = self.node.chars().filter(char::is_ascii_graphic).collect();
                let node = if node.is_empty() { "-" } else { &node };
                write!(head, "1 {} {node} sealring {pid} audit - ", time_text(now))
            }
        };
        written.expect("a String takes all text");
        head
    }
}

impl Socket {
    fn connect(path: &std::path::Path) -> io::Result<Self> {
        let datagram = UnixDatagram::unbound()?;
        match datagram.connect(path) {
            Ok(()) => Ok(Self::Datagram(datagram)),
            // EPROTOTYPE: it is a stream.
            Err(error)
                if error.raw_os_error() == Some(rustix::io::Errno::PROTOTYPE.raw_os_error()) =>
            {
                UnixStream::connect(path).map(Self::Stream)
            }
            Err(error) => Err(error),
        }
    }

    fn send(self, mut message: Vec<u8>) -> io::Result<Self> {
        match self {
            Self::Datagram(socket) => {
                socket.send(&message)?;
                Ok(Self::Datagram(socket))
            }
            Self::Stream(mut socket) => {
                message.push(b'\n');
                socket.write_all(&message)?;
                Ok(Self::Stream(socket))
            }
        }
    }
}

/// As the C library writes it, in UTC.
fn short_time(at: Timestamp) -> String {
    let time =
        OffsetDateTime::from_unix_timestamp(at.seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (_, month, day) = time.to_calendar_date();
    let (hour, minute, second) = time.to_hms();
    let month: String = month.to_string().chars().take(3).collect();
    format!("{month} {day:2} {hour:02}:{minute:02}:{second:02}")
}

impl Output for SyslogOutput {
    fn write(&mut self, bytes: &[u8], _at: &Position) -> io::Result<Room> {
        self.send(bytes).map(|()| Room::Enough)
    }
}

/// Facility `authpriv`, severity `info`.
const PRIORITY: u8 = 10 * 8 + 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_the_c_library_writes_them() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        assert_eq!(short_time(at(0)), "Jan  1 00:00:00");
        assert_eq!(short_time(at(951_868_799)), "Feb 29 23:59:59");
    }
}
