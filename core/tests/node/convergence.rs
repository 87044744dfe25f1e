//! The order in which things arrive does not matter where it must not.

use crate::harness::*;
use crate::reading::records;
use crate::strategies::*;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;
use zeromaster_core::event::ClusterEvent;
use zeromaster_core::status::NodeStatus;
use zeromaster_core::table::StatusTable;

/// The statuses, some of them twice, in an order that `keys` settle.
fn delivery(statuses: &[Arc<NodeStatus>], keys: &[u16]) -> Vec<Arc<NodeStatus>> {
    let mut delivery: Vec<_> = keys.iter().zip(statuses.iter().cycle()).collect();
    delivery.sort_by_key(|(key, _)| **key);
    delivery.into_iter().map(|(_, status)| status.clone()).collect()
}

/// Statuses, and two orders of delivery in which each arrives at least once.
fn two_deliveries() -> impl Strategy<Value = [Vec<Arc<NodeStatus>>; 2]> {
    prop::collection::vec(any_status(), 1..8).prop_flat_map(|statuses| {
        let keys = || prop::collection::vec(any::<u16>(), statuses.len()..=statuses.len() * 2);
        let (one, other) = (keys(), keys());
        (Just(statuses.clone()), one, other)
            .prop_map(|(statuses, one, other)| [delivery(&statuses, &one), delivery(&statuses, &other)])
    })
}

fn merged(statuses: &[Arc<NodeStatus>]) -> StatusTable {
    let mut table = StatusTable::default();
    for status in statuses {
        table.merge(status);
    }
    table
}

/// The table of a member that was told `statuses` one by one.
fn told_one_by_one(statuses: &[Arc<NodeStatus>]) -> StatusTable {
    let mut bench = Bench::member();
    for status in statuses {
        bench.receive(9, change(bench.node.known_epoch().0, status.clone()));
    }
    StatusTable::clone(bench.node.table())
}

/// What a vote of `votes`, one for each node, elects when its time is over.
fn elected(votes: &[(u128, &'static str)]) -> String {
    let mut config = config(1);
    config.flow_election_max_candidates = None;
    let mut bench = Bench::new(config, flow("A"));
    bench.connect();
    for (node, flow) in votes {
        bench.pass(Duration::from_secs(1));
        bench.ask(*node, flow);
    }
    bench.pass(Duration::from_secs(300) + TICK);
    let elected = records(&bench.take()).into_iter().find_map(|record| match record {
        ClusterEvent::FlowElected { flow, .. } => Some(flow.0.to_string()),
        _ => None,
    });
    elected.expect("the vote is over")
}

proptest! {
    #[test]
    fn tables_agree_whatever_the_order_of_delivery([one, other] in two_deliveries()) {
        prop_assert_eq!(merged(&one), merged(&other));
    }

    #[test]
    fn merging_a_table_again_changes_nothing(statuses in prop::collection::vec(any_status(), 0..8)) {
        let table = merged(&statuses);
        prop_assert!(table.newer_than(&table).is_empty());
        let mut twice = table.clone();
        for status in &statuses {
            prop_assert!(!twice.merge(status));
        }
        prop_assert_eq!(twice, table);
    }

    #[test]
    fn the_difference_of_two_tables_is_what_the_other_lacks([one, other] in two_deliveries()) {
        let (mine, mut theirs) = (merged(&one[..one.len() / 2]), merged(&other[other.len() / 2..]));
        for status in mine.newer_than(&theirs) {
            prop_assert!(theirs.merge(&status));
        }
        prop_assert!(mine.newer_than(&theirs).is_empty());
    }

    #[test]
    fn what_two_tables_lack_is_found_in_one_walk([one, other] in two_deliveries()) {
        let (one, other) = (merged(&one[..one.len() / 2]), merged(&other[other.len() / 2..]));
        prop_assert_eq!(one.news(&other), (one.newer_than(&other), other.newer_than(&one)));
    }

    #[test]
    fn nodes_agree_whatever_the_order_in_which_they_are_told([one, other] in two_deliveries()) {
        prop_assert_eq!(told_one_by_one(&one), told_one_by_one(&other));
    }

    #[test]
    fn the_elected_flow_does_not_depend_on_who_asks_first(
        votes in prop::collection::btree_map(2u128..7, prop::sample::select(vec!["A", "B", "C", "E", "E2"]), 1..5),
        keys in prop::collection::vec(any::<u16>(), 5),
    ) {
        let votes: Vec<_> = votes.into_iter().collect();
        let mut shuffled: Vec<_> = keys.iter().zip(votes.clone()).collect();
        shuffled.sort_by_key(|(key, _)| **key);
        let shuffled: Vec<_> = shuffled.into_iter().map(|(_, vote)| vote).collect();
        prop_assert_eq!(elected(&votes), elected(&shuffled));
    }
}
