//! Tests of the watches: what each mode hears, what is left of it, and in which the releases differ.

use super::*;
use crate::acl::Acl;
use crate::tree::{Kind, NewNode, Stamp, Step};
use EventKind::{NodeChildrenChanged, NodeCreated, NodeDataChanged, NodeDeleted};
use WatchMode::{Child, Data, Persistent, Recursive};
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

const RELEASES: [Release; 2] = [Release::V3_8_0, Release::V3_9_5];
const KINDS: [EventKind; 4] = [NodeCreated, NodeDeleted, NodeDataChanged, NodeChildrenChanged];
const MODES: [WatchMode; 4] = [Data, Child, Persistent, Recursive];
const ME: ConnectionId = ConnectionId(1);
const OTHER: ConnectionId = ConnectionId(2);

fn watching(release: Release, armed: &[(&str, u64, WatchMode)]) -> Watches {
    let mut watches = Watches::new(release);
    for (path, connection, mode) in armed {
        watches.add(&(*path).into(), ConnectionId(*connection), *mode);
        watches.check_invariants();
    }
    watches
}

/// Sets watches off and gives the connections that hear of it, in order.
fn heard(watches: &mut Watches, kind: EventKind, path: &str) -> Vec<u64> {
    let mut heard = Vec::new();
    watches.trigger(kind, &path.into(), |connection, event| {
        assert_eq!((event.kind, &*event.path), (kind, path));
        heard.push(connection.0);
    });
    watches.check_invariants();
    heard
}

fn is_empty(watches: &Watches) -> bool {
    *watches == Watches::new(watches.release)
}

/// Whether a watch of that mode at `/a` hears of `kind` at `path`.
fn hears(mode: WatchMode, kind: EventKind, path: &str) -> bool {
    match (mode, kind) {
        (Data, NodeCreated | NodeDeleted | NodeDataChanged) => path == "/a",
        (Data, NodeChildrenChanged) | (Child, NodeCreated | NodeDataChanged) => false,
        (Child, NodeDeleted | NodeChildrenChanged) => path == "/a",
        (Persistent, _) => path == "/a",
        (Recursive, NodeChildrenChanged) => false,
        (Recursive, NodeCreated | NodeDeleted | NodeDataChanged) => path != "/" && path != "/ab",
    }
}

#[test]
fn each_mode_hears_its_kinds_at_its_paths_and_only_two_of_them_hear_again() {
    for release in RELEASES {
        for mode in MODES {
            for kind in KINDS {
                for path in ["/a", "/a/b", "/a/b/c", "/ab", "/"] {
                    let mut watches = watching(release, &[("/a", 1, mode)]);
                    let expected: &[u64] = if hears(mode, kind, path) { &[1] } else { &[] };
                    assert_eq!(heard(&mut watches, kind, path), expected, "{mode:?} {kind:?} {path}");
                    let stays = matches!(mode, Persistent | Recursive);
                    let again: &[u64] = if stays { expected } else { &[] };
                    assert_eq!(heard(&mut watches, kind, path), again, "{mode:?} {kind:?} {path}");
                    assert_eq!(is_empty(&watches), !stays && !expected.is_empty());
                }
            }
        }
    }
}

#[test]
fn a_recursive_watch_at_the_root_hears_of_everything() {
    for release in RELEASES {
        let mut watches = watching(release, &[("/", 1, Recursive)]);
        for path in ["/", "/a", "/a/b"] {
            assert_eq!(heard(&mut watches, NodeDataChanged, path), [1]);
            assert!(heard(&mut watches, NodeChildrenChanged, path).is_empty());
        }
    }
}

#[test]
fn a_connection_hears_once_however_many_of_its_watches_match() {
    for release in RELEASES {
        for kind in KINDS {
            let armed = [("/a", 1, Recursive), ("/a/b", 1, Data), ("/a/b", 1, Child), ("/", 1, Recursive)];
            let expected: &[u64] = &[1];
            assert_eq!(heard(&mut watching(release, &armed), kind, "/a/b"), expected, "{release} {kind:?}");
        }
    }
}

#[test]
fn a_deletion_is_told_to_those_who_watch_the_data_first() {
    for release in RELEASES {
        let armed =
            [("/a", 3, Data), ("/a", 3, Child), ("/a", 2, Child), ("/a", 4, Data), ("/", 1, Recursive)];
        let mut watches = watching(release, &armed);
        assert_eq!(heard(&mut watches, NodeDeleted, "/a"), [1, 3, 4, 2]);
        assert_eq!(heard(&mut watches, NodeDeleted, "/a"), [1]);
    }
}

/// What is left of one mode at a path when another is added there, by what hears of it: each letter is a kind of event.
fn left(release: Release, first: WatchMode, second: WatchMode) -> (Vec<bool>, Vec<bool>) {
    let mut watches = watching(release, &[("/a", 1, first), ("/a", 1, second)]);
    let mut round = || {
        let own = KINDS.map(|kind| heard(&mut watches, kind, "/a") == [1]);
        let below = heard(&mut watches, NodeDataChanged, "/a/b") == [1];
        own.into_iter().chain([below]).collect()
    };
    (round(), round())
}

#[test]
fn with_3_8_the_last_mode_at_a_path_wins_in_each_table() {
    let (yes, no) = (true, false);
    // Created, deleted, data, children; and data below. Then the same again.
    for (first, second, once, again) in [
        (Recursive, Persistent, [yes, yes, yes, yes, no], [yes, yes, yes, yes, no]),
        (Persistent, Recursive, [yes, yes, yes, no, yes], [yes, yes, yes, no, yes]),
        // The table of children keeps what it had.
        (Persistent, Data, [yes, yes, no, yes, no], [no, yes, no, yes, no]),
        (Recursive, Data, [yes, yes, no, no, no], [no, yes, no, no, no]),
        (Persistent, Child, [yes, yes, yes, no, no], [yes, yes, yes, no, no]),
        (Recursive, Child, [yes, yes, yes, no, yes], [yes, yes, yes, no, yes]),
        (Data, Persistent, [yes, yes, yes, yes, no], [yes, yes, yes, yes, no]),
        (Child, Recursive, [yes, yes, yes, no, yes], [yes, yes, yes, no, yes]),
    ] {
        let expected = (once.to_vec(), again.to_vec());
        assert_eq!(left(Release::V3_8_0, first, second), expected, "{first:?} {second:?}");
    }
}

#[test]
fn with_3_9_a_path_keeps_all_its_modes() {
    for first in MODES {
        for second in MODES {
            let hears_of = |mode: WatchMode, kind| hears(mode, kind, "/a");
            let own = KINDS.map(|kind| hears_of(first, kind) || hears_of(second, kind));
            let below = first == Recursive || second == Recursive;
            let (once, again) = left(Release::V3_9_5, first, second);
            // One-shot watches are over with the first that they hear of.
            let stays = |mode| matches!(mode, Persistent | Recursive);
            let again_own = KINDS
                .map(|kind| stays(first) && hears_of(first, kind) || stays(second) && hears_of(second, kind));
            assert_eq!(again, [&again_own[..], &[below]].concat(), "{first:?} {second:?}");
            for ((once, own), again) in once.iter().zip(own).zip(again_own) {
                assert!(!once || own, "{first:?} {second:?}");
                assert!(*once || !again, "{first:?} {second:?}");
            }
            assert_eq!(once[4], below);
        }
    }
}

#[test]
fn a_deletion_below_a_recursive_watch_is_still_heard_in_3_8_when_data_is_no_longer() {
    let mut watches = watching(Release::V3_8_0, &[("/a", 1, Recursive), ("/a", 1, Data)]);
    assert!(heard(&mut watches, NodeCreated, "/a/b").is_empty());
    assert_eq!(heard(&mut watches, NodeDeleted, "/a/b"), [1]);
}

#[test]
fn a_read_arms_what_it_asks_for_when_it_succeeds_and_exists_also_for_a_node_that_is_not_there() {
    let path: Arc<str> = "/a".into();
    let exists = |watch| Operation::Exists { path: path.clone(), watch };
    let get_data = |watch| Operation::GetData { path: path.clone(), watch };
    let list = |watch| Operation::GetChildren { path: path.clone(), watch };
    let list2 = |watch| Operation::GetChildren2 { path: path.clone(), watch };
    let (ok, none, closed) = (Ok(Reply::Nothing), Err(ErrorCode::NoNode), Err(ErrorCode::NoAuth));
    let parts = Operation::MultiRead { operations: vec![get_data(true)] };
    for (operation, result, expected) in [
        (exists(true), &ok, Some(Data)),
        (exists(true), &none, Some(Data)),
        (exists(true), &closed, None),
        (exists(true), &Err(ErrorCode::BadArguments), None),
        (get_data(true), &ok, Some(Data)),
        (get_data(true), &none, None),
        (get_data(true), &closed, None),
        (list(true), &ok, Some(Child)),
        (list2(true), &ok, Some(Child)),
        (list(true), &none, None),
        (list2(true), &closed, None),
        (exists(false), &ok, None),
        (get_data(false), &ok, None),
        (list(false), &ok, None),
        (list2(false), &ok, None),
        (parts, &ok, None),
    ] {
        for release in RELEASES {
            let mut watches = Watches::new(release);
            watches.register(&operation, result, ME);
            let armed: Vec<_> = expected.into_iter().map(|mode| ("/a", 1, mode)).collect();
            assert!(watches == watching(release, &armed), "{operation:?} {result:?}");
        }
    }
}

#[test]
fn add_watch_takes_any_path_and_two_modes() {
    for release in RELEASES {
        for path in ["/a", "a", "", "/a/", "/\0"] {
            for (number, mode) in [(0, Some(Persistent)), (1, Some(Recursive)), (2, None), (-1, None)] {
                let mut watches = Watches::new(release);
                let added = watches.add_watch(&path.into(), number, ME);
                let expected = mode.map(|_| Reply::WatchAdded).ok_or(ErrorCode::MarshallingError);
                assert_eq!(added, expected);
                let armed: Vec<_> = mode.into_iter().map(|mode| (path, 1, mode)).collect();
                assert!(watches == watching(release, &armed));
                // A path that no node can have is never heard of, and harms nobody.
                heard(&mut watches, NodeDataChanged, "/a/b");
            }
        }
    }
}

/// The modes that a kind takes away, or that it finds.
fn named(release: Release, kind: i32) -> Option<&'static [WatchMode]> {
    match (kind, release) {
        (1, Release::V3_8_0) => Some(&[Child, Persistent, Recursive]),
        (2, Release::V3_8_0) => Some(&[Data, Persistent, Recursive]),
        (1, Release::V3_9_5) => Some(&[Child]),
        (2, Release::V3_9_5) => Some(&[Data]),
        (3, _) => Some(&MODES),
        (4, Release::V3_9_5) => Some(&[Persistent]),
        (5, Release::V3_9_5) => Some(&[Recursive]),
        _ => None,
    }
}

#[test]
fn watches_are_taken_away_and_asked_for_by_kind() {
    for release in RELEASES {
        for mode in MODES {
            for kind in -1..=7 {
                let mut watches = watching(release, &[("/a", 1, mode), ("/a", 2, Data), ("/b", 1, mode)]);
                let expected = match named(release, kind) {
                    None => Err(ErrorCode::MarshallingError),
                    Some(modes) if modes.contains(&mode) => Ok(()),
                    Some(_) => Err(ErrorCode::NoWatcher),
                };
                let asked = match (release, kind) {
                    // 3.8 takes the watches of others for one's own.
                    (Release::V3_8_0, 2 | 3) => Ok(()),
                    _ => expected,
                };
                assert_eq!(
                    watches.check(Some("/a"), kind, ME).map(|_| ()),
                    asked,
                    "{release} {mode:?} {kind}"
                );
                let before = watches.clone();
                assert_eq!(
                    watches.remove(Some("/a"), kind, ME).map(|_| ()),
                    expected,
                    "{release} {mode:?} {kind}"
                );
                watches.check_invariants();
                assert_eq!(before == watches, expected.is_err());
                if expected.is_ok() && (release == Release::V3_9_5 || kind == 3) {
                    assert!(watches == watching(release, &[("/a", 2, Data), ("/b", 1, mode)]));
                }
                assert_eq!(watches.remove(Some("/none"), 3, ME), Err(ErrorCode::NoWatcher));
                assert_eq!(watches.check(Some("/none"), 3, OTHER), Err(ErrorCode::NoWatcher));
            }
        }
    }
}

#[test]
fn in_3_8_a_kind_takes_away_half_of_a_persistent_watch() {
    let mut watches = watching(Release::V3_8_0, &[("/a", 1, Persistent)]);
    watches.remove(Some("/a"), 1, ME).unwrap();
    assert!(heard(&mut watches, NodeChildrenChanged, "/a").is_empty());
    assert_eq!(heard(&mut watches, NodeDataChanged, "/a"), [1]);
    watches.remove(Some("/a"), 2, ME).unwrap();
    assert!(is_empty(&watches));
}

#[test]
fn in_3_9_a_kind_leaves_the_other_modes_at_a_path() {
    let all = [("/a", 1, Data), ("/a", 1, Child), ("/a", 1, Persistent), ("/a", 1, Recursive)];
    for (kind, taken) in [(1, Child), (2, Data), (4, Persistent), (5, Recursive)] {
        let mut watches = watching(Release::V3_9_5, &all);
        watches.remove(Some("/a"), kind, ME).unwrap();
        let rest: Vec<_> = all.into_iter().filter(|(.., mode)| *mode != taken).collect();
        assert!(watches == watching(Release::V3_9_5, &rest), "{kind}");
        assert_eq!(watches.check(Some("/a"), kind, ME), Err(ErrorCode::NoWatcher));
        assert_eq!(watches.check(Some("/a"), 3, ME), Ok(Reply::WatchesChecked));
    }
}

#[test]
fn asking_3_8_for_a_path_without_a_slash_fails_to_be_understood() {
    let (missing, broken) = (Err(ErrorCode::NoWatcher), Err(ErrorCode::MarshallingError));
    let found = Ok(Reply::WatchesChecked);
    for (armed, path, expected) in [
        (&[][..], "", &missing),
        (&[("", 1, Data)], "", &missing),
        (&[], "a", &broken),
        (&[("a", 1, Data)], "a", &broken),
        (&[], "a/b", &missing),
        (&[("a/b", 1, Data)], "a/b", &found),
        (&[("/", 1, Recursive)], "a/b", &broken),
        (&[("/", 1, Recursive)], "/a/b", &missing),
        (&[("a/b", 1, Data), ("/", 1, Recursive)], "a/b", &found),
    ] {
        assert_eq!(
            &watching(Release::V3_8_0, armed).check(Some(path), 2, ME),
            expected,
            "{path:?} {armed:?}"
        );
    }
    assert_eq!(watching(Release::V3_9_5, &[]).check(Some("a"), 2, ME), missing);
}

/// `/old` was created, got data and got a child at 1, 5 and 7.
fn tree() -> Tree {
    let mut tree = Tree::new();
    let stamp = |zxid| Stamp { zxid: Zxid(zxid), millis: 0 };
    let node = |path: &str| {
        let acl = Acl::open().into();
        Step::Create(NewNode {
            path: path.into(),
            data: None,
            acl,
            kind: Kind::Persistent,
            parent_created: 1,
        })
    };
    let mut changes = Vec::new();
    tree.take(stamp(1), node("/old"), &mut changes);
    tree.take(stamp(5), Step::SetData { path: "/old".into(), data: None, version: 1 }, &mut changes);
    tree.take(stamp(7), node("/old/child"), &mut changes);
    tree
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum List {
    Data,
    Exist,
    Child,
    Persistent,
    Recursive,
}

fn set(release: Release, list: List, path: &str, relative_zxid: Zxid) -> (Watches, Vec<EventKind>) {
    let paths = vec![Arc::from(path)];
    let mut lists = WatchLists { relative_zxid, ..WatchLists::default() };
    match list {
        List::Data => lists.data = paths,
        List::Exist => lists.exist = paths,
        List::Child => lists.child = paths,
        List::Persistent => lists.persistent = paths,
        List::Recursive => lists.recursive = paths,
    }
    let (mut watches, mut told) = (Watches::new(release), Vec::new());
    let set = watches.set_watches(&lists, ME, &tree(), |event| {
        assert_eq!(&*event.path, path);
        told.push(event.kind);
    });
    assert_eq!(set, Ok(Reply::WatchesSet));
    (watches, told)
}

#[test]
fn nobody_watches_a_null() {
    for release in RELEASES {
        for mode in MODES {
            let mut watches = watching(release, &[("", 1, mode)]);
            for kind in 1..=5 {
                let known = kind < 4 || release == Release::V3_9_5;
                let expected = if known { ErrorCode::NoWatcher } else { ErrorCode::MarshallingError };
                assert_eq!(watches.remove(None, kind, ME), Err(expected), "{release} {kind}");
                let expected =
                    if release == Release::V3_9_5 { expected } else { ErrorCode::MarshallingError };
                assert_eq!(watches.check(None, kind, ME), Err(expected), "{release} {kind}");
            }
            assert!(!is_empty(&watches), "{release} {mode:?}");
        }
    }
}

#[test]
fn watches_that_missed_something_are_told_and_the_others_are_armed_again() {
    for release in RELEASES {
        for relative in [0, 4, 5, 6, 7, 8, u64::MAX] {
            // A number below zero is before everything.
            let after = |zxid: u64| relative == u64::MAX || zxid > relative;
            for (list, path, expected) in [
                (List::Data, "/old", after(5).then_some(NodeDataChanged)),
                (List::Data, "/none", Some(NodeDeleted)),
                (List::Exist, "/old", Some(NodeCreated)),
                (List::Exist, "/none", None),
                (List::Child, "/old", after(7).then_some(NodeChildrenChanged)),
                (List::Child, "/none", Some(NodeDeleted)),
                (List::Persistent, "/old", None),
                (List::Persistent, "/none", None),
                (List::Recursive, "/old", None),
                (List::Recursive, "/none", None),
            ] {
                let (watches, told) = set(release, list, path, Zxid(relative));
                assert_eq!(told, Vec::from_iter(expected), "{list:?} {path} {relative}");
                let mode = match list {
                    List::Data | List::Exist => Data,
                    List::Child => Child,
                    List::Persistent => Persistent,
                    List::Recursive => Recursive,
                };
                let armed = if expected.is_some() { vec![] } else { vec![(path, 1, mode)] };
                assert!(watches == watching(release, &armed), "{list:?} {path} {relative}");
            }
        }
    }
}

#[test]
fn a_path_on_several_lists_is_told_of_for_each() {
    let path: Arc<str> = "/none".into();
    let paths = || vec![path.clone()];
    let lists = WatchLists { data: paths(), child: paths(), recursive: paths(), ..WatchLists::default() };
    let (mut watches, mut told) = (Watches::new(Release::V3_9_5), Vec::new());
    watches.set_watches(&lists, ME, &tree(), |event| told.push(event.kind)).unwrap();
    assert_eq!(told, [NodeDeleted, NodeDeleted]);
    assert!(watches == watching(Release::V3_9_5, &[("/none", 1, Recursive)]));
}

#[test]
fn watches_go_with_their_connection() {
    for release in RELEASES {
        let armed = MODES.map(|mode| ("/a", 1, mode));
        let mut watches = watching(release, &armed);
        watches.add(&"/a".into(), OTHER, Recursive);
        watches.remove_connection(ME);
        watches.check_invariants();
        assert!(watches == watching(release, &[("/a", 2, Recursive)]));
        assert!(watches.connections().all(|connection| connection == OTHER));
        watches.remove_connection(ConnectionId(9));
        watches.remove_connection(OTHER);
        assert!(is_empty(&watches));
    }
}

#[derive(Clone, Debug)]
enum Act {
    Add(usize, u64, usize),
    Remove(usize, u64, i32),
    Trigger(usize, usize),
    Close(u64),
}

const PATHS: [&str; 6] = ["/", "/a", "/a/b", "/a/b/c", "/ab", "/b"];

fn any_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..PATHS.len(), 0_u64..3, 0..4_usize).prop_map(|(path, id, mode)| Act::Add(path, id, mode)),
        1 => (0..PATHS.len(), 0_u64..3, 1..6).prop_map(|(path, id, kind)| Act::Remove(path, id, kind)),
        4 => (0..PATHS.len(), 0..4_usize).prop_map(|(path, kind)| Act::Trigger(path, kind)),
        1 => (0_u64..3).prop_map(Act::Close),
    ]
}

/// What 3.9 promises, as a list without any order to it.
#[derive(Default)]
struct Plain(Vec<(&'static str, u64, WatchMode)>);

impl Plain {
    fn heard(&mut self, kind: EventKind, at: &str) -> BTreeSet<u64> {
        let below = |path: &str| at.starts_with(path) && (path == "/" || at[path.len()..].starts_with('/'));
        let matches = |path: &str, mode| match (mode, kind) {
            (Data, NodeChildrenChanged) | (Child, NodeCreated | NodeDataChanged) => false,
            (Recursive, NodeChildrenChanged) => false,
            (Recursive, _) => path == at || below(path),
            (Data | Child | Persistent, _) => path == at,
        };
        let heard =
            self.0.iter().filter(|(path, _, mode)| matches(path, *mode)).map(|(_, id, _)| *id).collect();
        self.0.retain(|(path, _, mode)| !(matches!(mode, Data | Child) && matches(path, *mode)));
        heard
    }
}

proptest! {
    #[test]
    fn with_3_9_the_tables_do_what_a_plain_list_of_watches_does(acts in prop::collection::vec(any_act(), 0..40)) {
        let mut watches = Watches::new(Release::V3_9_5);
        let mut plain = Plain::default();
        for act in acts {
            match act {
                Act::Add(path, id, mode) => {
                    let watch = (PATHS[path], id, MODES[mode]);
                    watches.add(&watch.0.into(), ConnectionId(id), watch.2);
                    if !plain.0.contains(&watch) {
                        plain.0.push(watch);
                    }
                }
                Act::Remove(path, id, kind) => {
                    let modes = named(Release::V3_9_5, kind).unwrap();
                    let before = plain.0.len();
                    plain.0.retain(|(at, of, mode)| !(*at == PATHS[path] && *of == id && modes.contains(mode)));
                    let removed = watches.remove(Some(PATHS[path]), kind, ConnectionId(id)).is_ok();
                    prop_assert_eq!(removed, plain.0.len() < before);
                }
                Act::Trigger(path, kind) => {
                    let told = heard(&mut watches, KINDS[kind], PATHS[path]);
                    let expected = plain.heard(KINDS[kind], PATHS[path]);
                    prop_assert_eq!(told.len(), expected.len(), "told twice");
                    prop_assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), expected);
                }
                Act::Close(id) => {
                    watches.remove_connection(ConnectionId(id));
                    plain.0.retain(|(_, of, _)| *of != id);
                }
            }
            watches.check_invariants();
            let armed: Vec<_> = plain.0.clone();
            prop_assert!(watches == watching(Release::V3_9_5, &armed));
        }
    }
}
