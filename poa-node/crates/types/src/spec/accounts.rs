//! `genesis` and `accounts` of a chain spec (aura.md §4.3, §4.4).

use std::collections::BTreeMap;

use alloy::{
    primitives::{Address, B256, Bytes},
    rlp::{self, Encodable, Header as RlpHeader},
};
use alloy_trie::EMPTY_ROOT_HASH;

use super::{
    AccountSpec, Builtin, GenesisSpec, Pricing, SpecError, SpecWarningKind,
    json::{Node, Notes, Object, parse_block_key, parse_uint},
};
use crate::header::raw_items;

/// Names of precompiles (OpenEthereum `EthereumBuiltin`). Which can be executed at which price is for crate `aurum-evm` to say.
const BUILTINS: [&str; 18] = [
    "ecrecover",
    "sha256",
    "ripemd160",
    "identity",
    "modexp",
    "alt_bn128_add",
    "alt_bn128_mul",
    "alt_bn128_pairing",
    "blake2_f",
    "bls12_381_g1_add",
    "bls12_381_g1_mul",
    "bls12_381_g1_multiexp",
    "bls12_381_g2_add",
    "bls12_381_g2_mul",
    "bls12_381_g2_multiexp",
    "bls12_381_pairing",
    "bls12_381_fp_to_g1",
    "bls12_381_fp2_to_g2",
];

pub(super) fn parse_genesis(mut genesis: Object, notes: &mut Notes) -> Result<GenesisSpec, SpecError> {
    let gas_limit = genesis.need("gasLimit")?;
    let base_fee = genesis.take("baseFeePerGas");
    let parsed = GenesisSpec {
        seal: parse_seal(&genesis.need("seal")?, notes)?,
        difficulty: genesis.need("difficulty")?.uint()?,
        gas_limit: match gas_limit.u64(notes)? {
            0 => return gas_limit.invalid("the gas limit cannot be 0"),
            limit => limit,
        },
        author: genesis.address("author")?.unwrap_or(Address::ZERO),
        timestamp: genesis.u64("timestamp", notes)?.unwrap_or(0),
        parent_hash: hash_or(&mut genesis, "parentHash", B256::ZERO)?,
        extra_data: genesis.take("extraData").map(|node| node.bytes()).transpose()?.unwrap_or_default(),
        gas_used: genesis.u64("gasUsed", notes)?.unwrap_or(0),
        transactions_root: hash_or(&mut genesis, "transactionsRoot", EMPTY_ROOT_HASH)?,
        receipts_root: hash_or(&mut genesis, "receiptsRoot", EMPTY_ROOT_HASH)?,
        state_root: genesis.take("stateRoot").map(|node| node.hash()).transpose()?,
        base_fee_per_gas: base_fee.map(|node| node.u64(notes)).transpose()?,
    };
    genesis.ignore(&["stateUnavailable"]);
    genesis.finish(notes)?;
    Ok(parsed)
}

fn hash_or(object: &mut Object, key: &str, default: B256) -> Result<B256, SpecError> {
    Ok(object.take(key).map(|node| node.hash()).transpose()?.unwrap_or(default))
}

/// The seal of the genesis header as raw RLP items.
fn parse_seal(node: &Node, notes: &mut Notes) -> Result<Vec<Bytes>, SpecError> {
    let mut seal = node.clone().object()?;
    let found = seal.keys();
    let [kind] = found.as_slice() else {
        return node.invalid(format_args!("exactly one kind of seal expected, found {}", found.len()));
    };
    let value = seal.need(kind)?;
    match kind.as_str() {
        "authorityRound" => {
            let mut fields = value.object()?;
            let step = fields.need("step")?.u64(notes)?;
            let signature = fields.need("signature")?.fixed_bytes::<65>()?;
            fields.finish(notes)?;
            Ok(vec![item(step), item(&signature[..])])
        }
        "ethereum" => {
            let mut fields = value.object()?;
            let mix_hash = fields.need("mixHash")?.hash()?;
            let nonce = fields.need("nonce")?.fixed_bytes::<8>()?;
            fields.finish(notes)?;
            Ok(vec![item(mix_hash), item(&nonce[..])])
        }
        "tendermint" => {
            let mut fields = value.object()?;
            let round = fields.need("round")?.u64(notes)?;
            let proposal = fields.need("proposal")?.fixed_bytes::<65>()?;
            let precommits = fields.need("precommits")?.array()?;
            let precommits = precommits
                .iter()
                .map(|node| node.fixed_bytes::<65>().map(Bytes::from))
                .collect::<Result<Vec<_>, _>>()?;
            fields.finish(notes)?;
            Ok(vec![item(round), item(&proposal[..]), item(precommits)])
        }
        "generic" => parse_generic_seal(&value),
        other => node.invalid(format_args!("unknown kind of seal `{other}`")),
    }
}

/// The items of a raw RLP list; nothing at all is a header without seal fields.
fn parse_generic_seal(node: &Node) -> Result<Vec<Bytes>, SpecError> {
    let bytes = node.bytes()?;
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let malformed = |error: rlp::Error| node.invalid(format_args!("not an RLP list: {error}"));
    let mut rest = bytes.as_ref();
    match RlpHeader::decode(&mut rest) {
        Ok(list) if list.list && list.payload_length == rest.len() => raw_items(rest, usize::MAX).or_else(malformed),
        Ok(_) => node.invalid("not exactly one RLP list"),
        Err(error) => malformed(error),
    }
}

fn item(value: impl Encodable) -> Bytes {
    let mut out = Vec::new();
    value.encode(&mut out);
    out.into()
}

pub(super) fn parse_account(mut account: Object, notes: &mut Notes) -> Result<AccountSpec, SpecError> {
    let parsed = AccountSpec {
        balance: account.take("balance").map(|node| node.uint()).transpose()?,
        nonce: account.u64("nonce", notes)?,
        code: account.take("code").map(|node| node.bytes()).transpose()?,
        storage: account.take("storage").map(|node| node.map(parse_uint, |value| value.uint())).transpose()?,
        constructor: account.take("constructor").map(|node| node.bytes()).transpose()?,
        builtin: account.take("builtin").map(|node| parse_builtin(node.object()?, notes)).transpose()?,
    };
    account.finish(notes)?;
    Ok(parsed)
}

fn parse_builtin(mut builtin: Object, notes: &mut Notes) -> Result<Builtin, SpecError> {
    let name_node = builtin.need("name")?;
    let name = name_node.clone().string()?;
    if !BUILTINS.contains(&name.as_str()) {
        return name_node.invalid(format_args!("unknown precompile `{name}`"));
    }
    let activate_at = builtin.u64("activate_at", notes)?.unwrap_or(0);
    let eip1108 = builtin.u64("eip1108_transition", notes)?;
    let node = builtin.need("pricing")?;
    let is_map = node.is_object()
        && node
            .clone()
            .object()?
            .keys()
            .first()
            .is_some_and(|key| key.bytes().next().is_some_and(|c| c.is_ascii_digit()));
    let pricing = if is_map {
        node.map(parse_block_key, |entry| {
            let mut entry = entry.object()?;
            entry.ignore(&["info"]);
            let (price, _) = parse_price(&entry.need("price")?, notes)?;
            entry.finish(notes)?;
            Ok(price)
        })?
    } else {
        let (price, after_eip1108) = parse_price(&node, notes)?;
        let mut pricing = BTreeMap::from([(activate_at, price)]);
        if let (Some(from), Some(price)) = (eip1108, after_eip1108) {
            pricing.insert(from.max(activate_at), price);
        }
        pricing
    };
    builtin.finish(notes)?;
    Ok(Builtin { name, pricing })
}

/// One price, and for the form of Parity 2.5 (`eip1108_transition`) the price from that block on.
fn parse_price(node: &Node, notes: &mut Notes) -> Result<(Pricing, Option<Pricing>), SpecError> {
    let mut forms = node.clone().object()?;
    let found = forms.keys();
    let [form] = found.as_slice() else {
        return node.invalid(format_args!("exactly one price expected, found {}", found.len()));
    };
    let mut fields = forms.need(form)?.object()?;
    let mut need = |fields: &mut Object, key: &str| fields.need(key)?.u64(notes);
    let mut later = None;
    let price = match form.as_str() {
        "linear" => Pricing::Linear { base: need(&mut fields, "base")?, word: need(&mut fields, "word")? },
        "modexp" => {
            let divisor = need(&mut fields, "divisor")?;
            if divisor == 0 {
                let how = "a divisor of 0 is 10, as in OpenEthereum".to_owned();
                notes.warn(&node.path, SpecWarningKind::Adjusted(how))?;
            }
            Pricing::Modexp { divisor: if divisor == 0 { 10 } else { divisor } }
        }
        "modexp2565" => Pricing::Modexp2565,
        "alt_bn128_pairing" => {
            if fields.keys().iter().any(|key| key == "eip1108_transition_base") {
                later = Some(Pricing::AltBn128Pairing {
                    base: need(&mut fields, "eip1108_transition_base")?,
                    pair: need(&mut fields, "eip1108_transition_pair")?,
                });
            }
            Pricing::AltBn128Pairing { base: need(&mut fields, "base")?, pair: need(&mut fields, "pair")? }
        }
        "alt_bn128_const_operations" => {
            if fields.keys().iter().any(|key| key == "eip1108_transition_price") {
                later = Some(Pricing::Constant { price: need(&mut fields, "eip1108_transition_price")? });
            }
            Pricing::Constant { price: need(&mut fields, "price")? }
        }
        "blake2_f" => Pricing::Blake2F { gas_per_round: need(&mut fields, "gas_per_round")? },
        "eip2537" => Pricing::Bls12,
        "bls12_const_operations" | "bls12_pairing" | "bls12_g1_multiexp" | "bls12_g2_multiexp" => {
            fields.ignore(&["price", "base", "pair"]);
            Pricing::Bls12Draft
        }
        other => return node.invalid(format_args!("unknown price `{other}`")),
    };
    fields.finish(notes)?;
    Ok((price, later))
}
