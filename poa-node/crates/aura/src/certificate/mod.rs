//! Finality certificates: signed votes by which a block can be proven final to anybody (Casper FFG, Buterin and Griffith
//! 2017, on the blocks of an authority chain). An Aurum extension: headers stay Parity's.
//!
//! ```text
//!            link                      link
//! source ─────────▶ target = source ─────────▶ target       quorum on a link  ⇒ its target is justified
//! justified         justified, and certified    its child    … and a child    ⇒ its source is certified (final)
//! ```
//!
//! [`Guard`] is what an honest key keeps to, [`Tally`] counts what others say, [`Participant`] puts both together and
//! decides what to vote next, [`Certificate`] is the proof, [`Trust`] verifies it without a chain. Why two conflicting
//! certificates need a third of the keys to break the guard's rules is argued in `docs/finality.md`.

mod electorate;
mod guard;
mod participant;
mod proof;
mod tally;
mod vote;

pub use electorate::{Branches, Electorate, ValidatorHistory, quorum};
pub use guard::{Guard, GuardError};
pub use participant::{Participant, Progress};
pub use proof::{Certificate, CertificateError, Trust};
pub use tally::{Evidence, Offence, Tally};
pub use vote::{Checkpoint, Link, Vote, VoteDomain, VoteError};
