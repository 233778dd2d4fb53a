//! Web pages of the bridge and the home chain
