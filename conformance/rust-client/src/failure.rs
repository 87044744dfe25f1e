//! What is not as it must be, and the comparisons that find it.

use std::fmt::{self, Debug, Display, Formatter};
use zookeeper_client as zk;

/// Something is not as it must be; the text says what.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    /// A failure in these words.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The same, with the name of the check that found it.
    pub fn during(self, what: &str) -> Self {
        Self(format!("{what}: {}", self.0))
    }

    /// The check's own door to the server does not work, which says nothing of the server.
    pub fn of_door(error: std::io::Error) -> Self {
        Self(format!("cannot listen on the loopback interface: {error}"))
    }
}

impl Display for Failure {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl From<zk::Error> for Failure {
    fn from(error: zk::Error) -> Self {
        Self(format!("an operation that must succeed does not: {error}"))
    }
}

/// Two things must be equal.
pub fn equal<T: PartialEq + Debug>(what: &str, found: T, expected: T) -> Result<(), Failure> {
    if found == expected {
        Ok(())
    } else {
        Err(Failure(format!("{what}: expected {expected:?}, found {found:?}")))
    }
}

/// Something must hold.
pub fn must(holds: bool, what: impl Into<String>) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(Failure(what.into())) }
}

/// An operation must be refused, and for this reason.
pub fn refused<T: Debug>(
    what: &str,
    answer: Result<T, zk::Error>,
    expected: zk::Error,
) -> Result<(), Failure> {
    match answer {
        Err(error) => equal(what, error, expected),
        Ok(value) => Err(Failure(format!("{what}: expected the error {expected:?}, found {value:?}"))),
    }
}
