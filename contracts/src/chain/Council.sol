// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {EnumerableSet} from "@openzeppelin/contracts/utils/structs/EnumerableSet.sol";
import {ICouncil} from "../interfaces/ICouncil.sol";

/// See {ICouncil}. What a council decides about itself are functions only it may call ({onlyCouncil}).
abstract contract Council is ICouncil {
    using EnumerableSet for EnumerableSet.AddressSet;

    struct Proposal {
        address proposer;
        uint64 deadline;
        bool executed;
        address target;
        bytes data;
        mapping(address admin => bool) approved;
    }

    /// @inheritdoc ICouncil
    uint256 public constant MAX_ADMINS = 50;
    /// @inheritdoc ICouncil
    uint256 public constant PROPOSAL_LIFETIME = 30 days;

    // Slots 0..3; the genesis of a chain writes 0..2 (contracts/README.md).

    EnumerableSet.AddressSet private _admins;
    /// @inheritdoc ICouncil
    uint256 public threshold;
    Proposal[] private _proposals;

    modifier onlyAdmin() {
        if (!isAdmin(msg.sender)) revert NotAdmin(msg.sender);
        _;
    }

    modifier onlyCouncil() {
        if (msg.sender != address(this)) revert OnlyCouncil();
        _;
    }

    /// The first admins, from the initializer of the contract that is a council.
    function _initCouncil(address[] calldata admins_, uint256 threshold_) internal {
        for (uint256 i = 0; i < admins_.length; i++) {
            _addAdmin(admins_[i]);
        }
        _setThreshold(threshold_);
    }

    // ---------------------------------------------------------------- proposals

    /// @inheritdoc ICouncil
    function propose(address target, bytes calldata data) external onlyAdmin returns (uint256 id) {
        if (target.code.length == 0) revert NotAContract(target);
        id = _proposals.length;
        Proposal storage p = _proposals.push();
        p.proposer = msg.sender;
        p.deadline = uint64(block.timestamp + PROPOSAL_LIFETIME);
        p.target = target;
        p.data = data;
        emit Proposed(id, msg.sender, target, data);
        _approve(id, p);
    }

    /// @inheritdoc ICouncil
    function approve(uint256 id) external onlyAdmin {
        Proposal storage p = _open(id);
        if (p.approved[msg.sender]) revert NoChange();
        _approve(id, p);
    }

    /// @inheritdoc ICouncil
    function revoke(uint256 id) external onlyAdmin {
        Proposal storage p = _open(id);
        if (!p.approved[msg.sender]) revert NoChange();
        p.approved[msg.sender] = false;
        emit ApprovalRevoked(id, msg.sender);
    }

    function _approve(uint256 id, Proposal storage p) private {
        p.approved[msg.sender] = true;
        uint256 count = _approvals(p).length;
        emit Approved(id, msg.sender, count, threshold);
        if (count < threshold) return;
        p.executed = true;
        bytes memory result = Address.functionCall(p.target, p.data);
        emit ProposalExecuted(id, result);
    }

    function _open(uint256 id) private view returns (Proposal storage p) {
        if (id >= _proposals.length) revert UnknownProposal(id);
        p = _proposals[id];
        if (p.executed) revert ProposalDone(id);
        if (block.timestamp > p.deadline) revert ProposalExpired(id);
    }

    /// Those of today's admins only.
    function _approvals(Proposal storage p) private view returns (address[] memory approvals) {
        address[] memory all = _admins.values();
        approvals = new address[](all.length);
        uint256 count = 0;
        for (uint256 i = 0; i < all.length; i++) {
            if (p.approved[all[i]]) approvals[count++] = all[i];
        }
        assembly ("memory-safe") {
            mstore(approvals, count)
        }
    }

    // ---------------------------------------------------------------- admins

    /// @inheritdoc ICouncil
    function addAdmin(address admin) external onlyCouncil {
        _addAdmin(admin);
    }

    /// @inheritdoc ICouncil
    function removeAdmin(address admin) external onlyCouncil {
        _removeAdmin(admin);
        uint256 left = _admins.length();
        if (left == 0) revert LastAdmin();
        if (threshold > left) revert BadThreshold(threshold, left);
    }

    /// @inheritdoc ICouncil
    function replaceAdmin(address previous, address next) external onlyCouncil {
        _removeAdmin(previous);
        _addAdmin(next);
    }

    /// @inheritdoc ICouncil
    function setThreshold(uint256 threshold_) external onlyCouncil {
        _setThreshold(threshold_);
    }

    function _addAdmin(address admin) private {
        if (admin == address(0)) revert ZeroAdmin();
        if (!_admins.add(admin)) revert DuplicateAdmin(admin);
        if (_admins.length() > MAX_ADMINS) revert TooManyAdmins(_admins.length());
        emit AdminAdded(admin);
    }

    function _removeAdmin(address admin) private {
        if (!_admins.remove(admin)) revert NotAdmin(admin);
        emit AdminRemoved(admin);
    }

    function _setThreshold(uint256 threshold_) private {
        if (threshold_ == 0 || threshold_ > _admins.length()) revert BadThreshold(threshold_, _admins.length());
        threshold = threshold_;
        emit ThresholdChanged(threshold_);
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc ICouncil
    function admins() external view returns (address[] memory) {
        return _admins.values();
    }

    /// @inheritdoc ICouncil
    function isAdmin(address account) public view returns (bool) {
        return _admins.contains(account);
    }

    /// @inheritdoc ICouncil
    function proposalCount() external view returns (uint256) {
        return _proposals.length;
    }

    /// @inheritdoc ICouncil
    function proposal(uint256 id)
        external
        view
        returns (
            address proposer,
            address target,
            bytes memory data,
            address[] memory approvals,
            uint256 deadline,
            bool executed
        )
    {
        if (id >= _proposals.length) revert UnknownProposal(id);
        Proposal storage p = _proposals[id];
        return (p.proposer, p.target, p.data, _approvals(p), p.deadline, p.executed);
    }
}
