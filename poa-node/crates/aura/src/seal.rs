//! The seal fields of a header: step, signature, empty steps (aura.md §1.1–1.3).

use alloy::{
    primitives::{Address, B256, Bytes, keccak256},
    rlp::{self, Decodable, Encodable},
};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use aurum_types::{Header, HeaderFormat, Step, crypto};

use crate::InvalidSeal;

/// What makes a header a sealed one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuraSeal {
    /// The step the block was made in.
    pub step: Step,
    /// r ‖ s ‖ v over the header's seal hash; v is 0 or 1.
    pub signature: [u8; 65],
    /// The raw RLP list of empty steps, from `emptyStepsTransition` on; `0xc0` when there are none.
    pub empty_steps: Option<Bytes>,
}

impl AuraSeal {
    /// Reads the seal of `header`.
    ///
    /// # Errors
    /// [`InvalidSeal`] for a wrong number of fields, or one that is not what its place demands.
    pub fn from_header(header: &Header, format: &HeaderFormat) -> Result<Self, InvalidSeal> {
        let expected = if format.has_empty_steps(header.number) { 3 } else { 2 };
        if header.seal.len() != expected {
            return Err(InvalidSeal::Arity { expected, found: header.seal.len() });
        }
        let step = header.step().ok_or(InvalidSeal::Step)?;
        let signature: [u8; 65] = decode_whole(&header.seal[1]).ok_or(InvalidSeal::Signature)?;
        Ok(Self { step, signature, empty_steps: header.seal.get(2).cloned() })
    }

    /// The header's seal fields, each an encoded RLP item.
    pub fn to_fields(&self) -> Vec<Bytes> {
        let mut fields = vec![rlp::encode(self.step.0).into(), rlp::encode(self.signature).into()];
        fields.extend(self.empty_steps.clone());
        fields
    }

    /// The empty steps in their order; none where the seal has no such field.
    ///
    /// # Errors
    /// [`InvalidSeal::EmptySteps`] when the field is no list of them.
    pub fn empty_steps(&self) -> Result<Vec<EmptyStep>, InvalidSeal> {
        self.empty_steps.as_ref().map_or(Ok(Vec::new()), |field| decode_whole(field).ok_or(InvalidSeal::EmptySteps))
    }

    /// The bytes of a field of these empty steps.
    pub fn encode_empty_steps(steps: &[EmptyStep]) -> Bytes {
        let mut out = Vec::new();
        rlp::encode_list(steps, &mut out);
        out.into()
    }
}

/// A message by which an authority lets its step pass without a block, as it stands in the seal of a later block.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct EmptyStep {
    /// r ‖ s ‖ v over [`Self::message_hash`].
    pub signature: [u8; 65],
    /// The step let pass.
    pub step: u64,
}

impl EmptyStep {
    /// What is signed: keccak256 of `RLP([step, parent hash])`.
    pub fn message_hash(step: u64, parent_hash: B256) -> B256 {
        let payload_length = step.length() + parent_hash.length();
        let mut out = Vec::with_capacity(payload_length + 1);
        rlp::Header { list: true, payload_length }.encode(&mut out);
        step.encode(&mut out);
        parent_hash.encode(&mut out);
        keccak256(out)
    }

    /// Who signed it on top of `parent_hash`.
    ///
    /// # Errors
    /// [`InvalidSeal::Unrecoverable`].
    pub fn signer(&self, parent_hash: B256) -> Result<Address, InvalidSeal> {
        recover(&self.signature, Self::message_hash(self.step, parent_hash))
    }
}

/// The address whose key made the seal's signature. That it is the proposer is another question. Costs about 30 µs.
///
/// # Errors
/// [`InvalidSeal`] when the seal is malformed or its signature has no signer.
pub fn recover_sealer(header: &Header, format: &HeaderFormat) -> Result<Address, InvalidSeal> {
    let seal = AuraSeal::from_header(header, format)?;
    recover(&seal.signature, header.seal_hash(format))
}

pub(crate) fn recover(signature: &[u8; 65], hash: B256) -> Result<Address, InvalidSeal> {
    crypto::recover(hash, signature).map_err(|_| InvalidSeal::Unrecoverable)
}

fn decode_whole<T: Decodable>(mut field: &[u8]) -> Option<T> {
    let value = T::decode(&mut field).ok()?;
    field.is_empty().then_some(value)
}
