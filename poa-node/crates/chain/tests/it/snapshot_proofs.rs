//! A snapshot proves who the validators are: every change of them is in it, and quorums signed for them.

use alloy::primitives::{Address, TxKind, keccak256};
use alloy::sol_types::SolCall as _;
use aurum_aura::{
    Signer as _,
    certificate::{Branches as _, Certificate, Link, Trust, Vote, VoteDomain},
};
use aurum_chain::{
    Chain,
    state_snapshot::{
        SnapshotError, SnapshotSummary, SnapshotTrust, create_snapshot, restore_snapshot, verify_snapshot,
    },
};
use aurum_contracts::{
    ValidatorSet as Contract,
    genesis::{VALIDATOR_SET, validator_set},
};
use aurum_types::{Header, SealedBlock, ValidatorSet};
use serde_json::json;

use crate::kit::{Kit, import_all, key, transaction};

/// Three authorities by contract, with finality certificates; key 0 governs.
fn kit() -> Kit {
    Kit::with(3, |spec| {
        for (address, account) in validator_set(&addresses(3), key(0).address()).expect("a valid genesis") {
            spec["accounts"][address.to_string()] =
                json!({ "nonce": "0x1", "code": account.code, "storage": account.storage });
        }
        let params = &mut spec["engine"]["authorityRound"]["params"];
        params["validators"] = json!({ "contract": VALIDATOR_SET });
        params["finalityCertificatesTransition"] = json!(0);
    })
}

fn addresses(count: usize) -> Vec<Address> {
    (0..count).map(|index| key(index).address()).collect()
}

/// All four keys' votes for the link from `block` to its child.
fn certificate(chain: &Chain, block: &SealedBlock, child: &SealedBlock) -> Certificate {
    let at = |block: &SealedBlock| aurum_chain::BlockRef { number: block.number(), hash: block.hash() }.into();
    let history = chain.branches().history(at(block)).unwrap().expect("the history is known").0;
    let link = Link { source: at(block), target: at(child), history };
    let domain = VoteDomain::new(chain.spec().params.chain_id, chain.genesis_hash());
    let votes = (0..4).map(|index| Vote::sign(&domain, link, &key(index)).unwrap());
    Certificate::new(link, &votes.map(|vote| (vote.signer(), vote)).collect())
}

/// A chain whose fourth validator came later; its blocks, and the place of the first one certified after that.
fn grown(kit: &Kit, node: &Chain) -> (Vec<SealedBlock>, usize) {
    let mut blocks = kit.mine_many(node, &addresses(3), 3);
    let call = Contract::addValidatorCall { validator: key(3).address() }.abi_encode();
    blocks.push(kit.mine(node, &[transaction(&key(0), 0, TxKind::Call(VALIDATOR_SET), 0, call.into())]));
    while node.view().engine().unwrap().validators.len() == 3 {
        blocks.push(kit.mine(node, &[]));
        assert!(blocks.len() < 20, "the change comes with finality");
    }
    let first = blocks.len();
    blocks.extend(kit.mine_many(node, &addresses(4), 12));
    for place in [first, first + 4] {
        node.certify(&certificate(node, &blocks[place], &blocks[place + 1])).unwrap();
    }
    (blocks, first + 4)
}

fn genesis(chain: &Chain) -> Header {
    chain.view().header(alloy::eips::BlockId::number(0)).unwrap().unwrap().1
}

fn verify(kit: &Kit, genesis: &Header, bytes: &[u8], validators: usize) -> Result<SnapshotSummary, SnapshotError> {
    verify_snapshot(&kit.spec, genesis, Some(&ValidatorSet::new(addresses(validators))), bytes)
}

#[test]
fn a_restored_node_counts_votes_of_validators_that_came_before_its_snapshot() {
    let kit = kit();
    let mut whole = kit.node();
    let (blocks, certified) = grown(&kit, &whole);
    let block_zero = genesis(&whole);
    let path = whole.dir.path().to_owned();
    whole.close();
    let mut bytes = Vec::new();
    let summary = create_snapshot(kit.config(&path), &mut bytes).unwrap();
    assert_eq!(summary.hash, blocks[certified].hash());
    assert!(!summary.certificate.is_empty());
    assert_eq!(verify(&kit, &block_zero, &bytes, 3).unwrap(), summary);
    let refused = verify(&kit, &block_zero, &bytes, 4);
    assert!(matches!(refused, Err(SnapshotError::Refused(_))), "other genesis validators: {refused:?}");

    let folder = tempfile::tempdir().unwrap();
    let (database, draft) = (folder.path().join("db"), folder.path().join("draft"));
    let restore = |validators: Option<&ValidatorSet>| {
        let input = (bytes.as_slice(), SnapshotTrust::Certificates);
        restore_snapshot(&kit.spec, &block_zero, validators, input, &database, &draft)
    };
    let refused = restore(None);
    assert!(matches!(refused, Err(SnapshotError::Refused(_))), "nobody knows whose certificates count: {refused:?}");
    assert_eq!(restore(Some(&ValidatorSet::new(addresses(3)))).unwrap(), summary);
    let late = kit.open(folder.path());
    assert_eq!(late.head().finalized.hash, blocks[certified].hash());
    import_all(&late, &blocks[certified + 1..]);
    let next = certified + 3;
    late.certify(&certificate(&late, &blocks[next], &blocks[next + 1])).unwrap();
    assert_eq!(late.head().finalized.hash, blocks[next].hash());

    // What it serves is followed from genesis over the change.
    let served = late.view().certified(blocks[next].number()).unwrap().expect("its newest certificate");
    let domain = VoteDomain::new(late.spec().params.chain_id, late.genesis_hash());
    let mut trust = Trust::genesis(ValidatorSet::new(addresses(3)));
    for step in &served.steps {
        trust = trust.verify(&domain, &step.certificate, &step.recorded).unwrap();
    }
    assert_eq!(trust.validators, ValidatorSet::new(addresses(4)));

    // And so is the snapshot that it makes.
    drop(late);
    let mut again = Vec::new();
    let summary = create_snapshot(kit.config(folder.path()), &mut again).unwrap();
    assert_eq!(summary.hash, blocks[next].hash());
    assert_eq!(verify(&kit, &block_zero, &again, 3).unwrap(), summary);
}

/// The file with `from` replaced by `to` wherever it stands in the manifest, its checksums made anew.
fn with_manifest(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let (magic, mut rest) = bytes.split_at(16);
    let (mut out, mut before, mut changed) = (magic.to_vec(), keccak256(magic), 0);
    while let [kind, a, b, c, d, chunk @ ..] = rest {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let mut payload = chunk[..length].to_vec();
        if *kind == 1 {
            for place in 0..=length - from.len() {
                if payload[place..].starts_with(from) {
                    payload[place..place + to.len()].copy_from_slice(to);
                    changed += 1;
                }
            }
        }
        before = keccak256([before.as_slice(), &rest[..5], &payload].concat());
        out.extend([&rest[..5], &payload, before.as_slice()].concat());
        rest = &chunk[length + 32..];
    }
    assert!(changed > 0, "nothing to replace");
    out
}

#[test]
fn validators_that_no_quorum_signed_for_are_refused() {
    let kit = kit();
    let mut whole = kit.node();
    grown(&kit, &whole);
    let block_zero = genesis(&whole);
    let path = whole.dir.path().to_owned();
    whole.close();
    let mut bytes = Vec::new();
    let summary = create_snapshot(kit.config(&path), &mut bytes).unwrap();

    // Everywhere, so that sets, consensus state and their histories' preimages agree with each other.
    let stranger = key(9).address();
    let lie = with_manifest(&bytes, key(3).address().as_slice(), stranger.as_slice());
    let refused = verify(&kit, &block_zero, &lie, 3).unwrap_err().to_string();
    assert!(refused.contains("validators of block"), "{refused}");
    let last = Certificate::decode(&summary.certificate).unwrap();
    // With two of four signatures changed no quorum is left.
    let mut lie = bytes;
    for signature in &last.signatures[..2] {
        let mut forged = *signature;
        forged[10] ^= 1;
        lie = with_manifest(&lie, signature, &forged);
    }
    let refused = verify(&kit, &block_zero, &lie, 3).unwrap_err().to_string();
    assert!(refused.contains("certificate of block"), "{refused}");
}
