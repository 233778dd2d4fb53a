//! Which slots an account has after a block: those of the flat tables and those that history says were written since. Their
//! values are read like any others.

use std::collections::BTreeSet;

use alloy::primitives::{Address, B256, U256};

use crate::{
    StateTree, StorageError,
    codec::{Key, Slot, SlotAt},
    overlay::Slice,
    persisted::PersistedState,
    tables,
};

/// How often a listing begins anew because the persisted chain was unwound meanwhile.
const ATTEMPTS: usize = 3;

/// Records between two questions whether the listing is still wanted.
const STRIDE: usize = 1024;

/// Every slot of an account that is not zero after a block, and others that were not at another time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotList {
    /// Slots, not hashed.
    pub slots: BTreeSet<U256>,
    /// Whether looking ended before all were found, because there is more to look at than the caller allows, or it is not
    /// wanted any more.
    pub cut_short: bool,
}

/// A listing under way.
struct Listing<'a> {
    list: SlotList,
    most: usize,
    wanted: &'a dyn Fn() -> bool,
    /// Records looked at.
    met: usize,
}

impl Listing<'_> {
    /// Counts a record; whether it may be looked at.
    fn meet(&mut self) -> bool {
        self.list.cut_short |= self.met.is_multiple_of(STRIDE) && !(self.wanted)();
        self.met += 1;
        !self.list.cut_short
    }

    /// Adds a slot; whether more may be looked for.
    fn add(&mut self, slot: U256) -> bool {
        self.list.slots.insert(slot);
        self.list.cut_short |= self.list.slots.len() > self.most;
        !self.list.cut_short
    }
}

impl StateTree {
    /// The slots that `address` may have after `block`; `None` where that block's state is not held. Ends when it has found
    /// more than `most` slots, or met more than that in history, or when `wanted` says no, which is asked before the first
    /// record and every so often.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn slots(
        &self,
        block: B256,
        address: Address,
        most: usize,
        wanted: &dyn Fn() -> bool,
    ) -> Result<Option<SlotList>, StorageError> {
        for _ in 0..ATTEMPTS {
            let Some((slice, base)) = self.found(block)? else { return Ok(None) };
            let mut listing = Listing { list: SlotList::default(), most, wanted, met: 0 };
            if slice.is_none_or(|slice| add_unpersisted(&slice, address, &mut listing)) {
                base.add_slots(address, &mut listing)?;
                if !base.still_holds()? {
                    continue;
                }
            }
            return Ok(Some(listing.list));
        }
        Ok(None)
    }
}

/// What blocks above the persisted ones wrote; whether what is below counts.
fn add_unpersisted(slice: &Slice, address: Address, listing: &mut Listing<'_>) -> bool {
    for span in &slice.spans {
        let Some(change) = span.accounts.get(&address) else { continue };
        if change.account.is_none() {
            return false;
        }
        if !change.storage.keys().all(|slot| listing.meet() && listing.add(*slot)) || change.storage_wiped {
            return false;
        }
    }
    true
}

impl PersistedState {
    /// Flat state first and history after it, as [`Self::read`] does: what is cleared in between is seen in history.
    fn add_slots(&self, address: Address, listing: &mut Listing<'_>) -> Result<(), StorageError> {
        let rocks = self.rocks();
        for record in rocks.scan::<tables::Slots>(address.as_slice(), address.as_slice()) {
            if !listing.meet() || !listing.add(record?.0.slot) {
                return Ok(());
            }
        }
        if self.is_flat() {
            return Ok(());
        }
        // Of each slot's records, of which there may be many, one behind our block is enough.
        let mut looked = 0;
        rocks.leap::<tables::SlotHistory>(address.as_slice(), |SlotAt { key, block }| {
            looked += 1;
            if looked / 2 > listing.most {
                listing.list.cut_short = true;
            }
            if !listing.meet() {
                return None;
            }
            if block < self.behind() {
                return Some(SlotAt { key, block: self.behind() }.to_bytes());
            }
            if !listing.add(key.slot) {
                return None;
            }
            let next = Slot { slot: key.slot.checked_add(U256::from(1))?, ..key };
            Some(SlotAt { key: next, block: 0 }.to_bytes())
        })
    }
}
