// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// The block-sealing authorities of the home chain; Parity's validator set contract.
///
/// A change is signalled by {InitiateChange} and takes effect when the engine, after finality of the signalling block,
/// calls {finalizeChange}. One change at a time. Changes come from the governor: the council in {IPermissions}, that is
/// m of n admins.
interface IValidatorSet {
    /// The engine's signal: `parentHash` is the hash of the parent of the block that carries this event.
    event InitiateChange(bytes32 indexed parentHash, address[] newSet);
    /// The pending set is in force.
    event ChangeFinalized(address[] validators);
    /// Another account decides about changes and upgrades.
    event GovernorChanged(address indexed previous, address indexed current);

    /// Only 0xffff...fffe, the engine, may do this.
    error OnlySystem(address account);
    /// Only the governor may do this.
    error OnlyGovernor(address account);
    /// A change is signalled and not yet final.
    error ChangePending();
    /// The set cannot be empty.
    error EmptySet();
    /// The zero address and the engine's address cannot be validators.
    error BadValidator(address validator);
    /// The account is a validator already, or twice in the list.
    error DuplicateValidator(address validator);
    /// The account is not a validator.
    error UnknownValidator(address validator);
    /// More than {MAX_VALIDATORS}.
    error TooManyValidators(uint256 count);
    /// The governor cannot be the zero address.
    error ZeroGovernor();

    /// Largest set: 255.
    function MAX_VALIDATORS() external view returns (uint256);

    /// The set in force.
    function getValidators() external view returns (address[] memory);

    /// The signalled set, empty when no change is pending.
    function pendingValidators() external view returns (address[] memory);

    /// Whether a change is signalled and not yet final.
    function isChangePending() external view returns (bool);

    /// Block that signalled the last change, 0 if there was none.
    function signalledAt() external view returns (uint256);

    /// Whether `account` is in the set in force.
    function isValidator(address account) external view returns (bool);

    /// Who decides about changes and upgrades.
    function governor() external view returns (address);

    /// Put the pending set in force; does nothing when none is pending. Engine only.
    function finalizeChange() external;

    /// Signal the set in force plus `validator`. Governor only.
    function addValidator(address validator) external;

    /// Signal the set in force without `validator`. Governor only.
    function removeValidator(address validator) external;

    /// Signal a whole new set. Governor only.
    function setValidators(address[] calldata validators) external;

    /// Name another governor. Governor only.
    function setGovernor(address governor) external;
}
