//! The state at a final block leaves one folder and a chain goes on from it in another.

use alloy::{eips::BlockId, primitives::Address};
use aurum_chain::{
    Chain, ChainConfig, ReadError,
    state_snapshot::{SnapshotError, SnapshotTrust, create_snapshot, restore_snapshot, verify_snapshot},
};
use aurum_types::{Header, ValidatorSet};

use crate::kit::{Kit, import_all, key, standing, transfer};

fn genesis(chain: &Chain) -> Header {
    chain.view().header(BlockId::number(0)).unwrap().unwrap().1
}

fn create(config: ChainConfig) -> Result<Vec<u8>, SnapshotError> {
    let mut bytes = Vec::new();
    create_snapshot(config, &mut bytes)?;
    Ok(bytes)
}

fn balance(chain: &Chain, number: u64, address: Address) -> u64 {
    chain.view().state(BlockId::number(number)).unwrap().unwrap().account(address).unwrap().balance.to()
}

#[test]
fn a_node_restored_from_the_final_state_follows_as_if_it_had_always_been_there() {
    let kit = Kit::new(4);
    let whole = kit.node();
    let (rich, poor) = (key(0), Address::repeat_byte(0x77));
    for nonce in 0..300 {
        kit.mine(&whole, &[transfer(&rich, nonce, poor, 1)]);
    }
    let finalized = whole.head().finalized;
    assert!(finalized.number > 290);
    // Finality stalls; what is persisted goes far beyond the final block, whose state is history then.
    let mut stalled = Vec::new();
    for nonce in 300..480 {
        stalled.push(kit.mine_by(&whole, &kit.validators[..2], &[transfer(&rich, nonce, poor, 1)]));
    }
    let final_now = whole.head().finalized;
    let path = whole.dir.path().to_owned();
    let block_zero = genesis(&whole);
    let copy = tempfile::tempdir().unwrap();
    whole.copy_database(&copy.path().join("db")).unwrap();
    let mut whole = whole;
    whole.close();

    let bytes = create(kit.config(&path)).unwrap();
    let summary = verify_snapshot(&kit.spec, &block_zero, None, bytes.as_slice()).unwrap();
    assert_eq!((summary.number, summary.hash), (final_now.number, final_now.hash));
    assert_eq!((summary.blocks, summary.bytes), (256, bytes.len() as u64));
    assert!(summary.certificate.is_empty(), "certificates are off");

    assert_eq!(bytes, create(kit.config(copy.path())).unwrap(), "a copy made while the chain was open gives the same");

    let folder = tempfile::tempdir().unwrap();
    let (database, draft) = (folder.path().join("db"), folder.path().join("draft"));
    let validators = ValidatorSet::new(kit.validators.clone());
    let restore = |trust| {
        let input = (bytes.as_slice(), trust);
        restore_snapshot(&kit.spec, &block_zero, Some(&validators), input, &database, &draft)
    };
    let unproven = restore(SnapshotTrust::Certificates);
    assert!(matches!(unproven, Err(SnapshotError::Refused(_))), "no certificate proves it: {unproven:?}");
    assert!(!draft.exists() && !database.exists());
    assert_eq!(restore(SnapshotTrust::Operator).unwrap(), summary);
    assert!(!draft.exists());
    let again = restore(SnapshotTrust::Operator);
    assert!(matches!(again, Err(SnapshotError::Refused(_))), "{again:?}");

    let late = kit.open(folder.path());
    assert_eq!((late.head().latest, late.head().finalized), (final_now, final_now));
    assert_eq!(balance(&late, final_now.number, poor), final_now.number);
    // Blocks as far as BLOCKHASH looks are there, older ones and older states are not.
    let oldest = final_now.number - 255;
    assert!(late.view().block(BlockId::number(oldest)).unwrap().is_some());
    assert!(late.view().block(BlockId::number(oldest - 1)).unwrap().is_none());
    let before = late.view().state(BlockId::number(final_now.number - 1)).map(|_| ());
    assert!(matches!(before, Err(ReadError::NoState(_))), "{before:?}");

    whole.reopen(&kit);
    let missing: Vec<_> = stalled.into_iter().filter(|block| block.number() > final_now.number).collect();
    import_all(&late, &missing);
    assert_eq!(standing(&late), standing(&whole));
    let healed = kit.mine_many(&late, &kit.validators, 12);
    import_all(&whole, &healed);
    assert!(late.head().finalized.number > 480);
    assert_eq!(standing(&late), standing(&whole));
    // A restart and a snapshot of the restored one are like any other's.
    drop(late);
    let late = kit.open(folder.path());
    assert_eq!(standing(&late), standing(&whole));
    drop(late);
    whole.close();
    let copy = create(kit.config(folder.path())).unwrap();
    assert_eq!(copy, create(kit.config(&path)).unwrap(), "both folders give the same bytes");
}

#[test]
fn another_chains_snapshot_and_one_of_nothing_final_are_refused() {
    let (kit, other) = (Kit::new(1), Kit::with(1, |spec| spec["genesis"]["timestamp"] = serde_json::json!(1)));
    let (mut node, stranger) = (kit.node(), other.node());
    let path = node.dir.path().to_owned();
    let (ours, theirs) = (genesis(&node), genesis(&stranger));
    node.close();
    assert!(matches!(create(kit.config(&path)), Err(SnapshotError::NothingFinal)));
    node.reopen(&kit);
    kit.mine_many(&node, &kit.validators, 3);
    node.close();
    let bytes = create(kit.config(&path)).unwrap();
    assert_eq!(verify_snapshot(&kit.spec, &ours, None, bytes.as_slice()).unwrap().number, 3);
    let refused = verify_snapshot(&other.spec, &theirs, None, bytes.as_slice());
    assert!(matches!(refused, Err(SnapshotError::OtherChain { found, .. }) if found == ours.hash_slow()));
    assert!(matches!(verify_snapshot(&kit.spec, &ours, None, &b"no snapshot at all"[..]), Err(SnapshotError::Magic)));

    let folder = tempfile::tempdir().unwrap();
    let (database, draft) = (folder.path().join("db"), folder.path().join("draft"));
    let cut = &bytes[..bytes.len() - 40];
    let refused = restore_snapshot(&kit.spec, &ours, None, (cut, SnapshotTrust::Operator), &database, &draft);
    assert!(matches!(refused, Err(SnapshotError::Damaged { .. })), "{refused:?}");
    assert!(!database.exists() && !draft.exists(), "what is refused leaves nothing");
}
