//! The shell of one node, as it runs in production: it receives, gives to the node, performs what the node wants in order,
//! keeps one timer armed, speaks to ZooKeeper, and takes the requests of people. What anything means is left to the node;
//! clocks, sockets and disks are the [`Environment`]'s.
//!
//! One task owns the node and its ZooKeeper client. The others only move bytes: what they have to tell goes into that
//! task's mailbox, under the number of the connection that it comes from, so that late news of a dead connection is
//! dropped. Nothing here draws a random number, and no order is left to an executor.
//!
//! | file | concern |
//! |---|---|
//! | `environment` | what the shell needs of the world |
//! | `observer` | who is told of every step |
//! | `driver` | the task that owns the node: its mailbox, its timer, the effects |
//! | `peers` | connections to other nodes: opened when something is to be sent |
//! | `incoming` | connections of other nodes and of people |
//! | `zookeeper` | the bytes of the client's connections |
//! | `ask` | a person's side |
//! | `frame` | what goes over the connections between nodes, as bytes |
//! | `wait` | waiting for the first of two things, and not for ever |
//! | `flaws` | mistakes that tests ask for |

#![forbid(unsafe_code)]

mod ask;
mod driver;
pub mod environment;
mod flaws;
pub mod frame;
mod incoming;
mod mail;
mod observer;
mod peers;
mod wait;
mod zookeeper;

pub use ask::ask;
pub use driver::{Desk, Driver, Fatal, Settings};
pub use environment::{Environment, Listener, Place, Reader, Writer};
pub use flaws::Flaw;
pub use observer::{News, Observer, Trouble};
