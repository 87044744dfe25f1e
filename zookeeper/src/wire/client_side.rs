//! A client's end of a connection: messages in, bytes for a server out, and the other way round; what they mean is left to the client.

use super::frames::{FRAME_BYTES_MAX, Frames, frame};
use super::jute::{Hand, Reader, Unreadable, Writer};
use super::records::zxid_of;
use super::reply::{self, Form};
use super::server_side::{EVENT_XID, NO_ZXID, PING_XID};
use super::text::Surrogates;
use super::{WireError, handshake, opcode, request};
use crate::error::ErrorCode;
use crate::operation::Reply;
use crate::protocol::{ClientMessage, ServerMessage};
use crate::types::{EventKind, WatchEvent};
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// A client's end of one connection.
///
/// It knows which answers are due, for the bytes do not say what they answer. The numbers −1 and −2 are those of events
/// and pings; a request must have another one.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ClientSide {
    frames: Frames,
    is_answered: bool,
    broken: Option<WireError>,
    /// Requests, in the order in which they are answered.
    due: VecDeque<Due>,
    /// Credentials that were shown. Servers judge them at once, so that their answers may overtake others.
    authentications: VecDeque<i32>,
}

/// An answer that is due.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Due {
    xid: i32,
    form: DueForm,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum DueForm {
    Reply(Form),
    SessionClosed,
}

/// What stands before every answer and event.
#[derive(Clone, Copy)]
struct Header {
    xid: i32,
    zxid: i64,
    error: i32,
}

impl Default for ClientSide {
    fn default() -> Self {
        ClientSide::new()
    }
}

impl ClientSide {
    /// The end of a fresh connection, to a server that is configured as usual.
    #[must_use]
    pub fn new() -> Self {
        ClientSide::with_frame_bytes_max(FRAME_BYTES_MAX)
    }

    /// The end of a fresh connection, on which frames of up to `most` bytes are accepted.
    #[must_use]
    pub fn with_frame_bytes_max(most: usize) -> Self {
        ClientSide {
            frames: Frames::new(most),
            is_answered: false,
            broken: None,
            due: VecDeque::new(),
            authentications: VecDeque::new(),
        }
    }

    /// Appends a message to `bytes`.
    ///
    /// # Errors
    /// When it is longer than [`WRITTEN_BYTES_MAX`](super::WRITTEN_BYTES_MAX). Nothing is appended then, and no answer to
    /// it is expected.
    pub fn send(&mut self, message: &ClientMessage, bytes: &mut Vec<u8>) -> Result<(), WireError> {
        frame(bytes, Hand::Client, |writer| match message {
            ClientMessage::Connect { session, timeout, last_zxid_seen } => {
                handshake::write_request(writer, *session, *timeout, *last_zxid_seen);
            }
            ClientMessage::Ping => write_header(writer, PING_XID, opcode::PING),
            ClientMessage::Authenticate { xid, scheme, credentials } => {
                write_header(writer, *xid, opcode::AUTH);
                writer.int(0);
                writer.string(scheme);
                writer.buffer(Some(credentials));
            }
            ClientMessage::Request { xid, operation } => {
                write_header(writer, *xid, request::number(operation));
                request::write(writer, operation);
            }
            ClientMessage::CloseSession { xid } => write_header(writer, *xid, opcode::CLOSE_SESSION),
        })?;
        match message {
            ClientMessage::Connect { .. } | ClientMessage::Ping => {}
            ClientMessage::Authenticate { xid, .. } => self.authentications.push_back(*xid),
            ClientMessage::Request { xid, operation } => {
                self.due.push_back(Due { xid: *xid, form: DueForm::Reply(Form::of(operation)) });
            }
            ClientMessage::CloseSession { xid } => {
                self.due.push_back(Due { xid: *xid, form: DueForm::SessionClosed });
            }
        }
        Ok(())
    }

    /// Takes bytes that have arrived.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.frames.arrived(bytes);
    }

    /// The message that has arrived next; `None` while it is not complete.
    ///
    /// # Errors
    /// When the connection cannot go on. The error stays.
    pub fn next_message(&mut self) -> Result<Option<ServerMessage>, WireError> {
        match self.broken {
            Some(error) => Err(error),
            None => self.read().inspect_err(|error| self.broken = Some(*error)),
        }
    }

    fn read(&mut self) -> Result<Option<ServerMessage>, WireError> {
        let Some(frame) = self.frames.next()? else { return Ok(None) };
        let mut reader = Reader::new(frame, Surrogates::Paired);
        if !self.is_answered {
            self.is_answered = true;
            let answer = handshake::read_response(&mut reader);
            return answer.map(Some).map_err(|Unreadable| WireError::Handshake);
        }
        let header = read_header(&mut reader).map_err(|Unreadable| WireError::Header)?;
        let unreadable = |Unreadable| WireError::Reply { xid: header.xid };
        let authenticated = self.authentications.front() == Some(&header.xid);
        match header.xid {
            EVENT_XID => read_event(header, &mut reader).map_err(unreadable),
            PING_XID => Ok(ServerMessage::Pong { zxid: zxid_of(header.zxid) }),
            xid if authenticated => {
                self.authentications.pop_front();
                Ok(reply_of(xid, header, Reply::Authenticated))
            }
            xid => {
                let due = self.due.front().copied();
                let waiting = due.map(|due| due.xid);
                let due = due.filter(|due| due.xid == xid).ok_or(WireError::Unasked { xid, waiting })?;
                self.due.pop_front();
                read_due(due, header, &mut reader).map_err(unreadable)
            }
        }
        .map(Some)
    }
}

fn write_header(writer: &mut Writer<'_>, xid: i32, number: i32) {
    writer.int(xid);
    writer.int(number);
}

fn read_header(reader: &mut Reader<'_>) -> Result<Header, Unreadable> {
    Ok(Header { xid: reader.int()?, zxid: reader.long()?, error: reader.int()? })
}

fn read_event(header: Header, reader: &mut Reader<'_>) -> Result<ServerMessage, Unreadable> {
    let kind = match reader.int()? {
        1 => EventKind::NodeCreated,
        2 => EventKind::NodeDeleted,
        3 => EventKind::NodeDataChanged,
        4 => EventKind::NodeChildrenChanged,
        _ => return Err(Unreadable),
    };
    let _state = reader.int()?;
    let event = WatchEvent { kind, path: reader.string()? };
    let zxid = (header.zxid != NO_ZXID).then_some(zxid_of(header.zxid));
    Ok(ServerMessage::Event { event, zxid })
}

fn read_due(due: Due, header: Header, reader: &mut Reader<'_>) -> Result<ServerMessage, Unreadable> {
    let zxid = zxid_of(header.zxid);
    match due.form {
        DueForm::SessionClosed if header.error == ErrorCode::Ok.number() => {
            Ok(ServerMessage::SessionClosed { xid: due.xid, zxid })
        }
        // Behind an error there may be a body all the same. Nobody needs it.
        DueForm::Reply(form) if header.error == ErrorCode::Ok.number() => {
            Ok(ServerMessage::Reply { xid: due.xid, zxid, result: Ok(form.read(reader)?) })
        }
        DueForm::SessionClosed | DueForm::Reply(_) => Ok(reply_of(due.xid, header, Reply::Nothing)),
    }
}

/// A reply without a body: `reply`, unless the header tells of an error.
fn reply_of(xid: i32, header: Header, reply: Reply) -> ServerMessage {
    let result = match header.error {
        0 => Ok(reply),
        error => Err(reply::error_of(error)),
    };
    ServerMessage::Reply { xid, zxid: zxid_of(header.zxid), result }
}
