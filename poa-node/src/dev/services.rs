//! What JSON-RPC offers on a development chain.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use alloy::{
    eips::BlockId,
    primitives::{Address, B256, Signature},
};
use aurum_chain::{Cancel, Checkpoint, Development, Edit};
use aurum_rpc::{DevApi, DevError, Mining};
use tokio_util::sync::CancellationToken;

use super::{ACCOUNTS, Miner, Reading, accounts};

/// The accounts whose keys are public, blocks on demand, edits and snapshots of one chain.
#[derive(Debug)]
pub struct DevServices {
    miner: Miner,
    /// Of the node.
    shutdown: CancellationToken,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Who may send without a key.
    impersonated: BTreeSet<Address>,
    /// By number. Later ones are of later blocks.
    snapshots: BTreeMap<u64, Snapshot>,
    /// How many were taken.
    taken: u64,
}

#[derive(Debug)]
struct Snapshot {
    at: (Checkpoint, Reading),
    impersonated: BTreeSet<Address>,
}

impl DevServices {
    /// Those of the chain that `miner` extends, until `shutdown`.
    pub fn new(miner: Miner, shutdown: CancellationToken) -> Self {
        Self { miner, shutdown, inner: Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn development(&self) -> Result<Development, DevError> {
        self.miner.chain().development().ok_or(DevError::OtherAuthority)
    }
}

impl DevApi for DevServices {
    fn accounts(&self) -> Vec<Address> {
        ACCOUNTS.iter().map(|(address, _)| *address).collect()
    }

    fn sign(&self, account: Address, hash: B256) -> Result<Signature, DevError> {
        accounts::sign(account, hash).ok_or(DevError::UnknownAccount)
    }

    fn advance_time(&self, seconds: u64) -> u64 {
        self.miner.advance_time(Duration::from_secs(seconds)).as_secs()
    }

    fn set_next_time(&self, seconds: u64) -> Result<(), DevError> {
        self.miner.set_next_time(seconds).map_err(|head| DevError::Past { seconds, head })
    }

    fn mine(&self, blocks: u64, apart: Option<u64>, given_up: &Cancel) -> Result<(), DevError> {
        for mined in 0..blocks {
            if given_up.is_cancelled() || self.shutdown.is_cancelled() {
                return Err(DevError::Ended { mined, blocks });
            }
            if let Some(apart) = apart.filter(|_| mined > 0) {
                let head = self.miner.chain().view().header(BlockId::latest());
                let head = head.ok().flatten().map_or(0, |(_, header)| header.timestamp);
                self.set_next_time(head.saturating_add(apart.max(1)))?;
            }
            self.miner.mine().map_err(|error| DevError::Mining(error.to_string()))?;
        }
        Ok(())
    }

    fn mining(&self) -> Mining {
        let mode = self.miner.mode();
        Mining { automine: mode.automine, interval: mode.interval }
    }

    fn set_mining(&self, mining: Mining) {
        self.miner.set_mode(|mode| {
            mode.automine = mining.automine;
            mode.interval = mining.interval;
        });
    }

    fn edit(&self, edit: Edit) -> Result<(), DevError> {
        let edited = self.miner.edit(self.development()?, &[edit]);
        edited.map(drop).map_err(|error| DevError::Mining(error.to_string()))
    }

    fn impersonate(&self, account: Address) -> Result<(), DevError> {
        self.development()?;
        self.inner().impersonated.insert(account);
        Ok(())
    }

    fn stop_impersonating(&self, account: Address) {
        self.inner().impersonated.remove(&account);
    }

    fn impersonates(&self, account: Address) -> Option<Development> {
        self.inner().impersonated.contains(&account).then(|| self.development().ok()).flatten()
    }

    fn snapshot(&self) -> Result<u64, DevError> {
        self.development()?;
        let mut inner = self.inner();
        let (at, impersonated) = (self.miner.checkpoint(), inner.impersonated.clone());
        inner.taken += 1;
        let number = inner.taken;
        inner.snapshots.insert(number, Snapshot { at, impersonated });
        Ok(number)
    }

    fn revert(&self, snapshot: u64) -> Result<bool, DevError> {
        let development = self.development()?;
        let mut inner = self.inner();
        let Some(Snapshot { at, impersonated }) = inner.snapshots.remove(&snapshot) else { return Ok(false) };
        inner.snapshots.split_off(&snapshot);
        self.miner.rewind(development, &at).map_err(|error| DevError::Rewind(error.to_string()))?;
        inner.impersonated = impersonated;
        Ok(true)
    }

    fn reset(&self) -> Result<(), DevError> {
        let development = self.development()?;
        let mut inner = self.inner();
        let rewound = self.miner.start_over(development);
        rewound.map_err(|error| DevError::Rewind(error.to_string()))?;
        *inner = Inner::default();
        Ok(())
    }
}
