//! Keys, chain specs and transactions of a simulated consortium.

use std::{sync::Arc, time::Duration};

use alloy::{
    consensus::{SignableTransaction as _, TxEip1559},
    primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256},
};
use aurum_aura::{AuraSeal, KeySigner, Signer as _};
use aurum_contracts::{
    genesis::{PERMISSIONS, PermissionsGenesis, permissions},
    rights,
};
use aurum_types::{Block, ChainSpec, Header, SealedBlock, Step, Transaction, recover_sender};
use secp256k1::SecretKey;
use serde_json::{Value, json};

pub(crate) const CHAIN_ID: u64 = 2026;
pub(crate) const GAS_LIMIT: u64 = 30_000_000;
/// Milliseconds since the Unix epoch at which every run begins: the start of a step.
pub(crate) const START: u64 = 1_700_000_000_000;
/// Milliseconds a step lasts.
pub(crate) const STEP: u64 = 4_000;
/// First byte of the extra data of a block that a replica without an EVM has to take for forbidden.
pub(crate) const FORBIDDEN: u8 = 0xff;

/// One chain and the keys of everybody on it.
pub(crate) struct Kit {
    pub(crate) spec: Arc<ChainSpec>,
    /// The same genesis, but the permission contract decides nothing: what a cheat runs.
    pub(crate) careless: Arc<ChainSpec>,
    pub(crate) validators: Vec<Address>,
    keys: Vec<Arc<KeySigner>>,
    /// May do everything.
    client: KeySigner,
    /// May do everything but create contracts.
    restricted: KeySigner,
    pub(crate) two_thirds: bool,
}

impl Kit {
    /// `count` authorities; blocks become final by two thirds of them, or by more than a half.
    pub(crate) fn new(count: usize, two_thirds: bool) -> Self {
        let keys: Vec<_> = (0..count).map(|index| Arc::new(key(&format!("authority {index}")))).collect();
        let validators: Vec<_> = keys.iter().map(|key| key.address()).collect();
        let (client, restricted) = (key("client"), key("restricted client"));
        let spec = |decides_from: u64| {
            let accounts = [(client.address(), rights::ALL), (restricted.address(), rights::ALL & !rights::CREATE)];
            let spec = spec_json(&validators, two_thirds, &accounts, decides_from);
            Arc::new(ChainSpec::parse(&spec.to_string()).expect("the kit's spec is one").0)
        };
        let (spec, careless) = (spec(0), spec(1_000_000_000));
        Self { spec, careless, validators, keys, client, restricted, two_thirds }
    }

    pub(crate) fn key(&self, authority: usize) -> Arc<KeySigner> {
        Arc::clone(&self.keys[authority])
    }

    /// How many signers make a block final: more than a half, or more than two thirds (aura.md §1.10).
    pub(crate) fn is_enough(&self, signers: usize) -> bool {
        let count = self.validators.len();
        if self.two_thirds { signers * 3 > count * 2 } else { signers * 2 > count }
    }

    /// The fewest signers that are enough.
    pub(crate) fn quorum(&self) -> usize {
        (1..=self.validators.len()).find(|signers| self.is_enough(*signers)).expect("all are enough")
    }

    /// A transaction that everybody allows.
    pub(crate) fn transfer(&self, nonce: u64) -> Transaction {
        transaction(&self.client, nonce, TxKind::Call(Address::repeat_byte(0xde)), Bytes::new())
    }

    /// One that the permission contract forbids: a contract creation by who may not.
    pub(crate) fn forbidden(&self) -> Transaction {
        // Deploys one byte of code, STOP.
        transaction(&self.restricted, 0, TxKind::Create, Bytes::from_static(&[0x60, 0x01, 0x60, 0x00, 0xf3]))
    }

    /// Whether a block holds what the permissions of the genesis, which nobody changes, forbid.
    pub(crate) fn is_forbidden(&self, block: &SealedBlock) -> bool {
        let creates = |tx: &Transaction| {
            use alloy::consensus::Transaction as _;
            tx.kind().is_create() && recover_sender(tx).ok() == Some(self.restricted.address())
        };
        block.header().extra_data.first() == Some(&FORBIDDEN) || block.block().transactions.iter().any(creates)
    }
}

/// Puts `key`'s seal for `step` on a header.
pub(crate) fn seal(
    spec: &ChainSpec,
    key: &KeySigner,
    step: Step,
    mut header: Header,
    transactions: Vec<Transaction>,
) -> SealedBlock {
    let format = spec.header_format();
    let signature = key.sign(header.seal_hash(&format)).expect("a key in memory signs");
    header.seal = AuraSeal { step, signature, empty_steps: None }.to_fields();
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
        gas_limit: 100_000,
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

fn spec_json(validators: &[Address], two_thirds: bool, rights: &[(Address, u32)], decides_from: u64) -> Value {
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
    let genesis =
        PermissionsGenesis { admins: &[rights[0].0], threshold: 1, default_rights: rights::READ, entries: rights };
    let mut accounts = json!({});
    for (address, account) in permissions(&genesis).expect("a valid genesis") {
        accounts[address.to_string()] = json!({ "nonce": "0x1", "code": account.code, "storage": account.storage });
    }
    let mut engine = json!({ "stepDuration": STEP / 1000, "validators": { "list": validators } });
    if two_thirds {
        engine["twoThirdsMajorityTransition"] = json!(0);
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
