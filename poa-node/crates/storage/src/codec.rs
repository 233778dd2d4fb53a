//! How keys and values of the tables are written as bytes.

use std::borrow::Cow;

use alloy::{
    consensus::transaction::Transaction as _,
    eips::eip2718::{Decodable2718, Encodable2718},
    primitives::{Address, B256, Bytes, U256, keccak256},
    rlp::{Decodable, Encodable, Header as RlpHeader},
};
use alloy_trie::Nibbles;
use aurum_types::{Account, BlockNumber, EMPTY_CODE_HASH, Header, HeaderFormat, Score, Transaction};

/// Bytes of a table's key.
pub(crate) trait Key: Sized {
    /// The bytes; their order is the table's order.
    fn to_bytes(&self) -> Vec<u8>;
    /// Reads what [`Self::to_bytes`] wrote.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

/// Bytes of a table's value.
pub(crate) trait Value: Sized {
    /// The bytes.
    fn to_value(&self) -> Cow<'_, [u8]>;
    /// Reads what [`Self::to_value`] wrote.
    fn from_value(bytes: &[u8]) -> Option<Self>;
}

impl Key for String {
    fn to_bytes(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::from_utf8(bytes.to_vec()).ok()
    }
}

impl Key for B256 {
    fn to_bytes(&self) -> Vec<u8> {
        self.to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::try_from(bytes).ok()
    }
}

impl Key for Address {
    fn to_bytes(&self) -> Vec<u8> {
        self.to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::try_from(bytes).ok()
    }
}

impl Key for BlockNumber {
    fn to_bytes(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_be_bytes)
    }
}

/// A storage slot: `address ‖ slot`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Slot {
    /// The contract.
    pub(crate) address: Address,
    /// The slot, not hashed.
    pub(crate) slot: U256,
}

impl Key for Slot {
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(52);
        bytes.extend_from_slice(self.address.as_slice());
        bytes.extend_from_slice(&self.slot.to_be_bytes::<32>());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (address, slot) = bytes.split_at_checked(20)?;
        Some(Self { address: Address::from_slice(address), slot: U256::from_be_bytes::<32>(slot.try_into().ok()?) })
    }
}

/// `key ‖ be(block)`: a history record's key.
macro_rules! at_block {
    ($(#[$doc:meta])* $name:ident($key:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) struct $name {
            /// What was written.
            pub(crate) key: $key,
            /// By which block.
            pub(crate) block: BlockNumber,
        }

        impl Key for $name {
            fn to_bytes(&self) -> Vec<u8> {
                let mut bytes = self.key.to_bytes();
                bytes.extend_from_slice(&self.block.to_be_bytes());
                bytes
            }

            fn from_bytes(bytes: &[u8]) -> Option<Self> {
                let (key, block) = bytes.split_at_checked(bytes.len().checked_sub(8)?)?;
                Some(Self { key: Key::from_bytes(key)?, block: Key::from_bytes(block)? })
            }
        }
    };
}

at_block! {
    /// An account before a block.
    AddressAt(Address)
}

at_block! {
    /// A slot before a block.
    SlotAt(Slot)
}

/// `be(number) ‖ hash`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NumberHash {
    /// Height.
    pub(crate) number: BlockNumber,
    /// Hash.
    pub(crate) hash: B256,
}

impl Key for NumberHash {
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.number.to_bytes();
        bytes.extend_from_slice(self.hash.as_slice());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (number, hash) = bytes.split_at_checked(8)?;
        Some(Self { number: Key::from_bytes(number)?, hash: Key::from_bytes(hash)? })
    }
}

/// A place in the trie of accounts: one byte a nibble, so that a node comes before those below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TriePath(pub(crate) Nibbles);

impl Key for TriePath {
    fn to_bytes(&self) -> Vec<u8> {
        self.0.to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let sound = bytes.len() <= 64 && bytes.iter().all(|nibble| *nibble < 16);
        sound.then(|| Self(Nibbles::from_nibbles_unchecked(bytes)))
    }
}

/// A place in a storage trie: `hashed address ‖ path`, the path as in [`TriePath`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoragePath {
    /// keccak256 of the account's address.
    pub(crate) owner: B256,
    /// From the root of its storage trie.
    pub(crate) path: Nibbles,
}

impl Key for StoragePath {
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.owner.to_vec();
        bytes.extend_from_slice(&self.path.to_vec());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (owner, path) = bytes.split_at_checked(32)?;
        Some(Self { owner: B256::from_slice(owner), path: TriePath::from_bytes(path)?.0 })
    }
}

impl Value for Bytes {
    fn to_value(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self)
    }

    fn from_value(bytes: &[u8]) -> Option<Self> {
        Some(Self::copy_from_slice(bytes))
    }
}

impl Value for B256 {
    fn to_value(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.as_slice())
    }

    fn from_value(bytes: &[u8]) -> Option<Self> {
        Self::try_from(bytes).ok()
    }
}

/// Big-endian without leading zeroes, so zero is no bytes at all.
impl Value for U256 {
    fn to_value(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.to_be_bytes_trimmed_vec())
    }

    fn from_value(bytes: &[u8]) -> Option<Self> {
        Self::try_from_be_slice(bytes)
    }
}

/// RLP `[nonce, balance]`, with the code hash as third item where there is code.
impl Value for Account {
    fn to_value(&self) -> Cow<'_, [u8]> {
        let code = self.has_code().then_some(self.code_hash);
        let payload_length = self.nonce.length() + self.balance.length() + code.map_or(0, |hash| hash.length());
        let mut out = Vec::with_capacity(payload_length + 2);
        RlpHeader { list: true, payload_length }.encode(&mut out);
        self.nonce.encode(&mut out);
        self.balance.encode(&mut out);
        if let Some(hash) = code {
            hash.encode(&mut out);
        }
        Cow::Owned(out)
    }

    fn from_value(mut bytes: &[u8]) -> Option<Self> {
        let mut items = RlpHeader::decode_bytes(&mut bytes, true).ok()?;
        let nonce = Decodable::decode(&mut items).ok()?;
        let balance = Decodable::decode(&mut items).ok()?;
        let code_hash = if items.is_empty() { EMPTY_CODE_HASH } else { Decodable::decode(&mut items).ok()? };
        (items.is_empty() && bytes.is_empty()).then_some(Self { nonce, balance, code_hash })
    }
}

/// No bytes for `None`.
impl Value for Option<Account> {
    fn to_value(&self) -> Cow<'_, [u8]> {
        self.as_ref().map_or(Cow::Borrowed(&[]), Value::to_value)
    }

    fn from_value(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() { Some(None) } else { Account::from_value(bytes).map(Some) }
    }
}

/// A header that can be decoded without the chain spec: one byte says whether it ends in a base fee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredHeader(pub(crate) Header);

impl Value for StoredHeader {
    fn to_value(&self) -> Cow<'_, [u8]> {
        let mut out = Vec::with_capacity(700);
        out.push(u8::from(self.0.base_fee_per_gas.is_some()));
        self.0.encode(&mut out);
        Cow::Owned(out)
    }

    fn from_value(bytes: &[u8]) -> Option<Self> {
        let (base_fee, mut rest) = bytes.split_first()?;
        let base_fee = *base_fee == 1;
        let format =
            HeaderFormat { base_fee_from: base_fee.then_some(0), empty_steps_from: None, genesis_base_fee: base_fee };
        let header = Header::decode(&mut rest, &format).ok()?;
        rest.is_empty().then_some(Self(header))
    }
}

/// A block without its header: RLP `[[transaction…], [uncle…]]`, an uncle as a string holding a [`StoredHeader`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Body {
    /// Transactions in order.
    pub(crate) transactions: Vec<Transaction>,
    /// Uncles in order.
    pub(crate) uncles: Vec<Header>,
}

impl Body {
    /// Writes a body from borrowed parts.
    pub(crate) fn encode_parts(transactions: &[Transaction], uncles: &[Header]) -> Vec<u8> {
        let mut items = Vec::new();
        for tx in transactions {
            items.reserve(tx.input().len() + 200);
            tx.network_encode(&mut items);
        }
        let uncles: Vec<Bytes> =
            uncles.iter().map(|uncle| StoredHeader(uncle.clone()).to_value().into_owned().into()).collect();
        let transactions = RlpHeader { list: true, payload_length: items.len() };
        let payload_length = transactions.length() + items.len() + uncles.length();
        let mut out = Vec::with_capacity(payload_length + 5);
        RlpHeader { list: true, payload_length }.encode(&mut out);
        transactions.encode(&mut out);
        out.extend_from_slice(&items);
        uncles.encode(&mut out);
        out
    }

    /// The hash of one transaction in an encoded body, without decoding the others; `None` where there is none.
    pub(crate) fn transaction_hash(mut body: &[u8], index: u32) -> Option<B256> {
        let mut items = RlpHeader::decode_bytes(&mut body, true).ok()?;
        let mut encoded = RlpHeader::decode_bytes(&mut items, true).ok()?;
        for place in 0..=index {
            let whole = encoded;
            let header = RlpHeader::decode(&mut encoded).ok()?;
            let payload = encoded.split_off(..header.payload_length)?;
            if place == index {
                // A typed transaction is a string around its EIP-2718 form, a legacy one a list that is hashed whole.
                let own = &whole[..whole.len() - encoded.len()];
                return Some(keccak256(if header.list { own } else { payload }));
            }
        }
        None
    }
}

impl Value for Body {
    fn to_value(&self) -> Cow<'_, [u8]> {
        Cow::Owned(Self::encode_parts(&self.transactions, &self.uncles))
    }

    fn from_value(mut bytes: &[u8]) -> Option<Self> {
        let mut items = RlpHeader::decode_bytes(&mut bytes, true).ok()?;
        let mut encoded = RlpHeader::decode_bytes(&mut items, true).ok()?;
        let mut transactions = Vec::new();
        while !encoded.is_empty() {
            transactions.push(Transaction::network_decode(&mut encoded).ok()?);
        }
        let uncles: Vec<Bytes> = Decodable::decode(&mut items).ok()?;
        let uncles =
            uncles.iter().map(|uncle| StoredHeader::from_value(uncle).map(|header| header.0)).collect::<Option<_>>()?;
        (items.is_empty() && bytes.is_empty()).then_some(Self { transactions, uncles })
    }
}

/// Twenty bytes each.
impl Value for Vec<Address> {
    fn to_value(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.iter().flat_map(|address| address.0.0).collect())
    }

    fn from_value(bytes: &[u8]) -> Option<Self> {
        let chunks = bytes.chunks_exact(20);
        chunks.remainder().is_empty().then(|| chunks.map(Address::from_slice).collect())
    }
}

/// The first eight bytes of a transaction's hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TxPrefix([u8; 8]);

impl TxPrefix {
    pub(crate) fn of(hash: B256) -> Self {
        let mut prefix = [0; 8];
        prefix.copy_from_slice(&hash[..8]);
        Self(prefix)
    }
}

impl Key for TxPrefix {
    fn to_bytes(&self) -> Vec<u8> {
        self.0.to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

/// Where a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Height of the canonical block.
    pub(crate) block: BlockNumber,
    /// Place in the block.
    pub(crate) index: u32,
}

/// One after another, each RLP of the block's number and RLP of the index.
impl Value for Vec<Place> {
    fn to_value(&self) -> Cow<'_, [u8]> {
        let mut out = Vec::with_capacity(8 * self.len());
        for place in self {
            place.block.encode(&mut out);
            place.index.encode(&mut out);
        }
        Cow::Owned(out)
    }

    fn from_value(mut bytes: &[u8]) -> Option<Self> {
        let mut places = Self::new();
        while !bytes.is_empty() {
            let block = Decodable::decode(&mut bytes).ok()?;
            places.push(Place { block, index: Decodable::decode(&mut bytes).ok()? });
        }
        Some(places)
    }
}

/// When a block came, and what it weighs: `score (32 bytes) ‖ be(order)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// Total difficulty of the chain ending in it.
    pub(crate) score: Score,
    /// Grows with every stored block; of two blocks with one score the first seen stays head.
    pub(crate) order: u64,
}

impl Value for Arrival {
    fn to_value(&self) -> Cow<'_, [u8]> {
        let mut out = self.score.0.to_be_bytes::<32>().to_vec();
        out.extend_from_slice(&self.order.to_be_bytes());
        Cow::Owned(out)
    }

    fn from_value(bytes: &[u8]) -> Option<Self> {
        let (score, order) = bytes.split_at_checked(32)?;
        Some(Self { score: Score(U256::try_from_be_slice(score)?), order: u64::from_be_bytes(order.try_into().ok()?) })
    }
}

/// What a block wrote, sorted: RLP `[addresses, [address, slots]…]`, addresses and slots each packed into one string.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changed {
    /// Accounts.
    pub(crate) accounts: Vec<Address>,
    /// Slots.
    pub(crate) slots: Vec<Slot>,
}

impl Value for Changed {
    fn to_value(&self) -> Cow<'_, [u8]> {
        let mut items = Vec::with_capacity(64 + 20 * self.accounts.len() + 34 * self.slots.len());
        let pack = |bytes: Vec<u8>, items: &mut Vec<u8>| bytes.as_slice().encode(items);
        pack(self.accounts.iter().flat_map(|address| address.0.0).collect(), &mut items);
        for group in self.slots.chunk_by(|a, b| a.address == b.address) {
            group[0].address.encode(&mut items);
            pack(group.iter().flat_map(|key| key.slot.to_be_bytes::<32>()).collect(), &mut items);
        }
        let mut out = Vec::with_capacity(items.len() + 9);
        RlpHeader { list: true, payload_length: items.len() }.encode(&mut out);
        out.extend_from_slice(&items);
        Cow::Owned(out)
    }

    fn from_value(mut bytes: &[u8]) -> Option<Self> {
        let mut items = RlpHeader::decode_bytes(&mut bytes, true).ok()?;
        let accounts = Value::from_value(RlpHeader::decode_bytes(&mut items, false).ok()?)?;
        let mut slots = Vec::new();
        while !items.is_empty() {
            let address = Decodable::decode(&mut items).ok()?;
            let (packed, rest) = RlpHeader::decode_bytes(&mut items, false).ok()?.as_chunks::<32>();
            if !rest.is_empty() {
                return None;
            }
            slots.extend(packed.iter().map(|slot| Slot { address, slot: U256::from_be_bytes(*slot) }));
        }
        bytes.is_empty().then_some(Self { accounts, slots })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check<V: Value + PartialEq + std::fmt::Debug>(value: &V) {
        assert_eq!(V::from_value(&value.to_value()).as_ref(), Some(value));
    }

    fn slot(address: [u8; 20], slot: [u8; 32]) -> Slot {
        Slot { address: Address::from(address), slot: U256::from_be_bytes(slot) }
    }

    #[test]
    fn an_empty_account_is_not_no_account() {
        check(&Some(Account::default()));
        check(&None::<Account>);
    }

    #[test]
    fn headers_decode_with_and_without_base_fee() {
        let plain = Header { number: 7, seal: vec![Bytes::from_static(&[0x05])], ..Header::default() };
        check(&StoredHeader(Header { base_fee_per_gas: Some(0), ..plain.clone() }));
        check(&StoredHeader(Header { number: 0, base_fee_per_gas: Some(9), ..plain.clone() }));
        check(&Body { transactions: Vec::new(), uncles: vec![plain.clone()] });
        check(&StoredHeader(plain));
    }

    proptest! {
        #[test]
        fn values_round_trip(nonce: u64, balance: [u8; 32], code: Option<[u8; 32]>, block: u64, index: u32, order: u64) {
            let balance = U256::from_be_bytes(balance);
            check(&Account { nonce, balance, code_hash: code.map_or(EMPTY_CODE_HASH, B256::from) });
            check(&balance);
            check(&vec![Place { block, index }, Place { block: index.into(), index: 0 }]);
            check(&Vec::<Place>::new());
            check(&Arrival { score: Score(balance), order });
        }

        #[test]
        fn keys_round_trip_and_sort_by_block(address: [u8; 20], key: [u8; 32], a: u64, b: u64) {
            let key = slot(address, key);
            prop_assert_eq!(Slot::from_bytes(&key.to_bytes()), Some(key));
            let (at_a, at_b) = (SlotAt { key, block: a }, SlotAt { key, block: b });
            prop_assert_eq!(SlotAt::from_bytes(&at_a.to_bytes()), Some(at_a));
            prop_assert_eq!(at_a.to_bytes().cmp(&at_b.to_bytes()), a.cmp(&b));
        }

        #[test]
        fn places_in_tries_round_trip_and_sort_above_what_is_below(
            owner: [u8; 32], path in proptest::collection::vec(0u8..16, 0..64), nibble in 0u8..16,
        ) {
            let place = StoragePath { owner: owner.into(), path: Nibbles::from_nibbles(&path) };
            prop_assert_eq!(StoragePath::from_bytes(&place.to_bytes()), Some(place));
            let mut below = place;
            below.path.push(nibble);
            prop_assert!(place.to_bytes() < below.to_bytes());
            prop_assert_eq!(TriePath::from_bytes(&TriePath(below.path).to_bytes()), Some(TriePath(below.path)));
        }

        #[test]
        fn undo_lists_round_trip(accounts: Vec<[u8; 20]>, slots: Vec<([u8; 20], [u8; 32])>) {
            check(&Changed {
                accounts: accounts.into_iter().map(Address::from).collect(),
                slots: slots.into_iter().map(|(address, key)| slot(address, key)).collect(),
            });
        }

        #[test]
        fn decoding_garbage_never_panics(bytes: Vec<u8>) {
            let _ = Account::from_value(&bytes);
            let _ = StoredHeader::from_value(&bytes);
            let _ = Body::from_value(&bytes);
            let _ = Vec::<Place>::from_value(&bytes);
            let _ = Body::transaction_hash(&bytes, 0);
            let _ = Changed::from_value(&bytes);
            let _ = SlotAt::from_bytes(&bytes);
            let _ = StoragePath::from_bytes(&bytes);
        }
    }
}
