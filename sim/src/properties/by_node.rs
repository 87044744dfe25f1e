//! What a property remembers of each node, where it is found without a search however many nodes there are.

use crate::plan::NodeNumber;
use crate::world::process::Machine;
use smallvec::SmallVec;
use zeromaster_core::identity::NodeId;

/// Something for each machine of some.
#[derive(Debug)]
pub(super) struct ByNode<T> {
    /// By the machine's number; as many as were needed so far.
    of: Vec<Option<T>>,
}

impl<T> Default for ByNode<T> {
    fn default() -> Self {
        ByNode { of: Vec::new() }
    }
}

impl<T> ByNode<T> {
    pub(super) fn get(&self, node: NodeNumber) -> Option<&T> {
        self.of.get(node.0 as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, node: NodeNumber) -> Option<&mut T> {
        self.of.get_mut(node.0 as usize)?.as_mut()
    }

    /// What is there, or else `new`, which is there from now on.
    pub(super) fn get_or_insert(&mut self, node: NodeNumber, new: impl FnOnce() -> T) -> &mut T {
        let place = node.0 as usize;
        if self.of.len() <= place {
            self.of.resize_with(place + 1, || None);
        }
        self.of[place].get_or_insert_with(new)
    }

    pub(super) fn remove(&mut self, node: NodeNumber) {
        if let Some(place) = self.of.get_mut(node.0 as usize) {
            *place = None;
        }
    }
}

/// Something for each identity of some. A machine has a new one each time its disk is wiped, so seldom more than one.
#[derive(Debug)]
pub(super) struct ById<T> {
    of: ByNode<SmallVec<[(NodeId, T); 1]>>,
}

impl<T> Default for ById<T> {
    fn default() -> Self {
        ById { of: ByNode::default() }
    }
}

impl<T: Default> ById<T> {
    pub(super) fn get(&self, id: NodeId) -> Option<&T> {
        let of_machine = self.of.get(Machine::number_of(id))?;
        of_machine.iter().find(|(known, _)| *known == id).map(|(_, value)| value)
    }

    /// What is there, or else the default, which is there from now on.
    pub(super) fn get_or_default(&mut self, id: NodeId) -> &mut T {
        let of_machine = self.of.get_or_insert(Machine::number_of(id), SmallVec::new);
        let index = of_machine.iter().position(|(known, _)| *known == id).unwrap_or_else(|| {
            of_machine.push((id, T::default()));
            of_machine.len() - 1
        });
        &mut of_machine[index].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_node_has_its_own() {
        let mut by_node = ByNode::default();
        assert_eq!(by_node.get(NodeNumber(3)), None);
        assert_eq!(by_node.get_mut(NodeNumber(3)), None);
        *by_node.get_or_insert(NodeNumber(3), || 1) += 1;
        *by_node.get_or_insert(NodeNumber(1), || 5) += 1;
        assert_eq!(
            [1, 2, 3, 4].map(|node| by_node.get(NodeNumber(node)).copied()),
            [Some(6), None, Some(2), None]
        );
        by_node.remove(NodeNumber(3));
        by_node.remove(NodeNumber(7));
        assert_eq!(by_node.get(NodeNumber(3)), None);
    }

    #[test]
    fn a_machine_that_was_wiped_is_another_node() {
        let ids = [0, 1, 2].map(|wipes| Machine::fresh_id(NodeNumber(2), wipes));
        assert_eq!(ids.map(Machine::number_of), [NodeNumber(2); 3]);
        let mut by_id = ById::default();
        for (id, value) in ids.into_iter().zip(10..).take(2) {
            *by_id.get_or_default(id) = value;
        }
        assert_eq!(ids.map(|id| by_id.get(id).copied()), [Some(10), Some(11), None]);
    }
}
