//! A client that does one thing after another, for tests.

#![allow(dead_code, reason = "each test uses what it needs")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};
use zeromaster_embedded::{Embedded, EmbeddedConfig};
use zeromaster_zookeeper::wire::ClientSide;
use zeromaster_zookeeper::{
    ClientMessage, Create, CreateMode, ErrorCode, Operation, Password, Reply, ServerMessage, SessionId,
    WatchEvent, Zxid,
};

/// What a test waits for takes less, on any machine.
pub const LONG: Duration = Duration::from_secs(20);

/// An ensemble that serves. Its ticks are short, so that nobody waits long for what a tick brings.
pub fn serving(servers: usize) -> Embedded {
    serving_as(EmbeddedConfig { tick: Duration::from_millis(100), ..EmbeddedConfig::ensemble(servers) })
}

pub fn serving_as(config: EmbeddedConfig) -> Embedded {
    let embedded = Embedded::start(config).expect("it can be started");
    assert!(embedded.wait_until_serving(LONG), "it does not serve");
    embedded
}

/// An attached client.
pub struct Client {
    pub stream: TcpStream,
    side: ClientSide,
    pub session: SessionId,
    pub password: Password,
    pub timeout: Duration,
    xid: i32,
    /// What it was told of watches while it waited for something else.
    pub events: Vec<WatchEvent>,
}

impl Client {
    /// A client with a session of its own.
    pub fn connect(address: SocketAddr) -> Client {
        Client::attach(address, None).expect("a session is opened")
    }

    /// Opens a session, or attaches to one; `None` when the server does not let it.
    pub fn attach(address: SocketAddr, session: Option<(SessionId, Password)>) -> Option<Client> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_nodelay(true).expect("it can be set");
        stream.set_read_timeout(Some(LONG)).expect("it can be set");
        let (session_of_none, password) = (SessionId(0), Password::NONE);
        let mut client = Client {
            stream,
            side: ClientSide::new(),
            session: session_of_none,
            password,
            timeout: Duration::ZERO,
            xid: 0,
            events: Vec::new(),
        };
        let timeout = Duration::from_secs(30);
        client.send(&ClientMessage::Connect { session, timeout, last_zxid_seen: Zxid(0) });
        match client.next()? {
            ServerMessage::Connected { session, password, timeout } => {
                (client.session, client.password, client.timeout) = (session, password, timeout);
                Some(client)
            }
            ServerMessage::Expired => None,
            other => panic!("no answer to a handshake: {other:?}"),
        }
    }

    /// Keeps trying servers until one lets it in.
    pub fn connect_to_any(addresses: &[SocketAddr]) -> Client {
        within(LONG, || addresses.iter().find_map(|address| Client::attach(*address, None)))
    }

    pub fn send(&mut self, message: &ClientMessage) {
        let mut bytes = Vec::new();
        self.side.send(message, &mut bytes).expect("it is short enough");
        // If the other side has gone, reading will tell.
        self.stream.write_all(&bytes).ok();
    }

    /// The next message; `None` when the server has closed.
    pub fn next(&mut self) -> Option<ServerMessage> {
        let mut buffer = [0; 1 << 16];
        loop {
            if let Some(message) = self.side.next_message().expect("a server can be read") {
                return Some(message);
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(count) => self.side.receive(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no answer: {error}"),
            }
        }
    }

    /// Asks, and keeps what else it hears; `None` when the server has closed.
    pub fn ask(&mut self, operation: Operation) -> Option<Result<Reply, ErrorCode>> {
        self.xid += 1;
        let xid = self.xid;
        self.send(&ClientMessage::Request { xid, operation });
        loop {
            match self.next()? {
                ServerMessage::Event { event, .. } => self.events.push(event),
                ServerMessage::Reply { xid: answered, result, .. } if answered == xid => return Some(result),
                other => panic!("no answer to {xid}: {other:?}"),
            }
        }
    }

    /// Asks for what must succeed.
    #[track_caller]
    pub fn get(&mut self, operation: Operation) -> Reply {
        let asked = format!("{operation:?}");
        match self.ask(operation) {
            Some(Ok(reply)) => reply,
            other => panic!("{asked}: {other:?}"),
        }
    }

    #[track_caller]
    pub fn create(&mut self, path: &str, data: &[u8], mode: CreateMode) {
        self.get(Operation::Create(Create::open(path.into(), Arc::from(data), mode).into()));
    }

    #[track_caller]
    pub fn data(&mut self, path: &str) -> Vec<u8> {
        match self.get(Operation::GetData { path: path.into(), watch: false }) {
            Reply::Data { data, .. } => data.unwrap_or_default().to_vec(),
            other => panic!("no data: {other:?}"),
        }
    }

    pub fn exists(&mut self, path: &str) -> bool {
        self.ask(Operation::Exists { path: path.into(), watch: false }).is_some_and(|result| result.is_ok())
    }
}

/// Tries again until there is something.
#[track_caller]
pub fn within<T>(patience: Duration, mut attempt: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(begun.elapsed() < patience, "not within {patience:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What a server answers to a four-letter word, or to anything else in place of a handshake.
pub fn word(address: SocketAddr, letters: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(LONG)).expect("it can be set");
    stream.write_all(letters).expect("it takes it");
    let mut answer = String::new();
    // A server that hangs up on nonsense has said nothing.
    stream.read_to_string(&mut answer).ok();
    answer
}

/// How many connections a server has, the one that asks included.
pub fn connections(address: SocketAddr) -> usize {
    let answer = word(address, b"srvr");
    let line = answer.lines().find_map(|line| line.strip_prefix("Connections: "));
    line.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no connections in {answer}"))
}
