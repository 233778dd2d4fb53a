//! Random blocks: programs that call, create and end each other, begun by a system call to one of them or not.

use super::*;

/// A block of random programs that call and create each other.
#[derive(Clone, Debug)]
struct Random {
    fork: SpecId,
    code: [Bytes; 3],
    txs: Vec<RandomTx>,
    author: Address,
    price: u64,
    base_fee: u64,
    collects: bool,
    /// Whose `finalizeChange()` begins the block.
    begin: Option<Address>,
    /// What its author gets, in wei.
    reward: u64,
}

#[derive(Clone, Debug)]
struct RandomTx {
    from: u8,
    to: Option<Address>,
    value: u64,
    gas: u64,
    data: Bytes,
    /// Rarely, a nonce that is not the next.
    skips: bool,
}

fn random_txs() -> impl Strategy<Value = RandomTx> {
    let to = prop_oneof![
        4 => prop::sample::select(vec![MAIN, OTHER, THIRD]).prop_map(Some),
        2 => prop::sample::select(vec![RICH, EMPTY, MISSING, AUTHOR]).prop_map(Some),
        1 => Just(None),
    ];
    let gas = prop_oneof![150_000_u64..250_000, Just(600_000)];
    (0_u8..4, to, 0_u64..3, gas, programs(), prop::bool::weighted(0.01)).prop_map(
        |(from, to, value, gas, data, skips)| {
            let data = if to.is_none() { data } else { data.slice(..data.len().min(64)) };
            RandomTx { from, to, value, gas, data, skips }
        },
    )
}

fn random_blocks() -> impl Strategy<Value = Random> {
    let authors = prop_oneof![3 => Just(AUTHOR), 1 => Just(MAIN), 1 => Just(MISSING), 1 => Just(key(1).address)];
    let code = [programs(), programs(), programs()];
    let txs =
        prop_oneof![15 => prop::collection::vec(random_txs(), 2..16), 1 => prop::collection::vec(random_txs(), 0..2)];
    let begins = prop_oneof![
        3 => Just(None),
        3 => prop::sample::select(vec![MAIN, OTHER, THIRD]).prop_map(Some),
        1 => prop::sample::select(vec![RICH, EMPTY, MISSING, AUTHOR]).prop_map(Some),
    ];
    let by_itself = (begins, prop::sample::select(vec![0, 0, 7]));
    (prop::sample::select(FORKS.to_vec()), code, txs, authors, 0_u64..3, 0_u64..3, any::<bool>(), by_itself).prop_map(
        |(fork, code, txs, author, price, base_fee, collects, (begin, reward))| {
            let base_fee = if fork >= SpecId::LONDON { base_fee } else { 0 };
            Random { fork, code, txs, author, price: price + base_fee, base_fee, collects, begin, reward }
        },
    )
}

impl Random {
    fn case(&self) -> Case {
        let mut spec = fork_spec(self.fork);
        if self.collects {
            spec.params.eip1559_fee_collector = Some(RICH);
            spec.params.eip1559_fee_collector_transition = Some(0);
        }
        if self.reward > 0 {
            spec.engine.block_reward = [(0, U256::from(self.reward))].into();
        }
        let world = (0..4).fold(World::new(), |world, n| world.account(key(n).address, ether(1)));
        let world = world
            .account(RICH, 9)
            .account(EMPTY, 0)
            .account(MAIN, 5)
            .contract(MAIN, &self.code[0], &[(0, 1), (1, 2)])
            .account(OTHER, 3)
            .contract(OTHER, &self.code[1], &[(2, 1), (3, 3)])
            .contract(THIRD, &self.code[2], &[(1, 1)]);
        let mut chain = Chain::new(spec, world.build());
        chain.base_fee = (self.fork >= SpecId::LONDON).then_some(self.base_fee);
        let mut nonces = [0_u64; 4];
        let mut txs = Vec::new();
        for tx in &self.txs {
            let nonce = &mut nonces[usize::from(tx.from)];
            *nonce += u64::from(tx.skips);
            let to = tx.to.map_or(TxKind::Create, TxKind::Call);
            txs.push(key(tx.from).legacy(*nonce, to, tx.value, tx.gas, self.price.into(), tx.data.clone()));
            *nonce += 1;
        }
        let env = BlockEnv { author: self.author, ..chain.next_env() };
        Case { begin: self.begin, ..Case::new(&chain, &env, &txs) }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_blocks_end_as_without_guesses(random in random_blocks()) {
        // Whether the block is valid or not.
        let _ = random.case().check();
    }
}

#[test]
fn most_random_blocks_are_valid_and_have_both_kinds_of_guesses() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut valid, mut held, mut all) = (0, 0, 0);
    for _ in 0..60 {
        let random = random_blocks().new_tree(&mut runner).unwrap().current();
        let (outcome, right) = random.case().all_before();
        if outcome.is_ok() {
            (valid, held, all) = (valid + 1, held + right, all + random.txs.len());
        }
    }
    assert!(valid > 40, "{valid} of 60");
    assert!(held * 10 > all && held * 10 < all * 9, "{held} of {all}");
}
