//! The clients people have, unchanged: against a development chain where a chain is enough, against a consortium where rights
//! matter.

mod alloy_client;
mod cast;
mod differential;
mod ethers;
mod forge;
mod hardhat;
mod penniless;
mod shapes;
mod viem;
mod wallet;

use anyhow::Result;
use aurum_tests::{
    dev_story::DevStory,
    ports::{Ports, shift},
};

/// A story of this file's on a development chain; `None` when something it needs is not installed.
async fn begin(name: &str, needed: &[&str]) -> Result<Option<DevStory>> {
    DevStory::begin(name, env!("CARGO_TARGET_TMPDIR"), Ports::shifted(shift::CLIENTS), needed).await
}
