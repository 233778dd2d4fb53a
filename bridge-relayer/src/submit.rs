//! Transactions on their way: one sequence of nonces per chain, each cared for until its block is final.
//!
//! ```text
//! draft (nonce, worst-case gas) ─► journal ─► send ─► in a block ─► final ─► forgotten
//!                                     ▲         │          │
//!                                     │         │          └─ its block is gone: sent again
//!                                     └─ stuck: an eighth more, same nonce
//! ```
//!
//! A transaction a node refuses for good, and that no node can have, is dropped, so that it does not hold up the nonces
//! after it; what it was for is decided again. Nothing here can pay twice: the contracts refuse.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    providers::Provider,
};
use aurum_contracts::Side;
use serde::{Deserialize, Serialize};
use tracing::{debug, info, warn};

use crate::{
    chain::{BlockRef, Chain, ChainError, View},
    fees::Fees,
    send::{Sent, send},
    sign::{self, Draft, SignedTx},
    state::{Event, Key, Work},
};

/// After that long without a block a transaction is sent again as it is: nodes forget.
const RESEND_AFTER: Duration = Duration::from_secs(10);
/// How often a nonce may be seen used without a receipt of ours: indexes of receipts lag behind the state.
const DOUBTS: u32 = 5;

/// A transaction on its way, as the journal keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flight {
    /// Chain it is sent on.
    pub side: Side,
    /// Transfer it is for.
    pub transfer: Key,
    /// What it does.
    pub work: Work,
    /// Everything but its fees.
    pub draft: Draft,
    /// Every version signed; later ones offer more.
    pub versions: Vec<SignedTx>,
    /// Where it is, once it is somewhere.
    pub mined: Option<Mined>,
}

/// A transaction in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mined {
    /// Hash of the version that made it.
    pub tx: B256,
    /// Its block.
    pub block: BlockRef,
    /// Whether it did what it was to do.
    pub success: bool,
}

/// What became of a transaction since the last look.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) transfer: Key,
    pub(crate) nonce: u64,
    /// `None` if only the flight changed.
    pub(crate) event: Option<Event>,
    /// The flight as it is now; `None` once it needs no more care.
    pub(crate) flight: Option<Flight>,
    /// For people, when something is wrong.
    pub(crate) trouble: Option<String>,
}

/// A flight and what is not worth journalling about it.
#[derive(Debug)]
struct Tracked {
    flight: Flight,
    /// `None`: not sent since the start of this process.
    sent: Option<Instant>,
    /// When its newest version was first sent.
    offered: Instant,
    /// A node may have it.
    released: bool,
    doubts: u32,
    outbid: bool,
    /// Its block went away; it is to be sent again.
    orphaned: bool,
}

/// The relayer's account on one chain.
#[derive(Debug)]
pub(crate) struct Account {
    chain: Chain,
    key: sign::Key,
    replace_after: Duration,
    max_fee: u128,
    flights: BTreeMap<u64, Tracked>,
}

/// What to send.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) transfer: Key,
    pub(crate) work: Work,
    pub(crate) to: Address,
    pub(crate) input: Bytes,
    pub(crate) gas: u64,
}

/// Why a transaction cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SubmitError {
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error(transparent)]
    Key(#[from] sign::KeyError),
}

impl From<alloy::transports::RpcError<alloy::transports::TransportErrorKind>> for SubmitError {
    fn from(error: alloy::transports::RpcError<alloy::transports::TransportErrorKind>) -> Self {
        Self::Chain(error.into())
    }
}

impl Account {
    /// The account with what the journal says is on its way; all of it is sent again at the first look.
    pub(crate) fn resume(
        chain: Chain,
        key: sign::Key,
        replace_after: Duration,
        max_fee: u128,
        flights: Vec<Flight>,
    ) -> Self {
        let flights = flights.into_iter().map(|flight| {
            let tracked = Tracked {
                flight,
                sent: None,
                offered: Instant::now(),
                released: true,
                doubts: 0,
                outbid: false,
                orphaned: false,
            };
            (tracked.flight.draft.nonce, tracked)
        });
        Self { chain, key, replace_after, max_fee, flights: flights.collect() }
    }

    /// How many transactions are on their way.
    pub(crate) fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// Coins of the account.
    pub(crate) async fn balance(&self) -> Result<U256, ChainError> {
        Ok(self.chain.provider.get_balance(self.key.address()).await?)
    }

    /// Makes and signs a transaction; it is to be journalled, then [`dispatch`](Self::dispatch)ed.
    pub(crate) async fn prepare(&self, order: Order) -> Result<Flight, SubmitError> {
        let nonce = self.free_nonce().await?;
        let draft = Draft {
            chain_id: self.chain.at.chain_id,
            nonce,
            gas: order.gas,
            to: Some(order.to),
            value: U256::ZERO,
            input: order.input,
        };
        let fees = Fees::estimate(&self.chain.provider).await?.capped(self.max_fee);
        let versions = vec![self.key.sign(&draft, fees)?];
        let Order { transfer, work, .. } = order;
        Ok(Flight { side: self.chain.side, transfer, work, draft, versions, mined: None })
    }

    /// The first nonce that is neither used on the chain nor ours on its way. Without a journal the node's pool is
    /// asked too: what an earlier life of this relayer sent may wait there.
    async fn free_nonce(&self) -> Result<u64, ChainError> {
        let count = self.chain.provider.get_transaction_count(self.key.address());
        let mut nonce = if self.flights.is_empty() { count.pending().await? } else { count.latest().await? };
        while self.flights.contains_key(&nonce) {
            nonce += 1;
        }
        Ok(nonce)
    }

    /// Sends a journalled transaction.
    pub(crate) async fn dispatch(&mut self, flight: Flight) -> Option<Report> {
        let nonce = flight.draft.nonce;
        info!(
            side = %self.chain.side, transfer = %flight.transfer, work = flight.work.name(), nonce,
            tx = %flight.newest().hash, "sending"
        );
        let tracked = Tracked {
            flight,
            sent: None,
            offered: Instant::now(),
            released: false,
            doubts: 0,
            outbid: false,
            orphaned: false,
        };
        self.flights.insert(nonce, tracked);
        self.release(nonce).await
    }

    /// Sends the newest version of a flight. A report comes back when it is dropped.
    async fn release(&mut self, nonce: u64) -> Option<Report> {
        let tracked = self.flights.get_mut(&nonce)?;
        let answer = send(&self.chain.provider, tracked.flight.newest()).await;
        tracked.sent = Some(Instant::now());
        let trouble = match answer {
            Sent::Pooled | Sent::NonceUsed => {
                tracked.released = true;
                return None;
            }
            Sent::Underpriced => {
                tracked.released = true;
                tracked.outbid = true;
                return None;
            }
            Sent::Unknown(reason) => {
                tracked.released = true;
                warn!(side = %self.chain.side, nonce, %reason, "the node did not say whether it took a transaction");
                return None;
            }
            Sent::InsufficientFunds => {
                format!("{} has not enough coins on the {} chain", self.key.address(), self.chain.side)
            }
            Sent::NotPermitted(reason) | Sent::Refused(reason) => reason,
        };
        warn!(side = %self.chain.side, nonce, %trouble, "a transaction is refused");
        if tracked.released {
            return None;
        }
        let tracked = self.flights.remove(&nonce)?;
        Some(Report {
            transfer: tracked.flight.transfer,
            nonce,
            event: Some(Event::Failed { nonce }),
            flight: None,
            trouble: Some(trouble),
        })
    }

    /// Looks after everything on its way and says what changed. The caller journals each report.
    pub(crate) async fn tend(&mut self, view: &View) -> Result<Vec<Report>, SubmitError> {
        if self.flights.is_empty() {
            return Ok(Vec::new());
        }
        let used = self.chain.provider.get_transaction_count(self.key.address()).latest().await?;
        let mut reports = Vec::new();
        let nonces: Vec<u64> = self.flights.keys().copied().collect();
        for nonce in nonces {
            let Some(tracked) = self.flights.get(&nonce) else { continue };
            let found = if nonce < used || tracked.flight.mined.is_some() {
                find_receipt(&self.chain, &tracked.flight).await?
            } else {
                None
            };
            match (tracked.flight.mined, found) {
                (before, Some(now)) => reports.extend(self.in_block(nonce, before, now, view).await?),
                (Some(_), None) => reports.extend(self.out_of_block(nonce)),
                (None, None) if nonce < used => reports.extend(self.doubt(nonce)),
                (None, None) => reports.extend(self.push(nonce, nonce == used).await?),
            }
        }
        Ok(reports)
    }

    /// It is in a block: for the first time, in another one, or for good.
    async fn in_block(
        &mut self,
        nonce: u64,
        before: Option<Mined>,
        now: Mined,
        view: &View,
    ) -> Result<Option<Report>, ChainError> {
        let Some(tracked) = self.flights.get_mut(&nonce) else { return Ok(None) };
        tracked.doubts = 0;
        let transfer = tracked.flight.transfer;
        if before != Some(now) {
            tracked.flight.mined = Some(now);
            debug!(side = %self.chain.side, nonce, tx = %now.tx, block = now.block.number, "mined");
            let event = Some(Event::Mined { nonce, tx: now.tx, block: now.block });
            return Ok(Some(Report { transfer, nonce, event, flight: Some(tracked.flight.clone()), trouble: None }));
        }
        if now.block.number > view.last_final.number {
            return Ok(None);
        }
        // The receipt is asked for again by hash above; the block at its height must still be the one it names.
        if self.chain.block(now.block.number).await? != Some(now.block) {
            return Ok(None);
        }
        self.flights.remove(&nonce);
        let (event, trouble) = if now.success {
            (Some(Event::Confirmed { nonce }), None)
        } else {
            (Some(Event::Failed { nonce }), Some(format!("transaction {} reverted", now.tx)))
        };
        Ok(Some(Report { transfer, nonce, event, flight: None, trouble }))
    }

    /// A reorganisation took its block.
    fn out_of_block(&mut self, nonce: u64) -> Option<Report> {
        let tracked = self.flights.get_mut(&nonce)?;
        tracked.doubts += 1;
        if tracked.doubts < DOUBTS {
            return None;
        }
        tracked.doubts = 0;
        tracked.flight.mined = None;
        tracked.sent = None;
        tracked.orphaned = true;
        warn!(side = %self.chain.side, nonce, "the block of a transaction is gone");
        let flight = tracked.flight.clone();
        Some(Report {
            transfer: flight.transfer,
            nonce,
            event: Some(Event::Orphaned { nonce }),
            flight: Some(flight),
            trouble: None,
        })
    }

    /// Its nonce is used, and not by a version we know of.
    fn doubt(&mut self, nonce: u64) -> Option<Report> {
        let tracked = self.flights.get_mut(&nonce)?;
        tracked.doubts += 1;
        if tracked.doubts < DOUBTS {
            return None;
        }
        warn!(side = %self.chain.side, nonce, "the nonce of a transaction was used by another one; is the key in use elsewhere?");
        let tracked = self.flights.remove(&nonce)?;
        Some(Report {
            transfer: tracked.flight.transfer,
            nonce,
            event: Some(Event::Failed { nonce }),
            flight: None,
            trouble: Some("the nonce was used by another transaction".to_owned()),
        })
    }

    /// It waits: send it again, and offer more if it has waited long and is the next in line.
    async fn push(&mut self, nonce: u64, next_in_line: bool) -> Result<Option<Report>, SubmitError> {
        let Some(tracked) = self.flights.get_mut(&nonce) else { return Ok(None) };
        tracked.doubts = 0;
        if std::mem::take(&mut tracked.orphaned) {
            // Journalled by the caller; sent at the next look.
            return Ok(Some(submitted(&tracked.flight)));
        }
        let stuck = next_in_line && tracked.sent.is_some() && tracked.offered.elapsed() >= self.replace_after;
        if stuck || tracked.outbid {
            let last = tracked.flight.newest().fees;
            let raised = last.raised(Fees::estimate(&self.chain.provider).await?).capped(self.max_fee);
            tracked.outbid = false;
            tracked.offered = Instant::now();
            if raised != last {
                info!(side = %self.chain.side, nonce, ?raised, "offering more");
                let version = self.key.sign(&tracked.flight.draft, raised)?;
                tracked.flight.versions.push(version);
                tracked.sent = None;
                // Journalled by the caller; sent at the next look.
                return Ok(Some(Report { event: None, ..submitted(&tracked.flight) }));
            }
        }
        if tracked.sent.is_none_or(|sent| sent.elapsed() >= RESEND_AFTER) {
            return Ok(self.release(nonce).await);
        }
        Ok(None)
    }
}

impl Flight {
    /// The version that offers most.
    pub fn newest(&self) -> &SignedTx {
        self.versions.last().expect("a flight is made with its first version")
    }
}

/// It is about to be sent again.
fn submitted(flight: &Flight) -> Report {
    let nonce = flight.draft.nonce;
    Report {
        transfer: flight.transfer,
        nonce,
        event: Some(Event::Submitted { work: flight.work, nonce }),
        flight: Some(flight.clone()),
        trouble: None,
    }
}

/// The block one of the versions is in.
async fn find_receipt(chain: &Chain, flight: &Flight) -> Result<Option<Mined>, ChainError> {
    for version in flight.versions.iter().rev() {
        let Some(receipt) = chain.provider.get_transaction_receipt(version.hash).await? else { continue };
        if let (Some(number), Some(hash)) = (receipt.block_number, receipt.block_hash) {
            let block = BlockRef { number, hash };
            return Ok(Some(Mined { tx: version.hash, block, success: receipt.status() }));
        }
    }
    Ok(None)
}
