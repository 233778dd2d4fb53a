// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {OwnableUpgradeable} from "@openzeppelin/contracts-upgradeable/access/OwnableUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts-upgradeable/proxy/utils/UUPSUpgradeable.sol";

contract Box is OwnableUpgradeable, UUPSUpgradeable {
    uint256 public value;

    /// @custom:oz-upgrades-unsafe-allow constructor
    constructor() {
        _disableInitializers();
    }

    function initialize(address owner, uint256 start) external initializer {
        __Ownable_init(owner);
        value = start;
    }

    function version() external pure virtual returns (string memory) {
        return "one";
    }

    function _authorizeUpgrade(address) internal override onlyOwner {}
}

/// What `Box` initialized stays.
/// @custom:oz-upgrades-unsafe-allow missing-initializer
contract BoxTwo is Box {
    uint256 public doubled;

    function double() external {
        doubled = 2 * value;
    }

    function version() external pure override returns (string memory) {
        return "two";
    }
}

/// Its storage does not fit `Box`.
/// @custom:oz-upgrades-unsafe-allow missing-initializer
contract BoxAstray is OwnableUpgradeable, UUPSUpgradeable {
    string public name;

    /// @custom:oz-upgrades-unsafe-allow constructor
    constructor() {
        _disableInitializers();
    }

    function _authorizeUpgrade(address) internal override onlyOwner {}
}
