//! The state at genesis: the spec's accounts, then its constructors (aura.md §4.4).

use std::sync::Arc;

use alloy::primitives::{Address, B256, Bytes, U256};
use aurum_types::{Account, BlockNumber, EMPTY_CODE_HASH, StateChanges, StateError, StateReader, genesis_accounts};
use tracing::warn;

use crate::{
    BlockEnv, Evm, EvmError, Rules,
    database::CleanUp,
    machine::{BareCode, FrameEnd, Machine},
};

/// The state before genesis.
#[derive(Debug)]
struct Nothing;

impl StateReader for Nothing {
    fn account(&self, _: Address) -> Result<Option<Account>, StateError> {
        Ok(None)
    }

    fn storage(&self, _: Address, _: U256) -> Result<U256, StateError> {
        Ok(U256::ZERO)
    }

    fn code(&self, hash: B256) -> Result<Bytes, StateError> {
        if hash == EMPTY_CODE_HASH {
            return Ok(Bytes::new());
        }
        Err(StateError::new(format!("nothing before genesis has code {hash}")))
    }

    fn block_hash(&self, _: BlockNumber) -> Result<Option<B256>, StateError> {
        Ok(None)
    }
}

impl Evm {
    /// The state at genesis, as changes on the empty state.
    ///
    /// Constructors run in address order as creations by 0x0 with unlimited gas (OpenEthereum `Spec::run_constructors`). The
    /// account keeps its balance and becomes a new contract; whatever it creates or destroys stays, since nothing is
    /// cleaned up at genesis. A constructor that fails leaves its account as the spec has it, with a warning. The first one
    /// that does not leaves an empty account at 0x0: the value of nothing that it is sent creates a missing sender.
    ///
    /// # Errors
    /// Only faults.
    pub fn genesis(&self) -> Result<StateChanges, EvmError> {
        let genesis = &self.spec.genesis;
        let rules = self.rules(0, genesis.timestamp);
        let env = BlockEnv {
            number: 0,
            timestamp: genesis.timestamp,
            author: genesis.author,
            difficulty: genesis.difficulty,
            gas_limit: u64::MAX,
            base_fee: None,
            parent_hash: genesis.parent_hash,
            empty_steps: Bytes::new(),
        };
        let mut machine = self.block_machine(&rules, Arc::new(Nothing), &env);
        machine.state().apply(genesis_accounts(&self.spec))?;
        for (address, account) in &self.spec.accounts {
            if let Some(constructor) = &account.constructor {
                self.construct(&mut machine, &rules, *address, constructor)?;
            }
        }
        Ok(machine.state().changes())
    }

    fn construct(
        &self,
        machine: &mut Machine,
        rules: &Rules,
        address: Address,
        constructor: &Bytes,
    ) -> Result<(), EvmError> {
        let before = machine.state().account(address)?;
        if before.is_some_and(|account| account.nonce != rules.start_nonce() || account.has_code()) {
            warn!(%address, "constructor at genesis not run: the account exists already");
            return Ok(());
        }
        let saved = machine.state().snapshot(address)?;
        let nonce = rules.contract_nonce();
        let balance = before.map_or(U256::ZERO, |account| account.balance);
        machine.state().wipe_storage(address)?;
        machine.state().set_account(address, Account { nonce, balance, ..Account::default() })?;
        let bare = BareCode { code: constructor.clone(), is_static: false };
        let (end, state) = machine.run_frame(Address::ZERO, address, Bytes::new(), Some(bare))?;
        let failure = match end {
            FrameEnd::Returned(code) => match rules.refuse_code(&code) {
                None => {
                    machine.commit(&state, CleanUp::None)?;
                    machine.state().set_code(address, code)?;
                    machine.state().ensure_exists(Address::ZERO)?;
                    return Ok(());
                }
                Some(reason) => reason.to_owned(),
            },
            FrameEnd::Reverted(_) => "reverted".to_owned(),
            FrameEnd::Halted(reason) => reason,
        };
        warn!(%address, %failure, "constructor at genesis failed");
        machine.state().restore(address, saved);
        Ok(())
    }
}
