//! One NiFi node as a pure state machine: same inputs, same effects.
//!
//! [`Node::handle`](node::Node::handle) takes what the node learns and puts what it wants done into a buffer that the
//! caller lends. There is no clock here, no randomness, no I/O, no logging and no thread; every choice comes in as an
//! argument. docs/architecture.md tells how the modules hang together, docs/nifi-map.md where this protocol differs
//! from NiFi's.
#![no_std]
#![deny(clippy::wildcard_enum_match_arm, clippy::float_arithmetic)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod config;
pub mod coordination;
mod coordinator;
pub mod discovery;
pub mod effect;
pub mod event;
pub mod firewall;
pub mod flow;
pub mod flow_election;
pub mod identity;
pub mod leadership;
pub mod message;
pub mod node;
pub mod operator;
pub mod properties;
pub mod rules;
pub mod status;
pub mod table;
pub mod time;
