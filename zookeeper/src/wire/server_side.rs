//! A server's end of a connection: bytes of a client in, messages out, and the other way round; what they do is left to the server.

use super::frames::{FRAME_BYTES_MAX, Frames, frame};
use super::jute::{Hand, Reader, Unreadable, Writer};
use super::records::number_of;
use super::text::Surrogates;
use super::{FourLetterWord, WireError, handshake, opcode, reply, request};
use crate::error::ErrorCode;
use crate::operation::Reply;
use crate::protocol::{ClientMessage, ServerMessage};
use crate::types::{EventKind, Password, Release, SessionId, WatchEvent, Zxid};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// The number under which events are sent.
pub(super) const EVENT_XID: i32 = -1;
/// The number under which pings are answered, whatever their own is.
pub(super) const PING_XID: i32 = -2;
/// The zxid of an event that does not say which transaction set it off.
pub(super) const NO_ZXID: i64 = -1;
/// What an event says of the state of the connection: that it is attached to a session.
const CONNECTED: i32 = 3;

/// What has arrived from a client.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Received {
    /// A message, for the server.
    Message(ClientMessage),
    /// A word instead of a handshake: answer it in text, and close.
    Word(FourLetterWord),
    /// Something that is settled here: send these bytes at once. They may overtake answers of the server, as with
    /// the original.
    Answer(Vec<u8>),
}

/// A server's end of one connection.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ServerSide {
    release: Release,
    frames: Frames,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum State {
    /// Nothing was read yet.
    Fresh,
    /// The handshake was read and is not answered. Nothing is read before it is.
    Asked { says_read_only: bool },
    /// The handshake was answered.
    Answered,
    /// The connection cannot go on.
    Broken(WireError),
}

impl ServerSide {
    /// The end of a fresh connection, of a server that behaves like `release`.
    #[must_use]
    pub fn new(release: Release) -> Self {
        ServerSide { release, frames: Frames::new(FRAME_BYTES_MAX), state: State::Fresh }
    }

    /// Takes bytes that have arrived.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.frames.arrived(bytes);
    }

    /// How many bytes have arrived and were not given out as messages yet. When [`next_message`](Self::next_message) has
    /// nothing to give, this is less than one frame, unless it [`holds_back`](Self::holds_back).
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.frames.waiting()
    }

    /// Whether nothing is given out because the handshake is not answered yet. Who reads on meanwhile only hoards.
    #[must_use]
    pub fn holds_back(&self) -> bool {
        matches!(self.state, State::Asked { .. })
    }

    /// What has arrived next; `None` while it is not complete, and while the handshake is not answered.
    ///
    /// # Errors
    /// When the connection cannot go on. The error stays.
    pub fn next_message(&mut self) -> Result<Option<Received>, WireError> {
        let received = match self.state {
            State::Fresh => self.read_first(),
            State::Asked { .. } => Ok(None),
            State::Answered => self.read_request(),
            State::Broken(error) => Err(error),
        };
        received.inspect_err(|error| self.state = State::Broken(*error))
    }

    fn read_first(&mut self) -> Result<Option<Received>, WireError> {
        if let Some(word) = self.frames.peek().and_then(|letters| FourLetterWord::of(&letters)) {
            return Ok(Some(Received::Word(word)));
        }
        let Some(frame) = self.frames.next()? else { return Ok(None) };
        let (message, says_read_only) =
            handshake::read_request(&mut Reader::new(frame, Surrogates::Replaced))
                .map_err(|Unreadable| WireError::Handshake)?;
        self.state = State::Asked { says_read_only };
        Ok(Some(Received::Message(message)))
    }

    fn read_request(&mut self) -> Result<Option<Received>, WireError> {
        let Some(frame) = self.frames.next()? else { return Ok(None) };
        let mut reader = Reader::new(frame, Surrogates::Replaced);
        let (xid, number) = read_header(&mut reader).map_err(|Unreadable| WireError::Header)?;
        let message = match number {
            opcode::PING => ClientMessage::Ping,
            opcode::CLOSE_SESSION => ClientMessage::CloseSession { xid },
            opcode::AUTH => {
                read_credentials(xid, &mut reader).map_err(|Unreadable| WireError::Credentials)?
            }
            opcode::SASL => return refuse_sasl(xid, &mut reader).map(Some),
            _ => {
                let operation = request::read(number, &mut reader, self.release);
                ClientMessage::Request { xid, operation }
            }
        };
        Ok(Some(Received::Message(message)))
    }

    /// Appends a message to `bytes`.
    ///
    /// # Errors
    /// When it is longer than [`WRITTEN_BYTES_MAX`](super::WRITTEN_BYTES_MAX). Nothing is appended then.
    ///
    /// # Panics
    /// When the server answers a handshake that it was not asked, or a multi with a result that no multi has.
    pub fn send(&mut self, message: &ServerMessage, bytes: &mut Vec<u8>) -> Result<(), WireError> {
        frame(bytes, Hand::Server, |writer| match message {
            ServerMessage::Connected { session, password, timeout } => {
                self.answer(writer, Some((*session, *password, *timeout)));
            }
            ServerMessage::Expired => self.answer(writer, None),
            ServerMessage::Pong { zxid } => write_header(writer, PING_XID, number_of(*zxid), ErrorCode::Ok),
            ServerMessage::Reply { xid, zxid, result } => write_reply(writer, *xid, *zxid, result),
            ServerMessage::Event { event, zxid } => write_event(writer, event, *zxid),
            ServerMessage::SessionClosed { xid, zxid } => {
                write_header(writer, *xid, number_of(*zxid), ErrorCode::Ok);
            }
        })
    }

    fn answer(&mut self, writer: &mut Writer<'_>, granted: Option<(SessionId, Password, Duration)>) {
        let State::Asked { says_read_only } = self.state else {
            panic!("a handshake is answered that was not asked, or twice: {:?}", self.state);
        };
        self.state = State::Answered;
        handshake::write_response(writer, granted, says_read_only);
    }
}

fn read_header(reader: &mut Reader<'_>) -> Result<(i32, i32), Unreadable> {
    Ok((reader.int()?, reader.int()?))
}

/// Credentials that are null are of no scheme, as is a scheme that is null; an address needs none.
fn read_credentials(xid: i32, reader: &mut Reader<'_>) -> Result<ClientMessage, Unreadable> {
    let _kind = reader.int()?;
    let scheme = reader.string_or_null()?.unwrap_or_default().into_owned();
    let credentials = reader.buffer()?;
    let scheme = if credentials.is_none() && scheme != "ip" { String::new() } else { scheme };
    Ok(ClientMessage::Authenticate { xid, scheme, credentials: Arc::from(credentials.unwrap_or_default()) })
}

/// Answers a token of SASL as servers do for which it is not configured: with no token, and no error.
fn refuse_sasl(xid: i32, reader: &mut Reader<'_>) -> Result<Received, WireError> {
    reader.buffer().ok().flatten().ok_or(WireError::Credentials)?;
    let mut bytes = Vec::new();
    frame(&mut bytes, Hand::Server, |writer| {
        write_header(writer, xid, 0, ErrorCode::Ok);
        writer.null();
    })?;
    Ok(Received::Answer(bytes))
}

fn write_header(writer: &mut Writer<'_>, xid: i32, zxid: i64, code: ErrorCode) {
    writer.int(xid);
    writer.long(zxid);
    writer.int(code.number());
}

fn write_reply(writer: &mut Writer<'_>, xid: i32, zxid: Zxid, result: &Result<Reply, ErrorCode>) {
    match result {
        Ok(reply) => {
            let code = match reply {
                Reply::BrokenMulti { .. } => ErrorCode::MarshallingError,
                _ => ErrorCode::Ok,
            };
            write_header(writer, xid, number_of(zxid), code);
            reply::write(writer, reply);
        }
        Err(code) => write_header(writer, xid, number_of(zxid), *code),
    }
}

fn write_event(writer: &mut Writer<'_>, event: &WatchEvent, zxid: Option<Zxid>) {
    write_header(writer, EVENT_XID, zxid.map_or(NO_ZXID, number_of), ErrorCode::Ok);
    writer.int(match event.kind {
        EventKind::NodeCreated => 1,
        EventKind::NodeDeleted => 2,
        EventKind::NodeDataChanged => 3,
        EventKind::NodeChildrenChanged => 4,
    });
    writer.int(CONNECTED);
    writer.string(&event.path);
}
