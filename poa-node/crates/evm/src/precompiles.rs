//! Precompiles: only those the spec lists as `builtin`, from their block on, at their price (aura.md §4.2). Every other
//! address, 0x05 included, is an ordinary account.

use std::{collections::BTreeMap, sync::Arc};

use alloy::primitives::{Address, U256, map::HashMap};
use aurum_types::{BlockNumber, ChainSpec, spec::Pricing};
use revm::{
    context_interface::ContextTr,
    handler::{PrecompileProvider, precompile_output_to_interpreter_result},
    interpreter::{CallInputs, InterpreterResult},
    precompile::{
        EthPrecompileOutput, EthPrecompileResult, PrecompileEthFn, PrecompileHalt, PrecompileOutput, blake2, bls12_381,
        bn254, hash, identity, modexp, secp256k1,
    },
    primitives::{AddressSet, hardfork::SpecId},
};

/// More gas than any operation asks for, yet little enough that an unpriced `modexp` cannot exhaust memory.
const UNMETERED: u64 = 1 << 40;

/// One precompile at one block.
#[derive(Debug, Clone)]
struct Active {
    run: PrecompileEthFn,
    price: Pricing,
}

impl Active {
    fn call(&self, input: &[u8], gas_limit: u64) -> EthPrecompileResult {
        let Some(price) = price_of(&self.price, input) else {
            return (self.run)(input, gas_limit);
        };
        if price > gas_limit {
            return Err(PrecompileHalt::OutOfGas);
        }
        let output = (self.run)(input, UNMETERED)?;
        Ok(EthPrecompileOutput::new(price, output.bytes))
    }
}

/// The spec's price for this input; `None` where the operation prices itself as its EIP says.
fn price_of(pricing: &Pricing, input: &[u8]) -> Option<u64> {
    Some(match pricing {
        Pricing::Linear { base, word } => match u64::try_from(input.len().div_ceil(32)) {
            Ok(words) => word.saturating_mul(words).saturating_add(*base),
            Err(_) => u64::MAX,
        },
        Pricing::Constant { price } => *price,
        Pricing::AltBn128Pairing { base, pair } => {
            let pairs = u64::try_from(input.len() / bn254::PAIR_ELEMENT_LEN).unwrap_or(u64::MAX);
            pair.saturating_mul(pairs).saturating_add(*base)
        }
        Pricing::Blake2F { gas_per_round } => {
            let rounds = input.first_chunk::<4>().map_or(0, |bytes| u64::from(u32::from_be_bytes(*bytes)));
            gas_per_round.saturating_mul(rounds)
        }
        Pricing::Modexp { divisor } => modexp_price(input, *divisor),
        Pricing::Modexp2565 => modexp_2565_price(input),
        Pricing::Bls12 | Pricing::Bls12Draft => return None,
    })
}

/// What the price of `modexp` depends on.
struct Modexp {
    /// Length of the longer of base and modulus.
    length: u64,
    /// Squarings the exponent asks for, at least one.
    iterations: u64,
}

impl Modexp {
    /// Reads the lengths as OpenEthereum does (`ModexpPricer::parse_input`, `check_input_boundaries`). The error is the
    /// price where it does not depend on more: nothing to compute is free, too much is beyond anybody's gas.
    fn parse(input: &[u8]) -> Result<Self, u64> {
        let word = |offset: usize| {
            let mut bytes = [0_u8; 32];
            let available = input.get(offset..).unwrap_or_default();
            let length = available.len().min(32);
            bytes[..length].copy_from_slice(&available[..length]);
            U256::from_be_bytes(bytes)
        };
        let (base, exponent, modulus) = (word(0), word(32), word(64));
        if base.is_zero() && modulus.is_zero() {
            return Err(0);
        }
        let limit = U256::from(u32::MAX / 2);
        if base > limit || modulus > limit || exponent > limit {
            return Err(u64::MAX);
        }
        let (base, exponent, modulus) = (base.to::<u64>(), exponent.to::<u64>(), modulus.to::<u64>());
        let start = usize::try_from(base).map_or(usize::MAX, |base| base.saturating_add(96));
        let mut head = word(start);
        if exponent < 32 {
            // Only the exponent's own bytes count.
            head = if exponent == 0 { U256::ZERO } else { head >> (256 - 8 * exponent) };
        }
        Ok(Self { length: base.max(modulus), iterations: modexp::calculate_iteration_count::<8>(exponent, &head) })
    }
}

/// EIP-198's price with the spec's divisor.
fn modexp_price(input: &[u8], divisor: u64) -> u64 {
    let Modexp { length, iterations } = match Modexp::parse(input) {
        Ok(modexp) => modexp,
        Err(price) => return price,
    };
    let square = length * length;
    let complexity = match length {
        0..=64 => square,
        65..=1_024 => square / 4 + 96 * length - 3_072,
        _ => square / 16 + 480 * length - 199_680,
    };
    let gas = U256::from(complexity) * U256::from(iterations) / U256::from(divisor.max(1));
    gas.saturating_to()
}

/// EIP-2565's price.
fn modexp_2565_price(input: &[u8]) -> u64 {
    const LEAST: u64 = 200;
    let Modexp { length, iterations } = match Modexp::parse(input) {
        Ok(modexp) => modexp,
        Err(price) => return price.max(LEAST),
    };
    let words = U256::from(length.div_ceil(8));
    let gas: u64 = (words * words * U256::from(iterations) / U256::from(3)).saturating_to();
    gas.max(LEAST)
}

/// revm's implementation of a builtin, by Parity's name.
fn implementation(name: &str) -> Option<PrecompileEthFn> {
    Some(match name {
        "ecrecover" => |input, gas| secp256k1::ec_recover_run(input, gas),
        "sha256" => |input, gas| hash::sha256_run(input, gas),
        "ripemd160" => |input, gas| hash::ripemd160_run(input, gas),
        "identity" => |input, gas| identity::identity_run(input, gas),
        "modexp" => |input, gas| modexp::berlin_run(input, gas),
        "alt_bn128_add" => |input, gas| bn254::run_add(input, 0, gas),
        "alt_bn128_mul" => |input, gas| bn254::run_mul(input, 0, gas),
        "alt_bn128_pairing" => |input, gas| bn254::run_pair(input, 0, 0, gas),
        "blake2_f" => |input, gas| blake2::run(input, gas),
        "bls12_381_g1_add" => |input, gas| bls12_381::g1_add::g1_add(input, gas),
        "bls12_381_g1_multiexp" => |input, gas| bls12_381::g1_msm::g1_msm(input, gas),
        "bls12_381_g2_add" => |input, gas| bls12_381::g2_add::g2_add(input, gas),
        "bls12_381_g2_multiexp" => |input, gas| bls12_381::g2_msm::g2_msm(input, gas),
        "bls12_381_pairing" => |input, gas| bls12_381::pairing::pairing(input, gas),
        "bls12_381_fp_to_g1" => |input, gas| bls12_381::map_fp_to_g1::map_fp_to_g1(input, gas),
        "bls12_381_fp2_to_g2" => |input, gas| bls12_381::map_fp2_to_g2::map_fp2_to_g2(input, gas),
        _ => return None,
    })
}

/// Why a builtin cannot be executed as OpenEthereum would at this price; `None` if it can.
pub(crate) fn unavailable(name: &str, pricing: &Pricing) -> Option<&'static str> {
    const DRAFT: &str = "a draft of EIP-2537 that was never live";
    let is_bls = name.starts_with("bls12_381_");
    match pricing {
        Pricing::Bls12Draft => Some(DRAFT),
        Pricing::Bls12 if !is_bls => Some("the price `eip2537` is of bls12_381 operations alone"),
        Pricing::Bls12 => implementation(name).is_none().then_some("EIP-2537 has no such operation"),
        // At a price of the spec's own, it is OpenEthereum's draft that is meant.
        _ if is_bls => Some(DRAFT),
        _ => implementation(name).is_none().then_some("unknown precompile"),
    }
}

/// The precompiles of one block.
#[derive(Clone, Debug)]
pub(crate) struct Precompiles(Arc<Set>);

#[derive(Debug, Default)]
struct Set {
    addresses: AddressSet,
    active: HashMap<Address, Active>,
}

impl Precompiles {
    /// The precompiles of the block at `number`.
    pub(crate) fn at(spec: &ChainSpec, number: BlockNumber) -> Self {
        let mut set = Set::default();
        for (address, account) in &spec.accounts {
            let Some(builtin) = &account.builtin else { continue };
            let Some((_, price)) = builtin.pricing.range(..=number).next_back() else { continue };
            let Some(run) = implementation(&builtin.name) else { continue };
            set.addresses.insert(*address);
            set.active.insert(*address, Active { run, price: price.clone() });
        }
        Self(Arc::new(set))
    }

    /// Without those at `gone`, and with those at other addresses that `moved` takes there: from where, by where to.
    pub(crate) fn moved<'a>(
        &self,
        gone: impl Iterator<Item = &'a Address>,
        moved: &BTreeMap<Address, Address>,
    ) -> Self {
        let mut active = self.0.active.clone();
        for address in gone {
            active.remove(address);
        }
        let moved = moved.iter().filter_map(|(to, from)| Some((*to, self.0.active.get(from)?.clone())));
        active.extend(moved);
        Self(Arc::new(Set { addresses: active.keys().copied().collect(), active }))
    }

    pub(crate) fn addresses(&self) -> &AddressSet {
        &self.0.addresses
    }
}

impl<CTX: ContextTr> PrecompileProvider<CTX> for Precompiles
where
    CTX::Cfg: revm::context_interface::Cfg<Spec = SpecId>,
{
    type Output = InterpreterResult;

    fn set_spec(&mut self, _spec: SpecId) -> bool {
        // The block decides, not the fork; the journal was told at construction.
        false
    }

    fn run(&mut self, context: &mut CTX, inputs: &CallInputs) -> Result<Option<InterpreterResult>, String> {
        let Some(active) = self.0.active.get(&inputs.bytecode_address) else {
            return Ok(None);
        };
        let result = active.call(&inputs.input.as_bytes(context), inputs.gas_limit);
        let output = PrecompileOutput::from_eth_result(result, inputs.reservoir);
        Ok(Some(precompile_output_to_interpreter_result(output, inputs.gas_limit)))
    }

    fn warm_addresses(&self) -> &AddressSet {
        self.addresses()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modexp_input(base: &[u8], exponent: &[u8], modulus: &[u8]) -> Vec<u8> {
        let mut input = Vec::new();
        for part in [base, exponent, modulus] {
            input.extend_from_slice(&U256::from(part.len()).to_be_bytes::<32>());
        }
        input.extend_from_slice(base);
        input.extend_from_slice(exponent);
        input.extend_from_slice(modulus);
        input
    }

    #[test]
    fn modexp_costs_what_eip198_says() {
        let lengths = [0, 1, 31, 32, 33, 64, 65, 200, 1_024, 1_025, 3_000];
        for base in lengths {
            for exponent in lengths {
                for modulus in [1, 32, 300] {
                    let input = modexp_input(&vec![3; base], &vec![0x41; exponent], &vec![7; modulus]);
                    let expected = modexp::byzantium_run(&input, u64::MAX).expect("well-formed").gas_used;
                    assert_eq!(modexp_price(&input, 20), expected, "{base} ^ {exponent} mod {modulus}");
                }
            }
        }
        // Input cut short, and lengths nobody can pay.
        assert_eq!(modexp_price(&[], 20), 0);
        // Nothing to compute is free, however long the exponent says it is.
        let endless_exponent = [vec![0; 32], vec![0xff; 32], vec![0; 32]].concat();
        assert_eq!(modexp_price(&endless_exponent, 20), 0);
        assert_eq!(modexp_2565_price(&endless_exponent), 200);
        assert_eq!(modexp_price(&[0xff; 96], 20), u64::MAX);
    }

    #[test]
    fn the_specs_price_is_charged_to_the_unit() {
        let precompile = |name: &str, price| Active { run: implementation(name).expect("known"), price };
        let used = |active: &Active, input: &[u8], gas| active.call(input, gas).map(|output| output.gas_used);
        let cases = [
            ("identity", Pricing::Linear { base: 15, word: 3 }, vec![0; 33], 21),
            ("alt_bn128_add", Pricing::Constant { price: 500 }, vec![], 500),
            ("alt_bn128_mul", Pricing::Linear { base: 40_000, word: 0 }, vec![], 40_000),
            ("alt_bn128_pairing", Pricing::AltBn128Pairing { base: 45_000, pair: 34_000 }, vec![0; 384], 113_000),
            ("modexp", Pricing::Modexp { divisor: 20 }, modexp_input(&[2; 64], &[1], &[7; 64]), 204),
            ("modexp", Pricing::Modexp2565, modexp_input(&[2; 64], &[1], &[7; 64]), 200),
            ("ripemd160", Pricing::Linear { base: 600, word: 120 }, vec![], 600),
        ];
        for (name, price, input, expected) in cases {
            let active = precompile(name, price);
            assert_eq!(used(&active, &input, expected), Ok(expected), "{name}");
            assert_eq!(used(&active, &input, expected - 1), Err(PrecompileHalt::OutOfGas), "{name}");
        }
        let blake = precompile("blake2_f", Pricing::Blake2F { gas_per_round: 2 });
        let mut input = vec![0; 213];
        input[3] = 12;
        assert_eq!(used(&blake, &input, 100), Ok(24));
        assert_eq!(used(&blake, &input[..100], 100), Err(PrecompileHalt::Blake2WrongLength));
    }
}
