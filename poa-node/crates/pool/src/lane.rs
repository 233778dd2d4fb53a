//! One sender's transactions in nonce order.

use std::{collections::BTreeMap, sync::Arc};

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
    /// Heads seen since the first pending transaction came to its place.
    pub(crate) waited_heads: u32,
}

impl Lane {
    pub(crate) const fn new(account: Account) -> Self {
        Self { next: account.nonce, account, txs: BTreeMap::new(), waited_heads: 0 }
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

    /// The transaction that may run at `nonce`, if the balance at the head covers it alone.
    pub(crate) fn executable(&self, nonce: u64) -> Option<&Arc<Pooled>> {
        self.txs.get(&nonce).filter(|tx| nonce < self.next && tx.cost() <= self.account.balance)
    }

    /// Puts `tx` at its nonce and returns the one that was there.
    pub(crate) fn insert(&mut self, tx: Arc<Pooled>) -> Option<Arc<Pooled>> {
        let nonce = tx.nonce();
        debug_assert!(nonce >= self.account.nonce, "a used nonce is refused before");
        let replaced = self.txs.insert(nonce, tx);
        if nonce == self.account.nonce {
            self.waited_heads = 0;
        }
        self.extend_pending();
        replaced
    }

    /// Takes out the transaction at `nonce`; those behind it become queued.
    pub(crate) fn remove(&mut self, nonce: u64) -> Option<Arc<Pooled>> {
        let removed = self.txs.remove(&nonce)?;
        if nonce < self.next {
            self.next = nonce;
        }
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
        let kept = self.txs.split_off(&account.nonce);
        let used = std::mem::replace(&mut self.txs, kept);
        if account.nonce < self.account.nonce || account.nonce > self.next {
            self.next = account.nonce;
        }
        self.account = account;
        self.extend_pending();
        used.into_values().collect()
    }

    fn extend_pending(&mut self) {
        while self.txs.contains_key(&self.next) {
            self.next += 1;
        }
    }
}
