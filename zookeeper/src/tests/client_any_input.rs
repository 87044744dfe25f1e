//! No sequence of inputs makes the client panic, whatever a server says and whatever the clock shows; and whatever
//! happens, each thing asked is answered once.

use crate::client::{
    Client, ClientConfig, ClientInput, ClientOutput, Credentials, LeaseRule, Library, SessionState,
};
use crate::{
    ANY_VERSION, ConnectionId, ErrorCode, EventKind, Operation, Password, Reply, ServerMessage, SessionId,
    WatchEvent, Zxid,
};
use alloc::collections::BTreeSet;
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
    let known =
        ["", "/", "/a", "/a/b", "/a/b/c", "/b", "/b/", "a", "a/b", "//", "/zookeeper", "/\0", "/a/.."];
    select(known.map(Arc::from).to_vec())
}

fn operations() -> impl Strategy<Value = Operation> {
    prop_oneof![
        2 => (paths(), any::<bool>()).prop_map(|(path, watch)| Operation::Exists { path, watch }),
        2 => (paths(), any::<bool>()).prop_map(|(path, watch)| Operation::GetData { path, watch }),
        2 => (paths(), any::<bool>()).prop_map(|(path, watch)| Operation::GetChildren { path, watch }),
        2 => (paths(), -1i32..3).prop_map(|(path, mode)| Operation::AddWatch { path, mode }),
        2 => (option::of(paths()), 0i32..7).prop_map(|(path, kind)| Operation::RemoveWatches { path, kind }),
        2 => paths().prop_map(|path| Operation::SetData { path, data: None, version: ANY_VERSION }),
        1 => Just(Operation::Multi { operations: vec![] }),
        1 => (0i32..200).prop_map(|opcode| Operation::Unknown { opcode }),
    ]
}

fn results() -> impl Strategy<Value = Result<Reply, ErrorCode>> {
    let codes = select(ErrorCode::ALL).prop_map(Err);
    prop_oneof![2 => Just(Ok(Reply::Nothing)), 1 => Just(Ok(Reply::Authenticated)), 2 => codes]
}

fn zxids() -> impl Strategy<Value = Zxid> {
    prop_oneof![4 => 0u64..9, 1 => any::<u64>()].prop_map(Zxid)
}

fn server_messages() -> impl Strategy<Value = ServerMessage> {
    let kinds = select(vec![
        EventKind::NodeCreated,
        EventKind::NodeDeleted,
        EventKind::NodeDataChanged,
        EventKind::NodeChildrenChanged,
    ]);
    let xids = || prop_oneof![12 => 1i32..5, 3 => Just(-4), 2 => Just(-8), 1 => any::<i32>()];
    prop_oneof![
        4 => (1u64..3, times()).prop_map(|(session, timeout)| {
            ServerMessage::Connected { session: SessionId(session), password: Password([1; 16]), timeout }
        }),
        1 => Just(ServerMessage::Expired),
        1 => zxids().prop_map(|zxid| ServerMessage::Pong { zxid }),
        6 => (xids(), zxids(), results())
            .prop_map(|(xid, zxid, result)| ServerMessage::Reply { xid, zxid, result }),
        1 => (kinds, paths(), option::of(zxids()))
            .prop_map(|(kind, path, zxid)| ServerMessage::Event { event: WatchEvent { kind, path }, zxid }),
        1 => (1i32..4, zxids()).prop_map(|(xid, zxid)| ServerMessage::SessionClosed { xid, zxid }),
    ]
}

/// An input about a connection is about the last one opened, or one up to two before it.
fn inputs() -> impl Strategy<Value = (u64, ClientInput)> {
    let connection = ConnectionId(0);
    let inputs = prop_oneof![
        1 => Just(ClientInput::Start),
        4 => Just(ClientInput::Wakeup),
        6 => Just(ClientInput::Opened { connection }),
        1 => Just(ClientInput::OpenFailed { connection }),
        1 => Just(ClientInput::Closed { connection }),
        10 => server_messages().prop_map(move |message| ClientInput::Message { connection, message }),
        4 => operations().prop_map(|operation| ClientInput::Submit { tag: 0, operation }),
        1 => any::<bool>().prop_map(|wanted| ClientInput::HoldLease { wanted }),
    ];
    let inputs = prop_oneof![60 => inputs, 1 => Just(ClientInput::CloseSession)];
    (prop_oneof![8 => Just(0u64), 1 => 1u64..3], inputs)
}

fn libraries() -> impl Strategy<Value = Library> {
    let made_up = (option::of(0u32..200), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(suspended_percent_max, expires_unheard, renews_session, keeps_requests)| Library {
            suspended_percent_max,
            expires_unheard,
            renews_session,
            keeps_requests,
        },
    );
    let shipped = [Library::JAVA_3_8, Library::JAVA_3_9_3, Library::CURATOR, Library::CURATOR_ON_JAVA_3_9_3];
    prop_oneof![select(shipped.to_vec()), made_up]
}

prop_compose! {
    fn configs()(
        servers in 0u32..4,
        session_timeout in times(),
        connect_timeout in option::of(times()),
        choices in 0u64..4,
        library in libraries(),
        lease in select(vec![LeaseRule::AnyAnswer, LeaseRule::Committed]),
        shown in 0usize..3,
        resumed in option::of(1u64..3),
    ) -> ClientConfig {
        let credentials = Credentials { scheme: "digest".into(), credentials: (*b"bob:x").into() };
        let credentials = vec![credentials; shown];
        let resumes = resumed.map(|session| (SessionId(session), Password([1; 16])));
        ClientConfig { servers, session_timeout, connect_timeout, choices, library, lease, credentials, resumes }
    }
}

/// The same input, about `connection` and with this tag.
fn about(connection: ConnectionId, tag: u64, input: ClientInput) -> ClientInput {
    match input {
        ClientInput::Opened { connection: _ } => ClientInput::Opened { connection },
        ClientInput::OpenFailed { connection: _ } => ClientInput::OpenFailed { connection },
        ClientInput::Closed { connection: _ } => ClientInput::Closed { connection },
        ClientInput::Message { connection: _, message } => ClientInput::Message { connection, message },
        ClientInput::Submit { tag: _, operation } => ClientInput::Submit { tag, operation },
        ClientInput::Start
        | ClientInput::Wakeup
        | ClientInput::HoldLease { .. }
        | ClientInput::CloseSession => input,
    }
}

/// A client, and what its outputs may be.
struct Watched {
    client: Client,
    now: Duration,
    last_opened: u64,
    next_tag: u64,
    asked: BTreeSet<u64>,
    ended: bool,
    lease_until: Duration,
}

impl Watched {
    fn new(config: ClientConfig) -> Self {
        Watched {
            client: Client::new(config, 5),
            now: Duration::ZERO,
            last_opened: 5,
            next_tag: 1,
            asked: BTreeSet::new(),
            ended: false,
            lease_until: Duration::ZERO,
        }
    }

    fn input(&mut self, back: u64, input: ClientInput) {
        let input = about(ConnectionId(self.last_opened - back), self.next_tag, input);
        if matches!(input, ClientInput::Submit { .. }) {
            self.asked.insert(self.next_tag);
            self.next_tag += 1;
        }
        let mut outputs = Vec::new();
        self.client.handle(self.now, input, &mut outputs);
        self.client.check_invariants();
        for output in outputs {
            self.check(output);
        }
        assert!(!self.ended || self.asked.is_empty(), "never answered: {:?}", self.asked);
    }

    fn check(&mut self, output: ClientOutput) {
        match output {
            ClientOutput::Open { connection, server: _ } => {
                assert!(!self.ended, "a client that has ended opens a connection");
                self.last_opened = connection.0;
            }
            ClientOutput::Send { .. } => assert!(!self.ended, "a client that has ended sends something"),
            ClientOutput::Completed { tag, result: _ } => {
                assert!(self.asked.remove(&tag), "{tag} is answered twice, or was never asked");
            }
            ClientOutput::State(SessionState::Closed | SessionState::AuthFailed) => {
                assert!(!self.ended, "a client ends twice");
                self.ended = true;
            }
            ClientOutput::State(SessionState::Connected { .. }) => self.lease_until = Duration::ZERO,
            ClientOutput::Lease { until } => {
                assert!(until > self.lease_until, "a lease goes back");
                self.lease_until = until;
            }
            ClientOutput::State(
                SessionState::Suspended | SessionState::Reconnected { .. } | SessionState::Lost,
            )
            | ClientOutput::Close { .. }
            | ClientOutput::Event(_) => {}
        }
    }
}

proptest! {
    #[test]
    fn no_input_makes_the_client_panic_and_all_is_answered_once(
        inputs in vec_of((option::weighted(0.1, times()), inputs()), 1..150),
        config in configs(),
    ) {
        let mut watched = Watched::new(config);
        watched.input(0, ClientInput::Start);
        for (time, (back, input)) in inputs {
            watched.now = time.unwrap_or(watched.now);
            watched.input(back, input);
        }
        // In the end, all that is still asked fails.
        watched.input(0, ClientInput::CloseSession);
        watched.input(0, ClientInput::Closed { connection: ConnectionId(0) });
        prop_assert!(watched.ended && watched.asked.is_empty());
    }

    #[test]
    fn a_client_that_is_woken_at_its_deadline_soon_has_a_later_one(
        inputs in vec_of(inputs(), 1..80),
        config in configs(),
    ) {
        let (session_timeout, connect_timeout) = (Duration::from_secs(4), Some(Duration::from_secs(1)));
        let mut watched = Watched::new(ClientConfig { session_timeout, connect_timeout, ..config });
        for (_, input) in inputs {
            watched.input(0, input);
            // Silence, the end of a session, a new attempt and a write may fall on one moment; nothing more does.
            for attempt in 0.. {
                prop_assert!(attempt < 5, "the client does not get on: {:?}", watched.client);
                let Some(_) = watched.client.next_deadline().filter(|deadline| *deadline <= watched.now) else { break };
                watched.input(0, ClientInput::Wakeup);
            }
            let next = watched.client.next_deadline().filter(|deadline| *deadline < Duration::from_secs(1 << 40));
            watched.now = next.unwrap_or(watched.now);
        }
    }
}
