//! What a client may ask for, and what it may leave lying: too much costs it its connection, and nobody else anything.

mod common;

use common::{Client, LONG, connections, serving_as, within, word};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use zeromaster_embedded::{Embedded, EmbeddedConfig, ServerEvent};
use zeromaster_zookeeper::wire::ClientSide;
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
    ClientSide::new().send(&message, &mut bytes).expect("it is short");
    client.stream.write_all(&bytes).expect("it takes it");
    let mut length = [0; 4];
    client.stream.read_exact(&mut length).expect("there is an answer");
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
        let mut side = ClientSide::new();
        let mut bytes = Vec::new();
        for number in 0..MANY {
            let credentials = Arc::from(format!("u{number}:p").into_bytes());
            let message = ClientMessage::Authenticate { xid: 100, scheme: "digest".into(), credentials };
            side.send(&message, &mut bytes).expect("it is short");
        }
        sender.write_all(&bytes).expect("it takes it");
    });
    let mut answered = 0;
    let mut buffer = vec![0; 1 << 16];
    // An answer is a header behind its length.
    while answered < MANY as usize * 20 {
        let read = client.stream.read(&mut buffer).expect("there are answers");
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

/// The request that a session is kept by lies in the socket when the session is due. The server was busy with another
/// client, and looked at its sessions before it looked at its sockets.
#[test]
fn what_has_arrived_is_read_before_a_session_expires() {
    let (blocked, is_blocked) = channel();
    let (release, released) = channel::<()>();
    let observer = move |_, event: &ServerEvent| {
        if event.to_string().starts_with("session 0x2 opened") {
            blocked.send(()).expect("the test waits for it");
            released.recv().expect("the test goes on");
        }
    };
    let config = EmbeddedConfig {
        tick: Duration::from_millis(50),
        first_session: Some(zeromaster_zookeeper::SessionId(1)),
        ..EmbeddedConfig::default()
    };
    let embedded = Embedded::start_with(config, observer).expect("it can be started");
    let address = embedded.addresses()[0];
    let mut client = Client::connect(address);
    assert_eq!(client.timeout, Duration::from_secs(1));
    let other = std::thread::spawn(move || Client::connect(address));
    is_blocked.recv_timeout(LONG).expect("the other one has a session");
    client.send(&ClientMessage::Request { xid: 1, operation: read("/zookeeper") });
    // Its timeout, and the bucket.
    std::thread::sleep(Duration::from_millis(1_100));
    release.send(()).expect("it waits");
    assert!(matches!(client.next(), Some(ServerMessage::Reply { xid: 1, .. })), "its session has expired");
    other.join().expect("it has connected");
}

/// Makes this many children with few requests.
fn fill(client: &mut Client, path: &str, children: usize) {
    client.create(path, b"", CreateMode::Persistent);
    for first in (0..children).step_by(1_000) {
        let create = |number: usize| {
            let path = format!("{path}/{number:06}").as_str().into();
            let create = zeromaster_zookeeper::Create::open(path, Arc::from(*b""), CreateMode::Persistent);
            Operation::Create(create.into())
        };
        client.get(Operation::Multi { operations: (first..first + 1_000).map(create).collect() });
    }
}

/// All of them arrive at once, and each takes about a millisecond. They were answered in one go, and everybody waited.
#[test]
fn a_client_does_not_wait_until_another_has_got_all_its_answers() {
    const ASKED: usize = 2_000;
    let embedded = serving_as(EmbeddedConfig::default());
    let address = embedded.addresses()[0];
    let [mut greedy, mut other] = [(); 2].map(|()| Client::connect(address));
    fill(&mut greedy, "/h", 20_000);
    let mut bytes = Vec::new();
    let mut side = ClientSide::new();
    for xid in 0..ASKED as i32 {
        let operation = Operation::GetAllChildrenNumber { path: "/h".into() };
        side.send(&ClientMessage::Request { xid, operation }, &mut bytes).expect("it is short");
    }
    assert!(bytes.len() < 1 << 16, "the server reads them at once");
    // On a machine that gives this thread no time for seconds, all would be answered before the other one asks.
    within(3 * LONG, || {
        greedy.stream.write_all(&bytes).expect("it takes it");
        assert!(other.exists("/h"));
        let mut answers = vec![0; ASKED * 24];
        greedy.stream.set_nonblocking(true).expect("it can be set");
        let before = greedy.stream.read(&mut answers).unwrap_or(0);
        greedy.stream.set_nonblocking(false).expect("it can be set");
        greedy.stream.read_exact(&mut answers[before..]).expect("all are answered");
        (before < answers.len()).then_some(())
    });
}

/// A leader that stands still, a follower's address, and two clients there.
fn without_leader() -> (Embedded, u32, SocketAddr, Client, Client) {
    // Its followers are patient enough not to give it up while the test lasts.
    let embedded =
        serving_as(EmbeddedConfig { tick: Duration::from_secs(60), ..EmbeddedConfig::ensemble(3) });
    let leads = |at: &usize| word(embedded.addresses()[*at], b"srvr").contains("Mode: leader");
    let leader = (0..3).find(leads).expect("somebody leads");
    let follower = embedded.addresses()[(leader + 1) % 3];
    let [client, other] = [(); 2].map(|()| Client::connect(follower));
    embedded.pause(leader as u32 + 1);
    (embedded, leader as u32 + 1, follower, client, other)
}

fn write_of(bytes: usize) -> Operation {
    Operation::SetData { path: "/".into(), data: Some(vec![7; bytes].into()), version: -1 }
}

/// As a real server does (`globalOutstandingLimit`). Here any number was kept for the leader.
#[test]
fn a_server_reads_no_more_than_a_thousand_requests_ahead_of_its_leader() {
    let (embedded, leader, follower, mut client, mut other) = without_leader();
    const ASKED: i32 = 3_000;
    for xid in 1..=ASKED {
        client.send(&ClientMessage::Request { xid, operation: write_of(10) });
    }
    let outstanding = || {
        let srvr = word(follower, b"srvr");
        srvr.lines().find_map(|line| line.strip_prefix("Outstanding: ")?.parse().ok()).unwrap_or(0)
    };
    within(LONG, || (outstanding() == 1_000).then_some(()));
    assert!(other.exists("/"), "others are served");
    embedded.resume(leader);
    for expected in 1..=ASKED {
        let reply = client.next();
        assert!(
            matches!(reply, Some(ServerMessage::Reply { xid, result: Ok(_), .. }) if xid == expected),
            "{reply:?}"
        );
    }
    within(LONG, || (outstanding() == 0).then_some(()));
}

#[test]
fn a_server_reads_no_more_than_some_megabytes_ahead_of_its_leader() {
    let (_embedded, _, follower, mut client, mut bystander) = without_leader();
    client.stream.set_write_timeout(Some(Duration::from_secs(2))).expect("it can be set");
    let mut written = 0;
    for xid in 1..=900 {
        let mut message = Vec::new();
        let request = ClientMessage::Request { xid, operation: write_of(500_000) };
        ClientSide::new().send(&request, &mut message).expect("it is short");
        match client.stream.write(&message) {
            Ok(bytes) => written += bytes,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Err(error) => panic!("it is closed: {error}"),
        }
    }
    // What the server reads, and what the system keeps for it.
    assert!(written < 100 << 20, "{written} bytes were taken");
    assert!(bystander.exists("/"));
    assert!(word(follower, b"srvr").contains("Mode: follower"));
}

/// Any path can be watched, whether there is such a node or not.
#[test]
fn watches_do_not_use_up_the_memory() {
    let (embedded, events) = serving(EmbeddedConfig::default());
    let address = embedded.addresses()[0];
    let [mut watcher, mut bystander] = [(); 2].map(|()| Client::connect(address));
    bystander.get(Operation::GetData { path: "/zookeeper".into(), watch: true });
    let long = "x".repeat(1_000_000);
    let mut added = 0;
    while watcher
        .ask(Operation::AddWatch { path: format!("/{added}{long}").as_str().into(), mode: 0 })
        .is_some()
    {
        added += 1;
        assert!(added < 200, "{added} megabytes are watched");
    }
    let reason = reason(&events);
    assert!(
        reason.starts_with("its watches take 13") && reason.contains("all watches may take 134217728"),
        "{reason}"
    );
    assert_eq!(word(address, b"wchs"), "1 connections watching 1 paths\nTotal watches:1\n");
}

/// Each sends all but the last byte of a long request.
#[test]
fn many_requests_that_are_never_complete_do_not_use_up_the_memory() {
    const MANY: usize = 200;
    let (embedded, events) = serving(EmbeddedConfig::default());
    let address = embedded.addresses()[0];
    let mut bystander = Client::connect(address);
    let begun = Instant::now();
    let mut hoarders: Vec<TcpStream> = Vec::new();
    for _ in 0..MANY {
        let mut client = Client::connect(address);
        // One of these may be the one to be closed.
        client.stream.write_all(&0xf_ffff_u32.to_be_bytes()).ok();
        client.stream.write_all(&vec![0; 0xf_fffe]).ok();
        hoarders.push(client.stream);
    }
    let reason = reason(&events);
    assert!(
        reason.starts_with("it holds 1048") && reason.contains("all connections may hold 134217728"),
        "{reason}"
    );
    within(LONG, || (connections(address) < 140).then_some(()));
    bystander.create("/a", &vec![1; 1_000_000], CreateMode::Persistent);
    assert_eq!(bystander.data("/a").len(), 1_000_000, "after {:?}", begun.elapsed());
    drop(hoarders);
    within(LONG, || (connections(address) == 2).then_some(()));
}
