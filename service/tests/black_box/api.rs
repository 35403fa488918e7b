//! What the endpoints answer: exact statuses, exact texts.

mod batches;
mod data;
mod forms;
mod history;
mod journey;
mod keys;
mod mounts;
mod requests;
mod sys;
mod tools;
mod upsert;
