//! What nobody should send, and some do: it never panics, and makes room only for what has arrived.

use super::strategies::{client_message, operation};
use super::*;
use crate::wire::FRAME_BYTES_MAX;
use proptest::collection::vec;
use proptest::prelude::*;

/// Takes everything that is complete, to the end or the first error.
fn exhaust(server: &mut ServerSide) -> usize {
    let mut count = 0;
    while let Ok(Some(received)) = server.next_message() {
        count += 1;
        match received {
            Received::Message(ClientMessage::Connect { .. }) => {
                server.send(&connected(), &mut Vec::new()).unwrap()
            }
            Received::Message(_) | Received::Answer(_) => {}
            Received::Word(_) => return count,
        }
    }
    count
}

proptest! {
    #[test]
    fn a_server_survives_any_bytes(pieces in vec(vec(any::<u8>(), 0..64), 0..8)) {
        let mut server = ServerSide::new(Release::V3_9_5);
        for piece in pieces {
            server.receive(&piece);
            exhaust(&mut server);
        }
    }

    #[test]
    fn a_server_answers_any_body_with_an_operation(
        number in prop_oneof![-12..30i32, 100..110i32, any::<i32>()],
        body in vec(prop_oneof![Just(0u8), Just(0xff), any::<u8>()], 0..80),
        release in prop_oneof![Just(Release::V3_8_0), Just(Release::V3_9_5)],
    ) {
        let mut frame = hex("00000007");
        frame.extend(number.to_be_bytes());
        frame.extend(body);
        match received(release, &frame) {
            Ok(Some(_)) => {}
            Err(WireError::Credentials) => prop_assert!(number == 100 || number == 102),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn a_server_survives_frames_that_were_tampered_with(
        message in client_message(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        release in prop_oneof![Just(Release::V3_8_0), Just(Release::V3_9_5)],
    ) {
        let mut bytes = Vec::new();
        client().send(&message, &mut bytes).unwrap();
        for (at, byte) in changes {
            *at.get_mut(&mut bytes) = byte;
        }
        let mut server = server(release);
        server.receive(&bytes);
        exhaust(&mut server);
    }

    #[test]
    fn a_client_survives_any_bytes(
        asked in vec((0..4i32, operation()), 0..4),
        bodies in vec(vec(prop_oneof![Just(0u8), Just(1), Just(0xff), any::<u8>()], 0..100), 0..6),
    ) {
        let mut client = client();
        for (xid, operation) in asked {
            client.send(&ClientMessage::Request { xid, operation }, &mut Vec::new()).unwrap();
        }
        for (body, xid) in bodies.into_iter().zip(0..4i32) {
            let mut answer = Vec::from(xid.to_be_bytes());
            answer.extend([0; 12]);
            answer.extend(body);
            client.receive(&framed(&answer));
        }
        while let Ok(Some(_)) = client.next_message() {}
    }
}

#[track_caller]
fn check_first(bytes: &[u8], error: WireError) {
    let mut side = ServerSide::new(Release::V3_9_5);
    side.receive(bytes);
    assert_eq!(side.next_message(), Err(error));
    side.receive(&framed(&[0; 45]));
    assert_eq!(side.next_message(), Err(error), "an error stays");
}

#[test]
fn a_first_frame_that_is_no_handshake_ends_the_connection() {
    let too_long = |announced| WireError::FrameLength { announced, most: FRAME_BYTES_MAX };
    check_first(&hex("ffffffff"), too_long(-1));
    check_first(&hex("80000000"), too_long(i32::MIN));
    check_first(&hex("00100000"), too_long(0x10_0000));
    check_first(b"xxxx", too_long(0x7878_7878));
    check_first(&framed(b""), WireError::Handshake);
    check_first(&framed(&hex("00000001 0000000b")), WireError::Handshake);
    // A password that says it is longer than the frame.
    check_first(
        &framed(&hex("00000000 0000000000000000 00002710 0000000000000000 7fffffff 00")),
        WireError::Handshake,
    );
}

#[test]
fn a_frame_is_refused_by_its_length_alone_and_the_longest_is_not() {
    let mut side = server(Release::V3_9_5);
    side.receive(&hex("000fffff 00000007 00000003 00000001 2f 01"));
    assert_eq!(side.next_message(), Ok(None));
    side.receive(&alloc::vec![0; FRAME_BYTES_MAX - 14]);
    let exists = Operation::Exists { path: "/".into(), watch: true };
    let message = ClientMessage::Request { xid: 7, operation: exists };
    assert_eq!(side.next_message(), Ok(Some(Received::Message(message))));
    side.receive(&hex("00100000"));
    let error = WireError::FrameLength { announced: 0x10_0000, most: FRAME_BYTES_MAX };
    assert_eq!(side.next_message(), Err(error));
}

#[test]
fn a_frame_without_a_whole_header_ends_the_connection() {
    for body in [&b""[..], b"abc", b"abcdefg"] {
        assert_eq!(received(Release::V3_8_0, body), Err(WireError::Header));
    }
}

#[test]
fn credentials_that_cannot_be_read_end_the_connection() {
    for body in [
        "00000007 00000064",
        "00000007 00000064 00000000 00000003 6162",
        "00000007 00000066",
        "00000007 00000066 ffffffff",
    ] {
        assert_eq!(received(Release::V3_8_0, &hex(body)), Err(WireError::Credentials));
    }
}

#[test]
fn nothing_is_read_behind_a_handshake_until_it_is_answered() {
    let mut client = ClientSide::new();
    let mut bytes = Vec::new();
    client.send(&connect(), &mut bytes).unwrap();
    client.send(&ClientMessage::Ping, &mut bytes).unwrap();
    let mut side = ServerSide::new(Release::V3_9_5);
    side.receive(&bytes);
    assert_eq!(side.next_message(), Ok(Some(Received::Message(connect()))));
    assert_eq!(side.next_message(), Ok(None));
    side.send(&connected(), &mut Vec::new()).unwrap();
    assert_eq!(side.next_message(), Ok(Some(Received::Message(ClientMessage::Ping))));
}

#[test]
fn a_word_is_only_one_in_place_of_a_handshake() {
    let mut side = ServerSide::new(Release::V3_9_5);
    side.receive(b"ru");
    assert_eq!(side.next_message(), Ok(None));
    side.receive(b"ok");
    assert_eq!(side.next_message(), Ok(Some(Received::Word(crate::wire::FourLetterWord::Ruok))));
    let mut side = server(Release::V3_9_5);
    side.receive(b"ruok");
    assert!(matches!(side.next_message(), Err(WireError::FrameLength { .. })));
}

#[test]
fn a_client_gives_a_server_up_that_answers_what_nobody_asked() {
    let mut side = client();
    side.send(&ClientMessage::Request { xid: 1, operation: Operation::WhoAmI }, &mut Vec::new()).unwrap();
    let mut bytes = Vec::new();
    server(Release::V3_9_5).send(&reply(2, 5, Ok(Reply::Nothing)), &mut bytes).unwrap();
    side.receive(&bytes);
    assert_eq!(side.next_message(), Err(WireError::Unasked { xid: 2, waiting: Some(1) }));
    let mut side = client();
    side.receive(&bytes);
    assert_eq!(side.next_message(), Err(WireError::Unasked { xid: 2, waiting: None }));
}

#[test]
fn what_a_client_cannot_read_ends_the_connection() {
    let mut side = client();
    side.send(&ClientMessage::Request { xid: 1, operation: Operation::WhoAmI }, &mut Vec::new()).unwrap();
    side.receive(&framed(&hex("00000001 0000000000000005 00000000 7fffffff")));
    assert_eq!(side.next_message(), Err(WireError::Reply { xid: 1 }));
    let mut side = client();
    side.receive(&framed(&hex("ffffffff ffffffffffffffff 00000000 00000009 00000003 00000001 2f")));
    assert_eq!(side.next_message(), Err(WireError::Reply { xid: -1 }));
    let mut side = client();
    side.receive(&framed(&hex("ffffffff ffffffffffffffff")));
    assert_eq!(side.next_message(), Err(WireError::Header));
}
