//! What a node is configured with: its identity, NiFi's properties that matter to the cluster, and the rules.

use crate::coordination::Paths;
use crate::firewall::Firewall;
use crate::flow_election::{FlowElection, FlowElectionError};
use crate::identity::{Incarnation, NodeIdentifier};
use crate::properties::{NifiDuration, key};
use crate::rules::Rules;
use crate::time::micros;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv4Addr;
use core::time::Duration;

/// NiFi's "try again in 5 seconds" (spec 1.9).
pub const TRY_LATER: Duration = Duration::from_secs(5);

/// The longest that a node lets itself be put off: whatever a peer says, it asks again.
pub const TRY_LATER_MAX: Duration = Duration::from_secs(60);

/// How often an order is sent before the coordinator gives up (spec 1.9).
pub const ORDER_ATTEMPTS: u32 = 10;

/// Clusters of more known nodes than these are told of changes of status together, not one by one: to tell everybody of
/// everybody's change at once takes as many messages as pairs of nodes. NiFi tells each at once, whatever the size.
pub const TOLD_AT_ONCE_UP_TO: usize = 64;

/// For how long a coordinator of so many nodes gathers changes before it tells them.
pub const CHANGES_GATHERED_FOR: Duration = Duration::from_millis(100);

/// How often a node's report of itself is sent where that is repeated, and how far apart (NIFI-8433, 1.14.0; spec 1.9).
pub const REPORT_ATTEMPTS: u32 = 5;

/// See [`REPORT_ATTEMPTS`].
pub const REPORT_PAUSE: Duration = Duration::from_secs(1);

/// How often a report that waits for a coordinator looks for one (`NodeClusterCoordinator.waitForElectedClusterCoordinator`;
/// spec 3.6).
pub const COORDINATOR_POLL: Duration = Duration::from_millis(100);

/// How long the coordinator waits for an order's acknowledgement before it sends it again (spec 1.9).
pub const ORDER_PAUSE: Duration = Duration::from_secs(5);

/// Everything a node is told before it starts. The same on all nodes, but for the identity.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct NodeConfig {
    /// Who this node is.
    pub node: Arc<NodeIdentifier>,
    /// Which run of its process this is; greater than every earlier one on this machine.
    pub incarnation: Incarnation,
    /// `nifi.cluster.protocol.heartbeat.interval`: a heartbeat this often, and a look at the heartbeats this often.
    pub heartbeat_interval: Duration,
    /// `nifi.cluster.protocol.heartbeat.missable.max`: this many may be missing.
    pub heartbeat_missable_max: u32,
    /// `nifi.cluster.flow.election.max.wait.time`.
    pub flow_election_max_wait: Duration,
    /// `nifi.cluster.flow.election.max.candidates`, if set.
    pub flow_election_max_candidates: Option<u32>,
    /// `nifi.zookeeper.session.timeout`: how long ZooKeeper keeps the session of a node that it does not hear.
    pub session_timeout: Duration,
    /// `nifi.cluster.node.connection.timeout`: how long a new coordinator waits for word from every member.
    pub connection_timeout: Duration,
    /// `nifi.cluster.node.read.timeout`: how long an answer may take.
    pub read_timeout: Duration,
    /// Where things are in ZooKeeper (`nifi.zookeeper.root.node`).
    pub paths: Paths,
    /// The firewall file (`nifi.cluster.firewall.file`), if there is one.
    pub firewall: Option<Firewall>,
    /// What host names of cluster protocol addresses resolve to, for the firewall; a name not in it does not resolve.
    pub hosts: Arc<BTreeMap<Arc<str>, Ipv4Addr>>,
    /// The names of the queues that hold data on this node.
    pub queued: BTreeSet<Arc<str>>,
    /// Which protocol is spoken.
    pub rules: Rules,
}

/// Why a node cannot be built.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ConfigError {
    /// The heartbeat interval is zero.
    ZeroInterval,
    /// No missing heartbeat is allowed at all.
    ZeroMissable,
    /// Heartbeats are sent at whole seconds, and the interval is less than one.
    NoHeartbeatPeriod {
        /// The interval.
        interval: Duration,
    },
    /// Interval × missable is more than a clock can tell.
    WindowTooLong,
    /// The flow election cannot be held.
    FlowElection(FlowElectionError),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::ZeroInterval => f.write_str("heartbeat interval: expected more than 0"),
            ConfigError::ZeroMissable => f.write_str("missable heartbeats: expected at least 1"),
            ConfigError::NoHeartbeatPeriod { interval } => write!(
                f,
                "{} = {}: NiFi cuts the period of sending to whole seconds, and a node whose period is 0 does not start; \
                 expected at least 1 sec under these rules",
                key::HEARTBEAT_INTERVAL,
                NifiDuration(*interval)
            ),
            ConfigError::WindowTooLong => {
                f.write_str("heartbeat interval × missable heartbeats: expected less than 100 years")
            }
            ConfigError::FlowElection(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ConfigError {}

/// A setting that is valid and probably not meant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ConfigWarning {
    /// Heartbeats are sent more often than the interval says.
    HeartbeatPeriodCut {
        /// What the interval says; the monitor keeps to it.
        interval: Duration,
        /// How often heartbeats are sent.
        period: Duration,
    },
}

impl ConfigWarning {
    /// The property that it is about.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        match self {
            ConfigWarning::HeartbeatPeriodCut { .. } => key::HEARTBEAT_INTERVAL,
        }
    }
}

impl fmt::Display for ConfigWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigWarning::HeartbeatPeriodCut { interval, period } => write!(
                f,
                "{} = {}: NiFi cuts the period of sending to whole seconds, so heartbeats are sent every {}; the monitor keeps \
                 the interval",
                self.key(),
                NifiDuration(*interval),
                NifiDuration(*period)
            ),
        }
    }
}

impl NodeConfig {
    /// How much time lies between two heartbeats of a node: the interval, cut to whole seconds where the rules say so
    /// (`FormatUtils.getTimeDuration` with seconds; spec 1.8, 4.7).
    #[must_use]
    pub fn heartbeat_period(&self) -> Duration {
        if self.rules.heartbeat_in_whole_seconds {
            Duration::from_secs(self.heartbeat_interval.as_secs())
        } else {
            self.heartbeat_interval
        }
    }

    /// Settings that are valid and probably not meant.
    #[must_use]
    pub fn warnings(&self) -> Vec<ConfigWarning> {
        let (interval, period) = (self.heartbeat_interval, self.heartbeat_period());
        let cut = (period != interval).then_some(ConfigWarning::HeartbeatPeriodCut { interval, period });
        cut.into_iter().collect()
    }

    /// How long a node may be silent before it is put out: interval × missable. 40 s in NiFi's shipped file.
    #[must_use]
    pub fn window(&self) -> Duration {
        self.heartbeat_interval.saturating_mul(self.heartbeat_missable_max)
    }

    /// A new vote on the flow.
    ///
    /// # Errors
    /// When the configured bounds allow none.
    pub fn flow_election(&self) -> Result<FlowElection, FlowElectionError> {
        FlowElection::new(self.flow_election_max_wait, self.flow_election_max_candidates)
    }

    /// Whether the firewall file lets the node with this cluster protocol host in (spec 1.10, and S22, S23: the same
    /// address is checked when a node asks to connect and when it heartbeats).
    #[must_use]
    pub fn permits(&self, host: &Arc<str>) -> bool {
        match &self.firewall {
            Some(firewall) => firewall.permits(host, self.hosts.get(host).copied()),
            None => true,
        }
    }

    /// Whether a node can be started with it.
    ///
    /// # Errors
    /// When it makes no sense; the error says what was expected.
    pub fn check(&self) -> Result<(), ConfigError> {
        const HUNDRED_YEARS_MICROS: u64 = 100 * 365 * 24 * 3600 * 1_000_000;
        if self.heartbeat_interval < Duration::from_micros(1) {
            return Err(ConfigError::ZeroInterval);
        }
        if self.heartbeat_period().is_zero() {
            return Err(ConfigError::NoHeartbeatPeriod { interval: self.heartbeat_interval });
        }
        if self.heartbeat_missable_max == 0 {
            return Err(ConfigError::ZeroMissable);
        }
        if micros(self.window()) > HUNDRED_YEARS_MICROS {
            return Err(ConfigError::WindowTooLong);
        }
        self.flow_election().map(|_| ()).map_err(ConfigError::FlowElection)
    }
}
