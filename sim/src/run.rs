//! One run, from start to verdict: faults and safety first, then everything is healed, and the cluster must find
//! itself again in bounded time.

use crate::plan::NodeNumber;
use crate::properties::{self, Finding};
use crate::scenario::{ExpectedState, Scenario, StateExpectation, ZooKeeper};
use crate::schedule::Warning;
use crate::setup::{Setup, SetupError};
use crate::time::SimTime;
use crate::timeline::Timeline;
use crate::world::{Counts, Violation, World};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use zeromaster_core::status::{ConnectionState, NodeStatus};

/// How a run is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// Keep the timeline.
    pub timeline: bool,
    /// Hash every event, its time, and what it left behind.
    pub digest: bool,
}

/// How a run ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Everything that was promised held.
    Passed,
    /// A safety property was violated.
    Violated,
    /// What did not hold had not been promised under these faults.
    Excused,
    /// The cluster did not find itself again in time.
    NotConverged,
}

impl Verdict {
    /// The verdict as the timeline has it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Verdict::Passed => "passed",
            Verdict::Violated => "violated",
            Verdict::Excused => "excused",
            Verdict::NotConverged => "not converged",
        }
    }
}

/// What came of a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// How it ended.
    pub verdict: Verdict,
    /// What was found, in order; excused findings among them.
    pub violations: Vec<Violation>,
    /// What of the plan had no effect, in the order of time.
    pub warnings: Vec<Warning>,
    /// The log, if it was asked for.
    pub timeline: Option<Timeline>,
    /// The hash of all events, if it was asked for.
    pub digest: Option<u64>,
    /// What was counted.
    pub counts: Counts,
    /// The simulated time at which it ended.
    pub ended_at: SimTime,
}

impl Outcome {
    /// The first finding that nothing excuses.
    #[must_use]
    pub fn first_violation(&self) -> Option<&Violation> {
        self.violations.iter().find(|violation| violation.excuse.is_none())
    }
}

/// The name under which an `expect.state` that was not met is reported.
pub const EXPECTED_STATE: &str = "expected-state";

/// The name under which it is reported that something in `expect.reaches` did not happen.
pub const EXPECTED_EVENT: &str = "expected-event";

/// The name under which it is reported that something in `expect.violates` held.
pub const EXPECTED_VIOLATION: &str = "expected-violation";

/// Does one run. `properties`: the text of the nifi.properties file that the scenario names.
///
/// # Errors
/// When the scenario cannot be run: which value makes no sense, and what was expected.
pub fn run(
    scenario: &Scenario,
    properties: Option<&str>,
    seed: u64,
    options: Options,
) -> Result<Outcome, SetupError> {
    let setup = Setup::new(scenario, properties)?;
    Ok(run_with(scenario, &setup, seed, options))
}

/// Does one run with a configuration that was read before.
#[must_use]
pub fn run_with(scenario: &Scenario, setup: &Setup, seed: u64, options: Options) -> Outcome {
    let scenario = &*setup.complete(scenario);
    let world = World::new(scenario, setup, seed, options);
    let mut run = Run { scenario, setup, world, expected: scenario.expect.states.clone() };
    let missing = run.play_out();
    run.conclude(missing)
}

/// How long the cluster may take to find itself again after everything is healed: a vote on the flow, which may first have
/// to wait until the holders of the flow before it have been silent for long enough, two changes of coordinator, silence
/// that must first be noticed, an order that must first be given up, and the way back.
#[must_use]
pub fn convergence_bound(scenario: &Scenario, setup: &Setup) -> Duration {
    let common = setup.common();
    let session = setup.negotiated_timeout(scenario) + scenario.zookeeper.tick;
    let orders = zeromaster_core::config::ORDER_PAUSE * zeromaster_core::config::ORDER_ATTEMPTS;
    ensemble_bound(scenario)
        + common.flow_election_max_wait * 3
        + common.window().max(session)
        + session * 6
        + common.window() * 2
        + common.heartbeat_interval * 6
        + common.read_timeout * 4
        + common.connection_timeout * 4
        + scenario.flow_load.max * 4
        + orders
}

/// How long an ensemble may take until all its servers follow one leader: silence that must first be noticed, an election,
/// perhaps one in vain, and servers to be brought up to date.
fn ensemble_bound(scenario: &Scenario) -> Duration {
    let ZooKeeper { servers, tick, init_limit, sync_limit, .. } = scenario.zookeeper;
    if servers == 1 { Duration::ZERO } else { tick * (init_limit + sync_limit) * 2 + ELECTION * 2 }
}

/// How long servers may vote when nothing is wrong with the network: twice the longest pause between two tellings, and
/// until the votes have settled.
const ELECTION: Duration = Duration::from_secs(5);

struct Run<'a> {
    scenario: &'a Scenario,
    setup: &'a Setup,
    world: World<'a>,
    /// What is still to be compared, in the order of time.
    expected: Vec<StateExpectation>,
}

impl Run<'_> {
    /// Runs to the end; what has not come about in time, if anything.
    fn play_out(&mut self) -> Vec<(&'static str, String)> {
        self.world.run_until(SimTime::ZERO, self.scenario.expect.violates.is_empty());
        // What comes true on the way may bring the healing forward, or put it off.
        while self.world.now() < self.world.heals_at() && !self.over() {
            self.advance(self.world.heals_at());
        }
        if self.over() {
            return Vec::new();
        }
        let heals_at = self.world.heals_at();
        let gave_up = self.world.give_up();
        if gave_up || !self.scenario.plan.steps.is_empty() {
            self.world.heal();
        }
        let missing = self.converge(heals_at);
        if missing.is_empty() {
            self.advance(SimTime::ZERO + self.scenario.ends_after());
        }
        missing
    }

    fn over(&self) -> bool {
        self.scenario.expect.violates.is_empty() && self.world.is_violated()
    }

    /// Runs up to `until`, and asks the properties once in every heartbeat interval. Stops early when a condition of the
    /// plan comes true, which may change when everything is healed.
    fn advance(&mut self, until: SimTime) {
        let interval = self.setup.common().heartbeat_interval;
        let stop = self.scenario.expect.violates.is_empty();
        while self.world.now() < until && !self.over() {
            let next = (self.world.now() + interval).min(until);
            let next = self
                .expected
                .first()
                .map_or(next, |state| next.min((SimTime::ZERO + state.at).max(self.world.now())));
            self.world.run_until(next, stop);
            if self.over() {
                return;
            }
            self.compare_expected_states();
            self.world.look();
            let is_replanned = self.world.take_replanned();
            if is_replanned || (next == self.world.now() && next >= until) {
                return;
            }
        }
    }

    /// Waits until everything that must come about has come about; what has not, when the time is up.
    fn converge(&mut self, since: SimTime) -> Vec<(&'static str, String)> {
        let bounds = bounds(self.scenario, self.setup);
        let interval = self.setup.common().heartbeat_interval;
        loop {
            let waiting = waiting(&self.world.cluster(), &bounds);
            let late = |name: &str| bounds.get(name).is_some_and(|bound| self.world.now() > since + *bound);
            if waiting.is_empty() || self.over() || waiting.iter().any(|(name, _)| late(name)) {
                return waiting;
            }
            self.advance(self.world.now() + interval);
        }
    }

    fn compare_expected_states(&mut self) {
        while self.expected.first().is_some_and(|state| SimTime::ZERO + state.at <= self.world.now()) {
            let expected = self.expected.remove(0);
            if let Some(text) = unexpected(&self.world.cluster(), &expected) {
                self.world.found(EXPECTED_STATE, Finding::new(text));
            }
        }
    }

    fn conclude(mut self, missing: Vec<(&'static str, String)>) -> Outcome {
        if !self.over() {
            for (property, finding) in liveness_findings(&self.world.cluster(), &missing) {
                self.world.found(property, Some(finding));
            }
        }
        let converged = !self.over() && missing.is_empty();
        if converged && bounds(self.scenario, self.setup).contains_key(properties::MEMBER_EXISTS) {
            let finding = properties::without_members(&self.world.cluster());
            self.world.found(properties::MEMBER_EXISTS, finding);
        }
        if !self.over()
            && let Some(text) = self.world.unreached()
        {
            self.world.found(EXPECTED_EVENT, Finding::new(text));
        }
        self.expect_violations();
        let violations = self.world.violations().to_vec();
        let verdict = verdict(&violations, &self.scenario.expect.violates);
        let (counts, ended_at) = (self.world.counts(), self.world.now());
        self.world.note("**", verdict.word(), |_| String::new());
        let (digest, warnings) = (self.world.digest(), self.world.take_warnings());
        let timeline = self.world.into_timeline();
        Outcome { verdict, violations, warnings, timeline, digest, counts, ended_at }
    }

    /// A scenario that shows how something breaks has failed when it does not.
    fn expect_violations(&mut self) {
        for name in kept(self.scenario, self.world.violations()) {
            let text = format!("{name} held, although this run should show how it breaks");
            self.world.found(EXPECTED_VIOLATION, Finding::new(text));
        }
    }
}

/// How long each liveness property that is asked may take after the healing.
pub(crate) fn bounds<'a>(scenario: &'a Scenario, setup: &Setup) -> BTreeMap<&'a str, Duration> {
    let bound = convergence_bound(scenario, setup);
    match &scenario.expect.eventually {
        Some(eventually) => eventually.iter().map(|(name, bound)| (name.as_str(), *bound)).collect(),
        None => properties::LIVENESS.iter().map(|name| (*name, bound)).collect(),
    }
}

/// What of it has not come about, and why not.
pub(crate) fn waiting(
    cluster: &properties::Cluster<'_>,
    bounds: &BTreeMap<&str, Duration>,
) -> Vec<(&'static str, String)> {
    let pending = properties::pending(cluster).into_iter().filter(|(name, _)| bounds.contains_key(name));
    pending.filter_map(|(name, reason)| Some((name, reason?))).collect()
}

/// What is found when `missing` has not come about in time. It is excused when what was lost for good stands in the way;
/// when nothing is left that could serve, that is said even if nothing is missing.
pub(crate) fn liveness_findings(
    cluster: &properties::Cluster<'_>,
    missing: &[(&'static str, String)],
) -> Vec<(&'static str, Finding)> {
    let excuse = cluster.excuse_of_lost_machines();
    let finding = |text: String| Finding { text, excuse: excuse.clone() };
    if missing.is_empty() && cluster.for_good.nothing_left().is_some() {
        return vec![(properties::LIVENESS[0], finding("nothing is left that could come back".into()))];
    }
    let missing = missing.iter();
    missing
        .map(|(property, reason)| (*property, finding(format!("still missing after the healing: {reason}"))))
        .collect()
}

/// What the coordinator says instead of what is expected, in words; `None` if it says that.
pub(crate) fn unexpected(cluster: &properties::Cluster<'_>, expected: &StateExpectation) -> Option<String> {
    if says(cluster, expected.node, expected.state) {
        return None;
    }
    let found = status_of(cluster, expected.node).map_or_else(|| "nothing".to_owned(), show_state);
    Some(format!("{} is {found} for the coordinator, expected {}", expected.node, expected.state))
}

/// Whether the acting coordinator says this of a node.
pub(crate) fn says(cluster: &properties::Cluster<'_>, node: NodeNumber, state: ExpectedState) -> bool {
    status_of(cluster, node).is_some_and(|status| is_as_expected(status, state))
}

/// What the acting coordinator says of a node.
fn status_of<'a>(cluster: &'a properties::Cluster<'_>, node: NodeNumber) -> Option<&'a NodeStatus> {
    let id = cluster.machine(node)?.disk.id;
    let (_, _, coordinator) = cluster.coordinator()?;
    coordinator.table().get(id).map(Arc::as_ref)
}

/// The properties that were to be violated, and held.
pub(crate) fn kept<'a>(scenario: &'a Scenario, violations: &[Violation]) -> Vec<&'a String> {
    let is_found = |name: &str| violations.iter().any(|violation| violation.property == name);
    scenario.expect.violates.iter().filter(|name| !is_found(name)).collect()
}

pub(crate) fn verdict(violations: &[Violation], expected: &std::collections::BTreeSet<String>) -> Verdict {
    let counts =
        |violation: &&Violation| violation.excuse.is_none() && !expected.contains(violation.property);
    let liveness = |violation: &Violation| properties::LIVENESS.contains(&violation.property);
    if violations.iter().filter(counts).any(|violation| !liveness(violation)) {
        Verdict::Violated
    } else if violations.iter().filter(counts).count() > 0 {
        Verdict::NotConverged
    } else if violations.iter().any(|violation| violation.excuse.is_some()) {
        Verdict::Excused
    } else {
        Verdict::Passed
    }
}

fn is_as_expected(status: &NodeStatus, expected: ExpectedState) -> bool {
    let code = expected.code();
    status.state.name() == expected.name() && (code.is_none() || status.state.code() == code)
}

fn show_state(status: &NodeStatus) -> String {
    match &status.state {
        ConnectionState::Disconnected { code, .. } => format!("DISCONNECTED {}", code.name()),
        other => other.name().to_owned(),
    }
}
