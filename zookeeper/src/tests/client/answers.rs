//! Requests and their answers, in order and once; credentials; and what a server says out of place.

use super::{Bench, check, config, exists, get_data, millis, set_data, stat};
use crate::acl::Acl;
use crate::client::{ClientConfig, ClientInput, ClientOutput, Credentials};
use crate::operation::WatchLists;
use crate::{
    ANY_VERSION, ClientMessage, ConnectionId, Create, CreateMode, ErrorCode, EventKind, Operation, Password,
    Reply, ServerMessage, SessionId, Zxid,
};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

fn with_credentials() -> ClientConfig {
    let digest =
        |credentials: &[u8]| Credentials { scheme: "digest".into(), credentials: credentials.into() };
    ClientConfig { credentials: vec![digest(b"bob:x"), digest(b"eve:y")], ..config(1) }
}

fn all_operations() -> Vec<Operation> {
    let path = || Arc::<str>::from("/a");
    let data = || Some((*b"x").into());
    let create = Create::open(path(), (*b"x").into(), CreateMode::EphemeralSequential);
    vec![
        Operation::Create(Box::new(create.clone())),
        Operation::Delete { path: path(), version: 3 },
        Operation::DeleteContainer { path: path() },
        exists("/a"),
        get_data("/a"),
        Operation::SetData { path: path(), data: data(), version: ANY_VERSION },
        Operation::GetAcl { path: path() },
        Operation::SetAcl { path: path(), acl: Some(Acl::open()), version: 1 },
        Operation::GetChildren { path: path(), watch: false },
        Operation::GetChildren2 { path: path(), watch: true },
        Operation::Sync { path: Some(path()) },
        Operation::Check { path: path(), version: 0 },
        Operation::Multi {
            operations: vec![Operation::Create(create.into()), Operation::Check { path: path(), version: 0 }],
        },
        Operation::MultiRead { operations: vec![get_data("/a")] },
        Operation::SetWatches(Box::new(WatchLists { data: vec![path()], ..WatchLists::default() })),
        Operation::AddWatch { path: path(), mode: 1 },
        Operation::RemoveWatches { path: Some(path()), kind: 3 },
        Operation::CheckWatches { path: Some(path()), kind: 3 },
        Operation::GetEphemerals { prefix: path() },
        Operation::GetAllChildrenNumber { path: path() },
        Operation::WhoAmI,
        Operation::Reconfig,
        Operation::Malformed { opcode: 1, readable: true },
        Operation::Unknown { opcode: 99 },
    ]
}

#[test]
fn every_operation_is_passed_on_as_it_is_and_so_is_its_result() {
    let mut bench = Bench::attached(1);
    for (xid, operation) in (1..).zip(all_operations()) {
        let tag = xid as u64 + 100;
        let message = ClientMessage::Request { xid, operation: operation.clone() };
        let connection = ConnectionId(1);
        assert_eq!(bench.submit(tag, operation), [ClientOutput::Send { connection, message }]);
    }
    let results = [Ok(Reply::Nothing), Err(ErrorCode::NoAuth), Ok(Reply::Exists { stat: stat() })];
    for (xid, result) in (1..=24).zip(results.into_iter().cycle()) {
        let outputs = bench.reply(xid, 1, result.clone());
        assert_eq!(outputs.last(), Some(&ClientOutput::Completed { tag: xid as u64 + 100, result }));
    }
}

#[test]
fn nothing_is_shown_before_the_server_has_granted_the_session() {
    let mut bench = Bench::with(with_credentials());
    bench.input(ClientInput::Start);
    check(&bench.opened(1), &["send 1 connect 0 seen 0x0"]);
}

#[test]
fn credentials_are_shown_on_every_connection_before_anything_else() {
    let mut bench = Bench::with(with_credentials());
    bench.input(ClientInput::Start);
    bench.opened(1);
    let shown = |connection: u64| alloc::format!("send {connection} authenticate -4 digest");
    check(&bench.connected(1, 1), &["connected 0x1", &shown(1), &shown(1), "lease 4000"]);
    bench.submit(1, get_data("/a"));
    bench.reply(1, 5, Ok(Reply::Data { data: None, stat: stat() }));
    check(&bench.closed(1), &["suspended"]);
    bench.wake_at(100);
    bench.opened(2);
    let watches = "send 2 watches 0x5 [\"/a\"] [] [] [] []";
    check(&bench.connected(2, 1), &["reconnected 0x1", &shown(2), &shown(2), watches, "lease 4100"]);
}

#[test]
fn credentials_are_those_that_were_configured() {
    let mut bench = Bench::with(with_credentials());
    bench.input(ClientInput::Start);
    bench.opened(1);
    let shown: Vec<_> = bench
        .connected(1, 1)
        .into_iter()
        .filter_map(|output| match output {
            ClientOutput::Send { message: ClientMessage::Authenticate { credentials, .. }, .. } => {
                Some(credentials)
            }
            _ => None,
        })
        .collect();
    assert_eq!(shown, [Arc::<[u8]>::from(*b"bob:x"), Arc::from(*b"eve:y")]);
}

#[test]
fn the_answer_to_credentials_may_come_in_between_and_proves_nothing() {
    let mut bench = Bench::attached_with(with_credentials());
    bench.now = millis(500);
    bench.submit(1, set_data("/a"));
    bench.submit(2, set_data("/a"));
    check(&bench.reply(1, 7, Err(ErrorCode::NoNode)), &["lease 4500", "done 1 NoNode"]);
    bench.now = millis(700);
    check(&bench.reply(-4, 0, Ok(Reply::Authenticated)), &[]);
    check(&bench.reply(2, 8, Err(ErrorCode::NoNode)), &["done 2 NoNode"]);
    check(&bench.reply(-4, 0, Ok(Reply::Authenticated)), &[]);
    check(&bench.reply(-4, 0, Ok(Reply::Authenticated)), &["close 1", "suspended"]);
}

#[test]
fn credentials_that_are_refused_end_the_client() {
    let mut bench = Bench::attached_with(with_credentials());
    bench.submit(1, set_data("/a"));
    bench.submit(2, set_data("/a"));
    let expected = ["close 1", "done 1 AuthFailed", "done 2 AuthFailed", "authentication failed"];
    check(&bench.reply(-4, 0, Err(ErrorCode::AuthFailed)), &expected);
    assert_eq!((bench.client.session(), bench.client.next_deadline()), (None, None));
    check(&bench.submit(3, set_data("/a")), &["done 3 AuthFailed"]);
    for input in [ClientInput::Start, ClientInput::Wakeup, ClientInput::CloseSession] {
        check(&bench.input(input), &[]);
    }
}

#[test]
fn a_zxid_that_shows_nothing_is_not_taken_for_the_newest() {
    // What a server does not know it answers with -1; a client that asked for more than that would find no server again.
    let mut bench = Bench::attached(1);
    bench.submit(1, Operation::Unknown { opcode: 99 });
    bench.submit(2, set_data("/a"));
    bench.message(
        1,
        ServerMessage::Reply { xid: 1, zxid: Zxid(u64::MAX), result: Err(ErrorCode::Unimplemented) },
    );
    bench.reply(2, 9, Err(ErrorCode::NoNode));
    bench.closed(1);
    bench.wake_at(100);
    check(&bench.opened(2), &["send 2 connect 1 seen 0x9"]);
}

#[test]
fn only_replies_tell_what_was_seen() {
    let mut bench = Bench::attached(1);
    bench.submit(1, set_data("/a"));
    bench.reply(1, 3, Err(ErrorCode::NoNode));
    bench.wake_at(2000);
    bench.pong(1);
    let event = crate::WatchEvent { kind: EventKind::NodeCreated, path: "/x".into() };
    bench.message(1, ServerMessage::Event { event, zxid: Some(Zxid(99)) });
    bench.closed(1);
    bench.wake_at(2100);
    check(&bench.opened(2), &["send 2 connect 1 seen 0x3"]);
}

#[test]
fn a_reply_that_is_not_next_costs_the_connection_and_everything_asked_fails_once() {
    let mut bench = Bench::attached(1);
    for tag in 1..=3 {
        bench.submit(tag, set_data("/a"));
    }
    check(&bench.reply(1, 1, Err(ErrorCode::NoNode)), &["done 1 NoNode"]);
    let lost = ["close 1", "suspended", "done 2 ConnectionLoss", "done 3 ConnectionLoss"];
    check(&bench.reply(3, 1, Err(ErrorCode::NoNode)), &lost);
    check(&bench.reply(2, 1, Err(ErrorCode::NoNode)), &[]);
    check(&bench.closed(1), &[]);
}

#[test]
fn what_is_said_before_the_session_is_granted_costs_the_connection() {
    let event = crate::WatchEvent { kind: EventKind::NodeCreated, path: "/x".into() };
    for message in [
        ServerMessage::Pong { zxid: Zxid(1) },
        ServerMessage::Reply { xid: 1, zxid: Zxid(1), result: Ok(Reply::Nothing) },
        ServerMessage::Reply { xid: -4, zxid: Zxid(1), result: Ok(Reply::Authenticated) },
        ServerMessage::Event { event, zxid: None },
        ServerMessage::SessionClosed { xid: 1, zxid: Zxid(1) },
    ] {
        for open in [false, true] {
            let mut bench = Bench::with(with_credentials());
            bench.input(ClientInput::Start);
            if open {
                bench.opened(1);
            }
            check(&bench.message(1, message.clone()), &["close 1"]);
        }
    }
}

#[test]
fn a_session_that_was_granted_before_it_was_asked_for_is_not_believed() {
    let mut bench = Bench::new(1);
    bench.input(ClientInput::Start);
    check(&bench.connected(1, 1), &["close 1"]);
}

#[test]
fn the_end_of_the_session_is_the_answer_to_asking_for_it() {
    let mut bench = Bench::attached(1);
    bench.submit(1, set_data("/a"));
    bench.input(ClientInput::CloseSession);
    // Not before what was asked earlier.
    let closed = ServerMessage::SessionClosed { xid: 2, zxid: Zxid(4) };
    check(&bench.message(1, closed), &["close 1", "done 1 ConnectionLoss", "closed"]);
}

#[test]
fn a_server_that_does_not_answer_the_end_of_the_session_is_not_waited_for_long() {
    let mut bench = Bench::attached(1);
    bench.input(ClientInput::CloseSession);
    check(&bench.wake_at(2000), &["send 1 ping"]);
    check(&bench.wake_at(4000), &["close 1", "closed"]);
}

#[test]
fn a_timeout_of_next_to_nothing_does_not_make_the_client_ping_without_end() {
    let mut bench = Bench::new(1);
    bench.input(ClientInput::Start);
    bench.opened(1);
    let (session, password, timeout) = (SessionId(1), Password([9; 16]), Duration::from_nanos(3));
    bench.message(1, ServerMessage::Connected { session, password, timeout });
    bench.input(ClientInput::Wakeup);
    assert!(bench.client.next_deadline().is_some_and(|deadline| deadline > Duration::ZERO));
}
