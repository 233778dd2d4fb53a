// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {EnumerableMap} from "@openzeppelin/contracts/utils/structs/EnumerableMap.sol";
import {IPermissions} from "../interfaces/IPermissions.sol";
import {Council} from "./Council.sol";

/// See {IPermissions}. Upgrades are proposals to the council like everything else.
contract Permissions is IPermissions, Initializable, Council, UUPSUpgradeable {
    using EnumerableMap for EnumerableMap.AddressToUintMap;

    /// @inheritdoc IPermissions
    uint32 public constant BASIC = 1;
    /// @inheritdoc IPermissions
    uint32 public constant CALL = 2;
    /// @inheritdoc IPermissions
    uint32 public constant CREATE = 4;
    /// @inheritdoc IPermissions
    uint32 public constant READ = 16;

    uint32 private constant ALL = BASIC | CALL | CREATE | READ;
    /// The bits Parity's interface knows of.
    uint32 private constant TX_TYPES = BASIC | CALL | CREATE;
    uint32 private constant ADMIN_RIGHTS = READ | BASIC | CALL;

    // Slots 4..7, after the council's; the genesis of a chain writes them (contracts/README.md).

    /// @inheritdoc IPermissions
    uint32 public defaultRights;
    EnumerableMap.AddressToUintMap private _entries;

    /// Locks the implementation: only proxies can be initialised.
    constructor() {
        _disableInitializers();
    }

    /// The same state as genesis writes: council, default, entries.
    function initialize(
        address[] calldata admins_,
        uint256 threshold_,
        uint32 defaultRights_,
        address[] calldata accounts,
        uint32[] calldata rights
    ) external initializer {
        _initCouncil(admins_, threshold_);
        _setDefaultRights(defaultRights_);
        _setRights(accounts, rights);
    }

    // ---------------------------------------------------------------- rights

    /// @inheritdoc IPermissions
    function rightsOf(address account) public view returns (uint32 rights) {
        (bool exists, uint256 entry) = _entries.tryGet(account);
        // Entries hold 32 bits: they are written from uint32 only.
        rights = exists ? uint32(entry) : defaultRights;
        if (rights & ADMIN_RIGHTS != ADMIN_RIGHTS && isAdmin(account)) rights |= ADMIN_RIGHTS;
    }

    /// @inheritdoc IPermissions
    function isListed(address account) external view returns (bool) {
        return _entries.contains(account);
    }

    /// @inheritdoc IPermissions
    function listedCount() external view returns (uint256) {
        return _entries.length();
    }

    /// @inheritdoc IPermissions
    function listed(uint256 offset, uint256 count)
        external
        view
        returns (address[] memory accounts, uint32[] memory rights)
    {
        uint256 length = Math.min(count, Math.saturatingSub(_entries.length(), offset));
        accounts = new address[](length);
        rights = new uint32[](length);
        for (uint256 i = 0; i < length; i++) {
            uint256 entry;
            (accounts[i], entry) = _entries.at(offset + i);
            rights[i] = uint32(entry);
        }
    }

    /// @inheritdoc IPermissions
    function setRights(address[] calldata accounts, uint32[] calldata rights) external onlyCouncil {
        _setRights(accounts, rights);
    }

    /// @inheritdoc IPermissions
    function clearRights(address[] calldata accounts) external onlyCouncil {
        for (uint256 i = 0; i < accounts.length; i++) {
            uint32 previous = rightsOf(accounts[i]);
            if (!_entries.remove(accounts[i])) revert NoChange();
            emit RightsCleared(accounts[i], previous);
        }
    }

    /// @inheritdoc IPermissions
    function setDefaultRights(uint32 rights) external onlyCouncil {
        _setDefaultRights(rights);
    }

    function _setRights(address[] calldata accounts, uint32[] calldata rights) private {
        if (accounts.length != rights.length) revert LengthMismatch();
        for (uint256 i = 0; i < accounts.length; i++) {
            if (rights[i] & ~ALL != 0) revert UnknownRights(rights[i]);
            uint32 previous = rightsOf(accounts[i]);
            _entries.set(accounts[i], rights[i]);
            emit RightsSet(accounts[i], previous, rights[i]);
        }
    }

    function _setDefaultRights(uint32 rights) private {
        if (rights & ~ALL != 0) revert UnknownRights(rights);
        emit DefaultRightsChanged(defaultRights, rights);
        defaultRights = rights;
    }

    // ---------------------------------------------------------------- Parity, version 4

    /// @inheritdoc IPermissions
    function allowedTxTypes(address sender, address, uint256, uint256, uint256, uint256, bytes calldata)
        external
        view
        returns (uint32 typesMask, bool cacheable)
    {
        return (rightsOf(sender) & TX_TYPES, true);
    }

    /// @inheritdoc IPermissions
    function contractName() external pure returns (string memory) {
        return "TX_PERMISSION_CONTRACT";
    }

    /// @inheritdoc IPermissions
    function contractNameHash() external pure returns (bytes32) {
        return keccak256("TX_PERMISSION_CONTRACT");
    }

    /// @inheritdoc IPermissions
    function contractVersion() external pure returns (uint256) {
        return 4;
    }

    function _authorizeUpgrade(address) internal override onlyCouncil {}
}
