//! A stream that takes bytes and gives nothing back: standard output.

use std::fs::File;
use std::io::{self, Write as _};

use super::super::group::Position;
use super::{Output, Room};

/// What is written to, and how much of what is being written has gone.
#[derive(Debug)]
pub(in crate::audit) struct StreamOutput {
    stream: File,
    sent: usize,
}

impl StreamOutput {
    /// Begins a chain with this line.
    pub(in crate::audit) fn begin(stream: File, start: &[u8]) -> io::Result<Self> {
        let mut output = Self { stream, sent: 0 };
        output.send(start)?;
        Ok(output)
    }

    /// Sends what has not gone yet: a stream takes nothing back.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        while let Some(rest) = bytes.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.sent = 0;
        Ok(())
    }
}

impl Output for StreamOutput {
    fn write(&mut self, bytes: &[u8], _at: &Position) -> io::Result<Room> {
        self.send(bytes).map(|()| Room::Enough)
    }
}
