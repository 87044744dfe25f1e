//! What is wrong with an argument or a file, for the person who wrote it.

use crate::{escape, output};
use std::fmt;
use std::path::Path;

/// Where something is wrong, and what was expected: a line for each thing.
#[derive(Debug)]
pub struct Complaint(Vec<String>);

impl Complaint {
    /// Something is wrong with a file, or at a place in it.
    pub fn about(path: &Path, what: impl fmt::Display) -> Complaint {
        Complaint::new(format_args!("{}: {what}", path.display()))
    }

    /// Something is wrong with an argument, or elsewhere; `what` says where.
    pub fn new(what: impl fmt::Display) -> Complaint {
        Complaint(vec![escape::line(&what.to_string()).into_owned()])
    }

    /// All of these.
    pub fn all(complaints: impl IntoIterator<Item = Complaint>) -> Complaint {
        Complaint(complaints.into_iter().flat_map(|complaint| complaint.0).collect())
    }

    /// Says it on standard error.
    pub fn say(&self) {
        self.0.iter().for_each(output::error);
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_that_is_wrong_is_one_line() {
        let complaint = Complaint::about(Path::new("a\nb\u{1b}[2J"), "found c\rd");
        assert_eq!(complaint.to_string(), "a\\nb\\u001b[2J: found c\\rd");
        let both = Complaint::all([complaint, Complaint::new("e")]);
        assert_eq!(both.0.len(), 2);
    }
}
