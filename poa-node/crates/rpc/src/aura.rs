//! `aura_*`: the engine, for operators and monitors. Numbers are JSON numbers.

use alloy::primitives::{Address, B256};
use aurum_chain::{BlockRef, Grant, Read, view::EngineStatus};
use jsonrpsee::core::RegisterMethodError;
use serde::Serialize;

use crate::{context::Context, error::Answer, methods::Registrar};

pub(crate) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add("aura_getValidators", validators)?;
    methods.add("aura_getStep", step)?;
    methods.add("aura_getPendingChange", pending_change)?;
    methods.add("aura_getFinality", finality)?;
    methods.add("aura_status", status)
}

#[derive(Serialize)]
struct BlockJson {
    number: u64,
    hash: B256,
}

impl From<BlockRef> for BlockJson {
    fn from(BlockRef { number, hash }: BlockRef) -> Self {
        Self { number, hash }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PendingChangeJson {
    signalled_in: BlockJson,
    validators: Vec<Address>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FinalityJson {
    finalized: BlockJson,
    lag: u64,
    signers: Vec<Address>,
    needed: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MissedJson {
    step: u64,
    validator: Address,
    before_block: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EquivocationJson {
    author: Address,
    step: u64,
    first: BlockJson,
    second: BlockJson,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusJson {
    head: BlockJson,
    step: u64,
    step_started_ms: u64,
    head_step: u64,
    validators: Vec<Address>,
    proposer: Option<Address>,
    finality: FinalityJson,
    pending_change: Option<PendingChangeJson>,
    missed: Vec<MissedJson>,
    equivocations: Vec<EquivocationJson>,
}

fn engine(context: &Context, grant: &Grant<Read>) -> Answer<EngineStatus> {
    Ok(context.view(grant).engine()?)
}

/// Authorities of the next block, in order.
fn validators(context: &Context, grant: &Grant<Read>, (): ()) -> Answer<Vec<Address>> {
    Ok(engine(context, grant)?.validators)
}

/// The step by this node's clock.
fn step(context: &Context, grant: &Grant<Read>, (): ()) -> Answer<u64> {
    Ok(engine(context, grant)?.step.0)
}

/// A signalled change that is not in force yet, or null.
fn pending_change(context: &Context, grant: &Grant<Read>, (): ()) -> Answer<Option<PendingChangeJson>> {
    Ok(pending_json(&engine(context, grant)?))
}

fn pending_json(engine: &EngineStatus) -> Option<PendingChangeJson> {
    engine.pending_change.as_ref().map(|change| PendingChangeJson {
        signalled_in: change.signalled_in.into(),
        validators: change.validators.clone(),
    })
}

/// How far the oldest block that is not final has come.
fn finality(context: &Context, grant: &Grant<Read>, (): ()) -> Answer<FinalityJson> {
    Ok(finality_json(&engine(context, grant)?))
}

fn finality_json(engine: &EngineStatus) -> FinalityJson {
    let finality = &engine.finality;
    FinalityJson {
        finalized: finality.finalized.into(),
        lag: finality.lag,
        signers: finality.signers.clone(),
        needed: finality.needed,
    }
}

/// All of it: the first thing to look at when a chain stands still.
fn status(context: &Context, grant: &Grant<Read>, (): ()) -> Answer<StatusJson> {
    let view = context.view(grant);
    let engine = view.engine()?;
    Ok(StatusJson {
        head: view.head().latest.into(),
        step: engine.step.0,
        step_started_ms: engine.step_started_ms,
        head_step: engine.head_step.0,
        proposer: engine.proposer,
        finality: finality_json(&engine),
        pending_change: pending_json(&engine),
        missed: engine
            .missed
            .iter()
            .map(|missed| MissedJson {
                step: missed.step.0,
                validator: missed.validator,
                before_block: missed.before_block,
            })
            .collect(),
        equivocations: engine
            .equivocations
            .iter()
            .map(|twice| EquivocationJson {
                author: twice.author,
                step: twice.step.0,
                first: twice.first.into(),
                second: twice.second.into(),
            })
            .collect(),
        validators: engine.validators,
    })
}
