//! A quorum on one link, as a thing to keep, send and verify without a chain.

use std::collections::BTreeMap;

use alloy::{primitives::Address, rlp::Decodable};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use aurum_types::ValidatorSet;

use super::{Link, ValidatorHistory, Vote, VoteDomain, VoteError, electorate::counted};

/// Signatures one certificate may have.
const MAX_SIGNATURES: usize = 1024;

/// The votes of a quorum for one link. They justify its target; where the target is a child of the source they make the
/// source final ([`Link::certifies`]).
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct Certificate {
    /// What was voted for.
    pub link: Link,
    /// r ‖ s ‖ v (v 0 or 1) of each voter over [`VoteDomain::digest`], ascending by the voters' addresses.
    pub signatures: Vec<[u8; 65]>,
}

/// Why a certificate proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not the encoding of one.
    #[error("not the encoding of a certificate")]
    Malformed,
    /// A signature is of nobody.
    #[error(transparent)]
    Vote(#[from] VoteError),
    /// It justifies its target and makes nothing final.
    #[error("the votes' target is no child of their source, so they make nothing final")]
    NotFinal,
    /// The validator sets given are not those the voters named.
    #[error("the votes name another history of validators than the sets given")]
    History,
    /// Too few members of a set signed.
    #[error("{signed} of set {set} have signed, {needed} are needed")]
    Quorum {
        /// Which set: 0 is the one trusted before, the others those recorded since.
        set: usize,
        /// How many of its members signed.
        signed: usize,
        /// How many are needed.
        needed: usize,
    },
}

impl Certificate {
    /// The certificate that these votes for one link are.
    pub fn new(link: Link, votes: &BTreeMap<Address, Vote>) -> Self {
        Self { link, signatures: votes.values().map(|vote| *vote.signature()).collect() }
    }

    /// The votes in it, by signer.
    ///
    /// # Errors
    /// [`VoteError`] when one of them is none.
    pub fn votes(&self, domain: &VoteDomain) -> Result<BTreeMap<Address, Vote>, VoteError> {
        let votes = self.signatures.iter().map(|signature| Vote::recover(domain, self.link, *signature));
        votes.map(|vote| vote.map(|vote| (vote.signer(), vote))).collect()
    }

    /// `RLP([link, [signature…]])`.
    pub fn encode(&self) -> Vec<u8> {
        alloy::rlp::encode(self)
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// [`CertificateError::Malformed`], also for more signatures than any set has members.
    pub fn decode(mut bytes: &[u8]) -> Result<Self, CertificateError> {
        let certificate = <Self as Decodable>::decode(&mut bytes).map_err(|_| CertificateError::Malformed)?;
        if bytes.is_empty() && certificate.signatures.len() <= MAX_SIGNATURES {
            Ok(certificate)
        } else {
            Err(CertificateError::Malformed)
        }
    }
}

/// What a verifier without a chain believes: who the validators are, and the history that made them so. It begins with
/// the genesis set and moves on with each certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// The set in force after the last certified block.
    pub validators: ValidatorSet,
    /// The history after that block.
    pub history: ValidatorHistory,
}

impl Trust {
    /// Trust in a genesis set.
    pub fn genesis(validators: ValidatorSet) -> Self {
        let history = ValidatorHistory::first(&validators);
        Self { validators, history }
    }

    /// Verifies a certificate, with the sets that were recorded between the block certified before and this one in their
    /// order (usually none), and returns whom to trust from its block on. A quorum of the trusted set and of each new
    /// one must have signed.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn verify(
        &self,
        domain: &VoteDomain,
        certificate: &Certificate,
        recorded: &[ValidatorSet],
    ) -> Result<Self, CertificateError> {
        if !certificate.link.certifies() {
            return Err(CertificateError::NotFinal);
        }
        let history = recorded.iter().fold(self.history, |history, set| history.then(set));
        if history.0 != certificate.link.history {
            return Err(CertificateError::History);
        }
        let votes = certificate.votes(domain)?;
        for (set, validators) in std::iter::once(&self.validators).chain(recorded).enumerate() {
            counted(validators, |member| votes.contains_key(&member))
                .map_err(|(signed, needed)| CertificateError::Quorum { set, signed, needed })?;
        }
        let validators = recorded.last().unwrap_or(&self.validators).clone();
        Ok(Self { validators, history })
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{B256, keccak256};
    use secp256k1::SecretKey;

    use super::*;
    use crate::{KeySigner, Signer as _, certificate::Checkpoint};

    fn key(id: u8) -> KeySigner {
        KeySigner::new(SecretKey::from_byte_array(keccak256([id]).0).unwrap())
    }

    fn set(ids: impl IntoIterator<Item = u8>) -> ValidatorSet {
        ValidatorSet::new(ids.into_iter().map(|id| key(id).address()).collect())
    }

    fn domain() -> VoteDomain {
        VoteDomain::new(17, B256::repeat_byte(3))
    }

    fn certificate(source: u64, target: u64, history: ValidatorHistory, signers: &[u8]) -> Certificate {
        let at = |number: u64| Checkpoint { number, hash: B256::left_padding_from(&number.to_be_bytes()) };
        let link = Link { source: at(source), target: at(target), history: history.0 };
        let votes = signers.iter().map(|id| Vote::sign(&domain(), link, &key(*id)).unwrap());
        Certificate::new(link, &votes.map(|vote| (vote.signer(), vote)).collect())
    }

    #[test]
    fn a_quorum_of_the_trusted_set_makes_a_block_final() {
        let trust = Trust::genesis(set(1..=4));
        let good = certificate(6, 7, trust.history, &[1, 2, 4]);
        assert_eq!(trust.verify(&domain(), &good, &[]), Ok(trust.clone()));
        assert_eq!(Certificate::decode(&good.encode()), Ok(good));
        let few = certificate(6, 7, trust.history, &[1, 2]);
        assert_eq!(trust.verify(&domain(), &few, &[]), Err(CertificateError::Quorum { set: 0, signed: 2, needed: 3 }));
        let strangers = certificate(6, 7, trust.history, &[1, 2, 9]);
        assert!(matches!(trust.verify(&domain(), &strangers, &[]), Err(CertificateError::Quorum { signed: 2, .. })));
        let far = certificate(6, 8, trust.history, &[1, 2, 3, 4]);
        assert_eq!(trust.verify(&domain(), &far, &[]), Err(CertificateError::NotFinal));
    }

    #[test]
    fn one_signature_many_times_is_one_vote() {
        let trust = Trust::genesis(set(1..=4));
        let mut copies = certificate(6, 7, trust.history, &[1]);
        copies.signatures = vec![copies.signatures[0]; 4];
        assert!(matches!(trust.verify(&domain(), &copies, &[]), Err(CertificateError::Quorum { signed: 1, .. })));
    }

    #[test]
    fn no_bit_of_a_certificate_can_change() {
        let trust = Trust::genesis(set(1..=4));
        let good = certificate(6, 7, trust.history, &[1, 2, 4]).encode();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let verdict = Certificate::decode(&bad).and_then(|bad| trust.verify(&domain(), &bad, &[]));
            assert!(verdict.is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_change_of_validators_is_followed_when_both_sets_sign() {
        let old = Trust::genesis(set(1..=4));
        let (middle, new) = (set(2..=5), set(3..=6));
        let recorded = [middle.clone(), new.clone()];
        let history = old.history.then(&middle).then(&new);
        let moved = old.verify(&domain(), &certificate(6, 7, history, &[2, 3, 4, 5]), &recorded).unwrap();
        assert_eq!(moved, Trust { validators: new, history });
        let next = certificate(9, 10, history, &[4, 5, 6]);
        assert_eq!(moved.verify(&domain(), &next, &[]).as_ref(), Ok(&moved));
        assert_eq!(old.verify(&domain(), &next, &[]), Err(CertificateError::History));
        let old_only = certificate(6, 7, history, &[1, 2, 3]);
        assert!(matches!(old.verify(&domain(), &old_only, &recorded), Err(CertificateError::Quorum { set: 1, .. })));
        let swapped = [recorded[1].clone(), recorded[0].clone()];
        let all = certificate(6, 7, history, &[1, 2, 3, 4, 5, 6]);
        assert_eq!(old.verify(&domain(), &all, &swapped), Err(CertificateError::History));
    }
}
