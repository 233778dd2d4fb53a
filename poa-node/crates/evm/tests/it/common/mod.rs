//! A small chain for tests: a spec with every EIP this node has, accounts with keys, an assembler, blocks.

#![allow(
    dead_code,
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "tests; the benchmarks use a part of it"
)]

pub mod programs;

use std::sync::Arc;

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEip2930, TxEip7702, TxLegacy},
    eips::{eip2930::AccessList, eip7702::Authorization},
    primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256},
};
use aurum_evm::{BlockEnv, Evm, EvmError};
use aurum_types::{
    Account, AccountChange, Block, BlockError, ChainSpec, EMPTY_CODE_HASH, EMPTY_UNCLES_HASH, ExecutionOutcome, Header,
    MemoryState, Recovered, RecoveredBlock, SealedBlock, StateChanges, StateReader, Transaction, crypto,
    recover_sender, transactions_root,
};
use revm::bytecode::opcode::OpCode;
use secp256k1::{Message, SECP256K1, SecretKey};

/// Chain id of the test chain.
pub const CHAIN_ID: u64 = 2026;
/// The author of every test block.
pub const AUTHOR: Address = Address::repeat_byte(0xaa);
/// Gas limit of every test block.
pub const GAS_LIMIT: u64 = 30_000_000;

/// A spec with all EIPs from block 0, no base fee, no reward, the four oldest precompiles.
pub fn spec() -> ChainSpec {
    let text = r#"{
        "name": "test",
        "engine": {"authorityRound": {"params": {"stepDuration": 2, "validators": {"list": ["0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]}}}},
        "params": {
            "networkID": 2026, "maximumExtraDataSize": 32, "minGasLimit": 5000, "gasLimitBoundDivisor": 1024,
            "eip140Transition": 0, "eip211Transition": 0, "eip214Transition": 0, "eip658Transition": 0,
            "eip145Transition": 0, "eip1014Transition": 0, "eip1052Transition": 0,
            "eip1283Transition": 0, "eip1706Transition": 0,
            "eip1344Transition": 0, "eip1884Transition": 0, "eip2028Transition": 0,
            "eip2929Transition": 0, "eip2930Transition": 0,
            "eip1559Transition": 0, "eip3198Transition": 0, "eip3529Transition": 0, "eip3541Transition": 0,
            "eip1559BaseFeeMaxChangeDenominator": 8, "eip1559ElasticityMultiplier": 2,
            "eip3651TransitionTimestamp": 0, "eip3855TransitionTimestamp": 0, "eip3860TransitionTimestamp": 0,
            "eip1153TransitionTimestamp": 0, "eip5656TransitionTimestamp": 0, "eip6780TransitionTimestamp": 0,
            "eip2537TransitionTimestamp": 0, "eip7623TransitionTimestamp": 0, "eip7702TransitionTimestamp": 0
        },
        "genesis": {"seal": {"generic": "0xc180"}, "difficulty": "0x20000", "gasLimit": "0x1c9c380"},
        "accounts": {
            "0x01": {"builtin": {"name": "ecrecover", "pricing": {"linear": {"base": 3000, "word": 0}}}},
            "0x04": {"builtin": {"name": "identity", "pricing": {"linear": {"base": 15, "word": 3}}}}
        }
    }"#
    .replace("\"0x01\"", "\"0x0000000000000000000000000000000000000001\"")
    .replace("\"0x04\"", "\"0x0000000000000000000000000000000000000004\"");
    ChainSpec::parse(&text).expect("the test spec is a spec").0
}

/// The same, gas-free.
pub fn free_spec() -> ChainSpec {
    let mut spec = spec();
    spec.params.gas_free = true;
    spec
}

/// An account with a key.
#[derive(Clone, Copy)]
pub struct Key {
    secret: SecretKey,
    pub address: Address,
}

/// The `n`th test key.
pub fn key(n: u8) -> Key {
    let secret = SecretKey::from_byte_array(keccak256([n]).0).unwrap();
    Key { secret, address: crypto::address_of(&secret.public_key(SECP256K1)) }
}

impl Key {
    fn sign_hash(&self, hash: B256) -> Signature {
        let signed = SECP256K1.sign_ecdsa_recoverable(Message::from_digest(hash.0), &self.secret);
        let (id, compact) = signed.serialize_compact();
        Signature::from_bytes_and_parity(&compact, i32::from(id) != 0)
    }

    fn sign<T: SignableTransaction<Signature>>(&self, tx: T) -> Recovered<Transaction>
    where
        Transaction: From<alloy::consensus::Signed<T>>,
    {
        let signature = self.sign_hash(tx.signature_hash());
        Recovered::new_unchecked(tx.into_signed(signature).into(), self.address)
    }

    /// A signed empty step `[signature, step]` as the wire has its signature.
    pub fn sign_bytes(&self, hash: B256) -> [u8; 65] {
        let signature = self.sign_hash(hash);
        let mut bytes = [0; 65];
        bytes[..32].copy_from_slice(&signature.r().to_be_bytes::<32>());
        bytes[32..64].copy_from_slice(&signature.s().to_be_bytes::<32>());
        bytes[64] = u8::from(signature.v());
        bytes
    }

    pub fn legacy(
        &self,
        nonce: u64,
        to: TxKind,
        value: u64,
        gas: u64,
        price: u128,
        data: Bytes,
    ) -> Recovered<Transaction> {
        self.sign(TxLegacy {
            chain_id: Some(CHAIN_ID),
            nonce,
            gas_price: price,
            gas_limit: gas,
            to,
            value: U256::from(value),
            input: data,
        })
    }

    pub fn eip1559(
        &self,
        nonce: u64,
        to: TxKind,
        value: u64,
        gas: u64,
        (max_fee, tip): (u128, u128),
        data: Bytes,
    ) -> Recovered<Transaction> {
        self.sign(TxEip1559 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit: gas,
            max_fee_per_gas: max_fee,
            max_priority_fee_per_gas: tip,
            to,
            value: U256::from(value),
            access_list: Default::default(),
            input: data,
        })
    }

    /// A type 1 transaction of nothing, with an access list.
    pub fn eip2930(&self, nonce: u64, to: Address, gas: u64, access_list: AccessList) -> Recovered<Transaction> {
        self.sign(TxEip2930 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit: gas,
            to: TxKind::Call(to),
            access_list,
            ..TxEip2930::default()
        })
    }

    /// A type 4 transaction to `to` with one authorization, by `authority`, for `delegate`.
    pub fn eip7702(
        &self,
        nonce: u64,
        to: Address,
        authority: Self,
        authority_nonce: u64,
        delegate: Address,
    ) -> Recovered<Transaction> {
        let authorization = Authorization { chain_id: U256::from(CHAIN_ID), address: delegate, nonce: authority_nonce };
        let signature = authority.sign_hash(authorization.signature_hash());
        self.sign(TxEip7702 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit: 200_000,
            max_fee_per_gas: 0,
            max_priority_fee_per_gas: 0,
            to,
            value: U256::ZERO,
            access_list: Default::default(),
            authorization_list: vec![authorization.into_signed(signature)],
            input: Bytes::new(),
        })
    }
}

/// Assembles mnemonics, `0x…` constants (as the shortest PUSH), `@label` (PUSH2) and `label:` (JUMPDEST).
pub fn asm(source: &str) -> Bytes {
    let mut code: Vec<u8> = Vec::new();
    let mut labels = std::collections::HashMap::new();
    let mut uses = Vec::new();
    for token in source.split_whitespace() {
        if let Some(label) = token.strip_suffix(':') {
            labels.insert(label, code.len());
            code.push(0x5b);
        } else if let Some(label) = token.strip_prefix('@') {
            uses.push((code.len() + 1, label));
            code.extend([0x61, 0, 0]);
        } else if let Some(hex) = token.strip_prefix("0x") {
            let bytes = alloy::hex::decode(hex).unwrap();
            code.push(0x5f + u8::try_from(bytes.len()).unwrap());
            code.extend(bytes);
        } else {
            let known = |byte: &u8| OpCode::new(*byte).is_some_and(|opcode| opcode.as_str() == token);
            // revm has one name for what the merge renamed.
            let opcode = if token == "PREVRANDAO" { Some(0x44) } else { (0..=u8::MAX).find(known) };
            code.push(opcode.unwrap_or_else(|| panic!("no opcode {token}")));
        }
    }
    for (at, label) in uses {
        let target = u16::try_from(labels[label]).unwrap();
        code[at..at + 2].copy_from_slice(&target.to_be_bytes());
    }
    code.into()
}

/// Creation code that deploys `runtime`.
pub fn creation(runtime: &Bytes) -> Bytes {
    let len = u16::try_from(runtime.len()).unwrap();
    let [high, low] = len.to_be_bytes();
    // PUSH2 len DUP1 PUSH1 13 PUSH1 0 CODECOPY PUSH1 0 RETURN … 13 bytes
    let mut code = vec![0x61, high, low, 0x80, 0x60, 13, 0x60, 0, 0x39, 0x60, 0, 0xf3, 0x00];
    code.extend_from_slice(runtime);
    code.into()
}

/// A state with the given accounts.
#[derive(Default)]
pub struct World(StateChanges);

impl World {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn account(mut self, address: Address, balance: u64) -> Self {
        self.entry(address).balance = U256::from(balance);
        self
    }

    pub fn contract(mut self, address: Address, code: &Bytes, storage: &[(u64, u64)]) -> Self {
        let hash = keccak256(code);
        let account = self.entry(address);
        account.nonce = 1;
        account.code_hash = hash;
        self.0.code.insert(hash, code.clone());
        let change = self.0.accounts.get_mut(&address).unwrap();
        change.storage = storage.iter().map(|(slot, value)| (U256::from(*slot), U256::from(*value))).collect();
        self
    }

    fn entry(&mut self, address: Address) -> &mut Account {
        let change = self.0.accounts.entry(address).or_insert_with(|| AccountChange {
            account: Some(Account { nonce: 0, balance: U256::ZERO, code_hash: EMPTY_CODE_HASH }),
            ..AccountChange::default()
        });
        change.account.as_mut().unwrap()
    }

    pub fn into_changes(self) -> StateChanges {
        self.0
    }

    pub fn build(self) -> MemoryState {
        MemoryState::from_changes(&self.0)
    }
}

/// A chain of one branch in memory.
pub struct Chain {
    pub evm: Evm,
    pub state: MemoryState,
    pub parent: BlockEnv,
    /// Hash of the parent block.
    pub parent_hash: B256,
    pub base_fee: Option<u64>,
}

impl Chain {
    pub fn new(spec: ChainSpec, state: MemoryState) -> Self {
        let parent = BlockEnv { gas_limit: GAS_LIMIT, timestamp: 1000, author: AUTHOR, ..BlockEnv::default() };
        let base_fee = spec.params.eip1559_transition.map(|_| spec.params.fixed_base_fee.unwrap_or(0));
        Self { evm: Evm::new(Arc::new(spec)), state, parent, parent_hash: B256::repeat_byte(0xbb), base_fee }
    }

    pub fn reader(&self) -> Arc<dyn StateReader> {
        Arc::new(self.state.clone())
    }

    /// The environment of the next block.
    pub fn next_env(&self) -> BlockEnv {
        BlockEnv {
            number: self.parent.number + 1,
            timestamp: self.parent.timestamp + 2,
            author: AUTHOR,
            difficulty: (U256::ONE << 128) - U256::from(2),
            gas_limit: GAS_LIMIT,
            base_fee: self.base_fee,
            parent_hash: self.parent_hash,
            empty_steps: Bytes::new(),
        }
    }

    /// Runs a block of these transactions as an import would. The state stays.
    pub fn execute(
        &self,
        txs: &[Recovered<Transaction>],
        begin: Option<Address>,
    ) -> Result<ExecutionOutcome, EvmError> {
        self.execute_in(&self.next_env(), txs, begin)
    }

    pub fn execute_in(
        &self,
        env: &BlockEnv,
        txs: &[Recovered<Transaction>],
        begin: Option<Address>,
    ) -> Result<ExecutionOutcome, EvmError> {
        self.evm.execute(self.reader(), &self.parent, &block(env, txs), begin)
    }

    /// Runs a block and puts it on the state.
    pub fn advance(&mut self, txs: &[Recovered<Transaction>]) -> ExecutionOutcome {
        self.advance_with(txs, None)
    }

    pub fn advance_with(&mut self, txs: &[Recovered<Transaction>], begin: Option<Address>) -> ExecutionOutcome {
        let env = self.next_env();
        let outcome = self.execute_in(&env, txs, begin).expect("the block is valid");
        self.adopt(env, &outcome);
        outcome
    }

    pub fn adopt(&mut self, env: BlockEnv, outcome: &ExecutionOutcome) {
        self.state.apply(&outcome.changes);
        self.state.set_block_hash(self.parent.number, self.parent_hash);
        self.parent_hash = keccak256(self.parent_hash);
        self.parent = env;
    }

    pub fn balance(&self, address: Address) -> U256 {
        self.state.account(address).unwrap().unwrap_or_default().balance
    }

    pub fn nonce(&self, address: Address) -> u64 {
        self.state.account(address).unwrap().unwrap_or_default().nonce
    }

    pub fn exists(&self, address: Address) -> bool {
        self.state.account(address).unwrap().is_some()
    }

    pub fn code(&self, address: Address) -> Bytes {
        let account = self.state.account(address).unwrap().unwrap_or_default();
        self.state.code(account.code_hash).unwrap()
    }

    pub fn slot(&self, address: Address, slot: u64) -> U256 {
        self.state.storage(address, U256::from(slot)).unwrap()
    }
}

/// A block with these transactions, as far as execution looks at it.
pub fn block(env: &BlockEnv, txs: &[Recovered<Transaction>]) -> RecoveredBlock {
    let transactions: Vec<Transaction> = txs.iter().map(|tx| tx.inner().clone()).collect();
    let header = Header {
        parent_hash: env.parent_hash,
        uncles_hash: EMPTY_UNCLES_HASH,
        author: env.author,
        transactions_root: transactions_root(&transactions),
        difficulty: env.difficulty,
        number: env.number,
        gas_limit: env.gas_limit,
        timestamp: env.timestamp,
        base_fee_per_gas: env.base_fee,
        seal: vec![Bytes::from_static(&[0x80]), Bytes::from_static(&[0x80]), env.empty_steps.clone()],
        ..Header::default()
    };
    let sealed = SealedBlock::seal_slow(Block { header, transactions, uncles: Vec::new() });
    let verified = sealed.verify(|_| Ok::<_, BlockError>(())).unwrap();
    let recovered = verified.recover(|_| None).unwrap();
    for (tx, expected) in recovered.transactions().zip(txs) {
        assert_eq!(recover_sender(tx.inner()).unwrap(), expected.signer());
    }
    recovered
}

pub fn call(to: Address) -> TxKind {
    TxKind::Call(to)
}

pub fn ether(n: u64) -> u64 {
    n * 1_000_000_000_000_000_000
}
