// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {OwnableUpgradeable} from "@openzeppelin/contracts-upgradeable/access/OwnableUpgradeable.sol";
import {BridgeValidators} from "../src/bridge/BridgeValidators.sol";
import {IBridgeValidators} from "../src/interfaces/IBridgeValidators.sol";
import {BridgeFixture, UninitialisedProxy} from "./support/BridgeFixture.sol";

contract BridgeValidatorsTest is BridgeFixture {
    function set(address[] memory list, uint256 threshold) private {
        vm.prank(OWNER);
        homeValidators.setValidators(list, threshold);
    }

    function test_starts_with_epoch_one_and_the_given_set() public view {
        eq(homeValidators.epoch(), 1, "epoch");
        eq(homeValidators.threshold(), THRESHOLD, "threshold");
        eq(abi.encode(homeValidators.validators()), abi.encode(addresses()), "list");
        require(homeValidators.isValidator(vm.addr(keys[0])), "member");
        require(!homeValidators.isValidator(address(0)), "zero is no validator");
    }

    function test_every_change_begins_an_epoch_and_removed_validators_are_out() public {
        set(first(3), 2);
        eq(homeValidators.epoch(), 2, "epoch");
        require(!homeValidators.isValidator(vm.addr(keys[3])), "removed");
        require(homeValidators.isValidator(vm.addr(keys[2])), "kept");
        set(first(3), 2);
        eq(homeValidators.epoch(), 3, "the same set again is a new epoch");
    }

    function testFuzz_threshold_is_a_majority_and_reachable(uint256 count, uint256 threshold) public {
        count = bound(count, 1, 100);
        threshold = bound(threshold, 0, 120);
        address[] memory list = new address[](count);
        for (uint256 i = 0; i < count; i++) {
            list[i] = address(uint160(1000 + i));
        }
        bool good = 2 * threshold > count && threshold <= count;
        vm.prank(OWNER);
        if (!good) {
            vm.expectRevert(abi.encodeWithSelector(IBridgeValidators.BadThreshold.selector, threshold, count));
        }
        homeValidators.setValidators(list, threshold);
        eq(homeValidators.threshold(), good ? threshold : THRESHOLD, "threshold");
    }

    function test_refuses_empty_zero_duplicate_and_too_many() public {
        vm.startPrank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(IBridgeValidators.BadThreshold.selector, 0, 0));
        homeValidators.setValidators(new address[](0), 0);
        address[] memory list = first(3);
        list[1] = address(0);
        vm.expectRevert(IBridgeValidators.ZeroValidator.selector);
        homeValidators.setValidators(list, 2);
        list[1] = list[0];
        vm.expectRevert(abi.encodeWithSelector(IBridgeValidators.DuplicateValidator.selector, list[0]));
        homeValidators.setValidators(list, 2);
        vm.expectRevert(abi.encodeWithSelector(IBridgeValidators.TooManyValidators.selector, 101));
        homeValidators.setValidators(new address[](101), 100);
        vm.stopPrank();
        eq(homeValidators.epoch(), 1, "nothing changed");
    }

    function test_only_the_owner_changes_the_set_and_the_owner_stays() public {
        vm.prank(vm.addr(keys[0]));
        vm.expectRevert(
            abi.encodeWithSelector(OwnableUpgradeable.OwnableUnauthorizedAccount.selector, vm.addr(keys[0]))
        );
        homeValidators.setValidators(first(1), 1);
        vm.prank(OWNER);
        vm.expectRevert(IBridgeValidators.CannotRenounce.selector);
        homeValidators.renounceOwnership();
    }

    function test_implementation_is_locked_and_proxy_initialises_once() public {
        BridgeValidators code = new BridgeValidators();
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        code.initialize(ALICE, first(1), 1);
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        homeValidators.initialize(ALICE, first(1), 1);
        eq(code.epoch(), 0, "epoch of the implementation");
        eq(code.threshold(), 0, "threshold of the implementation");
    }

    function test_upgrade_keeps_state_and_is_the_owners() public {
        BridgeValidators next = new BridgeValidators();
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(OwnableUpgradeable.OwnableUnauthorizedAccount.selector, ALICE));
        homeValidators.upgradeToAndCall(address(next), "");
        vm.prank(OWNER);
        homeValidators.upgradeToAndCall(address(next), "");
        eq(homeValidators.threshold(), THRESHOLD, "threshold survives");
        eq(homeValidators.epoch(), 1, "epoch survives");
    }
}
