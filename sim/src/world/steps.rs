//! What a step of a node is for the properties: what the node was given, and which properties may want to see it.

use crate::properties::{Interest, Stimulus};
use std::sync::Arc;
use zeromaster_core::effect::{Effect, Effects};
use zeromaster_core::message::{ConnectionAnswer, Membership, Message};
use zeromaster_core::node::Input;
use zeromaster_core::status::{Epoch, NodeStatus};

/// Which kinds of steps this one is.
pub(crate) fn kinds(stimulus: Stimulus, in_office: bool, effects: &Effects) -> Interest {
    let kinds = match stimulus {
        Stimulus::FromCoordinator { .. } => Interest::COMMANDED,
        Stimulus::Requested { .. } => Interest::REQUESTED,
        Stimulus::Acknowledged { .. } | Stimulus::Heartbeat { loads: Some(_), .. } => Interest::ORDERING,
        Stimulus::Heartbeat { loads: None, .. } | Stimulus::Other => Interest::NOTHING,
    };
    let kinds = if in_office { kinds.and(Interest::IN_OFFICE) } else { kinds };
    effects.as_slice().iter().map(kind).fold(kinds, Interest::and)
}

/// The kind of step in which a node wants this done.
fn kind(effect: &Effect) -> Interest {
    match effect {
        Effect::Record(_) => Interest::RECORDING,
        Effect::Reply { .. } => Interest::RECORDING.and(Interest::REQUESTED),
        Effect::Send { message, .. } => match message {
            Message::OperatorResponse { .. } => Interest::REQUESTED,
            Message::Order { .. }
            | Message::ConnectionResponse { answer: ConnectionAnswer::Accepted { .. }, .. } => {
                Interest::ORDERING
            }
            Message::ConnectionRequest(_)
            | Message::ConnectionResponse { .. }
            | Message::Acknowledgement { .. }
            | Message::Heartbeat(_)
            | Message::HeartbeatResponse { .. }
            | Message::NodeStatusChange { .. }
            | Message::NodeStatusChanges(_)
            | Message::NodeReport { .. }
            | Message::FlowRequest { .. }
            | Message::FlowResponse { .. }
            | Message::NotCoordinator { .. }
            | Message::OperatorRequest { .. } => Interest::NOTHING,
        },
        Effect::Persist(_)
        | Effect::Coordinate(_)
        | Effect::LoadFlow { .. }
        | Effect::Offload { .. }
        | Effect::Exit => Interest::NOTHING,
    }
}

/// What of an input the properties are shown.
pub(crate) fn stimulus(input: &Input) -> Stimulus {
    match input {
        Input::Received { message, .. } => stimulus_of(message),
        Input::Requested { id, request } => Stimulus::Requested { id: *id, request: *request },
        Input::Wakeup
        | Input::Coordination(_)
        | Input::FlowLoaded { .. }
        | Input::OffloadFinished { .. }
        | Input::Stop => Stimulus::Other,
    }
}

fn stimulus_of(message: &Message) -> Stimulus {
    let first = |statuses: &[Arc<NodeStatus>]| Some((statuses.first()?.node.id, statuses.first()?.version));
    let from = |epoch: Epoch, news| Stimulus::FromCoordinator { name: message.name(), epoch, news };
    match message {
        Message::Heartbeat(heartbeat) => Stimulus::Heartbeat {
            node: heartbeat.node.id,
            incarnation: heartbeat.incarnation,
            epoch: heartbeat.epoch,
            sequence: heartbeat.sequence,
            loads: match &heartbeat.reported {
                Membership::Loading { attempt } => Some(*attempt),
                Membership::Joining
                | Membership::Connected { .. }
                | Membership::Disconnected { .. }
                | Membership::Offloading { .. }
                | Membership::Offloaded { .. }
                | Membership::Removed { .. } => None,
            },
        },
        Message::ConnectionResponse { epoch, .. } => from(*epoch, None),
        Message::Order { version, .. } => from(version.epoch, None),
        Message::HeartbeatResponse { epoch, differences, .. } => from(*epoch, first(differences)),
        Message::NodeStatusChange { epoch, status } => from(*epoch, Some((status.node.id, status.version))),
        Message::NodeStatusChanges(changes) => from(changes.epoch, first(&changes.statuses)),
        Message::FlowRequest { epoch, .. } => from(*epoch, None),
        Message::OperatorRequest { id, request, .. } => Stimulus::Requested { id: *id, request: *request },
        Message::Acknowledgement { node, version } => {
            Stimulus::Acknowledged { node: *node, version: *version }
        }
        Message::ConnectionRequest(_)
        | Message::NodeReport { .. }
        | Message::FlowResponse { .. }
        | Message::NotCoordinator { .. }
        | Message::OperatorResponse { .. } => Stimulus::Other,
    }
}
