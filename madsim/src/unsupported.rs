//! What madsim cannot express. It has one clock for all machines, one latency and one loss for all links, and no copies; what
//! stands still keeps what arrives. A plan that needs more is refused, and the step is named.

use std::collections::BTreeSet;
use std::fmt;
use zeromaster_sim::plan::{Action, Cut, Plan, Ratio, Selector, Step};
use zeromaster_sim::scenario::Scenario;

/// A step, or a part of the cluster, that madsim cannot express.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Unsupported {
    /// The step, as the timeline shows it, or the part.
    pub step: String,
    /// Why not.
    pub why: &'static str,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "madsim cannot express {}: {}", self.step, self.why)
    }
}

/// What of a scenario madsim cannot express: steps, and ZooKeeper servers in the nodes' processes.
#[must_use]
pub fn unsupported(scenario: &Scenario) -> Vec<Unsupported> {
    let embedded = (scenario.zookeeper.embedded > 0).then(|| Unsupported {
        step: "embedded ZooKeeper".to_owned(),
        why: "its ZooKeeper servers run on machines of their own",
    });
    embedded.into_iter().chain(scenario.plan.steps.iter().filter_map(of_step)).collect()
}

/// The scenario without the steps that madsim cannot express, and those.
#[must_use]
pub fn expressible(scenario: &Scenario) -> (Scenario, Vec<Unsupported>) {
    let (kept, left_out): (Vec<Step>, Vec<Step>) =
        scenario.plan.steps.iter().cloned().partition(|step| of_step(step).is_none());
    let left_out = left_out.iter().filter_map(of_step).collect();
    (Scenario { plan: Plan::new(kept), ..scenario.clone() }, left_out)
}

fn of_step(step: &Step) -> Option<Unsupported> {
    let why = why(&step.action)?;
    let when =
        step.when.as_ref().map_or_else(|| format!(" at {}", step.begins()), |when| format!(", {when}"));
    Some(Unsupported { step: format!("{}{when}", step.action), why })
}

fn why(action: &Action) -> Option<&'static str> {
    match action {
        Action::ClockJump { .. } | Action::ClockDrift { .. } => Some("it has one clock for all machines"),
        Action::Duplicate { .. } => Some("it makes no copies of messages"),
        Action::Delay { .. } => Some("it has one latency for all links"),
        Action::Slow { .. } => Some("its processes have one speed"),
        Action::Pause { buffered: false, .. } => {
            Some("what reaches a process that stands still waits for it")
        }
        Action::Loss { between, ratio, protocol } => {
            let is_certain = *ratio == Ratio { numerator: 1, denominator: 1 };
            (protocol.is_some() || is_certain || !is_everywhere(between))
                .then_some("it loses messages of all links alike")
        }
        Action::Cut { .. }
        | Action::Crash { .. }
        | Action::Stop { .. }
        | Action::Start { .. }
        | Action::Restart { .. }
        | Action::Pause { buffered: true, .. }
        | Action::WallClock { .. }
        | Action::ExpireSession { .. }
        | Action::ZooKeeperDown
        | Action::Operator { .. } => None,
    }
}

/// Whether it means every link that there is.
fn is_everywhere(cut: &Cut) -> bool {
    let everybody = BTreeSet::from([Selector::All, Selector::ZooKeeper]);
    let means_everybody = |side: &[Selector]| everybody.iter().all(|each| side.contains(each));
    means_everybody(&cut.from) && means_everybody(&cut.to)
}
