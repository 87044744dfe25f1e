//! The leader: what becomes of requests, proposals and acknowledgements, the tick at which it asks itself whether it still
//! leads, sessions whose time is up, containers to delete; how it came to lead is left to `establish`.

use super::buckets::Buckets;
use super::establish::{Member, Stage};
use super::interface::ServerConfig;
use super::peer::{Ask, LinkId, PeerMessage};
use super::requests::{Answer, Waiting};
use super::tracker::{Owner, Tracker};
use super::turn::Turn;
use super::{Part, Server};
use crate::error::ErrorCode;
use crate::operation::Operation;
use crate::transaction::{Transaction, TransactionBody};
use crate::types::{SessionId, Zxid};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use core::time::Duration;

/// A server that leads, or prepares to.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Leader {
    pub(super) stage: Stage,
    /// Until when it has to serve.
    pub(super) give_up_at: Duration,
    /// Those that follow, or are about to.
    pub(super) members: BTreeMap<u32, Member>,
    /// The last transaction proposed.
    pub(super) proposed: Zxid,
    /// Proposed, and not committed.
    outstanding: VecDeque<Proposal>,
    /// What waits for a commit, in the order of the zxids.
    syncs: VecDeque<Sync>,
    pub(super) tracker: Tracker,
    /// The next half of a tick.
    pub(super) beat_at: Duration,
    beats: u64,
    pub(super) containers_at: Duration,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Proposal {
    transaction: Transaction,
    /// The request of this server that it comes from.
    number: Option<u64>,
}

/// A follower wants to know when `zxid` is committed.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Sync {
    zxid: Zxid,
    server: u32,
    link: LinkId,
    number: u64,
    session: SessionId,
}

/// Who asks for a transaction.
pub(super) enum Origin {
    /// The leader itself.
    Leader,
    /// One of its own clients.
    Client(Answer),
    /// A client of a follower.
    Follower { server: u32, link: LinkId, number: u64 },
}

impl Leader {
    pub(super) fn new(now: Duration, config: &ServerConfig, stage: Stage, proposed: Zxid) -> Self {
        Leader {
            stage,
            give_up_at: now.saturating_add(config.tick.saturating_mul(config.init_limit)),
            members: BTreeMap::new(),
            proposed,
            outstanding: VecDeque::new(),
            syncs: VecDeque::new(),
            tracker: Tracker::new(Buckets::new(config.tick, config.bucket_phase)),
            beat_at: now.saturating_add(half(config.tick)),
            beats: 0,
            containers_at: now.saturating_add(config.container_check),
        }
    }

    /// When it has something to do. A leader without followers does not ask itself whether it leads.
    pub(super) fn deadline(&self, alone: bool) -> Duration {
        if self.stage != Stage::Serving {
            return self.give_up_at;
        }
        let at = if alone { self.containers_at } else { self.containers_at.min(self.beat_at) };
        self.tracker.next_expiry().map_or(at, |expiry| at.min(expiry))
    }

    /// The number of ticks since it serves.
    pub(super) fn ticks(&self) -> u64 {
        self.beats / 2
    }

    /// What becomes of a request: the leader refuses what comes through another server than the one that the session is
    /// attached to, and what comes after the end of the session is decided. Everything else is checked when it is applied.
    pub(super) fn decide(
        &mut self,
        now: Duration,
        config: &ServerConfig,
        owner: Owner,
        session: SessionId,
        ask: Ask,
    ) -> TransactionBody {
        match ask {
            Ask::OpenSession { timeout } => {
                self.tracker.track(now, session, timeout, Some(owner));
                TransactionBody::OpenSession { timeout }
            }
            Ask::CloseSession => {
                self.tracker.close(session);
                self.close_session(config, false)
            }
            Ask::Write { operation, identities } => match self.refusal(&operation, session, owner) {
                Some(code) => TransactionBody::Refused(code),
                None => TransactionBody::write(operation, identities),
            },
        }
    }

    fn refusal(&mut self, operation: &Operation, session: SessionId, owner: Owner) -> Option<ErrorCode> {
        match operation {
            // These never look at the session.
            Operation::DeleteContainer { .. } | Operation::Reconfig | Operation::Malformed { .. } => None,
            Operation::Create(_)
            | Operation::Delete { .. }
            | Operation::Exists { .. }
            | Operation::GetData { .. }
            | Operation::SetData { .. }
            | Operation::GetAcl { .. }
            | Operation::SetAcl { .. }
            | Operation::GetChildren { .. }
            | Operation::GetChildren2 { .. }
            | Operation::Sync { .. }
            | Operation::Check { .. }
            | Operation::Multi { .. }
            | Operation::MultiRead { .. }
            | Operation::SetWatches(_)
            | Operation::AddWatch { .. }
            | Operation::RemoveWatches { .. }
            | Operation::CheckWatches { .. }
            | Operation::GetEphemerals { .. }
            | Operation::GetAllChildrenNumber { .. }
            | Operation::WhoAmI
            | Operation::Unknown { .. } => self.tracker.check(session, owner).err(),
        }
    }

    fn close_session(&self, config: &ServerConfig, expired: bool) -> TransactionBody {
        let order = match config.choices {
            0 => 0,
            choices => mixed(choices ^ self.proposed.0),
        };
        TransactionBody::CloseSession { order, expired }
    }

    /// The next proposal, if a quorum has logged it: this server and enough of those that are in step.
    fn next_committed(&mut self, quorum: usize) -> Option<Proposal> {
        let zxid = self.outstanding.front()?.transaction.zxid;
        let logged = self.members.values().filter(|member| member.has_logged(zxid)).count();
        if logged + 1 < quorum { None } else { self.outstanding.pop_front() }
    }

    /// Those that are told of proposals and commits.
    fn listeners(&self) -> impl Iterator<Item = (u32, LinkId)> {
        let listeners = self.members.iter().filter(|(_, member)| member.listens());
        listeners.map(|(server, member)| (*server, member.link))
    }
}

impl Server {
    /// Numbers a transaction, and has it logged by everybody. A server that stands alone applies it at once.
    pub(super) fn propose(
        &mut self,
        turn: &mut Turn,
        session: SessionId,
        body: TransactionBody,
        origin: Origin,
    ) {
        let wall_ms = self.wall_ms(turn.now);
        let Part::Leading(leader) = &mut self.part else { return };
        if !self.config.is_alone() && leader.proposed.is_last_of_epoch() {
            // Only a new epoch has more numbers.
            return self.look(turn);
        }
        leader.proposed = leader.proposed.next();
        let transaction = Transaction { zxid: leader.proposed, wall_ms, session, body };
        if self.config.is_alone() {
            let answer = match origin {
                Origin::Client(answer) => Some(answer),
                Origin::Leader | Origin::Follower { .. } => None,
            };
            return self.apply(turn, &transaction, answer);
        }
        let (from, number) = match origin {
            Origin::Leader => (None, None),
            Origin::Client(answer) => {
                self.numbers += 1;
                let number = self.numbers;
                self.pending.push(session, Waiting::Committed { number, answer });
                (None, Some(number))
            }
            Origin::Follower { server, link, number } => (Some((server, link, number)), None),
        };
        for (server, link) in leader.listeners() {
            let number = from.filter(|(of, on, _)| (*of, *on) == (server, link)).map(|(_, _, number)| number);
            turn.send_peer(server, link, PeerMessage::Propose { transaction: transaction.clone(), number });
        }
        let newer = self.disk.log.append(transaction.clone());
        assert!(newer, "a leader's numbers go up");
        leader.outstanding.push_back(Proposal { transaction, number });
    }

    /// Commits what a quorum has logged: the followers are told first.
    pub(super) fn commit(&mut self, turn: &mut Turn) {
        let quorum = self.quorum();
        while let Part::Leading(leader) = &mut self.part
            && leader.stage == Stage::Serving
            && let Some(Proposal { transaction, number }) = leader.next_committed(quorum)
        {
            let zxid = transaction.zxid;
            for (server, link) in leader.listeners() {
                turn.send_peer(server, link, PeerMessage::Commit { zxid });
            }
            self.answer_syncs(turn, zxid);
            self.apply_logged(turn, &transaction, number);
        }
    }

    fn answer_syncs(&mut self, turn: &mut Turn, committed: Zxid) {
        let Part::Leading(leader) = &mut self.part else { return };
        while let Some(sync) = leader.syncs.pop_front() {
            if sync.zxid > committed {
                leader.syncs.push_front(sync);
                return;
            }
            if leader.members.get(&sync.server).is_some_and(|member| member.link == sync.link) {
                let Sync { server, link, number, session, .. } = sync;
                turn.send_peer(server, link, PeerMessage::Synced { number, session });
            }
        }
    }

    /// A follower asks for something on behalf of a client.
    pub(super) fn asked(&mut self, turn: &mut Turn, server: u32, link: LinkId, message: FollowerAsks) {
        let owner = Owner { server, link };
        let Part::Leading(leader) = &mut self.part else { return };
        match message {
            FollowerAsks::Write { number, session, ask } => {
                let body = leader.decide(turn.now, &self.config, owner, session, ask);
                self.propose(turn, session, body, Origin::Follower { server, link, number });
            }
            FollowerAsks::Sync { number, session } => {
                if leader.outstanding.is_empty() {
                    turn.send_peer(server, link, PeerMessage::Synced { number, session });
                } else {
                    let zxid = leader.proposed;
                    leader.syncs.push_back(Sync { zxid, server, link, number, session });
                }
            }
            FollowerAsks::Revalidate { session, timeout } => {
                let valid = leader.tracker.touch(turn.now, session, timeout);
                if valid {
                    leader.tracker.set_owner(session, owner);
                }
                turn.send_peer(server, link, PeerMessage::Revalidated { session, valid });
            }
        }
    }

    /// Half a tick has passed. At every full one the leader asks itself whether a quorum still follows: it counts in ticks,
    /// not in time, so that one that was away for long goes on for up to a tick as if it had not been.
    pub(super) fn beat(&mut self, turn: &mut Turn) {
        let quorum = self.quorum();
        let Part::Leading(leader) = &mut self.part else { return };
        leader.beats += 1;
        leader.beat_at = turn.now.saturating_add(half(self.config.tick));
        let ticks = leader.ticks();
        leader.members.retain(|server, member| {
            let kept = member.silent_at_tick >= ticks;
            if !kept {
                turn.close_peer(*server, member.link);
            }
            kept
        });
        if leader.beats.is_multiple_of(2) && leader.members.len() + 1 < quorum {
            return self.look(turn);
        }
        for (server, link) in leader.listeners() {
            turn.send_peer(server, link, PeerMessage::Ping);
        }
    }

    /// Ends the sessions whose time is up.
    pub(super) fn expire_due(&mut self, turn: &mut Turn) {
        while let Part::Leading(leader) = &mut self.part
            && let Some(session) = leader.tracker.close_due(turn.now)
        {
            let body = leader.close_session(&self.config, true);
            self.propose(turn, session, body, Origin::Leader);
        }
    }

    /// Ends a session before its time.
    pub(super) fn expire(&mut self, turn: &mut Turn, session: SessionId) {
        let Part::Leading(leader) = &mut self.part else { return };
        if leader.stage == Stage::Serving && leader.tracker.close(session) {
            let body = leader.close_session(&self.config, true);
            self.propose(turn, session, body, Origin::Leader);
        }
    }

    /// Deletes containers that have become empty, and nodes whose time to live is over.
    pub(super) fn delete_containers(&mut self, turn: &mut Turn) {
        let due = self.disk.replica.due_containers(self.wall_ms(turn.now));
        for path in due {
            let operation = Operation::DeleteContainer { path };
            let body = TransactionBody::write(operation, Arc::from([]));
            self.propose(turn, SessionId(0), body, Origin::Leader);
        }
        if let Part::Leading(leader) = &mut self.part {
            leader.containers_at = turn.now.saturating_add(self.config.container_check);
        }
    }
}

/// What a follower asks its leader for.
pub(super) enum FollowerAsks {
    Write { number: u64, session: SessionId, ask: Ask },
    Sync { number: u64, session: SessionId },
    Revalidate { session: SessionId, timeout: Duration },
}

pub(super) fn half(tick: Duration) -> Duration {
    (tick / 2).max(Duration::from_nanos(1))
}

/// SplitMix64's last step: similar numbers become different ones.
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
