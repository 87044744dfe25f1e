//! A list of names in parts that the list of the next moment shares, as far as they are the same.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};
use serde::{Deserialize, Serialize};

/// Some of the names of a list, in their order.
pub type Part = Arc<Vec<Arc<str>>>;

/// A list of names. Where one part of it ends and the next begins means nothing: equal lists may be cut up differently.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Arc<str>>", into = "Vec<Arc<str>>")]
pub struct Names {
    parts: Vec<Part>,
}

impl Names {
    /// The list that these parts make up.
    #[must_use]
    pub fn of_parts(parts: Vec<Part>) -> Names {
        Names { parts }
    }

    /// The parts that make up the list.
    #[must_use]
    pub fn into_parts(self) -> Vec<Part> {
        self.parts
    }

    /// The names, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<str>> + Clone {
        self.parts.iter().flat_map(|part| part.iter())
    }
}

impl From<Vec<Arc<str>>> for Names {
    fn from(names: Vec<Arc<str>>) -> Self {
        Names { parts: Vec::from([Arc::new(names)]) }
    }
}

impl From<Names> for Vec<Arc<str>> {
    fn from(names: Names) -> Self {
        names.iter().cloned().collect()
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
