// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Child, Probe} from "../../hardhat/contracts/Probe.sol";
import {vm} from "./Cheats.sol";

/// Several transactions in a row: creations, calls, coins.
contract Deploy {
    function run() external returns (Probe probe, Child child) {
        vm.startBroadcast();
        probe = new Probe{value: 1 ether}(5);
        probe.note{value: 2}(37, "from a script");
        child = new Child{salt: "script"}(probe.number());
        probe.guarded(address(probe), abi.encodeCall(probe.copy, (hex"1234")));
        (bool sent,) = address(probe).call{value: 3}("");
        require(sent, "coins refused");
        vm.stopBroadcast();
    }
}
