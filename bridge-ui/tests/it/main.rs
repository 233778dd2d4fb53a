//! The pages and their API, over nodes and a relayer of the tests' own.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod browser;
mod pages;
mod support;
