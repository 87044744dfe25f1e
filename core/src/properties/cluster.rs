//! What `nifi.properties` says about the cluster, with NiFi's defaults. What a node does with it, others decide.

use super::{NifiDuration, NifiProperties, key, parse_duration};
use crate::identity::Address;
use crate::time::micros;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

/// The cluster, ZooKeeper and flow election properties of one node, and the addresses that make its identifier.
///
/// A key that is absent or blank has the default of NiFi's code, which is not always what its file ships with: the
/// timeouts of ZooKeeper are 3 seconds here and 10 in the file. Durations are at most [`DURATION_MAX`] long, counts
/// at most `i32::MAX`, both as in Java.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClusterProperties {
    /// Whether this NiFi is a node of a cluster. Default: no.
    pub is_node: bool,
    /// Host of the node's cluster protocol. Default: localhost.
    pub node_address: Arc<str>,
    /// Port of the node's cluster protocol, which a node of a cluster needs. No default.
    pub node_protocol_port: Option<u16>,
    /// Most threads of the cluster protocol, at least 1. Default: 50.
    pub node_max_threads: u32,
    /// Events kept for each node; NiFi does not read it. Default: 25.
    pub node_event_history_size: u32,
    /// Timeout of a handshake between nodes; zero is none. Default: 5 seconds.
    pub node_connection_timeout: Duration,
    /// Timeout of a read between nodes; zero is none. Default: 5 seconds.
    pub node_read_timeout: Duration,
    /// Most replicated requests at a time, at least 1. Default: 100.
    pub node_max_concurrent_requests: u32,
    /// Period of heartbeats and of looking after them, at least 1 millisecond. Default: 5 seconds.
    pub heartbeat_interval: Duration,
    /// Heartbeats a node may miss, at least 1. Multiplied with the interval it fits an `Instant`. Default: 8.
    pub heartbeat_missable_max: u32,
    /// Whether the cluster protocol is encrypted. Default: no.
    pub protocol_is_secure: bool,
    /// File of the firewall's rules. Default: none, everybody may join.
    pub firewall_file: Option<Arc<str>>,
    /// Longest wait of the flow election, longer than zero. Default: 5 minutes.
    pub flow_election_max_wait: Duration,
    /// Number of votes that completes the flow election, at least 1. Default: none.
    pub flow_election_max_candidates: Option<u32>,
    /// Name of the class that elects the leaders. Default: `CuratorLeaderElectionManager`.
    pub leader_election_implementation: Arc<str>,
    /// Host that accepts load-balanced FlowFiles. Default: none, which means the node's address.
    pub load_balance_host: Option<Arc<str>>,
    /// Port that accepts load-balanced FlowFiles. Default: 6342.
    pub load_balance_port: u16,
    /// How to reach and use ZooKeeper.
    pub zookeeper: ZooKeeperProperties,
    /// Where the web API listens.
    pub web: WebProperties,
    /// Where site-to-site transfers are accepted.
    pub remote_input: RemoteInputProperties,
    /// Whether components are started with the node. Default: yes.
    pub auto_resume_state: bool,
    /// How long a stopping node waits for its components. Default: 10 seconds.
    pub graceful_shutdown_period: Duration,
}

/// How to reach and use ZooKeeper.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ZooKeeperProperties {
    /// The servers, in the order written; 2181 where no port is. Default: none.
    pub connect_string: Vec<Address>,
    /// Timeout of connecting, longer than zero. Default: 3 seconds.
    pub connect_timeout: Duration,
    /// Timeout asked for a session, longer than zero; the server has the last word. Default: 3 seconds.
    pub session_timeout: Duration,
    /// Znode under which everything is kept: a path that begins with `/`. Default: `/nifi`.
    pub root_node: Arc<str>,
    /// Whether connections are encrypted. Default: no.
    pub client_secure: bool,
    /// Whether the client follows changes of the ensemble. Default: yes.
    pub client_ensemble_tracker: bool,
    /// How the client identifies itself. Default: it does not.
    pub auth_type: ZooKeeperAuth,
    /// Whether the host is removed from the Kerberos principal. Default: yes.
    pub kerberos_remove_host: bool,
    /// Whether the realm is removed from the Kerberos principal. Default: yes.
    pub kerberos_remove_realm: bool,
    /// Largest packet in bytes, at least 1. Default: 1048575.
    pub jute_maxbuffer: u32,
    /// Whether this node runs one of the servers itself. Default: no.
    pub embedded_start: bool,
}

/// How the client identifies itself to ZooKeeper.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ZooKeeperAuth {
    /// Not at all: what it creates is open to everybody.
    Default,
    /// By Kerberos: what it creates is its own.
    Sasl,
}

/// Where the web API listens. Nothing has a default.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WebProperties {
    /// Host of the plain API.
    pub http_host: Option<Arc<str>>,
    /// Port of the plain API.
    pub http_port: Option<u16>,
    /// Host of the encrypted API.
    pub https_host: Option<Arc<str>>,
    /// Port of the encrypted API.
    pub https_port: Option<u16>,
}

/// Where site-to-site transfers are accepted.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RemoteInputProperties {
    /// Host name to tell others. Default: none, which means the node's own.
    pub host: Option<Arc<str>>,
    /// Port of the raw protocol. Default: none, the raw protocol is off.
    pub socket_port: Option<u16>,
    /// Whether transfers are encrypted. Default: yes.
    pub secure: bool,
    /// Whether the HTTP protocol is on. Default: no.
    pub http_enabled: bool,
}

/// A value that means nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PropertyError {
    /// Where the key stands, from 1; 0 when its value was set and stands in no file.
    pub line: u32,
    /// The key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// What could have stood there.
    pub expected: String,
}

impl fmt::Display for PropertyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        write!(f, "{} = {}: expected {}", self.key, self.value, self.expected)
    }
}

impl core::error::Error for PropertyError {}

/// The longest duration a property may have, about 292 years: what Java can count in nanoseconds.
pub const DURATION_MAX: Duration = Duration::from_secs(15_250 * 7 * 24 * 60 * 60);

impl ClusterProperties {
    /// Reads the properties. Keys that are not about the cluster are not looked at.
    ///
    /// # Errors
    /// The first value that means nothing. NiFi is more lenient with some: a switch is off for every word but "true",
    /// and a count that is none has its default.
    pub fn read(properties: &NifiProperties) -> Result<ClusterProperties, PropertyError> {
        let reader = Reader { properties };
        let heartbeat_interval =
            reader.duration(key::HEARTBEAT_INTERVAL, Duration::from_secs(5), Duration::from_millis(1))?;
        Ok(ClusterProperties {
            is_node: reader.switch(key::IS_NODE, false)?,
            node_address: reader.text_or(key::NODE_ADDRESS, "localhost"),
            node_protocol_port: reader.port(key::NODE_PROTOCOL_PORT)?,
            node_max_threads: reader.count(key::NODE_PROTOCOL_MAX_THREADS, 1)?.unwrap_or(50),
            node_event_history_size: reader.count(key::NODE_EVENT_HISTORY_SIZE, 0)?.unwrap_or(25),
            node_connection_timeout: reader.timeout(key::NODE_CONNECTION_TIMEOUT)?,
            node_read_timeout: reader.timeout(key::NODE_READ_TIMEOUT)?,
            node_max_concurrent_requests: reader.count(key::NODE_MAX_CONCURRENT_REQUESTS, 1)?.unwrap_or(100),
            heartbeat_interval,
            heartbeat_missable_max: reader.missable_max(heartbeat_interval)?,
            protocol_is_secure: reader.switch(key::PROTOCOL_IS_SECURE, false)?,
            firewall_file: reader.text(key::FIREWALL_FILE).map(Arc::from),
            flow_election_max_wait: reader.duration(
                key::FLOW_ELECTION_MAX_WAIT_TIME,
                Duration::from_secs(300),
                SHORTEST,
            )?,
            flow_election_max_candidates: reader.count(key::FLOW_ELECTION_MAX_CANDIDATES, 1)?,
            leader_election_implementation: reader
                .text_or(key::LEADER_ELECTION_IMPLEMENTATION, "CuratorLeaderElectionManager"),
            load_balance_host: reader.text(key::LOAD_BALANCE_HOST).map(Arc::from),
            load_balance_port: reader.port(key::LOAD_BALANCE_PORT)?.unwrap_or(6342),
            zookeeper: ZooKeeperProperties::read(reader)?,
            web: WebProperties::read(reader)?,
            remote_input: RemoteInputProperties::read(reader)?,
            auto_resume_state: reader.switch(key::AUTO_RESUME_STATE, true)?,
            graceful_shutdown_period: reader.duration(
                key::GRACEFUL_SHUTDOWN_PERIOD,
                Duration::from_secs(10),
                Duration::ZERO,
            )?,
        })
    }

    /// The properties as keys and values, defaults included. Reading them gives an equal value.
    #[must_use]
    pub fn to_properties(&self) -> NifiProperties {
        let mut properties = NifiProperties::default();
        let mut set = |key, value: &dyn fmt::Display| properties.set(key, &value.to_string());
        set(key::IS_NODE, &self.is_node);
        set(key::NODE_ADDRESS, &self.node_address);
        set(key::NODE_PROTOCOL_PORT, &or_blank(self.node_protocol_port.as_ref()));
        set(key::NODE_PROTOCOL_MAX_THREADS, &self.node_max_threads);
        set(key::NODE_EVENT_HISTORY_SIZE, &self.node_event_history_size);
        set(key::NODE_CONNECTION_TIMEOUT, &NifiDuration(self.node_connection_timeout));
        set(key::NODE_READ_TIMEOUT, &NifiDuration(self.node_read_timeout));
        set(key::NODE_MAX_CONCURRENT_REQUESTS, &self.node_max_concurrent_requests);
        set(key::HEARTBEAT_INTERVAL, &NifiDuration(self.heartbeat_interval));
        set(key::HEARTBEAT_MISSABLE_MAX, &self.heartbeat_missable_max);
        set(key::PROTOCOL_IS_SECURE, &self.protocol_is_secure);
        set(key::FIREWALL_FILE, &or_blank(self.firewall_file.as_ref()));
        set(key::FLOW_ELECTION_MAX_WAIT_TIME, &NifiDuration(self.flow_election_max_wait));
        set(key::FLOW_ELECTION_MAX_CANDIDATES, &or_blank(self.flow_election_max_candidates.as_ref()));
        set(key::LEADER_ELECTION_IMPLEMENTATION, &self.leader_election_implementation);
        set(key::LOAD_BALANCE_HOST, &or_blank(self.load_balance_host.as_ref()));
        set(key::LOAD_BALANCE_PORT, &self.load_balance_port);
        set(key::AUTO_RESUME_STATE, &self.auto_resume_state);
        set(key::GRACEFUL_SHUTDOWN_PERIOD, &NifiDuration(self.graceful_shutdown_period));
        self.zookeeper.write(&mut set);
        self.web.write(&mut set);
        self.remote_input.write(&mut set);
        properties
    }

    /// Where the node's web API listens: encrypted if that has a port, else plain; `None` when neither has one. A
    /// blank host is localhost.
    #[must_use]
    pub fn api_address(&self) -> Option<Address> {
        let web = &self.web;
        let (host, port) = match web.https_port {
            Some(port) => (&web.https_host, port),
            None => (&web.http_host, web.http_port?),
        };
        Some(Address::new(host.as_deref().unwrap_or("localhost"), port))
    }

    /// Where the node's cluster protocol listens; `None` when it has no port.
    #[must_use]
    pub fn protocol_address(&self) -> Option<Address> {
        self.node_protocol_port.map(|port| Address::new(&self.node_address, port))
    }
}

/// The properties of a file without any.
impl Default for ClusterProperties {
    fn default() -> Self {
        ClusterProperties::read(&NifiProperties::default()).expect("every default is in its own range")
    }
}

/// Prints the lines of a properties file, by key, defaults included.
impl fmt::Display for ClusterProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_properties().fmt(f)
    }
}

/// Takes a key and its value.
type Set<'a> = dyn FnMut(&'static str, &dyn fmt::Display) + 'a;

impl ZooKeeperProperties {
    fn read(reader: Reader<'_>) -> Result<Self, PropertyError> {
        let three_seconds = Duration::from_secs(3);
        Ok(ZooKeeperProperties {
            connect_string: reader
                .value(key::ZOOKEEPER_CONNECT_STRING, parse_connect_string, A_CONNECT_STRING)?
                .unwrap_or_default(),
            connect_timeout: reader.duration(key::ZOOKEEPER_CONNECT_TIMEOUT, three_seconds, SHORTEST)?,
            session_timeout: reader.duration(key::ZOOKEEPER_SESSION_TIMEOUT, three_seconds, SHORTEST)?,
            root_node: reader
                .value(key::ZOOKEEPER_ROOT_NODE, parse_znode, "the path of a znode such as /nifi")?
                .unwrap_or_else(|| "/nifi".into()),
            client_secure: reader.switch(key::ZOOKEEPER_CLIENT_SECURE, false)?,
            client_ensemble_tracker: reader.switch(key::ZOOKEEPER_CLIENT_ENSEMBLE_TRACKER, true)?,
            auth_type: reader
                .value(key::ZOOKEEPER_AUTH_TYPE, parse_auth, "\"default\" or \"sasl\"")?
                .unwrap_or(ZooKeeperAuth::Default),
            kerberos_remove_host: reader.switch(key::ZOOKEEPER_KERBEROS_REMOVE_HOST, true)?,
            kerberos_remove_realm: reader.switch(key::ZOOKEEPER_KERBEROS_REMOVE_REALM, true)?,
            jute_maxbuffer: reader.count(key::ZOOKEEPER_JUTE_MAXBUFFER, 1)?.unwrap_or(0xf_ffff),
            embedded_start: reader.switch(key::EMBEDDED_ZOOKEEPER_START, false)?,
        })
    }

    fn write(&self, set: &mut Set<'_>) {
        let servers: Vec<_> = self.connect_string.iter().map(Address::to_string).collect();
        set(key::ZOOKEEPER_CONNECT_STRING, &servers.join(","));
        set(key::ZOOKEEPER_CONNECT_TIMEOUT, &NifiDuration(self.connect_timeout));
        set(key::ZOOKEEPER_SESSION_TIMEOUT, &NifiDuration(self.session_timeout));
        set(key::ZOOKEEPER_ROOT_NODE, &self.root_node);
        set(key::ZOOKEEPER_CLIENT_SECURE, &self.client_secure);
        set(key::ZOOKEEPER_CLIENT_ENSEMBLE_TRACKER, &self.client_ensemble_tracker);
        set(key::ZOOKEEPER_AUTH_TYPE, &self.auth_type);
        set(key::ZOOKEEPER_KERBEROS_REMOVE_HOST, &self.kerberos_remove_host);
        set(key::ZOOKEEPER_KERBEROS_REMOVE_REALM, &self.kerberos_remove_realm);
        set(key::ZOOKEEPER_JUTE_MAXBUFFER, &self.jute_maxbuffer);
        set(key::EMBEDDED_ZOOKEEPER_START, &self.embedded_start);
    }
}

impl fmt::Display for ZooKeeperAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ZooKeeperAuth::Default => "default",
            ZooKeeperAuth::Sasl => "sasl",
        })
    }
}

impl WebProperties {
    fn read(reader: Reader<'_>) -> Result<Self, PropertyError> {
        Ok(WebProperties {
            http_host: reader.text(key::WEB_HTTP_HOST).map(Arc::from),
            http_port: reader.port(key::WEB_HTTP_PORT)?,
            https_host: reader.text(key::WEB_HTTPS_HOST).map(Arc::from),
            https_port: reader.port(key::WEB_HTTPS_PORT)?,
        })
    }

    fn write(&self, set: &mut Set<'_>) {
        set(key::WEB_HTTP_HOST, &or_blank(self.http_host.as_ref()));
        set(key::WEB_HTTP_PORT, &or_blank(self.http_port.as_ref()));
        set(key::WEB_HTTPS_HOST, &or_blank(self.https_host.as_ref()));
        set(key::WEB_HTTPS_PORT, &or_blank(self.https_port.as_ref()));
    }
}

impl RemoteInputProperties {
    fn read(reader: Reader<'_>) -> Result<Self, PropertyError> {
        Ok(RemoteInputProperties {
            host: reader.text(key::REMOTE_INPUT_HOST).map(Arc::from),
            socket_port: reader.port(key::REMOTE_INPUT_SOCKET_PORT)?,
            secure: reader.switch(key::REMOTE_INPUT_SECURE, true)?,
            http_enabled: reader.switch(key::REMOTE_INPUT_HTTP_ENABLED, false)?,
        })
    }

    fn write(&self, set: &mut Set<'_>) {
        set(key::REMOTE_INPUT_HOST, &or_blank(self.host.as_ref()));
        set(key::REMOTE_INPUT_SOCKET_PORT, &or_blank(self.socket_port.as_ref()));
        set(key::REMOTE_INPUT_SECURE, &self.secure);
        set(key::REMOTE_INPUT_HTTP_ENABLED, &self.http_enabled);
    }
}

/// Reads values of one kind each; a blank value is none.
#[derive(Clone, Copy)]
struct Reader<'a> {
    properties: &'a NifiProperties,
}

impl<'a> Reader<'a> {
    fn text(self, key: &str) -> Option<&'a str> {
        self.properties.get(key).filter(|value| !value.is_empty())
    }

    fn text_or(self, key: &str, default: &str) -> Arc<str> {
        self.text(key).unwrap_or(default).into()
    }

    fn value<T>(
        self,
        key: &str,
        parse: impl FnOnce(&str) -> Option<T>,
        expected: &str,
    ) -> Result<Option<T>, PropertyError> {
        match self.text(key).map(parse) {
            Some(Some(value)) => Ok(Some(value)),
            Some(None) => Err(self.error(key, expected)),
            None => Ok(None),
        }
    }

    fn switch(self, key: &str, default: bool) -> Result<bool, PropertyError> {
        let parse = |text: &str| text.to_ascii_lowercase().parse().ok();
        Ok(self.value(key, parse, "\"true\" or \"false\"")?.unwrap_or(default))
    }

    fn port(self, key: &str) -> Result<Option<u16>, PropertyError> {
        self.value(key, |text| text.parse().ok().filter(|port| *port > 0), "a port from 1 to 65535")
    }

    fn count(self, key: &str, least: u32) -> Result<Option<u32>, PropertyError> {
        let in_range = |count: &u32| (least..=COUNT_MAX).contains(count);
        let expected = format!("a whole number from {least} to {COUNT_MAX}");
        self.value(key, |text| text.parse().ok().filter(in_range), &expected)
    }

    fn missable_max(self, interval: Duration) -> Result<u32, PropertyError> {
        let key = key::HEARTBEAT_MISSABLE_MAX;
        let count = self.count(key, 1)?.unwrap_or(8);
        let most = u64::MAX / micros(interval);
        if u64::from(count) > most {
            return Err(self.error(key, &format!("at most {most} with this heartbeat interval")));
        }
        Ok(count)
    }

    fn duration(self, key: &str, default: Duration, least: Duration) -> Result<Duration, PropertyError> {
        let duration = self.value(key, parse_duration, A_DURATION)?.unwrap_or(default);
        if duration < least {
            return Err(self.error(key, &format!("at least {}", NifiDuration(least))));
        }
        if duration > DURATION_MAX {
            return Err(self.error(key, &format!("at most {}", NifiDuration(DURATION_MAX))));
        }
        Ok(duration)
    }

    fn timeout(self, key: &str) -> Result<Duration, PropertyError> {
        self.duration(key, Duration::from_secs(5), Duration::ZERO)
    }

    fn error(self, key: &str, expected: &str) -> PropertyError {
        PropertyError {
            line: self.properties.line(key).unwrap_or(0),
            key: key.to_owned(),
            value: self.properties.get(key).unwrap_or_default().to_owned(),
            expected: expected.to_owned(),
        }
    }
}

fn or_blank<T: ToString>(value: Option<&T>) -> String {
    value.map(T::to_string).unwrap_or_default()
}

/// Reads servers between commas.
fn parse_connect_string(text: &str) -> Option<Vec<Address>> {
    text.split(',').map(str::trim).filter(|server| !server.is_empty()).map(parse_server).collect()
}

/// Reads `host:port`, `host` or `host:`, as `ZooKeeperClientConfig.cleanConnectString` does: an address of IPv6 has more than
/// two parts, and is refused. So is a path behind the server: NiFi has a property for the root node.
fn parse_server(text: &str) -> Option<Address> {
    let server = match text.split_once(':') {
        Some((host, port)) if port.trim().is_empty() => Address::new(host, ZOOKEEPER_PORT),
        Some(_) => Address::parse(text)?,
        None => Address::new(text, ZOOKEEPER_PORT),
    };
    let is_wrong = |c: char| c == '/' || c == ':' || c.is_whitespace();
    (server.port > 0 && !server.host.is_empty() && !server.host.contains(is_wrong)).then_some(server)
}

/// Reads an absolute path without empty or relative parts.
fn parse_znode(text: &str) -> Option<Arc<str>> {
    let parts = text.strip_prefix('/')?;
    let is_part = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(char::is_control);
    (parts.is_empty() || parts.split('/').all(is_part)).then(|| text.into())
}

fn parse_auth(text: &str) -> Option<ZooKeeperAuth> {
    [ZooKeeperAuth::Default, ZooKeeperAuth::Sasl]
        .into_iter()
        .find(|auth| auth.to_string().eq_ignore_ascii_case(text))
}

/// Where ZooKeeper listens if nobody says otherwise.
const ZOOKEEPER_PORT: u16 = 2181;
/// The largest count in Java.
const COUNT_MAX: u32 = i32::MAX.unsigned_abs();
/// The shortest duration that is longer than zero.
const SHORTEST: Duration = Duration::from_nanos(1);
const A_DURATION: &str = "a duration such as \"5 secs\" or \"5 mins\"";
const A_CONNECT_STRING: &str = "servers such as \"zk1:2181,zk2:2181\", without a path";

#[cfg(test)]
mod tests;
