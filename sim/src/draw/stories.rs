//! Stories: what people ask about one node, one request after the other, and a fault around them. Offload and remove are
//! refused unless the node was disconnected before, so that requests which are drawn one by one do not get there.

use super::{Frame, draw_moment, draw_number};
use crate::plan::{Action, Cut, Direction, Disk, Lasts, NodeNumber, OperatorAction, Selector, Step};
use crate::random::Stream;
use crate::world::OFFLOAD_TIME;
use std::time::Duration;

/// What happens to the node of a story.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Disconnect,
    Connect,
    Offload,
    Remove,
    /// Its process is started again.
    Restart,
    /// Its process ends, and is started again by the next deed that does so, or when all is healed.
    Crash,
    /// Its process is started if it is down.
    Start,
}

const STORIES: [&[Deed]; 14] = [
    &[Deed::Disconnect, Deed::Offload, Deed::Remove],
    &[Deed::Disconnect, Deed::Connect],
    &[Deed::Disconnect, Deed::Offload, Deed::Connect],
    &[Deed::Disconnect, Deed::Remove, Deed::Restart],
    &[Deed::Disconnect, Deed::Remove, Deed::Connect, Deed::Restart],
    &[Deed::Disconnect, Deed::Remove],
    &[Deed::Disconnect, Deed::Restart, Deed::Connect],
    &[Deed::Disconnect, Deed::Offload, Deed::Restart],
    &[Deed::Disconnect, Deed::Offload, Deed::Remove, Deed::Restart],
    &[Deed::Disconnect, Deed::Connect, Deed::Disconnect, Deed::Connect],
    &[Deed::Crash, Deed::Remove, Deed::Start],
    &[Deed::Crash, Deed::Disconnect, Deed::Start, Deed::Connect],
    &[Deed::Disconnect, Deed::Offload, Deed::Connect, Deed::Disconnect],
    &[Deed::Disconnect, Deed::Remove, Deed::Restart, Deed::Disconnect, Deed::Remove],
];

pub(super) fn draw_steps(frame: &Frame) -> Vec<Step> {
    let stories = frame.temperament.draw_stories(&mut frame.streams.stream("drawn stories"));
    (0..stories).flat_map(|number| draw_story(frame, number)).collect()
}

fn draw_story(frame: &Frame, number: u64) -> Vec<Step> {
    let mut stream = frame.streams.indexed("drawn story", number, 0);
    let node = draw_number(&mut stream, frame.nodes);
    let begins = draw_moment(&mut stream, 5_000, frame.horizon);
    let mut at = begins;
    let mut steps = Vec::new();
    for deed in *stream.pick(&STORIES) {
        steps.push(Step::new(at, draw_deed(&mut stream, frame, *deed, node), Lasts::UntilHealed));
        at += frame.pace.draw_pause(&mut stream);
        // Handing FlowFiles over takes up to five seconds; half of the time people wait for it.
        if matches!(deed, Deed::Offload) && stream.below(2) == 0 {
            at += OFFLOAD_TIME.max;
        }
    }
    if stream.below(3) != 0 {
        steps.push(draw_fault(frame, number, node, begins, at));
    }
    steps
}

fn draw_deed(stream: &mut Stream, frame: &Frame, deed: Deed, node: NodeNumber) -> Action {
    let about = Selector::Node(node);
    let request = match deed {
        Deed::Disconnect => OperatorAction::Disconnect(about),
        Deed::Connect => OperatorAction::Connect(about),
        Deed::Offload => OperatorAction::Offload(about),
        Deed::Remove => OperatorAction::Remove(about),
        Deed::Restart => return Action::Restart { node: about },
        Deed::Crash => return Action::Crash { node: about, disk: Disk::Kept },
        Deed::Start => return Action::Start { node: about },
    };
    let at = match stream.below(4) {
        0..2 => Selector::Coordinator,
        _ => Selector::Node(draw_number(stream, frame.nodes)),
    };
    Action::Operator { at, request }
}

/// A fault that begins between two seconds before a story and its end, and strikes its node or the coordinator.
fn draw_fault(frame: &Frame, number: u64, node: NodeNumber, begins: Duration, ends: Duration) -> Step {
    let mut stream = frame.streams.indexed("drawn story", number, 1);
    let from = begins.saturating_sub(Duration::from_secs(2));
    let within = u64::try_from((ends - from).as_millis()).unwrap_or(0);
    let at = from + Duration::from_millis(stream.between(0, within));
    let node = if stream.below(3) == 0 { Selector::Coordinator } else { Selector::Node(node) };
    let cut = |to: Selector, direction: Direction| Cut { from: vec![node], to: vec![to], direction };
    let action = match stream.below(9) {
        0..2 => Action::Cut { cut: cut(Selector::Rest, Direction::Both), protocol: None },
        2 => Action::Cut { cut: cut(Selector::Rest, Direction::OneWay), protocol: None },
        3 => Action::Cut { cut: cut(Selector::ZooKeeper, Direction::Both), protocol: None },
        4 => Action::Crash { node, disk: Disk::Kept },
        5 => Action::Restart { node },
        6 => Action::Pause { node, buffered: stream.below(2) == 0 },
        7 => Action::ExpireSession { node },
        _ => Action::Slow { node, by: Duration::from_millis(stream.log_uniform(50, 2_000)) },
    };
    let lasts =
        if action.lasts() { Lasts::For(frame.pace.draw_length(&mut stream)) } else { Lasts::UntilHealed };
    Step::new(at, action, lasts)
}
