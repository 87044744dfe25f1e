//! What one end writes, the other end reads, however the bytes are cut on their way.

use super::strategies::{client_message, error, event, handshake, operation, reply_to};
use super::*;
use crate::types::WatchEvent;
use proptest::collection::vec;
use proptest::prelude::*;

/// Gives `bytes` to `take` in pieces; the cuts repeat.
fn in_pieces(bytes: &[u8], cuts: &[usize], mut take: impl FnMut(&[u8])) {
    let mut rest = bytes;
    for cut in cuts.iter().cycle() {
        let (piece, behind) = rest.split_at((*cut).min(rest.len()));
        take(piece);
        rest = behind;
        if rest.is_empty() {
            return;
        }
    }
}

/// An operation, and what a server may answer to it.
fn question_and_answer() -> BoxedStrategy<(Operation, Result<Reply, ErrorCode>)> {
    operation()
        .prop_flat_map(|operation| {
            let failed = error().prop_filter("that is no error", |code| *code != ErrorCode::Ok);
            let answer = prop_oneof![4 => reply_to(&operation).prop_map(Ok), 1 => failed.prop_map(Err)];
            (Just(operation), answer)
        })
        .boxed()
}

proptest! {
    #[test]
    fn a_server_reads_what_a_client_has_written(
        messages in vec(client_message(), 0..6),
        cuts in vec(1..40usize, 1..5),
    ) {
        let (mut client, mut server) = (client(), server(Release::V3_9_5));
        let mut bytes = Vec::new();
        for message in &messages {
            client.send(message, &mut bytes).unwrap();
        }
        let mut read = Vec::new();
        in_pieces(&bytes, &cuts, |piece| {
            server.receive(piece);
            while let Some(message) = server.next_message().expect("what a client writes can be read") {
                read.push(message);
            }
        });
        prop_assert_eq!(read, messages.into_iter().map(Received::Message).collect::<Vec<_>>());
        prop_assert_eq!(server.waiting(), 0);
    }

    #[test]
    fn a_server_reads_the_handshake_of_a_client(message in handshake()) {
        let mut bytes = Vec::new();
        ClientSide::new().send(&message, &mut bytes).unwrap();
        let mut server = ServerSide::new(Release::V3_9_5);
        server.receive(&bytes);
        prop_assert_eq!(server.next_message(), Ok(Some(Received::Message(message))));
    }

    #[test]
    fn a_client_reads_what_a_server_has_answered(
        exchange in vec((1..1000i32, question_and_answer(), any::<u64>()), 0..6),
        events in vec((event(), proptest::option::of(0..u64::MAX)), 0..3),
        cuts in vec(1..40usize, 1..5),
    ) {
        let (mut client, mut server) = (client(), server(Release::V3_9_5));
        let mut messages = Vec::new();
        for (xid, (operation, result), zxid) in exchange {
            client.send(&ClientMessage::Request { xid, operation }, &mut Vec::new()).unwrap();
            messages.push(reply(xid, zxid, result));
            messages.push(ServerMessage::Pong { zxid: Zxid(zxid) });
        }
        client.send(&ClientMessage::CloseSession { xid: 5 }, &mut Vec::new()).unwrap();
        messages.push(ServerMessage::SessionClosed { xid: 5, zxid: Zxid(9) });
        for (event, zxid) in events {
            let at = event.path.len() % messages.len();
            let event = WatchEvent { ..event };
            messages.insert(at, ServerMessage::Event { event, zxid: zxid.map(Zxid) });
        }
        let mut bytes = Vec::new();
        for message in &messages {
            server.send(message, &mut bytes).unwrap();
        }
        let mut read = Vec::new();
        in_pieces(&bytes, &cuts, |piece| {
            client.receive(piece);
            while let Some(message) = client.next_message().expect("what a server writes can be read") {
                read.push(message);
            }
        });
        prop_assert_eq!(read, messages);
    }
}
