//! A server that stands alone: handshakes, expiry, closing, silence, and how it starts again.

use super::{create, exists, get_children, millis};
use crate::{
    ClientMessage, ConnectionId, CreateMode, EventKind, Operation, Password, Server, ServerConfig,
    ServerInput, ServerMessage, ServerOutput, ServerRecord, SessionId, WatchEvent, Zxid,
};
use CreateMode::{Ephemeral, Persistent};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
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

    pub(super) fn with(config: ServerConfig) -> Self {
        Bench { server: Server::new(config), now: Duration::ZERO }
    }

    /// A bench with `count` sessions of 4 s, session n on connection n.
    pub(super) fn with_sessions(count: u64) -> Self {
        let mut bench = Bench::new();
        (1..=count).for_each(|connection| drop(bench.connect(connection, None)));
        bench
    }

    pub(super) fn input(&mut self, input: ServerInput) -> Vec<ServerOutput> {
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

    pub(super) fn open(&mut self, connection: u64) {
        let address = Some("127.0.0.1".into());
        let opened = ServerInput::Opened { connection: ConnectionId(connection), address };
        assert_eq!(self.input(opened), []);
    }

    pub(super) fn connect_with(
        &mut self,
        connection: u64,
        session: Option<(SessionId, Password)>,
        timeout: Duration,
        last_zxid_seen: Zxid,
    ) -> Vec<ServerOutput> {
        self.open(connection);
        self.message(connection, ClientMessage::Connect { session, timeout, last_zxid_seen })
    }

    pub(super) fn request(&mut self, connection: u64, operation: Operation) -> Vec<ServerOutput> {
        self.message(connection, ClientMessage::Request { xid: 1, operation })
    }

    pub(super) fn authenticate(&mut self, scheme: &str, credentials: &str) -> Vec<ServerOutput> {
        let credentials = credentials.as_bytes().into();
        self.message(1, ClientMessage::Authenticate { xid: -4, scheme: scheme.into(), credentials })
    }

    pub(super) fn closed(&mut self, connection: u64) {
        assert_eq!(self.input(ServerInput::Closed { connection: ConnectionId(connection) }), []);
    }
}

/// Outputs in short, so that a test reads as what happens: "1 created /a", "2 ok", "3 close".
pub(super) fn brief(outputs: &[ServerOutput]) -> Vec<String> {
    outputs.iter().map(one_brief).collect()
}

pub(super) fn one_brief(output: &ServerOutput) -> String {
    match output {
        ServerOutput::Send { connection, message } => format!("{} {}", connection.0, brief_message(message)),
        ServerOutput::Close { connection } => format!("{} close", connection.0),
        ServerOutput::Notify { to, .. } => format!("notify {to}"),
        ServerOutput::SendPeer { to, message, .. } => format!("to {to} {message:?}"),
        ServerOutput::ClosePeer { to, .. } => format!("unlink {to}"),
        ServerOutput::Record(ServerRecord::SessionOpened { session, .. }) => format!("opened {session}"),
        ServerOutput::Record(ServerRecord::SessionExpired { session }) => format!("expired {session}"),
        ServerOutput::Record(ServerRecord::SessionClosed { session }) => format!("closed {session}"),
        ServerOutput::Record(ServerRecord::Looking) => "looking".into(),
        ServerOutput::Record(ServerRecord::Leads { epoch }) => format!("leads {epoch}"),
        ServerOutput::Record(ServerRecord::Follows { leader, epoch }) => format!("follows {leader} {epoch}"),
    }
}

fn brief_message(message: &ServerMessage) -> String {
    match message {
        ServerMessage::Connected { session, timeout, .. } => format!("connected {session} {timeout:?}"),
        ServerMessage::Expired => "expired".into(),
        ServerMessage::Pong { .. } => "pong".into(),
        ServerMessage::Reply { result: Ok(_), .. } => "ok".into(),
        ServerMessage::Reply { result: Err(code), .. } => format!("{code:?}"),
        ServerMessage::Event { event: WatchEvent { kind, path }, .. } => match kind {
            EventKind::NodeCreated => format!("created {path}"),
            EventKind::NodeDeleted => format!("deleted {path}"),
            EventKind::NodeDataChanged => format!("data {path}"),
            EventKind::NodeChildrenChanged => format!("children {path}"),
        },
        ServerMessage::SessionClosed { .. } => "session closed".into(),
    }
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
            let bucket_phase = millis(phase);
            let mut bench = Bench::with(ServerConfig { bucket_phase, ..ServerConfig::default() });
            bench.connect(1, None);
            bench.now = millis(touched);
            assert_eq!(brief(&bench.message(1, ClientMessage::Ping)), ["1 pong"]);
            let deadline = bench.server.expires_at(SessionId(1)).unwrap();
            assert!(deadline > millis(touched + 4000) && deadline <= millis(touched + 6000));
            assert_eq!(bench.server.next_deadline(), Some(deadline));
            bench.now = deadline - Duration::from_nanos(1);
            assert_eq!(bench.input(ServerInput::Wakeup), []);
            bench.now = deadline;
            assert_eq!(brief(&bench.input(ServerInput::Wakeup)), ["expired 0x1", "1 close"]);
            assert_eq!(bench.server.expires_at(SessionId(1)), None);
        }
    }
}

fn set_watches() -> ClientMessage {
    ClientMessage::Request { xid: 1, operation: Operation::SetWatches(Box::default()) }
}

fn unknown() -> Operation {
    Operation::Unknown { opcode: 99 }
}

#[test]
fn every_message_keeps_a_session_alive_and_a_broken_connection_neither_shortens_nor_lengthens_it() {
    let request = |operation| ClientMessage::Request { xid: 1, operation };
    for message in [ClientMessage::Ping, set_watches(), request(exists("/")), request(unknown())] {
        let mut bench = Bench::with_sessions(1);
        assert_eq!(bench.server.expires_at(SessionId(1)), Some(millis(6000)));
        bench.now = millis(3000);
        bench.message(1, message);
        assert_eq!(bench.server.expires_at(SessionId(1)), Some(millis(8000)));
        bench.now = millis(5000);
        bench.closed(1);
        assert_eq!(bench.server.expires_at(SessionId(1)), Some(millis(8000)));
    }
}

#[test]
fn credentials_do_not_keep_a_session_alive() {
    let mut bench = Bench::with_sessions(1);
    bench.now = millis(3000);
    assert_eq!(brief(&bench.authenticate("digest", "a:b")), ["1 ok"]);
    assert_eq!(bench.server.expires_at(SessionId(1)), Some(millis(6000)));
}

#[test]
fn a_message_that_comes_before_a_late_wakeup_still_saves_its_session() {
    let mut bench = Bench::with_sessions(1);
    bench.now = millis(7000);
    assert_eq!(brief(&bench.message(1, ClientMessage::Ping)), ["1 pong"]);
    assert_eq!(bench.input(ServerInput::Wakeup), []);
    bench.now = millis(60_000);
    assert_eq!(brief(&bench.input(ServerInput::Wakeup)), ["expired 0x1", "1 close"]);
}

#[test]
fn a_connection_without_a_session_may_only_connect_and_one_with_a_session_may_not() {
    for message in [
        ClientMessage::Ping,
        ClientMessage::CloseSession { xid: 1 },
        ClientMessage::Request { xid: 1, operation: exists("/") },
        ClientMessage::Authenticate { xid: -4, scheme: "digest".into(), credentials: (*b"a:b").into() },
        set_watches(),
    ] {
        let mut bench = Bench::new();
        bench.open(1);
        assert_eq!(brief(&bench.message(1, message.clone())), ["1 close"]);
        assert_eq!(bench.message(1, message), []);
    }
    let mut bench = Bench::with_sessions(1);
    let again = ClientMessage::Connect { session: None, timeout: millis(4000), last_zxid_seen: Zxid(0) };
    assert_eq!(brief(&bench.message(1, again)), ["1 close"]);
}

#[test]
fn silence_closes_a_connection_after_ten_seconds_or_its_timeout_and_at_most_ten_seconds_more() {
    let mut bench = Bench::new();
    bench.now = millis(1);
    bench.open(1);
    bench.now = millis(5000);
    bench.connect_with(2, None, millis(12_000), Zxid(0));
    for (at, expected) in [(17_999, &[][..]), (18_000, &["expired 0x1", "2 close"]), (20_000, &["1 close"])] {
        bench.now = millis(at);
        assert_eq!(brief(&bench.input(ServerInput::Wakeup)), expected);
    }
    let mut bench = Bench::with_sessions(1);
    bench.now = millis(5500);
    bench.message(1, ClientMessage::Ping);
    bench.now = millis(10_000);
    assert_eq!(brief(&bench.input(ServerInput::Wakeup)), ["expired 0x1", "1 close"]);
}

#[test]
fn an_unknown_session_and_a_wrong_password_are_expired_and_a_client_from_the_future_is_just_closed() {
    let mut bench = Bench::with_sessions(1);
    let wrong = Some((SessionId(1), Password([7; 16])));
    assert_eq!(brief(&bench.connect(2, Some(9))), ["2 expired", "2 close"]);
    assert_eq!(brief(&bench.connect_with(2, None, millis(4000), Zxid(2))), ["2 close"]);
    assert_eq!(brief(&bench.connect_with(2, wrong, millis(4000), Zxid(2))), ["2 close"]);
    assert_eq!(brief(&bench.message(1, ClientMessage::Ping)), ["1 pong"]);
    let expected = ["opened 0x2", "2 connected 0x2 4s"];
    assert_eq!(brief(&bench.connect_with(2, None, millis(4000), Zxid(1))), expected);
}

#[test]
fn a_session_that_is_attached_again_leaves_its_connection_even_before_the_password_is_looked_at() {
    let mut bench = Bench::with_sessions(1);
    assert_eq!(brief(&bench.connect(2, Some(1))), ["1 close", "2 connected 0x1 4s"]);
    let wrong = Some((SessionId(1), Password([7; 16])));
    let outputs = bench.connect_with(3, wrong, millis(4000), Zxid(0));
    assert_eq!(brief(&outputs), ["2 close", "3 expired", "3 close"]);
    assert_eq!(brief(&bench.connect(4, Some(1))), ["4 connected 0x1 4s"]);
    assert_eq!(brief(&bench.request(4, create("/a", Persistent))), ["4 ok"]);
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
    assert_eq!(bench.server.expires_at(SessionId(1)), Some(millis(8000)));
}

#[test]
fn the_timeout_is_negotiated_anew_at_every_attachment_and_forgotten_when_the_server_starts_again() {
    let mut bench = Bench::with_sessions(1);
    let session = Some((SessionId(1), crate::sessions::password_of(SessionId(1))));
    let outputs = bench.connect_with(2, session, millis(9000), Zxid(0));
    assert_eq!(brief(&outputs), ["1 close", "2 connected 0x1 9s"]);
    assert_eq!(bench.server.expires_at(SessionId(1)), Some(millis(10_000)));
    bench.message(2, ClientMessage::Ping);
    assert_eq!(bench.server.expires_at(SessionId(1)), Some(millis(10_000)));
    bench.input(ServerInput::Stopped);
    bench.input(ServerInput::Started);
    assert_eq!(bench.server.expires_at(SessionId(1)), Some(millis(6000)));
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
        "3 deleted /p/a",
        "2 children /p",
        "3 children /p",
        "2 deleted /p/b",
        "3 deleted /p/b",
        "expired 0x1",
        "1 close",
    ];
    assert_eq!(brief(&outputs), expected);
    assert_eq!(bench.server.last_zxid(), zxid.next());
    assert_eq!(bench.server.tree().stat("/p").unwrap().pzxid, zxid.next());
    assert_eq!(bench.input(ServerInput::ExpireSession { session: SessionId(1) }), []);
}

#[test]
fn closing_a_session_is_one_transaction_and_its_own_watches_still_hear_of_it() {
    let mut bench = Bench::with_sessions(2);
    bench.request(1, create("/e", Ephemeral));
    bench.request(1, exists("/e"));
    bench.request(2, exists("/e"));
    let zxid = bench.server.last_zxid();
    let outputs = bench.message(1, ClientMessage::CloseSession { xid: 5 });
    let expected = ["1 deleted /e", "2 deleted /e", "closed 0x1", "1 session closed", "1 close"];
    assert_eq!(brief(&outputs), expected);
    assert_eq!(bench.server.last_zxid(), zxid.next());
    assert_eq!(brief(&bench.connect(3, Some(1))), ["3 expired", "3 close"]);
}

#[test]
fn a_server_that_stops_drops_connections_and_watches_and_gives_every_session_its_full_timeout_again() {
    let mut bench = Bench::with_sessions(2);
    bench.request(1, create("/e", Ephemeral));
    bench.request(1, exists("/w"));
    bench.now = millis(3500);
    assert_eq!(brief(&bench.input(ServerInput::Stopped)), ["1 close", "2 close"]);
    assert!(!bench.server.is_running() && !bench.server.is_serving());
    assert_eq!(bench.server.next_deadline(), None);
    bench.now = millis(60_000);
    let stopped = bench.server.clone();
    for input in [
        ServerInput::Wakeup,
        ServerInput::Opened { connection: ConnectionId(3), address: None },
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
