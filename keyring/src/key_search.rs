//! The search for RSA key pairs, which takes up to seconds of one core each: few at a time, behind a fair queue, on
//! threads of the lowest priority. What waits ends with whoever waits for it.

use std::sync::Arc;
use std::thread;

use tokio::sync::{oneshot, watch};

use crate::algorithm::{KeyType, PairType};
use crate::error::Error;
use crate::fair_queue::{FairQueue, QueueBounds, QueueError, Turn};
use crate::ids::MountId;
use crate::lifecycle::Lifecycle;
use crate::observer::Observer;
use crate::pair::{Pair, PairError};
use crate::secret::SecretBytes;
use crate::transit::{Address, NewRing, Transit};
use crate::workers::give_way_to_all;

/// A key pair that is in no ring yet.
#[derive(Debug)]
pub struct FoundPair {
    /// Its type.
    pub(crate) pair_type: PairType,
    /// Its private half.
    pub(crate) pkcs8: SecretBytes,
    /// Its public half, a DER `SubjectPublicKeyInfo`.
    pub(crate) public_key: Vec<u8>,
}

impl FoundPair {
    /// A new key pair. An RSA pair takes up to seconds: see [`KeySearches`].
    pub(crate) fn generate(pair_type: PairType) -> Result<Self, PairError> {
        let pkcs8 = Pair::generate(pair_type)?;
        let pair = Pair::from_pkcs8(pair_type, pkcs8.expose_secret())?;
        Ok(Self {
            pair_type,
            public_key: pair.public_key().to_vec(),
            pkcs8,
        })
    }
}

/// The searches under way and those that wait.
#[derive(Debug)]
pub(crate) struct KeySearches {
    queue: FairQueue<Box<str>>,
    observer: Arc<dyn Observer>,
    is_closed: watch::Sender<bool>,
}

/// The right to search for one key pair.
#[derive(Debug)]
pub(crate) struct SearchTurn(Turn<Box<str>>);

impl KeySearches {
    pub(crate) fn new(bounds: QueueBounds, observer: Arc<dyn Observer>) -> Self {
        Self {
            queue: FairQueue::new(bounds),
            observer,
            is_closed: watch::Sender::new(false),
        }
    }

    /// A turn for this caller, behind others. Refused at once if its share, or the queue, is full.
    pub(crate) async fn turn(&self, caller: &str) -> Result<SearchTurn, Error> {
        let turn = self.queue.turn(caller.into()).await;
        turn.map(SearchTurn).map_err(|error| {
            self.observer.key_search_refused(error);
            match error {
                QueueError::Closed | QueueError::Full => Error::Busy,
                QueueError::ShareFull => Error::ShareFull,
            }
        })
    }

    /// A key pair for a timer. It waits behind no request, as only one timer asks at a time. [`Error::Busy`] as soon as
    /// the searches are closed.
    pub(crate) async fn for_timer(&self, pair_type: PairType) -> Result<FoundPair, Error> {
        let mut closed = self.is_closed.subscribe();
        tokio::select! {
            biased;
            _ = closed.wait_for(|closed| *closed) => Err(Error::Busy),
            found = search(pair_type, ()) => found,
        }
    }

    /// Gives up what waits, and begins nothing any more.
    pub(crate) fn close(&self) {
        self.is_closed.send_replace(true);
        self.queue.close();
    }

    /// Whether nothing is begun any more.
    pub(crate) fn is_closed(&self) -> bool {
        *self.is_closed.borrow()
    }

    /// The number of requests that wait for a key pair or have one searched for.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }
}

impl SearchTurn {
    /// Searches. The turn lasts as long as the search, whoever still waits for that.
    pub(crate) async fn search(self, pair_type: PairType) -> Result<FoundPair, Error> {
        search(pair_type, self.0).await
    }
}

/// Searches on a thread of its own, which nobody waits for when the process ends.
async fn search<T: Send + 'static>(pair_type: PairType, turn: T) -> Result<FoundPair, Error> {
    let (done, found) = oneshot::channel();
    let work = move || {
        give_way_to_all();
        let pair = FoundPair::generate(pair_type);
        drop(turn);
        // Nobody waits any more if the client hung up.
        let _ = done.send(pair);
    };
    let thread = thread::Builder::new().name("sealring-search".to_owned());
    thread.spawn(work).map_err(|_| Error::Worker)?;
    let found = found.await.map_err(|_| Error::Worker)?;
    found.map_err(|_| Error::Worker)
}

/// The pair type of keys that have to be searched for.
pub(crate) fn searched(key_type: KeyType) -> Option<PairType> {
    key_type.pair().filter(|pair| pair.is_rsa())
}

/// Key pairs for changes that are not begun yet: what waits here is given up with its future.
impl Transit {
    /// The key pair for a ring that [`create_with`](Self::create_with) is to make, if that takes a search and there is no
    /// such ring. [`Error::ShareFull`] at once if this caller waits for as many as it may, [`Error::Busy`] if all callers
    /// together do.
    pub async fn pair_for_ring(
        &self,
        at: &Address,
        new: &NewRing,
        caller: &str,
    ) -> Result<Option<FoundPair>, Error> {
        let Ok(key_type) = self.key_type_of(at, new) else {
            return Ok(None);
        };
        if searched(key_type).is_none() {
            return Ok(None);
        }
        self.found(caller, |life| {
            let (at, new) = (at.clone(), new.clone());
            async move { life.pair_wanted_by_ring(&at, &new, key_type).await }
        })
        .await
    }

    /// The key pair for the next version of a ring, for [`rotate_with`](Self::rotate_with), if that takes a search. Errors
    /// as of [`pair_for_ring`](Self::pair_for_ring).
    pub async fn pair_for_rotation(
        &self,
        at: &Address,
        if_version: Option<i64>,
        caller: &str,
    ) -> Result<Option<FoundPair>, Error> {
        self.found(caller, |life| {
            let at = at.clone();
            async move { life.pair_wanted_by_rotation(&at, if_version).await }
        })
        .await
    }

    /// The key pair for the wrapping key of a mount that has none yet. Errors as of
    /// [`pair_for_ring`](Self::pair_for_ring).
    pub async fn pair_for_wrapping_key(
        &self,
        mount: MountId,
        caller: &str,
    ) -> Result<Option<FoundPair>, Error> {
        self.found(caller, |life| async move {
            life.pair_wanted_by_wrapping(mount).await
        })
        .await
    }

    /// Gives up every search that waits, and begins none any more. For stopping, before requests are waited for.
    pub fn give_up_waiting(&self) {
        self.lifecycle.keys.searches.close();
    }

    /// The number of requests that wait for a key pair or have one searched for.
    pub fn searches(&self) -> usize {
        self.lifecycle.keys.searches.len()
    }

    async fn found<F>(
        &self,
        caller: &str,
        wanted: impl Fn(Arc<Lifecycle>) -> F,
    ) -> Result<Option<FoundPair>, Error>
    where
        F: Future<Output = Result<Option<PairType>, Error>> + Send + 'static,
    {
        if self.task(&wanted).await?.is_none() {
            return Ok(None);
        }
        let turn = self.lifecycle.keys.searches.turn(caller).await?;
        // While this one waited somebody else may have done what it is wanted for.
        match self.task(&wanted).await? {
            None => Ok(None),
            Some(pair_type) => turn.search(pair_type).await.map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observer::Unobserved;

    fn searches() -> KeySearches {
        let bounds = QueueBounds {
            at_once: 1,
            all: 2,
            share: 1,
        };
        KeySearches::new(bounds, Arc::new(Unobserved))
    }

    #[tokio::test]
    async fn a_caller_with_its_share_in_the_queue_is_refused_and_others_are_not() {
        let searches = searches();
        let turn = searches.turn("a").await.unwrap();
        assert!(matches!(searches.turn("a").await, Err(Error::ShareFull)));
        assert_eq!(searches.len(), 1);
        let found = turn.search(PairType::Rsa2048).await.unwrap();
        assert_eq!(found.pair_type, PairType::Rsa2048);
        assert_eq!(searches.len(), 0);
    }

    #[tokio::test]
    async fn a_timer_waits_for_no_request_and_for_nothing_once_searches_are_closed() {
        let searches = searches();
        let _turn = searches.turn("a").await.unwrap();
        assert!(searches.for_timer(PairType::Rsa2048).await.is_ok());
        searches.close();
        assert!(searches.is_closed());
        let refused = searches.for_timer(PairType::Rsa2048).await;
        assert!(matches!(refused, Err(Error::Busy)), "{refused:?}");
        assert!(matches!(searches.turn("b").await, Err(Error::Busy)));
    }
}
