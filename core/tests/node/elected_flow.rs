//! The elected flow and its holders are recorded in ZooKeeper, and a coordinator without that flow holds no vote while a
//! holder may be alive.

use crate::harness::*;
use crate::reading::*;
use crate::zookeeper::ZooKeeper;
use std::sync::Arc;
use std::time::Duration;
use zeromaster_core::event::{ClusterEvent, Resignation};
use zeromaster_core::flow::Fingerprint;
use zeromaster_core::identity::{Incarnation, NodeId, NodeIdentifier};
use zeromaster_core::message::{ConnectionAnswer, Membership, Message};
use zeromaster_core::operator::{OperatorRequest, Refusal};
use zeromaster_core::status::{ConnectionState, DisconnectionCode, Epoch};

const FLOW: &str = "/nifi/cluster/flow";

fn holder(id: u128, incarnation: u64) -> String {
    format!("{FLOW}/{}.{incarnation}", identifier(id).id)
}

fn record_holder(zookeeper: &mut ZooKeeper, id: u128, incarnation: u64) {
    let node = identifier(id);
    let data = format!("{} {} {} {incarnation}", node.id, node.api, node.socket);
    zookeeper.put(&holder(id, incarnation), &data);
}

/// n1, whose disk has `own`, is elected where flow A was elected and the first run of each of `holders` was given it.
fn successor(own: &str, holders: &[u128]) -> Bench {
    let mut bench = Bench::new(config(1), flow(own));
    bench.zookeeper.put(FLOW, "50 A");
    for id in holders {
        record_holder(&mut bench.zookeeper, *id, 1);
    }
    bench.connect();
    assert!(bench.node.decides(bench.now).is_some(), "it is in office");
    bench.take();
    bench
}

fn cluster_flow(bench: &Bench) -> Option<String> {
    bench.node.cluster_flow().map(|flow| flow.fingerprint.0.to_string())
}

fn reported(bench: &mut Bench) -> Vec<String> {
    let reports = records(&bench.take()).into_iter().filter_map(|record| match record {
        ClusterEvent::Reported { node: None, severity, text } => Some(format!("{} {text}", severity.name())),
        _ => None,
    });
    reports.collect()
}

/// `id`'s first run, with flow A, in that state.
fn beat_with(bench: &mut Bench, id: u128, reported: Membership, inherited: bool, own: &str) {
    let mut heartbeat = bench.heartbeat(id, reported);
    (heartbeat.inherited, heartbeat.flow) = (inherited, Fingerprint(own.into()));
    bench.receive(id, Message::Heartbeat(Arc::new(heartbeat)));
}

#[test]
fn the_flow_and_each_run_that_is_given_it_are_recorded() {
    let mut bench = Bench::coordinator();
    let epoch = bench.epoch();
    assert_eq!(bench.zookeeper.data(FLOW), Some(&*format!("{epoch} A")));
    assert!(bench.zookeeper.data(&holder(1, 1)).is_some(), "the coordinator was given it too");
    assert_eq!(bench.zookeeper.data(&holder(2, 1)), None);
    bench.join(2);
    let node = identifier(2);
    let data = format!("{} {} {} 1", node.id, node.api, node.socket);
    assert_eq!(bench.zookeeper.data(&holder(2, 1)), Some(&*data));
}

#[test]
fn nobody_is_given_the_flow_before_that_is_recorded() {
    let mut bench = Bench::coordinator();
    bench.hold = Some(FLOW);
    bench.ask(2, "A");
    assert_eq!(sent(&bench.take(), 2), [], "the record is on its way");
    assert_eq!(bench.state(2), None);
    bench.hold = None;
    for request in std::mem::take(&mut bench.held) {
        bench.complete(&request);
    }
    assert!(matches!(answers(&bench.take(), 2)[..], [ConnectionAnswer::Accepted { .. }]));
}

#[test]
fn a_later_run_takes_the_place_of_the_one_before() {
    let mut bench = Bench::with_member();
    let mut question = bench.question(2, 1, "A");
    question.incarnation = Incarnation(2);
    bench.receive(2, Message::ConnectionRequest(question));
    assert!(bench.zookeeper.data(&holder(2, 2)).is_some());
    assert_eq!(bench.zookeeper.data(&holder(2, 1)), None);
}

/// It comes back with that flow, and must not find another one by then.
#[test]
fn a_run_that_stops_cleanly_stays_a_holder_and_one_that_a_person_removes_does_not() {
    let mut bench = Bench::with_member();
    bench.join(3);
    let stopped = out(DisconnectionCode::NodeShutdown, bench.attempt(2));
    let report = Message::NodeReport {
        epoch: bench.epoch(),
        node: identifier(2),
        incarnation: Incarnation(1),
        reported: stopped,
    };
    bench.receive(2, report);
    assert!(bench.zookeeper.data(&holder(2, 1)).is_some());
    bench.request(OperatorRequest::Remove(NodeId(2)));
    assert_eq!(bench.zookeeper.data(&holder(2, 1)), None);
    assert!(bench.zookeeper.data(&holder(3, 1)).is_some());
}

#[test]
fn while_a_holder_may_be_alive_there_is_no_vote() {
    for own in ["B", "E"] {
        let mut bench = successor(own, &[2]);
        bench.ask(3, "B");
        let text = "The cluster dataflow is not yet available";
        let later = ConnectionAnswer::TryLater { after: Duration::from_secs(5), explanation: text.into() };
        assert_eq!(answers(&bench.take(), 3), [later]);
        bench.pass(Duration::from_secs(339));
        assert_eq!(cluster_flow(&bench), None);
        let votes = records(&bench.take());
        assert!(!votes.iter().any(|record| matches!(record, ClusterEvent::VoteCast { .. })));
    }
}

/// 40 s of silence, and the 300 s that a vote may take.
#[test]
fn after_the_silence_of_all_holders_a_new_vote_is_announced_and_held() {
    let mut bench = successor("B", &[2]);
    bench.pass(Duration::from_secs(340));
    assert_eq!(cluster_flow(&bench), None);
    assert_eq!(reported(&mut bench), [""; 0]);
    bench.pass(TICK);
    let text = "WARNING No node that was given the cluster's flow has been heard for 340 seconds: the nodes may vote on \
                another flow than A";
    assert_eq!(reported(&mut bench), [text]);
    bench.pass(INTERVAL);
    assert_eq!(cluster_flow(&bench).as_deref(), Some("B"));
    assert_eq!(bench.zookeeper.data(FLOW), Some(&*format!("{} B", bench.epoch())));
    assert_eq!(bench.zookeeper.data(&holder(2, 1)), None, "n2 was given another flow");
}

#[test]
fn a_holder_that_is_heard_now_and_then_puts_the_vote_off() {
    let mut bench = successor("B", &[2]);
    bench.loads = None;
    for _ in 0..4 {
        bench.pass(Duration::from_secs(300));
        beat_with(&mut bench, 2, Membership::Loading { attempt: version(50, 7) }, false, "A");
        assert_eq!(cluster_flow(&bench), None);
    }
}

#[test]
fn a_holder_that_is_heard_is_asked_for_the_flow_and_its_answer_ends_the_wait() {
    let loading = Membership::Loading { attempt: version(50, 7) };
    // It loads it, runs it although it is out, or has it on its disk although it could not load it.
    let silent = out(DisconnectionCode::LackOfHeartbeat, version(50, 9));
    let failed = out(DisconnectionCode::StartupFailure, version(50, 9));
    for (membership, inherited) in [(loading, false), (silent, true), (failed, false)] {
        let mut bench = successor("E", &[2]);
        beat_with(&mut bench, 2, membership, inherited, "A");
        let epoch = bench.epoch();
        assert!(
            sent(&bench.take(), 2).contains(&Message::FlowRequest { epoch, flow: Fingerprint("A".into()) })
        );
        bench.receive(2, Message::FlowResponse { epoch, flow: flow("B") });
        assert_eq!(cluster_flow(&bench), None, "that is not the flow that was elected");
        bench.receive(2, Message::FlowResponse { epoch, flow: flow("A") });
        assert_eq!(cluster_flow(&bench).as_deref(), Some("A"));
        let text = "INFO The cluster's flow is still A, which an earlier coordinator handed out";
        assert_eq!(reported(&mut bench), [text]);
    }
}

#[test]
fn a_member_that_has_joined_elsewhere_goes_first() {
    let mut bench = successor("E", &[2]);
    bench.beat(2, Membership::Connected { attempt: version(50, 7) });
    let resigned = records(&bench.take()).into_iter().find_map(|record| match record {
        ClusterEvent::Resigned { reason, .. } => Some(reason),
        _ => None,
    });
    assert_eq!(resigned, Some(Resignation::NotQualified));
}

#[test]
fn the_vote_is_free_when_every_holder_is_known_to_be_over() {
    // n2 runs again, and n3 says that it has not loaded the flow.
    let mut bench = successor("B", &[2, 3]);
    let mut question = bench.question(2, 1, "C");
    question.incarnation = Incarnation(2);
    bench.receive(2, Message::ConnectionRequest(question));
    assert_eq!(cluster_flow(&bench), None, "n3 may hold it");
    let failed = out(DisconnectionCode::StartupFailure, version(50, 8));
    beat_with(&mut bench, 3, failed, false, "C");
    bench.pass(INTERVAL);
    assert_eq!(cluster_flow(&bench).as_deref(), Some("B"));
}

#[test]
fn the_former_run_of_the_coordinator_itself_bars_no_vote() {
    let mut bench = Bench::coordinator();
    bench.restart();
    // The session of the former run is over.
    bench.zookeeper.remove(COORDINATOR);
    for parent in [LINE, "/nifi/cluster/nodes"] {
        for znode in bench.zookeeper.children(parent) {
            bench.zookeeper.remove(&format!("{parent}/{znode}"));
        }
    }
    bench.connect();
    bench.pass(INTERVAL);
    let elected = records(&bench.take());
    assert!(elected.iter().any(|record| matches!(record, ClusterEvent::FlowElected { .. })), "it voted");
}

#[test]
fn a_node_with_another_id_on_the_machine_of_a_holder_is_a_later_run() {
    let mut bench = successor("B", &[2]);
    let newcomer = NodeIdentifier { id: NodeId(7), ..NodeIdentifier::clone(&identifier(2)) };
    let mut question = bench.question(2, 1, "C");
    (question.node, question.incarnation) = (Arc::new(newcomer), Incarnation(2));
    bench.receive(2, Message::ConnectionRequest(question));
    assert!(cluster_flow(&bench).is_some(), "the holder is over, and the vote is held");
}

#[test]
fn once_the_holders_count_as_gone_any_node_with_the_recorded_flow_brings_it_back() {
    // The coordinator's own disk.
    let mut bench = successor("A", &[2]);
    bench.pass(WINDOW);
    assert_eq!(cluster_flow(&bench), None);
    bench.pass(TICK);
    assert_eq!(cluster_flow(&bench).as_deref(), Some("A"));
    // The disk of a node that asks.
    let mut bench = successor("E", &[2]);
    bench.pass(WINDOW);
    bench.ask(3, "A");
    assert_eq!(cluster_flow(&bench), None);
    bench.pass(TICK);
    bench.ask(3, "A");
    assert_eq!(cluster_flow(&bench).as_deref(), Some("A"));
}

#[test]
fn a_node_that_inherited_an_earlier_flow_than_the_recorded_one_is_not_qualified() {
    let mut bench = Bench::member();
    bench.zookeeper.put(FLOW, "300 B");
    record_holder(&mut bench.zookeeper, 5, 1);
    bench.zookeeper.remove(COORDINATOR);
    bench.zookeeper.remove(&format!("{LINE}/_c_9-lock-0000000000"));
    bench.settle();
    assert!(bench.node.decides(bench.now).is_some());
    assert_eq!(cluster_flow(&bench), None, "the cluster has another flow by now");
}

#[test]
fn a_node_gives_the_flow_that_it_has_or_loads_and_no_other() {
    let asked = |bench: &mut Bench| {
        let epoch = Epoch(200);
        bench.receive(9, Message::FlowRequest { epoch, flow: Fingerprint("A".into()) });
        sent(&bench.take(), 9).into_iter().find_map(|message| match message {
            Message::FlowResponse { flow, .. } => Some(flow.fingerprint.0.to_string()),
            _ => None,
        })
    };
    let mut other = Bench::new(config(1), flow("B"));
    other.lead_elsewhere(9, 200);
    other.connect();
    assert_eq!(asked(&mut other), None, "its own flow is another one");
    assert_eq!(asked(&mut Bench::joining()).as_deref(), Some("A"), "it is on the disk");
    assert_eq!(asked(&mut Bench::member()).as_deref(), Some("A"));
    let mut loading = Bench::new(config(1), flow("E"));
    loading.loads = None;
    loading.lead_elsewhere(9, 200);
    loading.connect();
    loading.receive(9, accepted(1, version(200, 1), "A"));
    assert_eq!(asked(&mut loading).as_deref(), Some("A"));
}

/// A node that is out by a person's decision, and does not know it yet, does not lead; it still gives the flow.
#[test]
fn a_holder_that_a_person_put_out_does_not_go_first() {
    let mut bench = Bench::new(config(1), flow("E"));
    bench.zookeeper.put(FLOW, "50 A");
    record_holder(&mut bench.zookeeper, 2, 1);
    let node = identifier(2);
    let record = format!("USER_DISCONNECTED 1 50 9 {} {} {}", node.id, node.api, node.socket);
    bench.zookeeper.put(&format!("/nifi/cluster/excluded/{}", node.id), &record);
    bench.connect();
    bench.beat(2, Membership::Connected { attempt: version(50, 7) });
    assert!(bench.node.decides(bench.now).is_some());
    let epoch = bench.epoch();
    bench.receive(2, Message::FlowResponse { epoch, flow: flow("A") });
    bench.pass(INTERVAL * 2);
    assert_eq!(cluster_flow(&bench).as_deref(), Some("A"));
    assert!(matches!(bench.state(1), Some(ConnectionState::Connected { .. })));
}

/// A person says so: these nodes do not come back as they are.
#[test]
fn a_person_frees_the_vote_by_removing_the_holders_at_the_node_that_waits_for_them() {
    let mut bench = successor("B", &[2, 3]);
    let refused = bench.request(OperatorRequest::Disconnect(NodeId(2)));
    let unknown = bench.request(OperatorRequest::Remove(NodeId(7)));
    let first = bench.request(OperatorRequest::Remove(NodeId(2)));
    let replied = replies(&bench.take());
    assert!(replied.contains(&(refused, Err(Refusal::NotConnected))), "{replied:?}");
    assert!(replied.contains(&(unknown, Err(Refusal::UnknownNode))), "{replied:?}");
    assert!(replied.contains(&(first, Ok(()))), "{replied:?}");
    assert_eq!(bench.state(2), Some(ConnectionState::Removed));
    assert_eq!(cluster_flow(&bench), None, "n3 may be alive");
    bench.request(OperatorRequest::Remove(NodeId(3)));
    bench.pass(INTERVAL);
    assert_eq!(cluster_flow(&bench).as_deref(), Some("B"));
}

#[test]
fn a_holder_that_is_heard_while_the_nodes_vote_again_ends_that_vote() {
    let mut voting = config(1);
    voting.flow_election_max_candidates = None;
    let mut bench = Bench::new(voting, flow("B"));
    bench.zookeeper.put(FLOW, "50 A");
    record_holder(&mut bench.zookeeper, 2, 1);
    bench.connect();
    bench.pass(Duration::from_secs(346));
    assert!(records(&bench.take()).iter().any(|record| matches!(record, ClusterEvent::VoteCast { .. })));
    beat_with(&mut bench, 2, out(DisconnectionCode::UserDisconnected, version(50, 9)), true, "A");
    let epoch = bench.epoch();
    bench.receive(2, Message::FlowResponse { epoch, flow: flow("A") });
    bench.pass(Duration::from_secs(600));
    assert_eq!(cluster_flow(&bench).as_deref(), Some("A"));
}
