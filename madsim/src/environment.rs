//! The shell's environment under madsim: its clock with the machine's own offset, its sockets, and the witness's disk.

use crate::shared::{CLIENT_PORT, Shared, ip, machine_at, now};
use crate::tcp::{self, Ends};
use crate::timer::Timer;
use madsim::net::TcpListener;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use zeromaster_core::effect::Durable;
use zeromaster_core::flow::DataFlow;
use zeromaster_core::node::LoadFailure;
use zeromaster_core::status::Version;
use zeromaster_runtime::{Environment, Listener, News, Place, Reader, Writer};
use zeromaster_sim::network::Endpoint;
use zeromaster_sim::plan::NodeNumber;
use zeromaster_sim::setup::node_of_host;
use zeromaster_zookeeper::ConnectionId;

/// How long the disk takes.
const DISK_WRITE: Duration = Duration::from_millis(1);

/// The world of one process: a node's, or a person's.
#[derive(Clone)]
pub(crate) struct MadsimEnvironment {
    pub(crate) shared: Shared,
    /// `None` for a person.
    pub(crate) node: Option<NodeNumber>,
    /// What the machine's clock shows at the start of the run.
    pub(crate) offset: Duration,
    /// The cluster protocol's port.
    pub(crate) port: u16,
}

impl MadsimEnvironment {
    fn own(&self) -> Option<Endpoint> {
        self.node.map(Endpoint::Node)
    }

    fn ends(&self, to: SocketAddr) -> Ends {
        Ends { shared: self.shared.clone(), own: self.own(), other: machine_at(to.ip()) }
    }

    fn hands_on(&self, read: tcp::Reader, written: tcp::Writer, of: Of) -> (NodeReader, NodeWriter) {
        let (shared, node) = (self.shared.clone(), self.node);
        let reader = NodeReader { shared: shared.clone(), node, of, half: read };
        (reader, NodeWriter { shared, node, of, half: written })
    }
}

/// Whose connection it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    Cluster,
    ZooKeeper(ConnectionId),
}

impl Environment for MadsimEnvironment {
    type Reader = NodeReader;
    type Writer = NodeWriter;
    type Listener = NodeListener;
    type Sleep = Timer;

    fn now(&self) -> Duration {
        Duration::from_micros(now().as_micros()) + self.offset
    }

    fn sleep_until(&self, at: Duration) -> Timer {
        Timer::after(at.saturating_sub(self.now()))
    }

    async fn listen(&self) -> io::Result<NodeListener> {
        let own = self.own().ok_or(io::ErrorKind::Unsupported)?;
        let listener = TcpListener::bind((ip(own), self.port)).await?;
        Ok(NodeListener { environment: self.clone(), own, listener })
    }

    async fn connect(&self, to: &Place) -> io::Result<(NodeReader, NodeWriter)> {
        match to {
            Place::Node(address) => {
                let node = node_of_host(&address.host).ok_or(io::ErrorKind::HostUnreachable)?;
                let to = SocketAddr::new(ip(Endpoint::Node(node)), address.port);
                let (_, reader, writer) = tcp::connect(self.ends(to), to).await?;
                Ok(self.hands_on(reader, writer, Of::Cluster))
            }
            Place::ZooKeeper(server) => {
                let node = self.node.ok_or(io::ErrorKind::Unsupported)?;
                // Whoever comes here is still wanted, so this is the connection that was asked for last.
                let connection = self.shared.now(|world| world.shell.current(node));
                let connection = connection.ok_or(io::ErrorKind::NotConnected)?;
                let to = SocketAddr::new(ip(Endpoint::ZooKeeper(server + 1)), CLIENT_PORT);
                let connected = tcp::connect(self.ends(to), to).await;
                let came = match &connected {
                    Ok(_) => News::Opened,
                    Err(error) => News::NotOpened(error.to_string()),
                };
                self.shared.now(|world| {
                    if let Ok((from, ..)) = &connected {
                        world.opened(*from, connection);
                    }
                    world.shell.came(node, connection, came);
                });
                let (_, reader, writer) = connected?;
                Ok(self.hands_on(reader, writer, Of::ZooKeeper(connection)))
            }
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        // It is not waited for; it ends with its machine.
        drop(madsim::task::spawn(task));
    }

    async fn persist(&self, durable: &Durable) -> io::Result<()> {
        let node = self.node.ok_or(io::ErrorKind::Unsupported)?;
        Timer::after(DISK_WRITE).await;
        self.shared.now(|world| {
            world.witness.persisted(node, durable.clone());
            world.shell.persisted(node, durable);
        });
        Ok(())
    }

    async fn load_flow(&self, _attempt: Version, _flow: Arc<DataFlow>) -> Result<(), LoadFailure> {
        let Some(node) = self.node else { return Err(LoadFailure::Other) };
        let (takes, result) = self.shared.now(|world| world.witness.load(node));
        Timer::after(takes).await;
        result
    }

    async fn offload(&self, _version: Version) {
        let takes = self.shared.now(|world| world.witness.offload());
        Timer::after(takes).await;
    }
}

/// Where a node's connections come in.
pub(crate) struct NodeListener {
    environment: MadsimEnvironment,
    own: Endpoint,
    listener: TcpListener,
}

impl Listener for NodeListener {
    type Reader = NodeReader;
    type Writer = NodeWriter;

    async fn accept(&mut self) -> io::Result<(NodeReader, NodeWriter)> {
        let (_, reader, writer) = tcp::accept(&self.listener, &self.environment.shared, self.own).await?;
        Ok(self.environment.hands_on(reader, writer, Of::Cluster))
    }
}

/// The receiving half of a node's connection.
pub(crate) struct NodeReader {
    shared: Shared,
    node: Option<NodeNumber>,
    of: Of,
    half: tcp::Reader,
}

impl Reader for NodeReader {
    async fn read(&mut self, bytes: &mut Vec<u8>) -> io::Result<bool> {
        let before = bytes.len();
        let read = self.half.read(bytes).await;
        if let (Of::ZooKeeper(connection), Some(node)) = (self.of, self.node) {
            let news = match &read {
                Ok(true) => News::Bytes(bytes[before..].to_vec()),
                Ok(false) | Err(_) => News::Closed(String::new()),
            };
            self.shared.now(|world| world.shell.came(node, connection, news));
        }
        read
    }
}

/// The sending half of a node's connection.
pub(crate) struct NodeWriter {
    shared: Shared,
    node: Option<NodeNumber>,
    of: Of,
    half: tcp::Writer,
}

impl Writer for NodeWriter {
    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let (Of::Cluster, Some(node)) = (self.of, self.node) {
            self.shared.now(|world| {
                if let Some((property, finding)) = world.shell.sent(node, bytes) {
                    world.witness.found(property, finding);
                }
            });
        }
        self.half.write(bytes).await
    }
}
