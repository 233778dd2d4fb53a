//! Whether a header is a block of this chain (aura.md §1.7–1.9), in OpenEthereum's order: what it says of itself, what
//! it says of its parent, who sealed it.

use std::{sync::Arc, time::Duration};

use alloy::primitives::{Address, U256};
use aurum_types::{BlockNumber, ChainSpec, EMPTY_UNCLES_HASH, Header, HeaderFormat, Step, ValidatorSet};

use crate::{
    AuraSeal, InvalidBlock, MAX_DIFFICULTY, Rejected, StepSchedule, TemporarilyInvalid, difficulty,
    fees::{elasticity, next_base_fee},
    seal::recover,
};

/// How many steps ahead of our clock a block is early rather than invalid (`REJECTED_STEP_DRIFT`).
pub const ACCEPTED_STEP_DRIFT: u64 = 4;
/// Seconds ahead of our clock that a timestamp may be.
const ACCEPTED_DRIFT: u64 = 15;
/// Seconds ahead of our clock beyond which a timestamp is invalid.
const REJECTED_DRIFT: u64 = 150;
/// Uncles a block may have before `maximumUncleCountTransition`.
const EARLY_UNCLES: u64 = 2;

/// The rules of one chain. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Rules {
    spec: Arc<ChainSpec>,
    format: HeaderFormat,
    steps: StepSchedule,
}

impl Rules {
    /// The rules of this spec.
    pub fn new(spec: &ChainSpec) -> Self {
        Self { spec: Arc::new(spec.clone()), format: spec.header_format(), steps: StepSchedule::new(&spec.engine) }
    }

    /// When steps start.
    pub const fn steps(&self) -> &StepSchedule {
        &self.steps
    }

    /// How headers are laid out.
    pub const fn format(&self) -> &HeaderFormat {
        &self.format
    }

    /// Everything that can be said of a header without its body: the basic, family and external checks.
    ///
    /// `parent` is the header whose hash is `header.parent_hash`, `validators` the set that its engine state gives to
    /// its children, `now` our clock since the Unix epoch. Where [`Self::gas_limit_contract`] names a contract, the
    /// caller asks it on the parent's state and then [`Self::verify_gas_limit`].
    ///
    /// # Errors
    /// [`Rejected::Invalid`] for a block that is bad for ever, [`Rejected::TemporarilyInvalid`] for an early one.
    pub fn verify(
        &self,
        header: &Header,
        parent: &Header,
        validators: &ValidatorSet,
        now: Duration,
    ) -> Result<(), Rejected> {
        let seal = self.verify_basic(header, now)?;
        self.verify_family(header, &seal, parent, validators)?;
        self.verify_external(header, &seal, validators)?;
        Ok(())
    }

    /// What the header says of itself, before its parent is known.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub fn verify_basic(&self, header: &Header, now: Duration) -> Result<AuraSeal, Rejected> {
        let seal = self.verify_params(header)?;
        verify_timestamp(header.timestamp, now.as_secs())?;
        let maximum = self.maximum_uncles(header.number);
        if maximum == 0 && header.uncles_hash != EMPTY_UNCLES_HASH {
            return Err(InvalidBlock::Uncles { maximum }.into());
        }
        self.verify_seal_basic(header, &seal, now)?;
        Ok(seal)
    }

    /// Form and limits (OpenEthereum `verify_header_params` without the timestamp, which uncles are spared).
    pub(crate) fn verify_params(&self, header: &Header) -> Result<AuraSeal, InvalidBlock> {
        let params = &self.spec.params;
        let seal = AuraSeal::from_header(header, &self.format)?;
        if header.gas_used > header.gas_limit {
            return Err(InvalidBlock::TooMuchGasUsed { used: header.gas_used, limit: header.gas_limit });
        }
        if self.gas_limit_contract(header.number).is_none() && header.gas_limit < params.min_gas_limit {
            let (minimum, found) = (params.min_gas_limit, header.gas_limit);
            return Err(InvalidBlock::GasLimitTooLow { minimum, found });
        }
        let extra = header.extra_data.len();
        if u64::try_from(extra).unwrap_or(u64::MAX) > params.maximum_extra_data_size {
            return Err(InvalidBlock::ExtraData { maximum: params.maximum_extra_data_size, found: extra });
        }
        Ok(seal)
    }

    /// Score and step against our clock (OpenEthereum `AuthorityRound::verify_block_basic`).
    pub(crate) fn verify_seal_basic(&self, header: &Header, seal: &AuraSeal, now: Duration) -> Result<(), Rejected> {
        if self.validates_score(header.number) && header.difficulty >= MAX_DIFFICULTY {
            return Err(InvalidBlock::DifficultyOutOfBounds { found: header.difficulty }.into());
        }
        verify_step(seal.step, self.steps.step_at(now))
    }

    /// Most uncles the block at `number` may have.
    pub fn maximum_uncles(&self, number: BlockNumber) -> u64 {
        let engine = &self.spec.engine;
        if number < engine.maximum_uncle_count_transition { EARLY_UNCLES } else { engine.maximum_uncle_count }
    }

    /// The contract that states the gas limit of the block at `number`, if there is one.
    pub fn gas_limit_contract(&self, number: BlockNumber) -> Option<Address> {
        self.spec.engine.block_gas_limit_contracts.range(..=number).next_back().map(|(_, address)| *address)
    }

    /// The gas limit against its parent's and the least, or, where the gas limit contract `stated` one, against that
    /// alone.
    ///
    /// # Errors
    /// [`InvalidBlock`] when it is another.
    pub fn verify_gas_limit(&self, header: &Header, parent: &Header, stated: Option<U256>) -> Result<(), InvalidBlock> {
        let found = header.gas_limit;
        if let Some(stated) = stated {
            return if stated == U256::from(found) {
                Ok(())
            } else {
                Err(InvalidBlock::GasLimitNotStated { stated, found })
            };
        }
        if found < self.spec.params.min_gas_limit {
            return Err(InvalidBlock::GasLimitTooLow { minimum: self.spec.params.min_gas_limit, found });
        }
        let (low, high) = self.gas_limit_bounds(header.number, parent);
        if found <= low || found >= high {
            return Err(InvalidBlock::GasLimitOutOfBounds { low, high, found });
        }
        Ok(())
    }

    /// The gas limits, both exclusive, between which the child of `parent` at `number` must stay.
    pub fn gas_limit_bounds(&self, number: BlockNumber, parent: &Header) -> (u64, u64) {
        let params = &self.spec.params;
        let base = if params.eip1559_transition == Some(number) {
            parent.gas_limit.saturating_mul(elasticity(&self.spec))
        } else {
            parent.gas_limit
        };
        let bound = base / params.gas_limit_bound_divisor.max(1);
        (base.saturating_sub(bound), base.saturating_add(bound))
    }

    /// The gas limit a new child of `parent` states: as near to `target` as the rules allow.
    pub fn next_gas_limit(&self, parent: &Header, target: u64) -> u64 {
        let number = parent.number.saturating_add(1);
        let (low, high) = self.gas_limit_bounds(number, parent);
        let (lowest, highest) = (low.saturating_add(1), high.saturating_sub(1));
        target.clamp(lowest.min(highest), highest).max(self.spec.params.min_gas_limit)
    }

    pub(crate) fn verify_family(
        &self,
        header: &Header,
        seal: &AuraSeal,
        parent: &Header,
        validators: &ValidatorSet,
    ) -> Result<(), InvalidBlock> {
        if header.timestamp <= parent.timestamp {
            let (parent, found) = (parent.timestamp, header.timestamp);
            return Err(InvalidBlock::TimestampNotAfterParent { parent, found });
        }
        if parent.number.checked_add(1) != Some(header.number) {
            return Err(InvalidBlock::Number { parent: parent.number, found: header.number });
        }
        if self.gas_limit_contract(header.number).is_none() {
            self.verify_gas_limit(header, parent, None)?;
        }
        let expected = next_base_fee(&self.spec, parent, header.number);
        if header.base_fee_per_gas != expected {
            return Err(InvalidBlock::BaseFee { expected, found: header.base_fee_per_gas });
        }
        let parent_step = parent.step().ok_or(InvalidBlock::ParentStep)?;
        let step = seal.step;
        let ordered = header.number >= self.spec.engine.validate_step_transition;
        if step == parent_step || (ordered && step < parent_step) {
            return Err(InvalidBlock::DoubleVote { parent: parent_step, step, author: header.author });
        }
        let empty_steps = self.verify_empty_steps(header, seal, parent_step, validators)?;
        if self.validates_score(header.number) {
            let expected = difficulty(parent_step, step, empty_steps);
            if header.difficulty != expected {
                return Err(InvalidBlock::Difficulty { expected, found: header.difficulty });
            }
        }
        Ok(())
    }

    /// Checks the seal's third field and gives the number of messages in it.
    fn verify_empty_steps(
        &self,
        header: &Header,
        seal: &AuraSeal,
        parent_step: Step,
        validators: &ValidatorSet,
    ) -> Result<usize, InvalidBlock> {
        let strict = header.number >= self.spec.engine.strict_empty_steps_transition;
        let empty_steps = seal.empty_steps()?;
        let mut previous = Step(0);
        for empty in &empty_steps {
            let step = Step(empty.step);
            let refuse = |reason| Err(InvalidBlock::EmptyStep { step, reason });
            if step <= parent_step || step >= seal.step {
                return refuse("not between the parent's step and the block's");
            }
            let proposer = validators.proposer(step).ok_or(InvalidBlock::NoValidators)?;
            if empty.signer(header.parent_hash) != Ok(proposer) {
                return refuse("not signed by the proposer of that step");
            }
            if strict && step <= previous {
                return refuse("not after the empty step before it");
            }
            previous = step;
        }
        Ok(empty_steps.len())
    }

    fn verify_external(&self, header: &Header, seal: &AuraSeal, validators: &ValidatorSet) -> Result<(), InvalidBlock> {
        let expected = validators.proposer(seal.step).ok_or(InvalidBlock::NoValidators)?;
        let sealer = recover(&seal.signature, header.seal_hash(&self.format))?;
        if header.author != expected || sealer != expected {
            return Err(InvalidBlock::NotProposer { step: seal.step, expected, author: header.author, sealer });
        }
        Ok(())
    }

    fn validates_score(&self, number: BlockNumber) -> bool {
        number >= self.spec.engine.validate_score_transition
    }
}

fn verify_timestamp(timestamp: u64, now: u64) -> Result<(), Rejected> {
    if timestamp > now.saturating_add(REJECTED_DRIFT) {
        return Err(InvalidBlock::TimestampTooFarAhead { timestamp, now }.into());
    }
    if timestamp > now.saturating_add(ACCEPTED_DRIFT) {
        return Err(TemporarilyInvalid::Timestamp { timestamp, now }.into());
    }
    Ok(())
}

fn verify_step(step: Step, current: Step) -> Result<(), Rejected> {
    if step <= current {
        Ok(())
    } else if step.0 > current.0.saturating_add(ACCEPTED_STEP_DRIFT) {
        Err(InvalidBlock::StepTooFarAhead { step, current }.into())
    } else {
        Err(TemporarilyInvalid::Step { step, current }.into())
    }
}
