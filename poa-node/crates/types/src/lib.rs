//! Values every crate of the node shares. No input or output, no threads of its own.
//!
//! A block earns its names one check at a time; each type's only constructor is the check:
//!
//! ```text
//! bytes ─decode─▶ SealedBlock ─verify─▶ VerifiedBlock ─recover─▶ RecoveredBlock ─execute─▶ ExecutedBlock ─commit─▶ CommittedBlock
//!                 hash known            seal, proposer,          every sender              receipts, gas           state root agrees:
//!                                       body roots               known                     and bloom agree         may become head
//! ```
//!
//! A type belongs here if it is part of a block, of the state, or of the chain spec file.

mod block;
mod changes;
mod civil;
pub mod crypto;
mod genesis;
mod header;
mod memory_state;
mod primitives;
mod receipt;
pub mod spec;
mod state;
mod transaction;
mod validators;

pub use block::{
    Block, BlockError, CommittedBlock, ExecutedBlock, ExecutionOutcome, RecoveredBlock, SealedBlock, VerifiedBlock,
};
pub use changes::{AccountChange, StateChanges};
pub use civil::{civil_from_days, days_from_civil};
pub use genesis::{genesis_accounts, genesis_header, state_root_slow};
pub use header::{EMPTY_UNCLES_HASH, Header, HeaderFormat};
pub use memory_state::MemoryState;
pub use primitives::{BlockNumber, Score, Step};
pub use receipt::{Receipt, ReceiptOutcome, logs_bloom, receipts_root, receipts_root_and_bloom};
pub use spec::ChainSpec;
pub use state::{Account, EMPTY_CODE_HASH, StateError, StateReader};
pub use transaction::{
    Recovered, Transaction, TransactionError, decode_transaction, recover_sender, recoveries, transactions_root,
};
pub use validators::ValidatorSet;
