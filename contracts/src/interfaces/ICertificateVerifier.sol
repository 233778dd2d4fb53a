// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// Follows what is final on an Aurum chain from another chain, by its finality certificates.
///
/// It begins with the genesis validators and moves on with each certificate it is given. Anybody may bring one: what counts are
/// the signatures. `docs/finality.md` says why a certificate makes a block final.
interface ICertificateVerifier {
    /// More than two thirds of the validators vote for the link from a block to its child.
    struct Certificate {
        /// Height of the block that becomes final.
        uint64 number;
        /// Its hash.
        bytes32 hash;
        /// Hash of its child, at `number + 1`.
        bytes32 childHash;
        /// Hash chain over the chain's validator sets, after the block.
        bytes32 validatorHistory;
        /// r ‖ s ‖ v (v 0 or 1) of each voter, 65 bytes each, ascending by the voters' addresses.
        bytes signatures;
    }

    /// A block, and with it all its ancestors, is final.
    event Finalized(uint64 indexed number, bytes32 hash);
    /// The validators changed.
    event ValidatorsChanged(uint64 indexed number, address[] validators);

    /// The block is not above the newest final one.
    error NotNewer(uint64 number, uint64 finalizedNumber);
    /// The sets given are not those whose history the voters signed.
    error OtherHistory(bytes32 computed, bytes32 signed);
    /// Not a list of 65-byte signatures, or one of them is of nobody.
    error BadSignature(uint256 place);
    /// The voters' addresses do not ascend: one may stand there twice.
    error Unordered(uint256 place);
    /// Too few of set `set` signed; 0 is the set trusted before, the others are those of `recorded`.
    error NoQuorum(uint256 set, uint256 signed, uint256 needed);
    /// A set without validators could never move on.
    error NoValidators();

    /// Height of the newest final block known here.
    function finalizedNumber() external view returns (uint64);

    /// Hash of the newest final block known here.
    function finalizedHash() external view returns (bytes32);

    /// Who votes from that block on.
    function validators() external view returns (address[] memory);

    /// Hash chain over the validator sets up to that block.
    function validatorHistory() external view returns (bytes32);

    /// What a validator signs for a certificate (EIP-712).
    function digest(uint64 number, bytes32 hash, bytes32 childHash, bytes32 history) external view returns (bytes32);

    /// Reverts unless the certificate is valid on top of what is known here. `recorded` are the validator sets that blocks
    /// after the newest final one, up to this one, recorded, in their order; usually none.
    function verify(Certificate calldata certificate, address[][] calldata recorded) external view;

    /// As `verify`, and remembers: the block is the newest final one, and the last set of `recorded` votes from now on.
    function advance(Certificate calldata certificate, address[][] calldata recorded) external;
}
