//! One client's TCP connection: what has arrived and what is to go out; what it means is left to the engine.

use crate::event::CloseReason;
use crate::figures::{Asked, Traffic};
use mio::net::TcpStream;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::mem::take;
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use zeromaster_zookeeper::Release;
use zeromaster_zookeeper::protocol::ServerMessage;
use zeromaster_zookeeper::types::SessionId;
use zeromaster_zookeeper::wire::{Received, ServerSide, WRITTEN_BYTES_MAX, WireError};

/// With so many bytes to go out, nothing more is read: the client must take its answers first.
const WAITING_BYTES_MAX: usize = 1 << 20;

/// With so many bytes to go out the client is given up. Watches go off whether it reads or not, and what it does not
/// read is kept in memory.
const HOARDED_BYTES_MAX: usize = 32 << 20;

/// The room that is kept for the next answers.
const KEPT_BYTES_MAX: usize = 4096;

/// How far a connection has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    /// It has shown no handshake; the server knows nothing of it.
    Silent,
    /// The server knows it.
    Known,
    /// It is closed when everything has gone out; what arrives is thrown away.
    Leaving,
    /// Everything has gone out. Until the client has closed too, or has taken too long, what arrives is thrown away:
    /// closed at once, the system would take back what the client has not read yet.
    Left,
}

/// What reading has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// There may be more.
    More,
    /// There is nothing for now.
    Blocked,
    /// The other side has gone.
    Gone,
}

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// The server it belongs to.
    pub(crate) server: u32,
    /// The client's address.
    pub(crate) peer: SocketAddr,
    pub(crate) stage: Stage,
    /// When it is given up, if nothing happens before.
    pub(crate) deadline: Option<Duration>,
    /// The session it is attached to, and its timeout.
    pub(crate) session: Option<(SessionId, Duration)>,
    pub(crate) traffic: Traffic,
    side: ServerSide,
    out: Vec<u8>,
    gone_out: usize,
    /// When what it has asked was asked.
    pub(crate) asked: Asked,
    /// Whether it waits for its turn.
    pub(crate) is_queued: bool,
    /// What was last counted as [`held`](Self::held) by it.
    pub(crate) counted: usize,
    /// Whether there may be something to read. The system says so once; then it must be tried.
    readable: bool,
    /// Whether there may be a message among what has arrived.
    has_arrived: bool,
    /// Whether the other side sends nothing more.
    ended: bool,
    /// Whether something was left undone because the client was not to be listened to.
    stalled: bool,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, peer: SocketAddr, server: u32, release: Release) -> Self {
        Connection {
            stream,
            server,
            peer,
            stage: Stage::Silent,
            deadline: None,
            session: None,
            traffic: Traffic::default(),
            side: ServerSide::new(release),
            out: Vec::new(),
            gone_out: 0,
            asked: Asked::default(),
            is_queued: false,
            counted: 0,
            readable: true,
            has_arrived: false,
            ended: false,
            stalled: false,
        }
    }

    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// The client's address as Java writes it, without a port.
    pub(crate) fn host(&self) -> Arc<str> {
        match self.peer.ip().to_canonical() {
            IpAddr::V4(address) => Arc::from(address.to_string()),
            IpAddr::V6(address) => Arc::from(address.segments().map(|part| format!("{part:x}")).join(":")),
        }
    }

    /// The system says that there is something to read.
    pub(crate) fn is_readable_now(&mut self) {
        self.readable = true;
    }

    /// Whether the client is to be listened to: not while it does not take its answers, nor before its handshake is
    /// answered. If not, [`has_stalled`](Self::has_stalled) will tell.
    pub(crate) fn may_go_on(&mut self) -> bool {
        let may = match self.stage {
            Stage::Silent | Stage::Known => self.waiting() < WAITING_BYTES_MAX && !self.side.holds_back(),
            Stage::Leaving | Stage::Left => true,
        };
        self.stalled |= !may;
        may
    }

    /// Whether the client was not listened to for a while, and now is to be. Says so once.
    pub(crate) fn has_stalled(&mut self) -> bool {
        take(&mut self.stalled) && self.may_go_on()
    }

    /// The other side sends nothing more.
    pub(crate) fn end(&mut self) {
        (self.readable, self.ended) = (false, true);
    }

    /// Whether both sides have closed, and nothing is left to wait for.
    pub(crate) fn is_over(&self) -> bool {
        self.stage == Stage::Left && self.ended
    }

    /// Whether reading may give something.
    pub(crate) fn is_readable(&self) -> bool {
        self.readable
    }

    fn waiting(&self) -> usize {
        self.out.len() - self.gone_out
    }

    /// How many bytes it holds: what has arrived and was not taken in, and what is to go out.
    pub(crate) fn held(&self) -> usize {
        self.side.waiting() + self.out.len()
    }

    /// Whether there may be more to take in or to read, if it is listened to.
    pub(crate) fn may_have_more(&self) -> bool {
        match self.stage {
            Stage::Silent | Stage::Known => self.readable || self.has_arrived,
            Stage::Leaving | Stage::Left => self.readable,
        }
    }

    /// The next message among what has arrived, and how long it was.
    pub(crate) fn next_message(&mut self) -> Result<Option<(Received, usize)>, WireError> {
        let before = self.side.waiting();
        let message = self.side.next_message()?;
        self.has_arrived = message.is_some();
        self.traffic.received += u64::from(message.is_some());
        Ok(message.map(|message| (message, before - self.side.waiting())))
    }

    /// Reads once, into `buffer` first.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Progress {
        match self.stream.read(buffer) {
            Ok(0) => Progress::Gone,
            Ok(count) => {
                match self.stage {
                    Stage::Silent | Stage::Known => {
                        self.side.receive(&buffer[..count]);
                        self.has_arrived = true;
                    }
                    Stage::Leaving | Stage::Left => {}
                }
                Progress::More
            }
            Err(error) => self.read_failed(&error),
        }
    }

    fn read_failed(&mut self, error: &io::Error) -> Progress {
        match error.kind() {
            ErrorKind::WouldBlock => {
                self.readable = false;
                Progress::Blocked
            }
            ErrorKind::Interrupted => Progress::More,
            _ => Progress::Gone,
        }
    }

    /// Puts a message among what is to go out.
    ///
    /// # Errors
    /// When it is too long, or the client has let too much pile up. Nothing of it goes out then.
    pub(crate) fn send(&mut self, message: &ServerMessage) -> Result<(), CloseReason> {
        if self.waiting() >= HOARDED_BYTES_MAX {
            return Err(CloseReason::Unread { waiting: self.waiting() });
        }
        let too_long = |_| CloseReason::AnswerTooLong { most: WRITTEN_BYTES_MAX };
        self.side.send(message, &mut self.out).map_err(too_long)?;
        self.traffic.sent += 1;
        Ok(())
    }

    /// Puts bytes among what is to go out. There is at most one piece of them for each message that was read.
    ///
    /// # Errors
    /// When they are too many. Nothing of them goes out then.
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), CloseReason> {
        if bytes.len() > WRITTEN_BYTES_MAX {
            return Err(CloseReason::AnswerTooLong { most: WRITTEN_BYTES_MAX });
        }
        self.traffic.sent += 1;
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    /// Lets go out what the system takes now. False when the other side has gone.
    #[must_use]
    pub(crate) fn flush(&mut self) -> bool {
        while self.waiting() > 0 {
            match self.stream.write(&self.out[self.gone_out..]) {
                Ok(0) => return false,
                Ok(count) => self.gone_out += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.forget_what_has_gone_out();
                    return true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        self.forget_what_has_gone_out();
        if self.stage == Stage::Leaving {
            self.stage = Stage::Left;
            return self.stream.shutdown(Shutdown::Write).is_ok();
        }
        true
    }

    /// Makes room, but does not move what waits again and again for a client that takes little at a time.
    fn forget_what_has_gone_out(&mut self) {
        if self.gone_out * 2 >= self.out.len() {
            self.out.drain(..self.gone_out);
            self.gone_out = 0;
            self.out.shrink_to(self.out.len().max(KEPT_BYTES_MAX));
        }
    }
}
