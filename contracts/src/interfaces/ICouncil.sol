// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// m-of-n administration: an admin proposes a call, it is made by this contract once `threshold` of the current admins
/// approve. There is always at least one admin, and never a threshold above their number.
interface ICouncil {
    /// A call waits for approvals. Proposing counts as the proposer's approval.
    event Proposed(uint256 indexed proposal, address indexed proposer, address indexed target, bytes data);
    /// `admin` approves; `count` current admins do, `needed` must.
    event Approved(uint256 indexed proposal, address indexed admin, uint256 count, uint256 needed);
    /// `admin` took its approval back.
    event ApprovalRevoked(uint256 indexed proposal, address indexed admin);
    /// The call was made.
    event ProposalExecuted(uint256 indexed proposal, bytes result);
    /// An account became admin.
    event AdminAdded(address indexed admin);
    /// An account is no longer admin.
    event AdminRemoved(address indexed admin);
    /// Another number of approvals is needed.
    event ThresholdChanged(uint256 threshold);

    /// Only an admin may do this.
    error NotAdmin(address account);
    /// Only the council itself may do this, by a proposal.
    error OnlyCouncil();
    /// The zero address cannot be an admin.
    error ZeroAdmin();
    /// The account is an admin already.
    error DuplicateAdmin(address admin);
    /// The threshold would be 0 or above the number of admins.
    error BadThreshold(uint256 threshold, uint256 admins);
    /// The only admin cannot be removed.
    error LastAdmin();
    /// More than {MAX_ADMINS}.
    error TooManyAdmins(uint256 count);
    /// No such proposal.
    error UnknownProposal(uint256 proposal);
    /// The proposal was executed.
    error ProposalDone(uint256 proposal);
    /// The proposal is older than {PROPOSAL_LIFETIME}.
    error ProposalExpired(uint256 proposal);
    /// The admin has approved it already, or has no approval to revoke.
    error NoChange();
    /// The proposed call has no code to call.
    error NotAContract(address target);

    /// Most admins: 50.
    function MAX_ADMINS() external view returns (uint256);

    /// Seconds after which a proposal can no longer be approved: 30 days.
    function PROPOSAL_LIFETIME() external view returns (uint256);

    /// Propose and approve a call of `target` (a contract, possibly this one) with `data`. It is made at once if the
    /// threshold is 1. A call that reverts reverts the approval that triggered it, with the same error.
    function propose(address target, bytes calldata data) external returns (uint256 proposal);

    /// Approve, and make the call if that was the last approval needed.
    function approve(uint256 proposal) external;

    /// Take an approval back.
    function revoke(uint256 proposal) external;

    /// Add an admin. By proposal.
    function addAdmin(address admin) external;

    /// Remove an admin; the threshold must still be reachable. By proposal.
    function removeAdmin(address admin) external;

    /// Replace one admin by another. By proposal.
    function replaceAdmin(address previous, address next) external;

    /// Set the number of approvals needed. By proposal.
    function setThreshold(uint256 threshold) external;

    /// Current admins.
    function admins() external view returns (address[] memory);

    /// Whether `account` is an admin.
    function isAdmin(address account) external view returns (bool);

    /// Approvals needed.
    function threshold() external view returns (uint256);

    /// How many proposals were made; they are numbered from 0.
    function proposalCount() external view returns (uint256);

    /// One proposal: `approvals` are those of current admins; `deadline` is the last second it can be approved.
    function proposal(uint256 proposal_)
        external
        view
        returns (
            address proposer,
            address target,
            bytes memory data,
            address[] memory approvals,
            uint256 deadline,
            bool executed
        );
}
