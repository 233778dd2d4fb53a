//! Bindings generated from the committed artifacts.
#![allow(missing_docs, reason = "documented in the Solidity interfaces")]
#![allow(clippy::too_many_arguments, reason = "initializers take what they take")]

/// One binding per artifact; with provider instances when the feature `rpc` is on.
macro_rules! bind {
    ($($name:ident = $path:tt;)*) => {
        $(
            #[cfg(feature = "rpc")]
            alloy::sol!(#[sol(rpc, all_derives)] $name, $path);
            #[cfg(not(feature = "rpc"))]
            alloy::sol!(#[sol(all_derives)] $name, $path);
        )*
    };
}

bind! {
    BridgeValidators = "artifacts/BridgeValidators.json";
    BridgedToken = "artifacts/BridgedToken.json";
    CertificateVerifier = "artifacts/CertificateVerifier.json";
    Erc1967Proxy = "artifacts/ERC1967Proxy.json";
    ForeignBridge = "artifacts/ForeignBridge.json";
    HomeBridge = "artifacts/HomeBridge.json";
    LoadToken = "artifacts/LoadToken.json";
    Permissions = "artifacts/Permissions.json";
    RlcLikeToken = "artifacts/RlcLikeToken.json";
    TimelockController = "artifacts/TimelockController.json";
    ValidatorSet = "artifacts/ValidatorSet.json";
}
