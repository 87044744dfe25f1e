//! The requests, and bodies that are odd or cannot be read.

use super::*;
use crate::acl::{Identity, STUMBLING};
use crate::operation::WatchLists;
use alloc::boxed::Box;
use alloc::vec;

#[test]
fn creates_have_four_requests() {
    let mode = CreateMode::EphemeralSequential;
    check_request(1, &[CREATE, "00000003"].concat(), create(CreateRequest::Create, mode));
    check_request(15, &[CREATE, "00000003"].concat(), create(CreateRequest::Create2, mode));
    check_request(
        19,
        &[CREATE, "00000004"].concat(),
        create(CreateRequest::CreateContainer, CreateMode::Container),
    );
    let ttl = create(CreateRequest::CreateTtl, CreateMode::PersistentSequentialWithTtl);
    check_request(21, &[CREATE, "00000006 0000000000001388"].concat(), ttl);
    check_request(1, &[CREATE, "00000063"].concat(), create(CreateRequest::Create, CreateMode::Unknown(99)));
    let nothing = Create {
        request: CreateRequest::Create,
        path: path(""),
        data: None,
        acl: None,
        mode: CreateMode::Persistent,
        ttl_ms: -1,
    };
    check_request(1, "00000000 ffffffff ffffffff 00000000", Operation::Create(nothing.into()));
}

#[test]
fn each_request_has_its_number_and_body() {
    let a = || path("/a");
    check_request(2, "00000002 2f61 ffffffff", Operation::Delete { path: a(), version: -1 });
    check_request(3, "00000002 2f61 01", Operation::Exists { path: a(), watch: true });
    check_request(4, "00000002 2f61 00", Operation::GetData { path: a(), watch: false });
    let data = Some(Arc::from(*b"xy"));
    check_request(
        5,
        "00000002 2f61 00000002 7879 00000003",
        Operation::SetData { path: a(), data, version: 3 },
    );
    check_request(
        5,
        "00000002 2f61 ffffffff 00000003",
        Operation::SetData { path: a(), data: None, version: 3 },
    );
    check_request(6, "00000002 2f61", Operation::GetAcl { path: a() });
    check_request(
        7,
        "00000002 2f61 00000000 00000001",
        Operation::SetAcl { path: a(), acl: Some(vec![]), version: 1 },
    );
    check_request(8, "00000002 2f61 01", Operation::GetChildren { path: a(), watch: true });
    check_request(9, "00000002 2f61", Operation::Sync { path: Some(a()) });
    check_request(13, "00000002 2f61 00000003", Operation::Check { path: a(), version: 3 });
    check_request(20, "00000002 2f61", Operation::DeleteContainer { path: a() });
    check_request(12, "00000002 2f61 00", Operation::GetChildren2 { path: a(), watch: false });
    check_request(16, "ffffffff ffffffff ffffffff ffffffffffffffff", Operation::Reconfig);
    check_request(17, "00000002 2f61 00000003", Operation::CheckWatches { path: Some(a()), kind: 3 });
    check_request(18, "00000002 2f61 00000001", Operation::RemoveWatches { path: Some(a()), kind: 1 });
    check_request(103, "00000002 2f61", Operation::GetEphemerals { prefix: a() });
    check_request(104, "00000002 2f61", Operation::GetAllChildrenNumber { path: a() });
    check_request(106, "00000002 2f61 00000001", Operation::AddWatch { path: a(), mode: 1 });
    check_request(107, "", Operation::WhoAmI);
    check_request(1000, "", Operation::Unknown { opcode: 1000 });
}

#[test]
fn watches_are_set_with_three_lists_or_with_five() {
    let lists = WatchLists {
        relative_zxid: Zxid(5),
        data: vec![path("/a")],
        exist: vec![path("/b")],
        ..WatchLists::default()
    };
    let three = "0000000000000005 00000001 00000002 2f61 00000001 00000002 2f62 00000000";
    check_request(101, three, Operation::SetWatches(lists.clone().into()));
    let lists = WatchLists { recursive: vec![path("/c")], ..lists };
    check_request(
        105,
        &[three, "00000000 00000001 00000002 2f63"].concat(),
        Operation::SetWatches(lists.into()),
    );
}

#[test]
fn watches_are_read_up_to_the_first_null() {
    let lists = WatchLists { data: vec![path("/a")], ends_in_null: true, ..WatchLists::default() };
    for body in [
        "0000000000000000 00000001 00000002 2f61 00000000 ffffffff",
        "0000000000000000 00000001 00000002 2f61 ffffffff 00000001 00000002 2f62",
        "0000000000000000 00000003 00000002 2f61 ffffffff 00000002 2f62 00000000 00000000",
    ] {
        check_read(101, body, Operation::SetWatches(lists.clone().into()));
    }
}

#[test]
fn a_body_that_cannot_be_read_is_an_operation_all_the_same() {
    for number in
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 101, 103, 104, 105, 106]
    {
        check_malformed(number, false, "");
    }
    // Without the last byte or number, and with strings that are longer than what is there, or shorter than nothing.
    check_malformed(3, false, "00000001 2f");
    check_malformed(3, false, "00000005 2f");
    check_malformed(3, false, "7fffffff 2f");
    check_malformed(3, false, "fffffffe 2f");
    check_malformed(21, false, &[CREATE, "00000005"].concat());
    check_malformed(1, false, "00000001 2f fffffffd 00000000 00000000");
    check_malformed(1, false, "ffffffff 00000000 00000000");
    // Lists that are longer than what is there.
    check_malformed(7, false, "00000001 2f 7fffffff 00000000");
    check_malformed(101, false, "0000000000000000 7fffffff");
    check_malformed(105, false, "0000000000000000 00000000 00000000 00000000");
}

#[test]
fn a_null_over_which_servers_stumble_is_told_from_what_cannot_be_read() {
    for number in [2, 3, 4, 6, 8, 12, 20, 104] {
        check_malformed(number, true, "ffffffff 00000000");
    }
    check_malformed(1, true, "ffffffff 00000000 00000000 00000000");
}

#[test]
fn an_acl_says_where_servers_stumble_over_a_null_in_it() {
    let stumbling = |permissions| Acl { permissions, identity: Identity::new(STUMBLING, "") };
    let set_acl = |acl| Operation::SetAcl { path: path("/"), acl: Some(acl), version: -1 };
    for scheme in ["00000005 776f726c64", "00000006 646967657374", "00000002 6970"] {
        let body = alloc::format!("00000001 2f 00000001 0000001f {scheme} ffffffff ffffffff");
        check_read(7, &body, set_acl(vec![stumbling(31)]));
    }
    // One that is compared with those before it is stumbled over before any is looked at.
    let body = "00000001 2f 00000002 0000001f 00000001 61 00000000 0000001f ffffffff 00000000 ffffffff";
    let [known, nobody] =
        ["a", ""].map(|scheme| Acl { permissions: 31, identity: Identity::new(scheme, "") });
    check_read(7, body, set_acl(vec![stumbling(0), known.clone(), nobody.clone()]));
    let body = "00000001 2f 00000002 0000001f ffffffff 00000000 0000001f 00000001 61 00000000 ffffffff";
    check_read(7, body, set_acl(vec![nobody, known]));
}

#[test]
fn null_is_taken_for_nothing_where_servers_do_so() {
    check_read(
        5,
        "ffffffff ffffffff 00000001",
        Operation::SetData { path: path(""), data: None, version: 1 },
    );
    check_read(7, "ffffffff ffffffff 00000001", Operation::SetAcl { path: path(""), acl: None, version: 1 });
    check_read(9, "ffffffff", Operation::Sync { path: None });
    check_request(18, "ffffffff 00000001", Operation::RemoveWatches { path: None, kind: 1 });
    check_read(103, "ffffffff", Operation::GetEphemerals { prefix: path("") });
    check_read(106, "ffffffff 00000000", Operation::AddWatch { path: path(""), mode: 0 });
    let nobody = |scheme, id| Acl { permissions: 31, identity: Identity::new(scheme, id) };
    let acl = Some(vec![nobody("", "a"), nobody("auth", "")]);
    check_read(
        7,
        "00000001 2f 00000002 0000001f ffffffff 00000001 61 0000001f 00000004 61757468 ffffffff 00000000",
        Operation::SetAcl { path: path("/"), acl, version: 0 },
    );
}

#[test]
fn what_is_odd_but_readable_is_read() {
    // Any byte but zero is true; what is left over does not matter; lists of less than no length are empty.
    check_read(3, "00000001 2f 02", Operation::Exists { path: path("/"), watch: true });
    check_read(3, "00000001 2f 00 6a756e6b", Operation::Exists { path: path("/"), watch: false });
    check_read(107, "6a756e6b", Operation::WhoAmI);
    check_read(101, "0000000000000000 fffffff9 fffffff9 fffffff9", Operation::SetWatches(Box::default()));
    check_read(
        7,
        "00000001 2f fffffffb 00000000",
        Operation::SetAcl { path: path("/"), acl: Some(vec![]), version: 0 },
    );
    // A path that is no UTF-8.
    check_read(9, "00000002 2fff", Operation::Sync { path: Some(path("/\u{fffd}")) });
}

#[test]
fn releases_differ_in_a_watch_to_check_without_a_path() {
    let body = hex("ffffffff 00000001");
    let stumbles = Operation::Malformed { opcode: 17, readable: true };
    assert_eq!(operation(Release::V3_8_0, 17, &body), stumbles);
    assert_eq!(operation(Release::V3_9_5, 17, &body), Operation::CheckWatches { path: None, kind: 1 });
}
