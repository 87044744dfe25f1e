//! What a script of failures needs of the ensemble it is played on, be it real or the model; what is played is left to the
//! scripts.

use std::fmt;
use std::time::Duration;

/// How often something is looked at that may change at any moment.
pub const POLL: Duration = Duration::from_millis(5);

/// How long an answer is waited for when nothing else is said.
pub const PATIENCE: Duration = Duration::from_secs(6);

/// What is done to a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// `kill -9`.
    Kill,
    /// Start it again on the same disk.
    Start,
    /// SIGSTOP: its connections stay open and silent.
    Pause,
    /// SIGCONT.
    Resume,
}

/// Which part a server plays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// It leads.
    Leader,
    /// It follows.
    Follower,
}

/// A client's connection, numbered by the stage.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ClientId(pub u64);

/// A session, as its client has to show it to another server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    /// Its id.
    pub session: u64,
    /// Its password.
    pub password: Vec<u8>,
    /// The timeout asked for.
    pub timeout: Duration,
    /// The newest transaction that its client has seen.
    pub last_zxid: u64,
}

/// What a server says to a client that comes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Greeting {
    /// The connection is attached to the session.
    Attached(ClientId, Held),
    /// The session is over.
    Expired,
    /// Nobody listens, or the connection was closed.
    Refused,
    /// No answer within [`PATIENCE`], or what was given.
    Silent,
}

/// A request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ask {
    /// Creates a node without data.
    Create {
        /// Where.
        path: String,
        /// Whether it goes with the session.
        ephemeral: bool,
    },
    /// Replaces data, whatever the version.
    Set {
        /// Where.
        path: String,
    },
    /// Asks for the version of the data.
    Version {
        /// Where.
        path: String,
    },
    /// Waits until the server has caught up.
    Sync,
    /// Keeps the session alive.
    Ping,
}

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Done, at this transaction; with the version of the data where there is one, and 0 where not.
    Done {
        /// The newest transaction of the server.
        zxid: u64,
        /// The version of the node's data.
        version: i32,
    },
    /// There is no such node.
    NoNode,
    /// Refused for another reason: ZooKeeper's number of it.
    Refused(i32),
    /// The server has closed the connection.
    Closed,
    /// Nothing came in time.
    Silent,
}

impl Answer {
    /// Whether it was done.
    #[must_use]
    pub fn is_done(self) -> bool {
        matches!(self, Answer::Done { .. })
    }
}

/// An ensemble of three servers with a tick of 200 ms, `initLimit` 10 and `syncLimit` 5, and clients on it.
pub trait Stage {
    /// The time since the stage was set.
    fn now(&self) -> Duration;

    /// Lets time pass.
    fn wait(&mut self, span: Duration);

    /// Does something to a server; servers are numbered from 0.
    fn perform(&mut self, server: usize, action: Action);

    /// Which part a server plays, by its own word; `None` when it does not serve or does not answer.
    fn part(&mut self, server: usize) -> Option<Part>;

    /// Opens a connection to a server for a new session with this timeout, or for one that is held.
    fn connect(&mut self, server: usize, timeout: Duration, held: Option<&Held>) -> Greeting;

    /// Sends a request and does not wait.
    fn send(&mut self, client: ClientId, ask: &Ask);

    /// Waits for the answer to the oldest request that has none.
    fn receive(&mut self, client: ClientId, patience: Duration) -> Answer;

    /// Whether the server has closed the connection by now.
    fn is_closed(&mut self, client: ClientId) -> bool;

    /// Closes the connection without a word. The session stays.
    fn hang_up(&mut self, client: ClientId);

    /// Sends a request and waits for its answer.
    fn ask(&mut self, client: ClientId, ask: &Ask) -> Answer {
        self.send(client, ask);
        self.receive(client, PATIENCE)
    }
}

/// What was seen while a script was played.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Findings {
    /// How long something took.
    pub times: Vec<(&'static str, Duration)>,
    /// What must hold and did not.
    pub broken: Vec<String>,
}

impl Findings {
    /// Notes how long something took.
    pub fn took(&mut self, what: &'static str, time: Duration) {
        self.times.push((what, time));
    }

    /// Notes what must hold, if it does not.
    pub fn must(&mut self, holds: bool, what: impl fmt::Display) {
        if !holds {
            self.broken.push(what.to_string());
        }
    }
}
