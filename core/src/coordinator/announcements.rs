//! Telling everybody what was decided: at once in small clusters, gathered for a moment in large ones, where telling
//! everybody of everybody would take as many messages as there are pairs of nodes (a start of ten thousand nodes would
//! take two hundred million).

use crate::config::CHANGES_GATHERED_FOR;
use crate::message::{Passage, StatusChanges};
use crate::status::{DisconnectionCode, Epoch, NodeStatus};
use crate::table::StatusTable;
use crate::time::Instant;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Of how many groups of newcomers the coordinator keeps the table. A start brings a group in each tenth of a second that it
/// lasts, a few dozen with ten thousand nodes; whose table is not kept any more changes a copy of its own.
const NEWCOMERS_MAX: usize = 128;

/// How many tables that were given to somebody between two announcements are kept. Who was given another one changes a copy
/// of its own.
const VERSIONS_MAX: usize = 16_384;

/// What nobody was told yet.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Announcements {
    gathered: Vec<Arc<NodeStatus>>,
    /// The table before the first of them, and those that were given to somebody since. Empty if the table has changed in the
    /// meantime by something that is told by itself.
    versions: Vec<Arc<StatusTable>>,
    /// Whether somebody will be told for the first time.
    somebody_is_new: bool,
    /// The tables of those who know nothing but what they were told since they came: all that came between the same two
    /// announcements hold the same.
    newcomers: Vec<Arc<StatusTable>>,
    due_at: Option<Instant>,
}

impl Announcements {
    /// `table` is about to change by a decision that will be gathered. `is_new`: nobody had decided about that node.
    pub(super) fn before_decision(&mut self, table: &Arc<StatusTable>, is_new: bool) {
        if self.gathered.is_empty() {
            self.versions = Vec::from([table.clone()]);
        }
        self.somebody_is_new |= is_new;
    }

    /// Somebody is given the table as it is now.
    pub(super) fn table_given(&mut self, table: &Arc<StatusTable>) {
        let Some(last) = self.versions.last() else { return };
        if !self.gathered.is_empty() && !Arc::ptr_eq(last, table) && self.versions.len() < VERSIONS_MAX {
            self.versions.push(table.clone());
        }
    }

    /// The table has changed by something that is not told together with other changes.
    pub(super) fn table_changed(&mut self) {
        self.versions.clear();
        self.newcomers.clear();
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
        let statuses: Vec<_> = gathered.into_iter().enumerate().filter_map(newest).collect();
        let from = core::mem::take(&mut self.versions);
        let mut passages = self.pass_newcomers_on(&statuses, after);
        if !from.is_empty() {
            passages.insert(0, Passage { from, to: after.clone() });
        }
        Some(Arc::new(StatusChanges { epoch, statuses, passages }))
    }

    /// What becomes of the newcomers' tables; those who are new now begin with nothing. Who is let in is given the whole
    /// table, so when nobody waits for that any more, nobody holds a newcomer's.
    fn pass_newcomers_on(&mut self, statuses: &[Arc<NodeStatus>], after: &StatusTable) -> Vec<Passage> {
        let waits =
            |status: &Arc<NodeStatus>| status.state.code() == Some(DisconnectionCode::NotYetConnected);
        if !after.iter().any(waits) {
            self.newcomers.clear();
            self.somebody_is_new = false;
        }
        if core::mem::take(&mut self.somebody_is_new) {
            self.newcomers.insert(0, Arc::default());
            self.newcomers.truncate(NEWCOMERS_MAX);
        }
        let pass_on = |table: &mut Arc<StatusTable>| {
            let from = Vec::from([table.clone()]);
            let changed = Arc::make_mut(table);
            for status in statuses {
                changed.merge(status);
            }
            Passage { from, to: table.clone() }
        };
        self.newcomers.iter_mut().map(pass_on).collect()
    }
}
