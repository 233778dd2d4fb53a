//! How far the transfers of one transaction are, as the contracts of both chains say.
//!
//! ```text
//! transaction → receipt → Deposited logs → per transfer: gather (ask both chains) → assess (pure) → steps
//! ```

use std::time::Duration;

use alloy::{
    primitives::{Address, B256, U256},
    sol_types::SolEvent,
};
use aurum_contracts::{ForeignBridge, Side, TokenPair, Transfer as Message};
use futures::future::join_all;
use serde::Serialize;

use crate::{
    amount,
    app::App,
    assess::{Attestations, Facts, Obstacle, Step, assess},
    chain::{Chain, Execution, Receipt, Unanswered},
    relayers::Told,
};

/// How long an answer serves everybody who asks.
const MOMENT: Duration = Duration::from_millis(700);
/// Most transfers of one transaction that are followed.
const MOST: usize = 50;

/// What became of a transaction on the source chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "state")]
pub(crate) enum Outcome {
    /// The node of the source chain does not tell.
    Unreachable,
    /// The node does not know it (yet).
    Unknown,
    /// Waiting to be mined.
    Pending,
    /// Mined, and failed.
    Failed {
        /// Why, where it can be told.
        reason: Option<String>,
        /// Its block.
        block: u64,
    },
    /// Mined.
    Mined {
        /// Its block.
        block: u64,
    },
}

/// Everything about a transaction and its transfers.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Progress {
    /// Source chain.
    pub from: Side,
    /// The transaction.
    pub tx: B256,
    /// What became of it.
    pub transaction: Outcome,
    /// The transfers it made, in order.
    pub transfers: Vec<Transfer>,
    /// Nodes that do not answer, in words.
    pub faults: Vec<String>,
    /// Nothing will change any more.
    pub done: bool,
}

/// One transfer and how far it is. Amounts are smallest units in decimal text.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Transfer {
    /// Identity, the same on both chains.
    pub id: B256,
    /// Position among the deposits of the source bridge.
    pub nonce: u64,
    /// Who deposited.
    pub sender: Address,
    /// Who receives.
    pub recipient: Address,
    /// Token on the source chain.
    pub token: Address,
    /// Smallest units.
    pub amount: String,
    /// For reading, with the symbol.
    pub amount_text: String,
    /// Deposited, final, attested, executed.
    pub steps: Vec<Step>,
    /// Who attested and who did not.
    pub attestations: Option<Attestations>,
    /// The transaction that paid it out.
    pub execution: Option<Execution>,
    /// Why it waits, if it does for a reason worth telling.
    pub waiting: Option<String>,
    /// What a relayer says it is waiting for.
    pub(crate) relayer: Option<String>,
    /// Whether anybody could execute it now.
    pub can_execute: bool,
    /// Paid out.
    pub executed: bool,
}

/// A deposit as its log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deposit {
    pub(crate) id: B256,
    pub(crate) nonce: U256,
    pub(crate) sender: Address,
    pub(crate) recipient: Address,
    pub(crate) token: Address,
    pub(crate) amount: U256,
    pub(crate) policy_epoch: u64,
    pub(crate) block: u64,
}

impl App {
    /// How far the transfers made by `tx` on `from` are.
    pub(crate) async fn progress(&self, from: Side, tx: B256) -> Progress {
        if let Some(progress) = self.progress.get(&(from, tx), MOMENT) {
            return progress;
        }
        let progress = self.ask_progress(from, tx).await;
        self.progress.put((from, tx), progress.clone());
        progress
    }

    async fn ask_progress(&self, from: Side, tx: B256) -> Progress {
        let source = self.chain(from);
        let mut progress = Progress {
            from,
            tx,
            transaction: Outcome::Unreachable,
            transfers: Vec::new(),
            faults: Vec::new(),
            done: false,
        };
        let (receipt, told) = tokio::join!(source.receipt(tx), self.relayers.told(tx));
        let receipt = match receipt {
            Ok(Some(receipt)) => receipt,
            Ok(None) => {
                let known = source.transaction(tx).await.ok().flatten();
                progress.transaction = if known.is_some() { Outcome::Pending } else { Outcome::Unknown };
                return progress;
            }
            Err(error) => {
                progress.faults.push(error.to_string());
                return progress;
            }
        };
        let block = receipt.block_number.to();
        if receipt.status.is_some_and(|status| status.is_zero()) {
            let reason = match source.transaction(tx).await {
                Ok(Some(transaction)) => source.why_failed(&transaction).await,
                _ => None,
            };
            progress.transaction = Outcome::Failed { reason, block };
            progress.done = true;
            return progress;
        }
        progress.transaction = Outcome::Mined { block };
        let deposits = deposits(source, &receipt);
        let looks = deposits.iter().take(MOST).map(|deposit| self.look(from, deposit, &told));
        for (transfer, faults) in join_all(looks).await {
            progress.transfers.push(transfer);
            progress.faults.extend(faults);
        }
        progress.faults.sort();
        progress.faults.dedup();
        // Paid out and visibly so: only a reorganisation could change it, and paid out transfers were final.
        progress.done = progress.transfers.iter().all(|transfer| transfer.executed && transfer.execution.is_some());
        progress
    }

    /// One transfer: what both chains say about it, and what that means.
    async fn look(&self, from: Side, deposit: &Deposit, told: &Told) -> (Transfer, Vec<String>) {
        let (facts, faults) = self.gather(from, deposit, told).await;
        let pair = self.addresses.pair(from, deposit.token);
        let names = (self.chain(from).name(), self.chain(from.other()).name());
        let view = assess(from, names, deposit, &facts, pair);
        let executed = facts.executed == Some(true);
        let transfer = Transfer {
            id: deposit.id,
            nonce: deposit.nonce.try_into().unwrap_or(u64::MAX),
            sender: deposit.sender,
            recipient: deposit.recipient,
            token: deposit.token,
            amount: deposit.amount.to_string(),
            amount_text: text(deposit.amount, pair),
            steps: view.steps,
            waiting: view.waiting,
            relayer: told.waiting(deposit.id).filter(|_| !executed),
            can_execute: view.can_execute,
            attestations: facts.attestations,
            execution: facts.execution,
            executed,
        };
        (transfer, faults)
    }

    pub(crate) async fn gather(&self, from: Side, deposit: &Deposit, told: &Told) -> (Facts, Vec<String>) {
        let destination = self.chain(from.other());
        let bridge = destination.bridge();
        let (heads, attestations, executed, obstacle) = tokio::join!(
            self.chain(from).heads(),
            self.attestations(from, deposit),
            async { bridge.isExecuted(deposit.id).call().await.map_err(|error| destination.failed(&error)) },
            self.obstacle(from, deposit),
        );
        let mut faults = Vec::new();
        let heads = note(heads, &mut faults);
        let executed = note(executed, &mut faults);
        let execution = match executed {
            Some(true) => destination.execution_of(deposit.id, &told.executions(deposit.id)).await,
            _ => None,
        };
        let facts = Facts {
            finalized: heads.map(|heads| heads.finalized),
            attestations: note(attestations, &mut faults),
            executed,
            execution,
            obstacle: note(obstacle, &mut faults).flatten(),
            now: crate::chain::now(),
        };
        (facts, faults)
    }

    /// The message validators sign now: under the current epoch of the destination's set.
    pub(crate) async fn message(&self, from: Side, deposit: &Deposit) -> Result<Message, Unanswered> {
        let (source, destination) = (self.chain(from), self.chain(from.other()));
        Ok(Message {
            version: aurum_contracts::MESSAGE_VERSION,
            srcChainId: U256::from(source.at.chain_id),
            srcBridge: source.at.bridge,
            token: deposit.token,
            nonce: deposit.nonce,
            sender: deposit.sender,
            recipient: deposit.recipient,
            amount: deposit.amount,
            policyEpoch: deposit.policy_epoch,
            validatorEpoch: destination.validators().await?.epoch,
        })
    }

    async fn attestations(&self, from: Side, deposit: &Deposit) -> Result<Attestations, Unanswered> {
        let destination = self.chain(from.other());
        let message = self.message(from, deposit).await?;
        let digest = message.digest(destination.at.chain_id, destination.at.bridge);
        let board = self.home().home_bridge();
        let (signatures, digests) = (board.signatures(digest), board.digests(deposit.id));
        let (signatures, digests) = tokio::try_join!(async { signatures.call().await }, async { digests.call().await })
            .map_err(|error| self.home().failed(&error))?;
        let set = destination.validators().await?;
        let (signers, missing) = set.list.iter().partition(|validator| signatures.signers.contains(validator));
        let earlier = digests.iter().any(|other| *other != digest);
        Ok(Attestations { signers, missing, needed: set.threshold, earlier })
    }

    /// What keeps the destination from paying out now.
    async fn obstacle(&self, from: Side, deposit: &Deposit) -> Result<Option<Obstacle>, Unanswered> {
        let destination = self.chain(from.other());
        if destination.heads().await?.paused {
            return Ok(Some(Obstacle::Paused));
        }
        let Some(pair) = self.addresses.pair(from, deposit.token) else { return Ok(None) };
        let token = pair.on(from.other());
        let state = destination.token_state(token).await?;
        if deposit.amount > state.execution_max {
            return Ok(Some(Obstacle::OverMax { max: state.execution_max }));
        }
        if deposit.amount > state.execution_left {
            let ready_at = destination.ready_at(token, deposit.amount).await?;
            return Ok(Some(Obstacle::OverDaily { left: state.execution_left, ready_at }));
        }
        Ok(None)
    }
}

fn note<T>(answer: Result<T, Unanswered>, faults: &mut Vec<String>) -> Option<T> {
    answer.map_err(|error| faults.push(error.to_string())).ok()
}

/// The deposits a transaction made at the bridge of `source`.
pub(crate) fn deposits(source: &Chain, receipt: &Receipt) -> Vec<Deposit> {
    let block = receipt.block_number.to();
    receipt
        .logs
        .iter()
        .filter(|log| log.address == source.at.bridge)
        .filter_map(|log| {
            let event = ForeignBridge::Deposited::decode_raw_log(log.topics.iter().copied(), &log.data).ok()?;
            Some(Deposit {
                id: event.id,
                nonce: event.nonce,
                sender: event.sender,
                recipient: event.recipient,
                token: event.token,
                amount: event.amount,
                policy_epoch: event.policyEpoch,
                block,
            })
        })
        .collect()
}

/// An amount with its symbol, or in smallest units when the token is unknown.
pub(crate) fn text(units: U256, pair: Option<&TokenPair>) -> String {
    match pair {
        Some(pair) => format!("{} {}", amount::grouped(units, pair.decimals), pair.symbol),
        None => format!("{units} units"),
    }
}
