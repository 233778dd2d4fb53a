// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";

/// The home chain's form of a foreign token: ERC-20, EIP-2612, and ERC-677's `transferAndCall`. Plain transfers never
/// call the receiver.
interface IBridgedToken is IERC20Metadata, IERC20Permit {
    /// Only the bridge may do this.
    error NotBridge(address account);
    /// Sending to the token itself, or plainly to the bridge, would lose the tokens.
    error BadReceiver(address receiver);
    /// The called receiver did not answer true.
    error ReceiverRefused(address receiver);
    /// An initializer got the zero address.
    error ZeroAddress();
    /// Ownership of the token's upgrades cannot be given up.
    error CannotRenounce();

    /// The bridge that mints and burns.
    function bridge() external view returns (address);

    /// ERC-677: transfer and, if `to` is a contract, call `onTokenTransfer(sender, value, data)` on it, which must
    /// return true.
    function transferAndCall(address to, uint256 value, bytes calldata data) external returns (bool);

    /// Create tokens. Bridge only.
    function mint(address to, uint256 value) external;

    /// Destroy tokens the bridge itself holds. Bridge only.
    function burn(uint256 value) external;
}

/// ERC-677's receiver.
interface IERC677Receiver {
    /// `sender` transferred `value` of the calling token to this contract.
    function onTokenTransfer(address sender, uint256 value, bytes calldata data) external returns (bool);
}
