//! What the shell needs of the world: a clock, sockets, a disk, tasks. Production and simulation differ in this alone.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use zeromaster_core::effect::Durable;
use zeromaster_core::flow::DataFlow;
use zeromaster_core::identity::Address;
use zeromaster_core::node::LoadFailure;
use zeromaster_core::status::Version;

/// Who can be connected to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Place {
    /// A node, by its cluster protocol address.
    Node(Address),
    /// A ZooKeeper server of the connect string, counted from 0.
    ZooKeeper(u32),
}

/// The world of one process.
pub trait Environment: Clone + Send + Sync + 'static {
    /// The receiving half of a connection.
    type Reader: Reader;
    /// The sending half of a connection.
    type Writer: Writer;
    /// Where connections come in.
    type Listener: Listener<Reader = Self::Reader, Writer = Self::Writer>;
    /// A wait for a moment. It may be asked again and again, and is kept while other things happen.
    type Sleep: Future<Output = ()> + Send;

    /// The process's monotonic clock, from an arbitrary zero that it keeps while the process lives.
    fn now(&self) -> Duration;

    /// Waits until the clock shows `at`, or a little more.
    fn sleep_until(&self, at: Duration) -> Self::Sleep;

    /// Listens at the node's cluster protocol address.
    ///
    /// # Errors
    /// When that cannot be.
    fn listen(&self) -> impl Future<Output = io::Result<Self::Listener>> + Send;

    /// Opens a connection. It may take for ever; who calls waits as long as it likes.
    ///
    /// # Errors
    /// When nobody is there.
    fn connect(&self, to: &Place) -> impl Future<Output = io::Result<(Self::Reader, Self::Writer)>> + Send;

    /// Starts a task, which ends with the process at the latest.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);

    /// Puts this on disk. When it is done, a crash does not undo it.
    ///
    /// # Errors
    /// When the disk does not take it. The process ends then, for it has nothing to stand on.
    fn persist(&self, durable: &Durable) -> impl Future<Output = io::Result<()>> + Send;

    /// Loads a flow into the process.
    fn load_flow(
        &self,
        attempt: Version,
        flow: Arc<DataFlow>,
    ) -> impl Future<Output = Result<(), LoadFailure>> + Send;

    /// Hands all FlowFiles to the other nodes.
    fn offload(&self, version: Version) -> impl Future<Output = ()> + Send;
}

/// Where connections come in.
pub trait Listener: Send + 'static {
    /// The receiving half of a connection.
    type Reader: Reader;
    /// The sending half of a connection.
    type Writer: Writer;

    /// The next connection.
    ///
    /// # Errors
    /// When one that was coming in is gone, or the system has no room for it.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Reader, Self::Writer)>> + Send;
}

/// The receiving half of a connection. When both halves are dropped, the connection is closed.
pub trait Reader: Send + 'static {
    /// Appends what has arrived to `bytes`, some of it at least; false when the other side has closed. When the wait for it
    /// is given up, nothing is lost.
    ///
    /// # Errors
    /// When the connection is broken.
    fn read(&mut self, bytes: &mut Vec<u8>) -> impl Future<Output = io::Result<bool>> + Send;
}

/// The sending half of a connection.
pub trait Writer: Send + 'static {
    /// Lets all of `bytes` out.
    ///
    /// # Errors
    /// When the connection is broken.
    fn write(&mut self, bytes: &[u8]) -> impl Future<Output = io::Result<()>> + Send;
}
