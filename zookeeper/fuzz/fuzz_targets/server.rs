//! Any bytes of two clients, through the codec and the server behind it: neither panics, and the server believes what it
//! must believe of itself afterwards.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::time::Duration;
use zeromaster_zookeeper::wire::{Received, ServerSide};
use zeromaster_zookeeper::{
    ClientMessage, ConnectionId, Release, Server, ServerConfig, ServerInput, ServerMessage, ServerOutput, SessionId,
    Zxid,
};

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let release = if choice & 1 == 0 { Release::V3_8_0 } else { Release::V3_9_5 };
    let extended_types = choice & 2 == 0;
    let config = ServerConfig { release, extended_types, first_session: SessionId(7), ..ServerConfig::default() };
    let mut world = World { server: Server::new(config), now: Duration::ZERO, sides: [0, 1].map(|_| None) };
    for at in 0..2 {
        world.open(at, release);
        // With the handshake done, every byte that follows is in a request.
        if choice & 4 == 0 {
            world.attach(at);
        }
    }
    // A star hands over to the other client, so that events have somebody to go to, and time passes.
    let mut at = 0;
    for piece in bytes.split_inclusive(|byte| *byte == b'*') {
        world.receive(at, piece);
        world.now += Duration::from_millis(700);
        world.give(ServerInput::Wakeup);
        at = 1 - at;
    }
    world.server.check_invariants();
});

struct World {
    server: Server,
    now: Duration,
    sides: [Option<ServerSide>; 2],
}

fn connection(at: usize) -> ConnectionId {
    ConnectionId(at as u64)
}

impl World {
    fn open(&mut self, at: usize, release: Release) {
        self.sides[at] = Some(ServerSide::new(release));
        let address = Some("127.0.0.1".into());
        self.give(ServerInput::Opened { connection: connection(at), address });
    }

    fn attach(&mut self, at: usize) {
        let timeout = Duration::from_secs(10);
        let connect = ClientMessage::Connect { session: None, timeout, last_zxid_seen: Zxid(0) };
        let mut bytes = Vec::new();
        let mut client = zeromaster_zookeeper::wire::ClientSide::new();
        client.send(&connect, &mut bytes).expect("a handshake is short");
        self.receive(at, &bytes);
    }

    fn receive(&mut self, at: usize, bytes: &[u8]) {
        if let Some(side) = &mut self.sides[at] {
            side.receive(bytes);
        }
        while let Some(side) = &mut self.sides[at] {
            match side.next_message() {
                Ok(Some(Received::Message(message))) => {
                    self.give(ServerInput::Message { connection: connection(at), message });
                }
                Ok(Some(Received::Answer(_))) => {}
                Ok(None) => return,
                Ok(Some(Received::Word(_))) | Err(_) => {
                    self.sides[at] = None;
                    self.give(ServerInput::Closed { connection: connection(at) });
                }
            }
        }
    }

    fn give(&mut self, input: ServerInput) {
        let mut outputs = Vec::new();
        self.server.handle(self.now, input, &mut outputs);
        let mut sent = Vec::new();
        for output in outputs {
            match output {
                ServerOutput::Send { connection: ConnectionId(at), message } => {
                    let side = self.sides[at as usize].as_mut();
                    let side = side.expect("a server sends only where it is listened to");
                    side.send(&message, &mut sent).expect("no input is long enough for too long an answer");
                    assert!(!matches!(message, ServerMessage::Expired) || sent.len() >= 40);
                }
                ServerOutput::Close { connection: ConnectionId(at) } => self.sides[at as usize] = None,
                ServerOutput::Record(_) => {}
                other => panic!("a server alone talks to others: {other:?}"),
            }
        }
    }
}
