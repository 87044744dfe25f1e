//! What the answers so far have taught, so that requests can hit: paths that exist, versions that are current.

use crate::answer::Learned;
use crate::operation::{Operation, Path, Version, Zxid};
use crate::unspecified::{Unspecified, in_one_order};
use std::collections::{BTreeMap, VecDeque};

/// So many created paths are remembered.
const CREATED_MAX: usize = 64;

/// What has been learned.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    created: VecDeque<String>,
    versions: BTreeMap<Vec<u8>, (i32, i32)>,
    listed: Vec<String>,
    newest: i64,
}

impl Memory {
    /// The newest zxid that any header has shown.
    #[must_use]
    pub fn newest(&self) -> i64 {
        self.newest
    }

    /// The children that were listed last, in one order.
    #[must_use]
    pub fn listed(&self) -> &[String] {
        &self.listed
    }

    /// No children have been listed.
    pub fn forget_listed(&mut self) {
        self.listed.clear();
    }

    /// A header has shown this zxid.
    pub fn see(&mut self, zxid: i64) {
        self.newest = self.newest.max(zxid);
    }

    /// Takes in what the answer to this request has taught.
    pub fn learn(&mut self, operation: &Operation, learned: &Learned) {
        if let Some(versions) = learned.versions {
            let created = learned.created.last().map(|path| path.clone().into_bytes());
            let asked = operation.path().and_then(|path| match path {
                Path::Bytes(bytes) => bytes.clone(),
                Path::Created(_) => None,
            });
            if let Some(path) = created.or(asked) {
                self.versions.insert(path, versions);
            }
        }
        if let Some(children) = &learned.children {
            self.listed = in_one_order(Unspecified::ChildOrder, children.clone());
        }
        if !matches!(operation, Operation::Sync { .. }) {
            for path in &learned.created {
                self.created.push_front(path.clone());
            }
            self.created.truncate(CREATED_MAX);
        }
    }

    /// The request with all that stands for something replaced by it.
    #[must_use]
    pub fn resolve(&self, operation: &Operation) -> Operation {
        let mut resolved = operation
            .map(&|path| self.path(path), &|path, version, of_acl| self.version(path, version, of_acl));
        if let Operation::SetWatches { relative, .. } = &mut resolved {
            *relative = Zxid::Number(self.zxid(*relative));
        }
        resolved
    }

    /// The zxid that is meant.
    #[must_use]
    pub fn zxid(&self, zxid: Zxid) -> i64 {
        match zxid {
            Zxid::Number(zxid) => zxid,
            Zxid::BeforeNewest(before) => self.newest - before,
        }
    }

    fn path(&self, path: &Path) -> Path {
        match path {
            Path::Bytes(_) => path.clone(),
            Path::Created(ago) => Path::text(self.created.get(*ago).map_or("/", String::as_str)),
        }
    }

    fn version(&self, path: &Path, version: Version, of_acl: bool) -> Version {
        match (version, path) {
            (Version::Number(_), _) => version,
            (Version::Current, Path::Bytes(Some(bytes))) => {
                let (data, acl) = self.versions.get(bytes).copied().unwrap_or_default();
                Version::Number(if of_acl { acl } else { data })
            }
            (Version::Current, Path::Bytes(None) | Path::Created(_)) => Version::Number(0),
        }
    }
}
