//! The vote on the flow: which of the submitted flows the cluster takes, and when. Who may vote, and what is sent to
//! whom afterwards, is the coordinator's business.

use crate::flow::{DataFlow, Fingerprint};
use crate::identity::NodeId;
use crate::time::Instant;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::cmp::Reverse;
use core::fmt;
use core::time::Duration;

/// One vote on the flow, held by the process that coordinates the cluster, in memory only.
///
/// It completes once and for all: by number, as soon as enough nodes have voted, or by time, after the first vote has
/// waited long enough. A failed-over coordinator begins a new election with no votes.
///
/// Two things differ from NiFi on purpose (docs/nifi-map.md). A node has one ballot, which its next vote replaces;
/// NiFi counts a node again for every flow it submits. And ties go to the smallest fingerprint; NiFi leaves them to
/// the order of a hash map.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct FlowElection {
    max_wait: Duration,
    max_candidates: Option<u32>,
    ballots: BTreeMap<NodeId, Fingerprint>,
    /// The flows that have at least one ballot.
    candidates: BTreeMap<Fingerprint, Candidate>,
    first_vote: Option<Instant>,
    elected: Option<Arc<DataFlow>>,
}

/// A flow that somebody votes for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Candidate {
    /// The first flow submitted with this fingerprint: the one that is distributed if it wins.
    flow: Arc<DataFlow>,
}

/// What became of a vote.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Ballot {
    /// The node's first vote.
    Counted,
    /// The node had voted for another flow; that vote is void, this one counts.
    Replaced,
    /// The node had voted for this flow already.
    Repeated,
    /// The node submitted no flow, so there is nothing to count.
    NoFlow,
    /// The election had completed, perhaps only by this look at the time.
    TooLate,
}

/// The answer to a vote.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Outcome {
    /// What became of the vote.
    pub ballot: Ballot,
    /// The elected flow; `None` when the node must ask again later.
    pub elected: Option<Arc<DataFlow>>,
}

/// Why an election cannot be held.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FlowElectionError {
    /// `nifi.cluster.flow.election.max.wait.time` is zero.
    ZeroWait,
    /// `nifi.cluster.flow.election.max.candidates` is zero.
    ZeroCandidates,
}

impl fmt::Display for FlowElectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FlowElectionError::ZeroWait => {
                f.write_str("longest wait of the flow election: expected at least 1 nanosecond, found 0")
            }
            FlowElectionError::ZeroCandidates => {
                f.write_str("nodes that complete the flow election: expected at least 1, found 0")
            }
        }
    }
}

impl core::error::Error for FlowElectionError {}

impl FlowElection {
    /// An election without votes. It completes when more than `max_wait` has passed since the first vote, or with the
    /// ballot of the `max_candidates`-th node if that is set and comes earlier.
    ///
    /// # Errors
    /// When either bound is zero.
    pub fn new(max_wait: Duration, max_candidates: Option<u32>) -> Result<Self, FlowElectionError> {
        if max_wait.is_zero() {
            return Err(FlowElectionError::ZeroWait);
        }
        if max_candidates == Some(0) {
            return Err(FlowElectionError::ZeroCandidates);
        }
        Ok(FlowElection {
            max_wait,
            max_candidates,
            ballots: BTreeMap::new(),
            candidates: BTreeMap::new(),
            first_vote: None,
            elected: None,
        })
    }

    /// The node `node` submits `flow`, or asks without submitting one.
    ///
    /// A vote after the deadline is not counted, even when nobody had looked at the time since.
    pub fn vote(&mut self, now: Instant, node: NodeId, flow: Option<&Arc<DataFlow>>) -> Outcome {
        let ballot = if self.complete_if_due(now).is_some() {
            Ballot::TooLate
        } else if let Some(flow) = flow {
            let ballot = self.cast(node, flow);
            self.first_vote.get_or_insert(now);
            if self.votes_missing() == Some(0) {
                self.elect();
            }
            ballot
        } else {
            Ballot::NoFlow
        };
        Outcome { ballot, elected: self.elected.clone() }
    }

    /// Performs the election if its time has come; the elected flow if there is one by now.
    ///
    /// Without a vote the time never comes.
    pub fn complete_if_due(&mut self, now: Instant) -> Option<&Arc<DataFlow>> {
        if self.deadline().is_some_and(|deadline| now >= deadline) {
            self.elect();
        }
        self.elected.as_ref()
    }

    /// The elected flow. Once set it never changes.
    #[must_use]
    pub fn elected(&self) -> Option<&Arc<DataFlow>> {
        self.elected.as_ref()
    }

    /// The first instant at which [`complete_if_due`](Self::complete_if_due) elects a flow: strictly after the longest
    /// wait. `None` before the first vote and after completion.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match (&self.elected, self.first_vote) {
            (None, Some(first_vote)) => Some(first_vote + self.max_wait + CLOCK_STEP),
            (None, None) | (Some(_), _) => None,
        }
    }

    /// The ballots by node: who votes for which flow.
    pub fn votes(&self) -> impl Iterator<Item = (NodeId, &Fingerprint)> {
        self.ballots.iter().map(|(node, fingerprint)| (*node, fingerprint))
    }

    /// Whether a ballot of this node has been counted.
    #[must_use]
    pub fn has_voted(&self, node: NodeId) -> bool {
        self.ballots.contains_key(&node)
    }

    /// How many nodes vote for each flow. Every flow in it has at least one vote.
    #[must_use]
    pub fn tally(&self) -> BTreeMap<&Fingerprint, u32> {
        let mut tally = BTreeMap::new();
        for fingerprint in self.ballots.values() {
            *tally.entry(fingerprint).or_insert(0) += 1;
        }
        tally
    }

    /// Where the election stands, in NiFi's words. Seconds are truncated.
    ///
    /// NiFi goes on counting down after the election; here a completed election says so.
    #[must_use]
    pub fn status_text(&self, now: Instant) -> String {
        if self.elected.is_some() {
            return "Election is complete.".into();
        }
        let Some(first_vote) = self.first_vote else {
            return "No votes have yet been cast.".into();
        };
        let time = match self.max_wait.saturating_sub(now.since(first_vote)).as_secs() {
            0 => "less than 1 second".into(),
            seconds => format!("{seconds} seconds"),
        };
        match self.votes_missing() {
            None => format!("Election will complete in {time}"),
            Some(missing) => {
                let votes = if missing == 1 { "vote is" } else { "votes are" };
                format!(
                    "Election will complete in {time} or after {missing} more {votes} cast, \
                     whichever occurs first."
                )
            }
        }
    }

    /// Asserts what this module believes of its own state.
    ///
    /// # Panics
    /// When a belief is broken, which is a bug of this module.
    pub fn check_invariants(&self) {
        assert_eq!(
            self.first_vote.is_some(),
            !self.ballots.is_empty(),
            "the clock runs from the first ballot on, and ballots are never taken away"
        );
        assert!(
            self.tally().into_keys().eq(self.candidates.keys()),
            "a flow is a candidate as long as somebody votes for it"
        );
        if self.elected.is_none() {
            assert_ne!(self.votes_missing(), Some(0), "the last vote to wait for completes the election");
        }
        if let Some(elected) = &self.elected {
            assert!(
                self.candidates.contains_key(&elected.fingerprint),
                "somebody voted for the elected flow, and ballots are frozen after the election"
            );
        }
    }

    /// Puts the node's ballot on `flow`.
    fn cast(&mut self, node: NodeId, flow: &Arc<DataFlow>) -> Ballot {
        let fingerprint = &flow.fingerprint;
        self.candidates.entry(fingerprint.clone()).or_insert_with(|| Candidate { flow: flow.clone() });
        match self.ballots.insert(node, fingerprint.clone()) {
            None => Ballot::Counted,
            Some(before) if before == *fingerprint => Ballot::Repeated,
            Some(before) => {
                if !self.ballots.values().any(|vote| *vote == before) {
                    self.candidates.remove(&before);
                }
                Ballot::Replaced
            }
        }
    }

    /// How many more nodes must vote to complete the election early; `None` when no number does.
    fn votes_missing(&self) -> Option<u32> {
        let votes = u32::try_from(self.ballots.len()).unwrap_or(u32::MAX);
        self.max_candidates.map(|enough| enough.saturating_sub(votes))
    }

    /// Settles the election for the winner of the ballots cast so far.
    fn elect(&mut self) {
        assert!(self.elected.is_none(), "an election completes once");
        self.elected = Some(self.winner().clone());
    }

    /// A flow with components before any empty one; then the flow of most nodes; then the smallest fingerprint, so
    /// that every coordinator settles a tie the same way.
    fn winner(&self) -> &Arc<DataFlow> {
        let tally = self.tally();
        let winner = self.candidates.iter().max_by_key(|(fingerprint, candidate)| {
            (!candidate.flow.empty, tally.get(fingerprint).copied(), Reverse(*fingerprint))
        });
        &winner.expect("an election is only performed after a vote").1.flow
    }
}

/// The smallest difference between two instants.
pub(crate) const CLOCK_STEP: Duration = Duration::from_micros(1);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// W of the edge cases.
    const WAIT: Duration = Duration::from_secs(300);

    fn election(max_candidates: Option<u32>) -> FlowElection {
        FlowElection::new(WAIT, max_candidates).unwrap()
    }

    /// The moment `seconds` after an arbitrary first look at the clock.
    fn at(seconds: u64) -> Instant {
        Instant::from_micros(7_000_000) + Duration::from_secs(seconds)
    }

    /// Flows whose name begins with E are empty, as in the notation of the edge cases.
    fn flow(name: &str) -> Arc<DataFlow> {
        Arc::new(if name.starts_with('E') { DataFlow::empty(name) } else { DataFlow::new(name) })
    }

    fn vote(election: &mut FlowElection, seconds: u64, node: u128, name: &str) -> Outcome {
        let outcome = election.vote(at(seconds), NodeId(node), Some(&flow(name)));
        election.check_invariants();
        outcome
    }

    fn name(flow: Option<&Arc<DataFlow>>) -> Option<&str> {
        flow.map(|flow| &*flow.fingerprint.0)
    }

    /// Different nodes vote for `names` in order, one each; the last vote must complete the election for `winner`.
    #[track_caller]
    fn check_last_vote_elects(max_candidates: u32, names: &[&str], winner: &str) {
        let mut election = election(Some(max_candidates));
        let (last, earlier) = names.split_last().unwrap();
        for (node, name) in (1..).zip(earlier) {
            assert_eq!(vote(&mut election, 0, node, name).elected, None, "{name}");
        }
        assert_eq!(name(vote(&mut election, 0, 99, last).elected.as_ref()), Some(winner));
    }

    /// Different nodes vote for `names` in order, one each, with no number to wait for; then time elects `winner`.
    #[track_caller]
    fn check_time_elects(names: &[&str], winner: &str) {
        let mut election = election(None);
        for (node, name) in (1..).zip(names) {
            assert_eq!(vote(&mut election, 0, node, name).elected, None, "{name}");
        }
        assert_eq!(name(election.complete_if_due(at(301))), Some(winner));
    }

    #[test]
    fn edge_case_01_an_election_without_votes_never_completes() {
        let mut election = election(Some(1));
        assert_eq!(election.deadline(), None);
        assert_eq!(election.complete_if_due(Instant::from_micros(u64::MAX)), None);
    }

    #[test]
    fn edge_case_02_a_single_awaited_vote_elects_its_flow_in_the_same_answer() {
        let mut election = election(Some(1));
        let outcome = vote(&mut election, 0, 1, "A");
        assert_eq!(outcome.ballot, Ballot::Counted);
        assert_eq!(name(outcome.elected.as_ref()), Some("A"));
    }

    #[test]
    fn edge_case_03_an_empty_flow_wins_when_it_is_the_only_one_voted_for_at_completion() {
        let mut election = election(Some(1));
        assert_eq!(name(vote(&mut election, 0, 1, "E").elected.as_ref()), Some("E"));
        let late = vote(&mut election, 1, 2, "A");
        assert_eq!((late.ballot, name(late.elected.as_ref())), (Ballot::TooLate, Some("E")));
    }

    #[test]
    fn edge_case_04_one_flow_beats_two_empty_ones() {
        check_last_vote_elects(3, &["E", "E", "A"], "A");
    }

    #[test]
    fn edge_case_05_the_majority_wins() {
        check_last_vote_elects(3, &["A", "B", "B"], "B");
    }

    /// NiFi elects either of them, by hash order.
    #[test]
    fn edge_case_06_a_tie_goes_to_the_smallest_fingerprint() {
        check_last_vote_elects(2, &["A", "B"], "A");
        check_last_vote_elects(2, &["B", "A"], "A");
    }

    #[test]
    fn edge_case_07_empty_votes_do_not_tie_with_a_flow() {
        check_last_vote_elects(4, &["A", "A", "E", "E"], "A");
    }

    #[test]
    fn edge_case_08_empty_votes_count_towards_completion_only() {
        check_last_vote_elects(5, &["A", "B", "B", "E", "E"], "B");
    }

    #[test]
    fn edge_case_09_at_exactly_the_longest_wait_the_vote_is_still_open() {
        let mut election = election(None);
        vote(&mut election, 0, 1, "A");
        vote(&mut election, 299, 2, "B");
        assert_eq!(vote(&mut election, 300, 3, "B"), Outcome { ballot: Ballot::Counted, elected: None });
        assert_eq!(name(election.complete_if_due(at(300) + CLOCK_STEP)), Some("B"));
    }

    #[test]
    fn edge_case_10_a_vote_after_the_deadline_is_not_counted() {
        let mut election = election(None);
        vote(&mut election, 0, 1, "A");
        let late = vote(&mut election, 301, 2, "B");
        assert_eq!((late.ballot, name(late.elected.as_ref())), (Ballot::TooLate, Some("A")));
        assert!(!election.has_voted(NodeId(2)));
    }

    #[test]
    fn edge_case_11_equal_empty_flows_elect_that_flow() {
        check_time_elects(&["E", "E"], "E");
    }

    /// NiFi elects any of them; here empty flows are compared like others.
    #[test]
    fn edge_case_12_different_empty_flows_go_by_votes_then_by_fingerprint() {
        check_time_elects(&["E2", "E1"], "E1");
        check_time_elects(&["E1", "E2", "E2"], "E2");
    }

    #[test]
    fn edge_case_13_the_same_vote_five_times_is_one_vote() {
        let mut election = election(Some(2));
        assert_eq!(vote(&mut election, 0, 1, "A").ballot, Ballot::Counted);
        for second in 1..5 {
            let outcome = vote(&mut election, second, 1, "A");
            assert_eq!(outcome, Outcome { ballot: Ballot::Repeated, elected: None });
        }
        assert_eq!(election.tally().into_values().collect::<Vec<_>>(), [1]);
    }

    /// NiFi counts two votes of one node, completes, and ties.
    #[test]
    fn edge_case_14_a_node_that_votes_again_replaces_its_vote() {
        let mut election = election(Some(2));
        vote(&mut election, 0, 1, "A");
        assert_eq!(vote(&mut election, 1, 1, "B"), Outcome { ballot: Ballot::Replaced, elected: None });
        let votes: Vec<_> = election.votes().map(|(node, flow)| (node.0, &*flow.0)).collect();
        assert_eq!(votes, [(1, "B")]);
        assert_eq!(name(vote(&mut election, 2, 2, "B").elected.as_ref()), Some("B"));
    }

    /// NiFi does not look at the time for a node without a flow; here every vote does.
    #[test]
    fn edge_case_15_a_node_without_a_flow_does_not_vote() {
        let mut election = election(Some(1));
        let asked = election.vote(at(0), NodeId(1), None);
        assert_eq!(asked, Outcome { ballot: Ballot::NoFlow, elected: None });
        assert!(!election.has_voted(NodeId(1)));
        vote(&mut election, 0, 2, "A");
        assert_eq!(name(election.vote(at(1), NodeId(1), None).elected.as_ref()), Some("A"));
    }

    #[test]
    fn edge_case_16_a_vote_after_completion_gets_the_elected_flow_and_changes_nothing() {
        let mut election = election(Some(1));
        vote(&mut election, 0, 1, "A");
        let before = election.clone();
        let late = vote(&mut election, 1, 1, "B");
        assert_eq!((late.ballot, name(late.elected.as_ref())), (Ballot::TooLate, Some("A")));
        assert_eq!(election, before);
    }

    #[test]
    fn edge_case_17_a_number_larger_than_the_cluster_leaves_it_to_time() {
        let mut election = election(Some(9));
        for node in 1..=3 {
            assert_eq!(vote(&mut election, 0, node, "A").elected, None);
        }
        assert_eq!(name(election.complete_if_due(election.deadline().unwrap())), Some("A"));
    }

    #[test]
    fn edge_case_18_a_new_coordinator_begins_without_votes_and_with_its_own_clock() {
        let mut old = election(Some(2));
        vote(&mut old, 0, 1, "A");
        let mut new = election(Some(2));
        assert_eq!((new.votes().count(), new.deadline()), (0, None));
        assert_eq!(vote(&mut new, 200, 1, "A"), Outcome { ballot: Ballot::Counted, elected: None });
        assert_eq!(new.complete_if_due(at(301)), None);
    }

    #[test]
    fn edge_case_19_flows_that_differ_in_position_only_split_the_vote() {
        check_time_elects(&["A at (0, 0)", "A at (1, 0)", "B", "B"], "B");
    }

    #[test]
    fn edge_case_20_equal_flows_with_different_authorizers_are_different_candidates() {
        let mut election = election(None);
        vote(&mut election, 0, 1, "A+admins");
        vote(&mut election, 0, 2, "A+users");
        assert_eq!(election.tally().len(), 2);
    }

    /// There is no wall clock to jump; where the monotonic clock has its zero does not matter either.
    #[test]
    fn edge_case_21_only_the_time_since_the_first_vote_matters() {
        for zero in [0, 1, 1 << 40, 1 << 62] {
            let mut election = election(None);
            let first_vote = Instant::from_micros(zero);
            election.vote(first_vote, NodeId(1), Some(&flow("A")));
            assert_eq!(election.complete_if_due(first_vote + WAIT), None);
            assert!(election.complete_if_due(first_vote + WAIT + CLOCK_STEP).is_some());
        }
    }

    #[test]
    fn edge_case_22_the_first_submitted_of_equal_flows_is_distributed() {
        let mut election = election(Some(2));
        let first = flow("A");
        election.vote(at(0), NodeId(2), Some(&first));
        let elected = vote(&mut election, 1, 1, "A").elected.unwrap();
        assert!(Arc::ptr_eq(&elected, &first));
    }

    #[test]
    fn an_election_needs_some_time_and_some_candidate() {
        assert_eq!(FlowElection::new(Duration::ZERO, None), Err(FlowElectionError::ZeroWait));
        assert_eq!(FlowElection::new(WAIT, Some(0)), Err(FlowElectionError::ZeroCandidates));
        assert_eq!(
            FlowElectionError::ZeroCandidates.to_string(),
            "nodes that complete the flow election: expected at least 1, found 0"
        );
    }

    #[test]
    fn the_deadline_is_the_first_instant_at_which_time_elects() {
        for wait in [1, 999, 1_000, 1_001, 1_500, 300_000_000_000] {
            let wait = Duration::from_nanos(wait);
            let mut election = FlowElection::new(wait, None).unwrap();
            election.vote(at(0), NodeId(1), Some(&flow("A")));
            let deadline = election.deadline().unwrap();
            assert!(deadline.since(at(0)) > wait, "{wait:?}");
            assert!((deadline - CLOCK_STEP).since(at(0)) <= wait, "{wait:?}");
            assert_eq!(election.complete_if_due(deadline - CLOCK_STEP), None);
            assert!(election.complete_if_due(deadline).is_some());
            assert_eq!(election.deadline(), None);
        }
    }

    #[test]
    fn the_status_is_told_in_nifis_words() {
        let mut timed = election(None);
        assert_eq!(timed.status_text(at(0)), "No votes have yet been cast.");
        vote(&mut timed, 0, 1, "A");
        assert_eq!(timed.status_text(at(0)), "Election will complete in 300 seconds");
        assert_eq!(timed.status_text(at(299) + CLOCK_STEP), "Election will complete in less than 1 second");
        assert_eq!(timed.status_text(at(400)), "Election will complete in less than 1 second");
        let mut counted = election(Some(3));
        vote(&mut counted, 0, 1, "A");
        assert_eq!(
            counted.status_text(at(10)),
            "Election will complete in 290 seconds or after 2 more votes are cast, whichever occurs first."
        );
        vote(&mut counted, 10, 2, "A");
        assert_eq!(
            counted.status_text(at(300)),
            "Election will complete in less than 1 second or after 1 more vote is cast, \
             whichever occurs first."
        );
        vote(&mut counted, 10, 3, "A");
        assert_eq!(counted.status_text(at(10)), "Election is complete.");
    }

    /// Votes of up to six nodes for up to two empty and three other flows.
    fn some_votes() -> impl Strategy<Value = Vec<(u128, &'static str)>> {
        prop::collection::vec((0u128..6, prop::sample::select(&["A", "B", "C", "E1", "E2"][..])), 1..20)
    }

    fn after(votes: &[(u128, &'static str)]) -> FlowElection {
        let mut election = election(None);
        for (node, name) in votes {
            vote(&mut election, 0, *node, name);
        }
        election
    }

    /// What counts: each node's last word.
    fn final_ballots(votes: &[(u128, &'static str)]) -> BTreeMap<u128, &'static str> {
        votes.iter().copied().collect()
    }

    proptest! {
        #[test]
        fn each_node_is_counted_once_for_its_last_word(votes in some_votes()) {
            let election = after(&votes);
            let counted: BTreeMap<_, _> = election.votes().map(|(node, flow)| (node.0, &*flow.0)).collect();
            prop_assert_eq!(election.votes().count(), counted.len());
            prop_assert_eq!(election.tally().into_values().sum::<u32>() as usize, counted.len());
            prop_assert_eq!(counted, final_ballots(&votes));
        }

        #[test]
        fn the_winner_does_not_depend_on_the_order_of_votes(votes in some_votes(), salt in any::<u64>()) {
            let mut shuffled: Vec<_> = final_ballots(&votes).into_iter().collect();
            shuffled.sort_by_key(|(node, _)| (*node as u64 + 1).wrapping_mul(salt | 1));
            let mut one = after(&votes);
            let mut other = after(&shuffled);
            prop_assert_eq!(one.complete_if_due(at(301)), other.complete_if_due(at(301)));
        }

        #[test]
        fn the_winner_is_the_best_of_the_flows_that_may_win(votes in some_votes()) {
            let mut election = after(&votes);
            let winner = election.complete_if_due(at(301)).unwrap().clone();
            let tally = election.tally();
            let some_flow = tally.keys().any(|flow| !flow.0.starts_with('E'));
            prop_assert_eq!(winner.empty, !some_flow, "empty wins exactly when nothing else was voted for");
            for (flow, count) in &tally {
                if flow.0.starts_with('E') == winner.empty {
                    let best = tally[&winner.fingerprint];
                    prop_assert!(*count < best || (*count == best && **flow >= winner.fingerprint));
                }
            }
        }
    }
}
