//! A WebSocket of somebody who proved an account ends with the proof, or with the right to read.
//!
//! Each request is decided when it comes, so that an open connection is worth nothing then; but whoever was removed is to
//! notice, and to give the connection back.

use std::time::Duration;

use aurum_chain::Head;
use jsonrpsee::server::{StopHandle, stop_channel};
use tokio::sync::watch;

use crate::reader::Reader;

/// For the last notifications of its subscriptions to arrive. Requests are refused meanwhile.
const FAREWELL: Duration = Duration::from_secs(1);

/// What stops one connection: the end of `reader`'s rights, or of the node (`node`).
pub(crate) fn until_ended(reader: Reader, head: watch::Receiver<Head>, node: StopHandle) -> StopHandle {
    let (stop, connection) = stop_channel();
    tokio::spawn(async move {
        let ended = async {
            let why = reader.ended(head).await;
            tracing::debug!(%why, "a WebSocket connection is ended");
            tokio::time::sleep(FAREWELL).await;
        };
        tokio::select! {
            () = connection.clone().stopped() => {}
            () = node.shutdown() => {}
            () = ended => {}
        }
        // Already closed is as good.
        let _ = connection.stop();
    });
    stop
}
