//! What a person decided about a node, as a record in ZooKeeper that outlives every coordinator.

use crate::identity::{Address, Incarnation, NodeId, NodeIdentifier};
use crate::status::{ConnectionState, DisconnectionCode, Epoch, NodeStatus, Version};
use alloc::format;
use alloc::sync::Arc;

/// The record of `status`: why, which run, which decision, and who it is.
pub(super) fn print(status: &NodeStatus) -> Arc<str> {
    let why = match &status.state {
        ConnectionState::Removed => "REMOVED",
        ConnectionState::Disconnected { code, .. } => code.name(),
        ConnectionState::Connecting { .. }
        | ConnectionState::Connected { .. }
        | ConnectionState::Disconnecting
        | ConnectionState::Offloading
        | ConnectionState::Offloaded => unreachable!("only a node that is out is recorded as out"),
    };
    let (node, version) = (&status.node, status.version);
    let (epoch, sequence) = (version.epoch, version.sequence);
    format!("{why} {} {epoch} {sequence} {} {} {}", status.incarnation.0, node.id, node.api, node.socket)
        .into()
}

/// Reads a record back; `None` when it is none.
pub(super) fn parse(data: &str) -> Option<NodeStatus> {
    let mut words = data.split(' ');
    let state = match words.next()? {
        "REMOVED" => ConnectionState::Removed,
        name => ConnectionState::disconnected(DisconnectionCode::parse(name)?),
    };
    let incarnation = Incarnation(words.next()?.parse().ok()?);
    let epoch = Epoch(words.next()?.parse().ok()?);
    let version = Version { epoch, sequence: words.next()?.parse().ok()? };
    let id = NodeId::parse(words.next()?)?;
    let api = Address::parse(words.next()?)?;
    let socket = Address::parse(words.next()?)?;
    let node = Arc::new(NodeIdentifier::new(id, api, socket));
    words.next().is_none().then_some(NodeStatus { node, incarnation, state, version })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_as_the_decision_it_was() {
        let node =
            Arc::new(NodeIdentifier::new(NodeId(3), Address::new("n3", 8443), Address::new("n3", 11443)));
        let version = Version { epoch: Epoch(17), sequence: 4 };
        let out = ConnectionState::disconnected(DisconnectionCode::UserDisconnected);
        for state in [ConnectionState::Removed, out] {
            let status = NodeStatus { node: node.clone(), incarnation: Incarnation(2), state, version };
            assert_eq!(parse(&print(&status)), Some(status));
        }
    }

    #[test]
    fn what_is_no_record_is_no_decision() {
        for text in
            ["", "REMOVED", "GONE 1 2 3 x y:1 z:1", "REMOVED 1 2 3 00000000-0000-0000-0000-000000000001 n n"]
        {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
