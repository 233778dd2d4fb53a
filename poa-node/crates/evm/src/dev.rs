//! What a development chain does and no other can: edits of its state, and transactions of accounts whose keys nobody has.
//!
//! Both are in the blocks' bodies, as transactions, and are executed wherever the block is: an edited chain is verified,
//! traced and replayed after a restart like any other ([why](../../../../docs/decisions/0010-edits-are-transactions.md)).
//!
//! - An *edit* is a transaction of [`AUTHORITY`] to [`EDITS`] whose data is a list of [`Edit`]s in RLP. It runs as a plain
//!   call of an account without code; if it succeeds, the edits are made after it.
//! - An *impersonated* transaction has the signature r = its sender, s = 0. No key makes such a signature.
//!
//! They mean this only on a chain whose one authority, for good, is [`AUTHORITY`]. Its key is public: whoever reads this can
//! seal any block there. A chain with anything to protect has another authority, and there nothing of this can be had:
//! [`Development`] is made by [`Evm::development`] alone.

use alloy::{
    consensus::Transaction as _,
    primitives::{Address, Bytes, Signature, TxKind, U256, address},
};
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
use aurum_types::{ChainSpec, StateError, Transaction, spec::ValidatorsSpec};

use crate::{Evm, database::BlockState};

/// The authority of every development chain: its secret key is keccak256("aurum development authority").
pub const AUTHORITY: Address = address!("5bdfec4f0d00b53d56f824e59aa0ca3e1f490bd1");

/// Where edits are sent ("aurum edits" in ASCII).
pub const EDITS: Address = address!("000000000000000000617572756d206564697473");

/// Proof that a chain is a development chain. What changes a chain's past, state or senders asks for it.
#[derive(Clone, Copy, Debug)]
pub struct Development(());

/// What an account is to have from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// This balance, in wei.
    Balance(Address, U256),
    /// This nonce.
    Nonce(Address, u64),
    /// This code. Its storage stays.
    Code(Address, Bytes),
    /// This value in a slot.
    Storage(Address, U256, U256),
}

/// An edit as it is sent: what, whose, which slot, value.
#[derive(RlpEncodable, RlpDecodable)]
struct Written {
    kind: u8,
    account: Address,
    slot: U256,
    value: Bytes,
}

impl Edit {
    fn write(&self) -> Written {
        let word = |value: &U256| Bytes::copy_from_slice(&value.to_be_bytes_trimmed_vec());
        let (kind, account, slot, value) = match self {
            Self::Balance(account, value) => (0, account, U256::ZERO, word(value)),
            Self::Nonce(account, nonce) => (1, account, U256::ZERO, word(&U256::from(*nonce))),
            Self::Code(account, code) => (2, account, U256::ZERO, code.clone()),
            Self::Storage(account, slot, value) => (3, account, *slot, word(value)),
        };
        Written { kind, account: *account, slot, value }
    }

    fn read(written: Written) -> Option<Self> {
        let Written { kind, account, slot, value } = written;
        let word = || U256::try_from_be_slice(&value);
        Some(match kind {
            0 => Self::Balance(account, word()?),
            1 => Self::Nonce(account, word()?.try_into().ok()?),
            2 => Self::Code(account, value),
            3 => Self::Storage(account, slot, word()?),
            _ => return None,
        })
    }

    /// Makes the edit.
    fn make(self, state: &mut BlockState) -> Result<(), StateError> {
        match self {
            Self::Code(account, code) => return state.set_code(account, code),
            Self::Storage(account, slot, value) => {
                state.ensure_exists(account)?;
                return state.set_storage(account, slot, value);
            }
            Self::Balance(..) | Self::Nonce(..) => {}
        }
        let (Self::Balance(address, _) | Self::Nonce(address, _)) = self else { return Ok(()) };
        state.ensure_exists(address)?;
        let mut account = state.account(address)?.unwrap_or_default();
        match self {
            Self::Balance(_, balance) => account.balance = balance,
            Self::Nonce(_, nonce) => account.nonce = nonce,
            Self::Code(..) | Self::Storage(..) => {}
        }
        state.set_account(address, account)
    }
}

impl Development {
    /// `Some` for the spec of a development chain.
    pub(crate) fn of(spec: &ChainSpec) -> Option<Self> {
        matches!(&spec.engine.validators, ValidatorsSpec::List(list) if *list == [AUTHORITY]).then_some(Self(()))
    }

    /// The data of a transaction to [`EDITS`] that makes these edits in their order.
    pub fn encode(self, edits: &[Edit]) -> Bytes {
        let written: Vec<_> = edits.iter().map(Edit::write).collect();
        let mut data = Vec::new();
        written.encode(&mut data);
        data.into()
    }

    /// The signature of a transaction of `account` without its key.
    pub fn impersonation(self, account: Address) -> Signature {
        Signature::new(U256::from_be_slice(account.as_slice()), U256::ZERO, false)
    }

    /// Who sends an impersonated transaction; `None` for one that is signed.
    pub fn impersonated(self, tx: &Transaction) -> Option<Address> {
        let signature = tx.signature();
        let r: [u8; 32] = signature.r().to_be_bytes();
        (signature.s().is_zero() && r[..12] == [0; 12]).then(|| Address::from_slice(&r[12..]))
    }

    /// Makes the edits of a transaction that succeeded. Data that is no list of edits makes none.
    pub(crate) fn apply(self, sender: Address, tx: &Transaction, state: &mut BlockState) -> Result<(), StateError> {
        if sender != AUTHORITY || tx.kind() != TxKind::Call(EDITS) {
            return Ok(());
        }
        let mut data = tx.input().as_ref();
        let Ok(written) = Vec::<Written>::decode(&mut data) else { return Ok(()) };
        let edits: Option<Vec<_>> = written.into_iter().map(Edit::read).collect();
        edits.unwrap_or_default().into_iter().try_for_each(|edit| edit.make(state))
    }
}

impl Evm {
    /// Proof that this is a development chain, if it is one.
    pub fn development(&self) -> Option<Development> {
        Development::of(&self.spec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_read_as_they_were_written() {
        let account = Address::repeat_byte(7);
        let edits = [
            Edit::Balance(account, U256::MAX),
            Edit::Balance(account, U256::ZERO),
            Edit::Nonce(account, u64::MAX),
            Edit::Code(account, Bytes::from_static(&[0x60, 0, 0])),
            Edit::Code(account, Bytes::new()),
            Edit::Storage(account, U256::MAX, U256::from(5)),
        ];
        for edit in &edits {
            assert_eq!(Edit::read(edit.write()).as_ref(), Some(edit));
        }
        let too_large = Written { kind: 1, account, slot: U256::ZERO, value: vec![1; 9].into() };
        assert_eq!(Edit::read(too_large), None);
    }

    #[test]
    fn only_a_chain_of_the_public_key_alone_is_a_development_chain() {
        let spec = |validators| {
            let mut spec = ChainSpec::parse_strict(include_str!("../../../src/dev/spec.json")).expect("the node's own");
            spec.engine.validators = validators;
            Development::of(&spec).is_some()
        };
        let other = Address::repeat_byte(1);
        assert!(spec(ValidatorsSpec::List(vec![AUTHORITY])));
        assert!(!spec(ValidatorsSpec::List(vec![])));
        assert!(!spec(ValidatorsSpec::List(vec![AUTHORITY, other])));
        assert!(!spec(ValidatorsSpec::List(vec![AUTHORITY, AUTHORITY])));
        assert!(!spec(ValidatorsSpec::List(vec![other])));
        assert!(!spec(ValidatorsSpec::SafeContract(AUTHORITY)));
        let one = ValidatorsSpec::List(vec![AUTHORITY]);
        assert!(!spec(ValidatorsSpec::Multi([(0, one)].into())), "the set may change later");
    }

    #[test]
    fn an_impersonation_names_its_sender_and_a_signature_does_not() {
        use alloy::consensus::{SignableTransaction as _, TxLegacy};
        let dev = Development(());
        let (account, unsigned) = (Address::repeat_byte(0xee), TxLegacy::default());
        let tx: Transaction = unsigned.clone().into_signed(dev.impersonation(account)).into();
        assert_eq!(dev.impersonated(&tx), Some(account));
        assert!(aurum_types::recover_sender(&tx).is_err(), "nobody else takes it for signed");
        let signed: Transaction = unsigned.into_signed(Signature::new(U256::from(1), U256::from(1), false)).into();
        assert_eq!(dev.impersonated(&signed), None);
        // r must be an address and nothing more.
        let wide: Transaction = TxLegacy::default().into_signed(Signature::new(U256::MAX, U256::ZERO, false)).into();
        assert_eq!(dev.impersonated(&wide), None);
    }
}
