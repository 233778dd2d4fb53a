//! `reseal_on_txs`: for whose transactions a step that began without any is used all the same.

use super::*;

const VALUES: [ResealOn; 4] = [ResealOn::None, ResealOn::Own, ResealOn::External, ResealOn::All];

fn silent(reseal: ResealOn) -> EmptyBlocks {
    EmptyBlocks::AfterSilence { most: Duration::from_secs(3_000_000_000), reseal }
}

fn lone(reseal: ResealOn) -> Node {
    Node::new(&spec(&json!({ "list": addresses(1) }), json!({}), &[]), 0, silent(reseal))
}

/// Whether a transaction that came this way ends the wait of a step that has begun.
const fn ends_the_wait(reseal: ResealOn, origin: Origin) -> bool {
    match reseal {
        ResealOn::None => false,
        ResealOn::Own => origin.is_ours(),
        ResealOn::External => !origin.is_ours(),
        ResealOn::All => true,
    }
}

/// Waits for `done`, which is told of by the head or the author's status; fails after a while.
fn eventually(what: &str, done: impl Fn() -> bool) {
    let most = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < most, "{what} never came");
        std::thread::yield_now();
    }
}

#[test]
fn the_names_are_those_of_paritys_configuration() {
    for (name, value) in ["none", "own", "ext", "all"].into_iter().zip(VALUES) {
        assert_eq!(name.parse(), Ok(value));
    }
    assert!("external".parse::<ResealOn>().is_err());
}

#[test]
fn a_transaction_ends_the_wait_of_a_begun_step_where_it_is_of_those_asked_for() {
    for reseal in VALUES {
        for origin in [Origin::Local, Origin::Network] {
            let mut node = lone(reseal);
            let step = node.step_of(0, 1);
            node.at(step);
            let author = Arc::new(node.author.take().unwrap());
            let (faults, _faults) = tokio::sync::mpsc::channel(1);
            let thread = AuthorThread::start(Arc::clone(&author), faults).unwrap();
            let nothing = || matches!(author.status().no_block, Some((at, NoBlock::NothingToSeal)) if at == step);
            eventually("a step without anything to seal", nothing);

            node.chain.pool().add(transfer(&key(7), 0), origin).unwrap();
            assert_eq!(author.is_worth_resealing(), ends_the_wait(reseal, origin), "{reseal:?}, {origin:?}");
            if ends_the_wait(reseal, origin) {
                eventually("a block in the step that has begun", || node.chain.head().latest.number == 1);
            } else {
                // Ours waits for the next step, which uses whatever is there.
                node.at(step.next());
                eventually("a block in the next step", || node.chain.head().latest.number == 1);
            }
            drop(thread);
            let (_, header) = node.chain.view().header(BlockId::latest()).unwrap().unwrap();
            let sealed_in = if ends_the_wait(reseal, origin) { step } else { step.next() };
            assert_eq!(header.step(), Some(sealed_in), "{reseal:?}, {origin:?}");
        }
    }
}

#[test]
fn after_the_longest_silence_a_begun_step_is_used_whoever_sent_what() {
    for reseal in VALUES {
        let node = Node::new(
            &spec(&json!({ "list": addresses(1) }), json!({}), &[]),
            0,
            EmptyBlocks::AfterSilence { most: Duration::from_secs(60), reseal },
        );
        let step = node.step_of(0, 1);
        // Genesis is long past: the silence is over.
        assert!(node.at(step).author().is_worth_resealing(), "{reseal:?}");
        node.seal(step).unwrap();
        assert_eq!(node.author().is_worth_resealing(), reseal == ResealOn::All, "{reseal:?}");
        assert!(matches!(node.seal(step.next()), Err(NoBlock::NothingToSeal)));
        assert!(node.at(Step(step.0 + 60 / SECONDS)).author().is_worth_resealing());
        assert!(node.seal(Step(step.0 + 60 / SECONDS)).unwrap().block().transactions.is_empty());
    }
}
