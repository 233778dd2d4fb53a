//! What handlers can reach: the gate behind grants, and nothing of the chain without one.

use std::{sync::Arc, time::Duration};

use alloy::primitives::B256;
use aurum_chain::{Admin, Denied, Development, Gate, Grant, Identity, Read, Submit, SubmitError, View};
use aurum_pool::Pooled;
use aurum_types::{BlockNumber, Transaction, recover_sender};

use crate::{
    config::{Apis, Limits},
    dev::DevApi,
    error::{Answer, Failure},
    filters::Filters,
    finality::FinalityApi,
    metrics::RpcMetrics,
    peers::PeersApi,
    perm::HeadGrantors,
    sealing::SealingApi,
};

/// Shared by all handlers.
pub(crate) struct Context {
    /// Private to this file: handlers pass it by their grants only.
    gate: Gate,
    pub(crate) peers: Arc<dyn PeersApi>,
    /// Only on a development chain.
    pub(crate) dev: Option<Arc<dyn DevApi>>,
    /// Only where finality certificates are on.
    pub(crate) finality: Option<Arc<dyn FinalityApi>>,
    /// The author, if this node seals.
    pub(crate) sealing: Option<Arc<dyn SealingApi>>,
    pub(crate) filters: Filters,
    /// Whether transactions have to be signed by the account that hands them in.
    own_transactions_only: bool,
    pub(crate) limits: Limits,
    pub(crate) apis: Apis,
    pub(crate) client_version: String,
    pub(crate) metrics: Arc<RpcMetrics>,
    /// Different in each run.
    pub(crate) instance: B256,
    /// Height when this run of the node began.
    pub(crate) started_at: BlockNumber,
    /// Longest step of the chain.
    step: Duration,
    /// Who can grant rights.
    grantors: HeadGrantors,
}

/// What a [`Context`] is made of besides the gate: what a listener shares with the others, and what is its own.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) peers: Arc<dyn PeersApi>,
    pub(crate) dev: Option<Arc<dyn DevApi>>,
    pub(crate) finality: Option<Arc<dyn FinalityApi>>,
    pub(crate) sealing: Option<Arc<dyn SealingApi>>,
    pub(crate) own_transactions_only: bool,
    pub(crate) limits: Limits,
    pub(crate) apis: Apis,
    pub(crate) client_version: String,
    pub(crate) metrics: Arc<RpcMetrics>,
}

impl Context {
    pub(crate) fn new(gate: Gate, parts: Parts) -> Self {
        let Parts { peers, dev, finality, sealing, own_transactions_only, limits, apis, client_version, metrics } =
            parts;
        let filters = Filters::new(limits.filters, limits.filter_ttl);
        let (started_at, step) = gate.grant_read(&Identity::Local).map_or((0, 1), |grant| {
            let view = gate.view(&grant);
            let longest = view.spec().engine.step_duration.values().copied().max().unwrap_or(1);
            (view.head().latest.number, longest)
        });
        Self {
            gate,
            peers,
            dev,
            finality,
            sealing,
            filters,
            own_transactions_only,
            limits,
            apis,
            client_version,
            metrics,
            instance: B256::random(),
            started_at,
            step: Duration::from_secs(step),
            grantors: HeadGrantors::default(),
        }
    }

    /// Everything that can be read, for the holder of a grant.
    pub(crate) fn view(&self, grant: &Grant<Read>) -> View {
        self.gate.view(grant)
    }

    /// Pools a signed transaction for the holder of a grant.
    pub(crate) fn submit(&self, grant: &Grant<Submit>, transaction: Transaction) -> Answer<B256> {
        self.check_owner(grant, &transaction)?;
        self.gate.submit(grant, transaction).map_err(|error| self.refusal(error))
    }

    /// Pools signed transactions, each for the holder of its grant; an answer to each, in their order, as if each had been
    /// given to [`Self::submit`] after those before it.
    pub(crate) fn submit_many(&self, sent: Vec<(Grant<Submit>, Transaction)>) -> Vec<Answer<B256>> {
        if self.own_transactions_only {
            return sent.into_iter().map(|(grant, transaction)| self.submit(&grant, transaction)).collect();
        }
        let pooled = self.gate.submit_many(sent).into_iter();
        pooled.map(|pooled| pooled.map_err(|error| self.refusal(error))).collect()
    }

    /// What is full now has room after the next block; what is denied says who can grant it, to everybody: whoever may not
    /// read the chain has to know whom to ask.
    fn refusal(&self, error: SubmitError) -> Failure {
        let failure = Failure::from(error).or_retry_after(self.step);
        failure.with_grantors(|contract| {
            let grant = self.gate.grant_read(&Identity::Local).ok()?;
            self.grantors.of(&self.gate.view(&grant), contract)
        })
    }

    /// Counts a refused transaction, if it is counted by its reason.
    pub(crate) fn note_refusal(&self, failure: &Failure) {
        if let Failure::NotPermitted { denied, .. } = failure {
            self.metrics.permission_denied(&denied.reason);
        }
    }

    /// Pools a transaction of a development chain that names its sender, for the holder of a grant.
    pub(crate) fn submit_impersonated(
        &self,
        grant: &Grant<Submit>,
        development: Development,
        transaction: Transaction,
    ) -> Answer<B256> {
        self.gate.submit_impersonated(grant, development, transaction).map_err(|error| self.refusal(error))
    }

    /// Takes a transaction out of the pool, for the holder of a grant; returns it if it was there.
    pub(crate) fn drop_transaction(&self, grant: &Grant<Admin>, hash: B256) -> Option<Arc<Pooled>> {
        self.gate.admin_pool(grant).remove(hash, "dropped on request")
    }

    /// Refuses another account's transaction where the listener takes everybody's own only. Recovers the sender once more
    /// there.
    fn check_owner(&self, grant: &Grant<Submit>, transaction: &Transaction) -> Answer<()> {
        let identity = grant.identity();
        match identity {
            Identity::Address(account) if self.own_transactions_only && recover_sender(transaction)? != account => {
                Err(Failure::Denied(Denied {
                    identity,
                    reason: "NOT_YOUR_TRANSACTION",
                    needed: "submit",
                    contract: None,
                    block: None,
                }))
            }
            _ => Ok(()),
        }
    }

    /// Asks the gate for what a handler demands.
    pub(crate) fn grant<G: FromGate>(&self, identity: &Identity) -> Result<G, Denied> {
        G::from_gate(&self.gate, identity)
    }
}

mod sealed {
    pub(crate) trait Sealed {}
}

/// What a handler may take as its second parameter: one grant, or a tuple of several. Nothing else implements it, so a
/// handler without a grant has no type under which it could be registered.
pub(crate) trait FromGate: sealed::Sealed + Send + Sized + 'static {
    /// Asks the gate.
    fn from_gate(gate: &Gate, identity: &Identity) -> Result<Self, Denied>;
}

macro_rules! grants {
    ($($kind:ident: $ask:ident;)+) => {$(
        impl sealed::Sealed for Grant<$kind> {}
        impl FromGate for Grant<$kind> {
            fn from_gate(gate: &Gate, identity: &Identity) -> Result<Self, Denied> {
                gate.$ask(identity)
            }
        }
    )+};
}

grants! {
    Read: grant_read;
    Submit: grant_submit;
    Admin: grant_admin;
}

impl<A: FromGate, B: FromGate> sealed::Sealed for (A, B) {}
impl<A: FromGate, B: FromGate> FromGate for (A, B) {
    fn from_gate(gate: &Gate, identity: &Identity) -> Result<Self, Denied> {
        Ok((A::from_gate(gate, identity)?, B::from_gate(gate, identity)?))
    }
}

#[cfg(test)]
mod tests {
    use aurum_chain::{Gate, Grant, Identity, Read, Submit, View};

    use super::{Context, FromGate};

    /// Does not compile where one of these types could stand in a handler for its grant: then it would be of both kinds, and
    /// which one is meant could not be told.
    macro_rules! are_no_grants {
        ($($type:ty),+ $(,)?) => {$(
            const _: fn() = || {
                trait Kind<T> {
                    fn name() {}
                }
                impl<T> Kind<()> for T {}
                impl<T: FromGate> Kind<u8> for T {}
                <$type as Kind<_>>::name();
            };
        )+};
    }

    are_no_grants!((), (Grant<Read>,), (Grant<Read>, ()), Option<Grant<Read>>, Identity, Gate, View, Context);

    const _: fn() = || {
        const fn are_grants<G: FromGate>() {}
        are_grants::<(Grant<Read>, Grant<Submit>)>();
    };
}
