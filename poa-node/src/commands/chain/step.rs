//! `chain step`: from time to step.

use std::time::Duration;

use aurum_aura::StepSchedule;
use serde_json::{Value, json};

use super::{Loaded, SpecArgs};
use crate::commands::{Answer, json::uint64};

/// When.
#[derive(Clone, Debug, clap::Args)]
pub struct StepArgs {
    /// The chain.
    #[command(flatten)]
    pub spec: SpecArgs,
    /// Unix time in seconds
    #[arg(long, value_name = "UNIX")]
    pub time: u64,
}

/// The step at `time` (Unix seconds), how long until the next one, and how long it lasts, in seconds. A counter pinned by
/// `startStep` never reaches a next step: `secondsToNext` is null then.
///
/// # Errors
/// None.
pub fn step(loaded: &Loaded, time: u64) -> anyhow::Result<Answer> {
    let engine = &loaded.spec.engine;
    let steps = StepSchedule::new(engine);
    let now = Duration::from_secs(time);
    let step = steps.step_at(now);
    let next = steps.start_of(step.next());
    let pinned = next == Duration::MAX;
    let duration = if pinned {
        let in_force = engine.step_duration.range(..=time).next_back();
        in_force.map_or(Value::Null, |(_, seconds)| uint64(*seconds))
    } else {
        uint64(steps.duration_of(step).as_secs())
    };
    Ok(Answer::yes(json!({
        "step": uint64(step.0),
        "secondsToNext": if pinned { Value::Null } else { uint64(next.saturating_sub(now).as_secs()) },
        "duration": duration,
    })))
}
