//! Traces with their places, as Parity wrote them (OpenEthereum rpc/src/v1/types/trace.rs).

use alloy::primitives::{Address, B256, U256};
use alloy_rpc_types_trace::parity::{Action, LocalizedTransactionTrace, TraceOutput, TraceResults};
use aurum_chain::{BlockTraces, Reward, RewardKind, view::BlockView};
use serde::Serialize;

/// One entry of `trace_block` and `trace_filter`.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Entry {
    Frame(Box<LocalizedTransactionTrace>),
    Reward(RewardEntry),
}

/// Bytes of an entry in memory, besides what its transaction put into it and got out.
const ENTRY: usize = 512;

impl Entry {
    /// About how many bytes it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        let Self::Frame(frame) = self else { return ENTRY };
        let input = match &frame.trace.action {
            Action::Call(call) => call.input.len(),
            Action::Create(create) => create.init.len(),
            Action::Selfdestruct(_) | Action::Reward(_) => 0,
        };
        let output = match &frame.trace.result {
            Some(TraceOutput::Call(call)) => call.output.len(),
            Some(TraceOutput::Create(create)) => create.code.len(),
            None => 0,
        };
        ENTRY.saturating_add(input).saturating_add(output)
    }
}

/// Wei that the block brought into being.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RewardEntry {
    action: RewardAction,
    block_hash: B256,
    block_number: u64,
    result: (),
    subtraces: usize,
    trace_address: [usize; 0],
    transaction_hash: (),
    transaction_position: (),
    r#type: &'static str,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RewardAction {
    author: Address,
    reward_type: &'static str,
    value: U256,
}

impl RewardEntry {
    fn new(block: &BlockView, reward: &Reward) -> Self {
        let reward_type = match reward.kind {
            RewardKind::Block => "block",
            RewardKind::EmptyStep => "emptyStep",
            RewardKind::External => "external",
        };
        Self {
            action: RewardAction { author: reward.receiver, reward_type, value: reward.amount },
            block_hash: block.hash(),
            block_number: block.number(),
            result: (),
            subtraces: 0,
            trace_address: [],
            transaction_hash: (),
            transaction_position: (),
            r#type: "reward",
        }
    }

    /// Who was rewarded.
    pub(crate) const fn author(&self) -> Address {
        self.action.author
    }
}

/// The frames of the transaction at `index`, with their place.
pub(crate) fn frames(
    block: &BlockView,
    index: usize,
    results: TraceResults,
) -> impl Iterator<Item = LocalizedTransactionTrace> {
    let (block_hash, block_number) = (Some(block.hash()), Some(block.number()));
    let transaction_hash = block.transactions().get(index).map(|tx| *tx.tx_hash());
    let transaction_position = u64::try_from(index).ok();
    results.trace.into_iter().map(move |trace| LocalizedTransactionTrace {
        trace,
        block_hash,
        block_number,
        transaction_hash,
        transaction_position,
    })
}

/// Everything of a block: its transactions' frames, then its rewards.
pub(crate) fn entries(block: &BlockView, traces: BlockTraces) -> Vec<Entry> {
    let BlockTraces { transactions, rewards } = traces;
    let of_transactions = transactions.into_iter().enumerate();
    let mut entries: Vec<_> = of_transactions
        .flat_map(|(index, results)| frames(block, index, results).map(|frame| Entry::Frame(Box::new(frame))))
        .collect();
    entries.extend(rewards.iter().map(|reward| Entry::Reward(RewardEntry::new(block, reward))));
    entries
}
