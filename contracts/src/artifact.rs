//! What is committed of a compiled contract.

use alloy::primitives::{Address, Bytes};
use serde::Deserialize;

/// Code of a contract as committed under `artifacts/`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// Creation code, without constructor arguments.
    pub bytecode: Bytes,
    /// Code after deployment, with zeroes where the constructor writes immutables.
    pub deployed_bytecode: Bytes,
    /// Byte offsets in `deployed_bytecode` of the 32-byte holes for immutables.
    pub immutables: Vec<usize>,
}

/// An artifact that cannot be used; the tests of this crate load all of them.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The text is not the JSON of an artifact.
    #[error("artifact is not readable")]
    Json(#[from] serde_json::Error),
    /// A hole lies outside the code.
    #[error("immutable at {offset} is outside the code of {length} bytes")]
    Immutable {
        /// Where the hole should begin.
        offset: usize,
        /// Length of the code.
        length: usize,
    },
}

impl Artifact {
    /// Parses the text of an artifact.
    pub fn parse(json: &str) -> Result<Self, ArtifactError> {
        let artifact: Self = serde_json::from_str(json)?;
        let length = artifact.deployed_bytecode.len();
        match artifact.immutables.iter().find(|offset| offset.saturating_add(32) > length) {
            Some(&offset) => Err(ArtifactError::Immutable { offset, length }),
            None => Ok(artifact),
        }
    }

    /// The code an upgradeable implementation has at `address`: its only immutable is OpenZeppelin's
    /// `UUPSUpgradeable.__self`, its own address.
    pub fn implementation_at(&self, address: Address) -> Bytes {
        let mut code = self.deployed_bytecode.to_vec();
        for &offset in &self.immutables {
            code[offset..offset + 32].copy_from_slice(address.into_word().as_slice());
        }
        code.into()
    }
}
