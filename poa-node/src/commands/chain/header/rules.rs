//! Each rule of aura.md §1 and §3.5 as a verdict of its own. [`aurum_aura::Rules`] decides about blocks and stops at the first
//! failure; a test holds both to the same answer.

use std::{fmt, time::Duration};

use alloy::primitives::{Address, B256};
use aurum_aura::{
    ACCEPTED_STEP_DRIFT, AuraSeal, EmptyStep, InvalidSeal, MAX_DIFFICULTY, Rules, difficulty, next_base_fee,
    recover_sealer,
};
use aurum_types::{ChainSpec, EMPTY_UNCLES_HASH, Header, HeaderFormat, Step, ValidatorSet};

/// Seconds ahead of the clock at which a timestamp is early (OpenEthereum `ACCEPTABLE_DRIFT`), and at which it is invalid.
const TIMESTAMP_DRIFT: (u64, u64) = (15, 150);

/// One rule's verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Stable name of the rule.
    pub rule: &'static str,
    /// Whether it holds; `None` where the context for it is missing.
    pub ok: Option<bool>,
    /// What was compared, for people.
    pub detail: String,
}

/// What a header is judged against.
pub(super) struct Context<'a> {
    pub(super) spec: &'a ChainSpec,
    pub(super) rules: &'a Rules,
    pub(super) parent: Option<&'a Header>,
    /// The set that seals this block, if it is known.
    pub(super) validators: Option<&'a ValidatorSet>,
    /// Our clock since the Unix epoch.
    pub(super) now: Duration,
}

/// What can be read out of a header without knowing anything else.
pub(super) struct Facts<'a> {
    pub(super) header: &'a Header,
    pub(super) hash: B256,
    pub(super) seal_hash: B256,
    pub(super) seal: Result<AuraSeal, InvalidSeal>,
    /// The second seal field, if it is a signature, whatever the rest of the seal is.
    pub(super) signature: Option<[u8; 65]>,
    pub(super) signer: Option<Address>,
    /// `None` where the third seal field is malformed.
    pub(super) empty_steps: Option<Vec<EmptyStep>>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(header: &'a Header, format: &HeaderFormat) -> Self {
        let seal = AuraSeal::from_header(header, format);
        let signature = header.seal.get(1).and_then(|field| alloy::rlp::decode_exact::<[u8; 65]>(field).ok());
        let empty_steps = match &seal {
            Ok(seal) => seal.empty_steps().ok(),
            Err(_) => Some(Vec::new()),
        };
        Self {
            header,
            hash: header.hash_slow(),
            seal_hash: header.seal_hash(format),
            signer: recover_sealer(header, format).ok(),
            seal,
            signature,
            empty_steps,
        }
    }
}

/// The verdict on a header with the number 0: nobody seals it, and the spec says all of it.
pub(super) fn judge_genesis(hash: B256, expected: B256) -> Vec<Check> {
    let detail = format!("hash {hash}, the spec's genesis is {expected}");
    let mut checks = vec![Check { rule: "genesis_hash", ok: Some(hash == expected), detail }];
    let unsealed = |rule| Check { rule, ok: None, detail: "genesis is not sealed".to_owned() };
    checks.extend(["seal_arity", "seal_fields", "signature_recovers", "author_is_signer", "proposer"].map(unsealed));
    checks
}

/// The verdicts on a sealed header, in OpenEthereum's order: what it says of itself, of its parent, who sealed it.
pub(super) fn judge(context: &Context<'_>, facts: &Facts<'_>) -> Vec<Check> {
    let mut list = List(Vec::new());
    list.seal(facts);
    list.limits(context, facts.header);
    list.clock(context, facts);
    list.parent(context, facts);
    list.empty_steps(context, facts);
    list.sealer(context, facts);
    list.0
}

struct List(Vec<Check>);

impl List {
    fn say(&mut self, rule: &'static str, ok: impl Into<Option<bool>>, detail: impl fmt::Display) {
        self.0.push(Check { rule, ok: ok.into(), detail: detail.to_string() });
    }

    /// OpenEthereum `verify_block_basic`: seal fields.
    fn seal(&mut self, facts: &Facts<'_>) {
        let found = facts.header.seal.len();
        match &facts.seal {
            Err(error @ InvalidSeal::Arity { .. }) => {
                self.say("seal_arity", false, error);
                self.say("seal_fields", None, "the number of fields is wrong");
            }
            Err(error) => {
                self.say("seal_arity", true, format_args!("{found} seal fields"));
                self.say("seal_fields", false, error);
            }
            Ok(_) => {
                self.say("seal_arity", true, format_args!("{found} seal fields"));
                match facts.empty_steps {
                    Some(_) => self.say("seal_fields", true, "each field is what its place demands"),
                    None => self.say("seal_fields", false, InvalidSeal::EmptySteps),
                }
            }
        }
    }

    /// OpenEthereum `verify_header_params` and `Engine::verify_block_basic`: what needs no context but the spec.
    fn limits(&mut self, context: &Context<'_>, header: &Header) {
        let params = &context.spec.params;
        let (used, limit) = (header.gas_used, header.gas_limit);
        self.say("gas_used", used <= limit, format_args!("{used} used, the limit is {limit}"));
        let minimum = params.min_gas_limit;
        if context.rules.gas_limit_contract(header.number).is_some() {
            self.say("gas_limit_minimum", None, "a contract states the gas limit");
        } else {
            self.say("gas_limit_minimum", limit >= minimum, format_args!("{limit}, the minimum is {minimum}"));
        }
        let (size, most) = (header.extra_data.len(), params.maximum_extra_data_size);
        let fits = u64::try_from(size).is_ok_and(|size| size <= most);
        self.say("extra_data_size", fits, format_args!("{size} bytes, at most {most}"));
        let uncles = context.rules.maximum_uncles(header.number);
        if uncles == 0 || header.uncles_hash == EMPTY_UNCLES_HASH {
            let detail = format_args!("uncles hash {}, at most {uncles} uncles", header.uncles_hash);
            self.say("uncles", header.uncles_hash == EMPTY_UNCLES_HASH, detail);
        } else {
            self.say(
                "uncles",
                None,
                format_args!("the block has uncles, up to {uncles} are allowed; they are in its body"),
            );
        }
        let score = header.number >= context.spec.engine.validate_score_transition;
        let bound = header.difficulty < MAX_DIFFICULTY;
        let detail = format_args!("{}, must be below 2^128 - 1", header.difficulty);
        if score {
            self.say("difficulty_bound", bound, detail);
        } else {
            self.say("difficulty_bound", None, "before validateScoreTransition");
        }
        if let Some((number, hash)) = params.fork.filter(|(number, _)| *number == header.number) {
            let found = header.hash_slow();
            self.say("fork_hash", found == hash, format_args!("block {number} is {found}, the spec pins {hash}"));
        }
    }

    /// Early blocks (aura.md §1.7). What is early is not wrong: it may be offered again.
    fn clock(&mut self, context: &Context<'_>, facts: &Facts<'_>) {
        let (timestamp, now) = (facts.header.timestamp, context.now.as_secs());
        let (early, invalid) = (now.saturating_add(TIMESTAMP_DRIFT.0), now.saturating_add(TIMESTAMP_DRIFT.1));
        let ok = if timestamp > invalid { Some(false) } else { (timestamp <= early).then_some(true) };
        self.say(
            "timestamp_not_ahead",
            ok,
            early_detail(ok, format_args!("timestamp {timestamp}, the clock is at {now}")),
        );

        let Ok(seal) = &facts.seal else { return self.say("step_not_ahead", None, "the step is unknown") };
        if context.spec.engine.start_step.is_some() {
            return self.say("step_not_ahead", None, "startStep pins the counter: no clock moves it");
        }
        let (step, current) = (seal.step.0, context.rules.steps().step_at(context.now).0);
        let far = step > current.saturating_add(ACCEPTED_STEP_DRIFT);
        let ok = if far { Some(false) } else { (step <= current).then_some(true) };
        self.say("step_not_ahead", ok, early_detail(ok, format_args!("step {step}, the clock is at {current}")));
    }

    /// OpenEthereum `verify_block_family`: what depends on the parent.
    fn parent(&mut self, context: &Context<'_>, facts: &Facts<'_>) {
        let header = facts.header;
        let Some(parent) = context.parent else {
            let needs_parent = ["parent_hash", "number", "timestamp_after_parent", "gas_limit_bound"];
            needs_parent.into_iter().for_each(|rule| self.say(rule, None, "the parent is not given"));
            let fee = header.base_fee_per_gas.map_or("none, as the spec demands".to_owned(), |fee| fee.to_string());
            self.say("base_fee", None, format_args!("{fee}; the parent is not given"));
            self.say("step_after_parent", None, "the parent is not given");
            return self.score_without_parent(context, facts);
        };
        let hash = parent.hash_slow();
        self.say(
            "parent_hash",
            header.parent_hash == hash,
            format_args!("{}, the parent is {hash}", header.parent_hash),
        );
        let follows = parent.number.checked_add(1) == Some(header.number);
        self.say("number", follows, format_args!("{}, the parent's is {}", header.number, parent.number));
        let (time, before) = (header.timestamp, parent.timestamp);
        self.say("timestamp_after_parent", time > before, format_args!("{time}, the parent's is {before}"));
        if context.rules.gas_limit_contract(header.number).is_some() {
            self.say("gas_limit_bound", None, "a contract states the gas limit; its state is not given");
        } else {
            let (low, high) = context.rules.gas_limit_bounds(header.number, parent);
            let detail = format_args!("{}, must be between {low} and {high} (exclusive)", header.gas_limit);
            self.say("gas_limit_bound", header.gas_limit > low && header.gas_limit < high, detail);
        }
        let expected = next_base_fee(context.spec, parent, header.number);
        let fee = |fee: Option<u64>| fee.map_or("none".to_owned(), |fee| fee.to_string());
        let detail = format!("{}, expected {}", fee(header.base_fee_per_gas), fee(expected));
        self.say("base_fee", header.base_fee_per_gas == expected, detail);
        self.steps(context, facts, parent);
    }

    /// Order of steps and the exact score (OpenEthereum `AuthorityRound::verify_block_family`).
    fn steps(&mut self, context: &Context<'_>, facts: &Facts<'_>, parent: &Header) {
        let Some(parent_step) = parent.step() else {
            self.say("step_after_parent", false, "the parent has no step");
            return self.say("difficulty", None, "the parent has no step");
        };
        let Ok(seal) = &facts.seal else {
            self.say("step_after_parent", None, "the step is unknown");
            return self.say("difficulty", None, "the step is unknown");
        };
        let ordered = facts.header.number >= context.spec.engine.validate_step_transition;
        let ok = seal.step != parent_step && (!ordered || seal.step > parent_step);
        self.say("step_after_parent", ok, format_args!("step {}, the parent's is {parent_step}", seal.step));
        if facts.header.number < context.spec.engine.validate_score_transition {
            return self.say("difficulty", None, "before validateScoreTransition");
        }
        let Some(empty_steps) = &facts.empty_steps else {
            return self.say("difficulty", None, "the empty steps are unknown");
        };
        let expected = difficulty(parent_step, seal.step, empty_steps.len());
        let found = facts.header.difficulty;
        self.say("difficulty", found == expected, format_args!("{found}, expected {expected}"));
    }

    /// Without the parent the score still cannot be lower than a parent at step 0 would make it.
    fn score_without_parent(&mut self, context: &Context<'_>, facts: &Facts<'_>) {
        let found = facts.header.difficulty;
        match (&facts.seal, &facts.empty_steps) {
            (Ok(seal), Some(empty)) if facts.header.number >= context.spec.engine.validate_score_transition => {
                let least = difficulty(Step(0), seal.step, empty.len());
                match found.checked_sub(least) {
                    Some(parent) => self.say(
                        "difficulty",
                        None,
                        format_args!("{found} is right after a parent at step {parent}; the parent is not given"),
                    ),
                    None => {
                        self.say("difficulty", false, format_args!("{found}, no parent makes it less than {least}"))
                    }
                }
            }
            _ => self.say("difficulty", None, "the parent is not given"),
        }
    }

    /// Sealed empty steps (OpenEthereum `verify_block_family`, `header_empty_steps`).
    fn empty_steps(&mut self, context: &Context<'_>, facts: &Facts<'_>) {
        let number = facts.header.number;
        if !context.rules.format().has_empty_steps(number) {
            return;
        }
        let (Ok(seal), Some(empty_steps)) = (&facts.seal, &facts.empty_steps) else {
            let rules = ["empty_steps_range", "empty_steps_ordered", "empty_steps_signers"];
            return rules.into_iter().for_each(|rule| self.say(rule, None, "the empty steps are unknown"));
        };
        let count = empty_steps.len();
        let late = empty_steps.iter().find(|empty| empty.step >= seal.step.0);
        let parent_step = context.parent.and_then(Header::step);
        let old = parent_step.and_then(|parent| empty_steps.iter().find(|empty| empty.step <= parent.0));
        match (late, old, parent_step) {
            (Some(late), ..) => {
                self.say(
                    "empty_steps_range",
                    false,
                    format_args!("empty step {} is not before the block's", late.step),
                );
            }
            (None, Some(old), _) => {
                self.say("empty_steps_range", false, format_args!("empty step {} is not after the parent's", old.step));
            }
            (None, None, None) if count > 0 => {
                self.say(
                    "empty_steps_range",
                    None,
                    format_args!("{count} before the block's; the parent is not given"),
                );
            }
            (None, None, _) => {
                self.say("empty_steps_range", true, format_args!("{count} between the parent and the block"))
            }
        }
        let strict = number >= context.spec.engine.strict_empty_steps_transition;
        // As OpenEthereum: the first is compared with step 0.
        let mut previous = 0;
        let ordered = empty_steps.iter().all(|empty| std::mem::replace(&mut previous, empty.step) < empty.step);
        match (strict, ordered) {
            (true, ordered) => self.say("empty_steps_ordered", ordered, "steps must strictly increase"),
            (false, _) => self.say("empty_steps_ordered", None, "before strictEmptyStepsTransition"),
        }
        self.empty_step_signers(context, facts.header, empty_steps);
    }

    fn empty_step_signers(&mut self, context: &Context<'_>, header: &Header, empty_steps: &[EmptyStep]) {
        for empty in empty_steps {
            let Ok(signer) = empty.signer(header.parent_hash) else {
                return self.say("empty_steps_signers", false, format_args!("empty step {} has no signer", empty.step));
            };
            let proposer = context.validators.map(|set| set.proposer(Step(empty.step)));
            if proposer.is_some_and(|proposer| proposer != Some(signer)) {
                let detail = format_args!("empty step {} is signed by {signer}, not by its proposer", empty.step);
                return self.say("empty_steps_signers", false, detail);
            }
        }
        match context.validators {
            None if !empty_steps.is_empty() => {
                self.say("empty_steps_signers", None, "the validators of this block are not in the spec");
            }
            _ => self.say("empty_steps_signers", true, "each is signed by the proposer of its step"),
        }
    }

    /// Who sealed it (OpenEthereum `verify_block_external`).
    fn sealer(&mut self, context: &Context<'_>, facts: &Facts<'_>) {
        let author = facts.header.author;
        let Some(signer) = facts.signer else {
            let ok = if facts.seal.is_ok() { Some(false) } else { None };
            self.say("signature_recovers", ok, "no key can have made the signature");
            self.say("author_is_signer", None, "the signer is unknown");
            return self.proposer(context, facts, None);
        };
        self.say("signature_recovers", true, format_args!("signed by {signer}"));
        self.say("author_is_signer", author == signer, format_args!("author {author}, signer {signer}"));
        self.proposer(context, facts, Some(signer));
    }

    fn proposer(&mut self, context: &Context<'_>, facts: &Facts<'_>, signer: Option<Address>) {
        let Ok(seal) = &facts.seal else { return self.say("proposer", None, "the step is unknown") };
        let Some(validators) = context.validators else {
            return self.say("proposer", None, "the validators of this block are not in the spec");
        };
        let Some(expected) = validators.proposer(seal.step) else {
            return self.say("proposer", false, "nobody may seal: the validator set is empty");
        };
        let ok = facts.header.author == expected && signer == Some(expected);
        self.say("proposer", ok, format_args!("step {} is {expected}'s", seal.step));
    }
}

fn early_detail(ok: Option<bool>, detail: fmt::Arguments<'_>) -> String {
    match ok {
        Some(true) => detail.to_string(),
        Some(false) => format!("{detail}: too far ahead"),
        None => format!("{detail}: early, and temporarily invalid"),
    }
}
