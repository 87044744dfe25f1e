//! The ensemble as its owner sees it; how it serves is left to the engine.

use crate::config::{EmbeddedConfig, StartError};
use crate::engine::{Command, Engine, Observer};
use crate::event::ServerEvent;
use mio::Waker;
use std::io;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use zeromaster_zookeeper::SessionId;

/// A running ensemble. It ends when it is dropped.
///
/// Servers are numbered from 1, in the order of [`EmbeddedConfig::listen`]. Methods that name one panic when there is none
/// of that number.
#[derive(Debug)]
pub struct Embedded {
    addresses: Vec<SocketAddr>,
    stopper: Stopper,
    thread: Option<JoinHandle<io::Result<()>>>,
}

/// Ends an ensemble, from any thread.
#[derive(Clone, Debug)]
pub struct Stopper {
    commands: Sender<Command>,
    waker: Arc<Waker>,
}

impl Stopper {
    /// Ends the ensemble; nothing happens when it has ended already. [`Embedded::wait`] then returns.
    pub fn stop(&self) {
        self.command(Command::Stop);
    }

    /// Gives a command, if somebody is still there to take it.
    fn command(&self, command: Command) {
        self.commands.send(command).ok();
        // Should the system be unable to wake the engine, it takes the command when something else happens.
        self.waker.wake().ok();
    }
}

impl Embedded {
    /// Starts an ensemble. Its ports take connections when this returns. A server that stands alone serves then; others
    /// look for a leader first, and close the connections of clients that come too early.
    ///
    /// # Errors
    /// When a value makes no sense, or nobody can listen at an address.
    pub fn start(config: EmbeddedConfig) -> Result<Embedded, StartError> {
        Embedded::start_with(config, |_, _| {})
    }

    /// As [`start`](Self::start); `observer` is called on the ensemble's thread with what happens on its servers, each by
    /// its number.
    ///
    /// # Errors
    /// As `start`.
    pub fn start_with(
        config: EmbeddedConfig,
        observer: impl FnMut(u32, &ServerEvent) + Send + 'static,
    ) -> Result<Embedded, StartError> {
        let observer: Observer = Box::new(observer);
        let (commands, orders) = channel();
        let (engine, waker) = Engine::new(config, orders, observer)?;
        let addresses = engine.addresses().to_vec();
        let thread = thread::Builder::new()
            .name("zookeeper".into())
            .spawn(move || engine.run())
            .map_err(StartError::Poll)?;
        Ok(Embedded { addresses, stopper: Stopper { commands, waker }, thread: Some(thread) })
    }

    /// Where the servers listen. Ports that the system chose are named.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The addresses as clients of ZooKeeper take them: with commas between.
    #[must_use]
    pub fn connect_string(&self) -> String {
        self.addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(",")
    }

    /// Waits until all servers that run serve; false when they do not in that time.
    #[must_use]
    pub fn wait_until_serving(&self, patience: Duration) -> bool {
        let (done, serving) = channel();
        self.stopper.command(Command::AwaitServing(done));
        serving.recv_timeout(patience).is_ok()
    }

    /// Kills a server's process, as it were. Its clients' connections break, and it refuses new ones; what is on its
    /// disk stays. Nothing happens when it is down.
    pub fn crash(&self, server: u32) {
        self.assert_is_one(server);
        self.ask(|done| Command::Crash(server, done));
    }

    /// Starts a server again at its address. Nothing happens when it runs.
    ///
    /// # Errors
    /// When somebody else listens at its address by now.
    pub fn restart(&self, server: u32) -> Result<(), StartError> {
        self.assert_is_one(server);
        self.ask(|done| Command::Restart(server, done))
    }

    /// Stops a server as `SIGSTOP` does: its connections stay, and nothing moves.
    pub fn pause(&self, server: u32) {
        self.assert_is_one(server);
        self.ask(|done| Command::Pause(server, done));
    }

    /// Lets a server go on that was stopped; it takes in what has arrived meanwhile. Nothing happens when it was not.
    pub fn resume(&self, server: u32) {
        self.assert_is_one(server);
        self.ask(|done| Command::Resume(server, done));
    }

    /// Expires a session before its time. Nothing happens when there is none, or no leader.
    pub fn expire_session(&self, session: SessionId) {
        self.ask(|done| Command::Expire(session, done));
    }

    /// Something that ends the ensemble from another thread.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Ends the ensemble. Its ports are free when this returns.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn stop(self) -> io::Result<()> {
        self.stopper.stop();
        self.wait()
    }

    /// Waits until somebody ends the ensemble.
    ///
    /// # Errors
    /// When it has ended by itself, because it could not wait for its sockets any more.
    ///
    /// # Panics
    /// When a belief of it was broken, which is a bug.
    pub fn wait(mut self) -> io::Result<()> {
        let thread = self.thread.take().expect("it is only waited for once");
        thread.join().unwrap_or_else(|bug| resume_unwind(bug))
    }

    fn assert_is_one(&self, server: u32) {
        let servers = self.addresses.len();
        let is_one = usize::try_from(server).is_ok_and(|server| (1..=servers).contains(&server));
        assert!(is_one, "server {server} of {servers}");
    }

    fn ask<T>(&self, command: impl FnOnce(Sender<T>) -> Command) -> T {
        let (done, answer) = channel();
        self.stopper.command(command(done));
        answer.recv().expect("the ensemble runs until it is told to stop, unless it has a bug")
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take() {
            // Who wants to know how it ended calls `stop`.
            thread.join().ok();
        }
    }
}
