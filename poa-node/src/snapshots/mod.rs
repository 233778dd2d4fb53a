//! Snapshots between nodes: made and held for others while a node runs, and fetched by a node that begins.
//!
//! ```text
//! running   final block ─▶ every `period` blocks: copy of the database (links) ─▶ snapshot file ─▶ shelf ─▶ peers
//! beginning reserved peers' offers ─▶ newest at or above the barrier ─▶ file ─▶ certificates, blocks, root ─▶ database
//! ```
//!
//! A node that begins believes nothing a certificate does not prove, from the genesis validators on. What no certificate
//! covers (a change of validators under way, see [`aurum_chain::state_snapshot`]) is a reserved peer's word; a lie there makes
//! the node refuse later blocks, and it is started again without its database.

mod fetch;
mod make;
mod shelf;

pub(crate) use self::{fetch::Begin, make::Maker, shelf::Shelf};
pub use self::{
    fetch::{FetchSnapshot, SnapshotFetchError},
    make::MakeSnapshots,
};
