//! What is asked for, as bytes: the number of a request, and the body behind its header.

use super::jute::{Reader, Unreadable, Writer};
use super::multi::{self, Parts};
use super::opcode;
use super::records::{flag_of, mode_of, number_of, read_acl, read_data, write_acl, write_data, zxid_of};
use crate::operation::{Create, CreateRequest, Operation, WatchLists, stops_at_null_acl};
use crate::types::Release;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Reads the body of a request. What makes no sense is an operation too: the server answers it.
pub(super) fn read(number: i32, reader: &mut Reader<'_>, release: Release) -> Operation {
    let operation = read_body(number, reader, release);
    match operation {
        Ok(operation) => unless_missed(reader.missed(), number, operation),
        Err(Unreadable) => Operation::Malformed { opcode: number, readable: false },
    }
}

/// The operation, unless there was a null in it where none may be.
fn unless_missed(missed: bool, number: i32, operation: Operation) -> Operation {
    match operation {
        Operation::Create(create) if missed && create.has_bad_flag() => Operation::Create(create),
        _ if missed => Operation::Malformed { opcode: number, readable: true },
        operation => operation,
    }
}

/// Where a null path is as good as an empty one it is read as one: servers refuse both alike, or take both.
fn read_body(number: i32, reader: &mut Reader<'_>, release: Release) -> Result<Operation, Unreadable> {
    Ok(match number {
        opcode::CREATE => read_create(CreateRequest::Create, reader)?,
        opcode::CREATE2 => read_create(CreateRequest::Create2, reader)?,
        opcode::CREATE_CONTAINER => read_create(CreateRequest::CreateContainer, reader)?,
        opcode::CREATE_TTL => read_create(CreateRequest::CreateTtl, reader)?,
        opcode::DELETE => Operation::Delete { path: reader.string()?, version: reader.int()? },
        opcode::DELETE_CONTAINER => Operation::DeleteContainer { path: reader.string()? },
        opcode::EXISTS => Operation::Exists { path: reader.string()?, watch: reader.boolean()? },
        opcode::GET_DATA => Operation::GetData { path: reader.string()?, watch: reader.boolean()? },
        opcode::SET_DATA => read_set_data(reader.string_or_empty()?, reader)?,
        opcode::GET_ACL => Operation::GetAcl { path: reader.string()? },
        opcode::SET_ACL => read_set_acl(reader)?,
        opcode::GET_CHILDREN => Operation::GetChildren { path: reader.string()?, watch: reader.boolean()? },
        opcode::GET_CHILDREN2 => Operation::GetChildren2 { path: reader.string()?, watch: reader.boolean()? },
        opcode::SYNC => Operation::Sync { path: read_path_or_null(reader)? },
        opcode::CHECK => Operation::Check { path: reader.string_or_empty()?, version: reader.int()? },
        opcode::MULTI => read_multi(reader, release)?,
        opcode::MULTI_READ => read_multi_read(reader, release)?,
        opcode::SET_WATCHES => Operation::SetWatches(read_watch_lists(reader)?.into()),
        opcode::SET_WATCHES2 => Operation::SetWatches(read_more_watch_lists(reader)?.into()),
        opcode::ADD_WATCH => Operation::AddWatch { path: reader.string_or_empty()?, mode: reader.int()? },
        opcode::REMOVE_WATCHES => {
            Operation::RemoveWatches { path: read_path_or_null(reader)?, kind: reader.int()? }
        }
        opcode::CHECK_WATCHES => read_check_watches(reader, release)?,
        opcode::GET_EPHEMERALS => Operation::GetEphemerals { prefix: reader.string_or_empty()? },
        opcode::GET_ALL_CHILDREN_NUMBER => Operation::GetAllChildrenNumber { path: reader.string()? },
        opcode::WHO_AM_I => Operation::WhoAmI,
        opcode::RECONFIG => read_reconfig(reader)?,
        unknown => Operation::Unknown { opcode: unknown },
    })
}

pub(super) fn read_create(request: CreateRequest, reader: &mut Reader<'_>) -> Result<Operation, Unreadable> {
    let path = reader.string()?;
    let data = read_data(reader)?;
    let acl = read_acl(reader)?;
    let mode = mode_of(reader.int()?);
    let ttl_ms = match request {
        CreateRequest::CreateTtl => reader.long()?,
        CreateRequest::Create | CreateRequest::Create2 | CreateRequest::CreateContainer => -1,
    };
    Ok(Operation::Create(Box::new(Create { request, path, data, acl, mode, ttl_ms })))
}

pub(super) fn read_set_data(path: Arc<str>, reader: &mut Reader<'_>) -> Result<Operation, Unreadable> {
    Ok(Operation::SetData { path, data: read_data(reader)?, version: reader.int()? })
}

fn read_set_acl(reader: &mut Reader<'_>) -> Result<Operation, Unreadable> {
    let path = reader.string_or_empty()?;
    Ok(Operation::SetAcl { path, acl: read_acl(reader)?, version: reader.int()? })
}

/// 3.8 stumbles over a path that is null, and 3.9 does not.
fn read_check_watches(reader: &mut Reader<'_>, release: Release) -> Result<Operation, Unreadable> {
    let path = match release {
        Release::V3_8_0 => Some(reader.string()?),
        Release::V3_9_5 => read_path_or_null(reader)?,
    };
    Ok(Operation::CheckWatches { path, kind: reader.int()? })
}

fn read_path_or_null(reader: &mut Reader<'_>) -> Result<Option<Arc<str>>, Unreadable> {
    Ok(reader.string_or_null()?.map(Arc::from))
}

/// What is wrong with a multi is found out by 3.8 when all of it has been read, and by 3.9 while it reads: nothing behind an
/// ACL that is null matters.
fn read_multi(reader: &mut Reader<'_>, release: Release) -> Result<Operation, Unreadable> {
    let mut parts = Parts::default();
    let read = parts.read(reader);
    let is_wrong = read.is_err() || !parts.pathless.is_empty();
    match release {
        Release::V3_9_5 if is_wrong => {
            let readable = stops_at_null_acl(&parts.operations);
            Ok(Operation::Malformed { opcode: opcode::MULTI, readable })
        }
        Release::V3_8_0 | Release::V3_9_5 => {
            read.map(|()| Operation::Multi { operations: parts.into_operations() })
        }
    }
}

/// A part without a path hides what is wrong with it otherwise, and 3.9 sees that first.
fn read_multi_read(reader: &mut Reader<'_>, release: Release) -> Result<Operation, Unreadable> {
    let mut parts = Parts::default();
    parts.read(reader)?;
    let is_understood = |part: &usize| match &parts.operations[*part] {
        Operation::Create(create) => create.is_understood_as_part(release),
        _ => true,
    };
    if !parts.pathless.iter().all(is_understood) {
        return Err(Unreadable);
    }
    Ok(Operation::MultiRead { operations: parts.into_operations() })
}

fn read_reconfig(reader: &mut Reader<'_>) -> Result<Operation, Unreadable> {
    for _joining_leaving_or_new_members in 0..3 {
        reader.string_or_null()?;
    }
    let _configuration = reader.long()?;
    Ok(Operation::Reconfig)
}

fn read_watch_lists(reader: &mut Reader<'_>) -> Result<WatchLists, Unreadable> {
    let mut lists = WatchLists { relative_zxid: zxid_of(reader.long()?), ..WatchLists::default() };
    for list in [&mut lists.data, &mut lists.exist, &mut lists.child] {
        *list = read_paths_to_null(reader, &mut lists.ends_in_null)?;
    }
    Ok(lists)
}

fn read_more_watch_lists(reader: &mut Reader<'_>) -> Result<WatchLists, Unreadable> {
    let mut lists = read_watch_lists(reader)?;
    for list in [&mut lists.persistent, &mut lists.recursive] {
        *list = read_paths_to_null(reader, &mut lists.ends_in_null)?;
    }
    Ok(lists)
}

/// Reads a list, and keeps what stands before the first null of all lists.
fn read_paths_to_null(reader: &mut Reader<'_>, ended: &mut bool) -> Result<Vec<Arc<str>>, Unreadable> {
    let list = reader.vector(4, |reader| Ok(reader.string_or_null()?.map(Arc::from)))?;
    let mut paths = Vec::new();
    for path in list.unwrap_or_else(|| Vec::from([None])) {
        match path {
            Some(path) if !*ended => paths.push(path),
            Some(_) => {}
            None => *ended = true,
        }
    }
    Ok(paths)
}

/// The number of a request.
pub(super) fn number(operation: &Operation) -> i32 {
    match operation {
        Operation::Create(create) => match create.request {
            CreateRequest::Create => opcode::CREATE,
            CreateRequest::Create2 => opcode::CREATE2,
            CreateRequest::CreateContainer => opcode::CREATE_CONTAINER,
            CreateRequest::CreateTtl => opcode::CREATE_TTL,
        },
        Operation::Delete { .. } => opcode::DELETE,
        Operation::DeleteContainer { .. } => opcode::DELETE_CONTAINER,
        Operation::Exists { .. } => opcode::EXISTS,
        Operation::GetData { .. } => opcode::GET_DATA,
        Operation::SetData { .. } => opcode::SET_DATA,
        Operation::GetAcl { .. } => opcode::GET_ACL,
        Operation::SetAcl { .. } => opcode::SET_ACL,
        Operation::GetChildren { .. } => opcode::GET_CHILDREN,
        Operation::GetChildren2 { .. } => opcode::GET_CHILDREN2,
        Operation::Sync { .. } => opcode::SYNC,
        Operation::Check { .. } => opcode::CHECK,
        Operation::Multi { .. } => opcode::MULTI,
        Operation::MultiRead { .. } => opcode::MULTI_READ,
        // Servers before 3.6 know the older form alone.
        Operation::SetWatches(lists) if lists.persistent.is_empty() && lists.recursive.is_empty() => {
            opcode::SET_WATCHES
        }
        Operation::SetWatches(_) => opcode::SET_WATCHES2,
        Operation::AddWatch { .. } => opcode::ADD_WATCH,
        Operation::RemoveWatches { .. } => opcode::REMOVE_WATCHES,
        Operation::CheckWatches { .. } => opcode::CHECK_WATCHES,
        Operation::GetEphemerals { .. } => opcode::GET_EPHEMERALS,
        Operation::GetAllChildrenNumber { .. } => opcode::GET_ALL_CHILDREN_NUMBER,
        Operation::WhoAmI => opcode::WHO_AM_I,
        Operation::Reconfig => opcode::RECONFIG,
        Operation::Malformed { opcode, .. } | Operation::Unknown { opcode } => *opcode,
    }
}

/// Writes the body of a request. What cannot be read has none.
pub(super) fn write(writer: &mut Writer<'_>, operation: &Operation) {
    match operation {
        Operation::Create(create) => write_create(writer, create),
        Operation::Delete { path, version } | Operation::Check { path, version } => {
            writer.string(path);
            writer.int(*version);
        }
        Operation::Exists { path, watch }
        | Operation::GetData { path, watch }
        | Operation::GetChildren { path, watch }
        | Operation::GetChildren2 { path, watch } => {
            writer.string(path);
            writer.boolean(*watch);
        }
        Operation::SetData { path, data, version } => {
            writer.string(path);
            write_data(writer, data);
            writer.int(*version);
        }
        Operation::SetAcl { path, acl, version } => {
            writer.string(path);
            write_acl_or_null(writer, acl.as_deref());
            writer.int(*version);
        }
        Operation::DeleteContainer { path }
        | Operation::GetAcl { path }
        | Operation::GetEphemerals { prefix: path }
        | Operation::GetAllChildrenNumber { path } => writer.string(path),
        Operation::Sync { path } => writer.string_or_null(path.as_deref()),
        Operation::Multi { operations } | Operation::MultiRead { operations } => {
            multi::write_operations(writer, operations);
        }
        Operation::SetWatches(lists) => write_watch_lists(writer, lists),
        Operation::AddWatch { path, mode } => {
            writer.string(path);
            writer.int(*mode);
        }
        Operation::RemoveWatches { path, kind } | Operation::CheckWatches { path, kind } => {
            writer.string_or_null(path.as_deref());
            writer.int(*kind);
        }
        Operation::Reconfig => write_reconfig(writer),
        Operation::WhoAmI | Operation::Malformed { .. } | Operation::Unknown { .. } => {}
    }
}

fn write_create(writer: &mut Writer<'_>, create: &Create) {
    writer.string(&create.path);
    write_data(writer, &create.data);
    write_acl_or_null(writer, create.acl.as_deref());
    writer.int(flag_of(create.mode));
    match create.request {
        CreateRequest::CreateTtl => writer.long(create.ttl_ms),
        CreateRequest::Create | CreateRequest::Create2 | CreateRequest::CreateContainer => {}
    }
}

fn write_acl_or_null(writer: &mut Writer<'_>, acl: Option<&[crate::acl::Acl]>) {
    match acl {
        None => writer.null(),
        Some(acl) => write_acl(writer, acl),
    }
}

fn write_watch_lists(writer: &mut Writer<'_>, lists: &WatchLists) {
    writer.long(number_of(lists.relative_zxid));
    for paths in [&lists.data, &lists.exist, &lists.child] {
        writer.strings(paths.iter());
    }
    if !lists.persistent.is_empty() || !lists.recursive.is_empty() {
        writer.strings(lists.persistent.iter());
        writer.strings(lists.recursive.iter());
    }
}

/// A change of nothing: the contents of this request are not in our words.
fn write_reconfig(writer: &mut Writer<'_>) {
    for _joining_leaving_or_new_members in 0..3 {
        writer.null();
    }
    writer.long(-1);
}
