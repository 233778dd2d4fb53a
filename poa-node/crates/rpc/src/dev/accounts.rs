//! Accounts that the node signs for, and accounts that need no signature.

use alloy::{
    consensus::{EthereumTypedTransaction, SignableTransaction, TxEip4844Variant},
    eips::{BlockId, eip2718::Encodable2718},
    primitives::{Address, B256, Bytes, Signature, eip191_hash_message},
    rpc::types::TransactionRequest,
};
use aurum_chain::{Admin, Grant, Read, Submit, View};
use aurum_types::Transaction;
use jsonrpsee::core::RegisterMethodError;
use serde::Serialize;
use serde_json::Value;

use super::{DevApi, DevError, dev};
use crate::{
    context::Context,
    error::{Answer, Failure},
    eth::call::{call_request, estimate},
    methods::Registrar,
    typed_data::TypedData,
};

/// On every chain.
pub(super) fn register_always(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add("eth_accounts", accounts)
}

pub(super) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add("eth_sendTransaction", send_transaction)?;
    methods.add("eth_signTransaction", sign_transaction)?;
    methods.add("eth_sign", sign)?;
    methods.add("eth_signTypedData_v4", sign_typed_data)?;
    methods.add("personal_sign", personal_sign)?;
    methods.add("anvil_impersonateAccount", impersonate)?;
    methods.add("hardhat_impersonateAccount", impersonate)?;
    methods.add("anvil_stopImpersonatingAccount", stop_impersonating)?;
    methods.add("hardhat_stopImpersonatingAccount", stop_impersonating)
}

/// Empty outside development chains: this node holds no user's key.
fn accounts(context: &Context, _: &Grant<Read>, (): ()) -> Answer<Vec<Address>> {
    Ok(context.dev.as_deref().map(DevApi::accounts).unwrap_or_default())
}

fn send_transaction(
    context: &Context,
    (read, submit): &(Grant<Read>, Grant<Submit>),
    (request,): (TransactionRequest,),
) -> Answer<B256> {
    let (view, from) = (context.view(read), sender(&request)?);
    let Some(development) = dev(context)?.impersonates(from) else {
        return context.submit(submit, signed(context, &view, request)?);
    };
    let unsigned = filled(context, &view, from, request)?;
    let transaction = with_signature(unsigned, development.impersonation(from))?;
    context.submit_impersonated(submit, development, transaction)
}

#[derive(Serialize)]
struct SignedJson {
    raw: Bytes,
    tx: Transaction,
}

fn sign_transaction(context: &Context, grant: &Grant<Read>, (request,): (TransactionRequest,)) -> Answer<SignedJson> {
    let tx = signed(context, &context.view(grant), request)?;
    Ok(SignedJson { raw: tx.encoded_2718().into(), tx })
}

fn sender(request: &TransactionRequest) -> Answer<Address> {
    request.from.ok_or_else(|| Failure::Params("missing field from".to_owned()))
}

/// Signs what [`filled`] makes of the request.
fn signed(context: &Context, view: &View, request: TransactionRequest) -> Answer<Transaction> {
    let (dev, from) = (dev(context)?, sender(&request)?);
    if !dev.accounts().contains(&from) {
        return Err(DevError::UnknownAccount.into());
    }
    let unsigned = filled(context, view, from, request)?;
    let signature = dev.sign(from, unsigned.signature_hash())?;
    with_signature(unsigned, signature)
}

/// Fills in what the request leaves open, as a wallet would.
fn filled(
    context: &Context,
    view: &View,
    from: Address,
    mut request: TransactionRequest,
) -> Answer<EthereumTypedTransaction<TxEip4844Variant>> {
    request.chain_id = Some(view.spec().params.chain_id);
    request.to = Some(request.to.unwrap_or_default());
    request.input.normalize_input();
    if request.nonce.is_none() {
        request.nonce = Some(view.next_nonce(from)?);
    }
    if request.gas.is_none() {
        let call = call_request(view, request.clone())?;
        request.gas = Some(estimate(context, view, BlockId::pending(), call)?);
    }
    if request.gas_price.is_none() {
        let tip = match request.max_priority_fee_per_gas {
            Some(tip) => tip,
            None => view.priority_fee()?,
        };
        let base = u128::from(view.next_base_fee().unwrap_or(0));
        request.max_priority_fee_per_gas = Some(tip);
        request.max_fee_per_gas = Some(request.max_fee_per_gas.unwrap_or(base.saturating_mul(2).saturating_add(tip)));
    }
    request.build_typed_tx().map_err(|_| Failure::Params("the fields do not make a transaction of any type".to_owned()))
}

fn with_signature(unsigned: EthereumTypedTransaction<TxEip4844Variant>, signature: Signature) -> Answer<Transaction> {
    Ok(match unsigned {
        EthereumTypedTransaction::Legacy(tx) => tx.into_signed(signature).into(),
        EthereumTypedTransaction::Eip2930(tx) => tx.into_signed(signature).into(),
        EthereumTypedTransaction::Eip1559(tx) => tx.into_signed(signature).into(),
        EthereumTypedTransaction::Eip7702(tx) => tx.into_signed(signature).into(),
        EthereumTypedTransaction::Eip4844(_) => {
            return Err(Failure::Params("blob transactions are not part of this chain".to_owned()));
        }
    })
}

fn sign(context: &Context, _: &Grant<Submit>, (account, message): (Address, Bytes)) -> Answer<Bytes> {
    let signature = dev(context)?.sign(account, eip191_hash_message(message))?;
    Ok(signature.as_bytes().into())
}

/// EIP-712.
fn sign_typed_data(context: &Context, _: &Grant<Submit>, (account, data): (Address, Value)) -> Answer<Bytes> {
    let hash = TypedData::read(data)?.signing_hash()?;
    Ok(dev(context)?.sign(account, hash)?.as_bytes().into())
}

fn personal_sign(
    context: &Context,
    grant: &Grant<Submit>,
    (message, account, _password): (Bytes, Address, Option<String>),
) -> Answer<Bytes> {
    sign(context, grant, (account, message))
}

/// From now on `eth_sendTransaction` takes its transactions without a key.
fn impersonate(context: &Context, _: &Grant<Admin>, (account,): (Address,)) -> Answer<bool> {
    dev(context)?.impersonate(account)?;
    Ok(true)
}

fn stop_impersonating(context: &Context, _: &Grant<Admin>, (account,): (Address,)) -> Answer<bool> {
    dev(context)?.stop_impersonating(account);
    Ok(true)
}
