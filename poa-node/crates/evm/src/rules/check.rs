//! Whether a chain spec can be executed exactly. What cannot is refused with the keys that ask for it, never approximated.
//!
//! One rule is not refused here: wasm. Templates of parity-deploy switch it on for chains that never hold a byte of it, and
//! such a chain runs as if it were off. Where it is on, running code that begins as a wasm module is refused instead
//! ([`crate::TxInvalid::Wasm`]), so a block that needs it is invalid rather than different.

use std::{collections::BTreeSet, fmt};

use aurum_types::{BlockNumber, ChainSpec, spec::NEVER};

use super::{
    Eips,
    eips::{LATER, WITHOUT_EFFECT},
};
use crate::precompiles;

/// Something a chain spec asks for that this node would do otherwise than OpenEthereum (or Nethermind, for EIPs after
/// London) does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsupportedRule {
    /// The keys of the file that ask for it together, as paths: `params.eip210Transition`.
    pub keys: Vec<String>,
    /// Why it is refused.
    pub reason: String,
}

impl fmt::Display for UnsupportedRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.keys.join(" with "), self.reason)
    }
}

/// The rules of a chain spec that cannot be reproduced exactly; at least one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the chain cannot be executed exactly: {}", list(.0))]
pub struct UnsupportedRules(pub Vec<UnsupportedRule>);

fn list(rules: &[UnsupportedRule]) -> String {
    rules.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Checks that every block the spec allows can be executed exactly.
///
/// Transitions from [`NEVER`] on are not looked at: no chain gets there.
///
/// # Errors
/// [`UnsupportedRules`], naming all that cannot.
pub fn check_rules(spec: &ChainSpec) -> Result<(), UnsupportedRules> {
    let mut found = Found::default();
    found.never_live(spec);
    found.later_eips(spec);
    found.builtins(spec);
    found.zero_slots(spec);
    for (number, timestamp) in boundaries(spec) {
        found.combinations(spec, number, timestamp);
    }
    if found.0.is_empty() { Ok(()) } else { Err(UnsupportedRules(found.0)) }
}

#[derive(Default)]
struct Found(Vec<UnsupportedRule>);

impl Found {
    fn refuse<const N: usize>(&mut self, keys: [&str; N], reason: &str) {
        let rule = UnsupportedRule {
            keys: keys.iter().map(|key| format!("params.{key}")).collect(),
            reason: reason.to_owned(),
        };
        if !self.0.contains(&rule) {
            self.0.push(rule);
        }
    }

    /// Rules that Parity had and no chain used.
    fn never_live(&mut self, spec: &ChainSpec) {
        let params = &spec.params;
        for (key, transition, what) in [
            (
                "eip210Transition",
                params.eip210_transition,
                "EIP-210 (block hashes kept by a contract) is not supported",
            ),
            ("eip2315Transition", params.eip2315_transition, "EIP-2315 (subroutines) is not supported"),
            ("dustProtectionTransition", params.dust_protection_transition, "dust protection is not supported"),
        ] {
            if transition.is_some_and(|from| from < NEVER) {
                self.refuse([key], what);
            }
        }
    }

    /// Keys that name EIPs this node does not have. A spec that says where the chain leaves AuRa may name what comes
    /// after: it is not followed there.
    fn later_eips(&mut self, spec: &ChainSpec) {
        let params = &spec.params;
        if params.terminal_total_difficulty.is_some() {
            return;
        }
        let by_time = params.eip_timestamps.iter().map(|(eip, from)| (*eip, *from, "TransitionTimestamp"));
        let by_block = params.eip_transitions.iter().map(|(eip, from)| (*eip, *from, "Transition"));
        for (eip, from, suffix) in by_time.chain(by_block) {
            if from < NEVER && !LATER.contains(&eip) && !WITHOUT_EFFECT.contains(&eip) {
                self.refuse([&format!("eip{eip}{suffix}")], "this EIP is not supported");
            }
        }
    }

    fn builtins(&mut self, spec: &ChainSpec) {
        for (address, account) in &spec.accounts {
            let Some(builtin) = &account.builtin else { continue };
            let prices = builtin.pricing.range(..NEVER).map(|(_, price)| price);
            if let Some(why) = prices.into_iter().find_map(|price| precompiles::unavailable(&builtin.name, price)) {
                let key = format!("accounts.{address}.builtin");
                self.0.push(UnsupportedRule { keys: vec![key], reason: format!("{}: {why}", builtin.name) });
            }
        }
    }

    /// OpenEthereum keeps a slot that is stated as zero in the trie if, and only if, the spec has a constructor
    /// (`Spec::run_constructors`: `PodAccount::rlp` against `State::commit`).
    fn zero_slots(&mut self, spec: &ChainSpec) {
        if spec.accounts.values().all(|account| account.constructor.is_none()) {
            return;
        }
        for (address, account) in &spec.accounts {
            if let Some((slot, _)) = account.storage.iter().flatten().find(|(_, value)| value.is_zero()) {
                let key = format!("accounts.{address}.storage.{slot:#x}");
                let reason = "beside constructors, a slot that is stated as zero gives OpenEthereum another state root; \
                              leave it out where the chain is new";
                self.0.push(UnsupportedRule { keys: vec![key], reason: reason.to_owned() });
            }
        }
    }

    /// EIPs that need others.
    fn combinations(&mut self, spec: &ChainSpec, number: BlockNumber, timestamp: u64) {
        let params = &spec.params;
        let eips = Eips::at(spec, number, timestamp);
        let key = |eip: u64| {
            let by_time = params.eip_timestamps.contains_key(&eip);
            format!("eip{eip}{}", if by_time { "TransitionTimestamp" } else { "Transition" })
        };
        if !eips.has(150) {
            let later = LATER.into_iter().filter(|eip| params.later_eip_active(*eip, number, timestamp));
            for eip in later {
                self.refuse([&key(eip), "eip150Transition"], "before EIP-150 there is no other EIP");
            }
            if params.eip1559_transition.is_some_and(|from| number >= from) {
                let why = "a base fee before EIP-150 would go to the author";
                self.refuse(["eip1559Transition", "eip150Transition"], why);
            }
        }
        if eips.has(6780) && !eips.has(161) {
            self.refuse([&key(6780), "eip161abcTransition"], "EIP-6780 without EIP-161 is not supported");
        }
        if eips.has(7702) {
            for (eip, needed) in
                [(2929, "eip2929Transition"), (3541, "eip3541Transition"), (161, "eip161abcTransition")]
            {
                if !eips.has(eip) {
                    self.refuse([&key(7702), needed], "EIP-7702 needs this EIP");
                }
            }
            if params.account_start_nonce != 0 {
                self.refuse([&key(7702), "accountStartNonce"], "delegations of new accounts need a first nonce of 0");
            }
        }
    }
}

/// Points at which a rule may change, in order: blocks first (at time 0), then timestamps (at the last of the blocks).
fn boundaries(spec: &ChainSpec) -> Vec<(BlockNumber, u64)> {
    let p = &spec.params;
    let reachable = |from: &u64| *from < NEVER;
    let blocks: BTreeSet<BlockNumber> = [
        Some(0),
        p.eip150_transition,
        p.eip161abc_transition,
        p.eip1559_transition,
        p.eip2929_transition,
        p.eip3541_transition,
    ]
    .into_iter()
    .flatten()
    .chain(p.eip_transitions.values().copied())
    .filter(reachable)
    .collect();
    let last = blocks.last().copied().unwrap_or_default();
    let times: BTreeSet<u64> = p.eip_timestamps.values().copied().filter(reachable).collect();
    blocks.into_iter().map(|number| (number, 0)).chain(times.into_iter().map(|time| (last, time))).collect()
}
