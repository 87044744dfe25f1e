//! What clients get from one server and from an ensemble, and what its owner can do to it.

mod common;

use common::{Client, LONG, connections, serving, serving_as, within, word};
use std::net::TcpListener;
use std::time::{Duration, Instant};
use zeromaster_embedded::{Embedded, EmbeddedConfig, Release, ServerEvent, StartError};
use zeromaster_zookeeper::{
    ClientMessage, CreateMode, ErrorCode, EventKind, Operation, Reply, ServerMessage, SessionId, WatchEvent,
};

#[test]
fn what_is_written_is_read_and_watched() {
    let embedded = serving(1);
    let [mut writer, mut reader] = [(); 2].map(|()| Client::connect(embedded.addresses()[0]));
    writer.create("/a", b"one", CreateMode::Persistent);
    let reply = reader.get(Operation::GetData { path: "/a".into(), watch: true });
    let Reply::Data { data, stat } = reply else { panic!("no data: {reply:?}") };
    assert_eq!((data.as_deref(), stat.version), (Some(&b"one"[..]), 0));
    writer.get(Operation::SetData { path: "/a".into(), data: Some((*b"two").into()), version: 0 });
    let event = WatchEvent { kind: EventKind::NodeDataChanged, path: "/a".into() };
    assert!(matches!(reader.next(), Some(ServerMessage::Event { event: told, .. }) if told == event));
    assert_eq!(reader.data("/a"), b"two");
    let version = Operation::Delete { path: "/a".into(), version: 0 };
    assert_eq!(writer.ask(version), Some(Err(ErrorCode::BadVersion)));
}

#[test]
fn one_server_serves_at_once_and_three_within_seconds() {
    let begun = Instant::now();
    let embedded = Embedded::start(EmbeddedConfig::default()).expect("it can be started");
    Client::connect(embedded.addresses()[0]);
    // Milliseconds, in truth; but machines that test are busy.
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let begun = Instant::now();
    serving_as(EmbeddedConfig::ensemble(3));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn an_ensemble_goes_on_without_its_leader_and_takes_it_back() {
    let embedded = serving(3);
    let addresses = embedded.addresses().to_vec();
    let mode = |address| {
        word(address, b"srvr").lines().find_map(|line| line.strip_prefix("Mode: ").map(String::from))
    };
    let leads = |at: &usize| mode(addresses[*at]).as_deref() == Some("leader");
    let leader = (0..3).find(leads).expect("somebody leads");
    let mut client = Client::connect(addresses[leader]);
    client.create("/kept", b"x", CreateMode::Persistent);

    embedded.crash(leader as u32 + 1);
    assert_eq!(client.next(), None, "its connection breaks");
    assert!(Client::attach(addresses[leader], None).is_none(), "nobody listens there");
    let others: Vec<_> = addresses.iter().copied().filter(|each| *each != addresses[leader]).collect();
    let mut client = Client::connect_to_any(&others);
    assert_eq!(client.data("/kept"), b"x");
    client.create("/later", b"y", CreateMode::Persistent);

    embedded.restart(leader as u32 + 1).expect("its port is free");
    assert!(embedded.wait_until_serving(LONG));
    let mut client = Client::connect_to_any(&addresses[leader..=leader]);
    client.get(Operation::Sync { path: Some("/".into()) });
    assert_eq!(client.data("/later"), b"y");
    assert_eq!(mode(addresses[leader]).as_deref(), Some("follower"));
}

#[test]
fn without_a_quorum_nobody_serves() {
    let embedded = serving(3);
    embedded.crash(1);
    embedded.crash(2);
    within(LONG, || {
        word(embedded.addresses()[2], b"srvr").starts_with("This ZooKeeper instance").then_some(())
    });
    assert_eq!(word(embedded.addresses()[2], b"isro"), "null");
    assert_eq!(word(embedded.addresses()[2], b"ruok"), "imok");
    assert!(Client::attach(embedded.addresses()[2], None).is_none());
    embedded.restart(1).expect("its port is free");
    Client::connect_to_any(embedded.addresses());
}

#[test]
fn a_server_alone_keeps_its_tree_through_a_crash_and_crashing_twice_is_once() {
    let embedded = serving(1);
    Client::connect(embedded.addresses()[0]).create("/a", b"x", CreateMode::Persistent);
    for _ in 0..2 {
        embedded.crash(1);
    }
    for _ in 0..2 {
        embedded.restart(1).expect("its port is free");
    }
    assert_eq!(Client::connect(embedded.addresses()[0]).data("/a"), b"x");
}

#[test]
fn a_leader_that_stands_still_is_replaced_and_follows_when_it_goes_on() {
    let embedded = serving(3);
    let addresses = embedded.addresses();
    let leader =
        (0..3).find(|at| word(addresses[*at], b"srvr").contains("Mode: leader")).expect("somebody leads");
    let mut client = Client::connect(addresses[leader]);
    embedded.pause(leader as u32 + 1);
    client.send(&ClientMessage::Ping);
    let others: Vec<_> = addresses.iter().copied().filter(|each| *each != addresses[leader]).collect();
    let mut other = within(LONG, || {
        let mut other = Client::connect_to_any(&others);
        other.ask(Operation::WhoAmI)?.ok()?;
        word(others[0], b"srvr").contains("Mode: ").then_some(other)
    });
    within(LONG, || others.iter().any(|each| word(*each, b"srvr").contains("Mode: leader")).then_some(()));
    within(LONG, || {
        other = Client::connect_to_any(&others);
        let create = Operation::GetChildren { path: "/".into(), watch: false };
        other.ask(create)?.ok()
    });
    embedded.resume(leader as u32 + 1);
    within(LONG, || word(addresses[leader], b"srvr").contains("Mode: follower").then_some(()));
}

#[test]
fn a_session_is_resumed_and_a_wrong_password_ends_it_nowhere() {
    let embedded = serving(1);
    let address = embedded.addresses()[0];
    let mut first = Client::connect(address);
    first.create("/mine", b"", CreateMode::Ephemeral);
    let (session, password) = (first.session, first.password);
    let mut second = Client::attach(address, Some((session, password))).expect("the session lives");
    assert_eq!(first.next(), None, "its connection is closed");
    assert!(second.exists("/mine"));
    let wrong = zeromaster_zookeeper::Password([1; 16]);
    assert!(Client::attach(address, Some((session, wrong))).is_none());
    let mut third = Client::attach(address, Some((session, password))).expect("the session still lives");
    third.send(&ClientMessage::CloseSession { xid: 9 });
    assert!(matches!(third.next(), Some(ServerMessage::SessionClosed { xid: 9, .. })));
    assert_eq!(third.next(), None);
    assert!(!Client::connect(address).exists("/mine"));
}

#[test]
fn a_session_expires_in_its_time_or_when_its_owner_wants_it() {
    let (send, records) = std::sync::mpsc::channel();
    let tick = Duration::from_millis(100);
    let config = EmbeddedConfig { tick, first_session: Some(SessionId(7)), ..EmbeddedConfig::default() };
    let observer = move |server, event: &ServerEvent| drop(send.send((server, event.to_string())));
    let embedded = Embedded::start_with(config, observer).expect("it can be started");
    let address = embedded.addresses()[0];
    let mut client = Client::connect(address);
    assert_eq!((client.session, client.timeout), (SessionId(7), 20 * tick));
    client.create("/mine", b"", CreateMode::Ephemeral);
    embedded.expire_session(client.session);
    assert_eq!(client.next(), None);
    let mut other = Client::connect(address);
    assert!(!other.exists("/mine"));
    other.create("/mine", b"", CreateMode::Ephemeral);
    drop(other);
    let mut witness = Client::connect(address);
    let begun = Instant::now();
    within(LONG, || {
        // It asks often enough to stay alive itself.
        (!witness.exists("/mine")).then_some(())
    });
    assert!(begun.elapsed() > tick, "{:?}", begun.elapsed());
    let records: Vec<_> = records.try_iter().collect();
    assert!(records.contains(&(1, "session 0x7 expired".into())), "{records:?}");
    assert!(records.contains(&(1, "session 0x8 expired".into())), "{records:?}");
}

#[test]
fn releases_and_timeouts_are_as_configured() {
    let config = EmbeddedConfig {
        release: Release::V3_8_0,
        session_timeout_min: Some(Duration::from_secs(9)),
        session_timeout_max: Some(Duration::from_secs(11)),
        ..EmbeddedConfig::default()
    };
    let embedded = serving_as(config);
    let address = embedded.addresses()[0];
    assert_eq!(Client::connect(address).timeout, Duration::from_secs(11));
    assert!(word(address, b"srvr").starts_with("Zookeeper version: 3.8.0-"));
    let conf = word(address, b"conf");
    for line in [
        &format!("clientPort={}", address.port()),
        "minSessionTimeout=9000",
        "maxSessionTimeout=11000",
        "tickTime=2000",
    ] {
        assert!(conf.lines().any(|each| each == line), "{line}\n{conf}");
    }
}

#[test]
fn words_of_four_letters_are_answered() {
    let embedded = serving(1);
    let address = embedded.addresses()[0];
    let mut client = Client::connect(address);
    client.create("/mine", b"abc", CreateMode::Ephemeral);
    assert_eq!(word(address, b"ruok"), "imok");
    assert_eq!(word(address, b"ruok\n"), "imok");
    assert_eq!(word(address, b"isro"), "rw");
    assert_eq!(word(address, b"xxxx"), "");
    assert!(word(address, b"envi").contains("\nzookeeper.version=3.9.5-"));
    let srvr = word(address, b"srvr");
    for line in ["Mode: standalone", "Node count: 6", "Zxid: 0x2", "Connections: 2"] {
        assert!(srvr.lines().any(|each| each == line), "{line}\n{srvr}");
    }
    let peer = client.stream.local_addr().expect("it has one");
    assert!(word(address, b"stat").contains(&format!(" /{peer}[1](queued=0,recved=2,sent=2)\n")));
    assert!(word(address, b"cons").contains(&format!("sid={}", client.session)));
    assert!(word(address, b"dump").contains(&format!("{}:\n\t/mine\n", client.session)));
    let mntr = word(address, b"mntr");
    for line in ["zk_server_state\tstandalone", "zk_ephemerals_count\t1", "zk_global_sessions\t1"] {
        assert!(mntr.lines().any(|each| each == line), "{line}\n{mntr}");
    }
    assert_eq!(word(address, b"dirs"), "datadir_size: 0\nlogdir_size: 0\n");
    assert_eq!(word(address, b"gtmk"), "306");
    assert_eq!(word(address, b"hash"), "", "as without digests");
    within(LONG, || (connections(address) == 2).then_some(()));
}

#[test]
fn ports_are_free_when_it_has_stopped_and_taken_ones_are_named() {
    let embedded = serving(2);
    let addresses = embedded.addresses().to_vec();
    let connect_string = embedded.connect_string();
    assert_eq!(connect_string, format!("{},{}", addresses[0], addresses[1]));
    let taken = EmbeddedConfig { listen: vec![addresses[1]], ..EmbeddedConfig::default() };
    match Embedded::start(taken) {
        Err(StartError::Listen { address, .. }) => assert_eq!(address, addresses[1]),
        other => panic!("it listens where another does: {other:?}"),
    }
    let client = Client::connect_to_any(&addresses);
    embedded.stop().expect("it ends as it was told");
    drop(client);
    for address in addresses {
        TcpListener::bind(address).expect("the port is free");
    }
}

#[test]
fn a_stopper_ends_it_from_elsewhere() {
    let embedded = serving(1);
    let stopper = embedded.stopper();
    std::thread::spawn(move || stopper.stop());
    embedded.wait().expect("it ends as it was told");
}

#[test]
#[should_panic(expected = "server 4 of 3")]
fn there_is_no_server_beyond_the_last() {
    serving(3).crash(4);
}
