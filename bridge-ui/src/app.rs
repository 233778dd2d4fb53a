//! What every handler shares: the two chains, where the bridge is, the relayers.

use alloy::transports::TransportError;
use aurum_contracts::{Addresses, Side, Sides};

use crate::{cache::Cache, chain::Chain, config::Config, relayers::Relayers, transfer::Progress};

/// Shared by all handlers, behind an `Arc`.
#[derive(Debug)]
pub(crate) struct App {
    /// The chains.
    pub chains: Sides<Chain>,
    /// Where the bridge is.
    pub addresses: Addresses,
    /// Who carries transfers.
    pub relayers: Relayers,
    pub(crate) progress: Cache<(Side, alloy::primitives::B256), Progress>,
}

/// An application that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A node's URL cannot be used.
    #[error("{side}.rpc: {source}")]
    Rpc {
        /// Whose node.
        side: Side,
        /// Why.
        source: TransportError,
    },
    /// The HTTP client cannot be built.
    #[error(transparent)]
    Client(#[from] reqwest::Error),
}

impl App {
    /// Prepares everything; neither nodes nor relayers need to be there yet.
    ///
    /// # Errors
    /// When a URL cannot be used.
    pub(crate) async fn new(config: Config) -> Result<Self, AppError> {
        let Config { listen: _, addresses, relayers, chains } = config;
        let home = Chain::connect(Side::Home, chains.home, addresses.home.clone())
            .await
            .map_err(|source| AppError::Rpc { side: Side::Home, source })?;
        let foreign = Chain::connect(Side::Foreign, chains.foreign, addresses.foreign.clone())
            .await
            .map_err(|source| AppError::Rpc { side: Side::Foreign, source })?;
        Ok(Self {
            chains: Sides { home, foreign },
            addresses,
            relayers: Relayers::new(relayers)?,
            progress: Cache::new(),
        })
    }

    /// One of the chains.
    pub(crate) const fn chain(&self, side: Side) -> &Chain {
        self.chains.get(side)
    }

    /// The consortium's chain.
    pub(crate) const fn home(&self) -> &Chain {
        &self.chains.home
    }
}
