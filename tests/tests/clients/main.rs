//! The clients people have, unchanged: against a development chain where a chain is enough, against a consortium where rights
//! matter.

mod alloy_client;
mod cast;
mod differential;
mod forge;
mod hardhat;
mod penniless;
mod shapes;
mod viem;
mod wallet;
