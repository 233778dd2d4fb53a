// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// The accounts whose signatures one side of the bridge counts. One contract per side, same code.
interface IBridgeValidators {
    /// The set was replaced. Signatures for earlier epochs are refused from now on.
    event ValidatorsChanged(uint64 indexed epoch, address[] validators, uint256 threshold);

    /// The zero address cannot validate.
    error ZeroValidator();
    /// The account is twice in the list.
    error DuplicateValidator(address validator);
    /// The threshold is not more than half of the validators, or more than all of them.
    error BadThreshold(uint256 threshold, uint256 validators);
    /// More than {MAX_VALIDATORS}.
    error TooManyValidators(uint256 count);
    /// Ownership of the set cannot be given up.
    error CannotRenounce();

    /// Largest set: 100.
    function MAX_VALIDATORS() external view returns (uint256);

    /// Replace set and threshold at once; the epoch grows by one, also when nothing else changes. Owner only.
    function setValidators(address[] calldata validators, uint256 threshold) external;

    /// The current set, in the order given.
    function validators() external view returns (address[] memory);

    /// Whether `account` is in the current set.
    function isValidator(address account) external view returns (bool);

    /// How many validators must agree. More than half of the set; 0 only in a contract that was never initialised,
    /// where nothing may be accepted.
    function threshold() external view returns (uint256);

    /// 1 after initialisation, one more after each change; 0 only in a contract that was never initialised.
    function epoch() external view returns (uint64);
}
