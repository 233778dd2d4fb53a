//! What proves a snapshot's block to whoever knows the genesis validators: every set the chain recorded, and the finality
//! certificates that followed them.

use alloy::primitives::{B256, Bytes};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use aurum_aura::{
    EngineState,
    certificate::{Certificate, Checkpoint, Trust, ValidatorHistory, VoteDomain},
};
use aurum_storage::Appender;
use aurum_types::{BlockNumber, ChainSpec, Header, ValidatorSet};

use super::{SnapshotError, records::Manifest};
use crate::{BlockRef, Fault, epochs::Epoch, reader::Reader};

/// A set as the block at this height recorded it.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(super) struct EpochRecord {
    pub(super) number: u64,
    pub(super) hash: B256,
    /// As in table Epochs.
    pub(super) epoch: Bytes,
}

/// The sets up to `at`, genesis first, and what certifies `at`: each empty where the chain has none.
pub(super) fn of(reader: &Reader, at: BlockRef) -> Result<(Vec<EpochRecord>, Vec<Bytes>), Fault> {
    let mut epochs: Vec<_> = reader.epochs_between(0, at.into())?;
    epochs.reverse();
    let record = |(at, epoch): (Checkpoint, Epoch)| EpochRecord {
        number: at.number,
        hash: at.hash,
        epoch: epoch.encode().into(),
    };
    let certificate = reader.certificate_from(at.number)?.filter(|found| BlockRef::from(found.link.source) == at);
    let steps = match certificate {
        Some(certificate) if !epochs.is_empty() => reader.certificates_above(0, certificate)?,
        _ => Vec::new(),
    };
    let certificates = steps.into_iter().map(|step| step.certificate.encode().into()).collect();
    Ok((epochs.into_iter().map(record).collect(), certificates))
}

/// The sets of a snapshot, each following from the one before, and certificates that quorums of them signed.
#[derive(Debug)]
pub(super) struct Proof {
    epochs: Vec<(BlockRef, Epoch)>,
    certificates: Vec<Certificate>,
}

impl Proof {
    /// Checks them by themselves and against the consensus state they came with. `validators` are those of genesis, where they
    /// are known without asking the chain.
    pub(super) fn check(
        spec: &ChainSpec,
        validators: Option<&ValidatorSet>,
        manifest: &Manifest,
        engine: &EngineState,
    ) -> Result<Self, SnapshotError> {
        let epochs = manifest.epochs.iter().map(decode).collect::<Result<Vec<_>, _>>()?;
        let certificates = manifest.certificates.iter().map(|bytes| Certificate::decode(bytes));
        let certificates: Vec<_> = certificates.collect::<Result<_, _>>().map_err(SnapshotError::refused)?;
        let proof = Self { epochs, certificates };
        let (Some((first, genesis)), Some((last, epoch))) = (proof.epochs.first(), proof.epochs.last()) else {
            let refused = || SnapshotError::refused("it has certificates and not the validators that signed them");
            return if proof.certificates.is_empty() { Ok(proof) } else { Err(refused()) };
        };
        if (first.number, first.hash) != (0, manifest.genesis)
            || validators.is_some_and(|expected| *expected != *genesis.validators)
        {
            return Err(SnapshotError::refused("it begins with other validators than the chain"));
        }
        proof.check_history(manifest)?;
        if engine.status().epoch_recorded_at != last.number || *engine.child_validators() != *epoch.validators {
            return Err(SnapshotError::refused("its consensus state has other validators than it proves"));
        }
        proof.check_certificates(spec, manifest)?;
        Ok(proof)
    }

    /// Each set's history is that of the set before it, and it.
    fn check_history(&self, manifest: &Manifest) -> Result<(), SnapshotError> {
        let mut before: Option<(&BlockRef, &Epoch)> = None;
        for (at, epoch) in &self.epochs {
            let (expected, follows) = match before {
                None => (ValidatorHistory::first(&epoch.validators), true),
                Some((below, last)) => (last.history.then(&epoch.validators), below.number < at.number),
            };
            if epoch.history != expected || !follows || at.number > manifest.number {
                let number = at.number;
                return Err(SnapshotError::refused(format_args!("the validators of block {number} do not follow")));
            }
            before = Some((at, epoch));
        }
        Ok(())
    }

    /// Quorums of the sets in force, and of each new one, signed; the last certificate is the snapshot's block's.
    fn check_certificates(&self, spec: &ChainSpec, manifest: &Manifest) -> Result<(), SnapshotError> {
        let Some(last) = self.certificates.last() else { return Ok(()) };
        let Some(from) = spec.engine.finality_certificates_transition else {
            return Err(SnapshotError::refused("the chain has no finality certificates"));
        };
        let source = last.link.source;
        if (source.number, source.hash) != (manifest.number, manifest.hash) {
            return Err(SnapshotError::refused(format_args!("its certificate is of block {source}")));
        }
        let known = self.epochs.partition_point(|(at, _)| at.number <= from.min(manifest.number));
        let (before, mut rest) = self.epochs.split_at(known);
        let Some((_, epoch)) = before.last() else {
            return Err(SnapshotError::refused("nobody is known to vote"));
        };
        let domain = VoteDomain::new(spec.params.chain_id, manifest.genesis);
        let mut trust = Trust { validators: (*epoch.validators).clone(), history: epoch.history };
        for certificate in &self.certificates {
            let number = certificate.link.source.number;
            let (new, later) = rest.split_at(rest.partition_point(|(at, _)| at.number <= number));
            let recorded: Vec<ValidatorSet> = new.iter().map(|(_, epoch)| (*epoch.validators).clone()).collect();
            let verified = trust.verify(&domain, certificate, &recorded);
            trust = verified
                .map_err(|error| SnapshotError::refused(format_args!("the certificate of block {number}: {error}")))?;
            rest = later;
        }
        Ok(())
    }

    /// A block of the file is its step's proposer's, and the one that recorded a set if one did at its height.
    pub(super) fn check_block(&self, header: &Header, hash: B256) -> Result<(), SnapshotError> {
        if let Some((at, _)) = self.epochs.iter().find(|(at, _)| at.number == header.number)
            && at.hash != hash
        {
            let number = header.number;
            return Err(SnapshotError::refused(format_args!("another block {number} recorded validators")));
        }
        let in_force = self.epochs.iter().rev().find(|(at, _)| at.number < header.number);
        let Some((_, epoch)) = in_force else { return Ok(()) };
        let proposer = header.step().and_then(|step| epoch.validators.proposer(step));
        if proposer == Some(header.author) {
            return Ok(());
        }
        let (number, author) = (header.number, header.author);
        Err(SnapshotError::refused(format_args!("block {number} is by {author}, whose turn it was not")))
    }

    /// Keeps it in the database that was made of the snapshot.
    pub(super) fn store(&self, appender: &Appender, restored: BlockNumber) -> Result<(), SnapshotError> {
        for (at, epoch) in &self.epochs {
            appender.put_epoch(at.number, at.hash, &epoch.encode())?;
        }
        for certificate in &self.certificates {
            appender.put_certificate(certificate.link.source.number, &certificate.encode())?;
        }
        Ok(appender.put_meta(crate::epochs::RESTORED, &restored.to_be_bytes())?)
    }
}

fn decode(record: &EpochRecord) -> Result<(BlockRef, Epoch), SnapshotError> {
    let EpochRecord { number, hash, epoch } = record;
    let refused = || SnapshotError::refused(format_args!("the validators of block {number} are malformed"));
    Ok((BlockRef { number: *number, hash: *hash }, Epoch::decode(epoch).ok_or_else(refused)?))
}
