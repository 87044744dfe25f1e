//! What is answered, as bytes: the body behind the header of a reply.

use super::jute::{Reader, Unreadable, Writer};
use super::multi;
use super::records::{
    read_acl, read_data, read_identity, read_stat, write_acl, write_data, write_identity, write_stat,
};
use crate::error::ErrorCode;
use crate::operation::{CreateRequest, Operation, Reply};
use alloc::sync::Arc;

/// Writes the body of a reply.
pub(super) fn write(writer: &mut Writer<'_>, reply: &Reply) {
    match reply {
        Reply::Created { path } => writer.string(path),
        Reply::Synced { path } => writer.string_or_null(path.as_deref()),
        Reply::CreatedWithStat { path, stat } => {
            writer.string(path);
            write_stat(writer, stat);
        }
        Reply::Exists { stat } | Reply::DataSet { stat } | Reply::AclSet { stat } => write_stat(writer, stat),
        Reply::Data { data, stat } => {
            write_data(writer, data);
            write_stat(writer, stat);
        }
        Reply::Acl { acl, stat } => {
            write_acl(writer, acl);
            write_stat(writer, stat);
        }
        Reply::Children { children } => writer.strings(children.iter()),
        Reply::Ephemerals { paths } => writer.strings(paths.iter()),
        Reply::ChildrenWithStat { children, stat } => {
            writer.strings(children.iter());
            write_stat(writer, stat);
        }
        Reply::Multi { results } | Reply::BrokenMulti { results } => multi::write_results(writer, results),
        Reply::WatchAdded => writer.int(ErrorCode::Ok.number()),
        Reply::AllChildrenNumber { number } => writer.int(*number),
        Reply::WhoAmI { identities } => writer.vector(identities, write_identity),
        Reply::Deleted
        | Reply::Checked
        | Reply::WatchesSet
        | Reply::WatchesRemoved
        | Reply::WatchesChecked
        | Reply::Authenticated
        | Reply::Nothing => {}
    }
}

/// Which reply is due. Bytes alone do not say it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Form {
    Path,
    PathAndStat,
    Deleted,
    Exists,
    Data,
    DataSet,
    Acl,
    AclSet,
    Children,
    ChildrenWithStat,
    Synced,
    Checked,
    Multi,
    WatchesSet,
    WatchAdded,
    WatchesRemoved,
    WatchesChecked,
    Ephemerals,
    AllChildrenNumber,
    WhoAmI,
    Nothing,
}

impl Form {
    /// The form in which an operation is answered.
    pub(super) fn of(operation: &Operation) -> Form {
        match operation {
            Operation::Create(create) => match create.request {
                CreateRequest::Create => Form::Path,
                CreateRequest::Create2 | CreateRequest::CreateContainer | CreateRequest::CreateTtl => {
                    Form::PathAndStat
                }
            },
            Operation::Delete { .. } | Operation::DeleteContainer { .. } => Form::Deleted,
            Operation::Exists { .. } => Form::Exists,
            Operation::GetData { .. } => Form::Data,
            Operation::SetData { .. } => Form::DataSet,
            Operation::GetAcl { .. } => Form::Acl,
            Operation::SetAcl { .. } => Form::AclSet,
            Operation::GetChildren { .. } => Form::Children,
            Operation::GetChildren2 { .. } => Form::ChildrenWithStat,
            Operation::Sync { .. } => Form::Synced,
            Operation::Check { .. } => Form::Checked,
            Operation::Multi { .. } | Operation::MultiRead { .. } => Form::Multi,
            Operation::SetWatches(_) => Form::WatchesSet,
            Operation::AddWatch { .. } => Form::WatchAdded,
            Operation::RemoveWatches { .. } => Form::WatchesRemoved,
            Operation::CheckWatches { .. } => Form::WatchesChecked,
            Operation::GetEphemerals { .. } => Form::Ephemerals,
            Operation::GetAllChildrenNumber { .. } => Form::AllChildrenNumber,
            Operation::WhoAmI => Form::WhoAmI,
            Operation::Reconfig | Operation::Malformed { .. } | Operation::Unknown { .. } => Form::Nothing,
        }
    }

    /// Reads the body of a reply of this form.
    pub(super) fn read(self, reader: &mut Reader<'_>) -> Result<Reply, Unreadable> {
        Ok(match self {
            Form::Path => Reply::Created { path: reader.string()? },
            Form::PathAndStat => Reply::CreatedWithStat { path: reader.string()?, stat: read_stat(reader)? },
            Form::Deleted => Reply::Deleted,
            Form::Exists => Reply::Exists { stat: read_stat(reader)? },
            Form::Data => Reply::Data { data: read_data(reader)?, stat: read_stat(reader)? },
            Form::DataSet => Reply::DataSet { stat: read_stat(reader)? },
            Form::Acl => {
                Reply::Acl { acl: read_acl(reader)?.unwrap_or_default(), stat: read_stat(reader)?.into() }
            }
            Form::AclSet => Reply::AclSet { stat: read_stat(reader)? },
            Form::Children => Reply::Children { children: reader.strings()?.into() },
            Form::ChildrenWithStat => {
                Reply::ChildrenWithStat { children: reader.strings()?, stat: read_stat(reader)?.into() }
            }
            Form::Synced => Reply::Synced { path: reader.string_or_null()?.map(Arc::from) },
            Form::Checked => Reply::Checked,
            Form::Multi => Reply::Multi { results: multi::read_results(reader)? },
            Form::WatchesSet => Reply::WatchesSet,
            Form::WatchAdded => Reply::WatchAdded,
            Form::WatchesRemoved => Reply::WatchesRemoved,
            Form::WatchesChecked => Reply::WatchesChecked,
            Form::Ephemerals => Reply::Ephemerals { paths: reader.strings()? },
            Form::AllChildrenNumber => Reply::AllChildrenNumber { number: reader.int()? },
            Form::WhoAmI => {
                Reply::WhoAmI { identities: reader.vector(8, read_identity)?.unwrap_or_default() }
            }
            Form::Nothing => Reply::Nothing,
        })
    }
}

/// The code of that number; of a number that is not told apart here, the one that says so.
pub(super) fn error_of(number: i32) -> ErrorCode {
    ErrorCode::of(number).unwrap_or(ErrorCode::SystemError)
}
