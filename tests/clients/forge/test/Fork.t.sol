// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Probe} from "../../hardhat/contracts/Probe.sol";
import {vm} from "../script/Cheats.sol";

/// Runs on a copy of the chain: code and storage come from the node as they are touched.
contract ForkTest {
    Probe private probe;

    function setUp() external {
        probe = Probe(payable(vm.envAddress("PROBE")));
    }

    function test_reads_what_the_script_left_behind() external view {
        require(probe.number() == 42, "number");
        require(keccak256(bytes(probe.text())) == keccak256("from a script"), "text");
        require(address(probe).balance == 1 ether + 5, "balance");
        (uint256 chain, uint256 height,,) = probe.environment();
        require(chain == block.chainid && height == block.number, "environment");
    }

    function test_goes_on_from_there() external {
        vm.prank(address(0xbeef));
        require(probe.note(8, "forked") == 50, "number");
        require(probe.notes(address(0xbeef)) == 8, "note");
        vm.expectRevert(abi.encodeWithSelector(Probe.Refused.selector, address(this), 1));
        probe.refuse(1);
    }
}
