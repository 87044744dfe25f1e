//! One logical ZooKeeper server: joins tree, watches and sessions; replication and the wire are left to others.
//!
//! Logical, because it stands for an ensemble that is always in agreement: clients may reach it through any number of
//! servers, and a session that is attached anew is taken to have *moved* to another of them. Its old connection is
//! then closed at its next write, while its reads still succeed. (One real server alone would close the old connection
//! at once.)

use crate::path::parent_of;
use crate::protocol::{ClientMessage, ServerMessage};
use crate::sessions::{Buckets, Session, Sessions, password_of};
use crate::tree::{Stamp, Tree};
use crate::types::{
    ConnectionId, ErrorCode, EventKind, Operation, Password, Reply, SessionId, WatchEvent, Zxid,
};
use crate::watches::Watches;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// What an administrator configures, and the one choice that a real server leaves to chance.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct ServerConfig {
    /// `tickTime`: above zero. 2 s by default.
    pub tick: Duration,
    /// `minSessionTimeout`; two ticks when `None`.
    pub session_timeout_min: Option<Duration>,
    /// `maxSessionTimeout`; twenty ticks when `None`. Wins over the minimum when it is below it.
    pub session_timeout_max: Option<Duration>,
    /// Where the expiry buckets end: at this time and every tick after it. Below `tick`. On a real server it depends
    /// on when its machine was started.
    pub bucket_phase: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        ServerConfig {
            tick: Duration::from_secs(2),
            session_timeout_min: None,
            session_timeout_max: None,
            bucket_phase: Duration::ZERO,
        }
    }
}

impl ServerConfig {
    /// The session timeout a client gets that asks for `requested`.
    #[must_use]
    pub fn negotiate(&self, requested: Duration) -> Duration {
        let least = self.session_timeout_min.unwrap_or(self.tick.saturating_mul(2));
        let most = self.session_timeout_max.unwrap_or(self.tick.saturating_mul(20));
        requested.max(least).min(most)
    }
}

/// What the server learns.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum ServerInput {
    /// A client has opened a connection.
    Opened {
        /// The connection.
        connection: ConnectionId,
    },
    /// A message has arrived. On a connection that is not open it is ignored.
    Message {
        /// The connection.
        connection: ConnectionId,
        /// The message.
        message: ClientMessage,
    },
    /// The other side of a connection went away. The session stays until it expires.
    Closed {
        /// The connection.
        connection: ConnectionId,
    },
    /// `now` has reached [`Server::next_deadline`].
    Wakeup,
    /// An administrator or a fault expires a session before its time.
    ExpireSession {
        /// The session; nothing happens when there is none.
        session: SessionId,
    },
    /// The server stops: all connections drop, sessions and tree stay. Everything is ignored until it starts again.
    Stopped,
    /// The server serves again. Every session gets its full timeout again.
    Started,
}

/// What the server wants done, in this order.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum ServerOutput {
    /// Send a message.
    Send {
        /// On this connection.
        connection: ConnectionId,
        /// The message.
        message: ServerMessage,
    },
    /// Close a connection, after what was sent on it. The server has forgotten it and expects no `Closed` for it.
    Close {
        /// The connection.
        connection: ConnectionId,
    },
    /// A session was opened. For the record.
    SessionOpened {
        /// The session.
        session: SessionId,
        /// Its negotiated timeout.
        timeout: Duration,
    },
    /// A session has expired; the events of its ephemeral nodes follow. For the record.
    SessionExpired {
        /// The session.
        session: SessionId,
    },
    /// A session was closed by its client; the events of its ephemeral nodes follow. For the record.
    SessionClosed {
        /// The session.
        session: SessionId,
    },
}

/// The server. Starts out running.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Server {
    config: ServerConfig,
    running: bool,
    last_zxid: Zxid,
    tree: Tree,
    watches: Watches,
    sessions: Sessions,
    /// The open connections, with their session once they are attached to one.
    connections: BTreeMap<ConnectionId, Option<SessionId>>,
}

impl Server {
    /// A fresh server.
    ///
    /// # Panics
    /// When `tick` is zero, or `bucket_phase` is not below `tick`.
    #[must_use]
    pub fn new(config: ServerConfig) -> Self {
        let sessions = Sessions::new(Buckets { tick: config.tick, phase: config.bucket_phase });
        Server {
            config,
            running: true,
            last_zxid: Zxid(0),
            tree: Tree::new(),
            watches: Watches::default(),
            sessions,
            connections: BTreeMap::new(),
        }
    }

    /// Whether the server serves.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// The nodes.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The newest transaction.
    #[must_use]
    pub fn last_zxid(&self) -> Zxid {
        self.last_zxid
    }

    /// The sessions that are alive, by id.
    pub fn sessions(&self) -> impl Iterator<Item = (SessionId, &Session)> {
        self.sessions.iter()
    }

    /// When the server wants its next `Wakeup`: when the next session expires. `None` while it is stopped.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        self.sessions.next_expiry().filter(|_| self.running).map(|(expires_at, _)| expires_at)
    }

    /// Learns something at `now` on the server's clock, and appends what is to be done to `outputs`.
    ///
    /// Sessions whose time has come expire first, whatever the input, so that a late `Wakeup` makes no difference.
    pub fn handle(&mut self, now: Duration, input: ServerInput, outputs: &mut Vec<ServerOutput>) {
        if self.running {
            self.expire_due(now, outputs);
        } else if !matches!(input, ServerInput::Started) {
            return;
        }
        match input {
            ServerInput::Opened { connection } => {
                self.connections.entry(connection).or_insert(None);
            }
            ServerInput::Message { connection, message } => self.receive(now, connection, message, outputs),
            ServerInput::Closed { connection } => self.forget(connection),
            ServerInput::Wakeup => {}
            ServerInput::ExpireSession { session } => self.expire(now, session, outputs),
            ServerInput::Stopped => self.stop(outputs),
            ServerInput::Started => self.start(now),
        }
    }

    /// Checks what the server believes of itself. For tests and simulations; its cost grows with the state.
    ///
    /// # Panics
    /// When a belief is broken, which is a bug of this crate.
    pub fn check_invariants(&self) {
        self.tree.check_invariants();
        self.watches.check_invariants();
        self.sessions.check_invariants();
        assert!(self.running || self.connections.is_empty(), "a stopped server has connections");
        let attached: BTreeMap<_, _> = self.sessions.attachments().collect();
        let connected =
            self.connections.iter().filter_map(|(id, session)| session.map(|session| (*id, session)));
        assert!(attached.into_iter().eq(connected), "sessions and connections disagree on who is attached");
        for connection in self.watches.connections() {
            assert!(self.connections.contains_key(&connection), "a watch has outlived its connection");
        }
        for owner in self.tree.ephemeral_owners() {
            assert!(self.sessions.is_alive(owner), "an ephemeral node has outlived session {owner}");
        }
    }

    fn start(&mut self, now: Duration) {
        if !self.running {
            self.running = true;
            self.sessions.touch_all(now);
        }
    }

    fn stop(&mut self, outputs: &mut Vec<ServerOutput>) {
        self.running = false;
        self.watches = Watches::default();
        self.sessions.detach_all();
        let connections = core::mem::take(&mut self.connections);
        outputs.extend(connections.into_keys().map(|connection| ServerOutput::Close { connection }));
    }

    fn receive(
        &mut self,
        now: Duration,
        connection: ConnectionId,
        message: ClientMessage,
        outputs: &mut Vec<ServerOutput>,
    ) {
        let Some(attached) = self.connections.get(&connection).copied() else { return };
        match (attached, message) {
            (None, ClientMessage::Connect { session, timeout, last_zxid_seen }) => {
                self.connect(now, connection, session, timeout, last_zxid_seen, outputs);
            }
            (Some(session), message) => {
                self.sessions.touch(now, session);
                self.serve(now, connection, session, message, outputs);
            }
            (
                None,
                ClientMessage::Ping
                | ClientMessage::Request { .. }
                | ClientMessage::SetWatches { .. }
                | ClientMessage::CloseSession { .. },
            ) => self.close(connection, outputs),
        }
    }

    fn connect(
        &mut self,
        now: Duration,
        connection: ConnectionId,
        asked: Option<(SessionId, Password)>,
        timeout: Duration,
        last_zxid_seen: Zxid,
        outputs: &mut Vec<ServerOutput>,
    ) {
        if last_zxid_seen > self.last_zxid {
            // Serving this client would take it back in time.
            return self.close(connection, outputs);
        }
        let timeout = self.config.negotiate(timeout);
        let session = match asked {
            None => {
                self.next_stamp(now);
                let session = self.sessions.open(now, connection, timeout);
                outputs.push(ServerOutput::SessionOpened { session, timeout });
                session
            }
            Some((session, password)) => {
                let known = password == password_of(session);
                if !known || !self.sessions.attach(now, session, connection, timeout) {
                    outputs.push(ServerOutput::Send { connection, message: ServerMessage::Expired });
                    return self.close(connection, outputs);
                }
                session
            }
        };
        self.connections.insert(connection, Some(session));
        let message = ServerMessage::Connected { session, password: password_of(session), timeout };
        outputs.push(ServerOutput::Send { connection, message });
    }

    /// Serves a message of a connection that is attached to `session`.
    fn serve(
        &mut self,
        now: Duration,
        connection: ConnectionId,
        session: SessionId,
        message: ClientMessage,
        outputs: &mut Vec<ServerOutput>,
    ) {
        match message {
            ClientMessage::Connect { .. } => self.close(connection, outputs),
            ClientMessage::Ping => {
                let message = ServerMessage::Pong { zxid: self.last_zxid };
                outputs.push(ServerOutput::Send { connection, message });
            }
            ClientMessage::Request { xid, operation } => {
                let stamp = if operation.is_write() { self.next_stamp(now) } else { self.stamp(now) };
                if operation.is_write() && !self.sessions.owns(session, connection) {
                    // The session has moved. No client ever sees an error for it.
                    return self.close(connection, outputs);
                }
                let result = self.perform(stamp, connection, session, operation, outputs);
                let message = ServerMessage::Reply { xid, zxid: self.last_zxid, result };
                outputs.push(ServerOutput::Send { connection, message });
            }
            ClientMessage::SetWatches { relative_zxid, data, exist, child } => {
                self.set_watches(connection, relative_zxid, [data, exist, child], outputs);
            }
            ClientMessage::CloseSession { xid } => self.close_session(now, connection, session, xid, outputs),
        }
    }

    /// Performs an operation; the events it causes are sent before its reply.
    fn perform(
        &mut self,
        stamp: Stamp,
        connection: ConnectionId,
        session: SessionId,
        operation: Operation,
        outputs: &mut Vec<ServerOutput>,
    ) -> Result<Reply, ErrorCode> {
        match operation {
            Operation::Create { path, data, mode } => {
                let (path, stat) = self.tree.create(stamp, session, &path, data, mode)?;
                self.fire(EventKind::NodeCreated, &path, outputs);
                self.fire_parent(&path, outputs);
                Ok(Reply::Created { path, stat })
            }
            Operation::Delete { path, version } => {
                self.tree.delete(stamp, &path, version)?;
                self.fire(EventKind::NodeDeleted, &path, outputs);
                self.fire_parent(&path, outputs);
                Ok(Reply::Deleted)
            }
            Operation::SetData { path, data, version } => {
                let stat = self.tree.set_data(stamp, &path, data, version)?;
                self.fire(EventKind::NodeDataChanged, &path, outputs);
                Ok(Reply::DataSet { stat })
            }
            Operation::Exists { path, watch } => {
                if watch {
                    self.watches.add_data(&path, connection);
                }
                self.tree.stat(&path).map(|stat| Reply::Exists { stat })
            }
            Operation::GetData { path, watch } => {
                let (data, stat) = self.tree.data(&path)?;
                if watch {
                    self.watches.add_data(&path, connection);
                }
                Ok(Reply::Data { data, stat })
            }
            Operation::GetChildren { path, watch } => {
                let (children, stat) = self.tree.children(&path)?;
                if watch {
                    self.watches.add_child(&path, connection);
                }
                Ok(Reply::Children { children, stat })
            }
            Operation::Sync { path: _ } => Ok(Reply::Synced),
        }
    }

    /// Arms watches again, or tells what they have missed. Here a path on two lists may be told of twice.
    fn set_watches(
        &mut self,
        connection: ConnectionId,
        relative_zxid: Zxid,
        [data, exist, child]: [Vec<Arc<str>>; 3],
        outputs: &mut Vec<ServerOutput>,
    ) {
        let mut tell = |kind, path| {
            let message = ServerMessage::Event(WatchEvent { kind, path });
            outputs.push(ServerOutput::Send { connection, message });
        };
        for path in data {
            match self.tree.stat(&path) {
                Err(_) => tell(EventKind::NodeDeleted, path),
                Ok(stat) if stat.mzxid > relative_zxid => tell(EventKind::NodeDataChanged, path),
                Ok(_) => self.watches.add_data(&path, connection),
            }
        }
        for path in exist {
            match self.tree.stat(&path) {
                Ok(_) => tell(EventKind::NodeCreated, path),
                Err(_) => self.watches.add_data(&path, connection),
            }
        }
        for path in child {
            match self.tree.stat(&path) {
                Err(_) => tell(EventKind::NodeDeleted, path),
                Ok(stat) if stat.pzxid > relative_zxid => tell(EventKind::NodeChildrenChanged, path),
                Ok(_) => self.watches.add_child(&path, connection),
            }
        }
    }

    fn expire_due(&mut self, now: Duration, outputs: &mut Vec<ServerOutput>) {
        while let Some((expires_at, session)) = self.sessions.next_expiry()
            && expires_at <= now
        {
            self.expire(now, session, outputs);
        }
    }

    /// Expires a session. Its own connections are not told of its ephemeral nodes; they are closed after the others
    /// were told.
    fn expire(&mut self, now: Duration, session: SessionId, outputs: &mut Vec<ServerOutput>) {
        let Some(attached) = self.sessions.remove(session) else { return };
        for connection in &attached {
            self.connections.remove(connection);
            self.watches.remove_connection(*connection);
        }
        outputs.push(ServerOutput::SessionExpired { session });
        self.end_ephemerals(now, session, outputs);
        outputs.extend(attached.into_iter().map(|connection| ServerOutput::Close { connection }));
    }

    /// Closes a session as its client asked. That may come through a connection that does not own it any more.
    fn close_session(
        &mut self,
        now: Duration,
        connection: ConnectionId,
        session: SessionId,
        xid: u32,
        outputs: &mut Vec<ServerOutput>,
    ) {
        let attached = self.sessions.remove(session).expect("an attached session is alive");
        assert!(attached.contains(&connection), "a connection was not listed with its session");
        outputs.push(ServerOutput::SessionClosed { session });
        self.end_ephemerals(now, session, outputs);
        outputs.push(ServerOutput::Send { connection, message: ServerMessage::SessionClosed { xid } });
        for connection in attached {
            self.close(connection, outputs);
        }
    }

    /// Ends the ephemeral nodes of a session in one transaction. ZooKeeper deletes them in an unspecified order; here
    /// it is the order of their paths.
    fn end_ephemerals(&mut self, now: Duration, session: SessionId, outputs: &mut Vec<ServerOutput>) {
        let stamp = self.next_stamp(now);
        for path in self.tree.delete_ephemerals(stamp, session) {
            self.fire(EventKind::NodeDeleted, &path, outputs);
            self.fire_parent(&path, outputs);
        }
    }

    fn fire(&mut self, kind: EventKind, path: &str, outputs: &mut Vec<ServerOutput>) {
        self.watches.trigger(kind, path, |connection, event| {
            outputs.push(ServerOutput::Send { connection, message: ServerMessage::Event(event) });
        });
    }

    fn fire_parent(&mut self, path: &str, outputs: &mut Vec<ServerOutput>) {
        let parent = parent_of(path).expect("a node below the root has a parent");
        self.fire(EventKind::NodeChildrenChanged, parent, outputs);
    }

    fn close(&mut self, connection: ConnectionId, outputs: &mut Vec<ServerOutput>) {
        self.forget(connection);
        outputs.push(ServerOutput::Close { connection });
    }

    fn forget(&mut self, connection: ConnectionId) {
        if let Some(attached) = self.connections.remove(&connection) {
            self.watches.remove_connection(connection);
            if let Some(session) = attached {
                self.sessions.detach(session, connection);
            }
        }
    }

    fn next_stamp(&mut self, now: Duration) -> Stamp {
        self.last_zxid = Zxid(self.last_zxid.0 + 1);
        self.stamp(now)
    }

    fn stamp(&self, now: Duration) -> Stamp {
        Stamp { zxid: self.last_zxid, millis: u64::try_from(now.as_millis()).unwrap_or(u64::MAX) }
    }
}
