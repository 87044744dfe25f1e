//! A client and the server, joined by connections that delay, break and swallow, with clocks that run at different speeds.

use super::{create, exists, millis};
use crate::client::{Client, ClientConfig, ClientInput, ClientOutput, SessionState};
use crate::{
    ConnectionId, CreateMode, Server, ServerConfig, ServerInput, ServerOutput, ServerRecord, SessionId,
};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;
use proptest::prelude::*;

/// SplitMix64, so that a run depends on its seed alone.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

enum Step {
    ToServer(ServerInput),
    ToClient(ClientInput),
    ServerTimer,
    ClientTimer,
    Submit,
    Cut { ends: Duration },
    Restart { stop: bool },
}

/// Real time drives the run; each machine's clock runs `speed` percent as fast.
struct Joined {
    random: Random,
    now: Duration,
    queue: BTreeMap<(Duration, u64), Step>,
    queued: u64,
    server: Server,
    client: Client,
    speed: [u32; 2],
    cut_until: Duration,
    /// When the last message of a connection arrives, for each direction: a connection keeps its order.
    last: BTreeMap<(ConnectionId, bool), Duration>,
    lease: Option<(SessionId, Duration)>,
    seen: Seen,
}

/// What a run has met with, to be sure that it says something.
#[derive(Default, Debug)]
struct Seen {
    expired: u32,
    reconnected: u32,
    lost: u32,
    leases: u32,
}

impl Joined {
    fn new(seed: u64, speed: [u32; 2]) -> Self {
        let mut random = Random(seed);
        let bucket_phase = millis(random.below(2000));
        let server = Server::new(ServerConfig { bucket_phase, ..ServerConfig::default() });
        let servers = 1 + random.below(3) as u32;
        let (session_timeout, connect_timeout) = (millis(4000), Some(millis(1500)));
        let config = ClientConfig { servers, session_timeout, connect_timeout, ..ClientConfig::default() };
        let (queue, last) = (BTreeMap::new(), BTreeMap::new());
        let (now, cut_until) = (Duration::ZERO, Duration::ZERO);
        let client = Client::new(config, 1);
        let (lease, seen) = (None, Seen::default());
        Joined { random, now, queue, queued: 0, server, client, speed, cut_until, last, lease, seen }
    }

    fn clock(&self, machine: usize) -> Duration {
        self.now * self.speed[machine] / 100
    }

    fn at(&mut self, time: Duration, step: Step) {
        self.queued += 1;
        self.queue.insert((time, self.queued), step);
    }

    /// Sends over a connection: late, in order, and not at all during a cut.
    fn carry(&mut self, connection: ConnectionId, to_server: bool, step: Step) {
        if self.now < self.cut_until {
            return;
        }
        let slow = if self.random.below(20) == 0 { 3000 } else { 50 };
        let arrives = self.now + millis(self.random.below(slow));
        let last = self.last.entry((connection, to_server)).or_default();
        *last = arrives.max(*last);
        let arrives = *last;
        self.at(arrives, step);
    }

    fn server_handles(&mut self, input: ServerInput) {
        let mut outputs = Vec::new();
        self.server.handle(self.clock(0), input, &mut outputs);
        self.server.check_invariants();
        for output in outputs {
            match output {
                ServerOutput::Send { connection, message } => {
                    self.carry(
                        connection,
                        false,
                        Step::ToClient(ClientInput::Message { connection, message }),
                    );
                }
                ServerOutput::Close { connection } => {
                    self.carry(connection, false, Step::ToClient(ClientInput::Closed { connection }));
                }
                ServerOutput::Record(ServerRecord::SessionExpired { session }) => self.check_lease(session),
                ServerOutput::Record(
                    ServerRecord::SessionOpened { .. }
                    | ServerRecord::SessionClosed { .. }
                    | ServerRecord::Looking
                    | ServerRecord::Leads { .. }
                    | ServerRecord::Follows { .. },
                ) => {}
                ServerOutput::Notify { .. }
                | ServerOutput::SendPeer { .. }
                | ServerOutput::ClosePeer { .. } => panic!("a server alone talks to no other"),
            }
        }
        if let Some(deadline) = self.server.next_deadline() {
            self.at(real(deadline, self.speed[0]), Step::ServerTimer);
        }
    }

    fn check_lease(&mut self, expired: SessionId) {
        self.seen.expired += 1;
        if let Some((session, until)) = self.lease.filter(|(session, _)| *session == expired) {
            let now = self.clock(1);
            assert!(until <= now, "session {session} expired at {now:?}, its lease holds until {until:?}");
        }
    }

    fn client_handles(&mut self, input: ClientInput) {
        let mut outputs = Vec::new();
        self.client.handle(self.clock(1), input, &mut outputs);
        self.client.check_invariants();
        for output in outputs {
            match output {
                ClientOutput::Open { connection, server: _ } => {
                    if self.now < self.cut_until || !self.server.is_running() {
                        let after = self.now + millis(10);
                        self.at(after, Step::ToClient(ClientInput::OpenFailed { connection }));
                    } else {
                        self.carry(
                            connection,
                            true,
                            Step::ToServer(ServerInput::Opened { connection, address: None }),
                        );
                        self.carry(connection, false, Step::ToClient(ClientInput::Opened { connection }));
                    }
                }
                ClientOutput::Send { connection, message } => {
                    self.carry(
                        connection,
                        true,
                        Step::ToServer(ServerInput::Message { connection, message }),
                    );
                }
                ClientOutput::Close { connection } => {
                    self.carry(connection, true, Step::ToServer(ServerInput::Closed { connection }));
                }
                ClientOutput::State(state) => self.state(state),
                ClientOutput::Lease { until } => self.extend_lease(until),
                ClientOutput::Completed { .. } | ClientOutput::Event(_) => {}
            }
        }
        if let Some(deadline) = self.client.next_deadline() {
            self.at(real(deadline, self.speed[1]), Step::ClientTimer);
        }
    }

    fn state(&mut self, state: SessionState) {
        match state {
            SessionState::Lost => {
                self.seen.lost += 1;
                self.lease = None;
            }
            SessionState::Reconnected { .. } => self.seen.reconnected += 1,
            SessionState::Connected { .. }
            | SessionState::Suspended
            | SessionState::AuthFailed
            | SessionState::Closed => {}
        }
    }

    fn extend_lease(&mut self, until: Duration) {
        let session = self.client.session().expect("a lease is for a session");
        if let Some((of, previous)) = self.lease {
            assert!(of != session || until > previous, "a lease goes forward");
        }
        self.seen.leases += 1;
        self.lease = Some((session, until));
    }

    fn run(mut self, length: Duration) -> Seen {
        self.client_handles(ClientInput::Start);
        self.at(Duration::ZERO, Step::Submit);
        for _ in 0..6 {
            let begins = millis(self.random.below(length.as_millis() as u64));
            let ends = begins + millis(self.random.below(12_000));
            self.at(begins, Step::Cut { ends });
        }
        let stops = millis(self.random.below(length.as_millis() as u64));
        let starts = stops + millis(self.random.below(8000));
        self.at(stops, Step::Restart { stop: true });
        self.at(starts, Step::Restart { stop: false });
        while let Some(((time, _), step)) = self.queue.pop_first().filter(|((time, _), _)| *time <= length) {
            self.now = time;
            self.step(step);
        }
        self.seen
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::ToServer(input) => self.server_handles(input),
            Step::ToClient(input) => self.client_handles(input),
            Step::ServerTimer => {
                if self.server.next_deadline().is_some_and(|deadline| deadline <= self.clock(0)) {
                    self.server_handles(ServerInput::Wakeup);
                }
            }
            Step::ClientTimer => {
                if self.client.next_deadline().is_some_and(|deadline| deadline <= self.clock(1)) {
                    self.client_handles(ClientInput::Wakeup);
                }
            }
            Step::Submit => {
                let operation = match self.random.below(2) {
                    0 => create("/e-", CreateMode::EphemeralSequential),
                    _ => exists("/e-0000000000"),
                };
                self.client_handles(ClientInput::Submit { tag: 0, operation });
                let next = self.now + millis(self.random.below(10_000));
                self.at(next, Step::Submit);
            }
            Step::Cut { ends } => self.cut_until = self.cut_until.max(ends),
            Step::Restart { stop: true } => self.server_handles(ServerInput::Stopped),
            Step::Restart { stop: false } => self.server_handles(ServerInput::Started),
        }
    }
}

/// The first real time at which a clock of that speed shows `time`.
fn real(time: Duration, speed: u32) -> Duration {
    time * 100 / speed + Duration::from_nanos(1)
}

#[test]
fn no_session_expires_by_itself_while_its_lease_holds() {
    let mut total = Seen::default();
    for seed in 0..600 {
        let speed = [[100, 100], [110, 90], [90, 110]][(seed % 3) as usize];
        let seen = Joined::new(seed, speed).run(millis(90_000));
        total.expired += seen.expired;
        total.reconnected += seen.reconnected;
        total.lost += seen.lost;
        total.leases += seen.leases;
    }
    let least = total.expired.min(total.reconnected).min(total.lost).min(total.leases / 10);
    assert!(least > 100, "the runs have met with too little: {total:?}");
}

proptest! {
    #[test]
    fn no_session_expires_by_itself_while_its_lease_holds_at_any_speed(seed: u64, server in 90u32..=110, client in 90u32..=110) {
        Joined::new(seed, [server, client]).run(millis(60_000));
    }
}
