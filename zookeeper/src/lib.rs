//! ZooKeeper as pure state machines: the servers of an ensemble, a client's session, and the bytes between them; sockets,
//! clocks and recipes are left to others.
//!
//! Nothing here reads a clock, opens a socket or draws a random number. Time is an argument, a [`core::time::Duration`]
//! since an arbitrary zero of the monotonic clock of the machine that is called; two machines' times are never compared.
//! Everything a machine learns comes through `handle`, everything it wants done goes into a buffer that the caller lends.
//!
//! | file | concern |
//! |---|---|
//! | `types`, `operation`, `acl`, `error` | words both sides share: identities, stat, operations, replies, events, codes |
//! | `protocol` | the messages on one connection |
//! | `path` | which paths are legal, and who is whose parent |
//! | `tree` | the nodes; knows sessions only as owners of ephemeral nodes |
//! | `authentication` | credentials and the identities they prove |
//! | `names` | lists of names that share what did not change |
//! | `order` | the orders that ZooKeeper leaves open |
//! | `transaction`, `replica` | one entry of the log, and what a server becomes by applying it |
//! | `watches` | watches of all kinds, by path and by connection |
//! | `sessions` | passwords of sessions |
//! | `server` | one member of an ensemble: election, replication, sessions, requests |
//! | `wire` | the bytes that stand for the messages of one connection |
//! | `client` | one client's session: connecting, pings, watches held, states, lease |
//!
//! Deliberately absent: reconfiguration, quotas, SASL and TLS, local sessions, read-only mode, observers, and the bytes of
//! ZooKeeper's own replication.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod acl;
mod authentication;
pub mod client;
pub mod error;
pub mod names;
pub mod operation;
mod order;
mod path;
pub mod protocol;
mod replica;
pub mod server;
mod sessions;
#[cfg(test)]
mod tests;
pub mod transaction;
pub mod tree;
pub mod types;
mod watches;
pub mod wire;

pub use authentication::digest_of;
pub use client::{
    Client, ClientConfig, ClientInput, ClientOutput, Credentials, LeaseRule, Library, SessionState,
};
pub use error::ErrorCode;
pub use names::Names;
pub use operation::{ANY_VERSION, Create, CreateMode, CreateRequest, Operation, Reply};
pub use protocol::{ClientMessage, ServerMessage};
pub use server::{Role, Server, ServerConfig, ServerInput, ServerOutput, ServerRecord};
pub use tree::Tree;
pub use types::{ConnectionId, Data, EventKind, Password, Release, SessionId, Stat, WatchEvent, Zxid};
