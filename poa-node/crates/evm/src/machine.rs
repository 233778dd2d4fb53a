//! revm, set up with this chain's parts: our database, opcodes, prices, precompiles, fees. One machine runs everything of
//! one block.

use std::fmt;

use alloy::primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use aurum_types::StateError;
use revm::{
    Journal,
    bytecode::opcode,
    context::{BlockEnv as RevmBlock, CfgEnv, Context as RevmContext, Evm as RevmEvm, JournalTr, TxEnv},
    context_interface::{
        Cfg, LocalContextTr,
        block::BlobExcessGasAndPrice,
        context::take_error,
        journaled_state::account::JournaledAccountTr,
        result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction},
    },
    handler::{EthFrame, FrameResult, Handler, instructions::EthInstructions},
    interpreter::{
        CallInput, CallInputs, CallScheme, CallValue, FrameInput, Instruction, SharedMemory, SuccessOrHalt,
        interpreter::EthInterpreter, interpreter_action::FrameInit,
    },
    state::{Bytecode, EvmState},
};

use crate::{
    BlockEnv, Cancel, EvmError, InvalidExecution, Rules, TxInvalid,
    cancel::{self, CANCELLED},
    database::{BlockState, CleanUp, Unreadable},
    executor::{Executor, Frames, WASM},
    inspect::Look,
    permission::FrameGuard,
    precompiles::Precompiles,
};

pub(crate) type Context = RevmContext<RevmBlock, TxEnv, CfgEnv, BlockState, Journal<BlockState>, ()>;
pub(crate) type Instance<I> =
    RevmEvm<Context, I, EthInstructions<EthInterpreter, Context>, Precompiles, EthFrame<EthInterpreter>>;
pub(crate) type Failure = EVMError<Unreadable, InvalidTransaction>;

/// Gas of a system call and of a constructor at genesis. OpenEthereum gives 2^256 − 1; this is as much as revm's signed
/// and unsigned 64-bit counters both hold.
pub(crate) const UNLIMITED_GAS: u64 = i64::MAX as u64;

/// Who gets the fees of a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fees {
    /// Nobody pays or receives anything.
    pub(crate) free: bool,
    /// Receives the base fee instead of nobody.
    pub(crate) collector: Option<Address>,
}

/// A transaction could not run.
#[derive(Debug)]
pub(crate) enum Refused {
    Invalid(TxInvalid),
    Fault(StateError),
}

/// How a frame without a transaction around it ended.
#[derive(Debug)]
pub(crate) enum FrameEnd {
    Returned(Bytes),
    Reverted(Bytes),
    Halted(String),
}

/// Code that runs without being anybody's: where and how.
#[derive(Debug)]
pub(crate) struct BareCode {
    pub(crate) code: Bytes,
    pub(crate) is_static: bool,
}

/// revm over one block's state. Generic over revm's inspector `I` for tracing; `()` inspects nothing.
pub(crate) struct Machine<I = ()> {
    evm: Instance<I>,
    fees: Fees,
    frames: Frames,
    /// Judges the frames of transactions, where the spec asks for it.
    guard: Option<Box<FrameGuard>>,
}

impl<I> fmt::Debug for Machine<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine").field("fees", &self.fees).finish_non_exhaustive()
    }
}

impl Machine {
    /// A machine for the transactions of the block `env`.
    pub(crate) fn for_block(rules: &Rules, precompiles: Precompiles, state: BlockState, env: &BlockEnv) -> Self {
        let fees = Fees { free: rules.gas_free, collector: rules.fee_collector };
        Self::new(rules, rules.cfg(), fees, precompiles, state, env)
    }

    /// A machine for calls as if in the block `env`: no demands on nonce, fees and balance.
    pub(crate) fn for_calls(rules: &Rules, precompiles: Precompiles, state: BlockState, env: &BlockEnv) -> Self {
        Self::new(rules, rules.call_cfg(), Fees { free: true, collector: None }, precompiles, state, env)
    }

    fn new(
        rules: &Rules,
        cfg: CfgEnv,
        fees: Fees,
        precompiles: Precompiles,
        state: BlockState,
        env: &BlockEnv,
    ) -> Self {
        let spec = cfg.spec;
        let mut context: Context = RevmContext::new(state, spec).with_cfg(cfg);
        context.block = block_env(env);
        context.journaled_state.set_spec_id(rules.journal_spec());
        context.journaled_state.warm_precompiles(precompiles.addresses());
        let evm = RevmEvm::new(context, rules.instructions(), precompiles);
        Self { evm, fees, frames: Frames::of(rules), guard: None }
    }

    /// The same machine with somebody looking on.
    pub(crate) fn with_inspector<I: Look>(self, inspector: I) -> Machine<I> {
        let Self { evm, fees, frames, guard } = self;
        Machine { evm: evm.with_inspector(inspector), fees, frames, guard }
    }
}

impl<I: Look> Machine<I> {
    /// Who looks on.
    pub(crate) const fn inspector(&mut self) -> &mut I {
        &mut self.evm.inspector
    }

    /// What the last run saw of its transaction, block and state.
    pub(crate) const fn context(&mut self) -> &mut Context {
        &mut self.evm.ctx
    }

    /// The block's state, without the machine.
    pub(crate) fn into_state(self) -> BlockState {
        self.evm.ctx.journaled_state.database
    }

    /// The block's state so far.
    pub(crate) fn state(&mut self) -> &mut BlockState {
        self.evm.ctx.journaled_state.db_mut()
    }

    /// Lets `guard` judge the frames of transactions from now on; system calls stay free.
    pub(crate) fn set_guard(&mut self, guard: Option<FrameGuard>) {
        self.guard = guard.map(Box::new);
    }

    /// Lets `cancel` end what runs from now on.
    pub(crate) fn cancel_with(&mut self, cancel: Cancel) {
        self.state().cancel_with(cancel);
        let table = self.evm.instruction.instruction_table_mut();
        table[usize::from(opcode::JUMPDEST)] = Instruction::new(cancel::jumpdest);
    }

    /// The same, which also ends what runs for more than `steps` JUMPDESTs and frames from now on.
    pub(crate) fn limit(&mut self, cancel: Cancel, steps: u64) {
        self.cancel_with(cancel);
        self.state().count_steps(steps);
    }

    /// The judge of frames, if there is one.
    pub(crate) fn guard(&mut self) -> Option<&mut FrameGuard> {
        self.guard.as_deref_mut()
    }

    /// Lets the next transaction offer less than the base fee, or not.
    pub(crate) fn exempt_from_base_fee(&mut self, exempt: bool) {
        self.evm.ctx.cfg.disable_base_fee = exempt;
    }

    /// Lets contracts send the next transaction, or not (EIP-3607).
    pub(crate) fn admit_senders_with_code(&mut self, admit: bool) {
        self.evm.ctx.cfg.disable_eip3607 = admit;
    }

    /// Runs a transaction. Nothing is changed before [`Self::commit`] is given what it returns.
    pub(crate) fn transact(&mut self, tx: TxEnv) -> Result<(ExecutionResult, EvmState), Refused> {
        self.state().expect_sender(tx.caller);
        self.evm.ctx.tx = tx;
        let mut executor = Executor::new(self.fees, &self.frames).guarded_by(self.guard.as_deref_mut());
        let result = executor.run(&mut self.evm);
        let state = self.evm.ctx.journaled_state.finalize();
        match result {
            Ok(result) => Ok((result, state)),
            Err(error) => Err(refused(error, &self.evm.ctx)),
        }
    }

    /// Runs one frame without a transaction around it: no intrinsic gas, no fee, no nonce; [`UNLIMITED_GAS`], which
    /// GASLIMIT shows too. Logs and refunds are dropped (aura.md §2.4). With `bare`, that code runs at `target`
    /// instead of the account's own.
    pub(crate) fn run_frame(
        &mut self,
        caller: Address,
        target: Address,
        data: Bytes,
        bare: Option<BareCode>,
    ) -> Result<(FrameEnd, EvmState), EvmError> {
        let gas_limit = std::mem::replace(&mut self.evm.ctx.block.gas_limit, u64::MAX);
        let result = self.run_frame_inner(caller, target, data, bare);
        let state = self.evm.ctx.journaled_state.finalize();
        self.evm.ctx.local.clear();
        self.evm.frame_stack.clear();
        self.evm.ctx.block.gas_limit = gas_limit;
        let result = result.map_err(|error| match refused(error, &self.evm.ctx) {
            Refused::Fault(error) => EvmError::Fault(error),
            Refused::Invalid(TxInvalid::Wasm) => {
                InvalidExecution::SystemCall { contract: target, reason: WASM.to_owned() }.into()
            }
            Refused::Invalid(error) => EvmError::fault(format!("a system call was taken for a transaction: {error}")),
        })?;
        let output = result.interpreter_result().output.clone();
        let end = match SuccessOrHalt::<HaltReason>::from(result.interpreter_result().result) {
            SuccessOrHalt::Success(_) => FrameEnd::Returned(output),
            SuccessOrHalt::Revert => FrameEnd::Reverted(output),
            SuccessOrHalt::Halt(reason) => FrameEnd::Halted(reason.to_string()),
            SuccessOrHalt::FatalExternalError | SuccessOrHalt::Internal(_) => {
                return Err(EvmError::fault("the interpreter stopped without an error"));
            }
        };
        Ok((end, state))
    }

    fn run_frame_inner(
        &mut self,
        caller: Address,
        target: Address,
        data: Bytes,
        bare: Option<BareCode>,
    ) -> Result<FrameResult, Failure> {
        let context = &mut self.evm.ctx;
        context.tx = TxEnv {
            caller,
            kind: TxKind::Call(target),
            gas_limit: UNLIMITED_GAS,
            gas_price: 0,
            data: data.clone(),
            ..TxEnv::default()
        };
        context.journaled_state.load_account(caller)?;
        let account = context.journaled_state.load_account_with_code(target)?;
        let mut known_bytecode = (account.info.code_hash, account.info.code.clone().unwrap_or_default());
        if let Some(delegate) = known_bytecode.1.eip7702_address() {
            let account = context.journaled_state.load_account_with_code(delegate)?;
            known_bytecode = (account.info.code_hash, account.info.code.clone().unwrap_or_default());
        }
        let is_static = bare.as_ref().is_some_and(|bare| bare.is_static);
        if let Some(bare) = bare {
            known_bytecode = (keccak256(&bare.code), Bytecode::new_legacy(bare.code));
        }
        let inputs = CallInputs {
            input: CallInput::Bytes(data),
            return_memory_offset: 0..0,
            gas_limit: UNLIMITED_GAS,
            reservoir: 0,
            bytecode_address: target,
            known_bytecode,
            target_address: target,
            caller,
            value: if is_static { CallValue::Apparent(U256::ZERO) } else { CallValue::Transfer(U256::ZERO) },
            scheme: if is_static { CallScheme::StaticCall } else { CallScheme::Call },
            is_static,
            charged_new_account_state_gas: false,
        };
        let memory = SharedMemory::new_with_buffer(context.local.shared_memory_buffer().clone());
        let first = FrameInit { depth: 0, memory, frame_input: FrameInput::Call(Box::new(inputs)) };
        let result = Executor::new(self.fees, &self.frames).run_exec_loop(&mut self.evm, first)?;
        take_error::<Failure, _>(&mut self.evm.ctx.error)?;
        Ok(result)
    }

    /// Puts what a run returned on top of the block's state.
    pub(crate) fn commit(&mut self, state: &EvmState, clean_up: CleanUp) -> Result<(), StateError> {
        self.state().commit(state, clean_up)
    }

    /// Gives receivers of fees what they are owed, in order, after everything their transaction did besides.
    pub(crate) fn settle(&mut self, owed: &[(Address, U256)]) -> Result<(), StateError> {
        if owed.is_empty() {
            return Ok(());
        }
        let journal = &mut self.evm.ctx.journaled_state;
        let result = owed.iter().try_for_each(|(receiver, amount)| {
            journal.load_account_mut(*receiver).map(|mut account| account.incr_balance(*amount)).map(drop)
        });
        let state = journal.finalize();
        result.map_err(|error: Unreadable| error.0)?;
        self.commit(&state, CleanUp::Transaction)
    }
}

fn block_env(env: &BlockEnv) -> RevmBlock {
    RevmBlock {
        number: U256::from(env.number),
        beneficiary: env.author,
        timestamp: U256::from(env.timestamp),
        gas_limit: env.gas_limit,
        basefee: env.base_fee.unwrap_or_default(),
        difficulty: env.difficulty,
        // From Shanghai's opcodes on, PREVRANDAO shows the difficulty: there is no other randomness in a header.
        prevrandao: Some(B256::from(env.difficulty)),
        // Demanded by revm from Cancun on; no transaction of this chain carries blobs.
        blob_excess_gas_and_price: Some(BlobExcessGasAndPrice { excess_blob_gas: 0, blob_gasprice: 1 }),
        slot_num: 0,
    }
}

fn refused(error: Failure, context: &Context) -> Refused {
    let error = match error {
        EVMError::Transaction(error) => error,
        EVMError::Database(error) => return Refused::Fault(error.0),
        EVMError::Header(error) => return Refused::Fault(StateError::new(error.to_string())),
        EVMError::Custom(error) if error == CANCELLED => return Refused::Invalid(TxInvalid::Cancelled),
        EVMError::Custom(error) if error == WASM => return Refused::Invalid(TxInvalid::Wasm),
        EVMError::Custom(error) => return Refused::Fault(StateError::new(error)),
        EVMError::CustomAny(error) => return Refused::Fault(StateError::new(error.to_string())),
    };
    let tx = &context.tx;
    Refused::Invalid(match error {
        InvalidTransaction::NonceTooLow { tx, state } => TxInvalid::NonceTooLow { tx, state },
        InvalidTransaction::NonceTooHigh { tx, state } => TxInvalid::NonceTooHigh { tx, state },
        InvalidTransaction::NonceOverflowInTransaction => TxInvalid::NonceOverflow,
        InvalidTransaction::LackOfFundForMaxFee { fee, balance } => {
            TxInvalid::InsufficientFunds { have: *balance, want: *fee }
        }
        InvalidTransaction::OverflowPaymentInTransaction => TxInvalid::FeeOverflow,
        InvalidTransaction::GasPriceLessThanBasefee => {
            TxInvalid::FeeBelowBaseFee { have: tx.gas_price, base_fee: context.block.basefee.into() }
        }
        InvalidTransaction::PriorityFeeGreaterThanMaxFee => TxInvalid::TipAboveFee,
        InvalidTransaction::CallGasCostMoreThanGasLimit { initial_gas, gas_limit } => {
            TxInvalid::IntrinsicGas { have: gas_limit, want: initial_gas }
        }
        InvalidTransaction::GasFloorMoreThanGasLimit { gas_floor, gas_limit } => {
            TxInvalid::IntrinsicGas { have: gas_limit, want: gas_floor }
        }
        InvalidTransaction::RejectCallerWithCode => TxInvalid::SenderHasCode,
        InvalidTransaction::CreateInitCodeSizeLimit => {
            TxInvalid::InitCodeTooLarge { have: tx.data.len(), limit: context.cfg.max_initcode_size() }
        }
        InvalidTransaction::EmptyAuthorizationList => TxInvalid::EmptyAuthorizationList,
        InvalidTransaction::Eip2930NotSupported
        | InvalidTransaction::Eip1559NotSupported
        | InvalidTransaction::Eip4844NotSupported
        | InvalidTransaction::Eip7702NotSupported => TxInvalid::UnsupportedType(tx.tx_type),
        other => TxInvalid::Other(other.to_string()),
    })
}
