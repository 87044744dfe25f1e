//! What is wrong with an argument or a file, for the person who wrote it.

use std::fmt;
use std::path::Path;

/// Where something is wrong, and what was expected.
#[derive(Debug)]
pub struct Complaint(String);

impl Complaint {
    /// Something is wrong with a file, or at a place in it.
    pub fn about(path: &Path, what: impl fmt::Display) -> Complaint {
        Complaint(format!("{}: {what}", path.display()))
    }

    /// Something is wrong with an argument, or elsewhere; `what` says where.
    pub fn new(what: impl fmt::Display) -> Complaint {
        Complaint(what.to_string())
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
