//! The plan: which faults and operator requests happen when, as plain data, and how its small values are written.
//! What a step does to a run is the engine's business; how a file spells a step is the scenario's.

use std::time::Duration;

#[path = "plan/condition.rs"]
mod condition;
#[cfg(test)]
#[path = "plan/tests.rs"]
mod tests;
#[path = "plan/text.rs"]
mod text;

pub(crate) use condition::A_NODE_STATE;
pub use condition::{Condition, ExpectedState, NodeState};
pub(crate) use text::{A_CUT, A_DISK, A_DURATION, A_DURATION_RANGE, A_LENGTH, A_NODE, A_PROTOCOL, A_RATIO};
pub(crate) use text::{EVER, show_signed};
pub use text::{WordError, parse_duration, show_duration};

/// The most servers a ZooKeeper ensemble may have; larger ones are not run anywhere, for every write waits for a majority.
pub const SERVERS_MAX: u32 = 9;

/// The most nodes a cluster may have, so that a typing error in `nodes` does not fill the memory.
pub const NODES_MAX: u32 = 10_000;

/// The longest duration a plan or scenario may write: 1,000 days. Sums of a few of them stay far inside 64 bits of
/// microseconds.
pub const DURATION_MAX: Duration = Duration::from_hours(24 * 1_000);

/// The largest clock drift, in parts per million either way: a tenth.
pub const DRIFT_PPM_MAX: i32 = 100_000;

/// How long a fault without a length is given before everything is healed, if the scenario does not say when: longer
/// than the eight heartbeats, and the sessions, of NiFi's defaults.
pub const OPEN_STEP: Duration = Duration::from_secs(60);

/// A node by its number in the scenario, from 1: `n1` is `NodeNumber(1)`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeNumber(pub u32);

/// A probability as a fraction, `numerator <= denominator`, `denominator > 0`.
///
/// [`Ratio::new`] reduces it; only reduced ratios compare equal when they mean the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Ratio {
    /// How many of `denominator` draws.
    pub numerator: u32,
    /// Out of how many draws; not zero.
    pub denominator: u32,
}

/// A duration to be drawn, both ends included, `min <= max`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct DurationRange {
    /// The shortest it can be.
    pub min: Duration,
    /// The longest it can be.
    pub max: Duration,
}

/// Who a step is about, settled when the step begins: `coordinator` is whoever acts as Cluster Coordinator then.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Selector {
    /// One node, written `n1`.
    Node(NodeNumber),
    /// The acting Cluster Coordinator.
    Coordinator,
    /// The acting Primary Node.
    Primary,
    /// In a cut: every node that the cut does not name otherwise.
    Rest,
    /// Every node; ZooKeeper is not among them.
    All,
    /// Every ZooKeeper server.
    ZooKeeper,
    /// One ZooKeeper server, from 1, written `zk1`.
    ZooKeeperServer(u32),
    /// The ZooKeeper server that leads, written `zk-leader`.
    ZooKeeperLeader,
    /// The ZooKeeper servers that follow it, written `zk-followers`.
    ZooKeeperFollowers,
}

/// Which way a cut works.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    /// Messages of both sides are affected, written `n1 | n2`.
    Both,
    /// Only messages from the first side to the second are affected, written `n1 > n2`.
    OneWay,
}

/// The links between two sides.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Cut {
    /// The first side; not empty.
    pub from: Vec<Selector>,
    /// The second side; not empty.
    pub to: Vec<Selector>,
    /// Which way.
    pub direction: Direction,
}

/// One kind of traffic on a link.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Protocol {
    /// Between nodes: NiFi's cluster protocol.
    Cluster,
    /// Between a node and ZooKeeper.
    ZooKeeper,
    /// Between the servers of ZooKeeper.
    Ensemble,
}

/// What a crash leaves on the node's disk.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Disk {
    /// Everything that was written.
    #[default]
    Kept,
    /// Everything but the last write.
    LastWriteLost,
    /// Nothing.
    Wiped,
}

/// What a step does.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// Messages over these links are lost, also those in flight.
    Cut {
        /// The links.
        cut: Cut,
        /// The traffic; all of it when `None`.
        protocol: Option<Protocol>,
    },
    /// Some messages over these links are lost.
    Loss {
        /// The links.
        between: Cut,
        /// How many.
        ratio: Ratio,
        /// The traffic; all of it when `None`.
        protocol: Option<Protocol>,
    },
    /// Some messages over these links arrive twice.
    Duplicate {
        /// The links.
        between: Cut,
        /// How many.
        ratio: Ratio,
        /// The traffic; all of it when `None`.
        protocol: Option<Protocol>,
    },
    /// Messages over these links take longer.
    Delay {
        /// The links.
        between: Cut,
        /// How much longer, drawn for each message.
        by: DurationRange,
        /// The traffic; all of it when `None`.
        protocol: Option<Protocol>,
    },
    /// The process dies at once; down until the step is over, a later start or restart, or the healing. For ever means
    /// that nothing starts it again.
    Crash {
        /// Whose process; a server's too.
        node: Selector,
        /// What it finds when it comes back; a server everything.
        disk: Disk,
    },
    /// The process ends cleanly; down until the step is over, a later start or restart, or the healing.
    Stop {
        /// Whose process.
        node: Selector,
    },
    /// The process starts, if it is down.
    Start {
        /// Whose process; a server's too.
        node: Selector,
    },
    /// The process dies and starts again at once.
    Restart {
        /// Whose process; a server's too.
        node: Selector,
    },
    /// The process stands still, as in a long garbage collection; always with a length.
    Pause {
        /// Whose process; a server's too.
        node: Selector,
        /// Whether what arrives meanwhile is handled afterwards, or lost.
        buffered: bool,
    },
    /// Every input of the node is handled later.
    Slow {
        /// Whose inputs.
        node: Selector,
        /// How much later.
        by: Duration,
    },
    /// The machine's monotonic clock jumps forward.
    ClockJump {
        /// Whose clock; a server's too.
        node: Selector,
        /// How far.
        by: Duration,
    },
    /// The machine's monotonic clock runs fast or slow.
    ClockDrift {
        /// Whose clock; a server's too.
        node: Selector,
        /// Parts per million, fast when positive; at most [`DRIFT_PPM_MAX`] either way.
        ppm: i32,
    },
    /// ZooKeeper gives the node's session up at once.
    ExpireSession {
        /// Whose session.
        node: Selector,
    },
    /// A ZooKeeper server's wall clock is set. Its monotonic clock goes on as before.
    WallClock {
        /// Whose.
        server: Selector,
        /// By how many milliseconds; forward when positive.
        by_ms: i64,
    },
    /// No ZooKeeper server answers; always with a length.
    ZooKeeperDown,
    /// An operator asks a node to do something.
    Operator {
        /// The node that is asked.
        at: Selector,
        /// What it is asked.
        request: OperatorAction,
    },
}

/// What an operator asks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum OperatorAction {
    /// Connect this node.
    Connect(Selector),
    /// Disconnect this node.
    Disconnect(Selector),
    /// Remove this node from the cluster.
    Remove(Selector),
    /// Offload this node's data to the others.
    Offload(Selector),
}

/// One line of the plan.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Step {
    /// When it begins, from the start of the run; the earliest time if there is a spread, and the time from which on the
    /// condition is looked at if there is one.
    pub at: Duration,
    /// How much later than `at` it may begin. The seed draws when, from a stream of the step's own.
    pub spread: Duration,
    /// What it waits for from then on, if for anything.
    pub when: Option<Condition>,
    /// What it does.
    pub action: Action,
    /// How long it lasts, if it lasts at all.
    pub lasts: Lasts,
}

/// How long a step lasts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Lasts {
    /// Until everything is healed.
    #[default]
    UntilHealed,
    /// This long, written `60s`; not zero.
    For(Duration),
    /// For ever, written `ever`: the healing does not undo it. Only actions for which [`Action::can_last_for_ever`] holds.
    ForEver,
}

/// The steps of a run, sorted by `at`; steps at the same time happen in the order written.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
}

impl Plan {
    /// The plan of `steps`, sorted by time; steps of one time keep their order.
    #[must_use]
    pub fn new(mut steps: Vec<Step>) -> Self {
        steps.sort_by_key(|step| step.at);
        Plan { steps }
    }

    /// When the last step is over, by [`Step::end`]; zero for an empty plan. Steps with a condition do not count, for
    /// their time is not known before the run.
    #[must_use]
    pub fn end(&self) -> Duration {
        let known = self.steps.iter().filter(|step| step.when.is_none());
        known.map(Step::end).max().unwrap_or(Duration::ZERO)
    }
}

impl Step {
    /// A step that begins at this time and waits for nothing.
    #[must_use]
    pub fn new(at: Duration, action: Action, lasts: Lasts) -> Step {
        Step { at, spread: Duration::ZERO, when: None, action, lasts }
    }

    /// From when to when it may begin, or may begin to wait.
    #[must_use]
    pub fn begins(&self) -> DurationRange {
        DurationRange { min: self.at, max: self.at.saturating_add(self.spread) }
    }

    /// How long the step lasts. A fault without an end of its own counts as [`OPEN_STEP`] long, so that a plan that ends
    /// with it gives it time to show.
    #[must_use]
    pub fn length(&self) -> Duration {
        match self.lasts {
            Lasts::For(length) => length,
            Lasts::UntilHealed | Lasts::ForEver if self.action.lasts() => OPEN_STEP,
            Lasts::UntilHealed | Lasts::ForEver => Duration::ZERO,
        }
    }

    /// When the step is over at the latest, if it waits for nothing.
    #[must_use]
    pub fn end(&self) -> Duration {
        self.begins().max.saturating_add(self.length())
    }
}

impl Selector {
    /// Whether it means ZooKeeper servers, and not nodes.
    #[must_use]
    pub fn is_zookeeper(self) -> bool {
        match self {
            Selector::ZooKeeper
            | Selector::ZooKeeperServer(_)
            | Selector::ZooKeeperLeader
            | Selector::ZooKeeperFollowers => true,
            Selector::Node(_)
            | Selector::Coordinator
            | Selector::Primary
            | Selector::Rest
            | Selector::All => false,
        }
    }
}

impl Ratio {
    /// The reduced ratio; `None` when `denominator` is zero or `numerator` is larger than it.
    #[must_use]
    pub fn new(numerator: u32, denominator: u32) -> Option<Self> {
        if denominator == 0 || numerator > denominator {
            return None;
        }
        let divisor = greatest_common_divisor(numerator, denominator);
        Some(Ratio { numerator: numerator / divisor, denominator: denominator / divisor })
    }
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

impl DurationRange {
    /// The range that always draws `duration`.
    #[must_use]
    pub const fn exactly(duration: Duration) -> Self {
        DurationRange { min: duration, max: duration }
    }
}

impl Cut {
    /// Everything between nodes: `all | all`.
    #[must_use]
    pub fn everything() -> Self {
        Cut { from: vec![Selector::All], to: vec![Selector::All], direction: Direction::Both }
    }

    /// Everything between ZooKeeper servers: `zookeeper | zookeeper`.
    #[must_use]
    pub fn ensemble() -> Self {
        Cut { from: vec![Selector::ZooKeeper], to: vec![Selector::ZooKeeper], direction: Direction::Both }
    }

    /// The selectors of both sides.
    pub fn selectors(&self) -> impl Iterator<Item = Selector> + '_ {
        self.from.iter().chain(&self.to).copied()
    }
}

impl OperatorAction {
    /// The node the request is about.
    #[must_use]
    pub fn node(self) -> Selector {
        match self {
            OperatorAction::Connect(node)
            | OperatorAction::Disconnect(node)
            | OperatorAction::Remove(node)
            | OperatorAction::Offload(node) => node,
        }
    }

    /// The word for the request, as a scenario file spells it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            OperatorAction::Connect(_) => "connect",
            OperatorAction::Disconnect(_) => "disconnect",
            OperatorAction::Remove(_) => "remove",
            OperatorAction::Offload(_) => "offload",
        }
    }
}

impl Action {
    /// The word for the action, as a scenario file and the timeline spell it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Action::Cut { .. } => "cut",
            Action::Loss { .. } => "loss",
            Action::Duplicate { .. } => "duplicate",
            Action::Delay { .. } => "delay",
            Action::Crash { .. } => "crash",
            Action::Stop { .. } => "stop",
            Action::Start { .. } => "start",
            Action::Restart { .. } => "restart",
            Action::Pause { .. } => "pause",
            Action::Slow { .. } => "slow",
            Action::ClockJump { .. } | Action::ClockDrift { .. } | Action::WallClock { .. } => "clock",
            Action::ExpireSession { .. } => "expire",
            Action::ZooKeeperDown => "zookeeper",
            Action::Operator { .. } => "operator",
        }
    }

    /// Whether the action goes on until it is undone. The others are over at once, and have no length.
    #[must_use]
    pub fn lasts(&self) -> bool {
        match self {
            Action::Cut { .. }
            | Action::Loss { .. }
            | Action::Duplicate { .. }
            | Action::Delay { .. }
            | Action::Crash { .. }
            | Action::Stop { .. }
            | Action::Pause { .. }
            | Action::Slow { .. }
            | Action::ClockDrift { .. }
            | Action::ZooKeeperDown => true,
            Action::Start { .. }
            | Action::Restart { .. }
            | Action::ClockJump { .. }
            | Action::WallClock { .. }
            | Action::ExpireSession { .. }
            | Action::Operator { .. } => false,
        }
    }

    /// Whether the action can be one that no healing undoes: what it strikes is gone then, or cut off.
    #[must_use]
    pub fn can_last_for_ever(&self) -> bool {
        match self {
            Action::Cut { .. }
            | Action::Crash { .. }
            | Action::Stop { .. }
            | Action::Pause { .. }
            | Action::ZooKeeperDown => true,
            Action::Loss { .. }
            | Action::Duplicate { .. }
            | Action::Delay { .. }
            | Action::Slow { .. }
            | Action::ClockDrift { .. }
            | Action::Start { .. }
            | Action::Restart { .. }
            | Action::ClockJump { .. }
            | Action::WallClock { .. }
            | Action::ExpireSession { .. }
            | Action::Operator { .. } => false,
        }
    }

    /// What the action is done to, in words: `n1 | zookeeper`, `10% between all | all`, `disconnect n3 at n2`.
    #[must_use]
    pub fn object(&self) -> String {
        match self {
            Action::Cut { cut, protocol } => format!("{cut}{}", only(*protocol)),
            Action::Loss { between, ratio, protocol } | Action::Duplicate { between, ratio, protocol } => {
                format!("{ratio} between {between}{}", only(*protocol))
            }
            Action::Delay { between, by, protocol } => format!("{by} between {between}{}", only(*protocol)),
            Action::Crash { node, disk } => match disk {
                Disk::Kept => node.to_string(),
                Disk::LastWriteLost => format!("{node}, last write lost"),
                Disk::Wiped => format!("{node}, disk wiped"),
            },
            Action::Stop { node }
            | Action::Start { node }
            | Action::Restart { node }
            | Action::ExpireSession { node }
            | Action::Pause { node, buffered: true } => node.to_string(),
            Action::Pause { node, buffered: false } => format!("{node}, input dropped"),
            Action::Slow { node, by } => format!("{node} by {}", show_duration(*by)),
            Action::ClockJump { node, by } => format!("{node} jump {}", show_duration(*by)),
            Action::ClockDrift { node, ppm } => format!("{node} drift {ppm:+}ppm"),
            Action::WallClock { server, by_ms } => format!("{server} set by {}", show_signed(*by_ms)),
            Action::ZooKeeperDown => "down".to_owned(),
            Action::Operator { at, request } => format!("{request} at {at}"),
        }
    }
}

fn only(protocol: Option<Protocol>) -> String {
    protocol.map_or_else(String::new, |protocol| format!(", {protocol} only"))
}
