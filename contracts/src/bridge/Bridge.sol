// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Ownable2StepUpgradeable} from "@openzeppelin/contracts-upgradeable/access/Ownable2StepUpgradeable.sol";
import {OwnableUpgradeable} from "@openzeppelin/contracts-upgradeable/access/OwnableUpgradeable.sol";
import {PausableUpgradeable} from "@openzeppelin/contracts-upgradeable/utils/PausableUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {RateLimiter} from "@openzeppelin/contracts/utils/RateLimiter.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IBridge} from "../interfaces/IBridge.sol";
import {IBridgeValidators} from "../interfaces/IBridgeValidators.sol";
import {Limits, TokenInfo, Transfer} from "../interfaces/Types.sol";
import {TransferLib} from "./TransferLib.sol";

/// What both sides share: identity, deposits, limits, the checks of an incoming message. What a side does with the
/// tokens is in {_absorb} and {_release}.
///
/// Upgrades, tokens and unpausing belong to the owner, meant to be a timelock or multisig. Nothing here makes a call
/// a message chooses: the only contracts called are the validators and the listed tokens.
abstract contract Bridge is
    IBridge,
    Ownable2StepUpgradeable,
    PausableUpgradeable,
    UUPSUpgradeable,
    ReentrancyGuardTransient
{
    using RateLimiter for RateLimiter.RefillingBucket;
    using SafeERC20 for IERC20;
    using TransferLib for Transfer;

    /// State of one pair. The buckets count in units of 1/86400 token unit, so that the refill of a second is exact.
    struct TokenState {
        address remote;
        uint128 depositMin;
        uint128 depositMax;
        uint128 executionMax;
        RateLimiter.RefillingBucket deposits;
        RateLimiter.RefillingBucket executions;
        /// Used by the foreign side only.
        uint256 locked;
    }

    /// @inheritdoc IBridge
    uint8 public constant MESSAGE_VERSION = 1;
    /// Until membership policies exist.
    uint64 internal constant POLICY_EPOCH = 0;
    uint256 private constant DAY = 1 days;
    /// A token has one bucket per direction.
    bytes32 private constant KEY = 0;

    // Linear storage; parents keep theirs in ERC-7201 namespaces. Append only.

    /// @inheritdoc IBridge
    uint256 public remoteChainId;
    /// @inheritdoc IBridge
    address public remoteBridge;
    /// @inheritdoc IBridge
    IBridgeValidators public validators;
    /// @inheritdoc IBridge
    address public guardian;
    /// @inheritdoc IBridge
    uint64 public lastDepositBlock;
    /// @inheritdoc IBridge
    uint256 public depositCount;
    /// @inheritdoc IBridge
    uint256 public executedCount;
    /// @inheritdoc IBridge
    mapping(uint256 nonce => bytes32) public depositHash;
    /// @inheritdoc IBridge
    mapping(bytes32 id => bytes32) public executedDigest;
    address[] private _tokenList;
    mapping(address token => TokenState) internal _tokens;
    /// @inheritdoc IBridge
    mapping(address remote => address) public localToken;

    /// Locks the implementation: only proxies can be initialised.
    constructor() {
        _disableInitializers();
    }

    /// `owner_` upgrades and decides; `guardian_` (may be zero) pauses; `remoteBridge_` is the other side's proxy,
    /// whose address is computed before it is deployed.
    function initialize(
        address owner_,
        address guardian_,
        IBridgeValidators validators_,
        uint256 remoteChainId_,
        address remoteBridge_
    ) external initializer {
        if (remoteBridge_ == address(0)) revert ZeroAddress();
        if (address(validators_).code.length == 0) revert NotAContract(address(validators_));
        if (remoteChainId_ == block.chainid) revert SameChain();
        __Ownable_init(owner_);
        guardian = guardian_;
        validators = validators_;
        remoteChainId = remoteChainId_;
        remoteBridge = remoteBridge_;
        emit GuardianChanged(address(0), guardian_);
    }

    // ---------------------------------------------------------------- identity

    /// @inheritdoc IBridge
    function domainSeparator() public view returns (bytes32) {
        return TransferLib.domain(block.chainid, address(this));
    }

    /// @inheritdoc IBridge
    function remoteDomainSeparator() public view returns (bytes32) {
        return TransferLib.domain(remoteChainId, remoteBridge);
    }

    /// @inheritdoc IBridge
    function outgoingId(uint256 nonce) public view returns (bytes32) {
        return TransferLib.identity(block.chainid, address(this), remoteChainId, remoteBridge, nonce);
    }

    /// @inheritdoc IBridge
    function incomingId(uint256 nonce) public view returns (bytes32) {
        return TransferLib.identity(remoteChainId, remoteBridge, block.chainid, address(this), nonce);
    }

    /// @inheritdoc IBridge
    function transferId(Transfer calldata t) external view returns (bytes32) {
        return _isIncoming(t) ? incomingId(t.nonce) : outgoingId(t.nonce);
    }

    /// @inheritdoc IBridge
    function digest(Transfer calldata t) external view returns (bytes32) {
        return t.digest(_isIncoming(t) ? domainSeparator() : remoteDomainSeparator());
    }

    /// @inheritdoc IBridge
    function isExecuted(bytes32 id) public view returns (bool) {
        return executedDigest[id] != 0;
    }

    // ---------------------------------------------------------------- deposits

    /// @inheritdoc IBridge
    function deposit(address token, uint256 amount, address recipient)
        external
        nonReentrant
        whenNotPaused
        returns (uint256)
    {
        _known(token);
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = Math.saturatingSub(IERC20(token).balanceOf(address(this)), before);
        if (received != amount) revert WrongAmountReceived(amount, received);
        return _take(token, msg.sender, recipient, amount);
    }

    /// Record a deposit whose `amount` has just arrived here.
    function _take(address token, address sender, address recipient, uint256 amount) internal returns (uint256 nonce) {
        TokenState storage state = _known(token);
        _checkRecipient(recipient);
        if (amount == 0) revert ZeroAmount();
        if (amount < state.depositMin || amount > state.depositMax) {
            revert DepositOutOfRange(amount, state.depositMin, state.depositMax);
        }
        uint256 left = _left(state.deposits);
        if (amount > left) revert DepositOverDailyLimit(amount, left);
        state.deposits.consume(KEY, amount * DAY);

        nonce = depositCount++;
        uint64 previousBlock = lastDepositBlock;
        lastDepositBlock = uint64(block.number);
        Transfer memory t = Transfer({
            version: MESSAGE_VERSION,
            srcChainId: block.chainid,
            srcBridge: address(this),
            token: token,
            nonce: nonce,
            sender: sender,
            recipient: recipient,
            amount: amount,
            policyEpoch: POLICY_EPOCH,
            validatorEpoch: 0
        });
        depositHash[nonce] = t.body();
        _absorb(token, amount);
        emit Deposited(outgoingId(nonce), nonce, sender, token, recipient, amount, POLICY_EPOCH, previousBlock);
    }

    /// Keep (foreign) or burn (home) what a deposit brought.
    function _absorb(address token, uint256 amount) internal virtual;

    // ---------------------------------------------------------------- executions

    /// Everything that can be said about an incoming message without its signatures.
    function _checkIncoming(Transfer calldata t) internal view returns (bytes32 id, bytes32 digest_, address token) {
        if (!_isIncoming(t)) revert UnknownLane(t.version, t.srcChainId, t.srcBridge, t.policyEpoch);
        id = incomingId(t.nonce);
        if (isExecuted(id)) revert AlreadyExecuted(id);
        token = localToken[t.token];
        if (token == address(0)) revert UnknownToken(t.token);
        _checkRecipient(t.recipient);
        if (t.amount == 0) revert ZeroAmount();
        uint64 epoch = validators.epoch();
        if (epoch == 0 || t.validatorEpoch != epoch) revert WrongEpoch(t.validatorEpoch, epoch);
        digest_ = t.digest(domainSeparator());
    }

    /// Pay out a message that passed {_checkIncoming} and has its attestations.
    function _execute(Transfer calldata t, bytes32 id, bytes32 digest_, address token) internal whenNotPaused {
        TokenState storage state = _tokens[token];
        if (t.amount > state.executionMax) revert ExecutionOverMax(t.amount, state.executionMax);
        uint256 left = _left(state.executions);
        if (t.amount > left) revert ExecutionOverDailyLimit(t.amount, left);
        state.executions.consume(KEY, t.amount * DAY);
        executedDigest[id] = digest_;
        executedCount++;
        _release(token, t.recipient, t.amount);
        emit Executed(id, t.nonce, t.recipient, token, t.amount, digest_);
    }

    /// Selector of the error {_execute} would revert with, 0 if none.
    function _obstacle(address token, uint256 amount) internal view returns (bytes4) {
        TokenState storage state = _tokens[token];
        if (paused()) return EnforcedPause.selector;
        if (amount > state.executionMax) return ExecutionOverMax.selector;
        if (amount > _left(state.executions)) return ExecutionOverDailyLimit.selector;
        return 0;
    }

    /// Unlock (foreign) or mint (home).
    function _release(address token, address recipient, uint256 amount) internal virtual;

    // ---------------------------------------------------------------- tokens and limits

    /// @inheritdoc IBridge
    function tokens() external view returns (address[] memory) {
        return _tokenList;
    }

    /// @inheritdoc IBridge
    function tokenInfo(address token) public view returns (TokenInfo memory info) {
        TokenState storage state = _known(token);
        info.local = token;
        info.remote = state.remote;
        info.limits = limits(token);
        info.depositLeft = _left(state.deposits);
        info.executionLeft = _left(state.executions);
        if (!paused()) {
            info.depositMaxNow = Math.min(info.depositLeft, state.depositMax);
            if (info.depositMaxNow < state.depositMin) info.depositMaxNow = 0;
            info.executionMaxNow = Math.min(info.executionLeft, state.executionMax);
        }
        info.outstanding = _outstanding(token);
    }

    /// @inheritdoc IBridge
    function tokenInfos() external view returns (TokenInfo[] memory infos) {
        infos = new TokenInfo[](_tokenList.length);
        for (uint256 i = 0; i < infos.length; i++) {
            infos[i] = tokenInfo(_tokenList[i]);
        }
    }

    /// @inheritdoc IBridge
    function remoteToken(address token) external view returns (address) {
        return _tokens[token].remote;
    }

    /// @inheritdoc IBridge
    function limits(address token) public view returns (Limits memory) {
        TokenState storage state = _known(token);
        return Limits({
            depositMin: state.depositMin,
            depositMax: state.depositMax,
            depositDaily: state.deposits._capacity / DAY,
            executionMax: state.executionMax,
            executionDaily: state.executions._capacity / DAY
        });
    }

    /// @inheritdoc IBridge
    function depositLeft(address token) external view returns (uint256) {
        return _left(_known(token).deposits);
    }

    /// @inheritdoc IBridge
    function executionLeft(address token) external view returns (uint256) {
        return _left(_known(token).executions);
    }

    /// @inheritdoc IBridge
    function executionReadyAt(address token, uint256 amount) external view returns (uint256) {
        TokenState storage state = _known(token);
        uint256 daily = state.executions._capacity / DAY;
        if (amount > state.executionMax || amount > daily) return type(uint256).max;
        uint256 available = state.executions.available(KEY);
        uint256 needed = amount * DAY;
        if (available >= needed) return block.timestamp;
        return block.timestamp + Math.ceilDiv(needed - available, daily);
    }

    /// @inheritdoc IBridge
    function addToken(address token, address remote, Limits calldata limits_) external onlyOwner {
        if (remote == address(0)) revert ZeroAddress();
        if (token.code.length == 0) revert NotAContract(token);
        if (_tokens[token].remote != address(0)) revert TokenAlreadyPaired(token);
        if (localToken[remote] != address(0)) revert TokenAlreadyPaired(remote);
        if (token == address(this) || remote == remoteBridge) revert BadRecipient(token);
        _checkNewToken(token);
        _tokens[token].remote = remote;
        localToken[remote] = token;
        _tokenList.push(token);
        emit TokenAdded(token, remote);
        _setLimits(token, limits_);
    }

    /// @inheritdoc IBridge
    function setLimits(address token, Limits calldata limits_) external {
        if (msg.sender != owner()) {
            if (msg.sender != guardian) revert NotGuardian(msg.sender);
            Limits memory current = limits(token);
            bool tighter = limits_.depositMax <= current.depositMax && limits_.depositDaily <= current.depositDaily
                && limits_.executionMax <= current.executionMax && limits_.executionDaily <= current.executionDaily
                && (limits_.depositMin >= current.depositMin || limits_.depositMax == 0);
            if (!tighter) revert BadLimits();
        }
        _setLimits(token, limits_);
    }

    function _setLimits(address token, Limits calldata l) private {
        TokenState storage state = _known(token);
        bool depositsClosed = l.depositMin == 0 && l.depositMax == 0 && l.depositDaily == 0;
        bool depositsOpen = 0 < l.depositMin && l.depositMin <= l.depositMax && l.depositMax <= l.depositDaily;
        bool executionsClosed = l.executionMax == 0 && l.executionDaily == 0;
        bool executionsOpen = 0 < l.executionMax && l.executionMax <= l.executionDaily;
        if (!(depositsClosed || depositsOpen) || !(executionsClosed || executionsOpen)) revert BadLimits();
        if (l.depositDaily > type(uint128).max || l.executionDaily > type(uint128).max) revert BadLimits();
        // Below 2^128 each, by the order just checked.
        state.depositMin = uint128(l.depositMin);
        state.depositMax = uint128(l.depositMax);
        state.executionMax = uint128(l.executionMax);
        _setDaily(state.deposits, l.depositDaily);
        _setDaily(state.executions, l.executionDaily);
        emit LimitsChanged(token, l, msg.sender);
    }

    /// What was used stays used; from now on it refills at the new rate.
    function _setDaily(RateLimiter.RefillingBucket storage bucket, uint256 daily) private {
        bucket.sync(KEY);
        bucket.updateSettings(uint48(DAY), uint208(daily * DAY));
    }

    function _left(RateLimiter.RefillingBucket storage bucket) internal view returns (uint256) {
        return bucket.available(KEY) / DAY;
    }

    /// Refuse a token this side cannot handle.
    function _checkNewToken(address token) internal view virtual;

    /// Foreign: locked. Home: minted.
    function _outstanding(address token) internal view virtual returns (uint256);

    // ---------------------------------------------------------------- who decides

    /// @inheritdoc IBridge
    function setGuardian(address guardian_) external onlyOwner {
        emit GuardianChanged(guardian, guardian_);
        guardian = guardian_;
    }

    /// @inheritdoc IBridge
    function pause() external {
        if (msg.sender != guardian && msg.sender != owner()) revert NotGuardian(msg.sender);
        _pause();
    }

    /// @inheritdoc IBridge
    function unpause() external onlyOwner {
        _unpause();
    }

    /// A bridge without owner could never be repaired.
    function renounceOwnership() public pure override(OwnableUpgradeable) {
        revert CannotRenounce();
    }

    function _authorizeUpgrade(address) internal override onlyOwner {}

    // ---------------------------------------------------------------- helpers

    /// Whether the message comes from the other side. Reverts unless it is from one of the two.
    function _isIncoming(Transfer calldata t) internal view returns (bool incoming) {
        incoming = t.srcChainId == remoteChainId && t.srcBridge == remoteBridge;
        bool outgoing = t.srcChainId == block.chainid && t.srcBridge == address(this);
        if (t.version != MESSAGE_VERSION || t.policyEpoch != POLICY_EPOCH || !(incoming || outgoing)) {
            revert UnknownLane(t.version, t.srcChainId, t.srcBridge, t.policyEpoch);
        }
    }

    function _known(address token) internal view returns (TokenState storage state) {
        state = _tokens[token];
        if (state.remote == address(0)) revert UnknownToken(token);
    }

    /// Recipients that would lose the tokens on either side: zero, a bridge, a token of the list.
    function _checkRecipient(address recipient) internal view {
        if (
            recipient == address(0) || recipient == address(this) || recipient == remoteBridge
                || _tokens[recipient].remote != address(0) || localToken[recipient] != address(0)
        ) revert BadRecipient(recipient);
    }
}
