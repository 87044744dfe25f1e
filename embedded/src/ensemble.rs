//! The servers, and what they say to each other: at once, and in order; clients and sockets are left to the engine.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem::take;
use std::time::Duration;
use zeromaster_zookeeper::protocol::ServerMessage;
use zeromaster_zookeeper::server::peer::LinkId;
use zeromaster_zookeeper::{
    ConnectionId, Server, ServerConfig, ServerInput, ServerOutput, ServerRecord, SessionId,
};

/// What a server wants of those outside the ensemble.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Told {
    /// Send a message to a client.
    Send { connection: ConnectionId, message: ServerMessage },
    /// Close a client's connection, after what was sent on it.
    Close { connection: ConnectionId },
    /// Something happened on a server.
    Record { server: u32, record: ServerRecord },
}

/// The servers of one ensemble. They are numbered from 1.
#[derive(Debug)]
pub(crate) struct Ensemble {
    servers: Vec<Server>,
    /// Who opened a link, and to whom.
    links: BTreeMap<LinkId, (u32, u32)>,
    /// What the servers are still to learn, in this order.
    queue: VecDeque<(u32, ServerInput)>,
    /// Servers that stand still, with what they will learn when they go on.
    paused: BTreeMap<u32, Vec<ServerInput>>,
    outputs: Vec<ServerOutput>,
}

impl Ensemble {
    pub(crate) fn new(configs: Vec<ServerConfig>) -> Self {
        Ensemble {
            servers: configs.into_iter().map(Server::new).collect(),
            links: BTreeMap::new(),
            queue: VecDeque::new(),
            paused: BTreeMap::new(),
            outputs: Vec::new(),
        }
    }

    /// A server by its number.
    ///
    /// # Panics
    /// When there is none of that number.
    pub(crate) fn server(&self, id: u32) -> &Server {
        &self.servers[index(id)]
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = u32> + use<> {
        1..=u32::try_from(self.servers.len()).expect("there are at most 255 servers")
    }

    pub(crate) fn is_paused(&self, id: u32) -> bool {
        self.paused.contains_key(&id)
    }

    /// Whether every server that runs serves, and there is one.
    pub(crate) fn is_serving(&self) -> bool {
        let mut running = self.servers.iter().filter(|server| server.is_running()).peekable();
        running.peek().is_some() && running.all(Server::is_serving)
    }

    /// When the next server is to be woken.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        let awake = self.ids().filter(|id| !self.is_paused(*id));
        awake.filter_map(|id| self.server(id).next_deadline()).min()
    }

    /// Wakes the servers whose time has come.
    pub(crate) fn wake(&mut self, now: Duration, told: &mut VecDeque<Told>) {
        for id in self.ids() {
            if self.server(id).next_deadline().is_some_and(|deadline| deadline <= now) && !self.is_paused(id)
            {
                self.give(now, id, ServerInput::Wakeup, told);
            }
        }
    }

    /// A server learns something, and the others learn what follows.
    pub(crate) fn give(&mut self, now: Duration, server: u32, input: ServerInput, told: &mut VecDeque<Told>) {
        self.queue.push_back((server, input));
        self.settle(now, told);
    }

    /// Expires a session; only the leader can.
    pub(crate) fn expire(&mut self, now: Duration, session: SessionId, told: &mut VecDeque<Told>) {
        for id in self.ids() {
            self.give(now, id, ServerInput::ExpireSession { session }, told);
        }
    }

    /// The process of a server dies. Its clients' connections are the caller's to close.
    pub(crate) fn crash(&mut self, now: Duration, id: u32, told: &mut VecDeque<Told>) {
        self.paused.remove(&id);
        let mut last_words = Vec::new();
        self.servers[index(id)].handle(now, ServerInput::Stopped, &mut last_words);
        told.extend(last_words.into_iter().filter_map(|output| match output {
            ServerOutput::Record(record) => Some(Told::Record { server: id, record }),
            ServerOutput::Send { .. }
            | ServerOutput::Close { .. }
            | ServerOutput::Notify { .. }
            | ServerOutput::SendPeer { .. }
            | ServerOutput::ClosePeer { .. } => None,
        }));
        let torn: BTreeSet<LinkId> = self
            .links
            .iter()
            .filter(|(_, ends)| ends.0 == id || ends.1 == id)
            .map(|(link, _)| *link)
            .collect();
        for link in torn {
            self.tear(link, id);
        }
        self.settle(now, told);
    }

    /// The process of a server starts again.
    pub(crate) fn start(&mut self, now: Duration, id: u32, told: &mut VecDeque<Told>) {
        self.give(now, id, ServerInput::Started, told);
    }

    /// A server stands still: it neither learns nor does anything.
    pub(crate) fn pause(&mut self, id: u32) {
        self.paused.entry(id).or_default();
    }

    /// A server goes on, and learns what it has missed.
    pub(crate) fn resume(&mut self, now: Duration, id: u32, told: &mut VecDeque<Told>) {
        let missed = self.paused.remove(&id).unwrap_or_default();
        self.queue.extend(missed.into_iter().map(|input| (id, input)));
        self.settle(now, told);
    }

    /// Lets the servers learn what there is to learn, until nothing is left.
    fn settle(&mut self, now: Duration, told: &mut VecDeque<Told>) {
        while let Some((id, input)) = self.queue.pop_front() {
            if let Some(missed) = self.paused.get_mut(&id) {
                missed.push(input);
                continue;
            }
            let mut outputs = take(&mut self.outputs);
            self.servers[index(id)].handle(now, input, &mut outputs);
            for output in outputs.drain(..) {
                self.perform(id, output, told);
            }
            self.outputs = outputs;
        }
    }

    fn perform(&mut self, id: u32, output: ServerOutput, told: &mut VecDeque<Told>) {
        match output {
            ServerOutput::Send { connection, message } => told.push_back(Told::Send { connection, message }),
            ServerOutput::Close { connection } => told.push_back(Told::Close { connection }),
            ServerOutput::Record(record) => told.push_back(Told::Record { server: id, record }),
            ServerOutput::Notify { to, notification } => {
                self.queue.push_back((to, ServerInput::Notified { from: id, notification }));
            }
            ServerOutput::SendPeer { to, link, message } => {
                if self.server(to).is_running() {
                    self.links.entry(link).or_insert((id, to));
                    self.queue.push_back((to, ServerInput::Peer { from: id, link, message }));
                } else {
                    // Nobody listens there.
                    self.queue.push_back((id, ServerInput::PeerClosed { from: to, link }));
                }
            }
            ServerOutput::ClosePeer { to: _, link } => self.tear(link, id),
        }
    }

    /// Closes a link from the side of `id`. The other side is told, unless it has closed it already.
    fn tear(&mut self, link: LinkId, id: u32) {
        if let Some((opener, other)) = self.links.remove(&link) {
            let to = if opener == id { other } else { opener };
            self.queue.push_back((to, ServerInput::PeerClosed { from: id, link }));
        }
    }
}

fn index(id: u32) -> usize {
    usize::try_from(id).expect("numbers of servers are small") - 1
}
