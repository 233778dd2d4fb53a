//! Who may do what: the only door by which anything outside reaches the chain.
//!
//! ```text
//! Identity ──grant_*──▶ Grant<K> ──view / submit / admin──▶ View, transaction hash, Admin
//!                       (only Gate makes one)
//! ```
//!
//! A handler that forgets to ask for its grant does not compile: guarded data has no other way out.
//!
//! | identity | read | submit | administer |
//! |---|---|---|---|
//! | [`Identity::Local`] | yes | yes | yes |
//! | [`Identity::Anonymous`] | yes | yes | no |
//! | [`Identity::Public`] | if the account 0x0 has *read* | yes | no |
//! | [`Identity::Address`] | if the account has *read* | if it has any right | no |
//! | [`Identity::Stranger`] | no | no | no |
//!
//! Rights are those of the permission contract (docs/permissions.md), asked at the head. What a transaction may do is decided
//! by its sender's rights, whoever hands it in.

use std::{fmt, marker::PhantomData, sync::Arc};

use alloy::primitives::{Address, B256};
use aurum_pool::{Origin, Pool, SubmitError};
use aurum_types::{BlockNumber, Recovered, Transaction, TransactionError};

use crate::{
    Chain, Development,
    readers::{Readers, Rights},
    view::View,
};

/// Who is asking, as far as it was proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// Nobody in particular, where the operator lets everybody read.
    Anonymous,
    /// Nobody in particular, where the chain decides what everybody may read: the account 0x0 stands for all that the
    /// permission contract does not know.
    Public,
    /// Somebody who proved nothing, where a login is demanded, or whose login is over.
    Stranger,
    /// Somebody on the node's own machine: loopback, or the process itself.
    Local,
    /// The holder of this account's key, proven by a signature.
    Address(Address),
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::Public => f.write_str("the public"),
            Self::Stranger => f.write_str("a caller without login"),
            Self::Local => f.write_str("local"),
            Self::Address(address) => address.fmt(f),
        }
    }
}

mod kind {
    pub trait Sealed {}
}

/// A kind of grant: [`Read`], [`Submit`] or [`Admin`].
pub trait GrantKind: kind::Sealed {
    /// The word used in refusals and logs.
    const NAME: &'static str;
}

macro_rules! grant_kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        #[non_exhaustive]
        pub struct $kind;
        impl kind::Sealed for $kind {}
        impl GrantKind for $kind {
            const NAME: &'static str = $name;
        }
    )+};
}

grant_kinds! {
    /// May read blocks, state and the pool, and simulate calls.
    Read = "read",
    /// May hand in signed transactions.
    Submit = "submit",
    /// May change how this node runs.
    Admin = "admin",
}

/// Proof that [`Gate`] let this identity through for `K`. Only the gate makes one.
#[derive(Clone, Debug)]
pub struct Grant<K: GrantKind> {
    identity: Identity,
    kind: PhantomData<K>,
}

impl<K: GrantKind> Grant<K> {
    const fn new(identity: Identity) -> Self {
        Self { identity, kind: PhantomData }
    }

    /// Who holds it.
    pub const fn identity(&self) -> Identity {
        self.identity
    }
}

/// Why somebody was not let through. The message starts as clients of Parity chains expect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Request is not permitted. {identity} lacks {needed} ({reason})")]
pub struct Denied {
    /// Who asked.
    pub identity: Identity,
    /// Stable code, such as `ADMIN_NOT_LOCAL`.
    pub reason: &'static str,
    /// The kind of grant asked for.
    pub needed: &'static str,
    /// The contract that decided, when one did.
    pub contract: Option<Address>,
    /// The block whose state decided, when one did.
    pub block: Option<BlockNumber>,
}

impl Denied {
    /// A refusal that no contract decided.
    const fn new(identity: Identity, reason: &'static str, needed: &'static str) -> Self {
        Self { identity, reason, needed, contract: None, block: None }
    }
}

/// The door: chain, pool and the policy that decides (see the module's table).
///
/// ```no_run
/// use aurum_chain::{Gate, Grant, Identity, Read, Submit, View};
/// fn open(gate: &Gate, grant: &Grant<Read>) -> View {
///     gate.view(grant)
/// }
/// fn ask(gate: &Gate, identity: &Identity) -> Option<Grant<Read>> {
///     gate.grant_read(identity).ok()
/// }
/// ```
///
/// Not without one, nor with one of another kind; nobody else makes one, and a kind is none that is not in the table:
///
/// ```compile_fail,E0061
/// use aurum_chain::{Gate, Grant, Identity, Read, Submit, View};
/// fn open(gate: &Gate, grant: &Grant<Read>) -> View {
///     gate.view()
/// }
/// ```
///
/// ```compile_fail,E0308
/// use aurum_chain::{Gate, Grant, Identity, Read, Submit, View};
/// fn open(gate: &Gate, grant: &Grant<Submit>) -> View {
///     gate.view(grant)
/// }
/// ```
///
/// ```compile_fail,E0624
/// use aurum_chain::{Gate, Grant, Identity, Read, Submit, View};
/// fn ask(gate: &Gate, identity: &Identity) -> Option<Grant<Read>> {
///     Some(Grant::new(*identity))
/// }
/// ```
///
/// ```compile_fail,E0277
/// use aurum_chain::{Gate, Grant, Identity, Read, Submit, View};
/// fn open(gate: &Gate, grant: &Grant<Identity>) -> View {
///     unimplemented!()
/// }
/// ```
#[derive(Clone)]
pub struct Gate {
    chain: Chain,
    /// Shared by all clones: one question an account and head.
    readers: Arc<Readers>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

impl Gate {
    /// The door to `chain` and its pool.
    pub fn new(chain: Chain) -> Self {
        Self { chain, readers: Arc::default() }
    }

    /// Asks to read. For an account the permission contract is run, once at each head: call it off the async threads.
    ///
    /// # Errors
    /// [`Denied`]: `READ_DENIED` by the contract, `LOGIN_REQUIRED`, or `STATE_UNAVAILABLE` when nobody could be asked.
    pub fn grant_read(&self, identity: &Identity) -> Result<Grant<Read>, Denied> {
        let account = match identity {
            Identity::Local | Identity::Anonymous => return Ok(Grant::new(*identity)),
            Identity::Stranger => return Err(Denied::new(*identity, "LOGIN_REQUIRED", Read::NAME)),
            Identity::Public => Address::ZERO,
            Identity::Address(account) => *account,
        };
        self.ask(*identity, account, Rights::may_read, "READ_DENIED")
    }

    /// Asks to hand in transactions, of any sender. As costly as [`Self::grant_read`].
    ///
    /// # Errors
    /// [`Denied`]: `NO_RIGHTS` by the contract, `LOGIN_REQUIRED`, or `STATE_UNAVAILABLE`.
    pub fn grant_submit(&self, identity: &Identity) -> Result<Grant<Submit>, Denied> {
        match identity {
            Identity::Local | Identity::Anonymous | Identity::Public => Ok(Grant::new(*identity)),
            Identity::Stranger => Err(Denied::new(*identity, "LOGIN_REQUIRED", Submit::NAME)),
            Identity::Address(account) => self.ask(*identity, *account, Rights::any, "NO_RIGHTS"),
        }
    }

    /// Asks to change how this node runs.
    ///
    /// # Errors
    /// [`Denied`] for everybody but [`Identity::Local`].
    pub const fn grant_admin(&self, identity: &Identity) -> Result<Grant<Admin>, Denied> {
        match identity {
            Identity::Local => Ok(Grant::new(*identity)),
            Identity::Anonymous | Identity::Public | Identity::Stranger | Identity::Address(_) => {
                Err(Denied::new(*identity, "ADMIN_NOT_LOCAL", Admin::NAME))
            }
        }
    }

    /// A grant if the permission contract gives `account` what `suffices`.
    fn ask<K: GrantKind>(
        &self,
        identity: Identity,
        account: Address,
        suffices: fn(&Rights) -> bool,
        reason: &'static str,
    ) -> Result<Grant<K>, Denied> {
        match self.readers.rights(self.chain.reader(), account) {
            Ok(rights) if suffices(&rights) => Ok(Grant::new(identity)),
            Ok(Rights { contract, at, .. }) => {
                Err(Denied { contract, block: Some(at.number), ..Denied::new(identity, reason, K::NAME) })
            }
            Err(fault) => {
                tracing::error!(%fault, %identity, "the rights of a caller could not be asked for");
                Err(Denied::new(identity, "STATE_UNAVAILABLE", K::NAME))
            }
        }
    }

    /// Everything that can be read.
    pub fn view(&self, _grant: &Grant<Read>) -> View {
        View::new(&self.chain)
    }

    /// Pools a transaction: [`Self::submit_many`] of one. Returns its hash.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub fn submit(&self, grant: &Grant<Submit>, transaction: Transaction) -> Result<B256, SubmitError> {
        self.submit_many(vec![(grant.clone(), transaction)]).pop().expect("one answer to one transaction")
    }

    /// Recovers the senders of what is not pooled yet (about 30 µs of CPU each, many in parallel on rayon: call it off the
    /// async threads) and pools the transactions, each for the holder of its grant. Returns a hash or a refusal for each, in
    /// their order, as if each had been submitted alone after those before it.
    pub fn submit_many(&self, sent: Vec<(Grant<Submit>, Transaction)>) -> Vec<Result<B256, SubmitError>> {
        let transactions = sent.into_iter().map(|(_, transaction)| transaction).collect();
        let added = self.chain.pool().add_signed(transactions, Origin::Local);
        added.into_iter().map(|added| added.map(|added| added.hash)).collect()
    }

    /// Pools a transaction of a development chain that names its sender instead of being signed by it
    /// ([`Development::impersonation`]). Returns its hash.
    ///
    /// # Errors
    /// [`SubmitError`]; a signed transaction is none of those.
    pub fn submit_impersonated(
        &self,
        _grant: &Grant<Submit>,
        development: Development,
        transaction: Transaction,
    ) -> Result<B256, SubmitError> {
        let hash = *transaction.tx_hash();
        let sender = development.impersonated(&transaction).ok_or(TransactionError::InvalidSignature)?;
        self.chain.pool().add(Recovered::new_unchecked(transaction, sender), Origin::Local)?;
        Ok(hash)
    }

    /// The pool itself, for those who may administer.
    pub fn admin_pool(&self, _grant: &Grant<Admin>) -> Pool {
        self.chain.pool().clone()
    }
}
