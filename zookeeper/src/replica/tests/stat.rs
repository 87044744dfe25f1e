//! The numbers of a node: which write moves which, and those of a fresh server.

use super::*;
use CreateMode::{Ephemeral, Persistent};

/// Which fields of a stat may change.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Moved {
    czxid: bool,
    mzxid: bool,
    pzxid: bool,
    ctime: bool,
    mtime: bool,
    version: bool,
    cversion: bool,
    aversion: bool,
    ephemeral_owner: bool,
    data_length: bool,
    num_children: bool,
}

fn moved(before: &Stat, after: &Stat) -> Moved {
    Moved {
        czxid: before.czxid != after.czxid,
        mzxid: before.mzxid != after.mzxid,
        pzxid: before.pzxid != after.pzxid,
        ctime: before.ctime != after.ctime,
        mtime: before.mtime != after.mtime,
        version: before.version != after.version,
        cversion: before.cversion != after.cversion,
        aversion: before.aversion != after.aversion,
        ephemeral_owner: before.ephemeral_owner != after.ephemeral_owner,
        data_length: before.data_length != after.data_length,
        num_children: before.num_children != after.num_children,
    }
}

/// `/p` with the child `/p/c`.
fn family() -> World {
    let mut world = fresh(Release::V3_9_5);
    world.add("/p", Persistent);
    world.add("/p/c", Persistent);
    world
}

#[track_caller]
fn check(operation: Operation, parent: Moved, child: Moved) {
    let mut world = family();
    let before = (world.stat("/p"), world.stat("/p/c"));
    world.write(operation).unwrap();
    assert_eq!(moved(&before.0, &world.stat("/p")), parent, "the parent");
    if let Ok(after) = world.replica.tree().stat("/p/c") {
        assert_eq!(moved(&before.1, &after), child, "the child");
    }
}

#[test]
fn each_write_moves_its_own_numbers_of_node_and_parent_and_no_others() {
    let none = Moved::default();
    let children = Moved { pzxid: true, cversion: true, num_children: true, ..none };
    check(Operation::Create(create("/p/d", Persistent).into()), children, none);
    check(delete("/p/c", ANY_VERSION), children, none);
    let data = Moved { mzxid: true, mtime: true, version: true, data_length: true, ..none };
    check(set_data("/p/c", ANY_VERSION), none, data);
    let acl = Some(Acl::open());
    let set_acl = Operation::SetAcl { path: "/p/c".into(), acl, version: ANY_VERSION };
    check(set_acl, none, Moved { aversion: true, ..none });
    check(Operation::Create(create("/p/c/x", Ephemeral).into()), none, children);
    check(Operation::Multi { operations: Vec::new() }, none, none);
}

#[test]
fn a_new_node_has_the_numbers_of_its_transaction_and_nothing_behind_it() {
    let mut world = fresh(Release::V3_8_0);
    world.body(TransactionBody::OpenSession { timeout: Duration::from_secs(4) }).unwrap();
    world.add("/e", Ephemeral);
    let expected = Stat {
        czxid: Zxid(2),
        mzxid: Zxid(2),
        pzxid: Zxid(2),
        ctime: wall_ms(2),
        mtime: wall_ms(2),
        version: 0,
        cversion: 0,
        aversion: 0,
        ephemeral_owner: Some(SESSION),
        data_length: 4,
        num_children: 0,
    };
    assert_eq!(world.stat("/e"), expected);
}

#[test]
fn the_numbers_count_what_has_happened() {
    let mut world = family();
    world.write(set_data("/p", 0)).unwrap();
    world.write(set_data("/p", 1)).unwrap();
    world.add("/p/d", Persistent);
    world.delete("/p/c");
    let acl = Some(Acl::open());
    world.write(Operation::SetAcl { path: "/p".into(), acl, version: 0 }).unwrap();
    let expected = Stat {
        czxid: Zxid(1),
        mzxid: Zxid(4),
        pzxid: Zxid(6),
        ctime: wall_ms(1),
        mtime: wall_ms(4),
        version: 2,
        cversion: 3,
        aversion: 1,
        ephemeral_owner: None,
        data_length: 3,
        num_children: 1,
    };
    assert_eq!(world.stat("/p"), expected);
}

#[test]
fn data_that_is_null_has_no_length_and_is_not_the_same_as_empty() {
    let mut world = fresh(Release::V3_9_5);
    for data in [None, Some(Arc::from([]))] {
        let create = Create { data: data.clone(), ..create("/n", Persistent) };
        world.write(Operation::Create(create.into())).unwrap();
        assert_eq!(world.replica.tree().data("/n").unwrap(), (data, world.stat("/n")));
        assert_eq!(world.stat("/n").data_length, 0);
        world.delete("/n");
    }
}

#[test]
fn the_nodes_of_a_fresh_server_were_never_created() {
    let world = fresh(Release::V3_8_0);
    world.replica.tree().check_invariants();
    let nothing = Stat {
        czxid: Zxid(0),
        mzxid: Zxid(0),
        pzxid: Zxid(0),
        ctime: 0,
        mtime: 0,
        version: 0,
        cversion: 0,
        aversion: 0,
        ephemeral_owner: None,
        data_length: 0,
        num_children: 0,
    };
    let children = |number: i32| Stat { cversion: -number, num_children: number, ..nothing };
    for (path, stat, acl) in [
        ("/", children(1), Acl::open()),
        ("/zookeeper", children(2), Acl::open()),
        ("/zookeeper/quota", nothing, Acl::open()),
        ("/zookeeper/config", Stat { aversion: -1, ..nothing }, Acl::readable()),
    ] {
        let data = Some(Arc::from([]));
        assert_eq!(
            world.read(&Operation::GetData { path: path.into(), watch: false }),
            Ok(Reply::Data { data, stat })
        );
        assert_eq!(world.replica.tree().node(path).unwrap().acl[..], acl[..], "{path}");
    }
    assert_eq!(world.replica.tree().paths().count(), 4);
}

#[test]
fn the_members_of_an_ensemble_are_shown_with_version_minus_one() {
    let mut world = fresh(Release::V3_9_5);
    world.replica.set_ensemble(Arc::from(*b"server.1=a:2888:3888:participant\nversion=0"), 77);
    let stat = world.stat("/zookeeper/config");
    assert_eq!((stat.version, stat.mtime, stat.data_length), (-1, 77, 42));
    assert_eq!((stat.mzxid, stat.ctime, stat.aversion), (Zxid(0), 0, -1));
    world.replica.tree().check_invariants();
}
