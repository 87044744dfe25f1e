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
