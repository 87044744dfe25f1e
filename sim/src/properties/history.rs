//! What ZooKeeper's servers promise together: one history, of which nothing is lost that anybody was told of.

use super::{Finding, Interest, Property, ServerStep};
use std::collections::{BTreeMap, VecDeque};
use zeromaster_zookeeper::transaction::Transaction;
use zeromaster_zookeeper::{ServerMessage, ServerOutput, ServerRecord, Zxid};

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct OneHistory {
    /// The transactions that not every server has applied, and the last one that all have; each as the first server that
    /// applied it applied it. Without a gap, and in order.
    history: VecDeque<Transaction>,
    /// The transaction before these.
    behind: Zxid,
    /// The last transaction that each server has applied.
    applied: BTreeMap<u32, Zxid>,
}

impl OneHistory {
    /// The last transaction that any server has applied.
    fn newest(&self) -> Zxid {
        self.history.back().map_or(self.behind, |transaction| transaction.zxid)
    }

    /// The server has applied these transactions, all that follow `before`.
    fn goes_on<'a>(
        &mut self,
        server: u32,
        before: Zxid,
        transactions: impl Iterator<Item = &'a Transaction>,
    ) -> Option<Finding> {
        let next = self.history.partition_point(|transaction| transaction.zxid <= before);
        let behind = self.behind;
        for (place, transaction) in (next..).zip(transactions.skip_while(|next| next.zxid <= behind)) {
            match self.history.get(place) {
                None => self.history.push_back(transaction.clone()),
                Some(first) if first == transaction => {}
                Some(first) if first.zxid == transaction.zxid => {
                    return Finding::new(format!(
                        "zk{server} applies another transaction {} than the first server did",
                        first.zxid
                    ));
                }
                Some(first) => {
                    return Finding::new(format!(
                        "zk{server} applies transaction {} where the first server applied {}",
                        transaction.zxid, first.zxid
                    ));
                }
            }
        }
        None
    }

    /// The server has come further than it can tell: it has taken over the state of another one, or, as a new leader, has
    /// applied more of its log at once than a server remembers.
    fn jumps(&mut self, step: &ServerStep<'_>) -> Option<Finding> {
        let (server, known, newest) = (step.server, self.newest(), step.after.last_zxid());
        let last = Zxid(newest.0.saturating_sub(1));
        let by_itself = step.after.applied_after(last).and_then(|mut transactions| transactions.next());
        if newest > known
            && let Some(transaction) = by_itself
        {
            if let Some(transactions) = step.after.applied_after(known) {
                return self.goes_on(server, known, transactions);
            }
            self.history.clear();
            self.history.push_back(transaction.clone());
            self.behind = last;
            return None;
        }
        let is_known = self.history.binary_search_by_key(&newest, |transaction| transaction.zxid).is_ok();
        if newest > self.behind && !is_known {
            return Finding::new(format!(
                "zk{server} takes over a state as of {newest}, which nobody was in"
            ));
        }
        let mut others = step.cluster.servers.iter().filter(|other| other.server.last_zxid() == newest);
        let other = others.find(|other| other.server.tree() != step.after.tree())?;
        Finding::new(format!("zk{server} and zk{} differ, both as of {newest}", other.number))
    }

    /// Forgets what all `servers` have applied, but for the last of it.
    fn forget(&mut self, servers: usize) {
        if self.applied.len() < servers {
            return;
        }
        let by_all = self.applied.values().copied().min().unwrap_or_default();
        while self.history.get(1).is_some_and(|second| second.zxid <= by_all) {
            self.behind = self.history.pop_front().map_or(self.behind, |first| first.zxid);
        }
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
        let (server, newest) = (step.server, step.after.last_zxid());
        let had = self.applied.insert(server, newest).unwrap_or_default();
        if had != step.before || newest < had {
            let now = step.before.min(newest);
            return Finding::new(format!("zk{server} had applied {had}, and goes back to {now}"));
        }
        let finding = match step.after.applied_after(step.before) {
            Some(transactions) => self.goes_on(server, step.before, transactions),
            None => self.jumps(step),
        };
        self.forget(step.cluster.servers.len());
        finding
    }
}

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct AcknowledgedWritesSurvive {
    /// The newest transaction of each epoch that any client was told of.
    told: BTreeMap<u32, Zxid>,
}

impl Property for AcknowledgedWritesSurvive {
    fn name(&self) -> &'static str {
        "acknowledged-writes-survive"
    }

    fn promise(&self) -> &'static str {
        "A new leader of ZooKeeper has applied everything of earlier epochs that any client was told of, and no server tells \
         of what it has not applied."
    }

    fn interest(&self) -> Interest {
        Interest::TELLING.and(Interest::TURNING)
    }

    fn served(&mut self, step: &ServerStep<'_>) -> Option<Finding> {
        let (server, applied) = (step.server, step.after.last_zxid());
        // One that stood still since it was elected leads an epoch that is over, until it tries to do anything in it.
        let leads = step.records().find_map(|record| match record {
            ServerRecord::Leads { epoch } => Some(*epoch),
            ServerRecord::SessionOpened { .. }
            | ServerRecord::SessionExpired { .. }
            | ServerRecord::SessionClosed { .. }
            | ServerRecord::Looking
            | ServerRecord::Follows { .. } => None,
        });
        let known = leads.and_then(|epoch| self.told.range(..epoch).next_back()).map(|(_, told)| *told);
        if let Some(told) = known
            && applied < told
        {
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
            let newest = self.told.entry(zxid.epoch()).or_default();
            *newest = zxid.max(*newest);
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
