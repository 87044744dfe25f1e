//! No sequence of inputs makes a server panic, whatever the other side says and whatever the clock shows.

use crate::operation::WatchLists;
use crate::server::peer::{Ask, LinkId, Notification, PeerMessage, PeerState, Vote};
use crate::sessions::password_of;
use crate::transaction::{Transaction, TransactionBody};
use crate::{
    ClientMessage, ConnectionId, CreateMode, ErrorCode, Operation, Password, Release, Server, ServerConfig,
    ServerInput, ServerOutput, SessionId, Zxid,
};
use alloc::boxed::Box;
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

fn writes() -> impl Strategy<Value = Operation> {
    let modes = select(vec![
        CreateMode::Persistent,
        CreateMode::PersistentSequential,
        CreateMode::Ephemeral,
        CreateMode::EphemeralSequential,
        CreateMode::Container,
        CreateMode::PersistentWithTtl,
        CreateMode::Unknown(9),
    ]);
    let data: Arc<[u8]> = Arc::from(*b"data");
    prop_oneof![
        3 => (paths(), modes).prop_map(|(path, mode)| super::create(&path, mode)),
        1 => (paths(), -1..3).prop_map(|(path, version)| Operation::Delete { path, version }),
        1 => (paths(), -1..3).prop_map(move |(path, version)| {
            Operation::SetData { path, data: Some(data.clone()), version }
        }),
        1 => (paths(), -1..3).prop_map(|(path, version)| Operation::Check { path, version }),
    ]
}

fn operations() -> impl Strategy<Value = Operation> {
    let lists = (0u64..9, vec_of(paths(), 0..3), vec_of(paths(), 0..3), vec_of(paths(), 0..3));
    let lists = lists.prop_map(|(relative, data, exist, child)| {
        let relative_zxid = Zxid(relative);
        Operation::SetWatches(Box::new(WatchLists {
            relative_zxid,
            data,
            exist,
            child,
            ..WatchLists::default()
        }))
    });
    let odd = (-12i32..110, any::<bool>());
    prop_oneof![
        5 => writes(),
        1 => vec_of(writes(), 0..4).prop_map(|operations| Operation::Multi { operations }),
        1 => (paths(), any::<bool>()).prop_map(|(path, watch)| Operation::Exists { path, watch }),
        1 => (paths(), any::<bool>()).prop_map(|(path, watch)| Operation::GetData { path, watch }),
        1 => (paths(), any::<bool>()).prop_map(|(path, watch)| Operation::GetChildren { path, watch }),
        1 => paths().prop_map(|path| Operation::Sync { path: Some(path) }),
        1 => paths().prop_map(|path| Operation::DeleteContainer { path }),
        1 => (paths(), -1..3).prop_map(|(path, mode)| Operation::AddWatch { path, mode }),
        1 => (option::of(paths()), 0..7).prop_map(|(path, kind)| Operation::RemoveWatches { path, kind }),
        1 => odd.prop_map(|(opcode, readable)| Operation::Malformed { opcode, readable }),
        1 => select(vec![Operation::WhoAmI, Operation::Reconfig, Operation::Unknown { opcode: 99 }]),
        1 => lists,
    ]
}

fn client_messages() -> impl Strategy<Value = ClientMessage> {
    let sessions = (1u64..5, any::<bool>()).prop_map(|(id, right)| {
        let id = SessionId(id);
        (id, if right { password_of(id) } else { Password::NONE })
    });
    let connects = (option::of(sessions), times(), 0u64..9).prop_map(|(session, timeout, seen)| {
        ClientMessage::Connect { session, timeout, last_zxid_seen: Zxid(seen) }
    });
    let schemes = select(vec!["digest", "ip", "nonsense"]);
    prop_oneof![
        3 => connects,
        1 => Just(ClientMessage::Ping),
        6 => operations().prop_map(|operation| ClientMessage::Request { xid: 1, operation }),
        1 => Just(ClientMessage::CloseSession { xid: 1 }),
        1 => schemes.prop_map(|scheme| ClientMessage::Authenticate {
            xid: -4,
            scheme: scheme.into(),
            credentials: Arc::from(*b"somebody:secret"),
        }),
    ]
}

fn connections() -> impl Strategy<Value = ConnectionId> {
    (1u64..5).prop_map(ConnectionId)
}

fn zxids() -> impl Strategy<Value = Zxid> {
    (0u64..3, 0u64..9).prop_map(|(epoch, counter)| Zxid(epoch << 32 | counter))
}

fn sessions() -> impl Strategy<Value = SessionId> {
    (0u64..5).prop_map(SessionId)
}

fn transactions() -> impl Strategy<Value = Transaction> {
    let bodies = prop_oneof![
        Just(TransactionBody::OpenSession { timeout: Duration::from_secs(4) }),
        any::<bool>().prop_map(|expired| TransactionBody::CloseSession { order: 0, expired }),
        operations().prop_map(|operation| TransactionBody::write(operation, Arc::from([]))),
        Just(TransactionBody::Refused(ErrorCode::SessionMoved)),
    ];
    (zxids(), sessions(), bodies).prop_map(|(zxid, session, body)| Transaction {
        zxid,
        wall_ms: 0,
        session,
        body,
    })
}

fn asks() -> impl Strategy<Value = Ask> {
    prop_oneof![
        times().prop_map(|timeout| Ask::OpenSession { timeout }),
        Just(Ask::CloseSession),
        operations().prop_map(|operation| Ask::Write { operation, identities: Arc::from([]) }),
    ]
}

/// Anything but snapshots, which only servers make.
fn peer_messages() -> impl Strategy<Value = PeerMessage> {
    let epochs = || 0u32..3;
    prop_oneof![
        3 => epochs().prop_map(|accepted_epoch| PeerMessage::FollowerInfo { accepted_epoch }),
        3 => epochs().prop_map(|epoch| PeerMessage::NewEpoch { epoch }),
        3 => (option::of(epochs()), zxids())
            .prop_map(|(current_epoch, last_zxid)| PeerMessage::EpochAccepted { current_epoch, last_zxid }),
        1 => zxids().prop_map(|to| PeerMessage::Truncate { to }),
        2 => vec_of(transactions(), 0..3).prop_map(|transactions| PeerMessage::Entries { transactions }),
        3 => epochs().prop_map(|epoch| PeerMessage::NewLeader { epoch }),
        3 => zxids().prop_map(|committed| PeerMessage::UpToDate { committed }),
        2 => (transactions(), option::of(0u64..9))
            .prop_map(|(transaction, number)| PeerMessage::Propose { transaction, number }),
        4 => zxids().prop_map(|zxid| PeerMessage::Acknowledge { zxid }),
        2 => zxids().prop_map(|zxid| PeerMessage::Commit { zxid }),
        1 => Just(PeerMessage::Ping),
        1 => vec_of((sessions(), times()), 0..3)
            .prop_map(|touched| PeerMessage::Pong { touched: Arc::new(touched) }),
        2 => (0u64..9, sessions(), asks())
            .prop_map(|(number, session, ask)| PeerMessage::Ask { number, session, ask }),
        1 => (0u64..9, sessions()).prop_map(|(number, session)| PeerMessage::Sync { number, session }),
        1 => (0u64..9, sessions()).prop_map(|(number, session)| PeerMessage::Synced { number, session }),
        1 => (sessions(), times())
            .prop_map(|(session, timeout)| PeerMessage::Revalidate { session, timeout }),
        1 => (sessions(), any::<bool>())
            .prop_map(|(session, valid)| PeerMessage::Revalidated { session, valid }),
    ]
}

fn notifications() -> impl Strategy<Value = Notification> {
    let votes = (0u32..3, zxids(), 0u32..5).prop_map(|(epoch, zxid, leader)| Vote { epoch, zxid, leader });
    let states = select(vec![PeerState::Looking, PeerState::Following, PeerState::Leading]);
    (0u64..4, votes, states).prop_map(|(round, vote, state)| Notification { round, vote, state })
}

fn server_inputs() -> impl Strategy<Value = ServerInput> {
    prop_oneof![
        4 => connections().prop_map(|connection| ServerInput::Opened { connection, address: None }),
        12 => (connections(), client_messages())
            .prop_map(|(connection, message)| ServerInput::Message { connection, message }),
        1 => connections().prop_map(|connection| ServerInput::Closed { connection }),
        2 => Just(ServerInput::Wakeup),
        1 => sessions().prop_map(|session| ServerInput::ExpireSession { session }),
        1 => Just(ServerInput::Stopped),
        1 => Just(ServerInput::Started),
        1 => any::<i64>().prop_map(|ahead_ms| ServerInput::WallClock { ahead_ms }),
    ]
}

/// What servers of an ensemble hear besides. A link is the last one that the server has opened, or one of four others.
fn ensemble_inputs() -> impl Strategy<Value = (bool, ServerInput)> {
    let links = || (1u64..5).prop_map(LinkId);
    let inputs = prop_oneof![
        12 => server_inputs(),
        6 => (0u32..5, notifications())
            .prop_map(|(from, notification)| ServerInput::Notified { from, notification }),
        24 => (0u32..5, links(), peer_messages())
            .prop_map(|(from, link, message)| ServerInput::Peer { from, link, message }),
        1 => (0u32..5, links()).prop_map(|(from, link)| ServerInput::PeerClosed { from, link }),
    ];
    (any::<bool>(), inputs)
}

/// The same input, on that link.
fn on_link(to: u32, own: LinkId, input: ServerInput) -> ServerInput {
    match input {
        ServerInput::Peer { message, .. } => ServerInput::Peer { from: to, link: own, message },
        ServerInput::PeerClosed { .. } => ServerInput::PeerClosed { from: to, link: own },
        ServerInput::Opened { .. }
        | ServerInput::Message { .. }
        | ServerInput::Closed { .. }
        | ServerInput::Notified { .. }
        | ServerInput::Wakeup
        | ServerInput::ExpireSession { .. }
        | ServerInput::WallClock { .. }
        | ServerInput::Stopped
        | ServerInput::Started => input,
    }
}

proptest! {
    #[test]
    fn no_input_makes_the_server_panic(
        inputs in vec_of((option::weighted(0.1, times()), server_inputs()), 1..150),
        phase in 0u64..2000,
    ) {
        let release = if phase % 2 == 0 { Release::V3_8_0 } else { Release::V3_9_5 };
        let bucket_phase = Duration::from_millis(phase);
        let mut server = Server::new(ServerConfig { release, bucket_phase, ..ServerConfig::default() });
        let (mut now, mut outputs) = (Duration::ZERO, Vec::new());
        for (time, input) in inputs {
            now = time.unwrap_or(now);
            server.handle(now, input, &mut outputs);
            server.check_invariants();
        }
    }

    #[test]
    fn no_input_makes_a_server_of_an_ensemble_panic(
        inputs in vec_of((option::weighted(0.1, times()), ensemble_inputs()), 1..300),
        id in 1u32..4,
    ) {
        let mut server = Server::new(ServerConfig { id, servers: 3, ..ServerConfig::default() });
        let (mut now, mut outputs) = (Duration::ZERO, Vec::new());
        let mut own = (1, LinkId(0));
        for (time, (to_own, input)) in inputs {
            now = time.unwrap_or(now);
            let input = if to_own { on_link(own.0, own.1, input) } else { input };
            server.handle(now, input, &mut outputs);
            server.check_invariants();
            for output in outputs.drain(..) {
                if let ServerOutput::SendPeer { to, link, .. } = output {
                    own = (to, link);
                }
            }
        }
    }

    #[test]
    fn a_server_that_is_woken_at_its_deadline_has_a_later_one(
        inputs in vec_of(ensemble_inputs(), 1..100),
        servers in select(vec![1u32, 3]),
    ) {
        let mut server = Server::new(ServerConfig { servers, ..ServerConfig::default() });
        let mut outputs = Vec::new();
        for (_, input) in inputs {
            let now = server.next_deadline().filter(|deadline| *deadline < Duration::from_secs(1 << 40));
            let now = now.unwrap_or(Duration::ZERO);
            server.handle(now, ServerInput::Wakeup, &mut outputs);
            prop_assert!(server.next_deadline().is_none_or(|deadline| deadline > now));
            server.handle(now, input, &mut outputs);
        }
    }
}
