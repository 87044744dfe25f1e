//! What is stored: data and versions, the kinds of znodes, who may do what.

use crate::failure::{Failure, equal, must, refused};
use crate::{PERSISTENT, Place, open_to_all};
use std::time::Duration;
use zookeeper_client as zk;

/// Data, versions and stats are what was written; whatever is wrong is refused.
pub async fn read_and_write(place: &Place) -> Result<(), Failure> {
    let client = place.client().await?;
    let (created, _) = client.create("/value", b"one", &PERSISTENT).await?;
    equal(
        "what create says and what get says",
        client.get_data("/value").await?,
        (b"one".to_vec(), created),
    )?;
    equal(
        "version, length, owner",
        (created.version, created.data_length, created.ephemeral_owner),
        (0, 3, 0),
    )?;

    let changed = client.set_data("/value", b"two!", Some(0)).await?;
    equal("version and length", (changed.version, changed.data_length), (1, 4))?;
    equal("the creating transaction", changed.czxid, created.czxid)?;
    must(changed.mzxid > created.mzxid, "a change has no later transaction")?;
    refused("an old version", client.set_data("/value", b"", Some(0)).await, zk::Error::BadVersion)?;
    refused("an old version", client.delete("/value", Some(0)).await, zk::Error::BadVersion)?;

    client.create("/value/child", b"", &PERSISTENT).await?;
    equal("the children", client.list_children("/value").await?, vec!["child".to_owned()])?;
    equal("their number", client.get_children("/value").await?.1.num_children, 1)?;
    equal("all below", client.count_descendants_number("/value").await?, 1)?;
    refused("twice the same", client.create("/value", b"", &PERSISTENT).await, zk::Error::NodeExists)?;
    refused("no parent", client.create("/no/child", b"", &PERSISTENT).await, zk::Error::NoNode)?;
    refused("with a child", client.delete("/value", None).await, zk::Error::NotEmpty)?;
    refused("nothing there", client.get_data("/nothing").await, zk::Error::NoNode)?;
    equal("nothing there", client.check_stat("/nothing").await?, None)?;

    client.delete("/value/child", Some(0)).await?;
    client.delete("/value", Some(1)).await?;
    equal("deleted", client.check_stat("/value").await?, None)?;
    client.sync("/").await?;
    client.get_config().await?;
    Ok(())
}

/// Sequence numbers count all children ever made; containers and znodes with a time to live can be made.
pub async fn kinds(place: &Place) -> Result<(), Failure> {
    let client = place.client().await?;
    client.mkdir("/kinds/of", &open_to_all(zk::CreateMode::Container)).await?;
    let sequential = open_to_all(zk::CreateMode::PersistentSequential);
    let mut numbers = Vec::new();
    for path in ["/kinds/a-", "/kinds/b-"] {
        numbers.push(client.create(path, b"", &sequential).await?.1.into_i64());
    }
    equal("the sequence numbers after one other child", numbers, vec![1, 2])?;

    let lives_an_hour = PERSISTENT.with_ttl(Duration::from_secs(3600));
    let (stat, _) = client.create("/kinds/ttl", b"", &lives_an_hour).await?;
    equal("the owner shown for a time to live", stat.ephemeral_owner, 0)?;

    let ephemeral = open_to_all(zk::CreateMode::Ephemeral);
    let (stat, _) = client.create("/kinds/ephemeral", b"", &ephemeral).await?;
    equal("the owner", stat.ephemeral_owner, client.session_id().0)?;
    equal("the session's own", client.list_ephemerals("/").await?, vec!["/kinds/ephemeral".to_owned()])?;
    let below = client.create("/kinds/ephemeral/child", b"", &PERSISTENT).await;
    refused("below an ephemeral znode", below, zk::Error::NoChildrenForEphemerals)
}

/// What is closed to others is closed, until they have the right name and password.
pub async fn access(place: &Place) -> Result<(), Failure> {
    let owner = place.client().await?;
    owner.auth("digest", b"owner:secret").await?;
    let closed = zk::CreateMode::Persistent.with_acls(zk::Acls::creator_all());
    owner.create("/closed", b"inside", &closed).await?;
    let users = owner.list_auth_users().await?;
    must(users.contains(&zk::AuthUser::new("digest", "owner")), format!("the server knows {users:?}"))?;

    let other = place.client().await?;
    refused("reading", other.get_data("/closed").await, zk::Error::NoAuth)?;
    refused("a child", other.create("/closed/child", b"", &PERSISTENT).await, zk::Error::NoAuth)?;
    other.auth("digest", b"owner:guess").await?;
    refused("reading with a wrong password", other.get_data("/closed").await, zk::Error::NoAuth)?;
    other.auth("digest", b"owner:secret").await?;
    equal("the data", other.get_data("/closed").await?.0, b"inside".to_vec())?;

    let stat = other.set_acl("/closed", &zk::Acls::anyone_all(), Some(0)).await?;
    equal("the version of the access list", stat.aversion, 1)?;
    let third = place.client().await?;
    equal("the data", third.get_data("/closed").await?.0, b"inside".to_vec())
}

/// Deletes a znode and all below it.
pub async fn delete_all(client: &zk::Client, path: &str) -> Result<(), Failure> {
    for child in client.list_children(path).await? {
        Box::pin(delete_all(client, &format!("{path}/{child}"))).await?;
    }
    match client.delete(path, None).await {
        // An ephemeral znode may go by itself meanwhile.
        Ok(()) | Err(zk::Error::NoNode) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
