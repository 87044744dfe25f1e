//! The follower: finds its leader, is brought up to date, logs what is proposed, applies what is committed, and passes on
//! what its clients want written.

use super::interface::ServerRecord;
use super::peer::{LinkId, PeerMessage};
use super::touched::Touched;
use super::turn::Turn;
use super::{Part, Server};
use crate::transaction::Transaction;
use crate::types::{ConnectionId, SessionId, Zxid};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use core::time::Duration;

/// How often a follower tries to reach its leader, which may not know yet that it was elected.
const TRIES: u32 = 5;

/// The pause between two tries: `zookeeper.leaderConnectDelayDuringRetryMs`.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// How far a follower has come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Stage {
    /// Nobody listened the last time; it tries again then.
    Refused {
        again_at: Duration,
    },
    /// It has opened a link, and heard nothing.
    Calling,
    /// It hears from its leader, and is not in step.
    Joining,
    /// It has acknowledged all that the leader had.
    InStep,
    Serving,
}

/// A server that follows, or is about to.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Follower {
    pub(super) leader: u32,
    pub(super) link: LinkId,
    stage: Stage,
    tries: u32,
    /// When it was elected, or when the leader was last heard of.
    heard_at: Duration,
    /// How long the leader may be silent until the follower is in step, and from then on.
    patience: [Duration; 2],
    committed: Zxid,
    /// The requests of this server that proposals come from.
    numbers: VecDeque<(Zxid, u64)>,
    /// Sessions heard of since the last answer to the leader.
    pub(super) touched: Touched,
    /// Connections whose session the leader is asked about.
    pub(super) revalidating: BTreeMap<SessionId, ConnectionId>,
}

impl Follower {
    pub(super) fn is_serving(&self) -> bool {
        self.stage == Stage::Serving
    }

    /// When it has waited for long enough. A follower that is not in step is as patient as its leader.
    pub(super) fn deadline(&self) -> Duration {
        let [joining, serving] = self.patience;
        match self.stage {
            Stage::Refused { again_at } => again_at,
            Stage::Calling | Stage::Joining | Stage::InStep => self.heard_at.saturating_add(joining),
            Stage::Serving => self.heard_at.saturating_add(serving),
        }
    }

    /// The request that the proposal comes from.
    fn number_of(&mut self, zxid: Zxid) -> Option<u64> {
        let (_, number) = self.numbers.pop_front_if(|(of, _)| *of == zxid)?;
        Some(number)
    }
}

impl Server {
    pub(super) fn follow(&mut self, turn: &mut Turn, leader: u32) {
        let link = self.disk.next_link(self.config.id);
        let patience = [self.config.init_limit, self.config.sync_limit]
            .map(|limit| self.config.tick.saturating_mul(limit));
        self.part = Part::Following(Follower {
            leader,
            link,
            stage: Stage::Calling,
            tries: 1,
            heard_at: turn.now,
            patience,
            committed: Zxid(0),
            numbers: VecDeque::new(),
            touched: Touched::default(),
            revalidating: BTreeMap::new(),
        });
        self.greet(turn, leader, link);
    }

    fn greet(&self, turn: &mut Turn, leader: u32, link: LinkId) {
        let accepted_epoch = self.disk.accepted_epoch;
        turn.send_peer(leader, link, PeerMessage::FollowerInfo { accepted_epoch });
    }

    /// The deadline has come: tries again, or gives the leader up.
    pub(super) fn wake_follower(&mut self, turn: &mut Turn) {
        let Part::Following(follower) = &mut self.part else { return };
        match follower.stage {
            Stage::Refused { .. } => {
                let link = self.disk.next_link(self.config.id);
                follower.stage = Stage::Calling;
                follower.tries += 1;
                follower.link = link;
                let leader = follower.leader;
                self.greet(turn, leader, link);
            }
            Stage::Calling | Stage::Joining | Stage::InStep | Stage::Serving => self.look(turn),
        }
    }

    /// The link to the leader is gone.
    pub(super) fn lose_leader(&mut self, turn: &mut Turn, from: u32, link: LinkId) {
        let Part::Following(follower) = &mut self.part else { return };
        if (follower.leader, follower.link) != (from, link) {
            return;
        }
        match follower.stage {
            Stage::Calling if follower.tries < TRIES => {
                follower.stage = Stage::Refused { again_at: turn.now.saturating_add(RETRY_PAUSE) };
            }
            Stage::Refused { .. } => {}
            Stage::Calling | Stage::Joining | Stage::InStep | Stage::Serving => self.look(turn),
        }
    }

    /// A message of the leader. A leader that says what does not fit is not this server's leader.
    pub(super) fn hear_leader(&mut self, turn: &mut Turn, from: u32, link: LinkId, message: PeerMessage) {
        let Part::Following(follower) = &mut self.part else { return };
        if (follower.leader, follower.link) != (from, link) {
            return;
        }
        follower.heard_at = turn.now;
        if matches!(follower.stage, Stage::Refused { .. } | Stage::Calling) {
            follower.stage = Stage::Joining;
        }
        let fits = match message {
            PeerMessage::NewEpoch { epoch } => self.accept(turn, epoch),
            PeerMessage::Snapshot(snapshot) => {
                let newer = snapshot.last_zxid() >= self.disk.log.last_applied();
                if newer {
                    self.disk.log.restart(snapshot.last_zxid());
                    self.disk.replica = Arc::unwrap_or_clone(snapshot.0);
                }
                newer
            }
            PeerMessage::Truncate { to } => self.disk.log.truncate(to),
            PeerMessage::Entries { transactions } => {
                transactions.into_iter().all(|transaction| self.disk.log.append(transaction))
            }
            PeerMessage::NewLeader { epoch } => self.in_step(turn, epoch),
            PeerMessage::UpToDate { committed } => self.up_to_date(turn, committed),
            PeerMessage::Propose { transaction, number } => self.log(turn, transaction, number),
            PeerMessage::Commit { zxid } => self.committed(turn, zxid),
            PeerMessage::Ping => {
                let touched = follower.touched.tell();
                turn.send_peer(from, link, PeerMessage::Pong { touched });
                true
            }
            PeerMessage::Synced { number, session } => {
                self.synced(turn, session, number);
                true
            }
            PeerMessage::Revalidated { session, valid } => {
                match follower.revalidating.remove(&session) {
                    Some(connection) if valid => self.connected(turn, connection, session),
                    Some(connection) => self.refuse(turn, connection, session),
                    None => {}
                }
                true
            }
            PeerMessage::FollowerInfo { .. }
            | PeerMessage::EpochAccepted { .. }
            | PeerMessage::Acknowledge { .. }
            | PeerMessage::Pong { .. }
            | PeerMessage::Ask { .. }
            | PeerMessage::Sync { .. }
            | PeerMessage::Revalidate { .. } => false,
        };
        if !fits {
            self.look(turn);
        }
    }

    /// Promises not to listen to leaders of earlier epochs. An epoch is accepted once.
    fn accept(&mut self, turn: &mut Turn, epoch: u32) -> bool {
        let Part::Following(follower) = &self.part else { return false };
        let newer = epoch > self.disk.accepted_epoch;
        let current_epoch = newer.then_some(self.disk.current_epoch);
        if epoch < self.disk.accepted_epoch {
            return false;
        }
        self.disk.accepted_epoch = epoch;
        let last_zxid = self.disk.log.last();
        turn.send_peer(
            follower.leader,
            follower.link,
            PeerMessage::EpochAccepted { current_epoch, last_zxid },
        );
        true
    }

    fn in_step(&mut self, turn: &mut Turn, epoch: u32) -> bool {
        let Part::Following(follower) = &mut self.part else { return false };
        if epoch != self.disk.accepted_epoch || follower.stage != Stage::Joining {
            return false;
        }
        follower.stage = Stage::InStep;
        self.disk.current_epoch = epoch;
        let zxid = self.disk.log.last();
        turn.send_peer(follower.leader, follower.link, PeerMessage::Acknowledge { zxid });
        true
    }

    fn up_to_date(&mut self, turn: &mut Turn, committed: Zxid) -> bool {
        let Part::Following(follower) = &mut self.part else { return false };
        if follower.stage != Stage::InStep {
            return false;
        }
        follower.stage = Stage::Serving;
        let (leader, epoch) = (follower.leader, self.disk.accepted_epoch);
        turn.record(ServerRecord::Follows { leader, epoch });
        self.committed(turn, committed)
    }

    /// Logs a proposal. It is acknowledged by itself once everything before it was.
    fn log(&mut self, turn: &mut Turn, transaction: Transaction, number: Option<u64>) -> bool {
        let Part::Following(follower) = &mut self.part else { return false };
        let zxid = transaction.zxid;
        if !self.disk.log.append(transaction) {
            return false;
        }
        follower.numbers.extend(number.map(|number| (zxid, number)));
        match follower.stage {
            Stage::Refused { .. } | Stage::Calling | Stage::Joining => {}
            Stage::InStep | Stage::Serving => {
                turn.send_peer(follower.leader, follower.link, PeerMessage::Acknowledge { zxid });
            }
        }
        true
    }

    /// Applies what is committed, unless the leader has not said yet that it serves.
    fn committed(&mut self, turn: &mut Turn, zxid: Zxid) -> bool {
        let Part::Following(follower) = &mut self.part else { return false };
        follower.committed = follower.committed.max(zxid);
        let committed = follower.committed;
        if follower.stage == Stage::Serving {
            self.apply_up_to(turn, committed);
        }
        true
    }

    /// Applies what is logged, up to `committed`.
    pub(super) fn apply_up_to(&mut self, turn: &mut Turn, committed: Zxid) {
        while let Some(transaction) = self.disk.next_to_apply(committed) {
            let number = match &mut self.part {
                Part::Following(follower) => follower.number_of(transaction.zxid),
                Part::Looking(_) | Part::Leading(_) => None,
            };
            self.apply_logged(turn, &transaction, number);
        }
    }

    /// Applies the next transaction of the log, and goes on with what has waited for it.
    pub(super) fn apply_logged(&mut self, turn: &mut Turn, transaction: &Transaction, number: Option<u64>) {
        self.disk.log.applied_one();
        let session = transaction.session;
        let answer = number.and_then(|number| self.take_answer(session, number));
        self.apply(turn, transaction, answer);
        if number.is_some() {
            self.go_on(turn, session);
        }
    }
}
