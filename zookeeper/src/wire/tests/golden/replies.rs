//! Replies, errors and events.

use super::*;
use crate::acl::Identity;
use crate::types::{EventKind, WatchEvent};
use alloc::boxed::Box;
use alloc::vec;

#[test]
fn each_reply_has_its_body() {
    let a = || path("/a");
    let version = -1;
    check_reply(
        create(CreateRequest::Create, CreateMode::Persistent),
        Reply::Created { path: a() },
        "00000002 2f61",
    );
    check_reply(
        create(CreateRequest::CreateTtl, CreateMode::PersistentWithTtl),
        Reply::CreatedWithStat { path: a(), stat: STAT },
        &["00000002 2f61", STAT_HEX].concat(),
    );
    check_reply(Operation::Delete { path: a(), version }, Reply::Deleted, "");
    check_reply(Operation::Exists { path: a(), watch: false }, Reply::Exists { stat: STAT }, STAT_HEX);
    let get = || Operation::GetData { path: a(), watch: false };
    let data = Some(Arc::from(*b"y"));
    check_reply(get(), Reply::Data { data, stat: STAT }, &["00000001 79", STAT_HEX].concat());
    check_reply(get(), Reply::Data { data: None, stat: STAT }, &["ffffffff", STAT_HEX].concat());
    check_reply(
        Operation::SetData { path: a(), data: None, version },
        Reply::DataSet { stat: STAT },
        STAT_HEX,
    );
    check_reply(
        Operation::GetAcl { path: a() },
        Reply::Acl { acl: Acl::open(), stat: STAT.into() },
        &["00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65", STAT_HEX].concat(),
    );
    check_reply(Operation::SetAcl { path: a(), acl: None, version }, Reply::AclSet { stat: STAT }, STAT_HEX);
    let children = || vec![path("b"), path("c")];
    let names = "00000002 00000001 62 00000001 63";
    check_reply(
        Operation::GetChildren { path: a(), watch: true },
        Reply::Children { children: children().into() },
        names,
    );
    check_reply(
        Operation::GetChildren2 { path: a(), watch: true },
        Reply::ChildrenWithStat { children: children(), stat: STAT.into() },
        &[names, STAT_HEX].concat(),
    );
    check_reply(Operation::GetEphemerals { prefix: a() }, Reply::Ephemerals { paths: children() }, names);
    check_reply(
        Operation::GetAllChildrenNumber { path: a() },
        Reply::AllChildrenNumber { number: 22 },
        "00000016",
    );
    let ip = Identity { scheme: "ip".into(), id: "127.0.0.1".into() };
    check_reply(
        Operation::WhoAmI,
        Reply::WhoAmI { identities: vec![ip] },
        "00000001 00000002 6970 00000009 3132372e302e302e31",
    );
    check_reply(Operation::AddWatch { path: a(), mode: 0 }, Reply::WatchAdded, "00000000");
    check_reply(Operation::RemoveWatches { path: Some(a()), kind: 1 }, Reply::WatchesRemoved, "");
    check_reply(Operation::CheckWatches { path: Some(a()), kind: 1 }, Reply::WatchesChecked, "");
    check_reply(Operation::SetWatches(Box::default()), Reply::WatchesSet, "");
}

#[test]
fn a_server_writes_a_character_of_two_as_two() {
    // As 3.8.0 and 3.9.5 answer it.
    let smile = || path("/\u{1f600}\u{e9}\u{6f22}");
    check_reply(
        Operation::Sync { path: Some(smile()) },
        Reply::Synced { path: Some(smile()) },
        "0000000c 2f eda0bd edb880 c3a9 e6bca2",
    );
}

#[test]
fn an_error_is_a_header_alone() {
    check_answer(
        Operation::WhoAmI,
        &reply(9, 5, Err(ErrorCode::NoNode)),
        "00000009 0000000000000005 ffffff9b",
    );
    // As real servers answer what they do not know.
    check_answer(
        Operation::WhoAmI,
        &reply(9, u64::MAX, Err(ErrorCode::Unimplemented)),
        "00000009 ffffffffffffffff fffffffa",
    );
}

#[test]
fn a_client_reads_errors_without_a_name_and_bodies_behind_errors() {
    let mut side = client();
    let multi = Operation::Multi { operations: vec![] };
    for _ in 0..2 {
        side.send(&ClientMessage::Request { xid: 9, operation: multi.clone() }, &mut Vec::new()).unwrap();
    }
    side.receive(&framed(&hex("00000009 0000000000000005 ffffff83")));
    side.receive(&framed(&hex("00000009 0000000000000005 fffffffb ffffffff 01 ffffffff")));
    assert_eq!(side.next_message(), Ok(Some(reply(9, 5, Err(ErrorCode::SystemError)))));
    assert_eq!(side.next_message(), Ok(Some(reply(9, 5, Err(ErrorCode::MarshallingError)))));
}

#[test]
fn events_say_which_transaction_set_them_off_if_the_server_does() {
    let event = |kind, zxid| ServerMessage::Event { event: WatchEvent { kind, path: path("/a") }, zxid };
    let check = |kind, number, zxid, zxid_hex| {
        let frame = alloc::format!("ffffffff {zxid_hex} 00000000 {number} 00000003 00000002 2f61");
        check_answer(Operation::WhoAmI, &event(kind, zxid), &frame);
    };
    check(EventKind::NodeCreated, "00000001", None, "ffffffffffffffff");
    check(EventKind::NodeDeleted, "00000002", Some(Zxid(7)), "0000000000000007");
    check(EventKind::NodeDataChanged, "00000003", None, "ffffffffffffffff");
    check(EventKind::NodeChildrenChanged, "00000004", Some(Zxid(7)), "0000000000000007");
}

#[test]
fn pings_and_closes_are_answered_by_headers() {
    check_answer(
        Operation::WhoAmI,
        &ServerMessage::Pong { zxid: Zxid(0x47) },
        "fffffffe 0000000000000047 00000000",
    );
    let closed = ServerMessage::SessionClosed { xid: 3, zxid: Zxid(0x47) };
    let mut bytes = Vec::new();
    server(Release::V3_9_5).send(&closed, &mut bytes).unwrap();
    assert_eq!(bytes, framed(&hex("00000003 0000000000000047 00000000")));
    let mut side = client();
    side.send(&ClientMessage::CloseSession { xid: 3 }, &mut Vec::new()).unwrap();
    side.receive(&bytes);
    assert_eq!(side.next_message(), Ok(Some(closed)));
}

#[test]
fn the_judgement_of_credentials_may_overtake_answers() {
    let mut side = client();
    side.send(&ClientMessage::Request { xid: 1, operation: Operation::WhoAmI }, &mut Vec::new()).unwrap();
    for xid in [-4, 8] {
        let credentials = Arc::from(*b"");
        side.send(
            &ClientMessage::Authenticate { xid, scheme: "digest".into(), credentials },
            &mut Vec::new(),
        )
        .unwrap();
    }
    side.receive(&framed(&hex("fffffffc 0000000000000000 00000000")));
    side.receive(&framed(&hex("00000008 0000000000000000 ffffff8d")));
    assert_eq!(side.next_message(), Ok(Some(reply(-4, 0, Ok(Reply::Authenticated)))));
    assert_eq!(side.next_message(), Ok(Some(reply(8, 0, Err(ErrorCode::AuthFailed)))));
}
