//! What a write has to pass before it changes anything: the checks of each operation, in ZooKeeper's order.

use crate::acl::{self, Acl, Identity};
use crate::error::ErrorCode;
use crate::operation::{ANY_VERSION, Create, CreateMode, CreateRequest, Operation, Reply, TTL_MS_MAX};
use crate::path::{is_legal, parent_of};
use crate::tree::{Kind, NewNode, RESERVED, Step, Tree, Znode};
use crate::types::{Release, SessionId, Stat};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::sync::Arc;
use core::cell::Cell;

/// The leader's own requests are of no session.
const LEADER: SessionId = SessionId(0);

/// What the answer to a prepared step will be, once its stat is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    Created(Arc<str>),
    CreatedWithStat(Arc<str>),
    Deleted,
    DataSet,
    AclSet,
    Checked,
}

impl Answer {
    /// The reply, with the stat of the node behind the step.
    pub(super) fn with(self, stat: Option<Stat>) -> Reply {
        let stat = || stat.expect("the step leaves a node behind");
        match self {
            Answer::Created(path) => Reply::Created { path },
            Answer::CreatedWithStat(path) => Reply::CreatedWithStat { path, stat: stat() },
            Answer::Deleted => Reply::Deleted,
            Answer::DataSet => Reply::DataSet { stat: stat() },
            Answer::AclSet => Reply::AclSet { stat: stat() },
            Answer::Checked => Reply::Checked,
        }
    }
}

/// What the checks look at of a node.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Record {
    acl: Arc<[Acl]>,
    version: i32,
    aversion: i32,
    children_created: i32,
    children: usize,
    ephemeral: bool,
}

impl Record {
    fn of(node: &Znode) -> Self {
        Record {
            acl: node.acl.clone(),
            version: node.version,
            aversion: node.aversion,
            children_created: node.children_created,
            children: node.children.len(),
            ephemeral: node.is_ephemeral(),
        }
    }
}

/// A transaction that is being checked: the tree, what the steps so far will have changed, and who asks.
pub(super) struct Preparation<'a> {
    tree: &'a Tree,
    pub(super) release: Release,
    extended_types: bool,
    session: SessionId,
    identities: &'a [Identity],
    /// How many entries may still stand in the place of `auth`.
    auth_room: Cell<usize>,
    /// `None` is a node that will have been deleted.
    changed: BTreeMap<Arc<str>, Option<Record>>,
}

impl<'a> Preparation<'a> {
    pub(super) fn new(
        tree: &'a Tree,
        release: Release,
        extended_types: bool,
        session: SessionId,
        identities: &'a [Identity],
    ) -> Self {
        let auth_room = Cell::new(acl::AUTH_ENTRIES_MAX);
        Preparation {
            tree,
            release,
            extended_types,
            session,
            identities,
            auth_room,
            changed: BTreeMap::new(),
        }
    }

    /// Checks one write.
    pub(super) fn prepare(&self, operation: &Operation) -> Result<(Step, Answer), ErrorCode> {
        match operation {
            Operation::Create(create) => self.create(create),
            Operation::Delete { path, version } => self.delete(path, *version),
            Operation::DeleteContainer { path } => self.delete_container(path),
            Operation::SetData { path, data, version } => {
                let record = self.legal_record(path)?;
                self.demand(&record, acl::WRITE)?;
                let version = next_version(record.version, *version)?;
                Ok((Step::SetData { path: path.clone(), data: data.clone(), version }, Answer::DataSet))
            }
            Operation::SetAcl { path, acl, version } => self.set_acl(path, acl.as_deref(), *version),
            Operation::Check { path, version } => {
                let record = self.legal_record(path)?;
                self.demand(&record, acl::READ)?;
                next_version(record.version, *version)?;
                Ok((Step::Check, Answer::Checked))
            }
            Operation::Exists { .. }
            | Operation::GetData { .. }
            | Operation::GetAcl { .. }
            | Operation::GetChildren { .. }
            | Operation::GetChildren2 { .. }
            | Operation::Sync { .. }
            | Operation::Multi { .. }
            | Operation::MultiRead { .. }
            | Operation::SetWatches(_)
            | Operation::AddWatch { .. }
            | Operation::RemoveWatches { .. }
            | Operation::CheckWatches { .. }
            | Operation::GetEphemerals { .. }
            | Operation::GetAllChildrenNumber { .. }
            | Operation::WhoAmI
            | Operation::Reconfig
            | Operation::Malformed { .. }
            | Operation::Unknown { .. } => Err(ErrorCode::MarshallingError),
        }
    }

    /// First to last: flag, time to live, slash, ACL, parent, permission, path, existence, kind of the parent.
    fn create(&self, create: &Create) -> Result<(Step, Answer), ErrorCode> {
        let kind = self.kind_of(create)?;
        let parent = parent_of(&create.path).filter(|_| !create.path.contains('\0'));
        let parent = parent.ok_or(ErrorCode::BadArguments)?;
        let acl = acl::checked(self.release, create.acl.as_deref(), self.identities, &self.auth_room)?;
        let parent = self.record(parent)?;
        self.demand(&parent, acl::CREATE)?;
        let path = match create.mode.is_sequential() {
            true => format!("{}{:010}", create.path, parent.children_created).into(),
            false => create.path.clone(),
        };
        if !is_legal(&path) {
            return Err(ErrorCode::BadArguments);
        }
        if self.record(&path).is_ok() {
            return Err(ErrorCode::NodeExists);
        }
        if parent.ephemeral {
            return Err(ErrorCode::NoChildrenForEphemerals);
        }
        let answer = match create.request {
            CreateRequest::Create => Answer::Created(path.clone()),
            CreateRequest::Create2 | CreateRequest::CreateContainer | CreateRequest::CreateTtl => {
                Answer::CreatedWithStat(path.clone())
            }
        };
        let parent_created = parent.children_created.wrapping_add(1);
        let node = NewNode { path, data: create.data.clone(), acl, kind, parent_created };
        Ok((Step::Create(node), answer))
    }

    /// What the node will be. The flag says whether the name gets a number and whether the session owns the node; the
    /// request alone says whether it is a container or has a time to live.
    fn kind_of(&self, create: &Create) -> Result<Kind, ErrorCode> {
        let ttl_ms = match create.request {
            CreateRequest::CreateTtl => create.ttl_ms,
            CreateRequest::Create | CreateRequest::Create2 | CreateRequest::CreateContainer => -1,
        };
        let timed = match create.mode {
            CreateMode::Unknown(_) => return Err(ErrorCode::BadArguments),
            CreateMode::PersistentWithTtl | CreateMode::PersistentSequentialWithTtl => true,
            CreateMode::Persistent
            | CreateMode::Ephemeral
            | CreateMode::PersistentSequential
            | CreateMode::EphemeralSequential
            | CreateMode::Container => false,
        };
        if timed && !self.extended_types {
            return Err(ErrorCode::Unimplemented);
        }
        let legal = if timed { (1..=TTL_MS_MAX).contains(&ttl_ms) } else { ttl_ms < 0 };
        if !legal {
            return Err(ErrorCode::BadArguments);
        }
        match create.request {
            CreateRequest::CreateContainer => Ok(Kind::Container),
            CreateRequest::CreateTtl if timed => Ok(Kind::Ttl(ttl_ms)),
            // A real server lets it pass here, writes it to its log, and dies of it, now and at every restart.
            CreateRequest::CreateTtl => Err(ErrorCode::BadArguments),
            CreateRequest::Create | CreateRequest::Create2 if create.mode.is_ephemeral() => {
                Ok(Kind::Ephemeral(self.session))
            }
            CreateRequest::Create | CreateRequest::Create2 => Ok(Kind::Persistent),
        }
    }

    /// First to last: slash and reserved, parent, permission, existence, version, children.
    fn delete(&self, path: &Arc<str>, version: i32) -> Result<(Step, Answer), ErrorCode> {
        let parent = self.record(deletable(path)?)?;
        self.demand(&parent, acl::DELETE)?;
        let record = self.record(path)?;
        next_version(record.version, version)?;
        if record.children > 0 {
            return Err(ErrorCode::NotEmpty);
        }
        Ok((Step::Delete { path: path.clone() }, Answer::Deleted))
    }

    /// First to last: slash and reserved, existence, children, kind. Nobody is asked for a permission.
    fn delete_container(&self, path: &Arc<str>) -> Result<(Step, Answer), ErrorCode> {
        match self.release {
            // What a client sends is taken for a path together with the header before it, which no path can hold.
            Release::V3_8_0 if self.session != LEADER => return Err(ErrorCode::BadArguments),
            Release::V3_8_0 | Release::V3_9_5 => {}
        }
        deletable(path)?;
        let record = self.record(path)?;
        if record.children > 0 {
            return Err(ErrorCode::NotEmpty);
        }
        if record.ephemeral {
            return Err(ErrorCode::BadVersion);
        }
        Ok((Step::Delete { path: path.clone() }, Answer::Deleted))
    }

    /// First to last: path, ACL, existence, permission, version.
    fn set_acl(
        &self,
        path: &Arc<str>,
        acl: Option<&[Acl]>,
        version: i32,
    ) -> Result<(Step, Answer), ErrorCode> {
        if !is_legal(path) {
            return Err(ErrorCode::BadArguments);
        }
        let acl = acl::checked(self.release, acl, self.identities, &self.auth_room)?;
        let record = self.record(path)?;
        self.demand(&record, acl::ADMIN)?;
        let version = next_version(record.aversion, version)?;
        Ok((Step::SetAcl { path: path.clone(), acl, version }, Answer::AclSet))
    }

    fn legal_record(&self, path: &str) -> Result<Record, ErrorCode> {
        if is_legal(path) { self.record(path) } else { Err(ErrorCode::BadArguments) }
    }

    fn record(&self, path: &str) -> Result<Record, ErrorCode> {
        match self.changed.get(path) {
            Some(changed) => changed.clone().ok_or(ErrorCode::NoNode),
            None => self.tree.node(path).map(Record::of),
        }
    }

    fn demand(&self, record: &Record, permission: i32) -> Result<(), ErrorCode> {
        match acl::permits(self.release, &record.acl, permission, self.identities) {
            true => Ok(()),
            false => Err(ErrorCode::NoAuth),
        }
    }

    /// Remembers what a step will have changed, for those behind it.
    pub(super) fn note(&mut self, step: &Step, mode: Option<CreateMode>) {
        match step {
            Step::Create(node) => {
                let parent = self.parent_record(&node.path);
                parent.children_created = node.parent_created;
                parent.children += 1;
                let record = Record {
                    acl: node.acl.clone(),
                    version: 0,
                    aversion: 0,
                    children_created: 0,
                    children: 0,
                    // While a transaction is checked, the flag counts.
                    ephemeral: mode.is_some_and(CreateMode::is_ephemeral),
                };
                self.changed.insert(node.path.clone(), Some(record));
            }
            Step::Delete { path } => {
                self.parent_record(path).children -= 1;
                self.changed.insert(path.clone(), None);
            }
            Step::SetData { path, version, .. } => self.changed_record(path).version = *version,
            Step::SetAcl { path, acl, version } => {
                let record = self.changed_record(path);
                (record.acl, record.aversion) = (acl.clone(), *version);
            }
            Step::Check => {}
        }
    }

    fn parent_record(&mut self, path: &str) -> &mut Record {
        self.changed_record(parent_of(path).expect("a path that was checked has a slash"))
    }

    fn changed_record(&mut self, path: &str) -> &mut Record {
        let tree = self.tree;
        let record = self.changed.entry(path.into());
        let record = record.or_insert_with(|| tree.node(path).map(Record::of).ok());
        record.as_mut().expect("a step was checked that changes a node that is not there")
    }
}

/// The parent of a node that may be deleted, if there is one.
fn deletable(path: &str) -> Result<&str, ErrorCode> {
    let legal = !path.contains('\0') && !RESERVED.contains(&path);
    parent_of(path).filter(|_| legal).ok_or(ErrorCode::BadArguments)
}

/// The version after `version`, if that is the one expected. It wraps, also over −1, which means "any" to a client.
fn next_version(version: i32, expected: i32) -> Result<i32, ErrorCode> {
    match expected == ANY_VERSION || expected == version {
        true => Ok(version.wrapping_add(1)),
        false => Err(ErrorCode::BadVersion),
    }
}
