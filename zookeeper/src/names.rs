//! A list of names in parts that the list of the next moment shares, as far as they are the same.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};
use serde::{Deserialize, Serialize};

/// Some of the names of a list, in their order, each behind its ending: so who looks for sequence numbers in a long list has
/// them in one row, and not in ten thousand places.
pub type Part = Arc<Vec<(u128, Arc<str>)>>;

/// The last sixteen bytes of a name, as a number; 0 if it is shorter. Numbers that ZooKeeper appends have the last ten, and
/// where they are equally long, endings are ordered as they are.
#[must_use]
pub fn ending(name: &str) -> u128 {
    name.as_bytes().last_chunk().map_or(0, |last| u128::from_be_bytes(*last))
}

/// A list of names. Where one part of it ends and the next begins means nothing: equal lists may be cut up differently.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Arc<str>>", into = "Vec<Arc<str>>")]
pub struct Names {
    parts: Vec<Part>,
}

impl Names {
    /// The list that these parts make up. Each name must be behind its [`ending`].
    #[must_use]
    pub fn of_parts(parts: Vec<Part>) -> Names {
        Names { parts }
    }

    /// The parts that make up the list.
    #[must_use]
    pub fn into_parts(self) -> Vec<Part> {
        self.parts
    }

    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.len()).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The names, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<str>> + Clone {
        self.parts.iter().flat_map(|part| part.iter().map(|(_, name)| name))
    }
}

impl From<Vec<Arc<str>>> for Names {
    fn from(names: Vec<Arc<str>>) -> Self {
        let part = names.into_iter().map(|name| (ending(&name), name)).collect();
        Names { parts: Vec::from([Arc::new(part)]) }
    }
}

impl From<Names> for Vec<Arc<str>> {
    fn from(names: Names) -> Self {
        names.iter().cloned().collect()
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl PartialEq for Names {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Names {}

impl Hash for Names {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.iter().for_each(|name| name.hash(state));
    }
}
