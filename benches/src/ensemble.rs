//! ZooKeeper's servers without a simulator: what one says, another has at once, and time passes only when somebody says so.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use zeromaster_zookeeper::{
    ANY_VERSION, ClientMessage, ConnectionId, Create, CreateMode, Operation, Role, Server, ServerConfig,
    ServerInput, ServerMessage, ServerOutput, SessionId, Zxid,
};

/// Steps after which servers that do not come to rest never will.
const STEPS_MAX: u32 = 10_000_000;

/// The longest that servers with the usual tick grant.
const SESSION_TIMEOUT: Duration = Duration::from_secs(40);

/// An ensemble, and the clients of its sessions, who are spread over its servers.
pub struct Ensemble {
    servers: Vec<Server>,
    now: Duration,
    inputs: VecDeque<(usize, ServerInput)>,
    outputs: Vec<ServerOutput>,
    sessions: u64,
    /// What the clients were told that no timer caused.
    told: u64,
    xid: i32,
}

impl Ensemble {
    /// So many servers that serve so many sessions, each of which owns an ephemeral node.
    ///
    /// # Panics
    /// When the servers do not come to serve: a bug of theirs.
    #[must_use]
    pub fn serving(servers: u32, sessions: u64) -> Ensemble {
        let server = |id: u32| {
            let first_session = SessionId(u64::from(id) << 56 | 1);
            Server::new(ServerConfig { id, servers, first_session, ..ServerConfig::default() })
        };
        let mut ensemble = Ensemble {
            servers: (1..=servers).map(server).collect(),
            now: Duration::ZERO,
            inputs: VecDeque::new(),
            outputs: Vec::new(),
            sessions,
            told: 0,
            xid: 0,
        };
        while !ensemble.servers.iter().all(Server::is_serving) {
            ensemble.pass(Duration::from_millis(100));
        }
        for session in 0..sessions {
            let connection = ConnectionId(session);
            ensemble.input(session, ServerInput::Opened { connection, address: None });
            let (timeout, last_zxid_seen) = (SESSION_TIMEOUT, Zxid(0));
            ensemble.say(session, ClientMessage::Connect { session: None, timeout, last_zxid_seen });
            let create = Create::open(path(session), Arc::from([0; 16]), CreateMode::Ephemeral);
            ensemble.ask(session, Operation::Create(create.into()));
        }
        ensemble
    }

    /// Lets time pass in which every session of many is heard of once in a third of its timeout, if it is done once for
    /// each.
    pub fn pass_a_share(&mut self) {
        self.pass(SESSION_TIMEOUT / 3 / u32::try_from(self.sessions).unwrap_or(u32::MAX));
    }

    /// A client pings.
    pub fn ping(&mut self, session: u64) {
        self.say(session, ClientMessage::Ping);
    }

    /// A client reads its node.
    pub fn get(&mut self, session: u64) {
        self.ask(session, Operation::GetData { path: path(session), watch: false });
    }

    /// A client writes its node.
    pub fn set(&mut self, session: u64) {
        let data = Some(Arc::from([1; 16]));
        self.ask(session, Operation::SetData { path: path(session), data, version: ANY_VERSION });
    }

    /// How many sessions the leader knows.
    #[must_use]
    pub fn sessions(&self) -> usize {
        let leads = |server: &&Server| matches!(server.role(), Role::Leading { .. });
        self.servers.iter().find(leads).map_or(0, |leader| leader.sessions().count())
    }

    fn ask(&mut self, session: u64, operation: Operation) {
        self.xid = self.xid.wrapping_add(1) & i32::MAX;
        self.say(session, ClientMessage::Request { xid: self.xid, operation });
    }

    /// A client says something, and is answered.
    fn say(&mut self, session: u64, message: ClientMessage) {
        let told = self.told;
        self.input(session, ServerInput::Message { connection: ConnectionId(session), message });
        assert_eq!(self.told, told + 1, "who asks is answered, once");
    }

    fn input(&mut self, session: u64, input: ServerInput) {
        let server = session % self.servers.len() as u64;
        self.inputs.push_back((server as usize, input));
        self.settle();
    }

    fn pass(&mut self, length: Duration) {
        self.now += length;
        for server in 0..self.servers.len() {
            if self.servers[server].next_deadline().is_some_and(|at| at <= self.now) {
                self.inputs.push_back((server, ServerInput::Wakeup));
            }
        }
        self.settle();
    }

    /// Hands over what the servers say, until they say nothing more.
    fn settle(&mut self) {
        let mut outputs = std::mem::take(&mut self.outputs);
        let mut steps = 0;
        while let Some((server, input)) = self.inputs.pop_front() {
            self.servers[server].handle(self.now, input, &mut outputs);
            let from = server as u32 + 1;
            for output in outputs.drain(..) {
                let (to, input) = match output {
                    ServerOutput::Notify { to, notification } => {
                        (to, ServerInput::Notified { from, notification })
                    }
                    ServerOutput::SendPeer { to, link, message } => {
                        (to, ServerInput::Peer { from, link, message })
                    }
                    ServerOutput::ClosePeer { to, link } => (to, ServerInput::PeerClosed { from, link }),
                    ServerOutput::Send { message, .. } => {
                        assert!(!matches!(message, ServerMessage::Expired), "no session ends");
                        self.told += 1;
                        continue;
                    }
                    ServerOutput::Close { connection } => unreachable!("{connection:?} is closed"),
                    ServerOutput::Record(_) => continue,
                };
                self.inputs.push_back((to as usize - 1, input));
            }
            steps += 1;
            assert!(steps < STEPS_MAX, "servers come to rest");
        }
        self.outputs = outputs;
    }
}

fn path(session: u64) -> Arc<str> {
    format!("/n{session}").into()
}
