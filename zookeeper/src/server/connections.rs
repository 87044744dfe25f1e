//! The table of clients' connections: how far each has come, whose it is, and when it has been silent for too long; what
//! is said on them is left to the server.

use super::buckets::Buckets;
use super::expiry::{Expires, Expiry, ExpiryQueue};
use crate::acl::Identity;
use crate::authentication::Identities;
use crate::protocol::ClientMessage;
use crate::types::{ConnectionId, SessionId};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// How long a connection may be silent before it has a session, and the width of the buckets in which silent connections
/// are closed, with a session or without. ZooKeeper's `zookeeper.nio.sessionlessCnxnTimeout`.
const SESSIONLESS_TIMEOUT: Duration = Duration::from_secs(10);

/// How many messages a client may send before its handshake is answered. A real server does not read any; as many as
/// ZooKeeper reads ahead of its answers (`globalOutstandingLimit`) are plenty.
const HELD_MAX: usize = 1000;

/// How far a connection has come.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Stage {
    /// Nothing was heard on it.
    Fresh,
    /// It has asked for a session; what came since waits.
    Handshaking {
        session: SessionId,
        held: VecDeque<ClientMessage>,
    },
    Attached {
        session: SessionId,
    },
}

/// On which side of the handshake somebody speaks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Speaker {
    Newcomer,
    Waiting,
    Client(SessionId),
}

impl Stage {
    fn speaker(&self) -> Speaker {
        match self {
            Stage::Fresh => Speaker::Newcomer,
            Stage::Handshaking { .. } => Speaker::Waiting,
            Stage::Attached { session } => Speaker::Client(*session),
        }
    }

    pub(super) fn waits_for(&self, asked: SessionId) -> bool {
        match self {
            Stage::Fresh | Stage::Attached { .. } => false,
            Stage::Handshaking { session, .. } => *session == asked,
        }
    }

    pub(super) fn session(&self) -> Option<SessionId> {
        match self {
            Stage::Fresh => None,
            Stage::Handshaking { session, .. } | Stage::Attached { session } => Some(*session),
        }
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Connection {
    pub(super) stage: Stage,
    /// As whom the client may act.
    pub(super) identities: Identities,
    /// Where it comes from, as an identity.
    pub(super) origin: Option<Arc<Identity>>,
    /// The timeout that its handshake has negotiated.
    pub(super) timeout: Duration,
    silence: Expiry,
}

impl Expires for Connection {
    #[inline]
    fn expiry(&self) -> Option<Expiry> {
        Some(self.silence)
    }
}

/// All connections.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Connections {
    nobody: Arc<[Identity]>,
    of: BTreeMap<ConnectionId, Connection>,
    /// The connection that has named the session last.
    of_session: BTreeMap<SessionId, ConnectionId>,
    silence: ExpiryQueue<ConnectionId>,
}

impl Connections {
    pub(super) fn new() -> Self {
        Connections {
            nobody: Arc::from([]),
            of: BTreeMap::new(),
            of_session: BTreeMap::new(),
            silence: ExpiryQueue::new(),
        }
    }

    /// A client has opened a connection. Nothing happens when there is such a connection.
    pub(super) fn open(&mut self, now: Duration, id: ConnectionId, address: Option<Arc<str>>) {
        if self.of.contains_key(&id) {
            return;
        }
        let origin = address.map(|address| Identity { scheme: "ip".into(), id: (*address).into() });
        let known = origin.as_ref().map_or_else(|| self.nobody.clone(), |ip| Arc::from([ip.clone()]));
        let identities = Identities::new(known);
        let timeout = SESSIONLESS_TIMEOUT;
        let silence = self.silence.enter(id, BUCKETS.end_after(now, timeout));
        let (stage, origin) = (Stage::Fresh, origin.map(Arc::new));
        self.of.insert(id, Connection { stage, identities, origin, timeout, silence });
        self.silence.settle(id, &self.of);
    }

    pub(super) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        self.of.get(&id)
    }

    /// Something was heard on a connection: who has said it, and the connection's timeout.
    pub(super) fn heard(&mut self, now: Duration, id: ConnectionId) -> Option<(Speaker, Duration)> {
        let connection = self.of.get_mut(&id)?;
        let heard = (connection.stage.speaker(), connection.timeout);
        if !BUCKETS.is_end_after(connection.silence.at(), now, connection.timeout) {
            let silent_at = BUCKETS.end_after(now, connection.timeout);
            self.silence.put_off(id, &mut connection.silence, silent_at);
            self.silence.settle(id, &self.of);
        }
        Some(heard)
    }

    /// A connection asks for a session.
    pub(super) fn ask(&mut self, now: Duration, id: ConnectionId, session: SessionId, timeout: Duration) {
        let connection = self.of.get_mut(&id).expect("who asks is connected");
        connection.stage = Stage::Handshaking { session, held: VecDeque::new() };
        connection.timeout = timeout;
        let before = self.of_session.insert(session, id);
        assert!(before.is_none(), "the session's other connection was closed before");
        self.heard(now, id);
    }

    /// Keeps a message until the handshake is answered. False when there are too many.
    #[must_use]
    pub(super) fn hold(&mut self, id: ConnectionId, message: ClientMessage) -> bool {
        match self.of.get_mut(&id).map(|connection| &mut connection.stage) {
            Some(Stage::Handshaking { held, .. }) if held.len() < HELD_MAX => {
                held.push_back(message);
                true
            }
            Some(Stage::Fresh | Stage::Handshaking { .. } | Stage::Attached { .. }) | None => false,
        }
    }

    /// The handshake is answered: gives back what has come since it began.
    pub(super) fn attach(&mut self, id: ConnectionId) -> VecDeque<ClientMessage> {
        let connection = self.of.get_mut(&id).expect("who attaches is connected");
        let session = connection.stage.session().expect("who attaches has asked for a session");
        match core::mem::replace(&mut connection.stage, Stage::Attached { session }) {
            Stage::Handshaking { held, .. } => held,
            Stage::Fresh | Stage::Attached { .. } => VecDeque::new(),
        }
    }

    /// The client has proved more identities.
    pub(super) fn add_identities(&mut self, id: ConnectionId, added: Vec<Identity>) {
        if let Some(connection) = self.of.get_mut(&id) {
            connection.identities.add(added);
        }
    }

    /// As whom the client may act, in any order. Nobody when it is gone.
    pub(super) fn identities(&self, id: ConnectionId) -> &[Identity] {
        self.of.get(&id).map_or(&self.nobody, |connection| connection.identities.all())
    }

    /// As whom the client may act, in the order in which ZooKeeper lists them. Nobody when it is gone.
    pub(super) fn listed_identities(&mut self, id: ConnectionId) -> Arc<[Identity]> {
        self.of.get_mut(&id).map_or(&self.nobody, |connection| connection.identities.listed()).clone()
    }

    /// The connection that has named the session last, if it is open.
    pub(super) fn of_session(&self, session: SessionId) -> Option<ConnectionId> {
        self.of_session.get(&session).copied()
    }

    /// Forgets a connection. False when there is none.
    pub(super) fn remove(&mut self, id: ConnectionId) -> bool {
        let Some(connection) = self.of.remove(&id) else { return false };
        self.silence.settle(id, &self.of);
        if let Some(session) = connection.stage.session() {
            let named = self.of_session.remove(&session);
            assert_eq!(named, Some(id), "a session has one connection on a server");
        }
        true
    }

    /// Forgets all connections, and says which there were.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = ConnectionId> {
        self.of_session.clear();
        self.silence.clear();
        core::mem::take(&mut self.of).into_keys()
    }

    pub(super) fn next_silence(&self) -> Option<Duration> {
        self.silence.first().map(|(silent_at, _)| silent_at)
    }

    /// A connection that has been silent for too long.
    pub(super) fn silent(&self, now: Duration) -> Option<ConnectionId> {
        self.silence.first().filter(|(silent_at, _)| *silent_at <= now).map(|(_, id)| id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ConnectionId, &Connection)> {
        self.of.iter().map(|(id, connection)| (*id, connection))
    }

    pub(super) fn check_invariants(&self) {
        self.silence.check_invariants(self.iter().map(|(id, connection)| (id, connection.silence)));
        let named = self.iter().filter_map(|(id, connection)| Some((connection.stage.session()?, id)));
        let named: BTreeMap<_, _> = named.collect();
        assert_eq!(named, self.of_session, "connections and sessions disagree");
    }
}

const BUCKETS: Buckets = Buckets { width: SESSIONLESS_TIMEOUT, phase: Duration::ZERO };
