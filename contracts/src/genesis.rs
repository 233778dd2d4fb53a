//! The accounts a genesis needs for [`ValidatorSet`](crate::ValidatorSet) and [`Permissions`](crate::Permissions),
//! written as code and storage, so that no constructor runs.
//!
//! They are what a deployment of implementation and proxy with `initialize` leaves behind: compared with one, slot for
//! slot, by `contracts/test/Genesis.t.sol`. The layout is described in the README of this crate.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, B256, Bytes, U256, address, b256, keccak256};

use crate::{Artifact, rights};

/// Where the validator set's proxy is.
pub const VALIDATOR_SET: Address = address!("A000000000000000000000000000000000000001");
/// Where its implementation is.
pub const VALIDATOR_SET_IMPLEMENTATION: Address = address!("A000000000000000000000000000000000000101");
/// Where the permissions' proxy is.
pub const PERMISSIONS: Address = address!("A000000000000000000000000000000000000002");
/// Where its implementation is.
pub const PERMISSIONS_IMPLEMENTATION: Address = address!("A000000000000000000000000000000000000102");

/// ERC-1967: keccak256("eip1967.proxy.implementation") − 1.
const IMPLEMENTATION_SLOT: B256 = b256!("360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc");
/// ERC-7201 slot of OpenZeppelin's `Initializable`: the version initialised, 64 bits.
const INITIALIZABLE_SLOT: B256 = b256!("f0c57e16840df040f15088dc2f81fe391c3923bec73e23a9662efc9c229c6a00");

const MAX_VALIDATORS: usize = 255;
const MAX_ADMINS: usize = 50;

/// An account of the genesis. Balance is zero, nonce one, as after a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenesisAccount {
    /// Deployed code.
    pub code: Bytes,
    /// Slots that are not zero.
    pub storage: BTreeMap<B256, B256>,
}

/// What [`permissions`] starts with.
#[derive(Clone, Debug)]
pub struct PermissionsGenesis<'a> {
    /// Who may propose and approve; at least one, at most 50.
    pub admins: &'a [Address],
    /// How many of them must approve.
    pub threshold: usize,
    /// Rights of accounts without an entry.
    pub default_rights: u32,
    /// Accounts with entries of their own.
    pub entries: &'a [(Address, u32)],
}

/// A genesis the contracts' own initializers would refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidGenesis {
    /// Nobody would be there to decide, or to seal.
    #[error("{what} must not be empty")]
    Empty {
        /// Which list.
        what: &'static str,
    },
    /// More than the contract allows.
    #[error("{what} has {count} members, {max} are allowed")]
    TooMany {
        /// Which list.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// Zero, or the engine's own address.
    #[error("{account} cannot be in {what}")]
    BadMember {
        /// Which list.
        what: &'static str,
        /// The account.
        account: Address,
    },
    /// An account is in a list twice.
    #[error("{account} is in {what} twice")]
    Duplicate {
        /// Which list.
        what: &'static str,
        /// The account.
        account: Address,
    },
    /// Zero or more than there are admins.
    #[error("threshold {threshold} is not between 1 and the number of admins, {admins}")]
    BadThreshold {
        /// What was asked for.
        threshold: usize,
        /// How many admins there are.
        admins: usize,
    },
    /// Bits that are no rights.
    #[error("{rights:#x} has bits that are no rights")]
    UnknownRights {
        /// The mask.
        rights: u32,
    },
}

/// Proxy and implementation of the validator set. `governor` decides about changes and upgrades; normally
/// [`PERMISSIONS`], whose council then does.
pub fn validator_set(
    validators: &[Address],
    governor: Address,
) -> Result<Vec<(Address, GenesisAccount)>, InvalidGenesis> {
    check_members("the validator set", validators, MAX_VALIDATORS)?;
    check_members("the governor", &[governor], 1)?;
    let mut storage = Slots::default();
    storage.array(0, validators.iter().map(|account| account.into_word().into()));
    storage.set(U256::from(2), governor.into_word().into());
    Ok(pair(VALIDATOR_SET, VALIDATOR_SET_IMPLEMENTATION, include_str!("../artifacts/ValidatorSet.json"), storage))
}

/// Proxy and implementation of the permissions.
pub fn permissions(genesis: &PermissionsGenesis<'_>) -> Result<Vec<(Address, GenesisAccount)>, InvalidGenesis> {
    let &PermissionsGenesis { admins, threshold, default_rights, entries } = genesis;
    check_members("the list of admins", admins, MAX_ADMINS)?;
    if threshold == 0 || threshold > admins.len() {
        return Err(InvalidGenesis::BadThreshold { threshold, admins: admins.len() });
    }
    let accounts: Vec<Address> = entries.iter().map(|&(account, _)| account).collect();
    check_distinct("the list of rights", &accounts)?;
    let masks = entries.iter().map(|&(_, mask)| mask);
    if let Some(mask) = masks.chain([default_rights]).find(|mask| mask & !rights::ALL != 0) {
        return Err(InvalidGenesis::UnknownRights { rights: mask });
    }

    let mut storage = Slots::default();
    storage.address_set(0, admins);
    storage.set(U256::from(2), U256::from(threshold));
    storage.set(U256::from(4), U256::from(default_rights));
    storage.address_set(5, &accounts);
    for (account, mask) in entries {
        storage.set(mapping_slot(*account, 7), U256::from(*mask));
    }
    Ok(pair(PERMISSIONS, PERMISSIONS_IMPLEMENTATION, include_str!("../artifacts/Permissions.json"), storage))
}

/// A locked implementation and an initialised proxy in front of it.
fn pair(proxy: Address, implementation: Address, artifact: &str, mut storage: Slots) -> Vec<(Address, GenesisAccount)> {
    const COMMITTED: &str = "committed artifacts are checked by this crate's tests";
    let proxy_code = Artifact::parse(include_str!("../artifacts/ERC1967Proxy.json")).expect(COMMITTED);
    let code = Artifact::parse(artifact).expect(COMMITTED);

    storage.set(IMPLEMENTATION_SLOT.into(), implementation.into_word().into());
    storage.set(INITIALIZABLE_SLOT.into(), U256::from(1));
    let mut locked = Slots::default();
    locked.set(INITIALIZABLE_SLOT.into(), U256::from(u64::MAX));

    vec![
        (proxy, GenesisAccount { code: proxy_code.deployed_bytecode, storage: storage.0 }),
        (implementation, GenesisAccount { code: code.implementation_at(implementation), storage: locked.0 }),
    ]
}

fn check_members(what: &'static str, accounts: &[Address], max: usize) -> Result<(), InvalidGenesis> {
    if accounts.is_empty() {
        return Err(InvalidGenesis::Empty { what });
    }
    if accounts.len() > max {
        return Err(InvalidGenesis::TooMany { what, count: accounts.len(), max });
    }
    let system = address!("fffffffffffffffffffffffffffffffffffffffe");
    match accounts.iter().find(|account| account.is_zero() || **account == system) {
        Some(&account) => Err(InvalidGenesis::BadMember { what, account }),
        None => check_distinct(what, accounts),
    }
}

fn check_distinct(what: &'static str, accounts: &[Address]) -> Result<(), InvalidGenesis> {
    let mut seen = BTreeSet::new();
    match accounts.iter().find(|account| !seen.insert(**account)) {
        Some(&account) => Err(InvalidGenesis::Duplicate { what, account }),
        None => Ok(()),
    }
}

/// Storage being written, in Solidity's layout. Zero values are absent.
#[derive(Default)]
struct Slots(BTreeMap<B256, B256>);

impl Slots {
    fn set(&mut self, slot: U256, value: U256) {
        if !value.is_zero() {
            self.0.insert(slot.into(), value.into());
        }
    }

    /// A dynamic array of one-slot elements whose length is at `slot`.
    fn array(&mut self, slot: u64, values: impl ExactSizeIterator<Item = U256>) {
        self.set(U256::from(slot), U256::from(values.len()));
        let first = U256::from_be_bytes(keccak256(B256::from(U256::from(slot))).0);
        for (index, value) in values.enumerate() {
            self.set(first.wrapping_add(U256::from(index)), value);
        }
    }

    /// OpenZeppelin's `EnumerableSet.AddressSet`: the members at `slot`, their positions from 1 at `slot + 1`.
    fn address_set(&mut self, slot: u64, members: &[Address]) {
        self.array(slot, members.iter().map(|account| account.into_word().into()));
        for (index, account) in members.iter().enumerate() {
            self.set(mapping_slot(*account, slot + 1), U256::from(index + 1));
        }
    }
}

/// Slot of `key` in the mapping at `slot`.
fn mapping_slot(key: Address, slot: u64) -> U256 {
    let mut preimage = [0u8; 64];
    preimage[..32].copy_from_slice(key.into_word().as_slice());
    preimage[32..].copy_from_slice(&U256::from(slot).to_be_bytes::<32>());
    U256::from_be_bytes(keccak256(preimage).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(byte: u8) -> Address {
        Address::repeat_byte(byte)
    }

    #[test]
    fn implementation_code_carries_its_own_address() {
        let accounts = validator_set(&[account(1)], PERMISSIONS).expect("valid");
        let (address, implementation) = &accounts[1];
        assert_eq!(*address, VALIDATOR_SET_IMPLEMENTATION);
        let word = address.into_word();
        let found = implementation.code.windows(32).filter(|window| *window == word.as_slice()).count();
        assert_eq!(found, 3, "UUPSUpgradeable mentions its own address three times");
    }

    #[test]
    fn refuses_what_the_initializers_refuse() {
        let one = [account(1)];
        assert_eq!(validator_set(&[], PERMISSIONS), Err(InvalidGenesis::Empty { what: "the validator set" }));
        assert!(matches!(validator_set(&[account(1); 2], PERMISSIONS), Err(InvalidGenesis::Duplicate { .. })));
        assert!(matches!(validator_set(&one, Address::ZERO), Err(InvalidGenesis::BadMember { .. })));
        let genesis =
            |threshold, default_rights| PermissionsGenesis { admins: &one, threshold, default_rights, entries: &[] };
        assert!(permissions(&genesis(1, rights::ALL)).is_ok());
        assert!(matches!(permissions(&genesis(0, 0)), Err(InvalidGenesis::BadThreshold { .. })));
        assert!(matches!(permissions(&genesis(2, 0)), Err(InvalidGenesis::BadThreshold { .. })));
        assert!(matches!(permissions(&genesis(1, 8)), Err(InvalidGenesis::UnknownRights { rights: 8 })));
    }

    #[test]
    fn all_artifacts_parse_and_upgradeable_ones_have_their_own_address_as_immutable() {
        for (json, immutables) in [
            (include_str!("../artifacts/BridgeValidators.json"), 3),
            (include_str!("../artifacts/BridgedToken.json"), 3),
            // Its EIP-712 domain, in the one place that needs it.
            (include_str!("../artifacts/CertificateVerifier.json"), 1),
            (include_str!("../artifacts/ERC1967Proxy.json"), 0),
            (include_str!("../artifacts/ForeignBridge.json"), 3),
            (include_str!("../artifacts/HomeBridge.json"), 3),
            (include_str!("../artifacts/Permissions.json"), 3),
            (include_str!("../artifacts/RlcLikeToken.json"), 0),
            (include_str!("../artifacts/TimelockController.json"), 0),
            (include_str!("../artifacts/ValidatorSet.json"), 3),
        ] {
            let artifact = Artifact::parse(json).expect("parses");
            assert_eq!(artifact.immutables.len(), immutables);
        }
    }
}
