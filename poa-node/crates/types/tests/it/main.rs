//! The types against the specification.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod codecs;
mod spec;
mod vectors;
