//! What is encoded decodes to itself, and only to itself: headers, receipts, blocks, transactions.

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEip2930, TxEip7702, TxLegacy, TxType},
    eips::{
        eip2718::Encodable2718,
        eip2930::{AccessList, AccessListItem},
        eip7702::Authorization,
    },
    primitives::{Address, B256, Bloom, Bytes, Log, LogData, Signature, TxKind, U256, keccak256},
    rlp::Encodable,
};
use aurum_types::{
    Block, Header, HeaderFormat, Receipt, ReceiptOutcome, Transaction, TransactionError, crypto, decode_transaction,
    recover_sender,
};
use proptest::{collection::vec, prelude::*};
use secp256k1::{Message, SECP256K1, SecretKey};

fn sign(hash: B256, key: &SecretKey) -> Signature {
    let (id, compact) = SECP256K1.sign_ecdsa_recoverable(Message::from_digest(hash.0), key).serialize_compact();
    Signature::from_bytes_and_parity(&compact, i32::from(id) != 0)
}

fn key() -> SecretKey {
    SecretKey::from_byte_array(keccak256(b"codecs").0).unwrap()
}

prop_compose! {
    fn word()(bytes: [u8; 32]) -> B256 { B256::from(bytes) }
}
prop_compose! {
    fn address()(bytes: [u8; 20]) -> Address { Address::from(bytes) }
}
prop_compose! {
    fn number()(bytes: [u8; 32], shift in 0usize..256) -> U256 { U256::from_be_bytes(bytes) >> shift }
}
prop_compose! {
    fn data(limit: usize)(bytes in vec(any::<u8>(), 0..limit)) -> Bytes { bytes.into() }
}

/// A seal field as it stands in a header: a string, a number, or a list, as the empty steps are.
fn seal_field() -> impl Strategy<Value = Bytes> {
    let encoded = |value: &dyn Encodable| {
        let mut out = Vec::new();
        value.encode(&mut out);
        Bytes::from(out)
    };
    prop_oneof![
        data(70).prop_map(move |field| encoded(&field)),
        any::<u64>().prop_map(move |step| encoded(&step)),
        vec(data(70), 0..4).prop_map(move |list| encoded(&list)),
    ]
}

/// A header and the format it is in.
fn header() -> impl Strategy<Value = (Header, HeaderFormat)> {
    (
        (word(), address(), word(), word(), number(), any::<u64>(), any::<u64>()),
        (data(40), vec(seal_field(), 0..4), any::<Option<u64>>(), any::<Option<u64>>(), any::<[u8; 256]>()),
    )
        .prop_map(
            |((hash, author, root, other, difficulty, number, time), (extra_data, seal, fee, steps, bloom))| {
                let header = Header {
                    parent_hash: hash,
                    uncles_hash: other,
                    author,
                    state_root: root,
                    transactions_root: other,
                    receipts_root: hash,
                    logs_bloom: Bloom::from(bloom),
                    difficulty,
                    number,
                    gas_limit: time / 3,
                    gas_used: time / 7,
                    timestamp: time,
                    extra_data,
                    seal,
                    base_fee_per_gas: fee,
                };
                let format = HeaderFormat {
                    base_fee_from: fee.map(|_| number),
                    empty_steps_from: steps,
                    genesis_base_fee: fee.is_some(),
                };
                (header, format)
            },
        )
}

fn receipt() -> impl Strategy<Value = Receipt> {
    let outcome = prop_oneof![
        any::<bool>().prop_map(ReceiptOutcome::Status),
        word().prop_map(ReceiptOutcome::StateRoot),
        Just(ReceiptOutcome::Unknown),
    ];
    let tx_type =
        prop_oneof![Just(TxType::Legacy), Just(TxType::Eip2930), Just(TxType::Eip1559), Just(TxType::Eip7702)];
    let log = (address(), vec(word(), 0..5), data(80))
        .prop_map(|(address, topics, data)| Log { address, data: LogData::new_unchecked(topics, data) });
    (tx_type, outcome, any::<u64>(), vec(log, 0..4)).prop_map(|(tx_type, outcome, cumulative_gas_used, logs)| Receipt {
        tx_type,
        outcome,
        cumulative_gas_used,
        logs,
    })
}

/// A signed transaction of each type the chain takes.
fn transaction() -> impl Strategy<Value = Transaction> {
    let to = prop_oneof![Just(TxKind::Create), address().prop_map(TxKind::Call)];
    (
        0..5u8,
        any::<u64>(),
        any::<u64>(),
        any::<u64>(),
        to,
        number(),
        data(100),
        vec((address(), vec(word(), 0..3)), 0..3),
    )
        .prop_map(|(kind, chain_id, nonce, gas, to, value, input, list)| {
            let key = key();
            let access_list = AccessList(
                list.into_iter().map(|(address, storage_keys)| AccessListItem { address, storage_keys }).collect(),
            );
            let gas_price = u128::from(gas);
            macro_rules! signed {
                ($tx:expr) => {{
                    let tx = $tx;
                    let signature = sign(tx.signature_hash(), &key);
                    tx.into_signed(signature).into()
                }};
            }
            match kind {
                0 | 1 => {
                    // Legacy, with and without EIP-155; the latter's v limits the chain id.
                    let chain_id = (kind == 1).then_some(chain_id >> 2);
                    signed!(TxLegacy { chain_id, nonce, gas_price, gas_limit: gas, to, value, input })
                }
                2 => signed!(TxEip2930 { chain_id, nonce, gas_price, gas_limit: gas, to, value, access_list, input }),
                3 => signed!(TxEip1559 {
                    chain_id,
                    nonce,
                    gas_limit: gas,
                    max_fee_per_gas: gas_price,
                    max_priority_fee_per_gas: gas_price / 2,
                    to,
                    value,
                    access_list,
                    input,
                }),
                _ => {
                    let authorization =
                        Authorization { chain_id: U256::from(chain_id), address: Address::repeat_byte(9), nonce };
                    let signature = sign(authorization.signature_hash(), &key);
                    signed!(TxEip7702 {
                        chain_id,
                        nonce,
                        gas_limit: gas,
                        max_fee_per_gas: gas_price,
                        max_priority_fee_per_gas: 0,
                        to: *to.to().unwrap_or(&Address::ZERO),
                        value,
                        access_list,
                        authorization_list: vec![authorization.into_signed(signature)],
                        input,
                    })
                }
            }
        })
}

proptest! {
    #[test]
    fn header_decodes_to_itself((header, format) in header()) {
        let mut bytes = Vec::new();
        header.encode(&mut bytes);
        prop_assert_eq!(bytes.len(), header.length());
        bytes.push(0x80);
        let mut rest = bytes.as_slice();
        prop_assert_eq!(&Header::decode(&mut rest, &format).unwrap(), &header);
        prop_assert_eq!(rest, &[0x80]);
        prop_assert_eq!(header.hash_slow(), keccak256(&bytes[..bytes.len() - 1]));
        bytes.truncate(bytes.len() - 2);
        prop_assert!(Header::decode(&mut bytes.as_slice(), &format).is_err());
    }

    /// No two encodings of one header: what differs in a bit is refused, or is another header with just these bytes.
    #[test]
    fn a_bit_of_a_header_changes_it_or_makes_it_none((header, format) in header(), bit in any::<prop::sample::Index>()) {
        let mut bytes = alloy::rlp::encode(&header);
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let mut rest = bytes.as_slice();
        if let Ok(changed) = Header::decode(&mut rest, &format) {
            prop_assert_ne!(&changed, &header);
            prop_assert_eq!(alloy::rlp::encode(&changed), &bytes[..bytes.len() - rest.len()]);
        }
    }

    /// The seal hash leaves out step and signature, and nothing else (aura.md §1.2; OpenEthereum `header_seal_hash`).
    #[test]
    fn the_seal_hash_covers_all_but_step_and_signature((header, format) in header(), field in 0usize..8) {
        let sealed = header.seal_hash(&format);
        let mut other = header.clone();
        other.seal.iter_mut().take(2).for_each(|field| *field = alloy::rlp::encode(7u64).into());
        prop_assert_eq!(other.seal_hash(&format), sealed);
        let mut other = header.clone();
        match field {
            0 => other.parent_hash.0[31] ^= 1,
            1 => other.author.0[19] ^= 1,
            2 => other.state_root.0[0] ^= 1,
            3 => other.timestamp ^= 1,
            4 => other.gas_used ^= 1,
            5 => other.difficulty ^= U256::from(1),
            6 => other.extra_data = [&other.extra_data[..], &[0]].concat().into(),
            _ => other.base_fee_per_gas = Some(header.base_fee_per_gas.map_or(0, |fee| fee ^ 1)),
        }
        prop_assert_ne!(other.seal_hash(&format), sealed);
    }

    #[test]
    fn receipt_decodes_to_itself(receipt in receipt()) {
        let mut bytes = Vec::new();
        receipt.encode_2718(&mut bytes);
        let mut rest = bytes.as_slice();
        prop_assert_eq!(&Receipt::decode_2718(&mut rest).unwrap(), &receipt);
        prop_assert!(rest.is_empty());
        prop_assert!(Receipt::decode_2718(&mut &bytes[..bytes.len() - 1]).is_err());
    }

    #[test]
    fn transaction_decodes_to_itself_and_knows_its_sender(tx in transaction()) {
        let mut bytes = tx.encoded_2718();
        let decoded = decode_transaction(&bytes).unwrap();
        prop_assert_eq!(&decoded, &tx);
        prop_assert_eq!(decoded.tx_hash(), &keccak256(&bytes));
        prop_assert_eq!(recover_sender(&decoded).unwrap(), crypto::address_of(&key().public_key(SECP256K1)));
        bytes.push(0);
        prop_assert!(decode_transaction(&bytes).is_err());
    }

    #[test]
    fn block_decodes_to_itself(
        (header, format) in header(),
        transactions in vec(transaction(), 0..6),
        uncle in any::<bool>(),
    ) {
        let uncles = if uncle { vec![header.clone()] } else { Vec::new() };
        let block = Block { header, transactions, uncles };
        let bytes = block.encode();
        prop_assert_eq!(&Block::decode(&bytes, &format).unwrap(), &block);
        prop_assert!(Block::decode(&bytes[..bytes.len() - 1], &format).is_err());
        let mut longer = bytes.to_vec();
        longer.push(0xc0);
        prop_assert!(Block::decode(&longer, &format).is_err());
    }

    #[test]
    fn any_bytes_are_a_value_or_an_error(bytes in vec(any::<u8>(), 0..600)) {
        let format = HeaderFormat { base_fee_from: Some(3), empty_steps_from: Some(1), genesis_base_fee: false };
        let _ = Header::decode(&mut bytes.as_slice(), &format);
        let _ = Block::decode(&bytes, &format);
        let _ = Receipt::decode_2718(&mut bytes.as_slice());
        if let Ok(tx) = decode_transaction(&bytes) {
            prop_assert_eq!(tx.encoded_2718(), bytes);
        }
    }
}

fn legacy() -> TxLegacy {
    TxLegacy { chain_id: Some(1), gas_limit: 21_000, to: TxKind::Call(Address::ZERO), ..TxLegacy::default() }
}

#[test]
fn high_s_has_no_sender() {
    let tx = legacy();
    let signature = sign(tx.signature_hash(), &key());
    let order = U256::from_be_bytes(secp256k1::constants::CURVE_ORDER);
    let high = Signature::new(signature.r(), order - signature.s(), !signature.v());
    let low: Transaction = tx.clone().into_signed(signature).into();
    let high: Transaction = tx.into_signed(high).into();
    assert!(recover_sender(&low).is_ok());
    assert_eq!(recover_sender(&high), Err(TransactionError::InvalidSignature));
}

#[test]
fn blob_and_unknown_types_are_refused_by_number() {
    for tx_type in [0x00, 0x03, 0x05, 0x7f] {
        assert_eq!(decode_transaction(&[tx_type, 0xc0]), Err(TransactionError::UnsupportedType { tx_type }));
    }
    assert!(matches!(decode_transaction(&[]), Err(TransactionError::Malformed { .. })));
}

#[test]
fn typed_transaction_without_its_string_prefix_is_no_part_of_a_block() {
    let tx = TxEip2930 { chain_id: 1, ..TxEip2930::default() };
    let signature = sign(tx.signature_hash(), &key());
    let tx: Transaction = tx.into_signed(signature).into();
    let format = HeaderFormat { base_fee_from: None, empty_steps_from: None, genesis_base_fee: false };
    let block = Block { header: Header::default(), transactions: vec![tx.clone()], uncles: Vec::new() };
    assert!(Block::decode(&block.encode(), &format).is_ok());

    let list = |payload: &[u8]| {
        let mut out = Vec::new();
        alloy::rlp::Header { list: true, payload_length: payload.len() }.encode(&mut out);
        out.extend_from_slice(payload);
        out
    };
    let mut payload = alloy::rlp::encode(&block.header);
    payload.extend(list(&tx.encoded_2718()));
    payload.push(0xc0);
    assert!(Block::decode(&list(&payload), &format).is_err());
}

#[test]
fn header_with_a_flood_of_seal_fields_is_refused() {
    let header = Header { seal: vec![Bytes::from_static(&[1]); 17], ..Header::default() };
    let format = HeaderFormat { base_fee_from: None, empty_steps_from: None, genesis_base_fee: false };
    assert!(Header::decode(&mut alloy::rlp::encode(&header).as_slice(), &format).is_err());
}

#[test]
fn receipt_with_trailing_fields_or_a_legacy_type_byte_is_refused() {
    let receipt = Receipt {
        tx_type: TxType::Legacy,
        outcome: ReceiptOutcome::Status(true),
        cumulative_gas_used: 1,
        logs: Vec::new(),
    };
    let mut bytes = Vec::new();
    receipt.encode_2718(&mut bytes);
    let typed = [&[0u8][..], &bytes].concat();
    assert!(Receipt::decode_2718(&mut typed.as_slice()).is_err());
    let blob = [&[3u8][..], &bytes].concat();
    assert!(Receipt::decode_2718(&mut blob.as_slice()).is_err());
    // One more item: the list's length is in its second and third byte.
    bytes.push(0x80);
    bytes[2] += 1;
    assert!(Receipt::decode_2718(&mut bytes.as_slice()).is_err());
}
