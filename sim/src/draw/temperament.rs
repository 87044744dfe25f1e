//! How much happens in a drawn run, how close together, and how long it lasts.

use super::cluster;
use crate::random::Stream;
use std::time::Duration;

/// How wild a run is. A calm run shows what one fault does, a wild one what faults do to each other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Temperament {
    Calm,
    Medium,
    Wild,
}

impl Temperament {
    /// One of three runs is calm, one is medium, one is wild. A wide cluster is calm: it costs enough as it is.
    pub(super) fn draw(stream: &mut Stream, nodes: u32) -> Temperament {
        let drawn = *stream.pick(&[Temperament::Calm, Temperament::Medium, Temperament::Wild]);
        if nodes > cluster::NODES_MAX { Temperament::Calm } else { drawn }
    }

    /// Up to when steps begin, in milliseconds. A wild run has more of them in less time.
    pub(super) fn draw_horizon(self, stream: &mut Stream) -> u64 {
        match self {
            Temperament::Calm => stream.between(20_000, 150_000),
            Temperament::Medium => stream.between(20_000, 150_000),
            Temperament::Wild => stream.between(20_000, 120_000),
        }
    }

    /// How many faults strike one by one.
    pub(super) fn draw_faults(self, stream: &mut Stream) -> u64 {
        match self {
            Temperament::Calm => stream.between(0, 5),
            Temperament::Medium => stream.between(2, 10),
            Temperament::Wild => stream.between(8, 24),
        }
    }

    /// How many faults strike servers of an ensemble.
    pub(super) fn draw_server_faults(self, stream: &mut Stream) -> u64 {
        match self {
            Temperament::Calm => stream.between(0, 3),
            Temperament::Medium => stream.between(0, 5),
            Temperament::Wild => stream.between(2, 10),
        }
    }

    /// How many bursts there are.
    pub(super) fn draw_bursts(self, stream: &mut Stream) -> u64 {
        match self {
            Temperament::Calm => 0,
            Temperament::Medium => stream.below(3) / 2,
            Temperament::Wild => stream.between(0, 3),
        }
    }

    /// How often something comes and goes.
    pub(super) fn draw_flapping(self, stream: &mut Stream) -> u64 {
        match self {
            Temperament::Calm => stream.below(8) / 7,
            Temperament::Medium => stream.below(5) / 4,
            Temperament::Wild => stream.below(2),
        }
    }

    /// How many stories people tell about a node.
    pub(super) fn draw_stories(self, stream: &mut Stream) -> u64 {
        match self {
            Temperament::Calm => stream.below(3) / 2,
            Temperament::Medium => stream.below(2),
            Temperament::Wild => stream.between(0, 3),
        }
    }

    /// Whether a kind of fault is among those of the run. A run that has everything in it shows little of anything.
    pub(super) fn draw_kind(self, stream: &mut Stream) -> bool {
        let kinds_of_twenty = match self {
            Temperament::Calm => 5,
            Temperament::Medium => 7,
            Temperament::Wild => 11,
        };
        stream.below(20) < kinds_of_twenty
    }
}

/// The times that decide what a fault does: as a rule one that is shorter than all of them is not noticed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Pace {
    /// How long a node may be silent, in milliseconds.
    pub(super) window: u64,
    /// The session timeout that ZooKeeper grants, in milliseconds.
    pub(super) session: u64,
}

/// The shortest and the longest fault, in milliseconds.
const SHORTEST: u64 = 200;
const LONGEST: u64 = 60_000;

/// No fault that is scaled by a time of the run is longer, in milliseconds.
const SCALED_LONGEST: u64 = 80_000;

impl Pace {
    /// How long a fault lasts. A quarter of all faults are short mostly; the others have any order of magnitude, half of
    /// them between 0.2 s and 60 s, half of them between a tenth of the window or of the session timeout and four times it.
    pub(super) fn draw_length(self, stream: &mut Stream) -> Duration {
        let millis = match stream.below(8) {
            0..2 => stream.heavy_tail(SHORTEST, LONGEST),
            2..5 => stream.log_uniform(SHORTEST, LONGEST),
            5..7 => scaled(stream, self.window),
            _ => scaled(stream, self.session),
        };
        Duration::from_millis(millis)
    }

    /// How long a fault lasts that comes and goes, or the pause between two of them.
    pub(super) fn draw_beat(self, stream: &mut Stream) -> Duration {
        let longest = *stream.pick(&[1_000, self.window / 2, self.session / 2]);
        Duration::from_millis(stream.log_uniform(100, longest.clamp(100, 6_000)))
    }

    /// How long people wait between two requests.
    pub(super) fn draw_pause(self, stream: &mut Stream) -> Duration {
        let longest = *stream.pick(&[2_000, 10_000, self.window.clamp(1_000, 20_000)]);
        Duration::from_millis(stream.log_uniform(300, longest))
    }
}

fn scaled(stream: &mut Stream, time: u64) -> u64 {
    let shortest = (time / 10).max(1);
    stream.log_uniform(shortest, (time * 4).min(SCALED_LONGEST).max(shortest))
}
