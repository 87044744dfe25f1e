//! Who expires first, of many that are heard of all the time; when each expires is left to those who ask.
//!
//! Nearly always the time at which something expires only moves on. So its entry in the queue stays where it is, and is
//! moved on when it comes to the front, to where it belongs by then. The first entry is always right.

use alloc::collections::binary_heap::PeekMut;
use alloc::collections::{BTreeMap, BinaryHeap};
use core::cmp::Reverse;
use core::fmt::Debug;
use core::hash::{Hash, Hasher};
use core::time::Duration;

/// So many entries may stand for nothing, besides as many as there are others, before they are looked for.
const DEAD_ENTRIES_MAX: usize = 32;

/// When something expires, and which entry of the queue stands for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expiry {
    at: Duration,
    entry: u64,
}

impl Expiry {
    pub(super) fn at(self) -> Duration {
        self.at
    }
}

/// What has an expiry, unless its end is decided.
pub(super) trait Expires {
    fn expiry(&self) -> Option<Expiry>;
}

/// The order in which those in a map expire: by time, at one time by id.
///
/// Whoever changes the map has to [`settle`](ExpiryQueue::settle) the queue.
#[derive(Clone, Debug)]
pub(super) struct ExpiryQueue<Id> {
    /// Each with a time that is not later than it is right. One whose number is not that of the expiry stands for nothing.
    entries: BinaryHeap<Reverse<(Duration, Id, u64)>>,
    /// How many entries there ever were.
    count: u64,
}

impl<Id: Copy + Ord + Debug> ExpiryQueue<Id> {
    pub(super) fn new() -> Self {
        ExpiryQueue { entries: BinaryHeap::new(), count: 0 }
    }

    /// The first to expire.
    #[inline]
    pub(super) fn first(&self) -> Option<(Duration, Id)> {
        self.entries.peek().map(|Reverse((at, id, _))| (*at, *id))
    }

    /// Lets `id` expire at that time.
    #[must_use]
    pub(super) fn enter(&mut self, id: Id, at: Duration) -> Expiry {
        self.count += 1;
        self.entries.push(Reverse((at, id, self.count)));
        Expiry { at, entry: self.count }
    }

    /// Lets `id` expire at another time.
    #[inline]
    pub(super) fn put_off(&mut self, id: Id, expiry: &mut Expiry, at: Duration) {
        if at < expiry.at {
            *expiry = self.enter(id, at);
        } else {
            expiry.at = at;
        }
    }

    /// Makes the first entry right again, after the expiry of `changed` has changed, or is gone.
    #[inline]
    pub(super) fn settle(&mut self, changed: Id, of: &BTreeMap<Id, impl Expires>) {
        if self.first().is_some_and(|(_, first)| first == changed) {
            self.bring_forward(of);
        }
        if self.entries.len() > 2 * of.len() + DEAD_ENTRIES_MAX {
            self.entries.retain(|Reverse((_, id, entry))| {
                expiry_of(of, *id).is_some_and(|expiry| expiry.entry == *entry)
            });
        }
    }

    fn bring_forward(&mut self, of: &BTreeMap<Id, impl Expires>) {
        while let Some(mut first) = self.entries.peek_mut() {
            let Reverse((at, id, entry)) = *first;
            match expiry_of(of, id) {
                Some(expiry) if expiry.entry == entry && expiry.at == at => return,
                Some(expiry) if expiry.entry == entry => first.0.0 = expiry.at,
                Some(_) | None => drop(PeekMut::pop(first)),
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    pub(super) fn check_invariants(&self, expiries: impl Iterator<Item = (Id, Expiry)>) {
        let mut expected: BTreeMap<(Id, u64), Duration> =
            expiries.map(|(id, expiry)| ((id, expiry.entry), expiry.at)).collect();
        let first = expected.iter().map(|((id, _), at)| (*at, *id)).min();
        assert_eq!(self.first(), first, "another one is the first to expire");
        for Reverse((at, id, entry)) in &self.entries {
            let right = expected.remove(&(*id, *entry));
            assert!(right.is_none_or(|right| *at <= right), "an entry is later than it is right");
        }
        assert!(expected.is_empty(), "something that expires has no entry");
    }
}

fn expiry_of<Id: Ord>(of: &BTreeMap<Id, impl Expires>, id: Id) -> Option<Expiry> {
    of.get(&id)?.expiry()
}

/// The time counts, and not which entry stands for it.
impl PartialEq for Expiry {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Expiry {}

impl Hash for Expiry {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.at.hash(state);
    }
}

/// What a queue says follows from the map that it belongs to: queues of equal maps are equal.
impl<Id> PartialEq for ExpiryQueue<Id> {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl<Id> Eq for ExpiryQueue<Id> {}

impl<Id> Hash for ExpiryQueue<Id> {
    fn hash<H: Hasher>(&self, _state: &mut H) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use proptest::prelude::*;

    impl Expires for Option<Expiry> {
        fn expiry(&self) -> Option<Expiry> {
            *self
        }
    }

    /// Things that expire, and a sorted list of when.
    #[derive(Default)]
    struct Bench {
        of: BTreeMap<u8, Option<Expiry>>,
        queue: Option<ExpiryQueue<u8>>,
        model: BTreeSet<(Duration, u8)>,
    }

    impl Bench {
        /// Lets `id` expire at that time, and never without one.
        fn set(&mut self, id: u8, at: Option<u64>) {
            let queue = self.queue.get_or_insert_with(ExpiryQueue::new);
            let at = at.map(Duration::from_millis);
            match (self.of.get_mut(&id), at) {
                (Some(Some(expiry)), Some(at)) => queue.put_off(id, expiry, at),
                (Some(_) | None, Some(at)) => drop(self.of.insert(id, Some(queue.enter(id, at)))),
                (Some(expiry), None) => *expiry = None,
                (None, None) => {}
            }
            queue.settle(id, &self.of);
            self.model.retain(|(_, known)| *known != id);
            self.model.extend(at.map(|at| (at, id)));
        }

        fn check(&self) -> usize {
            let queue = self.queue.as_ref().expect("something was set");
            let expiries = self.of.iter().filter_map(|(id, expiry)| Some((*id, (*expiry)?)));
            queue.check_invariants(expiries);
            assert_eq!(queue.first(), self.model.first().copied());
            assert!(queue.entries.len() <= 2 * self.of.len() + DEAD_ENTRIES_MAX, "too many entries");
            queue.entries.capacity()
        }
    }

    #[test]
    fn who_is_heard_of_again_and_again_takes_memory_once() {
        let mut bench = Bench::default();
        (0..200).for_each(|id| bench.set(id, Some(u64::from(id) * 50)));
        let capacity = bench.check();
        for round in 1..50 {
            for id in 0..200 {
                bench.set(id, Some(round * 10_000 + u64::from(id) * 50));
            }
            assert_eq!(bench.check(), capacity);
        }
    }

    #[test]
    fn entries_that_stand_for_nothing_are_forgotten() {
        let mut bench = Bench::default();
        bench.set(0, Some(1));
        for _ in 0..1_000 {
            bench.set(1, Some(u64::MAX));
            bench.set(1, None);
            bench.set(2, Some(10_000));
            bench.set(2, Some(9_000));
            bench.check();
        }
    }

    proptest! {
        #[test]
        fn the_first_to_expire_is_the_first_of_a_sorted_list(
            steps in prop::collection::vec((0u8..12, prop::option::weighted(0.8, 0u64..20), any::<bool>()), 1..300),
        ) {
            let mut bench = Bench::default();
            for (id, at, removes) in steps {
                bench.set(id, at);
                bench.check();
                // As a rule it is the first that expires.
                if let (true, Some((_, id))) = (removes, bench.model.first().copied()) {
                    bench.set(id, None);
                    bench.of.remove(&id);
                    bench.check();
                }
            }
        }
    }
}
