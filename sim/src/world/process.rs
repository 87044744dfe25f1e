//! One machine: its disk, its clock, and the process on it, if one runs, with the node and its ZooKeeper client.

use super::clients::client_due;
use crate::clock::Clock;
use crate::plan::NodeNumber;
use crate::random::Stream;
use crate::time::SimTime;
use std::collections::VecDeque;
use std::sync::Arc;
use zeromaster_core::effect::Durable;
use zeromaster_core::flow::DataFlow;
use zeromaster_core::identity::{Address, Incarnation, NodeId};
use zeromaster_core::message::Membership;
use zeromaster_core::node::{Input, Node};
use zeromaster_core::status::Epoch;
use zeromaster_core::time::Instant;
use zeromaster_zookeeper::{Client, ClientInput};

/// What reaches a process.
#[derive(Clone, Debug)]
pub(crate) enum Delivery {
    /// For the node itself.
    Node(Input),
    /// For its ZooKeeper client.
    Client(ClientInput),
}

/// What a machine keeps when its process dies.
#[derive(Clone, Debug)]
pub(crate) struct DiskContent {
    pub(crate) id: NodeId,
    pub(crate) flow: Arc<DataFlow>,
    /// The flow that was there before the last write.
    before: Option<Arc<DataFlow>>,
}

impl DiskContent {
    pub(crate) fn new(id: NodeId, flow: Arc<DataFlow>) -> Self {
        DiskContent { id, flow, before: None }
    }

    pub(crate) fn write(&mut self, durable: Durable) {
        assert_eq!(self.id, durable.id, "a node keeps the id that it was started with");
        self.before = Some(std::mem::replace(&mut self.flow, durable.flow));
    }

    /// The last write never reached the disk.
    pub(crate) fn lose_last_write(&mut self) {
        if let Some(flow) = self.before.take() {
            self.flow = flow;
        }
    }
}

/// A stop-the-world pause.
#[derive(Clone, Debug)]
pub(crate) struct Pause {
    /// Which step of the plan ends it.
    pub(crate) step: u32,
    pub(crate) since: SimTime,
    pub(crate) buffered: bool,
}

/// A running process.
// What nearly every event looks at comes first, as in `Machine`: in a large cluster an event costs mostly the lines of memory
// that it touches.
#[derive(Clone, Debug)]
#[repr(C)]
pub(crate) struct Running {
    pub(crate) pause: Option<Pause>,
    /// When the wake-up that is scheduled next comes.
    pub(crate) wakes_at: Option<SimTime>,
    /// A slow process handles nothing before this.
    pub(crate) busy_until: SimTime,
    /// When the node wants to be woken, as of its last step.
    pub(crate) node_due: Option<Instant>,
    /// When its client wants to be woken, as of its last step.
    pub(crate) client_due: Option<Instant>,
    /// Whether it was coordinator or primary when it took its last step.
    pub(crate) in_office: bool,
    /// Whether its client was told to keep a lease up.
    pub(crate) lease_wanted: bool,
    /// Since when it is a member without a break.
    pub(crate) connected_since: Option<SimTime>,
    /// Whether a coordinator has let it in with an elected flow that it has loaded, now or earlier.
    pub(crate) was_let_in: bool,
    /// The latest term of which a coordinator's message has reached it.
    pub(crate) latest_epoch: Epoch,
    pub(crate) client: Client,
    pub(crate) node: Node,
    pub(crate) buffer: VecDeque<Delivery>,
    /// Up to when its client holds a lease on its session, on the process's own clock.
    pub(crate) lease_until: Option<Instant>,
    /// Since when its ZooKeeper session is attached without a break.
    pub(crate) session_since: Option<SimTime>,
}

impl Running {
    /// Notes what the node is after a step.
    pub(crate) fn note_membership(&mut self, now: SimTime) {
        let is_member = match self.node.membership() {
            Membership::Connected { .. } => true,
            Membership::Joining
            | Membership::Loading { .. }
            | Membership::Disconnected { .. }
            | Membership::Offloading { .. }
            | Membership::Offloaded { .. }
            | Membership::Removed { .. } => false,
        };
        self.was_let_in |= is_member;
        self.connected_since = self.connected_since.or(Some(now)).filter(|_| is_member);
    }

    /// A process that has just been started.
    pub(crate) fn new(node: Node, client: Client, now: SimTime) -> Self {
        Running {
            node_due: node.next_deadline().map(|(at, _)| at),
            client_due: client_due(&client),
            node,
            client,
            pause: None,
            buffer: VecDeque::new(),
            wakes_at: None,
            latest_epoch: Epoch::NONE,
            busy_until: now,
            lease_until: None,
            lease_wanted: false,
            session_since: None,
            connected_since: None,
            was_let_in: false,
            in_office: false,
        }
    }
}

/// One machine.
// What nearly every event looks at comes first.
#[derive(Clone, Debug)]
#[repr(C)]
pub(crate) struct Machine {
    pub(crate) number: NodeNumber,
    pub(crate) clock: Clock,
    /// How many processes have been started here.
    pub(crate) incarnation: Incarnation,
    pub(crate) process: Option<Running>,
    /// Where its process listens.
    pub(crate) address: Address,
    pub(crate) disk: DiskContent,
    /// How often the disk was wiped.
    pub(crate) wipes: u32,
    pub(crate) loads_that_fail: u32,
    pub(crate) load_times: Stream,
}

impl Machine {
    pub(crate) fn local(&self, now: SimTime) -> Instant {
        Instant::from_micros(self.clock.local(now))
    }

    /// The process, if it runs and is not held up.
    pub(crate) fn awake(&self) -> Option<&Running> {
        self.process.as_ref().filter(|process| process.pause.is_none())
    }

    /// The id a node proposes whose disk holds none: the machine's number, and how often it was wiped.
    pub(crate) fn fresh_id(number: NodeNumber, wipes: u32) -> NodeId {
        NodeId(u128::from(number.0) | (u128::from(wipes) << 64))
    }

    /// The machine that has, or had, this id.
    pub(crate) fn number_of(id: NodeId) -> NodeNumber {
        debug_assert!(id.0 as u64 <= u64::from(u32::MAX), "{id} was not made for a machine");
        NodeNumber(id.0 as u32)
    }
}
