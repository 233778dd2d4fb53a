//! Stage 6: fork choice. Nothing final is reverted; where finality certificates are on, the branch with the highest
//! justified block is kept; then the higher total score wins, and ties keep what was first.

use std::sync::Arc;

use alloy::primitives::B256;
use aurum_aura::EngineState;
use aurum_evm::{BlockEnv, EvmError, InvalidExecution};
use aurum_types::{BlockNumber, Header, Receipt, Score, StateReader, ValidatorSet};

use crate::{
    BlockRef, ImportError,
    reader::Reader,
    recent::{Link, Recent, Route},
};

/// The link of a block on `parent`: score, engine and finality after it.
///
/// # Errors
/// What reading a validator contract on `state` (the state after the block) says.
pub(crate) fn link(
    reader: &Reader,
    parent: &Link,
    header: &Header,
    hash: B256,
    receipts: &[Receipt],
    state: impl FnOnce() -> Result<Arc<dyn StateReader>, ImportError>,
) -> Result<Link, ImportError> {
    let (engine, final_now) = parent.engine.advance(header, hash, receipts, |contract| {
        let env = BlockEnv::of(header);
        match reader.evm.validators(state()?, &env, contract) {
            // With immediate transitions it is the child's seal that needs the list: where the contract does not answer
            // nobody may seal, and this block is none the worse for it (OpenEthereum `get_list`). Elsewhere the block is
            // the first of its contract, and cannot be one without a list (`check_epoch_end_signal`).
            Err(EvmError::Invalid(InvalidExecution::Validators { .. })) if reader.spec.engine.immediate_transitions => {
                Ok(ValidatorSet::default())
            }
            other => other.map_err(ImportError::from),
        }
    })?;
    let at = BlockRef { number: header.number, hash };
    let finalized = if final_without_votes(reader, &engine) {
        at
    } else {
        newest(&final_now).filter(|newest| newest.number > parent.finalized.number).unwrap_or(parent.finalized)
    };
    Ok(Link { hash, header: header.clone(), score: parent.score.plus(header.difficulty), engine, finalized })
}

fn newest(final_now: &[(BlockNumber, B256)]) -> Option<BlockRef> {
    final_now.last().map(|(number, hash)| BlockRef { number: *number, hash: *hash })
}

/// With `immediateTransitions` there is no rolling finality; a lone authority contradicts nobody, so its blocks count as
/// final at once. With several, nothing ever is.
fn final_without_votes(reader: &Reader, engine: &EngineState) -> bool {
    reader.spec.engine.immediate_transitions && engine.child_validators().len() == 1
}

/// Whether a branch that ends with `candidate` replaces the one that ends with `current`.
pub(crate) fn wins(candidate: Score, current: Score) -> bool {
    candidate > current
}

/// The way to `hash` if it is to be the new head.
pub(crate) fn choose(recent: &Recent, hash: B256) -> Option<Route> {
    let candidate = recent.link(hash)?;
    if !wins(candidate.score, recent.head_link().score) || !recent.keeps_finality(hash) || !recent.keeps_justified(hash)
    {
        return None;
    }
    recent.route_to(hash)
}
