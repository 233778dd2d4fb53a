//! Reading a snapshot: everything that can be found wrong is found here, whoever reads it.

use std::{collections::HashSet, io::Read};

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rlp::Decodable;
use aurum_aura::{EngineState, recover_sealer};
use aurum_storage::{Leaf, StateRoot};
use aurum_types::{
    BlockError, ChainSpec, EMPTY_CODE_HASH, Header, HeaderFormat, Receipt, Score, SealedBlock, ValidatorSet,
    receipts_root,
};

use super::{
    BLOCKS, SnapshotError, SnapshotSummary,
    file::{ChunkReader, Kind},
    proof::Proof,
    records::{AccountRecord, BlockRecord, Manifest, Totals},
};
use crate::snapshot::Snapshot;

/// A block out of a snapshot: linked, sealed by its author, with the body and receipts of its header.
pub(super) struct CheckedBlock {
    pub(super) sealed: SealedBlock,
    pub(super) receipts: Vec<Receipt>,
    pub(super) senders: Vec<Address>,
    pub(super) score: Score,
}

/// Who takes what was read.
pub(super) trait Sink {
    /// Code that accounts after it have.
    fn code(&mut self, hash: B256, code: &Bytes) -> Result<(), SnapshotError>;
    /// Accounts in ascending order, each with some of its slots; the first may go on from the call before.
    fn accounts(&mut self, records: &[AccountRecord]) -> Result<(), SnapshotError>;
}

/// Everything of a snapshot but its state, which went to the [`Sink`].
pub(super) struct Checked {
    pub(super) summary: SnapshotSummary,
    pub(super) blocks: Vec<CheckedBlock>,
    pub(super) consensus: Bytes,
    pub(super) proof: Proof,
}

/// Verifies a snapshot of the chain whose spec, genesis header and, where the caller knows them, genesis validators these are.
///
/// # Errors
/// [`SnapshotError`] says what is wrong with it.
pub fn verify_snapshot(
    spec: &ChainSpec,
    genesis: &Header,
    validators: Option<&ValidatorSet>,
    input: impl Read,
) -> Result<SnapshotSummary, SnapshotError> {
    let mut root = RootSink { root: StateRoot::new(), last: None };
    let checked = read(spec, genesis, validators, input, &mut root)?;
    check_root(&checked.summary, root.root.finish()?)?;
    Ok(checked.summary)
}

/// Only computes the root.
struct RootSink {
    root: StateRoot,
    last: Option<Address>,
}

impl Sink for RootSink {
    fn code(&mut self, _: B256, _: &Bytes) -> Result<(), SnapshotError> {
        Ok(())
    }

    fn accounts(&mut self, records: &[AccountRecord]) -> Result<(), SnapshotError> {
        for record in records {
            if self.last != Some(record.address) {
                self.root.add(Leaf::Account(record.address, record.account()))?;
                self.last = Some(record.address);
            }
            for slot in &record.slots {
                self.root.add(Leaf::Slot(slot.slot, slot.value))?;
            }
        }
        Ok(())
    }
}

pub(super) fn check_root(summary: &SnapshotSummary, computed: B256) -> Result<(), SnapshotError> {
    if computed == summary.state_root {
        return Ok(());
    }
    let (number, header) = (summary.number, summary.state_root);
    Err(SnapshotError::refused(format_args!(
        "its state has root {computed}, the header of block {number} says {header}"
    )))
}

/// Reads all chunks in order and checks what they say; the state's root is left to whoever has the sink.
pub(super) fn read(
    spec: &ChainSpec,
    genesis: &Header,
    validators: Option<&ValidatorSet>,
    input: impl Read,
    sink: &mut impl Sink,
) -> Result<Checked, SnapshotError> {
    let mut file = ChunkReader::new(input)?;
    let (kind, payload) = file.read()?;
    if kind != Kind::Manifest {
        return Err(file.damaged("a manifest is expected"));
    }
    let manifest: Manifest = decode(&file, &payload)?;
    let genesis_hash = genesis.hash_slow();
    if manifest.genesis != genesis_hash {
        return Err(SnapshotError::OtherChain { found: manifest.genesis, expected: genesis_hash });
    }
    let proof = Proof::check(spec, validators, &manifest, &check_consensus(spec, &manifest)?)?;
    let format = spec.header_format();
    let mut blocks: Vec<CheckedBlock> = Vec::new();
    let mut order = StateOrder::default();
    let totals = loop {
        let (kind, payload) = file.read()?;
        match kind {
            Kind::Block if order.totals == Totals::default() => {
                let block = check_block(&decode(&file, &payload)?, &format).map_err(|reason| file.damaged(reason))?;
                check_link(blocks.last(), &block, genesis)?;
                proof.check_block(block.sealed.header(), block.sealed.hash())?;
                blocks.push(block);
            }
            Kind::Code => {
                let code = Bytes::from(payload);
                let hash = keccak256(&code);
                order.code(hash).map_err(|reason| file.damaged(reason))?;
                sink.code(hash, &code)?;
            }
            Kind::State => {
                let records: Vec<AccountRecord> = decode(&file, &payload)?;
                records.iter().try_for_each(|record| order.account(record)).map_err(|reason| file.damaged(reason))?;
                sink.accounts(&records)?;
            }
            Kind::End => break decode::<Totals>(&file, &payload)?,
            Kind::Manifest | Kind::Block => return Err(file.damaged("out of place")),
        }
    };
    if totals != order.totals {
        return Err(file.damaged("it counts other accounts, slots or codes than came before"));
    }
    check_tip(&manifest, &blocks)?;
    let summary = SnapshotSummary {
        genesis: genesis_hash,
        number: manifest.number,
        hash: manifest.hash,
        state_root: manifest.state_root,
        blocks: blocks.len() as u64,
        accounts: totals.accounts,
        slots: totals.slots,
        codes: totals.codes,
        bytes: file.finish()?,
        certificate: manifest.certificate(),
    };
    Ok(Checked { summary, blocks, consensus: manifest.consensus, proof })
}

fn decode<T: Decodable>(file: &ChunkReader<impl Read>, payload: &[u8]) -> Result<T, SnapshotError> {
    alloy_rlp::decode_exact(payload).map_err(|error| file.damaged(error.to_string()))
}

/// The consensus state, which is one after the manifest's block.
fn check_consensus(spec: &ChainSpec, manifest: &Manifest) -> Result<EngineState, SnapshotError> {
    let snapshot = Snapshot::decode(&manifest.consensus)?;
    let header = Header { number: manifest.number, ..Header::default() };
    let link = snapshot.tip.with_header(spec, header)?;
    let engine = (link.engine.number(), link.engine.hash());
    if snapshot.tip != snapshot.anchor
        || snapshot.tip.hash() != manifest.hash
        || engine != (manifest.number, manifest.hash)
    {
        return Err(SnapshotError::refused("its consensus state is another block's"));
    }
    Ok(link.engine)
}

fn check_block(record: &BlockRecord, format: &HeaderFormat) -> Result<CheckedBlock, String> {
    let block = SealedBlock::decode(&record.block, format).map_err(|error| error.to_string())?;
    let number = block.number();
    let wrong = |reason: &dyn std::fmt::Display| format!("block {number}: {reason}");
    let header = block.header();
    let sealer = recover_sealer(header, format).map_err(|error| wrong(&error))?;
    if sealer != header.author {
        return Err(wrong(&format_args!("sealed by {sealer}, its author is {}", header.author)));
    }
    let receipts = record.receipts.iter().map(|bytes| Receipt::decode_2718(&mut bytes.as_ref()));
    let receipts = receipts.collect::<Result<Vec<_>, _>>().map_err(|error| wrong(&error))?;
    if receipts_root(&receipts) != header.receipts_root {
        return Err(wrong(&"its receipts are not those of its header"));
    }
    let recovered = block.verify::<BlockError>(|_| Ok(())).and_then(|block| block.recover(|_| None));
    let recovered = recovered.map_err(|error| wrong(&error))?;
    let (senders, sealed) = (recovered.senders().to_vec(), recovered.sealed().clone());
    Ok(CheckedBlock { sealed, receipts, senders, score: Score(record.score) })
}

/// A block follows the one before it in the file, and block 1 follows genesis: number, hash and score.
fn check_link(before: Option<&CheckedBlock>, block: &CheckedBlock, genesis: &Header) -> Result<(), SnapshotError> {
    let header = block.sealed.header();
    let before = match before {
        Some(before) => (before.sealed.number(), before.sealed.hash(), before.score),
        None if header.number == 1 => (0, genesis.hash_slow(), Score(genesis.difficulty)),
        None => return Ok(()),
    };
    let (number, hash, score) = before;
    if number.checked_add(1) != Some(header.number) || hash != header.parent_hash {
        return Err(SnapshotError::refused(format_args!(
            "block {} does not follow the block before it",
            header.number
        )));
    }
    if score.plus(header.difficulty) != block.score {
        return Err(SnapshotError::refused(format_args!("the score of block {} does not add up", header.number)));
    }
    Ok(())
}

fn check_tip(manifest: &Manifest, blocks: &[CheckedBlock]) -> Result<(), SnapshotError> {
    let Some(last) = blocks.last().filter(|last| last.sealed.hash() == manifest.hash) else {
        return Err(SnapshotError::refused("its last block is not the one of the manifest"));
    };
    let header = last.sealed.header();
    if header.number != manifest.number || header.state_root != manifest.state_root {
        return Err(SnapshotError::refused("its manifest contradicts the header of its block"));
    }
    let consensus = Snapshot::decode(&manifest.consensus)?;
    if Score(consensus.tip.score()) != last.score {
        return Err(SnapshotError::refused("its consensus state has another score than its last block"));
    }
    let expected = manifest.number.min(BLOCKS);
    if blocks.len() as u64 != expected {
        let found = blocks.len();
        return Err(SnapshotError::refused(format_args!("it has {found} blocks, {expected} are expected")));
    }
    Ok(())
}

/// Accounts and slots ascend, code comes before who has it, and everything is counted.
#[derive(Default)]
struct StateOrder {
    totals: Totals,
    codes: HashSet<B256>,
    last: Option<AccountRecord>,
    last_slot: Option<U256>,
}

impl StateOrder {
    fn code(&mut self, hash: B256) -> Result<(), String> {
        if hash == EMPTY_CODE_HASH || !self.codes.insert(hash) {
            return Err(format!("code {hash} comes again, or is none"));
        }
        self.totals.codes += 1;
        Ok(())
    }

    fn account(&mut self, record: &AccountRecord) -> Result<(), String> {
        let address = record.address;
        match &self.last {
            Some(last) if last.address == address => {
                if last.account() != record.account() {
                    return Err(format!("account {address} changes from one chunk to the next"));
                }
            }
            Some(last) if last.address > address => return Err(format!("account {address} is out of order")),
            _ => {
                self.totals.accounts += 1;
                self.last_slot = None;
                if record.code_hash != EMPTY_CODE_HASH && !self.codes.contains(&record.code_hash) {
                    return Err(format!("the code of account {address} did not come before it"));
                }
            }
        }
        for slot in &record.slots {
            if slot.value.is_zero() || self.last_slot.is_some_and(|last| last >= slot.slot) {
                return Err(format!("slot {:#x} of account {address} is zero or out of order", slot.slot));
            }
            self.last_slot = Some(slot.slot);
            self.totals.slots += 1;
        }
        self.last = Some(AccountRecord { slots: Vec::new(), ..*record });
        Ok(())
    }
}
