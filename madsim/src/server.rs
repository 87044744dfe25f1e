//! One ZooKeeper server's process: clients on madsim's TCP in ZooKeeper's own bytes; votes as its datagrams; links to the
//! other servers as its connections, whose messages are moved as they are. The server itself, which outlives its process as
//! a disk does, is the witness's.

use crate::shared::{CLIENT_PORT, PEER_PORT, Shared, VOTE_PORT, ip, machine_at, now};
use crate::tcp::{self, Ends};
use crate::timer::Timer;
use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures_channel::oneshot;
use futures_core::Stream;
use madsim::net::{Endpoint as Socket, Receiver as LinkReceiver, Sender as LinkSender, TcpListener};
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use zeromaster_sim::network::Endpoint;
use zeromaster_sim::time::SimTime;
use zeromaster_zookeeper::server::peer::{LinkId, Notification, PeerMessage};
use zeromaster_zookeeper::wire::{Received, ServerSide};
use zeromaster_zookeeper::{ConnectionId, ServerInput, ServerOutput};

/// The tag of votes.
const VOTES: u64 = 1;

/// The pause before a lost request to link is sent again; each is twice as long as the one before.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// How often it is looked whether the end of a link gets through again.
const END_PAUSE: Duration = Duration::from_millis(500);

/// Where a server hears of things.
pub(crate) type Mailbox = UnboundedSender<Mail>;

/// What a server hears.
pub(crate) enum Mail {
    /// A client has connected.
    Connected { connection: ConnectionId, out: UnboundedSender<Vec<u8>>, wanted: oneshot::Sender<Infallible> },
    /// Bytes of a client.
    Bytes { connection: ConnectionId, bytes: Vec<u8> },
    /// A client has gone.
    Gone { connection: ConnectionId },
    /// Another server has opened a link.
    Linked { link: LinkId, out: UnboundedSender<PeerMessage> },
    /// Whatever is for the server itself.
    Input(ServerInput),
}

/// One process.
struct Process {
    shared: Shared,
    number: u32,
    mailbox: Mailbox,
    socket: Arc<Socket>,
    votes: UnboundedSender<(u32, Notification)>,
    connections: BTreeMap<ConnectionId, Connection>,
    links: BTreeMap<LinkId, UnboundedSender<PeerMessage>>,
    timer: Option<(SimTime, Pin<Box<Timer>>)>,
}

/// A client's connection.
struct Connection {
    side: ServerSide,
    out: UnboundedSender<Vec<u8>>,
    /// Dropped with the connection, which ends the waiting for more.
    _wanted: oneshot::Sender<Infallible>,
}

/// Serves, if the server's process is to run.
///
/// # Panics
/// When its sockets cannot be bound, which this world's machines do.
pub(crate) async fn process(shared: Shared, number: u32) {
    if !shared.now(|world| world.witness.server_runs(number)) {
        return;
    }
    let own = ip(Endpoint::ZooKeeper(number));
    let (mailbox, mut mail) = unbounded();
    shared.now(|world| world.servers.insert(number, mailbox.clone()));
    let clients = TcpListener::bind((own, CLIENT_PORT)).await.expect("nobody else listens there");
    let socket = Arc::new(Socket::bind((own, PEER_PORT)).await.expect("nobody else listens there"));
    let ballots = Arc::new(Socket::bind((own, VOTE_PORT)).await.expect("nobody else listens there"));
    let (votes, cast) = unbounded();
    spawn(accept_clients(shared.clone(), number, clients, mailbox.clone()));
    spawn(accept_links(shared.clone(), number, socket.clone(), mailbox.clone()));
    spawn(send_votes(ballots.clone(), number, cast));
    spawn(receive_votes(ballots, mailbox.clone()));
    let first = shared.now(|world| world.restarting.remove(&number)).unwrap_or_default();
    let mut process = Process {
        shared,
        number,
        mailbox,
        socket,
        votes,
        connections: BTreeMap::new(),
        links: BTreeMap::new(),
        timer: None,
    };
    process.perform(first);
    loop {
        match process.next(&mut mail).await {
            Some(mail) => process.take(mail),
            None => {
                if process.shared.now(|world| world.witness.server_is_due(number)) {
                    process.handle(ServerInput::Wakeup);
                }
            }
        }
    }
}

impl Process {
    /// The next mail; `None` when the timer has gone off.
    async fn next(&mut self, mail: &mut UnboundedReceiver<Mail>) -> Option<Mail> {
        let due = self.shared.now(|world| world.witness.server_deadline(self.number));
        if let Some(due) = due
            && self.timer.as_ref().is_none_or(|(at, _)| due < *at)
        {
            self.timer = Some((due, Box::pin(Timer::after(due.since(now())))));
        }
        let timer = &mut self.timer;
        poll_fn(|context| {
            if let Poll::Ready(Some(mail)) = Pin::new(&mut *mail).poll_next(context) {
                return Poll::Ready(Some(mail));
            }
            let Some((_, sleep)) = timer else { return Poll::Pending };
            sleep.as_mut().poll(context).map(|()| {
                *timer = None;
                None
            })
        })
        .await
    }

    fn take(&mut self, mail: Mail) {
        match mail {
            Mail::Connected { connection, out, wanted } => {
                let release = self.shared.now(|world| world.witness.release());
                let side = ServerSide::new(release);
                self.connections.insert(connection, Connection { side, out, _wanted: wanted });
                self.handle(ServerInput::Opened { connection, address: None });
            }
            Mail::Bytes { connection, bytes } => {
                if let Some(of_client) = self.connections.get_mut(&connection) {
                    of_client.side.receive(&bytes);
                    self.take_in(connection);
                }
            }
            Mail::Gone { connection } => {
                if self.connections.remove(&connection).is_some() {
                    self.handle(ServerInput::Closed { connection });
                }
            }
            Mail::Linked { link, out } => {
                self.links.insert(link, out);
            }
            Mail::Input(input) => {
                if let ServerInput::PeerClosed { link, .. } = &input {
                    self.links.remove(link);
                }
                self.handle(input);
            }
        }
    }

    /// Gives the server the messages of a client that are complete.
    fn take_in(&mut self, connection: ConnectionId) {
        while let Some(of_client) = self.connections.get_mut(&connection) {
            match of_client.side.next_message() {
                Ok(Some(Received::Message(message))) => {
                    self.handle(ServerInput::Message { connection, message });
                }
                Ok(Some(Received::Answer(bytes))) => {
                    // If nobody writes any more, the end of the connection is in the mail.
                    let _ = of_client.out.unbounded_send(bytes);
                }
                Ok(None) => return,
                Ok(Some(Received::Word(_))) | Err(_) => {
                    self.connections.remove(&connection);
                    self.handle(ServerInput::Closed { connection });
                    return;
                }
            }
        }
    }

    fn handle(&mut self, input: ServerInput) {
        let outputs = self.shared.now(|world| world.witness.server_handles(self.number, input));
        self.perform(outputs);
    }

    fn perform(&mut self, outputs: Vec<ServerOutput>) {
        let mut answered = VecDeque::new();
        for output in outputs {
            match output {
                ServerOutput::Send { connection, message } => {
                    if let Some(of_client) = self.connections.get_mut(&connection) {
                        let mut bytes = Vec::new();
                        of_client
                            .side
                            .send(&message, &mut bytes)
                            .expect("the answers of a simulation are short");
                        // If nobody writes any more, the end of the connection is in the mail.
                        let _ = of_client.out.unbounded_send(bytes);
                        if of_client.side.waiting() > 0 {
                            answered.push_back(connection);
                        }
                    }
                }
                ServerOutput::Close { connection } => {
                    self.connections.remove(&connection);
                }
                // A vote that nobody sends is a vote that is lost.
                ServerOutput::Notify { to, notification } => {
                    let _ = self.votes.unbounded_send((to, notification));
                }
                ServerOutput::SendPeer { to, link, message } => self.send_peer(to, link, message),
                ServerOutput::ClosePeer { to: _, link } => {
                    self.links.remove(&link);
                }
                ServerOutput::Record(_) => unreachable!("the witness has written it down"),
            }
        }
        // What waited for the answer to a handshake waits no longer.
        for connection in answered {
            self.take_in(connection);
        }
    }

    fn send_peer(&mut self, to: u32, link: LinkId, message: PeerMessage) {
        let out = self.links.entry(link).or_insert_with(|| {
            let (out, messages) = unbounded();
            let opening = Opening {
                ends: Ends {
                    shared: self.shared.clone(),
                    own: Some(Endpoint::ZooKeeper(self.number)),
                    other: Some(Endpoint::ZooKeeper(to)),
                },
                from: self.number,
                to,
                link,
                socket: self.socket.clone(),
                mailbox: self.mailbox.clone(),
            };
            spawn(opening.run(messages));
            out
        });
        // If nobody writes any more, the end of the link is in the mail.
        let _ = out.unbounded_send(message);
    }
}

/// It is not waited for; it ends with its machine.
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    drop(madsim::task::spawn(task));
}

async fn next<T>(channel: &mut UnboundedReceiver<T>) -> Option<T> {
    poll_fn(|context| Pin::new(&mut *channel).poll_next(context)).await
}

// Clients.

async fn accept_clients(shared: Shared, number: u32, listener: TcpListener, mailbox: Mailbox) {
    loop {
        let accepted = tcp::accept(&listener, &shared, Endpoint::ZooKeeper(number)).await;
        let Ok((from, reader, writer)) = accepted else { return };
        let Some(connection) = shared.now(|world| world.accepted(from)) else { continue };
        let (out, letters) = unbounded();
        let (wanted, unwanted) = oneshot::channel();
        if mailbox.unbounded_send(Mail::Connected { connection, out, wanted }).is_err() {
            return;
        }
        spawn(write_to_client(writer, letters));
        spawn(read_from_client(connection, reader, unwanted, mailbox.clone()));
    }
}

async fn write_to_client(mut writer: tcp::Writer, mut letters: UnboundedReceiver<Vec<u8>>) {
    while let Some(letter) = next(&mut letters).await {
        if writer.write(&letter).await.is_err() {
            return;
        }
    }
}

async fn read_from_client(
    connection: ConnectionId,
    mut reader: tcp::Reader,
    mut unwanted: oneshot::Receiver<Infallible>,
    mailbox: Mailbox,
) {
    loop {
        let mut bytes = Vec::new();
        let read = {
            let mut reading = pin!(reader.read(&mut bytes));
            poll_fn(|context| match Pin::new(&mut unwanted).poll(context) {
                Poll::Ready(_) => Poll::Ready(None),
                Poll::Pending => reading.as_mut().poll(context).map(Some),
            })
            .await
        };
        let mail = match read {
            None => return,
            Some(Ok(true)) => Mail::Bytes { connection, bytes },
            Some(Ok(false) | Err(_)) => Mail::Gone { connection },
        };
        let is_end = matches!(mail, Mail::Gone { .. });
        if mailbox.unbounded_send(mail).is_err() || is_end {
            return;
        }
    }
}

// Votes.

async fn send_votes(socket: Arc<Socket>, from: u32, mut votes: UnboundedReceiver<(u32, Notification)>) {
    while let Some((to, notification)) = next(&mut votes).await {
        let to = SocketAddr::new(ip(Endpoint::ZooKeeper(to)), VOTE_PORT);
        // Votes may be lost, and are told again.
        let _ = socket.send_to_raw(to, VOTES, Box::new((from, notification))).await;
    }
}

async fn receive_votes(socket: Arc<Socket>, mailbox: Mailbox) {
    while let Ok((vote, _)) = socket.recv_from_raw(VOTES).await {
        let Ok(vote) = vote.downcast::<(u32, Notification)>() else { continue };
        let (from, notification) = *vote;
        if mailbox.unbounded_send(Mail::Input(ServerInput::Notified { from, notification })).is_err() {
            return;
        }
    }
}

// Links.

/// What goes over a link.
enum OnLink {
    /// First: whose it is, and which.
    Opens { from: u32, link: LinkId },
    /// Then these.
    Message(PeerMessage),
}

/// A link that is being opened.
struct Opening {
    ends: Ends,
    from: u32,
    to: u32,
    link: LinkId,
    socket: Arc<Socket>,
    mailbox: Mailbox,
}

impl Opening {
    async fn run(self, messages: UnboundedReceiver<PeerMessage>) {
        let (from, to, link) = (self.from, self.to, self.link);
        let closed = Mail::Input(ServerInput::PeerClosed { from: to, link });
        if let Ok((out, incoming)) = self.connect().await
            && out.send(Box::new(OnLink::Opens { from, link })).await.is_ok()
        {
            spawn(read_link(self.ends, to, link, incoming, self.mailbox));
            write_link(out, messages).await;
        } else {
            // A process that is gone need not be told.
            let _ = self.mailbox.unbounded_send(closed);
        }
    }

    /// As with other connections: what cannot be reached does not refuse.
    async fn connect(&self) -> io::Result<(LinkSender, LinkReceiver)> {
        let address = SocketAddr::new(ip(Endpoint::ZooKeeper(self.to)), PEER_PORT);
        let mut pause = RETRY_PAUSE;
        loop {
            if !self.ends.deaf() && !self.ends.mute() {
                match self.socket.connect1(address).await {
                    Ok(connected) => return Ok(connected),
                    Err(_) if self.ends.deaf() || self.ends.mute() || self.ends.may_be_lost() => {}
                    Err(error) => return Err(error),
                }
            }
            Timer::after(pause).await;
            pause *= 2;
        }
    }
}

async fn accept_links(shared: Shared, number: u32, socket: Arc<Socket>, mailbox: Mailbox) {
    while let Ok((out, incoming, address)) = socket.accept1().await {
        let ends = Ends {
            shared: shared.clone(),
            own: Some(Endpoint::ZooKeeper(number)),
            other: machine_at(address.ip()),
        };
        spawn(receive_link(ends, out, incoming, mailbox.clone()));
    }
}

async fn receive_link(ends: Ends, out: LinkSender, mut incoming: LinkReceiver, mailbox: Mailbox) {
    let Ok(first) = incoming.recv().await else { return };
    let Ok(first) = first.downcast::<OnLink>() else { return };
    let OnLink::Opens { from, link } = *first else { return };
    let (letters, messages) = unbounded();
    if mailbox.unbounded_send(Mail::Linked { link, out: letters }).is_ok() {
        spawn(read_link(ends, from, link, incoming, mailbox));
        write_link(out, messages).await;
    }
}

/// Writes until the link is closed here, or the other side is gone.
async fn write_link(out: LinkSender, mut messages: UnboundedReceiver<PeerMessage>) {
    while let Some(message) = next(&mut messages).await {
        if out.send(Box::new(OnLink::Message(message))).await.is_err() {
            return;
        }
    }
}

async fn read_link(ends: Ends, from: u32, link: LinkId, mut incoming: LinkReceiver, mailbox: Mailbox) {
    while let Ok(arrived) = incoming.recv().await {
        let Ok(arrived) = arrived.downcast::<OnLink>() else { return };
        let OnLink::Message(message) = *arrived else { return };
        if mailbox.unbounded_send(Mail::Input(ServerInput::Peer { from, link, message })).is_err() {
            return;
        }
    }
    while ends.deaf() {
        Timer::after(END_PAUSE).await;
    }
    // A process that is gone need not be told.
    let _ = mailbox.unbounded_send(Mail::Input(ServerInput::PeerClosed { from, link }));
}
