//! The loop that waits for sockets and time, and goes between clients and servers; what either means is left to them.

use crate::config::{EmbeddedConfig, StartError};
use crate::connection::{Connection, Progress, Stage, Traffic};
use crate::ensemble::{Ensemble, Told};
use crate::event::{CloseReason, ServerEvent};
use crate::words::Subject;
use mio::event::Event;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::io::{self, ErrorKind};
use std::mem::take;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant, SystemTime};
use zeromaster_zookeeper::protocol::{ClientMessage, ServerMessage};
use zeromaster_zookeeper::wire::{FourLetterWord, Received};
use zeromaster_zookeeper::{ConnectionId, ServerConfig, ServerInput, SessionId};

/// How long a client may take to read its last answer, and to close.
const LEAVING_MAX: Duration = Duration::from_secs(5);

/// How many connections may wait to be accepted. One more is tried again by its client a second later, which thousands of
/// clients that start at once need not suffer.
const BACKLOG: i32 = 4096;

/// How long to wait when no connection can be accepted, because the system has no room for more.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How much is read from one connection before the others have their turn.
const READ_BYTES: usize = 1 << 16;

/// How many events are taken from the system at once.
const EVENTS: usize = 1024;

const WAKER: Token = Token(usize::MAX);

/// Who is told what happens on the servers.
pub(crate) type Observer = Box<dyn FnMut(u32, &ServerEvent) + Send>;

/// What the owner of the ensemble wants. Each is answered when it is done.
pub(crate) enum Command {
    Stop,
    Crash(u32, Sender<()>),
    Restart(u32, Sender<Result<(), StartError>>),
    Pause(u32, Sender<()>),
    Resume(u32, Sender<()>),
    Expire(SessionId, Sender<()>),
    /// Answered when all servers that run serve.
    AwaitServing(Sender<()>),
}

pub(crate) struct Engine {
    configs: Vec<ServerConfig>,
    sessionless_timeout: Duration,
    poll: Poll,
    commands: Receiver<Command>,
    observer: Observer,
    started: Instant,
    /// By server. Those that are down listen no more.
    listeners: Vec<Option<TcpListener>>,
    addresses: Vec<SocketAddr>,
    accept_again_at: Option<Duration>,
    connections: BTreeMap<ConnectionId, Connection>,
    next_connection: u64,
    /// When connections are given up.
    deadlines: BTreeSet<(Duration, ConnectionId)>,
    /// Connections that may have something to read.
    busy: BTreeSet<ConnectionId>,
    /// Connections that may have something to send.
    dirty: BTreeSet<ConnectionId>,
    /// By server: of all its connections, those that are closed too.
    traffic: Vec<Traffic>,
    ensemble: Ensemble,
    told: VecDeque<Told>,
    awaiting: Vec<Sender<()>>,
    buffer: Box<[u8]>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl Engine {
    /// Listens, and begins to keep time.
    pub(crate) fn new(
        config: EmbeddedConfig,
        commands: Receiver<Command>,
        observer: Observer,
    ) -> Result<(Engine, Arc<Waker>), StartError> {
        if let Some(complaint) = config.complaint() {
            return Err(complaint);
        }
        let poll = Poll::new().map_err(StartError::Poll)?;
        let waker = Waker::new(poll.registry(), WAKER).map_err(StartError::Poll)?;
        let configs = config.servers(SystemTime::now());
        let mut engine = Engine {
            listeners: config.listen.iter().map(|_| None).collect(),
            addresses: config.listen,
            traffic: vec![Traffic::default(); configs.len()],
            ensemble: Ensemble::new(configs.clone()),
            configs,
            sessionless_timeout: config.sessionless_timeout,
            poll,
            commands,
            observer,
            started: Instant::now(),
            accept_again_at: None,
            connections: BTreeMap::new(),
            next_connection: 0,
            deadlines: BTreeSet::new(),
            busy: BTreeSet::new(),
            dirty: BTreeSet::new(),
            told: VecDeque::new(),
            awaiting: Vec::new(),
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
        };
        for id in engine.ensemble.ids() {
            engine.listen(id)?;
        }
        Ok((engine, Arc::new(waker)))
    }

    /// Where the servers listen.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    fn listen(&mut self, server: u32) -> Result<(), StartError> {
        let at = place(server);
        let address = self.addresses[at];
        let listen = || {
            let mut listener = bind(address)?;
            self.poll.registry().register(&mut listener, Token(at), Interest::READABLE)?;
            Ok((listener.local_addr()?, listener))
        };
        let (address, listener) = listen().map_err(|error| StartError::Listen { address, error })?;
        self.addresses[at] = address;
        self.listeners[at] = Some(listener);
        Ok(())
    }

    /// Serves until it is told to stop.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            match self.poll.poll(&mut events, self.patience()) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            for event in &events {
                self.notice(event);
            }
            if !self.obey() {
                return Ok(());
            }
            self.ensemble.wake(self.now(), &mut self.told);
            self.give_up_late();
            for id in take(&mut self.busy) {
                self.serve(id);
            }
            self.perform();
            for id in take(&mut self.dirty) {
                self.flush(id);
            }
            self.perform();
            if !self.awaiting.is_empty() && self.ensemble.is_serving() {
                answer_all(&mut self.awaiting);
            }
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// How long to wait for sockets; for ever when nothing is due.
    fn patience(&self) -> Option<Duration> {
        if !self.busy.is_empty() || !self.dirty.is_empty() {
            return Some(Duration::ZERO);
        }
        let late = self.deadlines.first().map(|(deadline, _)| *deadline);
        let due = [self.ensemble.next_deadline(), late, self.accept_again_at].into_iter().flatten().min();
        due.map(|due| due.saturating_sub(self.now()))
    }

    fn notice(&mut self, event: &Event) {
        let Token(number) = event.token();
        if event.token() == WAKER {
            return;
        }
        if number < self.listeners.len() {
            return self.accept(number);
        }
        let id = self.connection_of(number);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if event.is_readable() || event.is_error() {
            connection.is_readable_now();
            self.busy.insert(id);
        }
        if event.is_writable() {
            self.dirty.insert(id);
        }
    }

    /// Connections have their numbers behind those of the listeners.
    fn token_of(&self, id: ConnectionId) -> Token {
        Token(usize::try_from(id.0).expect("nobody opens so many connections") + self.listeners.len())
    }

    fn connection_of(&self, number: usize) -> ConnectionId {
        ConnectionId((number - self.listeners.len()) as u64)
    }

    /// Does what the owner wants. False when that is to stop.
    fn obey(&mut self) -> bool {
        while let Ok(command) = self.commands.try_recv() {
            let now = self.now();
            // An owner that does not wait for the answer has gone, and does not miss it.
            match command {
                Command::Stop => return false,
                Command::Crash(server, done) => {
                    self.crash(server);
                    done.send(()).ok();
                }
                Command::Restart(server, done) => {
                    done.send(self.restart(server)).ok();
                }
                Command::Pause(server, done) => {
                    self.ensemble.pause(server);
                    done.send(()).ok();
                }
                Command::Resume(server, done) => {
                    self.ensemble.resume(now, server, &mut self.told);
                    let connections = self.connections_of(server);
                    self.busy.extend(&connections);
                    self.dirty.extend(&connections);
                    self.accept(place(server));
                    done.send(()).ok();
                }
                Command::Expire(session, done) => {
                    self.ensemble.expire(now, session, &mut self.told);
                    done.send(()).ok();
                }
                Command::AwaitServing(done) => self.awaiting.push(done),
            }
            self.perform();
        }
        true
    }

    fn connections_of(&self, server: u32) -> Vec<ConnectionId> {
        let of_server = self.connections.iter().filter(|(_, connection)| connection.server == server);
        of_server.map(|(id, _)| *id).collect()
    }

    /// The process dies: its sockets are closed by the system, whatever is still in them.
    fn crash(&mut self, server: u32) {
        if !self.ensemble.server(server).is_running() {
            return;
        }
        self.listeners[place(server)] = None;
        for id in self.connections_of(server) {
            self.remove(id);
        }
        self.ensemble.crash(self.now(), server, &mut self.told);
    }

    fn restart(&mut self, server: u32) -> Result<(), StartError> {
        if self.ensemble.server(server).is_running() {
            return Ok(());
        }
        self.listen(server)?;
        self.ensemble.start(self.now(), server, &mut self.told);
        Ok(())
    }

    /// Accepts all connections that wait, unless the server stands still.
    fn accept(&mut self, at: usize) {
        let server = number(at);
        while !self.ensemble.is_paused(server) {
            let Some(listener) = &self.listeners[at] else { return };
            match listener.accept() {
                Ok((stream, peer)) => {
                    // Without it answers wait for each other. If the connection is gone already, reading will tell.
                    stream.set_nodelay(true).ok();
                    self.begin(Connection::new(stream, peer, server, self.configs[at].release));
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return,
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset => {}
                    _ => {
                        self.accept_again_at = Some(self.now() + ACCEPT_PAUSE);
                        return;
                    }
                },
            }
        }
    }

    fn begin(&mut self, mut connection: Connection) {
        let id = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let token = self.token_of(id);
        let interest = Interest::READABLE | Interest::WRITABLE;
        if self.poll.registry().register(connection.stream(), token, interest).is_ok() {
            self.connections.insert(id, connection);
            self.set_deadline(id, Some(self.now().saturating_add(self.sessionless_timeout)));
            self.busy.insert(id);
        }
    }

    fn set_deadline(&mut self, id: ConnectionId, deadline: Option<Duration>) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if let Some(before) = connection.deadline {
            self.deadlines.remove(&(before, id));
        }
        connection.deadline = deadline;
        self.deadlines.extend(deadline.map(|deadline| (deadline, id)));
    }

    /// Gives up what has taken too long, and tries again what could not be done.
    fn give_up_late(&mut self) {
        let now = self.now();
        while let Some((deadline, id)) = self.deadlines.first().copied()
            && deadline <= now
        {
            if self.connections.get(&id).is_some_and(|connection| self.ensemble.is_paused(connection.server))
            {
                self.set_deadline(id, Some(now.saturating_add(self.sessionless_timeout)));
            } else {
                self.hang_up(id);
            }
        }
        if self.accept_again_at.is_some_and(|at| at <= now) {
            self.accept_again_at = None;
            for at in 0..self.listeners.len() {
                self.accept(at);
            }
        }
    }

    /// Takes in what has arrived on a connection, and reads once.
    fn serve(&mut self, id: ConnectionId) {
        self.take_in(id);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let stands_still = self.ensemble.is_paused(connection.server);
        if stands_still || !connection.is_readable() || !connection.may_go_on() {
            return;
        }
        match connection.read(&mut self.buffer) {
            Progress::More => {
                self.busy.insert(id);
                self.take_in(id);
            }
            Progress::Blocked => {}
            Progress::Gone => self.gone(id),
        }
    }

    /// Takes in the messages that have arrived on a connection and are complete.
    fn take_in(&mut self, id: ConnectionId) {
        while let Some(connection) = self.connections.get_mut(&id) {
            let listens = matches!(connection.stage, Stage::Silent | Stage::Known);
            if !listens || self.ensemble.is_paused(connection.server) || !connection.may_go_on() {
                return;
            }
            match connection.next_message() {
                Ok(Some(received)) => self.received(id, received),
                Ok(None) => return,
                Err(error) => return self.turn_away(id, CloseReason::Unreadable(error)),
            }
        }
    }

    fn received(&mut self, id: ConnectionId, received: Received) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        self.traffic[place(connection.server)].received += 1;
        match received {
            Received::Message(message) => {
                if let (Stage::Silent, ClientMessage::Connect { timeout, .. }) = (connection.stage, &message)
                {
                    self.introduce(id, *timeout);
                }
                self.give(id, |connection| ServerInput::Message { connection, message });
            }
            Received::Word(word) => {
                let server = connection.server;
                let text = self.answer_to(word, server);
                self.send_bytes(id, text.as_bytes());
                self.leave(id);
            }
            Received::Answer(bytes) => self.send_bytes(id, &bytes),
        }
    }

    fn answer_to(&self, word: FourLetterWord, server: u32) -> String {
        let subject = Subject {
            server: self.ensemble.server(server),
            config: &self.configs[place(server)],
            address: self.addresses[place(server)],
            uptime: self.now(),
            traffic: self.traffic[place(server)],
            connections: self.connections.values().filter(|each| each.server == server).collect(),
        };
        subject.answer(word)
    }

    /// Tells the server of a connection that has shown its handshake. It may take as long as the session would live.
    fn introduce(&mut self, id: ConnectionId, timeout: Duration) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.stage = Stage::Known;
        let address = Some(connection.host());
        let patience = self.configs[place(connection.server)].negotiate(timeout);
        self.set_deadline(id, Some(self.now().saturating_add(patience)));
        self.give(id, |connection| ServerInput::Opened { connection, address });
    }

    /// Gives the server of a connection something to learn.
    fn give(&mut self, id: ConnectionId, input: impl FnOnce(ConnectionId) -> ServerInput) {
        if let Some(connection) = self.connections.get(&id) {
            self.ensemble.give(self.now(), connection.server, input(id), &mut self.told);
            self.perform();
        }
    }

    /// Does what the servers want.
    fn perform(&mut self) {
        while let Some(told) = self.told.pop_front() {
            match told {
                Told::Send { connection, message } => self.send(connection, &message),
                Told::Close { connection } => self.leave(connection),
                Told::Record { server, record } => (self.observer)(server, &ServerEvent::Record(record)),
            }
        }
    }

    fn send(&mut self, id: ConnectionId, message: &ServerMessage) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if matches!(connection.stage, Stage::Leaving | Stage::Left) {
            return;
        }
        if let Err(reason) = connection.send(message) {
            return self.turn_away(id, reason);
        }
        self.traffic[place(connection.server)].sent += 1;
        self.dirty.insert(id);
        if let ServerMessage::Connected { session, timeout, .. } = message {
            connection.session = Some((*session, *timeout));
            self.set_deadline(id, None);
        }
    }

    fn send_bytes(&mut self, id: ConnectionId, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if let Err(reason) = connection.send_bytes(bytes) {
            return self.turn_away(id, reason);
        }
        self.traffic[place(connection.server)].sent += 1;
        self.dirty.insert(id);
    }

    /// Closes a connection when everything has gone out.
    fn leave(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.stage = Stage::Leaving;
            self.dirty.insert(id);
            self.set_deadline(id, Some(self.now() + LEAVING_MAX));
        }
    }

    /// The other side has gone. What it has not read yet it may still read, if the server has closed first.
    fn gone(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        match connection.stage {
            Stage::Leaving => connection.end(),
            Stage::Silent | Stage::Known | Stage::Left => self.hang_up(id),
        }
    }

    fn flush(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if self.ensemble.is_paused(connection.server) {
            return;
        }
        if !connection.flush() {
            return self.hang_up(id);
        }
        if connection.is_over() {
            return self.hang_up(id);
        }
        if connection.has_stalled() || connection.stage == Stage::Left {
            self.busy.insert(id);
        }
    }

    /// Closes a connection because of what the client did, and says so. What was answered before an answer that is too
    /// long still goes out.
    fn turn_away(&mut self, id: ConnectionId, reason: CloseReason) {
        let Some(connection) = self.connections.get(&id) else { return };
        let (server, client) = (connection.server, connection.peer);
        let goes_out = matches!(reason, CloseReason::AnswerTooLong { .. });
        (self.observer)(server, &ServerEvent::Closed { client, reason });
        if !goes_out {
            return self.hang_up(id);
        }
        let known = connection.stage == Stage::Known;
        self.leave(id);
        if known {
            self.ensemble.give(self.now(), server, ServerInput::Closed { connection: id }, &mut self.told);
        }
    }

    /// Closes a connection at once, and tells the server that it has gone. What follows from it is performed later: one
    /// that is closed while the servers' wishes are performed must not begin to perform them anew.
    fn hang_up(&mut self, id: ConnectionId) {
        if let Some(connection) = self.remove(id)
            && connection.stage == Stage::Known
        {
            let closed = ServerInput::Closed { connection: id };
            self.ensemble.give(self.now(), connection.server, closed, &mut self.told);
        }
    }

    fn remove(&mut self, id: ConnectionId) -> Option<Connection> {
        self.set_deadline(id, None);
        self.busy.remove(&id);
        self.dirty.remove(&id);
        let mut connection = self.connections.remove(&id)?;
        // The system forgets it anyway when it is closed.
        self.poll.registry().deregister(connection.stream()).ok();
        Some(connection)
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Elsewhere it would let others listen at the same address.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(TcpListener::from_std(socket.into()))
}

fn answer_all(awaiting: &mut Vec<Sender<()>>) {
    for waiting in awaiting.drain(..) {
        waiting.send(()).ok();
    }
}

/// Where a server is in lists.
fn place(server: u32) -> usize {
    usize::try_from(server).expect("numbers of servers are small") - 1
}

fn number(place: usize) -> u32 {
    u32::try_from(place + 1).expect("numbers of servers are small")
}
