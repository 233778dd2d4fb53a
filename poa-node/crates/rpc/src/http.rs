//! HTTP/1.1 on a listener's connections. A connection's requests are answered one after the other; a WebSocket begins as one
//! of them.

use std::{
    net::SocketAddr,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{Router, body::Body, extract::Request};
use hyper::{
    body::Incoming,
    rt::{Sleep, Timer},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use crate::{
    listener::{Connection, LimitedListener},
    patience::Heard,
};

/// How long open requests may take when the node stops.
pub(crate) const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);
/// Bytes of a request's head, which a client holds in the node's memory until it has sent the rest. Also how much of a body is
/// read at once.
const MAX_HEAD: usize = 64 << 10;

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remote {
    pub(crate) address: SocketAddr,
    /// SHA-256 of the client's certificate, where it was asked for one.
    pub(crate) certificate: Option<[u8; 32]>,
}

/// Serves `app`, whose requests carry their [`Remote`], until `shutdown`; requests that are open then may end in
/// [`SHUTDOWN_GRACE`].
pub(crate) async fn serve(mut listener: LimitedListener, app: Router, shutdown: CancellationToken) {
    let app = app.with_state(());
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            (connection, address) = listener.accept() => {
                connections.spawn(converse(connection, address, app.clone(), shutdown.clone()));
            }
        }
    }
    drop(listener);
    let ended = timeout(SHUTDOWN_GRACE, async { while connections.join_next().await.is_some() {} });
    if ended.await.is_err() {
        tracing::warn!(open = connections.len(), "RPC requests did not end in time and were dropped");
    }
}

/// Answers the requests of one connection until either side ends it, or it becomes a WebSocket.
async fn converse(connection: Connection, address: SocketAddr, app: Router, shutdown: CancellationToken) {
    let remote = Remote { address, certificate: connection.certificate() };
    let clock = HeadClock { heard: connection.heard(), limit: connection.patience().head };
    let answer = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(remote);
        app.clone().call(request)
    });
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAX_HEAD).header_read_timeout(clock.limit).timer(clock);
    let mut serving = pin!(builder.serve_connection(TokioIo::new(connection), answer).with_upgrades());
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = shutdown.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(remote = %address, %error, "an RPC connection ended");
    }
}

/// hyper's clock for heads of requests. A head's time begins with its first byte, not with the answer before it: a client may
/// keep a connection open and say nothing for as long as [`crate::patience::Patience::silence`].
#[derive(Debug)]
struct HeadClock {
    heard: Heard,
    limit: Duration,
}

impl Timer for HeadClock {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(Instant::now() + duration)
    }

    /// Made by hyper when it begins to wait for a head, which is when the deadline it gives would begin too.
    fn sleep_until(&self, _: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(HeadTime { heard: self.heard.clone(), before: self.heard.times(), limit: self.limit, left: None })
    }
}

/// The time for one head. hyper asks whenever bytes came and the head is not whole.
struct HeadTime {
    heard: Heard,
    /// How often the client had been heard before.
    before: u64,
    limit: Duration,
    /// Once the head has begun.
    left: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Future for HeadTime {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.left.is_none() && self.heard.times() == self.before {
            return Poll::Pending;
        }
        let limit = self.limit;
        self.left.get_or_insert_with(|| Box::pin(sleep(limit))).as_mut().poll(cx)
    }
}

impl Sleep for HeadTime {}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use prometheus_client::metrics::gauge::Gauge;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
    };

    use super::*;
    use crate::patience::Patience;

    const HEAD: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    const LONG: Duration = Duration::from_secs(3_600);

    /// A client of a server that answers `hello`.
    async fn client(patience: Patience) -> TcpStream {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let listener = LimitedListener::new(listener, 1, Gauge::default(), None, patience);
        let app = Router::new().route("/", get(async || "hello"));
        tokio::spawn(serve(listener, app, CancellationToken::new()));
        TcpStream::connect(address).await.expect("listens")
    }

    async fn greeted(client: &mut TcpStream) {
        let mut answer = Vec::new();
        while !answer.ends_with(b"hello") {
            assert_ne!(client.read_buf(&mut answer).await.expect("open"), 0, "closed after {answer:?}");
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    }

    #[tokio::test]
    async fn a_head_that_comes_byte_by_byte_ends_the_connection() {
        let mut client = client(Patience { silence: LONG, stall: LONG, head: Duration::from_millis(100) }).await;
        client.write_all(HEAD).await.expect("open");
        greeted(&mut client).await;
        client.write_all(b"GET / HTTP/1.1\r\nx: ").await.expect("open");
        // The server closes, after which writing or reading fails, whichever comes first.
        let mut byte = [0];
        loop {
            let read = timeout(Duration::from_millis(10), client.read(&mut byte)).await;
            if matches!(read, Ok(Ok(0) | Err(_))) || client.write_all(b"y").await.is_err() {
                return;
            }
        }
    }

    #[tokio::test]
    async fn a_connection_kept_open_between_requests_is_not_a_slow_head() {
        // No time at all for a head that does not come whole.
        let mut client = client(Patience { silence: LONG, stall: LONG, head: Duration::ZERO }).await;
        for _ in 0..2 {
            client.write_all(HEAD).await.expect("open");
            greeted(&mut client).await;
        }
        client.write_all(&HEAD[..9]).await.expect("open");
        assert_eq!(client.read(&mut [0]).await.expect("closed in order"), 0);
    }

    #[tokio::test]
    async fn a_head_that_is_too_large_is_refused() {
        let mut client = client(Patience::default()).await;
        client.write_all(b"GET / HTTP/1.1\r\nx: ").await.expect("open");
        // The server may answer and close before all of it is sent.
        let _ = client.write_all(&vec![b'y'; 2 * MAX_HEAD]).await;
        let mut answer = [0; 12];
        client.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 431");
    }
}
