//! The block header in Parity's AuRa form (aura.md §1.1): thirteen common fields, the raw seal fields, then the base fee.

use alloy::{
    primitives::{Address, B256, Bloom, Bytes, U256, b256, keccak256},
    rlp::{self, Decodable, Encodable, Header as RlpHeader},
};

use crate::{BlockNumber, Step};

/// keccak256(RLP([])): the `sha3Uncles` of a block without uncles.
pub const EMPTY_UNCLES_HASH: B256 = b256!("1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347");

/// Most seal fields a header may carry on the wire. AuRa has two or three; a limit keeps a hostile header of a million
/// one-byte items from costing a million allocations before anyone counts them.
const MAX_SEAL_FIELDS: usize = 16;

/// What of a header's layout depends on the chain spec rather than on the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderFormat {
    /// First block whose header ends in `baseFeePerGas` (`eip1559Transition`); `None` = never.
    pub base_fee_from: Option<BlockNumber>,
    /// First block whose seal has a third field, the empty steps, that is also signed (`emptyStepsTransition`).
    pub empty_steps_from: Option<BlockNumber>,
    /// Whether the genesis header carries a base fee (only if the spec's genesis states one).
    pub genesis_base_fee: bool,
}

impl HeaderFormat {
    /// Whether the header at `number` ends in a base fee.
    pub fn has_base_fee(&self, number: BlockNumber) -> bool {
        if number == 0 { self.genesis_base_fee } else { self.base_fee_from.is_some_and(|from| number >= from) }
    }

    /// Whether the header at `number` carries, and signs, an empty-steps list.
    pub fn has_empty_steps(&self, number: BlockNumber) -> bool {
        self.empty_steps_from.is_some_and(|from| number >= from.max(1))
    }
}

/// A header, not yet known to be anything but well-formed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Hash of the parent block.
    pub parent_hash: B256,
    /// keccak256 of the RLP list of uncle headers.
    pub uncles_hash: B256,
    /// The sealer, as it claims.
    pub author: Address,
    /// Root of the state after this block.
    pub state_root: B256,
    /// Root of the trie of transactions.
    pub transactions_root: B256,
    /// Root of the trie of receipts.
    pub receipts_root: B256,
    /// Union of the receipts' blooms.
    pub logs_bloom: Bloom,
    /// AuRa score of the block: 2^128 − 1 + parent step − step + empty steps.
    pub difficulty: U256,
    /// Height.
    pub number: BlockNumber,
    /// Gas the block may use.
    pub gas_limit: u64,
    /// Gas its transactions used.
    pub gas_used: u64,
    /// Unix seconds; not tied to the step.
    pub timestamp: u64,
    /// Free bytes of the sealer.
    pub extra_data: Bytes,
    /// Seal fields, each one an encoded RLP item, as they stand in the header.
    pub seal: Vec<Bytes>,
    /// Base fee in wei, from `eip1559Transition` on.
    pub base_fee_per_gas: Option<u64>,
}

impl Header {
    /// Decodes one header and advances `buf` past it.
    ///
    /// # Errors
    /// When an item is not what its place demands, is not encoded canonically, or the list's length is wrong. Inside
    /// the seal fields nothing is looked at but their lengths.
    pub fn decode(buf: &mut &[u8], format: &HeaderFormat) -> rlp::Result<Self> {
        let mut rest = *buf;
        let mut payload = take_list(&mut rest)?;
        let mut header = Self {
            parent_hash: Decodable::decode(&mut payload)?,
            uncles_hash: Decodable::decode(&mut payload)?,
            author: Decodable::decode(&mut payload)?,
            state_root: Decodable::decode(&mut payload)?,
            transactions_root: Decodable::decode(&mut payload)?,
            receipts_root: Decodable::decode(&mut payload)?,
            logs_bloom: Decodable::decode(&mut payload)?,
            difficulty: Decodable::decode(&mut payload)?,
            number: Decodable::decode(&mut payload)?,
            gas_limit: Decodable::decode(&mut payload)?,
            gas_used: Decodable::decode(&mut payload)?,
            timestamp: Decodable::decode(&mut payload)?,
            extra_data: Decodable::decode(&mut payload)?,
            seal: Vec::new(),
            base_fee_per_gas: None,
        };
        // The seal and, after it, the base fee.
        let mut items = raw_items(payload, MAX_SEAL_FIELDS + 1)?;
        if format.has_base_fee(header.number) {
            let item = items.pop().ok_or(rlp::Error::Custom("header without base fee"))?;
            header.base_fee_per_gas = Some(Decodable::decode(&mut item.as_ref())?);
        }
        if items.len() > MAX_SEAL_FIELDS {
            return Err(TOO_MANY_FIELDS);
        }
        header.seal = items;
        *buf = rest;
        Ok(header)
    }

    /// keccak256 of the whole header: the block's hash. Hashes anew at each call; [`crate::SealedBlock`] remembers it.
    pub fn hash_slow(&self) -> B256 {
        let mut out = Vec::with_capacity(700);
        self.encode_with(&self.seal, &mut out);
        keccak256(out)
    }

    /// keccak256 of the header without its seal fields (the base fee stays in).
    pub fn bare_hash(&self) -> B256 {
        let mut out = Vec::with_capacity(600);
        self.encode_with(&[], &mut out);
        keccak256(out)
    }

    /// The hash the sealer signs: [`Self::bare_hash`], or from `emptyStepsTransition` on
    /// keccak256(bare hash ‖ raw third seal field) (OpenEthereum `header_seal_hash`).
    pub fn seal_hash(&self, format: &HeaderFormat) -> B256 {
        let bare = self.bare_hash();
        if !format.has_empty_steps(self.number) {
            return bare;
        }
        let mut signed = bare.to_vec();
        signed.extend_from_slice(self.seal.get(2).map_or(&[rlp::EMPTY_LIST_CODE][..], |field| field.as_ref()));
        keccak256(signed)
    }

    /// The step in the first seal field, or `None` where that is no number. Works for a genesis with a single field.
    pub fn step(&self) -> Option<Step> {
        let field = self.seal.first()?;
        u64::decode(&mut field.as_ref()).ok().map(Step)
    }

    fn payload_length(&self, seal: &[Bytes]) -> usize {
        self.common_length()
            + seal.iter().map(|item| item.len()).sum::<usize>()
            + self.base_fee_per_gas.map_or(0, |fee| fee.length())
    }

    fn encode_with(&self, seal: &[Bytes], out: &mut dyn rlp::BufMut) {
        RlpHeader { list: true, payload_length: self.payload_length(seal) }.encode(out);
        self.parent_hash.encode(out);
        self.uncles_hash.encode(out);
        self.author.encode(out);
        self.state_root.encode(out);
        self.transactions_root.encode(out);
        self.receipts_root.encode(out);
        self.logs_bloom.encode(out);
        self.difficulty.encode(out);
        self.number.encode(out);
        self.gas_limit.encode(out);
        self.gas_used.encode(out);
        self.timestamp.encode(out);
        self.extra_data.encode(out);
        for item in seal {
            out.put_slice(item);
        }
        if let Some(fee) = self.base_fee_per_gas {
            fee.encode(out);
        }
    }

    fn common_length(&self) -> usize {
        self.parent_hash.length()
            + self.uncles_hash.length()
            + self.author.length()
            + self.state_root.length()
            + self.transactions_root.length()
            + self.receipts_root.length()
            + self.logs_bloom.length()
            + self.difficulty.length()
            + self.number.length()
            + self.gas_limit.length()
            + self.gas_used.length()
            + self.timestamp.length()
            + self.extra_data.length()
    }
}

impl Encodable for Header {
    fn encode(&self, out: &mut dyn rlp::BufMut) {
        self.encode_with(&self.seal, out);
    }

    fn length(&self) -> usize {
        let payload_length = self.payload_length(&self.seal);
        RlpHeader { list: true, payload_length }.length() + payload_length
    }
}

const TOO_MANY_FIELDS: rlp::Error = rlp::Error::Custom("too many seal fields");

/// Splits an RLP payload into its items, each with its own prefix; more than `limit` are an error.
pub(crate) fn raw_items(mut payload: &[u8], limit: usize) -> rlp::Result<Vec<Bytes>> {
    let mut items = Vec::new();
    while !payload.is_empty() {
        if items.len() == limit {
            return Err(TOO_MANY_FIELDS);
        }
        items.push(Bytes::copy_from_slice(take_item(&mut payload)?));
    }
    Ok(items)
}

/// Takes one RLP item off the front of `buf`, with its prefix.
pub(crate) fn take_item<'a>(buf: &mut &'a [u8]) -> rlp::Result<&'a [u8]> {
    let start = *buf;
    let mut rest = start;
    let item = RlpHeader::decode(&mut rest)?;
    if rest.len() < item.payload_length {
        return Err(rlp::Error::InputTooShort);
    }
    // `rest` is a suffix of `start`: what lies between is the prefix (none for a single byte) and the payload.
    let end = start.len() - rest.len() + item.payload_length;
    let (item, rest) = start.split_at(end);
    *buf = rest;
    Ok(item)
}

/// Takes one RLP list off the front of `buf` and returns its payload.
pub(crate) fn take_list<'a>(buf: &mut &'a [u8]) -> rlp::Result<&'a [u8]> {
    let list = RlpHeader::decode(buf)?;
    if !list.list {
        return Err(rlp::Error::UnexpectedString);
    }
    if buf.len() < list.payload_length {
        return Err(rlp::Error::InputTooShort);
    }
    let (payload, rest) = buf.split_at(list.payload_length);
    *buf = rest;
    Ok(payload)
}
