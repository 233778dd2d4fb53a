//! A permission decision with everything that led to it: for tools that explain, not for blocks.

use std::sync::Arc;

use alloy::primitives::{Address, U256};
use aurum_types::{BlockNumber, StateReader};

use crate::{BlockEnv, Denial, Evm, EvmError, PermissionRequest, Right, permission::Permission};

/// What the permission contract says about one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PermissionAnswer {
    /// The contract that decides.
    pub contract: Address,
    /// The interface it speaks; 1 for a contract that does not say.
    pub version: U256,
    /// Types of transactions the sender may send: bits of [`Right`]. Zero when the contract did not answer.
    pub mask: u32,
    /// Whether the mask holds for the sender's other transactions on this parent too, whatever they are.
    pub cacheable: bool,
    /// The refusal, if the mask lacks the right.
    pub denial: Option<Denial>,
}

impl Evm {
    /// The right that a transaction needs in block `number`, by the state after `parent`, and what the contract in force there
    /// says of it; no answer where no contract is in force. Neither uses nor fills the cache.
    ///
    /// # Errors
    /// Only faults; a contract that does not answer is a denial.
    pub fn explain_permission(
        &self,
        state: Arc<dyn StateReader>,
        parent: &BlockEnv,
        number: BlockNumber,
        request: &PermissionRequest,
    ) -> Result<(Right, Option<PermissionAnswer>), EvmError> {
        let needed = request.needed(|to| Ok(state.account(to)?.is_some_and(|account| account.has_code())))?;
        let Some(contract) = self.rules(number, parent.timestamp).permission_contract() else {
            return Ok((needed, None));
        };
        let mut permission = Permission::new(self, contract, state, parent);
        let version = U256::from(permission.interface()?.number());
        let (mask, decision) = permission.decide(request, None)?;
        let (mask, cacheable) = (mask.rights(), mask.is_for_sender());
        Ok((needed, Some(PermissionAnswer { contract, version, mask, cacheable, denial: decision.err() })))
    }
}
