//! Finality certificates at the import door: what they bind, and what rolling finality no longer does.

use alloy::eips::{BlockId, BlockNumberOrTag};
use aurum_aura::{
    Signer as _,
    certificate::{
        Branches as _, Certificate, Checkpoint, Electorate, Link, Trust, ValidatorHistory, Vote, VoteDomain,
    },
};
use aurum_chain::{BlockRef, Chain, ImportError, Invalid, ReadError};
use aurum_types::{SealedBlock, ValidatorSet};
use serde_json::json;

use crate::kit::{Kit, import_all, key};

fn kit(count: usize) -> Kit {
    Kit::with(count, |spec| {
        spec["engine"]["authorityRound"]["params"]["finalityCertificatesTransition"] = json!(0);
    })
}

fn at(block: &SealedBlock) -> BlockRef {
    BlockRef { number: block.number(), hash: block.hash() }
}

fn domain(chain: &Chain) -> VoteDomain {
    VoteDomain::new(chain.spec().params.chain_id, chain.genesis_hash())
}

/// The votes of the first `voters` keys for a link.
fn votes(chain: &Chain, source: Checkpoint, target: &SealedBlock, voters: usize) -> Certificate {
    let history = chain.branches().history(source).unwrap().expect("the history is known").0;
    let link = Link { source, target: at(target).into(), history };
    let domain = domain(chain);
    let votes = (0..voters).map(|index| Vote::sign(&domain, link, &key(index)).unwrap());
    Certificate::new(link, &votes.map(|vote| (vote.signer(), vote)).collect())
}

fn final_number(chain: &Chain) -> u64 {
    chain.view().number_of(BlockNumberOrTag::Finalized).unwrap()
}

#[test]
fn a_block_is_final_by_its_certificate_and_safe_by_rolling_finality() {
    let kit = kit(4);
    let mut node = kit.node();
    let blocks = kit.mine_many(&node, &kit.validators, 8);
    let head = node.head();
    assert_eq!(head.finalized.number, 0, "no certificate, nothing final");
    assert!(head.safe.number >= 5, "{head:?}");

    let certificate = votes(&node, at(&blocks[3]).into(), &blocks[4], 3);
    let mut events = node.events();
    node.certify(&certificate).unwrap();
    assert_eq!((node.head().finalized, node.head().safe), (at(&blocks[3]), head.safe));
    assert_eq!(events.try_recv().unwrap().head, node.head(), "who follows the head hears of it");
    assert_eq!(final_number(&node), 4);
    node.reopen(&kit);
    assert_eq!(node.head().finalized, at(&blocks[3]), "and it stays over a restart");
}

#[test]
fn a_certificate_is_served_with_all_that_its_verification_needs() {
    let kit = kit(4);
    let node = kit.node();
    let blocks = kit.mine_many(&node, &kit.validators, 8);
    assert_eq!(node.view().certified(1).unwrap(), None);
    let certificate = votes(&node, at(&blocks[5]).into(), &blocks[6], 3);
    node.certify(&certificate).unwrap();
    let found = node.view().certified(3).unwrap().expect("a certificate above");
    assert_eq!(found.steps.len(), 1);
    let trust = Trust::genesis(ValidatorSet::new(kit.validators));
    trust.verify(&domain(&node), &found.steps[0].certificate, &found.steps[0].recorded).unwrap();
    let hashes: Vec<_> = found.headers.iter().map(|header| header.hash_slow()).collect();
    assert_eq!(hashes, [&blocks[5], &blocks[4], &blocks[3], &blocks[2]].map(SealedBlock::hash));
    assert_eq!(node.view().certified(7).unwrap(), None);
}

#[test]
fn what_rolling_finality_said_does_not_bind_and_what_is_certified_does() {
    let kit = kit(4);
    let (ours, theirs) = (kit.node(), kit.node());
    let common = kit.mine_many(&ours, &kit.validators, 4);
    import_all(&theirs, &common);
    // The same keys on both sides, as after cloning: three of four make blocks rolling-final on either.
    let a = kit.mine_many(&ours, &kit.validators[..3], 6);
    let b = kit.mine_many(&theirs, &kit.validators[1..], 9);
    assert!(ours.head().safe.number > 4 && theirs.head().safe.number > 4);

    let cut = ours.head().finalized;
    import_all(&ours, &b);
    assert_eq!(ours.head().latest, at(&b[8]), "the heavier branch wins over what was only safe");
    assert_eq!(ours.head().finalized, cut);

    // A certificate of the lighter branch takes the head back to it, for good.
    let certificate = votes(&ours, at(&a[1]).into(), &a[2], 3);
    ours.certify(&certificate).unwrap();
    assert_eq!((ours.head().latest, ours.head().finalized), (at(&a[5]), at(&a[1])));
    let more = kit.mine_many(&theirs, &kit.validators[1..], 3);
    let refused = ours.import(more[0].clone()).unwrap_err();
    assert!(matches!(refused, ImportError::Invalid(Invalid::RevertsFinalized { .. })), "{refused}");
    let against = votes(&theirs, at(&b[1]).into(), &b[2], 3);
    let refused = ours.certify(&against).unwrap_err();
    assert!(
        matches!(refused, ImportError::Invalid(Invalid::RevertsFinalized { .. }) | ImportError::UnknownParent(_)),
        "{refused}"
    );
    assert_eq!(ours.head().finalized, at(&a[1]));
}

#[test]
fn the_branch_with_the_highest_justified_block_is_preferred_to_a_heavier_one() {
    let kit = kit(4);
    let (mut ours, theirs) = (kit.node(), kit.node());
    let common = kit.mine_many(&ours, &kit.validators, 4);
    import_all(&theirs, &common);
    let light = kit.mine_many(&theirs, &kit.validators[..2], 3);
    let heavy = kit.mine_many(&ours, &kit.validators[2..], 8);
    import_all(&ours, &light);
    assert_eq!(ours.head().latest, at(&heavy[7]));

    let proof = votes(&ours, at(&common[1]).into(), &light[1], 3);
    ours.justify(&proof).unwrap();
    assert_eq!(ours.head().latest, at(&light[2]), "the best block on top of the justified one");
    let imported = ours.import(kit.mine_many(&theirs, &kit.validators[..2], 1).remove(0)).unwrap();
    assert!(matches!(imported, aurum_chain::Imported::Head(_)));
    assert_eq!(ours.kept_proofs().unwrap(), std::slice::from_ref(&proof));
    ours.reopen(&kit);
    ours.justify(&proof).unwrap();
    assert_eq!(ours.head().latest.number, 8);
    assert_eq!(ours.canonical_hash(light[1].number()).unwrap(), Some(light[1].hash()));
}

#[test]
fn a_lone_authoritys_blocks_are_final_at_once() {
    let kit = kit(1);
    let mut node = kit.node();
    kit.mine_many(&node, &kit.validators, 5);
    assert_eq!(node.head().finalized, node.head().latest);
    node.reopen(&kit);
    assert_eq!((node.head().finalized, node.head().safe), (node.head().latest, node.head().latest));
}

#[test]
fn with_immediate_transitions_there_is_no_finality_and_the_tags_say_so() {
    let immediate = |count| {
        Kit::with(count, |spec| {
            let params = &mut spec["engine"]["authorityRound"]["params"];
            params["immediateTransitions"] = json!(true);
            params.as_object_mut().unwrap().remove("twoThirdsMajorityTransition");
        })
    };
    let several = immediate(3);
    let node = several.node();
    several.mine_many(&node, &several.validators, 4);
    for tag in [BlockNumberOrTag::Safe, BlockNumberOrTag::Finalized] {
        assert!(matches!(node.view().resolve(BlockId::Number(tag)), Err(ReadError::NoFinality)), "{tag}");
    }
    let alone = immediate(1);
    let node = alone.node();
    alone.mine_many(&node, &alone.validators, 4);
    assert_eq!(final_number(&node), 4);
}

#[test]
fn branches_know_the_sets_and_the_history_of_each_block() {
    let new: Vec<_> = (2..6).map(|index| key(index).address()).collect();
    let kit = Kit::with(4, |spec| {
        let params = &mut spec["engine"]["authorityRound"]["params"];
        params["finalityCertificatesTransition"] = json!(0);
        let list: Vec<_> = (0..4).map(|index| key(index).address()).collect();
        params["validators"] = json!({ "multi": { "0": { "list": list }, "5": { "list": new } } });
    });
    let mut node = kit.node();
    let mut blocks = Vec::new();
    for _ in 0..9 {
        blocks.push(kit.mine(&node, &[]));
    }
    let (old, new) = (ValidatorSet::new(kit.validators.clone()), ValidatorSet::new(new));
    let first = ValidatorHistory::first(&old);
    for _ in 0..2 {
        let branches = node.branches();
        let genesis = Checkpoint { number: 0, hash: node.genesis_hash() };
        let block = |number: usize| Checkpoint::from(at(&blocks[number - 1]));
        assert_eq!(branches.history(block(4)).unwrap(), Some(first));
        assert_eq!(branches.history(block(5)).unwrap(), Some(first.then(&new)));
        let sets = |electorate: Option<Electorate>| -> Vec<ValidatorSet> {
            electorate.unwrap().sets().iter().map(|set| (**set).clone()).collect()
        };
        assert_eq!(sets(branches.electorate(genesis, block(4)).unwrap()), std::slice::from_ref(&old));
        assert_eq!(sets(branches.electorate(genesis, block(5)).unwrap()), [old.clone(), new.clone()]);
        assert_eq!(sets(branches.electorate(block(4), block(8)).unwrap()), [old.clone(), new.clone()]);
        assert_eq!(sets(branches.electorate(block(5), block(8)).unwrap()), std::slice::from_ref(&new));
        assert_eq!(branches.ancestor(block(9), 3).unwrap(), Some(blocks[2].hash()));
        assert_eq!(branches.ancestor(Checkpoint { number: 8, hash: blocks[8].hash() }, 3).unwrap(), None);
        node.reopen(&kit);
    }
    // Both sets sign the certificate that hands over.
    let certificate = votes(&node, at(&blocks[6]).into(), &blocks[7], 6);
    node.certify(&certificate).unwrap();
    let found = node.view().certified(1).unwrap().unwrap();
    assert_eq!(found.steps[0].recorded, std::slice::from_ref(&new));
    let trust = Trust::genesis(old).verify(&domain(&node), &certificate, &found.steps[0].recorded).unwrap();
    assert_eq!(trust.validators, new);
}
