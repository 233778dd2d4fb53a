//! Blocks made of bare state changes, and the model their states are compared with.

use std::{collections::BTreeMap, sync::Arc};

use alloy::{
    consensus::{Signed, TxLegacy, TxType},
    primitives::{Address, B256, Bytes, Log, Signature, TxKind, U256, keccak256},
};
use alloy_trie::TrieAccount;
use aurum_storage::{Database, History, Options, StateTree, Tip, Writer, genesis_root};
use aurum_types::{
    Account, AccountChange, Block, BlockError, CommittedBlock, EMPTY_UNCLES_HASH, ExecutionOutcome, Header,
    MemoryState, Receipt, ReceiptOutcome, Score, SealedBlock, StateChanges, StateReader, Transaction, receipts_root,
    transactions_root,
};
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Root of a model by a full rebuild with alloy-trie.
pub(crate) fn rebuilt_root(model: &MemoryState) -> B256 {
    alloy_trie::root::state_root_unhashed(
        model.accounts().map(|(address, account)| (address, trie_account(model, address, account))),
    )
}

fn trie_account(model: &MemoryState, address: Address, account: Account) -> TrieAccount {
    let slots = model.slots(address).map(|(slot, value)| (B256::from(slot), value));
    let storage_root = alloy_trie::root::storage_root_unhashed(slots);
    TrieAccount::new(account.nonce, account.balance, storage_root, account.code_hash)
}

/// Every way in which little of the trie is in memory and much of it in between check-points, and for some as little history
/// as there may be.
pub(crate) fn options(seed: u64) -> Options {
    let mut rng = StdRng::seed_from_u64(seed);
    Options {
        history: if rng.random() { History::Archive } else { History::Last(History::LEAST) },
        trie_memory: rng.random_range(0..4) * 1_000,
        checkpoint_bytes: rng.random_range(0..3) * 8_000 + 1,
        checkpoint_blocks: rng.random_range(1..8),
    }
}

/// The files as a process that is killed now leaves them. RocksDB goes on meanwhile: if it deletes one of the files that
/// were listed, the copy is of no moment and made anew.
pub(crate) fn crash_copy(from: &std::path::Path, to: &std::path::Path) {
    loop {
        match try_copy(from, to) {
            Ok(()) => return,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                std::fs::remove_dir_all(to).expect("removed");
                std::fs::create_dir(to).expect("made");
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn try_copy(from: &std::path::Path, to: &std::path::Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_name() != "LOCK" {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// Ten addresses, so that blocks meet each other's writes.
pub(crate) fn address(n: u8) -> Address {
    Address::repeat_byte(0x10 + n % 10)
}

/// What block `seed` does to `model`: accounts made, emptied, removed, wiped; slots set and cleared; code.
pub(crate) fn random_changes(seed: u64, model: &MemoryState) -> StateChanges {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut changes = StateChanges::default();
    for _ in 0..rng.random_range(0..6) {
        let address = address(rng.random());
        let old = model.account(address).expect("memory does not fail");
        let mut change = AccountChange::default();
        let kind = rng.random_range(0..12);
        if kind == 0 && old.is_some() {
            change.storage_wiped = true;
            changes.accounts.insert(address, change);
            continue;
        }
        let mut account = if kind == 1 { Account::default() } else { old.unwrap_or_default() };
        change.storage_wiped = old.is_some() && (kind == 1 || kind == 2);
        if kind > 3 {
            account.nonce += 1;
            account.balance = U256::from(rng.random_range(0..1000u32));
        }
        if kind == 5 {
            let code = Bytes::from(vec![rng.random::<u8>() | 1; 3]);
            account.code_hash = keccak256(&code);
            changes.code.insert(account.code_hash, code);
        }
        for _ in 0..rng.random_range(0..6) {
            let value = if rng.random_bool(0.3) { U256::ZERO } else { U256::from(rng.random::<u64>()) };
            change.storage.insert(U256::from(rng.random_range(0..8u8)), value);
        }
        change.account = Some(account);
        changes.accounts.insert(address, change);
    }
    changes
}

/// A chain's end as a test sees it.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) header: Header,
    pub(crate) hash: B256,
    pub(crate) score: Score,
    pub(crate) model: MemoryState,
}

pub(crate) fn genesis_changes() -> StateChanges {
    let mut changes = StateChanges::default();
    // An empty account, as constructors at genesis leave it at address zero (aura.md §4.4).
    for address in [Address::ZERO, address(1), address(2)] {
        changes
            .accounts
            .insert(address, AccountChange { account: Some(Account::default()), ..AccountChange::default() });
    }
    let contract = changes.accounts.get_mut(&address(2)).expect("inserted above");
    contract.storage = (0..8u8).map(|slot| (U256::from(slot), U256::from(slot + 1))).collect();
    changes
}

pub(crate) fn genesis() -> Link {
    let changes = genesis_changes();
    let header = header(&Header::default(), genesis_root(&changes).expect("no disk"), &[], &[]);
    let hash = header.hash_slow();
    Link { score: Score(header.difficulty), hash, header, model: MemoryState::from_changes(&changes) }
}

/// Opens a database and puts the genesis into it.
pub(crate) fn open(path: &std::path::Path) -> (Database, Writer, StateTree) {
    open_with(path, Options::default())
}

/// The same, kept in another way.
pub(crate) fn open_with(path: &std::path::Path, options: Options) -> (Database, Writer, StateTree) {
    let (database, mut writer) = Database::open_with(path, options).expect("opens");
    writer.init_genesis(&genesis().header, &genesis_changes(), b"engine 0").expect("genesis fits");
    let tree = database.state_tree();
    (database, writer, tree)
}

fn header(parent: &Header, state_root: B256, transactions: &[Transaction], receipts: &[Receipt]) -> Header {
    let genesis = *parent == Header::default();
    Header {
        parent_hash: if genesis { B256::ZERO } else { parent.hash_slow() },
        uncles_hash: EMPTY_UNCLES_HASH,
        state_root,
        transactions_root: transactions_root(transactions),
        receipts_root: receipts_root(receipts),
        logs_bloom: aurum_types::logs_bloom(receipts.iter().flat_map(|receipt| &receipt.logs)),
        difficulty: U256::from(1),
        number: if genesis { 0 } else { parent.number + 1 },
        gas_limit: 10_000_000,
        gas_used: receipts.last().map_or(0, |receipt| receipt.cumulative_gas_used),
        timestamp: parent.timestamp + 1,
        ..Header::default()
    }
}

/// A transaction whose sender only the test knows.
fn transaction(nonce: u64) -> Transaction {
    let tx = TxLegacy { nonce, gas_limit: 21_000, to: TxKind::Call(address(3)), ..TxLegacy::default() };
    let signature = Signature::new(U256::from(1), U256::from(1), false);
    Transaction::Legacy(Signed::new_unhashed(tx, signature))
}

/// The block with changes `seed` on `parent`, committed to through `tree`; with one transaction if the seed is even.
pub(crate) fn child(
    tree: &StateTree,
    parent: &Link,
    seed: u64,
) -> (Arc<CommittedBlock>, aurum_storage::TrieNodes, Link) {
    let changes = random_changes(seed, &parent.model);
    child_with(tree, parent, seed, changes)
}

pub(crate) fn child_with(
    tree: &StateTree,
    parent: &Link,
    seed: u64,
    changes: StateChanges,
) -> (Arc<CommittedBlock>, aurum_storage::TrieNodes, Link) {
    let committed = tree.commit(parent.hash, &changes).expect("parent is held");
    let mut model = parent.model.clone();
    model.apply(&changes);
    assert_eq!(committed.root, rebuilt_root(&model), "root after changes {seed} on block {}", parent.header.number);
    let (mut transactions, mut receipts) = (Vec::new(), Vec::new());
    if seed.is_multiple_of(2) {
        transactions.push(transaction(seed));
        receipts.push(Receipt {
            tx_type: TxType::Legacy,
            outcome: ReceiptOutcome::Status(true),
            cumulative_gas_used: 21_000,
            logs: vec![Log::new_unchecked(address(4), vec![B256::repeat_byte(9)], Bytes::from_static(b"log"))],
        });
    }
    let mut header = header(&parent.header, committed.root, &transactions, &receipts);
    header.extra_data = seed.to_be_bytes().into();
    let outcome = ExecutionOutcome { gas_used: header.gas_used, receipts, changes };
    let block = SealedBlock::seal_slow(Block { header: header.clone(), transactions, uncles: Vec::new() })
        .verify(|_| Ok::<_, BlockError>(()))
        .and_then(|block| block.recover(|_| Some(address(5))))
        .and_then(|block| block.execute(|_| Ok::<_, BlockError>(outcome)))
        .and_then(|block| block.commit(committed.root))
        .expect("the block is its header's");
    let hash = block.hash();
    let link = Link { score: parent.score.plus(header.difficulty), header, hash, model };
    (Arc::new(block), committed.nodes, link)
}

/// Stores and adds the child with changes `seed`.
pub(crate) fn grow(writer: &mut Writer, tree: &StateTree, parent: &Link, seed: u64) -> Link {
    let (block, nodes, link) = child(tree, parent, seed);
    writer.appender().put_block(block.sealed(), link.score).expect("disk");
    tree.insert(block, nodes).expect("parent is held");
    link
}

/// Persists everything up to `link`.
pub(crate) fn persist(writer: &mut Writer, tree: &StateTree, link: &Link) -> Tip {
    writer.advance(&tree.path(link.hash), format!("engine {}", link.header.number).as_bytes()).expect("continues")
}

/// Every account, slot and code of the model's little world is what the tree says it is after `link`.
pub(crate) fn check_state(tree: &StateTree, link: &Link) {
    let state = tree.state_at(link.hash).expect("disk").unwrap_or_else(|| panic!("no state at {}", link.header.number));
    compare(&*state, &link.model);
    assert_eq!(state.block_hash(link.header.number).expect("disk"), Some(link.hash));
    check_slots(tree, link, &*state);
}

/// Every slot of the model is listed, and what is listed besides is zero.
fn check_slots(tree: &StateTree, link: &Link, state: &dyn StateReader) {
    for address in (0..10).map(address) {
        let list = tree.slots(link.hash, address, 8, &|| true).expect("disk").expect("a state that can be read");
        assert!(!list.cut_short);
        let value = |slot: &U256| state.storage(address, *slot).expect("readable");
        let listed: BTreeMap<U256, U256> = list.slots.iter().map(|slot| (*slot, value(slot))).collect();
        let expected: BTreeMap<U256, U256> = link.model.slots(address).collect();
        assert_eq!(listed.into_iter().filter(|(_, value)| !value.is_zero()).collect::<BTreeMap<_, _>>(), expected);
        let cut = tree.slots(link.hash, address, 1, &|| true).expect("disk").expect("a state that can be read");
        assert_eq!(cut.cut_short, cut != list, "{address} at {}", link.header.number);
        let unwanted = tree.slots(link.hash, address, 8, &|| false).expect("disk").expect("a state that can be read");
        assert!(unwanted.slots.is_empty() && (unwanted.cut_short || list.slots.is_empty()), "{address}");
    }
}

pub(crate) fn compare(state: &dyn StateReader, model: &MemoryState) {
    for n in 0..10 {
        let address = address(n);
        let account = state.account(address).expect("readable");
        assert_eq!(account, model.account(address).expect("memory"), "account {address}");
        if let Some(account) = account.filter(Account::has_code) {
            assert_eq!(
                state.code(account.code_hash).expect("readable"),
                model.code(account.code_hash).expect("memory")
            );
        }
        for slot in 0..8u8 {
            let slot = U256::from(slot);
            let value = state.storage(address, slot).expect("readable");
            assert_eq!(value, model.storage(address, slot).expect("memory"), "{address} slot {slot}");
        }
    }
    assert_eq!(state.account(Address::ZERO).expect("readable"), Some(Account::default()));
}
