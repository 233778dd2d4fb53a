// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {Transfer} from "../interfaces/Types.sol";

/// Hashes of {Transfer}: its identity, its content, and what validators sign.
library TransferLib {
    bytes32 internal constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 internal constant TRANSFER_TYPEHASH = keccak256(
        "Transfer(uint8 version,uint256 srcChainId,address srcBridge,address token,uint256 nonce,address sender,address recipient,uint256 amount,uint64 policyEpoch,uint64 validatorEpoch)"
    );
    bytes32 private constant NAME_HASH = keccak256("Aurum Bridge");
    bytes32 private constant VERSION_HASH = keccak256("1");

    /// EIP-712 domain separator of the bridge `verifyingContract` on chain `chainId`.
    function domain(uint256 chainId, address verifyingContract) internal pure returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPEHASH, NAME_HASH, VERSION_HASH, chainId, verifyingContract));
    }

    /// Identity of a transfer: neither epochs nor transaction hashes are part of it.
    function identity(uint256 srcChainId, address srcBridge, uint256 dstChainId, address dstBridge, uint256 nonce)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(srcChainId, srcBridge, dstChainId, dstBridge, nonce));
    }

    /// Hash of everything but the validator epoch: what the source chain knows of a deposit.
    function body(Transfer memory t) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                t.version, t.srcChainId, t.srcBridge, t.token, t.nonce, t.sender, t.recipient, t.amount, t.policyEpoch
            )
        );
    }

    /// The digest validators sign for the destination whose domain is `domain_`.
    function digest(Transfer calldata t, bytes32 domain_) internal pure returns (bytes32) {
        // All members are static, so the ABI encoding of the struct is EIP-712's encodeData.
        return MessageHashUtils.toTypedDataHash(domain_, keccak256(abi.encode(TRANSFER_TYPEHASH, t)));
    }
}
