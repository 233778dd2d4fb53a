//! Time that can be moved: several blocks within one second need several steps, and tests need tomorrow.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aurum_aura::{Clock, SystemClock};

/// The machine's clock, moved as far as was asked, and never before the time it was raised to. As on Anvil, a burst of
/// blocks moves the chain's time ahead by a second a block, and the clock waits there until the world has caught up.
#[derive(Debug, Default)]
pub struct DevClock(Mutex<Setting>);

#[derive(Clone, Copy, Debug, Default)]
struct Setting {
    floor: Duration,
    offset: Offset,
    /// Stands still here until the next block.
    pinned: Option<Duration>,
}

/// By how much the clock differs from the machine's; one of the two is zero.
#[derive(Clone, Copy, Debug, Default)]
struct Offset {
    ahead: Duration,
    behind: Duration,
}

impl Offset {
    const fn between(time: Duration, machine: Duration) -> Self {
        Self { ahead: time.saturating_sub(machine), behind: machine.saturating_sub(time) }
    }

    const fn from(self, machine: Duration) -> Duration {
        machine.saturating_add(self.ahead).saturating_sub(self.behind)
    }
}

/// What a clock showed once.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    flowing: Duration,
    pinned: Option<Duration>,
}

impl DevClock {
    /// A clock that shows at least `floor` (since the Unix epoch).
    pub const fn new(floor: Duration) -> Self {
        let offset = Offset { ahead: Duration::ZERO, behind: Duration::ZERO };
        Self(Mutex::new(Setting { floor, offset, pinned: None }))
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
        let (mut setting, machine) = (self.setting(), SystemClock.now());
        setting.offset = Offset::between(setting.offset.from(machine).saturating_add(by), machine);
        setting.offset.ahead
    }

    /// Holds the clock at `time` until [`Self::release`].
    pub fn pin(&self, time: Duration) {
        self.setting().pinned = Some(time);
    }

    /// Lets a clock that was held go on from where it was.
    pub fn release(&self) {
        let mut setting = self.setting();
        if let Some(pinned) = setting.pinned.take() {
            setting.offset = Offset::between(pinned, SystemClock.now());
            setting.floor = setting.floor.max(pinned);
        }
    }

    /// What it shows, to be gone back to with [`Self::turn_back`].
    pub fn read(&self) -> Reading {
        let setting = self.setting();
        Reading { flowing: setting.offset.from(SystemClock.now()), pinned: setting.pinned }
    }

    /// Goes on from a former reading, but not before `floor`.
    pub fn turn_back(&self, to: Reading, floor: Duration) {
        let offset = Offset::between(to.flowing, SystemClock.now());
        *self.setting() = Setting { floor, offset, pinned: to.pinned };
    }
}

impl Clock for DevClock {
    fn now(&self) -> Duration {
        let setting = self.setting();
        setting.pinned.unwrap_or_else(|| setting.offset.from(SystemClock.now())).max(setting.floor)
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

    #[test]
    fn a_clock_that_was_turned_back_goes_on_from_the_reading() {
        let clock = DevClock::new(Duration::ZERO);
        clock.advance(DAY);
        let (then, reading) = (clock.now(), clock.read());
        clock.advance(DAY);
        clock.raise(then + DAY * 9);
        clock.pin(then + DAY * 10);
        clock.turn_back(reading, Duration::ZERO);
        assert!(clock.now() >= then && clock.now() < then + DAY);
        // Behind the machine's clock as well, and from there ahead again.
        clock.pin(SystemClock.now() - DAY);
        clock.release();
        assert!(clock.now() < SystemClock.now());
        assert_eq!(clock.advance(DAY / 2), Duration::ZERO, "still behind");
        clock.turn_back(reading, then + DAY);
        assert_eq!(clock.now(), then + DAY, "a floor holds");
    }
}
