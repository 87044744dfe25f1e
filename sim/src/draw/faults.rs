//! Faults that strike one by one, and single requests of people.

use super::{Frame, draw_moment, draw_node, draw_number, to_u32};
use crate::plan::{
    Action, Cut, Direction, Disk, DurationRange, Lasts, NodeNumber, OperatorAction, Protocol, Ratio,
    Selector, Step,
};
use crate::random::Stream;
use std::time::Duration;

/// The kinds of faults that come and go; the others are over at once, or would not be told from one that lasts.
pub(super) const FLAPPING: [Kind; 9] = [
    Kind::Cut,
    Kind::OneWayCut,
    Kind::PairCut,
    Kind::ZooKeeperCut,
    Kind::Delay,
    Kind::Crash,
    Kind::Pause,
    Kind::ExpireSession,
    Kind::ZooKeeperDown,
];

/// The kinds of steps.
pub(super) const KINDS: [Kind; 18] = [
    Kind::Cut,
    Kind::OneWayCut,
    Kind::PairCut,
    Kind::ZooKeeperCut,
    Kind::Loss,
    Kind::Duplicate,
    Kind::Delay,
    Kind::Crash,
    Kind::Restart,
    Kind::Stop,
    Kind::Start,
    Kind::Pause,
    Kind::Slow,
    Kind::Clock,
    Kind::ExpireSession,
    Kind::ZooKeeperDown,
    Kind::All,
    Kind::Operator,
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Cut,
    OneWayCut,
    /// Two nodes among others cannot talk with each other.
    PairCut,
    ZooKeeperCut,
    Loss,
    Duplicate,
    Delay,
    Crash,
    Restart,
    Stop,
    Start,
    Pause,
    Slow,
    Clock,
    ExpireSession,
    ZooKeeperDown,
    /// All nodes at once.
    All,
    Operator,
}

pub(super) fn draw_steps(frame: &Frame) -> Vec<Step> {
    let mut shape = frame.streams.stream("drawn plan");
    let steps = frame.temperament.draw_faults(&mut shape);
    let kinds = draw_kinds(&mut shape, frame);
    let steps = (0..steps).map(|number| {
        let mut stream = frame.streams.indexed("drawn step", number, 0);
        let at = draw_moment(&mut stream, 2_000, frame.horizon);
        draw_step(&mut stream, frame, &kinds, at)
    });
    steps.collect()
}

/// The kinds of faults that a plan, or a part of it, has.
pub(super) fn draw_kinds(shape: &mut Stream, frame: &Frame) -> Vec<Kind> {
    let kinds: Vec<Kind> = KINDS.into_iter().filter(|_| frame.temperament.draw_kind(shape)).collect();
    if kinds.is_empty() { KINDS.to_vec() } else { kinds }
}

/// One fault of one of these kinds, which begins at `at`.
pub(super) fn draw_step(stream: &mut Stream, frame: &Frame, kinds: &[Kind], at: Duration) -> Step {
    let action = draw_action(stream, kinds, frame.nodes);
    let lasts = if action.lasts() { Lasts::For(frame.pace.draw_length(stream)) } else { Lasts::UntilHealed };
    Step::new(at, action, lasts)
}

pub(super) fn draw_action(stream: &mut Stream, kinds: &[Kind], nodes: u32) -> Action {
    let node = draw_node(stream, nodes);
    match *stream.pick(kinds) {
        Kind::Cut => {
            Action::Cut { cut: draw_cut(stream, nodes, Direction::Both), protocol: draw_protocol(stream) }
        }
        Kind::OneWayCut => Action::Cut { cut: draw_cut(stream, nodes, Direction::OneWay), protocol: None },
        Kind::PairCut => Action::Cut { cut: draw_pair(stream, nodes), protocol: None },
        Kind::ZooKeeperCut => Action::Cut { cut: draw_zookeeper_links(stream, node), protocol: None },
        Kind::Loss => {
            Action::Loss { between: draw_links(stream, nodes), ratio: draw_ratio(stream, 50), protocol: None }
        }
        Kind::Duplicate => {
            let between = if stream.below(2) == 0 { Cut::everything() } else { draw_pair(stream, nodes) };
            Action::Duplicate { between, ratio: draw_ratio(stream, 50), protocol: None }
        }
        Kind::Delay => {
            let longest = stream.log_uniform(50, 20_000);
            let by = DurationRange { min: Duration::ZERO, max: Duration::from_millis(longest) };
            Action::Delay { between: draw_links(stream, nodes), by, protocol: None }
        }
        Kind::Crash => Action::Crash { node, disk: draw_disk(stream) },
        Kind::Restart => Action::Restart { node },
        Kind::Stop => Action::Stop { node },
        Kind::Start => Action::Start { node },
        Kind::Pause => Action::Pause { node, buffered: stream.below(4) != 0 },
        Kind::Slow => Action::Slow { node, by: Duration::from_millis(stream.between(10, 500)) },
        Kind::Clock if stream.below(2) == 0 => {
            Action::ClockJump { node, by: Duration::from_millis(stream.log_uniform(500, 120_000)) }
        }
        Kind::Clock => {
            let parts = i32::try_from(stream.between(0, 20_000)).unwrap_or(0);
            Action::ClockDrift { node, ppm: parts - 10_000 }
        }
        Kind::ExpireSession => Action::ExpireSession { node },
        Kind::ZooKeeperDown => Action::ZooKeeperDown,
        Kind::All => draw_of_all(stream),
        Kind::Operator => draw_request(stream, nodes),
    }
}

pub(super) fn draw_disk(stream: &mut Stream) -> Disk {
    *stream.pick(&[Disk::Kept, Disk::Kept, Disk::LastWriteLost, Disk::Wiped])
}

/// What happens to all nodes at once.
fn draw_of_all(stream: &mut Stream) -> Action {
    let node = Selector::All;
    match stream.below(5) {
        0 => Action::Stop { node },
        1 => Action::Crash { node, disk: Disk::Kept },
        2 => Action::Restart { node },
        3 => Action::Start { node },
        _ => Action::Pause { node, buffered: stream.below(2) == 0 },
    }
}

fn draw_request(stream: &mut Stream, nodes: u32) -> Action {
    let at = draw_node(stream, nodes);
    let node = Selector::Node(draw_number(stream, nodes));
    let request = match stream.below(8) {
        0..3 => OperatorAction::Disconnect(node),
        3..5 => OperatorAction::Connect(node),
        5..7 => OperatorAction::Remove(node),
        _ => OperatorAction::Offload(node),
    };
    Action::Operator { at, request }
}

/// One node, or some, against the rest.
fn draw_cut(stream: &mut Stream, nodes: u32, direction: Direction) -> Cut {
    let side = if stream.below(2) == 0 {
        vec![draw_node(stream, nodes)]
    } else {
        let mut side: Vec<Selector> = (1..=nodes)
            .filter(|_| stream.below(2) == 0)
            .map(|node| Selector::Node(NodeNumber(node)))
            .collect();
        if side.is_empty() {
            side.push(Selector::Node(NodeNumber(1)));
        }
        side
    };
    let (mut from, mut to) = (side, vec![Selector::Rest]);
    if direction == Direction::OneWay && stream.below(2) == 0 {
        std::mem::swap(&mut from, &mut to);
    }
    Cut { from, to, direction }
}

/// The link between two nodes, or one direction of it; that between one node and the rest when there are no two.
fn draw_pair(stream: &mut Stream, nodes: u32) -> Cut {
    let direction = draw_direction(stream);
    let one = draw_number(stream, nodes);
    let to = if nodes == 1 {
        Selector::Rest
    } else {
        // Any but the first, all equally likely.
        let other = NodeNumber(to_u32(stream.between(1, u64::from(nodes) - 1)));
        Selector::Node(if other >= one { NodeNumber(other.0 + 1) } else { other })
    };
    Cut { from: vec![Selector::Node(one)], to: vec![to], direction }
}

/// The links between `node` and ZooKeeper, or one direction of them.
fn draw_zookeeper_links(stream: &mut Stream, node: Selector) -> Cut {
    let direction = draw_direction(stream);
    let (mut from, mut to) = (vec![node], vec![Selector::ZooKeeper]);
    if stream.below(2) == 0 {
        std::mem::swap(&mut from, &mut to);
    }
    Cut { from, to, direction }
}

fn draw_direction(stream: &mut Stream) -> Direction {
    if stream.below(3) == 0 { Direction::OneWay } else { Direction::Both }
}

/// Links that lose messages, or are slow: all of them half of the time.
fn draw_links(stream: &mut Stream, nodes: u32) -> Cut {
    match stream.below(6) {
        0..3 => Cut::everything(),
        3 => draw_pair(stream, nodes),
        4 => draw_cut(stream, nodes, Direction::OneWay),
        _ => {
            let node = if stream.below(2) == 0 { Selector::All } else { draw_node(stream, nodes) };
            draw_zookeeper_links(stream, node)
        }
    }
}

fn draw_protocol(stream: &mut Stream) -> Option<Protocol> {
    *stream.pick(&[None, Some(Protocol::Cluster)])
}

pub(super) fn draw_ratio(stream: &mut Stream, percent_max: u64) -> Ratio {
    let percent = to_u32(stream.between(1, percent_max));
    Ratio::new(percent, 100).unwrap_or(Ratio { numerator: 1, denominator: 100 })
}
