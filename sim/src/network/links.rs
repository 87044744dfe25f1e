//! What each directed link remembers: how many messages it has carried, and how long the next few will take. A link is
//! found by its two ends in a table of hashes: nothing ever walks through the links, so they need no order.

use super::{Endpoint, LATENCY, Link};
use crate::plan::{DurationRange, NodeNumber};
use crate::random::{Stream, Streams};
use crate::time::whole_micros;
use std::time::Duration;

/// The links that have been used so far.
#[derive(Clone, Debug)]
pub(super) struct Links {
    streams: Streams,
    /// The least latency, in microseconds, and how much greater the greatest is.
    min: u64,
    width: u64,
    batches: Batches,
    states: Vec<LinkState>,
    /// For each hash, the link in `states` that has it, or the next place behind that is `FREE`; at least a quarter
    /// are. The number of places is a power of two, or 0 before the first link.
    places: Vec<u32>,
}

/// What one link remembers, in one line of a processor's cache: in a large cluster that is mostly what a message costs.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct LinkState {
    ends: [u32; 2],
    messages: u64,
    /// Where in the link's stream the next draw is.
    position: u64,
    /// How much longer than the least latency the messages of this batch take, in microseconds: each in one of these, or
    /// the lower and the upper half of each in two.
    batch: [u16; BATCH],
}

/// As many as have room. The generator makes 32 values at once.
const BATCH: usize = 20;
const WIDE_BATCH: usize = BATCH / 2;
const _: () = assert!(size_of::<LinkState>() == 64);

/// How many latencies are drawn together. It does not matter for what is drawn.
#[derive(Clone, Copy, Debug)]
enum Batches {
    /// None of them is more than 65 ms longer than the least.
    Narrow,
    /// None of them is more than 71 minutes longer.
    Wide,
    /// Links that take an hour are drawn for one by one.
    None,
}

const FREE: u32 = u32::MAX;
const PLACES_MIN: usize = 64;

impl Links {
    pub(super) const fn new(streams: Streams, latency: DurationRange) -> Links {
        let (min, max) = (whole_micros(latency.min), whole_micros(latency.max));
        assert!(min <= max, "a range runs from its lesser to its greater end");
        let width = max - min;
        let batches = match width {
            0..=0xffff => Batches::Narrow,
            0x1_0000..=0xffff_ffff => Batches::Wide,
            _ => Batches::None,
        };
        Links { streams, min, width, batches, states: Vec::new(), places: Vec::new() }
    }

    /// The number of the next message on a link, counted from 0, and its undisturbed latency.
    #[inline]
    pub(super) fn next_message(&mut self, link: Link) -> (u64, Duration) {
        let ends = [code(link.from), code(link.to)];
        let index = self.find(ends).unwrap_or_else(|| self.insert(ends));
        let state = &mut self.states[index];
        let number = state.messages;
        state.messages += 1;
        let longer = match self.batches {
            Batches::Narrow => {
                let place = (number % BATCH as u64) as usize;
                if place == 0 {
                    state.batch =
                        state.draw(link, self.streams, |stream| stream.between(0, self.width) as u16);
                }
                u64::from(state.batch[place])
            }
            Batches::Wide => {
                let place = (number % WIDE_BATCH as u64) as usize;
                if place == 0 {
                    state.refill_wide(link, self.streams, self.width);
                }
                u64::from(state.batch[place]) | u64::from(state.batch[WIDE_BATCH + place]) << 16
            }
            Batches::None => {
                let [longer] = state.draw(link, self.streams, |stream| stream.between(0, self.width));
                longer
            }
        };
        (number, Duration::from_micros(self.min + longer))
    }

    #[inline]
    fn find(&self, ends: [u32; 2]) -> Option<usize> {
        let mut place = self.first_place(ends);
        loop {
            let link = *self.places.get(place)?;
            if self.states.get(link as usize)?.ends == ends {
                return Some(link as usize);
            }
            place = (place + 1) & (self.places.len() - 1);
        }
    }

    /// Where the search for a link begins: the upper bits of a product, in which all bits of both ends count.
    #[inline]
    fn first_place(&self, [from, to]: [u32; 2]) -> usize {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let hash = (u64::from(from) << 32 | u64::from(to)).wrapping_mul(ODD);
        (hash ^ hash >> 32).wrapping_mul(ODD) as usize >> 32 & self.places.len().wrapping_sub(1)
    }

    #[cold]
    fn insert(&mut self, ends: [u32; 2]) -> usize {
        let link = self.states.len();
        self.states.push(LinkState { ends, messages: 0, position: 0, batch: [0; BATCH] });
        if self.states.len() * 4 > self.places.len() * 3 {
            let places = (self.places.len() * 2).max(PLACES_MIN);
            self.places.clear();
            self.places.resize(places, FREE);
            (0..=link).for_each(|link| self.settle(link));
        } else {
            self.settle(link);
        }
        link
    }

    /// Puts a link into the first free place from where the search for it begins.
    fn settle(&mut self, link: usize) {
        let mut place = self.first_place(self.states[link].ends);
        while self.places[place] != FREE {
            place = (place + 1) & (self.places.len() - 1);
        }
        self.places[place] = u32::try_from(link).expect("fewer than 2^32 links");
    }
}

impl LinkState {
    #[inline(never)]
    fn refill_wide(&mut self, link: Link, streams: Streams, width: u64) {
        let drawn: [u32; WIDE_BATCH] = self.draw(link, streams, |stream| stream.between(0, width) as u32);
        let (lower, upper) = self.batch.split_at_mut(WIDE_BATCH);
        for ((lower, upper), drawn) in lower.iter_mut().zip(upper).zip(drawn) {
            (*lower, *upper) = (drawn as u16, (drawn >> 16) as u16);
        }
    }

    /// So many draws from where the last ones ended.
    #[inline(never)]
    fn draw<T, const DRAWS: usize>(
        &mut self,
        link: Link,
        streams: Streams,
        one: impl Fn(&mut Stream) -> T,
    ) -> [T; DRAWS] {
        let mut stream = self.stream(link, streams);
        let drawn = [(); DRAWS].map(|()| one(&mut stream));
        self.position = stream.position();
        drawn
    }

    fn stream(&self, link: Link, streams: Streams) -> Stream {
        let mut stream = link.draws(streams, LATENCY, 0);
        stream.go_to(self.position);
        stream
    }
}

/// Nodes and servers side by side.
#[inline]
fn code(endpoint: Endpoint) -> u32 {
    const SERVER: u32 = 1 << 31;
    let (number, bit) = match endpoint {
        Endpoint::Node(NodeNumber(node)) => (node, 0),
        Endpoint::ZooKeeper(server) => (server, SERVER),
    };
    assert!(number < SERVER, "endpoints have numbers below 2^31");
    number | bit
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const STREAMS: Streams = Streams::new(42);

    fn links(min: u64, max: u64) -> Links {
        let range = DurationRange { min: Duration::from_micros(min), max: Duration::from_micros(max) };
        Links::new(STREAMS, range)
    }

    fn star(nodes: u32) -> impl Iterator<Item = Link> {
        let centres = [Endpoint::Node(NodeNumber(1)), Endpoint::ZooKeeper(1), Endpoint::ZooKeeper(2)];
        (2..=nodes).map(|node| Endpoint::Node(NodeNumber(node))).flat_map(move |node| {
            centres
                .into_iter()
                .flat_map(move |centre| [Link { from: node, to: centre }, Link { from: centre, to: node }])
        })
    }

    /// Each message draws what its link's stream says, message by message, however many links there are by now.
    #[track_caller]
    fn check_against_streams(min: u64, max: u64) {
        let mut links = links(min, max);
        let mut model = BTreeMap::new();
        for messages in [1, 3, 20] {
            for link in star(100) {
                let start = || (0, link.draws(STREAMS, LATENCY, 0));
                let (number, stream) = model.entry(link).or_insert_with(start);
                for _ in 0..messages {
                    let latency = Duration::from_micros(stream.between(min, max));
                    assert_eq!(links.next_message(link), (*number, latency));
                    *number += 1;
                }
            }
        }
        assert_eq!(links.states.len(), model.len());
    }

    #[test]
    fn a_batch_is_what_would_have_been_drawn_message_by_message() {
        check_against_streams(1_000, 50_000);
        check_against_streams(7, 7);
        check_against_streams(0, u16::MAX.into());
        check_against_streams(0, u64::from(u16::MAX) + 1);
        check_against_streams(0, u32::MAX.into());
    }

    #[test]
    fn links_that_take_hours_draw_the_same_way() {
        check_against_streams(0, u64::from(u32::MAX) + 1);
        check_against_streams(5, u64::MAX);
        // A quarter of these draws is refused, and drawn again.
        check_against_streams(0, 3 << 62);
    }

    #[test]
    fn the_links_of_a_star_hardly_collide() {
        let mut links = links(1, 2);
        star(5_000).for_each(|link| {
            links.next_message(link);
        });
        let places = links.places.len();
        let beside = |&place: &usize| {
            let link = links.places[place];
            let state = links.states.get(link as usize);
            state.map_or(0, |state| place.wrapping_sub(links.first_place(state.ends)) & (places - 1))
        };
        let total: usize = (0..places).map(|place| beside(&place)).sum();
        assert!(total < 2 * links.states.len(), "{total} places for {} links", links.states.len());
    }
}
