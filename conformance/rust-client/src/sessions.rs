//! Sessions: their end takes what is theirs, they can be found again, and a lock lives as long as one.

use crate::failure::{Failure, equal, must, refused};
use crate::{PERSISTENT, Place, open_to_all};
use std::time::Duration;
use zookeeper_client as zk;

/// How long a lock that is held must not be given to another.
const PATIENCE: Duration = Duration::from_millis(300);

const EPHEMERAL: zk::CreateOptions<'static> = open_to_all(zk::CreateMode::EphemeralSequential);

/// A client that goes takes its ephemeral znodes with it, at once.
pub async fn end(place: &Place) -> Result<(), Failure> {
    let (leaving, staying) = (place.client().await?, place.client().await?);
    staying.create("/members", b"", &PERSISTENT).await?;
    let (stat, sequence) = leaving.create("/members/m-", b"", &EPHEMERAL).await?;
    equal("the owner", stat.ephemeral_owner, leaving.session_id().0)?;
    staying.sync("/").await?;
    let (members, watcher) = staying.list_and_watch_children("/members").await?;
    equal("the members", members, vec![format!("m-{sequence}")])?;
    drop(leaving);
    equal("the event", watcher.changed().await.event_type, zk::EventType::NodeChildrenChanged)?;
    equal("the members", staying.list_children("/members").await?, Vec::<String>::new())
}

/// Who knows a session's id and password can go on with it; who knows only its id cannot, nor anybody once it is closed.
pub async fn found_again(place: &Place) -> Result<(), Failure> {
    let detached = zk::Client::connector().with_detached();
    let before = place.enter(detached, &place.servers).await?;
    before.create("/members/m-", b"", &EPHEMERAL).await?;
    let id = before.session_id();
    let session = before.into_session();

    let again = zk::Client::connector().with_session(session.clone());
    let after = place.enter(again, &place.servers).await?;
    equal("the session", after.session_id(), id)?;
    equal("its ephemeral znodes", after.list_ephemerals("/").await?.len(), 1)?;
    let witness = place.client().await?;
    let (members, watcher) = witness.list_and_watch_children("/members").await?;
    equal("the members", members.len(), 1)?;
    drop(after);
    equal("the event", watcher.changed().await.event_type, zk::EventType::NodeChildrenChanged)?;
    let closed = zk::Client::connector().with_session(session).connect(&place.servers).await;
    refused("a session that was closed", closed, zk::Error::SessionExpired)
}

/// One holds it; whoever waits gets it when the holder lets go, and when the holder's session ends.
pub async fn lock(place: &Place) -> Result<(), Failure> {
    let (first, second, third) = (place.client().await?, place.client().await?, place.client().await?);
    let prefix = || zk::LockPrefix::new_curator("/lock", "lock-");
    let options = zk::LockOptions::new(zk::Acls::anyone_all()).with_ancestor_options(PERSISTENT)?;

    let held = first.lock(prefix()?, b"first", options.clone()).await?;
    let mut waiting = Box::pin(second.lock(prefix()?, b"second", options.clone()));
    must(tokio::time::timeout(PATIENCE, &mut waiting).await.is_err(), "two hold the lock")?;
    third.sync("/").await?;
    equal("the queue", third.list_children("/lock").await?.len(), 2)?;
    drop(held);
    let held = waiting.as_mut().await?;
    must(held.lock_path().starts_with("/lock/_c_"), format!("unexpected name {}", held.lock_path()))?;
    // Its session ends with it, and nobody says that the lock is given back.
    std::mem::forget(held);
    drop(waiting);
    drop(second);
    third.lock(prefix()?, b"third", options).await?;
    Ok(())
}
