//! The stage of real servers: processes that are killed and stopped, and raw connections to them.

use super::scripts::{SYNC_LIMIT, TICK};
use super::stage::{Action, Answer, Ask, ClientId, Greeting, Held, PATIENCE, Part, Stage};
use crate::jute::{Reader, Writer};
use crate::raw::{Connected, Connection, Handshake, Message, Received, XID_PING};
use crate::real::{Config, Distribution, Ensemble, Mode, StartError};
use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

const CREATE: i32 = 1;
const EXISTS: i32 = 3;
const SET_DATA: i32 = 5;
const SYNC: i32 = 9;
const PING: i32 = 11;
const NO_NODE: i32 = -101;

/// Three real servers.
#[derive(Debug)]
pub struct RealStage {
    ensemble: Ensemble,
    begun: Instant,
    clients: BTreeMap<ClientId, Client>,
    next: u64,
}

#[derive(Debug)]
struct Client {
    connection: Connection,
    next_xid: i32,
    closed: bool,
    /// What has come already, and nobody has asked for.
    arrived: Vec<Message>,
}

impl RealStage {
    /// Starts three servers and waits until they serve.
    ///
    /// # Errors
    ///
    /// If one of them cannot be started.
    pub fn set(distribution: &Distribution) -> Result<RealStage, StartError> {
        let config = Config {
            tick_time_ms: u32::try_from(TICK.as_millis()).expect("a tick is short"),
            init_limit: 10,
            sync_limit: SYNC_LIMIT,
            ..Config::default()
        };
        let ensemble = Ensemble::start(distribution, &config, 3)?;
        Ok(RealStage { ensemble, begun: Instant::now(), clients: BTreeMap::new(), next: 0 })
    }

    fn client(&mut self, client: ClientId) -> &mut Client {
        self.clients.get_mut(&client).expect("scripts ask with clients of theirs")
    }
}

impl Client {
    /// Takes in what comes until a deadline, or until there is an answer to give.
    fn listen(&mut self, patience: Duration) {
        if self.closed {
            return;
        }
        match self.connection.receive(patience) {
            Ok(Received::Frame(frame)) => match Message::decode(&frame) {
                Ok(Message::Event(..)) => {}
                Ok(message) => self.arrived.push(message),
                Err(_) => self.closed = true,
            },
            Ok(Received::Silence) => {}
            Ok(Received::Closed) | Err(_) => self.closed = true,
        }
    }

    fn answer(message: &Message) -> Answer {
        let (header, body) = match message {
            Message::Reply(header, body) => (header, body.as_slice()),
            Message::Ping(header) | Message::Event(header, _) => (header, [].as_slice()),
        };
        match header.error {
            0 => Answer::Done { zxid: header.zxid.cast_unsigned(), version: version_of(body) },
            NO_NODE => Answer::NoNode,
            other => Answer::Refused(other),
        }
    }
}

/// The data version in a body that is a stat; 0 when it is something else.
fn version_of(stat: &[u8]) -> i32 {
    let mut reader = Reader::new(stat);
    let longs = (0..4).all(|_| reader.long().is_ok());
    if longs { reader.int().unwrap_or(0) } else { 0 }
}

impl Stage for RealStage {
    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    fn wait(&mut self, span: Duration) {
        thread::sleep(span);
    }

    fn perform(&mut self, server: usize, action: Action) {
        let server = self.ensemble.server_mut(server);
        match action {
            Action::Kill => server.kill(),
            Action::Start => server.start().expect("a server that has run before can be started again"),
            Action::Pause => server.pause(),
            Action::Resume => server.resume(),
        }
    }

    fn part(&mut self, server: usize) -> Option<Part> {
        match self.ensemble.servers()[server].mode()? {
            Mode::Leader => Some(Part::Leader),
            Mode::Follower => Some(Part::Follower),
            Mode::Standalone => None,
        }
    }

    fn connect(&mut self, server: usize, timeout: Duration, held: Option<&Held>) -> Greeting {
        let timeout_ms = i32::try_from(timeout.as_millis()).expect("timeouts are short");
        let handshake = match held {
            None => Handshake::new_session(timeout_ms),
            Some(held) => Handshake::resume(
                &Connected {
                    protocol_version: 0,
                    timeout_ms,
                    session_id: held.session.cast_signed(),
                    password: held.password.clone(),
                    read_only: Some(false),
                },
                held.last_zxid.cast_signed(),
            ),
        };
        let address = self.ensemble.servers()[server].address();
        match Connection::connect(address, &handshake, PATIENCE) {
            Ok((_, connected)) if connected.is_expired() => Greeting::Expired,
            Ok((connection, connected)) => {
                let client = ClientId(self.next);
                self.next += 1;
                let fresh = Client { connection, next_xid: 1, closed: false, arrived: Vec::new() };
                self.clients.insert(client, fresh);
                let last_zxid = held.map_or(0, |held| held.last_zxid);
                let session = connected.session_id.cast_unsigned();
                Greeting::Attached(client, Held { session, password: connected.password, timeout, last_zxid })
            }
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => Greeting::Silent,
            Err(_) => Greeting::Refused,
        }
    }

    fn send(&mut self, client: ClientId, ask: &Ask) {
        let client = self.client(client);
        let (opcode, body) = match ask {
            Ask::Create { path, ephemeral } => {
                let acl = Writer::new().int(1).int(31).string("world").string("anyone").into_bytes();
                let flags = i32::from(*ephemeral);
                (CREATE, Writer::new().string(path).buffer(Some(&[])).raw(&acl).int(flags))
            }
            Ask::Set { path } => (SET_DATA, Writer::new().string(path).buffer(Some(&[])).int(-1)),
            Ask::Version { path } => (EXISTS, Writer::new().string(path).boolean(false)),
            Ask::Sync => (SYNC, Writer::new().string("/")),
            Ask::Ping => (PING, Writer::new()),
        };
        let xid = if opcode == PING { XID_PING } else { client.next_xid };
        client.next_xid += 1;
        if client.connection.request(xid, opcode, &body.into_bytes()).is_err() {
            client.closed = true;
        }
    }

    fn receive(&mut self, client: ClientId, patience: Duration) -> Answer {
        let client = self.client(client);
        if client.arrived.is_empty() {
            client.listen(patience);
        }
        if !client.arrived.is_empty() {
            return Client::answer(&client.arrived.remove(0));
        }
        if client.closed { Answer::Closed } else { Answer::Silent }
    }

    fn is_closed(&mut self, client: ClientId) -> bool {
        let client = self.client(client);
        client.listen(Duration::from_millis(1));
        client.closed
    }

    fn hang_up(&mut self, client: ClientId) {
        self.clients.remove(&client);
    }
}
