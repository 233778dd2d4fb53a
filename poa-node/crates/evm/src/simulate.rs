//! `eth_simulateV1`: transactions as if in blocks to come, one after the other, each on what those before it left behind.

use std::sync::Arc;

use alloy::{
    primitives::map::HashMap,
    rpc::types::{BlockOverrides, state::StateOverride},
};
use aurum_types::{StateChanges, StateReader};
use revm::context::TxEnv;
use revm_inspectors::transfer::TransferInspector;

use crate::{
    BlockEnv, CallOutcome, CallRequest, Evm, EvmError, InvalidExecution, TraceError, TraceLimits, TxInvalid,
    call::{call_tx, override_account, override_block, override_precompiles},
    database::{BlockState, CleanUp},
    inspect::{Limited, Records},
    machine::{Machine, Refused},
    precompiles::Precompiles,
    trace::stopped,
};

/// How transactions are simulated.
#[derive(Clone, Copy, Debug)]
pub struct SimulationMode {
    /// With a block's own demands on nonce, fee and balance, instead of a call's.
    pub validation: bool,
    /// Wei that move leave a log, as if ether were a token at 0xeeee…eeee (ERC-7528).
    pub transfers: bool,
}

/// A simulated transaction.
#[derive(Clone, Debug)]
pub struct SimulatedCall {
    /// Its nonce.
    pub nonce: u64,
    /// Its gas limit.
    pub gas_limit: u64,
    /// How it ended.
    pub outcome: CallOutcome,
}

/// Why a simulation has no result, with the codes of execution-apis.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// A transaction of it cannot be in its block.
    #[error("{0}")]
    Invalid(TxInvalid),
    /// The block has less gas left than a transaction asks for.
    #[error("block gas limit reached: remaining {left}, required {gas}")]
    BlockGas {
        /// What it asks for.
        gas: u64,
        /// What is left.
        left: u64,
    },
    /// It takes too long, or something failed on our side.
    #[error(transparent)]
    Trace(#[from] TraceError),
}

impl From<EvmError> for SimulationError {
    fn from(error: EvmError) -> Self {
        match error {
            EvmError::Invalid(InvalidExecution::Call(invalid)) => Self::Invalid(invalid),
            other => Self::Trace(other.into()),
        }
    }
}

impl From<aurum_types::StateError> for SimulationError {
    fn from(error: aurum_types::StateError) -> Self {
        Self::Trace(error.into())
    }
}

/// Blocks that are simulated on top of a state.
#[derive(Debug)]
pub struct Simulator {
    evm: Evm,
    /// `None` only while a block runs.
    state: Option<BlockState>,
    mode: SimulationMode,
    limits: TraceLimits,
}

impl Evm {
    /// A simulation on `state`, the one after the block `env`.
    pub fn simulator(
        &self,
        state: Arc<dyn StateReader>,
        env: &BlockEnv,
        mode: SimulationMode,
        limits: TraceLimits,
    ) -> Simulator {
        let rules = self.rules(env.number, env.timestamp);
        let state = BlockState::new(state, self.codes.clone(), rules.accounts());
        Simulator { evm: self.clone(), state: Some(state), mode, limits }
    }

    /// The block as it is not.
    ///
    /// # Errors
    /// [`InvalidExecution::Call`] for a value that no block can have.
    pub fn overridden(env: &BlockEnv, overrides: Option<&BlockOverrides>) -> Result<BlockEnv, EvmError> {
        override_block(env, overrides)
    }
}

impl Simulator {
    /// Runs the next block. Where `overrides` says so, accounts are as they are not before its first transaction.
    ///
    /// # Errors
    /// [`SimulationError`]; the simulation is over then.
    pub fn block(
        &mut self,
        env: &BlockEnv,
        overrides: Option<&StateOverride>,
        calls: &[CallRequest],
    ) -> Result<Vec<SimulatedCall>, SimulationError> {
        self.limits.check()?;
        let rules = self.evm.rules(env.number, env.timestamp);
        let ended = || EvmError::fault("a simulation went on after it had failed");
        let mut state = self.state.take().ok_or_else(ended)?;
        if let Some(parent) = env.number.checked_sub(1) {
            state = state.with_parent_hash(parent, env.parent_hash);
        }
        let precompiles = override_precompiles(Precompiles::at(self.evm.spec(), env.number), overrides)?;
        let machine = if self.mode.validation {
            Machine::for_block(&rules, precompiles, state, env)
        } else {
            Machine::for_calls(&rules, precompiles, state, env)
        };
        let mut machine = machine.with_inspector(Limited::new(&self.limits));
        for (address, account) in overrides.into_iter().flat_map(HashMap::iter) {
            override_account(machine.state(), *address, account)?;
        }
        let mut used = 0_u64;
        let mut found = Vec::with_capacity(calls.len());
        for request in calls {
            // Transfers run no instruction at which the inspector would look.
            self.limits.check()?;
            let left = env.gas_limit.saturating_sub(used);
            let gas_limit = request.gas.unwrap_or(left);
            if gas_limit > left {
                return Err(SimulationError::BlockGas { gas: gas_limit, left });
            }
            let account = machine.state().account(request.from)?.unwrap_or_default();
            if account.balance < request.value {
                let (have, want) = (account.balance, request.value);
                return Err(SimulationError::Invalid(TxInvalid::InsufficientFunds { have, want }));
            }
            let nonce = request.nonce.unwrap_or(account.nonce);
            let granted = request.gas_cap.map_or(gas_limit, |cap| gas_limit.min(cap));
            let tx = TxEnv { gas_limit: granted, ..call_tx(&rules, request, nonce) };
            let transfers = TransferInspector::new(false).with_logs(self.mode.transfers);
            machine.inspector().watch(transfers, Records::default());
            let run = machine.transact(tx);
            stopped(machine.inspector())?;
            let (result, state) = run.map_err(|refused| match refused {
                Refused::Invalid(error) => SimulationError::Invalid(error),
                Refused::Fault(error) => error.into(),
            })?;
            machine.commit(&state, CleanUp::Transaction)?;
            let outcome = CallOutcome::of(result);
            used = used.saturating_add(outcome.gas_used());
            found.push(SimulatedCall { nonce, gas_limit, outcome });
        }
        self.limits.bytes = machine.inspector().left();
        self.state = Some(machine.into_state());
        Ok(found)
    }

    /// Everything that the blocks so far, and what they were told to take for granted, change in the state.
    pub fn changes(&self) -> StateChanges {
        self.state.as_ref().map(BlockState::changes).unwrap_or_default()
    }
}
