//! Questions the node asks contracts: calls from 0x0 with 50 million gas whose effects are forgotten (OpenEthereum
//! `call_contract`).

use std::sync::Arc;

use alloy::{
    primitives::{Address, Bytes, TxKind, U256},
    sol_types::SolCall,
};
use aurum_types::{StateError, StateReader, ValidatorSet};
use revm::context::TxEnv;

use crate::{
    BlockEnv, Evm, EvmError, InvalidExecution,
    abi::{IBlockGasLimit, IRights, IValidatorSet},
    machine::{Machine, Refused},
    permission::{Permission, Right},
};

/// Gas of a question: a chain may have blocks with less, and still a long list of validators.
const GAS: u64 = 50_000_000;

/// Asks contracts about one state. Reads are remembered from question to question.
#[derive(Debug)]
pub(crate) struct Reader(Machine);

impl Reader {
    /// The raw answer; `None` when the call failed.
    pub(crate) fn ask(&mut self, contract: Address, data: Vec<u8>) -> Result<Option<Bytes>, StateError> {
        let tx = TxEnv {
            caller: Address::ZERO,
            gas_limit: GAS,
            gas_price: 0,
            kind: TxKind::Call(contract),
            data: data.into(),
            ..TxEnv::default()
        };
        match self.0.transact(tx) {
            Ok((result, _)) => Ok(result.is_success().then(|| result.into_output().unwrap_or_default())),
            Err(Refused::Invalid(_)) => Ok(None),
            Err(Refused::Fault(error)) => Err(error),
        }
    }

    /// The decoded answer; `None` when the call failed or answered something else.
    pub(crate) fn call<C: SolCall>(&mut self, contract: Address, call: &C) -> Result<Option<C::Return>, StateError> {
        let output = self.ask(contract, call.abi_encode())?;
        Ok(output.and_then(|output| C::abi_decode_returns(&output).ok()))
    }

    /// Whether the account has code.
    pub(crate) fn has_code(&mut self, address: Address) -> Result<bool, StateError> {
        Ok(self.0.state().account(address)?.is_some_and(|account| account.has_code()))
    }
}

impl Evm {
    /// A reader of the state after the block `env`.
    pub(crate) fn reader(&self, state: Arc<dyn StateReader>, env: &BlockEnv) -> Reader {
        let env = BlockEnv { gas_limit: env.gas_limit.max(GAS), ..env.clone() };
        Reader(self.call_machine(state, &env))
    }

    /// `getValidators()` of a validator contract, on the state after the block `env`.
    ///
    /// # Errors
    /// [`InvalidExecution::Validators`] when the contract does not answer with a list.
    pub fn validators(
        &self,
        state: Arc<dyn StateReader>,
        env: &BlockEnv,
        contract: Address,
    ) -> Result<ValidatorSet, EvmError> {
        self.reader(state, env)
            .call(contract, &IValidatorSet::getValidatorsCall {})?
            .map(ValidatorSet::new)
            .ok_or_else(|| InvalidExecution::Validators { contract }.into())
    }

    /// Rights of an account by the permission contract in force after the block `env`: bits of [`Right`]. Without a
    /// permission contract everybody has every right. A contract without `rightsOf` (Parity's own) is asked for the
    /// types it allows, and everybody may read.
    ///
    /// # Errors
    /// Only faults.
    pub fn rights(&self, state: Arc<dyn StateReader>, env: &BlockEnv, account: Address) -> Result<u32, EvmError> {
        let Some(contract) = self.rules(env.number.saturating_add(1), env.timestamp).permission_contract() else {
            return Ok(u32::MAX);
        };
        let mut reader = self.reader(state, env);
        if let Some(rights) = reader.call(contract, &IRights::rightsOfCall { account })? {
            return Ok(rights);
        }
        let types = Permission::new(contract, env.number, reader).types_of(account)?;
        Ok(types | Right::Read.bit())
    }

    /// What a block gas limit contract (`blockGasLimitContractTransitions`) prescribes for the child of the block `env`;
    /// `None` when it does not answer, and the ordinary bounds apply (aura.md §3.5).
    ///
    /// # Errors
    /// Only faults.
    pub fn block_gas_limit(
        &self,
        state: Arc<dyn StateReader>,
        env: &BlockEnv,
        contract: Address,
    ) -> Result<Option<U256>, EvmError> {
        Ok(self.reader(state, env).call(contract, &IBlockGasLimit::blockGasLimitCall {})?)
    }
}
