//! How long the session is known to live, by either rule.

use super::{Bench, brief, check, config, get_data, millis, set_data, stat};
use crate::client::{ClientConfig, ClientInput, ClientOutput, LeaseRule};
use crate::{ErrorCode, Operation, Reply, ServerMessage, Zxid};
use alloc::format;
use alloc::vec;
use core::time::Duration;

fn committed() -> ClientConfig {
    ClientConfig { lease: LeaseRule::Committed, ..config(1) }
}

#[test]
fn a_lease_is_counted_from_the_sending_of_what_was_answered() {
    let mut bench = Bench::new(1);
    bench.input(ClientInput::Start);
    bench.now = millis(300);
    bench.opened(1);
    bench.now = millis(1300);
    check(&bench.connected(1, 1), &["connected 0x1", "lease 4300"]);
    bench.now = millis(1500);
    bench.submit(1, set_data("/a"));
    bench.now = millis(2400);
    check(&bench.reply(1, 2, Err(ErrorCode::NoNode)), &["lease 5500", "done 1 NoNode"]);
    // A second answer counts from its own sending, however late it is.
    bench.submit(2, set_data("/a"));
    bench.now = millis(2500);
    bench.submit(3, set_data("/a"));
    bench.now = millis(4000);
    check(&bench.reply(2, 2, Err(ErrorCode::NoNode)), &["lease 6400", "done 2 NoNode"]);
}

#[test]
fn an_attachment_extends_the_lease_from_the_sending_of_connect() {
    for config in [config(1), committed()] {
        let mut bench = Bench::attached_with(config);
        bench.now = millis(1000);
        bench.closed(1);
        bench.wake_at(1100);
        bench.now = millis(1200);
        bench.opened(2);
        bench.now = millis(3000);
        check(&bench.connected(2, 1), &["reconnected 0x1", "lease 5200"]);
    }
}

#[test]
fn in_an_ensemble_a_pong_a_read_and_a_single_write_prove_nothing() {
    let mut bench = Bench::attached_with(committed());
    bench.wake_at(2000);
    check(&bench.pong(1), &[]);
    bench.submit(1, get_data("/a"));
    check(&bench.reply(1, 2, Ok(Reply::Data { data: None, stat: stat() })), &["done 1 ok"]);
    bench.submit(2, set_data("/a"));
    check(&bench.reply(2, 3, Ok(Reply::DataSet { stat: stat() })), &["done 2 ok"]);
    bench.submit(3, Operation::Sync { path: Some("/".into()) });
    check(&bench.reply(3, 3, Ok(Reply::Synced { path: Some("/".into()) })), &["done 3 ok"]);
}

#[test]
fn in_an_ensemble_three_writes_far_enough_apart_prove_the_first() {
    let mut bench = Bench::attached_with(committed());
    let mut write = |xid, sent_at, answered_at, result: Result<Reply, ErrorCode>| {
        bench.now = millis(sent_at);
        bench.submit(0, set_data("/a"));
        bench.now = millis(answered_at);
        let outputs = bench.reply(xid, 1, result);
        outputs.first().filter(|output| matches!(output, ClientOutput::Lease { .. })).cloned()
    };
    let done = || Ok(Reply::DataSet { stat: stat() });
    assert_eq!(write(1, 1000, 1010, done()), None);
    assert_eq!(write(2, 2510, 2600, Err(ErrorCode::BadVersion)), None);
    // What a server may refuse by itself proves nothing.
    assert_eq!(write(3, 2600, 2650, Err(ErrorCode::MarshallingError)), None);
    assert_eq!(write(4, 2650, 2660, Err(ErrorCode::Unimplemented)), None);
    assert_eq!(write(5, 2660, 2670, done()), Some(ClientOutput::Lease { until: millis(5000) }));
}

#[test]
fn in_an_ensemble_a_read_is_no_link_of_the_chain() {
    let mut bench = Bench::attached_with(committed());
    for (xid, at) in [(1, 1000), (2, 2600)] {
        bench.now = millis(at);
        bench.submit(0, set_data("/a"));
        bench.reply(xid, 1, Err(ErrorCode::NoNode));
    }
    bench.now = millis(2700);
    bench.submit(0, get_data("/a"));
    check(&bench.reply(3, 1, Ok(Reply::Data { data: None, stat: stat() })), &["done 0 ok"]);
    bench.submit(0, set_data("/a"));
    check(&bench.reply(4, 1, Err(ErrorCode::NoNode)), &["lease 5000", "done 0 NoNode"]);
}

#[test]
fn a_write_for_the_lease_that_a_server_refuses_by_itself_proves_nothing() {
    let mut bench = Bench::attached_with(committed());
    bench.input(ClientInput::HoldLease { wanted: true });
    for xid in 1..20 {
        check(&bench.reply(xid, 1, Err(ErrorCode::Unimplemented)), &[]);
        bench.now = bench.client.next_deadline().unwrap();
        check(&bench.input(ClientInput::Wakeup), &[&format!("send 1 request {}", xid + 1)]);
    }
}

#[test]
fn the_answer_to_setting_watches_extends_the_lease_where_any_answer_does() {
    let mut bench = Bench::attached(1);
    bench.submit(1, get_data("/a"));
    bench.reply(1, 2, Ok(Reply::Data { data: None, stat: stat() }));
    bench.closed(1);
    bench.wake_at(100);
    bench.opened(2);
    bench.now = millis(500);
    bench.connected(2, 1);
    bench.now = millis(900);
    let reply = ServerMessage::Reply { xid: -8, zxid: Zxid(2), result: Ok(Reply::WatchesSet) };
    check(&bench.message(2, reply), &["lease 4500"]);
}

#[test]
fn a_reconnect_begins_a_new_chain() {
    let mut bench = Bench::attached_with(committed());
    for (xid, at) in [(1, 1000), (2, 2600)] {
        bench.now = millis(at);
        bench.submit(0, set_data("/a"));
        bench.reply(xid, 1, Err(ErrorCode::NoNode));
    }
    bench.closed(1);
    bench.wake_at(2700);
    bench.opened(2);
    bench.connected(2, 1);
    bench.now = millis(2800);
    bench.submit(0, set_data("/a"));
    let reply = ServerMessage::Reply { xid: 1, zxid: Zxid(1), result: Err(ErrorCode::NoNode) };
    check(&bench.message(2, reply), &["done 0 NoNode"]);
}

/// Lets the client run for ten seconds while every request is answered after `answered_in`; the least time that the
/// lease was ahead after its first chain, if it never ran out.
fn shortest_lease(bench: &mut Bench, answered_in: Duration) -> Option<Duration> {
    bench.input(ClientInput::HoldLease { wanted: true });
    let mut lease = Duration::ZERO;
    let mut shortest = Duration::MAX;
    let mut xid = 1;
    while bench.now < Duration::from_secs(10) {
        bench.now += answered_in;
        let reply = ServerMessage::Reply { xid, zxid: Zxid(1), result: Ok(Reply::Multi { results: vec![] }) };
        for output in bench.message(1, reply) {
            if let ClientOutput::Lease { until } = output {
                lease = until;
            }
        }
        bench.now = bench.now.max(bench.client.next_deadline()?);
        if bench.now > millis(4000) {
            shortest = shortest.min(lease.checked_sub(bench.now)?);
        }
        let sent = brief(&bench.input(ClientInput::Wakeup));
        xid += 1;
        assert_eq!(sent, [format!("send 1 request {xid}")]);
    }
    Some(shortest)
}

#[test]
fn a_client_that_holds_its_lease_writes_nothing_into_the_log_again_and_again() {
    let mut bench = Bench::attached_with(committed());
    let outputs = bench.input(ClientInput::HoldLease { wanted: true });
    let [ClientOutput::Send { message: crate::ClientMessage::Request { xid: 1, operation }, .. }] =
        &outputs[..]
    else {
        panic!("{outputs:?}");
    };
    assert_eq!(*operation, Operation::Multi { operations: vec![] });
    check(&bench.input(ClientInput::Wakeup), &[]);
    bench.now = millis(100);
    check(&bench.reply(1, 1, Ok(Reply::Multi { results: vec![] })), &[]);
    check(&bench.wake_at(375), &["send 1 request 2"]);
    // Nothing is sent while it is unanswered; an answer that took longer is followed at once.
    bench.now = millis(900);
    check(&bench.input(ClientInput::Wakeup), &[]);
    bench.reply(2, 1, Ok(Reply::Multi { results: vec![] }));
    check(&bench.input(ClientInput::Wakeup), &["send 1 request 3"]);
    bench.reply(3, 1, Ok(Reply::Multi { results: vec![] }));
    bench.input(ClientInput::HoldLease { wanted: false });
    check(&bench.wake_at(2900), &["send 1 ping"]);
}

#[test]
fn the_lease_that_is_held_does_not_run_out_while_answers_are_quick() {
    let mut bench = Bench::attached_with(committed());
    let shortest = shortest_lease(&mut bench, millis(20));
    assert!(shortest.is_some_and(|shortest| shortest > millis(1300)), "{shortest:?}");
    let mut bench = Bench::attached_with(committed());
    assert!(shortest_lease(&mut bench, millis(300)).is_some());
}

#[test]
fn a_client_that_need_not_write_for_its_lease_does_not() {
    let mut bench = Bench::attached(1);
    check(&bench.input(ClientInput::HoldLease { wanted: true }), &[]);
    check(&bench.wake_at(2000), &["send 1 ping"]);
}

#[test]
fn a_client_that_holds_its_lease_writes_at_once_on_each_connection() {
    let mut bench = Bench::with(committed());
    check(&bench.input(ClientInput::HoldLease { wanted: true }), &[]);
    bench.input(ClientInput::Start);
    bench.opened(1);
    check(&bench.connected(1, 1), &["connected 0x1", "lease 4000", "send 1 request 1"]);
    check(&bench.closed(1), &["suspended"]);
    bench.wake_at(100);
    bench.opened(2);
    check(&bench.connected(2, 1), &["reconnected 0x1", "lease 4100", "send 2 request 1"]);
    check(&bench.input(ClientInput::CloseSession), &["send 2 close session 2"]);
    bench.now = millis(1000);
    check(&bench.input(ClientInput::Wakeup), &[]);
}
