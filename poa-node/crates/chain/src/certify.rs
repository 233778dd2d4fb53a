//! Finality certificates and the chain: what is certified is never reverted, and the branch with the highest justified
//! block is preferred to a heavier one. Both only move the head among blocks that passed the import door.

use std::sync::Arc;

use aurum_aura::certificate::{Branches as _, Certificate, Checkpoint};
use aurum_types::SealedBlock;

use crate::{BlockRef, Fault, HeadChange, ImportError, Invalid, pipeline::Importer, reader::Reader};

/// Name of the last justification in table Meta.
const JUSTIFICATION: &str = "finality-justification";

impl From<Checkpoint> for BlockRef {
    fn from(Checkpoint { number, hash }: Checkpoint) -> Self {
        Self { number, hash }
    }
}

impl From<BlockRef> for Checkpoint {
    fn from(BlockRef { number, hash }: BlockRef) -> Self {
        Self { number, hash }
    }
}

impl Importer {
    /// Stores a certificate and makes its block final. The certificate was verified; it is on disk before anybody sees
    /// the block as final. If the block is on another branch, that branch becomes the head first.
    ///
    /// # Errors
    /// [`Invalid::RevertsFinalized`] for a block that contradicts what is final; [`ImportError::UnknownParent`] for one
    /// that is not here; [`Fault`].
    pub(crate) fn certify(&mut self, certificate: &Certificate) -> Result<(), ImportError> {
        self.persist.check()?;
        let at = BlockRef::from(certificate.link.source);
        self.check_keeps_finality(at)?;
        self.persist.appender().put_certificate(at.number, &certificate.encode())?;
        self.prefer(at)?;
        let before = self.reader.head();
        let head = self.reader.recent_mut().certify(at);
        if head != before {
            self.publish(&Arc::new(HeadChange { head, enacted: Vec::new(), retracted: Vec::new() }));
        }
        self.persist.head_moved(&self.reader)?;
        Ok(())
    }

    /// Prefers the branch of a justified block from now on, even to heavier ones. The proof is kept, so that it can be
    /// shown to others after a restart: keys that voted from this block vote from no lower one again.
    ///
    /// # Errors
    /// As [`Self::certify`].
    pub(crate) fn justify(&mut self, proof: &Certificate) -> Result<(), ImportError> {
        let at = BlockRef::from(proof.link.target);
        self.check_keeps_finality(at)?;
        // The proof of a certified block's child is the certificate, and stored as that.
        if !proof.link.certifies() {
            self.persist.appender().put_meta(JUSTIFICATION, &proof.encode())?;
        }
        self.prefer(at)
    }

    /// As [`Self::justify`], without a proof: what our own key voted from was justified.
    ///
    /// # Errors
    /// As [`Self::certify`].
    pub(crate) fn prefer(&mut self, at: BlockRef) -> Result<(), ImportError> {
        self.persist.check()?;
        if self.reader.canonical_hash(at.number)? != Some(at.hash) {
            self.bring_back(at)?;
            let best = self.reader.recent().best_above(at.hash).ok_or(ImportError::UnknownParent(at.hash))?;
            let route = self.reader.recent().route_to(best).filter(|route| !route.enacted.is_empty());
            if let Some(route) = route {
                tracing::warn!(number = at.number, hash = %at.hash, "a quorum voted for another branch: following it");
                self.take(&route)?;
            }
        }
        self.reader.recent_mut().justify(at);
        self.persist.head_moved(&self.reader)?;
        Ok(())
    }

    fn check_keeps_finality(&self, at: BlockRef) -> Result<(), ImportError> {
        let finalized = self.reader.head().finalized;
        let (high, low) = if at.number >= finalized.number { (at, finalized) } else { (finalized, at) };
        if self.reader.ancestor(at.into(), at.number)?.is_none() {
            return Err(ImportError::UnknownParent(at.hash));
        }
        if self.reader.descends(high.into(), low.into())? {
            return Ok(());
        }
        Err(Invalid::RevertsFinalized { number: at.number, hash: at.hash, finalized }.into())
    }

    /// Makes the tree hold a block that is on disk alone.
    fn bring_back(&mut self, at: BlockRef) -> Result<(), ImportError> {
        if self.reader.recent().node(at.hash).is_some() {
            return Ok(());
        }
        let block = self.reader.database.block(at.hash)?.ok_or(ImportError::UnknownParent(at.hash))?;
        self.import_stored(SealedBlock::seal_slow(block)).map(drop)
    }
}

impl Reader {
    /// The newest certificate that is stored.
    pub(crate) fn newest_certificate(&self) -> Result<Option<Certificate>, Fault> {
        self.database.newest_certificate()?.map(|(number, bytes)| decode(number, &bytes)).transpose()
    }

    /// The certificate of the lowest block from `number` on that has one.
    pub(crate) fn certificate_from(&self, number: u64) -> Result<Option<Certificate>, Fault> {
        self.database.certificate_from(number)?.map(|(number, bytes)| decode(number, &bytes)).transpose()
    }

    /// The last justification that was kept.
    pub(crate) fn justification(&self) -> Result<Option<Certificate>, Fault> {
        let Some(bytes) = self.database.meta(JUSTIFICATION)? else { return Ok(None) };
        let proof = Certificate::decode(&bytes);
        proof.map(Some).map_err(|error| Fault::Inconsistent(format!("stored justification: {error}")))
    }
}

fn decode(number: u64, bytes: &[u8]) -> Result<Certificate, Fault> {
    Certificate::decode(bytes).map_err(|error| Fault::Inconsistent(format!("certificate of block {number}: {error}")))
}
