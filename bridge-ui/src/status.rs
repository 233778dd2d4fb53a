//! How the whole bridge is: chains, validators, totals, relayers.

use std::sync::Arc;

use alloy::primitives::{Address, U256};
use aurum_contracts::{Side, Sides, TokenPair};
use futures::future::join_all;
use serde::Serialize;

use crate::{
    app::App,
    chain::{Heads, ValidatorsState},
    relayers::RelayerState,
};

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Status {
    /// The chains.
    pub chains: Sides<ChainStatus>,
    /// Totals of every token.
    pub tokens: Vec<TokenStatus>,
    /// Who carries transfers.
    pub relayers: Arc<[RelayerState]>,
}

/// One chain.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChainStatus {
    /// Name shown to people.
    pub name: String,
    /// EIP-155.
    pub chain_id: u64,
    /// The bridge's proxy.
    pub bridge: Address,
    /// Where it is, if it answers.
    pub heads: Option<Heads>,
    /// Why it does not.
    pub fault: Option<String>,
    /// Peers of the node asked.
    pub peers: Option<u64>,
    /// Who seals blocks, where the node tells.
    pub sealers: Option<Vec<Address>>,
    /// Whose attestations count for payouts on this chain.
    pub validators: Option<ValidatorsState>,
}

/// One token: what is locked must cover what is minted.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenStatus {
    /// The pair.
    pub pair: TokenPair,
    /// Locked on the public chain.
    pub locked: Option<U256>,
    /// Minted on home and not burned.
    pub minted: Option<U256>,
}

impl TokenStatus {
    /// Locked and not minted, on its way: `Ok`; or minted without being locked, which must never be: `Err`.
    pub(crate) fn difference(&self) -> Option<Result<U256, U256>> {
        let (locked, minted) = self.locked.zip(self.minted)?;
        Some(locked.checked_sub(minted).ok_or_else(|| minted.saturating_sub(locked)))
    }
}

impl App {
    /// Asks everybody.
    pub(crate) async fn status(&self) -> Status {
        let (home, foreign, tokens, relayers) = tokio::join!(
            self.chain_status(Side::Home),
            self.chain_status(Side::Foreign),
            join_all(self.addresses.tokens.iter().map(|pair| self.token_status(pair))),
            self.relayers.states(),
        );
        Status { chains: Sides { home, foreign }, tokens, relayers }
    }

    async fn chain_status(&self, side: Side) -> ChainStatus {
        let chain = self.chain(side);
        let sealers = async { if side == Side::Home { chain.sealers().await } else { None } };
        let (heads, peers, validators, sealers) =
            tokio::join!(chain.heads(), chain.peers(), chain.validators(), sealers);
        let (heads, fault) = match heads {
            Ok(heads) => (Some(heads), None),
            Err(error) => (None, Some(error.to_string())),
        };
        ChainStatus {
            name: chain.name().to_owned(),
            chain_id: chain.at.chain_id,
            bridge: chain.at.bridge,
            heads,
            fault,
            peers,
            sealers,
            validators: validators.ok(),
        }
    }

    async fn token_status(&self, pair: &TokenPair) -> TokenStatus {
        let (home, foreign) =
            tokio::join!(self.home().token_state(pair.home), self.chain(Side::Foreign).token_state(pair.foreign));
        TokenStatus {
            pair: pair.clone(),
            locked: foreign.ok().map(|state| state.outstanding),
            minted: home.ok().map(|state| state.outstanding),
        }
    }
}
