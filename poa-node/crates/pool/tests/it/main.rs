//! The pool, from outside.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod batches;
mod common;
mod journal;
mod model;
mod rules;
