// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {PausableUpgradeable} from "@openzeppelin/contracts-upgradeable/utils/PausableUpgradeable.sol";
import {OwnableUpgradeable} from "@openzeppelin/contracts-upgradeable/access/OwnableUpgradeable.sol";
import {ForeignBridge} from "../src/bridge/ForeignBridge.sol";
import {IBridge} from "../src/interfaces/IBridge.sol";
import {IBridgeValidators} from "../src/interfaces/IBridgeValidators.sol";
import {IForeignBridge} from "../src/interfaces/IForeignBridge.sol";
import {Limits, TokenInfo, Transfer} from "../src/interfaces/Types.sol";
import {BridgeFixture, UninitialisedProxy} from "./support/BridgeFixture.sol";
import {BlockingToken, DrainingToken, PlainToken} from "./support/Tokens.sol";

contract ForeignBridgeTest is BridgeFixture {
    // ---------------------------------------------------------------- executions

    function test_executes_once_at_the_threshold() public {
        uint256 nonce = ready(400e9);
        Transfer memory t = fromHome(nonce, ALICE, 400e9);
        uint256 before = token.balanceOf(ALICE);
        onForeign();
        bytes32 id = foreign.incomingId(nonce);
        vm.expectEmit(address(foreign));
        emit IBridge.Executed(id, nonce, ALICE, address(token), 400e9, digestForForeign(t));
        foreign.execute(t, signatures(t, THRESHOLD));
        eq(token.balanceOf(ALICE) - before, 400e9, "received");
        eq(foreign.locked(address(token)), 600e9, "locked");
        require(foreign.isExecuted(id), "done");
        vm.expectRevert(abi.encodeWithSelector(IBridge.AlreadyExecuted.selector, id));
        foreign.execute(t, signatures(t, THRESHOLD));
        // Another message under the same identity.
        t.amount = 1e9;
        vm.expectRevert(abi.encodeWithSelector(IBridge.AlreadyExecuted.selector, id));
        foreign.execute(t, signatures(t, THRESHOLD));
    }

    function test_more_signatures_than_needed_are_all_checked() public {
        Transfer memory t = fromHome(ready(400e9), ALICE, 400e9);
        bytes[] memory list = signatures(t, N);
        list[3] = sign(uint256(keccak256("stranger")), digestForForeign(t));
        onForeign();
        vm.expectRevert();
        foreign.execute(t, list);
        foreign.execute(t, signatures(t, N));
    }

    function test_refuses_too_few_duplicate_and_unordered_signatures() public {
        Transfer memory t = fromHome(ready(400e9), ALICE, 400e9);
        onForeign();
        refuse(t, new bytes[](0), abi.encodeWithSelector(IBridge.NotEnoughAttestations.selector, 0, 3));
        refuse(t, signatures(t, 2), abi.encodeWithSelector(IBridge.NotEnoughAttestations.selector, 2, 3));
        bytes[] memory list = signatures(t, 3);
        list[2] = list[1];
        address twice = vm.addr(keys[1]);
        refuse(t, list, abi.encodeWithSelector(IForeignBridge.SignersNotAscending.selector, twice, twice));
        list = signatures(t, 3);
        (list[0], list[1]) = (list[1], list[0]);
        refuse(
            t,
            list,
            abi.encodeWithSelector(IForeignBridge.SignersNotAscending.selector, vm.addr(keys[1]), vm.addr(keys[0]))
        );
        bytes[] memory many = new bytes[](255);
        for (uint256 i = 0; i < many.length; i++) {
            many[i] = list[0];
        }
        refuse(t, many, abi.encodeWithSelector(IForeignBridge.SignersNotAscending.selector, twice, twice));
        eq(foreign.locked(address(token)), 1000e9, "nothing left");
    }

    function test_refuses_malformed_and_malleable_signatures() public {
        Transfer memory t = fromHome(ready(400e9), ALICE, 400e9);
        onForeign();
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[0], digestForForeign(t));
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        bytes[9] memory bad = [
            abi.encodePacked(r, bytes32(order - uint256(s)), v == 27 ? uint8(28) : uint8(27)), // high s
            abi.encodePacked(r, s, v - 27), // v of 0 or 1
            abi.encodePacked(r, s, uint8(29)),
            abi.encodePacked(bytes32(0), s, v),
            abi.encodePacked(r, bytes32(0), v),
            abi.encodePacked(bytes32(0), bytes32(0), v),
            abi.encodePacked(r, s), // truncated
            abi.encodePacked(r, s, v, v), // too long
            bytes("")
        ];
        for (uint256 i = 0; i < bad.length; i++) {
            bytes[] memory list = signatures(t, 3);
            list[0] = bad[i];
            refuse(t, list, abi.encodeWithSelector(IBridge.BadSignature.selector));
        }
    }

    function test_refuses_signatures_of_strangers_and_for_other_messages() public {
        Transfer memory t = fromHome(ready(400e9), ALICE, 400e9);
        onForeign();
        bytes[] memory list = new bytes[](3);
        for (uint256 i = 0; i < 3; i++) {
            list[i] = sign(keys[i], digestForHome(t)); // domain of the other bridge
        }
        refuseAny(t, list);
        for (uint256 i = 0; i < 3; i++) {
            list[i] = sign(keys[i], digestOf(t, FOREIGN + 1, address(foreign))); // another chain
        }
        refuseAny(t, list);
        Transfer memory other = t;
        list = signatures(other, 3);
        t = fromHome(t.nonce, BOB, 400e9); // another recipient
        refuseAny(t, list);
    }

    function test_refuses_other_lanes_tokens_recipients_and_epochs() public {
        uint256 nonce = ready(400e9);
        onForeign();
        Transfer memory t = fromHome(nonce, ALICE, 400e9);
        t.version = 2;
        refuseSigned(t, IBridge.UnknownLane.selector);
        t = fromHome(nonce, ALICE, 400e9);
        t.srcChainId = HOME + 1;
        refuseSigned(t, IBridge.UnknownLane.selector);
        t = fromHome(nonce, ALICE, 400e9);
        t.srcBridge = ALICE;
        refuseSigned(t, IBridge.UnknownLane.selector);
        t = fromHome(nonce, ALICE, 400e9);
        t.policyEpoch = 1;
        refuseSigned(t, IBridge.UnknownLane.selector);
        // Its own deposits are not executed here.
        t = fromForeign(0, ALICE, 400e9);
        refuseSigned(t, IBridge.UnknownLane.selector);
        t = fromHome(nonce, ALICE, 400e9);
        t.token = address(token);
        refuseSigned(t, IBridge.UnknownToken.selector);
        t = fromHome(nonce, ALICE, 0);
        refuseSigned(t, IBridge.ZeroAmount.selector);
        address[5] memory bad = [address(0), address(foreign), address(home), address(token), address(bridged)];
        for (uint256 i = 0; i < bad.length; i++) {
            refuseSigned(fromHome(nonce, bad[i], 400e9), IBridge.BadRecipient.selector);
        }
        t = fromHome(nonce, ALICE, 400e9);
        t.validatorEpoch = 0;
        refuseSigned(t, IBridge.WrongEpoch.selector);
        t.validatorEpoch = 2;
        refuseSigned(t, IBridge.WrongEpoch.selector);
    }

    function test_signatures_of_an_old_epoch_are_refused_and_new_ones_accepted() public {
        Transfer memory t = fromHome(ready(400e9), ALICE, 400e9);
        bytes[] memory old = signatures(t, THRESHOLD);
        vm.prank(OWNER);
        foreignValidators.setValidators(first(3), 2);
        onForeign();
        refuse(t, old, abi.encodeWithSelector(IBridge.WrongEpoch.selector, 1, 2));
        t.validatorEpoch = 2;
        foreign.execute(t, signatures(t, 2));
        t.validatorEpoch = 1;
        refuse(t, old, abi.encodeWithSelector(IBridge.AlreadyExecuted.selector, foreign.incomingId(t.nonce)));
    }

    function test_never_pays_more_than_is_locked_even_if_all_validators_agree() public {
        deposit(100e9, BOB);
        token.mint(address(foreign), 1000e9); // a donation is not locked
        onForeign();
        Transfer memory t = fromHome(0, ALICE, 100e9 + 1);
        refuse(
            t,
            signatures(t, N),
            abi.encodeWithSelector(IForeignBridge.NotEnoughLocked.selector, address(token), 100e9 + 1, 100e9)
        );
    }

    function test_over_the_execution_limit_waits_and_is_paid_later() public {
        Limits memory l = defaultLimits();
        l.executionDaily = 1000e9;
        vm.prank(OWNER);
        foreign.setLimits(address(token), l);
        bring(1000e9, BOB);
        bring(500e9, BOB);
        Transfer memory a = fromHome(burn(900e9, ALICE), ALICE, 900e9);
        Transfer memory b = fromHome(burn(200e9, ALICE), ALICE, 200e9);
        onForeign();
        foreign.execute(a, signatures(a, 3));
        refuse(b, signatures(b, 3), abi.encodeWithSelector(IBridge.ExecutionOverDailyLimit.selector, 200e9, 100e9));
        uint256 readyAt = foreign.executionReadyAt(address(token), 200e9);
        eq(readyAt, block.timestamp + 8640, "a tenth of a day");
        vm.warp(readyAt - 1);
        onForeign();
        vm.expectRevert();
        foreign.execute(b, signatures(b, 3));
        vm.warp(readyAt);
        foreign.execute(b, signatures(b, 3));
        eq(foreign.executedCount(), 2, "both paid");

        l.executionMax = 100e9;
        vm.prank(OWNER);
        foreign.setLimits(address(token), l);
        Transfer memory c = fromHome(burn(150e9, ALICE), ALICE, 150e9);
        onForeign();
        refuse(c, signatures(c, 3), abi.encodeWithSelector(IBridge.ExecutionOverMax.selector, 150e9, 100e9));
        eq(foreign.executionReadyAt(address(token), 150e9), type(uint256).max, "not under these limits");
        vm.prank(OWNER);
        foreign.setLimits(address(token), defaultLimits());
        vm.warp(block.timestamp + 1 days);
        foreign.execute(c, signatures(c, 3));
    }

    function test_blocked_recipient_waits_and_holds_nobody_up() public {
        BlockingToken usdc = new BlockingToken();
        bridged = _pair(address(usdc), defaultLimits(), defaultLimits());
        token = PlainToken(address(usdc));
        usdc.mint(ALICE, 1000e9);
        vm.prank(ALICE);
        usdc.approve(address(foreign), type(uint256).max);
        bring(500e9, BOB);
        Transfer memory a = fromHome(burn(100e9, address(0xbad)), address(0xbad), 100e9);
        Transfer memory b = fromHome(burn(100e9, BOB), BOB, 100e9);
        usdc.setBlocked(address(0xbad), true);
        onForeign();
        vm.expectRevert();
        foreign.execute(a, signatures(a, 3));
        foreign.execute(b, signatures(b, 3));
        usdc.setBlocked(address(0xbad), false);
        foreign.execute(a, signatures(a, 3));
        eq(usdc.balanceOf(address(0xbad)), 100e9, "paid in the end");
    }

    function test_token_that_takes_more_than_it_gives_is_stopped_at_payout() public {
        DrainingToken draining = new DrainingToken();
        bridged = _pair(address(draining), defaultLimits(), defaultLimits());
        token = PlainToken(address(draining));
        draining.mint(ALICE, 1000e9);
        vm.prank(ALICE);
        draining.approve(address(foreign), type(uint256).max);
        bring(500e9, BOB);
        Transfer memory t = fromHome(burn(100e9, ALICE), ALICE, 100e9);
        draining.drain();
        onForeign();
        refuse(t, signatures(t, 3), abi.encodeWithSelector(IForeignBridge.WrongAmountPaid.selector, 100e9, 110e9));
    }

    // ---------------------------------------------------------------- roles

    function test_pause_stops_both_ways_and_only_the_owner_ends_it() public {
        Transfer memory t = fromHome(ready(400e9), ALICE, 400e9);
        vm.prank(BOB);
        vm.expectRevert(abi.encodeWithSelector(IBridge.NotGuardian.selector, BOB));
        foreign.pause();
        vm.prank(GUARDIAN);
        foreign.pause();
        eq(foreign.tokenInfo(address(token)).depositMaxNow, 0, "nothing can be deposited");
        eq(foreign.tokenInfo(address(token)).executionMaxNow, 0, "nothing can be paid");
        onForeign();
        vm.prank(ALICE);
        vm.expectRevert(PausableUpgradeable.EnforcedPause.selector);
        foreign.deposit(address(token), 100, BOB);
        refuse(t, signatures(t, 3), abi.encodeWithSelector(PausableUpgradeable.EnforcedPause.selector));
        vm.prank(GUARDIAN);
        vm.expectRevert(abi.encodeWithSelector(OwnableUpgradeable.OwnableUnauthorizedAccount.selector, GUARDIAN));
        foreign.unpause();
        vm.prank(OWNER);
        foreign.unpause();
        foreign.execute(t, signatures(t, 3));
    }

    function test_guardian_tightens_limits_and_cannot_loosen_them() public {
        Limits memory l = defaultLimits();
        l.depositMax = 500e9;
        vm.prank(GUARDIAN);
        foreign.setLimits(address(token), l);
        l.depositMax = 501e9;
        vm.prank(GUARDIAN);
        vm.expectRevert(IBridge.BadLimits.selector);
        foreign.setLimits(address(token), l);
        vm.prank(BOB);
        vm.expectRevert(abi.encodeWithSelector(IBridge.NotGuardian.selector, BOB));
        foreign.setLimits(address(token), l);
        Limits memory closed;
        vm.prank(GUARDIAN);
        foreign.setLimits(address(token), closed);
        onForeign();
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IBridge.DepositOutOfRange.selector, 100, 0, 0));
        foreign.deposit(address(token), 100, BOB);
    }

    function testFuzz_limits_keep_their_order(uint256[5] memory raw) public {
        Limits memory l = Limits({
            depositMin: bound(raw[0], 0, 4),
            depositMax: bound(raw[1], 0, 4),
            depositDaily: bound(raw[2], 0, 4),
            executionMax: bound(raw[3], 0, 4),
            executionDaily: bound(raw[4], 0, 4)
        });
        bool deposits = (l.depositMin == 0 && l.depositMax == 0 && l.depositDaily == 0)
            || (l.depositMin > 0 && l.depositMin <= l.depositMax && l.depositMax <= l.depositDaily);
        bool executions = (l.executionMax == 0 && l.executionDaily == 0)
            || (l.executionMax > 0 && l.executionMax <= l.executionDaily);
        vm.prank(OWNER);
        if (!deposits || !executions) vm.expectRevert(IBridge.BadLimits.selector);
        foreign.setLimits(address(token), l);
        if (deposits && executions) eq(abi.encode(foreign.limits(address(token))), abi.encode(l), "as set");
    }

    function test_largest_limits_work_and_larger_are_refused() public {
        uint256 max = type(uint128).max;
        Limits memory l =
            Limits({depositMin: 1, depositMax: max, depositDaily: max, executionMax: max, executionDaily: max});
        vm.prank(OWNER);
        foreign.setLimits(address(token), l);
        eq(abi.encode(foreign.limits(address(token))), abi.encode(l), "as set");
        eq(foreign.depositLeft(address(token)), max, "all left");
        l.depositDaily = max + 1;
        vm.prank(OWNER);
        vm.expectRevert(IBridge.BadLimits.selector);
        foreign.setLimits(address(token), l);
    }

    function test_pairs_are_added_once_by_the_owner() public {
        vm.startPrank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(IBridge.TokenAlreadyPaired.selector, address(token)));
        foreign.addToken(address(token), ALICE, defaultLimits());
        PlainToken other = new PlainToken();
        vm.expectRevert(abi.encodeWithSelector(IBridge.TokenAlreadyPaired.selector, address(bridged)));
        foreign.addToken(address(other), address(bridged), defaultLimits());
        vm.expectRevert(abi.encodeWithSelector(IBridge.NotAContract.selector, ALICE));
        foreign.addToken(ALICE, BOB, defaultLimits());
        vm.expectRevert(IBridge.ZeroAddress.selector);
        foreign.addToken(address(other), address(0), defaultLimits());
        vm.stopPrank();
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(OwnableUpgradeable.OwnableUnauthorizedAccount.selector, ALICE));
        foreign.addToken(address(other), BOB, defaultLimits());
    }

    function test_page_reads_everything_in_one_call() public {
        deposit(1000e9, BOB);
        TokenInfo[] memory infos = foreign.tokenInfos();
        eq(infos.length, 1, "tokens");
        eq(infos[0].local, address(token), "local");
        eq(infos[0].remote, address(bridged), "remote");
        eq(infos[0].depositLeft, 4000e9, "left");
        eq(infos[0].depositMaxNow, 1000e9, "max now");
        eq(infos[0].executionMaxNow, 1000e9, "execution max now");
        eq(infos[0].outstanding, 1000e9, "locked");
        eq(foreign.localToken(address(bridged)), address(token), "reverse");
    }

    // ---------------------------------------------------------------- proxies

    function test_implementation_and_uninitialised_proxy_accept_nothing() public {
        ForeignBridge code = new ForeignBridge();
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        code.initialize(ALICE, ALICE, foreignValidators, HOME, address(home));
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        foreign.initialize(ALICE, ALICE, foreignValidators, HOME, address(home));
        ForeignBridge[2] memory empty = [code, ForeignBridge(address(new UninitialisedProxy(address(code))))];
        for (uint256 i = 0; i < 2; i++) {
            Transfer memory t;
            t.version = 1;
            t.recipient = ALICE;
            t.amount = 1;
            vm.expectRevert();
            empty[i].execute(t, new bytes[](0));
            t.token = address(token);
            vm.expectRevert();
            empty[i].execute(t, new bytes[](0));
            vm.expectRevert();
            empty[i].deposit(address(token), 100, BOB);
            vm.expectRevert();
            empty[i].upgradeToAndCall(address(code), "");
        }
    }

    function test_initializer_refuses_nonsense() public {
        ForeignBridge code = new ForeignBridge();
        ForeignBridge proxy = ForeignBridge(address(new UninitialisedProxy(address(code))));
        onForeign();
        vm.expectRevert(IBridge.ZeroAddress.selector);
        proxy.initialize(OWNER, GUARDIAN, foreignValidators, HOME, address(0));
        vm.expectRevert(IBridge.SameChain.selector);
        proxy.initialize(OWNER, GUARDIAN, foreignValidators, FOREIGN, address(home));
        vm.expectRevert(abi.encodeWithSelector(IBridge.NotAContract.selector, ALICE));
        proxy.initialize(OWNER, GUARDIAN, IBridgeValidators(ALICE), HOME, address(home));
        vm.expectRevert(abi.encodeWithSelector(OwnableUpgradeable.OwnableInvalidOwner.selector, address(0)));
        proxy.initialize(address(0), GUARDIAN, foreignValidators, HOME, address(home));
    }

    function test_upgrade_keeps_what_was_done_and_stays_with_the_owner() public {
        Transfer memory t = fromHome(ready(400e9), ALICE, 400e9);
        onForeign();
        foreign.execute(t, signatures(t, 3));
        ForeignBridge next = new ForeignBridge();
        vm.prank(GUARDIAN);
        vm.expectRevert(abi.encodeWithSelector(OwnableUpgradeable.OwnableUnauthorizedAccount.selector, GUARDIAN));
        foreign.upgradeToAndCall(address(next), "");
        vm.prank(OWNER);
        foreign.upgradeToAndCall(address(next), "");
        refuse(
            t, signatures(t, 3), abi.encodeWithSelector(IBridge.AlreadyExecuted.selector, foreign.incomingId(t.nonce))
        );
        eq(foreign.locked(address(token)), 600e9, "locked");
        vm.prank(OWNER);
        vm.expectRevert(IBridge.CannotRenounce.selector);
        foreign.renounceOwnership();
    }

    // ---------------------------------------------------------------- helpers

    /// 1000 tokens brought to Bob, `amount` of them on their way back to Alice.
    function ready(uint256 amount) private returns (uint256 nonce) {
        bring(1000e9, BOB);
        return burn(amount, ALICE);
    }

    function refuse(Transfer memory t, bytes[] memory list, bytes memory reason) private {
        vm.expectRevert(reason);
        foreign.execute(t, list);
    }

    function refuseAny(Transfer memory t, bytes[] memory list) private {
        vm.expectRevert();
        foreign.execute(t, list);
    }

    /// Refused whatever the validators sign.
    function refuseSigned(Transfer memory t, bytes4 reason) private {
        bytes[] memory list = signatures(t, N);
        (bool done, bytes memory answer) = address(foreign).call(abi.encodeCall(IForeignBridge.execute, (t, list)));
        require(!done, "must be refused");
        eq(bytes32(bytes4(answer)), bytes32(reason), "reason");
    }
}
