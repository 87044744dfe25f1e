//! Tests of the replica: what each request answers, changes and tells of, with each release.

mod create;
mod leftovers;
mod multi;
mod properties;
mod reads;

mod sessions;
mod stat;
mod writes;

use super::*;
use crate::acl::{self, Acl};
use crate::operation::{ANY_VERSION, Create, CreateMode, CreateRequest};
use crate::types::{EventKind, Stat};
use alloc::string::String;

const RELEASES: [Release; 2] = [Release::V3_8_0, Release::V3_9_5];
const SESSION: SessionId = SessionId(0x7);

/// A replica, and somebody who asks it.
#[derive(Clone)]
struct World {
    replica: Replica,
    identities: Vec<Identity>,
    session: SessionId,
    changes: Vec<Change>,
}

/// A fresh server on which nodes may have a time to live, and a client that is nobody.
fn fresh(release: Release) -> World {
    let replica = Replica::new(release, true);
    World { replica, identities: Vec::new(), session: SESSION, changes: Vec::new() }
}

/// Transactions happen at a thousand milliseconds for each zxid.
const fn wall_ms(zxid: u64) -> i64 {
    zxid.cast_signed() * 1000
}

impl World {
    fn body(&mut self, body: TransactionBody) -> Result<Reply, ErrorCode> {
        let zxid = self.replica.last_zxid().next();
        let transaction = Transaction { zxid, wall_ms: wall_ms(zxid.0), session: self.session, body };
        let Applied { result, changes } = self.replica.apply(&transaction);
        self.replica.tree().check_invariants();
        self.changes = changes;
        result
    }

    /// Applies a write. One that is refused must leave no trace.
    fn write(&mut self, operation: Operation) -> Result<Reply, ErrorCode> {
        let before = self.replica.tree().clone();
        let identities = self.identities.clone().into();
        let result = self.body(TransactionBody::write(operation, identities));
        if result.is_err() {
            assert!(before == *self.replica.tree(), "a write that was refused has left a trace");
            assert_eq!(self.changes, []);
        }
        result
    }

    fn read(&self, operation: &Operation) -> Result<Reply, ErrorCode> {
        self.replica.read(operation, self.session, &self.identities, 0)
    }

    /// Creates a node that is no surprise.
    fn add(&mut self, path: &str, mode: CreateMode) -> Arc<str> {
        let mut create = create(path, mode);
        if mode.is_ttl() {
            create.ttl_ms = 5000;
        }
        match self.write(Operation::Create(create.into())) {
            Ok(Reply::CreatedWithStat { path, .. } | Reply::Created { path }) => path,
            other => panic!("{path}: {other:?}"),
        }
    }

    /// Creates a node on which everybody may do only this.
    fn add_allowing(&mut self, path: &str, permissions: i32) {
        self.add(path, CreateMode::Persistent);
        let acl = Some(anyone(permissions));
        self.write(Operation::SetAcl { path: path.into(), acl, version: ANY_VERSION }).unwrap();
    }

    fn delete(&mut self, path: &str) {
        self.write(delete(path, ANY_VERSION)).unwrap();
    }

    fn stat(&self, path: &str) -> Stat {
        self.replica.tree().stat(path).unwrap()
    }

    fn told(&self) -> Vec<(EventKind, &str)> {
        self.changes.iter().map(|change| (change.kind, &*change.path)).collect()
    }
}

fn create(path: &str, mode: CreateMode) -> Create {
    Create::open(path.into(), Arc::from(*b"data"), mode)
}

fn delete(path: &str, version: i32) -> Operation {
    Operation::Delete { path: path.into(), version }
}

fn set_data(path: &str, version: i32) -> Operation {
    Operation::SetData { path: path.into(), data: Some(Arc::from(*b"new")), version }
}

fn check_version(path: &str, version: i32) -> Operation {
    Operation::Check { path: path.into(), version }
}

fn anyone(permissions: i32) -> Vec<Acl> {
    Vec::from([Acl { permissions, identity: Identity::new("world", "anyone") }])
}

/// What happens, and to whom: the first of the faults that is there, or nothing.
fn first_of(faults: &[(bool, ErrorCode)]) -> Option<ErrorCode> {
    faults.iter().find(|(there, _)| *there).map(|(_, code)| *code)
}
