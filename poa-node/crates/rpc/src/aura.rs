//! `aura_*`: the engine, for operators and monitors. Numbers are JSON numbers.

use alloy::primitives::{Address, B256};
use aurum_chain::{
    BlockRef, Grant, Read,
    view::{EngineStatus, StepOutcome, StepReport},
};
use aurum_types::Step;
use jsonrpsee::core::RegisterMethodError;
use serde::Serialize;

use crate::{
    context::Context,
    error::Answer,
    methods::Registrar,
    sealing::SealingView,
    why::{self, WhyJson},
};

/// Steps in `aura_status`, unless more make two rounds of the validators.
const STEPS: u64 = 32;

pub(crate) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add("aura_getValidators", validators)?;
    methods.add("aura_getStep", step)?;
    methods.add("aura_getPendingChange", pending_change)?;
    methods.add("aura_getFinality", finality)?;
    methods.add("aura_getSteps", steps)?;
    methods.add("aura_whyNoBlock", why_no_block)?;
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
    /// Who has signed the signalling block or a later one.
    signers: Vec<Address>,
    /// How many signers make it final.
    needed: usize,
    /// Authorities that have not signed yet.
    missing: Vec<Address>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FinalityJson {
    /// Whether blocks become final at all: not with `immediateTransitions`.
    exists: bool,
    finalized: BlockJson,
    lag: u64,
    signers: Vec<Address>,
    needed: usize,
    /// Authorities that have not signed yet.
    missing: Vec<Address>,
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
struct StepJson {
    step: u64,
    proposer: Address,
    /// `sealed`, `emptyStep`, `missed`, or `open` while it runs.
    outcome: &'static str,
    /// The block of the step, or the one that carries the empty step.
    block: Option<BlockJson>,
}

impl From<StepReport> for StepJson {
    fn from(StepReport { step, proposer, outcome }: StepReport) -> Self {
        let (outcome, block) = match outcome {
            StepOutcome::Sealed(block) => ("sealed", Some(block.into())),
            StepOutcome::EmptyStep(carrier) => ("emptyStep", Some(carrier.into())),
            StepOutcome::Missed => ("missed", None),
            StepOutcome::Open => ("open", None),
        };
        Self { step: step.0, proposer, outcome, block }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LastSealedJson {
    step: u64,
    block: BlockJson,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NoBlockJson {
    step: u64,
    code: &'static str,
    reason: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SealingJson {
    address: Address,
    last_sealed: Option<LastSealedJson>,
    no_block: Option<NoBlockJson>,
    /// Where another node was seen to use this key.
    key_elsewhere: Option<LastSealedJson>,
    /// Milliseconds by which our clock is ahead of the other authorities'.
    clock_offset_ms: Option<i64>,
}

impl From<SealingView> for SealingJson {
    fn from(view: SealingView) -> Self {
        let at = |(step, block): (Step, BlockRef)| LastSealedJson { step: step.0, block: block.into() };
        Self {
            address: view.address,
            last_sealed: view.last_sealed.map(at),
            key_elsewhere: view.key_elsewhere.map(at),
            clock_offset_ms: view.clock_offset_ms,
            no_block: view.no_block.map(|none| NoBlockJson { step: none.step.0, code: none.code, reason: none.reason }),
        }
    }
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
    /// The last steps by our clock, oldest first.
    steps: Vec<StepJson>,
    missed: Vec<MissedJson>,
    equivocations: Vec<EquivocationJson>,
    /// This node's own author; null for an observer.
    sealing: Option<SealingJson>,
    /// Why there is no block, or what else is in the way, one sentence each; empty when all is well.
    why: Vec<String>,
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
        signers: change.signers.clone(),
        needed: change.needed,
        missing: why::missing(&engine.validators, &change.signers),
    })
}

/// How far the oldest block that is not final has come.
fn finality(context: &Context, grant: &Grant<Read>, (): ()) -> Answer<FinalityJson> {
    Ok(finality_json(&engine(context, grant)?))
}

fn finality_json(engine: &EngineStatus) -> FinalityJson {
    let finality = &engine.finality;
    FinalityJson {
        exists: finality.exists,
        finalized: finality.finalized.into(),
        lag: finality.lag,
        signers: finality.signers.clone(),
        needed: finality.needed,
        missing: why::missing(&engine.validators, &finality.signers),
    }
}

/// What became of the last steps (32 unless stated), oldest first.
fn steps(context: &Context, grant: &Grant<Read>, (count,): (Option<u64>,)) -> Answer<Vec<StepJson>> {
    let steps = context.view(grant).recent_steps(count.unwrap_or(STEPS))?;
    Ok(steps.into_iter().map(StepJson::from).collect())
}

/// Steps that show each validator twice.
fn usual_steps(context: &Context, grant: &Grant<Read>, engine: &EngineStatus) -> Answer<Vec<StepReport>> {
    let rounds = u64::try_from(engine.validators.len()).unwrap_or(u64::MAX).saturating_mul(2);
    Ok(context.view(grant).recent_steps(rounds.max(STEPS))?)
}

/// Why there is no block now, from what every node can see, and for an authority why it made none itself.
fn why_no_block(context: &Context, grant: &Grant<Read>, (): ()) -> Answer<WhyJson> {
    let engine = engine(context, grant)?;
    let steps = usual_steps(context, grant, &engine)?;
    Ok(why::explain(&engine, &steps, context.sealing.as_ref().map(|author| author.status())))
}

/// All of it: the first thing to look at when a chain stands still.
fn status(context: &Context, grant: &Grant<Read>, (): ()) -> Answer<StatusJson> {
    let view = context.view(grant);
    let engine = view.engine()?;
    let steps = usual_steps(context, grant, &engine)?;
    let sealing = context.sealing.as_ref().map(|author| author.status());
    Ok(StatusJson {
        head: view.head().latest.into(),
        step: engine.step.0,
        step_started_ms: engine.step_started_ms,
        head_step: engine.head_step.0,
        proposer: engine.proposer,
        finality: finality_json(&engine),
        pending_change: pending_json(&engine),
        why: why::sentences(&engine, &steps, sealing.as_ref()),
        steps: steps.into_iter().map(StepJson::from).collect(),
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
        sealing: sealing.map(SealingJson::from),
        validators: engine.validators,
    })
}
