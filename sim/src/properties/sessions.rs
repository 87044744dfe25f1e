//! What ZooKeeper promises its clients about their sessions.

use super::by_node::ByNode;
use super::{Cluster, Finding, Heard, Incident, Interest, Property, ServerStep};
use crate::plan::NodeNumber;
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use zeromaster_zookeeper::server::peer::PeerMessage;
use zeromaster_zookeeper::transaction::TransactionBody;
use zeromaster_zookeeper::{ConnectionId, ServerMessage, ServerOutput, ServerRecord, SessionId, Zxid};

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct SessionsOutliveTheirLeases {
    /// Sessions that a fault has expired: nobody promised anything about them.
    forced: BTreeSet<SessionId>,
}

impl Property for SessionsOutliveTheirLeases {
    fn name(&self) -> &'static str {
        "sessions-outlive-their-leases"
    }

    fn promise(&self) -> &'static str {
        "ZooKeeper does not expire a session before the time up to which its client holds a lease, on the client's own \
         clock; whoever acts under the lease is then the only one."
    }

    fn interest(&self) -> Interest {
        Interest::TURNING
    }

    fn served(&mut self, step: &ServerStep<'_>) -> Option<Finding> {
        if let Heard::Expire { session } = step.heard {
            self.forced.insert(session);
        }
        let session = expired(step).find(|session| !self.forced.contains(session))?;
        expired_under_lease(step, session)
    }
}

/// The sessions that the server expires in this step.
fn expired(step: &ServerStep<'_>) -> impl Iterator<Item = SessionId> {
    step.records().filter_map(|record| match record {
        ServerRecord::SessionExpired { session } => Some(*session),
        ServerRecord::SessionOpened { .. }
        | ServerRecord::SessionClosed { .. }
        | ServerRecord::Looking
        | ServerRecord::Leads { .. }
        | ServerRecord::Follows { .. } => None,
    })
}

fn expired_under_lease(step: &ServerStep<'_>, session: SessionId) -> Option<Finding> {
    let cluster = &step.cluster;
    let (machine, running) = cluster.machines.iter().find_map(|machine| {
        let running = machine.process.as_ref()?;
        (running.client.session() == Some(session)).then_some((machine, running))
    })?;
    let left = running.lease_until?.since(machine.local(cluster.now));
    if left.is_zero() {
        return None;
    }
    let (server, node) = (step.server, machine.number);
    Finding::new(format!(
        "zk{server} expires session {session} of {node}, whose lease on it lasts for another {left:?}"
    ))
}

/// The sessions whose end for lack of life the server decides in this step: it proposes it, or it stands alone and expires
/// them at once.
fn decided(step: &ServerStep<'_>) -> impl Iterator<Item = SessionId> {
    let proposed = step.outputs.iter().filter_map(|output| match output {
        ServerOutput::SendPeer { message: PeerMessage::Propose { transaction, .. }, .. } => {
            let ends = matches!(transaction.body, TransactionBody::CloseSession { expired: true, .. });
            ends.then_some(transaction.session)
        }
        ServerOutput::SendPeer { .. }
        | ServerOutput::Send { .. }
        | ServerOutput::Close { .. }
        | ServerOutput::Notify { .. }
        | ServerOutput::ClosePeer { .. }
        | ServerOutput::Record(_) => None,
    });
    let alone = step.cluster.servers.len() == 1;
    proposed.chain(expired(step).filter(move |_| alone))
}

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct NoSessionExpiresEarly {
    /// Who is attached where.
    attached: BTreeMap<ConnectionId, (u32, SessionId)>,
    timeouts: BTreeMap<SessionId, Duration>,
    /// When each server last heard of a session, on its own clock.
    heard: BTreeMap<SessionId, SmallVec<[(u32, Duration); 2]>>,
    /// Since when each server leads; none does that stands alone.
    leads: BTreeMap<u32, Option<Duration>>,
    /// Sessions that a fault has expired.
    forced: BTreeSet<SessionId>,
}

impl NoSessionExpiresEarly {
    fn touched(&mut self, step: &ServerStep<'_>, session: SessionId) {
        let heard = self.heard.entry(session).or_default();
        match heard.iter_mut().find(|(server, _)| *server == step.server) {
            Some((_, at)) => *at = step.local,
            None => heard.push((step.server, step.local)),
        }
    }

    fn note(&mut self, step: &ServerStep<'_>, output: &ServerOutput) {
        match output {
            ServerOutput::Send { connection, message: ServerMessage::Connected { session, timeout, .. } } => {
                self.attached.insert(*connection, (step.server, *session));
                self.timeouts.insert(*session, *timeout);
                // Where it is answered at once, asking for the session was the sign of life.
                if step.heard == (Heard::Client { connection: *connection }) {
                    self.touched(step, *session);
                }
            }
            ServerOutput::Close { connection } => {
                self.attached.remove(connection);
            }
            ServerOutput::Record(ServerRecord::SessionOpened { session, timeout }) => {
                self.timeouts.insert(*session, *timeout);
            }
            ServerOutput::SendPeer { message: PeerMessage::Propose { transaction, .. }, .. } => {
                if let TransactionBody::OpenSession { .. } = transaction.body {
                    self.touched(step, transaction.session);
                }
            }
            ServerOutput::Record(
                ServerRecord::SessionClosed { session } | ServerRecord::SessionExpired { session },
            ) => {
                self.timeouts.remove(session);
                self.heard.remove(session);
            }
            ServerOutput::Record(ServerRecord::Leads { .. }) => {
                self.leads.insert(step.server, Some(step.local));
            }
            ServerOutput::Record(ServerRecord::Looking | ServerRecord::Follows { .. }) => {
                self.leads.insert(step.server, None);
            }
            ServerOutput::Send { .. }
            | ServerOutput::Notify { .. }
            | ServerOutput::SendPeer { .. }
            | ServerOutput::ClosePeer { .. } => {}
        }
    }

    /// What is wrong with expiring `session` now, if something is.
    fn early(&self, step: &ServerStep<'_>, session: SessionId) -> Option<Finding> {
        let server = step.server;
        let leads = self.leads.get(&server).copied().unwrap_or(Some(Duration::ZERO));
        let Some(began) = leads else {
            return Finding::new(format!("zk{server} expires session {session}, and does not lead"));
        };
        let timeout = self.timeouts.get(&session)?;
        let heard = self.heard.get(&session).and_then(|heard| heard.iter().find(|(at, _)| *at == server));
        let silence = step.local.saturating_sub(began.max(heard.map_or(Duration::ZERO, |(_, at)| *at)));
        if silence >= *timeout {
            return None;
        }
        Finding::new(format!(
            "zk{server} expires session {session} after {silence:?} without hearing of it, its timeout is {timeout:?}"
        ))
    }
}

impl Property for NoSessionExpiresEarly {
    fn name(&self) -> &'static str {
        "no-session-expires-early"
    }

    fn promise(&self) -> &'static str {
        "The leader alone expires a session, and not before it has heard nothing of it for its timeout, on its own clock \
         and in its present term."
    }

    fn interest(&self) -> Interest {
        Interest::HEARING.and(Interest::TURNING)
    }

    fn served(&mut self, step: &ServerStep<'_>) -> Option<Finding> {
        if let Heard::Expire { session } = step.heard {
            self.forced.insert(session);
        }
        // What is due expires before anything else is done.
        let finding = decided(step)
            .filter(|session| !self.forced.contains(session))
            .find_map(|session| self.early(step, session));
        match step.heard {
            Heard::Client { connection } => {
                let attached = self.attached.get(&connection).map(|(_, session)| *session);
                attached.into_iter().for_each(|session| self.touched(step, session));
            }
            Heard::Touched { sessions } => sessions.iter().for_each(|session| self.touched(step, *session)),
            Heard::Expire { .. } | Heard::Other => {}
        }
        for output in step.outputs {
            self.note(step, output);
        }
        finding
    }

    fn happened(&mut self, incident: &Incident, _cluster: &Cluster<'_>) {
        if let Incident::ServerEnded { server } = incident {
            self.attached.retain(|_, (at, _)| at != server);
        }
    }
}

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct NoClientGoesBack {
    /// The session of each running client, and the newest transaction that a reply has named to it.
    seen: ByNode<(SessionId, Zxid)>,
}

impl Property for NoClientGoesBack {
    fn name(&self) -> &'static str {
        "no-client-goes-back"
    }

    fn promise(&self) -> &'static str {
        "Within one session no reply comes from a state of ZooKeeper before that of an earlier reply, whichever servers \
         the two come from."
    }

    fn interest(&self) -> Interest {
        Interest::TOLD
    }

    fn told(&mut self, node: NodeNumber, message: &ServerMessage, _cluster: &Cluster<'_>) -> Option<Finding> {
        match message {
            ServerMessage::Connected { session, .. } => {
                let seen = self.seen.get_or_insert(node, || (*session, Zxid(0)));
                if seen.0 != *session {
                    *seen = (*session, Zxid(0));
                }
                None
            }
            // A new leader counts the begin of its epoch as a transaction, and its followers do not.
            ServerMessage::Reply { zxid, .. } if *zxid == Zxid::first_of(zxid.epoch()) => None,
            ServerMessage::Reply { zxid, .. } => {
                let (session, newest) = self.seen.get_mut(node)?;
                if *zxid < *newest {
                    let text = format!(
                        "{node} is told of {zxid} in session {session}, after it was told of {newest}"
                    );
                    return Finding::new(text);
                }
                *newest = *zxid;
                None
            }
            ServerMessage::Expired
            | ServerMessage::Pong { .. }
            | ServerMessage::Event { .. }
            | ServerMessage::SessionClosed { .. } => None,
        }
    }

    fn happened(&mut self, incident: &Incident, _cluster: &Cluster<'_>) {
        if let Incident::Ended { node } = incident {
            self.seen.remove(*node);
        }
    }
}
