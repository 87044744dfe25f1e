//! Any bytes of a server, for a client that waits for some answers: it never panics.

#![no_main]

use libfuzzer_sys::fuzz_target;
use zeromaster_zookeeper::wire::ClientSide;
use zeromaster_zookeeper::{ClientMessage, Create, CreateMode, Operation};

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let mut side = ClientSide::new();
    let path = || "/a".into();
    for (xid, operation) in (1..).zip([
        Operation::Create(Create::open(path(), [].into(), CreateMode::Ephemeral).into()),
        Operation::GetData { path: path(), watch: true },
        Operation::GetAcl { path: path() },
        Operation::GetChildren2 { path: path(), watch: true },
        Operation::Multi { operations: Vec::new() },
        Operation::WhoAmI,
        Operation::GetEphemerals { prefix: path() },
    ]) {
        side.send(&ClientMessage::Request { xid, operation }, &mut Vec::new());
    }
    // Without a handshake most inputs would end at once.
    if choice & 1 == 0 {
        let mut handshake = vec![0, 0, 0, 37, 0, 0, 0, 0, 0, 0, 0x27, 0x10, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 16];
        handshake.extend([0; 17]);
        side.receive(&handshake);
    }
    side.receive(bytes);
    while let Ok(Some(_)) = side.next_message() {}
});
