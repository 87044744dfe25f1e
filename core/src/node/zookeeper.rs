//! What ZooKeeper says, and what the node makes of it: sessions, leases, roles taken up and given up.

use super::Node;
use super::operations::Purpose;
use crate::coordination::{
    CoordinationError, CoordinationEvent, CreateMode, Operation, OperationId, Outcome, WatchKind,
};
use crate::coordinator::{Desk, Office};
use crate::discovery::CoordinatorView;
use crate::effect::Effects;
use crate::event::{ClusterEvent, Resignation};
use crate::leadership::{self, Role, Wish};
use crate::message::Membership;
use crate::rules::CoordinatorLookup;
use crate::status::Epoch;
use crate::time::Instant;
use alloc::sync::Arc;
use core::time::Duration;

/// How long a node that made room for a better candidate waits before it stands for election again.
const STAND_AGAIN_PAUSE: Duration = Duration::from_secs(1);

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
        let wishes = [self.coordinator_candidate.session_opened(), self.primary_candidate.session_opened()];
        self.grant(wishes, effects);
        self.settle(now, effects);
    }

    /// Makes sure that everything has a place to be in. That there is one already is as good.
    fn make_parents(&mut self, effects: &mut Effects) {
        for path in self.config.paths.parents() {
            let create = Operation::Create { path, data: "".into(), mode: CreateMode::Persistent };
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
        self.leave_office(now, Resignation::Suspended, effects);
        self.give_up_primary(Resignation::Suspended, effects);
    }

    fn session_lost(&mut self, now: Instant, effects: &mut Effects) {
        self.online = false;
        self.operations.forget();
        self.registration.forget();
        self.finder.forget();
        self.published = false;
        self.coordinator_candidate.session_lost();
        self.primary_candidate.session_lost();
        self.leave_office(now, Resignation::SessionLost, effects);
        self.give_up_primary(Resignation::SessionLost, effects);
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
                let candidate = match role {
                    Role::ClusterCoordinator => &mut self.coordinator_candidate,
                    Role::PrimaryNode => &mut self.primary_candidate,
                };
                let wish = candidate.completed(step, result);
                self.grant_one(role, wish, effects);
            }
            Some(Purpose::Discovery(step)) => {
                let view = self.finder.view().clone();
                let registered = self.registration.completed(step, &result);
                let looked = self.finder.completed(step, result);
                for (step, operation) in registered.into_iter().chain(looked) {
                    self.operations.perform(effects, Purpose::Discovery(step), operation);
                }
                self.coordinator_seen(now, &view, effects);
            }
            Some(Purpose::Office(step)) => {
                self.with_office(now, effects, |office, desk| office.completed(desk, step, result));
            }
        }
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

    /// ZooKeeper named a coordinator, or said that there is none.
    fn coordinator_seen(&mut self, now: Instant, before: &CoordinatorView, effects: &mut Effects) {
        if self.finder.view() == before {
            return;
        }
        if let Some((epoch, _)) = self.finder.view().known() {
            self.learn_epoch(now, epoch, effects);
            self.coordinator_found(now);
        }
    }

    fn look_for_coordinator(&mut self, effects: &mut Effects) {
        let (step, operation) = self.finder.look();
        self.operations.perform(effects, Purpose::Discovery(step), operation);
    }

    /// The address that ZooKeeper named does not coordinate under that term: perhaps there is news.
    pub(super) fn not_coordinator(&mut self, epoch: Epoch, effects: &mut Effects) {
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

    pub(super) fn holds_lease(&self, now: Instant) -> bool {
        now < self.lease_until || !self.config.rules.act_under_lease
    }

    /// Gives every role up whose lease has run out, before anything is done under it.
    pub(super) fn end_of_lease(&mut self, now: Instant, effects: &mut Effects) {
        if !self.holds_lease(now) {
            self.leave_office(now, Resignation::LeaseEnded, effects);
            self.give_up_primary(Resignation::LeaseEnded, effects);
        }
    }

    /// Ends the office when something that happened in it, or around it, says so.
    pub(super) fn leave_office_if_due(&mut self, now: Instant, effects: &mut Effects) {
        let Some(office) = &self.office else { return };
        let reason = if let Some(reason) = office.leaving() {
            Some(reason)
        } else if self.coordinator_candidate.leads() != Some(office.epoch())
            || self.known_epoch > office.epoch()
        {
            Some(Resignation::Deposed)
        } else if self.bars_itself() && self.table.connected().next().is_some() {
            Some(Resignation::NotEntitled)
        } else {
            None
        };
        if let Some(reason) = reason {
            if reason == Resignation::NotQualified {
                self.stands_again_at = now + STAND_AGAIN_PAUSE;
            }
            self.leave_office(now, reason, effects);
            let wish = self.coordinator_candidate.relinquish();
            self.grant_one(Role::ClusterCoordinator, wish, effects);
        }
    }

    pub(super) fn leave_office(&mut self, now: Instant, reason: Resignation, effects: &mut Effects) {
        if let Some(mut office) = self.office.take() {
            let mut desk = Desk {
                now,
                config: &self.config,
                table: &mut self.table,
                operations: &mut self.operations,
                own_flow: &self.flow,
                inherited: self.inherited,
                effects,
            };
            office.abandon(&mut desk);
            self.operations.forget_office();
            self.decided = office.decided();
            let epoch = office.epoch();
            self.handed_out = office.cluster_flow().map(|flow| (epoch, flow.clone()));
            effects.record(ClusterEvent::Resigned { role: Role::ClusterCoordinator, epoch, reason });
        }
    }

    pub(super) fn give_up_primary(&mut self, reason: Resignation, effects: &mut Effects) {
        if let Some(epoch) = self.primary.take() {
            effects.record(ClusterEvent::Resigned { role: Role::PrimaryNode, epoch, reason });
        }
    }

    /// Whether what this node is keeps it from coordinating as long as there is another member (NIFI-2419, I8).
    fn bars_itself(&self) -> bool {
        match &self.membership {
            Membership::Joining | Membership::Loading { .. } | Membership::Connected { .. } => false,
            Membership::Disconnected { code, .. } => code.bars_from_office(),
            Membership::Offloading { .. } | Membership::Offloaded { .. } | Membership::Removed { .. } => true,
        }
    }

    /// Whether this node should stand for coordinator: it has the cluster's flow, or nobody else leads who has.
    fn is_candidate(&self, now: Instant) -> bool {
        if self.office.is_some() {
            return true;
        }
        if self.bars_itself() || now < self.stands_again_at {
            return false;
        }
        if self.inherited || !self.config.rules.qualified_candidates_only {
            return true;
        }
        match self.finder.view() {
            CoordinatorView::Nobody => true,
            CoordinatorView::Known { epoch, .. } => self.coordinator_candidate.place() == Some(*epoch),
            // Not known yet: stay as we are, in line or not.
            CoordinatorView::Unknown => false,
        }
    }

    fn knows_other_members(&self) -> bool {
        self.table.connected().any(|status| status.node.id != self.config.node.id)
    }

    /// Stands for the roles that this node is entitled to, and for no other.
    pub(super) fn stand_or_withdraw(&mut self, now: Instant, effects: &mut Effects) {
        if now >= self.stands_again_at {
            self.stands_again_at = Instant::ZERO;
        }
        let coordinator = self.is_candidate(now);
        let primary = self.membership.is_connected();
        let wishes = [
            self.coordinator_candidate.want(coordinator, self.online),
            self.primary_candidate.want(primary, self.online),
        ];
        self.grant(wishes, effects);
    }

    /// Takes a role up when ZooKeeper gives it, and lays it down when it is gone.
    pub(super) fn take_up_roles(&mut self, now: Instant, effects: &mut Effects) {
        if self.primary.is_some() && self.primary != self.primary_candidate.leads() {
            self.give_up_primary(Resignation::NotEntitled, effects);
        }
        if !self.holds_lease(now) {
            return;
        }
        if self.primary.is_none()
            && let Some(epoch) = self.primary_candidate.leads()
        {
            self.primary = Some(epoch);
            effects.record(ClusterEvent::Elected { role: Role::PrimaryNode, epoch });
        }
        if self.office.is_none()
            && let Some(epoch) = self.coordinator_candidate.leads()
        {
            self.begin_office(now, epoch, effects);
        }
    }

    fn begin_office(&mut self, now: Instant, epoch: Epoch, effects: &mut Effects) {
        // Somebody was elected after us: our place in line is a ghost. Or our term was interrupted before this node had
        // the cluster's flow, and others have it by now: they go first.
        let resumes = epoch == self.decided.epoch && self.config.rules.qualified_candidates_only;
        let ghost = epoch < self.known_epoch || self.was_told_decisions_of(epoch);
        if ghost || (resumes && !self.inherited && self.knows_other_members()) {
            self.stands_again_at = now + STAND_AGAIN_PAUSE;
            let wish = self.coordinator_candidate.relinquish();
            return self.grant_one(Role::ClusterCoordinator, wish, effects);
        }
        effects.record(ClusterEvent::Elected { role: Role::ClusterCoordinator, epoch });
        self.known_epoch = self.known_epoch.max(epoch);
        let mut desk = Desk {
            now,
            config: &self.config,
            table: &mut self.table,
            operations: &mut self.operations,
            own_flow: &self.flow,
            inherited: self.inherited,
            effects,
        };
        let elected = self.handed_out.take().filter(|(handed_out_in, _)| *handed_out_in == epoch);
        match Office::begin(&mut desk, epoch, self.decided, elected.map(|(_, flow)| flow)) {
            Ok(office) => {
                self.decided = office.decided();
                self.office = Some(office);
                self.published = self.config.rules.coordinator_lookup == CoordinatorLookup::WellKnownZnode;
            }
            Err(reason) => {
                effects.record(ClusterEvent::Resigned { role: Role::ClusterCoordinator, epoch, reason });
            }
        }
    }

    /// Whether there are decisions of `epoch`, or of a later term, that this node did not make.
    fn was_told_decisions_of(&self, epoch: Epoch) -> bool {
        let mut versions = self.table.iter().map(|status| status.version);
        versions.any(|version| version.epoch >= epoch && version > self.decided)
    }

    fn grant(&mut self, [coordinator, primary]: [Wish; 2], effects: &mut Effects) {
        self.grant_one(Role::ClusterCoordinator, coordinator, effects);
        self.grant_one(Role::PrimaryNode, primary, effects);
    }

    fn grant_one(&mut self, role: Role, wish: Wish, effects: &mut Effects) {
        let Some((step, operation)) = wish else { return };
        if role == Role::ClusterCoordinator && step == leadership::Step::Withdraw && self.published {
            // While our place in line is still there, the address at the well-known path is ours.
            let path = self.config.paths.coordinator();
            self.operations.perform(effects, Purpose::Unpublish, Operation::Delete { path });
        }
        self.operations.perform(effects, Purpose::Candidate(role, step), operation);
    }
}
