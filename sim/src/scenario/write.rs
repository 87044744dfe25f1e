//! A scenario as the text of a file: readable, and read back as the same scenario.

use super::{Expect, Flows, Scenario, ZooKeeper};
use crate::plan::{
    Action, Condition, Cut, Disk, EVER, Lasts, NodeNumber, OperatorAction, Protocol, Selector, Step,
    show_duration, show_signed,
};
use std::collections::BTreeMap;
use std::time::Duration;

impl Scenario {
    /// The scenario as a file that [`Scenario::parse`] reads back as an equal one, if every duration in it is of whole
    /// microseconds. What is as it is by default is left out, but for the seed and the rules.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut out = Lines(String::new());
        out.pair("about", &quoted(&self.about));
        out.pair("seed", &self.seed.to_string());
        out.optional("until", self.until.map(duration));
        out.optional("heal", self.heal.map(duration));
        self.write_cluster(&mut out);
        write_zookeeper(&mut out, self.zookeeper);
        if self.latency != Scenario::LATENCY {
            out.header("[network]");
            out.pair("latency", &text(&self.latency));
        }
        for step in &self.plan.steps {
            out.header("[[plan]]");
            write_step(&mut out, step);
        }
        write_expect(&mut out, &self.expect);
        out.0
    }

    fn write_cluster(&self, out: &mut Lines) {
        out.header("[cluster]");
        out.pair("nodes", &self.nodes.to_string());
        let overrides = self.rules.overrides();
        let has_table = !overrides.is_empty() || !self.rules_of.is_empty();
        if !has_table {
            out.pair("rules", &quoted(self.rules.base()));
        }
        if self.properties_of.is_empty() {
            out.optional("properties", self.properties.as_deref().map(quoted));
        } else {
            let all = self.properties.iter().map(|path| ("all".to_owned(), quoted(path)));
            let of = self.properties_of.iter().map(|(node, path)| (node.to_string(), quoted(path)));
            out.pair("properties", &table(all.chain(of)));
        }
        out.optional("firewall", self.firewall.as_deref().map(block));
        if self.flows != Flows::default() {
            let all = std::iter::once(("all".to_owned(), quoted(&self.flows.all.to_string())));
            let of = self.flows.of.iter().map(|(node, flow)| (node.to_string(), quoted(&flow.to_string())));
            out.pair("flows", &table(all.chain(of)));
        }
        out.nodes("queued", &self.queued, |queues| list(queues.iter()));
        out.nodes("start", &self.start, text);
        if self.flow_load != Scenario::FLOW_LOAD {
            out.pair("flow_load", &text(&self.flow_load));
        }
        out.nodes("load_failures", &self.load_failures, u32::to_string);
        if has_table {
            out.header("[cluster.rules]");
            out.pair("base", &quoted(self.rules.base()));
            overrides.iter().for_each(|(name, value)| out.pair(name, value));
            self.rules_of.iter().for_each(|(node, rules)| out.pair(&node.to_string(), &quoted(rules.base())));
        }
        if !self.nifi.is_empty() {
            out.header("[cluster.nifi]");
            for (key, value) in &self.nifi {
                out.pair(&quoted(key), &quoted(value));
            }
        }
    }
}

fn write_zookeeper(out: &mut Lines, zookeeper: ZooKeeper) {
    let defaults = ZooKeeper::default();
    let from_properties = zookeeper.servers_by_properties;
    if (ZooKeeper {
        embedded: 0,
        servers: if from_properties { defaults.servers } else { zookeeper.servers },
        ..zookeeper
    }) == defaults
    {
        return;
    }
    let ZooKeeper {
        servers,
        servers_by_properties,
        embedded: _,
        tick,
        init_limit,
        sync_limit,
        min_session_timeout,
        max_session_timeout,
        release,
        library,
    } = zookeeper;
    out.header("[zookeeper]");
    let number = |number: u32, default: u32| (number != default).then(|| number.to_string());
    out.optional("servers", (!servers_by_properties).then(|| servers.to_string()));
    out.optional("tick", (tick != defaults.tick).then(|| duration(tick)));
    out.optional("init_limit", number(init_limit, defaults.init_limit));
    out.optional("sync_limit", number(sync_limit, defaults.sync_limit));
    out.optional("min_session_timeout", min_session_timeout.map(duration));
    out.optional("max_session_timeout", max_session_timeout.map(duration));
    out.optional("release", (release != defaults.release).then(|| text(&release)));
    out.optional("library", (library != defaults.library).then(|| text(&library)));
}

fn write_step(out: &mut Lines, step: &Step) {
    // Zero is what a condition is looked at from by default.
    if step.when.is_none() || !step.begins().max.is_zero() {
        out.pair("at", &text(&step.begins()));
    }
    match &step.when {
        None => {}
        Some(Condition::State(state)) => out.pair("when", &text(state)),
        Some(Condition::Property(name)) => out.pair("after", &quoted(name)),
    }
    let word = step.action.word();
    match &step.action {
        Action::Cut { cut, protocol } => {
            out.pair(word, &text(cut));
            out.optional("protocol", protocol.map(|protocol| text(&protocol)));
        }
        Action::Loss { between, ratio, protocol } | Action::Duplicate { between, ratio, protocol } => {
            out.pair(word, &text(ratio));
            write_between(out, between, *protocol);
        }
        Action::Delay { between, by, protocol } => {
            out.pair(word, &text(by));
            write_between(out, between, *protocol);
        }
        Action::Crash { node, disk } => {
            out.pair(word, &text(node));
            if *disk != Disk::Kept {
                out.pair("disk", &text(disk));
            }
        }
        Action::Stop { node }
        | Action::Start { node }
        | Action::Restart { node }
        | Action::ExpireSession { node } => out.pair(word, &text(node)),
        Action::Pause { node, buffered } => {
            out.pair(word, &text(node));
            if !*buffered {
                out.pair("input", &quoted("dropped"));
            }
        }
        Action::Slow { node, by } => {
            out.pair(word, &text(node));
            out.pair("by", &duration(*by));
        }
        Action::ClockJump { node, by } => {
            out.pair(word, &text(node));
            out.pair("jump", &duration(*by));
        }
        Action::ClockDrift { node, ppm } => {
            out.pair(word, &text(node));
            out.pair("drift", &quoted(&format!("{ppm:+}ppm")));
        }
        Action::WallClock { server, by_ms } => {
            out.pair(word, &text(server));
            out.pair("set", &quoted(&show_signed(*by_ms)));
        }
        Action::ZooKeeperDown => out.pair(word, &quoted("down")),
        Action::Operator { at, request } => out.pair(word, &operator(*at, *request)),
    }
    match step.lasts {
        Lasts::UntilHealed => {}
        Lasts::For(length) => out.pair("for", &duration(length)),
        Lasts::ForEver => out.pair("for", &quoted(EVER)),
    }
}

fn write_between(out: &mut Lines, between: &Cut, protocol: Option<Protocol>) {
    out.pair("between", &text(between));
    out.optional("protocol", protocol.map(|protocol| text(&protocol)));
}

fn write_expect(out: &mut Lines, expect: &Expect) {
    let lists = [&expect.violates, &expect.reaches].into_iter().any(|list| !list.is_empty());
    if expect.always.is_some() || expect.eventually.is_some() || lists {
        out.header("[expect]");
    }
    out.optional("always", expect.always.as_ref().map(|names| list(names.iter())));
    let bounds = expect.eventually.as_ref();
    out.optional(
        "eventually",
        bounds.map(|bounds| table(bounds.iter().map(|(name, bound)| (quoted(name), duration(*bound))))),
    );
    if !expect.violates.is_empty() {
        out.pair("violates", &list(expect.violates.iter()));
    }
    if !expect.reaches.is_empty() {
        out.pair("reaches", &list(expect.reaches.iter()));
    }
    for state in &expect.states {
        out.header("[[expect.state]]");
        out.pair("at", &duration(state.at));
        out.pair("node", &text(&state.node));
        out.pair("state", &quoted(state.state.name()));
        out.optional("code", state.state.code().map(|code| quoted(code.name())));
    }
}

struct Lines(String);

impl Lines {
    fn header(&mut self, header: &str) {
        self.0.push('\n');
        self.0.push_str(header);
        self.0.push('\n');
    }

    fn pair(&mut self, key: &str, value: &str) {
        self.0.push_str(key);
        self.0.push_str(" = ");
        self.0.push_str(value);
        self.0.push('\n');
    }

    fn optional(&mut self, key: &str, value: Option<String>) {
        if let Some(value) = value {
            self.pair(key, &value);
        }
    }

    fn nodes<T>(&mut self, key: &str, values: &BTreeMap<NodeNumber, T>, value: impl Fn(&T) -> String) {
        if !values.is_empty() {
            self.pair(key, &table(values.iter().map(|(node, held)| (node.to_string(), value(held)))));
        }
    }
}

fn table(pairs: impl Iterator<Item = (String, String)>) -> String {
    let pairs: Vec<String> = pairs.map(|(key, value)| format!("{key} = {value}")).collect();
    if pairs.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", pairs.join(", ")) }
}

fn list<'a>(texts: impl Iterator<Item = &'a String>) -> String {
    let texts: Vec<String> = texts.map(|text| quoted(text)).collect();
    format!("[{}]", texts.join(", "))
}

fn text(value: &impl ToString) -> String {
    quoted(&value.to_string())
}

fn duration(duration: Duration) -> String {
    quoted(&show_duration(duration))
}

fn operator(at: Selector, request: OperatorAction) -> String {
    format!("{{ at = {}, {} = {} }}", text(&at), request.word(), text(&request.node()))
}

/// A string in quotes.
fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

/// A string of several lines as several lines.
fn block(text: &str) -> String {
    if !text.contains('\n') {
        return quoted(text);
    }
    let lines: Vec<String> = text.split('\n').map(escaped).collect();
    format!("\"\"\"\n{}\"\"\"", lines.join("\n"))
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            control if control.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(control))),
            other => out.push(other),
        }
    }
    out
}
