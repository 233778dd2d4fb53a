//! Somebody who reads for longer than one request: the right to is asked for again and again.

use std::sync::Arc;

use aurum_chain::{Grant, Head, Identity, Read, View};
use tokio::sync::watch;

use crate::{
    caller::Caller,
    context::Context,
    error::{Answer, Failure},
    work::WorkPool,
};

/// A subscription's or connection's owner.
pub(crate) struct Reader {
    context: Arc<Context>,
    work: WorkPool,
    caller: Caller,
}

impl Reader {
    pub(crate) const fn new(context: Arc<Context>, work: WorkPool, caller: Caller) -> Self {
        Self { context, work, caller }
    }

    /// Asks the gate anew: off this thread where that may run the permission contract.
    ///
    /// # Errors
    /// Why the caller may not read now.
    pub(crate) async fn view(&self) -> Answer<View> {
        let (context, identity) = (Arc::clone(&self.context), self.caller.identity());
        let ask = move || {
            let grant: Grant<Read> = context.grant(&identity)?;
            Ok(context.view(&grant))
        };
        match identity {
            Identity::Local | Identity::Anonymous | Identity::Stranger => ask(),
            Identity::Public | Identity::Address(_) => self.work.run_waiting(ask).await,
        }
    }

    /// Waits until who may read now may not any more, and says why: asks at each new head, and hears of the end of what
    /// proved the caller at once.
    pub(crate) async fn lost(&self, mut head: watch::Receiver<Head>) -> Failure {
        loop {
            tokio::select! {
                ended = self.caller.ended() => return ended,
                changed = head.changed() => if changed.is_err() {
                    // The node stops, and the connection with it.
                    return std::future::pending().await;
                }
            }
            if let Err(failure) = self.view().await {
                return failure;
            }
        }
    }

    /// Waits for the end of what proved the caller, or until who once could read cannot any more: who may only send is no
    /// reader that lost anything.
    pub(crate) async fn ended(&self, mut head: watch::Receiver<Head>) -> Failure {
        head.mark_unchanged();
        while self.view().await.is_err() {
            tokio::select! {
                ended = self.caller.ended() => return ended,
                changed = head.changed() => if changed.is_err() {
                    return std::future::pending().await;
                }
            }
        }
        self.lost(head).await
    }
}
