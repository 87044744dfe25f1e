//! What goes between ZooKeeper servers: votes, which stand for themselves and may be lost, doubled or late; and links,
//! in order or broken. A cut that swallows one message of a link has broken that link in that direction for good.

use super::links::Lane;
use super::{Event, World};
use crate::network::{Endpoint, LinkPlace};
use crate::plan::Protocol;
use crate::time::SimTime;
use std::collections::BTreeSet;
use zeromaster_zookeeper::ServerInput;
use zeromaster_zookeeper::server::peer::{LinkId, Notification, PeerMessage};

/// One direction of a link: from a server, to a server.
type Way = (u32, u32, LinkId);

/// One direction of a link.
#[derive(Clone, Copy, Debug, Default)]
struct PeerLane {
    lane: Lane,
    /// The sender has closed it, or knows that it is closed: it sends nothing more.
    ended: bool,
    /// Once something was sent on it.
    place: Option<LinkPlace>,
}

/// All links that there ever were, each direction apart. There are as many as servers have joined leaders.
#[derive(Clone, Debug)]
pub(super) struct PeerLinks {
    servers: u32,
    /// From each server to each other one; the newest, which nearly all messages are for, come last.
    lanes: Vec<Vec<(LinkId, PeerLane)>>,
}

impl PeerLinks {
    pub(super) fn new(servers: u32) -> Self {
        let pairs = (0..u64::from(servers) * u64::from(servers)).map(|_| Vec::new());
        PeerLinks { servers, lanes: pairs.collect() }
    }

    #[inline]
    fn lane(&mut self, (from, to, link): Way) -> &mut PeerLane {
        let lanes = &mut self.lanes[((from - 1) * self.servers + to - 1) as usize];
        let index = match lanes.last() {
            Some((newest, _)) if *newest == link => lanes.len() - 1,
            Some(_) | None => lanes.iter().position(|(known, _)| *known == link).unwrap_or_else(|| {
                lanes.push((link, PeerLane::default()));
                lanes.len() - 1
            }),
        };
        &mut lanes[index].1
    }

    /// The links of `server`, each with who is at its other end, in that order.
    fn of(&self, server: u32) -> BTreeSet<(u32, LinkId)> {
        let others = (1..=self.servers).flat_map(|other| [(server, other, other), (other, server, other)]);
        let lanes = others.flat_map(|(from, to, other)| {
            let lanes = &self.lanes[((from - 1) * self.servers + to - 1) as usize];
            lanes.iter().map(move |(link, _)| (other, *link))
        });
        lanes.collect()
    }
}

impl World<'_> {
    pub(super) fn notify(&mut self, from: u32, to: u32, notification: Notification) {
        let sent =
            self.network.transmit(Endpoint::ZooKeeper(from), Endpoint::ZooKeeper(to), Protocol::Ensemble);
        for latency in sent.latencies() {
            let notification = notification.clone();
            self.queue.push(self.now + latency, Event::Notified { from, to, notification });
        }
    }

    pub(super) fn notified(&mut self, from: u32, to: u32, notification: Notification) {
        if !self.is_parted(from, to) {
            self.reaches(to, ServerInput::Notified { from, notification });
        }
    }

    pub(super) fn send_peer(&mut self, from: u32, to: u32, link: LinkId, message: PeerMessage) {
        if let Some(at) = self.peer_arrival((from, to, link)) {
            self.queue.push(at, Event::Peer { from, to, link, message });
        }
    }

    pub(super) fn peer_arrives(&mut self, from: u32, to: u32, link: LinkId, message: PeerMessage) {
        if !self.peer_gets_through((from, to, link)) {
            return;
        }
        if self.server(to).server.is_running() {
            self.reaches(to, ServerInput::Peer { from, link, message });
        } else {
            // Nobody listens there: the connection is refused.
            self.close_peer(to, from, link);
        }
    }

    /// `from` closes the link, after what it has sent on it; what is on its way to it is lost.
    pub(super) fn close_peer(&mut self, from: u32, to: u32, link: LinkId) {
        let at = self.peer_arrival((from, to, link));
        self.peers.lane((from, to, link)).ended = true;
        self.peers.lane((to, from, link)).lane.broken = true;
        if let Some(at) = at {
            self.queue.push(at, Event::PeerClosed { from, to, link });
        }
    }

    pub(super) fn peer_closed(&mut self, from: u32, to: u32, link: LinkId) {
        if self.peer_gets_through((from, to, link)) {
            self.peers.lane((to, from, link)).ended = true;
            self.reaches(to, ServerInput::PeerClosed { from, link });
        }
    }

    /// The process of `server` has died: its side of every link is closed.
    pub(super) fn peer_links_end_with(&mut self, server: u32) {
        for (other, link) in self.peers.of(server) {
            self.close_peer(server, other, link);
        }
    }

    /// When something sent now on this link arrives; `None` if never.
    fn peer_arrival(&mut self, way: Way) -> Option<SimTime> {
        let (from, to) = (Endpoint::ZooKeeper(way.0), Endpoint::ZooKeeper(way.1));
        let PeerLane { lane, ended: false, place } = self.peers.lane(way) else { return None };
        let place = *place.get_or_insert_with(|| self.network.place(from, to));
        lane.arrival(self.now, self.network.transmit_stream_at(place, from, to, Protocol::Ensemble))
    }

    /// Whether what was sent on this link gets through at the moment of its arrival.
    fn peer_gets_through(&mut self, way: Way) -> bool {
        let (from, to, _) = way;
        let parted = self.is_parted(from, to);
        let lane = &mut self.peers.lane(way).lane;
        lane.broken |= parted;
        !lane.broken
    }

    fn is_parted(&self, from: u32, to: u32) -> bool {
        self.network.is_cut(Endpoint::ZooKeeper(from), Endpoint::ZooKeeper(to), Protocol::Ensemble)
    }
}
