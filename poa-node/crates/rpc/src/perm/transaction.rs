//! `perm_whyTransaction`: what became of a transaction, and why.

use alloy::{
    consensus::Transaction as _,
    eips::BlockId,
    primitives::{Address, B256, Bytes},
};
use alloy_rpc_types_trace::geth::{CallFrame, GethDebugBuiltInTracerType, GethDebugTracingOptions, GethTrace};
use aurum_chain::{
    Grant, Read, View, Which,
    view::{ReceiptView, TransactionView},
};
use aurum_evm::PermissionRequest;
use aurum_pool::{Departed, Departure};
use aurum_types::Recovered;
use jsonrpsee::core::RegisterMethodError;
use serde::Serialize;

use super::{custom_error, grantors::Grantors, rules::contract};
use crate::{
    context::Context,
    debug::{limits, locate},
    error::Answer,
    methods::Registrar,
    revert::revert_message,
};

/// How the refusal of a transaction begins that its sender has no right for (OpenEthereum's words).
const DENIED: &str = "Transaction is not permitted.";

pub(super) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add_long("perm_whyTransaction", why)
}

/// What became of it. Words for programs.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Status {
    /// This node does not know it.
    Unknown,
    /// It waits and could be in the next block.
    Pending,
    /// It waits for something.
    Queued,
    /// Its sender sent another with its nonce.
    Replaced,
    /// It was not taken into the pool.
    Refused,
    /// It left the pool without being in a block.
    Dropped,
    /// It is in a block and did what it was to do.
    Mined,
    /// It is in a block and failed there.
    Reverted,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WhyJson {
    hash: B256,
    status: Status,
    /// Why, a sentence for people.
    explanation: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<u64>,
    /// The nonce the chain waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_nonce: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    block_number: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced_by: Option<B256>,
    /// The latest block when it was refused, or left the pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_at: Option<u64>,
    /// Who can grant the right that is missing, where the contract tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    grantors: Option<Grantors>,
    /// What the transaction failed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    revert_data: Option<Bytes>,
    /// The contract that failed first: inside it is the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_in: Option<Address>,
}

impl WhyJson {
    const fn new(hash: B256, status: Status, explanation: String) -> Self {
        Self {
            hash,
            status,
            explanation,
            from: None,
            nonce: None,
            next_nonce: None,
            block_number: None,
            replaced_by: None,
            left_at: None,
            grantors: None,
            revert_data: None,
            failed_in: None,
        }
    }
}

fn why(context: &Context, grant: &Grant<Read>, (hash,): (B256,)) -> Answer<WhyJson> {
    let view = context.view(grant);
    if let Some(receipt) = view.receipt(hash)? {
        return in_block(context, &view, hash, &receipt);
    }
    if let Some(TransactionView { transaction, .. }) = view.transaction(hash)? {
        return waiting(&view, hash, &transaction);
    }
    Ok(view.pool().departure(hash).map_or_else(|| unknown(hash), |departed| gone(&view, hash, departed)))
}

fn unknown(hash: B256) -> WhyJson {
    let explanation = "This node has not seen it: it was never sent here, another node refused it, or it is older than what \
                       this node remembers of transactions that are in no block.";
    WhyJson::new(hash, Status::Unknown, explanation.to_owned())
}

/// As the contract says now; `None` also where its state cannot be read.
fn grantors(view: &View, contract: Address) -> Option<Grantors> {
    Grantors::of(view, BlockId::latest(), contract).unwrap_or_default()
}

fn gone(view: &View, hash: B256, departed: Departed) -> WhyJson {
    let Departed { why, at } = departed;
    let grantors = match &why {
        Departure::Refused(reason) | Departure::NoLongerAdmitted(reason) if reason.starts_with(DENIED) => {
            contract(view, view.head().latest.number).and_then(|contract| grantors(view, contract))
        }
        _ => None,
    };
    let (status, explanation, replaced_by) = match why {
        Departure::Refused(reason) => {
            (Status::Refused, format!("This node refused it when it came: {reason}"), None)
        }
        Departure::Replaced { by } => (
            Status::Replaced,
            format!("Its sender sent {by} with the same nonce and a higher fee."),
            Some(by),
        ),
        Departure::NonceUsed => {
            (Status::Dropped, "A block holds another transaction of its sender with its nonce.".to_owned(), None)
        }
        Departure::Evicted => (
            Status::Dropped,
            "It waited behind a missing nonce when the pool was full, and made room. Send the missing one, then it again."
                .to_owned(),
            None,
        ),
        Departure::NoLongerAdmitted(reason) => {
            (Status::Dropped, format!("While it waited, the chain's rules ceased to admit it: {reason}"), None)
        }
        Departure::Removed(reason) => (Status::Dropped, format!("It was taken out of the pool: {reason}"), None),
    };
    let explanation = format!("{explanation} (Block {at} was the latest then.)");
    WhyJson { replaced_by, grantors, left_at: Some(at), ..WhyJson::new(hash, status, explanation) }
}

/// What it waits for.
fn waiting(view: &View, hash: B256, transaction: &Recovered<aurum_types::Transaction>) -> Answer<WhyJson> {
    let (from, tx) = (transaction.signer(), transaction.inner());
    let next = view.state(BlockId::latest())?.map(|state| state.account(from)).transpose()?.map_or(0, |a| a.nonce);
    let pooled = view.pool().next_nonce(from).unwrap_or(next);
    let base_fee = view.next_base_fee().map(u128::from).filter(|_| !view.spec().params.gas_free);
    let denial = view.permission(BlockId::latest(), &PermissionRequest::of(from, tx))?.err();
    let mut granted_by = None;
    let (status, explanation) = if tx.nonce() > pooled {
        (Status::Queued, format!("It waits for nonce {pooled} of {from}, which no transaction here has."))
    } else if let Some(denial) = denial {
        granted_by = grantors(view, denial.contract);
        (Status::Queued, denial.to_string())
    } else if let Some(base_fee) =
        base_fee.filter(|base_fee| tx.max_fee_per_gas() < *base_fee && tx.max_fee_per_gas() != 0)
    {
        let offer = tx.max_fee_per_gas();
        (Status::Queued, format!("It offers {offer} wei for a gas, and the next block asks {base_fee}."))
    } else if tx.nonce() > next {
        let before = tx.nonce() - next;
        (Status::Pending, format!("It goes after {before} earlier transactions of {from}, which wait too."))
    } else {
        (Status::Pending, "Nothing keeps it: it waits for the next block.".to_owned())
    };
    let why = WhyJson::new(hash, status, explanation);
    Ok(WhyJson { from: Some(from), nonce: Some(tx.nonce()), next_nonce: Some(next), grantors: granted_by, ..why })
}

/// How it ended, with the reason where it failed.
fn in_block(context: &Context, view: &View, hash: B256, receipt: &ReceiptView) -> Answer<WhyJson> {
    let place = receipt.place();
    let transaction = &receipt.transaction.transaction;
    let of = |why: WhyJson| WhyJson {
        from: Some(transaction.signer()),
        nonce: Some(transaction.nonce()),
        block_number: Some(place.block_number),
        ..why
    };
    let number = place.block_number;
    if receipt.receipt.succeeded() {
        let explanation = format!("It is in block {number} and succeeded.");
        return Ok(of(WhyJson::new(hash, Status::Mined, explanation)));
    }
    let Some((block, index)) = locate(view, hash)? else { return Ok(unknown(hash)) };
    let tracer = GethDebugTracingOptions::new_tracer(GethDebugBuiltInTracerType::CallTracer);
    let mut traces = block.geth(Which::One(index), &tracer, &limits(context, None)?)?;
    let Some(GethTrace::CallTracer(root)) = traces.pop() else { return Ok(unknown(hash)) };
    let output = root.output.clone().unwrap_or_default();
    let reason = match root.error.as_deref() {
        Some("execution reverted") | None => reverted_with(&output),
        Some(error) => error.to_owned(),
    };
    let first = first_failure(&root);
    let explanation = format!("It is in block {number} and failed there: {reason}.");
    let why = WhyJson::new(hash, Status::Reverted, explanation);
    Ok(of(WhyJson { revert_data: Some(output).filter(|data| !data.is_empty()), failed_in: first, ..why }))
}

/// geth's words where the data are a text or a panic; else the custom error by its name, as far as that is known.
fn reverted_with(output: &[u8]) -> String {
    let message = revert_message(output);
    match custom_error::describe(output) {
        Some(custom) if message == "execution reverted" => format!("{message} with {custom}"),
        _ => message,
    }
}

/// The innermost frame that failed and took those around it with it.
fn first_failure(frame: &CallFrame) -> Option<Address> {
    frame.error.as_ref()?;
    let inner = frame.calls.iter().rev().find(|inner| inner.error.is_some() && inner.output == frame.output);
    inner.and_then(first_failure).or(frame.to)
}

#[cfg(test)]
mod tests {
    use alloy::{
        primitives::hex,
        sol_types::{Revert, SolError},
    };

    use super::reverted_with;

    #[test]
    fn texts_are_shown_as_text_and_custom_errors_by_name_or_selector() {
        assert_eq!(reverted_with(&Revert::from("no").abi_encode()), "execution reverted: no");
        assert_eq!(reverted_with(&[]), "execution reverted");
        // Error("") is a text, if an empty one.
        assert_eq!(reverted_with(&Revert::from("").abi_encode()), "execution reverted: ");
        assert_eq!(reverted_with(&hex!("d93c0665")), "execution reverted with EnforcedPause()");
        let mut custom = hex!("deadbeef").to_vec();
        custom.extend([0; 64]);
        assert_eq!(reverted_with(&custom), "execution reverted with the custom error 0xdeadbeef, 2 words");
    }
}
