//! Sends one side's transactions and waits until all are mined.

use std::time::Duration;

use alloy::providers::{DynProvider, Provider};
use aurum_contracts::Side;
use tokio::{sync::Mutex, time::Instant};

use super::{
    DeployError, Progress,
    plan::{Step, Track},
};
use crate::{
    chain::BlockRef,
    fees::Fees,
    send::{Sent, send},
    sign::Key,
};

/// How often receipts are asked for.
const POLL: Duration = Duration::from_millis(250);
/// After that long without a receipt a transaction is offered for more.
const STUCK_AFTER: Duration = Duration::from_secs(60);
/// After that long the command gives up; it can be run again.
const PATIENCE: Duration = Duration::from_secs(900);
/// How often a nonce may be seen used without one of our receipts: indexes of receipts lag behind the state.
const DOUBTS: u32 = 40;

impl Track {
    /// Block that holds step `index`, 0 before it is mined.
    pub(super) fn mined_at(&self, index: usize) -> u64 {
        self.steps.get(index).and_then(|step| step.mined).map_or(0, |block| block.number)
    }
}

/// Runs `side`'s track to its end. All transactions are sent at once, in order of nonce; the pool holds them.
pub(super) async fn run(
    side: Side,
    provider: &DynProvider,
    key: &Key,
    progress: &Mutex<Progress>,
    say: &(impl Fn(&str) + Sync),
) -> Result<(), DeployError> {
    let count = progress.lock().await.plan.tracks.get(side).steps.len();
    offer(side, provider, key, progress, false).await?;
    let started = Instant::now();
    let mut offered = started;
    let mut doubts = 0;
    loop {
        let mut open = None;
        for index in 0..count {
            let step = progress.lock().await.plan.tracks.get(side).steps[index].clone();
            if step.mined.is_some() {
                continue;
            }
            match receipt(side, provider, &step).await? {
                Some(block) => {
                    let mut progress = progress.lock().await;
                    progress.plan.tracks.get_mut(side).steps[index].mined = Some(block);
                    progress.save()?;
                    say(&format!("{side}: {} ({}/{count})", step.name, index + 1));
                }
                None => {
                    open = Some(step);
                    break;
                }
            }
        }
        let Some(open) = open else { return Ok(()) };
        let used = provider.get_transaction_count(key.address()).latest().await?;
        if used > open.draft.nonce {
            doubts += 1;
            if doubts > DOUBTS {
                return Err(DeployError::NonceUsed { side, nonce: open.draft.nonce, step: open.name });
            }
        } else {
            doubts = 0;
        }
        if started.elapsed() > PATIENCE {
            return Err(DeployError::NotMined { side, step: open.name });
        }
        if offered.elapsed() > STUCK_AFTER {
            offer(side, provider, key, progress, true).await?;
            offered = Instant::now();
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Signs (with more than before if `raise`), saves, and sends everything that is not mined.
async fn offer(
    side: Side,
    provider: &DynProvider,
    key: &Key,
    progress: &Mutex<Progress>,
    raise: bool,
) -> Result<(), DeployError> {
    let now = Fees::estimate(provider).await?;
    let count = progress.lock().await.plan.tracks.get(side).steps.len();
    for index in 0..count {
        let (name, tx) = {
            let mut progress = progress.lock().await;
            let step = &mut progress.plan.tracks.get_mut(side).steps[index];
            if step.mined.is_some() {
                continue;
            }
            let fees = match step.signed.last() {
                Some(last) if raise => Some(last.fees.raised(now)),
                Some(_) => None,
                None => Some(now),
            };
            if let Some(fees) = fees {
                let tx = key.sign(&step.draft, fees)?;
                if !step.signed.contains(&tx) {
                    step.signed.push(tx);
                }
            }
            let step = step.clone();
            progress.save()?;
            let Some(tx) = step.signed.last().cloned() else { continue };
            (step.name, tx)
        };
        match send(provider, &tx).await {
            // Used: it is mined, as the receipts will tell. Underpriced: an earlier version waits in the pool.
            // Unknown: sent again later.
            Sent::Pooled | Sent::NonceUsed | Sent::Underpriced | Sent::Unknown(_) => {}
            Sent::InsufficientFunds => {
                return Err(DeployError::NoFunds { side, deployer: key.address(), step: name });
            }
            Sent::NotPermitted(reason) | Sent::Refused(reason) => {
                return Err(DeployError::Refused { side, step: name, reason });
            }
        }
    }
    Ok(())
}

/// The block one of the versions of `step` is in.
async fn receipt(side: Side, provider: &DynProvider, step: &Step) -> Result<Option<BlockRef>, DeployError> {
    for tx in step.signed.iter().rev() {
        let Some(receipt) = provider.get_transaction_receipt(tx.hash).await? else { continue };
        if !receipt.status() {
            return Err(DeployError::Failed { side, step: step.name.clone(), tx: tx.hash });
        }
        if let (Some(number), Some(hash)) = (receipt.block_number, receipt.block_hash) {
            return Ok(Some(BlockRef { number, hash }));
        }
    }
    Ok(None)
}
