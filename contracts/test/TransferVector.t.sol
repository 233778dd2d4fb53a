// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {TransferLib} from "../src/bridge/TransferLib.sol";
import {Transfer} from "../src/interfaces/Types.sol";
import {Test} from "./support/Test.sol";

/// The same message and hashes stand in `src/transfer.rs`.
contract TransferVectorTest is Test {
    function digest(Transfer calldata t, bytes32 domain) external pure returns (bytes32) {
        return TransferLib.digest(t, domain);
    }

    function test_hashes_are_those_of_the_rust_crate() public view {
        address bridge = 0x5555555555555555555555555555555555555555;
        Transfer memory t = Transfer({
            version: 1,
            srcChainId: 1,
            srcBridge: 0x1111111111111111111111111111111111111111,
            token: 0x2222222222222222222222222222222222222222,
            nonce: 7,
            sender: 0x3333333333333333333333333333333333333333,
            recipient: 0x4444444444444444444444444444444444444444,
            amount: 123_456_789,
            policyEpoch: 0,
            validatorEpoch: 5
        });
        eq(
            this.digest(t, TransferLib.domain(2026, bridge)),
            bytes32(0xf491715805015e52fac814dba2a31539ef600d8f17ecbbcc87f542ecd3c6584c),
            "digest"
        );
        eq(
            TransferLib.identity(1, t.srcBridge, 2026, bridge, 7),
            bytes32(0xe14d8f6387184239720a2799b385d20609b5fc3330cb3d5a71c4e42a274067b6),
            "identity"
        );
        eq(TransferLib.body(t), bytes32(0x35cf1e04a3e26d3e289ca5f0da8f7e07c0d8aebe19b5c8964ac27b25e7727e43), "body");
    }
}
