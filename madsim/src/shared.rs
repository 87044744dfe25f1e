//! What all machines of a run share. Everything runs on one thread, so nobody waits for it.

use crate::server::Mailbox;
use crate::shell::Shell;
use madsim::time::TimeHandle;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use zeromaster_sim::network::Endpoint;
use zeromaster_sim::plan::NodeNumber;
use zeromaster_sim::time::SimTime;
use zeromaster_sim::witness::{Start, Witness};
use zeromaster_zookeeper::{ConnectionId, ServerOutput};

/// Where ZooKeeper's servers listen for clients.
pub(crate) const CLIENT_PORT: u16 = 2181;

/// Where they listen for each other's links.
pub(crate) const PEER_PORT: u16 = 2888;

/// Where they listen for each other's votes.
pub(crate) const VOTE_PORT: u16 = 3888;

/// Where people sit.
pub(crate) const PEOPLE: IpAddr = IpAddr::V4(Ipv4Addr::new(172, 16, 0, 1));

/// The address of a machine.
pub(crate) fn ip(machine: Endpoint) -> IpAddr {
    match machine {
        Endpoint::Node(node) => {
            let [_, high, middle, low] = node.0.to_be_bytes();
            Ipv4Addr::new(10, high, middle, low).into()
        }
        Endpoint::ZooKeeper(server) => {
            let [_, high, middle, low] = server.to_be_bytes();
            Ipv4Addr::new(11, high, middle, low).into()
        }
    }
}

/// The machine at an address; people have none that a plan could mean.
pub(crate) fn machine_at(ip: IpAddr) -> Option<Endpoint> {
    let IpAddr::V4(ip) = ip else { return None };
    let [kind, high, middle, low] = ip.octets();
    let number = u32::from_be_bytes([0, high, middle, low]);
    match kind {
        10 => Some(Endpoint::Node(NodeNumber(number))),
        11 => Some(Endpoint::ZooKeeper(number)),
        _ => None,
    }
}

/// One direction of a link between two machines.
pub(crate) type Way = (Endpoint, Endpoint);

/// The world of a run.
pub(crate) struct World {
    pub(crate) witness: Witness,
    pub(crate) shell: Shell,
    /// What each step of the plan has cut.
    cuts: BTreeMap<u32, BTreeSet<Way>>,
    /// Of all of them.
    cut: BTreeSet<Way>,
    /// The steps that let messages be lost.
    pub(crate) losses: BTreeSet<u32>,
    /// What the next process of a node is to be started with.
    pub(crate) starting: BTreeMap<NodeNumber, Start>,
    /// What the next process of a server does first.
    pub(crate) restarting: BTreeMap<u32, Vec<ServerOutput>>,
    /// Where each running server hears of things.
    pub(crate) servers: BTreeMap<u32, Mailbox>,
    /// The connections that clients have opened from an address, and no server has accepted yet.
    opened: BTreeMap<SocketAddr, VecDeque<ConnectionId>>,
    /// Who is to be woken, if anybody sleeps.
    pub(crate) alarm: Option<Alarm>,
}

/// Whom to wake when a condition of the plan comes true, and for what else.
pub(crate) struct Alarm {
    pub(crate) waker: Waker,
    /// Also when something was found that nothing excuses.
    pub(crate) of_violations: bool,
}

impl World {
    pub(crate) fn new(witness: Witness) -> World {
        World {
            witness,
            shell: Shell::default(),
            cuts: BTreeMap::new(),
            cut: BTreeSet::new(),
            losses: BTreeSet::new(),
            starting: BTreeMap::new(),
            restarting: BTreeMap::new(),
            servers: BTreeMap::new(),
            opened: BTreeMap::new(),
            alarm: None,
        }
    }

    /// A step of the plan cuts these ways, or none any more. The ways that are cut now and were not, and the other way
    /// round.
    pub(crate) fn set_cut(&mut self, step: u32, ways: Option<BTreeSet<Way>>) -> (Vec<Way>, Vec<Way>) {
        match ways {
            Some(ways) => self.cuts.insert(step, ways),
            None => self.cuts.remove(&step),
        };
        let now: BTreeSet<Way> = self.cuts.values().flatten().copied().collect();
        let before = std::mem::replace(&mut self.cut, now.clone());
        (now.difference(&before).copied().collect(), before.difference(&now).copied().collect())
    }

    /// All steps that have cut something.
    pub(crate) fn cutting(&self) -> Vec<u32> {
        self.cuts.keys().copied().collect()
    }

    /// Whether nothing gets from one machine to another.
    pub(crate) fn is_cut(&self, from: Option<Endpoint>, to: Option<Endpoint>) -> bool {
        matches!((from, to), (Some(from), Some(to)) if self.cut.contains(&(from, to)))
    }

    /// Whether there is a reason to raise an alarm.
    pub(crate) fn raises(&mut self, alarm: &Alarm) -> bool {
        let comes_true = self.witness.looks_for_conditions();
        comes_true || (alarm.of_violations && self.witness.is_violated())
    }

    /// Whether a machine's process runs.
    pub(crate) fn runs(&self, machine: Option<Endpoint>) -> bool {
        match machine {
            Some(Endpoint::Node(node)) => self.witness.runs(node),
            Some(Endpoint::ZooKeeper(server)) => self.witness.server_runs(server),
            None => true,
        }
    }

    /// A client has opened this connection from there.
    pub(crate) fn opened(&mut self, from: SocketAddr, connection: ConnectionId) {
        self.opened.entry(from).or_default().push_back(connection);
    }

    /// A server accepts a connection from there. Which it is.
    pub(crate) fn accepted(&mut self, from: SocketAddr) -> Option<ConnectionId> {
        let waiting = self.opened.get_mut(&from)?;
        let connection = waiting.pop_front();
        if waiting.is_empty() {
            self.opened.remove(&from);
        }
        connection
    }
}

/// The world, as each machine holds it.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<World>>);

impl Shared {
    pub(crate) fn new(world: World) -> Shared {
        Shared(Arc::new(Mutex::new(world)))
    }

    /// Does something to the world, at this moment.
    pub(crate) fn now<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.lock();
        world.witness.at(now());
        let done = act(&mut world);
        if let Some(alarm) = world.alarm.take() {
            if world.raises(&alarm) {
                alarm.waker.wake();
            } else {
                world.alarm = Some(alarm);
            }
        } else {
            world.witness.looks_for_conditions();
        }
        done
    }

    /// The world, when all machines are gone.
    pub(crate) fn take(self, empty: World) -> World {
        std::mem::replace(&mut *self.lock(), empty)
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// What time it is.
pub(crate) fn now() -> SimTime {
    let elapsed = TimeHandle::current().elapsed();
    SimTime::from_micros(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX))
}
