//! The verdicts, one rule after the other, and together the same as [`Rules::verify`].

use alloy::primitives::{B256, U256, keccak256};
use aurum_aura::{AuraSeal, KeySigner, Signer as _, difficulty};
use aurum_types::Step;
use proptest::prelude::*;

use super::*;
use crate::dev::DevConfig;

const STEP: u64 = 1_000;
const PARENT_STEP: u64 = 996;

fn signer(id: u64) -> KeySigner {
    KeySigner::new(secp256k1::SecretKey::from_byte_array(keccak256(id.to_string()).0).unwrap())
}

fn addresses() -> Vec<alloy::primitives::Address> {
    (0..3).map(|id| signer(id).address()).collect()
}

struct Case {
    spec: Arc<ChainSpec>,
    parent: Header,
}

impl Case {
    fn new(change: impl FnOnce(&mut ChainSpec)) -> Self {
        let mut spec = DevConfig { chain_id: 7, block_time: None }.spec();
        spec.engine.validators = ValidatorsSpec::List(addresses());
        change(&mut spec);
        let mut parent = aurum_types::genesis_header(&spec, B256::ZERO);
        parent.number = 41;
        parent.timestamp = PARENT_STEP;
        parent.seal = vec![alloy::rlp::encode(PARENT_STEP).into(), alloy::rlp::encode([0_u8; 65]).into()];
        parent.base_fee_per_gas = Some(7);
        Self { spec: Arc::new(spec), parent }
    }

    /// A good block at [`STEP`] with these empty steps.
    fn child(&self, empty_steps: &[u64]) -> Header {
        let rules = Rules::new(&self.spec);
        let mut header = Header {
            parent_hash: self.parent.hash_slow(),
            number: self.parent.number + 1,
            author: signer(STEP % 3).address(),
            timestamp: STEP,
            difficulty: difficulty(Step(PARENT_STEP), Step(STEP), empty_steps.len()),
            gas_limit: rules.next_gas_limit(&self.parent, self.parent.gas_limit),
            base_fee_per_gas: aurum_aura::next_base_fee(&self.spec, &self.parent, self.parent.number + 1),
            uncles_hash: aurum_types::EMPTY_UNCLES_HASH,
            ..Header::default()
        };
        self.seal(&mut header, empty_steps, STEP % 3);
        header
    }

    fn seal(&self, header: &mut Header, empty_steps: &[u64], sealer: u64) {
        let format = self.spec.header_format();
        let empty = |step: &u64| {
            let hash = EmptyStep::message_hash(*step, header.parent_hash);
            EmptyStep { signature: signer(step % 3).sign(hash).unwrap(), step: *step }
        };
        let list: Vec<_> = empty_steps.iter().map(empty).collect();
        let list = format.has_empty_steps(header.number).then(|| AuraSeal::encode_empty_steps(&list));
        let mut seal = AuraSeal { step: Step(STEP), signature: [0; 65], empty_steps: list };
        header.seal = seal.to_fields();
        seal.signature = signer(sealer).sign(header.seal_hash(&format)).unwrap();
        header.seal = seal.to_fields();
    }

    fn checks(&self, header: &Header, with_parent: bool) -> Vec<Check> {
        let format = self.spec.header_format();
        let rules = Rules::new(&self.spec);
        let set = ValidatorSet::new(addresses());
        let parent = with_parent.then_some(&self.parent);
        let now = Duration::from_secs(STEP);
        let context = rules::Context { spec: &self.spec, rules: &rules, parent, validators: Some(&set), now };
        judge(&context, &Facts::of(header, &format))
    }

    fn failed(&self, header: &Header, with_parent: bool) -> Vec<&'static str> {
        let checks = self.checks(header, with_parent);
        checks.iter().filter(|check| check.ok == Some(false)).map(|check| check.rule).collect()
    }

    /// Whether the engine takes the header at all.
    fn engine_takes(&self, header: &Header) -> bool {
        let rules = Rules::new(&self.spec);
        let set = ValidatorSet::new(addresses());
        header.parent_hash == self.parent.hash_slow()
            && rules.verify(header, &self.parent, &set, Duration::from_secs(STEP)).is_ok()
    }

    fn resealed(&self, change: impl FnOnce(&mut Header)) -> Header {
        let mut header = self.child(&[]);
        change(&mut header);
        self.seal(&mut header, &[], STEP % 3);
        header
    }
}

fn plain() -> Case {
    Case::new(|_| ())
}

fn with_empty_steps() -> Case {
    Case::new(|spec| spec.engine.empty_steps_transition = Some(1))
}

#[test]
fn a_good_header_passes_every_rule() {
    let case = plain();
    let checks = case.checks(&case.child(&[]), true);
    assert!(checks.iter().all(|check| check.ok == Some(true)), "{checks:#?}");
    let unknown = case.checks(&case.child(&[]), false);
    assert!(unknown.iter().all(|check| check.ok != Some(false)), "{unknown:#?}");
    assert!(unknown.iter().any(|check| check.ok.is_none()));
    let case = with_empty_steps();
    assert_eq!(case.failed(&case.child(&[997, 998]), true), Vec::<&str>::new());
}

#[test]
fn each_rule_fails_by_its_name() {
    let case = plain();
    let limit = case.parent.gas_limit;
    let cases: Vec<(&str, Header)> = vec![
        ("gas_used", case.resealed(|h| h.gas_used = h.gas_limit + 1)),
        ("gas_limit_bound", case.resealed(|h| h.gas_limit = limit + limit / 1024)),
        ("extra_data_size", case.resealed(|h| h.extra_data = vec![0; 33].into())),
        ("uncles", case.resealed(|h| h.uncles_hash = B256::ZERO)),
        ("timestamp_not_ahead", case.resealed(|h| h.timestamp = STEP + 151)),
        ("timestamp_after_parent", case.resealed(|h| h.timestamp = PARENT_STEP)),
        ("parent_hash", case.resealed(|h| h.parent_hash = B256::ZERO)),
        ("number", case.resealed(|h| h.number += 1)),
        ("base_fee", case.resealed(|h| h.base_fee_per_gas = Some(1))),
        ("difficulty", case.resealed(|h| h.difficulty -= U256::from(1))),
        ("seal_arity", {
            let mut h = case.child(&[]);
            h.seal.pop();
            h
        }),
        ("seal_fields", {
            let mut h = case.child(&[]);
            h.seal[1] = vec![0x80].into();
            h
        }),
        ("signature_recovers", {
            let mut h = case.child(&[]);
            h.seal[1] = alloy::rlp::encode([0_u8; 65]).into();
            h
        }),
    ];
    for (rule, header) in cases {
        let failed = case.failed(&header, true);
        assert!(failed.contains(&rule), "{rule}: {failed:?}");
        assert!(!case.engine_takes(&header), "{rule}");
    }
    let mut other = case.child(&[]);
    case.seal(&mut other, &[], STEP % 3 + 1);
    assert_eq!(case.failed(&other, true), ["author_is_signer", "proposer"]);
    let mut early = case.resealed(|h| h.timestamp = STEP + 16);
    assert_eq!(case.failed(&early, true), Vec::<&str>::new(), "early is not wrong");
    early.difficulty = aurum_aura::MAX_DIFFICULTY;
    assert!(case.failed(&early, false).contains(&"difficulty_bound"));
}

#[test]
fn empty_steps_are_judged_by_range_order_and_signer() {
    let case = with_empty_steps();
    for (steps, rule) in [
        (&[998, 997][..], "empty_steps_ordered"),
        (&[998, 998], "empty_steps_ordered"),
        (&[996, 998], "empty_steps_range"),
        (&[999, 1000], "empty_steps_range"),
    ] {
        let header = case.child(steps);
        assert_eq!(case.failed(&header, true), [rule], "{steps:?}");
        assert!(!case.engine_takes(&header), "{steps:?}");
    }
    // What needs no parent is found without it.
    assert_eq!(case.failed(&case.child(&[998, 997]), false), ["empty_steps_ordered"]);
    assert_eq!(case.failed(&case.child(&[999, 1000]), false), ["empty_steps_range"]);
    let lenient = Case::new(|spec| {
        spec.engine.empty_steps_transition = Some(1);
        spec.engine.strict_empty_steps_transition = 100;
    });
    assert_eq!(lenient.failed(&lenient.child(&[998, 998]), true), Vec::<&str>::new());
    assert!(lenient.engine_takes(&lenient.child(&[998, 998])));
}

#[test]
fn bytes_that_are_no_header_are_refused_with_the_reason() {
    let case = plain();
    let format = case.spec.header_format();
    let good = hex::encode_prefixed(alloy::rlp::encode(case.child(&[])));
    assert!(decode(&good, &format).is_ok());
    for (text, reason) in [
        ("0xzz".to_owned(), "not hex"),
        ("0x".to_owned(), "not a header"),
        ("0xc0".to_owned(), "not a header"),
        (good[..good.len() - 2].to_owned(), "not a header"),
        (format!("{good}00"), "1 bytes after"),
    ] {
        let error = format!("{:#}", decode(&text, &format).unwrap_err());
        assert!(error.contains(reason), "{text}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// `valid` with everything known is the engine's own verdict, whatever is changed and whether it is sealed anew.
    #[test]
    fn the_rules_together_are_the_engines(
        field in 0_usize..9, delta in -3_i64..4, big: bool, reseal: bool, empty in prop::collection::vec(994_u64..1003, 0..4),
    ) {
        let case = with_empty_steps();
        let mut header = case.child(&empty);
        let delta = if big { delta * 100_000 } else { delta };
        let add = |value: u64| value.saturating_add_signed(delta);
        match field {
            0 => header.timestamp = add(header.timestamp),
            1 => header.gas_limit = add(header.gas_limit),
            2 => header.gas_used = add(header.gas_used),
            3 => header.number = add(header.number).max(1),
            4 => header.base_fee_per_gas = header.base_fee_per_gas.map(add),
            5 => header.difficulty = header.difficulty.wrapping_add(U256::from(delta.unsigned_abs())),
            6 => header.extra_data = vec![7; delta.unsigned_abs() as usize].into(),
            7 => header.author = signer(delta.unsigned_abs()).address(),
            _ => {}
        }
        if reseal {
            case.seal(&mut header, &empty, STEP % 3);
        }
        let checks = case.checks(&header, true);
        // Early is neither: the engine does not take it now, and no rule is broken.
        let early = checks.iter().any(|check| check.rule.ends_with("_not_ahead") && check.ok.is_none());
        let valid = checks.iter().all(|check| check.ok != Some(false));
        prop_assert_eq!(valid && !early, case.engine_takes(&header), "{:#?}", checks);
    }

    #[test]
    fn every_flipped_bit_of_the_seal_is_seen(bit in 0_usize..65 * 8) {
        let case = plain();
        let mut header = case.child(&[]);
        let mut field = header.seal[1].to_vec();
        field[2 + bit / 8] ^= 1 << (bit % 8);
        header.seal[1] = field.into();
        prop_assert!(!case.failed(&header, true).is_empty());
    }
}
