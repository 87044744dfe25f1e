//! What a client may ask for, and what it may leave lying: too much costs it its connection, and nobody else anything.

mod common;

use common::{Client, LONG};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use zeromaster_embedded::{Embedded, EmbeddedConfig, ServerEvent};
use zeromaster_zookeeper::{ClientMessage, CreateMode, Operation, Reply, ServerMessage};

/// Servers that serve, and what happens on them, in words.
fn serving(config: EmbeddedConfig) -> (Embedded, Receiver<String>) {
    let (send, events) = channel();
    let observer = move |_, event: &ServerEvent| drop(send.send(event.to_string()));
    let embedded = Embedded::start_with(config, observer).expect("it can be started");
    assert!(embedded.wait_until_serving(LONG), "it does not serve");
    (embedded, events)
}

/// Why a connection was closed; waits until one is.
#[track_caller]
fn reason(events: &Receiver<String>) -> String {
    loop {
        let event = events.recv_timeout(LONG).expect("a connection is closed, and it is said why");
        if let Some((_, reason)) = event.split_once("closed the connection of ") {
            return reason.split_once(": ").expect("the client, and the reason").1.to_owned();
        }
    }
}

fn read(path: &str) -> Operation {
    Operation::GetData { path: path.into(), watch: false }
}

/// A request of 34 kB whose answer would be two gigabytes. Its length was not expected, and the process ended.
#[test]
fn an_answer_that_is_too_long_costs_its_connection_alone() {
    let (embedded, events) = serving(EmbeddedConfig::default());
    let address = embedded.addresses()[0];
    let [mut greedy, mut other] = [(); 2].map(|()| Client::connect(address));
    greedy.create("/m", &vec![b'x'; 1_000_000], CreateMode::Persistent);
    greedy.send(&ClientMessage::Request { xid: 8, operation: read("/zookeeper") });
    greedy.send(&ClientMessage::Request {
        xid: 9,
        operation: Operation::MultiRead { operations: vec![read("/m"); 2_148] },
    });
    greedy.send(&ClientMessage::Request { xid: 10, operation: read("/m") });
    assert!(matches!(greedy.next(), Some(ServerMessage::Reply { xid: 8, .. })), "it was asked before");
    assert_eq!(greedy.next(), None, "and nothing is answered behind it");
    assert_eq!(
        reason(&events),
        "an answer is longer than 33554432 bytes, which is the most; ask for less at once"
    );
    assert!(other.exists("/m"));
    let mut again =
        Client::attach(address, Some((greedy.session, greedy.password))).expect("its session lives on");
    assert_eq!(again.data("/m").len(), 1_000_000);
}

/// Thirty answers of a megabyte, in one.
#[test]
fn an_answer_that_is_long_arrives() {
    let (embedded, _events) = serving(EmbeddedConfig::default());
    let mut client = Client::connect(embedded.addresses()[0]);
    client.create("/m", &vec![b'x'; 1_000_000], CreateMode::Persistent);
    let mut bytes = Vec::new();
    let operations: Vec<Operation> = vec![read("/m"); 30];
    let message = ClientMessage::Request { xid: 9, operation: Operation::MultiRead { operations } };
    zeromaster_zookeeper::wire::ClientSide::new().send(&message, &mut bytes).expect("it is short");
    std::io::Write::write_all(&mut client.stream, &bytes).expect("it takes it");
    let mut length = [0; 4];
    std::io::Read::read_exact(&mut client.stream, &mut length).expect("there is an answer");
    // A result is a header, the length, the data and a stat; in front stands the header of the answer, behind it the end.
    assert_eq!(u32::from_be_bytes(length), 16 + 30 * (9 + 4 + 1_000_000 + 68) + 9);
}

/// Each was compared with all before it: thirty thousand took half a minute, and everybody waited.
#[test]
fn many_credentials_are_answered_and_nobody_waits_for_them() {
    const MANY: i32 = 30_000;
    let (embedded, _events) = serving(EmbeddedConfig::default());
    let address = embedded.addresses()[0];
    let mut client = Client::connect(address);
    let mut sender = client.stream.try_clone().expect("it can be shared");
    let sending = std::thread::spawn(move || {
        let mut side = zeromaster_zookeeper::wire::ClientSide::new();
        let mut bytes = Vec::new();
        for number in 0..MANY {
            let credentials = Arc::from(format!("u{number}:p").into_bytes());
            let message = ClientMessage::Authenticate { xid: 100, scheme: "digest".into(), credentials };
            side.send(&message, &mut bytes).expect("it is short");
        }
        std::io::Write::write_all(&mut sender, &bytes).expect("it takes it");
    });
    let mut answered = 0;
    let mut buffer = vec![0; 1 << 16];
    // An answer is a header behind its length.
    while answered < MANY as usize * 20 {
        let read = std::io::Read::read(&mut client.stream, &mut buffer).expect("there are answers");
        assert!(read > 0, "it is closed after {answered} bytes");
        answered += read;
    }
    sending.join().expect("it has sent everything");
    match client.get(Operation::WhoAmI) {
        // And its address.
        Reply::WhoAmI { identities } => assert_eq!(identities.len(), MANY as usize + 1),
        other => panic!("no identities: {other:?}"),
    }
}
