//! The loop that waits for sockets and time, and goes between clients and servers; what either means is left to them.

use crate::config::{EmbeddedConfig, StartError};
use crate::connection::{Connection, Progress, Stage};
use crate::ensemble::{Ensemble, Told};
use crate::event::{CloseReason, ServerEvent};
use crate::figures::{Figures, Traffic};
use crate::queue::Queue;
use crate::words::Subject;
use mio::event::Event;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::io::{self, ErrorKind};
use std::mem::{replace, take};
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

/// How much is read at once.
const READ_BYTES: usize = 1 << 16;

/// How long a connection may take before the others have their turn, after its first message.
const SLICE: Duration = Duration::from_millis(5);

/// How long those may take together in each turn that did not get by with a slice.
const BEHIND_TIME: Duration = Duration::from_millis(25);

/// How many events are taken from the system at once, and how often in one turn.
const EVENTS: usize = 1024;
const POLLS_MAX: usize = 64;

/// With so many requests of its clients waiting for its leader, a server does not read on from these clients: ZooKeeper's
/// `globalOutstandingLimit`.
const OUTSTANDING_MAX: usize = 1000;

/// And with so many bytes of them. ZooKeeper has no such limit unless `largeRequestMaxBytes` is set.
const OUTSTANDING_BYTES_MAX: usize = 32 << 20;

/// About how many bytes the watches on a server may take together: half a million of them on paths of forty bytes.
const WATCH_BYTES_MAX: usize = 128 << 20;

/// How many bytes all connections may hold together: what has arrived and is not complete, and what is to go out.
const HELD_BYTES_MAX: usize = 128 << 20;

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
    /// The time of this turn. Whatever had arrived by then is noticed in it.
    now: Duration,
    /// By server. Those that are down listen no more.
    listeners: Vec<Option<TcpListener>>,
    addresses: Vec<SocketAddr>,
    accept_again_at: Option<Duration>,
    connections: BTreeMap<ConnectionId, Connection>,
    next_connection: u64,
    /// When connections are given up.
    deadlines: BTreeSet<(Duration, ConnectionId)>,
    queue: Queue,
    /// Connections that may have something to send.
    dirty: BTreeSet<ConnectionId>,
    /// Servers so many of whose requests wait that their clients are not listened to.
    held_up: BTreeSet<u32>,
    /// The memory that all connections hold.
    held: usize,
    /// By server.
    figures: Vec<Figures>,
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
        let (mut addresses, mut listeners) = (Vec::new(), Vec::new());
        for (at, address) in config.listen.iter().enumerate() {
            let (address, listener) = listen(&poll, *address, at)?;
            addresses.push(address);
            listeners.push(Some(listener));
        }
        let configs = config.servers(SystemTime::now(), &addresses);
        let engine = Engine {
            listeners,
            addresses,
            held_up: BTreeSet::new(),
            held: 0,
            figures: vec![Figures::default(); configs.len()],
            ensemble: Ensemble::new(configs.clone()),
            configs,
            sessionless_timeout: config.sessionless_timeout,
            poll,
            commands,
            observer,
            started: Instant::now(),
            now: Duration::ZERO,
            accept_again_at: None,
            connections: BTreeMap::new(),
            next_connection: 0,
            deadlines: BTreeSet::new(),
            queue: Queue::default(),
            dirty: BTreeSet::new(),
            told: VecDeque::new(),
            awaiting: Vec::new(),
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
        };
        Ok((engine, Arc::new(waker)))
    }

    /// Where the servers listen.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Serves until it is told to stop.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            self.listen_to_all(&mut events)?;
            if !self.obey() {
                return Ok(());
            }
            self.serve_all();
            // Bytes that are not read yet may be a session's sign of life: its silence ends when they may have arrived.
            let heard = self.queue.unread_since().map_or(self.now, |since| since.min(self.now));
            self.ensemble.wake(heard, &mut self.told);
            self.give_up_late(heard);
            self.perform();
            for id in take(&mut self.dirty) {
                self.flush(id);
            }
            self.perform();
            self.go_on_reading();
            if !self.awaiting.is_empty() && self.ensemble.is_serving() {
                answer_all(&mut self.awaiting);
            }
        }
    }

    /// Waits until something happens, and begins a turn: everything that had arrived by its time is noticed.
    fn listen_to_all(&mut self, events: &mut Events) -> io::Result<()> {
        let patience = self.patience();
        if patience != Some(Duration::ZERO) {
            self.listen_for(events, patience)?;
        }
        self.now = self.started.elapsed();
        for _ in 0..POLLS_MAX {
            if self.listen_for(events, Some(Duration::ZERO))? < EVENTS {
                break;
            }
        }
        Ok(())
    }

    /// Waits for so long at most, and says how much has happened.
    fn listen_for(&mut self, events: &mut Events, patience: Option<Duration>) -> io::Result<usize> {
        match self.poll.poll(events, patience) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(0),
            result => result?,
        }
        for event in &*events {
            self.notice(event);
        }
        Ok(events.iter().count())
    }

    /// Serves the connections that may have something to read: each for a slice of time, and those that need more in
    /// turn, as long as nobody else has to wait for them.
    fn serve_all(&mut self) {
        for id in self.queue.take_ready() {
            self.serve(id);
        }
        let begun = Instant::now();
        for _ in 0..self.queue.behind() {
            let Some(id) = self.queue.next_behind() else { return };
            self.serve(id);
            if begun.elapsed() >= BEHIND_TIME {
                return;
            }
        }
    }

    /// How long to wait for sockets; for ever when nothing is due.
    fn patience(&self) -> Option<Duration> {
        if !self.queue.is_empty() || !self.dirty.is_empty() {
            return Some(Duration::ZERO);
        }
        let late = self.deadlines.first().map(|(deadline, _)| *deadline);
        let due = [self.ensemble.next_deadline(), late, self.accept_again_at].into_iter().flatten().min();
        due.map(|due| due.saturating_sub(self.started.elapsed()))
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
            self.enqueue(id);
        }
        if event.is_writable() {
            self.dirty.insert(id);
        }
    }

    /// Lets a connection have its turn.
    fn enqueue(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if replace(&mut connection.is_queued, true) {
            return;
        }
        // New ones must not keep those waiting that have a session, however many come.
        match connection.session {
            Some(_) => self.queue.add(id),
            None => self.queue.add_behind(id, self.now),
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
            let now = self.now;
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
                    self.dirty.extend(&connections);
                    connections.into_iter().for_each(|id| self.enqueue(id));
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
        self.ensemble.crash(self.now, server, &mut self.told);
    }

    fn restart(&mut self, server: u32) -> Result<(), StartError> {
        if self.ensemble.server(server).is_running() {
            return Ok(());
        }
        let at = place(server);
        self.listeners[at] = Some(listen(&self.poll, self.addresses[at], at)?.1);
        self.ensemble.start(self.now, server, &mut self.told);
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
                        self.accept_again_at = Some(self.now + ACCEPT_PAUSE);
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
            self.set_deadline(id, Some(self.now.saturating_add(self.sessionless_timeout)));
            self.enqueue(id);
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
    fn give_up_late(&mut self, now: Duration) {
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

    /// Lets a connection have its turn. If that is over before everything was read, it has to wait for the next.
    fn serve(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.is_queued = false;
        let begun = Instant::now();
        let is_over = || begun.elapsed() >= SLICE;
        while self.take_in(id, &is_over) && self.read(id) {
            if is_over() {
                break;
            }
        }
        self.recount(id);
        if self.may_take_in(id)
            && let Some(connection) = self.connections.get_mut(&id)
            && connection.may_have_more()
        {
            connection.is_queued = true;
            self.queue.add_behind(id, self.now);
        }
    }

    /// Whether a connection is listened to now: its server goes on, it takes its answers, and it does not wait for a
    /// leader with too many others.
    fn may_take_in(&mut self, id: ConnectionId) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else { return false };
        let server = connection.server;
        if self.ensemble.is_paused(server) || !connection.may_go_on() {
            return false;
        }
        let held_up = self.holds_up(server) && self.ensemble.server(server).is_outstanding(id);
        if held_up {
            self.held_up.insert(server);
        }
        !held_up
    }

    /// Whether so many requests of a server's clients wait for its leader that those clients are not listened to.
    fn holds_up(&self, server: u32) -> bool {
        let outstanding = self.ensemble.server(server).outstanding();
        outstanding >= OUTSTANDING_MAX
            || (outstanding > 0 && self.figures[place(server)].outstanding_bytes >= OUTSTANDING_BYTES_MAX)
    }

    /// Listens again to the clients of servers whose requests were answered.
    fn go_on_reading(&mut self) {
        for server in take(&mut self.held_up) {
            if self.holds_up(server) {
                self.held_up.insert(server);
            } else {
                self.connections_of(server).into_iter().for_each(|id| self.enqueue(id));
            }
        }
    }

    /// Reads once. False when there is nothing for now, or the connection is gone.
    fn read(&mut self, id: ConnectionId) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else { return false };
        if !connection.is_readable() {
            return false;
        }
        match connection.read(&mut self.buffer) {
            Progress::More => true,
            Progress::Blocked => false,
            Progress::Gone => {
                self.gone(id);
                false
            }
        }
    }

    /// Takes in the messages that have arrived on a connection and are complete, one at least. False when the connection
    /// is not to be read on now.
    fn take_in(&mut self, id: ConnectionId, is_over: &impl Fn() -> bool) -> bool {
        while self.may_take_in(id)
            && let Some(connection) = self.connections.get_mut(&id)
        {
            if !matches!(connection.stage, Stage::Silent | Stage::Known) {
                return true;
            }
            match connection.next_message() {
                Ok(Some((received, bytes))) => self.received(id, received, bytes),
                Ok(None) => return true,
                Err(error) => self.turn_away(id, CloseReason::Unreadable(error)),
            }
            if is_over() {
                return false;
            }
        }
        false
    }

    fn received(&mut self, id: ConnectionId, received: Received, bytes: usize) {
        let at = self.started.elapsed();
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let server = connection.server;
        self.figures[place(server)].traffic.received += 1;
        match received {
            Received::Message(message) => {
                if let (Stage::Silent, ClientMessage::Connect { timeout, .. }) = (connection.stage, &message)
                {
                    self.introduce(id, *timeout);
                }
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.asked.note(&message, at);
                }
                self.give(id, |connection| ServerInput::Message { connection, message });
                if self.ensemble.server(server).watch_bytes() > WATCH_BYTES_MAX
                    && let Some((id, held)) = self.ensemble.server(server).heaviest_watcher()
                {
                    self.turn_away(id, CloseReason::Watches { held, all: WATCH_BYTES_MAX });
                }
                let waits = self.ensemble.server(server).outstanding() > 0;
                let outstanding = &mut self.figures[place(server)].outstanding_bytes;
                *outstanding = if waits { *outstanding + bytes } else { 0 };
            }
            Received::Word(word) => {
                let text = self.answer_to(word, server);
                self.send_bytes(id, text.as_bytes());
                self.leave(id);
            }
            Received::Answer(bytes) => self.send_bytes(id, &bytes),
        }
    }

    fn answer_to(&mut self, word: FourLetterWord, server: u32) -> String {
        match word {
            FourLetterWord::Srst => self.figures[place(server)].reset(),
            FourLetterWord::Crst => {
                let of_server = self.connections.values_mut().filter(|each| each.server == server);
                of_server.for_each(|connection| connection.traffic = Traffic::default());
            }
            _ => {}
        }
        let subject = Subject {
            server: self.ensemble.server(server),
            config: &self.configs[place(server)],
            address: self.addresses[place(server)],
            uptime: self.now,
            figures: &self.figures[place(server)],
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
        self.set_deadline(id, Some(self.now.saturating_add(patience)));
        self.give(id, |connection| ServerInput::Opened { connection, address });
    }

    /// Gives the server of a connection something to learn.
    fn give(&mut self, id: ConnectionId, input: impl FnOnce(ConnectionId) -> ServerInput) {
        if let Some(connection) = self.connections.get(&id) {
            self.ensemble.give(self.now, connection.server, input(id), &mut self.told);
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
        let answered = connection.asked.answered(message);
        if let Err(reason) = connection.send(message) {
            return self.turn_away(id, reason);
        }
        let figures = &mut self.figures[place(connection.server)];
        figures.traffic.sent += 1;
        if let Some(asked_at) = answered {
            figures.latency.add(self.started.elapsed().saturating_sub(asked_at));
        }
        self.dirty.insert(id);
        if let ServerMessage::Connected { session, timeout, .. } = message {
            connection.session = Some((*session, *timeout));
            self.set_deadline(id, None);
        }
        self.recount(id);
    }

    /// Takes note of how much memory a connection holds. When all of them together hold too much, those that hold most
    /// are closed.
    fn recount(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        self.held = self.held - connection.counted + connection.held();
        connection.counted = connection.held();
        while self.held > HELD_BYTES_MAX
            && let Some((id, most)) = self.connections.iter().max_by_key(|(_, each)| each.counted)
        {
            let (id, held) = (*id, most.counted);
            self.turn_away(id, CloseReason::Memory { held, all: HELD_BYTES_MAX });
        }
    }

    fn send_bytes(&mut self, id: ConnectionId, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if let Err(reason) = connection.send_bytes(bytes) {
            return self.turn_away(id, reason);
        }
        self.figures[place(connection.server)].traffic.sent += 1;
        self.dirty.insert(id);
        self.recount(id);
    }

    /// Closes a connection when everything has gone out.
    fn leave(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.stage = Stage::Leaving;
            self.dirty.insert(id);
            self.set_deadline(id, Some(self.now + LEAVING_MAX));
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
        let goes_on = connection.has_stalled() || connection.stage == Stage::Left;
        self.recount(id);
        if goes_on {
            self.enqueue(id);
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
            self.ensemble.give(self.now, server, ServerInput::Closed { connection: id }, &mut self.told);
        }
    }

    /// Closes a connection at once, and tells the server that it has gone. What follows from it is performed later: one
    /// that is closed while the servers' wishes are performed must not begin to perform them anew.
    fn hang_up(&mut self, id: ConnectionId) {
        if let Some(connection) = self.remove(id)
            && connection.stage == Stage::Known
        {
            let closed = ServerInput::Closed { connection: id };
            self.ensemble.give(self.now, connection.server, closed, &mut self.told);
        }
    }

    fn remove(&mut self, id: ConnectionId) -> Option<Connection> {
        self.set_deadline(id, None);
        self.dirty.remove(&id);
        let mut connection = self.connections.remove(&id)?;
        self.held -= connection.counted;
        // The system forgets it anyway when it is closed.
        self.poll.registry().deregister(connection.stream()).ok();
        Some(connection)
    }
}

/// Listens at an address for the server at that place of the list, and says at which port if it was any.
fn listen(poll: &Poll, address: SocketAddr, at: usize) -> Result<(SocketAddr, TcpListener), StartError> {
    let listen = || {
        let mut listener = bind(address)?;
        poll.registry().register(&mut listener, Token(at), Interest::READABLE)?;
        Ok((listener.local_addr()?, listener))
    };
    listen().map_err(|error| StartError::Listen { address, error })
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
