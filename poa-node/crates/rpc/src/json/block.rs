//! Blocks and headers (aura.md §6).

use alloy::{
    primitives::{Address, B64, B256, Bloom, Bytes, U64, U256, hex},
    rlp::{Decodable, Header as RlpHeader},
};
use aurum_chain::view::BlockView;
use aurum_types::{EMPTY_UNCLES_HASH, Header};
use serde::Serialize;

use super::{TransactionJson, transaction_json};

/// A header: what `newHeads` sends, and the larger part of a block.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HeaderJson {
    hash: B256,
    parent_hash: B256,
    sha3_uncles: B256,
    /// Parity's name of [`Self::miner`].
    author: Address,
    miner: Address,
    state_root: B256,
    transactions_root: B256,
    receipts_root: B256,
    logs_bloom: Bloom,
    difficulty: U256,
    number: U64,
    gas_limit: U64,
    gas_used: U64,
    timestamp: U64,
    extra_data: Bytes,
    /// Zero: the header has none. Strict clients do not decode a block without it.
    mix_hash: B256,
    /// Zero, as [`Self::mix_hash`].
    nonce: B64,
    #[serde(skip_serializing_if = "Option::is_none")]
    base_fee_per_gas: Option<U64>,
    /// RLP of each seal field.
    seal_fields: Vec<Bytes>,
    /// Decimal, as Parity wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
    /// Hex without `0x`, as Parity wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
    /// `[(signature, step, parent hash),…]`, on chains with empty steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    empty_steps: Option<String>,
}

impl HeaderJson {
    pub(crate) fn new(hash: B256, header: &Header) -> Self {
        Self {
            hash,
            parent_hash: header.parent_hash,
            sha3_uncles: header.uncles_hash,
            author: header.author,
            miner: header.author,
            state_root: header.state_root,
            transactions_root: header.transactions_root,
            receipts_root: header.receipts_root,
            logs_bloom: header.logs_bloom,
            difficulty: header.difficulty,
            number: U64::from(header.number),
            gas_limit: U64::from(header.gas_limit),
            gas_used: U64::from(header.gas_used),
            timestamp: U64::from(header.timestamp),
            extra_data: header.extra_data.clone(),
            mix_hash: B256::ZERO,
            nonce: B64::ZERO,
            base_fee_per_gas: header.base_fee_per_gas.map(U64::from),
            seal_fields: header.seal.clone(),
            step: header.step().map(|step| step.to_string()),
            signature: header.seal.get(1).and_then(|field| decode_bytes(field)).map(hex::encode),
            empty_steps: header.seal.get(2).and_then(|field| empty_steps(field, header.parent_hash)),
        }
    }
}

/// A block.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BlockJson {
    #[serde(flatten)]
    header: HeaderJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_difficulty: Option<U256>,
    size: U64,
    uncles: Vec<B256>,
    transactions: Transactions,
}

/// The body: hashes, or everything.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Transactions {
    Hashes(Vec<B256>),
    Full(Vec<TransactionJson>),
}

impl BlockJson {
    pub(crate) fn new(block: &BlockView, full: bool, gas_free: bool) -> Self {
        let transactions = if full {
            let all = (0..block.transactions().len()).filter_map(|index| block.transaction(index));
            Transactions::Full(all.map(|tx| transaction_json(tx, gas_free)).collect())
        } else {
            Transactions::Hashes(block.transactions().iter().map(|tx| *tx.tx_hash()).collect())
        };
        let header = block.header();
        debug_assert!(header.uncles_hash == EMPTY_UNCLES_HASH || !block.block().uncles.is_empty());
        Self {
            header: HeaderJson::new(block.hash(), header),
            total_difficulty: block.total_difficulty().map(|score| score.0),
            size: U64::from(block.size()),
            uncles: block.block().uncles.iter().map(Header::hash_slow).collect(),
            transactions,
        }
    }
}

fn decode_bytes(mut field: &[u8]) -> Option<Bytes> {
    Bytes::decode(&mut field).ok()
}

/// OpenEthereum `EmptyStep`'s `Display`: the third seal field is a list of `[signature, step]`.
fn empty_steps(mut field: &[u8], parent_hash: B256) -> Option<String> {
    let mut items = RlpHeader::decode_bytes(&mut field, true).ok()?;
    let mut steps = Vec::new();
    while !items.is_empty() {
        let mut item = RlpHeader::decode_bytes(&mut items, true).ok()?;
        let signature = Bytes::decode(&mut item).ok()?;
        let step = u64::decode(&mut item).ok()?;
        steps.push(format!("({}, {step}, {})", hex::encode(signature), hex::encode(parent_hash)));
    }
    Some(format!("[{}]", steps.join(",")))
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, B256, Bytes, hex};
    use alloy::rpc::types::Header as AlloyHeader;
    use aurum_types::Header;
    use serde_json::json;

    use super::HeaderJson;

    fn header() -> Header {
        let mut signature = vec![0xb8, 0x41];
        signature.extend([7u8; 65]);
        Header {
            author: Address::repeat_byte(3),
            number: 5,
            gas_limit: 30_000_000,
            timestamp: 100,
            difficulty: alloy::primitives::U256::from(2).pow(alloy::primitives::U256::from(128)),
            seal: vec![Bytes::from(hex!("84120a71de")), signature.into()],
            base_fee_per_gas: Some(0),
            ..Header::default()
        }
    }

    #[test]
    fn a_header_has_paritys_fields_and_strict_clients_decode_it() {
        let header = header();
        let json = serde_json::to_value(HeaderJson::new(B256::repeat_byte(9), &header)).unwrap();
        assert_eq!(json["author"], json["miner"]);
        assert_eq!(json["step"], "302674398");
        assert_eq!(json["sealFields"][0], "0x84120a71de");
        assert_eq!(json["signature"], "07".repeat(65));
        assert_eq!(json["nonce"], "0x0000000000000000");
        assert_eq!(json["mixHash"], json!(B256::ZERO));
        assert_eq!(json["baseFeePerGas"], "0x0");
        assert!(json.get("emptySteps").is_none() && json.get("withdrawalsRoot").is_none());
        let decoded: AlloyHeader = serde_json::from_value(json).unwrap();
        assert_eq!((decoded.hash, decoded.number, decoded.beneficiary), (B256::repeat_byte(9), 5, header.author));
        assert_eq!(decoded.base_fee_per_gas, Some(0));
    }

    #[test]
    fn empty_steps_are_written_as_openethereum_did() {
        let mut header = header();
        let mut entry = vec![0xb8, 0x41];
        entry.extend([1u8; 65]);
        entry.push(0x05);
        let mut list = vec![0xf8, 0x46, 0xf8, 0x44];
        list.extend(entry);
        header.seal.push(list.into());
        header.parent_hash = B256::repeat_byte(2);
        let json = serde_json::to_value(HeaderJson::new(B256::ZERO, &header)).unwrap();
        assert_eq!(json["emptySteps"], format!("[({}, 5, {})]", "01".repeat(65), "02".repeat(32)));
    }
}
