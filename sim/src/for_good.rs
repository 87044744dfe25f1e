//! What a plan takes away for ever, and which machines are lost with it: those that are gone, and those that links which
//! stay cut keep from the others. Only the rest must come back after the healing.

use crate::network::{Endpoint, LinkSet};
use crate::plan::NodeNumber;
use std::collections::{BTreeMap, BTreeSet};

/// What no healing brings back.
#[derive(Clone, Debug)]
pub(crate) struct ForGood {
    nodes: u32,
    servers: u32,
    /// Machines whose process is dead or stands still; nothing starts it again.
    gone: BTreeSet<Endpoint>,
    /// Links that stay cut.
    cuts: Vec<LinkSet>,
    /// The machines that are not expected to come back: gone, or cut off from the rest.
    lost: BTreeSet<Endpoint>,
    /// Why nothing can serve any more, if so.
    nothing_left: Option<&'static str>,
}

impl ForGood {
    /// Nothing is lost in a cluster of so many nodes and ZooKeeper servers.
    pub(crate) fn new(nodes: u32, servers: u32) -> ForGood {
        ForGood {
            nodes,
            servers,
            gone: BTreeSet::new(),
            cuts: Vec::new(),
            lost: BTreeSet::new(),
            nothing_left: None,
        }
    }

    /// The processes of these machines are dead, or stand still, for ever.
    pub(crate) fn lose(&mut self, machines: impl IntoIterator<Item = Endpoint>) {
        self.gone.extend(machines);
        self.count_what_is_left();
    }

    /// These links are cut for ever.
    pub(crate) fn cut(&mut self, links: LinkSet) {
        self.cuts.push(links);
        self.count_what_is_left();
    }

    /// Whether a machine's process never runs again.
    pub(crate) fn is_gone(&self, machine: Endpoint) -> bool {
        self.gone.contains(&machine)
    }

    /// Whether a machine is not expected to come back.
    pub(crate) fn is_lost(&self, machine: Endpoint) -> bool {
        self.lost.contains(&machine)
    }

    /// Whether anything is lost for ever.
    pub(crate) fn is_anything(&self) -> bool {
        !self.gone.is_empty() || !self.cuts.is_empty()
    }

    /// Why nothing can serve any more, if so: no majority of the ZooKeeper servers, or no node that reaches one.
    pub(crate) fn nothing_left(&self) -> Option<&'static str> {
        self.nothing_left
    }

    fn count_what_is_left(&mut self) {
        let living = |machine: &Endpoint| !self.gone.contains(machine);
        let apart = self.apart();
        let servers = (1..=self.servers).map(Endpoint::ZooKeeper);
        let serving = whole_group(servers.clone().filter(living).collect(), &apart);
        let reaches_one = |node: &Endpoint| serving.iter().any(|server| !is_apart(&apart, *node, *server));
        let nodes = (1..=self.nodes).map(|node| Endpoint::Node(NodeNumber(node)));
        let reaching = nodes.clone().filter(living).filter(reaches_one).collect();
        let members = whole_group(reaching, &apart);
        self.nothing_left = if serving.len() * 2 <= self.servers as usize {
            Some("no majority of the ZooKeeper servers is left for good")
        } else if members.is_empty() {
            Some("no node that reaches ZooKeeper is left for good")
        } else {
            None
        };
        let is_left = |machine: &Endpoint| serving.contains(machine) || members.contains(machine);
        self.lost = nodes.chain(servers).filter(|machine| !is_left(machine)).collect();
    }

    /// For each machine, the others that it cannot talk with, or not in both directions.
    fn apart(&self) -> Apart {
        let mut apart = Apart::new();
        for LinkSet { from, to, both_ways: _, protocol } in &self.cuts {
            for (one, other) in from.iter().flat_map(|one| to.iter().map(move |other| (*one, *other))) {
                if one != other && protocol.is_none_or(|protocol| protocol == one.spoken_with(other)) {
                    apart.entry(one).or_default().insert(other);
                    apart.entry(other).or_default().insert(one);
                }
            }
        }
        apart
    }
}

type Apart = BTreeMap<Endpoint, BTreeSet<Endpoint>>;

fn is_apart(apart: &Apart, one: Endpoint, other: Endpoint) -> bool {
    apart.get(&one).is_some_and(|others| others.contains(&other))
}

/// Those of `group` that can all talk with each other: as long as there are two that cannot, the one that is cut off from
/// the most others is left out, and among equals the one with the highest number.
fn whole_group(mut group: BTreeSet<Endpoint>, apart: &Apart) -> BTreeSet<Endpoint> {
    let others = |machine: &Endpoint| apart.get(machine).into_iter().flatten();
    let mut counts: BTreeMap<Endpoint, usize> = BTreeMap::new();
    for machine in &group {
        let count = others(machine).filter(|other| group.contains(other)).count();
        if count > 0 {
            counts.insert(*machine, count);
        }
    }
    while let Some((worst, count)) = counts.iter().max_by_key(|(machine, count)| (**count, **machine)) {
        if *count == 0 {
            break;
        }
        let worst = *worst;
        group.remove(&worst);
        counts.remove(&worst);
        for other in others(&worst) {
            if let Some(count) = counts.get_mut(other) {
                *count -= 1;
            }
        }
    }
    group
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Protocol;

    fn node(number: u32) -> Endpoint {
        Endpoint::Node(NodeNumber(number))
    }

    fn links(from: &[Endpoint], to: &[Endpoint]) -> LinkSet {
        let [from, to] = [from, to].map(|side| side.iter().copied().collect());
        LinkSet { from, to, both_ways: false, protocol: None }
    }

    #[track_caller]
    fn check(for_good: &ForGood, lost: &[Endpoint], nothing_left: bool) {
        assert_eq!(for_good.lost, lost.iter().copied().collect());
        assert_eq!(for_good.nothing_left().is_some(), nothing_left);
    }

    #[test]
    fn what_is_gone_is_lost_and_the_rest_is_not() {
        let mut for_good = ForGood::new(3, 3);
        check(&for_good, &[], false);
        for_good.lose([node(2), Endpoint::ZooKeeper(1)]);
        check(&for_good, &[node(2), Endpoint::ZooKeeper(1)], false);
        assert!(for_good.is_gone(node(2)) && for_good.is_lost(node(2)));
    }

    #[test]
    fn a_node_that_is_cut_off_in_one_direction_is_lost_and_not_gone() {
        let mut for_good = ForGood::new(4, 1);
        for_good.cut(links(&[node(1), node(3), node(4)], &[node(2)]));
        check(&for_good, &[node(2)], false);
        assert!(!for_good.is_gone(node(2)));
        for_good.cut(links(&[node(4)], &[Endpoint::ZooKeeper(1)]));
        check(&for_good, &[node(2), node(4)], false);
    }

    #[test]
    fn of_two_nodes_that_cannot_talk_one_is_lost() {
        let mut for_good = ForGood::new(3, 1);
        for_good.cut(links(&[node(1)], &[node(2)]));
        check(&for_good, &[node(2)], false);
    }

    #[test]
    fn a_node_that_reaches_one_server_of_three_is_not_lost() {
        let mut for_good = ForGood::new(2, 3);
        for_good.cut(links(&[node(1)], &[Endpoint::ZooKeeper(1), Endpoint::ZooKeeper(2)]));
        check(&for_good, &[], false);
        for_good.lose([Endpoint::ZooKeeper(3)]);
        check(&for_good, &[node(1), Endpoint::ZooKeeper(3)], false);
    }

    #[test]
    fn without_a_majority_of_servers_or_without_nodes_nothing_is_left() {
        let mut for_good = ForGood::new(1, 2);
        for_good.lose([Endpoint::ZooKeeper(1)]);
        check(&for_good, &[Endpoint::ZooKeeper(1)], true);
        let mut for_good = ForGood::new(2, 1);
        for_good.lose([node(1), node(2)]);
        check(&for_good, &[node(1), node(2)], true);
    }

    #[test]
    fn a_cut_of_one_protocol_leaves_the_others_whole() {
        let mut for_good = ForGood::new(2, 1);
        let cluster =
            LinkSet { protocol: Some(Protocol::Cluster), ..links(&[node(1)], &[Endpoint::ZooKeeper(1)]) };
        for_good.cut(cluster);
        check(&for_good, &[], false);
    }
}
