//! The other writes: which fault wins, and what they change and tell of.

use super::*;
use CreateMode::{Container, Ephemeral, Persistent, PersistentWithTtl};
use ErrorCode::{BadArguments, BadVersion, InvalidAcl, NoAuth, NoNode, NotEmpty};
use alloc::boxed::Box;

/// Below `/open` and `/closed` (where nobody may delete): `leaf`, and `full` with a child. All have version 0.
fn with_nodes(release: Release) -> World {
    let mut world = fresh(release);
    for parent in ["/open", "/closed"] {
        world.add(parent, Persistent);
        for name in ["/leaf", "/full", "/full/x"] {
            world.add(&alloc::format!("{parent}{name}"), Persistent);
        }
    }
    let acl = Some(anyone(acl::ALL & !acl::DELETE));
    world.write(Operation::SetAcl { path: "/closed".into(), acl, version: 0 }).unwrap();
    world
}

#[test]
fn delete_looks_at_slash_and_reserved_parent_permission_existence_version_and_children_in_this_order() {
    for release in RELEASES {
        let world = with_nodes(release);
        for (parent, name, version) in ["/open", "/closed", "/none"].into_iter().flat_map(|parent| {
            ["leaf", "full", "none", "..", "", "\0"]
                .into_iter()
                .flat_map(move |name| [ANY_VERSION, 0, 1].map(|version| (parent, name, version)))
        }) {
            let path = alloc::format!("{parent}/{name}");
            let expected = first_of(&[
                (name == "\0", BadArguments),
                (parent == "/none", NoNode),
                (parent == "/closed", NoAuth),
                (!matches!(name, "leaf" | "full"), NoNode),
                (version == 1, BadVersion),
                (name == "full", NotEmpty),
            ]);
            assert_eq!(world.clone().write(delete(&path, version)).err(), expected, "{path:?} {version}");
        }
        for path in ["", "leaf", "/", "/zookeeper", "/zookeeper/config", "/zookeeper/quota"] {
            assert_eq!(world.clone().write(delete(path, 99)), Err(BadArguments), "{path:?}");
        }
        assert_eq!(world.clone().write(delete("open/leaf", ANY_VERSION)), Err(NoNode));
    }
}

/// `/n`, on which everybody may do what is not `missing`.
fn with_node_missing(release: Release, missing: i32) -> World {
    let mut world = fresh(release);
    world.add_allowing("/n", acl::ALL & !missing);
    world
}

#[test]
fn set_data_looks_at_path_existence_permission_and_version_in_this_order() {
    for release in RELEASES {
        for (missing, path, version) in [0, acl::WRITE].into_iter().flat_map(|missing| {
            ["/n", "/none", "/n/..", "", "n"]
                .into_iter()
                .flat_map(move |path| [ANY_VERSION, 0, 1].map(|version| (missing, path, version)))
        }) {
            let expected = first_of(&[
                (!matches!(path, "/n" | "/none"), BadArguments),
                (path == "/none", NoNode),
                (missing != 0, NoAuth),
                (version == 1, BadVersion),
            ]);
            let result = with_node_missing(release, missing).write(set_data(path, version));
            assert_eq!(result.err(), expected, "{path:?} {version}");
        }
    }
}

#[test]
fn set_acl_looks_at_path_acl_existence_permission_and_version_in_this_order() {
    for release in RELEASES {
        for missing in [0, acl::ADMIN] {
            for path in ["/n", "/none", "/n/..", "", "n"] {
                for acl in [Some(Acl::open()), Some(Vec::new()), None] {
                    // Setting it once has given the ACL the version 1.
                    for version in [ANY_VERSION, 1, 0] {
                        let expected = first_of(&[
                            (!matches!(path, "/n" | "/none"), BadArguments),
                            (acl.as_ref().is_none_or(Vec::is_empty), InvalidAcl),
                            (path == "/none", NoNode),
                            (missing != 0, NoAuth),
                            (version == 0, BadVersion),
                        ]);
                        let operation = Operation::SetAcl { path: path.into(), acl: acl.clone(), version };
                        let result = with_node_missing(release, missing).write(operation);
                        assert_eq!(result.err(), expected, "{path:?} {version}");
                    }
                }
            }
        }
    }
}

#[test]
fn check_looks_at_path_existence_permission_and_version_in_this_order() {
    for release in RELEASES {
        for missing in [0, acl::READ] {
            for path in ["/n", "/none", "/n/..", ""] {
                for version in [ANY_VERSION, 0, 1] {
                    let expected = first_of(&[
                        (!matches!(path, "/n" | "/none"), BadArguments),
                        (path == "/none", NoNode),
                        (missing != 0, NoAuth),
                        (version == 1, BadVersion),
                    ]);
                    let mut world = with_node_missing(release, missing);
                    let part = Operation::Multi { operations: Vec::from([check_version(path, version)]) };
                    let expected_part = expected.map_or(Ok(Reply::Checked), Err);
                    let results = Vec::from([expected_part]);
                    assert_eq!(world.write(part), Ok(Reply::Multi { results }), "{path:?} {version}");
                    // By itself it is not served, or hardly.
                    let alone = world.write(check_version(path, version));
                    let expected = match release {
                        Release::V3_8_0 => expected.map_or(Ok(Reply::Checked), Err),
                        Release::V3_9_5 => Err(ErrorCode::Unimplemented),
                    };
                    assert_eq!(alone, expected);
                }
            }
        }
    }
}

#[test]
fn delete_container_asks_nobody_for_permission_but_wants_no_ephemeral_node() {
    for release in RELEASES {
        for session in [SessionId(0), SESSION] {
            let mut world = fresh(release);
            world.add("/e", Ephemeral);
            for (path, mode) in
                [("/c", Container), ("/t", PersistentWithTtl), ("/p", Persistent), ("/f", Container)]
            {
                world.add(path, mode);
            }
            world.add("/f/x", Persistent);
            let closed = Operation::SetAcl { path: "/".into(), acl: Some(anyone(0)), version: ANY_VERSION };
            world.write(closed).unwrap();
            world.session = session;
            for (path, expected) in [
                ("", Err(BadArguments)),
                ("c", Err(BadArguments)),
                ("/\0", Err(BadArguments)),
                ("/zookeeper", Err(BadArguments)),
                ("/none", Err(NoNode)),
                ("/none/x", Err(NoNode)),
                ("/f", Err(NotEmpty)),
                ("/e", Err(BadVersion)),
                ("/c", Ok(Reply::Deleted)),
                ("/t", Ok(Reply::Deleted)),
                ("/p", Ok(Reply::Deleted)),
            ] {
                let expected = match (release, session) {
                    // 3.8 does not understand a client that asks for it.
                    (Release::V3_8_0, SESSION) => Err(BadArguments),
                    _ => expected,
                };
                let result = world.write(Operation::DeleteContainer { path: path.into() });
                assert_eq!(result, expected, "{release} {path:?}");
                if expected.is_ok() {
                    let told = [(EventKind::NodeDeleted, path), (EventKind::NodeChildrenChanged, "/")];
                    assert_eq!(world.told(), told);
                }
            }
        }
    }
}

#[test]
fn versions_wrap_and_do_not_skip_minus_one() {
    for (version, next) in [(0, 1), (i32::MAX, i32::MIN), (-3, -2), (-2, -1), (-1, 0)] {
        let mut world = fresh(Release::V3_9_5);
        world.add("/n", Persistent);
        world.replica.tree.set_versions("/n", version);
        world.write(set_data("/n", version)).unwrap();
        assert_eq!(world.stat("/n").version, next);
        let set_acl = Operation::SetAcl { path: "/n".into(), acl: Some(Acl::open()), version };
        world.write(set_acl).unwrap();
        assert_eq!(world.stat("/n").aversion, next);
    }
}

#[test]
fn what_is_deleted_or_set_is_told_of_and_a_new_acl_is_not() {
    let mut world = fresh(Release::V3_9_5);
    world.add("/p", Persistent);
    world.add("/p/c", Persistent);
    world.write(set_data("/p/c", 0)).unwrap();
    assert_eq!(world.told(), [(EventKind::NodeDataChanged, "/p/c")]);
    world.write(Operation::SetAcl { path: "/p/c".into(), acl: Some(Acl::open()), version: 0 }).unwrap();
    assert_eq!(world.told(), []);
    world.delete("/p/c");
    assert_eq!(world.told(), [(EventKind::NodeDeleted, "/p/c"), (EventKind::NodeChildrenChanged, "/p")]);
    world.delete("/p");
    assert_eq!(world.told(), [(EventKind::NodeDeleted, "/p"), (EventKind::NodeChildrenChanged, "/")]);
}

#[test]
fn who_may_not_read_a_node_is_not_told_of_it() {
    for release in RELEASES {
        let mut world = fresh(release);
        world.identities = Vec::from([Identity::new("digest", "u:h")]);
        world.add("/p", Persistent);
        let mine = Vec::from([Acl { permissions: acl::READ, identity: Identity::new("auth", "") }]);
        let acl = Some(mine);
        world.write(Operation::Create(Box::new(Create { acl, ..create("/p/c", Persistent) }))).unwrap();
        let may = |identities: &[Identity]| -> Vec<bool> {
            world.changes.iter().map(|change| change.may_be_told(release, identities)).collect()
        };
        assert_eq!(may(&[]), [false, true]);
        assert_eq!(may(&world.identities), [true, true]);
        assert_eq!(may(&[Identity::new("super", "")]), [true, true]);
    }
}

#[test]
fn requests_that_make_no_sense_are_refused_by_name() {
    for release in RELEASES {
        let mut world = fresh(release);
        let mut answer = |operation: Operation| {
            let takes_zxid = operation.takes_zxid(release);
            let result = if takes_zxid { world.write(operation) } else { world.read(&operation) };
            (takes_zxid, result.err())
        };
        let malformed = |opcode, readable| Operation::Malformed { opcode, readable };
        let marshalling = Some(ErrorCode::MarshallingError);
        let is_3_8 = release == Release::V3_8_0;
        for opcode in [1, 2, 5, 7, 15, 19, 21] {
            assert_eq!(answer(malformed(opcode, false)), (is_3_8, marshalling), "{opcode}");
            assert_eq!(answer(malformed(opcode, true)), (true, marshalling), "{opcode}");
        }
        for opcode in [3, 4, 6, 8, 9, 12, 17, 18, 22, 101, 103, 104, 105, 106] {
            for readable in [false, true] {
                assert_eq!(answer(malformed(opcode, readable)), (false, marshalling), "{opcode}");
            }
        }
        assert_eq!(answer(malformed(14, false)), (true, marshalling));
        assert_eq!(answer(malformed(14, true)), (is_3_8, marshalling));
        assert_eq!(answer(malformed(16, false)), (false, marshalling));
        let container = if is_3_8 { Some(BadArguments) } else { marshalling };
        assert_eq!(answer(malformed(20, false)), (is_3_8, container));
        let check = if is_3_8 { marshalling } else { Some(ErrorCode::Unimplemented) };
        assert_eq!(answer(malformed(13, false)), (is_3_8, check));
        assert_eq!(malformed(13, false).closes_connection(release), !is_3_8);
        assert_eq!(check_version("/", 0).closes_connection(release), !is_3_8);
        assert!(!malformed(1, false).closes_connection(release));
        let unknown = Operation::Unknown { opcode: 99 };
        assert!(unknown.closes_connection(release));
        assert_eq!(answer(unknown), (false, Some(ErrorCode::Unimplemented)));
        assert_eq!(answer(Operation::Reconfig), (true, Some(ErrorCode::ReconfigDisabled)));
    }
}

#[test]
fn what_the_leader_has_refused_takes_its_number_and_does_nothing() {
    let mut world = fresh(Release::V3_9_5);
    let refused = world.body(TransactionBody::Refused(ErrorCode::SessionMoved));
    assert_eq!(refused, Err(ErrorCode::SessionMoved));
    assert_eq!(world.replica.last_zxid(), Zxid(1));
    assert!(*world.replica.tree() == Tree::new());
}
