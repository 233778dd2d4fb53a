//! What comes in and what does not; which branch wins; what is final.

use crate::kit::{Kit, import_all, key, standing, transfer};
use alloy::{
    eips::BlockId,
    primitives::{Address, B256, U256, keccak256},
};
use aurum_aura::{Clock, InvalidBlock, InvalidSeal, Signer, TemporarilyInvalid};
use aurum_chain::{Gate, Identity, ImportError, Imported, Invalid};
use aurum_types::{Block, BlockError, SealedBlock, recoveries};
use serde_json::json;

#[test]
fn a_peer_follows_an_author_block_by_block() {
    let kit = Kit::new(3);
    let (author, peer) = (kit.node(), kit.node());
    for nonce in 0..5 {
        let block = kit.mine(&author, &[transfer(&key(0), nonce, Address::repeat_byte(9), 7)]);
        let imported = peer.import(block.clone()).expect("good");
        assert!(matches!(imported, Imported::Head(_)));
        assert!(matches!(peer.import(block), Ok(Imported::Known)));
    }
    assert_eq!(standing(&author), standing(&peer));
    let state = peer.view().state(BlockId::latest()).unwrap().unwrap();
    assert_eq!(state.account(Address::repeat_byte(9)).unwrap().balance, U256::from(35));
    assert_eq!(state.account(key(0).address()).unwrap().nonce, 5);
}

/// Recoveries are counted for the whole process, which is this test's own under nextest.
#[test]
fn import_recovers_no_sender_that_the_pool_has_recovered() {
    let kit = Kit::new(3);
    let (author, peer) = (kit.node(), kit.node());
    let transfers: Vec<_> = (0..20).map(|nonce| transfer(&key(0), nonce, Address::repeat_byte(9), 1)).collect();
    let (pooled, unknown) = transfers.split_at(15);
    let (peer_gate, anybody) = (Gate::new((*peer).clone()), Identity::Anonymous);
    let grant = peer_gate.grant_submit(&anybody).unwrap();
    let before = recoveries();
    let sent = pooled.iter().map(|tx| (grant.clone(), tx.clone())).collect();
    assert!(peer_gate.submit_many(sent).iter().all(Result::is_ok));
    assert_eq!(recoveries() - before, 15, "once, at arrival");

    let step = kit.next_step(&author, &kit.validators);
    let (one, built) = kit.build(&author, step, &transfers);
    // Another authority's block for a later step holds the same ones.
    let (two, _) = kit.build(&author, step.next(), &transfers);
    author.import_built(one.clone(), built).unwrap();
    let before = recoveries();
    peer.import(one).unwrap();
    assert_eq!(recoveries() - before, 5, "those that the pool never saw");
    assert_eq!(peer.pool().status().pending, 0);
    peer.import(two).unwrap();
    assert_eq!(recoveries() - before, 10, "what left the pool for the first block is still known");
    let again: Vec<_> = unknown.iter().chain(pooled).map(|tx| (grant.clone(), tx.clone())).collect();
    assert!(peer_gate.submit_many(again).iter().all(Result::is_err), "their nonces are used");
}

#[test]
fn refuses_a_block_from_the_wrong_proposer() {
    let kit = Kit::new(3);
    let node = kit.node();
    let step = kit.next_step(&node, &kit.validators);
    let (block, _) = kit.build(&node, step, &[]);
    let other = kit.validators.iter().copied().find(|address| *address != block.header().author).unwrap();
    let mut header = block.header().clone();
    header.author = other;
    let forged = kit.seal(header, step, other, &[]);
    let error = node.import(forged.clone()).unwrap_err();
    assert!(matches!(error, ImportError::Invalid(Invalid::Engine(InvalidBlock::NotProposer { .. }))), "{error}");
    let again = node.import(forged).unwrap_err();
    assert!(matches!(again, ImportError::Invalid(Invalid::KnownBad { .. })), "{again}");
    assert_eq!(node.head().latest.number, 0);
}

#[test]
fn a_block_may_have_uncles_where_the_chain_allows_them_and_they_earn_nothing() {
    let kit = Kit::with(3, |spec| {
        spec["engine"]["authorityRound"]["params"]["maximumUncleCount"] = json!(1);
        spec["engine"]["authorityRound"]["params"]["blockReward"] = json!(7);
    });
    let (node, peer) = (kit.node(), kit.node());
    let balance = |who: Address| {
        let state = peer.view().state(BlockId::latest()).unwrap().unwrap();
        state.account(who).unwrap().balance
    };
    let mut blocks = kit.mine_many(&node, &kit.validators, 2);
    // Somebody else's block for the height that block 3 takes.
    let step = kit.next_step(&node, &kit.validators);
    let (uncle, _) = kit.build(&node, step.next(), &[]);
    blocks.extend(kit.mine_many(&node, &kit.validators, 1));
    import_all(&peer, &blocks);
    let before = balance(uncle.header().author);

    let with = |uncles: Vec<aurum_types::Header>| {
        let hash = keccak256(alloy::rlp::encode(&uncles));
        let step = kit.next_step(&node, &kit.validators).next();
        let (block, _) = kit.build_with(&node, step.next(), &[], |header| header.uncles_hash = hash);
        SealedBlock::seal_slow(Block { uncles, ..block.block().clone() })
    };
    let refused = |block: SealedBlock| match peer.import(block) {
        Err(ImportError::Invalid(Invalid::Engine(reason))) => reason,
        other => panic!("{other:?}"),
    };
    let header = uncle.header().clone();
    let on_branch = blocks[1].header().clone();
    assert!(matches!(refused(with(vec![on_branch])), InvalidBlock::Uncle { .. }));
    assert!(matches!(refused(with(vec![header.clone(), header.clone()])), InvalidBlock::Uncles { maximum: 1 }));
    let block = with(vec![header]);
    let author = block.header().author;
    // In a batch, as sync sends them.
    import_all(&peer, &[block]);
    assert_eq!(peer.head().latest.number, 4);
    let earned = if author == uncle.header().author { U256::from(7) } else { U256::ZERO };
    assert_eq!(balance(uncle.header().author), before + earned);
}

#[test]
fn refuses_a_broken_seal_and_every_wrong_root() {
    let kit = Kit::new(3);
    let node = kit.node();
    let step = kit.next_step(&node, &kit.validators);
    let wrong = B256::repeat_byte(0xee);
    let check = |forge: &dyn Fn(&mut aurum_types::Header), expected: &dyn Fn(&Invalid) -> bool| {
        let txs = [transfer(&key(0), 0, Address::repeat_byte(9), 7)];
        let (block, _) = kit.build_with(&node, step, &txs, forge);
        match node.import(block) {
            Err(ImportError::Invalid(reason)) if expected(&reason) => {}
            other => panic!("{other:?}"),
        }
    };
    check(&|h| h.state_root = wrong, &|e| matches!(e, Invalid::Block(BlockError::StateRoot { .. })));
    check(&|h| h.receipts_root = wrong, &|e| matches!(e, Invalid::Block(BlockError::ReceiptsRoot { .. })));
    check(&|h| h.transactions_root = wrong, &|e| matches!(e, Invalid::Block(BlockError::TransactionsRoot { .. })));
    check(&|h| h.uncles_hash = wrong, &|e| {
        matches!(e, Invalid::Block(BlockError::UnclesHash { .. }) | Invalid::Engine(InvalidBlock::Uncles { .. }))
    });
    check(&|h| h.gas_used += 1, &|e| matches!(e, Invalid::Block(BlockError::GasUsed { .. })));
    check(&|h| h.logs_bloom = [1; 256].into(), &|e| matches!(e, Invalid::Block(BlockError::LogsBloom)));
    check(&|h| h.difficulty -= U256::ONE, &|e| matches!(e, Invalid::Engine(InvalidBlock::Difficulty { .. })));
    check(&|h| h.base_fee_per_gas = Some(1), &|e| matches!(e, Invalid::Engine(InvalidBlock::BaseFee { .. })));
    check(&|h| h.gas_limit *= 2, &|e| matches!(e, Invalid::Engine(InvalidBlock::GasLimitOutOfBounds { .. })));

    let (block, _) = kit.build(&node, step, &[]);
    let mut unsealed = block.block().clone();
    unsealed.header.seal.truncate(1);
    let error = node.import(SealedBlock::seal_slow(unsealed)).unwrap_err();
    assert!(
        matches!(error, ImportError::Invalid(Invalid::Engine(InvalidBlock::Seal(InvalidSeal::Arity { .. })))),
        "{error}"
    );
    node.import(block).expect("the honest block of that step still comes in");
}

#[test]
fn a_block_on_a_bad_parent_is_bad_and_one_on_an_unknown_parent_waits_for_it() {
    let kit = Kit::new(3);
    let (author, node) = (kit.node(), kit.node());
    let first = kit.mine(&author, &[]);
    let second = kit.mine(&author, &[]);
    match node.import(second.clone()) {
        Err(ImportError::UnknownParent(hash)) => assert_eq!(hash, first.hash()),
        other => panic!("{other:?}"),
    }
    node.import(first).unwrap();
    node.import(second).expect("not marked bad for having come early");

    let step = kit.next_step(&node, &kit.validators);
    let (bad, _) = kit.build_with(&node, step, &[], |header| header.state_root = B256::ZERO);
    assert!(node.import(bad.clone()).is_err());
    let child = SealedBlock::seal_slow(Block {
        header: aurum_types::Header { parent_hash: bad.hash(), number: bad.number() + 1, ..bad.header().clone() },
        ..bad.block().clone()
    });
    let error = node.import(child).unwrap_err();
    assert!(matches!(error, ImportError::Invalid(Invalid::BadParent { .. })), "{error}");
}

#[test]
fn another_body_under_an_honest_header_does_not_make_its_block_bad() {
    let kit = Kit::new(3);
    let (author, node) = (kit.node(), kit.node());
    let block = kit.mine(&author, &[transfer(&key(0), 0, Address::repeat_byte(1), 1)]);
    let without = SealedBlock::seal_slow(Block { transactions: Vec::new(), ..block.block().clone() });
    assert_eq!(without.hash(), block.hash());
    for _ in 0..2 {
        let error = node.import(without.clone()).unwrap_err();
        assert!(matches!(error, ImportError::Invalid(Invalid::Block(BlockError::TransactionsRoot { .. }))), "{error}");
    }
    node.import(block).expect("whoever has the right body is heard");
}

#[test]
fn an_early_block_is_not_remembered_as_bad() {
    use aurum_aura::Clock;
    let kit = Kit::new(3);
    let (author, node) = (kit.node(), kit.node());
    let block = kit.mine(&author, &[]);
    let later = kit.clock.now();
    kit.clock.set(later - std::time::Duration::from_secs(4));
    let error = node.import(block.clone()).unwrap_err();
    assert!(matches!(error, ImportError::TemporarilyInvalid(TemporarilyInvalid::Step { .. })), "{error}");
    kit.clock.set(later);
    node.import(block).expect("now it is time");
}

#[test]
fn the_higher_score_wins_and_the_state_is_that_of_a_node_that_saw_only_the_winner() {
    let kit = Kit::new(4);
    let (left, right) = (kit.node(), kit.node());
    let common = kit.mine(&left, &[]);
    right.import(common).unwrap();
    // Two of four on each side: nothing becomes final.
    let (a, b) = (&kit.validators[..2], &kit.validators[2..]);
    let lost = transfer(&key(0), 0, Address::repeat_byte(1), 1);
    kit.mine_by(&left, a, std::slice::from_ref(&lost));
    kit.mine_by(&left, a, &[]);
    let mut winner = vec![kit.mine_by(&right, b, &[transfer(&key(1), 0, Address::repeat_byte(2), 5)])];
    winner.extend(kit.mine_many(&right, b, 2));

    let mut events = left.events();
    import_all(&left, &winner);
    assert_eq!(standing(&left), standing(&right));
    let mut reorganisations = Vec::new();
    while let Ok(change) = events.try_recv() {
        if !change.retracted.is_empty() {
            reorganisations.push(change);
        }
    }
    assert_eq!(reorganisations.len(), 1);
    assert_eq!(reorganisations[0].retracted.len(), 2, "the whole losing branch");
    assert!(reorganisations[0].enacted.len() >= 2);

    let (left_state, right_state) = (left.view(), right.view());
    for address in [key(0).address(), key(1).address(), Address::repeat_byte(1), Address::repeat_byte(2)] {
        let read = |view: &aurum_chain::View| view.state(BlockId::latest()).unwrap().unwrap().account(address).unwrap();
        assert_eq!(read(&left_state), read(&right_state), "{address}");
    }
    assert!(left_state.receipt(*lost.tx_hash()).unwrap().is_none(), "the receipt went with its block");
    assert!(left.pool().get(*lost.tx_hash()).is_some(), "the transaction went back to the pool");
    assert!(left_state.transaction(*lost.tx_hash()).unwrap().unwrap().place.is_none());
}

#[test]
fn ties_keep_the_first_seen() {
    let kit = Kit::new(4);
    let node = kit.node();
    let (left, right) = (kit.node(), kit.node());
    // Two different blocks of one author for one step: the same score.
    let step = kit.next_step(&left, &kit.validators);
    let (first, _) = kit.build(&left, step, &[]);
    let (second, _) = kit.build(&right, step, &[transfer(&key(0), 0, Address::repeat_byte(1), 1)]);
    node.import(first.clone()).unwrap();
    let imported = node.import(second.clone()).expect("a sibling is as good");
    assert!(matches!(imported, Imported::Side { .. }));
    assert_eq!(node.head().latest.hash, first.hash());
    let status = node.view().engine().unwrap();
    assert_eq!(status.equivocations.len(), 1, "and its author is noted");
    assert_eq!(status.equivocations[0].second.hash, second.hash());

    right.import(second.clone()).unwrap();
    right.import(first).unwrap();
    assert_eq!(right.head().latest.hash, second.hash());
}

#[test]
fn finality_advances_with_more_than_two_thirds_and_not_without() {
    let kit = Kit::new(4);
    let node = kit.node();
    kit.mine_many(&node, &kit.validators[..2], 12);
    assert_eq!(node.head().finalized.number, 0, "two of four are not enough");
    let third = &kit.validators[..3];
    kit.mine_by(&node, &third[2..], &[]);
    let final_then = node.head().finalized.number;
    assert!(final_then > 0, "three of four are");
    kit.mine_many(&node, third, 12);
    assert!(node.head().finalized.number > final_then);
    assert!(node.head().finalized.number < node.head().latest.number);
    assert_eq!(node.head().safe, node.head().finalized);
}

#[test]
fn a_lone_authority_is_final_at_once_with_and_without_immediate_transitions() {
    for immediate in [false, true] {
        let kit = Kit::with(1, |spec| {
            spec["engine"]["authorityRound"]["params"]["immediateTransitions"] = immediate.into();
        });
        let node = kit.node();
        kit.mine_many(&node, &kit.validators, 3);
        assert_eq!(node.head().finalized, node.head().latest, "immediate: {immediate}");
        assert_eq!(node.head().latest.number, 3);
    }
}

#[test]
fn refuses_to_reorganise_below_a_final_block() {
    let kit = Kit::new(4);
    let (node, other) = (kit.node(), kit.node());
    kit.mine_many(&node, &kit.validators, 8);
    let before = standing(&node);
    assert!(node.head().finalized.number > 1);
    // A longer branch from genesis; two of four made it.
    let other_txs = [transfer(&key(0), 0, Address::repeat_byte(1), 1)];
    let branch = [kit.mine_by(&other, &kit.validators[..2], &other_txs)];
    kit.mine_many(&other, &kit.validators[..2], 12);
    let error = node.import(branch[0].clone()).unwrap_err();
    assert!(matches!(error, ImportError::Invalid(Invalid::RevertsFinalized { .. })), "{error}");
    assert_eq!(standing(&node), before);
    // Not remembered as bad: on another node the branch may be the right one.
    let error = node.import(branch[0].clone()).unwrap_err();
    assert!(matches!(error, ImportError::Invalid(Invalid::RevertsFinalized { .. })), "{error}");
}

#[test]
fn at_the_specs_fork_block_only_its_hash_is_taken() {
    let free = Kit::new(3);
    let author = free.node();
    let blocks = free.mine_many(&author, &free.validators, 4);
    let other = free.node();
    let transfers = [transfer(&key(0), 0, Address::repeat_byte(1), 1)];
    let branch = [free.mine_by(&other, &free.validators, &[]), free.mine_by(&other, &free.validators, &transfers)];
    // Blocks of one genesis: the keys of the spec that say nothing about it may differ.
    let pinned = Kit::with(3, |spec| {
        spec["params"]["forkBlock"] = 2.into();
        spec["params"]["forkCanonHash"] = blocks[1].hash().to_string().into();
    });
    pinned.clock.set(free.clock.now());
    let (one, many) = (pinned.node(), pinned.node());
    assert_eq!(one.genesis_hash(), author.genesis_hash());
    for node in [&one, &many] {
        node.import(branch[0].clone()).unwrap();
        let error = node.import(branch[1].clone()).unwrap_err();
        let ImportError::Invalid(Invalid::NotPinned { number: 2, hash, pinned }) = error else { panic!("{error}") };
        assert_eq!((hash, pinned), (branch[1].hash(), blocks[1].hash()));
        let (imported, error) = node.import_batch(&branch);
        assert_eq!(imported.len(), 1);
        assert!(error.is_some_and(|error| matches!(error, ImportError::Invalid(_))), "in a batch neither");
    }
    blocks.iter().for_each(|block| drop(one.import(block.clone()).unwrap()));
    import_all(&many, &blocks);
    assert_eq!((one.head().latest.hash, many.head().latest.hash), (blocks[3].hash(), blocks[3].hash()));
}
