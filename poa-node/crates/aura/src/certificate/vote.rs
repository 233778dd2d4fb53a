//! What is signed: a link from a justified block to a later one on the same branch.

use std::fmt;

use alloy::{
    primitives::{Address, B256, U256, keccak256},
    rlp::{self, Decodable},
    sol_types::SolValue,
};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use aurum_types::{BlockNumber, crypto};

use crate::{Signer, SignerError};

/// The type of the domain in EIP-712.
const DOMAIN_TYPE: &str = "EIP712Domain(string name,string version,uint256 chainId,bytes32 salt)";
/// The type of a vote in EIP-712; its text is the interface with contracts and signing devices.
const VOTE_TYPE: &str = "FinalityVote(uint64 sourceNumber,bytes32 sourceHash,uint64 targetNumber,bytes32 targetHash,\
                         bytes32 validatorHistory)";

/// A block as votes name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, RlpEncodable, RlpDecodable)]
pub struct Checkpoint {
    /// Height.
    pub number: BlockNumber,
    /// Hash.
    pub hash: B256,
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.number, self.hash)
    }
}

/// What a vote says: "the source is justified, and the target is a later block on its branch that I have".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, RlpEncodable, RlpDecodable)]
pub struct Link {
    /// The highest justified block the voter knew.
    pub source: Checkpoint,
    /// A descendant of the source.
    pub target: Checkpoint,
    /// The [`ValidatorHistory`](crate::certificate::ValidatorHistory) after the source: who may seal its children, and
    /// how that came to be. It lets a verifier without state follow changes of the validators.
    pub history: B256,
}

impl Link {
    /// Whether a quorum on this link makes its source final: the target is a child of the source.
    pub const fn certifies(&self) -> bool {
        match self.source.number.checked_add(1) {
            Some(child) => child == self.target.number,
            None => false,
        }
    }

    /// Whether this link begins before the other and ends after it: together they are an offence.
    pub const fn surrounds(&self, other: &Self) -> bool {
        self.source.number < other.source.number && other.target.number < self.target.number
    }
}

/// Separates the votes of one chain from those of others: the EIP-712 domain `Aurum Finality`, version 1, of a chain id,
/// salted with the genesis hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoteDomain(B256);

impl VoteDomain {
    /// The domain of a chain.
    pub fn new(chain_id: u64, genesis: B256) -> Self {
        let fields =
            (keccak256(DOMAIN_TYPE), keccak256("Aurum Finality"), keccak256("1"), U256::from(chain_id), genesis)
                .abi_encode();
        Self(keccak256(fields))
    }

    /// The domain separator of EIP-712.
    pub const fn separator(&self) -> B256 {
        self.0
    }

    /// What a key signs for `link`: `keccak256(0x1901 ‖ separator ‖ hash of the struct)`.
    pub fn digest(&self, link: &Link) -> B256 {
        let Link { source, target, history } = link;
        let fields = (
            keccak256(VOTE_TYPE),
            U256::from(source.number),
            source.hash,
            U256::from(target.number),
            target.hash,
            *history,
        );
        let mut message = [0; 66];
        message[..2].copy_from_slice(&[0x19, 0x01]);
        message[2..34].copy_from_slice(self.0.as_slice());
        message[34..].copy_from_slice(keccak256(fields.abi_encode()).as_slice());
        keccak256(message)
    }
}

/// Why bytes are no vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VoteError {
    /// Not `RLP([link, signature])`.
    #[error("not the encoding of a vote")]
    Malformed,
    /// The target is not above the source.
    #[error("a vote's target must be above its source")]
    Backwards,
    /// No key can have made the signature.
    #[error("no key can have made this vote's signature")]
    NoSigner,
}

/// A signed link. Its signer is known to have signed it; whether that key counts is another question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    link: Link,
    signer: Address,
    signature: [u8; 65],
}

#[derive(RlpEncodable, RlpDecodable)]
struct Wire {
    link: Link,
    signature: [u8; 65],
}

impl Vote {
    /// Signs. What a key may sign is [`Guard`](crate::certificate::Guard)'s to say, before this.
    ///
    /// # Errors
    /// [`SignerError`].
    pub fn sign(domain: &VoteDomain, link: Link, signer: &dyn Signer) -> Result<Self, SignerError> {
        let signature = signer.sign(domain.digest(&link))?;
        Ok(Self { link, signer: signer.address(), signature })
    }

    /// The vote that this signature (r ‖ s ‖ v, v 0 or 1) is of. Costs about 30 µs.
    ///
    /// # Errors
    /// [`VoteError`].
    pub fn recover(domain: &VoteDomain, link: Link, signature: [u8; 65]) -> Result<Self, VoteError> {
        if link.target.number <= link.source.number {
            return Err(VoteError::Backwards);
        }
        let signer = crypto::recover(domain.digest(&link), &signature).map_err(|_| VoteError::NoSigner)?;
        Ok(Self { link, signer, signature })
    }

    /// What it says.
    pub const fn link(&self) -> &Link {
        &self.link
    }

    /// Whose it is.
    pub const fn signer(&self) -> Address {
        self.signer
    }

    /// r ‖ s ‖ v over [`VoteDomain::digest`]; v is 0 or 1.
    pub const fn signature(&self) -> &[u8; 65] {
        &self.signature
    }

    /// `RLP([link, signature])`.
    pub fn encode(&self) -> Vec<u8> {
        rlp::encode(Wire { link: self.link, signature: self.signature })
    }

    /// Reads what [`Self::encode`] wrote and recovers the signer.
    ///
    /// # Errors
    /// [`VoteError`].
    pub fn decode(domain: &VoteDomain, mut bytes: &[u8]) -> Result<Self, VoteError> {
        let wire = Wire::decode(&mut bytes).map_err(|_| VoteError::Malformed)?;
        if !bytes.is_empty() {
            return Err(VoteError::Malformed);
        }
        Self::recover(domain, wire.link, wire.signature)
    }
}

#[cfg(test)]
mod tests {
    use secp256k1::SecretKey;

    use super::*;
    use crate::KeySigner;

    fn link() -> Link {
        Link {
            source: Checkpoint { number: 6, hash: B256::repeat_byte(6) },
            target: Checkpoint { number: 7, hash: B256::repeat_byte(7) },
            history: B256::repeat_byte(9),
        }
    }

    #[test]
    fn a_vote_survives_the_wire_and_names_its_signer() {
        let signer = KeySigner::new(SecretKey::from_byte_array(keccak256("1").0).unwrap());
        let domain = VoteDomain::new(17, B256::repeat_byte(1));
        let vote = Vote::sign(&domain, link(), &signer).unwrap();
        assert_eq!(Vote::decode(&domain, &vote.encode()), Ok(vote.clone()));
        assert_eq!(vote.signer(), signer.address());
        let mut longer = vote.encode();
        longer.push(0);
        assert_eq!(Vote::decode(&domain, &longer), Err(VoteError::Malformed));
    }

    #[test]
    fn a_vote_of_one_chain_is_nobodys_on_another() {
        let signer = KeySigner::new(SecretKey::from_byte_array(keccak256("1").0).unwrap());
        let domain = VoteDomain::new(17, B256::repeat_byte(1));
        let vote = Vote::sign(&domain, link(), &signer).unwrap();
        for other in [VoteDomain::new(18, B256::repeat_byte(1)), VoteDomain::new(17, B256::repeat_byte(2))] {
            let elsewhere = Vote::decode(&other, &vote.encode());
            assert!(elsewhere.is_err() || elsewhere.is_ok_and(|vote| vote.signer() != signer.address()));
        }
    }

    #[test]
    fn a_link_goes_up() {
        let mut link = link();
        link.target.number = link.source.number;
        let domain = VoteDomain::new(1, B256::ZERO);
        assert_eq!(Vote::recover(&domain, link, [1; 65]), Err(VoteError::Backwards));
    }
}
