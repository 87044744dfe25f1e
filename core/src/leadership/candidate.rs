//! One candidacy: the recipe of ephemeral sequential znodes. Who is first in line leads; everyone else watches the one
//! before. What a leader does with its role is not known here.

use super::{Role, is_plain_number, sequence};
use crate::coordination::{
    CoordinationError, CreateMode, Names, Operation, Outcome, WatchKind, child, ending,
};
use crate::rules::Rules;
use crate::status::Epoch;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;

/// Which of a candidate's operations ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Step {
    Create,
    CatchUp,
    Find,
    Adopt,
    List,
    Watch,
    Sweep,
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

impl State {
    /// Our place in line, and the term that it stands for.
    fn place(&self) -> Option<(&Arc<str>, Epoch)> {
        match self {
            State::Standing { znode, epoch }
            | State::Waiting { znode, epoch, .. }
            | State::Leading { znode, epoch } => Some((znode, *epoch)),
            State::Out
            | State::Creating
            | State::Doubtful
            | State::Adopting { .. }
            | State::Withdrawing { .. } => None,
        }
    }
}

/// One node's candidacy for one role.
// What every step of the node looks at comes first, as in `Node`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[repr(C)]
pub(crate) struct Candidate {
    wanted: bool,
    state: State,
    role: Role,
    /// The parent of the candidates' znodes.
    path: Arc<str>,
    /// What the znode says: the address that the cluster protocol listens on.
    participant: Arc<str>,
    /// Unique for this run of the process.
    name: String,
    rules: Rules,
    /// Counts the creates, so that each has a prefix of its own: what bears the prefix of the newest one was made in the
    /// present session, since a lost session makes the next create a new one.
    creates: u32,
    /// The parent was not there, and was asked for.
    parent_missed: bool,
}

/// What a candidate wants done: at most one operation at a time.
pub(crate) type Wish = Option<(Step, Operation)>;

impl Candidate {
    pub(crate) fn new(role: Role, path: Arc<str>, participant: Arc<str>, name: String, rules: Rules) -> Self {
        let (creates, wanted, state, parent_missed) = (0, false, State::Out, false);
        Candidate { role, path, participant, name, rules, creates, wanted, state, parent_missed }
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
        self.state.place().map(|(_, epoch)| epoch)
    }

    /// Stands for the role from now on, or no longer. `online`: operations can be sent now.
    pub(crate) fn want(&mut self, wanted: bool, online: bool) -> Wish {
        if self.wanted == wanted {
            return None;
        }
        self.wanted = wanted;
        if online { self.pursue() } else { None }
    }

    /// A new session: nothing of it is in line yet.
    pub(crate) fn session_opened(&mut self) -> Wish {
        if !matches!(self.state, State::Withdrawing { .. }) {
            self.state = State::Out;
        }
        self.parent_missed = false;
        self.pursue()
    }

    /// The session goes on, and may have seen our last operation or not. What was true before is asked again.
    pub(crate) fn session_resumed(&mut self) -> Wish {
        self.parent_missed = false;
        match &self.state {
            State::Creating | State::Doubtful | State::Adopting { .. } => self.look_for_own(),
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
        let Some((znode, epoch)) = self.state.place() else { return };
        let znode = znode.clone();
        if !self.rules.keep_place_when_suspended {
            self.state = State::Withdrawing { znode };
        } else if self.leads().is_some() {
            self.state = State::Standing { znode, epoch };
        }
    }

    /// The session is over, and its znode counts no more, even if it is still there. Curator deletes it as soon as that
    /// can be, in whichever session.
    pub(crate) fn session_lost(&mut self) {
        self.suspended();
        if self.rules.keep_place_when_suspended || !matches!(self.state, State::Withdrawing { .. }) {
            self.state = State::Out;
        }
    }

    /// Asks again who is in line, because the lead was not taken up.
    pub(crate) fn relinquish(&mut self) -> Wish {
        self.wanted = false;
        self.pursue()
    }

    /// Whether the parent of the line has to be made before the next wish is granted.
    pub(crate) fn misses_parent(&self, step: Step, result: &Result<Outcome, CoordinationError>) -> bool {
        step == Step::Create && *result == Err(CoordinationError::NoNode) && !self.parent_missed
    }

    pub(crate) fn completed(&mut self, step: Step, result: Result<Outcome, CoordinationError>) -> Wish {
        match result {
            Ok(outcome) => self.succeeded(step, outcome),
            Err(CoordinationError::NoNode) => self.not_found(step),
            Err(CoordinationError::ConnectionLoss) => {
                if (step, &self.state) == (Step::Create, &State::Creating) {
                    self.state = State::Doubtful;
                }
                None
            }
            // Taken up again when a session begins anew.
            Err(
                CoordinationError::NodeExists
                | CoordinationError::SessionExpired
                | CoordinationError::Refused(_),
            ) => None,
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

    /// An answer that belongs to a state which is over changes nothing.
    fn succeeded(&mut self, step: Step, outcome: Outcome) -> Wish {
        match step {
            Step::Create => self.created(outcome),
            Step::CatchUp if self.state == State::Doubtful => Some((Step::Find, self.list())),
            Step::Find if self.state == State::Doubtful => self.found(&children(outcome)?),
            Step::Adopt => self.adopted(outcome),
            Step::List => self.listed(&children(outcome)?),
            Step::Sweep => self.swept(),
            Step::Withdraw => self.withdrawn(),
            // The watch on the predecessor is in place.
            Step::CatchUp | Step::Find | Step::Watch => None,
        }
    }

    /// What the operation was about is not there.
    fn not_found(&mut self, step: Step) -> Wish {
        match (step, &self.state) {
            (Step::Create, State::Creating) => {
                self.state = State::Out;
                // Once: if it is missing again, something is wrong that making it does not mend.
                if core::mem::replace(&mut self.parent_missed, true) { None } else { self.pursue() }
            }
            // The line is gone, and everything in it.
            (Step::Find, State::Doubtful)
            | (Step::List, State::Standing { .. })
            | (Step::Adopt, State::Adopting { .. }) => {
                self.state = State::Out;
                self.pursue()
            }
            // It went before the watch was set.
            (Step::Watch, State::Waiting { znode, epoch, .. }) => {
                self.state = State::Standing { znode: znode.clone(), epoch: *epoch };
                self.pursue()
            }
            (Step::Sweep, _) => self.swept(),
            (Step::Withdraw, _) => self.withdrawn(),
            (Step::Create | Step::CatchUp | Step::Find | Step::Adopt | Step::List | Step::Watch, _) => None,
        }
    }

    fn created(&mut self, outcome: Outcome) -> Wish {
        let (State::Creating, Outcome::Created { path, czxid }) = (&self.state, outcome) else { return None };
        self.parent_missed = false;
        self.state = State::Standing { znode: path, epoch: Epoch(czxid) };
        self.pursue()
    }

    /// The create's answer was lost: did it happen? A server that lags behind the one that was asked may not know yet.
    fn look_for_own(&mut self) -> Wish {
        self.state = State::Doubtful;
        if self.rules.sync_before_lookup {
            Some((Step::CatchUp, Operation::Sync { path: self.path.clone() }))
        } else {
            Some((Step::Find, self.list()))
        }
    }

    fn found(&mut self, children: &Names) -> Wish {
        let prefix = self.prefix();
        match children.iter().filter(|name| name.starts_with(&prefix)).min() {
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

    fn adopted(&mut self, outcome: Outcome) -> Wish {
        let (State::Adopting { znode }, Outcome::Exists { czxid }) = (&self.state, outcome) else {
            return None;
        };
        self.state = State::Standing { znode: znode.clone(), epoch: Epoch(czxid) };
        self.pursue()
    }

    fn listed(&mut self, children: &Names) -> Wish {
        let State::Standing { znode, epoch } = self.state.clone() else { return None };
        if !self.wanted {
            return self.pursue();
        }
        let own = znode.rsplit('/').next().unwrap_or(&znode);
        let line = Line::around(own, children);
        if !line.has_own {
            self.state = State::Out;
            return self.pursue();
        }
        if let Some(orphan) = self.orphan(children, own) {
            return Some((Step::Sweep, Operation::Delete { path: child(&self.path, orphan) }));
        }
        match line.predecessor {
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

    /// A znode that this very run of the process made and that is not its place in line: the create of it was lost, or its
    /// session. Nobody acts under it, so it may go at once. A znode of a former run is left to ZooKeeper, which alone
    /// knows when that run is over.
    fn orphan<'a>(&self, children: &'a Names, own: &str) -> Option<&'a Arc<str>> {
        // Who has made but one znode has made no other.
        if !self.rules.sweep_own_orphans || self.creates == 1 {
            return None;
        }
        let run = self.run();
        children.iter().filter(|name| name.as_ref() != own && name.starts_with(&run)).min()
    }

    fn swept(&mut self) -> Wish {
        match &self.state {
            State::Standing { .. } => self.pursue(),
            State::Out
            | State::Creating
            | State::Doubtful
            | State::Adopting { .. }
            | State::Waiting { .. }
            | State::Leading { .. }
            | State::Withdrawing { .. } => None,
        }
    }

    fn withdrawn(&mut self) -> Wish {
        let State::Withdrawing { .. } = self.state else { return None };
        self.state = State::Out;
        self.pursue()
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

    /// What the names of all znodes begin with that this run of the process makes.
    fn run(&self) -> String {
        format!("_c_{}.", self.name)
    }

    /// Curator's protected name: what comes before `lock-` tells whose it is, should the create's answer be lost.
    fn prefix(&self) -> String {
        format!("{}{}-lock-", self.run(), self.creates)
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

fn children(outcome: Outcome) -> Option<Names> {
    match outcome {
        Outcome::Children { children } => Some(children),
        Outcome::Created { .. }
        | Outcome::DataSet
        | Outcome::Deleted
        | Outcome::Exists { .. }
        | Outcome::Data { .. }
        | Outcome::Synced => None,
    }
}

/// What a candidate sees when it looks along the line. Lines are long, so it looks once, and at names only where their
/// endings do not tell enough.
struct Line<'a> {
    /// Whether its own place is there.
    has_own: bool,
    /// The one before its own. A line is shorter than 2³¹, so the difference tells the order even where the numbers wrap.
    predecessor: Option<&'a Arc<str>>,
}

impl<'a> Line<'a> {
    /// `own`: the candidate's own name.
    fn around(own: &str, names: &'a Names) -> Line<'a> {
        let (own_ending, own_number) = (ending(own), sequence(own));
        let own_is_plain = is_plain_number(own_ending);
        let mut has_own = false;
        let mut nearest: Option<(i32, &Arc<str>)> = None;
        // The greatest ending before its own of which it is known that it is that of a number. The order of endings is that of
        // numbers where ZooKeeper has written all ten digits; whoever names a znode otherwise is not in line.
        let mut nearest_ending = 0;
        for (ending, name) in names.with_endings() {
            has_own |= *ending == own_ending && **name == *own;
            let is_plain = own_is_plain && is_plain_number(*ending);
            if is_plain && !(nearest_ending..own_ending).contains(ending) {
                continue;
            }
            let Some((own, number)) = own_number.zip(sequence(name)) else { continue };
            let ahead = own.wrapping_sub(number);
            if ahead > 0 && nearest.is_none_or(|nearest| (ahead, name) < nearest) {
                nearest = Some((ahead, name));
            }
            if is_plain {
                nearest_ending = *ending;
            }
        }
        Line { has_own, predecessor: nearest.map(|(_, name)| name) }
    }
}

#[cfg(test)]
mod tests;
