//! What a table is made of: runs of entries that copies of the table share until one of them changes there.

use crate::identity::NodeId;
use crate::status::NodeStatus;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::hash::{Hash, Hasher};

/// How many entries a run may have. A change of a shared table copies one run and the list of runs: for the ten thousand
/// nodes of the largest clusters about as many entries as runs. Clusters of up to this size have one run.
const RUN_MAX: usize = 128;

/// One entry, beside its key, which would otherwise be two pointers away.
#[derive(Clone, Debug)]
struct Entry {
    id: NodeId,
    status: Arc<NodeStatus>,
}

/// Neighbours in the order of their ids.
type Run = Vec<Entry>;

/// Statuses in the order of their nodes' ids, one for each node.
///
/// No run is empty or longer than [`RUN_MAX`], and each ends before the next begins. Where a run ends depends on what
/// happened to the table, so two equal tables may be cut up differently: nothing shows it.
#[derive(Clone, Debug, Default)]
pub(super) struct Entries {
    runs: Vec<Arc<Run>>,
    len: usize,
}

/// Where an entry is, or where it would be.
enum Place {
    Found { run: usize, at: usize },
    Missing { run: usize, at: usize },
}

impl Entries {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<NodeStatus>> {
        self.runs.iter().flat_map(|run| run.iter()).map(|entry| &entry.status)
    }

    pub(super) fn get(&self, node: NodeId) -> Option<&Arc<NodeStatus>> {
        match self.place(node) {
            Place::Found { run, at } => Some(&self.runs[run][at].status),
            Place::Missing { .. } => None,
        }
    }

    fn place(&self, node: NodeId) -> Place {
        // The last run that does not begin behind it, or the first one.
        let run =
            self.runs.partition_point(|run| run.first().is_some_and(|first| first.id <= node)).max(1) - 1;
        let found =
            self.runs.get(run).map_or(Err(0), |run| run.binary_search_by_key(&node, |entry| entry.id));
        match found {
            Ok(at) => Place::Found { run, at },
            Err(at) => Place::Missing { run, at },
        }
    }

    /// Puts `status` in the place of what there is of its node.
    pub(super) fn put(&mut self, status: &Arc<NodeStatus>) {
        let id = status.node.id;
        match self.place(id) {
            Place::Found { run, at } => Arc::make_mut(&mut self.runs[run])[at].status = status.clone(),
            Place::Missing { run, at } => {
                self.insert(run, at, Entry { id, status: status.clone() });
                self.len += 1;
            }
        }
    }

    fn insert(&mut self, run: usize, at: usize, entry: Entry) {
        let Some(full) = self.runs.get_mut(run) else {
            return self.runs.push(Arc::new(Vec::from([entry])));
        };
        let entries = Arc::make_mut(full);
        entries.insert(at, entry);
        if entries.len() > RUN_MAX {
            let behind = entries.split_off(RUN_MAX / 2);
            self.runs.insert(run + 1, Arc::new(behind));
        }
    }

    pub(super) fn remove(&mut self, node: NodeId) {
        if let Place::Found { run, at } = self.place(node) {
            let entries = Arc::make_mut(&mut self.runs[run]);
            entries.remove(at);
            self.len -= 1;
            if entries.is_empty() {
                self.runs.remove(run);
            }
        }
    }

    /// See [`StatusTable::beside`](super::StatusTable::beside).
    pub(super) fn beside<'a>(&'a self, other: &'a Entries) -> Beside<'a> {
        Beside { mine: Cursor::new(self), theirs: Cursor::new(other) }
    }
}

/// A way along a table.
struct Cursor<'a> {
    /// What is left of the run in which it is.
    run: &'a [Entry],
    /// The runs behind that.
    runs: &'a [Arc<Run>],
}

impl<'a> Cursor<'a> {
    fn new(entries: &'a Entries) -> Self {
        let mut cursor = Cursor { run: &[], runs: &entries.runs };
        cursor.enter();
        cursor
    }

    /// Goes on to the next run when this one is over.
    fn enter(&mut self) {
        if self.run.is_empty()
            && let Some((run, behind)) = self.runs.split_first()
        {
            (self.run, self.runs) = (run, behind);
        }
    }

    fn next(&mut self) -> Option<&'a Arc<NodeStatus>> {
        let entry = self.run.first()?;
        self.pass_by(1);
        Some(&entry.status)
    }

    /// Goes on by so many entries of this run.
    fn pass_by(&mut self, count: usize) {
        self.run = &self.run[count..];
        self.enter();
    }
}

/// One walk along two tables.
pub(super) struct Beside<'a> {
    mine: Cursor<'a>,
    theirs: Cursor<'a>,
}

impl Beside<'_> {
    /// Passes by what both tables share from here on: whole runs, and then entries.
    fn skip_shared(&mut self) {
        loop {
            let (mine, theirs) = (self.mine.run, self.theirs.run);
            let are_shared = |(mine, theirs): &(&Entry, &Entry)| Arc::ptr_eq(&mine.status, &theirs.status);
            let shared = if core::ptr::eq(mine, theirs) {
                mine.len()
            } else {
                mine.iter().zip(theirs).take_while(are_shared).count()
            };
            if shared == 0 {
                return;
            }
            self.mine.pass_by(shared);
            self.theirs.pass_by(shared);
        }
    }
}

impl<'a> Iterator for Beside<'a> {
    type Item = (Option<&'a Arc<NodeStatus>>, Option<&'a Arc<NodeStatus>>);

    fn next(&mut self) -> Option<Self::Item> {
        self.skip_shared();
        let first = match (self.mine.run, self.theirs.run) {
            ([], []) => return None,
            ([_, ..], []) => Ordering::Less,
            ([], [_, ..]) => Ordering::Greater,
            ([mine, ..], [theirs, ..]) => mine.id.cmp(&theirs.id),
        };
        let mine = if first.is_le() { self.mine.next() } else { None };
        let theirs = if first.is_ge() { self.theirs.next() } else { None };
        Some((mine, theirs))
    }
}

impl PartialEq for Entries {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.beside(other).all(|(mine, theirs)| mine == theirs)
    }
}

impl Eq for Entries {}

impl PartialOrd for Entries {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entries {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

impl Hash for Entries {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.len.hash(state);
        self.iter().for_each(|status| status.hash(state));
    }
}

/// Written and read as a map by node id.
pub(super) mod as_map {
    use super::Entries;
    use crate::identity::NodeId;
    use crate::status::NodeStatus;
    use alloc::collections::BTreeMap;
    use alloc::sync::Arc;
    use serde::ser::SerializeMap;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::table) fn serialize<S: Serializer>(entries: &Entries, to: S) -> Result<S::Ok, S::Error> {
        // Formats that do not describe themselves have to know the length beforehand.
        let mut map = to.serialize_map(Some(entries.len()))?;
        entries.iter().try_for_each(|status| map.serialize_entry(&status.node.id, status))?;
        map.end()
    }

    pub(in crate::table) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Entries, D::Error> {
        let map = BTreeMap::<NodeId, Arc<NodeStatus>>::deserialize(from)?;
        let mut entries = Entries::default();
        // What an entry is about is what it says, whatever it was filed under.
        map.values().for_each(|status| entries.put(status));
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Address, Incarnation, NodeIdentifier};
    use crate::status::{ConnectionState, Epoch, Version};
    use alloc::collections::BTreeMap;
    use proptest::prelude::*;

    /// What a table is, without any sharing.
    type Model = BTreeMap<u128, Arc<NodeStatus>>;

    fn status(id: u128, sequence: u64) -> Arc<NodeStatus> {
        let address = Address::new("n", 1);
        let node = Arc::new(NodeIdentifier::new(NodeId(id), address.clone(), address));
        let version = Version { epoch: Epoch(1), sequence };
        Arc::new(NodeStatus { node, incarnation: Incarnation(1), state: ConnectionState::Offloaded, version })
    }

    #[derive(Clone, Debug)]
    enum Change {
        Put(u128, u64),
        Remove(u128),
        /// Puts many neighbours at once, so that runs are cut.
        Fill(u128),
        /// Goes on with a copy, and keeps the original.
        Copy,
    }

    fn changes() -> impl Strategy<Value = Vec<Change>> {
        let change = prop_oneof![
            6 => (0u128..600, 0u64..3).prop_map(|(id, sequence)| Change::Put(id, sequence)),
            3 => (0u128..600).prop_map(Change::Remove),
            1 => (0u128..600).prop_map(Change::Fill),
            2 => Just(Change::Copy),
        ];
        prop::collection::vec(change, 0..60)
    }

    fn put(entries: &mut Entries, model: &mut Model, id: u128, sequence: u64) {
        let status = status(id, sequence);
        entries.put(&status);
        model.insert(id, status);
    }

    /// Every copy that was made on the way, and what must be in it.
    fn after(changes: &[Change]) -> Vec<(Entries, Model)> {
        let (mut entries, mut model) = (Entries::default(), Model::new());
        let mut copies = Vec::new();
        for change in changes {
            match change {
                Change::Put(id, sequence) => put(&mut entries, &mut model, *id, *sequence),
                Change::Remove(id) => {
                    entries.remove(NodeId(*id));
                    model.remove(id);
                }
                Change::Fill(from) => {
                    (*from..from + 200).for_each(|id| put(&mut entries, &mut model, id, 1));
                }
                Change::Copy => copies.push((entries.clone(), model.clone())),
            }
        }
        copies.push((entries, model));
        copies
    }

    /// All that differs, found without any sharing.
    fn differing(one: &Model, other: &Model) -> Vec<u128> {
        let ids: alloc::collections::BTreeSet<u128> = one.keys().chain(other.keys()).copied().collect();
        ids.into_iter().filter(|id| one.get(id) != other.get(id)).collect()
    }

    proptest! {
        #[test]
        fn it_is_a_map_and_copies_do_not_see_later_changes(changes in changes()) {
            for (entries, model) in after(&changes) {
                prop_assert_eq!(entries.len(), model.len());
                prop_assert!(entries.iter().eq(model.values()));
                for id in 0..800 {
                    prop_assert_eq!(entries.get(NodeId(id)), model.get(&id));
                }
            }
        }

        #[test]
        fn runs_are_in_order_and_neither_empty_nor_too_long(changes in changes()) {
            for (entries, _) in after(&changes) {
                prop_assert!(entries.runs.iter().all(|run| (1..=RUN_MAX).contains(&run.len())));
                let ids: Vec<_> = entries.runs.iter().flat_map(|run| run.iter().map(|entry| entry.id)).collect();
                prop_assert!(ids.is_sorted_by(|one, next| one < next));
            }
        }

        #[test]
        fn a_walk_along_two_tables_sees_all_that_differs(one in changes(), other in changes()) {
            let mut tables = after(&one);
            tables.extend(after(&other));
            for (one, one_model) in &tables {
                for (other, other_model) in &tables {
                    let mut seen = Vec::new();
                    for (mine, theirs) in one.beside(other) {
                        let id = mine.or(theirs).map(|status| status.node.id).expect("one of them is there");
                        prop_assert_eq!(mine, one.get(id));
                        prop_assert_eq!(theirs, other.get(id));
                        if mine != theirs {
                            seen.push(id.0);
                        }
                    }
                    prop_assert_eq!(&seen, &differing(one_model, other_model));
                    prop_assert_eq!(one == other, seen.is_empty());
                    prop_assert_eq!(one.cmp(other), one_model.values().cmp(other_model.values()));
                }
            }
        }
    }

    #[test]
    fn what_is_shared_is_not_walked() {
        let mut one = Entries::default();
        (0..1_000).for_each(|id| one.put(&status(id, 0)));
        let mut other = one.clone();
        assert_eq!(one.beside(&other).count(), 0);
        other.put(&status(500, 1));
        assert_eq!(one.beside(&other).count(), 1);
        let shared = one.runs.iter().zip(&other.runs).filter(|(one, other)| Arc::ptr_eq(one, other)).count();
        assert_eq!(shared, one.runs.len() - 1, "a change copies one run");
    }
}
