//! Joins a node and its ZooKeeper client: a `CoordinationRequest` of one becomes an operation of the other, and the
//! other way round. Whoever runs both needs it: the simulator, and the shell.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;
use zeromaster_core::coordination::{
    CoordinationError, CoordinationEvent, CreateMode, ErrorText, Names, Operation, OperationId, Outcome,
    WatchKind,
};
use zeromaster_core::time::Instant;
use zeromaster_zookeeper as zk;

/// The operation in ZooKeeper's words.
#[must_use]
pub fn operation(operation: Operation) -> zk::Operation {
    match operation {
        Operation::Create { path, data, mode } => {
            zk::Operation::Create(zk::Create::open(path, bytes(&data), create_mode(mode)).into())
        }
        Operation::SetData { path, data } => {
            zk::Operation::SetData { path, data: Some(bytes(&data)), version: zk::ANY_VERSION }
        }
        Operation::Delete { path } => zk::Operation::Delete { path, version: zk::ANY_VERSION },
        Operation::Exists { path, watch } => zk::Operation::Exists { path, watch },
        Operation::GetData { path, watch } => zk::Operation::GetData { path, watch },
        Operation::GetChildren { path, watch } => zk::Operation::GetChildren { path, watch },
        Operation::Sync { path } => zk::Operation::Sync { path: Some(path) },
    }
}

fn create_mode(mode: CreateMode) -> zk::CreateMode {
    match mode {
        CreateMode::Persistent => zk::CreateMode::Persistent,
        CreateMode::Ephemeral => zk::CreateMode::Ephemeral,
        CreateMode::EphemeralSequential => zk::CreateMode::EphemeralSequential,
        CreateMode::Container => zk::CreateMode::Container,
    }
}

fn bytes(text: &str) -> Arc<[u8]> {
    text.as_bytes().into()
}

/// What the client says, in the node's words; `None` for what concerns the connection alone.
///
/// # Panics
/// When it is the reply to an operation that [`operation`] does not make.
#[must_use]
pub fn event(output: zk::ClientOutput) -> Option<CoordinationEvent> {
    match output {
        zk::ClientOutput::State(state) => state_event(state),
        zk::ClientOutput::Completed { tag, result } => {
            let result = result.map(outcome).map_err(error);
            Some(CoordinationEvent::Completed { id: OperationId(tag), result })
        }
        zk::ClientOutput::Event(event) => {
            let kind = match event.kind {
                zk::EventKind::NodeCreated => WatchKind::Created,
                zk::EventKind::NodeDeleted => WatchKind::Deleted,
                zk::EventKind::NodeDataChanged => WatchKind::DataChanged,
                zk::EventKind::NodeChildrenChanged => WatchKind::ChildrenChanged,
            };
            Some(CoordinationEvent::Watched { path: event.path, kind })
        }
        zk::ClientOutput::Lease { until } => Some(CoordinationEvent::Lease {
            until: Instant::from_micros(zeromaster_core::time::micros(until)),
        }),
        zk::ClientOutput::Open { .. } | zk::ClientOutput::Send { .. } | zk::ClientOutput::Close { .. } => {
            None
        }
    }
}

fn state_event(state: zk::SessionState) -> Option<CoordinationEvent> {
    match state {
        zk::SessionState::Connected { .. } => Some(CoordinationEvent::Connected),
        zk::SessionState::Suspended => Some(CoordinationEvent::Suspended),
        zk::SessionState::Reconnected { .. } => Some(CoordinationEvent::Reconnected),
        zk::SessionState::Lost => Some(CoordinationEvent::Lost),
        zk::SessionState::AuthFailed | zk::SessionState::Closed => None,
    }
}

/// The outcome in the node's words, of the operations above.
fn outcome(reply: zk::Reply) -> Outcome {
    match reply {
        zk::Reply::CreatedWithStat { path, stat } => Outcome::Created { path, czxid: stat.czxid.0 },
        zk::Reply::Deleted => Outcome::Deleted,
        zk::Reply::Exists { stat } => Outcome::Exists { czxid: stat.czxid.0 },
        zk::Reply::Data { data, stat } => {
            let data = core::str::from_utf8(data.as_deref().unwrap_or_default()).unwrap_or_default().into();
            Outcome::Data { data, czxid: stat.czxid.0 }
        }
        zk::Reply::DataSet { .. } => Outcome::DataSet,
        zk::Reply::Children { children } => {
            Outcome::Children { children: Names::of_parts(children.into_parts()) }
        }
        zk::Reply::Synced { .. } => Outcome::Synced,
        zk::Reply::Created { .. }
        | zk::Reply::Acl { .. }
        | zk::Reply::AclSet { .. }
        | zk::Reply::ChildrenWithStat { .. }
        | zk::Reply::Checked
        | zk::Reply::Multi { .. }
        | zk::Reply::BrokenMulti { .. }
        | zk::Reply::WatchesSet
        | zk::Reply::WatchAdded
        | zk::Reply::WatchesRemoved
        | zk::Reply::WatchesChecked
        | zk::Reply::Ephemerals { .. }
        | zk::Reply::AllChildrenNumber { .. }
        | zk::Reply::WhoAmI { .. }
        | zk::Reply::Authenticated
        | zk::Reply::Nothing => unreachable!("the node asks for no such thing: {reply:?}"),
    }
}

fn error(code: zk::ErrorCode) -> CoordinationError {
    match code {
        zk::ErrorCode::NoNode => CoordinationError::NoNode,
        zk::ErrorCode::NodeExists => CoordinationError::NodeExists,
        zk::ErrorCode::ConnectionLoss => CoordinationError::ConnectionLoss,
        zk::ErrorCode::SessionExpired | zk::ErrorCode::SessionMoved => CoordinationError::SessionExpired,
        zk::ErrorCode::BadVersion => CoordinationError::Refused(ErrorText::BadVersion),
        zk::ErrorCode::NotEmpty => CoordinationError::Refused(ErrorText::NotEmpty),
        zk::ErrorCode::NoChildrenForEphemerals => {
            CoordinationError::Refused(ErrorText::NoChildrenForEphemerals)
        }
        zk::ErrorCode::BadArguments
        | zk::ErrorCode::Ok
        | zk::ErrorCode::SystemError
        | zk::ErrorCode::RuntimeInconsistency
        | zk::ErrorCode::MarshallingError
        | zk::ErrorCode::Unimplemented
        | zk::ErrorCode::ReconfigDisabled
        | zk::ErrorCode::NoAuth
        | zk::ErrorCode::InvalidAcl
        | zk::ErrorCode::AuthFailed
        | zk::ErrorCode::NoWatcher => CoordinationError::Refused(ErrorText::BadArguments),
    }
}
