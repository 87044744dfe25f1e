//! A person's side: a request to a node, and what came of it.

use crate::environment::{Environment, Place, Reader, Writer};
use crate::frame::{Frame, FrameError, Frames, encode};
use std::io;
use zeromaster_core::identity::Address;
use zeromaster_core::operator::{OperatorRequest, Refusal};

/// Asks the node at `to`. It waits as long as the node takes.
///
/// # Errors
/// When the connection cannot be had, breaks, or says what no node says. Whether the request was carried out is not known
/// then.
pub async fn ask<E: Environment>(
    environment: &E,
    to: Address,
    request: OperatorRequest,
) -> io::Result<Result<(), Refusal>> {
    let (mut reader, mut writer) = environment.connect(&Place::Node(to)).await?;
    let mut letters = encode(&Frame::Person);
    letters.extend_from_slice(&encode(&Frame::Request { number: 1, request }));
    writer.write(&letters).await?;
    let mut frames = Frames::default();
    loop {
        match frames.next_frame() {
            Ok(Some(Frame::Outcome { number: 1, outcome })) => return Ok(outcome),
            Ok(Some(_)) => return Err(io::Error::other(FrameError::OutOfPlace)),
            Ok(None) => {}
            Err(error) => return Err(io::Error::other(error)),
        }
        let mut bytes = Vec::new();
        if !reader.read(&mut bytes).await? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        frames.arrived(&bytes);
    }
}
