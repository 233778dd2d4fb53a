// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ICouncil} from "./ICouncil.sol";

/// Who may read, send, call and create on the chain; Parity's transaction permission contract, version 4. Nodes
/// evaluate it on the parent block's state, so a change made in block N holds from N + 1.
///
/// Rights are a sum of BASIC 1, CALL 2, CREATE 4 (Parity's bits) and READ 16. An admin always has at least
/// READ + BASIC + CALL: the council cannot lock itself out.
interface IPermissions is ICouncil {
    /// `account` is listed with `rights` now. What it had before, by list or by default, is `previous`.
    event RightsSet(address indexed account, uint32 previous, uint32 rights);
    /// `account` is not listed any more and has the default rights.
    event RightsCleared(address indexed account, uint32 previous);
    /// Unlisted accounts have other rights now.
    event DefaultRightsChanged(uint32 previous, uint32 rights);

    /// Bits outside READ, BASIC, CALL, CREATE.
    error UnknownRights(uint32 rights);
    /// The two lists differ in length.
    error LengthMismatch();

    /// Plain transfers to accounts without code: 1.
    function BASIC() external view returns (uint32);
    /// Calls of contracts: 2.
    function CALL() external view returns (uint32);
    /// Creation of contracts: 4.
    function CREATE() external view returns (uint32);
    /// Reading the chain: 16.
    function READ() external view returns (uint32);

    /// What `account` may do.
    function rightsOf(address account) external view returns (uint32);

    /// Whether `account` has an entry of its own.
    function isListed(address account) external view returns (bool);

    /// What accounts without an entry may do.
    function defaultRights() external view returns (uint32);

    /// How many accounts have an entry of their own.
    function listedCount() external view returns (uint256);

    /// Accounts with an entry of their own, from position `offset` on, at most `count`; order is not kept over
    /// removals.
    function listed(uint256 offset, uint256 count)
        external
        view
        returns (address[] memory accounts, uint32[] memory rights);

    /// Give accounts entries of their own. By proposal.
    function setRights(address[] calldata accounts, uint32[] calldata rights) external;

    /// Remove entries; the accounts have the default again. By proposal.
    function clearRights(address[] calldata accounts) external;

    /// Change what unlisted accounts may do. By proposal.
    function setDefaultRights(uint32 rights) external;

    /// Parity v4. The answer depends on `sender` alone, so `cacheable` is always true.
    function allowedTxTypes(
        address sender,
        address to,
        uint256 value,
        uint256 maxFeePerGas,
        uint256 maxPriorityFeePerGas,
        uint256 gasLimit,
        bytes calldata data
    ) external view returns (uint32 typesMask, bool cacheable);

    /// "TX_PERMISSION_CONTRACT".
    function contractName() external view returns (string memory);

    /// keccak256 of the name.
    function contractNameHash() external view returns (bytes32);

    /// 4.
    function contractVersion() external view returns (uint256);
}
