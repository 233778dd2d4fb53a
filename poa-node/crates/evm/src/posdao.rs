//! What an authority asks of the contracts it answers to, and the calls it sends them (aura.md §2.1, §2.7, §3.6):
//! reports, POSDAO's change of validators, the randomness contract.

use std::sync::Arc;

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol,
    sol_types::SolCall,
};
use aurum_types::{BlockNumber, StateError, StateReader};

use crate::{BlockEnv, Evm, EvmError, read_only::Reader};

sol! {
    interface IReports {
        function reportBenign(address validator, uint256 blockNumber) external;
        function reportMalicious(address validator, uint256 blockNumber, bytes proof) external;
        function shouldValidatorReport(address reporting, address malicious, uint256 blockNumber)
            external view returns (bool yes);
    }

    interface IInitiateChange {
        function emitInitiateChangeCallable() external view returns (bool callable);
        function emitInitiateChange() external;
    }

    interface IRandomness {
        function currentCollectRound() external view returns (uint256 round);
        function isCommitPhase() external view returns (bool yes);
        function isCommitted(uint256 round, address validator) external view returns (bool yes);
        function sentReveal(uint256 round, address validator) external view returns (bool yes);
        function getCommitAndCipher(uint256 round, address validator) external view returns (bytes32 commit, bytes cipher);
        function commitHash(bytes32 numberHash, bytes cipher) external;
        function revealNumber(uint256 number) external;
    }
}

/// What the randomness contract expects of an authority now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RandomnessPhase {
    /// Nothing: it has committed and waits, has revealed, or came too late for this round.
    Waiting,
    /// A commitment to a random number.
    Commit,
    /// The number it committed to.
    Reveal {
        /// keccak256 of the number.
        commit: B256,
        /// The number, encrypted to the authority by itself.
        cipher: Bytes,
    },
}

/// Why the randomness contract says nothing that can be acted on.
#[derive(Debug, thiserror::Error)]
pub enum RandomnessError {
    /// A question was not answered, or with something else.
    #[error("the randomness contract does not answer {0}")]
    NoAnswer(&'static str),
    /// It has a reveal of us while commitments are still collected.
    #[error("the randomness contract has our reveal in the commit phase")]
    RevealedInCommit,
    /// The state cannot be read.
    #[error(transparent)]
    Fault(#[from] StateError),
}

impl Evm {
    /// Whether POSDAO's validator contract wants `emitInitiateChange()` to be called after the block `env`; `None` when it
    /// does not answer.
    ///
    /// # Errors
    /// Only faults.
    pub fn initiate_change_callable(
        &self,
        state: Arc<dyn StateReader>,
        env: &BlockEnv,
        contract: Address,
    ) -> Result<Option<bool>, EvmError> {
        Ok(self.reader(state, env).call(contract, &IInitiateChange::emitInitiateChangeCallableCall {})?)
    }

    /// Whether POSDAO's validator contract still wants to hear from `reporting` of each `(malicious, block)`, after the
    /// block `env`. No answer is no.
    ///
    /// # Errors
    /// Only faults.
    pub fn should_report(
        &self,
        state: Arc<dyn StateReader>,
        env: &BlockEnv,
        contract: Address,
        reporting: Address,
        reports: &[(Address, BlockNumber)],
    ) -> Result<Vec<bool>, EvmError> {
        let mut reader = self.reader(state, env);
        let mut answers = Vec::with_capacity(reports.len());
        for (malicious, block) in reports {
            let block_number = U256::from(*block);
            let call =
                IReports::shouldValidatorReportCall { reporting, malicious: *malicious, blockNumber: block_number };
            answers.push(reader.call(contract, &call)?.unwrap_or(false));
        }
        Ok(answers)
    }

    /// What the randomness contract expects of `authority` after the block `env` (OpenEthereum `RandomnessPhase::load`).
    ///
    /// # Errors
    /// [`RandomnessError`].
    pub fn randomness_phase(
        &self,
        state: Arc<dyn StateReader>,
        env: &BlockEnv,
        contract: Address,
        authority: Address,
    ) -> Result<RandomnessPhase, RandomnessError> {
        let mut contract = Randomness { reader: self.reader(state, env), contract };
        let round = contract.ask("currentCollectRound", &IRandomness::currentCollectRoundCall {})?;
        let is_commit_phase = contract.ask("isCommitPhase", &IRandomness::isCommitPhaseCall {})?;
        let committed = contract.ask("isCommitted", &IRandomness::isCommittedCall { round, validator: authority })?;
        let revealed = contract.ask("sentReveal", &IRandomness::sentRevealCall { round, validator: authority })?;
        match (is_commit_phase, committed, revealed) {
            (true, _, true) => Err(RandomnessError::RevealedInCommit),
            (true, false, false) => Ok(RandomnessPhase::Commit),
            (false, true, false) => {
                let call = IRandomness::getCommitAndCipherCall { round, validator: authority };
                let answer = contract.ask("getCommitAndCipher", &call)?;
                Ok(RandomnessPhase::Reveal { commit: answer.commit, cipher: answer.cipher })
            }
            (true, true, false) | (false, true, true) | (false, false, _) => Ok(RandomnessPhase::Waiting),
        }
    }
}

struct Randomness {
    reader: Reader,
    contract: Address,
}

impl Randomness {
    fn ask<C: SolCall>(&mut self, name: &'static str, call: &C) -> Result<C::Return, RandomnessError> {
        self.reader.call(self.contract, call)?.ok_or(RandomnessError::NoAnswer(name))
    }
}

/// Call data of the transactions an authority sends to these contracts.
pub mod calls {
    use super::*;

    /// `reportBenign(accused, block)`.
    pub fn report_benign(accused: Address, block: BlockNumber) -> Bytes {
        IReports::reportBenignCall { validator: accused, blockNumber: U256::from(block) }.abi_encode().into()
    }

    /// `reportMalicious(accused, block, "")`: OpenEthereum's proofs are empty.
    pub fn report_malicious(accused: Address, block: BlockNumber) -> Bytes {
        let proof = Bytes::new();
        IReports::reportMaliciousCall { validator: accused, blockNumber: U256::from(block), proof }.abi_encode().into()
    }

    /// `emitInitiateChange()`.
    pub fn emit_initiate_change() -> Bytes {
        IInitiateChange::emitInitiateChangeCall {}.abi_encode().into()
    }

    /// `commitHash(keccak256(number), cipher)`.
    pub fn commit_hash(number_hash: B256, cipher: Bytes) -> Bytes {
        IRandomness::commitHashCall { numberHash: number_hash, cipher }.abi_encode().into()
    }

    /// `revealNumber(number)`.
    pub fn reveal_number(number: B256) -> Bytes {
        IRandomness::revealNumberCall { number: number.into() }.abi_encode().into()
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::hex;

    use super::*;

    #[test]
    fn selectors_are_those_of_deployed_contracts() {
        for (selector, expected) in [
            (IReports::reportBenignCall::SELECTOR, hex!("d69f13bb")),
            (IReports::reportMaliciousCall::SELECTOR, hex!("c476dd40")),
            (IReports::shouldValidatorReportCall::SELECTOR, hex!("cbd2d528")),
            (IInitiateChange::emitInitiateChangeCallableCall::SELECTOR, hex!("3d3b5458")),
            (IInitiateChange::emitInitiateChangeCall::SELECTOR, hex!("93b4e25e")),
            (IRandomness::currentCollectRoundCall::SELECTOR, hex!("7a3e286b")),
            (IRandomness::isCommitPhaseCall::SELECTOR, hex!("74ce9067")),
            (IRandomness::isCommittedCall::SELECTOR, hex!("baf11cab")),
            (IRandomness::sentRevealCall::SELECTOR, hex!("63f160e6")),
            (IRandomness::getCommitAndCipherCall::SELECTOR, hex!("695e89f6")),
            (IRandomness::commitHashCall::SELECTOR, hex!("0b61ba85")),
            (IRandomness::revealNumberCall::SELECTOR, hex!("fe7d567d")),
        ] {
            assert_eq!(selector, expected);
        }
    }
}
