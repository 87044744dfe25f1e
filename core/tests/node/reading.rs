//! What a test reads out of the effects of a node.

use crate::harness::identifier;
use zeromaster_core::effect::Effect;
use zeromaster_core::event::{ClusterEvent, Severity};
use zeromaster_core::identity::NodeId;
use zeromaster_core::message::{ConnectionAnswer, Message, OrderKind};
use zeromaster_core::operator::{Refusal, RequestId};
use zeromaster_core::status::Version;

/// The orders among `effects` to node `id`, by version.
pub(crate) fn orders(effects: &[Effect], id: u128) -> Vec<(Version, OrderKind)> {
    let socket = &identifier(id).socket;
    let orders = effects.iter().filter_map(|effect| match effect {
        Effect::Send { to, message: Message::Order { version, order, .. } } if to == socket => {
            Some((*version, order.clone()))
        }
        _ => None,
    });
    orders.collect()
}

/// What an operator reads about node `id`: transitions and bulletins, as "SEVERITY text".
pub(crate) fn told(effects: &[Effect], id: u128) -> Vec<String> {
    let line = |severity: &Severity, text: &String| format!("{} {text}", severity.name());
    let told = effects.iter().filter_map(|effect| match effect {
        Effect::Record(ClusterEvent::Transition { after, severity, text, .. }) => {
            (after.node.id == NodeId(id)).then(|| line(severity, text))
        }
        Effect::Record(ClusterEvent::Reported { node: Some(node), severity, text }) => {
            (node.id == NodeId(id)).then(|| line(severity, text))
        }
        _ => None,
    });
    told.collect()
}

/// What an operator reads about all nodes and about the cluster, as "SEVERITY text".
pub(crate) fn said(effects: &[Effect]) -> Vec<String> {
    let said = effects.iter().filter_map(|effect| match effect {
        Effect::Record(
            ClusterEvent::Transition { severity, text, .. } | ClusterEvent::Reported { severity, text, .. },
        ) => Some(format!("{} {text}", severity.name())),
        _ => None,
    });
    said.collect()
}

pub(crate) fn records(effects: &[Effect]) -> Vec<ClusterEvent> {
    let records = effects.iter().filter_map(|effect| match effect {
        Effect::Record(event) => Some(event.clone()),
        _ => None,
    });
    records.collect()
}

/// The messages among `effects` to node `id`.
pub(crate) fn sent(effects: &[Effect], id: u128) -> Vec<Message> {
    let socket = &identifier(id).socket;
    let sent = effects.iter().filter_map(|effect| match effect {
        Effect::Send { to, message } if to == socket => Some(message.clone()),
        _ => None,
    });
    sent.collect()
}

/// The answers to connection requests among `effects` to node `id`.
pub(crate) fn answers(effects: &[Effect], id: u128) -> Vec<ConnectionAnswer> {
    let answers = sent(effects, id).into_iter().filter_map(|message| match message {
        Message::ConnectionResponse { answer, .. } => Some(answer),
        _ => None,
    });
    answers.collect()
}

pub(crate) fn replies(effects: &[Effect]) -> Vec<(RequestId, Result<(), Refusal>)> {
    let replies = effects.iter().filter_map(|effect| match effect {
        Effect::Reply { id, outcome } => Some((*id, outcome.clone())),
        _ => None,
    });
    replies.collect()
}
