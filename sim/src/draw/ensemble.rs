//! How many ZooKeeper servers a drawn scenario has, and what happens to them when there are several. A scenario with one
//! server has no such steps, and is as if nothing had been drawn here.

use super::faults::draw_ratio;
use super::{Frame, draw_moment, draw_node, to_u32};
use crate::plan::{Action, Cut, Direction, Disk, DurationRange, Lasts, Protocol, Selector, Step};
use crate::random::Stream;
use crate::scenario::{ClientLibrary, ZooKeeper};
use std::time::Duration;
use zeromaster_zookeeper::Release;

/// The kinds of steps.
const KINDS: [Kind; 10] = [
    Kind::Crash,
    Kind::Restart,
    Kind::Pause,
    Kind::QuorumLost,
    Kind::Cut,
    Kind::ClientCut,
    Kind::Lag,
    Kind::Loss,
    Kind::Clock,
    Kind::WallClock,
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Crash,
    Restart,
    Pause,
    QuorumLost,
    Cut,
    ClientCut,
    Lag,
    Loss,
    Clock,
    WallClock,
}

/// Fourteen of 24 clusters have one server, seven have three, two have five. One has an even number, with which the
/// majority is no smaller than with one more.
pub(super) fn draw_servers(stream: &mut Stream, tick: Duration, longest_latency: Duration) -> ZooKeeper {
    let servers = match stream.below(24) {
        0..14 => return ZooKeeper { tick, ..ZooKeeper::default() },
        14..21 => 3,
        21..23 => 5,
        _ => *stream.pick(&[2, 4]),
    };
    ZooKeeper {
        servers,
        servers_by_properties: false,
        embedded: 0,
        // No session lasts longer than twenty ticks.
        tick: tick.max(longest_latency * SHORTEST_SESSION / 20),
        init_limit: *stream.pick(&[5, 10]),
        sync_limit: *stream.pick(&[2, 5, 5]),
        release: *stream.pick(&[Release::V3_8_0, Release::V3_9_5]),
        library: *stream.pick(&[ClientLibrary::Curator, ClientLibrary::CuratorOn393]),
        ..ZooKeeper::default()
    }
}

/// The shortest session timeout with which anybody can coordinate. In an ensemble a lease takes three writes one after the
/// other, each of them six messages on their way, and a pause of a quarter of the timeout between two of them; all that has
/// to fit well into two thirds of the timeout.
pub(super) fn shortest_session(zookeeper: ZooKeeper, longest_latency: Duration) -> Duration {
    if zookeeper.servers == 1 { Duration::ZERO } else { longest_latency * SHORTEST_SESSION }
}

/// So many times the longest latency.
const SHORTEST_SESSION: u32 = 60;

/// The steps that strike servers.
pub(super) fn draw_steps(frame: &Frame) -> Vec<Step> {
    if frame.servers == 1 {
        return Vec::new();
    }
    let mut shape = frame.streams.stream("drawn ensemble plan");
    let steps = frame.temperament.draw_server_faults(&mut shape);
    let kinds: Vec<Kind> = KINDS.into_iter().filter(|_| shape.below(2) == 0).collect();
    let kinds = if kinds.is_empty() { KINDS.to_vec() } else { kinds };
    let steps = (0..steps).map(|number| {
        let mut stream = frame.streams.indexed("drawn ensemble step", number, 0);
        let at = draw_moment(&mut stream, 2_000, frame.horizon);
        let action = draw_action(&mut stream, &kinds, frame.nodes, frame.servers);
        let lasts =
            if action.lasts() { Lasts::For(frame.pace.draw_length(&mut stream)) } else { Lasts::UntilHealed };
        Step::new(at, action, lasts)
    });
    steps.collect()
}

fn draw_action(stream: &mut Stream, kinds: &[Kind], nodes: u32, servers: u32) -> Action {
    let node = draw_server(stream, servers);
    match *stream.pick(kinds) {
        Kind::Crash => Action::Crash { node, disk: Disk::Kept },
        Kind::Restart => Action::Restart { node },
        Kind::Pause => Action::Pause { node, buffered: stream.below(4) != 0 },
        Kind::QuorumLost => {
            let node = *stream.pick(&[Selector::ZooKeeperFollowers, Selector::ZooKeeper]);
            match stream.below(3) {
                0 => Action::Pause { node, buffered: true },
                1 => Action::Restart { node },
                _ => Action::Crash { node, disk: Disk::Kept },
            }
        }
        Kind::Cut => {
            let direction = if stream.below(3) == 0 { Direction::OneWay } else { Direction::Both };
            let (mut from, mut to) = (vec![node], vec![other_side(stream, node)]);
            if stream.below(2) == 0 {
                std::mem::swap(&mut from, &mut to);
            }
            Action::Cut { cut: Cut { from, to, direction }, protocol: Some(Protocol::Ensemble) }
        }
        Kind::ClientCut => {
            let from = if stream.below(3) == 0 { Selector::All } else { draw_node(stream, nodes) };
            let direction = if stream.below(3) == 0 { Direction::OneWay } else { Direction::Both };
            Action::Cut { cut: Cut { from: vec![from], to: vec![node], direction }, protocol: None }
        }
        Kind::Lag => {
            let longest = stream.log_uniform(50, 10_000);
            let by = DurationRange { min: Duration::ZERO, max: Duration::from_millis(longest) };
            let direction = if stream.below(2) == 0 { Direction::OneWay } else { Direction::Both };
            let between = Cut { from: vec![other_side(stream, node)], to: vec![node], direction };
            Action::Delay { between, by, protocol: Some(Protocol::Ensemble) }
        }
        Kind::Loss => {
            let (between, ratio) = (Cut::ensemble(), draw_ratio(stream, 50));
            Action::Loss { between, ratio, protocol: Some(Protocol::Ensemble) }
        }
        Kind::Clock => {
            let parts = i32::try_from(stream.between(0, 20_000)).unwrap_or(0);
            Action::ClockDrift { node, ppm: parts - 10_000 }
        }
        Kind::WallClock => {
            let by = i64::try_from(stream.log_uniform(500, 86_400_000)).unwrap_or(0);
            let by_ms = if stream.below(2) == 0 { by } else { -by };
            Action::WallClock { server: node, by_ms }
        }
    }
}

fn draw_server(stream: &mut Stream, servers: u32) -> Selector {
    match stream.below(3) {
        0 => Selector::ZooKeeperLeader,
        _ => Selector::ZooKeeperServer(to_u32(stream.between(1, u64::from(servers)))),
    }
}

/// Whom a server is parted from: all others, or the followers.
fn other_side(stream: &mut Stream, server: Selector) -> Selector {
    match server {
        Selector::ZooKeeperLeader if stream.below(2) == 0 => Selector::ZooKeeperFollowers,
        _ => Selector::ZooKeeper,
    }
}
