//! Offers to change the protocol (`Connection: Upgrade`, RFC 9110): made illegible before the framework reads them.
//!
//! None is ever taken: a connection speaks HTTP/1.1 to its end. The framework would close the connection after its answer to a
//! request with such an offer, unannounced, and lose the request that the client sends next. So one letter of the word is
//! overwritten. No length changes and no other header is touched; bodies are passed by their lengths and never looked into.

mod chunks;
mod head;
mod stream;

pub(super) use self::stream::WithoutOffers;

use self::chunks::Chunks;
use self::head::Head;

/// Where the bytes of one connection are, from its first request on.
#[derive(Debug, Default)]
struct Offers {
    at: At,
}

#[derive(Debug)]
enum At {
    /// Behind what the framework is going to refuse: nothing is looked at any more.
    Beyond,
    /// In a body of which so many bytes are left.
    Body(u64),
    /// In a body of chunks.
    Chunks(Chunks),
    /// In a head, or before one.
    Head(Head),
}

impl Default for At {
    fn default() -> Self {
        Self::Head(Head::default())
    }
}

impl Offers {
    /// Makes the offers in the next bytes of the connection illegible.
    fn conceal(&mut self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            let (passed, next) = match &mut self.at {
                At::Beyond => return,
                At::Body(left) => {
                    let passed = pass(left, bytes.len());
                    (passed, (*left == 0).then(At::default))
                }
                At::Chunks(chunks) => chunks.read(bytes),
                At::Head(head) => head.conceal(bytes),
            };
            if let Some(next) = next {
                self.at = next;
            }
            let passed = passed.min(bytes.len());
            bytes = bytes.split_at_mut(passed).1;
        }
    }
}

/// Takes as many of these bytes off what is left as there are, and says how many.
fn pass(left: &mut u64, bytes: usize) -> usize {
    let passed = usize::try_from(*left).map_or(bytes, |left| left.min(bytes));
    *left = u64::try_from(passed).map_or(0, |passed| left.saturating_sub(passed));
    passed
}

/// How many bytes there are up to the end of this line, and whether it ends in them.
fn line(bytes: &[u8]) -> (usize, bool) {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    end.map_or((bytes.len(), false), |end| (end + 1, true))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the framework reads of a connection that comes in pieces of this length.
    fn read(sent: &str, piece: usize) -> String {
        let mut bytes = sent.as_bytes().to_vec();
        let mut offers = Offers::default();
        for piece in bytes.chunks_mut(piece) {
            offers.conceal(piece);
        }
        String::from_utf8(bytes).unwrap()
    }

    fn assert_read(sent: &str, expected: &str) {
        for piece in 1..=sent.len() {
            assert_eq!(read(sent, piece), expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn only_the_option_of_the_connection_becomes_another_word() {
        assert_read(
            "GET /upgrade HTTP/1.1\r\nhost: upgrade\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
            "GET /upgrade HTTP/1.1\r\nhost: upgrade\r\nConnection: Upgrad-, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
        );
        assert_read(
            "GET / HTTP/1.1\r\nCONNECTION:keep-alive , \tUPGRADE\r\nconnection: upgrade\r\n\r\n",
            "GET / HTTP/1.1\r\nCONNECTION:keep-alive , \tUPGRAD-\r\nconnection: upgrad-\r\n\r\n",
        );
        let plain = "GET / HTTP/1.1\r\nConnection: no upgrade\r\nconnections: upgrade\r\nproxy-connection: upgrade\r\n\r\n";
        assert_read(plain, plain);
    }

    #[test]
    fn requests_behind_bodies_are_found_and_bodies_stay() {
        let offer = "connection: upgrade\r\n";
        let taken = "connection: upgrad-\r\n";
        for (framing, body) in [
            ("content-length: 23\r\n", "\r\nconnection: upgrade\r\n"),
            ("Content-Length:  0\t\r\n", ""),
            (
                "Transfer-Encoding: chunked\r\n",
                "15;name=\"x\"\r\nconnection: upgrade\r\n\r\n0\r\ntrailer: 1\r\n\r\n",
            ),
            ("transfer-encoding: chunked\r\n", "0\r\n\r\n"),
        ] {
            let sent = |option: &str| {
                let one = format!("POST / HTTP/1.1\r\n{framing}{option}\r\n{body}");
                format!("{one}{one}\r\n{one}GET / HTTP/1.1\n{option}\n")
            };
            assert_read(&sent(offer), &sent(taken));
        }
    }

    #[test]
    fn what_is_broken_is_left_alone_from_there_on() {
        for broken in [
            "content-length: x\r\n",
            "content-length: 99999999999999999999999\r\n",
            "content-length: 1\r\ncontent-length: 1\r\n",
        ] {
            let sent = format!("POST / HTTP/1.1\r\n{broken}connection: upgrade\r\n\r\n");
            assert_read(&sent, &sent);
        }
    }

    proptest! {
        #[test]
        fn no_length_ever_changes_and_pieces_make_no_difference(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "POST / HTTP/1.1\r\n", "\r\n", "\n", "connection: ", "upgrade", ",", "content-length: 3\r\n",
                    "transfer-encoding: chunked\r\n", "0\r\n", "2\r\nab\r\n", "x", ":", "\r", "ffffffffffffffffff\r\n",
                ]),
                0..24,
            ),
            piece in 1_usize..40,
        ) {
            let sent = parts.concat();
            let whole = read(&sent, sent.len().max(1));
            prop_assert_eq!(whole.len(), sent.len());
            prop_assert_eq!(read(&sent, piece), whole);
        }
    }
}
