//! The task that owns the connections: events in, messages out. Whatever takes time runs elsewhere and reports back by
//! [`Command`].

mod connections;
mod gossip;
mod inbound;
mod outbound;

use std::{
    collections::{HashMap, HashSet},
    io,
    net::TcpListener,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::primitives::B256;
use aurum_pool::{Newly, Pool};
use aurum_types::SealedBlock;
use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm, SwarmBuilder, TransportError,
    multiaddr::Protocol as Part,
    noise,
    request_response::{OutboundRequestId, ResponseChannel},
    swarm::SwarmEvent,
    tcp, yamux,
};
use tokio::sync::{Notify, Semaphore, broadcast, mpsc, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    BlockSource, Enode, Head, NetworkConfig, NetworkError, NetworkHandle,
    announced::{self, Announced},
    behaviour::Behaviour,
    directory::Directory,
    gate::Gate,
    gossip::Sent,
    handle,
    inbox::Inbox,
    known::Known,
    message::{Gossip, Message as _, SyncRequest},
    metrics::Metrics,
    peer::Peer,
    pipelined::RequestId,
    reserved::{self, Reserved},
    sync::{Branches, Sync},
};

/// Reports of tasks that wait for the switch. When full, the tasks wait.
const COMMANDS: usize = 1_024;
/// Our own blocks waiting to be announced. When full, [`NetworkHandle::announce`] leaves it to the head told each second.
const ANNOUNCE: usize = 64;
/// Messages of our own engine waiting to be passed on. When full, [`NetworkHandle::gossip`] drops them.
const GOSSIP: usize = 256;
/// Messages of the engine that were heard not long ago and are not judged again.
const HEARD: usize = 8_192;
/// Threads that answer peers at a time; the rest wait, bounded by each peer's open streams.
const SERVING: usize = 4;
/// Messages with transactions that are taken in at a time; the rest wait likewise.
const TAKING: usize = 4;
/// Batches of newly pooled transactions taken in one turn, so that blocks are not kept waiting.
const POOLED_PER_TURN: usize = 64;
/// How long newly pooled transactions are gathered for one message to each peer: a message costs both sides as much as some
/// transactions in it, at any rate of transactions.
const GATHER: Duration = Duration::from_millis(20);
const TICK: Duration = Duration::from_millis(50);
/// The same while nothing waits for a tick but the look at a new head.
const CALM_TICK: Duration = Duration::from_millis(250);
const SECOND: Duration = Duration::from_secs(1);
/// How often transactions that this node answers for and that still wait are offered to everybody again.
const REOFFER: Duration = Duration::from_secs(5);
/// A connection without streams is kept: peers are few and wanted.
const IDLE: Duration = Duration::from_secs(365 * 86_400);

/// What tasks ask of the switch.
#[derive(Debug)]
pub(crate) enum Command {
    /// Send a question of sync; the answer is `None` if there is none.
    Ask { peer: PeerId, request: Vec<u8>, answer: oneshot::Sender<Option<Vec<u8>>> },
    /// Send an answer of sync.
    Answer { channel: ResponseChannel<Vec<u8>>, bytes: Vec<u8> },
    /// Pass an imported block on.
    Relay { head: Head, from: PeerId },
    /// Pass a message of the engine on, which was found good; or only remember that it was heard.
    Heard { message: Gossip, from: PeerId, relay: bool },
    /// Hold something against a peer.
    Penalise { peer: PeerId, amount: u32, why: &'static str },
    /// A peer may no longer be connected.
    Dismiss { peer: PeerId, why: String },
    /// A reserved peer's addresses are known.
    Dial { peer: PeerId, addresses: io::Result<Vec<Multiaddr>> },
}

/// How tasks talk to the switch.
#[derive(Clone, Debug)]
pub(crate) struct Asker(mpsc::Sender<Command>);

impl Asker {
    pub(crate) async fn send(&self, command: Command) {
        // The switch has ended: so will the task.
        let _ = self.0.send(command).await;
    }

    pub(crate) async fn start(&self, peer: PeerId, request: &SyncRequest) -> oneshot::Receiver<Option<Vec<u8>>> {
        let (answer, receiver) = oneshot::channel();
        self.send(Command::Ask { peer, request: request.to_bytes(), answer }).await;
        receiver
    }

    /// Asks and waits. Ends, with `None`, by the time-out of requests at the latest.
    pub(crate) async fn ask(&self, peer: PeerId, request: &SyncRequest) -> Option<Vec<u8>> {
        self.start(peer, request).await.await.ok().flatten()
    }

    pub(crate) async fn penalise(&self, peer: PeerId, amount: u32, why: &'static str) {
        self.send(Command::Penalise { peer, amount, why }).await;
    }
}

pub(crate) struct Switch {
    swarm: Swarm<Behaviour>,
    config: NetworkConfig,
    source: Arc<dyn BlockSource>,
    pool: Pool,
    peers: HashMap<PeerId, Peer>,
    /// How many were made so far.
    connections: u32,
    reserved: Reserved,
    directory: Arc<Directory>,
    metrics: Arc<Metrics>,
    inbox: Arc<Inbox>,
    announced: Announced,
    parts: announced::Parts,
    serving: Arc<Semaphore>,
    taking: Arc<Semaphore>,
    tasks: TaskTracker,
    asker: Asker,
    /// Questions of sync on their way.
    asks: HashMap<OutboundRequestId, oneshot::Sender<Option<Vec<u8>>>>,
    /// Transaction messages on their way.
    sent_txs: HashMap<RequestId, Sent>,
    /// Hashes of messages of the engine that were judged.
    heard: Known,
    /// Head that was told to everybody last.
    told_head: B256,
    /// Head at which everybody connected was last asked about.
    reviewed_at: B256,
    /// Arrival of the youngest transaction at the last re-offer.
    reoffered_to: u64,
    /// Peers of other chains that were logged.
    strangers: HashSet<PeerId>,
    /// When what was gathered goes out.
    flush_at: Option<tokio::time::Instant>,
    /// When the next tick is.
    tick_at: tokio::time::Instant,
}

/// What this node has to tell.
struct Ours {
    blocks: mpsc::Receiver<SealedBlock>,
    gossip: mpsc::Receiver<handle::Ours>,
}

/// Starts the network: listens before it returns, then runs until `shutdown` is cancelled.
///
/// # Errors
/// [`NetworkError::Listen`] names an address that is taken or not ours.
pub async fn run(
    config: NetworkConfig,
    source: Arc<dyn BlockSource>,
    pool: Pool,
    shutdown: CancellationToken,
) -> Result<NetworkHandle, NetworkError> {
    let metrics = Arc::new(Metrics::default());
    let reserved = Reserved::new(&config.reserved, config.key.id())?;
    let gate = Gate::new(&config, reserved.peers().collect(), Arc::clone(&metrics));
    let mut swarm = build_swarm(&config, gate)?;
    let enode = listen(&mut swarm, &config).await?;
    tracing::info!(%enode, reserved = config.reserved.len(), "listening for peers");

    let tasks = TaskTracker::new();
    let directory = Arc::new(Directory::default());
    let wake_sync = Arc::new(Notify::new());
    let (commands, incoming) = mpsc::channel(COMMANDS);
    let (announce, to_announce) = mpsc::channel(ANNOUNCE);
    let (gossip, to_gossip) = mpsc::channel(GOSSIP);
    let asker = Asker(commands);
    let parts = announced::Parts {
        source: Arc::clone(&source),
        pool: pool.clone(),
        asker: asker.clone(),
        format: config.header_format,
        directory: Arc::clone(&directory),
        wake_sync: Arc::clone(&wake_sync),
        metrics: Arc::clone(&metrics),
    };
    let announced = Announced::spawn(&parts, &tasks, shutdown.clone());
    let sync = Sync {
        source: Arc::clone(&source),
        asker: asker.clone(),
        directory: Arc::clone(&directory),
        wake: wake_sync,
        metrics: Arc::clone(&metrics),
        format: config.header_format,
        max_fork_depth: config.max_fork_depth,
    };
    if config.follow {
        tasks.spawn(sync.run(shutdown.clone()));
    }
    let branches = Arc::new(Branches { source: Arc::downgrade(&source), format: config.header_format });
    let newly_pooled = pool.subscribe();
    let switch = Switch {
        told_head: source.status().hash,
        reviewed_at: source.status().hash,
        swarm,
        config,
        source,
        inbox: Arc::new(Inbox::new(pool.clone())),
        pool,
        peers: HashMap::new(),
        connections: 0,
        reserved,
        directory: Arc::clone(&directory),
        metrics: Arc::clone(&metrics),
        announced,
        parts,
        serving: Arc::new(Semaphore::new(SERVING)),
        taking: Arc::new(Semaphore::new(TAKING)),
        tasks: tasks.clone(),
        asker: asker.clone(),
        asks: HashMap::new(),
        sent_txs: HashMap::new(),
        heard: Known::new(HEARD),
        reoffered_to: 0,
        strangers: HashSet::new(),
        flush_at: None,
        tick_at: tokio::time::Instant::now(),
    };
    tasks.spawn(switch.run(incoming, Ours { blocks: to_announce, gossip: to_gossip }, newly_pooled, shutdown));
    tasks.close();
    Ok(NetworkHandle { announce, gossip, asker, branches, directory, metrics, enode, tasks })
}

fn build_swarm(config: &NetworkConfig, gate: Gate) -> Result<Swarm<Behaviour>, NetworkError> {
    let setup = |error: &dyn std::fmt::Display| NetworkError::Setup(error.to_string());
    let behaviour = Behaviour::new(gate, config.request_timeout);
    Ok(SwarmBuilder::with_existing_identity(config.key.keypair())
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .map_err(|error| setup(&error))?
        .with_behaviour(|_| behaviour)
        .map_err(|error| setup(&error))?
        .with_swarm_config(|swarm| swarm.with_idle_connection_timeout(IDLE))
        .build())
}

async fn listen(swarm: &mut Swarm<Behaviour>, config: &NetworkConfig) -> Result<Enode, NetworkError> {
    let address = config.listen;
    let failed = |source| NetworkError::Listen { address, source };
    if address.port() != 0 {
        // libp2p shares a port with whoever else shares it; a second node must fail instead.
        drop(TcpListener::bind(address).map_err(failed)?);
    }
    swarm.listen_on(reserved::multiaddr(address)).map_err(|error| match error {
        TransportError::Other(source) => failed(source),
        TransportError::MultiaddrNotSupported(_) => failed(io::ErrorKind::Unsupported.into()),
    })?;
    let port = loop {
        match swarm.select_next_some().await {
            SwarmEvent::NewListenAddr { address, .. } => {
                let port = address.iter().find_map(|part| if let Part::Tcp(port) = part { Some(port) } else { None });
                break port.unwrap_or(address_port(config));
            }
            SwarmEvent::ListenerClosed { reason: Err(source), .. }
            | SwarmEvent::ListenerError { error: source, .. } => {
                return Err(failed(source));
            }
            _ => {}
        }
    };
    let host = config.public_host.clone().unwrap_or_else(|| {
        if address.ip().is_unspecified() { "127.0.0.1".to_owned() } else { address.ip().to_string() }
    });
    Ok(Enode { id: config.key.id(), host, port })
}

const fn address_port(config: &NetworkConfig) -> u16 {
    config.listen.port()
}

/// Waits for a moment; for ever where there is none.
async fn until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

impl Switch {
    async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut ours: Ours,
        mut newly_pooled: broadcast::Receiver<Newly>,
        shutdown: CancellationToken,
    ) {
        let (mut second, mut reoffer) = (Instant::now(), Instant::now());
        let (mut announcing, mut gossiping) = (true, true);
        loop {
            // In this order: what consensus waits for comes before transactions.
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                block = ours.blocks.recv(), if announcing => match block {
                    Some(block) => self.announce_own(&block),
                    None => announcing = false,
                },
                message = ours.gossip.recv(), if gossiping => match message {
                    Some(ours) => self.gossip(&ours.message, None, ours.again),
                    None => gossiping = false,
                },
                () = until(self.flush_at) => self.flush_whole(),
                () = tokio::time::sleep_until(self.tick_at) => {
                    self.on_tick();
                    if second.elapsed() >= SECOND {
                        second = Instant::now();
                        self.on_second();
                    }
                    if reoffer.elapsed() >= REOFFER {
                        reoffer = Instant::now();
                        self.reoffer_waiting();
                    }
                    let pause = if self.is_calm() { CALM_TICK } else { TICK };
                    self.tick_at = tokio::time::Instant::now() + pause;
                }
                Some(command) = commands.recv() => self.on_command(command),
                event = self.swarm.select_next_some() => self.on_event(event),
                pooled = newly_pooled.recv() => self.on_pooled(pooled, &mut newly_pooled),
            }
        }
        let peers: Vec<_> = self.peers.keys().copied().collect();
        for peer in peers {
            self.directory.leave(&peer);
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        // Lets the connections close in order, so that peers notice at once.
        let closed = async {
            while self.swarm.connected_peers().next().is_some() {
                self.swarm.select_next_some().await;
            }
        };
        let _ = tokio::time::timeout(SECOND, closed).await;
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Ask { peer, request, answer } => {
                if self.peers.get(&peer).is_some_and(|peer| peer.ready) {
                    let id = self.swarm.behaviour_mut().sync.send_request(&peer, request.into());
                    self.asks.insert(id, answer);
                } else {
                    let _ = answer.send(None);
                }
            }
            Command::Answer { channel, bytes } => {
                // Whoever asked is gone, or waited too long.
                let _ = self.swarm.behaviour_mut().sync.send_response(channel, bytes);
            }
            Command::Relay { head, from } => self.relay(head, from),
            Command::Heard { message, from, relay } => self.on_heard(&message, from, relay),
            Command::Penalise { peer, amount, why } => self.penalise(peer, amount, why),
            Command::Dial { peer, addresses } => self.dial(peer, addresses),
            Command::Dismiss { peer, why } => self.dismiss(peer, &why),
        }
    }
}
