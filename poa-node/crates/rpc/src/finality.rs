//! `finality_*`: certificates, and who votes. Numbers are JSON numbers; `docs/finality.md` describes the forms.

use std::fmt;

use alloy::primitives::{Address, B256, Bytes};
use aurum_chain::{
    Grant, Read,
    certificate::{Certificate, Checkpoint, Link},
    view::{CertificateStep, CertifiedBlock},
};
use aurum_types::{ChainSpec, ValidatorSet};
use jsonrpsee::core::RegisterMethodError;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    context::Context,
    error::{Answer, Failure},
    methods::Registrar,
};

/// What takes part in finality, as JSON-RPC sees it.
pub trait FinalityApi: Send + Sync + fmt::Debug {
    /// Who voted for what, and what is missing.
    fn status(&self) -> FinalityStatusJson;
}

pub(crate) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add("finality_getCertificate", certificate)?;
    methods.add("finality_status", status)
}

/// A block by number and hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointJson {
    /// Height.
    pub number: u64,
    /// Hash.
    pub hash: B256,
}

impl From<Checkpoint> for CheckpointJson {
    fn from(Checkpoint { number, hash }: Checkpoint) -> Self {
        Self { number, hash }
    }
}

impl From<CheckpointJson> for Checkpoint {
    fn from(CheckpointJson { number, hash }: CheckpointJson) -> Self {
        Self { number, hash }
    }
}

/// One quorum of votes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateStepJson {
    /// The block made final.
    pub source: CheckpointJson,
    /// Its child, which the votes name.
    pub target: CheckpointJson,
    /// The history of validator sets after the source.
    pub validator_history: B256,
    /// r ‖ s ‖ v of each voter, ascending by address.
    pub signatures: Vec<Bytes>,
    /// Validator sets recorded since the certificate before, in order; a quorum of each has signed as well.
    pub recorded: Vec<Vec<Address>>,
}

impl CertificateStepJson {
    fn of(step: &CertificateStep) -> Self {
        let Certificate { link, signatures } = &step.certificate;
        Self {
            source: link.source.into(),
            target: link.target.into(),
            validator_history: link.history,
            signatures: signatures.iter().map(|signature| Bytes::copy_from_slice(signature)).collect(),
            recorded: step.recorded.iter().map(|set| set.as_slice().to_vec()).collect(),
        }
    }

    /// The certificate and the sets again; `None` when a signature is not 65 bytes long.
    pub fn to_step(&self) -> Option<CertificateStep> {
        let signatures = self.signatures.iter().map(|signature| signature.as_ref().try_into().ok());
        let certificate = Certificate {
            link: Link { source: self.source.into(), target: self.target.into(), history: self.validator_history },
            signatures: signatures.collect::<Option<_>>()?,
        };
        let recorded = self.recorded.iter().cloned().map(ValidatorSet::new).collect();
        Some(CertificateStep { certificate, recorded })
    }
}

/// What `finality_getCertificate` answers and `poa-node verify-certificate` reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateJson {
    /// EIP-155 chain id, part of what was signed.
    pub chain_id: u64,
    /// Hash of block 0, part of what was signed.
    pub genesis_hash: B256,
    /// The height asked for.
    pub height: u64,
    /// The block that the last certificate makes final, at this height or above.
    pub block: CheckpointJson,
    /// Certificates that follow the changes of validators since genesis; the last is of [`Self::block`].
    pub certificates: Vec<CertificateStepJson>,
    /// RLP of the header of [`Self::block`] and of each parent, down to the height asked for.
    pub headers: Vec<Bytes>,
}

impl CertificateJson {
    fn new(spec: &ChainSpec, genesis_hash: B256, height: u64, found: &CertifiedBlock) -> Option<Self> {
        let encode = |header: &aurum_types::Header| Bytes::from(alloy::rlp::encode(header));
        Some(Self {
            chain_id: spec.params.chain_id,
            genesis_hash,
            height,
            block: found.steps.last()?.certificate.link.source.into(),
            certificates: found.steps.iter().map(CertificateStepJson::of).collect(),
            headers: found.headers.iter().map(encode).collect(),
        })
    }
}

/// A voter and its last vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoterJson {
    /// The validator.
    pub validator: Address,
    /// Where its newest vote began; null if none was heard.
    pub source: Option<CheckpointJson>,
    /// What it voted for.
    pub target: Option<CheckpointJson>,
}

/// Two votes that no honest key signs both of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EquivocationJson {
    /// Whose.
    pub validator: Address,
    /// `sameHeight` or `surround`.
    pub offence: String,
    /// RLP `[link, signature]` of each.
    pub votes: [Bytes; 2],
}

/// What `finality_status` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalityStatusJson {
    /// The highest certified block.
    pub certified: CheckpointJson,
    /// The highest block that a quorum voted for; its children certify it.
    pub justified: CheckpointJson,
    /// Who has a vote.
    pub voters: Vec<VoterJson>,
    /// Votes needed of each validator set in force since the certified block: usually one number.
    pub needed: Vec<usize>,
    /// The key this node votes with.
    pub key: Option<Address>,
    /// Why this node does not vote, if it should and does not.
    pub stopped: Option<String>,
    /// Who voted twice, the oldest first.
    pub equivocations: Vec<EquivocationJson>,
}

/// The lowest certificate at or above a height, with the headers down to it; null while there is none.
fn certificate(context: &Context, grant: &Grant<Read>, (height,): (Value,)) -> Answer<Option<CertificateJson>> {
    let view = context.view(grant);
    let height = match &height {
        Value::String(tag) if tag == "finalized" => view.head().finalized.number,
        value => number(value).ok_or_else(|| Failure::Params(format!("invalid argument 0: no height: {value}")))?,
    };
    let Some(found) = view.certified(height)? else { return Ok(None) };
    Ok(CertificateJson::new(view.spec(), view.genesis_hash(), height, &found))
}

/// Who votes for what.
fn status(context: &Context, _grant: &Grant<Read>, (): ()) -> Answer<FinalityStatusJson> {
    let finality = context.finality.as_ref();
    let finality = finality.ok_or_else(|| Failure::Server("finality certificates are off on this chain".to_owned()))?;
    Ok(finality.status())
}

/// A number, or a string of hex digits with 0x or of decimal ones.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_height_is_a_number_or_a_string_of_one() {
        for seven in [json!(7), json!("7"), json!("0x7")] {
            assert_eq!(number(&seven), Some(7));
        }
        for nonsense in [json!(-1), json!("seven"), json!("0xg"), json!(null), json!([7])] {
            assert_eq!(number(&nonsense), None);
        }
    }

    #[test]
    fn a_step_survives_json() {
        let json = CertificateStepJson {
            source: CheckpointJson { number: 6, hash: B256::repeat_byte(6) },
            target: CheckpointJson { number: 7, hash: B256::repeat_byte(7) },
            validator_history: B256::repeat_byte(1),
            signatures: vec![Bytes::from(vec![9; 65])],
            recorded: vec![vec![Address::repeat_byte(2)]],
        };
        assert_eq!(CertificateStepJson::of(&json.to_step().unwrap()), json);
        let short = CertificateStepJson { signatures: vec![Bytes::from(vec![9; 64])], ..json };
        assert_eq!(short.to_step(), None);
    }
}
