//! The rights of those who ask, by the permission contract at the head. Asked once for each account and head.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, MutexGuard, PoisonError},
};

use alloy::primitives::{Address, B256};
use aurum_evm::{BlockEnv, Right};
use lru::LruCache;

use crate::{BlockRef, Fault, ImportError, reader::Reader};

/// Accounts whose answer is remembered at one head.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(16_384).expect("not zero");

/// What the contract says about an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rights {
    /// Bits of [`Right`].
    bits: u32,
    /// The contract; none where none is in force, and everybody may read.
    pub(crate) contract: Option<Address>,
    /// The head.
    pub(crate) at: BlockRef,
}

impl Rights {
    /// Whether *read* is among them.
    pub(crate) const fn may_read(&self) -> bool {
        self.bits & Right::Read.bit() != 0
    }

    /// Whether there is any: a sender that may do one thing has to be able to hand it in.
    pub(crate) const fn any(&self) -> bool {
        let all = Right::Basic.bit() | Right::Call.bit() | Right::Create.bit() | Right::Read.bit();
        self.bits & all != 0
    }
}

/// Answers at one head; a new head forgets them all, so that a right lost in a block is lost with that block.
#[derive(Debug)]
pub(crate) struct Readers(Mutex<Answers>);

#[derive(Debug)]
struct Answers {
    head: B256,
    accounts: LruCache<Address, Rights>,
}

impl Default for Readers {
    fn default() -> Self {
        Self(Mutex::new(Answers { head: B256::ZERO, accounts: LruCache::new(REMEMBERED) }))
    }
}

impl Readers {
    /// The rights of `account` at the head of `reader`. The first question at a head runs the contract (do not ask on an
    /// async thread), later ones take a lock.
    ///
    /// # Errors
    /// [`Fault`] when the state cannot be read.
    pub(crate) fn rights(&self, reader: &Reader, account: Address) -> Result<Rights, Fault> {
        if let Some(known) = self.answers(reader.head().latest.hash).accounts.get(&account) {
            return Ok(*known);
        }
        let (head, state) = reader.head_state()?;
        let env = BlockEnv::of(&head.header);
        let bits = match reader.evm().rights(state, &env, account).map_err(ImportError::from) {
            Ok(bits) => bits,
            Err(ImportError::Fault(fault)) => return Err(fault),
            // A question that could not even be asked was not answered with yes.
            Err(_) => 0,
        };
        let params = &reader.spec().params;
        let in_force = head.header.number.saturating_add(1) >= params.transaction_permission_contract_transition;
        let rights =
            Rights { bits, contract: params.transaction_permission_contract.filter(|_| in_force), at: head.at() };
        let mut answers = self.lock();
        if answers.head == head.hash {
            answers.accounts.put(account, rights);
        }
        Ok(rights)
    }

    /// The answers at `head`, which are none if the last ones were another's.
    fn answers(&self, head: B256) -> MutexGuard<'_, Answers> {
        let mut answers = self.lock();
        if answers.head != head {
            answers.head = head;
            answers.accounts.clear();
        }
        answers
    }

    fn lock(&self) -> MutexGuard<'_, Answers> {
        // A panic while it was held leaves answers that are still true of their head.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
