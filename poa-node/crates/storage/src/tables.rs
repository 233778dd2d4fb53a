//! Every table (RocksDB column family) of the node's database: what it maps, and why it is there.
//!
//! All integers in keys are big-endian, so that keys sort by number.

use alloy::primitives::{Address, B256, Bytes, U256};
use aurum_types::{Account, BlockNumber};

use crate::codec::{
    AddressAt, Arrival, Body, Changed, Key, NumberHash, Place, Slot, SlotAt, StoragePath, StoredHeader, TriePath,
    TxPrefix, Value,
};

/// Bumped whenever a table's meaning or encoding changes.
pub(crate) const SCHEMA_VERSION: u64 = 3;

/// How a table is read, which decides how RocksDB lays it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Single keys, often absent ones: a bloom filter pays.
    Point,
    /// Single keys that are there: a bloom filter pays but for the last level, which has most of them.
    Present,
    /// Neighbouring keys, by seeking.
    Range,
    /// Big values that come in the order of their keys, written once and read rarely: compressed hard.
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
    /// Transactions and uncles of every block ever stored. By number first: new ones come behind the others, and
    /// compaction moves whole files.
    Bodies(Bulk): NumberHash => Body;
    /// Score and order of arrival of every block ever stored: what opening lists for replay.
    Arrivals(Range): NumberHash => Arrival;
    /// Hash of the persisted canonical block by height.
    Canonical(Range): BlockNumber => B256;
    /// Senders and receipts of a persisted canonical block, as far as its body does not give them: `outcome.rs`.
    Outcomes(Bulk): NumberHash => Bytes;
    /// Places in the persisted canonical chain of the transactions whose hashes begin alike; one, as a rule.
    Transactions(Point): TxPrefix => Vec<Place>;
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
    Undo(Bulk): BlockNumber => Changed;
    /// The validator set a block recorded, with the history up to it, of every such block of all branches; what it means
    /// is the chain's. Never removed.
    Epochs(Range): NumberHash => Bytes;
    /// The finality certificate of the block at a height; what it means is the chain's. Never changed or removed.
    Certificates(Range): BlockNumber => Bytes;
    /// Node of the trie of accounts by its place: the trie of the last check-point, whole, and nothing else. A record is the
    /// node's RLP, but with the leaves among its children in it whole; neither they nor what a parent embeds anyway are
    /// here again.
    AccountNodes(Present): TriePath => Bytes;
    /// Node of a storage trie by its place, in the same form, of the same check-point.
    StorageNodes(Present): StoragePath => Bytes;
}
