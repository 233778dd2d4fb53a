//! JSON-RPC over HTTP and WebSocket, health, and metrics.
//!
//! ```text
//! listener ──▶ http ──────▶ guard ─────▶ jsonrpsee ─▶ meter ───▶ Registrar's closure, on a blocking thread
//! TLS, places  heads, end   Host, Origin  HTTP, WS,    metrics,   Identity ─Gate─▶ Grant ─▶ handler(context, grant, params)
//!                           who asks │    ids, bytes   batches                             decode, call once, encode
//!                                    └──▶ fast ─▶ intake: bodies of eth_sendRawTransaction alone, many at a time
//! ```
//!
//! A handler is a plain function whose second parameter is the grant it needs; nothing else has a type under which it could
//! be registered, and without a grant nothing of the chain can be reached. One file per namespace; `eth` is a folder with
//! one file per kind of question. All error codes are in one table ([`Failure`]). A listener has a context of its own: limits,
//! filters and workers of one are not another's. All of it runs on threads of the server's own, less urgent than those that
//! import blocks and talk to peers; the listener for administrators has its own besides.
//!
//! The crate does not know how blocks are made or where peers come from: [`PeersApi`], [`DevApi`] and [`FinalityApi`] are
//! implemented by the program.

mod access;
mod aura;
mod body;
mod caller;
mod cancel;
mod config;
mod connection;
mod content_type;
mod context;
mod cursor;
mod debug;
mod dev;
mod endpoint;
mod error;
mod eth;
mod fast;
mod files;
mod filters;
mod finality;
mod front;
mod guard;
mod health;
mod http;
mod intake;
mod json;
mod listener;
mod login;
mod meter;
mod methods;
mod metrics;
mod namespaces;
mod net;
mod ots;
mod params;
mod parity;
mod patience;
mod peers;
mod perm;
mod process;
mod quota;
mod reader;
mod reference;
mod revert;
mod rights;
mod runtime;
mod sealing;
mod server;
mod tls;
mod trace;
mod txpool;
mod typed_data;
mod upkeep;
mod web3;
mod why;
mod work;

pub use self::{
    access::{Access, ListenerConfig},
    config::{Apis, Hosts, Limits, NAMESPACES, Origins, Readiness, RpcConfig, UnknownApi},
    dev::{DevApi, DevError, Mining},
    error::Failure,
    files::FileError,
    finality::{
        CertificateJson, CertificateStepJson, CheckpointJson, EquivocationJson, FinalityApi, FinalityStatusJson,
        VoterJson,
    },
    login::{LoginConfig, Service, ServiceList, ServiceListError},
    peers::{NoPeers, PeerView, PeersApi},
    quota::Quota,
    reference::openrpc,
    sealing::{NoBlockView, SealingApi, SealingView},
    server::{RpcError, RpcHandle, ServedListener, Services, serve},
    tls::{Tls, TlsError, TlsFiles},
};
