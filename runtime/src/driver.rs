//! The task that owns the node and its ZooKeeper client: everything reaches them through its mailbox or its one timer, and
//! what they want is performed in order.
//!
//! Mail that is there comes before the timer, so that what was heard counts before it is judged who was silent. Not for
//! ever: after [`MAIL_IN_A_ROW`] pieces what is due is done. The node itself does what is due in every step. After the
//! process was held up its readers may not have run yet: then it is the lease, and that a coordinator forgives its own
//! absence, which keep it from judging by what it has not read.

use crate::environment::Environment;
#[cfg(feature = "flaws")]
use crate::flaws::Flaw;
use crate::flaws::Flaws;
use crate::incoming;
use crate::mail::{Mail, Mailbox, Outcome, mailbox};
use crate::observer::{News, Observer, Trouble};
use crate::peers::{Alive, Manners, Peers};
use crate::wait::{next, within};
use crate::zookeeper::Link;
use futures_channel::mpsc::{Receiver, channel};
use futures_core::Stream;
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use zeromaster_core::config::{ConfigError, NodeConfig};
use zeromaster_core::coordination::CoordinationRequest;
use zeromaster_core::effect::{Effect, Effects};
use zeromaster_core::flow::DataFlow;
use zeromaster_core::node::{Input, Node};
use zeromaster_core::operator::RequestId;
use zeromaster_core::time::Instant;
use zeromaster_zookeeper::{Client, ClientConfig, ClientInput, ClientOutput, ConnectionId};

/// How many pieces of mail are read before what is due is done.
const MAIL_IN_A_ROW: u32 = 64;

/// How long a process that stops waits for its last words to go out.
const LINGER: Duration = Duration::from_secs(1);

/// What a process is started with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The node's configuration.
    pub config: Arc<NodeConfig>,
    /// The flow on its disk.
    pub flow: Arc<DataFlow>,
    /// The configuration of its ZooKeeper client.
    pub client: ClientConfig,
    /// The number of its first connection to ZooKeeper, and of the first request of a person; the others count up.
    pub first_number: u64,
}

/// Why a process had to end.
#[derive(Debug)]
pub enum Fatal {
    /// The disk does not take what the node must not forget.
    Disk(io::Error),
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fatal::Disk(error) => write!(f, "the disk does not take what the node must keep: {error}"),
        }
    }
}

impl std::error::Error for Fatal {}

/// Where the owner of the process asks it to stop.
#[derive(Clone, Debug)]
pub struct Desk(Mailbox);

impl Desk {
    /// Asks for a clean stop: the node says goodbye, and [`Driver::run`] comes to its end.
    pub async fn stop(mut self) {
        // One that has ended has stopped.
        let _ = self.0.post(Mail::Stop).await;
    }
}

/// One process.
pub struct Driver<E: Environment, O> {
    environment: E,
    observer: O,
    node: Node,
    client: Client,
    link: Option<Link>,
    peers: Peers<E>,
    mailbox: Mailbox,
    mail: Receiver<Mail>,
    /// Ends when nobody has anything to write any more.
    alive: Alive,
    writers: Receiver<Infallible>,
    /// What the node is still to hear.
    inputs: VecDeque<Input>,
    effects: Effects,
    lease_wanted: bool,
    /// The timer, and the moment that it is set to.
    timer: Option<(Duration, Pin<Box<E::Sleep>>)>,
    /// Counts the loads of flows; only the newest counts.
    loads: u64,
    next_request: u64,
    /// Who waits for what.
    asked: BTreeMap<RequestId, Outcome>,
    mail_in_a_row: u32,
    flaws: Flaws,
    has_exited: bool,
}

impl<E: Environment, O: fmt::Debug> fmt::Debug for Driver<E, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("node", &self.node.id()).finish_non_exhaustive()
    }
}

impl<E: Environment, O: Observer> Driver<E, O> {
    /// A process that [`run`](Driver::run) starts, and where it can be asked to stop.
    ///
    /// # Errors
    /// When the configuration makes no sense.
    pub fn new(environment: E, settings: Settings, observer: O) -> Result<(Driver<E, O>, Desk), ConfigError> {
        let config = settings.config.clone();
        let node = Node::new(settings.config, settings.flow)?;
        let (mailbox, mail) = mailbox();
        let (alive, writers) = channel(0);
        let manners = Manners {
            own: config.node.socket.clone(),
            connection_timeout: config.connection_timeout,
            read_timeout: config.read_timeout,
        };
        let peers = Peers::new(environment.clone(), manners, mailbox.clone(), alive.clone());
        let desk = Desk(mailbox.clone());
        let driver = Driver {
            environment,
            observer,
            node,
            client: Client::new(settings.client, settings.first_number),
            link: None,
            peers,
            mailbox,
            mail,
            alive,
            writers,
            inputs: VecDeque::new(),
            effects: Effects::new(),
            lease_wanted: false,
            timer: None,
            loads: 0,
            next_request: settings.first_number,
            asked: BTreeMap::new(),
            mail_in_a_row: 0,
            flaws: Flaws::default(),
            has_exited: false,
        };
        Ok((driver, desk))
    }

    /// The same process, with a mistake in its shell.
    #[cfg(feature = "flaws")]
    #[must_use]
    pub fn with_flaw(self, flaw: Flaw) -> Driver<E, O> {
        Driver { flaws: Flaws::of(flaw), ..self }
    }

    /// Runs until the node has stopped.
    ///
    /// # Errors
    /// When the process cannot go on.
    pub async fn run(mut self) -> Result<(), Fatal> {
        self.environment.spawn(incoming::accept(self.environment.clone(), self.mailbox.clone()));
        self.client_handles(ClientInput::Start);
        loop {
            self.settle().await?;
            if self.has_exited {
                self.linger().await;
                return Ok(());
            }
            match self.next_mail().await {
                Some(mail) => self.take(mail),
                None => self.wake(),
            }
        }
    }

    /// Waits for mail, or until something is due.
    async fn next_mail(&mut self) -> Option<Mail> {
        self.arm_timer();
        if self.mail_in_a_row >= MAIL_IN_A_ROW {
            self.mail_in_a_row = 0;
            return None;
        }
        let mail = poll_fn(|context| self.poll(context)).await;
        self.mail_in_a_row = if mail.is_some() { self.mail_in_a_row + 1 } else { 0 };
        mail
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Mail>> {
        // The driver holds a sender of its own, so the mail does not end.
        if let Poll::Ready(Some(mail)) = Pin::new(&mut self.mail).poll_next(context) {
            return Poll::Ready(Some(mail));
        }
        let Some((_, sleep)) = &mut self.timer else { return Poll::Pending };
        sleep.as_mut().poll(context).map(|()| {
            self.timer = None;
            None
        })
    }

    /// When something is due next.
    fn due(&self) -> Option<Duration> {
        let node = self.node.next_deadline().map(|(at, _)| Duration::from_micros(at.as_micros()));
        node.into_iter().chain(self.client.next_deadline()).min()
    }

    /// Sets the timer to what is due next. One that is set to an earlier moment is left: when it goes off, it is set anew.
    fn arm_timer(&mut self) {
        let Some(due) = self.due() else { return };
        if self.timer.as_ref().is_none_or(|(at, _)| due < *at) && !self.flaws.leaves_timer() {
            self.timer = Some((due, Box::pin(self.environment.sleep_until(due))));
        }
    }

    /// Does what is due.
    fn wake(&mut self) {
        let now = self.now();
        if self.client.next_deadline().is_some_and(|at| at <= now) {
            self.client_handles(ClientInput::Wakeup);
        }
        if self.node.next_deadline().is_some_and(|(at, _)| at <= instant(now)) {
            self.inputs.push_back(Input::Wakeup);
        }
    }

    /// The process's clock, in the microseconds that the node counts.
    fn now(&self) -> Duration {
        Duration::from_micros(zeromaster_core::time::micros(self.environment.now()))
    }

    /// The last words go out before the process ends.
    async fn linger(self) {
        let Driver { environment, link, peers, alive, mut writers, .. } = self;
        drop((link, peers, alive));
        let _ = within(&environment, LINGER, next(&mut writers)).await;
    }

    // Mail.

    fn take(&mut self, mail: Mail) {
        match mail {
            Mail::ZooKeeper { connection, news } => self.zookeeper_news(connection, news),
            Mail::Message { from, message } => self.inputs.push_back(Input::Received { from, message }),
            Mail::Asked { request, outcome } => {
                let id = RequestId(self.next_request);
                self.next_request += 1;
                self.asked.insert(id, outcome);
                self.inputs.push_back(Input::Requested { id, request });
            }
            // One that was replaced meanwhile is of no use to anybody.
            Mail::Loaded { load, attempt, result } if load == self.loads => {
                self.inputs.push_back(Input::FlowLoaded { attempt, result });
            }
            Mail::Loaded { .. } => {}
            Mail::Offloaded { version } => self.inputs.push_back(Input::OffloadFinished { version }),
            Mail::Trouble(trouble) => self.trouble(&trouble),
            Mail::Stop => self.inputs.push_back(Input::Stop),
        }
    }

    fn trouble(&mut self, trouble: &Trouble) {
        let now = self.now();
        self.observer.troubled(now, trouble);
    }

    /// News of a connection that is not in use any more are dropped.
    fn zookeeper_news(&mut self, connection: ConnectionId, news: News) {
        let Some(link) = &mut self.link else { return };
        if link.connection != connection && !self.flaws.believes_dead_connections() {
            return;
        }
        let (connection, server) = (link.connection, link.server);
        let now = Duration::from_micros(zeromaster_core::time::micros(self.environment.now()));
        self.observer.heard(now, connection, &news);
        match news {
            News::Opened => self.client_handles(ClientInput::Opened { connection }),
            News::Bytes(bytes) => {
                link.arrived(&bytes);
                self.hear(connection);
            }
            News::NotOpened(reason) => {
                self.link = None;
                self.trouble(&Trouble::ZooKeeper { server, reason });
                self.client_handles(ClientInput::OpenFailed { connection });
            }
            News::Closed(reason) => self.closed(connection, server, reason),
        }
    }

    /// Gives the client what has arrived, as long as it wants to hear it.
    fn hear(&mut self, connection: ConnectionId) {
        while let Some(link) = self.link.as_mut().filter(|link| link.connection == connection) {
            match link.next_message() {
                Ok(Some(message)) => {
                    let now = self.now();
                    self.observer.told(now, connection, &message);
                    self.client_handles(ClientInput::Message { connection, message });
                }
                Ok(None) => return,
                Err(error) => {
                    let server = link.server;
                    return self.closed(connection, server, error.to_string());
                }
            }
        }
    }

    fn closed(&mut self, connection: ConnectionId, server: u32, reason: String) {
        self.link = None;
        self.trouble(&Trouble::ZooKeeper { server, reason });
        self.client_handles(ClientInput::Closed { connection });
    }

    // The ZooKeeper client.

    fn client_handles(&mut self, input: ClientInput) {
        let now = self.now();
        let mut outputs = Vec::new();
        self.client.handle(now, input, &mut outputs);
        self.observer.client_stepped(now, &self.client, &outputs);
        for output in outputs {
            self.client_says(output);
        }
    }

    fn client_says(&mut self, output: ClientOutput) {
        match output {
            ClientOutput::Open { connection, server } => {
                let (environment, mailbox) = (&self.environment, &self.mailbox);
                self.link = Some(Link::open(environment, connection, server, mailbox, &self.alive));
            }
            ClientOutput::Send { connection, message } => {
                if let Some(link) = self.link.as_mut().filter(|link| link.connection == connection) {
                    link.send(&message);
                }
            }
            ClientOutput::Close { connection } => {
                self.link = self.link.take().filter(|link| link.connection != connection);
            }
            ClientOutput::State(state) => {
                let state = self.flaws.told(state);
                self.node_hears(ClientOutput::State(state));
            }
            ClientOutput::Completed { .. } | ClientOutput::Event(_) | ClientOutput::Lease { .. } => {
                self.node_hears(output);
            }
        }
    }

    fn node_hears(&mut self, output: ClientOutput) {
        self.inputs.extend(zeromaster_adapter::event(output).map(Input::Coordination));
    }

    // The node.

    /// Lets the node hear everything that there is for it to hear.
    async fn settle(&mut self) -> Result<(), Fatal> {
        while let Some(input) = self.inputs.pop_front() {
            self.node_handles(input).await?;
            if self.has_exited {
                break;
            }
        }
        Ok(())
    }

    async fn node_handles(&mut self, input: Input) -> Result<(), Fatal> {
        let now = self.now();
        let mut effects = std::mem::take(&mut self.effects);
        self.observer.node_steps(now, &self.node, &input);
        self.node.handle(instant(now), input, &mut effects);
        self.observer.node_stepped(now, &self.node, effects.as_slice());
        let mut put_off = Vec::new();
        for effect in effects.drain() {
            if matches!(effect, Effect::Persist(_)) && self.flaws.sends_before_persist() {
                put_off.push(effect);
            } else {
                self.perform(effect).await?;
            }
        }
        for effect in put_off {
            self.perform(effect).await?;
        }
        self.effects = effects;
        self.hold_lease();
        Ok(())
    }

    /// Tells the client whether the node needs a lease, when that has changed.
    fn hold_lease(&mut self) {
        let wanted = self.node.needs_lease();
        if wanted != self.lease_wanted {
            self.lease_wanted = wanted;
            self.client_handles(ClientInput::HoldLease { wanted });
        }
    }

    async fn perform(&mut self, effect: Effect) -> Result<(), Fatal> {
        match effect {
            // Nothing that follows is performed before this is done.
            Effect::Persist(durable) => {
                self.environment.persist(&durable).await.map_err(Fatal::Disk)?;
            }
            Effect::Send { to, message } => {
                if let Err(trouble) = self.peers.send(to, message) {
                    self.trouble(&trouble);
                }
            }
            Effect::Coordinate(CoordinationRequest::Perform { id, operation }) => {
                let operation = zeromaster_adapter::operation(operation);
                self.client_handles(ClientInput::Submit { tag: id.0, operation });
            }
            Effect::Coordinate(CoordinationRequest::Close) => {
                self.client_handles(ClientInput::CloseSession);
            }
            Effect::Reply { id, outcome } => {
                let now = self.now();
                self.observer.replied(now, id, &outcome);
                if let Some(asked) = self.asked.remove(&id) {
                    // Whoever does not wait any more need not be told.
                    let _ = asked.send(outcome);
                }
            }
            Effect::Record(event) => {
                let now = self.now();
                self.observer.recorded(now, &event);
            }
            Effect::LoadFlow { attempt, flow } => {
                self.loads += 1;
                let (load, environment) = (self.loads, self.environment.clone());
                let mut mailbox = self.mailbox.clone();
                self.environment.spawn(async move {
                    let result = environment.load_flow(attempt, flow).await;
                    let _ = mailbox.post(Mail::Loaded { load, attempt, result }).await;
                });
            }
            Effect::Offload { version } => {
                let (environment, mut mailbox) = (self.environment.clone(), self.mailbox.clone());
                self.environment.spawn(async move {
                    environment.offload(version).await;
                    let _ = mailbox.post(Mail::Offloaded { version }).await;
                });
            }
            Effect::Exit => self.has_exited = true,
        }
        Ok(())
    }
}

fn instant(now: Duration) -> Instant {
    Instant::from_micros(zeromaster_core::time::micros(now))
}
