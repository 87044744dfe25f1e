//! The server alone: sessions, expiry, moves, events and zxids.

use super::{create, delete, exists, get_children, get_data, millis, set_data};
use crate::types::{CreateMode, ErrorCode, EventKind, Operation, Reply, WatchEvent};
use crate::{
    ClientMessage, ConnectionId, Password, Server, ServerConfig, ServerInput, ServerMessage, ServerOutput,
    SessionId, Zxid,
};
use CreateMode::{Ephemeral, EphemeralSequential, Persistent};
use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};
use core::time::Duration;

/// A server and the time at which it is next spoken to.
pub(super) struct Bench {
    pub(super) server: Server,
    pub(super) now: Duration,
}

impl Bench {
    pub(super) fn new() -> Self {
        Bench::with(ServerConfig::default())
    }

    fn with(config: ServerConfig) -> Self {
        Bench { server: Server::new(config), now: Duration::ZERO }
    }

    /// A bench with `count` sessions of 4 s, session n on connection n.
    pub(super) fn with_sessions(count: u64) -> Self {
        let mut bench = Bench::new();
        (1..=count).for_each(|connection| drop(bench.connect(connection, None)));
        bench
    }

    fn input(&mut self, input: ServerInput) -> Vec<ServerOutput> {
        let mut outputs = Vec::new();
        self.server.handle(self.now, input, &mut outputs);
        self.server.check_invariants();
        outputs
    }

    pub(super) fn message(&mut self, connection: u64, message: ClientMessage) -> Vec<ServerOutput> {
        self.input(ServerInput::Message { connection: ConnectionId(connection), message })
    }

    pub(super) fn connect(&mut self, connection: u64, session: Option<u64>) -> Vec<ServerOutput> {
        let session = session.map(|id| (SessionId(id), crate::sessions::password_of(SessionId(id))));
        self.connect_with(connection, session, millis(4000), Zxid(0))
    }

    fn connect_with(
        &mut self,
        connection: u64,
        session: Option<(SessionId, Password)>,
        timeout: Duration,
        last_zxid_seen: Zxid,
    ) -> Vec<ServerOutput> {
        self.input(ServerInput::Opened { connection: ConnectionId(connection) });
        self.message(connection, ClientMessage::Connect { session, timeout, last_zxid_seen })
    }

    pub(super) fn request(&mut self, connection: u64, operation: Operation) -> Vec<ServerOutput> {
        self.message(connection, ClientMessage::Request { xid: 1, operation })
    }

    pub(super) fn closed(&mut self, connection: u64) {
        assert_eq!(self.input(ServerInput::Closed { connection: ConnectionId(connection) }), []);
    }
}

/// Outputs in short, so that a test reads as what happens: "1 created /a", "2 ok", "3 close".
pub(super) fn brief(outputs: &[ServerOutput]) -> Vec<String> {
    let message = |message: &ServerMessage| match message {
        ServerMessage::Connected { session, timeout, .. } => format!("connected {session} {timeout:?}"),
        ServerMessage::Expired => "expired".into(),
        ServerMessage::Pong { .. } => "pong".into(),
        ServerMessage::Reply { result: Ok(_), .. } => "ok".into(),
        ServerMessage::Reply { result: Err(code), .. } => format!("{code:?}"),
        ServerMessage::Event(WatchEvent { kind, path }) => match kind {
            EventKind::NodeCreated => format!("created {path}"),
            EventKind::NodeDeleted => format!("deleted {path}"),
            EventKind::NodeDataChanged => format!("data {path}"),
            EventKind::NodeChildrenChanged => format!("children {path}"),
        },
        ServerMessage::SessionClosed { .. } => "session closed".into(),
    };
    let one = |output: &ServerOutput| match output {
        ServerOutput::Send { connection, message: sent } => format!("{} {}", connection.0, message(sent)),
        ServerOutput::Close { connection } => format!("{} close", connection.0),
        ServerOutput::SessionOpened { session, .. } => format!("opened {session}"),
        ServerOutput::SessionExpired { session } => format!("expired {session}"),
        ServerOutput::SessionClosed { session } => format!("closed {session}"),
    };
    outputs.iter().map(one).collect()
}

#[track_caller]
fn check_negotiation(config: &ServerConfig, requested: u64, expected: u64) {
    let outputs = Bench::with(config.clone()).connect_with(1, None, millis(requested), Zxid(0));
    let connected = format!("1 connected 0x1 {:?}", millis(expected));
    assert_eq!(brief(&outputs), ["opened 0x1", &connected]);
}

#[test]
fn the_session_timeout_is_clamped_to_two_and_twenty_ticks_or_as_configured() {
    let default = ServerConfig::default();
    for (requested, expected) in [(100, 4000), (1000, 4000), (5000, 5000), (60_000, 40_000)] {
        check_negotiation(&default, requested, expected);
    }
    let (session_timeout_min, session_timeout_max) = (Some(millis(500)), Some(millis(9000)));
    let configured = ServerConfig { session_timeout_min, session_timeout_max, ..default };
    for (requested, expected) in [(0, 500), (700, 700), (60_000, 9000)] {
        check_negotiation(&configured, requested, expected);
    }
}

#[test]
fn a_session_expires_more_than_its_timeout_and_at_most_a_tick_more_after_its_last_message() {
    for phase in [0, 1, 999, 1999] {
        for touched in (0..4000).step_by(61) {
            let mut bench =
                Bench::with(ServerConfig { bucket_phase: millis(phase), ..ServerConfig::default() });
            bench.connect(1, None);
            bench.now = millis(touched);
            assert_eq!(brief(&bench.message(1, ClientMessage::Ping)), ["1 pong"]);
            let deadline = bench.server.next_deadline().unwrap();
            assert!(deadline > millis(touched + 4000) && deadline <= millis(touched + 6000));
            bench.now = deadline - Duration::from_nanos(1);
            assert_eq!(bench.input(ServerInput::Wakeup), []);
            bench.now = deadline;
            assert_eq!(brief(&bench.input(ServerInput::Wakeup)), ["expired 0x1", "1 close"]);
            assert_eq!(bench.server.next_deadline(), None);
        }
    }
}

#[test]
fn every_message_keeps_a_session_alive_and_a_broken_connection_neither_shortens_nor_lengthens_it() {
    let set_watches =
        ClientMessage::SetWatches { relative_zxid: Zxid(0), data: vec![], exist: vec![], child: vec![] };
    let request = ClientMessage::Request { xid: 1, operation: exists("/") };
    for message in [ClientMessage::Ping, set_watches, request] {
        let mut bench = Bench::with_sessions(1);
        assert_eq!(bench.server.next_deadline(), Some(millis(6000)));
        bench.now = millis(3000);
        bench.message(1, message);
        assert_eq!(bench.server.next_deadline(), Some(millis(8000)));
        bench.now = millis(5000);
        bench.closed(1);
        assert_eq!(bench.server.next_deadline(), Some(millis(8000)));
    }
}

#[test]
fn a_message_that_comes_after_the_deadline_finds_the_session_expired_without_a_wakeup() {
    let mut bench = Bench::with_sessions(1);
    bench.now = millis(6000);
    assert_eq!(brief(&bench.message(1, ClientMessage::Ping)), ["expired 0x1", "1 close"]);
}

#[test]
fn a_connection_without_a_session_may_only_connect_and_one_with_a_session_may_not() {
    for message in [
        ClientMessage::Ping,
        ClientMessage::CloseSession { xid: 1 },
        ClientMessage::Request { xid: 1, operation: exists("/") },
        ClientMessage::SetWatches { relative_zxid: Zxid(0), data: vec![], exist: vec![], child: vec![] },
    ] {
        let mut bench = Bench::new();
        bench.input(ServerInput::Opened { connection: ConnectionId(1) });
        assert_eq!(brief(&bench.message(1, message.clone())), ["1 close"]);
        assert_eq!(bench.message(1, message), []);
    }
    assert_eq!(brief(&Bench::with_sessions(1).connect(1, None)), ["1 close"]);
}

#[test]
fn an_unknown_session_and_a_wrong_password_are_expired_and_a_client_from_the_future_is_just_closed() {
    let mut bench = Bench::with_sessions(1);
    assert_eq!(brief(&bench.connect(2, Some(9))), ["2 expired", "2 close"]);
    let wrong = Some((SessionId(1), Password(0)));
    assert_eq!(brief(&bench.connect_with(2, wrong, millis(4000), Zxid(0))), ["2 expired", "2 close"]);
    assert_eq!(brief(&bench.connect_with(2, None, millis(4000), Zxid(2))), ["2 close"]);
    assert_eq!(brief(&bench.connect_with(2, wrong, millis(4000), Zxid(2))), ["2 close"]);
    assert_eq!(
        brief(&bench.connect_with(2, None, millis(4000), Zxid(1))),
        ["opened 0x2", "2 connected 0x2 4s"]
    );
}

#[test]
fn a_session_is_attached_again_with_its_ephemeral_nodes_but_without_its_watches() {
    let mut bench = Bench::with_sessions(2);
    bench.request(1, create("/e", Ephemeral));
    bench.request(1, exists("/w"));
    bench.closed(1);
    bench.now = millis(3999);
    let zxid = bench.server.last_zxid();
    assert_eq!(brief(&bench.connect(3, Some(1))), ["3 connected 0x1 4s"]);
    assert_eq!(bench.server.last_zxid(), zxid);
    assert_eq!(brief(&bench.request(2, create("/w", Persistent))), ["2 ok"]);
    assert!(bench.server.tree().stat("/e").is_ok());
    let (_, session) = bench.server.sessions().next().unwrap();
    assert_eq!((session.connection(), session.expires_at()), (Some(ConnectionId(3)), millis(8000)));
}

#[test]
fn the_timeout_is_negotiated_anew_at_every_attachment() {
    let mut bench = Bench::with_sessions(1);
    let session = Some((SessionId(1), crate::sessions::password_of(SessionId(1))));
    assert_eq!(brief(&bench.connect_with(2, session, millis(9000), Zxid(0))), ["2 connected 0x1 9s"]);
    let (_, session) = bench.server.sessions().next().unwrap();
    assert_eq!((session.timeout(), session.expires_at()), (millis(9000), millis(10_000)));
}

#[test]
fn a_moved_session_still_reads_on_its_old_connection_and_the_next_write_closes_it() {
    let mut bench = Bench::with_sessions(1);
    bench.request(1, create("/e", Ephemeral));
    bench.connect(2, Some(1));
    assert_eq!(brief(&bench.request(1, exists("/e"))), ["1 ok"]);
    let zxid = bench.server.last_zxid();
    assert_eq!(brief(&bench.request(1, set_data("/e"))), ["1 close"]);
    assert_eq!(bench.server.last_zxid(), Zxid(zxid.0 + 1), "a write that is refused takes a zxid");
    assert_eq!(brief(&bench.request(2, set_data("/e"))), ["2 ok"]);
    assert_eq!(bench.server.tree().stat("/e").unwrap().version, 1);
}

#[test]
fn a_moved_session_that_expires_loses_both_connections() {
    let mut bench = Bench::with_sessions(1);
    bench.connect(2, Some(1));
    let outputs = bench.input(ServerInput::ExpireSession { session: SessionId(1) });
    assert_eq!(brief(&outputs), ["expired 0x1", "1 close", "2 close"]);
    assert_eq!(bench.input(ServerInput::ExpireSession { session: SessionId(1) }), []);
}

#[test]
fn expiry_deletes_the_ephemeral_nodes_by_path_in_one_transaction_and_tells_the_others() {
    let mut bench = Bench::with_sessions(3);
    bench.request(2, create("/p", Persistent));
    for path in ["/p/b", "/p/a"] {
        bench.request(1, create(path, Ephemeral));
    }
    for connection in [1, 2, 3] {
        bench.request(connection, get_children("/p"));
        bench.request(connection, exists("/p/b"));
    }
    bench.request(3, exists("/p/a"));
    let zxid = bench.server.last_zxid();
    let outputs = bench.input(ServerInput::ExpireSession { session: SessionId(1) });
    let expected = [
        "expired 0x1",
        "3 deleted /p/a",
        "2 children /p",
        "3 children /p",
        "2 deleted /p/b",
        "3 deleted /p/b",
        "1 close",
    ];
    assert_eq!(brief(&outputs), expected);
    assert_eq!(bench.server.last_zxid(), Zxid(zxid.0 + 1));
    assert_eq!(bench.server.tree().stat("/p").unwrap().pzxid, Zxid(zxid.0 + 1));
}

#[test]
fn closing_a_session_is_one_transaction_and_its_own_watches_still_hear_of_it() {
    let mut bench = Bench::with_sessions(2);
    bench.request(1, create("/e", Ephemeral));
    bench.request(1, exists("/e"));
    bench.request(2, exists("/e"));
    let zxid = bench.server.last_zxid();
    let outputs = bench.message(1, ClientMessage::CloseSession { xid: 5 });
    assert_eq!(
        brief(&outputs),
        ["closed 0x1", "1 deleted /e", "2 deleted /e", "1 session closed", "1 close"]
    );
    assert_eq!(bench.server.last_zxid(), Zxid(zxid.0 + 1));
    assert_eq!(brief(&bench.connect(3, Some(1))), ["3 expired", "3 close"]);
}

#[test]
fn a_server_that_stops_drops_connections_and_watches_and_gives_every_session_its_full_timeout_again() {
    let mut bench = Bench::with_sessions(2);
    bench.request(1, create("/e", Ephemeral));
    bench.request(1, exists("/w"));
    bench.now = millis(3500);
    assert_eq!(brief(&bench.input(ServerInput::Stopped)), ["1 close", "2 close"]);
    assert!(!bench.server.is_running());
    assert_eq!(bench.server.next_deadline(), None);
    bench.now = millis(60_000);
    let stopped = bench.server.clone();
    for input in [
        ServerInput::Wakeup,
        ServerInput::Opened { connection: ConnectionId(3) },
        ServerInput::ExpireSession { session: SessionId(1) },
        ServerInput::Stopped,
    ] {
        assert_eq!(bench.input(input), []);
    }
    assert_eq!(bench.server, stopped);
    assert_eq!(bench.input(ServerInput::Started), []);
    assert_eq!(bench.server.next_deadline(), Some(millis(66_000)));
    assert_eq!(brief(&bench.connect(3, Some(1))), ["3 connected 0x1 4s"]);
    assert_eq!(brief(&bench.request(3, create("/w", Persistent))), ["3 ok"]);
    assert!(bench.server.tree().stat("/e").is_ok());
}

#[test]
fn writes_take_a_zxid_even_when_they_fail_and_reads_do_not() {
    let mut bench = Bench::with_sessions(1);
    let mut check = |operation, answer, zxid| {
        let outputs = bench.request(1, operation);
        assert_eq!(brief(&outputs), [answer]);
        let sent = ServerOutput::Send {
            connection: ConnectionId(1),
            message: ServerMessage::Pong { zxid: Zxid(zxid) },
        };
        assert_eq!(bench.message(1, ClientMessage::Ping), [sent]);
        let [ServerOutput::Send { message: ServerMessage::Reply { zxid: told, .. }, .. }] = &outputs[..]
        else {
            panic!("one reply is sent")
        };
        assert_eq!(told.0, zxid);
    };
    check(create("/a", Persistent), "1 ok", 2);
    check(create("/a", Persistent), "1 NodeExists", 3);
    check(delete("/none"), "1 NoNode", 4);
    check(set_data("/none"), "1 NoNode", 5);
    check(get_children("/none"), "1 NoNode", 5);
    check(Operation::Sync { path: "/".into() }, "1 ok", 5);
}

#[test]
fn events_come_before_the_reply_of_the_write_that_caused_them_each_kind_and_path_once() {
    let mut bench = Bench::with_sessions(2);
    for operation in [exists("/a"), exists("/a"), get_children("/"), get_data("/a"), get_children("/a")] {
        bench.request(1, operation);
    }
    let mut check = |connection, operation, expected: &[&str]| {
        assert_eq!(brief(&bench.request(connection, operation)), expected);
    };
    check(1, create("/a", Persistent), &["1 created /a", "1 children /", "1 ok"]);
    check(2, set_data("/a"), &["2 ok"]);
    check(1, exists("/a"), &["1 ok"]);
    check(1, get_data("/a"), &["1 ok"]);
    check(2, set_data("/a"), &["1 data /a", "2 ok"]);
    check(1, get_data("/a"), &["1 ok"]);
    check(1, get_children("/a"), &["1 ok"]);
    check(2, get_children("/a"), &["2 ok"]);
    check(1, get_children("/"), &["1 ok"]);
    check(2, create("/", EphemeralSequential), &["1 children /", "2 ok"]);
    check(2, delete("/a"), &["1 deleted /a", "2 deleted /a", "2 ok"]);
}

#[test]
fn a_sequential_node_is_answered_with_the_path_it_got() {
    let mut bench = Bench::with_sessions(1);
    let outputs = bench.request(1, create("/n-", EphemeralSequential));
    let [
        ServerOutput::Send {
            message: ServerMessage::Reply { result: Ok(Reply::Created { path, stat }), .. },
            ..
        },
    ] = &outputs[..]
    else {
        panic!("the node is created")
    };
    assert_eq!((&**path, stat.ephemeral_owner, stat.czxid), ("/n-0000000000", Some(SessionId(1)), Zxid(2)));
    assert_eq!(bench.server.tree().stat("/n-"), Err(ErrorCode::NoNode));
}
