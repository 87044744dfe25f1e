//! The two ways out: data on standard output, whose reader may leave at any time, and messages on standard error, which
//! may be lost. Neither lets a control character through, wherever it came from.

use crate::complaint::Complaint;
use crate::escape;
use std::fmt;
use std::io::{self, ErrorKind, Write as _, stderr, stdout};

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
    written(out.write_all(escape::lines(text).as_bytes()).and_then(|()| out.flush()))
}

/// What has become of something that was written to standard output.
///
/// # Errors
/// When it was not, although somebody reads.
pub fn written(result: io::Result<()>) -> Result<Reader, Complaint> {
    match result {
        Ok(()) => Ok(Reader::Listens),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Left),
        Err(error) => Err(Complaint::new(format_args!("standard output: {error}"))),
    }
}

/// Says why the command cannot go on.
pub fn error(what: impl fmt::Display) {
    say(&format!("error: {}\n", escape::line(&what.to_string())));
}

/// Says what may not be meant as it is written; the command goes on.
pub fn warning(what: impl fmt::Display) {
    say(&format!("warning: {}\n", escape::line(&what.to_string())));
}

/// Says what is good to know, and nothing to act on.
pub fn note(what: impl fmt::Display) {
    say(&format!("note: {}\n", escape::line(&what.to_string())));
}

/// Says `text`, of whole lines. That it cannot be heard changes nothing about what is done, so it is not an error.
pub fn say(text: &str) {
    let mut out = stderr().lock();
    let _ = out.write_all(escape::lines(text).as_bytes()).and_then(|()| out.flush());
}
