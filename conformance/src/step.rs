//! One step of a comparison: what is done to both servers alike. Steps name connections and sessions by numbers of their
//! own, so that they mean the same to both servers.

use crate::operation::{Operation, Zxid};
use std::fmt;

/// How many connections a comparison uses.
pub const SLOTS: usize = 4;

/// Which connection: 0 to [`SLOTS`] − 1.
pub type Slot = usize;

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields' types say what they are")]
pub enum Step {
    /// A new TCP connection in this slot, with a handshake. A connection that was there is closed without a word.
    Connect { slot: Slot, opening: Opening },
    /// A request. A slot without a connection gets one first, with a new session.
    Request { slot: Slot, xid: Xid, operation: Operation, damage: Option<Damage> },
    /// Several requests in one go, answered in one go.
    Burst { slot: Slot, operations: Vec<Operation> },
    /// Bytes as they are.
    Bytes { slot: Slot, bytes: Vec<u8> },
    /// The connection is closed without a word; its session lives on.
    Drop { slot: Slot },
    /// A connection of its own says these bytes first, and perhaps stops sending.
    Stranger { bytes: Vec<u8> },
    /// A connection of its own says a four-letter word.
    Word { word: &'static str },
}

/// How a connection is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Which session.
    pub session: SessionChoice,
    /// Which password.
    pub password: PasswordChoice,
    /// The timeout that is wished, in milliseconds.
    pub timeout_ms: i32,
    /// The newest zxid that the client says it has seen.
    pub seen: Zxid,
    /// The protocol's version.
    pub protocol_version: i32,
    /// The last field, which old clients lack.
    pub read_only: Option<bool>,
    /// What is wrong with the frame.
    pub damage: Option<Damage>,
}

impl Opening {
    /// How ordinary clients start.
    #[must_use]
    pub fn new_session() -> Opening {
        Opening {
            session: SessionChoice::New,
            password: PasswordChoice::Right,
            timeout_ms: 40_000,
            seen: Zxid::Number(0),
            protocol_version: 0,
            read_only: Some(false),
            damage: None,
        }
    }
}

/// Which session a handshake names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionChoice {
    /// None: a new one is wanted.
    New,
    /// The one that began so many sessions ago, 0 is the newest; whatever became of it.
    Ago(usize),
    /// An id that nobody was given.
    Unknown(i64),
}

/// Which password a handshake has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordChoice {
    /// The one that belongs to the session; zeros for a new one.
    Right,
    /// These bytes.
    Bytes(Vec<u8>),
}

/// The number of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Xid {
    /// The next one of the connection.
    Next,
    /// This one.
    Number(i32),
}

/// What is wrong with a frame. Positions count from the start of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// So many bytes are cut off at the end.
    Cut(usize),
    /// These bytes are added at the end.
    Add(Vec<u8>),
    /// A number is written over what is there.
    Number {
        /// Where, taken modulo the length.
        at: usize,
        /// What is written.
        value: i32,
    },
    /// A byte is written over what is there.
    Byte {
        /// Where, taken modulo the length.
        at: usize,
        /// What is written.
        value: u8,
    },
}

impl Damage {
    /// Does it to a body.
    #[must_use]
    pub fn apply(&self, mut body: Vec<u8>) -> Vec<u8> {
        match self {
            Damage::Cut(count) => body.truncate(body.len().saturating_sub(*count)),
            Damage::Add(bytes) => body.extend_from_slice(bytes),
            Damage::Number { at, value } => {
                let at = at % body.len().saturating_sub(3).max(1);
                if let Some(place) = body.get_mut(at..at + 4) {
                    place.copy_from_slice(&value.to_be_bytes());
                }
            }
            Damage::Byte { at, value } => {
                let at = at % body.len().max(1);
                if let Some(place) = body.get_mut(at) {
                    *place = *value;
                }
            }
        }
        body
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Connect { slot, opening } => write!(f, "connection {slot}: {opening}"),
            Step::Request { slot, xid, operation, damage } => {
                write!(f, "connection {slot}: {operation}")?;
                if let Xid::Number(xid) = xid {
                    write!(f, ", xid {xid}")?;
                }
                damage.iter().try_for_each(|damage| write!(f, ", damaged: {damage:?}"))
            }
            Step::Burst { slot, operations } => {
                let texts: Vec<String> = operations.iter().map(ToString::to_string).collect();
                write!(f, "connection {slot}: in one go: {}", texts.join("; "))
            }
            Step::Bytes { slot, bytes } => write!(f, "connection {slot}: bytes {}", Short(bytes)),
            Step::Drop { slot } => write!(f, "connection {slot}: dropped"),
            Step::Stranger { bytes } => write!(f, "a stranger says {}", Short(bytes)),
            Step::Word { word } => write!(f, "four-letter word {word}"),
        }
    }
}

impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "handshake, session {:?}, timeout {}, seen {:?}",
            self.session, self.timeout_ms, self.seen
        )?;
        match &self.password {
            PasswordChoice::Right => {}
            PasswordChoice::Bytes(bytes) => write!(f, ", password {}", Short(bytes))?,
        }
        if self.protocol_version != 0 {
            write!(f, ", protocol {}", self.protocol_version)?;
        }
        if self.read_only != Some(false) {
            write!(f, ", read-only {:?}", self.read_only)?;
        }
        self.damage.iter().try_for_each(|damage| write!(f, ", damaged: {damage:?}"))
    }
}

struct Short<'a>(&'a [u8]);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x?}", &self.0[..self.0.len().min(64)])?;
        if self.0.len() > 64 { write!(f, " and {} more", self.0.len() - 64) } else { Ok(()) }
    }
}
