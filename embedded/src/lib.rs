//! A ZooKeeper for tests: one server or a whole ensemble behind real TCP, in this process and in memory.
//!
//! The servers are the state machines of `zeromaster-zookeeper`. This crate gives them sockets and the machine's clock,
//! on one thread. What they hold is gone when it ends.
//!
//! ```
//! use std::time::Duration;
//! use zeromaster_embedded::{Embedded, EmbeddedConfig};
//!
//! let ensemble = Embedded::start(EmbeddedConfig::ensemble(3))?;
//! assert!(ensemble.wait_until_serving(Duration::from_secs(10)));
//! let connect_string = ensemble.connect_string(); // for any client of ZooKeeper
//! # assert_eq!(connect_string.split(',').count(), 3);
//! ensemble.crash(1);
//! ensemble.restart(1)?;
//! # Ok::<(), zeromaster_embedded::StartError>(())
//! ```
//!
//! | file | concern |
//! |---|---|
//! | `embedded` | the ensemble as its owner sees it |
//! | `config` | how it is configured |
//! | `engine` | the loop that waits for sockets and time |
//! | `connection` | one client's connection: what has arrived, what is to go out |
//! | `ensemble` | the servers, and what they say to each other |
//! | `event` | what happens that the owner may want to know |
//! | `queue` | whose turn it is |
//! | `figures` | what is counted and timed |
//! | `words` | the answers to four-letter words |
//!
//! Clients do not wait for each other: whoever needs longer than a slice of a turn comes after the rest, and no session
//! expires as long as something that has arrived for it is not read. What clients do on their connections cannot use up the
//! memory: a connection is not read while its answers are not taken, nor while it waits for a leader with a thousand others;
//! one that lets watches pile up or asks for too long an answer is closed, so is one that shows no handshake in ten seconds,
//! and if all of them together hold too much, the one that holds most.

#![forbid(unsafe_code)]

mod config;
mod connection;
mod embedded;
mod engine;
mod ensemble;
mod event;
mod figures;
mod queue;
mod words;

pub use config::{EmbeddedConfig, SERVERS_MAX, StartError};
pub use embedded::{Embedded, Stopper};
pub use event::{CloseReason, ServerEvent};
pub use zeromaster_zookeeper::{Release, ServerRecord, SessionId};
