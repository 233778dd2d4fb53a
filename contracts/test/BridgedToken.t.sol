// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {BridgedToken} from "../src/bridge/BridgedToken.sol";
import {IBridge} from "../src/interfaces/IBridge.sol";
import {IBridgedToken, IERC677Receiver} from "../src/interfaces/IBridgedToken.sol";
import {BridgeFixture} from "./support/BridgeFixture.sol";

/// Notes that it was called, and can do something in return.
contract Receiver is IERC677Receiver {
    uint256 public calls;
    bool public answer = true;
    address public target;
    bytes public action;
    bool public actionSucceeded;

    function setAnswer(bool answer_) external {
        answer = answer_;
    }

    function setAction(address target_, bytes calldata action_) external {
        (target, action) = (target_, action_);
    }

    function onTokenTransfer(address, uint256, bytes calldata) external returns (bool) {
        calls++;
        if (target != address(0)) (actionSucceeded,) = target.call(action);
        return answer;
    }

    /// Anything that is not `onTokenTransfer` would be noticed too.
    fallback() external {
        calls += 1000;
    }
}

contract BridgedTokenTest is BridgeFixture {
    Receiver private receiver;

    function setUp() public override {
        super.setUp();
        receiver = new Receiver();
        bring(1000e9, BOB);
        onHome();
    }

    function test_carries_the_foreign_tokens_description() public view {
        eq(bridged.name(), "RLC on Aurum", "name");
        eq(bridged.symbol(), "RLC", "symbol");
        eq(bridged.decimals(), 9, "decimals");
        eq(bridged.bridge(), address(home), "bridge");
    }

    function test_plain_transfers_minting_and_allowances_call_nobody() public {
        vm.prank(BOB);
        bridged.transfer(address(receiver), 100);
        vm.prank(BOB);
        bridged.approve(address(this), 100);
        bridged.transferFrom(BOB, address(receiver), 100);
        bring(100e9, address(receiver));
        eq(bridged.balanceOf(address(receiver)), 100e9 + 200, "received");
        eq(receiver.calls(), 0, "calls");
    }

    function test_transfer_and_call_calls_contracts_once_and_accounts_never() public {
        vm.startPrank(BOB);
        bridged.transferAndCall(address(receiver), 100, "x");
        eq(receiver.calls(), 1, "calls");
        bridged.transferAndCall(ALICE, 100, "x");
        eq(bridged.balanceOf(ALICE), 100, "an account receives");
        receiver.setAnswer(false);
        vm.expectRevert(abi.encodeWithSelector(IBridgedToken.ReceiverRefused.selector, address(receiver)));
        bridged.transferAndCall(address(receiver), 100, "x");
        vm.expectRevert();
        bridged.transferAndCall(address(token), 100, "x"); // a contract without the function
        vm.stopPrank();
    }

    function test_hostile_receiver_gains_nothing_from_its_callback() public {
        receiver.setAction(
            address(bridged),
            abi.encodeCall(IBridgedToken.transferAndCall, (address(home), 100e9, abi.encodePacked(ALICE)))
        );
        vm.prank(BOB);
        bridged.transferAndCall(address(receiver), 100e9, "");
        require(receiver.actionSucceeded(), "a deposit of what it received is an ordinary deposit");
        eq(home.depositCount(), 1, "one deposit");
        eq(bridged.totalSupply(), 900e9, "burned once");
        receiver.setAction(address(bridged), abi.encodeCall(IBridgedToken.mint, (ALICE, 1)));
        vm.prank(BOB);
        bridged.transferAndCall(address(receiver), 100e9, "");
        require(!receiver.actionSucceeded(), "minting is the bridge's");
    }

    function test_tokens_cannot_be_sent_where_they_would_be_lost() public {
        vm.startPrank(BOB);
        bytes memory atBridge = abi.encodeWithSelector(IBridgedToken.BadReceiver.selector, address(home));
        bytes memory atToken = abi.encodeWithSelector(IBridgedToken.BadReceiver.selector, address(bridged));
        vm.expectRevert(atBridge);
        bridged.transfer(address(home), 100);
        bridged.approve(BOB, 1000);
        vm.expectRevert(atBridge);
        bridged.transferFrom(BOB, address(home), 100);
        vm.expectRevert(atToken);
        bridged.transfer(address(bridged), 100);
        vm.expectRevert(atToken);
        bridged.transferAndCall(address(bridged), 100, "");
        vm.stopPrank();
    }

    function test_only_the_bridge_mints_and_burns() public {
        address[3] memory others = [OWNER, BOB, address(this)];
        for (uint256 i = 0; i < others.length; i++) {
            vm.startPrank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IBridgedToken.NotBridge.selector, others[i]));
            bridged.mint(others[i], 1);
            vm.expectRevert(abi.encodeWithSelector(IBridgedToken.NotBridge.selector, others[i]));
            bridged.burn(1);
            vm.stopPrank();
        }
    }

    function testFuzz_permit_is_eip_2612(uint256 value, uint256 late) public {
        uint256 key = uint256(keccak256("holder"));
        address holder = vm.addr(key);
        uint256 deadline = block.timestamp + 100;
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                holder,
                ALICE,
                value,
                0,
                deadline
            )
        );
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", bridged.DOMAIN_SEPARATOR(), structHash));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        bool expired = late % 2 == 1;
        vm.warp(expired ? deadline + 1 : deadline);
        if (expired) vm.expectRevert();
        bridged.permit(holder, ALICE, value, deadline, v, r, s);
        eq(bridged.allowance(holder, ALICE), expired ? 0 : value, "allowance");
        vm.expectRevert();
        bridged.permit(holder, ALICE, value, deadline, v, r, s); // used up, or still expired
    }

    function test_implementation_is_locked() public {
        BridgedToken code = new BridgedToken();
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        code.initialize(ALICE, ALICE, "x", "x", 9);
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        bridged.initialize(ALICE, ALICE, "x", "x", 9);
    }

    function test_no_allowance_of_the_bridge_is_ever_left() public {
        vm.startPrank(BOB);
        bridged.approve(address(home), 100);
        home.deposit(address(bridged), 100, ALICE);
        vm.stopPrank();
        eq(bridged.allowance(BOB, address(home)), 0, "used up exactly");
        eq(bridged.allowance(address(home), BOB), 0, "none given");
        eq(token.allowance(address(foreign), BOB), 0, "none given on foreign");
    }
}
