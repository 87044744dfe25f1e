//! The queue of everything that is still to happen. The earliest comes first; at the same instant, what was pushed
//! first.

use crate::time::SimTime;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Events by the time at which they happen and, at the same time, by the order in which they were pushed.
///
/// The heap holds only 16-byte keys; the events lie still in numbered slots, which are used again, so that a queue
/// that does not grow allocates nothing.
#[derive(Clone, Debug)]
pub struct EventQueue<E> {
    keys: BinaryHeap<Reverse<Key>>,
    slots: Vec<Option<E>>,
    vacant: Vec<u32>,
    pushed: u64,
}

impl<E> EventQueue<E> {
    /// An empty queue, whose first event will have the sequence number 0.
    #[must_use]
    pub const fn new() -> Self {
        EventQueue { keys: BinaryHeap::new(), slots: Vec::new(), vacant: Vec::new(), pushed: 0 }
    }

    /// Lets `event` happen at `time`, and returns its sequence number: how many events were pushed before it.
    ///
    /// # Panics
    ///
    /// After 2^40 events, or when 2^24 are waiting.
    pub fn push(&mut self, time: SimTime, event: E) -> u64 {
        let sequence = self.pushed;
        let slot = self.occupy(event);
        self.keys.push(Reverse(Key::new(time, sequence, slot)));
        self.pushed += 1;
        sequence
    }

    /// Takes out the next event, with its time and its sequence number.
    pub fn pop(&mut self) -> Option<(SimTime, u64, E)> {
        let Reverse(key) = self.keys.pop()?;
        let event = self.vacate(key.slot());
        Some((key.time(), key.sequence(), event))
    }

    /// When the next event happens.
    #[must_use]
    pub fn peek_time(&self) -> Option<SimTime> {
        self.keys.peek().map(|Reverse(key)| key.time())
    }

    /// How many events are waiting.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no event is waiting.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    fn occupy(&mut self, event: E) -> u32 {
        if let Some(slot) = self.vacant.pop() {
            let before = self.slots[slot as usize].replace(event);
            assert!(before.is_none(), "a vacant slot holds no event");
            return slot;
        }
        let slot = self.slots.len() as u64;
        assert!(slot < SLOTS_MAX, "at most {SLOTS_MAX} events wait at once");
        self.slots.push(Some(event));
        slot as u32
    }

    fn vacate(&mut self, slot: u32) -> E {
        self.vacant.push(slot);
        self.slots[slot as usize].take().expect("every key in the heap has an event in its slot")
    }
}

impl<E> Default for EventQueue<E> {
    fn default() -> Self {
        EventQueue::new()
    }
}

/// How many events may wait at once: more than a thousand for each of ten thousand nodes. A queue that fills up
/// has stopped making progress.
const SLOTS_MAX: u64 = 1 << SLOT_BITS;

/// How many events one simulation may have: hours of computing, far longer than anyone waits for a seed.
const SEQUENCE_MAX: u64 = 1 << SEQUENCE_BITS;

const SLOT_BITS: u32 = 24;
const SEQUENCE_BITS: u32 = 40;
const _: () = assert!(u64::BITS + SEQUENCE_BITS + SLOT_BITS == u128::BITS);

/// Time, sequence number and slot in one number, whose order is that of the events. No two events have the same
/// sequence number, so the slot decides nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Key(u128);

impl Key {
    fn new(time: SimTime, sequence: u64, slot: u32) -> Self {
        assert!(sequence < SEQUENCE_MAX, "at most {SEQUENCE_MAX} events happen in one simulation");
        Key(u128::from(time.as_micros()) << 64 | u128::from(sequence) << SLOT_BITS | u128::from(slot))
    }

    const fn time(self) -> SimTime {
        SimTime::from_micros((self.0 >> 64) as u64)
    }

    const fn sequence(self) -> u64 {
        self.0 as u64 >> SLOT_BITS
    }

    const fn slot(self) -> u32 {
        self.0 as u32 & ((1 << SLOT_BITS) - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn queue(times: &[u64]) -> EventQueue<usize> {
        let mut queue = EventQueue::new();
        for (index, &time) in times.iter().enumerate() {
            assert_eq!(queue.push(SimTime(time), index), index as u64);
        }
        queue
    }

    #[track_caller]
    fn check_order(times: &[u64], expected: &[usize]) {
        let mut queue = queue(times);
        let popped: Vec<usize> = std::iter::from_fn(|| queue.pop().map(|(_, _, event)| event)).collect();
        assert_eq!(popped, expected);
    }

    #[test]
    fn the_earliest_event_comes_first() {
        check_order(&[], &[]);
        check_order(&[30, 10, 20], &[1, 2, 0]);
        check_order(&[u64::MAX, 0, u64::MAX - 1], &[1, 2, 0]);
    }

    #[test]
    fn at_the_same_instant_the_first_pushed_comes_first() {
        check_order(&[5, 5, 5, 4, 5], &[3, 0, 1, 2, 4]);
        check_order(&[u64::MAX; 3], &[0, 1, 2]);
    }

    #[test]
    fn a_key_keeps_its_parts_apart() {
        let key = Key::new(SimTime::FAR_FUTURE, SEQUENCE_MAX - 1, 0);
        assert_eq!((key.time(), key.sequence(), key.slot()), (SimTime::FAR_FUTURE, SEQUENCE_MAX - 1, 0));
        let key = Key::new(SimTime::ZERO, 0, SLOTS_MAX as u32 - 1);
        assert_eq!((key.time(), key.sequence(), key.slot()), (SimTime::ZERO, 0, SLOTS_MAX as u32 - 1));
    }

    #[test]
    #[should_panic(expected = "events happen in one simulation")]
    fn sequence_numbers_never_run_into_the_time() {
        Key::new(SimTime::ZERO, SEQUENCE_MAX, 0);
    }

    #[test]
    fn a_queue_that_does_not_grow_allocates_nothing() {
        let capacities = |queue: &EventQueue<usize>| {
            (queue.keys.capacity(), queue.slots.capacity(), queue.vacant.capacity())
        };
        let mut queue = queue(&[0; 100]);
        let mut turn_over = |events: u64| {
            for _ in 0..events {
                let (time, sequence, event) = queue.pop().expect("the queue holds 100 events");
                queue.push(SimTime(time.as_micros() + sequence % 7), event);
            }
            capacities(&queue)
        };
        assert_eq!(turn_over(1), turn_over(10_000));
    }

    #[test]
    fn a_popped_event_is_gone_and_its_slot_is_used_again() {
        let event = std::rc::Rc::new(());
        let mut queue = EventQueue::new();
        queue.push(SimTime(1), event.clone());
        drop(queue.pop());
        assert_eq!(std::rc::Rc::strong_count(&event), 1);
        queue.push(SimTime(2), event);
        assert_eq!((queue.slots.len(), queue.len()), (1, 1));
    }

    proptest! {
        /// The model is a list that is searched for its least element at every pop.
        #[test]
        fn behaves_like_a_sorted_list(steps in prop::collection::vec(prop::option::of(0_u64..8), 0..200)) {
            let mut queue = EventQueue::new();
            let mut model: Vec<(SimTime, u64, usize)> = Vec::new();
            let mut waiting_max = 0;
            for (event, step) in steps.into_iter().enumerate() {
                match step {
                    Some(time) => {
                        let sequence = queue.push(SimTime(time), event);
                        model.push((SimTime(time), sequence, event));
                        model.sort();
                    }
                    None => {
                        let expected = (!model.is_empty()).then(|| model.remove(0));
                        prop_assert_eq!(queue.pop(), expected);
                    }
                }
                waiting_max = waiting_max.max(model.len());
                prop_assert_eq!(queue.len(), model.len());
                prop_assert_eq!(queue.is_empty(), model.is_empty());
                prop_assert_eq!(queue.peek_time(), model.first().map(|&(time, ..)| time));
                prop_assert_eq!(queue.slots.len(), waiting_max);
            }
        }
    }
}
