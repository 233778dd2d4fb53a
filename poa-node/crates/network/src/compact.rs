//! Blocks announced without the transactions that everybody has from gossip.
//!
//! The announcement carries the header and every transaction's whole hash, so that nothing can be confused and whoever
//! contradicts itself is found out: a header that is not the block's, or hashes that do not give its transactions root.

use alloy::{
    eips::eip2718::Encodable2718,
    primitives::{B256, Bytes, keccak256},
};
use aurum_pool::Pool;
use aurum_types::{Block, EMPTY_UNCLES_HASH, Header, HeaderFormat, SealedBlock, Transaction, decode_transaction};
use libp2p::PeerId;

use crate::{
    Head,
    message::{Announcement, MAX_COMPACT, MAX_MISSING, Message as _, SyncRequest, Transactions},
    metrics::Metrics,
    switch::Asker,
};

/// The form in which a block is told: whole up to `whole` encoded bytes; else by hashes; else, with uncles or too many
/// transactions, by its own hash.
pub(crate) fn announcement(head: Head, block: &SealedBlock, whole: usize) -> Announcement {
    let Block { header, transactions, uncles } = block.block();
    let length: usize = transactions.iter().map(Encodable2718::encode_2718_len).sum();
    if length <= whole {
        let encoded = block.block().encode();
        if encoded.len() <= whole {
            return Announcement { head, block: encoded, transactions: Vec::new() };
        }
    }
    if !uncles.is_empty() || transactions.is_empty() || transactions.len() > MAX_COMPACT {
        return Announcement::of_head(head);
    }
    let hashes = transactions.iter().map(|tx| *tx.tx_hash()).collect();
    Announcement { head, block: alloy_rlp::encode(header).into(), transactions: hashes }
}

/// A block whose header is known, and its transactions by hash. It has no uncles.
#[derive(Debug)]
pub(crate) struct Compact {
    header: Header,
    hash: B256,
    transactions: Vec<B256>,
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum Rebuilt {
    /// The block; its body is the header's.
    Block(Box<SealedBlock>),
    /// Too much is missing, or was not given: the block is to be fetched.
    Lacking,
    /// The peer contradicts itself.
    Lie(&'static str),
}

impl Compact {
    /// Takes what was announced under `head`; `None` where the header is another's or the block has uncles.
    pub(crate) fn decode(
        head: Head,
        mut header: &[u8],
        transactions: Vec<B256>,
        format: &HeaderFormat,
    ) -> Option<Self> {
        let header = Header::decode(&mut header, format).ok().filter(|_| header.is_empty())?;
        let hash = header.hash_slow();
        let is_it = hash == head.hash && header.number == head.number && header.uncles_hash == EMPTY_UNCLES_HASH;
        is_it.then_some(Self { header, hash, transactions })
    }

    /// Puts the block together from the pool and, asked for with one question, from the peer.
    pub(crate) async fn rebuild(self, pool: &Pool, asker: &Asker, peer: PeerId, metrics: &Metrics) -> Rebuilt {
        let pool = pool.clone();
        let look_up = move || {
            let pooled = pool.get_many(&self.transactions);
            let found: Vec<Option<Transaction>> =
                pooled.into_iter().map(|pooled| Some(pooled?.transaction().inner().clone())).collect();
            (self, found)
        };
        let Ok((this, mut found)) = tokio::task::spawn_blocking(look_up).await else { return Rebuilt::Lacking };
        let missing: Vec<usize> = (0..found.len()).filter(|place| found[*place].is_none()).collect();
        if missing.len() > MAX_MISSING {
            return Rebuilt::Lacking;
        }
        if !missing.is_empty() {
            let places = missing.iter().map(|place| *place as u64).collect();
            let Some(answer) = asker.ask(peer, &SyncRequest::Transactions { block: this.hash, places }).await else {
                return Rebuilt::Lacking;
            };
            let Ok(Transactions { transactions }) = Transactions::from_bytes(&answer) else {
                return Rebuilt::Lie("answer is no list of transactions");
            };
            if transactions.len() != missing.len() {
                return Rebuilt::Lacking;
            }
            metrics.transactions_fetched.add(missing.len() as u64);
            for (place, bytes) in missing.into_iter().zip(&transactions) {
                found[place] = this.decode_missing(place, bytes);
                if found[place].is_none() {
                    return Rebuilt::Lie("answer is another transaction than asked for");
                }
            }
        }
        tokio::task::spawn_blocking(move || this.close(found)).await.unwrap_or(Rebuilt::Lacking)
    }

    fn decode_missing(&self, place: usize, bytes: &Bytes) -> Option<Transaction> {
        let is_it = self.transactions.get(place) == Some(&keccak256(bytes));
        is_it.then(|| decode_transaction(bytes).ok()).flatten()
    }

    fn close(self, found: Vec<Option<Transaction>>) -> Rebuilt {
        let Some(transactions) = found.into_iter().collect::<Option<Vec<_>>>() else { return Rebuilt::Lacking };
        let block = SealedBlock::seal_slow(Block { header: self.header, transactions, uncles: Vec::new() });
        if block.transactions_root() != block.header().transactions_root {
            return Rebuilt::Lie("announced hashes of transactions that are not the header's");
        }
        Rebuilt::Block(Box::new(block))
    }
}
