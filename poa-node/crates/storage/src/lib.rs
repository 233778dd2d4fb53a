//! The node's database: blocks, flat state with its history, and the state commitment, on RocksDB.
//!
//! ```text
//!                    put_block (fsync)                        advance (one batch)
//!   SealedBlock ───────────────────────▶ headers, bodies      ┌──────────────────────────▶ flat state, history, undo,
//!   CommittedBlock ──insert──▶ StateTree: layers in memory ───┘                            index, receipts, tip
//!                                 │                               checkpoint (now and then)
//!   state_at(block) ◀─ layers, then flat tables, or history    ─────────────────────────▶ the tip's state trie
//!   commit(parent, changes) ◀─ root and new trie, computed and held in memory
//! ```
//!
//! One [`Writer`], which cannot be cloned, changes the tip and its state; [`Appender`] stores beside it what arrives;
//! [`Database`] and [`StateTree`] are cheap handles for reading. What a block did is on disk before it may be announced
//! ([`Appender::put_block`]); what its state became may
//! lag behind and is computed again from [`Database::unpersisted`] after a crash.
//!
//! This crate knows nothing of consensus, of transactions' meaning or of the network. It is the only one that names
//! RocksDB.

mod appender;
mod checkpoint;
mod codec;
mod commitment;
mod core;
mod database;
mod error;
mod flat;
mod leaves;
mod outcome;
mod overlay;
mod persisted;
mod restore;
mod rocks;
mod slots;
mod state_root;
mod tables;
mod tree;
mod trie;
mod tries;
mod tx_index;
mod unwind;
mod writer;

pub use appender::Appender;
pub use commitment::{AccountProof, Committed, StorageProof, TrieNodes, genesis_root};
pub use database::{Database, ExecutedRecord, History, Options, StoredBlock, Tip};
pub use error::StorageError;
pub use leaves::Leaf;
pub use restore::{Restore, RestoredBlock};
pub use slots::SlotList;
pub use state_root::StateRoot;
pub use tree::StateTree;
pub use writer::Writer;
