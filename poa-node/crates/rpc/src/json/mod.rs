//! How blocks, transactions, receipts and logs look in JSON: geth's fields, and Parity's beside them.

mod block;
mod log;
mod proof;
mod receipt;
mod transaction;

pub(crate) use self::{
    block::{BlockJson, HeaderJson},
    log::receipt_logs,
    proof::proof_json,
    receipt::ReceiptJson,
    transaction::{TransactionJson, transaction_json},
};
