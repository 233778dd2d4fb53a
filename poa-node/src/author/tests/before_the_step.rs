//! Blocks that are begun before their step.

use super::{
    super::{ahead, build},
    *,
};

fn begun(node: &Node, step: Step) -> Box<build::Candidate> {
    match node.author().begin_ahead(step) {
        ahead::Begun::Candidate(candidate) => candidate,
        ahead::Begun::NothingYet => panic!("the pool is empty"),
        ahead::Begun::Later(time) => panic!("in {time:?}"),
        ahead::Begun::No => panic!("not our turn"),
    }
}

fn sealed_ahead(node: &Node, candidate: build::Candidate) -> SealedBlock {
    let step = candidate.step();
    let sealed = node.at(step).author().seal(step, Some(candidate)).unwrap();
    node.chain.decode(&node.chain.block_bytes(sealed.hash).unwrap().unwrap()).unwrap()
}

fn lone() -> Node {
    Node::new(&spec(&json!({ "list": addresses(1) }), json!({}), &[]), 0, EmptyBlocks::Always)
}

#[test]
fn a_block_begun_before_its_step_takes_what_comes_until_then_and_is_of_the_steps_first_second() {
    let node = lone();
    let step = node.step_of(0, 1);
    node.seal(step).unwrap();
    let next = step.next();
    assert!(matches!(node.author().begin_ahead(next), ahead::Begun::NothingYet));
    let pool = node.chain.pool();
    pool.add(transfer(&key(7), 0), Origin::Local).unwrap();
    let mut candidate = begun(&node, next);
    assert_eq!(node.author().fill_ahead(&mut candidate), Some(build::Filled::Drained));
    for (id, nonce) in [(7, 1), (8, 0)] {
        pool.add(transfer(&key(id), nonce), Origin::Local).unwrap();
    }
    candidate.hear_of(key(7).address());
    candidate.hear_of(key(8).address());
    assert_eq!(node.author().fill_ahead(&mut candidate), Some(build::Filled::Drained));
    // What came last is taken in the step.
    pool.add(transfer(&key(8), 1), Origin::Local).unwrap();
    candidate.hear_of_all();
    node.clock.set(Duration::from_millis(next.0 * SECONDS * 1_000 + 1_700));
    let sealed = node.author().seal(next, Some(*candidate)).unwrap();
    let block = node.chain.decode(&node.chain.block_bytes(sealed.hash).unwrap().unwrap()).unwrap();
    assert_eq!(block.header().timestamp, next.0 * SECONDS);
    assert_eq!(block.block().transactions.len(), 4);
    assert_eq!(pool.status().pending, 0);
    // The same block, from somebody else, is valid.
    let other = lone();
    for hash in [block.header().parent_hash, sealed.hash] {
        let block = node.chain.decode(&node.chain.block_bytes(hash).unwrap().unwrap()).unwrap();
        other.hear(&block);
    }
    // One action a step.
    assert!(matches!(node.author().try_seal(next), Err(NoBlock::StepUsed { .. })));
}

#[test]
fn a_block_begun_on_a_head_that_is_one_no_longer_is_built_anew() {
    let spec = spec(&json!({ "list": addresses(2) }), json!({}), &[]);
    let [node, other] = [0, 1].map(|id| Node::new(&spec, id, EmptyBlocks::Always));
    let step = node.step_of(0, 2);
    node.chain.pool().add(transfer(&key(7), 0), Origin::Local).unwrap();
    // Nobody has sealed for long: the step before is given three quarters of its time.
    node.clock.set(Duration::from_secs(step.0 * SECONDS - SECONDS + 1));
    assert!(
        matches!(node.author().begin_ahead(step), ahead::Begun::Later(time) if time == Duration::from_millis(2_750))
    );
    node.clock.set(Duration::from_secs(step.0 * SECONDS - 1));
    let candidate = begun(&node, step);
    let late = other.seal(Step(step.0 - 1)).unwrap();
    node.hear(&late);
    assert!(!node.author().is_on_head(&candidate));
    let block = sealed_ahead(&node, *candidate);
    assert_eq!((block.header().parent_hash, block.block().transactions.len()), (late.hash(), 1));
    other.hear(&block);
    // The next step is not ours; the one after it is not begun before that one has come.
    assert!(matches!(node.author().begin_ahead(step.next()), ahead::Begun::No));
}

#[test]
fn empty_steps_that_come_after_a_block_was_begun_are_carried_all_the_same() {
    let spec = empty_steps_spec();
    let node = Node::new(&spec, 0, EmptyBlocks::Always);
    let step = node.step_of(0, 3);
    node.chain.pool().add(transfer(&key(7), 0), Origin::Local).unwrap();
    node.clock.set(Duration::from_secs(step.0 * SECONDS - 1));
    let mut candidate = begun(&node, step);
    assert_eq!(node.author().fill_ahead(&mut candidate), Some(build::Filled::Drained));
    let last = Step(step.0 - 1);
    let id = usize::try_from(last.0 % 3).unwrap();
    let message = EmptyStepMessage::sign(last, node.chain.genesis_hash(), &key(id)).unwrap().encode();
    assert!(node.chain.offer_empty_step(&message).unwrap());
    let block = sealed_ahead(&node, *candidate);
    let seal = AuraSeal::from_header(block.header(), &spec.header_format()).unwrap();
    assert_eq!((seal.empty_steps().unwrap().len(), block.block().transactions.len()), (1, 1));
}

#[test]
fn a_block_is_cut_at_the_pace_and_has_one_transaction_in_any_case() {
    let node = lone();
    let step = node.step_of(0, 1);
    node.seal(step).unwrap();
    for nonce in 0..3 {
        node.chain.pool().add(transfer(&key(7), nonce), Origin::Local).unwrap();
    }
    let mut candidate = begun(&node, step.next());
    let fill = |candidate: &mut build::Candidate, most| {
        candidate.fill(node.chain.pool(), most, Instant::now() + Duration::from_secs(60)).unwrap()
    };
    assert_eq!(fill(&mut candidate, 1), build::Filled::Full);
    assert_eq!(fill(&mut candidate, 21_000), build::Filled::Full);
    assert_eq!(fill(&mut candidate, 21_001), build::Filled::Full);
    assert_eq!(fill(&mut candidate, u64::MAX), build::Filled::Drained);
    assert_eq!(sealed_ahead(&node, *candidate).header().gas_used, 63_000);
}

#[test]
fn a_block_begun_too_late_has_one_transaction_all_the_same() {
    let node = lone();
    let step = node.step_of(0, 1);
    node.seal(step).unwrap();
    for nonce in 0..2 {
        node.chain.pool().add(transfer(&key(7), nonce), Origin::Local).unwrap();
    }
    let mut candidate = begun(&node, step.next());
    for _ in 0..2 {
        let filled = candidate.fill(node.chain.pool(), u64::MAX, Instant::now()).unwrap();
        assert_eq!(filled, build::Filled::OutOfTime);
    }
    assert_eq!(candidate.close(Bytes::new()).unwrap().len(), 1);
}

#[test]
fn the_thread_puts_what_comes_before_a_step_into_its_block() {
    // Real time, steps of a second.
    let spec = spec(&json!({ "list": addresses(1) }), json!({ "stepDuration": 1 }), &[]);
    let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(aurum_aura::SystemClock));
    let config = ChainConfig {
        spec,
        path: folder.path().join("db"),
        clock: clock.clone(),
        pool: PoolConfig::default(),
        min_gas_price: 0,
        parallel: None,
        storage: StorageOptions::default(),
    };
    let chain = Chain::open(config).unwrap();
    let sealing = Sealing {
        signer: Arc::new(key(0)),
        empty_blocks: EmptyBlocks::Always,
        gas_target: None,
        extra_data: Bytes::new(),
    };
    let record = LastSealed::open(&folder.path().join("last_sealed")).unwrap();
    let author = Arc::new(Author::new(chain.clone(), sealing, clock, record, None));
    let (faults, mut fault) = tokio::sync::mpsc::channel(1);
    let mut events = chain.events();
    let thread = AuthorThread::start(author, faults).unwrap();
    let mut included = 0;
    for nonce in 0.. {
        let event = events.blocking_recv().unwrap();
        included += event.enacted.iter().map(|block| block.sealed().block().transactions.len()).sum::<usize>();
        if included >= 3 {
            break;
        }
        chain.pool().add(transfer(&key(7), nonce), Origin::Local).unwrap();
    }
    drop(thread);
    assert!(fault.try_recv().is_err());
}
