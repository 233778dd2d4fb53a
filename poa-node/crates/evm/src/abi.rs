//! The contracts the protocol itself calls (aura.md §2.1, §2.6, §3). `vectors/aura/abi/selectors.json` has the same
//! selectors.

use alloy::sol;

sol! {
    interface IValidatorSet {
        function getValidators() external view returns (address[] validators);
        function finalizeChange() external;
    }

    interface IBlockReward {
        function reward(address[] benefactors, uint16[] kind) external returns (address[] receivers, uint256[] amounts);
    }

    interface IBlockGasLimit {
        function blockGasLimit() external view returns (uint256 limit);
    }

    interface IRegistrar {
        function getAddress(bytes32 name, string key) external view returns (address value);
    }

    interface ICertifier {
        function certified(address who) external view returns (bool yes);
    }

    interface INodePermission {
        function connectionAllowed(bytes32 sl, bytes32 sh, bytes32 pl, bytes32 ph) external view returns (bool allowed);
    }

    interface ITxPermission {
        function contractVersion() external view returns (uint256 version);
    }

    interface ITxPermissionV1 {
        function allowedTxTypes(address sender) external view returns (uint32 types);
    }

    interface ITxPermissionV2 {
        function allowedTxTypes(address sender, address to, uint256 value)
            external view returns (uint32 types, bool senderOnly);
    }

    interface ITxPermissionV3 {
        function allowedTxTypes(address sender, address to, uint256 value, uint256 gasPrice, bytes data)
            external view returns (uint32 types, bool senderOnly);
    }

    interface ITxPermissionV4 {
        function allowedTxTypes(
            address sender,
            address to,
            uint256 value,
            uint256 maxFeePerGas,
            uint256 maxPriorityFeePerGas,
            uint256 gasLimit,
            bytes data
        ) external view returns (uint32 types, bool senderOnly);
    }

    interface IRights {
        function rightsOf(address account) external view returns (uint32 rights);
    }
}
