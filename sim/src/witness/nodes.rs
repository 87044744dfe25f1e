//! What is told of nodes: starts, ends, steps, what goes to disk, and what is drawn for them.

use super::Witness;
use crate::network::Endpoint;
use crate::plan::{Disk, NodeNumber};
use crate::properties::{Before, Incident, Observation, Stimulus};
use crate::time::whole_micros;
use crate::words;
use crate::world::clients::client_config;
use crate::world::links::Links;
use crate::world::process::{DiskContent, Machine, Pause, Running};
use crate::world::{self, INVARIANTS_UP_TO_NODES, set_in_office};
use std::sync::Arc;
use std::time::Duration;
use zeromaster_core::config::NodeConfig;
use zeromaster_core::effect::{Durable, Effect};
use zeromaster_core::event::ClusterEvent;
use zeromaster_core::flow::DataFlow;
use zeromaster_core::identity::Incarnation;
use zeromaster_core::node::{Input, LoadFailure, Node};
use zeromaster_core::operator::{OperatorRequest, Refusal, RequestId};
use zeromaster_core::time::Instant;
use zeromaster_zookeeper::{Client, ClientConfig, ClientOutput, ServerMessage, SessionState};

/// What a process is started with.
#[derive(Clone, Debug)]
pub struct Start {
    /// The node's configuration.
    pub config: Arc<NodeConfig>,
    /// The flow on its disk.
    pub flow: Arc<DataFlow>,
    /// The configuration of its ZooKeeper client.
    pub client: ClientConfig,
    /// Its first connection to ZooKeeper, and its first request; unlike those of every other process of the run.
    pub first_number: u64,
}

/// A step that has begun.
pub(super) struct Stepping {
    local: Instant,
    stimulus: Stimulus,
    before: Before,
}

impl Witness {
    /// A process is about to start on a machine that runs none. What it is to be started with.
    ///
    /// # Panics
    /// When one runs there.
    pub fn starts(&mut self, node: NodeNumber) -> Start {
        let incarnation = Incarnation(self.machine(node).incarnation.0 + 1);
        let client = client_config(&self.scenario, &self.setup, self.streams, node, incarnation);
        let (scenario, setup, now) = (self.scenario.clone(), self.setup.clone(), self.now);
        let machine = self.machine_mut(node);
        assert!(machine.process.is_none(), "{node} is started while it runs");
        machine.incarnation = incarnation;
        let flow = machine.disk.flow.clone();
        let config = Arc::new(setup.node(&scenario, node, machine.disk.id, incarnation));
        let id = config.node.id;
        let core = Node::new(config.clone(), flow.clone());
        let core = core.unwrap_or_else(|error| unreachable!("the configuration was checked before: {error}"));
        let first_number = Links::first_connection(node, incarnation);
        machine.process = Some(Running::new(core, Client::new(client.clone(), first_number), now));
        self.note(node.to_string(), "starts", || {
            if incarnation.0 == 1 { String::new() } else { format!("again, run {}", incarnation.0) }
        });
        self.doubts.starts(Endpoint::Node(node));
        self.happened(&Incident::Started { node, id, incarnation });
        Start { config, flow, client, first_number }
    }

    /// A process has ended, with or without a word.
    pub fn ended(&mut self, node: NodeNumber) {
        self.before.remove(&node);
        if self.machine_mut(node).process.take().is_some() {
            self.in_office.remove(&node);
            self.happened(&Incident::Ended { node });
        }
    }

    /// A process has ended after a clean stop.
    pub fn stopped(&mut self, node: NodeNumber) {
        self.note(node.to_string(), "stopped", || "the process has ended".into());
        self.ended(node);
    }

    /// What a crash does to the disk.
    pub fn disk_after_crash(&mut self, node: NodeNumber, disk: Disk) {
        let machine = self.machine_mut(node);
        match disk {
            Disk::Kept => {}
            Disk::LastWriteLost => machine.disk.lose_last_write(),
            Disk::Wiped => {
                machine.wipes += 1;
                let id = Machine::fresh_id(node, machine.wipes);
                let flow = Arc::new(DataFlow::empty(&format!("empty:{node}.{}", machine.wipes)));
                machine.disk = DiskContent::new(id, flow);
                self.states.count_anew();
            }
        }
    }

    /// A process stands still from now on. `step`: of the plan, which ends it.
    pub fn paused(&mut self, node: NodeNumber, step: u32) {
        let now = self.now;
        if let Some(process) = &mut self.machine_mut(node).process
            && process.pause.is_none()
        {
            process.pause = Some(Pause { step, since: now, buffered: true });
        }
    }

    /// A process runs on. `step`: only if it was that step that held it up. Whether it was.
    pub fn resumed(&mut self, node: NodeNumber, step: Option<u32>) -> bool {
        let now = self.now;
        let Some(process) = &mut self.machine_mut(node).process else { return false };
        let held_up_by = |pause: &mut Pause| step.is_none_or(|step| pause.step == step);
        let Some(pause) = process.pause.take_if(held_up_by) else { return false };
        let length = now.since(pause.since);
        self.happened(&Incident::Absent { node, length });
        self.note(node.to_string(), "resumes", || format!("after {length:?}"));
        true
    }

    /// This is on disk now.
    pub fn persisted(&mut self, node: NodeNumber, durable: Durable) {
        self.machine_mut(node).disk.write(durable);
    }

    /// How long the next load of a flow takes, and how it ends.
    pub fn load(&mut self, node: NodeNumber) -> (Duration, Result<(), LoadFailure>) {
        let flow_load = self.scenario.flow_load;
        let machine = self.machine_mut(node);
        let takes = machine.load_times.duration(flow_load);
        let fails = machine.loads_that_fail > 0;
        machine.loads_that_fail = machine.loads_that_fail.saturating_sub(1);
        (takes, if fails { Err(LoadFailure::Other) } else { Ok(()) })
    }

    /// How long the next hand-over of FlowFiles takes.
    pub fn offload(&mut self) -> Duration {
        self.offload_times.duration(super::OFFLOAD_TIME)
    }

    /// A person is about to ask something of this node: it is put out, from now on and on purpose.
    pub fn asks_to_put_out(&mut self, node: NodeNumber) {
        let now = self.now;
        self.put_out.insert(node, now);
    }

    /// A node takes this in.
    pub fn steps(&mut self, number: NodeNumber, local: Duration, node: &Node, input: &Input) {
        self.counts.events += 1;
        if let Input::Requested { id, request } = input {
            self.requested(*id, *request);
        }
        if let Input::Received { .. } = input {
            self.counts.messages += 1;
        }
        let local = Instant::from_micros(whole_micros(local));
        let stimulus = world::stimulus(input);
        let Some(process) = &mut self.machine_mut(number).process else { return };
        let is_stale = match stimulus {
            Stimulus::FromCoordinator { epoch, .. } => {
                process.latest_epoch = process.latest_epoch.max(epoch);
                epoch < process.latest_epoch
            }
            Stimulus::Heartbeat { .. }
            | Stimulus::Requested { .. }
            | Stimulus::Acknowledged { .. }
            | Stimulus::Other => false,
        };
        let coordinated = node.coordinates(local);
        let before = Before {
            table: (is_stale || coordinated.is_some()).then(|| node.table().clone()),
            membership: is_stale.then(|| node.membership().clone()),
            coordinated,
        };
        self.before.insert(number, Stepping { local, stimulus, before });
    }

    fn requested(&mut self, id: RequestId, request: OperatorRequest) {
        let (word, about) = match request {
            OperatorRequest::Connect(about) => ("connect", about),
            OperatorRequest::Disconnect(about) => ("disconnect", about),
            OperatorRequest::Remove(about) => ("remove", about),
            OperatorRequest::Offload(about) => ("offload", about),
        };
        let whom = self.node_of(about).map_or_else(|| about.to_string(), |node| node.to_string());
        self.asked.insert(id, format!("{word} {whom}"));
        self.happened(&Incident::Requested { id, request });
    }

    /// The step has made this of the node, and these things are to be done.
    ///
    /// # Panics
    /// When the node's beliefs about itself are broken.
    pub fn stepped(&mut self, number: NodeNumber, node: &Node, effects: &[Effect]) {
        let now = self.now;
        let Some(Stepping { local, stimulus, before }) = self.before.remove(&number) else { return };
        let Some(process) = &mut self.machine_mut(number).process else { return };
        process.node = node.clone();
        process.note_membership(now);
        if self.scenario.nodes <= INVARIANTS_UP_TO_NODES {
            node.check_invariants();
        }
        let coordinates = node.coordinates(local);
        let in_office = coordinates.is_some() || node.is_primary(local).is_some();
        set_in_office(&mut self.in_office, number, in_office);
        self.ask(|property, cluster| {
            property.stepped(&Observation {
                node: number,
                local,
                stimulus,
                before: &before,
                after: node,
                coordinates,
                effects,
                cluster: *cluster,
            })
        });
    }

    /// Something that a ZooKeeper server has said reaches the client of a node.
    pub fn told(&mut self, node: NodeNumber, message: &ServerMessage) {
        if !self.runs(node) {
            return;
        }
        self.ask(|property, cluster| property.told(node, message, cluster));
    }

    /// A node's ZooKeeper client has become this, and says this.
    pub fn client_stepped(&mut self, node: NodeNumber, client: &Client, outputs: &[ClientOutput]) {
        for output in outputs {
            match output {
                ClientOutput::Lease { until } => {
                    if let Some(process) = &mut self.machine_mut(node).process {
                        process.lease_until = Some(Instant::from_micros(whole_micros(*until)));
                    }
                }
                ClientOutput::State(state) => {
                    if let Some(process) = &mut self.machine_mut(node).process {
                        process.client = client.clone();
                    }
                    self.session_state(node, *state);
                }
                ClientOutput::Open { .. }
                | ClientOutput::Send { .. }
                | ClientOutput::Close { .. }
                | ClientOutput::Completed { .. }
                | ClientOutput::Event(_) => {}
            }
        }
    }

    fn session_state(&mut self, node: NodeNumber, state: SessionState) {
        let now = self.now;
        let Some((word, text)) = words::session(state) else { return };
        let since = match state {
            SessionState::Connected { session, .. } => {
                self.session_owners.insert(session, node);
                Some(now)
            }
            SessionState::Reconnected { .. } => Some(now),
            SessionState::Suspended
            | SessionState::Lost
            | SessionState::Closed
            | SessionState::AuthFailed => None,
        };
        if let Some(process) = &mut self.machine_mut(node).process {
            process.session_since = since;
            if state == SessionState::Lost {
                process.lease_until = None;
            }
        }
        self.note(node.to_string(), word, || text);
    }

    /// A node writes this where an operator reads it.
    pub fn recorded(&mut self, node: NodeNumber, event: &ClusterEvent) {
        if (self.timeline.is_some() || self.reaches.is_waiting())
            && let Some((word, text)) = words::words(event)
        {
            self.note(node.to_string(), word, || text);
        }
    }

    /// A node answers a person.
    pub fn replied(&mut self, node: NodeNumber, id: RequestId, outcome: &Result<(), Refusal>) {
        let asked = self.asked.get(&id).cloned().unwrap_or_default();
        self.note(node.to_string(), "reply", || match outcome {
            Ok(()) => format!("{asked}: done"),
            Err(refusal) if refusal.outcome_is_unknown() => format!("{asked}: {refusal}"),
            Err(refusal) => format!("{asked}: refused, {refusal}"),
        });
    }
}
