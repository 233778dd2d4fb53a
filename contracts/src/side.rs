//! The two chains of a bridge.

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
