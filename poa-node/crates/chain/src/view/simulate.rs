//! Blocks as they would be, on top of one that is (`eth_simulateV1`).

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEip2930, TxEip7702, TxLegacy},
    eips::BlockId,
    primitives::{B256, Bytes, Signature, TxKind, U256},
    rpc::types::{BlockOverrides, state::StateOverride},
};
use aurum_evm::{BlockEnv, CallOutcome, CallRequest, Evm, SimulatedCall, SimulationError, SimulationMode, TraceLimits};
use aurum_types::{
    Block, EMPTY_UNCLES_HASH, Header, Receipt, ReceiptOutcome, Transaction, receipts_root_and_bloom, transactions_root,
};

use super::{BlockView, StoredBlock, View};
use crate::{ReadError, reader::Reader};

/// A block to be.
#[derive(Clone, Debug, Default)]
pub struct SimulatedBlock {
    /// What it states that would not follow from the one before it.
    pub overrides: Option<BlockOverrides>,
    /// Accounts that are not as the one before it left them.
    pub state_overrides: Option<StateOverride>,
    /// Its transactions.
    pub calls: Vec<CallRequest>,
}

/// What all blocks of a simulation share.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// How strictly transactions are taken.
    pub mode: SimulationMode,
    /// Most blocks, those included that stand between two whose numbers are stated.
    pub blocks: u64,
    /// Time, and whether anybody waits.
    pub limits: TraceLimits,
}

impl View {
    /// The blocks as they would be on top of the one `id` names, and how each of their transactions would end. Transactions
    /// without signatures have hashes all the same: over a signature of zeroes.
    ///
    /// # Errors
    /// [`ReadError::Simulation`].
    pub fn simulate(
        &self,
        id: BlockId,
        blocks: &[SimulatedBlock],
        simulation: Simulation,
    ) -> Result<Vec<(BlockView, Vec<SimulatedCall>)>, ReadError> {
        let at = self.resolve(id)?.ok_or(ReadError::UnknownBlock)?;
        let reader = self.reader();
        let base = reader.header(at.hash)?.ok_or(ReadError::UnknownBlock)?;
        let state = reader.state_at(at.hash)?.ok_or(ReadError::NoState(at.hash))?;
        let Simulation { mode, blocks: most, limits } = simulation;
        let mut simulator = reader.evm().simulator(state, &BlockEnv::of(&base), mode, limits);
        let (mut parent, mut hash) = (base.clone(), at.hash);
        let mut found: Vec<(BlockView, Vec<SimulatedCall>)> = Vec::new();
        for block in blocks {
            let stated = block.overrides.as_ref().and_then(|overrides| overrides.number);
            let number = stated.unwrap_or_else(|| U256::from(parent.number.saturating_add(1)));
            if number <= U256::from(parent.number) {
                let last = parent.number;
                return Err(ReadError::Simulation(-38020, format!("block numbers must rise: {number} after {last}")));
            }
            if number > U256::from(base.number.saturating_add(most)) {
                return Err(ReadError::Simulation(-38026, format!("too many blocks: {number} is over {most} ahead")));
            }
            while U256::from(parent.number.saturating_add(1)) < number {
                let between = SimulatedBlock::default();
                let next = next_block(reader, &mut simulator, (&parent, hash), (at.hash, mode), &between)?;
                (parent, hash) = (next.0.header().clone(), next.0.hash());
                found.push(next);
            }
            let next = next_block(reader, &mut simulator, (&parent, hash), (at.hash, mode), block)?;
            (parent, hash) = (next.0.header().clone(), next.0.hash());
            found.push(next);
        }
        Ok(found)
    }
}

fn next_block(
    reader: &Reader,
    simulator: &mut aurum_evm::Simulator,
    (parent, parent_hash): (&Header, B256),
    (base, mode): (B256, SimulationMode),
    block: &SimulatedBlock,
) -> Result<(BlockView, Vec<SimulatedCall>), ReadError> {
    let overrides = block.overrides.as_ref();
    let base_fee = reader.base_fee_after(parent);
    let env = BlockEnv {
        number: parent.number.saturating_add(1),
        timestamp: parent.timestamp.saturating_add(step(reader, parent)),
        author: parent.author,
        difficulty: parent.difficulty,
        gas_limit: parent.gas_limit,
        base_fee: if mode.validation { base_fee } else { base_fee.map(|_| 0) },
        parent_hash,
        empty_steps: Bytes::new(),
    };
    let env = Evm::overridden(&env, overrides)?;
    if env.timestamp <= parent.timestamp {
        let (time, last) = (env.timestamp, parent.timestamp);
        return Err(ReadError::Simulation(-38021, format!("block timestamps must rise: {time} after {last}")));
    }
    let calls = simulator.block(&env, block.state_overrides.as_ref(), &block.calls)?;
    let mut receipts = Vec::new();
    let mut transactions = Vec::new();
    let mut gas_used = 0_u64;
    for (request, call) in block.calls.iter().zip(&calls) {
        let tx = unsigned(request, call, reader.spec.params.chain_id);
        gas_used = gas_used.saturating_add(call.outcome.gas_used());
        let logs = match &call.outcome {
            CallOutcome::Success { logs, .. } => logs.clone(),
            CallOutcome::Revert { .. } | CallOutcome::Halt { .. } => Vec::new(),
        };
        let outcome = ReceiptOutcome::Status(call.outcome.is_success());
        receipts.push(Receipt { tx_type: tx.tx_type(), outcome, cumulative_gas_used: gas_used, logs });
        transactions.push(tx);
    }
    let (receipts_root, logs_bloom) = receipts_root_and_bloom(&receipts);
    // Of a block whose trie is not kept the new root cannot be known: it is zero.
    let state_root = reader.tree.commit(base, &simulator.changes()).map_or(B256::ZERO, |committed| committed.root);
    let header = Header {
        parent_hash,
        uncles_hash: EMPTY_UNCLES_HASH,
        author: env.author,
        state_root,
        transactions_root: transactions_root(&transactions),
        receipts_root,
        logs_bloom,
        difficulty: env.difficulty,
        number: env.number,
        gas_limit: env.gas_limit,
        gas_used,
        timestamp: env.timestamp,
        extra_data: Bytes::new(),
        seal: Vec::new(),
        base_fee_per_gas: env.base_fee,
    };
    let senders = block.calls.iter().map(|request| request.from).collect();
    let hash = header.hash_slow();
    let stored = StoredBlock { hash, block: Block { header, transactions, uncles: Vec::new() }, senders, receipts };
    Ok((BlockView::stored(stored, None, reader.spec.params.gas_free), calls))
}

/// Seconds from one block to the next, if nobody misses a turn.
fn step(reader: &Reader, parent: &Header) -> u64 {
    let schedule = &reader.schedule;
    let step = parent.step().unwrap_or_default();
    let between = schedule.start_of(step.next()).saturating_sub(schedule.start_of(step));
    between.as_secs().max(1)
}

/// The message as a transaction of its type, with a signature of zeroes.
fn unsigned(request: &CallRequest, call: &SimulatedCall, chain_id: u64) -> Transaction {
    let signature = Signature::new(U256::ZERO, U256::ZERO, false);
    let SimulatedCall { nonce, gas_limit, .. } = *call;
    let CallRequest { to, value, data: input, access_list, authorization_list, .. } = request.clone();
    let tip = request.max_priority_fee_per_gas.unwrap_or(0);
    if !authorization_list.is_empty()
        && let TxKind::Call(to) = to
    {
        let tx = TxEip7702 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas: request.max_fee_per_gas,
            max_priority_fee_per_gas: tip,
            to,
            value,
            access_list,
            authorization_list,
            input,
        };
        return tx.into_signed(signature).into();
    }
    if request.max_priority_fee_per_gas.is_some() || request.max_fee_per_gas == 0 {
        let tx = TxEip1559 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas: request.max_fee_per_gas,
            max_priority_fee_per_gas: tip,
            to,
            value,
            access_list,
            input,
        };
        return tx.into_signed(signature).into();
    }
    let gas_price = request.max_fee_per_gas;
    if !access_list.0.is_empty() {
        let tx = TxEip2930 { chain_id, nonce, gas_price, gas_limit, to, value, access_list, input };
        return tx.into_signed(signature).into();
    }
    TxLegacy { chain_id: Some(chain_id), nonce, gas_price, gas_limit, to, value, input }.into_signed(signature).into()
}

impl From<SimulationError> for ReadError {
    /// The codes of execution-apis.
    fn from(error: SimulationError) -> Self {
        use aurum_evm::TxInvalid as Tx;
        let code = match &error {
            SimulationError::Trace(_) => {
                let SimulationError::Trace(error) = error else { return Self::UnknownBlock };
                return error.into();
            }
            SimulationError::BlockGas { .. } => -38015,
            SimulationError::Invalid(invalid) => match invalid {
                Tx::NonceTooLow { .. } => -38010,
                Tx::NonceTooHigh { .. } => -38011,
                Tx::FeeBelowBaseFee { .. } => -38012,
                Tx::IntrinsicGas { .. } => -38013,
                Tx::InsufficientFunds { .. } => -38014,
                Tx::SenderHasCode => -38024,
                Tx::InitCodeTooLarge { .. } => -38025,
                _ => -32602,
            },
        };
        Self::Simulation(code, error.to_string())
    }
}
