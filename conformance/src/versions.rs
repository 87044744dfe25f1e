//! In what ZooKeeper 3.8.0 and 3.9.5 differ, as measured. A comparison across versions leaves these out and nothing else,
//! so this is the whole list.

use crate::operation::{Acl, Operation, Path, opcode};
use crate::step::{Slot, Step};

/// One difference between the versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VersionDifference {
    /// The zxid in the header of an event.
    EventZxid,
    /// A write that cannot be read.
    UnreadableWrite,
    /// A check that stands alone.
    LoneCheck,
    /// create2 inside a multi.
    Create2InMulti,
    /// A null path inside a multi.
    NullInMulti,
    /// Flags that do not exist, inside a multi.
    FlagsInMulti,
    /// A null ACL inside a multi.
    NullAclInMulti,
    /// A null path of a watch to be checked or removed.
    NullWatchRemoved,
    /// The kinds of watches that can be named.
    WatchKinds,
    /// What deleteContainer reads.
    DeleteContainer,
    /// Whose watches are found.
    OthersWatches,
    /// Several modes of watches on one path.
    WatchModes,
    /// Whether a node that may not be read may be seen.
    ExistsAcl,
    /// Addresses of the sixth version in an ACL.
    Ipv6Acl,
}

impl VersionDifference {
    /// All of them.
    pub const ALL: &[VersionDifference] = &[
        VersionDifference::EventZxid,
        VersionDifference::UnreadableWrite,
        VersionDifference::LoneCheck,
        VersionDifference::Create2InMulti,
        VersionDifference::NullInMulti,
        VersionDifference::FlagsInMulti,
        VersionDifference::NullAclInMulti,
        VersionDifference::NullWatchRemoved,
        VersionDifference::WatchKinds,
        VersionDifference::DeleteContainer,
        VersionDifference::OthersWatches,
        VersionDifference::WatchModes,
        VersionDifference::ExistsAcl,
        VersionDifference::Ipv6Acl,
    ];

    /// What 3.8.0 does, and what 3.9.5.
    #[must_use]
    pub fn texts(self) -> [&'static str; 2] {
        match self {
            VersionDifference::EventZxid => ["-1", "that of the transaction; -1 for watches set again"],
            VersionDifference::UnreadableWrite => [
                "MarshallingError, and a zxid is used",
                "MarshallingError, and none is; but multi uses one in both",
            ],
            VersionDifference::LoneCheck => {
                ["a request that writes", "Unimplemented, and the connection is closed"]
            }
            VersionDifference::Create2InMulti => [
                "answered as create, without a stat; createContainer with other flags too",
                "answered as create2, both",
            ],
            VersionDifference::NullInMulti => [
                "MarshallingError with an empty list of results, no zxid",
                "MarshallingError, a zxid is used",
            ],
            VersionDifference::FlagsInMulti => {
                ["BadArguments among the results", "MarshallingError for the whole"]
            }
            VersionDifference::NullAclInMulti => {
                ["InvalidACL among the results", "MarshallingError for the whole, and no zxid is used"]
            }
            VersionDifference::NullWatchRemoved => ["MarshallingError", "NoWatcher"],
            VersionDifference::WatchKinds => [
                "kinds 1 and 2 also match persistent watches; 4 and 5 are unknown",
                "only one-shot watches; 4 and 5 match persistent and recursive ones",
            ],
            VersionDifference::DeleteContainer => ["the body is the path, without a length", "a string"],
            VersionDifference::OthersWatches => [
                "checkWatches finds the watches of all connections",
                "checkWatches finds the connection's own",
            ],
            VersionDifference::WatchModes => [
                "a connection has one mode for a path, the last one set",
                "all modes are kept (ZOOKEEPER-4466)",
            ],
            VersionDifference::ExistsAcl => {
                ["exists needs no permission", "exists needs READ (ZOOKEEPER-2590)"]
            }
            VersionDifference::Ipv6Acl => ["InvalidACL", "accepted"],
        }
    }

    /// The difference that a step would show, if it would show one. Some could only be shown by two steps together: seeds
    /// with even numbers leave out the one of them, seeds with odd numbers the other.
    #[must_use]
    pub fn shown_by(step: &Step, seed: u64) -> Option<VersionDifference> {
        match step {
            Step::Request { slot, operation, damage, .. } => {
                let damaged = damage.is_some() && is_write(operation);
                if damaged {
                    Some(VersionDifference::UnreadableWrite)
                } else {
                    in_operation(operation, *slot, seed)
                }
            }
            Step::Burst { slot, operations } => {
                operations.iter().find_map(|operation| in_operation(operation, *slot, seed))
            }
            Step::Connect { .. }
            | Step::Bytes { .. }
            | Step::Drop { .. }
            | Step::Stranger { .. }
            | Step::Word { .. } => None,
        }
    }
}

fn in_operation(operation: &Operation, slot: Slot, seed: u64) -> Option<VersionDifference> {
    match operation {
        _ if has_ipv6(operation) => Some(VersionDifference::Ipv6Acl),
        Operation::Read { opcode: opcode::EXISTS, .. } if seed % 2 == 1 => Some(VersionDifference::ExistsAcl),
        _ if seed.is_multiple_of(2) && has_closed_acl(operation) => Some(VersionDifference::ExistsAcl),
        Operation::Check { .. } => Some(VersionDifference::LoneCheck),
        Operation::DeleteContainer { .. } => Some(VersionDifference::DeleteContainer),
        Operation::Watches { path: Path::Bytes(None), .. } => Some(VersionDifference::NullWatchRemoved),
        Operation::Watches { opcode: opcode::CHECK_WATCHES, .. } => Some(VersionDifference::OthersWatches),
        Operation::Watches { kind, .. } if *kind != 3 => Some(VersionDifference::WatchKinds),
        Operation::Multi { operations } => operations.iter().find_map(in_multi),
        _ if mixes_modes(operation, slot) => Some(VersionDifference::WatchModes),
        _ => None,
    }
}

/// Whether a connection would have watches of several modes. So that all modes are compared, each connection has its own:
/// the third persistent watches only, the fourth recursive ones only, the others none of these.
fn mixes_modes(operation: &Operation, slot: Slot) -> bool {
    let one_shot = slot < 2;
    match operation {
        Operation::AddWatch { mode, .. } => usize::try_from(*mode) != Ok(slot.wrapping_sub(2)),
        Operation::Read { watch, .. } => !one_shot && *watch != 0,
        Operation::SetWatches { lists, .. } => !one_shot || lists.len() > 3,
        Operation::MultiRead { operations } => operations.iter().any(|part| mixes_modes(part, slot)),
        _ => false,
    }
}

fn acls(operation: &Operation) -> Vec<&Acl> {
    match operation {
        Operation::Create { acl, .. } | Operation::SetAcl { acl, .. } => vec![acl],
        Operation::Multi { operations } => operations.iter().flat_map(acls).collect(),
        _ => Vec::new(),
    }
}

fn has_ipv6(operation: &Operation) -> bool {
    let mut entries = acls(operation).into_iter().flatten().flatten();
    entries.any(|(_, scheme, id)| {
        scheme.as_deref() == Some("ip") && id.as_ref().is_some_and(|id| id.contains(':'))
    })
}

fn has_closed_acl(operation: &Operation) -> bool {
    acls(operation).into_iter().flatten().flatten().any(|(_, scheme, _)| scheme.as_deref() != Some("world"))
        || acls(operation).into_iter().flatten().flatten().any(|(permissions, _, _)| permissions & 1 == 0)
}

fn in_multi(part: &Operation) -> Option<VersionDifference> {
    if part.path() == Some(&Path::Bytes(None)) {
        return Some(VersionDifference::NullInMulti);
    }
    match part {
        Operation::Create { opcode: opcode::CREATE_TTL, .. } => None,
        Operation::Create { acl: None, .. } => Some(VersionDifference::NullAclInMulti),
        Operation::Create { flags, .. } if !(0..=4).contains(flags) => Some(VersionDifference::FlagsInMulti),
        Operation::Create { opcode: opcode::CREATE2 | opcode::CREATE_CONTAINER, flags, .. }
            if *flags != 4 =>
        {
            Some(VersionDifference::Create2InMulti)
        }
        _ => None,
    }
}

fn is_write(operation: &Operation) -> bool {
    matches!(
        operation,
        Operation::Create { .. }
            | Operation::Delete { .. }
            | Operation::DeleteContainer { .. }
            | Operation::SetData { .. }
            | Operation::SetAcl { .. }
            | Operation::Check { .. }
            | Operation::Multi { .. }
    )
}
