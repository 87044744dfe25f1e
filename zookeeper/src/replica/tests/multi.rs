//! Several writes as one: all or nothing, later parts behind earlier ones, and what releases make of the parts.

use super::*;
use crate::transaction::Write;
use CreateMode::{Container, Ephemeral, Persistent, PersistentSequential, PersistentWithTtl, Unknown};
use ErrorCode::{
    BadArguments, BadVersion, InvalidAcl, MarshallingError, NoAuth, NoChildrenForEphemerals, NoNode,
    NodeExists, NotEmpty, Ok as Before, RuntimeInconsistency as Behind, Unimplemented,
};
use alloc::boxed::Box;

fn multi(operations: &[Operation]) -> Operation {
    Operation::Multi { operations: operations.to_vec() }
}

fn plain(path: &str, mode: CreateMode) -> Operation {
    by(CreateRequest::Create, path, mode, -1)
}

fn by(request: CreateRequest, path: &str, mode: CreateMode, ttl_ms: i64) -> Operation {
    Operation::Create(Box::new(Create { request, ttl_ms, ..create(path, mode) }))
}

/// What a multi that fails answers. It must leave no trace.
#[track_caller]
fn check_failed(world: &mut World, operations: &[Operation], codes: &[ErrorCode]) {
    let before = world.replica.tree().clone();
    let results = codes.iter().map(|code| Err(*code)).collect();
    assert_eq!(world.write(multi(operations)), Ok(Reply::Multi { results }));
    assert!(before == *world.replica.tree(), "a multi that failed has left a trace");
    assert_eq!(world.changes, []);
}

#[test]
fn a_multi_that_fails_anywhere_changes_nothing_and_says_where() {
    let good = [plain("/a", Persistent), plain("/a/b", Ephemeral), set_data("/a", 0), delete("/a/b", 0)];
    for release in RELEASES {
        for at in 0..=good.len() {
            let mut operations = good.to_vec();
            operations.insert(at, check_version("/none", 0));
            let mut codes = Vec::from([Before; 5]);
            codes[at] = NoNode;
            codes[at + 1..].fill(Behind);
            check_failed(&mut fresh(release), &operations, &codes);
        }
    }
}

#[test]
fn a_part_with_a_null_is_stumbled_over_in_its_turn() {
    let stumbling = Acl { permissions: 31, identity: Identity::new(acl::STUMBLING, "") };
    let part =
        Operation::Create(Box::new(Create { acl: Some(Vec::from([stumbling])), ..create("/x", Persistent) }));
    for release in RELEASES {
        check_failed(&mut fresh(release), &[delete("/none", 0), part.clone()], &[NoNode, Behind]);
        let operations = [plain("/a", Persistent), part.clone(), delete("/none", 0)];
        assert_eq!(fresh(release).write(multi(&operations)), Err(MarshallingError));
    }
}

#[test]
fn a_part_without_a_path_spoils_the_whole_and_costs_a_number() {
    let whole = multi(&[delete("/none", 0), Operation::Malformed { opcode: 14, readable: true }]);
    let [old, new] = [Release::V3_8_0, Release::V3_9_5];
    assert!(!whole.takes_zxid(old) && whole.loses_zxid(old));
    assert_eq!(fresh(old).read(&whole), Ok(Reply::BrokenMulti { results: Vec::new() }));
    assert!(whole.takes_zxid(new) && !whole.loses_zxid(new));
    assert_eq!(fresh(new).write(whole), Err(MarshallingError));
}

#[test]
fn reads_instead_of_writes_are_refused_and_cost_a_number_even_without_a_path() {
    let read = Operation::GetData { path: "/".into(), watch: false };
    let pathless = Operation::Malformed { opcode: 4, readable: true };
    let [old, new] = [Release::V3_8_0, Release::V3_9_5];
    for (operations, loses) in
        [(&[read.clone()][..], false), (&[read, pathless.clone()], true), (&[pathless], true)]
    {
        let whole = multi(operations);
        assert_eq!((whole.takes_zxid(old), whole.loses_zxid(old)), (!loses, loses));
        let broken = Ok(Reply::BrokenMulti { results: Vec::new() });
        match loses {
            true => assert_eq!(fresh(old).read(&whole), broken),
            false => assert_eq!(fresh(old).write(whole.clone()), Err(MarshallingError)),
        }
        assert!(whole.takes_zxid(new) && !whole.loses_zxid(new));
        assert_eq!(fresh(new).write(whole), Err(MarshallingError));
    }
}

#[test]
fn later_parts_see_what_earlier_ones_did() {
    for release in RELEASES {
        let mut world = fresh(release);
        world.add("/a", Persistent);
        for (operations, codes) in [
            (&[plain("/x", Persistent), plain("/x", Persistent)][..], &[Before, NodeExists][..]),
            (&[plain("/x", Ephemeral), plain("/x/y", Persistent)], &[Before, NoChildrenForEphemerals]),
            (&[plain("/x", Persistent), check_version("/x", 1)], &[Before, BadVersion]),
            (&[set_data("/a", 0), check_version("/a", 0), delete("/a", 0)], &[Before, BadVersion, Behind]),
            (&[set_data("/a", 0), set_data("/a", 0)], &[Before, BadVersion]),
            (&[plain("/a/x", Persistent), delete("/a", 0)], &[Before, NotEmpty]),
            (&[delete("/a", 0), delete("/a", 0)], &[Before, NoNode]),
            (&[delete("/a", 0), plain("/a/x", Persistent)], &[Before, NoNode]),
            (&[delete("/a", 0), set_data("/a", 0)], &[Before, NoNode]),
            (
                &[delete("/a", 0), plain("/a", Persistent), check_version("/a", 1)],
                &[Before, Before, BadVersion],
            ),
        ] {
            check_failed(&mut world, operations, codes);
        }
        let closed = Create { acl: Some(anyone(acl::READ)), ..create("/x", Persistent) };
        let closed = Operation::Create(Box::new(Create { request: CreateRequest::Create, ..closed }));
        check_failed(&mut world, &[closed.clone(), plain("/x/y", Persistent)], &[Before, NoAuth]);
        check_failed(&mut world, &[closed, set_data("/x", 0)], &[Before, NoAuth]);
    }
}

/// The body that stands for it says what the replica makes of the parts, of which there are none.
#[test]
fn a_multi_without_parts_changes_nothing_and_answers_nothing() {
    for release in RELEASES {
        let (mut one, mut other) = (fresh(release), fresh(release));
        let write = Arc::new(Write { operation: multi(&[]), identities: Arc::from([]) });
        let results = Vec::new();
        assert_eq!(TransactionBody::write(multi(&[]), Arc::from([])), TransactionBody::EmptyMulti);
        assert_eq!(one.body(TransactionBody::EmptyMulti), Ok(Reply::Multi { results }));
        assert_eq!(other.body(TransactionBody::Write(write)), Ok(Reply::Multi { results: Vec::new() }));
        assert!(one.replica == other.replica && one.replica.tree() == fresh(release).replica.tree());
        assert_eq!((one.told(), other.told()), (Vec::new(), Vec::new()));
    }
}

#[test]
fn all_parts_have_one_zxid_and_tell_in_their_order() {
    let mut world = fresh(Release::V3_9_5);
    world.add("/old", Persistent);
    let operations = [
        plain("/a", Persistent),
        plain("/a/s", PersistentSequential),
        plain("/a/s", PersistentSequential),
        check_version("/a", 0),
        set_data("/a", 0),
        delete("/a/s0000000000", 0),
        delete("/old", 0),
    ];
    let results = match world.write(multi(&operations)) {
        Ok(Reply::Multi { results }) => results,
        other => panic!("{other:?}"),
    };
    let stat = |version, data_length| Stat {
        czxid: Zxid(2),
        mzxid: Zxid(2),
        pzxid: Zxid(2),
        ctime: wall_ms(2),
        mtime: wall_ms(2),
        version,
        cversion: 2,
        aversion: 0,
        ephemeral_owner: None,
        data_length,
        num_children: 2,
    };
    let created = |path: &str| Ok(Reply::Created { path: path.into() });
    let expected = [
        created("/a"),
        created("/a/s0000000000"),
        created("/a/s0000000001"),
        Ok(Reply::Checked),
        Ok(Reply::DataSet { stat: stat(1, 3) }),
        Ok(Reply::Deleted),
        Ok(Reply::Deleted),
    ];
    assert_eq!(results, expected);
    assert_eq!(world.stat("/a"), Stat { cversion: 3, num_children: 1, ..stat(1, 3) });
    use EventKind::{NodeChildrenChanged, NodeCreated, NodeDataChanged, NodeDeleted};
    let told = [
        (NodeCreated, "/a"),
        (NodeChildrenChanged, "/"),
        (NodeCreated, "/a/s0000000000"),
        (NodeChildrenChanged, "/a"),
        (NodeCreated, "/a/s0000000001"),
        (NodeChildrenChanged, "/a"),
        (NodeDataChanged, "/a"),
        (NodeDeleted, "/a/s0000000000"),
        (NodeChildrenChanged, "/a"),
        (NodeDeleted, "/old"),
        (NodeChildrenChanged, "/"),
    ];
    assert_eq!(world.told(), told);
}

#[test]
fn a_node_may_come_and_go_and_come_again_in_one() {
    let mut world = fresh(Release::V3_9_5);
    let (come, go) = (plain("/a", Ephemeral), delete("/a", ANY_VERSION));
    world.write(multi(&[come.clone(), go.clone(), come, go])).unwrap();
    assert_eq!(world.stat("/").cversion, 3);
    assert!(world.replica.tree().ephemeral_owners().next().is_none());
}

#[test]
fn a_family_may_come_and_go_in_one() {
    let mut world = fresh(Release::V3_9_5);
    world.add("/a", Persistent);
    world.add("/a/b", Persistent);
    let family = [
        plain("/a/c", Persistent),
        delete("/a/b", 0),
        delete("/a/c", 0),
        delete("/a", 0),
        plain("/a", Persistent),
        plain("/a/s", PersistentSequential),
    ];
    world.write(multi(&family)).unwrap();
    assert_eq!((world.stat("/a").cversion, world.stat("/a").num_children), (1, 1));
    assert!(world.replica.tree().stat("/a/s0000000000").is_ok(), "the count begins again");
}

#[test]
fn an_empty_multi_is_a_transaction() {
    for release in RELEASES {
        let mut world = fresh(release);
        assert!(multi(&[]).takes_zxid(release));
        assert_eq!(world.write(multi(&[])), Ok(Reply::Multi { results: Vec::new() }));
    }
}

/// What becomes of a create in a multi by itself: how it is answered, and whether it is a container.
#[track_caller]
fn check_part(release: Release, part: &Operation, expected: Result<&str, ErrorCode>) {
    let mut world = fresh(release);
    let result = world.write(multi(core::slice::from_ref(part)));
    let got = match &result {
        Err(code) => return assert_eq!(Err(*code), expected, "the whole of {part:?}"),
        Ok(Reply::Multi { results }) => match &results[..] {
            [Ok(Reply::Created { path })] => Ok((path, "")),
            [Ok(Reply::CreatedWithStat { path, .. })] => Ok((path, " with stat")),
            [Err(code)] => Err(*code),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    let got = got.map(|(path, stat)| {
        let kind = match world.replica.tree().node(path).unwrap().kind {
            crate::tree::Kind::Persistent => "persistent",
            crate::tree::Kind::Ephemeral(_) => "ephemeral",
            crate::tree::Kind::Container => "container",
            crate::tree::Kind::Ttl(_) => "ttl",
        };
        alloc::format!("{kind}{stat}")
    });
    let expected = expected.map(String::from).inspect_err(|code| {
        assert_ne!(*code, MarshallingError, "the whole was expected to fail");
    });
    assert_eq!(got, expected, "{part:?}");
}

#[test]
fn the_flag_of_a_part_says_what_it_is_and_3_8_forgets_the_rest() {
    use CreateRequest::{Create as Plain, Create2, CreateContainer, CreateTtl};
    let (old, new) = (Release::V3_8_0, Release::V3_9_5);
    for (request, old_answer, new_answer) in [
        (Plain, "persistent", "persistent"),
        (Create2, "persistent", "persistent with stat"),
        (CreateContainer, "persistent", "container with stat"),
        (CreateTtl, "persistent", "persistent"),
    ] {
        for ttl_ms in [-1, 9] {
            check_part(old, &by(request, "/n", Persistent, ttl_ms), Ok(old_answer));
            check_part(new, &by(request, "/n", Persistent, ttl_ms), Ok(new_answer));
            for release in RELEASES {
                check_part(release, &by(request, "/n", Container, ttl_ms), Ok("container with stat"));
            }
        }
    }
    for release in RELEASES {
        check_part(release, &by(CreateTtl, "/n", PersistentWithTtl, 9), Ok("ttl with stat"));
        check_part(release, &by(CreateTtl, "/n", PersistentWithTtl, 0), Err(BadArguments));
        check_part(release, &by(CreateTtl, "/n", Unknown(7), 9), Err(BadArguments));
        check_part(release, &by(CreateTtl, "/n", Ephemeral, 9), Ok("ephemeral"));
    }
    check_part(old, &by(CreateContainer, "/n", Ephemeral, -1), Ok("ephemeral"));
    check_part(new, &by(CreateContainer, "/n", Ephemeral, -1), Ok("container with stat"));
    for request in [Plain, Create2, CreateContainer] {
        for release in RELEASES {
            check_part(release, &by(request, "/n", PersistentWithTtl, 9), Err(MarshallingError));
        }
        check_part(old, &by(request, "/n", Unknown(7), -1), Err(BadArguments));
    }
}

#[test]
fn while_a_multi_is_checked_the_flag_says_who_may_have_children() {
    let container = by(CreateRequest::CreateContainer, "/c", Ephemeral, -1);
    let mut world = fresh(Release::V3_9_5);
    let codes = [Before, NoChildrenForEphemerals];
    check_failed(&mut world, &[container.clone(), plain("/c/x", Persistent)], &codes);
    world.write(multi(&[container])).unwrap();
    world.add("/c/x", Persistent);
}

#[test]
fn a_flag_or_acl_that_makes_no_sense_spoils_the_whole_in_3_9_at_once_and_in_3_8_when_its_turn_comes() {
    let (old, new) = (Release::V3_8_0, Release::V3_9_5);
    let timed = plain("/t", PersistentWithTtl);
    let (good, bad) = (plain("/a", Persistent), check_version("/none", 0));
    for release in RELEASES {
        let whole = fresh(release).write(multi(&[good.clone(), timed.clone(), good.clone()]));
        assert_eq!(whole, Err(MarshallingError));
    }
    check_failed(&mut fresh(old), &[bad.clone(), timed.clone()], &[NoNode, Behind]);
    assert_eq!(fresh(new).write(multi(&[bad.clone(), timed])), Err(MarshallingError));
    let no_acl =
        |request| Operation::Create(Box::new(Create { acl: None, request, ..create("/x", Persistent) }));
    for request in [CreateRequest::Create, CreateRequest::Create2, CreateRequest::CreateContainer] {
        check_failed(&mut fresh(old), &[good.clone(), no_acl(request)], &[Before, InvalidAcl]);
        assert_eq!(fresh(new).read(&multi(&[bad.clone(), no_acl(request)])), Err(MarshallingError));
    }
    for release in RELEASES {
        check_failed(&mut fresh(release), &[no_acl(CreateRequest::CreateTtl)], &[InvalidAcl]);
    }
    let flag = plain("/x", Unknown(7));
    check_failed(&mut fresh(old), &[good.clone(), flag.clone()], &[Before, BadArguments]);
    assert_eq!(fresh(new).write(multi(&[good, flag])), Err(MarshallingError));
}

#[test]
fn a_multi_that_is_not_understood_takes_a_zxid_unless_3_9_trips_over_a_missing_acl() {
    let (old, new) = (Release::V3_8_0, Release::V3_9_5);
    let no_acl = Operation::Create(Box::new(Create { acl: None, ..create("/x", Persistent) }));
    let flag = plain("/x", Unknown(7));
    let timed = plain("/x", PersistentWithTtl);
    let read = Operation::GetData { path: "/".into(), watch: false };
    let good = delete("/x", 0);
    let ttl = by(CreateRequest::CreateTtl, "/x", Unknown(7), 0);
    for (operations, takes) in [
        (&[no_acl.clone()][..], false),
        (&[good.clone(), ttl, no_acl.clone(), flag.clone()], false),
        (&[read.clone(), no_acl.clone()], false),
        (&[read.clone(), read.clone(), no_acl.clone()], false),
        (&[flag, no_acl.clone()], true),
        (&[timed, no_acl.clone()], true),
        (&[good.clone(), read.clone(), no_acl.clone()], true),
        (&[read.clone(), good.clone(), no_acl.clone()], true),
        (&[Operation::WhoAmI, no_acl], true),
        (core::slice::from_ref(&read), true),
        (&[read.clone(), good.clone()], true),
        (&[good], true),
    ] {
        assert!(multi(operations).takes_zxid(old));
        assert_eq!(multi(operations).takes_zxid(new), takes, "{operations:?}");
    }
}

#[test]
fn a_multi_has_no_reads_and_no_multis_in_it() {
    for release in RELEASES {
        for part in [
            Operation::GetData { path: "/".into(), watch: false },
            Operation::Exists { path: "/".into(), watch: false },
            Operation::SetAcl { path: "/".into(), acl: Some(Acl::open()), version: 0 },
            Operation::DeleteContainer { path: "/a".into() },
            multi(&[]),
            Operation::WhoAmI,
        ] {
            let operations = [plain("/a", Persistent), part];
            assert_eq!(fresh(release).write(multi(&operations)), Err(MarshallingError));
        }
    }
}

#[test]
fn without_extended_types_a_part_with_a_time_to_live_is_not_implemented() {
    let mut world = fresh(Release::V3_9_5);
    world.replica.extended_types = false;
    let part = by(CreateRequest::CreateTtl, "/n", PersistentWithTtl, 9);
    check_failed(&mut world, &[part, plain("/a", Persistent)], &[Unimplemented, Behind]);
}

#[test]
fn in_one_multi_sequence_numbers_go_on_where_they_end_otherwise() {
    let mut world = fresh(Release::V3_8_0);
    world.add("/p", Persistent);
    world.replica.tree.set_children_created("/p", i32::MAX);
    let next = plain("/p/s", PersistentSequential);
    let created = |path: &str| Ok(Reply::Created { path: path.into() });
    let names = ["/p/s2147483647", "/p/s-2147483648", "/p/s-2147483647"];
    let results = names.map(created).to_vec();
    let result = world.write(multi(&[next.clone(), next.clone(), next]));
    assert_eq!(result, Ok(Reply::Multi { results }));
    assert_eq!(world.stat("/p").cversion, -2 - 3);
}
