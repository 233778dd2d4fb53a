// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IBridge} from "./IBridge.sol";
import {Transfer} from "./Types.sol";

/// The side on the public chain: locks deposits, unlocks what the validators attest.
interface IForeignBridge is IBridge {
    /// Signers are not in strictly ascending order of their addresses, or one is there twice.
    error SignersNotAscending(address previous, address signer);
    /// More would leave than was locked.
    error NotEnoughLocked(address token, uint256 amount, uint256 locked);
    /// The token took another amount from the bridge than was paid out.
    error WrongAmountPaid(uint256 asked, uint256 paid);

    /// Pay out a transfer deposited on home. Anyone may call. `signatures` are 65 bytes r, s, v each, of distinct
    /// current validators of this side in ascending order of signer, at least threshold many, over {IBridge-digest}:
    /// exactly what {IHomeBridge-signatures} returns. All of them are checked.
    function execute(Transfer calldata transfer, bytes[] calldata signatures) external;

    /// Tokens locked by deposits and not paid out; what was sent here in other ways does not count.
    function locked(address token) external view returns (uint256);
}
