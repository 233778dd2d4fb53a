//! Who may be connected with this node, by the chain's node permission contract (aura.md §3.2), with a rule by which a
//! fresh node can join at all.
//!
//! The contract is asked on this node's own head. A fresh node's head is genesis, where the contract knows nobody, or is not
//! there yet: by the contract alone it could never sync (Parity's oldest complaint about it). So as long as this node's
//! word about the present means nothing, the peers its operator configured are let in, and nobody else:
//!
//! - its head is genesis,
//! - there is no contract at its head, or
//! - its head is older than [`STALE`]: it was away, or the chain stands still.
//!
//! From the first recent head on the contract decides about everybody, reserved peers included. What makes a head recent is
//! its timestamp by our clock, not the height some peer claims: nobody can talk himself back in.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use alloy::primitives::{Address, B256};
use aurum_aura::Clock;
use aurum_chain::{Chain, NodeDecision, NodePermission};
use aurum_network::{Admit, NodeId, Standing};

/// Age from which a head says nothing about the present.
pub(crate) const STALE: Duration = Duration::from_secs(300);

/// Nodes whose answers are remembered at one head.
const REMEMBERED: usize = 1024;

/// The contract's word about this node's neighbours.
pub(crate) struct Neighbours {
    chain: Chain,
    clock: Arc<dyn Clock>,
    contract: Address,
    own: NodeId,
    answers: Mutex<Answers>,
}

struct Answers {
    head: B256,
    of: HashMap<NodeId, NodeDecision>,
}

impl Neighbours {
    /// Who may be connected with the node `own`; `None` where the spec names no contract.
    pub(crate) fn of_chain(chain: &Chain, clock: &Arc<dyn Clock>, own: NodeId) -> Option<Arc<Admit>> {
        let contract = chain.spec().params.node_permission_contract?;
        let answers = Mutex::new(Answers { head: B256::ZERO, of: HashMap::new() });
        let neighbours = Self { chain: chain.clone(), clock: Arc::clone(clock), contract, own, answers };
        tracing::info!(%contract, "the node permission contract decides who may be connected");
        Some(Arc::new(move |node, standing| neighbours.admits(node, standing)))
    }

    fn admits(&self, node: NodeId, standing: Standing) -> Result<(), String> {
        let decision = self.decide(node)?;
        if decision.permission == NodePermission::Allowed {
            return Ok(());
        }
        if standing == Standing::Reserved && self.is_out_of_date(&decision) {
            return Ok(());
        }
        let (contract, number) = (self.contract, decision.at.number);
        Err(match decision.permission {
            NodePermission::NoContract => {
                format!("there is no node permission contract at {contract} in block {number}")
            }
            _ => format!("node permission contract {contract} does not allow it at block {number}"),
        })
    }

    fn decide(&self, node: NodeId) -> Result<NodeDecision, String> {
        let head = self.chain.head().latest.hash;
        {
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            if answers.head != head {
                answers.head = head;
                answers.of.clear();
            }
            if let Some(known) = answers.of.get(&node) {
                return Ok(*known);
            }
        }
        let halves = |id: NodeId| {
            let (first, last) = id.halves();
            [B256::from(first), B256::from(last)]
        };
        let decision = self.chain.node_permission(self.contract, halves(self.own), halves(node)).map_err(|fault| {
            tracing::error!(%fault, "node permission could not be read");
            format!("node permission could not be read: {fault}")
        })?;
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.head == decision.at.hash {
            // Strangers with ever new keys must not fill the memory; whoever is asked about again is remembered again.
            if answers.of.len() >= REMEMBERED {
                answers.of.clear();
            }
            answers.of.insert(node, decision);
        }
        Ok(decision)
    }

    /// Whether our state says nothing about the present.
    fn is_out_of_date(&self, decision: &NodeDecision) -> bool {
        let age = self.clock.now().saturating_sub(Duration::from_secs(decision.timestamp));
        decision.at.number == 0 || decision.permission == NodePermission::NoContract || age > STALE
    }
}
