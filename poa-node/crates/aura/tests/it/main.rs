//! The engine: its rules, vectors and models.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod certificate_fixture;
mod certificates;
mod common;
mod epochs;
mod models;
mod rules;
mod vectors;
