// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {PausableUpgradeable} from "@openzeppelin/contracts-upgradeable/utils/PausableUpgradeable.sol";
import {HomeBridge} from "../src/bridge/HomeBridge.sol";
import {IBridge} from "../src/interfaces/IBridge.sol";
import {IBridgedToken} from "../src/interfaces/IBridgedToken.sol";
import {IHomeBridge} from "../src/interfaces/IHomeBridge.sol";
import {Limits, Transfer} from "../src/interfaces/Types.sol";
import {BridgeFixture} from "./support/BridgeFixture.sol";
import {PlainToken} from "./support/Tokens.sol";

contract HomeBridgeTest is BridgeFixture {
    // ---------------------------------------------------------------- foreign to home

    function test_mints_in_the_call_that_reaches_the_threshold() public {
        Transfer memory t = fromForeign(deposit(100e9, BOB), BOB, 100e9);
        onHome();
        bytes32 id = home.incomingId(0);
        bytes32 digest = digestForHome(t);
        attest(0, t);
        attest(1, t);
        eq(home.attestationCount(digest), 2, "two");
        eq(bridged.balanceOf(BOB), 0, "not yet");
        require(!home.isAttested(digest), "not yet attested");
        onHome();
        vm.expectEmit(address(home));
        emit IHomeBridge.AttestationAdded(id, vm.addr(keys[2]), digest, 3, 3);
        vm.expectEmit(address(home));
        emit IHomeBridge.Attested(id, digest, t);
        vm.expectEmit(address(home));
        emit IBridge.Executed(id, 0, BOB, address(bridged), 100e9, digest);
        attest(2, t);
        eq(bridged.balanceOf(BOB), 100e9, "minted");
        eq(home.minted(address(bridged)), 100e9, "total");
        eq(home.executedDigest(id), digest, "digest");
        bytes memory late = sign(keys[3], digest);
        vm.expectRevert(abi.encodeWithSelector(IBridge.AlreadyExecuted.selector, id));
        home.attest(t, late);
        vm.expectRevert(abi.encodeWithSelector(IBridge.AlreadyExecuted.selector, id));
        home.execute(t);
    }

    function test_second_message_for_a_consumed_identity_is_refused() public {
        bring(100e9, BOB);
        Transfer memory other = fromForeign(0, ALICE, 999e9);
        onHome();
        bytes memory signature = sign(keys[3], digestForHome(other));
        vm.expectRevert(abi.encodeWithSelector(IBridge.AlreadyExecuted.selector, home.incomingId(0)));
        home.attest(other, signature);
    }

    function test_no_single_validator_counts_twice() public {
        Transfer memory t = fromForeign(deposit(100e9, BOB), BOB, 100e9);
        attest(0, t);
        onHome();
        bytes memory again = sign(keys[0], digestForHome(t));
        bytes memory expected = abi.encodeWithSelector(
            IHomeBridge.AlreadyAttested.selector, home.incomingId(0), vm.addr(keys[0]), uint64(1)
        );
        vm.expectRevert(expected);
        home.attest(t, again);
        // Nor may it attest another content of the same deposit.
        Transfer memory other = fromForeign(0, ALICE, 100e9);
        again = sign(keys[0], digestForHome(other));
        vm.expectRevert(expected);
        home.attest(other, again);
    }

    function test_votes_for_different_contents_do_not_add_up() public {
        Transfer memory t = fromForeign(deposit(100e9, BOB), BOB, 100e9);
        Transfer memory forged = fromForeign(0, ALICE, 900e9);
        attest(0, t);
        attest(1, t);
        attest(2, forged);
        attest(3, forged);
        eq(bridged.totalSupply(), 0, "nothing minted");
        eq(home.digests(home.incomingId(0)).length, 2, "both are on record");
    }

    function test_votes_of_removed_validators_do_not_count() public {
        Transfer memory t = fromForeign(deposit(100e9, BOB), BOB, 100e9);
        attest(0, t);
        attest(1, t);
        // 0 and 1 leave, a newcomer replaces them; the threshold of the three is 2.
        address[] memory next = new address[](3);
        uint256 newcomer = uint256(keccak256("newcomer"));
        (next[0], next[1], next[2]) = (vm.addr(keys[2]), vm.addr(keys[3]), vm.addr(newcomer));
        vm.prank(OWNER);
        homeValidators.setValidators(next, 2);
        eq(home.attestationCount(digestForHome(t)), 0, "old votes");
        onHome();
        bytes memory signature = sign(keys[2], digestForHome(t));
        vm.expectRevert(abi.encodeWithSelector(IBridge.WrongEpoch.selector, 1, 2));
        home.attest(t, signature);
        t.validatorEpoch = 2;
        signature = sign(keys[0], digestForHome(t));
        vm.expectRevert(abi.encodeWithSelector(IBridge.NotAValidator.selector, vm.addr(keys[0])));
        home.attest(t, signature);
        attest(2, t);
        eq(bridged.balanceOf(BOB), 0, "one of two");
        home.attest(t, sign(newcomer, digestForHome(t)));
        eq(bridged.balanceOf(BOB), 100e9, "two of two");
    }

    function test_attested_again_under_a_newer_epoch_it_is_still_one_transfer() public {
        Transfer memory t = fromForeign(deposit(100e9, BOB), BOB, 100e9);
        attest(0, t);
        attest(1, t);
        vm.prank(OWNER);
        homeValidators.setValidators(addresses(), THRESHOLD);
        t.validatorEpoch = 2;
        attest(0, t);
        attest(1, t);
        eq(bridged.balanceOf(BOB), 0, "the votes of epoch 1 are gone");
        attest(2, t);
        eq(bridged.balanceOf(BOB), 100e9, "minted once");
        vm.prank(OWNER);
        homeValidators.setValidators(addresses(), THRESHOLD);
        t.validatorEpoch = 3;
        onHome();
        bytes memory signature = sign(keys[0], digestForHome(t));
        vm.expectRevert(abi.encodeWithSelector(IBridge.AlreadyExecuted.selector, home.incomingId(0)));
        home.attest(t, signature);
    }

    function test_over_the_limit_is_attested_deferred_and_minted_later() public {
        Limits memory l = defaultLimits();
        l.executionDaily = 1000e9;
        vm.prank(OWNER);
        home.setLimits(address(bridged), l);
        bring(800e9, BOB);
        Transfer memory t = fromForeign(deposit(400e9, BOB), BOB, 400e9);
        attest(0, t);
        attest(1, t);
        onHome();
        bytes32 id = home.incomingId(1);
        vm.expectEmit(address(home));
        emit IHomeBridge.AttestationAdded(id, vm.addr(keys[2]), digestForHome(t), 3, 3);
        vm.expectEmit(address(home));
        emit IHomeBridge.Attested(id, digestForHome(t), t);
        vm.expectEmit(address(home));
        emit IHomeBridge.Deferred(id, digestForHome(t), IBridge.ExecutionOverDailyLimit.selector);
        attest(2, t);
        require(home.isAttested(digestForHome(t)), "attested");
        require(!home.isExecuted(id), "not paid");
        vm.expectRevert(abi.encodeWithSelector(IBridge.ExecutionOverDailyLimit.selector, 400e9, 200e9));
        home.execute(t);
        vm.warp(home.executionReadyAt(address(bridged), 400e9));
        vm.prank(ALICE); // anybody
        home.execute(t);
        eq(bridged.balanceOf(BOB), 1200e9, "both arrived");
    }

    function test_paused_bridge_collects_attestations_and_mints_after() public {
        Transfer memory t = fromForeign(deposit(400e9, BOB), BOB, 400e9);
        vm.prank(GUARDIAN);
        home.pause();
        attest(0, t);
        attest(1, t);
        onHome();
        vm.expectRevert(abi.encodeWithSelector(IBridge.NotEnoughAttestations.selector, 2, 3));
        home.execute(t);
        attest(2, t);
        eq(bridged.totalSupply(), 0, "paused");
        vm.expectRevert(PausableUpgradeable.EnforcedPause.selector);
        home.execute(t);
        vm.prank(OWNER);
        home.unpause();
        // The fourth attestation would do it as well as execute().
        attest(3, t);
        eq(bridged.balanceOf(BOB), 400e9, "minted");
    }

    function test_deferred_transfer_needs_new_attestations_after_a_change_of_the_set() public {
        Transfer memory t = fromForeign(deposit(400e9, BOB), BOB, 400e9);
        vm.prank(GUARDIAN);
        home.pause();
        for (uint256 i = 0; i < 3; i++) {
            attest(i, t);
        }
        vm.startPrank(OWNER);
        homeValidators.setValidators(addresses(), 4);
        home.unpause();
        vm.stopPrank();
        onHome();
        vm.expectRevert(abi.encodeWithSelector(IBridge.WrongEpoch.selector, 1, 2));
        home.execute(t);
        t.validatorEpoch = 2;
        vm.expectRevert(abi.encodeWithSelector(IBridge.NotEnoughAttestations.selector, 0, 4));
        home.execute(t);
        for (uint256 i = 0; i < 4; i++) {
            attest(i, t);
        }
        eq(bridged.balanceOf(BOB), 400e9, "minted");
    }

    function test_refuses_bad_recipients_tokens_lanes_and_signatures() public {
        address[5] memory bad = [address(0), address(foreign), address(home), address(token), address(bridged)];
        for (uint256 i = 0; i < bad.length; i++) {
            refuse(fromForeign(0, bad[i], 100), IBridge.BadRecipient.selector);
        }
        Transfer memory t = fromForeign(0, BOB, 100);
        t.token = address(bridged);
        refuse(t, IBridge.UnknownToken.selector);
        refuse(fromForeign(0, BOB, 0), IBridge.ZeroAmount.selector);
        t = fromForeign(0, BOB, 100);
        t.srcChainId = FOREIGN + 1;
        refuse(t, IBridge.UnknownLane.selector);
        t = fromForeign(0, BOB, 100);
        t.srcBridge = BOB;
        refuse(t, IBridge.UnknownLane.selector);
        t = fromForeign(0, BOB, 100);
        t.version = 0;
        refuse(t, IBridge.UnknownLane.selector);
        t = fromForeign(0, BOB, 100);
        onHome();
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[0], digestForHome(t));
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        bytes[5] memory malformed = [
            abi.encodePacked(r, bytes32(order - uint256(s)), v == 27 ? uint8(28) : uint8(27)),
            abi.encodePacked(r, s, v - 27),
            abi.encodePacked(bytes32(0), bytes32(0), v),
            abi.encodePacked(r, s),
            bytes("")
        ];
        for (uint256 i = 0; i < malformed.length; i++) {
            vm.expectRevert(IBridge.BadSignature.selector);
            home.attest(t, malformed[i]);
        }
        // A signature for the other chain's domain recovers to a stranger.
        bytes memory other = sign(keys[0], digestForForeign(t));
        vm.expectRevert();
        home.attest(t, other);
        eq(home.attestationCount(digestForHome(t)), 0, "nothing recorded");
    }

    // ---------------------------------------------------------------- home to foreign

    function test_deposit_by_allowance_and_in_one_step_burn_the_same_way() public {
        bring(1000e9, BOB);
        onHome();
        vm.startPrank(BOB);
        bridged.approve(address(home), 100e9);
        home.deposit(address(bridged), 100e9, ALICE);
        bridged.transferAndCall(address(home), 100e9, abi.encodePacked(ALICE));
        bridged.transferAndCall(address(home), 100e9, abi.encode(ALICE));
        bridged.transferAndCall(address(home), 100e9, "");
        vm.stopPrank();
        eq(bridged.totalSupply(), 600e9, "burned");
        eq(bridged.balanceOf(address(home)), 0, "the bridge keeps nothing");
        for (uint256 nonce = 0; nonce < 3; nonce++) {
            attest(0, fromHome(nonce, ALICE, 100e9)); // matches what is on record
        }
        attest(0, fromHome(3, BOB, 100e9));
    }

    function test_one_step_deposit_refuses_bad_data_recipients_and_callers() public {
        bring(1000e9, BOB);
        onHome();
        vm.startPrank(BOB);
        bytes[4] memory bad =
            [bytes(hex"01"), abi.encode(uint256(type(uint160).max) + 1), abi.encode(ALICE, ALICE), new bytes(21)];
        for (uint256 i = 0; i < bad.length; i++) {
            vm.expectRevert(IHomeBridge.BadTransferData.selector);
            bridged.transferAndCall(address(home), 100, bad[i]);
        }
        address[5] memory to = [address(0), address(foreign), address(home), address(token), address(bridged)];
        for (uint256 i = 0; i < to.length; i++) {
            vm.expectRevert(abi.encodeWithSelector(IBridge.BadRecipient.selector, to[i]));
            bridged.transferAndCall(address(home), 100, abi.encodePacked(to[i]));
        }
        vm.expectRevert(abi.encodeWithSelector(IBridge.UnknownToken.selector, BOB));
        home.onTokenTransfer(BOB, 100, "");
        vm.stopPrank();
        eq(home.depositCount(), 0, "none taken");
        eq(bridged.balanceOf(BOB), 1000e9, "none lost");
    }

    function test_only_what_was_burned_can_be_attested() public {
        bring(1000e9, BOB);
        uint256 nonce = burn(100e9, ALICE);
        Transfer memory t = fromHome(nonce, ALICE, 100e9);
        t.amount = 101e9;
        refuse(t, IHomeBridge.NotDeposited.selector);
        t = fromHome(nonce, BOB, 100e9);
        refuse(t, IHomeBridge.NotDeposited.selector);
        t = fromHome(nonce + 1, ALICE, 100e9);
        refuse(t, IHomeBridge.NotDeposited.selector);
        t = fromHome(nonce, ALICE, 100e9);
        t.sender = ALICE;
        refuse(t, IHomeBridge.NotDeposited.selector);
        t = fromHome(nonce, ALICE, 100e9);
        t.validatorEpoch = 0;
        refuse(t, IBridge.WrongEpoch.selector);
        attest(0, fromHome(nonce, ALICE, 100e9));
    }

    function test_collected_signatures_are_what_the_foreign_side_accepts() public {
        bring(1000e9, BOB);
        Transfer memory t = fromHome(burn(100e9, ALICE), ALICE, 100e9);
        bytes32 digest = digestForForeign(t);
        // Out of order on purpose.
        attest(3, t);
        attest(0, t);
        eq(home.attestedDigest(home.outgoingId(0)), 0, "two of three");
        onHome();
        vm.expectEmit(address(home));
        emit IHomeBridge.AttestationAdded(home.outgoingId(0), vm.addr(keys[1]), digest, 3, 3);
        vm.expectEmit(address(home));
        emit IHomeBridge.Attested(home.outgoingId(0), digest, t);
        attest(1, t);
        eq(home.attestedDigest(home.outgoingId(0)), digest, "attested");
        (address[] memory signers, bytes[] memory list) = home.signatures(digest);
        eq(signers.length, 3, "three");
        eq(signers[0], vm.addr(keys[0]), "ascending");
        uint256 before = token.balanceOf(ALICE);
        onForeign();
        foreign.execute(t, list);
        eq(token.balanceOf(ALICE) - before, 100e9, "unlocked");
        attest(2, t); // late, harmless
    }

    function test_withdrawal_is_attested_again_when_the_foreign_set_changed() public {
        bring(1000e9, BOB);
        Transfer memory t = fromHome(burn(100e9, ALICE), ALICE, 100e9);
        for (uint256 i = 0; i < 3; i++) {
            attest(i, t);
        }
        vm.prank(OWNER);
        foreignValidators.setValidators(addresses(), 4);
        (, bytes[] memory list) = home.signatures(digestForForeign(t));
        onForeign();
        vm.expectRevert(abi.encodeWithSelector(IBridge.WrongEpoch.selector, 1, 2));
        foreign.execute(t, list);
        t.validatorEpoch = 2;
        for (uint256 i = 0; i < 4; i++) {
            attest(i, t);
        }
        (, list) = home.signatures(digestForForeign(t));
        onForeign();
        foreign.execute(t, list);
        eq(foreign.locked(address(token)), 900e9, "unlocked once");
        // An old epoch after a new one is refused.
        t.validatorEpoch = 1;
        refuseFrom(0, t, IHomeBridge.AlreadyAttested.selector);
    }

    function test_signatures_of_removed_home_validators_are_not_handed_out() public {
        bring(1000e9, BOB);
        Transfer memory t = fromHome(burn(100e9, ALICE), ALICE, 100e9);
        for (uint256 i = 0; i < 4; i++) {
            attest(i, t);
        }
        vm.prank(OWNER);
        homeValidators.setValidators(first(2), 2);
        (address[] memory signers,) = home.signatures(digestForForeign(t));
        eq(signers.length, 2, "current ones only");
        require(home.hasAttested(digestForForeign(t), vm.addr(keys[3])), "still on record");
    }

    function test_limits_hold_on_home_deposits() public {
        bring(1000e9, BOB);
        onHome();
        vm.prank(BOB);
        vm.expectRevert(abi.encodeWithSelector(IBridge.DepositOutOfRange.selector, 9, 10, 1000e9));
        bridged.transferAndCall(address(home), 9, "");
        vm.prank(GUARDIAN);
        home.pause();
        vm.prank(BOB);
        vm.expectRevert(PausableUpgradeable.EnforcedPause.selector);
        bridged.transferAndCall(address(home), 100, "");
    }

    function test_takes_only_tokens_that_name_it_as_their_bridge() public {
        PlainToken plain = new PlainToken();
        vm.startPrank(OWNER);
        vm.expectRevert();
        home.addToken(address(plain), ALICE, defaultLimits());
        ForeignToken other = new ForeignToken();
        vm.expectRevert(abi.encodeWithSelector(IHomeBridge.NotBridgeOfToken.selector, address(other)));
        home.addToken(address(other), ALICE, defaultLimits());
        vm.stopPrank();
    }

    // ---------------------------------------------------------------- helpers

    function refuse(Transfer memory t, bytes4 reason) private {
        refuseFrom(0, t, reason);
    }

    function refuseFrom(uint256 i, Transfer memory t, bytes4 reason) private {
        onHome();
        bytes32 digest = t.srcChainId == HOME ? digestForForeign(t) : digestForHome(t);
        bytes memory input = abi.encodeCall(IHomeBridge.attest, (t, sign(keys[i], digest)));
        (bool done, bytes memory answer) = address(home).call(input);
        require(!done, "must be refused");
        eq(bytes32(bytes4(answer)), bytes32(reason), "reason");
    }
}

/// A token of another bridge.
contract ForeignToken {
    address public constant bridge = address(0x1234);
}
