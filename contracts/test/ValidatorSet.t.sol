// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {ValidatorSet} from "../src/chain/ValidatorSet.sol";
import {IValidatorSet} from "../src/interfaces/IValidatorSet.sol";
import {Test} from "./support/Test.sol";

contract ValidatorSetTest is Test {
    address private constant SYSTEM = 0xffffFFFfFFffffffffffffffFfFFFfffFFFfFFfE;
    address private constant GOVERNOR = address(0x60e);

    ValidatorSet private set;

    function setUp() public {
        vm.roll(50);
        vm.setBlockhash(49, keccak256("parent"));
        set = fresh(list(4));
    }

    function test_starts_with_the_given_set_in_force() public view {
        eq(abi.encode(set.getValidators()), abi.encode(list(4)), "set");
        eq(set.pendingValidators().length, 0, "nothing pending");
        require(!set.isChangePending(), "nothing pending");
        require(set.isValidator(address(1001)) && !set.isValidator(address(0)), "members");
    }

    function test_parity_knows_it_by_selector_and_topic() public pure {
        eq(bytes32(IValidatorSet.getValidators.selector), bytes32(bytes4(0xb7ab4db5)), "getValidators");
        eq(bytes32(IValidatorSet.finalizeChange.selector), bytes32(bytes4(0x75286211)), "finalizeChange");
        eq(
            IValidatorSet.InitiateChange.selector,
            0x55252fa6eee4741b4e24a74a70e9c11fd2c2281df8d6ea13126ff845f7825c89,
            "InitiateChange"
        );
    }

    function test_a_change_is_signalled_then_finalised_by_the_engine() public {
        vm.prank(GOVERNOR);
        vm.expectEmit(address(set));
        emit IValidatorSet.InitiateChange(keccak256("parent"), list(5));
        set.addValidator(address(1005));
        eq(abi.encode(set.getValidators()), abi.encode(list(4)), "not yet in force");
        eq(abi.encode(set.pendingValidators()), abi.encode(list(5)), "pending");
        eq(set.signalledAt(), 50, "block");
        vm.prank(GOVERNOR);
        vm.expectRevert(abi.encodeWithSelector(IValidatorSet.OnlySystem.selector, GOVERNOR));
        set.finalizeChange();
        vm.prank(SYSTEM);
        set.finalizeChange();
        eq(abi.encode(set.getValidators()), abi.encode(list(5)), "in force");
        require(!set.isChangePending(), "done");
    }

    function test_no_second_signal_while_one_is_pending() public {
        vm.startPrank(GOVERNOR);
        set.addValidator(address(1005));
        vm.expectRevert(IValidatorSet.ChangePending.selector);
        set.addValidator(address(1006));
        vm.expectRevert(IValidatorSet.ChangePending.selector);
        set.removeValidator(address(1001));
        vm.expectRevert(IValidatorSet.ChangePending.selector);
        set.setValidators(list(2));
        vm.stopPrank();
        vm.prank(SYSTEM);
        set.finalizeChange();
        vm.prank(GOVERNOR);
        set.removeValidator(address(1001));
        require(set.isChangePending(), "next change");
    }

    function test_finalising_nothing_changes_nothing() public {
        vm.prank(SYSTEM);
        set.finalizeChange();
        eq(abi.encode(set.getValidators()), abi.encode(list(4)), "set");
    }

    function test_never_empty_never_zero_never_twice_never_too_many() public {
        set = fresh(list(1));
        vm.startPrank(GOVERNOR);
        vm.expectRevert(IValidatorSet.EmptySet.selector);
        set.removeValidator(address(1001));
        vm.expectRevert(IValidatorSet.EmptySet.selector);
        set.setValidators(list(0));
        vm.expectRevert(abi.encodeWithSelector(IValidatorSet.BadValidator.selector, address(0)));
        set.addValidator(address(0));
        vm.expectRevert(abi.encodeWithSelector(IValidatorSet.BadValidator.selector, SYSTEM));
        set.addValidator(SYSTEM);
        vm.expectRevert(abi.encodeWithSelector(IValidatorSet.DuplicateValidator.selector, address(1001)));
        set.addValidator(address(1001));
        vm.expectRevert(abi.encodeWithSelector(IValidatorSet.UnknownValidator.selector, address(1002)));
        set.removeValidator(address(1002));
        vm.expectRevert(abi.encodeWithSelector(IValidatorSet.TooManyValidators.selector, 256));
        set.setValidators(list(256));
        vm.stopPrank();
    }

    function test_only_the_governor_decides() public {
        ValidatorSet code = new ValidatorSet();
        bytes[5] memory calls = [
            abi.encodeCall(IValidatorSet.addValidator, (address(9))),
            abi.encodeCall(IValidatorSet.removeValidator, (address(1001))),
            abi.encodeCall(IValidatorSet.setValidators, (list(2))),
            abi.encodeCall(IValidatorSet.setGovernor, (address(9))),
            abi.encodeWithSignature("upgradeToAndCall(address,bytes)", address(code), "")
        ];
        for (uint256 i = 0; i < calls.length; i++) {
            vm.prank(address(1001)); // a validator
            (bool done, bytes memory answer) = address(set).call(calls[i]);
            require(!done, "refused");
            eq(bytes32(bytes4(answer)), bytes32(IValidatorSet.OnlyGovernor.selector), "reason");
        }
        vm.startPrank(GOVERNOR);
        vm.expectRevert(IValidatorSet.ZeroGovernor.selector);
        set.setGovernor(address(0));
        set.upgradeToAndCall(address(code), "");
        set.setGovernor(address(9));
        vm.expectRevert(abi.encodeWithSelector(IValidatorSet.OnlyGovernor.selector, GOVERNOR));
        set.addValidator(address(9));
        vm.stopPrank();
        eq(abi.encode(set.getValidators()), abi.encode(list(4)), "the set survives the upgrade");
    }

    function testFuzz_any_sequence_of_changes_leaves_a_proper_set(uint256 seed) public {
        for (uint256 i = 0; i < 20; i++) {
            seed = uint256(keccak256(abi.encode(seed)));
            address who = address(uint160(1000 + seed % 6));
            bytes[3] memory calls = [
                abi.encodeCall(IValidatorSet.addValidator, (who)),
                abi.encodeCall(IValidatorSet.removeValidator, (who)),
                abi.encodeCall(IValidatorSet.finalizeChange, ())
            ];
            uint256 choice = (seed >> 16) % 3;
            bool pending = set.isChangePending();
            vm.prank(choice == 2 ? SYSTEM : GOVERNOR);
            (bool done,) = address(set).call(calls[choice]);
            require(!(done && pending && choice != 2), "a second signal");
            address[] memory current = set.getValidators();
            require(current.length > 0, "empty");
            for (uint256 a = 0; a < current.length; a++) {
                require(current[a] != address(0), "zero");
                for (uint256 b = 0; b < a; b++) {
                    require(current[a] != current[b], "twice");
                }
            }
        }
    }

    function test_implementation_and_second_initialisation_are_refused() public {
        ValidatorSet code = new ValidatorSet();
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        code.initialize(list(1), GOVERNOR);
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        set.initialize(list(1), GOVERNOR);
    }

    function fresh(address[] memory validators) private returns (ValidatorSet) {
        bytes memory init = abi.encodeCall(ValidatorSet.initialize, (validators, GOVERNOR));
        return ValidatorSet(address(new ERC1967Proxy(address(new ValidatorSet()), init)));
    }

    function list(uint256 count) private pure returns (address[] memory validators) {
        validators = new address[](count);
        for (uint256 i = 0; i < count; i++) {
            validators[i] = address(uint160(1001 + i));
        }
    }
}
