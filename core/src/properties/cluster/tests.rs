//! Tests of the cluster properties on small texts. Whole files of NiFi's are in `tests/real_files.rs`.

use super::*;
use proptest::prelude::*;

fn read(text: &str) -> Result<ClusterProperties, PropertyError> {
    ClusterProperties::read(&NifiProperties::parse(text))
}

/// `text` must change the defaults as `change` does, and what is printed then must read back.
#[track_caller]
fn check(text: &str, change: impl FnOnce(&mut ClusterProperties)) {
    let mut expected = ClusterProperties::default();
    change(&mut expected);
    assert_eq!(read(text).as_ref(), Ok(&expected), "{text:?}");
    assert_eq!(read(&expected.to_string()), Ok(expected));
}

/// The key must refuse the value, and the words must name the line and what was expected.
#[track_caller]
fn check_error(key: &str, value: &str, expected: &str) {
    let error = read(&format!("# one comment\n\n{key} = {value}\n")).unwrap_err();
    assert_eq!(error.to_string(), format!("line 3: {key} = {value}: expected {expected}"));
}

#[test]
fn without_properties_everything_has_the_default_of_nifis_code() {
    let read = ClusterProperties::default();
    assert!(!read.is_node && !read.protocol_is_secure);
    assert_eq!((&*read.node_address, read.node_protocol_port), ("localhost", None));
    assert_eq!((read.node_max_threads, read.node_event_history_size), (50, 25));
    assert_eq!(read.node_connection_timeout, Duration::from_secs(5));
    assert_eq!(read.node_read_timeout, Duration::from_secs(5));
    assert_eq!(read.node_max_concurrent_requests, 100);
    assert_eq!((read.heartbeat_interval, read.heartbeat_missable_max), (Duration::from_secs(5), 8));
    assert_eq!(read.firewall_file, None);
    assert_eq!(read.flow_election_max_wait, Duration::from_secs(300));
    assert_eq!(read.flow_election_max_candidates, None);
    assert_eq!(&*read.leader_election_implementation, "CuratorLeaderElectionManager");
    assert_eq!((read.load_balance_host, read.load_balance_port), (None, 6342));
    assert_eq!((read.auto_resume_state, read.graceful_shutdown_period), (true, Duration::from_secs(10)));
}

#[test]
fn without_properties_zookeeper_web_and_site_to_site_have_the_defaults_of_nifis_code() {
    let read = ClusterProperties::default();
    let three_seconds = Duration::from_secs(3);
    let zookeeper = ZooKeeperProperties {
        connect_string: Vec::new(),
        connect_timeout: three_seconds,
        session_timeout: three_seconds,
        root_node: "/nifi".into(),
        client_secure: false,
        client_ensemble_tracker: true,
        auth_type: ZooKeeperAuth::Default,
        kerberos_remove_host: true,
        kerberos_remove_realm: true,
        jute_maxbuffer: 1_048_575,
        embedded_start: false,
    };
    assert_eq!(read.zookeeper, zookeeper);
    let web = WebProperties { http_host: None, http_port: None, https_host: None, https_port: None };
    assert_eq!(read.web, web);
    let remote_input =
        RemoteInputProperties { host: None, socket_port: None, secure: true, http_enabled: false };
    assert_eq!(read.remote_input, remote_input);
    assert_eq!((read.api_address(), read.protocol_address()), (None, None));
}

#[test]
fn blank_values_are_defaults() {
    let blank: String =
        ClusterProperties::default().to_properties().iter().map(|(key, _)| format!("{key}=  \n")).collect();
    check(&blank, |_| ());
}

#[test]
fn keys_of_other_concerns_are_not_looked_at() {
    check("nifi.version=apples\nnifi.cluster.node.protocol.threads=pears\nplums", |_| ());
}

#[test]
fn each_cluster_key_sets_its_own_property() {
    check("nifi.cluster.is.node=TRUE", |cluster| cluster.is_node = true);
    check("nifi.cluster.node.address=n1", |cluster| cluster.node_address = "n1".into());
    check("nifi.cluster.node.protocol.port=65535", |cluster| cluster.node_protocol_port = Some(65535));
    check("nifi.cluster.node.protocol.max.threads=1", |cluster| cluster.node_max_threads = 1);
    check("nifi.cluster.node.event.history.size=0", |cluster| cluster.node_event_history_size = 0);
    check("nifi.cluster.node.connection.timeout=0 secs", |cluster| {
        cluster.node_connection_timeout = Duration::ZERO;
    });
    check("nifi.cluster.node.read.timeout=30 secs", |cluster| {
        cluster.node_read_timeout = Duration::from_secs(30);
    });
    check("nifi.cluster.node.max.concurrent.requests=7", |cluster| cluster.node_max_concurrent_requests = 7);
    check("nifi.cluster.protocol.heartbeat.interval=1 ms", |cluster| {
        cluster.heartbeat_interval = Duration::from_millis(1);
    });
    check("nifi.cluster.protocol.heartbeat.missable.max=1", |cluster| cluster.heartbeat_missable_max = 1);
    check("nifi.cluster.protocol.is.secure=true", |cluster| cluster.protocol_is_secure = true);
    check("nifi.cluster.firewall.file=./conf/fire wall", |cluster| {
        cluster.firewall_file = Some("./conf/fire wall".into());
    });
    check("nifi.cluster.flow.election.max.wait.time=1 ns", |cluster| {
        cluster.flow_election_max_wait = Duration::from_nanos(1);
    });
    check("nifi.cluster.flow.election.max.candidates=3", |cluster| {
        cluster.flow_election_max_candidates = Some(3);
    });
    check("nifi.cluster.leader.election.implementation=KubernetesLeaderElectionManager", |cluster| {
        cluster.leader_election_implementation = "KubernetesLeaderElectionManager".into();
    });
    check("nifi.cluster.load.balance.host=lb", |cluster| cluster.load_balance_host = Some("lb".into()));
    check("nifi.cluster.load.balance.port=6341", |cluster| cluster.load_balance_port = 6341);
    check("nifi.flowcontroller.autoResumeState=false", |cluster| cluster.auto_resume_state = false);
    check("nifi.flowcontroller.graceful.shutdown.period=0 secs", |cluster| {
        cluster.graceful_shutdown_period = Duration::ZERO;
    });
}

#[test]
fn each_zookeeper_key_sets_its_own_property() {
    check("nifi.zookeeper.connect.string=zk1:2182, zk2 ,zk3:,", |cluster| {
        let servers = [Address::new("zk1", 2182), Address::new("zk2", 2181), Address::new("zk3", 2181)];
        cluster.zookeeper.connect_string = servers.into();
    });
    check("nifi.zookeeper.connect.timeout=4 secs", |cluster| {
        cluster.zookeeper.connect_timeout = Duration::from_secs(4);
    });
    check("nifi.zookeeper.session.timeout=1.5 secs", |cluster| {
        cluster.zookeeper.session_timeout = Duration::from_millis(1_500);
    });
    check("nifi.zookeeper.root.node=/", |cluster| cluster.zookeeper.root_node = "/".into());
    check("nifi.zookeeper.root.node=/a/b", |cluster| cluster.zookeeper.root_node = "/a/b".into());
    check("nifi.zookeeper.client.secure=true", |cluster| cluster.zookeeper.client_secure = true);
    check("nifi.zookeeper.client.ensembleTracker=false", |cluster| {
        cluster.zookeeper.client_ensemble_tracker = false;
    });
    check("nifi.zookeeper.auth.type=SASL", |cluster| cluster.zookeeper.auth_type = ZooKeeperAuth::Sasl);
    check("nifi.zookeeper.kerberos.removeHostFromPrincipal=false", |cluster| {
        cluster.zookeeper.kerberos_remove_host = false;
    });
    check("nifi.zookeeper.kerberos.removeRealmFromPrincipal=false", |cluster| {
        cluster.zookeeper.kerberos_remove_realm = false;
    });
    check("nifi.zookeeper.jute.maxbuffer=4194304", |cluster| cluster.zookeeper.jute_maxbuffer = 4_194_304);
    check("nifi.state.management.embedded.zookeeper.start=true", |cluster| {
        cluster.zookeeper.embedded_start = true;
    });
}

#[test]
fn each_web_and_site_to_site_key_sets_its_own_property() {
    check("nifi.web.http.host=a", |cluster| cluster.web.http_host = Some("a".into()));
    check("nifi.web.http.port=8080", |cluster| cluster.web.http_port = Some(8080));
    check("nifi.web.https.host=b", |cluster| cluster.web.https_host = Some("b".into()));
    check("nifi.web.https.port=8443", |cluster| cluster.web.https_port = Some(8443));
    check("nifi.remote.input.host=c", |cluster| cluster.remote_input.host = Some("c".into()));
    check("nifi.remote.input.socket.port=7781", |cluster| cluster.remote_input.socket_port = Some(7781));
    check("nifi.remote.input.secure=false", |cluster| cluster.remote_input.secure = false);
    check("nifi.remote.input.http.enabled=true", |cluster| cluster.remote_input.http_enabled = true);
}

#[test]
fn the_encrypted_api_goes_before_the_plain_one() {
    let mut cluster = ClusterProperties::default();
    cluster.web.http_port = Some(8080);
    assert_eq!(cluster.api_address(), Some(Address::new("localhost", 8080)));
    cluster.web.https_port = Some(8443);
    cluster.web.https_host = Some("n1".into());
    assert_eq!(cluster.api_address(), Some(Address::new("n1", 8443)));
    cluster.node_protocol_port = Some(11443);
    assert_eq!(cluster.protocol_address(), Some(Address::new("localhost", 11443)));
}

#[test]
fn a_wrong_duration_is_an_error() {
    for value in ["5 apples", "5", "-5 secs", "secs"] {
        check_error(key::HEARTBEAT_INTERVAL, value, "a duration such as \"5 secs\" or \"5 mins\"");
    }
    check_error(key::HEARTBEAT_INTERVAL, "0 secs", "at least 1 milli");
    check_error(key::HEARTBEAT_INTERVAL, "999999 nanos", "at least 1 milli");
    check_error(key::FLOW_ELECTION_MAX_WAIT_TIME, "0 mins", "at least 1 nano");
    check_error(key::ZOOKEEPER_SESSION_TIMEOUT, "0 secs", "at least 1 nano");
    check_error(key::ZOOKEEPER_CONNECT_TIMEOUT, "15251 weeks", "at most 15250 weeks");
}

#[test]
fn a_wrong_number_is_an_error() {
    for value in ["0", "-1", "eight", "8.0", "2147483648"] {
        check_error(key::HEARTBEAT_MISSABLE_MAX, value, "a whole number from 1 to 2147483647");
        check_error(key::FLOW_ELECTION_MAX_CANDIDATES, value, "a whole number from 1 to 2147483647");
    }
    for value in ["0", "65536", "http"] {
        check_error(key::NODE_PROTOCOL_PORT, value, "a port from 1 to 65535");
        check_error(key::WEB_HTTPS_PORT, value, "a port from 1 to 65535");
    }
}

#[test]
fn the_silence_a_node_is_allowed_must_fit_the_clock() {
    let interval = "nifi.cluster.protocol.heartbeat.interval=15250 weeks\n";
    assert!(read(&format!("{interval}{}=2000", key::HEARTBEAT_MISSABLE_MAX)).is_ok());
    let error = read(&format!("{interval}{}=2001", key::HEARTBEAT_MISSABLE_MAX)).unwrap_err();
    assert_eq!((error.line, &*error.expected), (2, "at most 2000 with this heartbeat interval"));
}

#[test]
fn a_wrong_word_is_an_error() {
    for value in ["yes", "1", "true false"] {
        check_error(key::IS_NODE, value, "\"true\" or \"false\"");
    }
    check_error(key::ZOOKEEPER_AUTH_TYPE, "digest", "\"default\" or \"sasl\"");
    for value in ["nifi", "/nifi/", "//nifi", "/nifi/../other"] {
        check_error(key::ZOOKEEPER_ROOT_NODE, value, "the path of a znode such as /nifi");
    }
    for value in [":2181", ":", "[::1]:2183", "zk1:0", "zk1:2181/chroot", "zk1/chroot", "zk1 zk2", "::1:2181"]
    {
        check_error(
            key::ZOOKEEPER_CONNECT_STRING,
            value,
            "servers such as \"zk1:2181,zk2:2181\", without a path",
        );
    }
}

#[test]
fn a_wrong_value_that_was_set_is_told_without_a_line() {
    let mut properties = NifiProperties::parse("nifi.cluster.is.node=true");
    properties.set(key::IS_NODE, "maybe");
    let error = ClusterProperties::read(&properties).unwrap_err();
    assert_eq!(error.to_string(), "nifi.cluster.is.node = maybe: expected \"true\" or \"false\"");
}

/// A value for any key, often of the kind that the key takes.
fn some_value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9]{1,5}",
        "(true|false|default|sasl)",
        "[0-9]{1,6}(\\.[0-9]{1,4})? (ns|ms|secs|mins|weeks)",
        "[a-z]{1,5}(:[0-9]{1,4})?(, ?[a-z]{1,5}:[0-9]{1,4}){0,2}",
        "(/[a-z]{1,3}){1,3}",
        "[ -~\\\\=:\t\u{e9}]{0,12}",
    ]
}

/// Keys, by their place among all keys, and values for them.
fn some_changes() -> impl Strategy<Value = Vec<(prop::sample::Index, String)>> {
    prop::collection::vec((any::<prop::sample::Index>(), some_value()), 0..40)
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(changes in some_changes()) {
        let mut properties = ClusterProperties::default().to_properties();
        let keys: Vec<String> = properties.iter().map(|(key, _)| key.to_owned()).collect();
        for (index, value) in changes {
            let mut changed = properties.clone();
            changed.set(index.get::<String>(&keys), &value);
            if ClusterProperties::read(&changed).is_ok() {
                properties = changed;
            }
        }
        let cluster = ClusterProperties::read(&properties).unwrap();
        prop_assert_eq!(read(&cluster.to_string()), Ok(cluster.clone()));
        prop_assert_eq!(ClusterProperties::read(&cluster.to_properties()), Ok(cluster));
    }

    #[test]
    fn any_value_of_any_key_is_read_or_refused(index: prop::sample::Index, value in ".{0,30}") {
        let mut properties = ClusterProperties::default().to_properties();
        let keys: Vec<String> = properties.iter().map(|(key, _)| key.to_owned()).collect();
        properties.set(index.get::<String>(&keys), &value);
        let _ = ClusterProperties::read(&properties);
    }
}
