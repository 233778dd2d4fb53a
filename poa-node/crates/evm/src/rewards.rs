//! Block rewards (aura.md §2.6): for every sealed empty step's signer, then for the author.

use alloy::{
    primitives::{Address, Bytes, U256, keccak256},
    rlp::{Decodable, Encodable, Header as RlpHeader},
    sol_types::SolCall,
};
use aurum_types::{ChainSpec, crypto, spec::RewardContract};

use crate::{
    BlockEnv, EvmError, InvalidExecution,
    abi::IBlockReward,
    inspect::Look,
    machine::Machine,
    system_call::{system_call, system_code},
};

/// What earns a reward, in the reward contract's numbers.
const KIND_AUTHOR: u16 = 0;
const KIND_EMPTY_STEP: u16 = 2;

/// What a reward is for, in Parity's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RewardKind {
    /// The author's, stated in the spec.
    Block,
    /// Of the signer of a sealed empty step, stated in the spec.
    EmptyStep,
    /// As the reward contract says.
    External,
}

/// Wei that a block brings into being.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reward {
    /// Who gets it.
    pub receiver: Address,
    /// Wei.
    pub amount: U256,
    /// For what.
    pub kind: RewardKind,
}

/// Pays the rewards of the block.
pub(crate) fn pay<I: Look>(spec: &ChainSpec, env: &BlockEnv, machine: &mut Machine<I>) -> Result<(), EvmError> {
    for Reward { receiver, amount, .. } in owed(spec, env, machine)? {
        machine.state().add_balance(receiver, amount)?;
    }
    Ok(())
}

/// The rewards of the block, in the order in which they are paid.
pub(crate) fn owed<I: Look>(
    spec: &ChainSpec,
    env: &BlockEnv,
    machine: &mut Machine<I>,
) -> Result<Vec<Reward>, EvmError> {
    let mut beneficiaries: Vec<(Address, u16)> =
        empty_step_signers(env).into_iter().map(|signer| (signer, KIND_EMPTY_STEP)).collect();
    beneficiaries.push((env.author, KIND_AUTHOR));

    if let Some((_, contract)) = spec.engine.block_reward_contracts.range(..=env.number).next_back() {
        let stated = ask_contract(contract, &beneficiaries, machine)?.into_iter();
        return Ok(stated.map(|(receiver, amount)| Reward { receiver, amount, kind: RewardKind::External }).collect());
    }
    let amount = spec.engine.block_reward.range(..=env.number).next_back().map_or(U256::ZERO, |(_, wei)| *wei);
    let kind = |kind| if kind == KIND_EMPTY_STEP { RewardKind::EmptyStep } else { RewardKind::Block };
    Ok(beneficiaries.into_iter().map(|(receiver, what)| Reward { receiver, amount, kind: kind(what) }).collect())
}

fn ask_contract<I: Look>(
    contract: &RewardContract,
    beneficiaries: &[(Address, u16)],
    machine: &mut Machine<I>,
) -> Result<Vec<(Address, U256)>, EvmError> {
    let (benefactors, kind) = beneficiaries.iter().copied().unzip();
    let data = Bytes::from(IBlockReward::rewardCall { benefactors, kind }.abi_encode());
    let (address, output) = match contract {
        RewardContract::Address(address) => (*address, system_call(machine, *address, data)?),
        RewardContract::Code(code) => (Address::ZERO, system_code(machine, code.clone(), data)?),
    };
    let invalid = |reason: String| InvalidExecution::Rewards { contract: address, reason };
    let answer = IBlockReward::rewardCall::abi_decode_returns(&output)
        .map_err(|error| invalid(format!("answer is no (address[], uint256[]): {error}")))?;
    if answer.receivers.len() != answer.amounts.len() {
        let (receivers, amounts) = (answer.receivers.len(), answer.amounts.len());
        return Err(invalid(format!("{receivers} receivers, {amounts} amounts")).into());
    }
    Ok(answer.receivers.into_iter().zip(answer.amounts).collect())
}

/// Signers of the empty steps sealed in this block, in list order. The engine has verified the list before a block is
/// executed; an entry that is not well-formed earns nothing.
fn empty_step_signers(env: &BlockEnv) -> Vec<Address> {
    let mut signers = Vec::new();
    let mut field = env.empty_steps.as_ref();
    let Ok(list) = RlpHeader::decode_bytes(&mut field, true) else { return signers };
    let mut items = list;
    while !items.is_empty() {
        let Ok(entry) = RlpHeader::decode_bytes(&mut items, true) else { break };
        signers.extend(empty_step_signer(entry, env));
    }
    signers
}

/// Recovers the signer of one `[signature, step]` entry: over keccak256(RLP([step, parent hash])) (aura.md §1.3).
fn empty_step_signer(mut entry: &[u8], env: &BlockEnv) -> Option<Address> {
    let signature = RlpHeader::decode_bytes(&mut entry, false).ok()?;
    let step = u64::decode(&mut entry).ok()?;
    let signature: &[u8; 65] = signature.try_into().ok()?;
    let mut message = Vec::new();
    RlpHeader { list: true, payload_length: step.length() + env.parent_hash.length() }.encode(&mut message);
    step.encode(&mut message);
    env.parent_hash.encode(&mut message);
    crypto::recover(keccak256(message), signature).ok()
}
