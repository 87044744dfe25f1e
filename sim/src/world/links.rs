//! The TCP connections between the nodes' ZooKeeper clients and the servers: in order, or broken. A cut that swallows
//! one message of a connection has broken that connection: nothing later arrives on it in that direction, and both
//! sides find out by silence.

use super::{Event, World};
use crate::network::{Endpoint, LinkPlace};
use crate::plan::{NodeNumber, Protocol};
use crate::time::SimTime;
use smallvec::SmallVec;
use std::time::Duration;
use zeromaster_core::identity::Incarnation;
use zeromaster_zookeeper::{ClientInput, ClientMessage, ConnectionId, ServerInput, ServerMessage};

/// One direction of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lane {
    /// Nothing overtakes: the latest arrival so far.
    last: SimTime,
    /// Something was swallowed.
    pub(super) broken: bool,
}

impl Lane {
    /// When what is sent at `now` and takes `latency` arrives. `None`: it is swallowed, or something before it was.
    pub(super) fn arrival(&mut self, now: SimTime, latency: Option<Duration>) -> Option<SimTime> {
        match latency {
            Some(latency) if !self.broken => {
                self.last = self.last.max(now + latency);
                Some(self.last)
            }
            Some(_) | None => {
                self.broken = true;
                None
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Link {
    connection: ConnectionId,
    server: u32,
    /// The way to the server.
    place: LinkPlace,
    /// The server's machine has accepted it, and has not closed it.
    accepted: bool,
    /// The process that opened it runs, and has not closed it.
    held: bool,
    to_server: Lane,
    to_client: Lane,
}

impl Link {
    /// Whose client opened it.
    fn node(&self) -> NodeNumber {
        Links::node_of(self.connection)
    }

    /// Who sends and who receives.
    fn ends(&self, to_server: bool) -> (Endpoint, Endpoint) {
        let (node, server) = (Endpoint::Node(self.node()), Endpoint::ZooKeeper(self.server));
        if to_server { (node, server) } else { (server, node) }
    }

    fn lane(&mut self, to_server: bool) -> &mut Lane {
        if to_server { &mut self.to_server } else { &mut self.to_client }
    }
}

/// All connections that one of the two sides still knows.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    /// Those of each node, the oldest first; seldom more than one, so the first is found without another step.
    of: Vec<SmallVec<[Link; 1]>>,
}

impl Links {
    pub(super) fn new(nodes: u32) -> Self {
        Links { of: (0..nodes).map(|_| SmallVec::new()).collect() }
    }

    /// The number from which the client in the `incarnation`th process on `node` counts its connections.
    pub(crate) fn first_connection(node: NodeNumber, incarnation: Incarnation) -> u64 {
        (u64::from(node.0) << NODE_SHIFT) | (incarnation.0 << INCARNATION_SHIFT)
    }

    /// Whose client opened it.
    pub(super) fn node_of(connection: ConnectionId) -> NodeNumber {
        NodeNumber((connection.0 >> NODE_SHIFT) as u32)
    }

    fn of_node(&mut self, connection: ConnectionId) -> &mut SmallVec<[Link; 1]> {
        &mut self.of[(connection.0 >> NODE_SHIFT) as usize - 1]
    }

    fn insert(&mut self, link: Link) {
        self.of_node(link.connection).push(link);
    }

    fn get_mut(&mut self, connection: ConnectionId) -> Option<&mut Link> {
        self.of_node(connection).iter_mut().find(|link| link.connection == connection)
    }

    fn remove(&mut self, connection: ConnectionId) {
        self.of_node(connection).retain(|link| link.connection != connection);
    }

    /// The connections that the process on `node` holds, the oldest first.
    pub(super) fn held_by(&self, node: NodeNumber) -> Vec<ConnectionId> {
        let held = self.of[node.0 as usize - 1].iter().filter(|link| link.held);
        held.map(|link| link.connection).collect()
    }

    /// Every connection, by node, the oldest first.
    fn iter(&self) -> impl Iterator<Item = &Link> {
        self.of.iter().flatten()
    }
}

const NODE_SHIFT: u32 = 40;
const INCARNATION_SHIFT: u32 = 20;

impl World<'_> {
    /// A client opens a connection to a server, which it counts from 0.
    pub(super) fn client_opens(&mut self, node: NodeNumber, connection: ConnectionId, server: u32) {
        let (to_server, to_client) = (Lane::default(), Lane::default());
        let server = server + 1;
        let place = self.network.place(Endpoint::Node(node), Endpoint::ZooKeeper(server));
        let (accepted, held) = (false, true);
        self.links.insert(Link { connection, server, place, accepted, held, to_server, to_client });
        if let Some(at) = self.arrival(connection, true) {
            self.queue.push(at, Event::Opening { connection });
        }
    }

    /// When something sent now on this connection arrives; `None` if never.
    fn arrival(&mut self, connection: ConnectionId, to_server: bool) -> Option<SimTime> {
        let link = self.links.get_mut(connection)?;
        let (from, to) = link.ends(to_server);
        let place = if to_server { link.place } else { link.place.reverse() };
        let latency = self.network.transmit_stream_at(place, from, to, Protocol::ZooKeeper);
        link.lane(to_server).arrival(self.now, latency)
    }

    /// The connection, if what was sent on it gets through at the moment of its arrival.
    fn gets_through(&mut self, connection: ConnectionId, to_server: bool) -> Option<&mut Link> {
        let link = self.links.get_mut(connection)?;
        let (from, to) = link.ends(to_server);
        let lane = link.lane(to_server);
        lane.broken |= self.network.is_cut(from, to, Protocol::ZooKeeper);
        (!lane.broken).then_some(link)
    }

    pub(super) fn connection_arrives(&mut self, connection: ConnectionId) {
        let Some(server) = self.gets_through(connection, true).map(|link| link.server) else { return };
        // The kernel accepts, whether the process stands still or not.
        let accepted = self.server(server).server.is_running();
        if let Some(at) = self.arrival(connection, false) {
            self.queue.push(at, Event::Opened { connection, accepted });
        }
        if accepted {
            if let Some(link) = self.links.get_mut(connection) {
                link.accepted = true;
            }
            self.reaches(server, ServerInput::Opened { connection, address: None });
        }
    }

    pub(super) fn connection_answered(&mut self, connection: ConnectionId, accepted: bool) {
        let input = if accepted {
            ClientInput::Opened { connection }
        } else {
            ClientInput::OpenFailed { connection }
        };
        if let Some(node) = self.reaches_holder(connection) {
            self.deliver_to_client(node, input);
        }
        if !accepted {
            self.links.remove(connection);
        }
    }

    pub(super) fn client_sends(&mut self, connection: ConnectionId, message: ClientMessage) {
        if let Some(at) = self.arrival(connection, true) {
            self.queue.push(at, Event::ToServer { connection, message });
        }
    }

    pub(super) fn client_closes(&mut self, connection: ConnectionId) {
        if let Some(at) = self.arrival(connection, true) {
            self.queue.push(at, Event::ClosedByClient { connection });
        }
        if let Some(link) = self.links.get_mut(connection) {
            link.held = false;
        }
    }

    pub(super) fn reaches_server(&mut self, connection: ConnectionId, message: ClientMessage) {
        if let Some(server) = self.gets_through(connection, true).map(|link| link.server) {
            self.reaches(server, ServerInput::Message { connection, message });
        }
    }

    pub(super) fn closed_by_client(&mut self, connection: ConnectionId) {
        if let Some(server) = self.gets_through(connection, true).map(|link| link.server) {
            self.reaches(server, ServerInput::Closed { connection });
            self.links.remove(connection);
        }
    }

    pub(super) fn server_sends(&mut self, connection: ConnectionId, message: ServerMessage) {
        if let Some(at) = self.arrival(connection, false) {
            self.queue.push(at, Event::ToClient { connection, message });
        }
    }

    pub(super) fn server_closes(&mut self, connection: ConnectionId) {
        if let Some(link) = self.links.get_mut(connection) {
            link.accepted = false;
        }
        if let Some(at) = self.arrival(connection, false) {
            self.queue.push(at, Event::ClosedByServer { connection });
        }
    }

    /// The process of `server` has died: every connection to it is closed.
    pub(super) fn connections_end_with(&mut self, server: u32) {
        let links = self.links.iter();
        let ended: Vec<ConnectionId> =
            links.filter(|link| link.server == server && link.accepted).map(|link| link.connection).collect();
        for connection in ended {
            self.server_closes(connection);
        }
    }

    pub(super) fn reaches_client(&mut self, connection: ConnectionId, message: ServerMessage) {
        if let Some(node) = self.reaches_holder(connection) {
            self.observe_told(node, &message);
            self.deliver_to_client(node, ClientInput::Message { connection, message });
        }
    }

    pub(super) fn closed_by_server(&mut self, connection: ConnectionId) {
        if self.gets_through(connection, false).is_none() {
            return;
        }
        if let Some(node) = self.reaches_holder(connection) {
            self.deliver_to_client(node, ClientInput::Closed { connection });
        }
        self.links.remove(connection);
    }

    /// Whom something on its way to the client reaches: the node whose process opened the connection, if that still runs
    /// and holds it.
    fn reaches_holder(&mut self, connection: ConnectionId) -> Option<NodeNumber> {
        let link = self.gets_through(connection, false)?;
        link.held.then(|| link.node())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Options;
    use crate::scenario::Scenario;
    use crate::setup::Setup;

    #[test]
    fn nobody_hears_what_comes_on_a_connection_whose_process_has_closed_it_or_has_ended() {
        let scenario = Scenario::of(2).until(Duration::from_secs(60)).build().expect("a scenario");
        let setup = Setup::new(&scenario, None).expect("the shipped configuration makes sense");
        let mut world = World::new(&scenario, &setup, 1, Options::default());
        world.run_until(SimTime::ZERO + Duration::from_secs(30), false);
        let mut check = |node, closes: &dyn Fn(&mut World<'_>, ConnectionId)| {
            let held = world.links.held_by(node);
            assert_eq!(held.len(), 1, "{node} is connected");
            assert_eq!(world.reaches_holder(held[0]), Some(node));
            closes(&mut world, held[0]);
            assert!(world.links.get_mut(held[0]).is_some(), "the server does not know of it yet");
            assert_eq!((world.reaches_holder(held[0]), world.links.held_by(node).len()), (None, 0));
        };
        check(NodeNumber(1), &|world, connection| world.client_closes(connection));
        check(NodeNumber(2), &|world, _| world.end(NodeNumber(2)));
    }
}
