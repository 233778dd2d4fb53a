//! What a network, an author and a voter would say of the small chain: stand-ins that tell what is true of it.

use std::net::SocketAddr;

use alloy::primitives::Address;
use aurum_aura::{
    Signer as _,
    certificate::{Branches as _, Certificate, Link, Vote, VoteDomain},
};
use aurum_chain::{BlockRef, Chain};
use aurum_rpc::{FinalityApi, FinalityStatusJson, PeerView, PeersApi, SealingApi, SealingView, VoterJson};
use aurum_types::{SealedBlock, Step};

use crate::common::kit::key;

pub fn at(block: &SealedBlock) -> BlockRef {
    BlockRef { number: block.number(), hash: block.hash() }
}

/// The certificate of `source` by the votes of the first `voters` keys for its child.
pub fn certificate(chain: &Chain, source: &SealedBlock, target: &SealedBlock, voters: usize) -> Certificate {
    let source = at(source).into();
    let history = chain.branches().history(source).unwrap().expect("the history is known").0;
    let link = Link { source, target: at(target).into(), history };
    let domain = VoteDomain::new(chain.spec().params.chain_id, chain.genesis_hash());
    let votes = (0..voters).map(|index| Vote::sign(&domain, link, &key(index)).unwrap());
    Certificate::new(link, &votes.map(|vote| (vote.signer(), vote)).collect())
}

/// Everybody voted for the link of the last certificate.
#[derive(Debug)]
pub struct Voters(pub FinalityStatusJson);

impl Voters {
    pub fn of(certificate: &Certificate, validators: &[Address]) -> Self {
        let Link { source, target, .. } = certificate.link;
        let voter = |validator: &Address| VoterJson {
            validator: *validator,
            source: Some(source.into()),
            target: Some(target.into()),
        };
        Self(FinalityStatusJson {
            certified: source.into(),
            justified: target.into(),
            voters: validators.iter().map(voter).collect(),
            needed: vec![certificate.signatures.len()],
            key: validators.first().copied(),
            stopped: None,
            equivocations: Vec::new(),
        })
    }
}

impl FinalityApi for Voters {
    fn status(&self) -> FinalityStatusJson {
        self.0.clone()
    }
}

/// The author of key 0.
pub struct Author(pub SealingView);

impl Author {
    pub fn of(block: &SealedBlock) -> Self {
        Self(SealingView {
            address: key(0).address(),
            last_sealed: block.header().step().map(|Step(step)| (Step(step), at(block))),
            no_block: None,
            key_elsewhere: None,
            clock_offset_ms: Some(12),
        })
    }
}

impl SealingApi for Author {
    fn address(&self) -> Address {
        self.0.address
    }

    fn status(&self) -> SealingView {
        self.0.clone()
    }
}

/// One peer at the same height.
pub struct OnePeer(pub u64);

impl PeersApi for OnePeer {
    fn enode(&self) -> String {
        format!("enode://{}@192.0.2.1:30303", "11".repeat(64))
    }

    fn peers(&self) -> Vec<PeerView> {
        vec![PeerView {
            id: "22".repeat(64),
            name: "Aurum/v0.1.0/linux-x86_64".to_owned(),
            remote: Some(SocketAddr::from(([192, 0, 2, 2], 30303))),
            local: None,
            height: Some(self.0),
            reserved: true,
        }]
    }

    fn max_peers(&self) -> usize {
        25
    }

    fn listening(&self) -> bool {
        true
    }

    fn best_peer_height(&self) -> Option<u64> {
        Some(self.0)
    }
}
