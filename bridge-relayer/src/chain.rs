//! One chain as its RPC shows it, and the suspicion an RPC deserves.
//!
//! What is read here moves money, so an answer is used only if it fits what is known: the chain id and genesis of the
//! deployment, a final block that never goes back or changes, logs of the bridge's own address inside the range asked
//! for. That no deposit is left out is proved elsewhere (`watch`): their nonces are contiguous, and the
//! contract tells how many there are.

use std::time::Duration;

use alloy::{
    contract,
    eips::{BlockId, BlockNumberOrTag},
    primitives::{Address, B256, U256},
    providers::{DynProvider, Provider, ProviderBuilder},
    rpc::types::{Filter, Log},
    sol_types::SolEvent,
    transports::{RpcError, TransportErrorKind},
};
use aurum_contracts::{BridgeSide, BridgeValidators, Finality, ForeignBridge, Side};
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::deposit::Deposit;

/// Longest wait for one answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);

/// A block, named so that a reorganisation shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockRef {
    /// Height.
    pub number: u64,
    /// Hash of the header.
    pub hash: B256,
}

/// A chain that does not answer, or answers what cannot be true.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// No answer, or a refusal.
    #[error(transparent)]
    Rpc(#[from] RpcError<TransportErrorKind>),
    /// A contract call failed.
    #[error(transparent)]
    Contract(#[from] contract::Error),
    /// The URL is none.
    #[error("{url} is not the URL of a node: {reason}")]
    Url {
        /// What was given.
        url: String,
        /// Why it is not.
        reason: String,
    },
    /// The chain has no block where every chain has one.
    #[error("the node has no blocks")]
    NoBlocks,
    /// Nothing is final yet, or the chain has no such tag.
    #[error("the node knows no final block; use finality = {{ confirmations = N }} if the chain has none")]
    NothingFinal,
    /// The node serves another chain.
    #[error("the {side} node serves another chain: {what} is {actual}, the deployment's is {expected}")]
    OtherChain {
        /// Which side's node.
        side: Side,
        /// Chain id or genesis.
        what: &'static str,
        /// What the node says.
        actual: String,
        /// What the addresses file says.
        expected: String,
    },
    /// The node is behind what was read before: another node behind the same URL, or one that lost blocks.
    #[error("the {side} node went back: block {known} was final, it now says {told}")]
    WentBack {
        /// Which side's node.
        side: Side,
        /// Final block known.
        known: u64,
        /// What the node says.
        told: u64,
    },
    /// A final block is another one now. Nothing is done until the node tells the old story again.
    #[error("the {side} node has another final block {number}: {told} instead of {known}")]
    Forked {
        /// Which side's node.
        side: Side,
        /// Height of the block.
        number: u64,
        /// Hash known.
        known: B256,
        /// What the node says.
        told: B256,
    },
    /// The node answered about blocks it does not have.
    #[error("the {side} node was asked up to block {asked} and is at {head}")]
    Lagging {
        /// Which side's node.
        side: Side,
        /// Last block asked for.
        asked: u64,
        /// Its head.
        head: u64,
    },
    /// The answer contradicts itself or the chain.
    #[error("the {side} node's answer is not true: {what}")]
    Untrue {
        /// Which side's node.
        side: Side,
        /// What is wrong with it.
        what: String,
    },
}

impl ChainError {
    /// Whether the node answered, but with what cannot be: a fault of the node rather than of the line.
    pub const fn is_contradiction(&self) -> bool {
        matches!(
            self,
            Self::WentBack { .. }
                | Self::Forked { .. }
                | Self::Lagging { .. }
                | Self::Untrue { .. }
                | Self::OtherChain { .. }
        )
    }
}

/// Opens a connection: HTTP with a limit on every answer, or WebSocket.
pub(crate) async fn connect(url: &str) -> Result<DynProvider, ChainError> {
    let bad = |reason: String| ChainError::Url { url: url.to_owned(), reason };
    let builder = ProviderBuilder::default();
    if url.starts_with("ws") {
        return Ok(builder.connect(url).await?.erased());
    }
    let client = reqwest::Client::builder().timeout(ANSWER_LIMIT).build().map_err(|error| bad(error.to_string()))?;
    let url = url.parse().map_err(|error| bad(format!("{error}")))?;
    Ok(builder.connect_reqwest(client, url).erased())
}

/// Hash of block 0, which names a chain better than its id.
pub(crate) async fn genesis(provider: &DynProvider) -> Result<B256, ChainError> {
    let block = provider.get_block_by_number(BlockNumberOrTag::Number(0)).await?;
    Ok(block.ok_or(ChainError::NoBlocks)?.header.hash)
}

/// A connection to one side of the bridge.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    pub(crate) side: Side,
    pub(crate) provider: DynProvider,
    pub(crate) at: BridgeSide,
    finality: Finality,
}

/// What one look at a chain shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) latest: BlockRef,
    /// Seconds, of the latest block.
    pub(crate) timestamp: u64,
    pub(crate) last_final: BlockRef,
    pub(crate) paused: bool,
    /// Of the validators, at the latest block.
    pub(crate) epoch: u64,
    /// Of the validators, at the final block: what may be signed for without fear of a reorganisation.
    pub(crate) final_epoch: u64,
    pub(crate) validators: Vec<Address>,
    pub(crate) threshold: usize,
}

impl View {
    /// Whether something differs by which transfers are decided.
    pub(crate) fn bridge_differs(&self, other: &Self) -> bool {
        let decisive = |view: &Self| (view.paused, view.epoch, view.final_epoch, view.threshold);
        decisive(self) != decisive(other) || self.validators != other.validators
    }
}

impl Chain {
    /// Connects. The node is not asked yet.
    pub(crate) async fn connect(side: Side, url: &str, at: BridgeSide, finality: Finality) -> Result<Self, ChainError> {
        Ok(Self { side, provider: connect(url).await?, at, finality })
    }

    /// The bridge. Both sides answer to what is used of this binding; what only one has is called by its own.
    pub(crate) fn bridge(&self) -> ForeignBridge::ForeignBridgeInstance<DynProvider> {
        ForeignBridge::new(self.at.bridge, self.provider.clone())
    }

    pub(crate) fn validators(&self) -> BridgeValidators::BridgeValidatorsInstance<DynProvider> {
        BridgeValidators::new(self.at.validators, self.provider.clone())
    }

    /// Refuses a node of another chain than the deployment's.
    pub(crate) async fn check_identity(&self) -> Result<(), ChainError> {
        let other = |what, actual, expected| ChainError::OtherChain { side: self.side, what, actual, expected };
        let chain_id = self.provider.get_chain_id().await?;
        if chain_id != self.at.chain_id {
            return Err(other("chain id", chain_id.to_string(), self.at.chain_id.to_string()));
        }
        let genesis = genesis(&self.provider).await?;
        if genesis != self.at.genesis {
            return Err(other("genesis", genesis.to_string(), self.at.genesis.to_string()));
        }
        Ok(())
    }

    async fn header(&self, number: BlockNumberOrTag) -> Result<Option<(BlockRef, u64)>, ChainError> {
        let block = self.provider.get_block_by_number(number).await?;
        Ok(block.map(|block| {
            let header = block.header;
            (BlockRef { number: header.inner.number, hash: header.hash }, header.inner.timestamp)
        }))
    }

    /// The canonical block at `number`, if the node has it.
    pub(crate) async fn block(&self, number: u64) -> Result<Option<BlockRef>, ChainError> {
        Ok(self.header(number.into()).await?.map(|(block, _)| block))
    }

    /// Heads and settings of the bridge. `known` is the final block seen before.
    pub(crate) async fn look(&self, known: Option<BlockRef>) -> Result<View, ChainError> {
        let (latest, timestamp) = self.header(BlockNumberOrTag::Latest).await?.ok_or(ChainError::NoBlocks)?;
        let last_final = self.final_block(latest).await?;
        if let Some(known) = known {
            self.check_story(known, last_final).await?;
        }
        let at = BlockId::number(latest.number);
        let validators = self.validators();
        let (bridge, epoch, then, list, threshold) =
            (self.bridge(), validators.epoch(), validators.epoch(), validators.validators(), validators.threshold());
        let paused = bridge.paused();
        let (paused, epoch, final_epoch, list, threshold) = tokio::try_join!(
            async { paused.block(at).call().await },
            async { epoch.block(at).call().await },
            // A deployment younger than the final block has no validators there: epoch 0, for which nobody signs.
            async { Ok(then.block(BlockId::number(last_final.number)).call().await.unwrap_or_default()) },
            async { list.block(at).call().await },
            async { threshold.block(at).call().await },
        )?;
        Ok(View {
            latest,
            timestamp,
            last_final,
            paused,
            epoch,
            final_epoch,
            validators: list,
            threshold: usize::try_from(threshold).unwrap_or(usize::MAX),
        })
    }

    async fn final_block(&self, latest: BlockRef) -> Result<BlockRef, ChainError> {
        let number = match self.finality {
            Finality::Tag => BlockNumberOrTag::Finalized,
            Finality::Confirmations(0) => return Ok(latest),
            Finality::Confirmations(depth) => latest.number.checked_sub(depth).ok_or(ChainError::NothingFinal)?.into(),
        };
        let (block, _) = self.header(number).await?.ok_or(ChainError::NothingFinal)?;
        Ok(block)
    }

    /// Whether `told` continues the chain that ended in the final block `known`, and is still told: whoever began or ceased
    /// to lie between two answers is noticed before anything is built on `told`.
    async fn check_story(&self, known: BlockRef, told: BlockRef) -> Result<(), ChainError> {
        let side = self.side;
        if told.number < known.number {
            return Err(ChainError::WentBack { side, known: known.number, told: told.number });
        }
        let compared = if told.number == known.number {
            vec![(known, Some(told))]
        } else {
            vec![(known, self.block(known.number).await?), (told, self.block(told.number).await?)]
        };
        for (known, block) in compared {
            match block {
                Some(block) if block.hash == known.hash => {}
                Some(block) => {
                    return Err(ChainError::Forked { side, number: known.number, known: known.hash, told: block.hash });
                }
                None => return Err(ChainError::Lagging { side, asked: known.number, head: told.number }),
            }
        }
        Ok(())
    }

    /// Every `Deposited` of the bridge in blocks `from..=to`, in order. The answer of a node that does not have `to`,
    /// or with logs of other places, is refused.
    pub(crate) async fn deposits(&self, from: u64, to: u64) -> Result<Vec<Deposit>, ChainError> {
        let filter = Filter::new()
            .address(self.at.bridge)
            .event_signature(ForeignBridge::Deposited::SIGNATURE_HASH)
            .from_block(from)
            .to_block(to);
        let logs = self.provider.get_logs(&filter).await?;
        let head = self.provider.get_block_number().await?;
        if head < to {
            return Err(ChainError::Lagging { side: self.side, asked: to, head });
        }
        let mut deposits = logs.iter().map(|log| self.deposit(log, from, to)).collect::<Result<Vec<_>, _>>()?;
        deposits.sort_by_key(|deposit| (deposit.block.number, deposit.log_index));
        Ok(deposits)
    }

    fn deposit(&self, log: &Log, from: u64, to: u64) -> Result<Deposit, ChainError> {
        let untrue = |what: &str| ChainError::Untrue { side: self.side, what: what.to_owned() };
        if log.address() != self.at.bridge {
            return Err(untrue("a log of another address"));
        }
        if log.removed {
            return Err(untrue("a removed log in a final block"));
        }
        let (Some(number), Some(hash), Some(tx), Some(log_index)) =
            (log.block_number, log.block_hash, log.transaction_hash, log.log_index)
        else {
            return Err(untrue("a log without its place"));
        };
        if !(from..=to).contains(&number) {
            return Err(untrue("a log from outside the range"));
        }
        let event = ForeignBridge::Deposited::decode_log(&log.inner)
            .map_err(|error| untrue(&format!("a deposit that cannot be read: {error}")))?
            .data;
        Ok(Deposit {
            nonce: event.nonce.try_into().map_err(|_| untrue("a nonce beyond 2^64"))?,
            id: event.id,
            block: BlockRef { number, hash },
            tx,
            log_index,
            token: event.token,
            sender: event.sender,
            recipient: event.recipient,
            amount: event.amount,
            policy_epoch: event.policyEpoch,
        })
    }

    /// How many deposits were made up to and including block `number`.
    pub(crate) async fn deposit_count(&self, number: u64) -> Result<u64, ChainError> {
        let count = self.bridge().depositCount().block(BlockId::number(number)).call().await?;
        count.try_into().map_err(|_| ChainError::Untrue { side: self.side, what: format!("{count} deposits") })
    }

    /// What the contract remembers of deposit `nonce` at block `number`, zero if nothing.
    pub(crate) async fn deposit_hash(&self, nonce: u64, number: u64) -> Result<B256, ChainError> {
        Ok(self.bridge().depositHash(U256::from(nonce)).block(BlockId::number(number)).call().await?)
    }

    /// Whether the incoming transfer `id` is paid out in the state of block `number`.
    pub(crate) async fn is_executed(&self, id: B256, number: u64) -> Result<bool, ChainError> {
        Ok(self.bridge().isExecuted(id).block(BlockId::number(number)).call().await?)
    }

    /// The transaction that paid `id` out, looked for backwards from block `to` in a bounded number of steps: it is
    /// told to people, nothing depends on it.
    pub(crate) async fn execution_of(&self, id: B256, to: u64) -> Option<(B256, BlockRef)> {
        const STEPS: u32 = 6;
        const FIRST_SPAN: u64 = 250;
        let mut upper = to;
        for step in 0..STEPS {
            let span = FIRST_SPAN << step;
            let lower = upper.saturating_sub(span).max(self.at.deploy_block);
            let filter = Filter::new()
                .address(self.at.bridge)
                .event_signature(ForeignBridge::Executed::SIGNATURE_HASH)
                .topic1(id)
                .from_block(lower)
                .to_block(upper);
            match self.provider.get_logs(&filter).await {
                Ok(logs) => {
                    let found = logs.iter().find(|log| log.address() == self.at.bridge);
                    if let Some((tx, number, hash)) =
                        found.and_then(|log| Some((log.transaction_hash?, log.block_number?, log.block_hash?)))
                    {
                        return Some((tx, BlockRef { number, hash }));
                    }
                }
                Err(error) => {
                    warn!(%id, %error, "the transaction that executed a transfer is not found");
                    return None;
                }
            }
            if lower == self.at.deploy_block {
                return None;
            }
            upper = lower - 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finality_reads_as_documented() {
        #[derive(Deserialize)]
        struct Holder {
            finality: Finality,
        }
        let read = |text| toml::from_str::<Holder>(text).map(|holder| holder.finality);
        assert_eq!(read("finality = \"tag\""), Ok(Finality::Tag));
        assert_eq!(read("finality = { confirmations = 12 }"), Ok(Finality::Confirmations(12)));
        assert!(read("finality = \"latest\"").is_err());
    }
}
