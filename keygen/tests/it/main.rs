//! The program and the ceremony.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod ceremony;
mod program;
