//! The scenario file as it is written: every key, none of the meaning. The schema is drawn from here, so the comments
//! on the keys are what an editor shows.

use super::rules::rule_schemas;
use super::values::{ClientLibrary, FlowName, Start};
use super::words::{
    Ahead, Begin, Buffered, Down, Drift, Entries, Located, Machines, Name, NifiKey, OneNode, Processes, Text,
    Whole, Whose, Word,
};
use crate::plan::{Cut, Disk, DurationRange, ExpectedState, Lasts, NodeNumber, NodeState, Protocol, Ratio};
use core::fmt;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use std::borrow::Cow;
use std::time::Duration;
use zeromaster_core::rules::Rules;
use zeromaster_core::status::DisconnectionCode;
use zeromaster_zookeeper::Release;

/// Where a value of a key may be missing, written as text.
type Key<T> = Option<Located<Word<T>>>;

/// A scenario: a cluster, a plan of faults and operator requests, and what must hold.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "the tables of a scenario")]
#[schemars(rename = "Scenario")]
pub(super) struct FileScenario {
    /// One sentence: what must hold, and why anyone would doubt it.
    #[schemars(required)]
    pub(super) about: Key<Name>,
    /// The seed that settles everything the scenario does not say. Default: 1.
    pub(super) seed: Option<Located<Whole>>,
    /// How long the run lasts at least, such as "120s". Default: until everything is healed and the cluster is quiet.
    pub(super) until: Key<Duration>,
    /// When all faults are undone. Default: when the last step is over; a fault without `for` counts as 60s long, and a
    /// step whose condition has not come true is waited for (docs/plan.md says how long).
    pub(super) heal: Key<Duration>,
    /// The cluster.
    #[schemars(with = "FileCluster")]
    pub(super) cluster: Option<Located<FileCluster>>,
    /// ZooKeeper.
    pub(super) zookeeper: Option<FileZooKeeper>,
    /// The network when nothing is wrong with it.
    pub(super) network: Option<FileNetwork>,
    /// What happens: one action for each step.
    pub(super) plan: Option<Vec<Located<FileStep>>>,
    /// What must hold.
    pub(super) expect: Option<FileExpect>,
}

/// The cluster before anything happens.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, [cluster]")]
#[schemars(rename = "Cluster")]
pub(super) struct FileCluster {
    /// How many nodes, from 1 to 10000; they are called n1, n2, and so on.
    #[schemars(required, range(min = 1, max = 10_000))]
    pub(super) nodes: Option<Located<Whole>>,
    /// Whose rules the nodes follow: "default", or the name of a NiFi version. Or a table, with that name as `base` or `all`,
    /// with rules that differ from it, and with the rule sets of single nodes, such as n3 = "2.x". Default: "default".
    pub(super) rules: Option<Located<FileRules>>,
    /// A nifi.properties file that all nodes use; its path from the scenario file. Or a table, such as
    /// { all = "a.properties", n2 = "b.properties" }, where nodes have files of their own.
    pub(super) properties: Option<FileProperties>,
    /// The text of the firewall file: one address, host name or network in CIDR notation a line. Node n3 is the host
    /// n3 with the address 10.0.0.3.
    pub(super) firewall: Option<Located<String>>,
    /// The flow on each node's disk: "empty", "empty:<name>", or a name, which is the flow's fingerprint. `all` is for
    /// the nodes that are not named. Default: { all = "A" }.
    pub(super) flows: Option<Entries<Whose, Word<FlowName>>>,
    /// The queues that hold data, for each node.
    pub(super) queued: Option<Entries<NodeNumber, Vec<Located<Word<Name>>>>>,
    /// When each node's process starts: at a time such as "30s", or when the acting coordinator first says something of
    /// another node, such as "n1 is CONNECTED". Default: 0s.
    pub(super) start: Option<Entries<NodeNumber, Word<Start>>>,
    /// How long loading a flow takes. Default: "200ms..1s".
    pub(super) flow_load: Key<DurationRange>,
    /// How many loads of a flow fail, from the first one, on each node. Default: 0.
    pub(super) load_failures: Option<Entries<NodeNumber, Whole>>,
    /// Keys of nifi.properties to override, as strings.
    pub(super) nifi: Option<Entries<NifiKey, String>>,
}

/// The files of properties: a path, or a table with the paths of single nodes.
#[derive(Clone)]
pub(super) struct FileProperties(pub(super) Entries<Whose, Word<Name>>);

struct FilePropertiesVisitor;

impl<'de> Visitor<'de> for FilePropertiesVisitor {
    type Value = FileProperties;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a path, or a table such as { all = \"a.properties\", n2 = \"b.properties\" }")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<FileProperties, E> {
        let path = Name::read(text).map_err(E::custom)?;
        let all = (Located::nowhere(Word(Whose::All)), Located::nowhere(Word(path)));
        Ok(FileProperties(Entries(vec![all])))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FileProperties, A::Error> {
        Entries::deserialize(MapAccessDeserializer::new(map)).map(FileProperties)
    }
}

impl<'de> Deserialize<'de> for FileProperties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FilePropertiesVisitor)
    }
}

impl JsonSchema for FileProperties {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Properties".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let path = generator.subschema_for::<Word<Name>>();
        let table = generator.subschema_for::<Entries<Whose, Word<Name>>>();
        json_schema!({ "anyOf": [path, table] })
    }
}

/// Whose rules: a name, or a table with single rules.
#[derive(Clone)]
pub(super) enum FileRules {
    /// The rule set of that name.
    Name(Name),
    /// What the file, or the builder, says one by one.
    Table {
        /// The rule set that everything else is taken from.
        base: Key<Name>,
        /// Fields of `Rules`, with their values.
        rules: Vec<(String, Option<usize>, Value)>,
    },
    /// Rules that a builder was given.
    Value(Box<Rules>),
}

struct FileRulesVisitor;

impl<'de> Visitor<'de> for FileRulesVisitor {
    type Value = FileRules;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name, or a table, [cluster.rules], with base and with single rules")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<FileRules, E> {
        Name::read(text).map(FileRules::Name).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FileRules, A::Error> {
        let (mut base, mut rules) = (None, Vec::new());
        while let Some(name) = map.next_key::<Located<String>>()? {
            if name.value == "base" {
                base = Some(map.next_value()?);
            } else {
                rules.push((name.value, name.offset, map.next_value()?));
            }
        }
        Ok(FileRules::Table { base, rules })
    }
}

impl<'de> Deserialize<'de> for FileRules {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FileRulesVisitor)
    }
}

impl JsonSchema for FileRules {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Rules".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let name = generator.subschema_for::<Word<Name>>();
        let mut properties = rule_schemas();
        properties.insert("base".to_owned(), name.clone().to_value());
        properties.insert("all".to_owned(), name.clone().to_value());
        let node = NodeNumber::SHAPE.pattern().unwrap_or_default();
        let table = json_schema!({
            "type": "object",
            "properties": properties,
            "patternProperties": { node: name },
            "additionalProperties": false
        });
        json_schema!({ "anyOf": [name, table] })
    }
}

/// ZooKeeper's own settings.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, [zookeeper]")]
#[schemars(rename = "ZooKeeper")]
pub(super) struct FileZooKeeper {
    /// How many servers, from 1 to 9; they are called zk1, zk2, and so on. Default: as many as
    /// nifi.zookeeper.connect.string names, which is 1 where no file and no override does.
    #[schemars(range(min = 1, max = 9))]
    pub(super) servers: Option<Located<Whole>>,
    /// ZooKeeper's tickTime. Default: "2s".
    pub(super) tick: Key<Duration>,
    /// ZooKeeper's initLimit: how many ticks a server may take to join the leader. Default: 10.
    #[schemars(range(min = 1))]
    pub(super) init_limit: Option<Located<Whole>>,
    /// ZooKeeper's syncLimit: after how many ticks of silence leader and follower give each other up. Default: 5.
    #[schemars(range(min = 1))]
    pub(super) sync_limit: Option<Located<Whole>>,
    /// ZooKeeper's minSessionTimeout: a session that asks for less gets this. Default: two ticks.
    pub(super) min_session_timeout: Key<Duration>,
    /// ZooKeeper's maxSessionTimeout: a session that asks for more gets this. Default: twenty ticks.
    pub(super) max_session_timeout: Key<Duration>,
    /// Which release the servers behave like. Default: "3.9.5".
    pub(super) release: Key<Release>,
    /// Which library the nodes reach the servers with. Default: "curator".
    pub(super) library: Key<ClientLibrary>,
}

/// The network when nothing is wrong with it.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, [network]")]
#[schemars(rename = "Network")]
pub(super) struct FileNetwork {
    /// How long a message takes. Default: "1ms..3ms".
    pub(super) latency: Key<DurationRange>,
}

/// One step of the plan: a time or a condition, exactly one action, and what belongs to that action.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a step, [[plan]]")]
#[schemars(rename = "Step", extend("oneOf" = super::step::one_action(), "anyOf" = super::step::a_time()))]
pub(super) struct FileStep {
    /// When the step begins, from the start of the run, such as "60s"; or a range, such as "60s..70s", from which the seed
    /// draws the time. With `when` or `after`: from when on the condition is looked at. Default: "0s" with one of them;
    /// needed without.
    pub(super) at: Key<Begin>,
    /// The step begins when the acting coordinator says this of a node: "n1 is CONNECTED", or with a disconnection code
    /// "n1 is DISCONNECTED LACK_OF_HEARTBEAT".
    pub(super) when: Key<NodeState>,
    /// The step begins when what this liveness property asks for, such as "all-connected", has come about.
    pub(super) after: Key<Name>,
    /// How long the step lasts, such as "60s". Default: until everything is healed. "ever" with `cut`, `crash`, `wipe`,
    /// `stop`, `pause` and `zookeeper`: the healing does not undo it, and only the rest of the cluster must come back.
    pub(super) r#for: Key<Lasts>,
    /// Action: lose every message between two sides, such as "n1, n2 | rest" for both ways or "n1 > zookeeper" for one.
    /// "zk1 | zookeeper" parts a ZooKeeper server from the others, "zk1 | zookeeper, all" from everybody.
    pub(super) cut: Key<Cut>,
    /// Action: lose this share of the messages, such as "10%" or "1/3".
    pub(super) loss: Key<Ratio>,
    /// Action: deliver this share of the messages twice.
    pub(super) duplicate: Key<Ratio>,
    /// Action: let messages take this much longer, such as "1s..3s".
    pub(super) delay: Key<DurationRange>,
    /// With `loss`, `duplicate` and `delay`: the two sides. Default: "all | all", or "all | zookeeper" when `protocol` is
    /// "zookeeper", or "zookeeper | zookeeper" when it is "ensemble".
    pub(super) between: Key<Cut>,
    /// With `cut`, `loss`, `duplicate` and `delay`: the only traffic that is affected.
    pub(super) protocol: Key<Protocol>,
    /// Action: kill a process, a node's or a ZooKeeper server's.
    pub(super) crash: Key<Machines>,
    /// With `crash`: what the process finds on its disk afterwards. Default: "kept".
    pub(super) disk: Key<Disk>,
    /// Action: kill a process and wipe its disk; short for `crash` with `disk = "wiped"`.
    pub(super) wipe: Key<Processes>,
    /// Action: stop a process cleanly.
    pub(super) stop: Key<Processes>,
    /// Action: start a process that is down, a node's or a ZooKeeper server's.
    pub(super) start: Key<Machines>,
    /// Action: kill a process and start it again at once, a node's or a ZooKeeper server's.
    pub(super) restart: Key<Machines>,
    /// Action: let a process stand still, a node's or a ZooKeeper server's; needs `for`.
    pub(super) pause: Key<Machines>,
    /// With `pause`: what becomes of what arrives meanwhile. Default: "buffered".
    pub(super) input: Key<Buffered>,
    /// Action: let a node handle everything later; needs `by`.
    pub(super) slow: Key<Processes>,
    /// With `slow`: how much later.
    pub(super) by: Key<Duration>,
    /// Action: tamper with the clock of a node or of a ZooKeeper server; needs `jump`, `drift` or `set`.
    pub(super) clock: Key<Machines>,
    /// With `clock`: how far it jumps forward.
    pub(super) jump: Key<Duration>,
    /// With `clock`: how much too fast it runs, such as "+500ppm", or too slow, such as "-500ppm".
    pub(super) drift: Key<Drift>,
    /// With `clock`, of ZooKeeper servers: by how much the wall clock is set, such as "+1h" or "-90s".
    pub(super) set: Key<Ahead>,
    /// Action: let ZooKeeper give a node's session up at once.
    pub(super) expire: Key<Processes>,
    /// Action: no ZooKeeper server answers; needs `for`.
    pub(super) zookeeper: Key<Down>,
    /// Action: an operator asks a node for something, such as { at = "n2", disconnect = "n3" }.
    pub(super) operator: Option<Located<FileOperator>>,
}

/// What an operator asks, and whom: exactly one of the four requests.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table such as { at = \"n2\", disconnect = \"n3\" }")]
#[schemars(rename = "Operator", extend("oneOf" = super::step::one_request()))]
pub(super) struct FileOperator {
    /// The node that is asked.
    #[schemars(required)]
    pub(super) at: Key<OneNode>,
    /// The node to connect.
    pub(super) connect: Key<OneNode>,
    /// The node to disconnect.
    pub(super) disconnect: Key<OneNode>,
    /// The node to remove from the cluster.
    pub(super) remove: Key<OneNode>,
    /// The node to offload.
    pub(super) offload: Key<OneNode>,
}

/// What must hold.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, [expect]")]
#[schemars(rename = "Expect")]
pub(super) struct FileExpect {
    /// The safety properties that are checked after every step. Default: all of them.
    pub(super) always: Option<Vec<Located<Word<Name>>>>,
    /// The liveness properties, and how long after the healing each may take. Default: all of them, each with its own
    /// bound.
    pub(super) eventually: Option<Entries<Name, Word<Duration>>>,
    /// This run must end as violated, by exactly these properties.
    pub(super) violates: Option<Vec<Located<Word<Name>>>>,
    /// Events of the timeline (its third column), such as "expired" or "elected", each of which must happen at least once.
    pub(super) reaches: Option<Vec<Located<Word<Name>>>>,
    /// What the acting coordinator must say about a node at a time.
    pub(super) state: Option<Vec<Located<FileState>>>,
}

/// What the acting coordinator must say about a node at a time.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an expected state, [[expect.state]]")]
#[schemars(rename = "State")]
pub(super) struct FileState {
    /// When, from the start of the run.
    #[schemars(required)]
    pub(super) at: Key<Duration>,
    /// About which node.
    #[schemars(required)]
    pub(super) node: Key<NodeNumber>,
    /// The node's connection state, as NiFi's constant.
    #[schemars(required)]
    pub(super) state: Key<ExpectedState>,
    /// With DISCONNECTED: the disconnection code, as NiFi's constant. Default: any.
    pub(super) code: Key<DisconnectionCode>,
}
