//! Telling many nodes of many changes.

use crate::harness::*;
use std::sync::Arc;
use std::time::Duration;
use zeromaster_core::config::{CHANGES_GATHERED_FOR, TOLD_AT_ONCE_UP_TO};
use zeromaster_core::effect::Effect;
use zeromaster_core::identity::NodeId;
use zeromaster_core::message::{ConnectionAnswer, Membership, Message, Passage, StatusChanges};
use zeromaster_core::node::Input;
use zeromaster_core::rules::Rules;
use zeromaster_core::status::{ConnectionState, DisconnectionCode, NodeStatus};
use zeromaster_core::table::StatusTable;

/// n1 in office, and so many others that changes are told together; all of them CONNECTING, and all told of it.
fn large() -> Bench {
    let mut bench = Bench::coordinator();
    for id in 2..TOLD_AT_ONCE_UP_TO as u128 + 3 {
        bench.ask(id, "A");
    }
    bench.pass(CHANGES_GATHERED_FOR);
    bench.take();
    bench
}

/// What somebody was told: how many one by one, and what together.
fn told(effects: &[Effect]) -> (usize, Vec<Arc<StatusChanges>>) {
    let mut together = Vec::new();
    let mut alone = 0;
    for effect in effects {
        match effect {
            Effect::Send { message: Message::NodeStatusChange { .. }, .. } => alone += 1,
            Effect::Send { message: Message::NodeStatusChanges(changes), .. } => {
                together.push(changes.clone())
            }
            _ => {}
        }
    }
    (alone, together)
}

#[test]
fn a_small_cluster_is_told_of_each_change_at_once() {
    let mut bench = Bench::with_member();
    bench.ask(3, "A");
    assert_eq!(told(&bench.take()), (2, vec![]), "n2 and n3 itself");
}

#[test]
fn a_large_cluster_is_told_of_the_changes_of_a_moment_together() {
    let mut bench = large();
    let known = bench.node.table().len();
    for id in [200, 201, 202] {
        bench.ask(id, "A");
    }
    assert_eq!(told(&bench.take()), (0, vec![]), "nobody is told at once");
    bench.pass(CHANGES_GATHERED_FOR);
    let (alone, together) = told(&bench.take());
    assert_eq!((alone, together.len()), (0, known + 2), "everybody but n1 is told once");
    let nodes: Vec<NodeId> = together[0].statuses.iter().map(|status| status.node.id).collect();
    assert_eq!(nodes, [200, 201, 202].map(NodeId));
    bench.pass(Duration::from_secs(1));
    assert_eq!(told(&bench.take()), (0, vec![]), "and nothing is told twice");
}

#[test]
fn of_two_changes_of_a_node_only_the_later_one_is_told() {
    let mut bench = large();
    bench.ask(200, "A");
    bench.ask(201, "A");
    let status = bench.node.table().get(NodeId(200)).expect("it was let in").clone();
    bench.ask(200, "A");
    bench.pass(CHANGES_GATHERED_FOR);
    let (_, together) = told(&bench.take());
    let of_200: Vec<_> = together[0].statuses.iter().filter(|told| told.node.id == NodeId(200)).collect();
    assert_eq!(of_200.len(), 1);
    assert!(of_200[0].version > status.version);
}

#[test]
fn a_coordinator_that_stops_leaves_nothing_unsaid() {
    let mut bench = large();
    bench.ask(200, "A");
    bench.input(Input::Stop);
    let effects = bench.take();
    let (_, together) = told(&effects);
    let told_of_200 =
        |changes: &&Arc<StatusChanges>| changes.statuses.iter().any(|status| status.node.id == NodeId(200));
    assert!(together.iter().any(|changes| told_of_200(&changes)), "{together:?}");
}

/// One way from a table to another, if it is `shared`.
fn passages(shared: bool, before: Arc<StatusTable>, after: StatusTable) -> Vec<Passage> {
    let passage = Passage { from: vec![before], to: Arc::new(after) };
    if shared { vec![passage] } else { vec![] }
}

/// n1, a member under n9 in term 200, is told of `ids` being CONNECTING.
fn changes(bench: &Bench, ids: &[u128], shared: bool) -> Message {
    let before = bench.node.table().clone();
    let mut after = StatusTable::clone(&before);
    let statuses: Vec<_> = ids
        .iter()
        .zip(10..)
        .map(|(id, number)| {
            let attempt = version(200, number);
            status(*id, ConnectionState::Connecting { attempt }, attempt)
        })
        .collect();
    statuses.iter().for_each(|status| assert!(after.merge(status)));
    let passages = passages(shared, before, after);
    let epoch = zeromaster_core::status::Epoch(200);
    Message::NodeStatusChanges(Arc::new(StatusChanges { epoch, statuses, passages }))
}

#[test]
fn who_holds_the_table_before_takes_the_one_after_over_and_others_come_to_the_same() {
    let mut sharing = Bench::member();
    let mut alone = Bench::member();
    let message = changes(&sharing, &[2, 3], true);
    let Message::NodeStatusChanges(told) = &message else { unreachable!("that is what was made") };
    let after = told.passages[0].to.clone();
    sharing.receive(9, message);
    alone.receive(9, changes(&alone, &[2, 3], false));
    assert!(Arc::ptr_eq(sharing.node.table(), &after));
    assert_eq!(sharing.node.table(), alone.node.table());
    assert_eq!(alone.node.table().len(), after.len());
}

#[test]
fn what_is_told_together_of_the_node_itself_is_obeyed() {
    for shared in [false, true] {
        let mut bench = Bench::member();
        let before = bench.node.table().clone();
        let out = ConnectionState::disconnected(DisconnectionCode::LackOfHeartbeat);
        let status = status(1, out, version(200, 20));
        let mut after = StatusTable::clone(&before);
        after.merge(&status);
        let passages = passages(shared, before, after);
        let epoch = zeromaster_core::status::Epoch(200);
        let changes = StatusChanges { epoch, statuses: vec![status], passages };
        bench.receive(9, Message::NodeStatusChanges(Arc::new(changes)));
        assert!(!bench.node.membership().is_connected(), "shared: {shared}");
    }
}

/// Whether `statuses` make of each table what the passage says.
#[track_caller]
fn check_passage(passage: &Passage, statuses: &[Arc<NodeStatus>]) {
    for from in &passage.from {
        let mut table = StatusTable::clone(from);
        for status in statuses {
            table.merge(status);
        }
        assert_eq!(table, *passage.to);
    }
}

#[test]
fn who_is_let_in_in_the_meantime_holds_one_of_the_tables_that_the_changes_lead_from() {
    let mut bench = large();
    let mut given = Vec::from([bench.node.table().clone()]);
    for id in [200, 201, 202] {
        bench.ask(id, "A");
        given.extend(bench.take().into_iter().find_map(|effect| match effect {
            Effect::Send {
                message: Message::ConnectionResponse { answer: ConnectionAnswer::Accepted { table, .. }, .. },
                ..
            } => Some(table),
            _ => None,
        }));
    }
    bench.pass(CHANGES_GATHERED_FOR);
    let (_, together) = told(&bench.take());
    let [passage] = &together[0].passages[..] else { panic!("{:?}", together[0].passages) };
    assert!(Arc::ptr_eq(&passage.to, bench.node.table()));
    assert_eq!(given.len(), 4);
    assert!(given.iter().all(|table| passage.begins_at(table)), "before all, and as each was let in");
    check_passage(passage, &together[0].statuses);
}

#[test]
fn what_newcomers_know_while_all_wait_for_the_vote_is_led_on_too() {
    let mut config = config(1);
    config.flow_election_max_candidates = None;
    let mut bench = Bench::new(config, flow("A"));
    bench.connect();
    bench.pass(INTERVAL);
    (2..TOLD_AT_ONCE_UP_TO as u128 + 3).for_each(|id| bench.ask(id, "A"));
    bench.take();
    let mut newcomer = Arc::new(StatusTable::default());
    for moment in 0..3 {
        (0..5).for_each(|id| bench.ask(200 + 10 * moment + id, "A"));
        bench.pass(CHANGES_GATHERED_FOR);
        let (_, together) = told(&bench.take());
        let changes = &together[0];
        assert_eq!(changes.passages.len() as u128, moment + 2, "one more group each time");
        changes.passages.iter().for_each(|passage| check_passage(passage, &changes.statuses));
        let passage = changes.passages.iter().find(|passage| passage.begins_at(&newcomer));
        newcomer = passage.expect("it holds what it was told, and nothing else").to.clone();
    }
    bench.pass(Duration::from_secs(301));
    bench.take();
    // They are let in one after another; then nobody waits.
    let known: Vec<NodeId> = bench.node.table().iter().map(|status| status.node.id).collect();
    known.iter().filter(|id| id.0 != 1).for_each(|id| bench.ask(id.0, "A"));
    bench.pass(CHANGES_GATHERED_FOR);
    let (_, together) = told(&bench.take());
    let last = together.last().expect("they were told of each other");
    assert!(!last.passages.iter().any(|passage| passage.begins_at(&newcomer)), "{:?}", last.passages.len());
}

#[test]
fn the_answer_to_a_heartbeat_leads_from_its_table_to_the_coordinator_s() {
    let mut bench = Bench::with_member();
    let behind = bench.node.table().clone();
    bench.ask(3, "A");
    bench.take();
    let mut heartbeat = bench.heartbeat(2, Membership::Connected { attempt: bench.attempt(2) });
    heartbeat.table = behind.clone();
    bench.receive(2, Message::Heartbeat(Arc::new(heartbeat)));
    let answer = bench.take().into_iter().find_map(|effect| match effect {
        Effect::Send { message: Message::HeartbeatResponse { differences, passage, .. }, .. } => {
            Some((differences, passage?))
        }
        _ => None,
    });
    let (differences, passage) = answer.expect("it knows nothing better");
    assert!(passage.begins_at(&behind) && Arc::ptr_eq(&passage.to, bench.node.table()));
    check_passage(&passage, &differences);
}

#[test]
fn who_sent_the_heartbeat_takes_that_table_over_and_others_come_to_the_same() {
    let mut sharing = Bench::member();
    let mut alone = Bench::member();
    let told = |bench: &Bench, shared| {
        let Message::NodeStatusChanges(changes) = changes(bench, &[1, 2], shared) else {
            unreachable!("that is what was made")
        };
        let (differences, passage) =
            (changes.statuses.clone(), changes.passages.first().cloned().map(Box::new));
        Message::HeartbeatResponse { epoch: changes.epoch, differences, election: None, passage }
    };
    let message = told(&sharing, true);
    let Message::HeartbeatResponse { passage: Some(passage), .. } = &message else {
        unreachable!("it is shared")
    };
    let after = passage.to.clone();
    sharing.receive(9, message);
    alone.receive(9, told(&alone, false));
    assert!(Arc::ptr_eq(sharing.node.table(), &after));
    assert_eq!(sharing.node.table(), alone.node.table());
    assert_eq!(sharing.node.membership(), alone.node.membership());
}

#[test]
fn a_table_of_a_term_that_is_over_is_not_taken_over() {
    let mut bench = Bench::member();
    let before = bench.node.table().clone();
    let message = changes(&bench, &[2], true);
    bench.receive(8, change(300, status(5, ConnectionState::Disconnecting, version(300, 1))));
    let newer = bench.node.table().clone();
    assert_ne!(before, newer);
    bench.receive(9, message);
    assert_eq!(*bench.node.table(), newer, "what the old coordinator says has no effect");
}

#[test]
fn where_removal_leaves_no_tombstone_none_is_taken_over_with_a_table() {
    for shared in [false, true] {
        let mut config = config(1);
        config.rules = Rules { removal_leaves_tombstone: false, ..Rules::default() };
        let mut bench = Bench::new(config, flow("A"));
        bench.lead_elsewhere(9, 200);
        bench.connect();
        bench.receive(9, accepted(1, version(200, 1), "A"));
        let before = bench.node.table().clone();
        let removed = status(5, ConnectionState::Removed, version(200, 20));
        let mut after = StatusTable::clone(&before);
        assert!(after.merge(&removed));
        let passages = passages(shared, before.clone(), after);
        let epoch = zeromaster_core::status::Epoch(200);
        let changes = StatusChanges { epoch, statuses: vec![removed], passages };
        bench.receive(9, Message::NodeStatusChanges(Arc::new(changes)));
        assert_eq!(*bench.node.table(), before, "shared: {shared}");
    }
}
