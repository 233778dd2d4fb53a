// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// Stand-in for RLC on a development chain: 9 decimals, no permit, fixed supply. Not for real deployments.
contract RlcLikeToken is ERC20 {
    /// The whole `supply` (in units of 10^-9) goes to `holder`.
    constructor(address holder, uint256 supply) ERC20("Development RLC", "RLC") {
        _mint(holder, supply);
    }

    /// As RLC.
    function decimals() public pure override returns (uint8) {
        return 9;
    }
}
