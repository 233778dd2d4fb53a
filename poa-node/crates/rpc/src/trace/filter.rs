//! `trace_filter`: frames and rewards of a range of blocks, by who took part.

use alloy::{eips::BlockNumberOrTag, primitives::Address};
use alloy_rpc_types_trace::filter::{TraceFilter, TraceFilterMode};
use aurum_chain::{Grant, Read, ReadError, TraceError, Which};
use jsonrpsee::core::RegisterMethodError;
use serde::Deserialize;

use super::{
    chain::only_frames,
    json::{Entry, entries},
};
use crate::{
    context::Context,
    debug::limits,
    error::{Answer, Failure},
    methods::Registrar,
};

/// Most entries of one answer.
const MOST: usize = 10_000;

pub(super) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add_long("trace_filter", filter)
}

/// Parity's filter, with the tags it took, and Erigon's `mode`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    from_block: Option<BlockNumberOrTag>,
    to_block: Option<BlockNumberOrTag>,
    #[serde(default)]
    from_address: Option<Vec<Address>>,
    #[serde(default)]
    to_address: Option<Vec<Address>>,
    #[serde(default)]
    mode: TraceFilterMode,
    #[serde(default, deserialize_with = "count")]
    after: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    count: Option<u64>,
}

/// A number, or a number in hex: clients send both.
fn count<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Count {
        Number(u64),
        Quantity(alloy::primitives::U64),
    }
    Ok(Option::<Count>::deserialize(value)?.map(|count| match count {
        Count::Number(number) => number,
        Count::Quantity(number) => number.to(),
    }))
}

/// Without bounds: from genesis to the latest block. Addresses of both lists must match unless `mode` is `union`.
fn filter(context: &Context, grant: &Grant<Read>, (request,): (Request,)) -> Answer<Vec<Entry>> {
    let view = context.view(grant);
    let Request { from_block, to_block, from_address, to_address, mode, after, count } = request;
    let latest = view.head().latest.number;
    let from = view.number_of(from_block.unwrap_or(BlockNumberOrTag::Earliest))?;
    let to = view.number_of(to_block.unwrap_or_default())?.min(latest);
    let most = context.limits.trace_blocks;
    if from > to || to - from >= most {
        return Err(ReadError::Range { from, to, limit: most }.into());
    }
    let rewards_match = from_address.as_ref().is_none_or(Vec::is_empty);
    let receivers = to_address.clone().unwrap_or_default();
    let matcher = TraceFilter::default()
        .from_address(from_address.unwrap_or_default())
        .to_address(to_address.unwrap_or_default())
        .mode(mode)
        .matcher();
    let matches = |entry: &Entry| match entry {
        Entry::Frame(frame) => matcher.matches(&frame.trace),
        Entry::Reward(reward) => rewards_match && (receivers.is_empty() || receivers.contains(&reward.author())),
    };
    let limits = limits(context, None)?;
    let (mut skip, count) =
        (after.unwrap_or(0), count.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX)));
    // What one block is looked at for goes again; what is found stays, of all blocks together.
    let mut room = limits.bytes;
    let mut found = Vec::new();
    for number in from.max(1)..=to {
        // Blocks without transactions take their time too.
        limits.check().map_err(ReadError::from)?;
        let block = view.trace(number.into())?.ok_or(Failure::UnknownBlock)?;
        let traces = block.parity(Which::All, &only_frames(), &limits)?;
        for entry in entries(block.block(), traces).into_iter().filter(&matches) {
            if found.len() == count {
                return Ok(found);
            }
            if skip > 0 {
                skip -= 1;
            } else if found.len() == MOST {
                return Err(Failure::Limit(
                    "RESULT_LIMIT",
                    format!(
                        "more than {MOST} traces match, at block {number}: ask for pages (after, count) or fewer blocks"
                    ),
                ));
            } else {
                room = room.checked_sub(entry.bytes()).ok_or(ReadError::Trace(TraceError::TooLarge))?;
                found.push(entry);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Request;

    #[test]
    fn bounds_are_numbers_or_tags_and_counts_are_hex_or_decimal() {
        let request: Request =
            serde_json::from_value(json!({ "fromBlock": "0x3", "toBlock": "latest", "after": 1, "count": "0x2" }))
                .unwrap();
        assert_eq!(request.from_block, Some(3.into()));
        assert_eq!((request.after, request.count), (Some(1), Some(2)));
        assert!(serde_json::from_value::<Request>(json!({})).unwrap().to_address.is_none());
    }
}
