// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {BridgedToken} from "../../src/bridge/BridgedToken.sol";
import {BridgeValidators} from "../../src/bridge/BridgeValidators.sol";
import {ForeignBridge} from "../../src/bridge/ForeignBridge.sol";
import {HomeBridge} from "../../src/bridge/HomeBridge.sol";
import {IBridgeValidators} from "../../src/interfaces/IBridgeValidators.sol";
import {Limits, Transfer} from "../../src/interfaces/Types.sol";
import {Test} from "./Test.sol";
import {PlainToken} from "./Tokens.sol";

/// Both sides of a bridge in one EVM. The chain id says on which chain we are.
abstract contract BridgeFixture is Test {
    uint256 internal constant FOREIGN = 1;
    uint256 internal constant HOME = 2026;
    uint256 internal constant N = 4;
    uint256 internal constant THRESHOLD = 3;

    address internal constant OWNER = address(0x0a11);
    address internal constant GUARDIAN = address(0x6a4d);
    address internal constant ALICE = address(0xa11ce);
    address internal constant BOB = address(0xb0b);

    /// Private keys, ascending by address.
    uint256[] internal keys;

    ForeignBridge internal foreign;
    HomeBridge internal home;
    BridgeValidators internal foreignValidators;
    BridgeValidators internal homeValidators;
    PlainToken internal token;
    BridgedToken internal bridged;

    function setUp() public virtual {
        vm.warp(1_800_000_000);
        vm.roll(100);
        for (uint256 i = 0; i < N; i++) {
            _insertKey(uint256(keccak256(abi.encode("validator", i))));
        }
        token = new PlainToken();
        foreignValidators = _newValidators();
        homeValidators = _newValidators();
        ForeignBridge foreignCode = new ForeignBridge();
        HomeBridge homeCode = new HomeBridge();
        // Each side is initialised with the other's address.
        foreign = ForeignBridge(address(new UninitialisedProxy(address(foreignCode))));
        home = HomeBridge(address(new UninitialisedProxy(address(homeCode))));
        vm.chainId(FOREIGN);
        foreign.initialize(OWNER, GUARDIAN, foreignValidators, HOME, address(home));
        vm.chainId(HOME);
        home.initialize(OWNER, GUARDIAN, homeValidators, FOREIGN, address(foreign));
        bridged = _pair(address(token), defaultLimits(), defaultLimits());
        onForeign();
        token.mint(ALICE, 1_000_000e9);
        vm.prank(ALICE);
        token.approve(address(foreign), type(uint256).max);
    }

    function defaultLimits() internal pure returns (Limits memory) {
        return Limits({
            depositMin: 10, depositMax: 1000e9, depositDaily: 5000e9, executionMax: 1000e9, executionDaily: 4000e9
        });
    }

    function onForeign() internal {
        vm.chainId(FOREIGN);
    }

    function onHome() internal {
        vm.chainId(HOME);
    }

    function addresses() internal view returns (address[] memory list) {
        list = new address[](keys.length);
        for (uint256 i = 0; i < list.length; i++) {
            list[i] = vm.addr(keys[i]);
        }
    }

    function first(uint256 count) internal view returns (address[] memory list) {
        list = new address[](count);
        for (uint256 i = 0; i < count; i++) {
            list[i] = vm.addr(keys[i]);
        }
    }

    // ---------------------------------------------------------------- messages

    /// The message of foreign deposit number `nonce`.
    function fromForeign(uint256 nonce, address recipient, uint256 amount) internal view returns (Transfer memory) {
        return Transfer({
            version: 1,
            srcChainId: FOREIGN,
            srcBridge: address(foreign),
            token: address(token),
            nonce: nonce,
            sender: ALICE,
            recipient: recipient,
            amount: amount,
            policyEpoch: 0,
            validatorEpoch: homeValidators.epoch()
        });
    }

    /// The message of home deposit number `nonce` made by Bob.
    function fromHome(uint256 nonce, address recipient, uint256 amount) internal view returns (Transfer memory) {
        return Transfer({
            version: 1,
            srcChainId: HOME,
            srcBridge: address(home),
            token: address(bridged),
            nonce: nonce,
            sender: BOB,
            recipient: recipient,
            amount: amount,
            policyEpoch: 0,
            validatorEpoch: foreignValidators.epoch()
        });
    }

    /// EIP-712 by the book, independent of the contracts' own code.
    function digestOf(Transfer memory t, uint256 chainId, address bridge) internal pure returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Aurum Bridge"),
                keccak256("1"),
                chainId,
                bridge
            )
        );
        bytes32 typeHash = keccak256(
            "Transfer(uint8 version,uint256 srcChainId,address srcBridge,address token,uint256 nonce,address sender,address recipient,uint256 amount,uint64 policyEpoch,uint64 validatorEpoch)"
        );
        bytes memory fields = abi.encode(
            typeHash, t.version, t.srcChainId, t.srcBridge, t.token, t.nonce, t.sender, t.recipient, t.amount
        );
        bytes32 structHash = keccak256(bytes.concat(fields, abi.encode(t.policyEpoch, t.validatorEpoch)));
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    function digestForHome(Transfer memory t) internal view returns (bytes32) {
        return digestOf(t, HOME, address(home));
    }

    function digestForForeign(Transfer memory t) internal view returns (bytes32) {
        return digestOf(t, FOREIGN, address(foreign));
    }

    function sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    /// Signatures of the first `count` validators for the foreign side, in order.
    function signatures(Transfer memory t, uint256 count) internal view returns (bytes[] memory list) {
        list = new bytes[](count);
        for (uint256 i = 0; i < count; i++) {
            list[i] = sign(keys[i], digestForForeign(t));
        }
    }

    // ---------------------------------------------------------------- movements

    function deposit(uint256 amount, address recipient) internal returns (uint256 nonce) {
        onForeign();
        vm.prank(ALICE);
        return foreign.deposit(address(token), amount, recipient);
    }

    /// Validator number `i` attests a transfer in either direction on home.
    function attest(uint256 i, Transfer memory t) internal {
        onHome();
        bytes32 digest = t.srcChainId == FOREIGN ? digestForHome(t) : digestForForeign(t);
        home.attest(t, sign(keys[i], digest));
    }

    /// Deposit on foreign and mint on home.
    function bring(uint256 amount, address recipient) internal {
        Transfer memory t = fromForeign(deposit(amount, recipient), recipient, amount);
        for (uint256 i = 0; i < THRESHOLD; i++) {
            attest(i, t);
        }
    }

    function burn(uint256 amount, address recipient) internal returns (uint256 nonce) {
        onHome();
        nonce = home.depositCount();
        vm.prank(BOB);
        bridged.transferAndCall(address(home), amount, abi.encodePacked(recipient));
    }

    // ---------------------------------------------------------------- set up

    function _newValidators() internal returns (BridgeValidators) {
        BridgeValidators code = new BridgeValidators();
        bytes memory init = abi.encodeCall(BridgeValidators.initialize, (OWNER, addresses(), THRESHOLD));
        return BridgeValidators(address(new ERC1967Proxy(address(code), init)));
    }

    /// A token on foreign gets its pair on home; both bridges know it.
    function _pair(address local, Limits memory foreignLimits, Limits memory homeLimits)
        internal
        returns (BridgedToken pair)
    {
        bytes memory init = abi.encodeCall(BridgedToken.initialize, (OWNER, address(home), "RLC on Aurum", "RLC", 9));
        pair = BridgedToken(address(new ERC1967Proxy(address(new BridgedToken()), init)));
        vm.startPrank(OWNER);
        foreign.addToken(local, address(pair), foreignLimits);
        home.addToken(address(pair), local, homeLimits);
        vm.stopPrank();
    }

    function _insertKey(uint256 key) private {
        keys.push(key);
        for (uint256 i = keys.length - 1; i > 0 && vm.addr(keys[i]) < vm.addr(keys[i - 1]); i--) {
            (keys[i], keys[i - 1]) = (keys[i - 1], keys[i]);
        }
    }
}

/// A proxy nobody has initialised yet.
contract UninitialisedProxy is ERC1967Proxy {
    constructor(address code) ERC1967Proxy(code, "") {}

    function _unsafeAllowUninitialized() internal pure override returns (bool) {
        return true;
    }
}
