//! One transaction, run before its turn on what is known of the state by then.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use revm::context_interface::result::ResultAndState;

use super::{
    Work,
    memory::{View, version_of},
};
use crate::{
    Cancel,
    block::{Terms, set_up},
    database::{CleanUp, Trial},
    machine::Machine,
    permission::FrameGuard,
    transaction,
};

/// JUMPDESTs and frames after which a guess is given up: on a state that never was, a loop may end only with its gas. Some
/// ten milliseconds, more than a transaction takes that does not try.
const MOST_STEPS: u64 = 1 << 20;

/// What a transaction would do if the state were as it was told.
#[derive(Debug)]
pub(crate) struct Guess {
    pub(crate) trial: Trial,
    pub(crate) outcome: ResultAndState,
}

/// Makes guesses, one at a time: a machine of its own, on the memory.
pub(super) struct Guesser<'a> {
    work: &'a Work<'a>,
    view: Arc<View>,
    /// None after a panic: whatever state it is in.
    machine: Option<Machine>,
}

impl<'a> Guesser<'a> {
    pub(super) fn new(work: &'a Work<'a>, cancel: Cancel) -> Self {
        Self::on(work, cancel, View::of_parent(&work.memory))
    }

    /// The same on a view of the memory that may note what it finds.
    pub(super) fn on(work: &'a Work<'a>, cancel: Cancel, view: View) -> Self {
        let view = Arc::new(view);
        let mut machine = work.evm.block_machine(&work.rules, view.clone(), &work.env);
        let parent = Arc::new(View::of_parent(&work.memory)) as _;
        let contract = work.rules.permission_contract;
        machine.set_guard(FrameGuard::new(work.evm, contract, &parent, work.parent_env, work.env.number));
        machine.limit(cancel, MOST_STEPS);
        machine.state().set_fees_aside();
        Self { work, view, machine: Some(machine) }
    }

    /// The view it runs on.
    pub(super) fn view(&self) -> &View {
        &self.view
    }

    /// Runs transaction `index` and puts down what it did. `None` where nothing can be said: it is not valid as far as can be
    /// seen, the state cannot be read, or it was given up. All of that may be so only here.
    pub(super) fn guess(&mut self, index: usize) -> Option<Box<Guess>> {
        let mut machine = self.machine.take()?;
        // revm holds on any state of the chain, but here it meets states that never were.
        let guess = catch_unwind(AssertUnwindSafe(|| self.run(&mut machine, index)));
        match guess {
            Ok(guess) => {
                self.machine = Some(machine);
                guess
            }
            Err(_) => {
                tracing::warn!(
                    index,
                    "guessing at a transaction panicked: this thread makes no more guesses in the block"
                );
                None
            }
        }
    }

    fn run(&self, machine: &mut Machine, index: usize) -> Option<Box<Guess>> {
        let Work { rules, transactions, memory, evm, .. } = self.work;
        let (sender, tx, mask) = *transactions.get(index)?;
        transaction::validate(rules, tx).ok()?;
        self.view.move_to(index);
        machine.state().count_steps(MOST_STEPS);
        set_up(machine, Terms::of(evm, rules, tx), sender, tx, mask);
        let (result, state) = match machine.transact(transaction::tx_env(rules, sender, tx)) {
            Ok(outcome) => outcome,
            Err(_) => {
                machine.state().end_trial();
                return None;
            }
        };
        let committed = machine.state().commit(&state, CleanUp::Transaction);
        let trial = machine.state().end_trial();
        committed.ok()?;
        memory.publish(version_of(index), trial.writes());
        Some(Box::new(Guess { trial, outcome: ResultAndState::new(result, state) }))
    }
}
