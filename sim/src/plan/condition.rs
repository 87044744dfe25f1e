//! What a step of a plan can wait for: what the acting coordinator says of a node, or that a liveness property holds.

use super::{NodeNumber, WordError};
use core::fmt;
use core::str::FromStr;
use zeromaster_core::status::DisconnectionCode;

/// A connection state as a scenario expects it, written as NiFi's constant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ExpectedState {
    /// CONNECTING
    Connecting,
    /// CONNECTED
    Connected,
    /// DISCONNECTING
    Disconnecting,
    /// DISCONNECTED, with this code or, when `None`, with any.
    Disconnected(Option<DisconnectionCode>),
    /// OFFLOADING
    Offloading,
    /// OFFLOADED
    Offloaded,
    /// REMOVED
    Removed,
}

impl ExpectedState {
    /// NiFi's constant for the state.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ExpectedState::Connecting => "CONNECTING",
            ExpectedState::Connected => "CONNECTED",
            ExpectedState::Disconnecting => "DISCONNECTING",
            ExpectedState::Disconnected(_) => "DISCONNECTED",
            ExpectedState::Offloading => "OFFLOADING",
            ExpectedState::Offloaded => "OFFLOADED",
            ExpectedState::Removed => "REMOVED",
        }
    }

    /// The code expected with DISCONNECTED, if one is.
    #[must_use]
    pub fn code(self) -> Option<DisconnectionCode> {
        match self {
            ExpectedState::Disconnected(code) => code,
            ExpectedState::Connecting
            | ExpectedState::Connected
            | ExpectedState::Disconnecting
            | ExpectedState::Offloading
            | ExpectedState::Offloaded
            | ExpectedState::Removed => None,
        }
    }

    /// The state with that constant, whatever its code.
    fn of_name(name: &str) -> Option<Self> {
        let all = [
            ExpectedState::Connecting,
            ExpectedState::Connected,
            ExpectedState::Disconnecting,
            ExpectedState::Disconnected(None),
            ExpectedState::Offloading,
            ExpectedState::Offloaded,
            ExpectedState::Removed,
        ];
        all.into_iter().find(|state| state.name() == name)
    }
}

impl fmt::Display for ExpectedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code() {
            Some(code) => write!(f, "{} {}", self.name(), code.name()),
            None => f.write_str(self.name()),
        }
    }
}

/// What the acting coordinator says of a node, written `n1 is CONNECTED` or `n1 is DISCONNECTED LACK_OF_HEARTBEAT`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeState {
    /// Of which node.
    pub node: NodeNumber,
    /// What.
    pub state: ExpectedState,
}

pub(crate) const A_NODE_STATE: &str = "a node, \"is\" and CONNECTING, CONNECTED, DISCONNECTING, DISCONNECTED, OFFLOADING, OFFLOADED or REMOVED, such as \"n1 is CONNECTED\"; after DISCONNECTED a disconnection code may follow, such as \"n1 is DISCONNECTED LACK_OF_HEARTBEAT\"";

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.node, self.state)
    }
}

impl FromStr for NodeState {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let error = || WordError::new(text, A_NODE_STATE);
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let (node, state, code) = match words[..] {
            [node, "is", state] => (node, state, None),
            [node, "is", state, code] => (node, state, Some(code)),
            _ => return Err(error()),
        };
        let node = node.parse().map_err(|_| error())?;
        let state = ExpectedState::of_name(state).ok_or_else(error)?;
        let state = match (state, code) {
            (state, None) => state,
            (ExpectedState::Disconnected(_), Some(code)) => {
                ExpectedState::Disconnected(Some(DisconnectionCode::parse(code).ok_or_else(error)?))
            }
            (_, Some(_)) => return Err(error()),
        };
        Ok(NodeState { node, state })
    }
}

/// What a step waits for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Condition {
    /// The acting coordinator says this of a node; the key `when`.
    State(NodeState),
    /// What this liveness property asks for has come about; the key `after`.
    Property(String),
}

/// As it stands behind an action: `when n1 is CONNECTED`, `after all-connected`.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::State(state) => write!(f, "when {state}"),
            Condition::Property(name) => write!(f, "after {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_node_is_written_as_it_is_read() {
        for text in ["n1 is CONNECTED", "n12 is DISCONNECTED", "n3 is DISCONNECTED LACK_OF_HEARTBEAT"] {
            assert_eq!(text.parse::<NodeState>().map(|state| state.to_string()).as_deref(), Ok(text));
        }
        assert_eq!(" n1  is\tREMOVED ".parse::<NodeState>().unwrap().to_string(), "n1 is REMOVED");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "n1",
            "n1 is",
            "n1 CONNECTED",
            "n1 is connected",
            "n1 is not CONNECTED",
            "n0 is CONNECTED",
            "coordinator is CONNECTED",
            "n1 is CONNECTED LACK_OF_HEARTBEAT",
            "n1 is DISCONNECTED SOMEHOW",
            "n1 is DISCONNECTED UNKNOWN UNKNOWN",
        ] {
            assert_eq!(text.parse::<NodeState>().unwrap_err().found, text);
        }
    }
}
