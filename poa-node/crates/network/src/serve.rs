//! Answers to peers' questions about our chain, on a blocking thread.

use alloy::{eips::eip2718::Encodable2718, primitives::B256};
use aurum_types::{Block, HeaderFormat};

use crate::{
    BlockSource,
    message::{
        Blocks, Hashes, MAX_BLOCKS, MAX_BLOCKS_BYTES, MAX_PROOFS, Message as _, Proofs, SNAPSHOT_PART, SnapshotPart,
        Snapshots, SyncRequest, Transactions,
    },
};

/// Reads the answer. Bounded in count and bytes whatever is asked.
pub(crate) fn answer(source: &dyn BlockSource, request: &SyncRequest, format: &HeaderFormat) -> Vec<u8> {
    match request {
        SyncRequest::Hashes(numbers) => {
            let hashes = numbers.iter().map(|number| source.hash_at(*number).unwrap_or(B256::ZERO)).collect();
            Hashes { hashes }.to_bytes()
        }
        SyncRequest::Blocks { first, count } => {
            let mut blocks = Vec::new();
            let mut bytes = 0;
            for number in (*first..).take(usize::try_from((*count).min(MAX_BLOCKS)).expect("a small number")) {
                let Some(block) = source.hash_at(number).and_then(|hash| source.block(hash)) else { break };
                bytes += block.len();
                if bytes > MAX_BLOCKS_BYTES && !blocks.is_empty() {
                    break;
                }
                blocks.push(block);
            }
            Blocks { blocks }.to_bytes()
        }
        SyncRequest::Proofs(above) => {
            let mut proofs = source.proofs_above(*above);
            proofs.truncate(MAX_PROOFS);
            Proofs { proofs }.to_bytes()
        }
        SyncRequest::Transactions { block, places } => {
            let block = source.block(*block).and_then(|bytes| Block::decode(&bytes, format).ok());
            let found = block.and_then(|block| {
                let at = |place: &u64| block.transactions.get(usize::try_from(*place).ok()?);
                places.iter().map(|place| at(place).map(|tx| tx.encoded_2718().into())).collect::<Option<Vec<_>>>()
            });
            Transactions { transactions: found.unwrap_or_default() }.to_bytes()
        }
        SyncRequest::Snapshot => Snapshots { offers: source.snapshot().into_iter().collect() }.to_bytes(),
        SyncRequest::SnapshotPart { digest, offset } => {
            let mut bytes = source.snapshot_part(*digest, *offset, SNAPSHOT_PART);
            bytes.truncate(usize::try_from(SNAPSHOT_PART).unwrap_or(usize::MAX));
            SnapshotPart { bytes }.to_bytes()
        }
        SyncRequest::Block(hash) => Blocks { blocks: source.block(*hash).into_iter().collect() }.to_bytes(),
    }
}
