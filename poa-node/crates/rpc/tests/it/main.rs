//! The server as clients meet it: a real chain behind real sockets.

#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test that unwraps nothing fails, and says where")]

mod access;
mod bodies;
mod common;
mod endings;
mod explained;
mod fast;
mod fates;
mod flooded;
mod fuzz;
mod limits;
mod news;
mod overrides;
mod reads;
mod reference;
mod sends;
mod serving;
mod simulations;
mod storage_range;
mod tls;
mod traces;
mod unprotected;
