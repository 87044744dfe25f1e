//! What must hold of the shell itself, whatever the node in it does.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use zeromaster_core::coordination::CoordinationEvent;
use zeromaster_core::effect::{Durable, Effect};
use zeromaster_core::node::Input;
use zeromaster_runtime::News;
use zeromaster_runtime::frame::{Frame, encode};
use zeromaster_sim::plan::NodeNumber;
use zeromaster_sim::properties::Finding;
use zeromaster_sim::time::SimTime;
use zeromaster_zookeeper::{ClientOutput, ConnectionId};

/// What a node says to another does not leave it before what it stands on is on disk.
pub(crate) const PERSISTED_BEFORE_SENT: &str = "persisted-before-sent";

/// A node that runs is woken when it wants to be.
pub(crate) const WOKEN_IN_TIME: &str = "woken-in-time";

/// A node hears what its ZooKeeper client says, all of it, once, in that order, and nothing else.
pub(crate) const HEARS_ITS_CLIENT: &str = "node-hears-its-client";

/// What is taken for news of a connection to ZooKeeper is news of that connection, in the order in which they came.
pub(crate) const NEWS_OF_ITS_OWN: &str = "news-of-its-own-connection";

/// The names of the properties of the shell.
pub const SHELL: [&str; 4] = [PERSISTED_BEFORE_SENT, WOKEN_IN_TIME, HEARS_ITS_CLIENT, NEWS_OF_ITS_OWN];

/// How late a node may be woken: timers are kept to a millisecond, a disk takes another, and one that has just run on may
/// have much to read first.
const LATE_MAX: Duration = Duration::from_millis(500);

/// What a finding is about, and what was found.
pub(crate) type Found = Option<(&'static str, Option<Finding>)>;

/// What is known of the shells of all nodes.
#[derive(Default)]
pub(crate) struct Shell {
    of: BTreeMap<NodeNumber, Process>,
}

/// What is known of one process.
#[derive(Default)]
struct Process {
    /// What is to be on disk, each with the bytes that stand on it.
    to_persist: VecDeque<(Durable, Vec<Vec<u8>>)>,
    /// What the client has said, and the node has not heard.
    said: VecDeque<CoordinationEvent>,
    /// The connection that the client has asked for last.
    current: Option<ConnectionId>,
    /// What came of it, and was not acted on yet.
    news: VecDeque<News>,
    /// Since when it runs without a pause.
    awake_since: SimTime,
}

impl Shell {
    /// A process starts, or runs on after a pause.
    pub(crate) fn awake(&mut self, node: NodeNumber, now: SimTime) {
        self.of.entry(node).or_default().awake_since = now;
    }

    /// A process has ended.
    pub(crate) fn ended(&mut self, node: NodeNumber) {
        self.of.remove(&node);
    }

    /// A node wants these things done, in this order.
    pub(crate) fn stepped(&mut self, node: NodeNumber, effects: &[Effect]) {
        let process = self.of.entry(node).or_default();
        let mut stands_on = None;
        for effect in effects {
            match effect {
                Effect::Persist(durable) => {
                    process.to_persist.push_back((durable.clone(), Vec::new()));
                    stands_on = Some(process.to_persist.len() - 1);
                }
                Effect::Send { message, .. } => {
                    if let Some((_, letters)) = stands_on.and_then(|at| process.to_persist.get_mut(at)) {
                        letters.push(encode(&Frame::Message(message.clone())));
                    }
                }
                Effect::Coordinate(_)
                | Effect::Reply { .. }
                | Effect::Record(_)
                | Effect::LoadFlow { .. }
                | Effect::Offload { .. }
                | Effect::Exit => {}
            }
        }
    }

    /// This is on disk.
    pub(crate) fn persisted(&mut self, node: NodeNumber, durable: &Durable) {
        self.of.entry(node).or_default().to_persist.retain(|(waiting, _)| waiting != durable);
    }

    /// A node lets these bytes out to another.
    pub(crate) fn sent(&mut self, node: NodeNumber, bytes: &[u8]) -> Found {
        let process = self.of.entry(node).or_default();
        let mut letters = process.to_persist.iter().flat_map(|(_, letters)| letters);
        let text = || format!("{node} sends what stands on something that is not on its disk yet");
        letters.any(|letter| bytes.ends_with(letter)).then(|| (PERSISTED_BEFORE_SENT, Finding::new(text())))
    }

    /// A client says this.
    pub(crate) fn client_says(&mut self, node: NodeNumber, outputs: &[ClientOutput]) {
        let process = self.of.entry(node).or_default();
        for output in outputs {
            if let ClientOutput::Open { connection, .. } = output {
                process.current = Some(*connection);
                process.news.clear();
            }
            process.said.extend(zeromaster_adapter::event(output.clone()));
        }
    }

    /// A node takes this in.
    pub(crate) fn node_hears(&mut self, node: NodeNumber, input: &Input) -> Found {
        let Input::Coordination(heard) = input else { return None };
        let said = self.of.entry(node).or_default().said.pop_front();
        if said.as_ref() == Some(heard) {
            return None;
        }
        let said = said.map_or_else(|| "nothing".to_owned(), |said| format!("{said:?}"));
        Some((HEARS_ITS_CLIENT, Finding::new(format!("{node} hears {heard:?}, its client said {said}"))))
    }

    /// The connection that a node's client has asked for last.
    pub(crate) fn current(&self, node: NodeNumber) -> Option<ConnectionId> {
        self.of.get(&node)?.current
    }

    /// This came of a connection of a node.
    pub(crate) fn came(&mut self, node: NodeNumber, connection: ConnectionId, news: News) {
        let process = self.of.entry(node).or_default();
        if process.current == Some(connection) {
            process.news.push_back(news);
        }
    }

    /// This is taken for news of a connection.
    pub(crate) fn heard(&mut self, node: NodeNumber, connection: ConnectionId, news: &News) -> Found {
        let process = self.of.entry(node).or_default();
        let next = if process.current == Some(connection) { process.news.pop_front() } else { None };
        let is_its_own = matches!(
            (&next, news),
            (Some(News::Opened), News::Opened)
                | (Some(News::NotOpened(_)), News::NotOpened(_))
                | (Some(News::Closed(_)), News::Closed(_))
        ) || matches!((&next, news), (Some(News::Bytes(came)), News::Bytes(heard)) if came == heard);
        let text = || format!("{node} takes for news of its connection what is none");
        (!is_its_own).then(|| (NEWS_OF_ITS_OWN, Finding::new(text())))
    }

    /// It is so long ago that a node should have been woken.
    pub(crate) fn overdue(&self, node: NodeNumber, late: Duration, now: SimTime) -> Found {
        let awake_since = self.of.get(&node)?.awake_since;
        let is_late = late > LATE_MAX && now.since(awake_since) > LATE_MAX;
        let text = || format!("{node} should have been woken {late:?} ago");
        is_late.then(|| (WOKEN_IN_TIME, Finding::new(text())))
    }
}
