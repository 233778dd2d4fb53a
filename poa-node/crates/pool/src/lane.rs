//! One sender's transactions in nonce order.

use std::{collections::BTreeMap, sync::Arc};

use alloy::primitives::U512;
use aurum_types::Account;

use crate::Pooled;

/// Waiting transactions of one sender.
///
/// `txs` holds no nonce below `account.nonce`; nonces from there up to `next` (exclusive) are all present: they are
/// pending, those from `next` on are queued. `next` itself is missing.
#[derive(Debug)]
pub(crate) struct Lane {
    account: Account,
    next: u64,
    txs: BTreeMap<u64, Arc<Pooled>>,
    /// Most the pending ones can take from the balance together, wei. Twice the width of a balance: a sum of so many does
    /// not fit less.
    spent: U512,
    /// Heads seen since the first pending transaction came to its place.
    pub(crate) waited_heads: u32,
}

impl Lane {
    pub(crate) const fn new(account: Account) -> Self {
        Self { next: account.nonce, account, txs: BTreeMap::new(), spent: U512::ZERO, waited_heads: 0 }
    }

    pub(crate) const fn account(&self) -> &Account {
        &self.account
    }

    /// The first missing nonce: what the sender's next transaction should carry.
    pub(crate) const fn next_nonce(&self) -> u64 {
        self.next
    }

    pub(crate) fn len(&self) -> usize {
        self.txs.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.txs.is_empty()
    }

    pub(crate) fn get(&self, nonce: u64) -> Option<&Arc<Pooled>> {
        self.txs.get(&nonce)
    }

    pub(crate) fn first(&self) -> Option<&Arc<Pooled>> {
        self.txs.values().next()
    }

    pub(crate) fn last(&self) -> Option<&Arc<Pooled>> {
        self.txs.values().next_back()
    }

    pub(crate) fn pending(&self) -> impl Iterator<Item = &Arc<Pooled>> {
        self.txs.range(..self.next).map(|(_, tx)| tx)
    }

    pub(crate) fn queued(&self) -> impl Iterator<Item = &Arc<Pooled>> {
        self.txs.range(self.next..).map(|(_, tx)| tx)
    }

    pub(crate) fn pending_len(&self) -> usize {
        usize::try_from(self.next - self.account.nonce).expect("no more pending than transactions in memory")
    }

    pub(crate) fn queued_len(&self) -> usize {
        self.txs.len() - self.pending_len()
    }

    /// What the sender's balance must cover once `tx` waits too, and what of it the others take: the pending transactions
    /// with `tx` in its nonce's place (go-ethereum `ValidateTransactionWithState`: existing expenditure and the bump).
    pub(crate) fn expenditure_with(&self, tx: &Arc<Pooled>) -> (U512, U512) {
        let replaced = self.txs.get(&tx.nonce()).filter(|old| old.nonce() < self.next).map(wide);
        let others = self.spent - replaced.unwrap_or_default();
        (others + wide(tx), others)
    }

    /// The transaction that may run at `nonce`, if the balance at the head covers it alone.
    pub(crate) fn executable(&self, nonce: u64) -> Option<&Arc<Pooled>> {
        self.txs.get(&nonce).filter(|tx| nonce < self.next && tx.cost() <= self.account.balance)
    }

    /// Puts `tx` at its nonce and returns the one that was there.
    pub(crate) fn insert(&mut self, tx: Arc<Pooled>) -> Option<Arc<Pooled>> {
        let nonce = tx.nonce();
        debug_assert!(nonce >= self.account.nonce, "a used nonce is refused before");
        let cost = wide(&tx);
        let replaced = self.txs.insert(nonce, tx);
        if let Some(old) = replaced.as_ref().filter(|_| nonce < self.next) {
            self.spent = self.spent + cost - wide(old);
        }
        if nonce == self.account.nonce {
            self.waited_heads = 0;
        }
        self.extend_pending();
        replaced
    }

    /// Takes out the transaction at `nonce`; those behind it become queued.
    pub(crate) fn remove(&mut self, nonce: u64) -> Option<Arc<Pooled>> {
        if nonce < self.next && self.txs.contains_key(&nonce) {
            let no_longer = self.txs.range(nonce..self.next).map(|(_, tx)| wide(tx));
            self.spent = no_longer.fold(self.spent, |spent, cost| spent - cost);
            self.next = nonce;
        }
        let removed = self.txs.remove(&nonce)?;
        if nonce == self.account.nonce {
            self.waited_heads = 0;
        }
        Some(removed)
    }

    /// Takes over the account as it is at a new head and returns transactions whose nonce is used now.
    pub(crate) fn set_account(&mut self, account: Account) -> Vec<Arc<Pooled>> {
        if account.nonce != self.account.nonce {
            self.waited_heads = 0;
        }
        // One by one: `split_off` would count all that stays.
        let mut used = Vec::new();
        while let Some(first) = self.txs.first_entry().filter(|first| *first.key() < account.nonce) {
            used.push(first.remove());
        }
        if account.nonce < self.account.nonce || account.nonce > self.next {
            self.next = account.nonce;
            self.spent = U512::ZERO;
        } else {
            self.spent = used.iter().map(wide).fold(self.spent, |spent, cost| spent - cost);
        }
        self.account = account;
        self.extend_pending();
        used
    }

    fn extend_pending(&mut self) {
        while let Some(tx) = self.txs.get(&self.next) {
            self.spent += wide(tx);
            self.next += 1;
        }
    }
}

fn wide(tx: &Arc<Pooled>) -> U512 {
    U512::from(tx.cost())
}
