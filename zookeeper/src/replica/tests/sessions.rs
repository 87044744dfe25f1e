//! Sessions: who is listed, and what goes with them.

use super::*;
use CreateMode::{Ephemeral, Persistent};

/// Session 7 owns `/e`, `/p/a` and `/p/z`; session 8 owns `/other`.
fn with_ephemerals() -> World {
    let mut world = fresh(Release::V3_9_5);
    for session in [SESSION, SessionId(8)] {
        world.session = session;
        world.body(TransactionBody::OpenSession { timeout: Duration::from_secs(session.0) }).unwrap();
    }
    world.add("/other", Ephemeral);
    world.session = SESSION;
    world.add("/p", Persistent);
    for path in ["/p/z", "/e", "/p/a"] {
        world.add(path, Ephemeral);
    }
    world
}

#[test]
fn open_sessions_are_listed_with_their_timeouts() {
    let mut world = with_ephemerals();
    let seconds = |world: &World| -> Vec<(u64, u64)> {
        let sessions = world.replica.sessions().iter();
        sessions.map(|(session, timeout)| (session.0, timeout.as_secs())).collect()
    };
    assert_eq!(seconds(&world), [(7, 7), (8, 8)]);
    world.body(TransactionBody::CloseSession { order: 0, expired: false }).unwrap();
    assert_eq!(seconds(&world), [(8, 8)]);
}

#[test]
fn the_ephemeral_nodes_of_a_session_go_with_it_in_one_transaction() {
    let mut world = with_ephemerals();
    let czxid = world.stat("/p").czxid;
    assert_eq!(world.body(TransactionBody::CloseSession { order: 0, expired: false }), Ok(Reply::Nothing));
    use EventKind::{NodeChildrenChanged, NodeDeleted};
    let told = [
        (NodeDeleted, "/e"),
        (NodeChildrenChanged, "/"),
        (NodeDeleted, "/p/a"),
        (NodeChildrenChanged, "/p"),
        (NodeDeleted, "/p/z"),
        (NodeChildrenChanged, "/p"),
    ];
    assert_eq!(world.told(), told);
    let stat = world.stat("/p");
    assert_eq!((stat.czxid, stat.pzxid), (czxid, world.replica.last_zxid()));
    assert_eq!((stat.cversion, stat.num_children), (4, 0));
    assert!(world.replica.tree().ephemeral_owners().eq([SessionId(8)]));
    assert_eq!(world.body(TransactionBody::CloseSession { order: 0, expired: false }), Ok(Reply::Nothing));
    assert_eq!(world.told(), []);
}

#[test]
fn the_order_in_which_they_go_is_settled_by_a_number() {
    let orders: alloc::collections::BTreeSet<Vec<String>> = (0..50)
        .map(|order| {
            let mut world = with_ephemerals();
            world.body(TransactionBody::CloseSession { order, expired: false }).unwrap();
            let told = world.told().into_iter();
            told.filter(|(kind, _)| *kind == EventKind::NodeDeleted).map(|(_, path)| path.into()).collect()
        })
        .collect();
    assert_eq!(orders.len(), 6, "three nodes can go in six orders");
}

#[test]
#[should_panic(expected = "transactions are applied in order, and once")]
fn a_transaction_is_not_applied_twice() {
    let mut world = fresh(Release::V3_9_5);
    let body = TransactionBody::CloseSession { order: 0, expired: false };
    let transaction = Transaction { zxid: Zxid(1), wall_ms: 0, session: SESSION, body };
    world.replica.apply(&transaction);
    world.replica.apply(&transaction);
}
