//! A TCP listener that holds so many connections and no more, and hands TLS ones on when they have shaken hands. Connections
//! on which nothing happens end.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use prometheus_client::metrics::gauge::Gauge;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{AbortHandle, JoinSet},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{
    patience::{Heard, IdleTimer, Patience},
    tls::{Tls, fingerprint},
};

/// How long a handshake may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Handshakes at once. One more ends the oldest: clients that say nothing do not keep others out.
const HANDSHAKES: usize = 128;

/// Accepts up to a number of connections at once; those above it are closed at once, so that a client sees an error
/// instead of silence.
#[derive(Debug)]
pub(crate) struct LimitedListener {
    door: Door,
    handshakes: Option<Handshakes>,
    patience: Patience,
}

impl LimitedListener {
    pub(crate) fn new(listener: TcpListener, most: usize, open: Gauge, tls: Option<Tls>, patience: Patience) -> Self {
        let places = Arc::new(Semaphore::new(most.clamp(1, Semaphore::MAX_PERMITS)));
        // Never all places, so that one remains for who does shake hands.
        let most = HANDSHAKES.min(most / 2).max(1);
        let handshakes = tls.map(|tls| Handshakes { tls, most, running: JoinSet::new(), oldest: VecDeque::new() });
        Self { door: Door { listener, places, open }, handshakes, patience }
    }

    /// The next connection, and where it comes from. Giving up waiting loses none.
    pub(crate) async fn accept(&mut self) -> (Connection, SocketAddr) {
        let Some(handshakes) = &mut self.handshakes else {
            let (stream, remote, place) = self.door.next().await;
            return (Connection::new(Stream::Plain(stream), None, self.patience, place), remote);
        };
        loop {
            tokio::select! {
                done = handshakes.running.join_next(), if !handshakes.running.is_empty() => {
                    if let Some(Ok(Some(connection))) = done {
                        return connection;
                    }
                }
                (stream, remote, place) = self.door.next() => {
                    handshakes.begin(stream, remote, place, self.patience);
                }
            }
        }
    }
}

/// Where connections come in.
#[derive(Debug)]
struct Door {
    listener: TcpListener,
    places: Arc<Semaphore>,
    open: Gauge,
}

impl Door {
    /// The next connection there is a place for.
    async fn next(&self) -> (TcpStream, SocketAddr, Place) {
        loop {
            match self.listener.accept().await {
                Ok((stream, remote)) => {
                    let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() else {
                        tracing::debug!(%remote, "too many RPC connections, one was closed");
                        continue;
                    };
                    // Answers are written whole: waiting for more bytes only adds delay.
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::trace!(%error, "TCP_NODELAY");
                    }
                    self.open.inc();
                    return (stream, remote, Place { open: self.open.clone(), _permit: permit });
                }
                Err(error) => {
                    // Out of file descriptors, or the client was gone: try again, slowly.
                    tracing::warn!(%error, "an RPC connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

/// A connection's place, given back when it closes.
#[derive(Debug)]
struct Place {
    open: Gauge,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.dec();
    }
}

/// TLS connections that are being set up, each for itself.
#[derive(Debug)]
struct Handshakes {
    tls: Tls,
    most: usize,
    running: JoinSet<Option<(Connection, SocketAddr)>>,
    /// In the order they began; some have ended.
    oldest: VecDeque<AbortHandle>,
}

impl Handshakes {
    fn begin(&mut self, stream: TcpStream, remote: SocketAddr, place: Place, patience: Patience) {
        self.oldest.retain(|handshake| !handshake.is_finished());
        if self.oldest.len() >= self.most
            && let Some(handshake) = self.oldest.pop_front()
        {
            tracing::debug!("too many TLS handshakes, the oldest was given up");
            handshake.abort();
        }
        let acceptor = TlsAcceptor::from(self.tls.config());
        self.oldest.push_back(self.running.spawn(async move {
            match tokio::time::timeout(HANDSHAKE_TIME, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => {
                    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                    let certificate = shown.map(fingerprint);
                    let stream = Stream::Tls(Box::new(stream));
                    Some((Connection::new(stream, certificate, patience, place), remote))
                }
                Ok(Err(error)) => {
                    tracing::debug!(%remote, %error, "TLS handshake");
                    None
                }
                Err(_) => {
                    tracing::debug!(%remote, "TLS handshake took too long");
                    None
                }
            }
        }));
    }
}

/// A connection with its place.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream,
    certificate: Option<[u8; 32]>,
    idle: IdleTimer,
    _place: Place,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection {
    fn new(stream: Stream, certificate: Option<[u8; 32]>, patience: Patience, place: Place) -> Self {
        Self { stream, certificate, idle: IdleTimer::new(patience), _place: place }
    }

    /// SHA-256 of the certificate the client proved to hold, if it was asked for one.
    pub(crate) const fn certificate(&self) -> Option<[u8; 32]> {
        self.certificate
    }

    /// Its limits.
    pub(crate) const fn patience(&self) -> Patience {
        self.idle.patience()
    }

    /// How often the client is heard.
    pub(crate) fn heard(&self) -> Heard {
        self.idle.heard()
    }
}

macro_rules! on_stream {
    ($connection:expr, $stream:ident => $work:expr) => {
        match &mut $connection.stream {
            Stream::Plain(stream) => {
                let $stream = Pin::new(stream);
                $work
            }
            Stream::Tls(stream) => {
                let $stream = Pin::new(&mut **stream);
                $work
            }
        }
    };
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let polled = match self.idle.is_taking(cx) {
            true => on_stream!(self, stream => stream.poll_read(cx, buf)),
            // Requests of a WebSocket run beside each other: their answers would pile up here.
            false => Poll::Pending,
        };
        self.idle.read(cx, polled)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = on_stream!(self, stream => stream.poll_write(cx, buf));
        self.idle.write(cx, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = on_stream!(self, stream => stream.poll_flush(cx));
        self.idle.write(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = on_stream!(self, stream => stream.poll_shutdown(cx));
        self.idle.write(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = on_stream!(self, stream => stream.poll_write_vectored(cx, bufs));
        self.idle.write(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const LONG: Duration = Duration::from_secs(3_600);

    /// Both ends of a connection to a listener with one place.
    async fn connected(patience: Patience) -> (LimitedListener, Connection, TcpStream) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let mut limited = LimitedListener::new(listener, 1, Gauge::default(), None, patience);
        let client = TcpStream::connect(limited.door.listener.local_addr().expect("bound")).await.expect("listens");
        let (connection, _) = limited.accept().await;
        (limited, connection, client)
    }

    #[tokio::test]
    async fn a_connection_on_which_nothing_is_said_ends_and_gives_its_place_back() {
        let patience = Patience { silence: Duration::from_millis(50), stall: LONG, head: LONG };
        let (mut limited, mut connection, mut client) = connected(patience).await;
        client.write_all(b"x").await.expect("open");
        assert_eq!(connection.read_u8().await.expect("said"), b'x');
        assert_eq!(connection.read_u8().await.expect_err("silent").kind(), io::ErrorKind::TimedOut);
        drop(connection);
        let _other = TcpStream::connect(limited.door.listener.local_addr().expect("bound")).await.expect("listens");
        limited.accept().await;
    }

    #[tokio::test]
    async fn a_client_that_takes_no_answer_is_not_heard_until_it_does() {
        // More than fits between the two.
        const ANSWER: usize = 64 << 20;
        let (_limited, connection, mut client) = connected(Patience { silence: LONG, stall: LONG, head: LONG }).await;
        let (mut reader, mut writer) = tokio::io::split(connection);
        client.write_all(b"ab").await.expect("open");
        assert_eq!(reader.read_u8().await.expect("said"), b'a');
        let answer = tokio::spawn(async move { writer.write_all(&vec![0; ANSWER]).await });
        // Both run on this thread: it has written what it can.
        tokio::task::yield_now().await;
        assert!(reader.read_u8().now_or_never().is_none(), "heard");
        let (heard, taken) = (reader.read_u8(), async { client.read_exact(&mut vec![0; ANSWER]).await });
        let (heard, taken) = tokio::join!(heard, taken);
        assert_eq!((heard.expect("said"), taken.expect("answered")), (b'b', ANSWER));
        answer.await.expect("ended").expect("written");
    }

    #[tokio::test]
    async fn a_connection_that_takes_no_answer_ends_however_much_it_says() {
        let patience = Patience { silence: LONG, stall: Duration::from_millis(50), head: LONG };
        let (_limited, mut connection, mut client) = connected(patience).await;
        client.write_all(b"more").await.expect("open");
        let answer = vec![0; 1 << 20];
        let error = loop {
            if let Err(error) = connection.write_all(&answer).await {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
