//! Cluster events in the words of the timeline: one short word, and a sentence that a person who runs NiFi understands.

use crate::plan::NodeNumber;
use crate::setup::node_of_host;
use std::borrow::Cow;
use zeromaster_core::event::{ClusterEvent, FlowAtOffice, Severity};
use zeromaster_core::identity::{NodeId, NodeIdentifier};
use zeromaster_core::leadership::Role;
use zeromaster_core::message::Membership;
use zeromaster_core::status::{ConnectionState, NodeStatus};
use zeromaster_zookeeper::SessionState;

/// `n3`, or the API address of a node that is none of ours.
pub(crate) fn name(node: &NodeIdentifier) -> String {
    node_of_host(&node.socket.host).map_or_else(|| node.to_string(), |node: NodeNumber| node.to_string())
}

fn name_of_id(id: NodeId) -> String {
    let number = u32::try_from(id.0 & u128::from(u32::MAX)).unwrap_or(0);
    NodeNumber(number).to_string()
}

/// The one-letter form of a state.
#[must_use]
pub fn letter(status: Option<&NodeStatus>) -> char {
    match status.map(|status| &status.state) {
        None => '-',
        Some(ConnectionState::Connecting { .. }) => 'c',
        Some(ConnectionState::Connected { .. }) => 'C',
        Some(ConnectionState::Disconnecting) => 'd',
        Some(ConnectionState::Disconnected { .. }) => 'D',
        Some(ConnectionState::Offloading) => 'o',
        Some(ConnectionState::Offloaded) => 'O',
        Some(ConnectionState::Removed) => 'R',
    }
}

/// The word and the sentence for `event`; `None` for what the timeline leaves out.
pub(crate) fn words(event: &ClusterEvent) -> Option<(Cow<'static, str>, String)> {
    let word = |word: &'static str, text: String| Some((Cow::Borrowed(word), text));
    match event {
        ClusterEvent::Transition { before: _, after, severity, text } => {
            let code = after.state.code().map_or_else(String::new, |code| format!(" [{}]", code.name()));
            word(after.state.name(), format!("{}: {}{text}{code}", name(&after.node), level(*severity)))
        }
        ClusterEvent::Reported { node, severity, text } => {
            let about = node.as_ref().map_or_else(String::new, |node| format!("{}: ", name(node)));
            word("bulletin", format!("{about}{}{text}", level(*severity)))
        }
        ClusterEvent::Membership { before, after } => membership(before, after),
        ClusterEvent::Elected { role, epoch } => word("elected", format!("{}, epoch {epoch}", role.name())),
        ClusterEvent::TookOffice { flow: FlowAtOffice::Known, .. } => {
            word("in office", "has been elected Active Cluster Coordinator; it has the cluster's flow".into())
        }
        ClusterEvent::TookOffice { flow: FlowAtOffice::Voted, .. } => word(
            "in office",
            "has been elected Active Cluster Coordinator; the nodes vote on the flow".into(),
        ),
        ClusterEvent::TookOffice { flow: FlowAtOffice::Awaited, .. } => word(
            "in office",
            "has been elected Active Cluster Coordinator; it waits for a node that has the elected flow"
                .into(),
        ),
        ClusterEvent::Resigned { role, reason, .. } => {
            let who = match role {
                Role::ClusterCoordinator => "is no longer the elected Active Cluster Coordinator",
                Role::PrimaryNode => "is no longer Primary Node",
            };
            word("resigned", format!("{who}: {}", reason.text()))
        }
        ClusterEvent::VoteCast { node, flow, empty } => {
            let says_so = flow.0.starts_with("empty");
            let what = if *empty && !says_so { format!("{flow}, which is empty") } else { flow.to_string() };
            word("vote", format!("{}: its flow is {what}", name(node)))
        }
        ClusterEvent::FlowElected { flow, votes, voters, .. } => {
            word("flow elected", format!("{flow}, with {votes} of {voters} votes"))
        }
        ClusterEvent::ToldToWait { explanation } => word("waits", explanation.clone()),
        ClusterEvent::StaleCoordinator { message, epoch, known } => word(
            "ignored",
            format!("{message} of an earlier Cluster Coordinator (epoch {epoch}, now {known})"),
        ),
        ClusterEvent::MemberAppeared { node } => {
            word("registered", format!("{} is registered in ZooKeeper", name_of_id(*node)))
        }
        ClusterEvent::MemberGone { node } => {
            word("unregistered", format!("{} is no longer registered in ZooKeeper", name_of_id(*node)))
        }
    }
}

/// What a node's ZooKeeper client says of its session; `None` for what the timeline leaves out.
pub(crate) fn session(state: SessionState) -> Option<(&'static str, String)> {
    match state {
        SessionState::Connected { session, timeout } => {
            Some(("connected", format!("ZooKeeper session {session} opened, timeout {timeout:?}")))
        }
        SessionState::Suspended => Some(("suspended", "ZooKeeper connection lost".to_owned())),
        SessionState::Reconnected { session } => {
            Some(("reconnected", format!("ZooKeeper connection restored, session {session}")))
        }
        SessionState::Lost => Some(("lost", "ZooKeeper session lost".to_owned())),
        SessionState::Closed | SessionState::AuthFailed => None,
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "",
        Severity::Warning => "WARNING ",
        Severity::Error => "ERROR ",
    }
}

/// What a node believes of itself.
fn membership(before: &Membership, after: &Membership) -> Option<(Cow<'static, str>, String)> {
    let (word, text): (&'static str, String) = match after {
        Membership::Joining => ("asks", "asks the Cluster Coordinator to be let in".into()),
        Membership::Loading { .. } => ("loads flow", "loads the cluster's flow".into()),
        Membership::Connected { .. } if matches!(before, Membership::Loading { .. }) => {
            ("joined", "has the cluster's flow, and heartbeats".into())
        }
        Membership::Connected { .. } => ("joined", "has the cluster's flow already, and heartbeats".into()),
        Membership::Disconnected { reason, .. } => {
            ("disconnected", format!("is out of the cluster: {reason}"))
        }
        Membership::Offloading { .. } => ("offloads", "hands its FlowFiles to the connected nodes".into()),
        Membership::Offloaded { .. } => ("offloaded", "has handed all its FlowFiles over".into()),
        Membership::Removed { .. } => ("removed", "knows that it was removed from the cluster".into()),
    };
    Some((word.into(), text))
}
