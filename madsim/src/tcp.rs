//! madsim's connections, as far as they differ from TCP's. A cut there refuses connections at once, and lets the end of one
//! through; here neither crosses a cut, as no packet does. Everything else is madsim's: what is sent over a cut waits, and is
//! sent again after pauses that double up to ten seconds.

use crate::shared::{Shared, machine_at};
use crate::timer::Timer;
use madsim::net::{TcpListener, TcpStream};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf, ReadHalf, WriteHalf};
use zeromaster_sim::network::Endpoint;

/// The pause before a lost request to connect is sent again; each is twice as long as the one before.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// How often it is looked whether the end of a connection gets through again.
const END_PAUSE: Duration = Duration::from_millis(500);

/// How much is read at once.
const READ_BYTES: usize = 1 << 14;

/// Whose connection it is, and with whom; `None` stands for people, whom no plan can mean.
#[derive(Clone)]
pub(crate) struct Ends {
    pub(crate) shared: Shared,
    pub(crate) own: Option<Endpoint>,
    pub(crate) other: Option<Endpoint>,
}

impl Ends {
    /// Whether nothing reaches this side.
    pub(crate) fn deaf(&self) -> bool {
        self.shared.now(|world| world.is_cut(self.other, self.own))
    }

    /// Whether nothing gets out of this side.
    pub(crate) fn mute(&self) -> bool {
        self.shared.now(|world| world.is_cut(self.own, self.other))
    }

    /// Whether a connection that is refused was refused by nobody: the request was lost on its way.
    pub(crate) fn may_be_lost(&self) -> bool {
        self.shared.now(|world| !world.losses.is_empty() && world.runs(self.other))
    }
}

/// Opens a connection. It waits for as long as the other side cannot be reached.
pub(crate) async fn connect(ends: Ends, to: SocketAddr) -> io::Result<(SocketAddr, Reader, Writer)> {
    let mut pause = RETRY_PAUSE;
    loop {
        if !ends.deaf() && !ends.mute() {
            match TcpStream::connect(to).await {
                Ok(stream) => {
                    let from = stream.local_addr()?;
                    let (reader, writer) = halves(ends, stream);
                    return Ok((from, reader, writer));
                }
                Err(_) if ends.deaf() || ends.mute() || ends.may_be_lost() => {}
                Err(error) => return Err(error),
            }
        }
        Timer::after(pause).await;
        pause *= 2;
    }
}

/// Accepts a connection: from where, and its halves.
pub(crate) async fn accept(
    listener: &TcpListener,
    shared: &Shared,
    own: Endpoint,
) -> io::Result<(SocketAddr, Reader, Writer)> {
    let (stream, from) = listener.accept().await?;
    let ends = Ends { shared: shared.clone(), own: Some(own), other: machine_at(from.ip()) };
    let (reader, writer) = halves(ends, stream);
    Ok((from, reader, writer))
}

fn halves(ends: Ends, stream: TcpStream) -> (Reader, Writer) {
    let (reader, writer) = tokio::io::split(stream);
    (Reader { ends: ends.clone(), half: reader }, Writer { ends, half: writer })
}

/// The receiving half.
pub(crate) struct Reader {
    ends: Ends,
    half: ReadHalf<TcpStream>,
}

impl Reader {
    /// Appends what has arrived; false when the other side has closed.
    pub(crate) async fn read(&mut self, bytes: &mut Vec<u8>) -> io::Result<bool> {
        let mut chunk = [0; READ_BYTES];
        let half = &mut self.half;
        let read = poll_fn(|context| {
            let mut buffer = ReadBuf::new(&mut chunk);
            Pin::new(&mut *half).poll_read(context, &mut buffer).map_ok(|()| buffer.filled().len())
        })
        .await?;
        if read == 0 {
            while self.ends.deaf() {
                Timer::after(END_PAUSE).await;
            }
        }
        bytes.extend_from_slice(&chunk[..read]);
        Ok(read > 0)
    }
}

/// The sending half.
pub(crate) struct Writer {
    ends: Ends,
    half: WriteHalf<TcpStream>,
}

impl Writer {
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = match self.half.write_all(bytes).await {
            Ok(()) => self.half.flush().await,
            Err(error) => Err(error),
        };
        // That the other side is gone is not heard over a cut.
        if written.is_err() && self.ends.deaf() { Ok(()) } else { written }
    }
}
