//! The stream of changes in memory.

use async_trait::async_trait;

use super::{MemoryStore, State, wide};
use crate::store::{ChangeFeed, ChangedRing, Changes, Cursor, StoreError};

#[async_trait]
impl ChangeFeed for MemoryStore {
    async fn end(&self) -> Result<Cursor, StoreError> {
        Ok(end_of(&self.state()))
    }

    async fn changes_since(&self, cursor: Cursor) -> Result<Changes, StoreError> {
        let state = self.state();
        let events = state
            .recorded()
            .filter(|(sequence, _)| *sequence >= cursor.rings);
        let rings = events.map(|(_, event)| ChangedRing {
            mount: event.mount,
            name: event.name.clone(),
            ring: event.ring,
            generation: event.generation,
        });
        let revocations = (1..).zip(&state.identity.revocations);
        let revoked = revocations
            .filter(|(sequence, _)| *sequence >= cursor.revocations)
            .flat_map(|(_, revocation)| revocation.tokens.iter().copied());
        let header = state.header.as_ref();
        Ok(Changes {
            rings: rings.collect(),
            mounts_epoch: state.mounts_epoch,
            identity_epoch: state.identity.epoch,
            revoked: revoked.collect(),
            sealed: header.is_some_and(|header| header.live_secret.is_none()),
            next: end_of(&state),
        })
    }

    async fn hint(&self) {
        std::future::pending::<()>().await;
    }
}

fn end_of(state: &State) -> Cursor {
    let after = |count| wide(count).saturating_add(1);
    Cursor {
        rings: after(state.history.len()),
        revocations: after(state.identity.revocations.len()),
    }
}
