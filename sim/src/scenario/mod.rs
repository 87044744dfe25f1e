//! A scenario: a cluster, the plan of what happens to it, and what must hold; as a value, as a file, as a builder.
//! How a run carries it out is the engine's business; where files are is the command's.

mod builder;
mod file;
pub(crate) mod nearest;
mod resolve;
mod rules;
mod schema;
mod step;
mod values;
mod words;
mod write;

#[cfg(test)]
pub(crate) mod strategies;
#[cfg(test)]
mod tests;

pub use crate::plan::ExpectedState;
pub use builder::{Moment, ScenarioBuilder, Time};
pub use rules::{RuleChoice, RuleError, RuleOverride};
pub use schema::schema;
pub use values::{ClientLibrary, FlowName, Start};

use crate::plan::{DurationRange, NodeNumber, Plan};
use crate::properties::{LIVENESS, SAFETY};
use core::fmt;
use file::FileScenario;
use resolve::Problem;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use toml::de::{DeTable, DeValue};
use zeromaster_core::rules::Rules;
use zeromaster_zookeeper::Release;

/// A cluster, what happens to it, and what must hold.
///
/// Read with [`Scenario::parse`] or made with [`Scenario::of`], it is consistent: every node that it names exists, and
/// every range is one. Whoever changes its fields keeps it so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scenario {
    /// One sentence: what must hold, and why anyone would doubt it.
    pub about: String,
    /// What settles everything else.
    pub seed: u64,
    /// How long the run lasts at least, if the scenario says so.
    pub until: Option<Duration>,
    /// When all faults are undone, if the scenario says so; see [`Scenario::heals_at`].
    pub heal: Option<Duration>,
    /// How many nodes, from 1 to [`NODES_MAX`](crate::plan::NODES_MAX).
    pub nodes: u32,
    /// The rules that the nodes follow.
    pub rules: RuleChoice,
    /// The rules of nodes that follow others, as in a rolling upgrade.
    pub rules_of: BTreeMap<NodeNumber, RuleChoice>,
    /// The path of a nifi.properties file, from the scenario file.
    pub properties: Option<String>,
    /// The paths of the files of nodes that have one of their own.
    pub properties_of: BTreeMap<NodeNumber, String>,
    /// The text of the firewall file.
    pub firewall: Option<String>,
    /// The flows on the disks.
    pub flows: Flows,
    /// The queues that hold data; nodes without any are left out.
    pub queued: BTreeMap<NodeNumber, BTreeSet<String>>,
    /// When processes start; nodes that start at zero are left out.
    pub start: BTreeMap<NodeNumber, Start>,
    /// How long loading a flow takes.
    pub flow_load: DurationRange,
    /// How many loads of a flow fail, from the first one; nodes without a failure are left out.
    pub load_failures: BTreeMap<NodeNumber, u32>,
    /// Overrides of nifi.properties.
    pub nifi: BTreeMap<String, String>,
    /// The ZooKeeper servers.
    pub zookeeper: ZooKeeper,
    /// How long a message takes when nothing is wrong with the network.
    pub latency: DurationRange,
    /// What happens.
    pub plan: Plan,
    /// What must hold.
    pub expect: Expect,
}

/// The ZooKeeper servers, and how they are configured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ZooKeeper {
    /// How many, from 1 to [`SERVERS_MAX`](crate::plan::SERVERS_MAX).
    pub servers: u32,
    /// Whether the scenario leaves that number to `nifi.zookeeper.connect.string`. A [`Setup`](crate::setup::Setup) knows it.
    pub servers_by_properties: bool,
    /// How many of them run in a node's process, server zk1 in n1 and so on: the embedded ZooKeeper of NiFi. None in a
    /// scenario as it is read; a [`Setup`](crate::setup::Setup) knows it from the properties.
    pub embedded: u32,
    /// `tickTime`; at least a millisecond.
    pub tick: Duration,
    /// `initLimit`, in ticks; at least 1.
    pub init_limit: u32,
    /// `syncLimit`, in ticks; at least 1.
    pub sync_limit: u32,
    /// `minSessionTimeout`; two ticks when `None`. Not above the maximum.
    pub min_session_timeout: Option<Duration>,
    /// `maxSessionTimeout`; twenty ticks when `None`.
    pub max_session_timeout: Option<Duration>,
    /// Which release they behave like.
    pub release: Release,
    /// Which library the nodes reach them with.
    pub library: ClientLibrary,
}

/// One server, with the values of ZooKeeper's sample configuration.
impl Default for ZooKeeper {
    fn default() -> Self {
        ZooKeeper {
            servers: 1,
            servers_by_properties: true,
            embedded: 0,
            tick: Duration::from_secs(2),
            init_limit: 10,
            sync_limit: 5,
            min_session_timeout: None,
            max_session_timeout: None,
            release: Release::default(),
            library: ClientLibrary::default(),
        }
    }
}

/// Which flow is on which node's disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flows {
    /// The flow of the nodes that are not in `of`.
    pub all: FlowName,
    /// The flows of the nodes that have another one than `all`.
    pub of: BTreeMap<NodeNumber, FlowName>,
}

impl Flows {
    /// The flow on the disk of `node`.
    #[must_use]
    pub fn of_node(&self, node: NodeNumber) -> &FlowName {
        self.of.get(&node).unwrap_or(&self.all)
    }
}

impl Default for Flows {
    fn default() -> Self {
        Flows { all: resolve::default_flow(), of: BTreeMap::new() }
    }
}

/// What must hold.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Expect {
    /// The safety properties to check; every one when `None`.
    pub always: Option<BTreeSet<String>>,
    /// The liveness properties to check, with the time each may take after the healing; every one, with the run's own
    /// bound, when `None`.
    pub eventually: Option<BTreeMap<String, Duration>>,
    /// The properties that this run must violate, no more and no fewer; empty for a run that must pass.
    pub violates: BTreeSet<String>,
    /// The events of the timeline each of which must happen at least once; names of [`EVENTS`](crate::events::EVENTS).
    pub reaches: BTreeSet<String>,
    /// What the acting coordinator must say, sorted by time.
    pub states: Vec<StateExpectation>,
}

/// What the acting coordinator must say about a node at a time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StateExpectation {
    /// When, from the start of the run.
    pub at: Duration,
    /// About which node.
    pub node: NodeNumber,
    /// What.
    pub state: ExpectedState,
}

/// The names that a scenario may use.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Names of rule sets.
    pub rules: &'a [&'a str],
    /// Names of safety properties.
    pub safety: &'a [&'a str],
    /// Names of liveness properties.
    pub liveness: &'a [&'a str],
}

impl Known<'static> {
    /// Every name that there is.
    pub const ALL: Known<'static> = Known { rules: &Rules::NAMES, safety: &SAFETY, liveness: &LIVENESS };
}

/// Why a text is not a scenario: where, with which key, and what was found and expected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScenarioError {
    /// The line, from 1; `None` when something is missing from the file as a whole, or there is no file.
    pub line: Option<u32>,
    /// The key, with the names of the tables around it; empty when the text is not TOML.
    pub key: String,
    /// What was found and what was expected.
    pub message: String,
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for ScenarioError {}

impl Scenario {
    /// The seed of a scenario that names none.
    pub const SEED: u64 = 1;
    /// How long loading a flow takes, if the scenario does not say.
    pub const FLOW_LOAD: DurationRange =
        DurationRange { min: Duration::from_millis(200), max: Duration::from_secs(1) };
    /// How long a message takes, if the scenario does not say.
    pub const LATENCY: DurationRange =
        DurationRange { min: Duration::from_millis(1), max: Duration::from_millis(3) };

    /// Reads a scenario file.
    ///
    /// # Errors
    ///
    /// When `text` is not TOML, has an unknown key, lacks one, or says something that cannot be: the first such place.
    pub fn parse(text: &str, known: &Known<'_>) -> Result<Scenario, ScenarioError> {
        let file: FileScenario = toml::from_str(text).map_err(|error| toml_error(text, &error))?;
        resolve::resolve(&file, known).map_err(|problem| located(text, problem))
    }

    /// When all faults are undone: when the scenario says so, otherwise when the last step is over. While steps wait for
    /// their conditions it is later; see [`Schedule`](crate::schedule::Schedule).
    #[must_use]
    pub fn heals_at(&self) -> Duration {
        self.heal.unwrap_or_else(|| self.plan.end())
    }

    /// The earliest end of the run: after the healing, after everything that is expected at a time, and not before
    /// `until`.
    #[must_use]
    pub fn ends_after(&self) -> Duration {
        let last = self.expect.states.last().map_or(Duration::ZERO, |state| state.at);
        self.heals_at().max(last).max(self.until.unwrap_or(Duration::ZERO))
    }
}

fn located(text: &str, problem: Problem) -> ScenarioError {
    let line = problem.offset.map(|offset| line_of(text, offset));
    ScenarioError { line, key: problem.key, message: problem.message }
}

/// The line of `offset`, from 1.
fn line_of(text: &str, offset: usize) -> u32 {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let newlines = before.iter().filter(|byte| **byte == b'\n').count();
    u32::try_from(newlines).map_or(u32::MAX, |newlines| newlines.saturating_add(1))
}

/// The parser's error in our words.
fn toml_error(text: &str, error: &toml::de::Error) -> ScenarioError {
    let offset = error.span().map(|span| span.start);
    let line = offset.map(|offset| line_of(text, offset));
    let Ok(table) = DeTable::parse(text) else {
        let found = error.span().and_then(|span| text.get(span)).unwrap_or_default();
        let short = !found.is_empty() && found.len() <= 40;
        let found = if short { format!(", found {found:?}") } else { String::new() };
        let message = format!("{}{found}", error.message().replace('\n', ", "));
        return ScenarioError { line, key: String::new(), message };
    };
    let path = offset.and_then(|offset| path_at(table.get_ref(), offset)).unwrap_or_default();
    ScenarioError { line, key: path.join("."), message: in_our_words(error.message()) }
}

fn in_our_words(message: &str) -> String {
    if let Some(unknown) = message.strip_prefix("unknown field ")
        && let Some((found, expected)) = unknown.split_once(", expected ")
    {
        let known = expected.split('`').skip(1).step_by(2);
        let meant = nearest::did_you_mean(found.trim_matches('`'), known);
        return format!("unknown key, expected {}{meant}", expected.replace('`', ""));
    }
    let message = message.replace("expected a sequence", "expected a list in brackets");
    let message =
        message.strip_prefix("invalid type: ").map_or(message.clone(), |rest| format!("found {rest}"));
    let message =
        message.strip_prefix("invalid value: ").map_or(message.clone(), |rest| format!("found {rest}"));
    message.replace('\n', ", ")
}

/// The names of the tables around the key whose name or value begins at `offset`, and its own. Inside a block in double
/// brackets a key says enough: the names before the block are left out.
fn path_at(table: &DeTable<'_>, offset: usize) -> Option<Vec<String>> {
    fn walk(table: &DeTable<'_>, offset: usize, path: &mut Vec<String>) -> Option<Vec<String>> {
        for (name, value) in table {
            path.push(key(name.get_ref()));
            let inside = match value.get_ref() {
                DeValue::Table(table) => walk(table, offset, path),
                DeValue::Array(items) => items.iter().find_map(|item| match item.get_ref() {
                    DeValue::Table(table) => walk(table, offset, &mut Vec::new()),
                    _ => item.span().contains(&offset).then(|| path.clone()),
                }),
                _ => None,
            };
            if inside.is_some() {
                return inside;
            }
            if name.span().contains(&offset) || value.span().contains(&offset) {
                return Some(path.clone());
            }
            path.pop();
        }
        None
    }
    walk(table, offset, &mut Vec::new())
}

/// A key as a file would write it: in quotes unless it is a plain word.
fn key(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if !name.is_empty() && name.bytes().all(plain) { name.to_owned() } else { format!("{name:?}") }
}
