//! The first frame of either side of a connection; whether a session is opened or found is left to the server.

use super::jute::{Reader, Unreadable, Writer};
use super::records::{number_of, zxid_of};
use crate::protocol::{ClientMessage, ServerMessage};
use crate::types::{Password, SessionId, Zxid};
use core::time::Duration;

/// The version of the protocol, the only one there is. Nobody looks at it.
const PROTOCOL_VERSION: i32 = 0;

/// What a client asks for, and whether it says that it would be content with a server that only reads. Clients older
/// than 3.4 do not say it, and must not be told.
pub(super) fn read_request(reader: &mut Reader<'_>) -> Result<(ClientMessage, bool), Unreadable> {
    let _version = reader.int()?;
    // The original compares zxids as signed numbers, so a negative one is behind everything.
    let last_zxid_seen = zxid_of(reader.long()?.max(0));
    let timeout = duration_of(reader.int()?);
    let session = SessionId(reader.long()?.cast_unsigned());
    // A password of another length is nobody's, and neither is the one of a client without a session.
    let password = reader.buffer()?.and_then(|bytes| bytes.try_into().ok()).map_or(Password::NONE, Password);
    let says_read_only = reader.boolean().is_ok();
    let session = (session != SessionId(0)).then_some((session, password));
    Ok((ClientMessage::Connect { session, timeout, last_zxid_seen }, says_read_only))
}

pub(super) fn write_request(
    writer: &mut Writer<'_>,
    session: Option<(SessionId, Password)>,
    timeout: Duration,
    last_zxid_seen: Zxid,
) {
    let (session, password) = session.unwrap_or((SessionId(0), Password::NONE));
    writer.int(PROTOCOL_VERSION);
    writer.long(number_of(last_zxid_seen));
    writer.int(milliseconds_of(timeout));
    writer.long(session.0.cast_signed());
    writer.buffer(Some(&password.0));
    writer.boolean(false);
}

/// Reads the answer to a handshake: `Connected` or `Expired`.
pub(super) fn read_response(reader: &mut Reader<'_>) -> Result<ServerMessage, Unreadable> {
    let _version = reader.int()?;
    let timeout = reader.int()?;
    let session = SessionId(reader.long()?.cast_unsigned());
    let password = reader.buffer()?.unwrap_or_default();
    if timeout <= 0 {
        return Ok(ServerMessage::Expired);
    }
    let password = Password(password.try_into().map_err(|_| Unreadable)?);
    Ok(ServerMessage::Connected { session, password, timeout: duration_of(timeout) })
}

/// Writes the answer to a handshake: what was granted, or nothing but zeros. `says_read_only` as in the request.
pub(super) fn write_response(
    writer: &mut Writer<'_>,
    granted: Option<(SessionId, Password, Duration)>,
    says_read_only: bool,
) {
    let (session, password, timeout) = granted.unwrap_or((SessionId(0), Password::NONE, Duration::ZERO));
    writer.int(PROTOCOL_VERSION);
    writer.int(milliseconds_of(timeout));
    writer.long(session.0.cast_signed());
    writer.buffer(Some(&password.0));
    if says_read_only {
        writer.boolean(false);
    }
}

fn duration_of(milliseconds: i32) -> Duration {
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
}

fn milliseconds_of(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
