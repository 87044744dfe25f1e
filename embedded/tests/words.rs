//! What administrators and exporters read: four-letter words and the list of members say what is so.

mod common;

use common::{Client, LONG, serving, within, word};
use std::net::SocketAddr;
use std::time::Duration;
use zeromaster_embedded::Embedded;
use zeromaster_zookeeper::{ClientMessage, CreateMode, Operation, Reply, ServerMessage};

/// The value of a figure in `mntr`.
#[track_caller]
fn figure(address: SocketAddr, name: &str) -> String {
    let text = word(address, b"mntr");
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('\t'));
    value.unwrap_or_else(|| panic!("no {name} in {text}")).to_owned()
}

/// What stands behind a name in `srvr`.
#[track_caller]
fn line(address: SocketAddr, name: &str) -> String {
    let text = word(address, b"srvr");
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    value.unwrap_or_else(|| panic!("no {name} in {text}")).to_owned()
}

/// The leader's number, and that of a follower.
fn cast(embedded: &Embedded) -> (u32, u32) {
    let leads = |at: &usize| line(embedded.addresses()[*at], "Mode") == "leader";
    let leader = (0..3).find(leads).expect("somebody leads");
    (leader as u32 + 1, (leader as u32 + 1) % 3 + 1)
}

fn address(embedded: &Embedded, server: u32) -> SocketAddr {
    embedded.addresses()[server as usize - 1]
}

/// As a real 3.8.0 answers after the same requests: only watches of data are listed, all are counted.
#[test]
fn watches_are_listed_and_counted() {
    let embedded = serving(1);
    let at = embedded.addresses()[0];
    let [mut first, mut second] = [(); 2].map(|()| Client::connect(at));
    for path in ["/w1", "/w2"] {
        first.create(path, b"", CreateMode::Persistent);
        first.get(Operation::GetData { path: path.into(), watch: true });
    }
    first.get(Operation::GetChildren { path: "/w1".into(), watch: true });
    second.get(Operation::GetData { path: "/w1".into(), watch: true });
    assert_eq!(word(at, b"wchs"), "2 connections watching 2 paths\nTotal watches:3\n");
    assert_eq!(figure(at, "zk_watch_count"), "4");
    let (one, two) = (first.session, second.session);
    assert_eq!(word(at, b"wchc"), format!("{one}\n\t/w1\n\t/w2\n{two}\n\t/w1\n\n"));
    assert_eq!(word(at, b"wchp"), format!("/w1\n\t{one}\n\t{two}\n/w2\n\t{one}\n\n"));
    first.get(Operation::SetData { path: "/w1".into(), data: None, version: -1 });
    assert_eq!(word(at, b"wchs"), "1 connections watching 1 paths\nTotal watches:1\n");
    drop(first);
    within(LONG, || (word(at, b"wchs") == "0 connections watching 0 paths\nTotal watches:0\n").then_some(()));
}

#[test]
fn an_ensemble_lists_its_members_and_one_server_none() {
    let embedded = serving(3);
    let members: Vec<String> = embedded
        .addresses()
        .iter()
        .zip(1..)
        .map(|(address, number)| format!("server.{number}=127.0.0.1:2888:3888:participant;{address}"))
        .collect();
    for at in embedded.addresses() {
        let config = String::from_utf8(Client::connect(*at).data("/zookeeper/config")).expect("it is text");
        assert_eq!(config, format!("{}\nversion=0", members.join("\n")));
        let conf = word(*at, b"conf");
        assert!(conf.contains(&format!("membership: \n{}\nversion=0", members.join("\n"))), "{conf}");
    }
    let alone = serving(1);
    assert_eq!(Client::connect(alone.addresses()[0]).data("/zookeeper/config"), b"");
}

#[test]
fn a_fresh_leader_names_the_beginning_of_its_epoch_and_its_followers() {
    let embedded = serving(3);
    let (leader, follower) = cast(&embedded);
    let at = address(&embedded, leader);
    assert_eq!(line(at, "Zxid"), "0x100000000");
    assert!(word(at, b"stat").contains("\nZxid: 0x100000000\n"));
    within(LONG, || (figure(at, "zk_synced_followers") == "2").then_some(()));
    assert_eq!(figure(at, "zk_quorum_size"), "3");
    let of_follower = word(address(&embedded, follower), b"mntr");
    assert!(!of_follower.contains("zk_synced_followers"), "{of_follower}");
    embedded.crash(follower);
    within(LONG, || (figure(at, "zk_synced_followers") == "1").then_some(()));
}

/// A write that waits for a leader that stands still.
#[test]
fn latency_is_measured_and_counted_anew_when_asked() {
    let embedded = serving(3);
    let (leader, follower) = cast(&embedded);
    let at = address(&embedded, follower);
    let mut client = Client::connect(at);
    embedded.pause(leader);
    let operation = Operation::SetData { path: "/".into(), data: None, version: -1 };
    client.send(&ClientMessage::Request { xid: 1, operation });
    within(LONG, || (line(at, "Outstanding") == "1").then_some(()));
    assert_eq!(figure(at, "zk_outstanding_requests"), "1");
    std::thread::sleep(Duration::from_millis(30));
    embedded.resume(leader);
    assert!(matches!(
        client.next(),
        Some(ServerMessage::Reply { xid: 1, result: Ok(Reply::DataSet { .. }), .. })
    ));
    assert_eq!(line(at, "Outstanding"), "0");
    let max: u64 = figure(at, "zk_max_latency").parse().expect("a number");
    let average: f64 = figure(at, "zk_avg_latency").parse().expect("a number");
    assert!(max >= 30 && average > 0.0, "{max} {average}");
    assert_eq!(line(at, "Latency min/avg/max").split('/').next_back(), Some(&*max.to_string()));

    assert_eq!(word(at, b"srst"), "Server stats reset.\n");
    assert_eq!(line(at, "Latency min/avg/max"), "0/0.0/0");
    assert_eq!(line(at, "Received"), "2", "the word before, and this one");
    let recved = |text: &str| text.contains("recved=0,sent=0,sid=");
    assert!(!recved(&word(at, b"cons")));
    assert_eq!(word(at, b"crst"), "Connection stats reset.\n");
    assert!(recved(&word(at, b"cons")));
}
