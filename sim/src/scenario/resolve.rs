//! From the file as it is written to the scenario it means: defaults filled in, names looked up, nonsense refused.

use super::file::{FileCluster, FileExpect, FileScenario, FileState};
use super::step::{exists, step};
use super::values::{ExpectedState, FlowName};
use super::words::{Entries, Located, Name, Text, Whole, Whose, Word};
use super::{Expect, Flows, Known, Scenario, StateExpectation};
use crate::plan::{DURATION_MAX, NODES_MAX, NodeNumber, Plan, Selector, show_duration};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

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

/// Refuses a node that does not exist in a cluster of `nodes`.
pub(super) fn check_node(
    key: &str,
    offset: Option<usize>,
    selector: Selector,
    nodes: u32,
) -> Result<(), Problem> {
    match selector {
        Selector::Node(node) if !exists(node, nodes) => Err(no_such_node(key, offset, node, nodes)),
        Selector::Node(_)
        | Selector::Coordinator
        | Selector::Primary
        | Selector::Rest
        | Selector::All
        | Selector::ZooKeeper
        | Selector::ZooKeeperServer(_) => Ok(()),
    }
}

fn no_such_node(key: &str, offset: Option<usize>, node: NodeNumber, nodes: u32) -> Problem {
    let expected = if nodes == 1 { "n1".to_owned() } else { format!("n1 to n{nodes}") };
    problem(key, offset, format!("found {node}, expected {expected}, for cluster.nodes is {nodes}"))
}

/// The scenario that `file` means. Names of rules and properties are looked up only when `known` says which there are.
pub(super) fn resolve(file: &FileScenario, known: Option<&Known<'_>>) -> Result<Scenario, Problem> {
    let about = file.about.as_ref().ok_or_else(|| missing("about", None, "one sentence: what must hold"))?;
    let Some(located) = &file.cluster else {
        return Err(missing("cluster", None, "a table, [cluster], with nodes"));
    };
    let cluster = &located.value;
    let nodes = node_count(cluster, located.offset)?;
    let latency = file.network.as_ref().and_then(|network| network.latency.as_ref());
    let scenario = Scenario {
        about: about.value.0.0.clone(),
        seed: file.seed.as_ref().map_or(Scenario::SEED, |seed| seed.value.0),
        until: file.until.as_ref().map(|until| until.value.0),
        heal: file.heal.as_ref().map(|heal| heal.value.0),
        nodes,
        rules: rules(cluster, known)?,
        properties: cluster.properties.as_ref().map(|path| path.value.0.0.clone()),
        firewall: cluster.firewall.as_ref().map(|text| text.value.clone()),
        flows: flows(cluster, nodes)?,
        queued: queued(cluster, nodes)?,
        start: per_node("cluster.start", cluster.start.as_ref(), nodes, |_, start| Ok(start.value.0))?,
        flow_load: cluster.flow_load.as_ref().map_or(Scenario::FLOW_LOAD, |range| range.value.0),
        load_failures: load_failures(cluster, nodes)?,
        nifi: nifi(cluster),
        zookeeper_tick: zookeeper_tick(file)?,
        latency: latency.map_or(Scenario::LATENCY, |range| range.value.0),
        plan: plan(file, nodes)?,
        expect: match &file.expect {
            Some(expect) => expectations(expect, nodes, known)?,
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

fn rules(cluster: &FileCluster, known: Option<&Known<'_>>) -> Result<String, Problem> {
    let Some(rules) = &cluster.rules else { return Ok(Scenario::RULES.to_owned()) };
    let known = known.map(|known| known.rules.to_vec());
    look_up("cluster.rules", rules, known.as_deref())
}

/// The name, if it is known or nobody knows.
fn look_up(key: &str, name: &Located<Word<Name>>, known: Option<&[&str]>) -> Result<String, Problem> {
    let text = &name.value.0.0;
    match known {
        Some(known) if !known.contains(&text.as_str()) => {
            Err(problem(key, name.offset, format!("found {text:?}, expected one of {}", known.join(", "))))
        }
        Some(_) | None => Ok(text.clone()),
    }
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

fn nifi(cluster: &FileCluster) -> BTreeMap<String, String> {
    let entries = cluster.nifi.as_ref().map_or(&[][..], |entries| &entries.0);
    entries.iter().map(|(key, value)| (key.value.0.0.clone(), value.value.clone())).collect()
}

fn zookeeper_tick(file: &FileScenario) -> Result<Duration, Problem> {
    let Some(tick) = file.zookeeper.as_ref().and_then(|zookeeper| zookeeper.tick.as_ref()) else {
        return Ok(Scenario::ZOOKEEPER_TICK);
    };
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

fn plan(file: &FileScenario, nodes: u32) -> Result<Plan, Problem> {
    let files = file.plan.as_deref().unwrap_or_default();
    let mut steps = Vec::with_capacity(files.len());
    for (index, file) in files.iter().enumerate() {
        let step = step(&file.value, file.offset, nodes).map_err(|problem| match problem.offset {
            Some(_) => problem,
            None => Problem { key: format!("step {}, {}", index + 1, problem.key), ..problem },
        })?;
        steps.push(step);
    }
    Ok(Plan::new(steps))
}

/// A step that begins after everything is undone would do nothing that anybody meant.
fn check_healing(file: &FileScenario, scenario: &Scenario) -> Result<(), Problem> {
    let (Some(heal), Some(last)) = (&file.heal, scenario.plan.steps.last()) else { return Ok(()) };
    if last.at > heal.value.0 {
        let found = show_duration(heal.value.0);
        let at = show_duration(last.at);
        let expected =
            format!("found \"{found}\", expected no earlier than the last step, which begins at \"{at}\"");
        return Err(problem("heal", heal.offset, expected));
    }
    Ok(())
}

fn expectations(file: &FileExpect, nodes: u32, known: Option<&Known<'_>>) -> Result<Expect, Problem> {
    let safety = known.map(|known| known.safety.to_vec());
    let liveness = known.map(|known| known.liveness.to_vec());
    let both = known.map(|known| [known.safety, known.liveness].concat());
    let names = |key: &str, names: &[Located<Word<Name>>], known: Option<&[&str]>| {
        names.iter().map(|name| look_up(key, name, known)).collect::<Result<BTreeSet<_>, _>>()
    };
    let always =
        file.always.as_ref().map(|list| names("expect.always", list, safety.as_deref())).transpose()?;
    let violates =
        file.violates.as_ref().map(|list| names("expect.violates", list, both.as_deref())).transpose()?;
    let mut eventually = file.eventually.as_ref().map(|_| BTreeMap::new());
    if let (Some(bounds), Some(entries)) = (&mut eventually, &file.eventually) {
        for (name, bound) in &entries.0 {
            bounds.insert(look_up("expect.eventually", name, liveness.as_deref())?, bound.value.0);
        }
    }
    let mut states = Vec::new();
    for file in file.state.as_deref().unwrap_or_default() {
        states.push(state(&file.value, file.offset, nodes)?);
    }
    states.sort_by_key(|state: &StateExpectation| state.at);
    Ok(Expect { always, eventually, violates: violates.unwrap_or_default(), states })
}

fn state(file: &FileState, offset: Option<usize>, nodes: u32) -> Result<StateExpectation, Problem> {
    let at = file.at.as_ref().ok_or_else(|| missing("at", offset, "a time such as \"45s\""))?;
    let node = file.node.as_ref().ok_or_else(|| missing("node", offset, "a node such as \"n3\""))?;
    let state = file.state.as_ref().ok_or_else(|| missing("state", offset, ExpectedState::EXPECTED))?;
    check_node("node", node.offset, Selector::Node(node.value.0), nodes)?;
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
