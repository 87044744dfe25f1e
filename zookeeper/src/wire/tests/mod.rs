//! Tests of the wire: frames as real servers and clients write them, ways there and back, and what nobody should send.

mod golden;
mod hostile;
mod round;
mod strategies;

use super::{ClientSide, Received, ServerSide, WireError};
use crate::error::ErrorCode;
use crate::operation::{Operation, Reply};
use crate::protocol::{ClientMessage, ServerMessage};
use crate::types::{Password, Release, SessionId, Zxid};
use alloc::vec::Vec;
use core::time::Duration;

/// The bytes that hexadecimal digits stand for; whatever is no digit only separates.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    assert!(digits.len().is_multiple_of(2), "half a byte in {text}");
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// `body` behind its length.
fn framed(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::from((body.len() as u32).to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

const SESSION: SessionId = SessionId(0x0100_00d5_59d4_0000);
const PASSWORD: Password = Password(*b"0123456789abcdef");

fn connect() -> ClientMessage {
    ClientMessage::Connect { session: None, timeout: Duration::from_secs(10), last_zxid_seen: Zxid(0) }
}

fn connected() -> ServerMessage {
    ServerMessage::Connected { session: SESSION, password: PASSWORD, timeout: Duration::from_secs(10) }
}

/// A server's end that has answered its handshake.
fn server(release: Release) -> ServerSide {
    let mut side = ServerSide::new(release);
    let mut handshake = Vec::new();
    ClientSide::new().send(&connect(), &mut handshake).unwrap();
    side.receive(&handshake);
    assert_eq!(side.next_message(), Ok(Some(Received::Message(connect()))));
    side.send(&connected(), &mut Vec::new()).unwrap();
    side
}

/// A client's end whose handshake was answered.
fn client() -> ClientSide {
    let mut side = ClientSide::new();
    let mut bytes = Vec::new();
    side.send(&connect(), &mut bytes).unwrap();
    let mut server = ServerSide::new(Release::V3_9_5);
    server.receive(&bytes);
    server.next_message().expect("a handshake can be read");
    let mut answer = Vec::new();
    server.send(&connected(), &mut answer).unwrap();
    side.receive(&answer);
    assert_eq!(side.next_message(), Ok(Some(connected())));
    side
}

/// What a server of `release` reads from the body of a frame.
fn received(release: Release, body: &[u8]) -> Result<Option<Received>, WireError> {
    let mut side = server(release);
    side.receive(&framed(body));
    side.next_message()
}

/// The operation a server of `release` reads behind a header of this number.
#[track_caller]
fn operation(release: Release, number: i32, body: &[u8]) -> Operation {
    let mut frame = hex("00000007");
    frame.extend(number.to_be_bytes());
    frame.extend_from_slice(body);
    match received(release, &frame) {
        Ok(Some(Received::Message(ClientMessage::Request { xid: 7, operation }))) => operation,
        other => panic!("no request: {other:?}"),
    }
}

fn reply(xid: i32, zxid: u64, result: Result<Reply, ErrorCode>) -> ServerMessage {
    ServerMessage::Reply { xid, zxid: Zxid(zxid), result }
}
