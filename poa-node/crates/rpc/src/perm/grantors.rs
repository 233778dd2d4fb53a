//! Who can give a right: the administrators of a permission contract that has a council (docs/permissions.md). Contracts made
//! for Parity keep that to themselves.

use alloy::{
    eips::BlockId,
    primitives::{Address, TxKind, U256},
    sol,
    sol_types::SolCall,
};
use aurum_chain::{CallOutcome, CallRequest, View};
use serde::Serialize;

use crate::error::Answer;

sol! {
    interface ICouncil {
        function admins() external view returns (address[] admins);
        function threshold() external view returns (uint256 threshold);
    }
}

/// Gas of each question.
const GAS: u64 = 5_000_000;

/// Who can change what the contract says.
#[derive(Debug, Serialize)]
pub(super) struct Grantors {
    /// Where they do it: `propose(contract, setRights(…))`, then `approve`.
    contract: Address,
    admins: Vec<Address>,
    /// How many of them have to agree.
    threshold: u64,
}

impl Grantors {
    /// As the contract says at a block; `None` for one that has no council.
    pub(super) fn of(view: &View, id: BlockId, contract: Address) -> Answer<Option<Self>> {
        let Some(admins) = ask(view, id, contract, &ICouncil::adminsCall {})? else { return Ok(None) };
        let Some(threshold) = ask(view, id, contract, &ICouncil::thresholdCall {})? else { return Ok(None) };
        let threshold = threshold.min(U256::from(u64::MAX)).to();
        Ok((!admins.is_empty()).then_some(Self { contract, admins, threshold }))
    }

    /// One sentence for people.
    pub(super) fn sentence(&self) -> String {
        let Self { contract, admins, threshold } = self;
        let names: Vec<_> = admins.iter().map(Address::to_string).collect();
        format!("{threshold} of its administrators ({}) can grant it together, in {contract}.", names.join(", "))
    }
}

fn ask<C: SolCall>(view: &View, id: BlockId, contract: Address, call: &C) -> Answer<Option<C::Return>> {
    let request = CallRequest {
        to: TxKind::Call(contract),
        data: call.abi_encode().into(),
        gas: Some(GAS),
        gas_cap: Some(GAS),
        ..CallRequest::default()
    };
    Ok(match view.call(id, &request)? {
        CallOutcome::Success { output, .. } => C::abi_decode_returns(&output).ok(),
        CallOutcome::Revert { .. } | CallOutcome::Halt { .. } => None,
    })
}
