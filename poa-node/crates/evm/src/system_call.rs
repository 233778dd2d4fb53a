//! Calls by the chain itself (aura.md §2.4).

use alloy::primitives::{Address, Bytes, address};

use crate::{
    EvmError, InvalidExecution,
    database::CleanUp,
    inspect::Look,
    machine::{BareCode, FrameEnd, Machine},
};

/// Sender and origin of system calls: 2^160 − 2.
pub const SYSTEM_ADDRESS: Address = address!("fffffffffffffffffffffffffffffffffffffffe");

/// Where reward *code* without an account runs: 2^160 − 1 (OpenEthereum `UNSIGNED_SENDER`).
const CODE_ADDRESS: Address = address!("ffffffffffffffffffffffffffffffffffffffff");

/// Calls `contract` as the system. A revert is no failure: the state is as before and the revert data is the output.
///
/// The first successful call leaves an empty account at [`SYSTEM_ADDRESS`], because OpenEthereum's zero-value transfer
/// creates a missing sender; nothing is cleaned up after a system call, so it stays.
///
/// # Errors
/// [`InvalidExecution::SystemCall`] when execution halts.
pub(crate) fn system_call<I: Look>(
    machine: &mut Machine<I>,
    contract: Address,
    data: Bytes,
) -> Result<Bytes, EvmError> {
    let (end, state) = machine.run_frame(SYSTEM_ADDRESS, contract, data, None)?;
    match end {
        FrameEnd::Returned(output) => {
            machine.commit(&state, CleanUp::None)?;
            machine.state().ensure_exists(SYSTEM_ADDRESS)?;
            Ok(output)
        }
        FrameEnd::Reverted(output) => Ok(output),
        FrameEnd::Halted(reason) => Err(InvalidExecution::SystemCall { contract, reason }.into()),
    }
}

/// Runs `code` as the system without deploying it: a static call, so the state cannot change.
///
/// # Errors
/// [`InvalidExecution::SystemCall`] when execution halts.
pub(crate) fn system_code<I: Look>(machine: &mut Machine<I>, code: Bytes, data: Bytes) -> Result<Bytes, EvmError> {
    let (end, _) = machine.run_frame(SYSTEM_ADDRESS, CODE_ADDRESS, data, Some(BareCode { code, is_static: true }))?;
    match end {
        FrameEnd::Returned(output) | FrameEnd::Reverted(output) => Ok(output),
        FrameEnd::Halted(reason) => Err(InvalidExecution::SystemCall { contract: CODE_ADDRESS, reason }.into()),
    }
}
