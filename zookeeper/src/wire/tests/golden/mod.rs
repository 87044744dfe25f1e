//! Frames as they are on the wire, written by hand from the protocol or taken from real servers and clients.

mod multi;
mod opening;
mod replies;
mod requests;

use super::*;
use crate::acl::Acl;
use crate::operation::{Create, CreateMode, CreateRequest};
use crate::types::Stat;
use alloc::boxed::Box;
use alloc::sync::Arc;

const BOTH: [Release; 2] = [Release::V3_8_0, Release::V3_9_5];

/// A server reads the body as that operation.
#[track_caller]
fn check_read(number: i32, body: &str, expected: Operation) {
    for release in BOTH {
        assert_eq!(operation(release, number, &hex(body)), expected, "{release}");
    }
}

/// A client writes the operation as that number and body, and a server reads it back.
#[track_caller]
fn check_request(number: i32, body: &str, asked: Operation) {
    let mut bytes = Vec::new();
    client().send(&ClientMessage::Request { xid: 7, operation: asked.clone() }, &mut bytes).unwrap();
    let mut frame = hex("00000007");
    frame.extend(number.to_be_bytes());
    frame.extend(hex(body));
    assert_eq!(bytes, framed(&frame));
    check_read(number, body, asked);
}

/// A server finds no sense in the body; it is readable if nothing is wrong with it but a null.
#[track_caller]
fn check_malformed(number: i32, readable: bool, body: &str) {
    check_read(number, body, Operation::Malformed { opcode: number, readable });
}

/// A server answers `asked` with these bytes, and a client reads them back.
#[track_caller]
fn check_answer(asked: Operation, message: &ServerMessage, frame: &str) {
    let mut bytes = Vec::new();
    server(Release::V3_9_5).send(message, &mut bytes).unwrap();
    assert_eq!(bytes, framed(&hex(frame)));
    let mut client = client();
    client.send(&ClientMessage::Request { xid: 9, operation: asked }, &mut Vec::new()).unwrap();
    client.receive(&bytes);
    assert_eq!(client.next_message().as_ref(), Ok(&Some(message.clone())));
}

#[track_caller]
fn check_reply(asked: Operation, answer: Reply, body: &str) {
    check_answer(
        asked,
        &reply(9, 0x42, Ok(answer)),
        &alloc::format!("00000009 0000000000000042 00000000 {body}"),
    );
}

const STAT: Stat = Stat {
    czxid: Zxid(0x91),
    mzxid: Zxid(0xe9),
    pzxid: Zxid(0x91),
    ctime: 0x01a2_0162_3b15,
    mtime: 0x01a2_0162_3bf1,
    version: 1,
    cversion: 2,
    aversion: 3,
    ephemeral_owner: None,
    data_length: 4,
    num_children: 5,
};

const STAT_HEX: &str = "0000000000000091 00000000000000e9 000001a201623b15 000001a201623bf1 \
     00000001 00000002 00000003 0000000000000000 00000004 00000005 0000000000000091";

fn path(text: &str) -> Arc<str> {
    Arc::from(text)
}

fn create(request: CreateRequest, mode: CreateMode) -> Operation {
    let ttl_ms = if request == CreateRequest::CreateTtl { 5000 } else { -1 };
    let data = Some(Arc::from(*b"x"));
    Operation::Create(Box::new(Create {
        request,
        path: path("/a"),
        data,
        acl: Some(Acl::open()),
        mode,
        ttl_ms,
    }))
}

/// A create of `/a` with the data `x`, open to the world; the flag follows.
const CREATE: &str = "00000002 2f61 00000001 78 00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65";

const END: &str = "ffffffff 01 ffffffff";
