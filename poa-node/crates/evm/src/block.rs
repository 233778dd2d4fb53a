//! One block from its first system call to its rewards, in OpenEthereum's order (aura.md §2.5). Importing a block and
//! building one go through the same [`BlockRunner`], so they cannot disagree.

use std::sync::Arc;

use alloy::{
    consensus::Transaction as _,
    primitives::{Address, Bytes, U256, map::HashMap},
    sol_types::SolCall,
};
use aurum_types::{ExecutionOutcome, Receipt, ReceiptOutcome, RecoveredBlock, StateReader, Transaction};

use revm::context_interface::result::ResultAndState;

use crate::{
    BlockEnv, Evm, EvmError, InvalidExecution, PermissionRequest, PushError, Rules, TxInvalid,
    abi::IValidatorSet,
    database::{BlockState, CleanUp, Write},
    engine::Roots,
    inspect::Look,
    machine::{Machine, Refused},
    parallel::Guess,
    permission::{FrameGuard, Mask, Permission, Sent},
    read_only::Reader,
    rewards::{self, Reward},
    rules::ReceiptForm,
    service,
    system_call::system_call,
    transaction,
};

/// On which terms a transaction runs, whoever runs it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// It pays no base fee.
    exempt: bool,
    /// Its sender may have code (EIP-3607).
    sender_may_have_code: bool,
}

impl Terms {
    pub(crate) fn of(evm: &Evm, rules: &Rules, tx: &Transaction) -> Self {
        let zero_price = transaction::is_zero_price(tx) && !rules.gas_free;
        let impersonated = evm.development().is_some_and(|development| development.impersonated(tx).is_some());
        Self {
            exempt: zero_price && rules.zero_price_is_exempt(),
            sender_may_have_code: impersonated || !rules.reject_senders_with_code,
        }
    }
}

/// Sets a machine up for the transaction that `mask` let in.
pub(crate) fn set_up<I: Look>(
    machine: &mut Machine<I>,
    terms: Terms,
    sender: Address,
    tx: &Transaction,
    mask: Option<Mask>,
) {
    if let Some(guard) = machine.guard() {
        guard.begin(Sent::transaction(sender, tx, mask));
    }
    machine.exempt_from_base_fee(terms.exempt);
    machine.admit_senders_with_code(terms.sender_may_have_code);
}

/// A block that is being run.
#[derive(Debug)]
pub(crate) struct BlockRunner<I = ()> {
    evm: Evm,
    env: BlockEnv,
    rules: Rules,
    machine: Machine<I>,
    permission: Option<Permission>,
    /// Masks that hold for a sender, of transactions that are in the block.
    masks: HashMap<Address, Mask>,
    /// Asks the service transaction checker, where one decides.
    certifier: Option<Reader>,
    receipts: Vec<Receipt>,
    gas_used: u64,
}

impl BlockRunner {
    /// Starts the block: code rewrites, then `finalizeChange()` where an epoch begins.
    pub(crate) fn open(
        evm: &Evm,
        parent: Arc<dyn StateReader>,
        parent_env: &BlockEnv,
        env: BlockEnv,
        begin: Option<Address>,
    ) -> Result<Self, EvmError> {
        Self::open_with(evm, parent, parent_env, env, begin, ())
    }
}

impl<I: Look> BlockRunner<I> {
    /// The same, with somebody looking on: at the system calls too.
    pub(crate) fn open_with(
        evm: &Evm,
        parent: Arc<dyn StateReader>,
        parent_env: &BlockEnv,
        env: BlockEnv,
        begin: Option<Address>,
        inspector: I,
    ) -> Result<Self, EvmError> {
        let rules = evm.rules(env.number, env.timestamp);
        let permission =
            rules.permission_contract.map(|contract| Permission::new(evm, contract, parent.clone(), parent_env));
        let certifier = rules.certified_zero_price_only.then(|| evm.reader(parent.clone(), parent_env));
        let guard = FrameGuard::new(evm, rules.permission_contract, &parent, parent_env, env.number);
        let mut machine = evm.block_machine(&rules, parent, &env).with_inspector(inspector);
        machine.set_guard(guard);
        if let Some(rewrites) = evm.spec.engine.rewrite_bytecode.get(&env.number) {
            for (address, code) in rewrites {
                machine.state().set_code(*address, code.clone())?;
            }
        }
        if let Some(contract) = begin {
            system_call(&mut machine, contract, Bytes::from(IValidatorSet::finalizeChangeCall {}.abi_encode()))?;
        }
        Ok(Self {
            evm: evm.clone(),
            env,
            rules,
            machine,
            permission,
            masks: HashMap::default(),
            certifier,
            receipts: Vec::new(),
            gas_used: 0,
        })
    }

    /// Gas the block has left.
    pub(crate) const fn gas_left(&self) -> u64 {
        self.env.gas_limit.saturating_sub(self.gas_used)
    }

    /// Gas the block has used.
    pub(crate) const fn gas_used(&self) -> u64 {
        self.gas_used
    }

    /// Who looks on.
    pub(crate) const fn inspector(&mut self) -> &mut I {
        self.machine.inspector()
    }

    /// The rewards that are due now, unpaid.
    pub(crate) fn rewards(&mut self) -> Result<Vec<Reward>, EvmError> {
        rewards::owed(&self.evm.spec, &self.env, &mut self.machine)
    }

    /// The state so far, to look at.
    pub(crate) fn state(&mut self) -> &BlockState {
        self.machine.state()
    }

    /// The state so far.
    pub(crate) fn into_state(self) -> BlockState {
        self.machine.into_state()
    }

    /// Receipts so far.
    pub(crate) fn receipts(&self) -> &[Receipt] {
        &self.receipts
    }

    /// Checks the rights of every sender before anything runs. Gives the mask that let each transaction in.
    pub(crate) fn check_permissions(&mut self, block: &RecoveredBlock) -> Result<Vec<Option<Mask>>, EvmError> {
        let mut masks = Vec::new();
        for (index, tx) in block.transactions().enumerate() {
            let mask = self
                .permit(tx.signer(), tx.inner())?
                .map_err(|denial| InvalidExecution::NotPermitted { index, denial })?;
            self.remember(tx.signer(), mask);
            masks.push(mask);
        }
        Ok(masks)
    }

    /// Whether the sender has the right, by the mask it has already or a new one.
    pub(crate) fn permit(
        &mut self,
        sender: Address,
        tx: &Transaction,
    ) -> Result<Result<Option<Mask>, crate::Denial>, EvmError> {
        let Some(permission) = &mut self.permission else { return Ok(Ok(None)) };
        let known = self.masks.get(&sender).copied();
        let (mask, decision) = permission.decide(&PermissionRequest::of(sender, tx), known)?;
        Ok(decision.map(|()| Some(mask)))
    }

    /// Keeps a mask for later transactions of the sender. Only of transactions that are in the block: then the masks in
    /// use are a function of the block, whatever was tried while building it.
    pub(crate) fn remember(&mut self, sender: Address, mask: Option<Mask>) {
        if let Some(mask) = mask.filter(Mask::is_for_sender) {
            self.masks.insert(sender, mask);
        }
    }

    /// Runs one transaction that `mask` let in. An error leaves no trace.
    pub(crate) fn run(
        &mut self,
        sender: Address,
        tx: &Transaction,
        mask: Option<Mask>,
        roots: Option<Roots<'_>>,
    ) -> Result<(), PushError> {
        self.run_seen(sender, tx, mask, roots, |_, _| Ok(()))
    }

    /// [`Self::run`], where `seen` sees what the transaction does before the state has it.
    pub(crate) fn run_seen(
        &mut self,
        sender: Address,
        tx: &Transaction,
        mask: Option<Mask>,
        roots: Option<Roots<'_>>,
        seen: impl FnOnce(&mut Machine<I>, &ResultAndState) -> Result<(), EvmError>,
    ) -> Result<(), PushError> {
        self.fits(tx)?;
        transaction::validate(&self.rules, tx).map_err(PushError::Invalid)?;
        self.certify(sender, tx)?;
        if self.rules.receipts == ReceiptForm::StateRoot && roots.is_none() {
            return Err(EvmError::fault("receipts before EIP-658 need Evm::execute_with_roots").into());
        }
        set_up(&mut self.machine, Terms::of(&self.evm, &self.rules, tx), sender, tx, mask);
        let (result, state) =
            self.machine.transact(transaction::tx_env(&self.rules, sender, tx)).map_err(|refused| match refused {
                Refused::Invalid(error) => PushError::Invalid(error),
                Refused::Fault(error) => PushError::Fault(error.into()),
            })?;
        let outcome = ResultAndState::new(result, state);
        seen(&mut self.machine, &outcome)?;
        self.conclude(sender, tx, outcome, &[], roots)
    }

    /// [`Self::run`], which notes what becomes of which account where somebody wants to know.
    pub(crate) fn run_noting(
        &mut self,
        sender: Address,
        tx: &Transaction,
        mask: Option<Mask>,
        writes: Option<&mut Vec<Write>>,
    ) -> Result<(), PushError> {
        let Some(writes) = writes else { return self.run(sender, tx, mask, None) };
        self.run_seen(sender, tx, mask, None, |_, outcome| {
            *writes = Write::drafts(&outcome.state);
            Ok(())
        })?;
        self.machine.state().fill_in(writes);
        Ok(())
    }

    /// Takes a guess for the run of a transaction that `mask` let in, if nothing of the state it was made on was otherwise
    /// than here. `false` leaves no trace.
    ///
    /// # Errors
    /// Those of [`Self::run`] that come before anything runs.
    pub(crate) fn take(&mut self, sender: Address, tx: &Transaction, guess: Guess) -> Result<bool, PushError> {
        // Guesses are made of transactions that are valid whatever the state.
        self.fits(tx)?;
        self.certify(sender, tx)?;
        if !self.machine.state().agrees(&guess.trial).unwrap_or(false) {
            return Ok(false);
        }
        self.machine.state().expect_sender(sender);
        self.conclude(sender, tx, guess.outcome, guess.trial.owed(), None).map(|()| true)
    }

    fn fits(&self, tx: &Transaction) -> Result<(), PushError> {
        let (gas, left) = (tx.gas_limit(), self.gas_left());
        if gas > left { Err(PushError::DoesNotFit { gas, left }) } else { Ok(()) }
    }

    /// Where zero-price transactions need a certified sender, whether this is one.
    fn certify(&mut self, sender: Address, tx: &Transaction) -> Result<(), PushError> {
        if transaction::is_zero_price(tx)
            && !self.rules.gas_free
            && let Some(certifier) = &mut self.certifier
        {
            let registrar = self.evm.spec.params.registrar;
            if !service::is_certified(certifier, registrar, sender).map_err(EvmError::Fault)? {
                return Err(PushError::Invalid(TxInvalid::Uncertified));
            }
        }
        Ok(())
    }

    /// Puts down what a transaction did, then the fees that it owes.
    fn conclude(
        &mut self,
        sender: Address,
        tx: &Transaction,
        ResultAndState { result, state }: ResultAndState,
        owed: &[(Address, U256)],
        roots: Option<Roots<'_>>,
    ) -> Result<(), PushError> {
        self.machine.commit(&state, CleanUp::Transaction).map_err(EvmError::Fault)?;
        self.machine.settle(owed).map_err(EvmError::Fault)?;
        if let Some(development) = self.evm.development().filter(|_| result.is_success()) {
            development.apply(sender, tx, self.machine.state()).map_err(EvmError::Fault)?;
        }
        self.gas_used = self.gas_used.saturating_add(result.tx_gas_used());
        let outcome = match (self.rules.receipts, roots) {
            (ReceiptForm::Status, _) => ReceiptOutcome::Status(result.is_success()),
            (ReceiptForm::StateRoot, Some(root)) => {
                let changes = self.machine.state().changes();
                ReceiptOutcome::StateRoot(root(&changes).map_err(EvmError::Fault)?)
            }
            (ReceiptForm::Bare | ReceiptForm::StateRoot, _) => ReceiptOutcome::Unknown,
        };
        self.receipts.push(Receipt {
            tx_type: tx.tx_type(),
            outcome,
            cumulative_gas_used: self.gas_used,
            logs: result.into_logs(),
        });
        Ok(())
    }

    /// Ends the block: rewards, then everything as a value.
    pub(crate) fn close(mut self) -> Result<ExecutionOutcome, EvmError> {
        rewards::pay(&self.evm.spec, &self.env, &mut self.machine)?;
        let changes = self.machine.state().changes();
        Ok(ExecutionOutcome { receipts: self.receipts, gas_used: self.gas_used, changes })
    }
}
