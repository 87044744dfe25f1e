//! What no healing brings back: a minority of the nodes, or of the ZooKeeper servers, that dies or is cut off for good.

use super::faults::draw_disk;
use super::{Frame, draw_moment, to_u32};
use crate::plan::{Action, Cut, Direction, Disk, Lasts, NodeNumber, Selector, Step};
use crate::random::Stream;

/// One of this many runs loses nodes for good, and as many lose servers, if there are enough.
const ONE_IN: u64 = 10;

/// The most machines that are lost for good, so that the plan of a wide cluster can still be read.
const LOST_MAX: u32 = 3;

pub(super) fn draw_steps(frame: &Frame) -> Vec<Step> {
    let mut nodes = frame.streams.stream("drawn nodes lost for good");
    let mut servers = frame.streams.stream("drawn servers lost for good");
    let mut steps = Vec::new();
    if frame.nodes >= 3 && nodes.below(ONE_IN) == 0 {
        steps.extend(lose_nodes(&mut nodes, frame));
    }
    if frame.servers >= 3 && servers.below(ONE_IN) == 0 {
        steps.extend(lose_servers(&mut servers, frame));
    }
    steps
}

/// Fewer than half of the nodes, or the coordinator.
fn lose_nodes(stream: &mut Stream, frame: &Frame) -> Vec<Step> {
    let chosen: Vec<Selector> = if stream.below(4) == 0 {
        vec![Selector::Coordinator]
    } else {
        let numbers = draw_minority(stream, frame.nodes);
        numbers.into_iter().map(|number| Selector::Node(NodeNumber(number))).collect()
    };
    let kind = stream.below(5);
    let cut = |to: Vec<Selector>| Action::Cut {
        cut: Cut { from: chosen.clone(), to, direction: Direction::Both },
        protocol: None,
    };
    let actions: Vec<Action> = match kind {
        0 => vec![cut(vec![Selector::Rest, Selector::ZooKeeper])],
        1 => vec![cut(vec![Selector::ZooKeeper])],
        2 => chosen.iter().map(|node| Action::Stop { node: *node }).collect(),
        3 => chosen.iter().map(|node| Action::Pause { node: *node, buffered: true }).collect(),
        _ => chosen.iter().map(|node| Action::Crash { node: *node, disk: draw_disk(stream) }).collect(),
    };
    each_at_a_time(stream, frame, actions)
}

/// Fewer than half of the servers.
fn lose_servers(stream: &mut Stream, frame: &Frame) -> Vec<Step> {
    let numbers = draw_minority(stream, frame.servers);
    let kind = stream.below(3);
    let servers = numbers.into_iter().map(Selector::ZooKeeperServer);
    let actions = servers.map(|node| match kind {
        0 => {
            let to = vec![Selector::ZooKeeper, Selector::All];
            Action::Cut { cut: Cut { from: vec![node], to, direction: Direction::Both }, protocol: None }
        }
        1 => Action::Pause { node, buffered: true },
        _ => Action::Crash { node, disk: Disk::Kept },
    });
    let actions = actions.collect();
    each_at_a_time(stream, frame, actions)
}

/// All at once, or each at a time of its own.
fn each_at_a_time(stream: &mut Stream, frame: &Frame, actions: Vec<Action>) -> Vec<Step> {
    let together = stream.below(2) == 0;
    let mut at = draw_moment(stream, 5_000, frame.horizon);
    let steps = actions.into_iter().map(|action| {
        if !together {
            at = draw_moment(stream, 5_000, frame.horizon);
        }
        Step::new(at, action, Lasts::ForEver)
    });
    steps.collect()
}

/// From one to less than half of the numbers from 1 to `all`, at most [`LOST_MAX`].
fn draw_minority(stream: &mut Stream, all: u32) -> Vec<u32> {
    let most = ((all - 1) / 2).min(LOST_MAX);
    let count = to_u32(stream.between(1, u64::from(most)));
    let mut numbers: Vec<u32> = (1..=all).collect();
    stream.shuffle(&mut numbers);
    numbers.truncate(count as usize);
    numbers.sort_unstable();
    numbers
}
