//! The client alone, with the server's part played by the test: the life of a session. Each concern of its own has a
//! file of its own.

mod answers;
mod attempts;
mod lease;
mod library;
mod watches;

use crate::client::{Client, ClientConfig, ClientInput, ClientOutput, SessionState, UNANSWERED_MAX};
use crate::operation::WatchLists;
use crate::{
    ANY_VERSION, ClientMessage, ConnectionId, ErrorCode, EventKind, Operation, Password, Reply,
    ServerMessage, SessionId, Stat, WatchEvent, Zxid,
};
use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};
use core::time::Duration;

/// A client of so many servers that asks for 6 s.
fn config(servers: u32) -> ClientConfig {
    let (session_timeout, connect_timeout) = (millis(6000), Some(millis(3000)));
    ClientConfig { servers, session_timeout, connect_timeout, ..ClientConfig::default() }
}

/// A client, and the time at which it is next spoken to.
struct Bench {
    client: Client,
    now: Duration,
}

impl Bench {
    fn new(servers: u32) -> Self {
        Bench::with(config(servers))
    }

    fn with(config: ClientConfig) -> Self {
        Bench { client: Client::new(config, 1), now: Duration::ZERO }
    }

    /// Attached to session 0x1 on connection 1 at 0 s, of `servers` servers.
    fn attached(servers: u32) -> Self {
        Bench::attached_with(config(servers))
    }

    fn attached_with(config: ClientConfig) -> Self {
        let mut bench = Bench::with(config);
        bench.input(ClientInput::Start);
        bench.opened(1);
        bench.connected(1, 1);
        bench
    }

    /// As `attached`, with one server, suspended at 1 s.
    fn suspended() -> Self {
        let mut bench = Bench::attached(1);
        bench.now = millis(1000);
        check(&bench.closed(1), &["suspended"]);
        bench
    }

    fn input(&mut self, input: ClientInput) -> Vec<ClientOutput> {
        let mut outputs = Vec::new();
        self.client.handle(self.now, input, &mut outputs);
        self.client.check_invariants();
        outputs
    }

    /// Wakes the client at its next deadline, which is at `at` ms.
    #[track_caller]
    fn wake_at(&mut self, at: u64) -> Vec<ClientOutput> {
        assert_eq!(self.client.next_deadline(), Some(millis(at)));
        self.now = millis(at);
        self.input(ClientInput::Wakeup)
    }

    fn opened(&mut self, connection: u64) -> Vec<ClientOutput> {
        self.input(ClientInput::Opened { connection: ConnectionId(connection) })
    }

    fn closed(&mut self, connection: u64) -> Vec<ClientOutput> {
        self.input(ClientInput::Closed { connection: ConnectionId(connection) })
    }

    fn message(&mut self, connection: u64, message: ServerMessage) -> Vec<ClientOutput> {
        self.input(ClientInput::Message { connection: ConnectionId(connection), message })
    }

    fn connected(&mut self, connection: u64, session: u64) -> Vec<ClientOutput> {
        let (session, password) = (SessionId(session), Password([9; 16]));
        self.message(connection, ServerMessage::Connected { session, password, timeout: millis(6000) })
    }

    fn pong(&mut self, connection: u64) -> Vec<ClientOutput> {
        self.message(connection, ServerMessage::Pong { zxid: Zxid(77) })
    }

    fn reply(&mut self, xid: i32, zxid: u64, result: Result<Reply, ErrorCode>) -> Vec<ClientOutput> {
        self.message(1, ServerMessage::Reply { xid, zxid: Zxid(zxid), result })
    }

    fn event(&mut self, kind: EventKind, path: &str) -> Vec<ClientOutput> {
        self.message(1, ServerMessage::Event { event: WatchEvent { kind, path: path.into() }, zxid: None })
    }

    fn submit(&mut self, tag: u64, operation: Operation) -> Vec<ClientOutput> {
        self.input(ClientInput::Submit { tag, operation })
    }
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn set_data(path: &str) -> Operation {
    Operation::SetData { path: path.into(), data: Some((*b"new").into()), version: ANY_VERSION }
}

fn exists(path: &str) -> Operation {
    Operation::Exists { path: path.into(), watch: true }
}

fn get_data(path: &str) -> Operation {
    Operation::GetData { path: path.into(), watch: true }
}

fn get_children(path: &str) -> Operation {
    Operation::GetChildren { path: path.into(), watch: true }
}

fn stat() -> Stat {
    Stat {
        czxid: Zxid(1),
        mzxid: Zxid(1),
        pzxid: Zxid(1),
        ctime: 0,
        mtime: 0,
        version: 0,
        cversion: 0,
        aversion: 0,
        ephemeral_owner: None,
        data_length: 0,
        num_children: 0,
    }
}

/// Outputs in short: "open 1 @0", "send 1 ping", "suspended", "done 7 ok", "lease 4000".
fn brief(outputs: &[ClientOutput]) -> Vec<String> {
    let message = |message: &ClientMessage| match message {
        ClientMessage::Connect { session, last_zxid_seen, .. } => {
            let session = session.map_or(0, |(session, _)| session.0);
            format!("connect {session} seen {last_zxid_seen}")
        }
        ClientMessage::Ping => "ping".into(),
        ClientMessage::Authenticate { xid, scheme, .. } => format!("authenticate {xid} {scheme}"),
        ClientMessage::Request { xid: -8, operation: Operation::SetWatches(lists) } => {
            let WatchLists { relative_zxid, data, exist, child, persistent, recursive, ends_in_null } =
                &**lists;
            assert!(!ends_in_null, "a client has no path that is null");
            format!("watches {relative_zxid} {data:?} {exist:?} {child:?} {persistent:?} {recursive:?}")
        }
        ClientMessage::Request { xid, .. } => format!("request {xid}"),
        ClientMessage::CloseSession { xid } => format!("close session {xid}"),
    };
    let state = |state: &SessionState| match state {
        SessionState::Connected { session, .. } => format!("connected {session}"),
        SessionState::Suspended => "suspended".into(),
        SessionState::Reconnected { session } => format!("reconnected {session}"),
        SessionState::Lost => "lost".into(),
        SessionState::AuthFailed => "authentication failed".into(),
        SessionState::Closed => "closed".into(),
    };
    let one = |output: &ClientOutput| match output {
        ClientOutput::Open { connection, server } => format!("open {} @{server}", connection.0),
        ClientOutput::Send { connection, message: sent } => {
            format!("send {} {}", connection.0, message(sent))
        }
        ClientOutput::Close { connection } => format!("close {}", connection.0),
        ClientOutput::State(changed) => state(changed),
        ClientOutput::Completed { tag, result: Ok(_) } => format!("done {tag} ok"),
        ClientOutput::Completed { tag, result: Err(code) } => format!("done {tag} {code:?}"),
        ClientOutput::Event(event) => format!("{:?} {}", event.kind, event.path),
        ClientOutput::Lease { until } => format!("lease {}", until.as_millis()),
    };
    outputs.iter().map(one).collect()
}

#[track_caller]
fn check(outputs: &[ClientOutput], expected: &[&str]) {
    assert_eq!(brief(outputs), expected);
}

#[test]
fn a_client_opens_a_session_performs_operations_and_closes() {
    let mut bench = Bench::new(3);
    assert_eq!(bench.client.next_deadline(), None);
    check(&bench.submit(1, set_data("/a")), &["done 1 ConnectionLoss"]);
    check(&bench.input(ClientInput::Start), &["open 1 @0"]);
    check(&bench.input(ClientInput::Start), &[]);
    bench.now = millis(10);
    check(&bench.opened(1), &["send 1 connect 0 seen 0x0"]);
    check(&bench.submit(2, set_data("/a")), &["done 2 ConnectionLoss"]);
    bench.now = millis(20);
    check(&bench.connected(1, 5), &["connected 0x5", "lease 4010"]);
    assert!(bench.client.is_connected());
    assert_eq!(bench.client.session(), Some(SessionId(5)));
    check(&bench.submit(3, set_data("/a")), &["send 1 request 1"]);
    check(&bench.submit(4, set_data("/b")), &["send 1 request 2"]);
    check(&bench.reply(1, 2, Err(ErrorCode::NoNode)), &["lease 4020", "done 3 NoNode"]);
    check(&bench.input(ClientInput::CloseSession), &["send 1 close session 3"]);
    check(&bench.submit(5, set_data("/a")), &["done 5 ConnectionLoss"]);
    check(&bench.input(ClientInput::CloseSession), &[]);
    check(&bench.reply(2, 3, Ok(Reply::DataSet { stat: stat() })), &["done 4 ok"]);
    check(&bench.message(1, ServerMessage::SessionClosed { xid: 3, zxid: Zxid(4) }), &["close 1", "closed"]);
    assert_eq!((bench.client.session(), bench.client.next_deadline()), (None, None));
    assert!(bench.client.has_ended());
    for input in [ClientInput::Start, ClientInput::Wakeup, ClientInput::CloseSession] {
        check(&bench.input(input), &[]);
    }
    check(&bench.submit(6, set_data("/a")), &["done 6 SessionExpired"]);
}

#[test]
fn attempts_go_round_the_servers_with_a_pause_of_a_second() {
    let mut bench = Bench::new(2);
    check(&bench.input(ClientInput::Start), &["open 1 @0"]);
    check(&bench.input(ClientInput::OpenFailed { connection: ConnectionId(1) }), &[]);
    check(&bench.wake_at(1000), &["open 2 @1"]);
    check(&bench.wake_at(4000), &["close 2"]);
    check(&bench.wake_at(5000), &["open 3 @0"]);
    bench.now = millis(6000);
    check(&bench.opened(3), &["send 3 connect 0 seen 0x0"]);
    check(&bench.wake_at(8000), &["close 3"]);
    check(&bench.wake_at(9000), &["open 4 @1"]);
    bench.opened(4);
    check(&bench.closed(4), &[]);
    check(&bench.wake_at(10_000), &["open 5 @0"]);
}

#[test]
fn an_idle_client_pings_after_a_third_of_the_timeout_since_it_last_sent() {
    let mut bench = Bench::attached(1);
    check(&bench.wake_at(2000), &["send 1 ping"]);
    bench.now = millis(2050);
    check(&bench.pong(1), &["lease 6000"]);
    bench.now = millis(3000);
    bench.submit(1, set_data("/a"));
    bench.now = millis(3050);
    check(&bench.reply(1, 2, Err(ErrorCode::NoNode)), &["lease 7000", "done 1 NoNode"]);
    check(&bench.wake_at(5000), &["send 1 ping"]);
}

#[test]
fn the_pause_between_pings_is_at_most_ten_seconds() {
    let mut bench = Bench::new(1);
    bench.input(ClientInput::Start);
    bench.opened(1);
    let (session, password, timeout) = (SessionId(1), Password([1; 16]), millis(40_000));
    bench.message(1, ServerMessage::Connected { session, password, timeout });
    check(&bench.wake_at(10_000), &["send 1 ping"]);
}

#[test]
fn silence_for_two_thirds_of_the_timeout_suspends() {
    let mut bench = Bench::attached(2);
    bench.now = millis(100);
    bench.submit(7, set_data("/a"));
    bench.submit(8, set_data("/a"));
    check(&bench.wake_at(2100), &["send 1 ping"]);
    let expected = ["close 1", "suspended", "done 7 ConnectionLoss", "done 8 ConnectionLoss", "open 2 @1"];
    check(&bench.wake_at(4000), &expected);
    assert!(!bench.client.is_connected());
    assert_eq!(bench.client.session(), Some(SessionId(1)));
}

#[test]
fn anything_heard_ends_the_silence_but_only_answers_extend_the_lease() {
    let mut bench = Bench::attached(1);
    check(&bench.wake_at(2000), &["send 1 ping"]);
    bench.now = millis(3000);
    check(&bench.event(EventKind::NodeCreated, "/not-watched"), &[]);
    check(&bench.wake_at(4000), &["send 1 ping"]);
    check(&bench.wake_at(6000), &["send 1 ping"]);
    check(&bench.wake_at(7000), &["close 1", "suspended"]);
}

#[test]
fn a_suspended_client_attaches_again_and_arms_its_watches() {
    let mut bench = Bench::attached(1);
    for (tag, operation) in
        [exists("/none"), exists("/a"), get_data("/b"), get_children("/c"), get_data("/none2")]
            .into_iter()
            .enumerate()
    {
        bench.submit(tag as u64, operation);
    }
    bench.reply(1, 10, Err(ErrorCode::NoNode));
    bench.reply(2, 11, Ok(Reply::Exists { stat: stat() }));
    bench.reply(3, 12, Ok(Reply::Data { data: None, stat: stat() }));
    bench.reply(4, 13, Ok(Reply::Children { children: vec![].into() }));
    bench.reply(5, 13, Err(ErrorCode::NoNode));
    bench.now = millis(1000);
    check(&bench.closed(1), &["suspended"]);
    check(&bench.wake_at(1100), &["open 2 @0"]);
    check(&bench.opened(2), &["send 2 connect 1 seen 0xd"]);
    bench.now = millis(1300);
    let watches = "send 2 watches 0xd [\"/a\", \"/b\"] [\"/none\"] [\"/c\"] [] []";
    check(&bench.connected(2, 1), &["reconnected 0x1", watches, "lease 5100"]);
    check(&bench.wake_at(3300), &["send 2 ping"]);
}

#[test]
fn a_watch_that_went_off_is_told_once_and_not_armed_again() {
    let mut bench = Bench::attached(1);
    bench.submit(1, get_data("/a"));
    bench.submit(2, get_children("/a"));
    check(&bench.event(EventKind::NodeDataChanged, "/a"), &[]);
    bench.reply(1, 2, Ok(Reply::Data { data: None, stat: stat() }));
    bench.reply(2, 2, Ok(Reply::Children { children: vec![].into() }));
    check(&bench.event(EventKind::NodeDataChanged, "/a"), &["NodeDataChanged /a"]);
    check(&bench.event(EventKind::NodeDataChanged, "/a"), &[]);
    check(&bench.event(EventKind::NodeDeleted, "/a"), &["NodeDeleted /a"]);
    check(&bench.event(EventKind::NodeChildrenChanged, "/a"), &[]);
    bench.closed(1);
    bench.wake_at(100);
    bench.opened(2);
    check(&bench.connected(2, 1), &["reconnected 0x1", "lease 4100"]);
}

#[test]
fn an_expired_session_is_lost_and_a_new_one_is_opened_from_scratch() {
    let mut bench = Bench::attached(1);
    bench.submit(1, exists("/a"));
    bench.reply(1, 10, Ok(Reply::Exists { stat: stat() }));
    check(&bench.closed(1), &["suspended"]);
    check(&bench.wake_at(100), &["open 2 @0"]);
    check(&bench.opened(2), &["send 2 connect 1 seen 0xa"]);
    check(&bench.message(2, ServerMessage::Expired), &["close 2", "lost"]);
    assert_eq!(bench.client.session(), None);
    check(&bench.wake_at(200), &["open 3 @0"]);
    check(&bench.opened(3), &["send 3 connect 0 seen 0x0"]);
    check(&bench.connected(3, 2), &["connected 0x2", "lease 4200"]);
}

#[test]
fn expiry_is_believed_only_of_a_session_that_was_asked_for() {
    // Real servers close an attached connection when its session expires, without a word.
    let mut bench = Bench::attached(2);
    bench.submit(1, set_data("/a"));
    let expected = ["close 1", "suspended", "done 1 ConnectionLoss", "open 2 @1"];
    check(&bench.message(1, ServerMessage::Expired), &expected);
    check(&bench.message(2, ServerMessage::Expired), &["close 2"]);
    check(&bench.wake_at(1000), &["open 3 @0"]);
    bench.opened(3);
    check(&bench.message(3, ServerMessage::Expired), &["close 3", "lost", "open 4 @1"]);
    bench.opened(4);
    // Nobody can have expired what was not yet opened.
    check(&bench.message(4, ServerMessage::Expired), &["close 4"]);
    check(&bench.wake_at(2000), &["open 5 @0"]);
}

#[test]
fn a_session_is_resumed_or_lost() {
    let resumes = Some((SessionId(5), Password([3; 16])));
    let begin = || {
        let mut bench = Bench::with(ClientConfig { resumes, ..config(1) });
        bench.input(ClientInput::Start);
        let outputs = bench.opened(1);
        check(&outputs, &["send 1 connect 5 seen 0x0"]);
        let ClientOutput::Send { message: ClientMessage::Connect { session, .. }, .. } = &outputs[0] else {
            panic!("{outputs:?}");
        };
        assert_eq!(*session, resumes);
        bench
    };
    let mut bench = begin();
    check(&bench.connected(1, 5), &["connected 0x5", "lease 4000"]);
    bench.closed(1);
    bench.wake_at(100);
    check(&bench.opened(2), &["send 2 connect 5 seen 0x0"]);
    let mut bench = begin();
    check(&bench.connected(1, 6), &["close 1"]);
    let mut bench = begin();
    check(&bench.message(1, ServerMessage::Expired), &["close 1", "lost"]);
    bench.wake_at(100);
    check(&bench.opened(2), &["send 2 connect 0 seen 0x0"]);
    check(&bench.connected(2, 6), &["connected 0x6", "lease 4100"]);
}

#[test]
fn a_session_granted_for_no_time_has_expired() {
    let mut bench = Bench::suspended();
    bench.wake_at(1100);
    bench.opened(2);
    let (session, password, timeout) = (SessionId(1), Password([9; 16]), Duration::ZERO);
    check(&bench.message(2, ServerMessage::Connected { session, password, timeout }), &["close 2", "lost"]);
}

#[test]
fn a_client_that_was_suspended_for_the_timeout_gives_its_session_up() {
    let mut bench = Bench::suspended();
    check(&bench.wake_at(1100), &["open 2 @0"]);
    check(&bench.wake_at(4100), &["close 2"]);
    check(&bench.wake_at(5100), &["open 3 @0"]);
    bench.now = millis(6999);
    check(&bench.opened(3), &["send 3 connect 1 seen 0x0"]);
    check(&bench.wake_at(7000), &["lost", "close 3"]);
    check(&bench.connected(3, 1), &[]);
    check(&bench.wake_at(7100), &["open 4 @0"]);
    check(&bench.opened(4), &["send 4 connect 0 seen 0x0"]);
    check(&bench.connected(4, 2), &["connected 0x2", "lease 11100"]);
}

#[test]
fn a_session_given_up_while_a_connection_is_being_opened_leaves_the_attempt_be() {
    let mut bench = Bench::suspended();
    bench.wake_at(1100);
    bench.wake_at(4100);
    bench.wake_at(5100);
    check(&bench.wake_at(7000), &["lost"]);
    check(&bench.opened(3), &["send 3 connect 0 seen 0x0"]);
}

#[test]
fn what_comes_from_an_old_connection_is_ignored() {
    let mut bench = Bench::suspended();
    bench.wake_at(1100);
    let before = bench.client.clone();
    check(&bench.pong(1), &[]);
    check(&bench.connected(1, 1), &[]);
    check(&bench.message(1, ServerMessage::Expired), &[]);
    check(&bench.closed(1), &[]);
    check(&bench.input(ClientInput::OpenFailed { connection: ConnectionId(1) }), &[]);
    check(&bench.opened(1), &["close 1"]);
    assert_eq!(bench.client, before);
    bench.opened(2);
    check(&bench.opened(2), &[]);
}

#[test]
fn an_answer_that_was_not_asked_for_costs_the_connection() {
    for message in [
        ServerMessage::Pong { zxid: Zxid(1) },
        ServerMessage::Reply { xid: 2, zxid: Zxid(1), result: Ok(Reply::Nothing) },
        ServerMessage::SessionClosed { xid: 1, zxid: Zxid(4) },
        ServerMessage::Connected { session: SessionId(1), password: Password([1; 16]), timeout: millis(1) },
    ] {
        let mut bench = Bench::attached(1);
        bench.submit(1, set_data("/a"));
        check(&bench.message(1, message), &["close 1", "suspended", "done 1 ConnectionLoss"]);
    }
    let mut bench = Bench::suspended();
    bench.wake_at(1100);
    bench.opened(2);
    check(&bench.connected(2, 9), &["close 2"]);
}

#[test]
fn a_client_without_a_connection_closes_at_once_and_one_that_loses_it_closes_then() {
    check(&Bench::new(1).input(ClientInput::CloseSession), &["closed"]);
    check(&Bench::suspended().input(ClientInput::CloseSession), &["closed"]);
    let mut bench = Bench::suspended();
    bench.wake_at(1100);
    check(&bench.input(ClientInput::CloseSession), &["close 2", "closed"]);
    let mut bench = Bench::attached(1);
    bench.submit(1, set_data("/a"));
    bench.input(ClientInput::CloseSession);
    check(&bench.closed(1), &["done 1 ConnectionLoss", "closed"]);
}

#[test]
fn no_more_than_the_limit_is_unanswered() {
    let mut bench = Bench::attached(1);
    for tag in 0..UNANSWERED_MAX as u64 {
        assert!(matches!(bench.submit(tag, set_data("/a"))[..], [ClientOutput::Send { .. }]));
    }
    check(&bench.submit(5000, set_data("/a")), &["done 5000 ConnectionLoss"]);
    check(&bench.wake_at(2000), &[]);
    assert_eq!(bench.client.next_deadline(), Some(millis(4000)));
}
