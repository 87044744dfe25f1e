//! One of the two servers, as the comparison sees it: its connections, its sessions, and what it says, in words.

use crate::answer::{self, Learned, Shape};
use crate::jute::Reader;
use crate::raw::{Connected, Connection, Handshake, Message, Received, ReplyHeader, WatchEvent, XID_EVENT};
use crate::step::{SLOTS, Slot};
use crate::view::View;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// A sound request is answered within this time, or never.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What may remain unanswered is waited for so long; then a sound request is sent behind it.
pub const SUSPICION: Duration = Duration::from_millis(250);

/// A connection that is to be closed behind an answer is closed within this time, or never.
pub const CLOSE_PATIENCE: Duration = Duration::from_secs(3);

/// One slot more than the steps use, for the comparison's own connections.
pub const SPARE: Slot = SLOTS;

/// The number of a request that nobody makes.
const XID_NEVER: i32 = 0x7fff_fff1;

/// One thing that a server has done on a connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Line {
    /// An event.
    Event(String),
    /// Any other frame.
    Frame(String),
    /// The connection is closed.
    Closed,
    /// Nothing came although something should have.
    Silence,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Line::Event(text) | Line::Frame(text) => f.write_str(text),
            Line::Closed => f.write_str("closed by the server"),
            Line::Silence => f.write_str("no answer"),
        }
    }
}

/// A request that is to be answered.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    /// Its number.
    pub xid: i32,
    /// What the answer looks like.
    pub shape: Shape,
}

/// What was heard on one connection.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// In order.
    pub lines: Vec<Line>,
    /// What each answer has taught, in the order of the requests that were answered.
    pub learned: Vec<Learned>,
    /// The newest zxid in a header.
    pub newest: i64,
    /// The error of the last answer.
    pub error: Option<i32>,
    /// What was waited for and has not been answered.
    pub unanswered: Vec<Waiting>,
}

impl Heard {
    /// Whether the server has closed the connection.
    #[must_use]
    pub fn closed(&self) -> bool {
        self.lines.last() == Some(&Line::Closed)
    }

    /// Puts what was heard later behind.
    pub fn append(&mut self, later: Heard) {
        self.lines.extend(later.lines);
        self.learned.extend(later.learned);
        self.newest = self.newest.max(later.newest);
        self.unanswered = later.unanswered;
    }
}

/// A connection with a session.
#[derive(Debug)]
pub struct Attached {
    connection: Connection,
    /// The session's number.
    pub session: usize,
    /// The number of the next request.
    pub next_xid: i32,
}

/// One server.
#[derive(Debug)]
pub struct Side {
    address: SocketAddr,
    slots: [Option<Attached>; SLOTS + 1],
    /// What its numbers mean.
    pub view: View,
}

impl Side {
    /// A server to which nothing has been said yet, and whether it may differ from the other as versions do.
    #[must_use]
    pub fn new(address: SocketAddr, across_versions: bool) -> Side {
        Side { address, slots: std::array::from_fn(|_| None), view: View::new(!across_versions) }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The connection in this slot.
    #[must_use]
    pub fn attached(&mut self, slot: Slot) -> Option<&mut Attached> {
        self.slots[slot].as_mut()
    }

    /// Whether there is a connection in this slot.
    #[must_use]
    pub fn is_attached(&self, slot: Slot) -> bool {
        self.slots[slot].is_some()
    }

    /// The slots with a connection.
    #[must_use]
    pub fn attached_slots(&self) -> Vec<Slot> {
        (0..self.slots.len()).filter(|slot| self.is_attached(*slot)).collect()
    }

    /// Lets go of the connection in this slot; the number of its session.
    pub fn detach(&mut self, slot: Slot) -> Option<usize> {
        self.slots[slot].take().map(|attached| attached.session)
    }

    /// Sends bytes as they are. That a connection is broken shows when it is listened to.
    pub fn send_bytes(&mut self, slot: Slot, bytes: &[u8]) {
        if let Some(attached) = &mut self.slots[slot] {
            let _ = attached.connection.send_bytes(bytes);
        }
    }

    /// Listens until all that is waited for has been answered, the connection is closed, or nothing comes any more.
    pub fn hear(&mut self, slot: Slot, waiting: &[Waiting], patience: Duration) -> Heard {
        self.hear_until(slot, waiting.to_vec(), patience, <[Waiting]>::is_empty)
    }

    /// Listens until `last` has been answered, as [`Side::hear`] does. What is late, because it was asked before and not
    /// answered yet, is answered before it or never.
    pub fn hear_up_to(&mut self, slot: Slot, late: Vec<Waiting>, last: Waiting, patience: Duration) -> Heard {
        let waiting = late.into_iter().chain([last]).collect();
        self.hear_until(slot, waiting, patience, |left| left.iter().all(|waiting| waiting.xid != last.xid))
    }

    fn hear_until(
        &mut self,
        slot: Slot,
        mut left: Vec<Waiting>,
        patience: Duration,
        is_done: impl Fn(&[Waiting]) -> bool,
    ) -> Heard {
        let mut heard = Heard::default();
        let Some(attached) = &mut self.slots[slot] else { return heard };
        while !is_done(&left) {
            match attached.connection.receive(patience) {
                Ok(Received::Frame(frame)) => sort(&frame, &mut left, &mut self.view, &mut heard),
                Ok(Received::Closed) => {
                    heard.lines.push(Line::Closed);
                    break;
                }
                Ok(Received::Silence) => {
                    heard.lines.push(Line::Silence);
                    break;
                }
                Err(error) => {
                    heard.lines.push(Line::Frame(format!("unreadable: {error}")));
                    heard.lines.push(Line::Closed);
                    break;
                }
            }
        }
        heard.unanswered = left;
        heard
    }

    /// Listens until the connection is closed.
    pub fn hear_end(&mut self, slot: Slot) -> Heard {
        self.hear(slot, &[Waiting { xid: XID_NEVER, shape: Shape::Unknown }], CLOSE_PATIENCE)
    }

    /// Opens a connection and sends the content of a first frame.
    ///
    /// # Errors
    ///
    /// If nobody listens.
    pub fn open(&self, content: &[u8]) -> io::Result<Connection> {
        let mut connection = Connection::open(self.address)?;
        // A server may close before all is sent; that shows when it is listened to.
        let _ = connection.send(content);
        Ok(connection)
    }

    /// Listens to the answer to a handshake. With a session, the connection is in the slot afterwards.
    pub fn hear_handshake(
        &mut self,
        slot: Slot,
        asked: &Handshake,
        opened: io::Result<Connection>,
        patience: Duration,
    ) -> Vec<Line> {
        let mut connection = match opened {
            Ok(connection) => connection,
            Err(error) => return vec![Line::Frame(format!("no connection: {error}"))],
        };
        let mut lines = Vec::new();
        match connection.receive(patience) {
            Ok(Received::Frame(frame)) => match Connected::decode(&frame) {
                Ok(connected) => {
                    lines.push(Line::Frame(self.welcome(asked, &connected, &frame)));
                    if !connected.is_expired() {
                        self.attach(slot, connection, asked, connected);
                        return lines;
                    }
                }
                Err(error) => lines.push(Line::Frame(format!("unreadable ({error}): {frame:02x?}"))),
            },
            Ok(Received::Closed) => return vec![Line::Closed],
            Ok(Received::Silence) => lines.push(Line::Silence),
            Err(error) => lines.push(Line::Frame(format!("unreadable: {error}"))),
        }
        lines.push(end(&mut connection));
        lines
    }

    fn attach(&mut self, slot: Slot, connection: Connection, asked: &Handshake, connected: Connected) {
        let known = self.view.session(connected.session_id).filter(|_| asked.session_id != 0);
        let session = known.unwrap_or_else(|| self.view.begin(connected));
        self.slots[slot] = Some(Attached { connection, session, next_xid: 1 });
    }

    fn welcome(&self, asked: &Handshake, connected: &Connected, frame: &[u8]) -> String {
        let known = self.view.session(connected.session_id);
        let session = match known {
            _ if connected.session_id == 0 => "no session".to_owned(),
            None => "a new session".to_owned(),
            Some(number) if asked.session_id == connected.session_id => format!("session {number} again"),
            Some(number) => format!("session {number}, which was not asked for"),
        };
        let right = known.map(|number| self.view.sessions()[number].password == connected.password);
        let password = match right {
            Some(true) => "its password",
            Some(false) => "another password",
            None if connected.password.iter().all(|byte| *byte == 0) => "zeros",
            None => "a password",
        };
        let length = connected.encoded_length();
        format!(
            "welcome: {session}, {password} of {} bytes, timeout {}, protocol {}, read-only {:?}{}",
            connected.password.len(),
            connected.timeout_ms,
            connected.protocol_version,
            connected.read_only,
            if length == frame.len() { "" } else { ", and more behind it" },
        )
    }
}

/// What a connection without a session does once nothing more is sent.
fn end(connection: &mut Connection) -> Line {
    let _ = connection.finish_sending();
    match connection.receive(PATIENCE) {
        Ok(Received::Frame(frame)) => Line::Frame(format!("another frame: {frame:02x?}")),
        Ok(Received::Closed) => Line::Closed,
        Ok(Received::Silence) => Line::Silence,
        Err(error) => Line::Frame(format!("unreadable: {error}")),
    }
}

/// Puts a frame into words.
fn sort(frame: &[u8], left: &mut Vec<Waiting>, view: &mut View, heard: &mut Heard) {
    let Some((header, body)) = header(frame) else {
        heard.lines.push(Line::Frame(format!("a frame without a header: {frame:02x?}")));
        return;
    };
    // What the server pushes has zxid −1 in older versions.
    heard.newest = heard.newest.max(header.zxid);
    let answered = left.iter().position(|waiting| waiting.xid == header.xid);
    match answered {
        Some(index) if header.xid != XID_EVENT || !is_event(frame) => {
            let waiting = left.remove(index);
            let (text, learned) = answer::reply(waiting.shape, header, body, view);
            heard.lines.push(Line::Frame(text));
            heard.learned.push(if header.error == 0 { learned } else { Learned::default() });
            heard.error = Some(header.error);
        }
        Some(_) | None => match Message::decode(frame) {
            Ok(Message::Event(header, event)) => {
                heard.lines.push(Line::Event(answer::event(header, &event, view)))
            }
            Ok(Message::Ping(header)) => {
                heard.lines.push(Line::Frame(format!("ping's answer {}", answer::head(header))));
            }
            Ok(Message::Reply(header, body)) => {
                let text = format!("an answer to nothing: {} {body:02x?}", answer::head(header));
                heard.lines.push(Line::Frame(text));
            }
            Err(error) => heard.lines.push(Line::Frame(format!("unreadable ({error}): {frame:02x?}"))),
        },
    }
}

fn header(frame: &[u8]) -> Option<(ReplyHeader, &[u8])> {
    let mut reader = Reader::new(frame);
    let header =
        ReplyHeader { xid: reader.int().ok()?, zxid: reader.long().ok()?, error: reader.int().ok()? };
    Some((header, reader.rest()))
}

/// Whether a frame with the xid of events is one: the answer to a request with that xid has another form.
fn is_event(frame: &[u8]) -> bool {
    match Message::decode(frame) {
        Ok(Message::Event(_, WatchEvent { kind, state, .. })) => (1..=4).contains(&kind) && state == 3,
        Ok(Message::Ping(_) | Message::Reply(..)) | Err(_) => false,
    }
}
