//! No sequence of inputs makes a machine panic, whatever the other side says and whatever the clock shows.

use crate::client::{Client, ClientConfig, ClientInput, ClientOutput};
use crate::sessions::password_of;
use crate::types::{CreateMode, ErrorCode, EventKind, Operation, Password, Reply, WatchEvent};
use crate::{
    ClientMessage, ConnectionId, Server, ServerConfig, ServerInput, ServerMessage, SessionId, Tree, Zxid,
};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;
use proptest::collection::vec as vec_of;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

fn times() -> impl Strategy<Value = Duration> {
    prop_oneof![
        8 => (0u64..20_000).prop_map(Duration::from_millis),
        1 => Just(Duration::ZERO),
        1 => Just(Duration::MAX),
        1 => any::<u64>().prop_map(Duration::from_nanos),
    ]
}

fn paths() -> impl Strategy<Value = Arc<str>> {
    let known = ["", "/", "/a", "/a/b", "/a/b/c", "/b", "/b/", "a", "//", "/zookeeper", "/\0", "/a/.."];
    select(known.map(Arc::from).to_vec())
}

fn operations() -> impl Strategy<Value = Operation> {
    let modes = select(vec![
        CreateMode::Persistent,
        CreateMode::PersistentSequential,
        CreateMode::Ephemeral,
        CreateMode::EphemeralSequential,
        CreateMode::Container,
    ]);
    let data: Arc<[u8]> = Arc::from(*b"data");
    let set = data.clone();
    prop_oneof![
        3 => (paths(), modes).prop_map(move |(path, mode)| Operation::Create { path, data: data.clone(), mode }),
        1 => (paths(), option::of(-1..3)).prop_map(|(path, version)| Operation::Delete { path, version }),
        1 => (paths(), option::of(-1..3))
            .prop_map(move |(path, version)| Operation::SetData { path, data: set.clone(), version }),
        1 => (paths(), any::<bool>()).prop_map(|(path, watch)| Operation::Exists { path, watch }),
        1 => (paths(), any::<bool>()).prop_map(|(path, watch)| Operation::GetData { path, watch }),
        1 => (paths(), any::<bool>()).prop_map(|(path, watch)| Operation::GetChildren { path, watch }),
        1 => paths().prop_map(|path| Operation::Sync { path }),
    ]
}

fn client_messages() -> impl Strategy<Value = ClientMessage> {
    let sessions = (1u64..5, any::<bool>()).prop_map(|(id, right)| {
        let id = SessionId(id);
        (id, if right { password_of(id) } else { Password(0) })
    });
    let connects = (option::of(sessions), times(), 0u64..9).prop_map(|(session, timeout, seen)| {
        ClientMessage::Connect { session, timeout, last_zxid_seen: Zxid(seen) }
    });
    let lists = (0u64..9, vec_of(paths(), 0..3), vec_of(paths(), 0..3), vec_of(paths(), 0..3));
    prop_oneof![
        3 => connects,
        1 => Just(ClientMessage::Ping),
        6 => operations().prop_map(|operation| ClientMessage::Request { xid: 1, operation }),
        1 => lists.prop_map(|(relative, data, exist, child)| {
            ClientMessage::SetWatches { relative_zxid: Zxid(relative), data, exist, child }
        }),
        1 => Just(ClientMessage::CloseSession { xid: 1 }),
    ]
}

fn connections() -> impl Strategy<Value = ConnectionId> {
    (1u64..5).prop_map(ConnectionId)
}

fn server_inputs() -> impl Strategy<Value = ServerInput> {
    prop_oneof![
        4 => connections().prop_map(|connection| ServerInput::Opened { connection }),
        12 => (connections(), client_messages())
            .prop_map(|(connection, message)| ServerInput::Message { connection, message }),
        1 => connections().prop_map(|connection| ServerInput::Closed { connection }),
        1 => Just(ServerInput::Wakeup),
        1 => (1u64..5).prop_map(|session| ServerInput::ExpireSession { session: SessionId(session) }),
        1 => Just(ServerInput::Stopped),
        1 => Just(ServerInput::Started),
    ]
}

fn server_messages() -> impl Strategy<Value = ServerMessage> {
    let stat = Tree::new().stat("/").expect("the root exists");
    let results = select(vec![Ok(Reply::Synced), Ok(Reply::Exists { stat }), Err(ErrorCode::NoNode)]);
    let kinds = select(vec![
        EventKind::NodeCreated,
        EventKind::NodeDeleted,
        EventKind::NodeDataChanged,
        EventKind::NodeChildrenChanged,
    ]);
    prop_oneof![
        4 => (1u64..3, times()).prop_map(|(session, timeout)| {
            ServerMessage::Connected { session: SessionId(session), password: Password(1), timeout }
        }),
        1 => Just(ServerMessage::Expired),
        1 => Just(ServerMessage::Pong { zxid: Zxid(3) }),
        4 => (1u32..4, results).prop_map(|(xid, result)| ServerMessage::Reply { xid, zxid: Zxid(3), result }),
        1 => (kinds, paths()).prop_map(|(kind, path)| ServerMessage::Event(WatchEvent { kind, path })),
        1 => (1u32..4).prop_map(|xid| ServerMessage::SessionClosed { xid }),
    ]
}

/// An input about a connection is about the last one opened, or one up to two before it.
fn client_inputs() -> impl Strategy<Value = (u64, ClientInput)> {
    let connection = ConnectionId(0);
    let inputs = prop_oneof![
        1 => Just(ClientInput::Start),
        4 => Just(ClientInput::Wakeup),
        6 => Just(ClientInput::Opened { connection }),
        1 => Just(ClientInput::OpenFailed { connection }),
        1 => Just(ClientInput::Closed { connection }),
        10 => server_messages().prop_map(move |message| ClientInput::Message { connection, message }),
        4 => operations().prop_map(|operation| ClientInput::Submit { tag: 1, operation }),
    ];
    let inputs = prop_oneof![60 => inputs, 1 => Just(ClientInput::CloseSession)];
    (prop_oneof![8 => Just(0u64), 1 => 1u64..3], inputs)
}

/// The same input, about `connection`.
fn about(connection: ConnectionId, input: ClientInput) -> ClientInput {
    match input {
        ClientInput::Opened { connection: _ } => ClientInput::Opened { connection },
        ClientInput::OpenFailed { connection: _ } => ClientInput::OpenFailed { connection },
        ClientInput::Closed { connection: _ } => ClientInput::Closed { connection },
        ClientInput::Message { connection: _, message } => ClientInput::Message { connection, message },
        ClientInput::Start | ClientInput::Wakeup | ClientInput::Submit { .. } | ClientInput::CloseSession => {
            input
        }
    }
}

proptest! {
    #[test]
    fn no_input_makes_the_server_panic(
        inputs in vec_of((option::weighted(0.1, times()), server_inputs()), 1..150),
        phase in 0u64..2000,
    ) {
        let config = ServerConfig { bucket_phase: Duration::from_millis(phase), ..ServerConfig::default() };
        let mut server = Server::new(config);
        let (mut now, mut outputs) = (Duration::ZERO, Vec::new());
        for (time, input) in inputs {
            now = time.unwrap_or(now);
            server.handle(now, input, &mut outputs);
            server.check_invariants();
        }
    }

    #[test]
    fn no_input_makes_the_client_panic(
        inputs in vec_of((option::weighted(0.1, times()), client_inputs()), 1..150),
        servers in 0u32..3,
        session_timeout in times(),
        connect_timeout in times(),
    ) {
        let mut client = Client::new(ClientConfig { servers, session_timeout, connect_timeout }, 5);
        let (mut now, mut last, mut outputs) = (Duration::ZERO, 5, Vec::new());
        client.handle(now, ClientInput::Start, &mut outputs);
        for (time, (back, input)) in inputs {
            now = time.unwrap_or(now);
            client.handle(now, about(ConnectionId(last - back), input), &mut outputs);
            client.check_invariants();
            for output in outputs.drain(..) {
                if let ClientOutput::Open { connection, .. } = output {
                    last = connection.0;
                }
            }
        }
    }

    #[test]
    fn a_client_that_is_woken_at_its_deadline_soon_has_a_later_one(
        inputs in vec_of(client_inputs(), 1..80),
        servers in 1u32..3,
    ) {
        let (session_timeout, connect_timeout) = (Duration::from_secs(4), Duration::from_secs(1));
        let mut client = Client::new(ClientConfig { servers, session_timeout, connect_timeout }, 5);
        let (mut now, mut last, mut outputs) = (Duration::ZERO, 5, Vec::new());
        for (_, input) in inputs {
            client.handle(now, about(ConnectionId(last), input), &mut outputs);
            // Silence, the end of a session, and a new attempt may fall on one moment; nothing more does.
            for attempt in 0.. {
                prop_assert!(attempt < 4, "the client does not get on: {client:?}");
                let Some(deadline) = client.next_deadline().filter(|deadline| *deadline <= now) else { break };
                client.handle(deadline.max(now), ClientInput::Wakeup, &mut outputs);
            }
            now = client.next_deadline().filter(|deadline| *deadline < Duration::from_secs(1 << 40)).unwrap_or(now);
            for output in outputs.drain(..) {
                if let ClientOutput::Open { connection, .. } = output {
                    last = connection.0;
                }
            }
        }
    }
}
