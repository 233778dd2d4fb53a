//! Recognising `InitiateChange` (aura.md §2.3).

use alloy::{
    primitives::{Address, B256, Bloom, BloomInput, b256},
    sol_types::{SolType, sol_data},
};
use aurum_types::{Header, Receipt, ValidatorSet};

/// keccak256("InitiateChange(bytes32,address[])").
const INITIATE_CHANGE: B256 = b256!("55252fa6eee4741b4e24a74a70e9c11fd2c2281df8d6ea13126ff845f7825c89");

/// The set that `contract` announced in this block, if it did.
///
/// The event must name the block's *parent*. Receipts are searched from the last to the first, but inside a receipt the
/// first event wins: OpenEthereum's order, and part of the protocol. Data that is no address list is passed over.
/// Logs of system calls are in no receipt and never count.
pub fn initiate_change(contract: Address, header: &Header, receipts: &[Receipt]) -> Option<ValidatorSet> {
    let mut expected = Bloom::ZERO;
    for input in [contract.as_slice(), INITIATE_CHANGE.as_slice(), header.parent_hash.as_slice()] {
        expected.accrue(BloomInput::Raw(input));
    }
    if !header.logs_bloom.contains(&expected) {
        return None;
    }
    receipts
        .iter()
        .rev()
        .flat_map(|receipt| &receipt.logs)
        .filter(|log| log.address == contract && log.topics() == [INITIATE_CHANGE, header.parent_hash])
        .find_map(|log| <(sol_data::Array<sol_data::Address>,)>::abi_decode_params(&log.data.data).ok())
        .map(|(set,)| ValidatorSet::new(set))
}
