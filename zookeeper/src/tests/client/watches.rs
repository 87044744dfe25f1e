//! The watches a client holds, and what it tells the server of them after a reconnect.

use super::{Bench, check, exists, get_children, get_data, millis, set_data, stat};
use crate::client::ClientOutput;
use crate::operation::WatchLists;
use crate::{ClientMessage, ErrorCode, EventKind, Operation, Reply, ServerMessage, WatchEvent, Zxid};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

fn add_watch(path: &str, mode: i32) -> Operation {
    Operation::AddWatch { path: path.into(), mode }
}

fn remove_watches(path: &str, kind: i32) -> Operation {
    Operation::RemoveWatches { path: Some(path.into()), kind }
}

/// Attached, with both kinds of persistent watch, a watch on data and one on children. The last reply had zxid 4.
fn watching() -> Bench {
    let mut bench = Bench::attached(1);
    for (xid, operation) in
        (1..).zip([add_watch("/p", 0), add_watch("/r", 1), get_data("/d"), get_children("/c")])
    {
        bench.submit(0, operation);
        bench.reply(xid, xid as u64, Ok(Reply::Nothing));
    }
    bench
}

/// Breaks connection 1 and attaches again on connection 2; what is sent on it.
fn reconnect(bench: &mut Bench) -> Vec<ClientOutput> {
    bench.closed(1);
    bench.now += millis(100);
    bench.input(crate::ClientInput::Wakeup);
    bench.opened(2);
    let outputs = bench.connected(2, 1);
    outputs.into_iter().filter(|output| matches!(output, ClientOutput::Send { .. })).collect()
}

#[test]
fn persistent_and_recursive_watches_are_armed_again_however_often_they_went_off() {
    let mut bench = watching();
    check(&bench.event(EventKind::NodeDataChanged, "/p"), &["NodeDataChanged /p"]);
    check(&bench.event(EventKind::NodeDeleted, "/r/x/y"), &["NodeDeleted /r/x/y"]);
    check(&bench.event(EventKind::NodeDataChanged, "/d"), &["NodeDataChanged /d"]);
    check(&reconnect(&mut bench), &["send 2 watches 0x4 [] [] [\"/c\"] [\"/p\"] [\"/r\"]"]);
}

#[test]
fn watches_that_were_removed_are_not_armed_again() {
    let mut bench = watching();
    bench.submit(1, remove_watches("/p", 4));
    bench.submit(2, remove_watches("/r", 3));
    bench.submit(3, remove_watches("/d", 2));
    check(&bench.reply(5, 5, Ok(Reply::WatchesRemoved)), &["done 1 ok"]);
    check(&bench.reply(6, 6, Ok(Reply::WatchesRemoved)), &["done 2 ok"]);
    check(&bench.reply(7, 7, Err(ErrorCode::NoWatcher)), &["done 3 NoWatcher"]);
    check(&bench.event(EventKind::NodeDataChanged, "/p"), &[]);
    check(&reconnect(&mut bench), &["send 2 watches 0x7 [\"/d\"] [] [\"/c\"] [] []"]);
}

#[test]
fn a_watch_whose_reply_was_lost_is_not_held() {
    let mut bench = Bench::attached(1);
    for operation in
        [exists("/a"), get_data("/a"), get_children("/a"), add_watch("/a", 0), add_watch("/a", 1)]
    {
        bench.submit(0, operation);
    }
    check(&reconnect(&mut bench), &[]);
}

#[test]
fn a_watch_that_the_server_refused_is_not_held() {
    let mut bench = Bench::attached(1);
    bench.submit(0, add_watch("/a", 7));
    bench.submit(0, add_watch("/b", 0));
    bench.submit(0, exists("/c"));
    bench.reply(1, 1, Ok(Reply::WatchAdded));
    bench.reply(2, 1, Err(ErrorCode::MarshallingError));
    bench.reply(3, 1, Err(ErrorCode::NoAuth));
    check(&reconnect(&mut bench), &[]);
}

#[test]
fn a_read_without_a_watch_holds_none() {
    let mut bench = Bench::attached(1);
    bench.submit(0, Operation::GetData { path: "/a".into(), watch: false });
    bench.submit(0, Operation::Exists { path: "/a".into(), watch: false });
    bench.submit(0, Operation::GetChildren2 { path: "/a".into(), watch: false });
    for xid in 1..=3 {
        bench.reply(xid, 1, Ok(Reply::Nothing));
    }
    check(&bench.event(EventKind::NodeDeleted, "/a"), &[]);
    check(&reconnect(&mut bench), &[]);
}

#[test]
fn the_changes_missed_are_counted_from_the_last_reply_even_one_to_setting_watches() {
    let mut bench = watching();
    bench.submit(0, set_data("/x"));
    bench.reply(5, 0x30, Ok(Reply::DataSet { stat: stat() }));
    bench.wake_at(2000);
    bench.pong(1);
    let event = WatchEvent { kind: EventKind::NodeChildrenChanged, path: "/p".into() };
    bench.message(1, ServerMessage::Event { event, zxid: Some(Zxid(0x50)) });
    check(&reconnect(&mut bench), &["send 2 watches 0x30 [\"/d\"] [] [\"/c\"] [\"/p\"] [\"/r\"]"]);
    bench.message(2, ServerMessage::Reply { xid: -8, zxid: Zxid(0x60), result: Ok(Reply::WatchesSet) });
    bench.closed(2);
    bench.wake_at(2200);
    check(&bench.opened(3), &["send 3 connect 1 seen 0x60"]);
    let watches = "send 3 watches 0x60 [\"/d\"] [] [\"/c\"] [\"/p\"] [\"/r\"]";
    assert_eq!(super::brief(&bench.connected(3, 1))[1], watches);
}

#[test]
fn a_catching_up_event_comes_before_the_watches_are_all_set_and_is_told_once() {
    let mut bench = watching();
    reconnect(&mut bench);
    let mut event = |kind, path: &str| {
        let event = WatchEvent { kind, path: path.into() };
        bench.message(2, ServerMessage::Event { event, zxid: None })
    };
    check(&event(EventKind::NodeDataChanged, "/d"), &["NodeDataChanged /d"]);
    check(&event(EventKind::NodeDataChanged, "/d"), &[]);
    check(&event(EventKind::NodeChildrenChanged, "/c"), &["NodeChildrenChanged /c"]);
}

#[test]
fn another_answer_before_the_one_to_setting_watches_costs_the_connection() {
    let mut bench = watching();
    reconnect(&mut bench);
    bench.submit(9, set_data("/x"));
    let reply = ServerMessage::Reply { xid: 1, zxid: Zxid(6), result: Ok(Reply::Nothing) };
    check(&bench.message(2, reply), &["close 2", "suspended", "done 9 ConnectionLoss"]);
}

#[test]
fn many_watches_are_set_in_several_requests_of_which_each_path_is_in_one() {
    let mut bench = Bench::attached(1);
    let path = |number: i32| alloc::format!("/{number:01023}");
    for number in 1..=300 {
        bench.submit(0, if number % 2 == 0 { get_data(&path(number)) } else { add_watch(&path(number), 1) });
        bench.reply(number, 5, Ok(Reply::Nothing));
    }
    let mut data: Vec<String> = vec![];
    let mut recursive: Vec<String> = vec![];
    let mut lengths = vec![];
    for sent in reconnect(&mut bench) {
        let ClientOutput::Send { message: ClientMessage::Request { xid: -8, operation }, .. } = sent else {
            panic!("{sent:?}");
        };
        let Operation::SetWatches(lists) = operation else { panic!("{operation:?}") };
        let WatchLists { relative_zxid, data: some_data, recursive: some_recursive, .. } = *lists;
        assert_eq!(relative_zxid, Zxid(5));
        lengths.push(some_data.len() + some_recursive.len());
        data.extend(some_data.iter().map(|path| String::from(&**path)));
        recursive.extend(some_recursive.iter().map(|path| String::from(&**path)));
    }
    // 128 paths of 1024 characters fill a request; Java sends the last first.
    assert_eq!(lengths, [44, 128, 128]);
    data.sort_unstable();
    recursive.sort_unstable();
    assert_eq!(data, (1..=150).map(|half| path(half * 2)).collect::<Vec<_>>());
    assert_eq!(recursive, (0..150).map(|half| path(half * 2 + 1)).collect::<Vec<_>>());
    for _ in 0..3 {
        bench.message(2, ServerMessage::Reply { xid: -8, zxid: Zxid(6), result: Ok(Reply::WatchesSet) });
    }
    assert!(bench.client.is_connected());
}

#[test]
fn a_new_session_has_no_watches() {
    let mut bench = watching();
    bench.closed(1);
    bench.wake_at(100);
    bench.opened(2);
    check(&bench.message(2, ServerMessage::Expired), &["close 2", "lost"]);
    bench.wake_at(200);
    bench.opened(3);
    check(&bench.connected(3, 2), &["connected 0x2", "lease 4200"]);
    let event = WatchEvent { kind: EventKind::NodeDataChanged, path: "/p".into() };
    check(&bench.message(3, ServerMessage::Event { event, zxid: None }), &[]);
}
