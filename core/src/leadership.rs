//! Standing for a role: the recipe of ephemeral sequential znodes. Who is first in line leads; everyone else watches
//! the one before. What a leader does with its role is not known here.

use crate::coordination::{CoordinationError, CreateMode, Operation, Outcome, WatchKind, child};
use crate::status::Epoch;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use serde::{Deserialize, Serialize};

/// The two roles that ZooKeeper elects.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Role {
    /// Decides who is connected.
    ClusterCoordinator,
    /// Runs what must run on one node only.
    PrimaryNode,
}

impl Role {
    /// NiFi's name, which is also the path in ZooKeeper.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Role::ClusterCoordinator => "Cluster Coordinator",
            Role::PrimaryNode => "Primary Node",
        }
    }
}

/// Which of a candidate's operations ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Step {
    Create,
    Find,
    Adopt,
    List,
    Watch,
    Withdraw,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum State {
    /// Not standing, and no znode.
    Out,
    /// The create was sent.
    Creating,
    /// The create's answer was lost: the znode may be there, under a name that begins with our prefix.
    Doubtful,
    /// Found our znode after all; asking for its czxid.
    Adopting { znode: Arc<str> },
    /// In line; asking who else is.
    Standing { znode: Arc<str>, epoch: Epoch },
    /// In line, watching the one before.
    Waiting { znode: Arc<str>, epoch: Epoch, predecessor: Arc<str> },
    /// First in line.
    Leading { znode: Arc<str>, epoch: Epoch },
    /// Leaving the line.
    Withdrawing { znode: Arc<str> },
}

/// One node's candidacy for one role.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Candidate {
    role: Role,
    /// The parent of the candidates' znodes.
    path: Arc<str>,
    /// What the znode says: the address that the cluster protocol listens on.
    participant: Arc<str>,
    /// Unique for this run of the process.
    name: String,
    /// Counts the creates, so that each has a prefix of its own.
    creates: u32,
    wanted: bool,
    state: State,
}

/// What a candidate wants done: at most one operation at a time.
pub(crate) type Wish = Option<(Step, Operation)>;

impl Candidate {
    pub(crate) fn new(role: Role, path: Arc<str>, participant: Arc<str>, name: String) -> Self {
        Candidate { role, path, participant, name, creates: 0, wanted: false, state: State::Out }
    }

    /// The term of office, while first in line.
    pub(crate) fn leads(&self) -> Option<Epoch> {
        match &self.state {
            State::Leading { epoch, .. } => Some(*epoch),
            State::Out
            | State::Creating
            | State::Doubtful
            | State::Adopting { .. }
            | State::Standing { .. }
            | State::Waiting { .. }
            | State::Withdrawing { .. } => None,
        }
    }

    /// The term that this candidate's place in line stands for, whether it is first or not.
    pub(crate) fn place(&self) -> Option<Epoch> {
        match &self.state {
            State::Standing { epoch, .. } | State::Waiting { epoch, .. } | State::Leading { epoch, .. } => {
                Some(*epoch)
            }
            State::Out
            | State::Creating
            | State::Doubtful
            | State::Adopting { .. }
            | State::Withdrawing { .. } => None,
        }
    }

    /// Stands for the role from now on, or no longer. `online`: operations can be sent now.
    pub(crate) fn want(&mut self, wanted: bool, online: bool) -> Wish {
        if self.wanted == wanted {
            return None;
        }
        self.wanted = wanted;
        if online { self.pursue() } else { None }
    }

    /// A new session: nothing of ours is in line.
    pub(crate) fn session_opened(&mut self) -> Wish {
        self.state = State::Out;
        self.pursue()
    }

    /// The session goes on, and may have seen our last operation or not.
    pub(crate) fn session_resumed(&mut self) -> Wish {
        match &self.state {
            State::Creating | State::Doubtful | State::Adopting { .. } => {
                self.state = State::Doubtful;
                Some((Step::Find, self.list()))
            }
            State::Standing { znode, epoch }
            | State::Waiting { znode, epoch, .. }
            | State::Leading { znode, epoch } => {
                self.state = State::Standing { znode: znode.clone(), epoch: *epoch };
                self.pursue()
            }
            State::Out | State::Withdrawing { .. } => self.pursue(),
        }
    }

    /// The connection broke: nobody leads who cannot hear that it does not.
    pub(crate) fn suspended(&mut self) {
        if let State::Leading { znode, epoch } = &self.state {
            self.state = State::Standing { znode: znode.clone(), epoch: *epoch };
        }
    }

    /// The session is over, and our znode with it.
    pub(crate) fn session_lost(&mut self) {
        self.state = State::Out;
    }

    /// Asks again who is in line, because the lead was not taken up.
    pub(crate) fn relinquish(&mut self) -> Wish {
        self.wanted = false;
        self.pursue()
    }

    pub(crate) fn completed(&mut self, step: Step, result: Result<Outcome, CoordinationError>) -> Wish {
        match result {
            Ok(outcome) => self.succeeded(step, outcome),
            Err(error) => self.failed(step, error),
        }
    }

    /// A watch fired on `path`.
    pub(crate) fn watched(&mut self, path: &str, _kind: WatchKind) -> Wish {
        match &self.state {
            State::Waiting { znode, epoch, predecessor } if predecessor.as_ref() == path => {
                self.state = State::Standing { znode: znode.clone(), epoch: *epoch };
                self.pursue()
            }
            State::Waiting { .. }
            | State::Out
            | State::Creating
            | State::Doubtful
            | State::Adopting { .. }
            | State::Standing { .. }
            | State::Leading { .. }
            | State::Withdrawing { .. } => None,
        }
    }

    fn succeeded(&mut self, step: Step, outcome: Outcome) -> Wish {
        match (step, outcome, self.state.clone()) {
            (Step::Create, Outcome::Created { path, czxid }, State::Creating) => {
                self.state = State::Standing { znode: path, epoch: Epoch(czxid) };
                self.pursue()
            }
            (Step::Find, Outcome::Children { children }, State::Doubtful) => self.found(&children),
            (Step::Adopt, Outcome::Exists { czxid }, State::Adopting { znode }) => {
                self.state = State::Standing { znode, epoch: Epoch(czxid) };
                self.pursue()
            }
            (Step::List, Outcome::Children { children }, State::Standing { znode, epoch }) => {
                self.listed(&children, znode, epoch)
            }
            (Step::Withdraw, Outcome::Deleted, State::Withdrawing { .. }) => {
                self.state = State::Out;
                self.pursue()
            }
            // The watch on the predecessor is in place, or the answer belongs to a state that is over.
            _ => None,
        }
    }

    fn failed(&mut self, step: Step, error: CoordinationError) -> Wish {
        match (step, error, self.state.clone()) {
            (Step::Create, CoordinationError::ConnectionLoss, State::Creating) => {
                self.state = State::Doubtful;
                None
            }
            (Step::Adopt, CoordinationError::NoNode, State::Adopting { .. })
            | (Step::Withdraw, CoordinationError::NoNode, State::Withdrawing { .. }) => {
                self.state = State::Out;
                self.pursue()
            }
            (Step::Watch, CoordinationError::NoNode, State::Waiting { znode, epoch, .. }) => {
                self.state = State::Standing { znode, epoch };
                self.pursue()
            }
            // Whatever else failed is taken up again when the session resumes, or begins anew.
            _ => None,
        }
    }

    fn found(&mut self, children: &[Arc<str>]) -> Wish {
        let prefix = self.prefix();
        match children.iter().find(|name| name.starts_with(&prefix)) {
            Some(name) => {
                let znode = child(&self.path, name);
                self.state = State::Adopting { znode: znode.clone() };
                Some((Step::Adopt, Operation::Exists { path: znode, watch: false }))
            }
            None => {
                self.state = State::Out;
                self.pursue()
            }
        }
    }

    fn listed(&mut self, children: &[Arc<str>], znode: Arc<str>, epoch: Epoch) -> Wish {
        if !self.wanted {
            self.state = State::Standing { znode, epoch };
            return self.pursue();
        }
        let own = znode.rsplit('/').next().unwrap_or(&znode);
        let position = sequence(own);
        if !children.iter().any(|name| name.as_ref() == own) {
            self.state = State::Out;
            return self.pursue();
        }
        let before =
            children.iter().filter(|name| sequence(name) < position).max_by_key(|name| sequence(name));
        match before {
            Some(name) => {
                let predecessor = child(&self.path, name);
                self.state = State::Waiting { znode, epoch, predecessor: predecessor.clone() };
                Some((Step::Watch, Operation::GetData { path: predecessor, watch: true }))
            }
            None => {
                self.state = State::Leading { znode, epoch };
                None
            }
        }
    }

    /// The next operation that brings the state nearer to what is wanted.
    fn pursue(&mut self) -> Wish {
        match (&self.state, self.wanted) {
            (State::Out, true) => {
                self.creates += 1;
                self.state = State::Creating;
                let path = child(&self.path, &self.prefix());
                let data = self.participant.clone();
                Some((Step::Create, Operation::Create { path, data, mode: CreateMode::EphemeralSequential }))
            }
            (State::Standing { .. }, true) => Some((Step::List, self.list())),
            (
                State::Standing { znode, .. } | State::Waiting { znode, .. } | State::Leading { znode, .. },
                false,
            ) => {
                let znode = znode.clone();
                self.state = State::Withdrawing { znode: znode.clone() };
                Some((Step::Withdraw, Operation::Delete { path: znode }))
            }
            (State::Withdrawing { znode }, _) => {
                Some((Step::Withdraw, Operation::Delete { path: znode.clone() }))
            }
            (State::Out, false)
            | (State::Creating | State::Doubtful | State::Adopting { .. }, _)
            | (State::Waiting { .. } | State::Leading { .. }, true) => None,
        }
    }

    fn list(&self) -> Operation {
        Operation::GetChildren { path: self.path.clone(), watch: false }
    }

    /// Curator's protected name: what comes before `lock-` tells whose it is, should the create's answer be lost.
    fn prefix(&self) -> String {
        format!("_c_{}.{}-lock-", self.name, self.creates)
    }

    /// Our own belief: a znode is named exactly while one may be there.
    pub(crate) fn check_invariants(&self, online: bool) {
        assert!(
            online || self.leads().is_none(),
            "{} led without a connection to ZooKeeper",
            self.role.name()
        );
        assert!(self.wanted || self.leads().is_none(), "{} led without standing for it", self.role.name());
    }
}

/// The sequence number at the end of a candidate's name; names without one come last.
pub(crate) fn sequence(name: &str) -> i64 {
    name.rsplit_once("-lock-").and_then(|(_, number)| number.parse().ok()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate() -> Candidate {
        Candidate::new(Role::ClusterCoordinator, "/l".into(), "n1:1".into(), "id.1".into())
    }

    fn children(names: &[&str]) -> Result<Outcome, CoordinationError> {
        Ok(Outcome::Children { children: names.iter().map(|name| (*name).into()).collect() })
    }

    /// A candidate whose znode is `_c_id.1.1-lock-0000000005`, created by transaction 50.
    fn standing() -> Candidate {
        let mut candidate = candidate();
        assert!(matches!(candidate.want(true, true), Some((Step::Create, _))));
        let created = Outcome::Created { path: "/l/_c_id.1.1-lock-0000000005".into(), czxid: 50 };
        assert!(matches!(candidate.completed(Step::Create, Ok(created)), Some((Step::List, _))));
        candidate
    }

    #[test]
    fn the_first_in_line_leads_under_its_czxid() {
        let mut candidate = standing();
        let names = ["_c_id.1.1-lock-0000000005", "_c_zz.1.1-lock-0000000007"];
        assert_eq!(candidate.completed(Step::List, children(&names)), None);
        assert_eq!(candidate.leads(), Some(Epoch(50)));
    }

    #[test]
    fn the_others_watch_the_one_before_and_no_other() {
        let mut candidate = standing();
        let names = ["_c_a.1.1-lock-0000000001", "_c_id.1.1-lock-0000000005", "_c_b.1.1-lock-0000000004"];
        let watch = Operation::GetData { path: "/l/_c_b.1.1-lock-0000000004".into(), watch: true };
        assert_eq!(candidate.completed(Step::List, children(&names)), Some((Step::Watch, watch)));
        assert_eq!(candidate.watched("/l/_c_a.1.1-lock-0000000001", WatchKind::Deleted), None);
        assert!(matches!(
            candidate.watched("/l/_c_b.1.1-lock-0000000004", WatchKind::Deleted),
            Some((Step::List, _))
        ));
    }

    #[test]
    fn a_predecessor_that_went_before_the_watch_was_set_is_noticed() {
        let mut candidate = standing();
        let names = ["_c_a.1.1-lock-0000000001", "_c_id.1.1-lock-0000000005"];
        candidate.completed(Step::List, children(&names));
        assert!(matches!(
            candidate.completed(Step::Watch, Err(CoordinationError::NoNode)),
            Some((Step::List, _))
        ));
    }

    #[test]
    fn a_create_whose_answer_was_lost_is_found_again_and_not_repeated() {
        let mut candidate = candidate();
        candidate.want(true, true);
        assert_eq!(candidate.completed(Step::Create, Err(CoordinationError::ConnectionLoss)), None);
        assert!(matches!(candidate.session_resumed(), Some((Step::Find, _))));
        let adopt = candidate.completed(Step::Find, children(&["_c_id.1.1-lock-0000000009"]));
        let path: Arc<str> = "/l/_c_id.1.1-lock-0000000009".into();
        assert_eq!(adopt, Some((Step::Adopt, Operation::Exists { path, watch: false })));
        candidate.completed(Step::Adopt, Ok(Outcome::Exists { czxid: 90 }));
        candidate.completed(Step::List, children(&["_c_id.1.1-lock-0000000009"]));
        assert_eq!(candidate.leads(), Some(Epoch(90)));
    }

    #[test]
    fn a_create_that_never_happened_is_repeated_under_a_new_prefix() {
        let mut candidate = candidate();
        candidate.want(true, true);
        candidate.completed(Step::Create, Err(CoordinationError::ConnectionLoss));
        candidate.session_resumed();
        let again = candidate.completed(Step::Find, children(&[]));
        let Some((Step::Create, Operation::Create { path, .. })) = again else {
            panic!("no create: {again:?}")
        };
        assert_eq!(path.as_ref(), "/l/_c_id.1.2-lock-");
    }

    #[test]
    fn a_suspended_leader_leads_no_more_and_keeps_its_place() {
        let mut candidate = standing();
        candidate.completed(Step::List, children(&["_c_id.1.1-lock-0000000005"]));
        candidate.suspended();
        assert_eq!(candidate.leads(), None);
        assert!(matches!(candidate.session_resumed(), Some((Step::List, _))));
        candidate.completed(Step::List, children(&["_c_id.1.1-lock-0000000005"]));
        assert_eq!(candidate.leads(), Some(Epoch(50)));
    }

    #[test]
    fn a_new_session_stands_anew() {
        let mut candidate = standing();
        candidate.session_lost();
        assert!(matches!(candidate.session_opened(), Some((Step::Create, _))));
    }

    #[test]
    fn who_no_longer_stands_deletes_its_znode_until_it_is_gone() {
        let mut candidate = standing();
        candidate.completed(Step::List, children(&["_c_id.1.1-lock-0000000005"]));
        assert!(matches!(candidate.want(false, true), Some((Step::Withdraw, _))));
        assert_eq!(candidate.leads(), None);
        assert_eq!(candidate.completed(Step::Withdraw, Err(CoordinationError::ConnectionLoss)), None);
        assert!(matches!(candidate.session_resumed(), Some((Step::Withdraw, _))));
        assert_eq!(candidate.completed(Step::Withdraw, Ok(Outcome::Deleted)), None);
        assert!(matches!(candidate.want(true, true), Some((Step::Create, _))));
    }

    #[test]
    fn a_change_of_mind_while_the_create_is_under_way_ends_outside_the_line() {
        let mut candidate = candidate();
        candidate.want(true, true);
        assert_eq!(candidate.want(false, true), None);
        let created = Outcome::Created { path: "/l/_c_id.1.1-lock-0000000005".into(), czxid: 50 };
        assert!(matches!(candidate.completed(Step::Create, Ok(created)), Some((Step::Withdraw, _))));
    }
}
