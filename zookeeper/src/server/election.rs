//! The election: which vote a server gives, when it is sure of it; what the elected one does is left to `establish`, what
//! the others do to `follower`.
//!
//! As ZooKeeper's `FastLeaderElection`: everybody tells everybody the best vote it knows; who sees a quorum for its own
//! vote, and nothing better for a while, is sure. Who is sure already answers those who still look.

use super::disk::Disk;
use super::peer::{Notification, PeerState, Vote};
use super::turn::Turn;
use super::{Part, Server};
use alloc::collections::BTreeMap;
use core::time::Duration;

/// How long a quorum for a vote has to stand before it counts: `finalizeWait`. Also the first pause between two tellings.
const SETTLE: Duration = Duration::from_millis(200);

/// The longest pause between two tellings, as votes may be lost. ZooKeeper lets it grow to 60 s, because TCP tells it of
/// new connections; nothing tells a server here.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// One round of voting, or several, of a server that looks for a leader.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Election {
    pub(super) round: u64,
    pub(super) vote: Vote,
    /// The other votes of this round.
    votes: BTreeMap<u32, Vote>,
    /// What those say who do not look any more.
    settled: BTreeMap<u32, Notification>,
    tell_at: Duration,
    pause: Duration,
    sure_at: Option<Duration>,
}

/// Who votes.
#[derive(Clone, Copy)]
pub(super) struct Voter {
    pub(super) id: u32,
    pub(super) quorum: usize,
    /// Its vote for itself.
    pub(super) itself: Vote,
}

/// What comes of hearing a vote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Heard {
    Nothing,
    /// This server votes otherwise now, and tells everybody.
    Changed,
    /// The teller is behind, and is told.
    Answer,
    /// A quorum is sure of this vote.
    Settled(Vote),
}

impl Election {
    /// A server begins to look, and tells everybody at `now`.
    pub(super) fn new(now: Duration, round: u64, itself: Vote) -> Self {
        let (votes, settled) = (BTreeMap::new(), BTreeMap::new());
        Election { round, vote: itself, votes, settled, tell_at: now, pause: SETTLE, sure_at: None }
    }

    pub(super) fn deadline(&self) -> Duration {
        self.sure_at.map_or(self.tell_at, |sure_at| sure_at.min(self.tell_at))
    }

    /// Whether everybody is to be told again.
    pub(super) fn is_time_to_tell(&mut self, now: Duration) -> bool {
        let due = self.tell_at <= now;
        if due {
            self.tell_at = now.saturating_add(self.pause);
            self.pause = (self.pause * 2).min(PAUSE_MAX);
        }
        due
    }

    /// The vote that a quorum had for long enough.
    pub(super) fn is_sure(&self, now: Duration) -> Option<Vote> {
        self.sure_at.filter(|sure_at| *sure_at <= now).map(|_| self.vote)
    }

    pub(super) fn hear(&mut self, now: Duration, me: Voter, from: u32, heard: &Notification) -> Heard {
        match heard.state {
            PeerState::Looking => self.hear_who_looks(now, me, from, heard),
            PeerState::Following | PeerState::Leading => self.hear_who_is_sure(me, from, heard),
        }
    }

    fn hear_who_looks(&mut self, now: Duration, me: Voter, from: u32, heard: &Notification) -> Heard {
        self.settled.remove(&from);
        if heard.round < self.round {
            return Heard::Answer;
        }
        let ahead = heard.round > self.round;
        let mine = if ahead { me.itself } else { self.vote };
        if ahead {
            self.round = heard.round;
            self.votes.clear();
        }
        self.votes.insert(from, heard.vote);
        let best = mine.max(heard.vote);
        let changed = ahead || best != self.vote;
        self.vote = best;
        self.sure_at = (self.supporters(best) >= me.quorum).then(|| now.saturating_add(SETTLE));
        if changed { Heard::Changed } else { Heard::Nothing }
    }

    /// Joins those who are sure, if they are a quorum and the one they follow says so too. They may have become so in
    /// different rounds: one that reaches its leader late joins it in a later one (ZOOKEEPER-1732).
    fn hear_who_is_sure(&mut self, me: Voter, from: u32, heard: &Notification) -> Heard {
        let leader = heard.vote.leader;
        self.settled.insert(from, heard.clone());
        let same_round = heard.round == self.round;
        if same_round {
            self.votes.insert(from, heard.vote);
        }
        let agree = |other: &&Notification| other.vote.leader == leader;
        let sure = self.settled.values().filter(agree).count();
        let supporters = if same_round { self.supporters(heard.vote) } else { 0 };
        let leader_agrees = if leader == me.id {
            same_round
        } else {
            self.settled.get(&leader).is_some_and(|other| other.state == PeerState::Leading)
        };
        if sure.max(supporters) < me.quorum || !leader_agrees {
            return Heard::Nothing;
        }
        self.round = heard.round;
        Heard::Settled(heard.vote)
    }

    /// How many servers vote so in this round, this one among them.
    fn supporters(&self, vote: Vote) -> usize {
        self.votes.values().filter(|other| **other == vote).count() + usize::from(self.vote == vote)
    }
}

impl Server {
    /// Another server tells how it votes. Who does not look any more lets others know whom to join.
    pub(super) fn notified(&mut self, turn: &mut Turn, from: u32, heard: &Notification) {
        let me = self.voter();
        match &mut self.part {
            Part::Looking(election) => match election.hear(turn.now, me, from, heard) {
                Heard::Nothing => {}
                Heard::Changed => self.tell_all(turn),
                Heard::Answer => turn.notify(from, self.notification()),
                Heard::Settled(vote) => self.elected(turn, vote),
            },
            Part::Following(_) | Part::Leading(_) => match heard.state {
                PeerState::Looking => turn.notify(from, self.notification()),
                PeerState::Following | PeerState::Leading => {}
            },
        }
    }

    /// Tells everybody again, or is sure at last.
    pub(super) fn wake_election(&mut self, turn: &mut Turn) {
        let Part::Looking(election) = &mut self.part else { return };
        if let Some(vote) = election.is_sure(turn.now) {
            self.elected(turn, vote);
        } else if election.is_time_to_tell(turn.now) {
            self.tell_all(turn);
        }
    }

    fn elected(&mut self, turn: &mut Turn, vote: Vote) {
        let Part::Looking(election) = &self.part else { return };
        self.ballot = (election.round, vote);
        if vote.leader == self.config.id {
            self.prepare_to_lead(turn);
        } else {
            self.follow(turn, vote.leader);
        }
    }

    fn tell_all(&mut self, turn: &mut Turn) {
        let notification = self.notification();
        for other in self.others() {
            turn.notify(other, notification.clone());
        }
    }

    fn notification(&self) -> Notification {
        let (round, vote) = self.ballot;
        match &self.part {
            Part::Looking(election) => {
                let Election { round, vote, .. } = *election;
                Notification { round, vote, state: PeerState::Looking }
            }
            Part::Following(_) => Notification { round, vote, state: PeerState::Following },
            Part::Leading(_) => Notification { round, vote, state: PeerState::Leading },
        }
    }

    fn voter(&self) -> Voter {
        Voter { id: self.config.id, quorum: self.quorum(), itself: self.vote_for_itself() }
    }

    pub(super) fn vote_for_itself(&self) -> Vote {
        let Disk { current_epoch: epoch, log, .. } = &self.disk;
        Vote { epoch: *epoch, zxid: log.last(), leader: self.config.id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Zxid;
    use PeerState::{Following, Leading, Looking};

    fn vote(epoch: u32, zxid: u64, leader: u32) -> Vote {
        Vote { epoch, zxid: Zxid(zxid), leader }
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Server 2 of three, with transaction 5 of epoch 1, in round 4.
    fn me() -> Voter {
        Voter { id: 2, quorum: 2, itself: vote(1, 5, 2) }
    }

    fn election() -> Election {
        Election::new(millis(0), 4, me().itself)
    }

    #[track_caller]
    fn check(election: &mut Election, from: u32, told: (u64, Vote, PeerState), expected: Heard) {
        let (round, vote, state) = told;
        let heard = Notification { round, vote, state };
        assert_eq!(election.hear(millis(1000), me(), from, &heard), expected);
    }

    #[test]
    fn the_newest_epoch_wins_then_the_longest_log_then_the_highest_server() {
        for (other, mine) in [
            (vote(2, 0, 1), false),
            (vote(1, 6, 1), false),
            (vote(1, 5, 3), false),
            (vote(1, 5, 1), true),
            (vote(1, 4, 3), true),
            (vote(0, 9, 3), true),
        ] {
            let mut election = election();
            let expected = if mine { Heard::Nothing } else { Heard::Changed };
            check(&mut election, other.leader, (4, other, Looking), expected);
            assert_eq!(election.vote, if mine { me().itself } else { other });
        }
    }

    #[test]
    fn a_quorum_has_to_stand_for_a_while_and_a_better_vote_starts_it_again() {
        let mut election = election();
        let best = vote(1, 5, 3);
        check(&mut election, 1, (4, vote(1, 5, 1), Looking), Heard::Nothing);
        assert_eq!(election.is_sure(millis(60_000)), None, "nobody else votes so");
        check(&mut election, 1, (4, me().itself, Looking), Heard::Nothing);
        assert_eq!(election.is_sure(millis(1199)), None);
        assert_eq!(election.is_sure(millis(1200)), Some(me().itself));
        check(&mut election, 3, (4, best, Looking), Heard::Changed);
        assert_eq!(election.is_sure(millis(1199)), None);
        assert_eq!(election.is_sure(millis(1200)), Some(best));
    }

    #[test]
    fn votes_of_an_earlier_round_do_not_count_and_a_later_round_begins_with_the_own_vote() {
        let mut election = election();
        check(&mut election, 3, (4, vote(1, 9, 3), Looking), Heard::Changed);
        check(&mut election, 1, (3, vote(9, 9, 1), Looking), Heard::Answer);
        assert_eq!(election.vote, vote(1, 9, 3));
        check(&mut election, 1, (5, vote(1, 5, 1), Looking), Heard::Changed);
        assert_eq!((election.round, election.vote), (5, me().itself));
        assert_eq!(election.is_sure(millis(60_000)), None);
    }

    #[test]
    fn who_comes_late_joins_a_quorum_that_is_sure_when_its_leader_says_so_too() {
        let settled = vote(1, 3, 3);
        let mut election = election();
        check(&mut election, 1, (9, settled, Following), Heard::Nothing);
        check(&mut election, 3, (9, settled, Leading), Heard::Settled(settled));
        assert_eq!(election.round, 9);
        let mut election = self::election();
        check(&mut election, 1, (9, settled, Following), Heard::Nothing);
        check(&mut election, 3, (9, settled, Following), Heard::Nothing);
    }

    #[test]
    fn who_comes_late_joins_a_leader_that_the_others_have_elected_in_different_rounds() {
        let mut election = election();
        check(&mut election, 1, (9, vote(1, 3, 3), Following), Heard::Nothing);
        check(&mut election, 3, (10, vote(2, 4, 3), Leading), Heard::Settled(vote(2, 4, 3)));
    }

    #[test]
    fn who_is_taken_for_the_leader_leads_in_this_round_only() {
        let mut election = election();
        check(&mut election, 1, (9, me().itself, Following), Heard::Nothing);
        check(&mut election, 3, (9, me().itself, Following), Heard::Nothing);
        check(&mut election, 3, (4, me().itself, Following), Heard::Settled(me().itself));
    }

    #[test]
    fn everybody_is_told_again_with_growing_pauses() {
        let mut election = election();
        let mut told = alloc::vec::Vec::new();
        for now in (0..10_000).step_by(100) {
            if election.is_time_to_tell(millis(now)) {
                told.push(now);
            }
        }
        assert_eq!(told, [0, 200, 600, 1400, 3000, 5000, 7000, 9000]);
    }
}
