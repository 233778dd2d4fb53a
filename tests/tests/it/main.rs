//! Stories of real programs with one another.

mod bench;
mod bridge_faults;
mod bridge_roundtrip;
mod browser;
mod certificates;
mod clients;
mod counting;
mod make_up;
mod membership;
mod partition;
mod readme;
mod restart;
mod snapshot_join;
