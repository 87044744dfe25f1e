//! The keys of nifi.properties that a drawn scenario overrides, and the times that follow from them.

use super::temperament::Pace;
use crate::random::Stream;
use std::collections::BTreeMap;
use std::time::Duration;

/// The overrides, and what the lengths of faults are scaled by.
pub(super) struct Timings {
    pub(super) properties: BTreeMap<String, String>,
    /// How long a node may be silent, in seconds.
    window: u64,
    /// `nifi.zookeeper.session.timeout`, in seconds.
    session: u64,
}

impl Timings {
    /// The window, and the session timeout that a server with this tick grants.
    pub(super) fn pace(&self, tick: Duration) -> Pace {
        let session = Duration::from_secs(self.session).clamp(tick * 2, tick * 20);
        Pace { window: self.window * 1_000, session: u64::try_from(session.as_millis()).unwrap_or(u64::MAX) }
    }
}

pub(super) fn draw_timings(stream: &mut Stream, nodes: u32, shortest_session: Duration) -> Timings {
    let mut properties = BTreeMap::new();
    let mut set = |key: &str, value: String| properties.insert(format!("nifi.{key}"), value);
    let interval = *stream.pick(&[1, 2, 5]);
    let missable = stream.between(1, 8);
    set("cluster.protocol.heartbeat.interval", format!("{interval} secs"));
    set("cluster.protocol.heartbeat.missable.max", missable.to_string());
    set("cluster.flow.election.max.wait.time", format!("{} secs", stream.between(1, 15)));
    if stream.below(2) == 0 {
        set("cluster.flow.election.max.candidates", stream.between(1, u64::from(nodes) + 1).to_string());
    }
    let session = stream.between(2, 20).max(shortest_session.as_secs());
    set("zookeeper.session.timeout", format!("{session} secs"));
    set("zookeeper.connect.timeout", format!("{} secs", stream.between(1, 5)));
    set("cluster.node.connection.timeout", format!("{} secs", stream.between(1, 5)));
    set("cluster.node.read.timeout", format!("{} secs", stream.between(1, 5)));
    Timings { properties, window: interval * missable, session }
}
