//! Rights, and the refusal that names the missing one.

use std::fmt;

use alloy::primitives::Address;
use aurum_types::BlockNumber;

/// A right of an account: one bit of Parity's masks, and ours for reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Right {
    /// Send to an account without code.
    Basic,
    /// Call a contract.
    Call,
    /// Create a contract, or delegate an account to one (EIP-7702).
    Create,
    /// Read what the chain holds.
    Read,
}

impl Right {
    /// The bit.
    pub const fn bit(self) -> u32 {
        match self {
            Self::Basic => 1,
            Self::Call => 2,
            Self::Create => 4,
            Self::Read => 16,
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic => "basic",
            Self::Call => "call",
            Self::Create => "create",
            Self::Read => "read",
        })
    }
}

/// Why the right is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenialReason {
    /// The contract answered, and its answer lacks the right.
    NotGranted,
    /// The contract did not answer, or not in its interface: that is no right at all.
    NoAnswer,
    /// The contract claims an interface version nobody knows.
    UnknownVersion(u64),
}

/// A transaction its sender has no right to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Denial {
    /// Why.
    pub reason: DenialReason,
    /// The right the transaction needs.
    pub needed: Right,
    /// The rights the sender has, reading included: bits of [`Right`].
    pub have: u32,
    /// The contract that decided.
    pub contract: Address,
    /// The block whose state decided.
    pub block: BlockNumber,
}

impl Denial {
    /// The reason as a stable code for machines.
    pub const fn code(&self) -> &'static str {
        match (self.reason, self.needed) {
            (DenialReason::NoAnswer, _) => "CONTRACT_FAILED",
            (DenialReason::UnknownVersion(_), _) => "UNKNOWN_VERSION",
            (DenialReason::NotGranted, Right::Basic) => "BASIC_DENIED",
            (DenialReason::NotGranted, Right::Call) => "CALL_DENIED",
            (DenialReason::NotGranted, Right::Create) => "CREATE_DENIED",
            (DenialReason::NotGranted, Right::Read) => "READ_DENIED",
        }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reason, needed, have, contract, block } = self;
        write!(f, "Transaction is not permitted. It needs the right \"{needed}\"; ")?;
        match reason {
            DenialReason::NotGranted => {
                f.write_str("the sender has ")?;
                let rights = [Right::Basic, Right::Call, Right::Create, Right::Read];
                let mut named = rights.iter().filter(|right| have & right.bit() != 0);
                match named.next() {
                    None => f.write_str("none")?,
                    Some(first) => write!(f, "\"{first}\"")?,
                }
                for right in named {
                    write!(f, ", \"{right}\"")?;
                }
                f.write_str(" by ")?;
            }
            DenialReason::NoAnswer => f.write_str("no answer came from ")?,
            DenialReason::UnknownVersion(version) => write!(f, "interface version {version} is unknown, of ")?,
        }
        write!(f, "contract {contract} at block {block}")
    }
}
