//! Which of the node's concerns asked ZooKeeper for what: numbers go out, answers find their way back.

use crate::coordination::{CoordinationRequest, Operation, OperationId};
use crate::effect::{Effect, Effects};
use crate::leadership::Role;
use crate::{coordinator, discovery, leadership};
use alloc::collections::BTreeMap;

/// On whose behalf an operation was sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Purpose {
    /// A parent that must exist; there already is fine too.
    Parent,
    Candidate(Role, leadership::Step),
    /// NiFi's way of telling who leads.
    Named(Role, leadership::NamedStep),
    /// A former coordinator takes its address back.
    Unpublish,
    Discovery(discovery::Step),
    /// The present office: what an earlier one asked is forgotten with it.
    Office(coordinator::Step),
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Operations {
    last: u64,
    pending: BTreeMap<OperationId, Purpose>,
}

impl Operations {
    pub(crate) fn perform(&mut self, effects: &mut Effects, purpose: Purpose, operation: Operation) {
        self.last += 1;
        let id = OperationId(self.last);
        self.pending.insert(id, purpose);
        effects.push(Effect::Coordinate(CoordinationRequest::Perform { id, operation }));
    }

    /// Whose operation has ended; `None` when nobody waits for it any more.
    pub(crate) fn completed(&mut self, id: OperationId) -> Option<Purpose> {
        self.pending.remove(&id)
    }

    /// An office is over: nobody waits for what it asked, least of all a later office in the same term.
    pub(crate) fn forget_office(&mut self) {
        self.pending.retain(|_, purpose| !matches!(purpose, Purpose::Office(_)));
    }

    /// The session is over: nobody waits for what was asked in it.
    pub(crate) fn forget(&mut self) {
        self.pending.clear();
    }
}
