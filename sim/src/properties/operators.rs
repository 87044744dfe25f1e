//! What becomes of people's requests.

use super::by_node::ByNode;
use super::{Cluster, Finding, Incident, Interest, Observation, Property, Stimulus};
use crate::words::name;
use std::collections::{BTreeMap, BTreeSet};
use zeromaster_core::coordination::{CoordinationRequest, Operation};
use zeromaster_core::effect::Effect;
use zeromaster_core::identity::NodeId;
use zeromaster_core::message::Message;
use zeromaster_core::operator::{OperatorRequest, Refusal, RequestId};
use zeromaster_core::status::{ConnectionState, DisconnectionCode, Epoch};

/// The answers to requests that a step gives, to a person or to the node that passed the request on.
fn answers<'a>(
    step: &Observation<'a>,
) -> impl Iterator<Item = (RequestId, &'a Result<(), Refusal>)> + use<'a> {
    step.effects.iter().filter_map(|effect| match effect {
        Effect::Reply { id, outcome }
        | Effect::Send { message: Message::OperatorResponse { id, outcome, .. }, .. } => Some((*id, outcome)),
        Effect::Persist(_)
        | Effect::Send { .. }
        | Effect::Coordinate(_)
        | Effect::Record(_)
        | Effect::LoadFlow { .. }
        | Effect::Offload { .. }
        | Effect::Exit => None,
    })
}

/// What a coordinator was asked in its present term.
#[derive(Debug, Default)]
struct Asked {
    epoch: Epoch,
    /// The nodes that are about to be disconnected, by the request that it has not answered yet.
    leaving: BTreeMap<RequestId, NodeId>,
    /// The nodes whose disconnection was asked last while no other node that stays was CONNECTED.
    last: BTreeSet<NodeId>,
    /// The requests that this process has received in any term: a copy is none.
    received: BTreeSet<RequestId>,
}

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct LastConnectedNodeStays {
    asked: ByNode<Asked>,
}

impl Property for LastConnectedNodeStays {
    fn name(&self) -> &'static str {
        "last-connected-node-stays"
    }

    fn promise(&self) -> &'static str {
        "A request does not disconnect a node that is the only CONNECTED one when the coordinator receives it; a node whose \
         disconnection is on its way does not count (spec S19)."
    }

    fn interest(&self) -> Interest {
        Interest::REQUESTED.and(Interest::RECORDING)
    }

    fn stepped(&mut self, step: &Observation<'_>) -> Option<Finding> {
        let Some(epoch) = step.term() else {
            let asked = self.asked.get_or_insert(step.node, Asked::default);
            if let Stimulus::Requested { id, .. } = step.stimulus {
                asked.received.insert(id);
            }
            // A term that is interrupted answers what it leaves undone.
            for (id, _) in answers(step) {
                asked.leaving.remove(&id);
            }
            return None;
        };
        let asked = self.asked.get_or_insert(step.node, Asked::default);
        if asked.epoch != epoch {
            *asked = Asked { epoch, received: std::mem::take(&mut asked.received), ..Asked::default() };
        }
        if let (Stimulus::Requested { id, request: OperatorRequest::Disconnect(node) }, Some(table)) =
            (step.stimulus, &step.before.table)
            && asked.received.insert(id)
        {
            let mut stays = table.connected().map(|status| status.node.id);
            let others_stay = stays.any(|id| id != node && !asked.leaving.values().any(|other| *other == id));
            let is_connected = table.get(node).is_some_and(|status| status.state.is_connected());
            if is_connected && !others_stay {
                asked.last.insert(node);
            } else {
                asked.last.remove(&node);
            }
            asked.leaving.insert(id, node);
        }
        let put_out = step.decided().find(|(before, after)| {
            before.is_some_and(|before| before.state.is_connected())
                && after.state.code() == Some(DisconnectionCode::UserDisconnected)
                && asked.last.contains(&after.node.id)
        });
        for (id, _) in answers(step) {
            asked.leaving.remove(&id);
        }
        let (_, after) = put_out?;
        let node = name(&after.node);
        Finding::new(format!("{} disconnected {node} on request, the only CONNECTED node", step.node))
    }

    fn happened(&mut self, incident: &Incident, _cluster: &Cluster<'_>) {
        if let Incident::Ended { node } = incident {
            self.asked.remove(*node);
        }
    }
}

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct RequestsCarriedOutOnce {
    /// The requests that each process has taken in as coordinator, and in which term.
    taken: ByNode<BTreeMap<RequestId, Epoch>>,
}

impl Property for RequestsCarriedOutOnce {
    fn name(&self) -> &'static str {
        "requests-carried-out-once"
    }

    fn promise(&self) -> &'static str {
        "A coordinator that receives a person's request a second time changes nothing because of it, and does not answer it \
         a second time."
    }

    fn interest(&self) -> Interest {
        Interest::REQUESTED
    }

    fn stepped(&mut self, step: &Observation<'_>) -> Option<Finding> {
        let Stimulus::Requested { id, request } = step.stimulus else { return None };
        let epoch = step.after.decides(step.local)?;
        let taken = self.taken.get_or_insert(step.node, BTreeMap::new);
        if taken.insert(id, epoch) != Some(epoch) {
            return None;
        }
        let node = request.node();
        let wishes = |state: &ConnectionState| match request {
            OperatorRequest::Connect(_) => matches!(state, ConnectionState::Connecting { .. }),
            OperatorRequest::Disconnect(_) => state.code() == Some(DisconnectionCode::UserDisconnected),
            OperatorRequest::Remove(_) => *state == ConnectionState::Removed,
            OperatorRequest::Offload(_) => *state == ConnectionState::Offloading,
        };
        let decides = step.decided().any(|(_, after)| after.node.id == node && wishes(&after.state));
        let writes = step.effects.iter().any(|effect| match effect {
            Effect::Coordinate(CoordinationRequest::Perform { operation, .. }) => match operation {
                Operation::Create { path, .. }
                | Operation::SetData { path, .. }
                | Operation::Delete { path } => path.ends_with(&node.to_string()),
                Operation::Exists { .. }
                | Operation::GetData { .. }
                | Operation::GetChildren { .. }
                | Operation::Sync { .. } => false,
            },
            Effect::Coordinate(CoordinationRequest::Close)
            | Effect::Persist(_)
            | Effect::Send { .. }
            | Effect::Reply { .. }
            | Effect::Record(_)
            | Effect::LoadFlow { .. }
            | Effect::Offload { .. }
            | Effect::Exit => false,
        });
        let answer = answers(step).find(|(answered, _)| *answered == id);
        let what = match answer {
            _ if decides || writes => "carried out".to_owned(),
            Some((_, Ok(()))) => "answered with success".to_owned(),
            Some((_, Err(refusal))) => format!("answered with \"{refusal}\""),
            None => return None,
        };
        let about = crate::world::process::Machine::number_of(node);
        Finding::new(format!(
            "{} received request {} about {about} a second time in epoch {epoch}, and it was {what} again",
            step.node, id.0
        ))
    }

    fn happened(&mut self, incident: &Incident, _cluster: &Cluster<'_>) {
        if let Incident::Ended { node } = incident {
            self.taken.remove(*node);
        }
    }
}
