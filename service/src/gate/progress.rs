//! Unlock shares that came in one by one, until there are enough to try.

use std::time::Duration;

use keyring::secret::SecretBytes;
use keyring::shares::{ShareError, UnlockShare};
use uuid::Uuid;

/// What has come in. Anybody may bring shares, so nothing that comes later pushes out what is there: shares of different
/// sets are kept apart, and of new sets only so many are begun. Time is the clock's uptime.
#[derive(Debug)]
pub(super) struct Progress {
    /// How many shares open the store.
    threshold: u8,
    sets: Vec<ShareSet>,
    /// Names the attempt that began with the first share.
    nonce: Option<Uuid>,
}

#[derive(Debug)]
struct ShareSet {
    id: Vec<u8>,
    begun: Duration,
    shares: Vec<(u8, SecretBytes)>,
}

/// Where a share has led.
#[derive(Debug)]
pub(super) enum Step {
    /// More shares are needed.
    More,
    /// These are enough to try; they are forgotten here.
    Enough(Vec<SecretBytes>),
}

/// Why a share was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShareRefusal {
    /// Shares of as many other sets are waiting as are kept.
    #[error("unlock shares of too many sets are waiting")]
    Full,
    /// It is no share, or not one of this store's.
    #[error(transparent)]
    Share(#[from] ShareError),
}

impl Progress {
    /// Nothing has come in for a store that this many shares open.
    pub(super) const fn new(threshold: u8) -> Self {
        Self {
            threshold,
            sets: Vec::new(),
            nonce: None,
        }
    }

    /// Takes a share in. One that is there already changes nothing.
    pub(super) fn add(&mut self, text: &SecretBytes, now: Duration) -> Result<Step, ShareRefusal> {
        self.expire(now);
        let share = std::str::from_utf8(text.expose_secret()).map_err(|_| ShareError::Malformed)?;
        let share = UnlockShare::parse(share)?;
        // What a share says of itself can be forged, and must not make few shares look like enough.
        if share.threshold() != self.threshold {
            return Err(ShareError::OtherSet.into());
        }
        let place = self.place_of(&share, now)?;
        self.nonce.get_or_insert_with(Uuid::new_v4);
        let Some(set) = self.sets.get_mut(place) else {
            return Ok(Step::More);
        };
        if !set.shares.iter().any(|(known, _)| *known == share.number()) {
            let text = share.expose_text().as_bytes().to_vec();
            set.shares.push((share.number(), SecretBytes::new(text)));
        }
        if set.shares.len() < usize::from(self.threshold) {
            return Ok(Step::More);
        }
        let shares = self.sets.remove(place).shares;
        self.nonce = None;
        Ok(Step::Enough(
            shares.into_iter().map(|(_, text)| text).collect(),
        ))
    }

    /// The first complete set among these shares. What came in before counts for nothing here, and none of these is kept.
    pub(super) fn complete_among(
        &self,
        shares: &[SecretBytes],
    ) -> Result<Option<Vec<SecretBytes>>, ShareRefusal> {
        let mut own = Self::new(self.threshold);
        for share in shares {
            if let Step::Enough(complete) = own.add(share, Duration::ZERO)? {
                return Ok(Some(complete));
            }
        }
        Ok(None)
    }

    /// How many shares there are of the set that has most.
    pub(super) fn count(&self) -> usize {
        let counts = self.sets.iter().map(|set| set.shares.len());
        counts.max().unwrap_or(0)
    }

    /// The name of the attempt, if one is under way.
    pub(super) const fn nonce(&self) -> Option<Uuid> {
        self.nonce
    }

    /// Forgets all of them.
    pub(super) fn reset(&mut self) {
        self.nonce = None;
        self.sets.clear();
    }

    /// Forgets the sets that were not completed in time.
    pub(super) fn expire(&mut self, now: Duration) {
        self.sets
            .retain(|set| now.saturating_sub(set.begun) < MAX_AGE);
        if self.sets.is_empty() {
            self.nonce = None;
        }
    }

    fn place_of(&mut self, share: &UnlockShare, now: Duration) -> Result<usize, ShareRefusal> {
        let id = share.set();
        if let Some(known) = self.sets.iter().position(|set| set.id == id) {
            return Ok(known);
        }
        if self.sets.len() >= MAX_SETS {
            return Err(ShareRefusal::Full);
        }
        self.sets.push(ShareSet {
            id: id.to_vec(),
            begun: now,
            shares: Vec::new(),
        });
        Ok(self.sets.len() - 1)
    }
}

const MAX_SETS: usize = 16;
/// How long a set may take from its first share on.
const MAX_AGE: Duration = Duration::from_mins(10);

#[cfg(test)]
mod tests {
    use keyring::entropy::SystemEntropy;
    use keyring::shares::split;

    use super::*;

    const START: Duration = Duration::from_secs(1_000);

    fn shares(count: u8, threshold: u8) -> Vec<SecretBytes> {
        let shares = split(&[7; 32], count, threshold, &SystemEntropy).unwrap();
        let texts = shares.iter().map(UnlockShare::expose_text);
        texts
            .map(|text| SecretBytes::new(text.as_bytes().to_vec()))
            .collect()
    }

    fn is_enough(step: Result<Step, ShareRefusal>) -> Option<usize> {
        match step.unwrap() {
            Step::More => None,
            Step::Enough(shares) => Some(shares.len()),
        }
    }

    #[test]
    fn the_threshold_is_enough_in_any_order_and_then_all_is_forgotten() {
        let mut progress = Progress::new(3);
        let all = shares(5, 3);
        assert_eq!(is_enough(progress.add(&all[4], START)), None);
        assert_eq!(is_enough(progress.add(&all[1], START)), None);
        assert_eq!(progress.count(), 2);
        assert_eq!(is_enough(progress.add(&all[2], START)), Some(3));
        assert_eq!((progress.count(), progress.nonce()), (0, None));
    }

    #[test]
    fn a_share_counts_once() {
        let mut progress = Progress::new(2);
        let all = shares(3, 2);
        for _ in 0..3 {
            assert_eq!(is_enough(progress.add(&all[0], START)), None);
        }
        assert_eq!(progress.count(), 1);
        progress.reset();
        assert_eq!(progress.count(), 0);
    }

    #[test]
    fn shares_of_other_sets_push_nothing_out_and_take_bounded_room() {
        let mut progress = Progress::new(2);
        let own = shares(2, 2);
        assert_eq!(is_enough(progress.add(&own[0], START)), None);
        for _ in 1..MAX_SETS {
            assert_eq!(is_enough(progress.add(&shares(2, 2)[0], START)), None);
        }
        let refused = progress.add(&shares(2, 2)[0], START).unwrap_err();
        assert_eq!(refused, ShareRefusal::Full);
        assert_eq!(is_enough(progress.add(&own[1], START)), Some(2));
        assert_eq!(is_enough(progress.add(&shares(2, 2)[0], START)), None);
    }

    #[test]
    fn a_set_that_is_not_completed_in_time_is_forgotten() {
        let mut progress = Progress::new(2);
        let (early, late) = (shares(2, 2), shares(2, 2));
        progress.add(&early[0], START).unwrap();
        let just_in_time = (START + MAX_AGE).saturating_sub(Duration::from_nanos(1));
        progress.add(&late[0], just_in_time).unwrap();
        assert_eq!(progress.sets.len(), 2);
        assert_eq!(is_enough(progress.add(&early[1], START + MAX_AGE)), None);
        assert_eq!(is_enough(progress.add(&late[1], START + MAX_AGE)), Some(2));
        progress.expire(START + 2 * MAX_AGE);
        assert_eq!((progress.count(), progress.nonce()), (0, None));
    }

    #[test]
    fn a_share_with_another_threshold_is_none_of_this_store() {
        let mut progress = Progress::new(2);
        for (count, threshold) in [(1, 1), (3, 3)] {
            let refused = progress.add(&shares(count, threshold)[0], START);
            assert_eq!(
                refused.unwrap_err(),
                ShareRefusal::Share(ShareError::OtherSet)
            );
        }
        assert_eq!((progress.count(), progress.nonce()), (0, None));
    }

    #[test]
    fn shares_given_at_once_stand_by_themselves() {
        let mut progress = Progress::new(2);
        let all = shares(3, 2);
        progress.add(&all[0], START).unwrap();
        let complete = |given: &[SecretBytes]| progress.complete_among(given).unwrap();
        assert_eq!(complete(&all[1..]).map(|set| set.len()), Some(2));
        assert!(complete(&all[1..2]).is_none());
        let mut mixed = shares(2, 2);
        mixed.truncate(1);
        mixed.push(SecretBytes::new(all[1].expose_secret().to_vec()));
        assert!(complete(&mixed).is_none());
        assert_eq!(progress.count(), 1);
    }

    #[test]
    fn what_is_no_share_is_refused() {
        let mut progress = Progress::new(2);
        let mistyped = SecretBytes::new(b"sealring-share-1:00".to_vec());
        assert!(progress.add(&mistyped, START).is_err());
        assert_eq!(progress.count(), 0);
    }
}
