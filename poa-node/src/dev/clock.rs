//! Time that can run ahead: several blocks within one second need several steps.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use aurum_aura::{Clock, SystemClock};

/// The machine's clock, never before the time it was raised to. As on Anvil, a burst of blocks moves the chain's time
/// ahead by a second a block, and the clock waits there until the world has caught up.
#[derive(Debug, Default)]
pub struct DevClock(Mutex<Duration>);

impl DevClock {
    /// A clock that shows at least `floor` (since the Unix epoch).
    pub const fn new(floor: Duration) -> Self {
        Self(Mutex::new(floor))
    }

    /// Moves the clock on to `time`, if it is not there yet.
    pub fn raise(&self, time: Duration) {
        let mut floor = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *floor = time.max(*floor);
    }
}

impl Clock for DevClock {
    fn now(&self) -> Duration {
        SystemClock.now().max(*self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
