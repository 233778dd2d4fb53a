//! What an account may do, as people write it.

use std::{fmt, str::FromStr};

use alloy::primitives::Address;
use aurum_contracts::rights;

use crate::KeygenError;

/// A set of rights of the permission contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rights(u32);

const NAMES: [(&str, u32); 4] =
    [("read", rights::READ), ("basic", rights::BASIC), ("call", rights::CALL), ("create", rights::CREATE)];

impl Rights {
    /// Everything.
    pub const ALL: Self = Self(rights::ALL);
    /// What an account without an entry may do, unless the chain's founders say otherwise: read, send coins, call
    /// contracts. Whoever bridges tokens calls contracts on the home chain; only creating them needs a grant.
    pub const DEFAULT: Self = Self(rights::READ | rights::BASIC | rights::CALL);

    /// The bits, as the contract stores them.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Both sets together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl FromStr for Rights {
    type Err = KeygenError;

    /// Names separated by commas; `all` and `none` stand alone.
    fn from_str(text: &str) -> Result<Self, KeygenError> {
        match text {
            "all" => return Ok(Self::ALL),
            "none" => return Ok(Self(0)),
            _ => {}
        }
        let mut bits = 0;
        for word in text.split(',') {
            let known = NAMES.iter().find(|(name, _)| *name == word.trim());
            let (_, bit) = known.ok_or_else(|| {
                KeygenError::invalid(
                    "rights",
                    format!("`{word}` is no right; known are read, basic, call, create, all, none"),
                )
            })?;
            bits |= bit;
        }
        Ok(Self(bits))
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = NAMES.iter().filter(|(_, bit)| self.0 & bit != 0).map(|(name, _)| *name).collect();
        f.write_str(if names.is_empty() { "none".to_owned() } else { names.join(",") }.as_str())
    }
}

/// `ADDRESS=rights`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The account.
    pub account: Address,
    /// What it may do.
    pub rights: Rights,
}

impl FromStr for Grant {
    type Err = KeygenError;

    fn from_str(text: &str) -> Result<Self, KeygenError> {
        let (account, rights) = split_assignment("--grant", text)?;
        Ok(Self { account, rights: rights.parse()? })
    }
}

/// Takes `ADDRESS=value` apart.
pub(crate) fn split_assignment<'a>(flag: &str, text: &'a str) -> Result<(Address, &'a str), KeygenError> {
    let (account, value) =
        text.split_once('=').ok_or_else(|| KeygenError::invalid(flag, format!("`{text}` is not ADDRESS=VALUE")))?;
    Ok((parse_address(flag, account)?, value))
}

/// An address. In mixed case its EIP-55 checksum must hold: a typing error in an account of genesis is forever.
///
/// # Errors
/// [`KeygenError::Invalid`], naming `what`.
pub fn parse_address(what: &str, text: &str) -> Result<Address, KeygenError> {
    let text = text.trim();
    let address = Address::from_str(text)
        .map_err(|error| KeygenError::invalid(what, format!("`{text}` is not an address: {error}")))?;
    let digits = text.trim_start_matches("0x");
    let mixed = digits.bytes().any(|b| b.is_ascii_lowercase()) && digits.bytes().any(|b| b.is_ascii_uppercase());
    if mixed && address.to_checksum(None).trim_start_matches("0x") != digits {
        return Err(KeygenError::invalid(what, format!("the checksum of `{text}` is wrong; look for a typing error")));
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_read_as_they_are_printed() {
        for bits in 0..=rights::ALL {
            if bits & !rights::ALL == 0 {
                assert_eq!(Rights(bits).to_string().parse::<Rights>().unwrap(), Rights(bits));
            }
        }
        assert!("read,fly".parse::<Rights>().is_err());
        assert!("".parse::<Rights>().is_err());
    }

    #[test]
    fn address_with_a_wrong_checksum_is_refused() {
        let good = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
        assert!(format!("{good}=read").parse::<Grant>().is_ok());
        assert!(format!("{}=read", good.to_lowercase()).parse::<Grant>().is_ok());
        let error = format!("{}=read", good.replace("39F", "39f")).parse::<Grant>().unwrap_err();
        assert!(error.to_string().contains("checksum"));
        assert!(good.parse::<Grant>().is_err());
    }
}
