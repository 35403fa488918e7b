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
            .filter(|(sequence, _)| *sequence >= cursor.0);
        let rings = events.map(|(_, event)| ChangedRing {
            mount: event.mount,
            name: event.name.clone(),
            ring: event.ring,
            generation: event.generation,
        });
        Ok(Changes {
            rings: rings.collect(),
            mounts_epoch: state.mounts_epoch,
            next: end_of(&state),
        })
    }

    async fn hint(&self) {
        std::future::pending::<()>().await;
    }
}

fn end_of(state: &State) -> Cursor {
    Cursor(wide(state.history.len()).saturating_add(1))
}
