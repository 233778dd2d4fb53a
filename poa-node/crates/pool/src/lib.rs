//! Transactions waiting for a block.
//!
//! ```text
//! rpc, network ─▶ Pool::add_signed: senders, in parallel ─┐
//!               reorg ──────────────▶ Pool::add_many ◀────┘
//!                                 ──▶ known? room? replacement?             (short lock)
//!                                 ──▶ Admission: account, rules          (no lock: may run the EVM)
//!                                 ──▶ lanes of the senders               (short lock)
//!                                 ──▶ journal, if it must survive us     (one write(2) before Ok)
//!                                 ──▶ subscribers: gossip, pending filters
//! chain adopts a head  ─▶ Pool::on_head: included leave, nonces advance, retracted return
//! author at our step   ─▶ Pool::best: price, then arrival; nonce order within a sender
//! ```
//!
//! Transactions come in on threads of the pool's own, which yield to those that build and import blocks.
//!
//! What was accepted is not dropped silently: a full pool refuses at once, only transactions of *other nodes'* users that
//! wait behind a nonce gap make room for others, and [`Pool::departure`] tells why a transaction left.
//!
//! The crate does not know the chain, the EVM or the network: the chain answers through [`Admission`].

mod admission;
mod best;
mod config;
mod entry;
mod error;
mod journal;
mod lane;
mod lanes;
mod pool;
mod pooled;
mod senders;
mod signed;
mod threads;

pub use admission::{Admission, Denied, Origin, Refusal};
pub use best::Best;
pub use config::PoolConfig;
pub use error::{OpenError, PoolError};
pub use pool::{Added, HeadChange, Newly, Pool};
pub use pooled::{Content, Departed, Departure, Pooled, Status};
pub use signed::SubmitError;
pub use threads::yield_to_blocks;
