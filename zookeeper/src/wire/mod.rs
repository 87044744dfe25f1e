//! ZooKeeper's bytes: what a client and a server write on one connection, and the typed messages they stand for; sockets are left to others.
//!
//! One [`ServerSide`] or [`ClientSide`] belongs to one end of one connection. Each takes bytes as they come, in pieces of
//! any length, and gives messages; and it turns messages into bytes. Both trust nothing that they read: what is held
//! grows with what has arrived, never with what is announced.
//!
//! | file | concern |
//! |---|---|
//! | `frames` | cuts the stream into frames, and enforces their greatest length |
//! | `jute` | the primitive values: numbers, strings, buffers, vectors |
//! | `text` | Java's strings, which are not always UTF-8 |
//! | `opcode` | the numbers of the requests |
//! | `records` | what requests and replies have in common: stats, ACLs, identities |
//! | `request`, `reply` | what is asked, and what is answered |
//! | `multi` | several operations in one request, and their results |
//! | `handshake` | the first frame of either side |
//! | `words` | the four-letter words that administrators send instead of a handshake |
//! | `server_side`, `client_side` | what each end remembers of its connection |
//!
//! What a release makes of a request is left to the server. Three things that real servers do are left out: a
//! `createSession` of a client, which they answer with a second handshake, is a request that is not known; the answer to
//! a `sync` without a path has an empty one; and no error has a body, as that of a `multiRead` with writes in it has.

mod client_side;
mod frames;
mod handshake;
mod jute;
mod multi;
mod opcode;
mod records;
mod reply;
mod request;
mod server_side;
mod text;
mod words;

#[cfg(test)]
mod tests;

pub use client_side::ClientSide;
pub use frames::{FRAME_BYTES_MAX, WRITTEN_BYTES_MAX};
pub use server_side::{Received, ServerSide};
pub use words::FourLetterWord;

use core::fmt;

/// Why a connection cannot go on. It is to be closed; nothing more is answered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum WireError {
    /// A frame announces a length that is negative or too great.
    FrameLength {
        /// What it announces.
        announced: i32,
        /// What is accepted at most.
        most: usize,
    },
    /// The first frame is no handshake.
    Handshake,
    /// A frame is too short for the header of its kind.
    Header,
    /// Credentials, or a token of SASL, cannot be read.
    Credentials,
    /// A server sends what nobody has asked for, or in another order.
    Unasked {
        /// The number it answers.
        xid: i32,
        /// The oldest number that waits for an answer.
        waiting: Option<i32>,
    },
    /// A message is too long to be sent.
    TooLong {
        /// How many bytes it may have.
        most: usize,
    },
    /// What a server sends cannot be read.
    Reply {
        /// The number it answers.
        xid: i32,
    },
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WireError::FrameLength { announced, most } => {
                write!(f, "a frame of {announced} bytes is announced, expected 0 to {most} (jute.maxbuffer)")
            }
            WireError::Handshake => f.write_str("the first frame is no handshake of ZooKeeper"),
            WireError::Header => f.write_str("a frame is too short for its header"),
            WireError::Credentials => f.write_str("credentials cannot be read"),
            WireError::Unasked { xid, waiting: Some(waiting) } => {
                write!(f, "request {xid} is answered, expected an answer to request {waiting}")
            }
            WireError::Unasked { xid, waiting: None } => {
                write!(f, "request {xid} is answered, which nobody has made")
            }
            WireError::TooLong { most } => {
                write!(f, "a message is longer than {most} bytes, which is the most")
            }
            WireError::Reply { xid } => write!(f, "the answer to request {xid} cannot be read"),
        }
    }
}

impl core::error::Error for WireError {}
