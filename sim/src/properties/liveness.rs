//! What must come about once everything works again that was not lost for good. Each says what is still missing.

use super::Cluster;
use super::oracle::{is_out_on_request, may_coordinate, may_replace};
use crate::network::Endpoint;
use crate::plan::NodeNumber;
use crate::world::servers::Part;
use zeromaster_core::discovery::CoordinatorView;
use zeromaster_core::identity::NodeId;
use zeromaster_core::message::Membership;
use zeromaster_core::node::Node;
use zeromaster_core::rules::CoordinatorLookup;
use zeromaster_core::status::{ConnectionState, DisconnectionCode, NodeStatus};

/// The names of the liveness properties.
pub const LIVENESS: [&str; 10] = [
    "coordinator-exists",
    "election-ends",
    "all-connected",
    "views-agree",
    "zookeeper-serves",
    "primary-exists",
    "offloading-ends",
    "flows-agree",
    "put-out-nodes-know-it",
    MEMBER_EXISTS,
];

/// The name of the property that some node is a member.
pub(crate) const MEMBER_EXISTS: &str = "a-member-exists";

/// Why what a property asks for has not come about.
type Check = fn(&Cluster<'_>) -> Option<String>;

/// The properties, in the order of [`LIVENESS`].
const CHECKS: [Check; LIVENESS.len()] = [
    coordinator_exists,
    election_ends,
    all_connected,
    views_agree,
    zookeeper_serves,
    primary_exists,
    offloading_ends,
    flows_agree,
    put_out_nodes_know_it,
    member_exists,
];

pub(super) fn pending(cluster: &Cluster<'_>) -> Vec<(&'static str, Option<String>)> {
    LIVENESS.into_iter().zip(CHECKS).map(|(name, check)| (name, check(cluster))).collect()
}

/// Whether what a property asks for has come about. Where nobody coordinates yet, or nobody is a member, most of them ask
/// for nothing; that is not what a plan waits for.
pub(super) fn has_come_about(cluster: &Cluster<'_>, property: &str) -> bool {
    let Some((_, check)) = LIVENESS.into_iter().zip(CHECKS).find(|(name, _)| *name == property) else {
        return false;
    };
    // In most moments the first node that is looked at says no.
    check(cluster).is_none()
        && match property {
            "zookeeper-serves" => true,
            "coordinator-exists" | "election-ends" => cluster.coordinator().is_some(),
            _ => has_a_member(cluster),
        }
}

/// Some member acts as Primary Node (spec L11).
fn primary_exists(cluster: &Cluster<'_>) -> Option<String> {
    let mut members = cluster.awake_and_not_lost().filter(|(_, node)| is_member(node));
    members.next()?;
    let is_primary = |number: NodeNumber| {
        let machine = cluster.machine(number)?;
        machine.awake()?.node.is_primary(machine.local(cluster.now))
    };
    let found = cluster.in_office.iter().any(|number| is_primary(*number).is_some());
    (!found).then(|| "no node is Primary Node".to_owned())
}

/// No running node is OFFLOADING (spec L13): to hand FlowFiles over takes a bounded time.
fn offloading_ends(cluster: &Cluster<'_>) -> Option<String> {
    let (_, _, coordinator) = cluster.coordinator()?;
    cluster.awake_and_not_lost().find_map(|(number, node)| {
        let status = coordinator.table().get(node.id())?;
        let offloads = status.state == ConnectionState::Offloading;
        (offloads && is_of_this_run(status, node)).then(|| format!("{number} is still OFFLOADING"))
    })
}

/// Every member runs the flow that the coordinator hands out (spec S5, L14).
fn flows_agree(cluster: &Cluster<'_>) -> Option<String> {
    let (coordinator, _, node) = cluster.coordinator()?;
    let flow = &node.cluster_flow()?.fingerprint;
    let (number, node) =
        cluster.awake_and_not_lost().find(|(_, node)| is_member(node) && node.flow().fingerprint != *flow)?;
    let own = &node.flow().fingerprint;
    Some(format!("{number} is a member with flow {own}, the coordinator {coordinator} hands out {flow}"))
}

/// A node that a person, the firewall file or its own flow keeps out does not take itself for a member (spec L8, L14).
fn put_out_nodes_know_it(cluster: &Cluster<'_>) -> Option<String> {
    let (_, _, coordinator) = cluster.coordinator()?;
    cluster.awake_and_not_lost().find_map(|(number, node)| {
        let status = coordinator.table().get(node.id())?;
        let code = status.state.code();
        let is_kept_out = is_out_on_request(&status.state)
            || code == Some(DisconnectionCode::BlockedByFirewall)
            || code == Some(DisconnectionCode::MismatchedFlows);
        let knows = !matches!(node.membership(), Membership::Connected { .. } | Membership::Loading { .. });
        if !is_kept_out || !is_of_this_run(status, node) || knows {
            return None;
        }
        let (state, own) = (status.state.name(), node.membership().name());
        Some(format!("{number} is {state} for the coordinator, and {own} for itself"))
    })
}

/// Some running node is a member, for the coordinator and for itself.
fn member_exists(cluster: &Cluster<'_>) -> Option<String> {
    let nothing_to_join = cluster.awake_and_not_lost().next().is_none();
    if nothing_to_join || has_a_member(cluster) || is_emptied_on_purpose(cluster) {
        return None;
    }
    Some("processes run, and none of them is CONNECTED".to_owned())
}

/// Why no member exists, where that is no fault: every running node is kept out on purpose.
pub(super) fn excuse_without_members(cluster: &Cluster<'_>) -> Option<&'static str> {
    let runs = cluster.awake_and_not_lost().next().is_some();
    (runs && !has_a_member(cluster) && is_emptied_on_purpose(cluster)).then_some(
        "every running node is out by a person's request or the firewall file, or has another flow than nodes that are out or lost",
    )
}

fn has_a_member(cluster: &Cluster<'_>) -> bool {
    let Some((_, _, coordinator)) = cluster.coordinator() else { return false };
    cluster.awake_and_not_lost().any(|(_, node)| {
        let status = coordinator.table().get(node.id());
        is_member(node)
            && status.is_some_and(|status| status.state.is_connected() && is_of_this_run(status, node))
    })
}

/// Whether a person's request or the firewall file keeps every running node out: by the word of the coordinator, or by the
/// node's own where none acts. Where a person put a node out, or the plan took the members away for ever, nodes that have
/// another flow than those do not join without a person.
fn is_emptied_on_purpose(cluster: &Cluster<'_>) -> bool {
    let coordinator = cluster.coordinator().map(|(_, _, node)| node);
    let is_out = |number: NodeNumber, node: &Node| {
        let told = coordinator.and_then(|coordinator| coordinator.table().get(node.id()));
        let told = told.or(node.table().get(node.id()));
        let by_person = told
            .is_some_and(|status| is_of_this_run(status, node) && is_out_on_request(&status.state))
            || (coordinator.is_none() && is_out_for_itself(node.membership()));
        cluster.blocked.contains(&number) || (by_person && cluster.put_out.contains_key(&number))
    };
    let differs = |number: NodeNumber, node: &Node| {
        let code = DisconnectionCode::MismatchedFlows;
        let says_so = matches!(node.membership(), Membership::Disconnected { code: own, .. } if *own == code);
        says_so && !was_let_in(cluster, number)
    };
    let some_are_out = cluster.awake_and_not_lost().any(|(number, node)| is_out(number, node));
    (some_are_out || cluster.for_good.is_anything())
        && cluster.awake_and_not_lost().all(|(number, node)| is_out(number, node) || differs(number, node))
}

/// Whether the node was told itself that a person put it out. Its table may not say so: the order came alone.
fn is_out_for_itself(membership: &Membership) -> bool {
    match membership {
        Membership::Disconnected { code, .. } => *code == DisconnectionCode::UserDisconnected,
        Membership::Offloading { .. } | Membership::Offloaded { .. } | Membership::Removed { .. } => true,
        Membership::Joining | Membership::Loading { .. } | Membership::Connected { .. } => false,
    }
}

/// Whether a coordinator has let the process in with an elected flow, now or earlier, that is still the cluster's.
fn was_let_in(cluster: &Cluster<'_>, number: NodeNumber) -> bool {
    let process = cluster.machine(number).and_then(|machine| machine.process.as_ref());
    !cluster.flow_replaced && process.is_some_and(|process| process.was_let_in)
}

fn is_member(node: &Node) -> bool {
    matches!(node.membership(), Membership::Connected { .. })
}

/// One ZooKeeper server leads, and all others follow it, but for those that have promised a later epoch to a leader that
/// came to nothing: ZooKeeper keeps them out until the next election (`Learner.registerWithLeader`: "Leaders epoch … is less
/// than accepted epoch").
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
        Part::Looking => machine.server.accepted_epoch() <= leads.1,
        Part::Leads { epoch } => leads != (machine.number, epoch),
        Part::Follows { leader, epoch } => leads != (leader, epoch),
    })?;
    Some(format!("zk{} does not follow zk{}, which leads", out.number, leads.0))
}

/// Whether two nodes say the same of a third. Where terms are not compared, two decisions with one content are the same, as
/// they are for people (spec L6, L7).
fn agree(one: &Node, other: &Node, about: NodeId) -> bool {
    match (one.table().get(about), other.table().get(about)) {
        (Some(one_says), Some(other_says)) if !one.config().rules.fence_stale_epochs => {
            one_says.state.name() == other_says.state.name()
                && one_says.state.code() == other_says.state.code()
        }
        (one_says, other_says) => one_says == other_says,
    }
}

/// Exactly one coordinator decides, and every process knows it (spec L1, I7).
fn coordinator_exists(cluster: &Cluster<'_>) -> Option<String> {
    // Where every node is out by a person's decision, or does not fit, there is nobody to elect.
    if !cluster.awake_and_not_lost().any(|(_, node)| may_coordinate(node.membership())) {
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

/// The cluster has a flow (spec L9, I17).
fn election_ends(cluster: &Cluster<'_>) -> Option<String> {
    // Without anybody to let in, there is nobody to vote.
    if !cluster.awake_and_not_lost().any(|(_, node)| may_coordinate(node.membership())) {
        return None;
    }
    let (number, _, node) = cluster.coordinator()?;
    node.cluster_flow().is_none().then(|| format!("{number} still waits for votes on the flow"))
}

/// Every running node that nothing keeps out is a member, for the coordinator and for itself (spec L4, L5, I3).
fn all_connected(cluster: &Cluster<'_>) -> Option<String> {
    let Some((_, _, coordinator)) = cluster.coordinator() else {
        let waiting = cluster.awake_and_not_lost().find(|(_, node)| may_coordinate(node.membership()));
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
        ConnectionState::Removed | ConnectionState::Offloaded => cluster.put_out.contains_key(&number),
        // It ends, whatever a person asked.
        ConnectionState::Offloading => false,
        ConnectionState::Disconnected { code, .. } => match code {
            DisconnectionCode::UserDisconnected => cluster.put_out.contains_key(&number),
            DisconnectionCode::BlockedByFirewall => cluster.blocked.contains(&number),
            // A process that was let in with an elected flow is not put out by another one that was elected later.
            DisconnectionCode::MismatchedFlows => coordinator.cluster_flow().is_some_and(|flow| {
                let config = node.config();
                let would_be_emptied = flow.empty && !node.flow().empty;
                let differs = !may_replace(node.flow(), &config.queued, flow, config.rules.differing_flow);
                !was_let_in(cluster, number) && (differs || would_be_emptied)
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
        let is_told = !matches!(node.membership(), Membership::Removed { .. } | Membership::Joining);
        // Where a node that is out falls silent, nothing mends its table (spec L6).
        if !is_told || !looks(node) || other == number {
            return None;
        }
        let about: NodeId = if node.table() == coordinator.table() {
            return None;
        } else {
            let mut theirs = coordinator.table().iter().map(|status| status.node.id);
            let differs = theirs.find(|id| !agree(coordinator, node, *id));
            // Where the coordinator knows fewer nodes, the other one's own entry stands for all.
            let knows_more = || node.table().len() > coordinator.table().len();
            differs.or_else(|| knows_more().then(|| node.id()))?
        };
        let show = |view: &Node| view.table().get(about).map_or("nothing", |status| status.state.name());
        Some(format!(
            "{other} says {} of {about}, the coordinator {number} says {}",
            show(node),
            show(coordinator)
        ))
    })
}
