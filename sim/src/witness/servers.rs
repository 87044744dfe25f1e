//! The ZooKeeper servers: whoever runs the cluster moves their messages, and gives them here what arrives.

use super::Witness;
use crate::network::Endpoint;
use crate::plan::NodeNumber;
use crate::properties::{Incident, ServerStep};
use crate::time::SimTime;
use crate::world;
use crate::world::process::Pause;
use crate::world::servers::{Part, ServerMachine, heard};
use std::borrow::Cow;
use zeromaster_zookeeper::{Release, ServerInput, ServerOutput, ServerRecord, SessionId};

impl Witness {
    /// Gives a server an input. What it wants done; what it records is written down already.
    pub fn server_handles(&mut self, number: u32, input: ServerInput) -> Vec<ServerOutput> {
        self.counts.events += 1;
        let now = self.now;
        let mut sessions = Vec::new();
        let heard = heard(&input, &mut sessions);
        let machine = self.server_mut(number);
        let (local, before) = (machine.local(now), machine.server.last_zxid());
        let mut outputs = Vec::new();
        machine.server.handle(local, input, &mut outputs);
        self.ask(|property, cluster| {
            let after = &cluster.server(number)?.server;
            let outputs = &outputs;
            property.served(&ServerStep {
                server: number,
                local,
                heard,
                before,
                after,
                outputs,
                cluster: *cluster,
            })
        });
        outputs.retain(|output| match output {
            ServerOutput::Record(record) => {
                self.server_record(number, *record);
                false
            }
            ServerOutput::Send { .. }
            | ServerOutput::Close { .. }
            | ServerOutput::Notify { .. }
            | ServerOutput::SendPeer { .. }
            | ServerOutput::ClosePeer { .. } => true,
        });
        outputs
    }

    /// When a server wants to be woken.
    #[must_use]
    pub fn server_deadline(&self, number: u32) -> Option<SimTime> {
        let machine = self.server(number);
        let deadline = machine.server.next_deadline()?;
        Some(machine.clock.sim_time_of(world::micros_up(deadline)))
    }

    /// Whether the time has come that a server waits for.
    #[must_use]
    pub fn server_is_due(&self, number: u32) -> bool {
        let machine = self.server(number);
        machine.server.next_deadline().is_some_and(|deadline| deadline <= machine.local(self.now))
    }

    /// Whether a server's process runs, held up or not.
    #[must_use]
    pub fn server_runs(&self, number: u32) -> bool {
        self.server(number).server.is_running()
    }

    /// Which release the servers behave like.
    #[must_use]
    pub fn release(&self) -> Release {
        self.scenario.zookeeper.release
    }

    /// The process of a server has died; its connections are the caller's to close.
    pub fn server_crashed(&mut self, number: u32) {
        let now = self.now;
        let machine = self.server_mut(number);
        if !machine.server.is_running() {
            return;
        }
        machine.pause = None;
        let local = machine.local(now);
        let mut outputs = Vec::new();
        machine.server.handle(local, ServerInput::Stopped, &mut outputs);
        for output in outputs {
            if let ServerOutput::Record(record) = output {
                self.server_record(number, record);
            }
        }
        self.server_mut(number).part = Part::Looking;
        self.happened(&Incident::ServerEnded { server: number });
    }

    /// The process of a server starts again. What it wants done.
    pub fn server_starts(&mut self, number: u32) -> Vec<ServerOutput> {
        if self.servers.len() == 1 {
            self.server_mut(number).part = Part::Leads { epoch: 0 };
        } else {
            self.note(server_name(number, 2), "starts", || "again".into());
        }
        self.doubts.starts(Endpoint::ZooKeeper(number));
        self.server_handles(number, ServerInput::Started)
    }

    /// A server's process stands still.
    pub fn server_paused(&mut self, number: u32, step: u32) {
        let now = self.now;
        let machine = self.server_mut(number);
        if machine.is_awake() {
            machine.pause = Some(Pause { step, since: now, buffered: true });
        }
    }

    /// A server's process runs on. `step`: only if it was that step that held it up. Whether it was.
    pub fn server_resumed(&mut self, number: u32, step: Option<u32>) -> bool {
        let now = self.now;
        let held_up_by = |pause: &mut Pause| step.is_none_or(|step| pause.step == step);
        let Some(pause) = self.server_mut(number).pause.take_if(held_up_by) else { return false };
        let length = now.since(pause.since);
        let name = self.server_name(number);
        self.note(name, "resumes", || format!("after {length:?}"));
        true
    }

    /// The wall clock of a server is set. What the server is to be told.
    pub fn wall_clock_set(&mut self, number: u32, by_ms: i64) -> ServerInput {
        let machine = self.server_mut(number);
        machine.wall_ahead_ms = machine.wall_ahead_ms.saturating_add(by_ms);
        ServerInput::WallClock { ahead_ms: machine.wall_ahead_ms }
    }

    /// ZooKeeper is about to be made to give a node's session up. Which, if it holds one.
    pub fn forces_expiry(&mut self, node: NodeNumber) -> Option<SessionId> {
        let session = self.machine(node).process.as_ref()?.client.session()?;
        let now = self.now;
        self.forced_expiries.insert(node, now);
        Some(session)
    }

    pub(super) fn server(&self, number: u32) -> &ServerMachine {
        let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        let machine = index.and_then(|index| self.servers.get(index));
        machine.unwrap_or_else(|| unreachable!("zk{number} is one of the scenario's servers"))
    }

    fn server_mut(&mut self, number: u32) -> &mut ServerMachine {
        let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        let machine = index.and_then(|index| self.servers.get_mut(index));
        machine.unwrap_or_else(|| unreachable!("zk{number} is one of the scenario's servers"))
    }

    /// The server that leads: of several that say so, the one with the latest epoch. One that stands still leads on.
    #[must_use]
    pub fn leader(&self) -> Option<u32> {
        let running = self.servers.iter().filter(|machine| machine.server.is_running());
        let leaders = running.filter_map(|machine| match machine.part {
            Part::Leads { epoch } => Some((epoch, machine.number)),
            Part::Looking | Part::Follows { .. } => None,
        });
        leaders.max().map(|(_, number)| number)
    }

    pub(super) fn followers(&self) -> Vec<u32> {
        let leader = self.leader();
        let follows = |part: Part| match part {
            Part::Follows { leader: followed, .. } => Some(followed) == leader,
            Part::Looking | Part::Leads { .. } => false,
        };
        self.servers.iter().filter(|machine| follows(machine.part)).map(|machine| machine.number).collect()
    }

    fn server_record(&mut self, number: u32, record: ServerRecord) {
        let actor = self.server_name(number);
        match record {
            ServerRecord::SessionOpened { .. } => {}
            ServerRecord::SessionExpired { session } => {
                let whose = self.whose(session);
                self.note(actor, "expired", || format!("session {session}{whose}"));
            }
            ServerRecord::SessionClosed { session } => {
                let whose = self.whose(session);
                self.note(actor, "closed", || format!("session {session}{whose}"));
            }
            ServerRecord::Looking => {
                self.plays(number, Part::Looking, "looking", "looks for a leader".into())
            }
            ServerRecord::Leads { epoch } => {
                self.plays(number, Part::Leads { epoch }, "leads", format!("epoch {epoch}"));
            }
            ServerRecord::Follows { leader, epoch } => {
                let text = format!("{}, epoch {epoch}", server_name(leader, 2));
                self.plays(number, Part::Follows { leader, epoch }, "follows", text);
            }
        }
    }

    fn plays(&mut self, number: u32, part: Part, word: &'static str, text: String) {
        if self.servers.len() > 1 {
            self.server_mut(number).part = part;
            self.note(server_name(number, 2), word, || text);
        }
    }

    fn server_name(&self, number: u32) -> Cow<'static, str> {
        server_name(number, self.servers.len())
    }

    fn whose(&self, session: SessionId) -> String {
        self.session_owners.get(&session).map_or_else(String::new, |node| format!(" of {node}"))
    }
}

/// `zk2`; `zk` when there is only one.
fn server_name(number: u32, servers: usize) -> Cow<'static, str> {
    if servers == 1 { Cow::Borrowed("zk") } else { format!("zk{number}").into() }
}
