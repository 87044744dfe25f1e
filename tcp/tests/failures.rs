//! Servers die, hang and come back; the client keeps its session as long as they do, and says so when they do not.

mod servers;

use servers::{Client, PATIENCE, Servers, TIMEOUT, config, event, set_data, tests};
use std::net::TcpListener;
use std::time::Instant;
use zeromaster_tcp::{ClientConfig, ErrorCode, LeaseRule, Library, Notice, Operation, Reply, SessionState};
use zeromaster_zookeeper::{Create, CreateMode, EventKind};

tests! {
    3: a_session_survives_the_death_of_its_server_and_hears_of_what_it_missed;
    3: watches_of_a_megabyte_are_armed_again;
    3: a_session_that_was_away_for_too_long_is_over_and_a_new_one_follows;
    3: java_ends_with_its_session;
    3: what_was_in_flight_when_the_server_died_is_unknown_and_a_prefix_of_it_happened;
    3: a_lease_held_by_writes_does_not_run_out;
    1: a_client_whose_server_hangs_is_suspended_then_gives_up;
    1: a_server_that_comes_back_has_the_session;
}

/// A connect string that names the first server, then nobody, then the second: who loses the first finds nobody, and
/// comes to the second a second later.
fn with_nobody_between(servers: &Servers, first: usize, second: usize) -> String {
    // Nobody listens at a port that has just been given back.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let addresses = servers.addresses();
    format!("{},{nobody},{}", addresses[first], addresses[second])
}

fn a_session_survives_the_death_of_its_server_and_hears_of_what_it_missed(mut servers: Servers) {
    let [first, second] = servers.followers()[..] else { panic!("of three servers two follow") };
    let connect_string = with_nobody_between(&servers, first, second);
    let mut client = Client::start(&connect_string, config());
    let other = Client::connected(&servers.addresses()[second].to_string(), config());
    let session = client.session();
    client.create("/ephemeral", CreateMode::Ephemeral);
    for path in ["/changed", "/persistent", "/recursive"] {
        client.create(path, CreateMode::Persistent);
    }
    client.client.call(Operation::AddWatch { path: "/persistent".into(), mode: 0 }).unwrap();
    client.client.call(Operation::AddWatch { path: "/recursive".into(), mode: 1 }).unwrap();
    client.client.call(Operation::GetData { path: "/changed".into(), watch: true }).unwrap();
    client.client.call(Operation::Exists { path: "/created".into(), watch: true }).unwrap_err();
    servers.kill(first);
    other.set("/changed", b"missed");
    other.set("/persistent", b"missed");
    other.create("/created", CreateMode::Persistent);
    client.state(SessionState::Suspended);
    assert_eq!(client.reconnected(), (session, 2));
    // What a persistent watch missed nobody tells it.
    let mut missed = [client.event(), client.event()];
    missed.sort_unstable_by_key(|event| event.path.clone());
    let expected = [event(EventKind::NodeDataChanged, "/changed"), event(EventKind::NodeCreated, "/created")];
    assert_eq!(missed, expected);
    other.set("/changed", b"not watched any more");
    other.set("/persistent", b"heard");
    assert_eq!(client.event(), event(EventKind::NodeDataChanged, "/persistent"));
    other.create("/recursive/below", CreateMode::Persistent);
    assert_eq!(client.event(), event(EventKind::NodeCreated, "/recursive/below"));
    assert!(client.exists("/ephemeral"));
}

fn watches_of_a_megabyte_are_armed_again(mut servers: Servers) {
    const WATCHES: usize = 4000;
    let [first, second] = servers.followers()[..] else { panic!("of three servers two follow") };
    let connect_string = with_nobody_between(&servers, first, second);
    let mut client = Client::start(&connect_string, config());
    let other = Client::connected(&servers.addresses()[second].to_string(), config());
    client.session();
    let path = |number: usize| format!("/{number:0>300}");
    for number in 0..WATCHES {
        client.client.submit(0, Operation::Exists { path: path(number).as_str().into(), watch: true });
    }
    for _ in 0..WATCHES {
        assert_eq!(client.completed(), (0, Err(ErrorCode::NoNode)));
    }
    servers.kill(first);
    client.reconnected();
    for number in [0, WATCHES / 2, WATCHES - 1] {
        other.create(&path(number), CreateMode::Persistent);
        assert_eq!(client.event(), event(EventKind::NodeCreated, &path(number)));
    }
}

/// Kills the one server that the client knows, and starts it again when the others have expired the session.
fn away_for_too_long(servers: &mut Servers, library: Library) -> Client {
    let [first, second] = servers.followers()[..] else { panic!("of three servers two follow") };
    let only = servers.addresses()[first].to_string();
    let mut client = Client::connected(&only, ClientConfig { library, ..config() });
    let mut other = Client::connected(&servers.addresses()[second].to_string(), config());
    client.create("/ephemeral", CreateMode::Ephemeral);
    other.sync();
    other.client.call(Operation::Exists { path: "/ephemeral".into(), watch: true }).unwrap();
    let killed = Instant::now();
    servers.kill(first);
    client.state(SessionState::Suspended);
    assert_eq!(other.event(), event(EventKind::NodeDeleted, "/ephemeral"));
    assert!(killed.elapsed() > TIMEOUT / 2, "{:?}", killed.elapsed());
    servers.start(first);
    client.state(SessionState::Lost);
    client
}

fn a_session_that_was_away_for_too_long_is_over_and_a_new_one_follows(mut servers: Servers) {
    // Only a server's word ends the session.
    let library = Library { suspended_percent_max: None, ..Library::CURATOR };
    let mut client = away_for_too_long(&mut servers, library);
    client.session();
    assert!(!client.exists("/ephemeral"));
}

fn java_ends_with_its_session(mut servers: Servers) {
    let mut client = away_for_too_long(&mut servers, Library::JAVA_3_8);
    client.state(SessionState::Closed);
    assert_eq!(client.client.call(Operation::WhoAmI), Err(ErrorCode::SessionExpired));
}

fn what_was_in_flight_when_the_server_died_is_unknown_and_a_prefix_of_it_happened(mut servers: Servers) {
    const REQUESTS: u64 = 3000;
    let [first, second] = servers.followers()[..] else { panic!("of three servers two follow") };
    let connect_string = with_nobody_between(&servers, first, second);
    let mut client = Client::start(&connect_string, config());
    client.session();
    client.create("/all", CreateMode::Persistent);
    for tag in 0..REQUESTS {
        let path = format!("/all/{tag:05}");
        let create = Create::open(path.into(), (*b"").into(), CreateMode::Persistent);
        client.client.submit(tag, Operation::Create(create.into()));
    }
    let (tag, result) = client.completed();
    assert!(tag == 0 && result.is_ok(), "{result:?}");
    servers.kill(first);
    let mut known = 1;
    for expected in 1..REQUESTS {
        let (tag, result) = client.completed();
        assert_eq!(tag, expected);
        match result {
            Ok(Reply::CreatedWithStat { .. }) => {
                assert_eq!(known, tag, "a request is done behind one that is not known");
                known += 1;
            }
            other => assert_eq!(other, Err(ErrorCode::ConnectionLoss)),
        }
    }
    assert!(known < REQUESTS, "nothing was in flight");
    client.reconnected();
    // What the server has passed on may still be on its way; a write behind it in the leader's order ends that.
    client.set("/all", b"fence");
    let children = client.children("/all");
    let expected: Vec<String> = (0..children.len()).map(|tag| format!("{tag:05}")).collect();
    assert_eq!(children, expected);
    assert!(children.len() as u64 >= known, "what was done is there: {} of {known}", children.len());
}

fn a_lease_held_by_writes_does_not_run_out(servers: Servers) {
    let lease = LeaseRule::Committed;
    let mut client = Client::connected(&servers.connect_string(), ClientConfig { lease, ..config() });
    client.client.hold_lease(true);
    let started = Instant::now();
    let mut until = started;
    let mut kept = 0;
    while started.elapsed() < TIMEOUT * 2 {
        let patience = until.saturating_duration_since(Instant::now());
        let next = client.notice_within(patience.max(TIMEOUT / 8), |notice| match notice {
            Notice::Lease { until } => Some(*until),
            _ => None,
        });
        until = next
            .unwrap_or_else(|| panic!("the lease ran out after {:?}, kept {kept} times", started.elapsed()));
        kept += 1;
    }
    assert!(kept > 10, "{kept}");
    client.client.hold_lease(false);
    while client
        .notice_within(TIMEOUT / 2, |notice| matches!(notice, Notice::Lease { .. }).then_some(()))
        .is_some()
    {}
    assert!(Instant::now() > until, "the lease goes on without writes");
}

fn a_client_whose_server_hangs_is_suspended_then_gives_up(servers: Servers) {
    let mut client = Client::connected(&servers.connect_string(), config());
    client.create("/ephemeral", CreateMode::Ephemeral);
    servers.pause(0);
    let paused = Instant::now();
    client.client.submit(1, set_data("/ephemeral", b"unknown"));
    client.state(SessionState::Suspended);
    let silent = paused.elapsed();
    assert!(silent > TIMEOUT / 2 && silent < TIMEOUT, "{silent:?}");
    assert_eq!(client.completed(), (1, Err(ErrorCode::ConnectionLoss)));
    client.state(SessionState::Lost);
    let suspended = paused.elapsed() - silent;
    assert!(suspended >= TIMEOUT * 19 / 20 && suspended < TIMEOUT * 2, "{suspended:?}");
    servers.resume(0);
    client.session();
    // The new session lives beside what the old one left, until that expires.
    let deadline = Instant::now() + PATIENCE;
    while client.exists("/ephemeral") {
        assert!(Instant::now() < deadline, "the old session does not expire");
    }
}

fn a_server_that_comes_back_has_the_session(mut servers: Servers) {
    let library = Library { suspended_percent_max: None, ..Library::CURATOR };
    let timeout = TIMEOUT * 2;
    let config = ClientConfig { library, session_timeout: timeout, ..config() };
    let mut client = Client::start(&servers.connect_string(), config);
    let session = client.session();
    client.create("/ephemeral", CreateMode::Ephemeral);
    servers.kill(0);
    client.state(SessionState::Suspended);
    servers.start(0);
    assert_eq!(client.reconnected(), (session, 0));
    assert!(client.exists("/ephemeral"));
}
