// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ForeignBridge} from "../src/bridge/ForeignBridge.sol";
import {IBridge} from "../src/interfaces/IBridge.sol";
import {IForeignBridge} from "../src/interfaces/IForeignBridge.sol";
import {Limits, Transfer} from "../src/interfaces/Types.sol";
import {BridgeFixture} from "./support/BridgeFixture.sol";
import {FalseToken, FeeToken, HookToken, LyingToken, NoReturnToken, PlainToken} from "./support/Tokens.sol";

/// Two identical deposits in one transaction.
contract TwiceDepositor {
    function run(ForeignBridge bridge, PlainToken token, uint256 amount, address recipient) external {
        token.approve(address(bridge), type(uint256).max);
        bridge.deposit(address(token), amount, recipient);
        bridge.deposit(address(token), amount, recipient);
    }
}

contract ForeignDepositsTest is BridgeFixture {
    function testFuzz_deposit_locks_exactly_what_it_announces(uint256 amount) public {
        amount = bound(amount, 10, 1000e9);
        bytes32 id = foreign.outgoingId(0);
        onForeign();
        vm.expectEmit(address(foreign));
        emit IBridge.Deposited(id, 0, ALICE, address(token), BOB, amount, 0, 0);
        deposit(amount, BOB);
        eq(foreign.locked(address(token)), amount, "locked");
        eq(token.balanceOf(address(foreign)), amount, "held");
        eq(foreign.depositCount(), 1, "count");
        eq(foreign.lastDepositBlock(), 100, "block");
    }

    function test_identity_and_digest_are_the_documented_ones() public {
        onForeign();
        Transfer memory t = fromForeign(7, BOB, 5);
        bytes32 id = keccak256(abi.encode(FOREIGN, address(foreign), HOME, address(home), uint256(7)));
        eq(foreign.transferId(t), id, "id on foreign");
        eq(foreign.outgoingId(7), id, "outgoing on foreign");
        eq(foreign.digest(t), digestForHome(t), "digest on foreign");
        onHome();
        eq(home.transferId(t), id, "id on home");
        eq(home.incomingId(7), id, "incoming on home");
        eq(home.digest(t), digestForHome(t), "digest on home");
        Transfer memory back = fromHome(7, BOB, 5);
        eq(home.digest(back), digestForForeign(back), "digest back on home");
        require(home.transferId(back) != id, "the two directions differ");
    }

    function test_two_identical_deposits_in_one_transaction_are_two_transfers() public {
        TwiceDepositor depositor = new TwiceDepositor();
        token.mint(address(depositor), 200);
        onForeign();
        depositor.run(foreign, token, 100, BOB);
        eq(foreign.depositCount(), 2, "count");
        eq(foreign.locked(address(token)), 200, "locked");
        for (uint256 nonce = 0; nonce < 2; nonce++) {
            Transfer memory t = fromForeign(nonce, BOB, 100);
            t.sender = address(depositor);
            for (uint256 i = 0; i < THRESHOLD; i++) {
                attest(i, t);
            }
        }
        eq(bridged.balanceOf(BOB), 200, "both arrive");
    }

    function test_refuses_recipients_that_would_lose_the_tokens() public {
        address[5] memory bad = [address(0), address(foreign), address(home), address(token), address(bridged)];
        for (uint256 i = 0; i < bad.length; i++) {
            onForeign();
            vm.prank(ALICE);
            vm.expectRevert(abi.encodeWithSelector(IBridge.BadRecipient.selector, bad[i]));
            foreign.deposit(address(token), 100, bad[i]);
        }
        eq(foreign.depositCount(), 0, "no nonce used");
    }

    function test_refuses_amounts_outside_the_limits() public {
        onForeign();
        vm.startPrank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IBridge.DepositOutOfRange.selector, 9, 10, 1000e9));
        foreign.deposit(address(token), 9, BOB);
        vm.expectRevert(abi.encodeWithSelector(IBridge.DepositOutOfRange.selector, 1000e9 + 1, 10, 1000e9));
        foreign.deposit(address(token), 1000e9 + 1, BOB);
        vm.expectRevert(IBridge.ZeroAmount.selector);
        foreign.deposit(address(token), 0, BOB);
        for (uint256 i = 0; i < 5; i++) {
            foreign.deposit(address(token), 1000e9, BOB);
        }
        vm.expectRevert(abi.encodeWithSelector(IBridge.DepositOverDailyLimit.selector, 10, 0));
        foreign.deposit(address(token), 10, BOB);
        vm.stopPrank();
    }

    function test_daily_limit_refills_steadily_and_not_at_midnight() public {
        for (uint256 i = 0; i < 5; i++) {
            deposit(1000e9, BOB);
        }
        eq(foreign.depositLeft(address(token)), 0, "empty");
        vm.warp(block.timestamp + 6 hours);
        eq(foreign.depositLeft(address(token)), 1250e9, "a quarter");
        vm.warp(1_800_000_000 + 1 days);
        eq(foreign.depositLeft(address(token)), 5000e9, "full");
    }

    function test_small_daily_limits_refill_in_spite_of_frequent_use() public {
        Limits memory l =
            Limits({depositMin: 1, depositMax: 24, depositDaily: 24, executionMax: 24, executionDaily: 24});
        vm.prank(OWNER);
        foreign.setLimits(address(token), l);
        for (uint256 i = 0; i < 24; i++) {
            deposit(1, BOB);
        }
        // A unit an hour: looked at every second minute, used as soon as there is one.
        uint256 used = 0;
        for (uint256 i = 1; i <= 30 * 24; i++) {
            vm.warp(1_800_000_000 + 2 minutes * i);
            if (foreign.depositLeft(address(token)) > 0) {
                deposit(1, BOB);
                used++;
            }
        }
        eq(used, 24, "units let through in a day");
    }

    function test_token_with_fee_on_transfer_is_refused_at_deposit() public {
        FeeToken fee = new FeeToken();
        _pair(address(fee), defaultLimits(), defaultLimits());
        expectDepositRefused(fee, abi.encodeWithSelector(IBridge.WrongAmountReceived.selector, 100e9, 99e9));
    }

    function test_tokens_that_fail_or_lie_are_refused_at_deposit() public {
        FalseToken failing = new FalseToken();
        LyingToken lying = new LyingToken();
        _pair(address(failing), defaultLimits(), defaultLimits());
        _pair(address(lying), defaultLimits(), defaultLimits());
        onForeign();
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(failing)));
        foreign.deposit(address(failing), 100, BOB);
        vm.expectRevert(abi.encodeWithSelector(IBridge.WrongAmountReceived.selector, 100, 0));
        foreign.deposit(address(lying), 100, BOB);
        vm.expectRevert(abi.encodeWithSelector(IBridge.UnknownToken.selector, address(0)));
        foreign.deposit(address(0), 100, BOB);
        vm.expectRevert(abi.encodeWithSelector(IBridge.UnknownToken.selector, ALICE));
        foreign.deposit(ALICE, 100, BOB);
    }

    function test_token_whose_code_disappeared_is_refused() public {
        PlainToken gone = new PlainToken();
        _pair(address(gone), defaultLimits(), defaultLimits());
        vm.etch(address(gone), "");
        onForeign();
        vm.expectRevert();
        foreign.deposit(address(gone), 100, BOB);
        eq(foreign.depositCount(), 0, "no deposit");
    }

    function test_token_without_return_values_works_both_ways() public {
        NoReturnToken usdt = new NoReturnToken();
        bridged = _pair(address(usdt), defaultLimits(), defaultLimits());
        token = PlainToken(address(usdt));
        usdt.mint(ALICE, 500e9);
        vm.prank(ALICE);
        usdt.approve(address(foreign), 500e9);
        bring(500e9, BOB);
        uint256 nonce = burn(200e9, ALICE);
        executeFirst(nonce, ALICE, 200e9);
        eq(usdt.balanceOf(ALICE), 200e9, "paid");
        eq(foreign.locked(address(usdt)), 300e9, "locked");
    }

    function test_plain_transfers_to_the_bridge_are_not_deposits() public {
        vm.prank(ALICE);
        token.transfer(address(foreign), 77);
        eq(foreign.locked(address(token)), 0, "locked");
        eq(foreign.depositCount(), 0, "count");
    }

    function test_reentrant_token_cannot_deposit_inside_a_deposit_or_a_payout() public {
        HookToken hooked = new HookToken();
        bridged = _pair(address(hooked), defaultLimits(), defaultLimits());
        token = PlainToken(address(hooked));
        hooked.mint(ALICE, 1000e9);
        vm.prank(ALICE);
        hooked.approve(address(foreign), type(uint256).max);
        hooked.setHook(address(foreign), abi.encodeCall(IBridge.deposit, (address(hooked), 10, BOB)));
        bring(100e9, BOB);
        require(!hooked.hookSucceeded(), "deposit inside a deposit");
        eq(foreign.depositCount(), 1, "one deposit");

        hooked.setHook(address(0), "");
        uint256 nonce = burn(50e9, ALICE);
        Transfer memory t = fromHome(nonce, ALICE, 50e9);
        onForeign();
        hooked.setHook(address(foreign), abi.encodeCall(IForeignBridge.execute, (t, signatures(t, THRESHOLD))));
        foreign.execute(t, signatures(t, THRESHOLD));
        require(!hooked.hookSucceeded(), "payout inside a payout");
        eq(foreign.locked(address(hooked)), 50e9, "paid once");
    }

    function executeFirst(uint256 nonce, address recipient, uint256 amount) private {
        Transfer memory t = fromHome(nonce, recipient, amount);
        onForeign();
        foreign.execute(t, signatures(t, THRESHOLD));
    }

    function expectDepositRefused(PlainToken bad, bytes memory reason) private {
        bad.mint(ALICE, 1000e9);
        onForeign();
        vm.startPrank(ALICE);
        bad.approve(address(foreign), type(uint256).max);
        vm.expectRevert(reason);
        foreign.deposit(address(bad), 100e9, BOB);
        vm.stopPrank();
        eq(bad.balanceOf(address(foreign)), 0, "nothing kept");
    }
}
