//! Where the chain stands, and how it moved.

use std::sync::Arc;

use alloy::{primitives::B256, rpc::types::Filter};
use aurum_types::{BlockNumber, CommittedBlock};

use crate::view::{LogView, block_logs};

/// A block by number and hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct BlockRef {
    /// Height.
    pub number: BlockNumber,
    /// Hash.
    pub hash: B256,
}

/// The blocks behind the tags of JSON-RPC. `finalized` ≤ `safe` ≤ `latest`, all on one branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Highest score; durable before it stands here.
    pub latest: BlockRef,
    /// Rolling finality (aura.md §1.10) of the head's branch. On a chain with finality certificates it can move back until
    /// the block is [`Self::finalized`]; on one without, the two are the same.
    pub safe: BlockRef,
    /// The newest block with a certificate, or with a certified descendant; on a chain without certificates, rolling
    /// finality. With one authority every block is final at once. It never moves back.
    pub finalized: BlockRef,
}

/// One step of the head, from the old branch to the new one.
#[derive(Clone, Debug)]
pub struct HeadChange {
    /// The head after the step.
    pub head: Head,
    /// Blocks that became canonical, ascending. Empty when only finality moved.
    pub enacted: Vec<Arc<CommittedBlock>>,
    /// Blocks that are no longer canonical, ascending. Their [`CommittedBlock::changes`] are empty when the block had
    /// been persisted already: bodies, senders and receipts are always there.
    pub retracted: Vec<Arc<CommittedBlock>>,
}

impl HeadChange {
    /// What a `logs` subscription reports for this step: logs of retracted blocks as `removed`, newest first, then the
    /// new ones in order. Block bounds in `filter` are not looked at.
    pub fn logs(&self, filter: &Filter) -> Vec<LogView> {
        let mut logs = Vec::new();
        for block in self.retracted.iter().rev() {
            let mut removed = block_logs(
                block.hash(),
                block.header(),
                &block.sealed().block().transactions,
                block.receipts(),
                filter,
            );
            removed.reverse();
            logs.extend(removed.into_iter().map(|log| LogView { removed: true, ..log }));
        }
        for block in &self.enacted {
            logs.extend(block_logs(
                block.hash(),
                block.header(),
                &block.sealed().block().transactions,
                block.receipts(),
                filter,
            ));
        }
        logs
    }
}
