//! The node's own side: asking, loading, heartbeating, obeying, and whom it believes.

use crate::harness::*;
use crate::reading::*;
use std::time::Duration;
use zeromaster_core::effect::{Durable, Effect};
use zeromaster_core::event::ClusterEvent;
use zeromaster_core::identity::{Incarnation, NodeId};
use zeromaster_core::message::{ConnectionAnswer, Membership, Message, OrderKind};
use zeromaster_core::node::{Input, LoadFailure, Timer};
use zeromaster_core::operator::{OperatorRequest, Refusal};
use zeromaster_core::status::{ConnectionState, DisconnectionCode, Epoch, Version};

const FIRST: Version = Version { epoch: Epoch(200), sequence: 1 };

fn asks(effects: &[Effect]) -> Vec<u64> {
    let asks = sent(effects, 9).into_iter().filter_map(|message| match message {
        Message::ConnectionRequest(request) => Some(request.ask),
        _ => None,
    });
    asks.collect()
}

fn heartbeats(effects: &[Effect]) -> Vec<Membership> {
    let heartbeats = sent(effects, 9).into_iter().filter_map(|message| match message {
        Message::Heartbeat(heartbeat) => Some(heartbeat.reported.clone()),
        _ => None,
    });
    heartbeats.collect()
}

fn reports(effects: &[Effect]) -> Vec<Membership> {
    let reports = sent(effects, 9).into_iter().filter_map(|message| match message {
        Message::NodeReport { reported, .. } => Some(reported),
        _ => None,
    });
    reports.collect()
}

#[test]
fn a_node_asks_again_as_long_as_no_answer_comes() {
    let mut bench = Bench::joining();
    bench.pass(Duration::from_secs(20));
    assert_eq!(asks(&bench.take()), [2, 3, 4, 5]);
}

#[test]
fn a_node_that_knows_no_coordinator_waits_for_one() {
    let mut bench = Bench::joining();
    bench.zookeeper.remove(COORDINATOR);
    bench.settle();
    bench.pass(WINDOW);
    assert_eq!(asks(&bench.take()), []);
    bench.lead_elsewhere(9, 300);
    assert_eq!(asks(&bench.take()).len(), 1);
}

#[test]
fn told_to_try_later_it_does_and_says_so_once() {
    let mut bench = Bench::joining();
    let after = Duration::from_secs(5);
    for ask in 1..4 {
        let later = ConnectionAnswer::TryLater { after, explanation: "Later.".into() };
        bench.receive(9, answer(ask, Epoch(200), later));
        bench.pass(after);
    }
    let effects = bench.take();
    assert_eq!(asks(&effects), [2, 3, 4]);
    assert_eq!(records(&effects), [ClusterEvent::ToldToWait { explanation: "Later.".into() }]);
}

#[test]
fn an_answer_to_an_older_question_is_void() {
    let mut bench = Bench::joining();
    bench.pass(Duration::from_secs(5));
    bench.receive(9, accepted(1, FIRST, "A"));
    assert_eq!(*bench.node.membership(), Membership::Joining);
    bench.receive(9, accepted(2, FIRST, "A"));
    assert!(bench.node.membership().is_connected());
}

#[test]
fn the_cluster_s_flow_is_on_disk_before_anybody_hears_of_it() {
    let mut bench = Bench::joining();
    bench.receive(9, accepted(1, FIRST, "A"));
    let effects = bench.take();
    let durable = Effect::Persist(Durable { id: NodeId(1), flow: flow("A") });
    let persisted = effects.iter().position(|effect| *effect == durable).unwrap();
    let joined = |effect: &Effect| matches!(effect, Effect::Send { message: Message::Heartbeat(heartbeat), .. } if heartbeat.reported.is_connected());
    let said = effects.iter().position(joined).unwrap();
    assert!(persisted < said);
}

#[test]
fn a_node_that_loads_heartbeats_and_does_not_claim_to_have_joined() {
    let mut bench = Bench::joining();
    bench.loads = None;
    bench.receive(9, accepted(1, FIRST, "A"));
    bench.pass(INTERVAL * 2);
    assert_eq!(heartbeats(&bench.take()), vec![Membership::Loading { attempt: FIRST }; 3]);
    bench.input(Input::FlowLoaded { attempt: version(200, 9), result: Ok(()) });
    assert!(!bench.node.membership().is_connected(), "that was another load");
    bench.input(Input::FlowLoaded { attempt: FIRST, result: Ok(()) });
    assert_eq!(heartbeats(&bench.take()), [Membership::Connected { attempt: FIRST }], "at once");
}

#[test]
fn a_flow_that_does_not_fit_is_refused_and_reported() {
    let mut bench = Bench::joining();
    bench.receive(9, accepted(1, FIRST, "B"));
    let reported = Membership::Disconnected {
        code: DisconnectionCode::MismatchedFlows,
        reason: "local flow is different than cluster flow".into(),
        version: FIRST,
    };
    assert_eq!(*bench.node.membership(), reported);
    assert_eq!(reports(&bench.take()), [reported]);
    assert_eq!(bench.node.flow().fingerprint, flow("A").fingerprint);
}

#[test]
fn a_load_that_fails_is_reported_with_its_code() {
    let failures = [
        (LoadFailure::MissingBundle, DisconnectionCode::MissingBundle),
        (LoadFailure::Other, DisconnectionCode::StartupFailure),
    ];
    for (failure, code) in failures {
        let mut bench = Bench::joining();
        bench.loads = Some(Err(failure));
        bench.receive(9, accepted(1, FIRST, "A"));
        assert_eq!(reports(&bench.take()), [out(code, FIRST)]);
    }
}

#[test]
fn in_a_quiet_cluster_an_interval_is_one_heartbeat_and_nothing_else() {
    let mut bench = Bench::member();
    bench.pass(INTERVAL);
    bench.take();
    for _ in 0..5 {
        bench.pass(INTERVAL);
        let effects = bench.take();
        assert_eq!(heartbeats(&effects), [Membership::Connected { attempt: FIRST }]);
        assert_eq!(effects.len(), 1, "{effects:?}");
    }
}

#[test]
fn a_new_coordinator_hears_from_a_member_at_once() {
    let mut bench = Bench::member();
    bench.lead_elsewhere(9, 300);
    assert_eq!(heartbeats(&bench.take()).len(), 1);
}

/// Its connection was broken for a moment; now it waits for word from every member.
#[test]
fn a_coordinator_that_writes_its_address_anew_hears_from_a_member_at_once() {
    let mut bench = Bench::member();
    let address = bench.zookeeper.data(COORDINATOR).expect("n9 coordinates").to_string();
    bench.zookeeper.put(COORDINATOR, &address);
    bench.settle();
    assert_eq!(heartbeats(&bench.take()).len(), 1);
}

#[test]
fn what_a_coordinator_of_an_earlier_term_says_has_no_effect() {
    let mut bench = Bench::member();
    bench.receive(8, order(version(199, 9), leave(DisconnectionCode::UserDisconnected)));
    let stale = ClusterEvent::StaleCoordinator {
        message: "DISCONNECTION_REQUEST",
        epoch: Epoch(199),
        known: Epoch(200),
    };
    assert_eq!(bench.take(), [Effect::Record(stale)], "not even an acknowledgement");
    assert!(bench.node.membership().is_connected());
}

/// NIFI-16006: a disconnection request that was under way while the node rejoined.
#[test]
fn an_order_older_than_what_was_obeyed_is_acknowledged_and_ignored() {
    let mut bench = Bench::member();
    bench.receive(9, order(version(200, 5), reconnect(Some("A"))));
    bench.take();
    bench.receive(9, order(version(200, 4), leave(DisconnectionCode::UserDisconnected)));
    assert_eq!(*bench.node.membership(), Membership::Connected { attempt: version(200, 5) });
    let acknowledgement = Message::Acknowledgement { node: NodeId(1), version: version(200, 4) };
    assert_eq!(sent(&bench.take(), 9), [acknowledgement]);
}

#[test]
fn an_order_to_an_earlier_run_is_not_even_acknowledged() {
    let mut bench = Bench::member();
    let message = Message::Order {
        version: version(200, 5),
        incarnation: Incarnation(0),
        order: leave(DisconnectionCode::UserDisconnected),
    };
    bench.receive(9, message);
    assert_eq!(bench.take(), []);
}

#[test]
fn a_doubled_order_is_obeyed_once() {
    let mut bench = Bench::member();
    for _ in 0..2 {
        bench.receive(9, order(version(200, 5), leave(DisconnectionCode::UserDisconnected)));
    }
    let effects = bench.take();
    assert_eq!(
        records(&effects).iter().filter(|record| matches!(record, ClusterEvent::Membership { .. })).count(),
        1
    );
    let acknowledgements =
        sent(&effects, 9).into_iter().filter(|message| matches!(message, Message::Acknowledgement { .. }));
    assert_eq!(acknowledgements.count(), 2);
}

#[test]
fn a_node_that_is_out_keeps_heartbeating_and_leaves_the_line() {
    let mut bench = Bench::member();
    bench.receive(9, order(version(200, 5), leave(DisconnectionCode::UserDisconnected)));
    assert_eq!(bench.zookeeper.children(LINE).len(), 1, "n9 alone");
    bench.take();
    bench.pass(INTERVAL);
    assert_eq!(heartbeats(&bench.take()), [out(DisconnectionCode::UserDisconnected, version(200, 5))]);
}

#[test]
fn an_order_to_reconnect_with_the_flow_that_the_node_has_needs_no_load() {
    let mut bench = Bench::member();
    bench.receive(9, order(version(200, 5), reconnect(Some("A"))));
    let effects = bench.take();
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::LoadFlow { .. })));
    assert_eq!(heartbeats(&effects), [Membership::Connected { attempt: version(200, 5) }]);
}

#[test]
fn an_order_to_come_and_vote_makes_the_node_ask() {
    let mut bench = Bench::member();
    bench.receive(9, order(version(200, 5), reconnect(None)));
    assert_eq!(asks(&bench.take()), [2]);
    assert_eq!(*bench.node.membership(), Membership::Joining);
}

#[test]
fn a_removed_node_asks_nothing_and_obeys_nobody() {
    let mut bench = Bench::member();
    bench.receive(9, change(200, status(1, ConnectionState::Removed, version(200, 5))));
    bench.take();
    bench.receive(9, order(version(200, 6), reconnect(Some("A"))));
    bench.receive(9, order(version(200, 7), reconnect(None)));
    bench.pass(WINDOW);
    assert_eq!(*bench.node.membership(), Membership::Removed { version: version(200, 5) });
    let effects = bench.take();
    assert_eq!((asks(&effects), heartbeats(&effects)), (vec![], vec![]));
    assert_eq!(bench.zookeeper.children("/nifi/cluster/nodes"), [], "its registration is gone");
}

#[test]
fn an_offload_is_done_once_and_reported() {
    let mut bench = Bench::member();
    bench.receive(9, order(version(200, 5), leave(DisconnectionCode::UserDisconnected)));
    for _ in 0..2 {
        bench.receive(9, order(version(200, 6), OrderKind::Offload));
    }
    let offload = Effect::Offload { version: version(200, 6) };
    assert_eq!(bench.take().into_iter().filter(|effect| *effect == offload).count(), 1);
    bench.input(Input::OffloadFinished { version: version(200, 6) });
    assert_eq!(reports(&bench.take()), [Membership::Offloaded { version: version(200, 6) }]);
}

#[test]
fn a_request_at_a_member_is_passed_on_and_answered() {
    let mut bench = Bench::member();
    let request = OperatorRequest::Disconnect(NodeId(3));
    let id = bench.request(request);
    let (epoch, origin, incarnation) = (Epoch(200), NodeId(1), Incarnation(1));
    let passed_on = Message::OperatorRequest { epoch, origin, incarnation, id, request };
    assert_eq!(sent(&bench.take(), 9), [passed_on]);
    for _ in 0..2 {
        bench.receive(9, Message::OperatorResponse { incarnation, id, outcome: Ok(()) });
    }
    assert_eq!(replies(&bench.take()), [(id, Ok(()))], "one answer");
}

#[test]
fn a_request_without_an_answer_ends_with_an_unknown_outcome() {
    let mut bench = Bench::member();
    let id = bench.request(OperatorRequest::Disconnect(NodeId(3)));
    bench.pass(Duration::from_secs(5) - TICK);
    assert_eq!(replies(&bench.take()), []);
    bench.pass(TICK);
    assert_eq!(replies(&bench.take()), [(id, Err(Refusal::OutcomeUnknown))]);
}

#[test]
fn a_request_at_a_node_that_is_out_or_alone_is_refused() {
    let mut bench = Bench::joining();
    let id = bench.request(OperatorRequest::Disconnect(NodeId(3)));
    assert_eq!(replies(&bench.take()), [(id, Err(Refusal::NotConnected))]);
    let mut bench = Bench::member();
    bench.suspend();
    let id = bench.request(OperatorRequest::Disconnect(NodeId(3)));
    assert_eq!(replies(&bench.take()), [(id, Err(Refusal::NoCoordinator))]);
}

#[test]
fn who_is_not_the_coordinator_makes_the_node_look_again() {
    let mut bench = Bench::member();
    bench.receive(9, Message::NotCoordinator { epoch: Epoch(200) });
    assert!(matches!(bench.take()[..], [Effect::Coordinate(_)]));
    bench.receive(9, Message::NotCoordinator { epoch: Epoch(199) });
    assert_eq!(bench.take(), [], "that is old news");
}

#[test]
fn a_node_waits_for_what_it_says_it_waits_for() {
    let (at, timer) = Bench::joining().node.next_deadline().unwrap();
    assert_eq!((at.as_micros(), timer), (6_000_000, Timer::Ask));
    assert_eq!(Bench::member().node.next_deadline().unwrap().1, Timer::Heartbeat);
    assert_eq!(Bench::new(config(1), flow("A")).node.next_deadline(), None);
}

#[test]
fn a_status_of_a_term_that_is_still_to_come_is_not_believed() {
    let mut bench = Bench::member();
    let state = ConnectionState::disconnected(DisconnectionCode::UserDisconnected);
    bench.receive(9, change(200, status(2, state.clone(), version(201, 1))));
    bench.receive(9, change(200, status(1, state, version(u64::MAX, 1))));
    assert_eq!(bench.state(2), None);
    assert!(bench.node.membership().is_connected());
}
