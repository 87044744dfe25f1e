//! Who leads: the two roles, standing for one, and how a node tells that it has one.

mod candidate;
mod named;

use crate::coordination::Names;
use alloc::sync::Arc;
pub(crate) use candidate::{Candidate, Step, Wish};
pub(crate) use named::{Named, Step as NamedStep};
use serde::{Deserialize, Serialize};

/// The two roles that ZooKeeper elects.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Role {
    /// Decides who is connected.
    ClusterCoordinator,
    /// Runs what must run on one node only.
    PrimaryNode,
}

impl Role {
    /// NiFi's name, which is also the path in ZooKeeper.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Role::ClusterCoordinator => "Cluster Coordinator",
            Role::PrimaryNode => "Primary Node",
        }
    }
}

/// What stands between a candidate's own part of its name and its number.
const BEFORE_NUMBER: &[u8] = b"-lock-";

/// The least ending and the greatest one that are [`BEFORE_NUMBER`] and a digit, with anything behind them.
const PLAIN_MIN: u128 = behind_the_word(b'0', 0);
const PLAIN_MAX: u128 = behind_the_word(b'9', u8::MAX);

const fn behind_the_word(digit: u8, rest: u8) -> u128 {
    let mut ending = [rest; 16];
    let (word, behind) = ending.split_at_mut(BEFORE_NUMBER.len());
    word.copy_from_slice(BEFORE_NUMBER);
    behind[0] = digit;
    u128::from_be_bytes(ending)
}

/// So many digits ZooKeeper writes at least.
const DIGITS: usize = 10;

/// The sequence number at the end of a candidate's name. It is a signed number of 32 bits: after 2147483647 ZooKeeper
/// goes on with negative ones.
pub(crate) fn sequence(name: &str) -> Option<i32> {
    // Lines are long, and each who stands in one reads all of it: what nearly all names look like comes first.
    if let Some((name, digits)) = name.as_bytes().split_last_chunk::<DIGITS>()
        && name.ends_with(BEFORE_NUMBER)
        && digits.iter().all(u8::is_ascii_digit)
    {
        let number = digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
        return i32::try_from(number).ok();
    }
    name.rsplit_once("-lock-").and_then(|(_, number)| number.parse().ok())
}

/// Whether a name with this ending has its number behind the word, without a sign, and of as many digits as ZooKeeper
/// writes: then endings are ordered as the numbers are. Whether all of them are digits is not looked at.
pub(crate) fn is_plain_number(ending: u128) -> bool {
    (PLAIN_MIN..=PLAIN_MAX).contains(&ending)
}

/// The first of these candidates as Curator sorts them: by number; names without one come last.
pub(crate) fn first_in_line(candidates: &Names) -> Option<&Arc<str>> {
    candidates.iter().min_by_key(|name| (sequence(name).map_or(i64::MAX, i64::from), *name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec::Vec;

    #[test]
    fn the_number_is_what_follows_the_last_lock() {
        for (name, number) in [
            ("_c_a.1.1-lock-0000000007", Some(7)),
            ("_c_a.1.1-lock-2147483647", Some(i32::MAX)),
            ("_c_a.1.1-lock--2147483648", Some(i32::MIN)),
            ("_c_a.1.1-lock--000000001", Some(-1)),
            ("_c_a.1.1-lock-2147483648", None),
            ("_c_a.1.1-lock-7", Some(7)),
            ("_c_a.1.1-lock-00000000000000007", Some(7)),
            ("_c_a-lock-b-lock-0000000007", Some(7)),
            ("-lock-0000000007", Some(7)),
            ("-lock-", None),
            ("lock-0000000007", None),
            ("0000000007", None),
            ("_c_a.1.1-lock-000000000x", None),
            ("_c_ä-lock-0000000007", Some(7)),
            ("", None),
        ] {
            assert_eq!(sequence(name), number, "{name:?}");
        }
    }

    #[test]
    fn only_numbers_without_a_sign_are_as_their_endings_are() {
        for (name, plain) in [
            ("_c_a.1.1-lock-0000000007", true),
            ("_c_a.1.1-lock--000000007", false),
            ("_c_a.1.1-lock-+000000007", false),
            ("_c_a.1.1-lock-00000000007", false),
            ("-lock-7", false),
        ] {
            assert_eq!(is_plain_number(crate::coordination::ending(name)), plain, "{name:?}");
        }
    }

    #[test]
    fn who_is_first_does_not_depend_on_the_order_of_the_list() {
        let first = |names: &[&str]| {
            let names: Names = names.iter().map(|name| Arc::from(*name)).collect::<Vec<_>>().into();
            first_in_line(&names).map(|first| first.to_string())
        };
        let mut names = ["_c_b-lock-0000000007", "_c_a-lock-0000000003", "no number", "also none"];
        for _ in 0..names.len() {
            names.rotate_left(1);
            assert_eq!(first(&names).as_deref(), Some("_c_a-lock-0000000003"));
        }
        let mut numberless = ["no number", "also none"];
        assert_eq!(first(&numberless).as_deref(), Some("also none"));
        numberless.reverse();
        assert_eq!(first(&numberless).as_deref(), Some("also none"));
    }
}
