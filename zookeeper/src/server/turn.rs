//! One call of `handle`: the time, and where outputs go; what is put there is left to the rest of the server.

use super::interface::{ServerOutput, ServerRecord};
use super::peer::{LinkId, Notification, PeerMessage};
use crate::protocol::ServerMessage;
use crate::types::ConnectionId;
use alloc::vec::Vec;
use core::time::Duration;

/// What every step of the server needs and none of them owns.
pub(super) struct Turn<'a> {
    pub(super) now: Duration,
    outputs: &'a mut Vec<ServerOutput>,
}

impl<'a> Turn<'a> {
    pub(super) fn new(now: Duration, outputs: &'a mut Vec<ServerOutput>) -> Self {
        Turn { now, outputs }
    }

    pub(super) fn send(&mut self, connection: ConnectionId, message: ServerMessage) {
        self.outputs.push(ServerOutput::Send { connection, message });
    }

    pub(super) fn close(&mut self, connection: ConnectionId) {
        self.outputs.push(ServerOutput::Close { connection });
    }

    pub(super) fn notify(&mut self, to: u32, notification: Notification) {
        self.outputs.push(ServerOutput::Notify { to, notification });
    }

    pub(super) fn send_peer(&mut self, to: u32, link: LinkId, message: PeerMessage) {
        self.outputs.push(ServerOutput::SendPeer { to, link, message });
    }

    pub(super) fn close_peer(&mut self, to: u32, link: LinkId) {
        self.outputs.push(ServerOutput::ClosePeer { to, link });
    }

    pub(super) fn record(&mut self, record: ServerRecord) {
        self.outputs.push(ServerOutput::Record(record));
    }
}
