//! What the node permission contract says at the head (aura.md §3.2).

use alloy::primitives::{Address, B256};
use aurum_evm::{BlockEnv, NodePermission};

use crate::{BlockRef, Chain, Fault, ImportError};

/// An answer about two nodes, and the block whose state gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeDecision {
    /// The head.
    pub at: BlockRef,
    /// Its timestamp, Unix seconds.
    pub timestamp: u64,
    /// The answer.
    pub permission: NodePermission,
}

impl Chain {
    /// Asks the contract on the head's state whether the node `own` may be connected with `peer`. Nodes are named by the
    /// first and last 32 bytes of their public keys.
    ///
    /// # Errors
    /// [`Fault`] when the state cannot be read.
    pub fn node_permission(&self, contract: Address, own: [B256; 2], peer: [B256; 2]) -> Result<NodeDecision, Fault> {
        let reader = self.reader();
        let (head, state) = reader.head_state()?;
        let env = BlockEnv::of(&head.header);
        let permission = match reader.evm.node_permission(state, &env, contract, own, peer).map_err(ImportError::from) {
            Ok(permission) => permission,
            Err(ImportError::Fault(fault)) => return Err(fault),
            Err(_) => NodePermission::Denied,
        };
        Ok(NodeDecision { at: head.at(), timestamp: head.header.timestamp, permission })
    }
}
