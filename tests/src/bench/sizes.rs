//! How much each experiment does.

/// Numbers of one run of all experiments.
#[derive(Clone, Debug)]
pub struct Sizes {
    /// Rounds, of which medians are reported.
    pub repeat: u32,
    /// Transfers of a closed loop.
    pub transfers: usize,
    /// Seconds of each rate of a sweep.
    pub sweep_s: f64,
    /// Offered rates of a sweep, in their order, until one is too much.
    pub rates: Vec<f64>,
    /// Share of the offered rate that is included at the knee, over the whole run with its tail.
    pub knee_share: f64,
    /// Seconds of overload.
    pub overload_s: f64,
    /// Transfers a second of the latency experiment, and for how many seconds.
    pub latency: (f64, f64),
    /// Token holders of the chains that are imported or gone on from, ascending.
    pub holders: Vec<u64>,
    /// Transfers of a chain that is imported.
    pub imported: usize,
    /// Seconds of doing nothing.
    pub idle_s: f64,
    /// Transfers after which memory is read.
    pub growth: Vec<usize>,
}

impl Sizes {
    /// What docs/benchmarks.md reports. With `long`, growth to a million transfers and a state of ten million holders.
    pub fn full(repeat: u32, transfers: usize, long: bool) -> Self {
        let (holders, growth) = if long {
            (vec![10_000, 1_000_000, 10_000_000], vec![100_000, 1_000_000])
        } else {
            (vec![10_000, 1_000_000], vec![100_000])
        };
        Self {
            repeat,
            transfers,
            sweep_s: 10.0,
            rates: [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0].map(|rate| rate * 1_000.0).into(),
            knee_share: 0.85,
            overload_s: 30.0,
            latency: (600.0, 20.0),
            holders,
            imported: 40_000,
            idle_s: 60.0,
            growth,
        }
    }

    /// Enough to see that every experiment works.
    pub fn smoke() -> Self {
        Self {
            repeat: 1,
            transfers: 500,
            sweep_s: 2.0,
            rates: vec![100.0, 200.0],
            // In a run of two blocks the tail is half of it.
            knee_share: 0.1,
            overload_s: 2.0,
            latency: (100.0, 3.0),
            holders: vec![100, 300],
            imported: 500,
            idle_s: 2.0,
            growth: vec![300, 500],
        }
    }
}
