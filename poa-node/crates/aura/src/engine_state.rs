//! The consensus state after one block: who seals its children, what is final, which change is under way
//! (aura.md §1.10, §1.11).

use std::sync::Arc;

use alloy::primitives::{Address, B256};
use aurum_types::{BlockNumber, ChainSpec, Header, Receipt, Step, ValidatorSet};

use crate::{
    AuraSeal, Source,
    codec::{self, DecodeError},
    finality::{Finality, needed},
    signal::initiate_change,
    source::Schedule,
};

/// What of the spec the epochs depend on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) schedule: Schedule,
    immediate: bool,
    two_thirds_from: Option<BlockNumber>,
    format: aurum_types::HeaderFormat,
}

impl Settings {
    fn of(spec: &ChainSpec) -> Self {
        Self {
            schedule: Schedule::new(&spec.engine.validators),
            immediate: spec.engine.immediate_transitions,
            two_thirds_from: spec.engine.two_thirds_majority_transition,
            format: spec.header_format(),
        }
    }
}

/// A change that was signalled and waits for the signalling block's finality.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) signalled_at: BlockNumber,
    pub(crate) hash: B256,
    pub(crate) validators: ValidatorSet,
}

/// What a block leaves behind for consensus.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) number: BlockNumber,
    pub(crate) hash: B256,
    /// The set that seals the children.
    pub(crate) validators: Arc<ValidatorSet>,
    /// The block at which the epoch of the children was recorded.
    pub(crate) epoch_recorded_at: BlockNumber,
    pub(crate) pending: Option<Arc<Pending>>,
    pub(crate) finality: Finality,
}

/// The consensus state after one block: an immutable value, shared when cloned.
///
/// A block's validator set, and whether it begins an epoch, come from its parent's value; the block's own value comes
/// from [`Self::advance`]. With `immediateTransitions` there are neither epochs nor finality, and the set is read anew
/// after each block.
#[derive(Clone, Debug)]
pub struct EngineState {
    settings: Arc<Settings>,
    snapshot: Arc<Snapshot>,
}

/// A validator change under way, for those who wait for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingChange {
    /// The block that signalled it.
    pub signalled_at: BlockNumber,
    /// That block's hash.
    pub hash: B256,
    /// The set that will seal.
    pub validators: ValidatorSet,
    /// Who has signed that block or a later one.
    pub signers: Vec<Address>,
    /// How many signers make it final.
    pub needed: usize,
}

/// Where the chain stands in its epoch, for status pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineStatus {
    /// The block this is after.
    pub number: BlockNumber,
    /// Who seals the next block.
    pub validators: ValidatorSet,
    /// The block at which this set was recorded; it seals from the next one on. Zero for the first.
    pub epoch_recorded_at: BlockNumber,
    /// The oldest block that is not final; with immediate transitions always the next one.
    pub oldest_unfinalized: BlockNumber,
    /// Who has signed that block or a later one.
    pub signers: Vec<Address>,
    /// How many signers make it final.
    pub needed: usize,
    /// The change under way, if any.
    pub pending: Option<PendingChange>,
}

impl EngineState {
    /// The state after genesis. `initial` is the set of [`validators_source`](crate::validators_source)`(spec, 0)`:
    /// the list, or what the contract answers on the genesis state.
    pub fn genesis(spec: &ChainSpec, genesis: &Header, initial: ValidatorSet) -> Self {
        let snapshot = Snapshot {
            number: genesis.number,
            hash: genesis.hash_slow(),
            validators: Arc::new(initial),
            epoch_recorded_at: genesis.number,
            pending: None,
            finality: Finality::blank(genesis.number.saturating_add(1)),
        };
        Self { settings: Arc::new(Settings::of(spec)), snapshot: Arc::new(snapshot) }
    }

    /// Number of the block this is after.
    pub fn number(&self) -> BlockNumber {
        self.snapshot.number
    }

    /// Hash of the block this is after.
    pub fn hash(&self) -> B256 {
        self.snapshot.hash
    }

    /// Who may seal the children. Empty when a contract answered so: then nobody can.
    pub fn child_validators(&self) -> &ValidatorSet {
        &self.snapshot.validators
    }

    /// Whether the block recorded an epoch transition, as genesis does: its child is sealed by a new set.
    pub fn records_epoch(&self) -> bool {
        !self.settings.immediate && self.snapshot.epoch_recorded_at == self.snapshot.number
    }

    /// The contract whose `finalizeChange()` the children call at their very start, if they begin an epoch of one.
    pub fn child_begins_epoch(&self) -> Option<Address> {
        let child = self.snapshot.number.saturating_add(1);
        if self.records_epoch() { self.settings.schedule.at(child).source.contract() } else { None }
    }

    /// The validator contract that speaks for the children, to read or report to; `None` for a list.
    pub fn child_source(&self) -> &Source {
        &self.settings.schedule.at(self.snapshot.number.saturating_add(1)).source
    }

    /// The contract to which what goes wrong with the children is reported, if their set is a `contract` (not a
    /// `safeContract` or a list). Without `immediateTransitions` it is the one that spoke when the epoch was recorded
    /// (OpenEthereum `epoch_set`, whose set number picks the entry of `multi`).
    pub fn child_reports_to(&self) -> Option<Address> {
        let number = self.snapshot.number.saturating_add(1);
        let set_number = if self.settings.immediate { number } else { self.snapshot.epoch_recorded_at };
        match self.settings.schedule.at(set_number).source {
            Source::Contract { address, reports: true } => Some(address),
            Source::Contract { .. } | Source::List(_) => None,
        }
    }

    /// The change that waits for finality, if one does. Signals that come while it waits are lost.
    pub fn pending_change(&self) -> Option<PendingChange> {
        let Snapshot { validators, pending, finality, .. } = &*self.snapshot;
        pending.as_ref().map(|pending| PendingChange {
            signalled_at: pending.signalled_at,
            hash: pending.hash,
            validators: pending.validators.clone(),
            signers: finality.signers_from(pending.signalled_at).collect(),
            needed: needed(validators.len(), pending.signalled_at, self.settings.two_thirds_from),
        })
    }

    /// All of it for a status page.
    pub fn status(&self) -> EngineStatus {
        let Snapshot { number, validators, epoch_recorded_at, finality, .. } = &*self.snapshot;
        let oldest = if self.settings.immediate { number.saturating_add(1) } else { finality.front() };
        EngineStatus {
            number: *number,
            validators: (**validators).clone(),
            epoch_recorded_at: *epoch_recorded_at,
            oldest_unfinalized: oldest,
            signers: finality.signers_from(oldest).collect(),
            needed: needed(validators.len(), oldest, self.settings.two_thirds_from),
            pending: self.pending_change(),
        }
    }

    /// The state after `header`, a verified child of this block that was executed with these `receipts`, and the blocks
    /// that became final by it, ascending. A final block's ancestors are final with it, listed or not.
    ///
    /// `contract_set` runs `getValidators()` of a contract on the child's post-state; it is called where the set is the
    /// contract's word at that block (`immediateTransitions`, or the first block of a contract in `multi`).
    ///
    /// # Errors
    /// Only what `contract_set` says.
    pub fn advance<E>(
        &self,
        header: &Header,
        hash: B256,
        receipts: &[Receipt],
        contract_set: impl FnOnce(Address) -> Result<ValidatorSet, E>,
    ) -> Result<(Self, Vec<(BlockNumber, B256)>), E> {
        debug_assert_eq!(header.parent_hash, self.snapshot.hash, "advance takes a child of this block");
        if self.settings.immediate {
            return Ok((self.advance_immediate(header, hash, contract_set)?, Vec::new()));
        }
        let Settings { schedule, two_thirds_from, format, .. } = &*self.settings;
        let entry = schedule.at(header.number);
        let switches = entry.begins_at(header.number);
        let before = &*self.snapshot;

        let signal = match (&before.pending, &entry.source) {
            (Some(_), _) | (None, Source::List(_)) => None,
            (None, Source::Contract { address, .. }) if switches => Some(contract_set(*address)?),
            (None, Source::Contract { address, .. }) => initiate_change(*address, header, receipts),
        };
        let pending = signal.map_or_else(
            || before.pending.clone(),
            |validators| Some(Arc::new(Pending { signalled_at: header.number, hash, validators })),
        );

        let approving = empty_step_signers(header, format, &before.validators);
        let (finality, finalized) =
            before.finality.push(hash, header.author, approving, &before.validators, *two_thirds_from);

        let enacted = match &entry.source {
            // A list in `multi` needs no finality; it also drops a change that was waiting.
            Source::List(list) if switches => Some(list.clone()),
            _ => pending
                .as_ref()
                .filter(|pending| finalized.iter().any(|(number, _)| *number == pending.signalled_at))
                .map(|pending| pending.validators.clone()),
        };
        let snapshot = match enacted {
            Some(validators) => Snapshot {
                number: header.number,
                hash,
                validators: Arc::new(validators),
                epoch_recorded_at: header.number,
                pending: None,
                finality: Finality::blank(header.number.saturating_add(1)),
            },
            None => Snapshot {
                number: header.number,
                hash,
                validators: Arc::clone(&before.validators),
                epoch_recorded_at: before.epoch_recorded_at,
                pending,
                finality,
            },
        };
        Ok((self.with(snapshot), finalized))
    }

    /// Bytes from which [`Self::decode`] makes this value again.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(&self.snapshot)
    }

    /// Reads what [`Self::encode`] wrote. The spec may have changed since: it is this one's rules that go on.
    ///
    /// # Errors
    /// [`DecodeError`] for bytes of another version or none at all.
    pub fn decode(spec: &ChainSpec, bytes: &[u8]) -> Result<Self, DecodeError> {
        let snapshot = Arc::new(codec::decode(bytes)?);
        Ok(Self { settings: Arc::new(Settings::of(spec)), snapshot })
    }

    fn advance_immediate<E>(
        &self,
        header: &Header,
        hash: B256,
        contract_set: impl FnOnce(Address) -> Result<ValidatorSet, E>,
    ) -> Result<Self, E> {
        let validators = match &self.settings.schedule.at(header.number).source {
            Source::List(list) => list.clone(),
            Source::Contract { address, .. } => contract_set(*address)?,
        };
        let unchanged = validators == *self.snapshot.validators;
        Ok(self.with(Snapshot {
            number: header.number,
            hash,
            validators: if unchanged { Arc::clone(&self.snapshot.validators) } else { Arc::new(validators) },
            epoch_recorded_at: if unchanged { self.snapshot.epoch_recorded_at } else { header.number },
            pending: None,
            finality: Finality::blank(header.number.saturating_add(1)),
        }))
    }

    fn with(&self, snapshot: Snapshot) -> Self {
        Self { settings: Arc::clone(&self.settings), snapshot: Arc::new(snapshot) }
    }
}

impl PartialEq for EngineState {
    fn eq(&self, other: &Self) -> bool {
        self.settings == other.settings && self.encode() == other.encode()
    }
}

/// Who signed the empty steps in a verified header: the proposers of their steps.
fn empty_step_signers(header: &Header, format: &aurum_types::HeaderFormat, validators: &ValidatorSet) -> Vec<Address> {
    if !format.has_empty_steps(header.number) {
        return Vec::new();
    }
    let empty_steps = AuraSeal::from_header(header, format).and_then(|seal| seal.empty_steps()).unwrap_or_default();
    empty_steps.iter().filter_map(|empty| validators.proposer(Step(empty.step))).collect()
}
