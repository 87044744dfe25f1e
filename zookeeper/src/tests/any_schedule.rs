//! Three or five servers under random delays, cuts, crashes and pauses, with clients that reconnect: what must hold in
//! any order of events.
//!
//! Every server's belief in itself is checked at every input, and what it applies is compared with what others have
//! applied (both by `ensemble`). Here: what a client was told stays true, and it never goes back in time; after all trouble
//! has ended, everybody soon agrees.

use super::ensemble::{Ensemble, Random};
use super::{create, exists, get_children, millis, set_data};
use crate::CreateMode::{Ephemeral, EphemeralSequential, Persistent};
use crate::transaction::TransactionBody;
use crate::{ConnectionId, Operation, Reply, ServerMessage, ServerOutput, SessionId, Zxid};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use proptest::prelude::*;

/// A client as simple as can be: it connects to some server, and again elsewhere when that is over.
#[derive(Default)]
struct Client {
    connection: Option<u64>,
    session: Option<SessionId>,
    seen: Zxid,
}

/// What a run has met with, to be sure that it says something.
#[derive(Default, Debug)]
struct Seen {
    leaders: u32,
    written: u32,
    lost: u32,
    expired: u32,
    attached: u32,
    moved: u32,
}

struct Schedule {
    random: Random,
    ensemble: Ensemble,
    clients: Vec<Client>,
    connections: u64,
    /// Sequential nodes that a client was told of, and their sessions.
    told: BTreeMap<String, (Zxid, SessionId)>,
    seen: Seen,
}

const CLIENTS: usize = 4;

impl Schedule {
    fn new(seed: u64, servers: u32) -> Self {
        let mut random = Random(seed);
        let phase = millis(random.below(2000));
        let jitter = [0, 5, 40, 300][random.below(4) as usize];
        let choices = random.below(3);
        let ensemble = Ensemble::with(servers, seed ^ 1, jitter, |config| {
            config.bucket_phase = phase;
            config.choices = choices;
        });
        let clients = (0..CLIENTS).map(|_| Client::default()).collect();
        Schedule { random, ensemble, clients, connections: 0, told: BTreeMap::new(), seen: Seen::default() }
    }

    fn any_server(&mut self) -> u32 {
        1 + self.random.below(u64::from(self.ensemble.ids().len() as u32)) as u32
    }

    fn trouble(&mut self) {
        let (one, other) = (self.any_server(), self.any_server());
        match self.random.below(12) {
            0 => self.ensemble.kill(one),
            1 => self.ensemble.kill(self.ensemble.leader().unwrap_or(one)),
            2..=4 => self.ensemble.start(one),
            5 => self.ensemble.pause(one),
            6..=7 => {
                let clock_first = self.random.below(2) == 0;
                self.ensemble.resume(one, clock_first);
            }
            8 if one != other => self.ensemble.cut(one, other),
            9 => {
                let leader = self.ensemble.leader().unwrap_or(one);
                self.ensemble.ids().into_iter().for_each(|id| self.ensemble.cut(leader, id));
            }
            _ => self.ensemble.heal(),
        }
    }

    fn client_acts(&mut self) {
        let index = self.random.below(CLIENTS as u64) as usize;
        let server = self.any_server();
        let client = &mut self.clients[index];
        match (client.connection, self.random.below(12)) {
            (None, 0..=7) | (Some(_), 11) => {
                self.connections += 1;
                client.connection = Some(self.connections);
                if self.ensemble.server(server).is_running() {
                    self.ensemble.connect(server, self.connections, client.session, client.seen);
                } else {
                    client.connection = None;
                }
            }
            (None, _) => {}
            (Some(connection), 0..=4) => {
                let operation = [
                    create("/s-", EphemeralSequential),
                    create(&format!("/e{index}"), Ephemeral),
                    create("/p-", crate::CreateMode::PersistentSequential),
                    set_data("/shared"),
                    Operation::Multi { operations: Vec::from([create("/shared", Persistent)]) },
                ];
                let operation = operation[self.random.below(5) as usize].clone();
                self.ensemble.request(connection, operation);
            }
            (Some(connection), 5) => {
                self.ensemble.request(connection, Operation::Sync { path: Some("/".into()) });
            }
            (Some(connection), 6) => self.ensemble.request(connection, exists("/shared")),
            (Some(connection), 7) => self.ensemble.request(connection, get_children("/")),
            (Some(connection), 8 | 9) => self.ensemble.ping(connection),
            (Some(connection), _) => {
                client.connection = None;
                self.ensemble.closed(connection);
            }
        }
    }

    fn hear(&mut self) {
        for (_, _, output) in core::mem::take(&mut self.ensemble.told) {
            match output {
                ServerOutput::Send { connection, message } => self.client_hears(connection, message),
                ServerOutput::Close { connection } => {
                    if let Some(client) = self.client_of(connection) {
                        client.connection = None;
                    }
                }
                ServerOutput::Record(record) => self.note(record),
                ServerOutput::Notify { .. }
                | ServerOutput::SendPeer { .. }
                | ServerOutput::ClosePeer { .. } => {
                    panic!("clients hear nothing of this")
                }
            }
        }
    }

    fn note(&mut self, record: crate::ServerRecord) {
        match record {
            crate::ServerRecord::Leads { .. } => self.seen.leaders += 1,
            crate::ServerRecord::SessionExpired { .. } => self.seen.expired += 1,
            crate::ServerRecord::SessionOpened { .. }
            | crate::ServerRecord::SessionClosed { .. }
            | crate::ServerRecord::Looking
            | crate::ServerRecord::Follows { .. } => {}
        }
    }

    fn client_of(&mut self, connection: ConnectionId) -> Option<&mut Client> {
        self.clients.iter_mut().find(|client| client.connection == Some(connection.0))
    }

    fn client_hears(&mut self, connection: ConnectionId, message: ServerMessage) {
        let Some(client) = self.client_of(connection) else { return };
        let session = client.session;
        match message {
            ServerMessage::Connected { session, .. } => {
                let again = client.session.replace(session) == Some(session);
                self.seen.attached += u32::from(again);
            }
            ServerMessage::Expired => {
                (client.session, client.seen) = (None, Zxid(0));
                self.seen.lost += 1;
            }
            ServerMessage::Pong { zxid } | ServerMessage::SessionClosed { zxid, .. } => client.sees(zxid),
            ServerMessage::Event { .. } => {}
            ServerMessage::Reply { zxid, result, .. } => {
                client.sees(zxid);
                if let Ok(Reply::CreatedWithStat { path, stat }) = result {
                    self.seen.written += 1;
                    let session = session.expect("who writes has a session");
                    if let Some((before, _)) = self.told.insert((*path).into(), (stat.czxid, session)) {
                        assert!(stat.czxid > before, "{path} was created twice at once");
                    }
                }
            }
        }
    }

    fn run(mut self, steps: u32) -> Seen {
        self.ensemble.run(millis(1000));
        let calm = self.random.below(3) * 10;
        for _ in 0..steps {
            match self.random.below(40 + calm) {
                0 => self.trouble(),
                1 => {
                    let length = millis(self.random.below(9000));
                    self.ensemble.run(length);
                }
                2..=10 => {
                    let length = millis(self.random.below(60));
                    self.ensemble.run(length);
                }
                _ => self.client_acts(),
            }
            self.hear();
        }
        self.check_end();
        self.seen
    }

    /// All trouble ends: a leader is found, within what a server that waits in vain for followers takes and some seconds,
    /// and everybody agrees.
    fn check_end(&mut self) {
        self.ensemble.heal();
        for id in self.ensemble.ids() {
            self.ensemble.resume(id, true);
            self.ensemble.start(id);
        }
        self.ensemble.run(millis(40_000));
        self.hear();
        assert!(self.ensemble.leader().is_some(), "there is no leader");
        assert!(self.ensemble.ids().iter().all(|id| self.ensemble.server(*id).is_serving()));
        self.ensemble.check_agreement();
        self.check_promises();
    }

    /// What was told of as written is written, and ended with its session, which ended once.
    fn check_promises(&mut self) {
        let mut open = BTreeSet::new();
        for transaction in self.ensemble.committed.values() {
            match &transaction.body {
                TransactionBody::OpenSession { .. } => {
                    assert!(open.insert(transaction.session), "a session is opened twice");
                }
                TransactionBody::CloseSession { .. } => drop(open.remove(&transaction.session)),
                TransactionBody::Write(_) | TransactionBody::EmptyMulti => {
                    assert!(open.contains(&transaction.session), "a session writes that is over");
                }
                TransactionBody::Refused(code) => {
                    self.seen.moved += u32::from(*code == crate::ErrorCode::SessionMoved);
                }
            }
        }
        let tree = self.ensemble.server(1).tree();
        for (path, (czxid, session)) in &self.told {
            assert!(self.ensemble.committed.contains_key(czxid), "{path} was never written");
            let ephemeral = !path.starts_with("/p-");
            let alive = tree.stat(path).is_ok_and(|stat| stat.czxid == *czxid);
            assert!(alive || ephemeral, "{path} is lost");
            assert!(alive == open.contains(session) || !ephemeral, "{path} lives as long as its session");
        }
    }
}

impl Client {
    fn sees(&mut self, zxid: Zxid) {
        assert!(zxid >= self.seen, "a client went back from {} to {zxid}", self.seen);
        self.seen = zxid;
    }
}

#[test]
fn servers_agree_and_keep_their_word_whatever_happens_between_them() {
    let mut total = Seen::default();
    for seed in 0..400 {
        let servers = if seed % 5 == 0 { 5 } else { 3 };
        let seen = Schedule::new(seed, servers).run(1500);
        total.leaders += seen.leaders;
        total.written += seen.written;
        total.lost += seen.lost;
        total.expired += seen.expired;
        total.attached += seen.attached;
        total.moved += seen.moved;
    }
    let least = [total.leaders, total.written / 20, total.lost, total.expired, total.attached, total.moved];
    assert!(least.iter().all(|count| *count > 100), "the runs have met with too little: {total:?}");
}

proptest! {
    #[test]
    fn servers_agree_under_any_schedule(seed: u64, servers in 2u32..=5, steps in 1u32..1500) {
        Schedule::new(seed, servers).run(steps);
    }
}
