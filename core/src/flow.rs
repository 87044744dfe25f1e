//! A dataflow as the cluster sees it: a fingerprint, whether it is empty, and which queues it has.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use core::fmt;
use serde::{Deserialize, Serialize};

/// Names the content of a flow: two flows with the same fingerprint are the same flow.
///
/// NiFi takes a digest of the flow and of the authorizer; this crate takes whatever the caller computed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Fingerprint(pub Arc<str>);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A flow that a node holds, submits as its vote, or inherits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct DataFlow {
    /// What the flow is.
    pub fingerprint: Fingerprint,
    /// Whether the flow has no component at all (NiFi's definition of an empty flow).
    pub empty: bool,
    /// The names of the flow's connections (queues).
    pub connections: BTreeSet<Arc<str>>,
}

impl DataFlow {
    /// A flow with components, and no queue worth naming.
    #[must_use]
    pub fn new(fingerprint: &str) -> Self {
        DataFlow { fingerprint: Fingerprint(fingerprint.into()), empty: false, connections: BTreeSet::new() }
    }

    /// A flow without components. Its fingerprint still counts: two empty flows may differ (a random root group id).
    #[must_use]
    pub fn empty(fingerprint: &str) -> Self {
        DataFlow { fingerprint: Fingerprint(fingerprint.into()), empty: true, connections: BTreeSet::new() }
    }
}

/// What a node does when the cluster's flow differs from its own flow, which is not empty.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum DifferingFlow {
    /// It does not join: MISMATCHED_FLOWS (as asked for; NiFi up to 1.11).
    Refuse,
    /// It backs its flow up and takes the cluster's, unless a queue that holds data would disappear (NIFI-6849, 1.12).
    BackUpAndInherit,
}

/// Why a node may not take the cluster's flow.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Uninheritable {
    /// Its own flow differs, and the rule is not to join then.
    Differs,
    /// The cluster's flow is empty, its own is not.
    ClusterFlowEmpty,
    /// This queue holds data and is not in the cluster's flow.
    WouldLoseData(Arc<str>),
}

impl fmt::Display for Uninheritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Uninheritable::Differs => f.write_str("local flow is different than cluster flow"),
            // `VersionedFlowSynchronizer.sync`.
            Uninheritable::ClusterFlowEmpty => {
                f.write_str("Proposed configuration is empty, but the controller contains a data flow.")
            }
            Uninheritable::WouldLoseData(queue) => {
                write!(f, "connection {queue} holds data and is not in the cluster flow")
            }
        }
    }
}

/// Whether a node that holds `local`, with data waiting in the queues `queued`, may take over `cluster`.
///
/// # Errors
/// The reason why it may not.
pub fn inherit(
    local: &DataFlow,
    queued: &BTreeSet<Arc<str>>,
    cluster: &DataFlow,
    rule: DifferingFlow,
) -> Result<(), Uninheritable> {
    if local.fingerprint == cluster.fingerprint || local.empty {
        return Ok(());
    }
    match rule {
        DifferingFlow::Refuse => Err(Uninheritable::Differs),
        DifferingFlow::BackUpAndInherit => {
            match queued.iter().find(|queue| !cluster.connections.contains(*queue)) {
                Some(queue) => Err(Uninheritable::WouldLoseData(queue.clone())),
                None => Ok(()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(name: &str) -> BTreeSet<Arc<str>> {
        BTreeSet::from([name.into()])
    }

    #[track_caller]
    fn check(local: &DataFlow, queued: &BTreeSet<Arc<str>>, rule: DifferingFlow, joins: bool) {
        let mut cluster = DataFlow::new("cluster");
        cluster.connections = queue("kept");
        assert_eq!(inherit(local, queued, &cluster, rule).is_ok(), joins, "{local:?}");
    }

    #[test]
    fn an_empty_or_equal_flow_always_inherits() {
        for rule in [DifferingFlow::Refuse, DifferingFlow::BackUpAndInherit] {
            check(&DataFlow::empty("e"), &BTreeSet::new(), rule, true);
            check(&DataFlow::new("cluster"), &queue("gone"), rule, true);
        }
    }

    #[test]
    fn a_different_flow_is_refused_or_backed_up_as_the_rule_says() {
        check(&DataFlow::new("mine"), &BTreeSet::new(), DifferingFlow::Refuse, false);
        check(&DataFlow::new("mine"), &BTreeSet::new(), DifferingFlow::BackUpAndInherit, true);
    }

    #[test]
    fn a_queue_with_data_must_survive_the_change_of_flow() {
        check(&DataFlow::new("mine"), &queue("kept"), DifferingFlow::BackUpAndInherit, true);
        check(&DataFlow::new("mine"), &queue("gone"), DifferingFlow::BackUpAndInherit, false);
    }
}
