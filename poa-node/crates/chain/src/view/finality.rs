//! Certificates as they are served: enough to verify them without a chain.

use aurum_aura::certificate::{Certificate, Checkpoint};
use aurum_types::{BlockNumber, Header, ValidatorSet};

use super::View;
use crate::{Fault, ReadError, reader::Reader};

/// Headers one answer leads down by.
pub const MAX_CERTIFIED_HEADERS: BlockNumber = 1024;

/// A certificate with the sets that were recorded since the one before it, ascending; usually none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateStep {
    /// The certificate.
    pub certificate: Certificate,
    /// Sets recorded after the block certified before, up to and with this one's.
    pub recorded: Vec<ValidatorSet>,
}

/// What proves a block final to whoever knows the genesis validators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertifiedBlock {
    /// Certificates that follow the changes of validators since genesis; the last one is the answer's.
    pub steps: Vec<CertificateStep>,
    /// The header of the last certificate's block, and each parent down to the block asked for.
    pub headers: Vec<Header>,
}

impl View {
    /// The lowest certificate of a block at `number` or above, with what leads to it from genesis and from it to the
    /// block. `None` while there is none.
    ///
    /// # Errors
    /// [`ReadError::Arguments`] where the next certificate is too far above (after certificates had stood still);
    /// [`ReadError::Fault`].
    pub fn certified(&self, number: BlockNumber) -> Result<Option<CertifiedBlock>, ReadError> {
        let reader = self.reader();
        let Some(certificate) = reader.certificate_from(number)? else { return Ok(None) };
        let top = certificate.link.source;
        if top.number - number >= MAX_CERTIFIED_HEADERS {
            return Err(ReadError::Arguments(format!(
                "the next certificate is of block {}, more than {MAX_CERTIFIED_HEADERS} above: ask for a block nearer to it",
                top.number
            )));
        }
        let steps = reader.certificates_above(0, certificate)?;
        let mut headers = Vec::new();
        let mut next = top.hash;
        for _ in number..=top.number {
            let header = reader.header(next)?.ok_or(ReadError::UnknownBlock)?;
            next = header.parent_hash;
            headers.push(header);
        }
        Ok(Some(CertifiedBlock { steps, headers }))
    }
}

impl Reader {
    /// The certificates that lead from a final block at height `above` to `last`: the first at or after each change of
    /// validators, and `last`.
    pub(crate) fn certificates_above(
        &self,
        above: BlockNumber,
        last: Certificate,
    ) -> Result<Vec<CertificateStep>, Fault> {
        let from = self.spec.engine.finality_certificates_transition.unwrap_or(0);
        let top: Checkpoint = last.link.source;
        let mut epochs = self.epochs_between(above.max(from).min(top.number), top)?;
        epochs.reverse();
        let mut steps: Vec<CertificateStep> = Vec::new();
        // The first is in force already.
        for (at, epoch) in epochs.into_iter().skip(1) {
            let set = (*epoch.validators).clone();
            match steps.last_mut() {
                Some(step) if step.certificate.link.source.number >= at.number => step.recorded.push(set),
                _ => {
                    let Some(certificate) = self.certificate_from(at.number)? else { break };
                    steps.push(CertificateStep { certificate, recorded: vec![set] });
                }
            }
        }
        if steps.last().is_none_or(|step| step.certificate != last) {
            steps.push(CertificateStep { certificate: last, recorded: Vec::new() });
        }
        Ok(steps)
    }
}
