//! The home chain's node: validator, observer or development chain
