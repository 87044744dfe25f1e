//! Several operations in one request: all or nothing, and reads that see one state.

use crate::failure::{Failure, equal, must};
use crate::{PERSISTENT, Place};
use zookeeper_client as zk;

/// All happens in one transaction, or nothing does and the culprit is named.
pub async fn all_or_nothing(place: &Place) -> Result<(), Failure> {
    let client = place.client().await?;
    client.create("/all", b"", &PERSISTENT).await?;

    let mut writer = client.new_multi_writer();
    writer.add_check_version("/all", 0)?;
    writer.add_create("/all/made", b"", &PERSISTENT)?;
    writer.add_set_data("/all", b"changed", Some(0))?;
    writer.add_create("/all/brief", b"", &PERSISTENT)?;
    writer.add_delete("/all/brief", None)?;
    let results = writer.commit().await.map_err(zk::Error::from)?;
    equal("the number of results", results.len(), 5)?;
    let (_, stat) = client.get_data("/all").await?;
    let made = client.check_stat("/all/made").await?.map(|made| made.czxid);
    equal("the one transaction of all", made, Some(stat.mzxid))?;
    equal("what was deleted in it", client.check_stat("/all/brief").await?, None)?;

    let mut writer = client.new_multi_writer();
    writer.add_set_data("/all", b"never", None)?;
    writer.add_create("/all/never", b"", &PERSISTENT)?;
    writer.add_delete("/all/nothing", None)?;
    writer.add_delete("/all", None)?;
    let culprit = zk::MultiWriteError::OperationFailed { index: 2, source: zk::Error::NoNode };
    must(
        writer.commit().await.as_ref().err() == Some(&culprit),
        "a failing transaction does not name its third part",
    )?;
    equal("the data", client.get_data("/all").await?.0, b"changed".to_vec())?;
    equal("the children", client.list_children("/all").await?, vec!["made".to_owned()])?;

    let fenced = client.new_check_writer("/all", Some(0))?;
    let refusal = zk::CheckWriteError::CheckFailed { source: zk::Error::BadVersion };
    must(fenced.commit().await.as_ref().err() == Some(&refusal), "a check of an old version lets through")
}

/// One that cannot be read does not keep the others from being read.
pub async fn read_several(place: &Place) -> Result<(), Failure> {
    let client = place.client().await?;
    let mut reader = client.new_multi_reader();
    reader.add_get_data("/all")?;
    reader.add_get_data("/all/nothing")?;
    reader.add_get_children("/all")?;
    let results = reader.commit().await?;
    match results.as_slice() {
        [
            zk::MultiReadResult::Data { data, .. },
            zk::MultiReadResult::Error { err: zk::Error::NoNode },
            zk::MultiReadResult::Children { children },
        ] if data == b"changed" && children == &["made"] => Ok(()),
        others => Err(Failure::new(format!("found {others:?}"))),
    }
}
