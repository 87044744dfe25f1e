//! A cluster that runs elsewhere: what is told of it here step by step is checked by the same properties, judged by the same
//! rules, and written down in the same words as a cluster of the simulation's own. It decides nothing; whoever runs the
//! cluster tells it everything, and at what time.

mod faults;
mod nodes;
mod notes;
mod servers;
mod verdict;

use crate::doubts::Doubts;
use crate::events::Reaches;
use crate::for_good::ForGood;
use crate::plan::NodeNumber;
use crate::properties::{Cluster, Finding, Incident, Property, safety};
use crate::random::{Stream, Streams};
use crate::scenario::Scenario;
use crate::schedule::Schedule;
use crate::setup::Setup;
use crate::time::{AT_ONCE_MAX, Progress, SimTime};
use crate::timeline::Timeline;
use crate::world::flow_replaced;
use crate::world::process::Machine;
use crate::world::servers::ServerMachine;
use crate::world::{self, Counts, OFFLOAD_TIME, Violation};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use zeromaster_core::identity::NodeId;
use zeromaster_core::operator::RequestId;
use zeromaster_core::time::Instant;
use zeromaster_zookeeper::SessionId;

pub use nodes::Start;

/// What a run had not reached when its time was up: the names of the properties, and what is missing.
pub type Missing = Vec<(&'static str, String)>;

/// What is known of a cluster that runs elsewhere.
pub struct Witness {
    scenario: Arc<Scenario>,
    setup: Arc<Setup>,
    streams: Streams,
    now: SimTime,
    machines: Vec<Machine>,
    /// See [`Cluster::in_office`].
    in_office: BTreeSet<NodeNumber>,
    servers: Vec<ServerMachine>,
    session_timeout: Duration,
    forced_expiries: BTreeMap<NodeNumber, SimTime>,
    session_owners: BTreeMap<SessionId, NodeNumber>,
    put_out: BTreeMap<NodeNumber, SimTime>,
    for_good: ForGood,
    /// Who asked what, for the words of the reply.
    asked: BTreeMap<RequestId, String>,
    offload_times: Stream,
    properties: Vec<Box<dyn Property>>,
    /// What each node was before the step that it is in.
    before: BTreeMap<NodeNumber, nodes::Stepping>,
    violations: Vec<Violation>,
    schedule: Schedule,
    doubts: Doubts,
    reaches: Reaches,
    timeline: Option<Timeline>,
    /// What the timeline shows of each node.
    states: world::notes::States,
    counts: Counts,
    progress: Progress,
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Witness").field("now", &self.now).finish_non_exhaustive()
    }
}

impl Witness {
    /// The witness of a run that has not begun. `world`: its name, for the first line of the timeline.
    #[must_use]
    pub fn new(
        scenario: Arc<Scenario>,
        setup: Arc<Setup>,
        seed: u64,
        timeline: bool,
        world: &str,
    ) -> Witness {
        let streams = Streams::new(seed);
        let machines = (1..=scenario.nodes)
            .map(|number| world::machine(&scenario, &setup, streams, NodeNumber(number)))
            .collect();
        let servers = (1..=scenario.zookeeper.servers)
            .map(|number| ServerMachine::new(&scenario, streams, number))
            .collect();
        let mut properties = safety();
        if let Some(always) = &scenario.expect.always {
            properties.retain(|property| always.contains(property.name()));
        }
        let header = format!("{} · world {world}", world::notes::header(&scenario, &setup, seed));
        Witness {
            streams,
            now: SimTime::ZERO,
            machines,
            in_office: BTreeSet::new(),
            servers,
            session_timeout: setup.negotiated_timeout(&scenario),
            forced_expiries: BTreeMap::new(),
            session_owners: BTreeMap::new(),
            put_out: BTreeMap::new(),
            for_good: ForGood::new(scenario.nodes, scenario.zookeeper.servers),
            asked: BTreeMap::new(),
            offload_times: streams.stream("offload times"),
            properties,
            before: BTreeMap::new(),
            violations: Vec::new(),
            schedule: Schedule::new(&scenario, &setup, seed),
            doubts: Doubts::default(),
            reaches: Reaches::new(&scenario.expect.reaches),
            timeline: timeline.then(|| Timeline::new(header)),
            states: world::notes::States::default(),
            counts: Counts::default(),
            progress: Progress::default(),
            scenario,
            setup,
        }
    }

    /// It is `now`, and something happens; time does not go back.
    ///
    /// # Panics
    /// When so much happens at once that time stands still.
    pub fn at(&mut self, now: SimTime) {
        self.now = self.now.max(now);
        assert!(
            self.progress.goes_on(self.now),
            "time stands still at {} s: {AT_ONCE_MAX} things happened at once, and there is no end to it",
            self.now
        );
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> SimTime {
        self.now
    }

    /// What was found so far.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Whether something was found that nothing excuses.
    #[must_use]
    pub fn is_violated(&self) -> bool {
        self.violations.iter().any(|violation| violation.excuse.is_none())
    }

    /// What the clock of a node's machine shows now.
    #[must_use]
    pub fn clock_of(&self, node: NodeNumber) -> Duration {
        Duration::from_micros(self.local(node).as_micros())
    }

    /// The node with that id.
    #[must_use]
    pub fn node_of(&self, id: NodeId) -> Option<NodeNumber> {
        self.machines.iter().find(|machine| machine.disk.id == id).map(|machine| machine.number)
    }

    /// The id on a node's disk.
    #[must_use]
    pub fn id_of(&self, node: NodeNumber) -> NodeId {
        self.machine(node).disk.id
    }

    /// Whether a node's process runs, held up or not.
    #[must_use]
    pub fn runs(&self, node: NodeNumber) -> bool {
        self.machine(node).process.is_some()
    }

    /// Whether a node's process runs and is not held up.
    #[must_use]
    pub fn is_awake(&self, node: NodeNumber) -> bool {
        self.machine(node).awake().is_some()
    }

    /// How long ago a node should have been woken that was not; of one that runs and is not held up.
    #[must_use]
    pub fn overdue(&self, node: NodeNumber) -> Option<Duration> {
        let machine = self.machine(node);
        let (due, _) = machine.awake()?.node.next_deadline()?;
        Some(machine.local(self.now).since(due))
    }

    fn local(&self, node: NodeNumber) -> Instant {
        self.machine(node).local(self.now)
    }

    fn machine(&self, node: NodeNumber) -> &Machine {
        let index = usize::try_from(node.0).ok().and_then(|number| number.checked_sub(1));
        let machine = index.and_then(|index| self.machines.get(index));
        machine.unwrap_or_else(|| unreachable!("{node} is one of the scenario's nodes"))
    }

    fn machine_mut(&mut self, node: NodeNumber) -> &mut Machine {
        let index = usize::try_from(node.0).ok().and_then(|number| number.checked_sub(1));
        let machine = index.and_then(|index| self.machines.get_mut(index));
        machine.unwrap_or_else(|| unreachable!("{node} is one of the scenario's nodes"))
    }

    fn cluster(&self) -> Cluster<'_> {
        Cluster {
            now: self.now,
            machines: &self.machines,
            in_office: &self.in_office,
            servers: &self.servers,
            common: self.setup.common(),
            session_timeout: self.session_timeout,
            forced_expiries: &self.forced_expiries,
            put_out: &self.put_out,
            for_good: &self.for_good,
            flow_replaced: flow_replaced(&self.violations),
            blocked: self.setup.blocked(),
        }
    }

    /// Something happened from outside.
    fn happened(&mut self, incident: &Incident) {
        self.ask(|property, cluster| {
            property.happened(incident, cluster);
            None
        });
    }

    /// Asks every property for what no single step shows.
    pub fn look(&mut self) {
        self.ask(|property, cluster| property.looked(cluster));
    }

    /// Shows something to every property; what is of no interest to it tells it nothing.
    fn ask(&mut self, mut show: impl FnMut(&mut dyn Property, &Cluster<'_>) -> Option<Finding>) {
        let mut properties = std::mem::take(&mut self.properties);
        for property in &mut properties {
            let finding = show(&mut **property, &self.cluster());
            self.found(property.name(), finding);
        }
        self.properties = properties;
    }

    /// Writes a finding down, once for each property; one that is excused does not hide a later one that is not.
    pub fn found(&mut self, property: &'static str, finding: Option<Finding>) {
        let Some(Finding { text, excuse }) = finding else { return };
        let known = |violation: &&Violation| {
            violation.property == property && (violation.excuse.is_none() || excuse.is_some())
        };
        if self.violations.iter().any(|violation| known(&violation)) {
            return;
        }
        let word = if excuse.is_some() { "excused" } else { "VIOLATED" };
        let because = excuse.as_ref().map_or_else(String::new, |excuse| format!(" (excused: {excuse})"));
        self.note("**", word, || format!("{property}: {text}{because}"));
        let (at, event, beliefs) = (self.now, self.counts.events, self.beliefs());
        self.violations.push(Violation { property, at, event, text, excuse, beliefs });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "time stands still at 0.000 s: 10000000 things happened at once")]
    fn a_cluster_elsewhere_in_which_time_stands_still_says_so() {
        let scenario = Scenario::of(1).build().expect("a scenario");
        let setup = Setup::new(&scenario, None).expect("the shipped configuration makes sense");
        let mut witness = Witness::new(Arc::new(scenario), Arc::new(setup), 1, false, "elsewhere");
        (0..=AT_ONCE_MAX).for_each(|_| witness.at(SimTime::ZERO));
    }
}
