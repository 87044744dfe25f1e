//! One blocking connection to a ZooKeeper server, that says whatever it is told to say, right or wrong, and hands back
//! frames as they arrive. What the frames mean beyond their header is left to others.

use crate::jute::{Malformed, Reader, Writer};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A frame longer than this does not come from a ZooKeeper server in its right mind, in bytes.
const FRAME_LENGTH_MAX: usize = 64 << 20;

/// How long a connection may take to be opened.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What a client says first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// The protocol's version; 0 is the only one.
    pub protocol_version: i32,
    /// The newest zxid that the client has seen.
    pub last_zxid_seen: i64,
    /// The session timeout that the client wishes, in milliseconds.
    pub timeout_ms: i32,
    /// The session to go on with; 0 for a new one.
    pub session_id: i64,
    /// That session's password; sixteen zeros for a new one.
    pub password: Vec<u8>,
    /// Whether a server without a quorum will do. Clients before 3.4 leave the field out.
    pub read_only: Option<bool>,
}

impl Handshake {
    /// Asks for a new session.
    #[must_use]
    pub fn new_session(timeout_ms: i32) -> Handshake {
        Handshake {
            protocol_version: 0,
            last_zxid_seen: 0,
            timeout_ms,
            session_id: 0,
            password: vec![0; 16],
            read_only: Some(false),
        }
    }

    /// Asks to go on with a session.
    #[must_use]
    pub fn resume(session: &Connected, last_zxid_seen: i64) -> Handshake {
        Handshake {
            protocol_version: 0,
            last_zxid_seen,
            timeout_ms: session.timeout_ms,
            session_id: session.session_id,
            password: session.password.clone(),
            read_only: Some(false),
        }
    }

    /// The frame's content.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let writer = Writer::new()
            .int(self.protocol_version)
            .long(self.last_zxid_seen)
            .int(self.timeout_ms)
            .long(self.session_id)
            .buffer(Some(&self.password));
        match self.read_only {
            Some(read_only) => writer.boolean(read_only),
            None => writer,
        }
        .into_bytes()
    }
}

/// What a server answers to a [`Handshake`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// The protocol's version.
    pub protocol_version: i32,
    /// The negotiated session timeout in milliseconds; 0 says that the session is gone.
    pub timeout_ms: i32,
    /// The session; 0 if it is gone.
    pub session_id: i64,
    /// Its password.
    pub password: Vec<u8>,
    /// Whether the server only reads; only there if the client sent the field too.
    pub read_only: Option<bool>,
}

impl Connected {
    /// Reads a frame's content.
    ///
    /// # Errors
    ///
    /// If it is no such answer.
    pub fn decode(frame: &[u8]) -> Result<Connected, Malformed> {
        let mut reader = Reader::new(frame);
        Ok(Connected {
            protocol_version: reader.int()?,
            timeout_ms: reader.int()?,
            session_id: reader.long()?,
            password: reader.buffer()?.unwrap_or_default(),
            read_only: if reader.rest().is_empty() { None } else { Some(reader.boolean()?) },
        })
    }

    /// How long the frame's content is, in bytes, if nothing stands behind it.
    #[must_use]
    pub fn encoded_length(&self) -> usize {
        20 + self.password.len() + usize::from(self.read_only.is_some())
    }

    /// Whether the server has said that the session is gone, or never was.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.timeout_ms == 0
    }
}

/// What came, or did not come, from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A whole frame, without its length.
    Frame(Vec<u8>),
    /// The server has closed the connection, orderly or by a reset.
    Closed,
    /// Nothing within the time that was given.
    Silence,
}

/// The header of everything that a server sends after the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyHeader {
    /// Which request is answered; negative for what nobody numbered, see [`Message`].
    pub xid: i32,
    /// The newest zxid that the server had applied.
    pub zxid: i64,
    /// ZooKeeper's error code; 0 if it went well.
    pub error: i32,
}

/// A frame after the handshake, sorted by what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A watch has fired (xid −1).
    Event(ReplyHeader, WatchEvent),
    /// The answer to a ping (xid −2).
    Ping(ReplyHeader),
    /// The answer to a request, with what follows the header. Also those to authentication (xid −4) and to watches set
    /// again (xid −8).
    Reply(ReplyHeader, Vec<u8>),
}

/// What a fired watch says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchEvent {
    /// 1 created, 2 deleted, 3 data changed, 4 children changed; −1 none.
    pub kind: i32,
    /// The state of the connection; 3 is connected.
    pub state: i32,
    /// The node.
    pub path: String,
}

/// The xid of watch events.
pub const XID_EVENT: i32 = -1;
/// The xid of pings.
pub const XID_PING: i32 = -2;
/// The xid of authentications.
pub const XID_AUTH: i32 = -4;
/// The xid of watches set again.
pub const XID_SET_WATCHES: i32 = -8;

impl Message {
    /// Sorts a frame's content.
    ///
    /// # Errors
    ///
    /// If there is no whole header, or an event that cannot be read.
    pub fn decode(frame: &[u8]) -> Result<Message, Malformed> {
        let mut reader = Reader::new(frame);
        let header = ReplyHeader { xid: reader.int()?, zxid: reader.long()?, error: reader.int()? };
        match header.xid {
            XID_EVENT => Ok(Message::Event(header, WatchEvent::decode(&mut reader)?)),
            XID_PING => Ok(Message::Ping(header)),
            _ => Ok(Message::Reply(header, reader.rest().to_vec())),
        }
    }
}

impl WatchEvent {
    fn decode(reader: &mut Reader<'_>) -> Result<WatchEvent, Malformed> {
        Ok(WatchEvent {
            kind: reader.int()?,
            state: reader.int()?,
            path: reader.string()?.unwrap_or_default(),
        })
    }
}

/// A TCP connection on which frames are sent and received one by one.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    arrived: Vec<u8>,
}

impl Connection {
    /// Opens the connection and says nothing.
    ///
    /// # Errors
    ///
    /// If nobody listens there.
    pub fn open(address: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT)?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, arrived: Vec::new() })
    }

    /// Opens the connection, shakes hands, and waits for the answer.
    ///
    /// # Errors
    ///
    /// If nobody listens there, or no answer to the handshake comes within `timeout`. A session that is gone is no error:
    /// see [`Connected::is_expired`].
    pub fn connect(
        address: SocketAddr,
        handshake: &Handshake,
        timeout: Duration,
    ) -> io::Result<(Connection, Connected)> {
        let mut connection = Connection::open(address)?;
        connection.send(&handshake.encode())?;
        match connection.receive(timeout)? {
            Received::Frame(frame) => {
                let connected = Connected::decode(&frame).map_err(io::Error::other)?;
                Ok((connection, connected))
            }
            Received::Closed => {
                Err(io::Error::new(io::ErrorKind::ConnectionReset, "the server refused the handshake"))
            }
            Received::Silence => {
                Err(io::Error::new(io::ErrorKind::TimedOut, "no answer to the handshake came in time"))
            }
        }
    }

    /// Sends a frame with this content; its length is put before it.
    ///
    /// # Errors
    ///
    /// If the connection is broken.
    ///
    /// # Panics
    ///
    /// If the content is 2 GiB or longer.
    pub fn send(&mut self, content: &[u8]) -> io::Result<()> {
        let length = u32::try_from(content.len()).expect("frames are below 4 GiB");
        let mut bytes = Vec::with_capacity(content.len() + 4);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(content);
        self.send_bytes(&bytes)
    }

    /// Sends a request: header and body in one frame.
    ///
    /// # Errors
    ///
    /// If the connection is broken.
    pub fn request(&mut self, xid: i32, opcode: i32, body: &[u8]) -> io::Result<()> {
        self.send(&Writer::new().int(xid).int(opcode).raw(body).into_bytes())
    }

    /// Sends bytes as they are, without a length.
    ///
    /// # Errors
    ///
    /// If the connection is broken.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Says that nothing more will be sent, and goes on listening.
    ///
    /// # Errors
    ///
    /// If the connection is broken.
    pub fn finish_sending(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// Waits for the next frame, at most `timeout`.
    ///
    /// # Errors
    ///
    /// If the server sends a length that is negative or absurd, or the operating system fails.
    pub fn receive(&mut self, timeout: Duration) -> io::Result<Received> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(frame) = self.next_arrived()? {
                return Ok(Received::Frame(frame));
            }
            match self.read_more(deadline)? {
                Some(0) => return Ok(Received::Closed),
                Some(_) => {}
                None => return Ok(Received::Silence),
            }
        }
    }

    /// Waits for the next frame after the handshake, and sorts it. `None` if the server closed the connection.
    ///
    /// # Errors
    ///
    /// If nothing comes within `timeout`, or what comes cannot be read.
    pub fn receive_message(&mut self, timeout: Duration) -> io::Result<Option<Message>> {
        match self.receive(timeout)? {
            Received::Frame(frame) => Message::decode(&frame).map(Some).map_err(io::Error::other),
            Received::Closed => Ok(None),
            Received::Silence => Err(io::Error::new(io::ErrorKind::TimedOut, "nothing came in time")),
        }
    }

    /// Everything that comes until the server closes the connection, or at most `timeout`. For four-letter words.
    ///
    /// # Errors
    ///
    /// If the operating system fails.
    pub fn receive_text(&mut self, timeout: Duration) -> io::Result<String> {
        let (bytes, _) = self.receive_bytes(timeout)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// All bytes that come until the server closes the connection, or at most `timeout`; and whether it has closed it.
    ///
    /// # Errors
    ///
    /// If the operating system fails.
    pub fn receive_bytes(&mut self, timeout: Duration) -> io::Result<(Vec<u8>, bool)> {
        let deadline = Instant::now() + timeout;
        let closed = loop {
            match self.read_more(deadline)? {
                Some(0) => break true,
                Some(_) => {}
                None => break false,
            }
        };
        Ok((std::mem::take(&mut self.arrived), closed))
    }

    fn next_arrived(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some(prefix) = self.arrived.first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*prefix) as usize;
        if length > FRAME_LENGTH_MAX {
            return Err(io::Error::other(format!("the server announces a frame of {length} bytes")));
        }
        if self.arrived.len() < 4 + length {
            return Ok(None);
        }
        let frame = self.arrived[4..4 + length].to_vec();
        self.arrived.drain(..4 + length);
        Ok(Some(frame))
    }

    /// Reads what has come: how many bytes, 0 at the end, `None` if nothing comes before the deadline.
    fn read_more(&mut self, deadline: Instant) -> io::Result<Option<usize>> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        self.stream.set_read_timeout(Some(left))?;
        let mut chunk = [0; 16 << 10];
        match self.stream.read(&mut chunk) {
            Ok(count) => {
                self.arrived.extend_from_slice(&chunk[..count]);
                Ok(Some(count))
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Ok(None),
                // A server that closes with unread bytes in its buffer resets the connection: to its peer that is a close.
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Ok(Some(0)),
                io::ErrorKind::Interrupted => self.read_more(deadline),
                _ => Err(error),
            },
        }
    }
}

/// Says a four-letter word on a connection of its own, and returns the answer.
///
/// # Errors
///
/// If nobody listens there.
pub fn four_letter_word(address: SocketAddr, word: &str, timeout: Duration) -> io::Result<String> {
    let mut connection = Connection::open(address)?;
    connection.send_bytes(word.as_bytes())?;
    connection.receive_text(timeout)
}
