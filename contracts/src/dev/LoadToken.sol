// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// What a load test runs on a chain: an ERC-20 whose `transfer` does what everybody's does, holders made by the thousand, and
/// a method that computes, writes, logs and sometimes reverts. Anybody may mint: worthless by construction, never for real
/// deployments.
contract LoadToken {
    /// As ERC-20.
    string public constant name = "Load";
    /// As ERC-20.
    string public constant symbol = "LOAD";
    /// As ERC-20.
    uint8 public constant decimals = 18;

    /// Slots that `work` writes: enough that two calls in a block seldom meet.
    uint256 public constant CELLS = 4096;

    /// As ERC-20.
    uint256 public totalSupply;
    /// As ERC-20.
    mapping(address => uint256) public balanceOf;
    /// What `work` left behind.
    mapping(uint256 => bytes32) public cells;

    /// As ERC-20.
    event Transfer(address indexed from, address indexed to, uint256 value);
    /// `work(seed)` by `caller` came to `digest`.
    event Worked(address indexed caller, uint256 indexed seed, bytes32 digest);

    /// `work` of every sixteenth seed ends so.
    error Unlucky(uint256 seed);

    /// As ERC-20; reverts when the balance is too small.
    function transfer(address to, uint256 value) external returns (bool) {
        balanceOf[msg.sender] -= value;
        balanceOf[to] += value;
        emit Transfer(msg.sender, to, value);
        return true;
    }

    /// `value` for each of `to`.
    function mintMany(address[] calldata to, uint256 value) external {
        for (uint256 i = 0; i < to.length; i++) {
            balanceOf[to[i]] += value;
            emit Transfer(address(0), to[i], value);
        }
        totalSupply += value * to.length;
    }

    /// One unit for each of the holders `from` to `from + count`, without events.
    function fill(uint256 from, uint256 count) external {
        for (uint256 i = from; i < from + count; i++) {
            balanceOf[holder(i)] += 1;
        }
        totalSupply += count;
    }

    /// Address of holder `index`: nobody's key, and as spread over the trie as any account.
    function holder(uint256 index) public pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encode(index)))));
    }

    /// Sixteen hashes, two slots written and an event; every sixteenth seed reverts after all of that.
    function work(uint256 seed) external {
        bytes32 digest = cells[seed % CELLS];
        for (uint256 i = 0; i < 16; i++) {
            digest = keccak256(abi.encode(digest, seed, i));
        }
        cells[seed % CELLS] = digest;
        cells[uint256(digest) % CELLS] = bytes32(seed);
        emit Worked(msg.sender, seed, digest);
        if (seed % 16 == 15) revert Unlucky(seed);
    }
}
