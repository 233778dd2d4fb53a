// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {IValidatorSet} from "../interfaces/IValidatorSet.sol";

/// See {IValidatorSet}.
contract ValidatorSet is IValidatorSet, Initializable, UUPSUpgradeable {
    /// @inheritdoc IValidatorSet
    uint256 public constant MAX_VALIDATORS = 255;
    /// Sender of the engine's calls.
    address private constant SYSTEM = 0xffffFFFfFFffffffffffffffFfFFFfffFFFfFFfE;

    // Slots 0..3; the genesis of a chain writes them (contracts/README.md).

    address[] private _current;
    /// Empty when no change is pending: a set never is.
    address[] private _pending;
    /// @inheritdoc IValidatorSet
    address public governor;
    /// @inheritdoc IValidatorSet
    uint256 public signalledAt;

    modifier onlyGovernor() {
        if (msg.sender != governor) revert OnlyGovernor(msg.sender);
        _;
    }

    /// Locks the implementation: only proxies can be initialised.
    constructor() {
        _disableInitializers();
    }

    /// The same state as genesis writes: the first set is in force at once.
    function initialize(address[] calldata validators, address governor_) external initializer {
        _check(validators);
        _current = validators;
        _setGovernor(governor_);
    }

    // ---------------------------------------------------------------- the engine

    /// @inheritdoc IValidatorSet
    function getValidators() external view returns (address[] memory) {
        return _current;
    }

    /// @inheritdoc IValidatorSet
    function finalizeChange() external {
        if (msg.sender != SYSTEM) revert OnlySystem(msg.sender);
        if (_pending.length == 0) return;
        _current = _pending;
        delete _pending;
        emit ChangeFinalized(_current);
    }

    // ---------------------------------------------------------------- changes

    /// @inheritdoc IValidatorSet
    function addValidator(address validator) external onlyGovernor {
        address[] memory current = _current;
        address[] memory next = new address[](current.length + 1);
        for (uint256 i = 0; i < current.length; i++) {
            next[i] = current[i];
        }
        next[current.length] = validator;
        _signal(next);
    }

    /// @inheritdoc IValidatorSet
    function removeValidator(address validator) external onlyGovernor {
        if (!isValidator(validator)) revert UnknownValidator(validator);
        address[] memory current = _current;
        address[] memory next = new address[](current.length - 1);
        uint256 kept = 0;
        for (uint256 i = 0; i < current.length; i++) {
            if (current[i] != validator) next[kept++] = current[i];
        }
        _signal(next);
    }

    /// @inheritdoc IValidatorSet
    function setValidators(address[] calldata validators) external onlyGovernor {
        _signal(validators);
    }

    /// @inheritdoc IValidatorSet
    function setGovernor(address governor_) external onlyGovernor {
        _setGovernor(governor_);
    }

    function _signal(address[] memory next) private {
        if (_pending.length != 0) revert ChangePending();
        _check(next);
        _pending = next;
        signalledAt = block.number;
        emit InitiateChange(blockhash(block.number - 1), next);
    }

    function _check(address[] memory set) private pure {
        if (set.length == 0) revert EmptySet();
        if (set.length > MAX_VALIDATORS) revert TooManyValidators(set.length);
        for (uint256 i = 0; i < set.length; i++) {
            if (set[i] == address(0) || set[i] == SYSTEM) revert BadValidator(set[i]);
            for (uint256 j = 0; j < i; j++) {
                if (set[i] == set[j]) revert DuplicateValidator(set[i]);
            }
        }
    }

    function _setGovernor(address governor_) private {
        if (governor_ == address(0)) revert ZeroGovernor();
        emit GovernorChanged(governor, governor_);
        governor = governor_;
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IValidatorSet
    function pendingValidators() external view returns (address[] memory) {
        return _pending;
    }

    /// @inheritdoc IValidatorSet
    function isChangePending() external view returns (bool) {
        return _pending.length != 0;
    }

    /// @inheritdoc IValidatorSet
    function isValidator(address account) public view returns (bool) {
        for (uint256 i = 0; i < _current.length; i++) {
            if (_current[i] == account) return true;
        }
        return false;
    }

    function _authorizeUpgrade(address) internal override onlyGovernor {}
}
