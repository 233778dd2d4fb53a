//! The node's database: blocks, flat state, history and the Merkle-Patricia commitment on RocksDB
