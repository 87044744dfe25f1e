//! The coordinator lets nodes in and puts them out: requests, orders, identities, and what people ask.

use crate::harness::*;
use crate::reading::*;
use std::sync::Arc;
use std::time::Duration;
use zeromaster_core::effect::Effect;
use zeromaster_core::event::ClusterEvent;
use zeromaster_core::firewall::Firewall;
use zeromaster_core::identity::{Incarnation, NodeId, NodeIdentifier};
use zeromaster_core::message::{ConnectionAnswer, Membership, Message, OrderKind};
use zeromaster_core::operator::{OperatorRequest, Refusal, RequestId};
use zeromaster_core::rules::Rules;
use zeromaster_core::status::{ConnectionState, DisconnectionCode, Version};

const PAUSE: Duration = Duration::from_secs(5);

/// The attempt under which `answers` let the node in.
#[track_caller]
fn accepted_attempt(answers: &[ConnectionAnswer]) -> Version {
    match answers {
        [ConnectionAnswer::Accepted { attempt, .. }] => *attempt,
        other => panic!("not accepted: {other:?}"),
    }
}

#[track_caller]
fn check_rejected(answers: &[ConnectionAnswer], expected: &str) {
    match answers {
        [ConnectionAnswer::Rejected { reason, .. }] => assert_eq!(reason, expected),
        other => panic!("not rejected: {other:?}"),
    }
}

#[test]
fn a_request_is_accepted_with_the_flow_and_a_new_attempt() {
    let mut bench = Bench::coordinator();
    bench.ask(2, "A");
    let effects = bench.take();
    let attempt = accepted_attempt(&answers(&effects, 2));
    assert_eq!(bench.state(2), Some(ConnectionState::Connecting { attempt }));
    assert_eq!(told(&effects, 2), ["INFO Connection requested from new node. Setting status to connecting."]);
    bench.ask(2, "A");
    let effects = bench.take();
    assert!(accepted_attempt(&answers(&effects, 2)) > attempt, "every request is an attempt of its own");
    let words = "INFO Connection requested from existing node. Setting status to connecting.";
    assert_eq!(told(&effects, 2), [words]);
}

#[test]
fn a_doubled_request_gets_the_same_answer_and_an_overtaken_one_gets_none() {
    let mut bench = Bench::coordinator();
    let (older, newer) = (bench.question(2, 7, "A"), bench.question(2, 8, "A"));
    bench.receive(2, Message::ConnectionRequest(newer.clone()));
    let attempt = accepted_attempt(&answers(&bench.take(), 2));
    bench.receive(2, Message::ConnectionRequest(newer.clone()));
    let effects = bench.take();
    assert_eq!(accepted_attempt(&answers(&effects, 2)), attempt);
    assert_eq!(told(&effects, 2), [""; 0]);
    bench.receive(2, Message::ConnectionRequest(older));
    assert_eq!(bench.take(), []);
    bench.beat(2, Membership::Connected { attempt });
    bench.pass(INTERVAL);
    bench.take();
    bench.receive(2, Message::ConnectionRequest(newer));
    assert_eq!(bench.take(), [], "it is connected by now");
    assert!(bench.state(2).unwrap().is_connected());
}

#[test]
fn an_older_run_s_request_is_not_answered() {
    let mut bench = Bench::with_member();
    let mut question = bench.question(2, 900, "A");
    question.incarnation = Incarnation(0);
    bench.receive(2, Message::ConnectionRequest(question));
    assert_eq!(bench.take(), []);
}

#[test]
fn while_the_cluster_votes_a_node_is_told_to_try_later() {
    let mut config = config(1);
    config.flow_election_max_candidates = Some(3);
    let mut bench = Bench::new(config, flow("A"));
    bench.connect();
    bench.take();
    bench.ask(2, "B");
    let effects = bench.take();
    let text = "Cluster is still voting on which Flow is the correct flow for the cluster. Election will complete in \
                300 seconds or after 1 more vote is cast, whichever occurs first.";
    let later = ConnectionAnswer::TryLater { after: Duration::from_secs(5), explanation: text.into() };
    assert_eq!(answers(&effects, 2), [later]);
    assert!(
        records(&effects)
            .iter()
            .any(|record| matches!(record, ClusterEvent::VoteCast { node, .. } if node.id == NodeId(2)))
    );
    assert!(!bench.state(2).is_some_and(|state| state.is_connected()));
    bench.ask(3, "B");
    let effects = bench.take();
    accepted_attempt(&answers(&effects, 3));
    let elected = records(&effects).into_iter().find_map(|record| match record {
        ClusterEvent::FlowElected { flow, votes, voters, .. } => Some((flow.0.to_string(), votes, voters)),
        _ => None,
    });
    assert_eq!(elected, Some(("B".into(), 2, 3)));
}

#[test]
fn a_node_that_the_firewall_does_not_list_is_rejected() {
    let mut config = config(1);
    config.firewall = Some(Firewall::parse("n1").0);
    let mut bench = Bench::coordinator_with(config);
    bench.ask(2, "A");
    let effects = bench.take();
    check_rejected(&answers(&effects, 2), "Blocked by Firewall");
    assert_eq!(
        told(&effects, 2),
        ["WARNING Connection requested from node that is blocked by firewall. Rejecting it."]
    );
    bench.ask(2, "A");
    assert_eq!(told(&bench.take(), 2), [""; 0], "once is enough");
}

#[test]
fn whom_a_person_put_out_is_rejected_until_its_process_restarts() {
    let mut bench = Bench::with_member();
    bench.request(OperatorRequest::Disconnect(NodeId(2)));
    bench.take();
    bench.ask(2, "A");
    check_rejected(&answers(&bench.take(), 2), "User Disconnected Node");
    let mut question = bench.question(2, 1, "A");
    question.incarnation = Incarnation(2);
    bench.receive(2, Message::ConnectionRequest(question));
    accepted_attempt(&answers(&bench.take(), 2));
    assert_eq!(bench.zookeeper.children("/nifi/cluster/excluded"), [], "that decision is done with");
}

#[test]
fn a_node_that_is_connected_or_connecting_cannot_be_removed() {
    let mut bench = Bench::with_member();
    let id = bench.request(OperatorRequest::Remove(NodeId(2)));
    let refusal = Refusal::NotDisconnected { state: "CONNECTED".into() };
    assert_eq!(replies(&bench.take()), [(id, Err(refusal))]);
}

#[test]
fn a_removed_node_leaves_a_tombstone_and_only_a_restart_brings_it_back() {
    let mut bench = Bench::with_member();
    let attempt = bench.attempt(2);
    bench.request(OperatorRequest::Disconnect(NodeId(2)));
    let id = bench.request(OperatorRequest::Remove(NodeId(2)));
    assert!(replies(&bench.take()).contains(&(id, Ok(()))));
    assert_eq!(bench.state(2), Some(ConnectionState::Removed));
    bench.beat(2, Membership::Connected { attempt });
    bench.pass(INTERVAL);
    bench.ask(2, "A");
    let effects = bench.take();
    check_rejected(
        &answers(&effects, 2),
        "Node was removed from the cluster. It can join again after a restart.",
    );
    for request in [OperatorRequest::Connect(NodeId(2)), OperatorRequest::Disconnect(NodeId(2))] {
        let id = bench.request(request);
        assert_eq!(replies(&bench.take()), [(id, Err(Refusal::Removed))]);
    }
    let mut question = bench.question(2, 1, "A");
    question.incarnation = Incarnation(2);
    bench.receive(2, Message::ConnectionRequest(question));
    accepted_attempt(&answers(&bench.take(), 2));
}

#[test]
fn a_new_id_at_a_known_address_evicts_the_old_one() {
    let mut bench = Bench::with_member();
    let newcomer = NodeIdentifier { id: NodeId(7), ..NodeIdentifier::clone(&identifier(2)) };
    let mut question = bench.question(2, 1, "A");
    (question.node, question.incarnation) = (Arc::new(newcomer), Incarnation(2));
    bench.receive(2, Message::ConnectionRequest(question));
    let effects = bench.take();
    accepted_attempt(&answers(&effects, 2));
    assert_eq!(bench.state(2), Some(ConnectionState::Removed));
    let text = format!("WARNING Node {} now has the addresses of this node. Removing this node.", NodeId(7));
    assert_eq!(told(&effects, 2), [text]);
}

/// With NiFi's shipped times an attempt is given up for silence before its order was sent ten times.
#[test]
fn an_order_is_sent_again_every_five_seconds() {
    let mut bench = Bench::coordinator();
    bench.beat(2, Membership::Joining);
    bench.pass(INTERVAL);
    assert_eq!(orders(&bench.take(), 2).len(), 1);
    for attempt in 2..=7 {
        bench.pass(PAUSE - TICK);
        assert_eq!(orders(&bench.take(), 2), [], "attempt {attempt}");
        bench.pass(TICK);
        assert_eq!(orders(&bench.take(), 2).len(), 1, "attempt {attempt}");
    }
}

#[test]
fn ten_unacknowledged_attempts_end_in_unable_to_communicate() {
    let mut patient = config(1);
    patient.heartbeat_missable_max = 100;
    let mut bench = Bench::coordinator_with(patient);
    bench.beat(2, Membership::Joining);
    bench.pass(INTERVAL);
    bench.pass(PAUSE * 9);
    assert_eq!(orders(&bench.take(), 2).len(), 10);
    bench.pass(PAUSE - TICK);
    assert_eq!(told(&bench.take(), 2), [""; 0]);
    bench.pass(TICK);
    let text = "WARNING Node disconnected from cluster due to Attempted to request that node reconnect to cluster \
                but could not communicate with node";
    assert_eq!(told(&bench.take(), 2), [text]);
    assert_eq!(bench.code(2), Some(DisconnectionCode::UnableToCommunicate));
    bench.pass(PAUSE * 3);
    assert_eq!(orders(&bench.take(), 2), []);
}

#[test]
fn an_acknowledgement_ends_an_order_and_only_its_own() {
    let mut bench = Bench::coordinator();
    bench.beat(2, Membership::Joining);
    bench.pass(INTERVAL);
    let (version, _) = orders(&bench.take(), 2)[0].clone();
    let acknowledge =
        |sequence| Message::Acknowledgement { node: NodeId(2), version: Version { sequence, ..version } };
    bench.receive(2, acknowledge(version.sequence - 1));
    bench.pass(PAUSE);
    assert_eq!(orders(&bench.take(), 2).len(), 1, "that was another order");
    bench.receive(2, acknowledge(version.sequence));
    bench.pass(PAUSE * 2);
    assert_eq!(orders(&bench.take(), 2), []);
}

#[test]
fn a_newer_order_replaces_the_older_one() {
    let mut bench = Bench::with_member();
    bench.request(OperatorRequest::Disconnect(NodeId(2)));
    bench.request(OperatorRequest::Connect(NodeId(2)));
    let given = orders(&bench.take(), 2);
    assert!(matches!(given[..], [(_, OrderKind::Disconnect { .. }), (_, OrderKind::Reconnect { .. })]));
    bench.pass(PAUSE);
    assert!(
        matches!(orders(&bench.take(), 2)[..], [(_, OrderKind::Reconnect { .. })]),
        "the older one is over"
    );
}

#[test]
fn a_request_of_the_node_itself_ends_a_pending_order_to_leave() {
    let mut bench = Bench::with_member();
    bench.request(OperatorRequest::Disconnect(NodeId(2)));
    let mut question = bench.question(2, 1, "A");
    question.incarnation = Incarnation(2);
    bench.receive(2, Message::ConnectionRequest(question));
    bench.take();
    bench.pass(PAUSE * 3);
    assert_eq!(orders(&bench.take(), 2), []);
}

/// NiFi's 404 at any node that is not a member; the coordinator is no exception.
#[test]
fn a_coordinator_that_is_no_member_serves_no_person() {
    let mut config = config(1);
    config.flow_election_max_candidates = Some(3);
    let mut bench = Bench::new(config, flow("A"));
    bench.connect();
    assert!(bench.node.decides(bench.now).is_some(), "it coordinates, and the nodes vote");
    bench.take();
    let id = bench.request(OperatorRequest::Disconnect(NodeId(1)));
    assert_eq!(replies(&bench.take()), [(id, Err(Refusal::NotConnected))]);
}

#[test]
fn the_last_connected_node_stays() {
    let mut bench = Bench::coordinator();
    let id = bench.request(OperatorRequest::Disconnect(NodeId(1)));
    assert_eq!(replies(&bench.take()), [(id, Err(Refusal::OnlyConnectedNode))]);
}

#[test]
fn two_people_cannot_put_the_last_two_nodes_out_at_once() {
    let mut bench = Bench::with_member();
    bench.answers = false;
    bench.request(OperatorRequest::Disconnect(NodeId(2)));
    let second = bench.request(OperatorRequest::Disconnect(NodeId(1)));
    assert_eq!(replies(&bench.take()), [(second, Err(Refusal::OnlyConnectedNode))]);
    bench.answers = true;
    bench.settle();
    assert!(bench.state(1).unwrap().is_connected());
}

#[test]
fn who_is_evicted_while_a_request_is_under_way_stays_evicted() {
    let mut bench = Bench::with_member();
    bench.hold = Some("/nifi/cluster/excluded");
    let id = bench.request(OperatorRequest::Disconnect(NodeId(2)));
    let newcomer = NodeIdentifier { id: NodeId(7), ..NodeIdentifier::clone(&identifier(2)) };
    let mut question = bench.question(2, 1, "A");
    (question.node, question.incarnation) = (Arc::new(newcomer), Incarnation(2));
    bench.receive(2, Message::ConnectionRequest(question));
    assert_eq!(bench.state(2), Some(ConnectionState::Removed));
    for request in std::mem::take(&mut bench.held) {
        bench.complete(&request);
    }
    assert_eq!(bench.state(2), Some(ConnectionState::Removed));
    assert_eq!(replies(&bench.take()), [(id, Err(Refusal::Removed))]);
}

#[test]
fn a_second_request_about_a_node_waits_for_the_first() {
    let mut bench = Bench::with_member();
    bench.answers = false;
    bench.request(OperatorRequest::Disconnect(NodeId(2)));
    let second = bench.request(OperatorRequest::Remove(NodeId(2)));
    assert_eq!(replies(&bench.take()), [(second, Err(Refusal::Busy))]);
}

#[test]
fn a_decision_of_a_person_is_in_zookeeper_before_anybody_hears_of_it() {
    let mut bench = Bench::with_member();
    bench.answers = false;
    bench.request(OperatorRequest::Disconnect(NodeId(2)));
    assert!(!bench.take().iter().any(|effect| matches!(effect, Effect::Send { .. } | Effect::Reply { .. })));
    assert!(bench.state(2).unwrap().is_connected());
    bench.answers = true;
    bench.settle();
    assert_eq!(bench.code(2), Some(DisconnectionCode::UserDisconnected));
}

#[test]
fn without_a_place_for_the_record_nothing_is_decided() {
    let mut bench = Bench::with_member();
    bench.zookeeper.remove("/nifi/cluster/excluded");
    let id = bench.request(OperatorRequest::Disconnect(NodeId(2)));
    assert_eq!(replies(&bench.take()), [(id, Err(Refusal::OutcomeUnknown))]);
    assert!(bench.state(2).unwrap().is_connected());
}

#[test]
fn a_request_that_another_node_passes_on_is_carried_out_once() {
    let mut bench = Bench::with_member();
    let passed_on = Message::OperatorRequest {
        epoch: bench.epoch(),
        origin: NodeId(2),
        incarnation: Incarnation(1),
        id: RequestId(1),
        request: OperatorRequest::Disconnect(NodeId(2)),
    };
    bench.receive(2, passed_on.clone());
    bench.receive(2, passed_on);
    let effects = bench.take();
    assert_eq!(told(&effects, 2), ["INFO Disconnection requested due to User Disconnected Node"]);
    let outcome =
        Message::OperatorResponse { incarnation: Incarnation(1), id: RequestId(1), outcome: Ok(()) };
    assert_eq!(sent(&effects, 2).into_iter().filter(|message| *message == outcome).count(), 1);
}

/// Its heartbeats are not judged meanwhile, so its silence says nothing.
#[test]
fn a_connecting_node_does_not_expire_while_a_person_s_decision_about_it_is_recorded() {
    let mut bench = Bench::coordinator();
    let question = bench.question(2, 1, "A");
    bench.receive(2, Message::ConnectionRequest(question));
    bench.answers = false;
    bench.request(OperatorRequest::Disconnect(NodeId(2)));
    bench.pass(WINDOW * 2);
    let state = bench.state(2);
    assert!(matches!(state, Some(ConnectionState::Connecting { .. })), "{state:?}");
    bench.answers = true;
    bench.settle();
    assert_eq!(bench.code(2), Some(DisconnectionCode::UserDisconnected));
}

/// The person was told that nobody coordinates.
#[test]
fn a_request_that_was_refused_is_not_carried_out_when_it_arrives_again() {
    let mut bench = Bench::with_member();
    let passed_on = Message::OperatorRequest {
        epoch: bench.epoch(),
        origin: NodeId(2),
        incarnation: Incarnation(1),
        id: RequestId(1),
        request: OperatorRequest::Disconnect(NodeId(2)),
    };
    bench.suspend();
    bench.receive(2, passed_on.clone());
    let refused = Err(Refusal::NoCoordinator);
    let outcome =
        Message::OperatorResponse { incarnation: Incarnation(1), id: RequestId(1), outcome: refused };
    assert_eq!(sent(&bench.take(), 2), [outcome]);
    bench.resume();
    assert!(bench.node.decides(bench.now).is_some(), "its term goes on");
    bench.take();
    bench.receive(2, passed_on);
    assert_eq!(told(&bench.take(), 2), Vec::<String>::new());
    assert_ne!(bench.code(2), Some(DisconnectionCode::UserDisconnected));
}

#[test]
fn what_is_meant_for_another_term_is_not_done() {
    let mut bench = Bench::with_member();
    let mut question = bench.question(3, 1, "A");
    question.epoch.0 -= 1;
    let epoch = question.epoch;
    bench.receive(3, Message::ConnectionRequest(question));
    assert_eq!(sent(&bench.take(), 3), [Message::NotCoordinator { epoch }]);
}

#[test]
fn there_is_no_such_node() {
    let mut bench = Bench::coordinator();
    let id = bench.request(OperatorRequest::Connect(NodeId(8)));
    assert_eq!(replies(&bench.take()), [(id, Err(Refusal::UnknownNode))]);
}

#[test]
fn an_offload_that_cannot_be_ordered_is_taken_back() {
    let mut bench = Bench::with_member();
    bench.request(OperatorRequest::Disconnect(NodeId(2)));
    bench.request(OperatorRequest::Offload(NodeId(2)));
    assert_eq!(bench.state(2), Some(ConnectionState::Offloading));
    bench.pass(PAUSE * 10);
    assert_eq!(bench.code(2), Some(DisconnectionCode::UserDisconnected));
}

#[test]
fn under_nifi_s_rules_a_removed_node_is_simply_unknown() {
    let mut config = config(1);
    config.rules = Rules { removal_leaves_tombstone: false, ..Rules::default() };
    let mut bench = Bench::coordinator_with(config);
    bench.join(2);
    bench.request(OperatorRequest::Disconnect(NodeId(2)));
    bench.request(OperatorRequest::Remove(NodeId(2)));
    assert_eq!(bench.state(2), None);
}

#[test]
fn in_a_quiet_cluster_a_heartbeat_costs_one_answer_and_says_nothing() {
    let mut bench = Bench::with_member();
    let attempt = bench.attempt(2);
    let table = bench.node.table().clone();
    for _ in 0..3 {
        let mut heartbeat = bench.heartbeat(2, Membership::Connected { attempt });
        heartbeat.table = table.clone();
        bench.receive(2, Message::Heartbeat(Arc::new(heartbeat)));
        let epoch = bench.epoch();
        let answer = Message::HeartbeatResponse { epoch, differences: vec![], election: None, passage: None };
        let to = identifier(2).socket.clone();
        assert_eq!(bench.take(), [Effect::Send { to, message: answer }]);
        bench.pass(INTERVAL);
        let effects = bench.take();
        assert!(records(&effects).is_empty());
        assert!(
            effects
                .iter()
                .all(|effect| matches!(effect, Effect::Send { to, .. } if *to == identifier(1).socket)),
            "{effects:?}"
        );
    }
}
