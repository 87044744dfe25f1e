//! What NiFi's rule sets do otherwise than the default: on the way in, out of the cluster, and in the coordinator's
//! records.

use crate::harness::*;
use crate::reading::*;
use std::sync::Arc;
use std::time::Duration;
use zeromaster_core::config::{ConfigError, ConfigWarning, NodeConfig, TRY_LATER};
use zeromaster_core::effect::Effect;
use zeromaster_core::identity::NodeId;
use zeromaster_core::message::{Membership, Message, OrderKind};
use zeromaster_core::node::{Input, LoadFailure, Node};
use zeromaster_core::operator::OperatorRequest;
use zeromaster_core::rules::{PAUSE_WITHOUT_COORDINATOR, Rules};
use zeromaster_core::status::{ConnectionState, DisconnectionCode, Version};
use zeromaster_core::table::StatusTable;

const NIFI: [&str; 2] = ["1.28", "2.x"];

fn config_under(rules: &str) -> NodeConfig {
    NodeConfig { rules: Rules::named(rules).unwrap(), ..config(1) }
}

/// n1, which has asked n9 once; n9 heads the line.
fn joining(rules: &str, own: &str) -> Bench {
    let mut bench = Bench::new(config_under(rules), flow(own));
    bench.lead_elsewhere(9, 200);
    bench.connect();
    bench.take();
    bench
}

/// n9's decision of that number.
fn decision(bench: &Bench, sequence: u64) -> Version {
    Version { epoch: bench.node.known_epoch(), sequence }
}

fn let_in(bench: &mut Bench, name: &str) {
    let attempt = decision(bench, 1);
    bench.receive(9, accepted(1, attempt, name));
}

/// n1, a member under n9.
fn member(rules: &str) -> Bench {
    let mut bench = joining(rules, "A");
    let_in(&mut bench, "A");
    assert!(bench.node.membership().is_connected(), "it has joined");
    bench.take();
    bench
}

/// n1 in office, and n2 CONNECTED, with no flow to load.
fn with_member(rules: &str) -> Bench {
    let mut bench = Bench::new(config_under(rules), flow("A"));
    bench.connect();
    bench.pass(INTERVAL * 3);
    assert!(bench.node.decides(bench.now).is_some(), "it is in office");
    bench.join(2);
    bench
}

fn heartbeats(effects: &[Effect]) -> usize {
    effects
        .iter()
        .filter(|effect| matches!(effect, Effect::Send { message: Message::Heartbeat(_), .. }))
        .count()
}

fn questions(effects: &[Effect]) -> usize {
    let asks =
        |effect: &&Effect| matches!(effect, Effect::Send { message: Message::ConnectionRequest(_), .. });
    effects.iter().filter(asks).count()
}

/// What was reported to node `id`.
fn reports(effects: &[Effect], id: u128) -> Vec<Membership> {
    let reports = sent(effects, id).into_iter().filter_map(|message| match message {
        Message::NodeReport { reported, .. } => Some(reported),
        _ => None,
    });
    reports.collect()
}

/// The line has no first candidate but n8 now.
fn n8_succeeds(bench: &mut Bench) {
    let first = format!("{LINE}/{}", bench.zookeeper.children(LINE)[0]);
    bench.zookeeper.remove(&first);
    bench.zookeeper.put(&format!("{LINE}/_c_8-lock-0000000000"), &identifier(8).socket.to_string());
    bench.settle();
}

// On the way in.

#[test]
fn a_node_that_loads_is_silent_until_it_has_loaded() {
    for (rules, beats) in [("default", true), ("1.28", false), ("2.x", false)] {
        let mut bench = joining(rules, "A");
        bench.loads = None;
        let attempt = match rules {
            "default" => version(200, 1),
            _ => decision(&bench, 1),
        };
        bench.receive(9, accepted(1, attempt, "A"));
        bench.pass(INTERVAL * 4);
        assert_eq!(heartbeats(&bench.take()) > 0, beats, "{rules}: the first load");
        bench.input(Input::FlowLoaded { attempt, result: Ok(()) });
        assert_eq!(heartbeats(&bench.take()), 1, "{rules}: loaded");

        let again = Version { sequence: 2, ..attempt };
        bench.receive(9, order(again, reconnect(Some("A2"))));
        if rules == "default" {
            continue;
        }
        assert_eq!(*bench.node.membership(), Membership::Loading { attempt: again }, "{rules}: asked back");
        bench.pass(INTERVAL * 4);
        assert_eq!(heartbeats(&bench.take()), 0, "{rules}: the second load");
    }
}

#[test]
fn a_node_whose_look_for_a_coordinator_was_lost_looks_again() {
    for rules in NIFI {
        let mut bench = Bench::new(config_under(rules), flow("A"));
        bench.lead_elsewhere(9, 200);
        bench.answers = false;
        bench.connect();
        bench.suspend();
        bench.resume();
        assert_eq!(questions(&bench.take()), 0, "{rules}");
        bench.pass(TRY_LATER);
        assert_eq!(questions(&bench.take()), 1, "{rules}");
    }
}

#[test]
fn a_node_that_finds_no_coordinator_looks_again_after_a_second() {
    for rules in NIFI {
        let mut bench = Bench::new(config_under(rules), flow("A"));
        bench.connect();
        assert!(bench.node.decides(bench.now).is_some(), "{rules}: it was elected after it had looked");
        bench.pass(PAUSE_WITHOUT_COORDINATOR - TICK);
        assert_eq!(questions(&bench.take()), 0, "{rules}");
        bench.pass(TICK);
        assert_eq!(questions(&bench.take()), 1, "{rules}: it asks itself");
    }
}

#[track_caller]
fn check_empty(rules: &str, has_loaded: bool, joins: bool) {
    let mut bench = joining(rules, "A");
    let mut sequence = 1;
    if has_loaded {
        let_in(&mut bench, "A");
        sequence += 1;
        let version = decision(&bench, sequence);
        bench.receive(9, order(version, reconnect(Some("E"))));
    } else {
        let_in(&mut bench, "E");
    }
    let membership = bench.node.membership();
    assert_eq!(membership.is_connected(), joins, "{rules}, loaded {has_loaded}: {membership:?}");
    if !joins {
        let code = DisconnectionCode::MismatchedFlows;
        let reason = "Proposed configuration is empty, but the controller contains a data flow.".into();
        let version = decision(&bench, sequence);
        assert_eq!(*membership, Membership::Disconnected { code, reason, version });
        assert_eq!(*bench.node.flow(), flow("A"), "its own flow stays");
    }
}

#[test]
fn an_empty_cluster_flow_replaces_no_other_but_at_the_start_of_2_x() {
    check_empty("1.28", false, false);
    check_empty("1.28", true, false);
    check_empty("2.x", false, true);
    check_empty("2.x", true, false);
}

#[test]
fn a_flow_of_its_own_replaces_an_empty_one() {
    for rules in NIFI {
        let mut bench = joining(rules, "E");
        let_in(&mut bench, "A");
        assert!(bench.node.membership().is_connected(), "{rules}");
    }
}

// What a node reports.

#[test]
fn an_offloaded_node_tells_the_coordinator_of_the_moment() {
    for rules in NIFI {
        let mut bench = member(rules);
        let version = decision(&bench, 5);
        bench.receive(9, order(version, OrderKind::Offload));
        n8_succeeds(&mut bench);
        bench.take();
        bench.input(Input::OffloadFinished { version });
        let effects = bench.take();
        assert_eq!(reports(&effects, 9), [], "{rules}: it coordinates no more");
        assert_eq!(reports(&effects, 8), [Membership::Offloaded { version }], "{rules}");
    }
}

#[test]
fn an_offloaded_node_waits_for_a_coordinator_and_a_failed_one_does_not() {
    for rules in NIFI {
        for waits in [true, false] {
            let mut bench = if waits { member(rules) } else { joining(rules, "A") };
            bench.loads = Some(Err(LoadFailure::Other));
            bench.answers = false;
            bench.take();
            if waits {
                let version = decision(&bench, 5);
                bench.receive(9, order(version, OrderKind::Offload));
                bench.input(Input::OffloadFinished { version });
            } else {
                let_in(&mut bench, "A");
            }
            // The question who coordinates is lost with the connection.
            bench.suspend();
            bench.resume();
            bench.pass(INTERVAL);
            let reported = reports(&bench.take(), 9);
            assert_eq!(!reported.is_empty(), waits, "{rules}: {reported:?}");
        }
    }
}

#[test]
fn a_report_is_sent_five_times_unless_the_cluster_says_it_too() {
    for rules in NIFI {
        let mut bench = member(rules);
        let version = decision(&bench, 5);
        bench.receive(9, order(version, OrderKind::Offload));
        bench.input(Input::OffloadFinished { version });
        bench.pass(Duration::from_secs(60));
        assert_eq!(reports(&bench.take(), 9).len(), 5, "{rules}: nothing is heard");

        let mut bench = member(rules);
        bench.receive(9, order(version, OrderKind::Offload));
        bench.input(Input::OffloadFinished { version });
        let known = status(1, ConnectionState::Offloaded, decision(&bench, 6));
        bench.receive(9, change(known.version.epoch.0, known));
        bench.pass(Duration::from_secs(60));
        assert_eq!(reports(&bench.take(), 9).len(), 1, "{rules}: it is known");
    }
}

// Statuses of nodes.

#[test]
fn an_older_status_replaces_no_newer_one() {
    for rules in NIFI {
        let mut bench = member(rules);
        let (older, newer) = (decision(&bench, 20), decision(&bench, 21));
        bench.receive(9, change(newer.epoch.0, status(5, ConnectionState::Offloaded, newer)));
        bench.receive(9, change(older.epoch.0, status(5, ConnectionState::Offloading, older)));
        assert_eq!(bench.state(5), Some(ConnectionState::Offloaded), "{rules}");
        bench.receive(9, change(older.epoch.0, status(5, ConnectionState::Removed, older)));
        assert_eq!(bench.state(5), Some(ConnectionState::Offloaded), "{rules}");
    }
}

/// n1 in office has forgotten n2, which a person removed; n2 has not heard of it.
fn removed(rules: &str) -> (Bench, Version, Arc<StatusTable>) {
    let mut bench = with_member(rules);
    let (attempt, table) = (bench.attempt(2), bench.node.table().clone());
    bench.request(OperatorRequest::Disconnect(NodeId(2)));
    bench.take();
    bench.request(OperatorRequest::Remove(NodeId(2)));
    assert_eq!(bench.state(2), None);
    (bench, attempt, table)
}

#[test]
fn a_removed_node_is_not_told() {
    for rules in NIFI {
        let (mut bench, ..) = removed(rules);
        assert_eq!(sent(&bench.take(), 2), [], "{rules}");
    }
}

#[test]
fn a_removed_node_that_heartbeats_is_unknown_and_asked_to_connect() {
    for rules in NIFI {
        let (mut bench, attempt, table) = removed(rules);
        bench.take();
        let mut heartbeat = bench.heartbeat(2, Membership::Connected { attempt });
        heartbeat.table = table.clone();
        bench.receive(2, Message::Heartbeat(Arc::new(heartbeat)));
        assert_eq!(bench.state(2), None, "{rules}: what it says of itself is not taken over");
        let answers = sent(&bench.take(), 2);
        let [Message::HeartbeatResponse { differences, .. }] = answers.as_slice() else {
            panic!("{rules}: one answer: {answers:?}")
        };
        let states: Vec<_> = differences.iter().map(|status| (status.node.id, status.state.name())).collect();
        assert!(states.contains(&(NodeId(2), "REMOVED")), "{rules}: {states:?}");
        bench.pass(INTERVAL);
        let words = told(&bench.take(), 2);
        assert!(
            words[0].starts_with("INFO Received heartbeat from unknown node NodeIdentifier["),
            "{rules}: {words:?}"
        );
        assert_eq!(words[1..], ["INFO Requesting that node connect to cluster"], "{rules}");
        assert!(matches!(bench.state(2), Some(ConnectionState::Connecting { .. })), "{rules}");
    }
}

#[test]
fn a_node_that_is_told_that_it_is_not_known_goes_on_and_obeys_the_order_to_connect() {
    for rules in NIFI {
        let mut bench = member(rules);
        let own = decision(&bench, 1);
        bench.receive(9, change(own.epoch.0, status(1, ConnectionState::Connected { attempt: own }, own)));
        let differences = vec![status(1, ConnectionState::Removed, own)];
        let epoch = own.epoch;
        bench.receive(9, Message::HeartbeatResponse { epoch, differences, election: None, passage: None });
        assert_eq!(bench.state(1), None, "{rules}");
        assert!(bench.node.membership().is_connected(), "{rules}");
        let attempt = decision(&bench, 7);
        bench.receive(9, order(attempt, reconnect(Some("A"))));
        assert_eq!(*bench.node.membership(), Membership::Connected { attempt }, "{rules}");
    }
}

// The coordinator's records.

#[test]
fn an_order_to_leave_is_recorded_when_it_is_delivered() {
    for (rules, recorded) in [("default", false), ("1.28", true), ("2.x", true)] {
        let mut bench = if recorded { with_member(rules) } else { Bench::with_member() };
        bench.request(OperatorRequest::Disconnect(NodeId(2)));
        let orders = orders(&bench.take(), 2);
        let [(version, _)] = orders.as_slice() else { panic!("{rules}: one order: {orders:?}") };
        bench.receive(2, Message::Acknowledgement { node: NodeId(2), version: *version });
        let words = told(&bench.take(), 2);
        let expected: &[&str] =
            if recorded { &["INFO Node disconnected due to User Disconnected Node"] } else { &[] };
        assert_eq!(words, expected, "{rules}");
    }
}

#[test]
fn an_order_to_leave_that_a_new_decision_makes_moot_is_recorded() {
    for rules in NIFI {
        let mut bench = with_member(rules);
        bench.request(OperatorRequest::Disconnect(NodeId(2)));
        bench.take();
        bench.request(OperatorRequest::Connect(NodeId(2)));
        let dropped = "INFO State of Node n2:8443 has now transitioned from DISCONNECTED to CONNECTING so will no longer \
                       attempt to notify node that it is disconnected.";
        let words = told(&bench.take(), 2);
        assert!(words.iter().any(|word| word == dropped), "{rules}: {words:?}");
    }
}

#[test]
fn each_failed_attempt_to_ask_a_node_back_is_recorded_and_then_the_disconnection() {
    for rules in NIFI {
        let mut bench = with_member(rules);
        bench.request(OperatorRequest::Disconnect(NodeId(2)));
        bench.request(OperatorRequest::Connect(NodeId(2)));
        bench.take();
        bench.pass(Duration::from_secs(51));
        let words = said(&bench.take());
        let problem = "WARNING Problem encountered issuing reconnection request to node n2:8443 due to: ";
        assert_eq!(words.iter().filter(|word| word.starts_with(problem)).count(), 10, "{rules}: {words:?}");
        let given_up = "INFO Disconnection requested due to Attempted to request that node reconnect to cluster but could \
                        not communicate with node";
        assert_eq!(words.last().map(String::as_str), Some(given_up), "{rules}");
        assert_eq!(bench.code(2), Some(DisconnectionCode::UnableToCommunicate), "{rules}");
    }
}

#[test]
fn h7a_a_heartbeat_from_before_the_request_is_ignored_in_words() {
    for rules in NIFI {
        let mut bench = with_member(rules);
        let attempt = bench.attempt(2);
        bench.pass(INTERVAL * 9);
        assert_eq!(bench.code(2), Some(DisconnectionCode::LackOfHeartbeat), "{rules}");
        bench.beat(2, Membership::Connected { attempt });
        bench.take();
        bench.pass(INTERVAL);
        let asked_back = told(&bench.take(), 2);
        assert_eq!(
            asked_back,
            [
                "INFO Received heartbeat from node previously disconnected due to Lack of Heartbeat. Issuing reconnection \
                 request.",
                "INFO Requesting that node connect to cluster"
            ],
            "{rules}"
        );
        let ignored = "INFO Received heartbeat but ignoring because it was reported before the node was last asked to \
                       reconnect.";
        bench.pass(INTERVAL);
        assert_eq!(told(&bench.take(), 2), [ignored], "{rules}: in the next tick");
        bench.pass(INTERVAL);
        assert_eq!(told(&bench.take(), 2), [""; 0], "{rules}: and never again");
        assert!(matches!(bench.state(2), Some(ConnectionState::Connecting { .. })), "{rules}");
    }
}

// Heartbeats in whole seconds.

#[test]
fn nifi_sends_at_whole_seconds_and_looks_at_the_interval() {
    let interval = Duration::from_millis(2_900);
    for (rules, period) in [("default", 2_900), ("1.28", 2_000), ("2.x", 2_000)] {
        let config = NodeConfig { heartbeat_interval: interval, ..config_under(rules) };
        let period = Duration::from_millis(period);
        assert_eq!(config.heartbeat_period(), period, "{rules}");
        assert_eq!(config.window(), interval * 8, "{rules}: the monitor's window");
        let cut = ConfigWarning::HeartbeatPeriodCut { interval, period };
        assert_eq!(config.warnings(), if period == interval { vec![] } else { vec![cut] }, "{rules}");
    }
    let mut bench =
        Bench::new(NodeConfig { heartbeat_interval: interval, ..config_under("1.28") }, flow("A"));
    bench.lead_elsewhere(9, 200);
    bench.connect();
    let_in(&mut bench, "A");
    bench.take();
    bench.pass(Duration::from_secs(20));
    assert_eq!(heartbeats(&bench.take()), 10);
}

#[test]
fn an_interval_of_whole_seconds_is_not_warned_of() {
    for rules in Rules::NAMES {
        assert_eq!(config_under(rules).warnings(), [], "{rules}");
    }
}

#[test]
fn a_node_that_could_not_heartbeat_is_not_started() {
    let interval = Duration::from_millis(999);
    for (rules, starts) in [("default", true), ("1.28", false), ("2.x", false)] {
        let config = NodeConfig { heartbeat_interval: interval, ..config_under(rules) };
        let node = Node::new(Arc::new(config), flow("A"));
        match node.map(|_| ()) {
            Ok(()) => assert!(starts, "{rules}"),
            Err(error) => {
                assert!(!starts, "{rules}: {error}");
                assert_eq!(error, ConfigError::NoHeartbeatPeriod { interval });
                let text = error.to_string();
                assert!(
                    text.starts_with("nifi.cluster.protocol.heartbeat.interval = 999 millis: "),
                    "{text}"
                );
                assert!(text.ends_with("expected at least 1 sec under these rules"), "{text}");
            }
        }
    }
}
