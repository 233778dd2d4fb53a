//! Which way a transfer goes.

use std::fmt;

use aurum_contracts::Side;
use serde::{Deserialize, Serialize};

/// A direction: deposits on `from` are paid out on `to`, which is the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "Side", into = "Side")]
pub struct Lane {
    from: Side,
}

impl Lane {
    /// Both directions.
    pub const ALL: [Self; 2] = [Self::starting_on(Side::Foreign), Self::starting_on(Side::Home)];

    /// The direction of deposits made on `from`.
    pub const fn starting_on(from: Side) -> Self {
        Self { from }
    }

    /// Where deposits are made.
    pub const fn from(self) -> Side {
        self.from
    }

    /// Where they are paid out.
    pub const fn to(self) -> Side {
        self.from.other()
    }

    /// `foreign-to-home` or `home-to-foreign`.
    pub const fn name(self) -> &'static str {
        match self.from {
            Side::Home => "home-to-foreign",
            Side::Foreign => "foreign-to-home",
        }
    }

    /// The lane with this [`name`](Self::name).
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.name() == name)
    }
}

impl From<Side> for Lane {
    fn from(from: Side) -> Self {
        Self { from }
    }
}

impl From<Lane> for Side {
    fn from(lane: Lane) -> Self {
        lane.from
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
