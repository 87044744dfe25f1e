//! What servers of one ensemble say to each other: the visible part of an election and of the replication, not ZAB's bytes.

use crate::acl::Identity;
use crate::operation::Operation;
use crate::replica::Replica;
use crate::transaction::Transaction;
use crate::types::{SessionId, Zxid};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// One connection between a follower and a leader, numbered by the follower; never used twice in an ensemble.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct LinkId(pub u64);

/// A vote for a leader. The greater vote wins: the order of the fields is the order in which they count.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Vote {
    /// The epoch of the last leader that the candidate was in step with.
    pub epoch: u32,
    /// The candidate's last logged transaction.
    pub zxid: Zxid,
    /// The candidate.
    pub leader: u32,
}

/// What the teller of a vote is doing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum PeerState {
    /// It looks for a leader, and may change its mind.
    Looking,
    /// It follows the one it voted for.
    Following,
    /// It leads, or prepares to.
    Leading,
}

/// How a server votes.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Notification {
    /// The round of voting. Votes of an earlier one do not count.
    pub round: u64,
    /// The vote.
    pub vote: Vote,
    /// What the voter is doing.
    pub state: PeerState,
}

/// The state of a server, for one that lags too far behind.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Snapshot(pub(crate) Arc<Replica>);

impl Snapshot {
    /// The last transaction in it.
    #[must_use]
    pub fn last_zxid(&self) -> Zxid {
        self.0.last_zxid()
    }
}

/// What a client wants written, as its server passes it on to the leader.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Ask {
    /// To open the session.
    OpenSession {
        /// Its negotiated timeout.
        timeout: Duration,
    },
    /// To end the session.
    CloseSession,
    /// A write.
    Write {
        /// What to write.
        operation: Operation,
        /// Who asks for it.
        identities: Arc<[Identity]>,
    },
}

impl PeerMessage {
    /// About how many bytes of memory the message takes, for those who bound what they keep. A snapshot shares its own with
    /// the server that it is of.
    #[must_use]
    pub fn weight(&self) -> usize {
        let inside = match self {
            PeerMessage::Entries { transactions } => transactions.iter().map(Transaction::weight).sum(),
            PeerMessage::Propose { transaction, .. } => transaction.weight(),
            PeerMessage::Ask { ask: Ask::Write { operation, identities }, .. } => {
                operation.weight() + identities.len() * size_of::<Identity>()
            }
            PeerMessage::Pong { touched } => touched.len() * size_of::<(SessionId, Duration)>(),
            PeerMessage::Ask { ask: Ask::OpenSession { .. } | Ask::CloseSession, .. }
            | PeerMessage::FollowerInfo { .. }
            | PeerMessage::NewEpoch { .. }
            | PeerMessage::EpochAccepted { .. }
            | PeerMessage::Snapshot(_)
            | PeerMessage::Truncate { .. }
            | PeerMessage::NewLeader { .. }
            | PeerMessage::UpToDate { .. }
            | PeerMessage::Acknowledge { .. }
            | PeerMessage::Commit { .. }
            | PeerMessage::Ping
            | PeerMessage::Sync { .. }
            | PeerMessage::Synced { .. }
            | PeerMessage::Revalidate { .. }
            | PeerMessage::Revalidated { .. } => 0,
        };
        size_of::<PeerMessage>() + inside
    }
}

/// What follower and leader say to each other.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum PeerMessage {
    /// The follower opens the link.
    FollowerInfo {
        /// The newest epoch it has accepted.
        accepted_epoch: u32,
    },
    /// The leader names the epoch it is going to lead.
    NewEpoch {
        /// The epoch.
        epoch: u32,
    },
    /// The follower accepts it, and will not listen to leaders of earlier epochs any more.
    EpochAccepted {
        /// The epoch of the last leader it was in step with. `None` when it has accepted this epoch before: then it
        /// does not count once more.
        current_epoch: Option<u32>,
        /// Its last logged transaction.
        last_zxid: Zxid,
    },
    /// The leader replaces all that the follower has.
    Snapshot(Snapshot),
    /// The follower is to forget the transactions behind this one; no quorum has them.
    Truncate {
        /// The last one to keep.
        to: Zxid,
    },
    /// Transactions that the follower lacks.
    Entries {
        /// In order.
        transactions: Vec<Transaction>,
    },
    /// The follower has now all that the leader has. To be acknowledged.
    NewLeader {
        /// The epoch.
        epoch: u32,
    },
    /// The follower may serve.
    UpToDate {
        /// Committed up to here.
        committed: Zxid,
    },
    /// A new transaction. To be logged and acknowledged.
    Propose {
        /// The transaction.
        transaction: Transaction,
        /// The request of the follower that it comes from.
        number: Option<u64>,
    },
    /// The follower has logged everything up to here.
    Acknowledge {
        /// The last one.
        zxid: Zxid,
    },
    /// A quorum has logged everything up to here.
    Commit {
        /// The last one.
        zxid: Zxid,
    },
    /// The leader is there. Answered by `Pong`.
    Ping,
    /// The follower is there.
    Pong {
        /// The sessions heard of since the last answer, each with the timeout of its connection.
        touched: Arc<Vec<(SessionId, Duration)>>,
    },
    /// A client of the follower wants something written. The answer is the transaction.
    Ask {
        /// Numbers the request on this link.
        number: u64,
        /// The session.
        session: SessionId,
        /// What.
        ask: Ask,
    },
    /// A client of the follower wants it to catch up.
    Sync {
        /// Numbers the request on this link.
        number: u64,
        /// The session.
        session: SessionId,
    },
    /// What the leader had proposed when `Sync` came has been committed, and told of before this.
    Synced {
        /// The number of the request.
        number: u64,
        /// The session.
        session: SessionId,
    },
    /// A client has come to the follower and wants to attach to its session.
    Revalidate {
        /// The session.
        session: SessionId,
        /// The timeout as newly negotiated.
        timeout: Duration,
    },
    /// Whether it may. If so the session belongs to the follower from now on.
    Revalidated {
        /// The session.
        session: SessionId,
        /// Whether the session is alive.
        valid: bool,
    },
}
