//! ZooKeeper as pure state machines: one logical server, and the client's session; wires, clocks and recipes are left to others.
//!
//! Nothing here reads a clock, opens a socket or draws a random number. Time is an argument, a [`core::time::Duration`]
//! since an arbitrary zero of the monotonic clock of the machine that is called; two machines' times are never compared.
//! Everything a machine learns comes through `handle`, everything it wants done goes into a buffer that the caller lends.
//!
//! | file | concern |
//! |---|---|
//! | `types` | words both sides share: identities, stat, operations, replies, events |
//! | `protocol` | the messages on one connection |
//! | `path` | which paths are legal, and who is whose parent |
//! | `tree` | the nodes; knows sessions only as owners of ephemeral nodes |
//! | `watches` | one-shot watches, by path and by connection |
//! | `sessions` | who is attached where, and in which bucket a session expires |
//! | `server` | joins the four above |
//! | `client` | one client's session: connecting, pings, watches held, states, lease |
//!
//! Deliberately absent: ACLs, `multi` and `check`, persistent watches, TTL nodes, and the deletion of empty containers.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod client;
mod path;
pub mod protocol;
pub mod server;
pub mod sessions;
pub mod tree;
pub mod types;
mod watches;

#[cfg(test)]
mod tests;

pub use client::{Client, ClientConfig, ClientInput, ClientOutput, SessionState};
pub use protocol::{ClientMessage, ServerMessage};
pub use server::{Server, ServerConfig, ServerInput, ServerOutput};
pub use sessions::Session;
pub use tree::Tree;
pub use types::{
    ConnectionId, CreateMode, ErrorCode, EventKind, Operation, Password, Reply, SessionId, Stat, WatchEvent,
    Zxid,
};
