// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Limits, Transfer} from "../src/interfaces/Types.sol";
import {BridgedToken} from "../src/bridge/BridgedToken.sol";
import {BridgeFixture} from "./support/BridgeFixture.sol";
import {PlainToken} from "./support/Tokens.sol";

/// Everything that can happen to two tokens on both sides, in any order. Books are kept apart from the contracts: what
/// every deposit brought, and what every transfer paid out.
contract Actions is BridgeFixture {
    struct Pair {
        PlainToken local;
        BridgedToken remote;
    }

    Pair[2] internal pairs;
    Transfer[] public outward; // foreign to home
    Transfer[] public homeward; // home to foreign
    mapping(bytes32 id => uint256) public payouts;
    uint256 public calls;
    uint256 public paid;
    bool public paidTwice;

    constructor() {
        setUp();
        pairs[0] = Pair(token, bridged);
        PlainToken second = new PlainToken();
        pairs[1] = Pair(second, _pair(address(second), defaultLimits(), defaultLimits()));
        second.mint(ALICE, 1_000_000e9);
        vm.prank(ALICE);
        second.approve(address(foreign), type(uint256).max);
    }

    // ---------------------------------------------------------------- actions

    function depositOnForeign(uint256 which, uint256 amount) external {
        calls++;
        Pair storage pair = pairs[which % 2];
        amount = bound(amount, 1, 1100e9);
        uint256 nonce = foreign.depositCount();
        onForeign();
        vm.prank(ALICE);
        try foreign.deposit(address(pair.local), amount, BOB) {
            Transfer memory t = fromForeign(nonce, BOB, amount);
            t.token = address(pair.local);
            outward.push(t);
        } catch {}
    }

    function depositOnHome(uint256 which, uint256 amount, bool oneStep) external {
        calls++;
        Pair storage pair = pairs[which % 2];
        uint256 balance = pair.remote.balanceOf(BOB);
        if (balance == 0) return;
        amount = bound(amount, 1, balance);
        uint256 nonce = home.depositCount();
        onHome();
        vm.startPrank(BOB);
        bool done;
        if (oneStep) {
            try pair.remote.transferAndCall(address(home), amount, abi.encodePacked(ALICE)) {
                done = true;
            } catch {}
        } else {
            pair.remote.approve(address(home), amount);
            try home.deposit(address(pair.remote), amount, ALICE) {
                done = true;
            } catch {}
        }
        vm.stopPrank();
        if (!done) return;
        Transfer memory t = fromHome(nonce, ALICE, amount);
        t.token = address(pair.remote);
        homeward.push(t);
    }

    /// A validator attests some deposit on either side, rightly or with a forged amount.
    function attestSome(uint256 direction, uint256 index, uint256 validator, uint256 forge) external {
        calls++;
        Transfer[] storage list = direction % 2 == 0 ? outward : homeward;
        if (list.length == 0) return;
        Transfer memory t = list[index % list.length];
        // One validator is dishonest; one is below the threshold.
        if (validator % N == 0 && forge % 4 == 0) t.amount += 1e9;
        t.validatorEpoch = direction % 2 == 0 ? homeValidators.epoch() : foreignValidators.epoch();
        this.attestOne(validator % N, t);
    }

    function attestOne(uint256 validator, Transfer calldata t) external {
        require(msg.sender == address(this), "a helper");
        onHome();
        bool incoming = t.srcChainId == FOREIGN;
        bytes32 digest = incoming ? digestForHome(t) : digestForForeign(t);
        bytes memory signature = sign(keys[validator], digest);
        uint256 before = home.executedCount();
        try home.attest(t, signature) {
            if (home.executedCount() > before) _notePayout(home.incomingId(t.nonce));
        } catch {}
    }

    function attestAndFinish(uint256 direction, uint256 index) external {
        calls++;
        Transfer[] storage list = direction % 2 == 0 ? outward : homeward;
        if (list.length == 0) return;
        Transfer memory t = list[index % list.length];
        t.validatorEpoch = direction % 2 == 0 ? homeValidators.epoch() : foreignValidators.epoch();
        for (uint256 i = 0; i < N; i++) {
            this.attestOne(i, t);
        }
        if (direction % 2 == 1) _executeOnForeign(t);
    }

    function executeSome(uint256 direction, uint256 index) external {
        calls++;
        if (direction % 2 == 1) {
            if (homeward.length == 0) return;
            Transfer memory t = homeward[index % homeward.length];
            t.validatorEpoch = foreignValidators.epoch();
            _executeOnForeign(t);
        } else {
            if (outward.length == 0) return;
            Transfer memory t = outward[index % outward.length];
            t.validatorEpoch = homeValidators.epoch();
            onHome();
            try home.execute(t) {
                _notePayout(home.incomingId(t.nonce));
            } catch {}
        }
    }

    function _executeOnForeign(Transfer memory t) private {
        (, bytes[] memory list) = home.signatures(digestForForeign(t));
        onForeign();
        try foreign.execute(t, list) {
            _notePayout(foreign.incomingId(t.nonce));
        } catch {}
    }

    function changeValidators(bool onHomeSide, uint256 threshold) external {
        calls++;
        vm.prank(OWNER);
        (onHomeSide ? homeValidators : foreignValidators).setValidators(addresses(), bound(threshold, 3, 4));
    }

    function changeLimits(uint256 which, bool onHomeSide, uint256 daily) external {
        calls++;
        Limits memory l = defaultLimits();
        l.executionDaily = bound(daily, l.executionMax, 10_000e9);
        l.depositDaily = bound(daily, l.depositMax, 10_000e9);
        vm.prank(OWNER);
        if (onHomeSide) home.setLimits(address(pairs[which % 2].remote), l);
        else foreign.setLimits(address(pairs[which % 2].local), l);
    }

    function togglePause(bool onHomeSide, uint256 rarely) external {
        calls++;
        bool wasPaused = onHomeSide ? home.paused() : foreign.paused();
        if (!wasPaused && rarely % 4 != 0) return;
        vm.startPrank(OWNER);
        if (onHomeSide) wasPaused ? home.unpause() : home.pause();
        else wasPaused ? foreign.unpause() : foreign.pause();
        vm.stopPrank();
    }

    function passTime(uint256 time) external {
        calls++;
        vm.warp(block.timestamp + bound(time, 1, 12 hours));
        vm.roll(block.number + 1);
    }

    function donate(uint256 which, uint256 amount) external {
        calls++;
        pairs[which % 2].local.mint(address(foreign), bound(amount, 1, 1000e9));
    }

    function _notePayout(bytes32 id) private {
        // Noted, not reverted: a revert would undo the evidence.
        if (payouts[id]++ != 0) paidTwice = true;
        paid++;
    }

    // ---------------------------------------------------------------- books

    /// Deposited on foreign and not minted yet.
    function inFlightOutward(uint256 which) public view returns (uint256 sum) {
        for (uint256 i = 0; i < outward.length; i++) {
            if (outward[i].token == address(pairs[which].local) && !home.isExecuted(idOf(outward[i]))) {
                sum += outward[i].amount;
            }
        }
    }

    /// Burned on home and not unlocked yet.
    function inFlightHomeward(uint256 which) public view returns (uint256 sum) {
        for (uint256 i = 0; i < homeward.length; i++) {
            if (homeward[i].token == address(pairs[which].remote) && !foreign.isExecuted(idOf(homeward[i]))) {
                sum += homeward[i].amount;
            }
        }
    }

    /// Identity, by the book.
    function idOf(Transfer storage t) private view returns (bytes32) {
        bool toHome = t.srcChainId == FOREIGN;
        return toHome
            ? keccak256(abi.encode(FOREIGN, address(foreign), HOME, address(home), t.nonce))
            : keccak256(abi.encode(HOME, address(home), FOREIGN, address(foreign), t.nonce));
    }

    function locked(uint256 which) external view returns (uint256) {
        return foreign.locked(address(pairs[which].local));
    }

    function held(uint256 which) external view returns (uint256) {
        return pairs[which].local.balanceOf(address(foreign));
    }

    function minted(uint256 which) external view returns (uint256) {
        return pairs[which].remote.totalSupply();
    }

    function keptOnHome(uint256 which) external view returns (uint256) {
        return pairs[which].remote.balanceOf(address(home));
    }

    function counts() external view returns (uint256, uint256, uint256, uint256) {
        return (foreign.depositCount(), outward.length, home.depositCount(), homeward.length);
    }

    function executions() external view returns (uint256) {
        return foreign.executedCount() + home.executedCount();
    }
}

contract SolvencyInvariants {
    Actions private actions;

    function setUp() public {
        actions = new Actions();
    }

    /// What forge calls between the invariants.
    function targetSelectors() public view returns (FuzzSelector[] memory selectors) {
        bytes4[] memory list = new bytes4[](10);
        list[0] = Actions.depositOnForeign.selector;
        list[1] = Actions.depositOnHome.selector;
        list[2] = Actions.attestSome.selector;
        list[3] = Actions.attestAndFinish.selector;
        list[4] = Actions.executeSome.selector;
        list[5] = Actions.changeValidators.selector;
        list[6] = Actions.changeLimits.selector;
        list[7] = Actions.togglePause.selector;
        list[8] = Actions.passTime.selector;
        list[9] = Actions.donate.selector;
        selectors = new FuzzSelector[](1);
        selectors[0] = FuzzSelector(address(actions), list);
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(actions);
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    /// Per token: locked on foreign = minted on home + in flight in either direction; and the tokens are there.
    function invariant_locked_covers_minted_and_in_flight() public view {
        for (uint256 i = 0; i < 2; i++) {
            uint256 owed = actions.minted(i) + actions.inFlightOutward(i) + actions.inFlightHomeward(i);
            require(actions.locked(i) == owed, "locked is not minted + in flight");
            require(actions.held(i) >= actions.locked(i), "locked tokens are missing");
            require(actions.keptOnHome(i) == 0, "the home bridge keeps tokens");
        }
    }

    /// Nonces are contiguous and every payout is of one deposit, once.
    function invariant_every_deposit_has_a_nonce_and_at_most_one_payout() public view {
        (uint256 a, uint256 b, uint256 c, uint256 d) = actions.counts();
        require(a == b && c == d, "deposits and nonces differ");
        require(actions.executions() == actions.paid(), "payouts nobody asked for");
        require(!actions.paidTwice(), "paid twice");
    }
}

/// That the actions above do something: what one ordered run of them must have done.
contract SolvencyActionsTest {
    function test_the_actions_move_tokens_both_ways() public {
        Actions actions = new Actions();
        for (uint256 i = 0; i < 2; i++) {
            actions.depositOnForeign(i, 500e9);
            actions.attestAndFinish(0, i);
            actions.depositOnHome(i, 200e9, i == 0);
            actions.attestAndFinish(1, i);
            require(actions.minted(i) > 0 && actions.minted(i) < actions.held(i) + 1, "moved");
            require(actions.inFlightOutward(i) == 0 && actions.inFlightHomeward(i) == 0, "arrived");
        }
        require(actions.paid() == 4 && actions.executions() == 4, "four payouts");
    }
}
