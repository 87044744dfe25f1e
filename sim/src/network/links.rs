//! What each link remembers: how many messages it has carried in each direction, and how long the next few will take. A
//! link is found by its two ends in a table of hashes: nothing ever walks through the links, so they need no order.

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
    pairs: Vec<Pair>,
    /// For each hash, the pair in `pairs` that has it, or the next place behind that is `FREE`; at least a quarter
    /// are. The number of places is a power of two, or 0 before the first link.
    places: Vec<u32>,
}

/// Where the memory of one direction of a link is. It stays there, so that who sends on it often need not search.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LinkPlace {
    pair: u32,
    /// Whether it leads from the end with the greater code to the one with the lesser.
    back: bool,
}

impl LinkPlace {
    /// The same link in the other direction.
    pub(crate) fn reverse(self) -> LinkPlace {
        LinkPlace { back: !self.back, ..self }
    }
}

/// Both directions of a link, in two lines of a processor's cache that are fetched together: who is asked answers, and
/// in a large cluster a message costs mostly what it is to fetch these.
#[derive(Clone, Debug)]
#[repr(C, align(128))]
struct Pair {
    /// The lesser code first.
    ends: [u32; 2],
    forth: Direction,
    back: Direction,
}

/// What one direction of a link remembers.
#[derive(Clone, Debug)]
struct Direction {
    messages: u64,
    /// Where in the stream of this direction the next draw is.
    position: u64,
    /// How much longer than the least latency the messages of this batch take, in microseconds: each in one of these, or
    /// the lower and the upper half of each in two.
    batch: [u16; BATCH],
}

/// As many as have room. The generator makes 32 values at once.
const BATCH: usize = 20;
const WIDE_BATCH: usize = BATCH / 2;
const _: () = assert!(size_of::<Direction>() == 56 && size_of::<Pair>() == 128);

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
        Links { streams, min, width, batches, pairs: Vec::new(), places: Vec::new() }
    }

    /// Where the link is remembered, from now on if it was not before.
    #[inline]
    pub(super) fn place(&mut self, link: Link) -> LinkPlace {
        let [from, to] = [code(link.from), code(link.to)];
        let ends = [from.min(to), from.max(to)];
        let pair = self.find(ends).unwrap_or_else(|| self.insert(ends));
        LinkPlace { pair, back: from > to }
    }

    /// The number of the next message on the link that is remembered at `place`, counted from 0, and its undisturbed
    /// latency.
    #[inline]
    pub(super) fn next_message(&mut self, place: LinkPlace, link: Link) -> (u64, Duration) {
        let pair = &mut self.pairs[place.pair as usize];
        debug_assert_eq!(
            (pair.ends[usize::from(place.back)], pair.ends[usize::from(!place.back)]),
            (code(link.from), code(link.to)),
            "the place is that of the link"
        );
        let state = if place.back { &mut pair.back } else { &mut pair.forth };
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
    fn find(&self, ends: [u32; 2]) -> Option<u32> {
        let mut place = self.first_place(ends);
        loop {
            let pair = *self.places.get(place)?;
            if self.pairs.get(pair as usize)?.ends == ends {
                return Some(pair);
            }
            place = (place + 1) & (self.places.len() - 1);
        }
    }

    /// Where the search for a link begins. Links that share their lesser end begin at different places, and so do those
    /// that share their greater end: what is odd has an inverse modulo a power of two.
    #[inline]
    fn first_place(&self, [one, other]: [u32; 2]) -> usize {
        const ODD: [u32; 2] = [0x9e37_79b9, 0xc2b2_ae35];
        let hash = one.wrapping_mul(ODD[0]).wrapping_add(other.wrapping_mul(ODD[1]));
        hash as usize & self.places.len().wrapping_sub(1)
    }

    #[cold]
    fn insert(&mut self, ends: [u32; 2]) -> u32 {
        let pair = self.pairs.len();
        let unused = || Direction { messages: 0, position: 0, batch: [0; BATCH] };
        self.pairs.push(Pair { ends, forth: unused(), back: unused() });
        if self.pairs.len() * 4 > self.places.len() * 3 {
            let places = (self.places.len() * 2).max(PLACES_MIN);
            self.places.clear();
            self.places.resize(places, FREE);
            (0..pair).for_each(|pair| {
                self.settle(pair);
            });
        }
        self.settle(pair)
    }

    /// Puts a pair into the first free place from where the search for it begins.
    fn settle(&mut self, pair: usize) -> u32 {
        let mut place = self.first_place(self.pairs[pair].ends);
        while self.places[place] != FREE {
            place = (place + 1) & (self.places.len() - 1);
        }
        let pair = u32::try_from(pair).expect("fewer than 2^32 links");
        self.places[place] = pair;
        pair
    }
}

impl Direction {
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

    fn next_message(links: &mut Links, link: Link) -> (u64, Duration) {
        let place = links.place(link);
        links.next_message(place, link)
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
                    assert_eq!(next_message(&mut links, link), (*number, latency));
                    *number += 1;
                }
            }
        }
        assert_eq!(links.pairs.len(), model.len() / 2);
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
    fn a_place_remembers_its_own_direction_whatever_links_come_after_it() {
        let mut links = links(1_000, 50_000);
        let (one, other) = (Endpoint::Node(NodeNumber(7)), Endpoint::ZooKeeper(7));
        let (link, back) = (Link { from: one, to: other }, Link { from: other, to: one });
        let place = links.place(link);
        assert_eq!((links.place(link), links.place(back)), (place, place.reverse()));
        star(100).for_each(|link| {
            links.place(link);
        });
        assert_eq!((links.place(link), links.place(back)), (place, place.reverse()));
        let numbers = [(place, link), (place.reverse(), back), (place, link), (place.reverse(), back)]
            .map(|(place, link)| links.next_message(place, link).0);
        assert_eq!(numbers, [0, 0, 1, 1]);
    }

    #[test]
    fn links_that_share_an_end_begin_at_different_places() {
        for centre in [Endpoint::Node(NodeNumber(1)), Endpoint::ZooKeeper(3)] {
            let mut links = links(1, 2);
            (2..=3_000).for_each(|node| {
                links.place(Link { from: Endpoint::Node(NodeNumber(node)), to: centre });
            });
            let begins = links.pairs.iter().map(|pair| links.first_place(pair.ends));
            assert_eq!(begins.collect::<std::collections::BTreeSet<_>>().len(), 2_999);
        }
    }

    #[test]
    fn the_links_of_a_star_hardly_collide() {
        let mut links = links(1, 2);
        star(5_000).for_each(|link| {
            next_message(&mut links, link);
        });
        let places = links.places.len();
        let beside = |&place: &usize| {
            let link = links.places[place];
            let pair = links.pairs.get(link as usize);
            pair.map_or(0, |pair| place.wrapping_sub(links.first_place(pair.ends)) & (places - 1))
        };
        let total: usize = (0..places).map(|place| beside(&place)).sum();
        assert!(total < links.pairs.len(), "{total} places for {} pairs", links.pairs.len());
    }
}
