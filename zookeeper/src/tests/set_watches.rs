//! What a client hears of the time it was away: the rules of `SetWatches`, and their holes.

use super::server::{Bench, brief};
use super::{create, delete, set_data};
use crate::CreateMode::Persistent;
use crate::operation::WatchLists;
use crate::{Operation, Zxid};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// Connection 1 has seen everything up to /a, which has the child /a/x; then connection 2 does `meanwhile`, and
/// connection 1 sends its lists: data, exist, child.
#[track_caller]
fn check(meanwhile: &[Operation], lists: [&str; 3], expected: &[&str]) -> Bench {
    let mut bench = Bench::with_sessions(2);
    bench.request(2, create("/a", Persistent));
    bench.request(2, create("/a/x", Persistent));
    let relative_zxid = bench.server.last_zxid();
    for operation in meanwhile {
        assert_eq!(brief(&bench.request(2, operation.clone())), ["2 ok"]);
    }
    let [data, exist, child] = lists.map(|path| if path.is_empty() { vec![] } else { vec![path.into()] });
    let lists = WatchLists { relative_zxid, data, exist, child, ..WatchLists::default() };
    let outputs = bench.request(1, Operation::SetWatches(lists.into()));
    let expected: Vec<String> = expected.iter().copied().chain(["1 ok"]).map(String::from).collect();
    assert_eq!(brief(&outputs), expected);
    bench
}

fn gone() -> Vec<Operation> {
    vec![delete("/a/x"), delete("/a")]
}

#[test]
fn what_changed_is_told_at_once() {
    check(&[set_data("/a")], ["/a", "", ""], &["1 data /a"]);
    check(&gone(), ["/a", "", ""], &["1 deleted /a"]);
    check(&gone(), ["", "", "/a"], &["1 deleted /a"]);
    check(&[create("/b", Persistent)], ["", "/b", ""], &["1 created /b"]);
    check(&[create("/a/y", Persistent)], ["", "", "/a"], &["1 children /a"]);
    check(&[delete("/a/x")], ["", "", "/a"], &["1 children /a"]);
}

#[test]
fn what_did_not_change_is_armed_again_and_what_was_told_is_not() {
    let mut bench = check(&[], ["/a", "/b", "/a"], &[]);
    assert_eq!(brief(&bench.request(2, set_data("/a"))), ["1 data /a", "2 ok"]);
    assert_eq!(brief(&bench.request(2, create("/b", Persistent))), ["1 created /b", "2 ok"]);
    assert_eq!(brief(&bench.request(2, create("/a/y", Persistent))), ["1 children /a", "2 ok"]);
    let mut bench = check(&[set_data("/a")], ["/a", "", ""], &["1 data /a"]);
    assert_eq!(brief(&bench.request(2, set_data("/a"))), ["2 ok"]);
    check(&[set_data("/a")], ["", "", "/a"], &[]);
    check(&[create("/a/y", Persistent)], ["/a", "", ""], &[]);
}

#[test]
fn a_node_created_and_deleted_in_the_gap_was_never_there() {
    let mut bench = check(&[create("/b", Persistent), delete("/b")], ["", "/b", ""], &[]);
    assert_eq!(brief(&bench.request(2, create("/b", Persistent))), ["1 created /b", "2 ok"]);
}

#[test]
fn a_node_deleted_and_created_again_in_the_gap_looks_changed() {
    let mut again = gone();
    again.push(create("/a", Persistent));
    check(&again, ["/a", "", ""], &["1 data /a"]);
    check(&again, ["", "", "/a"], &["1 children /a"]);
}

#[test]
fn a_deletion_is_told_for_each_list_here() {
    check(&gone(), ["/a", "", "/a"], &["1 deleted /a", "1 deleted /a"]);
}

#[test]
fn what_stands_before_a_null_is_told_and_armed() {
    let mut bench = Bench::with_sessions(1);
    bench.request(1, create("/a", Persistent));
    let (data, exist) = (vec!["/a".into()], vec!["/b".into()]);
    let lists = WatchLists { data, exist, ends_in_null: true, ..WatchLists::default() };
    let outputs = bench.request(1, Operation::SetWatches(lists.into()));
    assert_eq!(brief(&outputs), ["1 data /a", "1 MarshallingError"]);
    assert_eq!(brief(&bench.request(1, create("/b", Persistent))), ["1 created /b", "1 ok"]);
}

#[test]
fn a_client_that_has_seen_nothing_is_told_everything() {
    let mut bench = Bench::with_sessions(1);
    bench.request(1, create("/a", Persistent));
    let (data, exist, child) = (vec!["/a".into()], vec!["/a".into()], vec!["/a".into()]);
    let lists = WatchLists { relative_zxid: Zxid(0), data, exist, child, ..WatchLists::default() };
    let outputs = bench.request(1, Operation::SetWatches(lists.into()));
    assert_eq!(brief(&outputs), ["1 data /a", "1 created /a", "1 children /a", "1 ok"]);
}
