//! Steps of a plan that had no effect: what they were to strike was not there. The same for every world: a step is looked
//! at just before it does what it does.

use crate::network::Endpoint;
use crate::plan::{Action, Condition, Cut, Protocol, Selector, Step, show_duration};
use crate::properties::Cluster;
use crate::scenario::{Scenario, Start};
use crate::schedule::{Planned, Warning, WarningReason};
use crate::time::SimTime;
use crate::world::faults::{roles, sides};
use std::collections::BTreeMap;

/// Who is meant by a selector at this moment.
pub(crate) type Select<'a> = &'a dyn Fn(Selector) -> Vec<Endpoint>;

/// The warnings of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Doubts {
    warnings: Vec<Warning>,
    /// Steps that strike whatever process runs while they last, and the machines where none has run yet.
    unstruck: BTreeMap<u32, (Vec<Endpoint>, Warning)>,
}

impl Doubts {
    /// A step begins, and is about to do what it does.
    pub(crate) fn begins(&mut self, number: u32, step: &Step, cluster: &Cluster<'_>, select: Select<'_>) {
        let planned = Planned::Step(number);
        let warning = |reason| Warning { at: cluster.now, planned, words: words(step), reason };
        let roles = vacant_roles(&step.action, select);
        if !roles.is_empty() {
            self.warnings.extend(roles.into_iter().map(warning));
            return;
        }
        match effect(&step.action, cluster, select) {
            Effect::Some => {}
            Effect::None(why) => self.warnings.push(warning(WarningReason::StruckNobody(why))),
            Effect::OnceOneRuns(machines, why) => {
                let warning = warning(WarningReason::StruckNobody(why));
                self.unstruck.insert(number, (machines, warning));
            }
        }
    }

    /// A process starts on a machine.
    pub(crate) fn starts(&mut self, machine: Endpoint) {
        self.unstruck.retain(|_, (machines, _)| !machines.contains(&machine));
    }

    /// A step is over.
    pub(crate) fn ends(&mut self, number: u32) {
        self.warnings.extend(self.unstruck.remove(&number).map(|(_, warning)| warning));
    }

    /// Everything is about to be healed, and every step that is not for ever is over.
    pub(crate) fn heals(&mut self) {
        let unstruck = std::mem::take(&mut self.unstruck);
        self.warnings.extend(unstruck.into_values().map(|(_, warning)| warning));
    }

    /// The condition of something did not come true.
    pub(crate) fn gives_up(&mut self, planned: Planned, words: String, condition: Condition, at: SimTime) {
        let reason = WarningReason::NeverCameTrue(condition);
        self.warnings.push(Warning { at, planned, words, reason });
    }

    /// All of them, in the order of time, at the end of a run.
    pub(crate) fn take(&mut self) -> Vec<Warning> {
        self.heals();
        self.warnings.sort_by_key(|warning| (warning.at, warning.planned));
        std::mem::take(&mut self.warnings)
    }
}

/// A step with its time, or with what it waits for: `crash n1 for 60s at 70s`.
pub(crate) fn words(step: &Step) -> String {
    let range = step.begins();
    match (&step.when, range.max.is_zero()) {
        (None, _) if step.spread.is_zero() => format!("{step} at {}", show_duration(step.at)),
        (Some(_), true) => step.to_string(),
        (Some(_), false) => format!("{step}, from {} on", show_duration(range.min)),
        (None, _) => format!("{step} at {range}"),
    }
}

/// Something planned, as [`words`] has a step of it.
pub(crate) fn words_of(scenario: &Scenario, planned: Planned) -> String {
    match planned {
        Planned::Start(node) => match scenario.start.get(&node) {
            Some(Start::When(state)) => format!("first start of {node}, when {state}"),
            Some(Start::At(_)) | None => format!("first start of {node}"),
        },
        Planned::Step(step) => {
            let step = usize::try_from(step).ok().and_then(|index| scenario.plan.steps.get(index));
            step.map_or_else(String::new, words)
        }
    }
}

/// The roles in an action that nobody holds.
fn vacant_roles(action: &Action, select: Select<'_>) -> Vec<WarningReason> {
    let mut vacant: Vec<Selector> = roles(action).into_iter().filter(|role| is_role(*role)).collect();
    vacant.sort_unstable();
    vacant.dedup();
    vacant.retain(|role| select(*role).is_empty());
    vacant.into_iter().map(|role| WarningReason::NobodyHeldRole(role.to_string())).collect()
}

fn is_role(selector: Selector) -> bool {
    match selector {
        Selector::Coordinator
        | Selector::Primary
        | Selector::ZooKeeperLeader
        | Selector::ZooKeeperFollowers => true,
        Selector::Node(_)
        | Selector::Rest
        | Selector::All
        | Selector::ZooKeeper
        | Selector::ZooKeeperServer(_) => false,
    }
}

/// What a step is about to do.
enum Effect {
    /// Something.
    Some,
    /// Nothing, and why.
    None(String),
    /// Nothing, and why, unless a process starts on one of these machines while the step lasts.
    OnceOneRuns(Vec<Endpoint>, String),
}

impl Effect {
    fn unless(strikes: bool, why: impl FnOnce() -> String) -> Effect {
        if strikes { Effect::Some } else { Effect::None(why()) }
    }
}

fn effect(action: &Action, cluster: &Cluster<'_>, select: Select<'_>) -> Effect {
    match action {
        Action::Cut { cut, protocol } => of_links(cut, *protocol, select),
        Action::Loss { between, protocol, .. }
        | Action::Duplicate { between, protocol, .. }
        | Action::Delay { between, protocol, .. } => of_links(between, *protocol, select),
        Action::Crash { node, .. } | Action::Stop { node } | Action::ClockJump { node, .. } => {
            let runs = select(*node).into_iter().any(|machine| runs(cluster, machine));
            Effect::unless(runs, || format!("{node} {}", not_running(cluster, *node, select)))
        }
        Action::Slow { node, .. } | Action::ClockDrift { node, .. } => {
            let machines = select(*node);
            if machines.iter().any(|machine| runs(cluster, *machine)) {
                return Effect::Some;
            }
            Effect::OnceOneRuns(machines, format!("{node} {}", not_running(cluster, *node, select)))
        }
        Action::Pause { node, .. } => {
            let machines = select(*node);
            let stands = machines.iter().any(|machine| runs(cluster, *machine));
            let awake = machines.into_iter().any(|machine| is_awake(cluster, machine));
            Effect::unless(awake, || match stands {
                true => format!("{node} stood still already"),
                false => format!("{node} {}", not_running(cluster, *node, select)),
            })
        }
        Action::Start { node } => {
            let left: Vec<Endpoint> = left(cluster, *node, select);
            let down = left.iter().any(|machine| !runs(cluster, *machine));
            Effect::unless(down, || match left.is_empty() {
                true => format!("{node} was gone for good"),
                false => format!("{node} ran already"),
            })
        }
        Action::Restart { node } | Action::WallClock { server: node, .. } => {
            let is_left = !left(cluster, *node, select).is_empty();
            Effect::unless(is_left, || format!("{node} was gone for good"))
        }
        Action::ExpireSession { node } => of_expiry(*node, cluster, select),
        Action::ZooKeeperDown => {
            let runs = select(Selector::ZooKeeper).into_iter().any(|server| runs(cluster, server));
            Effect::unless(runs, || "no ZooKeeper server ran".to_owned())
        }
        Action::Operator { at, request: _ } => {
            let answers = select(*at).into_iter().any(|machine| is_awake(cluster, machine));
            Effect::unless(answers, || format!("{at} did not answer"))
        }
    }
}

fn of_links(cut: &Cut, protocol: Option<Protocol>, select: Select<'_>) -> Effect {
    let (from, to) = sides(cut, select);
    let is_link = |one: Endpoint, other: Endpoint| {
        one != other && protocol.is_none_or(|protocol| protocol == one.spoken_with(other))
    };
    let links = from.iter().any(|one| to.iter().any(|other| is_link(*one, *other)));
    Effect::unless(links, || "there was no link between its two sides".to_owned())
}

fn of_expiry(node: Selector, cluster: &Cluster<'_>, select: Select<'_>) -> Effect {
    if select(Selector::ZooKeeperLeader).is_empty() {
        return Effect::None("no ZooKeeper server led".to_owned());
    }
    let has_session = |machine: Endpoint| match machine {
        Endpoint::Node(node) => {
            let process = cluster.machine(node).and_then(|machine| machine.process.as_ref());
            process.is_some_and(|process| process.client.session().is_some())
        }
        Endpoint::ZooKeeper(_) => false,
    };
    let has_one = select(node).into_iter().any(has_session);
    Effect::unless(has_one, || format!("{node} held no ZooKeeper session"))
}

/// Those that a selector means and that are not gone for good.
fn left(cluster: &Cluster<'_>, selector: Selector, select: Select<'_>) -> Vec<Endpoint> {
    select(selector).into_iter().filter(|machine| !cluster.for_good.is_gone(*machine)).collect()
}

fn not_running(cluster: &Cluster<'_>, selector: Selector, select: Select<'_>) -> &'static str {
    if left(cluster, selector, select).is_empty() { "was gone for good" } else { "did not run" }
}

/// Whether a process runs there that is not gone for good.
fn runs(cluster: &Cluster<'_>, machine: Endpoint) -> bool {
    let has_process = match machine {
        Endpoint::Node(node) => cluster.machine(node).is_some_and(|machine| machine.process.is_some()),
        Endpoint::ZooKeeper(server) => {
            cluster.server(server).is_some_and(|machine| machine.server.is_running())
        }
    };
    has_process && !cluster.for_good.is_gone(machine)
}

/// Whether a process runs there and is not held up.
fn is_awake(cluster: &Cluster<'_>, machine: Endpoint) -> bool {
    match machine {
        Endpoint::Node(node) => cluster.machine(node).is_some_and(|machine| machine.awake().is_some()),
        Endpoint::ZooKeeper(server) => cluster.server(server).is_some_and(|machine| machine.is_awake()),
    }
}
