//! The contract's interface in all its versions.

use alloy::primitives::{Address, Bytes, TxKind, U256};
use aurum_types::{BlockNumber, StateError};

use super::{Denial, DenialReason, PermissionRequest, Right};
use crate::{
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
    const fn granted(rights: u32, sender_only: bool) -> Self {
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

/// The permission contract at one parent block.
#[derive(Debug)]
pub(crate) struct Permission {
    contract: Address,
    /// The parent, whose state decides.
    block: BlockNumber,
    reader: Reader,
    interface: Option<Interface>,
}

impl Permission {
    pub(crate) const fn new(contract: Address, block: BlockNumber, reader: Reader) -> Self {
        Self { contract, block, reader, interface: None }
    }

    /// The same with an interface that was found out before, at the same block.
    pub(super) const fn with_interface(mut self, interface: Option<Interface>) -> Self {
        self.interface = interface;
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
        if let Some(interface) = self.interface {
            return Ok(interface);
        }
        let output = self.reader.output(self.contract, &ITxPermission::contractVersionCall {})?;
        let interface = match Words::of(&output).and_then(|words| words.low_u64(0)) {
            Some(version) => Interface::Version(version),
            None => Interface::Deprecated,
        };
        self.interface = Some(interface);
        Ok(interface)
    }

    /// One `allowedTxTypes` in the contract's interface.
    pub(super) fn ask(&mut self, request: &PermissionRequest) -> Result<Mask, StateError> {
        let PermissionRequest { sender, value, gas_limit, .. } = *request;
        let to = request.to.to().copied().unwrap_or_default();
        let max_fee = U256::from(request.max_fee_per_gas);
        let data = request.data.clone();
        let interface = self.interface()?;
        let (contract, reader) = (self.contract, &mut self.reader);
        let answer = match interface {
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
