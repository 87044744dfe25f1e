//! Taking office and leaving it: which operations in which order, and that nothing is done under a term that may be
//! over.

use crate::harness::*;
use crate::reading::*;
use std::sync::Arc;
use std::time::Duration;
use zeromaster_core::coordination::{
    CoordinationEvent, CoordinationRequest, CreateMode, Operation, WatchKind,
};
use zeromaster_core::effect::Effect;
use zeromaster_core::event::{ClusterEvent, Resignation};
use zeromaster_core::leadership::Role;
use zeromaster_core::message::{Membership, Message, OrderKind};
use zeromaster_core::node::Input;
use zeromaster_core::operator::OperatorRequest;
use zeromaster_core::status::{ConnectionState, DisconnectionCode, Epoch};

/// The operations among `effects`, as one line each, without the parents that must exist.
fn operations(effects: &[Effect]) -> Vec<String> {
    let operations = effects.iter().filter_map(|effect| match effect {
        Effect::Coordinate(CoordinationRequest::Perform { operation, .. }) => Some(operation),
        _ => None,
    });
    let lines = operations.filter_map(|operation| match operation {
        Operation::Create { mode: CreateMode::Persistent, data, .. } if data.is_empty() => None,
        Operation::Create { path, .. } => Some(format!("create {path}")),
        Operation::SetData { path, .. } => Some(format!("set {path}")),
        Operation::Delete { path } => Some(format!("delete {path}")),
        Operation::Exists { path, watch } => Some(format!("exists {path}{}", watched(*watch))),
        Operation::GetData { path, watch } => Some(format!("get {path}{}", watched(*watch))),
        Operation::GetChildren { path, watch } => Some(format!("list {path}{}", watched(*watch))),
        Operation::Sync { path } => Some(format!("sync {path}")),
    });
    lines.collect()
}

fn watched(watch: bool) -> &'static str {
    if watch { " and watch" } else { "" }
}

fn resignations(effects: &[Effect]) -> Vec<Resignation> {
    let records = records(effects).into_iter().filter_map(|record| match record {
        ClusterEvent::Resigned { role: Role::ClusterCoordinator, reason, .. } => Some(reason),
        _ => None,
    });
    records.collect()
}

#[test]
fn a_new_coordinator_reads_what_people_decided_lists_the_members_and_only_then_publishes_itself() {
    let mut bench = Bench::new(config(1), flow("A"));
    bench.zookeeper.put("/nifi/cluster/excluded/00000000-0000-0000-0000-000000000003", "nonsense");
    bench.connect();
    let line: Vec<String> = operations(&bench.take());
    let place = "create /nifi/leaders/Cluster Coordinator/_c_00000000-0000-0000-0000-000000000001.1.1-lock-";
    let first = line.iter().position(|line| line == place).expect("it stands for election");
    let expected = [
        "list /nifi/leaders/Cluster Coordinator",
        "list /nifi/cluster/excluded",
        "get /nifi/cluster/excluded/00000000-0000-0000-0000-000000000003",
        "get /nifi/cluster/flow",
        "list /nifi/cluster/nodes and watch",
        "create /nifi/cluster/coordinator",
    ];
    let after: Vec<&String> = line[first + 1..]
        .iter()
        .filter(|line| !line.contains("/nodes/") && !line.contains("coordinator and watch"))
        .filter(|line| !line.contains("Primary Node"))
        .collect();
    assert_eq!(after[..expected.len()], expected);
}

#[test]
fn nothing_is_said_to_anybody_before_the_address_is_published() {
    let mut bench = Bench::new(config(1), flow("A"));
    bench.connect();
    let effects = bench.take();
    let published = effects
        .iter()
        .position(|effect| matches!(effect, Effect::Coordinate(CoordinationRequest::Perform { operation: Operation::Create { path, .. }, .. }) if &**path == COORDINATOR))
        .unwrap();
    let said = effects.iter().position(|effect| matches!(effect, Effect::Send { .. })).unwrap();
    assert!(published < said);
    assert_eq!(bench.zookeeper.data(COORDINATOR), Some(&*format!("{} n1:11443", bench.epoch())));
}

#[test]
fn a_new_coordinator_waits_for_word_from_every_member_but_not_for_ever() {
    let registered = |id: u128| {
        let node = identifier(id);
        (format!("/nifi/cluster/nodes/{}", node.id), format!("{} {} {} 1", node.id, node.api, node.socket))
    };
    let mut bench = Bench::new(config(1), flow("A"));
    for id in [2, 3] {
        let (path, data) = registered(id);
        bench.zookeeper.put(&path, &data);
    }
    bench.connect();
    assert!(bench.node.coordinates(bench.now).is_some(), "others may know of it");
    assert_eq!(bench.node.decides(bench.now), None, "it has not heard anybody");
    bench.beat(2, out(DisconnectionCode::LackOfHeartbeat, version(50, 7)));
    assert_eq!(bench.node.decides(bench.now), None, "n3 is missing");
    let mut early = bench.clone();
    bench.beat(3, out(DisconnectionCode::LackOfHeartbeat, version(50, 8)));
    assert!(bench.node.decides(bench.now).is_some(), "everybody was heard");
    early.pass(Duration::from_secs(5) - TICK);
    assert_eq!(early.node.decides(early.now), None);
    early.pass(TICK);
    assert!(early.node.decides(early.now).is_some(), "nifi.cluster.node.connection.timeout is over");
}

#[test]
fn who_asks_before_the_office_is_open_is_answered_when_it_is() {
    let mut bench = Bench::new(config(1), flow("A"));
    let node = identifier(2);
    let data = format!("{} {} {} 1", node.id, node.api, node.socket);
    bench.zookeeper.put(&format!("/nifi/cluster/nodes/{}", identifier(3).id), &data);
    bench.connect();
    bench.take();
    bench.ask(2, "A");
    assert_eq!(answers(&bench.take(), 2), []);
    bench.pass(Duration::from_secs(5));
    assert_eq!(answers(&bench.take(), 2).len(), 1);
}

#[test]
fn a_registered_member_is_discovered_and_not_connected() {
    let mut bench = Bench::coordinator();
    let node = identifier(2);
    let path = format!("/nifi/cluster/nodes/{}", node.id);
    bench.zookeeper.put(&path, &format!("{} {} {} 4", node.id, node.api, node.socket));
    bench.settle();
    let effects = bench.take();
    assert!(records(&effects).contains(&ClusterEvent::MemberAppeared { node: node.id }));
    let text = "INFO Node discovered in ZooKeeper. It has not yet connected to the cluster.";
    assert_eq!(told(&effects, 2), [text]);
    assert_eq!(bench.code(2), Some(DisconnectionCode::NotYetConnected));
    bench.zookeeper.remove(&path);
    bench.settle();
    assert!(records(&bench.take()).contains(&ClusterEvent::MemberGone { node: node.id }));
    assert_eq!(bench.code(2), Some(DisconnectionCode::NotYetConnected), "to vanish is not to be removed");
}

/// Its own table may be old: what the members say of themselves comes first.
#[test]
fn a_member_that_the_new_coordinator_does_not_know_keeps_what_an_earlier_term_decided() {
    let mut bench = Bench::new(config(1), flow("A"));
    let node = identifier(2);
    let path = format!("/nifi/cluster/nodes/{}", node.id);
    bench.zookeeper.put(&path, &format!("{} {} {} 1", node.id, node.api, node.socket));
    bench.connect();
    assert_eq!(bench.state(2), None, "nothing is decided before everybody was heard");
    let mut heartbeat = bench.heartbeat(2, Membership::Offloaded { version: version(50, 7) });
    Arc::make_mut(&mut heartbeat.table).merge(&status(2, ConnectionState::Offloaded, version(50, 7)));
    bench.receive(2, Message::Heartbeat(Arc::new(heartbeat)));
    assert_eq!(bench.state(2), Some(ConnectionState::Offloaded));
    bench.pass(INTERVAL);
    assert_eq!(bench.state(2), Some(ConnectionState::Offloaded));
}

#[test]
fn a_decision_of_a_person_outlives_the_term_in_which_it_was_made() {
    let mut bench = Bench::with_member();
    bench.request(OperatorRequest::Disconnect(identifier(2).id));
    let record = bench.zookeeper.children("/nifi/cluster/excluded");
    assert_eq!(record.len(), 1);
    // Another process coordinates next: all that it has is the record.
    let mut successor = Bench::new(config(3), flow("A"));
    successor.zookeeper = bench.zookeeper.clone();
    successor.zookeeper.expire();
    successor.connect();
    assert_eq!(successor.code(2), Some(DisconnectionCode::UserDisconnected));
    assert_eq!(told(&successor.take(), 2).len(), 1, "what is taken over is recorded too");
    successor.beat(2, Membership::Connected { attempt: version(50, 7) });
    successor.pass(INTERVAL);
    assert!(matches!(orders(&successor.take(), 2)[..], [(_, OrderKind::Disconnect { .. })]));
    successor.ask(2, "A");
    assert_eq!(successor.code(2), Some(DisconnectionCode::UserDisconnected), "asking does not help");
}

/// The answer got lost with the connection, the record did not; the same term goes on.
#[test]
fn a_decision_whose_answer_was_lost_holds_when_the_term_goes_on() {
    let mut bench = Bench::with_member();
    bench.answers = false;
    bench.request(OperatorRequest::Disconnect(identifier(2).id));
    bench.carry_out_unanswered();
    bench.suspend();
    bench.resume();
    assert_eq!(bench.zookeeper.children("/nifi/cluster/excluded").len(), 1);
    assert_eq!(bench.code(2), Some(DisconnectionCode::UserDisconnected));
}

/// While a person's decision was being recorded an earlier coordinator found the node silent. That decision is later, and the
/// person was told "done" all the same.
#[test]
fn a_recorded_decision_stands_against_a_later_one_on_silence() {
    let silent =
        status(2, ConnectionState::disconnected(DisconnectionCode::UnableToCommunicate), version(50, 10));
    for while_opening in [true, false] {
        let mut bench = Bench::new(config(1), flow("A"));
        let node = identifier(2);
        let record = format!("USER_DISCONNECTED 1 50 9 {} {} {}", node.id, node.api, node.socket);
        bench.zookeeper.put(&format!("/nifi/cluster/excluded/{}", node.id), &record);
        if while_opening {
            let member = identifier(3);
            let registered = format!("{} {} {} 1", member.id, member.api, member.socket);
            bench.zookeeper.put(&format!("/nifi/cluster/nodes/{}", member.id), &registered);
        }
        bench.connect();
        assert_eq!(bench.node.decides(bench.now).is_some(), !while_opening);
        let mut heartbeat = bench.heartbeat(3, Membership::Joining);
        Arc::make_mut(&mut heartbeat.table).merge(&silent);
        bench.receive(3, Message::Heartbeat(Arc::new(heartbeat)));
        assert!(bench.node.decides(bench.now).is_some());
        assert_eq!(
            bench.code(2),
            Some(DisconnectionCode::UserDisconnected),
            "while opening: {while_opening}"
        );
        let known = bench.node.table().get(identifier(2).id).unwrap();
        assert!(known.version > silent.version, "all tables come to say it: {}", known.version);
    }
}

/// An office that ended for want of a lease still has operations under way; its successor has its own.
#[test]
fn answers_to_an_office_that_is_over_do_not_hurry_the_next_one() {
    let mut bench = Bench::new(config(1), flow("A"));
    for id in [2, 3] {
        let node = identifier(id);
        let record = format!("USER_DISCONNECTED 1 50 {id} {} {} {}", node.id, node.api, node.socket);
        bench.zookeeper.put(&format!("/nifi/cluster/excluded/{}", node.id), &record);
    }
    bench.hold = Some("/nifi/cluster/excluded/");
    bench.connect_with_lease(Duration::from_secs(1));
    let first = std::mem::take(&mut bench.held);
    assert_eq!(first.len(), 2, "the first office reads two records");
    bench.sleep(Duration::from_secs(2));
    bench.renew(LEASE);
    let second = std::mem::take(&mut bench.held);
    assert_eq!(second.len(), 2, "the second office reads them for itself");
    for request in &first {
        bench.complete(request);
    }
    assert_eq!(bench.node.coordinates(bench.now), None, "the second office still reads");
    for request in &second {
        bench.complete(request);
    }
    assert!(bench.node.coordinates(bench.now).is_some());
    for id in [2, 3] {
        assert_eq!(bench.code(id), Some(DisconnectionCode::UserDisconnected));
    }
}

#[test]
fn the_end_of_the_lease_ends_the_office_before_anything_else_is_done() {
    let mut bench = Bench::new(config(1), flow("A"));
    bench.connect_with_lease(INTERVAL * 3);
    bench.pass(INTERVAL);
    let epoch = bench.epoch();
    let question = bench.question(2, 9, "A");
    bench.take();
    bench.now = bench.now + INTERVAL * 3;
    bench.receive(2, Message::ConnectionRequest(question));
    let effects = bench.take();
    let Effect::Record(ClusterEvent::Resigned { reason, .. }) = &effects[0] else { panic!("{effects:?}") };
    assert_eq!(*reason, Resignation::LeaseEnded);
    assert_eq!(sent(&effects, 2), [Message::NotCoordinator { epoch }]);
}

#[test]
fn a_renewed_lease_brings_the_same_term_back() {
    let mut bench = Bench::new(config(1), flow("A"));
    bench.connect_with_lease(INTERVAL * 3);
    bench.pass(INTERVAL);
    let term = bench.epoch();
    bench.sleep(INTERVAL * 3);
    assert_eq!(bench.node.coordinates(bench.now), None);
    bench.renew(LEASE);
    assert_eq!(bench.epoch(), term);
    assert_eq!(bench.node.cluster_flow().map(|flow| flow.fingerprint.0.to_string()), Some("A".into()));
}

#[test]
fn a_suspended_coordinator_neither_answers_nor_ticks() {
    let mut bench = Bench::with_member();
    let epoch = bench.epoch();
    let question = bench.question(3, 1, "A");
    bench.suspend();
    assert_eq!(resignations(&bench.take()), [Resignation::Suspended]);
    bench.receive(3, Message::ConnectionRequest(question));
    assert_eq!(sent(&bench.take(), 3), [Message::NotCoordinator { epoch }]);
    bench.pass(WINDOW * 2);
    assert_eq!(told(&bench.take(), 2), [""; 0]);
    bench.resume();
    assert_eq!(bench.epoch(), epoch, "the session lived, and so does the place in line");
    assert!(bench.state(2).unwrap().is_connected());
}

#[test]
fn a_lost_session_ends_the_term_and_a_new_one_is_later() {
    let mut bench = Bench::with_member();
    let epoch = bench.epoch();
    bench.expire();
    assert!(bench.epoch() > epoch);
}

#[test]
fn a_coordinator_that_hears_of_a_later_term_leaves_at_once() {
    let mut bench = Bench::with_member();
    let later =
        status(2, ConnectionState::disconnected(DisconnectionCode::UserDisconnected), version(300, 1));
    bench.answers = false;
    bench.receive(9, change(300, later));
    assert_eq!(resignations(&bench.take()), [Resignation::Deposed]);
    assert_eq!(bench.code(2), Some(DisconnectionCode::UserDisconnected));
}

#[test]
fn a_coordinator_whose_member_knows_of_a_later_term_decides_nothing_more() {
    let mut bench = Bench::with_member();
    let attempt = bench.attempt(2);
    let mut heartbeat = bench.heartbeat(2, Membership::Connected { attempt });
    let later =
        status(3, ConnectionState::disconnected(DisconnectionCode::UserDisconnected), version(300, 1));
    Arc::make_mut(&mut heartbeat.table).merge(&later);
    bench.receive(2, Message::Heartbeat(Arc::new(heartbeat)));
    assert_eq!(resignations(&bench.take()), [Resignation::Deposed]);
}

#[test]
fn a_coordinator_that_a_person_put_out_leaves_when_somebody_else_is_there() {
    let mut bench = Bench::with_member();
    bench.request(OperatorRequest::Disconnect(identifier(1).id));
    assert_eq!(resignations(&bench.take()), [Resignation::NotEntitled]);
    assert_eq!(bench.zookeeper.data(COORDINATOR), None, "its address is gone");
    assert_eq!(bench.zookeeper.children(LINE), [], "and so is its place in line");
    bench.pass(WINDOW);
    assert_eq!(bench.node.coordinates(bench.now), None, "it does not stand again");
}

/// A vote must not leave out the flow that a member has already.
#[test]
fn a_coordinator_without_the_cluster_s_flow_makes_room_for_a_member_that_has_it() {
    let mut bench = unqualified(None);
    bench.beat(2, Membership::Connected { attempt: version(50, 7) });
    let effects = bench.take();
    assert_eq!(resignations(&effects), [Resignation::NotQualified]);
    assert!(!records(&effects).iter().any(|record| matches!(record, ClusterEvent::FlowElected { .. })));
}

#[test]
fn a_coordinator_that_makes_room_lets_nobody_in_while_it_goes() {
    let mut bench = unqualified(Some(1));
    bench.ask(3, "B");
    bench.beat(2, Membership::Connected { attempt: version(50, 7) });
    let effects = bench.take();
    assert_eq!(resignations(&effects), [Resignation::NotQualified]);
    assert_eq!(answers(&effects, 3), []);
    assert!(!records(&effects).iter().any(|record| matches!(record, ClusterEvent::FlowElected { .. })));
}

/// While ZooKeeper is away nobody can go first, so that time does not count.
#[test]
fn a_node_without_the_flow_lets_others_go_first_for_two_sessions_anew_after_a_lost_one() {
    let two_sessions = config(1).session_timeout * 2;
    let mut bench = Bench::new(config(1), flow("A"));
    bench.lead_elsewhere(9, 200);
    bench.connect();
    bench.receive(
        9,
        change(200, status(2, ConnectionState::Connected { attempt: version(200, 1) }, version(200, 2))),
    );
    bench.zookeeper.remove(&format!("{LINE}/_c_9-lock-0000000000"));
    bench.zookeeper.remove(COORDINATOR);
    bench.settle();
    bench.pass(two_sessions / 2);
    assert_eq!(bench.node.coordinates(bench.now), None, "n2 has the flow, and may go first");
    bench.suspend();
    bench.sleep(two_sessions * 2);
    bench.expire();
    bench.pass(two_sessions / 2);
    assert_eq!(bench.node.coordinates(bench.now), None, "n2 has only just come back");
    bench.pass(two_sessions);
    assert!(bench.node.coordinates(bench.now).is_some(), "n2 does not go first");
}

/// A lease takes a third of a session to prove in an ensemble; a long line in which each waits for one never ends.
#[test]
fn a_node_makes_room_before_it_has_a_lease() {
    let mut bench = Bench::new(config(1), flow("A"));
    bench.lead_elsewhere(9, 200);
    bench.connect_with_lease(Duration::ZERO);
    bench.receive(
        9,
        change(200, status(2, ConnectionState::Connected { attempt: version(200, 1) }, version(200, 2))),
    );
    bench.zookeeper.remove(&format!("{LINE}/_c_9-lock-0000000000"));
    bench.zookeeper.put(&format!("{LINE}/_c_2-lock-0000000007"), &identifier(2).socket.to_string());
    bench.zookeeper.remove(COORDINATOR);
    bench.settle();
    let line = bench.zookeeper.children(LINE);
    assert!(line.first().is_some_and(|first| first.contains("_c_2")), "n2 is first: {line:?}");
}

/// n1 just elected, without the cluster's flow; n2 and n3 are registered and have not spoken.
fn unqualified(candidates: Option<u32>) -> Bench {
    let mut config = config(1);
    config.flow_election_max_candidates = candidates;
    let mut bench = Bench::new(config, flow("A"));
    for id in [2, 3] {
        let node = identifier(id);
        let data = format!("{} {} {} 1", node.id, node.api, node.socket);
        bench.zookeeper.put(&format!("/nifi/cluster/nodes/{}", node.id), &data);
    }
    bench.connect();
    bench.take();
    bench
}

#[test]
fn who_made_room_stands_again_after_a_second_if_nobody_leads() {
    let mut bench = unqualified(None);
    bench.beat(2, Membership::Connected { attempt: version(50, 7) });
    bench.pass(Duration::from_secs(1) - TICK);
    assert_eq!(bench.node.coordinates(bench.now), None);
    bench.pass(TICK);
    assert!(bench.node.coordinates(bench.now).is_some());
}

#[test]
fn a_member_without_the_cluster_s_flow_does_not_stand_while_somebody_leads() {
    let bench = Bench::joining();
    assert_eq!(bench.zookeeper.children(LINE).len(), 1, "n9 alone");
}

#[test]
fn a_member_stands_behind_the_coordinator_and_takes_over() {
    let mut bench = Bench::member();
    assert_eq!(bench.zookeeper.children(LINE).len(), 2);
    bench.zookeeper.remove(COORDINATOR);
    bench.zookeeper.remove(&format!("{LINE}/_c_9-lock-0000000000"));
    bench.settle();
    assert!(bench.epoch() > Epoch(200));
}

#[test]
fn a_clean_stop_says_so_before_the_session_is_closed() {
    for mut bench in [Bench::with_member(), Bench::member()] {
        bench.input(Input::Stop);
        let effects = bench.take();
        let place = |wanted: fn(&Effect) -> bool| effects.iter().position(wanted).expect("it is there");
        let said = place(|effect| match effect {
            Effect::Send {
                message: Message::NodeReport { reported: Membership::Disconnected { code, .. }, .. },
                ..
            } => *code == DisconnectionCode::NodeShutdown,
            Effect::Send { message: Message::NodeStatusChange { status, .. }, .. } => {
                status.state.code() == Some(DisconnectionCode::NodeShutdown)
            }
            _ => false,
        });
        let closed = place(|effect| *effect == Effect::Coordinate(CoordinationRequest::Close));
        let ended = place(|effect| *effect == Effect::Exit);
        assert!(said < closed && closed < ended, "{said} {closed} {ended}");
        assert_eq!(bench.node.next_deadline(), None);
        bench.pass(WINDOW);
        assert_eq!(bench.take(), [], "nothing comes after the end");
    }
}

#[test]
fn an_address_that_somebody_deletes_is_written_again() {
    let mut bench = Bench::coordinator();
    bench.zookeeper.remove(COORDINATOR);
    bench.settle();
    assert_eq!(bench.zookeeper.data(COORDINATOR), Some(&*format!("{} n1:11443", bench.epoch())));
}

#[test]
fn two_looks_at_a_deleted_address_do_not_clear_each_other_s_answer() {
    let mut bench = Bench::coordinator();
    bench.answers = false;
    let event = CoordinationEvent::Watched { path: COORDINATOR.into(), kind: WatchKind::DataChanged };
    bench.input(Input::Coordination(event));
    bench.zookeeper.remove(COORDINATOR);
    bench.answers = true;
    bench.settle();
    assert_eq!(bench.zookeeper.data(COORDINATOR), Some(&*format!("{} n1:11443", bench.epoch())));
}

#[test]
fn a_predecessor_s_address_is_replaced() {
    let mut bench = Bench::new(config(1), flow("A"));
    bench.zookeeper.put(COORDINATOR, "7 n8:11443");
    bench.connect();
    // As long as that address stands, somebody seems to lead; it goes with its session.
    assert_eq!(bench.node.coordinates(bench.now), None);
    bench.zookeeper.remove(COORDINATOR);
    bench.settle();
    assert_eq!(bench.zookeeper.data(COORDINATOR), Some(&*format!("{} n1:11443", bench.epoch())));
}

/// The very first operations fail with the connection; everything has its place all the same afterwards.
#[test]
fn a_connection_that_breaks_while_the_first_znodes_are_made_delays_and_no_more() {
    let mut bench = Bench::new(config(1), flow("A"));
    bench.answers = false;
    bench.connect();
    bench.suspend();
    bench.resume();
    assert!(bench.node.coordinates(bench.now).is_some());
}

#[test]
fn a_term_ends_with_its_operations_unanswered() {
    let mut bench = Bench::with_member();
    bench.answers = false;
    let id = bench.request(OperatorRequest::Disconnect(identifier(2).id));
    bench.suspend();
    let effects = bench.take();
    assert_eq!(replies(&effects).len(), 1);
    assert_eq!(replies(&effects)[0].0, id);
    assert!(matches!(&replies(&effects)[0].1, Err(refusal) if refusal.outcome_is_unknown()));
}
