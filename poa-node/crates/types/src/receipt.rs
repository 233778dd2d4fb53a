//! Receipts, their blooms and their root (aura.md §4.2: status from EIP-658, a state root or nothing before).

use alloy::{
    consensus::TxType,
    primitives::{B256, Bloom, BloomInput, Bytes, Log},
    rlp::{self, Decodable, Encodable, Header as RlpHeader},
};
use alloy_trie::root::ordered_trie_root_with_encoder;

use crate::header::{raw_items, take_list};

/// The first field of a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptOutcome {
    /// Whether the transaction succeeded (EIP-658).
    Status(bool),
    /// The state root after the transaction, before EIP-658.
    StateRoot(B256),
    /// Nothing at all, between EIP-98 and EIP-658.
    Unknown,
}

/// What a transaction left behind besides state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// EIP-2718 type of the transaction.
    pub tx_type: TxType,
    /// Success, state root, or neither.
    pub outcome: ReceiptOutcome,
    /// Gas used by this and all earlier transactions of the block.
    pub cumulative_gas_used: u64,
    /// Logs in order.
    pub logs: Vec<Log>,
}

impl Receipt {
    /// Whether the transaction is known to have succeeded; a receipt without status counts as success.
    pub const fn succeeded(&self) -> bool {
        !matches!(self.outcome, ReceiptOutcome::Status(false))
    }

    /// Bloom over this receipt's logs.
    pub fn bloom(&self) -> Bloom {
        logs_bloom(&self.logs)
    }

    /// The consensus encoding: for typed transactions the type byte, then the list.
    pub fn encode_2718(&self, out: &mut Vec<u8>) {
        self.encode_with(&self.bloom(), out);
    }

    /// The consensus encoding, of a receipt whose bloom is known.
    fn encode_with(&self, bloom: &Bloom, out: &mut Vec<u8>) {
        if self.tx_type != TxType::Legacy {
            out.push(self.tx_type as u8);
        }
        let outcome: Option<Bytes> = match self.outcome {
            ReceiptOutcome::Status(true) => Some(Bytes::from_static(&[1])),
            ReceiptOutcome::Status(false) => Some(Bytes::new()),
            ReceiptOutcome::StateRoot(root) => Some(Bytes::copy_from_slice(root.as_slice())),
            ReceiptOutcome::Unknown => None,
        };
        let payload_length = outcome.as_ref().map_or(0, Encodable::length)
            + self.cumulative_gas_used.length()
            + bloom.length()
            + self.logs.length();
        RlpHeader { list: true, payload_length }.encode(out);
        if let Some(outcome) = outcome {
            outcome.encode(out);
        }
        self.cumulative_gas_used.encode(out);
        bloom.encode(out);
        self.logs.encode(out);
    }

    /// Decodes what [`Self::encode_2718`] wrote; the bloom is not kept, since the logs make it.
    ///
    /// # Errors
    /// When the bytes are not a receipt.
    pub fn decode_2718(buf: &mut &[u8]) -> rlp::Result<Self> {
        let mut rest = *buf;
        let tx_type = match rest.first() {
            // 0x00 is no envelope: a legacy receipt is the bare list. Blob transactions exist nowhere in the node.
            Some(byte @ (0x01 | 0x02 | 0x04)) => {
                rest = &rest[1..];
                TxType::try_from(*byte).map_err(|_| rlp::Error::Custom("unknown transaction type"))?
            }
            _ => TxType::Legacy,
        };
        let mut payload = take_list(&mut rest)?;
        let items = raw_items(payload, 4)?.len();
        let outcome = if items == 3 {
            ReceiptOutcome::Unknown
        } else if items != 4 {
            return Err(rlp::Error::ListLengthMismatch { expected: 4, got: items });
        } else {
            let field = Bytes::decode(&mut payload)?;
            match field.len() {
                0 => ReceiptOutcome::Status(false),
                1 if field[0] == 1 => ReceiptOutcome::Status(true),
                32 => ReceiptOutcome::StateRoot(B256::from_slice(&field)),
                _ => return Err(rlp::Error::Custom("receipt outcome is neither status nor state root")),
            }
        };
        let cumulative_gas_used = Decodable::decode(&mut payload)?;
        let _bloom: Bloom = Decodable::decode(&mut payload)?;
        let logs = Decodable::decode(&mut payload)?;
        *buf = rest;
        Ok(Self { tx_type, outcome, cumulative_gas_used, logs })
    }
}

/// Bloom over logs: each address and each topic.
pub fn logs_bloom<'a>(logs: impl IntoIterator<Item = &'a Log>) -> Bloom {
    let mut bloom = Bloom::ZERO;
    for log in logs {
        bloom.accrue(BloomInput::Raw(log.address.as_slice()));
        for topic in log.data.topics() {
            bloom.accrue(BloomInput::Raw(topic.as_slice()));
        }
    }
    bloom
}

/// Root of the trie of receipts.
pub fn receipts_root(receipts: &[Receipt]) -> B256 {
    receipts_root_and_bloom(receipts).0
}

/// Root of the trie of receipts, and the bloom over all of their logs, which costs little beside it: each receipt holds the
/// bloom of its own.
pub fn receipts_root_and_bloom(receipts: &[Receipt]) -> (B256, Bloom) {
    let mut all = Bloom::ZERO;
    let root = ordered_trie_root_with_encoder(receipts, |receipt, out| {
        let bloom = receipt.bloom();
        all |= bloom;
        receipt.encode_with(&bloom, out);
    });
    (root, all)
}
