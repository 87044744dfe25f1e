//! The loop that waits for sockets, time and the owner, and does what the client says; what it means is left to the client.
//!
//! What has arrived is read before timers go off, as Java's client does: a process that was held up believes the answers
//! that were waiting for it.

use crate::address;
use crate::client::{Notice, Trouble};
use crate::connection::{Connection, Progress};
use mio::{Events, Poll, Token, Waker};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::{Duration, Instant};
use zeromaster_zookeeper::{
    Client, ClientConfig, ClientInput, ClientMessage, ClientOutput, ConnectionId, ErrorCode, Operation, Reply,
};

/// The token of the owner's call. Connections have their numbers.
const WAKER: Token = Token(0);

/// The number of the first connection.
const FIRST_CONNECTION: u64 = 1;

/// How many events are taken from the system at once; there is one connection at a time.
const EVENTS: usize = 16;

/// How long to wait for the system to get well when it does not say what has happened.
const POLL_PAUSE: Duration = Duration::from_millis(10);

/// What the owner wants.
#[derive(Debug)]
pub(crate) enum Command {
    Submit { tag: u64, operation: Operation },
    Call { operation: Operation, answer: Sender<Result<Reply, ErrorCode>> },
    HoldLease { wanted: bool },
    Close { ended: Sender<()> },
    Leave,
}

/// Who is to hear of an outcome.
#[derive(Debug)]
enum Asker {
    Owner { tag: u64 },
    Caller(Sender<Result<Reply, ErrorCode>>),
}

/// The client with all that it needs.
#[derive(Debug)]
pub(crate) struct Driver {
    places: Vec<String>,
    client: Client,
    started: Instant,
    poll: Poll,
    commands: Receiver<Command>,
    notices: Sender<Notice>,
    connections: BTreeMap<ConnectionId, (u32, Connection)>,
    /// What the client is still to learn.
    inputs: VecDeque<ClientInput>,
    askers: BTreeMap<u64, Asker>,
    next_tag: u64,
    /// Who waits for the end.
    waiting: Vec<Sender<()>>,
    buffer: Vec<u8>,
}

impl Driver {
    pub(crate) fn new(
        places: Vec<String>,
        config: ClientConfig,
        commands: Receiver<Command>,
        notices: Sender<Notice>,
    ) -> io::Result<(Driver, Arc<Waker>)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let servers = u32::try_from(places.len()).unwrap_or(u32::MAX);
        let driver = Driver {
            places,
            client: Client::new(ClientConfig { servers, ..config }, FIRST_CONNECTION),
            started: Instant::now(),
            poll,
            commands,
            notices,
            connections: BTreeMap::new(),
            inputs: VecDeque::from([ClientInput::Start]),
            askers: BTreeMap::new(),
            next_tag: 0,
            waiting: Vec::new(),
            buffer: Vec::new(),
        };
        Ok((driver, Arc::new(waker)))
    }

    /// Works until the owner leaves.
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            self.handle_inputs();
            for (_, connection) in self.connections.values_mut() {
                connection.flush();
            }
            self.wait(&mut events);
            for event in &events {
                self.socket_changed(event.token(), event.is_readable() || event.is_error());
            }
            self.read();
            if self.obey().is_break() {
                return;
            }
            self.wake_if_due();
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn wait(&mut self, events: &mut Events) {
        let busy = !self.inputs.is_empty()
            || self.connections.values().any(|(_, connection)| connection.is_readable());
        let due = self.client.next_deadline().map(|deadline| deadline.saturating_sub(self.now()));
        let timeout = if busy { Some(Duration::ZERO) } else { due };
        if let Err(error) = self.poll.poll(events, timeout)
            && error.kind() != io::ErrorKind::Interrupted
        {
            std::thread::sleep(POLL_PAUSE);
        }
    }

    fn wake_if_due(&mut self) {
        self.handle_inputs();
        if self.client.next_deadline().is_some_and(|deadline| deadline <= self.now()) {
            self.inputs.push_back(ClientInput::Wakeup);
        }
    }

    // Sockets.

    fn socket_changed(&mut self, token: Token, readable: bool) {
        let connection = ConnectionId(token.0 as u64);
        let Some((_, of_server)) = self.connections.get_mut(&connection) else { return };
        match of_server.has_changed(readable) {
            Ok(true) => self.inputs.push_back(ClientInput::Opened { connection }),
            Ok(false) => {}
            Err(error) => {
                self.give_up(connection, error.to_string());
                self.inputs.push_back(ClientInput::OpenFailed { connection });
            }
        }
    }

    /// Reads a part of what has arrived on each connection.
    fn read(&mut self) {
        self.handle_inputs();
        let readable = |(connection, (_, of_server)): (&ConnectionId, &(u32, Connection))| {
            of_server.is_readable().then_some(*connection)
        };
        let readable: Vec<ConnectionId> = self.connections.iter().filter_map(readable).collect();
        for connection in readable {
            let Some((_, of_server)) = self.connections.get_mut(&connection) else { continue };
            let mut messages = Vec::new();
            let progress = of_server.receive(&mut self.buffer, &mut messages);
            let arrived = messages.into_iter().map(|message| ClientInput::Message { connection, message });
            self.inputs.extend(arrived);
            match progress {
                Progress::More | Progress::Blocked => {}
                Progress::Ended(reason) => {
                    self.give_up(connection, reason);
                    self.inputs.push_back(ClientInput::Closed { connection });
                }
            }
        }
    }

    fn open(&mut self, connection: ConnectionId, server: u32) {
        let token = Token(usize::try_from(connection.0).expect("connections are not that many"));
        let opened = address::resolve(&self.places[server as usize], connection.0)
            .and_then(|address| Connection::open(address, self.poll.registry(), token));
        match opened {
            Ok(opened) => {
                self.connections.insert(connection, (server, opened));
            }
            Err(error) => {
                self.tell_trouble(server, error.to_string());
                self.inputs.push_back(ClientInput::OpenFailed { connection });
            }
        }
    }

    fn send(&mut self, connection: ConnectionId, message: &ClientMessage) {
        if let Some((_, of_server)) = self.connections.get_mut(&connection)
            && let Err(error) = of_server.send(message)
        {
            // A server would close at a request that long.
            self.give_up(connection, error.to_string());
            self.inputs.push_back(ClientInput::Closed { connection });
        }
    }

    fn close(&mut self, connection: ConnectionId) -> Option<u32> {
        let (server, of_server) = self.connections.remove(&connection)?;
        of_server.close(self.poll.registry());
        Some(server)
    }

    /// A connection is of no use any more, and the owner hears why.
    fn give_up(&mut self, connection: ConnectionId, reason: String) {
        if let Some(server) = self.close(connection) {
            self.tell_trouble(server, reason);
        }
    }

    // The client.

    fn handle_inputs(&mut self) {
        while let Some(input) = self.inputs.pop_front() {
            let mut outputs = Vec::new();
            self.client.handle(self.now(), input, &mut outputs);
            for output in outputs {
                self.perform(output);
            }
        }
        if self.client.has_ended() {
            for waiting in self.waiting.drain(..) {
                // Whoever does not wait any more need not be told.
                let _ = waiting.send(());
            }
        }
    }

    fn perform(&mut self, output: ClientOutput) {
        match output {
            ClientOutput::Open { connection, server } => self.open(connection, server),
            ClientOutput::Send { connection, message } => self.send(connection, &message),
            ClientOutput::Close { connection } => {
                self.close(connection);
            }
            ClientOutput::State(state) => {
                let server = if self.client.is_connected() { self.client.server() } else { None };
                self.tell(Notice::State { state, server });
            }
            ClientOutput::Completed { tag, result } => self.completed(tag, result),
            ClientOutput::Event(event) => self.tell(Notice::Event(event)),
            ClientOutput::Lease { until } => {
                // What lies beyond the end of the machine's clock is no end.
                if let Some(until) = self.started.checked_add(until) {
                    self.tell(Notice::Lease { until });
                }
            }
        }
    }

    fn completed(&mut self, tag: u64, result: Result<Reply, ErrorCode>) {
        match self.askers.remove(&tag).expect("the client completes what was asked, once") {
            Asker::Owner { tag } => self.tell(Notice::Completed { tag, result }),
            Asker::Caller(answer) => {
                // Whoever does not wait any more need not be told.
                let _ = answer.send(result);
            }
        }
    }

    // The owner.

    fn obey(&mut self) -> std::ops::ControlFlow<()> {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Submit { tag, operation }) => self.ask(Asker::Owner { tag }, operation),
                Ok(Command::Call { operation, answer }) => self.ask(Asker::Caller(answer), operation),
                Ok(Command::HoldLease { wanted }) => self.inputs.push_back(ClientInput::HoldLease { wanted }),
                Ok(Command::Close { ended }) => {
                    self.waiting.push(ended);
                    self.inputs.push_back(ClientInput::CloseSession);
                }
                Ok(Command::Leave) | Err(TryRecvError::Disconnected) => {
                    return std::ops::ControlFlow::Break(());
                }
                Err(TryRecvError::Empty) => return std::ops::ControlFlow::Continue(()),
            }
        }
    }

    fn ask(&mut self, asker: Asker, operation: Operation) {
        let tag = self.next_tag;
        self.next_tag += 1;
        self.askers.insert(tag, asker);
        self.inputs.push_back(ClientInput::Submit { tag, operation });
    }

    fn tell(&self, notice: Notice) {
        // An owner that does not listen need not be told.
        let _ = self.notices.send(notice);
    }

    fn tell_trouble(&self, server: u32, reason: String) {
        self.tell(Notice::Trouble(Trouble { place: self.places[server as usize].clone(), reason }));
    }
}
