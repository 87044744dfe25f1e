//! Handshakes, pings, ends and credentials.

use super::*;

#[test]
fn the_handshake_of_a_client_has_forty_five_bytes() {
    let mut bytes = Vec::new();
    ClientSide::new().send(&connect(), &mut bytes).unwrap();
    let expected = "0000002d 00000000 0000000000000000 00002710 0000000000000000 \
         00000010 00000000000000000000000000000000 00";
    assert_eq!(bytes, hex(expected));
}

/// The handshake in `request`, the answer to it, and how that is read again.
#[track_caller]
fn check_handshake(request: &str, answer: &ServerMessage, expected: &str) {
    let mut side = ServerSide::new(Release::V3_8_0);
    side.receive(&framed(&hex(request)));
    assert!(matches!(side.next_message(), Ok(Some(Received::Message(ClientMessage::Connect { .. })))));
    let mut bytes = Vec::new();
    side.send(answer, &mut bytes).unwrap();
    assert_eq!(bytes, framed(&hex(expected)));
    let mut client = ClientSide::new();
    client.send(&connect(), &mut Vec::new()).unwrap();
    client.receive(&bytes);
    assert_eq!(client.next_message().as_ref(), Ok(&Some(answer.clone())));
}

#[test]
fn the_answer_to_a_handshake_has_the_byte_of_read_only_mode_if_the_question_had_it() {
    const ASKED: &str =
        "00000000 0000000000000000 00002710 0000000000000000 00000010 00000000000000000000000000000000";
    const GRANTED: &str = "00000000 00002710 010000d559d40000 00000010 30313233343536373839616263646566";
    const REFUSED: &str = "00000000 00000000 0000000000000000 00000010 00000000000000000000000000000000";
    for read_only in ["00", "01", "02"] {
        let asked = alloc::format!("{ASKED} {read_only}");
        check_handshake(&asked, &connected(), &alloc::format!("{GRANTED} 00"));
        check_handshake(&asked, &ServerMessage::Expired, &alloc::format!("{REFUSED} 00"));
    }
    check_handshake(ASKED, &connected(), GRANTED);
    check_handshake(ASKED, &ServerMessage::Expired, REFUSED);
}

#[track_caller]
fn check_asked(request: &str, expected: ClientMessage) {
    let mut side = ServerSide::new(Release::V3_8_0);
    side.receive(&framed(&hex(request)));
    assert_eq!(side.next_message(), Ok(Some(Received::Message(expected))));
}

#[test]
fn a_handshake_is_read_as_the_original_takes_it() {
    let zero = Duration::ZERO;
    let session = |password| Some((SessionId(0x77), password));
    let asked =
        |session, timeout, last_zxid_seen| ClientMessage::Connect { session, timeout, last_zxid_seen };
    // Any version, a negative zxid and a negative timeout; bytes behind the end.
    check_asked(
        "00000005 fffffffffffffffb fffffffb 0000000000000000 00000000 00 3132",
        asked(None, zero, Zxid(0)),
    );
    // A session with its password, with one that is too short, and with none.
    let password = Password(*b"0123456789abcdef");
    check_asked(
        "00000000 0000000100000002 00000001 0000000000000077 00000010 30313233343536373839616263646566 00",
        asked(session(password), Duration::from_millis(1), Zxid(0x1_0000_0002)),
    );
    check_asked(
        "00000000 0000000000000000 00000000 0000000000000077 00000003 616263 00",
        asked(session(Password::NONE), zero, Zxid(0)),
    );
    check_asked(
        "00000000 0000000000000000 00000000 0000000000000077 ffffffff 00",
        asked(session(Password::NONE), zero, Zxid(0)),
    );
}

#[test]
fn pings_closes_and_credentials_have_numbers_of_their_own() {
    let mut bytes = Vec::new();
    let mut side = client();
    side.send(&ClientMessage::Ping, &mut bytes).unwrap();
    side.send(&ClientMessage::CloseSession { xid: 3 }, &mut bytes).unwrap();
    let credentials = Arc::from(*b"u:p");
    side.send(&ClientMessage::Authenticate { xid: -4, scheme: "digest".into(), credentials }, &mut bytes)
        .unwrap();
    let expected = "00000008 fffffffe 0000000b  00000008 00000003 fffffff5 \
         0000001d fffffffc 00000064 00000000 00000006 646967657374 00000003 753a70";
    assert_eq!(bytes, hex(expected));
}

#[test]
fn a_ping_and_a_close_are_known_by_their_number_whatever_else_they_say() {
    let message = |body| received(Release::V3_8_0, &hex(body)).map(Option::unwrap);
    assert_eq!(message("0000002c 0000000b 00001388"), Ok(Received::Message(ClientMessage::Ping)));
    assert_eq!(
        message("00000007 fffffff5 00001388"),
        Ok(Received::Message(ClientMessage::CloseSession { xid: 7 }))
    );
}

#[track_caller]
fn check_credentials(body: &str, scheme: &str, credentials: &[u8]) {
    let expected =
        ClientMessage::Authenticate { xid: -4, scheme: scheme.into(), credentials: credentials.into() };
    let frame = hex(&alloc::format!("fffffffc 00000064 {body}"));
    assert_eq!(received(Release::V3_9_5, &frame), Ok(Some(Received::Message(expected))));
}

#[test]
fn credentials_that_are_null_are_nobodys() {
    check_credentials("00000009 00000006 646967657374 00000003 753a70", "digest", b"u:p");
    check_credentials("00000000 00000006 646967657374 00000000", "digest", b"");
    check_credentials("00000000 00000006 646967657374 ffffffff", "", b"");
    check_credentials("00000000 ffffffff 00000003 753a70", "", b"u:p");
    check_credentials("00000000 00000002 6970 ffffffff", "ip", b"");
}

#[test]
fn sasl_is_answered_with_no_token() {
    for token in ["00000000", "00000003 616263"] {
        let frame = hex(&alloc::format!("00000009 00000066 {token}"));
        let answer = hex("00000014 00000009 0000000000000000 00000000 ffffffff");
        assert_eq!(received(Release::V3_8_0, &frame), Ok(Some(Received::Answer(answer))));
    }
}
