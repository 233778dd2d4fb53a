//! `eth_call`: a message as if in some block, without demands on nonce, fees and balance.

use std::{collections::BTreeMap, sync::Arc};

use alloy::{
    eips::{eip2930::AccessList, eip7702::SignedAuthorization},
    primitives::{Address, Bytes, Log, TxKind, U256},
    rpc::types::{
        BlockOverrides,
        state::{AccountOverride, StateOverride},
    },
};
use aurum_types::{Account, StateReader};
use revm::{
    context::{TransactionType, TxEnv},
    context_interface::{either::Either, result::ExecutionResult},
};

use crate::{
    BlockEnv, Cancel, Evm, EvmError, InvalidExecution, PermissionRequest, Rules, TxInvalid,
    database::BlockState,
    halt,
    machine::{Machine, Refused},
    permission::{FrameGuard, Sent},
    precompiles::Precompiles,
};

/// A message to run as if in some block.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallRequest {
    /// Sender; 0x0 unless stated.
    pub from: Address,
    /// Target, or creation.
    pub to: TxKind,
    /// Gas limit; the cap unless stated. More than the cap is the cap.
    pub gas: Option<u64>,
    /// Most gas the caller of this crate grants (a node's `--rpc-gas-cap`); the block's gas limit unless stated.
    pub gas_cap: Option<u64>,
    /// What GASPRICE shows, at most: gas price or `maxFeePerGas`, in wei. Never charged.
    pub max_fee_per_gas: u128,
    /// `maxPriorityFeePerGas`, where the request is of a type that has it.
    pub max_priority_fee_per_gas: Option<u128>,
    /// Wei moved; the sender is given what it lacks.
    pub value: U256,
    /// Input, or creation code.
    pub data: Bytes,
    /// Nonce of the sender, which decides the address of a created contract; the account's unless stated.
    pub nonce: Option<u64>,
    /// EIP-2930 access list.
    pub access_list: AccessList,
    /// EIP-7702 authorizations.
    pub authorization_list: Vec<SignedAuthorization>,
    /// Accounts as they are not.
    pub state_overrides: Option<StateOverride>,
    /// The block as it is not.
    pub block_overrides: Option<BlockOverrides>,
    /// Ends the call before its time; then it fails with [`TxInvalid::Cancelled`].
    pub cancel: Option<Cancel>,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// It returned.
    Success {
        /// What it returned; for a creation, the deployed code.
        output: Bytes,
        /// Gas used.
        gas_used: u64,
        /// Logs in order.
        logs: Vec<Log>,
        /// The created contract.
        created: Option<Address>,
    },
    /// It reverted with this data.
    Revert {
        /// The revert data.
        output: Bytes,
        /// Gas used.
        gas_used: u64,
    },
    /// It was stopped, having used all gas.
    Halt {
        /// Why, in geth's words.
        reason: String,
        /// Whether the gas was too little.
        out_of_gas: bool,
        /// Gas used.
        gas_used: u64,
    },
}

impl CallOutcome {
    /// Whether it returned.
    pub const fn is_success(&self) -> bool {
        matches!(self, Self::Success { .. })
    }

    /// Gas used.
    pub const fn gas_used(&self) -> u64 {
        match self {
            Self::Success { gas_used, .. } | Self::Revert { gas_used, .. } | Self::Halt { gas_used, .. } => *gas_used,
        }
    }

    pub(crate) fn of(result: ExecutionResult) -> Self {
        let gas_used = result.tx_gas_used();
        match result {
            ExecutionResult::Success { logs, output, .. } => {
                let created = output.address().copied();
                Self::Success { output: output.into_data(), gas_used, logs, created }
            }
            ExecutionResult::Revert { output, .. } => Self::Revert { output, gas_used },
            ExecutionResult::Halt { reason, .. } => {
                let out_of_gas = matches!(reason, revm::context_interface::result::HaltReason::OutOfGas(_));
                Self::Halt { reason: halt::words(&reason), out_of_gas, gas_used }
            }
        }
    }
}

impl CallRequest {
    /// What the permission contract is asked about this call, run with `gas_limit`.
    pub fn permission_request(&self, gas_limit: u64) -> PermissionRequest {
        PermissionRequest {
            sender: self.from,
            to: self.to,
            value: self.value,
            max_fee_per_gas: self.max_fee_per_gas,
            max_priority_fee_per_gas: self.max_priority_fee_per_gas.unwrap_or(self.max_fee_per_gas),
            gas_limit,
            data: self.data.clone(),
            delegates: !self.authorization_list.is_empty(),
        }
    }
}

impl Evm {
    /// Runs a message on the state after the block `env`, as if it were in that block.
    ///
    /// # Errors
    /// [`InvalidExecution::Call`] when the message cannot start; a revert is an outcome, not an error.
    pub fn call(
        &self,
        state: Arc<dyn StateReader>,
        env: &BlockEnv,
        request: &CallRequest,
    ) -> Result<CallOutcome, EvmError> {
        let mut prepared = self.prepare(state, env, request)?;
        let gas = request.gas.unwrap_or(u64::MAX).min(prepared.cap);
        prepared.run(gas)
    }

    pub(crate) fn prepare(
        &self,
        state: Arc<dyn StateReader>,
        env: &BlockEnv,
        request: &CallRequest,
    ) -> Result<PreparedCall, EvmError> {
        self.prepare_on(state, env, request, None)
    }

    /// The same, on top of what earlier calls did to `state`.
    pub(crate) fn prepare_on(
        &self,
        state: Arc<dyn StateReader>,
        env: &BlockEnv,
        request: &CallRequest,
        after: Option<BlockState>,
    ) -> Result<PreparedCall, EvmError> {
        let env = override_block(env, request.block_overrides.as_ref())?;
        let cap = request.gas_cap.unwrap_or(env.gas_limit);
        let guard = self.call_guard(&state, &env, request)?;
        let precompiles =
            override_precompiles(Precompiles::at(self.spec(), env.number), request.state_overrides.as_ref())?;
        let state = after.unwrap_or_else(|| self.call_state(state, &env));
        let mut machine = self.call_machine_on(state, &env, precompiles);
        machine.set_guard(guard);
        if let Some(cancel) = &request.cancel {
            machine.cancel_with(cancel.clone());
        }
        for (address, account) in request.state_overrides.iter().flatten() {
            override_account(machine.state(), *address, account)?;
        }
        let before = machine.state().account(request.from)?.unwrap_or_default();
        let sender = Account {
            nonce: request.nonce.unwrap_or(before.nonce),
            balance: before.balance.max(request.value),
            ..before
        };
        if sender != before {
            machine.state().set_account(request.from, sender)?;
        }
        let rules = self.rules(env.number, env.timestamp);
        let tx = call_tx(&rules, request, sender.nonce);
        Ok(PreparedCall { machine, tx, cap })
    }
}

impl Evm {
    /// Where the spec restricts what contracts do on behalf of a sender, a call runs as its transaction would. A call of
    /// nobody in particular (from 0x0) is a question, and free.
    fn call_guard(
        &self,
        state: &Arc<dyn StateReader>,
        env: &BlockEnv,
        call: &CallRequest,
    ) -> Result<Option<FrameGuard>, EvmError> {
        let contract = self.rules(env.number, env.timestamp).permission_contract().filter(|_| !call.from.is_zero());
        let Some(mut guard) = FrameGuard::new(self, contract, state, env, env.number) else { return Ok(None) };
        let request = call.permission_request(call.gas.unwrap_or(env.gas_limit));
        let mask = guard.mask_for(&request)?;
        guard.begin(Sent::request(&request, mask));
        Ok(Some(guard))
    }
}

/// The message in revm's form, without gas.
pub(crate) fn call_tx(rules: &Rules, request: &CallRequest, nonce: u64) -> TxEnv {
    TxEnv {
        tx_type: tx_type(request) as u8,
        caller: request.from,
        gas_limit: 0,
        gas_price: if rules.gas_free { 0 } else { request.max_fee_per_gas },
        kind: request.to,
        value: request.value,
        data: request.data.clone(),
        nonce,
        chain_id: Some(rules.chain_id),
        access_list: request.access_list.clone(),
        gas_priority_fee: request.max_priority_fee_per_gas.map(|tip| if rules.gas_free { 0 } else { tip }),
        authorization_list: request.authorization_list.iter().cloned().map(Either::Left).collect(),
        ..TxEnv::default()
    }
}

/// The type whose costs apply.
fn tx_type(request: &CallRequest) -> TransactionType {
    if !request.authorization_list.is_empty() {
        TransactionType::Eip7702
    } else if request.max_priority_fee_per_gas.is_some() {
        TransactionType::Eip1559
    } else if !request.access_list.0.is_empty() {
        TransactionType::Eip2930
    } else {
        TransactionType::Legacy
    }
}

/// A call ready to be run with any gas, any number of times: nothing it does is kept.
#[derive(Debug)]
pub(crate) struct PreparedCall {
    pub(crate) machine: Machine,
    pub(crate) tx: TxEnv,
    /// Most gas it may be given.
    pub(crate) cap: u64,
}

impl PreparedCall {
    pub(crate) fn run(&mut self, gas: u64) -> Result<CallOutcome, EvmError> {
        let tx = TxEnv { gas_limit: gas, ..self.tx.clone() };
        match self.machine.transact(tx) {
            Ok((result, _)) => Ok(CallOutcome::of(result)),
            Err(Refused::Invalid(error)) => Err(InvalidExecution::Call(error).into()),
            Err(Refused::Fault(error)) => Err(error.into()),
        }
    }

    /// Whether it only moves wei: 21,000 gas if anything.
    pub(crate) fn is_plain_transfer(&mut self) -> Result<bool, EvmError> {
        let TxKind::Call(to) = self.tx.kind else { return Ok(false) };
        let to_has_code = self.machine.state().account(to)?.is_some_and(|account| account.has_code());
        Ok(self.tx.data.is_empty() && self.tx.tx_type == TransactionType::Legacy as u8 && !to_has_code)
    }
}

pub(crate) fn override_block(env: &BlockEnv, overrides: Option<&BlockOverrides>) -> Result<BlockEnv, EvmError> {
    let mut env = env.clone();
    let Some(overrides) = overrides else { return Ok(env) };
    let BlockOverrides { number, difficulty, time, gas_limit, coinbase, random, base_fee, .. } = overrides;
    let BlockOverrides { blob_base_fee, beacon_root, block_hash, .. } = overrides;
    if block_hash.as_ref().is_some_and(|hashes| !hashes.is_empty()) {
        return Err(refuse("block overrides: blockHash is not supported"));
    }
    // What nothing on this chain can see is not taken as if it could.
    if blob_base_fee.is_some_and(|fee| !fee.is_zero()) {
        return Err(refuse("block overrides: blobBaseFee is zero on this chain, which has no blobs"));
    }
    if beacon_root.is_some() {
        return Err(refuse("block overrides: parentBeaconBlockRoot is not supported"));
    }
    let number_of = |name: &str, value: U256| {
        u64::try_from(value).map_err(|_| refuse(&format!("block overrides: {name} does not fit 64 bits")))
    };
    if let Some(number) = number {
        env.number = number_of("number", *number)?;
    }
    if let Some(base_fee) = base_fee {
        env.base_fee = Some(number_of("baseFeePerGas", *base_fee)?);
    }
    env.difficulty = random.map(Into::into).or(*difficulty).unwrap_or(env.difficulty);
    env.timestamp = time.unwrap_or(env.timestamp);
    env.gas_limit = gas_limit.unwrap_or(env.gas_limit);
    env.author = coinbase.unwrap_or(env.author);
    Ok(env)
}

/// As geth's `StateOverride.Apply`: an account that is overridden is a precompile no longer; the precompile may have moved.
pub(crate) fn override_precompiles(
    precompiles: Precompiles,
    overrides: Option<&StateOverride>,
) -> Result<Precompiles, EvmError> {
    let Some(overrides) = overrides.filter(|overrides| !overrides.is_empty()) else { return Ok(precompiles) };
    let mut moved = BTreeMap::new();
    for (from, account) in overrides {
        let Some(to) = account.move_precompile_to else { continue };
        if overrides.contains_key(&to) || moved.insert(to, *from).is_some() {
            return Err(refuse(&format!("state overrides: account {to} is already overridden")));
        }
        if !precompiles.addresses().contains(from) {
            return Err(refuse(&format!("state overrides: account {from} is not a precompile")));
        }
    }
    Ok(precompiles.moved(overrides.keys(), &moved))
}

pub(crate) fn override_account(
    state: &mut BlockState,
    address: Address,
    overrides: &AccountOverride,
) -> Result<(), EvmError> {
    let AccountOverride { balance, nonce, code, state: full, state_diff, .. } = overrides;
    if full.is_some() && state_diff.is_some() {
        return Err(refuse("state overrides: account has both 'state' and 'stateDiff'"));
    }
    let account = state.account(address)?.unwrap_or_default();
    let account = Account {
        balance: balance.unwrap_or(account.balance),
        nonce: nonce.unwrap_or(account.nonce),
        code_hash: account.code_hash,
    };
    state.set_account(address, account)?;
    if let Some(code) = code {
        state.set_code(address, code.clone())?;
    }
    if full.is_some() {
        state.wipe_storage(address)?;
    }
    for (slot, value) in full.iter().chain(state_diff).flatten() {
        state.set_storage(address, (*slot).into(), (*value).into())?;
    }
    Ok(())
}

fn refuse(reason: &str) -> EvmError {
    InvalidExecution::Call(TxInvalid::Other(reason.to_owned())).into()
}
