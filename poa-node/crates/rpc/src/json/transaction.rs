//! Transactions, waiting or in a block.

use alloy::{consensus::Transaction as _, rpc::types::Transaction as AlloyTransaction};
use aurum_chain::view::TransactionView;
use aurum_types::Transaction;

/// alloy's own JSON form of a transaction: every type, `yParity` beside `v`, nulls while it waits.
pub(crate) type TransactionJson = AlloyTransaction<Transaction>;

/// `gasPrice` of a type 2 or 4 transaction is what it paid: nothing on a gas-free chain, its offer while it waits.
pub(crate) fn transaction_json(view: TransactionView, gas_free: bool) -> TransactionJson {
    let TransactionView { transaction, place } = view;
    let price = match place {
        Some(_) if gas_free => 0,
        Some(place) => transaction.effective_gas_price(place.base_fee),
        None => transaction.max_fee_per_gas(),
    };
    TransactionJson {
        inner: transaction,
        block_hash: place.map(|place| place.block_hash),
        block_number: place.map(|place| place.block_number),
        transaction_index: place.map(|place| place.index as u64),
        effective_gas_price: Some(price),
        block_timestamp: place.map(|place| place.timestamp),
    }
}
