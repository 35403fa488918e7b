//! Unlock shares that came in one by one, until there are enough to try.

use std::collections::VecDeque;

use keyring::secret::SecretBytes;
use keyring::shares::{ShareError, UnlockShare};
use uuid::Uuid;

/// What has come in. Shares of different sets are kept apart, so that a foreign share spoils nothing; of many sets
/// the ones begun last are kept.
#[derive(Debug, Default)]
pub(super) struct Progress {
    sets: VecDeque<ShareSet>,
    /// Names the attempt that began with the first share.
    nonce: Option<Uuid>,
}

#[derive(Debug)]
struct ShareSet {
    id: Vec<u8>,
    threshold: u8,
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

impl Progress {
    /// Takes a share in. One that is there already changes nothing.
    pub(super) fn add(&mut self, text: &SecretBytes) -> Result<Step, ShareError> {
        let share = std::str::from_utf8(text.expose_secret()).map_err(|_| ShareError::Malformed)?;
        let share = UnlockShare::parse(share)?;
        let place = self.place_of(&share);
        self.nonce.get_or_insert_with(Uuid::new_v4);
        let Some(set) = self.sets.get_mut(place) else {
            return Ok(Step::More);
        };
        if !set.shares.iter().any(|(known, _)| *known == share.number()) {
            let text = share.expose_text().as_bytes().to_vec();
            set.shares.push((share.number(), SecretBytes::new(text)));
        }
        if set.shares.len() < usize::from(set.threshold) {
            return Ok(Step::More);
        }
        let complete = self.sets.remove(place);
        self.nonce = None;
        let shares = complete.into_iter().flat_map(|set| set.shares);
        Ok(Step::Enough(shares.map(|(_, text)| text).collect()))
    }

    /// How many shares there are of the set that has most.
    pub(super) fn count(&self) -> usize {
        let counts = self.sets.iter().map(|set| set.shares.len());
        counts.max().unwrap_or(0)
    }

    /// The name of the attempt, if one is under way.
    pub(super) fn nonce(&self) -> Option<Uuid> {
        self.nonce
    }

    /// Forgets all of them.
    pub(super) fn reset(&mut self) {
        self.nonce = None;
        self.sets.clear();
    }

    fn place_of(&mut self, share: &UnlockShare) -> usize {
        let id = share.set();
        let known = self
            .sets
            .iter()
            .position(|set| set.id == id && set.threshold == share.threshold());
        known.unwrap_or_else(|| {
            if self.sets.len() == MAX_SETS {
                self.sets.pop_front();
            }
            self.sets.push_back(ShareSet {
                id: id.to_vec(),
                threshold: share.threshold(),
                shares: Vec::new(),
            });
            self.sets.len() - 1
        })
    }
}

const MAX_SETS: usize = 16;

#[cfg(test)]
mod tests {
    use keyring::entropy::SystemEntropy;
    use keyring::shares::split;

    use super::*;

    fn shares(count: u8, threshold: u8) -> Vec<SecretBytes> {
        let shares = split(&[7; 32], count, threshold, &SystemEntropy).unwrap();
        let texts = shares.iter().map(UnlockShare::expose_text);
        texts
            .map(|text| SecretBytes::new(text.as_bytes().to_vec()))
            .collect()
    }

    fn is_enough(step: Result<Step, ShareError>) -> Option<usize> {
        match step.unwrap() {
            Step::More => None,
            Step::Enough(shares) => Some(shares.len()),
        }
    }

    #[test]
    fn the_threshold_is_enough_in_any_order_and_then_all_is_forgotten() {
        let mut progress = Progress::default();
        let all = shares(5, 3);
        assert_eq!(is_enough(progress.add(&all[4])), None);
        assert_eq!(is_enough(progress.add(&all[1])), None);
        assert_eq!(progress.count(), 2);
        assert_eq!(is_enough(progress.add(&all[2])), Some(3));
        assert_eq!(progress.count(), 0);
    }

    #[test]
    fn a_share_counts_once() {
        let mut progress = Progress::default();
        let all = shares(3, 2);
        for _ in 0..3 {
            assert_eq!(is_enough(progress.add(&all[0])), None);
        }
        assert_eq!(progress.count(), 1);
        progress.reset();
        assert_eq!(progress.count(), 0);
    }

    #[test]
    fn shares_of_other_sets_spoil_nothing_and_take_bounded_room() {
        let mut progress = Progress::default();
        for _ in 0..40 {
            assert_eq!(is_enough(progress.add(&shares(2, 2)[0])), None);
        }
        assert_eq!(progress.sets.len(), MAX_SETS);
        let own = shares(2, 2);
        assert_eq!(is_enough(progress.add(&own[0])), None);
        assert_eq!(is_enough(progress.add(&shares(2, 2)[1])), None);
        assert_eq!(is_enough(progress.add(&own[1])), Some(2));
    }

    #[test]
    fn what_is_no_share_is_refused() {
        let mut progress = Progress::default();
        let mistyped = SecretBytes::new(b"sealring-share-1:00".to_vec());
        assert!(progress.add(&mistyped).is_err());
        assert_eq!(progress.count(), 0);
    }
}
