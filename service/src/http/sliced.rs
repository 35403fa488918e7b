//! A long answer on its way to a client that may be slow to take it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;

use crate::admission::Held;

/// Bytes handed to the connection slice by slice as it takes them, so that it copies no more than one ahead, and
/// counted against the budget of answers until the last one is taken.
#[derive(Debug)]
pub(super) struct Sliced {
    rest: Bytes,
    _held: Held,
}

impl Sliced {
    /// The longest slice; what is shorter than one is better sent as it is.
    pub(super) const SLICE: usize = 64 * 1024;

    pub(super) fn new(bytes: Vec<u8>, held: Held) -> Self {
        Self {
            rest: bytes.into(),
            _held: held,
        }
    }
}

impl MessageBody for Sliced {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(u64::try_from(self.rest.len()).unwrap_or(u64::MAX))
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.rest.len().min(Self::SLICE);
        Poll::Ready(Some(Ok(self.rest.split_to(length))))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;

    use super::*;
    use crate::admission::Admission;

    #[actix_web::test]
    async fn all_bytes_come_in_order_and_are_given_back_at_the_end() {
        let admission = Admission::new(1, 0);
        let bytes: Vec<u8> = (0..=255).cycle().take(3 * Sliced::SLICE + 1).collect();
        let held = admission.reply(bytes.len()).unwrap();
        let sliced = Sliced::new(bytes.clone(), held);
        let length = u64::try_from(bytes.len()).unwrap();
        assert_eq!(sliced.size(), BodySize::Sized(length));
        assert!(admission.reply(Admission::ONE_REPLY).is_none());
        assert_eq!(to_bytes(sliced).await.unwrap(), bytes);
        assert!(admission.reply(Admission::ONE_REPLY).is_some());
    }
}
