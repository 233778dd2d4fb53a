//! `eth_createAccessList`: the accounts and slots a transaction touches.

use std::sync::Arc;

use alloy::eips::eip2930::AccessList;
use aurum_types::StateReader;
use revm_inspectors::access_list::AccessListInspector;

use super::{TraceError, TraceLimits};
use crate::{BlockEnv, CallOutcome, CallRequest, Evm, inspect::Records};

/// Runs until the list is stable. What a contract does may depend on how much gas it has left.
const ROUNDS: usize = 8;

impl Evm {
    /// The access list with which the message touches nothing that is not on it, and how it ends with that list. Without
    /// sender, target and precompiles, which are warm anyway.
    ///
    /// # Errors
    /// [`TraceError`]; a revert is an outcome.
    pub fn access_list(
        &self,
        state: &Arc<dyn StateReader>,
        env: &BlockEnv,
        request: &CallRequest,
        limits: &TraceLimits,
    ) -> Result<(AccessList, CallOutcome), TraceError> {
        let mut request = request.clone();
        let mut rounds = 0;
        loop {
            let list = request.access_list.clone();
            let prepared = self.prepare(Arc::clone(state), env, &request)?;
            let make = || Ok((AccessListInspector::new(list.clone()), Records::default()));
            let traced = prepared.traced(request.gas, limits, make, |seen| {
                Ok((seen.inspector.into_access_list(), CallOutcome::of(seen.outcome.result.clone())))
            })?;
            let (found, outcome) = traced.found;
            rounds += 1;
            if found == list || rounds == ROUNDS {
                return Ok((found, outcome));
            }
            request.access_list = found;
        }
    }
}
