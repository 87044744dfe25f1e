//! Who claims which address, so that nobody has to look through the table for it.

use crate::identity::{Address, NodeId, NodeIdentifier};
use crate::status::NodeStatus;
use crate::table::StatusTable;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The cluster protocol addresses in a table.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Claims {
    /// The table that was looked through last.
    table: Arc<StatusTable>,
    /// Every claim in that table, and claims of earlier ones.
    claims: BTreeSet<(Address, NodeId)>,
}

impl Claims {
    /// What `table` says of the others that claim the addresses of `node`, ordered by id.
    pub(super) fn of_others(
        &mut self,
        table: &Arc<StatusTable>,
        node: &NodeIdentifier,
    ) -> Vec<Arc<NodeStatus>> {
        self.catch_up(table);
        let [first, last] = [0, u128::MAX].map(|id| (node.socket.clone(), NodeId(id)));
        self.claims
            .range(first..=last)
            .filter(|(_, id)| *id != node.id)
            .filter_map(|(_, id)| table.get(*id))
            .filter(|status| status.node.is_logically_equal(node))
            .cloned()
            .collect()
    }

    fn catch_up(&mut self, table: &Arc<StatusTable>) {
        for status in table.beside(&self.table).filter_map(|(now, _)| now) {
            self.claims.insert((status.node.socket.clone(), status.node.id));
        }
        self.table = table.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Incarnation;
    use crate::status::{ConnectionState, Epoch, Version};
    use proptest::prelude::*;

    /// One of a few nodes at one of a few hosts, and for half of the hosts at one of two ports of the web.
    fn identifier(id: u128, host: u16) -> NodeIdentifier {
        let socket = Address::new("h", host / 2);
        NodeIdentifier::new(NodeId(id), Address::new("h", host), socket)
    }

    proptest! {
        /// Each change is (node, host, whether the node is forgotten instead).
        #[test]
        fn they_are_what_a_look_through_the_table_finds(
            changes in prop::collection::vec((0u128..6, 0u16..6, prop::bool::weighted(0.2)), 0..40),
            looks in prop::collection::vec(any::<bool>(), 40),
            node in (0u128..6, 0u16..6),
        ) {
            let (mut table, mut claims) = (Arc::new(StatusTable::default()), Claims::default());
            for ((sequence, (id, host, forgotten)), looks) in (1..).zip(changes).zip(looks) {
                let version = Version { epoch: Epoch(1), sequence };
                let (node_of_change, incarnation) = (Arc::new(identifier(id, host)), Incarnation(1));
                let state = ConnectionState::Offloaded;
                let status = NodeStatus { node: node_of_change, incarnation, state, version };
                match forgotten {
                    true => Arc::make_mut(&mut table).forget(NodeId(id)),
                    false => assert!(Arc::make_mut(&mut table).merge(&Arc::new(status))),
                }
                // A look now and then, so that several changes lie between two of them.
                if looks {
                    let node = identifier(node.0, node.1);
                    let claim = |status: &&Arc<NodeStatus>| {
                        status.node.id != node.id && status.node.is_logically_equal(&node)
                    };
                    let found: Vec<_> = table.iter().filter(claim).cloned().collect();
                    prop_assert_eq!(claims.of_others(&table, &node), found);
                }
            }
        }
    }
}
