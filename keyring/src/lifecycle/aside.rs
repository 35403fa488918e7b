//! Sets rings aside and brings them back: they keep everything and serve nothing meanwhile.

use super::Lifecycle;
use super::configure::unadorned;
use super::event::{What, event};
use crate::error::Error;
use crate::history::{Action, Provenance};
use crate::transit::Address;

impl Lifecycle {
    /// Sets the ring aside, or brings it back; whether it was not so already.
    pub(crate) async fn set_aside(
        &self,
        at: &Address,
        aside: bool,
        by: &Provenance,
    ) -> Result<bool, Error> {
        let ring = self.read(at).await?.ring;
        if ring.soft_deleted == aside {
            return Ok(false);
        }
        self.change(at, by, |loaded, by, now| {
            let ring = &loaded.ring;
            if ring.soft_deleted == aside {
                return Ok(None);
            }
            let made_at = self.latest(loaded)?.created_at;
            let (next, action) = if aside {
                (ring.set_aside(), Action::SoftDelete)
            } else {
                let back = ring.brought_back(made_at, self.jitter()?);
                (back, Action::SoftRestore)
            };
            let next = self.signed(next);
            let span = (Some(ring.latest), Some(ring.latest));
            let what = What {
                action,
                span,
                settings: &[],
            };
            let event = event(&next, now, by, what);
            Ok(Some(unadorned(ring.generation, next, event)))
        })
        .await?;
        Ok(true)
    }
}
