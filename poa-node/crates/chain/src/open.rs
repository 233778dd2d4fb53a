//! From a folder to a running chain: genesis or the persisted tip, then the stored blocks above it.

use std::{
    cmp::Reverse,
    sync::{Arc, Mutex, OnceLock, RwLock},
};

use alloy::primitives::B256;
use aurum_aura::{EmptySteps, EngineState, Source, StepSchedule, validators_source};
use aurum_evm::{BlockEnv, Evm};
use aurum_pool::{Pool, PoolConfig};
use aurum_storage::{Appender, Database, StoredBlock, Writer, genesis_root};
use aurum_types::{ChainSpec, Header, MemoryState, Score, SealedBlock, StateChanges, ValidatorSet, genesis_header};
use tokio::sync::{broadcast, watch};

use crate::{
    BlockRef, ChainConfig, ChainError, Fault, Head, HeadChange, ImportError,
    doorkeeper::Doorkeeper,
    epochs::{Epoch, Epochs},
    persist::Persist,
    pipeline::{EVENT_BACKLOG, Importer},
    reader::Reader,
    recent::{Link, Recent},
    sightings::Sightings,
    snapshot::Snapshot,
};

/// The parts of a [`crate::Chain`].
pub(crate) struct Opened {
    pub(crate) importer: Importer,
    pub(crate) reader: Arc<Reader>,
    pub(crate) pool: Pool,
    pub(crate) head: watch::Receiver<Head>,
    pub(crate) events: broadcast::Sender<Arc<HeadChange>>,
}

/// Opens the folder of `config`.
pub(crate) fn open(config: ChainConfig) -> Result<Opened, ChainError> {
    let ChainConfig { spec, path, clock, pool, min_gas_price, parallel, storage } = config;
    // Starts rayon's threads, which are as urgent as whoever needs them first: that must not be a request, which yields to
    // blocks.
    let _ = rayon::current_num_threads();
    aurum_evm::check_rules(&spec)?;
    let evm = Evm::new(Arc::clone(&spec)).in_parallel(parallel);
    let (database, mut writer) = Database::open_with(&path, storage)?;
    let genesis = evm.genesis().map_err(ChainError::Genesis)?;
    let header = checked_genesis_header(&spec, &genesis)?;
    let genesis_hash = header.hash_slow();
    match database.genesis()? {
        None => init(&spec, &evm, &mut writer, &header, &genesis)?,
        Some(stored) if stored == genesis_hash => {}
        Some(stored) => return Err(ChainError::OtherChain { stored, spec: genesis_hash }),
    }
    let mut recent = persisted_tree(&spec, &database)?;
    if spec.engine.finality_certificates_transition.is_some() {
        recent = recent.with_certificates();
    }
    let epochs = RwLock::new(epochs(&spec, &database, &writer.appender(), recent.anchor(), genesis_hash)?);
    let reader = Arc::new(Reader {
        format: spec.header_format(),
        schedule: StepSchedule::new(&spec.engine),
        tree: database.state_tree(),
        sightings: Mutex::new(Sightings::load(&database)?),
        empty_steps: Mutex::new(EmptySteps::default()),
        observer: OnceLock::new(),
        recent: RwLock::new(recent),
        epochs,
        spec,
        evm,
        clock,
        database,
        genesis_hash,
        min_gas_price,
    });

    let stored = reader.database.unpersisted()?;
    let persist = Persist::start(writer, Arc::clone(&reader))?;
    let (head_sender, head) = watch::channel(reader.head());
    let events = broadcast::Sender::new(EVENT_BACKLOG);
    let mut importer = Importer::new(Arc::clone(&reader), persist, head_sender, events.clone());
    importer.recall_sightings()?;
    replay(&mut importer, &reader.database, stored)?;
    replay_heavier(&mut importer, &reader)?;
    certify(&mut importer, &reader)?;

    let next = reader.next_env();
    let gas_free = reader.spec.params.gas_free;
    let pool = PoolConfig { gas_free, base_fee: next.base_fee, head: reader.head().latest.number, ..pool };
    let doorkeeper = Doorkeeper::new(Arc::clone(&reader), &pool);
    let pool = Pool::open(pool, Arc::new(doorkeeper)).map_err(ChainError::Pool)?;
    importer.attach(pool.clone());
    let at = reader.head();
    tracing::info!(latest = at.latest.number, hash = %at.latest.hash, finalized = at.finalized.number, "chain opened");
    Ok(Opened { importer, reader, pool, head, events })
}

/// Sends stored blocks through the pipeline in the order in which they first came, so that ties fall as they fell.
fn replay(importer: &mut Importer, database: &Database, mut stored: Vec<StoredBlock>) -> Result<(), ChainError> {
    stored.sort_by_key(|block| block.arrival);
    for block in &stored {
        import_again(importer, database, block)?;
    }
    if !stored.is_empty() {
        tracing::info!(blocks = stored.len(), "stored blocks replayed");
    }
    Ok(())
}

/// Takes in a branch that starts below the persisted tip and is heavier than the head: its last block was stored, and the
/// process died before the persisted chain was unwound for it. Other branches from there come back when a block on them
/// does ([`crate::replay`]).
fn replay_heavier(importer: &mut Importer, reader: &Reader) -> Result<(), ChainError> {
    let head_score = || reader.recent().head_link().score;
    let from = reader.recent().anchor().header.number + 1;
    let mut heavier = reader.database.stored_from(from)?;
    heavier.retain(|block| block.score > head_score() && reader.recent().node(block.hash).is_none());
    heavier.sort_by_key(|block| (Reverse(block.score), block.arrival));
    for block in &heavier {
        if block.score > head_score() {
            import_again(importer, &reader.database, block)?;
        }
    }
    Ok(())
}

/// Sends a stored block through the pipeline. Not every one has to pass: finality may have decided against its branch.
fn import_again(importer: &mut Importer, database: &Database, block: &StoredBlock) -> Result<(), ChainError> {
    let (number, hash) = (block.number, block.hash);
    let body = database.block(hash)?.ok_or_else(|| Fault::Inconsistent(format!("stored block {hash} is gone")))?;
    match importer.import_stored(SealedBlock::seal_slow(body)) {
        Ok(_) => {}
        Err(ImportError::Fault(fault)) => return Err(fault.into()),
        Err(error) => tracing::debug!(number, %hash, %error, "stored block not replayed"),
    }
    Ok(())
}

/// What was certified before is certified again: the persisted tip may lag behind it.
fn certify(importer: &mut Importer, reader: &Reader) -> Result<(), ChainError> {
    if reader.spec.engine.finality_certificates_transition.is_none() {
        return Ok(());
    }
    let Some(certificate) = reader.newest_certificate()? else { return Ok(()) };
    match importer.certify(&certificate) {
        Ok(()) => Ok(()),
        Err(ImportError::Fault(fault)) => Err(fault.into()),
        Err(error) => {
            tracing::warn!(block = %certificate.link.source, %error, "a stored certificate is of no block that is here");
            Ok(())
        }
    }
}

/// The validator sets of all branches. A database that was restored from a snapshot without a record of them has none: while
/// the genesis set is in force it is made here; after a change its history is not known, and votes are not counted.
fn epochs(
    spec: &ChainSpec,
    database: &Database,
    appender: &Appender,
    anchor: &Link,
    genesis: B256,
) -> Result<Epochs, ChainError> {
    let mut epochs = Epochs::load(database)?;
    if !epochs.is_empty() || spec.engine.immediate_transitions {
        return Ok(epochs);
    }
    if anchor.engine.status().epoch_recorded_at == 0 {
        let epoch = Epoch::genesis(anchor.engine.child_validators().clone());
        appender.put_epoch(0, genesis, &epoch.encode())?;
        epochs.insert(BlockRef { number: 0, hash: genesis }, epoch);
    } else if spec.engine.finality_certificates_transition.is_some() {
        tracing::error!(
            "this database was restored from a snapshot that did not know the changes of validators: finality certificates are \
             not counted here, and `finalized` stands still; import the chain's blocks to have them"
        );
    }
    Ok(epochs)
}

/// The header of block 0, if the spec's accounts give the root it states.
fn checked_genesis_header(spec: &ChainSpec, changes: &StateChanges) -> Result<Header, ChainError> {
    let computed = genesis_root(changes)?;
    match spec.genesis.state_root {
        Some(stated) if stated != computed => Err(ChainError::GenesisRoot { stated, computed }),
        _ => Ok(genesis_header(spec, computed)),
    }
}

fn init(
    spec: &ChainSpec,
    evm: &Evm,
    writer: &mut Writer,
    header: &Header,
    changes: &StateChanges,
) -> Result<(), ChainError> {
    let validators = match validators_source(spec, 0) {
        Source::List(list) => list,
        Source::Contract { address, .. } => first_set(evm, header, changes, address)?,
    };
    let hash = header.hash_slow();
    // Before genesis itself: whoever finds that finds this.
    writer.appender().put_epoch(0, hash, &Epoch::genesis(validators.clone()).encode())?;
    let link = Link {
        hash,
        header: header.clone(),
        score: Score(header.difficulty),
        engine: EngineState::genesis(spec, header, validators),
        finalized: BlockRef { number: 0, hash },
    };
    writer.init_genesis(header, changes, &Snapshot::of(&link, &link).encode())?;
    tracing::info!(%hash, chain = %spec.name, "genesis made");
    Ok(())
}

/// What the validator contract says at genesis.
fn first_set(
    evm: &Evm,
    header: &Header,
    changes: &StateChanges,
    contract: alloy::primitives::Address,
) -> Result<ValidatorSet, ChainError> {
    let state = Arc::new(MemoryState::from_changes(changes));
    evm.validators(state, &BlockEnv::of(header), contract).map_err(ChainError::Genesis)
}

/// The tree with nothing above the persisted tip.
fn persisted_tree(spec: &ChainSpec, database: &Database) -> Result<Recent, ChainError> {
    let missing = |what: &str| Fault::Inconsistent(format!("{what} is missing"));
    let bytes = database.engine()?.ok_or_else(|| missing("the engine state of the persisted tip"))?;
    let snapshot = Snapshot::decode(&bytes)?;
    let link = |stored: &crate::snapshot::StoredLink| -> Result<Link, ChainError> {
        let header = database.header(stored.hash())?.ok_or_else(|| missing("a persisted header"))?;
        Ok(stored.with_header(spec, header)?)
    };
    Ok(Recent::new(link(&snapshot.anchor)?, link(&snapshot.tip)?))
}
