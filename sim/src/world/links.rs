//! The TCP connections between the nodes' ZooKeeper clients and the server: in order, or broken. A cut that swallows
//! one message of a connection has broken that connection: nothing later arrives on it in that direction, and both
//! sides find out by silence.

use super::process::Delivery;
use super::{Event, World, ZOOKEEPER};
use crate::network::Endpoint;
use crate::plan::{NodeNumber, Protocol};
use crate::time::SimTime;
use std::collections::BTreeMap;
use std::time::Duration;
use zeromaster_zookeeper::{
    ClientInput, ClientMessage, ConnectionId, ServerInput, ServerMessage, ServerOutput, SessionId,
};

/// One direction of a connection.
#[derive(Clone, Copy, Debug, Default)]
struct Lane {
    /// Nothing overtakes: the latest arrival so far.
    last: SimTime,
    /// Something was swallowed.
    broken: bool,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    node: NodeNumber,
    to_server: Lane,
    to_client: Lane,
}

/// All connections that one of the two sides still knows.
#[derive(Clone, Debug, Default)]
pub(super) struct Links {
    of: BTreeMap<ConnectionId, Link>,
}

impl World<'_> {
    pub(super) fn client_opens(&mut self, node: NodeNumber, connection: ConnectionId) {
        let link = Link { node, to_server: Lane::default(), to_client: Lane::default() };
        self.links.of.insert(connection, link);
        if let Some(process) = &mut self.machine_mut(node).process {
            process.connections.push(connection);
        }
        if let Some(at) = self.arrival(connection, true) {
            self.queue.push(at, Event::Opening { connection });
        }
    }

    /// When something sent now on this connection arrives; `None` if never.
    fn arrival(&mut self, connection: ConnectionId, to_server: bool) -> Option<SimTime> {
        let link = self.links.of.get_mut(&connection)?;
        let node = Endpoint::Node(link.node);
        let (from, to) = if to_server { (node, ZOOKEEPER) } else { (ZOOKEEPER, node) };
        let latency = self.network.transmit_stream(from, to);
        let lane = if to_server { &mut link.to_server } else { &mut link.to_client };
        match latency {
            Some(latency) if !lane.broken => {
                lane.last = lane.last.max(self.now + latency);
                Some(lane.last)
            }
            Some(_) | None => {
                lane.broken = true;
                None
            }
        }
    }

    /// Whether what was sent on this connection gets through at the moment of its arrival.
    fn gets_through(&mut self, connection: ConnectionId, to_server: bool) -> bool {
        let Some(link) = self.links.of.get_mut(&connection) else { return false };
        let node = Endpoint::Node(link.node);
        let (from, to) = if to_server { (node, ZOOKEEPER) } else { (ZOOKEEPER, node) };
        let lane = if to_server { &mut link.to_server } else { &mut link.to_client };
        lane.broken |= self.network.is_cut(from, to, Protocol::ZooKeeper);
        !lane.broken
    }

    pub(super) fn connection_arrives(&mut self, connection: ConnectionId) {
        if !self.gets_through(connection, true) {
            return;
        }
        let accepted = self.server.is_running();
        if let Some(at) = self.arrival(connection, false) {
            self.queue.push(at, Event::Opened { connection, accepted });
        }
        if accepted {
            self.server_handles(ServerInput::Opened { connection });
        }
    }

    pub(super) fn connection_answered(&mut self, connection: ConnectionId, accepted: bool) {
        if self.gets_through(connection, false) {
            let input = if accepted {
                ClientInput::Opened { connection }
            } else {
                ClientInput::OpenFailed { connection }
            };
            self.reaches_process(connection, input);
        }
        if !accepted {
            self.forget(connection);
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
        let Some(node) = self.links.of.get(&connection).map(|link| link.node) else { return };
        if let Some(process) = &mut self.machine_mut(node).process {
            process.connections.retain(|known| *known != connection);
        }
    }

    pub(super) fn reaches_server(&mut self, connection: ConnectionId, message: ClientMessage) {
        if self.gets_through(connection, true) {
            self.server_handles(ServerInput::Message { connection, message });
        }
    }

    pub(super) fn closed_by_client(&mut self, connection: ConnectionId) {
        if self.gets_through(connection, true) {
            self.server_handles(ServerInput::Closed { connection });
            self.links.of.remove(&connection);
        }
    }

    pub(super) fn reaches_client(&mut self, connection: ConnectionId, message: ServerMessage) {
        if self.gets_through(connection, false) {
            self.reaches_process(connection, ClientInput::Message { connection, message });
        }
    }

    pub(super) fn closed_by_server(&mut self, connection: ConnectionId) {
        if self.gets_through(connection, false) {
            self.reaches_process(connection, ClientInput::Closed { connection });
            self.forget(connection);
        }
    }

    fn forget(&mut self, connection: ConnectionId) {
        if let Some(link) = self.links.of.remove(&connection)
            && let Some(process) = &mut self.machine_mut(link.node).process
        {
            process.connections.retain(|known| *known != connection);
        }
    }

    /// Hands something to the client, if the process that opened the connection still runs.
    fn reaches_process(&mut self, connection: ConnectionId, input: ClientInput) {
        let Some(node) = self.links.of.get(&connection).map(|link| link.node) else { return };
        let knows = |process: &super::Running| process.connections.contains(&connection);
        if self.machine_mut(node).process.as_ref().is_some_and(knows) {
            self.deliver(node, Delivery::Client(input));
        }
    }

    pub(super) fn server_handles(&mut self, input: ServerInput) {
        let mut outputs = Vec::new();
        self.server.handle(Duration::from_micros(self.now.as_micros()), input, &mut outputs);
        for output in outputs {
            self.server_says(output);
        }
        self.schedule_server();
    }

    fn schedule_server(&mut self) {
        let Some(deadline) = self.server.next_deadline() else { return };
        let at = SimTime::from_micros(super::micros_up(deadline)).max(self.now);
        if self.server_wakes_at.is_none_or(|wakes_at| at < wakes_at) {
            self.server_wakes_at = Some(at);
            self.queue.push(at, Event::ServerWake);
        }
    }

    fn server_says(&mut self, output: ServerOutput) {
        match output {
            ServerOutput::Send { connection, message } => {
                if let Some(at) = self.arrival(connection, false) {
                    self.queue.push(at, Event::ToClient { connection, message });
                }
            }
            ServerOutput::Close { connection } => {
                if let Some(at) = self.arrival(connection, false) {
                    self.queue.push(at, Event::ClosedByServer { connection });
                }
            }
            ServerOutput::SessionOpened { session, .. } => {
                // The client tells it when it hears of it.
                let _ = session;
            }
            ServerOutput::SessionExpired { session } => {
                let whose = self.whose(session);
                self.note("zk", "expired", |_| format!("session {session}{whose}"));
            }
            ServerOutput::SessionClosed { session } => {
                let whose = self.whose(session);
                self.note("zk", "closed", |_| format!("session {session}{whose}"));
            }
        }
    }

    fn whose(&self, session: SessionId) -> String {
        self.session_owners.get(&session).map_or_else(String::new, |node| format!(" of {node}"))
    }
}
