//! Transactions whose senders are not known yet, as clients and peers send them.

use alloy::primitives::Address;
use aurum_types::{Recovered, Transaction, TransactionError, recover_sender};
use rayon::prelude::*;

use crate::{Added, Departure, Origin, Pool, PoolError};

/// Up to so many are recovered where they are: waking other threads takes as long.
const INLINE: usize = 8;

/// Why a signed transaction was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// It has no valid signature.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    /// The pool refuses it; the text is the one Ethereum clients match.
    #[error(transparent)]
    Pool(#[from] PoolError),
}

impl Pool {
    /// Recovers the senders that are not known, in parallel on the pool's threads (about 30 µs of CPU each), and takes the transactions
    /// in by [`Self::add_many`]. One answer to each, in their order. What waits already, and whatever comes to a full pool,
    /// is refused before it costs a recovery; of what left not long ago, the sender is known.
    ///
    /// Blocks; not for an async worker.
    pub fn add_signed(&self, txs: Vec<Transaction>, origin: Origin) -> Vec<Result<Added, SubmitError>> {
        let known = self.known(&txs, origin);
        let recover = |(tx, known): (Transaction, Known)| -> Result<Recovered<Transaction>, SubmitError> {
            let sender = match known {
                Known::Waits => return Err(PoolError::AlreadyKnown.into()),
                Known::NoRoom { transactions } => return Err(PoolError::Full { transactions }.into()),
                Known::Left(sender) => sender,
                Known::No => recover_sender(&tx)?,
            };
            Ok(Recovered::new_unchecked(tx, sender))
        };
        let new = known.iter().filter(|known| matches!(known, Known::No)).count();
        let recovered: Vec<_> = if new <= INLINE {
            txs.into_iter().zip(known).map(recover).collect()
        } else {
            let recover = || txs.into_par_iter().zip(known).with_min_len(INLINE / 2).map(recover).collect();
            self.0.threads.install(recover)
        };
        let mut refused = Vec::with_capacity(recovered.len());
        let mut taken = Vec::with_capacity(recovered.len());
        for result in recovered {
            match result {
                Ok(tx) => {
                    taken.push(tx);
                    refused.push(None);
                }
                Err(error) => refused.push(Some(error)),
            }
        }
        let mut added = self.add_many(taken, origin).into_iter();
        let mut next = || added.next().expect("one answer to each that was taken").map_err(SubmitError::from);
        refused.into_iter().map(|refused| refused.map_or_else(&mut next, Err)).collect()
    }

    /// What comes to a full pool is remembered as refused, as everything that is refused later.
    fn known(&self, txs: &[Transaction], origin: Origin) -> Vec<Known> {
        let mut lanes = self.0.lanes();
        let full = lanes.full_for_all(origin);
        let known = |tx: &Transaction| {
            let hash = tx.tx_hash();
            if lanes.get(hash).is_some() {
                return Known::Waits;
            }
            let sender = lanes.sender_of(hash);
            if let Some(transactions) = full {
                let refusal = PoolError::Full { transactions };
                lanes.note_departure(*hash, sender, Departure::Refused(refusal.to_string()));
                return Known::NoRoom { transactions };
            }
            sender.map_or(Known::No, Known::Left)
        };
        txs.iter().map(known).collect()
    }
}

/// What the pool says to a transaction by its hash.
#[derive(Clone, Copy)]
enum Known {
    Waits,
    Left(Address),
    NoRoom { transactions: usize },
    No,
}
