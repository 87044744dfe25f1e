//! The stage of the model: three of its servers, with a network between them that a seed makes slower or faster. The only
//! part of this crate that uses the model's code.

use super::scripts::{SYNC_LIMIT, TICK};
use super::stage::{Action, Answer, Ask, ClientId, Greeting, Held, PATIENCE, Part, Stage};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use zeromaster_zookeeper::server::Role;
use zeromaster_zookeeper::server::peer::LinkId;
use zeromaster_zookeeper::{
    ANY_VERSION, ClientMessage, ConnectionId, Create, CreateMode, ErrorCode, Operation, Password, Reply,
    Server, ServerConfig, ServerInput, ServerMessage, ServerOutput, SessionId, Zxid,
};

const SERVERS: usize = 3;

/// How long a message takes between two processes of one machine, to a disk included, in microseconds: at least, and at
/// most.
const LATENCY_US: (u64, u64) = (50, 4_000);

/// Three servers of the model.
pub struct ModelStage {
    now: Duration,
    random: ChaCha8Rng,
    machines: Vec<Machine>,
    clients: BTreeMap<ClientId, Client>,
    queue: BTreeMap<(Duration, u64), Event>,
    sequence: u64,
    /// When what was sent last on a stream arrives: nothing overtakes it.
    lanes: BTreeMap<Lane, Duration>,
    /// The links between servers that are open, by the server that opened them and the other one.
    links: BTreeMap<LinkId, [usize; 2]>,
}

struct Machine {
    server: Server,
    runs: bool,
    paused: bool,
    /// What has come while it was paused.
    waiting: VecDeque<ServerInput>,
    /// Counts the processes, so that what was sent to an earlier one is not given to a later one.
    process: u32,
}

struct Client {
    server: usize,
    process: u32,
    arrived: VecDeque<ServerMessage>,
    closed: bool,
    next_xid: i32,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lane {
    ToServer(ClientId),
    ToClient(ClientId),
    Peer(usize, LinkId),
}

enum Event {
    Wake(usize),
    /// For a server, if the process still runs that it was sent to.
    Input {
        server: usize,
        process: u32,
        input: ServerInput,
    },
    ToClient {
        client: ClientId,
        message: Option<ServerMessage>,
    },
}

impl ModelStage {
    /// Sets three servers up and lets them elect a leader.
    #[must_use]
    pub fn set(seed: u64) -> ModelStage {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let machines = (1..=u32::try_from(SERVERS).expect("three"))
            .map(|id| {
                let phase = random.next_u64() % u64::try_from(TICK.as_nanos()).expect("a tick is short");
                let config = ServerConfig {
                    id,
                    servers: u32::try_from(SERVERS).expect("three"),
                    tick: TICK,
                    sync_limit: SYNC_LIMIT,
                    first_session: SessionId((u64::from(id) << 56) + 1),
                    bucket_phase: Duration::from_nanos(phase),
                    choices: random.next_u64(),
                    ..ServerConfig::default()
                };
                let (runs, paused) = (true, false);
                Machine { server: Server::new(config), runs, paused, waiting: VecDeque::new(), process: 0 }
            })
            .collect();
        let mut stage = ModelStage {
            now: Duration::ZERO,
            random,
            machines,
            clients: BTreeMap::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            lanes: BTreeMap::new(),
            links: BTreeMap::new(),
        };
        (0..SERVERS).for_each(|server| stage.schedule(server));
        stage
    }

    fn push(&mut self, at: Duration, event: Event) {
        self.sequence += 1;
        self.queue.insert((at, self.sequence), event);
    }

    fn latency(&mut self) -> Duration {
        let (least, most) = LATENCY_US;
        Duration::from_micros(least + self.random.next_u64() % (most - least))
    }

    /// When something sent now arrives.
    fn arrival(&mut self, lane: Option<Lane>) -> Duration {
        let at = self.now + self.latency();
        match lane {
            None => at,
            Some(lane) => {
                let last = self.lanes.entry(lane).or_default();
                *last = at.max(*last);
                *last
            }
        }
    }

    fn schedule(&mut self, server: usize) {
        let machine = &self.machines[server];
        if let Some(deadline) = machine.server.next_deadline().filter(|_| machine.runs) {
            self.push(deadline.max(self.now), Event::Wake(server));
        }
    }

    /// Plays on until something holds, or until a time.
    fn run_until(&mut self, until: Duration, mut holds: impl FnMut(&ModelStage) -> bool) {
        while !holds(self) {
            match self.queue.first_key_value() {
                Some((&(at, _), _)) if at <= until => {
                    let ((at, _), event) = self.queue.pop_first().expect("it was just seen");
                    self.now = self.now.max(at);
                    self.happen(event);
                }
                Some(_) | None => {
                    self.now = self.now.max(until);
                    return;
                }
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Wake(server) => {
                let due = self.machines[server].server.next_deadline().is_some_and(|due| due <= self.now);
                if due && !self.machines[server].paused {
                    self.give(server, ServerInput::Wakeup);
                }
            }
            Event::Input { server, process, input } => {
                let machine = &mut self.machines[server];
                if machine.process != process || !machine.runs {
                    return;
                }
                if machine.paused {
                    machine.waiting.push_back(input);
                } else {
                    self.give(server, input);
                }
            }
            Event::ToClient { client, message } => {
                let Some(client) = self.clients.get_mut(&client) else { return };
                match message {
                    Some(message) if !client.closed => client.arrived.push_back(message),
                    Some(_) => {}
                    None => client.closed = true,
                }
            }
        }
    }

    fn give(&mut self, server: usize, input: ServerInput) {
        let mut outputs = Vec::new();
        let now = self.now;
        self.machines[server].server.handle(now, input, &mut outputs);
        for output in outputs {
            self.put(server, output);
        }
        self.schedule(server);
    }

    fn put(&mut self, server: usize, output: ServerOutput) {
        match output {
            ServerOutput::Send { connection, message } => self.send_to_client(connection, Some(message)),
            ServerOutput::Close { connection } => self.send_to_client(connection, None),
            ServerOutput::Notify { to, notification } => {
                let input = ServerInput::Notified { from: number(server), notification };
                self.send_to_server(index(to), None, input);
            }
            ServerOutput::SendPeer { to, link, message } => {
                let to = index(to);
                self.links.entry(link).or_insert([server, to]);
                if self.machines[to].runs {
                    let input = ServerInput::Peer { from: number(server), link, message };
                    self.send_to_server(to, Some(Lane::Peer(server, link)), input);
                } else {
                    self.links.remove(&link);
                    let input = ServerInput::PeerClosed { from: number(to), link };
                    self.send_to_server(server, Some(Lane::Peer(to, link)), input);
                }
            }
            ServerOutput::ClosePeer { to, link } => {
                self.links.remove(&link);
                let input = ServerInput::PeerClosed { from: number(server), link };
                self.send_to_server(index(to), Some(Lane::Peer(server, link)), input);
            }
            ServerOutput::Record(_) => {}
        }
    }

    fn send_to_client(&mut self, connection: ConnectionId, message: Option<ServerMessage>) {
        let client = ClientId(connection.0);
        let at = self.arrival(Some(Lane::ToClient(client)));
        self.push(at, Event::ToClient { client, message });
    }

    fn send_to_server(&mut self, server: usize, lane: Option<Lane>, input: ServerInput) {
        let at = self.arrival(lane);
        let process = self.machines[server].process;
        self.push(at, Event::Input { server, process, input });
    }

    fn client_says(&mut self, client: ClientId, input: ServerInput) {
        let (server, process) = (self.clients[&client].server, self.clients[&client].process);
        let at = self.arrival(Some(Lane::ToServer(client)));
        self.push(at, Event::Input { server, process, input });
    }

    fn kill(&mut self, server: usize) {
        self.give(server, ServerInput::Stopped);
        let machine = &mut self.machines[server];
        machine.runs = false;
        machine.paused = false;
        machine.waiting.clear();
        machine.process += 1;
        let clients: Vec<ClientId> =
            self.clients.iter().filter(|(_, client)| client.server == server).map(|(id, _)| *id).collect();
        for client in clients {
            self.send_to_client(ConnectionId(client.0), None);
        }
        let broken: Vec<(LinkId, [usize; 2])> = self
            .links
            .iter()
            .filter(|(_, ends)| ends.contains(&server))
            .map(|(link, ends)| (*link, *ends))
            .collect();
        for (link, ends) in broken {
            self.links.remove(&link);
            let other = if ends[0] == server { ends[1] } else { ends[0] };
            let input = ServerInput::PeerClosed { from: number(server), link };
            self.send_to_server(other, Some(Lane::Peer(server, link)), input);
        }
    }

    fn resume(&mut self, server: usize) {
        self.machines[server].paused = false;
        let process = self.machines[server].process;
        // What the kernel kept is read in order, a little later.
        let waiting = std::mem::take(&mut self.machines[server].waiting);
        let at = self.now + self.latency();
        for input in waiting {
            self.push(at, Event::Input { server, process, input });
        }
        self.schedule(server);
    }
}

/// The number of the server at a place, and the place of a number.
fn number(server: usize) -> u32 {
    u32::try_from(server + 1).expect("three servers")
}

fn index(number: u32) -> usize {
    number as usize - 1
}

impl Stage for ModelStage {
    fn now(&self) -> Duration {
        self.now
    }

    fn wait(&mut self, span: Duration) {
        let until = self.now + span;
        self.run_until(until, |_| false);
    }

    fn perform(&mut self, server: usize, action: Action) {
        match action {
            Action::Kill => self.kill(server),
            Action::Start => {
                self.machines[server].runs = true;
                self.give(server, ServerInput::Started);
            }
            Action::Pause => self.machines[server].paused = true,
            Action::Resume => self.resume(server),
        }
    }

    fn part(&mut self, server: usize) -> Option<Part> {
        // Asking takes a moment too.
        let latency = self.latency();
        self.wait(latency);
        let machine = &self.machines[server];
        if !machine.runs || machine.paused || !machine.server.is_serving() {
            return None;
        }
        match machine.server.role() {
            Role::Leading { .. } => Some(Part::Leader),
            Role::Following { .. } => Some(Part::Follower),
            Role::Looking => None,
        }
    }

    fn connect(&mut self, server: usize, timeout: Duration, held: Option<&Held>) -> Greeting {
        if !self.machines[server].runs {
            return Greeting::Refused;
        }
        self.sequence += 1;
        let client = ClientId(self.sequence);
        let connection = ConnectionId(client.0);
        let process = self.machines[server].process;
        let fresh = Client { server, process, arrived: VecDeque::new(), closed: false, next_xid: 1 };
        self.clients.insert(client, fresh);
        let session = held.map(|held| {
            let password = <[u8; 16]>::try_from(held.password.as_slice()).expect("a password has 16 bytes");
            (SessionId(held.session), Password(password))
        });
        let last_zxid_seen = Zxid(held.map_or(0, |held| held.last_zxid));
        self.client_says(client, ServerInput::Opened { connection, address: None });
        let message = ClientMessage::Connect { session, timeout, last_zxid_seen };
        self.client_says(client, ServerInput::Message { connection, message });
        let until = self.now + PATIENCE;
        self.run_until(until, |stage| {
            let client = &stage.clients[&client];
            client.closed || !client.arrived.is_empty()
        });
        let state = self.clients.get_mut(&client).expect("it was just put there");
        match state.arrived.pop_front() {
            Some(ServerMessage::Connected { session, password, .. }) => {
                let password = password.0.to_vec();
                Greeting::Attached(
                    client,
                    Held { session: session.0, password, timeout, last_zxid: last_zxid_seen.0 },
                )
            }
            Some(ServerMessage::Expired) => Greeting::Expired,
            Some(other) => panic!("a server answered a handshake with {other:?}"),
            None if state.closed => Greeting::Refused,
            None => Greeting::Silent,
        }
    }

    fn send(&mut self, client: ClientId, ask: &Ask) {
        let state = self.clients.get_mut(&client).expect("scripts ask with clients of theirs");
        let xid = state.next_xid;
        state.next_xid += 1;
        let operation = match ask {
            Ask::Create { path, ephemeral } => {
                let mode = if *ephemeral { CreateMode::Ephemeral } else { CreateMode::Persistent };
                Operation::Create(Create::open(path.as_str().into(), [].into(), mode).into())
            }
            Ask::Set { path } => {
                Operation::SetData { path: path.as_str().into(), data: Some([].into()), version: ANY_VERSION }
            }
            Ask::Version { path } => Operation::Exists { path: path.as_str().into(), watch: false },
            Ask::Sync => Operation::Sync { path: Some("/".into()) },
            Ask::Ping => {
                let connection = ConnectionId(client.0);
                return self
                    .client_says(client, ServerInput::Message { connection, message: ClientMessage::Ping });
            }
        };
        let message = ClientMessage::Request { xid, operation };
        self.client_says(client, ServerInput::Message { connection: ConnectionId(client.0), message });
    }

    fn receive(&mut self, client: ClientId, patience: Duration) -> Answer {
        let until = self.now + patience;
        self.run_until(until, |stage| {
            let client = &stage.clients[&client];
            client.closed || !client.arrived.is_empty()
        });
        let state = self.clients.get_mut(&client).expect("scripts ask with clients of theirs");
        match state.arrived.pop_front() {
            Some(ServerMessage::Reply { zxid, result, .. }) => answer(zxid, result),
            Some(ServerMessage::Pong { zxid }) => Answer::Done { zxid: zxid.0, version: 0 },
            Some(other) => panic!("nobody asked for {other:?}"),
            None if state.closed => Answer::Closed,
            None => Answer::Silent,
        }
    }

    fn is_closed(&mut self, client: ClientId) -> bool {
        self.clients[&client].closed
    }

    fn hang_up(&mut self, client: ClientId) {
        self.client_says(client, ServerInput::Closed { connection: ConnectionId(client.0) });
        self.clients.remove(&client);
    }
}

fn answer(zxid: Zxid, result: Result<Reply, ErrorCode>) -> Answer {
    match result {
        Ok(Reply::Exists { stat } | Reply::DataSet { stat }) => {
            Answer::Done { zxid: zxid.0, version: stat.version }
        }
        Ok(_) => Answer::Done { zxid: zxid.0, version: 0 },
        Err(ErrorCode::NoNode) => Answer::NoNode,
        Err(code) => Answer::Refused(code.number()),
    }
}
