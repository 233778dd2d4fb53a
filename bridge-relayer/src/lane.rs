//! Which way a transfer goes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One of the two chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The consortium's chain: validators attest here, tokens are minted and burned.
    Home,
    /// The public chain: tokens are locked and unlocked.
    Foreign,
}

impl Side {
    /// Both, home first.
    pub const ALL: [Self; 2] = [Self::Home, Self::Foreign];

    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::Home => Self::Foreign,
            Self::Foreign => Self::Home,
        }
    }

    /// `home` or `foreign`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Home => "home",
            Self::Foreign => "foreign",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

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

/// One value per side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sides<T> {
    /// That of the home side.
    pub home: T,
    /// That of the foreign side.
    pub foreign: T,
}

impl<T> Sides<T> {
    /// The value of `side`.
    pub const fn get(&self, side: Side) -> &T {
        match side {
            Side::Home => &self.home,
            Side::Foreign => &self.foreign,
        }
    }

    /// The value of `side`, to change.
    pub const fn get_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Home => &mut self.home,
            Side::Foreign => &mut self.foreign,
        }
    }
}
