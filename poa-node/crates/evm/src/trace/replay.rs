//! A block of the chain, run again with somebody looking on.

use revm::{Inspector, context_interface::result::ResultAndState};

use super::{Replay, TraceError, TraceLimits, Which, before::Before};
use crate::{
    Evm, EvmError, PushError,
    block::BlockRunner,
    inspect::{Limited, Records},
    machine::Context,
};

/// A transaction that was just run, nothing of it kept yet.
pub(super) struct Seen<'a, I> {
    pub(super) inspector: I,
    pub(super) context: &'a mut Context,
    pub(super) outcome: &'a ResultAndState,
}

impl<I> Seen<'_, I> {
    /// The state before it.
    pub(super) fn before(&mut self) -> Before<'_> {
        use revm::context::JournalTr;
        Before::new(self.context.journaled_state.db_mut())
    }
}

/// Runs the block up to and with the last transaction that is asked for. `make` gives the inspector of each, `seen` makes
/// something of what it saw. The runner is as it is after those transactions.
pub(super) fn replay<I: Inspector<Context>, T>(
    evm: &Evm,
    block: &Replay<'_>,
    which: Which,
    limits: &TraceLimits,
    mut make: impl FnMut() -> Result<(I, Records), TraceError>,
    mut seen: impl FnMut(Seen<'_, I>) -> Result<T, TraceError>,
) -> Result<(Vec<T>, BlockRunner<Limited<I>>), TraceError> {
    let Replay { parent, parent_env, env, begin, transactions, senders, receipts } = block;
    let inspector = Limited::new(limits);
    let mut runner = BlockRunner::open_with(evm, parent.clone(), parent_env, env.clone(), *begin, inspector)?;
    let count = match which {
        Which::All => transactions.len(),
        Which::One(index) => (index + 1).min(transactions.len()),
    };
    let mut found = Vec::new();
    for (index, (tx, sender)) in transactions.iter().zip(*senders).enumerate().take(count) {
        // Transfers run no instruction at which the inspector would look.
        limits.check()?;
        let mask = runner.permit(*sender, tx)?.map_err(|denial| PushError::NotPermitted(denial).in_block(index))?;
        if which.includes(index) {
            let (inspector, records) = make()?;
            runner.inspector().watch(inspector, records);
        }
        let mut result = None;
        let no_root = &mut |_: &_| Ok(Default::default());
        let run = runner.run_seen(*sender, tx, mask, Some(no_root), |machine, outcome| {
            let Some(inspector) = machine.inspector().take() else { return Ok(()) };
            if machine.inspector().stopped().is_none() {
                result = Some(seen(Seen { inspector, context: machine.context(), outcome }));
            }
            Ok(())
        });
        gave_up(&mut runner)?;
        run.map_err(|error| error.in_block(index))?;
        found.extend(result.transpose()?);
        runner.remember(*sender, mask);
        if receipts.get(index).is_some_and(|receipt| receipt.cumulative_gas_used != runner.gas_used()) {
            let used = runner.gas_used();
            let number = env.number;
            let error = format!("block {number} does not run as it ran: {used} gas after transaction {index}");
            return Err(EvmError::fault(error).into());
        }
    }
    Ok((found, runner))
}

/// Whether the execution was given up half-way: whatever came of it is nothing.
fn gave_up<I: Inspector<Context>>(runner: &mut BlockRunner<Limited<I>>) -> Result<(), TraceError> {
    stopped(runner.inspector())
}

/// The same, asked of the one who stopped it.
pub(crate) fn stopped<I>(inspector: &Limited<I>) -> Result<(), TraceError> {
    inspector.stopped().map_or(Ok(()), |stop| Err(stop.into()))
}
