//! The little HTTP/1.1 (RFC 9112) a generator needs: a request's bytes, and the head of an answer.

/// The bytes of a POST with a JSON body.
pub(crate) fn post(host: &str, path: &str, token: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nX-Vault-Token: {token}\r\nX-Vault-Request: true\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The bytes of a GET.
pub(crate) fn get(host: &str, path: &str, token: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nX-Vault-Token: {token}\r\nX-Vault-Request: true\r\n\r\n")
        .into_bytes()
}

/// What the head of an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The status code.
    pub(crate) status: u16,
    /// Length of the head, its empty line included.
    pub(crate) bytes: usize,
    /// Length of the body.
    pub(crate) body_bytes: usize,
    /// Whether the server will close the connection.
    pub(crate) closes: bool,
}

/// Why bytes are no answer that the generator understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadError {
    /// More bytes are needed.
    Incomplete,
    /// Not HTTP/1.1, or a body without a length.
    Malformed,
}

impl Head {
    /// Reads the head at the front of these bytes.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, HeadError> {
        let end = end_of_head(bytes).ok_or(HeadError::Incomplete)?;
        let head = bytes.get(..end).ok_or(HeadError::Incomplete)?;
        let mut lines = head.split(|byte| *byte == b'\n');
        let status = lines.next().and_then(status).ok_or(HeadError::Malformed)?;
        let mut body_bytes = (status == 204 || status == 304).then_some(0);
        let mut closes = false;
        for line in lines {
            if let Some(value) = field(line, b"content-length:") {
                body_bytes = Some(decimal(value).ok_or(HeadError::Malformed)?);
            } else if let Some(value) = field(line, b"connection:") {
                closes = value.eq_ignore_ascii_case(b"close");
            }
        }
        Ok(Self {
            status,
            bytes: end,
            body_bytes: body_bytes.ok_or(HeadError::Malformed)?,
            closes,
        })
    }
}

/// The fields of a head as `name: value`, without those every server writes for itself.
pub(crate) fn constant_fields(head: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(head);
    text.lines()
        .skip(1)
        .filter(|line| !line.is_empty())
        .filter(|line| {
            let name = line.split(':').next().unwrap_or(line).to_ascii_lowercase();
            !["content-length", "date", "connection"].contains(&name.as_str())
        })
        .map(str::to_owned)
        .collect()
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(rest) = bytes.get(from..) {
        let newline = rest.iter().position(|byte| *byte == b'\n')?;
        let after = from + newline + 1;
        if bytes.get(after..)?.starts_with(b"\r\n") {
            return Some(after + 2);
        }
        from = after;
    }
    None
}

fn status(line: &[u8]) -> Option<u16> {
    let rest = line.strip_prefix(b"HTTP/1.1 ")?;
    let code = decimal(rest.get(..3)?)?;
    u16::try_from(code).ok()
}

fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

fn decimal(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_up_to_its_body() {
        let head =
            b"HTTP/1.1 200 OK\r\nContent-LENGTH:  12 \r\ncontent-type: application/json\r\n\r\n";
        let mut bytes = head.to_vec();
        bytes.extend_from_slice(b"{\"a\":\"\\n\\n\"}");
        let expected = Head {
            status: 200,
            bytes: head.len(),
            body_bytes: 12,
            closes: false,
        };
        assert_eq!(Head::parse(&bytes), Ok(expected));
        for short in 0..head.len() {
            assert_eq!(Head::parse(&bytes[..short]), Err(HeadError::Incomplete));
        }
    }

    #[test]
    fn no_content_needs_no_length() {
        let head =
            Head::parse(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").expect("parses");
        assert_eq!((head.body_bytes, head.closes), (0, true));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let wrong: [&[u8]; 4] = [
            b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            b"HTTP/1.1 2x0 OK\r\nContent-Length: 1\r\n\r\n",
        ];
        for bytes in wrong {
            assert_eq!(Head::parse(bytes), Err(HeadError::Malformed));
        }
    }

    #[test]
    fn a_null_answer_copies_only_what_its_own_stack_does_not_write() {
        let head =
            b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\nCache-Control: no-store\r\ndate: now\r\n\r\n";
        assert_eq!(constant_fields(head), ["Cache-Control: no-store"]);
    }
}
