//! Which server is tried, for how long, and what each of them is told.

use super::{Bench, check, config, millis, set_data, stat};
use crate::client::{ClientConfig, ClientInput, ClientOutput};
use crate::{ClientMessage, ConnectionId, Reply, ServerMessage, SessionId};
use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

/// Wakes the client until it opens a connection; how long that took, and to which server.
fn next_attempt(bench: &mut Bench) -> (Duration, u32) {
    let since = bench.now;
    loop {
        bench.now = bench.client.next_deadline().expect("the client goes on").max(bench.now);
        for output in bench.input(ClientInput::Wakeup) {
            if let ClientOutput::Open { connection: _, server } = output {
                return (bench.now - since, server);
            }
        }
    }
}

/// The pauses before attempts that fail at once, and the servers tried, the first of them when the client starts.
fn failing_attempts(config: ClientConfig, count: u64) -> Vec<(Duration, u32)> {
    let mut bench = Bench::with(config);
    let outputs = bench.input(ClientInput::Start);
    let [ClientOutput::Open { connection: ConnectionId(1), server }] = outputs[..] else {
        panic!("{outputs:?}");
    };
    let mut attempts = vec![(Duration::ZERO, server)];
    for connection in 1..count {
        let outputs = bench.input(ClientInput::OpenFailed { connection: ConnectionId(connection) });
        assert_eq!(outputs, []);
        attempts.push(next_attempt(&mut bench));
    }
    attempts
}

#[test]
fn the_shuffled_servers_are_tried_round_and_round_with_a_second_between_rounds() {
    let attempts = failing_attempts(ClientConfig { choices: 7, ..config(3) }, 9);
    let servers: Vec<u32> = attempts.iter().map(|(_, server)| *server).collect();
    let mut sorted = servers[..3].to_vec();
    sorted.sort_unstable();
    assert_eq!(sorted, [0, 1, 2]);
    assert_eq!((&servers[3..6], &servers[6..9]), (&servers[..3], &servers[..3]));
    let pauses: Vec<Duration> = attempts.iter().map(|(pause, _)| *pause).collect();
    let (none, second) = (Duration::ZERO, millis(1000));
    assert_eq!(pauses, [none, none, none, second, none, none, second, none, none]);
}

#[test]
fn other_choices_are_another_order() {
    let orders = [1, 2, 3, 4, 5, 6].map(|choices| failing_attempts(ClientConfig { choices, ..config(5) }, 5));
    assert!(orders.iter().any(|order| order != &orders[0]));
}

#[test]
fn the_pauses_of_a_client_that_was_connected_are_drawn() {
    let mut bench = Bench::attached_with(ClientConfig { choices: 7, ..config(1) });
    let mut pauses = Vec::new();
    for connection in 1..20 {
        bench.closed(connection);
        let (pause, _) = next_attempt(&mut bench);
        assert!((millis(1000)..millis(2000)).contains(&pause), "{pause:?}");
        pauses.push(pause);
        bench.opened(connection + 1);
        bench.connected(connection + 1, 1);
    }
    pauses.sort_unstable();
    pauses.dedup();
    assert!(pauses.len() > 10, "{pauses:?}");
}

#[test]
fn java_waits_a_second_more_only_before_the_server_it_was_attached_to() {
    let mut bench = Bench::with(ClientConfig { choices: 7, ..config(3) });
    bench.input(ClientInput::Start);
    bench.input(ClientInput::OpenFailed { connection: ConnectionId(1) });
    bench.wake_at(0);
    bench.opened(2);
    bench.connected(2, 1);
    bench.closed(2);
    let long = [3, 4, 5].map(|connection| {
        let (pause, _) = next_attempt(&mut bench);
        bench.input(ClientInput::OpenFailed { connection: ConnectionId(connection) });
        pause >= millis(1000)
    });
    assert_eq!(long, [false, false, true]);
}

#[test]
fn a_new_session_is_sought_at_once_and_in_an_order_of_its_own() {
    let mut orders = BTreeSet::new();
    for choices in 1..20 {
        let mut bench = Bench::attached_with(ClientConfig { choices, ..config(3) });
        bench.closed(1);
        next_attempt(&mut bench);
        bench.opened(2);
        let outputs = bench.message(2, ServerMessage::Expired);
        let [.., ClientOutput::Open { connection: _, server }] = outputs[..] else { panic!("{outputs:?}") };
        orders.insert((failing_attempts(ClientConfig { choices, ..config(3) }, 1)[0].1, server));
    }
    assert_eq!(orders.len(), 9);
}

#[test]
fn an_attempt_takes_at_most_the_timeout_divided_by_the_servers_to_open_and_again_to_answer() {
    let mut bench = Bench::with(ClientConfig { connect_timeout: None, ..config(3) });
    check(&bench.input(ClientInput::Start), &["open 1 @0"]);
    check(&bench.wake_at(2000), &["close 1"]);
    check(&bench.wake_at(3000), &["open 2 @1"]);
    bench.now = millis(4900);
    check(&bench.opened(2), &["send 2 connect 0 seen 0x0"]);
    check(&bench.wake_at(6900), &["close 2"]);
}

#[test]
fn it_is_the_negotiated_timeout_that_is_divided_once_there_is_one() {
    let mut bench = Bench::with(ClientConfig { connect_timeout: None, ..config(2) });
    bench.input(ClientInput::Start);
    bench.opened(1);
    let (session, password, timeout) = (SessionId(1), crate::Password([9; 16]), millis(8000));
    bench.message(1, ServerMessage::Connected { session, password, timeout });
    check(&bench.closed(1), &["suspended", "open 2 @1"]);
    check(&bench.wake_at(4000), &["close 2"]);
}

#[test]
fn a_server_that_closes_instead_of_answering_is_left_for_the_next() {
    // So does one that lags behind what the client has seen, and one that has no leader.
    let mut bench = Bench::attached(3);
    bench.submit(1, set_data("/a"));
    bench.reply(1, 0x2a, Ok(Reply::DataSet { stat: stat() }));
    check(&bench.closed(1), &["suspended", "open 2 @1"]);
    for (connection, at) in [(2, 1000), (3, 2000), (4, 3000)] {
        check(&bench.opened(connection), &[&alloc::format!("send {connection} connect 1 seen 0x2a")]);
        check(&bench.closed(connection), &[]);
        let server = connection % 3;
        check(&bench.wake_at(at), &[&alloc::format!("open {} @{server}", connection + 1)]);
    }
    bench.opened(5);
    check(&bench.connected(5, 1), &["reconnected 0x1", "lease 7000"]);
    // What was seen outlives the connection it was seen on.
    bench.closed(5);
    check(&bench.opened(6), &["send 6 connect 1 seen 0x2a"]);
}

#[test]
fn the_client_knows_the_server_of_its_connection() {
    let mut bench = Bench::new(2);
    assert_eq!(bench.client.server(), None);
    bench.input(ClientInput::Start);
    assert_eq!(bench.client.server(), Some(0));
    bench.opened(1);
    bench.connected(1, 1);
    assert_eq!(bench.client.server(), Some(0));
    bench.closed(1);
    assert_eq!(bench.client.server(), Some(1));
    bench.input(ClientInput::OpenFailed { connection: ConnectionId(2) });
    assert_eq!(bench.client.server(), None);
}

#[test]
fn every_attachment_shows_the_newest_password() {
    let mut bench = Bench::attached(1);
    bench.closed(1);
    bench.wake_at(100);
    bench.opened(2);
    let (session, password, timeout) = (SessionId(1), crate::Password([7; 16]), millis(6000));
    bench.message(2, ServerMessage::Connected { session, password, timeout });
    bench.closed(2);
    bench.wake_at(200);
    let outputs = bench.opened(3);
    let [ClientOutput::Send { message: ClientMessage::Connect { session, timeout, .. }, .. }] = &outputs[..]
    else {
        panic!("{outputs:?}");
    };
    assert_eq!((*session, *timeout), (Some((SessionId(1), password)), millis(6000)));
}
