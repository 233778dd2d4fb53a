//! Frames with an inspector looking on, and how far one may go.

use std::time::Instant;

use revm::{
    Inspector,
    context::ContextError,
    context_interface::ContextTr,
    handler::{
        EthFrame, EvmTr, FrameInitOrResult, FrameResult,
        evm::{ContextDbError, FrameInitResult},
    },
    inspector::{
        InspectorEvmTr,
        handler::{frame_end, frame_start},
    },
    interpreter::{
        CallInputs, CallOutcome, CreateInputs, CreateOutcome, FrameInput, Interpreter,
        interpreter::EthInterpreter,
        interpreter_action::FrameInit,
        interpreter_types::{Jumps, LoopControl},
    },
    primitives::{Address, Log, U256},
};

use crate::{
    Cancel, TraceError,
    machine::{Context, Instance},
};

type Frame = EthFrame<EthInterpreter>;

/// How frames start and run: `()` runs them as they are, [`Limited`] looks on. Both give the same results.
pub(crate) trait Look: Sized {
    /// Starts a frame.
    fn frame_init(
        evm: &mut Instance<Self>,
        init: FrameInit,
    ) -> Result<FrameInitResult<'_, Frame>, ContextDbError<Context>>;

    /// Runs the frame on top until it ends or starts another.
    fn frame_run(evm: &mut Instance<Self>) -> Result<FrameInitOrResult<Frame>, ContextDbError<Context>>;

    /// Learns of a frame that never started, and what its caller sees instead.
    fn refused(evm: &mut Instance<Self>, init: &mut FrameInit, result: &mut FrameResult);
}

impl Look for () {
    fn frame_init(
        evm: &mut Instance<Self>,
        init: FrameInit,
    ) -> Result<FrameInitResult<'_, Frame>, ContextDbError<Context>> {
        evm.frame_init(init)
    }

    fn frame_run(evm: &mut Instance<Self>) -> Result<FrameInitOrResult<Frame>, ContextDbError<Context>> {
        evm.frame_run()
    }

    fn refused(_: &mut Instance<Self>, _: &mut FrameInit, _: &mut FrameResult) {}
}

/// How long looking on may take, and how much may be remembered of it.
#[derive(Clone, Debug)]
pub struct TraceLimits {
    /// When the execution is given up.
    pub deadline: Instant,
    /// Gives it up before, when nobody wants the result any more.
    pub cancel: Cancel,
    /// Bytes that may be recorded, as estimated from what is recorded for a step.
    pub bytes: usize,
}

impl TraceLimits {
    /// Whether work may go on: for what takes time besides executions.
    ///
    /// # Errors
    /// [`TraceError::Timeout`] and [`TraceError::Cancelled`], from then on for ever.
    pub fn check(&self) -> Result<(), TraceError> {
        self.stop().map_or(Ok(()), |stop| Err(stop.into()))
    }

    fn stop(&self) -> Option<Stop> {
        if self.cancel.is_cancelled() {
            return Some(Stop::Cancelled);
        }
        (Instant::now() >= self.deadline).then_some(Stop::Deadline)
    }
}

/// Why an execution that was looked at did not come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Cancelled,
    Deadline,
    Size,
}

impl From<Stop> for TraceError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Cancelled => Self::Cancelled,
            Stop::Deadline => Self::Timeout,
            Stop::Size => Self::TooLarge,
        }
    }
}

/// What of each instruction an inspector remembers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Records {
    /// Anything at all.
    pub(crate) steps: bool,
    /// The whole stack.
    pub(crate) stack: bool,
    /// The slots seen so far, at each access.
    pub(crate) storage: bool,
}

/// Bytes of a remembered instruction without its stack, of a stack item, of a slot, of a frame without its input.
const STEP: usize = 320;
const WORD: usize = 32;
const SLOT: usize = 96;
const FRAME: usize = 512;

/// How revm-inspectors ends an execution of which it would copy more (memory, inputs) than it may.
const INSPECTOR_FULL: &str = "trace recorded byte limit exceeded";

/// Instructions between two looks at the clock and at whether anybody waits.
const CLOCK_EVERY: u32 = 1024;

/// An inspector that can be put in and taken out while a block runs, within limits.
#[derive(Debug)]
pub(crate) struct Limited<I> {
    /// Looks on while it is there.
    inner: Option<I>,
    records: Records,
    limits: TraceLimits,
    /// Of [`TraceLimits::bytes`].
    left: usize,
    slots: usize,
    steps: u32,
    stopped: Option<Stop>,
}

impl<I> Limited<I> {
    /// Nobody looks on before [`Self::watch`].
    pub(crate) fn new(limits: &TraceLimits) -> Self {
        let (limits, left) = (limits.clone(), limits.bytes);
        Self { inner: None, records: Records::default(), limits, left, slots: 0, steps: 0, stopped: None }
    }

    /// Lets `inner` look on from now on.
    pub(crate) fn watch(&mut self, inner: I, records: Records) {
        self.inner = Some(inner);
        self.records = records;
        self.slots = 0;
    }

    /// Whoever has been looking on, who does no longer.
    pub(crate) const fn take(&mut self) -> Option<I> {
        self.inner.take()
    }

    /// Whether the execution was given up: then what it seemed to result in is nothing.
    pub(crate) const fn stopped(&self) -> Option<Stop> {
        self.stopped
    }

    /// What is left of [`TraceLimits::bytes`].
    pub(crate) const fn left(&self) -> usize {
        self.left
    }

    /// Takes over that the inspector has no room left.
    fn notice(&mut self, context: &mut Context) {
        let is_full = matches!(context.error(), Err(ContextError::Custom(why)) if why.as_str() == INSPECTOR_FULL);
        if is_full && self.stopped.is_none() {
            self.stopped = Some(Stop::Size);
        }
    }

    const fn spend(&mut self, bytes: usize) {
        match self.left.checked_sub(bytes) {
            Some(left) => self.left = left,
            None => self.stopped = Some(Stop::Size),
        }
    }

    /// Counts one instruction, and ends the execution where a limit is reached.
    fn meter(&mut self, interpreter: &mut Interpreter, context: &mut Context) {
        if self.inner.is_some() && self.records.steps {
            let stack = if self.records.stack { WORD * interpreter.stack.len() } else { 0 };
            // SLOAD and SSTORE.
            if self.records.storage && matches!(interpreter.bytecode.opcode(), 0x54 | 0x55) {
                self.slots += 1;
                self.spend(SLOT * self.slots);
            }
            self.spend(STEP + stack);
        }
        self.steps = self.steps.wrapping_add(1);
        if self.stopped.is_none() && self.steps.is_multiple_of(CLOCK_EVERY) {
            self.stopped = self.limits.stop();
        }
        if self.stopped.is_some() {
            if context.error().is_ok() {
                *context.error() = Err(ContextError::Custom("given up".to_owned()));
            }
            interpreter.bytecode.action().take();
            interpreter.bytecode.reset_action();
            interpreter.halt_fatal();
        }
    }
}

impl<I: Inspector<Context>> Look for Limited<I> {
    fn frame_init(
        evm: &mut Instance<Self>,
        init: FrameInit,
    ) -> Result<FrameInitResult<'_, Frame>, ContextDbError<Context>> {
        evm.inspect_frame_init(init)
    }

    fn frame_run(evm: &mut Instance<Self>) -> Result<FrameInitOrResult<Frame>, ContextDbError<Context>> {
        evm.inspect_frame_run()
    }

    fn refused(evm: &mut Instance<Self>, init: &mut FrameInit, result: &mut FrameResult) {
        let (context, inspector) = evm.ctx_inspector();
        // What an inspector would put in the frame's place counts as little as the frame itself.
        let _ = frame_start(context, inspector, &mut init.frame_input);
        frame_end(context, inspector, &init.frame_input, result);
    }
}

impl<I: Inspector<Context>> Inspector<Context> for Limited<I> {
    fn initialize_interp(&mut self, interpreter: &mut Interpreter, context: &mut Context) {
        if let Some(inner) = &mut self.inner {
            inner.initialize_interp(interpreter, context);
            self.notice(context);
        }
    }

    fn step(&mut self, interpreter: &mut Interpreter, context: &mut Context) {
        if let Some(inner) = &mut self.inner {
            inner.step(interpreter, context);
            self.notice(context);
        }
        self.meter(interpreter, context);
    }

    fn step_end(&mut self, interpreter: &mut Interpreter, context: &mut Context) {
        if let Some(inner) = &mut self.inner {
            inner.step_end(interpreter, context);
            self.notice(context);
        }
    }

    fn log(&mut self, context: &mut Context, log: Log) {
        if let Some(inner) = &mut self.inner {
            inner.log(context, log);
        }
    }

    fn log_full(&mut self, interpreter: &mut Interpreter, context: &mut Context, log: Log) {
        if let Some(inner) = &mut self.inner {
            self.left = self.left.saturating_sub(log.data.data.len());
            inner.log_full(interpreter, context, log);
        }
    }

    fn frame_start(&mut self, context: &mut Context, input: &mut FrameInput) -> Option<FrameResult> {
        let inner = self.inner.as_mut()?;
        let result = inner.frame_start(context, input);
        let bytes = match input {
            FrameInput::Call(call) => call.input.len(),
            FrameInput::Create(create) => create.init_code().len(),
            FrameInput::Empty => 0,
        };
        self.notice(context);
        self.spend(FRAME + bytes);
        result
    }

    fn frame_end(&mut self, context: &mut Context, input: &FrameInput, result: &mut FrameResult) {
        if let Some(inner) = &mut self.inner {
            inner.frame_end(context, input, result);
            self.spend(result.interpreter_result().output.len());
        }
    }

    fn call(&mut self, context: &mut Context, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.inner.as_mut()?.call(context, inputs)
    }

    fn call_end(&mut self, context: &mut Context, inputs: &CallInputs, outcome: &mut CallOutcome) {
        if let Some(inner) = &mut self.inner {
            inner.call_end(context, inputs, outcome);
        }
    }

    fn create(&mut self, context: &mut Context, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.inner.as_mut()?.create(context, inputs)
    }

    fn create_end(&mut self, context: &mut Context, inputs: &CreateInputs, outcome: &mut CreateOutcome) {
        if let Some(inner) = &mut self.inner {
            inner.create_end(context, inputs, outcome);
        }
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        if let Some(inner) = &mut self.inner {
            inner.selfdestruct(contract, target, value);
        }
    }
}
