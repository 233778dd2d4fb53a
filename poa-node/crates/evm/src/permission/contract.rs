//! The contract's interface in all its versions.

use std::{fmt, sync::Arc};

use alloy::primitives::{Address, Bytes, TxKind, U256};
use aurum_types::{BlockNumber, StateError, StateReader};

use super::{Denial, DenialReason, PermissionRequest, Right, native};
use crate::{
    BlockEnv, Evm,
    abi::{IRights, ITxPermission, ITxPermissionV1, ITxPermissionV2, ITxPermissionV3, ITxPermissionV4},
    read_only::{Reader, Words},
};

/// A sender's rights, as the contract stated them once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mask {
    rights: u32,
    reason: DenialReason,
    /// Whether the answer is for the sender, whatever it sends.
    sender_only: bool,
}

impl Mask {
    pub(super) const fn granted(rights: u32, sender_only: bool) -> Self {
        Self { rights, reason: DenialReason::NotGranted, sender_only }
    }

    const fn none(reason: DenialReason) -> Self {
        Self { rights: 0, reason, sender_only: true }
    }

    /// An answer `(uint32, bool)`.
    fn of_two_words(output: &[u8]) -> Option<Self> {
        let words = Words::of(output)?;
        Some(Self::granted(words.low_u32(0)?, words.bool(1)?))
    }

    /// An answer `uint32`, which is always for the sender.
    fn of_one_word(output: &[u8]) -> Option<Self> {
        Some(Self::granted(Words::of(output)?.low_u32(0)?, true))
    }

    /// The rights, as bits.
    pub(crate) const fn rights(&self) -> u32 {
        self.rights
    }

    /// Whether it may be used for other transactions of the sender.
    pub(crate) const fn is_for_sender(&self) -> bool {
        self.sender_only
    }

    pub(super) const fn allows(&self, needed: Right) -> bool {
        self.rights & needed.bit() != 0
    }
}

/// The interface a contract speaks at one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interface {
    /// `contractVersion()` gave nothing that decodes: the first one.
    Deprecated,
    /// What it gave, as OpenEthereum reads it (`low_u64`).
    Version(u64),
}

impl Interface {
    /// The number people know it by.
    pub(crate) const fn number(self) -> u64 {
        match self {
            Self::Deprecated => 1,
            Self::Version(version) => version,
        }
    }
}

/// What is known of the contract at one parent, whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    interface: Interface,
    /// Whether it is ours, so that [`native`] answers.
    is_ours: bool,
}

impl Kind {
    /// The mask of our own contract, without a call; `None` where the contract has to be called.
    pub(super) fn mask_without_call(
        self,
        state: &dyn StateReader,
        contract: Address,
        request: &PermissionRequest,
    ) -> Result<Option<Mask>, StateError> {
        if !self.is_ours || request.data.len() > native::MOST_INPUT {
            return Ok(None);
        }
        let rights = native::allowed_tx_types(state, contract, request.sender)?;
        Ok(Some(Mask::granted(rights, true)))
    }
}

/// The permission contract at one parent block.
pub(crate) struct Permission {
    contract: Address,
    /// The parent, whose state decides.
    block: BlockNumber,
    state: Arc<dyn StateReader>,
    reader: Reader,
    kind: Option<Kind>,
}

impl fmt::Debug for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { contract, block, kind, .. } = self;
        f.debug_struct("Permission")
            .field("contract", contract)
            .field("block", block)
            .field("kind", kind)
            .finish_non_exhaustive()
    }
}

impl Permission {
    /// The contract as it is after the block `parent`, whose state is `state`.
    pub(crate) fn new(evm: &Evm, contract: Address, state: Arc<dyn StateReader>, parent: &BlockEnv) -> Self {
        let reader = evm.reader(Arc::clone(&state), parent);
        Self { contract, block: parent.number, state, reader, kind: None }
    }

    /// The same with what was found out about it before, at the same block.
    pub(super) const fn with_kind(mut self, kind: Option<Kind>) -> Self {
        self.kind = kind;
        self
    }

    /// Asks the contract, or takes `known`. Returns the mask that decided with the decision.
    pub(crate) fn decide(
        &mut self,
        request: &PermissionRequest,
        known: Option<Mask>,
    ) -> Result<(Mask, Result<(), Denial>), StateError> {
        let needed = self.needed(request)?;
        let mask = match known {
            Some(mask) => mask,
            None => self.ask(request)?,
        };
        if mask.allows(needed) {
            return Ok((mask, Ok(())));
        }
        let denial = self.denial(request.sender, needed, mask)?;
        Ok((mask, Err(denial)))
    }

    /// The right a transaction needs.
    pub(super) fn needed(&mut self, request: &PermissionRequest) -> Result<Right, StateError> {
        request.needed(|to| self.reader.has_code(to))
    }

    /// The refusal, with all the sender does have: the mask says nothing about reading.
    pub(super) fn denial(&mut self, sender: Address, needed: Right, mask: Mask) -> Result<Denial, StateError> {
        let reading = match mask.reason {
            DenialReason::NotGranted => self.stated_rights(sender)?.unwrap_or(Right::Read.bit()) & Right::Read.bit(),
            DenialReason::NoAnswer | DenialReason::UnknownVersion(_) => 0,
        };
        let (contract, block) = (self.contract, self.block);
        Ok(Denial { reason: mask.reason, needed, have: mask.rights | reading, contract, block })
    }

    /// All rights of an account. A contract without `rightsOf` (Parity's own) is asked for the types it allows, and
    /// everybody may read.
    pub(crate) fn rights_of(&mut self, account: Address) -> Result<u32, StateError> {
        if let Some(rights) = self.stated_rights(account)? {
            return Ok(rights);
        }
        // As far as types can be told without a transaction: for a transfer of nothing to 0x0.
        let request = PermissionRequest {
            sender: account,
            to: TxKind::Call(Address::ZERO),
            value: U256::ZERO,
            max_fee_per_gas: 0,
            max_priority_fee_per_gas: 0,
            gas_limit: 21_000,
            data: Bytes::new(),
            delegates: false,
        };
        Ok(self.ask(&request)?.rights | Right::Read.bit())
    }

    fn stated_rights(&mut self, account: Address) -> Result<Option<u32>, StateError> {
        self.reader.call(self.contract, &IRights::rightsOfCall { account })
    }

    /// Which interface the contract speaks. OpenEthereum falls back to the first one only where `contractVersion()` gives
    /// nothing that decodes; a contract that answers 1 is of no known interface there, and nobody may send (Nethermind
    /// takes such an answer for the first interface).
    pub(crate) fn interface(&mut self) -> Result<Interface, StateError> {
        Ok(self.kind()?.interface)
    }

    /// What the contract is, found out once.
    pub(super) fn kind(&mut self) -> Result<Kind, StateError> {
        if let Some(kind) = self.kind {
            return Ok(kind);
        }
        let output = self.reader.output(self.contract, &ITxPermission::contractVersionCall {})?;
        let interface = match Words::of(&output).and_then(|words| words.low_u64(0)) {
            Some(version) => Interface::Version(version),
            None => Interface::Deprecated,
        };
        let is_ours = interface == Interface::Version(4) && native::is_ours(&self.state, self.contract)?;
        let kind = Kind { interface, is_ours };
        self.kind = Some(kind);
        Ok(kind)
    }

    /// One `allowedTxTypes` in the contract's interface; our own contract is read instead.
    pub(super) fn ask(&mut self, request: &PermissionRequest) -> Result<Mask, StateError> {
        let kind = self.kind()?;
        if let Some(mask) = kind.mask_without_call(&self.state, self.contract, request)? {
            return Ok(mask);
        }
        let PermissionRequest { sender, value, gas_limit, .. } = *request;
        let to = request.to.to().copied().unwrap_or_default();
        let max_fee = U256::from(request.max_fee_per_gas);
        let data = request.data.clone();
        let (contract, reader) = (self.contract, &mut self.reader);
        let answer = match kind.interface {
            Interface::Deprecated => {
                let call = ITxPermissionV1::allowedTxTypesCall { sender };
                Mask::of_one_word(&reader.output(contract, &call)?)
            }
            Interface::Version(2) => {
                let call = ITxPermissionV2::allowedTxTypesCall { sender, to, value };
                Mask::of_two_words(&reader.output(contract, &call)?)
            }
            Interface::Version(3) => {
                let call = ITxPermissionV3::allowedTxTypesCall { sender, to, value, gasPrice: max_fee, data };
                Mask::of_two_words(&reader.output(contract, &call)?)
            }
            Interface::Version(4) => {
                let call = ITxPermissionV4::allowedTxTypesCall {
                    sender,
                    to,
                    value,
                    maxFeePerGas: max_fee,
                    maxPriorityFeePerGas: U256::from(request.max_priority_fee_per_gas),
                    gasLimit: U256::from(gas_limit),
                    data,
                };
                Mask::of_two_words(&reader.output(contract, &call)?)
            }
            Interface::Version(unknown) => Some(Mask::none(DenialReason::UnknownVersion(unknown))),
        };
        Ok(answer.unwrap_or(Mask::none(DenialReason::NoAnswer)))
    }
}
