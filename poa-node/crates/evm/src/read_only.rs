//! Questions the node asks contracts: calls from 0x0 with 50 million gas whose effects are forgotten (OpenEthereum
//! `call_contract`).

use std::sync::Arc;

use alloy::{
    primitives::{Address, Bytes, TxKind, U256},
    sol_types::SolCall,
};
use aurum_types::{StateError, StateReader, ValidatorSet};
use revm::{context::TxEnv, context_interface::result::ExecutionResult};

use crate::{
    BlockEnv, Evm, EvmError, InvalidExecution,
    abi::{IBlockGasLimit, IValidatorSet},
    machine::{Machine, Refused},
};

/// Gas of a question: a chain may have blocks with less, and still a long list of validators.
const GAS: u64 = 50_000_000;

/// Asks contracts about one state. Reads are remembered from question to question.
#[derive(Debug)]
pub(crate) struct Reader(Machine);

impl Reader {
    /// The raw answer; `None` when the call failed.
    pub(crate) fn ask(&mut self, contract: Address, data: Vec<u8>) -> Result<Option<Bytes>, StateError> {
        let result = self.run(contract, data)?.filter(ExecutionResult::is_success);
        Ok(result.map(|result| result.into_output().unwrap_or_default()))
    }

    /// One call; `None` when it could not start.
    fn run(&mut self, contract: Address, data: Vec<u8>) -> Result<Option<ExecutionResult>, StateError> {
        let tx = TxEnv {
            caller: Address::ZERO,
            gas_limit: GAS,
            gas_price: 0,
            kind: TxKind::Call(contract),
            data: data.into(),
            ..TxEnv::default()
        };
        match self.0.transact(tx) {
            Ok((result, _)) => Ok(Some(result)),
            Err(Refused::Invalid(_)) => Ok(None),
            Err(Refused::Fault(error)) => Err(error),
        }
    }

    /// The decoded answer; `None` when the call failed or answered something else.
    pub(crate) fn call<C: SolCall>(&mut self, contract: Address, call: &C) -> Result<Option<C::Return>, StateError> {
        let output = self.ask(contract, call.abi_encode())?;
        Ok(output.and_then(|output| C::abi_decode_returns(&output).ok()))
    }

    /// What the contract leaves behind, however the call ends: OpenEthereum's `call_contract` hands on the data of a revert
    /// like an answer, and nothing after any other failure.
    pub(crate) fn output<C: SolCall>(&mut self, contract: Address, call: &C) -> Result<Bytes, StateError> {
        Ok(self.run(contract, call.abi_encode())?.and_then(ExecutionResult::into_output).unwrap_or_default())
    }

    /// Whether the account has code.
    pub(crate) fn has_code(&mut self, address: Address) -> Result<bool, StateError> {
        Ok(self.0.state().account(address)?.is_some_and(|account| account.has_code()))
    }
}

/// An answer as OpenEthereum's ABI decoder takes it (ethabi 12): whole words or nothing, more of them than expected are as
/// good, and of a number that is too long the low bits count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words<'a>(&'a [[u8; 32]]);

impl<'a> Words<'a> {
    /// The words of an answer, if it is made of whole ones.
    pub(crate) fn of(output: &'a [u8]) -> Option<Self> {
        let (words, rest) = output.as_chunks::<32>();
        rest.is_empty().then_some(Self(words))
    }

    fn low<const N: usize>(self, index: usize) -> Option<[u8; N]> {
        self.0.get(index)?.last_chunk::<N>().copied()
    }

    /// A `uint32`.
    pub(crate) fn low_u32(self, index: usize) -> Option<u32> {
        self.low(index).map(u32::from_be_bytes)
    }

    /// The low half-word of a `uint256`.
    pub(crate) fn low_u64(self, index: usize) -> Option<u64> {
        self.low(index).map(u64::from_be_bytes)
    }

    /// An `address`.
    pub(crate) fn address(self, index: usize) -> Option<Address> {
        self.low(index).map(Address::new)
    }

    /// A `bool`: true is 1, and no bit of the other 31 bytes may be set.
    pub(crate) fn bool(self, index: usize) -> Option<bool> {
        let (last, others) = self.0.get(index)?.split_last()?;
        others.iter().all(|byte| *byte == 0).then_some(*last == 1)
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
