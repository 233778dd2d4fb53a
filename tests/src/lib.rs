//! Stories over a whole running system, and the network that `make up` starts.
//!
//! Everything here drives real processes through the doors their users have: command lines, files, JSON-RPC, HTTP.

pub mod batch;
pub mod bridge;
pub mod consortium;
pub mod containers;
pub mod council;
pub mod foreign;
pub mod home;
pub mod node;
pub mod ports;
pub mod process;
pub mod proxy;
pub mod report;
pub mod story;
pub mod system;
pub mod tools;
pub mod two_chains;
pub mod wait;
