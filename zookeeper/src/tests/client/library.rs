//! What sets the libraries apart: when a session is given up, what follows, and what waits for a connection.

use super::{Bench, check, config, millis, set_data, stat};
use crate::client::{ClientConfig, ClientInput, ClientOutput, Library, UNANSWERED_MAX};
use crate::{ConnectionId, ErrorCode, Reply, ServerMessage, Zxid};

fn of(library: Library, servers: u32) -> ClientConfig {
    ClientConfig { library, ..config(servers) }
}

/// Of one server, suspended at 1 s, heard of until then.
fn suspended(library: Library) -> Bench {
    let mut bench = Bench::attached_with(of(library, 1));
    bench.now = millis(1000);
    bench.submit(0, set_data("/a"));
    bench.reply(1, 1, Err(ErrorCode::NoNode));
    check(&bench.closed(1), &["suspended"]);
    bench
}

/// Lets attempts fail until `until`; they may only open and close connections.
#[track_caller]
fn fail_attempts(bench: &mut Bench, until: u64) {
    while let Some(deadline) = bench.client.next_deadline().filter(|deadline| *deadline < millis(until)) {
        bench.now = deadline;
        for output in super::brief(&bench.input(ClientInput::Wakeup)) {
            assert!(output.starts_with("open") || output.starts_with("close "), "{output} at {deadline:?}");
        }
    }
}

/// Wakes the client until it opens a connection; its number.
fn opens(bench: &mut Bench) -> u64 {
    loop {
        bench.now = bench.client.next_deadline().expect("the client goes on");
        for output in bench.input(ClientInput::Wakeup) {
            if let ClientOutput::Open { connection, server: _ } = output {
                return connection.0;
            }
        }
    }
}

#[test]
fn java_before_3_9_3_learns_only_from_a_server_that_its_session_is_over_and_ends() {
    let mut bench = suspended(Library::JAVA_3_8);
    fail_attempts(&mut bench, 1_000_000);
    assert!(bench.client.session().is_some());
    let connection = opens(&mut bench);
    bench.opened(connection);
    let close = alloc::format!("close {connection}");
    check(&bench.message(connection, ServerMessage::Expired), &[&close, "lost", "closed"]);
    check(&bench.submit(1, set_data("/a")), &["done 1 SessionExpired"]);
    assert_eq!(bench.client.next_deadline(), None);
}

#[test]
fn java_since_3_9_3_gives_up_four_thirds_of_the_timeout_after_it_last_heard_and_ends() {
    let mut bench = suspended(Library::JAVA_3_9_3);
    fail_attempts(&mut bench, 9000);
    bench.submit(1, set_data("/a"));
    check(&bench.wake_at(9000), &["lost", "done 1 SessionExpired", "closed"]);
}

#[test]
fn a_server_that_accepts_a_connection_was_heard_even_if_it_says_nothing() {
    let mut bench = suspended(Library::JAVA_3_9_3);
    check(&bench.wake_at(1100), &["open 2 @0"]);
    bench.now = millis(2000);
    bench.opened(2);
    fail_attempts(&mut bench, 10_000);
    check(&bench.wake_at(10_000), &["lost", "close 4", "closed"]);
}

#[test]
fn curator_gives_up_when_suspended_has_lasted_its_part_of_the_timeout_and_begins_anew() {
    for (library, at) in [
        (Library::CURATOR, 7000),
        (Library { suspended_percent_max: Some(50), ..Library::CURATOR }, 4000),
        (Library { suspended_percent_max: Some(33), ..Library::CURATOR }, 2980),
    ] {
        let mut bench = suspended(library);
        fail_attempts(&mut bench, at);
        assert_eq!(super::brief(&bench.wake_at(at))[0], "lost");
        assert_eq!(bench.client.session(), None);
        assert!(bench.client.next_deadline().is_some());
    }
}

#[test]
fn curator_without_a_limit_stays_suspended() {
    let mut bench = suspended(Library { suspended_percent_max: None, ..Library::CURATOR });
    fail_attempts(&mut bench, 1_000_000);
}

#[test]
fn curator_on_java_since_3_9_3_gives_up_at_whichever_comes_first() {
    // The connection broke when it was last heard of: Curator's limit comes first.
    let mut bench = suspended(Library::CURATOR_ON_JAVA_3_9_3);
    fail_attempts(&mut bench, 7000);
    check(&bench.wake_at(7000), &["lost"]);
    // It fell silent: Java's limit does.
    let mut bench = Bench::attached_with(of(Library::CURATOR_ON_JAVA_3_9_3, 1));
    bench.wake_at(2000);
    check(&bench.wake_at(4000), &["close 1", "suspended"]);
    fail_attempts(&mut bench, 8000);
    assert_eq!(super::brief(&bench.wake_at(8000))[0], "lost");
}

#[test]
fn a_process_that_was_held_up_for_long_loses_its_session_without_being_suspended() {
    let mut bench = Bench::attached_with(of(Library::CURATOR_ON_JAVA_3_9_3, 2));
    bench.submit(1, set_data("/a"));
    bench.now = millis(9000);
    let expected = ["lost", "close 1", "done 1 SessionExpired", "open 2 @1"];
    check(&bench.input(ClientInput::Wakeup), &expected);
    // The older client finds out when it connects again.
    let mut bench = Bench::attached_with(of(Library::CURATOR, 2));
    bench.now = millis(9000);
    check(&bench.input(ClientInput::Wakeup), &["close 1", "suspended", "open 2 @1"]);
}

#[test]
fn a_client_that_was_held_up_while_it_closed_its_session_ends() {
    let mut bench = Bench::attached_with(of(Library::CURATOR_ON_JAVA_3_9_3, 2));
    bench.submit(1, set_data("/a"));
    bench.input(ClientInput::CloseSession);
    bench.now = millis(9000);
    let expected = ["lost", "close 1", "done 1 SessionExpired", "closed"];
    check(&bench.input(ClientInput::Wakeup), &expected);
}

#[test]
fn what_java_is_asked_without_a_connection_waits_until_there_is_one() {
    let mut bench = Bench::with(of(Library::JAVA_3_8, 1));
    check(&bench.submit(1, set_data("/a")), &[]);
    bench.input(ClientInput::Start);
    check(&bench.submit(2, set_data("/a")), &[]);
    bench.opened(1);
    check(&bench.submit(3, set_data("/a")), &[]);
    let sent = ["send 1 request 1", "send 1 request 2", "send 1 request 3"];
    check(&bench.connected(1, 1), &["connected 0x1", sent[0], sent[1], sent[2], "lease 4000"]);
    check(&bench.reply(1, 1, Ok(Reply::DataSet { stat: stat() })), &["done 1 ok"]);
    check(&bench.closed(1), &["suspended", "done 2 ConnectionLoss", "done 3 ConnectionLoss"]);
}

#[test]
fn what_java_is_asked_without_a_connection_fails_with_the_next_attempt() {
    let mut bench = suspended(Library::JAVA_3_8);
    check(&bench.submit(1, set_data("/a")), &[]);
    check(&bench.wake_at(1100), &["open 2 @0"]);
    check(&bench.submit(2, set_data("/a")), &[]);
    let failed = ["done 1 ConnectionLoss", "done 2 ConnectionLoss"];
    check(&bench.input(ClientInput::OpenFailed { connection: ConnectionId(2) }), &failed);
    check(&bench.submit(3, set_data("/a")), &[]);
    check(&bench.wake_at(2100), &["open 3 @0"]);
    bench.opened(3);
    check(&bench.wake_at(5100), &["close 3", "done 3 ConnectionLoss"]);
}

#[test]
fn what_waits_when_the_client_is_closed_fails() {
    for attempts in 0..3 {
        let mut bench = Bench::with(of(Library::JAVA_3_8, 1));
        bench.submit(1, set_data("/a"));
        let mut expected = alloc::vec![];
        if attempts > 0 {
            bench.input(ClientInput::Start);
            expected.push("close 1");
        }
        if attempts > 1 {
            bench.opened(1);
        }
        expected.extend(["done 1 ConnectionLoss", "closed"]);
        check(&bench.input(ClientInput::CloseSession), &expected);
    }
}

#[test]
fn no_more_waits_than_may_be_sent() {
    let mut bench = Bench::with(of(Library::JAVA_3_8, 1));
    for tag in 0..UNANSWERED_MAX as u64 {
        check(&bench.submit(tag, set_data("/a")), &[]);
    }
    check(&bench.submit(77_777, set_data("/a")), &["done 77777 ConnectionLoss"]);
}

#[test]
fn what_curator_is_asked_without_a_connection_fails_at_once() {
    let mut bench = suspended(Library::CURATOR);
    check(&bench.submit(1, set_data("/a")), &["done 1 ConnectionLoss"]);
}

#[test]
fn the_watches_of_java_are_set_before_what_waited_is_asked() {
    let mut bench = Bench::attached_with(of(Library::JAVA_3_8, 1));
    bench.submit(1, super::get_data("/a"));
    bench.message(1, ServerMessage::Reply { xid: 1, zxid: Zxid(3), result: Ok(Reply::Nothing) });
    bench.closed(1);
    bench.submit(2, set_data("/a"));
    bench.wake_at(100);
    bench.opened(2);
    let watches = "send 2 watches 0x3 [\"/a\"] [] [] [] []";
    check(&bench.connected(2, 1), &["reconnected 0x1", watches, "send 2 request 1", "lease 4100"]);
}
