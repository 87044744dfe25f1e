//! What the leader is to delete: containers that have lost their last child, and nodes that have had their time.

use super::*;
use CreateMode::{Container, Ephemeral, Persistent, PersistentWithTtl};

fn due(world: &World, now_wall_ms: i64) -> Vec<&str> {
    let due = world.replica.due_containers(now_wall_ms);
    due.iter().map(|path| &**world.replica.tree().paths().find(|known| *known == path).unwrap()).collect()
}

#[test]
fn a_container_is_deleted_once_it_has_had_a_child_and_has_none() {
    let mut world = fresh(Release::V3_8_0);
    world.add("/c", Container);
    world.add("/p", Persistent);
    assert!(due(&world, i64::MAX).is_empty(), "nobody has used it yet");
    for path in ["/c/a", "/c/b", "/p/a"] {
        world.add(path, Ephemeral);
        assert!(due(&world, i64::MAX).is_empty());
    }
    world.delete("/c/a");
    world.delete("/p/a");
    assert!(due(&world, i64::MAX).is_empty());
    world.delete("/c/b");
    assert_eq!(due(&world, 0), ["/c"]);
    world.write(set_data("/c", ANY_VERSION)).unwrap();
    assert_eq!(due(&world, 0), ["/c"], "what it holds does not matter");
    world.add("/c/a", Ephemeral);
    assert!(due(&world, i64::MAX).is_empty());
    world.body(TransactionBody::CloseSession { order: 0, expired: false }).unwrap();
    assert_eq!(due(&world, 0), ["/c"]);
    world.session = SessionId(0);
    world.write(Operation::DeleteContainer { path: "/c".into() }).unwrap();
    assert!(due(&world, i64::MAX).is_empty());
}

#[test]
fn a_node_with_a_time_to_live_is_deleted_when_it_has_no_children_and_was_not_changed_for_longer() {
    let mut world = fresh(Release::V3_9_5);
    world.add("/t", PersistentWithTtl);
    let last = world.stat("/t").mtime + 5000;
    assert!(due(&world, last).is_empty());
    assert_eq!(due(&world, last + 1), ["/t"]);
    world.add("/t/x", Persistent);
    assert!(due(&world, i64::MAX).is_empty());
    world.delete("/t/x");
    assert_eq!(due(&world, last + 1), ["/t"], "children do not count as changes");
    world.write(set_data("/t", ANY_VERSION)).unwrap();
    let later = world.stat("/t").mtime + 5000;
    assert!(later > last && due(&world, later).is_empty());
    assert_eq!(due(&world, later + 1), ["/t"]);
    let acl = Some(Acl::open());
    world.write(Operation::SetAcl { path: "/t".into(), acl, version: ANY_VERSION }).unwrap();
    assert_eq!(due(&world, later + 1), ["/t"]);
    world.delete("/t");
    assert!(due(&world, i64::MAX).is_empty());
}

#[test]
fn both_kinds_are_told_together_by_path() {
    let mut world = fresh(Release::V3_9_5);
    for path in ["/d", "/b"] {
        world.add(path, Container);
        world.add(&alloc::format!("{path}/x"), Persistent);
        world.delete(&alloc::format!("{path}/x"));
    }
    for path in ["/c", "/a"] {
        world.add(path, PersistentWithTtl);
    }
    assert_eq!(due(&world, 0), ["/b", "/d"]);
    assert_eq!(due(&world, i64::MAX), ["/a", "/b", "/c", "/d"]);
}
