//! What goes between ZooKeeper servers: votes, which stand for themselves and may be lost, doubled or late; and links,
//! in order or broken. A cut that swallows one message of a link has broken that link in that direction for good.

use super::links::Lane;
use super::{Event, World};
use crate::network::Endpoint;
use crate::plan::Protocol;
use crate::time::SimTime;
use std::collections::{BTreeMap, BTreeSet};
use zeromaster_zookeeper::ServerInput;
use zeromaster_zookeeper::server::peer::{LinkId, Notification, PeerMessage};

/// One direction of a link: from a server, to a server.
type Way = (u32, u32, LinkId);

/// All links that there ever were, each direction apart. There are as many as servers have joined leaders.
#[derive(Clone, Debug, Default)]
pub(super) struct PeerLinks {
    lanes: BTreeMap<Way, Lane>,
    /// The sender has closed it, or knows that it is closed: it sends nothing more.
    ended: BTreeSet<Way>,
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
        self.peers.ended.insert((from, to, link));
        self.peers.lanes.entry((to, from, link)).or_default().broken = true;
        if let Some(at) = at {
            self.queue.push(at, Event::PeerClosed { from, to, link });
        }
    }

    pub(super) fn peer_closed(&mut self, from: u32, to: u32, link: LinkId) {
        if self.peer_gets_through((from, to, link)) {
            self.peers.ended.insert((to, from, link));
            self.reaches(to, ServerInput::PeerClosed { from, link });
        }
    }

    /// The process of `server` has died: its side of every link is closed.
    pub(super) fn peer_links_end_with(&mut self, server: u32) {
        let ways = self.peers.lanes.keys();
        let others: BTreeSet<(u32, LinkId)> = ways
            .filter_map(|(from, to, link)| match (*from == server, *to == server) {
                (true, _) => Some((*to, *link)),
                (false, true) => Some((*from, *link)),
                (false, false) => None,
            })
            .collect();
        for (other, link) in others {
            self.close_peer(server, other, link);
        }
    }

    /// When something sent now on this link arrives; `None` if never.
    fn peer_arrival(&mut self, way: Way) -> Option<SimTime> {
        if self.peers.ended.contains(&way) {
            return None;
        }
        let (from, to, _) = way;
        let latency = self.network.transmit_stream(
            Endpoint::ZooKeeper(from),
            Endpoint::ZooKeeper(to),
            Protocol::Ensemble,
        );
        self.peers.lanes.entry(way).or_default().arrival(self.now, latency)
    }

    /// Whether what was sent on this link gets through at the moment of its arrival.
    fn peer_gets_through(&mut self, way: Way) -> bool {
        let (from, to, _) = way;
        let parted = self.is_parted(from, to);
        let lane = self.peers.lanes.entry(way).or_default();
        lane.broken |= parted;
        !lane.broken
    }

    fn is_parted(&self, from: u32, to: u32) -> bool {
        self.network.is_cut(Endpoint::ZooKeeper(from), Endpoint::ZooKeeper(to), Protocol::Ensemble)
    }
}
