//! The transaction permission contract (aura.md §3.1): asked on the parent's state, from 0x0.

use std::{
    fmt,
    num::NonZeroUsize,
    sync::{Arc, PoisonError},
};

use alloy::{
    consensus::{Transaction as _, TxType},
    primitives::{Address, B256, Bytes, TxKind, U256},
};
use aurum_types::{BlockNumber, StateError, StateReader, Transaction};
use lru::LruCache;

use crate::{
    BlockEnv, Evm, EvmError,
    abi::{ITxPermission, ITxPermissionV1, ITxPermissionV2, ITxPermissionV3, ITxPermissionV4},
    read_only::Reader,
};

/// A right of an account: one bit of Parity's masks, and ours for reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Right {
    /// Send to an account without code.
    Basic,
    /// Call a contract.
    Call,
    /// Create a contract, or delegate an account to one (EIP-7702).
    Create,
    /// Read what the chain holds.
    Read,
}

impl Right {
    /// The bit.
    pub const fn bit(self) -> u32 {
        match self {
            Self::Basic => 1,
            Self::Call => 2,
            Self::Create => 4,
            Self::Read => 16,
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic => "basic",
            Self::Call => "call",
            Self::Create => "create",
            Self::Read => "read",
        })
    }
}

/// Why the right is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenialReason {
    /// The contract answered, and its answer lacks the right.
    NotGranted,
    /// The contract did not answer, or not in its interface: that is no right at all.
    NoAnswer,
    /// The contract claims an interface version nobody knows.
    UnknownVersion(U256),
}

/// A transaction its sender has no right to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Denial {
    /// Why.
    pub reason: DenialReason,
    /// The right the transaction needs.
    pub needed: Right,
    /// The rights the sender has: bits of [`Right`].
    pub have: u32,
    /// The contract that decided.
    pub contract: Address,
    /// The block whose state decided.
    pub block: BlockNumber,
}

impl Denial {
    /// The reason as a stable code for machines.
    pub const fn code(&self) -> &'static str {
        match (self.reason, self.needed) {
            (DenialReason::NoAnswer, _) => "CONTRACT_FAILED",
            (DenialReason::UnknownVersion(_), _) => "UNKNOWN_VERSION",
            (DenialReason::NotGranted, Right::Basic) => "BASIC_DENIED",
            (DenialReason::NotGranted, Right::Call) => "CALL_DENIED",
            (DenialReason::NotGranted, Right::Create) => "CREATE_DENIED",
            (DenialReason::NotGranted, Right::Read) => "READ_DENIED",
        }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reason, needed, have, contract, block } = self;
        write!(f, "Transaction is not permitted. It needs the right \"{needed}\"; ")?;
        match reason {
            DenialReason::NotGranted => {
                f.write_str("the sender has ")?;
                let rights = [Right::Basic, Right::Call, Right::Create, Right::Read];
                let mut named = rights.iter().filter(|right| have & right.bit() != 0);
                match named.next() {
                    None => f.write_str("none")?,
                    Some(first) => write!(f, "\"{first}\"")?,
                }
                for right in named {
                    write!(f, ", \"{right}\"")?;
                }
                f.write_str(" by ")?;
            }
            DenialReason::NoAnswer => f.write_str("no answer came from ")?,
            DenialReason::UnknownVersion(version) => write!(f, "interface version {version} is unknown, of ")?,
        }
        write!(f, "contract {contract} at block {block}")
    }
}

/// What of a transaction the contract is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermissionRequest {
    /// Who sends.
    pub sender: Address,
    /// Where to; creation has no target.
    pub to: TxKind,
    /// Wei moved.
    pub value: U256,
    /// Highest price of a unit of gas, in wei.
    pub max_fee_per_gas: u128,
    /// Highest tip, in wei; equal to the price where the type has no tip.
    pub max_priority_fee_per_gas: u128,
    /// Gas limit.
    pub gas_limit: u64,
    /// Input.
    pub data: Bytes,
    /// Whether accounts are delegated to contracts (EIP-7702).
    pub delegates: bool,
}

impl PermissionRequest {
    /// What of this transaction the contract is told.
    pub fn of(sender: Address, tx: &Transaction) -> Self {
        Self {
            sender,
            to: tx.kind(),
            value: tx.value(),
            max_fee_per_gas: tx.max_fee_per_gas(),
            max_priority_fee_per_gas: tx.max_priority_fee_per_gas().unwrap_or_else(|| tx.max_fee_per_gas()),
            gas_limit: tx.gas_limit(),
            data: tx.input().clone(),
            delegates: tx.tx_type() == TxType::Eip7702,
        }
    }

    /// The right it needs. Only the target of the transaction itself counts, as it is at the parent.
    pub(crate) fn needed(
        &self,
        has_code: impl FnOnce(Address) -> Result<bool, StateError>,
    ) -> Result<Right, StateError> {
        Ok(match self.to {
            _ if self.delegates => Right::Create,
            TxKind::Create => Right::Create,
            TxKind::Call(to) if has_code(to)? => Right::Call,
            TxKind::Call(_) => Right::Basic,
        })
    }
}

/// A sender's rights, as the contract stated them once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mask {
    rights: u32,
    reason: DenialReason,
    /// Whether the answer is for the sender, whatever it sends.
    sender_only: bool,
}

impl Mask {
    const fn granted(rights: u32, sender_only: bool) -> Self {
        Self { rights, reason: DenialReason::NotGranted, sender_only }
    }

    const fn none(reason: DenialReason) -> Self {
        Self { rights: 0, reason, sender_only: true }
    }

    /// The rights, as bits.
    pub(crate) const fn rights(&self) -> u32 {
        self.rights
    }

    /// Whether it may be used for other transactions of the sender.
    pub(crate) const fn is_for_sender(&self) -> bool {
        self.sender_only
    }

    fn check(&self, needed: Right, contract: Address, block: BlockNumber) -> Result<(), Denial> {
        if self.rights & needed.bit() != 0 {
            return Ok(());
        }
        Err(Denial { reason: self.reason, needed, have: self.rights, contract, block })
    }
}

/// The permission contract at one parent block.
#[derive(Debug)]
pub(crate) struct Permission {
    contract: Address,
    /// The parent, whose state decides.
    block: BlockNumber,
    reader: Reader,
    version: Option<U256>,
}

impl Permission {
    pub(crate) const fn new(contract: Address, block: BlockNumber, reader: Reader) -> Self {
        Self { contract, block, reader, version: None }
    }

    /// Asks the contract, or takes `known`. Returns the mask that decided with the decision.
    pub(crate) fn decide(
        &mut self,
        request: &PermissionRequest,
        known: Option<Mask>,
    ) -> Result<(Mask, Result<(), Denial>), StateError> {
        let needed = request.needed(|to| self.reader.has_code(to))?;
        let mask = match known {
            Some(mask) => mask,
            None => self.ask(request)?,
        };
        Ok((mask, mask.check(needed, self.contract, self.block)))
    }

    /// The types of transactions the contract allows an account, as far as that can be told without one: for a transfer
    /// of nothing to 0x0.
    pub(crate) fn types_of(&mut self, sender: Address) -> Result<u32, StateError> {
        let request = PermissionRequest {
            sender,
            to: TxKind::Call(Address::ZERO),
            value: U256::ZERO,
            max_fee_per_gas: 0,
            max_priority_fee_per_gas: 0,
            gas_limit: 21_000,
            data: Bytes::new(),
            delegates: false,
        };
        Ok(self.ask(&request)?.rights)
    }

    /// The contract's version; a contract that does not say speaks the first interface.
    pub(crate) fn version(&mut self) -> Result<U256, StateError> {
        if let Some(version) = self.version {
            return Ok(version);
        }
        let answer = self.reader.call(self.contract, &ITxPermission::contractVersionCall {})?;
        let version = answer.unwrap_or(U256::ONE);
        self.version = Some(version);
        Ok(version)
    }

    /// One `allowedTxTypes` in the contract's interface version.
    fn ask(&mut self, request: &PermissionRequest) -> Result<Mask, StateError> {
        let PermissionRequest { sender, value, gas_limit, .. } = *request;
        let to = request.to.to().copied().unwrap_or_default();
        let max_fee = U256::from(request.max_fee_per_gas);
        let version = self.version()?;
        let (contract, reader) = (self.contract, &mut self.reader);
        let answer = match u8::try_from(version).unwrap_or(u8::MAX) {
            1 => {
                let call = ITxPermissionV1::allowedTxTypesCall { sender };
                reader.call(contract, &call)?.map(|types| Mask::granted(types, true))
            }
            2 => {
                let call = ITxPermissionV2::allowedTxTypesCall { sender, to, value };
                reader.call(contract, &call)?.map(|answer| Mask::granted(answer.types, answer.senderOnly))
            }
            3 => {
                let data = request.data.clone();
                let call = ITxPermissionV3::allowedTxTypesCall { sender, to, value, gasPrice: max_fee, data };
                reader.call(contract, &call)?.map(|answer| Mask::granted(answer.types, answer.senderOnly))
            }
            4 => {
                let call = ITxPermissionV4::allowedTxTypesCall {
                    sender,
                    to,
                    value,
                    maxFeePerGas: max_fee,
                    maxPriorityFeePerGas: U256::from(request.max_priority_fee_per_gas),
                    gasLimit: U256::from(gas_limit),
                    data: request.data.clone(),
                };
                reader.call(contract, &call)?.map(|answer| Mask::granted(answer.types, answer.senderOnly))
            }
            _ => return Ok(Mask::none(DenialReason::UnknownVersion(version))),
        };
        Ok(answer.unwrap_or(Mask::none(DenialReason::NoAnswer)))
    }
}

/// Masks that hold for a sender at a parent (OpenEthereum: 4096). Serves the pool and RPC; a block under execution
/// remembers only its own included transactions (`crate::block`), so that what is valid never depends on what a node
/// happened to ask before.
#[derive(Debug)]
pub(crate) struct MaskCache(LruCache<(B256, Address), Mask>);

impl MaskCache {
    pub(crate) fn new() -> Self {
        Self(LruCache::new(NonZeroUsize::new(4096).expect("not zero")))
    }
}

impl Evm {
    /// Whether the chain permits a transaction in a child of `parent`, by the state after `parent`.
    ///
    /// # Errors
    /// Only faults; a contract that does not answer is a denial.
    pub fn check_permission(
        &self,
        state: Arc<dyn StateReader>,
        parent: &BlockEnv,
        parent_hash: B256,
        request: &PermissionRequest,
    ) -> Result<Result<(), Denial>, EvmError> {
        let number = parent.number.saturating_add(1);
        let Some(contract) = self.rules(number, parent.timestamp).permission_contract() else {
            return Ok(Ok(()));
        };
        let key = (parent_hash, request.sender);
        let known = self.masks.lock().unwrap_or_else(PoisonError::into_inner).0.get(&key).copied();
        if let Some(mask) = known {
            let has_code = |to| Ok(state.account(to)?.is_some_and(|account| account.has_code()));
            return Ok(mask.check(request.needed(has_code)?, contract, parent.number));
        }
        let mut permission = Permission::new(contract, parent.number, self.reader(state, parent));
        let (mask, decision) = permission.decide(request, None)?;
        if mask.is_for_sender() {
            self.masks.lock().unwrap_or_else(PoisonError::into_inner).0.put(key, mask);
        }
        Ok(decision)
    }
}
