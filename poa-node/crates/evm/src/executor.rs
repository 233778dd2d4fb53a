//! revm's phases with this chain's rules in place of a fork's: fees, warm accounts, what new accounts start with.

use std::marker::PhantomData;

use alloy::primitives::{Address, Bytes, U256};
use revm::{
    Journal,
    context::JournalTr,
    context_interface::{Block, Cfg, ContextTr, Transaction, journaled_state::account::JournaledAccountTr},
    handler::{EvmTr, FrameData, FrameResult, Handler, ItemOrResult, pre_execution},
    interpreter::{CreateInputs, FrameInput, interpreter_action::FrameInit},
    primitives::{constants::CALL_STACK_LIMIT, hardfork::SpecId},
};

use crate::{
    Rules,
    cancel::CANCELLED,
    database::{BlockState, Unreadable},
    inspect::Look,
    machine::{Failure, Fees, Instance},
    permission::FrameGuard,
};

/// How an execution ends that would have to run wasm.
pub(crate) const WASM: &str = "code that begins as wasm cannot be run";

/// How a module of WebAssembly begins.
const WASM_MAGIC: &[u8] = b"\0asm";

/// What the block's rules say about frames.
#[derive(Clone, Debug)]
pub(crate) struct Frames {
    /// The fork the journal keeps the state as.
    journal: SpecId,
    /// Nonce of a new account.
    start_nonce: u64,
    /// Nonce of a new contract.
    contract_nonce: u64,
    /// Code may begin with 0xef (no EIP-3541).
    allows_ef_code: bool,
    /// The author's account is warm (EIP-3651).
    warm_author: bool,
    /// Parity would run wasm.
    wasm: bool,
}

impl Frames {
    pub(crate) fn of(rules: &Rules) -> Self {
        Self {
            journal: rules.journal_spec(),
            start_nonce: rules.start_nonce(),
            contract_nonce: rules.contract_nonce(),
            allows_ef_code: rules.allows_ef_code(),
            warm_author: rules.warm_author(),
            wasm: rules.has_wasm(),
        }
    }
}

/// The nonce of an account that stands where a contract is being created.
#[derive(Clone, Copy, Debug)]
struct Aside {
    address: Address,
    nonce: u64,
}

impl Aside {
    fn put_back<I: Look>(self, evm: &mut Instance<I>) -> Result<(), Failure> {
        evm.ctx.journaled_state.load_account_mut(self.address)?.data.set_nonce(self.nonce);
        Ok(())
    }
}

/// One execution: a transaction, or a frame without one.
pub(crate) struct Executor<'a, I> {
    fees: Fees,
    frames: &'a Frames,
    /// Judges every frame but the first, where the spec asks for it.
    guard: Option<&'a mut FrameGuard>,
    /// What [`Self::set_aside`] did for frames that are running.
    aside: Vec<Aside>,
    inspector: PhantomData<I>,
}

impl<'a, I: Look> Executor<'a, I> {
    pub(crate) const fn new(fees: Fees, frames: &'a Frames) -> Self {
        Self { fees, frames, guard: None, aside: Vec::new(), inspector: PhantomData }
    }

    /// The same, with a judge of frames.
    pub(crate) fn guarded_by(mut self, guard: Option<&'a mut FrameGuard>) -> Self {
        self.guard = guard;
        self
    }

    /// What the guard puts in an inner frame's place, if it does.
    fn refuses(&mut self, evm: &Instance<I>, init: &FrameInit) -> Result<Option<FrameResult>, Failure> {
        let Some(guard) = &mut self.guard else { return Ok(None) };
        let input = || match &init.frame_input {
            FrameInput::Call(call) => call.input.bytes(&evm.ctx),
            FrameInput::Create(_) | FrameInput::Empty => Bytes::new(),
        };
        guard.refuses(&init.frame_input, input).map_err(|error| Failure::Database(Unreadable(error)))
    }

    /// Starts a frame. `None` when it runs; the result when it ended at once.
    fn start(&mut self, evm: &mut Instance<I>, init: FrameInit) -> Result<Option<FrameResult>, Failure> {
        if evm.ctx.journaled_state.database.gives_up() {
            return Err(Failure::Custom(CANCELLED.to_owned()));
        }
        if self.frames.wasm && runs_wasm(&init.frame_input) {
            return Err(Failure::Custom(WASM.to_owned()));
        }
        let mut aside = None;
        if let FrameInput::Create(inputs) = &init.frame_input
            && self.frames.start_nonce != 0
        {
            aside = self.set_aside(evm, inputs, init.depth)?;
        }
        let started = I::frame_init(evm, init)?.map_item(|frame| match &frame.data {
            FrameData::Create(create) => Some(create.created_address),
            FrameData::Call(_) => None,
        });
        match started {
            ItemOrResult::Result(result) => {
                if let Some(aside) = aside {
                    aside.put_back(evm)?;
                }
                Ok(Some(result))
            }
            ItemOrResult::Item(None) => Ok(None),
            ItemOrResult::Item(Some(created)) => {
                self.aside.extend(aside);
                // revm has given it 1, and gives it 0 if the frame fails. Nobody has looked at the nonce in between.
                if let Some(account) = evm.ctx.journaled_state.evm_state_mut().get_mut(&created) {
                    account.info.nonce = self.frames.contract_nonce;
                }
                Ok(None)
            }
        }
    }

    /// A contract may be created where an account has neither code nor any nonce but the first (OpenEthereum
    /// `exists_and_has_code_or_nonce`). revm asks for a nonce of 0 instead. So, where the first nonce is another, an account
    /// with the first nonce is given 0 in the journal until it is a contract, and one with 0 the first.
    fn set_aside(&self, evm: &mut Instance<I>, inputs: &CreateInputs, depth: usize) -> Result<Option<Aside>, Failure> {
        let first = self.frames.start_nonce;
        let journal = &mut evm.ctx.journaled_state;
        let caller = &journal.load_account(inputs.caller())?.data.info;
        // revm looks at the new address only after these two.
        if depth > CALL_STACK_LIMIT as usize || caller.balance < inputs.value() {
            return Ok(None);
        }
        let address = inputs.created_address(caller.nonce);
        let mut account = journal.load_account_mut(address)?.data;
        let nonce = account.nonce();
        let other = match nonce {
            nonce if nonce == first => 0,
            0 if !account.account().is_loaded_as_not_existing() => first,
            _ => return Ok(None),
        };
        account.set_nonce(other);
        Ok(Some(Aside { address, nonce }))
    }

    /// Runs the frame on top. Where code may begin with 0xef, revm must take itself for older than EIP-3541 when it ends.
    fn step(&self, evm: &mut Instance<I>) -> Result<ItemOrResult<FrameInit, FrameResult>, Failure> {
        if !self.frames.allows_ef_code {
            return Ok(I::frame_run(evm)?);
        }
        let spec = evm.ctx.cfg.spec;
        evm.ctx.cfg.spec = spec.min(SpecId::BERLIN);
        let result = I::frame_run(evm);
        evm.ctx.cfg.spec = spec;
        Ok(result?)
    }
}

/// Whether Parity would hand this code to its wasm interpreter (OpenEthereum `VmFactory::create`).
fn runs_wasm(input: &FrameInput) -> bool {
    let is_wasm = |code: &[u8]| code.len() > WASM_MAGIC.len() && code.starts_with(WASM_MAGIC);
    match input {
        FrameInput::Call(call) => is_wasm(call.known_bytecode.1.original_byte_slice()),
        FrameInput::Create(create) => is_wasm(create.init_code()),
        FrameInput::Empty => false,
    }
}

impl<I: Look> Handler for Executor<'_, I> {
    type Evm = Instance<I>;
    type Error = Failure;
    type HaltReason = revm::context_interface::result::HaltReason;

    /// Warms what the transaction names, and the author from EIP-3651 on.
    fn load_accounts(&self, evm: &mut Instance<I>) -> Result<(), Failure> {
        let warming = if self.frames.warm_author { SpecId::SHANGHAI } else { SpecId::BERLIN };
        let spec = std::mem::replace(&mut evm.ctx.cfg.spec, warming);
        let result = pre_execution::load_accounts(evm);
        evm.ctx.cfg.spec = spec;
        evm.ctx.journaled_state.set_spec_id(self.frames.journal);
        result
    }

    fn run_exec_loop(&mut self, evm: &mut Instance<I>, first: FrameInit) -> Result<FrameResult, Failure> {
        if let Some(result) = self.start(evm, first)? {
            return Ok(result);
        }
        loop {
            let result = match self.step(evm)? {
                ItemOrResult::Item(mut init) => match self.refuses(evm, &init)? {
                    Some(mut refusal) => {
                        I::refused(evm, &mut init, &mut refusal);
                        refusal
                    }
                    None => match self.start(evm, init)? {
                        Some(result) => result,
                        None => continue,
                    },
                },
                ItemOrResult::Result(result) => result,
            };
            if let FrameResult::Create(outcome) = &result
                && !outcome.result.result.is_ok()
                && let Some(at) = self.aside.iter().rposition(|aside| Some(aside.address) == outcome.address)
            {
                self.aside.swap_remove(at).put_back(evm)?;
            }
            if let Some(result) = evm.frame_return_result(result)? {
                return Ok(result);
            }
        }
    }

    /// The author gets what is above the base fee; the base fee goes to the collector or is burnt.
    fn reward_beneficiary(&self, evm: &mut Instance<I>, result: &mut FrameResult) -> Result<(), Failure> {
        let (block, tx, cfg, journal, _, _) = evm.ctx().all_mut();
        if self.fees.free || cfg.is_fee_charge_disabled() {
            return Ok(());
        }
        let base_fee = u128::from(block.basefee());
        let price = tx.effective_gas_price(base_fee);
        // A zero-price transaction is exempt: it pays no base fee either.
        let collected = price.min(base_fee);
        let gas = U256::from(result.gas().used());
        let author = block.beneficiary();
        credit(journal, author, U256::from(price - collected) * gas)?;
        if let Some(collector) = self.fees.collector.filter(|_| collected != 0) {
            credit(journal, collector, U256::from(collected) * gas)?;
        }
        Ok(())
    }
}

/// Gives a receiver of fees what is due. Where the state sets fees aside, an account that the transaction has not looked at
/// stays so, and is owed: then transactions do not follow from each other by paying the same author.
fn credit(journal: &mut Journal<BlockState>, receiver: Address, amount: U256) -> Result<(), Failure> {
    if journal.evm_state().contains_key(&receiver) || !journal.database.owe(receiver, amount) {
        journal.load_account_mut(receiver)?.incr_balance(amount);
    }
    Ok(())
}
