//! The message validators sign and the identity of what it moves.

use alloy::{
    primitives::{Address, B256, U256, keccak256},
    sol,
    sol_types::{Eip712Domain, SolStruct, SolValue, eip712_domain},
};

use crate::{ForeignBridge, HomeBridge};

/// Version of [`Transfer`] the bridges emit and accept.
pub const MESSAGE_VERSION: u8 = 1;

sol! {
    /// One movement of tokens between the two chains; EIP-712 struct, signed in the domain of the destination bridge.
    #[derive(Debug, PartialEq, Eq, Hash)]
    struct Transfer {
        /// Version of this message: [`MESSAGE_VERSION`].
        uint8 version;
        /// Chain on which the deposit was made.
        uint256 srcChainId;
        /// Bridge (proxy) that took the deposit.
        address srcBridge;
        /// Token on the source side.
        address token;
        /// Position of the deposit among all deposits of `srcBridge`, from 0, without gaps.
        uint256 nonce;
        /// Who deposited.
        address sender;
        /// Who receives on the destination chain.
        address recipient;
        /// Smallest units; both sides of a pair have the same decimals.
        uint256 amount;
        /// Version of the membership policy at the deposit; 0 while there are no policies.
        uint64 policyEpoch;
        /// Epoch of the destination's validator set under which this copy is signed.
        uint64 validatorEpoch;
    }
}

impl Transfer {
    /// The digest a validator signs for the bridge `destination` on chain `chain_id`.
    pub fn digest(&self, chain_id: u64, destination: Address) -> B256 {
        self.eip712_signing_hash(&bridge_domain(chain_id, destination))
    }

    /// Identity of this transfer, see [`transfer_id`].
    pub fn id(&self, chain_id: u64, destination: Address) -> B256 {
        transfer_id((self.srcChainId, self.srcBridge), (U256::from(chain_id), destination), self.nonce)
    }

    /// What the source bridge stores as `depositHash(nonce)`: everything but the validator epoch.
    pub fn body_hash(&self) -> B256 {
        keccak256(
            (
                U256::from(self.version),
                self.srcChainId,
                self.srcBridge,
                self.token,
                self.nonce,
                self.sender,
                self.recipient,
                self.amount,
                self.policyEpoch,
            )
                .abi_encode(),
        )
    }
}

/// EIP-712 domain of the bridge at `bridge` on chain `chain_id`.
pub fn bridge_domain(chain_id: u64, bridge: Address) -> Eip712Domain {
    eip712_domain! {
        name: "Aurum Bridge",
        version: "1",
        chain_id: chain_id,
        verifying_contract: bridge,
    }
}

/// `keccak256(abi.encode(srcChainId, srcBridge, dstChainId, dstBridge, nonce))`: contains neither epochs nor transaction
/// hashes, so a transfer signed again or included again is still the same one.
pub fn transfer_id(source: (U256, Address), destination: (U256, Address), nonce: U256) -> B256 {
    keccak256((source.0, source.1, destination.0, destination.1, nonce).abi_encode())
}

/// The generated bindings have a type of their own per contract.
macro_rules! same_fields {
    ($($contract:ident),*) => {$(
        impl From<Transfer> for $contract::Transfer {
            fn from(t: Transfer) -> Self {
                let Transfer { version, srcChainId, srcBridge, token, nonce, sender, recipient, amount, policyEpoch, validatorEpoch } = t;
                Self { version, srcChainId, srcBridge, token, nonce, sender, recipient, amount, policyEpoch, validatorEpoch }
            }
        }

        impl From<$contract::Transfer> for Transfer {
            fn from(t: $contract::Transfer) -> Self {
                let $contract::Transfer { version, srcChainId, srcBridge, token, nonce, sender, recipient, amount, policyEpoch, validatorEpoch } = t;
                Self { version, srcChainId, srcBridge, token, nonce, sender, recipient, amount, policyEpoch, validatorEpoch }
            }
        }
    )*};
}

same_fields!(ForeignBridge, HomeBridge);

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::{address, b256};

    /// The same message and hashes stand in `test/TransferVector.t.sol`.
    #[test]
    fn hashes_are_those_of_the_contracts() {
        let transfer = Transfer {
            version: MESSAGE_VERSION,
            srcChainId: U256::from(1),
            srcBridge: address!("1111111111111111111111111111111111111111"),
            token: address!("2222222222222222222222222222222222222222"),
            nonce: U256::from(7),
            sender: address!("3333333333333333333333333333333333333333"),
            recipient: address!("4444444444444444444444444444444444444444"),
            amount: U256::from(123_456_789),
            policyEpoch: 0,
            validatorEpoch: 5,
        };
        let bridge = address!("5555555555555555555555555555555555555555");
        let hashes = [transfer.digest(2026, bridge), transfer.id(2026, bridge), transfer.body_hash()];
        let expected = [
            b256!("f491715805015e52fac814dba2a31539ef600d8f17ecbbcc87f542ecd3c6584c"),
            b256!("e14d8f6387184239720a2799b385d20609b5fc3330cb3d5a71c4e42a274067b6"),
            b256!("35cf1e04a3e26d3e289ca5f0da8f7e07c0d8aebe19b5c8964ac27b25e7727e43"),
        ];
        assert_eq!(hashes, expected);
    }
}
