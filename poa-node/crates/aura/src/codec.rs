//! The engine state's bytes on disk: a version byte, then RLP.

use std::{collections::BTreeMap, sync::Arc};

use alloy::{
    primitives::{Address, B256},
    rlp::{self, Decodable, Encodable},
};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use aurum_types::{BlockNumber, ValidatorSet};

use crate::{
    engine_state::{Pending, Snapshot},
    finality::Finality,
};

const VERSION: u8 = 1;

/// Why bytes are no engine state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Written by a program that this one does not know.
    #[error("engine state has version {found:?}, this program reads {VERSION}")]
    Version {
        /// The first byte, if there is one.
        found: Option<u8>,
    },
    /// Not what the version writes.
    #[error("engine state is malformed: {0}")]
    Malformed(rlp::Error),
}

#[derive(RlpEncodable, RlpDecodable)]
struct Signed {
    signer: Address,
    last: BlockNumber,
}

#[derive(RlpEncodable, RlpDecodable)]
struct Waiting {
    signalled_at: BlockNumber,
    hash: B256,
    validators: Vec<Address>,
}

#[derive(RlpEncodable, RlpDecodable)]
struct Stored {
    number: BlockNumber,
    hash: B256,
    validators: Vec<Address>,
    epoch_recorded_at: BlockNumber,
    /// None or one.
    pending: Vec<Waiting>,
    front: BlockNumber,
    unfinalized: Vec<B256>,
    last_signed: Vec<Signed>,
}

pub(crate) fn encode(snapshot: &Snapshot) -> Vec<u8> {
    let stored = Stored {
        number: snapshot.number,
        hash: snapshot.hash,
        validators: snapshot.validators.as_slice().to_vec(),
        epoch_recorded_at: snapshot.epoch_recorded_at,
        pending: snapshot
            .pending
            .iter()
            .map(|pending| Waiting {
                signalled_at: pending.signalled_at,
                hash: pending.hash,
                validators: pending.validators.as_slice().to_vec(),
            })
            .collect(),
        front: snapshot.finality.front(),
        unfinalized: snapshot.finality.unfinalized(),
        last_signed: snapshot
            .finality
            .last_signed()
            .iter()
            .map(|(signer, last)| Signed { signer: *signer, last: *last })
            .collect(),
    };
    let mut out = Vec::with_capacity(1 + stored.length());
    out.push(VERSION);
    stored.encode(&mut out);
    out
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Snapshot, DecodeError> {
    let Some((&VERSION, mut rest)) = bytes.split_first() else {
        return Err(DecodeError::Version { found: bytes.first().copied() });
    };
    let stored = Stored::decode(&mut rest).map_err(DecodeError::Malformed)?;
    let consistent = rest.is_empty()
        && stored.pending.len() <= 1
        && u64::try_from(stored.unfinalized.len()).is_ok_and(|len| {
            stored.front.checked_add(len).is_some_and(|next| Some(next) == stored.number.checked_add(1))
        });
    if !consistent {
        return Err(DecodeError::Malformed(rlp::Error::Custom("the fields contradict each other")));
    }
    let last_signed: BTreeMap<_, _> =
        stored.last_signed.into_iter().map(|signed| (signed.signer, signed.last)).collect();
    Ok(Snapshot {
        number: stored.number,
        hash: stored.hash,
        validators: Arc::new(ValidatorSet::new(stored.validators)),
        epoch_recorded_at: stored.epoch_recorded_at,
        pending: stored.pending.into_iter().next().map(|waiting| {
            Arc::new(Pending {
                signalled_at: waiting.signalled_at,
                hash: waiting.hash,
                validators: ValidatorSet::new(waiting.validators),
            })
        }),
        finality: Finality::from_parts(stored.front, stored.unfinalized, last_signed),
    })
}
