//! A folder is filled from a snapshot, and the process dies meanwhile: there is no half of a database, and the next one
//! begins anew or goes on.

use std::{fs, sync::Arc};

use aurum_chain::state_snapshot::{SnapshotTrust, create_snapshot, restore_snapshot};
use aurum_evm::Evm;
use aurum_storage::genesis_root;
use aurum_types::{ValidatorSet, genesis_header};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tempfile::TempDir;

use super::{
    child::{self, Orders},
    look, run_child,
    script::{Script, stand, straight},
    seed,
    trigger::{Point, Side},
};
use crate::kit::{Kit, import_all};

/// Not a test of its own: restores what is not there, then imports what follows.
#[test]
fn child_restores_until_it_is_killed() {
    let Some(orders) = Orders::read() else { return };
    let kit = Kit::new(4);
    let node = orders.folder.join("node");
    fs::create_dir_all(&node).unwrap();
    if !node.join("db").exists() {
        let state = Evm::new(Arc::clone(&kit.spec)).genesis().unwrap();
        let genesis = genesis_header(&kit.spec, genesis_root(&state).unwrap());
        let validators = ValidatorSet::new(kit.validators.clone());
        let file = fs::File::open(orders.folder.join("snapshot")).unwrap();
        let (database, draft) = (node.join("db"), node.join("draft"));
        let input = (file, SnapshotTrust::Operator);
        restore_snapshot(&kit.spec, &genesis, Some(&validators), input, &database, &draft).unwrap();
    }
    let script = Script::read(&kit, &orders.folder.join("script"));
    let chain = orders.open(&kit);
    let at = usize::try_from(chain.head().latest.number).unwrap();
    // The snapshot's block is final here, whether or not it is by the blocks that are here.
    let whole = |stand: &str| -> Vec<String> {
        let words: Vec<_> = stand.split(' ').map(str::to_owned).collect();
        [&words[..2], &words[4..]].concat()
    };
    assert_eq!(whole(&stand(&chain)), whole(&script.clean[at]), "what a node has that imported {at} blocks");
    println!("\nopened {at}");
    script.wait(&kit);
    import_all(&chain, &script.blocks[at..]);
    assert_eq!(Some(&stand(&chain)), script.clean.last());
    println!("\nended");
}

#[test]
fn killed_while_a_snapshot_is_restored() {
    let kit = Kit::new(4);
    let (script, _) = Script::of(&kit, straight(&kit, 60));
    let mut source = kit.node();
    import_all(&source, &script.blocks[..40]);
    source.close();
    let mut snapshot = Vec::new();
    let made = create_snapshot(kit.config(source.dir.path()), &mut snapshot).unwrap();
    assert!(made.number > 30 && made.slots > 0, "{made:?}");

    let mut dice = StdRng::seed_from_u64(seed());
    let mut killed = 0;
    for chain in 0..4 {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("snapshot"), &snapshot).unwrap();
        script.write(&folder.path().join("script"));
        let (mut opened, mut round) = (None, 0);
        loop {
            let side = Side::of(round);
            let skipped = dice.random_range(0..2);
            let (point, limit) = match round {
                0..4 => (Some(Point { stage: "restore", side, skipped, opening: true }), None),
                4 => (None, Some(dice.random_range(20..120))),
                5 | 6 => (Some(Point { stage: "store", side, skipped, opening: false }), None),
                _ => (None, None),
            };
            round += 1;
            let seed: u64 = dice.random();
            let how = format!("chain {chain}, {point:?}, files of {limit:?} blocks, seed {seed}");
            let mut variables = vec![
                (child::FOLDER, folder.path().to_str().unwrap().to_owned()),
                (child::WAY, "Batches".to_owned()),
                (child::SEED, seed.to_string()),
            ];
            variables.extend(point.map(|point| (child::POINT, point.to_string())));
            let life = run_child("killed::snapshot::child_restores_until_it_is_killed", &variables, limit);
            assert!(life.opened.is_none() || life.opened >= opened, "{how}: {opened:?} blocks were there");
            opened = life.opened.or(opened);
            if !life.killed {
                break;
            }
            killed += 1;
        }
        look(&folder.path().join("node"), &format!("chain {chain}"));
        let node = kit.open(&folder.path().join("node"));
        assert_eq!(Some(&stand(&node)), script.clean.last());
    }
    assert!(killed >= 16, "{killed}");
}
