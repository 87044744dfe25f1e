//! The names of a node's children: a sorted set that lists itself without copying each name.

use crate::names::{Names, Part, ending};
use crate::order::{arrange, mixed};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};
use serde::{Deserialize, Serialize};

/// How many names a part may have. A creation copies one part, if somebody still reads a list with it, and a list copies
/// what the parts are called: for ten thousand children about as many names as parts. As long as there were never more, there is one part.
const PART_MAX: usize = 128;

/// Names in their order, each once.
///
/// No part is empty or longer than [`PART_MAX`]. Where one ends depends on the order of the creations: nothing shows it but
/// the order of a long list, which ZooKeeper leaves open.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Names", into = "Names")]
pub(crate) struct Children {
    parts: Vec<Part>,
    len: usize,
}

impl Children {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The names, sorted.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<str>> {
        self.parts.iter().flat_map(|part| part.iter().map(|(_, name)| name))
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.place(name).1.is_ok()
    }

    /// In which part the name is, or would be, and where in it.
    fn place(&self, name: &str) -> (usize, Result<usize, usize>) {
        // The last part that does not begin behind it, or the first one.
        let begins = |part: &Part| part.first().is_some_and(|(_, first)| **first <= *name);
        let part = self.parts.partition_point(begins).max(1) - 1;
        let at = self.parts.get(part).map(|names| names.binary_search_by(|(_, other)| (**other).cmp(name)));
        (part, at.unwrap_or(Err(0)))
    }

    /// Whether it was not there.
    pub(crate) fn insert(&mut self, name: Arc<str>) -> bool {
        let (part, Err(at)) = self.place(&name) else { return false };
        self.len += 1;
        let name = (ending(&name), name);
        let Some(names) = self.parts.get_mut(part) else {
            self.parts.push(Arc::new(Vec::from([name])));
            return true;
        };
        let names = Arc::make_mut(names);
        names.insert(at, name);
        if names.len() > PART_MAX {
            let behind = names.split_off(PART_MAX / 2);
            self.parts.insert(part + 1, Arc::new(behind));
        }
        true
    }

    /// Whether it was there.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        let (part, Ok(at)) = self.place(name) else { return false };
        self.len -= 1;
        let names = Arc::make_mut(&mut self.parts[part]);
        names.remove(at);
        if names.is_empty() {
            self.parts.remove(part);
        }
        true
    }

    /// The names in the order that `order` stands for: sorted with 0. Of a list in several parts it is the parts that are
    /// put in order.
    pub(crate) fn listed(&self, order: u64) -> Names {
        if order == 0 {
            return Names::of_parts(self.parts.clone());
        }
        if self.parts.len() > 1 {
            let mut parts = self.parts.clone();
            parts.sort_by_cached_key(|part| part.first().map(|(_, first)| mixed(order, first)));
            return Names::of_parts(parts);
        }
        let mut names: Vec<_> = self.iter().cloned().collect();
        arrange(order, &mut names);
        names.into()
    }
}

impl From<Names> for Children {
    fn from(names: Names) -> Self {
        let mut children = Children::default();
        for name in names.iter() {
            children.insert(name.clone());
        }
        children
    }
}

impl From<Children> for Names {
    fn from(children: Children) -> Self {
        Names::of_parts(children.parts)
    }
}

impl PartialEq for Children {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl Eq for Children {}

impl Hash for Children {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.len.hash(state);
        self.iter().for_each(|name| name.hash(state));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::format;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Change {
        Insert(u32),
        Remove(u32),
        /// Inserts many neighbours, so that parts are cut.
        Fill(u32),
        /// Somebody keeps the list as it is.
        List,
    }

    fn changes() -> impl Strategy<Value = Vec<Change>> {
        let change = prop_oneof![
            6 => (0u32..600).prop_map(Change::Insert),
            3 => (0u32..600).prop_map(Change::Remove),
            1 => (0u32..600).prop_map(Change::Fill),
            2 => Just(Change::List),
        ];
        prop::collection::vec(change, 0..60)
    }

    fn name(number: u32) -> Arc<str> {
        format!("child {number:04}").into()
    }

    fn names(model: &BTreeSet<Arc<str>>) -> Vec<Arc<str>> {
        model.iter().cloned().collect()
    }

    proptest! {
        #[test]
        fn they_are_a_sorted_set_and_a_list_does_not_see_later_changes(changes in changes()) {
            let (mut children, mut model) = (Children::default(), BTreeSet::new());
            let mut lists = Vec::new();
            for change in changes {
                match change {
                    Change::Insert(number) => {
                        prop_assert_eq!(children.insert(name(number)), model.insert(name(number)));
                    }
                    Change::Remove(number) => {
                        prop_assert_eq!(children.remove(&name(number)), model.remove(&name(number)));
                    }
                    Change::Fill(from) => {
                        (from..from + 200).for_each(|number| {
                            children.insert(name(number));
                            model.insert(name(number));
                        });
                    }
                    Change::List => lists.push((children.listed(0), names(&model))),
                }
                prop_assert!(children.parts.iter().all(|part| (1..=PART_MAX).contains(&part.len())));
                prop_assert_eq!((children.len(), children.is_empty()), (model.len(), model.is_empty()));
            }
            prop_assert!(children.iter().eq(model.iter()));
            prop_assert!((0..800).all(|number| children.contains(&name(number)) == model.contains(&name(number))));
            lists.push((children.listed(0), names(&model)));
            for (list, model) in lists {
                prop_assert_eq!(list, Names::from(model));
            }
            prop_assert_eq!(Children::from(Names::from(names(&model))), children);
        }

        #[test]
        fn whatever_the_order_each_name_is_listed_once(size in 0u32..600, order in any::<u64>()) {
            let mut children = Children::default();
            (0..size).for_each(|number| assert!(children.insert(name(number))));
            let mut listed = Vec::from(children.listed(order));
            prop_assert_eq!(&children.listed(order), &Names::from(listed.clone()), "and always in the same order");
            listed.sort();
            prop_assert!(children.iter().eq(listed.iter()));
        }
    }
}
