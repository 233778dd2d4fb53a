//! Finality stalls for hundreds of blocks; then a better branch comes from far below what was persisted.

use crate::kit::{Kit, import_all, key, standing, transfer};
use alloy::{eips::BlockId, primitives::Address};
use aurum_chain::Imported;

#[test]
fn a_branch_300_blocks_deep_replaces_ours_and_its_state_is_exact() {
    let kit = Kit::new(4);
    let (mut ours, theirs) = (kit.node(), kit.node());
    let common = kit.mine_many(&ours, &kit.validators, 6);
    import_all(&theirs, &common);
    let finalized = ours.head().finalized;
    assert!(finalized.number > 0);

    // Half of the authorities on each side: nothing becomes final on either.
    let (a, b) = (&kit.validators[..2], &kit.validators[2..]);
    let lost = transfer(&key(0), 0, Address::repeat_byte(1), 11);
    kit.mine_by(&ours, a, std::slice::from_ref(&lost));
    kit.mine_many(&ours, a, 299);
    let kept = transfer(&key(1), 0, Address::repeat_byte(2), 22);
    let mut branch = vec![kit.mine_by(&theirs, b, std::slice::from_ref(&kept))];
    branch.extend(kit.mine_many(&theirs, b, 304));
    assert!(ours.head().finalized.number <= finalized.number + 2);
    assert!(theirs.score() > ours.score());
    let old_head = ours.head().latest;

    // Everything in memory is gone: the links below the persisted tip have to come from disk.
    ours.reopen(&kit);
    assert_eq!(ours.head().latest, old_head);
    let mut events = ours.events();
    for batch in branch.chunks(64) {
        import_all(&ours, batch);
        // Both heads move on while the branch comes in.
        assert!(ours.head().finalized.number >= finalized.number);
    }
    assert_eq!(standing(&ours), standing(&theirs));
    let mut deepest = 0;
    while let Ok(change) = events.try_recv() {
        deepest = deepest.max(change.retracted.len());
        let logs = change.retracted.iter().map(|block| block.sealed().block().transactions.len()).sum::<usize>();
        assert!(logs <= 1);
    }
    assert!(deepest >= 300, "{deepest}");

    {
        let view = ours.view();
        let state = view.state(BlockId::latest()).unwrap().unwrap();
        assert_eq!(state.account(Address::repeat_byte(1)).unwrap().balance.to::<u64>(), 0);
        assert_eq!(state.account(Address::repeat_byte(2)).unwrap().balance.to::<u64>(), 22);
        assert!(view.receipt(*kept.tx_hash()).unwrap().is_some());
        assert!(view.receipt(*lost.tx_hash()).unwrap().is_none());
        assert!(
            ours.pool().get(*lost.tx_hash()).is_some(),
            "a transaction from a persisted block went back to the pool"
        );
    }

    // Reunited, the authorities make the winner final; the loser's transaction gets its second chance.
    let block = kit.mine(&ours, std::slice::from_ref(&lost));
    theirs.import(block).unwrap();
    let blocks = kit.mine_many(&ours, &kit.validators, 12);
    import_all(&theirs, &blocks);
    assert!(ours.head().finalized.number > old_head.number);
    assert_eq!(standing(&ours), standing(&theirs));
    ours.reopen(&kit);
    assert_eq!(standing(&ours), standing(&theirs));
    for number in (0..=ours.head().latest.number).step_by(37) {
        assert_eq!(ours.canonical_hash(number).unwrap(), theirs.canonical_hash(number).unwrap());
        let read = |chain: &aurum_chain::Chain| {
            let state = chain.view().state(BlockId::number(number)).unwrap().unwrap();
            state.account(Address::repeat_byte(2)).unwrap()
        };
        assert_eq!(read(&ours), read(&theirs), "history at {number}");
    }
}

#[test]
fn the_loser_of_a_deep_reorganisation_can_win_again() {
    let kit = Kit::new(4);
    let (node, left, right) = (kit.node(), kit.node(), kit.node());
    let (a, b) = (&kit.validators[..2], &kit.validators[2..]);
    let first = kit.mine_many(&left, a, 200);
    import_all(&node, &first);
    let second = kit.mine_many(&right, b, 210);
    import_all(&node, &second);
    assert_eq!(node.head().latest, right.head().latest);
    let third = kit.mine_many(&left, a, 30);
    import_all(&node, &third);
    assert_eq!(node.head().latest, left.head().latest, "its stored blocks were run again");
    assert!(matches!(node.import(first[7].clone()), Ok(Imported::Known)));
}
