//! The layout of `spec.json`: keys in a fixed order, as people expect them in Parity's files.

use std::collections::BTreeMap;

use alloy::primitives::{Address, hex};
use aurum_contracts::genesis::{PERMISSIONS, VALIDATOR_SET};
use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::{Value, json};

use super::{GasPrice, Plan, ValidatorsKind, genesis};
use crate::KeygenError;

/// EIPs that apply from block 0, before London by block and after it by time.
const BY_BLOCK: [&str; 19] = [
    "eip140",
    "eip145",
    "eip150",
    "eip155",
    "eip160",
    "eip161abc",
    "eip161d",
    "eip211",
    "eip214",
    "eip658",
    "eip1014",
    "eip1052",
    "eip1283",
    "eip1344",
    "eip1706",
    "eip1884",
    "eip2028",
    "eip2929",
    "eip2930",
];
const LONDON: [&str; 5] = ["eip1559", "eip3198", "eip3529", "eip3541", "eip3607"];
const BY_TIME: [u64; 9] = [3651, 3855, 3860, 1153, 5656, 6780, 2537, 7623, 7702];

/// An object whose keys stay in the order in which they were put.
struct Ordered(Vec<(String, Node)>);

enum Node {
    Value(Value),
    Object(Ordered),
    Accounts(BTreeMap<Address, genesis::Entry>),
}

impl Ordered {
    const fn new() -> Self {
        Self(Vec::new())
    }

    fn with(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.0.push((key.into(), Node::Value(value.into())));
        self
    }

    fn with_object(mut self, key: &str, object: Self) -> Self {
        self.0.push((key.to_owned(), Node::Object(object)));
        self
    }
}

impl Serialize for Ordered {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, node) in &self.0 {
            match node {
                Node::Value(value) => map.serialize_entry(key, value)?,
                Node::Object(object) => map.serialize_entry(key, object)?,
                Node::Accounts(accounts) => {
                    // Lower case: the same bytes whatever a library thinks of checksums.
                    let accounts: BTreeMap<_, _> =
                        accounts.iter().map(|(account, entry)| (hex::encode_prefixed(account), entry)).collect();
                    map.serialize_entry(key, &accounts)?;
                }
            }
        }
        map.end()
    }
}

pub(super) fn text(plan: &Plan) -> Result<String, KeygenError> {
    let mut spec = Ordered::new()
        .with("name", plan.request.name.as_str())
        .with("dataDir", plan.request.name.as_str())
        .with_object("engine", engine(plan))
        .with_object("params", params(plan))
        .with_object("genesis", genesis_block(plan));
    spec.0.push(("accounts".to_owned(), Node::Accounts(genesis::accounts(plan)?)));
    let mut text = serde_json::to_string_pretty(&spec).map_err(|error| KeygenError::invalid("spec.json", error))?;
    text.push('\n');
    Ok(text)
}

fn engine(plan: &Plan) -> Ordered {
    let validators = match plan.request.validators {
        ValidatorsKind::Contract => Ordered::new().with("safeContract", hex::encode_prefixed(VALIDATOR_SET)),
        ValidatorsKind::List => {
            let list: Vec<_> = plan.authorities.iter().map(|one| hex::encode_prefixed(one.address)).collect();
            Ordered::new().with("list", json!(list))
        }
    };
    let params = Ordered::new()
        .with("stepDuration", plan.request.step_duration)
        .with_object("validators", validators)
        .with("maximumUncleCount", 0)
        .with("twoThirdsMajorityTransition", 0)
        .with("finalityCertificatesTransition", 0);
    Ordered::new().with_object("authorityRound", Ordered::new().with_object("params", params))
}

fn params(plan: &Plan) -> Ordered {
    let request = &plan.request;
    let mut params = Ordered::new()
        .with("networkID", number(request.chain_id))
        .with("chainID", number(request.chain_id))
        .with("maximumExtraDataSize", number(32))
        .with("minGasLimit", number(5_000))
        .with("gasLimitBoundDivisor", number(1_024))
        .with("maxCodeSize", number(0x6000))
        .with("maxCodeSizeTransition", number(0))
        .with("transactionPermissionContract", hex::encode_prefixed(PERMISSIONS))
        .with("transactionPermissionContractTransition", number(0));
    for eip in BY_BLOCK.iter().chain(&LONDON) {
        params = params.with(format!("{eip}Transition"), number(0));
    }
    for eip in BY_TIME {
        params = params.with(format!("eip{eip}TransitionTimestamp"), number(0));
    }
    // Not used by either price; there for tools that expect them beside eip1559Transition.
    params = params
        .with("eip1559BaseFeeInitialValue", number(base_fee(plan)))
        .with("eip1559BaseFeeMaxChangeDenominator", number(8))
        .with("eip1559ElasticityMultiplier", number(2));
    match request.gas_price {
        GasPrice::Free => params.with("gasFree", true),
        GasPrice::Fixed(wei) => {
            let collector = plan.fee_collector.map(hex::encode_prefixed).unwrap_or_default();
            params
                .with("fixedBaseFee", number(wei))
                .with("eip1559FeeCollector", collector)
                .with("eip1559FeeCollectorTransition", number(0))
        }
    }
}

fn genesis_block(plan: &Plan) -> Ordered {
    let seal = Ordered::new().with("step", number(0)).with("signature", hex::encode_prefixed([0; 65]));
    Ordered::new()
        .with_object("seal", Ordered::new().with_object("authorityRound", seal))
        .with("difficulty", number(0x20000))
        .with("gasLimit", number(plan.request.gas_limit))
        .with("author", hex::encode_prefixed(Address::ZERO))
        .with("timestamp", number(0))
        .with("extraData", "0x")
        .with("baseFeePerGas", number(base_fee(plan)))
}

const fn base_fee(plan: &Plan) -> u64 {
    match plan.request.gas_price {
        GasPrice::Free => 0,
        GasPrice::Fixed(wei) => wei,
    }
}

/// Parity writes numbers as 0x strings.
fn number(value: u64) -> String {
    format!("{value:#x}")
}
