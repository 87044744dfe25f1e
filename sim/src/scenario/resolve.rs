//! From the file as it is written to the scenario it means: defaults filled in, names looked up, nonsense refused.

use super::file::{FileCluster, FileExpect, FileRules, FileScenario, FileState, FileZooKeeper};
use super::nearest::did_you_mean;
use super::rules::{RuleChoice, RuleOverride};
use super::step::{exists, step};
use super::values::{FlowName, Start};
use super::words::{Entries, Located, Name, Text, Whole, Whose, Word};
use super::{Expect, Flows, Known, Scenario, StateExpectation, ZooKeeper};
use crate::events::EVENTS;
use crate::plan::{
    DURATION_MAX, ExpectedState, NODES_MAX, NodeNumber, Plan, SERVERS_MAX, Selector, show_duration,
};
use crate::property_keys::check_override;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use zeromaster_core::properties::key;

/// What is wrong, with which key, and where, as an offset in bytes.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) key: String,
    pub(super) offset: Option<usize>,
    pub(super) message: String,
}

/// A problem with `key`.
pub(super) fn problem(key: &str, offset: Option<usize>, message: String) -> Problem {
    Problem { key: key.to_owned(), offset, message }
}

/// The problem that `key` is missing.
pub(super) fn missing(key: &str, offset: Option<usize>, expected: &str) -> Problem {
    problem(key, offset, format!("is missing, expected {expected}"))
}

/// How many machines there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) nodes: u32,
    pub(super) servers: u32,
}

/// Refuses a node or a ZooKeeper server that does not exist.
pub(super) fn check_machine(
    key: &str,
    offset: Option<usize>,
    selector: Selector,
    size: Size,
) -> Result<(), Problem> {
    match selector {
        Selector::Node(node) if !exists(node, size.nodes) => Err(no_such_node(key, offset, node, size.nodes)),
        Selector::ZooKeeperServer(server) if !(1..=size.servers).contains(&server) => {
            Err(no_such_server(key, offset, server, size.servers))
        }
        Selector::Node(_)
        | Selector::Coordinator
        | Selector::Primary
        | Selector::Rest
        | Selector::All
        | Selector::ZooKeeper
        | Selector::ZooKeeperServer(_)
        | Selector::ZooKeeperLeader
        | Selector::ZooKeeperFollowers => Ok(()),
    }
}

fn no_such_server(key: &str, offset: Option<usize>, server: u32, servers: u32) -> Problem {
    let expected = if servers == 1 { "zk1".to_owned() } else { format!("zk1 to zk{servers}") };
    problem(key, offset, format!("found zk{server}, expected {expected}, for zookeeper.servers is {servers}"))
}

fn no_such_node(key: &str, offset: Option<usize>, node: NodeNumber, nodes: u32) -> Problem {
    let expected = if nodes == 1 { "n1".to_owned() } else { format!("n1 to n{nodes}") };
    problem(key, offset, format!("found {node}, expected {expected}, for cluster.nodes is {nodes}"))
}

/// The scenario that `file` means.
pub(super) fn resolve(file: &FileScenario, known: &Known<'_>) -> Result<Scenario, Problem> {
    let about = file.about.as_ref().ok_or_else(|| missing("about", None, "one sentence: what must hold"))?;
    let Some(located) = &file.cluster else {
        return Err(missing("cluster", None, "a table, [cluster], with nodes"));
    };
    let cluster = &located.value;
    let nodes = node_count(cluster, located.offset)?;
    let zookeeper = zookeeper(file.zookeeper.as_ref())?;
    // How many servers a connect string names is seen when the properties are read.
    let by_properties = zookeeper.servers_by_properties && names_servers(cluster);
    let size = Size { nodes, servers: if by_properties { SERVERS_MAX } else { zookeeper.servers } };
    let latency = file.network.as_ref().and_then(|network| network.latency.as_ref());
    let (rules, rules_of) = rules(cluster, known, nodes)?;
    let (properties, properties_of) = properties(cluster, nodes)?;
    let scenario = Scenario {
        about: about.value.0.0.clone(),
        seed: file.seed.as_ref().map_or(Scenario::SEED, |seed| seed.value.0),
        until: file.until.as_ref().map(|until| until.value.0),
        heal: file.heal.as_ref().map(|heal| heal.value.0),
        nodes,
        rules,
        rules_of,
        properties,
        properties_of,
        firewall: cluster.firewall.as_ref().map(|text| text.value.clone()),
        flows: flows(cluster, nodes)?,
        queued: queued(cluster, nodes)?,
        start: per_node("cluster.start", cluster.start.as_ref(), nodes, |node, start| {
            check_start(node, start, nodes)
        })?,
        flow_load: cluster.flow_load.as_ref().map_or(Scenario::FLOW_LOAD, |range| range.value.0),
        load_failures: load_failures(cluster, nodes)?,
        nifi: nifi(cluster)?,
        zookeeper,
        latency: latency.map_or(Scenario::LATENCY, |range| range.value.0),
        plan: plan(file, size, known)?,
        expect: match &file.expect {
            Some(expect) => expectations(expect, size, known)?,
            None => Expect::default(),
        },
    };
    check_healing(file, &scenario)?;
    Ok(scenario)
}

fn node_count(cluster: &FileCluster, offset: Option<usize>) -> Result<u32, Problem> {
    let expected = format!("a number of nodes from 1 to {NODES_MAX}");
    let Some(nodes) = &cluster.nodes else {
        return Err(missing("cluster.nodes", offset, &expected));
    };
    match u32::try_from(nodes.value.0) {
        Ok(count) if (1..=NODES_MAX).contains(&count) => Ok(count),
        Ok(_) | Err(_) => Err(problem(
            "cluster.nodes",
            nodes.offset,
            format!("found {}, expected {expected}", nodes.value.0),
        )),
    }
}

/// The rules of all nodes, and of those that follow others.
type Chosen = (RuleChoice, BTreeMap<NodeNumber, RuleChoice>);

fn rules(cluster: &FileCluster, known: &Known<'_>, nodes: u32) -> Result<Chosen, Problem> {
    let Some(located) = &cluster.rules else { return Ok(Chosen::default()) };
    let (base, rules) = match &located.value {
        FileRules::Name(name) => {
            look_up_text("cluster.rules", &name.0, located.offset, known.rules)?;
            return Ok((RuleChoice::named(&name.0), BTreeMap::new()));
        }
        FileRules::Value(rules) => return Ok((RuleChoice::of(**rules), BTreeMap::new())),
        FileRules::Table { base, rules } => (base, rules),
    };
    let named = |key: &str, offset: Option<usize>, value: &Value| match value {
        Value::String(name) => {
            look_up_text(key, name, offset, known.rules).map(|name| RuleChoice::named(&name))
        }
        other => Err(problem(key, offset, format!("found {other}, expected the name of a rule set"))),
    };
    let (mut choice, mut of) = (RuleChoice::default(), BTreeMap::new());
    let all = rules.iter().find(|(name, _, _)| name == "all");
    match (base, all) {
        (None, None) => {}
        (Some(base), None) => choice = RuleChoice::named(&look_up("cluster.rules.base", base, known.rules)?),
        (None, Some((_, offset, value))) => choice = named("cluster.rules.all", *offset, value)?,
        (Some(_), Some((_, offset, _))) => {
            let message = "makes no sense beside base, expected one of the two".to_owned();
            return Err(problem("cluster.rules.all", *offset, message));
        }
    }
    let mut places = BTreeMap::new();
    for (name, offset, value) in rules {
        let key = format!("cluster.rules.{name}");
        if name == "all" {
            continue;
        }
        if let Ok(node) = name.parse::<NodeNumber>() {
            if !exists(node, nodes) {
                return Err(no_such_node(&key, *offset, node, nodes));
            }
            of.insert(node, named(&key, *offset, value)?);
            places.insert(node, *offset);
        } else {
            choice =
                choice.with(&RuleOverride::new(name, value.clone())).map_err(|error| match &error.name {
                    Some(name) => problem(&format!("cluster.rules.{name}"), *offset, error.message),
                    None => problem("cluster.rules.base", *offset, error.message),
                })?;
        }
    }
    of.retain(|_, other| *other != choice);
    for (node, other) in &of {
        if let Some(why) = choice.cannot_talk_with(other) {
            let offset = places.get(node).copied().flatten();
            let found = format!("found \"{other}\", which cannot share a cluster with \"{choice}\": {why}");
            return Err(problem(&format!("cluster.rules.{node}"), offset, found));
        }
    }
    Ok((choice, of))
}

/// The file of all nodes, and those of nodes that have one of their own.
type Paths = (Option<String>, BTreeMap<NodeNumber, String>);

fn properties(cluster: &FileCluster, nodes: u32) -> Result<Paths, Problem> {
    let (mut all, mut of) = (None, BTreeMap::new());
    for (whose, path) in cluster.properties.as_ref().map_or(&[][..], |files| &files.0.0) {
        let path = path.value.0.0.clone();
        match whose.value.0 {
            Whose::All => all = Some(path),
            Whose::Node(node) if exists(node, nodes) => {
                of.insert(node, path);
            }
            Whose::Node(node) => return Err(no_such_node("cluster.properties", whose.offset, node, nodes)),
        }
    }
    Ok((all, of))
}

/// The name, if it is known.
pub(super) fn look_up(key: &str, name: &Located<Word<Name>>, known: &[&str]) -> Result<String, Problem> {
    look_up_text(key, &name.value.0.0, name.offset, known)
}

fn look_up_text(key: &str, text: &str, offset: Option<usize>, known: &[&str]) -> Result<String, Problem> {
    if known.contains(&text) {
        return Ok(text.to_owned());
    }
    let meant = did_you_mean(text, known.iter().copied());
    let expected = known.join(", ");
    Err(problem(key, offset, format!("found {text:?}, expected one of {expected}{meant}")))
}

fn flows(cluster: &FileCluster, nodes: u32) -> Result<Flows, Problem> {
    let mut flows = Flows::default();
    let entries = cluster.flows.as_ref().map_or(&[][..], |entries| &entries.0);
    for (whose, flow) in entries {
        match whose.value.0 {
            Whose::All => flows.all = flow.value.0.clone(),
            Whose::Node(node) if exists(node, nodes) => {
                flows.of.insert(node, flow.value.0.clone());
            }
            Whose::Node(node) => return Err(no_such_node("cluster.flows", whose.offset, node, nodes)),
        }
    }
    let all = flows.all.clone();
    flows.of.retain(|_, flow| *flow != all);
    Ok(flows)
}

/// A value for each node that has one. Values that are the same as none are left out, so that equal scenarios are equal.
fn per_node<V, T: Default + PartialEq>(
    key: &str,
    entries: Option<&Entries<NodeNumber, V>>,
    nodes: u32,
    value: impl Fn(NodeNumber, &Located<V>) -> Result<T, Problem>,
) -> Result<BTreeMap<NodeNumber, T>, Problem> {
    let mut values = BTreeMap::new();
    for (node, located) in entries.map_or(&[][..], |entries| &entries.0) {
        let number = node.value.0;
        if !exists(number, nodes) {
            return Err(no_such_node(key, node.offset, number, nodes));
        }
        values.insert(number, value(number, located)?);
    }
    values.retain(|_, value| *value != T::default());
    Ok(values)
}

fn queued(cluster: &FileCluster, nodes: u32) -> Result<BTreeMap<NodeNumber, BTreeSet<String>>, Problem> {
    per_node("cluster.queued", cluster.queued.as_ref(), nodes, |_, queues| {
        Ok(queues.value.iter().map(|queue| queue.value.0.0.clone()).collect())
    })
}

fn load_failures(cluster: &FileCluster, nodes: u32) -> Result<BTreeMap<NodeNumber, u32>, Problem> {
    per_node(
        "cluster.load_failures",
        cluster.load_failures.as_ref(),
        nodes,
        |node, count: &Located<Whole>| {
            let Whole(number) = count.value;
            u32::try_from(number).map_err(|_| {
                let key = format!("cluster.load_failures.{node}");
                problem(&key, count.offset, format!("found {number}, expected at most {}", u32::MAX))
            })
        },
    )
}

/// When a node starts, if another node than itself decides that.
fn check_start(node: NodeNumber, start: &Located<Word<Start>>, nodes: u32) -> Result<Start, Problem> {
    let key = format!("cluster.start.{node}");
    match start.value.0 {
        Start::When(state) if !exists(state.node, nodes) => {
            Err(no_such_node(&key, start.offset, state.node, nodes))
        }
        Start::When(state) if state.node == node => Err(problem(
            &key,
            start.offset,
            format!(
                "found \"{state}\", expected the state of another node, for {node} has none before it starts"
            ),
        )),
        start @ (Start::At(_) | Start::When(_)) => Ok(start),
    }
}

fn nifi(cluster: &FileCluster) -> Result<BTreeMap<String, String>, Problem> {
    let entries = cluster.nifi.as_ref().map_or(&[][..], |entries| &entries.0);
    let read = entries.iter().map(|(key, value)| {
        let name = &key.value.0.0;
        let refused = |message| problem(&format!("cluster.nifi.\"{name}\""), key.offset, message);
        check_override(name).map_err(refused)?;
        Ok((name.clone(), value.value.clone()))
    });
    read.collect()
}

/// Whether the properties that the scenario brings may name ZooKeeper servers.
fn names_servers(cluster: &FileCluster) -> bool {
    let entries = cluster.nifi.as_ref().map_or(&[][..], |entries| &entries.0);
    cluster.properties.is_some()
        || entries.iter().any(|(name, _)| name.value.0.0 == key::ZOOKEEPER_CONNECT_STRING)
}

fn zookeeper(file: Option<&FileZooKeeper>) -> Result<ZooKeeper, Problem> {
    let defaults = ZooKeeper::default();
    let Some(file) = file else { return Ok(defaults) };
    let number = |key: &str, value: &Option<Located<Whole>>, default: u32, most: u32| {
        let Some(value) = value else { return Ok(default) };
        let Whole(found) = value.value;
        match u32::try_from(found) {
            Ok(number) if (1..=most).contains(&number) => Ok(number),
            Ok(_) | Err(_) => {
                let expected = format!("found {found}, expected a number from 1 to {most}");
                Err(problem(&format!("zookeeper.{key}"), value.offset, expected))
            }
        }
    };
    let tick = zookeeper_tick(file, defaults.tick)?;
    let (min_session_timeout, max_session_timeout) = session_timeouts(file, tick)?;
    Ok(ZooKeeper {
        servers: number("servers", &file.servers, defaults.servers, SERVERS_MAX)?,
        servers_by_properties: file.servers.is_none(),
        embedded: 0,
        tick,
        init_limit: number("init_limit", &file.init_limit, defaults.init_limit, LIMIT_MAX)?,
        sync_limit: number("sync_limit", &file.sync_limit, defaults.sync_limit, LIMIT_MAX)?,
        min_session_timeout,
        max_session_timeout,
        release: file.release.as_ref().map_or(defaults.release, |release| release.value.0),
        library: file.library.as_ref().map_or(defaults.library, |library| library.value.0),
    })
}

/// The most ticks of `initLimit` and `syncLimit`: more than anybody waits.
const LIMIT_MAX: u32 = 10_000;

fn zookeeper_tick(file: &FileZooKeeper, default: Duration) -> Result<Duration, Problem> {
    let Some(tick) = &file.tick else { return Ok(default) };
    if tick.value.0 < Duration::from_millis(1) {
        let found = show_duration(tick.value.0);
        return Err(problem(
            "zookeeper.tick",
            tick.offset,
            format!("found \"{found}\", expected at least \"1ms\""),
        ));
    }
    Ok(tick.value.0)
}

/// The longest session timeout that zoo.cfg can hold: a 32-bit number of milliseconds, a little less than 25 days.
const SESSION_TIMEOUT_MAX: Duration = Duration::from_millis(i32::MAX as u64);

/// The bounds of a session timeout, in whole milliseconds and the lower one first, as far as the file has them.
fn session_timeouts(
    file: &FileZooKeeper,
    tick: Duration,
) -> Result<(Option<Duration>, Option<Duration>), Problem> {
    let read = |key: &str, bound: &Option<Located<Word<Duration>>>| {
        let Some(bound) = bound else { return Ok(None) };
        let found = bound.value.0;
        let is_whole = found.subsec_nanos().is_multiple_of(1_000_000);
        if found.is_zero() || !is_whole || found > SESSION_TIMEOUT_MAX {
            let (found, most) = (show_duration(found), show_duration(SESSION_TIMEOUT_MAX));
            let expected =
                format!("found \"{found}\", expected whole milliseconds from \"1ms\" to \"{most}\"");
            return Err(problem(&format!("zookeeper.{key}"), bound.offset, expected));
        }
        Ok(Some(found))
    };
    let min = read("min_session_timeout", &file.min_session_timeout)?;
    let max = read("max_session_timeout", &file.max_session_timeout)?;
    let (least, most) = (min.unwrap_or(tick.saturating_mul(2)), max.unwrap_or(tick.saturating_mul(20)));
    if least <= most {
        return Ok((min, max));
    }
    let (least, most) = (show_duration(least), show_duration(most));
    Err(match (&file.min_session_timeout, &file.max_session_timeout) {
        (Some(written), other) => {
            let default = if other.is_none() { ", which is twenty ticks by default" } else { "" };
            let expected =
                format!("found \"{least}\", expected at most max_session_timeout, \"{most}\"{default}");
            problem("zookeeper.min_session_timeout", written.offset, expected)
        }
        (None, written) => {
            let expected = format!(
                "found \"{most}\", expected at least min_session_timeout, \"{least}\", which is two ticks by default"
            );
            let offset = written.as_ref().and_then(|written| written.offset);
            problem("zookeeper.max_session_timeout", offset, expected)
        }
    })
}

fn plan(file: &FileScenario, size: Size, known: &Known<'_>) -> Result<Plan, Problem> {
    let liveness = known.liveness;
    let files = file.plan.as_deref().unwrap_or_default();
    let mut steps = Vec::with_capacity(files.len());
    for (index, file) in files.iter().enumerate() {
        let step =
            step(&file.value, file.offset, size, liveness).map_err(|problem| match problem.offset {
                Some(_) => problem,
                None => Problem { key: format!("step {}, {}", index + 1, problem.key), ..problem },
            })?;
        steps.push(step);
    }
    Ok(Plan::new(steps))
}

/// A step that begins after everything is undone would do nothing that anybody meant.
fn check_healing(file: &FileScenario, scenario: &Scenario) -> Result<(), Problem> {
    let last = scenario.plan.steps.iter().map(|step| step.begins().max).max();
    let (Some(heal), Some(last)) = (&file.heal, last) else { return Ok(()) };
    if last > heal.value.0 {
        let found = show_duration(heal.value.0);
        let at = show_duration(last);
        let expected =
            format!("found \"{found}\", expected no earlier than the last step, which begins at \"{at}\"");
        return Err(problem("heal", heal.offset, expected));
    }
    Ok(())
}

fn expectations(file: &FileExpect, size: Size, known: &Known<'_>) -> Result<Expect, Problem> {
    let both = [known.safety, known.liveness].concat();
    let names = |key: &str, names: &[Located<Word<Name>>], known: &[&str]| {
        names.iter().map(|name| look_up(key, name, known)).collect::<Result<BTreeSet<_>, _>>()
    };
    let always = file.always.as_ref().map(|list| names("expect.always", list, known.safety)).transpose()?;
    let violates = file.violates.as_ref().map(|list| names("expect.violates", list, &both)).transpose()?;
    let mut eventually = file.eventually.as_ref().map(|_| BTreeMap::new());
    if let (Some(bounds), Some(entries)) = (&mut eventually, &file.eventually) {
        for (name, bound) in &entries.0 {
            bounds.insert(look_up("expect.eventually", name, known.liveness)?, bound.value.0);
        }
    }
    let mut states = Vec::new();
    for file in file.state.as_deref().unwrap_or_default() {
        states.push(state(&file.value, file.offset, size)?);
    }
    states.sort_by_key(|state: &StateExpectation| state.at);
    let reaches = file.reaches.as_deref().unwrap_or_default().iter().map(event).collect::<Result<_, _>>()?;
    Ok(Expect { always, eventually, violates: violates.unwrap_or_default(), reaches, states })
}

/// The event of that name. It is looked up whether names of rules and properties are or not: the timeline's words are the
/// simulator's own.
fn event(name: &Located<Word<Name>>) -> Result<String, Problem> {
    let found = &name.value.0.0;
    if EVENTS.contains(&found.as_str()) {
        return Ok(found.clone());
    }
    let (nearest, all) = (did_you_mean(found, EVENTS.into_iter()), EVENTS.join(", "));
    let expected = format!("found {found:?}, expected an event of the timeline, one of {all}{nearest}");
    Err(problem("expect.reaches", name.offset, expected))
}

fn state(file: &FileState, offset: Option<usize>, size: Size) -> Result<StateExpectation, Problem> {
    let at = file.at.as_ref().ok_or_else(|| missing("at", offset, "a time such as \"45s\""))?;
    let node = file.node.as_ref().ok_or_else(|| missing("node", offset, "a node such as \"n3\""))?;
    let state = file.state.as_ref().ok_or_else(|| missing("state", offset, ExpectedState::EXPECTED))?;
    check_machine("node", node.offset, Selector::Node(node.value.0), size)?;
    let state = match (&file.code, state.value.0) {
        (None, state) => state,
        (Some(code), ExpectedState::Disconnected(_)) => ExpectedState::Disconnected(Some(code.value.0)),
        (Some(code), state) => {
            return Err(problem(
                "code",
                code.offset,
                format!("makes no sense with {state}, expected only with DISCONNECTED"),
            ));
        }
    };
    Ok(StateExpectation { at: at.value.0, node: node.value.0, state })
}

/// The default flow of a node.
pub(super) fn default_flow() -> FlowName {
    FlowName::Named("A".to_owned())
}

/// Whether a file can write `duration`.
pub(super) fn is_writable(duration: Duration) -> bool {
    duration <= DURATION_MAX && duration.subsec_nanos().is_multiple_of(1_000)
}
