//! A reader's place on the canonical chain. Filters that poll and subscriptions that push both read on from one, so that
//! neither misses a block nor needs to have listened.

use alloy::{
    eips::BlockId,
    primitives::B256,
    rpc::types::{Filter, Log},
};
use aurum_chain::{BlockRef, ReadError, View, view::MAX_LOG_BLOCKS};

use crate::{cancel, error::Answer, json::receipt_logs};

/// Most blocks one step goes forward; the next step goes on.
const STRIDE: u64 = 10_000;

/// The last block this reader was told about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    at: BlockRef,
}

/// From one place to a later one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Step {
    /// Blocks the reader knows that are no longer canonical, newest first.
    pub(crate) retracted: Vec<B256>,
    /// Canonical blocks it does not know yet, ascending.
    pub(crate) enacted: Vec<BlockRef>,
}

impl Cursor {
    /// At the head: only later blocks are news.
    pub(crate) fn at_head(view: &View) -> Self {
        Self { at: view.head().latest }
    }

    /// The way to the head, and moves there.
    pub(crate) fn advance(&mut self, view: &View) -> Answer<Step> {
        let (step, to) = self.step(view)?;
        self.at = to;
        Ok(step)
    }

    /// News as logs, retracted ones first and marked, and moves on; stops early where an answer would be too large.
    pub(crate) fn logs(&mut self, view: &View, filter: &Filter) -> Answer<Vec<Log>> {
        let (step, to) = self.step(view)?;
        let mut logs = Vec::new();
        for hash in &step.retracted {
            logs.extend(removed_logs(view, *hash, filter)?);
        }
        let (Some(first), Some(last)) = (step.enacted.first(), step.enacted.last()) else {
            self.at = to;
            return Ok(logs);
        };
        // Of a subscription there is none: it is nobody's request.
        let cancel = cancel::current().unwrap_or_default();
        let of = |from: u64, to: u64| {
            view.logs_within(&filter.clone().from_block(from).to_block(to), MAX_LOG_BLOCKS, &cancel)
        };
        match of(first.number, last.number) {
            Ok(found) => {
                logs.extend(found);
                self.at = to;
            }
            Err(ReadError::TooManyResults { reached, .. }) => {
                logs.extend(of(first.number, reached)?);
                self.at = step.enacted.iter().rfind(|block| block.number <= reached).copied().unwrap_or(self.at);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(logs)
    }

    fn step(&self, view: &View) -> Answer<(Step, BlockRef)> {
        let mut step = Step::default();
        let mut at = self.at;
        while canonical(view, at.number)? != Some(at.hash) {
            step.retracted.push(at.hash);
            // A block that is not kept any more: start anew from its height.
            let parent = view.header(BlockId::from(at.hash))?.map(|(_, header)| header.parent_hash);
            match (parent, at.number.checked_sub(1)) {
                (Some(hash), Some(number)) => at = BlockRef { number, hash },
                _ => break,
            }
        }
        let head = view.head().latest.number.min(at.number.saturating_add(STRIDE));
        for number in at.number + 1..=head {
            let Some(hash) = canonical(view, number)? else { break };
            step.enacted.push(BlockRef { number, hash });
        }
        let to = step.enacted.last().copied().unwrap_or(at);
        Ok((step, to))
    }
}

fn canonical(view: &View, number: u64) -> Answer<Option<B256>> {
    Ok(view.resolve(number.into())?.map(|block| block.hash))
}

/// Logs of a block that left the chain, newest first; none where the block is not kept any more.
fn removed_logs(view: &View, hash: B256, filter: &Filter) -> Answer<Vec<Log>> {
    let Some(block) = view.block(hash.into())? else { return Ok(Vec::new()) };
    let mut logs: Vec<_> = block
        .receipt_views()
        .flat_map(|receipt| receipt_logs(&receipt))
        .filter(|log| filter.matches(&log.inner))
        .map(|log| Log { removed: true, ..log })
        .collect();
    logs.reverse();
    Ok(logs)
}
