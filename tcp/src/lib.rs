//! ZooKeeper's client machine on real sockets: the session that is simulated, against any server of ZooKeeper.
//!
//! The client is the state machine of `zeromaster-zookeeper`. This crate gives it sockets and the machine's clock, on one
//! thread. Recipes, and what to do about an outcome that is not known, are left to the caller.
//!
//! ```no_run
//! use std::time::Duration;
//! use zeromaster_tcp::{ClientConfig, Operation, SessionState, TcpClient};
//!
//! let config = ClientConfig { session_timeout: Duration::from_secs(6), ..ClientConfig::default() };
//! let (client, notices) = TcpClient::start("127.0.0.1:2181,127.0.0.1:2182", config)?;
//! for notice in &notices {
//!     println!("{notice:?}"); // states, events, and what went wrong with connections
//! #   break;
//! }
//! let children = client.call(Operation::GetChildren { path: "/".into(), watch: true });
//! client.close();
//! # Ok::<(), zeromaster_tcp::StartError>(())
//! ```
//!
//! | file | concern |
//! |---|---|
//! | `client` | the client as its owner sees it |
//! | `driver` | the loop that waits for sockets, time and the owner |
//! | `connection` | one TCP connection: being opened, what has arrived, what is to go out |
//! | `address` | where servers are |

#![forbid(unsafe_code)]

mod address;
mod client;
mod connection;
mod driver;

pub use client::{Notice, StartError, TcpClient, Trouble};
pub use zeromaster_zookeeper::{
    ClientConfig, Credentials, ErrorCode, LeaseRule, Library, Operation, Reply, SessionState, WatchEvent,
};
