//! Who can give a right: the administrators of a permission contract that has a council (docs/permissions.md). Contracts made
//! for Parity keep that to themselves.

use std::sync::{Arc, Mutex};

use alloy::{
    eips::BlockId,
    primitives::{Address, B256, TxKind, U256},
    sol,
    sol_types::SolCall,
};
use aurum_chain::{CallOutcome, CallRequest, View};
use serde::Serialize;

use crate::{error::Answer, filters::lock};

sol! {
    interface ICouncil {
        function admins() external view returns (address[] admins);
        function threshold() external view returns (uint256 threshold);
    }
}

/// Gas of each question.
const GAS: u64 = 5_000_000;
/// Administrators that a refusal lists: as many as a council has at most (`MAX_ADMINS` of Council.sol). Whatever calls itself
/// one with more is left out, so that the length of an error is bounded ([`crate::fast`] counts on it).
const MOST: usize = 50;

/// Who can change what the contract says.
#[derive(Debug, Serialize)]
pub struct Grantors {
    /// Where they do it: `propose(contract, setRights(…))`, then `approve`.
    pub(crate) contract: Address,
    pub(crate) admins: Vec<Address>,
    /// How many of them have to agree.
    pub(crate) threshold: u64,
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

/// What the contract says at the head, kept until there is another: however many transactions are refused meanwhile, it is
/// asked once.
#[derive(Debug, Default)]
pub(crate) struct HeadGrantors(Mutex<Option<Asked>>);

#[derive(Debug)]
struct Asked {
    head: B256,
    contract: Address,
    grantors: Option<Arc<Grantors>>,
}

impl HeadGrantors {
    /// As the contract says at the head; `None` also where its state cannot be read.
    pub(crate) fn of(&self, view: &View, contract: Address) -> Option<Arc<Grantors>> {
        let head = view.head().latest.hash;
        // Locked while the contract is asked: whoever else is refused needs the same answer.
        let mut last = lock(&self.0);
        if let Some(asked) = last.as_ref().filter(|asked| (asked.head, asked.contract) == (head, contract)) {
            return asked.grantors.clone();
        }
        let found = match Grantors::of(view, head.into(), contract) {
            Ok(found) => found,
            Err(error) => {
                tracing::debug!(%contract, %head, %error, "who can grant a right is not known");
                None
            }
        };
        let grantors = found.filter(|grantors| grantors.admins.len() <= MOST).map(Arc::new);
        *last = Some(Asked { head, contract, grantors: grantors.clone() });
        grantors
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
