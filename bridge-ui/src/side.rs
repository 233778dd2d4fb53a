//! The two chains of the bridge.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One of the two chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The consortium's chain.
    Home,
    /// The public chain.
    Foreign,
}

/// Something of each chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sides<T> {
    /// Of the consortium's chain.
    pub home: T,
    /// Of the public chain.
    pub foreign: T,
}

impl Side {
    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::Home => Self::Foreign,
            Self::Foreign => Self::Home,
        }
    }

    /// `home` or `foreign`, as in URLs.
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

impl<T> Sides<T> {
    /// The one of `side`.
    pub const fn of(&self, side: Side) -> &T {
        match side {
            Side::Home => &self.home,
            Side::Foreign => &self.foreign,
        }
    }
}
