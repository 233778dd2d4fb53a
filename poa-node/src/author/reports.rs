//! Reports of misbehaving authorities to a validator contract (aura.md §1.8, §2.7): ordinary transactions of the engine
//! signer, and after `posdaoTransition` a queue of malice that is told again until the contract has heard it.

use std::{collections::VecDeque, sync::Arc};

use alloy::{
    consensus::Transaction as _,
    eips::eip2718::{Decodable2718 as _, Encodable2718 as _},
    primitives::{Address, B256},
};
use aurum_aura::Offence;
use aurum_chain::{Authoring, BlockEnv, Chain, Fault};
use aurum_evm::{EvmError, calls};
use aurum_pool::{Origin, PoolError};
use aurum_types::{BlockNumber, Recovered, Transaction};

use super::{
    Lookout,
    engine_txs::{Price, Sender},
    report_book::Progress,
};

/// Most reports of malice in the queue (OpenEthereum `MAX_QUEUED_REPORTS`).
const MOST_QUEUED: usize = 10;
/// Most of them in one block of ours (`MAX_REPORTS_PER_BLOCK`).
const MOST_IN_BLOCK: usize = 10;
/// Blocks that pass between two rounds of sending them (`REPORTS_SKIP_BLOCKS`).
const SKIPPED_BLOCKS: BlockNumber = 1;

/// Who did what, and whom to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) contract: Address,
    pub(super) accused: Address,
    /// The block in which it was done, or because of which it was found.
    pub(super) block: BlockNumber,
    pub(super) offence: Offence,
}

impl Report {
    pub(super) fn call_data(&self) -> alloy::primitives::Bytes {
        match self.offence {
            Offence::Benign => calls::report_benign(self.accused, self.block),
            Offence::Malicious => calls::report_malicious(self.accused, self.block),
        }
    }
}

/// Malice that POSDAO's contract has not heard of yet.
#[derive(Debug, Default)]
pub(super) struct ReportQueue {
    queued: VecDeque<Queued>,
    /// The head at which all were sent last.
    sent_at: BlockNumber,
    /// Whether it knows what the last process left.
    recalled: bool,
}

#[derive(Clone, Copy, Debug)]
struct Queued {
    report: Report,
    /// Its transaction that was pooled last.
    pooled: Option<B256>,
}

impl ReportQueue {
    fn push(&mut self, report: Report, pooled: Option<B256>) {
        if !self.queued.iter().any(|queued| queued.report == report) {
            self.queued.push_back(Queued { report, pooled });
        }
    }

    /// Drops what the contract does not want to hear (any more) after `parent`, and what is too much (OpenEthereum
    /// `ReportQueue::filter` and `truncate`).
    fn filter(&mut self, me: Address, parent: &Authoring) -> Result<(), EvmError> {
        let mut kept = VecDeque::with_capacity(self.queued.len());
        for queued in &self.queued {
            let Report { contract, accused, block, .. } = queued.report;
            let (state, env) = (Arc::clone(parent.state()), BlockEnv::of(parent.parent()));
            if parent.evm().should_report(state, &env, contract, me, &[(accused, block)])? == [true] {
                kept.push_back(*queued);
            }
        }
        if kept.len() > MOST_QUEUED {
            tracing::warn!(
                dropped = kept.len() - MOST_QUEUED,
                "too many reports of malice wait: the latest are dropped"
            );
            kept.truncate(MOST_QUEUED);
        }
        self.queued = kept;
        Ok(())
    }

    /// What a block of ours on `parent` tells `contract`.
    pub(super) fn for_block(
        &mut self,
        me: Address,
        parent: &Authoring,
        contract: Address,
    ) -> Result<Vec<Report>, EvmError> {
        self.filter(me, parent)?;
        let reports = self.queued.iter().map(|queued| queued.report);
        Ok(reports.filter(|report| report.contract == contract).take(MOST_IN_BLOCK).collect())
    }

    pub(super) const fn is_recalled(&self) -> bool {
        self.recalled
    }

    /// Takes up what the last process left in the book: malice that POSDAO's contract may not have heard is queued, and
    /// transactions that were signed and are not on the chain are offered again. Those whose nonce another one has used
    /// wait once more.
    pub(super) fn recall(&mut self, chain: &Chain, sender: &Sender<'_>, lookout: &Lookout) -> Result<(), Fault> {
        self.recalled = true;
        let head = chain.authoring()?;
        let kept: Vec<_> = lookout.reports().entries().cloned().collect();
        for (report, progress) in kept {
            let signed = match &progress {
                Progress::Signed(bytes) => decode(bytes).ok(),
                Progress::Waiting | Progress::Done => None,
            };
            if progress != Progress::Waiting && is_queued(chain, &report) {
                self.push(report, signed.as_ref().map(|tx| *tx.tx_hash()));
            }
            let Some(transaction) = signed else { continue };
            let hash = *transaction.tx_hash();
            if chain.view().transaction(hash).is_ok_and(|found| found.is_some_and(|found| found.place.is_some())) {
                lookout.reports().set(&report, Progress::Done);
            } else if sender.nonce(&head).is_ok_and(|next| transaction.nonce() < next) {
                lookout.reports().set(&report, Progress::Waiting);
            } else if chain.pool().get(hash).is_none() {
                let transaction = Recovered::new_unchecked(transaction, sender.address());
                log(&report, chain.pool().add(transaction, Origin::Local).map(drop).map_err(NotPooled::from));
            }
        }
        Ok(())
    }

    /// Sends reports that wait through the pool, as local transactions; malice from `posdaoTransition` on is queued as well.
    /// Only an authority of the head reports, and is reported.
    pub(super) fn send(&mut self, chain: &Chain, sender: &Sender<'_>, lookout: &Lookout) -> Result<(), Fault> {
        let is_waiting = |(_, progress): &&(Report, Progress)| *progress == Progress::Waiting;
        let waiting: Vec<_> = lookout.reports().entries().filter(is_waiting).map(|(report, _)| *report).collect();
        for report in waiting {
            let parent = chain.authoring()?;
            let Report { accused, block, offence, .. } = report;
            let validators = parent.engine().child_validators();
            if !validators.contains(accused) || !validators.contains(sender.address()) {
                tracing::debug!(%accused, block, ?offence, "not reported: it, or we, are no validator");
                lookout.reports().set(&report, Progress::Done);
                continue;
            }
            let posdao = chain.spec().engine.posdao_transition;
            let price = match posdao {
                Some(from) if parent.parent().number >= from => Price::Zero,
                _ => Price::Usual,
            };
            let signed = sign(chain, sender, &parent, &report, price);
            let pooled = match signed {
                Ok(transaction) => {
                    let hash = *transaction.tx_hash();
                    lookout.reports().set(&report, Progress::Signed(transaction.encoded_2718().into()));
                    chain.pool().add(transaction, Origin::Local).map(|_| hash).map_err(NotPooled::from)
                }
                Err(error) => Err(error),
            };
            if is_queued(chain, &report) {
                self.push(report, pooled.as_ref().ok().copied());
            }
            if pooled.is_err() {
                lookout.reports().set(&report, Progress::Done);
            }
            log(&report, pooled.map(drop));
        }
        Ok(())
    }

    /// Sends what waits in the queue again, at most at every second head (OpenEthereum
    /// `ValidatorSafeContract::on_close_block`).
    pub(super) fn send_again(&mut self, chain: &Chain, sender: &Sender<'_>) -> Result<(), SendError> {
        if self.queued.is_empty() {
            return Ok(());
        }
        let parent = chain.authoring()?;
        let number = parent.parent().number;
        if number <= self.sent_at.saturating_add(SKIPPED_BLOCKS) {
            return Ok(());
        }
        self.filter(sender.address(), &parent)?;
        self.sent_at = number;
        for queued in &mut self.queued {
            if queued.pooled.is_some_and(|hash| chain.pool().get(hash).is_some()) {
                continue;
            }
            let signed = sign(chain, sender, &parent, &queued.report, Price::Zero);
            let pooled = signed.and_then(|transaction| Ok(chain.pool().add(transaction, Origin::Local)?.hash));
            match pooled {
                Ok(hash) => queued.pooled = Some(hash),
                Err(error) => {
                    let Report { accused, block, .. } = queued.report;
                    tracing::warn!(%accused, block, %error, "a validator could not be reported again");
                }
            }
        }
        Ok(())
    }
}

/// Why reports are not sent again.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error(transparent)]
    Evm(#[from] EvmError),
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why one report is not in the pool.
#[derive(Debug, thiserror::Error)]
enum NotPooled {
    #[error(transparent)]
    Signer(#[from] aurum_aura::SignerError),
    #[error(transparent)]
    State(#[from] aurum_types::StateError),
    #[error(transparent)]
    Price(#[from] aurum_chain::ReadError),
    #[error(transparent)]
    Pool(#[from] PoolError),
}

/// Whether a report is told again until the contract has heard it.
fn is_queued(chain: &Chain, report: &Report) -> bool {
    report.offence == Offence::Malicious
        && chain.spec().engine.posdao_transition.is_some_and(|from| report.block >= from)
}

fn log(report: &Report, pooled: Result<(), NotPooled>) {
    let Report { accused, block, offence, .. } = report;
    match pooled {
        Ok(()) => tracing::warn!(%accused, block, ?offence, "reported a validator"),
        Err(error) => tracing::warn!(%accused, block, ?offence, %error, "a validator could not be reported"),
    }
}

fn decode(bytes: &[u8]) -> Result<Transaction, alloy::eips::eip2718::Eip2718Error> {
    Transaction::decode_2718_exact(bytes)
}

/// The transaction of a report, fit for the block after `parent`.
fn sign(
    chain: &Chain,
    sender: &Sender<'_>,
    parent: &Authoring,
    report: &Report,
    price: Price,
) -> Result<Recovered<Transaction>, NotPooled> {
    let price = match price {
        Price::Zero => 0,
        Price::Usual => chain.view().gas_price()?,
    };
    let nonce = sender.nonce(parent)?.max(chain.pool().next_nonce(sender.address()).unwrap_or(0));
    Ok(sender.sign(parent, nonce, price, report.contract, report.call_data())?)
}
