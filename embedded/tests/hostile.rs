//! Clients that do not behave: the others do not notice.

mod common;

use common::{Client, LONG, connections, serving_as, within};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use zeromaster_embedded::EmbeddedConfig;
use zeromaster_zookeeper::wire::ClientSide;
use zeromaster_zookeeper::{ClientMessage, CreateMode, ErrorCode, Operation, Reply, ServerMessage, Zxid};

/// A handshake for a new session.
fn handshake() -> Vec<u8> {
    let timeout = Duration::from_secs(4);
    let mut bytes = Vec::new();
    ClientSide::new()
        .send(&ClientMessage::Connect { session: None, timeout, last_zxid_seen: Zxid(0) }, &mut bytes)
        .expect("a handshake is short");
    bytes
}

fn framed(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("it is short");
    [&length.to_be_bytes(), body].concat()
}

/// Sends bytes; whether the server then closes.
fn is_closed_after(address: SocketAddr, bytes: &[u8]) -> bool {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(LONG)).expect("it can be set");
    stream.write_all(bytes).ok();
    match stream.read_to_end(&mut Vec::new()) {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn nonsense_closes_the_connection_it_came_on() {
    let embedded = serving_as(EmbeddedConfig::default());
    let address = embedded.addresses()[0];
    let mut bystander = Client::connect(address);
    for nonsense in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\xff\xff\xff\xff",
        b"\x00\x10\x00\x00",
        b"\x00\x00\x00\x00",
        &framed(b"\x00\x00\x00\x01\x00\x00\x00\x0b"),
        &[handshake(), framed(b"abc")].concat(),
        &[handshake(), b"ruok".to_vec()].concat(),
        &[handshake(), framed(b"\x00\x00\x00\x01\x00\x00\x00\x64")].concat(),
    ] {
        assert!(is_closed_after(address, nonsense), "{nonsense:?}");
    }
    bystander.create("/still-here", b"", CreateMode::Persistent);
    within(LONG, || (connections(address) == 2).then_some(()));
}

#[test]
fn a_storm_of_random_bytes_harms_nobody() {
    let embedded = serving_as(EmbeddedConfig::default());
    let address = embedded.addresses()[0];
    let mut bystander = Client::connect(address);
    let storms: Vec<_> = (1..=4u64).map(|seed| std::thread::spawn(move || storm(address, seed))).collect();
    for number in 0..200 {
        bystander.create(&format!("/{number}"), b"x", CreateMode::Persistent);
    }
    for each in storms {
        each.join().expect("a storm passes");
    }
    assert!(bystander.exists("/199"));
    within(LONG, || (connections(address) == 2).then_some(()));
}

/// Five hundred connections of random bytes, half of them behind a handshake, and half of those in frames.
fn storm(address: SocketAddr, seed: u64) {
    let mut state = seed;
    let mut draw = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..500 {
        let mut bytes = if draw() % 2 == 0 { handshake() } else { Vec::new() };
        let in_frames = draw() % 2 == 0;
        for _ in 0..draw() % 8 {
            let length = draw() % 64;
            let mut piece: Vec<u8> = (0..length).map(|_| (draw() % 256) as u8).collect();
            if in_frames {
                // Requests that have a number, and some sense at times.
                let number = (draw() % 24) as u32;
                piece = framed(&[&7u32.to_be_bytes(), &number.to_be_bytes()[..], &piece].concat());
            }
            bytes.extend(piece);
        }
        let Ok(mut stream) = TcpStream::connect(address) else { continue };
        stream.write_all(&bytes).ok();
        if draw() % 2 == 0 {
            stream.shutdown(Shutdown::Write).ok();
        }
    }
}

#[test]
fn who_shows_no_handshake_is_closed_and_who_has_one_is_not() {
    let config =
        EmbeddedConfig { sessionless_timeout: Duration::from_millis(300), ..EmbeddedConfig::default() };
    let embedded = serving_as(config);
    let address = embedded.addresses()[0];
    let mut attached = Client::connect(address);
    let begun = Instant::now();
    let mut silent: Vec<_> = (0..20).map(|_| TcpStream::connect(address).expect("it listens")).collect();
    for (at, stream) in silent.iter_mut().enumerate() {
        // Some have begun to say something.
        stream.write_all(&handshake()[..at]).expect("it takes it");
    }
    for mut stream in silent {
        stream.set_read_timeout(Some(LONG)).expect("it can be set");
        assert_eq!(stream.read(&mut [0]).ok(), Some(0), "it is closed");
    }
    assert!(begun.elapsed() >= Duration::from_millis(300));
    attached.create("/a", b"", CreateMode::Persistent);
}

#[test]
fn who_does_not_read_is_not_read_and_gets_everything_when_it_reads() {
    let embedded = serving_as(EmbeddedConfig::default());
    let address = embedded.addresses()[0];
    let mut bystander = Client::connect(address);
    bystander.create("/large", &[7; 500_000], CreateMode::Persistent);
    let mut lazy = Client::connect(address);
    const ASKED: i32 = 200;
    for xid in 1..=ASKED {
        let operation = Operation::GetData { path: "/large".into(), watch: false };
        lazy.send(&ClientMessage::Request { xid, operation });
    }
    for number in 0..50 {
        bystander.create(&format!("/{number}"), b"x", CreateMode::Persistent);
    }
    for expected in 1..=ASKED {
        match lazy.next() {
            Some(ServerMessage::Reply { xid, result: Ok(Reply::Data { data: Some(data), .. }), .. }) => {
                assert_eq!((xid, data.len()), (expected, 500_000));
            }
            other => panic!("no data: {other:?}"),
        }
    }
}

#[test]
fn who_lets_watches_pile_up_is_closed() {
    let embedded = serving_as(EmbeddedConfig::default());
    let address = embedded.addresses()[0];
    let mut deaf = Client::connect(address);
    assert_eq!(deaf.get(Operation::AddWatch { path: "/".into(), mode: 1 }), Reply::WatchAdded);
    let mut writer = Client::connect(address);
    // Each event has a path of almost 60 kB, and the connection is given up at 32 MiB and what the system takes.
    let name = format!("/{}", "x".repeat(60_000));
    let mut written = 0;
    within(3 * LONG, || {
        for mode in [true, false] {
            match mode {
                true => writer.create(&name, b"", CreateMode::Persistent),
                false => {
                    writer.get(Operation::Delete { path: name.as_str().into(), version: -1 });
                }
            }
        }
        written += 2 * name.len();
        (connections(address) == 2).then_some(())
    });
    assert!(written > 32 << 20, "{written}");
}

#[test]
fn many_idle_connections_are_kept_and_forgotten() {
    let embedded = serving_as(EmbeddedConfig::default());
    let address = embedded.addresses()[0];
    // Both ends are in this process, which may be allowed a thousand files.
    let mut idle: Vec<_> = (0..400).map(|_| Client::connect(address)).collect();
    assert_eq!(connections(address), 401);
    for client in &mut idle {
        assert!(client.exists("/"));
    }
    drop(idle);
    within(LONG, || (connections(address) == 1).then_some(()));
}

#[test]
fn a_refusal_arrives_although_more_was_sent_than_is_read() {
    let embedded = serving_as(EmbeddedConfig::default());
    let mut client = Client::connect(embedded.addresses()[0]);
    let credentials = std::sync::Arc::from(*b"x");
    client.send(&ClientMessage::Authenticate { xid: -4, scheme: "nobody".into(), credentials });
    for xid in 1..=2000 {
        client.send(&ClientMessage::Request { xid, operation: Operation::WhoAmI });
    }
    match client.next() {
        Some(ServerMessage::Reply { xid: -4, result: Err(ErrorCode::AuthFailed), .. }) => {}
        other => panic!("no refusal: {other:?}"),
    }
}

#[test]
fn a_request_may_be_as_long_as_jute_maxbuffer_and_no_longer() {
    let embedded = serving_as(EmbeddedConfig::default());
    let address = embedded.addresses()[0];
    let mut client = Client::connect(address);
    client.create("/a", b"", CreateMode::Persistent);
    // The header, the path, the length and the version are 8 + 6 + 4 + 4 bytes.
    let room = 0xf_ffff - 22;
    let set = |length: usize| Operation::SetData {
        path: "/a".into(),
        data: Some(vec![1; length].into()),
        version: -1,
    };
    assert!(matches!(client.ask(set(room)), Some(Ok(Reply::DataSet { .. }))));
    assert_eq!(client.ask(set(room + 1)), None);
    let mut client = Client::connect(address);
    let Reply::Exists { stat } = client.get(Operation::Exists { path: "/a".into(), watch: false }) else {
        panic!("no stat");
    };
    assert_eq!(stat.data_length, room as i32);
}
