//! Reads: who may, what is shown, and in which order lists come.

use super::*;
use crate::names::Names;
use CreateMode::{Ephemeral, Persistent};
use ErrorCode::{BadArguments, MarshallingError, NoAuth, NoNode};

fn reads_of(path: &str) -> [Operation; 7] {
    let path: Arc<str> = path.into();
    [
        Operation::Exists { path: path.clone(), watch: false },
        Operation::GetData { path: path.clone(), watch: false },
        Operation::GetChildren { path: path.clone(), watch: false },
        Operation::GetChildren2 { path: path.clone(), watch: false },
        Operation::GetAllChildrenNumber { path: path.clone() },
        Operation::GetAcl { path: path.clone() },
        Operation::Sync { path: Some(path) },
    ]
}

#[test]
fn reading_takes_read_and_seeing_the_acl_takes_read_or_admin() {
    for release in RELEASES {
        for permissions in 0..=acl::ALL {
            let mut world = fresh(release);
            world.add_allowing("/n", permissions);
            let [exists, reads @ .., get_acl, sync] = reads_of("/n");
            let may_read = permissions & acl::READ != 0;
            for read in reads {
                assert_eq!(world.read(&read).err(), (!may_read).then_some(NoAuth), "{read:?}");
            }
            // With 3.8 everybody may ask whether a node is there.
            let may_ask = may_read || release == Release::V3_8_0;
            assert_eq!(world.read(&exists).err(), (!may_ask).then_some(NoAuth));
            let may_see = permissions & (acl::READ | acl::ADMIN) != 0;
            assert_eq!(world.read(&get_acl).err(), (!may_see).then_some(NoAuth));
            assert!(world.read(&sync).is_ok());
            world.identities.push(Identity::new("super", ""));
            for read in reads_of("/n") {
                assert!(world.read(&read).is_ok(), "{read:?}");
            }
        }
    }
}

#[test]
fn reads_ask_for_nothing_but_the_node() {
    for release in RELEASES {
        let mut world = fresh(release);
        world.add("/p", Persistent);
        for path in ["/none", "p", "//p", "/p/", "/p/../p", "/p/\u{1}"] {
            for read in &reads_of(path)[..6] {
                assert_eq!(world.read(read), Err(NoNode), "{read:?}");
            }
        }
        let [exists, rest @ .., _] = reads_of("/p\0");
        assert_eq!(world.read(&exists), Err(BadArguments));
        for read in rest {
            assert_eq!(world.read(&read), Err(NoNode));
        }
        for read in reads_of("") {
            assert!(world.read(&read).is_ok(), "the empty path is the root to a read");
        }
    }
}

#[test]
fn each_read_shows_its_part_of_the_node() {
    let mut world = fresh(Release::V3_9_5);
    for path in ["/p", "/p/b", "/p/a", "/p/a/x"] {
        world.add(path, Persistent);
    }
    let (stat, data) = (world.stat("/p"), Some(Arc::from(*b"data")));
    let children = || Vec::from([Arc::from("a"), Arc::from("b")]);
    let path: Arc<str> = "/p".into();
    let expected = [
        Reply::Exists { stat },
        Reply::Data { data, stat },
        Reply::Children { children: children().into() },
        Reply::ChildrenWithStat { children: children(), stat: stat.into() },
        Reply::AllChildrenNumber { number: 3 },
        Reply::Acl { acl: Acl::open(), stat: stat.into() },
        Reply::Synced { path: Some(path) },
    ];
    for (read, expected) in reads_of("/p").iter().zip(expected) {
        assert_eq!(world.read(read), Ok(expected), "{read:?}");
    }
}

/// The results of one request could be any amount: a list of a hundred thousand names is asked for with five bytes.
#[test]
fn results_end_where_they_are_too_long_to_be_sent() {
    let mut world = fresh(Release::V3_9_5);
    let data = Some(Arc::from(alloc::vec![0; 1 << 20]));
    world.add("/n", Persistent);
    world.write(Operation::SetData { path: "/n".into(), data, version: -1 }).unwrap();
    (0..1000).for_each(|number| drop(world.add(&alloc::format!("/n/{number:04}"), Persistent)));
    let results_of = |read: &Operation, times| {
        let operations = alloc::vec![read.clone(); times];
        let reply = world.read(&Operation::MultiRead { operations });
        let Ok(Reply::Multi { results }) = reply else { panic!("no results: {reply:?}") };
        results.len()
    };
    let [_, data, children, ..] = reads_of("/n");
    for (read, bytes) in [(data, 1 << 20), (children, 5000)] {
        let fit = crate::wire::WRITTEN_BYTES_MAX / bytes;
        assert_eq!(results_of(&read, fit), fit);
        assert_eq!(results_of(&read, 3 * fit), fit + 1, "one more, so that it does not fit");
    }
}

#[test]
fn all_nodes_below_are_counted_and_no_others() {
    let mut world = fresh(Release::V3_8_0);
    for path in ["/a", "/a/b", "/a/b/c", "/a/c", "/a-b", "/a0"] {
        world.add(path, Persistent);
    }
    for (path, expected) in
        [("/a", 3), ("/a/b", 1), ("/a/c", 0), ("/a-b", 0), ("/zookeeper", 2), ("/", 9), ("", 10)]
    {
        let number = world.read(&Operation::GetAllChildrenNumber { path: path.into() });
        assert_eq!(number, Ok(Reply::AllChildrenNumber { number: expected }), "{path:?}");
    }
}

#[test]
fn who_may_not_set_an_acl_sees_no_hashes_in_it() {
    for release in RELEASES {
        let digest = |permissions, id| Acl { permissions, identity: Identity::new("digest", id) };
        let full = Vec::from([
            digest(acl::ADMIN, "boss:hash"),
            digest(acl::READ, "me:hash"),
            Acl { permissions: acl::READ, identity: Identity::new("ip", "10.0.0.1") },
        ]);
        let mut hidden = full.clone();
        hidden[0].identity.id = "boss:x".into();
        hidden[1].identity.id = "me:x".into();
        let mut world = fresh(release);
        let create = Create { acl: Some(full.clone()), ..create("/n", Persistent) };
        world.write(Operation::Create(create.into())).unwrap();
        let stat = world.stat("/n");
        for (scheme, id, expected) in [
            ("digest", "boss:hash", Ok(&full)),
            ("super", "", Ok(&full)),
            ("digest", "me:hash", Ok(&hidden)),
            ("ip", "10.0.0.1", Ok(&hidden)),
            ("digest", "you:hash", Err(NoAuth)),
        ] {
            world.identities = Vec::from([Identity::new(scheme, id)]);
            let shown = world.read(&Operation::GetAcl { path: "/n".into() });
            let expected = expected.map(|acl| Reply::Acl { acl: acl.clone(), stat: stat.into() });
            assert_eq!(shown, expected, "{scheme} {id}");
        }
    }
}

#[test]
fn a_session_finds_its_own_ephemeral_nodes_by_a_prefix_of_text() {
    let mut world = fresh(Release::V3_8_0);
    for path in ["/a", "/ab"] {
        world.add(path, Persistent);
    }
    for path in ["/a/x", "/ab/y", "/z"] {
        world.add(path, Ephemeral);
    }
    world.session = SessionId(9);
    world.add("/other", Ephemeral);
    world.session = SESSION;
    for (prefix, expected) in [
        ("", &["/a/x", "/ab/y", "/z"][..]),
        ("/", &["/a/x", "/ab/y", "/z"]),
        (" \u{1}/ ", &["/a/x", "/ab/y", "/z"]),
        ("/a", &["/a/x", "/ab/y"]),
        ("/a/", &["/a/x"]),
        (" /a", &[]),
        ("/other", &[]),
    ] {
        let paths = expected.iter().map(|path| Arc::from(*path)).collect();
        let found = world.read(&Operation::GetEphemerals { prefix: prefix.into() });
        assert_eq!(found, Ok(Reply::Ephemerals { paths }), "{prefix:?}");
    }
}

#[test]
fn who_am_i_shows_names_and_no_hashes() {
    let mut world = fresh(Release::V3_8_0);
    let identity = Identity::new;
    world.identities = Vec::from([
        identity("ip", "127.0.0.1"),
        identity("digest", "me:hash"),
        identity("digest", ":hash"),
        identity("super", "whatever"),
    ]);
    let identities = Vec::from([
        identity("ip", "127.0.0.1"),
        identity("digest", "me"),
        identity("digest", ""),
        identity("super", ""),
    ]);
    assert_eq!(world.read(&Operation::WhoAmI), Ok(Reply::WhoAmI { identities }));
}

#[test]
fn a_multi_read_answers_each_part_and_takes_nothing_but_two_kinds() {
    let mut world = fresh(Release::V3_9_5);
    world.add("/p", Persistent);
    let data = |path: &str| Operation::GetData { path: path.into(), watch: true };
    let list = Operation::GetChildren { path: "/p".into(), watch: true };
    let read =
        |operations: &[Operation]| world.read(&Operation::MultiRead { operations: operations.to_vec() });
    let results =
        Vec::from([world.read(&data("/p")), Err(NoNode), Ok(Reply::Children { children: Names::default() })]);
    assert_eq!(read(&[data("/p"), data("/none"), list.clone()]), Ok(Reply::Multi { results }));
    assert_eq!(read(&[]), Ok(Reply::Multi { results: Vec::new() }));
    let [exists, _, _, with_stat, number, get_acl, sync] = reads_of("/p");
    for other in [exists, with_stat, number, get_acl, sync, delete("/p", 0), check_version("/p", 0)] {
        assert_eq!(read(&[list.clone(), other]), Err(MarshallingError));
    }
    let broken = |results| Ok(Reply::BrokenMulti { results });
    assert_eq!(read(&[delete("/p", 0), check_version("/p", 0)]), broken(Vec::new()));
    let pathless = Operation::Malformed { opcode: 4, readable: true };
    assert_eq!(read(&[pathless.clone(), list.clone()]), broken(Vec::new()));
    assert_eq!(read(&[data("/none"), pathless]), broken(Vec::from([Err(NoNode)])));
}

#[test]
fn lists_come_sorted_or_in_an_order_that_a_number_settles() {
    let mut world = fresh(Release::V3_8_0);
    world.add("/p", Persistent);
    for name in ["a", "b", "c", "d", "e", "f"] {
        world.add(&alloc::format!("/p/{name}"), Ephemeral);
    }
    let listed = |choices| {
        let list = Operation::GetChildren { path: "/p".into(), watch: false };
        match world.replica.read(&list, SESSION, &[], choices) {
            Ok(Reply::Children { children }) => Vec::from(children),
            other => panic!("{other:?}"),
        }
    };
    let own = |choices| {
        let list = Operation::GetEphemerals { prefix: "".into() };
        match world.replica.read(&list, SESSION, &[], choices) {
            Ok(Reply::Ephemerals { paths }) => paths,
            other => panic!("{other:?}"),
        }
    };
    let mut orders = alloc::collections::BTreeSet::new();
    for choices in 0..20 {
        let (children, paths) = (listed(choices), own(choices));
        assert_eq!(children, listed(choices));
        assert_eq!(children.is_sorted() && paths.is_sorted(), choices == 0, "{choices}");
        let mut sorted = children.clone();
        sorted.sort();
        assert_eq!(sorted, listed(0));
        orders.insert(children);
    }
    assert!(orders.len() > 15, "the number hardly matters: {} orders", orders.len());
}

#[test]
fn what_is_no_read_is_not_answered_here() {
    let world = fresh(Release::V3_9_5);
    for operation in [
        delete("/p", 0),
        check_version("/p", 0),
        Operation::AddWatch { path: "/".into(), mode: 0 },
        Operation::Reconfig,
        Operation::Unknown { opcode: 99 },
    ] {
        assert_eq!(world.read(&operation), Err(ErrorCode::Unimplemented));
    }
}
