// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ICertificateVerifier} from "../interfaces/ICertificateVerifier.sol";

/// See {ICertificateVerifier}. The rules are those of `aurum_aura::certificate::Trust`.
contract CertificateVerifier is ICertificateVerifier {
    bytes32 private constant DOMAIN_TYPE =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,bytes32 salt)");
    bytes32 private constant VOTE_TYPE = keccak256(
        "FinalityVote(uint64 sourceNumber,bytes32 sourceHash,uint64 targetNumber,bytes32 targetHash,bytes32 validatorHistory)"
    );
    uint256 private constant SIGNATURE = 65;

    bytes32 private immutable _domain;

    address[] private _validators;
    /// @inheritdoc ICertificateVerifier
    bytes32 public validatorHistory;
    /// @inheritdoc ICertificateVerifier
    bytes32 public finalizedHash;
    /// @inheritdoc ICertificateVerifier
    uint64 public finalizedNumber;

    /// Trusts the validators of a chain's genesis; that block is final.
    constructor(uint256 chainId, bytes32 genesisHash, address[] memory genesisValidators) {
        if (genesisValidators.length == 0) revert NoValidators();
        _domain = keccak256(abi.encode(DOMAIN_TYPE, keccak256("Aurum Finality"), keccak256("1"), chainId, genesisHash));
        _validators = genesisValidators;
        validatorHistory = _then(bytes32(0), genesisValidators);
        finalizedHash = genesisHash;
    }

    /// @inheritdoc ICertificateVerifier
    function validators() external view returns (address[] memory) {
        return _validators;
    }

    /// @inheritdoc ICertificateVerifier
    function digest(uint64 number, bytes32 hash, bytes32 childHash, bytes32 history) public view returns (bytes32) {
        bytes32 vote = keccak256(abi.encode(VOTE_TYPE, number, hash, number + 1, childHash, history));
        return keccak256(abi.encodePacked(hex"1901", _domain, vote));
    }

    /// @inheritdoc ICertificateVerifier
    function verify(Certificate calldata certificate, address[][] calldata recorded) public view {
        if (certificate.number <= finalizedNumber) revert NotNewer(certificate.number, finalizedNumber);
        bytes32 history = validatorHistory;
        for (uint256 i = 0; i < recorded.length; i++) {
            history = _then(history, recorded[i]);
        }
        if (history != certificate.validatorHistory) revert OtherHistory(history, certificate.validatorHistory);

        address[] memory signers = _signers(certificate);
        _checkQuorum(0, _validators, signers);
        for (uint256 i = 0; i < recorded.length; i++) {
            _checkQuorum(i + 1, recorded[i], signers);
        }
    }

    /// @inheritdoc ICertificateVerifier
    function advance(Certificate calldata certificate, address[][] calldata recorded) external {
        verify(certificate, recorded);
        finalizedNumber = certificate.number;
        finalizedHash = certificate.hash;
        emit Finalized(certificate.number, certificate.hash);
        if (recorded.length == 0) return;
        _validators = recorded[recorded.length - 1];
        validatorHistory = certificate.validatorHistory;
        emit ValidatorsChanged(certificate.number, _validators);
    }

    function _signers(Certificate calldata certificate) private view returns (address[] memory signers) {
        bytes calldata signatures = certificate.signatures;
        if (signatures.length % SIGNATURE != 0) revert BadSignature(signatures.length / SIGNATURE);
        bytes32 hash = digest(certificate.number, certificate.hash, certificate.childHash, certificate.validatorHistory);
        signers = new address[](signatures.length / SIGNATURE);
        address last = address(0);
        for (uint256 i = 0; i < signers.length; i++) {
            bytes calldata signature = signatures[i * SIGNATURE:(i + 1) * SIGNATURE];
            uint8 v = uint8(signature[64]);
            if (v > 1) revert BadSignature(i);
            address signer = ecrecover(hash, v + 27, bytes32(signature[:32]), bytes32(signature[32:64]));
            if (signer == address(0)) revert BadSignature(i);
            if (signer <= last) revert Unordered(i);
            signers[i] = signer;
            last = signer;
        }
    }

    /// More than two thirds of the members, each counted once however often the set lists it.
    function _checkQuorum(uint256 place, address[] memory set, address[] memory signers) private pure {
        uint256 members = 0;
        uint256 signed = 0;
        for (uint256 i = 0; i < set.length; i++) {
            if (_contains(set, i, set[i])) continue;
            members++;
            if (_contains(signers, signers.length, set[i])) signed++;
        }
        if (members == 0) revert NoValidators();
        uint256 needed = members * 2 / 3 + 1;
        if (signed < needed) revert NoQuorum(place, signed, needed);
    }

    /// Whether `who` stands among the first `length`.
    function _contains(address[] memory list, uint256 length, address who) private pure returns (bool) {
        for (uint256 i = 0; i < length; i++) {
            if (list[i] == who) return true;
        }
        return false;
    }

    /// The history after a set was recorded.
    function _then(bytes32 history, address[] memory set) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(history, keccak256(abi.encodePacked(set))));
    }
}
