//! Asks the chains what a decision needs.

use std::time::Duration;

use alloy::{
    eips::BlockId,
    primitives::{Address, B256, Bytes},
    providers::DynProvider,
};
use aurum_contracts::{HomeBridge, Side, Sides};

use crate::{
    chain::{Chain, ChainError, View},
    decide::{Executed, Facts, Obstacle, distance},
    lane::Lane,
    state::{Attestation, Record, Step, Work},
};

/// Both chains, and one look at each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) chains: &'a Sides<Chain>,
    pub(crate) home: &'a View,
    pub(crate) foreign: &'a View,
    pub(crate) own: Address,
    pub(crate) takeover_delay: Duration,
}

impl<'a> Scene<'a> {
    const fn view(&self, side: Side) -> &'a View {
        match side {
            Side::Home => self.home,
            Side::Foreign => self.foreign,
        }
    }

    /// The home bridge.
    pub(crate) fn home_bridge(&self) -> HomeBridge::HomeBridgeInstance<DynProvider> {
        HomeBridge::new(self.chains.home.at.bridge, self.chains.home.provider.clone())
    }

    /// Epoch to sign under. A foreign set is taken from a final block: home refuses to go back to an earlier epoch, so
    /// one that a reorganisation takes away would block the transfer.
    const fn signing_epoch(&self, lane: Lane) -> u64 {
        match lane.to() {
            Side::Home => self.home.epoch,
            Side::Foreign => self.foreign.final_epoch,
        }
    }

    /// Whether the destination paid `record` out.
    async fn executed(&self, record: &Record) -> Result<Executed, ChainError> {
        let to = record.key.lane.to();
        let (chain, view, id) = (self.chains.get(to), self.view(to), record.deposit.id);
        if !chain.is_executed(id, view.latest.number).await? {
            return Ok(Executed::No);
        }
        let is_final =
            view.last_final.number >= chain.at.deploy_block && chain.is_executed(id, view.last_final.number).await?;
        Ok(if is_final { Executed::Final } else { Executed::Latest })
    }

    /// Everything [`decide`](crate::decide) wants to know about `record` in its state.
    pub(crate) async fn facts(&self, record: &Record, ready_for: Duration) -> Result<Facts, ChainError> {
        let lane = record.key.lane;
        let destination = self.view(lane.to());
        let executed = self.executed(record).await?;
        let own_place = destination.validators.iter().position(|validator| *validator == self.own);
        let mut facts = Facts {
            executed,
            verified: false,
            policy_known: record.deposit.policy_epoch == 0,
            token_known: false,
            validator: self.home.validators.contains(&self.own),
            signing_epoch: self.signing_epoch(lane),
            executing_epoch: destination.epoch,
            attested_epoch: 0,
            count: 0,
            needed: destination.threshold,
            obstacle: None,
            distance: distance(record.key.nonce, own_place, destination.validators.len()),
            ready_for,
            takeover_delay: self.takeover_delay,
        };
        if executed != Executed::No {
            return Ok(facts);
        }
        let token = match record.step {
            Step::Seen | Step::Final | Step::Attested { .. } | Step::Mined { .. } => {
                self.destination_token(record).await?
            }
            _ => Address::ZERO,
        };
        facts.token_known = !token.is_zero();
        facts.verified = matches!(record.step, Step::Seen) && self.verified(record).await?;
        let home = BlockId::number(self.home.latest.number);
        facts.attested_epoch = self.home_bridge().attestedEpoch(record.deposit.id, self.own).block(home).call().await?;
        if let Step::Mined { attestation, work: Work::Attest, block, .. } = &record.step
            && block.number > self.home.latest.number
        {
            // The receipt came from a newer block than this view of the chain: it is not lost, it is not seen yet.
            facts.attested_epoch = attestation.epoch;
        }
        if let Some(attestation) = record.step.attestation() {
            facts.count = self.usable(lane, attestation).await?.len();
            if facts.count >= facts.needed && facts.token_known {
                facts.obstacle = self.obstacle(record, token).await?;
            }
        }
        Ok(facts)
    }

    /// Whether the source bridge remembers, at its final block, exactly the deposit the log told of.
    async fn verified(&self, record: &Record) -> Result<bool, ChainError> {
        let lane = record.key.lane;
        let (source, destination) = (self.chains.get(lane.from()), self.chains.get(lane.to()));
        let deposit = &record.deposit;
        let remembered = source.deposit_hash(deposit.nonce, self.view(lane.from()).last_final.number).await?;
        let told = deposit.message(&source.at, 0).body_hash();
        Ok(remembered == told && deposit.id == deposit.expected_id(&source.at, &destination.at))
    }

    /// Its token on the destination, zero if it has none.
    async fn destination_token(&self, record: &Record) -> Result<Address, ChainError> {
        let to = record.key.lane.to();
        let at = BlockId::number(self.view(to).latest.number);
        Ok(self.chains.get(to).bridge().localToken(record.deposit.token).block(at).call().await?)
    }

    /// Signatures of the attested digest the destination accepts, ascending by signer.
    pub(crate) async fn usable(&self, lane: Lane, attestation: &Attestation) -> Result<Vec<Bytes>, ChainError> {
        let home = BlockId::number(self.home.latest.number);
        let all = self.home_bridge().signatures(attestation.digest).block(home).call().await?;
        let accepted = &self.view(lane.to()).validators;
        let both = all.signers.into_iter().zip(all.signatures_);
        Ok(both.filter(|(signer, _)| accepted.contains(signer)).map(|(_, signature)| signature).collect())
    }

    /// Why the destination would not pay now.
    async fn obstacle(&self, record: &Record, token: Address) -> Result<Option<Obstacle>, ChainError> {
        let to = record.key.lane.to();
        let view = self.view(to);
        if view.paused {
            return Ok(Some(Obstacle::Paused));
        }
        let at = BlockId::number(view.latest.number);
        let info = self.chains.get(to).bridge().tokenInfo(token).block(at).call().await?;
        let amount = record.deposit.amount;
        Ok(if amount > info.limits.executionMax {
            Some(Obstacle::OverMax { max: info.limits.executionMax })
        } else if amount > info.executionLeft {
            Some(Obstacle::OverDaily { left: info.executionLeft })
        } else {
            None
        })
    }

    /// Compares our digest with the contract's, for a made-up transfer of each direction.
    pub(crate) async fn check_digests(&self) -> Result<Result<(), DigestMismatch>, ChainError> {
        for lane in Lane::ALL {
            let (source, destination) = (&self.chains.get(lane.from()).at, &self.chains.get(lane.to()).at);
            let deposit = crate::Deposit {
                nonce: 7,
                id: B256::ZERO,
                block: crate::BlockRef::default(),
                tx: B256::ZERO,
                log_index: 0,
                token: Address::repeat_byte(0x11),
                sender: Address::repeat_byte(0x22),
                recipient: Address::repeat_byte(0x33),
                amount: alloy::primitives::U256::from(44),
                policy_epoch: 0,
            };
            let message = deposit.message(source, 5);
            let ours = message.digest(destination.chain_id, destination.bridge);
            let theirs = self.home_bridge().digest(message.clone().into()).call().await?;
            let id = self.home_bridge().transferId(message.into()).call().await?;
            if ours != theirs || id != deposit.expected_id(source, destination) {
                return Ok(Err(DigestMismatch { lane, ours, theirs }));
            }
        }
        Ok(Ok(()))
    }
}

/// The deployed contract means something else by a transfer than this program.
#[derive(Debug, thiserror::Error)]
#[error("the contract's digest of a {lane} transfer is {theirs}, this program's {ours}")]
pub struct DigestMismatch {
    /// Which direction.
    pub lane: Lane,
    /// Ours.
    pub ours: B256,
    /// The contract's.
    pub theirs: B256,
}
