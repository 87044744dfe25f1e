//! From a scenario to what each process is started with: identities, addresses, configuration, flows.

use crate::plan::{NodeNumber, Plan, SERVERS_MAX, Selector};
use crate::properties::oracle;
use crate::property_keys::{self, UnknownKey};
use crate::scenario::{FlowName, Scenario, ZooKeeper};
use crate::world::faults::roles;
use std::borrow::Cow;
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
use zeromaster_core::properties::{ClusterProperties, NifiProperties, PropertyError, key};
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
    /// A step of the plan is about a ZooKeeper server that does not exist.
    NoSuchServer {
        /// The step, from 1.
        step: usize,
        /// The server.
        server: u32,
        /// How many there are.
        servers: u32,
    },
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SetupError::Property(error) => error.fmt(f),
            SetupError::Config(error) => error.fmt(f),
            SetupError::Rules(name) => {
                write!(f, "rules: found {name:?}, expected one of {}", Rules::NAMES.join(", "))
            }
            SetupError::NoSuchServer { step, server, servers } => {
                let named = if *servers == 1 { "only zk1".to_owned() } else { format!("zk1 to zk{servers}") };
                let key = key::ZOOKEEPER_CONNECT_STRING;
                write!(f, "step {step}: found zk{server}, expected {named}, the servers that {key} names")
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
    /// The ZooKeeper servers: the scenario's, in the number that the properties say where the scenario does not.
    pub zookeeper: ZooKeeper,
    /// What in the firewall file could not be used.
    pub firewall_warnings: Vec<FirewallWarning>,
    /// What in the properties is probably not what was meant.
    pub warnings: Vec<SetupWarning>,
    /// The keys about the cluster that the file gives a value to, that NiFi knows, and that have no effect here.
    pub without_effect: Vec<&'static str>,
}

/// What in the properties is probably not what was meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SetupWarning {
    /// A value is taken differently than it is written.
    Config(ConfigWarning),
    /// NiFi does not know the key.
    Unknown(UnknownKey),
    /// A NiFi with this file is no node of a cluster.
    NotANode,
    /// No ZooKeeper server is named.
    NoConnectString,
}

impl SetupWarning {
    /// The property that it is about.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            SetupWarning::Config(warning) => warning.key(),
            SetupWarning::Unknown(unknown) => &unknown.key,
            SetupWarning::NotANode => key::IS_NODE,
            SetupWarning::NoConnectString => key::ZOOKEEPER_CONNECT_STRING,
        }
    }
}

impl fmt::Display for SetupWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SetupWarning::Config(warning) => warning.fmt(f),
            SetupWarning::Unknown(unknown) => unknown.fmt(f),
            SetupWarning::NotANode => write!(
                f,
                "{} = false: every NiFi with this file runs alone, without a cluster and without ZooKeeper; the run is as if it \
                 said true",
                self.key()
            ),
            // `ZooKeeperClientConfig.createConfig` throws IllegalStateException (all versions).
            SetupWarning::NoConnectString => write!(
                f,
                "{} is blank: a NiFi that is a node of a cluster does not start with this file; the run is as if it named the \
                 servers of the scenario, or one",
                self.key()
            ),
        }
    }
}

/// What is to be said of the text of a file.
fn file_warnings(file: &NifiProperties) -> Vec<SetupWarning> {
    let value = |key| file.get(key).map(str::to_ascii_lowercase);
    let is_node = value(key::IS_NODE);
    let servers = value(key::ZOOKEEPER_CONNECT_STRING);
    let not_a_node = (is_node.as_deref() == Some("false")).then_some(SetupWarning::NotANode);
    let names_none = servers.as_deref().map_or(is_node.as_deref() == Some("true"), str::is_empty);
    let no_servers = names_none.then_some(SetupWarning::NoConnectString);
    let unknown = property_keys::unknown(file).into_iter().map(SetupWarning::Unknown);
    not_a_node.into_iter().chain(no_servers).chain(unknown).collect()
}

/// The ZooKeeper servers that the scenario means with these properties.
fn zookeeper(
    scenario: &Scenario,
    file: &NifiProperties,
    cluster: &ClusterProperties,
) -> Result<ZooKeeper, PropertyError> {
    let key = key::ZOOKEEPER_CONNECT_STRING;
    let mut zookeeper = scenario.zookeeper;
    if zookeeper.servers_by_properties {
        let named: BTreeSet<&Address> = cluster.zookeeper.connect_string.iter().collect();
        let count = u32::try_from(named.len()).ok().filter(|count| *count <= SERVERS_MAX);
        let servers = count.ok_or_else(|| PropertyError {
            line: file.line(key).unwrap_or_default(),
            key: key.to_owned(),
            value: file.get(key).unwrap_or_default().to_owned(),
            expected: format!("at most {SERVERS_MAX} servers"),
        })?;
        zookeeper.servers = servers.max(1);
    }
    zookeeper.embedded =
        if cluster.zookeeper.embedded_start { zookeeper.servers.min(scenario.nodes) } else { 0 };
    Ok(zookeeper)
}

/// Refuses a plan that is about a server that does not exist.
fn check_servers(plan: &Plan, servers: u32) -> Result<(), SetupError> {
    for (step, planned) in (1..).zip(&plan.steps) {
        for selector in roles(&planned.action) {
            if let Selector::ZooKeeperServer(server) = selector
                && server > servers
            {
                return Err(SetupError::NoSuchServer { step, server, servers });
            }
        }
    }
    Ok(())
}

/// Refuses what elects the leaders when it is not ZooKeeper.
fn check_election(file: &NifiProperties, cluster: &ClusterProperties) -> Result<(), PropertyError> {
    let class = &*cluster.leader_election_implementation;
    if class.rsplit('.').next() == Some(CURATOR) {
        return Ok(());
    }
    let leases = if class.contains("Kubernetes") { "; leases of Kubernetes are not modelled" } else { "" };
    let key = key::LEADER_ELECTION_IMPLEMENTATION;
    Err(PropertyError {
        line: file.line(key).unwrap_or_default(),
        key: key.to_owned(),
        value: class.to_owned(),
        expected: format!("{CURATOR}, election in ZooKeeper{leases}"),
    })
}

/// The election in ZooKeeper, by the simple name of its class.
const CURATOR: &str = "CuratorLeaderElectionManager";

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
        let (mut warnings, mut without_effect) = (Vec::new(), Vec::new());
        if properties.is_some() {
            warnings = file_warnings(&file);
            without_effect = property_keys::without_effect(&file);
        }
        for (key, value) in &scenario.nifi {
            file.set(key, value);
        }
        let cluster = ClusterProperties::read(&file).map_err(SetupError::Property)?;
        check_election(&file, &cluster).map_err(SetupError::Property)?;
        let zookeeper = zookeeper(scenario, &file, &cluster).map_err(SetupError::Property)?;
        check_servers(&scenario.plan, zookeeper.servers)?;
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
        warnings.extend(template.warnings().into_iter().map(SetupWarning::Config));
        Ok(Setup {
            template,
            blocked,
            session_timeout,
            connect_timeout,
            zookeeper,
            firewall_warnings,
            warnings,
            without_effect,
        })
    }

    /// The scenario with the ZooKeeper servers that this setup has found in the properties.
    #[must_use]
    pub fn complete<'a>(&self, scenario: &'a Scenario) -> Cow<'a, Scenario> {
        if scenario.zookeeper == self.zookeeper {
            Cow::Borrowed(scenario)
        } else {
            Cow::Owned(Scenario { zookeeper: self.zookeeper, ..scenario.clone() })
        }
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
        server_config(&self.complete(scenario), 1).negotiate(self.session_timeout)
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
        ..
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
