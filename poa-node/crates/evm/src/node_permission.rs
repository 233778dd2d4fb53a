//! Who may be connected (aura.md §3.2): the node permission contract, asked on some state.

use std::sync::Arc;

use alloy::primitives::{Address, B256};
use aurum_types::StateReader;

use crate::{BlockEnv, Evm, EvmError, abi::INodePermission, read_only::Words};

/// What a node permission contract says about two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodePermission {
    /// They may be connected.
    Allowed,
    /// They may not, or the contract did not answer.
    Denied,
    /// There is no contract at the address, at that block.
    NoContract,
}

impl Evm {
    /// Whether `contract` lets the node `own` be connected with `peer`, on the state after the block `env`. Nodes are
    /// named by the first and the last 32 bytes of their public keys, in this order, whatever the parameters are called
    /// (OpenEthereum node-filter `connection_allowed`: `sl` is the first half).
    ///
    /// # Errors
    /// Only faults; a contract that does not answer denies.
    pub fn node_permission(
        &self,
        state: Arc<dyn StateReader>,
        env: &BlockEnv,
        contract: Address,
        own: [B256; 2],
        peer: [B256; 2],
    ) -> Result<NodePermission, EvmError> {
        let mut reader = self.reader(state, env);
        if !reader.has_code(contract)? {
            return Ok(NodePermission::NoContract);
        }
        let question = INodePermission::connectionAllowedCall { sl: own[0], sh: own[1], pl: peer[0], ph: peer[1] };
        let answer = reader.output(contract, &question)?;
        let allowed = Words::of(&answer).and_then(|words| words.bool(0)).unwrap_or(false);
        Ok(if allowed { NodePermission::Allowed } else { NodePermission::Denied })
    }
}
