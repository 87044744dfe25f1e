//! Connections to other nodes: one to each, opened when something is to be sent, given up when it breaks or when what was
//! sent is not taken in time. What waited for it is lost with it; the protocol sends again what matters.

use crate::environment::{Environment, Place, Reader, Writer};
use crate::frame::{Frame, Frames, encode};
use crate::mail::{Mail, Mailbox};
use crate::observer::Trouble;
use crate::wait::{First, first, next, within};
use futures_channel::mpsc::{Receiver, Sender, channel};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;
use zeromaster_core::identity::Address;
use zeromaster_core::message::Message;

/// How many messages may wait for one node: more than a coordinator has to say to it while a connection is being opened.
const WAITING_MAX: usize = 1_024;

/// How many nodes may be written to at a time: as many as the largest cluster has.
const PEERS_MAX: usize = 10_000;

/// How long the task of a node lives that nothing is sent to. The next message begins another.
const IDLE_MAX: Duration = Duration::from_mins(5);

/// What a task holds that is still to write something when the process ends.
pub(crate) type Alive = Sender<Infallible>;

/// What of the node's configuration concerns connections.
#[derive(Clone, Debug)]
pub(crate) struct Manners {
    /// This node's cluster protocol address.
    pub(crate) own: Address,
    /// `nifi.cluster.node.connection.timeout`: how long opening a connection may take.
    pub(crate) connection_timeout: Duration,
    /// `nifi.cluster.node.read.timeout`: how long what was sent may take to be taken.
    pub(crate) read_timeout: Duration,
}

/// All other nodes that were written to.
#[derive(Debug)]
pub(crate) struct Peers<E> {
    environment: E,
    manners: Manners,
    mailbox: Mailbox,
    alive: Alive,
    letters: BTreeMap<Address, Sender<Vec<u8>>>,
}

impl<E: Environment> Peers<E> {
    pub(crate) fn new(environment: E, manners: Manners, mailbox: Mailbox, alive: Alive) -> Peers<E> {
        Peers { environment, manners, mailbox, alive, letters: BTreeMap::new() }
    }

    /// Sends a message, once; it may be lost. What is wrong if that is certain.
    pub(crate) fn send(&mut self, to: Address, message: Message) -> Result<(), Trouble> {
        let letter = encode(&Frame::Message(message));
        if self.letters.get(&to).is_none_or(Sender::is_closed) {
            self.begin(&to)?;
        }
        let sent = self.letters.get_mut(&to).is_some_and(|letters| letters.try_send(letter).is_ok());
        if sent { Ok(()) } else { Err(Trouble::Overflow { to }) }
    }

    fn begin(&mut self, to: &Address) -> Result<(), Trouble> {
        self.letters.retain(|_, letters| !letters.is_closed());
        if self.letters.len() >= PEERS_MAX {
            let reason = format!("{PEERS_MAX} other nodes are being written to, and no more are at a time");
            return Err(Trouble::Unreachable { to: to.clone(), reason });
        }
        let (sender, letters) = channel(WAITING_MAX);
        self.letters.insert(to.clone(), sender);
        let correspondence = Correspondence {
            environment: self.environment.clone(),
            manners: self.manners.clone(),
            to: to.clone(),
            letters,
            mailbox: self.mailbox.clone(),
        };
        let alive = self.alive.clone();
        self.environment.spawn(async move {
            correspondence.carry_on().await;
            drop(alive);
        });
        Ok(())
    }
}

/// The task that writes to one node.
struct Correspondence<E: Environment> {
    environment: E,
    manners: Manners,
    to: Address,
    letters: Receiver<Vec<u8>>,
    mailbox: Mailbox,
}

/// Why a connection was given up.
enum End {
    /// Nothing more is to be sent.
    Done,
    /// The other side has closed it, and nothing is lost by that.
    Idle,
    Broken(String),
}

impl<E: Environment> Correspondence<E> {
    async fn carry_on(mut self) {
        loop {
            let Some(Some(letter)) = within(&self.environment, IDLE_MAX, next(&mut self.letters)).await
            else {
                return;
            };
            let reason = match self.converse(letter).await {
                End::Done => return,
                End::Idle => continue,
                End::Broken(reason) => reason,
            };
            // Late is worse than never: what waits was meant for a moment that is over.
            while self.letters.try_recv().is_ok() {}
            let trouble = Trouble::Unreachable { to: self.to.clone(), reason };
            if self.mailbox.post(Mail::Trouble(trouble)).await.is_err() {
                return;
            }
        }
    }

    /// Opens a connection, and sends until it breaks.
    async fn converse(&mut self, letter: Vec<u8>) -> End {
        let place = Place::Node(self.to.clone());
        let patience = self.manners.connection_timeout;
        let (mut reader, mut writer) =
            match within(&self.environment, patience, self.environment.connect(&place)).await {
                Some(Ok(opened)) => opened,
                Some(Err(error)) => return End::Broken(error.to_string()),
                None => return End::Broken("no connection in time".to_owned()),
            };
        let mut letters = encode(&Frame::Node { address: self.manners.own.clone() });
        letters.extend_from_slice(&letter);
        let (mut sent, mut taken) = (1, 0);
        if let Err(end) = self.write(&mut writer, &letters).await {
            return end;
        }
        let mut receipts = Receipts::default();
        // When the oldest that was not taken yet is given up; kept, as everything else moves it only further away.
        let mut patience = Some(Box::pin(self.patience()));
        loop {
            let something = first(next(&mut self.letters), receipts.next(&mut reader));
            let something = match &mut patience {
                Some(patience) => first(something, patience.as_mut()).await,
                None => First::One(something.await),
            };
            match something {
                First::One(First::One(Some(letter))) => {
                    if let Err(end) = self.write(&mut writer, &letter).await {
                        return end;
                    }
                    sent += 1;
                    if patience.is_none() {
                        patience = Some(Box::pin(self.patience()));
                    }
                }
                // All is written, and whoever is to read it has it or will never have it.
                First::One(First::One(None)) => return End::Done,
                First::One(First::Other(Ok(messages))) if messages > sent => {
                    return End::Broken("more was taken than was sent".to_owned());
                }
                First::One(First::Other(Ok(messages))) => {
                    // Only progress is a sign of life.
                    if messages > taken {
                        taken = messages;
                        patience = (taken < sent).then(|| Box::pin(self.patience()));
                    }
                }
                First::One(First::Other(Err(_))) if taken == sent => return End::Idle,
                First::One(First::Other(Err(reason))) => return End::Broken(reason),
                First::Other(()) => return End::Broken("what was sent is not taken".to_owned()),
            }
        }
    }

    fn patience(&self) -> E::Sleep {
        self.environment.sleep_until(self.environment.now() + self.manners.read_timeout)
    }

    async fn write(&self, writer: &mut E::Writer, letter: &[u8]) -> Result<(), End> {
        match within(&self.environment, self.manners.read_timeout, writer.write(letter)).await {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(End::Broken(error.to_string())),
            None => Err(End::Broken("nothing more can be written".to_owned())),
        }
    }
}

/// What the other side says it has taken.
#[derive(Default)]
struct Receipts {
    frames: Frames,
}

impl Receipts {
    /// The next count, or why there will be none.
    async fn next(&mut self, reader: &mut impl Reader) -> Result<u64, String> {
        loop {
            match self.frames.next_frame() {
                Ok(Some(Frame::Taken { messages })) => return Ok(messages),
                Ok(Some(_)) => return Err(crate::frame::FrameError::OutOfPlace.to_string()),
                Ok(None) => {}
                Err(error) => return Err(error.to_string()),
            }
            let mut bytes = Vec::new();
            match reader.read(&mut bytes).await {
                Ok(true) => self.frames.arrived(&bytes),
                Ok(false) => return Err("it has closed the connection".to_owned()),
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}
