//! A development chain is taken back again and again, and killed meanwhile: what was taken off never comes back.

use std::collections::BTreeMap;

use alloy::{
    eips::BlockId,
    primitives::{B256, keccak256},
};
use aurum_aura::KeySigner;
use aurum_chain::Chain;
use aurum_evm::dev::AUTHORITY;
use aurum_types::SealedBlock;
use rand::{Rng, SeedableRng, rngs::StdRng};
use secp256k1::SecretKey;
use tempfile::TempDir;

use super::{
    child::{self, Orders},
    look, run_child,
    script::{body, stand},
    seed,
    trigger::{Point, Side},
};
use crate::kit::Kit;

/// What a child does before it ends by itself.
const DEEDS: usize = 40;

fn development() -> Kit {
    let mut kit = Kit::with(1, |spec| {
        spec["engine"]["authorityRound"]["params"]["validators"] = serde_json::json!({ "list": [AUTHORITY] });
    });
    let secret = keccak256("aurum development authority");
    kit.signers.insert(AUTHORITY, KeySigner::new(SecretKey::from_byte_array(secret.0).unwrap()));
    kit.validators = vec![AUTHORITY];
    kit
}

/// Not a test of its own: seals and goes back, and says before and behind it what it does.
#[test]
fn child_rewinds_until_it_is_killed() {
    let Some(orders) = Orders::read() else { return };
    let kit = development();
    let chain = orders.open(&kit);
    println!("\nsettled {}", stand(&chain));
    let development = chain.development().unwrap();
    let mut dice = StdRng::seed_from_u64(orders.seed);
    let mut past = vec![chain.genesis_checkpoint(development).unwrap(), chain.checkpoint()];
    for _ in 0..DEEDS {
        if dice.random_ratio(1, 5) {
            let back = dice.random_range(0..3);
            past.truncate(past.len().saturating_sub(back).max(1));
            let to = past.last().unwrap();
            println!("\nintends {}", to.head().hash);
            chain.rewind(development, to).unwrap();
        } else {
            let transactions = body(&chain, &mut dice);
            let (block, built) = kit.build(&chain, kit.next_step(&chain, &[AUTHORITY]), &transactions);
            println!("\nintends {}", block.hash());
            chain.import_built(block, built).unwrap();
            if dice.random() {
                past.push(chain.checkpoint());
            }
        }
        println!("\nsettled {}", stand(&chain));
    }
    println!("\nended");
}

/// The chain of a folder, sent to a node that was never killed and never went back.
fn replay(kit: &Kit, chain: &Chain) -> String {
    let clean = kit.node();
    let last = chain.view().header(BlockId::latest()).unwrap().unwrap().1.step().unwrap();
    kit.clock.set(kit.schedule().start_of(last));
    for number in 1..=chain.head().latest.number {
        let block = chain.view().block(BlockId::number(number)).unwrap().unwrap();
        clean.import(SealedBlock::seal_slow(block.block().clone())).unwrap();
    }
    stand(&clean)
}

#[test]
fn killed_while_a_development_chain_goes_back() {
    let kit = development();
    let folder = TempDir::new().unwrap();
    let mut dice = StdRng::seed_from_u64(seed());
    let stages = ["unwind", "store", "unwind", "adopt", "unwind", "persist", "checkpoint"];
    let (mut settled, mut intended) = (None::<String>, None::<B256>);
    let mut killed = BTreeMap::new();
    for round in 0..42 {
        let side = Side::of(round / stages.len());
        let stage = stages[round % stages.len()];
        let point = Point { stage, side, skipped: dice.random_range(0..4), opening: false };
        let seed: u64 = dice.random();
        let how = format!("at {point}, seed {seed}");
        let variables = [
            (child::FOLDER, folder.path().to_str().unwrap().to_owned()),
            (child::WAY, "Author".to_owned()),
            (child::SEED, seed.to_string()),
            (child::POINT, point.to_string()),
        ];
        let life = run_child("killed::rewound::child_rewinds_until_it_is_killed", &variables, None);
        let mut first = true;
        for line in life.said.lines() {
            if let Some(hash) = line.strip_prefix("intends ") {
                intended = Some(hash.parse().unwrap());
            } else if let Some(stand) = line.strip_prefix("settled ") {
                let hash: B256 = stand.split(' ').nth(1).unwrap().parse().unwrap();
                if let (true, Some(settled)) = (first, &settled) {
                    assert!(stand == settled || intended == Some(hash), "{how}: {settled} became {stand}");
                }
                (settled, intended, first) = (Some(stand.to_owned()), None, false);
            }
        }
        if life.killed {
            *killed.entry((stage, side)).or_insert(0) += 1;
        }
        if round % 4 == 3 {
            look(&folder.path().join("node"), &how);
        }
    }
    assert!(killed.values().sum::<usize>() >= 24 && killed.len() >= 8, "{killed:?}");
    let chain = kit.open(&folder.path().join("node"));
    assert_eq!(stand(&chain), replay(&kit, &chain));
}
