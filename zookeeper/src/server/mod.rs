//! One server of an ensemble, or one that stands alone, as a pure state machine; clocks, wires and disks are left to others.
//!
//! | file | concern |
//! |---|---|
//! | `interface` | inputs, outputs, configuration |
//! | `peer` | what servers say to each other |
//! | `turn` | one call of `handle` |
//! | `connections`, `handshake`, `requests`, `pending`, `reads` | clients: who is connected, how a session begins, what waits for what |
//! | `apply` | what a transaction does |
//! | `disk` | what outlives the process: state, log, promises |
//! | `election` | who is to lead |
//! | `establish` | from an elected leader to one that serves |
//! | `leader`, `tracker`, `buckets`, `expiry` | proposals, ticks, expiry |
//! | `follower`, `touched` | the other side of `establish` and `leader` |
//!
//! A server that stands alone is its own leader, without a quorum: it proposes, commits and applies in one step. What it
//! does was held against real servers of both releases. An ensemble is what clients see of ZooKeeper's, not its bytes.

mod apply;
mod buckets;
mod connections;
mod disk;
mod election;
mod establish;
mod expiry;
mod follower;
mod handshake;
mod interface;
mod leader;
pub mod peer;
mod pending;
mod reads;
mod requests;
mod touched;
mod tracker;
mod turn;

use crate::replica::Replica;
use crate::transaction::Transaction;
use crate::tree::Tree;
use crate::types::{ConnectionId, SessionId, Zxid};
use crate::watches::Watches;
use alloc::sync::Arc;
use alloc::vec::Vec;
use connections::Connections;
use core::time::Duration;
use disk::{Disk, Log};
use election::Election;
use establish::Stage;
use follower::Follower;
pub use interface::{Role, ServerConfig, ServerInput, ServerOutput, ServerRecord};
use leader::Leader;
use peer::{LinkId, PeerMessage, Vote};
use pending::Pending;
use tracker::Owner;
use turn::Turn;

/// A server. Starts out running; its clock then shows zero.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Server {
    config: ServerConfig,
    running: bool,
    wall_ahead_ms: i64,
    disk: Disk,
    part: Part,
    /// The last round of voting that came to an end, and its outcome.
    ballot: (u64, Vote),
    connections: Connections,
    watches: Watches,
    pending: Pending,
    /// How many requests of this server were proposed, or passed on to a leader.
    numbers: u64,
}

/// What a server is doing.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Part {
    Looking(Election),
    Following(Follower),
    Leading(Leader),
}

impl Server {
    /// A fresh server. One that stands alone serves at once; others look for a leader at their first `Wakeup`.
    ///
    /// # Panics
    /// When `id` is not one of the `servers` or above 255, when `tick` or `container_check` is zero, or when
    /// `bucket_phase` is not below `tick`.
    #[must_use]
    pub fn new(config: ServerConfig) -> Self {
        assert!(1 <= config.id && config.id <= config.servers.min(255), "the server is one of its ensemble");
        assert!(!config.container_check.is_zero(), "containers are not checked without a pause");
        let mut replica = Replica::new(config.release, config.extended_types);
        if let (false, Some(members)) = (config.is_alone(), &config.members) {
            replica.set_ensemble(Arc::from(members.as_bytes()), config.wall_clock_ms);
        }
        let disk = Disk {
            replica,
            log: Log::default(),
            accepted_epoch: 0,
            current_epoch: 0,
            links: 0,
            next_session: config.first_session,
        };
        let watches = Watches::new(config.release);
        let itself = Vote { epoch: 0, zxid: Zxid(0), leader: config.id };
        let part = if config.is_alone() {
            Part::Leading(Leader::new(Duration::ZERO, &config, Stage::Serving, Zxid(0)))
        } else {
            Part::Looking(Election::new(Duration::ZERO, 1, itself))
        };
        Server {
            config,
            running: true,
            wall_ahead_ms: 0,
            disk,
            part,
            ballot: (0, itself),
            connections: Connections::new(),
            watches,
            pending: Pending::default(),
            numbers: 0,
        }
    }

    /// Whether the process is up.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// Whether clients are served. If not, a connection is closed at its first message.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        self.running
            && match &self.part {
                Part::Looking(_) => false,
                Part::Following(follower) => follower.is_serving(),
                Part::Leading(leader) => leader.stage == Stage::Serving,
            }
    }

    /// What the server is to the others. It may not serve yet.
    #[must_use]
    pub fn role(&self) -> Role {
        let epoch = self.disk.accepted_epoch;
        match &self.part {
            Part::Looking(_) => Role::Looking,
            Part::Following(follower) => Role::Following { leader: follower.leader, epoch },
            Part::Leading(_) => Role::Leading { epoch },
        }
    }

    /// The latest epoch that the server has promised to a leader: it follows no leader of an earlier one.
    #[must_use]
    pub fn accepted_epoch(&self) -> u32 {
        self.disk.accepted_epoch
    }

    /// The nodes, as of the last transaction applied.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        self.disk.replica.tree()
    }

    /// The last transaction applied.
    #[must_use]
    pub fn last_zxid(&self) -> Zxid {
        self.disk.replica.last_zxid()
    }

    /// The transactions applied behind `zxid`, in order. `None` when the server does not keep so many: an ensemble's
    /// keeps some hundred, one that stands alone none.
    pub fn applied_after(&self, zxid: Zxid) -> Option<impl Iterator<Item = &Transaction>> {
        let current = zxid >= self.last_zxid();
        self.disk.log.applied_behind(zxid).filter(|_| current || !self.config.is_alone())
    }

    /// The sessions, each with the timeout that was negotiated when it was opened, as of the last transaction applied.
    pub fn sessions(&self) -> impl Iterator<Item = (SessionId, Duration)> {
        self.disk.replica.sessions().iter().map(|(session, timeout)| (*session, *timeout))
    }

    /// The open connections, each with the session that it has or has asked for.
    pub fn connections(&self) -> impl Iterator<Item = (ConnectionId, Option<SessionId>)> {
        self.connections.iter().map(|(id, connection)| (id, connection.stage.session()))
    }

    /// How many requests of its clients wait: for the leader, or behind one that does. A front end should not read on from
    /// a client whose requests wait when there are many; ZooKeeper stops at a thousand (`globalOutstandingLimit`).
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.pending.len()
    }

    /// Whether a request of that connection waits.
    #[must_use]
    pub fn is_outstanding(&self, connection: ConnectionId) -> bool {
        let session = self.connections.get(connection).and_then(|connection| connection.stage.session());
        session.is_some_and(|session| self.pending.has(session))
    }

    /// The watches for the existence and the data of nodes, sorted by path: each with the session of its connection. It is
    /// these that ZooKeeper lists (`wchs`, `wchc`, `wchp`).
    pub fn data_watches(&self) -> impl Iterator<Item = (&Arc<str>, SessionId)> {
        let session = |connection| self.connections.get(connection)?.stage.session();
        self.watches.of_data().filter_map(move |(path, connection)| Some((path, session(connection)?)))
    }

    /// How many watches there are, for data and for children: one for each connection and path of either kind.
    #[must_use]
    pub fn watch_count(&self) -> usize {
        self.watches.len()
    }

    /// About how many bytes of memory the watches take. A client can ask for any number of them.
    #[must_use]
    pub fn watch_bytes(&self) -> usize {
        self.watches.bytes()
    }

    /// The connection whose watches take most memory, and how much that is. Its cost grows with the watches.
    #[must_use]
    pub fn heaviest_watcher(&self) -> Option<(ConnectionId, usize)> {
        self.watches.heaviest()
    }

    /// How many followers are in step, and are told of every proposal. `None` unless the server leads an ensemble.
    #[must_use]
    pub fn synced_followers(&self) -> Option<usize> {
        match &self.part {
            Part::Leading(leader) if !self.config.is_alone() => {
                Some(leader.members.values().filter(|member| member.is_in_step()).count())
            }
            Part::Looking(_) | Part::Following(_) | Part::Leading(_) => None,
        }
    }

    /// When the server wants its next `Wakeup`. `None` while it is stopped.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        if !self.running {
            return None;
        }
        let of_part = match &self.part {
            Part::Looking(election) => election.deadline(),
            Part::Following(follower) => follower.deadline(),
            Part::Leading(leader) => leader.deadline(self.config.is_alone()),
        };
        Some(self.connections.next_silence().map_or(of_part, |silence| of_part.min(silence)))
    }

    /// Learns something at `now` on the server's clock, and appends what is to be done to `outputs`.
    ///
    /// Only a `Wakeup` does what time brings, and then all that is due: what comes before it, even if late, comes first.
    pub fn handle(&mut self, now: Duration, input: ServerInput, outputs: &mut Vec<ServerOutput>) {
        let turn = &mut Turn::new(now, outputs);
        match input {
            ServerInput::WallClock { ahead_ms } => self.wall_ahead_ms = ahead_ms,
            ServerInput::Started => self.start(turn),
            input if self.running => self.hear(turn, input),
            ServerInput::Opened { .. }
            | ServerInput::Message { .. }
            | ServerInput::Closed { .. }
            | ServerInput::Notified { .. }
            | ServerInput::Peer { .. }
            | ServerInput::PeerClosed { .. }
            | ServerInput::Wakeup
            | ServerInput::ExpireSession { .. }
            | ServerInput::Stopped => {}
        }
    }

    fn hear(&mut self, turn: &mut Turn, input: ServerInput) {
        match input {
            ServerInput::Opened { connection, address } => {
                self.connections.open(turn.now, connection, address);
            }
            ServerInput::Message { connection, message } => self.receive(turn, connection, message),
            ServerInput::Closed { connection } => drop(self.forget(connection)),
            ServerInput::Notified { from, notification } => {
                if self.is_other(from) {
                    self.notified(turn, from, &notification);
                }
            }
            ServerInput::Peer { from, link, message } => {
                if self.is_other(from) {
                    self.hear_peer(turn, from, link, message);
                }
            }
            ServerInput::PeerClosed { from, link } => {
                self.lose_follower(from, link);
                self.lose_leader(turn, from, link);
            }
            ServerInput::Wakeup => self.wake(turn),
            ServerInput::ExpireSession { session } => self.expire(turn, session),
            ServerInput::Stopped => self.stop(turn),
            ServerInput::WallClock { .. } | ServerInput::Started => {}
        }
    }

    fn hear_peer(&mut self, turn: &mut Turn, from: u32, link: LinkId, message: PeerMessage) {
        match (&self.part, &message) {
            (Part::Leading(_), _) if !self.config.is_alone() => self.hear_follower(turn, from, link, message),
            (Part::Looking(_) | Part::Following(_) | Part::Leading(_), PeerMessage::FollowerInfo { .. }) => {
                // Nobody listens for followers here. It will try again, or look again.
                turn.close_peer(from, link);
            }
            (Part::Following(_), _) => self.hear_leader(turn, from, link, message),
            (Part::Looking(_) | Part::Leading(_), _) => {}
        }
    }

    /// Does what is due. Afterwards the next deadline lies ahead.
    fn wake(&mut self, turn: &mut Turn) {
        match &self.part {
            Part::Looking(_) => self.wake_election(turn),
            Part::Following(follower) => {
                if follower.deadline() <= turn.now {
                    self.wake_follower(turn);
                }
            }
            Part::Leading(leader) if leader.stage != Stage::Serving => {
                if leader.give_up_at <= turn.now {
                    self.look(turn);
                }
            }
            Part::Leading(leader) => {
                let beats = !self.config.is_alone() && leader.beat_at <= turn.now;
                let checks = leader.containers_at <= turn.now;
                self.expire_due(turn);
                if checks {
                    self.delete_containers(turn);
                }
                if beats {
                    self.beat(turn);
                }
            }
        }
        while let Some(connection) = self.connections.silent(turn.now) {
            self.close(turn, connection);
        }
    }

    /// Has no leader any more, or never had one: every client is turned away.
    fn look(&mut self, turn: &mut Turn) {
        self.leave(turn);
        let round = self.ballot.0.saturating_add(1);
        self.part = Part::Looking(Election::new(turn.now, round, self.vote_for_itself()));
        turn.record(ServerRecord::Looking);
        self.wake_election(turn);
    }

    /// Drops all connections and links, and everything that lives no longer than they.
    fn leave(&mut self, turn: &mut Turn) {
        self.connections.take_all().for_each(|connection| turn.close(connection));
        self.watches = Watches::new(self.config.release);
        self.pending.clear();
        match &self.part {
            Part::Looking(_) => {}
            Part::Following(follower) => turn.close_peer(follower.leader, follower.link),
            Part::Leading(leader) => {
                leader.members.iter().for_each(|(server, member)| turn.close_peer(*server, member.link));
            }
        }
    }

    fn stop(&mut self, turn: &mut Turn) {
        self.running = false;
        self.leave(turn);
    }

    fn start(&mut self, turn: &mut Turn) {
        if self.running {
            return;
        }
        self.running = true;
        self.ballot = (0, self.vote_for_itself());
        if self.config.is_alone() {
            let mut leader = Leader::new(turn.now, &self.config, Stage::Serving, self.last_zxid());
            for (session, timeout) in self.disk.replica.sessions() {
                leader.tracker.track(turn.now, *session, *timeout, None);
            }
            self.part = Part::Leading(leader);
        } else {
            self.look(turn);
        }
    }

    /// Checks what the server believes of itself. For tests and simulations; its cost grows with the state.
    ///
    /// # Panics
    /// When a belief is broken, which is a bug of this crate.
    pub fn check_invariants(&self) {
        let Disk { replica, log, .. } = &self.disk;
        replica.tree().check_invariants();
        self.watches.check_invariants();
        self.connections.check_invariants();
        log.check_invariants();
        assert!(
            self.config.is_alone() || log.last_applied() == replica.last_zxid(),
            "log and replica differ"
        );
        let serves = self.is_serving();
        assert!(
            serves || self.connections().all(|(_, session)| session.is_none()),
            "who does not serve has a client"
        );
        assert!(serves || self.pending.is_empty(), "who does not serve has something to do");
        self.pending.check_invariants(|session| self.connections.of_session(session).is_some());
        for connection in self.watches.connections() {
            assert!(self.connections.get(connection).is_some(), "a watch has outlived its connection");
        }
        for owner in replica.tree().ephemeral_owners() {
            assert!(
                replica.sessions().contains_key(&owner),
                "an ephemeral node has outlived session {owner}"
            );
        }
        if let (true, Part::Leading(leader)) = (serves, &self.part) {
            leader.tracker.check_invariants();
            let tracked = replica.sessions().keys().all(|session| leader.tracker.is_tracking(*session));
            assert!(tracked, "a leader does not track a session");
        }
    }

    /// The newest transaction that clients hear of. A new leader counts the beginning of its epoch as one: who has heard
    /// of it is turned away by the followers until there is a transaction in that epoch.
    #[must_use]
    pub fn visible_zxid(&self) -> Zxid {
        let applied = self.last_zxid();
        match &self.part {
            Part::Leading(_) if !self.config.is_alone() => {
                applied.max(Zxid::first_of(self.disk.accepted_epoch))
            }
            Part::Looking(_) | Part::Following(_) | Part::Leading(_) => applied,
        }
    }

    fn own_owner(&self) -> Owner {
        Owner { server: self.config.id, link: LinkId(0) }
    }

    fn quorum(&self) -> usize {
        self.config.servers as usize / 2 + 1
    }

    fn others(&self) -> impl Iterator<Item = u32> + use<> {
        let id = self.config.id;
        (1..=self.config.servers).filter(move |other| *other != id)
    }

    fn is_other(&self, id: u32) -> bool {
        id != self.config.id && 1 <= id && id <= self.config.servers
    }

    fn wall_ms(&self, now: Duration) -> i64 {
        let elapsed = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        self.config.wall_clock_ms.saturating_add(elapsed).saturating_add(self.wall_ahead_ms)
    }
}
