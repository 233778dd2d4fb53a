// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {Permissions} from "../src/chain/Permissions.sol";
import {ValidatorSet} from "../src/chain/ValidatorSet.sol";
import {ICouncil} from "../src/interfaces/ICouncil.sol";
import {IPermissions} from "../src/interfaces/IPermissions.sol";
import {IValidatorSet} from "../src/interfaces/IValidatorSet.sol";
import {Test} from "./support/Test.sol";

/// The genesis accounts written by the Rust crate (test/genesis.json) are what a deployment leaves behind.
contract GenesisTest is Test {
    bytes32 private constant IMPLEMENTATION_SLOT = bytes32(uint256(keccak256("eip1967.proxy.implementation")) - 1);
    address private constant A = 0x00000000000000000000000000000000000000A1;
    address private constant B = 0x00000000000000000000000000000000000000b2;
    address private constant C = 0xC000000000000000000000000000000000000003;

    string private fixture;

    function setUp() public {
        vm.warp(1_800_000_000);
        vm.roll(10);
        fixture = vm.readFile("test/genesis.json");
    }

    function test_validator_set_matches_a_deployment() public {
        address implementation = address(new ValidatorSet());
        address[] memory validators = new address[](3);
        (validators[0], validators[1], validators[2]) = (B, A, C);
        address governor = vm.parseJsonAddress(fixture, ".permissions.proxy");
        vm.record();
        address proxy =
            address(new ERC1967Proxy(implementation, abi.encodeCall(ValidatorSet.initialize, (validators, governor))));
        compare("validatorSet", proxy, implementation);
    }

    function test_permissions_match_a_deployment() public {
        address implementation = address(new Permissions());
        address[] memory admins = new address[](3);
        (admins[0], admins[1], admins[2]) = (C, A, B);
        address[] memory accounts = new address[](3);
        (accounts[0], accounts[1], accounts[2]) = (B, A, C);
        uint32[] memory rights = new uint32[](3);
        (rights[0], rights[1], rights[2]) = (23, 0, 7);
        vm.record();
        address proxy = address(
            new ERC1967Proxy(implementation, abi.encodeCall(Permissions.initialize, (admins, 2, 16, accounts, rights)))
        );
        compare("permissions", proxy, implementation);
    }

    function test_genesis_contracts_work_together() public {
        ValidatorSet set = ValidatorSet(etch("validatorSet", "ValidatorSet"));
        Permissions permissions = Permissions(etch("permissions", "Permissions"));
        eq(set.getValidators()[0], B, "first validator");
        eq(set.governor(), address(permissions), "governor");
        eq(permissions.rightsOf(B), 23, "listed");
        eq(permissions.rightsOf(A), 19, "an admin listed with nothing");
        eq(permissions.rightsOf(address(5)), 16, "default");
        eq(permissions.listedCount(), 3, "listed");

        // Two of three admins change the set.
        vm.prank(A);
        uint256 id = permissions.propose(address(set), abi.encodeCall(IValidatorSet.addValidator, (address(77))));
        vm.prank(C);
        permissions.approve(id);
        eq(set.pendingValidators().length, 4, "signalled");
        vm.prank(0xffffFFFfFFffffffffffffffFfFFFfffFFFfFFfE);
        set.finalizeChange();
        require(set.isValidator(address(77)), "in force");

        // And rights, and the code.
        address[] memory accounts = new address[](1);
        accounts[0] = A;
        vm.prank(A);
        id = permissions.propose(address(permissions), abi.encodeCall(IPermissions.clearRights, (accounts)));
        vm.prank(B);
        permissions.approve(id);
        eq(permissions.listedCount(), 2, "cleared");
        Permissions next = new Permissions();
        vm.prank(A);
        id = permissions.propose(
            address(permissions), abi.encodeWithSignature("upgradeToAndCall(address,bytes)", address(next), "")
        );
        vm.prank(B);
        permissions.approve(id);
        eq(address(uint160(uint256(vm.load(address(permissions), IMPLEMENTATION_SLOT)))), address(next), "upgraded");

        // The implementations behind them are locked.
        vm.expectRevert();
        ValidatorSet(vm.parseJsonAddress(fixture, ".validatorSet.implementation")).initialize(accounts, A);
        vm.expectRevert();
        set.initialize(accounts, A);
    }

    // ---------------------------------------------------------------- comparing

    function compare(string memory name, address proxy, address implementation) private {
        (, bytes32[] memory written) = vm.accesses(proxy);
        (bytes32[] memory slots, bytes32[] memory values) = storageOf(name, "proxyStorage");
        address genesisImplementation = vm.parseJsonAddress(fixture, string.concat(".", name, ".implementation"));
        for (uint256 i = 0; i < slots.length; i++) {
            bytes32 deployed = vm.load(proxy, slots[i]);
            if (slots[i] == IMPLEMENTATION_SLOT) {
                eq(deployed, bytes32(uint256(uint160(implementation))), "implementation of the deployment");
                eq(values[i], bytes32(uint256(uint160(genesisImplementation))), "implementation of the genesis");
            } else {
                eq(deployed, values[i], string.concat("value of slot ", str(uint256(slots[i]))));
            }
        }
        // Nothing was written that the genesis does not know.
        for (uint256 i = 0; i < written.length; i++) {
            bool known = vm.load(proxy, written[i]) == 0;
            for (uint256 j = 0; j < slots.length; j++) {
                known = known || slots[j] == written[i];
            }
            require(known, string.concat("slot missing in genesis: ", str(uint256(written[i]))));
        }
        (slots, values) = storageOf(name, "implementationStorage");
        eq(slots.length, 1, "slots of the implementation");
        eq(vm.load(implementation, slots[0]), values[0], "the lock of the implementation");

        string memory artifact = keccak256(bytes(name)) == keccak256("permissions") ? "Permissions" : "ValidatorSet";
        eq(proxy.code, code("ERC1967Proxy", proxy), "code of the proxy");
        eq(implementation.code, code(artifact, implementation), "code of the implementation");
    }

    /// What the genesis has, put into this chain.
    function etch(string memory name, string memory artifact) private returns (address proxy) {
        proxy = vm.parseJsonAddress(fixture, string.concat(".", name, ".proxy"));
        address implementation = vm.parseJsonAddress(fixture, string.concat(".", name, ".implementation"));
        vm.etch(proxy, code("ERC1967Proxy", proxy));
        vm.etch(implementation, code(artifact, implementation));
        (bytes32[] memory slots, bytes32[] memory values) = storageOf(name, "proxyStorage");
        for (uint256 i = 0; i < slots.length; i++) {
            vm.store(proxy, slots[i], values[i]);
        }
        (slots, values) = storageOf(name, "implementationStorage");
        vm.store(implementation, slots[0], values[0]);
    }

    function storageOf(string memory name, string memory which)
        private
        view
        returns (bytes32[] memory slots, bytes32[] memory values)
    {
        string memory path = string.concat(".", name, ".", which);
        slots = vm.parseJsonBytes32Array(fixture, string.concat(path, ".slots"));
        values = vm.parseJsonBytes32Array(fixture, string.concat(path, ".values"));
    }

    /// The committed code with its own address where the constructor writes it.
    function code(string memory artifact, address self) private view returns (bytes memory result) {
        string memory json = vm.readFile(string.concat("artifacts/", artifact, ".json"));
        result = vm.parseJsonBytes(json, ".deployedBytecode");
        uint256[] memory holes = vm.parseJsonUintArray(json, ".immutables");
        for (uint256 i = 0; i < holes.length; i++) {
            for (uint256 j = 0; j < 20; j++) {
                result[holes[i] + 12 + j] = bytes20(self)[j];
            }
        }
    }
}
