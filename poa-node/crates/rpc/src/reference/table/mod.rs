//! Every method by name: what it takes, gives and is like. `docs/rpc.md` and `rpc.discover` are made of this; tests compare it
//! with what is registered.

mod aura;
mod debug;
mod dev;
mod eth;
mod finality;
mod net;
mod ots;
mod parity;
mod perm;
mod rpc;
mod trace;
mod txpool;
mod web3;

use super::{Like, Method, errors};

/// One section of the reference.
pub(crate) struct Section {
    /// Its title.
    pub(crate) title: &'static str,
    /// Its page: `docs/rpc/<page>.md`.
    #[cfg_attr(not(test), expect(dead_code, reason = "of the documents"))]
    pub(crate) page: &'static str,
    /// What it is about.
    #[cfg_attr(not(test), expect(dead_code, reason = "of the documents"))]
    pub(crate) text: &'static str,
    /// Its methods, by name.
    pub(crate) methods: &'static [Method],
}

/// All sections, in the order of the document.
pub(crate) const SECTIONS: &[Section] = &[
    eth::SECTION,
    debug::SECTION,
    trace::SECTION,
    ots::SECTION,
    net::SECTION,
    web3::SECTION,
    txpool::SECTION,
    parity::SECTION,
    aura::SECTION,
    finality::SECTION,
    perm::SECTION,
    rpc::SECTION,
    dev::SECTION,
];
