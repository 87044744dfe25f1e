//! What ZooKeeper says, and who in the node hears it: sessions, leases, answers, watches.

use super::operations::Purpose;
use super::{Errands, Node};
use crate::config::TRY_LATER;
use crate::coordination::{
    CoordinationError, CoordinationEvent, CreateMode, Operation, OperationId, Outcome, WatchKind,
};
use crate::discovery::{self, CoordinatorView};
use crate::effect::Effects;
use crate::event::Resignation;
use crate::leadership::{self, Role, Wish};
use crate::message::Membership;
use crate::rules::ElectionParents;
use crate::status::Epoch;
use crate::time::Instant;
use alloc::sync::Arc;

impl Node {
    pub(super) fn coordination(&mut self, now: Instant, event: CoordinationEvent, effects: &mut Effects) {
        match event {
            CoordinationEvent::Connected => self.session_opened(now, effects),
            CoordinationEvent::Reconnected => self.session_resumed(now, effects),
            CoordinationEvent::Suspended => self.suspended(now, effects),
            CoordinationEvent::Lost => self.session_lost(now, effects),
            CoordinationEvent::Lease { until } => self.lease_until = self.lease_until.max(until),
            CoordinationEvent::Completed { id, result } => self.completed(now, id, result, effects),
            CoordinationEvent::Watched { path, kind } => self.watched(now, &path, kind, effects),
        }
    }

    fn session_opened(&mut self, now: Instant, effects: &mut Effects) {
        self.operations.forget();
        self.online = true;
        self.registration.forget();
        self.make_parents(effects);
        if self.config.rules.members_register
            && let Some((step, operation)) = self.registration.register()
        {
            self.operations.perform(effects, Purpose::Discovery(step), operation);
        }
        self.look_for_coordinator(effects);
        if self.finder.looks_each_time() && self.membership == Membership::Joining {
            self.errands.ask = true;
            // Should the answer be lost, it is asked again.
            self.ask_at = Some(now + TRY_LATER);
        }
        let wishes = [self.coordinator_candidate.session_opened(), self.primary_candidate.session_opened()];
        self.grant(wishes, effects);
        self.settle(now, effects);
    }

    /// Makes sure that everything has a place to be in. That there is one already is as good.
    fn make_parents(&mut self, effects: &mut Effects) {
        let election = match self.config.rules.election_parents {
            ElectionParents::Persistent => CreateMode::Persistent,
            ElectionParents::Container => CreateMode::Container,
        };
        for (path, mode) in self.config.paths.parents(election) {
            let create = Operation::Create { path, data: "".into(), mode };
            self.operations.perform(effects, Purpose::Parent, create);
        }
    }

    fn session_resumed(&mut self, now: Instant, effects: &mut Effects) {
        self.online = true;
        if !self.parents_made {
            self.make_parents(effects);
        }
        if self.config.rules.members_register
            && let Some((step, operation)) = self.registration.register()
        {
            self.operations.perform(effects, Purpose::Discovery(step), operation);
        }
        self.look_for_coordinator(effects);
        let wishes = [self.coordinator_candidate.session_resumed(), self.primary_candidate.session_resumed()];
        self.grant(wishes, effects);
        self.settle(now, effects);
    }

    fn suspended(&mut self, now: Instant, effects: &mut Effects) {
        self.online = false;
        self.coordinator_candidate.suspended();
        self.primary_candidate.suspended();
        self.interrupt_named(now);
        self.leave_office(now, Resignation::Suspended, effects);
        self.give_up_primary(Resignation::Suspended, effects);
    }

    fn session_lost(&mut self, now: Instant, effects: &mut Effects) {
        self.online = false;
        self.operations.forget();
        self.registration.forget();
        self.finder.forget();
        self.errands = Errands::default();
        self.published = false;
        // Where ZooKeeper is away nobody can go first: others are in line anew, too.
        self.makes_room_until = None;
        self.coordinator_candidate.session_lost();
        self.primary_candidate.session_lost();
        self.interrupt_named(now);
        self.leave_office(now, Resignation::SessionLost, effects);
        self.give_up_primary(Resignation::SessionLost, effects);
    }

    fn interrupt_named(&mut self, now: Instant) {
        for named in [&mut self.coordinator_named, &mut self.primary_named].into_iter().flatten() {
            named.interrupted(now);
        }
    }

    fn completed(
        &mut self,
        now: Instant,
        id: OperationId,
        result: Result<Outcome, CoordinationError>,
        effects: &mut Effects,
    ) {
        match self.operations.completed(id) {
            None => {}
            // They are made in order, each in the one before: the last one's answer counts.
            Some(Purpose::Parent) => {
                self.parents_made = !matches!(result, Err(CoordinationError::ConnectionLoss))
            }
            Some(Purpose::Unpublish) => {
                self.published &= !matches!(result, Ok(_) | Err(CoordinationError::NoNode));
            }
            Some(Purpose::Candidate(role, step)) => {
                self.candidate_completed(now, role, step, result, effects)
            }
            Some(Purpose::Named(role, step)) => {
                let named = match role {
                    Role::ClusterCoordinator => &mut self.coordinator_named,
                    Role::PrimaryNode => &mut self.primary_named,
                };
                if let Some((step, operation)) =
                    named.as_mut().and_then(|named| named.completed(now, step, result))
                {
                    self.operations.perform(effects, Purpose::Named(role, step), operation);
                }
            }
            Some(Purpose::Discovery(step)) => {
                let before = self.finder.answer();
                let registered = self.registration.completed(step, &result);
                let looked = self.finder.completed(step, &result);
                let over = looked.is_none();
                for (step, operation) in registered.into_iter().chain(looked) {
                    self.operations.perform(effects, Purpose::Discovery(step), operation);
                }
                self.coordinator_seen(now, &before, effects);
                if over {
                    self.looked(now, step, &result, effects);
                }
            }
            Some(Purpose::Office(step)) => {
                self.with_office(now, effects, |office, desk| office.completed(desk, step, result));
            }
        }
    }

    fn candidate_completed(
        &mut self,
        now: Instant,
        role: Role,
        step: leadership::Step,
        result: Result<Outcome, CoordinationError>,
        effects: &mut Effects,
    ) {
        let (candidate, named) = match role {
            Role::ClusterCoordinator => (&mut self.coordinator_candidate, &mut self.coordinator_named),
            Role::PrimaryNode => (&mut self.primary_candidate, &mut self.primary_named),
        };
        let (led, misses_parent) = (candidate.leads(), candidate.misses_parent(step, &result));
        let wish = candidate.completed(step, result);
        let elected = candidate.leads().filter(|_| led.is_none());
        if let (Some(named), Some(epoch)) = (named, elected) {
            named.elected(now, epoch);
        }
        if misses_parent {
            self.make_parents(effects);
        }
        self.grant_one(role, wish, effects);
    }

    fn watched(&mut self, now: Instant, path: &Arc<str>, kind: WatchKind, effects: &mut Effects) {
        if let Some((step, operation)) = self.finder.watched(path) {
            self.operations.perform(effects, Purpose::Discovery(step), operation);
        }
        let wishes =
            [self.coordinator_candidate.watched(path, kind), self.primary_candidate.watched(path, kind)];
        self.grant(wishes, effects);
        self.with_office(now, effects, |office, desk| office.watched(desk, path));
    }

    /// ZooKeeper named a coordinator, or said that there is none. One that has written its address anew has begun anew,
    /// and waits for word from everybody.
    fn coordinator_seen(&mut self, now: Instant, before: &(CoordinatorView, Epoch), effects: &mut Effects) {
        if self.finder.answer() == *before {
            return;
        }
        if let Some((epoch, _)) = self.finder.view().known() {
            self.learn_epoch(now, epoch, effects);
            if self.office.as_ref().is_none_or(|office| office.epoch() != epoch) {
                self.makes_room_until = None;
            }
            if !self.finder.looks_each_time() {
                self.coordinator_found(now);
            }
        }
    }

    /// A look at who coordinates is over; what waited for it is done, or has failed with it.
    fn looked(
        &mut self,
        now: Instant,
        step: discovery::Step,
        result: &Result<Outcome, CoordinationError>,
        effects: &mut Effects,
    ) {
        match step {
            discovery::Step::ListCandidates | discovery::Step::ReadCandidate => {
                let errands = core::mem::take(&mut self.errands);
                if matches!(result, Ok(_) | Err(CoordinationError::NoNode)) {
                    self.run_errands(now, errands, effects);
                } else if errands.report {
                    self.report_unsent(now);
                }
            }
            discovery::Step::Read
            | discovery::Step::Await
            | discovery::Step::Register
            | discovery::Step::ClearGhost
            | discovery::Step::Unregister => {}
        }
    }

    pub(super) fn look_for_coordinator(&mut self, effects: &mut Effects) {
        let (step, operation) = self.finder.look();
        self.operations.perform(effects, Purpose::Discovery(step), operation);
    }

    /// The address that ZooKeeper named does not coordinate under that term: perhaps there is news.
    pub(super) fn not_coordinator(&mut self, epoch: Epoch, effects: &mut Effects) {
        if self.finder.looks_each_time() {
            return;
        }
        if self.online && self.finder.view().known().is_some_and(|(known, _)| known == epoch) {
            self.look_for_coordinator(effects);
        }
    }

    pub(super) fn unregister(&mut self, effects: &mut Effects) {
        let (step, operation) = self.registration.withdraw();
        if self.online && self.config.rules.members_register {
            self.operations.perform(effects, Purpose::Discovery(step), operation);
        }
    }

    pub(super) fn grant(&mut self, [coordinator, primary]: [Wish; 2], effects: &mut Effects) {
        self.grant_one(Role::ClusterCoordinator, coordinator, effects);
        self.grant_one(Role::PrimaryNode, primary, effects);
    }

    pub(super) fn grant_one(&mut self, role: Role, wish: Wish, effects: &mut Effects) {
        let Some((step, operation)) = wish else { return };
        if role == Role::ClusterCoordinator && step == leadership::Step::Withdraw && self.published {
            // While our place in line is still there, the address at the well-known path is ours.
            let path = self.config.paths.coordinator();
            self.operations.perform(effects, Purpose::Unpublish, Operation::Delete { path });
        }
        self.operations.perform(effects, Purpose::Candidate(role, step), operation);
    }
}
