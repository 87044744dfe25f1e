//! One TCP connection to a server: being opened, what has arrived and what is to go out; what it means is left to the client.

use mio::event::Source;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use zeromaster_zookeeper::wire::{ClientSide, WireError};
use zeromaster_zookeeper::{ClientMessage, ServerMessage};

/// How much is read before time and the owner have their turn.
const READ_BYTES: usize = 1 << 16;

/// Room that is given back once what was in it has gone out.
const KEPT_BYTES_MAX: usize = 1 << 16;

/// A connection to a server.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    side: ClientSide,
    is_open: bool,
    /// Whether there may be something to read. The system says so once; then it must be tried.
    readable: bool,
    out: Vec<u8>,
    gone_out: usize,
}

/// What reading has come to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// There may be more.
    More,
    /// There is nothing for now.
    Blocked,
    /// Nothing more will come, for this reason.
    Ended(String),
}

impl Connection {
    /// Asks for a connection. Whether there is one shows later.
    pub(crate) fn open(address: SocketAddr, registry: &Registry, token: Token) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.register(registry, token, Interest::READABLE | Interest::WRITABLE)?;
        let (out, gone_out) = (Vec::new(), 0);
        Ok(Connection { stream, side: ClientSide::new(), is_open: false, readable: false, out, gone_out })
    }

    /// The system says that something has changed. Says whether the connection is open now and was not before.
    ///
    /// # Errors
    ///
    /// If it could not be opened.
    pub(crate) fn has_changed(&mut self, readable: bool) -> io::Result<bool> {
        self.readable |= readable;
        if self.is_open {
            return Ok(false);
        }
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        match self.stream.peer_addr() {
            Ok(_) => {
                self.is_open = true;
                // Requests are small and waited for.
                self.stream.set_nodelay(true)?;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether there may be something to read.
    pub(crate) fn is_readable(&self) -> bool {
        self.is_open && self.readable
    }

    /// Puts a message to what is to go out.
    ///
    /// # Errors
    /// If it is too long. Then nothing of it goes out.
    pub(crate) fn send(&mut self, message: &ClientMessage) -> Result<(), WireError> {
        self.side.send(message, &mut self.out)
    }

    /// Lets out as much as the system takes. What hinders it shows when it is read.
    pub(crate) fn flush(&mut self) {
        while self.gone_out < self.out.len() {
            match self.stream.write(&self.out[self.gone_out..]) {
                Ok(0) => return,
                Ok(written) => self.gone_out += written,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.readable = true;
                    return;
                }
            }
        }
        self.gone_out = 0;
        self.out.clear();
        self.out.shrink_to(KEPT_BYTES_MAX);
    }

    /// Reads a part of what has arrived, and appends the messages in it.
    pub(crate) fn receive(&mut self, buffer: &mut Vec<u8>, messages: &mut Vec<ServerMessage>) -> Progress {
        buffer.resize(READ_BYTES, 0);
        let read = match self.stream.read(buffer) {
            Ok(0) => return Progress::Ended("the server has closed the connection".to_owned()),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => return Progress::More,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.readable = false;
                return Progress::Blocked;
            }
            Err(error) => return Progress::Ended(error.to_string()),
        };
        self.side.receive(&buffer[..read]);
        loop {
            match self.side.next_message() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => return Progress::More,
                Err(error) => return Progress::Ended(error.to_string()),
            }
        }
    }

    /// Closes it.
    pub(crate) fn close(mut self, registry: &Registry) {
        // It is closed with the end of this function, whatever the system says to this.
        let _ = self.stream.deregister(registry);
    }
}
