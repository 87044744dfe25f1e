//! Files as NiFi ships them. They are not part of this project; where they are absent, these tests say so and pass.

use std::path::{Path, PathBuf};
use std::time::Duration;
use zeromaster_core::firewall::Firewall;
use zeromaster_core::identity::Address;
use zeromaster_core::properties::{ClusterProperties, NifiProperties, ZooKeeperAuth, key};

/// The text of a file of NiFi's, if there is one.
fn text(file: &str) -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/nifi");
    let path: PathBuf = root.join(file);
    let text = std::fs::read_to_string(&path).ok();
    if text.is_none() {
        eprintln!("skipped: there is no {}", path.display());
    }
    text
}

/// Reads the file, checks that what is printed reads back, and hands the properties to `check`.
#[track_caller]
fn check(file: &str, check: impl FnOnce(&ClusterProperties)) {
    let Some(text) = text(file) else { return };
    let cluster = ClusterProperties::read(&NifiProperties::parse(&text)).unwrap();
    assert_eq!(ClusterProperties::read(&NifiProperties::parse(&cluster.to_string())), Ok(cluster.clone()));
    check(&cluster);
}

/// The line of `text` on which `key` has its value, looked for the simple way.
fn line_of(text: &str, key: &str) -> Option<u32> {
    (1..).zip(text.lines()).find(|(_, line)| line.split('=').next() == Some(key)).map(|(line, _)| line)
}

#[test]
fn release_1_0_0_has_the_defaults_of_the_code() {
    check("1.0.0/nifi.properties", |read| {
        let (web, remote_input) = (read.web.clone(), read.remote_input.clone());
        assert_eq!(*read, ClusterProperties { web, remote_input, ..ClusterProperties::default() });
        assert_eq!(read.zookeeper.session_timeout, Duration::from_secs(3));
        assert_eq!(read.api_address(), Some(Address::new("localhost", 8080)));
        assert!(!read.remote_input.secure && read.remote_input.http_enabled);
    });
}

#[test]
fn later_releases_differ_from_the_code_in_the_timeouts_of_zookeeper() {
    for (file, host) in [("1.28.1/nifi.properties", "127.0.0.1"), ("2.9.0/nifi.properties", "localhost")] {
        check(file, |read| {
            let mut expected = ClusterProperties::default();
            expected.zookeeper.connect_timeout = Duration::from_secs(10);
            expected.zookeeper.session_timeout = Duration::from_secs(10);
            expected.web.https_host = Some(host.into());
            expected.web.https_port = Some(8443);
            expected.remote_input.http_enabled = true;
            assert_eq!(*read, expected, "{file}");
        });
    }
}

#[test]
fn the_system_test_cluster_is_a_cluster_in_a_hurry() {
    check("system-test-cluster/node1.nifi.properties", |read| {
        assert!(read.is_node && read.zookeeper.embedded_start);
        assert_eq!(read.protocol_address(), Some(Address::new("localhost", 48101)));
        assert_eq!(read.api_address(), Some(Address::new("localhost", 5671)));
        assert_eq!(read.flow_election_max_wait, Duration::from_secs(1));
        assert_eq!(read.flow_election_max_candidates, Some(1));
        assert_eq!(read.node_read_timeout, Duration::from_secs(30));
        assert_eq!(read.load_balance_port, 6341);
        assert_eq!(read.zookeeper.connect_string, [Address::new("localhost", 21818)]);
        assert_eq!(read.zookeeper.auth_type, ZooKeeperAuth::Default);
        assert_eq!(read.remote_input.socket_port, Some(7781));
    });
}

#[test]
fn the_nodes_of_the_system_test_cluster_differ_in_their_addresses_only() {
    check("system-test-cluster/node1.nifi.properties", |one| {
        check("system-test-cluster/node2.nifi.properties", |two| {
            assert_ne!(one.protocol_address(), two.protocol_address());
            assert_ne!(one.api_address(), two.api_address());
            assert!(!two.zookeeper.embedded_start, "node 1 runs the only server");
            assert_eq!(one.zookeeper.connect_string, two.zookeeper.connect_string);
            assert_eq!(one.heartbeat_interval, two.heartbeat_interval);
        });
    });
}

#[test]
fn a_value_is_found_on_the_line_where_an_editor_shows_it() {
    for file in ["1.0.0", "1.28.1", "2.9.0"] {
        let file = format!("{file}/nifi.properties");
        let Some(text) = text(&file) else { continue };
        let properties = NifiProperties::parse(&text);
        for (key, _) in properties.iter() {
            assert_eq!(properties.line(key), line_of(&text, key), "{key} in {file}");
        }
    }
}

#[test]
fn a_typing_error_in_a_real_file_is_told_with_its_line() {
    let Some(text) = text("2.9.0/nifi.properties") else { return };
    let interval = format!("{}=5 sec", key::HEARTBEAT_INTERVAL);
    let wrong = text.replace(&interval, &format!("{}=5 apples", key::HEARTBEAT_INTERVAL));
    let error = ClusterProperties::read(&NifiProperties::parse(&wrong)).unwrap_err();
    assert_eq!(Some(error.line), line_of(&text, key::HEARTBEAT_INTERVAL));
    assert_eq!(
        error.to_string(),
        "line 261: nifi.cluster.protocol.heartbeat.interval = 5 apples: \
         expected a duration such as \"5 secs\" or \"5 mins\""
    );
}

/// A whole file of other syntax: what cannot be a rule is told, nothing else happens.
#[test]
fn a_properties_file_given_as_a_firewall_file_is_told_line_by_line() {
    let Some(text) = text("2.9.0/nifi.properties") else { return };
    let (firewall, warnings) = Firewall::parse(&text);
    assert!(firewall.permits("anybody", None));
    assert_eq!(warnings.len(), NifiProperties::parse(&text).iter().count());
}
