//! Creation: which fault wins, what becomes of flag and time to live, and the numbers of sequential nodes.

use super::*;
use CreateMode::{Container, Ephemeral, EphemeralSequential, Persistent, PersistentSequential};
use CreateMode::{PersistentSequentialWithTtl, PersistentWithTtl, Unknown};
use ErrorCode::{
    BadArguments, InvalidAcl, NoAuth, NoChildrenForEphemerals, NoNode, NodeExists, Unimplemented,
};

/// `/open`, `/closed` (nobody may create below it), `/ephemeral`, and `/shut`, which is both; below the first two, `there`.
fn with_parents(release: Release, extended_types: bool) -> World {
    let mut world = fresh(release);
    for path in ["/open", "/closed", "/open/there", "/closed/there"] {
        world.add(path, Persistent);
    }
    world.add("/ephemeral", Ephemeral);
    world.add("/shut", Ephemeral);
    for path in ["/closed", "/shut"] {
        let acl = Some(anyone(acl::ALL & !acl::CREATE));
        world.write(Operation::SetAcl { path: path.into(), acl, version: ANY_VERSION }).unwrap();
    }
    world.replica.extended_types = extended_types;
    world
}

#[test]
fn the_first_fault_wins_in_the_order_flag_ttl_slash_acl_parent_permission_path_existence_kind_of_parent() {
    let mut cases = 0;
    for release in RELEASES {
        for extended_types in [false, true] {
            let world = with_parents(release, extended_types);
            for (mode, ttl_ms) in [(Persistent, -1), (Persistent, 0), (Unknown(7), -1), (Unknown(7), 0)]
                .into_iter()
                .chain([(PersistentWithTtl, 0), (PersistentWithTtl, 1)])
            {
                for (parent, name) in ["/open", "/closed", "/ephemeral", "/shut", "/none"]
                    .into_iter()
                    .flat_map(|parent| ["new", "there", "..", "\0", ""].map(|name| (parent, name)))
                {
                    for acl in [Some(Acl::open()), None] {
                        let path = alloc::format!("{parent}/{name}");
                        let create = Create {
                            request: CreateRequest::CreateTtl,
                            path: path.as_str().into(),
                            data: None,
                            acl: acl.clone(),
                            mode,
                            ttl_ms,
                        };
                        let timed = mode == PersistentWithTtl;
                        let there = name == "there" && matches!(parent, "/open" | "/closed");
                        let expected = first_of(&[
                            (mode == Unknown(7), BadArguments),
                            (timed && !extended_types, Unimplemented),
                            (timed != (ttl_ms > 0), BadArguments),
                            (!timed, BadArguments), // The one that a real server dies of.
                            (name == "\0", BadArguments),
                            (acl.is_none(), InvalidAcl),
                            (parent == "/none", NoNode),
                            (matches!(parent, "/closed" | "/shut"), NoAuth),
                            (name == ".." || name.is_empty(), BadArguments),
                            (there, NodeExists),
                            (parent == "/ephemeral", NoChildrenForEphemerals),
                        ]);
                        let result = world.clone().write(Operation::Create(create.into()));
                        assert_eq!(
                            result.err(),
                            expected,
                            "{release} {extended_types} {mode:?} {path:?} {acl:?}"
                        );
                        cases += 1;
                    }
                }
            }
        }
    }
    assert_eq!(cases, 2 * 2 * 6 * 25 * 2);
}

#[test]
fn without_a_time_to_live_the_rest_of_the_order_is_the_same() {
    for release in RELEASES {
        let world = with_parents(release, false);
        for request in [CreateRequest::Create, CreateRequest::Create2, CreateRequest::CreateContainer] {
            for (path, acl, expected) in [
                ("none", None, Some(BadArguments)),
                ("", None, Some(BadArguments)),
                ("none/x", None, Some(InvalidAcl)),
                ("none/x", Some(Acl::open()), Some(NoNode)),
                ("/none/", Some(Acl::open()), Some(NoNode)),
                ("/closed/", Some(Acl::open()), Some(NoAuth)),
                ("/closed/there", Some(Acl::open()), Some(NoAuth)),
                ("/ephemeral/", Some(Acl::open()), Some(BadArguments)),
                ("/ephemeral/x", Some(Acl::open()), Some(NoChildrenForEphemerals)),
                ("/", Some(Acl::open()), Some(NodeExists)),
                ("//", Some(Acl::open()), Some(BadArguments)),
                ("/open/there", Some(Acl::open()), Some(NodeExists)),
                ("/zookeeper/config/x", Some(Acl::open()), Some(NoAuth)),
                ("/zookeeper/quota/x", Some(Acl::open()), None),
                ("/open/x", Some(Acl::open()), None),
            ] {
                // A time to live means nothing where none can be asked for.
                let data = None;
                let create = Create { request, path: path.into(), data, acl, mode: Persistent, ttl_ms: 7 };
                assert_eq!(world.clone().write(Operation::Create(create.into())).err(), expected, "{path:?}");
            }
        }
    }
}

/// What a request makes of a flag: the kind, and whether the name gets a number.
fn kind_of(
    request: CreateRequest,
    mode: CreateMode,
    ttl_ms: i64,
    extended: bool,
) -> Result<&'static str, ErrorCode> {
    let timed = matches!(mode, PersistentWithTtl | PersistentSequentialWithTtl);
    match (request, mode) {
        (_, Unknown(_)) => Err(BadArguments),
        _ if timed && !extended => Err(Unimplemented),
        (CreateRequest::CreateTtl, _) if timed => match ttl_ms {
            1..=0xff_ffff_ffff => Ok("ttl"),
            _ => Err(BadArguments),
        },
        (CreateRequest::CreateTtl, _) => Err(BadArguments),
        _ if timed => Err(BadArguments),
        (CreateRequest::CreateContainer, _) => Ok("container"),
        (_, Ephemeral | EphemeralSequential) => Ok("ephemeral"),
        _ => Ok("persistent"),
    }
}

#[test]
fn the_request_settles_what_the_node_is_and_the_flag_its_owner_and_its_number() {
    use CreateRequest::{Create as Plain, Create2, CreateContainer, CreateTtl};
    for release in RELEASES {
        for extended in [false, true] {
            let mut world = fresh(release);
            world.replica.extended_types = extended;
            for request in [Plain, Create2, CreateContainer, CreateTtl] {
                for mode in [
                    Persistent,
                    Ephemeral,
                    PersistentSequential,
                    EphemeralSequential,
                    Container,
                    PersistentWithTtl,
                    PersistentSequentialWithTtl,
                    Unknown(7),
                    Unknown(-1),
                ] {
                    for ttl_ms in [-1, 0, 1, 0xff_ffff_ffff, 0x100_0000_0000] {
                        let create = Create { request, ttl_ms, ..create("/n", mode) };
                        let mut world = world.clone();
                        let result = world.write(Operation::Create(create.into()));
                        let path = if mode.is_sequential() { "/n0000000000" } else { "/n" };
                        let got = match &result {
                            Err(code) => Err(*code),
                            Ok(reply) => {
                                let node = world.replica.tree().node(path).unwrap();
                                let (stat, path) = (node.stat(), path.into());
                                let expected = match request {
                                    Plain => Reply::Created { path },
                                    Create2 | CreateContainer | CreateTtl => {
                                        Reply::CreatedWithStat { path, stat }
                                    }
                                };
                                assert_eq!(*reply, expected);
                                Ok(match node.kind {
                                    crate::tree::Kind::Persistent => "persistent",
                                    crate::tree::Kind::Ephemeral(SESSION) => "ephemeral",
                                    crate::tree::Kind::Ephemeral(_) => "of somebody else",
                                    crate::tree::Kind::Container => "container",
                                    crate::tree::Kind::Ttl(ttl) if ttl == ttl_ms => "ttl",
                                    crate::tree::Kind::Ttl(_) => "of another time to live",
                                })
                            }
                        };
                        let expected = kind_of(request, mode, ttl_ms, extended);
                        assert_eq!(got, expected, "{request:?} {mode:?} {ttl_ms}");
                    }
                }
            }
        }
    }
}

#[test]
fn containers_and_nodes_with_a_time_to_live_show_no_owner() {
    let mut world = fresh(Release::V3_9_5);
    for (path, mode, owner) in [
        ("/p", Persistent, None),
        ("/e", Ephemeral, Some(SESSION)),
        ("/c", Container, None),
        ("/t", PersistentWithTtl, None),
    ] {
        world.add(path, mode);
        assert_eq!(world.stat(path).ephemeral_owner, owner, "{path}");
    }
    for path in ["/p/x", "/c/x", "/t/x"] {
        world.add(path, Ephemeral);
    }
}

#[test]
fn every_creation_below_a_parent_moves_its_sequence_and_nothing_else_does() {
    let mut world = fresh(Release::V3_9_5);
    world.add("/t", Persistent);
    assert_eq!(&*world.add("/t/e", Ephemeral), "/t/e");
    assert_eq!(&*world.add("/t/s-", PersistentSequential), "/t/s-0000000001");
    assert_eq!(&*world.add("/t/s-", EphemeralSequential), "/t/s-0000000002");
    assert_eq!(world.write(Operation::Create(create("/t/e", Persistent).into())), Err(NodeExists));
    assert_eq!(&*world.add("/t/plain", Container), "/t/plain");
    assert_eq!(&*world.add("/t/", PersistentSequentialWithTtl), "/t/0000000004");
    world.delete("/t/0000000004");
    world.write(set_data("/t", ANY_VERSION)).unwrap();
    assert_eq!(&*world.add("/t/s-", Ephemeral), "/t/s-");
    assert_eq!(&*world.add("/t/s-", EphemeralSequential), "/t/s-0000000006");
    assert_eq!(&*world.add("/", PersistentSequential), "/0000000001");
    world.add("/u", Persistent);
    world.add("/u/x", Persistent);
    world.delete("/u/x");
    world.delete("/u");
    world.add("/u", Persistent);
    assert_eq!(&*world.add("/u/s", PersistentSequential), "/u/s0000000000");
}

#[test]
fn the_count_of_creations_ends_where_it_would_turn_negative() {
    let mut world = fresh(Release::V3_8_0);
    world.add("/p", Persistent);
    world.replica.tree.set_children_created("/p", i32::MAX - 1);
    assert_eq!(&*world.add("/p/s", PersistentSequential), "/p/s2147483646");
    let pzxid = world.stat("/p").pzxid;
    assert_eq!(&*world.add("/p/s", PersistentSequential), "/p/s2147483647");
    let sequential = Operation::Create(create("/p/s", PersistentSequential).into());
    assert_eq!(world.write(sequential), Err(NodeExists));
    world.add("/p/plain", Persistent);
    let stat = world.stat("/p");
    assert_eq!((stat.pzxid, stat.cversion, stat.num_children), (pzxid, -5, 3));
    world.delete("/p/plain");
    assert_eq!(world.stat("/p").pzxid, world.replica.last_zxid());
}

#[test]
fn a_count_that_is_negative_all_the_same_goes_through_minus_one() {
    let mut world = fresh(Release::V3_8_0);
    world.add("/p", Persistent);
    world.replica.tree.set_children_created("/p", -3);
    for name in ["/p/s-000000003", "/p/s-000000002", "/p/s-000000001", "/p/s0000000000"] {
        assert_eq!(&*world.add("/p/s", PersistentSequential), name);
        assert_eq!(world.stat("/p").pzxid, world.replica.last_zxid());
    }
}

#[test]
fn a_creation_tells_of_the_node_and_then_of_its_parent() {
    let mut world = fresh(Release::V3_9_5);
    world.add("/p", Persistent);
    assert_eq!(world.told(), [(EventKind::NodeCreated, "/p"), (EventKind::NodeChildrenChanged, "/")]);
    world.add("/p/s-", EphemeralSequential);
    let sequential = "/p/s-0000000000";
    assert_eq!(world.told(), [(EventKind::NodeCreated, sequential), (EventKind::NodeChildrenChanged, "/p")]);
}
