//! The values of a scenario file as serde reads them: text with a meaning, and where in the file it stands.
//! What the values of a plan look like is the plan's business; this adds the ones that only the file has.

use super::values::{A_FLOW, A_START, ClientLibrary, FlowName, Start};
use crate::plan::{
    self, Cut, Disk, DurationRange, ExpectedState, Lasts, NodeNumber, NodeState, Protocol, Ratio, Selector,
    WordError,
};
use core::fmt;
use core::marker::PhantomData;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use std::borrow::Cow;
use std::time::Duration;
use zeromaster_core::status::DisconnectionCode;
use zeromaster_zookeeper::Release;

/// Text of a scenario file that means a `Self`.
pub(super) trait Text: Sized {
    /// What a file may write, in words.
    const EXPECTED: &'static str;
    /// What a file may write, for the schema.
    const SHAPE: Shape;

    /// The meaning of `text`.
    fn read(text: &str) -> Result<Self, WordError>;
}

/// What a text looks like.
pub(super) enum Shape {
    /// It matches this regular expression as a whole; braces are filled in from [`FRAGMENTS`].
    Pattern(&'static str),
    /// It is one of these.
    Choice(&'static [&'static str]),
}

/// Parts that several patterns share.
const FRAGMENTS: [(&str, &str); 6] = [
    (
        "{duration}",
        r"\s*[0-9]+(\.[0-9]+)?\s*(ns|nanos?|nanoseconds?|us|µs|micros?|microseconds?|ms|millis?|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|wks?|weeks?)\s*",
    ),
    (
        "{state}",
        r"\s*{node}\s+is\s+(CONNECTING|CONNECTED|DISCONNECTING|DISCONNECTED(\s+[A-Z_]+)?|OFFLOADING|OFFLOADED|REMOVED)\s*",
    ),
    ("{side}", r"\s*{selector}\s*(,\s*{selector}\s*)*"),
    ("{selector}", r"({node}|coordinator|primary|rest|all|{servers})"),
    ("{servers}", r"zookeeper|zk-leader|zk-followers|zk[1-9][0-9]*"),
    ("{node}", r"n[1-9][0-9]*"),
];

impl Shape {
    /// The regular expression, anchored at both ends; `None` for a choice.
    pub(super) fn pattern(&self) -> Option<String> {
        match self {
            Shape::Pattern(pattern) => {
                let filled = FRAGMENTS
                    .iter()
                    .fold((*pattern).to_owned(), |text, (name, part)| text.replace(name, part));
                Some(format!("^({filled})$"))
            }
            Shape::Choice(_) => None,
        }
    }
}

/// Gives a type of the plan, or of this file, its shape; it reads itself.
macro_rules! text {
    ($name:ty, $expected:expr, $shape:expr) => {
        impl Text for $name {
            const EXPECTED: &'static str = $expected;
            const SHAPE: Shape = $shape;

            fn read(text: &str) -> Result<Self, WordError> {
                text.parse()
            }
        }
    };
}

text!(DurationRange, plan::A_DURATION_RANGE, Shape::Pattern(r"{duration}(\.\.{duration})?"));
text!(Lasts, plan::A_LENGTH, Shape::Pattern(r"ever|{duration}"));
text!(Ratio, plan::A_RATIO, Shape::Pattern(r"\s*[0-9]+(\.[0-9]+)?\s*%\s*|\s*[0-9]+\s*/\s*[0-9]+\s*"));
text!(Cut, plan::A_CUT, Shape::Pattern("{side}[|>]{side}"));
text!(NodeNumber, plan::A_NODE, Shape::Pattern("{node}"));
text!(Protocol, plan::A_PROTOCOL, Shape::Choice(&["cluster", "zookeeper", "ensemble"]));
text!(Disk, plan::A_DISK, Shape::Choice(&["kept", "last-write-lost", "wiped"]));
text!(NodeState, plan::A_NODE_STATE, Shape::Pattern("{state}"));
text!(Start, A_START, Shape::Pattern("{duration}|{state}"));
text!(FlowName, A_FLOW, Shape::Pattern(r"(?!none$)(empty:)?[A-Za-z0-9._-]+"));

/// Reads a word through a list of all of them.
macro_rules! choice {
    ($name:ty, $expected:expr, [$($word:literal => $value:expr),+ $(,)?]) => {
        impl Text for $name {
            const EXPECTED: &'static str = $expected;
            const SHAPE: Shape = Shape::Choice(&[$($word),+]);

            fn read(text: &str) -> Result<Self, WordError> {
                match text {
                    $($word => Ok($value),)+
                    other => Err(WordError::new(other, Self::EXPECTED)),
                }
            }
        }
    };
}

choice!(
    ExpectedState,
    "CONNECTING, CONNECTED, DISCONNECTING, DISCONNECTED, OFFLOADING, OFFLOADED or REMOVED",
    [
        "CONNECTING" => ExpectedState::Connecting,
        "CONNECTED" => ExpectedState::Connected,
        "DISCONNECTING" => ExpectedState::Disconnecting,
        "DISCONNECTED" => ExpectedState::Disconnected(None),
        "OFFLOADING" => ExpectedState::Offloading,
        "OFFLOADED" => ExpectedState::Offloaded,
        "REMOVED" => ExpectedState::Removed,
    ]
);

choice!(
    Release,
    "\"3.8.0\" or \"3.9.5\"",
    ["3.8.0" => Release::V3_8_0, "3.9.5" => Release::V3_9_5]
);

choice!(
    ClientLibrary,
    "\"curator\" or \"curator-on-3.9.3\"",
    ["curator" => ClientLibrary::Curator, "curator-on-3.9.3" => ClientLibrary::CuratorOn393]
);

/// What a paused process does with what arrives: `true` when it is kept.
#[derive(Clone, Copy)]
pub(super) struct Buffered(pub(super) bool);
choice!(Buffered, "\"buffered\" or \"dropped\"", ["buffered" => Buffered(true), "dropped" => Buffered(false)]);

/// The one thing that can be done to ZooKeeper as a whole.
#[derive(Clone, Copy)]
pub(super) struct Down;
choice!(Down, "\"down\"", ["down" => Down]);

/// Every disconnection code is listed here, so that an editor can offer them; a test compares the list with the core's.
pub(super) const CODES: [&str; 12] = [
    "UNKNOWN",
    "NOT_YET_CONNECTED",
    "USER_DISCONNECTED",
    "LACK_OF_HEARTBEAT",
    "BLOCKED_BY_FIREWALL",
    "STARTUP_FAILURE",
    "MISMATCHED_FLOWS",
    "MISSING_BUNDLE",
    "UNABLE_TO_COMMUNICATE",
    "FAILED_TO_SERVICE_REQUEST",
    "HEARTBEAT_RECEIVED_FROM_DISCONNECTED_NODE",
    "NODE_SHUTDOWN",
];

impl Text for DisconnectionCode {
    const EXPECTED: &'static str = "a disconnection code such as LACK_OF_HEARTBEAT or NODE_SHUTDOWN";
    const SHAPE: Shape = Shape::Choice(&CODES);

    fn read(text: &str) -> Result<Self, WordError> {
        DisconnectionCode::parse(text).ok_or_else(|| WordError::new(text, Self::EXPECTED))
    }
}

impl Text for Duration {
    const EXPECTED: &'static str = plan::A_DURATION;
    const SHAPE: Shape = Shape::Pattern("{duration}");

    fn read(text: &str) -> Result<Self, WordError> {
        plan::parse_duration(text)
    }
}

/// When a step begins, or begins to wait: a time, or two between which the seed draws it.
#[derive(Clone, Copy)]
pub(super) struct Begin(pub(super) DurationRange);

impl Text for Begin {
    const EXPECTED: &'static str = "a time such as \"60s\", \"1500ms\" or \"5 mins\", of whole microseconds and at most 1000 days, or two with the earlier first such as \"60s..70s\"";
    const SHAPE: Shape = Shape::Pattern(r"{duration}(\.\.{duration})?");

    fn read(text: &str) -> Result<Self, WordError> {
        text.parse().map(Begin).map_err(|_| WordError::new(text, Self::EXPECTED))
    }
}

/// A selector of one node.
#[derive(Clone, Copy)]
pub(super) struct OneNode(pub(super) Selector);

impl Text for OneNode {
    const EXPECTED: &'static str = "\"n1\" or another node, \"coordinator\" or \"primary\"";
    const SHAPE: Shape = Shape::Pattern("{node}|coordinator|primary");

    fn read(text: &str) -> Result<Self, WordError> {
        match text.parse() {
            Ok(node @ (Selector::Node(_) | Selector::Coordinator | Selector::Primary)) => Ok(OneNode(node)),
            Ok(
                Selector::Rest
                | Selector::All
                | Selector::ZooKeeper
                | Selector::ZooKeeperServer(_)
                | Selector::ZooKeeperLeader
                | Selector::ZooKeeperFollowers,
            )
            | Err(_) => Err(WordError::new(text, Self::EXPECTED)),
        }
    }
}

/// A selector of the processes that a fault strikes: one node, or all of them.
#[derive(Clone, Copy)]
pub(super) struct Processes(pub(super) Selector);

impl Text for Processes {
    const EXPECTED: &'static str = "\"n1\" or another node, \"coordinator\", \"primary\" or \"all\"";
    const SHAPE: Shape = Shape::Pattern("{node}|coordinator|primary|all");

    fn read(text: &str) -> Result<Self, WordError> {
        if text == "all" {
            return Ok(Processes(Selector::All));
        }
        OneNode::read(text).map(|node| Processes(node.0)).map_err(|_| WordError::new(text, Self::EXPECTED))
    }
}

/// A selector of the processes that a fault strikes which can strike ZooKeeper's servers too.
#[derive(Clone, Copy)]
pub(super) struct Machines(pub(super) Selector);

impl Text for Machines {
    const EXPECTED: &'static str = "\"n1\" or another node, \"coordinator\", \"primary\", \"all\", \"zk1\" or another ZooKeeper server, \"zk-leader\", \"zk-followers\" or \"zookeeper\"";
    const SHAPE: Shape = Shape::Pattern("{node}|coordinator|primary|all|{servers}");

    fn read(text: &str) -> Result<Self, WordError> {
        match text.parse::<Selector>() {
            Ok(servers) if servers.is_zookeeper() => Ok(Machines(servers)),
            Ok(_) | Err(_) => Processes::read(text)
                .map(|processes| Machines(processes.0))
                .map_err(|_| WordError::new(text, Self::EXPECTED)),
        }
    }
}

/// How far a wall clock is set, in milliseconds.
#[derive(Clone, Copy)]
pub(super) struct Ahead(pub(super) i64);

impl Text for Ahead {
    const EXPECTED: &'static str =
        "a duration with its sign such as \"+1h\" or \"-90s\", of whole milliseconds and not zero";
    const SHAPE: Shape = Shape::Pattern(r"[+-]{duration}");

    fn read(text: &str) -> Result<Self, WordError> {
        let error = || WordError::new(text, Self::EXPECTED);
        let forward = text.starts_with('+');
        let length = text.strip_prefix(['+', '-']).ok_or_else(error)?;
        let micros = plan::parse_duration(length).map_err(|_| error())?.as_micros();
        let millis = i64::try_from(micros / 1_000).map_err(|_| error())?;
        if millis == 0 || !micros.is_multiple_of(1_000) {
            return Err(error());
        }
        Ok(Ahead(if forward { millis } else { -millis }))
    }
}

/// A clock's drift in parts per million.
#[derive(Clone, Copy)]
pub(super) struct Drift(pub(super) i32);

impl Text for Drift {
    const EXPECTED: &'static str =
        "a drift from \"-100000ppm\" to \"+100000ppm\", such as \"+500ppm\", and not zero";
    const SHAPE: Shape = Shape::Pattern(r"[+-]?[0-9]+\s*ppm");

    fn read(text: &str) -> Result<Self, WordError> {
        let ppm: Option<i32> = text.strip_suffix("ppm").and_then(|number| number.trim_end().parse().ok());
        match ppm {
            Some(ppm) if ppm != 0 && (-plan::DRIFT_PPM_MAX..=plan::DRIFT_PPM_MAX).contains(&ppm) => {
                Ok(Drift(ppm))
            }
            Some(_) | None => Err(WordError::new(text, Self::EXPECTED)),
        }
    }
}

/// Whose flow: a node's, or that of all nodes that are not named.
#[derive(Clone, Copy)]
pub(super) enum Whose {
    /// Every node that has no key of its own.
    All,
    /// This node.
    Node(NodeNumber),
}

impl Text for Whose {
    const EXPECTED: &'static str = "\"all\" or a node such as \"n1\"";
    const SHAPE: Shape = Shape::Pattern("all|{node}");

    fn read(text: &str) -> Result<Self, WordError> {
        match text.parse() {
            Ok(node) => Ok(Whose::Node(node)),
            Err(_) if text == "all" => Ok(Whose::All),
            Err(_) => Err(WordError::new(text, Self::EXPECTED)),
        }
    }
}

/// A key of nifi.properties.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct NifiKey(pub(super) String);

impl Text for NifiKey {
    const EXPECTED: &'static str = "a key of nifi.properties, as a whole in quotes, such as \"nifi.cluster.flow.election.max.wait.time\"";
    const SHAPE: Shape = Shape::Pattern(r"nifi\.[A-Za-z0-9._-]+");

    fn read(text: &str) -> Result<Self, WordError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        match text.strip_prefix("nifi.") {
            Some(rest) if !rest.is_empty() && rest.bytes().all(allowed) => Ok(NifiKey(text.to_owned())),
            Some(_) | None => Err(WordError::new(text, Self::EXPECTED)),
        }
    }
}

/// The name of a rule set, a property or a queue: any text but none.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Name(pub(super) String);

impl Text for Name {
    const EXPECTED: &'static str = "a name";
    const SHAPE: Shape = Shape::Pattern(".+");

    fn read(text: &str) -> Result<Self, WordError> {
        if text.trim().is_empty() || text.contains(char::is_control) {
            return Err(WordError::new(text, Self::EXPECTED));
        }
        Ok(Name(text.to_owned()))
    }
}

/// A value written as text.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Word<T>(pub(super) T);

struct WordVisitor<T>(PhantomData<T>);

impl<T: Text> Visitor<'_> for WordVisitor<T> {
    type Value = Word<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Word<T>, E> {
        T::read(text).map(Word).map_err(E::custom)
    }
}

impl<'de, T: Text> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(WordVisitor(PhantomData))
    }
}

impl<T: Text> JsonSchema for Word<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Word".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        match T::SHAPE {
            Shape::Pattern(_) => json_schema!({ "type": "string", "pattern": T::SHAPE.pattern() }),
            Shape::Choice(choices) => json_schema!({ "type": "string", "enum": choices }),
        }
    }
}

/// A whole number, zero or more.
#[derive(Clone, Copy)]
pub(super) struct Whole(pub(super) u64);

struct WholeVisitor;

impl Visitor<'_> for WholeVisitor {
    type Value = Whole;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, 0 or more")
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Whole, E> {
        u64::try_from(number).map(Whole).map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Whole, E> {
        Ok(Whole(number))
    }
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_u64(WholeVisitor)
    }
}

impl JsonSchema for Whole {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Whole".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 0 })
    }
}

/// A value and where it stands, as an offset in bytes; nowhere when it comes from a builder.
#[derive(Clone)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) offset: Option<usize>,
}

impl<T> Located<T> {
    /// A value that stands in no file.
    pub(super) fn nowhere(value: T) -> Self {
        Located { value, offset: None }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Located<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = toml::Spanned::<T>::deserialize(deserializer)?;
        let offset = Some(spanned.span().start);
        Ok(Located { value: spanned.into_inner(), offset })
    }
}

impl<T: JsonSchema> JsonSchema for Located<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A table whose keys are words.
#[derive(Clone)]
pub(super) struct Entries<K, V>(pub(super) Vec<(Located<Word<K>>, Located<V>)>);

struct EntriesVisitor<K, V>(PhantomData<(K, V)>);

impl<'de, K: Text, V: Deserialize<'de>> Visitor<'de> for EntriesVisitor<K, V> {
    type Value = Entries<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a table whose keys are each {}", K::EXPECTED)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<K, V>, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Entries(entries))
    }
}

impl<'de, K: Text, V: Deserialize<'de>> Deserialize<'de> for Entries<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

impl<K: Text, V: JsonSchema> JsonSchema for Entries<K, V> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Entries".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<V>();
        let pattern = K::SHAPE.pattern().unwrap_or_default();
        json_schema!({ "type": "object", "patternProperties": { pattern: value }, "additionalProperties": false })
    }
}
