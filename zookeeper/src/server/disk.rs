//! What outlives a process: the applied state, the log of transactions, and the promises of elections; when they change is
//! left to the server.

use super::peer::LinkId;
use crate::replica::Replica;
use crate::transaction::Transaction;
use crate::types::{SessionId, Zxid};
use alloc::collections::VecDeque;

/// How many applied transactions the log keeps for followers that lag. Who lags further gets a snapshot. ZooKeeper's
/// `commitLogCount`.
const APPLIED_KEPT: usize = 500;

/// How many bytes of them it keeps. ZooKeeper keeps five hundred of any length, which can be half a gigabyte.
const APPLIED_BYTES_MAX: usize = 64 << 20;

/// How many entries from the end of the log are looked at one by one before the whole log is searched.
const NEAR_THE_END: usize = 4;

/// A server's disk. Writing to it is instantaneous, and nothing is ever lost of it.
///
/// What is applied was committed: the replica never goes back. Only the tail of the log, which was not applied, may be
/// cut off.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Disk {
    pub(super) replica: Replica,
    pub(super) log: Log,
    /// Leaders of earlier epochs are not listened to.
    pub(super) accepted_epoch: u32,
    /// The epoch of the last leader that this server was in step with.
    pub(super) current_epoch: u32,
    /// How many links were opened. No number is used twice.
    pub(super) links: u64,
    /// The next session opened here. A real server takes it from its clock.
    pub(super) next_session: SessionId,
}

impl Disk {
    /// A link that was never used, by no server of the ensemble.
    pub(super) fn next_link(&mut self, server: u32) -> LinkId {
        self.links += 1;
        LinkId(u64::from(server) << 48 | self.links)
    }

    /// The next transaction of the log that is not applied, if it is not behind `committed`.
    pub(super) fn next_to_apply(&self, committed: Zxid) -> Option<Transaction> {
        self.log.entries.get(self.log.applied).filter(|next| next.zxid <= committed).cloned()
    }
}

/// The end of the log: some applied transactions, then those that are not.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Log {
    /// The transaction before the first entry.
    base: Zxid,
    entries: VecDeque<Transaction>,
    /// How many of the entries are applied.
    applied: usize,
    /// The memory that these take.
    applied_bytes: usize,
}

impl Log {
    /// The last transaction logged.
    pub(super) fn last(&self) -> Zxid {
        self.entries.back().map_or(self.base, |last| last.zxid)
    }

    /// The last transaction applied.
    pub(super) fn last_applied(&self) -> Zxid {
        self.applied.checked_sub(1).map_or(self.base, |index| self.entries[index].zxid)
    }

    /// Adds a transaction. False when it is not newer than all others.
    #[must_use]
    pub(super) fn append(&mut self, transaction: Transaction) -> bool {
        let newer = transaction.zxid > self.last();
        if newer {
            self.entries.push_back(transaction);
        }
        newer
    }

    /// The first entry that is not applied was applied.
    pub(super) fn applied_one(&mut self) {
        assert!(self.applied < self.entries.len(), "what is applied was logged");
        self.applied_bytes += self.entries[self.applied].weight();
        self.applied += 1;
        // Of long ones the last is kept.
        while self.applied > APPLIED_KEPT || (self.applied > 1 && self.applied_bytes > APPLIED_BYTES_MAX) {
            let forgotten = self.entries.pop_front().expect("there are more than are kept");
            self.base = forgotten.zxid;
            self.applied -= 1;
            self.applied_bytes -= forgotten.weight();
        }
    }

    /// Cuts off everything behind `to`. False when `to` is not here, or when something applied is behind it.
    #[must_use]
    pub(super) fn truncate(&mut self, to: Zxid) -> bool {
        let possible = to >= self.last_applied() && self.at_most(to) == Some(to);
        if possible {
            self.entries.truncate(self.index_behind(to));
        }
        possible
    }

    /// Starts anew behind a snapshot.
    pub(super) fn restart(&mut self, base: Zxid) {
        assert!(base >= self.last_applied(), "a snapshot never takes a server back");
        *self = Log { base, ..Log::default() };
    }

    /// The last transaction here that is not newer than `zxid`. `None` when the log does not reach back so far.
    pub(super) fn at_most(&self, zxid: Zxid) -> Option<Zxid> {
        let before =
            self.index_behind(zxid).checked_sub(1).map_or(self.base, |index| self.entries[index].zxid);
        (before <= zxid).then_some(before)
    }

    /// The transactions behind `zxid`.
    pub(super) fn behind(&self, zxid: Zxid) -> impl Iterator<Item = &Transaction> {
        self.entries.range(self.index_behind(zxid)..)
    }

    /// The applied ones of the transactions behind `zxid`. `None` when the log does not reach back so far.
    pub(super) fn applied_behind(&self, zxid: Zxid) -> Option<impl Iterator<Item = &Transaction>> {
        let from = self.index_behind(zxid).min(self.applied);
        (zxid >= self.base).then(|| self.entries.range(from..self.applied))
    }

    pub(super) fn check_invariants(&self) {
        assert!(self.applied <= self.entries.len(), "more is applied than logged");
        assert!(self.applied <= APPLIED_KEPT, "more is kept than needed");
        let bytes: usize = self.entries.iter().take(self.applied).map(Transaction::weight).sum();
        assert_eq!(bytes, self.applied_bytes, "the memory of what is kept is miscounted");
        assert!(self.applied <= 1 || bytes <= APPLIED_BYTES_MAX, "more memory is kept than needed");
        let zxids = core::iter::once(self.base).chain(self.entries.iter().map(|entry| entry.zxid));
        assert!(zxids.is_sorted_by(|one, next| one < next), "the log is out of order");
    }

    fn index_behind(&self, zxid: Zxid) -> usize {
        // Nearly everybody asks for the end of the log.
        let newer =
            self.entries.iter().rev().take(NEAR_THE_END).take_while(|entry| entry.zxid > zxid).count();
        if newer < NEAR_THE_END {
            self.entries.len() - newer
        } else {
            self.entries.partition_point(|entry| entry.zxid <= zxid)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::Operation;
    use crate::transaction::TransactionBody;
    use alloc::sync::Arc;
    use alloc::vec::Vec;
    use core::time::Duration;

    fn transaction(zxid: u64) -> Transaction {
        let body = TransactionBody::OpenSession { timeout: Duration::from_secs(4) };
        Transaction { zxid: Zxid(zxid), wall_ms: 0, session: SessionId(zxid), body }
    }

    /// Transactions 1 to `logged`, the first `applied` of them applied.
    fn log(logged: u64, applied: u64) -> Log {
        let mut log = Log::default();
        for zxid in 1..=logged {
            assert!(log.append(transaction(zxid)));
            if zxid <= applied {
                log.applied_one();
            }
        }
        log.check_invariants();
        log
    }

    fn zxids<'a>(transactions: impl Iterator<Item = &'a Transaction>) -> Vec<u64> {
        transactions.map(|transaction| transaction.zxid.0).collect()
    }

    #[test]
    fn a_log_grows_forward_only() {
        let mut log = log(3, 0);
        assert!(!log.append(transaction(3)) && !log.append(transaction(1)));
        assert!(log.append(transaction(9)));
        assert_eq!(zxids(log.behind(Zxid(2))), [3, 9]);
        assert_eq!((log.at_most(Zxid(8)), log.at_most(Zxid(0))), (Some(Zxid(3)), Some(Zxid(0))));
    }

    #[test]
    fn only_a_tail_that_was_not_applied_is_cut_off() {
        let mut log = log(5, 2);
        assert!(!log.truncate(Zxid(1)) && !log.truncate(Zxid(6)));
        assert!(log.truncate(Zxid(3)));
        assert_eq!((log.last(), log.last_applied()), (Zxid(3), Zxid(2)));
        assert!(log.truncate(Zxid(2)));
        assert_eq!((log.last(), log.last_applied()), (Zxid(2), Zxid(2)));
        log.check_invariants();
    }

    #[test]
    fn five_hundred_applied_transactions_are_kept_and_all_others() {
        let log = log(800, 700);
        assert_eq!(log.behind(Zxid(0)).count(), 600);
        assert_eq!(log.at_most(Zxid(199)), None);
        assert_eq!(log.at_most(Zxid(200)), Some(Zxid(200)));
        assert!(log.applied_behind(Zxid(199)).is_none());
        assert_eq!(log.applied_behind(Zxid(690)).map(Iterator::count), Some(10));
        assert_eq!(log.applied_behind(Zxid(750)).map(Iterator::count), Some(0));
    }

    /// Five hundred writes of a megabyte were half a gigabyte.
    #[test]
    fn of_long_transactions_as_many_are_kept_as_there_is_memory_for() {
        let mut log = Log::default();
        for zxid in 1..=200 {
            let data = Some(Arc::from(alloc::vec![0; 1 << 20]));
            let operation = Operation::SetData { path: "/a".into(), data, version: -1 };
            let body = TransactionBody::write(operation, Arc::from([]));
            assert!(log.append(Transaction { body, ..transaction(zxid) }));
            log.applied_one();
            log.check_invariants();
        }
        let kept = log.behind(Zxid(0)).count();
        assert_eq!(kept, (APPLIED_BYTES_MAX >> 20) - 1, "each is a little longer than its data");
        assert_eq!(log.last_applied(), Zxid(200));
        assert!(log.applied_behind(Zxid(100)).is_none(), "a follower that lags so far gets a snapshot");
    }

    #[test]
    fn a_log_that_starts_behind_a_snapshot_knows_nothing_before_it() {
        let mut log = log(5, 2);
        log.restart(Zxid(9));
        assert_eq!((log.last(), log.last_applied(), log.at_most(Zxid(8))), (Zxid(9), Zxid(9), None));
        log.check_invariants();
    }
}
