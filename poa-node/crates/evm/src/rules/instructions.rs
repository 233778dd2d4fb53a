//! The opcodes of one block: revm's, without those whose EIP is not in force, and with ours where an EIP decides how one
//! behaves.

use revm::{
    bytecode::opcode,
    context_interface::Host,
    handler::instructions::EthInstructions,
    interpreter::{
        Gas, Instruction, InstructionContext, InstructionExecResult, InstructionResult,
        instructions::{contract, gas_table_spec, instruction_table},
        interpreter::EthInterpreter,
    },
    primitives::{Address, hardfork::SpecId},
};

use super::{Eips, gas::gas_table};

type Context<'a, H> = InstructionContext<'a, H, EthInterpreter>;

/// Opcodes that exist from an EIP on (OpenEthereum `verify_instruction`).
const SWITCHED: [(u64, &[u8]); 12] = [
    (140, &[opcode::REVERT]),
    (145, &[opcode::SHL, opcode::SHR, opcode::SAR]),
    (211, &[opcode::RETURNDATASIZE, opcode::RETURNDATACOPY]),
    (214, &[opcode::STATICCALL]),
    (1014, &[opcode::CREATE2]),
    (1052, &[opcode::EXTCODEHASH]),
    (1153, &[opcode::TLOAD, opcode::TSTORE]),
    (1344, &[opcode::CHAINID]),
    (1884, &[opcode::SELFBALANCE]),
    (3198, &[opcode::BASEFEE]),
    (3855, &[opcode::PUSH0]),
    (5656, &[opcode::MCOPY]),
];

/// Opcodes of revm's newest fork here that no chain of this node has: there are no blobs.
const NEVER: [u8; 2] = [opcode::BLOBHASH, opcode::BLOBBASEFEE];

/// The opcodes under these EIPs, for an interpreter that runs as `spec`.
pub(super) fn instructions<H: Host>(eips: &Eips, spec: SpecId) -> EthInstructions<EthInterpreter, H> {
    if !eips.has(150) {
        // OpenEthereum's Homestead schedule has no part that the spec could change.
        return EthInstructions::new(instruction_table(), gas_table_spec(spec), spec);
    }
    let mut table = instruction_table::<EthInterpreter, H>();
    let mut set = |opcode: u8, instruction| table[usize::from(opcode)] = instruction;
    for opcode in SWITCHED.iter().filter(|(eip, _)| !eips.has(*eip)).flat_map(|(_, opcodes)| *opcodes).chain(&NEVER) {
        set(*opcode, Instruction::unknown());
    }
    set(
        opcode::SSTORE,
        match (eips.has(1283), eips.has(1706)) {
            (false, false) => Instruction::new(sstore::<false, false, H>),
            (false, true) => Instruction::new(sstore::<false, true, H>),
            (true, false) => Instruction::new(sstore::<true, false, H>),
            (true, true) => Instruction::new(sstore::<true, true, H>),
        },
    );
    if !eips.has(161) {
        set(opcode::CALL, Instruction::new(call_any_missing::<H>));
        set(opcode::SELFDESTRUCT, Instruction::new(selfdestruct_to_any_missing::<H>));
    }
    EthInstructions::new(table, gas_table(eips), spec)
}

fn charge(gas: &mut Gas, cost: u64) -> InstructionExecResult {
    if gas.record_regular_cost(cost) { Ok(()) } else { Err(InstructionResult::OutOfGas) }
}

/// SSTORE: net gas metering or not (EIP-1283), refused with no more gas than a call's stipend or not (EIP-1706). revm has
/// the two together as EIP-2200.
fn sstore<const NET: bool, const GUARD: bool, H: Host>(context: Context<'_, H>) -> InstructionExecResult {
    let InstructionContext { interpreter, host } = context;
    if interpreter.runtime_flag.is_static {
        return Err(InstructionResult::StateChangeDuringStaticCall);
    }
    let Some([slot, value]) = interpreter.stack.popn() else { return Err(InstructionResult::StackUnderflow) };
    if GUARD && interpreter.gas.remaining() <= host.gas_params().call_stipend() {
        return Err(InstructionResult::ReentrancySentryOOG);
    }
    charge(&mut interpreter.gas, host.gas_params().sstore_static_gas())?;
    // The price of a cold slot is 0 without EIP-2929, and the older metering does not look at it.
    let cannot_pay = interpreter.gas.remaining() < host.gas_params().cold_storage_cost();
    let load = host.sstore_skip_cold_load(interpreter.input.target_address, slot, value, cannot_pay)?;
    charge(&mut interpreter.gas, host.gas_params().sstore_dynamic_gas(NET, &load.data, load.is_cold))?;
    interpreter.gas.record_refund(host.gas_params().sstore_refund(NET, &load.data));
    Ok(())
}

/// CALL before EIP-161: 25,000 gas for a missing account even if it is sent nothing. revm charges for one that is sent
/// something.
fn call_any_missing<H: Host>(context: Context<'_, H>) -> InstructionExecResult {
    let InstructionContext { interpreter, host } = context;
    if interpreter.stack.peek(2)?.is_zero() {
        let target = Address::from_word(interpreter.stack.peek(1)?.into());
        let gas = &mut interpreter.gas;
        let cold = host.gas_params().cold_account_additional_cost();
        let missing = host.gas_params().new_account_cost(false, false);
        let account = host.load_account_info_skip_cold_load(target, false, gas.remaining() < cold)?;
        // Loaded now, the account is warm for revm's CALL.
        let (is_cold, is_missing) = (account.is_cold, account.is_empty);
        charge(gas, if is_cold { cold } else { 0 })?;
        charge(gas, if is_missing { missing } else { 0 })?;
    }
    contract::call::<{ opcode::CALL }, _, _>(InstructionContext { interpreter, host })
}

/// SELFDESTRUCT before EIP-161: 25,000 gas for a missing heir even of nothing.
fn selfdestruct_to_any_missing<H: Host>(context: Context<'_, H>) -> InstructionExecResult {
    let InstructionContext { interpreter, host } = context;
    if interpreter.runtime_flag.is_static {
        return Err(InstructionResult::StateChangeDuringStaticCall);
    }
    let Some([heir]) = interpreter.stack.popn() else { return Err(InstructionResult::StackUnderflow) };
    let heir = Address::from_word(heir.into());
    let cannot_pay = interpreter.gas.remaining() < host.gas_params().selfdestruct_cold_cost();
    let done = host.selfdestruct(interpreter.input.target_address, heir, cannot_pay)?;
    charge(&mut interpreter.gas, host.gas_params().selfdestruct_cost(!done.data.target_exists, done.is_cold))?;
    if !done.data.previously_destroyed {
        interpreter.gas.record_refund(host.gas_params().selfdestruct_refund());
    }
    Err(InstructionResult::SelfDestruct)
}
