// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IBridgeValidators} from "./IBridgeValidators.sol";
import {Limits, TokenInfo, Transfer} from "./Types.sol";

/// What both sides of the bridge have in common: identity of transfers, tokens, limits, pause.
///
/// "Local" is the chain of this contract, "remote" the other one; "outgoing" transfers are deposited here,
/// "incoming" ones are executed here.
interface IBridge {
    // ---------------------------------------------------------------- events

    /// A deposit was taken here. `previousBlock` is the block of the deposit before this one (0 for the first), so
    /// that all deposits can be walked backwards without scanning: start at {lastDepositBlock}.
    event Deposited(
        bytes32 indexed id,
        uint256 indexed nonce,
        address indexed sender,
        address token,
        address recipient,
        uint256 amount,
        uint64 policyEpoch,
        uint64 previousBlock
    );

    /// An incoming transfer was paid out here. `token` is the local token.
    event Executed(
        bytes32 indexed id,
        uint256 indexed nonce,
        address indexed recipient,
        address token,
        uint256 amount,
        bytes32 digest
    );

    /// A pair became known to this bridge. Pairs are never changed or removed; limits close a direction.
    event TokenAdded(address indexed token, address indexed remoteToken);

    /// Limits of a token were set by `actor`.
    event LimitsChanged(address indexed token, Limits limits, address indexed actor);

    /// Another account may now pause and tighten limits.
    event GuardianChanged(address indexed previous, address indexed current);

    // ---------------------------------------------------------------- errors

    /// An initializer or setter got the zero address where an account or contract is needed.
    error ZeroAddress();
    /// The contract given has no code.
    error NotAContract(address account);
    /// The token is not in the list of this bridge.
    error UnknownToken(address token);
    /// One of the two tokens already belongs to a pair.
    error TokenAlreadyPaired(address token);
    /// The limits break an invariant of {Limits}, or a guardian tried to loosen them.
    error BadLimits();
    /// Only the owner, or the guardian where it only tightens, may do this.
    error NotGuardian(address account);
    /// A transfer of nothing.
    error ZeroAmount();
    /// Both sides of the bridge would be on this chain.
    error SameChain();
    /// Zero, a bridge or a token cannot receive.
    error BadRecipient(address recipient);
    /// Deposit outside depositMin..depositMax.
    error DepositOutOfRange(uint256 amount, uint256 min, uint256 max);
    /// Deposit above what is left of the daily limit.
    error DepositOverDailyLimit(uint256 amount, uint256 left);
    /// The bridge received another amount than asked for: a token with fees on transfer, or one that lies.
    error WrongAmountReceived(uint256 asked, uint256 received);
    /// The message's version, source chain, source bridge or policy epoch is not one this bridge accepts.
    error UnknownLane(uint8 version, uint256 srcChainId, address srcBridge, uint64 policyEpoch);
    /// The transfer was paid out already; also answers every other message with the same identity.
    error AlreadyExecuted(bytes32 id);
    /// Signed for another epoch than the current one of this side's validators.
    error WrongEpoch(uint64 given, uint64 current);
    /// A signature does not recover to an address (malformed, malleable, v not 27 or 28).
    error BadSignature();
    /// The signer is not a validator now.
    error NotAValidator(address signer);
    /// Fewer valid attestations than the threshold.
    error NotEnoughAttestations(uint256 count, uint256 needed);
    /// Above executionMax: cannot be paid out until the limit is raised. The transfer waits; it is not lost.
    error ExecutionOverMax(uint256 amount, uint256 max);
    /// Above what is left of executionDaily now: can be retried at {executionReadyAt}. The transfer waits.
    error ExecutionOverDailyLimit(uint256 amount, uint256 left);
    /// Ownership of a bridge cannot be given up.
    error CannotRenounce();

    // ---------------------------------------------------------------- identity

    /// Version of {Transfer} this bridge emits and accepts: 1.
    function MESSAGE_VERSION() external view returns (uint8);

    /// Chain id of the other side.
    function remoteChainId() external view returns (uint256);

    /// The bridge (proxy) on the other side.
    function remoteBridge() external view returns (address);

    /// EIP-712 domain of messages executed here: {"Aurum Bridge", "1", this chain, this proxy}.
    function domainSeparator() external view returns (bytes32);

    /// EIP-712 domain of messages executed on the other side.
    function remoteDomainSeparator() external view returns (bytes32);

    /// keccak256(abi.encode(srcChainId, srcBridge, dstChainId, dstBridge, nonce)) of the lane the message names.
    /// Contains neither epochs nor transaction hashes. Reverts {UnknownLane} for any other lane.
    function transferId(Transfer calldata transfer) external view returns (bytes32);

    /// Identity of this bridge's deposit number `nonce`, made or not.
    function outgoingId(uint256 nonce) external view returns (bytes32);

    /// Identity of the other bridge's deposit number `nonce`, made or not.
    function incomingId(uint256 nonce) external view returns (bytes32);

    /// What a validator of the destination signs: keccak256(0x1901 ++ domain of the destination ++ hashStruct).
    function digest(Transfer calldata transfer) external view returns (bytes32);

    // ---------------------------------------------------------------- deposits made here

    /// Take `amount` of `token` from the caller (who approved it) for `recipient` on the other chain. The only deposit
    /// entry besides ERC-677's `onTokenTransfer` on home. Returns the nonce.
    function deposit(address token, uint256 amount, address recipient) external returns (uint256 nonce);

    /// How many deposits were taken: the nonce of the next one.
    function depositCount() external view returns (uint256);

    /// Block of the last deposit, 0 if there is none.
    function lastDepositBlock() external view returns (uint64);

    /// Hash of deposit number `nonce`, 0 if it was not made: keccak256(abi.encode(version, srcChainId, srcBridge,
    /// token, nonce, sender, recipient, amount, policyEpoch)).
    function depositHash(uint256 nonce) external view returns (bytes32);

    // ---------------------------------------------------------------- transfers paid out here

    /// True once the incoming transfer `id` was paid out.
    function isExecuted(bytes32 id) external view returns (bool);

    /// Digest under which `id` was paid out, 0 if it was not.
    function executedDigest(bytes32 id) external view returns (bytes32);

    /// How many incoming transfers were paid out.
    function executedCount() external view returns (uint256);

    // ---------------------------------------------------------------- tokens and limits

    /// Local tokens, in the order they were added.
    function tokens() external view returns (address[] memory);

    /// Everything about one local token. Reverts {UnknownToken}.
    function tokenInfo(address token) external view returns (TokenInfo memory);

    /// Everything about all tokens.
    function tokenInfos() external view returns (TokenInfo[] memory);

    /// Pair of a local token, 0 if unknown.
    function remoteToken(address token) external view returns (address);

    /// Local token of a remote one, 0 if unknown.
    function localToken(address remote) external view returns (address);

    /// Limits of a local token.
    function limits(address token) external view returns (Limits memory);

    /// What is left of the daily deposit limit now.
    function depositLeft(address token) external view returns (uint256);

    /// What is left of the daily execution limit now.
    function executionLeft(address token) external view returns (uint256);

    /// Earliest time (Unix seconds, `block.timestamp` if now) at which the daily limit lets `amount` be paid out if
    /// nothing else is; 2^256 - 1 if the limits never let it.
    function executionReadyAt(address token, uint256 amount) external view returns (uint256);

    // ---------------------------------------------------------------- who decides

    /// Validators whose signatures are counted here.
    function validators() external view returns (IBridgeValidators);

    /// May pause, and tighten limits; nothing else.
    function guardian() external view returns (address);

    /// Add a pair. Owner only.
    function addToken(address token, address remote, Limits calldata limits) external;

    /// Set limits. Owner; or the guardian if nothing gets looser.
    function setLimits(address token, Limits calldata limits) external;

    /// Name another guardian. Owner only; the zero address leaves the owner alone.
    function setGuardian(address guardian) external;

    /// Refuse deposits and executions; attestations are still collected. Owner or guardian. `paused()` (OpenZeppelin's
    /// Pausable, like its events `Paused`, `Unpaused` and error `EnforcedPause`) is true from then on.
    function pause() external;

    /// Accept them again. Owner only.
    function unpause() external;
}
