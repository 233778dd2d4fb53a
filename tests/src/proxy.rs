//! A TCP proxy whose cable can be pulled: stands between a node and the others.

use std::net::{Ipv4Addr, SocketAddrV4};

use anyhow::{Context, Result};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// Passes connections on to a port of 127.0.0.1 until [`Self::cut`]. Ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    connected: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens on `from` and passes what comes on to `to`.
    ///
    /// # Errors
    /// When `from` is taken.
    pub async fn start(from: u16, to: u16) -> Result<Self> {
        let listener = TcpListener::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, from))
            .await
            .with_context(|| format!("port {from} of the proxy"))?;
        let (connected, cable) = watch::channel(true);
        let task = tokio::spawn(accept(listener, to, cable));
        Ok(Self { connected, task })
    }

    /// Ends every connection and lets no new one through.
    pub fn cut(&self) {
        self.connected.send_replace(false);
    }

    /// Lets connections through again.
    pub fn heal(&self) {
        self.connected.send_replace(true);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, to: u16, cable: watch::Receiver<bool>) {
    while let Ok((mut near, _)) = listener.accept().await {
        let mut cable = cable.clone();
        if !*cable.borrow() {
            continue;
        }
        tokio::spawn(async move {
            let Ok(mut far) = TcpStream::connect(SocketAddrV4::new(Ipv4Addr::LOCALHOST, to)).await else { return };
            tokio::select! {
                // Either end may hang up as it likes.
                _ = copy_bidirectional(&mut near, &mut far) => {}
                _ = cable.wait_for(|connected| !connected) => {}
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn passes_bytes_until_cut_and_again_after_healing() -> Result<()> {
        let echo = TcpListener::bind("127.0.0.1:0").await?;
        let to = echo.local_addr()?.port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = echo.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    tokio::io::copy(&mut read, &mut write).await
                });
            }
        });
        let from = TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port();
        let proxy = Proxy::start(from, to).await?;
        let mut byte = [0];
        let mut first = TcpStream::connect(("127.0.0.1", from)).await?;
        first.write_all(&[7]).await?;
        first.read_exact(&mut byte).await?;
        assert_eq!(byte, [7]);
        proxy.cut();
        assert!(first.read_exact(&mut byte).await.is_err());
        let mut second = TcpStream::connect(("127.0.0.1", from)).await?;
        assert!(second.read_exact(&mut byte).await.is_err());
        proxy.heal();
        let mut third = TcpStream::connect(("127.0.0.1", from)).await?;
        third.write_all(&[9]).await?;
        third.read_exact(&mut byte).await?;
        assert_eq!(byte, [9]);
        Ok(())
    }
}
