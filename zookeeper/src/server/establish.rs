//! From an elected leader to one that serves: the epoch, what each follower lacks, the quorum that is in step; and the same
//! for those that come later. What it does then is left to `leader`.

use super::interface::ServerRecord;
use super::leader::{FollowerAsks, Leader};
use super::peer::{LinkId, PeerMessage, Snapshot};
use super::turn::Turn;
use super::{Part, Server};
use crate::types::{SessionId, Zxid};
use alloc::collections::btree_map::Entry;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// How far a leader has come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Stage {
    /// It waits for a quorum, to choose an epoch that none of it has seen.
    Gathering,
    /// It waits for a quorum to accept the epoch.
    Proposing,
    /// It brings a quorum up to date.
    Synchronising,
    Serving,
}

/// How far a follower has come, as its leader sees it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Progress {
    Greeted {
        accepted_epoch: u32,
    },
    /// `first` unless it had accepted the epoch before.
    Accepted {
        last_zxid: Zxid,
        first: bool,
    },
    /// It was sent what it lacks.
    Synchronising,
    InStep,
}

/// A server that follows, or is about to.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Member {
    pub(super) link: LinkId,
    progress: Progress,
    logged: Zxid,
    /// The last tick at which it may be silent.
    pub(super) silent_at_tick: u64,
}

impl Member {
    pub(super) fn has_logged(&self, zxid: Zxid) -> bool {
        self.progress == Progress::InStep && self.logged >= zxid
    }

    /// Whether it has all that its leader had when it came.
    pub(super) fn is_in_step(&self) -> bool {
        self.progress == Progress::InStep
    }

    /// Whether it is told of what happens from now on.
    pub(super) fn listens(&self) -> bool {
        match self.progress {
            Progress::Greeted { .. } | Progress::Accepted { .. } => false,
            Progress::Synchronising | Progress::InStep => true,
        }
    }
}

impl Leader {
    fn count(&self, counts: impl Fn(Progress) -> bool) -> usize {
        self.members.values().filter(|member| counts(member.progress)).count()
    }
}

impl Server {
    pub(super) fn prepare_to_lead(&mut self, turn: &mut Turn) {
        let leader = Leader::new(turn.now, &self.config, Stage::Gathering, self.disk.log.last());
        self.part = Part::Leading(leader);
    }

    /// A message of a server that takes this one for the leader. It is ignored when it comes on a link of the past.
    pub(super) fn hear_follower(&mut self, turn: &mut Turn, from: u32, link: LinkId, message: PeerMessage) {
        let sync_limit = u64::from(self.config.sync_limit);
        let Part::Leading(leader) = &mut self.part else { return };
        let ticks = leader.ticks();
        let serving = leader.stage == Stage::Serving;
        if let PeerMessage::FollowerInfo { accepted_epoch } = message {
            return self.greeted(turn, from, link, accepted_epoch);
        }
        let Some(member) = leader.members.get_mut(&from).filter(|member| member.link == link) else { return };
        let in_step = serving && member.progress == Progress::InStep;
        if in_step {
            member.silent_at_tick = ticks.saturating_add(sync_limit);
        }
        match message {
            PeerMessage::EpochAccepted { current_epoch, last_zxid } => {
                self.epoch_accepted(turn, from, current_epoch, last_zxid);
            }
            PeerMessage::Acknowledge { zxid } => self.acknowledged(turn, from, zxid),
            PeerMessage::Pong { touched } if in_step => {
                for (session, timeout) in touched.iter() {
                    leader.tracker.touch(turn.now, *session, *timeout);
                }
            }
            PeerMessage::Ask { number, session, ask } if in_step => {
                self.asked(turn, from, link, FollowerAsks::Write { number, session, ask });
            }
            PeerMessage::Sync { number, session } if in_step => {
                self.asked(turn, from, link, FollowerAsks::Sync { number, session });
            }
            PeerMessage::Revalidate { session, timeout } if in_step => {
                self.asked(turn, from, link, FollowerAsks::Revalidate { session, timeout });
            }
            PeerMessage::Pong { .. }
            | PeerMessage::Ask { .. }
            | PeerMessage::Sync { .. }
            | PeerMessage::Revalidate { .. }
            | PeerMessage::FollowerInfo { .. }
            | PeerMessage::NewEpoch { .. }
            | PeerMessage::Snapshot(_)
            | PeerMessage::Truncate { .. }
            | PeerMessage::Entries { .. }
            | PeerMessage::NewLeader { .. }
            | PeerMessage::UpToDate { .. }
            | PeerMessage::Propose { .. }
            | PeerMessage::Commit { .. }
            | PeerMessage::Ping
            | PeerMessage::Synced { .. }
            | PeerMessage::Revalidated { .. } => {}
        }
    }

    /// A server opens a link. It has only one: a newer one replaces an older, and not the other way round.
    fn greeted(&mut self, turn: &mut Turn, from: u32, link: LinkId, accepted_epoch: u32) {
        let patience = u64::from(self.config.init_limit) + u64::from(self.config.sync_limit);
        let quorum = self.quorum();
        let Part::Leading(leader) = &mut self.part else { return };
        let silent_at_tick = leader.ticks().saturating_add(patience);
        let progress = Progress::Greeted { accepted_epoch };
        let member = Member { link, progress, logged: Zxid(0), silent_at_tick };
        match leader.members.entry(from) {
            Entry::Occupied(known) if known.get().link >= link => return,
            Entry::Occupied(mut known) => {
                let before = known.insert(member);
                turn.close_peer(from, before.link);
            }
            Entry::Vacant(unknown) => drop(unknown.insert(member)),
        }
        match leader.stage {
            Stage::Gathering if leader.members.len() + 1 >= quorum => self.choose_epoch(turn),
            Stage::Gathering => {}
            Stage::Proposing | Stage::Synchronising | Stage::Serving => {
                let epoch = self.disk.accepted_epoch;
                turn.send_peer(from, link, PeerMessage::NewEpoch { epoch });
            }
        }
    }

    fn choose_epoch(&mut self, turn: &mut Turn) {
        let Part::Leading(leader) = &mut self.part else { return };
        let accepted = leader.members.values().map(|member| match member.progress {
            Progress::Greeted { accepted_epoch } => accepted_epoch,
            Progress::Accepted { .. } | Progress::Synchronising | Progress::InStep => 0,
        });
        let newest = accepted.fold(self.disk.accepted_epoch, u32::max);
        let Some(epoch) = newest.checked_add(1) else { return self.look(turn) };
        self.disk.accepted_epoch = epoch;
        leader.stage = Stage::Proposing;
        for (server, member) in &leader.members {
            turn.send_peer(*server, member.link, PeerMessage::NewEpoch { epoch });
        }
    }

    /// A server has accepted the epoch. The leader of an epoch knows at least as much as each of the quorum that accepts
    /// it; if not, it was the wrong one.
    fn epoch_accepted(&mut self, turn: &mut Turn, from: u32, current_epoch: Option<u32>, last_zxid: Zxid) {
        let quorum = self.quorum();
        let mine = (self.disk.current_epoch, self.disk.log.last());
        let epoch = self.disk.accepted_epoch;
        let Part::Leading(leader) = &mut self.part else { return };
        let Some(member) = leader.members.get_mut(&from) else { return };
        match (leader.stage, member.progress) {
            (Stage::Proposing | Stage::Synchronising | Stage::Serving, Progress::Greeted { .. }) => {
                member.progress = Progress::Accepted { last_zxid, first: current_epoch.is_some() }
            }
            (Stage::Gathering, _)
            | (_, Progress::Accepted { .. } | Progress::Synchronising | Progress::InStep) => return,
        }
        match leader.stage {
            Stage::Gathering => {}
            Stage::Proposing => {
                if current_epoch.is_some_and(|current_epoch| (current_epoch, last_zxid) > mine) {
                    return self.look(turn);
                }
                let accepts = |progress| matches!(progress, Progress::Accepted { first: true, .. });
                if leader.count(accepts) + 1 >= quorum {
                    leader.stage = Stage::Synchronising;
                    self.disk.current_epoch = epoch;
                    let members: Vec<_> = leader.members.keys().copied().collect();
                    members.into_iter().for_each(|server| self.synchronise(turn, server));
                }
            }
            Stage::Synchronising | Stage::Serving => self.synchronise(turn, from),
        }
    }

    /// Sends a follower what it lacks, and takes away what it has too much; from then on it hears of all that happens.
    fn synchronise(&mut self, turn: &mut Turn, server: u32) {
        let epoch = self.disk.accepted_epoch;
        let Part::Leading(leader) = &mut self.part else { return };
        let Some(member) = leader.members.get_mut(&server) else { return };
        let Progress::Accepted { last_zxid, .. } = member.progress else { return };
        member.progress = Progress::Synchronising;
        let link = member.link;
        let common = match self.disk.log.at_most(last_zxid) {
            Some(common) if common < last_zxid => {
                turn.send_peer(server, link, PeerMessage::Truncate { to: common });
                common
            }
            Some(common) => common,
            None => {
                let snapshot = Snapshot(Arc::new(self.disk.replica.clone()));
                let common = snapshot.last_zxid();
                turn.send_peer(server, link, PeerMessage::Snapshot(snapshot));
                common
            }
        };
        let transactions: Vec<_> = self.disk.log.behind(common).cloned().collect();
        if !transactions.is_empty() {
            turn.send_peer(server, link, PeerMessage::Entries { transactions });
        }
        turn.send_peer(server, link, PeerMessage::NewLeader { epoch });
    }

    /// A follower has logged everything up to `zxid`. The first time it says so it is in step.
    fn acknowledged(&mut self, turn: &mut Turn, from: u32, zxid: Zxid) {
        let quorum = self.quorum();
        let committed = self.disk.replica.last_zxid();
        let Part::Leading(leader) = &mut self.part else { return };
        let Some(member) = leader.members.get_mut(&from) else { return };
        let joins = match member.progress {
            Progress::Greeted { .. } | Progress::Accepted { .. } => return,
            Progress::Synchronising => true,
            Progress::InStep => false,
        };
        member.progress = Progress::InStep;
        member.logged = member.logged.max(zxid);
        match leader.stage {
            Stage::Serving if joins => {
                turn.send_peer(from, member.link, PeerMessage::UpToDate { committed });
                self.commit(turn);
            }
            Stage::Serving => self.commit(turn),
            Stage::Gathering | Stage::Proposing | Stage::Synchronising => {
                if leader.count(|progress| progress == Progress::InStep) + 1 >= quorum {
                    self.start_serving(turn);
                }
            }
        }
    }

    /// A quorum is in step: all that this server had logged is committed now, and every session has its full timeout again.
    fn start_serving(&mut self, turn: &mut Turn) {
        let epoch = self.disk.accepted_epoch;
        if let Part::Leading(leader) = &mut self.part {
            leader.stage = Stage::Serving;
            leader.proposed = Zxid::first_of(epoch);
        }
        turn.record(ServerRecord::Leads { epoch });
        self.apply_up_to(turn, self.disk.log.last());
        let committed = self.disk.replica.last_zxid();
        let Part::Leading(leader) = &mut self.part else { return };
        for (session, timeout) in self.disk.replica.sessions() {
            leader.tracker.track(turn.now, *session, *timeout, None);
        }
        leader.beat_at = turn.now.saturating_add(super::leader::half(self.config.tick));
        leader.containers_at = turn.now.saturating_add(self.config.container_check);
        for (server, member) in &leader.members {
            if member.progress == Progress::InStep {
                turn.send_peer(*server, member.link, PeerMessage::UpToDate { committed });
            }
        }
    }

    /// A follower's link is gone. Its silence counts at the next tick.
    pub(super) fn lose_follower(&mut self, from: u32, link: LinkId) {
        let Part::Leading(leader) = &mut self.part else { return };
        if leader.members.get(&from).is_some_and(|member| member.link == link) {
            leader.members.remove(&from);
        }
    }

    /// When the session expires, on the leader's clock, unless something is heard of it. `None` when there is none, when
    /// its end is decided, and on a server that does not lead.
    #[must_use]
    pub fn expires_at(&self, session: SessionId) -> Option<Duration> {
        match &self.part {
            Part::Leading(leader) => leader.tracker.expires_at(session),
            Part::Looking(_) | Part::Following(_) => None,
        }
    }
}
