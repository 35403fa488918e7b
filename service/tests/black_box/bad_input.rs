//! Input that no well-meaning client sends: the documented status, nothing told, nothing created, and the process lives.

mod bodies;
mod canaries;
mod create;
mod data;
mod framing;
mod fuzz;
mod generic;
mod keys;
mod signatures;
mod sizes;
mod transfer;
