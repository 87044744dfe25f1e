//! From a scenario to what each process is started with: identities, addresses, configuration, flows.

use crate::doubts;
use crate::plan::{NodeNumber, Plan, SERVERS_MAX, Selector};
use crate::properties::oracle;
use crate::property_keys::{self, UnknownKey};
use crate::scenario::{FlowName, RuleChoice, Scenario, ZooKeeper};
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
    /// A node cannot share a cluster with the others, because its rules are too different.
    Strangers {
        /// The node.
        node: NodeNumber,
        /// Why.
        why: &'static str,
    },
    /// Something in what one node is configured with, which has a file or rules of its own.
    OfNode {
        /// The node.
        node: NodeNumber,
        /// What.
        error: Box<SetupError>,
    },
    /// A step of the plan is about a ZooKeeper server that does not exist.
    NoSuchServer {
        /// The step, in words.
        step: String,
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
            SetupError::Strangers { node, why } => {
                write!(f, "rules: {node} cannot share a cluster with the others: {why}")
            }
            SetupError::OfNode { node: _, error } => error.fmt(f),
            SetupError::NoSuchServer { step, server, servers } => {
                let named = if *servers == 1 { "only zk1".to_owned() } else { format!("zk1 to zk{servers}") };
                let key = key::ZOOKEEPER_CONNECT_STRING;
                write!(f, "{step}: found zk{server}, expected {named}, the servers that {key} names")
            }
        }
    }
}

impl std::error::Error for SetupError {}

/// What all processes of a run are started with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What the nodes without anything of their own are configured with, but for their identity.
    all: Template,
    /// What the nodes with a file or with rules of their own are configured with.
    of: BTreeMap<NodeNumber, Template>,
    /// The longest times of them all.
    common: NodeConfig,
    /// The nodes that the firewall file does not let in, as the properties read it.
    blocked: BTreeSet<NodeNumber>,
    /// `nifi.zookeeper.session.timeout`, the longest of all nodes, before the server has its say.
    pub session_timeout: Duration,
    /// The ZooKeeper servers: the scenario's, in the number that the properties say where the scenario does not.
    pub zookeeper: ZooKeeper,
    /// What in the firewall file could not be used.
    pub firewall_warnings: Vec<FirewallWarning>,
    /// Settings that are valid and probably not meant.
    pub warnings: Vec<SetupWarning>,
    /// The keys about the cluster that the file gives a value to, that NiFi knows, and that have no effect here.
    pub without_effect: Vec<&'static str>,
}

/// What nodes are configured with, but for their identity.
#[derive(Clone, Debug)]
struct Template {
    config: NodeConfig,
    /// The properties that it comes from.
    properties: ClusterProperties,
}

/// The texts of the nifi.properties files of a scenario.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PropertyFiles {
    /// The file of every node that has none of its own; the shipped values when `None`.
    pub all: Option<String>,
    /// The files of nodes that have one of their own.
    pub of: BTreeMap<NodeNumber, String>,
}

impl PropertyFiles {
    /// The text that the cluster as a whole is judged by: that of most nodes, or of the first where each has its own.
    fn base(&self, nodes: u32) -> Option<&str> {
        let each_has_its_own = (1..=nodes).all(|node| self.of.contains_key(&NodeNumber(node)));
        let first = self.of.values().next().filter(|_| each_has_its_own);
        self.all.as_ref().or(first).map(String::as_str)
    }
}

/// A setting that is valid and probably not meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SetupWarning {
    /// Something in the file of one node.
    OfNode {
        /// The node.
        node: NodeNumber,
        /// What.
        warning: Box<SetupWarning>,
    },
    /// Nodes have different values, NiFi does not compare them, and it matters.
    Differs {
        /// The property.
        key: &'static str,
        /// The value of most nodes.
        most: String,
        /// The values of the others.
        others: BTreeMap<NodeNumber, String>,
        /// Why it matters.
        effect: &'static str,
    },
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
            SetupWarning::OfNode { warning, .. } => warning.key(),
            SetupWarning::Differs { key, .. } => key,
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
            SetupWarning::OfNode { node: _, warning } => warning.fmt(f),
            SetupWarning::Differs { key, most, others, effect } => {
                let blank = |value: &str| if value.is_empty() { "none".to_owned() } else { value.to_owned() };
                let others = others.iter().map(|(node, value)| format!("{} on {node}", blank(value)));
                let others = others.collect::<Vec<_>>().join(", ");
                write!(f, "{key} differs: {}, but {others}; NiFi does not compare it: {effect}", blank(most))
            }
            SetupWarning::Config(warning) => warning.fmt(f),
            SetupWarning::Unknown(unknown) => unknown.fmt(f),
            SetupWarning::NotANode => write!(
                f,
                "{} is not true: every NiFi with this file runs alone, without a cluster and without ZooKeeper; the run is as if it \
                 said true",
                self.key()
            ),
            // `ZooKeeperClientConfig.createConfig` throws IllegalStateException (all versions).
            SetupWarning::NoConnectString => write!(
                f,
                "{} names no server: a NiFi that is a node of a cluster does not start with this file; the run is as if it named the \
                 servers of the scenario, or one",
                self.key()
            ),
        }
    }
}

/// Warnings about the values of a file, with a scenario's overrides on top.
fn value_warnings(file: &NifiProperties) -> Vec<SetupWarning> {
    let is_node = file.get(key::IS_NODE).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let servers = file.get(key::ZOOKEEPER_CONNECT_STRING).unwrap_or_default();
    let names_none = servers.split(',').all(|server| server.trim().is_empty());
    let not_a_node = (!is_node).then_some(SetupWarning::NotANode);
    let no_servers = names_none.then_some(SetupWarning::NoConnectString);
    not_a_node.into_iter().chain(no_servers).collect()
}

/// Warnings about the keys of a file.
fn key_warnings(file: &NifiProperties) -> Vec<SetupWarning> {
    property_keys::unknown(file).into_iter().map(SetupWarning::Unknown).collect()
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

/// The properties in which nodes should not differ, and what happens if they do.
const ALIKE: [(&str, &str); 12] = [
    (
        key::HEARTBEAT_INTERVAL,
        "each node sends by its own value, and the coordinator of the moment counts by its own",
    ),
    (key::HEARTBEAT_MISSABLE_MAX, "who is put out after which silence depends on who coordinates"),
    (key::FLOW_ELECTION_MAX_WAIT_TIME, "how long the vote lasts depends on who coordinates"),
    (key::FLOW_ELECTION_MAX_CANDIDATES, "when the vote ends depends on who coordinates"),
    (key::NODE_CONNECTION_TIMEOUT, "how long one node waits for another depends on which of the two asks"),
    (key::NODE_READ_TIMEOUT, "how long one node waits for another depends on which of the two asks"),
    (key::ZOOKEEPER_SESSION_TIMEOUT, "how soon a dead coordinator is replaced depends on which node it was"),
    (key::ZOOKEEPER_CONNECT_TIMEOUT, "nodes find their way back to ZooKeeper at different speeds"),
    (
        key::ZOOKEEPER_ROOT_NODE,
        "nodes with another root do not see the others, and are a cluster of their own",
    ),
    (
        key::ZOOKEEPER_CONNECT_STRING,
        "nodes of one cluster must reach the same ensemble; here all reach that of most nodes",
    ),
    (key::EMBEDDED_ZOOKEEPER_START, "here the value of most nodes holds for all"),
    (key::FIREWALL_FILE, "here the file of most nodes holds for all"),
];

/// The properties in which nodes should not differ and do.
fn differences(all: &Template, of: &BTreeMap<NodeNumber, Template>) -> Vec<SetupWarning> {
    if of.is_empty() {
        return Vec::new();
    }
    let value = |values: &NifiProperties, key| values.get(key).unwrap_or_default().to_owned();
    let all = all.properties.to_properties();
    let of = of.iter().map(|(node, template)| (*node, template.properties.to_properties()));
    let of: Vec<(NodeNumber, NifiProperties)> = of.collect();
    let of_key = |(key, effect): (&'static str, &'static str)| {
        let most = value(&all, key);
        let others = of.iter().map(|(node, values)| (*node, value(values, key)));
        let others: BTreeMap<_, _> = others.filter(|(_, other)| *other != most).collect();
        (!others.is_empty()).then_some(SetupWarning::Differs { key, most, others, effect })
    };
    ALIKE.into_iter().filter_map(of_key).collect()
}

/// Refuses a plan that is about a server that does not exist.
fn check_servers(plan: &Plan, servers: u32) -> Result<(), SetupError> {
    for step in &plan.steps {
        for selector in roles(&step.action) {
            if let Selector::ZooKeeperServer(server) = selector
                && server > servers
            {
                return Err(SetupError::NoSuchServer { step: doubts::words(step), server, servers });
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

/// The values of a file with the scenario's overrides on top, and what they mean.
fn read(scenario: &Scenario, text: Option<&str>) -> Result<(NifiProperties, ClusterProperties), SetupError> {
    let mut file = NifiProperties::parse(text.unwrap_or(SHIPPED_PROPERTIES));
    for (key, value) in &scenario.nifi {
        file.set(key, value);
    }
    let cluster = ClusterProperties::read(&file).map_err(SetupError::Property)?;
    check_election(&file, &cluster).map_err(SetupError::Property)?;
    Ok((file, cluster))
}

/// What nodes with these properties and rules are configured with, as if each were n1.
fn template(
    scenario: &Scenario,
    cluster: ClusterProperties,
    firewall: Option<&Firewall>,
    rules: &RuleChoice,
) -> Result<Template, SetupError> {
    let rules = rules.rules().ok_or_else(|| SetupError::Rules(rules.base().to_owned()))?;
    let hosts: BTreeMap<Arc<str>, Ipv4Addr> = match firewall {
        Some(_) => (1..=scenario.nodes).map(|node| (host(NodeNumber(node)), address(node))).collect(),
        None => BTreeMap::new(),
    };
    let api_port = cluster.api_address().map_or(API_PORT, |address| address.port);
    let protocol_port = cluster.node_protocol_port.unwrap_or(PROTOCOL_PORT);
    let config = NodeConfig {
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
        firewall: firewall.cloned(),
        hosts: Arc::new(hosts),
        queued: BTreeSet::new(),
        rules,
    };
    config.check().map_err(SetupError::Config)?;
    Ok(Template { config, properties: cluster })
}

/// The longest times and the largest counts of all nodes.
fn longest(all: &Template, of: &BTreeMap<NodeNumber, Template>) -> NodeConfig {
    let mut longest = all.config.clone();
    for Template { config, .. } in of.values() {
        // The window is their product, so the larger of two products is not enough: each is taken for itself.
        longest.heartbeat_interval = longest.heartbeat_interval.max(config.heartbeat_interval);
        longest.heartbeat_missable_max = longest.heartbeat_missable_max.max(config.heartbeat_missable_max);
        longest.flow_election_max_wait = longest.flow_election_max_wait.max(config.flow_election_max_wait);
        longest.session_timeout = longest.session_timeout.max(config.session_timeout);
        longest.connection_timeout = longest.connection_timeout.max(config.connection_timeout);
        longest.read_timeout = longest.read_timeout.max(config.read_timeout);
    }
    longest
}

impl Setup {
    /// Reads the configuration of `scenario`'s nodes. `properties`: the text of the file that it names; the shipped
    /// values when `None`. The scenario's own overrides come on top.
    ///
    /// # Errors
    /// When a value makes no sense: where, and what was expected.
    pub fn new(scenario: &Scenario, properties: Option<&str>) -> Result<Setup, SetupError> {
        let files = PropertyFiles { all: properties.map(str::to_owned), of: BTreeMap::new() };
        Setup::with_files(scenario, &files)
    }

    /// As [`Setup::new`], where nodes may have files of their own.
    ///
    /// # Errors
    /// When a value makes no sense: where, and what was expected.
    pub fn with_files(scenario: &Scenario, files: &PropertyFiles) -> Result<Setup, SetupError> {
        let (firewall, firewall_warnings) = match &scenario.firewall {
            Some(text) => {
                let (firewall, warnings) = Firewall::parse(text);
                (Some(firewall), warnings)
            }
            None => (None, Vec::new()),
        };
        let base = files.base(scenario.nodes);
        let (mut warnings, mut without_effect) = (Vec::new(), Vec::new());
        if let Some(text) = base {
            let file = NifiProperties::parse(text);
            warnings = key_warnings(&file);
            without_effect = property_keys::without_effect(&file);
        }
        let (file, cluster) = read(scenario, base)?;
        warnings.splice(0..0, value_warnings(&file));
        let zookeeper = zookeeper(scenario, &file, &cluster).map_err(SetupError::Property)?;
        check_servers(&scenario.plan, zookeeper.servers)?;
        let all = template(scenario, cluster, firewall.as_ref(), &scenario.rules)?;
        warnings.extend(all.config.warnings().into_iter().map(SetupWarning::Config));

        let mut of = BTreeMap::new();
        let named: BTreeSet<NodeNumber> = files.of.keys().chain(scenario.rules_of.keys()).copied().collect();
        for node in named {
            let of_node = |error| SetupError::OfNode { node, error: Box::new(error) };
            let own = files.of.get(&node).map(String::as_str);
            let rules = scenario.rules_of.get(&node).unwrap_or(&scenario.rules);
            if let Some(why) = scenario.rules.cannot_talk_with(rules) {
                return Err(SetupError::Strangers { node, why });
            }
            let (file, cluster) = read(scenario, own.or(base)).map_err(of_node)?;
            let template = template(scenario, cluster, firewall.as_ref(), rules).map_err(of_node)?;
            let mut found = value_warnings(&file);
            if let Some(text) = own.filter(|own| Some(*own) != base) {
                found.extend(key_warnings(&NifiProperties::parse(text)));
            }
            found.extend(template.config.warnings().into_iter().map(SetupWarning::Config));
            found.retain(|warning| !warnings.contains(warning));
            warnings.extend(
                found.into_iter().map(|warning| SetupWarning::OfNode { node, warning: Box::new(warning) }),
            );
            of.insert(node, template);
        }
        warnings.extend(differences(&all, &of));
        let blocked = match &scenario.firewall {
            Some(text) => oracle::blocked(text, scenario.nodes),
            None => BTreeSet::new(),
        };
        let common = longest(&all, &of);
        let session_timeout = common.session_timeout;
        Ok(Setup {
            all,
            of,
            common,
            blocked,
            session_timeout,
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

    /// What every node has in common; where nodes differ in a time or a count, the largest.
    #[must_use]
    pub fn common(&self) -> &NodeConfig {
        &self.common
    }

    /// What `node` is configured with, but for its identity.
    #[must_use]
    pub fn of_node(&self, node: NodeNumber) -> &NodeConfig {
        &self.template(node).config
    }

    /// `nifi.zookeeper.connect.timeout` of `node`.
    #[must_use]
    pub fn connect_timeout(&self, node: NodeNumber) -> Duration {
        self.template(node).properties.zookeeper.connect_timeout
    }

    fn template(&self, node: NodeNumber) -> &Template {
        self.of.get(&node).unwrap_or(&self.all)
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
        let template = self.of_node(node);
        let identity = &template.node;
        let queued = scenario.queued.get(&node);
        NodeConfig {
            node: Arc::new(NodeIdentifier::new(id, with_host(&identity.api), with_host(&identity.socket))),
            incarnation,
            queued: queued.into_iter().flatten().map(|queue| queue.as_str().into()).collect(),
            ..template.clone()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn files(all: Option<&str>, of: &[(u32, &str)]) -> PropertyFiles {
        PropertyFiles {
            all: all.map(str::to_owned),
            of: of.iter().map(|(node, text)| (NodeNumber(*node), (*text).to_owned())).collect(),
        }
    }

    #[test]
    fn a_node_is_configured_by_its_own_file_and_its_own_rules() {
        let scenario = Scenario::of(3).rules("1.28").rules_of("n3", "2.x").build().unwrap();
        let own = "nifi.cluster.protocol.heartbeat.interval=7 secs\nnifi.cluster.node.protocol.port=999\n";
        let setup =
            Setup::with_files(&scenario, &files(Some("nifi.web.http.port=1\n"), &[(2, own)])).unwrap();
        let interval = |node| setup.of_node(NodeNumber(node)).heartbeat_interval.as_secs();
        assert_eq!([1, 2, 3].map(interval), [5, 7, 5]);
        assert_eq!(setup.common().heartbeat_interval.as_secs(), 7);
        let port = |node| setup.node(&scenario, NodeNumber(node), NodeId(1), Incarnation(1)).node.socket.port;
        assert_eq!([1, 2, 3].map(port), [PROTOCOL_PORT, 999, PROTOCOL_PORT]);
        let rules = |node| setup.of_node(NodeNumber(node)).rules;
        assert_eq!(Some(rules(1)), Rules::named("1.28"));
        assert_eq!(Some(rules(3)), Rules::named("2.x"));
    }

    #[test]
    fn where_each_node_has_its_own_file_the_first_speaks_for_the_cluster() {
        let scenario = Scenario::of(2).build().unwrap();
        let one = "nifi.cluster.is.node=true\nnifi.zookeeper.connect.string=a,b,c\nnifi.zookeeper.session.timeout=6 secs\n";
        let two = "nifi.cluster.is.node=true\nnifi.zookeeper.connect.string=a,b,c\nnifi.zookeeper.session.timeout=8 secs\n";
        let setup = Setup::with_files(&scenario, &files(None, &[(1, one), (2, two)])).unwrap();
        assert_eq!((setup.zookeeper.servers, setup.session_timeout.as_secs()), (3, 8));
        let keys: Vec<&str> = setup.warnings.iter().map(SetupWarning::key).collect();
        assert_eq!(keys, [key::ZOOKEEPER_SESSION_TIMEOUT]);
    }

    #[test]
    fn every_property_that_should_be_alike_is_pointed_out_where_it_is_not() {
        let scenario = Scenario::of(2).build().unwrap();
        let values = [
            "2 secs", "3", "1 mins", "2", "6 secs", "7 secs", "8 secs", "9 secs", "/other", "h2", "true",
            "wall",
        ];
        for ((key, _), value) in ALIKE.into_iter().zip(values) {
            let own = format!("{key}={value}\n");
            let setup =
                Setup::with_files(&scenario, &files(Some("nifi.web.http.port=1\n"), &[(2, &own)])).unwrap();
            let differing = setup.warnings.iter().find_map(|warning| match warning {
                SetupWarning::Differs { key, others, .. } => Some((*key, others.len())),
                _ => None,
            });
            assert_eq!(differing, Some((key, 1)), "{key}");
        }
    }
}
