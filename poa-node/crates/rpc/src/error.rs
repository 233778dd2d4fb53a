//! What a method answers when it cannot do what it was asked, and the one table from that to JSON-RPC codes.
//!
//! | code | when |
//! |---|---|
//! | −32700, −32600 | not JSON, not a request (made by jsonrpsee); −32600 also a body that is not said to be JSON |
//! | −32601 | unknown method, or its namespace is not served |
//! | −32602 | parameters |
//! | −32603 | our own fault |
//! | 3 | a call reverted; `data` is the revert data |
//! | −32000 | everything geth answers with it, in geth's words: clients match the text |
//! | −32010 | a transaction its sender has no right for (Parity's code); `data` says what is missing |
//! | −32005 | a limit of this node; `data` says which, and when to try again where that helps |
//! | −40100 | the caller may not do this here |
//! | −38010 … −38026 | `eth_simulateV1`: what no block can hold (execution-apis) |

use std::{sync::Arc, time::Duration};

use alloy::primitives::{Address, Bytes, U64};
use aurum_chain::{Denied as AccessDenied, ReadError, SubmitError, TraceError};
use aurum_pool::{Denied, PoolError, Refusal};
use aurum_types::TransactionError;
use jsonrpsee::types::ErrorObjectOwned;
use serde_json::{Value, json};

use crate::{perm::Grantors, revert::revert_message, rights};

/// Not a request.
pub(crate) const INVALID_REQUEST: i32 = -32600;
/// A method is not there.
pub(crate) const METHOD_NOT_FOUND: i32 = -32601;
/// Parameters are wrong.
pub(crate) const INVALID_PARAMS: i32 = -32602;
/// Our own fault.
pub(crate) const INTERNAL: i32 = -32603;
/// geth's code for nearly everything.
pub(crate) const SERVER: i32 = -32000;
/// A limit of this node.
pub(crate) const LIMIT: i32 = -32005;
/// Parity's code for a transaction its sender has no right for.
pub(crate) const NOT_PERMITTED: i32 = -32010;
/// The caller may not do this here.
pub(crate) const DENIED: i32 = -40100;
/// geth's code for a call that reverted.
pub(crate) const REVERTED: i32 = 3;

/// Why a method has no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// The HTTP request is none of JSON-RPC.
    #[error("{0}")]
    Request(String),
    /// The parameters do not decode, or contradict each other.
    #[error("{0}")]
    Params(String),
    /// The method does not exist, or its namespace is not served here.
    #[error("the method {0} does not exist/is not available")]
    UnknownMethod(String),
    /// Subscriptions need a connection that stays open.
    #[error("notifications not supported")]
    NoNotifications,
    /// The block asked for is not known.
    #[error("header not found")]
    UnknownBlock,
    /// A filter that was never made, was removed, or was not polled for too long.
    #[error("filter not found")]
    UnknownFilter,
    /// A call or estimate that reverted, with the revert data.
    #[error("{}", revert_message(.0))]
    Reverted(Bytes),
    /// Anything else that geth answers with −32000.
    #[error("{0}")]
    Server(String),
    /// The sender has no right for this transaction.
    #[error("{denied}")]
    NotPermitted {
        /// What is missing.
        denied: Box<Denied>,
        /// Who can grant it, where the contract tells.
        grantors: Option<Arc<Grantors>>,
    },
    /// A limit of this node, whenever it is asked: its stable word for programs, such as `RANGE_LIMIT` (docs/rpc-access.md lists
    /// them); what, and how much.
    #[error("{1}")]
    Limit(&'static str, String),
    /// This node has as much to do, or to keep, as it may; later it has not.
    #[error("{message}")]
    Busy {
        /// What is full, and what to do.
        message: String,
        /// Stable word for programs, such as `NODE_BUSY` or `TIME_LIMIT` (docs/rpc-access.md lists them).
        reason: &'static str,
        /// When trying again makes sense, if that can be told.
        retry_after: Option<Duration>,
    },
    /// The caller may not do this here.
    #[error("{0}")]
    Denied(#[from] AccessDenied),
    /// A simulation that makes no sense: execution-apis' code, and why.
    #[error("{1}")]
    Simulation(i32, String),
    /// The caller did not prove who it is.
    #[error("{message}")]
    Login {
        /// Stable word for programs, such as `LOGIN_REQUIRED` (docs/rpc-access.md lists them).
        reason: &'static str,
        /// What is wrong with what it gave.
        message: String,
    },
    /// The caller came by a name that is not this node's, or from a page that may not call it.
    #[error("{message}")]
    Outside {
        /// Stable word for programs: `HOST_UNKNOWN` or `ORIGIN_UNKNOWN`.
        reason: &'static str,
        /// What was named, and where it is let in.
        message: String,
    },
    /// Ours.
    #[error("internal error: {0}")]
    Internal(String),
}

/// What every method returns.
pub(crate) type Answer<T> = Result<T, Failure>;

impl Failure {
    /// The JSON-RPC code (see the module's table).
    pub const fn code(&self) -> i32 {
        match self {
            Self::Request(_) => INVALID_REQUEST,
            Self::Params(_) => INVALID_PARAMS,
            Self::UnknownMethod(_) | Self::NoNotifications => METHOD_NOT_FOUND,
            Self::UnknownBlock | Self::UnknownFilter | Self::Server(_) => SERVER,
            Self::Reverted(_) => REVERTED,
            Self::NotPermitted { .. } => NOT_PERMITTED,
            Self::Limit(..) | Self::Busy { .. } => LIMIT,
            Self::Denied(_) | Self::Login { .. } | Self::Outside { .. } => DENIED,
            Self::Simulation(code, _) => *code,
            Self::Internal(_) => INTERNAL,
        }
    }

    /// The same, with a time to try again where one helps and none is told.
    pub(crate) fn or_retry_after(mut self, time: Duration) -> Self {
        if let Self::Busy { retry_after, .. } = &mut self {
            retry_after.get_or_insert(time);
        }
        self
    }

    /// The same, with who can grant what a denied transaction lacks, as far as `find` tells for the contract that denied it.
    pub(crate) fn with_grantors(mut self, find: impl FnOnce(Address) -> Option<Arc<Grantors>>) -> Self {
        if let Self::NotPermitted { denied, grantors } = &mut self {
            *grantors = find(denied.contract);
        }
        self
    }

    fn data(&self) -> Option<Value> {
        match self {
            Self::Reverted(output) => Some(json!(output)),
            Self::NotPermitted { denied, grantors } => Some(denied_data(denied, grantors.as_deref())),
            Self::Limit(reason, _) => Some(limit_data(reason, None)),
            Self::Busy { reason, retry_after, .. } => Some(limit_data(reason, *retry_after)),
            Self::Login { reason, .. } => Some(json!({ "reason": reason, "needed": "login" })),
            Self::Outside { reason, .. } => Some(json!({ "reason": reason })),
            Self::Denied(denied) => Some(json!({
                "reason": denied.reason,
                "needed": denied.needed,
                "contract": denied.contract,
                "block": denied.block,
            })),
            _ => None,
        }
    }
}

/// `data` of −32010: `{"reason":"CREATE_DENIED","needed":"create","have":["basic","call"],"contract":"0x…","block":123,
/// "grantors":{"contract":"0x…","admins":["0x…"],"threshold":1}}`, the last only where it is known.
fn denied_data(denied: &Denied, grantors: Option<&Grantors>) -> Value {
    let mut data = json!({
        "reason": denied.reason,
        "needed": rights::names(denied.needed).join("|"),
        "have": rights::names(denied.have),
        "contract": denied.contract,
        "block": denied.block,
    });
    if let Some(grantors) = grantors {
        data["grantors"] = json!(grantors);
    }
    data
}

/// `data` of −32005: `{"reason":"POOL_FULL","retryAfterMs":1000}`, the time only where it passes and that can be told.
fn limit_data(reason: &str, retry_after: Option<Duration>) -> Value {
    match retry_after {
        Some(after) => {
            json!({ "reason": reason, "retryAfterMs": u64::try_from(after.as_millis()).unwrap_or(u64::MAX) })
        }
        None => json!({ "reason": reason }),
    }
}

impl From<Failure> for ErrorObjectOwned {
    fn from(failure: Failure) -> Self {
        if let Failure::Internal(reason) = &failure {
            tracing::error!(reason, "an RPC request failed on our side");
        }
        Self::owned(failure.code(), failure.to_string(), failure.data())
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::UnknownBlock => Self::UnknownBlock,
            ReadError::NoFinality => Self::Server(error.to_string()),
            ReadError::NotCanonical(hash) => Self::Server(format!("hash {hash} is not currently canonical")),
            ReadError::NoState(hash) => Self::Server(format!(
                "historical state of block {hash} is not available on this node; ask one that keeps all states"
            )),
            ReadError::Range { from, to, .. } if from > to => Self::Params("invalid block range params".to_owned()),
            ReadError::Range { from, to, limit } => Self::Limit(
                "RANGE_LIMIT",
                format!(
                    "block range {from}..={to} exceeds the limit of {limit} blocks. Try with this block range [{:#x}, {:#x}].",
                    U64::from(from),
                    U64::from(from.saturating_add(limit - 1)),
                ),
            ),
            ReadError::TooManyResults { limit, from, reached } => Self::Limit(
                "RESULT_LIMIT",
                format!(
                    "query returned more than {limit} results. Try with this block range [{:#x}, {:#x}].",
                    U64::from(from),
                    U64::from(reached),
                ),
            ),
            ReadError::Arguments(reason) => Self::Params(reason),
            ReadError::Call(invalid) => Self::Server(invalid.to_string()),
            ReadError::Simulation(code, reason) => Self::Simulation(code, reason),
            ReadError::Trace(TraceError::Tracer(reason)) => Self::Params(reason),
            ReadError::Trace(TraceError::Timeout) => Self::Busy {
                message: "execution timeout: tracing took longer than this node spends on one request; ask for fewer \
                          blocks, for one transaction, or for less about each (onlyTopCall)"
                    .to_owned(),
                reason: "TIME_LIMIT",
                retry_after: None,
            },
            ReadError::Cancelled => {
                Self::Busy { message: "the request was given up".to_owned(), reason: "TIME_LIMIT", retry_after: None }
            }
            ReadError::TooManySlots { limit, .. } => Self::Limit(
                "SLOT_LIMIT",
                format!("{error}; this node looks at {limit}, read single slots with eth_getStorageAt"),
            ),
            ReadError::Trace(limit) => Self::Limit("SIZE_LIMIT", limit.to_string()),
            ReadError::Fault(fault) => Self::Internal(fault.to_string()),
        }
    }
}

impl From<SubmitError> for Failure {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Transaction(error) => error.into(),
            SubmitError::Pool(error) => error.into(),
        }
    }
}

impl From<TransactionError> for Failure {
    fn from(error: TransactionError) -> Self {
        Self::Server(match error {
            TransactionError::UnsupportedType { .. } => format!("transaction type not supported: {error}"),
            TransactionError::InvalidSignature => "invalid sender".to_owned(),
            TransactionError::Malformed { .. } => error.to_string(),
        })
    }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Refused(Refusal::NotPermitted(denied)) => Self::NotPermitted { denied, grantors: None },
            full @ PoolError::Full { .. } => {
                Self::Busy { message: full.to_string(), reason: "POOL_FULL", retry_after: None }
            }
            full @ PoolError::SenderFull { .. } => {
                Self::Busy { message: full.to_string(), reason: "SENDER_FULL", retry_after: None }
            }
            error if error.is_fault() => Self::Internal(error.to_string()),
            error => Self::Server(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use alloy::primitives::{Address, B256, address};
    use aurum_chain::{ReadError, SubmitError};
    use aurum_pool::{Denied, PoolError, Refusal};
    use aurum_types::TransactionError;
    use jsonrpsee::types::ErrorObjectOwned;
    use serde_json::{Value, json};

    use super::Failure;
    use crate::perm::Grantors;

    #[test]
    fn every_refusal_has_the_code_and_words_clients_match() {
        let denied = Denied {
            explanation: "0x01 lacks create.".to_owned(),
            reason: "CREATE_DENIED".to_owned(),
            needed: 4,
            have: 3,
            contract: address!("A000000000000000000000000000000000000002"),
            block: 7,
        };
        let pool = |error| Failure::from(SubmitError::Pool(error));
        let cases: Vec<(Failure, i32, &str)> = vec![
            (pool(PoolError::AlreadyKnown), -32000, "already known"),
            (pool(PoolError::NonceTooLow { next: 3, nonce: 2 }), -32000, "nonce too low"),
            (
                pool(PoolError::ReplacementUnderpriced { existing: B256::ZERO, nonce: 1 }),
                -32000,
                "replacement transaction underpriced",
            ),
            (
                pool(PoolError::InsufficientFunds { balance: Default::default(), cost: Default::default() }),
                -32000,
                "insufficient funds for gas * price + value",
            ),
            (pool(PoolError::Full { transactions: 9 }), -32005, "txpool is full: 9 transactions wait, retry after"),
            (pool(PoolError::SenderFull { sender: Address::ZERO, waiting: 9 }), -32005, "txpool is full for sender 0x"),
            (pool(Refusal::IntrinsicGas { have: 1, want: 21000 }.into()), -32000, "intrinsic gas too low"),
            (pool(Refusal::GasLimit.into()), -32000, "exceeds block gas limit"),
            (pool(Refusal::ChainId { have: 1, want: 2026 }.into()), -32000, "invalid chain id for signer"),
            (pool(Refusal::NotPermitted(Box::new(denied)).into()), -32010, "Transaction is not permitted."),
            (TransactionError::UnsupportedType { tx_type: 3 }.into(), -32000, "transaction type not supported"),
            (ReadError::UnknownBlock.into(), -32000, "header not found"),
            (ReadError::Range { from: 2, to: 1, limit: 10 }.into(), -32602, "invalid block range params"),
            (ReadError::Range { from: 0, to: 99, limit: 10 }.into(), -32005, "block range 0..=99 exceeds"),
            (
                ReadError::TooManyResults { limit: 10, from: 1, reached: 16 }.into(),
                -32005,
                "query returned more than 10 results. Try with this block range [0x1, 0x10].",
            ),
            (Failure::UnknownMethod("eth_foo".to_owned()), -32601, "the method eth_foo does not exist"),
            (Failure::Reverted(Default::default()), 3, "execution reverted"),
        ];
        for (failure, code, words) in cases {
            let error = ErrorObjectOwned::from(failure);
            assert_eq!(error.code(), code, "{error}");
            assert!(error.message().starts_with(words), "{error}");
        }
    }

    #[test]
    fn a_full_node_says_what_is_full_and_when_to_come_back() {
        let full = Failure::from(PoolError::Full { transactions: 9 });
        let error = ErrorObjectOwned::from(full.or_retry_after(Duration::from_secs(2)));
        let data: Value = serde_json::from_str(error.data().unwrap().get()).unwrap();
        assert_eq!(data, json!({ "reason": "POOL_FULL", "retryAfterMs": 2000 }));
        // What will not be done later either has no time.
        let range = Failure::from(ReadError::Range { from: 0, to: 99, limit: 10 });
        let error = ErrorObjectOwned::from(range.or_retry_after(Duration::from_secs(2)));
        let data: Value = serde_json::from_str(error.data().unwrap().get()).unwrap();
        assert_eq!(data, json!({ "reason": "RANGE_LIMIT" }));
    }

    #[test]
    fn a_refused_right_says_what_is_needed_what_is_there_and_who_can_grant_it() {
        let denied = Denied {
            explanation: "no".to_owned(),
            reason: "CREATE_DENIED".to_owned(),
            needed: 4,
            have: 19,
            contract: Address::ZERO,
            block: 7,
        };
        let grantors = Grantors { contract: Address::ZERO, admins: vec![Address::repeat_byte(1)], threshold: 1 };
        let failure = Failure::from(PoolError::from(Refusal::NotPermitted(Box::new(denied))));
        let known = failure.clone().with_grantors(|_| Some(Arc::new(grantors)));
        let data = |failure: &Failure| -> Value {
            let error = ErrorObjectOwned::from(failure.clone());
            serde_json::from_str(error.data().unwrap().get()).unwrap()
        };
        let zero = "0x0000000000000000000000000000000000000000";
        let mut expected = json!({
            "reason": "CREATE_DENIED",
            "needed": "create",
            "have": ["basic", "call", "read"],
            "contract": zero,
            "block": 7,
        });
        assert_eq!(data(&failure), expected);
        expected["grantors"] = json!({ "contract": zero, "admins": [Address::repeat_byte(1)], "threshold": 1 });
        assert_eq!(data(&known), expected);
    }
}
