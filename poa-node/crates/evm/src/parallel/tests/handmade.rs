//! Blocks made by hand, each a trap for guesses of its own.

use super::*;

#[test]
fn a_chain_of_conflicts() {
    let chain = chain(spec(), world(0..8));
    let txs = (0..40_u8).map(|n| key(n % 8).legacy(u64::from(n / 8), call(COUNTER), 0, 100_000, 0, Bytes::new()));
    let txs: Vec<_> = txs.collect();
    let outcome = check(&chain, &txs);
    assert_eq!(outcome.changes.accounts[&COUNTER].storage[&U256::ZERO], U256::from(40));
}

#[test]
fn nonces_of_one_sender_follow_each_other() {
    let chain = chain(spec(), world(0..2));
    let to = |n: u64| Address::left_padding_from(&(0x1000 + n).to_be_bytes());
    let txs: Vec<_> = (0..30).map(|n| key(1).legacy(n, call(to(n)), 1, 21_000, 3, Bytes::new())).collect();
    let outcome = check(&chain, &txs);
    assert_eq!(outcome.changes.accounts[&key(1).address].account.unwrap().nonce, 30);
}

#[test]
fn write_skew() {
    let chain = chain(spec(), world(0..2));
    let txs: Vec<_> = (0..20)
        .map(|n| {
            let (to, from) = if n % 2 == 0 { (0, 1) } else { (1, 0) };
            key((n % 2) as u8).legacy(n / 2, call(MOVER), 0, 100_000, 0, [word(to), word(from)].concat().into())
        })
        .collect();
    let outcome = check(&chain, &txs);
    assert_eq!(outcome.changes.accounts[&MOVER].storage[&U256::from(1)], U256::from(22));
}

#[test]
fn accounts_that_were_absent() {
    let chain = chain(spec(), world(0..3));
    let absent = Address::repeat_byte(0x77);
    let peek = Bytes::copy_from_slice(absent.into_word().as_slice());
    let txs = [
        key(0).legacy(0, call(PEEKER), 0, 200_000, 0, peek.clone()),
        key(1).legacy(0, call(absent), 5, 21_000, 0, Bytes::new()),
        key(2).legacy(0, call(PEEKER), 0, 200_000, 0, peek.clone()),
        // Touched and empty: it does not come to be.
        key(1).legacy(1, call(Address::repeat_byte(0x78)), 0, 21_000, 0, Bytes::new()),
        key(0).legacy(1, call(PEEKER), 0, 200_000, 0, peek),
    ];
    let outcome = check(&chain, &txs);
    assert!(!outcome.changes.accounts.contains_key(&Address::repeat_byte(0x78)));
}

#[test]
fn code_that_was_created_earlier_in_the_block() {
    let chain = chain(spec(), world(0..4));
    let txs = [
        key(0).legacy(0, call(child_at(1)), 0, 100_000, 0, Bytes::new()),
        key(1).legacy(0, call(FACTORY), 7, 500_000, 0, make(1)),
        key(2).legacy(0, call(child_at(1)), 0, 100_000, 0, Bytes::new()),
        key(3).legacy(0, call(child_at(1)), 0, 100_000, 0, Bytes::new()),
        key(3).legacy(1, call(FACTORY), 0, 500_000, 0, make(1)),
    ];
    let outcome = check(&chain, &txs);
    assert_eq!(outcome.changes.accounts[&child_at(1)].storage[&U256::ZERO], U256::from(2));
}

#[test]
fn contracts_that_go_and_come_back() {
    let mut chain = chain(destructive_spec(), world(0..4));
    let heir = Bytes::copy_from_slice(key(9).address.into_word().as_slice());
    chain.advance(&[
        key(0).legacy(0, call(FACTORY), 7, 500_000, 0, make(1)),
        key(1).legacy(0, call(child_at(1)), 0, 100_000, 0, Bytes::new()),
    ]);
    let txs = [
        key(0).legacy(1, call(child_at(1)), 0, 100_000, 0, Bytes::new()),
        key(1).legacy(1, call(child_at(1)), 0, 100_000, 0, heir.clone()),
        key(2).legacy(0, call(child_at(1)), 3, 100_000, 0, Bytes::new()),
        key(3).legacy(0, call(FACTORY), 1, 500_000, 0, make(1)),
        key(2).legacy(1, call(child_at(1)), 0, 100_000, 0, Bytes::new()),
        key(0).legacy(2, call(child_at(1)), 0, 100_000, 0, heir),
        key(3).legacy(1, call(FACTORY), 1, 500_000, 0, make(1)),
        key(1).legacy(2, call(child_at(1)), 0, 100_000, 0, Bytes::new()),
    ];
    let outcome = check(&chain, &txs);
    assert!(outcome.changes.accounts.contains_key(&child_at(1)));
}

/// Pays fees to the author, and asks for its balance in between.
#[test]
fn whoever_looks_at_the_author_sees_all_fees_before() {
    for (free, collector) in
        [(false, None), (false, Some(Address::repeat_byte(0xfe))), (false, Some(AUTHOR)), (true, None)]
    {
        let mut spec = if free { free_spec() } else { spec() };
        spec.params.eip1559_fee_collector = collector;
        spec.params.eip1559_fee_collector_transition = Some(0);
        let mut chain = chain(spec, world(0..4));
        chain.base_fee = Some(if free { 0 } else { 2 });
        let look = |address: Address| Bytes::copy_from_slice(address.into_word().as_slice());
        let receivers = [AUTHOR, collector.unwrap_or(AUTHOR)];
        let txs: Vec<_> = (0..24_u8)
            .map(|n| {
                let (from, nonce) = (key(n % 4), u64::from(n / 4));
                match n % 6 {
                    0 => from.legacy(nonce, call(PEEKER), 0, 200_000, 9, look(receivers[usize::from(n / 6) % 2])),
                    1 => from.legacy(nonce, call(AUTHOR), 1, 21_000, 5, Bytes::new()),
                    // No tip: the author's account is touched all the same.
                    2 => from.legacy(nonce, call(key(8).address), 1, 21_000, 2, Bytes::new()),
                    _ => from.legacy(nonce, call(COUNTER), 0, 100_000, 7, Bytes::new()),
                }
            })
            .collect();
        let outcome = check(&chain, &txs);
        assert!(outcome.receipts.iter().all(aurum_types::Receipt::succeeded));
    }
}

#[test]
fn fees_touch_an_author_that_is_missing_or_empty_as_ever() {
    for (fork, exists) in FORKS.into_iter().flat_map(|fork| [(fork, false), (fork, true)]) {
        let mut spec = fork_spec(fork);
        spec.params.account_start_nonce = u64::from(fork < SpecId::PRAGUE) * 5;
        let start = spec.params.account_start_nonce;
        let mut accounts = World::new();
        if exists {
            accounts = accounts.account(AUTHOR, 0);
        }
        for n in 0..4 {
            accounts = accounts.account(key(n).address, ether(1));
        }
        let mut state = accounts.into_changes();
        for change in state.accounts.values_mut() {
            change.account.as_mut().unwrap().nonce = start;
        }
        let mut chain = Chain::new(spec, MemoryState::from_changes(&state));
        chain.base_fee = chain.base_fee.filter(|_| fork >= SpecId::LONDON);
        for price in [0, 1] {
            let to = |n: u8| Address::repeat_byte(0x50 + n % 2);
            let txs = (0..8)
                .map(|n| key(n % 4).legacy(start + u64::from(n / 4), call(to(n)), 1, 30_000, price, Bytes::new()));
            let txs: Vec<_> = txs.collect();
            let outcome = check(&chain, &txs);
            assert_eq!(outcome.receipts.len(), 8, "{fork:?}");
        }
        // The author sends too, where it is another's account that pays.
        let mut env = chain.next_env();
        env.author = key(0).address;
        let txs: Vec<_> = (0..8)
            .map(|n| key(n % 4).legacy(start + u64::from(n / 4), call(AUTHOR), 1, 30_000, 1, Bytes::new()))
            .collect();
        Case::new(&chain, &env, &txs).check().unwrap();
    }
}

#[test]
fn independent_transfers_are_all_guessed_right() {
    let mut chain = chain(spec(), world(0..16).contract(TOKEN, &LoadToken::DEPLOYED_BYTECODE, &[]));
    let to = (0..16).map(|n| key(n).address).collect();
    let mint = LoadToken::mintManyCall { to, value: U256::from(1_000) }.abi_encode();
    chain.advance(&[key(0).legacy(0, call(TOKEN), 0, 5_000_000, 0, mint.into())]);
    let txs: Vec<_> = (0..16_u8)
        .map(|n| {
            let to = Address::repeat_byte(0x90 + n);
            let input = LoadToken::transferCall { to, value: U256::from(1) }.abi_encode();
            key(n).legacy(u64::from(n == 0), call(TOKEN), 0, 100_000, 3, input.into())
        })
        .collect();
    let case = Case::new(&chain, &chain.next_env(), &txs);
    case.check().unwrap();
    assert_eq!(case.all_before().1, 16, "fees and the shared token make no conflict");
}

#[test]
fn hot_recipients() {
    let mut chain = chain(spec(), world(0..16).contract(TOKEN, &LoadToken::DEPLOYED_BYTECODE, &[]));
    let to = (0..16).map(|n| key(n).address).collect();
    let mint = LoadToken::mintManyCall { to, value: U256::from(1_000) }.abi_encode();
    chain.advance(&[key(0).legacy(0, call(TOKEN), 0, 5_000_000, 0, mint.into())]);
    let txs: Vec<_> = (0..64_u8)
        .map(|n| {
            let to = key(n % 3).address;
            let input = LoadToken::transferCall { to, value: U256::from(u64::from(n)) }.abi_encode();
            key(n % 16).legacy(u64::from(n / 16) + u64::from(n % 16 == 0), call(TOKEN), 0, 100_000, 0, input.into())
        })
        .collect();
    check(&chain, &txs);
}

#[test]
fn the_error_is_the_first_transactions_that_cannot_be_in_the_block() {
    let chain = chain(spec(), world(0..4));
    let pay = |n: u8, nonce, gas| key(n).legacy(nonce, call(key(9).address), 1, gas, 0, Bytes::new());
    let poor = key(9).legacy(0, call(key(1).address), ether(2), 21_000, 0, Bytes::new());
    let blocks: [Vec<_>; 6] = [
        // Nonces too high and too low, the later one found first if it is guessed first.
        vec![pay(0, 0, 21_000), pay(1, 1, 21_000), pay(2, 7, 21_000)],
        vec![pay(0, 0, 21_000), pay(0, 0, 21_000)],
        // More than the block has left.
        vec![pay(0, 0, 21_000), pay(1, 0, GAS_LIMIT), pay(2, 7, 21_000)],
        // Less than it costs.
        vec![pay(0, 0, 21_000), pay(1, 0, 20_999)],
        vec![pay(0, 0, 21_000), poor],
        // Only with what came before it can the last one pay.
        vec![pay(0, 0, 21_000), key(9).legacy(0, call(key(1).address), 2, 21_000, 0, Bytes::new())],
    ];
    for txs in blocks {
        let error = Case::new(&chain, &chain.next_env(), &txs).check().unwrap_err();
        assert!(matches!(error, EvmError::Invalid(_)), "{error:?}");
    }
    // A sender that is paid before it sends is fine, though guesses find it poor.
    let txs = [pay(0, 0, 21_000), key(9).legacy(0, call(key(1).address), 1, 21_000, 0, Bytes::new())];
    check(&chain, &txs);
}

/// On a state that never was, gas would be all that ends it.
#[test]
fn a_guess_that_would_run_for_ever_is_given_up() {
    let off = "loop: 0x00 SLOAD ISZERO @loop JUMPI STOP";
    let mut spec = spec();
    spec.genesis.gas_limit = u64::MAX;
    let chain = chain(spec, world(0..4).contract(SWITCH, &switch(off), &[]));
    let mut env = chain.next_env();
    env.gas_limit = u64::MAX / 2;
    let gas = 1 << 60;
    let mut txs = vec![key(0).legacy(0, call(SWITCH), 0, 100_000, 0, Bytes::from_static(&[1]))];
    txs.extend((1..4).map(|n| key(n).legacy(0, call(SWITCH), 0, gas, 0, Bytes::new())));
    let case = Case::new(&chain, &env, &txs);
    let (outcome, held) = case.all_before();
    assert_same(&case.serial(), &outcome, "all guessed before");
    assert_eq!(held, 4, "the switch is on in all guesses after it");
    let (outcome, held) = case.in_order_of(|turn| if turn == 0 { vec![(3, false), (2, true)] } else { Vec::new() });
    assert_same(&case.serial(), &outcome, "guessed while it was off");
    assert_eq!(held, 0);
    case.check().unwrap();
}

/// A state that cannot be read at one place.
struct Trap {
    state: MemoryState,
    panics: bool,
    sprung: AtomicBool,
}

impl StateReader for Trap {
    fn account(&self, address: Address) -> Result<Option<Account>, StateError> {
        if address == LOOKER {
            self.sprung.store(true, Ordering::Relaxed);
            assert!(!self.panics, "nobody who runs in order looks here");
            return Err(StateError::new("a disk that fails"));
        }
        self.state.account(address)
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, StateError> {
        self.state.storage(address, slot)
    }

    fn code(&self, hash: B256) -> Result<Bytes, StateError> {
        self.state.code(hash)
    }

    fn block_hash(&self, number: BlockNumber) -> Result<Option<B256>, StateError> {
        self.state.block_hash(number)
    }
}

fn trapped(panics: bool, txs: impl Fn() -> Vec<Recovered<Transaction>>) -> (Case, Arc<Trap>) {
    let off = format!("{LOOKER} BALANCE 0x02 SSTORE STOP");
    let chain = chain(spec(), world(0..4).contract(SWITCH, &switch(&off), &[]));
    let trap = Arc::new(Trap { state: chain.state.clone(), panics, sprung: AtomicBool::new(false) });
    (Case { parent: Arc::clone(&trap) as _, ..Case::new(&chain, &chain.next_env(), &txs()) }, trap)
}

fn switch_then_look() -> Vec<Recovered<Transaction>> {
    let look = |n: u8| key(n).legacy(0, call(SWITCH), 0, 100_000, 0, Bytes::new());
    vec![key(0).legacy(0, call(SWITCH), 0, 100_000, 0, Bytes::from_static(&[1])), look(1), look(2), look(3)]
}

#[test]
fn what_only_a_guess_cannot_read_is_no_fault() {
    let (case, trap) = trapped(false, switch_then_look);
    let (outcome, _) = case.in_order_of(|turn| if turn == 0 { vec![(1, false), (2, true)] } else { Vec::new() });
    assert!(trap.sprung.load(Ordering::Relaxed), "a guess has looked");
    assert_same(&case.serial(), &outcome, "guessed while it was off");
    case.check().unwrap();
}

#[test]
fn what_a_transaction_itself_cannot_read_is_a_fault() {
    let (case, _) = trapped(false, || {
        let mut txs = switch_then_look();
        txs.rotate_left(1);
        txs
    });
    assert!(matches!(case.check(), Err(EvmError::Fault(_))));
}

#[test]
fn a_panic_of_a_guess_is_no_more_than_a_wrong_guess() {
    let (case, trap) = trapped(true, switch_then_look);
    let (outcome, _) =
        case.in_order_of(|turn| if turn == 0 { vec![(1, false), (2, false), (3, true)] } else { Vec::new() });
    assert!(trap.sprung.load(Ordering::Relaxed), "a guess has looked");
    assert_same(&case.serial(), &outcome, "guessed while it was off");
    case.check().unwrap();
}

#[test]
fn frames_are_judged_in_guesses_as_in_order() {
    // Version 2 of the interface; everybody may send and call, nobody may create.
    const PERMISSIONS: Address = Address::repeat_byte(0x99);
    let contract = asm("0x00 CALLDATALOAD 0xe0 SHR 0xa0a8e460 EQ @version JUMPI \
         0x03 0x00 MSTORE 0x01 0x20 MSTORE 0x40 0x00 RETURN version: 0x02 0x00 MSTORE 0x20 0x00 RETURN");
    let mut spec = free_spec();
    spec.params.transaction_permission_contract = Some(PERMISSIONS);
    spec.params.restrict_internal_creation_transition = Some(0);
    spec.params.restrict_internal_calls_transition = Some(0);
    let chain = chain(spec, world(0..4).contract(PERMISSIONS, &contract, &[]));
    let txs: Vec<_> = (0..4).map(|n| key(n).legacy(0, call(FACTORY), 0, 500_000, 0, make(u64::from(n)))).collect();
    let case = Case::new(&chain, &chain.next_env(), &txs);
    let outcome = case.check().unwrap();
    assert!((0..4).all(|n| !outcome.changes.accounts.contains_key(&child_at(n))), "nothing was created");
    assert!(case.all_before().1 > 0, "guesses hold");
}

#[test]
fn what_a_block_begins_with_is_there_for_guesses() {
    let mut spec = spec();
    spec.engine.rewrite_bytecode = [(1, [(MOVER, counter())].into())].into();
    let chain = chain(spec, world(0..4));
    let txs: Vec<_> =
        (0..4).map(|n| key(n).legacy(0, call(MOVER), 0, 100_000, 0, [word(5), word(0)].concat().into())).collect();
    let case = Case::new(&chain, &chain.next_env(), &txs);
    let outcome = case.check().unwrap();
    assert_eq!(outcome.changes.accounts[&MOVER].storage[&U256::ZERO], U256::from(5));
    assert_eq!(case.all_before().1, 4);
}

#[test]
fn only_blocks_that_are_worth_it_run_in_parallel() {
    let suits = |spec: ChainSpec, txs: &[Recovered<Transaction>]| {
        let chain = chain(spec, world(0..2));
        let case = Case::new(&chain, &chain.next_env(), txs);
        Parallel::on(NonZeroUsize::MIN).suits(&case.evm, &chain.next_env(), &case.block)
    };
    let calls = |count: u64, gas| -> Vec<_> {
        (0..count).map(|n| key(0).legacy(n, call(COUNTER), 0, gas, 0, Bytes::new())).collect()
    };
    assert!(suits(spec(), &calls(10, 300_000)));
    assert!(!suits(spec(), &calls(5, 300_000)), "little gas in all");
    assert!(!suits(spec(), &calls(60, 50_000)), "little gas each");
    assert!(!suits(spec(), &calls(1, 3_000_000)), "nothing beside it");
    let mut with_roots = spec();
    with_roots.params.eip658_transition = None;
    assert!(!suits(with_roots, &calls(10, 300_000)), "receipts with state roots");
    let mut development = spec();
    development.engine.validators = aurum_types::spec::ValidatorsSpec::List(vec![crate::dev::AUTHORITY]);
    assert!(!suits(development, &calls(10, 300_000)), "a development chain");
}

#[test]
fn delegations_hold_from_the_next_transaction_on() {
    let chain = chain(spec(), world(0..5));
    let txs = [
        key(0).eip7702(0, key(1).address, key(1), 0, COUNTER),
        key(2).legacy(0, call(key(1).address), 0, 100_000, 0, Bytes::new()),
        key(3).eip7702(0, key(1).address, key(1), 1, MOVER),
        key(2).legacy(1, call(key(1).address), 0, 100_000, 0, [word(3), word(0)].concat().into()),
        key(1).legacy(2, call(key(1).address), 0, 100_000, 0, [word(4), word(3)].concat().into()),
        key(4).eip7702(0, key(1).address, key(1), 3, Address::ZERO),
        key(2).legacy(2, call(key(1).address), 0, 100_000, 0, Bytes::new()),
    ];
    check(&chain, &txs);
}
