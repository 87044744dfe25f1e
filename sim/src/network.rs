//! What the network does to each message: when it arrives, twice, or never. Who sends what is the world's business.

mod links;

use crate::plan::{DurationRange, NodeNumber, Protocol, Ratio};
use crate::random::{Stream, Streams};
pub(crate) use links::LinkPlace;
use links::Links;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// Who can send and receive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Endpoint {
    /// A node of the cluster.
    Node(NodeNumber),
    /// A server of the ZooKeeper ensemble, from 1.
    ZooKeeper(u32),
}

impl Endpoint {
    /// What two machines say to each other.
    #[must_use]
    pub const fn spoken_with(self, other: Endpoint) -> Protocol {
        match (self, other) {
            (Endpoint::Node(_), Endpoint::Node(_)) => Protocol::Cluster,
            (Endpoint::ZooKeeper(_), Endpoint::ZooKeeper(_)) => Protocol::Ensemble,
            (Endpoint::Node(_), Endpoint::ZooKeeper(_)) | (Endpoint::ZooKeeper(_), Endpoint::Node(_)) => {
                Protocol::ZooKeeper
            }
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Node(node) => node.fmt(f),
            Endpoint::ZooKeeper(server) => write!(f, "zk{server}"),
        }
    }
}

/// Which disturbance is meant when it is taken away again: its place in the plan.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct DisturbanceId(pub u32);

/// What is wrong with a set of links.
///
/// Of several losses on a link the likeliest counts, and of several duplications; delays add up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Disturbance {
    /// Nothing arrives, not even what is on its way.
    Cut,
    /// Each message is lost with this probability.
    Loss(Ratio),
    /// Each message that is not lost arrives twice with this probability.
    Duplicate(Ratio),
    /// Each message takes this much longer.
    Delay(DurationRange),
}

/// The links from each of some endpoints to each of others. No loopback is among them, even where the two overlap.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkSet {
    /// The endpoints that send.
    pub from: BTreeSet<Endpoint>,
    /// The endpoints that receive.
    pub to: BTreeSet<Endpoint>,
    /// Whether the links from `to` to `from` belong to the set too.
    pub both_ways: bool,
    /// The only protocol that is meant; all when absent.
    pub protocol: Option<Protocol>,
}

impl LinkSet {
    fn contains(&self, link: Link, protocol: Protocol) -> bool {
        let joins = |from, to| self.from.contains(&from) && self.to.contains(&to);
        self.protocol.is_none_or(|only| only == protocol)
            && (joins(link.from, link.to) || (self.both_ways && joins(link.to, link.from)))
    }
}

/// What becomes of a message: how long after it was sent each copy of it arrives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transmission {
    /// It never arrives.
    Lost,
    /// It arrives.
    Once(Duration),
    /// It arrives, and so does a copy, which may be the earlier of the two.
    Twice(Duration, Duration),
}

impl Transmission {
    /// The latency of each copy.
    pub fn latencies(self) -> impl Iterator<Item = Duration> {
        let (message, copy) = match self {
            Transmission::Lost => (None, None),
            Transmission::Once(message) => (Some(message), None),
            Transmission::Twice(message, copy) => (Some(message), Some(copy)),
        };
        message.into_iter().chain(copy)
    }
}

/// All links between nodes and ZooKeeper servers, and what is wrong with them at the moment.
///
/// The `k`th message of a link draws the same values whatever happens on other links and whichever disturbances are
/// in force. Taking one fault out of a plan therefore leaves all other draws as they were.
#[derive(Clone, Debug)]
pub struct Network {
    streams: Streams,
    latency: DurationRange,
    links: Links,
    disturbances: BTreeMap<DisturbanceId, (LinkSet, Disturbance)>,
    slow: BTreeMap<NodeNumber, Duration>,
    /// How many ZooKeeper servers, from zk1, run on the machine of the node of their number.
    embedded: u32,
}

/// How long a message of a process to itself takes.
pub const LOOPBACK_LATENCY: Duration = Duration::from_micros(50);

/// How long the sender of a stream waits before it sends a lost message again. The wait doubles each time.
pub const RETRANSMISSION_WAIT: Duration = Duration::from_millis(200);

/// How often a message of a stream is sent again. The last time it arrives: only a cut holds a stream up for good.
pub const RETRANSMISSIONS_MAX: u32 = 6;

impl Network {
    /// An undisturbed network whose links each take a time within `latency`, both ends equally likely, drawn anew
    /// for each message.
    #[must_use]
    pub const fn new(streams: Streams, latency: DurationRange) -> Self {
        Network {
            streams,
            latency,
            links: Links::new(streams, latency),
            disturbances: BTreeMap::new(),
            slow: BTreeMap::new(),
            embedded: 0,
        }
    }

    /// Puts `disturbance` into force on `links`.
    ///
    /// # Panics
    ///
    /// When a disturbance with this id is in force already.
    pub fn add(&mut self, id: DisturbanceId, links: LinkSet, disturbance: Disturbance) {
        let before = self.disturbances.insert(id, (links, disturbance));
        assert!(before.is_none(), "{id:?} is put into force once");
    }

    /// Takes a disturbance away; says whether it was still in force.
    pub fn remove(&mut self, id: DisturbanceId) -> bool {
        self.disturbances.remove(&id).is_some()
    }

    /// Takes all disturbances away, slowness included, but for those in `stay`.
    pub fn heal(&mut self, stay: &BTreeSet<DisturbanceId>) {
        self.disturbances.retain(|id, _| stay.contains(id));
        self.slow.clear();
    }

    /// The links that a disturbance is in force on.
    #[must_use]
    pub fn links(&self, id: DisturbanceId) -> Option<&LinkSet> {
        self.disturbances.get(&id).map(|(links, _)| links)
    }

    /// Sends one message that stands for itself, as each request of the cluster protocol does on a connection of
    /// its own: it is lost, delayed and duplicated without regard to those before it, and may overtake them.
    pub fn transmit(&mut self, from: Endpoint, to: Endpoint, protocol: Protocol) -> Transmission {
        if from == to {
            return Transmission::Once(LOOPBACK_LATENCY);
        }
        let link = Link { from, to };
        let place = self.links.place(link);
        let (number, latency) = self.links.next_message(place, link);
        if self.disturbances.is_empty() {
            return Transmission::Once(latency);
        }
        self.transmit_disturbed(link, number, latency, protocol)
    }

    #[cold]
    fn transmit_disturbed(
        &self,
        link: Link,
        number: u64,
        latency: Duration,
        protocol: Protocol,
    ) -> Transmission {
        let conditions = self.conditions(link, number, protocol);
        let lost = |ratio| self.draws(LOSS, link, number).chance(ratio);
        if conditions.cut || conditions.loss.is_some_and(lost) {
            return Transmission::Lost;
        }
        let message = latency.saturating_add(conditions.delay);
        match conditions.duplicate.and_then(|ratio| self.copy(link, number, ratio)) {
            Some(copy) => Transmission::Twice(message, copy.saturating_add(conditions.delay)),
            None => Transmission::Once(message),
        }
    }

    /// Sends one message of a connection; `None` when the link is cut. It is never duplicated, and loss makes it later
    /// by as many retransmissions as it takes. That messages arrive in the order in which they were sent is left to
    /// the caller. It searches for the link; who sends on one again and again keeps its place.
    pub fn transmit_stream(&mut self, from: Endpoint, to: Endpoint, protocol: Protocol) -> Option<Duration> {
        if from == to {
            return Some(LOOPBACK_LATENCY);
        }
        let place = self.place(from, to);
        self.transmit_stream_at(place, from, to, protocol)
    }

    /// Where the link from one endpoint to another is remembered, for [`Network::transmit_stream_at`].
    pub(crate) fn place(&mut self, from: Endpoint, to: Endpoint) -> LinkPlace {
        self.links.place(Link { from, to })
    }

    /// As [`Network::transmit_stream`], between different endpoints, by one who knows the place of the link.
    #[inline]
    pub(crate) fn transmit_stream_at(
        &mut self,
        place: LinkPlace,
        from: Endpoint,
        to: Endpoint,
        protocol: Protocol,
    ) -> Option<Duration> {
        debug_assert_ne!(from, to, "a message of a process to itself is on no link");
        let link = Link { from, to };
        let (number, latency) = self.links.next_message(place, link);
        if self.disturbances.is_empty() {
            return Some(latency);
        }
        self.stream_disturbed(link, number, latency, protocol)
    }

    #[cold]
    fn stream_disturbed(
        &self,
        link: Link,
        number: u64,
        latency: Duration,
        protocol: Protocol,
    ) -> Option<Duration> {
        let conditions = self.conditions(link, number, protocol);
        let lost_for = |ratio| waited(&mut self.draws(LOSS, link, number), ratio);
        let waited = conditions.loss.map_or(Duration::ZERO, lost_for);
        (!conditions.cut).then(|| latency.saturating_add(conditions.delay).saturating_add(waited))
    }

    /// Whether nothing gets from one endpoint to the other at the moment. To be asked when a message arrives, too:
    /// a cut takes what is on its way.
    #[must_use]
    #[inline]
    pub fn is_cut(&self, from: Endpoint, to: Endpoint, protocol: Protocol) -> bool {
        !self.disturbances.is_empty() && self.is_cut_by_any(Link { from, to }, protocol)
    }

    #[cold]
    fn is_cut_by_any(&self, link: Link, protocol: Protocol) -> bool {
        let cuts = |(links, disturbance): &(LinkSet, Disturbance)| match disturbance {
            Disturbance::Cut => links.contains(link, protocol),
            Disturbance::Loss(_) | Disturbance::Duplicate(_) | Disturbance::Delay(_) => false,
        };
        !self.stays_on_a_machine(link) && self.disturbances.values().any(cuts)
    }

    /// Whether no network lies between the two ends.
    fn stays_on_a_machine(&self, link: Link) -> bool {
        let shared = |node: NodeNumber, server: u32| node.0 == server && server <= self.embedded;
        match (link.from, link.to) {
            (Endpoint::Node(node), Endpoint::ZooKeeper(server))
            | (Endpoint::ZooKeeper(server), Endpoint::Node(node)) => shared(node, server),
            (from, to) => from == to,
        }
    }

    /// Lets the first `servers` ZooKeeper servers run on the machines of the nodes of their number: nothing disturbs what goes
    /// between the two.
    #[must_use]
    pub const fn with_embedded(mut self, servers: u32) -> Self {
        self.embedded = servers;
        self
    }

    /// Lets `node` handle every input that much later, or without delay again.
    pub fn set_slow(&mut self, node: NodeNumber, by: Option<Duration>) {
        match by {
            Some(by) => self.slow.insert(node, by),
            None => self.slow.remove(&node),
        };
    }

    /// How much later than it could `node` handles an input.
    #[must_use]
    pub fn slowness(&self, node: NodeNumber) -> Duration {
        if self.slow.is_empty() {
            return Duration::ZERO;
        }
        self.slow.get(&node).copied().unwrap_or(Duration::ZERO)
    }

    /// What all disturbances together mean for this message.
    fn conditions(&self, link: Link, number: u64, protocol: Protocol) -> Conditions {
        let mut conditions = Conditions { cut: false, loss: None, duplicate: None, delay: Duration::ZERO };
        for (links, disturbance) in self.disturbances.values() {
            if !links.contains(link, protocol) || self.stays_on_a_machine(link) {
                continue;
            }
            match *disturbance {
                Disturbance::Cut => conditions.cut = true,
                Disturbance::Loss(ratio) => conditions.loss = Some(likeliest(conditions.loss, ratio)),
                Disturbance::Duplicate(ratio) => {
                    conditions.duplicate = Some(likeliest(conditions.duplicate, ratio));
                }
                Disturbance::Delay(range) => {
                    let by = self.draws(DELAY, link, number).duration(range);
                    conditions.delay = conditions.delay.saturating_add(by);
                }
            }
        }
        conditions
    }

    /// The undisturbed latency of a second copy, if there is one.
    fn copy(&self, link: Link, number: u64, ratio: Ratio) -> Option<Duration> {
        let mut draws = self.draws(DUPLICATE, link, number);
        draws.chance(ratio).then(|| draws.duration(self.latency))
    }

    /// Disturbances are rare, so their draws are not kept going for each link but started for each message, which
    /// also makes them the same whether earlier messages were disturbed or not.
    fn draws(&self, label: &'static str, link: Link, number: u64) -> Stream {
        link.draws(self.streams, label, number)
    }
}

const LATENCY: &str = "network latency";
const LOSS: &str = "network loss";
const DUPLICATE: &str = "network duplicate";
const DELAY: &str = "network delay";

/// A directed link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Link {
    from: Endpoint,
    to: Endpoint,
}

impl Link {
    fn draws(self, streams: Streams, label: &'static str, number: u64) -> Stream {
        streams.numbered(label, index(self.from), index(self.to), number)
    }
}

/// Nodes have the lower 32 bits, ZooKeeper servers the bit above.
fn index(endpoint: Endpoint) -> u64 {
    match endpoint {
        Endpoint::Node(NodeNumber(node)) => u64::from(node),
        Endpoint::ZooKeeper(server) => 1 << 32 | u64::from(server),
    }
}

/// What all disturbances together mean for one message.
struct Conditions {
    cut: bool,
    loss: Option<Ratio>,
    duplicate: Option<Ratio>,
    delay: Duration,
}

/// The greater of the two ratios.
fn likeliest(before: Option<Ratio>, ratio: Ratio) -> Ratio {
    let numerator_over = |a: Ratio, b: Ratio| u64::from(a.numerator) * u64::from(b.denominator);
    match before {
        Some(before) if numerator_over(before, ratio) > numerator_over(ratio, before) => before,
        Some(_) | None => ratio,
    }
}

/// How long the sender waited for acknowledgements in vain, in all, before the message got through.
fn waited(draws: &mut Stream, loss: Ratio) -> Duration {
    let losses = (0..RETRANSMISSIONS_MAX).take_while(|_| draws.chance(loss)).count();
    // 1 + 2 + 4 + ... waits.
    RETRANSMISSION_WAIT * ((1 << losses) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Protocol::Cluster;

    const N1: Endpoint = Endpoint::Node(NodeNumber(1));
    const N2: Endpoint = Endpoint::Node(NodeNumber(2));
    const N3: Endpoint = Endpoint::Node(NodeNumber(3));
    const ZK1: Endpoint = Endpoint::ZooKeeper(1);
    const HALF: Ratio = Ratio { numerator: 1, denominator: 2 };
    const ALL: Ratio = Ratio { numerator: 1, denominator: 1 };

    fn range(min: u64, max: u64) -> DurationRange {
        DurationRange { min: Duration::from_millis(min), max: Duration::from_millis(max) }
    }

    /// A network whose links each take 1 to 5 ms.
    fn network() -> Network {
        Network::new(Streams::new(42), range(1, 5))
    }

    fn links(from: &[Endpoint], to: &[Endpoint]) -> LinkSet {
        let set = |endpoints: &[Endpoint]| endpoints.iter().copied().collect();
        LinkSet { from: set(from), to: set(to), both_ways: false, protocol: None }
    }

    /// A network with these disturbances on the link from n1 to n2, numbered from 0.
    fn disturbed(disturbances: &[Disturbance]) -> Network {
        let mut network = network();
        for (id, &disturbance) in (0..).map(DisturbanceId).zip(disturbances) {
            network.add(id, links(&[N1], &[N2]), disturbance);
        }
        network
    }

    /// What becomes of the next `N` messages from n1 to n2.
    fn sent<const N: usize>(network: &mut Network) -> [Transmission; N] {
        [(); N].map(|()| network.transmit(N1, N2, Cluster))
    }

    /// How long the next `N` messages of a stream from n1 to n2 take.
    fn streamed<const N: usize>(network: &mut Network) -> [Option<Duration>; N] {
        [(); N].map(|()| network.transmit_stream(N1, N2, Protocol::ZooKeeper))
    }

    fn once(latencies: [Transmission; 1000]) -> [Duration; 1000] {
        latencies.map(|transmission| match transmission {
            Transmission::Once(latency) => latency,
            Transmission::Lost | Transmission::Twice(..) => panic!("expected once: {transmission:?}"),
        })
    }

    #[track_caller]
    fn check_about_half(count: usize) {
        assert!(count.abs_diff(500) < 50, "expected about half of 1000, not {count}");
    }

    #[track_caller]
    fn check_cut(links: LinkSet, from: Endpoint, to: Endpoint, protocol: Protocol, expected: bool) {
        let mut network = network();
        network.add(DisturbanceId(0), links, Disturbance::Cut);
        assert_eq!(network.is_cut(from, to, protocol), expected);
        assert_eq!(network.transmit(from, to, protocol) == Transmission::Lost, expected);
    }

    #[test]
    fn an_undisturbed_link_takes_its_latency_and_overtaking_happens() {
        let latencies = once(sent(&mut network()));
        assert!(latencies.iter().all(|latency| (1_000..=5_000).contains(&latency.as_micros())));
        assert!(!latencies.is_sorted());
        assert_eq!(streamed(&mut network()), latencies.map(Some));
    }

    #[test]
    fn a_message_draws_the_same_whatever_happens_on_other_links() {
        let alone = once(sent(&mut network()));
        let mut busy = network();
        busy.add(DisturbanceId(7), links(&[N2, N3], &[N1]), Disturbance::Loss(HALF));
        let among_others = [(); 1000].map(|()| {
            busy.transmit(N2, N1, Cluster);
            busy.transmit_stream(N3, N1, Protocol::ZooKeeper);
            busy.transmit_stream(N1, ZK1, Protocol::ZooKeeper);
            busy.transmit(N1, N2, Cluster)
        });
        assert_eq!(once(among_others), alone);
    }

    #[test]
    fn links_and_their_directions_draw_on_their_own() {
        let mut network = network();
        let mut firsts: Vec<_> = [(N1, N2), (N2, N1), (N1, N3), (N1, ZK1), (ZK1, N1)]
            .map(|(from, to)| [(); 4].map(|()| network.transmit_stream(from, to, Protocol::ZooKeeper)))
            .to_vec();
        firsts.sort();
        firsts.dedup();
        assert_eq!(firsts.len(), 5);
        assert_ne!(index(Endpoint::ZooKeeper(1)), index(N1));
    }

    /// Messages that arrive with and without a fault in the plan arrive alike, but for that fault.
    #[test]
    fn taking_a_fault_away_leaves_all_other_draws_as_they_were() {
        let loss = Disturbance::Loss(HALF);
        let duplicate = Disturbance::Duplicate(HALF);
        let delay = Disturbance::Delay(range(10, 90));
        let seen = |disturbances: &[Disturbance]| sent::<1000>(&mut disturbed(disturbances));
        let (lossy, both, all) = (seen(&[loss]), seen(&[loss, duplicate]), seen(&[loss, duplicate, delay]));
        let (doubled, late) = (seen(&[duplicate]), seen(&[duplicate, delay]));
        for k in 0..1000 {
            let arrives = lossy[k] != Transmission::Lost;
            assert_eq!(both[k], if arrives { doubled[k] } else { Transmission::Lost });
            assert_eq!(all[k], if arrives { late[k] } else { Transmission::Lost });
        }
    }

    #[test]
    fn after_a_disturbance_the_link_goes_on_as_if_it_had_not_been() {
        let calm: [Transmission; 40] = sent(&mut network());
        for disturbance in [Disturbance::Cut, Disturbance::Loss(HALF), Disturbance::Duplicate(HALF)] {
            let mut network = disturbed(&[disturbance]);
            let during: [Transmission; 20] = sent(&mut network);
            assert_ne!(during, calm[..20]);
            assert!(network.remove(DisturbanceId(0)));
            assert_eq!(sent::<20>(&mut network), calm[20..]);
        }
    }

    #[test]
    fn a_disturbance_that_begins_later_draws_as_if_it_had_been_there() {
        let loss = Disturbance::Loss(HALF);
        let whole: [Transmission; 40] = sent(&mut disturbed(&[loss]));
        let mut network = network();
        sent::<20>(&mut network);
        network.add(DisturbanceId(3), links(&[N1], &[N2]), loss);
        assert_eq!(sent::<20>(&mut network), whole[20..]);
    }

    #[test]
    fn loss_takes_its_share_and_the_likeliest_of_several_counts() {
        let lost = |disturbances: &[Disturbance]| {
            sent::<1000>(&mut disturbed(disturbances)).map(|transmission| transmission == Transmission::Lost)
        };
        let loss = |percent| Disturbance::Loss(Ratio { numerator: percent, denominator: 100 });
        check_about_half(lost(&[loss(50)]).into_iter().filter(|&lost| lost).count());
        assert_eq!(lost(&[loss(20), loss(50), loss(30)]), lost(&[Disturbance::Loss(HALF)]));
        assert_eq!((lost(&[loss(100)]), lost(&[loss(0)])), ([true; 1000], [false; 1000]));
    }

    #[test]
    fn a_duplicate_has_a_latency_of_its_own_and_the_message_keeps_its_latency() {
        let mut pairs = Vec::new();
        let calm = once(sent(&mut network()));
        for (transmission, latency) in
            sent::<1000>(&mut disturbed(&[Disturbance::Duplicate(HALF)])).iter().zip(calm)
        {
            assert_eq!(transmission.latencies().next(), Some(latency));
            pairs.extend(transmission.latencies().nth(1).map(|copy| (latency, copy)));
        }
        check_about_half(pairs.len());
        assert!(pairs.iter().any(|(message, copy)| message < copy));
        assert!(pairs.iter().any(|(message, copy)| message > copy));
        assert!(pairs.iter().all(|(_, copy)| (1_000..=5_000).contains(&copy.as_micros())));
    }

    #[test]
    fn what_is_lost_says_nothing_about_what_is_duplicated() {
        let lossy = sent::<2000>(&mut disturbed(&[Disturbance::Loss(HALF), Disturbance::Duplicate(HALF)]));
        let twice = |transmission: &&Transmission| matches!(transmission, Transmission::Twice(..));
        check_about_half(lossy.iter().filter(twice).count());
    }

    #[test]
    fn delays_add_to_the_latency_of_the_message_and_of_its_copy() {
        let calm: [Transmission; 1000] = sent(&mut disturbed(&[Disturbance::Duplicate(ALL)]));
        let second = Disturbance::Delay(range(1_000, 1_000));
        let third = Disturbance::Delay(range(10_000, 20_000));
        let late: [Transmission; 1000] = sent(&mut disturbed(&[Disturbance::Duplicate(ALL), second, third]));
        for (late, calm) in late.into_iter().zip(calm) {
            let delays: Vec<_> =
                late.latencies().zip(calm.latencies()).map(|(late, calm)| late - calm).collect();
            assert_eq!(delays, [delays[0]; 2]);
            assert!((11_000..=21_000).contains(&delays[0].as_millis()));
        }
    }

    #[test]
    fn a_cut_holds_in_its_direction_or_in_both() {
        check_cut(links(&[N1], &[N2, N3]), N1, N3, Cluster, true);
        check_cut(links(&[N1], &[N2, N3]), N3, N1, Cluster, false);
        check_cut(links(&[N1], &[N2, N3]), N2, N3, Cluster, false);
        check_cut(LinkSet { both_ways: true, ..links(&[N1], &[N2, N3]) }, N3, N1, Cluster, true);
        check_cut(LinkSet { both_ways: true, ..links(&[N1], &[N2, N3]) }, N2, N3, Cluster, false);
    }

    #[test]
    fn a_cut_holds_for_its_protocol_or_for_all() {
        let only = |protocol| LinkSet { protocol: Some(protocol), ..links(&[N1], &[N2]) };
        for protocol in [Cluster, Protocol::ZooKeeper, Protocol::Ensemble] {
            check_cut(links(&[N1], &[N2]), N1, N2, protocol, true);
            check_cut(only(protocol), N1, N2, protocol, true);
        }
        check_cut(only(Protocol::ZooKeeper), N1, N2, Cluster, false);
        check_cut(only(Cluster), N1, N2, Protocol::ZooKeeper, false);
    }

    #[test]
    fn a_cut_that_comes_while_a_message_is_on_its_way_is_seen_on_arrival() {
        let mut network = network();
        assert!(matches!(network.transmit(N1, N2, Cluster), Transmission::Once(_)));
        network.add(DisturbanceId(0), links(&[N1], &[N2]), Disturbance::Cut);
        assert!(network.is_cut(N1, N2, Cluster));
    }

    #[test]
    fn only_a_cut_is_a_cut() {
        let network = disturbed(&[Disturbance::Loss(ALL), Disturbance::Duplicate(ALL)]);
        assert!(!network.is_cut(N1, N2, Cluster));
    }

    #[test]
    fn a_node_always_reaches_itself() {
        let mut network = network();
        let everywhere = || LinkSet { both_ways: true, ..links(&[N1, N2], &[N1, N2]) };
        network.add(DisturbanceId(0), everywhere(), Disturbance::Cut);
        network.add(DisturbanceId(1), everywhere(), Disturbance::Loss(ALL));
        network.add(DisturbanceId(2), everywhere(), Disturbance::Duplicate(ALL));
        network.add(DisturbanceId(3), everywhere(), Disturbance::Delay(range(1, 2)));
        assert_eq!(network.transmit(N1, N1, Cluster), Transmission::Once(LOOPBACK_LATENCY));
        assert_eq!(network.transmit_stream(N1, N1, Protocol::Ensemble), Some(LOOPBACK_LATENCY));
        assert!(!network.is_cut(N1, N1, Cluster));
        assert!(network.is_cut(N1, N2, Cluster));
    }

    #[test]
    fn a_stream_sends_again_what_is_lost_and_never_twice() {
        let calm: [_; 1000] = streamed(&mut network());
        let lossy: [_; 1000] =
            streamed(&mut disturbed(&[Disturbance::Loss(HALF), Disturbance::Duplicate(ALL)]));
        let mut waits: Vec<u128> = lossy
            .iter()
            .zip(calm)
            .map(|(&lossy, calm)| (lossy.unwrap() - calm.unwrap()).as_millis())
            .collect();
        check_about_half(waits.iter().filter(|&&wait| wait == 0).count());
        waits.sort();
        waits.dedup();
        assert_eq!(waits, [0, 200, 600, 1_400, 3_000, 6_200, 12_600]);
    }

    #[test]
    fn a_stream_sends_again_at_most_six_times() {
        let calm: [_; 20] = streamed(&mut network());
        let lossy: [_; 20] = streamed(&mut disturbed(&[Disturbance::Loss(ALL)]));
        assert_eq!(lossy, calm.map(|calm| calm.map(|calm| calm + Duration::from_millis(12_600))));
    }

    #[test]
    fn a_stream_is_delayed_and_cut_as_other_messages_are() {
        let calm: [_; 20] = streamed(&mut network());
        let late: [_; 20] = streamed(&mut disturbed(&[Disturbance::Delay(range(70, 70))]));
        assert_eq!(late, calm.map(|calm| calm.map(|calm| calm + Duration::from_millis(70))));
        assert_eq!(streamed(&mut disturbed(&[Disturbance::Cut])), [None; 20]);
        let mut network = network();
        let cluster = LinkSet { protocol: Some(Cluster), ..links(&[N1], &[N2]) };
        network.add(DisturbanceId(0), cluster, Disturbance::Cut);
        assert_eq!(streamed(&mut network), calm);
    }

    #[test]
    fn healing_takes_everything_away() {
        let mut network = disturbed(&[Disturbance::Cut, Disturbance::Loss(ALL)]);
        network.set_slow(NodeNumber(1), Some(Duration::from_secs(1)));
        network.heal(&BTreeSet::new());
        assert_eq!(network.slowness(NodeNumber(1)), Duration::ZERO);
        assert!(!network.is_cut(N1, N2, Cluster));
        assert_eq!(sent::<20>(&mut network), sent(&mut self::network()));
        assert!(!network.remove(DisturbanceId(0)), "what is healed is no longer in force");
    }

    #[test]
    fn healing_leaves_what_stays_for_ever() {
        let mut network = disturbed(&[Disturbance::Loss(ALL), Disturbance::Cut]);
        network.heal(&BTreeSet::from([DisturbanceId(1)]));
        assert!(network.is_cut(N1, N2, Cluster));
        assert!(network.links(DisturbanceId(0)).is_none() && network.links(DisturbanceId(1)).is_some());
    }

    #[test]
    #[should_panic(expected = "DisturbanceId(0) is put into force once")]
    fn a_disturbance_is_not_put_into_force_twice() {
        disturbed(&[Disturbance::Cut]).add(DisturbanceId(0), links(&[N1], &[N2]), Disturbance::Cut);
    }

    #[test]
    fn a_slow_node_stays_slow_until_it_is_told_otherwise() {
        let mut network = network();
        network.set_slow(NodeNumber(1), Some(Duration::from_secs(1)));
        assert_eq!(network.slowness(NodeNumber(1)), Duration::from_secs(1));
        assert_eq!(network.slowness(NodeNumber(2)), Duration::ZERO);
        network.set_slow(NodeNumber(1), None);
        assert_eq!(network.slowness(NodeNumber(1)), Duration::ZERO);
    }
}
