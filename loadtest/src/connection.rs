//! One keep-alive connection with at most one request under way.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::http::{Head, HeadError};

/// A connection and the bytes of its last answer.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    /// Connects, with Nagle's algorithm off.
    pub(crate) async fn open(target: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(target).await?;
        stream.set_nodelay(true)?;
        Ok(Self::over(stream))
    }

    /// A connection over a stream that is there already.
    pub(crate) fn over(stream: TcpStream) -> Self {
        Self {
            stream,
            answer: Vec::with_capacity(ANSWER_CAPACITY),
        }
    }

    /// Sends a whole request and reads a whole answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> io::Result<Head> {
        self.answer.clear();
        self.stream.write_all(request).await?;
        loop {
            self.read_more().await?;
            match Head::parse(&self.answer) {
                Ok(head) => return self.read_body(head).await,
                Err(HeadError::Incomplete) => {}
                Err(HeadError::Malformed) => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
    }

    /// The head of the last answer, as bytes.
    pub(crate) fn head(&self, head: &Head) -> &[u8] {
        self.answer.get(..head.bytes).unwrap_or_default()
    }

    /// The body of the last answer.
    pub(crate) fn body(&self, head: &Head) -> &[u8] {
        self.answer.get(head.bytes..).unwrap_or_default()
    }

    async fn read_body(&mut self, head: Head) -> io::Result<Head> {
        let whole = head.bytes.saturating_add(head.body_bytes);
        if whole > LARGEST_ANSWER {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.answer.reserve(whole.saturating_sub(self.answer.len()));
        while self.answer.len() < whole {
            self.read_more().await?;
        }
        if self.answer.len() > whole {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(head)
    }

    async fn read_more(&mut self) -> io::Result<()> {
        if self.stream.read_buf(&mut self.answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

const ANSWER_CAPACITY: usize = 16 << 10;
const LARGEST_ANSWER: usize = 256 << 20;
