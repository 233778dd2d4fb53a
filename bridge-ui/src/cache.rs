//! Answers remembered for a moment, so that many open pages ask a node once.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Most entries kept; beyond it the old ones go, then all.
const MOST: usize = 4096;

/// A small map whose entries expire.
#[derive(Debug)]
pub(crate) struct Cache<K, V> {
    entries: Mutex<HashMap<K, (Instant, V)>>,
}

impl<K: Eq + Hash, V: Clone> Cache<K, V> {
    pub(crate) fn new() -> Self {
        Self { entries: Mutex::new(HashMap::new()) }
    }

    /// The value of `key`, if it was put at most `age` ago.
    pub(crate) fn get(&self, key: &K, age: Duration) -> Option<V> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(key).filter(|(at, _)| at.elapsed() <= age).map(|(_, value)| value.clone())
    }

    pub(crate) fn put(&self, key: K, value: V) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MOST {
            entries.retain(|_, (at, _)| at.elapsed() < Duration::from_secs(60));
            if entries.len() >= MOST {
                entries.clear();
            }
        }
        entries.insert(key, (Instant::now(), value));
    }

    /// The remembered value, or what `ask` answers; failures are not remembered.
    pub(crate) async fn or_ask<E>(
        &self,
        key: K,
        age: Duration,
        ask: impl Future<Output = Result<V, E>>,
    ) -> Result<V, E> {
        if let Some(value) = self.get(&key, age) {
            return Ok(value);
        }
        let value = ask.await?;
        self.put(key, value.clone());
        Ok(value)
    }
}
