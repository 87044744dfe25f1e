use super::*;
use proptest::prelude::*;
use std::sync::Arc;
use zeromaster_core::flow::DataFlow;
use zeromaster_core::identity::{Incarnation, NodeId, NodeIdentifier};
use zeromaster_core::message::{Heartbeat, Membership};
use zeromaster_core::operator::RequestId;
use zeromaster_core::status::{ConnectionState, Epoch, NodeStatus, Version};
use zeromaster_core::table::StatusTable;

fn frames() -> impl Strategy<Value = Frame> {
    let message = prop_oneof![
        any::<u64>().prop_map(|epoch| Message::NotCoordinator { epoch: Epoch(epoch) }),
        (any::<u128>(), any::<u64>(), any::<u64>()).prop_map(|(node, epoch, sequence)| {
            Message::Acknowledgement {
                node: NodeId(node),
                version: Version { epoch: Epoch(epoch), sequence },
            }
        }),
        (any::<u64>(), any::<u64>(), any::<bool>()).prop_map(|(incarnation, id, done)| {
            let outcome = if done { Ok(()) } else { Err(Refusal::NoCoordinator) };
            Message::OperatorResponse { incarnation: Incarnation(incarnation), id: RequestId(id), outcome }
        }),
        (0_u128..300).prop_map(heartbeat),
    ];
    prop_oneof![
        ("[a-z0-9.]{1,40}", any::<u16>())
            .prop_map(|(host, port)| Frame::Node { address: Address::new(&host, port) }),
        Just(Frame::Person),
        message.prop_map(Frame::Message),
        any::<u64>().prop_map(|messages| Frame::Taken { messages }),
        (any::<u64>(), any::<u128>()).prop_map(|(number, id)| Frame::Request {
            number,
            request: OperatorRequest::Offload(NodeId(id))
        }),
        any::<u64>().prop_map(|number| Frame::Outcome { number, outcome: Ok(()) }),
    ]
}

/// A heartbeat with a table of so many nodes.
fn heartbeat(nodes: u128) -> Message {
    let address = Address::new("n1", 8443);
    let identifier = |id| Arc::new(NodeIdentifier::new(NodeId(id), address.clone(), address.clone()));
    let mut table = StatusTable::default();
    for id in 0..nodes {
        let (node, incarnation, state) = (identifier(id), Incarnation(1), ConnectionState::Offloaded);
        let version = Version { epoch: Epoch(1), sequence: 2 };
        table.merge(&Arc::new(NodeStatus { node, incarnation, state, version }));
    }
    Message::Heartbeat(Arc::new(Heartbeat {
        epoch: Epoch(1),
        node: identifier(0),
        incarnation: Incarnation(1),
        sequence: 7,
        reported: Membership::Joining,
        flow: DataFlow::new("A").fingerprint,
        inherited: true,
        table: Arc::new(table),
    }))
}

/// Everything that comes out of `bytes`, and how it ends.
fn read(bytes: &[u8]) -> (Vec<Frame>, Result<(), FrameError>) {
    let mut reader = Frames::default();
    reader.arrived(bytes);
    drain(&mut reader)
}

fn drain(reader: &mut Frames) -> (Vec<Frame>, Result<(), FrameError>) {
    let mut read = Vec::new();
    loop {
        match reader.next_frame() {
            Ok(Some(frame)) => read.push(frame),
            Ok(None) => return (read, reader.ended()),
            Err(error) => return (read, Err(error)),
        }
    }
}

fn announcing(length: u32, rest: &[u8]) -> Vec<u8> {
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend_from_slice(rest);
    bytes
}

#[track_caller]
fn check_refused(bytes: &[u8], expected: FrameError) {
    assert_eq!(read(bytes), (Vec::new(), Err(expected)));
}

#[test]
fn what_is_no_frame_is_refused_by_what_is_wrong_with_it() {
    check_refused(&announcing(0, &[]), FrameError::Empty);
    check_refused(&announcing(1 << 24 | 1, &[]), FrameError::Oversized { announced: 1 << 24 | 1 });
    check_refused(b"GET / HTTP/1.1\r\n", FrameError::Oversized { announced: u32::from_be_bytes(*b"GET ") });
    check_refused(&announcing(100, &[VERSION + 1]), FrameError::Foreign { version: VERSION + 1 });
    check_refused(&announcing(2, &[VERSION, 255]), FrameError::Malformed);
    // A value, and something behind it.
    check_refused(&announcing(3, &[VERSION, 1, 0]), FrameError::Malformed);
    check_refused(&announcing(2, &[VERSION]), FrameError::Truncated);
    check_refused(&[0, 0], FrameError::Truncated);
}

#[test]
fn an_error_stays() {
    let mut reader = Frames::default();
    reader.arrived(&announcing(0, &[]));
    assert_eq!(drain(&mut reader).1, Err(FrameError::Empty));
    reader.arrived(&encode(&Frame::Person));
    assert_eq!(drain(&mut reader), (Vec::new(), Err(FrameError::Empty)));
}

#[test]
fn a_frame_is_its_length_its_version_and_its_value() {
    assert_eq!(encode(&Frame::Person), [0, 0, 0, 2, VERSION, 1]);
    assert_eq!(encode(&Frame::Taken { messages: 300 }), [0, 0, 0, 4, VERSION, 3, 0xac, 0x02]);
}

proptest! {
    #[test]
    fn what_is_written_is_read_in_pieces_of_any_length(
        written in prop::collection::vec(frames(), 0..8),
        piece in 1..40_usize,
    ) {
        let bytes: Vec<u8> = written.iter().flat_map(encode).collect();
        let mut reader = Frames::default();
        let mut all = Vec::new();
        for bytes in bytes.chunks(piece) {
            reader.arrived(bytes);
            while let Some(frame) = reader.next_frame().unwrap() {
                all.push(frame);
            }
        }
        prop_assert_eq!(all, written);
        prop_assert_eq!(reader.ended(), Ok(()));
    }

    #[test]
    fn what_is_cut_off_is_truncated(frame in frames(), kept in any::<prop::sample::Index>()) {
        let bytes = encode(&frame);
        let kept = 1 + kept.index(bytes.len() - 1);
        prop_assert_eq!(read(&bytes[..kept]), (Vec::new(), Err(FrameError::Truncated)));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }

    #[test]
    fn any_value_is_read_or_refused(value in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = announcing(u32::try_from(value.len() + 1).unwrap(), &[VERSION]);
        bytes.extend_from_slice(&value);
        let (read, end) = read(&bytes);
        prop_assert!(read.len() == 1 && end.is_ok() || read.is_empty() && end == Err(FrameError::Malformed));
    }
}
