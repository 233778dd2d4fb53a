//! Keys, chain specs and transactions of a simulated consortium.

use std::{sync::Arc, time::Duration};

use alloy::{
    consensus::{SignableTransaction, Transaction as _, TxEip1559},
    primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256},
    sol_types::SolCall as _,
};
use aurum_aura::{AuraSeal, EmptyStep, KeySigner, Signer as _};
use aurum_contracts::{
    Permissions, ValidatorSet,
    genesis::{PERMISSIONS, PermissionsGenesis, VALIDATOR_SET, permissions, validator_set},
    rights,
};
use aurum_types::{Block, ChainSpec, Header, SealedBlock, Step, Transaction, recover_sender};
use secp256k1::SecretKey;
use serde_json::{Value, json};

use crate::simulation::contracts::Change;

pub(crate) const CHAIN_ID: u64 = 2026;
pub(crate) const GAS_LIMIT: u64 = 30_000_000;
/// Milliseconds since the Unix epoch at which every run begins: the start of a step.
pub(crate) const START: u64 = 1_700_000_000_000;
/// Milliseconds a step lasts.
pub(crate) const STEP: u64 = 4_000;
/// First byte of the extra data of a block that a replica without an EVM has to take for a contract creation by who may
/// not, unless the governor has permitted it.
pub(crate) const FORBIDDEN: u8 = 0xff;
/// Place in the extra data of the change that a block of a replica without an EVM makes: what, and of whom.
const CHANGE_AT: usize = 2;

/// What a chain has beyond a list of validators and a permission contract.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Features {
    /// A contract says who seals; its governor chooses among the first validators and this many more.
    pub(crate) candidates: Option<usize>,
    /// Authorities without transactions let their steps pass, up to this many between blocks.
    pub(crate) empty_steps: Option<u64>,
    /// Authorities vote, and blocks are final by certificates.
    pub(crate) certificates: bool,
}

/// One chain and the keys of everybody on it.
pub(crate) struct Kit {
    pub(crate) spec: Arc<ChainSpec>,
    /// The same genesis, but the permission contract decides nothing: what a cheat runs.
    pub(crate) careless: Arc<ChainSpec>,
    /// Those of the genesis.
    pub(crate) validators: Vec<Address>,
    pub(crate) features: Features,
    keys: Vec<Arc<KeySigner>>,
    /// Every change that the governor may make, with target and data of its call.
    calls: Vec<(Change, Address, Bytes)>,
    /// May do everything, and governs.
    client: KeySigner,
    /// May do everything but create contracts.
    restricted: KeySigner,
    pub(crate) two_thirds: bool,
}

impl Kit {
    /// `count` authorities in a list; blocks become final by two thirds of them, or by more than a half.
    pub(crate) fn new(count: usize, two_thirds: bool) -> Self {
        Self::with(count, two_thirds, Features::default())
    }

    /// The same, and more.
    pub(crate) fn with(count: usize, two_thirds: bool, features: Features) -> Self {
        let all = count + features.candidates.unwrap_or(0);
        let keys: Vec<_> = (0..all).map(|index| Arc::new(key(&format!("authority {index}")))).collect();
        let validators: Vec<_> = keys.iter().take(count).map(|key| key.address()).collect();
        let (client, restricted) = (key("client"), key("restricted client"));
        let spec = |decides_from: u64| {
            let accounts = [(client.address(), rights::ALL), (restricted.address(), rights::ALL & !rights::CREATE)];
            let spec = spec_json(&validators, two_thirds, features, &accounts, decides_from);
            Arc::new(ChainSpec::parse(&spec.to_string()).expect("the kit's spec is one").0)
        };
        let (spec, careless) = (spec(0), spec(1_000_000_000));
        let addresses: Vec<_> = keys.iter().map(|key| key.address()).collect();
        let calls = calls(&addresses, restricted.address());
        Self { spec, careless, validators, features, keys, calls, client, restricted, two_thirds }
    }

    pub(crate) fn key(&self, authority: usize) -> Arc<KeySigner> {
        Arc::clone(&self.keys[authority])
    }

    pub(crate) fn address(&self, authority: usize) -> Address {
        self.keys[authority].address()
    }

    /// How many keys may come to seal.
    pub(crate) fn authorities(&self) -> usize {
        self.keys.len()
    }

    /// Whether so many signers of a set make a block final: more than a half, or more than two thirds (aura.md §1.10).
    pub(crate) const fn is_enough(&self, signers: usize, of: usize) -> bool {
        if self.two_thirds { signers * 3 > of * 2 } else { signers * 2 > of }
    }

    /// The fewest signers of the first set that are enough.
    pub(crate) fn quorum(&self) -> usize {
        self.quorum_of(self.validators.len())
    }

    /// The fewest of `count` signers that are enough.
    pub(crate) fn quorum_of(&self, count: usize) -> usize {
        (1..=count).find(|signers| self.is_enough(*signers, count)).expect("all are enough")
    }

    /// A transaction that everybody allows.
    pub(crate) fn transfer(&self, nonce: u64) -> Transaction {
        transaction(&self.client, nonce, TxKind::Call(Address::repeat_byte(0xde)), Bytes::new())
    }

    /// The governor's transaction for a change.
    pub(crate) fn change(&self, nonce: u64, change: Change) -> Transaction {
        let call = self.calls.iter().find(|(known, ..)| *known == change);
        let (_, to, input) = call.expect("it is one of the kit's");
        transaction(&self.client, nonce, TxKind::Call(*to), input.clone())
    }

    /// A contract creation by the restricted client.
    pub(crate) fn creation(&self, nonce: u64) -> Transaction {
        // Deploys one byte of code, STOP.
        transaction(&self.restricted, nonce, TxKind::Create, Bytes::from_static(&[0x60, 0x01, 0x60, 0x00, 0xf3]))
    }

    pub(crate) fn restricted(&self) -> Address {
        self.restricted.address()
    }

    /// How many contracts the restricted client creates in a block.
    pub(crate) fn creations_in(&self, block: &SealedBlock) -> u64 {
        let creates =
            |tx: &Transaction| tx.kind().is_create() && recover_sender(tx).ok() == Some(self.restricted.address());
        let marked = usize::from(block.header().extra_data.first() == Some(&FORBIDDEN));
        (block.block().transactions.iter().filter(|tx| creates(tx)).count() + marked) as u64
    }

    /// The governor's changes in a block, in their order.
    pub(crate) fn changes_in(&self, block: &SealedBlock) -> Vec<Change> {
        let called = |tx: &Transaction| {
            let found = self.calls.iter().find(|(_, to, input)| tx.to() == Some(*to) && tx.input() == input);
            found.map(|(change, ..)| *change)
        };
        let marked = block.header().extra_data.get(CHANGE_AT..CHANGE_AT + 2).and_then(unmark);
        marked.into_iter().chain(block.block().transactions.iter().filter_map(called)).collect()
    }
}

fn calls(authorities: &[Address], restricted: Address) -> Vec<(Change, Address, Bytes)> {
    let rights = |rights: u32| -> Bytes {
        let call = Permissions::setRightsCall { accounts: vec![restricted], rights: vec![rights] };
        Permissions::proposeCall { target: PERMISSIONS, data: call.abi_encode().into() }.abi_encode().into()
    };
    let mut calls = vec![
        (Change::Permit, PERMISSIONS, rights(rights::ALL)),
        (Change::Forbid, PERMISSIONS, rights(rights::ALL & !rights::CREATE)),
    ];
    for (index, validator) in authorities.iter().copied().enumerate() {
        let (add, remove) =
            (ValidatorSet::addValidatorCall { validator }, ValidatorSet::removeValidatorCall { validator });
        calls.push((Change::Add(index), VALIDATOR_SET, add.abi_encode().into()));
        calls.push((Change::Remove(index), VALIDATOR_SET, remove.abi_encode().into()));
    }
    calls
}

/// Extra data of a block of a replica without an EVM.
pub(crate) fn marked(first: u8, variant: u8, change: Option<Change>) -> Bytes {
    let index = |authority: usize| u8::try_from(authority).expect("few authorities");
    let change = match change {
        None => return vec![first, variant].into(),
        Some(Change::Add(authority)) => [1, index(authority)],
        Some(Change::Remove(authority)) => [2, index(authority)],
        Some(Change::Permit) => [3, 0],
        Some(Change::Forbid) => [4, 0],
    };
    [[first, variant], change].concat().into()
}

fn unmark(mark: &[u8]) -> Option<Change> {
    match mark {
        [1, authority] => Some(Change::Add(usize::from(*authority))),
        [2, authority] => Some(Change::Remove(usize::from(*authority))),
        [3, _] => Some(Change::Permit),
        [4, _] => Some(Change::Forbid),
        _ => None,
    }
}

/// Puts `key`'s seal for `step`, with these empty steps where the chain has them, on a header.
pub(crate) fn seal(
    spec: &ChainSpec,
    key: &KeySigner,
    step: Step,
    mut header: Header,
    transactions: Vec<Transaction>,
    empty_steps: &[EmptyStep],
) -> SealedBlock {
    let format = spec.header_format();
    let empty_steps = format.has_empty_steps(header.number).then(|| AuraSeal::encode_empty_steps(empty_steps));
    let mut seal = AuraSeal { step, signature: [0; 65], empty_steps };
    // The empty steps are part of what is signed.
    header.seal = seal.to_fields();
    seal.signature = key.sign(header.seal_hash(&format)).expect("a key in memory signs");
    header.seal = seal.to_fields();
    SealedBlock::seal_slow(Block { header, transactions, uncles: Vec::new() })
}

pub(crate) const fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn key(name: &str) -> KeySigner {
    let secret = keccak256(format!("simulation {name}"));
    KeySigner::new(SecretKey::from_byte_array(secret.0).expect("a hash is a key, almost surely"))
}

fn transaction(from: &KeySigner, nonce: u64, to: TxKind, input: Bytes) -> Transaction {
    let tx = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 1_000_000,
        max_fee_per_gas: 0,
        max_priority_fee_per_gas: 0,
        to,
        value: U256::ZERO,
        access_list: Default::default(),
        input,
    };
    let signature = from.sign(tx.signature_hash()).expect("a key in memory signs");
    let (r, s) = (B256::from_slice(&signature[..32]), B256::from_slice(&signature[32..64]));
    tx.into_signed(Signature::from_scalars_and_parity(r, s, signature[64] == 1)).into()
}

fn spec_json(
    validators: &[Address],
    two_thirds: bool,
    features: Features,
    rights: &[(Address, u32)],
    decides_from: u64,
) -> Value {
    let mut params = json!({
        "networkID": CHAIN_ID,
        "gasLimitBoundDivisor": "0x400",
        "maximumExtraDataSize": "0x20",
        "minGasLimit": "0x1388",
        "maxCodeSize": "0x6000",
        "gasFree": true,
        "eip1283Transition": 0,
        "eip1706Transition": 0,
        "validateChainIdTransition": 0,
        "transactionPermissionContract": PERMISSIONS,
        "transactionPermissionContractTransition": decides_from,
    });
    for eip in [
        "140", "145", "150", "155", "160", "161abc", "161d", "211", "214", "658", "1014", "1052", "1344", "1559",
        "1884", "2028", "2929", "2930", "3529", "3541", "3607",
    ] {
        params[format!("eip{eip}Transition")] = json!(0);
    }
    for eip in ["1153", "2537", "3651", "3855", "3860", "5656", "6780", "7623", "7702"] {
        params[format!("eip{eip}TransitionTimestamp")] = json!("0x0");
    }
    let governor = rights[0].0;
    let genesis =
        PermissionsGenesis { admins: &[governor], threshold: 1, default_rights: rights::READ, entries: rights };
    let mut contracts = permissions(&genesis).expect("a valid genesis");
    contracts.extend(validator_set(validators, governor).expect("a valid genesis"));
    let mut accounts = json!({});
    for (address, account) in contracts {
        accounts[address.to_string()] = json!({ "nonce": "0x1", "code": account.code, "storage": account.storage });
    }
    let validators = match features.candidates {
        Some(_) => json!({ "contract": VALIDATOR_SET }),
        None => json!({ "list": validators }),
    };
    let mut engine = json!({ "stepDuration": STEP / 1000, "validators": validators });
    if two_thirds {
        engine["twoThirdsMajorityTransition"] = json!(0);
    }
    if let Some(most) = features.empty_steps {
        engine["emptyStepsTransition"] = json!(1);
        engine["maximumEmptySteps"] = json!(most);
    }
    if features.certificates {
        engine["finalityCertificatesTransition"] = json!(0);
    }
    json!({
        "name": "simulation",
        "engine": { "authorityRound": { "params": engine } },
        "params": params,
        "genesis": {
            "seal": { "authorityRound": { "step": "0x0", "signature": format!("0x{}", "00".repeat(65)) } },
            "difficulty": "0x20000",
            "gasLimit": format!("{GAS_LIMIT:#x}"),
            "baseFeePerGas": "0x0",
        },
        "accounts": accounts,
    })
}
