//! The ZooKeeper client in each node's process: what it is given, what it says, and what the node hears of it.

use super::{Event, World, adapter, micros_up};
use crate::plan::NodeNumber;
use crate::random::Streams;
use crate::scenario::Scenario;
use crate::setup::Setup;
use crate::time::whole_micros;
use crate::words;
use std::time::Duration;
use zeromaster_core::coordination::CoordinationEvent;
use zeromaster_core::identity::Incarnation;
use zeromaster_core::time::Instant;
use zeromaster_zookeeper::{Client, ClientConfig, ClientInput, ClientOutput, LeaseRule, SessionState};

impl World<'_> {
    pub(super) fn client_config(&self, node: NodeNumber, incarnation: Incarnation) -> ClientConfig {
        client_config(self.scenario, self.setup, self.streams, node, incarnation)
    }

    /// Tells the client whether its process needs a lease, when that has changed.
    pub(super) fn hold_lease(&mut self, node: NodeNumber) {
        let Some(process) = &mut self.machine_mut(node).process else { return };
        let wanted = process.node.needs_lease();
        if wanted != process.lease_wanted {
            process.lease_wanted = wanted;
            self.client_handles(node, ClientInput::HoldLease { wanted });
        }
    }

    /// Gives the node's ZooKeeper client an input, and passes on what it says.
    pub(super) fn client_handles(&mut self, node: NodeNumber, input: ClientInput) {
        let now = self.now;
        let local = Duration::from_micros(self.machine_mut(node).local(now).as_micros());
        let mut outputs = std::mem::take(&mut self.client_outputs);
        let Some(process) = &mut self.machine_mut(node).process else { return };
        process.client.handle(local, input, &mut outputs);
        process.client_due = client_due(&process.client);
        for output in outputs.drain(..) {
            self.client_says(node, output);
        }
        self.client_outputs = outputs;
        self.schedule(node);
    }

    fn client_says(&mut self, node: NodeNumber, output: ClientOutput) {
        match output {
            ClientOutput::Open { connection, server } => self.client_opens(node, connection, server),
            ClientOutput::Send { connection, message } => self.client_sends(connection, message),
            ClientOutput::Close { connection } => self.client_closes(connection),
            ClientOutput::State(state) => self.session_state(node, state),
            ClientOutput::Lease { until } => {
                if let Some(process) = &mut self.machine_mut(node).process {
                    process.lease_until = Some(Instant::from_micros(whole_micros(until)));
                }
                self.passes_on(node, ClientOutput::Lease { until });
            }
            ClientOutput::Completed { .. } | ClientOutput::Event(_) => self.passes_on(node, output),
        }
    }

    fn passes_on(&mut self, node: NodeNumber, output: ClientOutput) {
        if let Some(event) = adapter::event(output) {
            self.node_hears(node, event);
        }
    }

    fn session_state(&mut self, node: NodeNumber, state: SessionState) {
        let now = self.now;
        let Some((word, text)) = words::session(state) else { return };
        let since = match state {
            SessionState::Connected { .. } | SessionState::Reconnected { .. } => Some(now),
            SessionState::Suspended
            | SessionState::Lost
            | SessionState::Closed
            | SessionState::AuthFailed => None,
        };
        if let SessionState::Connected { session, .. } = state {
            self.session_owners.insert(session, node);
        }
        if let Some(process) = &mut self.machine_mut(node).process {
            process.session_since = since;
            if state == SessionState::Lost {
                process.lease_until = None;
            }
        }
        self.note_node(node, word, |_| text);
        self.passes_on(node, ClientOutput::State(state));
    }

    /// The client is a part of the process: what it hears, the node hears at once.
    fn node_hears(&mut self, node: NodeNumber, event: CoordinationEvent) {
        // The buffer is lent to this node's own step while its effects are performed; an answer that is there at once
        // must wait until that step is over.
        let now = self.now;
        let machine = self.machine_mut(node);
        if machine.process.is_some() {
            let incarnation = machine.incarnation;
            self.queue.push(now, Event::Hears { node, incarnation, event });
        }
    }
}

/// When the client wants to be woken.
pub(super) fn client_due(client: &Client) -> Option<Instant> {
    client.next_deadline().map(|at| Instant::from_micros(micros_up(at)))
}

/// What the client in the `incarnation`th process of `node` is configured with. With one server everything is as
/// simple as it can be: nothing is left to chance, and every answer proves that the session lives.
pub(crate) fn client_config(
    scenario: &Scenario,
    setup: &Setup,
    streams: Streams,
    node: NodeNumber,
    incarnation: Incarnation,
) -> ClientConfig {
    let zookeeper = scenario.zookeeper;
    let config = ClientConfig {
        servers: zookeeper.servers,
        session_timeout: setup.of_node(node).session_timeout,
        library: zookeeper.library.habits(),
        ..ClientConfig::default()
    };
    if zookeeper.servers == 1 {
        return ClientConfig { connect_timeout: Some(setup.connect_timeout(node)), ..config };
    }
    let mut choices = streams.indexed("zookeeper client choices", u64::from(node.0), incarnation.0);
    ClientConfig { choices: choices.next_u64().max(1), lease: LeaseRule::Committed, ..config }
}
