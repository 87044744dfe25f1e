//! The order in which connections are served: those that may have something to read, those that take long last.

use std::collections::VecDeque;
use std::time::Duration;
use zeromaster_zookeeper::ConnectionId;

/// The connections that may have something to read, each once at a time: that is left to its owner.
///
/// Those in `ready` are all served in each turn. Those behind them have used up their slice of a turn, or have no session
/// yet; they share the rest of the turn, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    ready: Vec<ConnectionId>,
    /// Each with the time up to which everything that had arrived on it was read.
    behind: VecDeque<(ConnectionId, Duration)>,
}

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.behind.is_empty()
    }

    /// A connection to be served in the next turn.
    pub(crate) fn add(&mut self, id: ConnectionId) {
        self.ready.push(id);
    }

    /// A connection to be served when those before it have been. Before `since` nothing has arrived on it that was not
    /// read.
    pub(crate) fn add_behind(&mut self, id: ConnectionId, since: Duration) {
        self.behind.push_back((id, since));
    }

    /// All connections to be served in this turn.
    pub(crate) fn take_ready(&mut self) -> Vec<ConnectionId> {
        std::mem::take(&mut self.ready)
    }

    /// How many share the rest of the turn.
    pub(crate) fn behind(&self) -> usize {
        self.behind.len()
    }

    /// The next of these.
    pub(crate) fn next_behind(&mut self) -> Option<ConnectionId> {
        self.behind.pop_front().map(|(id, _)| id)
    }

    /// Since when something may have arrived that was not read: whoever was silent before is silent.
    pub(crate) fn unread_since(&self) -> Option<Duration> {
        self.behind.front().map(|(_, since)| *since)
    }
}
