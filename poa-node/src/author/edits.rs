//! What only the author of a development chain does: blocks that edit the state, and going back.

use aurum_chain::{BlockRef, Checkpoint, Development, Edit, RewindError};
use aurum_types::Step;

use super::{
    Author, Inner, NoBlock, Status,
    build::{Candidate, Recipe},
    engine_txs::{EngineTxs, Sender},
};

impl Author {
    /// Seals a block at `step` that makes these edits and has no other transaction. Blocks the thread while it builds.
    ///
    /// # Errors
    /// [`NoBlock`]; [`NoBlock::Failed`] for edits that need more gas than a block has.
    pub fn seal_edits(&self, development: Development, step: Step, edits: &[Edit]) -> Result<BlockRef, NoBlock> {
        let mut inner = self.inner();
        let result = self.seal_edits_at(&mut inner, development, step, edits);
        inner.status.note(step, &result);
        result
    }

    fn seal_edits_at(
        &self,
        inner: &mut Inner,
        development: Development,
        step: Step,
        edits: &[Edit],
    ) -> Result<BlockRef, NoBlock> {
        let parent = self.chain.authoring()?;
        let edit = Sender(&*self.sealing.signer)
            .sign_edits(&parent, development, edits)
            .map_err(|error| NoBlock::Failed { reason: error.to_string() })?;
        let recipe = Recipe {
            author: self.address(),
            step,
            now: self.clock.now(),
            engine: EngineTxs::of(edit),
            empty_steps: parent.empty_steps(step),
            gas_target: self.sealing.gas_target,
        };
        let candidate = Candidate::begin(parent, self.chain.pool(), recipe)?;
        let unsealed = candidate.close(self.sealing.extra_data.clone())?;
        if unsealed.len() != 1 {
            return Err(NoBlock::Failed { reason: "the edit does not fit a block".to_owned() });
        }
        inner.record.use_step(step)?;
        self.seal_and_import(unsealed)
    }

    /// Takes the chain back to a former head, and seals on from its step.
    ///
    /// # Errors
    /// [`RewindError`].
    pub fn rewind(&self, development: Development, to: &Checkpoint) -> Result<(), RewindError> {
        let mut inner = self.inner();
        let rewound = self.chain.rewind(development, to);
        if let Err(RewindError::Gone(_) | RewindError::Fault(_)) = rewound {
            return rewound;
        }
        inner.status = Status::default();
        inner.epoch_changed = None;
        // After a crash in between, the steps are used and the clock goes on from them.
        inner.record.take_back(development, to.step().unwrap_or_default())?;
        rewound
    }
}
