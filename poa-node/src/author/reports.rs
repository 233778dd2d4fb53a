//! Reports of misbehaving authorities to a validator contract (aura.md §1.8, §2.7): ordinary transactions of the engine
//! signer, and after `posdaoTransition` a queue of malice that is told again until the contract has heard it.

use std::{collections::VecDeque, sync::Arc};

use alloy::primitives::{Address, B256};
use aurum_aura::Offence;
use aurum_chain::{Authoring, BlockEnv, Chain, Fault};
use aurum_evm::{EvmError, calls};
use aurum_pool::{Origin, PoolError};
use aurum_types::BlockNumber;

use super::engine_txs::{Price, Sender};

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

    /// Sends new reports through the pool, as local transactions; malice from `posdaoTransition` on is queued as well.
    /// Only an authority of the head reports, and is reported.
    pub(super) fn send(
        &mut self,
        chain: &Chain,
        sender: &Sender<'_>,
        reports: impl IntoIterator<Item = Report>,
    ) -> Result<(), Fault> {
        for report in reports {
            let parent = chain.authoring()?;
            let Report { accused, block, offence, .. } = report;
            let validators = parent.engine().child_validators();
            if !validators.contains(accused) || !validators.contains(sender.address()) {
                tracing::debug!(%accused, block, ?offence, "not reported: it, or we, are no validator");
                continue;
            }
            let posdao = chain.spec().engine.posdao_transition;
            let price = match posdao {
                Some(from) if parent.parent().number >= from => Price::Zero,
                _ => Price::Usual,
            };
            let pooled = pool(chain, sender, &parent, &report, price);
            if offence == Offence::Malicious && posdao.is_some_and(|from| block >= from) {
                self.push(report, pooled.as_ref().ok().copied());
            }
            match pooled {
                Ok(_) => tracing::warn!(%accused, block, ?offence, "reported a validator"),
                Err(error) => tracing::warn!(%accused, block, ?offence, %error, "a validator could not be reported"),
            }
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
            match pool(chain, sender, &parent, &queued.report, Price::Zero) {
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

fn pool(
    chain: &Chain,
    sender: &Sender<'_>,
    parent: &Authoring,
    report: &Report,
    price: Price,
) -> Result<B256, NotPooled> {
    let price = match price {
        Price::Zero => 0,
        Price::Usual => chain.view().gas_price()?,
    };
    let nonce = sender.nonce(parent)?.max(chain.pool().next_nonce(sender.address()).unwrap_or(0));
    let tx = sender.sign(parent, nonce, price, report.contract, report.call_data())?;
    Ok(chain.pool().add(tx, Origin::Local)?.hash)
}
