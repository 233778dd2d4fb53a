//! What only a development chain offers: accounts whose keys the node holds, and blocks on demand.

use alloy::{
    consensus::{EthereumTypedTransaction, SignableTransaction},
    eips::{BlockId, eip2718::Encodable2718},
    primitives::{Address, B256, Bytes, Signature, U64, eip191_hash_message},
    rpc::types::TransactionRequest,
};
use aurum_chain::{Admin, Grant, Read, Submit, View};
use aurum_types::Transaction;
use jsonrpsee::core::RegisterMethodError;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    context::Context,
    error::{Answer, Failure},
    eth::call::{call_request, estimate},
    methods::Registrar,
    typed_data::TypedData,
};

/// The keys and the clock of a development chain. Implemented by the program; never given to a node of a real chain.
pub trait DevApi: Send + Sync + 'static {
    /// Accounts whose keys the node holds.
    fn accounts(&self) -> Vec<Address>;
    /// Signs a hash with the key of one of them.
    ///
    /// # Errors
    /// [`DevError::UnknownAccount`].
    fn sign(&self, account: Address, hash: B256) -> Result<Signature, DevError>;
    /// Moves the chain's time ahead, and tells by how many seconds it is in all.
    fn advance_time(&self, seconds: u64) -> u64;
    /// Gives the next block this time, in Unix seconds; time goes on from there.
    ///
    /// # Errors
    /// [`DevError::Past`].
    fn set_next_time(&self, seconds: u64) -> Result<(), DevError>;
    /// Seals this many blocks now and waits for the last. Called on a blocking thread.
    ///
    /// # Errors
    /// [`DevError::Mining`].
    fn mine(&self, blocks: u64) -> Result<(), DevError>;
}

/// Why a development request failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DevError {
    /// The node has no key for this account.
    #[error("unknown account")]
    UnknownAccount,
    /// A time that a block has had. Hardhat's words.
    #[error("Timestamp {seconds} is lower than or equal to previous block's timestamp {head}")]
    Past {
        /// Asked for.
        seconds: u64,
        /// Of the head.
        head: u64,
    },
    /// No block could be sealed.
    #[error("no block was mined: {0}")]
    Mining(String),
}

impl From<DevError> for Failure {
    fn from(error: DevError) -> Self {
        Self::Server(error.to_string())
    }
}

/// Registers `eth_accounts` always, and the rest on a development chain.
pub(crate) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    methods.add("eth_accounts", accounts)?;
    if methods.context.dev.is_none() {
        return Ok(());
    }
    methods.add("eth_sendTransaction", send_transaction)?;
    methods.add("eth_signTransaction", sign_transaction)?;
    methods.add("eth_sign", sign)?;
    methods.add("eth_signTypedData_v4", sign_typed_data)?;
    methods.add("personal_sign", personal_sign)?;
    methods.add("evm_mine", evm_mine)?;
    methods.add("evm_increaseTime", increase_time)?;
    methods.add("anvil_increaseTime", increase_time)?;
    methods.add("evm_setNextBlockTimestamp", set_next_time)?;
    methods.add("anvil_setNextBlockTimestamp", set_next_time)?;
    methods.add("anvil_mine", mine)?;
    methods.add("hardhat_mine", mine)
}

fn dev(context: &Context) -> Answer<&dyn DevApi> {
    context.dev.as_deref().ok_or_else(|| Failure::Server("this is no development chain".to_owned()))
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
    let transaction = signed(context, &context.view(read), request)?;
    context.submit(submit, transaction)
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

/// Fills in what the request leaves open, as a wallet would, and signs.
fn signed(context: &Context, view: &View, mut request: TransactionRequest) -> Answer<Transaction> {
    let dev = dev(context)?;
    let from = request.from.ok_or_else(|| Failure::Params("missing field from".to_owned()))?;
    if !dev.accounts().contains(&from) {
        return Err(DevError::UnknownAccount.into());
    }
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
    let unsigned = request
        .build_typed_tx()
        .map_err(|_| Failure::Params("the fields do not make a transaction of any type".to_owned()))?;
    let hash = unsigned.signature_hash();
    let signature = dev.sign(from, hash)?;
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

/// A number as hex, decimal text, or a number: the tools send all three.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Number {
    Plain(u64),
    Quantity(U64),
}

impl Number {
    fn get(self) -> u64 {
        match self {
            Self::Plain(number) => number,
            Self::Quantity(number) => number.to(),
        }
    }
}

/// Seconds by which the chain's time is ahead in all.
fn increase_time(context: &Context, _: &Grant<Admin>, (seconds,): (Number,)) -> Answer<u64> {
    Ok(dev(context)?.advance_time(seconds.get()))
}

fn set_next_time(context: &Context, _: &Grant<Admin>, (seconds,): (Number,)) -> Answer<()> {
    Ok(dev(context)?.set_next_time(seconds.get())?)
}

/// One block, at a time if one is given.
fn evm_mine(context: &Context, _: &Grant<Admin>, (seconds,): (Option<Number>,)) -> Answer<&'static str> {
    let dev = dev(context)?;
    if let Some(seconds) = seconds {
        dev.set_next_time(seconds.get())?;
    }
    dev.mine(1)?;
    Ok("0x0")
}

fn mine(context: &Context, _: &Grant<Admin>, (blocks, _interval): (Option<U64>, Option<U64>)) -> Answer<()> {
    const MOST: u64 = 100_000;
    let blocks = blocks.map_or(1, |blocks| blocks.to::<u64>());
    if blocks > MOST {
        return Err(Failure::Limit(format!("{blocks} blocks asked for, at most {MOST} at once")));
    }
    Ok(dev(context)?.mine(blocks)?)
}
