//! The two roles: who may hold them, taking them up and laying them down.

use super::Node;
use super::operations::Purpose;
use crate::coordinator::{Desk, Office};
use crate::discovery::CoordinatorView;
use crate::effect::Effects;
use crate::event::{ClusterEvent, Resignation};
use crate::leadership::Role;
use crate::message::Membership;
use crate::rules::CoordinatorLookup;
use crate::status::{ConnectionState, DisconnectionCode, Epoch};
use crate::time::Instant;
use alloc::boxed::Box;
use core::time::Duration;

/// How long a node that made room for a better candidate waits before it stands for election again.
const STAND_AGAIN_PAUSE: Duration = Duration::from_secs(1);

impl Node {
    /// The term in which this node leads: by its own place in line, or because its name is the first (NiFi's rule).
    pub(super) fn leads(&self, role: Role) -> Option<Epoch> {
        let (candidate, named) = match role {
            Role::ClusterCoordinator => (&self.coordinator_candidate, &self.coordinator_named),
            Role::PrimaryNode => (&self.primary_candidate, &self.primary_named),
        };
        named.as_ref().map_or_else(|| candidate.leads(), |named| named.leads())
    }

    /// Whether what this node knows of its leadership is good enough to act on it now.
    pub(super) fn may_act(&self, role: Role, now: Instant) -> bool {
        let named = match role {
            Role::ClusterCoordinator => &self.coordinator_named,
            Role::PrimaryNode => &self.primary_named,
        };
        self.holds_lease(now) && named.as_ref().is_none_or(|named| named.lets_act(now))
    }

    fn holds_lease(&self, now: Instant) -> bool {
        now < self.lease_until || !self.config.rules.act_under_lease
    }

    /// Asks ZooKeeper who is first, where the answer has become too old.
    pub(super) fn ask_who_is_named(&mut self, now: Instant, effects: &mut Effects) {
        let online = self.online;
        let coordinator = self.coordinator_named.as_mut().and_then(|named| named.wake(now, online));
        let primary = self.primary_named.as_mut().and_then(|named| named.wake(now, online));
        let wishes = [(Role::ClusterCoordinator, coordinator), (Role::PrimaryNode, primary)];
        for (role, (step, operation)) in wishes.into_iter().filter_map(|(role, wish)| Some((role, wish?))) {
            self.operations.perform(effects, Purpose::Named(role, step), operation);
        }
    }

    /// Gives every role up whose lease has run out, before anything is done under it.
    pub(super) fn end_of_lease(&mut self, now: Instant, effects: &mut Effects) {
        let holds_a_role = self.office.is_some() || self.primary.is_some();
        if holds_a_role && !self.holds_lease(now) {
            self.leave_office(now, Resignation::LeaseEnded, effects);
            self.give_up_primary(Resignation::LeaseEnded, effects);
        }
    }

    /// Ends the office when something that happened in it, or around it, says so.
    pub(super) fn leave_office_if_due(&mut self, now: Instant, effects: &mut Effects) {
        let Some(office) = &self.office else { return };
        let reason = if let Some(reason) = office.leaving() {
            Some(reason)
        } else if self.leads(Role::ClusterCoordinator) != Some(office.epoch()) {
            Some(self.no_longer_leads())
        } else if self.known_epoch > office.epoch() {
            Some(Resignation::Deposed)
        } else if self.is_put_out_by_a_person()
            || (self.bars_itself() && self.table.connected().next().is_some())
        {
            Some(Resignation::NotEntitled)
        } else {
            None
        };
        if let Some(reason) = reason {
            if reason == Resignation::NotQualified {
                self.stands_again_at = now + STAND_AGAIN_PAUSE;
            }
            self.leave_office(now, reason, effects);
            self.leave_line(now, Role::ClusterCoordinator, reason, effects);
        }
    }

    fn no_longer_leads(&self) -> Resignation {
        if self.coordinator_named.is_some() { Resignation::NotNamed } else { Resignation::Deposed }
    }

    /// Who laid a role down does not keep its place in line, and does not lead before it has asked again. Who held the
    /// role because of its name alone has no such place; who is named still, in another term, keeps it.
    fn leave_line(&mut self, now: Instant, role: Role, reason: Resignation, effects: &mut Effects) {
        if reason == Resignation::NotNamed && self.leads(role).is_some() {
            return;
        }
        let (candidate, named) = match role {
            Role::ClusterCoordinator => (&mut self.coordinator_candidate, &mut self.coordinator_named),
            Role::PrimaryNode => (&mut self.primary_candidate, &mut self.primary_named),
        };
        let by_name_alone = named.is_some() && candidate.leads().is_none();
        if let Some(named) = named {
            named.interrupted(now);
        }
        if !by_name_alone {
            let wish = candidate.relinquish();
            self.grant_one(role, wish, effects);
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
            match reason {
                // Who goes by its own will leaves nothing unsaid.
                Resignation::Stopping | Resignation::NotEntitled | Resignation::NotQualified => {
                    office.announce(&mut desk);
                }
                Resignation::Suspended
                | Resignation::SessionLost
                | Resignation::LeaseEnded
                | Resignation::Deposed
                | Resignation::NotNamed => {}
            }
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

    /// Whether a person decided that this node is no member. Such a node does not coordinate, even if nobody else can. A
    /// node that is out for another reason goes on until another node is CONNECTED: it may be the only one that knows the
    /// elected flow.
    fn is_put_out_by_a_person(&self) -> bool {
        match &self.membership {
            Membership::Disconnected { code, .. } => *code == DisconnectionCode::UserDisconnected,
            Membership::Offloading { .. } | Membership::Offloaded { .. } | Membership::Removed { .. } => true,
            Membership::Joining | Membership::Loading { .. } | Membership::Connected { .. } => false,
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

    /// Whether other nodes were given the cluster's flow, as far as this node knows. Those that are still CONNECTING here
    /// may have loaded it: a coordinator that loses its lease again and again never comes to a tick that says so.
    fn knows_others_with_the_flow(&self) -> bool {
        self.table.iter().any(|status| {
            status.node.id != self.config.node.id
                && matches!(
                    status.state,
                    ConnectionState::Connecting { .. } | ConnectionState::Connected { .. }
                )
        })
    }

    /// Stands for the roles that this node is entitled to, and for no other.
    pub(super) fn stand_or_withdraw(&mut self, now: Instant, effects: &mut Effects) {
        if now >= self.stands_again_at {
            self.stands_again_at = Instant::ZERO;
        }
        let coordinator = self.is_candidate(now);
        self.candidate_since = coordinator.then(|| self.candidate_since.unwrap_or(now));
        let primary = self.membership.is_connected();
        let wishes = [
            self.coordinator_candidate.want(coordinator, self.online),
            self.primary_candidate.want(primary, self.online),
        ];
        self.grant(wishes, effects);
        for (named, participates) in
            [(&mut self.coordinator_named, coordinator), (&mut self.primary_named, primary)]
        {
            if let Some(named) = named {
                named.participate(participates);
            }
        }
        self.ask_who_is_named(now, effects);
    }

    /// Takes a role up when ZooKeeper gives it, and lays it down when it is gone.
    pub(super) fn take_up_roles(&mut self, now: Instant, effects: &mut Effects) {
        let primary = self.leads(Role::PrimaryNode);
        if self.primary.is_some() && self.primary != primary {
            let named = self.primary_named.is_some() && self.membership.is_connected();
            let reason = if named { Resignation::NotNamed } else { Resignation::NotEntitled };
            self.give_up_primary(reason, effects);
            if reason == Resignation::NotNamed {
                self.leave_line(now, Role::PrimaryNode, reason, effects);
            }
        }
        if self.primary.is_none()
            && let Some(epoch) = primary
            && self.may_act(Role::PrimaryNode, now)
        {
            self.primary = Some(epoch);
            effects.record(ClusterEvent::Elected { role: Role::PrimaryNode, epoch });
        }
        if self.office.is_none()
            && let Some(epoch) = self.leads(Role::ClusterCoordinator)
        {
            // To make room needs no lease. Were one waited for, a long line would move by one node in a third of a session.
            if self.makes_room(epoch) {
                let until = now + self.config.session_timeout * 2;
                self.makes_room_until.get_or_insert(until);
                self.stands_again_at = now + STAND_AGAIN_PAUSE;
                self.leave_line(now, Role::ClusterCoordinator, Resignation::Deposed, effects);
            } else if self.may_act(Role::ClusterCoordinator, now) {
                self.begin_office(now, epoch, effects);
            }
        }
    }

    /// Whether this node, which leads in the term of `epoch`, does not take office.
    fn makes_room(&self, epoch: Epoch) -> bool {
        // Another node was elected later: this node's place in line is a ghost. Or its term was interrupted before it had
        // the cluster's flow itself, and others that it gave the flow to have it by now: they go first.
        let handed_out = self.handed_out.as_ref().is_some_and(|(handed_out_in, _)| *handed_out_in == epoch);
        let resumes = handed_out && self.config.rules.qualified_candidates_only;
        let ghost = epoch < self.known_epoch || self.was_told_decisions_of(epoch);
        // Where nobody leads everybody stands, and this node may be first by chance. Nodes that have the flow go first; if none
        // of them takes the lead in the time of two sessions, this node does, at a place that it takes after that time: one
        // taken before may be in front of a node that has the flow.
        let by_chance = self.config.rules.hear_members_before_acting
            && self
                .makes_room_until
                .is_none_or(|until| self.candidate_since.is_none_or(|since| since < until));
        ghost || ((resumes || by_chance) && !self.inherited && self.knows_others_with_the_flow())
    }

    fn begin_office(&mut self, now: Instant, epoch: Epoch, effects: &mut Effects) {
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
                self.office = Some(Box::new(office));
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
}
