//! The client as its owner sees it: asked from any thread, heard of through a channel; the work is left to the driver.

use crate::address;
use crate::driver::{Command, Driver};
use mio::Waker;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;
use zeromaster_zookeeper::{ClientConfig, ErrorCode, Operation, Reply, SessionState, WatchEvent};

/// What the owner hears of, in the order in which it happened: an event before the reply that shows the change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    /// The session's state has changed.
    State {
        /// The state.
        state: SessionState,
        /// The server it is attached to, by its place in the connect string.
        server: Option<u32>,
    },
    /// What was submitted is completed.
    Completed {
        /// As submitted.
        tag: u64,
        /// The outcome.
        result: Result<Reply, ErrorCode>,
    },
    /// A watch went off.
    Event(WatchEvent),
    /// No server can have expired the session by itself before this time; see
    /// [`ClientOutput::Lease`](zeromaster_zookeeper::ClientOutput::Lease).
    Lease {
        /// The end of the lease.
        until: Instant,
    },
    /// A connection could not be opened, or broke. The client goes on by itself.
    Trouble(Trouble),
}

/// What went wrong with a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trouble {
    /// To which place.
    pub place: String,
    /// What went wrong.
    pub reason: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)
    }
}

/// Why a client cannot be started.
#[derive(Debug)]
pub enum StartError {
    /// The connect string names no server.
    NoServer {
        /// The connect string.
        connect_string: String,
    },
    /// The system gives no means to wait for sockets, or no thread.
    System(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::NoServer { connect_string } => write!(
                f,
                "the connect string {connect_string:?} names no server; it is a list like `one:2181,two:2181`"
            ),
            StartError::System(error) => write!(f, "no sockets or no thread to be had: {error}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::NoServer { .. } => None,
            StartError::System(error) => Some(error),
        }
    }
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        StartError::System(error)
    }
}

/// A client on a thread of its own.
///
/// Dropping it closes its connection without a word, as if the process had died: the session is left to expire.
#[derive(Debug)]
pub struct TcpClient {
    commands: Sender<Command>,
    waker: Arc<Waker>,
    thread: Option<JoinHandle<()>>,
}

impl TcpClient {
    /// Starts a client of the servers that `connect_string` names, `host:port,host:port`; without a port it is 2181. As
    /// many servers as it names are counted, whatever `config` says.
    ///
    /// # Errors
    ///
    /// If no server is named, or the system refuses what is needed.
    pub fn start(
        connect_string: &str,
        config: ClientConfig,
    ) -> Result<(TcpClient, Receiver<Notice>), StartError> {
        let places = address::places(connect_string);
        if places.is_empty() {
            return Err(StartError::NoServer { connect_string: connect_string.to_owned() });
        }
        let (commands, received) = channel();
        let (notices, noticed) = channel();
        let (driver, waker) = Driver::new(places, config, received, notices)?;
        let thread = thread::Builder::new().name("zookeeper-client".to_owned()).spawn(|| driver.run())?;
        Ok((TcpClient { commands, waker, thread: Some(thread) }, noticed))
    }

    /// Asks for an operation; its outcome is noticed under `tag`. Without a connection that is `ConnectionLoss`, unless
    /// the client's library waits.
    pub fn submit(&self, tag: u64, operation: Operation) {
        self.command(Command::Submit { tag, operation });
    }

    /// Asks for an operation and waits for its outcome, which is not noticed.
    ///
    /// # Errors
    ///
    /// As the server says, or `ConnectionLoss` when the outcome is not known.
    pub fn call(&self, operation: Operation) -> Result<Reply, ErrorCode> {
        let (answer, answered) = channel();
        self.command(Command::Call { operation, answer });
        answered.recv().unwrap_or(Err(ErrorCode::SessionExpired))
    }

    /// Whether the lease is to be kept up by writes of the client's own; see
    /// [`ClientInput::HoldLease`](zeromaster_zookeeper::ClientInput::HoldLease).
    pub fn hold_lease(&self, wanted: bool) {
        self.command(Command::HoldLease { wanted });
    }

    /// Ends the session, and waits for the server to say so. Without a connection the session is left to expire.
    pub fn close(self) {
        let (ended, has_ended) = channel();
        self.command(Command::Close { ended });
        // Nobody answers if the driver has ended by itself, which is what is waited for.
        let _ = has_ended.recv();
    }

    fn command(&self, command: Command) {
        // A driver that is gone can be told nothing; whoever waits for it finds out.
        let _ = self.commands.send(command);
        let _ = self.waker.wake();
    }
}

impl Drop for TcpClient {
    fn drop(&mut self) {
        self.command(Command::Leave);
        if let Some(thread) = self.thread.take() {
            // It only ends with a panic if a belief of ours is broken, and then it has said so itself.
            let _ = thread.join();
        }
    }
}
