//! What reaches the task that owns the node.

use crate::observer::{News, Trouble};
use futures_channel::mpsc::{Receiver, Sender, channel};
use std::future::poll_fn;
use zeromaster_core::identity::Address;
use zeromaster_core::message::Message;
use zeromaster_core::node::LoadFailure;
use zeromaster_core::operator::{OperatorRequest, Refusal};
use zeromaster_core::status::Version;
use zeromaster_zookeeper::ConnectionId;

/// How much may wait, besides one piece of each sender. Who brings more waits, and so does the other side of its connection.
const WAITING_MAX: usize = 256;

/// One piece of news.
#[derive(Debug)]
pub(crate) enum Mail {
    /// News of a connection to ZooKeeper.
    ZooKeeper { connection: ConnectionId, news: News },
    /// A node has sent a message.
    Message { from: Address, message: Message },
    /// A person asks something, and waits for the outcome here.
    Asked { request: OperatorRequest, outcome: Outcome },
    /// A load of a flow is over.
    Loaded { load: u64, attempt: Version, result: Result<(), LoadFailure> },
    /// The hand-over of the FlowFiles is over.
    Offloaded { version: Version },
    /// Something is wrong with somebody else.
    Trouble(Trouble),
    /// The process is asked to stop.
    Stop,
}

/// Where a person waits for an outcome.
pub(crate) type Outcome = futures_channel::oneshot::Sender<Result<(), Refusal>>;

/// Takes mail in.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox(Sender<Mail>);

/// The reader is gone: the process ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Gone;

/// A mailbox, and what comes out of it.
pub(crate) fn mailbox() -> (Mailbox, Receiver<Mail>) {
    let (sender, receiver) = channel(WAITING_MAX);
    (Mailbox(sender), receiver)
}

impl Mailbox {
    /// Puts a piece of mail in, when there is room.
    pub(crate) async fn post(&mut self, mail: Mail) -> Result<(), Gone> {
        poll_fn(|context| self.0.poll_ready(context)).await.map_err(|_| Gone)?;
        self.0.start_send(mail).map_err(|_| Gone)
    }

    /// Whether the reader is gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}
