//! The decision table, H1 to H8, branch by branch, with the words that an operator reads.

use crate::harness::*;
use crate::reading::*;
use std::sync::Arc;
use std::time::Duration;
use zeromaster_core::firewall::Firewall;
use zeromaster_core::flow::Fingerprint;
use zeromaster_core::identity::{Incarnation, NodeId, NodeIdentifier};
use zeromaster_core::message::{Membership, Message, OrderKind};
use zeromaster_core::rules::AUTO_RECONNECT_1_X;
use zeromaster_core::status::{ConnectionState, DisconnectionCode, Version};

/// An earlier term's attempt.
const ATTEMPT: Version = Version { epoch: zeromaster_core::status::Epoch(50), sequence: 7 };

/// What is ordered at the tick.
#[derive(Debug, PartialEq)]
enum Ordered {
    Nothing,
    Offload,
    Reconnect,
    Disconnect(DisconnectionCode),
}

fn ordered(orders: &[(Version, OrderKind)]) -> Ordered {
    match orders {
        [] => Ordered::Nothing,
        [(_, OrderKind::Offload)] => Ordered::Offload,
        [(_, OrderKind::Reconnect { .. })] => Ordered::Reconnect,
        [(_, OrderKind::Disconnect { code, .. })] => Ordered::Disconnect(*code),
        _ => panic!("more than one order, or another one: {orders:?}"),
    }
}

/// n1 in office in a new term; what it knows of n2 was decided in an earlier one.
fn coordinator_that_knows(known: Option<ConnectionState>) -> Bench {
    let mut bench = Bench::new(config(1), flow("A"));
    if let Some(state) = known {
        bench.receive(9, change(50, status(2, state, ATTEMPT)));
    }
    bench.connect();
    bench.pass(INTERVAL);
    bench.take();
    bench
}

/// n2 is known as `known` and reports `reported`: at the tick exactly `words` are written, `order` is given, and n2
/// is in `state` afterwards.
#[track_caller]
fn check(known: Option<ConnectionState>, reported: Membership, words: &[&str], order: &Ordered, state: &str) {
    let mut bench = coordinator_that_knows(known);
    bench.beat(2, reported);
    assert_eq!(told(&bench.take(), 2), [""; 0], "nothing is decided when a heartbeat arrives");
    bench.pass(INTERVAL);
    let effects = bench.take();
    assert_eq!(told(&effects, 2), words);
    assert_eq!(ordered(&orders(&effects, 2)), *order);
    assert_eq!(bench.state(2).map_or("unknown", |state| state.name()), state);
}

const REQUESTING: &str = "INFO Requesting that node connect to cluster";
const IGNORED: &str = "INFO Received heartbeat but ignoring because it was reported before the node was last asked to reconnect.";
const CONNECTED_NOW: &str = "INFO Received first heartbeat from connecting node. Node connected.";

fn connected() -> Option<ConnectionState> {
    Some(ConnectionState::Connected { attempt: ATTEMPT })
}

fn connecting() -> Option<ConnectionState> {
    Some(ConnectionState::Connecting { attempt: ATTEMPT })
}

fn disconnected(code: DisconnectionCode) -> Option<ConnectionState> {
    Some(ConnectionState::disconnected(code))
}

/// Everything that a node can say of itself, under `version`.
fn every_membership(version: Version) -> Vec<Membership> {
    vec![
        Membership::Joining,
        Membership::Loading { attempt: version },
        Membership::Connected { attempt: version },
        out(DisconnectionCode::LackOfHeartbeat, version),
        Membership::Offloading { version },
        Membership::Offloaded { version },
        Membership::Removed { version },
    ]
}

#[test]
fn h1_a_node_that_the_firewall_does_not_list_is_put_out_whatever_it_is() {
    for known in [None, connected(), connecting(), disconnected(DisconnectionCode::LackOfHeartbeat)] {
        let (firewall, warnings) = Firewall::parse("n1\nn3");
        assert!(warnings.is_empty());
        let mut blocked = config(1);
        blocked.firewall = Some(firewall);
        let mut bench = Bench::new(blocked, flow("A"));
        if let Some(state) = known {
            bench.receive(9, change(50, status(2, state, ATTEMPT)));
        }
        bench.connect();
        bench.pass(INTERVAL);
        bench.take();
        bench.beat(2, Membership::Connected { attempt: ATTEMPT });
        bench.pass(INTERVAL);
        let effects = bench.take();
        let words = "WARNING Firewall blocked received heartbeat. Issuing disconnection request.";
        assert_eq!(told(&effects, 2), [words]);
        let code = DisconnectionCode::BlockedByFirewall;
        assert_eq!(ordered(&orders(&effects, 2)), Ordered::Disconnect(code));
        // Once it knows, nothing is said again.
        bench.beat(2, out(code, bench.node.table().get(identifier(2).id).unwrap().version));
        bench.pass(INTERVAL);
        assert_eq!(told(&bench.take(), 2), [""; 0]);
    }
}

#[test]
fn h1_the_firewall_overwrites_nothing_that_a_person_decided() {
    let user = ConnectionState::disconnected(DisconnectionCode::UserDisconnected);
    for decided in [ConnectionState::Removed, user, ConnectionState::Offloading, ConnectionState::Offloaded] {
        let mut blocked = config(1);
        blocked.firewall = Some(Firewall::parse("n1").0);
        let mut bench = Bench::new(blocked, flow("A"));
        bench.receive(9, change(50, status(2, decided.clone(), ATTEMPT)));
        bench.connect();
        bench.pass(INTERVAL);
        bench.beat(2, Membership::Connected { attempt: ATTEMPT });
        bench.ask(2, "A");
        bench.pass(INTERVAL);
        assert_eq!(bench.state(2), Some(decided));
    }
}

#[test]
fn h2_one_live_process_has_one_entry() {
    let mut bench = Bench::with_member();
    // Its disk was wiped: another id, the same addresses, a later run.
    let newcomer = NodeIdentifier { id: NodeId(7), ..NodeIdentifier::clone(&identifier(2)) };
    let mut heartbeat = bench.heartbeat(2, out(DisconnectionCode::LackOfHeartbeat, ATTEMPT));
    (heartbeat.node, heartbeat.incarnation) = (Arc::new(newcomer), Incarnation(2));
    bench.receive(2, Message::Heartbeat(Arc::new(heartbeat.clone())));
    bench.pass(INTERVAL);
    assert_eq!(bench.state(2), Some(ConnectionState::Removed));
    assert!(bench.state(7).is_some());
    // A heartbeat of the run before, which was on its way, makes no entry.
    heartbeat.node = Arc::new(NodeIdentifier { id: NodeId(8), ..NodeIdentifier::clone(&identifier(2)) });
    heartbeat.incarnation = Incarnation(1);
    bench.receive(2, Message::Heartbeat(Arc::new(heartbeat)));
    bench.pass(INTERVAL);
    assert_eq!(bench.state(8), None);
}

#[test]
fn h2_a_node_that_nobody_knows_is_asked_to_connect_whatever_it_says() {
    for reported in every_membership(ATTEMPT) {
        let unknown = "INFO Received heartbeat from unknown node NodeIdentifier[UUID=00000000-0000-0000-0000-000000000002, API \
                       Address = n2:8443, Cluster Socket Address = n2:11443, Load Balance Address = n2:6342, Site-to-Site Raw \
                       Address = n2:null, Site-to-Site HTTP Address = n2:null, Site-to-Site Secure = false, Node Identities = \
                       []]. Removing heartbeat and requesting that node connect to cluster.";
        check(None, reported, &[unknown, REQUESTING], &Ordered::Reconnect, "CONNECTING");
    }
}

#[test]
fn h2_a_newer_run_of_a_known_process_is_a_node_that_nobody_let_in() {
    for known in
        [connected(), disconnected(DisconnectionCode::UserDisconnected), Some(ConnectionState::Removed)]
    {
        let mut bench = coordinator_that_knows(known);
        let mut heartbeat = bench.heartbeat(2, Membership::Connected { attempt: ATTEMPT });
        heartbeat.incarnation = Incarnation(2);
        bench.receive(2, Message::Heartbeat(Arc::new(heartbeat)));
        bench.pass(INTERVAL);
        assert!(told(&bench.take(), 2)[0].starts_with("INFO Received heartbeat from unknown node"));
        assert_eq!(bench.node.table().get(identifier(2).id).unwrap().incarnation, Incarnation(2));
    }
}

#[test]
fn an_older_run_s_heartbeat_says_nothing() {
    let mut bench = coordinator_that_knows(connected());
    let mut heartbeat = bench.heartbeat(2, out(DisconnectionCode::StartupFailure, ATTEMPT));
    heartbeat.incarnation = Incarnation(0);
    bench.receive(2, Message::Heartbeat(Arc::new(heartbeat)));
    bench.pass(INTERVAL);
    assert_eq!(told(&bench.take(), 2), [""; 0]);
}

#[test]
fn h3_a_connected_node_that_does_not_think_so_is_asked_to_reconnect() {
    let other = version(50, 6);
    let reports = [
        (Membership::Joining, "CONNECTING"),
        (Membership::Loading { attempt: ATTEMPT }, "CONNECTING"),
        (Membership::Connected { attempt: other }, "CONNECTED"),
        (out(DisconnectionCode::Unknown, ATTEMPT), "DISCONNECTED"),
        (Membership::Offloading { version: ATTEMPT }, "OFFLOADING"),
        (Membership::Offloaded { version: ATTEMPT }, "OFFLOADED"),
        (Membership::Removed { version: ATTEMPT }, "REMOVED"),
    ];
    for (reported, claimed) in reports {
        let warning = format!(
            "WARNING Received heartbeat from node that thinks it is not yet part of the cluster,though the Cluster \
             Coordinator thought it was (node claimed state was {claimed}). Marking as Disconnected and requesting that \
             Node reconnect to cluster"
        );
        check(connected(), reported, &[&warning, REQUESTING], &Ordered::Reconnect, "CONNECTING");
    }
}

#[test]
fn h3_a_connected_node_that_says_why_it_is_out_is_believed_about_this_attempt_only() {
    let code = DisconnectionCode::MismatchedFlows;
    let words = format!("ERROR Node disconnected from cluster due to {code}");
    check(connected(), out(code, ATTEMPT), &[&words], &Ordered::Nothing, "DISCONNECTED");
    let shutdown = DisconnectionCode::NodeShutdown;
    let words = format!("INFO Node disconnected from cluster due to {shutdown}");
    check(connected(), out(shutdown, version(1, 1)), &[&words], &Ordered::Nothing, "DISCONNECTED");
    let mut bench = coordinator_that_knows(connected());
    bench.beat(2, out(code, version(50, 6)));
    bench.pass(INTERVAL);
    assert_eq!(bench.state(2).map(|state| state.name()), Some("CONNECTING"));
}

#[test]
fn a_missing_bundle_is_no_error_as_other_failed_loads_are() {
    for (code, severity) in [
        (DisconnectionCode::StartupFailure, "ERROR"),
        (DisconnectionCode::MismatchedFlows, "ERROR"),
        (DisconnectionCode::MissingBundle, "INFO"),
    ] {
        let words = format!("{severity} Node disconnected from cluster due to {code}");
        check(connected(), out(code, ATTEMPT), &[&words], &Ordered::Nothing, "DISCONNECTED");
    }
}

#[test]
fn h4_an_offloaded_node_that_thinks_it_is_a_member_stays_offloaded() {
    let words = "INFO Received heartbeat from node that is offloading or offloaded. Removing this heartbeat.  \
                 Offloaded nodes will only be reconnected to the cluster by an explicit connection request or \
                 restarting the node.";
    // One that has to offload and has not begun is told again: the order was an earlier term's.
    for (known, ordered) in
        [(ConnectionState::Offloading, Ordered::Offload), (ConnectionState::Offloaded, Ordered::Nothing)]
    {
        let name = known.name();
        let reported = Membership::Connected { attempt: ATTEMPT };
        check(Some(known.clone()), reported, &[words], &ordered, name);
        check(Some(known), Membership::Offloading { version: ATTEMPT }, &[], &Ordered::Nothing, name);
    }
    let done = Membership::Offloaded { version: ATTEMPT };
    let words = ["INFO Node was offloaded"];
    check(Some(ConnectionState::Offloading), done, &words, &Ordered::Nothing, "OFFLOADED");
}

#[test]
fn h5_a_disconnected_node_is_asked_back_exactly_for_the_codes_of_the_list() {
    for code in DisconnectionCode::ALL {
        let reported = Membership::Connected { attempt: ATTEMPT };
        if AUTO_RECONNECT_1_X.contains(code) {
            let words = format!(
                "INFO Received heartbeat from node previously disconnected due to {code}. Issuing reconnection request."
            );
            let words = [words.as_str(), REQUESTING];
            check(disconnected(code), reported, &words, &Ordered::Reconnect, "CONNECTING");
        } else if code == DisconnectionCode::NodeShutdown {
            // A node that stopped does not listen.
            check(disconnected(code), reported, &[], &Ordered::Nothing, "DISCONNECTED");
        } else if code == DisconnectionCode::MismatchedFlows {
            // It reports the cluster's flow: now it fits.
            let words = format!(
                "INFO Received heartbeat from node previously disconnected due to {code}. Issuing reconnection request."
            );
            let words = [words.as_str(), REQUESTING];
            check(disconnected(code), reported, &words, &Ordered::Reconnect, "CONNECTING");
        } else {
            check(disconnected(code), reported, &[], &Ordered::Disconnect(code), "DISCONNECTED");
        }
    }
}

#[test]
fn h5_a_node_that_obeys_is_not_told_again() {
    for code in DisconnectionCode::ALL.into_iter().filter(|code| !AUTO_RECONNECT_1_X.contains(*code)) {
        if code != DisconnectionCode::MismatchedFlows {
            check(disconnected(code), out(code, ATTEMPT), &[], &Ordered::Nothing, "DISCONNECTED");
        }
    }
}

#[test]
fn h5_a_node_whose_flow_does_not_fit_is_not_asked_back() {
    let mut bench = coordinator_that_knows(disconnected(DisconnectionCode::MismatchedFlows));
    let mut heartbeat = bench.heartbeat(2, out(DisconnectionCode::MismatchedFlows, ATTEMPT));
    heartbeat.flow = Fingerprint("B".into());
    heartbeat.inherited = false;
    bench.receive(2, Message::Heartbeat(Arc::new(heartbeat)));
    bench.pass(INTERVAL);
    let effects = bench.take();
    assert_eq!((told(&effects, 2), orders(&effects, 2)), (vec![], vec![]));
}

#[test]
fn h6_a_node_told_to_leave_and_a_removed_one_are_left_alone() {
    for known in [ConnectionState::Disconnecting, ConnectionState::Removed] {
        let name = known.name();
        for reported in every_membership(ATTEMPT) {
            check(Some(known.clone()), reported, &[], &Ordered::Nothing, name);
        }
    }
}

#[test]
fn h7_only_a_heartbeat_that_names_the_attempt_completes_it() {
    let words = [CONNECTED_NOW];
    check(connecting(), Membership::Connected { attempt: ATTEMPT }, &words, &Ordered::Nothing, "CONNECTED");
    let words = [IGNORED];
    for other in [version(50, 6), version(50, 8), version(49, 7)] {
        let reported = Membership::Connected { attempt: other };
        check(connecting(), reported, &words, &Ordered::Nothing, "CONNECTING");
    }
    let word = out(DisconnectionCode::Unknown, ATTEMPT);
    check(connecting(), word, &words, &Ordered::Nothing, "CONNECTING");
    check(connecting(), Membership::Loading { attempt: ATTEMPT }, &[], &Ordered::Nothing, "CONNECTING");
}

#[test]
fn h7_a_heartbeat_older_than_the_order_does_not_complete_it() {
    let mut bench = Bench::with_member();
    let attempt = bench.attempt(2);
    bench.beat(2, Membership::Connected { attempt });
    bench.ask(2, "A");
    bench.pass(INTERVAL);
    assert_eq!(bench.state(2).map(|state| state.name()), Some("CONNECTING"));
}

#[test]
fn h7_nobody_is_connected_with_another_flow_than_the_cluster_s() {
    let mut bench = coordinator_that_knows(connecting());
    let mut heartbeat = bench.heartbeat(2, Membership::Connected { attempt: ATTEMPT });
    heartbeat.flow = Fingerprint("B".into());
    bench.receive(2, Message::Heartbeat(Arc::new(heartbeat)));
    bench.pass(INTERVAL);
    assert_eq!(ordered(&orders(&bench.take(), 2)), Ordered::Reconnect);
    assert_ne!(bench.attempt(2), ATTEMPT, "a new attempt");
}

#[test]
fn h8_a_connected_node_with_another_flow_is_asked_to_reconnect() {
    let mut bench = coordinator_that_knows(connected());
    let mut heartbeat = bench.heartbeat(2, Membership::Connected { attempt: ATTEMPT });
    heartbeat.flow = Fingerprint("B".into());
    bench.receive(2, Message::Heartbeat(Arc::new(heartbeat)));
    bench.pass(INTERVAL);
    let warning = "WARNING Received heartbeat from node whose flow is not the cluster's. Requesting that node reconnect to cluster.";
    assert_eq!(told(&bench.take(), 2), [warning, REQUESTING]);
}

#[test]
fn h8_a_connected_node_that_says_so_changes_nothing() {
    check(connected(), Membership::Connected { attempt: ATTEMPT }, &[], &Ordered::Nothing, "CONNECTED");
}

/// Whatever the new status is: the heartbeat was sent in the old one (spec 2.9 item 8).
#[test]
fn a_heartbeat_older_than_its_node_s_status_says_nothing_about_it() {
    let mut bench = Bench::with_member();
    let attempt = bench.attempt(2);
    bench.beat(2, Membership::Connected { attempt });
    bench.pass(TICK);
    let (epoch, node, incarnation) = (bench.epoch(), identifier(2), Incarnation(1));
    let reported = out(DisconnectionCode::StartupFailure, attempt);
    bench.receive(2, Message::NodeReport { epoch, node, incarnation, reported });
    bench.take();
    bench.pass(INTERVAL);
    let effects = bench.take();
    assert_eq!((told(&effects, 2), orders(&effects, 2)), (vec![], vec![]));
    assert_eq!(bench.code(2), Some(DisconnectionCode::StartupFailure));
}

#[test]
fn a_heartbeat_is_judged_once() {
    let mut bench = coordinator_that_knows(connecting());
    bench.beat(2, Membership::Connected { attempt: version(50, 6) });
    bench.pass(INTERVAL);
    assert_eq!(told(&bench.take(), 2), [IGNORED]);
    bench.pass(INTERVAL * 2);
    assert_eq!(told(&bench.take(), 2), [""; 0]);
}

/// n2's last heartbeat is received exactly `silence` before a tick; what that tick makes of n2.
fn state_after_silence(silence: Duration) -> (Option<DisconnectionCode>, Vec<String>) {
    let mut bench = Bench::with_member();
    // Every tick is a whole number of intervals after this one.
    let ticks_ahead = u32::try_from(silence.as_micros().div_ceil(INTERVAL.as_micros())).unwrap();
    bench.pass(INTERVAL * ticks_ahead - silence);
    let attempt = bench.attempt(2);
    bench.beat(2, Membership::Connected { attempt });
    bench.take();
    bench.pass(silence);
    (bench.code(2), told(&bench.take(), 2))
}

#[test]
fn silence_of_exactly_interval_times_missable_is_endured() {
    assert_eq!(state_after_silence(WINDOW), (None, vec![]));
}

#[test]
fn a_microsecond_more_at_the_tick_is_lack_of_heartbeat() {
    let (code, words) = state_after_silence(WINDOW + TICK);
    assert_eq!(code, Some(DisconnectionCode::LackOfHeartbeat));
    let text =
        "WARNING Node disconnected from cluster due to Have not received a heartbeat from node in 40 seconds";
    assert_eq!(words, [text]);
}

#[test]
fn a_silent_node_is_told_nothing_but_the_change_of_status() {
    let mut bench = Bench::with_member();
    bench.pass(WINDOW * 2);
    assert_eq!(bench.code(2), Some(DisconnectionCode::LackOfHeartbeat));
    assert_eq!(orders(&bench.take(), 2), []);
}

#[test]
fn a_tick_that_comes_late_because_this_process_slept_expels_nobody() {
    let mut bench = Bench::with_member();
    let attempt = bench.attempt(2);
    bench.beat(2, Membership::Connected { attempt });
    bench.sleep(WINDOW * 3);
    assert!(bench.state(2).unwrap().is_connected());
    // Then the silence counts again from where it stood.
    bench.pass(WINDOW + INTERVAL + TICK);
    assert_eq!(bench.code(2), Some(DisconnectionCode::LackOfHeartbeat));
}

#[test]
fn a_connecting_node_that_is_never_heard_is_out_after_the_same_time() {
    let mut bench = Bench::coordinator();
    bench.ask(2, "A");
    bench.take();
    bench.pass(WINDOW);
    assert_eq!(bench.state(2).map(|state| state.name()), Some("CONNECTING"));
    bench.pass(INTERVAL);
    let text = "Node disconnected from cluster due to Node did not complete its connection in 45 seconds";
    assert_eq!(told(&bench.take(), 2), [format!("WARNING {text}")]);
    assert_eq!(bench.code(2), Some(DisconnectionCode::UnableToCommunicate));
}

#[test]
fn a_node_that_is_out_is_not_looked_at_for_silence() {
    for code in DisconnectionCode::ALL {
        let mut bench = coordinator_that_knows(disconnected(code));
        bench.pass(WINDOW * 2);
        assert_eq!(told(&bench.take(), 2), [""; 0], "{code}");
    }
}

#[test]
fn a_new_term_counts_silence_from_its_own_beginning() {
    let mut bench = coordinator_that_knows(connected());
    bench.pass(WINDOW - INTERVAL);
    assert!(bench.state(2).unwrap().is_connected());
    bench.pass(INTERVAL * 2);
    assert_eq!(bench.code(2), Some(DisconnectionCode::LackOfHeartbeat));
}
