//! What the engine does by itself: follows the store's changes, rotates rings that are due or worn, and clears away
//! what is over.

pub(crate) use caretaker::Caretaker;
pub(crate) use follower::{Follower, Seen};
pub(crate) use patience::Patience;
pub(crate) use rotator::{Overdue, Rotator};

mod caretaker;
mod follower;
mod patience;
mod rotator;
