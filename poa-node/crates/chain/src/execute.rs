//! Stage 3: what does the block do? Permissions, system calls, transactions, rewards; gas, receipts and bloom agree.

use std::sync::Arc;

use alloy::primitives::{Address, U256};
use aurum_aura::Rules;
use aurum_evm::{BlockEnv, Evm, EvmError, InvalidExecution, rules::ReceiptForm};
use aurum_types::{
    BlockError, ExecutedBlock, ExecutionOutcome, Header, ReceiptOutcome, RecoveredBlock, StateChanges, StateError,
    StateReader, receipts_root,
};

use crate::{ImportError, Invalid, reader::Reader};

impl From<EvmError> for ImportError {
    fn from(error: EvmError) -> Self {
        match error {
            EvmError::Invalid(InvalidExecution::NotPermitted { index, denial }) => {
                Self::Invalid(Invalid::NotPermitted { index, denial })
            }
            EvmError::Invalid(InvalidExecution::Block(error)) => Self::Invalid(Invalid::Block(error)),
            EvmError::Invalid(invalid) => Self::Invalid(Invalid::Execution(invalid)),
            EvmError::Fault(fault) => Self::Fault(fault.into()),
        }
    }
}

/// A failure inside [`RecoveredBlock::execute`], on its way to [`ImportError`].
struct Failure(ImportError);

impl From<BlockError> for Failure {
    fn from(error: BlockError) -> Self {
        Self(error.into())
    }
}

/// Runs the block on its parent's state. Every transaction's permission is asked first, on the parent's state, so a block
/// whose only fault is a permission is refused for that.
///
/// # Errors
/// [`ImportError::Invalid`], or [`ImportError::Fault`] when the state cannot be read.
pub(crate) fn execute(
    reader: &Reader,
    parent_state: &Arc<dyn StateReader>,
    parent: &Header,
    block: RecoveredBlock,
    begins_epoch: Option<Address>,
) -> Result<ExecutedBlock, ImportError> {
    let _stage = tracing::trace_span!("execute", number = block.sealed().number()).entered();
    let run = |block: &RecoveredBlock| {
        let (state, parent_env) = (Arc::clone(parent_state), BlockEnv::of(parent));
        let header = block.sealed().header();
        if reader.evm.rules(header.number, header.timestamp).receipt_form() != ReceiptForm::StateRoot {
            return reader.evm.execute(state, &parent_env, block, begins_epoch);
        }
        // Receipts from before EIP-658 carry a state root each.
        let mut root_after = |changes: &StateChanges| {
            let committed = reader.tree.commit(header.parent_hash, changes).map_err(StateError::new)?;
            Ok(committed.root)
        };
        reader.evm.execute_with_roots(state, &parent_env, block, begins_epoch, &mut root_after)
    };
    let run = |block: &RecoveredBlock| {
        let header = block.sealed().header();
        run(block).map(|outcome| without_outcomes(reader, header, outcome))
    };
    block.execute(|block| run(block).map_err(|error| Failure(error.into()))).map_err(|Failure(error)| error)
}

/// Before `validateReceiptsTransition`, receipts may also be stated without their first field (OpenEthereum
/// `strip_receipts_outcomes`).
fn without_outcomes(reader: &Reader, header: &Header, mut outcome: ExecutionOutcome) -> ExecutionOutcome {
    let validated = reader.spec.params.validate_receipts_transition.is_some_and(|from| header.number >= from);
    if !validated && receipts_root(&outcome.receipts) != header.receipts_root {
        for receipt in &mut outcome.receipts {
            receipt.outcome = ReceiptOutcome::Unknown;
        }
    }
    outcome
}

/// Takes over the outcome that building the block gave.
///
/// # Errors
/// [`ImportError::Invalid`] when header and outcome disagree.
pub(crate) fn hand_over(block: RecoveredBlock, outcome: ExecutionOutcome) -> Result<ExecutedBlock, ImportError> {
    block.execute(|_| Ok(outcome)).map_err(|Failure(error)| error)
}

/// Where a contract states gas limits (aura.md §3.5), compares its word on the parent's state with the header.
///
/// # Errors
/// [`ImportError::Invalid`] for another limit.
pub(crate) fn check_gas_limit(
    rules: &Rules,
    evm: &Evm,
    parent_state: &Arc<dyn StateReader>,
    parent: &Header,
    header: &Header,
) -> Result<(), ImportError> {
    let Some(contract) = rules.gas_limit_contract(header.number) else { return Ok(()) };
    let stated: Option<U256> = evm.block_gas_limit(Arc::clone(parent_state), &BlockEnv::of(parent), contract)?;
    rules.verify_gas_limit(header, parent, stated).map_err(|invalid| ImportError::Invalid(invalid.into()))
}
