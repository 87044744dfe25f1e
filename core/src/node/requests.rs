//! What people ask at this node: carried out here if it coordinates, passed on to the coordinator otherwise (spec 7.1).

use super::Node;
use crate::coordinator::Requester;
use crate::effect::{Effect, Effects};
use crate::identity::{Address, Incarnation, NodeId};
use crate::message::Message;
use crate::operator::{OperatorRequest, Refusal, RequestId};
use crate::status::Epoch;
use crate::time::Instant;

/// How many requests are remembered. More can only be forgotten while a message is on its way if people ask hundreds of
/// things in that time.
const REMEMBERED_REQUESTS_MAX: usize = 256;

/// Which request of which run of which node.
pub(super) type RequestKey = (NodeId, Incarnation, RequestId);

impl Node {
    pub(super) fn requested(
        &mut self,
        now: Instant,
        id: RequestId,
        request: OperatorRequest,
        effects: &mut Effects,
    ) {
        // The coordinator is no exception (spec 3.5): one that is not a member decides nothing on a person's behalf.
        // While it waits for a node that has the elected flow nobody is, and a person may say which nodes not to wait for.
        let awaits_flow = self.office.as_ref().is_some_and(|office| office.awaits_flow());
        let serves = match request {
            OperatorRequest::Remove(_) => self.membership.is_connected() || awaits_flow,
            OperatorRequest::Connect(_) | OperatorRequest::Disconnect(_) | OperatorRequest::Offload(_) => {
                self.membership.is_connected()
            }
        };
        if !serves {
            return effects.push(Effect::Reply { id, outcome: Err(Refusal::NotConnected) });
        }
        if self.office.as_ref().is_some_and(|office| office.is_published()) {
            let requester = Requester::Here { id };
            return self.with_office(now, effects, |office, desk| office.requested(desk, requester, request));
        }
        match self.finder.view().known().filter(|_| self.online) {
            Some((epoch, address)) => {
                let (origin, incarnation) = (self.config.node.id, self.config.incarnation);
                effects.send(address, Message::OperatorRequest { epoch, origin, incarnation, id, request });
                self.forwarded.insert(id, now + self.config.read_timeout);
            }
            None => effects.push(Effect::Reply { id, outcome: Err(Refusal::NoCoordinator) }),
        }
    }

    /// Another node passes a person's request on. A message that arrives twice is carried out at most once, and not at all if
    /// it was refused the first time, even if the term was interrupted in between.
    pub(super) fn passed_on(
        &mut self,
        now: Instant,
        from: &Address,
        epoch: Epoch,
        (origin, incarnation, id): (NodeId, Incarnation, RequestId),
        request: OperatorRequest,
        effects: &mut Effects,
    ) {
        let key = (origin, incarnation, id);
        if self.passed_on.contains(&key) {
            return;
        }
        if self.passed_on.len() == REMEMBERED_REQUESTS_MAX {
            self.passed_on.pop_front();
        }
        self.passed_on.push_back(key);
        let requester = Requester::There { origin, incarnation, id, address: from.clone() };
        if self.office.as_ref().is_some_and(|office| office.is_published() && office.epoch() == epoch) {
            self.with_office(now, effects, |office, desk| office.requested(desk, requester, request));
        } else {
            let outcome = Err(Refusal::NoCoordinator);
            effects.send(from, Message::OperatorResponse { incarnation, id, outcome });
        }
    }

    /// Nobody waits for ever: what came of it is not known then.
    pub(super) fn expire_forwarded(&mut self, now: Instant, effects: &mut Effects) {
        while let Some(id) = self.forwarded.iter().find(|(_, at)| **at <= now).map(|(id, _)| *id) {
            self.forwarded.remove(&id);
            effects.push(Effect::Reply { id, outcome: Err(Refusal::OutcomeUnknown) });
        }
    }
}
