//! The transactions of a run, signed before the clock starts.

use alloy::{
    primitives::{Address, B256, Bytes, TxKind, U256, keccak256, map::B256Map},
    sol_types::{SolCall, SolValue},
};
use anyhow::{Context, Result, anyhow};
use aurum_contracts::LoadToken;

use super::{
    options::{Kind, LoadOptions},
    rpc::Client,
    stage::Stage,
    wallet::Action,
};

/// Creation code: the creator goes to slot 0, and 64 bytes of STOP become the contract
/// (`CALLER PUSH0 SSTORE PUSH1 64 DUP1 PUSH1 12 PUSH0 CODECOPY PUSH0 RETURN`).
const CREATION: [u8; 76] = {
    let head = [0x33, 0x5f, 0x55, 0x60, 0x40, 0x80, 0x60, 0x0c, 0x5f, 0x39, 0x5f, 0xf3];
    let mut code = [0; 76];
    let mut at = 0;
    while at < head.len() {
        code[at] = head[at];
        at += 1;
    }
    code
};

/// Makes the recipients of neighbouring transactions differ in all bits: a prime.
const STRIDE: u64 = 7_919;

/// Signed transactions, numbered from 0. Transaction `id` is of sender `id % accounts`, whose nonces rise with it.
#[derive(Debug)]
pub(super) struct Plan {
    kind: Kind,
    raw: Vec<Bytes>,
    hashes: Vec<B256>,
    ids: B256Map<u32>,
}

impl Plan {
    /// Signs on every processor.
    pub(super) fn sign(options: &LoadOptions, stage: &Stage, client: &mut Client) -> Result<Self> {
        let nonces = stage.senders.iter().map(|sender| client.nonce(sender.address)).collect::<Result<Vec<_>>>()?;
        let sign = |id: usize| {
            let sender = id % options.accounts;
            let nonce = nonces[sender] + (id / options.accounts) as u64;
            Ok(stage.senders[sender].transaction(&stage.terms, nonce, action(options, stage.token, id)?))
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let share = options.n.div_ceil(threads);
        let parts: Vec<Result<Vec<(B256, Bytes)>>> = std::thread::scope(|scope| {
            let parts: Vec<_> = (0..threads)
                .map(|part| (part * share).min(options.n)..((part + 1) * share).min(options.n))
                .map(|range| scope.spawn(|| range.map(sign).collect()))
                .collect();
            parts.into_iter().map(|part| part.join().unwrap_or_else(|_| Err(anyhow!("signing panicked")))).collect()
        });
        let mut plan = Self {
            kind: options.kind,
            raw: Vec::with_capacity(options.n),
            hashes: Vec::with_capacity(options.n),
            ids: B256Map::with_capacity_and_hasher(options.n, Default::default()),
        };
        for part in parts {
            for (hash, raw) in part? {
                plan.ids.insert(hash, u32::try_from(plan.raw.len()).context("too many transactions")?);
                plan.hashes.push(hash);
                plan.raw.push(raw);
            }
        }
        Ok(plan)
    }

    pub(super) const fn len(&self) -> usize {
        self.raw.len()
    }

    pub(super) fn raw(&self, id: u32) -> &[u8] {
        &self.raw[id as usize]
    }

    pub(super) fn hash(&self, id: u32) -> B256 {
        self.hashes[id as usize]
    }

    /// The transaction with that hash, if it is one of ours.
    pub(super) fn id(&self, hash: &B256) -> Option<u32> {
        self.ids.get(hash).copied()
    }

    /// Whether the receipt of `id` should say success.
    pub(super) const fn succeeds(&self, id: u32) -> bool {
        !matches!(self.kind, Kind::Mixed) || id % 16 != 15
    }
}

/// `LoadToken.holder(index)`.
fn holder(index: u64) -> Address {
    Address::from_word(keccak256(U256::from(index).abi_encode()))
}

fn action(options: &LoadOptions, token: Option<Address>, id: usize) -> Result<Action> {
    let to = holder((id as u64).wrapping_mul(STRIDE) % options.recipients);
    let token = || token.map(TxKind::Call).context("no token");
    let (to, value, input) = match options.kind {
        Kind::Native => (TxKind::Call(to), U256::from(1), Bytes::new()),
        Kind::Erc20 => (token()?, U256::ZERO, LoadToken::transferCall { to, value: U256::from(1) }.abi_encode().into()),
        Kind::Mixed => (token()?, U256::ZERO, LoadToken::workCall { seed: U256::from(id) }.abi_encode().into()),
        Kind::Create => (TxKind::Create, U256::ZERO, Bytes::from_static(&CREATION)),
    };
    Ok(Action { to, value, input, gas: options.kind.gas() })
}
