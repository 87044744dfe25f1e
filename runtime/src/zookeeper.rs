//! The bytes of the client's connections to ZooKeeper. A connection that was given up may still have something to tell; it
//! comes under its own number, and whoever owns the client drops it.

use crate::environment::{Environment, Place, Reader, Writer};
use crate::mail::{Mail, Mailbox};
use crate::observer::News;
use crate::peers::Alive;
use crate::wait::{First, first, next};
use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures_channel::oneshot;
use std::convert::Infallible;
use zeromaster_zookeeper::wire::{ClientSide, WireError};
use zeromaster_zookeeper::{ClientMessage, ConnectionId, ServerMessage};

/// The connection that the client uses.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) connection: ConnectionId,
    pub(crate) server: u32,
    side: ClientSide,
    /// Bounded by what a client lets be unanswered.
    out: UnboundedSender<Vec<u8>>,
    /// Dropped with the link, which ends the waiting for bytes that nobody wants.
    _wanted: oneshot::Sender<Infallible>,
}

impl Link {
    /// Begins to open a connection; its news come by mail. What is sent before it is open waits.
    pub(crate) fn open<E: Environment>(
        environment: &E,
        connection: ConnectionId,
        server: u32,
        mailbox: &Mailbox,
        alive: &Alive,
    ) -> Link {
        let (out, letters) = unbounded();
        let (wanted, unwanted) = oneshot::channel();
        let task = Task {
            environment: environment.clone(),
            connection,
            mailbox: mailbox.clone(),
            alive: alive.clone(),
            unwanted,
        };
        environment.spawn(task.run(server, letters));
        Link { connection, server, side: ClientSide::new(), out, _wanted: wanted }
    }

    pub(crate) fn send(&mut self, message: &ClientMessage) {
        let mut bytes = Vec::new();
        self.side.send(message, &mut bytes).expect("what a node asks of ZooKeeper is short");
        // If nobody writes any more, the end of the connection is in the mail.
        let _ = self.out.unbounded_send(bytes);
    }

    pub(crate) fn arrived(&mut self, bytes: &[u8]) {
        self.side.receive(bytes);
    }

    pub(crate) fn next_message(&mut self) -> Result<Option<ServerMessage>, WireError> {
        self.side.next_message()
    }
}

struct Task<E> {
    environment: E,
    connection: ConnectionId,
    mailbox: Mailbox,
    alive: Alive,
    unwanted: oneshot::Receiver<Infallible>,
}

impl<E: Environment> Task<E> {
    async fn run(mut self, server: u32, letters: UnboundedReceiver<Vec<u8>>) {
        let place = Place::ZooKeeper(server);
        let opened = match first(&mut self.unwanted, self.environment.connect(&place)).await {
            First::One(_) => return,
            First::Other(opened) => opened,
        };
        match opened {
            Ok((reader, writer)) => {
                self.environment.spawn(write::<E>(writer, letters, self.alive.clone()));
                self.tell(News::Opened).await;
                self.read(reader).await;
            }
            Err(error) => self.tell(News::NotOpened(error.to_string())).await,
        }
    }

    async fn read(mut self, mut reader: E::Reader) {
        loop {
            let mut bytes = Vec::new();
            let news = match first(&mut self.unwanted, reader.read(&mut bytes)).await {
                First::One(_) => return,
                First::Other(Ok(true)) => News::Bytes(bytes),
                First::Other(Ok(false)) => News::Closed("the server has closed the connection".to_owned()),
                First::Other(Err(error)) => News::Closed(error.to_string()),
            };
            let is_end = matches!(news, News::Closed(_));
            self.tell(news).await;
            if is_end {
                return;
            }
        }
    }

    async fn tell(&mut self, news: News) {
        // Where nobody is left to be told, nobody is told.
        let _ = self.mailbox.post(Mail::ZooKeeper { connection: self.connection, news }).await;
    }
}

/// Writes until the link is given up and all of it is out. What hinders it shows when it is read.
async fn write<E: Environment>(mut writer: E::Writer, mut letters: UnboundedReceiver<Vec<u8>>, alive: Alive) {
    while let Some(letter) = next(&mut letters).await {
        if writer.write(&letter).await.is_err() {
            break;
        }
    }
    drop(alive);
}
