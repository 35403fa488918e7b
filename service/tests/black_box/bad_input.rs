//! Input that no well-meaning client sends: the documented status, nothing told, nothing created, and the process lives.

mod bodies;
mod canaries;
mod framing;
mod generic;
mod sizes;
