// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// One movement of tokens between the two chains, as validators sign it (EIP-712, domain of the destination bridge).
///
/// The identity of a transfer is not the hash of this struct: see {IBridge-transferId}.
struct Transfer {
    /// Version of this message, {IBridge-MESSAGE_VERSION}.
    uint8 version;
    /// Chain on which the deposit was made.
    uint256 srcChainId;
    /// Bridge (proxy) that took the deposit.
    address srcBridge;
    /// Token on the source side.
    address token;
    /// Position of the deposit among all deposits of `srcBridge`, from 0, without gaps.
    uint256 nonce;
    /// Who deposited.
    address sender;
    /// Who receives on the destination chain.
    address recipient;
    /// Smallest units; both sides of a pair have the same decimals.
    uint256 amount;
    /// Version of the membership policy at the deposit; 0 while there are no policies.
    uint64 policyEpoch;
    /// Epoch of the destination's validator set under which this copy is signed.
    uint64 validatorEpoch;
}

/// What may pass one bridge for one token, in its smallest units. `daily` amounts refill continuously over 24 hours.
///
/// All zero in one direction closes that direction; otherwise 0 < depositMin <= depositMax <= depositDaily and
/// 0 < executionMax <= executionDaily. No value exceeds 2^128 - 1.
struct Limits {
    /// Smallest deposit accepted.
    uint256 depositMin;
    /// Largest single deposit accepted.
    uint256 depositMax;
    /// Most that may be deposited in 24 hours.
    uint256 depositDaily;
    /// Largest single transfer paid out here.
    uint256 executionMax;
    /// Most that may be paid out here in 24 hours.
    uint256 executionDaily;
}

/// Everything a page needs to know about one token of one bridge.
struct TokenInfo {
    /// Token on this chain.
    address local;
    /// Its pair on the other chain.
    address remote;
    /// Limits as configured.
    Limits limits;
    /// What is left of `depositDaily` now.
    uint256 depositLeft;
    /// Largest deposit accepted now: 0 when paused or when less than `depositMin` is left.
    uint256 depositMaxNow;
    /// What is left of `executionDaily` now.
    uint256 executionLeft;
    /// Largest payout possible now: 0 when paused.
    uint256 executionMaxNow;
    /// Foreign side: tokens locked by the bridge. Home side: tokens minted and not burned.
    uint256 outstanding;
}
