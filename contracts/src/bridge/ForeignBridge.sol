// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IForeignBridge} from "../interfaces/IForeignBridge.sol";
import {Transfer} from "../interfaces/Types.sol";
import {Bridge} from "./Bridge.sol";

/// The public chain's side: see {IForeignBridge} for what it does, {Bridge} for what both sides do.
contract ForeignBridge is IForeignBridge, Bridge {
    using SafeERC20 for IERC20;

    /// @inheritdoc IForeignBridge
    function execute(Transfer calldata transfer, bytes[] calldata signatures) external nonReentrant {
        (bytes32 id, bytes32 digest_, address token) = _checkIncoming(transfer);
        _checkSignatures(digest_, signatures);
        _execute(transfer, id, digest_, token);
    }

    /// @inheritdoc IForeignBridge
    function locked(address token) external view returns (uint256) {
        return _tokens[token].locked;
    }

    function _checkSignatures(bytes32 digest_, bytes[] calldata signatures) private view {
        uint256 needed = validators.threshold();
        if (needed == 0 || signatures.length < needed) revert NotEnoughAttestations(signatures.length, needed);
        address previous = address(0);
        for (uint256 i = 0; i < signatures.length; i++) {
            (address signer, ECDSA.RecoverError err,) = ECDSA.tryRecoverCalldata(digest_, signatures[i]);
            if (err != ECDSA.RecoverError.NoError) revert BadSignature();
            if (signer <= previous) revert SignersNotAscending(previous, signer);
            if (!validators.isValidator(signer)) revert NotAValidator(signer);
            previous = signer;
        }
    }

    function _absorb(address token, uint256 amount) internal override {
        _tokens[token].locked += amount;
    }

    function _release(address token, address recipient, uint256 amount) internal override {
        uint256 locked_ = _tokens[token].locked;
        if (amount > locked_) revert NotEnoughLocked(token, amount, locked_);
        _tokens[token].locked = locked_ - amount;
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransfer(recipient, amount);
        uint256 paid = Math.saturatingSub(before, IERC20(token).balanceOf(address(this)));
        if (paid != amount) revert WrongAmountPaid(amount, paid);
    }

    function _checkNewToken(address token) internal view override {
        // Not a token if it does not answer.
        IERC20(token).balanceOf(address(this));
    }

    function _outstanding(address token) internal view override returns (uint256) {
        return _tokens[token].locked;
    }
}
