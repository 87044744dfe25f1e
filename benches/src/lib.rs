//! What the benchmarks measure on: a cluster of nodes joined without a simulator, by a network that loses no time and a
//! ZooKeeper that is a map. Benchmarks are in benches/.

pub mod ensemble;
pub mod measure;
pub mod quiet;
mod zookeeper;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use zeromaster_core::config::NodeConfig;
use zeromaster_core::coordination::{CoordinationEvent, CoordinationRequest, Paths};
use zeromaster_core::effect::{Effect, Effects};
use zeromaster_core::flow::DataFlow;
use zeromaster_core::identity::{Address, Incarnation, NodeId, NodeIdentifier};
use zeromaster_core::message::{Heartbeat, Message};
use zeromaster_core::node::{Input, Node};
use zeromaster_core::rules::Rules;
use zeromaster_core::time::Instant;
use zookeeper::ZooKeeper;

/// Steps after which a cluster that has not come to rest never will.
const STEPS_MAX: u32 = 10_000_000;

/// Nodes on one clock; what one sends, another has at once.
pub struct Cluster {
    now: Instant,
    nodes: Vec<Node>,
    by_host: BTreeMap<Arc<str>, usize>,
    zookeeper: ZooKeeper,
    inputs: VecDeque<(usize, Input)>,
    effects: Effects,
}

/// A heartbeat on its way to the coordinator.
#[derive(Clone, Debug)]
pub struct SentHeartbeat {
    /// Where its sender awaits the answer.
    pub from: Address,
    /// What it says.
    pub heartbeat: Arc<Heartbeat>,
}

impl SentHeartbeat {
    /// The same again with another number, as it reaches the coordinator.
    #[must_use]
    pub fn numbered(&self, sequence: u64) -> Input {
        let heartbeat = Heartbeat { sequence, ..(*self.heartbeat).clone() };
        Input::Received { from: self.from.clone(), message: Message::Heartbeat(Arc::new(heartbeat)) }
    }
}

impl Cluster {
    /// A cluster of so many nodes that has been CONNECTED for a while, so that all views agree.
    ///
    /// # Panics
    /// When it does not come to that: a bug of the protocol, or of this ZooKeeper.
    #[must_use]
    pub fn at_rest(nodes: u32) -> Cluster {
        let nodes: Vec<Node> = (1..=nodes).map(node).collect();
        let by_host = (0..).zip(&nodes).map(|(index, node)| (node.config().node.socket.host.clone(), index));
        let mut cluster = Cluster {
            now: Instant::ZERO,
            by_host: by_host.collect(),
            zookeeper: ZooKeeper::default(),
            inputs: VecDeque::new(),
            effects: Effects::new(),
            nodes,
        };
        for index in 0..cluster.nodes.len() {
            let until = Instant::from_micros(u64::MAX / 2);
            cluster.inputs.push_back((index, Input::Coordination(CoordinationEvent::Lease { until })));
            cluster.inputs.push_back((index, Input::Coordination(CoordinationEvent::Connected)));
        }
        let mut steps = 0;
        while !cluster.rests() {
            cluster.step();
            steps += 1;
            assert!(steps < STEPS_MAX, "a cluster without faults comes to rest");
        }
        cluster
    }

    /// The node that coordinates, the time on its clock, and the last heartbeat that reached it from each other node.
    ///
    /// # Panics
    /// When no node coordinates, which does not happen at rest.
    #[must_use]
    pub fn into_coordinator(mut self) -> (Node, Instant, Vec<SentHeartbeat>) {
        let coordinates = |node: &Node| node.decides(self.now).is_some();
        let coordinator = self.nodes.iter().position(coordinates).expect("at rest, somebody coordinates");
        let mut heartbeats = BTreeMap::new();
        while heartbeats.len() + 1 < self.nodes.len() {
            if let Some((to, Input::Received { from, message: Message::Heartbeat(heartbeat) })) =
                self.inputs.front()
                && *to == coordinator
                && heartbeat.node.id != self.nodes[coordinator].id()
            {
                let (from, heartbeat) = (from.clone(), heartbeat.clone());
                heartbeats.insert(heartbeat.node.id, SentHeartbeat { from, heartbeat });
            }
            self.step();
        }
        (self.nodes.swap_remove(coordinator), self.now, heartbeats.into_values().collect())
    }

    /// Whether nothing is on its way, and every node knows that all are CONNECTED.
    fn rests(&self) -> bool {
        let all_connected = |node: &Node| {
            let table = node.table();
            table.iter().filter(|status| status.state.is_connected()).count() == self.nodes.len()
        };
        self.inputs.is_empty()
            && self.nodes.iter().all(all_connected)
            && self.nodes.windows(2).all(|pair| pair[0].table() == pair[1].table())
    }

    /// Handles what is there, or lets time pass until somebody has something to do.
    fn step(&mut self) {
        let Some((index, input)) = self.inputs.pop_front() else { return self.wake_next() };
        self.nodes[index].handle(self.now, input, &mut self.effects);
        let effects: Vec<Effect> = self.effects.drain().collect();
        for effect in effects {
            self.perform(index, effect);
        }
    }

    fn wake_next(&mut self) {
        let deadlines =
            (0..).zip(&self.nodes).filter_map(|(index, node)| Some((node.next_deadline()?.0, index)));
        let (at, index) = deadlines.min().expect("a node that runs has something to wait for");
        self.now = self.now.max(at);
        self.inputs.push_back((index, Input::Wakeup));
    }

    fn perform(&mut self, index: usize, effect: Effect) {
        match effect {
            Effect::Send { to, message } => {
                let from = self.nodes[index].config().node.socket.clone();
                self.inputs.push_back((self.by_host[&to.host], Input::Received { from, message }));
            }
            Effect::Coordinate(CoordinationRequest::Perform { id, operation }) => {
                let result = self.zookeeper.perform(index, operation);
                let completed = CoordinationEvent::Completed { id, result };
                self.inputs.push_back((index, Input::Coordination(completed)));
                let events =
                    self.zookeeper.events().map(|(index, event)| (index, Input::Coordination(event)));
                self.inputs.extend(events);
            }
            Effect::LoadFlow { attempt, .. } => {
                self.inputs.push_back((index, Input::FlowLoaded { attempt, result: Ok(()) }));
            }
            Effect::Coordinate(CoordinationRequest::Close)
            | Effect::Persist(_)
            | Effect::Reply { .. }
            | Effect::Record(_)
            | Effect::Offload { .. }
            | Effect::Exit => {}
        }
    }
}

fn node(number: u32) -> Node {
    let address = |port| Address::new(&format!("n{number}"), port);
    let config = NodeConfig {
        node: Arc::new(NodeIdentifier::new(NodeId(number.into()), address(8443), address(11_443))),
        incarnation: Incarnation(1),
        heartbeat_interval: Duration::from_secs(5),
        heartbeat_missable_max: 8,
        flow_election_max_wait: Duration::from_secs(1),
        flow_election_max_candidates: None,
        session_timeout: Duration::from_secs(10),
        connection_timeout: Duration::from_secs(5),
        read_timeout: Duration::from_secs(5),
        paths: Paths::new("/nifi"),
        firewall: None,
        hosts: Arc::default(),
        queued: BTreeSet::new(),
        rules: Rules::default(),
    };
    Node::new(Arc::new(config), Arc::new(DataFlow::new("A"))).expect("a configuration of our own")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_at_rest_is_answered_and_changes_nothing() {
        for nodes in [2, 3, 10] {
            let (mut coordinator, now, heartbeats) = Cluster::at_rest(nodes).into_coordinator();
            assert_eq!(heartbeats.len() + 1, nodes as usize);
            let table = coordinator.table().clone();
            for sent in heartbeats {
                let mut effects = Effects::new();
                coordinator.handle(now, sent.numbered(sent.heartbeat.sequence + 1), &mut effects);
                let [Effect::Send { to, message: Message::HeartbeatResponse { differences, .. } }] =
                    effects.as_slice()
                else {
                    panic!("it is answered, and no more: {effects:?}");
                };
                assert_eq!((to, differences.as_slice()), (&sent.from, &[][..]));
            }
            assert!(Arc::ptr_eq(&table, coordinator.table()));
        }
    }
}
