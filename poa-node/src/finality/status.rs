//! Who votes for what, for JSON-RPC.

use std::collections::BTreeMap;

use aurum_aura::certificate::{Offence, quorum};
use aurum_rpc::{EquivocationJson, FinalityApi, FinalityStatusJson, VoterJson};

use super::Finality;

impl FinalityApi for Finality {
    fn status(&self) -> FinalityStatusJson {
        let head = self.chain.head().latest.into();
        let inner = self.inner();
        let participant = &inner.participant;
        let electorate = participant.voters(head, self.chain.branches()).unwrap_or_default();
        let latest: BTreeMap<_, _> = participant.tally().latest().collect();
        let mut members: Vec<_> = electorate.sets().iter().flat_map(|set| set.as_slice()).copied().collect();
        members.sort_unstable();
        members.dedup();
        let voters = members.into_iter().map(|validator| {
            let last = latest.get(&validator);
            VoterJson {
                validator,
                source: last.map(|link| link.source.into()),
                target: last.map(|link| link.target.into()),
            }
        });
        let equivocations = participant.tally().evidence().map(|found| EquivocationJson {
            validator: found.signer(),
            offence: match found.offence {
                Offence::SameHeight => "sameHeight",
                Offence::Surround => "surround",
            }
            .to_owned(),
            votes: [found.first.encode().into(), found.second.encode().into()],
        });
        FinalityStatusJson {
            certified: participant.finalized().into(),
            justified: participant.justified().into(),
            voters: voters.collect(),
            needed: electorate.sets().iter().map(|set| quorum(set.len())).collect(),
            key: self.key(),
            stopped: inner.stopped.clone(),
            equivocations: equivocations.collect(),
        }
    }
}
