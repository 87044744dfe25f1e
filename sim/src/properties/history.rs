//! What ZooKeeper's servers promise together: one history, of which nothing is lost that anybody was told of.

use super::{Finding, Interest, Property, ServerStep};
use std::collections::{BTreeMap, VecDeque};
use zeromaster_zookeeper::transaction::Transaction;
use zeromaster_zookeeper::{ServerMessage, ServerOutput, ServerRecord, Zxid};

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct OneHistory {
    /// The transactions that not every server has applied, and the last one that all have; each as the first server that
    /// applied it applied it.
    history: VecDeque<Transaction>,
    /// How many there were before these.
    forgotten: usize,
    /// How many of all of them each server has applied.
    applied: BTreeMap<u32, usize>,
}

impl OneHistory {
    /// The server has applied one more transaction.
    fn goes_on(&mut self, server: u32, transaction: &Transaction) -> Option<Finding> {
        let applied = self.applied.entry(server).or_default();
        let place = *applied;
        *applied += 1;
        // Nothing is forgotten that somebody has still to apply.
        match self.history.get(place - self.forgotten) {
            None => {
                self.history.push_back(transaction.clone());
                None
            }
            Some(first) if first == transaction => None,
            Some(first) if first.zxid == transaction.zxid => Finding::new(format!(
                "zk{server} applies another transaction {} than the first server did",
                first.zxid
            )),
            Some(first) => Finding::new(format!(
                "zk{server} applies transaction {} where the first server applied {}",
                transaction.zxid, first.zxid
            )),
        }
    }

    /// Forgets what all `servers` have applied, but for the last of it.
    fn forget(&mut self, servers: usize) {
        if self.applied.len() < servers {
            return;
        }
        let by_all = self.applied.values().copied().min().unwrap_or(0);
        while self.forgotten + 1 < by_all {
            self.history.pop_front();
            self.forgotten += 1;
        }
    }

    /// The server has taken over the state of another one.
    fn jumps(&mut self, step: &ServerStep<'_>) -> Option<Finding> {
        let (server, newest) = (step.server, step.after.last_zxid());
        let Ok(place) = self.history.binary_search_by_key(&newest, |transaction| transaction.zxid) else {
            return Finding::new(format!(
                "zk{server} takes over a state as of {newest}, which nobody was in"
            ));
        };
        self.applied.insert(server, self.forgotten + place + 1);
        let mut others = step.cluster.servers.iter().filter(|other| other.server.last_zxid() == newest);
        let other = others.find(|other| other.server.tree() != step.after.tree())?;
        Finding::new(format!("zk{server} and zk{} differ, both as of {newest}", other.number))
    }
}

impl Property for OneHistory {
    fn name(&self) -> &'static str {
        "one-history"
    }

    fn promise(&self) -> &'static str {
        "All ZooKeeper servers apply the same transactions in the same order; one that lags has applied a beginning of \
         what the others have."
    }

    fn interest(&self) -> Interest {
        Interest::APPLYING
    }

    fn served(&mut self, step: &ServerStep<'_>) -> Option<Finding> {
        if step.cluster.servers.len() == 1 || step.after.last_zxid() == step.before {
            return None;
        }
        let finding = match step.after.applied_after(step.before) {
            Some(mut transactions) => {
                transactions.find_map(|transaction| self.goes_on(step.server, transaction))
            }
            None => self.jumps(step),
        };
        self.forget(step.cluster.servers.len());
        finding
    }
}

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct AcknowledgedWritesSurvive {
    /// The newest transaction that any client was told of.
    told: Zxid,
}

impl Property for AcknowledgedWritesSurvive {
    fn name(&self) -> &'static str {
        "acknowledged-writes-survive"
    }

    fn promise(&self) -> &'static str {
        "A new leader of ZooKeeper has applied everything that any client was told of, and no server tells of what it has \
         not applied."
    }

    fn interest(&self) -> Interest {
        Interest::TELLING.and(Interest::TURNING)
    }

    fn served(&mut self, step: &ServerStep<'_>) -> Option<Finding> {
        let (server, applied) = (step.server, step.after.last_zxid());
        let leads = step.records().any(|record| matches!(record, ServerRecord::Leads { .. }));
        if leads && applied < self.told {
            let told = self.told;
            return Finding::new(format!(
                "zk{server} leads and has applied {applied}, a client was told of {told}"
            ));
        }
        for zxid in step.outputs.iter().filter_map(told) {
            if zxid > applied {
                return Finding::new(format!(
                    "zk{server} tells a client of {zxid}, and has applied {applied}"
                ));
            }
            self.told = self.told.max(zxid);
        }
        None
    }
}

/// The transaction that a client is told of. A new leader counts the begin of its epoch as one, and it is none.
fn told(output: &ServerOutput) -> Option<Zxid> {
    match output {
        ServerOutput::Send {
            message:
                ServerMessage::Reply { zxid, .. }
                | ServerMessage::Pong { zxid }
                | ServerMessage::SessionClosed { zxid, .. },
            ..
        } => Some(*zxid).filter(|zxid| *zxid != Zxid::NONE && *zxid != Zxid::first_of(zxid.epoch())),
        ServerOutput::Send { .. }
        | ServerOutput::Close { .. }
        | ServerOutput::Notify { .. }
        | ServerOutput::SendPeer { .. }
        | ServerOutput::ClosePeer { .. }
        | ServerOutput::Record(_) => None,
    }
}
