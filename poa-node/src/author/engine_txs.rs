//! Transactions that an authority puts first into its own blocks (aura.md §2.7, §3.6; OpenEthereum
//! `generate_engine_transactions`): randomness, POSDAO's change of validators, reports of malice. Signed by the engine
//! key, without a price, with consecutive nonces. Nobody verifies that they are there.

use std::sync::Arc;

use alloy::{
    consensus::{SignableTransaction, TxLegacy},
    primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256},
};
use aurum_aura::{Signer, SignerError};
use aurum_chain::{Authoring, BlockEnv, Development, Edit};
use aurum_evm::{EvmError, RandomnessError, RandomnessPhase, calls, dev};
use aurum_types::{Recovered, StateError, Transaction};

use super::reports::ReportQueue;

/// An engine transaction may use this part of its block's gas (OpenEthereum `sensible_gas_limit`).
const GAS_PART: u64 = 5;

/// What a transaction of the engine offers for gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Price {
    /// Nothing.
    Zero,
    /// What other transactions offer.
    Usual,
}

/// Why an engine transaction is missing. The block is made without it.
#[derive(Debug, thiserror::Error)]
pub(super) enum EngineTxError {
    #[error(transparent)]
    Evm(#[from] EvmError),
    #[error(transparent)]
    Signer(#[from] SignerError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    #[error("the number committed to the randomness contract is not the one it holds")]
    OtherNumber,
    #[error("the validator contract {0} does not answer emitInitiateChangeCallable()")]
    InitiateChange(Address),
}

/// Makes transactions of the engine signer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sender<'a>(pub(super) &'a dyn Signer);

impl Sender<'_> {
    pub(super) fn address(&self) -> Address {
        self.0.address()
    }

    /// The signer's next nonce after `parent`.
    pub(super) fn nonce(&self, parent: &Authoring) -> Result<u64, StateError> {
        let start = parent.evm().spec().params.account_start_nonce;
        Ok(parent.state().account(self.address())?.map_or(start, |account| account.nonce))
    }

    /// A call of `to`, fit for a block on `parent`; `price` is in wei for a unit of gas.
    pub(super) fn sign(
        &self,
        parent: &Authoring,
        nonce: u64,
        price: u128,
        to: Address,
        input: Bytes,
    ) -> Result<Recovered<Transaction>, SignerError> {
        self.sign_with(parent, nonce, price, parent.parent().gas_limit / GAS_PART, to, input)
    }

    /// The edits of a development chain's state as a transaction, for a block on `parent` of its own.
    pub(super) fn sign_edits(
        &self,
        parent: &Authoring,
        development: Development,
        edits: &[Edit],
    ) -> Result<Recovered<Transaction>, EngineTxError> {
        // What a block may have at least, if its limit falls.
        let gas_limit = parent.parent().gas_limit / 1024 * 1022;
        let (nonce, input) = (self.nonce(parent)?, development.encode(edits));
        Ok(self.sign_with(parent, nonce, 0, gas_limit, dev::EDITS, input)?)
    }

    fn sign_with(
        &self,
        parent: &Authoring,
        nonce: u64,
        gas_price: u128,
        gas_limit: u64,
        to: Address,
        input: Bytes,
    ) -> Result<Recovered<Transaction>, SignerError> {
        let params = &parent.evm().spec().params;
        let number = parent.parent().number.saturating_add(1);
        let protected = params.eip155_transition.is_some_and(|from| number >= from);
        let tx = TxLegacy {
            chain_id: protected.then_some(params.chain_id),
            nonce,
            gas_price,
            gas_limit,
            to: TxKind::Call(to),
            value: U256::ZERO,
            input,
        };
        let signature = self.0.sign(tx.signature_hash())?;
        let (r, s) = (B256::from_slice(&signature[..32]), B256::from_slice(&signature[32..64]));
        let signature = Signature::from_scalars_and_parity(r, s, signature[64] == 1);
        Ok(Recovered::new_unchecked(tx.into_signed(signature).into(), self.address()))
    }
}

/// The engine transactions of one block.
#[derive(Debug, Default)]
pub(super) struct EngineTxs {
    signed: Vec<Recovered<Transaction>>,
    /// Reports of malice among them. All else follows from the parent's state and our own dice.
    reports: Vec<Call>,
}

impl EngineTxs {
    /// This one alone.
    pub(super) fn of(signed: Recovered<Transaction>) -> Self {
        Self { signed: vec![signed], reports: Vec::new() }
    }

    /// In their order.
    pub(super) fn signed(&self) -> &[Recovered<Transaction>] {
        &self.signed
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.signed.is_empty()
    }

    /// Whether both, of a block on one parent, report the same.
    pub(super) fn reports_match(&self, reports: &[Call]) -> bool {
        self.reports == reports
    }
}

/// The engine transactions of the block on `parent`, in their order. What cannot be made is logged and left out:
/// OpenEthereum makes no block then, and a chain whose contract is broken stands still.
pub(super) fn make(parent: &Authoring, sender: Sender<'_>, reports: &mut ReportQueue) -> EngineTxs {
    let mut wanted = Vec::new();
    for (what, calls) in [("randomness", randomness(parent, sender)), ("change of validators", initiate_change(parent))]
    {
        match calls {
            Ok(calls) => wanted.extend(calls),
            Err(error) => tracing::error!(what, %error, "engine transaction is missing from our block"),
        }
    }
    let reports = due_reports(parent, sender, reports);
    wanted.extend(reports.iter().cloned());
    if wanted.is_empty() {
        return EngineTxs::default();
    }
    match sign_all(parent, sender, wanted) {
        Ok(signed) => EngineTxs { signed, reports },
        Err(error) => {
            tracing::error!(%error, "engine transactions are missing from our block");
            EngineTxs { signed: Vec::new(), reports }
        }
    }
}

/// The reports of malice that a block on `parent` carries: the one part of [`make`] that changes while the parent stays.
pub(super) fn due_reports(parent: &Authoring, sender: Sender<'_>, reports: &mut ReportQueue) -> Vec<Call> {
    queued_reports(parent, sender, reports).unwrap_or_else(|error| {
        tracing::error!(%error, "reports are missing from our block");
        Vec::new()
    })
}

/// Contract and call data.
pub(super) type Call = (Address, Bytes);

fn sign_all(
    parent: &Authoring,
    sender: Sender<'_>,
    wanted: Vec<Call>,
) -> Result<Vec<Recovered<Transaction>>, EngineTxError> {
    let first = sender.nonce(parent)?;
    (first..).zip(wanted).map(|(nonce, (to, input))| Ok(sender.sign(parent, nonce, 0, to, input)?)).collect()
}

/// A commitment to a random number, or the number (OpenEthereum `RandomnessPhase::advance`). Nothing is kept here: the
/// contract keeps the number, encrypted to ourselves.
fn randomness(parent: &Authoring, sender: Sender<'_>) -> Result<Vec<Call>, EngineTxError> {
    let number = parent.parent().number.saturating_add(1);
    let contracts = &parent.evm().spec().engine.randomness_contracts;
    let Some((_, contract)) = contracts.range(..=number).next_back() else { return Ok(Vec::new()) };
    let (state, env) = (Arc::clone(parent.state()), BlockEnv::of(parent.parent()));
    let data = match parent.evm().randomness_phase(state, &env, *contract, sender.address())? {
        RandomnessPhase::Waiting => return Ok(Vec::new()),
        RandomnessPhase::Commit => {
            let random = B256::random();
            let commit = keccak256(random);
            calls::commit_hash(commit, sender.0.encrypt(commit.as_slice(), random.as_slice())?.into())
        }
        RandomnessPhase::Reveal { commit, cipher } => {
            let plain = sender.0.decrypt(commit.as_slice(), &cipher)?;
            let random = B256::try_from(plain.as_slice()).map_err(|_| EngineTxError::OtherNumber)?;
            if keccak256(random) != commit {
                return Err(EngineTxError::OtherNumber);
            }
            calls::reveal_number(random)
        }
    };
    Ok(vec![(*contract, data)])
}

/// The validator contract of the child, where POSDAO's rules hold.
fn posdao_contract(parent: &Authoring) -> Option<Address> {
    let number = parent.parent().number.saturating_add(1);
    let from = parent.evm().spec().engine.posdao_transition?;
    parent.engine().child_source().contract().filter(|_| number >= from)
}

fn initiate_change(parent: &Authoring) -> Result<Vec<Call>, EngineTxError> {
    let Some(contract) = posdao_contract(parent) else { return Ok(Vec::new()) };
    let (state, env) = (Arc::clone(parent.state()), BlockEnv::of(parent.parent()));
    match parent.evm().initiate_change_callable(state, &env, contract)? {
        Some(true) => Ok(vec![(contract, calls::emit_initiate_change())]),
        Some(false) => Ok(Vec::new()),
        None => Err(EngineTxError::InitiateChange(contract)),
    }
}

fn queued_reports(
    parent: &Authoring,
    sender: Sender<'_>,
    reports: &mut ReportQueue,
) -> Result<Vec<Call>, EngineTxError> {
    let Some(contract) = posdao_contract(parent) else { return Ok(Vec::new()) };
    let due = reports.for_block(sender.address(), parent, contract)?;
    Ok(due.iter().map(|report| (contract, report.call_data())).collect())
}
