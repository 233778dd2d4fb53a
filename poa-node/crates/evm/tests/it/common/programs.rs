//! Random programs that look at what forks and other transactions change: prices by gas left, refunds, missing, empty,
//! created and destroyed accounts, cold and warm ones, precompiles. And the chain specs of forks to run them under.

use std::collections::BTreeMap;

use alloy::primitives::{Address, Bytes};
use aurum_types::{
    ChainSpec,
    spec::{AccountSpec, Builtin, Pricing},
};
use proptest::prelude::*;
use revm::primitives::hardfork::SpecId;

use super::{AUTHOR, spec};

pub const MAIN: Address = Address::repeat_byte(0x11);
pub const OTHER: Address = Address::repeat_byte(0x12);
pub const THIRD: Address = Address::repeat_byte(0x13);
pub const RICH: Address = Address::repeat_byte(0x21);
pub const EMPTY: Address = Address::repeat_byte(0x22);
pub const MISSING: Address = Address::repeat_byte(0x23);
pub const FORKS: [SpecId; 11] = [
    SpecId::HOMESTEAD,
    SpecId::TANGERINE,
    SpecId::SPURIOUS_DRAGON,
    SpecId::BYZANTIUM,
    SpecId::PETERSBURG,
    SpecId::ISTANBUL,
    SpecId::BERLIN,
    SpecId::LONDON,
    SpecId::SHANGHAI,
    SpecId::CANCUN,
    SpecId::PRAGUE,
];

/// The chain spec that says what `fork` is.
pub fn fork_spec(fork: SpecId) -> ChainSpec {
    let mut spec = spec();
    let from = |first: SpecId| fork.is_enabled_in(first).then_some(0);
    let p = &mut spec.params;
    p.eip150_transition = from(SpecId::TANGERINE);
    (p.eip160_transition, p.eip161abc_transition) = (from(SpecId::SPURIOUS_DRAGON), from(SpecId::SPURIOUS_DRAGON));
    p.eip161d_transition = from(SpecId::SPURIOUS_DRAGON);
    p.max_code_size = from(SpecId::SPURIOUS_DRAGON).map(|_| 0x6000);
    (p.eip140_transition, p.eip211_transition) = (from(SpecId::BYZANTIUM), from(SpecId::BYZANTIUM));
    p.eip214_transition = from(SpecId::BYZANTIUM);
    (p.eip145_transition, p.eip1014_transition) = (from(SpecId::PETERSBURG), from(SpecId::PETERSBURG));
    p.eip1052_transition = from(SpecId::PETERSBURG);
    (p.eip1283_transition, p.eip1706_transition) = (from(SpecId::ISTANBUL), from(SpecId::ISTANBUL));
    (p.eip1344_transition, p.eip1884_transition) = (from(SpecId::ISTANBUL), from(SpecId::ISTANBUL));
    p.eip2028_transition = from(SpecId::ISTANBUL);
    (p.eip2929_transition, p.eip2930_transition) = (from(SpecId::BERLIN), from(SpecId::BERLIN));
    (p.eip1559_transition, p.eip3198_transition) = (from(SpecId::LONDON), from(SpecId::LONDON));
    (p.eip3529_transition, p.eip3541_transition) = (from(SpecId::LONDON), from(SpecId::LONDON));
    p.eip_timestamps.retain(|eip, _| {
        fork.is_enabled_in(match eip {
            3651 | 3855 | 3860 => SpecId::SHANGHAI,
            1153 | 5656 | 6780 => SpecId::CANCUN,
            _ => SpecId::PRAGUE,
        })
    });
    spec.accounts = precompiles(fork);
    spec
}

/// The precompiles of `fork` up to 0x08, as a spec lists them.
pub fn precompiles(fork: SpecId) -> BTreeMap<Address, AccountSpec> {
    let after = |first: SpecId, late: Pricing, early: Pricing| if fork.is_enabled_in(first) { late } else { early };
    let constant = |price| Pricing::Constant { price };
    let mut list = vec![
        (1, "ecrecover", Pricing::Linear { base: 3_000, word: 0 }),
        (2, "sha256", Pricing::Linear { base: 60, word: 12 }),
        (3, "ripemd160", Pricing::Linear { base: 600, word: 120 }),
        (4, "identity", Pricing::Linear { base: 15, word: 3 }),
    ];
    if fork.is_enabled_in(SpecId::BYZANTIUM) {
        let pairing = |base, pair| Pricing::AltBn128Pairing { base, pair };
        list.extend([
            (5, "modexp", after(SpecId::BERLIN, Pricing::Modexp2565, Pricing::Modexp { divisor: 20 })),
            (6, "alt_bn128_add", after(SpecId::ISTANBUL, constant(150), constant(500))),
            (7, "alt_bn128_mul", after(SpecId::ISTANBUL, constant(6_000), constant(40_000))),
            (8, "alt_bn128_pairing", after(SpecId::ISTANBUL, pairing(45_000, 34_000), pairing(100_000, 80_000))),
        ]);
    }
    let builtin = |name: &str, price| Builtin { name: name.to_owned(), pricing: BTreeMap::from([(0, price)]) };
    list.into_iter()
        .map(|(byte, name, price)| {
            let account = AccountSpec { builtin: Some(builtin(name, price)), ..AccountSpec::default() };
            (Address::with_last_byte(byte), account)
        })
        .collect()
}

pub fn programs() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(fragments(), 1..14).prop_map(|parts| parts.concat().into())
}

pub fn push(word: &[u8]) -> Vec<u8> {
    let mut code = vec![0x5f + u8::try_from(word.len()).unwrap()];
    code.extend_from_slice(word);
    code
}

pub fn addresses() -> impl Strategy<Value = Vec<u8>> {
    let accounts = prop::sample::select(vec![MAIN, OTHER, THIRD, RICH, EMPTY, MISSING, AUTHOR, Address::ZERO]);
    prop_oneof![
        5 => accounts.prop_map(|address| push(address.as_slice())),
        2 => (1_u8..9).prop_map(|byte| push(&[byte])),
    ]
}

pub fn small() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => (0_u8..4).prop_map(|n| push(&[n])), 1 => any::<u8>().prop_map(|n| push(&[n]))]
}

/// Creation code of at most a word.
pub fn initcode() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        // Returns n bytes of zeros, or of what a byte 0xef begins.
        (0_u8..40).prop_map(|n| vec![0x60, n, 0x60, 0, 0xf3]),
        (1_u8..4).prop_map(|n| vec![0x60, 0xef, 0x60, 0, 0x53, 0x60, n, 0x60, 0, 0xf3]),
        Just(vec![0x60, 7, 0x60, 1, 0x55]),
        Just(vec![0x33, 0xff]),
        Just(vec![0x60, 0, 0x60, 0, 0xfd]),
        Just(vec![0xfe]),
        Just(vec![]),
    ]
}

/// A few instructions that leave the stack as it was, mostly.
pub fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let sstore = (small(), small()).prop_map(|(value, slot)| [value, slot, vec![0x55]].concat());
    let remember_gas = (0_u8..4).prop_map(|slot| vec![0x5a, 0x60, 0x40 + slot, 0x55]);
    let sload = small().prop_map(|slot| [slot, vec![0x54, 0x50]].concat());
    // BALANCE, EXTCODESIZE, EXTCODEHASH, and what they say kept.
    let look = (addresses(), prop::sample::select(vec![0x31, 0x3b, 0x3f]), 0_u8..3)
        .prop_map(|(address, opcode, slot)| [address, vec![opcode, 0x60, 0x50 + slot, 0x55]].concat());
    let copy = addresses().prop_map(|address| [vec![0x60, 40, 0x60, 0, 0x60, 8], address, vec![0x3c]].concat());
    // CALL, CALLCODE, DELEGATECALL, STATICCALL: with all gas, or some.
    let calls = (
        addresses(),
        prop::sample::select(vec![0xf1_u8, 0xf1, 0xf2, 0xf4, 0xfa]),
        prop_oneof![Just(vec![0x5a]), (0_u16..6_000).prop_map(|gas| push(&gas.to_be_bytes()))],
        0_u8..3,
        0_u8..97,
    )
        .prop_map(|(address, opcode, gas, value, input)| {
            let mut code = [vec![0x60, 32, 0x60, 64, 0x60, input, 0x60, 0]].concat();
            if opcode < 0xf4 {
                code.extend([0x60, value]);
            }
            code.extend(address);
            code.extend(gas);
            code.extend([opcode, 0x60, 0x60, 0x55]);
            code
        });
    let create = (initcode(), any::<bool>(), 0_u8..3, small()).prop_map(|(init, create2, value, salt)| {
        let length = u8::try_from(init.len()).unwrap();
        let mut code = push(&[init, vec![0; 32 - usize::from(length)]].concat());
        code.extend([0x60, 0, 0x52]);
        if create2 {
            code.extend(salt);
        }
        code.extend([0x60, length, 0x60, 0, 0x60, value, if create2 { 0xf5 } else { 0xf0 }, 0x60, 0x61, 0x55]);
        code
    });
    let selfdestruct = addresses().prop_map(|heir| [heir, vec![0xff]].concat());
    let end = prop::sample::select(vec![0xf3_u8, 0xfd, 0x00, 0xfe]).prop_map(|opcode| vec![0x60, 40, 0x60, 0, opcode]);
    let exp = (small(), prop::collection::vec(any::<u8>(), 1..32))
        .prop_map(|(base, power)| [push(&power), base, vec![0x0a, 0x50]].concat());
    // SHL, SHR, SAR, MCOPY, TSTORE, LOG1 and their like, whether they exist or not.
    let three =
        (prop::sample::select(vec![0x1b_u8, 0x1c, 0x1d, 0x5d, 0x5e, 0x3e, 0x37, 0x39, 0x20, 0xa0, 0xa1]), small())
            .prop_map(|(opcode, n)| [n.clone(), n.clone(), n, vec![opcode]].concat());
    let bare = prop::sample::select(vec![0x46_u8, 0x47, 0x48, 0x5f, 0x3d, 0x44, 0x45, 0x5a, 0x30, 0x58, 0x59])
        .prop_map(|opcode| vec![opcode, 0x60, 0x70, 0x55]);
    let tload = small().prop_map(|slot| [slot, vec![0x5c, 0x60, 0x71, 0x55]].concat());
    // Any byte, but BLOCKHASH (the reference has other hashes) and those of blobs.
    let wild = any::<u8>().prop_map(|byte| vec![if matches!(byte, 0x40 | 0x49 | 0x4a) { 0x5b } else { byte }]);
    prop_oneof![
        5 => sstore, 2 => remember_gas, 2 => sload, 4 => look, 1 => copy, 8 => calls, 4 => create, 1 => selfdestruct,
        1 => end, 1 => exp, 2 => three, 2 => bare, 1 => tload, 1 => wild,
    ]
}
