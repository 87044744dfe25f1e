//! Connections that come in: of other nodes, whose messages go into the mailbox, and of people, who wait for outcomes.
//! Whoever says what cannot be read, or what is not its part to say, is hung up on, and nothing else follows from it.

use crate::environment::{Environment, Listener, Reader, Writer};
use crate::frame::{Frame, FrameError, Frames, encode};
use crate::mail::{Mail, Mailbox};
use crate::observer::Trouble;
use crate::wait::within;
use std::sync::Arc;
use std::time::Duration;
use zeromaster_core::identity::Address;
use zeromaster_core::operator::OperatorRequest;

/// How many connections may be open at a time: as many as the largest cluster has nodes, and some people.
const CONNECTIONS_MAX: usize = 10_100;

/// How long to wait when no connection can be accepted, or nobody can listen.
const PAUSE: Duration = Duration::from_millis(100);

/// How long the other side may take to say who it is.
const INTRODUCTION_MAX: Duration = Duration::from_secs(10);

/// How long a connection may be silent. Whoever wants to say something then opens another.
const IDLE_MAX: Duration = Duration::from_mins(10);

/// Takes connections in until the process ends.
pub(crate) async fn accept<E: Environment>(environment: E, mut mailbox: Mailbox) {
    let mut listener = loop {
        match environment.listen().await {
            Ok(listener) => break listener,
            Err(error) => {
                let trouble = Trouble::Listening { reason: error.to_string() };
                if mailbox.post(Mail::Trouble(trouble)).await.is_err() {
                    return;
                }
                environment.sleep_until(environment.now() + PAUSE).await;
            }
        }
    };
    let guests = Arc::new(());
    while !mailbox.is_closed() {
        match listener.accept().await {
            // One who is too many is hung up on, and comes again.
            Ok(_) if Arc::strong_count(&guests) > CONNECTIONS_MAX => {}
            Ok((reader, writer)) => {
                let line =
                    Line { environment: environment.clone(), reader, writer, frames: Frames::default() };
                let (mailbox, guest) = (mailbox.clone(), guests.clone());
                environment.spawn(async move {
                    serve(line, mailbox).await;
                    drop(guest);
                });
            }
            Err(_) => environment.sleep_until(environment.now() + PAUSE).await,
        }
    }
}

/// One connection.
struct Line<E: Environment> {
    environment: E,
    reader: E::Reader,
    writer: E::Writer,
    frames: Frames,
}

/// Why a connection is at its end.
enum End {
    /// It was closed or broken, or has been silent for too long; or nobody is here to listen.
    Over,
    /// It cannot go on.
    Refused(FrameError),
}

impl<E: Environment> Line<E> {
    /// The next frame, if it is there already.
    fn arrived(&mut self) -> Result<Option<Frame>, End> {
        self.frames.next_frame().map_err(End::Refused)
    }

    /// The next frame, if it comes in time.
    async fn next_frame(&mut self, patience: Duration) -> Result<Frame, End> {
        loop {
            if let Some(frame) = self.arrived()? {
                return Ok(frame);
            }
            let mut bytes = Vec::new();
            match within(&self.environment, patience, self.reader.read(&mut bytes)).await {
                Some(Ok(true)) => self.frames.arrived(&bytes),
                Some(Ok(false)) => {
                    return Err(self.frames.ended().err().map_or(End::Over, End::Refused));
                }
                Some(Err(_)) | None => return Err(End::Over),
            }
        }
    }

    async fn say(&mut self, frame: &Frame) -> Result<(), End> {
        let said = within(&self.environment, INTRODUCTION_MAX, self.writer.write(&encode(frame))).await;
        said.and_then(Result::ok).ok_or(End::Over)
    }
}

async fn serve<E: Environment>(mut line: Line<E>, mut mailbox: Mailbox) {
    let mut from = None;
    let end = match line.next_frame(INTRODUCTION_MAX).await {
        Ok(Frame::Node { address }) => {
            from = Some(address.clone());
            hear_node(&mut line, &mut mailbox, &address).await
        }
        Ok(Frame::Person) => hear_person(&mut line, &mut mailbox).await,
        Ok(Frame::Message(_) | Frame::Taken { .. } | Frame::Request { .. } | Frame::Outcome { .. }) => {
            End::Refused(FrameError::OutOfPlace)
        }
        Err(end) => end,
    };
    if let End::Refused(error) = end {
        // Where nobody is left to be told, nobody is told.
        let _ = mailbox.post(Mail::Trouble(Trouble::Frame { from, error })).await;
    }
}

/// Takes a node's messages, and tells it how many have arrived.
async fn hear_node<E: Environment>(line: &mut Line<E>, mailbox: &mut Mailbox, from: &Address) -> End {
    let mut messages = 0;
    let mut next = line.next_frame(IDLE_MAX).await;
    loop {
        match next {
            Ok(Frame::Message(message)) => {
                let mail = Mail::Message { from: from.clone(), message };
                if mailbox.post(mail).await.is_err() {
                    return End::Over;
                }
                messages += 1;
            }
            Ok(
                Frame::Node { .. }
                | Frame::Person
                | Frame::Taken { .. }
                | Frame::Request { .. }
                | Frame::Outcome { .. },
            ) => return End::Refused(FrameError::OutOfPlace),
            Err(end) => return end,
        }
        next = match line.arrived() {
            Ok(Some(frame)) => Ok(frame),
            Ok(None) => {
                if let Err(end) = line.say(&Frame::Taken { messages }).await {
                    return end;
                }
                line.next_frame(IDLE_MAX).await
            }
            Err(end) => return end,
        };
    }
}

/// Takes a person's requests, one after the other.
async fn hear_person<E: Environment>(line: &mut Line<E>, mailbox: &mut Mailbox) -> End {
    loop {
        let (number, request) = match line.next_frame(IDLE_MAX).await {
            Ok(Frame::Request { number, request }) => (number, request),
            Ok(
                Frame::Node { .. }
                | Frame::Person
                | Frame::Message(_)
                | Frame::Taken { .. }
                | Frame::Outcome { .. },
            ) => return End::Refused(FrameError::OutOfPlace),
            Err(end) => return end,
        };
        if let Err(end) = answer(line, mailbox, number, request).await {
            return end;
        }
    }
}

async fn answer<E: Environment>(
    line: &mut Line<E>,
    mailbox: &mut Mailbox,
    number: u64,
    request: OperatorRequest,
) -> Result<(), End> {
    let (outcome, answered) = futures_channel::oneshot::channel();
    mailbox.post(Mail::Asked { request, outcome }).await.map_err(|_| End::Over)?;
    let outcome = answered.await.map_err(|_| End::Over)?;
    line.say(&Frame::Outcome { number, outcome }).await
}
