//! The ZooKeeper servers: each a machine with a clock of its own, and a process that runs, stands still, or is down.
//! What goes between them is in `peers`, what goes between them and the clients is in `links`.

use super::process::Pause;
use super::{Event, World, micros_up};
use crate::clock::Clock;
use crate::network::Endpoint;
use crate::plan::NodeNumber;
use crate::properties::{Heard, Incident};
use crate::random::Streams;
use crate::scenario::Scenario;
use crate::setup;
use crate::time::{SimTime, whole_micros};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::Duration;
use zeromaster_zookeeper::server::peer::PeerMessage;
use zeromaster_zookeeper::{Server, ServerInput, ServerOutput, ServerRecord, SessionId};

/// What the wall clocks of an ensemble show at the start, more or less: some day in 2023, in milliseconds.
const WALL_CLOCK_MS: u64 = 1_700_000_000_000;

/// How far the wall clocks of an ensemble are apart at the most, in milliseconds.
const WALL_CLOCKS_APART_MS: u64 = 100;

/// One server's machine.
#[derive(Clone, Debug)]
pub(crate) struct ServerMachine {
    /// From 1.
    pub(crate) number: u32,
    pub(crate) clock: Clock,
    pub(crate) server: Server,
    pub(crate) part: Part,
    pub(crate) pause: Option<Pause>,
    /// How far the wall clock has been set.
    pub(crate) wall_ahead_ms: i64,
    buffer: VecDeque<ServerInput>,
    /// When the wake-up that is scheduled next comes.
    pub(super) wakes_at: Option<SimTime>,
}

/// The part that a server says it plays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    /// It looks for a leader, or does not run.
    Looking,
    /// It leads this epoch.
    Leads {
        /// The epoch.
        epoch: u32,
    },
    /// It follows.
    Follows {
        /// The leader.
        leader: u32,
        /// Its epoch.
        epoch: u32,
    },
}

impl ServerMachine {
    /// The machine of the `number`th server, with what the seed settles. A server that stands alone has the clock of
    /// the simulation.
    pub(crate) fn new(scenario: &Scenario, streams: Streams, number: u32) -> Self {
        let below_tick = whole_micros(scenario.zookeeper.tick).max(1);
        let alone = scenario.zookeeper.servers == 1;
        let of_server = u64::from(if alone { 0 } else { number });
        let mut config = setup::server_config(scenario, number);
        let mut bucket_phases = streams.indexed("zookeeper bucket phase", of_server, 0);
        config.bucket_phase = Duration::from_micros(bucket_phases.below(below_tick));
        let mut offset = 0;
        if !alone {
            offset =
                streams.indexed("zookeeper clock offset", of_server, 0).between(1_000_000, 1_000_000_000_000);
            let apart = streams.indexed("zookeeper wall clock", of_server, 0).below(WALL_CLOCKS_APART_MS);
            config.wall_clock_ms = i64::try_from(WALL_CLOCK_MS + apart).unwrap_or(0)
                - i64::try_from(offset / 1_000).unwrap_or(0);
            config.choices = streams.indexed("zookeeper choices", of_server, 0).next_u64();
        }
        ServerMachine {
            number,
            clock: Clock::new(SimTime::ZERO, offset),
            server: Server::new(config),
            part: if alone { Part::Leads { epoch: 0 } } else { Part::Looking },
            pause: None,
            wall_ahead_ms: 0,
            buffer: VecDeque::new(),
            wakes_at: None,
        }
    }

    #[inline]
    pub(crate) fn local(&self, now: SimTime) -> Duration {
        Duration::from_micros(self.clock.local(now))
    }

    /// Whether the process runs and is not held up.
    pub(crate) fn is_awake(&self) -> bool {
        self.server.is_running() && self.pause.is_none()
    }
}

impl World<'_> {
    #[inline]
    pub(super) fn server(&self, server: u32) -> &ServerMachine {
        self.servers.get((server as usize).wrapping_sub(1)).expect("a server is one of the scenario's")
    }

    #[inline]
    pub(super) fn server_mut(&mut self, server: u32) -> &mut ServerMachine {
        self.servers.get_mut((server as usize).wrapping_sub(1)).expect("a server is one of the scenario's")
    }

    pub(super) fn all_servers(&self) -> Vec<u32> {
        self.servers.iter().map(|machine| machine.number).collect()
    }

    /// The server that runs in the process of `node`: embedded ZooKeeper.
    pub(super) fn server_in(&self, node: NodeNumber) -> Option<u32> {
        (node.0 <= self.scenario.zookeeper.embedded).then_some(node.0)
    }

    /// The node in whose process `server` runs; none where it has a machine of its own.
    pub(super) fn host_of(&self, server: u32) -> Option<NodeNumber> {
        (server <= self.scenario.zookeeper.embedded).then_some(NodeNumber(server))
    }

    /// The server's process has not started yet: its node starts it.
    pub(super) fn waits_for_its_host(&mut self, server: u32) {
        let now = self.now;
        let machine = self.server_mut(server);
        let local = machine.local(now);
        machine.server.handle(local, ServerInput::Stopped, &mut Vec::new());
        machine.part = Part::Looking;
    }

    /// The server that leads: of several that say so, the one with the latest epoch. One that stands still leads on.
    pub(super) fn leader(&self) -> Option<u32> {
        let leaders =
            self.servers.iter().filter(|machine| machine.server.is_running()).filter_map(|machine| {
                match machine.part {
                    Part::Leads { epoch } => Some((epoch, machine.number)),
                    Part::Looking | Part::Follows { .. } => None,
                }
            });
        leaders.max().map(|(_, number)| number)
    }

    /// The servers that follow the one that leads.
    pub(super) fn followers(&self) -> Vec<u32> {
        let leader = self.leader();
        let follows = |part: Part| match part {
            Part::Follows { leader: followed, .. } => Some(followed) == leader,
            Part::Looking | Part::Leads { .. } => false,
        };
        self.servers.iter().filter(|machine| follows(machine.part)).map(|machine| machine.number).collect()
    }

    /// Something reaches a server: handled now, or when its process runs again. One that is down hears nothing.
    pub(super) fn reaches(&mut self, server: u32, input: ServerInput) {
        let machine = self.server_mut(server);
        if !machine.server.is_running() {
            return;
        }
        let Some(pause) = &machine.pause else { return self.server_handles(server, input) };
        // What comes over a connection waits in the kernel; what stands for itself may be lost.
        let lost = !pause.buffered && matches!(input, ServerInput::Notified { .. });
        if !lost {
            machine.buffer.push_back(input);
        }
    }

    /// Gives the server an input, and performs what it wants done.
    pub(super) fn server_handles(&mut self, server: u32, input: ServerInput) {
        let now = self.now;
        let mut sessions = std::mem::take(&mut self.sessions_heard_of);
        let mut outputs = std::mem::take(&mut self.server_outputs);
        let heard = heard(&input, &mut sessions);
        let machine = self.server_mut(server);
        let (local, before) = (machine.local(now), machine.server.last_zxid());
        machine.server.handle(local, input, &mut outputs);
        self.observe_server(server, local, heard, before, &outputs);
        for output in outputs.drain(..) {
            self.server_says(server, output);
        }
        self.schedule_server(server);
        self.server_outputs = outputs;
        self.sessions_heard_of = sessions;
    }

    /// The time that a server waited for has come, unless something else came first.
    pub(super) fn server_wakes(&mut self, server: u32) {
        let now = self.now;
        let machine = self.server_mut(server);
        if machine.wakes_at != Some(now) {
            return;
        }
        machine.wakes_at = None;
        if machine.is_awake() {
            self.server_handles(server, ServerInput::Wakeup);
        }
    }

    /// Makes sure that the server is woken when it wants to be.
    pub(super) fn schedule_server(&mut self, server: u32) {
        let now = self.now;
        let machine = self.server_mut(server);
        let Some(deadline) = machine.server.next_deadline().filter(|_| machine.pause.is_none()) else {
            return;
        };
        let at = machine.clock.sim_time_of(micros_up(deadline)).max(now);
        if at < SimTime::FAR_FUTURE && machine.wakes_at.is_none_or(|wakes_at| at < wakes_at) {
            machine.wakes_at = Some(at);
            self.queue.push(at, Event::ServerWake { server });
        }
    }

    fn server_says(&mut self, server: u32, output: ServerOutput) {
        match output {
            ServerOutput::Send { connection, message } => self.server_sends(connection, message),
            ServerOutput::Close { connection } => self.server_closes(connection),
            ServerOutput::Notify { to, notification } => self.notify(server, to, notification),
            ServerOutput::SendPeer { to, link, message } => self.send_peer(server, to, link, message),
            ServerOutput::ClosePeer { to, link } => self.close_peer(server, to, link),
            ServerOutput::Record(record) => self.server_record(server, record),
        }
    }

    /// The process dies. The kernel closes what was open, and tells everybody that it can reach.
    pub(super) fn crash_server(&mut self, server: u32) {
        let now = self.now;
        let machine = self.server_mut(server);
        if !machine.server.is_running() {
            return;
        }
        machine.pause = None;
        machine.buffer.clear();
        let local = machine.local(now);
        let mut outputs = Vec::new();
        machine.server.handle(local, ServerInput::Stopped, &mut outputs);
        for output in outputs {
            match output {
                ServerOutput::Record(record) => self.server_record(server, record),
                // A process that is killed says nothing more.
                ServerOutput::Send { .. }
                | ServerOutput::Close { .. }
                | ServerOutput::Notify { .. }
                | ServerOutput::SendPeer { .. }
                | ServerOutput::ClosePeer { .. } => {}
            }
        }
        self.server_mut(server).part = Part::Looking;
        self.connections_end_with(server);
        self.peer_links_end_with(server);
        self.happened(&Incident::ServerEnded { server });
    }

    /// The process starts, if it is down.
    pub(super) fn start_server(&mut self, server: u32) {
        if self.server(server).server.is_running() || self.for_good.is_gone(Endpoint::ZooKeeper(server)) {
            return;
        }
        // Without its host's process it does not run either.
        if self.host_of(server).is_some_and(|node| self.machine_mut(node).process.is_none()) {
            return;
        }
        if self.servers.len() == 1 {
            self.server_mut(server).part = Part::Leads { epoch: 0 };
        } else {
            let again = if self.host_of(server).is_some() { "in its node" } else { "again" };
            self.note(name(server), "starts", |_| again.into());
        }
        self.doubts.starts(Endpoint::ZooKeeper(server));
        self.server_handles(server, ServerInput::Started);
    }

    pub(super) fn pause_server(&mut self, step: u32, server: u32, buffered: bool) {
        let now = self.now;
        let machine = self.server_mut(server);
        if machine.is_awake() {
            machine.pause = Some(Pause { step, since: now, buffered });
        }
    }

    /// Lets a server's process run on. `step`: only if it was that step that held it up.
    pub(super) fn resume_server(&mut self, server: u32, step: Option<u32>) {
        if self.for_good.is_gone(Endpoint::ZooKeeper(server)) {
            return;
        }
        let now = self.now;
        let machine = self.server_mut(server);
        let held_up_by = |pause: &Pause| step.is_none_or(|step| pause.step == step);
        if !machine.pause.as_ref().is_some_and(held_up_by) {
            return;
        }
        let Some(pause) = machine.pause.take() else { return };
        let buffer = std::mem::take(&mut machine.buffer);
        let timers_first = self.server_resume_order.below(2) == 0;
        self.note(self.server_name(server), "resumes", |_| format!("after {:?}", now.since(pause.since)));
        if timers_first {
            self.server_handles(server, ServerInput::Wakeup);
        }
        for input in buffer {
            self.reaches(server, input);
        }
        self.server_handles(server, ServerInput::Wakeup);
    }

    pub(super) fn set_server_rate(&mut self, server: u32, ppm: i32) {
        let now = self.now;
        self.server_mut(server).clock.set_rate(now, ppm);
        self.server_clock_changed(server);
    }

    /// Timers are times on the server's own clock: they come at another moment now.
    pub(super) fn server_clock_changed(&mut self, server: u32) {
        self.server_mut(server).wakes_at = None;
        self.schedule_server(server);
    }

    pub(super) fn set_wall_clock(&mut self, server: u32, by_ms: i64) {
        let machine = self.server_mut(server);
        machine.wall_ahead_ms = machine.wall_ahead_ms.saturating_add(by_ms);
        let ahead_ms = machine.wall_ahead_ms;
        if machine.server.is_running() {
            self.server_handles(server, ServerInput::WallClock { ahead_ms });
        }
    }

    fn server_record(&mut self, server: u32, record: ServerRecord) {
        let actor = self.server_name(server);
        match record {
            // The client tells it when it hears of it.
            ServerRecord::SessionOpened { .. } => {}
            ServerRecord::SessionExpired { session } => {
                let whose = self.whose(session);
                self.note(actor, "expired", |_| format!("session {session}{whose}"));
            }
            ServerRecord::SessionClosed { session } => {
                let whose = self.whose(session);
                self.note(actor, "closed", |_| format!("session {session}{whose}"));
            }
            ServerRecord::Looking => {
                self.plays(server, Part::Looking, "looking", || "looks for a leader".into());
            }
            ServerRecord::Leads { epoch } => {
                self.plays(server, Part::Leads { epoch }, "leads", || format!("epoch {epoch}"));
            }
            ServerRecord::Follows { leader, epoch } => {
                let words = || format!("{}, epoch {epoch}", name(leader));
                self.plays(server, Part::Follows { leader, epoch }, "follows", words);
            }
        }
    }

    /// The server plays another part. One that stands alone always plays the same.
    fn plays(&mut self, server: u32, part: Part, word: &'static str, words: impl FnOnce() -> String) {
        if self.servers.len() > 1 {
            self.server_mut(server).part = part;
            self.note(name(server), word, |_| words());
        }
    }

    /// `zk2`; `zk` when there is only one.
    pub(super) fn server_name(&self, server: u32) -> Cow<'static, str> {
        if self.servers.len() == 1 { Cow::Borrowed("zk") } else { name(server) }
    }

    fn whose(&self, session: SessionId) -> String {
        self.session_owners.get(&session).map_or_else(String::new, |node| format!(" of {node}"))
    }
}

/// What the properties are told of `input`, in `sessions` where it tells of some.
pub(crate) fn heard<'a>(input: &ServerInput, sessions: &'a mut Vec<SessionId>) -> Heard<'a> {
    sessions.clear();
    match input {
        ServerInput::Message { connection, .. } => Heard::Client { connection: *connection },
        ServerInput::ExpireSession { session } => Heard::Expire { session: *session },
        ServerInput::Peer { message: PeerMessage::Pong { touched }, .. } => {
            sessions.extend(touched.iter().map(|(session, _)| *session));
            Heard::Touched { sessions }
        }
        ServerInput::Peer { message: PeerMessage::Revalidate { session, .. }, .. } => {
            sessions.push(*session);
            Heard::Touched { sessions }
        }
        ServerInput::Opened { .. }
        | ServerInput::Closed { .. }
        | ServerInput::Notified { .. }
        | ServerInput::Peer { .. }
        | ServerInput::PeerClosed { .. }
        | ServerInput::Wakeup
        | ServerInput::WallClock { .. }
        | ServerInput::Stopped
        | ServerInput::Started => Heard::Other,
    }
}

fn name(server: u32) -> Cow<'static, str> {
    Endpoint::ZooKeeper(server).to_string().into()
}
