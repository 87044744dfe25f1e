//! Several operations in one request, and their results, each behind a header of its own.

use super::jute::{Reader, Unreadable, Writer};
use super::records::{read_data, read_stat};
use super::{opcode, reply, request};
use crate::error::ErrorCode;
use crate::operation::{CreateRequest, Operation, Reply};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// What stands before each operation, each result, and the end.
struct Header {
    number: i32,
    is_end: bool,
}

fn read_header(reader: &mut Reader<'_>) -> Result<Header, Unreadable> {
    let header = Header { number: reader.int()?, is_end: reader.boolean()? };
    let _error = reader.int()?;
    Ok(header)
}

fn write_header(writer: &mut Writer<'_>, number: i32, is_end: bool, error: i32) {
    writer.int(number);
    writer.boolean(is_end);
    writer.int(error);
}

fn write_end(writer: &mut Writer<'_>) {
    write_header(writer, opcode::ERROR, true, -1);
}

/// Reads up to the end; `part` reads one part, given the number in its header.
fn read_parts<'a>(
    reader: &mut Reader<'a>,
    mut part: impl FnMut(&mut Reader<'a>, i32) -> Result<(), Unreadable>,
) -> Result<(), Unreadable> {
    loop {
        let header = read_header(reader)?;
        if header.is_end {
            return Ok(());
        }
        part(reader, header.number)?;
    }
}

/// The parts of a multi, as far as they have been read.
#[derive(Default)]
pub(super) struct Parts {
    /// The operations, in order.
    pub(super) operations: Vec<Operation>,
    /// Which of them have no path.
    pub(super) pathless: Vec<usize>,
}

impl Parts {
    /// Reads the parts of a multi: writes and checks, or reads; who asks for the other kind learns that later. What a read
    /// asks to watch is not watched.
    ///
    /// # Errors
    /// When there is another operation among them, or both kinds. What was read before stays, with the first of the
    /// other kind.
    pub(super) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Unreadable> {
        read_parts(reader, |reader, number| {
            let has_path = reader.afresh().string_or_null()?.is_some();
            let mut part = reader.afresh();
            let operation = read_part(&mut part, number)?;
            reader.go_on_behind(part);
            if !has_path {
                self.pathless.push(self.operations.len());
            }
            self.operations.push(operation);
            let reads = |operation: &Operation| operation.is_part_of_multi_read();
            let is_of_one_kind = self.operations.first().map(reads) == self.operations.last().map(reads);
            if is_of_one_kind { Ok(()) } else { Err(Unreadable) }
        })
    }

    /// The operations; one without a path is malformed, a read by its own number and any other by that of a multi. The
    /// whole stumbles over it before any part is looked at.
    pub(super) fn into_operations(mut self) -> Vec<Operation> {
        for index in self.pathless {
            let part = &mut self.operations[index];
            let opcode = if part.is_part_of_multi_read() { request::number(part) } else { opcode::MULTI };
            *part = Operation::Malformed { opcode, readable: true };
        }
        self.operations
    }
}

fn read_part(reader: &mut Reader<'_>, number: i32) -> Result<Operation, Unreadable> {
    match number {
        opcode::CREATE => request::read_create(CreateRequest::Create, reader),
        opcode::CREATE2 => request::read_create(CreateRequest::Create2, reader),
        opcode::CREATE_CONTAINER => request::read_create(CreateRequest::CreateContainer, reader),
        opcode::CREATE_TTL => request::read_create(CreateRequest::CreateTtl, reader),
        opcode::DELETE => Ok(Operation::Delete { path: reader.string()?, version: reader.int()? }),
        opcode::SET_DATA => request::read_set_data(reader.string()?, reader),
        opcode::CHECK => Ok(Operation::Check { path: reader.string()?, version: reader.int()? }),
        opcode::GET_DATA => Ok(Operation::GetData { path: read_watched(reader)?, watch: false }),
        opcode::GET_CHILDREN => Ok(Operation::GetChildren { path: read_watched(reader)?, watch: false }),
        _ => Err(Unreadable),
    }
}

fn read_watched(reader: &mut Reader<'_>) -> Result<Arc<str>, Unreadable> {
    let path = reader.string()?;
    let _watch = reader.boolean()?;
    Ok(path)
}

pub(super) fn write_operations(writer: &mut Writer<'_>, operations: &[Operation]) {
    for operation in operations {
        write_header(writer, request::number(operation), false, -1);
        request::write(writer, operation);
    }
    write_end(writer);
}

/// Writes the results of a multi.
///
/// # Panics
/// When a result is of an operation that no multi may have.
pub(super) fn write_results(writer: &mut Writer<'_>, results: &[Result<Reply, ErrorCode>]) {
    for result in results {
        if writer.is_full() {
            return;
        }
        match result {
            Ok(reply) => {
                write_header(writer, number_of_result(reply), false, 0);
                reply::write(writer, reply);
            }
            Err(code) => {
                write_header(writer, opcode::ERROR, false, code.number());
                writer.int(code.number());
            }
        }
    }
    write_end(writer);
}

fn number_of_result(reply: &Reply) -> i32 {
    match reply {
        Reply::Created { .. } => opcode::CREATE,
        Reply::CreatedWithStat { .. } => opcode::CREATE2,
        Reply::Deleted => opcode::DELETE,
        Reply::DataSet { .. } => opcode::SET_DATA,
        Reply::Checked => opcode::CHECK,
        Reply::Data { .. } => opcode::GET_DATA,
        Reply::Children { .. } => opcode::GET_CHILDREN,
        Reply::Exists { .. }
        | Reply::Acl { .. }
        | Reply::AclSet { .. }
        | Reply::ChildrenWithStat { .. }
        | Reply::Synced { .. }
        | Reply::Multi { .. }
        | Reply::BrokenMulti { .. }
        | Reply::WatchesSet
        | Reply::WatchAdded
        | Reply::WatchesRemoved
        | Reply::WatchesChecked
        | Reply::Ephemerals { .. }
        | Reply::AllChildrenNumber { .. }
        | Reply::WhoAmI { .. }
        | Reply::Authenticated
        | Reply::Nothing => unreachable!("no multi has such a result: {reply:?}"),
    }
}

pub(super) fn read_results(reader: &mut Reader<'_>) -> Result<Vec<Result<Reply, ErrorCode>>, Unreadable> {
    let mut results = Vec::new();
    read_parts(reader, |reader, number| {
        results.push(read_result(reader, number)?);
        Ok(())
    })?;
    Ok(results)
}

fn read_result(reader: &mut Reader<'_>, number: i32) -> Result<Result<Reply, ErrorCode>, Unreadable> {
    Ok(Ok(match number {
        opcode::CREATE => Reply::Created { path: reader.string()? },
        opcode::CREATE2 => Reply::CreatedWithStat { path: reader.string()?, stat: read_stat(reader)? },
        opcode::DELETE => Reply::Deleted,
        opcode::SET_DATA => Reply::DataSet { stat: read_stat(reader)? },
        opcode::CHECK => Reply::Checked,
        opcode::GET_DATA => Reply::Data { data: read_data(reader)?, stat: read_stat(reader)? },
        opcode::GET_CHILDREN => Reply::Children { children: reader.strings()?.into() },
        opcode::ERROR => return Ok(Err(reply::error_of(reader.int()?))),
        _ => return Err(Unreadable),
    }))
}
