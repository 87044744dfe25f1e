//! A server that stands alone: what is told of requests, in which order and with which zxid, and what becomes of those that
//! make no sense.

use super::server::{Bench, brief};
use super::{create, delete, exists, get_children, get_data, millis, set_data};
use crate::acl::{ALL, Acl, Identity};
use crate::{
    ANY_VERSION, ClientMessage, ConnectionId, CreateMode, ErrorCode, Operation, Release, Reply, ServerConfig,
    ServerInput, ServerMessage, ServerOutput, SessionId, Zxid,
};
use CreateMode::{Container, EphemeralSequential, Persistent};
use alloc::vec::Vec;
use alloc::{format, vec};

/// The zxid in the header of the only reply.
#[track_caller]
fn zxid_told(outputs: &[ServerOutput]) -> Zxid {
    let replies: Vec<_> = outputs.iter().filter_map(reply).collect();
    let [(zxid, _)] = replies[..] else { panic!("one reply is sent: {outputs:?}") };
    zxid
}

fn reply(output: &ServerOutput) -> Option<(Zxid, &Result<Reply, ErrorCode>)> {
    match output {
        ServerOutput::Send { message: ServerMessage::Reply { zxid, result, .. }, .. } => {
            Some((*zxid, result))
        }
        _ => None,
    }
}

#[test]
fn writes_take_a_zxid_even_when_they_fail_and_reads_do_not() {
    let mut bench = Bench::with_sessions(1);
    let mut check = |operation, answer, zxid| {
        let outputs = bench.request(1, operation);
        assert_eq!(brief(&outputs), [answer]);
        let message = ServerMessage::Pong { zxid: Zxid(zxid) };
        let sent = ServerOutput::Send { connection: ConnectionId(1), message };
        assert_eq!(bench.message(1, ClientMessage::Ping), [sent]);
        assert_eq!(zxid_told(&outputs), Zxid(zxid));
    };
    check(create("/a", Persistent), "1 ok", 2);
    check(create("/a", Persistent), "1 NodeExists", 3);
    check(delete("/none"), "1 NoNode", 4);
    check(set_data("/none"), "1 NoNode", 5);
    check(Operation::Multi { operations: vec![] }, "1 ok", 6);
    check(Operation::Reconfig, "1 ReconfigDisabled", 7);
    check(get_children("/none"), "1 NoNode", 7);
    check(Operation::Sync { path: Some("any".into()) }, "1 ok", 7);
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
    check(2, create("/x-", EphemeralSequential), &["1 children /", "2 ok"]);
    check(2, delete("/a"), &["1 deleted /a", "2 deleted /a", "2 ok"]);
}

#[track_caller]
fn check_event_zxid(release: Release, expected: Option<Zxid>) {
    let mut bench = Bench::with(ServerConfig { release, ..ServerConfig::default() });
    bench.connect(1, None);
    bench.request(1, exists("/a"));
    let outputs = bench.request(1, create("/a", Persistent));
    let [ServerOutput::Send { message: ServerMessage::Event { zxid, .. }, .. }, _] = outputs[..] else {
        panic!("an event comes before the reply: {outputs:?}")
    };
    assert_eq!(zxid, expected);
}

#[test]
fn an_event_carries_its_zxid_since_3_9() {
    check_event_zxid(Release::V3_8_0, None);
    check_event_zxid(Release::V3_9_5, Some(Zxid(2)));
}

#[test]
fn a_sequential_node_is_answered_with_the_path_it_got() {
    let mut bench = Bench::with_sessions(1);
    let outputs = bench.request(1, create("/n-", EphemeralSequential));
    let Some((_, Ok(Reply::CreatedWithStat { path, stat }))) = outputs.first().and_then(reply) else {
        panic!("the node is created: {outputs:?}")
    };
    assert_eq!((&**path, stat.ephemeral_owner, stat.czxid), ("/n-0000000000", Some(SessionId(1)), Zxid(2)));
    assert_eq!(bench.server.tree().stat("/n-"), Err(ErrorCode::NoNode));
}

/// One session on a server of that release asks for `operation` as the second transaction, if it is one.
#[track_caller]
fn check_odd(release: Release, operation: Operation, expected: &[&str], told: Zxid, last: Zxid) {
    let mut bench = Bench::with(ServerConfig { release, ..ServerConfig::default() });
    bench.connect(1, None);
    let outputs = bench.request(1, operation);
    assert_eq!(brief(&outputs), expected);
    if !expected.is_empty() {
        assert_eq!(zxid_told(&outputs), told);
    }
    assert_eq!(bench.server.last_zxid(), last);
    assert!(bench.server.expires_at(SessionId(1)).is_some(), "the session stays");
}

#[test]
fn an_unknown_request_is_answered_without_a_zxid_and_the_connection_is_closed() {
    let expected = &["1 Unimplemented", "1 close"];
    let check = || Operation::Check { path: "/".into(), version: ANY_VERSION };
    for release in [Release::V3_8_0, Release::V3_9_5] {
        check_odd(release, Operation::Unknown { opcode: 99 }, expected, Zxid::NONE, Zxid(1));
    }
    check_odd(Release::V3_9_5, check(), expected, Zxid::NONE, Zxid(1));
}

#[test]
fn a_check_on_its_own_is_a_write_to_3_8_whose_success_is_never_told() {
    let check = |version| Operation::Check { path: "/".into(), version };
    check_odd(Release::V3_8_0, check(ANY_VERSION), &[], Zxid(0), Zxid(2));
    check_odd(Release::V3_8_0, check(5), &["1 BadVersion"], Zxid(2), Zxid(2));
}

#[test]
fn what_cannot_be_read_takes_a_zxid_where_the_release_notices_too_late() {
    let malformed = |opcode| Operation::Malformed { opcode, readable: false };
    let expected = &["1 MarshallingError"];
    for (release, opcode, last) in [
        (Release::V3_8_0, 1, 2),
        (Release::V3_9_5, 1, 1),
        (Release::V3_8_0, 14, 2),
        (Release::V3_9_5, 14, 2),
        (Release::V3_8_0, 4, 1),
        (Release::V3_9_5, 4, 1),
    ] {
        check_odd(release, malformed(opcode), expected, Zxid(last), Zxid(last));
    }
}

#[test]
fn wrong_credentials_close_the_connection_and_good_ones_are_kept() {
    let mut bench = Bench::with_sessions(1);
    assert_eq!(brief(&bench.authenticate("digest", "somebody:secret")), ["1 ok"]);
    let outputs = bench.request(1, Operation::WhoAmI);
    let Some((_, Ok(Reply::WhoAmI { identities }))) = outputs.first().and_then(reply) else {
        panic!("who asks is told: {outputs:?}")
    };
    let mut known: Vec<_> =
        identities.iter().map(|Identity { scheme, id }| format!("{scheme} {id}")).collect();
    known.sort();
    assert_eq!(known, ["digest somebody", "ip 127.0.0.1"]);
    let outputs = bench.authenticate("nonsense", "");
    assert_eq!(brief(&outputs), ["1 AuthFailed", "1 close"]);
    assert_eq!(zxid_told(&outputs), Zxid(0));
}

#[test]
fn an_event_is_not_told_to_who_may_not_read_the_node() {
    let mut bench = Bench::with_sessions(2);
    bench.authenticate("digest", "somebody:secret");
    bench.request(2, exists("/mine"));
    let mut create = match create("/mine", Persistent) {
        Operation::Create(create) => create,
        operation => panic!("it creates: {operation:?}"),
    };
    let identity = Identity { scheme: "auth".into(), id: "".into() };
    create.acl = Some(vec![Acl { permissions: ALL, identity }]);
    assert_eq!(brief(&bench.request(1, Operation::Create(create))), ["1 ok"]);
    assert_eq!(brief(&bench.request(1, delete("/mine"))), ["1 ok"]);
}

#[test]
fn a_container_goes_at_the_check_after_it_has_lost_its_last_child() {
    let mut bench = Bench::with(ServerConfig { container_check: millis(1500), ..ServerConfig::default() });
    bench.connect(1, None);
    bench.request(1, create("/c", Container));
    bench.request(1, exists("/c"));
    bench.now = millis(1500);
    assert_eq!(bench.server.next_deadline(), Some(bench.now));
    assert_eq!(bench.input(ServerInput::Wakeup), [], "it never had a child");
    bench.request(1, create("/c/x", Persistent));
    bench.request(1, delete("/c/x"));
    bench.now = millis(2999);
    assert_eq!(bench.input(ServerInput::Wakeup), []);
    bench.now = millis(3000);
    let zxid = bench.server.last_zxid();
    assert_eq!(brief(&bench.input(ServerInput::Wakeup)), ["1 deleted /c"]);
    assert_eq!(bench.server.last_zxid(), zxid.next());
}
