//! `/health`: the process answers. `/ready`: it is worth sending requests to, or why not.

use std::sync::Arc;

use aurum_chain::{Gate, Head, Identity};
use serde::Serialize;

use crate::{config::Readiness, peers::PeersApi};

/// What `/ready` answers. Status 200 when `ready`, 503 otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    pub(crate) ready: bool,
    /// Why not, as sentences; empty when ready.
    pub(crate) reasons: Vec<String>,
    /// Height of the head.
    pub(crate) head: u64,
    /// Height of the newest final block.
    pub(crate) finalized: u64,
    /// Connected peers.
    pub(crate) peers: usize,
    /// Highest block a peer told us, if any did.
    pub(crate) best_peer: Option<u64>,
}

/// Answers `/ready`.
#[derive(Clone)]
pub(crate) struct Health {
    gate: Gate,
    peers: Arc<dyn PeersApi>,
    readiness: Readiness,
}

impl Health {
    pub(crate) const fn new(gate: Gate, peers: Arc<dyn PeersApi>, readiness: Readiness) -> Self {
        Self { gate, peers, readiness }
    }

    pub(crate) fn report(&self) -> Report {
        let (peers, best_peer) = (self.peers.peers().len(), self.peers.best_peer_height());
        match self.gate.grant_read(&Identity::Local) {
            Ok(grant) => judge(self.gate.view(&grant).head(), peers, best_peer, &self.readiness),
            Err(denied) => {
                Report { ready: false, reasons: vec![denied.to_string()], head: 0, finalized: 0, peers, best_peer }
            }
        }
    }
}

fn judge(head: Head, peers: usize, best_peer: Option<u64>, readiness: &Readiness) -> Report {
    let (latest, finalized) = (head.latest.number, head.finalized.number);
    let mut reasons = Vec::new();
    if peers < readiness.peers {
        reasons.push(format!("{peers} peers are connected, {} are needed", readiness.peers));
    }
    let behind = best_peer.unwrap_or(0).saturating_sub(latest);
    if behind > readiness.behind {
        reasons.push(format!("syncing: the head is {latest}, {behind} blocks behind the best peer"));
    }
    let lag = latest.saturating_sub(finalized);
    if lag > readiness.finality_lag {
        reasons.push(format!("finality stalls: {lag} blocks wait behind the final block {finalized}"));
    }
    Report { ready: reasons.is_empty(), reasons, head: latest, finalized, peers, best_peer }
}

#[cfg(test)]
mod tests {
    use aurum_chain::{BlockRef, Head};

    use super::judge;
    use crate::config::Readiness;

    fn head(latest: u64, finalized: u64) -> Head {
        let at = |number| BlockRef { number, ..BlockRef::default() };
        Head { latest: at(latest), safe: at(finalized), finalized: at(finalized) }
    }

    #[test]
    fn says_why_it_is_not_ready() {
        let readiness = Readiness { peers: 1, behind: 3, finality_lag: 64 };
        let cases = [
            (head(10, 8), 3, Some(11), None),
            (head(10, 8), 0, None, Some("peers")),
            (head(10, 8), 3, Some(14), Some("syncing")),
            (head(100, 8), 3, Some(100), Some("finality")),
        ];
        for (head, peers, best, reason) in cases {
            let report = judge(head, peers, best, &readiness);
            assert_eq!(report.ready, reason.is_none(), "{report:?}");
            assert!(reason.is_none_or(|word| report.reasons[0].contains(word)), "{report:?}");
        }
    }
}
