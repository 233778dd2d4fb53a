//! Giving up a call whose result nobody wants any more.
//!
//! Gas bounds what a call may do, but what a node grants a call is worth seconds of a core. So a call that can be cancelled
//! looks at its flag at each JUMPDEST, which every loop passes, and at each frame that starts; between two looks there is
//! less than a contract's code. Blocks have no flag and the usual JUMPDEST; only guesses at a block's transactions
//! ([`crate::parallel`]) are ended like calls, and never run for longer than a number of such steps.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use revm::{
    context::ContextError,
    context_interface::ContextTr,
    interpreter::{InstructionContext, InstructionExecResult, InstructionResult, interpreter::EthInterpreter},
};

use crate::machine::Context;

/// How a cancelled execution ends inside revm.
pub(crate) const CANCELLED: &str = "cancelled";

/// A flag that ends the calls which carry it. Clones are one flag.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Ends the calls that carry it, now or when they start.
    pub fn cancel(&self) {
        // Nothing else is told by it: no order is needed.
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`Self::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl PartialEq for Cancel {
    /// Whether they are one flag.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// JUMPDEST of a call that can be cancelled. Its gas is in the table.
pub(crate) fn jumpdest(context: InstructionContext<'_, Context, EthInterpreter>) -> InstructionExecResult {
    let InstructionContext { host, .. } = context;
    if !host.journaled_state.database.gives_up() {
        return Ok(());
    }
    *host.error() = Err(ContextError::Custom(CANCELLED.to_owned()));
    Err(InstructionResult::FatalExternalError)
}
