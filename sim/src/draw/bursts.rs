//! Faults that strike close together, and faults that come and go.

use super::faults::{FLAPPING, draw_action, draw_kinds, draw_step};
use super::{Frame, draw_moment};
use crate::plan::{Lasts, Step};
use std::time::Duration;

/// A burst has up to this many faults.
const FAULTS_MAX: u64 = 6;

/// They begin within so many milliseconds.
const WITHIN: u64 = 4_000;

/// The same fault comes and goes up to so many times.
const TIMES_MAX: u64 = 7;

pub(super) fn draw_steps(frame: &Frame) -> Vec<Step> {
    let bursts = frame.temperament.draw_bursts(&mut frame.streams.stream("drawn bursts"));
    let flapping = frame.temperament.draw_flapping(&mut frame.streams.stream("drawn flappings"));
    let mut steps: Vec<Step> = (0..bursts).flat_map(|number| draw_burst(frame, number)).collect();
    steps.extend((0..flapping).flat_map(|number| draw_flapping(frame, number)));
    steps
}

fn draw_burst(frame: &Frame, number: u64) -> Vec<Step> {
    let mut shape = frame.streams.indexed("drawn burst", number, 0);
    let from = draw_moment(&mut shape, 2_000, frame.horizon);
    let faults = shape.between(3, FAULTS_MAX);
    let kinds = draw_kinds(&mut shape, frame);
    let faults = (1..=faults).map(|fault| {
        let mut stream = frame.streams.indexed("drawn burst", number, fault);
        let at = from + Duration::from_millis(stream.log_uniform(1, WITHIN));
        draw_step(&mut stream, frame, &kinds, at)
    });
    faults.collect()
}

fn draw_flapping(frame: &Frame, number: u64) -> Vec<Step> {
    let mut stream = frame.streams.indexed("drawn flapping", number, 0);
    let mut at = draw_moment(&mut stream, 2_000, frame.horizon);
    let action = draw_action(&mut stream, &FLAPPING, frame.nodes);
    let (length, pause) = (frame.pace.draw_beat(&mut stream), frame.pace.draw_beat(&mut stream));
    let times = stream.between(3, TIMES_MAX);
    let mut steps = Vec::new();
    for _ in 0..times {
        let lasts = if action.lasts() { Lasts::For(length) } else { Lasts::UntilHealed };
        steps.push(Step::new(at, action.clone(), lasts));
        at += length + pause;
    }
    steps
}
