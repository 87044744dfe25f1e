//! From a scenario to what each process is started with: identities, addresses, configuration, flows.

use crate::plan::NodeNumber;
use crate::properties::oracle;
use crate::scenario::{FlowName, Scenario, ZooKeeper};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use zeromaster_core::config::{ConfigError, ConfigWarning, NodeConfig};
use zeromaster_core::coordination::Paths;
use zeromaster_core::firewall::{Firewall, FirewallWarning};
use zeromaster_core::flow::DataFlow;
use zeromaster_core::identity::{Address, Incarnation, NodeId, NodeIdentifier};
use zeromaster_core::properties::{ClusterProperties, NifiProperties, PropertyError};
use zeromaster_core::rules::Rules;
use zeromaster_zookeeper::{ServerConfig, SessionId};

/// The cluster's part of nifi.properties as NiFi ships it.
pub const SHIPPED_PROPERTIES: &str = include_str!("shipped.properties");

/// The cluster protocol's port when the file leaves it blank: the one of NiFi's secure install guide.
const PROTOCOL_PORT: u16 = 11_443;

/// The web API's port when the file leaves both blank.
const API_PORT: u16 = 8443;

/// Why a scenario cannot be run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SetupError {
    /// A value in nifi.properties, or in an override of it, makes no sense.
    Property(PropertyError),
    /// The values make no sense together.
    Config(ConfigError),
    /// There is no such rule set.
    Rules(String),
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SetupError::Property(error) => error.fmt(f),
            SetupError::Config(error) => error.fmt(f),
            SetupError::Rules(name) => {
                write!(f, "rules: found {name:?}, expected one of {}", Rules::NAMES.join(", "))
            }
        }
    }
}

impl std::error::Error for SetupError {}

/// What all processes of a run are started with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What node n1 is configured with; the others differ in their identity.
    template: NodeConfig,
    /// The nodes that the firewall file does not let in, as the properties read it.
    blocked: BTreeSet<NodeNumber>,
    /// `nifi.zookeeper.session.timeout`, before the server has its say.
    pub session_timeout: Duration,
    /// `nifi.zookeeper.connect.timeout`.
    pub connect_timeout: Duration,
    /// What in the firewall file could not be used.
    pub firewall_warnings: Vec<FirewallWarning>,
    /// What in the properties is probably not what was meant.
    pub warnings: Vec<ConfigWarning>,
}

impl Setup {
    /// Reads the configuration of `scenario`'s nodes. `properties`: the text of the file that it names; the shipped
    /// values when `None`. The scenario's own overrides come on top.
    ///
    /// # Errors
    /// When a value makes no sense: where, and what was expected.
    pub fn new(scenario: &Scenario, properties: Option<&str>) -> Result<Setup, SetupError> {
        let no_rules = || SetupError::Rules(scenario.rules.base().to_owned());
        let rules = scenario.rules.rules().ok_or_else(no_rules)?;
        let mut file = NifiProperties::parse(properties.unwrap_or(SHIPPED_PROPERTIES));
        for (key, value) in &scenario.nifi {
            file.set(key, value);
        }
        let cluster = ClusterProperties::read(&file).map_err(SetupError::Property)?;
        let (firewall, firewall_warnings) = match &scenario.firewall {
            Some(text) => {
                let (firewall, warnings) = Firewall::parse(text);
                (Some(firewall), warnings)
            }
            None => (None, Vec::new()),
        };
        let hosts: BTreeMap<Arc<str>, Ipv4Addr> = match firewall {
            Some(_) => (1..=scenario.nodes).map(|node| (host(NodeNumber(node)), address(node))).collect(),
            None => BTreeMap::new(),
        };
        let api_port = cluster.api_address().map_or(API_PORT, |address| address.port);
        let protocol_port = cluster.node_protocol_port.unwrap_or(PROTOCOL_PORT);
        let template = NodeConfig {
            node: Arc::new(NodeIdentifier::new(
                NodeId(1),
                Address { host: host(NodeNumber(1)), port: api_port },
                Address { host: host(NodeNumber(1)), port: protocol_port },
            )),
            incarnation: Incarnation(0),
            heartbeat_interval: cluster.heartbeat_interval,
            heartbeat_missable_max: cluster.heartbeat_missable_max,
            flow_election_max_wait: cluster.flow_election_max_wait,
            flow_election_max_candidates: cluster.flow_election_max_candidates,
            session_timeout: cluster.zookeeper.session_timeout,
            connection_timeout: cluster.node_connection_timeout,
            read_timeout: cluster.node_read_timeout,
            paths: Paths::new(&cluster.zookeeper.root_node),
            firewall,
            hosts: Arc::new(hosts),
            queued: BTreeSet::new(),
            rules,
        };
        template.check().map_err(SetupError::Config)?;
        let session_timeout = cluster.zookeeper.session_timeout;
        let connect_timeout = cluster.zookeeper.connect_timeout;
        let blocked = match &scenario.firewall {
            Some(text) => oracle::blocked(text, scenario.nodes),
            None => BTreeSet::new(),
        };
        let warnings = template.warnings();
        Ok(Setup { template, blocked, session_timeout, connect_timeout, firewall_warnings, warnings })
    }

    /// What every node has in common.
    #[must_use]
    pub fn common(&self) -> &NodeConfig {
        &self.template
    }

    /// The nodes that the firewall file does not let in, as the properties read it.
    pub(crate) fn blocked(&self) -> &BTreeSet<NodeNumber> {
        &self.blocked
    }

    /// What the `incarnation`-th process of `node` is started with, under the node id that its disk holds.
    #[must_use]
    pub fn node(
        &self,
        scenario: &Scenario,
        node: NodeNumber,
        id: NodeId,
        incarnation: Incarnation,
    ) -> NodeConfig {
        let with_host = |address: &Address| Address { host: host(node), port: address.port };
        let identity = &self.template.node;
        let queued = scenario.queued.get(&node);
        NodeConfig {
            node: Arc::new(NodeIdentifier::new(id, with_host(&identity.api), with_host(&identity.socket))),
            incarnation,
            queued: queued.into_iter().flatten().map(|queue| queue.as_str().into()).collect(),
            ..self.template.clone()
        }
    }

    /// The session timeout that this scenario's servers grant.
    #[must_use]
    pub fn negotiated_timeout(&self, scenario: &Scenario) -> Duration {
        server_config(scenario, 1).negotiate(self.session_timeout)
    }
}

/// How a scenario's `number`th ZooKeeper server is configured, before chance has its say.
#[must_use]
pub fn server_config(scenario: &Scenario, number: u32) -> ServerConfig {
    let ZooKeeper {
        servers,
        tick,
        init_limit,
        sync_limit,
        min_session_timeout,
        max_session_timeout,
        release,
        library: _,
    } = scenario.zookeeper;
    // One server counts its sessions from 1, so that they are easy to read.
    let first = if servers == 1 { 1 } else { (u64::from(number) << 56) + 1 };
    ServerConfig {
        id: number,
        servers,
        release,
        tick,
        init_limit,
        sync_limit,
        session_timeout_min: min_session_timeout,
        session_timeout_max: max_session_timeout,
        first_session: SessionId(first),
        ..ServerConfig::default()
    }
}

/// The host name of a node: `n1`.
#[must_use]
pub fn host(node: NodeNumber) -> Arc<str> {
    node.to_string().into()
}

/// The node with that host name.
#[must_use]
pub fn node_of_host(host: &str) -> Option<NodeNumber> {
    host.strip_prefix('n')?.parse().ok().map(NodeNumber)
}

/// The address of the `node`th node.
pub(crate) fn address(node: u32) -> Ipv4Addr {
    let [_, high, middle, low] = node.to_be_bytes();
    Ipv4Addr::new(10, high, middle, low)
}

/// The flow that a scenario's name for it means.
#[must_use]
pub fn flow(name: &FlowName) -> DataFlow {
    let fingerprint = name.to_string();
    if name.is_empty() { DataFlow::empty(&fingerprint) } else { DataFlow::new(&fingerprint) }
}
