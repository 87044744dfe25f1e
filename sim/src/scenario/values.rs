//! Values that only scenarios have: the name of a flow, the library of ZooKeeper's clients, and when a node starts.

use crate::plan::{NodeState, WordError, parse_duration, show_duration};
use core::fmt;
use core::str::FromStr;
use std::time::Duration;
use zeromaster_zookeeper::Library;

/// A flow by the name a scenario gives it, which is also its fingerprint.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FlowName {
    /// A flow without components, written `empty`, or `empty:<name>` to tell several of them apart. The name is
    /// `empty` when the file gives none.
    Empty(String),
    /// A flow with components, written as its name.
    Named(String),
}

impl FlowName {
    /// The fingerprint of the flow.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        match self {
            FlowName::Empty(name) | FlowName::Named(name) => name,
        }
    }

    /// Whether the flow has no components.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self, FlowName::Empty(_))
    }
}

impl fmt::Display for FlowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FlowName::Empty(name) if name == EMPTY => f.write_str(EMPTY),
            FlowName::Empty(name) => write!(f, "{EMPTY}:{name}"),
            FlowName::Named(name) => f.write_str(name),
        }
    }
}

impl FromStr for FlowName {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let (empty, name) = match text.strip_prefix("empty:") {
            Some(name) => (true, name),
            None => (text == EMPTY, text),
        };
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if text == "none" || name.is_empty() || !name.bytes().all(allowed) {
            return Err(WordError::new(text, A_FLOW));
        }
        Ok(if empty { FlowName::Empty(name.to_owned()) } else { FlowName::Named(name.to_owned()) })
    }
}

/// The library with which nodes reach ZooKeeper.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum ClientLibrary {
    /// Curator on a ZooKeeper client before 3.9.3, as in NiFi 1.x, written `curator`.
    #[default]
    Curator,
    /// Curator on a ZooKeeper client since 3.9.3 (ZOOKEEPER-4508), written `curator-on-3.9.3`.
    CuratorOn393,
}

impl ClientLibrary {
    /// How it behaves.
    #[must_use]
    pub fn habits(self) -> Library {
        match self {
            ClientLibrary::Curator => Library::CURATOR,
            ClientLibrary::CuratorOn393 => Library::CURATOR_ON_JAVA_3_9_3,
        }
    }
}

impl fmt::Display for ClientLibrary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ClientLibrary::Curator => "curator",
            ClientLibrary::CuratorOn393 => "curator-on-3.9.3",
        })
    }
}

const EMPTY: &str = "empty";

/// What a file may write for a flow, in words.
pub(super) const A_FLOW: &str =
    "\"empty\", \"empty:<name>\" or a name, of letters, digits, '.', '_' and '-', and not \"none\"";

/// When a node's process starts for the first time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Start {
    /// At this time, written as a duration.
    At(Duration),
    /// When the acting coordinator first says this of another node, written `n1 is CONNECTED`.
    When(NodeState),
}

/// At once.
impl Default for Start {
    fn default() -> Self {
        Start::At(Duration::ZERO)
    }
}

/// What a file may write for a start, in words.
pub(super) const A_START: &str = "a duration such as \"60s\", \"1500ms\" or \"5 mins\", of whole microseconds and at most 1000 days, or the state of another node such as \"n1 is CONNECTED\"";

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Start::At(at) => f.write_str(&show_duration(*at)),
            Start::When(state) => state.fmt(f),
        }
    }
}

impl FromStr for Start {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let at = parse_duration(text).map(Start::At);
        at.or_else(|_| text.parse().map(Start::When)).map_err(|_| WordError::new(text, A_START))
    }
}
