// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Ownable2StepUpgradeable} from "@openzeppelin/contracts-upgradeable/access/Ownable2StepUpgradeable.sol";
import {OwnableUpgradeable} from "@openzeppelin/contracts-upgradeable/access/OwnableUpgradeable.sol";
import {ERC20Upgradeable} from "@openzeppelin/contracts-upgradeable/token/ERC20/ERC20Upgradeable.sol";
import {
    ERC20PermitUpgradeable
} from "@openzeppelin/contracts-upgradeable/token/ERC20/extensions/ERC20PermitUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {IBridgedToken, IERC677Receiver} from "../interfaces/IBridgedToken.sol";

/// See {IBridgedToken}. The bridge can burn only what it holds: nobody can take tokens from an account.
///
/// ERC-677's second `Transfer` event (with data) is not emitted: it would overload ERC-20's and adds nothing to it.
contract BridgedToken is IBridgedToken, ERC20PermitUpgradeable, Ownable2StepUpgradeable, UUPSUpgradeable {
    /// @inheritdoc IBridgedToken
    address public bridge;
    uint8 private _decimals;

    /// Locks the implementation: only proxies can be initialised.
    constructor() {
        _disableInitializers();
    }

    /// `name_`, `symbol_` and `decimals_` are those of the foreign token. `owner_` upgrades; it cannot mint.
    function initialize(
        address owner_,
        address bridge_,
        string calldata name_,
        string calldata symbol_,
        uint8 decimals_
    ) external initializer {
        if (bridge_ == address(0)) revert ZeroAddress();
        __ERC20_init(name_, symbol_);
        __ERC20Permit_init(name_);
        __Ownable_init(owner_);
        bridge = bridge_;
        _decimals = decimals_;
    }

    modifier onlyBridge() {
        if (msg.sender != bridge) revert NotBridge(msg.sender);
        _;
    }

    /// @inheritdoc IBridgedToken
    function mint(address to, uint256 value) external onlyBridge {
        _mint(to, value);
    }

    /// @inheritdoc IBridgedToken
    function burn(uint256 value) external onlyBridge {
        _burn(msg.sender, value);
    }

    /// @inheritdoc IBridgedToken
    function transferAndCall(address to, uint256 value, bytes calldata data) external returns (bool) {
        _transfer(msg.sender, to, value);
        if (to.code.length != 0 && !IERC677Receiver(to).onTokenTransfer(msg.sender, value, data)) {
            revert ReceiverRefused(to);
        }
        return true;
    }

    /// @inheritdoc IERC20
    function transfer(address to, uint256 value) public override(ERC20Upgradeable, IERC20) returns (bool) {
        if (to == bridge) revert BadReceiver(to);
        return super.transfer(to, value);
    }

    /// @inheritdoc IERC20
    function transferFrom(address from, address to, uint256 value)
        public
        override(ERC20Upgradeable, IERC20)
        returns (bool)
    {
        if (to == bridge && msg.sender != bridge) revert BadReceiver(to);
        return super.transferFrom(from, to, value);
    }

    /// @inheritdoc IERC20Metadata
    function decimals() public view override(ERC20Upgradeable, IERC20Metadata) returns (uint8) {
        return _decimals;
    }

    /// @inheritdoc IERC20Permit
    function nonces(address account) public view override(ERC20PermitUpgradeable, IERC20Permit) returns (uint256) {
        return super.nonces(account);
    }

    /// Upgrades without owner would be gone for good.
    function renounceOwnership() public pure override(OwnableUpgradeable) {
        revert CannotRenounce();
    }

    function _update(address from, address to, uint256 value) internal override {
        if (to == address(this)) revert BadReceiver(to);
        super._update(from, to, value);
    }

    function _authorizeUpgrade(address) internal override onlyOwner {}
}
