// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Ownable2StepUpgradeable} from "@openzeppelin/contracts-upgradeable/access/Ownable2StepUpgradeable.sol";
import {OwnableUpgradeable} from "@openzeppelin/contracts-upgradeable/access/OwnableUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {IBridgeValidators} from "../interfaces/IBridgeValidators.sol";

/// See {IBridgeValidators}. The owner is meant to be a timelock or multisig, never a bridge.
contract BridgeValidators is IBridgeValidators, Ownable2StepUpgradeable, UUPSUpgradeable {
    /// @inheritdoc IBridgeValidators
    uint256 public constant MAX_VALIDATORS = 100;

    address[] private _validators;
    /// @inheritdoc IBridgeValidators
    mapping(address account => bool) public isValidator;
    /// @inheritdoc IBridgeValidators
    uint256 public threshold;
    /// @inheritdoc IBridgeValidators
    uint64 public epoch;

    /// Locks the implementation: only proxies can be initialised.
    constructor() {
        _disableInitializers();
    }

    /// The first set has epoch 1. `owner_` changes the set and upgrades.
    function initialize(address owner_, address[] calldata validators_, uint256 threshold_) external initializer {
        __Ownable_init(owner_);
        _set(validators_, threshold_);
    }

    /// @inheritdoc IBridgeValidators
    function setValidators(address[] calldata validators_, uint256 threshold_) external onlyOwner {
        _set(validators_, threshold_);
    }

    /// @inheritdoc IBridgeValidators
    function validators() external view returns (address[] memory) {
        return _validators;
    }

    /// A set without owner could never be changed again.
    function renounceOwnership() public pure override(OwnableUpgradeable) {
        revert CannotRenounce();
    }

    function _set(address[] calldata next, uint256 threshold_) private {
        if (next.length > MAX_VALIDATORS) revert TooManyValidators(next.length);
        // Also refuses the empty set.
        if (threshold_ <= next.length / 2 || threshold_ > next.length) revert BadThreshold(threshold_, next.length);
        for (uint256 i = 0; i < _validators.length; i++) {
            isValidator[_validators[i]] = false;
        }
        for (uint256 i = 0; i < next.length; i++) {
            if (next[i] == address(0)) revert ZeroValidator();
            if (isValidator[next[i]]) revert DuplicateValidator(next[i]);
            isValidator[next[i]] = true;
        }
        _validators = next;
        threshold = threshold_;
        epoch++;
        emit ValidatorsChanged(epoch, next, threshold_);
    }

    function _authorizeUpgrade(address) internal override onlyOwner {}
}
