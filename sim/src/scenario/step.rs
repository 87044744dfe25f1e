//! From a step as it is written to a step of the plan: one action, what belongs to it, and nothing else.

use super::file::{FileOperator, FileStep};
use super::resolve::{Problem, Size, check_machine, look_up, missing, problem};
use super::words::{Located, Machines, Processes, Word};
use crate::plan::{
    Action, Condition, Cut, Disk, DurationRange, Lasts, NodeNumber, OperatorAction, Protocol, Selector, Step,
};
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
const EXTRAS: [(&str, &[&str]); 9] = [
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
    ("set", &["clock"]),
];

/// For the schema: exactly one action.
pub(super) fn one_action() -> Value {
    ACTIONS.iter().map(|key| json!({ "required": [key] })).collect()
}

/// For the schema: a time, or a condition.
pub(super) fn a_time() -> Value {
    ["at", "when", "after"].iter().map(|key| json!({ "required": [key] })).collect()
}

/// For the schema: exactly one request.
pub(super) fn one_request() -> Value {
    REQUESTS.iter().map(|key| json!({ "required": [key] })).collect()
}

/// The step that `file` means among that many machines; `offset` is where it stands. `liveness`: the properties that
/// there are.
pub(super) fn step(
    file: &FileStep,
    offset: Option<usize>,
    size: Size,
    liveness: &[&str],
) -> Result<Step, Problem> {
    let when = condition(file, size, liveness)?;
    let at = match &file.at {
        Some(at) => at.value.0.0,
        None if when.is_some() => DurationRange::exactly(Duration::ZERO),
        None => {
            let expected = "the time when the step begins, such as \"60s\" or \"60s..70s\", or what it waits for, with when or after";
            return Err(missing("at", offset, expected));
        }
    };
    let word = the_action(file, offset)?;
    check_extras(file, word)?;
    let action = match link_action(file, size)? {
        Some(action) => action,
        None => process_action(file, word, offset, size)?,
    };
    let lasts = file.r#for.as_ref().map_or(Lasts::UntilHealed, |lasts| lasts.value.0);
    check_length(&action, file.r#for.as_ref().and_then(|lasts| lasts.offset).or(offset), lasts)?;
    Ok(Step { at: at.min, spread: at.max.saturating_sub(at.min), when, action, lasts })
}

/// What the step waits for, if for anything.
fn condition(file: &FileStep, size: Size, liveness: &[&str]) -> Result<Option<Condition>, Problem> {
    match (&file.when, &file.after) {
        (None, None) => Ok(None),
        (Some(when), None) => {
            check_machine("when", when.offset, Selector::Node(when.value.0.node), size)?;
            Ok(Some(Condition::State(when.value.0)))
        }
        (None, Some(after)) => Ok(Some(Condition::Property(look_up("after", after, liveness)?))),
        (Some(when), Some(after)) => {
            let (second, first, offset) = match (when.offset, after.offset) {
                (Some(when), Some(after)) if when > after => ("when", "after", Some(when)),
                (_, after) => ("after", "when", after),
            };
            Err(problem(second, offset, format!("a second condition beside {first}, expected one of them")))
        }
    }
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
        entry("set", file.set.as_ref()),
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

fn check_length(action: &Action, offset: Option<usize>, lasts: Lasts) -> Result<(), Problem> {
    let word = action.word();
    match (action, lasts) {
        (_, Lasts::For(Duration::ZERO)) => {
            Err(problem("for", offset, "found \"0s\", expected a longer duration".to_owned()))
        }
        (Action::Pause { .. } | Action::ZooKeeperDown, Lasts::UntilHealed) => {
            Err(missing("for", offset, &format!("a length for {word}, such as \"10s\"")))
        }
        (action, Lasts::For(_) | Lasts::ForEver) if !action.lasts() => {
            Err(problem("for", offset, format!("makes no sense with {word} here, which is over at once")))
        }
        (action, Lasts::ForEver) if !action.can_last_for_ever() => Err(problem(
            "for",
            offset,
            format!("found \"ever\", expected a duration, for {word} ends with the healing at the latest"),
        )),
        (_, Lasts::For(_) | Lasts::ForEver | Lasts::UntilHealed) => Ok(()),
    }
}

/// The action, if it is one on links.
fn link_action(file: &FileStep, size: Size) -> Result<Option<Action>, Problem> {
    let protocol = file.protocol.as_ref().map(|protocol| protocol.value.0);
    if let Some(cut) = &file.cut {
        let links = cut.value.0.clone();
        check_cut("cut", cut.offset, &links, protocol, size)?;
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
    check_cut("between", offset, &between, protocol, size)?;
    Ok(Some(action))
}

/// All links that carry `protocol`; those between nodes when it is `None`.
fn default_links(protocol: Option<Protocol>) -> Cut {
    let mut links = Cut::everything();
    match protocol {
        None | Some(Protocol::Cluster) => {}
        Some(Protocol::ZooKeeper) => links.to = vec![Selector::ZooKeeper],
        Some(Protocol::Ensemble) => links = Cut::ensemble(),
    }
    links
}

/// Refuses links that cannot be what somebody meant.
pub(super) fn check_cut(
    key: &str,
    offset: Option<usize>,
    cut: &Cut,
    protocol: Option<Protocol>,
    size: Size,
) -> Result<(), Problem> {
    let wrong = |what: String| Err(problem(key, offset, format!("found \"{cut}\", {what}")));
    if cut.from.is_empty() || cut.to.is_empty() {
        return wrong("expected a selector on both sides".to_owned());
    }
    let mut seen: Vec<Selector> = Vec::new();
    for selector in cut.selectors() {
        check_machine(key, offset, selector, size)?;
        let twice = matches!(selector, Selector::All | Selector::ZooKeeper);
        if !twice && seen.contains(&selector) {
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
    let servers = |side: &[Selector]| side.iter().any(|selector| selector.is_zookeeper());
    let nodes = |side: &[Selector]| side.iter().any(|selector| !selector.is_zookeeper());
    let (from, to) = (&cut.from, &cut.to);
    match protocol {
        Some(Protocol::ZooKeeper) if !servers(from) && !servers(to) => {
            wrong("expected zookeeper on one side, for protocol = \"zookeeper\"".to_owned())
        }
        Some(Protocol::ZooKeeper) if !nodes(from) && !nodes(to) => {
            wrong("expected nodes on one side, for protocol = \"zookeeper\"".to_owned())
        }
        Some(Protocol::Cluster) if !nodes(from) || !nodes(to) => {
            wrong("expected nodes on both sides, for protocol = \"cluster\"".to_owned())
        }
        Some(Protocol::Ensemble) if !servers(from) || !servers(to) => {
            wrong("expected ZooKeeper servers on both sides, for protocol = \"ensemble\"".to_owned())
        }
        Some(Protocol::ZooKeeper | Protocol::Cluster | Protocol::Ensemble) | None => Ok(()),
    }
}

/// The action, which is not one on links.
fn process_action(
    file: &FileStep,
    word: &'static str,
    offset: Option<usize>,
    size: Size,
) -> Result<Action, Problem> {
    let machine = |value: &Option<Located<Word<Machines>>>| -> Result<Option<Selector>, Problem> {
        let Some(value) = value else { return Ok(None) };
        check_machine(word, value.offset, value.value.0.0, size)?;
        Ok(Some(value.value.0.0))
    };
    if let Some(node) = machine(&file.crash)? {
        crash_action(file, node)
    } else if let Some(node) = machine(&file.start)? {
        Ok(Action::Start { node })
    } else if let Some(node) = machine(&file.restart)? {
        Ok(Action::Restart { node })
    } else if let Some(node) = machine(&file.pause)? {
        let buffered = file.input.as_ref().is_none_or(|input| input.value.0.0);
        Ok(Action::Pause { node, buffered })
    } else if let Some(machine) = machine(&file.clock)? {
        clock_action(file, machine, offset)
    } else if let Some(operator) = &file.operator {
        operator_action(&operator.value, operator.offset, size)
    } else {
        node_action(file, word, offset, size)
    }
}

/// The action, which is one on nodes alone, or on ZooKeeper as a whole.
fn node_action(
    file: &FileStep,
    word: &'static str,
    offset: Option<usize>,
    size: Size,
) -> Result<Action, Problem> {
    let node = |value: &Option<Located<Word<Processes>>>| -> Result<Option<Selector>, Problem> {
        let Some(value) = value else { return Ok(None) };
        check_machine(word, value.offset, value.value.0.0, size)?;
        Ok(Some(value.value.0.0))
    };
    if let Some(node) = node(&file.wipe)? {
        Ok(Action::Crash { node, disk: Disk::Wiped })
    } else if let Some(node) = node(&file.stop)? {
        Ok(Action::Stop { node })
    } else if let Some(node) = node(&file.slow)? {
        let by =
            file.by.as_ref().ok_or_else(|| missing("by", offset, "how much later, such as \"200ms\""))?;
        Ok(Action::Slow { node, by: by.value.0 })
    } else if let Some(node) = node(&file.expire)? {
        Ok(Action::ExpireSession { node })
    } else {
        debug_assert!(file.zookeeper.is_some(), "a step has exactly one action");
        Ok(Action::ZooKeeperDown)
    }
}

fn crash_action(file: &FileStep, node: Selector) -> Result<Action, Problem> {
    let disk = file.disk.as_ref().map_or(Disk::Kept, |disk| disk.value.0);
    match &file.disk {
        Some(written) if node.is_zookeeper() && disk != Disk::Kept => Err(problem(
            "disk",
            written.offset,
            format!("found \"{disk}\", expected \"kept\", for a ZooKeeper server loses nothing"),
        )),
        Some(_) | None => Ok(Action::Crash { node, disk }),
    }
}

fn clock_action(file: &FileStep, machine: Selector, offset: Option<usize>) -> Result<Action, Problem> {
    let one = "expected one of jump, drift and set";
    match (&file.jump, &file.drift, &file.set) {
        (Some(jump), None, None) => Ok(Action::ClockJump { node: machine, by: jump.value.0 }),
        (None, Some(drift), None) => Ok(Action::ClockDrift { node: machine, ppm: drift.value.0.0 }),
        (None, None, Some(ahead)) if machine.is_zookeeper() => {
            Ok(Action::WallClock { server: machine, by_ms: ahead.value.0.0 })
        }
        (None, None, Some(ahead)) => Err(problem(
            "set",
            ahead.offset,
            "expected only with ZooKeeper servers, for nodes have no wall clock".to_owned(),
        )),
        (_, Some(drift), _) => Err(problem("drift", drift.offset, one.to_owned())),
        (_, None, Some(ahead)) => Err(problem("set", ahead.offset, one.to_owned())),
        (None, None, None) => {
            Err(problem("clock", offset, "jump, drift and set are missing, expected one of them".to_owned()))
        }
    }
}

fn operator_action(file: &FileOperator, offset: Option<usize>, size: Size) -> Result<Action, Problem> {
    let at = file
        .at
        .as_ref()
        .ok_or_else(|| missing("operator.at", offset, "the node that is asked, such as \"n2\""))?;
    check_machine("operator.at", at.offset, at.value.0.0, size)?;
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
    check_machine(key, node.offset, node.value.0.0, size)?;
    Ok(Action::Operator { at: at.value.0.0, request: request(node.value.0.0) })
}

/// Whether `node` exists in a cluster of `nodes`.
pub(super) fn exists(node: NodeNumber, nodes: u32) -> bool {
    (1..=nodes).contains(&node.0)
}
