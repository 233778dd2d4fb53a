// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IBridge} from "./IBridge.sol";
import {Transfer} from "./Types.sol";

/// The side on the consortium chain: mints and burns, and is the notice board on which validators attest both
/// directions.
///
/// Attestations are kept per digest. Those of accounts that are not validators now are never counted and never
/// returned. A validator attests a transfer once per `validatorEpoch`; under a later epoch it may attest it again.
interface IHomeBridge is IBridge {
    /// `signer` attested `id`; `count` of the `needed` attestations of current validators are there for `digest`.
    event AttestationAdded(
        bytes32 indexed id, address indexed signer, bytes32 indexed digest, uint256 count, uint256 needed
    );

    /// The threshold was reached for `digest`. Home to foreign: {IForeignBridge-execute} accepts it now.
    event Attested(bytes32 indexed id, bytes32 indexed digest, Transfer transfer);

    /// The threshold was reached for an incoming transfer that cannot be paid out now. `reason` is the selector of the
    /// error {execute} reverts with (EnforcedPause, ExecutionOverMax, ExecutionOverDailyLimit). Retry with {execute}.
    event Deferred(bytes32 indexed id, bytes32 indexed digest, bytes4 reason);

    /// The signer has attested this transfer for this epoch or a later one, with the same or another content.
    error AlreadyAttested(bytes32 id, address signer, uint64 epoch);
    /// The message does not say what was deposited here under its nonce.
    error NotDeposited(bytes32 id);
    /// ERC-677 data is neither empty, nor an address in 20 bytes, nor one in 32 bytes.
    error BadTransferData();
    /// The bridged token does not name this contract as its bridge.
    error NotBridgeOfToken(address token);

    /// Add one validator's signature (65 bytes r, s, v over {IBridge-digest}) of a transfer in either direction. Anyone
    /// may carry it. Foreign to home: `validatorEpoch` must be the current epoch of this side's validators; the
    /// attestation that reaches the threshold also mints, or emits {Deferred}. Home to foreign: the message must match
    /// a deposit made here; `validatorEpoch` is the one of the foreign validators, as the signer saw it.
    function attest(Transfer calldata transfer, bytes calldata signature) external;

    /// Mint an incoming transfer that has reached the threshold and was deferred. Anyone may call.
    function execute(Transfer calldata transfer) external;

    /// ERC-677: deposit in one step. `data` is empty (recipient = sender) or the recipient, as 20 bytes or ABI-encoded.
    function onTokenTransfer(address sender, uint256 amount, bytes calldata data) external returns (bool);

    /// How many current validators attested `digest`.
    function attestationCount(bytes32 digest) external view returns (uint256);

    /// Whether `signer` attested `digest`, validator or not.
    function hasAttested(bytes32 digest, address signer) external view returns (bool);

    /// The last epoch under which `signer` attested `id`, 0 if never.
    function attestedEpoch(bytes32 id, address signer) external view returns (uint64);

    /// True if `digest` has the threshold of attestations now.
    function isAttested(bytes32 digest) external view returns (bool);

    /// The digest of `id` that last reached the threshold, 0 if none has.
    function attestedDigest(bytes32 id) external view returns (bytes32);

    /// Every digest of `id` somebody attested, oldest first: more than one after a change of epoch, or when
    /// validators disagree.
    function digests(bytes32 id) external view returns (bytes32[] memory);

    /// Attestations of `digest` by current validators, ascending by signer: ready for {IForeignBridge-execute}.
    function signatures(bytes32 digest) external view returns (address[] memory signers, bytes[] memory signatures_);

    /// Tokens minted and not burned by this bridge.
    function minted(address token) external view returns (uint256);
}
