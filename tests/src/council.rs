//! Decisions of the consortium: one authority proposes, others approve, the contract acts.

use std::time::Duration;

use alloy::{
    primitives::{Address, Bytes, address},
    signers::local::PrivateKeySigner,
    sol_types::SolCall,
};
use anyhow::{Context, Result, ensure};
use aurum_contracts::{Permissions, ValidatorSet};

use crate::{consortium::Authority, foreign::wallet_provider, home::Home};

/// Where every chain of keygen's has the contract that says who seals.
pub const VALIDATOR_SET: Address = address!("A000000000000000000000000000000000000001");

/// Where every chain of keygen's has the contract that says who may do what.
pub const PERMISSIONS: Address = address!("A000000000000000000000000000000000000002");

/// How long each transaction may wait for its block.
const LIMIT: Duration = Duration::from_secs(60);

impl Authority {
    /// The key of its account, from its keystore.
    ///
    /// # Errors
    /// When the password does not open it.
    pub fn signer(&self) -> Result<PrivateKeySigner> {
        let password = keygen::read_password(&self.password_file())?;
        let secret = keygen::unlock(&self.keystore()?, &password)?;
        Ok(PrivateKeySigner::from_slice(secret.expose())?)
    }
}

/// Has the council call `target`: proposed by the first authority, approved by those after it until it is made. Returns
/// the block in which it was.
///
/// # Errors
/// When an authority's transaction fails, or the council's call does.
pub async fn decide(home: &Home, target: Address, data: Bytes) -> Result<u64> {
    let mut proposal = None;
    for authority in &home.consortium.authorities {
        let provider = wallet_provider(&home.observer.url(), authority.signer()?)?;
        let council = Permissions::new(PERMISSIONS, &provider);
        let pending = match proposal {
            None => council.propose(target, data.clone()).send().await?,
            Some(number) => council.approve(number).send().await?,
        };
        let receipt = pending.with_timeout(Some(LIMIT)).get_receipt().await?;
        ensure!(receipt.status(), "{}'s vote failed", authority.name);
        if proposal.is_none() {
            let event = receipt.decoded_log::<Permissions::Proposed>().context("nothing was proposed")?;
            proposal = Some(event.proposal);
        }
        if receipt.decoded_log::<Permissions::ProposalExecuted>().is_some() {
            return receipt.block_number.context("a receipt names its block");
        }
    }
    anyhow::bail!("all authorities approved and nothing happened")
}

/// Grants `rights` to `account`. Returns the block in which it was; the rights hold from the next one on.
///
/// # Errors
/// As [`decide`].
pub async fn grant(home: &Home, account: Address, rights: u32) -> Result<u64> {
    let call = Permissions::setRightsCall { accounts: vec![account], rights: vec![rights] };
    decide(home, PERMISSIONS, call.abi_encode().into()).await
}

/// Makes `account` a validator. Returns the block that signals it; it is one when that block is final.
///
/// # Errors
/// As [`decide`].
pub async fn add_validator(home: &Home, account: Address) -> Result<u64> {
    let call = ValidatorSet::addValidatorCall { validator: account };
    decide(home, VALIDATOR_SET, call.abi_encode().into()).await
}
