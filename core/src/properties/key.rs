//! The keys of `nifi.properties` that [`ClusterProperties`](super::ClusterProperties) reads.

/// Whether this NiFi is a node of a cluster.
pub const IS_NODE: &str = "nifi.cluster.is.node";
/// Host of the node's cluster protocol.
pub const NODE_ADDRESS: &str = "nifi.cluster.node.address";
/// Port of the node's cluster protocol.
pub const NODE_PROTOCOL_PORT: &str = "nifi.cluster.node.protocol.port";
/// Most threads of the cluster protocol.
pub const NODE_PROTOCOL_MAX_THREADS: &str = "nifi.cluster.node.protocol.max.threads";
/// Events kept for each node.
pub const NODE_EVENT_HISTORY_SIZE: &str = "nifi.cluster.node.event.history.size";
/// Timeout of a handshake between nodes.
pub const NODE_CONNECTION_TIMEOUT: &str = "nifi.cluster.node.connection.timeout";
/// Timeout of a read between nodes.
pub const NODE_READ_TIMEOUT: &str = "nifi.cluster.node.read.timeout";
/// Most replicated requests at a time.
pub const NODE_MAX_CONCURRENT_REQUESTS: &str = "nifi.cluster.node.max.concurrent.requests";
/// Period of heartbeats.
pub const HEARTBEAT_INTERVAL: &str = "nifi.cluster.protocol.heartbeat.interval";
/// Heartbeats a node may miss.
pub const HEARTBEAT_MISSABLE_MAX: &str = "nifi.cluster.protocol.heartbeat.missable.max";
/// Whether the cluster protocol is encrypted.
pub const PROTOCOL_IS_SECURE: &str = "nifi.cluster.protocol.is.secure";
/// File of the firewall's rules.
pub const FIREWALL_FILE: &str = "nifi.cluster.firewall.file";
/// Longest wait of the flow election.
pub const FLOW_ELECTION_MAX_WAIT_TIME: &str = "nifi.cluster.flow.election.max.wait.time";
/// Votes that complete the flow election.
pub const FLOW_ELECTION_MAX_CANDIDATES: &str = "nifi.cluster.flow.election.max.candidates";
/// What elects the leaders.
pub const LEADER_ELECTION_IMPLEMENTATION: &str = "nifi.cluster.leader.election.implementation";
/// Host that accepts load-balanced FlowFiles.
pub const LOAD_BALANCE_HOST: &str = "nifi.cluster.load.balance.host";
/// Port that accepts load-balanced FlowFiles.
pub const LOAD_BALANCE_PORT: &str = "nifi.cluster.load.balance.port";
/// The ZooKeeper servers.
pub const ZOOKEEPER_CONNECT_STRING: &str = "nifi.zookeeper.connect.string";
/// Timeout of connecting to ZooKeeper.
pub const ZOOKEEPER_CONNECT_TIMEOUT: &str = "nifi.zookeeper.connect.timeout";
/// Timeout of a session with ZooKeeper.
pub const ZOOKEEPER_SESSION_TIMEOUT: &str = "nifi.zookeeper.session.timeout";
/// Znode under which everything is kept.
pub const ZOOKEEPER_ROOT_NODE: &str = "nifi.zookeeper.root.node";
/// Whether connections to ZooKeeper are encrypted.
pub const ZOOKEEPER_CLIENT_SECURE: &str = "nifi.zookeeper.client.secure";
/// Whether the client follows changes of the ensemble.
pub const ZOOKEEPER_CLIENT_ENSEMBLE_TRACKER: &str = "nifi.zookeeper.client.ensembleTracker";
/// How the client identifies itself to ZooKeeper.
pub const ZOOKEEPER_AUTH_TYPE: &str = "nifi.zookeeper.auth.type";
/// Whether the host is removed from the Kerberos principal.
pub const ZOOKEEPER_KERBEROS_REMOVE_HOST: &str = "nifi.zookeeper.kerberos.removeHostFromPrincipal";
/// Whether the realm is removed from the Kerberos principal.
pub const ZOOKEEPER_KERBEROS_REMOVE_REALM: &str = "nifi.zookeeper.kerberos.removeRealmFromPrincipal";
/// Largest packet from ZooKeeper.
pub const ZOOKEEPER_JUTE_MAXBUFFER: &str = "nifi.zookeeper.jute.maxbuffer";
/// Whether the node runs a ZooKeeper server.
pub const EMBEDDED_ZOOKEEPER_START: &str = "nifi.state.management.embedded.zookeeper.start";
/// Whether components are started with the node.
pub const AUTO_RESUME_STATE: &str = "nifi.flowcontroller.autoResumeState";
/// How long a stopping node waits for its components.
pub const GRACEFUL_SHUTDOWN_PERIOD: &str = "nifi.flowcontroller.graceful.shutdown.period";
/// Host of the plain web API.
pub const WEB_HTTP_HOST: &str = "nifi.web.http.host";
/// Port of the plain web API.
pub const WEB_HTTP_PORT: &str = "nifi.web.http.port";
/// Host of the encrypted web API.
pub const WEB_HTTPS_HOST: &str = "nifi.web.https.host";
/// Port of the encrypted web API.
pub const WEB_HTTPS_PORT: &str = "nifi.web.https.port";
/// Host that accepts site-to-site transfers.
pub const REMOTE_INPUT_HOST: &str = "nifi.remote.input.host";
/// Port that accepts raw site-to-site transfers.
pub const REMOTE_INPUT_SOCKET_PORT: &str = "nifi.remote.input.socket.port";
/// Whether site-to-site transfers are encrypted.
pub const REMOTE_INPUT_SECURE: &str = "nifi.remote.input.secure";
/// Whether site-to-site transfers over HTTP are accepted.
pub const REMOTE_INPUT_HTTP_ENABLED: &str = "nifi.remote.input.http.enabled";

/// How the keys about the cluster begin.
pub const CLUSTER_GROUPS: [&str; 3] = ["nifi.cluster.", "nifi.zookeeper.", "nifi.state.management."];

/// Every key in [`CLUSTER_GROUPS`] that NiFi 1.0 to 2.9 know, sorted: the constants of `NiFiProperties`, and what the
/// shipped files name beside them.
pub const CLUSTER_KEYS: [&str; 44] = [
    FIREWALL_FILE,
    FLOW_ELECTION_MAX_CANDIDATES,
    FLOW_ELECTION_MAX_WAIT_TIME,
    IS_NODE,
    LEADER_ELECTION_IMPLEMENTATION,
    "nifi.cluster.leader.election.kubernetes.lease.prefix",
    "nifi.cluster.load.balance.comms.timeout",
    "nifi.cluster.load.balance.connections.per.node",
    LOAD_BALANCE_HOST,
    "nifi.cluster.load.balance.max.thread.count",
    LOAD_BALANCE_PORT,
    NODE_ADDRESS,
    NODE_CONNECTION_TIMEOUT,
    NODE_EVENT_HISTORY_SIZE,
    NODE_MAX_CONCURRENT_REQUESTS,
    NODE_PROTOCOL_MAX_THREADS,
    NODE_PROTOCOL_PORT,
    "nifi.cluster.node.protocol.threads",
    NODE_READ_TIMEOUT,
    HEARTBEAT_INTERVAL,
    HEARTBEAT_MISSABLE_MAX,
    PROTOCOL_IS_SECURE,
    "nifi.state.management.configuration.file",
    "nifi.state.management.embedded.zookeeper.properties",
    EMBEDDED_ZOOKEEPER_START,
    "nifi.state.management.provider.cluster",
    "nifi.state.management.provider.cluster.previous",
    "nifi.state.management.provider.local",
    ZOOKEEPER_AUTH_TYPE,
    ZOOKEEPER_CLIENT_ENSEMBLE_TRACKER,
    ZOOKEEPER_CLIENT_SECURE,
    ZOOKEEPER_CONNECT_STRING,
    ZOOKEEPER_CONNECT_TIMEOUT,
    ZOOKEEPER_JUTE_MAXBUFFER,
    ZOOKEEPER_KERBEROS_REMOVE_HOST,
    ZOOKEEPER_KERBEROS_REMOVE_REALM,
    ZOOKEEPER_ROOT_NODE,
    "nifi.zookeeper.security.keystore",
    "nifi.zookeeper.security.keystorePasswd",
    "nifi.zookeeper.security.keystoreType",
    "nifi.zookeeper.security.truststore",
    "nifi.zookeeper.security.truststorePasswd",
    "nifi.zookeeper.security.truststoreType",
    ZOOKEEPER_SESSION_TIMEOUT,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_about_the_cluster_are_sorted_and_begin_as_their_groups_do() {
        assert!(CLUSTER_KEYS.is_sorted_by(|one, next| one < next));
        assert!(CLUSTER_KEYS.iter().all(|key| CLUSTER_GROUPS.iter().any(|group| key.starts_with(group))));
    }
}
