//! A client of one server: what it asks for it gets, and what it watches it hears.

mod servers;

use servers::{Client, PATIENCE, Servers, TIMEOUT, config, event, set_data, tests};
use std::net::TcpListener;
use std::thread::sleep;
use std::time::Duration;
use zeromaster_conformance::raw::{Connection, Handshake};
use zeromaster_tcp::{
    ClientConfig, Credentials, ErrorCode, Library, Notice, Operation, Reply, SessionState, TcpClient,
};
use zeromaster_zookeeper::acl::{ALL, Acl, Identity};
use zeromaster_zookeeper::{ANY_VERSION, Create, CreateMode, EventKind, Password, SessionId};

tests! {
    1: what_is_written_is_read;
    1: a_multi_happens_as_a_whole_or_not_at_all;
    1: a_watch_goes_off_before_the_reply_that_shows_the_change;
    1: thousands_of_requests_are_answered_in_the_order_of_asking;
    1: data_of_nearly_a_megabyte_goes_both_ways_and_more_costs_the_connection;
    1: a_clean_close_deletes_ephemeral_nodes_at_once;
    1: a_client_that_is_dropped_leaves_its_session_to_expire;
    1: a_session_is_resumed_with_its_password_and_lost_with_another;
    1: credentials_open_what_is_closed_to_others;
    1: a_scheme_that_the_server_does_not_know_ends_the_client;
    1: an_idle_client_stays_connected;
    1: every_operation_is_understood;
    without: a_client_without_a_server_says_why_and_goes_on_trying;
    without: a_server_that_talks_nonsense_is_left;
    without: a_server_that_says_nothing_is_given_up_in_time;
    without: a_connect_string_must_name_a_server;
}

fn what_is_written_is_read(servers: Servers) {
    let client = Client::connected(&servers.connect_string(), config());
    assert_eq!(client.create("/a", CreateMode::Persistent), "/a");
    assert_eq!(client.create("/a/s-", CreateMode::PersistentSequential), "/a/s-0000000000");
    client.set("/a", b"second");
    let read = client.client.call(Operation::GetData { path: "/a".into(), watch: false });
    let Ok(Reply::Data { data, stat }) = read else { panic!("{read:?}") };
    assert_eq!((data.as_deref(), stat.version, stat.num_children), (Some(b"second".as_slice()), 1, 1));
    assert_eq!(client.children("/a"), ["s-0000000000"]);
    let again = Create::open("/a".into(), (*b"").into(), CreateMode::Persistent);
    assert_eq!(client.client.call(Operation::Create(again.into())), Err(ErrorCode::NodeExists));
    let delete = |version| Operation::Delete { path: "/a".into(), version };
    assert_eq!(client.client.call(delete(7)), Err(ErrorCode::BadVersion));
    assert_eq!(client.client.call(delete(ANY_VERSION)), Err(ErrorCode::NotEmpty));
    assert!(!client.exists("/b"));
    client.client.close();
}

fn a_multi_happens_as_a_whole_or_not_at_all(servers: Servers) {
    let client = Client::connected(&servers.connect_string(), config());
    client.create("/a", CreateMode::Persistent);
    let create = |path: &str| {
        Operation::Create(Create::open(path.into(), (*b"").into(), CreateMode::Persistent).into())
    };
    let check = |version| Operation::Check { path: "/a".into(), version };
    let multi = |operations| client.client.call(Operation::Multi { operations });
    let failed = multi(vec![create("/b"), check(7), set_data("/a", b"x")]);
    let Ok(Reply::Multi { results }) = failed else { panic!("{failed:?}") };
    let codes = [ErrorCode::Ok, ErrorCode::BadVersion, ErrorCode::RuntimeInconsistency];
    assert_eq!(results, codes.map(Err));
    assert!(!client.exists("/b"));
    let done = multi(vec![create("/b"), check(0), set_data("/a", b"x")]);
    let Ok(Reply::Multi { results }) = done else { panic!("{done:?}") };
    assert!(results.len() == 3 && results.iter().all(Result::is_ok), "{results:?}");
    assert!(client.exists("/b"));
    assert!(matches!(multi(vec![]), Ok(Reply::Multi { results }) if results.is_empty()));
}

fn a_watch_goes_off_before_the_reply_that_shows_the_change(servers: Servers) {
    let mut client = Client::connected(&servers.connect_string(), config());
    let path = || "/a".into();
    let created = Create::open(path(), (*b"").into(), CreateMode::Persistent);
    let add_watch = |mode| Operation::AddWatch { path: path(), mode };
    for (tag, operation) in [
        Operation::Exists { path: path(), watch: true },
        Operation::Create(created.into()),
        set_data("/a", b"not watched any more"),
        Operation::GetData { path: path(), watch: true },
        set_data("/a", b"watched"),
        add_watch(0),
        set_data("/a", b"watched"),
        Operation::RemoveWatches { path: Some(path()), kind: 3 },
        add_watch(1),
        Operation::Create(Create::open("/a/b".into(), (*b"").into(), CreateMode::Persistent).into()),
        Operation::Delete { path: "/a/b".into(), version: ANY_VERSION },
    ]
    .into_iter()
    .enumerate()
    {
        client.client.submit(tag as u64, operation);
    }
    let last = client.await_notice(|notice| match notice {
        Notice::Completed { tag: 10, result } => Some(result.is_ok()),
        _ => None,
    });
    assert!(last);
    let short = |notice: &Notice| match notice {
        Notice::Completed { tag, .. } => tag.to_string(),
        Notice::Event(event) => format!("{:?} {}", event.kind, event.path),
        other => panic!("{other:?}"),
    };
    let heard: Vec<String> = client.since().iter().map(short).collect();
    let expected = [
        "0",
        "NodeCreated /a",
        "1",
        "2",
        "3",
        "NodeDataChanged /a",
        "4",
        "5",
        "NodeDataChanged /a",
        "6",
        "7",
        "8",
        "NodeCreated /a/b",
        "9",
        "NodeDeleted /a/b",
    ];
    assert_eq!(heard, expected);
}

fn thousands_of_requests_are_answered_in_the_order_of_asking(servers: Servers) {
    const REQUESTS: u64 = 5000;
    let mut client = Client::connected(&servers.connect_string(), config());
    client.create("/a", CreateMode::Persistent);
    for tag in 0..REQUESTS {
        client.client.submit(tag, set_data("/a", &tag.to_be_bytes()));
    }
    for expected in 0..REQUESTS {
        let (tag, result) = client.completed();
        let Ok(Reply::DataSet { stat }) = result else { panic!("{tag}: {result:?}") };
        assert_eq!((tag, stat.version as u64), (expected, expected + 1));
    }
}

fn data_of_nearly_a_megabyte_goes_both_ways_and_more_costs_the_connection(servers: Servers) {
    let mut client = Client::connected(&servers.connect_string(), config());
    client.create("/a", CreateMode::Persistent);
    let large: Vec<u8> = (0..1_000_000u32).map(|number| number as u8).collect();
    client.set("/a", &large);
    let read = client.client.call(Operation::GetData { path: "/a".into(), watch: false });
    assert!(matches!(read, Ok(Reply::Data { data: Some(data), .. }) if data[..] == large[..]));
    let too_large = vec![0; 1 << 20];
    assert_eq!(client.client.call(set_data("/a", &too_large)), Err(ErrorCode::ConnectionLoss));
    client.state(SessionState::Suspended);
    client.reconnected();
    client.set("/a", b"small");
}

fn a_clean_close_deletes_ephemeral_nodes_at_once(servers: Servers) {
    let client = Client::connected(&servers.connect_string(), config());
    let mut other = Client::connected(&servers.connect_string(), config());
    client.create("/a", CreateMode::Ephemeral);
    other.client.call(Operation::Exists { path: "/a".into(), watch: true }).unwrap();
    client.client.close();
    let soon = other.notice_within(TIMEOUT / 4, |notice| match notice {
        Notice::Event(event) => Some(event.clone()),
        _ => None,
    });
    assert_eq!(soon, Some(event(EventKind::NodeDeleted, "/a")));
}

fn a_client_that_is_dropped_leaves_its_session_to_expire(servers: Servers) {
    let client = Client::connected(&servers.connect_string(), config());
    let mut other = Client::connected(&servers.connect_string(), config());
    client.create("/a", CreateMode::Ephemeral);
    other.client.call(Operation::Exists { path: "/a".into(), watch: true }).unwrap();
    drop(client);
    sleep(TIMEOUT / 2);
    assert_eq!(other.since(), []);
    assert_eq!(other.event(), event(EventKind::NodeDeleted, "/a"));
}

fn a_session_is_resumed_with_its_password_and_lost_with_another(servers: Servers) {
    // The password is not told to a client's owner; a connection by hand shows it.
    let handshake = Handshake::new_session(2000);
    let (connection, held) = Connection::connect(servers.addresses()[0], &handshake, PATIENCE).unwrap();
    drop(connection);
    let session = SessionId(held.session_id.cast_unsigned());
    let password: [u8; 16] = held.password.as_slice().try_into().unwrap();
    let resumes = |password| ClientConfig { resumes: Some((session, Password(password))), ..config() };
    let mut client = Client::start(&servers.connect_string(), resumes(password));
    assert_eq!(client.session(), session);
    drop(client);
    let mut wrong = password;
    wrong[3] ^= 1;
    let mut client = Client::start(&servers.connect_string(), resumes(wrong));
    client.state(SessionState::Lost);
    assert_ne!(client.session(), session);
    let java = ClientConfig { library: Library::JAVA_3_8, ..resumes(wrong) };
    let mut client = Client::start(&servers.connect_string(), java);
    client.state(SessionState::Lost);
    client.state(SessionState::Closed);
    assert_eq!(client.client.call(Operation::WhoAmI), Err(ErrorCode::SessionExpired));
}

fn with_credentials(scheme: &str, credentials: &[u8]) -> ClientConfig {
    let credentials = vec![Credentials { scheme: scheme.into(), credentials: credentials.into() }];
    ClientConfig { credentials, ..config() }
}

fn credentials_open_what_is_closed_to_others(servers: Servers) {
    let mut owner = Client::connected(&servers.connect_string(), with_credentials("digest", b"bob:secret"));
    let own = Acl { permissions: ALL, identity: Identity { scheme: "auth".into(), id: String::new() } };
    let create = Create::open("/a".into(), (*b"").into(), CreateMode::Persistent);
    owner.client.call(Operation::Create(Box::new(Create { acl: Some(vec![own]), ..create }))).unwrap();
    let read = || Operation::GetData { path: "/a".into(), watch: false };
    for wrong in [config(), with_credentials("digest", b"bob:guessed")] {
        let stranger = Client::connected(&servers.connect_string(), wrong);
        assert_eq!(stranger.client.call(read()), Err(ErrorCode::NoAuth));
    }
    // They are shown again on the next connection.
    let too_large = set_data("/a", &vec![0; 1 << 20]);
    assert_eq!(owner.client.call(too_large), Err(ErrorCode::ConnectionLoss));
    owner.reconnected();
    assert!(owner.client.call(read()).is_ok());
}

fn a_scheme_that_the_server_does_not_know_ends_the_client(servers: Servers) {
    let mut client = Client::start(&servers.connect_string(), with_credentials("nonsense", b"x"));
    client.session();
    client.state(SessionState::AuthFailed);
    assert_eq!(client.client.call(Operation::WhoAmI), Err(ErrorCode::AuthFailed));
    client.client.close();
}

fn an_idle_client_stays_connected(servers: Servers) {
    let mut client = Client::connected(&servers.connect_string(), config());
    client.create("/a", CreateMode::Ephemeral);
    client.since();
    sleep(TIMEOUT * 2);
    assert_eq!(client.since(), []);
    assert!(client.exists("/a"));
}

fn every_operation_is_understood(servers: Servers) {
    let client = Client::connected(&servers.connect_string(), config());
    client.create("/a", CreateMode::Persistent);
    client.create("/a/e", CreateMode::Ephemeral);
    client.create("/c", CreateMode::Container);
    let path = || "/a".into();
    let kinds = |operation| format!("{:?}", client.client.call(operation));
    let starts = |operation, with: &str| {
        let result = kinds(operation);
        assert!(result.starts_with(with), "{result} instead of {with}");
    };
    starts(Operation::GetAcl { path: path() }, "Ok(Acl {");
    starts(Operation::SetAcl { path: path(), acl: Some(Acl::open()), version: 0 }, "Ok(AclSet {");
    starts(Operation::GetChildren2 { path: path(), watch: true }, "Ok(ChildrenWithStat {");
    starts(Operation::CheckWatches { path: Some(path()), kind: 1 }, "Ok(WatchesChecked");
    starts(Operation::RemoveWatches { path: Some(path()), kind: 1 }, "Ok(WatchesRemoved");
    starts(Operation::CheckWatches { path: Some(path()), kind: 1 }, "Err(NoWatcher");
    starts(Operation::GetEphemerals { prefix: "/".into() }, "Ok(Ephemerals { paths: [\"/a/e\"] })");
    starts(Operation::GetAllChildrenNumber { path: path() }, "Ok(AllChildrenNumber { number: 1 })");
    starts(Operation::WhoAmI, "Ok(WhoAmI {");
    let read = Operation::GetData { path: "/no".into(), watch: false };
    let read_children = Operation::GetChildren { path: path(), watch: false };
    let reads = Operation::MultiRead { operations: vec![read, read_children] };
    starts(reads, "Ok(Multi { results: [Err(NoNode), Ok(Children { children: [\"e\"] })] })");
}

fn a_client_without_a_server_says_why_and_goes_on_trying() {
    // Nobody listens at a port that has just been given back.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut client = Client::start(&address, config());
    for _ in 0..2 {
        let trouble = client.await_notice(|notice| match notice {
            Notice::Trouble(trouble) => Some(trouble.to_string()),
            _ => None,
        });
        assert!(trouble.starts_with(&address) && trouble.contains("refused"), "{trouble}");
    }
    assert_eq!(client.client.call(Operation::WhoAmI), Err(ErrorCode::ConnectionLoss));
    client.client.close();
}

fn a_server_that_talks_nonsense_is_left() {
    use std::io::Write as _;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = Client::start(&listener.local_addr().unwrap().to_string(), config());
    let (mut stream, _) = listener.accept().unwrap();
    stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    client.await_notice(|notice| matches!(notice, Notice::Trouble(_)).then_some(()));
    listener.accept().unwrap();
}

fn a_server_that_says_nothing_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connect_timeout = Some(Duration::from_millis(100));
    let config = ClientConfig { connect_timeout, ..config() };
    let _client = Client::start(&listener.local_addr().unwrap().to_string(), config);
    listener.accept().unwrap();
    listener.accept().unwrap();
}

fn a_connect_string_must_name_a_server() {
    let error = TcpClient::start(" , ", config()).unwrap_err().to_string();
    assert!(error.contains("names no server"), "{error}");
}
