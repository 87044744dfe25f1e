//! A scenario written in Rust, with the words of the file, for tests.

use super::file::{
    FileCluster, FileExpect, FileNetwork, FileOperator, FileProperties, FileRules, FileScenario, FileState,
    FileStep, FileZooKeeper,
};
use super::resolve::{is_writable, resolve};
use super::rules::{RuleChoice, RuleOverride};
use super::values::Start;
use super::words::{Begin, Entries, Located, Name, Text, Whole, Whose, Word};
use super::{Known, Scenario, ScenarioError};
use crate::plan::{DurationRange, Lasts, NodeNumber, OperatorAction, WordError};
use core::fmt::Display;
use std::time::Duration;
use zeromaster_core::rules::Rules;

/// A time or a length for a builder: a text as in a file, or a duration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Time(Result<Duration, WordError>);

impl From<&str> for Time {
    fn from(text: &str) -> Self {
        Time(Duration::read(text))
    }
}

impl From<Duration> for Time {
    fn from(duration: Duration) -> Self {
        if is_writable(duration) {
            Time(Ok(duration))
        } else {
            Time(Err(WordError::new(&format!("{}ns", duration.as_nanos()), Duration::EXPECTED)))
        }
    }
}

/// When a step begins, for a builder: a text as in a file, such as `60s` or `60s..70s`, a duration, or a range of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Moment(Result<DurationRange, WordError>);

impl From<&str> for Moment {
    fn from(text: &str) -> Self {
        Moment(Begin::read(text).map(|begin| begin.0))
    }
}

impl From<Duration> for Moment {
    fn from(duration: Duration) -> Self {
        DurationRange::exactly(duration).into()
    }
}

impl From<DurationRange> for Moment {
    fn from(range: DurationRange) -> Self {
        let DurationRange { min, max } = range;
        if is_writable(min) && is_writable(max) && min <= max {
            Moment(Ok(range))
        } else {
            let found = format!("{}ns..{}ns", min.as_nanos(), max.as_nanos());
            Moment(Err(WordError::new(&found, Begin::EXPECTED)))
        }
    }
}

/// Makes a [`Scenario`], as a file would: the same words, the same defaults, the same checks.
///
/// [`ScenarioBuilder::at`] begins a step; the action and what belongs to it follow. Nodes, selectors, cuts and ratios are
/// texts as in a file, or values of the plan. The first mistake is kept until [`ScenarioBuilder::build`] reports it.
#[derive(Clone)]
pub struct ScenarioBuilder {
    file: FileScenario,
    cluster: FileCluster,
    expect: FileExpect,
    mistake: Option<ScenarioError>,
}

impl Scenario {
    /// Begins a scenario with this many nodes.
    #[must_use]
    pub fn of(nodes: u32) -> ScenarioBuilder {
        let cluster = FileCluster { nodes: whole(u64::from(nodes)), ..FileCluster::default() };
        let mut builder = ScenarioBuilder {
            file: FileScenario::default(),
            cluster,
            expect: FileExpect::default(),
            mistake: None,
        };
        builder.file.about = builder.word("about", "a scenario of a test");
        builder
    }
}

fn whole(number: u64) -> Option<Located<Whole>> {
    Some(Located::nowhere(Whole(number)))
}

/// Methods that set one key to one text.
macro_rules! texts {
    ($($(#[$doc:meta])* $method:ident => $($place:ident).+, $key:literal;)+) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $method(mut self, text: impl Display) -> Self {
            self.$($place).+ = self.word($key, text);
            self
        }
    )+};
}

/// Methods that set one key of the latest step to one text.
macro_rules! step_texts {
    ($($(#[$doc:meta])* $method:ident => $place:ident, $key:literal;)+) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $method(mut self, text: impl Display) -> Self {
            let word = self.word($key, text);
            self.in_step($key, |step| step.$place = word)
        }
    )+};
}

impl ScenarioBuilder {
    texts! {
        /// One sentence: what must hold, and why anyone would doubt it.
        about => file.about, "about";
        /// How long loading a flow takes, such as `200ms..1s`.
        flow_load => cluster.flow_load, "cluster.flow_load";
    }

    /// The path of a nifi.properties file, for every node that has none of its own.
    #[must_use]
    pub fn properties(self, path: impl Display) -> Self {
        self.properties_of("all", path)
    }

    /// The path of the nifi.properties file of one node.
    #[must_use]
    pub fn properties_of(mut self, node: impl Display, path: impl Display) -> Self {
        if let (Some(whose), Some(path)) =
            (self.word::<Whose>("cluster.properties", node), self.word::<Name>("cluster.properties", path))
        {
            let files = self.cluster.properties.get_or_insert_with(|| FileProperties(Entries(Vec::new())));
            files.0.0.push((whose, path));
        }
        self
    }

    /// The rule set of one node that follows another one than the rest.
    #[must_use]
    pub fn rules_of(mut self, node: impl Display, name: impl Display) -> Self {
        let node = self.word::<NodeNumber>("cluster.rules", node);
        let name = self.word::<Name>("cluster.rules", name);
        let (Some(node), Some(name)) = (node, name) else { return self };
        let (base, mut rules) = match self.cluster.rules.take().map(|located| located.value) {
            None => (None, Vec::new()),
            Some(FileRules::Name(name)) => (Some(Located::nowhere(Word(name))), Vec::new()),
            Some(FileRules::Table { base, rules }) => (base, rules),
            Some(value @ FileRules::Value(_)) => {
                self.cluster.rules = Some(Located::nowhere(value));
                self.mistaken(
                    "cluster.rules",
                    "nodes follow rules of their own only beside named ones".to_owned(),
                );
                return self;
            }
        };
        rules.push((node.value.0.to_string(), None, name.value.0.0.into()));
        self.cluster.rules = Some(Located::nowhere(FileRules::Table { base, rules }));
        self
    }

    /// The rule set of that name; what [`ScenarioBuilder::rule`] said before is forgotten.
    #[must_use]
    pub fn rules(mut self, name: impl Display) -> Self {
        let name = self.word::<Name>("cluster.rules", name);
        self.cluster.rules = name.map(|name| Located::nowhere(FileRules::Name(name.value.0)));
        self
    }

    /// These rules; what [`ScenarioBuilder::rules`] or [`ScenarioBuilder::rule`] said before is forgotten.
    #[must_use]
    pub fn rules_value(mut self, rules: Rules) -> Self {
        self.cluster.rules = Some(Located::nowhere(FileRules::Value(Box::new(rules))));
        self
    }

    /// Overrides one rule, which is named as the field of [`Rules`] is, with a value as on the command line: `true`, `5s`,
    /// `NameRead`.
    #[must_use]
    pub fn rule(mut self, name: &str, value: impl Display) -> Self {
        let read = format!("{name}={value}").parse::<RuleOverride>();
        let Some(rule) = self.keep("cluster.rules", read) else { return self };
        let (base, mut rules) = match self.cluster.rules.take().map(|located| located.value) {
            None => (None, Vec::new()),
            Some(FileRules::Name(name)) => (Some(Located::nowhere(Word(name))), Vec::new()),
            Some(FileRules::Table { base, rules }) => (base, rules),
            Some(FileRules::Value(value)) => {
                let choice = RuleChoice::of(*value).with(&rule);
                let rules = self.keep("cluster.rules", choice).and_then(|choice| choice.rules());
                return match rules {
                    Some(rules) => self.rules_value(rules),
                    None => self,
                };
            }
        };
        rules.push((rule.name().to_owned(), None, rule.value().clone()));
        self.cluster.rules = Some(Located::nowhere(FileRules::Table { base, rules }));
        self
    }

    /// The seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.file.seed = whole(seed);
        self
    }

    /// How long the run lasts at least.
    #[must_use]
    pub fn until(mut self, time: impl Into<Time>) -> Self {
        self.file.until = self.time("until", time);
        self
    }

    /// When all faults are undone.
    #[must_use]
    pub fn heal(mut self, time: impl Into<Time>) -> Self {
        self.file.heal = self.time("heal", time);
        self
    }

    /// The text of the firewall file.
    #[must_use]
    pub fn firewall(mut self, text: &str) -> Self {
        self.cluster.firewall = Some(Located::nowhere(text.to_owned()));
        self
    }

    /// Overrides a key of nifi.properties.
    #[must_use]
    pub fn property(mut self, key: &str, value: &str) -> Self {
        if let Some(key) = self.word("cluster.nifi", key) {
            push(&mut self.cluster.nifi, key, value.to_owned());
        }
        self
    }

    /// The flow on the disk of a node, or of `all`: `empty`, `empty:<name>`, or a name.
    #[must_use]
    pub fn flow(mut self, whose: impl Display, flow: impl Display) -> Self {
        let (whose, flow) = (self.word("cluster.flows", whose), self.word("cluster.flows", flow));
        if let (Some(whose), Some(flow)) = (whose, flow) {
            push(&mut self.cluster.flows, whose, flow.value);
        }
        self
    }

    /// The queues of a node that hold data.
    #[must_use]
    pub fn queued(mut self, node: impl Display, queues: &[&str]) -> Self {
        let node = self.word("cluster.queued", node);
        let queues = queues.iter().filter_map(|queue| self.word("cluster.queued", queue)).collect();
        if let Some(node) = node {
            push(&mut self.cluster.queued, node, queues);
        }
        self
    }

    /// When a node's process starts.
    #[must_use]
    pub fn starting(mut self, node: impl Display, time: impl Into<Time>) -> Self {
        let (node, time) = (self.word("cluster.start", node), self.time("cluster.start", time));
        if let (Some(node), Some(time)) = (node, time) {
            push(&mut self.cluster.start, node, Word(Start::At(time.value.0)));
        }
        self
    }

    /// A node's process starts when the acting coordinator first says this of another node, such as `n1 is CONNECTED`.
    #[must_use]
    pub fn starting_when(mut self, node: impl Display, state: impl Display) -> Self {
        let (node, state) = (self.word("cluster.start", node), self.word("cluster.start", state));
        if let (Some(node), Some(state)) = (node, state) {
            push(&mut self.cluster.start, node, Word(Start::When(state.value.0)));
        }
        self
    }

    /// How many loads of a flow fail on a node, from the first one.
    #[must_use]
    pub fn load_failures(mut self, node: impl Display, count: u32) -> Self {
        if let Some(node) = self.word("cluster.load_failures", node) {
            push(&mut self.cluster.load_failures, node, Whole(u64::from(count)));
        }
        self
    }

    /// ZooKeeper's tickTime.
    #[must_use]
    pub fn zookeeper_tick(mut self, tick: impl Into<Time>) -> Self {
        let tick = self.time("zookeeper.tick", tick);
        self.in_zookeeper(|zookeeper| zookeeper.tick = tick)
    }

    /// How many ZooKeeper servers.
    #[must_use]
    pub fn zookeeper_servers(self, servers: u32) -> Self {
        self.in_zookeeper(|zookeeper| zookeeper.servers = whole(u64::from(servers)))
    }

    /// ZooKeeper's initLimit and syncLimit, in ticks.
    #[must_use]
    pub fn zookeeper_limits(self, init_limit: u32, sync_limit: u32) -> Self {
        self.in_zookeeper(|zookeeper| {
            zookeeper.init_limit = whole(u64::from(init_limit));
            zookeeper.sync_limit = whole(u64::from(sync_limit));
        })
    }

    /// ZooKeeper's minSessionTimeout.
    #[must_use]
    pub fn zookeeper_min_session_timeout(mut self, timeout: impl Into<Time>) -> Self {
        let timeout = self.time("zookeeper.min_session_timeout", timeout);
        self.in_zookeeper(|zookeeper| zookeeper.min_session_timeout = timeout)
    }

    /// ZooKeeper's maxSessionTimeout.
    #[must_use]
    pub fn zookeeper_max_session_timeout(mut self, timeout: impl Into<Time>) -> Self {
        let timeout = self.time("zookeeper.max_session_timeout", timeout);
        self.in_zookeeper(|zookeeper| zookeeper.max_session_timeout = timeout)
    }

    /// Which release ZooKeeper's servers behave like, such as `3.8.0`.
    #[must_use]
    pub fn zookeeper_release(mut self, release: impl Display) -> Self {
        let release = self.word("zookeeper.release", release);
        self.in_zookeeper(|zookeeper| zookeeper.release = release)
    }

    /// Which library the nodes reach ZooKeeper with, such as `curator-on-3.9.3`.
    #[must_use]
    pub fn zookeeper_library(mut self, library: impl Display) -> Self {
        let library = self.word("zookeeper.library", library);
        self.in_zookeeper(|zookeeper| zookeeper.library = library)
    }

    /// How long a message takes, such as `1ms..3ms`.
    #[must_use]
    pub fn latency(mut self, range: impl Display) -> Self {
        let latency = self.word::<DurationRange>("network.latency", range);
        self.file.network = Some(FileNetwork { latency });
        self
    }

    /// Begins a step, which happens at that time, or at one that the seed draws from a range. With
    /// [`ScenarioBuilder::when`] or [`ScenarioBuilder::after`] the condition is looked at from then on.
    #[must_use]
    pub fn at(mut self, time: impl Into<Moment>) -> Self {
        self.file.plan.get_or_insert_default().push(Located::nowhere(FileStep::default()));
        let Moment(read) = time.into();
        let at = self.keep("at", read).map(|range| Located::nowhere(Word(Begin(range))));
        self.in_step("at", |step| step.at = at)
    }

    step_texts! {
        /// The step begins when the acting coordinator says this of a node, such as `n1 is CONNECTED` or
        /// `n1 is DISCONNECTED LACK_OF_HEARTBEAT`.
        when => when, "when";
        /// The step begins when what this liveness property asks for, such as `all-connected`, has come about.
        after => after, "after";
        /// Loses every message between two sides, such as `n1, n2 | rest` or `n1 > zookeeper`.
        cut => cut, "cut";
        /// Loses this share of the messages, such as `10%`.
        loss => loss, "loss";
        /// Delivers this share of the messages twice.
        duplicate => duplicate, "duplicate";
        /// Lets messages take this much longer, such as `1s..3s`.
        delay => delay, "delay";
        /// The links of a loss, a duplication or a delay.
        between => between, "between";
        /// The only traffic that is affected: `cluster` or `zookeeper`.
        protocol => protocol, "protocol";
        /// Kills a process, a node's or a ZooKeeper server's.
        crash => crash, "crash";
        /// What a killed process finds on its disk: `kept`, `last-write-lost` or `wiped`.
        disk => disk, "disk";
        /// Kills a process and wipes its disk.
        wipe => wipe, "wipe";
        /// Stops a process cleanly.
        stop => stop, "stop";
        /// Starts a process that is down.
        start => start, "start";
        /// Kills a process and starts it again at once.
        restart => restart, "restart";
        /// Lets a process stand still; needs [`ScenarioBuilder::lasting`].
        pause => pause, "pause";
        /// What a pause does with what arrives: `buffered` or `dropped`.
        input => input, "input";
        /// Lets ZooKeeper give a node's session up at once.
        expire => expire, "expire";
    }

    /// Lets a node handle everything this much later.
    #[must_use]
    pub fn slow(mut self, node: impl Display, by: impl Into<Time>) -> Self {
        let (node, by) = (self.word("slow", node), self.time("by", by));
        self.in_step("slow", |step| (step.slow, step.by) = (node, by))
    }

    /// Lets a node's clock jump forward.
    #[must_use]
    pub fn clock_jump(mut self, node: impl Display, by: impl Into<Time>) -> Self {
        let (node, by) = (self.word("clock", node), self.time("jump", by));
        self.in_step("clock", |step| (step.clock, step.jump) = (node, by))
    }

    /// Lets a node's clock run fast, or slow when `ppm` (parts per million) is negative.
    #[must_use]
    pub fn clock_drift(mut self, node: impl Display, ppm: i32) -> Self {
        let (node, drift) = (self.word("clock", node), self.word("drift", format!("{ppm:+}ppm")));
        self.in_step("clock", |step| (step.clock, step.drift) = (node, drift))
    }

    /// Sets the wall clock of a ZooKeeper server by this much, such as `-90s`.
    #[must_use]
    pub fn clock_set(mut self, server: impl Display, ahead: impl Display) -> Self {
        let (server, ahead) = (self.word("clock", server), self.word("set", ahead));
        self.in_step("clock", |step| (step.clock, step.set) = (server, ahead))
    }

    /// No ZooKeeper server answers; needs [`ScenarioBuilder::lasting`].
    #[must_use]
    pub fn zookeeper_down(mut self) -> Self {
        let down = self.word("zookeeper", "down");
        self.in_step("zookeeper", |step| step.zookeeper = down)
    }

    /// An operator asks the node `at` for something, such as `disconnect n3`.
    #[must_use]
    pub fn operator(mut self, at: impl Display, request: impl Display) -> Self {
        let at = self.word("operator.at", at);
        let request = request.to_string().parse::<OperatorAction>();
        let Some(request) = self.keep("operator", request) else { return self };
        let node = self.word("operator", request.node());
        let mut operator = FileOperator { at, ..FileOperator::default() };
        match request {
            OperatorAction::Connect(_) => operator.connect = node,
            OperatorAction::Disconnect(_) => operator.disconnect = node,
            OperatorAction::Remove(_) => operator.remove = node,
            OperatorAction::Offload(_) => operator.offload = node,
        }
        self.in_step("operator", |step| step.operator = Some(Located::nowhere(operator)))
    }

    /// How long the step lasts.
    #[must_use]
    pub fn lasting(mut self, length: impl Into<Time>) -> Self {
        let Time(read) = length.into();
        let length = self.keep("for", read).map(|length| Located::nowhere(Word(Lasts::For(length))));
        self.in_step("for", |step| step.r#for = length)
    }

    /// The step lasts for ever: the healing does not undo it, and only the rest of the cluster must come back.
    #[must_use]
    pub fn lasting_for_ever(self) -> Self {
        self.in_step("for", |step| step.r#for = Some(Located::nowhere(Word(Lasts::ForEver))))
    }

    /// Checks this safety property; without any, all of them are checked.
    #[must_use]
    pub fn always(mut self, property: &str) -> Self {
        let name = self.word("expect.always", property);
        self.expect.always.get_or_insert_default().extend(name);
        self
    }

    /// Checks that this liveness property holds so long after the healing; without any, all of them are checked.
    #[must_use]
    pub fn eventually(mut self, property: &str, within: impl Into<Time>) -> Self {
        let (name, within) =
            (self.word("expect.eventually", property), self.time("expect.eventually", within));
        if let (Some(name), Some(within)) = (name, within) {
            push(&mut self.expect.eventually, name, within.value);
        }
        self
    }

    /// The run must violate this property.
    #[must_use]
    pub fn violates(mut self, property: &str) -> Self {
        let name = self.word("expect.violates", property);
        self.expect.violates.get_or_insert_default().extend(name);
        self
    }

    /// This event of the timeline, such as `expired`, must happen at least once.
    #[must_use]
    pub fn reaches(mut self, event: impl Display) -> Self {
        let name = self.word("expect.reaches", event);
        self.expect.reaches.get_or_insert_default().extend(name);
        self
    }

    /// The acting coordinator must say this about a node at a time: a state as NiFi's constant, and for DISCONNECTED, if
    /// wanted, a code after a space, such as `DISCONNECTED LACK_OF_HEARTBEAT`.
    #[must_use]
    pub fn state(mut self, time: impl Into<Time>, node: impl Display, state: impl Display) -> Self {
        let state = state.to_string();
        let (state, code) =
            state.split_once(' ').map_or((state.as_str(), None), |(state, code)| (state, Some(code)));
        let expected = FileState {
            at: self.time("expect.state", time),
            node: self.word("expect.state", node),
            state: self.word("expect.state", state),
            code: code.and_then(|code| self.word("expect.state", code)),
        };
        self.expect.state.get_or_insert_default().push(Located::nowhere(expected));
        self
    }

    /// The scenario.
    ///
    /// # Errors
    ///
    /// The first mistake, as for a file; without a line, and for a step with its number.
    pub fn build(self) -> Result<Scenario, ScenarioError> {
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        let mut file = self.file;
        file.cluster = Some(Located::nowhere(self.cluster));
        file.expect = Some(self.expect);
        resolve(&file, &Known::ALL).map_err(|problem| ScenarioError {
            line: None,
            key: problem.key,
            message: problem.message,
        })
    }

    fn word<T: Text>(&mut self, key: &str, text: impl Display) -> Option<Located<Word<T>>> {
        let read = T::read(&text.to_string());
        self.keep(key, read).map(|value| Located::nowhere(Word(value)))
    }

    fn time(&mut self, key: &str, time: impl Into<Time>) -> Option<Located<Word<Duration>>> {
        let Time(read) = time.into();
        self.keep(key, read).map(|value| Located::nowhere(Word(value)))
    }

    /// The value, or nothing when it could not be read; the first such mistake is remembered.
    fn keep<T>(&mut self, key: &str, read: Result<T, impl Display>) -> Option<T> {
        read.map_err(|error| self.mistaken(key, error.to_string())).ok()
    }

    fn mistaken(&mut self, key: &str, message: String) {
        let step = self.file.plan.as_ref().map_or(0, Vec::len);
        let outside = ["about", "until", "heal", "cluster.", "zookeeper.", "network.", "expect."];
        let in_step = step > 0 && !outside.iter().any(|start| key.starts_with(start));
        let key = if in_step { format!("step {step}, {key}") } else { key.to_owned() };
        self.mistake.get_or_insert(ScenarioError { line: None, key, message });
    }

    fn in_zookeeper(mut self, change: impl FnOnce(&mut FileZooKeeper)) -> Self {
        change(self.file.zookeeper.get_or_insert_default());
        self
    }

    fn in_step(mut self, key: &str, change: impl FnOnce(&mut FileStep)) -> Self {
        match self.file.plan.as_mut().and_then(|plan| plan.last_mut()) {
            Some(step) => change(&mut step.value),
            None => self.mistaken(key, "there is no step yet, expected at() before it".to_owned()),
        }
        self
    }
}

fn push<K, V>(entries: &mut Option<Entries<K, V>>, key: Located<Word<K>>, value: V) {
    entries.get_or_insert_with(|| Entries(Vec::new())).0.push((key, Located::nowhere(value)));
}
