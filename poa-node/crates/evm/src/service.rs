//! Transactions that offer nothing for their gas, and who may send them where a chain certifies such senders (aura.md
//! §3.3, §3.4).

use std::sync::Arc;

use alloy::primitives::{Address, keccak256};
use aurum_types::{StateError, StateReader, Transaction};

use crate::{
    BlockEnv, Evm, EvmError, Rules,
    abi::{ICertifier, IRegistrar},
    read_only::{Reader, Words},
    transaction,
};

/// Name of the certifier in the registrar.
const CHECKER: &str = "service_transaction_checker";

/// What a chain says about transactions that offer nothing for their gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZeroPrice {
    /// Nobody pays for gas: they are like all others.
    Usual,
    /// They cannot be in a block: there is a fixed price.
    Never,
    /// Anybody's can be in a block, exempt from the base fee.
    Anybody,
    /// Those of certified senders can be in a block (`validateServiceTransactionsTransition`).
    Certified,
}

impl Evm {
    /// Whether a transaction offers nothing for its gas: no price, or neither price nor tip.
    pub fn is_zero_price(tx: &Transaction) -> bool {
        transaction::is_zero_price(tx)
    }

    /// What holds for transactions that offer nothing, under these rules.
    pub const fn zero_price(rules: &Rules) -> ZeroPrice {
        if rules.gas_free {
            ZeroPrice::Usual
        } else if !rules.zero_price_is_exempt() {
            ZeroPrice::Never
        } else if rules.certified_zero_price_only {
            ZeroPrice::Certified
        } else {
            ZeroPrice::Anybody
        }
    }

    /// Whether the chain's service transaction checker certifies `sender`, on the state after the block `env`.
    ///
    /// # Errors
    /// Only faults; a contract that does not answer certifies nobody.
    pub fn is_certified(&self, state: Arc<dyn StateReader>, env: &BlockEnv, sender: Address) -> Result<bool, EvmError> {
        let registrar = self.spec.params.registrar;
        if registrar.is_none() {
            return Ok(false);
        }
        Ok(is_certified(&mut self.reader(state, env), registrar, sender)?)
    }
}

/// Whether `sender` is certified by the contract the registrar names (OpenEthereum service_transaction_checker.rs
/// `check_address`). No registrar, no contract, no answer: not certified.
pub(crate) fn is_certified(
    reader: &mut Reader,
    registrar: Option<Address>,
    sender: Address,
) -> Result<bool, StateError> {
    let Some(registrar) = registrar else { return Ok(false) };
    let lookup = IRegistrar::getAddressCall { name: keccak256(CHECKER), key: "A".to_owned() };
    let answer = reader.output(registrar, &lookup)?;
    let checker = Words::of(&answer).and_then(|words| words.address(0)).filter(|checker| !checker.is_zero());
    let Some(checker) = checker else { return Ok(false) };
    let answer = reader.output(checker, &ICertifier::certifiedCall { who: sender })?;
    Ok(Words::of(&answer).and_then(|words| words.bool(0)).unwrap_or(false))
}
