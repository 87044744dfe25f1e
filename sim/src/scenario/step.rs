//! From a step as it is written to a step of the plan: one action, what belongs to it, and nothing else.

use super::file::{FileOperator, FileStep};
use super::resolve::{Problem, check_node, missing, problem};
use super::words::{Located, Processes, Word};
use crate::plan::{Action, Cut, Disk, NodeNumber, OperatorAction, Protocol, Selector, Step};
use serde_json::{Value, json};
use std::time::Duration;

/// The keys that are actions.
const ACTIONS: [&str; 15] = [
    "cut",
    "loss",
    "duplicate",
    "delay",
    "crash",
    "wipe",
    "stop",
    "start",
    "restart",
    "pause",
    "slow",
    "clock",
    "expire",
    "zookeeper",
    "operator",
];

/// The keys that are requests of an operator.
const REQUESTS: [&str; 4] = ["connect", "disconnect", "remove", "offload"];

/// The keys that only some actions have, and those actions; `for` goes with every action that lasts.
const EXTRAS: [(&str, &[&str]); 8] = [
    (
        "for",
        &[
            "cut",
            "loss",
            "duplicate",
            "delay",
            "crash",
            "wipe",
            "stop",
            "pause",
            "slow",
            "clock",
            "zookeeper",
        ],
    ),
    ("between", &["loss", "duplicate", "delay"]),
    ("protocol", &["cut", "loss", "duplicate", "delay"]),
    ("disk", &["crash"]),
    ("input", &["pause"]),
    ("by", &["slow"]),
    ("jump", &["clock"]),
    ("drift", &["clock"]),
];

/// For the schema: exactly one action.
pub(super) fn one_action() -> Value {
    ACTIONS.iter().map(|key| json!({ "required": [key] })).collect()
}

/// For the schema: exactly one request.
pub(super) fn one_request() -> Value {
    REQUESTS.iter().map(|key| json!({ "required": [key] })).collect()
}

/// The step that `file` means in a cluster of `nodes`; `offset` is where it stands.
pub(super) fn step(file: &FileStep, offset: Option<usize>, nodes: u32) -> Result<Step, Problem> {
    let at = file
        .at
        .as_ref()
        .ok_or_else(|| missing("at", offset, "the time when the step begins, such as \"60s\""))?;
    let word = the_action(file, offset)?;
    check_extras(file, word)?;
    let action = match link_action(file, nodes)? {
        Some(action) => action,
        None => process_action(file, word, offset, nodes)?,
    };
    let lasts = file.r#for.as_ref().map(|lasts| lasts.value.0);
    check_length(&action, file.r#for.as_ref().and_then(|lasts| lasts.offset).or(offset), lasts)?;
    Ok(Step { at: at.value.0, action, lasts })
}

/// Which keys `file` has, out of [`ACTIONS`] and [`EXTRAS`], and where their values stand.
fn keys(file: &FileStep) -> Vec<(&'static str, Option<usize>)> {
    fn entry<T>(key: &'static str, value: Option<&Located<T>>) -> Option<(&'static str, Option<usize>)> {
        value.map(|value| (key, value.offset))
    }
    let present = [
        entry("cut", file.cut.as_ref()),
        entry("loss", file.loss.as_ref()),
        entry("duplicate", file.duplicate.as_ref()),
        entry("delay", file.delay.as_ref()),
        entry("crash", file.crash.as_ref()),
        entry("wipe", file.wipe.as_ref()),
        entry("stop", file.stop.as_ref()),
        entry("start", file.start.as_ref()),
        entry("restart", file.restart.as_ref()),
        entry("pause", file.pause.as_ref()),
        entry("slow", file.slow.as_ref()),
        entry("clock", file.clock.as_ref()),
        entry("expire", file.expire.as_ref()),
        entry("zookeeper", file.zookeeper.as_ref()),
        entry("operator", file.operator.as_ref()),
        entry("for", file.r#for.as_ref()),
        entry("between", file.between.as_ref()),
        entry("protocol", file.protocol.as_ref()),
        entry("disk", file.disk.as_ref()),
        entry("input", file.input.as_ref()),
        entry("by", file.by.as_ref()),
        entry("jump", file.jump.as_ref()),
        entry("drift", file.drift.as_ref()),
    ];
    present.into_iter().flatten().collect()
}

fn the_action(file: &FileStep, offset: Option<usize>) -> Result<&'static str, Problem> {
    let mut actions: Vec<_> = keys(file).into_iter().filter(|(key, _)| ACTIONS.contains(key)).collect();
    actions.sort_by_key(|(_, offset)| *offset);
    match actions.as_slice() {
        [] => Err(problem(
            "plan",
            offset,
            format!("a step without an action, expected one of {}", ACTIONS.join(", ")),
        )),
        [(word, _)] => Ok(word),
        [(first, _), (second, offset), ..] => Err(problem(
            second,
            *offset,
            format!("a second action beside {first}, expected exactly one in a step"),
        )),
    }
}

fn check_extras(file: &FileStep, word: &str) -> Result<(), Problem> {
    for (key, offset) in keys(file) {
        if let Some((_, actions)) = EXTRAS.iter().find(|(extra, _)| *extra == key)
            && !actions.contains(&word)
        {
            return Err(problem(
                key,
                offset,
                format!("makes no sense with {word}, expected only with {}", actions.join(", ")),
            ));
        }
    }
    Ok(())
}

fn check_length(action: &Action, offset: Option<usize>, lasts: Option<Duration>) -> Result<(), Problem> {
    let word = action.word();
    match (action, lasts) {
        (_, Some(Duration::ZERO)) => {
            Err(problem("for", offset, "found \"0s\", expected a longer duration".to_owned()))
        }
        (Action::Pause { .. } | Action::ZooKeeperDown, None) => {
            Err(missing("for", offset, &format!("a length for {word}, such as \"10s\"")))
        }
        (action, Some(_)) if !action.lasts() => {
            Err(problem("for", offset, format!("makes no sense with {word} here, which is over at once")))
        }
        (_, Some(_) | None) => Ok(()),
    }
}

/// The action, if it is one on links.
fn link_action(file: &FileStep, nodes: u32) -> Result<Option<Action>, Problem> {
    let protocol = file.protocol.as_ref().map(|protocol| protocol.value.0);
    if let Some(cut) = &file.cut {
        let links = cut.value.0.clone();
        check_cut("cut", cut.offset, &links, protocol, nodes)?;
        return Ok(Some(Action::Cut { cut: links, protocol }));
    }
    let offset = file.between.as_ref().or(file.cut.as_ref()).and_then(|cut| cut.offset);
    let between = match &file.between {
        Some(between) => between.value.0.clone(),
        None => default_links(protocol),
    };
    let action = if let Some(ratio) = &file.loss {
        Action::Loss { between: between.clone(), ratio: ratio.value.0, protocol }
    } else if let Some(ratio) = &file.duplicate {
        Action::Duplicate { between: between.clone(), ratio: ratio.value.0, protocol }
    } else if let Some(by) = &file.delay {
        Action::Delay { between: between.clone(), by: by.value.0, protocol }
    } else {
        return Ok(None);
    };
    check_cut("between", offset, &between, protocol, nodes)?;
    Ok(Some(action))
}

/// All links that carry `protocol`; those between nodes when it is `None`.
fn default_links(protocol: Option<Protocol>) -> Cut {
    let mut links = Cut::everything();
    if protocol == Some(Protocol::ZooKeeper) {
        links.to = vec![Selector::ZooKeeper];
    }
    links
}

/// Refuses links that cannot be what somebody meant.
pub(super) fn check_cut(
    key: &str,
    offset: Option<usize>,
    cut: &Cut,
    protocol: Option<Protocol>,
    nodes: u32,
) -> Result<(), Problem> {
    let wrong = |what: String| Err(problem(key, offset, format!("found \"{cut}\", {what}")));
    if cut.from.is_empty() || cut.to.is_empty() {
        return wrong("expected a selector on both sides".to_owned());
    }
    let mut seen: Vec<Selector> = Vec::new();
    for selector in cut.selectors() {
        check_node(key, offset, selector, nodes)?;
        if selector == Selector::ZooKeeperServer(0) {
            return wrong("expected ZooKeeper servers from zk1 on".to_owned());
        }
        if selector != Selector::All && seen.contains(&selector) {
            return wrong(format!("expected {selector} only once"));
        }
        seen.push(selector);
    }
    let named = |selector: &Selector| {
        matches!(selector, Selector::Node(_) | Selector::Coordinator | Selector::Primary)
    };
    if seen.contains(&Selector::Rest) && (seen.contains(&Selector::All) || !seen.iter().any(named)) {
        return wrong("expected single nodes for rest to be the rest of".to_owned());
    }
    let zookeeper = |side: &[Selector]| side.iter().any(is_zookeeper);
    let only_zookeeper = |side: &[Selector]| side.iter().all(is_zookeeper);
    match protocol {
        Some(Protocol::ZooKeeper) if !zookeeper(&cut.from) && !zookeeper(&cut.to) => {
            wrong("expected zookeeper on one side, for protocol = \"zookeeper\"".to_owned())
        }
        Some(Protocol::Cluster) if only_zookeeper(&cut.from) || only_zookeeper(&cut.to) => {
            wrong("expected nodes on both sides, for protocol = \"cluster\"".to_owned())
        }
        Some(Protocol::ZooKeeper | Protocol::Cluster) | None => Ok(()),
    }
}

fn is_zookeeper(selector: &Selector) -> bool {
    matches!(selector, Selector::ZooKeeper | Selector::ZooKeeperServer(_))
}

/// The action, which is not one on links.
fn process_action(
    file: &FileStep,
    word: &'static str,
    offset: Option<usize>,
    nodes: u32,
) -> Result<Action, Problem> {
    let node = |value: &Option<Located<Word<Processes>>>| -> Result<Option<Selector>, Problem> {
        let Some(value) = value else { return Ok(None) };
        let selector = value.value.0.0;
        check_node(word, value.offset, selector, nodes)?;
        Ok(Some(selector))
    };
    if let Some(node) = node(&file.crash)? {
        let disk = file.disk.as_ref().map_or(Disk::Kept, |disk| disk.value.0);
        Ok(Action::Crash { node, disk })
    } else if let Some(node) = node(&file.wipe)? {
        Ok(Action::Crash { node, disk: Disk::Wiped })
    } else if let Some(node) = node(&file.stop)? {
        Ok(Action::Stop { node })
    } else if let Some(node) = node(&file.start)? {
        Ok(Action::Start { node })
    } else if let Some(node) = node(&file.restart)? {
        Ok(Action::Restart { node })
    } else if let Some(node) = node(&file.pause)? {
        let buffered = file.input.as_ref().is_none_or(|input| input.value.0.0);
        Ok(Action::Pause { node, buffered })
    } else if let Some(node) = node(&file.slow)? {
        let by =
            file.by.as_ref().ok_or_else(|| missing("by", offset, "how much later, such as \"200ms\""))?;
        Ok(Action::Slow { node, by: by.value.0 })
    } else if let Some(node) = node(&file.clock)? {
        clock_action(file, node, offset)
    } else if let Some(node) = node(&file.expire)? {
        Ok(Action::ExpireSession { node })
    } else if let Some(operator) = &file.operator {
        operator_action(&operator.value, operator.offset, nodes)
    } else {
        debug_assert!(file.zookeeper.is_some(), "a step has exactly one action");
        Ok(Action::ZooKeeperDown)
    }
}

fn clock_action(file: &FileStep, node: Selector, offset: Option<usize>) -> Result<Action, Problem> {
    match (&file.jump, &file.drift) {
        (Some(jump), None) => Ok(Action::ClockJump { node, by: jump.value.0 }),
        (None, Some(drift)) => Ok(Action::ClockDrift { node, ppm: drift.value.0.0 }),
        (Some(_), Some(drift)) => {
            Err(problem("drift", drift.offset, "expected either jump or drift".to_owned()))
        }
        (None, None) => {
            Err(problem("clock", offset, "jump and drift are missing, expected one of them".to_owned()))
        }
    }
}

fn operator_action(file: &FileOperator, offset: Option<usize>, nodes: u32) -> Result<Action, Problem> {
    let at = file
        .at
        .as_ref()
        .ok_or_else(|| missing("operator.at", offset, "the node that is asked, such as \"n2\""))?;
    check_node("operator.at", at.offset, at.value.0.0, nodes)?;
    type Request = fn(Selector) -> OperatorAction;
    let requests = [
        ("operator.connect", &file.connect, OperatorAction::Connect as Request),
        ("operator.disconnect", &file.disconnect, OperatorAction::Disconnect),
        ("operator.remove", &file.remove, OperatorAction::Remove),
        ("operator.offload", &file.offload, OperatorAction::Offload),
    ];
    let mut found =
        requests.into_iter().filter_map(|(key, node, request)| Some((key, node.as_ref()?, request)));
    let (key, node, request) = found.next().ok_or_else(|| {
        problem("operator", offset, format!("a request is missing, expected one of {}", REQUESTS.join(", ")))
    })?;
    if let Some((second, node, _)) = found.next() {
        return Err(problem(
            second,
            node.offset,
            format!("a second request beside {key}, expected exactly one"),
        ));
    }
    check_node(key, node.offset, node.value.0.0, nodes)?;
    Ok(Action::Operator { at: at.value.0.0, request: request(node.value.0.0) })
}

/// Whether `node` exists in a cluster of `nodes`.
pub(super) fn exists(node: NodeNumber, nodes: u32) -> bool {
    (1..=nodes).contains(&node.0)
}
