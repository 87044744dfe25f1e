//! The properties' own copies of what the nodes decide: which hosts the firewall file lets in, which flow may replace which,
//! and which disconnected nodes may coordinate. They follow the description of NiFi and call nothing of the nodes.

use crate::plan::NodeNumber;
use crate::setup::{address, host};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;
use zeromaster_core::flow::{DataFlow, DifferingFlow};
use zeromaster_core::identity::NodeIdentifier;
use zeromaster_core::message::Membership;
use zeromaster_core::status::{ConnectionState, DisconnectionCode};

/// The nodes of a cluster of `nodes` nodes that the firewall file `text` does not let in (spec 1.10): a node is let in when
/// some line gives its address, a block that has it, or its name; without a usable line every node is.
pub(crate) fn blocked(text: &str, nodes: u32) -> BTreeSet<NodeNumber> {
    let without_comment = |line: &str| line.split_once('#').map_or(line, |(rule, _)| rule).trim().to_owned();
    let lines: Vec<String> = text.lines().map(without_comment).filter(|line| is_usable(line)).collect();
    let lets_in = |node: u32| {
        let (name, address) = (host(NodeNumber(node)), address(node));
        lines.is_empty() || lines.iter().any(|line| lists(line, &name, address))
    };
    (1..=nodes).filter(|node| !lets_in(*node)).map(NodeNumber).collect()
}

/// Whether a line of the firewall file is a rule: an address, a block of addresses, or a host name.
fn is_usable(line: &str) -> bool {
    if line.contains('/') {
        return block(line).is_some();
    }
    let labels: Vec<&str> = line.split('.').collect();
    let is_label = |label: &&str| {
        !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    let is_name = labels.iter().all(is_label)
        && labels.last().is_some_and(|last| !last.chars().all(|c| c.is_ascii_digit()));
    is_name || line.parse::<Ipv4Addr>().is_ok()
}

fn lists(line: &str, name: &str, address: Ipv4Addr) -> bool {
    match block(line) {
        Some((network, bits)) => {
            let different = u64::from(network.to_bits() ^ address.to_bits());
            different >> (32 - bits) == 0
        }
        None => line.parse() == Ok(address) || line.to_lowercase() == name.to_lowercase(),
    }
}

/// The address before the slash and the number of bits behind it. The slash may be escaped.
fn block(line: &str) -> Option<(Ipv4Addr, u32)> {
    let (network, bits) = line.split_once('/')?;
    let network = network.trim_end_matches('\\').parse().ok()?;
    let is_number = !bits.is_empty() && bits.chars().all(|c| c.is_ascii_digit());
    let bits: u32 = bits.parse().ok().filter(|_| is_number)?;
    (bits <= 32).then_some((network, bits))
}

/// Whether the cluster's flow may replace the flow `local` of a node whose queues `queued` hold data (spec 4.5, S6).
pub(crate) fn may_replace(
    local: &DataFlow,
    queued: &BTreeSet<Arc<str>>,
    cluster: &DataFlow,
    rule: DifferingFlow,
) -> bool {
    let is_same = local.fingerprint.0 == cluster.fingerprint.0;
    is_same
        || local.empty
        || match rule {
            DifferingFlow::Refuse => false,
            DifferingFlow::BackUpAndInherit => queued.is_subset(&cluster.connections),
        }
}

/// Whether a node that is this may coordinate (NIFI-2419): it wants in or is in, or it is out for a reason that goes away by
/// itself.
pub(crate) fn may_coordinate(membership: &Membership) -> bool {
    match membership {
        Membership::Joining | Membership::Loading { .. } | Membership::Connected { .. } => true,
        Membership::Offloading { .. } | Membership::Offloaded { .. } | Membership::Removed { .. } => false,
        Membership::Disconnected { code, .. } => match code {
            DisconnectionCode::NotYetConnected
            | DisconnectionCode::LackOfHeartbeat
            | DisconnectionCode::StartupFailure
            | DisconnectionCode::UnableToCommunicate
            | DisconnectionCode::HeartbeatReceivedFromDisconnectedNode => true,
            DisconnectionCode::Unknown
            | DisconnectionCode::UserDisconnected
            | DisconnectionCode::BlockedByFirewall
            | DisconnectionCode::MismatchedFlows
            | DisconnectionCode::MissingBundle
            | DisconnectionCode::FailedToServiceRequest
            | DisconnectionCode::NodeShutdown => false,
        },
    }
}

/// Whether a status says that a person put the node out: disconnected, offloaded or removed it.
pub(crate) fn is_out_on_request(state: &ConnectionState) -> bool {
    match state {
        ConnectionState::Offloading | ConnectionState::Offloaded | ConnectionState::Removed => true,
        ConnectionState::Disconnected { code, .. } => *code == DisconnectionCode::UserDisconnected,
        ConnectionState::Connecting { .. }
        | ConnectionState::Connected { .. }
        | ConnectionState::Disconnecting => false,
    }
}

/// Whether a status says that the node is a member, or on the way to become one.
pub(crate) fn is_in(state: &ConnectionState) -> bool {
    match state {
        ConnectionState::Connecting { .. } | ConnectionState::Connected { .. } => true,
        ConnectionState::Disconnecting
        | ConnectionState::Disconnected { .. }
        | ConnectionState::Offloading
        | ConnectionState::Offloaded
        | ConnectionState::Removed => false,
    }
}

/// Whether two identifiers claim the same two addresses.
pub(crate) fn have_one_address(one: &NodeIdentifier, other: &NodeIdentifier) -> bool {
    let addresses = |node: &NodeIdentifier| {
        [(node.api.host.clone(), node.api.port), (node.socket.host.clone(), node.socket.port)]
    };
    addresses(one) == addresses(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeromaster_core::flow::inherit;

    #[track_caller]
    fn check(text: &str, expected: &[u32]) {
        let expected: BTreeSet<NodeNumber> = expected.iter().copied().map(NodeNumber).collect();
        assert_eq!(blocked(text, 4), expected, "{text:?}");
    }

    #[test]
    fn the_firewall_file_lets_in_what_it_lists() {
        check("", &[]);
        check("# nothing\n\n10.0.0.256\n1.2.3.4/33\n", &[]);
        check("10.0.0.1\nN2 # the second\n", &[3, 4]);
        check("10.0.0.2/31\n", &[1, 4]);
        check("10.0.0.0\\/24", &[]);
        check("0.0.0.0/0", &[]);
        check("elsewhere", &[1, 2, 3, 4]);
        check("10.0.0.4/+8\n10.0.0.4", &[1, 2, 3]);
    }

    #[test]
    fn the_copy_agrees_with_what_the_nodes_do_today() {
        let queue = |name: &str| BTreeSet::from([Arc::from(name)]);
        let mut cluster = DataFlow::new("cluster");
        cluster.connections = queue("kept");
        for local in [DataFlow::empty("e"), DataFlow::new("cluster"), DataFlow::new("mine")] {
            for queued in [BTreeSet::new(), queue("kept"), queue("gone")] {
                for rule in [DifferingFlow::Refuse, DifferingFlow::BackUpAndInherit] {
                    let theirs = inherit(&local, &queued, &cluster, rule).is_ok();
                    assert_eq!(may_replace(&local, &queued, &cluster, rule), theirs, "{local:?} {queued:?}");
                }
            }
        }
        for code in DisconnectionCode::ALL {
            let version = zeromaster_core::status::Version::NONE;
            let out = Membership::Disconnected { code, reason: "".into(), version };
            assert_eq!(may_coordinate(&out), !code.bars_from_office(), "{code}");
        }
    }
}
