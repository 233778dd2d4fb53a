//! Watches the head: names who missed a step, tells the author of new epochs.

use std::{sync::Arc, time::Duration};

use aurum_aura::{Clock, skipped_proposers};
use aurum_chain::{Chain, HeadChange};
use aurum_types::Step;
use tokio::{sync::broadcast::error::RecvError, task};
use tokio_util::sync::CancellationToken;

use crate::author::{Author, AuthorMetrics, Lookout};

/// Blocks older than this are being synced; their missed steps are history.
const RECENT: Duration = Duration::from_secs(120);

/// Follows the head.
pub(crate) struct Watcher {
    pub(crate) chain: Chain,
    pub(crate) clock: Arc<dyn Clock>,
    /// What the import has seen.
    pub(crate) lookout: Arc<Lookout>,
    /// Ours, if this node seals.
    pub(crate) author: Option<Arc<Author>>,
    pub(crate) metrics: AuthorMetrics,
}

impl Watcher {
    /// Runs until the token is cancelled.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut events = self.chain.events();
        let mut watcher = self;
        let mut last = None;
        loop {
            let event = match shutdown.run_until_cancelled(events.recv()).await {
                None | Some(Err(RecvError::Closed)) => return,
                Some(Err(RecvError::Lagged(_))) => {
                    last = None;
                    continue;
                }
                Some(Ok(event)) => event,
            };
            // Locks of the chain and the author are taken below.
            let work = task::spawn_blocking(move || {
                watcher.note(&event, &mut last);
                (watcher, last)
            });
            match work.await {
                Ok(back) => (watcher, last) = back,
                Err(_) => return,
            }
        }
    }

    fn note(&self, event: &HeadChange, last: &mut Option<Step>) {
        if !event.retracted.is_empty() {
            let (depth, head) = (event.retracted.len(), event.head.latest);
            tracing::warn!(depth, number = head.number, hash = %head.hash, "another branch is the head now");
            *last = None;
        }
        let Ok(authoring) = self.chain.authoring() else { return };
        let now = self.clock.now();
        for block in &event.enacted {
            let header = block.header();
            let Some(step) = header.step() else { continue };
            let recent = now.saturating_sub(Duration::from_secs(header.timestamp)) < RECENT;
            if let Some(parent) = last.filter(|_| recent) {
                for (missed, validator) in skipped_proposers(authoring.engine().child_validators(), parent, step) {
                    self.metrics.missed(validator);
                    tracing::warn!(step = %missed, %validator, before = header.number, "a step was missed");
                }
            }
            *last = Some(step);
        }
        self.metrics.looked_out(&self.lookout);
        if let Some(author) = &self.author {
            author.note_head(&authoring);
        }
    }
}
