//! Several writes as one: what a release makes of the parts, and what is said when one of them fails.

use super::prepare::{Answer, Preparation};
use crate::error::ErrorCode;
use crate::operation::{Create, CreateMode, CreateRequest, Operation, Reply};
use crate::tree::Step;
use crate::types::Release;
use alloc::vec::Vec;

/// The steps of all parts, or what is answered when one of them fails.
type Prepared = Result<Vec<(Step, Answer)>, Reply>;

/// Checks all parts, each after the steps of those before it.
///
/// # Errors
/// [`ErrorCode::MarshallingError`] when the whole cannot be understood.
pub(super) fn prepare(mut preparation: Preparation, operations: &[Operation]) -> Result<Prepared, ErrorCode> {
    if !operations.iter().all(|part| is_understood(part, preparation.release)) {
        return Err(ErrorCode::MarshallingError);
    }
    let mut prepared = Vec::with_capacity(operations.len());
    for part in operations {
        let (outcome, mode) = match part {
            Operation::Create(create) => {
                let create = as_part(create, preparation.release)?;
                let mode = create.mode;
                (preparation.prepare(&Operation::Create(create.into())), Some(mode))
            }
            part => (preparation.prepare(part), None),
        };
        match outcome {
            Ok((step, answer)) => {
                preparation.note(&step, mode);
                prepared.push((step, answer));
            }
            Err(ErrorCode::MarshallingError) => return Err(ErrorCode::MarshallingError),
            Err(code) => return Ok(Err(failed(prepared.len(), code, operations.len()))),
        }
    }
    Ok(Ok(prepared))
}

/// The answer to a multi of `parts` parts whose part `at` failed.
fn failed(at: usize, code: ErrorCode, parts: usize) -> Reply {
    let result = |part: usize| match part.cmp(&at) {
        core::cmp::Ordering::Less => Err(ErrorCode::Ok),
        core::cmp::Ordering::Equal => Err(code),
        core::cmp::Ordering::Greater => Err(ErrorCode::RuntimeInconsistency),
    };
    Reply::Multi { results: (0..parts).map(result).collect() }
}

/// Whether a server gets through reading a multi with such a part in it.
pub(super) fn is_understood(part: &Operation, release: Release) -> bool {
    match part {
        Operation::Create(create) => create.is_understood_as_part(release),
        part => part.is_part_of_multi(),
    }
}

/// A create as part of a multi: the flag settles what it is, and what is left of the request differs. 3.8 forgets whether
/// it was `create2`, and so it answers without stat.
fn as_part(create: &Create, release: Release) -> Result<Create, ErrorCode> {
    let timed = create.mode.is_ttl();
    let request = match (create.request, release) {
        (CreateRequest::CreateTtl, Release::V3_8_0 | Release::V3_9_5) if timed => CreateRequest::CreateTtl,
        _ if create.mode == CreateMode::Container => CreateRequest::CreateContainer,
        (CreateRequest::CreateTtl, Release::V3_8_0 | Release::V3_9_5) => CreateRequest::Create,
        // It has taken the request for one that carries a time to live, and finds none.
        (_, Release::V3_8_0) if timed => return Err(ErrorCode::MarshallingError),
        (_, Release::V3_8_0) => CreateRequest::Create,
        (request, Release::V3_9_5) => request,
    };
    Ok(Create { request, ..create.clone() })
}
