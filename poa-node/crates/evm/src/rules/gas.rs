//! What each EIP makes things cost (OpenEthereum `Schedule`), as revm's two tables: parameters, and static prices of
//! opcodes.

use revm::{
    bytecode::opcode,
    context_interface::cfg::{GasParams, gas_params::GasId},
    interpreter::instructions::{GasTable, gas_table_spec},
    primitives::hardfork::SpecId,
};

use super::Eips;

/// Price of writing a slot that was zero.
const SSTORE_SET: u64 = 20_000;

/// The parameters under these EIPs. Without EIP-150 they are Homestead's.
pub(super) fn gas_params(eips: &Eips) -> GasParams {
    if !eips.has(150) {
        return GasParams::new_spec(SpecId::HOMESTEAD);
    }
    // EIP-150, and what no EIP of the list changes.
    let mut params = GasParams::new_spec(SpecId::TANGERINE);
    params.override_gas([(GasId::exp_byte_gas(), if eips.has(160) { 50 } else { 10 })]);
    params.override_gas(sstore(eips));
    // 16 (EIP-2028) or 68 gas for a byte that is not zero, in units of a zero byte's 4.
    let non_zero_byte = if eips.has(2028) { 4 } else { 17 };
    params.override_gas([(GasId::tx_token_non_zero_byte_multiplier(), non_zero_byte)]);
    if eips.has(2929) {
        params.override_gas([
            (GasId::cold_account_additional_cost(), 2_500),
            (GasId::cold_storage_additional_cost(), 2_000),
            (GasId::cold_storage_cost(), 2_100),
            (GasId::warm_storage_read_cost(), 100),
            // EIP-2930: OpenEthereum charges for an access list where there is EIP-2929 (`transact_with_tracer`).
            (GasId::tx_access_list_address_cost(), 2_400),
            (GasId::tx_access_list_storage_key_cost(), 1_900),
        ]);
    }
    if eips.has(3529) {
        params.override_gas([(GasId::selfdestruct_refund(), 0), (GasId::max_refund_quotient(), 5)]);
    }
    // revm's interpreter charges this whenever it is not zero (EIP-3860).
    let initcode_word = if eips.has(3860) { 2 } else { 0 };
    params.override_gas([(GasId::initcode_per_word(), initcode_word), (GasId::tx_initcode_cost(), initcode_word)]);
    if eips.has(7623) {
        params.override_gas([
            (GasId::tx_floor_cost_per_token(), 10),
            (GasId::tx_floor_cost_base_gas(), 21_000),
            (GasId::tx_floor_token_zero_byte_multiplier(), 1),
        ]);
    }
    if eips.has(7702) {
        params.override_gas([(GasId::tx_eip7702_regular_gas(), 25_000), (GasId::tx_eip7702_regular_refund(), 12_500)]);
    }
    params
}

/// SSTORE's prices (OpenEthereum `calculate_eip1283_eip2929_sstore_gas`): net metering charges a read first and the rest
/// only for the first change of a slot; the older rule charges every write in full.
fn sstore(eips: &Eips) -> [(GasId, u64); 6] {
    let reset = if eips.has(2929) { 2_900 } else { 5_000 };
    let first = if eips.has(1283) { u64::from(sload(eips)) } else { reset };
    let clears = if eips.has(3529) { 4_800 } else { 15_000 };
    [
        (GasId::sstore_static(), first),
        (GasId::sstore_set_without_load_cost(), SSTORE_SET - first),
        (GasId::sstore_reset_without_cold_load_cost(), reset - first),
        (GasId::sstore_set_refund(), SSTORE_SET - first),
        (GasId::sstore_reset_refund(), reset - first),
        (GasId::sstore_clearing_slot_refund(), clears),
    ]
}

/// Price of reading a slot; with EIP-2929, of a warm one.
fn sload(eips: &Eips) -> u16 {
    match (eips.has(2929), eips.has(1884)) {
        (true, _) => 100,
        (false, true) => 800,
        (false, false) => 200,
    }
}

/// Static prices of opcodes under these EIPs.
pub(super) fn gas_table(eips: &Eips) -> GasTable {
    if !eips.has(150) {
        return gas_table_spec(SpecId::HOMESTEAD);
    }
    let mut table = gas_table_spec(SpecId::TANGERINE);
    let mut price = |opcode: u8, gas: u16| table[usize::from(opcode)] = gas;
    price(opcode::SLOAD, sload(eips));
    if eips.has(1884) {
        price(opcode::BALANCE, 700);
        price(opcode::EXTCODEHASH, 700);
    }
    if eips.has(2929) {
        for opcode in WARM {
            price(opcode, 100);
        }
    }
    table
}

/// Opcodes that cost a warm access under EIP-2929, and more where the account is cold.
const WARM: [u8; 8] = [
    opcode::BALANCE,
    opcode::EXTCODESIZE,
    opcode::EXTCODEHASH,
    opcode::EXTCODECOPY,
    opcode::CALL,
    opcode::CALLCODE,
    opcode::DELEGATECALL,
    opcode::STATICCALL,
];
