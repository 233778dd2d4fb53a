//! A home chain's finality as another chain sees it: a `CertificateVerifier` there, and certificates brought to it.

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    providers::{DynProvider, Provider as _},
};
use anyhow::{Context, Result, ensure};
use aurum_contracts::{
    CertificateVerifier::{self, CertificateVerifierInstance},
    ICertificateVerifier,
};
use serde::Deserialize;
use serde_json::Value;

use crate::{bridge::RECEIPT, node::Node};

/// A verifier on another chain that follows one home chain.
#[derive(Debug)]
pub struct Abroad {
    /// The contract.
    pub contract: CertificateVerifierInstance<DynProvider>,
}

/// As much of `finality_getCertificate`'s answer as a verifier needs.
#[derive(Deserialize)]
struct Answer {
    certificates: Vec<Step>,
}

#[derive(Clone, Copy, Deserialize)]
struct Checkpoint {
    number: u64,
    hash: B256,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    source: Checkpoint,
    target: Checkpoint,
    validator_history: B256,
    signatures: Vec<Bytes>,
    recorded: Vec<Vec<Address>>,
}

impl Abroad {
    /// Deploys a verifier that trusts the home chain's genesis and its `validators`.
    ///
    /// # Errors
    /// When the deployment fails.
    pub async fn deploy(on: DynProvider, chain_id: u64, genesis: B256, validators: Vec<Address>) -> Result<Self> {
        Ok(Self { contract: CertificateVerifier::deploy(on, U256::from(chain_id), genesis, validators).await? })
    }

    /// Brings what `home` answers for a certificate of `height` or above, certificate by certificate. Returns the height
    /// that is final here then.
    ///
    /// # Errors
    /// When `home` has no certificate, or the contract refuses one that is new to it.
    pub async fn bring(&self, home: &Node, height: u64) -> Result<u64> {
        let answer: Value = home.provider()?.raw_request("finality_getCertificate".into(), (height,)).await?;
        let answer: Option<Answer> = serde_json::from_value(answer)?;
        for step in answer.with_context(|| format!("no certificate of block {height}"))?.certificates {
            if step.source.number <= self.contract.finalizedNumber().call().await? {
                continue;
            }
            let certificate = ICertificateVerifier::Certificate {
                number: step.source.number,
                hash: step.source.hash,
                childHash: step.target.hash,
                validatorHistory: step.validator_history,
                signatures: step.signatures.concat().into(),
            };
            ensure!(step.target.number == step.source.number + 1, "a certificate is of a block and its child");
            let pending = self.contract.advance(certificate, step.recorded).send().await?;
            let receipt = pending.with_timeout(Some(RECEIPT)).get_receipt().await?;
            ensure!(receipt.status(), "the certificate of block {} is refused", step.source.number);
        }
        Ok(self.contract.finalizedNumber().call().await?)
    }
}
