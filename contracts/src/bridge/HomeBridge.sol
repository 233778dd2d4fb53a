// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Arrays} from "@openzeppelin/contracts/utils/Arrays.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {IBridgedToken, IERC677Receiver} from "../interfaces/IBridgedToken.sol";
import {IHomeBridge} from "../interfaces/IHomeBridge.sol";
import {Transfer} from "../interfaces/Types.sol";
import {Bridge} from "./Bridge.sol";
import {TransferLib} from "./TransferLib.sol";

/// The consortium chain's side: see {IHomeBridge} for what it does, {Bridge} for what both sides do.
contract HomeBridge is IHomeBridge, IERC677Receiver, Bridge {
    using TransferLib for Transfer;

    /// 65 bytes as they came.
    struct Signature {
        bytes32 r;
        bytes32 s;
        uint8 v;
    }

    /// @inheritdoc IHomeBridge
    mapping(bytes32 id => mapping(address signer => uint64)) public attestedEpoch;
    /// @inheritdoc IHomeBridge
    mapping(bytes32 id => bytes32) public attestedDigest;
    mapping(bytes32 id => bytes32[]) private _digests;
    mapping(bytes32 digest => mapping(address signer => Signature)) private _signatures;

    // ---------------------------------------------------------------- attestations

    /// @inheritdoc IHomeBridge
    function attest(Transfer calldata transfer, bytes calldata signature) external nonReentrant {
        bool incoming = _isIncoming(transfer);
        bytes32 id;
        bytes32 digest_;
        address token;
        if (incoming) (id, digest_, token) = _checkIncoming(transfer);
        else (id, digest_) = _checkOutgoing(transfer);

        (uint256 count, uint256 needed) = _record(transfer.validatorEpoch, id, digest_, signature);
        if (needed == 0 || count < needed) return;
        if (attestedDigest[id] != digest_) {
            attestedDigest[id] = digest_;
            emit Attested(id, digest_, transfer);
        }
        if (!incoming) return;
        bytes4 reason = _obstacle(token, transfer.amount);
        if (reason == 0) _execute(transfer, id, digest_, token);
        else emit Deferred(id, digest_, reason);
    }

    /// @inheritdoc IHomeBridge
    function execute(Transfer calldata transfer) external nonReentrant {
        (bytes32 id, bytes32 digest_, address token) = _checkIncoming(transfer);
        uint256 count = attestationCount(digest_);
        uint256 needed = validators.threshold();
        if (needed == 0 || count < needed) revert NotEnoughAttestations(count, needed);
        _execute(transfer, id, digest_, token);
    }

    /// A home-to-foreign message is true if it says what was deposited here; no validator can attest another one. The
    /// epoch belongs to the other chain and cannot be checked.
    function _checkOutgoing(Transfer calldata transfer) private view returns (bytes32 id, bytes32 digest_) {
        id = outgoingId(transfer.nonce);
        if (depositHash[transfer.nonce] != transfer.body()) revert NotDeposited(id);
        if (transfer.validatorEpoch == 0) revert WrongEpoch(0, 0);
        digest_ = transfer.digest(remoteDomainSeparator());
    }

    function _record(uint64 epoch, bytes32 id, bytes32 digest_, bytes calldata signature)
        private
        returns (uint256 count, uint256 needed)
    {
        (address signer, ECDSA.RecoverError err,) = ECDSA.tryRecoverCalldata(digest_, signature);
        if (err != ECDSA.RecoverError.NoError) revert BadSignature();
        if (!validators.isValidator(signer)) revert NotAValidator(signer);
        uint64 last = attestedEpoch[id][signer];
        if (last >= epoch) revert AlreadyAttested(id, signer, last);
        attestedEpoch[id][signer] = epoch;
        if (!_isKnown(id, digest_)) _digests[id].push(digest_);
        _signatures[digest_][signer] =
            Signature({r: bytes32(signature[:32]), s: bytes32(signature[32:64]), v: uint8(signature[64])});
        count = attestationCount(digest_);
        needed = validators.threshold();
        emit AttestationAdded(id, signer, digest_, count, needed);
    }

    function _isKnown(bytes32 id, bytes32 digest_) private view returns (bool) {
        bytes32[] storage known = _digests[id];
        for (uint256 i = 0; i < known.length; i++) {
            if (known[i] == digest_) return true;
        }
        return false;
    }

    /// @inheritdoc IHomeBridge
    function attestationCount(bytes32 digest_) public view returns (uint256 count) {
        address[] memory current = validators.validators();
        for (uint256 i = 0; i < current.length; i++) {
            if (hasAttested(digest_, current[i])) count++;
        }
    }

    /// @inheritdoc IHomeBridge
    function hasAttested(bytes32 digest_, address signer) public view returns (bool) {
        return _signatures[digest_][signer].v != 0;
    }

    /// @inheritdoc IHomeBridge
    function isAttested(bytes32 digest_) external view returns (bool) {
        uint256 needed = validators.threshold();
        return needed != 0 && attestationCount(digest_) >= needed;
    }

    /// @inheritdoc IHomeBridge
    function digests(bytes32 id) external view returns (bytes32[] memory) {
        return _digests[id];
    }

    /// @inheritdoc IHomeBridge
    function signatures(bytes32 digest_) external view returns (address[] memory signers, bytes[] memory signatures_) {
        address[] memory current = Arrays.sort(validators.validators());
        uint256 count = attestationCount(digest_);
        signers = new address[](count);
        signatures_ = new bytes[](count);
        uint256 next = 0;
        for (uint256 i = 0; i < current.length; i++) {
            if (!hasAttested(digest_, current[i])) continue;
            Signature storage signature = _signatures[digest_][current[i]];
            signers[next] = current[i];
            signatures_[next] = abi.encodePacked(signature.r, signature.s, signature.v);
            next++;
        }
    }

    // ---------------------------------------------------------------- tokens

    /// @inheritdoc IHomeBridge
    function onTokenTransfer(address sender, uint256 amount, bytes calldata data)
        external
        override(IHomeBridge, IERC677Receiver)
        nonReentrant
        whenNotPaused
        returns (bool)
    {
        address recipient;
        if (data.length == 0) {
            recipient = sender;
        } else if (data.length == 20) {
            recipient = address(bytes20(data));
        } else if (data.length == 32 && uint256(bytes32(data)) <= type(uint160).max) {
            recipient = address(uint160(uint256(bytes32(data))));
        } else {
            revert BadTransferData();
        }
        // {_take} refuses callers that are not listed tokens. A listed token is ours: it calls after it moved `amount`
        // here, and the burn fails if it did not.
        _take(msg.sender, sender, recipient, amount);
        return true;
    }

    /// @inheritdoc IHomeBridge
    function minted(address token) external view returns (uint256) {
        _known(token);
        return _outstanding(token);
    }

    function _absorb(address token, uint256 amount) internal override {
        IBridgedToken(token).burn(amount);
    }

    function _release(address token, address recipient, uint256 amount) internal override {
        IBridgedToken(token).mint(recipient, amount);
    }

    function _checkNewToken(address token) internal view override {
        if (IBridgedToken(token).bridge() != address(this)) revert NotBridgeOfToken(token);
    }

    function _outstanding(address token) internal view override returns (uint256) {
        return IERC20(token).totalSupply();
    }
}
