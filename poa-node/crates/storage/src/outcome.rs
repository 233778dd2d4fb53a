//! Senders and receipts of a block as they are stored: without what the block's own transactions give again.
//!
//! ```text
//! record   = senders receipt*                                  one receipt for each transaction
//! senders  = count address{20}* index*                         distinct addresses, then one index for each transaction
//! receipt  = status gas [root{32}] logs log*                   status: 0 failed, 1 succeeded, 2 a state root follows `gas`, 3 none
//! log      = word topics word* length word* rest               address, topics, data in words of 32 bytes and what remains of it
//! word     = 0 byte{32} | 1 | 2 | 3 index | 4 + place          new | the sender | the callee | seen before | in the call's data
//! ```
//!
//! Numbers are LEB128. `gas` is this transaction's own. A *word* is 32 bytes; an address is one with twelve zero bytes in front.
//! A new word gets the next index of the record (first come, first numbered). `place` counts the words of the transaction's input
//! behind its first four bytes; it may not exceed [`PLACES`]. The type and the bloom are the transaction's and the logs'.

use alloy::{
    consensus::transaction::Transaction as _,
    primitives::{Address, B256, Bytes, Log, LogData, TxKind, map::HashMap},
};
use aurum_types::{Receipt, ReceiptOutcome, Transaction};

/// Words of a call's data that can be named.
const PLACES: usize = 1 << 10;
/// Bytes of a function's selector, before the words of its arguments.
const SELECTOR: usize = 4;

const NEW: u64 = 0;
const SENDER: u64 = 1;
const CALLEE: u64 = 2;
const SEEN: u64 = 3;
const FIRST_PLACE: u64 = 4;

/// Writes what [`decode`] and [`decode_senders`] read. The slices have one element for each transaction.
pub(crate) fn encode(transactions: &[Transaction], senders: &[Address], receipts: &[Receipt]) -> Vec<u8> {
    debug_assert!(transactions.len() == senders.len() && senders.len() == receipts.len(), "one of each");
    let mut out = Vec::with_capacity(64 + 16 * receipts.len());
    put_senders(senders, &mut out);
    let mut seen = HashMap::default();
    let mut gas_before = 0;
    for ((tx, sender), receipt) in transactions.iter().zip(senders).zip(receipts) {
        let (status, root) = match receipt.outcome {
            ReceiptOutcome::Status(succeeded) => (u64::from(succeeded), None),
            ReceiptOutcome::StateRoot(root) => (2, Some(root)),
            ReceiptOutcome::Unknown => (3, None),
        };
        put_number(status, &mut out);
        put_number(receipt.cumulative_gas_used.wrapping_sub(gas_before), &mut out);
        gas_before = receipt.cumulative_gas_used;
        out.extend_from_slice(root.as_ref().map_or(&[], |root| root.as_slice()));
        let mut words = WordWriter { context: Context::of(tx, *sender), seen: &mut seen, out: &mut out };
        put_number(receipt.logs.len() as u64, words.out);
        receipt.logs.iter().for_each(|log| words.log(log));
    }
    out
}

/// The senders in a record.
pub(crate) fn decode_senders(mut record: &[u8], transactions: usize) -> Option<Vec<Address>> {
    take_senders(&mut record, transactions)
}

/// The senders and receipts in a record of a block with these transactions; `None` for anything else.
pub(crate) fn decode(mut record: &[u8], transactions: &[Transaction]) -> Option<(Vec<Address>, Vec<Receipt>)> {
    let senders = take_senders(&mut record, transactions.len())?;
    let mut seen = Vec::new();
    let mut receipts = Vec::with_capacity(transactions.len());
    let mut gas = 0_u64;
    for (tx, sender) in transactions.iter().zip(&senders) {
        let status = take_number(&mut record)?;
        gas = gas.wrapping_add(take_number(&mut record)?);
        let outcome = match status {
            0 | 1 => ReceiptOutcome::Status(status == 1),
            2 => ReceiptOutcome::StateRoot(take_word(&mut record)?),
            3 => ReceiptOutcome::Unknown,
            _ => return None,
        };
        let mut words = WordReader { context: Context::of(tx, *sender), seen: &mut seen, rest: &mut record };
        let count = take_count(words.rest)?;
        let logs = (0..count).map(|_| words.log()).collect::<Option<_>>()?;
        receipts.push(Receipt { tx_type: tx.tx_type(), outcome, cumulative_gas_used: gas, logs });
    }
    record.is_empty().then_some((senders, receipts))
}

/// What a transaction gives of its own receipt.
struct Context<'a> {
    sender: B256,
    callee: Option<B256>,
    data: &'a [u8],
}

impl<'a> Context<'a> {
    fn of(tx: &'a Transaction, sender: Address) -> Self {
        let callee = match tx.kind() {
            TxKind::Call(callee) => Some(callee.into_word()),
            TxKind::Create => None,
        };
        Self { sender: sender.into_word(), callee, data: tx.input().get(SELECTOR..).unwrap_or_default() }
    }

    fn place_of(&self, word: &B256) -> Option<usize> {
        self.data.chunks_exact(32).take(PLACES).position(|found| found == word.as_slice())
    }

    fn at(&self, place: usize) -> Option<B256> {
        self.data.chunks_exact(32).take(PLACES).nth(place).map(B256::from_slice)
    }
}

struct WordWriter<'a> {
    context: Context<'a>,
    seen: &'a mut HashMap<B256, u64>,
    out: &'a mut Vec<u8>,
}

impl WordWriter<'_> {
    fn log(&mut self, log: &Log) {
        self.word(log.address.into_word());
        put_number(log.topics().len() as u64, self.out);
        log.topics().iter().for_each(|topic| self.word(*topic));
        put_number(log.data.data.len() as u64, self.out);
        let (words, rest) = log.data.data.as_chunks::<32>();
        words.iter().for_each(|word| self.word(B256::from(*word)));
        self.out.extend_from_slice(rest);
    }

    fn word(&mut self, word: B256) {
        if word == self.context.sender {
            put_number(SENDER, self.out);
        } else if Some(word) == self.context.callee {
            put_number(CALLEE, self.out);
        } else if let Some(place) = self.context.place_of(&word) {
            put_number(FIRST_PLACE + place as u64, self.out);
        } else if let Some(index) = self.seen.get(&word) {
            put_number(SEEN, self.out);
            put_number(*index, self.out);
        } else {
            put_number(NEW, self.out);
            self.out.extend_from_slice(word.as_slice());
            self.seen.insert(word, self.seen.len() as u64);
        }
    }
}

struct WordReader<'a, 'r> {
    context: Context<'a>,
    seen: &'a mut Vec<B256>,
    rest: &'a mut &'r [u8],
}

impl WordReader<'_, '_> {
    fn log(&mut self) -> Option<Log> {
        let address = self.word()?;
        if address[..12].iter().any(|byte| *byte != 0) {
            return None;
        }
        let count = take_count(self.rest)?;
        let topics = (0..count).map(|_| self.word()).collect::<Option<Vec<_>>>()?;
        let length = usize::try_from(take_number(self.rest)?).ok()?;
        let mut data = Vec::new();
        for _ in 0..length / 32 {
            data.extend_from_slice(self.word()?.as_slice());
        }
        data.extend_from_slice(self.rest.split_off(..length % 32)?);
        Some(Log { address: Address::from_word(address), data: LogData::new(topics, Bytes::from(data))? })
    }

    fn word(&mut self) -> Option<B256> {
        match take_number(self.rest)? {
            NEW => {
                let word = take_word(self.rest)?;
                self.seen.push(word);
                Some(word)
            }
            SENDER => Some(self.context.sender),
            CALLEE => self.context.callee,
            SEEN => self.seen.get(usize::try_from(take_number(self.rest)?).ok()?).copied(),
            place => self.context.at(usize::try_from(place - FIRST_PLACE).ok()?),
        }
    }
}

fn put_senders(senders: &[Address], out: &mut Vec<u8>) {
    let mut numbers: HashMap<Address, u64> = HashMap::default();
    let mut distinct = Vec::new();
    let indices: Vec<u64> = senders
        .iter()
        .map(|sender| {
            *numbers.entry(*sender).or_insert_with(|| {
                distinct.push(*sender);
                distinct.len() as u64 - 1
            })
        })
        .collect();
    put_number(distinct.len() as u64, out);
    distinct.iter().for_each(|sender| out.extend_from_slice(sender.as_slice()));
    indices.iter().for_each(|index| put_number(*index, out));
}

fn take_senders(record: &mut &[u8], transactions: usize) -> Option<Vec<Address>> {
    let count = take_count(record)?;
    let distinct = record.split_off(..count.checked_mul(20)?)?;
    (0..transactions)
        .map(|_| {
            let index = usize::try_from(take_number(record)?).ok()?;
            distinct.chunks_exact(20).nth(index).map(Address::from_slice)
        })
        .collect()
}

fn put_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take_number(record: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *record.split_off_first()?;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// A number of things that take a byte each at least.
fn take_count(record: &mut &[u8]) -> Option<usize> {
    usize::try_from(take_number(record)?).ok().filter(|count| *count <= record.len())
}

fn take_word(record: &mut &[u8]) -> Option<B256> {
    record.split_off(..32).map(B256::from_slice)
}

#[cfg(test)]
mod tests {
    use alloy::{
        consensus::{Signed, TxEip1559, TxLegacy, TxType},
        primitives::{Signature, U256},
    };
    use proptest::prelude::*;

    use super::*;

    fn transaction(callee: Option<u8>, data: Vec<u8>, typed: bool) -> Transaction {
        let to = callee.map_or(TxKind::Create, |byte| TxKind::Call(Address::repeat_byte(byte)));
        let signature = Signature::new(U256::from(1), U256::from(1), false);
        let input = Bytes::from(data);
        if typed {
            Transaction::Eip1559(Signed::new_unhashed(TxEip1559 { to, input, ..TxEip1559::default() }, signature))
        } else {
            Transaction::Legacy(Signed::new_unhashed(TxLegacy { to, input, ..TxLegacy::default() }, signature))
        }
    }

    /// Words that meet often: those of three addresses, small ones, and their mixtures.
    fn word() -> impl Strategy<Value = B256> {
        prop_oneof![
            (0u8..3).prop_map(|byte| Address::repeat_byte(byte).into_word()),
            (0u8..4).prop_map(B256::with_last_byte),
            any::<[u8; 32]>().prop_map(B256::from),
        ]
    }

    fn data() -> impl Strategy<Value = Vec<u8>> {
        (proptest::collection::vec(any::<u8>(), 0..5), proptest::collection::vec(word(), 0..4), 0usize..32).prop_map(
            |(mut bytes, words, rest)| {
                words.iter().for_each(|word| bytes.extend_from_slice(word.as_slice()));
                bytes.extend(std::iter::repeat_n(7, rest));
                bytes
            },
        )
    }

    fn log() -> impl Strategy<Value = Log> {
        (0u8..4, proptest::collection::vec(word(), 0..5), data())
            .prop_map(|(address, topics, data)| Log::new_unchecked(Address::repeat_byte(address), topics, data.into()))
    }

    fn executed() -> impl Strategy<Value = (Transaction, Address, Receipt)> {
        let outcome = prop_oneof![
            any::<bool>().prop_map(ReceiptOutcome::Status),
            word().prop_map(ReceiptOutcome::StateRoot),
            Just(ReceiptOutcome::Unknown),
        ];
        let tx = (proptest::option::of(0u8..3), data(), any::<bool>());
        (tx, 0u8..4, outcome, any::<u64>(), proptest::collection::vec(log(), 0..4)).prop_map(
            |((callee, data, typed), sender, outcome, cumulative_gas_used, logs)| {
                let tx = transaction(callee, data, typed);
                let receipt = Receipt { tx_type: tx.tx_type(), outcome, cumulative_gas_used, logs };
                (tx, Address::repeat_byte(sender), receipt)
            },
        )
    }

    proptest! {
        #[test]
        fn senders_and_receipts_round_trip(block in proptest::collection::vec(executed(), 0..8)) {
            let transactions: Vec<_> = block.iter().map(|(tx, _, _)| tx.clone()).collect();
            let senders: Vec<_> = block.iter().map(|(_, sender, _)| *sender).collect();
            let receipts: Vec<_> = block.iter().map(|(_, _, receipt)| receipt.clone()).collect();
            let record = encode(&transactions, &senders, &receipts);
            prop_assert_eq!(decode_senders(&record, senders.len()), Some(senders.clone()));
            prop_assert_eq!(decode(&record, &transactions), Some((senders, receipts)));
            if !transactions.is_empty() {
                prop_assert_eq!(decode(&record[..record.len() - 1], &transactions), None);
            }
        }

        #[test]
        fn decoding_garbage_never_panics(record: Vec<u8>, count in 0usize..4) {
            let transactions = vec![transaction(Some(1), vec![0; 70], false); count];
            let _ = decode(&record, &transactions);
            let _ = decode_senders(&record, count);
        }
    }

    #[test]
    fn a_token_transfer_takes_a_few_bytes_besides_what_the_block_shares() {
        let (token, event) = (Address::repeat_byte(9), B256::repeat_byte(0xdd));
        let block: Vec<_> = (0..100u8)
            .map(|n| {
                let (to, amount) = (Address::with_last_byte(n), B256::with_last_byte(n));
                let data = [&[0xa9, 0x05, 0x9c, 0xbb], to.into_word().as_slice(), amount.as_slice()].concat();
                let sender = Address::repeat_byte(1 + n % 3);
                let topics = vec![event, sender.into_word(), to.into_word()];
                let log = Log::new_unchecked(token, topics, Bytes::copy_from_slice(amount.as_slice()));
                let tx = transaction(Some(9), data, false);
                let gas = 34_000 * u64::from(n);
                let outcome = ReceiptOutcome::Status(true);
                (tx, sender, Receipt { tx_type: TxType::Legacy, outcome, cumulative_gas_used: gas, logs: vec![log] })
            })
            .collect();
        let transactions: Vec<_> = block.iter().map(|(tx, _, _)| tx.clone()).collect();
        let senders: Vec<_> = block.iter().map(|(_, sender, _)| *sender).collect();
        let receipts: Vec<_> = block.iter().map(|(_, _, receipt)| receipt.clone()).collect();
        let record = encode(&transactions, &senders, &receipts);
        assert!(record.len() < 16 * 100, "{} bytes", record.len());
    }
}
