//! What goes on beside requests.

use std::sync::Arc;

use aurum_chain::{Grant, Head, Identity, Read};
use aurum_pool::Newly;
use tokio::{
    sync::{
        broadcast::{Receiver, error::RecvError},
        watch,
    },
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;

use crate::{
    context::Context, files::LOOK_EVERY, front::Front, guard::Policy, login::Logins, runtime::OwnRuntime, tls::Tls,
    work::WorkPool,
};

impl Front {
    /// Filters hear of transactions, and end with their owners' right to read; changed files are read again.
    pub(crate) fn tend(&self, tasks: &OwnRuntime, shutdown: &CancellationToken) {
        let Ok(grant) = self.gate.grant_read(&Identity::Local) else { return };
        let view = self.gate.view(&grant);
        // From now on, not from when the task first runs.
        tasks.spawn(feed_pending(Arc::clone(&self.context), view.pool().subscribe(), shutdown.clone()));
        let logins = match &self.guard.policy {
            Policy::Members(logins) => Some(Arc::clone(logins)),
            _ => None,
        };
        if logins.is_some() || self.tls.is_some() {
            tasks.spawn(read_again(logins.clone(), self.tls.clone(), shutdown.clone()));
        }
        if logins.is_some() {
            let (context, work, head) = (Arc::clone(&self.context), self.work.clone(), view.watch_head());
            tasks.spawn(end_filters(context, work, head, shutdown.clone()));
        }
    }
}

/// Looks at the files of services and certificates.
async fn read_again(logins: Option<Arc<Logins>>, tls: Option<Tls>, shutdown: CancellationToken) {
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = tick.tick() => {}
        }
        let (logins, tls) = (logins.clone(), tls.clone());
        let looked = tokio::task::spawn_blocking(move || {
            logins.iter().for_each(|logins| logins.refresh());
            tls.iter().for_each(Tls::refresh);
        });
        match shutdown.run_until_cancelled(looked).await {
            None => return,
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::error!(%error, "files of keys and certificates could not be looked at"),
        }
    }
}

/// At each new head, filters of accounts that may not read any more end.
async fn end_filters(
    context: Arc<Context>,
    work: WorkPool,
    mut head: watch::Receiver<Head>,
    shutdown: CancellationToken,
) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            changed = head.changed() => if changed.is_err() { return },
        }
        let context = Arc::clone(&context);
        let swept = work.run_waiting(move || {
            for owner in context.filters.owners() {
                let granted: Result<Grant<Read>, _> = context.grant(&Identity::Address(owner));
                if granted.is_err() {
                    context.filters.forget(owner);
                }
            }
            Ok(())
        });
        match shutdown.run_until_cancelled(swept).await {
            None => return,
            Some(Ok(())) => {}
            Some(Err(failure)) => {
                tracing::warn!(%failure, "filters of lost readers were not ended; they cannot be polled either");
            }
        }
    }
}

/// Remembers pooled transactions for filters.
async fn feed_pending(context: Arc<Context>, mut pooled: Receiver<Newly>, shutdown: CancellationToken) {
    loop {
        let next = tokio::select! {
            () = shutdown.cancelled() => return,
            next = pooled.recv() => next,
        };
        match next {
            Ok(pooled) => pooled.iter().for_each(|tx| context.filters.pending.push(tx.hash())),
            Err(RecvError::Lagged(missed)) => tracing::debug!(missed, "pending filters missed transactions"),
            Err(RecvError::Closed) => return,
        }
    }
}
