//! Aurum's own `Permissions` contract, answered from its storage: the same answer as a call gives, without a machine.
//!
//! The contract is recognised by its code alone: a proxy (`contracts/artifacts/ERC1967Proxy.json`) in front of the
//! implementation (`contracts/artifacts/Permissions.json`), whatever its address. Any other code, an upgrade say, is
//! called. Whoever asks has made one call before ([`Interface::Version`](super::contract::Interface) 4 came from it), so
//! the chain's rules are known to execute this code.

use alloy::primitives::{Address, B256, Keccak256, U256, b256, keccak256};
use aurum_types::{StateError, StateReader};

use super::Right;

/// keccak256 of the proxy's code.
const PROXY: B256 = b256!("f15a07c54ab3420101c38795fc919a27ffb05f1a0049070ba3b8f10bae32af97");
/// keccak256 of the implementation's code with zeroes for its immutable, the implementation's own address. Only upgrades
/// look at that.
const IMPLEMENTATION: B256 = b256!("16876de2680a59dc7ff241181bdb643f89ff8f286756f9be24af4795896561b1");
const IMPLEMENTATION_LEN: usize = 10_571;
/// Where the immutable stands in the code.
const IMMUTABLES: [usize; 3] = [4_941, 4_982, 5_883];
/// Where a proxy keeps its implementation (ERC-1967).
const IMPLEMENTATION_SLOT: B256 = b256!("360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc");

/// Positions of admins, from 1 (contracts/README.md has all slots).
const ADMINS: u64 = 1;
const DEFAULT_RIGHTS: u64 = 4;
/// Positions of listed accounts, from 1.
const LISTED: u64 = 6;
const RIGHTS: u64 = 7;

const ADMIN_RIGHTS: u32 = Right::Read.bit() | Right::Basic.bit() | Right::Call.bit();
const TX_TYPES: u32 = Right::Basic.bit() | Right::Call.bit() | Right::Create.bit();

/// Input up to which a call has gas enough for certain: its price and the memory it is copied to take an eighth of what a
/// question may use. With more, the call decides.
pub(super) const MOST_INPUT: usize = 64 << 10;

/// Whether the code at `contract` is ours.
pub(super) fn is_ours(state: &dyn StateReader, contract: Address) -> Result<bool, StateError> {
    if state.account(contract)?.is_none_or(|account| account.code_hash != PROXY) {
        return Ok(false);
    }
    let word = B256::from(state.storage(contract, IMPLEMENTATION_SLOT.into())?);
    let Some(account) = state.account(Address::from_word(word))?.filter(|account| account.has_code()) else {
        return Ok(false);
    };
    Ok(is_implementation(&state.code(account.code_hash)?))
}

fn is_implementation(code: &[u8]) -> bool {
    if code.len() != IMPLEMENTATION_LEN {
        return false;
    }
    let mut hasher = Keccak256::new();
    let mut from = 0;
    for hole in IMMUTABLES {
        hasher.update(&code[from..hole]);
        hasher.update([0; 32]);
        from = hole + 32;
    }
    hasher.update(&code[from..]);
    hasher.finalize() == IMPLEMENTATION
}

/// What `allowedTxTypes` of our contract answers for `sender`, whatever it sends: always for the sender, never more than
/// the bits of Parity's interface.
pub(super) fn allowed_tx_types(state: &dyn StateReader, contract: Address, sender: Address) -> Result<u32, StateError> {
    let of_sender = |mapping: u64| {
        let key = [sender.into_word(), B256::from(U256::from(mapping))].concat();
        state.storage(contract, keccak256(key).into())
    };
    let entry = of_sender(RIGHTS)?;
    let is_listed = !entry.is_zero() || !of_sender(LISTED)?.is_zero();
    let stored = if is_listed { entry } else { state.storage(contract, U256::from(DEFAULT_RIGHTS))? };
    // The contract reads 32 bits of the word.
    let mut rights = stored.as_limbs()[0] as u32;
    if rights & ADMIN_RIGHTS != ADMIN_RIGHTS && !of_sender(ADMINS)?.is_zero() {
        rights |= ADMIN_RIGHTS;
    }
    Ok(rights & TX_TYPES)
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, keccak256};
    use aurum_contracts::Artifact;

    use super::{IMMUTABLES, IMPLEMENTATION, PROXY, is_implementation};

    #[test]
    fn the_constants_are_those_of_the_committed_artifacts() {
        let artifact = |json| Artifact::parse(json).expect("an artifact");
        let proxy = artifact(include_str!("../../../../../contracts/artifacts/ERC1967Proxy.json"));
        assert_eq!((keccak256(&proxy.deployed_bytecode), proxy.immutables.len()), (PROXY, 0));
        let ours = artifact(include_str!("../../../../../contracts/artifacts/Permissions.json"));
        assert_eq!((keccak256(&ours.deployed_bytecode), ours.immutables.as_slice()), (IMPLEMENTATION, &IMMUTABLES[..]));
        let code = ours.implementation_at(Address::repeat_byte(7)).to_vec();
        assert!(is_implementation(&code));
        for place in [0, IMMUTABLES[0] - 1, IMMUTABLES[2] + 32, code.len() - 1] {
            let mut other = code.clone();
            other[place] ^= 1;
            assert!(!is_implementation(&other), "{place}");
        }
        assert!(!is_implementation(&[code, vec![0]].concat()));
    }
}
