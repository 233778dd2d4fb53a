//! Who guesses at which transaction, and what came of it.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use super::guess::Guess;
use crate::Cancel;

/// What there is of a transaction in its turn.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing was tried, or is not ready.
    Nothing,
    /// A guess, and whether the caller made it.
    Guess { guess: Box<Guess>, ours: bool },
    /// It was tried without result.
    Failed { ours: bool },
}

/// The transactions of a block, claimed in order.
#[derive(Debug)]
pub(super) struct Board {
    /// The first that nobody has claimed.
    next: AtomicUsize,
    found: Vec<Mutex<Option<Found>>>,
    /// Ends all guesses.
    stop: Cancel,
}

/// Stops everybody when it goes.
pub(super) struct Ends<'a>(&'a Board);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Board {
    pub(super) fn new(transactions: usize) -> Self {
        let found = (0..transactions).map(|_| Mutex::default()).collect();
        Self { next: AtomicUsize::new(0), found, stop: Cancel::default() }
    }

    /// The next transaction that nobody has claimed, for whoever asks.
    pub(super) fn claim(&self) -> Option<usize> {
        if self.stop.is_cancelled() {
            return None;
        }
        // What a claim is worth is told by `found`'s locks: no order is needed. Past the end it goes no further than threads
        // ask once more.
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        (index < self.found.len()).then_some(index)
    }

    /// Claims `index`, whose turn it is, if nobody has.
    pub(super) fn claim_turn(&self, index: usize) -> bool {
        self.next.compare_exchange(index, index + 1, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// What a helper's guess at `index` came to.
    pub(super) fn put(&self, index: usize, guess: Option<Box<Guess>>) {
        self.set(index, guess, false);
    }

    /// What the caller's did.
    pub(super) fn put_ours(&self, index: usize, guess: Option<Box<Guess>>) {
        self.set(index, guess, true);
    }

    fn set(&self, index: usize, guess: Option<Box<Guess>>, ours: bool) {
        let found = guess.map_or(Found::Failed { ours }, |guess| Found::Guess { guess, ours });
        *self.slot(index) = Some(found);
    }

    /// What was put, if anything was.
    pub(super) fn take(&self, index: usize) -> Option<Found> {
        self.slot(index).take()
    }

    fn slot(&self, index: usize) -> MutexGuard<'_, Option<Found>> {
        self.found[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What ends guesses when they are no longer wanted.
    pub(super) fn cancel(&self) -> Cancel {
        self.stop.clone()
    }

    /// Ends all guesses.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    /// [`Self::stop`], at the end of a scope.
    pub(super) const fn ends(&self) -> Ends<'_> {
        Ends(self)
    }
}
