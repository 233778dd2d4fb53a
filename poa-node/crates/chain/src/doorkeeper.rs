//! What the pool asks of the chain: would the next block take this transaction?

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use alloy::{
    consensus::Transaction as _,
    primitives::{Address, B256},
};
use aurum_evm::{BlockEnv, Denial, Evm, EvmError, PermissionRequest, Rules, TxInvalid, ZeroPrice};
use aurum_pool::{Admission, Denied, Origin, PoolConfig, Refusal};
use aurum_types::{Account, Recovered, StateReader, Transaction};
use lru::LruCache;

use crate::{Fault, reader::Reader, recent::Link};

/// Code of an account that delegates to a contract (EIP-7702); it may still send.
const DELEGATION: &[u8] = &[0xef, 0x01, 0x00];
/// Senders whose certification is remembered at one head.
const CERTIFICATIONS: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");

/// Answers at the head.
pub(crate) struct Doorkeeper {
    reader: Arc<Reader>,
    /// `--refuse-service-transactions`.
    refuse_service_transactions: bool,
    /// `--jsonrpc-allow-unprotected-txs`.
    allow_unprotected: bool,
    certified: Mutex<Certified>,
}

/// Who is certified to send for nothing, at one head (OpenEthereum service_transaction_checker.rs: asked anew after each
/// block).
struct Certified {
    head: B256,
    senders: LruCache<Address, bool>,
}

impl Admission for Doorkeeper {
    fn account(&self, address: Address) -> Result<Account, Refusal> {
        let (_, state) = self.reader.head_state().map_err(fault)?;
        Ok(state.account(address)?.unwrap_or_else(|| self.reader.missing_account()))
    }

    fn admits(&self, tx: &Recovered<Transaction>, origin: Origin) -> Result<(), Refusal> {
        let reader = &self.reader;
        let (head, state) = reader.head_state().map_err(fault)?;
        // What matters of the next block, whoever seals it.
        let number = head.header.number + 1;
        let timestamp = reader.clock.now().as_secs().max(head.header.timestamp.saturating_add(1));
        let base_fee = reader.base_fee_after(&head.header);
        let rules = reader.evm.rules(number, timestamp);
        reader.evm.validate_tx_stateless(&rules, tx.inner()).map_err(refusal)?;
        if let Some(have) = tx.chain_id()
            && have != reader.spec.params.chain_id
        {
            // Valid in a block before `validateChainIdTransition`, but certainly a mistake of the sender.
            return Err(Refusal::ChainId { have, want: reader.spec.params.chain_id });
        }
        // Valid in a block for ever; but whoever sees it can send it on any other chain where the sender has an account.
        let eip155 = reader.spec.params.eip155_transition.is_some_and(|from| number >= from);
        if eip155 && tx.chain_id().is_none() && origin == Origin::Local && !self.allow_unprotected {
            return Err(Refusal::NotReplayProtected);
        }
        if tx.gas_limit() > head.header.gas_limit {
            return Err(Refusal::GasLimit);
        }
        self.admits_fee(tx, origin, &rules, base_fee, &head, &state)?;
        let development = reader.evm.development();
        let impersonated = development.is_some_and(|development| development.impersonated(tx.inner()).is_some());
        if !impersonated && reader.spec.params.eip3607_transition.is_some_and(|from| number >= from) {
            refuse_code(&*state, tx.signer())?;
        }
        let request = PermissionRequest::of(tx.signer(), tx.inner());
        match reader.evm.check_permission(state, &BlockEnv::of(&head.header), head.hash, &request) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(denial)) => Err(Refusal::NotPermitted(Box::new(denied(&denial)))),
            Err(error) => Err(evm_refusal(error)),
        }
    }
}

impl Doorkeeper {
    /// What it judges by is in `config`.
    pub(crate) fn new(reader: Arc<Reader>, config: &PoolConfig) -> Self {
        let PoolConfig { refuse_service_transactions, allow_unprotected, .. } = *config;
        let certified = Certified { head: B256::ZERO, senders: LruCache::new(CERTIFICATIONS) };
        Self { reader, refuse_service_transactions, allow_unprotected, certified: Mutex::new(certified) }
    }

    /// The chain's base fee, and this node's own minimum, which binds what other nodes send (OpenEthereum pool/verifier.rs
    /// `verify_transaction`: the tip counts, and local transactions are exempt).
    fn admits_fee(
        &self,
        tx: &Recovered<Transaction>,
        origin: Origin,
        rules: &Rules,
        base_fee: Option<u64>,
        head: &Link,
        state: &Arc<dyn StateReader>,
    ) -> Result<(), Refusal> {
        let zero_price = Evm::zero_price(rules);
        match zero_price {
            ZeroPrice::Usual => return Ok(()),
            ZeroPrice::Anybody | ZeroPrice::Certified if Evm::is_zero_price(tx.inner()) => {
                return self.admits_zero_price(tx.signer(), origin, zero_price, base_fee, head, state);
            }
            _ => {}
        }
        let have = tx.max_fee_per_gas();
        if let Some(want) = base_fee.map(u128::from).filter(|want| have < *want) {
            return Err(Refusal::FeeBelowBase { have, want });
        }
        if !origin.is_ours() && tx.max_priority_fee_per_gas().unwrap_or(have) < self.reader.min_gas_price() {
            return Err(Refusal::Underpriced);
        }
        Ok(())
    }

    /// A transaction that offers nothing (aura.md §3.3): this node takes it from its own clients and of certified senders,
    /// and of anybody if it asks no price at all; the chain may demand the certificate of everybody.
    fn admits_zero_price(
        &self,
        sender: Address,
        origin: Origin,
        zero_price: ZeroPrice,
        base_fee: Option<u64>,
        head: &Link,
        state: &Arc<dyn StateReader>,
    ) -> Result<(), Refusal> {
        let asks_a_price = self.reader.min_gas_price() > 0 || base_fee.is_some_and(|fee| fee > 0);
        let too_cheap = asks_a_price && !origin.is_ours();
        if too_cheap && self.refuse_service_transactions {
            return Err(Refusal::Underpriced);
        }
        let by_the_chain = zero_price == ZeroPrice::Certified;
        if (!too_cheap && !by_the_chain) || self.is_certified(sender, head, state)? {
            return Ok(());
        }
        Err(if by_the_chain { refusal(TxInvalid::Uncertified) } else { Refusal::Underpriced })
    }

    fn is_certified(&self, sender: Address, head: &Link, state: &Arc<dyn StateReader>) -> Result<bool, Refusal> {
        let known = |certified: &mut Certified| {
            if certified.head != head.hash {
                certified.head = head.hash;
                certified.senders.clear();
            }
            certified.senders.get(&sender).copied()
        };
        if let Some(answer) = known(&mut self.certified.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(answer);
        }
        let env = BlockEnv::of(&head.header);
        let answer = self.reader.evm.is_certified(Arc::clone(state), &env, sender).map_err(evm_refusal)?;
        let mut certified = self.certified.lock().unwrap_or_else(PoisonError::into_inner);
        if certified.head == head.hash {
            certified.senders.put(sender, answer);
        }
        Ok(answer)
    }
}

fn refuse_code(state: &dyn StateReader, sender: Address) -> Result<(), Refusal> {
    let Some(account) = state.account(sender)?.filter(Account::has_code) else { return Ok(()) };
    if state.code(account.code_hash)?.starts_with(DELEGATION) {
        return Ok(());
    }
    Err(Refusal::SenderHasCode(sender))
}

/// The denial as the pool hands it to clients.
fn denied(denial: &Denial) -> Denied {
    let text = denial.to_string();
    let explanation = text.strip_prefix("Transaction is not permitted.").unwrap_or(&text).trim_start().to_owned();
    Denied {
        explanation,
        reason: denial.code().to_owned(),
        needed: denial.needed.bit(),
        have: denial.have,
        contract: denial.contract,
        block: denial.block,
    }
}

fn refusal(invalid: TxInvalid) -> Refusal {
    match invalid {
        TxInvalid::UnsupportedType(_) => Refusal::UnsupportedType,
        TxInvalid::ChainId { have: Some(have), want } => Refusal::ChainId { have, want },
        TxInvalid::ChainId { have: None, .. } => Refusal::NotReplayProtected,
        TxInvalid::IntrinsicGas { have, want } => Refusal::IntrinsicGas { have, want },
        TxInvalid::GasAboveBlock { .. } => Refusal::GasLimit,
        TxInvalid::FeeBelowBaseFee { have, base_fee } => Refusal::FeeBelowBase { have, want: base_fee },
        TxInvalid::TipAboveFee => Refusal::TipAboveFee,
        TxInvalid::Oversized { have, limit } => {
            Refusal::Oversized { have, limit: usize::try_from(limit).unwrap_or(usize::MAX) }
        }
        TxInvalid::InitCodeTooLarge { have, limit } => Refusal::InitCode { have, limit },
        other => Refusal::Other(other.to_string()),
    }
}

fn evm_refusal(error: EvmError) -> Refusal {
    match error {
        EvmError::Fault(fault) => Refusal::Fault(fault),
        EvmError::Invalid(invalid) => Refusal::Other(invalid.to_string()),
    }
}

fn fault(fault: Fault) -> Refusal {
    Refusal::Fault(match fault {
        Fault::State(state) => state,
        other => aurum_types::StateError::new(other),
    })
}
