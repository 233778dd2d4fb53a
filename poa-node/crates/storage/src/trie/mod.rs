//! Merkle-Patricia tries that share what they have in common, in memory as far as a budget allows.
//!
//! ```text
//! writes (sorted, hashed keys) ─update─▶ new root, sharing with the old one ─▶ unpersisted layer ─advance─▶ the tip's trie
//!                                 ▲                                                                             │
//!                              NodeStore ◀─── NodeSource: tables AccountNodes, StorageNodes, by place ◀──save───┘
//! ```
//!
//! The tables hold one trie, that of the last check-point. What is newer is in memory until the next one is saved; what the
//! tables have may be let go ([`shrink`]) and is read again by its place, and checked by its hash, when it is needed.

mod mpt;
mod node;
mod proof;
mod save;
mod shrink;
mod store;
mod update;

#[cfg(test)]
mod tests;

pub(crate) use mpt::{Before, Census, Commitment, Grown, StateTrie, Vacated, genesis_root_of, root_of};
pub(crate) use save::{Unsaved, unsaved, unsaved_bytes};
pub(crate) use shrink::TrieMemory;
pub(crate) use store::{NodeSource, Owner};
