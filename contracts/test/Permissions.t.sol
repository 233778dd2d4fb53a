// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {Permissions} from "../src/chain/Permissions.sol";
import {ICouncil} from "../src/interfaces/ICouncil.sol";
import {IPermissions} from "../src/interfaces/IPermissions.sol";
import {Test} from "./support/Test.sol";

/// Permissions and the council in it.
contract PermissionsTest is Test {
    uint32 private constant ADMIN_RIGHTS = 19;

    Permissions private permissions;
    address[] private admins;
    address private constant MEMBER = address(0x3e3be4);
    address private constant STRANGER = address(0x57a4e4);

    function setUp() public {
        vm.warp(1_800_000_000);
        for (uint160 i = 1; i <= 4; i++) {
            admins.push(address(0xad0 + i));
        }
        address[] memory accounts = new address[](1);
        accounts[0] = MEMBER;
        uint32[] memory rights = new uint32[](1);
        rights[0] = 23;
        bytes memory init = abi.encodeCall(Permissions.initialize, (admins, 3, 16, accounts, rights));
        permissions = Permissions(address(new ERC1967Proxy(address(new Permissions()), init)));
    }

    // ---------------------------------------------------------------- rights

    function test_listed_unlisted_and_admin_accounts() public view {
        eq(permissions.rightsOf(MEMBER), 23, "listed");
        eq(permissions.rightsOf(STRANGER), 16, "default");
        eq(permissions.rightsOf(admins[0]), ADMIN_RIGHTS, "admin");
        eq(permissions.listedCount(), 1, "count");
        (address[] memory accounts, uint32[] memory rights) = permissions.listed(0, 10);
        eq(accounts[0], MEMBER, "account");
        eq(rights[0], 23, "rights");
        (accounts,) = permissions.listed(5, 10);
        eq(accounts.length, 0, "past the end");
    }

    function testFuzz_allowed_tx_types_are_the_low_rights_of_the_sender_alone(
        address sender,
        uint32 raw,
        address to,
        uint256 value,
        uint256 fee,
        bytes calldata data
    ) public {
        uint32 mask = raw & 23;
        decide(abi.encodeCall(IPermissions.setRights, (one(sender), one(mask))));
        (uint32 types, bool cacheable) = permissions.allowedTxTypes(sender, to, value, fee, fee, 21_000, data);
        eq(types, permissions.rightsOf(sender) & 7, "types");
        require(cacheable, "depends on the sender alone");
        if (!permissions.isAdmin(sender)) eq(types, mask & 7, "as set");
    }

    function test_parity_asks_with_its_selectors() public view {
        eq(bytes32(IPermissions.allowedTxTypes.selector), bytes32(bytes4(0xe4e3b5e5)), "allowedTxTypes v4");
        eq(bytes32(IPermissions.contractVersion.selector), bytes32(bytes4(0xa0a8e460)), "contractVersion");
        eq(permissions.contractVersion(), 4, "version");
        eq(permissions.contractName(), "TX_PERMISSION_CONTRACT", "name");
        bytes32 hash = permissions.contractNameHash();
        eq(bytes32(bytes4(hash)), bytes32(bytes4(0x4f314075)), "name hash");
        eq(uint256(hash) & 0xffff, 0x59c5, "name hash, end");
    }

    function test_rights_are_set_cleared_and_defaulted_by_proposal() public {
        decide(abi.encodeCall(IPermissions.setDefaultRights, (1)));
        eq(permissions.rightsOf(STRANGER), 1, "new default");
        decide(abi.encodeCall(IPermissions.setRights, (one(STRANGER), one(uint32(0)))));
        eq(permissions.rightsOf(STRANGER), 0, "listed with nothing");
        require(permissions.isListed(STRANGER), "listed");
        decide(abi.encodeCall(IPermissions.clearRights, (one(STRANGER))));
        eq(permissions.rightsOf(STRANGER), 1, "default again");
        refuse(abi.encodeCall(IPermissions.clearRights, (one(STRANGER))), ICouncil.NoChange.selector);
        refuse(abi.encodeCall(IPermissions.setDefaultRights, (8)), IPermissions.UnknownRights.selector);
        refuse(
            abi.encodeCall(IPermissions.setRights, (one(STRANGER), one(uint32(32)))),
            IPermissions.UnknownRights.selector
        );
        refuse(
            abi.encodeCall(IPermissions.setRights, (one(STRANGER), new uint32[](0))),
            IPermissions.LengthMismatch.selector
        );
    }

    function test_the_council_cannot_lock_itself_out() public {
        decide(abi.encodeCall(IPermissions.setDefaultRights, (0)));
        uint32[] memory none = new uint32[](4);
        decide(abi.encodeCall(IPermissions.setRights, (admins, none)));
        eq(permissions.rightsOf(admins[0]), ADMIN_RIGHTS, "admins still read and call");
        decide(abi.encodeCall(IPermissions.setDefaultRights, (23)));
        eq(permissions.rightsOf(STRANGER), 23, "and decide");
    }

    // ---------------------------------------------------------------- council

    function test_a_proposal_needs_the_threshold() public {
        bytes memory data = abi.encodeCall(IPermissions.setDefaultRights, (7));
        vm.prank(admins[0]);
        uint256 id = permissions.propose(address(permissions), data);
        vm.prank(admins[0]);
        vm.expectRevert(ICouncil.NoChange.selector);
        permissions.approve(id);
        vm.prank(admins[1]);
        permissions.approve(id);
        eq(permissions.defaultRights(), 16, "two of three");
        vm.prank(admins[1]);
        permissions.revoke(id);
        vm.prank(admins[2]);
        permissions.approve(id);
        eq(permissions.defaultRights(), 16, "still two");
        vm.prank(admins[3]);
        permissions.approve(id);
        eq(permissions.defaultRights(), 7, "three");
        vm.prank(admins[1]);
        vm.expectRevert(abi.encodeWithSelector(ICouncil.ProposalDone.selector, id));
        permissions.approve(id);
        (address proposer, address target, bytes memory stored, address[] memory approvals,, bool executed) =
            permissions.proposal(id);
        eq(proposer, admins[0], "proposer");
        eq(target, address(permissions), "target");
        eq(stored, data, "data");
        eq(approvals.length, 3, "approvals");
        require(executed, "executed");
    }

    function test_strangers_neither_propose_nor_approve_nor_act() public {
        vm.startPrank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(ICouncil.NotAdmin.selector, STRANGER));
        permissions.propose(address(permissions), "");
        vm.expectRevert(abi.encodeWithSelector(ICouncil.NotAdmin.selector, STRANGER));
        permissions.approve(0);
        vm.stopPrank();
        bytes[8] memory calls = [
            abi.encodeCall(IPermissions.setDefaultRights, (0)),
            abi.encodeCall(IPermissions.setRights, (one(STRANGER), one(uint32(7)))),
            abi.encodeCall(IPermissions.clearRights, (one(MEMBER))),
            abi.encodeCall(ICouncil.addAdmin, (STRANGER)),
            abi.encodeCall(ICouncil.removeAdmin, (admins[0])),
            abi.encodeCall(ICouncil.replaceAdmin, (admins[0], STRANGER)),
            abi.encodeCall(ICouncil.setThreshold, (1)),
            abi.encodeCall(UUPSUpgradeable.upgradeToAndCall, (address(this), ""))
        ];
        for (uint256 i = 0; i < calls.length; i++) {
            vm.prank(admins[0]); // not even an admin alone
            (bool done, bytes memory answer) = address(permissions).call(calls[i]);
            require(!done, "refused");
            eq(bytes32(bytes4(answer)), bytes32(ICouncil.OnlyCouncil.selector), "reason");
        }
    }

    function test_approvals_of_removed_admins_do_not_count() public {
        vm.prank(admins[0]);
        uint256 id = permissions.propose(address(permissions), abi.encodeCall(IPermissions.setDefaultRights, (7)));
        vm.prank(admins[1]);
        permissions.approve(id);
        decide(abi.encodeCall(ICouncil.replaceAdmin, (admins[1], STRANGER)));
        vm.prank(admins[2]);
        permissions.approve(id);
        eq(permissions.defaultRights(), 16, "two current approvals");
        vm.prank(STRANGER);
        permissions.approve(id);
        eq(permissions.defaultRights(), 7, "three");
    }

    function test_the_last_admin_stays_and_the_threshold_stays_reachable() public {
        refuse(abi.encodeCall(ICouncil.setThreshold, (5)), ICouncil.BadThreshold.selector);
        refuse(abi.encodeCall(ICouncil.setThreshold, (0)), ICouncil.BadThreshold.selector);
        decide(abi.encodeCall(ICouncil.removeAdmin, (admins[3])));
        refuse(abi.encodeCall(ICouncil.removeAdmin, (admins[2])), ICouncil.BadThreshold.selector);
        decide(abi.encodeCall(ICouncil.setThreshold, (1)));
        decide(abi.encodeCall(ICouncil.removeAdmin, (admins[2])));
        decide(abi.encodeCall(ICouncil.removeAdmin, (admins[1])));
        refuse(abi.encodeCall(ICouncil.removeAdmin, (admins[0])), ICouncil.LastAdmin.selector);
        eq(permissions.admins().length, 1, "one left");
        refuse(abi.encodeCall(ICouncil.addAdmin, (admins[0])), ICouncil.DuplicateAdmin.selector);
        refuse(abi.encodeCall(ICouncil.addAdmin, (address(0))), ICouncil.ZeroAdmin.selector);
        refuse(abi.encodeCall(ICouncil.removeAdmin, (STRANGER)), ICouncil.NotAdmin.selector);
    }

    function testFuzz_any_sequence_of_changes_keeps_the_council_able_to_decide(uint256 seed) public {
        for (uint256 i = 0; i < 12; i++) {
            seed = uint256(keccak256(abi.encode(seed)));
            address who = address(uint160(0xad0 + seed % 7));
            bytes memory data = [
                abi.encodeCall(ICouncil.addAdmin, (who)),
                abi.encodeCall(ICouncil.removeAdmin, (who)),
                abi.encodeCall(ICouncil.setThreshold, ((seed >> 8) % 6)),
                abi.encodeCall(ICouncil.replaceAdmin, (who, address(uint160(0xad0 + (seed >> 8) % 7))))
            ][(seed >> 16) % 4];
            attempt(address(permissions), data);
            uint256 count = permissions.admins().length;
            require(count >= 1 && permissions.threshold() >= 1 && permissions.threshold() <= count, "able");
        }
        decide(abi.encodeCall(IPermissions.setDefaultRights, (5)));
        eq(permissions.defaultRights(), 5, "still decides");
    }

    function test_proposals_expire() public {
        vm.prank(admins[0]);
        uint256 id = permissions.propose(address(permissions), abi.encodeCall(IPermissions.setDefaultRights, (7)));
        vm.warp(block.timestamp + 30 days + 1);
        vm.prank(admins[1]);
        vm.expectRevert(abi.encodeWithSelector(ICouncil.ProposalExpired.selector, id));
        permissions.approve(id);
        vm.prank(admins[1]);
        vm.expectRevert(abi.encodeWithSelector(ICouncil.UnknownProposal.selector, id + 1));
        permissions.approve(id + 1);
    }

    function test_acts_on_other_contracts_and_passes_their_errors_on() public {
        Target target = new Target();
        act(address(target), abi.encodeCall(Target.set, (42)));
        eq(target.value(), 42, "called");
        eq(target.caller(), address(permissions), "by the council");
        (bool done, bytes memory answer) = attempt(address(target), abi.encodeCall(Target.set, (13)));
        require(!done, "refused");
        eq(bytes32(bytes4(answer)), bytes32(Target.Unlucky.selector), "the target's reason");
        vm.prank(admins[0]);
        vm.expectRevert(abi.encodeWithSelector(ICouncil.NotAContract.selector, STRANGER));
        permissions.propose(STRANGER, "");
    }

    // ---------------------------------------------------------------- proxies

    function test_upgrades_are_decided_by_the_council_and_keep_the_state() public {
        Permissions next = new Permissions();
        act(address(permissions), abi.encodeCall(UUPSUpgradeable.upgradeToAndCall, (address(next), "")));
        eq(permissions.rightsOf(MEMBER), 23, "rights survive");
        eq(permissions.threshold(), 3, "council survives");
    }

    function test_implementation_and_second_initialisation_are_refused() public {
        Permissions code = new Permissions();
        uint32[] memory none = new uint32[](0);
        address[] memory nobody = new address[](0);
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        code.initialize(admins, 1, 0, nobody, none);
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        permissions.initialize(admins, 1, 0, nobody, none);
        vm.expectRevert(abi.encodeWithSelector(ICouncil.BadThreshold.selector, 0, 0));
        new ERC1967Proxy(address(code), abi.encodeCall(Permissions.initialize, (nobody, 0, 0, nobody, none)));
    }

    // ---------------------------------------------------------------- helpers

    function one(address a) private pure returns (address[] memory list) {
        list = new address[](1);
        list[0] = a;
    }

    function one(uint32 a) private pure returns (uint32[] memory list) {
        list = new uint32[](1);
        list[0] = a;
    }

    /// Propose and approve until it is done or refused.
    function attempt(address target, bytes memory data) private returns (bool done, bytes memory answer) {
        address[] memory current = permissions.admins();
        uint256 needed = permissions.threshold();
        uint256 id = permissions.proposalCount();
        vm.prank(current[0]);
        (done, answer) = address(permissions).call(abi.encodeCall(ICouncil.propose, (target, data)));
        for (uint256 i = 1; done && i < needed; i++) {
            vm.prank(current[i]);
            (done, answer) = address(permissions).call(abi.encodeCall(ICouncil.approve, (id)));
        }
    }

    function act(address target, bytes memory data) private {
        (bool done,) = attempt(target, data);
        require(done, "decided");
    }

    function decide(bytes memory data) private {
        act(address(permissions), data);
    }

    function refuse(bytes memory data, bytes4 reason) private {
        (bool done, bytes memory answer) = attempt(address(permissions), data);
        require(!done, "must be refused");
        eq(bytes32(bytes4(answer)), bytes32(reason), "reason");
    }
}

contract Target {
    error Unlucky();

    uint256 public value;
    address public caller;

    function set(uint256 value_) external {
        if (value_ == 13) revert Unlucky();
        value = value_;
        caller = msg.sender;
    }
}
