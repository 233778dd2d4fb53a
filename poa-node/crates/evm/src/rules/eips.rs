//! Which EIPs are in force in one block: the spec's transitions as OpenEthereum reads them (`CommonParams::schedule`,
//! `CommonParams::update_schedule`), then Nethermind's for what came after London.

use std::{collections::BTreeSet, sync::Arc};

use aurum_types::{BlockNumber, ChainSpec};

/// The EIPs of one block that change what execution does. EIP-161 stands for its parts a, b and c ("no empty"); EIP-1283
/// for net gas metering as such, whichever key switched it on. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Eips {
    active: Arc<BTreeSet<u64>>,
    clears_empty: bool,
}

impl Eips {
    /// The EIPs of the block at `number` with this `timestamp` (Unix seconds).
    ///
    /// Before `eip150Transition` there are none, whatever else the spec says: OpenEthereum then takes its Homestead schedule
    /// as it is.
    pub(crate) fn at(spec: &ChainSpec, number: BlockNumber, timestamp: u64) -> Self {
        let params = &spec.params;
        let from = |transition: Option<BlockNumber>| transition.is_some_and(|first| number >= first);
        if !from(params.eip150_transition) {
            return Self::default();
        }
        // Nethermind's key for both halves of EIP-2200; OpenEthereum has none.
        let eip2200 = params.later_eip_active(2200, number, timestamp);
        let net_metering = (from(params.eip1283_transition) && !from(params.eip1283_disable_transition))
            || from(params.eip1283_reenable_transition)
            || from(params.eip2929_transition)
            || eip2200;
        let by_block = [
            (140, from(params.eip140_transition)),
            (145, from(params.eip145_transition)),
            (150, true),
            (160, from(params.eip160_transition)),
            (161, from(params.eip161abc_transition)),
            (211, from(params.eip211_transition)),
            (214, from(params.eip214_transition)),
            (1014, from(params.eip1014_transition)),
            (1052, from(params.eip1052_transition)),
            (1283, net_metering),
            (1344, from(params.eip1344_transition)),
            (1559, from(params.eip1559_transition)),
            (1706, from(params.eip1706_transition) || eip2200),
            (1884, from(params.eip1884_transition)),
            (2028, from(params.eip2028_transition)),
            (2929, from(params.eip2929_transition)),
            (2930, from(params.eip2930_transition)),
            (3198, from(params.eip3198_transition)),
            (3529, from(params.eip3529_transition)),
            (3541, from(params.eip3541_transition)),
        ];
        let later = params.eip_timestamps.keys().chain(params.eip_transitions.keys()).copied();
        let active: BTreeSet<u64> = by_block
            .into_iter()
            .filter_map(|(eip, active)| active.then_some(eip))
            .chain(later.filter(|eip| LATER.contains(eip) && params.later_eip_active(*eip, number, timestamp)))
            .collect();
        // OpenEthereum `Substate::to_cleanup_mode`: without parts a to c nothing is tracked that part d could remove.
        let clears_empty = from(params.eip161abc_transition) && from(params.eip161d_transition);
        Self { active: Arc::new(active), clears_empty }
    }

    /// Whether the EIP is in force.
    pub(crate) fn has(&self, eip: u64) -> bool {
        self.active.contains(&eip)
    }

    /// Whether empty accounts that a transaction touches are removed (EIP-161 d).
    pub(crate) const fn clears_empty(&self) -> bool {
        self.clears_empty
    }
}

/// EIPs after London that are executed one by one, all under Nethermind's key names.
pub(super) const LATER: [u64; 8] = [1153, 3651, 3855, 3860, 5656, 6780, 7623, 7702];

/// EIPs that Nethermind's keys may name and that change nothing here: precompiles and their prices come from `builtin`s,
/// EIP-2200 is EIP-1283 with EIP-1706.
pub(super) const WITHOUT_EFFECT: [u64; 2] = [2200, 2537];
