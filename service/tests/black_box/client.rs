//! HTTP/1.1 as it goes over the wire: one request, one connection, every byte in reach.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use rustix::net::{self, AddressFamily, SocketType};
use serde_json::Value;

/// An answer, whole.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A header's value; names are in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {} {}", self.status, self.text()))
    }

    /// The same, or null where there is no body.
    pub(crate) fn json_or_null(&self) -> Value {
        if self.body.is_empty() {
            Value::Null
        } else {
            self.json()
        }
    }

    /// The `data` of an answer that must be a success.
    pub(crate) fn data(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()["data"].take()
    }

    /// The items of a batch, whatever its status.
    pub(crate) fn items(&self) -> Vec<Value> {
        let items = self.json()["data"]["batch_results"].take();
        serde_json::from_value(items)
            .unwrap_or_else(|error| panic!("{error} in {} {}", self.status, self.text()))
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        serde_json::from_value(self.json()["warnings"].take()).unwrap_or_default()
    }

    /// The status and the one error of a refusal; an empty text for an empty list.
    pub(crate) fn refusal(&self) -> (u16, String) {
        let json = self.json();
        let errors = json["errors"].as_array();
        let errors = errors.unwrap_or_else(|| panic!("{} {}", self.status, self.text()));
        assert_eq!(json.as_object().map(serde_json::Map::len), Some(1));
        match errors.as_slice() {
            [] => (self.status, String::new()),
            [one] => (self.status, one.as_str().unwrap().to_owned()),
            more => panic!("{more:?}"),
        }
    }
}

/// The text that Go's multierror makes of one error.
pub(crate) fn multi(text: &str) -> String {
    format!("1 error occurred:\n\t* {text}\n\n")
}

/// A request under construction.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    address: String,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(address: &str, method: &str, path: &str) -> Self {
        Self {
            address: address.to_owned(),
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: impl IntoBody) -> Self {
        self.body = body.into_body();
        self
    }

    /// The head as it is sent, with the body's length.
    fn head(&self) -> String {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: localhost\r\n",
            self.method, self.path
        );
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        write!(head, "Content-Length: {}\r\n\r\n", self.body.len()).unwrap();
        head
    }

    pub(crate) fn send(&self) -> Answer {
        let shown = format!("{} {}", self.method, self.path);
        self.try_send()
            .unwrap_or_else(|error| panic!("{shown}: {error}"))
    }

    /// Sends it to a service that may be going away.
    pub(crate) fn try_send(&self) -> io::Result<Answer> {
        self.send_over(&mut Wire::connect(&self.address)?)
    }

    /// Sends it from this address of this machine.
    pub(crate) fn send_from(&self, address: IpAddr) -> Answer {
        let from = SocketAddr::new(address, 0);
        let to: SocketAddr = self.address.parse().unwrap();
        let socket = net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        net::bind(&socket, &from).unwrap();
        net::connect(&socket, &to).unwrap();
        let mut wire = Wire::over(TcpStream::from(socket));
        self.send_over(&mut wire).unwrap()
    }

    /// Sends it over a connection that is there already.
    pub(crate) fn send_over<S: Read + Write>(&self, wire: &mut Wire<S>) -> io::Result<Answer> {
        let mut bytes = self.head().into_bytes();
        bytes.extend_from_slice(&self.body);
        wire.send(&bytes)?;
        wire.answer(self.method == "HEAD")
    }

    /// Sends the head and a part of the body; the rest follows when the caller wants it to.
    pub(crate) fn begin(&self, part: usize) -> Begun {
        let mut wire = Wire::connect(&self.address).unwrap();
        let (now, later) = self.body.split_at(part);
        let bytes = [self.head().as_bytes(), now].concat();
        wire.send(&bytes).unwrap();
        Begun {
            wire,
            rest: later.to_vec(),
        }
    }
}

/// A request whose body is not whole yet.
#[derive(Debug)]
pub(crate) struct Begun {
    wire: Wire,
    rest: Vec<u8>,
}

impl Begun {
    pub(crate) fn finish(mut self) -> Answer {
        self.wire.send(&self.rest).unwrap();
        self.wire.answer(false).unwrap()
    }

    /// Sends a part of what is left.
    pub(crate) fn send_some(&mut self, bytes: usize) -> io::Result<()> {
        let later = self.rest.split_off(bytes.min(self.rest.len()));
        let now = std::mem::replace(&mut self.rest, later);
        self.wire.send(&now)
    }

    /// Everything that comes until the other side closes.
    pub(crate) fn rest(self) -> Vec<u8> {
        self.wire.rest()
    }

    /// Whether it is answered already, or cut off.
    pub(crate) fn is_answered(&self) -> bool {
        let stream = self.wire.stream.get_ref();
        stream.set_nonblocking(true).unwrap();
        let found = stream.peek(&mut [0]);
        stream.set_nonblocking(false).unwrap();
        !matches!(found, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// The answer to what was sent so far.
    pub(crate) fn answer_now(&mut self) -> Answer {
        self.wire.answer(false).unwrap()
    }
}

/// What a body can be made of.
pub(crate) trait IntoBody {
    fn into_body(self) -> Vec<u8>;
}

impl IntoBody for Value {
    fn into_body(self) -> Vec<u8> {
        self.to_string().into_bytes()
    }
}

impl IntoBody for &Value {
    fn into_body(self) -> Vec<u8> {
        self.to_string().into_bytes()
    }
}

impl IntoBody for &str {
    fn into_body(self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }
}

impl IntoBody for &[u8] {
    fn into_body(self) -> Vec<u8> {
        self.to_vec()
    }
}

impl IntoBody for String {
    fn into_body(self) -> Vec<u8> {
        self.into_bytes()
    }
}

/// A connection of one's own.
#[derive(Debug)]
pub(crate) struct Wire<S: Read = TcpStream> {
    stream: BufReader<S>,
}

impl Wire {
    pub(crate) fn connect(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        // Nothing here takes that long; a test that would hang fails instead.
        stream.set_read_timeout(Some(Duration::from_mins(1)))?;
        Ok(Self::over(stream))
    }

    pub(crate) fn end_sending(&self) {
        drop(self.stream.get_ref().shutdown(Shutdown::Write));
    }
}

impl<S: Read + Write> Wire<S> {
    /// A connection over any stream.
    pub(crate) fn over(stream: S) -> Self {
        Self {
            stream: BufReader::new(stream),
        }
    }

    pub(crate) fn stream(&self) -> &S {
        self.stream.get_ref()
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// The next answer that is not interim.
    pub(crate) fn answer(&mut self, headless: bool) -> io::Result<Answer> {
        loop {
            let (status, headers) = self.head()?;
            if status < 200 {
                continue;
            }
            let mut answer = Answer {
                status,
                headers,
                body: Vec::new(),
            };
            let length: usize = answer
                .header("content-length")
                .map_or(0, |text| text.parse().unwrap());
            assert_eq!(answer.header("transfer-encoding"), None);
            if !headless {
                answer.body.resize(length, 0);
                self.stream.read_exact(&mut answer.body)?;
            }
            return Ok(answer);
        }
    }

    /// The status of an interim answer.
    pub(crate) fn interim(&mut self) -> io::Result<u16> {
        self.head().map(|(status, _)| status)
    }

    fn head(&mut self) -> io::Result<(u16, Vec<(String, String)>)> {
        let first = self.line()?;
        let status = first
            .strip_prefix("HTTP/1.1 ")
            .or_else(|| first.strip_prefix("HTTP/1.0 "))
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .unwrap_or_else(|| panic!("not a status line: {first:?}"));
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else {
                return Ok((status, headers));
            };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }

    /// Everything until the other side closes.
    pub(crate) fn rest(mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A reset says as much as an end does.
        drop(self.stream.read_to_end(&mut bytes));
        bytes
    }
}
