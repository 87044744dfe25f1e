//! What must come about once everything works again that was not lost for good. Each says what is still missing.

use super::Cluster;
use crate::network::Endpoint;
use crate::plan::NodeNumber;
use crate::world::servers::Part;
use zeromaster_core::discovery::CoordinatorView;
use zeromaster_core::flow::inherit;
use zeromaster_core::identity::NodeId;
use zeromaster_core::message::Membership;
use zeromaster_core::node::Node;
use zeromaster_core::rules::CoordinatorLookup;
use zeromaster_core::status::{ConnectionState, DisconnectionCode, NodeStatus};

/// The names of the liveness properties.
pub const LIVENESS: [&str; 5] =
    ["coordinator-exists", "election-ends", "all-connected", "views-agree", "zookeeper-serves"];

pub(super) fn pending(cluster: &Cluster<'_>) -> Vec<(&'static str, Option<String>)> {
    vec![
        ("coordinator-exists", coordinator_exists(cluster)),
        ("election-ends", election_ends(cluster)),
        ("all-connected", all_connected(cluster)),
        ("views-agree", views_agree(cluster)),
        ("zookeeper-serves", zookeeper_serves(cluster)),
    ]
}

/// One ZooKeeper server leads, and all others follow it.
fn zookeeper_serves(cluster: &Cluster<'_>) -> Option<String> {
    let expected = || {
        cluster.servers.iter().filter(|server| !cluster.for_good.is_lost(Endpoint::ZooKeeper(server.number)))
    };
    let leads = expected().find_map(|machine| match machine.part {
        Part::Leads { epoch } => Some((machine.number, epoch)),
        Part::Looking | Part::Follows { .. } => None,
    });
    let Some(leads) = leads else { return Some("no ZooKeeper server leads".into()) };
    let out = expected().find(|machine| match machine.part {
        Part::Looking => true,
        Part::Leads { epoch } => leads != (machine.number, epoch),
        Part::Follows { leader, epoch } => leads != (leader, epoch),
    })?;
    Some(format!("zk{} does not follow zk{}, which leads", out.number, leads.0))
}

/// Exactly one coordinator decides, and every process knows it (spec L1, I7).
fn coordinator_exists(cluster: &Cluster<'_>) -> Option<String> {
    // Where every node is out by a person's decision, or does not fit, there is nobody to elect.
    if !cluster.awake_and_not_lost().any(|(_, node)| may_coordinate(node)) {
        return None;
    }
    let Some((number, epoch, node)) = cluster.coordinator() else {
        return Some("nobody coordinates".into());
    };
    let local = cluster.machine(number)?.local(cluster.now);
    if node.decides(local).is_none() {
        return Some(format!("{number} is elected, and has not opened its office"));
    }
    let mut must_know = cluster.awake_and_not_lost().filter(|(_, node)| looks(node));
    let lost = must_know.find(|(_, node)| match node.coordinator() {
        CoordinatorView::Known { epoch: known, .. } => *known != epoch,
        CoordinatorView::Unknown | CoordinatorView::Nobody => true,
    })?;
    Some(format!("{} does not know that {number} coordinates", lost.0))
}

/// Whether the node finds out who coordinates: where nothing tells of it, a node that has nothing to send does not look.
fn looks(node: &Node) -> bool {
    let rules = &node.config().rules;
    let is_told = match rules.coordinator_lookup {
        CoordinatorLookup::WellKnownZnode => true,
        CoordinatorLookup::ElectionZnode => false,
    };
    is_told
        || match node.membership() {
            Membership::Joining | Membership::Connected { .. } => true,
            Membership::Loading { .. } => rules.loading_nodes_heartbeat,
            Membership::Disconnected { .. }
            | Membership::Offloading { .. }
            | Membership::Offloaded { .. } => rules.disconnected_nodes_heartbeat,
            Membership::Removed { .. } => false,
        }
}

fn may_coordinate(node: &Node) -> bool {
    match node.membership() {
        Membership::Joining | Membership::Loading { .. } | Membership::Connected { .. } => true,
        Membership::Disconnected { code, .. } => !code.bars_from_office(),
        Membership::Offloading { .. } | Membership::Offloaded { .. } | Membership::Removed { .. } => false,
    }
}

/// The cluster has a flow (spec L9, I17).
fn election_ends(cluster: &Cluster<'_>) -> Option<String> {
    // Without anybody to let in, there is nobody to vote.
    if !cluster.awake_and_not_lost().any(|(_, node)| may_coordinate(node)) {
        return None;
    }
    let (number, _, node) = cluster.coordinator()?;
    node.cluster_flow().is_none().then(|| format!("{number} still waits for votes on the flow"))
}

/// Every running node that nothing keeps out is a member, for the coordinator and for itself (spec L4, L5, I3).
fn all_connected(cluster: &Cluster<'_>) -> Option<String> {
    let Some((_, _, coordinator)) = cluster.coordinator() else {
        let waiting = cluster.awake_and_not_lost().find(|(_, node)| may_coordinate(node));
        return waiting.map(|(node, _)| format!("{node} has no coordinator to join"));
    };
    cluster.awake_and_not_lost().find_map(|(number, node)| {
        let status = coordinator.table().get(node.id());
        let state = status.map_or("unknown", |status| status.state.name());
        let is_in = status.is_some_and(|status| status.state.is_connected() && is_of_this_run(status, node))
            && node.membership().is_connected();
        if is_in || stays_out(cluster, coordinator, number, node) {
            return None;
        }
        let why = status
            .and_then(|status| status.state.code())
            .map_or_else(String::new, |code| format!(" ({code})"));
        Some(format!(
            "{number} is {state}{why} for the coordinator, and {} for itself",
            node.membership().name()
        ))
    })
}

fn is_of_this_run(status: &NodeStatus, node: &Node) -> bool {
    status.incarnation == node.config().incarnation
}

/// Whether the node is out for a reason that only a person can take away, and that is really there.
fn stays_out(cluster: &Cluster<'_>, coordinator: &Node, number: NodeNumber, node: &Node) -> bool {
    let Some(status) = coordinator.table().get(node.id()) else {
        // Without tombstones that is how a removed node looks; it stays out as long as it is silent.
        let removed = !node.config().rules.removal_leaves_tombstone && cluster.put_out.contains_key(&number);
        return removed || has_failed_for_good(node);
    };
    match &status.state {
        ConnectionState::Removed | ConnectionState::Offloading | ConnectionState::Offloaded => {
            cluster.put_out.contains_key(&number)
        }
        ConnectionState::Disconnected { code, .. } => match code {
            DisconnectionCode::UserDisconnected => cluster.put_out.contains_key(&number),
            DisconnectionCode::BlockedByFirewall => !cluster.common.permits(&node.config().node.socket.host),
            DisconnectionCode::MismatchedFlows => coordinator.cluster_flow().is_some_and(|flow| {
                let config = node.config();
                let would_be_emptied = flow.empty && !node.flow().empty;
                inherit(node.flow(), &config.queued, flow, config.rules.differing_flow).is_err()
                    || would_be_emptied
            }),
            DisconnectionCode::StartupFailure | DisconnectionCode::MissingBundle => has_failed_for_good(node),
            DisconnectionCode::Unknown
            | DisconnectionCode::NotYetConnected
            | DisconnectionCode::LackOfHeartbeat
            | DisconnectionCode::UnableToCommunicate
            | DisconnectionCode::FailedToServiceRequest
            | DisconnectionCode::HeartbeatReceivedFromDisconnectedNode
            | DisconnectionCode::NodeShutdown => false,
        },
        ConnectionState::Connecting { .. }
        | ConnectionState::Connected { .. }
        | ConnectionState::Disconnecting => false,
    }
}

/// Whether the node could not load the cluster's flow, and does not heartbeat since: then only a person or a restart brings
/// it back (spec 4.4).
fn has_failed_for_good(node: &Node) -> bool {
    let failed = match node.membership() {
        Membership::Disconnected { code, .. } => {
            matches!(code, DisconnectionCode::StartupFailure | DisconnectionCode::MissingBundle)
        }
        Membership::Joining
        | Membership::Loading { .. }
        | Membership::Connected { .. }
        | Membership::Offloading { .. }
        | Membership::Offloaded { .. }
        | Membership::Removed { .. } => false,
    };
    failed && !node.config().rules.disconnected_nodes_heartbeat
}

/// Every process that is in the cluster, or knows that it is out, holds the coordinator's table (spec L6, L7, I10). A
/// removed node is told nothing more.
fn views_agree(cluster: &Cluster<'_>) -> Option<String> {
    let (number, _, coordinator) = cluster.coordinator()?;
    cluster.awake_and_not_lost().find_map(|(other, node)| {
        if matches!(node.membership(), Membership::Removed { .. } | Membership::Joining) || other == number {
            return None;
        }
        let about: NodeId = if node.table() == coordinator.table() {
            return None;
        } else {
            let theirs = coordinator.table().iter();
            let differs = theirs
                .map(|status| status.node.id)
                .find(|id| node.table().get(*id) != coordinator.table().get(*id));
            differs.unwrap_or(node.id())
        };
        let show = |view: &Node| view.table().get(about).map_or("nothing", |status| status.state.name());
        Some(format!(
            "{other} says {} of {about}, the coordinator {number} says {}",
            show(node),
            show(coordinator)
        ))
    })
}
