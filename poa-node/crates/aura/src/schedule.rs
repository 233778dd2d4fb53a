//! From time to step and back (aura.md §1.5).

use std::time::Duration;

use aurum_types::{Step, spec::AuraParams};

/// OpenEthereum clamps longer steps, with a warning.
const MAX_STEP_DURATION: u64 = 65_535;

/// A stretch of time in which steps have one duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Era {
    /// Its first step.
    step: u64,
    /// Unix second at which that step starts.
    start: u64,
    /// Seconds a step lasts.
    duration: u64,
}

impl Era {
    /// The first step that starts at or after `time` (Unix seconds), with its start (OpenEthereum
    /// `next_step_time_duration`).
    const fn boundary_at_or_after(&self, time: u64) -> (u64, u64) {
        let steps = time.saturating_sub(self.start).div_ceil(self.duration);
        (self.step.saturating_add(steps), self.start.saturating_add(steps.saturating_mul(self.duration)))
    }
}

/// When each step starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepSchedule {
    eras: Vec<Era>,
    pinned: Option<Step>,
}

impl StepSchedule {
    /// The schedule of a chain. Durations outside 1 ..= 65535 are clamped into it.
    pub fn new(params: &AuraParams) -> Self {
        let clamp = |duration: u64| duration.clamp(1, MAX_STEP_DURATION);
        let mut durations = params.step_duration.iter().map(|(from, duration)| (*from, clamp(*duration)));
        let first = durations.next().map_or(1, |(_, duration)| duration);
        let mut eras = vec![Era { step: 0, start: 0, duration: first }];
        let mut last = eras[0];
        for (from, duration) in durations {
            let (step, start) = last.boundary_at_or_after(from);
            last = Era { step, start, duration };
            eras.push(last);
        }
        Self { eras, pinned: params.start_step.map(Step) }
    }

    /// The step that lasts at `now` (since the Unix epoch). A pinned counter (`startStep`) does not move.
    pub fn step_at(&self, now: Duration) -> Step {
        if let Some(step) = self.pinned {
            return step;
        }
        let now = now.as_secs();
        let era = self.eras.iter().rev().find(|era| era.start <= now).unwrap_or(&self.eras[0]);
        Step(era.step.saturating_add((now - era.start) / era.duration))
    }

    /// When `step` starts, since the Unix epoch. Of a pinned counter later steps never start.
    pub fn start_of(&self, step: Step) -> Duration {
        if let Some(pinned) = self.pinned {
            return if step <= pinned { Duration::ZERO } else { Duration::MAX };
        }
        let era = self.eras.iter().rev().find(|era| era.step <= step.0).unwrap_or(&self.eras[0]);
        let elapsed = (step.0 - era.step).saturating_mul(era.duration);
        Duration::from_secs(era.start.saturating_add(elapsed))
    }

    /// How long `step` lasts.
    pub fn duration_of(&self, step: Step) -> Duration {
        self.start_of(step.next()).saturating_sub(self.start_of(step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_are_openethereums() {
        // OpenEthereum test_next_step_time_duration.
        let era = Era { step: 7, start: 1000, duration: 10 };
        for (time, expected) in [(1000, (7, 1000)), (1050, (12, 1050)), (1051, (13, 1060)), (1055, (13, 1060))] {
            assert_eq!(era.boundary_at_or_after(time), expected, "at {time}");
        }
    }
}
