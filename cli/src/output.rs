//! Standard output, whose reader may leave at any time.

use crate::complaint::Complaint;
use std::io::{ErrorKind, Write as _, stdout};

/// Whether somebody still reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reader {
    /// Yes, as far as is known.
    Listens,
    /// No; `| head` has seen enough.
    Left,
}

/// Prints `text`. That nobody wants to read it is not an error.
///
/// # Errors
/// When it cannot be written for another reason, such as a full disk.
pub fn print(text: &str) -> Result<Reader, Complaint> {
    let mut out = stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(Reader::Listens),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Left),
        Err(error) => Err(Complaint::new(format_args!("standard output: {error}"))),
    }
}
