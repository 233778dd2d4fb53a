// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// What a client has to cope with in one contract: storage, events, each way to revert, creations, and the instructions that
/// Shanghai and Cancun brought (PUSH0 everywhere, MCOPY in `copy`, TSTORE and TLOAD in `guarded`).
contract Probe {
    event Noted(address indexed by, uint256 indexed key, string text);
    event Created(address child);

    error Refused(address who, uint256 code);
    error Reentered();

    uint256 public number;
    mapping(address => uint256) public notes;
    string public text;
    bool transient busy;

    constructor(uint256 start) payable {
        number = start;
    }

    receive() external payable {}

    function note(uint256 key, string calldata words) external payable returns (uint256) {
        number += key;
        notes[msg.sender] = key;
        text = words;
        emit Noted(msg.sender, key, words);
        return number;
    }

    function clear() external {
        delete notes[msg.sender];
        delete text;
    }

    function refuse(uint256 code) external view {
        revert Refused(msg.sender, code);
    }

    function fail(string calldata reason) external pure {
        require(false, reason);
    }

    function panic(uint256 divisor) external pure returns (uint256) {
        return 1 / divisor;
    }

    function silent() external pure {
        assembly ("memory-safe") {
            revert(0, 0)
        }
    }

    function invalid() external pure {
        assembly ("memory-safe") {
            invalid()
        }
    }

    function burn() external pure returns (uint256 rounds) {
        while (true) rounds++;
    }

    /// Holds a lock in transient storage while it calls; a call that comes back is refused.
    function guarded(address to, bytes calldata data) external payable returns (bytes memory result) {
        if (busy) revert Reentered();
        busy = true;
        bool success;
        (success, result) = to.call{value: msg.value}(data);
        busy = false;
        if (!success) {
            assembly ("memory-safe") {
                revert(add(result, 32), mload(result))
            }
        }
    }

    function copy(bytes memory data) external pure returns (bytes memory result) {
        result = bytes.concat(data, data);
    }

    function create(bytes32 salt) external returns (address child) {
        child = address(new Child{salt: salt}(number));
        emit Created(child);
    }

    function environment() external view returns (uint256 chain, uint256 height, address origin, uint256 blobFee) {
        return (block.chainid, block.number, tx.origin, block.blobbasefee);
    }
}

contract Child {
    uint256 public immutable born;

    constructor(uint256 number) {
        born = number;
    }

    function end(address payable heir) external {
        selfdestruct(heir);
    }
}
