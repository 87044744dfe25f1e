//! Finding the coordinator, and being found: the coordinator's address in ZooKeeper, and this node's own
//! registration as a member. What is done with the answer is not known here.

use crate::coordination::{CoordinationError, CreateMode, Operation, Outcome, Paths, child};
use crate::identity::{Address, Incarnation, NodeId, NodeIdentifier};
use crate::leadership::{Role, first_in_line};
use crate::rules::CoordinatorLookup;
use crate::status::Epoch;
use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;

/// Who coordinates, as ZooKeeper said last.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum CoordinatorView {
    /// Not asked yet, or asking.
    Unknown,
    /// Nobody.
    Nobody,
    /// This node.
    Known {
        /// Its term.
        epoch: Epoch,
        /// Where its cluster protocol listens.
        address: Address,
    },
}

impl CoordinatorView {
    /// The coordinator, if one is known.
    #[must_use]
    pub const fn known(&self) -> Option<(Epoch, &Address)> {
        match self {
            CoordinatorView::Known { epoch, address } => Some((*epoch, address)),
            CoordinatorView::Unknown | CoordinatorView::Nobody => None,
        }
    }
}

/// Which of the finder's operations ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Step {
    Read,
    Await,
    ListCandidates,
    ReadCandidate,
    Register,
    ClearGhost,
    Unregister,
}

pub(crate) type Wish = Option<(Step, Operation)>;

/// Looks up the coordinator. A watch keeps the answer fresh, or whoever needs it has it looked up anew.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Finder {
    lookup: CoordinatorLookup,
    path: Arc<str>,
    election: Arc<str>,
    view: CoordinatorView,
    /// The znode that said so: the same coordinator may have written a new one.
    said_by: Epoch,
}

impl Finder {
    pub(crate) fn new(lookup: CoordinatorLookup, paths: &Paths) -> Self {
        let election = paths.election(Role::ClusterCoordinator.name());
        Finder {
            lookup,
            path: paths.coordinator(),
            election,
            view: CoordinatorView::Unknown,
            said_by: Epoch::NONE,
        }
    }

    pub(crate) fn view(&self) -> &CoordinatorView {
        &self.view
    }

    /// What ZooKeeper said last, and in which znode.
    pub(crate) fn answer(&self) -> (CoordinatorView, Epoch) {
        (self.view.clone(), self.said_by)
    }

    /// Whether nothing tells of a change: each use of the answer needs a look of its own.
    pub(crate) fn looks_each_time(&self) -> bool {
        match self.lookup {
            CoordinatorLookup::WellKnownZnode => false,
            CoordinatorLookup::ElectionZnode => true,
        }
    }

    /// Asks ZooKeeper.
    pub(crate) fn look(&self) -> (Step, Operation) {
        match self.lookup {
            CoordinatorLookup::WellKnownZnode => {
                (Step::Read, Operation::GetData { path: self.path.clone(), watch: true })
            }
            CoordinatorLookup::ElectionZnode => {
                (Step::ListCandidates, Operation::GetChildren { path: self.election.clone(), watch: false })
            }
        }
    }

    /// The session is over: whoever led may lead no more.
    pub(crate) fn forget(&mut self) {
        self.view = CoordinatorView::Unknown;
    }

    pub(crate) fn watched(&self, path: &str) -> Wish {
        (path == self.path.as_ref() && !self.looks_each_time()).then(|| self.look())
    }

    pub(crate) fn completed(&mut self, step: Step, result: &Result<Outcome, CoordinationError>) -> Wish {
        match step {
            Step::Read => self.read(result),
            Step::Await => matches!(result, Ok(Outcome::Exists { .. })).then(|| self.look()),
            Step::ListCandidates => self.candidates_listed(result),
            Step::ReadCandidate => self.candidate_read(result),
            Step::Register | Step::ClearGhost | Step::Unregister => None,
        }
    }

    // A lost connection is followed by a new look when it is back; what else is not named below says nothing new.

    fn read(&mut self, result: &Result<Outcome, CoordinationError>) -> Wish {
        if let Ok(Outcome::Data { data, czxid }) = result {
            (self.view, self.said_by) = (parse_well_known(data, Epoch(*czxid)), Epoch(*czxid));
        }
        if *result != Err(CoordinationError::NoNode) {
            return None;
        }
        self.view = CoordinatorView::Nobody;
        Some((Step::Await, Operation::Exists { path: self.path.clone(), watch: true }))
    }

    fn candidates_listed(&mut self, result: &Result<Outcome, CoordinationError>) -> Wish {
        if let Ok(Outcome::Children { children }) = result
            && let Some(first) = first_in_line(children)
        {
            let path = child(&self.election, first);
            return Some((Step::ReadCandidate, Operation::GetData { path, watch: false }));
        }
        if matches!(result, Ok(_) | Err(CoordinationError::NoNode)) {
            self.view = CoordinatorView::Nobody;
        }
        None
    }

    fn candidate_read(&mut self, result: &Result<Outcome, CoordinationError>) -> Wish {
        if let Ok(Outcome::Data { data, czxid }) = result {
            let (address, epoch) = (Address::parse(data), Epoch(*czxid));
            self.view =
                address.map_or(CoordinatorView::Nobody, |address| CoordinatorView::Known { epoch, address });
        }
        // The first one has just gone.
        (*result == Err(CoordinationError::NoNode)).then(|| self.look())
    }
}

/// What the coordinator writes at the well-known path: its term and its address.
pub(crate) fn well_known(epoch: Epoch, node: &NodeIdentifier) -> Arc<str> {
    format!("{} {}", epoch, node.socket).into()
}

fn parse_well_known(data: &str, czxid: Epoch) -> CoordinatorView {
    let parsed = data
        .split_once(' ')
        .and_then(|(epoch, address)| Some((Epoch(epoch.parse().ok()?), Address::parse(address)?)));
    match parsed {
        // Nobody can write a term that ZooKeeper has not reached.
        Some((epoch, address)) if epoch <= czxid => CoordinatorView::Known { epoch, address },
        Some(_) | None => CoordinatorView::Nobody,
    }
}

/// What a member registers with: its identifier and addresses, and which run of its process it is.
pub(crate) fn print_member(node: &NodeIdentifier, incarnation: Incarnation) -> Arc<str> {
    format!("{} {} {} {}", node.id, node.api, node.socket, incarnation.0).into()
}

/// Who registered with this data, and which run of its process.
pub(crate) fn parse_member(data: &str) -> Option<(NodeIdentifier, Incarnation)> {
    let mut words = data.split(' ');
    let id = NodeId::parse(words.next()?)?;
    let (api, socket) = (Address::parse(words.next()?)?, Address::parse(words.next()?)?);
    let incarnation = Incarnation(words.next()?.parse().ok()?);
    words.next().is_none().then(|| (NodeIdentifier::new(id, api, socket), incarnation))
}

/// This node's registration: an ephemeral znode with its identifier, host and port (as the requirement has it), and
/// which run of its process it is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Registration {
    path: Arc<str>,
    data: Arc<str>,
    wanted: bool,
    confirmed: bool,
}

impl Registration {
    pub(crate) fn new(paths: &Paths, node: &NodeIdentifier, incarnation: Incarnation) -> Self {
        let data = print_member(node, incarnation);
        Registration {
            path: child(&paths.members(), &node.id.to_string()),
            data,
            wanted: true,
            confirmed: false,
        }
    }

    /// The session is over, and the registration with it.
    pub(crate) fn forget(&mut self) {
        self.confirmed = false;
    }

    /// Registers in a new session, or makes sure of it in a resumed one; takes a registration back that is not wanted
    /// any more.
    pub(crate) fn register(&self) -> Wish {
        match (self.wanted, self.confirmed) {
            (true, false) => Some(self.create()),
            (false, true) => Some((Step::Unregister, Operation::Delete { path: self.path.clone() })),
            (true, true) | (false, false) => None,
        }
    }

    /// Takes the registration back, for the rest of this run.
    pub(crate) fn withdraw(&mut self) -> (Step, Operation) {
        self.wanted = false;
        (Step::Unregister, Operation::Delete { path: self.path.clone() })
    }

    pub(crate) fn completed(&mut self, step: Step, result: &Result<Outcome, CoordinationError>) -> Wish {
        let gone = matches!(result, Ok(_) | Err(CoordinationError::NoNode));
        match step {
            Step::Register => {
                self.confirmed |= result.is_ok();
                // A ghost: it belongs to this node's former session, and would vanish under us.
                let ghost = *result == Err(CoordinationError::NodeExists) && self.wanted;
                ghost.then(|| (Step::ClearGhost, Operation::Delete { path: self.path.clone() }))
            }
            Step::ClearGhost => (gone && self.wanted).then(|| self.create()),
            Step::Unregister => {
                self.confirmed &= !gone;
                None
            }
            Step::Read | Step::Await | Step::ListCandidates | Step::ReadCandidate => None,
        }
    }

    fn create(&self) -> (Step, Operation) {
        let (path, data) = (self.path.clone(), self.data.clone());
        (Step::Register, Operation::Create { path, data, mode: CreateMode::Ephemeral })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finder() -> Finder {
        Finder::new(CoordinatorLookup::WellKnownZnode, &Paths::new("/nifi"))
    }

    #[test]
    fn what_the_coordinator_writes_is_what_others_read() {
        let node = NodeIdentifier::new(NodeId(1), Address::new("n1", 8443), Address::new("n1", 11443));
        let mut finder = finder();
        let data = Outcome::Data { data: well_known(Epoch(7), &node), czxid: 9 };
        assert_eq!(finder.completed(Step::Read, &Ok(data)), None);
        assert_eq!(finder.view().known(), Some((Epoch(7), &Address::new("n1", 11443))));
    }

    #[test]
    fn an_address_that_says_nothing_is_no_coordinator() {
        for text in ["", "7", "7 n1", "x n1:1", "10 n1:1"] {
            let mut finder = finder();
            finder.completed(Step::Read, &Ok(Outcome::Data { data: text.into(), czxid: 9 }));
            assert_eq!(finder.view(), &CoordinatorView::Nobody, "{text:?}");
        }
    }

    #[test]
    fn when_nobody_leads_the_address_is_awaited() {
        let mut finder = finder();
        let wish = finder.completed(Step::Read, &Err(CoordinationError::NoNode));
        assert!(matches!(wish, Some((Step::Await, Operation::Exists { watch: true, .. }))));
        assert!(matches!(finder.watched("/nifi/cluster/coordinator"), Some((Step::Read, _))));
        assert_eq!(finder.watched("/nifi/cluster/nodes"), None);
    }

    #[test]
    fn under_nifi_s_rule_the_first_candidate_is_the_coordinator_and_nothing_tells_of_a_change() {
        let mut finder = Finder::new(CoordinatorLookup::ElectionZnode, &Paths::new("/nifi"));
        let names = alloc::vec::Vec::from(["_c_a-lock-0000000007", "_c_b-lock-0000000003"].map(Arc::from));
        let wish = finder.completed(Step::ListCandidates, &Ok(Outcome::Children { children: names.into() }));
        let path: Arc<str> = "/nifi/leaders/Cluster Coordinator/_c_b-lock-0000000003".into();
        assert_eq!(
            wish,
            Some((Step::ReadCandidate, Operation::GetData { path: path.clone(), watch: false }))
        );
        finder.completed(Step::ReadCandidate, &Ok(Outcome::Data { data: "n2:11443".into(), czxid: 3 }));
        assert_eq!(finder.view().known(), Some((Epoch(3), &Address::new("n2", 11443))));
        assert_eq!(finder.watched(&path), None);
        assert_eq!(finder.watched("/nifi/cluster/coordinator"), None);
    }

    #[test]
    fn under_nifi_s_rule_nobody_coordinates_where_there_is_no_line() {
        let mut finder = Finder::new(CoordinatorLookup::ElectionZnode, &Paths::new("/nifi"));
        assert_eq!(finder.completed(Step::ListCandidates, &Err(CoordinationError::NoNode)), None);
        assert_eq!(finder.view(), &CoordinatorView::Nobody);
        let gone = finder.completed(Step::ReadCandidate, &Err(CoordinationError::NoNode));
        assert!(
            matches!(gone, Some((Step::ListCandidates, _))),
            "the first one went, the next one is asked for"
        );
    }

    #[test]
    fn a_ghost_of_the_former_process_is_replaced() {
        let node = NodeIdentifier::new(NodeId(1), Address::new("n1", 8443), Address::new("n1", 11443));
        let mut registration = Registration::new(&Paths::new("/nifi"), &node, Incarnation(1));
        assert!(matches!(registration.register(), Some((Step::Register, _))));
        let clear = registration.completed(Step::Register, &Err(CoordinationError::NodeExists));
        assert!(matches!(clear, Some((Step::ClearGhost, Operation::Delete { .. }))));
        let again = registration.completed(Step::ClearGhost, &Ok(Outcome::Deleted));
        assert!(matches!(again, Some((Step::Register, _))));
        registration.withdraw();
        assert_eq!(registration.register(), None);
    }

    #[test]
    fn a_registration_that_could_not_be_taken_back_is_taken_back_when_the_session_resumes() {
        let node = NodeIdentifier::new(NodeId(1), Address::new("n1", 8443), Address::new("n1", 11443));
        let mut registration = Registration::new(&Paths::new("/nifi"), &node, Incarnation(1));
        registration.completed(Step::Register, &Ok(Outcome::Created { path: "/x".into(), czxid: 1 }));
        registration.withdraw();
        registration.completed(Step::Unregister, &Err(CoordinationError::ConnectionLoss));
        assert!(matches!(registration.register(), Some((Step::Unregister, _))));
        registration.completed(Step::Unregister, &Ok(Outcome::Deleted));
        assert_eq!(registration.register(), None);
    }
}
