//! A long answer on its way to a client that may be slow to take it.

use std::cell::Cell;
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::Instant;

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;

use super::pace::Pace;
use crate::admission::{Admission, Held};
use crate::connection::Cutter;

/// Bytes handed to the connection slice by slice as it takes them, so that it copies no more than one ahead, and
/// counted against the budget of answers until the last one is taken.
#[derive(Debug)]
pub(super) struct Sliced {
    rest: Bytes,
    /// How many bytes were handed over.
    taken: Rc<Cell<usize>>,
    _held: Held,
}

/// What a long answer is watched with while it is sent.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) pace: Pace,
    pub(super) cutter: Cutter,
    pub(super) admission: Admission,
}

impl Sliced {
    /// The longest slice; what is shorter than one is better sent as it is.
    pub(super) const SLICE: usize = 64 * 1024;

    pub(super) fn new(bytes: Vec<u8>, held: Held) -> Self {
        Self {
            rest: bytes.into(),
            taken: Rc::default(),
            _held: held,
        }
    }

    /// Has the connection closed if the client falls behind the pace. A task of its own looks after that: the framework does
    /// not ask for the next slice while the connection is blocked.
    pub(super) fn watched(self, watch: Watch) -> Self {
        let taken = Rc::downgrade(&self.taken);
        actix_web::rt::spawn(async move { watch.until_sent(&taken).await });
        self
    }
}

impl Watch {
    /// Returns when all is handed over, or the connection is closed.
    async fn until_sent(self, taken: &Weak<Cell<usize>>) {
        let began = Instant::now();
        loop {
            tokio::time::sleep(self.pace.tick()).await;
            let Some(taken) = taken.upgrade() else {
                return;
            };
            if !self.pace.is_kept(taken.get(), began.elapsed()) {
                self.admission.gave_up_reader();
                return self.cutter.cut();
            }
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
        self.taken.set(self.taken.get().saturating_add(length));
        Poll::Ready(Some(Ok(self.rest.split_to(length))))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;

    use super::*;
    use crate::admission::{Bounds, Lane, Resource, Share};

    #[actix_web::test]
    async fn all_bytes_come_in_order_and_are_given_back_at_the_end() {
        let admission = Admission::new(&Bounds::default());
        let bytes: Vec<u8> = (0..=255).cycle().take(3 * Sliced::SLICE + 1).collect();
        let share = Share::of_nobody(Lane::General);
        let held = admission.hold(share, Resource::ReplyBytes, bytes.len());
        let sliced = Sliced::new(bytes.clone(), held.unwrap());
        let length = u64::try_from(bytes.len()).unwrap();
        assert_eq!(sliced.size(), BodySize::Sized(length));
        let in_use = || admission.in_use(Lane::General, Resource::ReplyBytes);
        assert_eq!(in_use(), bytes.len());
        assert_eq!(to_bytes(sliced).await.unwrap(), bytes);
        assert_eq!(in_use(), 0);
    }
}
