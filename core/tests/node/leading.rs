//! Who believes that it leads, and why: places in line that a former session or a former process left behind, names that
//! are read, and answers that are old. Under our rules and under NiFi's.

use crate::harness::*;
use std::sync::Arc;
use std::time::Duration;
use zeromaster_core::config::NodeConfig;
use zeromaster_core::identity::Incarnation;
use zeromaster_core::message::{ConnectionAnswer, Message};
use zeromaster_core::rules::{LEADERSHIP_CACHE, Rules};
use zeromaster_core::status::{Epoch, Version};
use zeromaster_core::table::StatusTable;

const PRIMARY_LINE: &str = "/nifi/leaders/Primary Node";

fn config_under(rules: &str) -> NodeConfig {
    NodeConfig { rules: Rules::named(rules).unwrap(), ..config(1) }
}

/// n1 under NiFi's rules, in office in its own cluster.
fn nifi_coordinator() -> Bench {
    let mut bench = Bench::new(config_under("1.28"), flow("A"));
    bench.connect();
    // It asks every five seconds, and finds itself the second time.
    bench.pass(INTERVAL * 3);
    assert!(bench.node.membership().is_connected() && bench.node.decides(bench.now).is_some());
    bench.take();
    bench
}

/// n1, a member under n9 and Primary Node, was restarted and is a member again; ZooKeeper still keeps what its former
/// process made. With the term in which that one was Primary Node.
fn restarted_primary(rules: &str) -> (Bench, Epoch) {
    let mut bench = Bench::new(config_under(rules), flow("A"));
    bench.lead_elsewhere(9, 200);
    bench.connect();
    let epoch = bench.node.known_epoch();
    bench.receive(9, accepted_in(Incarnation(1), epoch));
    let term = bench.node.is_primary(bench.now).expect("it is Primary Node");
    bench.restart();
    bench.connect();
    bench.receive(9, accepted_in(Incarnation(2), epoch));
    assert!(bench.node.membership().is_connected(), "it has joined again");
    (bench, term)
}

/// n9 answers the first question of that run of n1: come in.
fn accepted_in(incarnation: Incarnation, epoch: Epoch) -> Message {
    let (flow, table) = (flow("A"), Arc::new(StatusTable::default()));
    let attempt = Version { epoch, sequence: incarnation.0 };
    let answer = ConnectionAnswer::Accepted { attempt, flow, table };
    Message::ConnectionResponse { epoch, incarnation, ask: 1, answer }
}

// A place in line that is left over.

#[test]
fn a_restarted_node_waits_behind_the_znode_of_its_former_process() {
    let (mut bench, former) = restarted_primary("default");
    assert_eq!(bench.node.is_primary(bench.now), None, "that one carries its name, and is not its own");
    let line = bench.zookeeper.children(PRIMARY_LINE);
    assert_eq!(line.len(), 2, "whether its former process has ended, ZooKeeper alone knows: {line:?}");
    bench.zookeeper.remove(&format!("{PRIMARY_LINE}/{}", line[0]));
    bench.settle();
    assert!(bench.node.is_primary(bench.now).is_some_and(|term| term > former));
}

#[test]
fn under_nifi_s_rules_a_restarted_node_takes_the_znode_of_its_former_process_for_its_own() {
    let (mut bench, former) = restarted_primary("1.28");
    assert_eq!(bench.node.is_primary(bench.now), Some(former));
    // ZooKeeper gives the former session up, and somebody else is first.
    let line = bench.zookeeper.children(PRIMARY_LINE);
    bench.zookeeper.put(&format!("{PRIMARY_LINE}/_c_2-lock-0000000000"), "n2:11443");
    bench.zookeeper.remove(&format!("{PRIMARY_LINE}/{}", line[0]));
    bench.settle();
    bench.pass(LEADERSHIP_CACHE - TICK);
    assert_eq!(bench.node.is_primary(bench.now), Some(former), "it has not asked again");
    bench.pass(TICK);
    assert_eq!(bench.node.is_primary(bench.now), None);
}

#[test]
fn a_node_with_a_new_session_deletes_what_the_former_one_left_in_line_and_leads_in_a_new_term() {
    let mut bench = Bench::coordinator();
    let former = bench.epoch();
    bench.lose_session();
    assert!(bench.epoch() > former);
    for line in [LINE, PRIMARY_LINE] {
        assert_eq!(bench.zookeeper.children(line).len(), 1, "{line}");
    }
    assert_eq!(bench.zookeeper.data(COORDINATOR), Some(&*format!("{} n1:11443", bench.epoch())));
}

#[test]
fn a_node_with_a_new_session_queues_behind_those_who_waited_longer() {
    let mut bench = Bench::coordinator();
    bench.zookeeper.put(&format!("{LINE}/_c_2-lock-0000000050"), "n2:11443");
    let former = bench.zookeeper.children(LINE).into_iter().find(|name| name.contains(".1.1-lock-")).unwrap();
    bench.suspend();
    bench.zookeeper.set_sequence(60);
    bench.lose_session();
    assert_eq!(bench.node.coordinates(bench.now), None);
    let line = bench.zookeeper.children(LINE);
    assert!(line.len() == 2 && !line.contains(&former), "{line:?}");
}

#[test]
fn in_curator_s_way_a_new_session_deletes_the_former_place_by_its_path() {
    let mut bench = nifi_coordinator();
    let former = bench.epoch();
    bench.lose_session();
    assert_eq!(bench.zookeeper.children(LINE).len(), 1);
    assert!(bench.node.coordinates(bench.now).is_some_and(|epoch| epoch > former));
}

// A connection that breaks, while the session lives.

#[test]
fn a_coordinator_whose_connection_was_broken_keeps_its_place_and_its_term() {
    let mut bench = Bench::coordinator();
    let term = bench.epoch();
    bench.suspend();
    assert_eq!(bench.node.coordinates(bench.now), None);
    bench.resume();
    assert_eq!(bench.node.coordinates(bench.now), Some(term));
}

#[test]
fn in_curator_s_way_a_coordinator_whose_connection_was_broken_queues_again() {
    let mut bench = nifi_coordinator();
    let term = bench.epoch();
    bench.zookeeper.put(&format!("{LINE}/_c_2-lock-0000000050"), "n2:11443");
    bench.zookeeper.set_sequence(60);
    bench.suspend();
    assert_eq!(bench.node.coordinates(bench.now), None);
    bench.resume();
    assert_eq!(bench.node.coordinates(bench.now), None, "n2 is first now");
    let line = bench.zookeeper.children(LINE);
    assert!(line.len() == 2 && line[0].contains("_c_0") && line[0].ends_with("61"), "{line:?}");
    assert!(bench.node.known_epoch() >= term);
}

/// The list of those in line, the coordinator's address: whatever changed meanwhile, no watch has told of it.
#[test]
fn what_changed_while_the_connection_was_broken_is_found_when_it_is_back() {
    let mut bench = Bench::member();
    bench.suspend();
    let znode = format!("{LINE}/_c_9-lock-0000000000");
    bench.zookeeper.remove(&znode);
    bench.zookeeper.remove(COORDINATOR);
    bench.zookeeper.abandon_watches();
    bench.resume();
    assert!(bench.node.coordinates(bench.now).is_some(), "it is the next in line");
}

// An answer that is old.

#[test]
fn under_nifi_s_rules_a_coordinator_goes_on_for_five_seconds_after_its_znode_has_gone() {
    let mut bench = nifi_coordinator();
    let term = bench.epoch();
    let line = bench.zookeeper.children(LINE);
    bench.zookeeper.remove(&format!("{LINE}/{}", line[0]));
    bench.zookeeper.put(&format!("{LINE}/_c_2-lock-0000000050"), "n2:11443");
    bench.settle();
    let mut acted = Duration::ZERO;
    while bench.node.coordinates(bench.now) == Some(term) {
        bench.pass(Duration::from_millis(100));
        acted += Duration::from_millis(100);
        assert!(acted <= LEADERSHIP_CACHE, "it asks again in time");
    }
    assert!(acted > Duration::ZERO);
}

#[test]
fn under_nifi_s_rules_a_coordinator_that_slept_for_less_than_five_seconds_acts_without_asking() {
    let mut bench = nifi_coordinator();
    bench.answers = false;
    bench.sleep(Duration::from_secs(4));
    assert!(bench.node.coordinates(bench.now).is_some());
    let mut longer = nifi_coordinator();
    longer.answers = false;
    longer.sleep(Duration::from_secs(6));
    assert_eq!(longer.node.coordinates(longer.now), None, "its answer is too old, and it has no new one");
    longer.answers = true;
    longer.settle();
    assert!(longer.node.coordinates(longer.now).is_some(), "it asked, and is still the first");
}

// Parents.

#[test]
fn who_finds_no_line_to_stand_in_makes_one() {
    for rules in Rules::NAMES {
        let mut bench = Bench::new(config_under(rules), flow("A"));
        bench.connect();
        bench.suspend();
        for line in [LINE, PRIMARY_LINE] {
            for name in bench.zookeeper.children(line) {
                bench.zookeeper.remove(&format!("{line}/{name}"));
            }
            bench.zookeeper.remove(line);
        }
        bench.zookeeper.remove("/nifi/leaders");
        bench.resume();
        assert_eq!(bench.zookeeper.children(LINE).len(), 1, "{rules}");
    }
}
