//! Where a process dies: at the n-th time it begins or ends a stage.
//!
//! Every stage of the import is a span of `tracing` with the stage's name; the process that is to die listens to them and,
//! when its point has come, sends itself SIGKILL from the very thread that is there. Nothing of the chain knows.

use std::{
    fmt,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tracing::{
    Event, Metadata, Subscriber,
    span::{Attributes, Id, Record},
};

/// What the process dies in. `announce` is no span: a block was adopted, and whoever watches is told.
pub const STAGES: [&str; 12] = [
    "verify",
    "recover",
    "execute",
    "commit",
    "store",
    "adopt",
    "announce",
    "persist",
    "prune",
    "checkpoint",
    "unwind",
    "restore",
];

/// Before or behind a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Before,
    Behind,
}

impl Side {
    /// One and the other in turn.
    pub const fn of(turn: usize) -> Self {
        if turn.is_multiple_of(2) { Self::Before } else { Self::Behind }
    }
}

/// A moment in the life of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    pub stage: &'static str,
    pub side: Side,
    /// How often it passes by before it dies.
    pub skipped: u32,
    /// Whether opening the chain, which sends stored blocks through the stages again, counts too.
    pub opening: bool,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {} {}", self.stage, self.side, self.skipped, self.opening)
    }
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let mut words = text.split(' ');
            let stage = words.next()?;
            let stage = STAGES.into_iter().find(|known| *known == stage)?;
            let side = if words.next()? == "Before" { Side::Before } else { Side::Behind };
            let skipped = words.next()?.parse().ok()?;
            Some(Self { stage, side, skipped, opening: words.next()? == "true" })
        };
        read().ok_or_else(|| text.to_owned())
    }
}

/// Counts passages of a point, and dies at the last of them.
#[derive(Debug)]
pub struct Trigger {
    point: Point,
    /// Passages left; none while there are more than `u32::MAX / 2`, since then it does not count yet.
    left: AtomicU32,
}

impl Trigger {
    /// Listens to this process's spans from now on.
    pub fn install(point: Point) -> Arc<Self> {
        let left = if point.opening { point.skipped } else { u32::MAX };
        let trigger = Arc::new(Self { point, left: AtomicU32::new(left) });
        tracing::subscriber::set_global_default(Listener(Arc::clone(&trigger))).expect("the first in this process");
        trigger
    }

    /// The chain is open.
    pub fn opened(&self) {
        self.left.store(self.point.skipped, Ordering::SeqCst);
    }

    /// This thread is at a point.
    pub fn pass(&self, stage: &str, side: Side) {
        if (stage, side) != (self.point.stage, self.point.side) {
            return;
        }
        let count = |left: u32| (left <= u32::MAX / 2).then(|| left.saturating_sub(1));
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count) == Ok(0) {
            kill(Pid::this(), Signal::SIGKILL).expect("a process may kill itself");
        }
    }
}

struct Listener(Arc<Trigger>);

impl Listener {
    fn pass(&self, span: &Id, side: Side) {
        let place = usize::try_from(span.into_u64()).expect("small") - 1;
        self.0.pass(STAGES[place], side);
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && STAGES.contains(&metadata.name())
    }

    /// Spans of one stage have one name: its place among [`STAGES`], from 1.
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let place = STAGES.iter().position(|stage| *stage == span.metadata().name()).expect("enabled");
        Id::from_u64(place as u64 + 1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, _event: &Event<'_>) {}

    fn enter(&self, span: &Id) {
        self.pass(span, Side::Before);
    }

    fn exit(&self, span: &Id) {
        self.pass(span, Side::Behind);
    }
}
