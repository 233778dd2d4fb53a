//! Time that can be moved: several blocks within one second need several steps, and tests need tomorrow.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aurum_aura::{Clock, SystemClock};

/// The machine's clock, moved ahead as far as was asked, and never before the time it was raised to. As on Anvil, a burst of
/// blocks moves the chain's time ahead by a second a block, and the clock waits there until the world has caught up.
#[derive(Debug, Default)]
pub struct DevClock(Mutex<Setting>);

#[derive(Debug, Default)]
struct Setting {
    floor: Duration,
    /// Ahead of the machine's clock.
    ahead: Duration,
    /// Stands still here until the next block.
    pinned: Option<Duration>,
}

impl DevClock {
    /// A clock that shows at least `floor` (since the Unix epoch).
    pub const fn new(floor: Duration) -> Self {
        Self(Mutex::new(Setting { floor, ahead: Duration::ZERO, pinned: None }))
    }

    fn setting(&self) -> MutexGuard<'_, Setting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the clock on to `time`, if it is not there yet.
    pub fn raise(&self, time: Duration) {
        let mut setting = self.setting();
        setting.floor = time.max(setting.floor);
    }

    /// Moves the clock ahead, and tells by how much it is in all.
    pub fn advance(&self, by: Duration) -> Duration {
        let mut setting = self.setting();
        setting.ahead = setting.ahead.saturating_add(by);
        setting.ahead
    }

    /// Holds the clock at `time` until [`Self::release`].
    pub fn pin(&self, time: Duration) {
        self.setting().pinned = Some(time);
    }

    /// Lets a clock that was held go on from where it was.
    pub fn release(&self) {
        let mut setting = self.setting();
        if let Some(pinned) = setting.pinned.take() {
            setting.ahead = pinned.saturating_sub(SystemClock.now());
            setting.floor = setting.floor.max(pinned);
        }
    }
}

impl Clock for DevClock {
    fn now(&self) -> Duration {
        let setting = self.setting();
        let flowing = SystemClock.now().saturating_add(setting.ahead);
        setting.pinned.unwrap_or(flowing).max(setting.floor)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aurum_aura::{Clock as _, SystemClock};

    use super::DevClock;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn a_clock_that_was_held_goes_on_from_there_and_never_back() {
        let clock = DevClock::new(Duration::ZERO);
        let then = SystemClock.now() + DAY;
        clock.pin(then);
        assert_eq!(clock.now(), then);
        clock.release();
        assert!(clock.now() >= then);
        assert!(clock.advance(DAY) >= DAY);
        assert!(clock.now() >= then + DAY);
        clock.raise(then + DAY * 3);
        assert!(clock.now() >= then + DAY * 3);
    }
}
