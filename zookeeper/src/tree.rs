//! The tree of nodes: what each operation checks, in which order, and what it changes; sessions are mere owners here.
//!
//! The tree is a function of the transactions applied to it, failed ones included, so that replicas that apply the
//! same transactions are equal.

use crate::path::{ROOT, is_legal, name_of, parent_of};
use crate::types::{CreateMode, ErrorCode, SessionId, Stat, Zxid};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The nodes every server has from the start; they cannot be deleted.
const RESERVED: [&str; 4] = [ROOT, "/zookeeper", "/zookeeper/config", "/zookeeper/quota"];

/// When a transaction happens.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Stamp {
    /// Its number.
    pub(crate) zxid: Zxid,
    /// Milliseconds of the server's clock.
    pub(crate) millis: u64,
}

/// All nodes, by path.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Tree {
    nodes: BTreeMap<Arc<str>, Znode>,
    ephemerals: BTreeMap<SessionId, BTreeSet<Arc<str>>>,
}

/// One node. The creations below it are counted, the deletions are not: sequence numbers come from this count.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Znode {
    data: Arc<[u8]>,
    czxid: Zxid,
    mzxid: Zxid,
    pzxid: Zxid,
    ctime: u64,
    mtime: u64,
    version: i32,
    children_created: i32,
    aversion: i32,
    kind: Kind,
    children: BTreeSet<Arc<str>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Kind {
    Persistent,
    Ephemeral(SessionId),
    Container,
}

impl Default for Tree {
    fn default() -> Self {
        Tree::new()
    }
}

impl Tree {
    /// The tree of a fresh server: the root, `/zookeeper`, and its `config` and `quota`.
    #[must_use]
    pub fn new() -> Self {
        let stamp = Stamp { zxid: Zxid(0), millis: 0 };
        let mut nodes = BTreeMap::new();
        for path in RESERVED {
            nodes.insert(path.into(), Znode::new(stamp, Arc::from([]), Kind::Persistent));
            if path != ROOT {
                let parent = parent_of(path).and_then(|parent| nodes.get_mut(parent));
                parent.expect("parents come first in the list").children.insert(name_of(path).into());
            }
        }
        // The server sets the ACL of this one itself, with version −1.
        nodes.get_mut("/zookeeper/config").expect("it was just inserted").aversion = -1;
        Tree { nodes, ephemerals: BTreeMap::new() }
    }

    /// The stat of the node at `path`.
    ///
    /// # Errors
    /// [`ErrorCode::NoNode`]. Reads do not ask whether the path is legal.
    pub fn stat(&self, path: &str) -> Result<Stat, ErrorCode> {
        self.node(path).map(Znode::stat)
    }

    /// Data and stat of the node at `path`.
    ///
    /// # Errors
    /// [`ErrorCode::NoNode`].
    pub fn data(&self, path: &str) -> Result<(Arc<[u8]>, Stat), ErrorCode> {
        self.node(path).map(|node| (node.data.clone(), node.stat()))
    }

    /// The names of the children of the node at `path`, sorted, and its stat.
    ///
    /// # Errors
    /// [`ErrorCode::NoNode`].
    pub fn children(&self, path: &str) -> Result<(Vec<Arc<str>>, Stat), ErrorCode> {
        self.node(path).map(|node| (node.children.iter().cloned().collect(), node.stat()))
    }

    /// The paths of all nodes, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &Arc<str>> {
        self.nodes.keys()
    }

    /// The paths of the ephemeral nodes of a session, sorted.
    pub fn ephemerals(&self, session: SessionId) -> impl Iterator<Item = &Arc<str>> {
        self.ephemerals.get(&session).into_iter().flatten()
    }

    /// The sessions that own ephemeral nodes.
    pub fn ephemeral_owners(&self) -> impl Iterator<Item = SessionId> {
        self.ephemerals.keys().copied()
    }

    /// Creates a node. The checks, first to last: slash, parent, path, existence, kind of the parent.
    pub(crate) fn create(
        &mut self,
        stamp: Stamp,
        session: SessionId,
        path: &Arc<str>,
        data: Arc<[u8]>,
        mode: CreateMode,
    ) -> Result<(Arc<str>, Stat), ErrorCode> {
        let parent_path = parent_of(path).filter(|_| !path.contains('\0')).ok_or(ErrorCode::BadArguments)?;
        let parent = self.nodes.get(parent_path).ok_or(ErrorCode::NoNode)?;
        let path = match mode.is_sequential() {
            true => format!("{path}{:010}", parent.children_created).into(),
            false => path.clone(),
        };
        if !is_legal(&path) {
            return Err(ErrorCode::BadArguments);
        }
        if self.nodes.contains_key(&path) {
            return Err(ErrorCode::NodeExists);
        }
        match parent.kind {
            Kind::Ephemeral(_) => return Err(ErrorCode::NoChildrenForEphemerals),
            Kind::Persistent | Kind::Container => {}
        }
        Ok((path.clone(), self.insert(stamp, session, path, data, mode)))
    }

    fn insert(
        &mut self,
        stamp: Stamp,
        session: SessionId,
        path: Arc<str>,
        data: Arc<[u8]>,
        mode: CreateMode,
    ) -> Stat {
        let parent =
            parent_of(&path).and_then(|parent| self.nodes.get_mut(parent)).expect("the parent was checked");
        // The name of a sequential node is not what was asked for but what the path became.
        parent.children.insert(name_of(&path).into());
        parent.children_created = parent.children_created.wrapping_add(1);
        parent.pzxid = stamp.zxid;
        let kind = match mode {
            CreateMode::Persistent | CreateMode::PersistentSequential => Kind::Persistent,
            CreateMode::Ephemeral | CreateMode::EphemeralSequential => {
                self.ephemerals.entry(session).or_default().insert(path.clone());
                Kind::Ephemeral(session)
            }
            CreateMode::Container => Kind::Container,
        };
        let node = Znode::new(stamp, data, kind);
        let stat = node.stat();
        let previous = self.nodes.insert(path, node);
        assert!(previous.is_none(), "a node was created over another");
        stat
    }

    /// Deletes a node. The checks, first to last: slash and reserved, parent, existence, version, children.
    pub(crate) fn delete(&mut self, stamp: Stamp, path: &str, version: Option<i32>) -> Result<(), ErrorCode> {
        let legal = !path.contains('\0') && !RESERVED.contains(&path);
        let parent = parent_of(path).filter(|_| legal).ok_or(ErrorCode::BadArguments)?;
        self.nodes.get(parent).ok_or(ErrorCode::NoNode)?;
        let node = self.nodes.get(path).ok_or(ErrorCode::NoNode)?;
        node.check_version(version)?;
        if !node.children.is_empty() {
            return Err(ErrorCode::NotEmpty);
        }
        self.remove(stamp, path);
        Ok(())
    }

    fn remove(&mut self, stamp: Stamp, path: &str) {
        let node = self.nodes.remove(path).expect("the node was checked");
        assert!(node.children.is_empty(), "a node with children was deleted");
        let parent =
            parent_of(path).and_then(|parent| self.nodes.get_mut(parent)).expect("a node has a parent");
        let known = parent.children.remove(name_of(path));
        assert!(known, "a node was no child of its parent");
        parent.pzxid = stamp.zxid;
        match node.kind {
            Kind::Ephemeral(session) => self.disown(session, path),
            Kind::Persistent | Kind::Container => {}
        }
    }

    fn disown(&mut self, session: SessionId, path: &str) {
        let paths = self.ephemerals.get_mut(&session).expect("the owner of an ephemeral node is listed");
        let known = paths.remove(path);
        assert!(known, "an ephemeral node was not listed with its owner");
        if paths.is_empty() {
            self.ephemerals.remove(&session);
        }
    }

    /// Deletes all ephemeral nodes of a session in the order of their paths, and gives the paths back in that order.
    pub(crate) fn delete_ephemerals(&mut self, stamp: Stamp, session: SessionId) -> BTreeSet<Arc<str>> {
        let paths = self.ephemerals.get(&session).cloned().unwrap_or_default();
        paths.iter().for_each(|path| self.remove(stamp, path));
        paths
    }

    /// Replaces the data of a node. The checks, first to last: path, existence, version.
    pub(crate) fn set_data(
        &mut self,
        stamp: Stamp,
        path: &str,
        data: Arc<[u8]>,
        version: Option<i32>,
    ) -> Result<Stat, ErrorCode> {
        if !is_legal(path) {
            return Err(ErrorCode::BadArguments);
        }
        let node = self.nodes.get_mut(path).ok_or(ErrorCode::NoNode)?;
        node.check_version(version)?;
        node.data = data;
        node.mzxid = stamp.zxid;
        node.mtime = stamp.millis;
        node.version = next_version(node.version);
        Ok(node.stat())
    }

    /// The empty path is another name of the root for those who do not ask whether a path is legal.
    fn node(&self, path: &str) -> Result<&Znode, ErrorCode> {
        let path = if path.is_empty() { ROOT } else { path };
        self.nodes.get(path).ok_or(ErrorCode::NoNode)
    }

    /// Checks what the tree believes of itself: parents and children, owners and ephemeral nodes agree.
    ///
    /// # Panics
    /// When they do not, which is a bug of this crate.
    pub fn check_invariants(&self) {
        let mut children = 0;
        let mut ephemerals = 0;
        for (path, node) in &self.nodes {
            children += node.children.len();
            if **path != *ROOT {
                let parent = parent_of(path).and_then(|parent| self.nodes.get(parent));
                let listed = parent.is_some_and(|parent| parent.children.contains(name_of(path)));
                assert!(listed, "{path} is no child of its parent");
            }
            if let Kind::Ephemeral(owner) = node.kind {
                ephemerals += 1;
                assert!(node.children.is_empty(), "the ephemeral node {path} has children");
                let listed = self.ephemerals.get(&owner).is_some_and(|paths| paths.contains(path));
                assert!(listed, "the ephemeral node {path} is not listed with its owner");
            }
        }
        assert_eq!(children + 1, self.nodes.len(), "a child is listed that does not exist");
        assert_eq!(
            ephemerals,
            self.ephemerals.values().map(BTreeSet::len).sum::<usize>(),
            "an owner lists too much"
        );
    }
}

impl Znode {
    fn new(stamp: Stamp, data: Arc<[u8]>, kind: Kind) -> Self {
        Znode {
            data,
            czxid: stamp.zxid,
            mzxid: stamp.zxid,
            pzxid: stamp.zxid,
            ctime: stamp.millis,
            mtime: stamp.millis,
            version: 0,
            children_created: 0,
            aversion: 0,
            kind,
            children: BTreeSet::new(),
        }
    }

    fn check_version(&self, expected: Option<i32>) -> Result<(), ErrorCode> {
        match expected {
            None | Some(-1) => Ok(()),
            Some(version) if version == self.version => Ok(()),
            Some(_) => Err(ErrorCode::BadVersion),
        }
    }

    fn stat(&self) -> Stat {
        let num_children = u32::try_from(self.children.len()).unwrap_or(u32::MAX);
        Stat {
            czxid: self.czxid,
            mzxid: self.mzxid,
            pzxid: self.pzxid,
            ctime: self.ctime,
            mtime: self.mtime,
            version: self.version,
            // Created + deleted = 2 × created − those that are left; it wraps as ZooKeeper's does.
            cversion: self.children_created.wrapping_mul(2).wrapping_sub(num_children.cast_signed()),
            aversion: self.aversion,
            ephemeral_owner: match self.kind {
                Kind::Ephemeral(session) => Some(session),
                Kind::Persistent | Kind::Container => None,
            },
            data_length: u32::try_from(self.data.len()).unwrap_or(u32::MAX),
            num_children,
        }
    }
}

/// −1 means "any version" to a client, so no node ever has it.
const fn next_version(version: i32) -> i32 {
    match version.wrapping_add(1) {
        -1 => 0,
        next => next,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use CreateMode::{Container, Ephemeral, EphemeralSequential, Persistent, PersistentSequential};
    use ErrorCode::{BadArguments, BadVersion, NoChildrenForEphemerals, NoNode, NodeExists, NotEmpty};

    const SESSION: SessionId = SessionId(7);

    fn at(zxid: u64) -> Stamp {
        Stamp { zxid: Zxid(zxid), millis: zxid * 1000 }
    }

    fn create(tree: &mut Tree, zxid: u64, path: &str, mode: CreateMode) -> Result<Arc<str>, ErrorCode> {
        let created = tree.create(at(zxid), SESSION, &path.into(), Arc::from(*b"data"), mode);
        tree.check_invariants();
        created.map(|(path, _)| path)
    }

    /// `/p` persistent with the child `/p/c`, `/e` ephemeral, created at 1, 2 and 3.
    fn tree() -> Tree {
        let mut tree = Tree::new();
        create(&mut tree, 1, "/p", Persistent).unwrap();
        create(&mut tree, 2, "/p/c", Container).unwrap();
        create(&mut tree, 3, "/e", Ephemeral).unwrap();
        tree
    }

    #[track_caller]
    fn check_create(path: &str, mode: CreateMode, expected: Result<&str, ErrorCode>) {
        let mut tree = tree();
        let before = tree.clone();
        assert_eq!(create(&mut tree, 9, path, mode).as_deref().map_err(|code| *code), expected, "{path:?}");
        assert_eq!(tree == before, expected.is_err(), "a failed create changes nothing");
    }

    #[test]
    fn create_checks_slash_parent_path_existence_and_kind_of_parent_in_this_order() {
        check_create("a", Persistent, Err(BadArguments));
        check_create("", Persistent, Err(BadArguments));
        check_create("/none/\0", Persistent, Err(BadArguments));
        check_create("a/b", Persistent, Err(NoNode));
        check_create("/none/..", Persistent, Err(NoNode));
        check_create("/none/", Persistent, Err(NoNode));
        check_create("/p/..", Persistent, Err(BadArguments));
        check_create("/p/", Persistent, Err(BadArguments));
        check_create("/e/..", Persistent, Err(BadArguments));
        check_create("/e/\u{1}", Persistent, Err(BadArguments));
        check_create("/", Persistent, Err(NodeExists));
        check_create("/p", Persistent, Err(NodeExists));
        check_create("/p", Ephemeral, Err(NodeExists));
        check_create("/e/x", Persistent, Err(NoChildrenForEphemerals));
        check_create("/e/x", EphemeralSequential, Err(NoChildrenForEphemerals));
        check_create("/p/x", Ephemeral, Ok("/p/x"));
        // A number makes a name of nothing, and a new name of one that exists.
        check_create("/p/", PersistentSequential, Ok("/p/0000000001"));
        check_create("/p/c", PersistentSequential, Ok("/p/c0000000001"));
        check_create("/", PersistentSequential, Ok("/0000000002"));
    }

    #[track_caller]
    fn check_delete(path: &str, version: Option<i32>, expected: Result<(), ErrorCode>) {
        let mut tree = tree();
        let before = tree.clone();
        assert_eq!(tree.delete(at(9), path, version), expected, "{path:?}");
        tree.check_invariants();
        assert_eq!(tree == before, expected.is_err(), "a failed delete changes nothing");
    }

    #[test]
    fn delete_checks_slash_parent_existence_version_and_children_in_this_order() {
        check_delete("p", None, Err(BadArguments));
        check_delete("/p/\0", None, Err(BadArguments));
        for path in RESERVED {
            check_delete(path, Some(99), Err(BadArguments));
        }
        check_delete("/p/../p", None, Err(NoNode));
        check_delete("/none/x", None, Err(NoNode));
        check_delete("/p/x", Some(99), Err(NoNode));
        check_delete("/p", Some(99), Err(BadVersion));
        check_delete("/p", Some(0), Err(NotEmpty));
        check_delete("/p/c", Some(0), Ok(()));
        check_delete("/e", None, Ok(()));
        check_delete("/e", Some(-1), Ok(()));
    }

    #[test]
    fn set_data_checks_path_existence_and_version_in_this_order() {
        let mut tree = tree();
        let mut check = |path, version, expected| {
            let set = tree.set_data(at(9), path, Arc::from(*b"xy"), version);
            assert_eq!(set.map(|stat| (stat.version, stat.data_length)), expected, "{path:?}");
        };
        check("/p/../p", None, Err(BadArguments));
        check("/none/", None, Err(BadArguments));
        check("/none", Some(99), Err(NoNode));
        check("/p", Some(99), Err(BadVersion));
        check("/p", Some(0), Ok((1, 2)));
        check("/p", None, Ok((2, 2)));
    }

    #[test]
    fn reads_ask_for_nothing_but_the_node() {
        let tree = tree();
        assert_eq!(tree.stat("/p/../p"), Err(NoNode));
        assert_eq!(tree.data("//p"), Err(NoNode));
        assert_eq!(tree.children("p"), Err(NoNode));
        assert_eq!(tree.data("/p").unwrap().0[..], *b"data");
        let (names, _) = tree.children("").unwrap();
        assert_eq!(names, ["e", "p", "zookeeper"].map(Arc::from));
    }

    #[test]
    fn stat_tells_of_creation_data_and_children_apart() {
        let mut tree = tree();
        tree.set_data(at(5), "/p", Arc::from([0; 3]), None).unwrap();
        tree.delete(at(6), "/p/c", None).unwrap();
        let stat = tree.stat("/p").unwrap();
        assert_eq!((stat.czxid, stat.mzxid, stat.pzxid), (Zxid(1), Zxid(5), Zxid(6)));
        assert_eq!((stat.ctime, stat.mtime), (1000, 5000));
        assert_eq!((stat.version, stat.cversion, stat.aversion), (1, 2, 0));
        assert_eq!((stat.ephemeral_owner, stat.data_length, stat.num_children), (None, 3, 0));
        assert_eq!(tree.stat("/e").unwrap().ephemeral_owner, Some(SESSION));
    }

    #[test]
    fn a_fresh_tree_shows_children_that_were_never_created() {
        let tree = Tree::new();
        tree.check_invariants();
        assert_eq!(tree.stat("/").unwrap().cversion, -1);
        assert_eq!(tree.stat("/zookeeper").unwrap().cversion, -2);
    }

    #[test]
    fn every_creation_below_a_parent_moves_its_sequence_and_nothing_else_does() {
        let mut tree = Tree::new();
        create(&mut tree, 1, "/t", Persistent).unwrap();
        let mut next = |path, mode| create(&mut tree, 2, path, mode);
        assert_eq!(next("/t/e", Ephemeral).as_deref(), Ok("/t/e"));
        assert_eq!(next("/t/s-", PersistentSequential).as_deref(), Ok("/t/s-0000000001"));
        assert_eq!(next("/t/s-", EphemeralSequential).as_deref(), Ok("/t/s-0000000002"));
        assert_eq!(next("/t/e", Persistent), Err(NodeExists));
        assert_eq!(next("/t/plain", Container).as_deref(), Ok("/t/plain"));
        assert_eq!(next("/t/q-", PersistentSequential).as_deref(), Ok("/t/q-0000000004"));
        tree.delete(at(3), "/t/q-0000000004", None).unwrap();
        assert_eq!(create(&mut tree, 4, "/t/s-", Ephemeral).as_deref(), Ok("/t/s-"));
        assert_eq!(create(&mut tree, 4, "/t/s-", EphemeralSequential).as_deref(), Ok("/t/s-0000000006"));
    }

    #[test]
    fn the_sequence_is_signed_and_starts_again_with_its_parent() {
        let mut tree = tree();
        tree.nodes.get_mut("/p").unwrap().children_created = i32::MAX;
        assert_eq!(create(&mut tree, 4, "/p/s", PersistentSequential).as_deref(), Ok("/p/s2147483647"));
        assert_eq!(create(&mut tree, 4, "/p/s", PersistentSequential).as_deref(), Ok("/p/s-2147483648"));
        create(&mut tree, 5, "/q", Persistent).unwrap();
        create(&mut tree, 6, "/q/x", Persistent).unwrap();
        tree.delete(at(7), "/q/x", None).unwrap();
        tree.delete(at(8), "/q", None).unwrap();
        create(&mut tree, 9, "/q", Persistent).unwrap();
        assert_eq!(create(&mut tree, 9, "/q/s", PersistentSequential).as_deref(), Ok("/q/s0000000000"));
    }

    #[test]
    fn the_version_of_data_skips_minus_one() {
        assert_eq!([0, i32::MAX, -3, -2].map(next_version), [1, i32::MIN, -2, 0]);
    }

    #[test]
    fn the_ephemeral_nodes_of_a_session_go_together_in_the_order_of_paths() {
        let mut tree = tree();
        create(&mut tree, 4, "/p/z", Ephemeral).unwrap();
        create(&mut tree, 4, "/p/a", Ephemeral).unwrap();
        let other = tree.create(at(5), SessionId(8), &"/other".into(), Arc::from([]), Ephemeral);
        assert!(other.is_ok());
        let deleted = tree.delete_ephemerals(at(6), SESSION);
        assert!(deleted.iter().map(|path| &**path).eq(["/e", "/p/a", "/p/z"]));
        tree.check_invariants();
        assert_eq!(tree.stat("/p").unwrap().pzxid, Zxid(6));
        assert!(tree.ephemeral_owners().eq([SessionId(8)]));
        assert!(tree.delete_ephemerals(at(7), SESSION).is_empty());
    }
}
