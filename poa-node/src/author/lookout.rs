//! Watches what the import sees: our own key elsewhere, offences to report, how far our clock is from the others'.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use alloy::primitives::{Address, B256};
use aurum_aura::{Offence, StepSchedule, skipped_to_report};
use aurum_chain::{Chain, Observation, Observer, Seen};
use aurum_types::{BlockNumber, Step};

use super::{
    KeyElsewhere,
    drift::Drift,
    key_guard::KeyGuard,
    pace::Pace,
    report_book::{Noted, ReportBook},
    reports::Report,
};

/// The observer of one node's chain.
pub struct Lookout {
    steps: StepSchedule,
    has_empty_steps_from: Option<BlockNumber>,
    guard: Option<KeyGuard>,
    /// Who reports; `None` where nobody does.
    reporter: Option<Address>,
    drift: Drift,
    pace: Mutex<Pace>,
    reports: Mutex<ReportBook>,
}

impl fmt::Debug for Lookout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookout").field("reporter", &self.reporter).finish_non_exhaustive()
    }
}

impl Lookout {
    /// The lookout of a node that does not seal. It starts to watch `chain`.
    pub fn of_observer(chain: &Chain) -> Arc<Self> {
        Self::watch(chain, None, ReportBook::closed())
    }

    /// The lookout of an authority whose key is guarded by `guard`, and which notes in `book` what it reports.
    pub(super) fn of_authority(chain: &Chain, reporter: Address, guard: KeyGuard, book: ReportBook) -> Arc<Self> {
        Self::watch(chain, Some((reporter, guard)), book)
    }

    fn watch(chain: &Chain, authority: Option<(Address, KeyGuard)>, book: ReportBook) -> Arc<Self> {
        let engine = &chain.spec().engine;
        let (reporter, guard) = authority.unzip();
        let lookout = Arc::new(Self {
            steps: StepSchedule::new(engine),
            has_empty_steps_from: engine.empty_steps_transition,
            guard,
            reporter,
            drift: Drift::default(),
            pace: Mutex::default(),
            reports: Mutex::new(book),
        });
        chain.observe_with(Arc::clone(&lookout) as Arc<dyn Observer>);
        lookout
    }

    /// By how many milliseconds our clock is ahead of the other authorities' (behind, if negative), the time that blocks
    /// take on the way included; `None` before a block was announced to us.
    pub fn clock_offset_ms(&self) -> Option<i64> {
        self.drift.offset_ms()
    }

    /// Where our key was seen at work by another node.
    pub fn key_elsewhere(&self) -> Option<KeyElsewhere> {
        self.guard.as_ref().and_then(KeyGuard::elsewhere)
    }

    pub(super) const fn guard(&self) -> Option<&KeyGuard> {
        self.guard.as_ref()
    }

    /// What was noted of others. Held shortly: the import waits for it.
    pub(super) fn reports(&self) -> MutexGuard<'_, ReportBook> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what is to be reported of `accused`, once.
    fn report(&self, observation: &Observation<'_>, accused: Address, offence: Offence) {
        let Some(contract) = observation.engine.child_reports_to() else { return };
        if self.reporter.is_none_or(|me| me == accused) {
            return;
        }
        let report = Report { contract, accused, block: observation.header.number, offence };
        if self.reports().note(report) == Noted::TooMany {
            tracing::warn!(%accused, block = report.block, ?offence, "too much to report: this is left out");
        }
    }

    /// Reports those whose steps passed unused before the block (aura.md §1.8.4). Blocks that were asked for to catch up
    /// are history: whoever was there has reported it.
    fn report_skipped(&self, observation: &Observation<'_>) {
        let Observation { header, parent, engine, .. } = observation;
        let Some(me) = self.reporter else { return };
        if self.has_empty_steps_from.is_some_and(|from| header.number >= from.max(1)) {
            return;
        }
        let parent_step = parent.step().unwrap_or_default();
        let validators = engine.child_validators();
        for skipped in skipped_to_report(validators, header.number, parent_step, observation.step(), me) {
            self.report(observation, skipped, Offence::Benign);
        }
    }

    /// Lets a block that came in time, or before it, say what time it is elsewhere.
    fn measure(&self, observation: &Observation<'_>) {
        let (Some(arrived), step, author) = (observation.arrived, observation.step(), observation.header.author) else {
            return;
        };
        let is_other = self.reporter != Some(author);
        if is_other && observation.engine.child_validators().proposer(step) == Some(author) {
            self.drift.note(author, arrived, self.steps.start_of(step), self.steps.duration_of(step));
        }
    }

    /// Lets a block that came by itself say how large ours may be.
    fn keep_pace(&self, observation: &Observation<'_>) {
        let Some(arrived) = observation.arrived else { return };
        let (start, step) = (self.steps.start_of(observation.step()), self.steps.duration_of(observation.step()));
        let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let offset = millis(arrived).saturating_sub(millis(start));
        self.pace().theirs(observation.header.gas_used, offset, observation.took, step);
    }

    /// How large our blocks may be.
    pub(super) fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Lookout {
    fn observed(&self, observation: &Observation<'_>) {
        let author = observation.header.author;
        match observation.seen {
            Seen::Imported { ours, sibling } => {
                if let Some(guard) = &self.guard {
                    guard.saw_block(author, observation.step(), observation.header.number, observation.hash);
                }
                if sibling.is_some() {
                    self.report(observation, author, Offence::Malicious);
                }
                if ours || observation.arrived.is_some() {
                    self.report_skipped(observation);
                }
                self.measure(observation);
                self.keep_pace(observation);
            }
            Seen::Refused(offence) => self.report(observation, author, offence),
            Seen::Early => self.measure(observation),
        }
    }

    fn saw_empty_step(&self, signer: Address, step: Step, number: BlockNumber, parent: B256) {
        if let Some(guard) = &self.guard {
            guard.saw_empty_step(signer, step, number, parent);
        }
    }
}
