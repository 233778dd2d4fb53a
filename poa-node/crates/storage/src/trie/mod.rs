//! Merkle-Patricia tries of nodes named by their hash.
//!
//! ```text
//! writes (sorted, hashed keys) ─update─▶ new root + fresh nodes ─▶ unpersisted layer ─advance─▶ table Nodes
//!                                 ▲                                        │                        │
//!                              NodeStore: decoded nodes in memory ◀────────┴── NodeSource ◀─────────┘
//! ```

mod mpt;
mod node;
mod proof;
mod store;
mod update;

#[cfg(test)]
mod tests;

pub(crate) use mpt::root_of;
pub use mpt::{MerklePatricia, genesis_root};
pub use store::{NoNodes, NodeSource};
