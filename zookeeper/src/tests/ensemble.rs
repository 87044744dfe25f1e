//! Several servers, the links between them, and clients that are played by the test: time stands still while a server
//! thinks, messages take a while, and processes die or stand still.

use super::millis;
use super::server::one_brief;
use crate::server::peer::{LinkId, PeerMessage};
use crate::sessions::password_of;
use crate::transaction::Transaction;
use crate::{
    ClientMessage, ConnectionId, Operation, Role, Server, ServerConfig, ServerInput, ServerMessage,
    ServerOutput, ServerRecord, SessionId, Zxid,
};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Bound::{Excluded, Included};
use core::time::Duration;

/// SplitMix64, so that a run depends on its seed alone.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

enum Event {
    To(u32, ServerInput),
    /// A message of this server on a link, which tells the sender when nobody is there.
    OnLink(u32, u32, ServerInput),
    Timer(u32),
}

/// A link, as its opener and the other side number themselves.
type Link = (u32, u32, LinkId);

pub(super) struct Ensemble {
    pub(super) now: Duration,
    servers: BTreeMap<u32, Server>,
    queue: BTreeMap<(Duration, u64), Event>,
    queued: u64,
    random: Random,
    /// A message takes one millisecond, and up to so many more.
    pub(super) jitter_ms: u64,
    /// What clients ask for: 4 s.
    pub(super) timeout: Duration,
    links: BTreeSet<Link>,
    /// When the last message of a link arrives, for each direction: a link keeps its order.
    last: BTreeMap<(u32, u32, LinkId), Duration>,
    /// Directions of links that have swallowed something.
    broken: BTreeSet<(u32, u32, LinkId)>,
    cut: BTreeSet<(u32, u32)>,
    paused: BTreeMap<u32, Vec<ServerInput>>,
    at: BTreeMap<ConnectionId, u32>,
    /// Connections that their clients have closed. Servers that do not know it yet may speak to them.
    gone: BTreeSet<ConnectionId>,
    /// What clients and the record were told, and by whom.
    pub(super) told: Vec<(Duration, u32, ServerOutput)>,
    /// What the leaders were told of sessions of followers: when, by whom, of which.
    pub(super) touches: Vec<(Duration, u32, SessionId)>,
    /// Everything that any server has applied.
    pub(super) committed: BTreeMap<Zxid, Transaction>,
    seen: BTreeMap<u32, Zxid>,
}

impl Ensemble {
    /// That many servers, at tick 2 s, which begin to look for a leader.
    pub(super) fn new(servers: u32) -> Self {
        Ensemble::with(servers, 0, 0, |_| {})
    }

    pub(super) fn with(servers: u32, seed: u64, jitter_ms: u64, adapt: impl Fn(&mut ServerConfig)) -> Self {
        let one = |id: u32| {
            let first_session = SessionId(u64::from(id) << 56 | 1);
            let mut config = ServerConfig { id, servers, first_session, ..ServerConfig::default() };
            adapt(&mut config);
            (id, Server::new(config))
        };
        let mut ensemble = Ensemble {
            now: Duration::ZERO,
            servers: (1..=servers).map(one).collect(),
            queue: BTreeMap::new(),
            queued: 0,
            random: Random(seed),
            jitter_ms,
            timeout: millis(4000),
            links: BTreeSet::new(),
            last: BTreeMap::new(),
            broken: BTreeSet::new(),
            cut: BTreeSet::new(),
            paused: BTreeMap::new(),
            at: BTreeMap::new(),
            gone: BTreeSet::new(),
            told: Vec::new(),
            touches: Vec::new(),
            committed: BTreeMap::new(),
            seen: (1..=servers).map(|id| (id, Zxid(0))).collect(),
        };
        (1..=servers).for_each(|id| ensemble.at(millis(0), Event::Timer(id)));
        ensemble
    }

    /// That many servers, some seconds after they have found a leader, which is the last of them.
    pub(super) fn settled(servers: u32) -> Self {
        let mut ensemble = Ensemble::new(servers);
        ensemble.run(millis(2000));
        assert_eq!(ensemble.leader(), Some(servers));
        assert!((1..=servers).all(|id| ensemble.server(id).is_serving()));
        ensemble.told.clear();
        ensemble
    }

    pub(super) fn server(&self, id: u32) -> &Server {
        &self.servers[&id]
    }

    pub(super) fn ids(&self) -> Vec<u32> {
        self.servers.keys().copied().collect()
    }

    /// The server that serves as leader of the newest epoch, if there is one.
    pub(super) fn leader(&self) -> Option<u32> {
        let leads = |(id, server): (&u32, &Server)| match server.role() {
            Role::Leading { epoch } if server.is_serving() => Some((epoch, *id)),
            Role::Leading { .. } | Role::Following { .. } | Role::Looking => None,
        };
        self.servers.iter().filter_map(leads).max().map(|(_, id)| id)
    }

    fn at(&mut self, time: Duration, event: Event) {
        self.queued += 1;
        self.queue.insert((time, self.queued), event);
    }

    fn latency(&mut self) -> Duration {
        millis(1 + self.random.below(self.jitter_ms + 1))
    }

    /// Lets so much time pass.
    pub(super) fn run(&mut self, length: Duration) {
        let end = self.now + length;
        while let Some(((time, _), _)) = self.queue.first_key_value()
            && *time <= end
        {
            let ((time, _), event) = self.queue.pop_first().expect("it was just seen");
            self.now = time;
            self.happens(event);
        }
        self.now = end;
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::To(to, input) => self.input(to, input),
            Event::OnLink(from, to, input) => {
                let (ServerInput::Peer { link, .. } | ServerInput::PeerClosed { link, .. }) = input else {
                    panic!("links carry messages of servers")
                };
                if self.cut.contains(&(from, to)) {
                    self.broken.insert((from, to, link));
                }
                if self.broken.contains(&(from, to, link)) {
                } else if self.servers[&to].is_running() {
                    self.input(to, input);
                } else {
                    self.carry(to, from, link, ServerInput::PeerClosed { from: to, link });
                }
            }
            Event::Timer(id) => {
                let due = self.servers[&id].next_deadline().is_some_and(|deadline| deadline <= self.now);
                if due && !self.paused.contains_key(&id) {
                    self.input(id, ServerInput::Wakeup);
                }
            }
        }
    }

    /// Gives an input to a server, now.
    pub(super) fn input(&mut self, id: u32, input: ServerInput) {
        if let Some(held) = self.paused.get_mut(&id) {
            return held.push(input);
        }
        self.note_touches(id, &input);
        let mut outputs = Vec::new();
        let server = self.servers.get_mut(&id).expect("the server is one of them");
        server.handle(self.now, input, &mut outputs);
        server.check_invariants();
        self.compare(id);
        if let Some(deadline) = self.servers[&id].next_deadline() {
            self.at(deadline.max(self.now), Event::Timer(id));
        }
        outputs.into_iter().for_each(|output| self.output(id, output));
    }

    fn note_touches(&mut self, id: u32, input: &ServerInput) {
        if let ServerInput::Peer { message: PeerMessage::Pong { touched }, .. } = input {
            let touches = touched.iter().map(|(session, _)| (self.now, id, *session));
            self.touches.extend(touches);
        }
    }

    /// What a server applies is what others have applied: the same transactions in the same order.
    fn compare(&mut self, id: u32) {
        let seen = self.seen[&id];
        let server = &self.servers[&id];
        for transaction in server.applied_after(seen).into_iter().flatten() {
            let newest = self.committed.last_key_value().map_or(Zxid(0), |(zxid, _)| *zxid);
            if transaction.zxid > newest {
                self.committed.insert(transaction.zxid, transaction.clone());
            }
            let same = self.committed.get(&transaction.zxid);
            assert_eq!(same, Some(transaction), "server {id} has applied something else");
        }
        if let Some(applied) = server.applied_after(seen) {
            let since = (Excluded(seen), Included(server.last_zxid().max(seen)));
            let others = self.committed.range(since).map(|(zxid, _)| *zxid);
            assert!(
                others.eq(applied.map(|transaction| transaction.zxid)),
                "server {id} has left something out"
            );
        }
        assert!(server.last_zxid() >= seen, "server {id} went back");
        self.seen.insert(id, server.last_zxid());
    }

    fn output(&mut self, from: u32, output: ServerOutput) {
        match output {
            ServerOutput::Notify { to, notification } => {
                if !self.cut.contains(&(from, to)) {
                    let arrives = self.now + self.latency();
                    self.at(arrives, Event::To(to, ServerInput::Notified { from, notification }));
                }
            }
            ServerOutput::SendPeer { to, link, message } => {
                if let PeerMessage::FollowerInfo { .. } = message {
                    self.links.insert((from, to, link));
                }
                self.carry(from, to, link, ServerInput::Peer { from, link, message });
            }
            ServerOutput::ClosePeer { to, link } => {
                self.links.remove(&(from, to, link));
                self.links.remove(&(to, from, link));
                self.carry(from, to, link, ServerInput::PeerClosed { from, link });
            }
            ServerOutput::Send { connection, .. } | ServerOutput::Close { connection }
                if self.gone.contains(&connection) => {}
            ServerOutput::Send { connection, .. } => {
                assert_eq!(self.at.get(&connection), Some(&from), "a message on a connection that is closed");
                self.told.push((self.now, from, output));
            }
            ServerOutput::Close { connection } => {
                assert_eq!(self.at.remove(&connection), Some(from), "a connection is closed twice");
                self.told.push((self.now, from, output));
            }
            ServerOutput::Record(_) => self.told.push((self.now, from, output)),
        }
    }

    fn carry(&mut self, from: u32, to: u32, link: LinkId, input: ServerInput) {
        if self.cut.contains(&(from, to)) {
            self.broken.insert((from, to, link));
        }
        if self.broken.contains(&(from, to, link)) {
            return;
        }
        let arrives = self.now + self.latency();
        let last = self.last.entry((from, to, link)).or_default();
        *last = arrives.max(*last);
        let arrives = *last;
        self.at(arrives, Event::OnLink(from, to, input));
    }

    /// The process dies, at once or because somebody stops it: the others are told, if they can be.
    pub(super) fn kill(&mut self, id: u32) {
        if !self.servers[&id].is_running() {
            return;
        }
        self.paused.remove(&id);
        let links: Vec<Link> =
            self.links.iter().copied().filter(|link| link.0 == id || link.1 == id).collect();
        let server = self.servers.get_mut(&id).expect("the server is one of them");
        let mut outputs = Vec::new();
        server.handle(self.now, ServerInput::Stopped, &mut outputs);
        server.check_invariants();
        for (opener, other, link) in links {
            self.links.remove(&(opener, other, link));
            let to = if opener == id { other } else { opener };
            self.carry(id, to, link, ServerInput::PeerClosed { from: id, link });
        }
        for connection in outputs.iter().filter_map(closed).filter(|known| !self.gone.contains(known)) {
            self.at.remove(&connection);
            self.told.push((self.now, id, ServerOutput::Close { connection }));
        }
    }

    pub(super) fn start(&mut self, id: u32) {
        self.input(id, ServerInput::Started);
    }

    /// The process stands still: what comes for it waits.
    pub(super) fn pause(&mut self, id: u32) {
        if self.servers[&id].is_running() {
            self.paused.entry(id).or_default();
        }
    }

    /// It goes on. Whether it first looks at the clock or at what has come, is open.
    pub(super) fn resume(&mut self, id: u32, clock_first: bool) {
        let Some(held) = self.paused.remove(&id) else { return };
        if clock_first {
            self.happens(Event::Timer(id));
        }
        held.into_iter().for_each(|input| self.input(id, input));
        self.happens(Event::Timer(id));
    }

    /// Nothing gets through between them any more, in both directions.
    pub(super) fn cut(&mut self, one: u32, other: u32) {
        self.cut.extend([(one, other), (other, one)]);
    }

    pub(super) fn heal(&mut self) {
        self.cut.clear();
    }

    /// A client opens a connection and asks for a session.
    pub(super) fn connect(&mut self, id: u32, connection: u64, session: Option<SessionId>, seen: Zxid) {
        let connection = ConnectionId(connection);
        self.at.insert(connection, id);
        self.input(id, ServerInput::Opened { connection, address: None });
        let session = session.map(|session| (session, password_of(session)));
        let timeout = self.timeout;
        let message = ClientMessage::Connect { session, timeout, last_zxid_seen: seen };
        self.message(connection.0, message);
    }

    /// Opens a session on a fresh connection, and waits until it is open.
    pub(super) fn open(&mut self, id: u32, connection: u64) -> SessionId {
        self.connect(id, connection, None, Zxid(0));
        self.run(millis(20));
        let attached = |output: &ServerOutput| match output {
            ServerOutput::Send { message: ServerMessage::Connected { session, .. }, .. } => Some(*session),
            _ => None,
        };
        let session = self.told.iter().rev().find_map(|(_, _, output)| attached(output));
        self.told.clear();
        session.expect("a session is opened")
    }

    /// Opens a session on each server, on the connection with its number.
    pub(super) fn open_on_each(&mut self) {
        for id in self.ids() {
            self.open(id, u64::from(id));
        }
    }

    pub(super) fn is_open(&self, connection: u64) -> bool {
        self.at.contains_key(&ConnectionId(connection))
    }

    pub(super) fn message(&mut self, connection: u64, message: ClientMessage) {
        let connection = ConnectionId(connection);
        if let Some(id) = self.at.get(&connection).copied() {
            self.input(id, ServerInput::Message { connection, message });
        }
    }

    pub(super) fn request(&mut self, connection: u64, operation: Operation) {
        self.message(connection, ClientMessage::Request { xid: 1, operation });
    }

    pub(super) fn ping(&mut self, connection: u64) {
        self.message(connection, ClientMessage::Ping);
    }

    /// The client is gone; its server notices.
    pub(super) fn closed(&mut self, connection: u64) {
        let connection = ConnectionId(connection);
        if let Some(id) = self.at.remove(&connection) {
            self.gone.insert(connection);
            self.input(id, ServerInput::Closed { connection });
        }
    }

    /// What was told since the last time, in short.
    pub(super) fn heard(&mut self) -> Vec<String> {
        core::mem::take(&mut self.told).iter().map(|(_, _, output)| one_brief(output)).collect()
    }

    /// When a record was made for the first time since the last `heard`.
    pub(super) fn recorded(&self, record: ServerRecord) -> Option<Duration> {
        let same = |(_, _, output): &&(Duration, u32, ServerOutput)| *output == ServerOutput::Record(record);
        self.told.iter().find(same).map(|(time, _, _)| *time)
    }

    /// All servers that run have applied the same, and everything.
    #[track_caller]
    pub(super) fn check_agreement(&self) {
        let newest = self.committed.last_key_value().map_or(Zxid(0), |(zxid, _)| *zxid);
        let running: Vec<_> = self.servers.values().filter(|server| server.is_running()).collect();
        for server in &running {
            assert_eq!(server.last_zxid(), newest, "a server lacks something");
            assert_eq!(server.tree(), running[0].tree(), "two servers differ");
            assert!(server.sessions().eq(running[0].sessions()), "two servers differ in their sessions");
        }
    }
}

fn closed(output: &ServerOutput) -> Option<ConnectionId> {
    match output {
        ServerOutput::Close { connection } => Some(*connection),
        ServerOutput::Send { .. }
        | ServerOutput::Notify { .. }
        | ServerOutput::SendPeer { .. }
        | ServerOutput::ClosePeer { .. }
        | ServerOutput::Record(_) => None,
    }
}
