//! Being told: once, again and again, and of what happened while the connection was broken.

use crate::door::Door;
use crate::failure::{Failure, equal};
use crate::{PERSISTENT, Place};
use zk::EventType::{NodeChildrenChanged, NodeCreated, NodeDataChanged, NodeDeleted};
use zookeeper_client as zk;

/// Type and path of an event.
fn told(event: zk::WatchedEvent) -> (zk::EventType, String) {
    (event.event_type, event.path)
}

fn of(event: zk::EventType, path: &str) -> (zk::EventType, String) {
    (event, path.to_owned())
}

/// Each way of watching is told once of what it waits for.
pub async fn one_shot(place: &Place) -> Result<(), Failure> {
    let (watcher, writer) = (place.client().await?, place.client().await?);
    let (_, created) = watcher.check_and_watch_stat("/once").await?;
    writer.create("/once", b"", &PERSISTENT).await?;
    equal("after a create", told(created.changed().await), of(NodeCreated, "/once"))?;

    let (_, _, changed) = watcher.get_and_watch_data("/once").await?;
    writer.set_data("/once", b"new", None).await?;
    equal("after a change", told(changed.changed().await), of(NodeDataChanged, "/once"))?;

    let (_, children) = watcher.list_and_watch_children("/once").await?;
    writer.create("/once/child", b"", &PERSISTENT).await?;
    equal("after a child's create", told(children.changed().await), of(NodeChildrenChanged, "/once"))?;

    writer.delete("/once/child", None).await?;
    watcher.sync("/").await?;
    let (_, _, deleted) = watcher.get_and_watch_data("/once").await?;
    let (_, _, childless) = watcher.get_and_watch_children("/once").await?;
    writer.delete("/once", None).await?;
    equal("who reads the data, after a delete", told(deleted.changed().await), of(NodeDeleted, "/once"))?;
    equal("who lists the children, after a delete", told(childless.changed().await), of(NodeDeleted, "/once"))
}

/// A persistent watch is told again and again, a recursive one of all below.
pub async fn persistent(place: &Place) -> Result<(), Failure> {
    let (watcher, writer) = (place.client().await?, place.client().await?);
    for path in ["/always", "/deep"] {
        writer.create(path, b"", &PERSISTENT).await?;
    }
    watcher.sync("/").await?;
    let mut always = watcher.watch("/always", zk::AddWatchMode::Persistent).await?;
    let mut deep = watcher.watch("/deep", zk::AddWatchMode::PersistentRecursive).await?;
    for path in ["/always", "/deep"] {
        let (child, grandchild) = (format!("{path}/child"), format!("{path}/child/child"));
        writer.set_data(path, b"new", None).await?;
        writer.create(&child, b"", &PERSISTENT).await?;
        writer.create(&grandchild, b"", &PERSISTENT).await?;
        writer.delete(&grandchild, None).await?;
        writer.delete(&child, None).await?;
        writer.delete(path, None).await?;
    }
    for event in [
        of(NodeDataChanged, "/always"),
        of(NodeChildrenChanged, "/always"),
        of(NodeChildrenChanged, "/always"),
        of(NodeDeleted, "/always"),
    ] {
        equal("a persistent watch", told(always.changed().await), event)?;
    }
    for event in [
        of(NodeDataChanged, "/deep"),
        of(NodeCreated, "/deep/child"),
        of(NodeCreated, "/deep/child/child"),
        of(NodeDeleted, "/deep/child/child"),
        of(NodeDeleted, "/deep/child"),
        of(NodeDeleted, "/deep"),
    ] {
        equal("a recursive watch", told(deep.changed().await), event)?;
    }
    Ok(())
}

/// The client gives its one-shot watches to the server again, and is told of what it missed. Its persistent ones it
/// forgets (0.11.2), so they are no check of the server.
pub async fn reconnect(place: &Place) -> Result<(), Failure> {
    let writer = place.client().await?;
    for path in ["/missed", "/missed/gone", "/later"] {
        writer.create(path, b"", &PERSISTENT).await?;
    }
    let mut door = Door::open(&place.servers).await?;
    let watcher = place.enter(zk::Client::connector(), &door.address).await?;
    let session = watcher.session_id();
    let (_, _, missed) = watcher.get_and_watch_data("/missed").await?;
    let (_, children) = watcher.list_and_watch_children("/missed").await?;
    let (_, _, gone) = watcher.get_and_watch_data("/missed/gone").await?;
    let (_, made) = watcher.check_and_watch_stat("/made").await?;
    let (_, _, later) = watcher.get_and_watch_data("/later").await?;

    door.shut().await;
    writer.set_data("/missed", b"new", None).await?;
    writer.delete("/missed/gone", None).await?;
    writer.create("/made", b"", &PERSISTENT).await?;
    door.reopen().await?;
    equal("a change that was missed", told(missed.changed().await), of(NodeDataChanged, "/missed"))?;
    equal("a child that was missed", told(children.changed().await), of(NodeChildrenChanged, "/missed"))?;
    equal("a delete that was missed", told(gone.changed().await), of(NodeDeleted, "/missed/gone"))?;
    equal("a create that was missed", told(made.changed().await), of(NodeCreated, "/made"))?;

    writer.set_data("/later", b"new", None).await?;
    equal("a change after the break", told(later.changed().await), of(NodeDataChanged, "/later"))?;
    equal("the session", watcher.session_id(), session)
}
