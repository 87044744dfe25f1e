//! Which nodes may hold a role.

use super::{Finding, Interest, Observation, Property, oracle};
use zeromaster_core::message::Membership;
use zeromaster_core::status::DisconnectionCode;

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct PutOutHoldsNoRole;

impl Property for PutOutHoldsNoRole {
    fn name(&self) -> &'static str {
        "put-out-holds-no-role"
    }

    fn promise(&self) -> &'static str {
        "A node that a person disconnected, offloaded or removed holds no role once it obeys, nor, while it knows another \
         CONNECTED node, once its own table says so (spec S32, I8)."
    }

    fn interest(&self) -> Interest {
        Interest::IN_OFFICE
    }

    fn stepped(&mut self, step: &Observation<'_>) -> Option<Finding> {
        let node = step.after;
        let by_membership = match node.membership() {
            Membership::Offloading { .. } | Membership::Offloaded { .. } | Membership::Removed { .. } => true,
            Membership::Disconnected { code, .. } => *code == DisconnectionCode::UserDisconnected,
            Membership::Joining | Membership::Loading { .. } | Membership::Connected { .. } => false,
        };
        // Its own table may have said so before the node obeys.
        let by_table = || {
            let status = node.table().get(node.id());
            status.is_some_and(|status| {
                status.incarnation == node.config().incarnation
                    && status.version >= node.membership().version()
                    && oracle::is_out_on_request(&status.state)
            })
        };
        let asked = !step.cluster.put_out.is_empty();
        let knows = by_membership || (asked && by_table());
        if !knows {
            return None;
        }
        let others = || node.table().connected().any(|status| status.node.id != node.id());
        let role = match (node.is_primary(step.local), step.coordinates) {
            (Some(_), _) => "is Primary Node",
            (None, Some(_)) if by_membership || others() => "coordinates",
            (None, Some(_) | None) => return None,
        };
        Finding::new(format!("{} {role}, and knows that a person put it out", step.node))
    }
}

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct PrimaryIsAMember;

impl Property for PrimaryIsAMember {
    fn name(&self) -> &'static str {
        "primary-is-a-member"
    }

    fn promise(&self) -> &'static str {
        "A node is Primary Node only as long as it is CONNECTED for itself (spec S32, I9)."
    }

    fn interest(&self) -> Interest {
        Interest::IN_OFFICE
    }

    fn stepped(&mut self, step: &Observation<'_>) -> Option<Finding> {
        let epoch = step.after.is_primary(step.local)?;
        if matches!(step.after.membership(), Membership::Connected { .. }) {
            return None;
        }
        let is = step.after.membership().name();
        Finding::new(format!("{} is Primary Node in epoch {epoch}, and {is} for itself", step.node))
    }
}
