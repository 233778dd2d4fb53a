// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// A well-behaved token everybody can mint.
contract PlainToken is ERC20 {
    constructor() ERC20("Plain", "PLN") {}

    function mint(address to, uint256 value) external {
        _mint(to, value);
    }
}

/// Takes 1 % of every transfer.
contract FeeToken is PlainToken {
    function _update(address from, address to, uint256 value) internal override {
        if (from != address(0) && to != address(0)) {
            super._update(from, address(0xfee), value / 100);
            value -= value / 100;
        }
        super._update(from, to, value);
    }
}

/// Takes more from the sender than it gives, once told to.
contract DrainingToken is PlainToken {
    bool public draining;

    function drain() external {
        draining = true;
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (draining && from != address(0)) super._update(from, address(0xfee), value / 10);
    }
}

/// Says no to some receivers, as regulated stablecoins do.
contract BlockingToken is PlainToken {
    mapping(address => bool) public blocked;

    function setBlocked(address account, bool value) external {
        blocked[account] = value;
    }

    function _update(address from, address to, uint256 value) internal override {
        require(!blocked[to], "blocked");
        super._update(from, to, value);
    }
}

/// Calls back whoever asked for it in the middle of a transfer.
contract HookToken is PlainToken {
    address public hook;
    bytes public data;
    bool public hookSucceeded;

    function setHook(address hook_, bytes calldata data_) external {
        hook = hook_;
        data = data_;
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (hook != address(0)) (hookSucceeded,) = hook.call(data);
    }
}

/// Neither returns anything nor reverts with a reason: USDT's habits.
contract NoReturnToken {
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    function mint(address to, uint256 value) external {
        balanceOf[to] += value;
    }

    function approve(address spender, uint256 value) external {
        allowance[msg.sender][spender] = value;
    }

    function transfer(address to, uint256 value) external {
        balanceOf[msg.sender] -= value;
        balanceOf[to] += value;
    }

    function transferFrom(address from, address to, uint256 value) external {
        allowance[from][msg.sender] -= value;
        balanceOf[from] -= value;
        balanceOf[to] += value;
    }
}

/// Answers false instead of reverting, and moves nothing.
contract FalseToken {
    function balanceOf(address) external pure returns (uint256) {
        return 0;
    }

    function transferFrom(address, address, uint256) external pure returns (bool) {
        return false;
    }
}

/// Claims success, and moves nothing.
contract LyingToken {
    function balanceOf(address) external pure returns (uint256) {
        return 0;
    }

    function transferFrom(address, address, uint256) external pure returns (bool) {
        return true;
    }
}
