//! Draws messages as they may be on the wire.

use crate::acl::{Acl, Identity};
use crate::error::ErrorCode;
use crate::operation::{Create, CreateMode, CreateRequest, Operation, Reply, WatchLists};
use crate::protocol::ClientMessage;
use crate::types::{Data, EventKind, Password, SessionId, Stat, WatchEvent, Zxid};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

pub(super) fn path() -> BoxedStrategy<Arc<str>> {
    // Characters of each length, and not only legal paths.
    "(/[a-c\u{e9}\u{6f22}\u{1f600}]{0,3}){0,3}".prop_map(Arc::from).boxed()
}

fn paths() -> BoxedStrategy<Vec<Arc<str>>> {
    vec(path(), 0..4).boxed()
}

fn data() -> BoxedStrategy<Data> {
    option::of(vec(any::<u8>(), 0..9).prop_map(Arc::from)).boxed()
}

fn text() -> BoxedStrategy<String> {
    "[a-z:\u{e9}\u{1f600}]{0,6}".boxed()
}

fn identity() -> BoxedStrategy<Identity> {
    (text(), text()).prop_map(|(scheme, id)| Identity { scheme, id }).boxed()
}

fn acl() -> BoxedStrategy<Vec<Acl>> {
    let entry = (any::<i32>(), identity()).prop_map(|(permissions, identity)| Acl { permissions, identity });
    vec(entry, 0..3).boxed()
}

fn mode() -> BoxedStrategy<CreateMode> {
    prop_oneof![
        Just(CreateMode::Persistent),
        Just(CreateMode::Ephemeral),
        Just(CreateMode::PersistentSequential),
        Just(CreateMode::EphemeralSequential),
        Just(CreateMode::Container),
        Just(CreateMode::PersistentWithTtl),
        Just(CreateMode::PersistentSequentialWithTtl),
        (7..i32::MAX).prop_map(CreateMode::Unknown),
    ]
    .boxed()
}

fn create(request: CreateRequest) -> BoxedStrategy<Operation> {
    let ttl = match request {
        CreateRequest::CreateTtl => any::<i64>().boxed(),
        CreateRequest::Create | CreateRequest::Create2 | CreateRequest::CreateContainer => Just(-1).boxed(),
    };
    (path(), data(), option::of(acl()), mode(), ttl)
        .prop_map(move |(path, data, acl, mode, ttl_ms)| {
            Operation::Create(Box::new(Create { request, path, data, acl, mode, ttl_ms }))
        })
        .boxed()
}

fn any_create() -> BoxedStrategy<Operation> {
    prop_oneof![
        create(CreateRequest::Create),
        create(CreateRequest::Create2),
        create(CreateRequest::CreateContainer),
        create(CreateRequest::CreateTtl),
    ]
    .boxed()
}

/// What may be in a multi.
fn write() -> BoxedStrategy<Operation> {
    prop_oneof![
        any_create(),
        (path(), any::<i32>()).prop_map(|(path, version)| Operation::Delete { path, version }),
        (path(), any::<i32>()).prop_map(|(path, version)| Operation::Check { path, version }),
        (path(), data(), any::<i32>()).prop_map(|(path, data, version)| Operation::SetData {
            path,
            data,
            version
        }),
    ]
    .boxed()
}

fn read() -> BoxedStrategy<Operation> {
    prop_oneof![
        path().prop_map(|path| Operation::GetData { path, watch: false }),
        path().prop_map(|path| Operation::GetChildren { path, watch: false }),
    ]
    .boxed()
}

fn watch_lists() -> BoxedStrategy<WatchLists> {
    (any::<u64>(), paths(), paths(), paths(), paths(), paths())
        .prop_map(|(zxid, data, exist, child, persistent, recursive)| WatchLists {
            relative_zxid: Zxid(zxid),
            data,
            exist,
            child,
            persistent,
            recursive,
            ends_in_null: false,
        })
        .boxed()
}

/// Any operation that reaches a server as it was sent.
pub(super) fn operation() -> BoxedStrategy<Operation> {
    let reads = prop_oneof![
        (path(), any::<bool>()).prop_map(|(path, watch)| Operation::Exists { path, watch }),
        (path(), any::<bool>()).prop_map(|(path, watch)| Operation::GetData { path, watch }),
        (path(), any::<bool>()).prop_map(|(path, watch)| Operation::GetChildren { path, watch }),
        (path(), any::<bool>()).prop_map(|(path, watch)| Operation::GetChildren2 { path, watch }),
        path().prop_map(|path| Operation::GetAcl { path }),
        path().prop_map(|path| Operation::Sync { path: Some(path) }),
        path().prop_map(|prefix| Operation::GetEphemerals { prefix }),
        path().prop_map(|path| Operation::GetAllChildrenNumber { path }),
        vec(read(), 0..4).prop_map(|operations| Operation::MultiRead { operations }),
        Just(Operation::WhoAmI),
    ];
    let writes = prop_oneof![
        any_create(),
        write(),
        path().prop_map(|path| Operation::DeleteContainer { path }),
        (path(), data(), any::<i32>()).prop_map(|(path, data, version)| Operation::SetData {
            path,
            data,
            version
        }),
        (path(), option::of(acl()), any::<i32>()).prop_map(|(path, acl, version)| Operation::SetAcl {
            path,
            acl,
            version
        }),
        vec(write(), 0..4).prop_map(|operations| Operation::Multi { operations }),
        Just(Operation::Reconfig),
    ];
    let watches = prop_oneof![
        watch_lists().prop_map(|lists| Operation::SetWatches(lists.into())),
        (path(), any::<i32>()).prop_map(|(path, mode)| Operation::AddWatch { path, mode }),
        (option::of(path()), any::<i32>()).prop_map(|(path, kind)| Operation::RemoveWatches { path, kind }),
        (option::of(path()), any::<i32>()).prop_map(|(path, kind)| Operation::CheckWatches { path, kind }),
        (108..2000i32).prop_map(|opcode| Operation::Unknown { opcode }),
    ];
    prop_oneof![reads, writes, watches].boxed()
}

/// Any message of a client behind its handshake.
pub(super) fn client_message() -> BoxedStrategy<ClientMessage> {
    prop_oneof![
        1 => Just(ClientMessage::Ping),
        1 => any::<i32>().prop_map(|xid| ClientMessage::CloseSession { xid }),
        1 => (any::<i32>(), text(), vec(any::<u8>(), 0..9)).prop_map(|(xid, scheme, credentials)| {
            ClientMessage::Authenticate { xid, scheme, credentials: Arc::from(credentials) }
        }),
        7 => (any::<i32>(), operation())
            .prop_map(|(xid, operation)| ClientMessage::Request { xid, operation }),
    ]
    .boxed()
}

/// Any handshake.
pub(super) fn handshake() -> BoxedStrategy<ClientMessage> {
    let session = (1..u64::MAX, any::<[u8; 16]>()).prop_map(|(id, bytes)| (SessionId(id), Password(bytes)));
    (option::of(session), 0..=i32::MAX as u64, 0..=i64::MAX as u64)
        .prop_map(|(session, timeout, zxid)| ClientMessage::Connect {
            session,
            timeout: Duration::from_millis(timeout),
            last_zxid_seen: Zxid(zxid),
        })
        .boxed()
}

fn stat() -> BoxedStrategy<Stat> {
    let owner = option::of((1..u64::MAX).prop_map(SessionId));
    (any::<[u64; 3]>(), any::<[i64; 2]>(), any::<[i32; 5]>(), owner)
        .prop_map(|([czxid, mzxid, pzxid], [ctime, mtime], numbers, ephemeral_owner)| {
            let [version, cversion, aversion, data_length, num_children] = numbers;
            let [czxid, mzxid, pzxid] = [czxid, mzxid, pzxid].map(Zxid);
            Stat {
                czxid,
                mzxid,
                pzxid,
                ctime,
                mtime,
                version,
                cversion,
                aversion,
                ephemeral_owner,
                data_length,
                num_children,
            }
        })
        .boxed()
}

pub(super) fn error() -> BoxedStrategy<ErrorCode> {
    proptest::sample::select(ErrorCode::ALL).boxed()
}

/// What a multi may have among its results.
fn result() -> BoxedStrategy<Result<Reply, ErrorCode>> {
    prop_oneof![
        path().prop_map(|path| Ok(Reply::Created { path })),
        (path(), stat()).prop_map(|(path, stat)| Ok(Reply::CreatedWithStat { path, stat })),
        Just(Ok(Reply::Deleted)),
        Just(Ok(Reply::Checked)),
        stat().prop_map(|stat| Ok(Reply::DataSet { stat })),
        (data(), stat()).prop_map(|(data, stat)| Ok(Reply::Data { data, stat })),
        paths().prop_map(|children| Ok(Reply::Children { children: children.into() })),
        error().prop_map(Err),
    ]
    .boxed()
}

/// A good reply to an operation.
pub(super) fn reply_to(operation: &Operation) -> BoxedStrategy<Reply> {
    match operation {
        Operation::Create(create) if create.request == CreateRequest::Create => {
            path().prop_map(|path| Reply::Created { path }).boxed()
        }
        Operation::Create(_) => {
            (path(), stat()).prop_map(|(path, stat)| Reply::CreatedWithStat { path, stat }).boxed()
        }
        Operation::Delete { .. } | Operation::DeleteContainer { .. } => Just(Reply::Deleted).boxed(),
        Operation::Exists { .. } => stat().prop_map(|stat| Reply::Exists { stat }).boxed(),
        Operation::GetData { .. } => {
            (data(), stat()).prop_map(|(data, stat)| Reply::Data { data, stat }).boxed()
        }
        Operation::SetData { .. } => stat().prop_map(|stat| Reply::DataSet { stat }).boxed(),
        Operation::GetAcl { .. } => {
            (acl(), stat()).prop_map(|(acl, stat)| Reply::Acl { acl, stat: stat.into() }).boxed()
        }
        Operation::SetAcl { .. } => stat().prop_map(|stat| Reply::AclSet { stat }).boxed(),
        Operation::GetChildren { .. } => {
            paths().prop_map(|children| Reply::Children { children: children.into() }).boxed()
        }
        Operation::GetChildren2 { .. } => (paths(), stat())
            .prop_map(|(children, stat)| Reply::ChildrenWithStat { children, stat: stat.into() })
            .boxed(),
        Operation::Sync { .. } => path().prop_map(|path| Reply::Synced { path: Some(path) }).boxed(),
        Operation::Check { .. } => Just(Reply::Checked).boxed(),
        Operation::Multi { .. } | Operation::MultiRead { .. } => {
            vec(result(), 0..4).prop_map(|results| Reply::Multi { results }).boxed()
        }
        Operation::SetWatches(_) => Just(Reply::WatchesSet).boxed(),
        Operation::AddWatch { .. } => Just(Reply::WatchAdded).boxed(),
        Operation::RemoveWatches { .. } => Just(Reply::WatchesRemoved).boxed(),
        Operation::CheckWatches { .. } => Just(Reply::WatchesChecked).boxed(),
        Operation::GetEphemerals { .. } => paths().prop_map(|paths| Reply::Ephemerals { paths }).boxed(),
        Operation::GetAllChildrenNumber { .. } => {
            any::<i32>().prop_map(|number| Reply::AllChildrenNumber { number }).boxed()
        }
        Operation::WhoAmI => {
            vec(identity(), 0..3).prop_map(|identities| Reply::WhoAmI { identities }).boxed()
        }
        Operation::Reconfig | Operation::Malformed { .. } | Operation::Unknown { .. } => {
            Just(Reply::Nothing).boxed()
        }
    }
}

pub(super) fn event() -> BoxedStrategy<WatchEvent> {
    let kind = prop_oneof![
        Just(EventKind::NodeCreated),
        Just(EventKind::NodeDeleted),
        Just(EventKind::NodeDataChanged),
        Just(EventKind::NodeChildrenChanged),
    ];
    (kind, path()).prop_map(|(kind, path)| WatchEvent { kind, path }).boxed()
}
