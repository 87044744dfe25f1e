//! Telling everybody what was decided: at once in small clusters, gathered for a moment in large ones, where telling
//! everybody of everybody would take as many messages as there are pairs of nodes (a start of ten thousand nodes would
//! take two hundred million).

use crate::config::CHANGES_GATHERED_FOR;
use crate::message::StatusChanges;
use crate::status::{Epoch, NodeStatus};
use crate::table::StatusTable;
use crate::time::Instant;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// What nobody was told yet.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Announcements {
    gathered: Vec<Arc<NodeStatus>>,
    /// The table before the first of them, unless something else has changed the table since.
    before: Option<Arc<StatusTable>>,
    due_at: Option<Instant>,
}

impl Announcements {
    /// `table` is about to change by a decision that will be gathered.
    pub(super) fn before_decision(&mut self, table: &Arc<StatusTable>) {
        if self.gathered.is_empty() {
            self.before = Some(table.clone());
        }
    }

    /// The table has changed by something that nobody is told of.
    pub(super) fn table_changed(&mut self) {
        self.before = None;
    }

    pub(super) fn gather(&mut self, now: Instant, status: Arc<NodeStatus>) {
        self.gathered.push(status);
        self.due_at.get_or_insert(now + CHANGES_GATHERED_FOR);
    }

    /// When everybody is to be told. `None` when there is nothing to tell.
    pub(super) fn due_at(&self) -> Option<Instant> {
        self.due_at
    }

    /// What everybody is to be told, if there is something. `after`: the table as it is now.
    pub(super) fn take(&mut self, epoch: Epoch, after: &Arc<StatusTable>) -> Option<Arc<StatusChanges>> {
        self.due_at.take()?;
        let gathered = core::mem::take(&mut self.gathered);
        // Of two decisions about a node the later one is all that counts.
        let last: BTreeMap<_, _> =
            gathered.iter().enumerate().map(|(place, status)| (status.node.id, place)).collect();
        let newest = |(place, status): (usize, Arc<NodeStatus>)| {
            (last.get(&status.node.id) == Some(&place)).then_some(status)
        };
        let statuses = gathered.into_iter().enumerate().filter_map(newest).collect();
        let tables = self.before.take().map(|before| (before, after.clone()));
        Some(Arc::new(StatusChanges { epoch, statuses, tables }))
    }
}
