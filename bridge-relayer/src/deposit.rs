//! A deposit as its chain reports it.

use alloy::primitives::{Address, B256, U256};
use aurum_contracts::{BridgeSide, MESSAGE_VERSION, Transfer, transfer_id};
use serde::{Deserialize, Serialize};

use crate::chain::BlockRef;

/// A `Deposited` event and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deposit {
    /// Position among the deposits of its bridge, from 0, without gaps.
    pub nonce: u64,
    /// Identity of the transfer.
    pub id: B256,
    /// Block that holds it.
    pub block: BlockRef,
    /// Transaction that made it.
    pub tx: B256,
    /// Position in the block.
    pub log_index: u64,
    /// Token on the side of the deposit.
    pub token: Address,
    /// Who deposited.
    pub sender: Address,
    /// Who receives on the other side.
    pub recipient: Address,
    /// Smallest units.
    pub amount: U256,
    /// Version of the membership policy, 0 while there is none.
    pub policy_epoch: u64,
}

impl Deposit {
    /// The message validators sign for it under the destination's `epoch`.
    pub fn message(&self, source: &BridgeSide, epoch: u64) -> Transfer {
        Transfer {
            version: MESSAGE_VERSION,
            srcChainId: U256::from(source.chain_id),
            srcBridge: source.bridge,
            token: self.token,
            nonce: U256::from(self.nonce),
            sender: self.sender,
            recipient: self.recipient,
            amount: self.amount,
            policyEpoch: self.policy_epoch,
            validatorEpoch: epoch,
        }
    }

    /// The identity it must have between these two bridges.
    pub fn expected_id(&self, source: &BridgeSide, destination: &BridgeSide) -> B256 {
        transfer_id(
            (U256::from(source.chain_id), source.bridge),
            (U256::from(destination.chain_id), destination.bridge),
            U256::from(self.nonce),
        )
    }
}
