//! Starts a relayer: the same way in the program and in tests.

use std::{io, net::SocketAddr, sync::Arc};

use aurum_contracts::{Side, Sides};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    api,
    board::Board,
    chain::{Chain, ChainError},
    config::Config,
    journal::{Journal, JournalError},
    metrics::Metrics,
    relayer::{Parts, Relayer, RelayerError},
    sign::{Key, KeyError},
};

/// Why a relayer does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its key does not open.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Its journal does not open, or is another's.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The URL of a node is none.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The journal says what cannot be.
    #[error(transparent)]
    Relayer(#[from] RelayerError),
    /// The API's address is taken.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// A running relayer.
#[derive(Debug)]
pub struct Handle {
    /// Where the API listens.
    pub address: SocketAddr,
    stop: CancellationToken,
    api: JoinHandle<io::Result<()>>,
    ended: oneshot::Receiver<Result<(), RelayerError>>,
}

impl Handle {
    /// Waits until it has ended: after the shutdown, or for a reason no waiting cures.
    ///
    /// # Errors
    /// That reason.
    pub async fn finished(self) -> Result<(), RelayerError> {
        let ended = self.ended.await.unwrap_or(Err(RelayerError::Died));
        self.stop.cancel();
        // Answers under way may end; the API has no other state.
        self.api.await.ok();
        ended
    }
}

/// Starts a relayer that runs until `shutdown`. Chains that do not answer are waited for.
///
/// # Errors
/// When key, journal or listening address cannot be used.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<Handle, StartError> {
    let Config { addresses, keystore, password_file, journal, listen, takeover_delay, chains: settings } = config;
    let key = tokio::task::spawn_blocking(move || Key::unlock(&keystore, &password_file))
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
    let signer = key.address();
    let (journal, writer) = Journal::open(&journal, &addresses, signer)?;
    let connect = |side| {
        let (settings, at) = (settings.get(side), addresses.side(side).clone());
        Chain::connect(side, &settings.rpc, at, settings.finality)
    };
    let chains = Sides { home: connect(Side::Home).await?, foreign: connect(Side::Foreign).await? };
    let board = Board::new(signer, takeover_delay, &addresses.sides(), addresses.tokens.clone());
    let metrics = Arc::new(Metrics::new());

    let failed = |source| StartError::Listen { address: listen, source };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let sources = api::Sources {
        board: board.clone(),
        journal: journal.clone(),
        metrics: Arc::clone(&metrics),
        addresses: Arc::new(addresses),
    };
    let parts = Parts { key, chains, settings, takeover_delay, journal, writer, board, metrics };
    let relayer = Relayer::resume(parts)?;

    let stop = shutdown.child_token();
    let stopped = stop.clone().cancelled_owned();
    let api =
        tokio::spawn(async move { axum::serve(listener, api::router(sources)).with_graceful_shutdown(stopped).await });
    let (ended_in, ended) = oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    let token = stop.clone();
    std::thread::Builder::new()
        .name("relayer".to_owned())
        .spawn(move || {
            // The handle may be gone: nobody asks then.
            ended_in.send(runtime.block_on(relayer.run(token))).ok();
        })
        .map_err(failed)?;
    info!(%address, relayer = %signer, "running");
    Ok(Handle { address, stop, api, ended })
}
