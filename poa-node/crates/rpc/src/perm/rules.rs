//! Who may do what, and why not. Numbers are JSON numbers, as in the `data` of −32010.

use alloy::{eips::BlockId, primitives::Address, rpc::types::TransactionRequest};
use aurum_chain::{Denial, Grant, Read, View};
use jsonrpsee::core::RegisterMethodError;
use serde::Serialize;

use super::grantors::Grantors;
use crate::{
    context::Context,
    error::{Answer, Failure},
    eth::call::call_request,
    methods::Registrar,
    rights,
};

pub(super) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add("perm_getPermissions", permissions)?;
    methods.add("perm_check", check)?;
    methods.add("perm_explain", explain)
}

#[derive(Serialize)]
struct PermissionsJson {
    account: Address,
    rights: Vec<&'static str>,
    /// The contract's mask.
    bits: u32,
    contract: Option<Address>,
    block: u64,
}

/// The rights of an account at a block.
fn permissions(
    context: &Context,
    grant: &Grant<Read>,
    (account, id): (Address, Option<BlockId>),
) -> Answer<PermissionsJson> {
    let view = context.view(grant);
    let id = id.unwrap_or_default();
    let block = view.resolve(id)?.ok_or(Failure::UnknownBlock)?.number;
    let bits = view.rights(id, account)?;
    Ok(PermissionsJson { account, rights: rights::names(bits), bits, contract: contract(&view, block), block })
}

/// The contract that decides about children of `block`.
pub(super) fn contract(view: &View, block: u64) -> Option<Address> {
    let params = &view.spec().params;
    let decides = block.saturating_add(1) >= params.transaction_permission_contract_transition;
    params.transaction_permission_contract.filter(|_| decides)
}

/// Whether a transaction with these fields would be permitted now.
fn check(context: &Context, grant: &Grant<Read>, (request, id): (TransactionRequest, Option<BlockId>)) -> Answer<bool> {
    Ok(decide(&context.view(grant), request, id.unwrap_or_default())?.is_ok())
}

#[derive(Serialize)]
struct ExplanationJson {
    permitted: bool,
    /// One sentence for people.
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    needed: Option<String>,
    have: Vec<&'static str>,
    contract: Option<Address>,
    /// Who can grant what is needed, where the contract tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    grantors: Option<Grantors>,
    block: u64,
}

/// The decision, what it rests on, and what would change it.
fn explain(
    context: &Context,
    grant: &Grant<Read>,
    (request, id): (TransactionRequest, Option<BlockId>),
) -> Answer<ExplanationJson> {
    let view = context.view(grant);
    let id = id.unwrap_or_default();
    let block = view.resolve(id)?.ok_or(Failure::UnknownBlock)?.number;
    let contract = contract(&view, block);
    let sender = request.from.unwrap_or_default();
    Ok(match decide(&view, request, id)? {
        Ok(()) => ExplanationJson {
            permitted: true,
            message: match contract {
                Some(contract) => format!("Contract {contract} permits it at block {block}."),
                None => "No permission contract decides on this chain: every transaction is permitted.".to_owned(),
            },
            reason: None,
            needed: None,
            have: rights::names(view.rights(id, sender)?),
            contract,
            grantors: None,
            block,
        },
        Err(denial) => {
            let grantors = Grantors::of(&view, id, denial.contract)?;
            let sentence = grantors.as_ref().map(Grantors::sentence);
            ExplanationJson {
                permitted: false,
                message: sentence.map_or_else(|| denial.to_string(), |sentence| format!("{denial}. {sentence}")),
                reason: Some(denial.code()),
                needed: Some(denial.needed.to_string()),
                have: rights::names(denial.have),
                contract: Some(denial.contract),
                grantors,
                block: denial.block,
            }
        }
    })
}

fn decide(view: &View, request: TransactionRequest, id: BlockId) -> Answer<Result<(), Denial>> {
    let call = call_request(view, request)?;
    let request = call.permission_request(call.gas.unwrap_or_default());
    Ok(view.permission(id, &request)?)
}
