//! Anything that a peer may send, from small sets of values in which the strange ones are as frequent as the usual.

use crate::harness::*;
use proptest::prelude::*;
use proptest::sample::select;
use std::sync::Arc;
use std::time::Duration;
use zeromaster_core::flow::{DataFlow, Fingerprint};
use zeromaster_core::identity::{Incarnation, NodeId, NodeIdentifier};
use zeromaster_core::message::{
    ConnectionAnswer, ConnectionRequest, Heartbeat, Membership, Message, OrderKind, StatusChanges,
};
use zeromaster_core::operator::{OperatorRequest, Refusal, RequestId};
use zeromaster_core::status::{ConnectionState, DisconnectionCode, Epoch, NodeStatus, Version};
use zeromaster_core::table::StatusTable;

/// Terms long gone, the terms that a node under test is likely to live through, and terms that nobody can have had.
pub(crate) fn any_epoch() -> impl Strategy<Value = Epoch> {
    let real = (100u64..130).prop_map(Epoch);
    prop_oneof![2 => real, 1 => select(vec![Epoch(0), Epoch(50), Epoch(200), Epoch(201), Epoch(u64::MAX)])]
}

pub(crate) fn any_sequence() -> impl Strategy<Value = u64> {
    prop_oneof![3 => 0u64..12, 1 => Just(u64::MAX)]
}

pub(crate) fn any_version() -> impl Strategy<Value = Version> {
    (any_epoch(), any_sequence()).prop_map(|(epoch, sequence)| Version { epoch, sequence })
}

pub(crate) fn any_incarnation() -> impl Strategy<Value = Incarnation> {
    prop_oneof![4 => Just(Incarnation(1)), 1 => select(vec![Incarnation(0), Incarnation(2), Incarnation(u64::MAX)])]
}

/// n1 (the node under test) to n4, sometimes with the addresses of another one of them.
pub(crate) fn any_identifier() -> impl Strategy<Value = Arc<NodeIdentifier>> {
    (1u128..5, prop_oneof![5 => Just(None), 1 => (1u128..5).prop_map(Some)]).prop_map(|(id, guise)| {
        let mut node = NodeIdentifier::clone(&identifier(guise.unwrap_or(id)));
        node.id = NodeId(id);
        Arc::new(node)
    })
}

pub(crate) fn any_flow() -> impl Strategy<Value = Arc<DataFlow>> {
    select(vec!["A", "B", "E"]).prop_map(flow)
}

pub(crate) fn any_code() -> impl Strategy<Value = DisconnectionCode> {
    select(DisconnectionCode::ALL.to_vec())
}

pub(crate) fn any_state() -> impl Strategy<Value = ConnectionState> {
    prop_oneof![
        any_version().prop_map(|attempt| ConnectionState::Connecting { attempt }),
        any_version().prop_map(|attempt| ConnectionState::Connected { attempt }),
        any_code().prop_map(ConnectionState::disconnected),
        select(vec![
            ConnectionState::Disconnecting,
            ConnectionState::Offloading,
            ConnectionState::Offloaded,
            ConnectionState::Removed,
        ]),
    ]
}

pub(crate) fn any_status() -> impl Strategy<Value = Arc<NodeStatus>> {
    (any_identifier(), any_incarnation(), any_state(), any_version()).prop_map(
        |(node, incarnation, state, version)| Arc::new(NodeStatus { node, incarnation, state, version }),
    )
}

pub(crate) fn any_table() -> impl Strategy<Value = Arc<StatusTable>> {
    prop::collection::vec(any_status(), 0..4).prop_map(|statuses| {
        let mut table = StatusTable::default();
        for status in &statuses {
            table.merge(status);
        }
        Arc::new(table)
    })
}

pub(crate) fn any_membership() -> impl Strategy<Value = Membership> {
    prop_oneof![
        Just(Membership::Joining),
        any_version().prop_map(|attempt| Membership::Loading { attempt }),
        any_version().prop_map(|attempt| Membership::Connected { attempt }),
        (any_code(), any_version()).prop_map(|(code, version)| out(code, version)),
        any_version().prop_map(|version| Membership::Offloading { version }),
        any_version().prop_map(|version| Membership::Offloaded { version }),
        any_version().prop_map(|version| Membership::Removed { version }),
    ]
}

fn any_heartbeat() -> impl Strategy<Value = Heartbeat> {
    let who = (any_epoch(), any_identifier(), any_incarnation(), any_sequence());
    let what = (any_membership(), select(vec!["A", "B", "E"]), any::<bool>(), any_table());
    (who, what).prop_map(|((epoch, node, incarnation, sequence), (reported, flow, inherited, table))| {
        let flow = Fingerprint(flow.into());
        Heartbeat { epoch, node, incarnation, sequence, reported, flow, inherited, table }
    })
}

fn any_connection_request() -> impl Strategy<Value = ConnectionRequest> {
    let flow = prop::option::weighted(0.8, any_flow());
    (any_epoch(), any_identifier(), any_incarnation(), any_sequence(), flow).prop_map(
        |(epoch, node, incarnation, ask, flow)| ConnectionRequest { epoch, node, incarnation, ask, flow },
    )
}

fn any_answer() -> impl Strategy<Value = ConnectionAnswer> {
    let after = select(vec![Duration::ZERO, Duration::from_secs(5), Duration::MAX]);
    prop_oneof![
        3 => (any_version(), any_flow(), any_table())
            .prop_map(|(attempt, flow, table)| ConnectionAnswer::Accepted { attempt, flow, table }),
        1 => after.prop_map(|after| ConnectionAnswer::TryLater { after, explanation: "Later.".into() }),
        1 => any_status().prop_map(|status| ConnectionAnswer::Rejected { reason: "No.".into(), status }),
    ]
}

fn any_order() -> impl Strategy<Value = OrderKind> {
    prop_oneof![
        (prop::option::of(any_flow()), any_table())
            .prop_map(|(flow, table)| OrderKind::Reconnect { flow, table }),
        any_code().prop_map(leave),
        Just(OrderKind::Offload),
    ]
}

pub(crate) fn any_operator_request() -> impl Strategy<Value = OperatorRequest> {
    (1u128..6, 0..4).prop_map(|(id, kind)| match kind {
        0 => OperatorRequest::Connect(NodeId(id)),
        1 => OperatorRequest::Disconnect(NodeId(id)),
        2 => OperatorRequest::Remove(NodeId(id)),
        _ => OperatorRequest::Offload(NodeId(id)),
    })
}

pub(crate) fn any_message() -> impl Strategy<Value = Message> {
    let question = any_connection_request().prop_map(Message::ConnectionRequest);
    let response = (any_epoch(), any_incarnation(), any_sequence(), any_answer()).prop_map(
        |(epoch, incarnation, ask, answer)| Message::ConnectionResponse { epoch, incarnation, ask, answer },
    );
    let order = (any_version(), any_incarnation(), any_order())
        .prop_map(|(version, incarnation, order)| Message::Order { version, incarnation, order });
    let acknowledgement = (1u128..5, any_version())
        .prop_map(|(node, version)| Message::Acknowledgement { node: NodeId(node), version });
    let heartbeat = any_heartbeat().prop_map(|heartbeat| Message::Heartbeat(Arc::new(heartbeat)));
    let differences =
        (any_epoch(), prop::collection::vec(any_status(), 0..4)).prop_map(|(epoch, differences)| {
            Message::HeartbeatResponse { epoch, differences, election: None, passage: None }
        });
    let change =
        (any_epoch(), any_status()).prop_map(|(epoch, status)| Message::NodeStatusChange { epoch, status });
    let changes = (any_epoch(), prop::collection::vec(any_status(), 0..4)).prop_map(|(epoch, statuses)| {
        Message::NodeStatusChanges(Arc::new(StatusChanges { epoch, statuses, passages: Vec::new() }))
    });
    let report = (any_epoch(), any_identifier(), any_incarnation(), any_membership()).prop_map(
        |(epoch, node, incarnation, reported)| Message::NodeReport { epoch, node, incarnation, reported },
    );
    let flow_request = (any_epoch(), any_flow())
        .prop_map(|(epoch, flow)| Message::FlowRequest { epoch, flow: flow.fingerprint.clone() });
    let flow_response =
        (any_epoch(), any_flow()).prop_map(|(epoch, flow)| Message::FlowResponse { epoch, flow });
    let not_coordinator = any_epoch().prop_map(|epoch| Message::NotCoordinator { epoch });
    let request = (any_epoch(), 1u128..5, any_incarnation(), 0u64..9, any_operator_request()).prop_map(
        |(epoch, origin, incarnation, id, request)| {
            let (origin, id) = (NodeId(origin), RequestId(id));
            Message::OperatorRequest { epoch, origin, incarnation, id, request }
        },
    );
    let response_to_request =
        (any_incarnation(), 0u64..9, any::<bool>()).prop_map(|(incarnation, id, done)| {
            let outcome = if done { Ok(()) } else { Err(Refusal::Busy) };
            Message::OperatorResponse { incarnation, id: RequestId(id), outcome }
        });
    prop_oneof![
        3 => question,
        2 => response,
        3 => order,
        1 => acknowledgement,
        4 => heartbeat,
        1 => differences,
        3 => change,
        1 => changes,
        1 => report,
        1 => flow_request,
        1 => flow_response,
        1 => not_coordinator,
        2 => request,
        1 => response_to_request,
    ]
}
