//! Every table (RocksDB column family) of the node's database: what it maps, and why it is there.
//!
//! All integers in keys are big-endian, so that keys sort by number.

use alloy::primitives::{Address, B256, Bytes, U256};
use aurum_types::{Account, BlockNumber};

use crate::codec::{
    AddressAt, Arrival, Body, Changed, Key, NumberHash, Place, Slot, SlotAt, StoragePath, StoredHeader, TriePath, Value,
};

/// Bumped whenever a table's meaning or encoding changes.
pub(crate) const SCHEMA_VERSION: u64 = 2;

/// How a table is read, which decides how RocksDB lays it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Single keys, often absent ones: a bloom filter pays.
    Point,
    /// Neighbouring keys, by seeking.
    Range,
    /// Big values, written once and read rarely: compressed hard.
    Bulk,
}

/// A column family with typed keys and values.
pub(crate) trait Table {
    /// Name on disk.
    const NAME: &'static str;
    /// Key type.
    type Key: Key;
    /// Value type.
    type Value: Value;
}

macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident($shape:ident): $key:ty => $value:ty;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub(crate) enum $name {}

            impl Table for $name {
                const NAME: &'static str = stringify!($name);
                type Key = $key;
                type Value = $value;
            }
        )*

        /// Name and shape of every table.
        pub(crate) const ALL: &[(&str, Shape)] = &[$((stringify!($name), Shape::$shape)),*];
    };
}

tables! {
    /// Facts about the database itself (schema version, tip, check-point, history floor) and what other crates keep here, by name.
    Meta(Point): String => Bytes;
    /// Header by block hash, of every block ever stored.
    Headers(Point): B256 => StoredHeader;
    /// Transactions and uncles by block hash, of every block ever stored.
    Bodies(Bulk): B256 => Body;
    /// Score and order of arrival of every block ever stored: what opening lists for replay.
    Arrivals(Range): NumberHash => Arrival;
    /// Hash of the persisted canonical block by height.
    Canonical(Range): BlockNumber => B256;
    /// Receipts by hash of the persisted canonical block.
    Receipts(Bulk): B256 => Vec<aurum_types::Receipt>;
    /// Senders, in the transactions' order, by hash of the persisted canonical block.
    Senders(Point): B256 => Vec<Address>;
    /// Place of a transaction in the persisted canonical chain by its hash.
    Transactions(Point): B256 => Place;
    /// Snapshot of the consensus engine's state after a block at which persisting once stopped; the last ones only.
    Engines(Range): BlockNumber => Bytes;
    /// Account at the persisted tip.
    Accounts(Point): Address => Account;
    /// Non-zero slot at the persisted tip.
    Slots(Point): Slot => U256;
    /// Code by its hash; never removed.
    Code(Bulk): B256 => Bytes;
    /// Account as it was before the block in the key, which wrote it; `None` where there was none. The state after an
    /// older block `n` is the first record behind `n`, or where there is none the flat table: one seek.
    AccountHistory(Range): AddressAt => Option<Account>;
    /// Slot as it was before the block in the key; zero where nothing was stored.
    SlotHistory(Range): SlotAt => U256;
    /// Which accounts and slots a block wrote: with their history records, what undoes the block.
    Undo(Range): BlockNumber => Changed;
    /// The validator set a block recorded, with the history up to it, of every such block of all branches; what it means
    /// is the chain's. Never removed.
    Epochs(Range): NumberHash => Bytes;
    /// The finality certificate of the block at a height; what it means is the chain's. Never changed or removed.
    Certificates(Range): BlockNumber => Bytes;
    /// Node of the trie of accounts by its place, as RLP: the trie of the last check-point, whole, and nothing else. What
    /// a parent embeds is not here again.
    AccountNodes(Point): TriePath => Bytes;
    /// Node of a storage trie by its place, as RLP, of the same check-point.
    StorageNodes(Point): StoragePath => Bytes;
}
