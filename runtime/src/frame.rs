//! What goes over the connections between nodes, as bytes: a length, a version, a value. Sockets are left to others.
//!
//! A frame is four bytes of length, most significant first; one byte of version; and the value, as postcard writes it. The
//! length counts what follows it. What is held grows with what has arrived, never with what is announced.

use serde::{Deserialize, Serialize};
use std::fmt;
use zeromaster_core::identity::Address;
use zeromaster_core::message::Message;
use zeromaster_core::operator::{OperatorRequest, Refusal};

/// What this shell speaks. Another one is foreign.
pub const VERSION: u8 = 1;

/// The longest frame that is accepted, without its length. The longest that is sent is a table of
/// the largest cluster with its flow, about a tenth of this.
pub const FRAME_BYTES_MAX: usize = 16 << 20;

/// How many bytes say how long a frame is.
const LENGTH_BYTES: usize = 4;

/// What is said on a connection.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Frame {
    /// The first on a connection of a node: where it is to be answered.
    Node {
        /// Its cluster protocol address.
        address: Address,
    },
    /// The first on a connection of a person.
    Person,
    /// A message of the cluster protocol, from a node.
    Message(Message),
    /// To a node: its messages have arrived, so many on this connection.
    Taken {
        /// How many.
        messages: u64,
    },
    /// A person's request.
    Request {
        /// The person's number for it.
        number: u64,
        /// What.
        request: OperatorRequest,
    },
    /// To a person: what came of a request.
    Outcome {
        /// The person's number for it.
        number: u64,
        /// What.
        outcome: Result<(), Refusal>,
    },
}

/// Why a connection cannot go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameError {
    /// A frame is announced that is longer than is accepted.
    Oversized {
        /// How long.
        announced: u32,
    },
    /// A frame has no room for its version.
    Empty,
    /// The other side speaks another version, or is no node.
    Foreign {
        /// What it says.
        version: u8,
    },
    /// What follows the version is no value of this version.
    Malformed,
    /// The connection ended within a frame.
    Truncated,
    /// It is not the other side's part to say this, or not now.
    OutOfPlace,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::Oversized { announced } => {
                write!(f, "a frame of {announced} bytes is announced, expected at most {FRAME_BYTES_MAX}")
            }
            FrameError::Empty => f.write_str("a frame is empty"),
            FrameError::Foreign { version } => write!(f, "a frame of version {version}, expected {VERSION}"),
            FrameError::Malformed => f.write_str("a frame cannot be read"),
            FrameError::Truncated => f.write_str("the connection ended within a frame"),
            FrameError::OutOfPlace => f.write_str("a frame is not expected here"),
        }
    }
}

impl std::error::Error for FrameError {}

/// The bytes of a frame.
///
/// # Panics
/// When the frame is longer than 4 GiB, which nothing that a node holds is.
#[must_use]
pub fn encode(frame: &Frame) -> Vec<u8> {
    let mut bytes = vec![0; LENGTH_BYTES];
    bytes.push(VERSION);
    let mut bytes = postcard::to_extend(frame, bytes)
        .unwrap_or_else(|error| unreachable!("a frame is plain data: {error}"));
    let length = u32::try_from(bytes.len() - LENGTH_BYTES).expect("a frame is shorter than 4 GiB");
    bytes[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    bytes
}

/// Cuts the bytes of one connection into frames.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Frames {
    bytes: Vec<u8>,
    /// How many of the bytes have been read.
    read: usize,
    broken: Option<FrameError>,
}

impl Frames {
    /// Takes bytes that have arrived.
    pub fn arrived(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.read);
        self.read = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next frame; `None` while it is not complete.
    ///
    /// # Errors
    /// When the connection cannot go on. The error stays.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        match self.broken {
            Some(error) => Err(error),
            None => self.cut().inspect_err(|error| self.broken = Some(*error)),
        }
    }

    /// The other side has closed the connection.
    ///
    /// # Errors
    /// When it was within a frame.
    pub fn ended(&self) -> Result<(), FrameError> {
        if self.read == self.bytes.len() { Ok(()) } else { Err(FrameError::Truncated) }
    }

    fn cut(&mut self) -> Result<Option<Frame>, FrameError> {
        let waiting = &self.bytes[self.read..];
        let Some((length, rest)) = waiting.split_first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let announced = u32::from_be_bytes(*length);
        let length = usize::try_from(announced).unwrap_or(usize::MAX);
        if length > FRAME_BYTES_MAX {
            return Err(FrameError::Oversized { announced });
        }
        // What is foreign is refused before it is waited for.
        match rest.first() {
            _ if length == 0 => return Err(FrameError::Empty),
            Some(version) if *version != VERSION => {
                return Err(FrameError::Foreign { version: *version });
            }
            Some(_) | None => {}
        }
        let Some(frame) = rest.get(..length) else { return Ok(None) };
        let (value, left) = postcard::take_from_bytes(&frame[1..]).map_err(|_| FrameError::Malformed)?;
        if !left.is_empty() {
            return Err(FrameError::Malformed);
        }
        self.read += LENGTH_BYTES + length;
        Ok(Some(value))
    }
}

#[cfg(test)]
mod tests;
