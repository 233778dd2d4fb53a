//! `verify-certificate`: is a block final, by a certificate and the chain spec alone?

use std::{collections::BTreeSet, fs, path::PathBuf, sync::Arc};

use alloy::primitives::{Address, B256};
use anyhow::{Context as _, bail, ensure};
use aurum_aura::certificate::{Certificate, Trust, VoteDomain, quorum};
use aurum_chain::view::CertificateStep;
use aurum_rpc::CertificateJson;
use aurum_types::{ChainSpec, Header, ValidatorSet};
use serde_json::{Value, json};

use super::{
    Answer,
    chain::{Genesis, SpecArgs, load},
    json::{bytes, uint64},
};

/// What to verify.
#[derive(Clone, Debug, clap::Args)]
pub struct VerifyCertificate {
    /// The chain.
    #[command(flatten)]
    pub spec: SpecArgs,
    /// What finality_getCertificate answered: a file, or the JSON itself
    #[arg(long, value_name = "FILE|JSON")]
    pub certificate: String,
    /// Trust these validators for the certificate's block, instead of following their changes from genesis on
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',')]
    pub validators: Vec<Address>,
}

impl VerifyCertificate {
    /// Answers. `chain` is the spec named before the command; one named after it wins.
    ///
    /// # Errors
    /// When spec or certificate cannot be read. A certificate that proves nothing is an answer, with exit code 1.
    pub fn run(self, chain: Option<PathBuf>) -> anyhow::Result<Answer> {
        let loaded = load(&self.spec.or(chain), false)?;
        let text = if self.certificate.trim_start().starts_with('{') {
            self.certificate
        } else {
            fs::read_to_string(&self.certificate).with_context(|| format!("cannot read {}", self.certificate))?
        };
        let trusted = (!self.validators.is_empty()).then(|| ValidatorSet::new(self.validators));
        verify(&loaded.spec, &text, trusted)
    }
}

/// Verifies the JSON text of a certificate (or of the JSON-RPC response that holds it). Without `trusted` validators it
/// begins with those of genesis.
///
/// # Errors
/// When the text is no certificate, or genesis cannot be made.
pub fn verify(spec: &Arc<ChainSpec>, text: &str, trusted: Option<ValidatorSet>) -> anyhow::Result<Answer> {
    let value: Value = serde_json::from_str(text).context("the certificate is no JSON")?;
    let value = value.get("result").cloned().unwrap_or(value);
    ensure!(!value.is_null(), "there is no certificate yet");
    let json: CertificateJson = serde_json::from_value(value).context("not an answer of finality_getCertificate")?;
    let genesis = Genesis::of(spec)?;
    let result = prove(spec, &genesis, &json, trusted);
    let block = |number: u64, hash: B256| json!({ "number": uint64(number), "hash": bytes(hash) });
    Ok(match result {
        Ok(proof) => Answer::yes(json!({
            "valid": true,
            "block": block(json.height, proof.hash),
            "certified": block(json.block.number, json.block.hash),
            "signers": proof.signers.iter().map(bytes).collect::<Vec<_>>(),
            "validators": proof.validators.as_slice().iter().map(bytes).collect::<Vec<_>>(),
            "needed": proof.needed,
        })),
        Err(error) => {
            let error = super::one_line(error.as_ref());
            eprintln!("error: {error}");
            Answer::no(json!({
                "valid": false,
                "block": { "number": uint64(json.height) },
                "certified": block(json.block.number, json.block.hash),
                "error": error,
            }))
        }
    })
}

struct Proof {
    /// The block at the height asked for.
    hash: B256,
    signers: BTreeSet<Address>,
    validators: ValidatorSet,
    needed: usize,
}

fn prove(
    spec: &Arc<ChainSpec>,
    genesis: &Genesis,
    json: &CertificateJson,
    trusted: Option<ValidatorSet>,
) -> anyhow::Result<Proof> {
    ensure!(
        json.chain_id == spec.params.chain_id && json.genesis_hash == genesis.hash,
        "the certificate is of another chain: chain id {} and genesis {}, the spec has {} and {}",
        json.chain_id,
        json.genesis_hash,
        spec.params.chain_id,
        genesis.hash
    );
    let domain = VoteDomain::new(json.chain_id, json.genesis_hash);
    let steps: Option<Vec<CertificateStep>> = json.certificates.iter().map(|step| step.to_step()).collect();
    let steps = steps.context("a signature is not 65 bytes long")?;
    let Some(CertificateStep { certificate: last, .. }) = steps.last() else { bail!("no certificate is given") };
    let last: Certificate = last.clone();
    ensure!(last.link.source == json.block.into(), "the last certificate is of another block than the answer says");
    let before = match trusted {
        // Their history is not known: whatever it is, these are the validators.
        Some(validators) => {
            let trust = Trust { validators, history: aurum_aura::certificate::ValidatorHistory(last.link.history) };
            trust.verify(&domain, &last, &[])?
        }
        None => {
            let spoken = genesis.validators(&spec.engine.validators)?;
            let mut trust = Trust::genesis(spoken.context("the validator contract does not answer at genesis")?);
            for step in &steps {
                let of = step.certificate.link.source;
                let verified = trust.verify(&domain, &step.certificate, &step.recorded);
                trust = verified.with_context(|| format!("certificate of block {of}"))?;
            }
            trust
        }
    };
    let hash = lead_down(spec, json)?;
    let signers = last.votes(&domain)?.into_keys().collect();
    let needed = quorum(before.validators.len());
    Ok(Proof { hash, signers, validators: before.validators, needed })
}

/// The hash of the block at the height asked for, by the headers from the certified block down to it.
fn lead_down(spec: &ChainSpec, json: &CertificateJson) -> anyhow::Result<B256> {
    let format = spec.header_format();
    let (mut number, mut hash) = (json.block.number, json.block.hash);
    ensure!(!json.headers.is_empty(), "no header of the certified block is given");
    for (place, rlp) in json.headers.iter().enumerate() {
        let mut rest = rlp.as_ref();
        let header = Header::decode(&mut rest, &format).with_context(|| format!("header {place}"))?;
        ensure!(rest.is_empty(), "header {place}: bytes after the header");
        if place > 0 {
            number = number.checked_sub(1).context("headers below genesis")?;
        }
        ensure!(
            header.hash_slow() == hash && header.number == number,
            "header {place} is not the header of block {number} {hash}"
        );
        if number == json.height {
            ensure!(place + 1 == json.headers.len(), "headers below the block asked for");
            return Ok(hash);
        }
        hash = header.parent_hash;
    }
    bail!("the headers end at block {number}, above block {}", json.height)
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Bytes, keccak256};
    use aurum_aura::{
        KeySigner, Signer as _,
        certificate::{Checkpoint, Link, ValidatorHistory, Vote},
    };
    use aurum_rpc::CertificateStepJson;

    use super::*;

    fn key(id: u8) -> KeySigner {
        KeySigner::new(secp256k1::SecretKey::from_byte_array(keccak256([id]).0).unwrap())
    }

    fn spec() -> Arc<ChainSpec> {
        let mut spec = crate::dev::DevConfig { chain_id: 1337, block_time: None }.spec();
        let list = (0..4).map(|id| key(id).address()).collect();
        spec.engine.validators = aurum_types::spec::ValidatorsSpec::List(list);
        Arc::new(spec)
    }

    /// A certificate of block 8 by these keys, asked for at height 6.
    fn certificate(spec: &Arc<ChainSpec>, signers: &[u8]) -> CertificateJson {
        let genesis = Genesis::of(spec).unwrap();
        let mut headers: Vec<Header> = Vec::new();
        let mut parent_hash = B256::repeat_byte(5);
        for number in 6..=8 {
            let seal = vec![Bytes::from_static(&[0x07]), alloy::rlp::encode([9u8; 65]).into()];
            let header = Header { number, parent_hash, seal, ..genesis.header.clone() };
            parent_hash = header.hash_slow();
            headers.insert(0, header);
        }
        let at = |number, hash| Checkpoint { number, hash };
        let validators = genesis.validators(&spec.engine.validators).unwrap().unwrap();
        let link = Link {
            source: at(8, parent_hash),
            target: at(9, B256::repeat_byte(9)),
            history: ValidatorHistory::first(&validators).0,
        };
        let domain = VoteDomain::new(spec.params.chain_id, genesis.hash);
        let votes = signers.iter().map(|id| Vote::sign(&domain, link, &key(*id)).unwrap());
        let certificate = Certificate::new(link, &votes.map(|vote| (vote.signer(), vote)).collect());
        CertificateJson {
            chain_id: spec.params.chain_id,
            genesis_hash: genesis.hash,
            height: 6,
            block: link.source.into(),
            certificates: vec![CertificateStepJson {
                source: link.source.into(),
                target: link.target.into(),
                validator_history: link.history,
                signatures: certificate.signatures.iter().map(|signature| Bytes::copy_from_slice(signature)).collect(),
                recorded: Vec::new(),
            }],
            headers: headers.iter().map(|header| alloy::rlp::encode(header).into()).collect(),
        }
    }

    fn answer(json: &CertificateJson, trusted: Option<ValidatorSet>) -> Answer {
        verify(&spec(), &serde_json::to_string(json).unwrap(), trusted).unwrap()
    }

    #[test]
    fn a_certificate_proves_the_block_that_its_headers_lead_to() {
        let good = certificate(&spec(), &[0, 1, 3]);
        let found = answer(&good, None);
        assert!(found.success, "{:#}", found.json);
        assert_eq!((&found.json["valid"], &found.json["block"]["number"]), (&json!(true), &json!(6)));
        assert_eq!(found.json["signers"].as_array().unwrap().len(), 3);
        let wrapped = json!({ "jsonrpc": "2.0", "id": 1, "result": good });
        assert!(verify(&spec(), &wrapped.to_string(), None).unwrap().success);
    }

    #[test]
    fn what_proves_nothing_is_refused_with_the_reason() {
        let good = certificate(&spec(), &[0, 1, 3]);
        type Spoil = &'static dyn Fn(&mut CertificateJson);
        let cases: [(&str, Spoil); 6] = [
            ("another chain", &|json| json.chain_id += 1),
            ("another chain", &|json| json.genesis_hash = B256::ZERO),
            ("another block", &|json| json.block.number += 1),
            ("no header", &|json| json.headers.clear()),
            ("headers end", &|json| json.headers.truncate(2)),
            ("not the header", &|json| json.headers.swap(0, 1)),
        ];
        for (reason, spoil) in cases {
            let mut bad = good.clone();
            spoil(&mut bad);
            let found = answer(&bad, None);
            let error = found.json["error"].as_str().unwrap();
            assert!(!found.success && found.json["valid"] == false && error.contains(reason), "{reason}: {error}");
        }
        let few = answer(&certificate(&spec(), &[0, 1]), None);
        assert!(few.json["error"].as_str().unwrap().contains("3 are needed"), "{:#}", few.json);
    }

    #[test]
    fn validators_can_be_named_instead_of_followed() {
        let good = certificate(&spec(), &[0, 1, 3]);
        let named = |ids: &[u8]| Some(ValidatorSet::new(ids.iter().map(|id| key(*id).address()).collect()));
        assert!(answer(&good, named(&[0, 1, 3])).success);
        assert!(!answer(&good, named(&[4, 5, 6])).success);
    }
}
