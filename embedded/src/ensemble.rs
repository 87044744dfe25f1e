//! The servers, and what they say to each other: at once, and in order; clients and sockets are left to the engine.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem::take;
use std::time::Duration;
use zeromaster_zookeeper::protocol::ServerMessage;
use zeromaster_zookeeper::server::peer::LinkId;
use zeromaster_zookeeper::{
    ConnectionId, Server, ServerConfig, ServerInput, ServerOutput, ServerRecord, SessionId,
};

/// How many inputs a server that stands still may miss, and how many bytes of them, before it is cut off from the others:
/// its links break, as those of a real one do whose buffers are full for long, and it catches up when it goes on.
const MISSED_MAX: usize = 100_000;
const MISSED_BYTES_MAX: usize = 64 << 20;

/// How much of the time in which nothing was done is made up for. A process that was stopped for longer goes on as if it
/// had been for so long.
const MADE_UP_MAX: Duration = Duration::from_secs(60);

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
    /// By server: when it has gone on. What was due before is due then.
    resumed_at: Vec<Duration>,
    /// Servers that stand still.
    paused: BTreeMap<u32, Missed>,
    outputs: Vec<ServerOutput>,
}

/// What a server that stands still will learn when it goes on.
#[derive(Debug, Default)]
struct Missed {
    inputs: VecDeque<ServerInput>,
    bytes: usize,
    /// The links that it had when it stopped, with the other end of each.
    links: BTreeMap<LinkId, u32>,
}

impl Missed {
    fn add(&mut self, input: ServerInput) {
        self.bytes += weight(&input);
        self.inputs.push_back(input);
    }

    fn is_too_much(&self) -> bool {
        self.inputs.len() > MISSED_MAX || self.bytes > MISSED_BYTES_MAX
    }

    /// Nothing of what the other servers have said will be learnt, but that the links to them are gone.
    fn forget_others(&mut self) {
        self.inputs.retain(|input| {
            let of_others = matches!(
                input,
                ServerInput::Peer { .. } | ServerInput::PeerClosed { .. } | ServerInput::Notified { .. }
            );
            !of_others
        });
        let closed =
            self.links.iter().map(|(link, from)| ServerInput::PeerClosed { from: *from, link: *link });
        self.inputs.extend(closed);
        self.bytes = self.inputs.iter().map(weight).sum();
    }
}

fn weight(input: &ServerInput) -> usize {
    let inside = if let ServerInput::Peer { message, .. } = input { message.weight() } else { 0 };
    size_of::<ServerInput>() + inside
}

impl Ensemble {
    pub(crate) fn new(configs: Vec<ServerConfig>) -> Self {
        Ensemble {
            resumed_at: vec![Duration::ZERO; configs.len()],
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
        self.next_due().map(|(due, _)| due)
    }

    /// Wakes the servers whose time has come: each at its time, as if this had been called then. A turn that took long
    /// was as long for all of them, and none has been silent; one that stood still has missed what was due.
    pub(crate) fn wake(&mut self, now: Duration, told: &mut VecDeque<Told>) {
        let earliest = now.saturating_sub(MADE_UP_MAX);
        while let Some((due, id)) = self.next_due() {
            if due > now {
                return;
            }
            self.give(due.max(earliest), id, ServerInput::Wakeup, told);
        }
    }

    /// When the next server is to be woken, and which.
    fn next_due(&self) -> Option<(Duration, u32)> {
        let awake = self.ids().filter(|id| !self.is_paused(*id));
        let due = awake.filter_map(|id| {
            let deadline = self.server(id).next_deadline()?;
            Some((deadline.max(self.resumed_at[index(id)]), id))
        });
        due.min()
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
        for link in self.links_of(id) {
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
        let links = self.links.iter().filter_map(|(link, (opener, other))| match id {
            id if id == *opener => Some((*link, *other)),
            id if id == *other => Some((*link, *opener)),
            _ => None,
        });
        let links = links.collect();
        self.paused.entry(id).or_insert_with(|| Missed { links, ..Missed::default() });
    }

    /// A server goes on, and learns what it has missed.
    pub(crate) fn resume(&mut self, now: Duration, id: u32, told: &mut VecDeque<Told>) {
        let Some(missed) = self.paused.remove(&id) else { return };
        self.resumed_at[index(id)] = now;
        self.queue.extend(missed.inputs.into_iter().map(|input| (id, input)));
        self.settle(now, told);
    }

    /// Lets the servers learn what there is to learn, until nothing is left.
    fn settle(&mut self, now: Duration, told: &mut VecDeque<Told>) {
        while let Some((id, input)) = self.queue.pop_front() {
            if let Some(missed) = self.paused.get_mut(&id) {
                missed.add(input);
                if missed.is_too_much() {
                    self.cut_off(id);
                }
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

    /// A server has missed too much: its links break.
    fn cut_off(&mut self, id: u32) {
        if let Some(missed) = self.paused.get_mut(&id) {
            missed.forget_others();
        }
        for link in self.links_of(id) {
            self.tear(link, id);
        }
    }

    fn links_of(&self, id: u32) -> BTreeSet<LinkId> {
        let of_it = self.links.iter().filter(|(_, ends)| ends.0 == id || ends.1 == id);
        of_it.map(|(link, _)| *link).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::EmbeddedConfig;
    use std::time::SystemTime;
    use zeromaster_zookeeper::{ClientMessage, Operation, Zxid};

    /// Three servers whose leader stands still, a client on one of the others, and the time.
    struct Bench {
        ensemble: Ensemble,
        told: VecDeque<Told>,
        now: Duration,
        leader: u32,
    }

    const CLIENT: ConnectionId = ConnectionId(7);

    impl Bench {
        fn new() -> Bench {
            let config = EmbeddedConfig::ensemble(3);
            let ensemble = Ensemble::new(config.servers(SystemTime::UNIX_EPOCH, &config.listen));
            let mut bench = Bench { ensemble, told: VecDeque::new(), now: Duration::ZERO, leader: 0 };
            bench.until(|bench| bench.ensemble.is_serving());
            let leads = |id: &u32| bench.ensemble.server(*id).synced_followers().is_some();
            bench.leader = bench.ensemble.ids().find(leads).expect("one leads");
            let timeout = Duration::from_secs(30);
            let connect = ClientMessage::Connect { session: None, timeout, last_zxid_seen: Zxid(0) };
            bench.give(ServerInput::Opened { connection: CLIENT, address: None });
            bench.give(ServerInput::Message { connection: CLIENT, message: connect });
            bench
        }

        /// The server of the client.
        fn follower(&self) -> u32 {
            self.leader % 3 + 1
        }

        fn give(&mut self, input: ServerInput) {
            let follower = self.follower();
            self.ensemble.give(self.now, follower, input, &mut self.told);
        }

        /// The client writes a kilobyte so often.
        fn write(&mut self, times: i32) {
            for xid in 1..=times {
                let data = Some(vec![0; 1000].into());
                let operation = Operation::SetData { path: "/".into(), data, version: -1 };
                let message = ClientMessage::Request { xid, operation };
                self.give(ServerInput::Message { connection: CLIENT, message });
            }
        }

        fn until(&mut self, holds: impl Fn(&Bench) -> bool) {
            for _ in 0..100_000 {
                if holds(self) {
                    return;
                }
                self.now += Duration::from_millis(1);
                self.ensemble.wake(self.now, &mut self.told);
            }
            panic!("it never comes to that");
        }
    }

    #[test]
    fn requests_wait_while_the_leader_stands_still_and_are_counted() {
        let mut bench = Bench::new();
        let (leader, follower) = (bench.leader, bench.follower());
        bench.write(3);
        assert_eq!(bench.ensemble.server(follower).outstanding(), 0, "they are answered at once");
        bench.ensemble.pause(leader);
        bench.write(5);
        assert_eq!(bench.ensemble.server(follower).outstanding(), 5);
        assert!(bench.ensemble.server(follower).is_outstanding(CLIENT));
        assert!(!bench.ensemble.server(follower).is_outstanding(ConnectionId(8)));
        bench.ensemble.resume(bench.now, leader, &mut bench.told);
        assert_eq!(bench.ensemble.server(follower).outstanding(), 0);
        bench.ensemble.server(follower).check_invariants();
    }

    /// Followers that are woken before their leader believed that it had been silent.
    #[test]
    fn a_turn_that_takes_long_is_no_silence_between_servers() {
        let mut bench = Bench::new();
        let looks = |told: &Told| matches!(told, Told::Record { record: ServerRecord::Looking, .. });
        bench.told.clear();
        for seconds in [9, 11, 30, 3_600] {
            bench.now += Duration::from_secs(seconds);
            bench.ensemble.wake(bench.now, &mut bench.told);
            assert!(bench.ensemble.is_serving() && !bench.told.iter().any(looks), "after {seconds} s");
            assert_eq!(bench.ensemble.server(bench.leader).synced_followers(), Some(2));
            assert!(bench.ensemble.next_deadline() > Some(bench.now), "everything due is done");
        }
    }

    #[test]
    fn a_server_that_misses_too_much_is_cut_off_and_catches_up() {
        let mut bench = Bench::new();
        let behind = bench.follower() % 3 + 1;
        bench.ensemble.pause(behind);
        bench.write(3 * i32::try_from(MISSED_BYTES_MAX / 1000).expect("it is not that much"));
        let missed = &bench.ensemble.paused[&behind];
        assert!(missed.inputs.len() < 10 && !missed.is_too_much(), "{} inputs", missed.inputs.len());
        let leader = bench.ensemble.server(bench.leader);
        assert_eq!(leader.synced_followers(), Some(1), "the other one is enough");
        let last = leader.last_zxid();
        bench.ensemble.resume(bench.now, behind, &mut bench.told);
        bench.until(|bench| bench.ensemble.is_serving());
        assert!(bench.ensemble.server(behind).last_zxid() >= last);
        for id in bench.ensemble.ids() {
            bench.ensemble.server(id).check_invariants();
        }
    }

    #[test]
    fn a_leader_that_misses_too_much_is_replaced() {
        let mut bench = Bench::new();
        let leader = bench.leader;
        bench.ensemble.pause(leader);
        // A front end would stop reading long before.
        bench.write(2 * i32::try_from(MISSED_BYTES_MAX / 1000).expect("it is not that much"));
        let others = move |id: &u32| *id != leader;
        bench.until(|bench| {
            bench.ensemble.ids().filter(others).all(|id| bench.ensemble.server(id).is_serving())
        });
        assert!(!bench.ensemble.paused[&leader].is_too_much());
        bench.ensemble.resume(bench.now, leader, &mut bench.told);
        // It believes that it leads until it looks at its quorum.
        bench.until(|bench| bench.ensemble.server(leader).synced_followers().is_none());
        bench.until(|bench| bench.ensemble.is_serving());
        assert_eq!(bench.ensemble.server(leader).synced_followers(), None, "it follows");
    }
}
