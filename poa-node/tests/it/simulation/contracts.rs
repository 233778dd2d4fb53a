//! What the validator contract and the permission contract hold after a block, told by hand from the calls in it. Checks
//! compare whole nodes with it; to nodes without an EVM it is the EVM.

use alloy::{
    consensus::TxType,
    primitives::{Address, B256, Log, LogData, b256},
    sol_types::SolValue as _,
};
use aurum_contracts::genesis::VALIDATOR_SET;
use aurum_types::{Receipt, ReceiptOutcome, SealedBlock};

use crate::simulation::kit::Kit;

/// keccak256("InitiateChange(bytes32,address[])").
const INITIATE_CHANGE: B256 = b256!("55252fa6eee4741b4e24a74a70e9c11fd2c2281df8d6ea13126ff845f7825c89");

/// What the governor decides in one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// This authority shall seal.
    Add(usize),
    /// It shall not any more.
    Remove(usize),
    /// The restricted client may create contracts.
    Permit,
    /// It may not.
    Forbid,
}

/// The contracts after one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contracts {
    /// What `getValidators()` says.
    pub(crate) current: Vec<Address>,
    /// Signalled, and not finalized.
    pub(crate) pending: Option<Vec<Address>>,
    /// Whether the restricted client may create contracts from the next block on.
    pub(crate) may_create: bool,
    /// Changes that the governor has had executed, reverted ones included.
    pub(crate) changes: u64,
    /// Contracts that the restricted client has created.
    pub(crate) created: u64,
}

impl Contracts {
    pub(crate) fn genesis(kit: &Kit) -> Self {
        Self { current: kit.validators.clone(), pending: None, may_create: false, changes: 0, created: 0 }
    }

    /// The contracts after `block` on these; and the set it signals, if it does. `begins_epoch`: `finalizeChange()` is
    /// called at its very start (aura.md §2.5).
    pub(crate) fn after(&self, block: &SealedBlock, begins_epoch: bool, kit: &Kit) -> (Self, Option<Vec<Address>>) {
        let mut next = self.clone();
        if begins_epoch && let Some(pending) = next.pending.take() {
            next.current = pending;
        }
        let mut signal = None;
        for change in kit.changes_in(block) {
            next.changes += 1;
            // A second one in a block would be refused by the contract: a change is pending.
            signal = next.apply(change, kit).or(signal);
        }
        next.created += kit.creations_in(block);
        (next, signal)
    }

    fn apply(&mut self, change: Change, kit: &Kit) -> Option<Vec<Address>> {
        let mut set = self.current.clone();
        match change {
            Change::Permit | Change::Forbid => {
                self.may_create = change == Change::Permit;
                return None;
            }
            // `ChangePending`.
            Change::Add(_) | Change::Remove(_) if self.pending.is_some() => return None,
            Change::Add(authority) => set.push(kit.address(authority)),
            Change::Remove(authority) => set.retain(|one| *one != kit.address(authority)),
        }
        self.pending = Some(set.clone());
        Some(set)
    }
}

/// The receipts of a block that signals `set`, as the contract's event makes them.
pub(crate) fn signal_receipts(parent_hash: B256, set: &[Address]) -> Vec<Receipt> {
    let data = (set.to_vec(),).abi_encode_params().into();
    let data = LogData::new_unchecked(vec![INITIATE_CHANGE, parent_hash], data);
    let logs = vec![Log { address: VALIDATOR_SET, data }];
    let (tx_type, outcome) = (TxType::Legacy, ReceiptOutcome::Status(true));
    vec![Receipt { tx_type, outcome, cumulative_gas_used: 21_000, logs }]
}
